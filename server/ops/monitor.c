#include "ops/monitor.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/quote.h"
#include "io/listener.h"
#include "ops/monitor_priv.h"
#include "tls/block.h"

enum {
    ACCEPTS_A_TURN = 16,
    PAUSE_MS = 100 /* without a descriptor to accept with */
};

static char *copy_or_empty(const char *s)
{
    return nj_strdup(s == NULL ? "" : s);
}

/* "nats/mon/" is "/nats/mon", and nothing is "". */
static char *base_path_of(const char *path)
{
    char *clean = nj_http_clean_path(path == NULL ? "" : path);
    size_t len = strlen(clean);
    if (len > 0 && clean[len - 1] == '/') {
        clean[len - 1] = '\0';
    }
    return clean;
}

#define DEFAULT(member, value)                                                                     \
    do {                                                                                           \
        if (c->member == 0) {                                                                      \
            c->member = (value);                                                                   \
        }                                                                                          \
    } while (0)

static void copy_config(struct nj_monitor *mon, const struct nj_monitor_config *from)
{
    struct nj_monitor_config *c = &mon->config;
    *c = *from;
    c->host = c->base_path = c->server_id = c->version = NULL;
    mon->host = copy_or_empty(from->host);
    mon->base_path = base_path_of(from->base_path);
    mon->server_id = copy_or_empty(from->server_id);
    mon->version = copy_or_empty(from->version);
    if (from->tls != NULL) {
        c->tls = nj_tls_setup_ref(from->tls);
        mon->plain_buf = nj_alloc(NJ_MON_TLS_PLAIN_MAX);
    }
    DEFAULT(max_connections, 128);
    DEFAULT(head_timeout_ms, 5000);
    DEFAULT(body_timeout_ms, 30000);
    DEFAULT(write_timeout_ms, 30000);
    DEFAULT(idle_timeout_ms, 180000);
    DEFAULT(body_limit, (size_t) 64 << 20);
    DEFAULT(output_limit, (size_t) 256 << 20);
    DEFAULT(input_limit, (size_t) 16 << 20);
}

static void free_monitor(struct nj_monitor *mon)
{
    nj_dealloc(mon->host);
    nj_dealloc(mon->base_path);
    nj_dealloc(mon->server_id);
    nj_dealloc(mon->version);
    nj_dealloc(mon->plain_buf);
    nj_tls_setup_unref(&mon->config.tls);
    nj_dealloc(mon);
}

void nj_mon_finish_close(struct nj_monitor *mon)
{
    if (!mon->closing || mon->listener_handles > 0 || mon->clients_n > 0 || mon->asked_n > 0) {
        return;
    }
    void (*closed)(void *) = mon->closed;
    void *arg = mon->closed_arg;
    free_monitor(mon);
    if (closed != NULL) {
        closed(arg);
    }
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct nj_monitor *mon = handle->data;
    mon->listener_handles--;
    nj_mon_finish_close(mon);
}

/* ---- listening ------------------------------------------------------------------------------- */

static void on_connection(uv_poll_t *listener, int status, int events);

static void end_pause(uv_timer_t *timer)
{
    struct nj_monitor *mon = timer->data;
    (void) uv_poll_start(&mon->listener, UV_READABLE, on_connection);
}

/*
 * Nobody can be accepted now, and who waits keeps the socket readable: look away for a moment.
 * Nothing is said to them, since a probe would rather wait than hear that we are gone.
 */
static void begin_pause(struct nj_monitor *mon, int why)
{
    char words[96];
    nj_log_once_per_second(NJ_LVL_ERR, "monitoring: accept failed: %s",
                           nj_errno_text(why, words, sizeof(words)));
    (void) uv_poll_stop(&mon->listener);
    (void) uv_timer_start(&mon->pause, end_pause, PAUSE_MS, 0);
}

