/*
 * key.h: which kind of private key a DER block holds.  Structure only: the numbers are not
 * looked at, and whether it belongs to a certificate is proved by the provider.
 */
#ifndef NJ_TLS_KEY_H
#define NJ_TLS_KEY_H
#include "natterjack/plugin.h"
#include "tls/cert.h"

/*
 * PKCS#8 (RFC 5958), PKCS#1 (RFC 8017 A.1.2) or SEC1 (RFC 5915), unencrypted.  NJ_E_INVALID with
 * class NJ_CLASS_BAD_KEY: "tls: failed to parse private key", or "tls: found unknown private key
 * type in PKCS#8 wrapping".
 */
int nj_key_type(struct nj_span der, enum nj_key_type *type_out, struct nj_error *err);

#endif
