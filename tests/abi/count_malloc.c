/*
 * The program's own malloc() stands before that of the C library, for shared objects too, and
 * goes on to it by the names that glibc keeps for this purpose.
 */
#include "tests/abi/count_malloc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "natterjack/plugin.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define REPLACED 1
#endif

#ifndef REPLACED

static _Atomic uint64_t count; /* atomic, relaxed: a statistic */

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *ptr, size_t len);

static void counted(void)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

NJ_EXPORT void *malloc(size_t len)
{
    counted();
    return __libc_malloc(len);
}

NJ_EXPORT void *calloc(size_t n, size_t len)
{
    counted();
    return __libc_calloc(n, len);
}

NJ_EXPORT void *realloc(void *ptr, size_t len)
{
    counted();
    return __libc_realloc(ptr, len);
}

uint64_t nj_kit_malloc_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

#else

uint64_t nj_kit_malloc_count(void)
{
    return 0;
}

#endif
