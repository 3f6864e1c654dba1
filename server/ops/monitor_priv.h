/* monitor_priv.h: shared by the files of the monitoring port; nobody else includes it. */
#ifndef NJ_OPS_MONITOR_PRIV_H
#define NJ_OPS_MONITOR_PRIV_H
#include <stdbool.h>

#include "ops/http.h"
#include "ops/monitor.h"
#include "ops/monitor_body.h"
#include "ops/monitor_tls.h"
#include "ops/procstat.h"

enum nj_endpoint {
    NJ_ENDPOINT_ROOT,
    NJ_ENDPOINT_CONNZ,
    NJ_ENDPOINT_HEALTHZ,
    NJ_ENDPOINT_VARZ,
    NJ_ENDPOINT_COUNT
};

struct nj_monitor {
    uv_loop_t *loop;
    int listen_fd;        /* -1: none */
    uv_poll_t listener;   /* with listen_fd */
    uv_timer_t pause;     /* with listen_fd: no descriptor was left, look again later */
    unsigned listener_handles; /* of these two, still to be closed */
    int port;
    struct nj_monitor_config config; /* defaults filled in; no strings; tls is a reference */
    char *host, *base_path, *server_id, *version;
    const struct nj_monitor_source *source;
    void *user;
    struct nj_procstat proc;
    struct nj_request_count counts[NJ_ENDPOINT_COUNT];
    struct nj_mon_client *clients; /* the newest first */
    unsigned clients_n;
    unsigned asked_n;    /* questions to the source without an answer yet */
    size_t output_bytes; /* handed to sockets and not written yet */
    size_t input_bytes;  /* sum of the input buffers */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    uint64_t turn_ms;                /* the loop's time when a handshake was last looked at */
    int64_t handshakes_ns;           /* what handshakes have taken in that turn */
    uint8_t *plain_buf;              /* NJ_MON_TLS_PLAIN_MAX; NULL on a plain port */
    char read_buf[NJ_HTTP_FEED_MAX]; /* for all clients: used up before the loop asks again */
};

/* One connection (monitor_client.c). */
struct nj_mon_client {
    struct nj_mon_client *prev, *next;
    struct nj_monitor *mon;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    unsigned handles; /* still to be closed before the memory goes */
    struct nj_http http;
    struct nj_mon_tls *tls;           /* NULL on a plain port */
    struct sockaddr_storage peer;     /* for the log; AF_UNSPEC: gone before we could ask */
    struct nj_mon_question *question; /* the answer that is waited for; NULL: none */
    struct nj_buf sending;            /* with the socket now */
    struct nj_buf sealing;            /* TLS: the answer that is sealed piece by piece */
    size_t sealed;                    /* so many bytes of it are done */
    size_t input_counted;             /* our share of mon->input_bytes */
    int64_t idle_since_ns;
    int64_t phase_since_ns; /* since then it has been at what it is at */
    enum nj_http_phase timer_phase;
    bool timer_on;
    bool reading;
    bool heard;     /* a byte of a request has come */
    bool answering; /* what is with the socket is an answer, not only words of TLS itself */
    bool failed;    /* TLS: nothing more will be understood or said */
    bool peer_done; /* the peer has ended its side */
    bool lingering;
    bool closing;
};

/* Serve who was accepted; takes the descriptor over. */
void nj_mon_client_accept(struct nj_monitor *mon, int fd);
void nj_mon_client_close(struct nj_mon_client *c);
/* Go on after an answer was queued from outside nj_mon_serve(). */
void nj_mon_client_resume(struct nj_mon_client *c);

/*
 * Answer the request in c->http.  True: answered.  False: nj_mon_client_resume() will be called
 * later, unless the client is closed before (nj_mon_question_drop()).
 */
bool nj_mon_serve(struct nj_mon_client *c);
/* The client goes away: the answer to its question is for nobody. */
void nj_mon_question_drop(struct nj_mon_client *c);

/* Free the monitor if it is closing and nothing is left. */
void nj_mon_finish_close(struct nj_monitor *mon);

#endif
