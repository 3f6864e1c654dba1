/*
 * path.h: from a leaf to an anchor.  No signature is checked: names only, and what each
 * certificate on the way says about itself.
 */
#ifndef NJ_TLS_PATH_H
#define NJ_TLS_PATH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "tls/cert.h"

struct nj_path_query {
    const struct nj_cert *certs; /* as sent, leaf first; at least one, at most NJ_CHAIN_MAX */
    size_t certs_n;
    const struct nj_cert *anchors; /* none: the system's store, which is not known here */
    size_t anchors_n;
    const struct nj_span *path; /* the library's, leaf first and anchor last; path_n 0: unknown */
    size_t path_n;
    uint32_t eku; /* the NJ_EKU_* that is needed */
    int64_t now_s;
};

struct nj_path_answer {
    uint32_t cls; /* NJ_CLASS_NONE, UNKNOWN_CA, NOT_CA, BAD_CERT, EXPIRED or BAD_EKU */
    const struct nj_cert *culprit; /* the certificate that it is about; NULL with UNKNOWN_CA */
    struct nj_cert *parsed;        /* owned: the library's path, which culprit may point into */
    size_t parsed_n;
};

/* Asked in this order: is there a path, may each issuer issue, are its dates right, does each
 * certificate allow the usage.  The dates of the leaf are not asked. */
void nj_path_judge(const struct nj_path_query *query, struct nj_path_answer *answer);
void nj_path_answer_fini(struct nj_path_answer *answer);

bool nj_cert_in_date(const struct nj_cert *cert, int64_t now_s);

#endif
