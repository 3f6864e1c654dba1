#include "auth/user.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "auth/perms.h"
#include "base/alloc.h"

static char *dup_or_null(const char *s)
{
    return s != NULL ? nj_strdup(s) : NULL;
}

struct nj_user *nj_user_new(const char *name, const char *nkey, const char *pass,
                            struct nj_perms *perms)
{
    struct nj_user *u = nj_zalloc(sizeof(*u));
    atomic_init(&u->refs, 1);
    u->name = dup_or_null(name);
    u->nkey = dup_or_null(nkey);
    u->pass = dup_or_null(pass);
    u->account = nj_strdup("$G");
    u->perms = nj_perms_ref(perms);
    if (nkey != NULL) {
        (void) nj_nkey_decode(nkey, 'U', u->key);
    }
    return u;
}

struct nj_user *nj_user_ref(struct nj_user *u)
{
    if (u != NULL) {
        (void) atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    }
    return u;
}

void nj_user_unref(struct nj_user **up)
{
    struct nj_user *u = *up;
    *up = NULL;
    if (u == NULL || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (u->pass != NULL) {
        nj_wipe(u->pass, strlen(u->pass));
    }
    nj_dealloc(u->pass);
    nj_dealloc(u->name);
    nj_dealloc(u->nkey);
    nj_dealloc(u->account);
    nj_perms_unref(&u->perms);
    nj_dealloc(u);
}

const char *nj_user_label(const struct nj_user *u)
{
    return u->name != NULL ? u->name : u->nkey;
}

bool nj_user_same_password(const struct nj_user *a, const struct nj_user *b)
{
    return strcmp(a->pass != NULL ? a->pass : "", b->pass != NULL ? b->pass : "") == 0;
}

bool nj_user_type_allowed(const struct nj_user *u, uint32_t type)
{
    return u->types == 0 || (u->types & type) != 0;
}

uint32_t nj_user_type(const char *name)
{
    static const char *const known[] = { "STANDARD", "WEBSOCKET", "LEAFNODE",  "LEAFNODE_WS",
                                         "MQTT",     "MQTT_WS",   "IN_PROCESS" };
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(known[i], name) == 0) {
            return 1U << i;
        }
    }
    return 0;
}
