#include "broker/level.h"

#include <string.h>

#include "base/alloc.h"

#define WAYS 16u
#define WAY_BITS 4u
#define DEPTH_MOST 5u /* the other bits of a hash are for the tables */
#define SPLIT_AT (NJ_LEVEL_MOST / 2) /* a table of NJ_LEVEL_MOST slots would get too full */
#define MERGE_AT 192u

/* Open addressing, power of two, linear probing.  Replaced when full. */
struct table {
    struct nj_rcu_head rcu;
    uint32_t mask;
    uint32_t used; /* under mu: live and gone */
    uint32_t live; /* under mu */
    struct nj_index_node *_Atomic at[];
};

struct fan {
    struct nj_rcu_head rcu;
    uint32_t live; /* under mu: names in all of them */
    struct nj_level at[WAYS];
};

/* A node that was removed: the probe goes on over it. */
static struct nj_index_node gone_node;
#define GONE (&gone_node)

static struct fan *fan_at(uintptr_t v)
{
    return (v & 1) != 0 ? (struct fan *) (v & ~(uintptr_t) 1) : NULL;
}

static struct table *table_at(uintptr_t v)
{
    return (v & 1) != 0 ? NULL : (struct table *) v;
}

/* The uppermost bits first: tables use the lowest. */
static uint32_t way(uint32_t hash, unsigned depth)
{
    return hash >> (32 - WAY_BITS * (depth + 1)) & (WAYS - 1);
}

/* ---- readers --------------------------------------------------------------------------------- */

struct nj_index_node *nj_level_find(const struct nj_level *l, uint32_t hash, const char *tok,
                                    size_t len)
{
    uintptr_t v = atomic_load_explicit(&l->v, memory_order_acquire);
    for (unsigned depth = 0; (v & 1) != 0; depth++) {
        v = atomic_load_explicit(&fan_at(v)->at[way(hash, depth)].v, memory_order_acquire);
    }
    const struct table *t = table_at(v);
    if (t == NULL) {
        return NULL;
    }
    for (uint32_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        struct nj_index_node *n = atomic_load_explicit(&t->at[i], memory_order_acquire);
        if (n == NULL) {
            return NULL;
        }
        if (n != GONE && n->hash == hash && n->token_len == len &&
            memcmp(n->token, tok, len) == 0) {
            return n;
        }
    }
}

/* ---- writers --------------------------------------------------------------------------------- */

static uintptr_t value(const struct nj_level *l)
{
    return atomic_load_explicit(&l->v, memory_order_relaxed);
}

static void publish(struct nj_level *l, const void *what, uintptr_t bit)
{
    atomic_store_explicit(&l->v, (uintptr_t) what | bit, memory_order_release);
}

static void free_head(struct rcu_head *head)
{
    nj_dealloc(nj_rcu_reclaim(head)); /* first member of both structs */
}

/* Room for `names` and one more. */
static uint32_t slots_for(uint32_t names)
{
    uint32_t slots = 4;
    while (slots < (names + 1) * 2) {
        slots *= 2;
    }
    return slots;
}

static struct table *table_new(uint32_t names)
{
    uint32_t slots = slots_for(names);
    struct table *t = nj_zalloc(sizeof(*t) + slots * sizeof(t->at[0]));
    t->mask = slots - 1;
    return t;
}

static void put(struct table *t, struct nj_index_node *n)
{
    uint32_t i = n->hash & t->mask;
    while (atomic_load_explicit(&t->at[i], memory_order_relaxed) != NULL) {
        i = (i + 1) & t->mask;
    }
    atomic_store_explicit(&t->at[i], n, memory_order_release);
    t->used++;
    t->live++;
}

/* The node of a slot; NULL when there is none, any more. */
static struct nj_index_node *live_at(const struct table *t, uint32_t i)
{
    struct nj_index_node *n = atomic_load_explicit(&t->at[i], memory_order_relaxed);
    return n != GONE ? n : NULL;
}

static void put_all(struct table *to, const struct table *from)
{
    for (uint32_t i = 0; from != NULL && i <= from->mask; i++) {
        struct nj_index_node *n = live_at(from, i);
        if (n != NULL) {
            put(to, n);
        }
    }
}

/* The same names in a table with room for one more. */
static struct table *renew(struct nj_level *l, struct table *old)
{
    struct table *t = table_new(old != NULL ? old->live : 0);
    put_all(t, old);
    publish(l, t, 0);
    if (old != NULL) {
        nj_rcu_defer(&old->rcu, free_head);
    }
    return t;
}

