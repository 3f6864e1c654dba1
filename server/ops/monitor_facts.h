/*
 * monitor_facts.h: what the monitoring port has to be told by the server's core.
 *
 * The core implements struct nj_monitor_source; the monitoring code asks, sorts, pages and prints.
 * Everything here happens on the control thread.  Times are wall-clock nanoseconds since 1970 UTC
 * (0 = none), durations nanoseconds.  NULL strings mean "absent" and are never printed.
 */
#ifndef NJ_OPS_MONITOR_FACTS_H
#define NJ_OPS_MONITOR_FACTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/handshakes.h"
#include "tls/ocsp_cache.h"

/* ---- /varz ----------------------------------------------------------------------------------- */

struct nj_kind_counts {
    uint64_t clients, routes, gateways, leafs;
};

/*
 * Filled by the core.  Strings and arrays stay the core's and must live until the varz() call's
 * caller has returned to the loop; the struct itself comes zeroed.  mem, cpu and cores are filled
 * by the monitoring code (procstat.h), as are `now`, uptime and the request counts.
 */
struct nj_varz_facts {
    const char *server_id;
    const char *server_name;
    const char *version;
    const char *git_commit; /* optional */
    const char *toolchain;  /* printed as "go": the CLI shows it */
    const char *host;
    int port;
    bool auth_required;
    bool tls_required;
    bool tls_verify;
    bool tls_ocsp_peer_verify;
    bool ocsp_cached; /* the cache below is in use */
    struct nj_ocsp_cache_facts ocsp_cache;
    const char *ip;            /* optional: client_advertise */
    char *const *connect_urls; /* optional, "host:port" */
    size_t connect_urls_n;
    int64_t max_connections;
    int64_t max_subs; /* 0: unlimited, not printed */
    int64_t ping_interval_ns;
    int ping_max;
    const char *http_host;
    int http_port; /* as configured: -1 stays -1 */
    const char *http_base_path;
    int https_port;
    double auth_timeout_s;
    int64_t max_control_line;
    int64_t max_payload;
    int64_t max_pending;
    double tls_timeout_s;
    int64_t write_deadline_ns;
    const char *write_timeout; /* optional: "retry" */
    int64_t start_ns;
    int64_t connections;
    uint64_t total_connections;
    int64_t routes, remotes, leafnodes;
    int64_t in_msgs, in_bytes, in_client_msgs, in_client_bytes;
    int64_t out_msgs, out_bytes, out_client_msgs, out_client_bytes;
    int64_t slow_consumers, stale_connections, stalled_clients;
    uint64_t subscriptions;
    int64_t config_load_ns;
    const char *config_digest; /* "sha256:<hex>", "" without a file */
    char *const *tags;
    size_t tags_n;
    char *const *metadata; /* key, value, key, value ... */
    size_t metadata_n;     /* strings in it: twice the pairs */
    const char *system_account;
    uint64_t pinned_account_fails;
    struct nj_kind_counts slow, stale;
    int64_t tls_cert_not_after_ns;
    /* our own, in an object of its own */
    const char *own_version;
    const char *fips; /* label of the provider's module, "none" without one */
    bool require_fips;
    bool has_handshakes; /* there is, or was, a tls block */
    uint64_t handshakes[NJ_HS_ENDS];
};

/* ---- /connz ---------------------------------------------------------------------------------- */

enum nj_connz_state { NJ_CONNZ_OPEN = 0, NJ_CONNZ_CLOSED = 1, NJ_CONNZ_ALL = 2 };

enum nj_connz_subs {
    NJ_CONNZ_SUBS_NONE = 0,
    NJ_CONNZ_SUBS_LIST = 1,  /* subjects */
    NJ_CONNZ_SUBS_DETAIL = 2 /* everything in struct nj_sub_fact */
};

/*
 * Which connections are wanted.  The core must leave out what `state`, `cid` and `cids` exclude;
 * it may leave out what `account` and `auth_user` exclude (they are filtered again).  Borrowed;
 * lives until the answer is given.
 */
