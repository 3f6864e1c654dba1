/*
 * monitor.h: the monitoring port, a small HTTP server on the control thread.
 *
 *     /  /varz  /connz  /healthz
 *
 * Everything happens on the thread that runs the loop.  The number of connections, what they may
 * send, how long each step may take and what waits to be written are bounded.
 *
 * With a TLS setup the same server speaks HTTPS.  A handshake has the time of a request's head,
 * handshakes together have some milliseconds in each turn of the loop, and an answer is sealed in
 * pieces, so that nobody waits for a connection that is slow or large, nor for a crowd of new ones.
 */
#ifndef NJ_OPS_MONITOR_H
#define NJ_OPS_MONITOR_H
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "natterjack/plugin.h"

struct nj_monitor;
struct nj_monitor_source;
struct nj_tls_setup;

/* 0 stands for the default everywhere.  Strings are copied. */
struct nj_monitor_config {
    const char *host;      /* "0.0.0.0" or "": every address, both families */
    int port;              /* -1: chosen by the system */
    const char *base_path; /* as configured; NULL or "": none */
    const char *server_id;
    const char *version;       /* shown on the page at "/" */
    struct nj_tls_setup *tls;  /* HTTPS with it (a reference is taken); NULL: HTTP */
    unsigned max_connections;  /* 128; the longest idle or slowest one makes room */
    uint64_t head_timeout_ms;  /* 5 s for request line and header */
    uint64_t body_timeout_ms;  /* 30 s */
    uint64_t write_timeout_ms; /* 30 s for one answer */
    uint64_t idle_timeout_ms;  /* 3 min between requests */
    size_t body_limit;         /* 64 MiB for one answer */
    size_t output_limit;       /* 256 MiB for all that waits to be written */
    size_t input_limit;        /* 16 MiB for all that was read and not understood yet */
};

/*
 * Listen and serve.  On failure err->text is the whole reason ("can't listen to the monitor port:
 * listen tcp 127.0.0.1:8222: bind: address already in use") and nothing is left behind; the loop
 * must be run once more to let a handle go.  Logs "Starting http monitor on <host:port>"
 * or "https".
 * `source` and `user` are borrowed until the closed callback.
 * SIGPIPE is ignored from then on if it had its default: libuv writes to sockets without
 * MSG_NOSIGNAL, and a reader that hangs up must not end the process.
 */
int nj_monitor_open(uv_loop_t *loop, const struct nj_monitor_config *config,
                    const struct nj_monitor_source *source, void *user, struct nj_monitor **mon_out,
                    struct nj_error *err);

/* The port that is listened on. */
int nj_monitor_port(const struct nj_monitor *mon);

/* New connections of an HTTPS port use this setup; those there are keep theirs. */
void nj_monitor_set_tls(struct nj_monitor *mon, struct nj_tls_setup *tls);

/*
 * Stop listening and end all connections; *mp becomes NULL.  `closed` (NULL is fine) is called
 * from the loop when the last handle is gone and the source has answered all it was asked.
 */
void nj_monitor_close(struct nj_monitor **mp, void (*closed)(void *arg), void *arg);

#endif
