/*
 * ocsp_cache.h: what responders said about certificates of peers, in memory, bounded.
 *
 * A certificate is known by the SHA-256 of its DER.  What is out of date stays until its place is
 * needed: an old "revoked" still counts when the responder cannot be reached.  Any thread.
 */
#ifndef NJ_TLS_OCSP_CACHE_H
#define NJ_TLS_OCSP_CACHE_H
#include <stdbool.h>
#include <stdint.h>

#include "tls/ocsp.h"

#define NJ_OCSP_KEY_LEN 32
#define NJ_OCSP_CACHE_MAX 4096 /* certificates */

struct nj_ocsp_cache;

struct nj_ocsp_cache_facts {
    uint64_t hits, misses;
    uint64_t responses[3]; /* by enum nj_ocsp_status */
};

struct nj_ocsp_cache *nj_ocsp_cache_new(void);
void nj_ocsp_cache_free(struct nj_ocsp_cache **cp);

/* 1: known and of now; 0: known and out of date; negative: not known.  Both of the last count as a
 * miss. */
int nj_ocsp_cache_get(struct nj_ocsp_cache *c, const uint8_t key[NJ_OCSP_KEY_LEN], int64_t now_s,
                      enum nj_ocsp_status *status_out);
/* Takes the place of what is longest out of date when there is no room. */
void nj_ocsp_cache_put(struct nj_ocsp_cache *c, const uint8_t key[NJ_OCSP_KEY_LEN],
                       enum nj_ocsp_status status, int64_t until_s);
void nj_ocsp_cache_facts(struct nj_ocsp_cache *c, struct nj_ocsp_cache_facts *out);

#endif
