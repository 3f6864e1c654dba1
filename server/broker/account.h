/*
 * account.h: an account, the wall between subject spaces.  Every connection belongs to one from
 * its first byte on; today there is one, `$G`.
 */
#ifndef NJ_BROKER_ACCOUNT_H
#define NJ_BROKER_ACCOUNT_H
#include <stdatomic.h>
#include <stdint.h>

struct nj_index;

struct nj_account {
    const char *name;       /* immutable after start */
    struct nj_index *index; /* immutable after start; see index.h for its threads */
    _Atomic uint64_t connections; /* atomic, relaxed: a statistic */
};

struct nj_account *nj_account_new(const char *name);
void nj_account_free(struct nj_account **ap);

#endif
