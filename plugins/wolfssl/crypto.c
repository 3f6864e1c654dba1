/*
 * crypto.c: primitives outside TLS, and what AES costs.
 */
#include "wolf.h"

#include <time.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/random.h>

static int result(int rc)
{
    return rc == 0 ? NJ_OK : NJ_E_FAILED;
}

static int hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    if (len > UINT32_MAX || nj_wolf_fips_failed()) {
        return len > UINT32_MAX ? NJ_E_LIMIT : NJ_E_FAILED;
    }
    switch (alg) {
#ifndef NO_SHA
    case NJ_HASH_SHA1:
        return result(wc_ShaHash(data, (word32) len, out));
#endif
    case NJ_HASH_SHA256:
        return result(wc_Sha256Hash(data, (word32) len, out));
#if defined(WOLFSSL_SHA512) && !defined(WOLFSSL_NOSHA512_256) && !defined(HAVE_FIPS)
    case NJ_HASH_SHA512_256:
        return result(wc_Sha512_256Hash(data, (word32) len, out));
#endif
    default:
        return NJ_E_UNSUPPORTED;
    }
}

bool nj_wolf_sha256(struct nj_span data, uint8_t out[32])
{
    return hash(NJ_HASH_SHA256, data.ptr, data.len, out) == NJ_OK;
}

static int random_bytes(uint8_t *out, size_t len)
{
    WC_RNG rng;
    if (len > UINT32_MAX || !nj_wolf_fips_ask() || wc_InitRng(&rng) != 0) {
        return NJ_E_FAILED;
    }
    int rc = 0;
    while (rc == 0 && len > 0) {
        word32 n = len < 4096 ? (word32) len : 4096;
        rc = wc_RNG_GenerateBlock(&rng, out, n);
        out += n;
        len -= n;
    }
    wc_FreeRng(&rng);
    return result(rc);
}

/* Modules that have been tested as a whole leave Ed25519 out. */
#if NJ_WOLF_ED25519 && !NJ_WOLF_FIPS
static int ed25519_verify(const uint8_t pub[32], const void *msg, size_t len, const uint8_t sig[64])
{
    ed25519_key key;
    int good = 0;
    if (len > UINT32_MAX || wc_ed25519_init(&key) != 0) {
        return NJ_E_FAILED;
    }
    int rc = wc_ed25519_import_public(pub, 32, &key);
    if (rc == 0) {
        rc = wc_ed25519_verify_msg(sig, 64, msg, (word32) len, &good, &key);
    }
    wc_ed25519_free(&key);
    return rc == 0 && good == 1 ? NJ_OK : NJ_E_FAILED;
}

/* Import the seed and derive the public half; the caller frees the key either way. */
static int import_seed(const uint8_t seed[32], ed25519_key *key, uint8_t pub_out[32])
{
    int rc = wc_ed25519_init(key);
    if (rc == 0) {
        rc = wc_ed25519_import_private_only(seed, 32, key);
    }
    if (rc == 0) {
        rc = wc_ed25519_make_public(key, pub_out, 32);
    }
    return rc;
}

static int ed25519_public(const uint8_t seed[32], uint8_t pub_out[32])
{
    ed25519_key key;
    int rc = import_seed(seed, &key, pub_out);
    wc_ed25519_free(&key);
    return result(rc);
}

static int ed25519_sign(const uint8_t seed[32], const void *msg, size_t len, uint8_t sig_out[64])
{
    ed25519_key key;
    uint8_t pub[32];
    word32 sig_len = 64;
    if (len > UINT32_MAX) {
        return NJ_E_LIMIT;
    }
    int rc = import_seed(seed, &key, pub);
    if (rc == 0) {
        rc = wc_ed25519_import_private_key(seed, 32, pub, 32, &key);
    }
    if (rc == 0) {
        rc = wc_ed25519_sign_msg(msg, (word32) len, sig_out, &sig_len, &key);
    }
    wc_ed25519_free(&key);
    return result(rc);
}
#endif

const struct nj_tls_crypto nj_wolf_crypto = {
    .size = sizeof(struct nj_tls_crypto),
    .hash = hash,
    .random = random_bytes,
    .verify_signature = nj_wolf_verify_signature,
#if NJ_WOLF_ED25519 && !NJ_WOLF_FIPS
    .ed25519_verify = ed25519_verify,
    .ed25519_sign = ed25519_sign,
    .ed25519_public = ed25519_public,
#endif
};

/* ---- what AES costs ------------------------------------------------------------------------- */

#if NJ_WOLF_FIPS
/* No cipher runs that the module does not stand for, not even to compare: what the build says. */
bool nj_wolf_aes_measure(void)
{
#if defined(WOLFSSL_AESNI) || defined(WOLFSSL_ARMASM)
    return true;
#else
    return false;
#endif
}
#elif defined(HAVE_AESGCM) && defined(HAVE_CHACHA) && defined(HAVE_POLY1305)
#define PROBE_LEN 32768

static int64_t now_ns(void)
{
    struct timespec ts;
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t probe(bool chacha, Aes *aes, uint8_t *buf)
{
    static const uint8_t key[32] = { 1 };
    static const uint8_t nonce[12] = { 2 };
    uint8_t tag[16];
    int64_t start = now_ns();
    if (chacha) {
        (void) wc_ChaCha20Poly1305_Encrypt(key, nonce, nonce, 5, buf, PROBE_LEN, buf, tag);
    } else {
        (void) wc_AesGcmEncrypt(aes, buf, buf, PROBE_LEN, nonce, 12, tag, 16, nonce, 5);
    }
    return now_ns() - start;
}

/*
 * Every processor runs AES in hardware faster than ChaCha20 in software, and AES in C slower.
 * The best of several runs is compared, since each may be interrupted.
 */
bool nj_wolf_aes_measure(void)
{
    static const uint8_t key[16] = { 3 };
    int64_t best[2] = { INT64_MAX, INT64_MAX };
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0) {
        return false;
    }
    bool ready = wc_AesGcmSetKey(&aes, key, sizeof(key)) == 0;
    uint8_t *buf = nj_wolf_host->alloc(PROBE_LEN);
    for (int i = 0; ready && i < 8; i++) {
        int64_t took = probe(i % 2 == 1, &aes, buf);
        best[i % 2] = took < best[i % 2] ? took : best[i % 2];
    }
    nj_wolf_host->dealloc(buf);
    wc_AesFree(&aes);
    return ready && best[0] < best[1];
}
#else
bool nj_wolf_aes_measure(void)
{
    return false;
}
#endif
