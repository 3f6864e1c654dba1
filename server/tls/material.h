/*
 * material.h: what a `tls` block's files hold.
 *
 * Loading needs no provider, so `-t` can do it.  Keys are in memory from the load until
 * nj_tls_material_fini(), which wipes them: free it as soon as the context is built.
 */
#ifndef NJ_TLS_MATERIAL_H
#define NJ_TLS_MATERIAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "tls/pem.h"

struct nj_tls_block;

struct nj_tls_material {
    struct nj_span *certs; /* own chain, DER, leaf first; certs_n 0: no certificate */
    size_t certs_n;
    struct nj_span key;      /* DER */
    struct nj_span *anchors; /* of ca_file; anchors_n 0: there was none */
    size_t anchors_n;
    int64_t not_after_s; /* of the leaf */

    struct nj_pem cert_pem; /* what the spans point into; owned */
    struct nj_pem key_pem;
    struct nj_pem ca_pem;
};

/*
 * Read cert_file, key_file and ca_file.  The words are the reference's:
 *   missing 'key_file' in TLS configuration
 *   error parsing X509 certificate/key pair: open nope.pem: no such file or directory
 *   open ca.pem: no such file or directory
 *   failed to parse root ca certificate
 */
int nj_tls_material_load(struct nj_tls_material *material, const struct nj_tls_block *block,
                         struct nj_error *err);
void nj_tls_material_fini(struct nj_tls_material *material); /* fine on a zeroed one */

#endif
