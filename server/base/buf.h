/*
 * buf.h: a growing run of bytes that is born with its limit.
 *
 * Belongs to one thread.  The content is always followed by a NUL that is not counted in `len`,
 * so `ptr` can be printed once something was appended.
 */
#ifndef NJ_BASE_BUF_H
#define NJ_BASE_BUF_H
#include <stddef.h>
#include <stdarg.h>

struct nj_buf {
    char *ptr; /* NULL until the first byte */
    size_t len;
    size_t cap;
    size_t limit; /* appending past it fails and changes nothing; SIZE_MAX = none */
};

void nj_buf_init(struct nj_buf *b, size_t limit);
void nj_buf_free(struct nj_buf *b); /* usable again afterwards, same limit */
void nj_buf_wipe(struct nj_buf *b); /* as free, overwritten first */
void nj_buf_clear(struct nj_buf *b);

/* NJ_OK or NJ_E_LIMIT. */
int nj_buf_append(struct nj_buf *b, const void *p, size_t len);
int nj_buf_puts(struct nj_buf *b, const char *s);
int nj_buf_putc(struct nj_buf *b, char c);
int nj_buf_printf(struct nj_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int nj_buf_vprintf(struct nj_buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Room for at least n more bytes at ptr + len; NULL when over the limit. */
char *nj_buf_reserve(struct nj_buf *b, size_t n);

/* The content as a string of its own (caller owns it); the buffer is empty afterwards. */
char *nj_buf_take(struct nj_buf *b);

#endif
