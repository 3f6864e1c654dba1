/*
 * context.c: the server's neutral settings into one WOLFSSL_CTX for each role: what it owns (its
 * certificate and key), whom it trusts, suites, groups and tickets.
 */
#include "wolf.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/rsa.h>

#define SUITE_NAMES_MAX 1024

/* ---- settings that are refused -------------------------------------------------------------- */

static int unsupported(struct nj_error *err, const char *what)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    nj_wolf_about(&about);
    return nj_tls_unsupported(err, &about, what);
}

/* Words for a setting that the library refused. */
static int ctx_failed(struct nj_error *err, const char *what, int lib)
{
    nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "wolfSSL refused %s: %s", what,
                       nj_wolf_reason(lib));
    if (err != NULL) {
        err->lib_code = lib;
    }
    return NJ_E_FAILED;
}

static int check_settings(const struct nj_tls_settings *set, struct nj_error *err)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    nj_wolf_about(&about);
    int rc = nj_tls_settings_check(set, &about, err);
    if (rc < 0) {
        return rc;
    }
    if (set->groups_n > WOLFSSL_MAX_GROUP_COUNT) {
        return unsupported(err, "so long a list of groups");
    }
    if (set->crl_mode != 0 || set->crls_n > 0) {
        return unsupported(err, "a revocation list");
    }
    if (set->staple.len > 0 && !NJ_WOLF_STAPLE) {
        return unsupported(err, "an OCSP staple");
    }
    if (set->identities_n == 1 && set->identities[0]->key->kind != NJ_TLS_KEY_DER) {
        return unsupported(err, "a key behind a URI");
    }
    if (set->ticket_secret != NULL && set->verify != NJ_TLS_VERIFY_NONE) {
        /* A resumed session would pass as verified with no certificate at all. */
        return unsupported(err, "a session ticket together with client certificates");
    }
    return NJ_OK;
}

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

/* What 5.5 does not see: a key of another certificate.  The order of a chain is free, as in the
 * reference: what is no issuer of another is sent all the same. */
static int check_identity(const struct nj_tls_identity *id, struct nj_error *err)
{
    struct nj_wolf_cert cert;
    uint8_t pub[2048];

    if (!nj_wolf_cert_slice(id->certs[0], &cert)) {
        return bad_pair(err, NJ_CLASS_BAD_CERT, "x509: malformed certificate");
    }
    PRIVATE_KEY_UNLOCK(); /* a module shows nothing of a private key to who has not asked */
    size_t n = key_public(id->key->bytes, pub, sizeof(pub));
    PRIVATE_KEY_LOCK();
    if (n == 0) {
        return bad_pair(err, NJ_CLASS_BAD_KEY, "tls: failed to parse private key");
    }
    if (!nj_wolf_span_equal(cert.key, (struct nj_span){ pub, n })) {
        return bad_pair(err, NJ_CLASS_KEY_MISMATCH, "tls: private key does not match public key");
    }
    for (size_t i = 1; i < id->certs_n; i++) {
        if (!nj_wolf_cert_slice(id->certs[i], &cert)) {
            return bad_pair(err, NJ_CLASS_BAD_CERT, "x509: malformed certificate");
        }
    }
    return NJ_OK;
}

static int set_identity(WOLFSSL_CTX *c, const struct nj_tls_identity *id, struct nj_error *err)
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
        return ctx_failed(err, "the certificate", rc);
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

