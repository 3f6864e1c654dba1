/*
 * lock.h: mutexes, and the check that none is taken on the way of a message.
 *
 * The worker marks the stretch from "a PUB was parsed" to "it lies in outboxes and batches" with
 * nj_message_scope_enter/leave.  In debug builds (--enable-sanitizers, or CPPFLAGS=-DNJ_DEBUG) a
 * lock taken inside it aborts with the place.
 */
#ifndef NJ_BASE_LOCK_H
#define NJ_BASE_LOCK_H
#include <pthread.h>

#ifdef NJ_DEBUG
extern _Thread_local int nj_message_scope;
void nj_lock_checked(pthread_mutex_t *mu, const char *file, int line);
#define nj_lock(mu) nj_lock_checked((mu), __FILE__, __LINE__)
#define nj_message_scope_enter() ((void) (nj_message_scope++))
#define nj_message_scope_leave() ((void) (nj_message_scope--))
#else
#define nj_lock(mu) ((void) pthread_mutex_lock(mu))
#define nj_message_scope_enter() ((void) 0)
#define nj_message_scope_leave() ((void) 0)
#endif

#define nj_unlock(mu) ((void) pthread_mutex_unlock(mu))

#endif
