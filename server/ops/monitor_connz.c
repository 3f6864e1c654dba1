#include "ops/monitor_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/nul_text.h"
#include "natterjack/plugin.h"
#include "ops/http_query.h"

enum { DEFAULT_LIMIT = 1024 };

/* A connection with the number it is sorted by; descending orders have the number negated. */
struct row {
    struct nj_conn_fact *conn; /* in job->facts */
    int64_t key;
};

/*
 * A request on its way.  The source is asked twice when the answer shows subscriptions or peer
 * certificates: first for all connections without them, then for those on the page.  So memory
 * follows the page, not the server.
 */
struct job {
    const struct nj_monitor_source *source;
    void *user;
    const char *server_id;
    struct nj_connz_options o;
    struct nj_connz_query query; /* borrows from o and cids */
    uint64_t *cids;
    struct nj_connz_facts facts;
    struct row *rows;
    size_t rows_n;
    size_t from, to; /* the page within rows */
    int64_t now_ns;
    size_t body_limit;
    nj_connz_body_fn done;
    void *arg;
};

/* ---- options --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum nj_connz_sort sort;
} sorts[] = {
    { "cid", NJ_CONNZ_BY_CID },           { "start", NJ_CONNZ_BY_START },
    { "subs", NJ_CONNZ_BY_SUBS },         { "pending", NJ_CONNZ_BY_PENDING },
    { "msgs_to", NJ_CONNZ_BY_MSGS_TO },   { "msgs_from", NJ_CONNZ_BY_MSGS_FROM },
    { "bytes_to", NJ_CONNZ_BY_BYTES_TO }, { "bytes_from", NJ_CONNZ_BY_BYTES_FROM },
    { "last", NJ_CONNZ_BY_LAST },         { "idle", NJ_CONNZ_BY_IDLE },
    { "uptime", NJ_CONNZ_BY_UPTIME },     { "stop", NJ_CONNZ_BY_STOP },
    { "reason", NJ_CONNZ_BY_REASON },     { "rtt", NJ_CONNZ_BY_RTT },
};

static int parse_subs(struct nj_connz_options *o, const char *query, struct nj_buf *why)
{
    char *value = nj_query_get(query, "subs");
    bool list = false;
    int rc = NJ_OK;
    if (strcasecmp(value, "detail") == 0) {
        o->subs = NJ_CONNZ_SUBS_DETAIL;
    } else {
        rc = nj_query_bool(query, "subs", &list, why);
        o->subs = list ? NJ_CONNZ_SUBS_LIST : NJ_CONNZ_SUBS_NONE;
    }
    nj_dealloc(value);
    return rc;
}

static int parse_state(struct nj_connz_options *o, const char *query, struct nj_buf *why)
{
    static const struct {
        const char *name;
        enum nj_connz_state state;
    } states[] = {
        { "", NJ_CONNZ_OPEN },   { "open", NJ_CONNZ_OPEN }, { "closed", NJ_CONNZ_CLOSED },
        { "any", NJ_CONNZ_ALL }, { "all", NJ_CONNZ_ALL },
    };
    char *value = nj_query_get(query, "state");
    int rc = NJ_E_INVALID;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcasecmp(value, states[i].name) == 0) {
            o->state = states[i].state;
            rc = NJ_OK;
        }
    }
    if (rc != NJ_OK) {
        (void) nj_buf_printf(why, "Error decoding state for %s", value);
    }
    nj_dealloc(value);
    return rc;
}

static int find_sort(struct nj_connz_options *o, const char *value)
{
    if (value[0] == '\0') {
        return NJ_OK;
    }
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        if (strcmp(value, sorts[i].name) == 0) {
            o->sort = sorts[i].sort;
            return NJ_OK;
        }
    }
    return NJ_E_UNSUPPORTED;
}

static int parse_sort(struct nj_connz_options *o, const char *query, struct nj_buf *why)
{
    char *value = nj_query_get(query, "sort");
    int rc = find_sort(o, value);
    if (rc != NJ_OK) {
        (void) nj_buf_printf(why, "invalid sorting option: %s", value);
    } else if (o->state != NJ_CONNZ_CLOSED &&
               (o->sort == NJ_CONNZ_BY_STOP || o->sort == NJ_CONNZ_BY_REASON)) {
        (void) nj_buf_printf(why, "sort by %s only valid on closed connections", value);
        rc = NJ_E_UNSUPPORTED;
    }
    nj_dealloc(value);
    return rc;
}

int nj_connz_options_parse(struct nj_connz_options *o, const char *query, struct nj_buf *why)
{
    *o = (struct nj_connz_options){ 0 };
    o->user = nj_query_get(query, "user");
    o->account = nj_query_get(query, "acc");
    o->mqtt_client = nj_query_get(query, "mqtt_client");
    /* The order decides which of several faults is told. */
    int rc = nj_query_bool(query, "auth", &o->auth, why);
    rc = rc == NJ_OK ? parse_subs(o, query, why) : rc;
    rc = rc == NJ_OK ? nj_query_int(query, "offset", &o->offset, why) : rc;
    rc = rc == NJ_OK ? nj_query_int(query, "limit", &o->limit, why) : rc;
    rc = rc == NJ_OK ? nj_query_uint(query, "cid", &o->cid, why) : rc;
    rc = rc == NJ_OK ? parse_state(o, query, why) : rc;
    rc = rc == NJ_OK ? parse_sort(o, query, why) : rc;
    o->offset = o->offset < 0 ? 0 : o->offset;
    o->limit = o->limit <= 0 ? DEFAULT_LIMIT : o->limit;
    o->limit = o->cid > 0 ? 1 : o->limit;
    return rc;
}

