#include "peer/sub_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "broker/sub.h"

static uint32_t hash_sid(const struct nj_sub_table *t, const char *sid, size_t len)
{
    return (uint32_t) nj_keyed_hash(&t->key, sid, len);
}

static uint32_t hash_of(const struct nj_sub_table *t, const struct nj_sub *s)
{
    return hash_sid(t, nj_sub_sid(s), s->sid_len);
}

/* The chain of a hash: one that is not there yet is still part of its lower half's. */
static uint32_t *head_of(const struct nj_sub_table *t, uint32_t hash)
{
    uint32_t i = hash & t->mask;
    if (i >= t->chains) {
        i &= t->mask >> 1;
    }
    return t->heads == NULL ? &t->only_heads[i] : &t->heads[i / NJ_SUB_CHUNK][i % NJ_SUB_CHUNK];
}

uint32_t nj_sub_table_find(const struct nj_sub_table *t, const char *sid, size_t len)
{
    if (t->cap == 0) {
        return NJ_SUB_NONE;
    }
    uint32_t i = *head_of(t, hash_sid(t, sid, len));
    while (i != 0) {
        const struct nj_sub_place *p = nj_sub_table_at(t, i - 1);
        if (p->sub->sid_len == len && memcmp(nj_sub_sid(p->sub), sid, len) == 0) {
            return i - 1;
        }
        i = p->next;
    }
    return NJ_SUB_NONE;
}

static void link_place(struct nj_sub_table *t, uint32_t i)
{
    struct nj_sub_place *p = nj_sub_table_at(t, i);
    uint32_t *head = head_of(t, hash_of(t, p->sub));
    p->next = *head;
    *head = i + 1;
}

/* ---- growing --------------------------------------------------------------------------------- */

/* Up to a chunk: twice as much, at once. */
static uint32_t grow_only(struct nj_sub_table *t)
{
    uint32_t cap = t->cap == 0 ? 4 : t->cap * 2;
    if (t->cap == 0) {
        nj_seed(&t->key, sizeof(t->key));
    }
    t->only_places = nj_realloc(t->only_places, cap * sizeof(struct nj_sub_place));
    nj_dealloc(t->only_heads);
    t->only_heads = nj_calloc(cap, sizeof(uint32_t));
    t->cap = cap;
    t->chains = cap;
    t->mask = cap - 1;
    for (uint32_t i = 0; i < t->used; i++) {
        link_place(t, i); /* it grows only when no place is free */
    }
    return t->used;
}

/* Beyond: another chunk of places and one of chains, none of which is used yet. */
static void grow_by_chunk(struct nj_sub_table *t)
{
    uint32_t n = t->cap / NJ_SUB_CHUNK;
    if ((n & (n - 1)) == 0) { /* it was as large as it could be: 1, 2, 4 … */
        t->places = nj_realloc(t->places, (size_t) n * 2 * sizeof(t->places[0]));
        t->heads = nj_realloc(t->heads, (size_t) n * 2 * sizeof(t->heads[0]));
    }
    if (n == 1) {
        t->places[0] = t->only_places;
        t->heads[0] = t->only_heads;
    }
    t->places[n] = nj_alloc(NJ_SUB_CHUNK * sizeof(struct nj_sub_place));
    t->heads[n] = nj_calloc(NJ_SUB_CHUNK, sizeof(uint32_t));
    t->cap += NJ_SUB_CHUNK;
}

/* One chain more: it takes what is its own from the chain of its lower half. */
static uint32_t split_chain(struct nj_sub_table *t)
{
    uint32_t moved = 0;
    uint32_t born = t->chains;
    if (born > t->mask) {
        t->mask = t->mask * 2 + 1;
    }
    uint32_t *head = head_of(t, born); /* the lower half's, until the next line */
    t->chains++;
    uint32_t i = *head;
    *head = 0;
    while (i != 0) {
        uint32_t next = nj_sub_table_at(t, i - 1)->next;
        link_place(t, i - 1);
        moved++;
        i = next;
    }
    return moved;
}

static uint32_t new_place(struct nj_sub_table *t, uint32_t *moved_out)
{
    if (t->used == t->cap) {
        if (t->cap < NJ_SUB_CHUNK) {
            *moved_out = grow_only(t);
        } else {
            grow_by_chunk(t);
        }
    }
    if (t->used >= t->chains) {
        *moved_out = split_chain(t);
    }
    nj_sub_table_at(t, t->used)->gen = t->first_gen;
    return t->used++;
}

uint32_t nj_sub_table_add(struct nj_sub_table *t, struct nj_sub *s)
{
    uint32_t moved = 0;
    uint32_t i = t->free - 1;
    if (t->free != 0) {
        t->free = nj_sub_table_at(t, i)->next;
    } else {
        i = new_place(t, &moved);
    }
    struct nj_sub_place *p = nj_sub_table_at(t, i);
    s->sub_idx = i;
    s->sub_gen = p->gen;
    p->sub = s;
    t->count++;
    link_place(t, i);
    return moved;
}

void nj_sub_table_remove(struct nj_sub_table *t, uint32_t i)
{
    struct nj_sub_place *p = nj_sub_table_at(t, i);
    uint32_t *at = head_of(t, hash_of(t, p->sub));
    while (*at != i + 1) {
        at = &nj_sub_table_at(t, *at - 1)->next;
    }
    *at = p->next;
    p->sub = NULL;
    p->gen++;
    t->last_gen = p->gen > t->last_gen ? p->gen : t->last_gen;
    p->next = t->free;
    t->free = i + 1;
    t->count--;
}

void nj_sub_table_begin_anew(struct nj_sub_table *t)
{
    t->used = 0;
    t->free = 0;
    t->first_gen = t->last_gen; /* no place has had it */
}

void nj_sub_table_fini(struct nj_sub_table *t)
{
    for (uint32_t i = 1; t->places != NULL && i < t->cap / NJ_SUB_CHUNK; i++) {
        nj_dealloc(t->places[i]);
        nj_dealloc(t->heads[i]);
    }
    nj_dealloc(t->places);
    nj_dealloc(t->heads);
    nj_dealloc(t->only_places);
    nj_dealloc(t->only_heads);
    *t = (struct nj_sub_table){ 0 };
}
