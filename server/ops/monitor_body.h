/*
 * monitor_body.h: the JSON bodies of the monitoring endpoints.  Control thread.  The same bodies
 * go over HTTP and in answers to system requests.
 */
#ifndef NJ_OPS_MONITOR_BODY_H
#define NJ_OPS_MONITOR_BODY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/monitor_facts.h"

struct nj_buf;
struct nj_procstat;

/* "5s", "2m3s", "1h0m9s", "3d4h5m6s", "1y2d3h4m5s".  Returns buf; 48 bytes are enough. */
char *nj_uptime_text(int64_t ns, char *buf, size_t cap);

/* ---- /varz ----------------------------------------------------------------------------------- */

struct nj_request_count {
    const char *path;
    uint64_t count; /* 0: not printed */
};

/* `counts` in the order of the paths.  NJ_OK or NJ_E_LIMIT. */
int nj_varz_print(struct nj_buf *out, const struct nj_varz_facts *f, const struct nj_procstat *proc,
                  const struct nj_request_count *counts, size_t counts_n, int64_t now_ns);

/* ---- /connz ---------------------------------------------------------------------------------- */

enum nj_connz_sort {
    NJ_CONNZ_BY_CID = 0,
    NJ_CONNZ_BY_START,
    NJ_CONNZ_BY_SUBS,
    NJ_CONNZ_BY_PENDING,
    NJ_CONNZ_BY_MSGS_TO,
    NJ_CONNZ_BY_MSGS_FROM,
    NJ_CONNZ_BY_BYTES_TO,
    NJ_CONNZ_BY_BYTES_FROM,
    NJ_CONNZ_BY_LAST,
    NJ_CONNZ_BY_IDLE,
    NJ_CONNZ_BY_UPTIME,
    NJ_CONNZ_BY_STOP,
    NJ_CONNZ_BY_REASON,
    NJ_CONNZ_BY_RTT
};

/* What a request asks for. */
struct nj_connz_options {
    enum nj_connz_sort sort;
    enum nj_connz_state state;
    enum nj_connz_subs subs;
    bool auth;
    int64_t offset;                     /* never negative */
    int64_t limit;                      /* always positive */
    uint64_t cid;                       /* 0: any */
    char *user, *account, *mqtt_client; /* owned; "" = any */
};

/*
 * From a query string.  On failure the text of the 400 answer is in `why`: NJ_E_INVALID is what
 * cannot be decoded, NJ_E_UNSUPPORTED an order that there is not.  Call nj_connz_options_fini() in
 * any case.
 */
int nj_connz_options_parse(struct nj_connz_options *o, const char *query, struct nj_buf *why);
void nj_connz_options_fini(struct nj_connz_options *o);

/* rc is NJ_OK or NJ_E_LIMIT; the content of `body` may be taken over. */
typedef void (*nj_connz_body_fn)(void *arg, int rc, struct nj_buf *body);

/*
 * Ask the source, sort, page, print; calls `done` exactly once, maybe before returning.  Takes the
 * content of `o` over.  `source`, `user` and `server_id` must live until then.
 */
void nj_connz_run(const struct nj_monitor_source *source, void *user, const char *server_id,
                  struct nj_connz_options *o, size_t body_limit, nj_connz_body_fn done, void *arg);

/* ---- /healthz -------------------------------------------------------------------------------- */

/*
 * Judge a health request.  *status_out is the HTTP status, `out` holds the JSON or, for a 400 of
 * the query decoding, a plain text (then *is_json_out is false).
 */
int nj_healthz_print(struct nj_buf *out, const char *query, const struct nj_health_facts *facts,
                     int *status_out, bool *is_json_out);

#endif