void nj_connz_options_fini(struct nj_connz_options *o)
{
    nj_dealloc(o->user);
    nj_dealloc(o->account);
    nj_dealloc(o->mqtt_client);
    *o = (struct nj_connz_options){ 0 };
}

/* ---- choosing and sorting -------------------------------------------------------------------- */

static bool is_same(const char *filter, const char *fact)
{
    return filter[0] == '\0' || (fact != NULL && strcmp(filter, fact) == 0);
}

static bool is_wanted(const struct job *job, const struct nj_conn_fact *c)
{
    const struct nj_connz_options *o = &job->o;
    /* No connection here has an MQTT client id, so such a filter matches nothing. */
    return (o->cid == 0 || o->cid == c->cid) && is_same(o->user, c->authorized_user) &&
           is_same(o->account, c->account) && o->mqtt_client[0] == '\0';
}

/* The moment at which a connection's ages are told: its end, or now. */
static int64_t age_base(const struct job *job, const struct nj_conn_fact *c)
{
    return c->stop_ns != 0 ? c->stop_ns : job->now_ns;
}

static int64_t sort_key(const struct job *job, const struct nj_conn_fact *c)
{
    switch (job->o.sort) {
    case NJ_CONNZ_BY_START:
        return c->start_ns;
    case NJ_CONNZ_BY_SUBS:
        return -(int64_t) c->subscriptions;
    case NJ_CONNZ_BY_PENDING:
        return -c->pending_bytes;
    case NJ_CONNZ_BY_MSGS_TO:
        return -c->out_msgs;
    case NJ_CONNZ_BY_MSGS_FROM:
        return -c->in_msgs;
    case NJ_CONNZ_BY_BYTES_TO:
        return -c->out_bytes;
    case NJ_CONNZ_BY_BYTES_FROM:
        return -c->in_bytes;
    case NJ_CONNZ_BY_LAST:
        return -c->last_activity_ns;
    case NJ_CONNZ_BY_IDLE:
        return c->last_activity_ns - age_base(job, c);
    case NJ_CONNZ_BY_UPTIME:
        return age_base(job, c) - c->start_ns;
    case NJ_CONNZ_BY_STOP:
        return -c->stop_ns;
    case NJ_CONNZ_BY_RTT:
        return -c->rtt_ns;
    case NJ_CONNZ_BY_CID:
    case NJ_CONNZ_BY_REASON:
        break;
    }
    return 0; /* decided by the cid, or by text */
}

static int compare_cids(const struct nj_conn_fact *a, const struct nj_conn_fact *b)
{
    return a->cid < b->cid ? -1 : a->cid > b->cid;
}

