/* client_perms.c: whom a client was let in as, and what that lets it do. */
#include "auth/auth.h"
#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "peer/client.h"

/* A client that may do everything carries no permissions: that is one test for each message. */
static struct nj_perms *perms_of(const struct nj_user *user)
{
    bool any = user != NULL && user->perms != NULL && nj_perms_restrict(user->perms);
    return any ? nj_perms_ref(user->perms) : NULL;
}

void nj_client_set_user(struct nj_client *c, struct nj_auth *auth, struct nj_user *user)
{
    struct nj_auth *old_auth = c->auth;
    struct nj_user *old_user = c->admitted;
    struct nj_perms *old_perms = c->perms;
    c->auth = auth != NULL ? nj_auth_ref(auth) : NULL;
    c->admitted = nj_user_ref(user);
    c->perms = perms_of(user);
    nj_auth_unref(&old_auth);
    nj_user_unref(&old_user);
    nj_perms_unref(&old_perms);
}
