/*
 * options_blocks.c: the blocks of listeners that are not served yet: cluster, gateway, leafnodes,
 * websocket, mqtt.
 *
 * Their members are known by name and kind, so that a mistyped file is found by `-t` and not on
 * the day the block is served.  What members mean together is not judged here.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"

#define ROUTE_PING_MAX_NS INT64_C(30000000000)

enum kind {
    ANY,
    TEXT,
    SWITCH,
    COUNT,
    SMALL_COUNT, /* 0 to 65535 */
    SPAN,        /* a duration; an integer is seconds, with a warning */
    ROUTE_PING,  /* a SPAN that is cut to 30 s, with a warning */
    LISTEN,
    PORT,
    NAME,
    TLS,
    COMPRESSION,
    AUTH,    /* one user for servers */
    WS_AUTH, /* one user or a token */
    PERMISSIONS,
    URL,
    URLS,
    URL_OR_URLS,
    ENTRIES, /* a list of maps: `inner` */
    TEXTS,   /* a string or a list of strings; `what` names them in messages */
    OLD      /* without effect in this version of the reference: a warning */
};

struct member {
    const char *name;
    enum kind kind;
    const struct member *inner; /* of ENTRIES; ends with a NULL name */
    const char *what;           /* words for messages */
};

struct block {
    const char *name; /* of the option */
    const char *what; /* "Expected WHAT, got T" */
    const char *noun; /* "cluster name cannot contain spaces" */
    const char *peer; /* "Duplicate PEER entry detected" */
    const struct member *members;
    enum nj_tls_place place;
    bool off_without_port; /* port 0 means that nothing is wanted, unless there are remotes */
};

/* One block being read. */
struct block_reader {
    struct nj_option_reader *r;
    const struct block *b;
    bool wanted; /* the block asks for a listener or a connection */
};

/* clang-format off */
#define LISTENER { "listen", LISTEN, NULL, NULL }, { "host", TEXT, NULL, NULL }, \
                 { "net", TEXT, NULL, NULL }, { "port", PORT, NULL, NULL }, \
                 { "tls", TLS, NULL, NULL }
#define END { NULL, ANY, NULL, NULL }
/* clang-format on */

static const struct member cluster_members[] = { LISTENER,
                                                 { "name", NAME, NULL, NULL },
                                                 { "authorization", AUTH, NULL, "Cluster" },
                                                 { "permissions", PERMISSIONS, NULL, NULL },
                                                 { "routes", URLS, NULL, NULL },
                                                 { "advertise", TEXT, NULL, NULL },
                                                 { "cluster_advertise", TEXT, NULL, NULL },
                                                 { "no_advertise", SWITCH, NULL, NULL },
                                                 { "connect_retries", COUNT, NULL, NULL },
                                                 { "connect_backoff", SWITCH, NULL, NULL },
                                                 { "pool_size", COUNT, NULL, NULL },
                                                 { "accounts", TEXTS, NULL, "accounts" },
                                                 { "compression", COMPRESSION, NULL, NULL },
                                                 { "ping_interval", ROUTE_PING, NULL, NULL },
                                                 { "ping_max", COUNT, NULL, NULL },
                                                 { "write_deadline", SPAN, NULL, NULL },
                                                 { "write_timeout", TEXT, NULL, NULL },
                                                 END };

static const struct member gateway_entry[] = { { "name", TEXT, NULL, NULL },
                                               { "url", URL, NULL, NULL },
                                               { "urls", URLS, NULL, NULL },
                                               { "tls", TLS, NULL, NULL },
                                               END };

static const struct member gateway_members[] = { LISTENER,
                                                 { "name", NAME, NULL, NULL },
                                                 { "authorization", AUTH, NULL, "Gateway" },
                                                 { "advertise", TEXT, NULL, NULL },
                                                 { "connect_retries", COUNT, NULL, NULL },
                                                 { "connect_backoff", SWITCH, NULL, NULL },
                                                 { "reject_unknown", SWITCH, NULL, NULL },
                                                 { "reject_unknown_cluster", SWITCH, NULL, NULL },
                                                 { "write_deadline", SPAN, NULL, NULL },
                                                 { "write_timeout", TEXT, NULL, NULL },
                                                 { "gateways", ENTRIES, gateway_entry, "gateway" },
                                                 END };

