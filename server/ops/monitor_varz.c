#include "ops/monitor_body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "ops/procstat.h"

char *nj_uptime_text(int64_t ns, char *buf, size_t cap)
{
    int64_t s = ns > 0 ? ns / 1000000000 : 0;
    int64_t parts[] = { s / 31536000, s / 86400 % 365, s / 3600 % 24, s / 60 % 60, s % 60 };
    static const char units[] = "ydhms";
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < 5; i++) {
        if ((parts[i] != 0 || at > 0 || i == 4) && at < cap) {
            int n = snprintf(buf + at, cap - at, "%" PRId64 "%c", parts[i], units[i]);
            at += n > 0 ? (size_t) n : 0;
        }
    }
    return buf;
}

static void put_identity(struct nj_json *j, const struct nj_varz_facts *f)
{
    nj_json_str(j, "server_id", f->server_id);
    nj_json_str(j, "server_name", f->server_name);
    nj_json_str(j, "version", f->version);
    nj_json_int(j, "proto", 1);
    nj_json_opt_str(j, "git_commit", f->git_commit);
    nj_json_str(j, "go", f->toolchain);
    nj_json_str(j, "host", f->host);
    nj_json_int(j, "port", f->port);
    nj_json_opt_bool(j, "auth_required", f->auth_required);
    nj_json_opt_bool(j, "tls_required", f->tls_required);
    nj_json_opt_bool(j, "tls_verify", f->tls_verify);
    nj_json_opt_bool(j, "tls_ocsp_peer_verify", f->tls_ocsp_peer_verify);
    nj_json_opt_str(j, "ip", f->ip);
    nj_json_opt_strs(j, "connect_urls", f->connect_urls, f->connect_urls_n);
}

static void put_limits(struct nj_json *j, const struct nj_varz_facts *f)
{
    /* Kinds of peers that are not served have empty objects, as in the reference. */
    static const char *const kinds[] = { "cluster", "gateway",   "leaf",
                                         "mqtt",    "websocket", "jetstream" };
    nj_json_int(j, "max_connections", f->max_connections);
    nj_json_opt_int(j, "max_subscriptions", f->max_subs);
    nj_json_int(j, "ping_interval", f->ping_interval_ns);
    nj_json_int(j, "ping_max", f->ping_max);
    nj_json_str(j, "http_host", f->http_host);
    nj_json_int(j, "http_port", f->http_port);
    nj_json_str(j, "http_base_path", f->http_base_path);
    nj_json_int(j, "https_port", f->https_port);
    nj_json_float(j, "auth_timeout", f->auth_timeout_s);
    nj_json_int(j, "max_control_line", f->max_control_line);
    nj_json_int(j, "max_payload", f->max_payload);
    nj_json_int(j, "max_pending", f->max_pending);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        nj_json_object(j, kinds[i]);
        nj_json_end(j);
    }
    nj_json_float(j, "tls_timeout", f->tls_timeout_s);
    nj_json_int(j, "write_deadline", f->write_deadline_ns);
    nj_json_opt_str(j, "write_timeout", f->write_timeout);
}

static void put_process(struct nj_json *j, const struct nj_varz_facts *f,
                        const struct nj_procstat *proc, int64_t now_ns)
{
    char text[64];
    nj_json_time(j, "start", f->start_ns);
    nj_json_time(j, "now", now_ns);
    nj_json_str(j, "uptime", nj_uptime_text(now_ns - f->start_ns, text, sizeof(text)));
    nj_json_int(j, "mem", proc->rss_bytes);
    nj_json_int(j, "cores", proc->cores);
    nj_json_int(j, "gomaxprocs", proc->cores);
    nj_json_float(j, "cpu", proc->cpu_percent);
}

static void put_traffic(struct nj_json *j, const struct nj_varz_facts *f)
{
    nj_json_int(j, "connections", f->connections);
    nj_json_uint(j, "total_connections", f->total_connections);
    nj_json_int(j, "routes", f->routes);
    nj_json_int(j, "remotes", f->remotes);
    nj_json_int(j, "leafnodes", f->leafnodes);
    nj_json_int(j, "in_msgs", f->in_msgs);
    nj_json_int(j, "in_bytes", f->in_bytes);
    nj_json_int(j, "in_client_msgs", f->in_client_msgs);
    nj_json_int(j, "in_client_bytes", f->in_client_bytes);
    nj_json_int(j, "out_msgs", f->out_msgs);
    nj_json_int(j, "out_bytes", f->out_bytes);
    nj_json_int(j, "out_client_msgs", f->out_client_msgs);
    nj_json_int(j, "out_client_bytes", f->out_client_bytes);
    nj_json_int(j, "slow_consumers", f->slow_consumers);
    nj_json_int(j, "stale_connections", f->stale_connections);
    nj_json_int(j, "stalled_clients", f->stalled_clients);
    nj_json_uint(j, "subscriptions", f->subscriptions);
}

static void put_kind_counts(struct nj_json *j, const char *key, const struct nj_kind_counts *k)
{
    nj_json_object(j, key);
    nj_json_uint(j, "clients", k->clients);
    nj_json_uint(j, "routes", k->routes);
    nj_json_uint(j, "gateways", k->gateways);
    nj_json_uint(j, "leafs", k->leafs);
    nj_json_end(j);
}

