#include "io/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/yield.h"
#include "io/batch.h"
#include "io/tls_stream.h"

#define IOV_MOST 64
/* Of one turn, for newcomers and who yielded; another one begins while less is spent. */
#define LAST_US 40
#define BACKLOG_US 100 /* of one turn, for writing what waits in the backlog */
#define BACKLOG_STEP 4 /* connections between looks at the clock */
#define FAN_MOST 8     /* connections that one read has something for and that do not wait there */
#define OWED_LEN 65536 /* bytes that wait there for one connection: who adds to them waits as well */

/* ---- poll set ---------------------------------------------------------------------------------- */

static void watch(struct nj_conn *c, uint32_t events)
{
    if (c->watched == events || c->fd < 0) {
        return;
    }
    if (events == 0) {
        nj_worker_unwatch(c->worker, c->fd);
    } else if (c->watched == 0) {
        (void) nj_worker_watch(c->worker, c->fd, &c->source, events);
    } else {
        nj_worker_rewatch(c->worker, c->fd, &c->source, events);
    }
    c->watched = events;
}

/* A paused connection is out of the set: a hang-up would be reported again and again. */
static void rewatch(struct nj_conn *c)
{
    uint32_t events = 0;
    if (c->state == NJ_CONN_OPEN && !c->is_paused && !c->waits_turn && !c->owes) {
        events |= EPOLLIN;
    }
    if (c->wants_write && c->state != NJ_CONN_CLOSED) {
        events |= EPOLLOUT;
    }
    watch(c, events);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* TLS opens record by record, also after the connection was paused by the first of them. */
static void keep_more(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    c->rest = nj_realloc(c->rest, c->rest_at + c->rest_len + len);
    memcpy(c->rest + c->rest_at + c->rest_len, ptr, len);
    c->rest_len += len;
    if (c->rest_len > NJ_REST_MOST && !c->is_paused) {
        nj_conn_pause(c, NJ_PAUSE_FOR_EVER); /* the room above waits; so may the peer */
    }
}

/* Plain bytes go up; what is not used while paused is kept. */
void nj_conn_feed(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    if (c->rest != NULL) {
        keep_more(c, ptr, len);
        return;
    }
    size_t used = c->ops->bytes(c, ptr, len);
    if (used < len && c->state == NJ_CONN_OPEN) {
        keep_more(c, ptr + used, len - used);
    }
}

static void input(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    if (c->tls != NULL) {
        (void) nj_tls_stream_input(c, ptr, len);
    } else {
        nj_conn_feed(c, ptr, len);
    }
}

/* What was read had something for many: it is not read on until that is written. */
static void owe(struct nj_conn *c)
{
    struct nj_worker *w = c->worker;
    c->owes_until = w->owed > c->owes_until ? w->owed : c->owes_until;
    if (w->owed > 0 && !c->on_owing_list) {
        c->on_owing_list = true;
        c->next_owing = w->owing;
        w->owing = c;
    }
}

static ssize_t read_socket(struct nj_conn *c, size_t *direct_out)
{
    struct nj_worker *w = c->worker;
    uint8_t *to = NULL;
    size_t room = c->tls == NULL && c->ops->direct != NULL ? c->ops->direct(c, &to) : 0;
    ssize_t n;
    do {
        if (room > 0) {
            struct iovec iov[2] = { { to, room }, { w->read_buf, NJ_READ_LEN } };
            n = readv(c->fd, iov, 2);
        } else {
            n = recv(c->fd, w->read_buf, NJ_READ_LEN, 0);
        }
    } while (n < 0 && errno == EINTR);
    *direct_out = n > 0 ? ((size_t) n < room ? (size_t) n : room) : 0;
    return n;
}

static void do_read(struct nj_conn *c)
{
    size_t direct = 0;
    NJ_YIELD();
    ssize_t n = read_socket(c, &direct);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            c->ops->ended(c, NJ_END_READ);
        }
        return;
    }
    if (n == 0) {
        c->ops->ended(c, NJ_END_EOF);
        return;
    }
    /* What made the peer send this may lie in the inbox: it goes first (promises P2 and P4). */
    (void) nj_worker_drain(c->worker);
    nj_worker_next_cause(c->worker);
    if (direct > 0 && c->state == NJ_CONN_OPEN) {
        c->ops->direct_done(c, direct);
    }
    if ((size_t) n > direct && c->state == NJ_CONN_OPEN) {
        input(c, c->worker->read_buf, (size_t) n - direct);
    }
    owe(c);
}

