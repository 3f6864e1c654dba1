#include "ops/reload_compare.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"
#include "ops/options.h"
#include "ops/server.h"

/* A comparison under way. */
struct compare {
    const struct nj_options *now, *next;
    const struct nj_reload_facts *facts;
    struct nj_reload_plan *plan;
    struct nj_error *err;
};

enum kind { BOOL, INT, INT32, INT64, DURATION, TEXT, SECRET, TEXTS, MAP };

/*
 * One option.  `line` is what is logged of a change, with the new value behind it where it ends in
 * a blank; NULL: a change is refused under `name`.  A row with `fn` looks for itself.
 */
struct row {
    const char *name;
    const char *line;
    enum kind kind;
    size_t at, count_at; /* in struct nj_options; count_at of TEXTS and MAP */
    enum nj_reload_action action;
    bool logging;
    int (*fn)(struct compare *c);
};

/* ---- values ------------------------------------------------------------------------------------ */

static const void *member(const struct nj_options *o, size_t at)
{
    return (const char *) o + at;
}

static const char *text_at(const struct nj_options *o, size_t at)
{
    const char *s = *(char *const *) member(o, at);
    return s != NULL ? s : "";
}

static size_t count_at(const struct nj_options *o, const struct row *r)
{
    return *(const size_t *) member(o, r->count_at);
}

static bool same_texts(const struct compare *c, const struct row *r)
{
    size_t n = count_at(c->now, r);
    char *const *a = *(char **const *) member(c->now, r->at);
    char *const *b = *(char **const *) member(c->next, r->at);
    if (n != count_at(c->next, r)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return true;
}

static int64_t number(const struct nj_options *o, const struct row *r)
{
    switch (r->kind) {
    case BOOL:
        return *(const bool *) member(o, r->at);
    case INT:
        return *(const int *) member(o, r->at);
    case INT32:
        return *(const int32_t *) member(o, r->at);
    default:
        return *(const int64_t *) member(o, r->at);
    }
}

static bool same(const struct compare *c, const struct row *r)
{
    switch (r->kind) {
    case TEXT:
    case SECRET:
        return strcmp(text_at(c->now, r->at), text_at(c->next, r->at)) == 0;
    case TEXTS:
    case MAP:
        return same_texts(c, r);
    default:
        return number(c->now, r) == number(c->next, r);
    }
}

/* "[a b]", "map[a:true b:false]" */
static void put_texts(const struct nj_options *o, const struct row *r, struct nj_buf *out)
{
    char *const *texts = *(char **const *) member(o, r->at);
    bool map = r->kind == MAP;
    (void) nj_buf_puts(out, map ? "map[" : "[");
    for (size_t i = 0; i < count_at(o, r); i++) {
        (void) nj_buf_printf(out, "%s%s", i == 0 ? "" : map && i % 2 == 1 ? ":" : " ", texts[i]);
    }
    (void) nj_buf_puts(out, "]");
}

static void put_value(const struct nj_options *o, const struct row *r, struct nj_buf *out)
{
    char text[64];
    switch (r->kind) {
    case BOOL:
        (void) nj_buf_puts(out, number(o, r) != 0 ? "true" : "false");
        break;
    case DURATION:
        (void) nj_buf_puts(out, nj_duration_text(number(o, r), text, sizeof(text)));
        break;
    case TEXT:
        (void) nj_buf_puts(out, text_at(o, r->at));
        break;
    case SECRET:
        (void) nj_buf_puts(out, "[REDACTED]");
        break;
    case TEXTS:
    case MAP:
        put_texts(o, r, out);
        break;
    default:
        (void) nj_buf_printf(out, "%" PRId64, number(o, r));
        break;
    }
}

/* ---- the plan ---------------------------------------------------------------------------------- */

/* Takes the text over. */
static void add_line(struct compare *c, enum nj_reload_action action, char *text)
{
    struct nj_reload_plan *p = c->plan;
    p->lines = nj_realloc(p->lines, (p->lines_n + 1) * sizeof(*p->lines));
    p->lines[p->lines_n++] = (struct nj_reload_line){ action, text };
}

static void add_text(struct compare *c, const char *fmt, ...) NJ_PRINTF(2, 3);
static void add_text(struct compare *c, const char *fmt, ...)
{
    struct nj_buf b;
    va_list ap;
    nj_buf_init(&b, SIZE_MAX);
    va_start(ap, fmt);
    (void) nj_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    add_line(c, NJ_RELOAD_NOTHING, nj_buf_take(&b));
}

static int refuse(struct compare *c, const char *name, const char *was, const char *is)
{
    return nj_error_set(c->err, NJ_E_UNSUPPORTED,
                        "config reload not supported for %s: old=%s, new=%s", name, was, is);
}

static int refuse_row(struct compare *c, const struct row *r)
{
    struct nj_buf was, is;
    nj_buf_init(&was, SIZE_MAX);
    nj_buf_init(&is, SIZE_MAX);
    put_value(c->now, r, &was);
    put_value(c->next, r, &is);
    int rc = refuse(c, r->name, was.len > 0 ? was.ptr : "", is.len > 0 ? is.ptr : "");
    nj_buf_free(&was);
    nj_buf_free(&is);
    return rc;
}

static void add_row(struct compare *c, const struct row *r)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_puts(&b, r->line);
    if (b.ptr[b.len - 1] == ' ') {
        put_value(c->next, r, &b);
    }
    add_line(c, r->action, nj_buf_take(&b));
    c->plan->logging = c->plan->logging || r->logging;
}

