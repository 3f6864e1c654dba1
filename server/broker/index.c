#include "broker/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/keyed_hash.h"
#include "base/lock.h"
#include "base/random.h"
#include "base/rcu.h"
#include "broker/level.h"
#include "broker/sub.h"

/* ---- what readers see ----------------------------------------------------------------------- */

/* Subscriptions at one place.  Appended to in place; a removed one leaves NULL. */
struct sub_list {
    struct nj_rcu_head rcu;
    uint32_t cap;
    uint32_t live; /* under mu */
    _Atomic uint32_t n;
    struct nj_sub *_Atomic at[];
};

/* What a struct nj_index_place holds: 0 nothing; lowest bit set: one subscription, the common case,
 * which needs no list; else a struct sub_list. */

struct group {
    struct nj_rcu_head rcu;
    struct nj_index_place subs;
    uint32_t name_hash;
    uint16_t name_len;
    char name[];
};

/* The queue groups of one node by name, kept as children are. */
struct group_set {
    struct nj_rcu_head rcu;
    uint32_t mask;
    uint32_t used; /* under mu: live and gone */
    uint32_t live; /* under mu */
    struct group *_Atomic at[];
};

/* What a leaf with plain subscriptions, the common case, has none of.  Made when it is needed, goes
 * with its node. */
struct nj_index_more {
    struct nj_level children;
    struct nj_index_node *_Atomic star;
    struct nj_index_node *_Atomic rest; /* `>` */
    struct group_set *_Atomic groups;
};

struct nj_index {
    pthread_mutex_t mu;
    _Atomic uint64_t generation;
    _Atomic uint64_t count; /* atomic, relaxed: a statistic */
    struct nj_hash_key key; /* immutable after start: against chosen collisions */
    struct nj_index_node *root;
};

/* A queue group that was removed. */
static struct group gone_group;
#define GONE_GROUP (&gone_group)

static uint32_t hash_token(const struct nj_hash_key *key, const char *s, size_t len)
{
    return (uint32_t) nj_keyed_hash(key, s, len);
}

/* Never NULL: what is not there is empty. */
static const struct nj_index_more *more_of(const struct nj_index_node *n)
{
    static const struct nj_index_more nothing;
    const struct nj_index_more *more = atomic_load_explicit(&n->more, memory_order_acquire);
    return more != NULL ? more : &nothing;
}

static struct nj_sub *only_sub(uintptr_t v)
{
    return (v & 1) != 0 ? (struct nj_sub *) (v & ~(uintptr_t) 1) : NULL;
}

static struct sub_list *list_at(uintptr_t v)
{
    return (v & 1) != 0 ? NULL : (struct sub_list *) v;
}

/* ---- writers: all under mu ------------------------------------------------------------------- */

static void free_head(struct rcu_head *head)
{
    nj_dealloc(nj_rcu_reclaim(head)); /* first member of every struct here but the node's rest */
}

static void free_node(struct rcu_head *head)
{
    struct nj_index_node *n = nj_rcu_reclaim(head);
    nj_dealloc(atomic_load_explicit(&n->more, memory_order_relaxed));
    nj_dealloc(n);
}

static void defer_free(struct nj_rcu_head *head)
{
    if (head != NULL) {
        nj_rcu_defer(head, free_head);
    }
}

static struct nj_index_node *node_new(struct nj_index_node *parent, uint32_t hash, const char *tok,
                                      size_t len)
{
    struct nj_index_node *n = nj_alloc(sizeof(*n) + len);
    memset(n, 0, sizeof(*n));
    n->parent = parent;
    n->hash = hash;
    n->token_len = (uint16_t) len;
    memcpy(n->token, tok, len);
    return n;
}

/* To be written to. */
static struct nj_index_more *need_more(struct nj_index_node *n)
{
    struct nj_index_more *more = atomic_load_explicit(&n->more, memory_order_relaxed);
    if (more == NULL) {
        more = nj_zalloc(sizeof(*more));
        atomic_store_explicit(&n->more, more, memory_order_release);
    }
    return more;
}

