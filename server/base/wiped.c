#include "base/wiped.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"

/* The length stands in front of what the caller gets. */
struct block {
    size_t len;
    alignas(max_align_t) unsigned char bytes[];
};

void *nj_wiped_alloc(size_t len)
{
    size_t most = SIZE_MAX - sizeof(struct block);
    struct block *b = nj_alloc(sizeof(*b) + (len < most ? len : most)); /* too much ends the process */
    b->len = len;
    return b->bytes;
}

void nj_wiped_dealloc(void *ptr)
{
    if (ptr == NULL) {
        return;
    }
    struct block *b = (void *) ((unsigned char *) ptr - offsetof(struct block, bytes));
    nj_wipe(b->bytes, b->len);
    nj_dealloc(b);
}
