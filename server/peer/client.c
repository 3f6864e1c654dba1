#include "peer/client.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/quote.h"
#include "broker/account.h"
#include "auth/auth.h"
#include "io/tls_stream.h"
#include "peer/client_mapper.h"
#include "peer/client_tls.h"
#include "peer/closed.h"
#include "peer/leaving.h"

#define SNIPPET 32    /* bytes of the input that a parser error shows */
#define SLICE_US 100  /* of one client's changes to the index until the others come */
#define SLICE_STEP 16 /* changes between looks at the clock */
#define FAN_US 20000  /* of one client's messages to many */
#define FAN_STEP 4096 /* deliveries between looks at the clock */
#define PUB_STEP 32   /* and messages: one may be dear and reach nobody */

/* What one read has caused so far. */
struct slice {
    unsigned changes; /* of subscriptions, or of who it is */
    int64_t until_us;
    unsigned messages;
    uint64_t delivered; /* by this worker, at the last look */
    int64_t fan_until_us;
};

/* ---- saying something ------------------------------------------------------------------------------ */

bool nj_client_is_open(const struct nj_client *c)
{
    return c->conn.state == NJ_CONN_OPEN;
}

static void queue(struct nj_client *c, const void *bytes, size_t len)
{
    nj_outbox_append(&c->conn.out, &c->conn.worker->pool, bytes, len);
    nj_conn_dirty(&c->conn);
}

void nj_client_send(struct nj_client *c, const char *text)
{
    queue(c, text, strlen(text));
}

static void append_err(struct nj_client *c, const char *text)
{
    struct nj_pool *pool = &c->conn.worker->pool;
    nj_outbox_append(&c->conn.out, pool, "-ERR '", 6);
    nj_outbox_append(&c->conn.out, pool, text, strlen(text));
    nj_outbox_append(&c->conn.out, pool, "'\r\n", 3);
    if (nj_log_on(NJ_LVL_TRC)) {
        struct nj_buf b;
        nj_buf_init(&b, SIZE_MAX);
        (void) nj_buf_printf(&b, "-ERR %s", text);
        nj_client_trace_out(c, b.ptr, b.len);
        nj_buf_free(&b);
    }
}

void nj_client_send_err(struct nj_client *c, const char *text)
{
    append_err(c, text);
    nj_conn_dirty(&c->conn);
}

void nj_client_send_ok(struct nj_client *c)
{
    if (c->verbose) {
        if (nj_log_on(NJ_LVL_TRC)) {
            nj_client_trace_out(c, "OK", 2);
        }
        queue(c, "+OK\r\n", 5);
    }
}

void nj_client_send_info(struct nj_client *c, enum nj_info_kind kind)
{
    struct nj_buf *b = &nj_hub_worker_of(c->conn.worker)->scratch;
    nj_buf_clear(b);
    nj_info_append(c->hub, c, kind, b);
    queue(c, b->ptr, b->len);
    c->info_sent = true;
}

/* ---- closing ----------------------------------------------------------------------------------------- */

void nj_client_close(struct nj_client *c, enum nj_close_reason reason)
{
    const struct nj_close_words *words = nj_close_words(reason);
    if (c->conn.state == NJ_CONN_OPEN && words->err != NULL && c->phase != NJ_PHASE_TLS) {
        append_err(c, words->err);
    }
    nj_client_close_silently(c, reason);
}

void nj_client_close_silently(struct nj_client *c, enum nj_close_reason reason)
{
    const struct nj_close_words *words = nj_close_words(reason);
    if (c->conn.state != NJ_CONN_OPEN) {
        return;
    }
    c->reason = reason;
    nj_client_mapper_stop(c);
    nj_client_hash_stop(c);
    nj_client_forget_ocsp(c);
    nj_client_stop_wait(c);
    nj_timer_stop(&c->conn.worker->timers, &c->ping_timer);
    nj_timer_stop(&c->conn.worker->timers, &c->expire_timer);
    nj_client_debug(c, "Client connection closed: %s", words->reason);
    c->subs_at_close = c->subs.count;
    if (words->flush) {
        /* Now, not when the last byte is out: a request must not count as delivered to who has
         * left.  Who is not flushed goes with this turn, and may be closed in the midst of a
         * delivery, where the index is not written to. */
        nj_slot_disown(c->conn.worker, c->conn.slot);
        nj_leaving_take(c);
        nj_conn_close_flushed(&c->conn);
    } else {
        nj_conn_close(&c->conn);
    }
}

