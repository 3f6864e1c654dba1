#include "ops/monitor.h"

#include <assert.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "ops/monitor_priv.h"
#include "tls/block.h"

enum { BACKLOG = 128 };

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
    if (!mon->closing || !mon->listener_gone || mon->clients_n > 0 || mon->asked_n > 0) {
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
    mon->listener_gone = true;
    nj_mon_finish_close(mon);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct nj_monitor *mon = listener->data;
    if (status < 0) {
        nj_log_error("monitoring: accept failed: %s", uv_strerror(status));
        return;
    }
    if (!mon->closing) {
        nj_mon_client_accept(mon);
    }
}

/* ---- listening ------------------------------------------------------------------------------- */

/* In the words that Go's net package has for these. */
static const char *reason_text(int rc)
{
    switch (rc) {
    case UV_EADDRINUSE:
        return "bind: address already in use";
    case UV_EADDRNOTAVAIL:
        return "bind: cannot assign requested address";
    case UV_EACCES:
        return "bind: permission denied";
    default:
        return uv_strerror(rc);
    }
}

/* Bind to a literal address of either family.  UV_EINVAL: it is none. */
static int bind_literal(struct nj_monitor *mon, const char *host, int port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(host, port, &v4) == 0) {
        return uv_tcp_bind(&mon->listener, (const struct sockaddr *) &v4, 0);
    }
    if (uv_ip6_addr(host, port, &v6) == 0) {
        return uv_tcp_bind(&mon->listener, (const struct sockaddr *) &v6, 0);
    }
    return UV_EINVAL;
}

static int bind_name(struct nj_monitor *mon, const char *host, int port)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    char service[16];
    (void) snprintf(service, sizeof(service), "%d", port);
    if (getaddrinfo(host, service, &hints, &list) != 0) {
        return UV_EAI_NONAME;
    }
    /* As the reference: a name with both families is listened on with IPv4. */
    const struct addrinfo *chosen = list;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            chosen = a;
            break;
        }
    }
    int rc = uv_tcp_bind(&mon->listener, chosen->ai_addr, 0);
    freeaddrinfo(list);
    return rc;
}

static int bind_any(struct nj_monitor *mon, int port)
{
    int rc = bind_literal(mon, "::", port);
    /* A machine without IPv6 */
    return rc == UV_EAFNOSUPPORT || rc == UV_EADDRNOTAVAIL ? bind_literal(mon, "0.0.0.0", port)
                                                           : rc;
}

static int start_listening(struct nj_monitor *mon)
{
    const char *host = mon->host;
    int port = mon->config.port > 0 ? mon->config.port : 0;
    bool any = host[0] == '\0' || strcmp(host, "0.0.0.0") == 0;
    int rc = any ? bind_any(mon, port) : bind_literal(mon, host, port);
    if (rc == UV_EINVAL) {
        rc = bind_name(mon, host, port);
    }
    return rc < 0 ? rc : uv_listen((uv_stream_t *) &mon->listener, BACKLOG, on_connection);
}

static int read_port(const struct nj_monitor *mon)
{
    struct sockaddr_storage ss = { 0 };
    int len = (int) sizeof(ss);
    if (uv_tcp_getsockname(&mon->listener, (struct sockaddr *) &ss, &len) != 0) {
        return 0;
    }
    return ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *) &ss)->sin6_port)
                                    : ntohs(((struct sockaddr_in *) &ss)->sin_port);
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
    copy_config(mon, config);
    ignore_sigpipe();
    for (size_t i = 0; i < NJ_ENDPOINT_COUNT; i++) {
        mon->counts[i].path = paths[i];
    }
    nj_procstat_init(&mon->proc);
    nj_procstat_update(&mon->proc, nj_mono_ns());
    int rc = uv_tcp_init(loop, &mon->listener);
    mon->listener.data = mon;
    mon->listener_gone = rc < 0;
    rc = rc < 0 ? rc : start_listening(mon);
    if (rc < 0) {
        (void) snprintf(
            err->text, sizeof(err->text), "can't listen to the monitor port: listen tcp %s: %s",
            address_text(mon, config->port > 0 ? config->port : 0, address, sizeof(address)),
            reason_text(rc));
        err->code = NJ_E_IO;
        nj_monitor_close(&mon, NULL, NULL);
        return NJ_E_IO;
    }
    mon->port = read_port(mon);
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
    if (!mon->listener_gone) {
        uv_close((uv_handle_t *) &mon->listener, on_listener_closed);
    } else {
        nj_mon_finish_close(mon);
    }
}
