/*
 * auth.h: who may connect: one user, a token, or a table of users (names and nkeys).
 *
 * Built once from the configuration, then immutable and counted: any thread may ask.  A reload
 * builds a new one; a client keeps a reference to the one that let it in, so that it can be asked
 * later what has changed for it (nj_auth_recheck).
 */
#ifndef NJ_AUTH_AUTH_H
#define NJ_AUTH_AUTH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_auth;
struct nj_user;

/* Of a provider's struct nj_tls_crypto. */
typedef int (*nj_ed25519_verify_fn)(const uint8_t pub[32], const void *msg, size_t len,
                                    const uint8_t sig[64]);

/* What an nj_auth is built from; all of it borrowed, empty strings count as NULL. */
struct nj_auth_config {
    const char *user, *pass, *token;
    struct nj_user *const *users; /* in the order of the file; each is referenced */
    size_t users_n;
    const char *no_auth_user;    /* name or nkey of one of the users; NULL: none */
    nj_ed25519_verify_fn verify; /* NULL: no nkey user can prove who it is */
};

/* One reference, the caller's.  Names are expected to be unique; of twins the first counts. */
struct nj_auth *nj_auth_build(const struct nj_auth_config *config);
/* The same without a table. */
struct nj_auth *nj_auth_new(const char *user, const char *pass, const char *token);
struct nj_auth *nj_auth_ref(struct nj_auth *a);
void nj_auth_unref(struct nj_auth **ap);

/* ---- what is in it ------------------------------------------------------------------------- */

bool nj_auth_required(const struct nj_auth *a);

/* Does a client have to sign something?  Then INFO carries a nonce. */
bool nj_auth_has_nkeys(const struct nj_auth *a);

/* Is any configured secret a bcrypt hash?  Then a thread for them is needed. */
bool nj_auth_has_hashes(const struct nj_auth *a);

/* Is any configured secret kept in clear?  (for the warning at start) */
bool nj_auth_has_plain_secret(const struct nj_auth *a);

/* A user by name, byte for byte, or by nkey; NULL when there is none.  Borrowed from a: who keeps
 * it takes a reference. */
struct nj_user *nj_auth_user(const struct nj_auth *a, const char *name, size_t len);
struct nj_user *nj_auth_nkey(const struct nj_auth *a, const char *nkey);

/* The name of the one user of a configuration without a table; NULL: none. */
const char *nj_auth_single_user(const struct nj_auth *a);

/* All users in the order of the file, nkey users (name NULL) among them. */
struct nj_user *const *nj_auth_users(const struct nj_auth *a, size_t *n_out);

/* Whom those become who offer nothing; NULL: nobody. */
struct nj_user *nj_auth_no_auth_user(const struct nj_auth *a);

/* ---- asking -------------------------------------------------------------------------------- */

enum nj_auth_answer {
    NJ_AUTH_OK,
    NJ_AUTH_DENIED,
    NJ_AUTH_SLOW /* a bcrypt hash must be computed: nj_bcrypt_submit() */
};

/* What a client offered; NULL where it offered nothing. */
struct nj_credentials {
    const char *user;
    const char *pass;
    const char *token;
    const char *nkey;
    const char *sig;
    const char *nonce; /* what it was told to sign; NULL: nothing */
    uint32_t type;     /* NJ_TYPE_*; 0: NJ_TYPE_STANDARD */
    /* Its certificate has chosen this user; `user` and no_auth_user do not count then, the
     * password does.  Borrowed. */
    struct nj_user *mapped;
};

/* Borrowed from the nj_auth and the credentials. */
struct nj_auth_result {
    struct nj_user *user; /* NULL: single user, token, or no authentication */
    const char *hash;     /* NJ_AUTH_SLOW: what to compare the secret with */
    const char *secret;
    const char *why; /* NJ_AUTH_DENIED: a line for the debug log, or NULL */
};

enum nj_auth_answer nj_auth_check(const struct nj_auth *a, const struct nj_credentials *cred,
                                  struct nj_auth_result *out);

/* Has the client signed its nonce with the key that it names, whether that key is a user's or not? */
bool nj_auth_nkey_proven(const struct nj_auth *a, const struct nj_credentials *cred);

/* ---- after a reload ------------------------------------------------------------------------ */

enum nj_recheck {
    NJ_RECHECK_STAYS,  /* maybe with other permissions */
    NJ_RECHECK_GONE,   /* its user is no more: close it without a word */
    NJ_RECHECK_REFUSED /* its credentials are no longer good: "Authorization Violation" */
};

/* How a client came in. */
struct nj_admission {
    const struct nj_auth *auth; /* that let it in */
    struct nj_user *user;       /* as whom; NULL: single user, token, nobody */
    const char *name;           /* the user name it gave; NULL: none */
    uint32_t type;
};

/*
 * Is it still welcome under `now`?  For one that stays *user_out is whom it is now (borrowed from
 * `now`, or the user it had; NULL when it is nobody in particular).  The secret the client sent is
 * not kept: a password counts as changed when its configured text has.
 */
enum nj_recheck nj_auth_recheck(const struct nj_admission *was, const struct nj_auth *now,
                                struct nj_user **user_out);

/* `$2a$`, `$2b$`, `$2x$` or `$2y$`, two digits, `$`. */
bool nj_is_bcrypt(const char *s);

#endif
