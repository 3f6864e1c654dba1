/*
 * rcu.h: the one place that knows which RCU we use (liburcu, QSBR flavour).
 *
 * A worker is online during its turn and offline while it polls: everything it reads from the
 * subject index during a turn stays allocated until the turn ends.  Memory is handed back with
 * nj_rcu_defer(); no thread here ever waits for a grace period.
 *
 * ThreadSanitizer does not see the barriers inside the library, so the end of a reader's turn and
 * the start of a deferred free are told to it by hand.  Nothing else is annotated: a missing
 * acquire on a published pointer is still found.
 */
#ifndef NJ_BASE_RCU_H
#define NJ_BASE_RCU_H
#include <stddef.h>
#include <urcu/urcu-qsbr.h>

#include "base/reclaim.h"

#if defined(__SANITIZE_THREAD__)
#define NJ_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NJ_TSAN 1
#endif
#endif

#ifdef NJ_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char nj_rcu_tsan_tag;
#define NJ_RCU_READER_DONE() __tsan_release(&nj_rcu_tsan_tag)
/* Not on a worker, where it would put more in order than there is: see base/reclaim.h. */
#define NJ_RCU_RECLAIM() (nj_reclaim_is_here() ? (void) 0 : __tsan_acquire(&nj_rcu_tsan_tag))
#else
#define NJ_RCU_READER_DONE() ((void) 0)
#define NJ_RCU_RECLAIM() ((void) 0)
#endif

struct nj_rcu_head {
    struct rcu_head head; /* two words: there is one in every subscription */
};

/* Main thread, once: start the library's thread that runs deferred functions. */
void nj_rcu_start(void);

/* Threads that read RCU-protected memory or defer frees register first. */
void nj_rcu_register(void);
void nj_rcu_unregister(void);

static inline void nj_rcu_online(void)
{
    urcu_qsbr_thread_online();
}

static inline void nj_rcu_offline(void)
{
    NJ_RCU_READER_DONE();
    urcu_qsbr_thread_offline();
}

/* A turn ended and the next begins at once. */
static inline void nj_rcu_quiescent(void)
{
    NJ_RCU_READER_DONE();
    urcu_qsbr_quiescent_state();
}

/* Run fn once no thread can still see what `head` is part of.  fn runs on the worker that deferred
 * it (base/reclaim.h), and for other threads on one of the library: it begins with
 * nj_rcu_reclaim(); it may free memory and touch atomics, nothing else. */
void nj_rcu_defer(struct nj_rcu_head *head, void (*fn)(struct rcu_head *));

/* The same, on the library's thread whoever calls. */
void nj_rcu_hand_over(struct nj_rcu_head *head, void (*fn)(struct rcu_head *));

/* In fn: the address that was given to nj_rcu_defer(). */
static inline void *nj_rcu_reclaim(struct rcu_head *head)
{
    NJ_RCU_RECLAIM();
    return head; /* first member of struct nj_rcu_head */
}

/* Wait until every deferred function has run, of workers that have ended too.  Only when the process
 * stops and in tests. */
void nj_rcu_barrier(void);

#endif
