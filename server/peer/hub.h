/*
 * hub.h: what all client connections of the server share.  Built by the start, immutable while
 * workers run except for the members marked atomic, under mu or control thread.  What a reload may
 * change is in peer/serving.h.
 */
#ifndef NJ_PEER_HUB_H
#define NJ_PEER_HUB_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "io/worker.h"
#include "peer/close_reason.h"
#include "peer/handshakes.h"
#include "peer/serving.h"
#include "peer/tls_rate.h"

struct nj_account;
struct nj_bcrypt;
struct nj_closed_ring;
struct nj_client;
struct nj_leaving;
struct nj_match_cache;
struct nj_ocsp_peers;
struct nj_verdict_cache;
struct nj_registry;

/* Counters of one worker: it alone writes, anybody may read.  Relaxed: statistics. */
struct nj_traffic {
    _Atomic uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
};

/* What a worker keeps for its clients (nj_worker.user). */
struct nj_hub_worker {
    struct nj_hub *hub;
    struct nj_serving *serving; /* a reference; swapped by nj_hub_serve() */
    struct nj_match_cache *cache;
    struct nj_verdict_cache *verdicts; /* of permissions, for all clients of this worker */
    struct nj_traffic traffic;
    struct nj_handshakes handshakes;
    struct nj_buf scratch; /* for lines that fit nowhere else */
    struct nj_leaving *leaving;  /* subscriptions of clients that have gone */
    int64_t leaving_n; /* how many subscriptions that is */
    struct nj_client *with_done; /* clients with subscriptions that reached their maximum */
    /* Delivery of one message: which batches have a record of it open. */
    uint64_t msg_seq;
    uint64_t *rec_seq;    /* by destination: message that rec_off belongs to */
    size_t *rec_off;      /* by destination: where the record starts in the open batch */
    uint16_t *touched;    /* destinations of this message */
    uint16_t touched_n;
    uint32_t since_credit; /* messages since the credit was looked at */
    size_t unflushed;      /* bytes put into outboxes in this turn, since the last early flush */
};

struct nj_hub {
    struct nj_serving *serving; /* control thread; workers have their own */
    /* identity */
    char server_id[64];
    char *server_name;
    const char *version;     /* the reference's, that clients look at */
    const char *own_version; /* natterjack's */
    char *toolchain;
    char *host; /* the listen option */
    int port;
    bool headers;
    struct nj_account *global; /* $G */
    struct nj_bcrypt *bcrypt; /* control thread; NULL: no hash was ever configured */
    struct nj_tls_rate tls_rate;
    struct nj_ocsp_peers *ocsp; /* control thread; NULL: ocsp_peer was never asked for */
    const struct nj_registry *registry; /* providers want to know of each worker's thread */
    bool no_cache; /* no_sublist_cache */
    struct nj_workers *workers;
    struct nj_hub_worker *per_worker; /* by worker id */
    struct nj_closed_ring *closed;

    _Atomic uint64_t next_cid;
    _Atomic int64_t connections;
    _Atomic uint64_t total_connections;
    _Atomic uint64_t slow_consumers;
    _Atomic uint64_t stale_connections;
    _Atomic uint64_t stalled_clients;
    _Atomic bool lame_duck;
};

/* Called on each worker's thread (struct nj_worker_ops). */
static inline struct nj_hub_worker *nj_hub_worker_of(const struct nj_worker *w)
{
    return w->user;
}

void nj_hub_worker_start(struct nj_worker *w, void *hub);
bool nj_hub_worker_later(struct nj_worker *w); /* a turn ends */
void nj_hub_worker_stop(struct nj_worker *w, void *hub);

/* Any thread: hand an accepted socket to a worker. */
void nj_hub_adopt(struct nj_hub *hub, struct nj_worker *w, int fd);

/* A worker's thread: every client of this worker that has not left. */
void nj_hub_each(struct nj_worker *w, void (*fn)(struct nj_client *c, void *arg), void *arg);

/* A worker's thread: close every client of this worker. */
void nj_hub_close_all(struct nj_worker *w, enum nj_close_reason reason);

/*
 * Control thread: let every connection obey `serving` from now on; its reference goes to the hub.
 * Returns when all workers use it: what arrives later is judged by it, and new connections see it.
 */
void nj_hub_serve(struct nj_hub *hub, struct nj_serving *serving);

/* The INFO line for one connection, appended: "INFO {…} \r\n".  `kind` says when it is sent. */
enum nj_info_kind { NJ_INFO_FIRST, NJ_INFO_CONNECTED, NJ_INFO_LAME_DUCK };
void nj_info_append(const struct nj_hub *hub, const struct nj_client *c, enum nj_info_kind kind,
                    struct nj_buf *out);

#endif