static int compare_keys(const void *pa, const void *pb)
{
    const struct row *a = pa;
    const struct row *b = pb;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return compare_cids(a->conn, b->conn);
}

static int compare_reasons(const void *pa, const void *pb)
{
    const struct row *a = pa;
    const struct row *b = pb;
    const char *ra = a->conn->reason == NULL ? "" : a->conn->reason;
    const char *rb = b->conn->reason == NULL ? "" : b->conn->reason;
    int order = strcmp(ra, rb);
    return order != 0 ? order : compare_cids(a->conn, b->conn);
}

static void choose_rows(struct job *job)
{
    job->rows = nj_calloc(job->facts.n, sizeof(*job->rows));
    for (size_t i = 0; i < job->facts.n; i++) {
        struct nj_conn_fact *c = &job->facts.conns[i];
        if (is_wanted(job, c)) {
            job->rows[job->rows_n++] = (struct row){ c, sort_key(job, c) };
        }
    }
    qsort(job->rows, job->rows_n, sizeof(*job->rows),
          job->o.sort == NJ_CONNZ_BY_REASON ? compare_reasons : compare_keys);
    uint64_t n = job->rows_n;
    uint64_t from = (uint64_t) job->o.offset < n ? (uint64_t) job->o.offset : n;
    uint64_t count = (uint64_t) job->o.limit < n - from ? (uint64_t) job->o.limit : n - from;
    job->from = (size_t) from;
    job->to = (size_t) (from + count);
}

/* ---- printing -------------------------------------------------------------------------------- */

static void put_certs(struct nj_json *j, const struct nj_conn_fact *c)
{
    if (c->tls_peer_certs_n == 0) {
        return;
    }
    nj_json_array(j, "tls_peer_certs");
    for (size_t i = 0; i < c->tls_peer_certs_n; i++) {
        const struct nj_peer_cert_fact *cert = &c->tls_peer_certs[i];
        nj_json_object(j, NULL);
        if (cert->subject_len > 0) {
            nj_json_strn(j, "subject", cert->subject, cert->subject_len);
        }
        nj_json_opt_str(j, "spki_sha256", cert->spki_sha256);
        nj_json_opt_str(j, "cert_sha256", cert->cert_sha256);
        nj_json_end(j);
    }
    nj_json_end(j);
}

static void put_sub_list(struct nj_json *j, const struct nj_conn_fact *c)
{
    nj_json_array(j, "subscriptions_list");
    for (size_t i = 0; i < c->subs_n; i++) {
        nj_json_str(j, NULL, c->subs[i].subject);
    }
    nj_json_end(j);
}

static void put_sub_details(struct nj_json *j, const struct nj_conn_fact *c)
{
    nj_json_array(j, "subscriptions_list_detail");
    for (size_t i = 0; i < c->subs_n; i++) {
        const struct nj_sub_fact *sub = &c->subs[i];
        nj_json_object(j, NULL);
        nj_json_str(j, "subject", sub->subject);
        nj_json_opt_str(j, "qgroup", sub->queue);
        nj_json_str(j, "sid", sub->sid);
        nj_json_int(j, "msgs", sub->msgs);
        nj_json_opt_int(j, "max", sub->max);
        nj_json_uint(j, "cid", c->cid);
        nj_json_end(j);
    }
    nj_json_end(j);
}

static void put_subs(struct nj_json *j, const struct job *job, const struct nj_conn_fact *c)
{
    if (c->subs_n == 0 || job->o.subs == NJ_CONNZ_SUBS_NONE) {
        return;
    }
    if (job->o.subs == NJ_CONNZ_SUBS_LIST) {
        put_sub_list(j, c);
    } else {
        put_sub_details(j, c);
    }
}

