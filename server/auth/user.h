/*
 * user.h: one user: of the configuration, or made while the server runs by what maps peers to
 * users.  Immutable once it is shared; counted; any thread.
 */
#ifndef NJ_AUTH_USER_H
#define NJ_AUTH_USER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/nkey.h"

struct nj_perms;

/* Kinds of connection a user may come with; a bit mask, 0 for any. */
#define NJ_TYPE_STANDARD 1U
#define NJ_TYPE_WEBSOCKET 2U
#define NJ_TYPE_LEAFNODE 4U
#define NJ_TYPE_LEAFNODE_WS 8U
#define NJ_TYPE_MQTT 16U
#define NJ_TYPE_MQTT_WS 32U
#define NJ_TYPE_IN_PROCESS 64U

/* flags */
#define NJ_USER_PROXY_REQUIRED 1U
#define NJ_USER_MADE 2U /* while the server runs, by a mapper: no reload touches it */

struct nj_user {
    _Atomic uint32_t refs; /* atomic */
    /* immutable once shared; strings are the user's own */
    char *name;                 /* NULL: an nkey user */
    char *nkey;                 /* its public key, "U…"; NULL: a user with a name */
    char *pass;                 /* plain or bcrypt; NULL: empty */
    char *account;              /* "$G" unless something else was said */
    uint8_t key[NJ_NKEY_BYTES]; /* of nkey */
    uint32_t types;
    uint32_t flags;
    struct nj_perms *perms; /* a reference; NULL: may do everything */
};

/* Everything is copied; name or nkey may be NULL, pass too.  An nkey must be a public user key
 * (nj_nkey_is_public); `perms`: the user takes a reference of its own.  One reference. */
struct nj_user *nj_user_new(const char *name, const char *nkey, const char *pass,
                            struct nj_perms *perms);
struct nj_user *nj_user_ref(struct nj_user *u); /* NULL gives NULL */
void nj_user_unref(struct nj_user **up);        /* wipes the password at the end */

/* The name, or the nkey of a user without one: what logs and /connz call it. */
const char *nj_user_label(const struct nj_user *u);

bool nj_user_type_allowed(const struct nj_user *u, uint32_t type);

/* Is the same password configured for both?  None and an empty one are the same. */
bool nj_user_same_password(const struct nj_user *a, const struct nj_user *b);

/* The bit of a type's name, without regard to case; 0 when it is none. */
uint32_t nj_user_type(const char *name);

#endif
