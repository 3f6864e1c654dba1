#include "ops/stapling.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "ops/options.h"
#include "ops/reload.h"
#include "peer/client_tls.h"
#include "peer/serving.h"
#include "plugin/registry.h"
#include "tls/block.h"
#include "tls/ocsp_staple.h"

struct nj_stapling {
    const struct nj_registry *reg;
    void (*revoked)(void *user);
    void *user;
    struct nj_staple *now;   /* NULL: nothing is stapled */
    struct nj_staple *next;  /* while a reload is built */
    bool building;
};

struct nj_stapling *nj_stapling_new(const struct nj_registry *reg, void (*revoked)(void *user),
                                    void *user)
{
    struct nj_stapling *st = nj_zalloc(sizeof(*st));
    st->reg = reg;
    st->revoked = revoked;
    st->user = user;
    return st;
}

void nj_stapling_free(struct nj_stapling **stp)
{
    if (*stp != NULL) {
        nj_staple_stop(&(*stp)->now);
        nj_dealloc(*stp);
        *stp = NULL;
    }
}

static int make(const struct nj_stapling *st, const struct nj_options *o,
                const struct nj_serving *serving, struct nj_staple **staple_out,
                struct nj_error *err)
{
    struct nj_tls_setup *setup = serving->tls != NULL ? nj_tls_door_setup(serving->tls) : NULL;
    *staple_out = NULL;
    if (setup == NULL) {
        return NJ_OK;
    }
    const struct nj_staple_config c = { .mode = (enum nj_ocsp_mode) o->ocsp_mode,
                                        .urls = (const char *const *) o->ocsp_urls,
                                        .urls_n = o->ocsp_urls_n,
                                        .store_dir = o->store_dir,
                                        .setup = setup,
                                        .provider_name =
                                            nj_registry_tls_name(st->reg, setup->provider),
                                        .kind = "Client",
                                        .revoked = st->revoked,
                                        .user = st->user };
    return nj_staple_new(&c, staple_out, err);
}

int nj_stapling_begin(struct nj_stapling *st, const struct nj_options *o,
                      const struct nj_serving *serving, struct nj_buf *why)
{
    struct nj_error err = NJ_ERROR_INIT;
    int rc = make(st, o, serving, &st->now, &err);
    if (rc != NJ_OK) {
        (void) nj_buf_puts(why, err.text);
        return rc;
    }
    if (st->now == NULL) {
        return NJ_OK;
    }
    rc = nj_staple_first(st->now, why);
    if (rc != NJ_OK) {
        nj_staple_stop(&st->now);
        return rc;
    }
    nj_log_info("OCSP Stapling enabled for Client connections");
    if (o->store_dir == NULL) {
        nj_log_debug("OCSP responses are kept in memory only: there is no store_dir");
    }
    return NJ_OK;
}

bool nj_stapling_is_on(const struct nj_stapling *st)
{
    return (st->building ? st->next : st->now) != NULL;
}

int nj_stapling_also(struct nj_stapling *st, struct nj_tls_setup *setup, struct nj_error *err)
{
    struct nj_staple *s = st->building ? st->next : st->now;
    return s != NULL ? nj_staple_also(s, setup, err) : NJ_OK;
}

void nj_stapling_start(struct nj_stapling *st)
{
    if (st->now != NULL) {
        nj_staple_start(st->now);
    }
}

/* ---- reload ---------------------------------------------------------------------------------- */

static int build(void *user, const struct nj_reload_offer *offer, void **built_out,
                 struct nj_error *err)
{
    struct nj_stapling *st = user;
    int rc = make(st, offer->next, offer->serving, &st->next, err);
    if (rc == NJ_OK) {
        st->building = true;
        if (st->next != NULL) {
            nj_staple_follow(st->next, st->now);
        }
        *built_out = NULL;
    }
    return rc;
}

static void install(void *user, void *built)
{
    struct nj_stapling *st = user;
    (void) built;
    nj_staple_stop(&st->now);
    st->now = st->next;
    st->next = NULL;
    st->building = false;
    nj_stapling_start(st);
}

static void discard(void *user, void *built)
{
    struct nj_stapling *st = user;
    (void) built;
    nj_staple_stop(&st->next);
    st->building = false;
}

void nj_stapling_add_hook(struct nj_stapling *st, struct nj_reload *reload)
{
    const struct nj_reload_hook hook = { .name = "ocsp",
                                         .user = st,
                                         .build = build,
                                         .install = install,
                                         .discard = discard };
    nj_reload_add_hook(reload, &hook);
}
