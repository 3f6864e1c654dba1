/*
 * batch.h: what one worker has for another: records of the delivering room, many in one push.
 *
 * The source fills a batch during its turn and pushes it before it writes to any socket.  The
 * destination runs it and sends the empty batch home, which gives its bytes back to the credit
 * that the source has with that destination.  A source that is out of credit stops reading the
 * connections that cost it (never waits): see nj_conn_pause().
 */
#ifndef NJ_IO_BATCH_H
#define NJ_IO_BATCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/inbox.h"

#define NJ_BATCH_ROOM 65536                     /* a full batch is pushed at once */
#define NJ_BATCH_CREDIT (UINT64_C(8) << 20)     /* bytes on the way from one worker to another */

struct nj_batch {
    struct nj_item item; /* item.run is set by the delivering room */
    uint16_t from, to;
    uint32_t reserved;
    size_t len, cap;
    uint64_t weight; /* len and referenced payloads: what counts against the credit */
    uint8_t *bytes;
};

/* Room for n more bytes, aligned to 8, in the open batch for worker `to`.  The batch may be pushed
 * and a new one opened, but only when nothing was reserved since nj_batch_seal(). */
struct nj_batch *nj_batch_open(struct nj_worker *w, uint16_t to);
uint8_t *nj_batch_reserve(struct nj_batch *b, size_t n);

/* A record is complete.  Pushes when the batch is full. */
void nj_batch_seal(struct nj_worker *w, struct nj_batch *b, uint64_t extra_weight);

/* Push every open batch.  Before any socket is written (promise P1). */
void nj_batch_hand_over(struct nj_worker *w);

/* The destination has run it. */
void nj_batch_send_home(struct nj_worker *w, struct nj_batch *b);

/* Is this worker over its credit with some destination?  Takes home what has come back. */
bool nj_batch_over_credit(struct nj_worker *w);

#endif
