/*
 * material.h: what a `tls` block's files hold.
 *
 * Loading needs no provider, so `-t` can do it.  Keys are in memory from the load until
 * nj_tls_material_fini(), which wipes them: free it as soon as no context will be built any more.
 */
#ifndef NJ_TLS_MATERIAL_H
#define NJ_TLS_MATERIAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "tls/pem.h"

struct nj_tls_block;

/* One certificate chain with its key. */
struct nj_tls_pair {
    struct nj_span *certs; /* DER, leaf first; never empty */
    size_t certs_n;
    struct nj_span key;  /* DER */
    char *label;         /* the certificate's file */
    int64_t not_after_s; /* of the leaf */

    struct nj_pem cert_pem; /* what the spans point into; owned */
    struct nj_pem key_pem;
};

struct nj_tls_material {
    struct nj_tls_pair *pairs; /* pairs_n 0: no certificate */
    size_t pairs_n;
    struct nj_span *anchors; /* of ca_file; anchors_n 0: there was none */
    size_t anchors_n;
    char *anchors_label;  /* ca_file */
    struct nj_pem ca_pem; /* what the anchors point into; owned */
};

/*
 * Read cert_file and key_file, or all of certs, and ca_file.  The words are the reference's:
 *   missing 'key_file' in TLS configuration
 *   error parsing X509 certificate/key pair: open nope.pem: no such file or directory
 *   error parsing X509 certificate/key pair 2/3: open nope.pem: no such file or directory
 *   open ca.pem: no such file or directory
 *   failed to parse root ca certificate
 */
int nj_tls_material_load(struct nj_tls_material *material, const struct nj_tls_block *block,
                         struct nj_error *err);
void nj_tls_material_fini(struct nj_tls_material *material); /* fine on a zeroed one */

/* "error parsing X509 certificate/key pair", with " 2/3" behind it when it is one of `certs`. */
void nj_tls_pair_prefix(const struct nj_tls_block *block, size_t index, struct nj_error *err);

#endif
