#include "peer/closed.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/text_fifo.h"
#include "broker/account.h"
#include "peer/client.h"

struct nj_closed_ring {
    pthread_mutex_t mu;
    struct nj_closed *at; /* under mu */
    size_t most;          /* immutable after start */
    size_t first, n, cap; /* under mu */
    struct nj_text_fifo texts; /* under mu: a piece for each entry */
};

struct nj_closed_ring *nj_closed_ring_new(size_t most)
{
    struct nj_closed_ring *r = nj_zalloc(sizeof(*r));
    (void) pthread_mutex_init(&r->mu, NULL);
    r->most = most;
    return r;
}

void nj_closed_ring_free(struct nj_closed_ring **rp)
{
    struct nj_closed_ring *r = *rp;
    if (r == NULL) {
        return;
    }
    *rp = NULL;
    nj_text_fifo_free(&r->texts);
    nj_dealloc(r->at);
    (void) pthread_mutex_destroy(&r->mu);
    nj_dealloc(r);
}

/* ---- the texts of an entry, one behind the other ------------------------------------------------ */

enum { TEXTS = 6 };

static void point_at(struct nj_closed *e, const char **slots[TEXTS])
{
    slots[0] = &e->ip;
    slots[1] = &e->name;
    slots[2] = &e->lang;
    slots[3] = &e->version;
    slots[4] = &e->user;
    slots[5] = &e->account;
}

/* Until here e borrows its texts from the client. */
static void keep_texts(struct nj_text_fifo *f, struct nj_closed *e)
{
    const char **slots[TEXTS];
    size_t len[TEXTS];
    size_t all = 0;
    point_at(e, slots);
    for (int i = 0; i < TEXTS; i++) {
        len[i] = *slots[i] != NULL ? strlen(*slots[i]) + 1 : 0;
        all += len[i];
    }
    char *p = nj_text_fifo_add(f, all);
    for (int i = 0; i < TEXTS; i++) {
        if (*slots[i] != NULL) {
            memcpy(p, *slots[i], len[i]);
            *slots[i] = p;
            p += len[i];
        }
    }
}

static void fill(struct nj_closed *e, struct nj_client *c)
{
    int64_t now_us = nj_mono_us();
    *e = (struct nj_closed){ .cid = c->cid,
                             .ip = c->ip,
                             .port = c->port,
                             .name = c->name,
                             .lang = c->lang,
                             .version = c->version,
                             .user = nj_client_authorized_user(c),
                             .account = c->account->name,
                             .start_ns = c->start_ns,
                             .stop_ns = nj_wall_ns(),
                             .rtt_ns = c->rtt_ns,
                             .reason = nj_close_words(c->reason)->reason,
                             .in_msgs = c->in_msgs,
                             .in_bytes = c->in_bytes,
                             .out_msgs = c->out_msgs,
                             .out_bytes = c->out_bytes,
                             .subs = c->subs_at_close,
                             .tls_version = c->tls_version,
                             .tls_suite = c->tls_suite,
                             .tls_first = c->tls_first,
                             .by_nkey = nj_client_is_nkey_user(c) };
    e->last_ns = e->stop_ns - (now_us - c->last_us) * 1000;
}

/* A place for the newest; grows up to the limit, then the oldest goes. */
static struct nj_closed *place(struct nj_closed_ring *r)
{
    if (r->n == r->most) {
        nj_text_fifo_drop(&r->texts);
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
    struct nj_closed *at = place(r); /* before the texts: it drops the oldest */
    keep_texts(&r->texts, &e);
    *at = e;
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
