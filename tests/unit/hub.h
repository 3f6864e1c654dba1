/* hub.h: a real hub with four workers inside the test, and clients that choose their worker. */
#ifndef NJ_TEST_HUB_H
#define NJ_TEST_HUB_H
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/bcrypt.h"
#include "base/alloc.h"
#include "base/rcu.h"
#include "broker/account.h"
#include "peer/closed.h"
#include "peer/hub.h"
#include "plugin/registry.h"

#define HUB_WORKERS 4

static struct nj_hub hub;
static struct nj_registry *hub_registry;

static const struct nj_worker_ops hub_ops = { .start = nj_hub_worker_start,
                                              .stop = nj_hub_worker_stop,
                                              .later = nj_hub_worker_later };

static inline void hub_start(void)
{
    struct nj_error err = NJ_ERROR_INIT;
    nj_rcu_start();
    ck_assert_int_eq(nj_registry_open_only(NULL, 0, &hub_registry, &err), NJ_OK);
    hub = (struct nj_hub){ .version = "2.0.0", .own_version = "0.0.0", .headers = true };
    hub.serving = nj_serving_new();
    hub.serving->limits = (struct nj_limits){ .max_control_line = 4096,
                                              .max_payload = 1 << 20,
                                              .max_pending = 64 << 20,
                                              .max_connections = 1000,
                                              .ping_interval_us = INT64_C(120000000),
                                              .ping_max = 2,
                                              .write_deadline_us = INT64_C(10000000),
                                              .auth_timeout_us = INT64_C(20000000) };
    hub.server_name = nj_strdup("test");
    hub.toolchain = nj_strdup("c");
    hub.host = nj_strdup("127.0.0.1");
    hub.global = nj_account_new("$G");
    hub.serving->auth = nj_auth_new(NULL, NULL, NULL);
    hub.closed = nj_closed_ring_new(10);
    hub.registry = hub_registry;
    hub.per_worker = nj_calloc(HUB_WORKERS, sizeof(struct nj_hub_worker));
    atomic_store(&hub.next_cid, 5);
    ck_assert_int_eq(nj_workers_start(&hub.workers, HUB_WORKERS, &hub_ops, &hub, &err), NJ_OK);
}

static inline void hub_close_clients(struct nj_worker *w, void *arg)
{
    (void) arg;
    nj_hub_close_all(w, NJ_CLOSE_SERVER_SHUTDOWN);
}

static inline void hub_stop(void)
{
    for (int i = 0; i < HUB_WORKERS; i++) {
        nj_worker_call(hub.workers->at[i], hub_close_clients, NULL);
    }
    nj_workers_join(&hub.workers);
    ck_assert_int_eq(atomic_load(&hub.connections), 0);
    nj_rcu_barrier();
    nj_bcrypt_free(&hub.bcrypt);
    nj_account_free(&hub.global);
    nj_serving_unref(&hub.serving);
    nj_closed_ring_free(&hub.closed);
    nj_dealloc(hub.per_worker);
    nj_dealloc(hub.server_name);
    nj_dealloc(hub.toolchain);
    nj_dealloc(hub.host);
    nj_registry_close(&hub_registry);
}

/* ---- a client ------------------------------------------------------------------------------------------ */

struct peer {
    int fd;
    char *in;
    size_t in_len, in_at, in_cap;
};

/* What the server said: 'M' a message, '5' no responders, 'P' PONG, 'I' INFO, 'E' -ERR, '+' OK,
 * 'Z' the end. */
struct said {
    char what;
    char subject[64], sid[16], payload[64]; /* payload: cut */
    size_t size;
};