/* A table that is too large becomes sixteen. */
static void split(struct nj_level *l, struct table *old, unsigned depth)
{
    struct fan *f = nj_zalloc(sizeof(*f));
    uint32_t names[WAYS] = { 0 };
    for (uint32_t i = 0; i <= old->mask; i++) {
        const struct nj_index_node *n = live_at(old, i);
        if (n != NULL) {
            names[way(n->hash, depth)]++;
        }
    }
    for (uint32_t i = 0; i < WAYS; i++) {
        if (names[i] > 0) {
            publish(&f->at[i], table_new(names[i]), 0);
        }
    }
    for (uint32_t i = 0; i <= old->mask; i++) {
        struct nj_index_node *n = live_at(old, i);
        if (n != NULL) {
            put(table_at(value(&f->at[way(n->hash, depth)])), n);
        }
    }
    f->live = old->live;
    publish(l, f, 1);
    nj_rcu_defer(&old->rcu, free_head);
}

/* Few are left in sixteen tables, none of which is a fan: it would have been merged before. */
static void merge(struct nj_level *l, struct fan *f)
{
    struct table *t = table_new(f->live);
    for (uint32_t i = 0; i < WAYS; i++) {
        put_all(t, table_at(value(&f->at[i])));
    }
    publish(l, t, 0);
    for (uint32_t i = 0; i < WAYS; i++) {
        struct table *old = table_at(value(&f->at[i]));
        if (old != NULL) {
            nj_rcu_defer(&old->rcu, free_head);
        }
    }
    nj_rcu_defer(&f->rcu, free_head);
}

static uint32_t insert_at(struct nj_level *l, struct nj_index_node *n, unsigned depth)
{
    uint32_t moved = 0;
    struct fan *f;
    while ((f = fan_at(value(l))) != NULL) {
        f->live++;
        l = &f->at[way(n->hash, depth++)];
    }
    struct table *t = table_at(value(l));
    /* At least a quarter stays empty, so a probe always ends. */
    if (t == NULL || (t->used + 1) * 4 > (t->mask + 1) * 3) {
        moved = t != NULL ? t->live : 0;
        if (moved >= SPLIT_AT && depth < DEPTH_MOST) {
            split(l, t, depth);
            (void) insert_at(l, n, depth); /* where there is room now */
            return moved;
        }
        t = renew(l, t);
    }
    put(t, n);
    return moved;
}

uint32_t nj_level_insert(struct nj_level *l, struct nj_index_node *n)
{
    return insert_at(l, n, 0);
}

static uint32_t remove_from_table(struct nj_level *l, struct nj_index_node *n)
{
    struct table *t = table_at(value(l));
    uint32_t i = n->hash & t->mask;
    while (atomic_load_explicit(&t->at[i], memory_order_relaxed) != n) {
        i = (i + 1) & t->mask;
    }
    atomic_store_explicit(&t->at[i], GONE, memory_order_release);
    t->live--;
    if (t->live == 0) {
        publish(l, NULL, 0);
        nj_rcu_defer(&t->rcu, free_head);
    } else if (t->mask > 15 && t->live * 8 < t->mask) {
        (void) renew(l, t); /* smaller: it grew for names that have gone */
        return t->live;
    }
    return 0;
}

static uint32_t remove_at(struct nj_level *l, struct nj_index_node *n, unsigned depth)
{
    struct fan *f = fan_at(value(l));
    if (f == NULL) {
        return remove_from_table(l, n);
    }
    uint32_t moved = remove_at(&f->at[way(n->hash, depth)], n, depth + 1);
    f->live--;
    if (f->live < MERGE_AT) {
        merge(l, f);
        moved += f->live;
    }
    return moved;
}

uint32_t nj_level_remove(struct nj_level *l, struct nj_index_node *n)
{
    return remove_at(l, n, 0);
}

bool nj_level_is_empty(const struct nj_level *l)
{
    return value(l) == 0;
}

void nj_level_free(struct nj_level *l, void (*fn)(struct nj_index_node *n))
{
    struct fan *f = fan_at(value(l));
    struct table *t = table_at(value(l));
    for (uint32_t i = 0; f != NULL && i < WAYS; i++) {
        nj_level_free(&f->at[i], fn);
    }
    for (uint32_t i = 0; t != NULL && i <= t->mask; i++) {
        struct nj_index_node *n = live_at(t, i);
        if (n != NULL) {
            fn(n);
        }
    }
    nj_dealloc(f);
    nj_dealloc(t);
    publish(l, NULL, 0);
}
