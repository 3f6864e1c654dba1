/*
 * alloc.h: memory that is there or the process ends.
 *
 * Every function is safe on any thread.  None returns NULL: lack of memory writes one line to
 * standard error and aborts, so callers do not test for it.
 */
#ifndef NJ_BASE_ALLOC_H
#define NJ_BASE_ALLOC_H
#include <stddef.h>

void *nj_alloc(size_t len);                  /* not zeroed */
void *nj_zalloc(size_t len);                 /* zeroed */
void *nj_calloc(size_t count, size_t len);   /* zeroed; count * len is checked */
void *nj_realloc(void *ptr, size_t new_len); /* as realloc(3) */
char *nj_strdup(const char *s);
char *nj_strndup(const char *s, size_t len); /* NUL is added; bytes are copied as they are */
char *nj_strprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *nj_memdup(const void *p, size_t len);
void nj_dealloc(void *ptr); /* NULL is fine */

/* Overwrite with zeros in a way that the compiler keeps. */
void nj_wipe(void *ptr, size_t len);

#endif