/* ---- the end of the turn ------------------------------------------------------------------------ */

/* A handshake takes as long as hundreds of messages, and so do ten thousand SUBs.  Who is in one, or
 * has yielded, waits for the end of the turn, out of the poll set: left in it, hundreds of them would
 * be reported in each turn anew and the others would come late. */
static void wait_for_end(struct nj_conn *c)
{
    struct nj_worker *w = c->worker;
    if (c->waits_turn) {
        return;
    }
    c->waits_turn = true;
    c->next_last = NULL;
    c->at_last = w->last_end;
    *w->last_end = c;
    w->last_end = &c->next_last;
    w->last_n++;
    rewatch(c);
}

static void wait_no_more(struct nj_conn *c)
{
    if (!c->waits_turn) {
        return;
    }
    c->waits_turn = false;
    *c->at_last = c->next_last;
    if (c->next_last != NULL) {
        c->next_last->at_last = c->at_last;
    } else {
        c->worker->last_end = c->at_last;
    }
    c->worker->last_n--;
}

static void serve_at_end(struct nj_conn *c)
{
    bool yielded = c->yields;
    if (c->state == NJ_CONN_OPEN && c->owes) {
        wait_for_end(c);
        return;
    }
    c->takes_long = false;
    if (c->state == NJ_CONN_OPEN && yielded) {
        nj_conn_resume(c);
    } else if (c->state == NJ_CONN_OPEN && !c->is_paused) {
        do_read(c);
    }
    c->takes_long = c->takes_long || yielded; /* until a read of it was short */
    rewatch(c);
}

bool nj_conn_serve_last(struct nj_worker *w)
{
    if (w->last == NULL) {
        return false;
    }
    int64_t until = nj_mono_us() + LAST_US;
    uint32_t n = w->last_n; /* who yields again comes in the next turn */
    do {
        struct nj_conn *c = w->last;
        wait_no_more(c);
        serve_at_end(c);
    } while (--n > 0 && w->last != NULL && nj_mono_us() < until);
    return true;
}

/* ---- lists of those that have bytes to send ------------------------------------------------------ */

static void append(struct nj_conn *c, struct nj_conn ***endp)
{
    c->is_dirty = true;
    c->next_dirty = NULL;
    c->at_dirty = *endp;
    **endp = c;
    *endp = &c->next_dirty;
}

static void put_into_backlog(struct nj_conn *c)
{
    if (!c->is_dirty) {
        c->in_backlog = true;
        c->backlog_seq = ++c->worker->backlog_seq;
        append(c, &c->worker->backlog_end);
    }
}

static void take_off(struct nj_conn *c)
{
    if (!c->is_dirty) {
        return;
    }
    *c->at_dirty = c->next_dirty;
    if (c->next_dirty != NULL) {
        c->next_dirty->at_dirty = c->at_dirty;
    } else if (c->in_backlog) {
        c->worker->backlog_end = c->at_dirty;
    } else {
        c->worker->dirty_end = c->at_dirty;
    }
    c->is_dirty = false;
    c->in_backlog = false;
}

/* The read under way has to wait for this one of the backlog. */
static void owe_for(const struct nj_conn *c, bool much)
{
    if (much && c->worker->owed < c->backlog_seq) {
        c->worker->owed = c->backlog_seq;
    }
}

/* ---- events ------------------------------------------------------------------------------------- */

static void ready(struct nj_worker *w, struct nj_source *src, uint32_t events)
{
    struct nj_conn *c = (struct nj_conn *) (void *) src;
    (void) w;
    if (c->state == NJ_CONN_CLOSED) {
        return;
    }
    if ((events & EPOLLOUT) != 0 || (c->state == NJ_CONN_FLUSHING && events != 0)) {
        c->wants_write = false;
        if (c->in_backlog) {
            rewatch(c); /* it waits there since an earlier turn: not again, please */
        }
        put_into_backlog(c);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && c->state == NJ_CONN_OPEN &&
        !c->is_paused && !c->waits_turn && !c->owes) {
        if (c->is_new || c->takes_long) {
            wait_for_end(c);
        } else {
            do_read(c);
        }
    }
}

/* ---- pausing -------------------------------------------------------------------------------------- */

