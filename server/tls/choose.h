/*
 * choose.h: which of several certificates a ClientHello gets.
 *
 * The rule is the reference's: the first certificate that is valid for the server name (every one
 * is when the client sends none), whose key can make a signature that the client knows, and for
 * which TLS 1.2 has a suite and a group; when there is none, the first of the list, with which the
 * handshake then goes as far as it goes.  Nothing is looked at when there is one certificate only.
 *
 * A struct nj_tls_leaf is immutable once made; any thread may ask.
 */
#ifndef NJ_TLS_CHOOSE_H
#define NJ_TLS_CHOOSE_H
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"
#include "tls/cert.h"

struct nj_hello;

/* What must be known of a certificate to choose it. */
struct nj_tls_leaf {
    struct nj_cert cert;
    uint8_t *der;   /* owned; cert points into it */
    uint16_t curve; /* of an EC key, its number among the groups; 0: none or another curve */
};

/* Copies the DER.  NJ_OK, or NJ_E_INVALID with the words of nj_cert_init(). */
int nj_tls_leaf_init(struct nj_tls_leaf *leaf, struct nj_span der, struct nj_error *err);
void nj_tls_leaf_fini(struct nj_tls_leaf *leaf); /* fine on a zeroed one */

/* The place in the list.  `offer`: versions, suites and groups that are on.  leaves_n > 0. */
size_t nj_tls_choose(const struct nj_tls_leaf *leaves, size_t leaves_n,
                     const struct nj_hello *hello, const struct nj_tls_settings *offer);

#endif