static void slow_consumer(struct nj_client *c, enum nj_conn_end why)
{
    const struct nj_limits *l = &nj_client_serving(c)->limits;
    char text[64];
    bool counts = !c->must_auth;
    if (why == NJ_END_PENDING) {
        nj_client_log(c, NJ_LVL_INF, "Slow Consumer Detected: MaxPending of %" PRIu64 " Exceeded",
                      l->max_pending);
    } else {
        nj_client_log(c, NJ_LVL_INF,
                      "Slow Consumer Detected: WriteDeadline of %s exceeded with %zu chunks of %zu total bytes.",
                      nj_duration_text(l->write_deadline_us * 1000, text, sizeof(text)),
                      nj_outbox_pieces(&c->conn.out), c->conn.out.len);
    }
    if (counts) {
        (void) atomic_fetch_add_explicit(&c->hub->slow_consumers, 1, memory_order_relaxed);
    }
}

/* write_timeout: retry keeps a consumer that takes something, however slowly. */
static bool kept(struct nj_client *c)
{
    const struct nj_limits *l = &nj_client_serving(c)->limits;
    char text[64];
    if (!c->conn.write_retry || c->conn.flushed == 0) {
        return false;
    }
    nj_client_log(c, NJ_LVL_INF,
                  "Slow Consumer State: WriteDeadline of %s exceeded with %zu chunks of %zu total bytes.",
                  nj_duration_text(l->write_deadline_us * 1000, text, sizeof(text)),
                  nj_outbox_pieces(&c->conn.out), c->conn.out.len);
    c->slow_since_us = c->slow_since_us != 0 ? c->slow_since_us : c->conn.worker->now_us;
    nj_conn_wait_on(&c->conn);
    return true;
}

static void on_caught_up(struct nj_conn *conn, size_t pieces, size_t bytes)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    int64_t deadline_us = nj_client_serving(c)->limits.write_deadline_us;
    double s = (double) (conn->worker->now_us - c->slow_since_us + deadline_us) / 1e6;
    c->slow_since_us = 0;
    nj_client_log(c, NJ_LVL_INF,
                  "Slow Consumer Recovered: Flush took %.3fs with %zu chunks of %zu total bytes.", s,
                  pieces, bytes);
}

/* It will say nothing more: it goes at once or after what it has said before. */
static void peer_ended(struct nj_client *c)
{
    if (!nj_client_mapper_ended(c) && !nj_client_hash_ended(c)) {
        nj_conn_flush_last(&c->conn); /* it said all, and may still wait for the answers */
        nj_client_close(c, NJ_CLOSE_CLIENT);
    }
}

static void on_ended(struct nj_conn *conn, enum nj_conn_end why)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    if (!nj_client_is_open(c)) {
        return;
    }
    if (c->phase == NJ_PHASE_TLS) {
        nj_client_tls_failed(c, why);
        return;
    }
    switch (why) {
    case NJ_END_EOF:
        peer_ended(c);
        break;
    case NJ_END_WRITE:
        nj_client_close(c, NJ_CLOSE_WRITE);
        break;
    case NJ_END_DEADLINE:
        if (kept(c)) {
            break;
        }
        slow_consumer(c, why);
        nj_client_close(c, NJ_CLOSE_SLOW_DEADLINE);
        break;
    case NJ_END_PENDING:
        slow_consumer(c, why);
        nj_client_close(c, NJ_CLOSE_SLOW_PENDING);
        break;
    default:
        nj_client_close(c, NJ_CLOSE_READ);
        break;
    }
}

static void on_gone(struct nj_conn *conn)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    struct nj_hub *hub = c->hub;
    struct nj_worker *w = conn->worker;
    nj_timer_stop(&w->timers, &c->ping_timer);
    nj_timer_stop(&w->timers, &c->wait_timer);
    nj_timer_stop(&w->timers, &c->expire_timer);
    nj_closed_ring_add(hub->closed, c);
    nj_leaving_take(c);
    nj_client_forget_options(c);
    nj_client_set_user(c, NULL, NULL);
    nj_parser_fini(&c->parser);
    nj_tls_door_unref(&c->door);
    nj_dealloc(c->label);
    nj_sub_table_fini(&c->subs);
    (void) atomic_fetch_sub_explicit(&c->account->connections, 1, memory_order_relaxed);
    (void) atomic_fetch_sub_explicit(&hub->connections, 1, memory_order_relaxed);
    nj_dealloc(c);
}

/* ---- operations ----------------------------------------------------------------------------------------- */

