#include "peer/hub.h"

#include <stdint.h>
#include <unistd.h>

#include "base/alloc.h"
#include "broker/match_cache.h"
#include "broker/verdict_cache.h"
#include "io/conn.h"
#include "peer/client.h"
#include "peer/leaving.h"
#include "plugin/registry.h"

#define CACHE_PLACES 8192
#define CACHE_BYTES ((size_t) 16 << 20)

void nj_hub_worker_start(struct nj_worker *w, void *arg)
{
    struct nj_hub *hub = arg;
    struct nj_hub_worker *hw = &hub->per_worker[w->id];
    w->user = hw;
    hw->hub = hub;
    hw->serving = nj_serving_ref(hub->serving);
    hw->cache = nj_match_cache_new(hub->no_cache ? 0 : CACHE_PLACES, CACHE_BYTES);
    hw->verdicts = nj_verdict_cache_new();
    hw->rec_seq = nj_calloc(w->set->n, sizeof(hw->rec_seq[0]));
    hw->rec_off = nj_calloc(w->set->n, sizeof(hw->rec_off[0]));
    hw->touched = nj_calloc(w->set->n, sizeof(hw->touched[0]));
    nj_buf_init(&hw->scratch, SIZE_MAX);
    nj_registry_thread_attach(hub->registry);
}

bool nj_hub_worker_later(struct nj_worker *w)
{
    nj_hub_worker_of(w)->unflushed = 0;
    return nj_leaving_some(w);
}

void nj_hub_worker_stop(struct nj_worker *w, void *arg)
{
    struct nj_hub *hub = arg;
    struct nj_hub_worker *hw = &hub->per_worker[w->id];
    nj_leaving_all(w);
    nj_serving_unref(&hw->serving);
    nj_match_cache_free(&hw->cache);
    nj_verdict_cache_free(&hw->verdicts);
    nj_dealloc(hw->rec_seq);
    nj_dealloc(hw->rec_off);
    nj_dealloc(hw->touched);
    nj_buf_free(&hw->scratch);
    nj_registry_thread_detach(hub->registry);
}

struct adoption {
    struct nj_item item;
    struct nj_hub *hub;
    int fd;
};

static void run_adoption(struct nj_worker *w, struct nj_item *item)
{
    struct adoption *a = (struct adoption *) (void *) item;
    if (w->stopping) {
        (void) close(a->fd);
    } else {
        (void) nj_client_new(a->hub, w, a->fd);
    }
    nj_dealloc(a);
}

void nj_hub_adopt(struct nj_hub *hub, struct nj_worker *w, int fd)
{
    struct adoption *a = nj_zalloc(sizeof(*a));
    a->item.run = run_adoption;
    a->hub = hub;
    a->fd = fd;
    nj_inbox_push(&w->inbox, &a->item);
}

void nj_hub_each(struct nj_worker *w, void (*fn)(struct nj_client *c, void *arg), void *arg)
{
    for (uint32_t i = 0; i < w->slots_n; i++) {
        struct nj_conn *conn = nj_slot_at(w, i)->conn;
        if (conn != NULL && conn->ops == &nj_client_ops) {
            fn((struct nj_client *) (void *) conn, arg);
        }
    }
}

static void close_one(struct nj_client *c, void *arg)
{
    const enum nj_close_reason *reason = arg;
    nj_client_close(c, *reason);
}

void nj_hub_close_all(struct nj_worker *w, enum nj_close_reason reason)
{
    nj_hub_each(w, close_one, &reason);
}

/* ---- a reload ------------------------------------------------------------------------------------ */

/* The limits that a connection has a copy of.  The rest is looked up where it is needed. */
static void obey(struct nj_client *c, void *arg)
{
    const struct nj_limits *l = arg;
    c->parser.max_control_line = l->max_control_line;
    c->parser.max_payload = l->max_payload;
    c->conn.write_deadline_us = l->write_deadline_us;
}

static bool must_copy(const struct nj_limits *was, const struct nj_limits *is)
{
    return was->max_control_line != is->max_control_line || was->max_payload != is->max_payload ||
           was->write_deadline_us != is->write_deadline_us;
}

static void take_serving(struct nj_worker *w, void *arg)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(w);
    struct nj_serving *old = hw->serving;
    struct nj_serving *serving = arg;
    hw->serving = nj_serving_ref(serving);
    if (must_copy(&old->limits, &serving->limits)) {
        nj_hub_each(w, obey, &serving->limits);
    }
    nj_serving_unref(&old);
}

void nj_hub_serve(struct nj_hub *hub, struct nj_serving *serving)
{
    struct nj_serving *old = hub->serving;
    hub->serving = serving;
    nj_workers_call_all(hub->workers, take_serving, serving);
    nj_serving_unref(&old);
}
