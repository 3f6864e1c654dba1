#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "broker/account.h"
#include "broker/index.h"
#include "broker/sub.h"
#include "broker/subject.h"
#include "peer/client.h"

#define NAME_MOST UINT16_MAX /* struct nj_sub keeps lengths in 16 bits */

struct nj_sub *nj_client_sub_at(struct nj_client *c, uint32_t idx, uint32_t gen)
{
    if (idx >= c->subs.used || nj_sub_table_at(&c->subs, idx)->gen != gen) {
        return NULL;
    }
    return nj_sub_table_at(&c->subs, idx)->sub;
}

/* ---- leaving --------------------------------------------------------------------------------- */

void nj_client_remove_sub(struct nj_client *c, struct nj_sub *s)
{
    if (nj_log_on(NJ_LVL_TRC)) {
        nj_client_log(c, NJ_LVL_TRC, "<-> [DELSUB %s]", nj_sub_sid(s));
    }
    nj_sub_table_remove(&c->subs, s->sub_idx);
    nj_index_remove(c->account->index, s);
    nj_sub_retire(s);
}

void nj_client_sub_done(struct nj_client *c, struct nj_sub *s)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(c->conn.worker);
    if (s->done) {
        return;
    }
    s->done = 1;
    if (c->done_subs == NULL) {
        c->next_with_done = hw->with_done;
        hw->with_done = c;
    }
    s->next_done = c->done_subs;
    c->done_subs = s;
}

void nj_client_remove_finished(struct nj_client *c)
{
    while (c->done_subs != NULL) {
        struct nj_sub *s = c->done_subs;
        c->done_subs = s->next_done;
        nj_client_remove_sub(c, s);
    }
}

void nj_client_drop_subs(struct nj_client *c)
{
    struct nj_sub_table *t = &c->subs;
    c->done_subs = NULL;
    for (uint32_t i = 0; i < t->used; i++) {
        struct nj_sub *s = nj_sub_table_at(t, i)->sub;
        if (s != NULL) {
            nj_client_remove_sub(c, s);
        }
    }
    nj_sub_table_begin_anew(t);
    nj_client_hide_filter(c); /* after them: until then others may deliver to them */
}

/* ---- SUB --------------------------------------------------------------------------------------- */

static void too_many_tokens(struct nj_client *c, struct nj_text subject)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_puts(&b, "Permissions Violation for Subscription to ");
    (void) nj_quote(&b, subject.ptr, subject.len);
    (void) nj_buf_puts(&b, ", too many tokens");
    nj_client_send_err(c, b.ptr);
    nj_buf_free(&b);
}

/* Not even with every permission: servers balance among themselves in this one. */
static bool is_system_queue(struct nj_text queue)
{
    return queue.len == 5 && memcmp(queue.ptr, "_sys_", 5) == 0;
}

static bool may_subscribe(struct nj_client *c, const struct nj_event *ev)
{
    const struct nj_limits *l = &nj_client_serving(c)->limits;
    if (is_system_queue(ev->queue) ||
        (c->perms != NULL && !nj_client_may_subscribe(c, ev->subject, ev->queue))) {
        nj_client_subscribe_violation(c, ev->subject, ev->queue, ev->sid);
        return false;
    }
    if (l->max_sub_tokens > 0 &&
        nj_subject_tokens(ev->subject.ptr, ev->subject.len) > (size_t) l->max_sub_tokens) {
        too_many_tokens(c, ev->subject);
        return false;
    }
    if (l->max_subs > 0 && c->subs.count >= (uint64_t) l->max_subs) {
        nj_client_log(c, NJ_LVL_ERR, "maximum subscriptions exceeded");
        nj_client_send_err(c, "maximum subscriptions exceeded");
        return false;
    }
    return true;
}

static void add_sub(struct nj_client *c, const struct nj_event *ev)
{
    struct nj_sub *s = nj_sub_new(ev->subject.ptr, ev->subject.len, ev->queue.ptr, ev->queue.len,
                                  ev->sid.ptr, ev->sid.len);
    s->cid = c->cid;
    s->worker = c->conn.worker->id;
    s->slot = c->conn.slot;
    s->slot_gen = c->conn.gen;
    (void) nj_sub_table_add(&c->subs, s);
    nj_index_insert(c->account->index, s);
}

void nj_client_subscribe(struct nj_client *c, const struct nj_event *ev)
{
    if (!may_subscribe(c, ev)) {
        return;
    }
    if (nj_sub_table_find(&c->subs, ev->sid.ptr, ev->sid.len) == NJ_SUB_NONE) {
        if (ev->subject.len > NAME_MOST || ev->queue.len > NAME_MOST || ev->sid.len > NAME_MOST ||
            !nj_subject_valid_pattern(ev->subject.ptr, ev->subject.len)) {
            nj_client_send_err(c, "Invalid Subject");
            return;
        }
        add_sub(c, ev);
    }
    nj_client_send_ok(c);
}

/* ---- UNSUB -------------------------------------------------------------------------------------- */

/* 1 to 9 digits; -1 for anything else, which means "now". */
static int64_t parse_max(struct nj_text t)
{
    int64_t n = 0;
    if (t.len == 0 || t.len > 9) {
        return -1;
    }
    for (uint32_t i = 0; i < t.len; i++) {
        if (t.ptr[i] < '0' || t.ptr[i] > '9') {
            return -1;
        }
        n = n * 10 + (t.ptr[i] - '0');
    }
    return n;
}

/*
 * What was claimed before lies in an inbox or has arrived.  The subscription goes when the maximum
 * has been delivered here, so that a message under way is not lost.
 */
static void limit_sub(struct nj_client *c, struct nj_sub *s, uint32_t max)
{
    atomic_store(&s->max, max);
    if (s->delivered >= max) {
        nj_client_remove_sub(c, s);
    }
}

void nj_client_unsubscribe(struct nj_client *c, const struct nj_event *ev)
{
    uint32_t i = nj_sub_table_find(&c->subs, ev->sid.ptr, ev->sid.len);
    if (i != NJ_SUB_NONE) {
        struct nj_sub *s = nj_sub_table_at(&c->subs, i)->sub;
        int64_t max = parse_max(ev->max);
        if (max > 0) {
            limit_sub(c, s, (uint32_t) max);
        } else {
            nj_client_remove_sub(c, s);
        }
    }
    nj_client_send_ok(c);
}
