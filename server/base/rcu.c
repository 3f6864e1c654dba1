#include "base/rcu.h"

#include <pthread.h>
#include <stdbool.h>

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

void nj_rcu_defer(struct nj_rcu_head *head, void (*fn)(struct rcu_head *))
{
    if (!nj_reclaim_take(head, fn)) {
        nj_rcu_hand_over(head, fn);
    }
}

void nj_rcu_hand_over(struct nj_rcu_head *head, void (*fn)(struct rcu_head *))
{
    NJ_RCU_READER_DONE(); /* what this thread wrote before is seen by fn */
    urcu_qsbr_call_rcu(&head->head, fn);
}

/* One queue, first in first out: when this one runs, those before it have run. */
struct marker {
    struct nj_rcu_head head;
    bool reached; /* under mu */
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t reached = PTHREAD_COND_INITIALIZER;

static void reach(struct rcu_head *head)
{
    struct marker *m = nj_rcu_reclaim(head); /* first member */
    (void) pthread_mutex_lock(&mu);
    m->reached = true;
    (void) pthread_cond_broadcast(&reached);
    (void) pthread_mutex_unlock(&mu);
}

/* The library's own barrier does the same, but frees its marker in a way that
 * ThreadSanitizer cannot follow. */
void nj_rcu_barrier(void)
{
    struct marker m = { .reached = false };
    bool online = urcu_qsbr_read_ongoing() != 0;
    nj_rcu_defer(&m.head, reach);
    if (online) {
        nj_rcu_offline(); /* else the end of our own turn would be waited for */
    }
    (void) pthread_mutex_lock(&mu);
    while (!m.reached) {
        (void) pthread_cond_wait(&reached, &mu);
    }
    (void) pthread_mutex_unlock(&mu);
    if (online) {
        nj_rcu_online();
    }
}
