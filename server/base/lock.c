#include "base/lock.h"

#ifdef NJ_DEBUG
#include <stdio.h>
#include <stdlib.h>

_Thread_local int nj_message_scope;

void nj_lock_checked(pthread_mutex_t *mu, const char *file, int line)
{
    if (nj_message_scope != 0) {
        (void) fprintf(stderr, "natterjack: %s:%d: lock taken on the way of a message\n", file,
                       line);
        abort();
    }
    (void) pthread_mutex_lock(mu);
}
#else
typedef int nj_lock_unit_is_not_empty;
#endif
