/*
 * creds.c: what a context owns (its certificate and key) and whom it trusts.
 */
#include "wolf.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/rsa.h>

/* ---- the public half of a private key ------------------------------------------------------- */

#ifndef NO_RSA
static size_t rsa_public(struct nj_span der, uint8_t *out, size_t cap)
{
    RsaKey key;
    word32 at = 0;
    if (wc_InitRsaKey(&key, NULL) != 0) {
        return 0;
    }
    int n = wc_RsaPrivateKeyDecode(der.ptr, &at, &key, (word32) der.len);
    if (n == 0) {
        n = wc_RsaKeyToPublicDer_ex(&key, out, (word32) cap, 0);
    }
    wc_FreeRsaKey(&key);
    return n > 0 ? (size_t) n : 0;
}
#endif

static size_t ecc_public(struct nj_span der, uint8_t *out, size_t cap)
{
    ecc_key key;
    word32 at = 0;
    word32 n = (word32) cap;
    if (wc_ecc_init(&key) != 0) {
        return 0;
    }
    int rc = wc_EccPrivateKeyDecode(der.ptr, &at, &key, (word32) der.len);
    /* Always from the secret: a public half written beside it proves nothing. */
    if (rc == 0) {
        rc = wc_ecc_make_pub(&key, NULL);
    }
    if (rc == 0) {
        rc = wc_ecc_export_x963(&key, out, &n);
    }
    wc_ecc_free(&key);
    return rc == 0 ? n : 0;
}

#if NJ_WOLF_ED25519
static size_t ed25519_key_public(struct nj_span der, uint8_t *out, size_t cap)
{
    ed25519_key key;
    word32 at = 0;
    if (cap < 32 || wc_ed25519_init(&key) != 0) {
        return 0;
    }
    int rc = wc_Ed25519PrivateKeyDecode(der.ptr, &at, &key, (word32) der.len);
    if (rc == 0) {
        rc = wc_ed25519_make_public(&key, out, 32);
    }
    wc_ed25519_free(&key);
    return rc == 0 ? 32 : 0;
}
#endif

/* The public key bits, as in a certificate, of a private key in DER; 0 when it cannot be read. */
static size_t key_public(struct nj_span key, uint8_t *out, size_t cap)
{
    size_t n = 0;
#ifndef NO_RSA
    n = rsa_public(key, out, cap);
#endif
    if (n == 0) {
        n = ecc_public(key, out, cap);
    }
#if NJ_WOLF_ED25519
    if (n == 0) {
        n = ed25519_key_public(key, out, cap);
    }
#endif
    return n;
}

/* ---- own certificate ------------------------------------------------------------------------ */

static int bad_pair(struct nj_error *err, uint32_t cls, const char *text)
{
    return nj_error_set_class(err, NJ_E_INVALID, cls, "%s", text);
}

/* What 5.5 does not see: a key of another certificate, and a chain out of order. */
int nj_wolf_identity_check(const struct nj_tls_identity *id, struct nj_error *err)
{
    struct nj_wolf_cert cert;
    struct nj_wolf_cert issuer;
    uint8_t pub[2048];

    if (id->certs_n == 0 || !nj_wolf_cert_slice(id->certs[0], &cert)) {
        return bad_pair(err, NJ_CLASS_BAD_CERT, "x509: malformed certificate");
    }
    size_t n = key_public(id->key->bytes, pub, sizeof(pub));
    if (n == 0) {
        return bad_pair(err, NJ_CLASS_BAD_KEY, "tls: failed to parse private key");
    }
    if (!nj_wolf_span_equal(cert.key, (struct nj_span){ pub, n })) {
        return bad_pair(err, NJ_CLASS_KEY_MISMATCH, "tls: private key does not match public key");
    }
    for (size_t i = 1; i < id->certs_n; i++) {
        if (!nj_wolf_cert_slice(id->certs[i], &issuer)) {
            return bad_pair(err, NJ_CLASS_BAD_CERT, "x509: malformed certificate");
        }
        if (!nj_wolf_span_equal(cert.issuer, issuer.subject)) {
            return bad_pair(err, NJ_CLASS_BAD_CERT,
                            "tls: each certificate of a chain must be followed by its issuer");
        }
        cert = issuer;
    }
    return NJ_OK;
}

