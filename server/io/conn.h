/*
 * conn.h: one connected socket with its stream (plain or TLS) and its outbox.
 *
 * Embedded as the first member of what the room above makes of it (struct nj_client).  Belongs to
 * its worker.  Bytes go up through ops->bytes; the room above queues bytes in `out` and says
 * nj_conn_dirty(); the worker writes at the end of the turn.
 */
#ifndef NJ_IO_CONN_H
#define NJ_IO_CONN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "io/outbox.h"
#include "io/worker.h"

struct nj_tls_stream;

/* Why the socket itself ended; the room above has words for it. */
enum nj_conn_end {
    NJ_END_EOF,          /* the peer closed */
    NJ_END_READ,         /* read error (reset) */
    NJ_END_WRITE,        /* write error */
    NJ_END_DEADLINE,     /* write deadline passed; nj_conn_wait_on() keeps the connection */
    NJ_END_PENDING,      /* more than max_pending queued */
    NJ_END_TLS           /* handshake or record failure; see nj_tls_stream_error */
};

struct nj_conn_ops {
    /*
     * Bytes of the peer, in order.  Returns how many were used: all, or fewer after it paused the
     * connection (the rest is kept and offered again) or closed it.  Inside a turn.
     * Fewer without a pause: it waits for something.  Reading goes on, so that the end of the peer is
     * noticed, until NJ_REST_MOST bytes are kept; nj_conn_resume() offers them.
     */
    size_t (*bytes)(struct nj_conn *c, const uint8_t *ptr, size_t len);
    /* Where the next bytes may be read to directly (a large payload that is half here); returns
     * the room, 0 for none.  Plain connections only; optional. */
    size_t (*direct)(struct nj_conn *c, uint8_t **to_out);
    void (*direct_done)(struct nj_conn *c, size_t n);
    /* A producer stall: has the consumer caught up before its time?  Optional. */
    bool (*may_resume)(struct nj_conn *c);
    /* The TLS handshake is complete. */
    void (*secured)(struct nj_conn *c);
    /* The outbox is empty again after a write deadline was missed and the connection was kept. */
    void (*caught_up)(struct nj_conn *c, size_t pieces, size_t bytes);
    /* The socket ended.  The room above decides the close reason and calls nj_conn_close(). */
    void (*ended)(struct nj_conn *c, enum nj_conn_end why);
    /* The connection is off its worker; free what is around it.  End of the turn. */
    void (*gone)(struct nj_conn *c);
};

enum nj_conn_state {
    NJ_CONN_OPEN,
    NJ_CONN_FLUSHING, /* closing: nothing is read; ends when the outbox is empty or time is up */
    NJ_CONN_CLOSED
};

struct nj_conn {
    struct nj_source source; /* first */
    struct nj_worker *worker;
    const struct nj_conn_ops *ops;
    int fd;
    uint32_t slot, gen;
    enum nj_conn_state state;
    uint32_t watched; /* epoll events asked for */
    bool is_dirty;    /* on one of the worker's lists of those that have bytes to send */
    bool in_backlog;  /* on the one that has a budget */
    bool is_paused;
    bool on_paused_list;
    bool is_new;      /* the room above: a handshake may be ahead, which takes long */
    bool waits_turn;  /* for the end of a turn: on the worker's list, not in the poll set */
    bool yields;      /* paused until then */
    bool takes_long;  /* what was read of it last made it yield */
    bool owes;        /* not read: what it gave to others is not written yet */
    bool on_owing_list;
    bool wants_write; /* the socket is full */
    bool half_closed; /* TLS: the peer has ended, and what came before is not looked at yet */
    struct nj_outbox out;
    struct nj_conn *next_dirty;
    struct nj_conn **at_dirty; /* what points to it */
    struct nj_conn *next_owing;
    uint64_t backlog_seq;      /* its number in the backlog */
    uint64_t owes_until;       /* numbers up to this one have to be written first */
    struct nj_conn *next_dead;
    struct nj_conn *next_paused;
    struct nj_conn *next_last;
    struct nj_conn **at_last; /* what points to it in the list of those who wait */
    struct nj_tls_stream *tls; /* NULL: plain */
    uint8_t *rest;             /* read but not used, while paused */
    size_t rest_at, rest_len;  /* where it begins */
    int64_t paused_until_us; /* NJ_PAUSE_* or the end of a producer stall */
    struct nj_timer write_timer;
    uint64_t goal;     /* bytes of the flush under way; the deadline is for these */
    uint64_t flushed;  /* of goal */
    uint64_t max_pending;
    int64_t write_deadline_us;
    bool write_retry;    /* write_timeout: retry */
    bool missed_deadline; /* and was kept */
    size_t late_pieces, late_bytes;
};