void nj_conn_pause(struct nj_conn *c, int64_t until_us)
{
    c->paused_until_us = until_us;
    c->yields = false;
    if (c->state != NJ_CONN_OPEN) {
        return;
    }
    c->is_paused = true;
    if (!c->on_paused_list && until_us != NJ_PAUSE_FOR_EVER) {
        c->on_paused_list = true;
        c->next_paused = c->worker->paused;
        c->worker->paused = c;
    }
    rewatch(c);
}

/* Offer the rest; what is left of it is kept where it is.  True: it is worth another try. */
static bool offer_rest(struct nj_conn *c)
{
    uint8_t *rest = c->rest;
    size_t at = c->rest_at;
    size_t len = c->rest_len;
    c->rest = NULL;
    c->rest_at = 0;
    c->rest_len = 0;
    size_t used = c->ops->bytes(c, rest + at, len);
    if (used == len || c->state != NJ_CONN_OPEN) {
        nj_dealloc(rest);
        return false;
    }
    if (c->rest != NULL) { /* some was fed and kept meanwhile: it comes before */
        keep_more(c, rest + at + used, len - used);
        nj_dealloc(rest);
    } else {
        c->rest = rest;
        c->rest_at = at + used;
        c->rest_len = len - used;
    }
    return used > 0;
}

void nj_conn_resume(struct nj_conn *c)
{
    c->is_paused = false; /* the list forgets it at its next walk */
    c->yields = false;
    c->paused_until_us = 0;
    nj_worker_next_cause(c->worker);
    while (c->rest != NULL && !c->is_paused && c->state == NJ_CONN_OPEN && offer_rest(c)) {
    }
    owe(c);
    rewatch(c);
    if (c->half_closed) {
        nj_conn_peer_ended(c);
    }
}

void nj_conn_peer_ended(struct nj_conn *c)
{
    c->half_closed =
        c->is_paused && (c->yields || c->paused_until_us != NJ_PAUSE_FOR_EVER);
    if (!c->half_closed && c->state == NJ_CONN_OPEN) {
        c->ops->ended(c, NJ_END_EOF);
    }
}

void nj_conn_yield(struct nj_conn *c)
{
    if (c->state == NJ_CONN_OPEN && !c->is_paused) {
        nj_conn_pause(c, NJ_PAUSE_FOR_EVER);
        c->yields = true;
        c->takes_long = true;
        wait_for_end(c);
    }
}

static bool resume_is_due(struct nj_conn *c, bool credit)
{
    if (c->owes) {
        return false;
    }
    if (c->paused_until_us == NJ_PAUSE_FOR_CREDIT) {
        return credit;
    }
    return c->paused_until_us <= c->worker->now_us ||
           (c->ops->may_resume != NULL && c->ops->may_resume(c));
}

void nj_conn_resume_due(struct nj_worker *w)
{
    struct nj_conn *c = w->paused;
    if (c == NULL) {
        return;
    }
    w->paused = NULL;
    bool credit = !nj_batch_over_credit(w);
    while (c != NULL) {
        struct nj_conn *next = c->next_paused;
        c->next_paused = NULL;
        c->on_paused_list = false;
        if (c->state == NJ_CONN_OPEN && c->is_paused && !c->yields) {
            if (resume_is_due(c, credit)) {
                nj_conn_resume(c);
            } else {
                nj_conn_pause(c, c->paused_until_us);
            }
        }
        c = next;
    }
}

/* ---- writing --------------------------------------------------------------------------------------- */

uint64_t nj_conn_pending(const struct nj_conn *c)
{
    struct nj_slot *s = nj_slot_at(c->worker, c->slot);
    return c->out.len + atomic_load_explicit(&s->inflight, memory_order_relaxed);
}

static void publish_queued(struct nj_conn *c)
{
    struct nj_slot *s = nj_slot_at(c->worker, c->slot);
    atomic_store_explicit(&s->queued, c->out.len, memory_order_relaxed);
}

/* Few of what is read now, and whoever is answered, are written in this turn; the others when it is
 * their turn in the backlog. */
static void put_on_dirty_list(struct nj_conn *c)
{
    struct nj_worker *w = c->worker;
    if (c->in_backlog) {
        owe_for(c, c->out.len > OWED_LEN);
    } else if (c->is_dirty || c->wants_write) {
        return;
    } else if (w->fan++ < FAN_MOST) {
        append(c, &w->dirty_end);
    } else {
        put_into_backlog(c);
        owe_for(c, true);
    }
}

