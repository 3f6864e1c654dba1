#include "tls/contexts.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "tls/choose.h"
#include "tls/fips.h"
#include "tls/material.h"

#define TICKET_LIFETIME_S (24 * 60 * 60)

struct nj_tls_contexts {
    /* immutable */
    const struct nj_tls_provider *provider;
    struct nj_tls_settings settings;
    struct nj_tls_leaf *leaves; /* one for each pair */
    size_t n;                   /* contexts: as many as pairs, at least one */
    bool tickets;
    /* of the thread that builds */
    struct nj_tls_material material;
    uint8_t secret[NJ_TLS_TICKET_SECRET_LEN];
    pthread_mutex_t mu;
    struct nj_tls_ctx **ctx; /* under mu: the pointers */
};

/* One context, with the pair at `at`, or with none. */
static int build_one(struct nj_tls_contexts *c, size_t at, struct nj_tls_ctx **ctx_out,
                     struct nj_error *err)
{
    const struct nj_tls_pair *pair = at < c->material.pairs_n ? &c->material.pairs[at] : NULL;
    struct nj_tls_settings settings = c->settings;
    struct nj_tls_key key = { .size = sizeof(key), .kind = NJ_TLS_KEY_DER };
    struct nj_tls_identity identity = { .size = sizeof(identity), .key = &key };
    const struct nj_tls_identity *identities[] = { &identity };
    if (pair != NULL) {
        key.bytes = pair->key;
        identity.certs = pair->certs;
        identity.certs_n = (uint32_t) pair->certs_n;
        identity.label = pair->label;
        settings.identities = identities;
        settings.identities_n = 1;
    }
    settings.anchors = c->material.anchors;
    settings.anchors_n = c->material.anchors_n;
    settings.anchors_label = c->material.anchors_label;
    if (c->tickets) {
        settings.ticket_secret = c->secret;
        settings.ticket_lifetime_s = TICKET_LIFETIME_S;
    }
    int rc = c->provider->ctx_new(&settings, ctx_out, err);
    return rc < 0 ? rc : NJ_OK;
}

static void free_set(const struct nj_tls_contexts *c, struct nj_tls_ctx **set)
{
    for (size_t i = 0; set != NULL && i < c->n; i++) {
        if (set[i] != NULL) {
            c->provider->ctx_unref(set[i]);
        }
    }
    nj_dealloc(set);
}

static int build_set(struct nj_tls_contexts *c, struct nj_tls_ctx ***set_out, size_t *bad_out,
                     struct nj_error *err)
{
    struct nj_tls_ctx **set = nj_calloc(c->n, sizeof(*set));
    for (size_t i = 0; i < c->n; i++) {
        int rc = build_one(c, i, &set[i], err);
        if (rc < 0) {
            *bad_out = i;
            free_set(c, set);
            return rc;
        }
    }
    *set_out = set;
    return NJ_OK;
}

static int read_leaves(struct nj_tls_contexts *c, size_t *bad_out, struct nj_error *err)
{
    c->leaves = nj_calloc(c->n, sizeof(*c->leaves));
    for (size_t i = 0; i < c->material.pairs_n; i++) {
        int rc = nj_tls_leaf_init(&c->leaves[i], c->material.pairs[i].certs[0], err);
        if (rc < 0) {
            *bad_out = i;
            return rc;
        }
    }
    return NJ_OK;
}

int nj_tls_contexts_new(const struct nj_tls_contexts_args *args,
                        struct nj_tls_contexts **contexts_out, size_t *bad_out,
                        struct nj_error *err)
{
    struct nj_tls_contexts *c = nj_zalloc(sizeof(*c));
    (void) pthread_mutex_init(&c->mu, NULL);
    c->provider = args->provider;
    c->settings = *args->settings;
    c->material = *args->material;
    *args->material = (struct nj_tls_material){ 0 };
    c->n = c->material.pairs_n > 0 ? c->material.pairs_n : 1;
    c->tickets = args->tickets;
    int rc = c->tickets ? nj_fips_random(c->provider, c->secret, sizeof(c->secret), err) : NJ_OK;
    if (rc == NJ_OK) {
        rc = read_leaves(c, bad_out, err);
    }
    if (rc == NJ_OK) {
        rc = build_set(c, &c->ctx, bad_out, err);
    }
    if (rc < 0) {
        nj_tls_contexts_free(&c);
        return rc;
    }
    nj_tls_material_fini(&c->material); /* the keys are wiped here */
    *contexts_out = c;
    return NJ_OK;
}

void nj_tls_contexts_free(struct nj_tls_contexts **cp)
{
    struct nj_tls_contexts *c = *cp;
    if (c == NULL) {
        return;
    }
    *cp = NULL;
    free_set(c, c->ctx);
    for (size_t i = 0; c->leaves != NULL && i < c->n; i++) {
        nj_tls_leaf_fini(&c->leaves[i]);
    }
    nj_dealloc(c->leaves);
    nj_tls_material_fini(&c->material);
    nj_wipe(c->secret, sizeof(c->secret));
    (void) pthread_mutex_destroy(&c->mu);
    nj_dealloc(c);
}

struct nj_tls_ctx *nj_tls_contexts_pick(struct nj_tls_contexts *c, const struct nj_hello *hello)
{
    size_t at = hello != NULL ? nj_tls_choose(c->leaves, c->n, hello, &c->settings) : 0;
    nj_lock(&c->mu);
    struct nj_tls_ctx *ctx = c->ctx[at];
    c->provider->ctx_ref(ctx);
    nj_unlock(&c->mu);
    return ctx;
}