static void on_ping(struct nj_client *c)
{
    if (nj_log_on(NJ_LVL_TRC)) {
        nj_client_trace_in(c, "PING", "", 0);
        nj_client_trace_out(c, "PONG", 4);
    }
    c->last_in_us = c->conn.worker->now_us;
    queue(c, "PONG\r\n", 6);
    if (c->got_connect && !c->first_pong_sent) {
        c->first_pong_sent = true;
        if (c->protocol >= 1) {
            nj_client_send_info(c, NJ_INFO_CONNECTED);
        }
    }
}

static void on_err_op(struct nj_client *c, const struct nj_event *ev)
{
    nj_client_log(c, NJ_LVL_ERR, "Client Error %.*s", (int) ev->arg.len, ev->arg.ptr);
    nj_client_close(c, NJ_CLOSE_PARSE);
}

static void trace_line(struct nj_client *c, const struct nj_event *ev)
{
    const char *op = "";
    switch (ev->op) {
    case NJ_OP_PUB:
    case NJ_OP_PUB_LINE:
        op = ev->headers ? "HPUB" : "PUB";
        break;
    case NJ_OP_SUB:
        op = "SUB";
        break;
    case NJ_OP_UNSUB:
        op = "UNSUB";
        break;
    case NJ_OP_CONNECT:
        nj_client_trace_connect(c, ev->arg.ptr, ev->arg.len);
        return;
    case NJ_OP_PONG:
        nj_client_trace_in(c, "PONG", "", 0);
        return;
    default:
        return;
    }
    nj_client_trace_in(c, op, ev->arg.ptr, ev->arg.len);
}

static void dispatch(struct nj_client *c, const struct nj_event *ev)
{
    if (nj_log_on(NJ_LVL_TRC) && ev->op != NJ_OP_PUB) {
        trace_line(c, ev);
    }
    switch (ev->op) {
    case NJ_OP_PUB:
        nj_client_publish(c, ev);
        break;
    case NJ_OP_SUB:
        c->last_in_us = c->conn.worker->now_us;
        nj_client_subscribe(c, ev);
        break;
    case NJ_OP_UNSUB:
        c->last_in_us = c->conn.worker->now_us;
        nj_client_unsubscribe(c, ev);
        break;
    case NJ_OP_PING:
        on_ping(c);
        break;
    case NJ_OP_PONG:
        nj_client_got_pong(c);
        break;
    case NJ_OP_CONNECT:
        (void) nj_client_connect(c, ev);
        break;
    case NJ_OP_INFO:
        (void) nj_client_check_json(c, ev);
        break;
    case NJ_OP_ERR:
        on_err_op(c, ev);
        break;
    default:
        break;
    }
}

/* ---- bad input --------------------------------------------------------------------------------------------- */

static void log_snippet(struct nj_client *c, const struct nj_event *ev, const uint8_t *buf,
                        size_t len)
{
    struct nj_buf b;
    size_t at = (size_t) (ev->at - buf);
    size_t end = at + SNIPPET;
    if (end > len) {
        end = len > 0 ? len - 1 : 0; /* the reference leaves the last byte out here */
    }
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_quote(&b, (const char *) buf + at, end > at ? end - at : 0);
    nj_client_log(c, NJ_LVL_ERR, "Client parser ERROR, state=%d, i=%zu: proto='%s...'", ev->state,
                  at, b.ptr);
    nj_buf_free(&b);
}

static void log_args(struct nj_client *c, const struct nj_event *ev, const char *what)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_quote(&b, ev->arg.ptr, ev->arg.len);
    nj_client_log(c, NJ_LVL_ERR, "%s: %s", what, b.ptr);
    nj_buf_free(&b);
}

static const char *args_text(enum nj_parse_error e)
{
    switch (e) {
    case NJ_PARSE_PUB_ARGS:
        return "processPub Parse Error";
    case NJ_PARSE_PUB_SIZE:
        return "processPub Bad or Missing Size";
    case NJ_PARSE_HPUB_ARGS:
        return "processHeaderPub Parse Error";
    case NJ_PARSE_HPUB_HEADER_SIZE:
        return "processHeaderPub Bad or Missing Header Size";
    case NJ_PARSE_HPUB_TOTAL_SIZE:
        return "processHeaderPub Bad or Missing Total Size";
    case NJ_PARSE_HPUB_HEADER_LARGER:
        return "processHeaderPub Header Size larger then TotalSize";
    case NJ_PARSE_SUB_ARGS:
        return "processSub Parse Error";
    default:
        return "processUnsub Parse Error";
    }
}

