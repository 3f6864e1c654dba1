#include "base/text_fifo.h"

#include <stdint.h>

#include "base/alloc.h"

#define BLOCK_BYTES 32768

struct nj_text_block {
    struct nj_text_block *next;
    size_t cap;
    size_t used;
    size_t pieces; /* not dropped yet */
    char bytes[];
};

static struct nj_text_block *append_block(struct nj_text_fifo *f, size_t len)
{
    size_t cap = len > BLOCK_BYTES ? len : BLOCK_BYTES;
    struct nj_text_block *b = nj_alloc(sizeof(*b) + cap);
    *b = (struct nj_text_block){ .cap = cap };
    if (f->newest != NULL) {
        f->newest->next = b;
    } else {
        f->oldest = b;
    }
    f->newest = b;
    return b;
}

char *nj_text_fifo_add(struct nj_text_fifo *f, size_t len)
{
    struct nj_text_block *b = f->newest;
    if (b == NULL || b->cap - b->used < len) {
        b = append_block(f, len);
    }
    char *piece = b->bytes + b->used;
    b->used += len;
    b->pieces++;
    return piece;
}

void nj_text_fifo_drop(struct nj_text_fifo *f)
{
    struct nj_text_block *b = f->oldest;
    if (--b->pieces > 0) {
        return;
    }
    if (b == f->newest) {
        b->used = 0;
        return;
    }
    f->oldest = b->next;
    nj_dealloc(b);
}

void nj_text_fifo_free(struct nj_text_fifo *f)
{
    while (f->oldest != NULL) {
        struct nj_text_block *next = f->oldest->next;
        nj_dealloc(f->oldest);
        f->oldest = next;
    }
    f->newest = NULL;
}
