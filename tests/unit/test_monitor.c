/* The monitoring port over real sockets on loopback, fed with facts that the test makes up. */
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "ops/http.h"
#include "ops/http_query.h"
#include "ops/monitor.h"
#include "ops/monitor_body.h"
#include "ops/monitor_facts.h"
#include "ops/procstat.h"

enum { PATIENCE_MS = 10000, S_NS = 1000000000 };

static char last_log[512];

void nj_log(enum nj_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nj_logv(level, fmt, ap);
    va_end(ap);
}

void nj_logv(enum nj_log_level level, const char *fmt, va_list ap)
{
    (void) level;
    (void) vsnprintf(last_log, sizeof(last_log), fmt, ap);
}

void nj_log_once_per_second(enum nj_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nj_logv(level, fmt, ap);
    va_end(ap);
}

bool nj_log_on(enum nj_log_level level)
{
    (void) level;
    return false;
}

/* ---- a core that makes things up ------------------------------------------------------------- */

static struct {
    bool defer; /* answer /connz in a later turn of the loop */
    bool down;
    unsigned asked;
    size_t second_cids; /* how many connections the second round was about */
    nj_connz_done_fn done;
    void *arg;
    struct nj_connz_query query;
} core;

static void fake_varz(void *user, struct nj_varz_facts *f)
{
    (void) user;
    f->server_id = "NTEST";
    f->server_name = "na<me";
    f->version = "2.15.2";
    f->toolchain = "c17";
    f->host = "127.0.0.1";
    f->port = 4222;
    f->http_host = "127.0.0.1";
    f->http_port = -1;
    f->http_base_path = "";
    f->config_digest = "";
    f->auth_timeout_s = 2;
    f->tls_timeout_s = 2.5;
    f->system_account = "$SYS";
    f->start_ns = S_NS;
    f->config_load_ns = S_NS;
}

static void fake_healthz(void *user, struct nj_health_facts *f)
{
    (void) user;
    if (core.down) {
        f->down[0] = (struct nj_health_item){ "server", NULL };
        f->down[1] = (struct nj_health_item){ "route", "busy" };
        f->down_n = 2;
    }
}

/* cid 1..3 open, cid 4..5 closed; each sort order has its own sequence. */
static const struct {
    uint64_t cid;
    int64_t start, last, stop, rtt, pending, in_msgs, out_msgs, in_bytes, out_bytes;
    uint32_t subs;
    const char *user, *account, *reason;
} conns[] = {
    { 1, 30, 90, 0, 5, 1, 7, 20, 300, 10, 2, "alice", "A", NULL },
    { 2, 20, 80, 0, 9, 3, 9, 10, 100, 30, 0, "bob", "$G", NULL },
    { 3, 10, 95, 0, 7, 2, 8, 30, 200, 20, 1, NULL, "$G", NULL },
    { 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, "Write Error" },
    { 5, 5, 7, 9, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, "Client Closed" },
};

static bool is_asked(const struct nj_connz_query *q, size_t i)
{
    bool closed = conns[i].stop != 0;
    bool listed = q->cids_n == 0;
    for (size_t k = 0; k < q->cids_n; k++) {
        listed = listed || q->cids[k] == conns[i].cid;
    }
    return listed && (q->cid == 0 || q->cid == conns[i].cid) &&
           (q->state == NJ_CONNZ_ALL || closed == (q->state == NJ_CONNZ_CLOSED));
}

static char *copy(const char *s)
{
    return s == NULL ? NULL : nj_strdup(s);
}

static void add_details(struct nj_conn_fact *c, const struct nj_connz_query *q)
{
    for (uint32_t s = 0; q->subs != NJ_CONNZ_SUBS_NONE && s < c->subscriptions; s++) {
        struct nj_sub_fact *sub = nj_conn_fact_add_sub(c);
        sub->subject = nj_strdup(s == 0 ? "foo.>" : "bar");
        sub->queue = s == 0 ? NULL : nj_strdup("q");
        sub->sid = nj_strdup(s == 0 ? "1" : "2");
        sub->max = s == 0 ? 0 : 5;
    }
    if (q->auth && c->cid == 1) {
        struct nj_peer_cert_fact *cert = nj_conn_fact_add_cert(c);
        cert->subject = nj_strdup("CN=alice");
        cert->subject_len = strlen(cert->subject);
        cert->spki_sha256 = nj_strdup("aa");
        cert->cert_sha256 = nj_strdup("bb");
    }
}

static void add_conn(struct nj_connz_facts *f, size_t i, const struct nj_connz_query *q)
{
    struct nj_conn_fact *c = nj_connz_facts_add(f);
    c->cid = conns[i].cid;
    c->kind = "Client";
    c->type = "nats";
    c->ip = nj_strdup("127.0.0.1");
    c->port = 1000 + (int) i;
    c->start_ns = conns[i].start * S_NS;
    c->last_activity_ns = conns[i].last * S_NS;
    c->stop_ns = conns[i].stop * S_NS;
    c->reason = conns[i].reason;
    c->rtt_ns = conns[i].rtt * 1000;
    c->pending_bytes = conns[i].pending;
    c->in_msgs = conns[i].in_msgs;
    c->out_msgs = conns[i].out_msgs;
    c->in_bytes = conns[i].in_bytes;
    c->out_bytes = conns[i].out_bytes;
    c->subscriptions = conns[i].subs;
    c->authorized_user = copy(conns[i].user);
    c->account = copy(conns[i].account);
    c->name_tag = copy(conns[i].account);
    add_details(c, q);
}

