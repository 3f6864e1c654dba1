/* auth_setup.h: from options to who may connect.  Main thread; for the start and for a reload. */
#ifndef NJ_OPS_AUTH_SETUP_H
#define NJ_OPS_AUTH_SETUP_H

struct nj_auth;
struct nj_error;
struct nj_map_names;
struct nj_options;
struct nj_registry;

/* What can only be judged when the whole file is known: is no_auth_user there?  No position. */
int nj_auth_setup_check(const struct nj_options *o, struct nj_error *err);

/* nkeys need Ed25519, which the core has not: can the provider named by tls_provider do it? */
int nj_auth_setup_provider(const struct nj_options *o, struct nj_registry *reg,
                           struct nj_error *err);

/* One reference.  Fails as nj_auth_setup_provider() does. */
int nj_auth_setup(const struct nj_options *o, struct nj_registry *reg, struct nj_auth **auth_out,
                  struct nj_error *err);

/* The names of its users that certificates can be compared with, for verify_and_map; NULL when it
 * has no user with a name.  The caller's, and valid as long as `auth`. */
struct nj_map_names *nj_auth_setup_map(const struct nj_auth *auth);

/* Whoever wrote "users: []", or a password without a user, did not mean that everybody may come in,
 * as it is in the reference, too: the log says so, after a start and after a reload. */
void nj_auth_setup_warn(const struct nj_options *o, const struct nj_auth *auth);

#endif
