#include "ops/facts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "broker/account.h"
#include "broker/index.h"
#include "broker/sub.h"
#include "io/conn.h"
#include "io/tls_stream.h"
#include "ops/options.h"
#include "peer/client.h"
#include "peer/client_tls.h"
#include "peer/closed.h"
#include "tls/block.h"
#include "tls/ocsp_peer.h"
#include "tls/cert.h"
#include "tls/dn.h"
#include "tls/fips.h"
#include "tls/names.h"

#define PEER_CERTS_MOST 16

struct question;

struct nj_facts {
    struct nj_facts_config c;
    int64_t config_load_ns;
    int listening;
    uv_async_t answered;
    pthread_mutex_t mu;
    struct question *done; /* under mu: answered by all workers */
};

/* One /connz on its way through the workers. */
struct question {
    struct question *next;
    struct nj_facts *facts;
    const struct nj_connz_query *query;
    nj_connz_done_fn done;
    void *arg;
    _Atomic unsigned waiting;
    struct nj_connz_facts parts[]; /* by worker */
};

/* ---- /varz --------------------------------------------------------------------------------------- */

static void add_traffic(const struct nj_hub *hub, struct nj_varz_facts *v)
{
    for (uint16_t i = 0; i < hub->workers->n; i++) {
        const struct nj_traffic *t = &hub->per_worker[i].traffic;
        v->in_msgs += (int64_t) atomic_load_explicit(&t->in_msgs, memory_order_relaxed);
        v->in_bytes += (int64_t) atomic_load_explicit(&t->in_bytes, memory_order_relaxed);
        v->out_msgs += (int64_t) atomic_load_explicit(&t->out_msgs, memory_order_relaxed);
        v->out_bytes += (int64_t) atomic_load_explicit(&t->out_bytes, memory_order_relaxed);
    }
    v->in_client_msgs = v->in_msgs;
    v->in_client_bytes = v->in_bytes;
    v->out_client_msgs = v->out_msgs;
    v->out_client_bytes = v->out_bytes;
}

static void add_handshakes(const struct nj_hub *hub, struct nj_varz_facts *v)
{
    v->has_handshakes = hub->serving->tls != NULL;
    for (uint16_t i = 0; i < hub->workers->n; i++) {
        const struct nj_handshakes *h = &hub->per_worker[i].handshakes;
        for (size_t k = 0; k < NJ_HS_ENDS; k++) {
            v->handshakes[k] += atomic_load_explicit(&h->n[k], memory_order_relaxed);
            v->has_handshakes = v->has_handshakes || v->handshakes[k] > 0;
        }
    }
}

static void add_tls(const struct nj_serving *s, struct nj_varz_facts *v)
{
    if (s->tls == NULL) {
        return;
    }
    const struct nj_tls_setup *setup = nj_tls_door_setup(s->tls);
    v->tls_required = !s->allow_non_tls || nj_tls_door_first(s->tls) == NJ_FIRST_ALWAYS;
    v->tls_verify = nj_tls_door_verifies(s->tls);
    v->tls_ocsp_peer_verify = setup->ocsp_peer;
    v->ocsp_cached = setup->ocsp_peer && s->ocsp != NULL &&
                     nj_ocsp_peers_facts(s->ocsp, &v->ocsp_cache);
    v->tls_timeout_s = (double) nj_tls_door_timeout_us(s->tls) / 1e6;
    v->tls_cert_not_after_ns = setup->not_after_s * 1000000000;
}

static void add_options(const struct nj_options *o, struct nj_varz_facts *v)
{
    v->max_connections = o->max_connections;
    v->max_subs = o->max_subs;
    v->ping_interval_ns = o->ping_interval_ns;
    v->ping_max = o->ping_max;
    v->http_host = o->http_host != NULL ? o->http_host : o->host;
    v->http_base_path = o->http_base_path != NULL ? o->http_base_path : "";
    v->max_control_line = o->max_control_line;
    v->max_payload = o->max_payload;
    v->max_pending = o->max_pending;
    v->write_deadline_ns = o->write_deadline_ns;
    v->write_timeout = o->write_timeout_retry ? "retry" : NULL;
    v->config_digest = o->config_digest;
    v->tags = o->server_tags;
    v->tags_n = o->server_tags_n;
    v->metadata = o->server_metadata;
    v->metadata_n = o->server_metadata_n;
}

