#include "internal.h"

#include <string.h>

static void *copy_bytes(const void *bytes, size_t len)
{
    void *p = nj_gt_host->alloc(len == 0 ? 1 : len);
    if (len > 0) {
        memcpy(p, bytes, len);
    }
    return p;
}

/* ---- what is refused ------------------------------------------------------------------------- */

static int check_settings(const struct nj_tls_settings *set, struct nj_error *err)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    nj_gt_about(&about);
    int rc = nj_tls_settings_check(set, &about, err);
    if (rc == NJ_OK && set->crl_mode != 0) {
        rc = nj_tls_unsupported(err, &about, "a certificate revocation list");
    }
    if (rc == NJ_OK && set->identities_n == 1 && set->identities[0]->key->kind != NJ_TLS_KEY_DER) {
        rc = nj_tls_unsupported(err, &about, "a key that is not in a file");
    }
    return rc;
}

/* ---- own certificate ------------------------------------------------------------------------- */

/* For both roles: without it GnuTLS would hide RSA certificates from some servers. */
static int retrieve(gnutls_session_t tls, const struct gnutls_cert_retr_st *info,
                    gnutls_pcert_st **certs, unsigned *certs_n, gnutls_ocsp_data_st **ocsp,
                    unsigned *ocsp_n, gnutls_privkey_t *key, unsigned *flags)
{
    struct nj_tls_session *s = gnutls_session_get_ptr(tls);
    struct nj_tls_ctx *ctx = s->ctx;
    (void) info;
    *certs = ctx->certs;
    *certs_n = ctx->certs_n;
    *key = ctx->key;
    *ocsp = ctx->staple.response.size > 0 ? &ctx->staple : NULL;
    *ocsp_n = ctx->staple.response.size > 0 ? 1 : 0;
    *flags = 0; /* all of it stays ours */
    return 0;
}

static int import_chain(struct nj_tls_ctx *ctx, const struct nj_tls_identity *own,
                        struct nj_error *err)
{
    ctx->certs = nj_gt_host->alloc(own->certs_n * sizeof(ctx->certs[0]));
    for (uint32_t i = 0; i < own->certs_n; i++) {
        gnutls_datum_t der = nj_gt_datum(own->certs[i].ptr, own->certs[i].len);
        int rc = gnutls_pcert_import_x509_raw(&ctx->certs[i], &der, GNUTLS_X509_FMT_DER, 0);
        if (rc < 0) {
            return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_CERT,
                                      "x509: certificate %u cannot be read: %s", i + 1,
                                      gnutls_strerror(rc));
        }
        ctx->certs_n = i + 1;
    }
    return NJ_OK;
}

static int import_key(struct nj_tls_ctx *ctx, const struct nj_tls_key *key, struct nj_error *err)
{
    gnutls_datum_t der = nj_gt_datum(key->bytes.ptr, key->bytes.len);
    int rc = gnutls_privkey_init(&ctx->key);
    if (rc >= 0) {
        rc = gnutls_privkey_import_x509_raw(ctx->key, &der, GNUTLS_X509_FMT_DER, NULL, 0);
    }
    if (rc < 0) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_KEY,
                                  "tls: failed to parse private key");
    }
    return NJ_OK;
}

static bool same_spki(gnutls_pubkey_t a, gnutls_pubkey_t b)
{
    gnutls_datum_t da = { NULL, 0 };
    gnutls_datum_t db = { NULL, 0 };
    bool same = gnutls_pubkey_export2(a, GNUTLS_X509_FMT_DER, &da) >= 0 &&
                gnutls_pubkey_export2(b, GNUTLS_X509_FMT_DER, &db) >= 0 && da.size == db.size &&
                memcmp(da.data, db.data, da.size) == 0;
    gnutls_free(da.data);
    gnutls_free(db.data);
    return same;
}

/* GnuTLS itself does not notice a foreign Ed25519 key. */
static int prove_pair(struct nj_tls_ctx *ctx, struct nj_error *err)
{
    gnutls_pubkey_t pub = NULL;
    int rc = gnutls_pubkey_init(&pub);
    if (rc >= 0) {
        rc = gnutls_pubkey_import_privkey(pub, ctx->key, 0, 0);
    }
    bool same = rc >= 0 && same_spki(pub, ctx->certs[0].pubkey);
    gnutls_pubkey_deinit(pub);
    if (!same) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_KEY_MISMATCH,
                                  "tls: private key does not match public key");
    }
    return NJ_OK;
}

