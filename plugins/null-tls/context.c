/* context.c: what it claims, and contexts. */
#include "null.h"

static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
                                   0xc02c, 0xc030, 0xcca9, 0xcca8 };
static const uint16_t groups[] = { 29, 23, 24 };

void null_about(struct nj_tls_about *out)
{
    static const struct nj_tls_about facts = {
        .lib_name = "nothing",
        .lib_version = "1.0",
        .lib_compiled = "1.0",
        .fips = "none",
        .suites = suites,
        .suites_n = sizeof(suites) / sizeof(suites[0]),
        .groups = groups,
        .groups_n = sizeof(groups) / sizeof(groups[0]),
    };
    uint32_t size = out->size;
    memcpy(out, &facts, size < sizeof(facts) ? size : sizeof(facts));
    out->size = size;
}

/* What would be a downgrade if it were passed over. */
static int check_settings(const struct nj_tls_settings *set, struct nj_error *err)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    null_about(&about);
    int rc = nj_tls_settings_check(set, &about, err);
    if (rc != NJ_OK) {
        return rc;
    }
    if (set->staple.len > 0) {
        return nj_tls_unsupported(err, &about, "an OCSP staple");
    }
    if (set->crl_mode != 0) {
        return nj_tls_unsupported(err, &about, "a CRL");
    }
    if (set->suites_n > LIST_MAX || set->groups_n > LIST_MAX) {
        return nj_tls_unsupported(err, &about, "a list of more than 64 suites or groups");
    }
    return NJ_OK;
}

static int copy_chain(struct nj_tls_ctx *ctx, const struct nj_tls_identity *id,
                      struct nj_error *err)
{
    size_t len = 0;
    for (size_t i = 0; i < id->certs_n; i++) {
        len += id->certs[i].len;
    }
    if (id->certs_n > CERTS_MAX || len > CHAIN_LEN_MAX) {
        return nj_error_set(err, NJ_E_LIMIT, "the chain is longer than %d bytes", CHAIN_LEN_MAX);
    }
    ctx->chain_bytes = null_host->alloc(len);
    size_t at = 0;
    for (size_t i = 0; i < id->certs_n; i++) {
        memcpy(ctx->chain_bytes + at, id->certs[i].ptr, id->certs[i].len);
        ctx->chain[i] = (struct nj_span){ ctx->chain_bytes + at, id->certs[i].len };
        at += id->certs[i].len;
    }
    ctx->chain_n = id->certs_n;
    return NJ_OK;
}

int null_ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **out, struct nj_error *err)
{
    int rc = check_settings(set, err);
    if (rc != NJ_OK) {
        return rc;
    }
    struct nj_tls_ctx *ctx = null_host->alloc(sizeof(*ctx));
    atomic_init(&ctx->refs, 1);
    ctx->min_version = set->min_version;
    ctx->max_version = set->max_version;
    ctx->verify = set->verify;
    ctx->suites_n = set->suites_n;
    memcpy(ctx->suites, set->suites, set->suites_n * sizeof(ctx->suites[0]));
    ctx->groups_n = set->groups_n;
    memcpy(ctx->groups, set->groups, set->groups_n * sizeof(ctx->groups[0]));
    ctx->hook = set->verify_hook;
    ctx->hook_user = set->verify_user;
    if (set->ticket_secret != NULL) {
        memcpy(ctx->ticket, set->ticket_secret, TICKET_LEN);
        ctx->ticket_lifetime_s = set->ticket_lifetime_s;
        memcpy(ctx->former_ticket, ctx->ticket, TICKET_LEN);
        if (NJ_FIELD(struct nj_tls_settings, set, ticket_secret_previous) &&
            set->ticket_secret_previous != NULL) {
            memcpy(ctx->former_ticket, set->ticket_secret_previous, TICKET_LEN);
        }
    }
    if (set->identities_n == 1) {
        rc = copy_chain(ctx, set->identities[0], err);
    }
    if (rc == NJ_OK) {
        *out = ctx;
    } else {
        null_ctx_unref(ctx);
    }
    return rc;
}

void null_ctx_ref(struct nj_tls_ctx *ctx)
{
    atomic_fetch_add(&ctx->refs, 1);
}

void null_ctx_unref(struct nj_tls_ctx *ctx)
{
    if (atomic_fetch_sub(&ctx->refs, 1) == 1) {
        null_host->dealloc(ctx->chain_bytes);
        null_host->dealloc(ctx);
    }
}

int null_verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                      uint32_t usage, const char *name, int64_t time_s, struct nj_error *err)
{
    (void) ctx;
    (void) chain;
    (void) chain_n;
    (void) usage;
    (void) name;
    (void) time_s;
    return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                              "certificates are not checked here");
}
