#include "ops/control.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "auth/mappers.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/trim.h"
#include "io/listener.h"
#include "io/worker.h"
#include "ops/facts.h"
#include "ops/monitor.h"
#include "ops/options.h"
#include "ops/reload.h"
#include "peer/client.h"
#include "tls/contexts.h"

#define STOP_TICK_MS 2
#define DUCK_GAP_MOST_MS 1000
#define THROTTLED_EVERY_MS 1000
#define TICKETS_LOOK_MS 60000

enum phase { PHASE_SERVING, PHASE_GRACE, PHASE_CLOSING, PHASE_STOPPING };

#define SIGNALS 5
static const int caught[SIGNALS] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

struct nj_control {
    struct nj_control_config c;
    uv_signal_t signals[SIGNALS];
    uv_timer_t timer;
    uv_timer_t trim;
    uv_timer_t tickets;   /* their secrets change */
    uv_async_t stop;      /* from other threads */
    uv_timer_t throttled; /* says how many handshakes were refused */
    enum phase phase;
    bool monitor_closed;
    int64_t duck_left;     /* clients still to be closed */
    int64_t duck_until_us; /* when the last one should be gone */
    uint64_t random;
};

/* ---- stopping -------------------------------------------------------------------------------------- */

static void stop_listening(struct nj_worker *w, void *arg)
{
    (void) w;
    nj_listener_stop(arg);
}

static void close_clients(struct nj_worker *w, void *arg)
{
    (void) arg;
    nj_hub_close_all(w, NJ_CLOSE_SERVER_SHUTDOWN);
}

static void close_handles(struct nj_control *c)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_close((uv_handle_t *) &c->signals[i], NULL);
        if (caught[i] != SIGINT) { /* that one still ends an end that takes too long */
            (void) signal(caught[i], SIG_IGN);
        }
    }
    uv_close((uv_handle_t *) &c->timer, NULL);
    uv_close((uv_handle_t *) &c->trim, NULL);
    uv_close((uv_handle_t *) &c->throttled, NULL);
    uv_close((uv_handle_t *) &c->tickets, NULL);
    uv_close((uv_handle_t *) &c->stop, NULL);
    nj_facts_close(c->c.facts);
}

static void on_monitor_closed(void *arg)
{
    close_handles(arg);
}

/* Clients flush what they have, within their write deadline; the monitoring port goes last. */
static void on_stop_tick(uv_timer_t *t)
{
    struct nj_control *c = t->data;
    if (atomic_load_explicit(&c->c.hub->connections, memory_order_relaxed) > 0) {
        for (uint16_t i = 0; i < c->c.hub->workers->n; i++) {
            nj_worker_call(c->c.hub->workers->at[i], close_clients, NULL); /* late arrivals too */
        }
        return;
    }
    (void) uv_timer_stop(t);
    if (c->monitor_closed) {
        return;
    }
    c->monitor_closed = true;
    if (c->c.monitor != NULL) {
        nj_monitor_close(&c->c.monitor, on_monitor_closed, c);
    } else {
        close_handles(c);
    }
}

static void begin_stop(struct nj_control *c)
{
    if (c->phase == PHASE_STOPPING) {
        return;
    }
    c->phase = PHASE_STOPPING;
    nj_log_info("Initiating Shutdown...");
    nj_facts_set_listening(c->c.facts, 0, 0);
    struct nj_workers *ws = c->c.hub->workers;
    nj_worker_call(ws->at[0], stop_listening, c->c.listener);
    for (uint16_t i = 0; i < ws->n; i++) {
        nj_worker_call(ws->at[i], close_clients, NULL);
    }
    (void) uv_timer_start(&c->timer, on_stop_tick, STOP_TICK_MS, STOP_TICK_MS);
}

/* ---- lame duck ---------------------------------------------------------------------------------------- */

static void tell_lame_duck(struct nj_client *client, void *arg)
{
    (void) arg;
    if (nj_client_is_open(client) && client->protocol >= 1 && client->first_pong_sent) {
        nj_client_send_info(client, NJ_INFO_LAME_DUCK);
    }
}

static void tell_clients(struct nj_worker *w, void *arg)
{
    nj_hub_each(w, tell_lame_duck, arg);
}