static int load_identity(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set,
                         struct nj_error *err)
{
    if (set->identities_n == 0) {
        return NJ_OK;
    }
    const struct nj_tls_identity *own = set->identities[0];
    int rc = import_chain(ctx, own, err);
    if (rc == NJ_OK) {
        rc = import_key(ctx, own->key, err);
    }
    if (rc == NJ_OK) {
        rc = prove_pair(ctx, err);
    }
    return rc;
}

/* ---- trust ----------------------------------------------------------------------------------- */

/* 1 when the anchor was taken.  One bad block does not spoil the file, as in the reference. */
static int load_anchor(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set, size_t i)
{
    gnutls_datum_t der = nj_gt_datum(set->anchors[i].ptr, set->anchors[i].len);
    gnutls_x509_crt_t crt = NULL;
    int rc = gnutls_x509_crt_init(&crt);
    if (rc >= 0) {
        rc = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER);
    }
    if (rc >= 0) {
        rc = gnutls_certificate_set_x509_trust(ctx->cred, &crt, 1);
    }
    if (rc < 0) {
        nj_gt_log(NJ_LOG_WARN, "%s: certificate %zu of %zu is left out: %s",
                  set->anchors_label != NULL ? set->anchors_label : "trust anchors", i + 1,
                  set->anchors_n, gnutls_strerror(rc));
    }
    gnutls_x509_crt_deinit(crt);
    return rc < 0 ? 0 : 1;
}

static int load_trust(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set,
                      struct nj_error *err)
{
    int taken = 0;
    for (size_t i = 0; i < set->anchors_n; i++) {
        taken += load_anchor(ctx, set, i);
    }
    if (set->anchors_n > 0 && taken == 0) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_CERT,
                                  "failed to parse root ca certificate");
    }
    ctx->system_trust = set->anchors_n == 0 && set->system_trust != 0;
    if (ctx->system_trust) {
        int rc = gnutls_certificate_set_x509_system_trust(ctx->cred);
        if (rc < 0) {
            /* No store: every chain will lack an authority, which is what a peer is told. */
            nj_gt_log(NJ_LOG_WARN, "the system's trust store cannot be read: %s",
                      gnutls_strerror(rc));
        }
    }
    return NJ_OK;
}

static int load_credentials(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set,
                            struct nj_error *err)
{
    int rc = gnutls_certificate_allocate_credentials(&ctx->cred);
    if (rc < 0) {
        return nj_gt_error_lib(err, rc);
    }
    rc = load_identity(ctx, set, err);
    if (rc == NJ_OK) {
        rc = load_trust(ctx, set, err);
    }
    gnutls_certificate_set_retrieve_function3(ctx->cred, retrieve);
    gnutls_certificate_set_verify_function(ctx->cred, nj_gt_verify_cb);
    /* Revocation is the server's business: lists and staples are judged there. */
    gnutls_certificate_set_verify_flags(ctx->cred, GNUTLS_VERIFY_DISABLE_CRL_CHECKS);
    return rc;
}

/* ---- versions, suites, groups ---------------------------------------------------------------- */

/* A version counts when it is in range and has a suite. */
static unsigned versions_wanted(const struct nj_tls_settings *set)
{
    unsigned versions = 0;
    for (size_t i = 0; i < set->suites_n; i++) {
        bool is_1_3 = nj_gt_suite_is_1_3(set->suites[i]);
        uint16_t version = is_1_3 ? NJ_TLS_1_3 : NJ_TLS_1_2;
        if (version >= set->min_version && version <= set->max_version) {
            versions |= is_1_3 ? NJ_GT_1_3 : NJ_GT_1_2;
        }
    }
    return versions;
}

static gnutls_pk_algorithm_t own_key_type(const struct nj_tls_ctx *ctx)
{
    if (ctx->certs_n == 0) {
        return GNUTLS_PK_UNKNOWN;
    }
    return (gnutls_pk_algorithm_t) gnutls_pubkey_get_pk_algorithm(ctx->certs[0].pubkey, NULL);
}

