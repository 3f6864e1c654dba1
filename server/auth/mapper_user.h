/* mapper_user.h: from the answer of a mapper to the user that it means.  Any thread. */
#ifndef NJ_AUTH_MAPPER_USER_H
#define NJ_AUTH_MAPPER_USER_H
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_auth;
struct nj_mapper_answer;
struct nj_user;

/*
 * `answer` is an ALLOW, `type` the kind of connection (NJ_TYPE_*).  NJ_OK: *user_out is a reference,
 * or NULL for the one user of a configuration without a table.  NJ_E_NOT_FOUND, NJ_E_DENIED or
 * NJ_E_INVALID: the mapper means nobody who may come in so; `err` says why.
 */
int nj_mapper_user(const struct nj_mapper_answer *answer, const struct nj_auth *auth, uint32_t type,
                   struct nj_user **user_out, struct nj_error *err);

#endif