/* One client of this worker, from a random place on; when it has none, the next worker's. */
static void close_any(struct nj_worker *w, void *arg)
{
    uint32_t start = w->slots_n > 0 ? nj_fast_random(&w->random) % w->slots_n : 0;
    uintptr_t tries = (uintptr_t) arg;
    for (uint32_t i = 0; i < w->slots_n; i++) {
        struct nj_conn *conn = nj_slot_at(w, (start + i) % w->slots_n)->conn;
        if (conn != NULL && conn->state == NJ_CONN_OPEN && conn->ops == &nj_client_ops) {
            nj_client_close((struct nj_client *) (void *) conn, NJ_CLOSE_SERVER_SHUTDOWN);
            return;
        }
    }
    if (tries < w->set->n) {
        nj_worker_call(w->set->at[(w->id + 1) % w->set->n], close_any, (void *) (tries + 1));
    }
}

static void on_duck_tick(uv_timer_t *t);

/* The rest of the time is shared by the rest of the clients. */
static void next_duck_tick(struct nj_control *c)
{
    int64_t left_ms = (c->duck_until_us - nj_mono_us()) / 1000;
    int64_t gap = c->duck_left > 0 && left_ms > 0 ? left_ms / c->duck_left : 0;
    gap = gap > DUCK_GAP_MOST_MS ? DUCK_GAP_MOST_MS : gap;
    if (gap > 1) {
        gap = gap / 2 + (int64_t) (nj_fast_random(&c->random) % (uint32_t) (gap - gap / 2 + 1));
    }
    (void) uv_timer_start(&c->timer, on_duck_tick, gap > 0 ? (uint64_t) gap : 1, 0);
}

/* How many go in this tick: more than one when there are more clients than milliseconds. */
static int64_t ducks_now(const struct nj_control *c)
{
    int64_t left_ms = (c->duck_until_us - nj_mono_us()) / 1000;
    if (left_ms <= 0) {
        return c->duck_left;
    }
    return c->duck_left / left_ms > 1 ? c->duck_left / left_ms : 1;
}

static void on_duck_tick(uv_timer_t *t)
{
    struct nj_control *c = t->data;
    struct nj_workers *ws = c->c.hub->workers;
    c->duck_left = atomic_load_explicit(&c->c.hub->connections, memory_order_relaxed);
    if (c->duck_left <= 0) {
        begin_stop(c);
        return;
    }
    for (int64_t n = ducks_now(c); n > 0; n--) {
        uint16_t at = (uint16_t) (nj_fast_random(&c->random) % ws->n);
        nj_worker_call(ws->at[at], close_any, (void *) (uintptr_t) 1);
    }
    next_duck_tick(c);
}

static void on_grace_over(uv_timer_t *t)
{
    struct nj_control *c = t->data;
    const struct nj_options *o = c->c.options;
    nj_log_info("Closing existing clients");
    c->phase = PHASE_CLOSING;
    c->duck_until_us =
        nj_mono_us() + (o->lame_duck_duration_ns - o->lame_duck_grace_ns) / 1000;
    on_duck_tick(t);
}

static void begin_lame_duck(struct nj_control *c)
{
    struct nj_workers *ws = c->c.hub->workers;
    if (c->phase != PHASE_SERVING) {
        return;
    }
    nj_log_info("Entering lame duck mode, stop accepting new clients");
    c->phase = PHASE_GRACE;
    atomic_store_explicit(&c->c.hub->lame_duck, true, memory_order_relaxed);
    nj_facts_set_listening(c->c.facts, 0, 0);
    nj_worker_call(ws->at[0], stop_listening, c->c.listener);
    if (atomic_load_explicit(&c->c.hub->connections, memory_order_relaxed) == 0) {
        begin_stop(c);
        return;
    }
    for (uint16_t i = 0; i < ws->n; i++) {
        nj_worker_call(ws->at[i], tell_clients, NULL);
    }
    (void) uv_timer_start(&c->timer, on_grace_over,
                          (uint64_t) (c->c.options->lame_duck_grace_ns / 1000000), 0);
}

/* ---- signals ---------------------------------------------------------------------------------------------- */

static void reload(struct nj_control *c)
{
    if (c->phase == PHASE_STOPPING) {
        nj_log_error("Failed to reload server configuration: the server is stopping");
    } else {
        nj_reload_run(c->c.reload);
    }
}