/* ---- options with a mind of their own ------------------------------------------------------------ */

/* -1 in the new file keeps the port that the system chose. */
static int compare_port(struct compare *c)
{
    char was[16], is[16];
    if (c->next->port == -1 || c->next->port == c->facts->port) {
        return NJ_OK;
    }
    (void) snprintf(was, sizeof(was), "%d", c->facts->port);
    (void) snprintf(is, sizeof(is), "%d", c->next->port);
    return refuse(c, "Port", was, is);
}

static int compare_advertise(struct compare *c)
{
    const char *is = c->next->client_advertise != NULL ? c->next->client_advertise : "";
    const char *was = c->now->client_advertise != NULL ? c->now->client_advertise : "";
    struct nj_error why = NJ_ERROR_INIT;
    char *host = NULL;
    int port = 0;
    if (strcmp(was, is) == 0) {
        return NJ_OK;
    }
    int rc = nj_server_read_advertise(is, &host, &port, &why);
    nj_dealloc(host);
    if (rc != NJ_OK) {
        return nj_error_set(c->err, rc, "invalid ClientAdvertise value of %.200s, err=%.200s", is,
                            why.text);
    }
    add_text(c, "Reload: client_advertise = %s", is);
    return NJ_OK;
}

static const struct nj_user *next_nkey(const struct nj_user_list *l, size_t *at)
{
    while (*at < l->n && l->at[*at]->nkey == NULL) {
        (*at)++;
    }
    return *at < l->n ? l->at[(*at)++] : NULL;
}

static bool same_nkey(const struct nj_user *a, const struct nj_user *b)
{
    return strcmp(a->nkey, b->nkey) == 0 && strcmp(a->account, b->account) == 0 &&
           a->types == b->types && a->flags == b->flags &&
           (a->perms == NULL) == (b->perms == NULL) &&
           (a->perms == NULL || a->perms->print == b->perms->print);
}

static bool same_nkeys(const struct nj_options *now, const struct nj_options *next)
{
    size_t i = 0;
    size_t k = 0;
    for (;;) {
        const struct nj_user *a = next_nkey(&now->users, &i);
        const struct nj_user *b = next_nkey(&next->users, &k);
        if (a == NULL || b == NULL) {
            return a == b;
        }
        if (!same_nkey(a, b)) {
            return false;
        }
    }
}

/* Two lines come with every reload: the reference cannot tell whether those changed. */
static int compare_users(struct compare *c)
{
    if (!same_nkeys(c->now, c->next)) {
        add_text(c, "Reloaded: authorization nkey users");
    }
    add_text(c, "Reloaded: authorization users");
    add_text(c, "Reloaded: accounts");
    return NJ_OK;
}