static void bad_input(struct nj_client *c, const struct nj_event *ev, const uint8_t *buf,
                      size_t len)
{
    if (nj_log_on(NJ_LVL_TRC) && ev->op != NJ_OP_NONE && ev->error != NJ_PARSE_UNKNOWN_OP) {
        trace_line(c, ev);
    }
    switch (ev->error) {
    case NJ_PARSE_UNKNOWN_OP:
        log_snippet(c, ev, buf, len);
        nj_client_close(c, NJ_CLOSE_UNKNOWN_OP);
        break;
    case NJ_PARSE_CONTROL_LINE:
        nj_client_log(c, NJ_LVL_ERR, "maximum control line exceeded");
        nj_client_close(c, NJ_CLOSE_MAX_CONTROL_LINE);
        break;
    case NJ_PARSE_MAX_PAYLOAD:
        nj_client_log(c, NJ_LVL_ERR, "maximum payload exceeded: %" PRIu32 " vs %" PRId32,
                      ev->size, c->parser.max_payload);
        nj_client_close(c, NJ_CLOSE_MAX_PAYLOAD);
        break;
    case NJ_PARSE_HEADERS_OFF:
        nj_client_log(c, NJ_LVL_ERR, "message headers not supported");
        nj_client_close(c, NJ_CLOSE_PROTOCOL);
        break;
    default:
        log_args(c, ev, args_text(ev->error));
        nj_client_close(c, NJ_CLOSE_PROTOCOL);
        break;
    }
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* With authentication the first operation must be CONNECT, by its first letter. */
static bool speaks_too_early(const struct nj_client *c, uint8_t first)
{
    return c->must_auth && nj_parser_at_start(&c->parser) && (first | 32) != 'c';
}

static void too_early(struct nj_client *c)
{
    nj_client_log(c, NJ_LVL_ERR, "authentication error");
    nj_client_close(c, NJ_CLOSE_AUTH_VIOLATION);
}

static bool may_go_on(const struct nj_client *c)
{
    return c->conn.state == NJ_CONN_OPEN && !c->conn.is_paused && c->mapping == NULL &&
           c->hash == NULL;
}

static uint64_t delivered_here(const struct nj_client *c)
{
    return atomic_load_explicit(&nj_hub_worker_of(c->conn.worker)->traffic.out_msgs,
                                memory_order_relaxed);
}

/* One read may bring thousands of messages that go to thousands of subscribers each.  Those on other workers are
 * bounded by the credit with them. */
static void share_fan_out(struct nj_client *c, struct slice *s)
{
    uint64_t n = delivered_here(c);
    if (n - s->delivered < FAN_STEP && ++s->messages % PUB_STEP != 0) {
        return;
    }
    int64_t now_us = nj_mono_us();
    s->delivered = n;
    if (s->fan_until_us == 0) {
        s->fan_until_us = now_us + FAN_US;
    } else if (now_us >= s->fan_until_us) {
        nj_conn_yield(&c->conn);
    }
}

/* One read may bring ten thousand SUBs or CONNECTs, each as dear as some messages: after a while the
 * others come first.  The clock is asked now and then only. */
static void share_time(struct nj_client *c, const struct nj_event *ev, struct slice *s)
{
    if (ev->op == NJ_OP_PUB) {
        share_fan_out(c, s);
        return;
    }
    if (ev->op != NJ_OP_SUB && ev->op != NJ_OP_UNSUB && ev->op != NJ_OP_CONNECT) {
        return;
    }
    if (s->changes++ == 0) {
        s->until_us = nj_mono_us() + SLICE_US;
    } else if (s->changes % SLICE_STEP == 0 && nj_mono_us() >= s->until_us) {
        nj_conn_yield(&c->conn);
    }
}

static size_t operations(struct nj_client *c, const uint8_t *buf, size_t len)
{
    struct slice slice = { .delivered = delivered_here(c) };
    size_t used = 0;
    int rc = NJ_OK;
    c->parser.line_events = nj_log_on(NJ_LVL_TRC);
    while (rc == NJ_OK && may_go_on(c)) {
        struct nj_event ev;
        size_t n;
        if (used < len && speaks_too_early(c, buf[used]) && !nj_client_admit_silently(c)) {
            too_early(c);
            break;
        }
        rc = nj_parse(&c->parser, buf + used, len - used, &n, &ev);
        used += n;
        if (rc == NJ_OK) {
            dispatch(c, &ev);
            share_time(c, &ev, &slice);
        } else if (rc != NJ_NEED_IN) {
            bad_input(c, &ev, buf, len);
        }
    }
    if (rc == NJ_NEED_IN && nj_parser_in_connect(&c->parser)) {
        nj_client_wipe_input((const char *) buf, used);
    }
    (void) nj_client_after_messages(c);
    return used;
}

static size_t on_bytes(struct nj_conn *conn, const uint8_t *ptr, size_t len)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    size_t used = 0;
    c->last_us = conn->worker->now_us;
    if (c->phase == NJ_PHASE_SNIFF) {
        used = nj_client_sniff(c, ptr, len);
    }
    if (c->phase == NJ_PHASE_READY && may_go_on(c)) {
        used += operations(c, ptr + used, len - used);
    }
    return used;
}

