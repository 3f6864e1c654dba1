#include "ops/auth_setup.h"

#include <string.h>

#include "auth/auth.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/log.h"
#include "natterjack/tls.h"
#include "ops/option_reader.h"
#include "plugin/registry.h"
#include "tls/map.h"

int nj_auth_setup_check(const struct nj_options *o, struct nj_error *err)
{
    bool found = false;
    /* What is not served is refused by name in a moment; the user may well be in there. */
    if (o->no_auth_user == NULL || o->unserved_n > 0) {
        return NJ_OK;
    }
    for (size_t i = 0; !found && i < o->users.n; i++) {
        found = strcmp(nj_user_label(o->users.at[i]), o->no_auth_user) == 0;
    }
    if (found) {
        return NJ_OK;
    }
    char *name = nj_quoted(o->no_auth_user, strlen(o->no_auth_user));
    int rc = nj_error_set(err, NJ_E_INVALID,
                          o->users.n == 0
                              ? "no_auth_user: %s present, but users/nkeys are not defined"
                              : "no_auth_user: %s not present as user or nkey in authorization "
                                "block or account configuration",
                          name);
    nj_dealloc(name);
    return rc;
}

static bool has_nkeys(const struct nj_options *o)
{
    bool found = false;
    for (size_t i = 0; !found && i < o->users.n; i++) {
        found = o->users.at[i]->nkey != NULL;
    }
    return found;
}

/* They are told whether an nkey is proven; without a provider it is not. */
static void find_verify_for_mappers(const struct nj_options *o, struct nj_registry *reg,
                                    nj_ed25519_verify_fn *verify_out)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error why = NJ_ERROR_INIT;
    if (o->mappers_n > 0 && nj_registry_tls(reg, o->tls_provider, &p, &why) == NJ_OK &&
        NJ_FIELD(struct nj_tls_crypto, p->crypto, ed25519_verify)) {
        *verify_out = p->crypto->ed25519_verify;
    }
}

static int find_verify(const struct nj_options *o, struct nj_registry *reg,
                       nj_ed25519_verify_fn *verify_out, struct nj_error *err)
{
    const struct nj_tls_provider *p = NULL;
    if (!has_nkeys(o)) {
        find_verify_for_mappers(o, reg, verify_out);
        return NJ_OK;
    }
    int rc = nj_registry_tls(reg, o->tls_provider, &p, err);
    if (rc != NJ_OK) {
        nj_error_prefix(err, "nkey users need Ed25519 of a TLS provider");
        return rc;
    }
    if (!NJ_FIELD(struct nj_tls_crypto, p->crypto, ed25519_verify) ||
        p->crypto->ed25519_verify == NULL) {
        return nj_error_set(err, NJ_E_UNSUPPORTED,
                            "nkey users need Ed25519, which tls provider \"%s\" does not have; "
                            "choose another one with tls_provider, or give these users passwords",
                            nj_registry_tls_name(reg, p));
    }
    *verify_out = p->crypto->ed25519_verify;
    return NJ_OK;
}

int nj_auth_setup_provider(const struct nj_options *o, struct nj_registry *reg,
                           struct nj_error *err)
{
    nj_ed25519_verify_fn verify = NULL;
    return find_verify(o, reg, &verify, err);
}

int nj_auth_setup(const struct nj_options *o, struct nj_registry *reg, struct nj_auth **auth_out,
                  struct nj_error *err)
{
    struct nj_auth_config config = { .user = o->user,
                                     .pass = o->pass,
                                     .token = o->token,
                                     .users = o->users.at,
                                     .users_n = o->users.n,
                                     .no_auth_user = o->no_auth_user };
    int rc = find_verify(o, reg, &config.verify, err);
    if (rc == NJ_OK) {
        *auth_out = nj_auth_build(&config);
    }
    return rc;
}

void nj_auth_setup_warn(const struct nj_options *o, const struct nj_auth *auth)
{
    if (o->auth_asks && !nj_auth_required(auth) && o->mappers_n == 0) {
        nj_log_warn("Everybody may connect: authorization has a user, token or users, and they are "
                    "empty");
    }
}

struct nj_map_names *nj_auth_setup_map(const struct nj_auth *auth)
{
    size_t n = 0;
    size_t named = 0;
    struct nj_user *const *users = nj_auth_users(auth, &n);
    struct nj_map_names *names = nj_map_names_new();
    for (size_t i = 0; i < n; i++) {
        if (users[i]->name != NULL) {
            struct nj_span name = { (const uint8_t *) users[i]->name, strlen(users[i]->name) };
            nj_map_names_add(names, name, users[i]);
            named++;
        }
    }
    nj_map_names_seal(names);
    if (named == 0) {
        nj_map_names_free(&names);
    }
    return names;
}
