#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t len)
{
    (void) fprintf(stderr, "natterjack: out of memory (%zu bytes wanted)\n", len);
    abort();
}

void *nj_alloc(size_t len)
{
    void *p = malloc(len == 0 ? 1 : len);
    if (p == NULL) {
        out_of_memory(len);
    }
    return p;
}

void *nj_calloc(size_t count, size_t len)
{
    void *p = calloc(count == 0 ? 1 : count, len == 0 ? 1 : len);
    if (p == NULL) {
        out_of_memory(count > 0 && len > SIZE_MAX / count ? SIZE_MAX : count * len);
    }
    return p;
}

void *nj_zalloc(size_t len)
{
    return nj_calloc(1, len);
}

void *nj_realloc(void *ptr, size_t new_len)
{
    void *p = realloc(ptr, new_len == 0 ? 1 : new_len);
    if (p == NULL) {
        out_of_memory(new_len);
    }
    return p;
}

void *nj_memdup(const void *p, size_t len)
{
    void *copy = nj_alloc(len);
    if (len > 0) {
        memcpy(copy, p, len);
    }
    return copy;
}

char *nj_strndup(const char *s, size_t len)
{
    char *copy = nj_alloc(len + 1);
    if (len > 0) {
        memcpy(copy, s, len);
    }
    copy[len] = '\0';
    return copy;
}

char *nj_strdup(const char *s)
{
    return nj_strndup(s, strlen(s));
}

char *nj_strprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t cap = len < 0 ? 1 : (size_t) len + 1;
    char *text = nj_alloc(cap);
    text[0] = '\0';
    va_start(ap, fmt);
    (void) vsnprintf(text, cap, fmt, ap);
    va_end(ap);
    return text;
}

void nj_dealloc(void *ptr)
{
    free(ptr);
}

void nj_wipe(void *ptr, size_t len)
{
    if (ptr != NULL && len > 0) {
        explicit_bzero(ptr, len);
    }
}
