/*
 * auth.h: who may connect: the single user and the token of the `authorization` block or the
 * flags.  Immutable after start; any thread.
 */
#ifndef NJ_AUTH_AUTH_H
#define NJ_AUTH_AUTH_H
#include <stdbool.h>
#include <stddef.h>

struct nj_auth {
    char *user; /* NULL: no user is configured */
    char *pass; /* NULL: empty */
    char *token;
};

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
};

struct nj_auth *nj_auth_new(const char *user, const char *pass, const char *token);
void nj_auth_free(struct nj_auth **ap);

bool nj_auth_required(const struct nj_auth *a);

/* Is any configured secret kept in clear?  (for the warning at start) */
bool nj_auth_has_plain_secret(const struct nj_auth *a);

/* On NJ_AUTH_SLOW *hash_out and *secret_out say what to compare; borrowed from a and cred. */
enum nj_auth_answer nj_auth_check(const struct nj_auth *a, const struct nj_credentials *cred,
                                  const char **hash_out, const char **secret_out);

/* `$2a$`, `$2b$`, `$2x$` or `$2y$`, two digits, `$`. */
bool nj_is_bcrypt(const char *s);

#endif
