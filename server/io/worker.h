/*
 * worker.h: one thread and one loop, and the connections it owns for life.
 *
 * A turn: RCU offline, poll, RCU online; drain the inbox; timers; readable sockets (read, drain
 * the inbox again, parse, match, collect); hand batches over; write sockets; the same for those who
 * take long; free what died.
 * The inbox is drained after every read and before what was read is parsed: so whatever caused a
 * peer to send these bytes has been delivered first.
 *
 * Everything here belongs to the worker's thread unless it says otherwise.
 */
#ifndef NJ_IO_WORKER_H
#define NJ_IO_WORKER_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/inbox.h"
#include "io/outbox.h"
#include "io/timer.h"
#include "natterjack/plugin.h"

struct nj_conn;
struct nj_batch;
struct nj_worker;
struct nj_workers;

/* What is read at once.  Twice as much saves a few system calls, and with what is written of it leaves
 * less room in a core's cache: messages of 1 KiB cost 20 % more. */
#define NJ_READ_LEN (64u * 1024u)

/* Something with a descriptor in the worker's poll set.  Must outlive the turn in which it is
 * removed: connections go through the worker's list of the dead. */
struct nj_source {
    void (*ready)(struct nj_worker *w, struct nj_source *src, uint32_t events);
};

/* A place for a connection.  Never freed while workers run, so that other workers may add to
 * `inflight` and read `queued` of a place whose connection has gone. */
struct nj_slot {
    struct nj_conn *conn; /* worker */
    /* atomic, relaxed: raised when the connection leaves; the owner writes.  Others read it to pass
     * over subscriptions that are still in the index; the owner looks again. */
    _Atomic uint32_t gen;
    uint32_t next_free;
    _Atomic uint64_t inflight; /* atomic, relaxed: bytes in inboxes for it */
    _Atomic uint64_t queued;   /* atomic, relaxed: bytes in its outbox; the owner writes */
    _Atomic uint32_t stalls;   /* atomic, relaxed: how often a producer was stalled for it */
    /* atomic: what the room above lets other workers know of the connection, or NULL.  They read
     * it during their turn; the owner takes it back through RCU. */
    _Atomic(const void *) shown;
};

#define NJ_SLOTS_PER_CHUNK 1024u
#define NJ_SLOT_CHUNKS 4096u

struct nj_worker {
    struct nj_workers *set; /* immutable after start */
    uint16_t id;            /* immutable after start */
    int epoll_fd;           /* immutable after start */
    pthread_t thread;
    struct nj_inbox inbox;
    struct nj_timers timers;
    struct nj_pool pool;
    int64_t now_us;        /* of this turn */
    uint64_t random;       /* state of nj_fast_random */
    uint8_t *read_buf;     /* NJ_READ_LEN: what came from the socket */
    uint8_t *plain_buf;    /* NJ_READ_LEN: what TLS made of it */
    uint8_t *record_buf;   /* NJ_PIECE_BIG: small pieces gathered to be sealed */
    struct nj_buf *cipher; /* what TLS made to be sent; empty between connections */
    bool stopping;
    bool in_turn_write; /* the turn has reached its writes */
    bool has_more;      /* that was put aside, from turn to turn: do not sleep */

    struct nj_conn *dirty;       /* have bytes to send */
    struct nj_conn **dirty_end;
    struct nj_conn *backlog;     /* so do these; written for a while only: see io/conn.h */
    struct nj_conn **backlog_end;
    uint64_t backlog_seq;        /* numbers given */
    uint32_t fan;                /* made dirty by the read under way */
    uint64_t owed;               /* what the read under way has to wait for; 0: nothing */
    struct nj_conn *owing;       /* are not read until it is written */
    struct nj_item *held;        /* batches that were run and go home when it is; oldest first */
    struct nj_item **held_end;
    struct nj_conn *dead;        /* freed at the end of the turn */
    struct nj_conn *paused;      /* not read: out of credit or producer stall */
    struct nj_conn *last;        /* newcomers and who yielded: served last, first come first served */
    struct nj_conn **last_end;
    uint32_t last_n;
    uint32_t conns_n;

