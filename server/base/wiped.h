/*
 * wiped.h: memory that is overwritten before it is given back, for libraries that take allocation
 * functions and would leave copies of secrets behind.  Safe on any thread; never out of memory, as alloc.h.
 */
#ifndef NJ_BASE_WIPED_H
#define NJ_BASE_WIPED_H
#include <stddef.h>

void *nj_wiped_alloc(size_t len);  /* not zeroed; aligned for anything */
void nj_wiped_dealloc(void *ptr);  /* of nj_wiped_alloc(), or NULL */

#endif