static void answer_connz(void)
{
    struct nj_connz_facts all = { 0 };
    for (size_t i = 0; i < sizeof(conns) / sizeof(conns[0]); i++) {
        struct nj_connz_facts part = { 0 }; /* as if every connection had its own worker */
        if (is_asked(&core.query, i)) {
            add_conn(&part, i, &core.query);
        }
        nj_connz_facts_merge(&all, &part);
    }
    all.open_total = 3;
    all.closed_total = 2;
    all.account_unknown = core.query.account != NULL && strcmp(core.query.account, "nope") == 0;
    nj_connz_done_fn done = core.done;
    core.done = NULL;
    done(core.arg, &all);
}

static void fake_connz(void *user, const struct nj_connz_query *q, nj_connz_done_fn done, void *arg)
{
    (void) user;
    core.asked++;
    core.query = *q;
    core.second_cids = q->cids_n;
    core.done = done;
    core.arg = arg;
    if (!core.defer) {
        answer_connz();
    }
}

static const struct nj_monitor_source source = { fake_varz, fake_connz, fake_healthz };

/* ---- a server on a loop, and clients that turn it -------------------------------------------- */

static uv_loop_t loop;
static struct nj_monitor *mon;
static bool closed_seen;
static struct nj_buf reply;

static void open_with(const struct nj_monitor_config *config)
{
    struct nj_error err = { 0 };
    struct nj_monitor_config c = *config;
    c.host = "127.0.0.1";
    c.port = -1;
    c.server_id = "NTEST";
    c.version = "0.1";
    ck_assert_int_eq(nj_monitor_open(&loop, &c, &source, NULL, &mon, &err), NJ_OK);
}

static void setup(void)
{
    memset(&core, 0, sizeof(core));
    closed_seen = false;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    nj_buf_init(&reply, SIZE_MAX);
    open_with(&(struct nj_monitor_config){ 0 });
}

static void on_closed(void *arg)
{
    (void) arg;
    closed_seen = true;
}

static void close_monitor(void)
{
    if (mon != NULL) {
        nj_monitor_close(&mon, on_closed, NULL);
    }
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0) {
    }
}

static void reopen(const struct nj_monitor_config *config)
{
    close_monitor();
    open_with(config);
}

static void teardown(void)
{
    close_monitor();
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    nj_buf_free(&reply);
}

static int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) nj_monitor_port(mon)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *) &to, sizeof(to)), 0);
    return fd;
}

/* One turn of the server, then what the client's socket can do within a millisecond. */
static short turn(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    (void) uv_run(&loop, UV_RUN_NOWAIT);
    if (core.done != NULL && core.defer && mon != NULL) {
        answer_connz();
    }
    ck_assert_int_ge(poll(&p, 1, 1), 0);
    return p.revents;
}

static void send_all(int fd, const char *p, size_t len)
{
    for (int i = 0; len > 0 && i < PATIENCE_MS; i++) {
        short got = turn(fd, POLLOUT);
        if ((got & (POLLERR | POLLHUP)) != 0) {
            return; /* refused before it was all said */
        }
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            p += n;
            len -= (size_t) n;
        }
    }
    ck_assert_uint_eq(len, 0);
}

/* Read into `reply` until the server ends the connection. */
static void read_to_end(int fd)
{
    char chunk[65536];
    for (int i = 0; i < PATIENCE_MS; i++) {
        if ((turn(fd, POLLIN) & (POLLIN | POLLHUP | POLLERR)) != 0) {
            ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
            if (n <= 0) {
                (void) close(fd);
                return;
            }
            (void) nj_buf_append(&reply, chunk, (size_t) n);
        }
    }
    ck_abort_msg("the server did not end the connection");
}

/* Read until `reply` holds the text. */
static void read_until(int fd, const char *text)
{
    char chunk[65536];
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (reply.ptr != NULL && strstr(reply.ptr, text) != NULL) {
            return;
        }
        if ((turn(fd, POLLIN) & POLLIN) != 0) {
            ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
            ck_assert_int_gt((int) n, 0);
            (void) nj_buf_append(&reply, chunk, (size_t) n);
        }
    }
    ck_abort_msg("never came: %s", text);
}

/* Say it, end our side, read all answers. */
static const char *exchange(const char *request, size_t len)
{
    int fd = dial();
    nj_buf_clear(&reply);
    send_all(fd, request, len);
    (void) shutdown(fd, SHUT_WR);
    read_to_end(fd);
    return reply.ptr == NULL ? "" : reply.ptr;
}

static const char *get(const char *target)
{
    char request[512];
    int n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    return exchange(request, (size_t) n);
}

static const char *body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    return body + 4;
}

/* ---- requests as such ------------------------------------------------------------------------ */

#define OK_HEALTH "{\"status\":\"ok\"}"
#define BAD "400 Bad Request"
#define GOOD "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
#define Q(text) text, sizeof(text) - 1