struct nj_connz_query {
    enum nj_connz_state state;
    enum nj_connz_subs subs; /* fill the subs array only when asked */
    bool auth;               /* tls_peer_certs are wanted */
    uint64_t cid;            /* 0: all */
    const uint64_t *cids;    /* sorted ascending; cids_n 0: all */
    size_t cids_n;
    const char *account;   /* NULL: all */
    const char *auth_user; /* NULL: all */
};

struct nj_sub_fact {
    char *subject;
    char *queue; /* NULL: none */
    char *sid;
    int64_t msgs; /* delivered */
    int64_t max;  /* 0: no limit */
};

struct nj_peer_cert_fact {
    char *subject; /* a NUL may be in it */
    size_t subject_len;
    char *spki_sha256; /* lower-case hex */
    char *cert_sha256;
};

/*
 * One connection, open or closed.  Strings and arrays are owned by the struct and come from
 * nj_alloc() and friends (nj_strdup); all may be NULL.
 */
struct nj_conn_fact {
    uint64_t cid;
    const char *kind; /* "Client", "Leafnode": a literal, not owned */
    const char *type; /* "nats", "websocket": a literal, not owned */
    char *ip;
    int port;
    int64_t start_ns;
    int64_t last_activity_ns;
    int64_t stop_ns;    /* 0: open */
    const char *reason; /* a literal, not owned; NULL while open */
    int64_t rtt_ns;     /* 0: not measured, printed as "0s" */
    int64_t pending_bytes;
    int64_t in_msgs, out_msgs, in_bytes, out_bytes;
    int64_t stalls;
    uint32_t subscriptions; /* the count; always filled */
    char *name, *lang, *version;
    const char *tls_version; /* "1.2", "1.3": a literal, not owned */
    char *tls_cipher_suite;
    struct nj_peer_cert_fact *tls_peer_certs;
    size_t tls_peer_certs_n;
    bool tls_first;
    char *authorized_user; /* always filled when known: user, nkey, "[REDACTED]" for a token */
    bool by_nkey;          /* authorized_user is an nkey that was let in */
    char *account;         /* always filled when known, "$G" too */
    char *name_tag;        /* the account's tag or name; NULL for closed connections */
    struct nj_sub_fact *subs;
    size_t subs_n;
};

/* A growing list of them.  Zero-initialised is empty. */
struct nj_connz_facts {
    struct nj_conn_fact *conns;
    size_t n, cap;
    uint64_t open_total;   /* open connections of the server, or of query->account */
    uint64_t closed_total; /* closed ones remembered, likewise */
    bool account_unknown;  /* query->account names no account */
};

/* A new zeroed entry; the pointer is good until the next add or merge. */
struct nj_conn_fact *nj_connz_facts_add(struct nj_connz_facts *f);
/* Move everything from `part` to the end of f and add the totals; `part` is empty afterwards. */
void nj_connz_facts_merge(struct nj_connz_facts *f, struct nj_connz_facts *part);
void nj_connz_facts_free(struct nj_connz_facts *f); /* content only; empty afterwards */

/* A new zeroed entry in the connection's list of subscriptions. */
struct nj_sub_fact *nj_conn_fact_add_sub(struct nj_conn_fact *c);
struct nj_peer_cert_fact *nj_conn_fact_add_cert(struct nj_conn_fact *c);

/* Control thread.  Takes the content of `facts` over (the struct itself stays the caller's). */
typedef void (*nj_connz_done_fn)(void *arg, struct nj_connz_facts *facts);

/* ---- /healthz -------------------------------------------------------------------------------- */

struct nj_health_item {
    const char *what;  /* "server", "route", "gateway", "leafnode", "websocket", "mqtt" */
    const char *cause; /* NULL: unknown */
};

/* What is configured to listen and does not.  Strings stay the core's. */
struct nj_health_facts {
    struct nj_health_item down[6];
    size_t down_n;
};

/* ---- the source ------------------------------------------------------------------------------ */

struct nj_monitor_source {
    void (*varz)(void *user, struct nj_varz_facts *facts_out);
    /*
     * Calls `done` exactly once, later or before it returns, also while the server stops (with
     * what there is then).  `query` lives until then.
     */
    void (*connz)(void *user, const struct nj_connz_query *query, nj_connz_done_fn done, void *arg);
    void (*healthz)(void *user, struct nj_health_facts *facts_out);
};

#endif
