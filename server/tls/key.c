#include "tls/key.h"

#include <string.h>

#include "tls/der.h"

static int bad(struct nj_error *err, const char *text)
{
    (void) nj_error_set(err, NJ_E_INVALID, "%s", text);
    if (err != NULL) {
        err->cls = NJ_CLASS_BAD_KEY;
    }
    return NJ_E_INVALID;
}

/* version 0, then the modulus and the seven other numbers of RSAPrivateKey */
static bool is_pkcs1(struct nj_span body)
{
    struct nj_span number;
    int32_t version = 0;
    if (nj_der_take_small(&body, &version) < 0 || version != 0) {
        return false;
    }
    for (int i = 0; i < 8; i++) {
        if (nj_der_take(&body, NJ_DER_INTEGER, &number) < 0) {
            return false;
        }
    }
    return true;
}

/* version 1, then the secret of ECPrivateKey */
static bool is_sec1(struct nj_span body)
{
    struct nj_span secret;
    int32_t version = 0;
    return nj_der_take_small(&body, &version) == NJ_OK && version == 1 &&
           nj_der_take(&body, NJ_DER_OCTET_STRING, &secret) == NJ_OK;
}

/* The reference can read X25519 keys, and says that they are no keys of certificates (RFC 8410). */
static bool is_x25519(struct nj_span oid)
{
    static const uint8_t x25519[] = { 0x2b, 0x65, 0x6e };
    return oid.len == sizeof(x25519) && memcmp(oid.ptr, x25519, sizeof(x25519)) == 0;
}

/* version 0 or 1, the algorithm, then the key in an octet string */
static bool is_pkcs8(struct nj_span body, enum nj_key_type *type_out, bool *x25519_out)
{
    struct nj_span algorithm, oid, key;
    int32_t version = 0;
    if (nj_der_take_small(&body, &version) < 0 || version > 1 ||
        nj_der_take(&body, NJ_DER_SEQUENCE, &algorithm) < 0 ||
        nj_der_take(&algorithm, NJ_DER_OID, &oid) < 0 ||
        nj_der_take(&body, NJ_DER_OCTET_STRING, &key) < 0) {
        return false;
    }
    *type_out = nj_key_type_of_oid(oid);
    *x25519_out = is_x25519(oid);
    return true;
}

int nj_key_type(struct nj_span der, enum nj_key_type *type_out, struct nj_error *err)
{
    struct nj_span body;
    enum nj_key_type wrapped = NJ_KEY_OTHER;
    bool x25519 = false;
    if (nj_der_take(&der, NJ_DER_SEQUENCE, &body) < 0 || der.len > 0) {
        return bad(err, "tls: failed to parse private key");
    }
    if (is_pkcs8(body, &wrapped, &x25519)) {
        if (wrapped == NJ_KEY_OTHER) {
            return bad(err, x25519 ? "tls: found unknown private key type in PKCS#8 wrapping"
                                   : "tls: failed to parse private key");
        }
        *type_out = wrapped;
    } else if (is_pkcs1(body)) {
        *type_out = NJ_KEY_RSA;
    } else if (is_sec1(body)) {
        *type_out = NJ_KEY_EC;
    } else {
        return bad(err, "tls: failed to parse private key");
    }
    return NJ_OK;
}
