/*
 * ocsp.h: the question about one certificate and the reading of its answer (RFC 6960).
 *
 * No socket, no clock, no cryptography of its own: hashes and signatures are the provider's.
 * Any bytes of an answer are safe; sizes and counts are capped.  Nothing is kept: all spans are
 * borrowed for the call.
 */
#ifndef NJ_TLS_OCSP_H
#define NJ_TLS_OCSP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_buf;
struct nj_cert;
struct nj_tls_crypto;

#define NJ_OCSP_MAX_LEN ((size_t) 1 << 20) /* bytes of an answer, as the reference has it */

enum nj_ocsp_status { NJ_OCSP_GOOD, NJ_OCSP_REVOKED, NJ_OCSP_UNKNOWN };

/* What an answer says about the certificate; seconds since 1970. */
struct nj_ocsp_answer {
    enum nj_ocsp_status status;
    int64_t this_update_s;
    int64_t next_update_s; /* 0: the responder does not say */
};

/* "good", "revoked", "unknown" */
const char *nj_ocsp_status_text(enum nj_ocsp_status status);

/* Can this provider ask and judge?  Needs a SHA-1 or SHA-256, and signatures. */
bool nj_ocsp_is_possible(const struct nj_tls_crypto *crypto);

/* Did this issuer sign this certificate?  Names and signature are looked at. */
bool nj_ocsp_is_issuer(const struct nj_cert *issuer, const struct nj_cert *cert,
                       const struct nj_tls_crypto *crypto);

/* The request, appended.  No nonce: answers are cached on their way. */
int nj_ocsp_request_write(const struct nj_cert *cert, const struct nj_cert *issuer,
                          const struct nj_tls_crypto *crypto, struct nj_buf *out,
                          struct nj_error *err);

/*
 * Read an answer: its form, that it is about `cert`, and that the issuer signed it, or somebody
 * whom the issuer gave OCSPSigning and whose certificate is valid at `now_s`.
 * NJ_OK, or NJ_E_INVALID with the reference's words where it has them:
 *   ocsp: error from server: unauthorized
 *   OCSP response signer missing authorization by CA to act as OCSP signer
 *   bad OCSP signature ...
 * Whether the answer is timely is asked of nj_ocsp_check_time().
 */
int nj_ocsp_response_read(struct nj_span der, const struct nj_cert *cert,
                          const struct nj_cert *issuer, const struct nj_tls_crypto *crypto,
                          int64_t now_s, struct nj_ocsp_answer *answer_out, struct nj_error *err);

/* Is it of now?  With so much tolerance for the difference of two clocks. */
int nj_ocsp_check_time(const struct nj_ocsp_answer *answer, int64_t now_s, int64_t skew_s,
                       struct nj_error *err);

#endif
