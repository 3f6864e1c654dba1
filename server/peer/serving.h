/*
 * serving.h: what connections obey and a reload may change: limits, credentials, the TLS door,
 * what INFO says of them.
 *
 * One value is built whole, then never changed.  The control thread publishes it with
 * nj_hub_serve(): each worker swaps its own pointer on its own thread, between two operations of
 * any client, so whoever reads it needs neither a lock nor an atomic load, and all that one read of
 * a socket causes is judged by one value.  Counted: each worker has a reference and the hub has one.
 */
#ifndef NJ_PEER_SERVING_H
#define NJ_PEER_SERVING_H
#include <stdbool.h>
#include <stdint.h>

struct nj_auth;
struct nj_bcrypt;
struct nj_ocsp_peers;
struct nj_map_names;
struct nj_mappers;
struct nj_tls_door;

struct nj_limits {
    int32_t max_control_line;
    int32_t max_payload;
    uint64_t max_pending;
    int64_t max_connections; /* -1: none */
    int64_t max_subs;        /* 0: no limit */
    int max_sub_tokens;      /* 0: no limit */
    int64_t ping_interval_us;
    int ping_max;
    int64_t write_deadline_us;
    bool write_retry;
    bool no_producer_stall;
    int64_t auth_timeout_us;
    int64_t max_traced_msg_len; /* 0: no limit */
    bool trace_headers;
};

struct nj_serving {
    struct nj_limits limits; /* first: read for each message */
    _Atomic uint32_t refs;   /* atomic */
    /* all else: immutable once published */
    struct nj_auth *auth;           /* owned */
    struct nj_map_names *map_names; /* owned; NULL: certificates do not choose the user */
    uint64_t auth_gen;              /* differs whenever `auth` judges differently */
    struct nj_mappers *mappers;     /* a reference; NULL: none are configured */
    struct nj_bcrypt *bcrypt;       /* borrowed of the hub; NULL: no hash is configured */
    struct nj_ocsp_peers *ocsp;     /* borrowed of the hub; NULL: ocsp_peer was never asked for */
    struct nj_tls_door *tls;        /* a reference; NULL: no tls block */
    bool allow_non_tls;
    char *advertise_host; /* client_advertise; NULL: as listened */
    int advertise_port;   /* 0: as listened */
};

/* All zero, with one reference.  Fill it before anybody else sees it. */
struct nj_serving *nj_serving_new(void);
struct nj_serving *nj_serving_ref(struct nj_serving *s); /* any thread */
void nj_serving_unref(struct nj_serving **sp);           /* any thread; sets NULL */

/* Must a client say who it is? */
bool nj_serving_auth_required(const struct nj_serving *s);

#endif