static int load_priorities(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set,
                           struct nj_error *err)
{
    unsigned versions = versions_wanted(set);
    if (versions == 0) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_NO_SUITE,
                                  "gnutls: no enabled cipher suite fits the TLS versions");
    }
    int rc = nj_gt_priority_new(ctx, versions, GNUTLS_PK_UNKNOWN, &ctx->prio, err);
    if (rc < 0 || (ctx->role & NJ_TLS_ROLE_ACCEPT) == 0) {
        return rc;
    }
    if ((versions & NJ_GT_1_2) != 0 &&
        nj_gt_priority_new(ctx, NJ_GT_1_2, own_key_type(ctx), &ctx->prio_12, NULL) < 0) {
        /* no suite fits the key: let the handshake say so */
        rc = nj_gt_priority_new(ctx, NJ_GT_1_2, GNUTLS_PK_UNKNOWN, &ctx->prio_12, err);
    }
    if (rc == NJ_OK && (versions & NJ_GT_1_3) != 0) {
        rc = nj_gt_priority_new(ctx, NJ_GT_1_3, GNUTLS_PK_UNKNOWN, &ctx->prio_13, err);
    }
    return rc;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void copy_alpn(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set)
{
    if (set->alpn_n == 0) {
        return;
    }
    ctx->alpn = nj_gt_host->alloc(set->alpn_n * sizeof(ctx->alpn[0]));
    ctx->alpn_n = (unsigned) set->alpn_n;
    for (size_t i = 0; i < set->alpn_n; i++) {
        ctx->alpn[i].data = copy_bytes(set->alpn[i].ptr, set->alpn[i].len);
        ctx->alpn[i].size = (unsigned) set->alpn[i].len;
    }
}

static void copy_settings(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set)
{
    ctx->role = set->role;
    ctx->verify = set->verify;
    ctx->insecure = set->insecure != 0;
    ctx->suites = copy_bytes(set->suites, set->suites_n * sizeof(set->suites[0]));
    ctx->suites_n = set->suites_n;
    ctx->groups = copy_bytes(set->groups, set->groups_n * sizeof(set->groups[0]));
    ctx->groups_n = set->groups_n;
    ctx->verify_hook = set->verify_hook;
    ctx->verify_user = set->verify_user;
    copy_alpn(ctx, set);
    nj_gt_ticket_settings(ctx, set);
    if (set->staple.len > 0) {
        ctx->staple.response.data = copy_bytes(set->staple.ptr, set->staple.len);
        ctx->staple.response.size = (unsigned) set->staple.len;
    }
}

static void ctx_free(struct nj_tls_ctx *ctx)
{
    gnutls_certificate_free_credentials(ctx->cred);
    gnutls_priority_deinit(ctx->prio);
    gnutls_priority_deinit(ctx->prio_12);
    gnutls_priority_deinit(ctx->prio_13);
    for (unsigned i = 0; i < ctx->certs_n; i++) {
        gnutls_pcert_deinit(&ctx->certs[i]);
    }
    gnutls_privkey_deinit(ctx->key);
    for (unsigned i = 0; i < ctx->alpn_n; i++) {
        nj_gt_host->dealloc(ctx->alpn[i].data);
    }
    nj_gt_ticket_forget(ctx);
    nj_gt_host->dealloc(ctx->staple.response.data);
    nj_gt_host->dealloc(ctx->certs);
    nj_gt_host->dealloc(ctx->alpn);
    nj_gt_host->dealloc(ctx->suites);
    nj_gt_host->dealloc(ctx->groups);
    nj_gt_host->dealloc(ctx);
}

int nj_gt_ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **ctx_out,
                  struct nj_error *err)
{
    int rc = check_settings(set, err);
    if (rc < 0) {
        return rc;
    }
    struct nj_tls_ctx *ctx = nj_gt_host->alloc(sizeof(*ctx));
    atomic_init(&ctx->refs, 1);
    copy_settings(ctx, set);
    rc = load_credentials(ctx, set, err);
    if (rc == NJ_OK) {
        rc = load_priorities(ctx, set, err);
    }
    if (rc < 0) {
        ctx_free(ctx);
        return rc;
    }
    *ctx_out = ctx;
    return NJ_OK;
}

void nj_gt_ctx_ref(struct nj_tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
}

void nj_gt_ctx_unref(struct nj_tls_ctx *ctx)
{
    if (ctx != NULL && atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) == 1) {
        ctx_free(ctx);
    }
}
