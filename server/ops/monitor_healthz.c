#include "ops/monitor_body.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/quote.h"
#include "natterjack/plugin.h"
#include "ops/http_query.h"

/* The decoding of the flags; only `details` has a meaning without JetStream. */
static int parse_flags(const char *query, bool *details_out, struct nj_buf *why)
{
    static const char *const ignored[] = { "js-enabled", "js-enabled-only", "js-server-only",
                                           "js-meta-only" };
    bool flag = false;
    int rc = NJ_OK;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]) && rc == NJ_OK; i++) {
        flag = false;
        rc = nj_query_bool(query, ignored[i], &flag, why);
        if (i == 0 && flag) {
            nj_log_warn("Healthcheck: js-enabled deprecated, use js-enabled-only instead");
        }
    }
    return rc == NJ_OK ? nj_query_bool(query, "details", details_out, why) : rc;
}

static bool has_value(const char *query, const char *key)
{
    char *value = nj_query_get(query, key);
    bool is_set = value[0] != '\0';
    nj_dealloc(value);
    return is_set;
}

/* The complaint about the parameters, NULL when there is none. */
static const char *contradiction(const char *query)
{
    bool stream = has_value(query, "stream");
    if (stream && !has_value(query, "account")) {
        return "\"account\" must not be empty when checking stream health";
    }
    if (has_value(query, "consumer") && !stream) {
        return "\"stream\" must not be empty when checking consumer health";
    }
    return NULL;
}

static void describe_down(struct nj_buf *text, const struct nj_health_facts *facts)
{
    (void) nj_buf_puts(text, "failed to be ready for connections after 1ms: ");
    for (size_t i = 0; i < facts->down_n; i++) {
        const struct nj_health_item *item = &facts->down[i];
        (void) nj_buf_printf(text, "%s%s", i > 0 ? ", " : "", item->what);
        if (item->cause != NULL) {
            (void) nj_buf_printf(text, "(%s)", item->cause);
        }
    }
}

static void log_failure(bool details, const char *text)
{
    struct nj_buf quoted;
    if (details) {
        nj_log_warn("Healthcheck failed: 1 errors");
        return;
    }
    nj_buf_init(&quoted, 8192);
    (void) nj_quote(&quoted, text, strlen(text));
    nj_log_warn("Healthcheck failed: %s", quoted.ptr);
    nj_buf_free(&quoted);
}

static void put_fault(struct nj_json *j, bool details, const char *type, const char *text)
{
    nj_json_str(j, "status", "error");
    if (!details) {
        nj_json_str(j, "error", text);
        return;
    }
    nj_json_array(j, "errors");
    nj_json_object(j, NULL);
    nj_json_str(j, "type", type);
    nj_json_str(j, "error", text);
    nj_json_end(j);
    nj_json_end(j);
}

int nj_healthz_print(struct nj_buf *out, const char *query, const struct nj_health_facts *facts,
                     int *status_out, bool *is_json_out)
{
    bool details = false;
    struct nj_json j;
    struct nj_buf text;
    nj_buf_init(&text, 4096);
    if (parse_flags(query, &details, out) != NJ_OK) {
        *status_out = 400;
        *is_json_out = false;
        return NJ_OK;
    }
    const char *wrong = contradiction(query);
    *is_json_out = true;
    *status_out = 200;
    nj_json_init(&j, out, 0);
    nj_json_object(&j, NULL);
    if (wrong != NULL) {
        (void) nj_buf_puts(&text, wrong);
        put_fault(&j, details, "BAD_REQUEST", wrong);
        *status_out = 400;
    } else if (facts->down_n > 0) {
        describe_down(&text, facts);
        put_fault(&j, details, "CONNECTION", text.ptr);
        *status_out = 500;
    } else {
        nj_json_str(&j, "status", "ok");
    }
    nj_json_end(&j);
    if (*status_out != 200) {
        log_failure(details, text.ptr);
    }
    nj_buf_free(&text);
    return nj_json_finish(&j);
}
