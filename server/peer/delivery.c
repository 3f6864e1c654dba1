#include "peer/delivery.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/payload.h"
#include "broker/account.h"
#include "broker/match_cache.h"
#include "broker/route.h"
#include "broker/sub.h"
#include "io/batch.h"
#include "peer/client.h"
#include "peer/filter.h"

#define HOPS_MOST UINT8_MAX /* members that left, one after the other, while it was on its way */
#define COPY_WHOLE 4096 /* a message up to this size is written in one piece */
#define SID_SMALL 1024

/* A message for one connection or more of another worker; behind it: texts, payload, targets. */
struct record {
    uint32_t len; /* all of it, a multiple of 8 */
    uint32_t targets_n;
    uint32_t subject_len, reply_len;
    uint32_t hdr_len, size;
    uint8_t hdr_digits_len, size_digits_len, hops, flags;
    uint32_t texts_len; /* up to the payload or the targets, padded to 8 */
    struct nj_publisher from;
    struct nj_payload *shared; /* a reference of the record's own; NULL: the bytes follow */
};

struct target {
    uint32_t slot, slot_gen, sub_idx, sub_gen;
    uint32_t queue_len; /* 0: plain */
    uint32_t reserved;
    char queue[]; /* padded to 8 */
};

static size_t pad8(size_t n)
{
    return (n + 7) & ~(size_t) 7;
}

/* What a message weighs for its consumer while it lies in an inbox. */
static uint64_t weight_of(size_t subject_len, size_t reply_len, size_t size)
{
    return size + subject_len + reply_len + 24;
}

/* ---- into an outbox ------------------------------------------------------------------------------ */