static const struct member leaf_entry[] = { { "url", URL_OR_URLS, NULL, NULL },
                                            { "urls", URL_OR_URLS, NULL, NULL },
                                            { "account", TEXT, NULL, NULL },
                                            { "local", TEXT, NULL, NULL },
                                            { "credentials", TEXT, NULL, NULL },
                                            { "creds", TEXT, NULL, NULL },
                                            { "nkey", TEXT, NULL, NULL },
                                            { "seed", TEXT, NULL, NULL },
                                            { "tls", TLS, NULL, NULL },
                                            { "hub", SWITCH, NULL, NULL },
                                            { "no_randomize", SWITCH, NULL, NULL },
                                            { "dont_randomize", SWITCH, NULL, NULL },
                                            { "deny_imports", ANY, NULL, NULL },
                                            { "deny_import", ANY, NULL, NULL },
                                            { "deny_exports", ANY, NULL, NULL },
                                            { "deny_export", ANY, NULL, NULL },
                                            { "ws_compression", SWITCH, NULL, NULL },
                                            { "ws_compress", SWITCH, NULL, NULL },
                                            { "websocket_compression", SWITCH, NULL, NULL },
                                            { "websocket_compress", SWITCH, NULL, NULL },
                                            { "ws_no_masking", SWITCH, NULL, NULL },
                                            { "websocket_no_masking", SWITCH, NULL, NULL },
                                            { "compression", COMPRESSION, NULL, NULL },
                                            { "first_info_timeout", SPAN, NULL, NULL },
                                            { "dial_timeout", SPAN, NULL, NULL },
                                            { "disabled", SWITCH, NULL, NULL },
                                            { "ignore_discovered_servers", SWITCH, NULL, NULL },
                                            { "isolate", SWITCH, NULL, NULL },
                                            { "isolate_leafnode_interest", SWITCH, NULL, NULL },
                                            { "request_isolation", SWITCH, NULL, NULL },
                                            { "jetstream_cluster_migrate", ANY, NULL, NULL },
                                            { "js_cluster_migrate", ANY, NULL, NULL },
                                            { "proxy", ANY, NULL, NULL },
                                            END };

static const struct member leaf_members[] = { LISTENER,
                                              { "authorization", ANY, NULL, NULL },
                                              { "advertise", TEXT, NULL, NULL },
                                              { "leafnode_advertise", TEXT, NULL, NULL },
                                              { "no_advertise", SWITCH, NULL, NULL },
                                              { "min_version", TEXT, NULL, NULL },
                                              { "minimum_version", TEXT, NULL, NULL },
                                              { "reconnect", SPAN, NULL, NULL },
                                              { "reconnect_delay", SPAN, NULL, NULL },
                                              { "reconnect_interval", SPAN, NULL, NULL },
                                              { "dial_timeout", SPAN, NULL, NULL },
                                              { "compression", COMPRESSION, NULL, NULL },
                                              { "isolate", SWITCH, NULL, NULL },
                                              { "isolate_leafnode_interest", SWITCH, NULL, NULL },
                                              { "write_deadline", SPAN, NULL, NULL },
                                              { "write_timeout", TEXT, NULL, NULL },
                                              { "remotes", ENTRIES, leaf_entry, "remote leafnode" },
                                              END };

static const struct member websocket_members[] = {
    LISTENER,
    { "advertise", TEXT, NULL, NULL },
    { "no_tls", SWITCH, NULL, NULL },
    { "same_origin", SWITCH, NULL, NULL },
    { "allowed_origins", TEXTS, NULL, "allowed origins" },
    { "allowed_origin", TEXTS, NULL, "allowed origins" },
    { "allow_origins", TEXTS, NULL, "allowed origins" },
    { "allow_origin", TEXTS, NULL, "allowed origins" },
    { "origins", TEXTS, NULL, "allowed origins" },
    { "origin", TEXTS, NULL, "allowed origins" },
    { "handshake_timeout", ANY, NULL, NULL },
    { "compression", SWITCH, NULL, NULL },
    { "compress", SWITCH, NULL, NULL },
    { "authorization", WS_AUTH, NULL, NULL },
    { "authentication", WS_AUTH, NULL, NULL },
    { "jwt_cookie", TEXT, NULL, NULL },
    { "user_cookie", TEXT, NULL, NULL },
    { "pass_cookie", TEXT, NULL, NULL },
    { "token_cookie", TEXT, NULL, NULL },
    { "no_auth_user", TEXT, NULL, NULL },
    { "headers", ANY, NULL, NULL },
    { "ping_interval", SPAN, NULL, NULL },
    END
};