static void reopen(void)
{
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_log_reopen(&err);
    if (rc == NJ_E_UNSUPPORTED) {
        nj_log_info("File log re-open ignored, not a file logger");
    } else if (rc != NJ_OK) {
        nj_log_error("File log could not be re-opened: %s", err.text);
    } else {
        nj_log_info("File log re-opened");
    }
}

static const char *signal_name(int signum)
{
    switch (signum) {
    case SIGINT:
        return "interrupt";
    case SIGTERM:
        return "terminated";
    case SIGHUP:
        return "hangup";
    case SIGUSR1:
        return "user defined signal 1";
    default:
        return "user defined signal 2";
    }
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct nj_control *c = handle->data;
    nj_log_info("Trapped \"%s\" signal", signal_name(signum));
    switch (signum) {
    case SIGINT:
        begin_stop(c);
        break;
    case SIGTERM:
        if (c->phase == PHASE_SERVING) { /* a lame duck ends by itself */
            begin_stop(c);
        }
        break;
    case SIGHUP:
        reload(c);
        break;
    case SIGUSR1:
        reopen();
        break;
    default:
        begin_lame_duck(c);
        break;
    }
}

static void on_trim_tick(uv_timer_t *t)
{
    (void) t;
    (void) nj_trim_when_calm();
    nj_mappers_collect();
}

static void note(uint32_t level, const char *text)
{
    nj_log(level == NJ_LOG_WARN ? NJ_LVL_WRN : NJ_LVL_DBG, "%s", text);
}

/* A reload may bring a block that is due earlier than all others: look now and then. */
static void on_tickets_tick(uv_timer_t *t)
{
    int64_t wait_us = nj_tls_tickets_tick(nj_mono_us(), note);
    uint64_t ms = wait_us / 1000 < TICKETS_LOOK_MS ? (uint64_t) (wait_us / 1000) + 1 : TICKETS_LOOK_MS;
    (void) uv_timer_start(t, on_tickets_tick, ms, 0);
}

static void on_throttled_tick(uv_timer_t *t)
{
    struct nj_control *c = t->data;
    uint64_t n = nj_tls_rate_take_refused(&c->c.hub->tls_rate);
    if (n > 0) {
        nj_log_warn("Rejected %" PRIu64 " connections due to TLS rate limiting", n);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void on_stop(uv_async_t *a)
{
    begin_stop(a->data);
}

static void mask_signals(int how)
{
    sigset_t set;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGHUP);
    (void) sigaddset(&set, SIGUSR1);
    (void) sigaddset(&set, SIGUSR2);
    (void) pthread_sigmask(how, &set, NULL);
}

void nj_control_hold_signals(void)
{
    mask_signals(SIG_BLOCK);
}

struct nj_control *nj_control_new(const struct nj_control_config *config)
{
    struct nj_control *c = nj_zalloc(sizeof(*c));
    c->c = *config;
    nj_seed(&c->random, sizeof(c->random));
    c->random |= 1;
    (void) uv_timer_init(config->loop, &c->timer);
    c->timer.data = c;
    (void) uv_timer_init(config->loop, &c->trim);
    (void) uv_timer_start(&c->trim, on_trim_tick, NJ_TRIM_EVERY_MS, NJ_TRIM_EVERY_MS);
    (void) uv_timer_init(config->loop, &c->tickets);
    on_tickets_tick(&c->tickets);
    (void) uv_async_init(config->loop, &c->stop, on_stop);
    c->stop.data = c;
    (void) uv_timer_init(config->loop, &c->throttled);
    c->throttled.data = c;
    if (config->hub->tls_rate.limit > 0) {
        (void) uv_timer_start(&c->throttled, on_throttled_tick, THROTTLED_EVERY_MS,
                              THROTTLED_EVERY_MS);
    }
    for (size_t i = 0; i < SIGNALS; i++) {
        (void) uv_signal_init(config->loop, &c->signals[i]);
        c->signals[i].data = c;
        (void) uv_signal_start(&c->signals[i], on_signal, caught[i]);
    }
    mask_signals(SIG_UNBLOCK);
    return c;
}

void nj_control_run(struct nj_control *c)
{
    (void) uv_run(c->c.loop, UV_RUN_DEFAULT);
}

void nj_control_stop(struct nj_control *c)
{
    (void) uv_async_send(&c->stop);
}

void nj_control_free(struct nj_control **cp)
{
    nj_dealloc(*cp);
    *cp = NULL;
}