/* Live entries of `old` in a new list with room for `extra` more. */
static struct sub_list *list_rebuild(struct sub_list *old, uint32_t extra)
{
    uint32_t live = old != NULL ? old->live : 0;
    uint32_t cap = live == 0 ? extra : (live + extra) * 2;
    struct sub_list *l = nj_zalloc(sizeof(*l) + cap * sizeof(l->at[0]));
    l->cap = cap;
    uint32_t n = 0;
    uint32_t old_n = old != NULL ? atomic_load_explicit(&old->n, memory_order_relaxed) : 0;
    for (uint32_t i = 0; i < old_n; i++) {
        struct nj_sub *s = atomic_load_explicit(&old->at[i], memory_order_relaxed);
        if (s != NULL) {
            s->list_pos = n;
            atomic_store_explicit(&l->at[n++], s, memory_order_relaxed);
        }
    }
    l->live = n;
    atomic_store_explicit(&l->n, n, memory_order_relaxed);
    return l;
}

static void append(struct sub_list *l, struct nj_sub *sub)
{
    uint32_t n = atomic_load_explicit(&l->n, memory_order_relaxed);
    sub->list_pos = n;
    l->live++;
    atomic_store_explicit(&l->at[n], sub, memory_order_release);
    atomic_store_explicit(&l->n, n + 1, memory_order_release);
}

/* The second subscription of a place makes the list. */
static struct sub_list *list_of(struct nj_sub *first)
{
    struct sub_list *l = list_rebuild(NULL, 4);
    append(l, first);
    return l;
}

static void place_add(struct nj_index_place *where, struct nj_sub *sub)
{
    uintptr_t v = atomic_load_explicit(&where->v, memory_order_relaxed);
    if (v == 0) {
        atomic_store_explicit(&where->v, (uintptr_t) sub | 1, memory_order_release);
        return;
    }
    struct sub_list *old = list_at(v);
    struct sub_list *l = old != NULL ? old : list_of(only_sub(v));
    if (old != NULL && atomic_load_explicit(&l->n, memory_order_relaxed) == l->cap) {
        l = list_rebuild(old, 1);
    }
    append(l, sub);
    if (l != old) {
        atomic_store_explicit(&where->v, (uintptr_t) l, memory_order_release);
        defer_free(old != NULL ? &old->rcu : NULL);
    }
}

/* True when nothing is left there. */
static bool place_remove(struct nj_index_place *where, struct nj_sub *sub)
{
    struct sub_list *l = list_at(atomic_load_explicit(&where->v, memory_order_relaxed));
    if (l == NULL) {
        atomic_store_explicit(&where->v, 0, memory_order_release);
        return true;
    }
    atomic_store_explicit(&l->at[sub->list_pos], NULL, memory_order_release);
    l->live--;
    if (l->live == 0) {
        atomic_store_explicit(&where->v, 0, memory_order_release);
        defer_free(&l->rcu);
        return true;
    }
    if (atomic_load_explicit(&l->n, memory_order_relaxed) > 8 &&
        l->live * 4 < atomic_load_explicit(&l->n, memory_order_relaxed)) {
        atomic_store_explicit(&where->v, (uintptr_t) list_rebuild(l, 1), memory_order_release);
        defer_free(&l->rcu);
    }
    return false;
}

static struct group *find_group(const struct group_set *set, uint32_t hash, const char *name,
                                size_t len)
{
    for (uint32_t i = hash; set != NULL; i++) {
        struct group *g = atomic_load_explicit(&set->at[i & set->mask], memory_order_relaxed);
        if (g == NULL) {
            break;
        }
        if (g != GONE_GROUP && g->name_hash == hash && g->name_len == len &&
            memcmp(g->name, name, len) == 0) {
            return g;
        }
    }
    return NULL;
}