static const struct member mqtt_members[] = { LISTENER,
                                              { "authorization", WS_AUTH, NULL, NULL },
                                              { "authentication", WS_AUTH, NULL, NULL },
                                              { "no_auth_user", TEXT, NULL, NULL },
                                              { "ack_wait", SPAN, NULL, NULL },
                                              { "ackwait", SPAN, NULL, NULL },
                                              { "js_api_timeout", SPAN, NULL, NULL },
                                              { "api_timeout", SPAN, NULL, NULL },
                                              { "max_ack_pending", SMALL_COUNT, NULL, NULL },
                                              { "max_pending", SMALL_COUNT, NULL, NULL },
                                              { "max_inflight", SMALL_COUNT, NULL, NULL },
                                              { "js_domain", TEXT, NULL, NULL },
                                              { "stream_replicas", COUNT, NULL, NULL },
                                              { "consumer_replicas", OLD, NULL,
                                                "consumer replicas" },
                                              { "consumer_memory_storage", SWITCH, NULL, NULL },
                                              { "consumer_inactive_threshold", SPAN, NULL, NULL },
                                              { "consumer_auto_cleanup", SPAN, NULL, NULL },
                                              { "reject_qos2_publish", SWITCH, NULL, NULL },
                                              { "downgrade_qos2_subscribe", SWITCH, NULL, NULL },
                                              END };

static const struct block blocks[] = {
    { "cluster", "map to define cluster", "cluster", "route", cluster_members, NJ_TLS_ROUTES,
      false },
    { "gateway", "gateway to be a map", "gateway", "gateway", gateway_members, NJ_TLS_ROUTES,
      false },
    { "leafnodes", "map to define a leafnode", "leafnode", "leafnode", leaf_members, NJ_TLS_LEAFS,
      true },
    { "websocket", "websocket to be a map", "websocket", "", websocket_members, NJ_TLS_ELSEWHERE,
      true },
    { "mqtt", "mqtt to be a map", "mqtt", "", mqtt_members, NJ_TLS_ELSEWHERE, true },
};

static void read_members(struct block_reader *br, const struct nj_conf_map *map,
                         const struct member *members);

/* ---- names, addresses ----------------------------------------------------------------------- */

static void read_name(struct block_reader *br, const struct nj_conf_value *v)
{
    if (!nj_reader_is(br->r, v, NJ_CONF_STRING)) {
        return;
    }
    if (strchr(v->as.str.ptr, ' ') != NULL) {
        nj_reader_fail(br->r, v, "%s name cannot contain spaces", br->b->noun);
    } else if (strcmp(v->as.str.ptr, "_") == 0) {
        nj_reader_fail(br->r, v, "cluster name is reserved");
    }
}

static void read_listen(struct block_reader *br, const struct nj_conf_value *v)
{
    char *host = NULL;
    int port = 0;
    (void) nj_reader_listen(br->r, v, &host, &port);
    br->wanted = br->wanted || port != 0;
    nj_dealloc(host);
}

static void read_port(struct block_reader *br, const struct nj_conf_value *v)
{
    int64_t n = 0;
    (void) nj_reader_int(br->r, v, &n);
    br->wanted = br->wanted || n != 0;
}

/* A port that is no number is what people get wrong in a URL. */
static bool is_url(const char *s)
{
    const char *host = strstr(s, "://");
    host = host == NULL ? s : host + 3;
    const char *at = strrchr(host, '@');
    host = at == NULL ? host : at + 1;
    const char *colon = host[0] == '[' ? strstr(host, "]:") : strchr(host, ':');
    if (colon == NULL) {
        return true;
    }
    const char *port = colon + (*colon == ']' ? 2 : 1);
    const char *end = port + strspn(port, "-0123456789");
    return *end == '\0' || strchr("/?#", *end) != NULL;
}