/* What clients are told in INFO. */
static void add_address(const struct nj_hub *hub, struct nj_varz_facts *v)
{
    const struct nj_serving *s = hub->serving;
    bool told = s->advertise_host != NULL;
    v->host = told ? s->advertise_host : hub->host;
    v->port = told && s->advertise_port > 0 ? s->advertise_port : hub->port;
}

static void varz(void *user, struct nj_varz_facts *v)
{
    struct nj_facts *f = user;
    const struct nj_hub *hub = f->c.hub;
    v->server_id = hub->server_id;
    v->server_name = hub->server_name;
    v->version = hub->version;
    v->toolchain = hub->toolchain;
    add_address(hub, v);
    v->auth_required = nj_serving_auth_required(hub->serving);
    v->tls_timeout_s = 2;
    v->auth_timeout_s = (double) hub->serving->limits.auth_timeout_us / 1e6;
    add_options(f->c.options, v);
    v->http_port = f->c.http_port;
    v->https_port = f->c.https_port;
    v->start_ns = f->c.start_ns;
    v->config_load_ns = f->config_load_ns;
    v->connections = atomic_load_explicit(&hub->connections, memory_order_relaxed);
    v->total_connections = atomic_load_explicit(&hub->total_connections, memory_order_relaxed);
    v->slow_consumers =
        (int64_t) atomic_load_explicit(&hub->slow_consumers, memory_order_relaxed);
    v->stale_connections =
        (int64_t) atomic_load_explicit(&hub->stale_connections, memory_order_relaxed);
    v->stalled_clients =
        (int64_t) atomic_load_explicit(&hub->stalled_clients, memory_order_relaxed);
    v->slow.clients = (uint64_t) v->slow_consumers;
    v->stale.clients = (uint64_t) v->stale_connections;
    v->subscriptions = nj_index_count(hub->global->index);
    v->system_account = "$SYS";
    v->own_version = hub->own_version;
    v->fips = f->c.provider != NULL ? nj_fips_label(f->c.provider) : NULL;
    v->require_fips = f->c.options->require_fips;
    add_tls(hub->serving, v);
    add_traffic(hub, v);
    add_handshakes(hub, v);
}

/* ---- /connz: on a worker --------------------------------------------------------------------------- */

static char *dup_or_null(const char *s)
{
    return s != NULL ? nj_strdup(s) : NULL;
}

static char *hash_hex(const struct nj_tls_provider *p, struct nj_span bytes)
{
    uint8_t h[32];
    char *hex = nj_zalloc(65);
    if (p->crypto->hash != NULL &&
        p->crypto->hash(NJ_HASH_SHA256, bytes.ptr, bytes.len, h) == NJ_OK) {
        for (size_t i = 0; i < sizeof(h); i++) {
            (void) snprintf(hex + 2 * i, 3, "%02x", h[i]);
        }
    }
    return hex;
}

static void add_cert(struct nj_conn_fact *f, const struct nj_tls_provider *p, struct nj_span der)
{
    struct nj_peer_cert_fact *out = nj_conn_fact_add_cert(f);
    struct nj_cert cert;
    struct nj_buf subject;
    out->cert_sha256 = hash_hex(p, der);
    if (nj_cert_init(&cert, der, NULL) != NJ_OK) {
        return;
    }
    nj_buf_init(&subject, 64 * 1024);
    (void) nj_cert_subject_text(&cert, &subject);
    out->subject_len = subject.len;
    out->subject = nj_buf_take(&subject);
    out->spki_sha256 = hash_hex(p, cert.spki);
    nj_cert_fini(&cert);
}

static void add_tls_facts(struct nj_client *c, const struct nj_connz_query *q,
                          struct nj_conn_fact *f)
{
    char spare[24];
    struct nj_span chain[PEER_CERTS_MOST];
    if (c->tls_version == 0) {
        return;
    }
    f->tls_version = c->tls_version == NJ_TLS_1_3 ? "1.3" : "1.2";
    f->tls_cipher_suite = nj_strdup(nj_tls_suite_name(c->tls_suite, spare));
    f->tls_first = c->tls_first;
    if (q->auth) {
        size_t n = nj_tls_stream_peer_chain(&c->conn, chain, PEER_CERTS_MOST);
        n = n < PEER_CERTS_MOST ? n : PEER_CERTS_MOST;
        for (size_t i = 0; i < n; i++) {
            add_cert(f, nj_tls_door_setup(c->door)->provider, chain[i]);
        }
    }
}

