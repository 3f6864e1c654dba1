/*
 * sub.h: one subscription.
 *
 * Made by the connection's worker, put into an account's index, read by every worker during its
 * turn (RCU), freed by nj_sub_retire() after the last reader's turn.  Other workers never follow
 * it to the connection: they name the connection by worker, slot and generation and the
 * subscription by index and generation, and the owner looks again.
 */
#ifndef NJ_BROKER_SUB_H
#define NJ_BROKER_SUB_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rcu.h"

struct nj_index_node;

/* Its size counts: a server may hold millions. */
struct nj_sub {
    union {
        struct nj_rcu_head rcu;   /* on its way out */
        struct nj_sub *next_done; /* before that, worker: the next that reached its maximum */
    };
    /* immutable after start */
    uint64_t cid;         /* connection id, for echo */
    uint32_t slot;        /* connection's slot on its worker */
    uint32_t slot_gen;    /* generation of that slot */
    uint32_t sub_idx;     /* place in the connection's table */
    uint32_t sub_gen;     /* generation of that place */
    uint16_t worker;
    uint16_t subject_len;
    uint16_t queue_len; /* 0: plain */
    uint16_t sid_len;
    /* under the index's mutex */
    uint32_t list_pos;
    /* atomic: the most deliveries there may be (0 = no maximum); the protocol has nine digits */
    _Atomic uint32_t max;
    struct nj_index_node *node; /* under the index's mutex */
    /* atomic: deliveries claimed since the start */
    _Atomic uint64_t claimed;
    /* worker: deliveries that reached the owner, and whether it is in the list of those done */
    uint64_t delivered : 63;
    uint64_t done : 1;
    char bytes[]; /* subject, queue, sid; each followed by NUL */
};

struct nj_sub *nj_sub_new(const char *subject, size_t subject_len, const char *queue,
                          size_t queue_len, const char *sid, size_t sid_len);
/* Free after the current readers' turns.  It must be out of the index. */
void nj_sub_retire(struct nj_sub *sub);

static inline const char *nj_sub_subject(const struct nj_sub *s)
{
    return s->bytes;
}

static inline const char *nj_sub_queue(const struct nj_sub *s)
{
    return s->bytes + s->subject_len + 1;
}

static inline const char *nj_sub_sid(const struct nj_sub *s)
{
    return s->bytes + s->subject_len + 1 + s->queue_len + 1;
}

/* A claim came to nothing: another message may have it.  Any worker. */
static inline void nj_sub_unclaim(struct nj_sub *s)
{
    (void) atomic_fetch_sub(&s->claimed, 1);
}

/*
 * Claim one delivery.  False when the maximum was reached before: the caller goes on as if the
 * subscription were not there.  Any worker.  Who cannot deliver after all gives the claim back; a
 * lost claim goes back too, so that `claimed` counts deliveries when the maximum is raised later.
 *
 * The owner stores `max` and then reads `claimed`; a claimant adds to `claimed` and then reads
 * `max`.  Both are sequentially consistent, so at least one of them sees the other and no message
 * is delivered past the maximum.
 */
static inline bool nj_sub_claim(struct nj_sub *s)
{
    uint64_t n = atomic_fetch_add(&s->claimed, 1) + 1;
    uint64_t max = atomic_load(&s->max);
    if (max == 0 || n <= max) {
        return true;
    }
    nj_sub_unclaim(s);
    return false;
}

#endif