static char *put(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_text(char *at, struct nj_text t)
{
    at = put(at, t.ptr, t.len);
    *at++ = ' ';
    return at;
}

static char *put_number(char *at, uint32_t n)
{
    char digits[10];
    size_t i = sizeof(digits);
    do {
        digits[--i] = (char) ('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put(at, digits + i, sizeof(digits) - i);
}

/* The end of the line, from the sizes on. */
static char *put_sizes(char *at, const struct nj_message *m, bool headers)
{
    if (headers) {
        at = put_text(at, m->hdr_digits);
    }
    if (headers || m->hdr_len == 0) {
        at = put(at, m->size_digits.ptr, m->size_digits.len);
    } else {
        at = put_number(at, m->size - m->hdr_len);
    }
    return put(at, "\r\n", 2);
}

/* "MSG subject sid [reply] size\r\n" or its HMSG form; returns its end. */
static char *put_line(char *at, const struct nj_message *m, const struct nj_sub *sub, bool headers)
{
    at = headers ? put(at, "HMSG ", 5) : put(at, "MSG ", 4);
    at = put_text(at, m->subject);
    at = put_text(at, (struct nj_text){ nj_sub_sid(sub), sub->sid_len });
    if (m->reply.len > 0) {
        at = put_text(at, m->reply);
    }
    return put_sizes(at, m, headers);
}

/* The fixed parts of the line; NULL when they are too long to be kept. */
static const struct nj_message_line *line_of(struct nj_message *m, bool headers)
{
    struct nj_message_line *l = &m->lines[headers];
    if (l->made) {
        return l->fits ? l : NULL;
    }
    l->made = true;
    l->fits = 40 + (size_t) m->subject.len + m->reply.len <= sizeof(l->text);
    if (!l->fits) {
        return NULL;
    }
    char *at = headers ? put(l->text, "HMSG ", 5) : put(l->text, "MSG ", 4);
    at = put_text(at, m->subject);
    l->head_len = (uint16_t) (at - l->text);
    *at++ = ' ';
    if (m->reply.len > 0) {
        at = put_text(at, m->reply);
    }
    at = put_sizes(at, m, headers);
    l->tail_len = (uint16_t) (at - l->text - l->head_len);
    return l;
}

static void append_payload(struct nj_client *c, const struct nj_message *m, size_t off, size_t len)
{
    struct nj_pool *pool = &c->conn.worker->pool;
    if (m->shared != NULL && len >= NJ_REF_MIN) {
        nj_outbox_append_ref(&c->conn.out, pool, m->shared, off, len);
    } else {
        nj_outbox_append(&c->conn.out, pool, m->payload + off, len);
    }
}

static void trace_out(struct nj_client *c, const struct nj_message *m, const char *line,
                      size_t len, uint32_t off)
{
    nj_client_trace_out(c, line, len - 2);
    nj_client_trace_payload(c, "->>", m->payload + off, off > 0 ? 0 : m->hdr_len, m->size - off);
}

/* Line and payload in one piece of the outbox. */
static void append_small(struct nj_client *c, const struct nj_message *m,
                         const struct nj_message_line *l, const struct nj_sub *sub, uint32_t off)
{
    size_t body = (size_t) m->size - off + 2;
    size_t len = (size_t) l->head_len + sub->sid_len + l->tail_len + body;
    char *at = (char *) nj_outbox_reserve(&c->conn.out, &c->conn.worker->pool, len);
    at = put(at, l->text, l->head_len);
    at = put(at, nj_sub_sid(sub), sub->sid_len);
    at = put(at, l->text + l->head_len, l->tail_len);
    (void) put(at, m->payload + off, body);
    nj_outbox_commit(&c->conn.out, len);
}

/* Any size; the line is written for this subscriber alone. */
static void append_large(struct nj_client *c, const struct nj_message *m, const struct nj_sub *sub,
                         bool headers, uint32_t off)
{
    struct nj_outbox *out = &c->conn.out;
    struct nj_pool *pool = &c->conn.worker->pool;
    size_t most = 40 + (size_t) m->subject.len + m->reply.len + sub->sid_len;
    char *spare = most > NJ_PIECE_BIG ? nj_alloc(most) : NULL;
    char *at = spare != NULL ? spare : (char *) nj_outbox_reserve(out, pool, most);
    size_t len = (size_t) (put_line(at, m, sub, headers) - at);
    if (nj_log_on(NJ_LVL_TRC)) {
        trace_out(c, m, at, len, off);
    }
    if (spare != NULL) {
        nj_outbox_append(out, pool, spare, len);
        nj_dealloc(spare);
    } else {
        nj_outbox_commit(out, len);
    }
    append_payload(c, m, off, (size_t) m->size - off + 2);
}

static void append_message(struct nj_client *c, struct nj_message *m, const struct nj_sub *sub)
{
    bool headers = m->hdr_len > 0 && c->headers;
    uint32_t off = headers ? 0 : m->hdr_len;
    const struct nj_message_line *l = line_of(m, headers);
    bool by_reference = m->shared != NULL && m->size - off + 2 >= NJ_REF_MIN;
    if (l != NULL && sub->sid_len <= SID_SMALL && m->size <= COPY_WHOLE && !by_reference &&
        !nj_log_on(NJ_LVL_TRC)) {
        append_small(c, m, l, sub, off);
    } else {
        append_large(c, m, sub, headers, off);
    }
    c->out_msgs++;
    c->out_bytes += m->size - off;
}

static void count_out(struct nj_worker *w, const struct nj_message *m)
{
    struct nj_traffic *t = &nj_hub_worker_of(w)->traffic;
    atomic_store_explicit(&t->out_msgs,
                          atomic_load_explicit(&t->out_msgs, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&t->out_bytes,
                          atomic_load_explicit(&t->out_bytes, memory_order_relaxed) + m->size,
                          memory_order_relaxed);
}

/* The connection is here and open. */
static void deliver_here(struct nj_client *c, struct nj_message *m, struct nj_sub *sub)
{
    append_message(c, m, sub);
    if (c->replies != NULL && m->reply.len > 0) {
        nj_client_note_reply(c, m->reply);
    }
    nj_hub_worker_of(c->conn.worker)->unflushed += m->size;
    count_out(c->conn.worker, m);
    sub->delivered++;
    uint64_t max = atomic_load_explicit(&sub->max, memory_order_relaxed);
    if (max > 0 && sub->delivered >= max) {
        nj_client_sub_done(c, sub);
    }
    c->last_us = c->conn.worker->now_us;
    nj_conn_dirty(&c->conn);
}

/* ---- producer stall ------------------------------------------------------------------------------- */

#define STALL_MIN_US 2000
#define STALL_MAX_US 5000
#define STALL_TOTAL_US 10000

/* A consumer is three quarters full.  False: the message is dropped for it. */
static bool stall(struct nj_delivery *d, const struct nj_sub *sub, uint64_t pending)
{
    struct nj_client *p = d->producer;
    const struct nj_limits *l = &nj_client_serving(p)->limits;
    if (l->no_producer_stall) {
        return false;
    }
    if (p->stall_us >= STALL_TOTAL_US) {
        return true;
    }
    p->stall_us += pending >= l->max_pending ? STALL_MAX_US : STALL_MIN_US;
    p->stall_us = p->stall_us > STALL_TOTAL_US ? STALL_TOTAL_US : p->stall_us;
    p->stall_worker = sub->worker;
    p->stall_slot = sub->slot;
    struct nj_slot *s = nj_slot_at(d->w->set->at[sub->worker], sub->slot);
    (void) atomic_fetch_add_explicit(&s->stalls, 1, memory_order_relaxed);
    (void) atomic_fetch_add_explicit(&p->hub->stalled_clients, 1, memory_order_relaxed);
    return true;
}

static bool room_for(struct nj_delivery *d, const struct nj_slot *s, const struct nj_sub *sub)
{
    if (d->producer == NULL) {
        return true;
    }
    uint64_t most = nj_client_serving(d->producer)->limits.max_pending;
    uint64_t pending = atomic_load_explicit(&s->inflight, memory_order_relaxed) +
                       atomic_load_explicit(&s->queued, memory_order_relaxed);
    return pending <= most / 4 * 3 || stall(d, sub, pending);
}

/* ---- into a batch ----------------------------------------------------------------------------------- */

/* A payload that several will refer to is copied once. */
static struct nj_payload *share(struct nj_delivery *d)
{
    struct nj_message *m = d->msg;
    if (m->shared == NULL && m->size >= NJ_REF_MIN) {
        d->own = nj_payload_new((size_t) m->size + 2);
        memcpy(d->own->bytes, m->payload, (size_t) m->size + 2);
        m->shared = d->own;
        m->payload = d->own->bytes;
    }
    return m->size >= NJ_REF_MIN ? m->shared : NULL;
}

static struct record *record_begin(struct nj_delivery *d, struct nj_batch *b)
{
    const struct nj_message *m = d->msg;
    struct nj_payload *shared = share(d);
    size_t texts = (size_t) m->subject.len + m->reply.len + m->hdr_digits.len + m->size_digits.len;
    size_t body = shared != NULL ? 0 : (size_t) m->size + 2;
    size_t len = sizeof(struct record) + pad8(texts + body);
    char *at = (char *) nj_batch_reserve(b, len);
    struct record *r = (struct record *) (void *) at;
    *r = (struct record){ .len = (uint32_t) len,
                          .subject_len = m->subject.len,
                          .reply_len = m->reply.len,
                          .hdr_len = m->hdr_len,
                          .size = m->size,
                          .hdr_digits_len = (uint8_t) m->hdr_digits.len,
                          .size_digits_len = (uint8_t) m->size_digits.len,
                          .hops = (uint8_t) m->hops,
                          .texts_len = (uint32_t) pad8(texts + body),
                          .from = m->from,
                          .shared = shared };
    at += sizeof(*r);
    at = put(at, m->subject.ptr, m->subject.len);
    if (m->reply.len > 0) {
        at = put(at, m->reply.ptr, m->reply.len);
    }
    if (m->hdr_digits.len > 0) {
        at = put(at, m->hdr_digits.ptr, m->hdr_digits.len);
    }
    at = put(at, m->size_digits.ptr, m->size_digits.len);
    if (shared != NULL) {
        nj_payload_ref(shared);
    } else {
        (void) put(at, m->payload, body);
    }
    return r;
}

static void send_over(struct nj_delivery *d, const struct nj_sub *sub, bool in_queue)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(d->w);
    uint16_t to = sub->worker;
    struct nj_batch *b = nj_batch_open(d->w, to);
    b->item.run = nj_delivery_run_batch;
    if (hw->rec_seq[to] != hw->msg_seq) {
        hw->rec_seq[to] = hw->msg_seq;
        hw->rec_off[to] = b->len;
        (void) record_begin(d, b);
        hw->touched[hw->touched_n++] = to;
    }
    size_t queue_len = in_queue ? sub->queue_len : 0;
    size_t len = sizeof(struct target) + pad8(queue_len);
    struct target *t = (struct target *) (void *) nj_batch_reserve(b, len);
    *t = (struct target){ .slot = sub->slot,
                          .slot_gen = sub->slot_gen,
                          .sub_idx = sub->sub_idx,
                          .sub_gen = sub->sub_gen,
                          .queue_len = (uint32_t) queue_len };
    if (queue_len > 0) {
        memcpy(t->queue, nj_sub_queue(sub), queue_len);
    }
    struct record *r = (struct record *) (void *) (b->bytes + hw->rec_off[to]);
    r->targets_n++;
    r->len += (uint32_t) len;
    struct nj_slot *s = nj_slot_at(d->w->set->at[to], sub->slot);
    (void) atomic_fetch_add_explicit(
        &s->inflight, weight_of(d->msg->subject.len, d->msg->reply.len, d->msg->size),
        memory_order_relaxed);
}

/* ---- one message -------------------------------------------------------------------------------------- */

void nj_delivery_begin(struct nj_delivery *d, struct nj_worker *w, struct nj_message *msg,
                       struct nj_client *producer)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(w);
    *d = (struct nj_delivery){ .w = w, .msg = msg, .producer = producer };
    hw->msg_seq++;
    hw->touched_n = 0;
}

bool nj_delivery_to(void *user, struct nj_sub *sub, bool in_queue)
{
    struct nj_delivery *d = user;
    const struct nj_slot *s = nj_slot_at(d->w->set->at[sub->worker], sub->slot);
    const struct nj_filter *f = atomic_load_explicit(&s->shown, memory_order_acquire);
    if (nj_slot_gen(s) != sub->slot_gen) {
        return false; /* its client has gone */
    }
    if (f != NULL && nj_filter_denies(f, d->w, sub, d->msg->subject)) {
        return false;
    }
    if (!room_for(d, s, sub)) {
        return false;
    }
    if (sub->worker != d->w->id) {
        send_over(d, sub, in_queue);
        return true;
    }
    struct nj_conn *conn = nj_slot_conn(d->w, sub->slot, sub->slot_gen);
    if (conn == NULL || conn->state != NJ_CONN_OPEN) {
        return false;
    }
    deliver_here((struct nj_client *) (void *) conn, d->msg, sub);
    return true;
}

void nj_delivery_end(struct nj_delivery *d)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(d->w);
    bool full = false;
    for (uint16_t i = 0; i < hw->touched_n; i++) {
        struct nj_batch *b = d->w->open[hw->touched[i]];
        full = nj_batch_seal(b, d->msg->size >= NJ_REF_MIN ? d->msg->size : 0) || full;
    }
    hw->touched_n = 0;
    if (full) {
        nj_batch_hand_over(d->w);
    }
    nj_payload_unref(d->own);
}

/* ---- nobody there --------------------------------------------------------------------------------------- */

struct no_responders {
    struct nj_item item;
    uint32_t slot, slot_gen;
    uint32_t subject_len, reply_len;
    char text[]; /* subject, reply */
};

/* The publisher's plain subscription that would have had the answer. */
static const struct nj_sub *reply_sub(struct nj_worker *w, const struct nj_client *c,
                                      struct nj_text reply)
{
    const struct nj_match *m =
        nj_match_cache_get(nj_hub_worker_of(w)->cache, c->account, reply.ptr, reply.len);
    for (uint32_t i = 0; i < m->plain_n; i++) {
        if (m->subs[i]->cid == c->cid) {
            return m->subs[i];
        }
    }
    return NULL;
}

static void answer_503(struct nj_worker *w, struct nj_client *c, struct nj_text subject,
                       struct nj_text reply)
{
    const struct nj_sub *sub = c->no_responders ? reply_sub(w, c, reply) : NULL;
    if (sub == NULL) {
        return;
    }
    struct nj_buf b;
    unsigned n = 32 + subject.len; /* "NATS/1.0 503\r\nNats-Subject: " … "\r\n\r\n" */
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_puts(&b, "HMSG ");
    (void) nj_buf_append(&b, reply.ptr, reply.len);
    (void) nj_buf_printf(&b, " %s %u %u\r\nNATS/1.0 503\r\nNats-Subject: ", nj_sub_sid(sub), n, n);
    (void) nj_buf_append(&b, subject.ptr, subject.len);
    (void) nj_buf_puts(&b, "\r\n\r\n\r\n");
    nj_outbox_append(&c->conn.out, &w->pool, b.ptr, b.len);
    nj_buf_free(&b);
    nj_conn_dirty(&c->conn);
}

static void run_no_responders(struct nj_worker *w, struct nj_item *item)
{
    struct no_responders *n = (struct no_responders *) (void *) item;
    struct nj_conn *conn = nj_slot_conn(w, n->slot, n->slot_gen);
    if (conn != NULL && conn->state == NJ_CONN_OPEN) {
        answer_503(w, (struct nj_client *) (void *) conn,
                   (struct nj_text){ n->text, n->subject_len },
                   (struct nj_text){ n->text + n->subject_len, n->reply_len });
    }
    nj_dealloc(n);
}

void nj_delivery_no_responders(struct nj_worker *w, const struct nj_message *m)
{
    if (!m->from.wants_503) {
        return;
    }
    if (m->from.worker == w->id) {
        struct nj_conn *conn = nj_slot_conn(w, m->from.slot, m->from.slot_gen);
        if (conn != NULL && conn->state == NJ_CONN_OPEN) {
            answer_503(w, (struct nj_client *) (void *) conn, m->subject, m->reply);
        }
        return;
    }
    struct no_responders *n = nj_alloc(sizeof(*n) + m->subject.len + m->reply.len);
    *n = (struct no_responders){ .item = { .run = run_no_responders },
                                 .slot = m->from.slot,
                                 .slot_gen = m->from.slot_gen,
                                 .subject_len = m->subject.len,
                                 .reply_len = m->reply.len };
    memcpy(n->text, m->subject.ptr, m->subject.len);
    memcpy(n->text + m->subject.len, m->reply.ptr, m->reply.len);
    nj_inbox_push(&w->set->at[m->from.worker]->inbox, &n->item);
}

/* ---- out of a batch ----------------------------------------------------------------------------------------- */

/* The chosen member has gone: another one of its group, wherever it is, or "no responders". */
static void hand_on(struct nj_worker *w, struct nj_message *m, const char *queue, size_t queue_len)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(w);
    bool taken = false;
    if (hw->cache == NULL) {
        return; /* this worker has ended, and so have all others: nobody is left to ask or answer */
    }
    if (m->hops < HOPS_MOST) {
        struct nj_message again = *m;
        struct nj_delivery d;
        again.hops++;
        const struct nj_match *match =
            nj_match_cache_get(hw->cache, hw->hub->global, m->subject.ptr, m->subject.len);
        struct nj_route_from from = { m->from.cid, m->from.echo, &w->random };
        nj_delivery_begin(&d, w, &again, NULL);
        struct nj_route_sink sink = { nj_delivery_to, &d };
        taken = nj_route_group(match, queue, queue_len, &from, &sink);
        nj_delivery_end(&d);
    } else {
        nj_log_once_per_second(NJ_LVL_WRN, "A message was dropped: the members of its queue group "
                                           "leave faster than it can be handed on");
    }
    if (!taken) {
        nj_delivery_no_responders(w, m);
    }
}

