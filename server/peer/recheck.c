#include "peer/recheck.h"

#include <stdatomic.h>
#include <stddef.h>

#include "auth/auth.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "broker/account.h"
#include "peer/client.h"

/* ---- too many ------------------------------------------------------------------------------------- */

/* By worker id: how many clients it has, and how many of them are to go. */
struct excess {
    int64_t *have;
    int64_t *leave;
};

static void count_open(struct nj_client *c, void *arg)
{
    int64_t *n = arg;
    *n += nj_client_is_open(c) ? 1 : 0;
}

static void count_clients(struct nj_worker *w, void *arg)
{
    const struct excess *e = arg;
    nj_hub_each(w, count_open, &e->have[w->id]);
}

struct crowd {
    struct nj_client **at;
    size_t n;
};

static void gather_open(struct nj_client *c, void *arg)
{
    struct crowd *crowd = arg;
    if (nj_client_is_open(c)) {
        crowd->at[crowd->n++] = c;
    }
}

/* Thousands may go at once: one of them is named in a second. */
static void send_away(struct nj_client *c)
{
    if (nj_log_once_allowed("maximum connections exceeded", nj_mono_us() / 1000)) {
        nj_client_log(c, NJ_LVL_ERR, "maximum connections exceeded - Account:%s", c->account->name);
    }
    nj_client_close(c, NJ_CLOSE_MAX_CONNECTIONS);
}

/* The first of a shuffle that ends once enough were drawn. */
static void close_some(struct nj_worker *w, void *arg)
{
    const struct excess *e = arg;
    size_t leave = (size_t) e->leave[w->id];
    struct crowd crowd = { 0 };
    if (leave == 0) {
        return;
    }
    crowd.at = nj_calloc(w->conns_n, sizeof(crowd.at[0]));
    nj_hub_each(w, gather_open, &crowd);
    leave = leave < crowd.n ? leave : crowd.n;
    for (size_t i = 0; i < leave; i++) {
        size_t other = i + nj_fast_random(&w->random) % (crowd.n - i);
        struct nj_client *drawn = crowd.at[other];
        crowd.at[other] = crowd.at[i];
        send_away(drawn);
    }
    nj_dealloc(crowd.at);
}

/* Draw `n` of all clients without putting one back, and note whose they are. */
static void draw(const struct nj_hub *hub, const struct excess *e, int64_t n, int64_t total)
{
    uint64_t random;
    nj_seed(&random, sizeof(random));
    random |= 1;
    for (; n > 0; n--, total--) {
        int64_t at = (int64_t) (nj_fast_random(&random) % (uint64_t) total);
        for (uint16_t i = 0; i < hub->workers->n; i++) {
            int64_t left = e->have[i] - e->leave[i];
            if (at < left) {
                e->leave[i]++;
                break;
            }
            at -= left;
        }
    }
}

int64_t nj_hub_close_excess(struct nj_hub *hub, int64_t most)
{
    struct excess e = { .have = nj_calloc(hub->workers->n, sizeof(int64_t)),
                        .leave = nj_calloc(hub->workers->n, sizeof(int64_t)) };
    int64_t total = 0;
    nj_workers_call_all(hub->workers, count_clients, &e);
    for (uint16_t i = 0; i < hub->workers->n; i++) {
        total += e.have[i];
    }
    int64_t n = total - (most > 0 ? most : 0);
    if (n > 0) {
        draw(hub, &e, n, total);
        nj_workers_call_all(hub->workers, close_some, &e);
    }
    nj_dealloc(e.have);
    nj_dealloc(e.leave);
    return n > 0 ? n : 0;
}

/* ---- credentials ------------------------------------------------------------------------------------ */

/* Its certificate may stand for another user now.  That one's password was never sent, so it must
 * be the one that the client knew.  False: it was closed. */
static bool map_again(struct nj_client *c, struct nj_user **user)
{
    if (!c->has_cert_name || !nj_client_is_mapped(c)) {
        return true;
    }
    struct nj_user *mapped = nj_client_map(c);
    if (mapped == NULL || !nj_user_same_password(mapped, *user)) {
        nj_client_denied(c);
        return false;
    }
    *user = mapped;
    return true;
}

/* It was let in.  Is it still welcome? */
static void recheck_admitted(struct nj_client *c, struct nj_auth *now)
{
    const struct nj_admission was = { c->auth, c->admitted, c->user, NJ_TYPE_STANDARD };
    struct nj_user *user = NULL;
    switch (nj_auth_recheck(&was, now, &user)) {
    case NJ_RECHECK_GONE:
        nj_client_close_silently(c, NJ_CLOSE_AUTH_VIOLATION);
        break;
    case NJ_RECHECK_REFUSED:
        nj_client_denied(c);
        break;
    default:
        if (map_again(c, &user)) {
            nj_client_renew_user(c, now, user);
            if (c->has_cert_name) {
                nj_client_make_label(c); /* the name may be another one */
            }
        }
        break;
    }
}

/* It was told that nobody asks for credentials, or that somebody does. */
static void recheck_newcomer(struct nj_client *c, const struct nj_serving *now)
{
    bool required = nj_serving_auth_required(now);
    bool silently = now->mappers == NULL && nj_auth_no_auth_user(now->auth) != NULL;
    if (c->phase == NJ_PHASE_READY && required && !c->must_auth && !silently) {
        nj_client_denied(c);
        return;
    }
    c->must_auth = required;
    if (!required && c->waits_for == NJ_WAIT_AUTH) {
        nj_client_stop_wait(c);
    }
}

static void recheck_credentials(struct nj_client *c, void *arg)
{
    const struct nj_serving *now = nj_client_serving(c);
    (void) arg;
    if (!nj_client_is_open(c) || c->hash != NULL || c->mapping != NULL) {
        return; /* whoever waits for a hash or a mapper is asked again when the answer comes */
    }
    if (c->auth != NULL && now->mappers != NULL && c->admitted == NULL &&
        !nj_auth_required(c->auth)) {
        nj_client_denied(c); /* nobody was asked about it, and now there is somebody to ask */
    } else if (c->auth != NULL) {
        recheck_admitted(c, now->auth);
    } else if (!c->got_connect) {
        recheck_newcomer(c, now);
    }
}

static void recheck_credentials_here(struct nj_worker *w, void *arg)
{
    nj_hub_each(w, recheck_credentials, arg);
}

void nj_hub_recheck_credentials(struct nj_hub *hub)
{
    nj_workers_call_all(hub->workers, recheck_credentials_here, NULL);
}

/* ---- pins ------------------------------------------------------------------------------------------- */

static void recheck_pins(struct nj_client *c, void *arg)
{
    _Atomic int64_t *closed = arg;
    if (!nj_client_is_open(c) || c->phase != NJ_PHASE_READY || nj_client_fits_pins(c)) {
        return; /* a handshake under way looks at the new pins at its end */
    }
    nj_client_close(c, NJ_CLOSE_TLS_HANDSHAKE);
    (void) atomic_fetch_add_explicit(closed, 1, memory_order_relaxed);
}

static void recheck_pins_here(struct nj_worker *w, void *arg)
{
    nj_hub_each(w, recheck_pins, arg);
}

int64_t nj_hub_recheck_pins(struct nj_hub *hub)
{
    _Atomic int64_t closed = 0;
    nj_workers_call_all(hub->workers, recheck_pins_here, &closed);
    return atomic_load(&closed);
}