/* It may go when its user goes: there is nobody left to come in silently. */
static int compare_no_auth_user(struct compare *c)
{
    const char *was = c->now->no_auth_user != NULL ? c->now->no_auth_user : "";
    const char *is = c->next->no_auth_user != NULL ? c->next->no_auth_user : "";
    bool still_there = false;
    for (size_t i = 0; i < c->next->users.n; i++) {
        still_there = still_there || strcmp(nj_user_label(c->next->users.at[i]), was) == 0;
    }
    if (strcmp(was, is) == 0 || (is[0] == '\0' && !still_there)) {
        return NJ_OK;
    }
    return refuse(c, "NoAuthUser", was, is);
}

/* %v of a float. */
static void add_seconds(struct compare *c, const char *what, double was, double is)
{
    struct nj_buf b;
    if (was == is) {
        return;
    }
    nj_buf_init(&b, SIZE_MAX);
    nj_go_float_text(&b, is);
    add_text(c, "Reloaded: %s timeout = %s", what, b.ptr);
    nj_buf_free(&b);
}

static int compare_auth_timeout(struct compare *c)
{
    add_seconds(c, "authorization", nj_options_auth_timeout_s(c->now),
                nj_options_auth_timeout_s(c->next));
    return NJ_OK;
}

static int compare_stall(struct compare *c)
{
    if (c->now->no_fast_producer_stall != c->next->no_fast_producer_stall) {
        add_text(c, "Reloaded: fast producers will %sbe stalled",
                 c->next->no_fast_producer_stall ? "not " : "");
    }
    return NJ_OK;
}

/* Taking the file away says nothing: it stays where it is. */
static int compare_pid_file(struct compare *c)
{
    const char *is = c->next->pid_file;
    if (is != NULL && (c->now->pid_file == NULL || strcmp(c->now->pid_file, is) != 0)) {
        struct nj_buf b;
        nj_buf_init(&b, SIZE_MAX);
        (void) nj_buf_printf(&b, "Reloaded: pid_file = %s", is);
        add_line(c, NJ_RELOAD_PID_FILE, nj_buf_take(&b));
    }
    return NJ_OK;
}

/* ---- TLS ----------------------------------------------------------------------------------------- */

/* Without a block the reference has the time-out of its preset. */
static double tls_timeout_s(const struct nj_options *o)
{
    return o->tls.present ? (double) o->tls.timeout_ns / 1e9 : 2;
}

/* A pool of CAs is never taken for the same: the line comes whenever there is a ca_file. */
static int compare_tls(struct compare *c)
{
    const struct nj_tls_block *was = &c->now->tls;
    const struct nj_tls_block *is = &c->next->tls;
    add_seconds(c, "tls", tls_timeout_s(c->now), tls_timeout_s(c->next));
    if (was->present != is->present) {
        add_text(c, "Reloaded: tls = %s", is->present ? "enabled" : "disabled");
    } else if (is->present && (c->facts->tls_differs || is->ca_file != NULL)) {
        add_text(c, "Reloaded: tls = enabled");
    }
    return NJ_OK;
}

