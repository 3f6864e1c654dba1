#include "tls/contexts.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "tls/choose.h"
#include "tls/fips.h"
#include "tls/material.h"

#define WEEK_S UINT32_C(604800)
#define RETRY_US INT64_C(60000000) /* when a change has failed */

struct nj_tls_contexts {
    /* immutable */
    const struct nj_tls_provider *provider;
    struct nj_tls_settings settings;
    struct nj_tls_leaf *leaves; /* one for each pair */
    size_t n;                   /* contexts: as many as pairs, at least one */
    int64_t period_us;          /* 0: no tickets */
    struct nj_tls_material material;
    /* under the list's lock */
    struct nj_tls_contexts *next;
    int64_t due_us;
    bool changed; /* there is a secret before this one */
    struct nj_buf staple; /* sent with the first certificate; empty: none */
    uint8_t secret[2][NJ_TLS_TICKET_SECRET_LEN];
    pthread_mutex_t mu;
    struct nj_tls_ctx **ctx; /* under mu: the pointers */
};

/* All contexts with tickets; and whoever builds anew.  Taken before any `mu`, and by no handshake. */
static pthread_mutex_t list_mu = PTHREAD_MUTEX_INITIALIZER;
static struct nj_tls_contexts *list; /* under list_mu */

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
    if (at == 0) {
        settings.staple = (struct nj_span){ (const uint8_t *) c->staple.ptr, c->staple.len };
    }
    settings.anchors = c->material.anchors;
    settings.anchors_n = c->material.anchors_n;
    settings.anchors_label = c->material.anchors_label;
    if (c->period_us > 0) {
        settings.ticket_secret = c->secret[0];
        settings.ticket_secret_previous = c->changed ? c->secret[1] : NULL;
        settings.ticket_lifetime_s = nj_tls_ticket_lifetime_s(c->period_us);
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

static void enlist(struct nj_tls_contexts *c)
{
    c->due_us = nj_mono_us() + c->period_us;
    nj_lock(&list_mu);
    c->next = list;
    list = c;
    nj_unlock(&list_mu);
}

/* It may never have been there: a failure came first. */
static void unlist(struct nj_tls_contexts *c)
{
    nj_lock(&list_mu);
    struct nj_tls_contexts **at = &list;
    while (*at != NULL && *at != c) {
        at = &(*at)->next;
    }
    if (*at == c) {
        *at = c->next;
    }
    nj_unlock(&list_mu);
}

int nj_tls_contexts_new(const struct nj_tls_contexts_args *args,
                        struct nj_tls_contexts **contexts_out, size_t *bad_out,
                        struct nj_error *err)
{
    struct nj_tls_contexts *c = nj_zalloc(sizeof(*c));
    (void) pthread_mutex_init(&c->mu, NULL);
    nj_buf_init(&c->staple, SIZE_MAX);
    c->provider = args->provider;
    c->settings = *args->settings;
    c->material = *args->material;
    *args->material = (struct nj_tls_material){ 0 };
    c->n = c->material.pairs_n > 0 ? c->material.pairs_n : 1;
    c->period_us = args->ticket_period_us;
    int rc = c->period_us > 0 ? nj_fips_random(c->provider, c->secret[0], sizeof(c->secret[0]), err)
                              : NJ_OK;
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
    if (c->period_us > 0) {
        enlist(c);
    } else if (!args->staples) {
        nj_tls_material_fini(&c->material); /* the keys are wiped here */
    }
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
    if (c->period_us > 0) {
        unlist(c);
    }
    free_set(c, c->ctx);
    for (size_t i = 0; c->leaves != NULL && i < c->n; i++) {
        nj_tls_leaf_fini(&c->leaves[i]);
    }
    nj_dealloc(c->leaves);
    nj_tls_material_fini(&c->material);
    nj_buf_free(&c->staple);
    nj_wipe(c->secret, sizeof(c->secret));
    (void) pthread_mutex_destroy(&c->mu);
    nj_dealloc(c);
}

void nj_tls_contexts_retire(struct nj_tls_contexts *c)
{
    unlist(c); /* from now on nobody builds with what follows */
    nj_tls_material_fini(&c->material);
    nj_wipe(c->secret, sizeof(c->secret));
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

/* ---- the clock --------------------------------------------------------------------------------- */

uint32_t nj_tls_ticket_lifetime_s(int64_t period_us)
{
    int64_t s = period_us / 1000000 * 2;
    if (s < 1) {
        return 1;
    }
    return s < (int64_t) WEEK_S ? (uint32_t) s : WEEK_S;
}

/* Under list_mu.  The old contexts go on when the new ones cannot be built. */
static int change_secret(struct nj_tls_contexts *c, struct nj_error *err)
{
    uint8_t old[2][NJ_TLS_TICKET_SECRET_LEN];
    bool was_changed = c->changed;
    struct nj_tls_ctx **set = NULL;
    size_t bad = 0;
    memcpy(old, c->secret, sizeof(old));
    memcpy(c->secret[1], old[0], sizeof(old[0]));
    c->changed = true;
    int rc = nj_fips_random(c->provider, c->secret[0], sizeof(c->secret[0]), err);
    if (rc == NJ_OK) {
        rc = build_set(c, &set, &bad, err);
    }
    if (rc < 0) {
        memcpy(c->secret, old, sizeof(old));
        c->changed = was_changed;
    } else {
        nj_lock(&c->mu);
        struct nj_tls_ctx **former = c->ctx;
        c->ctx = set;
        nj_unlock(&c->mu);
        free_set(c, former);
    }
    nj_wipe(old, sizeof(old));
    return rc;
}

static void change_due(struct nj_tls_contexts *c, int64_t now_us,
                       void (*note)(uint32_t level, const char *text))
{
    struct nj_error err = NJ_ERROR_INIT;
    char text[sizeof(err.text) + 128];
    const char *what = c->settings.label != NULL ? c->settings.label : "tls block";
    if (change_secret(c, &err) == NJ_OK) {
        c->due_us = now_us + c->period_us;
        (void) snprintf(text, sizeof(text), "%s: the secret of session tickets was changed", what);
        note(NJ_LOG_DEBUG, text);
    } else {
        c->due_us = now_us + RETRY_US;
        (void) snprintf(text, sizeof(text),
                        "%s: the secret of session tickets could not be changed: %s", what,
                        err.text);
        note(NJ_LOG_WARN, text);
    }
}

int64_t nj_tls_tickets_tick(int64_t now_us, void (*note)(uint32_t level, const char *text))
{
    int64_t wait_us = INT64_MAX;
    nj_lock(&list_mu);
    for (struct nj_tls_contexts *c = list; c != NULL; c = c->next) {
        if (c->due_us <= now_us) {
            change_due(c, now_us, note);
        }
        wait_us = c->due_us - now_us < wait_us ? c->due_us - now_us : wait_us;
    }
    nj_unlock(&list_mu);
    return wait_us;
}

/* ---- the staple -------------------------------------------------------------------------------- */

int nj_tls_contexts_staple(struct nj_tls_contexts *c, struct nj_span response,
                           struct nj_error *err)
{
    struct nj_tls_ctx *ctx = NULL;
    nj_lock(&list_mu);
    struct nj_buf former = c->staple;
    nj_buf_init(&c->staple, SIZE_MAX);
    (void) nj_buf_append(&c->staple, response.ptr, response.len);
    int rc = build_one(c, 0, &ctx, err);
    if (rc < 0) {
        nj_buf_free(&c->staple);
        c->staple = former;
    } else {
        nj_lock(&c->mu);
        struct nj_tls_ctx *old = c->ctx[0];
        c->ctx[0] = ctx;
        nj_unlock(&c->mu);
        c->provider->ctx_unref(old);
        nj_buf_free(&former);
    }
    nj_unlock(&list_mu);
    return rc;
}

const struct nj_tls_material *nj_tls_contexts_material(const struct nj_tls_contexts *c)
{
    return &c->material;
}

void nj_tls_contexts_forget(struct nj_tls_contexts *c)
{
    if (c->period_us == 0) { /* else tickets go on to need them */
        nj_tls_material_fini(&c->material);
    }
}
