#include "base/log_ring.h"

static struct nj_log_slot *slot_of(struct nj_log_ring *r, uint64_t at)
{
    return &r->slots[at & (NJ_LOG_RING_SLOTS - 1)];
}

void nj_log_ring_init(struct nj_log_ring *r)
{
    atomic_init(&r->tail, 0);
    r->head = 0;
    for (uint64_t i = 0; i < NJ_LOG_RING_SLOTS; i++) {
        atomic_init(&r->slots[i].seq, i);
        r->slots[i].line = NULL;
    }
}

bool nj_log_ring_push(struct nj_log_ring *r, void *line)
{
    uint64_t at = atomic_load_explicit(&r->tail, memory_order_relaxed);
    for (;;) {
        struct nj_log_slot *s = slot_of(r, at);
        uint64_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
        if (seq == at) {
            if (atomic_compare_exchange_weak_explicit(&r->tail, &at, at + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                s->line = line;
                atomic_store_explicit(&s->seq, at + 1, memory_order_release);
                return true;
            }
        } else if (seq < at) {
            return false; /* still holds the line of a round ago */
        } else {
            at = atomic_load_explicit(&r->tail, memory_order_relaxed);
        }
    }
}

bool nj_log_ring_ready(struct nj_log_ring *r)
{
    struct nj_log_slot *s = slot_of(r, r->head);
    return atomic_load_explicit(&s->seq, memory_order_acquire) == r->head + 1;
}

void *nj_log_ring_pop(struct nj_log_ring *r)
{
    if (!nj_log_ring_ready(r)) {
        return NULL;
    }
    struct nj_log_slot *s = slot_of(r, r->head);
    void *line = s->line;
    atomic_store_explicit(&s->seq, r->head + NJ_LOG_RING_SLOTS, memory_order_release);
    r->head++;
    return line;
}