static void set_put(struct group_set *set, struct group *g)
{
    uint32_t i = g->name_hash & set->mask;
    while (atomic_load_explicit(&set->at[i], memory_order_relaxed) != NULL) {
        i = (i + 1) & set->mask;
    }
    atomic_store_explicit(&set->at[i], g, memory_order_release);
    set->used++;
    set->live++;
}

/* A set of the same groups with room for one more; published in place of the old one. */
static struct group_set *set_grow(struct nj_index_node *node, struct group_set *old)
{
    uint32_t slots = 2;
    while (old != NULL && slots < (old->live + 1) * 2) {
        slots *= 2;
    }
    struct group_set *set = nj_zalloc(sizeof(*set) + slots * sizeof(set->at[0]));
    set->mask = slots - 1;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        struct group *g = atomic_load_explicit(&old->at[i], memory_order_relaxed);
        if (g != NULL && g != GONE_GROUP) {
            set_put(set, g);
        }
    }
    atomic_store_explicit(&need_more(node)->groups, set, memory_order_release);
    defer_free(old != NULL ? &old->rcu : NULL);
    return set;
}

static void set_remove(struct nj_index_node *node, struct group_set *set, const struct group *g)
{
    uint32_t i = g->name_hash & set->mask;
    while (atomic_load_explicit(&set->at[i], memory_order_relaxed) != g) {
        i = (i + 1) & set->mask;
    }
    atomic_store_explicit(&set->at[i], GONE_GROUP, memory_order_release);
    set->live--;
    if (set->live == 0) {
        atomic_store_explicit(&need_more(node)->groups, NULL, memory_order_release);
        defer_free(&set->rcu);
    } else if (set->mask > 15 && set->live * 8 < set->mask) {
        (void) set_grow(node, set); /* smaller */
    }
}

static void group_add(const struct nj_index *ix, struct nj_index_node *node, struct nj_sub *sub)
{
    struct group_set *set = atomic_load_explicit(&more_of(node)->groups, memory_order_relaxed);
    uint32_t hash = hash_token(&ix->key, nj_sub_queue(sub), sub->queue_len);
    struct group *g = find_group(set, hash, nj_sub_queue(sub), sub->queue_len);
    if (g != NULL) {
        place_add(&g->subs, sub);
        return;
    }
    g = nj_zalloc(sizeof(*g) + sub->queue_len);
    g->name_hash = hash;
    g->name_len = sub->queue_len;
    memcpy(g->name, nj_sub_queue(sub), sub->queue_len);
    place_add(&g->subs, sub);
    /* At least a quarter stays empty, so a search always ends. */
    if (set == NULL || (set->used + 1) * 4 > (set->mask + 1) * 3) {
        set = set_grow(node, set);
    }
    set_put(set, g);
}

static void group_remove(const struct nj_index *ix, struct nj_index_node *node, struct nj_sub *sub)
{
    struct group_set *set = atomic_load_explicit(&more_of(node)->groups, memory_order_relaxed);
    uint32_t hash = hash_token(&ix->key, nj_sub_queue(sub), sub->queue_len);
    struct group *g = find_group(set, hash, nj_sub_queue(sub), sub->queue_len);
    if (place_remove(&g->subs, sub)) {
        set_remove(node, set, g);
        defer_free(&g->rcu);
    }
}

/* The node for one token below `parent`, made when missing. */
static struct nj_index_node *descend(struct nj_index *ix, struct nj_index_node *parent,
                                     const char *tok, size_t len)
{
    struct nj_index_more *more = need_more(parent);
    struct nj_index_node *_Atomic *wild = NULL;
    if (len == 1 && tok[0] == '*') {
        wild = &more->star;
    } else if (len == 1 && tok[0] == '>') {
        wild = &more->rest;
    }
    struct nj_index_node *n;
    if (wild != NULL) {
        n = atomic_load_explicit(wild, memory_order_relaxed);
        if (n == NULL) {
            n = node_new(parent, 0, tok, len);
            atomic_store_explicit(wild, n, memory_order_release);
        }
        return n;
    }
    uint32_t h = hash_token(&ix->key, tok, len);
    n = nj_level_find(&more->children, h, tok, len);
    if (n == NULL) {
        n = node_new(parent, h, tok, len);
        (void) nj_level_insert(&more->children, n);
    }
    return n;
}

