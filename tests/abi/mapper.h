/*
 * mapper.h: the kit's other half: a host for auth mappers.
 *
 * It loads a mapper, asks it about peers that it makes up, and keeps what is answered, by whatever
 * thread.  A mapper is initialised in the process of each test, since its threads do not survive a
 * fork.
 */
#ifndef NJ_TESTS_ABI_MAPPER_H
#define NJ_TESTS_ABI_MAPPER_H
#include <stddef.h>
#include <stdint.h>

#include "natterjack/authmap.h"

#define NJ_KIT_MAPPERS_MAX 8

struct nj_kit_mapper {
    char label[32];
    const struct nj_plugin *plugin;
    const struct nj_authmap *map;
    int started;       /* in this process */
    int wants_options; /* none were given, and it refuses to be without */
};

extern struct nj_kit_mapper nj_kit_mappers[NJ_KIT_MAPPERS_MAX];
extern size_t nj_kit_mappers_n;

/* NJ_OK: it is the next of the list.  NJ_E_NOT_FOUND: the file is no mapper, maybe something else.
 * Any other: `err` says what is wrong with it. */
int nj_kit_mapper_load(const char *path, struct nj_error *err);
/* init(), once in a process.  Ends the test with a message when it fails. */
void nj_kit_mapper_start(struct nj_kit_mapper *m);
void nj_kit_mapper_fini(struct nj_kit_mapper *m);

/* ---- options ---------------------------------------------------------------------------------- */

/* A map from JSON; NULL with a message in `err`.  Kept until the end of the process. */
struct nj_authmap_value *nj_kit_json(const char *file, const char *text, struct nj_error *err);

/* What --options gave; else an empty map. */
extern struct nj_authmap_value *nj_kit_mapper_options;

/* What check() said. */
struct nj_kit_report {
    struct nj_authmap_report report; /* first */
    int errors;
    int placeless;  /* of them: without a value or a text, or of more than one line */
    char text[256]; /* of the last one */
};
int nj_kit_mapper_check(const struct nj_kit_mapper *m, const struct nj_authmap_value *options,
                        struct nj_kit_report *report);

/* An instance of nj_kit_mapper_options; ends the test when there is none. */
struct nj_authmap_instance *nj_kit_instance(struct nj_kit_mapper *m);

/* ---- questions -------------------------------------------------------------------------------- */

struct nj_kit_question {
    struct nj_kit_question *next; /* under the host's mutex, as all below */
    uint64_t handle;
    int rc;      /* of decide() */
    int answers; /* 0 or 1 */
    int closed;  /* cancelled: no answer counts any more */
    uint32_t verdict;
    char wrong[128]; /* why the answer cannot be understood; "" */
    int64_t took_us; /* inside decide() */
};

void nj_kit_ask(const struct nj_kit_mapper *m, struct nj_authmap_instance *inst,
                const struct nj_authmap_facts *facts, struct nj_kit_question *q);
/* Was it answered within so many milliseconds? */
int nj_kit_wait(struct nj_kit_question *q, int ms);
/* As the server does when the peer leaves; 1: the question was open. */
int nj_kit_cancel(const struct nj_kit_mapper *m, struct nj_authmap_instance *inst,
                  struct nj_kit_question *q);
/* It is the caller's memory again. */
void nj_kit_forget(struct nj_kit_question *q);
/* Answers that found no open question. */
int nj_kit_strays(void);

/* ---- peers ------------------------------------------------------------------------------------ */

/* Peers of all kinds, by number; NULL behind the last.  `what` says which. */
const struct nj_authmap_facts *nj_kit_peer(size_t i, const char **what);
/* One with names, and the same with a certificate that nobody has checked, and without any. */
const struct nj_authmap_facts *nj_kit_peer_named(int verified, int names);

#define NJ_KIT_SECRET "s3cret-that-is-never-logged"

#endif