static bool deliver_target(struct nj_worker *w, const struct target *t, struct nj_message *m)
{
    struct nj_slot *s = nj_slot_at(w, t->slot);
    (void) atomic_fetch_sub_explicit(&s->inflight,
                                     weight_of(m->subject.len, m->reply.len, m->size),
                                     memory_order_relaxed);
    struct nj_conn *conn = nj_slot_conn(w, t->slot, t->slot_gen);
    if (conn == NULL || conn->state != NJ_CONN_OPEN) {
        return false;
    }
    struct nj_client *c = (struct nj_client *) (void *) conn;
    struct nj_sub *sub = nj_client_sub_at(c, t->sub_idx, t->sub_gen);
    if (sub == NULL) {
        return false;
    }
    uint64_t max = atomic_load_explicit(&sub->max, memory_order_relaxed);
    if (max > 0 && sub->delivered >= max) {
        return false;
    }
    deliver_here(c, m, sub);
    return true;
}

static void read_record(struct record *r, struct nj_message *m)
{
    const char *at = (const char *) (r + 1);
    m->hdr_len = r->hdr_len;
    m->size = r->size;
    m->shared = r->shared;
    m->from = r->from;
    m->hops = r->hops;
    m->lines[0].made = m->lines[1].made = false; /* their text need not be cleared */
    m->subject = (struct nj_text){ at, r->subject_len };
    at += r->subject_len;
    m->reply = (struct nj_text){ at, r->reply_len };
    at += r->reply_len;
    m->hdr_digits = (struct nj_text){ at, r->hdr_digits_len };
    at += r->hdr_digits_len;
    m->size_digits = (struct nj_text){ at, r->size_digits_len };
    at += r->size_digits_len;
    m->payload = r->shared != NULL ? r->shared->bytes : (const uint8_t *) at;
}