/* Take the socket over.  `c` is zeroed memory of the room above with ops set. */
void nj_conn_init(struct nj_conn *c, struct nj_worker *w, int fd, const struct nj_conn_ops *ops);

/* Bytes were queued in c->out; publishes how many wait and checks max_pending. */
void nj_conn_dirty(struct nj_conn *c);

/* Plain bytes for the room above; what it does not use while paused is kept. */
void nj_conn_feed(struct nj_conn *c, const uint8_t *ptr, size_t len);

/* Write now what the socket takes.  Normally the worker does it at the end of the turn. */
void nj_conn_flush(struct nj_conn *c);

/* Before nj_conn_close(): what the socket takes at once goes out.  Failures are not reported. */
void nj_conn_flush_last(struct nj_conn *c);

#define NJ_REST_MOST ((size_t) NJ_READ_LEN)

#define NJ_PAUSE_FOR_CREDIT INT64_C(0)
#define NJ_PAUSE_FOR_EVER INT64_MAX /* until nj_conn_resume() */

/* The outbox as it is, without TLS.  NJ_OK empty, NJ_WANT_WRITE, negative broken. */
int nj_conn_flush_clear(struct nj_conn *c);

/* In ended(NJ_END_DEADLINE): give it another deadline. */
void nj_conn_wait_on(struct nj_conn *c);

/* The peer has said that nothing follows (TLS says it once): ops->ended is told at once, or after a
 * pause that ends by itself.  Nothing when the connection is not open. */
void nj_conn_peer_ended(struct nj_conn *c);

/* Stop reading: until credit is back, until the time has come, or until told to go on. */
void nj_conn_pause(struct nj_conn *c, int64_t until_us);
void nj_conn_resume(struct nj_conn *c);

/* Let the others come first: what is not used now is offered again at the end of a turn, after those
 * who waited before. */
void nj_conn_yield(struct nj_conn *c);

/*
 * Leave.  flush: first send what is queued, within the write deadline.  The slot is given up at
 * once; ops->gone comes at the end of a turn.  Repeatable.
 */
void nj_conn_close(struct nj_conn *c);
void nj_conn_close_flushed(struct nj_conn *c);

/* Bytes waiting for this connection: outbox and inboxes. */
uint64_t nj_conn_pending(const struct nj_conn *c);

/* Are all of the backlog up to this number written, or full, or gone? */
static inline bool nj_conn_is_written(const struct nj_worker *w, uint64_t seq)
{
    return w->backlog == NULL || w->backlog->backlog_seq > seq;
}

/* For the worker's loop.  Newcomers and who yielded come last in a turn, once each, and have a budget
 * for it: those beyond it wait, so that a storm of them cannot stop the messages of the others.
 * False: nobody waited. */
bool nj_conn_serve_last(struct nj_worker *w);
void nj_conn_resume_due(struct nj_worker *w);

/*
 * Write what there is to be written.  What one read has for many connections, and sockets that were
 * full, wait in the backlog, first come first served: the first function writes of it for a while
 * only, once in a turn, and whoever caused more is not read until that is written.
 */
void nj_conn_write_some(struct nj_worker *w);
void nj_conn_flush_dirty(struct nj_worker *w); /* not of the backlog */
void nj_conn_flush_all(struct nj_worker *w);
void nj_conn_free_dead(struct nj_worker *w);

#endif