static bool node_is_empty(struct nj_index_node *n)
{
    const struct nj_index_more *more = more_of(n);
    return atomic_load_explicit(&n->plain.v, memory_order_relaxed) == 0 &&
           nj_level_is_empty(&more->children) &&
           atomic_load_explicit(&more->star, memory_order_relaxed) == NULL &&
           atomic_load_explicit(&more->rest, memory_order_relaxed) == NULL &&
           atomic_load_explicit(&more->groups, memory_order_relaxed) == NULL;
}

static void prune(struct nj_index *ix, struct nj_index_node *n)
{
    while (n != ix->root && node_is_empty(n)) {
        struct nj_index_node *parent = n->parent;
        struct nj_index_more *above = need_more(parent); /* it is there: n is in it */
        if (atomic_load_explicit(&above->star, memory_order_relaxed) == n) {
            atomic_store_explicit(&above->star, NULL, memory_order_release);
        } else if (atomic_load_explicit(&above->rest, memory_order_relaxed) == n) {
            atomic_store_explicit(&above->rest, NULL, memory_order_release);
        } else {
            (void) nj_level_remove(&above->children, n);
        }
        nj_rcu_defer(&n->rcu, free_node);
        n = parent;
    }
}

static void changed(struct nj_index *ix, int64_t by)
{
    (void) atomic_fetch_add_explicit(&ix->count, (uint64_t) by, memory_order_relaxed);
    (void) atomic_fetch_add_explicit(&ix->generation, 1, memory_order_acq_rel);
}

void nj_index_insert(struct nj_index *ix, struct nj_sub *sub)
{
    nj_lock(&ix->mu);
    struct nj_index_node *n = ix->root;
    const char *s = nj_sub_subject(sub);
    for (size_t at = 0; at <= sub->subject_len;) {
        const char *dot = memchr(s + at, '.', sub->subject_len - at);
        size_t len = dot != NULL ? (size_t) (dot - (s + at)) : sub->subject_len - at;
        n = descend(ix, n, s + at, len);
        at += len + 1;
    }
    sub->node = n;
    if (sub->queue_len > 0) {
        group_add(ix, n, sub);
    } else {
        place_add(&n->plain, sub);
    }
    changed(ix, 1);
    nj_unlock(&ix->mu);
}

void nj_index_remove(struct nj_index *ix, struct nj_sub *sub)
{
    nj_lock(&ix->mu);
    struct nj_index_node *n = sub->node;
    if (sub->queue_len > 0) {
        group_remove(ix, n, sub);
    } else {
        (void) place_remove(&n->plain, sub);
    }
    prune(ix, n);
    changed(ix, -1);
    nj_unlock(&ix->mu);
}

uint64_t nj_index_generation(const struct nj_index *ix)
{
    return atomic_load_explicit(&ix->generation, memory_order_acquire);
}

uint64_t nj_index_count(const struct nj_index *ix)
{
    return atomic_load_explicit(&ix->count, memory_order_relaxed);
}

struct nj_index *nj_index_new(void)
{
    struct nj_index *ix = nj_zalloc(sizeof(*ix));
    (void) pthread_mutex_init(&ix->mu, NULL);
    nj_seed(&ix->key, sizeof(ix->key));
    ix->root = node_new(NULL, 0, "", 0);
    atomic_store_explicit(&ix->generation, 1, memory_order_relaxed);
    return ix;
}