/* The URL for messages: what stands before "@" is a secret.  The caller owns the result. */
static char *shown_url(const char *s)
{
    struct nj_buf b;
    const char *host = strstr(s, "://");
    host = host == NULL ? s : host + 3;
    const char *at = strrchr(host, '@');
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_append(&b, s, (size_t) (host - s));
    (void) nj_buf_printf(&b, "%s%s", at == NULL ? "" : "[REDACTED]", at == NULL ? host : at);
    return nj_buf_take(&b);
}

static bool read_url(struct block_reader *br, const struct nj_conf_value *v)
{
    if (!nj_reader_is(br->r, v, NJ_CONF_STRING)) {
        return false;
    }
    if (!is_url(v->as.str.ptr)) {
        char *url = shown_url(v->as.str.ptr);
        nj_reader_fail(br->r, v, "error parsing %s url [\"%s\"]", br->b->peer, url);
        nj_dealloc(url);
        return false;
    }
    return true;
}

static bool is_repeated(const struct nj_conf_list *l, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (l->items[k].type == NJ_CONF_STRING &&
            strcmp(l->items[k].as.str.ptr, l->items[i].as.str.ptr) == 0) {
            return true;
        }
    }
    return false;
}

/* The field that is misused is the URL itself. */
static void report_twin(struct block_reader *br, const struct nj_conf_value *v)
{
    char *url = shown_url(v->as.str.ptr);
    const struct nj_conf_member m = { .key = url, .key_len = strlen(url), .value = *v };
    nj_reader_misuse(br->r, &m, "Duplicate %s entry detected", br->b->peer);
    nj_dealloc(url);
}

static void read_urls(struct block_reader *br, const struct nj_conf_value *v)
{
    if (!nj_reader_is(br->r, v, NJ_CONF_LIST)) {
        return;
    }
    const struct nj_conf_list *l = v->as.list;
    for (size_t i = 0; i < l->count; i++) {
        if (read_url(br, &l->items[i]) && is_repeated(l, i)) {
            report_twin(br, &l->items[i]);
        }
    }
}

static void read_url_or_urls(struct block_reader *br, const struct nj_conf_value *v)
{
    if (v->type == NJ_CONF_LIST) {
        read_urls(br, v);
    } else if (v->type == NJ_CONF_STRING) {
        (void) read_url(br, v);
    } else {
        nj_reader_expected(br->r, v, "remote leafnode url to be an array or string");
    }
}

/* ---- who may connect ------------------------------------------------------------------------ */

static void read_auth_timeout(struct block_reader *br, const struct nj_conf_member *m)
{
    struct nj_buf text;
    int64_t ns = 0;
    nj_buf_init(&text, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &ns, &text);
    if (rc == NJ_E_UNSUPPORTED) {
        nj_reader_fail(br->r, &m->value,
                       "error parsing authorization config, 'timeout' wrong "
                       "type");
    } else if (rc != NJ_OK) {
        nj_reader_fail(br->r, &m->value, "error parsing authorization config, 'timeout' %s",
                       text.ptr);
    } else if (ns > INT64_C(60000000000)) {
        nj_reader_high_timeout(br->r, m, ns);
    }
    nj_buf_free(&text);
}

/* What a block for one user may not have: reported once, at the block. */
static const char *forbidden(const struct nj_conf_member *m)
{
    static const char *const callout[] = { "auth_callout", "auth_hook", NULL };
    return nj_key_is(m, "users")      ? "does not allow multiple users"
           : nj_key_is(m, "token")    ? "does not support tokens"
           : nj_key_among(m, callout) ? "does not support callouts"
                                      : NULL;
}