static void add_subs(struct nj_client *c, struct nj_conn_fact *f)
{
    for (uint32_t i = 0; i < c->subs.used; i++) {
        const struct nj_sub *s = nj_sub_table_at(&c->subs, i)->sub;
        if (s != NULL) {
            struct nj_sub_fact *out = nj_conn_fact_add_sub(f);
            out->subject = nj_strdup(nj_sub_subject(s));
            out->queue = s->queue_len > 0 ? nj_strdup(nj_sub_queue(s)) : NULL;
            out->sid = nj_strdup(nj_sub_sid(s));
            out->msgs = (int64_t) s->delivered;
            out->max = (int64_t) atomic_load_explicit(&s->max, memory_order_relaxed);
        }
    }
}

static bool cid_wanted(const struct nj_connz_query *q, uint64_t cid)
{
    if (q->cid != 0 && q->cid != cid) {
        return false;
    }
    size_t lo = 0;
    size_t hi = q->cids_n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (q->cids[mid] == cid) {
            return true;
        }
        if (q->cids[mid] < cid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return q->cids_n == 0;
}

struct collect {
    const struct nj_connz_query *q;
    struct nj_connz_facts *to;
    int64_t now_ns, now_us;
};

static void add_open(struct nj_client *c, void *arg)
{
    struct collect *col = arg;
    if (!nj_client_is_open(c)) {
        return;
    }
    col->to->open_total++;
    if (col->q->state == NJ_CONNZ_CLOSED || !cid_wanted(col->q, c->cid)) {
        return;
    }
    struct nj_conn_fact *f = nj_connz_facts_add(col->to);
    f->cid = c->cid;
    f->kind = "Client";
    f->type = "nats";
    f->ip = nj_strdup(c->ip);
    f->port = c->port;
    f->start_ns = c->start_ns;
    f->last_activity_ns = col->now_ns - (col->now_us - c->last_us) * 1000;
    f->rtt_ns = c->rtt_ns;
    f->pending_bytes = (int64_t) nj_conn_pending(&c->conn);
    f->in_msgs = (int64_t) c->in_msgs;
    f->in_bytes = (int64_t) c->in_bytes;
    f->out_msgs = (int64_t) c->out_msgs;
    f->out_bytes = (int64_t) c->out_bytes;
    f->stalls = (int64_t) atomic_load_explicit(
        &nj_slot_at(c->conn.worker, c->conn.slot)->stalls, memory_order_relaxed);
    f->subscriptions = c->subs.count;
    f->name = dup_or_null(c->name);
    f->lang = dup_or_null(c->lang);
    f->version = dup_or_null(c->version);
    f->authorized_user = dup_or_null(nj_client_authorized_user(c));
    f->by_nkey = nj_client_is_nkey_user(c);
    f->account = nj_strdup(c->account->name);
    f->name_tag = nj_strdup(c->account->name);
    add_tls_facts(c, col->q, f);
    if (col->q->subs != NJ_CONNZ_SUBS_NONE) {
        add_subs(c, f);
    }
}

static void answer_part(struct nj_worker *w, void *arg)
{
    struct question *q = arg;
    struct collect col = { q->query, &q->parts[w->id], nj_wall_ns(), nj_mono_us() };
    nj_hub_each(w, add_open, &col);
    if (atomic_fetch_sub(&q->waiting, 1) == 1) {
        struct nj_facts *f = q->facts;
        nj_lock(&f->mu);
        q->next = f->done;
        f->done = q;
        nj_unlock(&f->mu);
        (void) uv_async_send(&f->answered);
    }
}

/* ---- /connz: on the control thread ----------------------------------------------------------------- */

static void add_closed(void *arg, const struct nj_closed *e)
{
    struct collect *col = arg;
    char spare[24];
    if (!cid_wanted(col->q, e->cid)) {
        return;
    }
    struct nj_conn_fact *f = nj_connz_facts_add(col->to);
    f->cid = e->cid;
    f->kind = "Client";
    f->type = "nats";
    f->ip = nj_strdup(e->ip);
    f->port = e->port;
    f->start_ns = e->start_ns;
    f->last_activity_ns = e->last_ns;
    f->stop_ns = e->stop_ns;
    f->reason = e->reason;
    f->rtt_ns = e->rtt_ns;
    f->in_msgs = (int64_t) e->in_msgs;
    f->in_bytes = (int64_t) e->in_bytes;
    f->out_msgs = (int64_t) e->out_msgs;
    f->out_bytes = (int64_t) e->out_bytes;
    f->stalls = e->stalls;
    f->pending_bytes = (int64_t) e->pending;
    f->subscriptions = e->subs;
    f->name = dup_or_null(e->name);
    f->lang = dup_or_null(e->lang);
    f->version = dup_or_null(e->version);
    f->authorized_user = dup_or_null(e->user);
    f->by_nkey = e->by_nkey;
    f->account = dup_or_null(e->account);
    if (e->tls_version != 0) {
        f->tls_version = e->tls_version == NJ_TLS_1_3 ? "1.3" : "1.2";
        f->tls_cipher_suite = nj_strdup(nj_tls_suite_name(e->tls_suite, spare));
        f->tls_first = e->tls_first != 0;
    }
}

static void finish(struct nj_facts *f, struct question *q)
{
    struct nj_connz_facts all = { 0 };
    struct collect col = { q->query, &all, 0, 0 };
    for (uint16_t i = 0; i < f->c.hub->workers->n; i++) {
        nj_connz_facts_merge(&all, &q->parts[i]);
    }
    bool wanted = q->query->state != NJ_CONNZ_OPEN;
    all.closed_total = nj_closed_ring_each(f->c.hub->closed, wanted ? add_closed : NULL, &col);
    const char *account = q->query->account;
    if (account != NULL && strcmp(account, f->c.hub->global->name) != 0) {
        all.account_unknown = strcmp(account, "$SYS") != 0;
        all.open_total = 0;
        all.closed_total = 0;
    }
    q->done(q->arg, &all);
    nj_connz_facts_free(&all);
    nj_dealloc(q);
}

static void on_answered(uv_async_t *handle)
{
    struct nj_facts *f = handle->data;
    nj_lock(&f->mu);
    struct question *q = f->done;
    f->done = NULL;
    nj_unlock(&f->mu);
    while (q != NULL) {
        struct question *next = q->next;
        finish(f, q);
        q = next;
    }
}

static void connz(void *user, const struct nj_connz_query *query, nj_connz_done_fn done, void *arg)
{
    struct nj_facts *f = user;
    struct nj_workers *ws = f->c.hub->workers;
    struct question *q = nj_zalloc(sizeof(*q) + ws->n * sizeof(q->parts[0]));
    q->facts = f;
    q->query = query;
    q->done = done;
    q->arg = arg;
    atomic_store(&q->waiting, ws->n);
    for (uint16_t i = 0; i < ws->n; i++) {
        nj_worker_call(ws->at[i], answer_part, q);
    }
}

/* ---- /healthz ----------------------------------------------------------------------------------------- */

static void healthz(void *user, struct nj_health_facts *out)
{
    struct nj_facts *f = user;
    if (!f->listening) {
        out->down[out->down_n++] = (struct nj_health_item){ .what = "server" };
    }
    const struct nj_tls_provider *p = f->c.provider;
    if (f->c.options->require_fips && p != NULL && (p->caps() & NJ_TLS_CAP_FIPS_ACTIVE) == 0) {
        out->down[out->down_n++] =
            (struct nj_health_item){ .what = "FIPS module", .cause = nj_fips_label(p) };
    }
}

const struct nj_monitor_source nj_facts_source = {
    .varz = varz,
    .connz = connz,
    .healthz = healthz,
};

/* ---- life ------------------------------------------------------------------------------------------------ */

struct nj_facts *nj_facts_new(const struct nj_facts_config *config)
{
    struct nj_facts *f = nj_zalloc(sizeof(*f));
    f->c = *config;
    f->config_load_ns = config->start_ns;
    (void) pthread_mutex_init(&f->mu, NULL);
    (void) uv_async_init(config->loop, &f->answered, on_answered);
    f->answered.data = f;
    return f;
}

void nj_facts_set_options(struct nj_facts *f, const struct nj_options *options, int64_t load_ns)
{
    f->c.options = options;
    f->config_load_ns = load_ns;
}

void nj_facts_set_listening(struct nj_facts *f, int client_port, int listening)
{
    f->c.client_port = client_port;
    f->listening = listening;
}

void nj_facts_close(struct nj_facts *f)
{
    uv_close((uv_handle_t *) &f->answered, NULL);
}

void nj_facts_free(struct nj_facts **fp)
{
    struct nj_facts *f = *fp;
    if (f == NULL) {
        return;
    }
    *fp = NULL;
    (void) pthread_mutex_destroy(&f->mu);
    nj_dealloc(f);
}
