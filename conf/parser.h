/*
 * parser.h: what the parts of the parser share: parse.c (structure), store.c (values and
 * variables), file.c (files and includes).
 */
#ifndef NJ_CONF_PARSER_H
#define NJ_CONF_PARSER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/lex.h"
#include "conf/tree.h"

struct nj_parser_key {
    const char *text;
    size_t len;
    uint32_t line;
    uint32_t col;
};

/* A container that is open here; exactly one of map and list is set. */
struct nj_level {
    struct nj_tree_map *map;
    struct nj_tree_list *list;
    struct nj_level *up;
};

/* A variable of the environment that is being read, for finding cycles. */
struct nj_env_ref {
    const char *name;
    const struct nj_env_ref *up;
};

struct nj_parser {
    struct nj_conf *conf;
    struct nj_lex lx;
    const char *file; /* NULL: a text of the environment, without positions */
    char *dir;        /* includes are relative to it */
    const struct nj_env_ref *env;
    unsigned nesting;           /* containers open here, and around the include that led here */
    unsigned includes;          /* files open around this one */
    struct nj_parser_key *keys; /* keys that wait for their value */
    size_t keys_n;
    size_t keys_cap;
    bool after_key; /* the last token was a key, and not a lone "}" */
};

/* The token is a key that waits for its value. */
void nj_parser_push_key(struct nj_parser *p, const struct nj_token *tok);

/* Put a value where the text stands now; in a map it gets the position of its key. */
int nj_parser_store(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok,
                    struct nj_conf_value v);

/* The same for a scalar token: number, date, word, variable. */
int nj_parser_store_scalar(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok);

/* The sentence about NJ_CONF_MAX_NESTING; returns NJ_E_LIMIT. */
int nj_parser_too_deep(struct nj_parser *p);

/* The word include was read: put what its file has into the map that is open here. */
int nj_parser_include(struct nj_parser *p, struct nj_level *at);

/* Parse a text into p->conf; frees what the parser itself holds. */
int nj_parser_run(struct nj_parser *p, const char *text, size_t len, struct nj_buf *why);

#endif
