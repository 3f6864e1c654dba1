/*
 * level.h: the names below one node of the subject index.  For broker/index.c alone.
 *
 * A hash table of nodes by token.  One with many names is sixteen of them, chosen by bits of the
 * hash, each of which may be sixteen again: so no insertion or removal moves more than
 * NJ_LEVEL_MOST names, however many there are, and nobody waits for one.
 *
 * Read without a lock inside an RCU turn; insert and remove are under the index's mutex, on a
 * thread that is registered with RCU.  A level does not own its nodes.
 */
#ifndef NJ_BROKER_LEVEL_H
#define NJ_BROKER_LEVEL_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rcu.h"

#define NJ_LEVEL_MOST 1024u

/* All zero: no names. */
struct nj_level {
    _Atomic uintptr_t v; /* a table; lowest bit set: sixteen levels */
};

/* What is subscribed at one place: see index.c. */
struct nj_index_place {
    _Atomic uintptr_t v;
};

struct nj_index_more;

struct nj_index_node {
    struct nj_rcu_head rcu;
    struct nj_index_more *_Atomic more; /* NULL: all empty */
    struct nj_index_place plain;
    struct nj_index_node *parent; /* immutable after start */
    uint32_t hash;                /* immutable after start */
    uint16_t token_len;           /* immutable after start */
    char token[];
};

/* NULL: it is not there. */
struct nj_index_node *nj_level_find(const struct nj_level *l, uint32_t hash, const char *tok,
                                    size_t len);

/* n is not in it, or is.  Both return how many names had to be moved. */
uint32_t nj_level_insert(struct nj_level *l, struct nj_index_node *n);
uint32_t nj_level_remove(struct nj_level *l, struct nj_index_node *n);

/* Writers. */
bool nj_level_is_empty(const struct nj_level *l);

/* No reader is left: free the level, and call fn with each of its nodes. */
void nj_level_free(struct nj_level *l, void (*fn)(struct nj_index_node *n));

#endif