static void put_times(struct nj_json *j, const struct job *job, const struct nj_conn_fact *c)
{
    char text[64];
    int64_t base = age_base(job, c);
    nj_json_time(j, "start", c->start_ns);
    nj_json_time(j, "last_activity", c->last_activity_ns);
    nj_json_opt_time(j, "stop", c->stop_ns);
    nj_json_opt_str(j, "reason", c->reason);
    nj_json_str(j, "rtt", nj_duration_text(c->rtt_ns, text, sizeof(text)));
    nj_json_str(j, "uptime", nj_uptime_text(base - c->start_ns, text, sizeof(text)));
    nj_json_str(j, "idle", nj_uptime_text(base - c->last_activity_ns, text, sizeof(text)));
}

/* What the client said of itself. */
static void put_text(struct nj_json *j, const char *key, const char *text)
{
    struct nj_buf b;
    if (text == NULL || text[0] == '\0') {
        return;
    }
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_nul_text_append(&b, text);
    nj_json_strn(j, key, b.ptr, b.len);
    nj_buf_free(&b);
}

static void put_auth_names(struct nj_json *j, const struct nj_conn_fact *c)
{
    put_text(j, "authorized_user", c->authorized_user);
    if (c->account != NULL && strcmp(c->account, "$G") != 0) {
        nj_json_opt_str(j, "account", c->account);
    }
}

static void put_conn(struct nj_json *j, const struct job *job, const struct nj_conn_fact *c)
{
    nj_json_object(j, NULL);
    nj_json_uint(j, "cid", c->cid);
    nj_json_opt_str(j, "kind", c->kind);
    nj_json_opt_str(j, "type", c->type);
    nj_json_str(j, "ip", c->ip);
    nj_json_int(j, "port", c->port);
    put_times(j, job, c);
    nj_json_int(j, "pending_bytes", c->pending_bytes);
    nj_json_int(j, "in_msgs", c->in_msgs);
    nj_json_int(j, "out_msgs", c->out_msgs);
    nj_json_int(j, "in_bytes", c->in_bytes);
    nj_json_int(j, "out_bytes", c->out_bytes);
    nj_json_opt_int(j, "stalls", c->stalls);
    nj_json_uint(j, "subscriptions", c->subscriptions);
    put_text(j, "name", c->name);
    put_text(j, "lang", c->lang);
    put_text(j, "version", c->version);
    nj_json_opt_str(j, "tls_version", c->tls_version);
    nj_json_opt_str(j, "tls_cipher_suite", c->tls_cipher_suite);
    if (job->o.auth) {
        put_certs(j, c);
    }
    nj_json_opt_bool(j, "tls_first", c->tls_first);
    if (job->o.auth) {
        put_auth_names(j, c);
    }
    put_subs(j, job, c);
    if (job->o.auth) {
        nj_json_opt_str(j, "issuer_key", c->by_nkey ? c->account : NULL); /* so says the reference */
        nj_json_opt_str(j, "name_tag", c->name_tag);
    }
    nj_json_end(j);
}

static uint64_t total_of(const struct job *job)
{
    uint64_t total = 0;
    if (job->o.state != NJ_CONNZ_CLOSED) {
        total += job->facts.open_total;
    }
    if (job->o.state != NJ_CONNZ_OPEN) {
        total += job->facts.closed_total;
    }
    return job->facts.account_unknown ? 0 : total;
}

