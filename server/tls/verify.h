/*
 * verify.h: the server's judgement of a peer's chain, the same for every provider.
 *
 * The provider's library has checked signatures; here comes what must not differ between
 * libraries, in the order in which the reference asks: dates of the leaf, name, path, extended
 * key usages along the path.  The hook can only tighten: what the library refused stays refused,
 * but the alert and the words come from here.
 *
 * When the library tells its path, that path is judged.  When it cannot tell, every path is
 * looked at that the names allow, from the leaf over the certificates sent to an anchor; and all
 * of them must hold but for the dates, because a peer may send look-alikes of its issuers that
 * nobody ever signed.
 */
#ifndef NJ_TLS_VERIFY_H
#define NJ_TLS_VERIFY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"

struct nj_buf;
struct nj_cert;

#define NJ_CHAIN_MAX 32 /* certificates that a peer may send */

/* Immutable once made; must live as long as the contexts that have it as verify_user. */
struct nj_tls_policy {
    struct nj_cert *anchors; /* owned, DER included; none: the system's store */
    size_t anchors_n;
    bool insecure;          /* dialling: no chain and no name check */
    int64_t (*now_s)(void); /* seconds since 1970 */
};

/* Copies the anchors.  Those that cannot be read are left out, as the reference does; when none
 * of several is left: NJ_E_INVALID "failed to parse root ca certificate". */
int nj_tls_policy_init(struct nj_tls_policy *policy, const struct nj_span *anchors,
                       size_t anchors_n, int64_t (*now_s)(void), struct nj_error *err);
void nj_tls_policy_fini(struct nj_tls_policy *policy);

/* The hook (nj_tls_verify_fn): `user` is a const struct nj_tls_policy. */
void nj_tls_verify(void *user, const struct nj_tls_findings *found, struct nj_tls_verdict *verdict);

/*
 * The detail behind a "TLS handshake error" about a certificate, appended:
 * " (<subject> SHA-256: <hex>; <subject> SHA-256: <hex>)".  Nothing for an empty chain.
 */
int nj_tls_chain_detail(const struct nj_span *chain, size_t chain_n,
                        int (*hash)(uint32_t alg, const void *data, size_t len, uint8_t *out),
                        struct nj_buf *out);

#endif
