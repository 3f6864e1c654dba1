/*
 * log_ring.h: the bounded queue between those who log and the one who writes.
 *
 * Many producers, one consumer, no lock.  A slot's sequence number says whose turn it is (the
 * scheme of D. Vyukov's bounded queue): `at` means free for the producer of position `at`,
 * `at + 1` means filled for the consumer of that position.
 */
#ifndef NJ_BASE_LOG_RING_H
#define NJ_BASE_LOG_RING_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_LOG_RING_SLOTS 4096u /* a power of two */

struct nj_log_slot {
    _Atomic uint64_t seq; /* atomic, acquire/release: guards `line` */
    void *line;
};

struct nj_log_ring {
    _Alignas(64) _Atomic uint64_t tail; /* atomic, relaxed: next position to fill */
    _Alignas(64) uint64_t head;         /* the consumer's: next position to take */
    struct nj_log_slot slots[NJ_LOG_RING_SLOTS];
};

void nj_log_ring_init(struct nj_log_ring *r);

/* Any thread.  False when full; the line stays the caller's then. */
bool nj_log_ring_push(struct nj_log_ring *r, void *line);

/* The consumer.  NULL when there is nothing yet. */
void *nj_log_ring_pop(struct nj_log_ring *r);

/* The consumer: would pop find one? */
bool nj_log_ring_ready(struct nj_log_ring *r);

#endif