static void read_auth(struct block_reader *br, const struct nj_conf_member *m, const char *what)
{
    static const char *const texts[] = { "user", "username", "pass", "password", NULL };
    static const char *const known[] = { "default_permissions", "default_permission",
                                         "proxy_required", NULL };
    if (!nj_reader_is(br->r, &m->value, NJ_CONF_MAP)) {
        return;
    }
    const struct nj_conf_map *map = m->value.as.map;
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *in = &map->members[i];
        if (forbidden(in) != NULL) {
            nj_reader_fail(br->r, &m->value, "%s authorization %s", what, forbidden(in));
        } else if (nj_key_among(in, texts)) {
            (void) nj_reader_is(br->r, &in->value, NJ_CONF_STRING);
        } else if (nj_key_is(in, "timeout")) {
            read_auth_timeout(br, in);
        } else if (nj_key_is(in, "permissions")) {
            nj_reader_permissions(br->r, &in->value, NULL);
            if (br->b->place == NJ_TLS_ROUTES && strcmp(br->b->name, "cluster") == 0) {
                nj_reader_misuse(br->r, m,
                                 "setting \"permissions\" within cluster authorization "
                                 "block is deprecated");
            }
        } else if (!nj_key_among(in, known)) {
            nj_reader_unknown(br->r, in);
        }
    }
}

static void read_ws_auth(struct block_reader *br, const struct nj_conf_value *v)
{
    static const char *const texts[] = { "user", "username", "pass", "password", "token", NULL };
    if (!nj_reader_is(br->r, v, NJ_CONF_MAP)) {
        return;
    }
    for (size_t i = 0; i < v->as.map->count; i++) {
        const struct nj_conf_member *in = &v->as.map->members[i];
        if (nj_key_among(in, texts)) {
            (void) nj_reader_is(br->r, &in->value, NJ_CONF_STRING);
        } else if (!nj_key_is(in, "timeout")) {
            nj_reader_unknown(br->r, in);
        }
    }
}

/* ---- other kinds ---------------------------------------------------------------------------- */

static void read_compression(struct block_reader *br, const struct nj_conf_member *m)
{
    static const char *const names[] = {
        "mode", "rtt_thresholds", "thresholds", "rtts", "rtt", NULL
    };
    const struct nj_conf_value *v = &m->value;
    if (v->type == NJ_CONF_STRING || v->type == NJ_CONF_BOOL) {
        return;
    }
    if (v->type != NJ_CONF_MAP) {
        nj_reader_fail(br->r, v, "field \"%s\" should be a boolean or a structure, got %s", m->key,
                       nj_conf_type_name(v->type));
        return;
    }
    for (size_t i = 0; i < v->as.map->count; i++) {
        const struct nj_conf_member *in = &v->as.map->members[i];
        if (!nj_key_among(in, names)) {
            nj_reader_unknown(br->r, in);
        }
    }
}

static void read_route_ping(struct block_reader *br, const struct nj_conf_member *m)
{
    int64_t ns = 0;
    if (nj_reader_duration(br->r, m, &ns) && ns > ROUTE_PING_MAX_NS) {
        nj_reader_warn(br->r, &m->value,
                       "Cluster 'ping_interval' will reset to 30s which is the max for routes");
    }
}

static void read_small_count(struct block_reader *br, const struct nj_conf_value *v)
{
    int64_t n = 0;
    if (nj_reader_int(br->r, v, &n) && (n < 0 || n > 65535)) {
        nj_reader_fail(br->r, v, "invalid value %lld, should in [0..65535] range", (long long) n);
    }
}

static void read_texts(struct block_reader *br, const struct nj_conf_value *v, const char *what)
{
    if (v->type == NJ_CONF_STRING) {
        return;
    }
    if (v->type != NJ_CONF_LIST) {
        nj_reader_fail(br->r, v, "error parsing %s: unsupported type %s", what,
                       nj_conf_type_name(v->type));
        return;
    }
    for (size_t i = 0; i < v->as.list->count; i++) {
        const struct nj_conf_value *item = &v->as.list->items[i];
        if (item->type != NJ_CONF_STRING) {
            nj_reader_fail(br->r, item, "error parsing %s: unsupported type in array %s", what,
                           nj_conf_type_name(item->type));
        }
    }
}

static void read_tls(struct block_reader *br, const struct nj_conf_member *m)
{
    struct nj_tls_block tls;
    nj_tls_block_init(&tls);
    (void) nj_reader_tls(br->r, m, br->b->place, &tls);
    nj_tls_block_free(&tls);
}

