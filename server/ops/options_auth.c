/* options_auth.c: the top-level `authorization` block. */
#include <string.h>

#include "auth/perms.h"
#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"
#include "ops/options_mappers.h"

#define TIMEOUT_HIGH_S 60.0

static void read_timeout(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    struct nj_buf text;
    int64_t ns = 0;
    nj_buf_init(&text, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &ns, &text);
    if (rc == NJ_E_UNSUPPORTED) {
        nj_reader_fail(r, &m->value, "error parsing authorization config, 'timeout' wrong type");
    } else if (rc != NJ_OK) {
        nj_reader_fail(r, &m->value, "error parsing authorization config, 'timeout' %s", text.ptr);
    } else {
        r->o->auth_timeout_s = (double) ns / 1e9;
        if (r->o->auth_timeout_s > TIMEOUT_HIGH_S) {
            nj_reader_high_timeout(r, m, ns);
        }
    }
    nj_buf_free(&text);
}

static void read_callout(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_MAP) {
        nj_reader_expected(r, &m->value, "authorization callout to be a map/struct");
        return;
    }
    if (!nj_reader_fips_feature(r, &m->value, m->key, "needs Ed25519 signatures")) {
        return;
    }
    nj_reader_unserved(r, m, "is not served yet; use users or a token");
}

/* A text that ends at a NUL would be a weaker secret than the one in the file. */
static void read_text(struct nj_option_reader *r, const struct nj_conf_value *v, char **text_out)
{
    if (v->type == NJ_CONF_STRING && strlen(v->as.str.ptr) != v->as.str.len) {
        nj_reader_fail(r, v, "a name or password must not hold a NUL byte");
    } else {
        (void) nj_reader_string(r, v, text_out);
    }
}

static void read_member(struct nj_option_reader *r, const struct nj_conf_member *m,
                        const struct nj_conf_value *block, struct nj_perms **defaults_out)
{
    static const char *const user[] = { "user", "username", NULL };
    static const char *const pass[] = { "pass", "password", NULL };
    static const char *const defaults[] = { "default_permissions", "default_permission",
                                            "permissions", NULL };
    static const char *const callout[] = { "auth_callout", "auth_hook", NULL };
    struct nj_options *o = r->o;
    bool required = false;

    o->auth_asks = o->auth_asks || nj_key_among(m, user) || nj_key_among(m, pass) ||
                   nj_key_is(m, "token") || nj_key_is(m, "users");
    if (nj_key_among(m, user)) {
        read_text(r, &m->value, &o->user);
    } else if (nj_key_among(m, pass)) {
        read_text(r, &m->value, &o->pass);
        (void) nj_reader_fips_password(r, &m->value, o->pass);
    } else if (nj_key_is(m, "token")) {
        read_text(r, &m->value, &o->token);
        (void) nj_reader_fips_password(r, &m->value, o->token);
    } else if (nj_key_is(m, "timeout")) {
        read_timeout(r, m);
    } else if (nj_key_is(m, "users")) {
        nj_user_list_clear(&o->users);
        nj_reader_users(r, m, block, &o->users);
    } else if (nj_key_among(m, defaults)) {
        nj_reader_permissions(r, &m->value, defaults_out);
    } else if (nj_key_is(m, "mappers")) {
        nj_reader_mappers(r, m);
    } else if (nj_key_among(m, callout)) {
        read_callout(r, m);
    } else if (nj_key_is(m, "proxy_required")) {
        if (nj_reader_bool(r, &m->value, &required)) {
            o->auth_proxy_required = required;
        }
        if (required) {
            nj_reader_unserved(r, m, "is not served yet; remove it");
        }
    } else {
        nj_reader_unknown(r, m);
    }
}

/* A block given again, under another spelling of the key, replaces the one before. */
static void forget(struct nj_options *o)
{
    nj_dealloc(o->user);
    nj_dealloc(o->pass);
    nj_dealloc(o->token);
    o->user = o->pass = o->token = NULL;
    o->auth_timeout_s = 0;
    o->auth_proxy_required = false;
    o->auth_asks = false;
    nj_user_list_clear(&o->users);
    nj_options_free_mappers(o);
}

static void judge(struct nj_option_reader *r, const struct nj_conf_value *block)
{
    const struct nj_options *o = r->o;
    bool single = o->user != NULL || o->pass != NULL;
    bool users = o->users.n > 0;
    if (single && o->token != NULL) {
        nj_reader_fail(r, block, "Cannot have a user/pass and token");
    } else if (single && users) {
        nj_reader_fail(r, block, "Can not have a single user/pass and a users array");
    } else if (o->token != NULL && users) {
        nj_reader_fail(r, block, "Can not have a token and a users array");
    }
}

void nj_set_authorization(struct nj_option_reader *r, const struct nj_option *opt,
                          const struct nj_conf_member *m)
{
    struct nj_perms *defaults = NULL;
    size_t errors = r->errors.len;
    (void) opt;
    if (!nj_reader_is(r, &m->value, NJ_CONF_MAP)) {
        return;
    }
    forget(r->o);
    for (size_t i = 0; i < m->value.as.map->count; i++) {
        read_member(r, &m->value.as.map->members[i], &m->value, &defaults);
    }
    nj_user_list_default_perms(&r->o->users, defaults);
    nj_perms_unref(&defaults);
    if (r->errors.len == errors) {
        judge(r, &m->value);
    }
}