static int set_trust(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, const struct nj_tls_settings *set,
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

/* ---- one role ------------------------------------------------------------------------------- */

static WOLFSSL_METHOD *pick_method(enum nj_wolf_side side, uint16_t min, uint16_t max)
{
    bool accept = side == NJ_WOLF_ACCEPT;
    if (max == NJ_TLS_1_2) {
        return accept ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
    }
    if (min == NJ_TLS_1_3) {
        return accept ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
    }
    return accept ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
}

static bool is_1_3_suite(uint16_t id)
{
    return id >> 8 == 0x13;
}

/* Append the names of the suites of one version to the colon list. */
static void add_suites(char *list, size_t cap, const struct nj_tls_settings *set, bool of_1_3)
{
    for (size_t i = 0; i < set->suites_n; i++) {
        size_t used = strlen(list);
        if (is_1_3_suite(set->suites[i]) == of_1_3) {
            (void) snprintf(list + used, cap - used, "%s%s", used > 0 ? ":" : "",
                            nj_wolf_suite_name(set->suites[i]));
        }
    }
}

static bool has_1_3_suite(const struct nj_tls_settings *set)
{
    for (size_t i = 0; i < set->suites_n; i++) {
        if (is_1_3_suite(set->suites[i])) {
            return true;
        }
    }
    return false;
}

static int set_numbers(WOLFSSL_CTX *c, enum nj_wolf_side side, const struct nj_tls_settings *set,
                       uint16_t max, struct nj_error *err)
{
    char list[SUITE_NAMES_MAX] = "";
    int ids[WOLFSSL_MAX_GROUP_COUNT];

    /* With TLS 1.3 on, a list that begins with older suites breaks every handshake. */
    if (max == NJ_TLS_1_3) {
        add_suites(list, sizeof(list), set, true);
    }
    if (set->min_version == NJ_TLS_1_2) {
        add_suites(list, sizeof(list), set, false);
    }
    if (list[0] == '\0' || wolfSSL_CTX_set_cipher_list(c, list) != WOLFSSL_SUCCESS) {
        return nj_error_set(err, NJ_E_INVALID, "no cipher suite is left for the TLS versions set");
    }
    for (size_t i = 0; i < set->groups_n; i++) {
        ids[i] = set->groups[i];
        if (side == NJ_WOLF_DIAL &&
            wolfSSL_CTX_UseSupportedCurve(c, set->groups[i]) != WOLFSSL_SUCCESS) {
            return ctx_failed(err, "a key exchange group", BAD_FUNC_ARG);
        }
    }
    /* Not for TLS 1.2 alone: there the group is looked at when it was chosen (session.c). */
    if (max == NJ_TLS_1_3) {
        int rc = wolfSSL_CTX_set_groups(c, ids, (int) set->groups_n);
        if (rc != WOLFSSL_SUCCESS) {
            return ctx_failed(err, "the key exchange groups", rc);
        }
    }
    return NJ_OK;
}

static int set_resumption(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, enum nj_wolf_side side,
                          const struct nj_tls_settings *set, struct nj_error *err)
{
#ifndef NO_SESSION_CACHE
    (void) wolfSSL_CTX_set_session_cache_mode(c, WOLFSSL_SESS_CACHE_OFF);
#endif
    if (side == NJ_WOLF_ACCEPT && set->ticket_secret != NULL) {
#if NJ_WOLF_TICKETS
        int rc = nj_wolf_tickets_on(ctx, c, set);
        return rc == WOLFSSL_SUCCESS ? NJ_OK : ctx_failed(err, "the ticket keys", rc);
#else
        return unsupported(err, "a shared ticket secret");
#endif
    }
#ifdef HAVE_SESSION_TICKET
    if (side == NJ_WOLF_ACCEPT) {
        (void) wolfSSL_CTX_no_ticket_TLSv13(c);
        (void) wolfSSL_CTX_NoTicketTLSv12(c);
    }
#endif
    return NJ_OK;
}

/* ---- building ------------------------------------------------------------------------------- */

static int verify_mode(enum nj_wolf_side side, uint32_t verify)
{
    if (side == NJ_WOLF_DIAL || verify == NJ_TLS_VERIFY_REQUEST) {
        return WOLFSSL_VERIFY_PEER;
    }
    return verify == NJ_TLS_VERIFY_REQUIRE
               ? WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT
               : WOLFSSL_VERIFY_NONE;
}

/* Signatures inside handshakes: the library would also make and take some with SHA-1. */
static int set_signatures(WOLFSSL_CTX *c, struct nj_error *err)
{
#if defined(OPENSSL_EXTRA)
    static const char names[] =
#if NJ_WOLF_ED25519 && !NJ_WOLF_FIPS
        "ED25519:"
#endif
        "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
        "RSA+SHA256:RSA+SHA384:RSA+SHA512";
    int rc = wolfSSL_CTX_set1_sigalgs_list(c, names);
    if (rc != WOLFSSL_SUCCESS) {
        return ctx_failed(err, "the signature algorithms", rc);
    }
#else
    (void) c;
    (void) err;
#endif
    return NJ_OK;
}

static int side_new(struct nj_tls_ctx *ctx, enum nj_wolf_side side,
                    const struct nj_tls_settings *set, struct nj_error *err)
{
    uint16_t max = set->max_version;
    if (max == NJ_TLS_1_3 && set->min_version == NJ_TLS_1_2 && !has_1_3_suite(set)) {
        max = NJ_TLS_1_2;
    }
    int mode = verify_mode(side, set->verify);
    WOLFSSL_CTX *c = wolfSSL_CTX_new(pick_method(side, set->min_version, max));
    if (c == NULL) {
        return ctx_failed(err, "a new context", MEMORY_E);
    }
    ctx->side[side] = c;
    if (wolfSSL_CTX_SetMinVersion(c, set->min_version == NJ_TLS_1_3
                                         ? WOLFSSL_TLSV1_3
                                         : WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS) {
        return ctx_failed(err, "the lowest version", VERSION_ERROR);
    }
    wolfSSL_CTX_SetIORecv(c, nj_wolf_on_recv);
    wolfSSL_CTX_SetIOSend(c, nj_wolf_on_send);
    int rc = set_numbers(c, side, set, max, err);
    if (rc == NJ_OK) {
        rc = set_signatures(c, err);
    }
    if (rc == NJ_OK) {
        rc = set_resumption(ctx, c, side, set, err);
    }
    if (rc == NJ_OK) {
        int lib = side == NJ_WOLF_ACCEPT ? nj_wolf_staple_set(ctx, c, set->staple)
                                         : WOLFSSL_SUCCESS;
        rc = lib == WOLFSSL_SUCCESS ? NJ_OK : ctx_failed(err, "the OCSP staple", lib);
    }
    if (rc == NJ_OK) {
        rc = set_trust(ctx, c, set, mode != WOLFSSL_VERIFY_NONE && set->insecure == 0, err);
    }
    if (rc == NJ_OK) {
        wolfSSL_CTX_set_verify(c, mode, nj_wolf_on_verify);
        rc = set->identities_n == 1 ? set_identity(c, set->identities[0], err) : NJ_OK;
    }
    return rc;
}

static uint16_t *copy_numbers(const uint16_t *from, size_t n)
{
    uint16_t *to = nj_wolf_host->alloc(n * sizeof(*to));
    memcpy(to, from, n * sizeof(*to));
    return to;
}

/* The library wants the protocols as one list with commas. */
static char *join_alpn(const struct nj_tls_settings *set)
{
    size_t len = 0;
    for (size_t i = 0; i < set->alpn_n; i++) {
        len += set->alpn[i].len + 1;
    }
    if (len == 0) {
        return NULL;
    }
    char *list = nj_wolf_host->alloc(len);
    char *to = list;
    for (size_t i = 0; i < set->alpn_n; i++) {
        if (i > 0) {
            *to++ = ',';
        }
        memcpy(to, set->alpn[i].ptr, set->alpn[i].len);
        to += set->alpn[i].len;
    }
    return list;
}

int nj_wolf_ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **ctx_out,
                    struct nj_error *err)
{
    if (!nj_wolf_fips_ask()) {
        return nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL,
                                  "the FIPS module has failed");
    }
    int rc = check_settings(set, err);
    if (rc == NJ_OK && set->identities_n == 1) {
        rc = check_identity(set->identities[0], err);
    }
    if (rc != NJ_OK) {
        return rc;
    }
    struct nj_tls_ctx *ctx = nj_wolf_host->alloc(sizeof(*ctx));
    atomic_init(&ctx->refs, 1);
    ctx->verify = set->verify;
    ctx->insecure = set->insecure != 0;
    ctx->has_identity = set->identities_n == 1;
    ctx->suites = copy_numbers(set->suites, set->suites_n);
    ctx->suites_n = set->suites_n;
    ctx->groups = copy_numbers(set->groups, set->groups_n);
    ctx->groups_n = set->groups_n;
    ctx->alpn = join_alpn(set);
    ctx->hook = set->verify_hook;
    ctx->hook_user = set->verify_user;
    nj_wolf_clear_queue();
    if ((set->role & NJ_TLS_ROLE_ACCEPT) != 0) {
        rc = side_new(ctx, NJ_WOLF_ACCEPT, set, err);
    }
    if (rc == NJ_OK && (set->role & NJ_TLS_ROLE_DIAL) != 0) {
        rc = side_new(ctx, NJ_WOLF_DIAL, set, err);
    }
    nj_wolf_clear_queue();
    if (rc != NJ_OK) {
        nj_wolf_ctx_unref(ctx);
        return rc;
    }
    *ctx_out = ctx;
    return NJ_OK;
}

void nj_wolf_ctx_ref(struct nj_tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
}

void nj_wolf_ctx_unref(struct nj_tls_ctx *ctx)
{
    if (ctx == NULL || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (int i = 0; i < NJ_WOLF_SIDES; i++) {
        wolfSSL_CTX_free(ctx->side[i]);
    }
    nj_wolf_host->dealloc(ctx->suites);
    nj_wolf_host->dealloc(ctx->groups);
    nj_wolf_host->dealloc(ctx->anchors);
    nj_wolf_host->dealloc(ctx->alpn);
    nj_wolf_host->dealloc(ctx->staple);
    nj_wolf_host->wipe(ctx->ticket, sizeof(ctx->ticket));
    nj_wolf_host->dealloc(ctx);
}