/* Switches of the reference's JetStream; there is none here, so all are off. */
static void put_feature_flags(struct nj_json *j)
{
    nj_json_object(j, "feature_flags");
    nj_json_bool(j, "js_ack_fc_v2", false);
    nj_json_bool(j, "js_api_reply_v2", false);
    nj_json_bool(j, "js_raft_delete_range", false);
    nj_json_bool(j, "js_snapshot_sources", false);
    nj_json_end(j);
}

static void put_disk_waits(struct nj_json *j)
{
    nj_json_object(j, "disk_io_wait_stats");
    nj_json_int(j, "waiters", 0);
    nj_json_uint(j, "waits", 0);
    nj_json_uint(j, "wait_time", 0);
    nj_json_uint(j, "max_wait_time", 0);
    nj_json_end(j);
}

static void put_ocsp_cache(struct nj_json *j, const struct nj_varz_facts *f)
{
    const struct nj_ocsp_cache_facts *c = &f->ocsp_cache;
    if (!f->ocsp_cached) {
        return;
    }
    nj_json_object(j, "ocsp_peer_cache");
    nj_json_str(j, "cache_type", "local");
    nj_json_opt_uint(j, "cache_hits", c->hits);
    nj_json_opt_uint(j, "cache_misses", c->misses);
    nj_json_opt_uint(j, "cached_responses",
                     c->responses[NJ_OCSP_GOOD] + c->responses[NJ_OCSP_REVOKED] +
                         c->responses[NJ_OCSP_UNKNOWN]);
    nj_json_opt_uint(j, "cached_revoked_responses", c->responses[NJ_OCSP_REVOKED]);
    nj_json_opt_uint(j, "cached_good_responses", c->responses[NJ_OCSP_GOOD]);
    nj_json_opt_uint(j, "cached_unknown_responses", c->responses[NJ_OCSP_UNKNOWN]);
    nj_json_end(j);
}

struct pair {
    const char *key;
    const char *value;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct pair *) a)->key, ((const struct pair *) b)->key);
}

static void put_metadata(struct nj_json *j, const struct nj_varz_facts *f)
{
    size_t n = f->metadata_n / 2;
    if (n == 0) {
        return;
    }
    struct pair *pairs = nj_calloc(n, sizeof(*pairs));
    for (size_t i = 0; i < n; i++) {
        pairs[i] = (struct pair){ f->metadata[2 * i], f->metadata[2 * i + 1] };
    }
    qsort(pairs, n, sizeof(*pairs), by_key);
    nj_json_object(j, "metadata");
    for (size_t i = 0; i < n; i++) {
        nj_json_str(j, pairs[i].key, pairs[i].value);
    }
    nj_json_end(j);
    nj_dealloc(pairs);
}

static void put_rest(struct nj_json *j, const struct nj_varz_facts *f,
                     const struct nj_request_count *counts, size_t counts_n)
{
    nj_json_object(j, "http_req_stats");
    for (size_t i = 0; i < counts_n; i++) {
        nj_json_opt_uint(j, counts[i].path, counts[i].count);
    }
    nj_json_end(j);
    nj_json_time(j, "config_load_time", f->config_load_ns);
    nj_json_str(j, "config_digest", f->config_digest);
    nj_json_opt_strs(j, "tags", f->tags, f->tags_n);
    put_metadata(j, f);
    put_feature_flags(j);
    nj_json_opt_str(j, "system_account", f->system_account);
    nj_json_opt_uint(j, "pinned_account_fails", f->pinned_account_fails);
    put_ocsp_cache(j, f);
    put_kind_counts(j, "slow_consumer_stats", &f->slow);
    put_kind_counts(j, "stale_connection_stats", &f->stale);
    put_disk_waits(j);
    nj_json_opt_time(j, "tls_cert_not_after", f->tls_cert_not_after_ns);
}

/* How the handshakes of clients ended since the start. */
static void put_handshakes(struct nj_json *j, const struct nj_varz_facts *f)
{
    nj_json_object(j, "tls_handshakes");
    nj_json_uint(j, nj_handshake_end_name(NJ_HS_FULL), f->handshakes[NJ_HS_FULL]);
    nj_json_uint(j, nj_handshake_end_name(NJ_HS_RESUMED), f->handshakes[NJ_HS_RESUMED]);
    nj_json_object(j, "failed");
    for (int i = NJ_HS_RESUMED + 1; i < NJ_HS_ENDS; i++) {
        nj_json_uint(j, nj_handshake_end_name((enum nj_handshake_end) i), f->handshakes[i]);
    }
    nj_json_end(j);
    nj_json_end(j);
}

/* What the reference has no word for. */
static void put_own(struct nj_json *j, const struct nj_varz_facts *f)
{
    nj_json_object(j, "natterjack");
    nj_json_opt_str(j, "version", f->own_version);
    nj_json_str(j, "fips", f->fips != NULL ? f->fips : "none");
    nj_json_bool(j, "require_fips", f->require_fips);
    if (f->has_handshakes) {
        put_handshakes(j, f);
    }
    nj_json_end(j);
}

int nj_varz_print(struct nj_buf *out, const struct nj_varz_facts *f, const struct nj_procstat *proc,
                  const struct nj_request_count *counts, size_t counts_n, int64_t now_ns)
{
    struct nj_json j;
    nj_json_init(&j, out, 2);
    nj_json_object(&j, NULL);
    put_identity(&j, f);
    put_limits(&j, f);
    put_process(&j, f, proc, now_ns);
    put_traffic(&j, f);
    put_rest(&j, f, counts, counts_n);
    put_own(&j, f);
    nj_json_end(&j);
    return nj_json_finish(&j);
}
