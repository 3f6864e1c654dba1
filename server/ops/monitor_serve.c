/* Which path answers with what. */
#include "ops/monitor_priv.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "natterjack/plugin.h"

static const char type_json[] = "application/json";
static const char type_text[] = "text/plain; charset=utf-8";
static const char type_html[] = "text/html; charset=utf-8";

/*
 * A question to the source that outlives the call.  Belongs to itself: the client may go before
 * the answer comes.
 */
struct nj_mon_question {
    struct nj_monitor *mon;
    struct nj_mon_client *client; /* NULL: gone */
    bool asking;                  /* nj_connz_run() has not returned yet */
};

/* ---- answers --------------------------------------------------------------------------------- */

static void answer_text(struct nj_mon_client *c, int status, const char *body)
{
    struct nj_http_answer a = { .status = status,
                                .content_type = type_text,
                                .nosniff = status == 404,
                                .body = body == NULL ? "" : body,
                                .body_len = body == NULL ? 0 : strlen(body) };
    (void) nj_http_answer(&c->http, &a);
}

static void answer_json(struct nj_mon_client *c, int status, const struct nj_buf *body)
{
    struct nj_http_answer a = { .status = status,
                                .content_type = type_json,
                                .cors = true,
                                .body = body->ptr == NULL ? "" : body->ptr,
                                .body_len = body->len };
    const struct nj_monitor *mon = c->mon;
    if (body->len > mon->config.output_limit ||
        mon->output_bytes > mon->config.output_limit - body->len) {
        answer_text(c, 503, "too much output is waiting to be read; try again later\n");
        return;
    }
    (void) nj_http_answer(&c->http, &a);
}

static void answer_too_large(struct nj_mon_client *c)
{
    answer_text(c, 500, "the answer is larger than this port may send; ask for less with limit\n");
}

/* ---- redirects ------------------------------------------------------------------------------- */

/* Append what is safe in a header and in HTML; the rest is percent-encoded. */
static void put_safe_uri(struct nj_buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char u = (unsigned char) *s;
        if (u <= 0x20 || u >= 0x7f || strchr("\"<>\\^`{|}'", *s) != NULL) {
            (void) nj_buf_printf(b, "%%%02X", u);
        } else {
            (void) nj_buf_putc(b, *s);
        }
    }
}

static void put_html(struct nj_buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '&') {
            (void) nj_buf_puts(b, "&amp;");
        } else {
            (void) nj_buf_putc(b, *s);
        }
    }
}

/* A path that is not clean is answered with where it should go.  True when done. */
static bool redirect(struct nj_mon_client *c)
{
    const struct nj_http_head *head = &c->http.head;
    if (strcmp(head->method, "CONNECT") == 0) {
        return false;
    }
    char *clean = nj_http_clean_path(head->raw_path);
    bool differs = strcmp(clean, head->raw_path) != 0;
    if (differs) {
        struct nj_buf where;
        struct nj_buf body;
        bool has_page = strcmp(head->method, "GET") == 0;
        /* A head may be a megabyte, and an escape is three times as long. */
        nj_buf_init(&where, (size_t) 4 * NJ_HTTP_HEAD_MAX);
        nj_buf_init(&body, (size_t) 24 * NJ_HTTP_HEAD_MAX);
        put_safe_uri(&where, clean);
        if (head->query[0] != '\0') {
            (void) nj_buf_putc(&where, '?');
            put_safe_uri(&where, head->query);
        }
        if (has_page) {
            (void) nj_buf_puts(&body, "<a href=\"");
            put_html(&body, where.ptr);
            (void) nj_buf_puts(&body, "\">Temporary Redirect</a>.\n\n");
        }
        struct nj_http_answer a = { .status = 307,
                                    .content_type =
                                        has_page || nj_http_is_head(&c->http) ? type_html : NULL,
                                    .location = where.ptr,
                                    .body = has_page ? body.ptr : "",
                                    .body_len = body.len };
        (void) nj_http_answer(&c->http, &a);
        nj_buf_free(&where);
        nj_buf_free(&body);
    }
    nj_dealloc(clean);
    return differs;
}

/* ---- endpoints ------------------------------------------------------------------------------- */

static void serve_root(struct nj_mon_client *c)
{
    struct nj_buf page;
    nj_buf_init(&page, 16384);
    (void) nj_buf_printf(
        &page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<title>Natterjack</title>\n"
        "<style>body { font-family: sans-serif; margin: 2rem; } a { display: block; }</style>\n"
        "</head>\n<body>\n<h1>Natterjack</h1>\n<p>%s</p>\n"
        "<a href=\"%s/varz\">General</a>\n"
        "<a href=\"%s/connz\">Connections</a>\n"
        "<a href=\"%s/healthz\">Health Probe</a>\n"
        "</body>\n</html>\n",
        c->mon->version, c->mon->base_path, c->mon->base_path, c->mon->base_path);
    struct nj_http_answer a = {
        .status = 200, .content_type = type_html, .body = page.ptr, .body_len = page.len
    };
    (void) nj_http_answer(&c->http, &a);
    nj_buf_free(&page);
}

