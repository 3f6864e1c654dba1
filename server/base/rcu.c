#include "base/rcu.h"

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#ifdef NJ_TSAN
char nj_rcu_tsan_tag;
#endif

static _Atomic int64_t deferred; /* functions that have not run yet */

void nj_rcu_register(void)
{
    urcu_qsbr_register_thread();
}

void nj_rcu_unregister(void)
{
    NJ_RCU_READER_DONE();
    urcu_qsbr_unregister_thread();
}

void nj_rcu_start(void)
{
    (void) urcu_qsbr_get_default_call_rcu_data();
}

static void reclaim(struct rcu_head *head)
{
    struct nj_rcu_head *h = (struct nj_rcu_head *) (void *) head; /* first member */
    NJ_RCU_RECLAIM();
    h->fn(h);
    (void) atomic_fetch_sub_explicit(&deferred, 1, memory_order_release);
}

void nj_rcu_defer(struct nj_rcu_head *head, void (*fn)(struct nj_rcu_head *))
{
    head->fn = fn;
    (void) atomic_fetch_add_explicit(&deferred, 1, memory_order_relaxed);
    NJ_RCU_READER_DONE(); /* what this thread wrote before is seen by fn */
    urcu_qsbr_call_rcu(&head->head, reclaim);
}

/* The library's own barrier passes memory between threads in a way that ThreadSanitizer cannot
 * see, so the functions are counted here. */
void nj_rcu_barrier(void)
{
    const struct timespec pause = { .tv_nsec = 200000 };
    while (atomic_load_explicit(&deferred, memory_order_acquire) > 0) {
        (void) nanosleep(&pause, NULL);
    }
    NJ_RCU_RECLAIM();
}
