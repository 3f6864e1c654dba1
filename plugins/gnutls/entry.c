#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#ifndef NJ_VERSION
#define NJ_VERSION "0.1.0"
#endif

#define OLDEST_LIBRARY "3.7.2" /* tls-exporter channel binding */
#define ED25519_LEN 32
#define ED25519_SIG_LEN 64

const struct nj_host *nj_gt_host;

void nj_gt_log(uint32_t level, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    nj_gt_host->log(level, text);
}

/* GnuTLS's clock: the server's, or the moment that verify_chain() was asked about. */
static time_t host_time(time_t *t)
{
    int64_t now_s = nj_gt_judge_time_s != 0 ? nj_gt_judge_time_s : nj_gt_host->now_s();
    if (t != NULL) {
        *t = (time_t) now_s;
    }
    return (time_t) now_s;
}

int nj_gt_init(const struct nj_host *host, struct nj_error *err)
{
    if (!NJ_FIELD(struct nj_host, host, now_s)) {
        return nj_error_set(err, NJ_E_ABI, "gnutls: host table of %u bytes, %zu are needed",
                            host->size, sizeof(*host));
    }
    if (gnutls_check_version(OLDEST_LIBRARY) == NULL) {
        return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                                  "gnutls: version %s is loaded, %s or later is needed",
                                  gnutls_check_version(NULL), OLDEST_LIBRARY);
    }
    nj_gt_host = host;
    int rc = gnutls_global_init();
    if (rc < 0) {
        return nj_gt_error_lib(err, rc);
    }
    gnutls_global_set_time_function(host_time);
    nj_gt_suites_probe();
    return NJ_OK;
}

void nj_gt_fini(void)
{
    gnutls_global_set_time_function(time);
    gnutls_global_deinit();
}

/* ---- primitives ------------------------------------------------------------------------------ */

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
    .verify_signature = nj_gt_verify_signature,
};

/* ---- the door -------------------------------------------------------------------------------- */

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(struct nj_plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = "gnutls",
    .version = NJ_VERSION,
    .iface = &nj_gt_provider,
};

const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}
