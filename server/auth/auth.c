#include "auth/auth.h"

#include <string.h>

#include "base/alloc.h"

static char *dup_or_null(const char *s)
{
    return s != NULL ? nj_strdup(s) : NULL;
}

struct nj_auth *nj_auth_new(const char *user, const char *pass, const char *token)
{
    struct nj_auth *a = nj_zalloc(sizeof(*a));
    a->user = user != NULL && user[0] != '\0' ? nj_strdup(user) : NULL;
    a->pass = dup_or_null(pass);
    a->token = token != NULL && token[0] != '\0' ? nj_strdup(token) : NULL;
    return a;
}

static void wipe_string(char *s)
{
    if (s != NULL) {
        nj_wipe(s, strlen(s));
        nj_dealloc(s);
    }
}

void nj_auth_free(struct nj_auth **ap)
{
    struct nj_auth *a = *ap;
    if (a == NULL) {
        return;
    }
    *ap = NULL;
    nj_dealloc(a->user);
    wipe_string(a->pass);
    wipe_string(a->token);
    nj_dealloc(a);
}

bool nj_auth_required(const struct nj_auth *a)
{
    return a->user != NULL || a->token != NULL;
}

bool nj_is_bcrypt(const char *s)
{
    return s != NULL && s[0] == '$' && s[1] == '2' && s[2] != '\0' &&
           strchr("abxy", s[2]) != NULL && s[3] == '$' && s[4] >= '0' && s[4] <= '9' &&
           s[5] >= '0' && s[5] <= '9' && s[6] == '$';
}

bool nj_auth_has_plain_secret(const struct nj_auth *a)
{
    if (a->token != NULL) {
        return !nj_is_bcrypt(a->token);
    }
    return a->user != NULL && !nj_is_bcrypt(a->pass);
}

/* Time depends on the length of what the client sent alone. */
static bool same_secret(const char *configured, const char *offered)
{
    size_t want = strlen(configured);
    size_t have = strlen(offered);
    unsigned char diff = want != have;
    for (size_t i = 0; i < have; i++) {
        diff |= (unsigned char) (offered[i] ^ configured[want == 0 ? 0 : i % want]);
    }
    return diff == 0;
}

static enum nj_auth_answer check_secret(const char *configured, const char *offered,
                                        const char **hash_out, const char **secret_out)
{
    configured = configured != NULL ? configured : "";
    offered = offered != NULL ? offered : "";
    if (nj_is_bcrypt(configured)) {
        *hash_out = configured;
        *secret_out = offered;
        return NJ_AUTH_SLOW;
    }
    return same_secret(configured, offered) ? NJ_AUTH_OK : NJ_AUTH_DENIED;
}

enum nj_auth_answer nj_auth_check(const struct nj_auth *a, const struct nj_credentials *cred,
                                  const char **hash_out, const char **secret_out)
{
    if (!nj_auth_required(a)) {
        return NJ_AUTH_OK;
    }
    if (a->token != NULL) {
        return check_secret(a->token, cred->token, hash_out, secret_out);
    }
    if (cred->user == NULL || strcmp(a->user, cred->user) != 0) {
        return NJ_AUTH_DENIED;
    }
    return check_secret(a->pass, cred->pass, hash_out, secret_out);
}
