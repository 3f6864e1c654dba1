/*
 * reclaim.h: a worker frees what it deferred, a little at a time.
 *
 * The library's thread runs deferred functions in long runs, on whatever core it finds: where it
 * shares one with a worker, all connections of that worker wait for it, for milliseconds.  So what
 * a worker gives to nj_rcu_defer() only waits there for its grace period.  Then it comes back and
 * is run by the worker itself: some of it at the end of each turn, and two things for each one that
 * it defers, so that what is due cannot grow while much is given up.
 *
 * Begin, turn and end belong to the worker's thread, which is registered with RCU.
 */
#ifndef NJ_BASE_RECLAIM_H
#define NJ_BASE_RECLAIM_H
#include <stdbool.h>

struct nj_rcu_head;
struct rcu_head;

/* From now on.  wake(arg) is called on the library's thread when something came back and nothing
 * was there before: the worker may sleep. */
void nj_reclaim_begin(void (*wake)(void *arg), void *arg);

/* The end of a turn: run up to `most` of what has come back.  True when more of it is there. */
bool nj_reclaim_turn(unsigned most);

/* Run all that has come back; what comes later is run by the library's thread.  After
 * nj_rcu_barrier() nobody is woken any more. */
void nj_reclaim_end(void);

/* For nj_rcu_defer().  False: this thread has not begun, let the library do it. */
bool nj_reclaim_take(struct nj_rcu_head *head, void (*fn)(struct rcu_head *));

/* Has this thread begun?  What it runs has come back through come_back(), which is what puts it in
 * order with readers. */
bool nj_reclaim_is_here(void);

#endif
