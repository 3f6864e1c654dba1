/* count_malloc.h: counts what the whole process allocates, libraries included. */
#ifndef NJ_TESTS_ABI_COUNT_MALLOC_H
#define NJ_TESTS_ABI_COUNT_MALLOC_H

#include <stdint.h>

/* Allocations so far; 0 when they are not counted: no glibc, a sanitizer, valgrind. */
uint64_t nj_kit_malloc_count(void);

#endif