static size_t on_direct(struct nj_conn *conn, uint8_t **to_out)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    return c->phase == NJ_PHASE_READY ? nj_parser_direct(&c->parser, to_out) : 0;
}

static void on_direct_done(struct nj_conn *conn, size_t n)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    static const uint8_t nothing[1];
    nj_parser_direct_done(&c->parser, n);
    c->last_us = conn->worker->now_us;
    (void) operations(c, nothing, 0);
}

const struct nj_conn_ops nj_client_ops = {
    .bytes = on_bytes,
    .direct = on_direct,
    .direct_done = on_direct_done,
    .may_resume = nj_client_may_resume,
    .secured = nj_client_secured,
    .caught_up = on_caught_up,
    .ended = on_ended,
    .gone = on_gone,
};

/* ---- beginning ---------------------------------------------------------------------------------------------------- */

void nj_client_ready(struct nj_client *c)
{
    c->phase = NJ_PHASE_READY;
    c->conn.is_new = false;
    nj_client_wait_for_auth(c);
}

static void read_address(struct nj_client *c, int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    memset(&sa, 0, sizeof(sa));
    if (getpeername(fd, (struct sockaddr *) &sa, &len) < 0) {
        (void) strcpy(c->ip, "unknown");
        return;
    }
    if (sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) (const void *) &sa;
        c->port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            (void) inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, c->ip, sizeof(c->ip));
        } else {
            (void) inet_ntop(AF_INET6, &v6->sin6_addr, c->ip, sizeof(c->ip));
        }
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) (const void *) &sa;
        c->port = ntohs(v4->sin_port);
        (void) inet_ntop(AF_INET, &v4->sin_addr, c->ip, sizeof(c->ip));
    }
}

static bool too_many(struct nj_hub *hub, const struct nj_limits *l)
{
    int64_t n = atomic_fetch_add_explicit(&hub->connections, 1, memory_order_relaxed) + 1;
    return l->max_connections < 0 || n > l->max_connections;
}

struct nj_client *nj_client_new(struct nj_hub *hub, struct nj_worker *w, int fd)
{
    const struct nj_serving *serving = nj_hub_worker_of(w)->serving;
    const struct nj_limits *l = &serving->limits;
    struct nj_client *c = nj_zalloc(sizeof(*c));
    c->hub = hub;
    c->account = hub->global;
    c->cid = atomic_fetch_add_explicit(&hub->next_cid, 1, memory_order_relaxed);
    c->verbose = true;
    c->pedantic = true;
    c->echo = true;
    c->must_auth = nj_serving_auth_required(serving);
    if (nj_auth_has_nkeys(serving->auth) || serving->mappers != NULL) {
        nj_nonce_make(c->nonce);
    }
    c->door = serving->tls != NULL ? nj_tls_door_ref(serving->tls) : NULL;
    c->start_ns = nj_wall_ns();
    c->start_us = w->now_us;
    c->last_us = w->now_us;
    read_address(c, fd);
    nj_parser_init(&c->parser);
    c->parser.max_control_line = l->max_control_line;
    c->parser.max_payload = l->max_payload;
    nj_conn_init(&c->conn, w, fd, &nj_client_ops);
    c->conn.max_pending = l->max_pending;
    c->conn.write_deadline_us = l->write_deadline_us;
    c->conn.write_retry = l->write_retry;
    (void) atomic_fetch_add_explicit(&c->account->connections, 1, memory_order_relaxed);
    (void) atomic_fetch_add_explicit(&hub->total_connections, 1, memory_order_relaxed);
    nj_client_debug(c, "Client connection created");
    if (too_many(hub, l)) {
        nj_log_once_per_second(NJ_LVL_ERR, "maximum connections exceeded");
        nj_client_send_info(c, NJ_INFO_FIRST);
        nj_client_close(c, NJ_CLOSE_MAX_CONNECTIONS);
        return c;
    }
    nj_client_start_ping_timer(c);
    nj_client_begin(c);
    return c;
}