static int print(const struct job *job, struct nj_buf *body)
{
    struct nj_json j;
    bool unknown = job->facts.account_unknown;
    nj_json_init(&j, body, 2);
    nj_json_object(&j, NULL);
    /* An unknown account gets the body of a request that was never filled in. */
    nj_json_str(&j, "server_id", unknown ? "" : job->server_id);
    nj_json_time(&j, "now", job->now_ns);
    nj_json_uint(&j, "num_connections", unknown ? 0 : job->to - job->from);
    nj_json_uint(&j, "total", total_of(job));
    nj_json_int(&j, "offset", job->o.offset);
    nj_json_int(&j, "limit", job->o.limit);
    if (unknown) {
        nj_json_null(&j, "connections");
    } else {
        nj_json_array(&j, "connections");
        for (size_t i = job->from; i < job->to && j.rc == NJ_OK; i++) {
            put_conn(&j, job, job->rows[i].conn);
        }
        nj_json_end(&j);
    }
    nj_json_end(&j);
    return nj_json_finish(&j);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void finish(struct job *job)
{
    struct nj_buf body;
    nj_buf_init(&body, job->body_limit);
    int rc = print(job, &body);
    job->done(job->arg, rc, &body);
    nj_buf_free(&body);
    nj_connz_facts_free(&job->facts);
    nj_connz_options_fini(&job->o);
    nj_dealloc(job->rows);
    nj_dealloc(job->cids);
    nj_dealloc(job);
}

static int compare_row_cid(const void *key, const void *item)
{
    const uint64_t *cid = key;
    const struct row *row = item;
    return *cid < row->conn->cid ? -1 : *cid > row->conn->cid;
}

/* Move the subscriptions and certificates over to the connection of the first round. */
static void adopt_details(struct nj_conn_fact *to, struct nj_conn_fact *from)
{
    struct nj_conn_fact old = *to;
    to->subs = from->subs;
    to->subs_n = from->subs_n;
    to->tls_peer_certs = from->tls_peer_certs;
    to->tls_peer_certs_n = from->tls_peer_certs_n;
    from->subs = old.subs;
    from->subs_n = old.subs_n;
    from->tls_peer_certs = old.tls_peer_certs;
    from->tls_peer_certs_n = old.tls_peer_certs_n;
}

/* A connection that ended between the rounds shows what the first one knew. */
static void take_details(void *arg, struct nj_connz_facts *details)
{
    struct job *job = arg;
    size_t n = job->to - job->from;
    struct row *by_cid = nj_calloc(n, sizeof(*by_cid));
    for (size_t i = 0; i < n; i++) {
        by_cid[i].conn = job->rows[job->from + i].conn;
    }
    qsort(by_cid, n, sizeof(*by_cid), compare_keys);
    for (size_t i = 0; i < details->n; i++) {
        struct row *hit =
            bsearch(&details->conns[i].cid, by_cid, n, sizeof(*by_cid), compare_row_cid);
        if (hit != NULL) {
            adopt_details(hit->conn, &details->conns[i]);
        }
    }
    nj_dealloc(by_cid);
    nj_connz_facts_free(details);
    finish(job);
}

static int compare_numbers(const void *pa, const void *pb)
{
    const uint64_t *a = pa;
    const uint64_t *b = pb;
    return *a < *b ? -1 : *a > *b;
}

static void ask_details(struct job *job)
{
    size_t n = job->to - job->from;
    job->cids = nj_calloc(n, sizeof(*job->cids));
    for (size_t i = 0; i < n; i++) {
        job->cids[i] = job->rows[job->from + i].conn->cid;
    }
    qsort(job->cids, n, sizeof(*job->cids), compare_numbers);
    job->query.cids = job->cids;
    job->query.cids_n = n;
    job->query.subs = job->o.subs;
    job->query.auth = job->o.auth;
    job->source->connz(job->user, &job->query, take_details, job);
}

static void take_connections(void *arg, struct nj_connz_facts *facts)
{
    struct job *job = arg;
    job->facts = *facts;
    *facts = (struct nj_connz_facts){ 0 };
    job->now_ns = nj_wall_ns();
    choose_rows(job);
    bool details = job->o.auth || job->o.subs != NJ_CONNZ_SUBS_NONE;
    if (details && job->to > job->from && !job->facts.account_unknown) {
        ask_details(job);
    } else {
        finish(job);
    }
}

void nj_connz_run(const struct nj_monitor_source *source, void *user, const char *server_id,
                  struct nj_connz_options *o, size_t body_limit, nj_connz_body_fn done, void *arg)
{
    struct job *job = nj_zalloc(sizeof(*job));
    job->source = source;
    job->user = user;
    job->server_id = server_id;
    job->o = *o;
    *o = (struct nj_connz_options){ 0 };
    job->body_limit = body_limit;
    job->done = done;
    job->arg = arg;
    job->query = (struct nj_connz_query){
        .state = job->o.state,
        .cid = job->o.cid,
        .account = job->o.account[0] != '\0' ? job->o.account : NULL,
        .auth_user = job->o.user[0] != '\0' ? job->o.user : NULL,
    };
    source->connz(user, &job->query, take_connections, job);
}