static void serve_varz(struct nj_mon_client *c)
{
    struct nj_monitor *mon = c->mon;
    struct nj_varz_facts facts = { 0 };
    struct nj_buf body;
    nj_buf_init(&body, mon->config.body_limit);
    mon->source->varz(mon->user, &facts);
    nj_procstat_update(&mon->proc, nj_mono_ns());
    if (nj_varz_print(&body, &facts, &mon->proc, mon->counts, NJ_ENDPOINT_COUNT, nj_wall_ns()) ==
        NJ_OK) {
        answer_json(c, 200, &body);
    } else {
        answer_too_large(c);
    }
    nj_buf_free(&body);
}

static void serve_healthz(struct nj_mon_client *c)
{
    struct nj_monitor *mon = c->mon;
    struct nj_health_facts facts = { 0 };
    struct nj_buf body;
    int status = 500;
    bool is_json = false;
    nj_buf_init(&body, mon->config.body_limit);
    mon->source->healthz(mon->user, &facts);
    if (nj_healthz_print(&body, c->http.head.query, &facts, &status, &is_json) != NJ_OK) {
        answer_too_large(c);
    } else if (is_json) {
        answer_json(c, status, &body);
    } else {
        answer_text(c, status, body.ptr);
    }
    nj_buf_free(&body);
}

static void on_connz_body(void *arg, int rc, struct nj_buf *body)
{
    struct nj_mon_question *q = arg;
    struct nj_monitor *mon = q->mon;
    struct nj_mon_client *c = q->client;
    bool later = !q->asking;
    mon->asked_n--;
    nj_dealloc(q);
    if (c == NULL) {
        nj_mon_finish_close(mon);
        return;
    }
    c->question = NULL;
    if (rc == NJ_OK) {
        answer_json(c, 200, body);
    } else {
        answer_too_large(c);
    }
    if (later) {
        nj_mon_client_resume(c);
    }
}

/* True: answered already. */
static bool serve_connz(struct nj_mon_client *c)
{
    struct nj_monitor *mon = c->mon;
    struct nj_connz_options o;
    struct nj_buf why;
    nj_buf_init(&why, 65536);
    int rc = nj_connz_options_parse(&o, c->http.head.query, &why);
    if (rc != NJ_E_INVALID) { /* the reference counts no request that it cannot decode */
        mon->counts[NJ_ENDPOINT_CONNZ].count++;
    }
    if (rc != NJ_OK) {
        answer_text(c, 400, why.ptr);
        nj_buf_free(&why);
        nj_connz_options_fini(&o);
        return true;
    }
    nj_buf_free(&why);
    struct nj_mon_question *q = nj_zalloc(sizeof(*q));
    *q = (struct nj_mon_question){ .mon = mon, .client = c, .asking = true };
    c->question = q;
    mon->asked_n++;
    nj_connz_run(mon->source, mon->user, mon->server_id, &o, mon->config.body_limit, on_connz_body,
                 q);
    if (c->question == NULL) {
        return true;
    }
    q->asking = false;
    return false;
}

void nj_mon_question_drop(struct nj_mon_client *c)
{
    if (c->question != NULL) {
        c->question->client = NULL;
        c->question = NULL;
    }
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* The endpoint behind the path, NJ_ENDPOINT_COUNT when there is none. */
static enum nj_endpoint find_endpoint(const struct nj_monitor *mon, const struct nj_http_head *head)
{
    const char *base = mon->base_path;
    size_t skip = strlen(base);
    if (strlen(head->path) != head->path_len || strncmp(head->path, base, skip) != 0) {
        return NJ_ENDPOINT_COUNT;
    }
    const char *rest = head->path + skip;
    if (strcmp(rest, skip == 0 ? "/" : "") == 0) {
        return NJ_ENDPOINT_ROOT;
    }
    for (unsigned i = NJ_ENDPOINT_ROOT + 1; i < NJ_ENDPOINT_COUNT; i++) {
        if (strcmp(rest, mon->counts[i].path) == 0) {
            return (enum nj_endpoint) i;
        }
    }
    return NJ_ENDPOINT_COUNT;
}

bool nj_mon_serve(struct nj_mon_client *c)
{
    if (redirect(c)) {
        return true;
    }
    enum nj_endpoint endpoint = find_endpoint(c->mon, &c->http.head);
    if (endpoint == NJ_ENDPOINT_COUNT) {
        answer_text(c, 404, "404 page not found\n");
        return true;
    }
    if (endpoint != NJ_ENDPOINT_CONNZ) {
        c->mon->counts[endpoint].count++;
    }
    switch (endpoint) {
    case NJ_ENDPOINT_ROOT:
        serve_root(c);
        break;
    case NJ_ENDPOINT_VARZ:
        serve_varz(c);
        break;
    case NJ_ENDPOINT_HEALTHZ:
        serve_healthz(c);
        break;
    case NJ_ENDPOINT_CONNZ:
        return serve_connz(c);
    case NJ_ENDPOINT_COUNT:
        break;
    }
    return true;
}
