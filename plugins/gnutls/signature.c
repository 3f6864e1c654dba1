/* signature.c: is this signature over these bytes by that key?  For OCSP responses. */
#include "internal.h"

#include <string.h>

#define TAG_SEQUENCE 0x30
#define TAG_OID 0x06

/* RSA with PKCS#1 padding, ECDSA, Ed25519; SHA-1 proves nothing any more. */
static const struct {
    uint8_t oid_len;
    uint8_t oid[9];
    gnutls_sign_algorithm_t sign;
} algorithms[] = {
    { 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b }, GNUTLS_SIGN_RSA_SHA256 },
    { 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c }, GNUTLS_SIGN_RSA_SHA384 },
    { 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d }, GNUTLS_SIGN_RSA_SHA512 },
    { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 }, GNUTLS_SIGN_ECDSA_SHA256 },
    { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03 }, GNUTLS_SIGN_ECDSA_SHA384 },
    { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04 }, GNUTLS_SIGN_ECDSA_SHA512 },
    { 3, { 0x2b, 0x65, 0x70 }, GNUTLS_SIGN_EDDSA_ED25519 },
};

static gnutls_sign_algorithm_t sign_of(struct nj_span algorithm)
{
    const uint8_t *p = algorithm.ptr;
    if (algorithm.len < 4 || p[0] != TAG_SEQUENCE || p[1] != algorithm.len - 2 || p[2] != TAG_OID ||
        p[3] > algorithm.len - 4) {
        return GNUTLS_SIGN_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (p[3] == algorithms[i].oid_len && memcmp(p + 4, algorithms[i].oid, p[3]) == 0) {
            return algorithms[i].sign;
        }
    }
    return GNUTLS_SIGN_UNKNOWN;
}

int nj_gt_verify_signature(struct nj_span spki, struct nj_span algorithm, struct nj_span tbs,
                           struct nj_span signature)
{
    gnutls_sign_algorithm_t sign = sign_of(algorithm);
    gnutls_datum_t der = nj_gt_datum(spki.ptr, spki.len);
    gnutls_datum_t data = nj_gt_datum(tbs.ptr, tbs.len);
    gnutls_datum_t sig = nj_gt_datum(signature.ptr, signature.len);
    gnutls_pubkey_t key = NULL;
    if (sign == GNUTLS_SIGN_UNKNOWN) {
        return NJ_E_UNSUPPORTED;
    }
    if (spki.len > UINT32_MAX || tbs.len > UINT32_MAX || signature.len > UINT32_MAX ||
        gnutls_pubkey_init(&key) < 0) {
        return NJ_E_FAILED;
    }
    int rc = gnutls_pubkey_import(key, &der, GNUTLS_X509_FMT_DER);
    if (rc >= 0) {
        rc = gnutls_pubkey_verify_data2(key, sign, 0, &data, &sig);
    }
    gnutls_pubkey_deinit(key);
    return rc < 0 ? NJ_E_FAILED : NJ_OK;
}
