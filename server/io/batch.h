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

/*
 * All batches of one hand-over become visible together: a destination that finds one of them
 * waits, should the source be between two pushes, until the others are in their inboxes.  Else a
 * subscriber could answer a message before another subscriber's worker has it, and the answer
 * could overtake it there.  The wait is a few instructions long; sockets, bells and records are
 * outside of it.
 */
struct nj_batch {
    struct nj_item item; /* item.run is set by the delivering room */
    uint16_t from, to;
    uint32_t reserved;
    uint64_t handover; /* number of the source's hand-over that it belongs to */
    size_t len, cap;
    uint64_t held_until; /* at its destination: numbers of the backlog that have to be written first */
    uint64_t weight; /* len and referenced payloads: what counts against the credit */
    uint8_t *bytes;
};

/* The open batch for worker `to`. */
struct nj_batch *nj_batch_open(struct nj_worker *w, uint16_t to);
/* Room for n more bytes, aligned to 8; may move what is there. */
uint8_t *nj_batch_reserve(struct nj_batch *b, size_t n);

/* A record is complete; `extra_weight` for what it refers to.  True: the batch is full, hand over
 * once the records of this message are complete in all batches. */
bool nj_batch_seal(struct nj_batch *b, uint64_t extra_weight);

/* Push every open batch.  Before any socket is written (promise P1). */
void nj_batch_hand_over(struct nj_worker *w);

/* The destination, before it runs a batch: the others of its hand-over are in their inboxes. */
void nj_batch_await(struct nj_worker *w, const struct nj_batch *b);

/* The destination has run it.  It goes home, and its credit with it, when what was in it for many is
 * written; so the source cannot outrun the sockets. */
void nj_batch_send_home(struct nj_worker *w, struct nj_batch *b);

/* The destination: send home what has been written; when it ends, what has not. */
void nj_batch_send_written(struct nj_worker *w);
void nj_batch_send_all(struct nj_worker *w);

/* Is this worker over its credit with some destination?  Takes home what has come back. */
bool nj_batch_over_credit(struct nj_worker *w);

#endif