static inline void say(struct peer *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline void say(struct peer *p, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ck_assert(n > 0 && (size_t) n < sizeof(text));
    ck_assert_int_eq(send(p->fd, text, (size_t) n, MSG_NOSIGNAL), n);
}

static inline bool more(struct peer *p)
{
    if (p->in_at > 0) {
        memmove(p->in, p->in + p->in_at, p->in_len - p->in_at);
        p->in_len -= p->in_at;
        p->in_at = 0;
    }
    if (p->in_cap - p->in_len < 65536) {
        p->in_cap = p->in_cap * 2 + 131072;
        p->in = nj_realloc(p->in, p->in_cap);
    }
    ssize_t n = recv(p->fd, p->in + p->in_len, p->in_cap - p->in_len, 0);
    ck_assert_msg(n >= 0, "nothing came for 30 seconds");
    p->in_len += (size_t) n;
    return n > 0;
}

/* The line that begins at in_at, without CR LF; NULL at the end. */
static inline char *line(struct peer *p, size_t *len_out)
{
    for (;;) {
        char *at = p->in + p->in_at;
        char *end = p->in != NULL ? memmem(at, p->in_len - p->in_at, "\r\n", 2) : NULL;
        if (end != NULL) {
            *len_out = (size_t) (end - at);
            return at;
        }
        if (!more(p)) {
            return NULL;
        }
    }
}

static inline void read_payload(struct peer *p, struct said *s)
{
    while (p->in_len - p->in_at < s->size + 2) {
        ck_assert(more(p));
    }
    size_t n = s->size < sizeof(s->payload) - 1 ? s->size : sizeof(s->payload) - 1;
    memcpy(s->payload, p->in + p->in_at, n);
    s->payload[n] = '\0';
    ck_assert_mem_eq(p->in + p->in_at + s->size, "\r\n", 2);
    p->in_at += s->size + 2;
}

static inline void read_message(struct peer *p, const char *text, size_t len, struct said *s)
{
    char copy[512];
    char *save = NULL;
    ck_assert_uint_lt(len, sizeof(copy));
    memcpy(copy, text, len);
    copy[len] = '\0';
    p->in_at += len + 2;
    bool headers = strcmp(strtok_r(copy, " ", &save), "HMSG") == 0;
    (void) snprintf(s->subject, sizeof(s->subject), "%s", strtok_r(NULL, " ", &save));
    (void) snprintf(s->sid, sizeof(s->sid), "%s", strtok_r(NULL, " ", &save));
    char *last = NULL;
    for (char *t = strtok_r(NULL, " ", &save); t != NULL; t = strtok_r(NULL, " ", &save)) {
        last = t;
    }
    s->size = strtoul(last, NULL, 10);
    read_payload(p, s);
    s->what = headers && strncmp(s->payload, "NATS/1.0 503", 12) == 0 ? '5' : 'M';
}

static inline struct said hear(struct peer *p)
{
    struct said s = { .what = 'Z' };
    size_t len = 0;
    char *at = line(p, &len);
    if (at == NULL) {
        return s;
    }
    if (strncmp(at, "MSG ", 4) == 0 || strncmp(at, "HMSG ", 5) == 0) {
        read_message(p, at, len, &s);
        return s;
    }
    s.what = at[0] == '-' ? 'E' : at[0];
    (void) snprintf(s.payload, sizeof(s.payload), "%.*s", (int) (len < 60 ? len : 60), at);
    p->in_at += len + 2;
    return s;
}

static inline struct peer enter(int worker)
{
    int fds[2];
    struct timeval patience = { .tv_sec = 30 };
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    (void) setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    struct peer p = { .fd = fds[1] };
    struct timeval none = { 0 };
    (void) setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
    int flags = 1;
    ck_assert_int_eq(ioctl(fds[0], FIONBIO, &flags), 0);
    nj_hub_adopt(&hub, hub.workers->at[worker], fds[0]);
    ck_assert_int_eq(hear(&p).what, 'I');
    say(&p, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
            "\"no_responders\":true}\r\n");
    return p;
}

static inline void leave(struct peer *p)
{
    (void) close(p->fd);
    nj_dealloc(p->in);
    *p = (struct peer){ .fd = -1 };
}

/* PING, and nothing but PONG comes. */
static inline void flush(struct peer *p)
{
    say(p, "PING\r\n");
    struct said s = hear(p);
    ck_assert_msg(s.what == 'P', "%c %s %s", s.what, s.subject, s.payload);
}

/* Messages up to the PONG of a PING that is sent now. */
static inline unsigned drain(struct peer *p, void (*each)(const struct said *s, void *arg),
                             void *arg)
{
    unsigned n = 0;
    say(p, "PING\r\n");
    for (;;) {
        struct said s = hear(p);
        if (s.what == 'P') {
            return n;
        }
        ck_assert_msg(s.what == 'M' || s.what == '5', "%c %s", s.what, s.payload);
        n++;
        if (each != NULL) {
            each(&s, arg);
        }
    }
}

#endif
