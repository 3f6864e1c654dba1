/* signature.c: is this signature over these bytes by that key?  For OCSP responses. */
#include "wolf.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/signature.h>

#define TAG_SEQUENCE 0x30
#define TAG_OID 0x06

enum kind { KIND_RSA, KIND_ECDSA, KIND_ED25519 };

struct algorithm {
    uint8_t oid_len;
    uint8_t oid[9];
    enum kind kind;
    enum wc_HashType hash;
};

/* RSA with PKCS#1 padding, ECDSA, Ed25519; SHA-1 proves nothing any more. */
static const struct algorithm algorithms[] = {
    { 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b }, KIND_RSA, WC_HASH_TYPE_SHA256 },
    { 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0c }, KIND_RSA, WC_HASH_TYPE_SHA384 },
    { 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0d }, KIND_RSA, WC_HASH_TYPE_SHA512 },
    { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 }, KIND_ECDSA, WC_HASH_TYPE_SHA256 },
    { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 }, KIND_ECDSA, WC_HASH_TYPE_SHA384 },
    { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4 }, KIND_ECDSA, WC_HASH_TYPE_SHA512 },
    { 3, { 0x2b, 0x65, 0x70 }, KIND_ED25519, WC_HASH_TYPE_NONE },
};

static const struct algorithm *find(struct nj_span algorithm)
{
    const uint8_t *p = algorithm.ptr;
    if (algorithm.len < 4 || p[0] != TAG_SEQUENCE || p[1] != algorithm.len - 2 || p[2] != TAG_OID ||
        p[3] > algorithm.len - 4) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (p[3] == algorithms[i].oid_len && memcmp(p + 4, algorithms[i].oid, p[3]) == 0) {
            return &algorithms[i];
        }
    }
    return NULL;
}

#ifndef NO_RSA
static int check_rsa(const struct algorithm *a, struct nj_span spki, struct nj_span tbs,
                     struct nj_span signature)
{
    RsaKey key;
    word32 at = 0;
    if (wc_InitRsaKey(&key, NULL) != 0) {
        return MEMORY_E;
    }
    int rc = wc_RsaPublicKeyDecode(spki.ptr, &at, &key, (word32) spki.len);
    if (rc == 0) {
        rc = wc_SignatureVerify(a->hash, WC_SIGNATURE_TYPE_RSA_W_ENC, tbs.ptr, (word32) tbs.len,
                                signature.ptr, (word32) signature.len, &key, sizeof(key));
    }
    wc_FreeRsaKey(&key);
    return rc;
}
#endif

static int check_ecdsa(const struct algorithm *a, struct nj_span spki, struct nj_span tbs,
                       struct nj_span signature)
{
    ecc_key key;
    word32 at = 0;
    if (wc_ecc_init(&key) != 0) {
        return MEMORY_E;
    }
    int rc = wc_EccPublicKeyDecode(spki.ptr, &at, &key, (word32) spki.len);
    if (rc == 0) {
        rc = wc_SignatureVerify(a->hash, WC_SIGNATURE_TYPE_ECC, tbs.ptr, (word32) tbs.len,
                                signature.ptr, (word32) signature.len, &key, sizeof(key));
    }
    wc_ecc_free(&key);
    return rc;
}

/* The key is the last 32 bytes of its SubjectPublicKeyInfo, which has one form (RFC 8410 4). */
static int check_ed25519(struct nj_span spki, struct nj_span tbs, struct nj_span signature)
{
    static const uint8_t head[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
    if (nj_wolf_crypto.ed25519_verify == NULL) {
        return NOT_COMPILED_IN;
    }
    if (spki.len != sizeof(head) + 32 || memcmp(spki.ptr, head, sizeof(head)) != 0 ||
        signature.len != 64) {
        return BAD_FUNC_ARG;
    }
    return nj_wolf_crypto.ed25519_verify(spki.ptr + sizeof(head), tbs.ptr, tbs.len, signature.ptr);
}

int nj_wolf_verify_signature(struct nj_span spki, struct nj_span algorithm, struct nj_span tbs,
                             struct nj_span signature)
{
    const struct algorithm *a = find(algorithm);
    int rc = NOT_COMPILED_IN;
    if (a == NULL) {
        return NJ_E_UNSUPPORTED;
    }
    if (nj_wolf_fips_failed()) {
        return NJ_E_FAILED;
    }
    if (spki.len > UINT32_MAX || tbs.len > UINT32_MAX || signature.len > UINT32_MAX) {
        return NJ_E_LIMIT;
    }
    if (a->kind == KIND_ECDSA) {
        rc = check_ecdsa(a, spki, tbs, signature);
    } else if (a->kind == KIND_ED25519) {
        rc = check_ed25519(spki, tbs, signature);
    } else {
#ifndef NO_RSA
        rc = check_rsa(a, spki, tbs, signature);
#endif
    }
    nj_wolf_clear_queue();
    return rc == 0 ? NJ_OK : NJ_E_FAILED;
}
