/*
 * option_table.h: every top-level option, known to this server or to the reference.
 *
 * One row is the whole truth about an option: how it is spelled, what it takes, what it is without,
 * whether a reload takes it, and what it is for.  Parsing, `--help`-like listings and the reference
 * page are made from it.  Static; any thread.
 */
#ifndef NJ_OPS_OPTION_TABLE_H
#define NJ_OPS_OPTION_TABLE_H
#include <stddef.h>

struct nj_conf_member;
struct nj_option;
struct nj_option_reader;

enum nj_option_type {
    NJ_OPTION_BOOL = 1,
    NJ_OPTION_INT,
    NJ_OPTION_STRING,
    NJ_OPTION_DURATION, /* a duration string; an integer is seconds, with a warning */
    NJ_OPTION_OTHER     /* see `range`; `set` reads it */
};

enum nj_option_reload {
    NJ_RELOAD_NO = 0,
    NJ_RELOAD_YES,
    NJ_RELOAD_NEW /* connections made afterwards */
};

/* Reads the value into the options or reports what is wrong with it. */
typedef void (*nj_option_set_fn)(struct nj_option_reader *r, const struct nj_option *opt,
                                 const struct nj_conf_member *m);

#define NJ_OPTION_ALIASES 6
#define NJ_OPTION_NOWHERE ((size_t) -1)

struct nj_option {
    const char *name;
    const char *alias[NJ_OPTION_ALIASES]; /* NULL-filled */
    enum nj_option_type type;
    enum nj_option_reload reload;
    const char *preset; /* as a person would write it; NULL: none */
    const char *range;  /* what it takes, where the type does not say it; NULL */
    const char *help;
    size_t offset;        /* of its member in struct nj_options, or NJ_OPTION_NOWHERE */
    size_t width;         /* sizeof that member (integers) */
    nj_option_set_fn set; /* NULL: by type into the member */
    const char *unserved; /* known, accepted by -t, refused at start with these words; NULL */
};

size_t nj_option_count(void);
const struct nj_option *nj_option_at(size_t i);

/* By name or alias, in any case; NULL when there is none. */
const struct nj_option *nj_option_find(const char *name);

#endif