static void free_tree(struct nj_index_node *n)
{
    if (n == NULL) {
        return;
    }
    struct nj_index_more *more = atomic_load_explicit(&n->more, memory_order_relaxed);
    if (more != NULL) {
        nj_level_free(&more->children, free_tree);
    }
    free_tree(atomic_load_explicit(&more_of(n)->star, memory_order_relaxed));
    free_tree(atomic_load_explicit(&more_of(n)->rest, memory_order_relaxed));
    struct group_set *set = atomic_load_explicit(&more_of(n)->groups, memory_order_relaxed);
    for (uint32_t i = 0; set != NULL && i <= set->mask; i++) {
        struct group *g = atomic_load_explicit(&set->at[i], memory_order_relaxed);
        if (g != NULL && g != GONE_GROUP) {
            nj_dealloc(list_at(atomic_load_explicit(&g->subs.v, memory_order_relaxed)));
            nj_dealloc(g);
        }
    }
    nj_dealloc(set);
    nj_dealloc(list_at(atomic_load_explicit(&n->plain.v, memory_order_relaxed)));
    nj_dealloc(more);
    nj_dealloc(n);
}

void nj_index_free(struct nj_index **ip)
{
    struct nj_index *ix = *ip;
    if (ix == NULL) {
        return;
    }
    *ip = NULL;
    free_tree(ix->root);
    (void) pthread_mutex_destroy(&ix->mu);
    nj_dealloc(ix);
}

/* ---- matching -------------------------------------------------------------------------------- */

struct nj_matcher {
    struct nj_match out;
    uint32_t subs_cap;
    uint32_t groups_cap;
    /* groups met on the walk, before members of one name are put together */
    const struct group **met;
    uint32_t met_n;
    uint32_t met_cap;
    uint32_t met_nodes; /* nodes they came from: names differ within one */
    const struct nj_hash_key *key;
    const char *subject;
    size_t len;
};

struct nj_matcher *nj_matcher_new(void)
{
    return nj_zalloc(sizeof(struct nj_matcher));
}

void nj_matcher_free(struct nj_matcher **mp)
{
    struct nj_matcher *m = *mp;
    if (m == NULL) {
        return;
    }
    *mp = NULL;
    nj_dealloc(m->out.subs);
    nj_dealloc(m->out.groups);
    nj_dealloc(m->met);
    nj_dealloc(m);
}

static void push_sub(struct nj_matcher *m, struct nj_sub *s)
{
    if (m->out.total_n == m->subs_cap) {
        m->subs_cap = m->subs_cap == 0 ? 16 : m->subs_cap * 2;
        m->out.subs = nj_realloc(m->out.subs, m->subs_cap * sizeof(struct nj_sub *));
    }
    m->out.subs[m->out.total_n++] = s;
}

static void push_place(struct nj_matcher *m, const struct nj_index_place *where)
{
    uintptr_t v = atomic_load_explicit(&where->v, memory_order_acquire);
    const struct sub_list *l = list_at(v);
    if ((v & 1) != 0) {
        push_sub(m, only_sub(v));
    }
    uint32_t n = l != NULL ? atomic_load_explicit(&l->n, memory_order_acquire) : 0;
    for (uint32_t i = 0; i < n; i++) {
        struct nj_sub *s = atomic_load_explicit(&l->at[i], memory_order_acquire);
        if (s != NULL) {
            push_sub(m, s);
        }
    }
}

static void meet(struct nj_matcher *m, const struct group *g)
{
    if (m->met_n == m->met_cap) {
        m->met_cap = m->met_cap == 0 ? 8 : m->met_cap * 2;
        m->met = nj_realloc(m->met, m->met_cap * sizeof(m->met[0]));
    }
    m->met[m->met_n++] = g;
}

