#include "io/batch.h"

#include <sched.h>

#include "base/alloc.h"
#include "base/yield.h"
#include "io/conn.h"
#include "io/worker.h"

#define KEEP_SPARE 64

static struct nj_batch *batch_new(struct nj_worker *w, uint16_t to)
{
    struct nj_batch *b = w->spare;
    if (b != NULL) {
        w->spare = (struct nj_batch *) (void *) b->item.next;
        w->spare_n--;
    } else {
        b = nj_zalloc(sizeof(*b));
        b->cap = NJ_BATCH_ROOM;
        b->bytes = nj_alloc(b->cap);
    }
    b->item.next = NULL;
    b->item.run = NULL;
    b->from = w->id;
    b->to = to;
    b->len = 0;
    b->weight = 0;
    return b;
}

struct nj_batch *nj_batch_open(struct nj_worker *w, uint16_t to)
{
    if (w->open[to] == NULL) {
        w->open[to] = batch_new(w, to);
    }
    return w->open[to];
}

uint8_t *nj_batch_reserve(struct nj_batch *b, size_t n)
{
    n = (n + 7) & ~(size_t) 7;
    if (b->len + n > b->cap) {
        while (b->len + n > b->cap) {
            b->cap *= 2;
        }
        b->bytes = nj_realloc(b->bytes, b->cap);
    }
    uint8_t *p = b->bytes + b->len;
    b->len += n;
    return p;
}

bool nj_batch_seal(struct nj_batch *b, uint64_t extra_weight)
{
    b->weight += extra_weight;
    return b->len >= NJ_BATCH_ROOM;
}

static void push(struct nj_worker *w, uint16_t to)
{
    struct nj_batch *b = w->open[to];
    b->weight += b->len;
    b->handover = w->handovers;
    w->on_the_way[to] += b->weight;
    nj_inbox_put(&w->set->at[to]->inbox, &b->item);
}

void nj_batch_hand_over(struct nj_worker *w)
{
    uint16_t n = w->set->n;
    bool any = false;
    for (uint16_t i = 0; i < n; i++) {
        any = any || w->open[i] != NULL;
    }
    if (!any) {
        return;
    }
    NJ_YIELD();
    w->handovers++;
    for (uint16_t i = 0; i < n; i++) {
        if (w->open[i] != NULL) {
            push(w, i);
        }
    }
    atomic_store_explicit(&w->handed_over, w->handovers, memory_order_release);
    for (uint16_t i = 0; i < n; i++) {
        if (w->open[i] != NULL) {
            w->open[i] = NULL;
            nj_inbox_ring(&w->set->at[i]->inbox);
        }
    }
}

void nj_batch_await(struct nj_worker *w, const struct nj_batch *b)
{
    struct nj_worker *src = w->set->at[b->from];
    for (unsigned spins = 0;
         atomic_load_explicit(&src->handed_over, memory_order_acquire) < b->handover; spins++) {
        if (spins > 64) {
            (void) sched_yield(); /* the source was put aside between two pushes */
        }
    }
}

static void go_home(const struct nj_worker *w, struct nj_batch *b)
{
    struct nj_worker *src = w->set->at[b->from];
    struct nj_item *head = atomic_load_explicit(&src->home, memory_order_relaxed);
    do {
        b->item.next = head;
    } while (!atomic_compare_exchange_weak_explicit(&src->home, &head, &b->item,
                                                    memory_order_release, memory_order_relaxed));
}

static struct nj_batch *batch_of(struct nj_item *item)
{
    return (struct nj_batch *) (void *) item; /* first member */
}

static void let_oldest_go(struct nj_worker *w)
{
    struct nj_item *it = w->held;
    w->held = it->next;
    if (w->held == NULL) {
        w->held_end = &w->held;
    }
    go_home(w, batch_of(it));
}

void nj_batch_send_home(struct nj_worker *w, struct nj_batch *b)
{
    if (w->held == NULL && nj_conn_is_written(w, w->owed)) {
        go_home(w, b);
        return;
    }
    b->held_until = w->owed;
    b->item.next = NULL;
    *w->held_end = &b->item;
    w->held_end = &b->item.next;
}

void nj_batch_send_written(struct nj_worker *w)
{
    while (w->held != NULL && nj_conn_is_written(w, batch_of(w->held)->held_until)) {
        let_oldest_go(w);
    }
}

void nj_batch_send_all(struct nj_worker *w)
{
    while (w->held != NULL) {
        let_oldest_go(w);
    }
}

static void come_home(struct nj_worker *w)
{
    if (atomic_load_explicit(&w->home, memory_order_relaxed) == NULL) {
        return;
    }
    struct nj_item *it = atomic_exchange_explicit(&w->home, NULL, memory_order_acquire);
    while (it != NULL) {
        struct nj_batch *b = (struct nj_batch *) (void *) it;
        it = it->next;
        w->on_the_way[b->to] -= b->weight;
        if (w->spare_n < KEEP_SPARE && b->cap <= NJ_BATCH_ROOM * 2) {
            b->item.next = (struct nj_item *) (void *) w->spare;
            w->spare = b;
            w->spare_n++;
        } else {
            nj_dealloc(b->bytes);
            nj_dealloc(b);
        }
    }
}

bool nj_batch_over_credit(struct nj_worker *w)
{
    come_home(w);
    for (uint16_t i = 0; i < w->set->n; i++) {
        uint64_t open = w->open[i] != NULL ? w->open[i]->len + w->open[i]->weight : 0;
        if (w->on_the_way[i] + open > NJ_BATCH_CREDIT) {
            return true;
        }
    }
    return false;
}
