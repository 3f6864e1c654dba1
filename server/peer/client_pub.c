#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "broker/account.h"
#include "broker/match_cache.h"
#include "broker/route.h"
#include "broker/subject.h"
#include "io/batch.h"
#include "peer/client.h"
#include "peer/delivery.h"

#define CREDIT_EVERY 32 /* messages between two looks at the credit */
#define FLUSH_AT ((size_t) 4 << 20) /* bytes put into outboxes within a turn */

static bool starts_with(struct nj_text t, const char *prefix)
{
    size_t n = strlen(prefix);
    return t.len >= n && memcmp(t.ptr, prefix, n) == 0;
}

/* With something behind it. */
static bool is_below(struct nj_text t, const char *prefix)
{
    size_t n = strlen(prefix);
    return t.len > n && memcmp(t.ptr, prefix, n) == 0;
}

/* Its permissions, and names that routing keeps for itself. */
static bool may_publish(struct nj_client *c, const struct nj_event *ev)
{
    char first = ev->subject.ptr[0];
    if ((c->perms != NULL && !nj_client_may_publish(c, ev->subject)) ||
        (first == '_' && is_below(ev->subject, "_GR_.")) ||
        (first == '$' &&
         (is_below(ev->subject, "$GR.") || starts_with(ev->subject, "$NRG.")))) {
        nj_client_publish_violation(c, "Publish to", "Subject", ev->subject);
        return false;
    }
    first = ev->reply.len > 0 ? ev->reply.ptr[0] : 'x';
    if ((first == '_' &&
         (starts_with(ev->reply, "_R_.") || is_below(ev->reply, "_GR_."))) ||
        (first == '$' &&
         (is_below(ev->reply, "$JS.ACK.") || is_below(ev->reply, "$GR.")))) {
        nj_client_publish_violation(c, "Publish with Reply of", "Reply", ev->reply);
        return false;
    }
    return true;
}

static void count_in(struct nj_client *c, uint32_t size)
{
    struct nj_traffic *t = &nj_hub_worker_of(c->conn.worker)->traffic;
    c->in_msgs++;
    c->in_bytes += size;
    atomic_store_explicit(&t->in_msgs,
                          atomic_load_explicit(&t->in_msgs, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&t->in_bytes,
                          atomic_load_explicit(&t->in_bytes, memory_order_relaxed) + size,
                          memory_order_relaxed);
}

static void message_from(struct nj_client *c, const struct nj_event *ev, struct nj_message *m)
{
    m->subject = ev->subject;
    m->reply = ev->reply;
    m->hdr_len = ev->hdr_len;
    m->hdr_digits = ev->headers && ev->hdr_len > 0 ? ev->hdr_digits : (struct nj_text){ "", 0 };
    m->size_digits = ev->size_digits;
    m->size = ev->size;
    m->payload = ev->payload;
    m->shared = ev->shared;
    m->hops = 0;
    m->lines[0].made = m->lines[1].made = false;
    m->from = (struct nj_publisher){ .cid = c->cid,
                                     .slot = c->conn.slot,
                                     .slot_gen = c->conn.gen,
                                     .worker = c->conn.worker->id,
                                     .echo = c->echo,
                                     .wants_503 = c->no_responders && ev->reply.len > 0 };
}

/* The way of a message: match, choose, put into outboxes and batches. */
static void route(struct nj_client *c, const struct nj_event *ev)
{
    struct nj_worker *w = c->conn.worker;
    struct nj_message m;
    struct nj_delivery d;
    message_from(c, ev, &m);
    const struct nj_match *match = nj_match_cache_get(nj_hub_worker_of(w)->cache, c->account,
                                                      ev->subject.ptr, ev->subject.len);
    size_t n = 0;
    if (match->total_n > 0) {
        struct nj_route_from from = { c->cid, c->echo, &w->random };
        nj_delivery_begin(&d, w, &m, c);
        struct nj_route_sink sink = { nj_delivery_to, &d };
        n = nj_route(match, &from, &sink);
        nj_delivery_end(&d);
    }
    if (n == 0) {
        nj_delivery_no_responders(w, &m);
    }
}

/* One read that goes to many subscribers fills more memory than a cache holds: write what there is,
 * batches first. */
static void flush_early(struct nj_worker *w)
{
    nj_hub_worker_of(w)->unflushed = 0;
    nj_batch_hand_over(w);
    nj_conn_flush_all(w);
}

void nj_client_publish(struct nj_client *c, const struct nj_event *ev)
{
    c->last_in_us = c->conn.worker->now_us;
    count_in(c, ev->size);
    if (nj_log_on(NJ_LVL_TRC)) {
        nj_client_trace_payload(c, "<<-", ev->payload, ev->hdr_len, ev->size);
    }
    if (c->pedantic && !nj_subject_valid_literal(ev->subject.ptr, ev->subject.len)) {
        nj_client_send_err(c, "Invalid Publish Subject"); /* and it is delivered all the same */
    }
    if (!may_publish(c, ev)) {
        return;
    }
    nj_client_send_ok(c);
    nj_message_scope_enter();
    route(c, ev);
    nj_message_scope_leave();
    struct nj_hub_worker *hw = nj_hub_worker_of(c->conn.worker);
    if (hw->with_done != NULL) {
        nj_delivery_remove_done(c->conn.worker); /* its sid is free for the next operation */
    }
    if (hw->unflushed > FLUSH_AT) {
        flush_early(c->conn.worker);
    }
    if (c->conn.worker->set->n > 1 && ++hw->since_credit >= CREDIT_EVERY) {
        hw->since_credit = 0;
        if (nj_batch_over_credit(c->conn.worker)) {
            nj_conn_pause(&c->conn, NJ_PAUSE_FOR_CREDIT);
        }
    }
}

static void log_stall(struct nj_client *c)
{
    char text[64];
    char line[128];
    (void) snprintf(line, sizeof(line), "%" PRIu64 " stalled", c->cid);
    if (nj_log_once_allowed(line, c->conn.worker->now_us / 1000)) {
        nj_client_log(c, NJ_LVL_WRN, "Producer was stalled for a total of %s",
                      nj_duration_text(c->stall_us * 1000, text, sizeof(text)));
    }
}

bool nj_client_after_messages(struct nj_client *c)
{
    if (c->stall_us > 0 && c->conn.state == NJ_CONN_OPEN) {
        log_stall(c);
    }
    if (c->stall_us > 0 && c->conn.state == NJ_CONN_OPEN && c->hash == NULL) {
        nj_conn_pause(&c->conn, c->conn.worker->now_us + c->stall_us);
    }
    c->stall_us = 0;
    return c->conn.is_paused;
}

/* The consumer that stalled us has caught up. */
bool nj_client_may_resume(struct nj_conn *conn)
{
    const struct nj_client *c = (const struct nj_client *) (const void *) conn;
    struct nj_slot *s = nj_slot_at(conn->worker->set->at[c->stall_worker], c->stall_slot);
    uint64_t pending = atomic_load_explicit(&s->inflight, memory_order_relaxed) +
                       atomic_load_explicit(&s->queued, memory_order_relaxed);
    return pending <= nj_client_serving(c)->limits.max_pending / 4 * 3;
}
