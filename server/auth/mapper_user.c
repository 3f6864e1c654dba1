#include "auth/mapper_user.h"

#include <string.h>

#include "auth/auth.h"
#include "auth/mappers.h"
#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"

#define GLOBAL_ACCOUNT "$G"
#define NS_PER_MS INT64_C(1000000)

/* ---- of the configuration ---------------------------------------------------------------------- */

static int find_user(const char *name, const struct nj_auth *auth, uint32_t type,
                     struct nj_user **user_out, struct nj_error *err)
{
    const char *single = nj_auth_single_user(auth);
    if (single != NULL && strcmp(single, name) == 0) {
        *user_out = NULL;
        return NJ_OK;
    }
    struct nj_user *u = nj_auth_user(auth, name, strlen(name));
    u = u != NULL ? u : nj_auth_nkey(auth, name);
    if (u == NULL) {
        return nj_error_set(err, NJ_E_NOT_FOUND, "the configuration has no user \"%s\"", name);
    }
    if (!nj_user_type_allowed(u, type)) {
        return nj_error_set(err, NJ_E_DENIED, "user \"%s\" may not come by such a connection",
                            name);
    }
    if ((u->flags & NJ_USER_PROXY_REQUIRED) != 0) {
        return nj_error_set(err, NJ_E_DENIED, "user \"%s\" may come through a proxy only", name);
    }
    *user_out = nj_user_ref(u);
    return NJ_OK;
}

/* ---- of its own -------------------------------------------------------------------------------- */

/* Permissions know no empty list of what is allowed: nothing allowed is everything denied. */
static const char *const everything[] = { ">" };

static void set_lists(const struct nj_mapper_list *allow, const struct nj_mapper_list *deny,
                      struct nj_subject_list *allow_out, struct nj_subject_list *deny_out)
{
    *allow_out = (struct nj_subject_list){ (const char *const *) allow->at, allow->n };
    *deny_out = (struct nj_subject_list){ (const char *const *) deny->at, deny->n };
    if (allow->given && allow->n == 0) {
        *deny_out = (struct nj_subject_list){ everything, 1 };
    }
}

static int make_permissions(const struct nj_mapper_answer *a, struct nj_perms **perms_out,
                            struct nj_error *err)
{
    struct nj_perms_rules rules = { .responses = a->allow_responses,
                                    .responses_max = a->responses_max,
                                    .responses_ttl_ns =
                                        a->responses_ms > INT64_MAX / NS_PER_MS
                                            ? -1
                                            : a->responses_ms * NS_PER_MS };
    if (!a->has_permissions) {
        return NJ_OK;
    }
    set_lists(&a->pub_allow, &a->pub_deny, &rules.pub_allow, &rules.pub_deny);
    set_lists(&a->sub_allow, &a->sub_deny, &rules.sub_allow, &rules.sub_deny);
    return nj_perms_new(&rules, perms_out, err);
}

static int make_user(const struct nj_mapper_answer *a, struct nj_user **user_out,
                     struct nj_error *err)
{
    struct nj_perms *perms = NULL;
    if (a->account != NULL && strcmp(a->account, GLOBAL_ACCOUNT) != 0) {
        return nj_error_set(err, NJ_E_NOT_FOUND, "there is no account \"%s\"", a->account);
    }
    int rc = make_permissions(a, &perms, err);
    if (rc == NJ_OK) {
        *user_out = nj_user_new(a->user, NULL, NULL, perms);
        (*user_out)->flags |= NJ_USER_MADE;
    }
    nj_perms_unref(&perms);
    return rc;
}

int nj_mapper_user(const struct nj_mapper_answer *answer, const struct nj_auth *auth, uint32_t type,
                   struct nj_user **user_out, struct nj_error *err)
{
    return answer->verdict == NJ_AUTHMAP_ALLOW_OWN
               ? make_user(answer, user_out, err)
               : find_user(answer->user, auth, type, user_out, err);
}