    struct nj_slot *_Atomic slot_chunks[NJ_SLOT_CHUNKS]; /* published once, never taken back */
    uint32_t slots_n;                                    /* ever used */
    uint32_t free_slot;                                  /* index + 1; 0 none */

    struct nj_batch **open;        /* by destination */
    uint64_t handovers;            /* begun */
    _Atomic uint64_t handed_over;  /* atomic: complete, seen by destinations */
    struct nj_batch *spare;        /* empty batches at home */
    uint32_t spare_n;
    struct nj_item *_Atomic home;  /* batches coming back; any thread pushes */
    uint64_t *on_the_way;          /* by destination: weight not yet back */

    void *user;           /* the higher room's, for this worker */
};

/* What the room above does with a worker. */
struct nj_worker_ops {
    void (*start)(struct nj_worker *w, void *user); /* on its thread, first */
    void (*stop)(struct nj_worker *w, void *user);  /* on its thread, last */
    /* The end of each turn: a little of what was put aside.  True: more is there.  Optional. */
    bool (*later)(struct nj_worker *w);
};

struct nj_workers {
    struct nj_worker **at; /* immutable after start */
    uint16_t n;            /* immutable after start */
    const struct nj_worker_ops *ops;
    void *user;
};

/* Make n workers, start their threads, and wait until ops->start has run on each: what it read may
 * be changed from then on.  NJ_OK or negative with `err`. */
int nj_workers_start(struct nj_workers **set_out, uint16_t n, const struct nj_worker_ops *ops,
                     void *user, struct nj_error *err);

/* Any thread.  Run fn on the worker's thread, inside a turn. */
void nj_worker_call(struct nj_worker *w, void (*fn)(struct nj_worker *w, void *arg), void *arg);

/*
 * Run fn on every worker's thread, all at once, and return when the last has done it.  Not from a
 * worker, and not while one may wait for the caller.
 */
void nj_workers_call_all(struct nj_workers *set, void (*fn)(struct nj_worker *w, void *arg),
                         void *arg);

/* Tell every worker to end once its connections are gone, and wait for the threads. */
void nj_workers_join(struct nj_workers **setp);

/* The worker's descriptors. */
int nj_worker_watch(struct nj_worker *w, int fd, struct nj_source *src, uint32_t events);
void nj_worker_rewatch(struct nj_worker *w, int fd, struct nj_source *src, uint32_t events);
void nj_worker_unwatch(struct nj_worker *w, int fd);

/* What comes next is read from somebody else, or is another item: see nj_conn_write_some(). */
static inline void nj_worker_next_cause(struct nj_worker *w)
{
    w->fan = 0;
    w->owed = 0;
}

/* Run what lies in the inbox now.  True when something was there. */
bool nj_worker_drain(struct nj_worker *w);

/* Slots.  get: NULL when the chunk does not exist; any thread. */
uint32_t nj_slot_take(struct nj_worker *w, struct nj_conn *c, uint32_t *gen_out);
void nj_slot_leave(struct nj_worker *w, uint32_t slot);
/* Before it leaves: what was meant for its connection is for nobody. */
void nj_slot_disown(struct nj_worker *w, uint32_t slot);

static inline struct nj_slot *nj_slot_at(struct nj_worker *w, uint32_t slot)
{
    struct nj_slot *chunk = atomic_load_explicit(&w->slot_chunks[slot / NJ_SLOTS_PER_CHUNK],
                                                 memory_order_acquire);
    return chunk + slot % NJ_SLOTS_PER_CHUNK;
}

static inline uint32_t nj_slot_gen(const struct nj_slot *s)
{
    return atomic_load_explicit(&s->gen, memory_order_relaxed);
}

/* Owner: the connection if it is still the one that was meant, else NULL. */
static inline struct nj_conn *nj_slot_conn(struct nj_worker *w, uint32_t slot, uint32_t gen)
{
    struct nj_slot *s = nj_slot_at(w, slot);
    return nj_slot_gen(s) == gen ? s->conn : NULL;
}

/* CPUs this process may use: affinity mask and cgroup quota, at least 1. */
unsigned nj_cpus_allowed(void);

#endif