/* All that is subscribed at this very node. */
static void collect(struct nj_matcher *m, const struct nj_index_node *n)
{
    push_place(m, &n->plain);
    const struct group_set *set =
        atomic_load_explicit(&more_of(n)->groups, memory_order_acquire);
    m->met_nodes += set != NULL;
    for (uint32_t i = 0; set != NULL && i <= set->mask; i++) {
        const struct group *g = atomic_load_explicit(&set->at[i], memory_order_acquire);
        if (g != NULL && g != GONE_GROUP) {
            meet(m, g);
        }
    }
}

/* Tokens from `at` on, below n.  Each node is visited at most once: its depth is its token. */
static void walk(struct nj_matcher *m, const struct nj_index_node *n, size_t at)
{
    while (at <= m->len) {
        const char *tok = m->subject + at;
        const char *dot = memchr(tok, '.', m->len - at);
        size_t len = dot != NULL ? (size_t) (dot - tok) : m->len - at;
        const struct nj_index_more *more = more_of(n);
        const struct nj_index_node *rest = atomic_load_explicit(&more->rest, memory_order_acquire);
        if (rest != NULL) {
            collect(m, rest);
        }
        const struct nj_index_node *star = atomic_load_explicit(&more->star, memory_order_acquire);
        const struct nj_index_node *child =
            nj_level_is_empty(&more->children)
                ? NULL
                : nj_level_find(&more->children, hash_token(m->key, tok, len), tok, len);
        at += len + 1;
        if (star != NULL && child != NULL) {
            walk(m, star, at);
            n = child;
        } else if (star != NULL || child != NULL) {
            n = star != NULL ? star : child;
        } else {
            return;
        }
    }
    collect(m, n);
}

static int compare_names(const struct group *a, const struct group *b)
{
    if (a->name_hash != b->name_hash) {
        return a->name_hash < b->name_hash ? -1 : 1;
    }
    return a->name_len != b->name_len ? (int) a->name_len - (int) b->name_len
                                      : memcmp(a->name, b->name, a->name_len);
}

static int compare_places(const void *a, const void *b)
{
    return compare_names(*(const struct group *const *) a, *(const struct group *const *) b);
}

static void push_group(struct nj_matcher *m, uint32_t start)
{
    if (m->out.total_n == start) {
        return; /* its members have just gone */
    }
    if (m->out.groups_n == m->groups_cap) {
        m->groups_cap = m->groups_cap == 0 ? 4 : m->groups_cap * 2;
        m->out.groups =
            nj_realloc(m->out.groups, m->groups_cap * sizeof(struct nj_match_group));
    }
    m->out.groups[m->out.groups_n++] =
        (struct nj_match_group){ .start = start, .n = m->out.total_n - start };
}

/* Members of one name, from wherever they were met, one after the other. */
static void join_groups(struct nj_matcher *m)
{
    if (m->met_nodes > 1) { /* within one node no name with members comes twice */
        qsort(m->met, m->met_n, sizeof(struct group *), compare_places);
    }
    for (uint32_t i = 0; i < m->met_n;) {
        const struct group *g = m->met[i];
        uint32_t start = m->out.total_n;
        do {
            push_place(m, &m->met[i]->subs);
            i++;
        } while (i < m->met_n && compare_names(m->met[i], g) == 0);
        push_group(m, start);
    }
}

static bool has_empty_token(const char *s, size_t len)
{
    return len == 0 || s[0] == '.' || s[len - 1] == '.' || memmem(s, len, "..", 2) != NULL;
}

const struct nj_match *nj_index_match(const struct nj_index *ix, struct nj_matcher *m,
                                      const char *subject, size_t len)
{
    m->out.plain_n = 0;
    m->out.total_n = 0;
    m->out.groups_n = 0;
    m->met_n = 0;
    m->met_nodes = 0;
    if (has_empty_token(subject, len)) {
        return &m->out;
    }
    m->key = &ix->key;
    m->subject = subject;
    m->len = len;
    walk(m, ix->root, 0);
    m->out.plain_n = m->out.total_n;
    join_groups(m);
    return &m->out;
}