/* libuv would accept by itself, but without a descriptor it does not let go of the thread. */
static void on_connection(uv_poll_t *listener, int status, int events)
{
    struct nj_monitor *mon = listener->data;
    (void) status;
    (void) events;
    for (int i = 0; i < ACCEPTS_A_TURN && !mon->closing; i++) {
        int fd = accept4(mon->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            nj_mon_client_accept(mon, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            begin_pause(mon, errno);
            return;
        }
    }
}

static int start_listening(struct nj_monitor *mon, struct nj_error *err)
{
    int rc = nj_listen_socket(mon->host, mon->config.port, &mon->listen_fd, &mon->port, err);
    if (rc != NJ_OK) {
        nj_error_prefix(err, "can't listen to the monitor port");
        return rc;
    }
    (void) uv_timer_init(mon->loop, &mon->pause); /* fills in the struct and does not fail */
    mon->pause.data = mon;
    rc = uv_poll_init(mon->loop, &mon->listener, mon->listen_fd);
    if (rc == 0) {
        mon->listener.data = mon;
        mon->listener_handles = 2;
        rc = uv_poll_start(&mon->listener, UV_READABLE, on_connection);
    } else {
        mon->listener_handles = 1;
    }
    return rc == 0 ? NJ_OK
                   : nj_error_set(err, NJ_E_IO, "can't listen to the monitor port: %s",
                                  uv_strerror(rc));
}

static void stop_listening(struct nj_monitor *mon)
{
    if (mon->listener_handles > 1) {
        uv_close((uv_handle_t *) &mon->listener, on_listener_closed);
    }
    if (mon->listener_handles > 0) {
        uv_close((uv_handle_t *) &mon->pause, on_listener_closed);
    }
    if (mon->listen_fd >= 0) {
        (void) close(mon->listen_fd);
        mon->listen_fd = -1;
    }
}

/* "host:port", IPv6 in brackets. */
static const char *address_text(const struct nj_monitor *mon, int port, char *buf, size_t cap)
{
    bool v6 = strchr(mon->host, ':') != NULL;
    (void) snprintf(buf, cap, v6 ? "[%s]:%d" : "%s:%d", mon->host, port);
    return buf;
}

static void ignore_sigpipe(void)
{
    struct sigaction now = { 0 };
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        (void) signal(SIGPIPE, SIG_IGN);
    }
}

int nj_monitor_open(uv_loop_t *loop, const struct nj_monitor_config *config,
                    const struct nj_monitor_source *source, void *user, struct nj_monitor **mon_out,
                    struct nj_error *err)
{
    static const char *const paths[NJ_ENDPOINT_COUNT] = {
        [NJ_ENDPOINT_ROOT] = "/",
        [NJ_ENDPOINT_CONNZ] = "/connz",
        [NJ_ENDPOINT_HEALTHZ] = "/healthz",
        [NJ_ENDPOINT_VARZ] = "/varz",
    };
    char address[300];
    struct nj_monitor *mon = nj_zalloc(sizeof(*mon));
    mon->loop = loop;
    mon->source = source;
    mon->user = user;
    mon->listen_fd = -1;
    copy_config(mon, config);
    ignore_sigpipe();
    for (size_t i = 0; i < NJ_ENDPOINT_COUNT; i++) {
        mon->counts[i].path = paths[i];
    }
    nj_procstat_init(&mon->proc);
    nj_procstat_update(&mon->proc, nj_mono_ns());
    int rc = start_listening(mon, err);
    if (rc != NJ_OK) {
        nj_monitor_close(&mon, NULL, NULL);
        return rc;
    }
    nj_log_info("Starting %s monitor on %s", mon->config.tls != NULL ? "https" : "http",
                address_text(mon, mon->port, address, sizeof(address)));
    *mon_out = mon;
    return NJ_OK;
}

int nj_monitor_port(const struct nj_monitor *mon)
{
    return mon->port;
}

void nj_monitor_set_tls(struct nj_monitor *mon, struct nj_tls_setup *tls)
{
    assert(mon->config.tls != NULL);
    struct nj_tls_setup *old = mon->config.tls;
    mon->config.tls = nj_tls_setup_ref(tls);
    nj_tls_setup_unref(&old);
}

void nj_monitor_close(struct nj_monitor **mp, void (*closed)(void *arg), void *arg)
{
    struct nj_monitor *mon = *mp;
    if (mon == NULL) {
        return;
    }
    *mp = NULL;
    mon->closing = true;
    mon->closed = closed;
    mon->closed_arg = arg;
    for (struct nj_mon_client *c = mon->clients; c != NULL; c = c->next) {
        nj_mon_client_close(c);
    }
    stop_listening(mon);
    nj_mon_finish_close(mon);
}
