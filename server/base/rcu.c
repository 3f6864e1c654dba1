#include "base/rcu.h"

#ifdef NJ_TSAN
char nj_rcu_tsan_tag;
#endif

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
}

void nj_rcu_defer(struct nj_rcu_head *head, void (*fn)(struct nj_rcu_head *))
{
    head->fn = fn;
    NJ_RCU_READER_DONE(); /* what this thread wrote before is seen by fn */
    urcu_qsbr_call_rcu(&head->head, reclaim);
}

void nj_rcu_barrier(void)
{
    urcu_qsbr_barrier();
    NJ_RCU_RECLAIM();
}