void nj_conn_dirty(struct nj_conn *c)
{
    if (c->state == NJ_CONN_CLOSED) {
        return;
    }
    if (c->state == NJ_CONN_OPEN) {
        publish_queued(c);
        if (c->max_pending > 0 && c->out.len > c->max_pending) {
            c->ops->ended(c, NJ_END_PENDING);
            return;
        }
    }
    put_on_dirty_list(c);
}

/* NJ_OK: the outbox is empty; NJ_WANT_WRITE: the socket is full; negative: it is broken. */
int nj_conn_flush_clear(struct nj_conn *c)
{
    while (c->out.len > 0) {
        struct iovec iov[IOV_MOST];
        size_t want = 0;
        struct msghdr msg = { .msg_iov = iov };
        msg.msg_iovlen = (size_t) nj_outbox_iov(&c->out, iov, IOV_MOST, &want);
        ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN || errno == EWOULDBLOCK ? NJ_WANT_WRITE : NJ_E_IO;
        }
        nj_outbox_consume(&c->out, &c->worker->pool, (size_t) n);
        if ((size_t) n < want) {
            return NJ_WANT_WRITE;
        }
    }
    return NJ_OK;
}

static void start_deadline(struct nj_conn *c, size_t sent)
{
    c->goal = c->out.len + sent > 0 ? c->out.len + sent : 1;
    c->flushed = sent;
    nj_timer_start(&c->worker->timers, &c->write_timer, c->worker->now_us + c->write_deadline_us);
}

/* The deadline is for the bytes that were queued when the flush began; once they are out, a new
 * one begins for what has come since. */
static void keep_deadline(struct nj_conn *c, size_t before, bool blocked)
{
    struct nj_timers *ts = &c->worker->timers;
    c->flushed += before - c->out.len;
    if (!blocked) {
        c->goal = 0;
        c->flushed = 0;
        nj_timer_stop(ts, &c->write_timer);
        if (c->missed_deadline) {
            c->missed_deadline = false;
            c->ops->caught_up(c, c->late_pieces, c->late_bytes);
        }
        return;
    }
    if (c->goal == 0 || (c->flushed >= c->goal && c->goal > 0)) {
        start_deadline(c, before - c->out.len);
    }
}

void nj_conn_flush(struct nj_conn *c)
{
    if (c->state == NJ_CONN_CLOSED) {
        return;
    }
    size_t before = c->out.len;
    int rc = c->tls != NULL ? nj_tls_stream_flush(c) : nj_conn_flush_clear(c);
    publish_queued(c);
    if (rc < 0) {
        if (c->state == NJ_CONN_FLUSHING) {
            nj_conn_close(c);
        } else {
            c->ops->ended(c, NJ_END_WRITE);
        }
        return;
    }
    if (rc == NJ_OK && c->state == NJ_CONN_FLUSHING && c->tls != NULL) {
        nj_tls_stream_close_notify(c); /* unless it went out at once */
        rc = nj_tls_stream_unsent(c->tls) > 0 ? NJ_WANT_WRITE : NJ_OK;
    }
    c->wants_write = rc == NJ_WANT_WRITE;
    keep_deadline(c, before, c->wants_write);
    if (!c->wants_write && c->state == NJ_CONN_FLUSHING) {
        nj_conn_close(c);
        return;
    }
    rewatch(c);
}

void nj_conn_flush_last(struct nj_conn *c)
{
    if (c->state == NJ_CONN_OPEN && c->out.len > 0) {
        (void) (c->tls != NULL ? nj_tls_stream_flush(c) : nj_conn_flush_clear(c));
        publish_queued(c);
    }
}

static void write_first(struct nj_conn *c)
{
    take_off(c);
    nj_conn_flush(c);
}

void nj_conn_flush_dirty(struct nj_worker *w)
{
    while (w->dirty != NULL) {
        write_first(w->dirty);
    }
}

void nj_conn_flush_all(struct nj_worker *w)
{
    while (w->dirty != NULL || w->backlog != NULL) {
        write_first(w->dirty != NULL ? w->dirty : w->backlog);
    }
}