static const struct {
    const char *request;
    size_t len;
    const char *status; /* start of the answer */
    const char *body;   /* of the last answer */
    int answers;
} requests[] = {
    { Q(GOOD), "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q(GOOD GOOD GOOD), "HTTP/1.1 200 OK", OK_HEALTH, 3 },
    { Q("GET /healthz HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK", OK_HEALTH, 1 },
    { Q("GET /healthz HTTP/1.0\r\n\r\n" GOOD), "HTTP/1.0 200 OK", OK_HEALTH, 1 },
    { Q("GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" GOOD), "HTTP/1.0 200 OK",
      OK_HEALTH, 2 },
    { Q("GET /healthz HTTP/1.1\nHost: x\n\n"), "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: a, close\r\n\r\n" GOOD), "HTTP/1.1 200 OK",
      OK_HEALTH, 1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"), "HTTP/1.1 200 OK", OK_HEALTH,
      1 },
    { Q("get /healthz HTTP/1.2\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" GOOD),
      "HTTP/1.1 200 OK", OK_HEALTH, 2 },
    { Q("PUT /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
        "A;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n" GOOD),
      "HTTP/1.1 200 OK", OK_HEALTH, 2 },
    { Q("PUT /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" GOOD),
      "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("PUT /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\0\r\nhi\r\n"
        "0\r\n\r\n" GOOD),
      "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("PUT /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
      "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("PUT /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\nabc"), "HTTP/1.1 200 OK",
      OK_HEALTH, 1 },
    { Q("PUT /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: x\r\n\r\n"),
      "HTTP/1.1 417 Expectation Failed", "", 1 },
    { Q("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK", "", 1 },
    { Q("HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 Not Found", "", 1 },
    { Q("OPTIONS /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" GOOD), "HTTP/1.1 200 OK", OK_HEALTH, 2 },
    { Q("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 400 Bad Request", "", 1 },
    { Q("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "HTTP/1.1 400 Bad Request", "", 1 },
    { Q("GET http://foo/healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("CONNECT foo:80 HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 Not Found",
      "404 page not found\n", 1 },
    { Q("GET /health%7a HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK", OK_HEALTH, 1 },
    { Q("GET /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 Not Found",
      "404 page not found\n", 1 },
    { Q("GET //healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 307 Temporary Redirect",
      "<a href=\"/healthz\">Temporary Redirect</a>.\n\n", 1 },
    { Q("GET /./healthz?a=b&c HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 307 Temporary Redirect",
      "<a href=\"/healthz?a=b&amp;c\">Temporary Redirect</a>.\n\n", 1 },
    { Q("POST /a/../healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 307 Temporary Redirect", "",
      1 },
    { Q("GET a:b HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 307 Temporary Redirect",
      "<a href=\"/\">Temporary Redirect</a>.\n\n", 1 },
    { Q("GET /healthz HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request: missing required Host header",
      BAD ": missing required Host header", 1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "HTTP/1.1 400 Bad Request\r", BAD,
      1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n"),
      "HTTP/1.1 400 Bad Request: malformed Host header", BAD ": malformed Host header", 1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: x\r\nbad : x\r\n\r\n"),
      "HTTP/1.1 400 Bad Request: invalid header name", BAD ": invalid header name", 1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"), "HTTP/1.1 400 Bad Request\r", BAD,
      1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET /healthz HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("garbage\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("\r\n" GOOD), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("\026\003\001\000\005hello\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET  /healthz HTTP/1.1\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET healthz HTTP/1.1\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET /health%zz HTTP/1.1\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET /healthz HTTP/1.01\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("GET http://[::1/healthz HTTP/1.1\r\n"), "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), "HTTP/1.1 400 Bad Request\r",
      BAD, 1 },
    { Q("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"), "HTTP/1.1 400 Bad Request\r", BAD,
      1 },
    { Q("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
      "HTTP/1.1 400 Bad Request\r", BAD, 1 },
    { Q("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: foo\r\n\r\n"),
      "HTTP/1.1 501 Not Implemented", "Unsupported transfer encoding", 1 },
    { Q("GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n"),
      "HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version",
      "505 HTTP Version Not Supported: unsupported protocol version", 1 },
};

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

START_TEST(requests_are_judged_as_go_does)
{
    const char *answer = exchange(requests[_i].request, requests[_i].len);

    ck_assert_msg(strncmp(answer, requests[_i].status, strlen(requests[_i].status)) == 0,
                  "%s\n-> %s", requests[_i].request, answer);
    ck_assert_int_eq(count(answer, "HTTP/1."), requests[_i].answers);
    size_t want = strlen(requests[_i].body);
    ck_assert_uint_ge(reply.len, want + 4);
    ck_assert_str_eq(answer + reply.len - want, requests[_i].body);
    if (want == 0) {
        ck_assert_str_eq(answer + reply.len - 4, "\r\n\r\n");
    }
}
END_TEST

START_TEST(a_connection_takes_its_bytes_one_by_one_as_well)
{
    struct nj_http whole;
    struct nj_http single;
    enum nj_http_step a = NJ_HTTP_MORE;
    enum nj_http_step b = NJ_HTTP_MORE;
    nj_http_init(&whole, 4096);
    nj_http_init(&single, 4096);

    nj_http_feed(&whole, requests[_i].request, requests[_i].len);
    a = nj_http_next(&whole);
    for (size_t i = 0; i < requests[_i].len && b == NJ_HTTP_MORE; i++) {
        nj_http_feed(&single, requests[_i].request + i, 1);
        b = nj_http_next(&single);
    }

    ck_assert_int_eq(a, b);
    ck_assert_int_eq(whole.phase, single.phase);
    if (a == NJ_HTTP_REQUEST) {
        ck_assert_str_eq(whole.head.path, single.head.path);
        ck_assert_int_eq(whole.head.close, single.head.close);
    }
    nj_http_fini(&whole);
    nj_http_fini(&single);
}
END_TEST

START_TEST(any_bytes_are_fine_as_input)
{
    static const char *const words[] = { "GET ",
                                         "/varz",
                                         " HTTP/1.1\r\n",
                                         "Host: x\r\n",
                                         "\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "\n",
                                         "%",
                                         "?",
                                         "5\r\n",
                                         "0\r\n",
                                         "Content-Length: 7\r\n",
                                         " ",
                                         "\t",
                                         "\r",
                                         ":",
                                         "Connection: close\r\n",
                                         "//../",
                                         "Expect: a\r\n" };
    uint64_t state = (uint64_t) _i + 1;
    for (int round = 0; round < 300; round++) {
        struct nj_http h;
        bool stop = false;
        nj_http_init(&h, 65536);
        for (int i = 0; i < 40 && !stop; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            unsigned dice = (unsigned) (state >> 40);
            char raw = (char) (dice >> 8);
            const char *w = words[dice % (sizeof(words) / sizeof(words[0]))];
            bool use_raw = (dice >> 16) % 8 == 0;
            nj_http_feed(&h, use_raw ? &raw : w, use_raw ? 1 : strlen(w));
            enum nj_http_step step = nj_http_next(&h);
            while (step == NJ_HTTP_REQUEST) {
                struct nj_http_answer a = { .status = 200, .body = "x", .body_len = 1 };
                (void) nj_http_answer(&h, &a);
                step = nj_http_next(&h);
            }
            stop = step == NJ_HTTP_END;
        }
        ck_assert(!stop || h.out.len > 0);
        ck_assert_uint_le(h.out.len, 65536);
        nj_http_fini(&h);
    }
}
END_TEST

static char *long_header(size_t total, size_t *len_out)
{
    static const char start[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nA: ";
    char *request = nj_alloc(total + 1);
    memset(request, 'a', total);
    memcpy(request, start, sizeof(start) - 1);
    memcpy(request + total - 4, "\r\n\r\n", 5);
    *len_out = total;
    return request;
}

START_TEST(a_header_of_a_mebibyte_passes)
{
    size_t len = 0;
    char *request = long_header(1 << 20, &len);

    const char *answer = exchange(request, len);

    ck_assert_str_eq(body_of(answer), OK_HEALTH);
    nj_dealloc(request);
}
END_TEST

START_TEST(a_longer_header_is_refused_with_431)
{
    size_t len = 0;
    char *request = long_header(NJ_HTTP_HEAD_MAX + 1000, &len);

    const char *answer = exchange(request, len);

    ck_assert_str_eq(answer, "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Connection: close\r\n\r\n431 Request Header Fields Too Large");
    nj_dealloc(request);
}
END_TEST

/* ---- endpoints ------------------------------------------------------------------------------- */

static const struct {
    const char *target;
    int status;
    const char *body;
} texts[] = {
    { "/nope", 404, "404 page not found\n" },
    { "/varz/", 404, "404 page not found\n" },
    { "/routez", 404, "404 page not found\n" },
    { "/debug/vars", 404, "404 page not found\n" },
    { "/connz?limit=abc", 400,
      "Error decoding int for 'limit': strconv.Atoi: parsing \"abc\": invalid syntax" },
    { "/connz?limit=+5", 400,
      "Error decoding int for 'limit': strconv.Atoi: parsing \" 5\": invalid syntax" },
    { "/connz?limit=-", 400,
      "Error decoding int for 'limit': strconv.Atoi: parsing \"-\": invalid syntax" },
    { "/connz?limit=9223372036854775808", 400,
      "Error decoding int for 'limit': strconv.Atoi: parsing \"9223372036854775808\": "
      "value out of range" },
    { "/connz?offset=a%22%01%ffb%3Cz%E2%82%AC%09", 400,
      "Error decoding int for 'offset': strconv.Atoi: parsing \"a\\\"\\x01\\xffb<z\342\202\254\\t\""
      ": invalid syntax" },
    { "/connz?cid=-1", 400,
      "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"-1\": invalid syntax" },
    { "/connz?cid=18446744073709551616", 400,
      "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"18446744073709551616\": "
      "value out of range" },
    { "/connz?auth=maybe", 400,
      "Error decoding boolean for 'auth': strconv.ParseBool: parsing \"maybe\": invalid syntax" },
    { "/connz?subs=foo", 400,
      "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"foo\": invalid syntax" },
    { "/connz?sort=foo&state=bad", 400, "Error decoding state for bad" },
    { "/connz?sort=foo", 400, "invalid sorting option: foo" },
    { "/connz?sort=stop", 400, "sort by stop only valid on closed connections" },
    { "/connz?sort=reason&state=any", 400, "sort by reason only valid on closed connections" },
    { "/connz?limit=x&auth=y&cid=z", 400,
      "Error decoding boolean for 'auth': strconv.ParseBool: parsing \"y\": invalid syntax" },
    { "/healthz", 200, "{\"status\":\"ok\"}" },
    { "/healthz?js-enabled=true&details=1", 200, "{\"status\":\"ok\"}" },
    { "/healthz?js-server-only=q", 400,
      "Error decoding boolean for 'js-server-only': strconv.ParseBool: parsing \"q\": "
      "invalid syntax" },
    { "/healthz?stream=x", 400,
      "{\"status\":\"error\",\"error\":\"\\\"account\\\" must not be empty when checking stream "
      "health\"}" },
    { "/healthz?consumer=c&account=a", 400,
      "{\"status\":\"error\",\"error\":\"\\\"stream\\\" must not be empty when checking consumer "
      "health\"}" },
    { "/healthz?stream=x&details=1", 400,
      "{\"status\":\"error\",\"errors\":[{\"type\":\"BAD_REQUEST\",\"error\":\"\\\"account\\\" "
      "must not be empty when checking stream health\"}]}" },
};

START_TEST(small_answers_have_the_texts_of_the_reference)
{
    char status[32];
    (void) snprintf(status, sizeof(status), "HTTP/1.1 %d ", texts[_i].status);

    const char *answer = get(texts[_i].target);

    ck_assert_msg(strncmp(answer, status, strlen(status)) == 0, "%s", answer);
    ck_assert_str_eq(body_of(answer), texts[_i].body);
    bool is_json = texts[_i].body[0] == '{';
    ck_assert(is_json == (strstr(answer, "Content-Type: application/json\r\n") != NULL));
    ck_assert(is_json == (strstr(answer, "Access-Control-Allow-Origin: *\r\n") != NULL));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nDate: "));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nContent-Length: "));
}
END_TEST

START_TEST(health_tells_what_does_not_listen)
{
    core.down = true;

    const char *answer = get("/healthz");

    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 Internal Server Error\r\n"));
    ck_assert_str_eq(body_of(answer), "{\"status\":\"error\",\"error\":\"failed to be ready for "
                                      "connections after 1ms: server, route(busy)\"}");
    ck_assert_str_eq(last_log, "Healthcheck failed: \"failed to be ready for connections after "
                               "1ms: server, route(busy)\"");
}
END_TEST

static const char *const varz_keys[] = {
    "server_id",
    "server_name",
    "version",
    "proto",
    "go",
    "host",
    "port",
    "max_connections",
    "ping_interval",
    "ping_max",
    "http_host",
    "http_port",
    "http_base_path",
    "https_port",
    "auth_timeout",
    "max_control_line",
    "max_payload",
    "max_pending",
    "cluster",
    "gateway",
    "leaf",
    "mqtt",
    "websocket",
    "jetstream",
    "tls_timeout",
    "write_deadline",
    "start",
    "now",
    "uptime",
    "mem",
    "cores",
    "gomaxprocs",
    "cpu",
    "connections",
    "total_connections",
    "routes",
    "remotes",
    "leafnodes",
    "in_msgs",
    "in_bytes",
    "in_client_msgs",
    "in_client_bytes",
    "out_msgs",
    "out_bytes",
    "out_client_msgs",
    "out_client_bytes",
    "slow_consumers",
    "stale_connections",
    "stalled_clients",
    "subscriptions",
    "http_req_stats",
    "config_load_time",
    "config_digest",
    "feature_flags",
    "system_account",
    "slow_consumer_stats",
    "stale_connection_stats",
    "disk_io_wait_stats",
    "natterjack", /* ours */
};

START_TEST(varz_has_the_keys_of_the_reference_in_their_order)
{
    const char *at = body_of(get("/varz"));
    ck_assert_int_eq(count(at, "\n  \""), (int) (sizeof(varz_keys) / sizeof(varz_keys[0])));

    for (size_t i = 0; i < sizeof(varz_keys) / sizeof(varz_keys[0]); i++) {
        char line[64];
        (void) snprintf(line, sizeof(line), "\n  \"%s\": ", varz_keys[i]);
        const char *next = strstr(at, "\n  \"");
        ck_assert_msg(next != NULL && strncmp(next, line, strlen(line)) == 0, "%s", line);
        at = next + 1;
    }
}
END_TEST

START_TEST(varz_counts_requests_by_path)
{
    get("/healthz");
    get("/nope");
    get("/");
    get("/healthz?details=1");

    const char *answer = get("/varz");

    ck_assert_ptr_nonnull(strstr(answer, "\"http_req_stats\": {\n    \"/\": 1,\n"
                                         "    \"/healthz\": 2,\n    \"/varz\": 1\n  },"));
    ck_assert_ptr_nonnull(strstr(answer, "\"server_name\": \"na\\u003cme\""));
    ck_assert_ptr_nonnull(strstr(answer, "\"tls_timeout\": 2.5,"));
    ck_assert_ptr_null(strstr(answer, "\"mem\": 0,"));
}
END_TEST

static const char *const base_paths[] = { "/nats/mon", "nats/mon/", "/nats//./x/../mon" };

START_TEST(a_base_path_stands_before_every_endpoint)
{
    reopen(&(struct nj_monitor_config){ .base_path = base_paths[_i] });

    ck_assert_ptr_nonnull(strstr(get("/nats/mon"), "200 OK"));
    ck_assert_ptr_nonnull(strstr(reply.ptr, "href=\"/nats/mon/varz\""));
    ck_assert_ptr_nonnull(strstr(get("/nats/mon/varz"), "\"/\": 1,\n    \"/varz\": 1\n"));
    ck_assert_ptr_nonnull(strstr(get("/"), "404 Not Found"));
    ck_assert_ptr_nonnull(strstr(get("/varz"), "404 Not Found"));
    ck_assert_ptr_nonnull(strstr(get("/nats/mon/"), "404 Not Found"));
    ck_assert_ptr_nonnull(strstr(get("/nats/monvarz"), "404 Not Found"));
}
END_TEST

/* ---- connz ----------------------------------------------------------------------------------- */

static const struct {
    const char *query;
    const char *cids; /* of the answer, in order */
    int total;
} pages[] = {
    { "", "1 2 3 ", 3 },
    { "?sort=cid", "1 2 3 ", 3 },
    { "?sort=start", "3 2 1 ", 3 },
    { "?sort=subs", "1 3 2 ", 3 },
    { "?sort=pending", "2 3 1 ", 3 },
    { "?sort=msgs_to", "3 1 2 ", 3 },
    { "?sort=msgs_from", "2 3 1 ", 3 },
    { "?sort=bytes_to", "2 3 1 ", 3 },
    { "?sort=bytes_from", "1 3 2 ", 3 },
    { "?sort=last", "3 1 2 ", 3 },
    { "?sort=idle", "2 1 3 ", 3 },
    { "?sort=uptime", "1 2 3 ", 3 },
    { "?sort=rtt", "2 3 1 ", 3 },
    { "?state=closed&sort=stop", "5 4 ", 2 },
    { "?state=CLOSED&sort=reason", "5 4 ", 2 },
    { "?state=all&sort=uptime", "4 5 1 2 3 ", 5 },
    { "?state=any", "1 2 3 4 5 ", 5 },
    { "?offset=1", "2 3 ", 3 },
    { "?offset=1&limit=1", "2 ", 3 },
    { "?offset=-5&limit=-1", "1 2 3 ", 3 },
    { "?offset=9223372036854775807&limit=9223372036854775807", "", 3 },
    { "?limit=2&limit=x", "1 2 ", 3 },
    { "?limit=1%zz&offset=2", "3 ", 3 },
    { "?limit=1;offset=2", "1 2 3 ", 3 },
    { "?cid=2", "2 ", 3 },
    { "?cid=99", "", 3 },
    { "?cid=4", "", 3 },
    { "?cid=4&state=all", "4 ", 5 },
    { "?user=alice", "1 ", 3 },
    { "?acc=$G", "2 3 ", 3 },
    { "?mqtt_client=x", "", 3 },
    { "?%73ort=start", "3 2 1 ", 3 },
};

START_TEST(connz_sorts_filters_and_pages)
{
    char target[128];
    char cids[64] = "";
    char total[32];
    (void) snprintf(target, sizeof(target), "/connz%s", pages[_i].query);
    (void) snprintf(total, sizeof(total), "\"total\": %d,", pages[_i].total);

    const char *answer = get(target);

    for (const char *at = strstr(answer, "\"cid\": "); at != NULL; at = strstr(at + 1, "\"cid\"")) {
        (void) snprintf(cids + strlen(cids), sizeof(cids) - strlen(cids), "%ld ",
                        strtol(at + 7, NULL, 10));
    }
    ck_assert_str_eq(cids, pages[_i].cids);
    ck_assert_ptr_nonnull(strstr(answer, total));
    ck_assert(cids[0] != '\0' || strstr(answer, "\"connections\": []\n}") != NULL);
    ck_assert_uint_eq(core.asked, 1);
}
END_TEST

START_TEST(an_unknown_account_has_null_connections)
{
    const char *answer = get("/connz?acc=nope");

    ck_assert_ptr_nonnull(strstr(answer, "\"server_id\": \"\","));
    ck_assert_ptr_nonnull(strstr(answer, "\"total\": 0,"));
    ck_assert_ptr_nonnull(strstr(answer, "\"connections\": null\n}"));
}
END_TEST

START_TEST(connz_shows_a_connection_in_full)
{
    core.defer = _i == 1;

    const char *answer = get("/connz?auth=1&subs=detail&cid=1&state=all");

    ck_assert_ptr_nonnull(strstr(
        answer, "    {\n      \"cid\": 1,\n      \"kind\": \"Client\",\n      \"type\": \"nats\",\n"
                "      \"ip\": \"127.0.0.1\",\n      \"port\": 1000,\n"
                "      \"start\": \"1970-01-01T00:00:30Z\",\n"
                "      \"last_activity\": \"1970-01-01T00:01:30Z\",\n"
                "      \"rtt\": \"5\302\265s\",\n"));
    ck_assert_ptr_nonnull(strstr(
        answer, "      \"subscriptions\": 2,\n"
                "      \"tls_peer_certs\": [\n        {\n          \"subject\": \"CN=alice\",\n"
                "          \"spki_sha256\": \"aa\",\n          \"cert_sha256\": \"bb\"\n"
                "        }\n      ],\n"
                "      \"authorized_user\": \"alice\",\n      \"account\": \"A\",\n"
                "      \"subscriptions_list_detail\": [\n        {\n"
                "          \"subject\": \"foo.\\u003e\",\n          \"sid\": \"1\",\n"
                "          \"msgs\": 0,\n          \"cid\": 1\n        },\n        {\n"
                "          \"subject\": \"bar\",\n          \"qgroup\": \"q\",\n"
                "          \"sid\": \"2\",\n          \"msgs\": 0,\n          \"max\": 5,\n"
                "          \"cid\": 1\n        }\n      ],\n      \"name_tag\": \"A\"\n    }\n"));
    ck_assert_uint_eq(core.asked, 2);
}
END_TEST

START_TEST(a_closed_connection_tells_its_ages_at_the_end)
{
    const char *answer = get("/connz?state=closed&cid=4");

    ck_assert_ptr_nonnull(strstr(answer, "      \"stop\": \"1970-01-01T00:00:07Z\",\n"
                                         "      \"reason\": \"Write Error\",\n"
                                         "      \"rtt\": \"0s\",\n      \"uptime\": \"2s\",\n"
                                         "      \"idle\": \"1s\",\n"));
    ck_assert_ptr_null(strstr(answer, "name_tag"));
}
END_TEST

START_TEST(subscriptions_are_asked_for_the_page_alone)
{
    const char *answer = get("/connz?subs=1&sort=subs&limit=2");

    ck_assert_ptr_nonnull(strstr(answer, "\"subscriptions_list\": [\n        \"foo.\\u003e\",\n"
                                         "        \"bar\"\n      ]\n"));
    ck_assert_uint_eq(core.asked, 2);
    ck_assert_uint_eq(core.second_cids, 2);
}
END_TEST

START_TEST(pipelined_requests_wait_for_the_late_answer)
{
    static const char two[] = "GET /connz HTTP/1.1\r\nHost: x\r\n\r\n" GOOD;
    core.defer = true;

    const char *answer = exchange(two, sizeof(two) - 1);

    const char *first = strstr(answer, "\"num_connections\": 3");
    const char *second = strstr(answer, OK_HEALTH);
    ck_assert(first != NULL && second != NULL && first < second);
}
END_TEST

START_TEST(a_client_that_hangs_up_in_the_middle_does_no_harm)
{
    static const char many[] = GOOD GOOD GOOD GOOD GOOD GOOD GOOD GOOD;
    for (int i = 0; i < 20; i++) {
        struct linger now = { .l_onoff = 1, .l_linger = 0 };
        int fd = dial();
        (void) send(fd, many, sizeof(many) - 1, MSG_NOSIGNAL);
        (void) uv_run(&loop, UV_RUN_NOWAIT);
        if (i % 2 == 0) { /* a reset rather than an end */
            (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        }
        (void) close(fd);
    }

    ck_assert_str_eq(body_of(get("/healthz")), OK_HEALTH);
}
END_TEST

/* ---- bounds ---------------------------------------------------------------------------------- */

START_TEST(an_answer_over_the_limit_becomes_a_500)
{
    reopen(&(struct nj_monitor_config){ .body_limit = 200 });

    const char *answer = get("/varz");

    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 Internal Server Error\r\n"));
    ck_assert_str_eq(body_of(get("/healthz")), OK_HEALTH);
}
END_TEST

START_TEST(too_much_waiting_output_is_answered_with_503)
{
    reopen(&(struct nj_monitor_config){ .output_limit = 100 });

    ck_assert_ptr_nonnull(strstr(get("/varz"), "HTTP/1.1 503 Service Unavailable\r\n"));
    ck_assert_str_eq(body_of(get("/healthz")), OK_HEALTH);
}
END_TEST

START_TEST(a_silent_or_slow_connection_is_closed)
{
    static const char *const said[] = { "", "GET /he", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n" };
    reopen(&(struct nj_monitor_config){ .head_timeout_ms = 20 });

    int fd = dial();
    send_all(fd, said[_i], strlen(said[_i]));
    read_to_end(fd);

    ck_assert_uint_eq(reply.len, 0);
}
END_TEST

START_TEST(a_body_that_never_comes_ends_the_connection)
{
    static const char half[] = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc";
    reopen(&(struct nj_monitor_config){ .body_timeout_ms = 20 });

    int fd = dial();
    send_all(fd, half, sizeof(half) - 1);
    read_to_end(fd);

    ck_assert_uint_eq(reply.len, 0);
}
END_TEST

START_TEST(an_idle_connection_makes_room_for_a_new_one)
{
    reopen(&(struct nj_monitor_config){ .max_connections = 1 });
    int old = dial();
    send_all(old, GOOD, sizeof(GOOD) - 1);
    read_until(old, OK_HEALTH);

    ck_assert_str_eq(body_of(get("/healthz")), OK_HEALTH);

    nj_buf_clear(&reply);
    read_to_end(old);
    ck_assert_uint_eq(reply.len, 0);
}
END_TEST

START_TEST(closing_waits_for_the_answer_of_the_core)
{
    static const char ask[] = "GET /connz?subs=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = dial();
    core.defer = true;
    nj_buf_clear(&reply);
    (void) send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL);
    while (core.asked == 0) {
        (void) uv_run(&loop, UV_RUN_NOWAIT);
    }

    nj_monitor_close(&mon, on_closed, NULL);
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0) {
    }

    ck_assert(!closed_seen);
    while (core.done != NULL) {
        answer_connz();
    }
    ck_assert(closed_seen);
    (void) close(fd);
}
END_TEST

START_TEST(a_taken_port_is_told_in_the_words_of_the_reference)
{
    struct nj_error err = { 0 };
    struct nj_monitor *other = NULL;
    char want[128];
    struct nj_monitor_config c = { .host = "127.0.0.1", .port = nj_monitor_port(mon) };
    (void) snprintf(want, sizeof(want),
                    "can't listen to the monitor port: listen tcp 127.0.0.1:%d: bind: address "
                    "already in use",
                    c.port);

    ck_assert_int_lt(nj_monitor_open(&loop, &c, &source, NULL, &other, &err), 0);
    ck_assert_str_eq(err.text, want);
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(the_start_is_logged_with_the_port)
{
    char want[64];
    (void) snprintf(want, sizeof(want), "Starting http monitor on 127.0.0.1:%d",
                    nj_monitor_port(mon));
    ck_assert_str_eq(last_log, want);
}
END_TEST

/* ---- small parts ----------------------------------------------------------------------------- */

static const struct {
    int64_t s;
    const char *want;
} uptimes[] = {
    { -3, "0s" },
    { 0, "0s" },
    { 59, "59s" },
    { 123, "2m3s" },
    { 3609, "1h0m9s" },
    { 3 * 86400 + 4 * 3600 + 5 * 60 + 6, "3d4h5m6s" },
    { 366 * 86400, "1y1d0h0m0s" },
};

START_TEST(uptimes_go_down_to_seconds)
{
    char text[48];
    ck_assert_str_eq(nj_uptime_text(uptimes[_i].s * S_NS + 5, text, sizeof(text)),
                     uptimes[_i].want);
}
END_TEST

START_TEST(cpu_ticks_are_found_after_the_program_name)
{
    ck_assert_int_eq(
        nj_procstat_parse_ticks("7 (a) b) (c)) S 1 7 7 0 -1 4194560 99 0 0 0 12 30 0 0 20"), 42);
    ck_assert_int_eq(nj_procstat_parse_ticks("7 (a) S 1 7"), -1);
    ck_assert_int_eq(nj_procstat_parse_ticks(""), -1);
}
END_TEST

START_TEST(this_process_has_memory_and_cores)
{
    struct nj_procstat p;
    nj_procstat_init(&p);
    nj_procstat_update(&p, S_NS);
    nj_procstat_update(&p, 3LL * S_NS);

    ck_assert_int_gt(p.rss_bytes, 0);
    ck_assert_int_ge(p.cores, 1);
    ck_assert(p.cpu_percent >= 0);
}
END_TEST

#define LOOP(tc, test, table)                                                                      \
    tcase_add_loop_test(tc, test, 0, (int) (sizeof(table) / sizeof(*table)))

static TCase *server_tests(void)
{
    TCase *tc = tcase_create("server");
    tcase_add_checked_fixture(tc, setup, teardown);
    LOOP(tc, requests_are_judged_as_go_does, requests);
    tcase_add_test(tc, a_header_of_a_mebibyte_passes);
    tcase_add_test(tc, a_longer_header_is_refused_with_431);
    LOOP(tc, small_answers_have_the_texts_of_the_reference, texts);
    tcase_add_test(tc, health_tells_what_does_not_listen);
    tcase_add_test(tc, varz_has_the_keys_of_the_reference_in_their_order);
    tcase_add_test(tc, varz_counts_requests_by_path);
    LOOP(tc, a_base_path_stands_before_every_endpoint, base_paths);
    LOOP(tc, connz_sorts_filters_and_pages, pages);
    tcase_add_test(tc, an_unknown_account_has_null_connections);
    tcase_add_loop_test(tc, connz_shows_a_connection_in_full, 0, 2);
    tcase_add_test(tc, a_closed_connection_tells_its_ages_at_the_end);
    tcase_add_test(tc, subscriptions_are_asked_for_the_page_alone);
    tcase_add_test(tc, pipelined_requests_wait_for_the_late_answer);
    tcase_add_test(tc, a_client_that_hangs_up_in_the_middle_does_no_harm);
    tcase_add_test(tc, an_answer_over_the_limit_becomes_a_500);
    tcase_add_test(tc, too_much_waiting_output_is_answered_with_503);
    tcase_add_loop_test(tc, a_silent_or_slow_connection_is_closed, 0, 3);
    tcase_add_test(tc, a_body_that_never_comes_ends_the_connection);
    tcase_add_test(tc, an_idle_connection_makes_room_for_a_new_one);
    tcase_add_test(tc, closing_waits_for_the_answer_of_the_core);
    tcase_add_test(tc, a_taken_port_is_told_in_the_words_of_the_reference);
    tcase_add_test(tc, the_start_is_logged_with_the_port);
    return tc;
}

int main(void)
{
    Suite *s = suite_create("monitor");
    TCase *parts = tcase_create("parts");
    LOOP(parts, a_connection_takes_its_bytes_one_by_one_as_well, requests);
    tcase_add_loop_test(parts, any_bytes_are_fine_as_input, 0, 20);
    LOOP(parts, uptimes_go_down_to_seconds, uptimes);
    tcase_add_test(parts, cpu_ticks_are_found_after_the_program_name);
    tcase_add_test(parts, this_process_has_memory_and_cores);
    suite_add_tcase(s, parts);
    suite_add_tcase(s, server_tests());
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
