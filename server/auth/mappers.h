/*
 * mappers.h: the auth mappers of the configuration, the questions that are open, and the answers.
 *
 * A set is what one configuration names: instances in order.  It is immutable and counted; each
 * open question holds a reference, so a reload may replace the set while old questions are still
 * answered from the old one.  Instances are freed on the main thread, by nj_mappers_collect().
 *
 * Questions are kept in one table of the process, under a mutex: an answer names its question by a
 * handle and nothing else, and what comes twice, late or from nowhere finds nothing there.
 */
#ifndef NJ_AUTH_MAPPERS_H
#define NJ_AUTH_MAPPERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/authmap.h"

struct nj_mappers;

/* One entry of `mappers` in the configuration.  Borrowed by nj_mappers_new(). */
struct nj_mapper_config {
    const char *name; /* of the plug-in, as the two below; they live as long as the process */
    const char *version;
    const char *path;
    const struct nj_authmap *table;
    const struct nj_authmap_value *options;
    int64_t timeout_us; /* 0: what is left of the time for authentication */
};

/* Main thread.  NJ_OK with one reference; or negative, `err` names the mapper, and what was made is
 * freed again. */
int nj_mappers_new(const struct nj_mapper_config *configs, size_t n, struct nj_mappers **set_out,
                   struct nj_error *err);

/* Any thread.  Of NULL: NULL. */
struct nj_mappers *nj_mappers_ref(struct nj_mappers *set);
void nj_mappers_unref(struct nj_mappers **setp);

/* "Auth mapper 1: rules 0.1.0 (FILE)", a line for each.  Of NULL: nothing. */
void nj_mappers_log(const struct nj_mappers *set);

size_t nj_mappers_count(const struct nj_mappers *set); /* of NULL: 0 */
const char *nj_mappers_name(const struct nj_mappers *set, size_t i);
int64_t nj_mappers_timeout_us(const struct nj_mappers *set, size_t i);

/* Main thread, now and then and at the end: frees the instances of sets that nobody holds, and warns
 * of a mapper that does not come back from decide(). */
void nj_mappers_collect(void);

/* ---- answers ---------------------------------------------------------------------------------- */

/* Subjects of an answer, owned; `given` tells an empty list from none. */
struct nj_mapper_list {
    char **at;
    size_t n;
    bool given;
};

/* An answer, copied and found sound.  All is owned. */
struct nj_mapper_answer {
    const char *mapper; /* who gave it; of the plug-in, static */
    uint32_t verdict; /* NJ_AUTHMAP_*; never anything else */
    bool faulty;      /* DENY because the mapper is at fault; `reason` says how */
    char *user;       /* of both ALLOWs: not empty */
    char *account;
    char *reason; /* NULL: none */
    uint32_t say; /* NJ_AUTHMAP_SAY_* */
    char **tags;
    size_t tags_n;
    int64_t expires_s; /* 0: never */
    bool has_permissions;
    bool allow_responses;
    int32_t responses_max;
    int64_t responses_ms;
    struct nj_mapper_list pub_allow, pub_deny, sub_allow, sub_deny;
};

void nj_mapper_answer_free(struct nj_mapper_answer **ap);

/* ---- questions -------------------------------------------------------------------------------- */

/* The answer, now the callee's.  Any thread, under the table's mutex: hand it on and come back. */
typedef void (*nj_mapper_done_fn)(void *arg, struct nj_mapper_answer *answer);

/*
 * Ask mapper `i`.  Worker.  `done` is called once, maybe before this returns, unless the question is
 * cancelled first.  A mapper that fails is an answer too: DENY, faulty.  *handle_out is for
 * nj_mappers_cancel().
 */
void nj_mappers_ask(struct nj_mappers *set, size_t i, const struct nj_authmap_facts *facts,
                    nj_mapper_done_fn done, void *arg, uint64_t *handle_out);

enum nj_mapper_end { NJ_MAPPER_ANSWERED, NJ_MAPPER_PEER_LEFT, NJ_MAPPER_TIMED_OUT };

/*
 * Nobody waits any more.  Worker.  True: `done` was not and will not be called, `arg` is the
 * caller's again and the mapper was told.  False: it was answered before.
 */
bool nj_mappers_cancel(uint64_t handle, enum nj_mapper_end why);

/* How many answers found nobody waiting, since the start.  Any thread. */
uint64_t nj_mappers_strays(void);

#endif
