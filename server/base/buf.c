#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"

void nj_buf_init(struct nj_buf *b, size_t limit)
{
    *b = (struct nj_buf){ .limit = limit };
}

void nj_buf_free(struct nj_buf *b)
{
    nj_dealloc(b->ptr);
    nj_buf_init(b, b->limit);
}

void nj_buf_wipe(struct nj_buf *b)
{
    nj_wipe(b->ptr, b->cap);
    nj_buf_free(b);
}

void nj_buf_clear(struct nj_buf *b)
{
    b->len = 0;
    if (b->ptr != NULL) {
        b->ptr[0] = '\0';
    }
}

char *nj_buf_reserve(struct nj_buf *b, size_t n)
{
    if (n > b->limit || b->len > b->limit - n) {
        return NULL;
    }
    size_t want = b->len + n + 1;
    if (want > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < want) {
            cap = cap > SIZE_MAX / 2 ? want : cap * 2;
        }
        b->ptr = nj_realloc(b->ptr, cap);
        b->cap = cap;
    }
    return b->ptr + b->len;
}

int nj_buf_append(struct nj_buf *b, const void *p, size_t len)
{
    char *to = nj_buf_reserve(b, len);
    if (to == NULL) {
        return NJ_E_LIMIT;
    }
    if (len > 0) {
        memcpy(to, p, len);
    }
    b->len += len;
    b->ptr[b->len] = '\0';
    return NJ_OK;
}

int nj_buf_puts(struct nj_buf *b, const char *s)
{
    return nj_buf_append(b, s, strlen(s));
}

int nj_buf_putc(struct nj_buf *b, char c)
{
    return nj_buf_append(b, &c, 1);
}

int nj_buf_vprintf(struct nj_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *to = n < 0 ? NULL : nj_buf_reserve(b, (size_t) n);
    if (to != NULL) {
        (void) vsnprintf(to, (size_t) n + 1, fmt, again);
        b->len += (size_t) n;
    }
    va_end(again);
    return to == NULL ? NJ_E_LIMIT : NJ_OK;
}

int nj_buf_printf(struct nj_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = nj_buf_vprintf(b, fmt, ap);
    va_end(ap);
    return rc;
}

char *nj_buf_take(struct nj_buf *b)
{
    char *s = b->ptr != NULL ? b->ptr : nj_strdup("");
    nj_buf_init(b, b->limit);
    return s;
}
