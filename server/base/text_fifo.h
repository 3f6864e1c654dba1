/*
 * text_fifo.h: texts that are forgotten in the order in which they came, kept in large blocks.
 *
 * For what outlives the storm that made it: small pieces of the allocator's own would lie between
 * memory that is freed around them and hold a page each.
 *
 * All zero is empty.  One thread at a time.
 */
#ifndef NJ_BASE_TEXT_FIFO_H
#define NJ_BASE_TEXT_FIFO_H
#include <stddef.h>

struct nj_text_block;

struct nj_text_fifo {
    struct nj_text_block *oldest, *newest;
};

/* Room for one piece of len bytes, for the caller to fill; stays where it is until it is dropped. */
char *nj_text_fifo_add(struct nj_text_fifo *f, size_t len);

/* Forget the oldest piece.  There must be one. */
void nj_text_fifo_drop(struct nj_text_fifo *f);

void nj_text_fifo_free(struct nj_text_fifo *f);

#endif
