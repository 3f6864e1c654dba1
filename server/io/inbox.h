/*
 * inbox.h: what other threads have for a worker.  Many producers, one consumer, no lock.
 *
 * Items come out in the order in which they were pushed, over all producers: a message that was
 * handed over before another one is delivered before it.  (One ring for each pair of workers would
 * not give that.)
 */
#ifndef NJ_IO_INBOX_H
#define NJ_IO_INBOX_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct nj_inbox;
struct nj_worker;

/* First member of everything that goes through an inbox.  run() is called on the owner's thread,
 * inside its turn; it owns the item. */
struct nj_item {
    struct nj_item *next;
    void (*run)(struct nj_worker *w, struct nj_item *item);
};

struct nj_inbox {
    struct nj_item *_Atomic head; /* newest first */
    _Atomic int asleep;           /* 1: the owner polls, or is about to */
    int event_fd;                 /* immutable after start */
};

int nj_inbox_init(struct nj_inbox *in); /* NJ_OK or NJ_E_IO */
void nj_inbox_fini(struct nj_inbox *in);

/* Any thread.  push = put, and ring the bell of an owner that polls. */
void nj_inbox_put(struct nj_inbox *in, struct nj_item *item);
void nj_inbox_ring(struct nj_inbox *in);
void nj_inbox_push(struct nj_inbox *in, struct nj_item *item);

/* Owner: oldest first, all that is there now; NULL when empty. */
struct nj_item *nj_inbox_take(struct nj_inbox *in);

static inline bool nj_inbox_empty(struct nj_inbox *in)
{
    return atomic_load_explicit(&in->head, memory_order_acquire) == NULL;
}

/* Owner: about to poll.  False: something came, do not wait. */
bool nj_inbox_sleep(struct nj_inbox *in);
void nj_inbox_awake(struct nj_inbox *in);

/* Owner: the poll said that event_fd is readable. */
void nj_inbox_quiet(struct nj_inbox *in);

#endif