static int compare_tls_map(struct compare *c)
{
    if (c->now->tls.verify_and_map == c->next->tls.verify_and_map) {
        return NJ_OK;
    }
    return refuse(c, "TLSMap", c->now->tls.verify_and_map ? "true" : "false",
                  c->next->tls.verify_and_map ? "true" : "false");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* As a set: order and case do not count (the reader has made them lower case). */
static bool same_pins(const struct nj_tls_block *a, const struct nj_tls_block *b)
{
    size_t len = a->pinned_n * sizeof(a->pinned[0]);
    if (a->pinned_n != b->pinned_n) {
        return false;
    }
    if (len == 0) {
        return true;
    }
    char(*left)[65] = nj_alloc(len);
    char(*right)[65] = nj_alloc(len);
    memcpy(left, a->pinned, len);
    memcpy(right, b->pinned, len);
    qsort(left, a->pinned_n, sizeof(left[0]), by_text);
    qsort(right, a->pinned_n, sizeof(right[0]), by_text);
    bool all = true;
    for (size_t i = 0; i < a->pinned_n; i++) {
        all = all && strcmp(left[i], right[i]) == 0;
    }
    nj_dealloc(left);
    nj_dealloc(right);
    return all;
}

static int compare_pins(struct compare *c)
{
    if (!same_pins(&c->now->tls, &c->next->tls)) {
        c->plan->pins = true;
        add_text(c, "Reloaded: %zu pinned_certs", c->next->tls.pinned_n);
    }
    return NJ_OK;
}

static int compare_rate(struct compare *c)
{
    char was[24], is[24];
    if (c->now->tls.rate_limit == c->next->tls.rate_limit) {
        return NJ_OK;
    }
    (void) snprintf(was, sizeof(was), "%" PRId64, c->now->tls.rate_limit);
    (void) snprintf(is, sizeof(is), "%" PRId64, c->next->tls.rate_limit);
    return refuse(c, "TLSRateLimit", was, is);
}

static int64_t first_delay_ns(const struct nj_tls_block *b)
{
    return b->present && b->first == NJ_TLS_FIRST_AUTO ? b->first_delay_ns : 0;
}

static bool is_first(const struct nj_tls_block *b)
{
    return b->present && b->first != NJ_TLS_FIRST_OFF;
}

static int compare_first(struct compare *c)
{
    char text[64];
    if (is_first(&c->now->tls) != is_first(&c->next->tls)) {
        add_text(c, "Reloaded: Client TLS handshake first: %s",
                 is_first(&c->next->tls) ? "true" : "false");
    }
    if (first_delay_ns(&c->now->tls) != first_delay_ns(&c->next->tls)) {
        add_text(c, "Reloaded: Client TLS handshake first fallback delay: %s",
                 nj_duration_text(first_delay_ns(&c->next->tls), text, sizeof(text)));
    }
    return NJ_OK;
}

static int compare_ocsp(struct compare *c)
{
    const struct row urls = { .kind = TEXTS,
                              .at = offsetof(struct nj_options, ocsp_urls),
                              .count_at = offsetof(struct nj_options, ocsp_urls_n) };
    if (c->now->ocsp_mode != c->next->ocsp_mode || !same_texts(c, &urls)) {
        add_text(c, "Reloaded: OCSP");
    }
    return NJ_OK;
}

static int compare_write_timeout(struct compare *c)
{
    static const char *const words[] = { "", "retry" };
    int was = c->now->write_timeout_retry != 0;
    int is = c->next->write_timeout_retry != 0;
    return was == is ? NJ_OK : refuse(c, "WriteTimeout", words[was], words[is]);
}

/* ---- the table --------------------------------------------------------------------------------------- */

/* clang-format off */
#define AT(m) .at = offsetof(struct nj_options, m)
#define LIST(m) AT(m), .count_at = offsetof(struct nj_options, m##_n)
#define LOOK(function) { .fn = function }
#define KEEP(name, kind, m) { name, NULL, kind, AT(m) }
#define TAKE(what, kind, m) { NULL, "Reloaded: " what " = ", kind, AT(m) }
#define LOGS(what, kind, m) { NULL, "Reloaded: " what " = ", kind, AT(m), .logging = true }
#define WHO(what, kind, m) { NULL, "Reloaded: authorization " what, kind, AT(m) }

/* clang-format on */

/* In the order in which the reference compares. */
static const struct row rows[] = {
    KEEP("ServerName", TEXT, server_name),
    KEEP("Host", TEXT, host),
    LOOK(compare_port),
    LOOK(compare_advertise),
    LOGS("trace", BOOL, trace),
    LOGS("debug", BOOL, debug),
    LOGS("trace_verbose", BOOL, trace_verbose),
    LOGS("trace_headers", BOOL, trace_headers),
    KEEP("NoSublistCache", BOOL, no_sublist_cache),
    KEEP("NoHeaderSupport", BOOL, no_header_support),
    LOGS("logtime", BOOL, logtime),
    LOGS("logtime_utc", BOOL, logtime_utc),
    { NULL, "Reloaded: max_connections = ", INT64, AT(max_connections),
      .action = NJ_RELOAD_MAX_CONNECTIONS },
    KEEP("MaxSubs", INT64, max_subs),
    KEEP("MaxSubTokens", INT, max_sub_tokens),
    LOOK(compare_users),
    LOOK(compare_no_auth_user),
    KEEP("NoSystemAccount", BOOL, no_system_account),
    WHO("username", SECRET, user),
    WHO("password", SECRET, pass),
    KEEP("ProxyRequired", BOOL, auth_proxy_required),
    KEEP("ProxyProtocol", BOOL, proxy_protocol),
    WHO("token", SECRET, token),
    TAKE("ping_interval", DURATION, ping_interval_ns),
    TAKE("ping_max", INT, ping_max),
    KEEP("HTTPHost", TEXT, http_host),
    KEEP("HTTPPort", INT, http_port),
    KEEP("HTTPBasePath", TEXT, http_base_path),
    KEEP("HTTPSPort", INT, https_port),
    LOOK(compare_auth_timeout),
    TAKE("max_control_line", INT32, max_control_line),
    TAKE("max_payload", INT32, max_payload),
    KEEP("MaxPending", INT64, max_pending),
    LOOK(compare_stall),
    KEEP("ProfPort", INT, prof_port),
    { NULL, "Reloaded: prof_block_rate = ", INT, AT(prof_block_rate),
      .action = NJ_RELOAD_PROF_RATE },
    LOOK(compare_pid_file),
    { NULL, "Reloaded: ports_file_dir = ", TEXT, AT(ports_file_dir),
      .action = NJ_RELOAD_PORTS_FILE },
    LOGS("log_file", TEXT, log_file),
    KEEP("LogSizeLimit", INT64, log_size_limit),
    KEEP("LogMaxFiles", INT, log_max_num),
    LOOK(compare_tls),
    LOOK(compare_tls_map),
    LOOK(compare_pins),
    LOOK(compare_rate),
    LOOK(compare_first),
    KEEP("AllowNonTLS", BOOL, allow_non_tls),
    TAKE("write_deadline", DURATION, write_deadline_ns),
    LOOK(compare_write_timeout),
    KEEP("MaxClosedClients", INT64, max_closed_clients),
    KEEP("LameDuckDuration", DURATION, lame_duck_duration_ns),
    KEEP("LameDuckGracePeriod", DURATION, lame_duck_grace_ns),
    TAKE("max_traced_msg_len", INT64, max_traced_msg_len),
    TAKE("connect_error_reports", INT, connect_error_reports),
    TAKE("reconnect_error_reports", INT, reconnect_error_reports),
    { NULL, "Reloaded: tags", TEXTS, LIST(server_tags) },
    { NULL, "Reloaded: metadata", MAP, LIST(server_metadata) },
    LOOK(compare_ocsp),
    { "FeatureFlags", NULL, MAP, LIST(feature_flags) },
    /* natterjack's own, by the names that they have in the file */
    KEEP("workers", INT, workers),
    TAKE("tls_provider", TEXT, tls_provider),
    { "plugin_dirs", NULL, TEXTS, LIST(plugin_dirs) },
    KEEP("core_dumps", BOOL, core_dumps),
    KEEP("require_fips", BOOL, require_fips),
    KEEP("ignore_unsupported", BOOL, ignore_unsupported),
};

static int compare_row(struct compare *c, const struct row *r)
{
    if (r->fn != NULL) {
        return r->fn(c);
    }
    if (same(c, r)) {
        return NJ_OK;
    }
    if (r->line == NULL) {
        return refuse_row(c, r);
    }
    add_row(c, r);
    return NJ_OK;
}

int nj_reload_compare(const struct nj_options *now, const struct nj_options *next,
                      const struct nj_reload_facts *facts, struct nj_reload_plan *plan_out,
                      struct nj_error *err)
{
    struct compare c = { now, next, facts, plan_out, err };
    int rc = NJ_OK;
    *plan_out = (struct nj_reload_plan){ 0 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && rc == NJ_OK; i++) {
        rc = compare_row(&c, &rows[i]);
    }
    return rc;
}

void nj_reload_plan_fini(struct nj_reload_plan *plan)
{
    for (size_t i = 0; i < plan->lines_n; i++) {
        nj_dealloc(plan->lines[i].text);
    }
    nj_dealloc(plan->lines);
    *plan = (struct nj_reload_plan){ 0 };
}