/* "Expected gateway entry to be a map/struct, got x" */
static void read_entries(struct block_reader *br, const struct nj_conf_member *m,
                         const struct member *as)
{
    char what[64];
    const struct nj_conf_value *v = &m->value;
    if (v->type != NJ_CONF_LIST) {
        if (strcmp(as->name, "gateways") == 0) { /* the reference gives no place for this one */
            nj_reader_fail_plain(br->r, "Expected gateways field to be an array, got %s",
                                 nj_conf_type_name(v->type));
        } else {
            nj_reader_fail(br->r, v, "Expected %s field to be an array, got %s", as->name,
                           nj_conf_type_name(v->type));
        }
        return;
    }
    br->wanted = true;
    (void) snprintf(what, sizeof(what), "%s entry to be a map/struct", as->what);
    for (size_t i = 0; i < v->as.list->count; i++) {
        const struct nj_conf_value *item = &v->as.list->items[i];
        if (item->type == NJ_CONF_MAP) {
            read_members(br, item->as.map, as->inner);
        } else {
            nj_reader_expected(br->r, item, what);
        }
    }
}

/* ---- members -------------------------------------------------------------------------------- */

static void read_as(struct block_reader *br, const struct nj_conf_member *m,
                    const struct member *as)
{
    struct nj_option_reader *r = br->r;
    const struct nj_conf_value *v = &m->value;
    int64_t ns = 0;
    switch (as->kind) {
    case ANY:
        break;
    case TEXT:
        (void) nj_reader_is(r, v, NJ_CONF_STRING);
        break;
    case SWITCH:
        (void) nj_reader_is(r, v, NJ_CONF_BOOL);
        break;
    case COUNT:
        (void) nj_reader_is(r, v, NJ_CONF_INT);
        break;
    case SMALL_COUNT:
        read_small_count(br, v);
        break;
    case SPAN:
        (void) nj_reader_duration(r, m, &ns);
        break;
    case ROUTE_PING:
        read_route_ping(br, m);
        break;
    case LISTEN:
        read_listen(br, v);
        break;
    case PORT:
        read_port(br, v);
        break;
    case NAME:
        read_name(br, v);
        break;
    case TLS:
        read_tls(br, m);
        break;
    case COMPRESSION:
        read_compression(br, m);
        break;
    case AUTH:
        read_auth(br, m, as->what);
        break;
    case WS_AUTH:
        read_ws_auth(br, v);
        break;
    case PERMISSIONS:
        nj_reader_permissions(r, v, NULL);
        break;
    case URL:
        (void) read_url(br, v);
        break;
    case URLS:
        read_urls(br, v);
        break;
    case URL_OR_URLS:
        read_url_or_urls(br, v);
        break;
    case ENTRIES:
        read_entries(br, m, as);
        break;
    case TEXTS:
        read_texts(br, v, as->what);
        break;
    case OLD:
        nj_reader_misuse(r, m, "%s setting ignored in this server version", as->what);
        break;
    }
}

static void read_members(struct block_reader *br, const struct nj_conf_map *map,
                         const struct member *members)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct member *as = members;
        while (as->name != NULL && !nj_key_is(&map->members[i], as->name)) {
            as++;
        }
        if (as->name == NULL) {
            nj_reader_unknown(br->r, &map->members[i]);
        } else {
            read_as(br, &map->members[i], as);
        }
    }
}

/* ---- the block ------------------------------------------------------------------------------ */

static const struct block *find_block(const char *name)
{
    size_t i = 0;
    while (strcmp(blocks[i].name, name) != 0) {
        i++; /* the table of options names no other */
    }
    return &blocks[i];
}

void nj_set_block(struct nj_option_reader *r, const struct nj_option *opt,
                  const struct nj_conf_member *m)
{
    struct block_reader br = { .r = r, .b = find_block(opt->name) };
    if (m->value.type != NJ_CONF_MAP) {
        nj_reader_fail(r, &m->value, "Expected %s, got %s", br.b->what,
                       nj_conf_type_name(m->value.type));
        return;
    }
    br.wanted = !br.b->off_without_port;
    read_members(&br, m->value.as.map, br.b->members);
    if (br.wanted && opt->unserved == NULL) {
        r->mqtt = true;
    } else if (br.wanted) {
        nj_reader_unserved(r, m, opt->unserved);
    }
}
