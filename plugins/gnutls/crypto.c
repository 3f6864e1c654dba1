#include "internal.h"

#include <string.h>

#include <gnutls/crypto.h>

#define ED25519_LEN 32
#define ED25519_SIG_LEN 64

static int result(int lib_code)
{
    return lib_code < 0 ? NJ_E_FAILED : NJ_OK;
}

/* Move what GnuTLS allocated into a buffer of exactly `len` bytes. */
static int take(gnutls_datum_t *from, uint8_t *out, size_t len)
{
    int rc = from->size == len ? 0 : GNUTLS_E_INTERNAL_ERROR;
    if (rc == 0) {
        memcpy(out, from->data, len);
    }
    gnutls_free(from->data);
    return rc;
}

static int hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    switch (alg) {
    case NJ_HASH_SHA1:
        return result(gnutls_hash_fast(GNUTLS_DIG_SHA1, data, len, out));
    case NJ_HASH_SHA256:
        return result(gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, out));
    default:
        return NJ_E_UNSUPPORTED;
    }
}

static int random_bytes(uint8_t *out, size_t len)
{
    return result(gnutls_rnd(GNUTLS_RND_RANDOM, out, len));
}

static int ed25519_verify(const uint8_t pub[ED25519_LEN], const void *msg, size_t len,
                          const uint8_t sig[ED25519_SIG_LEN])
{
    gnutls_pubkey_t key = NULL;
    gnutls_datum_t x = nj_gt_datum(pub, ED25519_LEN);
    gnutls_datum_t data = nj_gt_datum(msg, len);
    gnutls_datum_t signature = nj_gt_datum(sig, ED25519_SIG_LEN);
    if (len > UINT32_MAX || gnutls_pubkey_init(&key) < 0) {
        return NJ_E_FAILED;
    }
    int rc = gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, NULL);
    if (rc >= 0) {
        rc = gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &signature);
    }
    gnutls_pubkey_deinit(key);
    return result(rc);
}

/* The seed in the PKCS#8 wrapping of RFC 8410 7: the import computes the public half. */
static int key_from_seed(const uint8_t seed[ED25519_LEN], gnutls_privkey_t *key_out)
{
    static const uint8_t head[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
    uint8_t der[sizeof(head) + ED25519_LEN];
    gnutls_datum_t in = { der, sizeof(der) };
    gnutls_privkey_t key = NULL;
    memcpy(der, head, sizeof(head));
    memcpy(der + sizeof(head), seed, ED25519_LEN);
    int rc = gnutls_privkey_init(&key);
    if (rc >= 0) {
        rc = gnutls_privkey_import_x509_raw(key, &in, GNUTLS_X509_FMT_DER, NULL, 0);
    }
    nj_gt_host->wipe(der, sizeof(der));
    if (rc < 0) {
        gnutls_privkey_deinit(key);
        return NJ_E_FAILED;
    }
    *key_out = key;
    return NJ_OK;
}

static int ed25519_sign(const uint8_t seed[ED25519_LEN], const void *msg, size_t len,
                        uint8_t sig_out[ED25519_SIG_LEN])
{
    gnutls_privkey_t key = NULL;
    gnutls_datum_t data = nj_gt_datum(msg, len);
    gnutls_datum_t sig = { NULL, 0 };
    if (len > UINT32_MAX || key_from_seed(seed, &key) < 0) {
        return NJ_E_FAILED;
    }
    int rc = gnutls_privkey_sign_data2(key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &sig);
    rc = rc < 0 ? rc : take(&sig, sig_out, ED25519_SIG_LEN);
    gnutls_privkey_deinit(key);
    return result(rc);
}

static int ed25519_public(const uint8_t seed[ED25519_LEN], uint8_t pub_out[ED25519_LEN])
{
    gnutls_privkey_t key = NULL;
    gnutls_pubkey_t pub = NULL;
    gnutls_datum_t x = { NULL, 0 };
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    if (key_from_seed(seed, &key) < 0) {
        return NJ_E_FAILED;
    }
    int rc = gnutls_pubkey_init(&pub);
    if (rc >= 0) {
        rc = gnutls_pubkey_import_privkey(pub, key, 0, 0);
    }
    if (rc >= 0) {
        rc = gnutls_pubkey_export_ecc_raw2(pub, &curve, &x, NULL, 0);
    }
    rc = rc < 0 ? rc : take(&x, pub_out, ED25519_LEN);
    gnutls_pubkey_deinit(pub);
    gnutls_privkey_deinit(key);
    return result(rc);
}

const struct nj_tls_crypto nj_gt_crypto = {
    .size = sizeof(struct nj_tls_crypto),
    .hash = hash,
    .random = random_bytes,
    .ed25519_verify = ed25519_verify,
    .ed25519_sign = ed25519_sign,
    .ed25519_public = ed25519_public,
};
