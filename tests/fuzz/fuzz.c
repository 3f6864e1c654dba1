#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

uint8_t fuzz_byte(struct fuzz_in *in)
{
    if (in->len == 0) {
        return 0;
    }
    in->len--;
    return *in->ptr++;
}

void fuzz_cuts_take(struct fuzz_cuts *cuts, struct fuzz_in *in)
{
    cuts->n = fuzz_byte(in) % (sizeof(cuts->size) + 1);
    cuts->next = 0;
    for (size_t i = 0; i < cuts->n; i++) {
        cuts->size[i] = fuzz_byte(in);
    }
}

size_t fuzz_cuts_next(struct fuzz_cuts *cuts, size_t left)
{
    if (cuts->n == 0) {
        return left;
    }
    size_t size = cuts->size[cuts->next++ % cuts->n];
    size = size == 0 ? 256 : size;
    return size < left ? size : left;
}

uint8_t *fuzz_copy(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    FUZZ_CHECK(copy != NULL, "out of memory");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

void fuzz_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void) fputs("fuzz: ", stderr);
    (void) vfprintf(stderr, fmt, ap);
    (void) fputc('\n', stderr);
    va_end(ap);
    abort();
}

void fuzz_same(const struct nj_buf *whole, const struct nj_buf *split, const char *what)
{
    FUZZ_CHECK(whole->len == split->len &&
                   (whole->len == 0 || memcmp(whole->ptr, split->ptr, whole->len) == 0),
               "%s differ\n--- in one piece:\n%.*s\n--- in pieces:\n%.*s", what, (int) whole->len,
               whole->ptr == NULL ? "" : whole->ptr, (int) split->len,
               split->ptr == NULL ? "" : split->ptr);
}