static void run_record(struct nj_worker *w, struct record *r)
{
    struct nj_message m;
    read_record(r, &m);
    const char *at = (const char *) (r + 1) + r->texts_len;
    for (uint32_t i = 0; i < r->targets_n; i++) {
        const struct target *t = (const struct target *) (const void *) at;
        if (!deliver_target(w, t, &m) && t->queue_len > 0) {
            hand_on(w, &m, t->queue, t->queue_len);
        }
        at += sizeof(*t) + pad8(t->queue_len);
    }
    nj_payload_unref(r->shared);
}

void nj_delivery_remove_done(struct nj_worker *w)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(w);
    while (hw->with_done != NULL) {
        struct nj_client *c = hw->with_done;
        hw->with_done = c->next_with_done;
        nj_client_remove_finished(c);
    }
}

void nj_delivery_run_batch(struct nj_worker *w, struct nj_item *item)
{
    struct nj_batch *b = (struct nj_batch *) (void *) item;
    nj_batch_await(w, b);
    nj_message_scope_enter();
    for (size_t off = 0; off < b->len;) {
        struct record *r = (struct record *) (void *) (b->bytes + off);
        off += r->len;
        run_record(w, r);
    }
    nj_message_scope_leave();
    nj_batch_send_home(w, b);
    nj_delivery_remove_done(w);
}
