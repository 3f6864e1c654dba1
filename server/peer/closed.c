#include "peer/closed.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "broker/account.h"
#include "peer/client.h"

struct nj_closed_ring {
    pthread_mutex_t mu;
    struct nj_closed *at; /* under mu */
    size_t most;          /* immutable after start */
    size_t first, n, cap; /* under mu */
};

struct nj_closed_ring *nj_closed_ring_new(size_t most)
{
    struct nj_closed_ring *r = nj_zalloc(sizeof(*r));
    (void) pthread_mutex_init(&r->mu, NULL);
    r->most = most;
    return r;
}

static void clear(struct nj_closed *e)
{
    nj_dealloc(e->ip);
    nj_dealloc(e->name);
    nj_dealloc(e->lang);
    nj_dealloc(e->version);
    nj_dealloc(e->user);
    nj_dealloc(e->account);
}

void nj_closed_ring_free(struct nj_closed_ring **rp)
{
    struct nj_closed_ring *r = *rp;
    if (r == NULL) {
        return;
    }
    *rp = NULL;
    for (size_t i = 0; i < r->n; i++) {
        clear(&r->at[(r->first + i) % r->cap]);
    }
    nj_dealloc(r->at);
    (void) pthread_mutex_destroy(&r->mu);
    nj_dealloc(r);
}

static char *dup_or_null(const char *s)
{
    return s != NULL ? nj_strdup(s) : NULL;
}

static void fill(struct nj_closed *e, struct nj_client *c)
{
    int64_t now_us = nj_mono_us();
    *e = (struct nj_closed){ .cid = c->cid,
                             .ip = nj_strdup(c->ip),
                             .port = c->port,
                             .name = dup_or_null(c->name),
                             .lang = dup_or_null(c->lang),
                             .version = dup_or_null(c->version),
                             .user = c->by_token ? nj_strdup("[REDACTED]") : dup_or_null(c->user),
                             .account = nj_strdup(c->account->name),
                             .start_ns = c->start_ns,
                             .stop_ns = nj_wall_ns(),
                             .rtt_ns = c->rtt_ns,
                             .reason = nj_close_words(c->reason)->reason,
                             .in_msgs = c->in_msgs,
                             .in_bytes = c->in_bytes,
                             .out_msgs = c->out_msgs,
                             .out_bytes = c->out_bytes,
                             .subs = c->subs.count,
                             .tls_version = c->tls_version,
                             .tls_suite = c->tls_suite,
                             .tls_first = c->tls_first };
    e->last_ns = e->stop_ns - (now_us - c->last_us) * 1000;
}

/* A place for the newest; grows up to the limit, then the oldest goes. */
static struct nj_closed *place(struct nj_closed_ring *r)
{
    if (r->n == r->most) {
        struct nj_closed *e = &r->at[r->first];
        clear(e);
        r->first = (r->first + 1) % r->cap;
        r->n--;
    } else if (r->n == r->cap) { /* never wraps before it is full */
        r->cap = r->cap == 0 ? 16 : r->cap * 2;
        r->cap = r->cap > r->most ? r->most : r->cap;
        r->at = nj_realloc(r->at, r->cap * sizeof(struct nj_closed));
    }
    return &r->at[(r->first + r->n++) % r->cap];
}

void nj_closed_ring_add(struct nj_closed_ring *r, struct nj_client *c)
{
    struct nj_closed e;
    if (r->most == 0) {
        return;
    }
    fill(&e, c);
    nj_lock(&r->mu);
    *place(r) = e;
    nj_unlock(&r->mu);
}

size_t nj_closed_ring_each(struct nj_closed_ring *r,
                           void (*fn)(void *arg, const struct nj_closed *e), void *arg)
{
    nj_lock(&r->mu);
    size_t n = r->n;
    for (size_t i = 0; fn != NULL && i < n; i++) {
        fn(arg, &r->at[(r->first + i) % r->cap]);
    }
    nj_unlock(&r->mu);
    return n;
}
