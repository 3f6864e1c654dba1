/*
 * outbox.h: bytes waiting for one peer, and the pool of pieces they lie in.
 *
 * An outbox is a chain of pieces.  Small messages are copied into pieces of fixed size from the
 * worker's pool; payloads from NJ_REF_MIN bytes on can be referenced instead, by a counted
 * nj_payload that several outboxes and batches share.  Owned and touched by the connection's
 * worker alone; the payload's count is atomic.
 */
#ifndef NJ_IO_OUTBOX_H
#define NJ_IO_OUTBOX_H
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/payload.h"

#define NJ_REF_MIN 2048
#define NJ_PIECE_BIG 16384 /* one TLS record */
#define NJ_PIECE_MIDDLE 4096 /* with one message of 1 KiB for each of a thousand, 4 MiB and not 16 */
#define NJ_PIECE_SMALL 1024

struct nj_piece {
    struct nj_piece *next;
    struct nj_payload *ref; /* NULL: the bytes are in `room` */
    const uint8_t *ptr;
    uint32_t start, end; /* what is still to be sent of ptr */
    uint32_t cap;        /* of room; 0 for a reference */
    uint32_t reserved;
    uint8_t room[];
};

/* Free pieces of one worker, a list for each size; keeps a bounded number, frees the rest. */
struct nj_pool {
    struct nj_piece *big, *middle, *small, *ref;
    uint32_t big_n, middle_n, small_n, ref_n;
};

void nj_pool_init(struct nj_pool *pool);
void nj_pool_fini(struct nj_pool *pool);

struct nj_outbox {
    struct nj_piece *first, *last;
    size_t len; /* bytes waiting */
};

/* Room for n contiguous bytes (n <= NJ_PIECE_BIG); commit says how many were written. */
uint8_t *nj_outbox_reserve(struct nj_outbox *ob, struct nj_pool *pool, size_t n);
void nj_outbox_commit(struct nj_outbox *ob, size_t n);

void nj_outbox_append(struct nj_outbox *ob, struct nj_pool *pool, const void *bytes, size_t len);

/* Takes a reference of its own. */
void nj_outbox_append_ref(struct nj_outbox *ob, struct nj_pool *pool, struct nj_payload *p,
                          size_t off, size_t len);

/* The first bytes as vectors; returns how many were filled, *bytes_out their sum. */
int nj_outbox_iov(const struct nj_outbox *ob, struct iovec *iov, int max, size_t *bytes_out);

/* How many pieces there are (for the log of a slow consumer). */
size_t nj_outbox_pieces(const struct nj_outbox *ob);

/* n bytes were sent. */
void nj_outbox_consume(struct nj_outbox *ob, struct nj_pool *pool, size_t n);
void nj_outbox_clear(struct nj_outbox *ob, struct nj_pool *pool);

#endif
