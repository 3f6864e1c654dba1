/*
 * sub_table.h: the subscriptions of one client by sid.
 *
 * Places are numbered, and a place keeps its number and counts its generations, so that batches can
 * name a subscription without a pointer.  It grows in steps: beyond NJ_SUB_CHUNK places by a chunk of
 * memory at a time and by a hash chain for each place (linear hashing), so that nobody waits while
 * the table of a client with a hundred thousand subscriptions is made anew.
 *
 * Belongs to the client's worker.  Does not own the subscriptions.
 */
#ifndef NJ_PEER_SUB_TABLE_H
#define NJ_PEER_SUB_TABLE_H
#include <stddef.h>
#include <stdint.h>

#include "base/keyed_hash.h"

struct nj_sub;

#define NJ_SUB_CHUNK 1024u
#define NJ_SUB_NONE UINT32_MAX

struct nj_sub_place {
    struct nj_sub *sub; /* NULL: free */
    uint32_t gen;
    uint32_t next; /* in the hash chain or the free list; index + 1 */
};

/* All zero: none, and no memory. */
struct nj_sub_table {
    struct nj_sub_place **places; /* chunks; a table of one chunk has it in `only` */
    uint32_t **heads;             /* hash chains; index + 1 */
    struct nj_sub_place *only_places;
    uint32_t *only_heads;
    uint32_t cap, used, count, free;
    uint32_t chains, mask; /* mask + 1: the power of two that is being filled */
    uint32_t first_gen, last_gen; /* of places that begin; the greatest there was */
    struct nj_hash_key key; /* clients choose their sids */
};

static inline struct nj_sub_place *nj_sub_table_at(const struct nj_sub_table *t, uint32_t i)
{
    return t->places == NULL ? &t->only_places[i]
                             : &t->places[i / NJ_SUB_CHUNK][i % NJ_SUB_CHUNK];
}

/* The place of a sid, or NJ_SUB_NONE. */
uint32_t nj_sub_table_find(const struct nj_sub_table *t, const char *sid, size_t len);

/* Its sid is not there.  Sets sub_idx and sub_gen.  Returns how many others had to be moved. */
uint32_t nj_sub_table_add(struct nj_sub_table *t, struct nj_sub *s);

void nj_sub_table_remove(struct nj_sub_table *t, uint32_t i);

/* None is left in it: forget how many places there once were.  No place gets back a generation that
 * messages under way may name. */
void nj_sub_table_begin_anew(struct nj_sub_table *t);

/* Frees the table and makes it one of none. */
void nj_sub_table_fini(struct nj_sub_table *t);

#endif
