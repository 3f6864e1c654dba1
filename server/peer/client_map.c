/* verify_and_map: the user that a client's certificate stands for, whatever name it gives. */
#include <string.h>

#include "auth/auth.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/nul_text.h"
#include "io/tls_stream.h"
#include "peer/client.h"
#include "peer/client_tls.h"
#include "peer/serving.h"
#include "tls/map.h"
#include "tls/verify.h"

struct asking {
    const struct nj_client *c;
    const struct nj_auth *auth;
};

static const void *find_user(void *arg, struct nj_span name)
{
    const struct asking *a = arg;
    return nj_auth_user(a->auth, (const char *) name.ptr, name.len);
}

static bool user_may(void *arg, const void *user)
{
    (void) arg;
    return nj_user_type_allowed(user, NJ_TYPE_STANDARD);
}

static struct nj_span user_name(void *arg, const void *user)
{
    const struct nj_user *u = user;
    (void) arg;
    return (struct nj_span){ (const uint8_t *) u->name, strlen(u->name) };
}

static void say(void *arg, const char *text)
{
    const struct asking *a = arg;
    nj_client_debug(a->c, "%s", text);
}

static void warn_of_name(const struct nj_client *c)
{
    struct nj_buf name;
    if (c->user == NULL || c->user[0] == '\0' || c->has_cert_name) {
        return;
    }
    nj_buf_init(&name, SIZE_MAX);
    (void) nj_nul_text_quote(&name, c->user);
    nj_log(NJ_LVL_WRN, "User %s found in connect proto, but user required from cert", name.ptr);
    nj_buf_free(&name);
}

/* From here on the certificate's name is the client's; what it gave itself was proved by nobody. */
static void take_name(struct nj_client *c, const struct nj_user *user)
{
    warn_of_name(c);
    nj_dealloc(c->user);
    c->user = nj_strdup(user->name);
    nj_dealloc(c->nkey);
    c->nkey = NULL;
    c->has_cert_name = true;
}

bool nj_client_is_mapped(const struct nj_client *c)
{
    const struct nj_serving *s = nj_client_serving(c);
    bool by_nkey = c->nkey != NULL && c->nkey[0] != '\0' && nj_auth_has_nkeys(s->auth);
    return s->map_names != NULL && !by_nkey;
}

struct nj_user *nj_client_map(struct nj_client *c)
{
    const struct nj_serving *s = nj_client_serving(c);
    struct asking asking = { c, s->auth };
    struct nj_span chain[NJ_CHAIN_MAX];
    struct nj_map_ask ask = { .chain = chain,
                              .names = s->map_names,
                              .arg = &asking,
                              .find = find_user,
                              .may = user_may,
                              .name = user_name,
                              .say = nj_log_on(NJ_LVL_DBG) ? say : NULL };
    if (c->tls_version == 0) {
        nj_client_debug(c, "User required in cert, no TLS connection state");
        return NULL;
    }
    /* A door that did not ask for certificates has judged none. */
    if (c->door != NULL && nj_tls_door_verifies(c->door)) {
        size_t n = nj_tls_stream_peer_chain(&c->conn, chain, NJ_CHAIN_MAX);
        ask.chain_n = n < NJ_CHAIN_MAX ? n : NJ_CHAIN_MAX;
    }
    const void *found = nj_map_user(&ask);
    if (found == NULL) {
        return NULL;
    }
    /* Found in s->auth, whose users are not const. */
    const struct nj_user *user = found;
    take_name(c, user);
    return nj_auth_user(s->auth, user->name, strlen(user->name));
}