/* Who has paid is read again; who has not is not, from now on. */
static void settle(struct nj_worker *w)
{
    struct nj_conn **at = &w->owing;
    while (*at != NULL) {
        struct nj_conn *c = *at;
        c->owes = !nj_conn_is_written(w, c->owes_until);
        if (c->owes) {
            at = &c->next_owing;
        } else {
            *at = c->next_owing;
            c->on_owing_list = false;
        }
        rewatch(c);
    }
}

void nj_conn_write_some(struct nj_worker *w)
{
    nj_conn_flush_dirty(w);
    if (w->backlog != NULL) {
        int64_t until = nj_mono_us() + BACKLOG_US;
        do {
            for (unsigned n = 0; n < BACKLOG_STEP && w->backlog != NULL; n++) {
                write_first(w->backlog);
            }
        } while (w->backlog != NULL && nj_mono_us() < until);
        nj_conn_flush_dirty(w); /* what those have to hear who were closed meanwhile */
    }
    settle(w);
    nj_batch_send_written(w);
}

static void on_write_deadline(struct nj_timer *t, void *arg)
{
    struct nj_conn *c = arg;
    (void) t;
    if (c->state == NJ_CONN_FLUSHING) {
        nj_conn_close(c);
        return;
    }
    c->ops->ended(c, NJ_END_DEADLINE);
}

void nj_conn_wait_on(struct nj_conn *c)
{
    if (!c->missed_deadline) {
        c->missed_deadline = true;
        c->late_pieces = nj_outbox_pieces(&c->out);
        c->late_bytes = c->out.len;
    }
    start_deadline(c, 0);
}

/* ---- life ------------------------------------------------------------------------------------------- */

void nj_conn_init(struct nj_conn *c, struct nj_worker *w, int fd, const struct nj_conn_ops *ops)
{
    c->source.ready = ready;
    c->worker = w;
    c->ops = ops;
    c->fd = fd;
    c->state = NJ_CONN_OPEN;
    c->write_timer.fn = on_write_deadline;
    c->write_timer.arg = c;
    c->slot = nj_slot_take(w, c, &c->gen);
    rewatch(c);
}

static void leave_slot(struct nj_conn *c)
{
    nj_slot_leave(c->worker, c->slot);
}

void nj_conn_close(struct nj_conn *c)
{
    if (c->state == NJ_CONN_CLOSED) {
        return;
    }
    c->state = NJ_CONN_CLOSED;
    wait_no_more(c);
    leave_slot(c);
    watch(c, 0);
    nj_timer_stop(&c->worker->timers, &c->write_timer);
    c->next_dead = c->worker->dead;
    c->worker->dead = c;
}

void nj_conn_close_flushed(struct nj_conn *c)
{
    if (c->state != NJ_CONN_OPEN) {
        return;
    }
    if (c->tls != NULL) {
        nj_tls_stream_close_notify(c);
    }
    c->state = NJ_CONN_FLUSHING;
    c->is_paused = false;
    c->goal = c->out.len + 1;
    c->flushed = 0;
    nj_timer_start(&c->worker->timers, &c->write_timer, c->worker->now_us + c->write_deadline_us);
    rewatch(c);
    put_on_dirty_list(c);
}

/* Unread bytes would turn our close into a reset that can overtake the last answer. */
static void close_socket(struct nj_conn *c)
{
    (void) recv(c->fd, c->worker->read_buf, NJ_READ_LEN, MSG_DONTWAIT);
    (void) close(c->fd);
    c->fd = -1;
}

static void forget_paused(struct nj_conn *c)
{
    for (struct nj_conn **at = &c->worker->paused; c->on_paused_list && *at != NULL;
         at = &(*at)->next_paused) {
        if (*at == c) {
            *at = c->next_paused;
            c->on_paused_list = false;
            return;
        }
    }
}

static void forget_owing(struct nj_conn *c)
{
    for (struct nj_conn **at = &c->worker->owing; c->on_owing_list && *at != NULL;
         at = &(*at)->next_owing) {
        if (*at == c) {
            *at = c->next_owing;
            c->on_owing_list = false;
            return;
        }
    }
}

void nj_conn_free_dead(struct nj_worker *w)
{
    while (w->dead != NULL) {
        struct nj_conn *c = w->dead;
        w->dead = c->next_dead;
        forget_paused(c);
        forget_owing(c);
        take_off(c);
        close_socket(c);
        nj_outbox_clear(&c->out, &w->pool);
        nj_tls_stream_free(c);
        nj_dealloc(c->rest);
        c->rest = NULL;
        c->ops->gone(c);
    }
}
