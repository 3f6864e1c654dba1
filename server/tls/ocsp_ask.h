/*
 * ocsp_ask.h: what the responders say about one certificate.  Blocks: for helper threads.
 */
#ifndef NJ_TLS_OCSP_ASK_H
#define NJ_TLS_OCSP_ASK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "tls/ocsp.h"

struct nj_buf;
struct nj_cert;
struct nj_tls_crypto;

struct nj_ocsp_ask {
    const struct nj_cert *cert;
    const struct nj_cert *issuer;
    const struct nj_tls_crypto *crypto;
    const char *const *urls; /* responders, asked in order until one answers */
    size_t urls_n;
    int64_t timeout_ms; /* of each HTTP request */
    int64_t skew_s;     /* tolerance of dates */
    int64_t endless_s;  /* how old an answer without nextUpdate may be; negative: any age */
    int64_t (*now_s)(void);
    bool get_only; /* no POST first: GET can be answered from caches on the way */
    int cancel_fd; /* readable: give up; -1: never */
};

/*
 * The first answer that is whole, signed, about the certificate and of now; its bytes are appended
 * to `raw`.  On failure all reasons are appended to `why`, one a line:
 *   exhausted ocsp servers: Post "http://…": dial tcp …: connect: connection refused
 */
int nj_ocsp_ask(const struct nj_ocsp_ask *ask, struct nj_buf *raw, struct nj_ocsp_answer *answer_out,
                struct nj_buf *why);

/* Judge bytes that were got some other way. */
int nj_ocsp_judge(const struct nj_ocsp_ask *ask, struct nj_span raw,
                  struct nj_ocsp_answer *answer_out, struct nj_error *err);

#endif
