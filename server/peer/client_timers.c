#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "peer/client.h"
#include "peer/client_mapper.h"

#define FIRST_PING_US INT64_C(2000000)
#define RTT_OLD_US INT64_C(3600000000)
#define NEVER_S INT64_C(3153600000) /* a hundred years */

/* ---- pings --------------------------------------------------------------------------------------- */

static void send_ping(struct nj_client *c)
{
    c->ping_sent_us = nj_mono_us();
    c->pings_out++;
    if (nj_log_on(NJ_LVL_TRC)) {
        nj_client_trace_out(c, "PING", 4);
    }
    nj_client_send(c, "PING\r\n");
}

static void stale(struct nj_client *c)
{
    nj_client_debug(c, "Stale Client Connection - Closing");
    (void) atomic_fetch_add_explicit(&c->hub->stale_connections, 1, memory_order_relaxed);
    nj_client_close(c, NJ_CLOSE_STALE);
}

static void on_ping(struct nj_timer *t, void *arg)
{
    struct nj_client *c = arg;
    struct nj_worker *w = c->conn.worker;
    int64_t interval = nj_client_serving(c)->limits.ping_interval_us;
    (void) t;
    nj_client_debug(c, "Client Ping Timer");
    if (c->conn.is_paused || c->mapping != NULL || c->hash != NULL) {
        nj_timer_start(&w->timers, &c->ping_timer, w->now_us + interval);
        return; /* it cannot answer what is not read: its timers pause with it */
    }
    bool heard = c->last_in_us != 0 && w->now_us - c->last_in_us < interval;
    bool rtt_known = c->rtt_ns != 0 && w->now_us - c->rtt_at_us < RTT_OLD_US;
    if (heard && rtt_known) {
        char ago[64];
        nj_client_debug(c, "Delaying PING due to remote client data or ping %s ago",
                        nj_duration_text((w->now_us - c->last_in_us) / 1000000 * 1000000000, ago,
                                         sizeof(ago)));
    } else if (c->pings_out + 1 > nj_client_serving(c)->limits.ping_max) {
        stale(c);
        return;
    } else {
        send_ping(c);
    }
    nj_timer_start(&w->timers, &c->ping_timer, w->now_us + interval);
}

void nj_client_start_ping_timer(struct nj_client *c)
{
    c->ping_timer.fn = on_ping;
    c->ping_timer.arg = c;
    nj_timer_start(&c->conn.worker->timers, &c->ping_timer,
                   c->conn.worker->now_us + nj_client_serving(c)->limits.ping_interval_us);
}

/* The first one comes early, for the round-trip time, and not from all clients at once. */
void nj_client_ping_after_connect(struct nj_client *c)
{
    struct nj_worker *w = c->conn.worker;
    int64_t us = nj_client_serving(c)->limits.ping_interval_us;
    us = us > FIRST_PING_US ? FIRST_PING_US : us;
    us += us * (int64_t) (nj_fast_random(&w->random) % 1000) / 5000;
    nj_timer_start(&w->timers, &c->ping_timer, w->now_us + us);
}

/* Until the first PONG: the time from accepting to CONNECT. */
void nj_client_estimate_rtt(struct nj_client *c)
{
    int64_t us = nj_mono_us() - c->start_us;
    c->rtt_ns = us > 0 ? us * 1000 : 1;
    c->rtt_at_us = c->conn.worker->now_us;
}

void nj_client_got_pong(struct nj_client *c)
{
    /* The peer may send PONG before our PING left: count, do not compare. */
    c->pings_out = 0;
    if (c->ping_sent_us != 0) {
        c->rtt_ns = (nj_mono_us() - c->ping_sent_us) * 1000;
        c->rtt_ns = c->rtt_ns > 0 ? c->rtt_ns : 1;
        c->rtt_at_us = c->conn.worker->now_us;
    }
}

/* ---- waiting for the peer ---------------------------------------------------------------------------- */

static void on_wait(struct nj_timer *t, void *arg)
{
    struct nj_client *c = arg;
    int what = c->waits_for;
    (void) t;
    c->waits_for = NJ_WAIT_NONE;
    switch (what) {
    case NJ_WAIT_SNIFF:
        nj_client_sniff_timeout(c);
        break;
    case NJ_WAIT_TLS:
        nj_client_tls_timeout(c);
        break;
    case NJ_WAIT_AUTH:
        nj_client_debug(c, "Authentication Timeout");
        nj_client_close(c, NJ_CLOSE_AUTH_TIMEOUT);
        break;
    case NJ_WAIT_HASH:
        nj_client_hash_timeout(c);
        break;
    case NJ_WAIT_MAPPER:
        nj_client_mapper_timeout(c);
        break;
    default:
        break;
    }
}

void nj_client_wait(struct nj_client *c, int what, int64_t us)
{
    c->waits_for = what;
    c->wait_timer.fn = on_wait;
    c->wait_timer.arg = c;
    nj_timer_start(&c->conn.worker->timers, &c->wait_timer, c->conn.worker->now_us + us);
}

void nj_client_stop_wait(struct nj_client *c)
{
    c->waits_for = NJ_WAIT_NONE;
    nj_timer_stop(&c->conn.worker->timers, &c->wait_timer);
}

void nj_client_wait_for_auth(struct nj_client *c)
{
    c->auth_until_us = c->conn.worker->now_us + nj_client_serving(c)->limits.auth_timeout_us;
    if (c->must_auth) {
        nj_client_wait(c, NJ_WAIT_AUTH, nj_client_serving(c)->limits.auth_timeout_us);
    }
}

/* ---- the end of what a mapper allowed ------------------------------------------------------------------ */

static void on_expired(struct nj_timer *t, void *arg)
{
    struct nj_client *c = arg;
    (void) t;
    nj_client_debug(c, "User Authentication Expired");
    nj_client_close(c, NJ_CLOSE_AUTH_EXPIRED);
}

void nj_client_expire_at(struct nj_client *c, int64_t time_s)
{
    struct nj_worker *w = c->conn.worker;
    int64_t now_s = nj_wall_ns() / 1000000000;
    nj_timer_stop(&w->timers, &c->expire_timer);
    if (time_s == 0 || !nj_client_is_open(c)) {
        return;
    }
    int64_t left_s = time_s - now_s;
    left_s = left_s > NEVER_S ? NEVER_S : left_s;
    c->expire_timer.fn = on_expired;
    c->expire_timer.arg = c;
    nj_timer_start(&w->timers, &c->expire_timer, w->now_us + (left_s > 0 ? left_s : 0) * 1000000);
}