int nj_wolf_identity_set(WOLFSSL_CTX *c, const struct nj_tls_identity *id, struct nj_error *err)
{
    size_t len = 0;
    for (size_t i = 0; i < id->certs_n; i++) {
        len += id->certs[i].len;
    }
    uint8_t *all = nj_wolf_host->alloc(len);
    size_t at = 0;
    for (size_t i = 0; i < id->certs_n; i++) {
        memcpy(all + at, id->certs[i].ptr, id->certs[i].len);
        at += id->certs[i].len;
    }
    int rc =
        wolfSSL_CTX_use_certificate_chain_buffer_format(c, all, (long) len, WOLFSSL_FILETYPE_ASN1);
    nj_wolf_host->dealloc(all);
    if (rc != WOLFSSL_SUCCESS) {
        return nj_wolf_ctx_failed(err, "the certificate", rc);
    }
    rc = wolfSSL_CTX_use_PrivateKey_buffer(c, id->key->bytes.ptr, (long) id->key->bytes.len,
                                           WOLFSSL_FILETYPE_ASN1);
    if (rc != WOLFSSL_SUCCESS) {
        return bad_pair(err, NJ_CLASS_BAD_KEY, "tls: failed to parse private key");
    }
    if (wolfSSL_CTX_check_private_key(c) != WOLFSSL_SUCCESS) {
        return bad_pair(err, NJ_CLASS_KEY_MISMATCH, "tls: private key does not match public key");
    }
    return NJ_OK;
}

/* ---- anchors -------------------------------------------------------------------------------- */

static void add_anchor(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, struct nj_span der,
                       const char *label, bool note)
{
    struct nj_wolf_anchor anchor;
    int rc = ASN_PARSE_E;

    if (nj_wolf_anchor_make(der, &anchor)) {
        rc = wolfSSL_CTX_load_verify_buffer_ex(c, der.ptr, (long) der.len, WOLFSSL_FILETYPE_ASN1, 0,
                                               WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY);
    }
    if (rc == WOLFSSL_SUCCESS && note) {
        size_t old = ctx->anchors_n * sizeof(anchor);
        ctx->anchors = nj_wolf_host->resize(ctx->anchors, old, old + sizeof(anchor));
        ctx->anchors[ctx->anchors_n++] = anchor;
    } else if (rc != WOLFSSL_SUCCESS && note) {
        char line[400];
        (void) snprintf(line, sizeof(line), "%s: a certificate was skipped: %s", label,
                        nj_wolf_reason(rc));
        nj_wolf_host->log(NJ_LOG_WARN, line);
    }
    nj_wolf_clear_queue();
}

/* The places where systems keep their roots in one file. */
static const char *const system_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

static void add_pem(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, const char *pem, bool note)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";

    for (const char *at = strstr(pem, begin); at != NULL; at = strstr(at, begin)) {
        const char *stop = strstr(at, end);
        if (stop == NULL) {
            return;
        }
        stop += sizeof(end) - 1;
        uint8_t *der = nj_wolf_host->alloc((size_t) (stop - at));
        int n = wc_CertPemToDer((const unsigned char *) at, (int) (stop - at), der,
                                (int) (stop - at), CERT_TYPE);
        if (n > 0) {
            add_anchor(ctx, c, (struct nj_span){ der, (size_t) n }, "system roots", note);
        }
        nj_wolf_host->dealloc(der);
        at = stop;
    }
}

/* Read here and not by the library, since it does not tell which anchors it has loaded. */
static void add_system(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, bool note)
{
    FILE *f = NULL;
    struct stat st;
    const char *own = getenv("SSL_CERT_FILE");

    if (own != NULL && own[0] != '\0') {
        f = fopen(own, "re");
    }
    for (size_t i = 0;
         own == NULL && f == NULL && i < sizeof(system_files) / sizeof(system_files[0]); i++) {
        f = fopen(system_files[i], "re");
    }
    if (f == NULL) {
        return;
    }
    if (fstat(fileno(f), &st) == 0 && st.st_size > 0) {
        char *pem = nj_wolf_host->alloc((size_t) st.st_size + 1);
        pem[fread(pem, 1, (size_t) st.st_size, f)] = '\0';
        add_pem(ctx, c, pem, note);
        nj_wolf_host->dealloc(pem);
    }
    (void) fclose(f);
}

int nj_wolf_trust_set(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, const struct nj_tls_settings *set,
                      bool needed, struct nj_error *err)
{
    const char *label = set->anchors_label != NULL ? set->anchors_label : "root certificates";
    bool note = ctx->anchors_n == 0; /* the second role loads the same ones */

    if (set->anchors_n > 0) {
        for (size_t i = 0; i < set->anchors_n; i++) {
            add_anchor(ctx, c, set->anchors[i], label, note);
        }
        if (ctx->anchors_n == 0) {
            return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_CERT,
                                      "failed to parse root ca certificate");
        }
    } else if (set->system_trust != 0 && needed) {
        add_system(ctx, c, note);
        if (ctx->anchors_n == 0) {
            nj_wolf_host->log(NJ_LOG_WARN, "the system has no root certificates");
        }
    }
    return NJ_OK;
}
