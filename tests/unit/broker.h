/* broker.h: subscriptions for the tests of server/broker, and RCU around each test. */
#ifndef NJ_TEST_BROKER_H
#define NJ_TEST_BROKER_H
#include <check.h>
#include <string.h>

#include "base/rcu.h"
#include "broker/sub.h"

static inline struct nj_sub *make_sub(const char *subject, const char *queue, const char *sid)
{
    return nj_sub_new(subject, strlen(subject), queue, queue != NULL ? strlen(queue) : 0, sid,
                      strlen(sid));
}

/* Checked fixtures: in fork mode they run in the test's own process. */
static inline void rcu_setup(void)
{
    nj_rcu_start();
    nj_rcu_register();
}

static inline void rcu_teardown(void)
{
    nj_rcu_offline();
    nj_rcu_barrier();
    nj_rcu_online();
    nj_rcu_unregister();
}

#endif
