/* One connection of the monitoring port: the socket, its timer, and the turns between them. */
#include "ops/monitor_priv.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "natterjack/plugin.h"

enum {
    LINGER_MS = 500,
    SEAL_AT_ONCE = 64 << 10,       /* plain bytes: about a millisecond of the slowest provider */
    HANDSHAKES_A_TURN_NS = 5000000 /* then those that are established come first */
};

static void run(struct nj_mon_client *c);

/* ---- memory ---------------------------------------------------------------------------------- */

static void count_input(struct nj_mon_client *c)
{
    size_t now = c->http.in.cap;
    c->mon->input_bytes += now - c->input_counted; /* modulo arithmetic: may be less than before */
    c->input_counted = now;
}

static void free_client(struct nj_mon_client *c)
{
    struct nj_monitor *mon = c->mon;
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        mon->clients = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    mon->clients_n--;
    mon->output_bytes -= c->sending.len + c->sealing.len;
    nj_http_fini(&c->http);
    count_input(c);
    nj_buf_free(&c->sending);
    nj_buf_free(&c->sealing);
    nj_mon_tls_free(&c->tls);
    nj_dealloc(c);
    nj_mon_finish_close(mon);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct nj_mon_client *c = handle->data;
    c->handles--;
    if (c->handles == 0) {
        free_client(c);
    }
}

/* A last record, if the socket takes it at once. */
static void say_goodbye(struct nj_mon_client *c)
{
    struct nj_buf *out = nj_mon_tls_out(c->tls);
    nj_mon_tls_goodbye(c->tls);
    if (out->len > 0 && c->sending.ptr == NULL) {
        uv_buf_t buf = { .base = out->ptr, .len = out->len };
        (void) uv_try_write((uv_stream_t *) &c->tcp, &buf, 1);
    }
}

void nj_mon_client_close(struct nj_mon_client *c)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    if (c->tls != NULL) {
        say_goodbye(c);
    }
    nj_mon_question_drop(c);
    uv_close((uv_handle_t *) &c->tcp, on_handle_closed);
    uv_close((uv_handle_t *) &c->timer, on_handle_closed);
}

/* ---- handshakes that fail -------------------------------------------------------------------- */

/* "127.0.0.1:50000", "[::1]:50000"; "?" when it is not known. */
static const char *address_text(const struct sockaddr_storage *ss, int rc, char *buf, size_t cap)
{
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (rc != 0 || getnameinfo((const struct sockaddr *) ss, sizeof(*ss), host, sizeof(host), port,
                               sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return "?";
    }
    bool mapped = strncmp(host, "::ffff:", 7) == 0; /* IPv4 on a socket of both families */
    const char *shown = mapped ? host + 7 : host;
    (void) snprintf(buf, cap, strchr(shown, ':') != NULL ? "[%s]:%s" : "%s:%s", shown, port);
    return buf;
}

/* A peer that has reset the connection has no address any more: it was kept. */
static const char *peer_text(const struct nj_mon_client *c, char *buf, size_t cap)
{
    return address_text(&c->peer, c->peer.ss_family == AF_UNSPEC ? -1 : 0, buf, cap);
}

static const char *own_text(const struct nj_mon_client *c, char *buf, size_t cap)
{
    struct sockaddr_storage ss = { 0 };
    int len = (int) sizeof(ss);
    int rc = uv_tcp_getsockname(&c->tcp, (struct sockaddr *) &ss, &len);
    return address_text(&ss, rc, buf, cap);
}

static bool in_handshake(const struct nj_mon_client *c)
{
    return c->tls != NULL && !c->failed && !nj_mon_tls_is_open(c->tls);
}

static void log_handshake(const struct nj_mon_client *c, const char *why)
{
    char peer[NI_MAXHOST + 40];
    nj_log_error("monitoring: TLS handshake error from %s: %s", peer_text(c, peer, sizeof(peer)),
                 why);
}

/* In the words that Go's net package has for what happened to a connection. */
static void log_broken_handshake(const struct nj_mon_client *c, const char *what)
{
    char text[2 * NI_MAXHOST + 160];
    char own[NI_MAXHOST + 40];
    char peer[NI_MAXHOST + 40];
    (void) snprintf(text, sizeof(text), "read tcp %s->%s: %s", own_text(c, own, sizeof(own)),
                    peer_text(c, peer, sizeof(peer)), what);
    log_handshake(c, text);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
    struct nj_mon_client *c = timer->data;
    if (!c->closing && in_handshake(c)) {
        log_broken_handshake(c, "i/o timeout");
    }
    nj_mon_client_close(c);
}

static uint64_t phase_timeout_ms(const struct nj_mon_client *c, enum nj_http_phase phase)
{
    const struct nj_monitor_config *config = &c->mon->config;
    switch (phase) {
    case NJ_HTTP_IDLE:
        return config->idle_timeout_ms;
    case NJ_HTTP_IN_HEAD:
        return config->head_timeout_ms;
    case NJ_HTTP_IN_BODY:
        return config->body_timeout_ms;
    case NJ_HTTP_ANSWERING:
    case NJ_HTTP_ENDED:
        break;
    }
    return config->write_timeout_ms;
}

/* The clock of a phase starts when it is entered and is not moved by single bytes. */
static void watch_phase(struct nj_mon_client *c, enum nj_http_phase phase)
{
    if (c->timer_on && c->timer_phase == phase) {
        return;
    }
    c->timer_on = true;
    c->timer_phase = phase;
    c->phase_since_ns = nj_mono_ns();
    (void) uv_timer_start(&c->timer, on_timer, phase_timeout_ms(c, phase), 0);
}

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * Is there time for a handshake in this turn of the loop?  Its time changes with every turn that
 * lasts a millisecond, and one in which the handshakes have had theirs lasts longer.
 */
static bool may_shake_hands(struct nj_monitor *mon)
{
    uint64_t now_ms = uv_now(mon->loop);
    if (now_ms != mon->turn_ms) {
        mon->turn_ms = now_ms;
        mon->handshakes_ns = 0;
    }
    return mon->handshakes_ns < HANDSHAKES_A_TURN_NS;
}

/* No room: what came stays in the socket, and the loop asks again in its next turn. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct nj_mon_client *c = handle->data;
    (void) suggested;
    size_t cap = c->tls != NULL ? NJ_MON_TLS_INPUT_MAX : sizeof(c->mon->read_buf);
    if (in_handshake(c) && !may_shake_hands(c->mon)) {
        cap = 0;
    }
    *buf = uv_buf_init(c->mon->read_buf, (unsigned) cap);
}

/* A connection that has not asked for anything yet has the time of a head, not that of an idle
 * one. */
static void start_first_clock(struct nj_mon_client *c)
{
    c->timer_phase = NJ_HTTP_IN_HEAD;
    c->timer_on = true;
    (void) uv_timer_start(&c->timer, on_timer, c->mon->config.head_timeout_ms, 0);
}

static void stop_at_end(struct nj_mon_client *c)
{
    c->peer_done = true;
    (void) uv_read_stop((uv_stream_t *) &c->tcp);
    c->reading = false;
}

/* No more will come. */
static void peer_left(struct nj_mon_client *c, ssize_t n)
{
    if (in_handshake(c) && n == UV_EOF) {
        log_handshake(c, nj_mon_tls_why_eof(c->tls));
    } else if (in_handshake(c)) {
        log_broken_handshake(c, n == UV_ECONNRESET ? "read: connection reset by peer"
                                                   : uv_strerror((int) n));
    }
    if (n != UV_EOF || c->lingering || in_handshake(c)) {
        c->peer_done = true;
        nj_mon_client_close(c);
        return;
    }
    stop_at_end(c);
    run(c);
}

static void take_plain(struct nj_mon_client *c, const void *ptr, size_t len)
{
    c->heard = true;
    nj_http_feed(&c->http, ptr, len);
    count_input(c);
    if (c->mon->input_bytes > c->mon->config.input_limit) {
        nj_mon_client_close(c);
    }
}

static void take_cipher(struct nj_mon_client *c, const void *ptr, size_t len)
{
    size_t plain_len = 0;
    bool was_open = nj_mon_tls_is_open(c->tls);
    int64_t began_ns = was_open ? 0 : nj_mono_ns();
    int rc = nj_mon_tls_input(c->tls, ptr, len, c->mon->plain_buf, &plain_len);
    c->mon->handshakes_ns += was_open ? 0 : nj_mono_ns() - began_ns;
    if (rc == NJ_E_FAILED) {
        if (!was_open) {
            log_handshake(c, nj_mon_tls_why(c->tls));
        }
        c->failed = true;
        return;
    }
    if (!was_open && nj_mon_tls_is_open(c->tls)) {
        start_first_clock(c);
    }
    if (plain_len > 0) {
        take_plain(c, c->mon->plain_buf, plain_len);
    }
    if (rc == NJ_E_CLOSED && !c->closing) {
        stop_at_end(c);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct nj_mon_client *c = stream->data;
    if (c->closing || n == 0 || n == UV_ENOBUFS) { /* the last: on_alloc() has put it off */
        return;
    }
    if (n < 0) {
        peer_left(c, n);
        return;
    }
    if (c->lingering) {
        return;
    }
    if (c->tls != NULL) {
        take_cipher(c, buf->base, (size_t) n);
    } else {
        take_plain(c, buf->base, (size_t) n);
    }
    run(c);
}

static void set_reading(struct nj_mon_client *c, bool on)
{
    if (on == c->reading || (on && c->peer_done)) {
        return;
    }
    if (on) {
        if (uv_read_start((uv_stream_t *) &c->tcp, on_alloc, on_read) < 0) {
            nj_mon_client_close(c);
            return;
        }
    } else {
        (void) uv_read_stop((uv_stream_t *) &c->tcp);
    }
    c->reading = on;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct nj_mon_client *c = req->data;
    if (status < 0) {
        nj_mon_client_close(c);
    }
}

/*
 * End our side and read on for a moment: closing while unread bytes wait would make the kernel
 * send a reset that can destroy the answer before the peer has seen it.
 */
static void linger(struct nj_mon_client *c)
{
    if (c->lingering) {
        return;
    }
    c->lingering = true;
    c->shutdown.data = c;
    if (c->peer_done || uv_shutdown(&c->shutdown, (uv_stream_t *) &c->tcp, on_shutdown) < 0) {
        nj_mon_client_close(c);
        return;
    }
    (void) uv_timer_start(&c->timer, on_timer, LINGER_MS, 0);
    set_reading(c, true);
}

static void on_written(uv_write_t *req, int status)
{
    struct nj_mon_client *c = req->data;
    c->mon->output_bytes -= c->sending.len;
    nj_buf_free(&c->sending);
    if (c->closing) {
        return;
    }
    if (status < 0) {
        nj_mon_client_close(c);
        return;
    }
    if (c->answering && c->sealing.ptr == NULL) {
        c->timer_on = false;
        c->idle_since_ns = nj_mono_ns();
    }
    run(c);
}

static struct nj_buf take_buf(struct nj_buf *from)
{
    struct nj_buf all = *from;
    nj_buf_init(from, all.limit);
    return all;
}

/* The next piece of an answer, and goodbye after the last one of all. */
static void seal_piece(struct nj_mon_client *c)
{
    size_t left = c->sealing.len - c->sealed;
    size_t n = left < SEAL_AT_ONCE ? left : SEAL_AT_ONCE;
    bool ok = nj_mon_tls_seal(c->tls, c->sealing.ptr + c->sealed, n) == NJ_OK;
    c->sealed += n;
    c->failed = c->failed || !ok;
    if (c->failed || c->sealed == c->sealing.len) {
        c->mon->output_bytes -= c->sealing.len;
        nj_buf_free(&c->sealing);
    }
    if (!c->failed && c->sealing.ptr == NULL && c->http.phase == NJ_HTTP_ENDED) {
        nj_mon_tls_goodbye(c->tls);
    }
}

/* The answer that waits, or its next piece, goes to where the ciphertext is. */
static void seal_some(struct nj_mon_client *c)
{
    if (c->sealing.ptr == NULL && !c->failed && c->http.out.len > 0) {
        c->sealing = take_buf(&c->http.out);
        c->sealed = 0;
        c->mon->output_bytes += c->sealing.len;
    }
    if (c->sealing.ptr != NULL) {
        c->answering = true;
        seal_piece(c);
    }
}

/* What goes to the socket next is put in `sending`; false: nothing. */
static bool fill_sending(struct nj_mon_client *c)
{
    struct nj_buf *from = &c->http.out;
    c->answering = c->tls == NULL;
    if (c->tls != NULL) {
        seal_some(c);
        from = nj_mon_tls_out(c->tls);
    }
    if (from->len == 0) {
        return false;
    }
    c->sending = take_buf(from);
    return true;
}

static void start_write(struct nj_mon_client *c)
{
    c->mon->output_bytes += c->sending.len;
    uv_buf_t buf = { .base = c->sending.ptr, .len = c->sending.len };
    c->write.data = c;
    set_reading(c, false);
    if (c->answering) { /* all pieces share one clock; the peer's own goes on for what TLS says */
        watch_phase(c, NJ_HTTP_ENDED);
    }
    if (!c->closing && uv_write(&c->write, (uv_stream_t *) &c->tcp, &buf, 1, on_written) < 0) {
        nj_mon_client_close(c);
    }
}

/* ---- the turns ------------------------------------------------------------------------------- */

static void wait_for_input(struct nj_mon_client *c)
{
    if (c->peer_done) {
        nj_mon_client_close(c);
        return;
    }
    if (c->heard) { /* else the first clock goes on */
        watch_phase(c, c->http.phase);
    }
    set_reading(c, true);
}

/* Go as far as possible: one write or one question at a time. */
static void run(struct nj_mon_client *c)
{
    while (!c->closing && c->sending.ptr == NULL && c->question == NULL) {
        if (fill_sending(c)) {
            start_write(c);
            return;
        }
        if (c->failed) {
            linger(c);
            return;
        }
        switch (nj_http_next(&c->http)) {
        case NJ_HTTP_REQUEST:
            if (!nj_mon_serve(c)) {
                set_reading(c, false);
                (void) uv_timer_stop(&c->timer);
                c->timer_on = false;
                return;
            }
            break;
        case NJ_HTTP_MORE:
            if (c->http.out.len == 0) {
                wait_for_input(c);
                return;
            }
            break;
        case NJ_HTTP_END:
            if (c->http.out.len == 0) {
                linger(c);
                return;
            }
            break;
        }
        count_input(c);
    }
}

void nj_mon_client_resume(struct nj_mon_client *c)
{
    run(c);
}

/* ---- arriving -------------------------------------------------------------------------------- */

/* Has it got all that it asked for?  A newcomer has not: its request may be on the way. */
static bool is_idle(const struct nj_mon_client *c)
{
    return c->heard && c->http.phase == NJ_HTTP_IDLE && c->sending.ptr == NULL;
}

/* Is `c` to go before `than`?  Who is idle goes first, then who has been at one thing for longest. */
static bool goes_before(const struct nj_mon_client *c, const struct nj_mon_client *than)
{
    bool idle = is_idle(c);
    bool other_idle = is_idle(than);
    if (idle != other_idle) {
        return idle;
    }
    return idle ? c->idle_since_ns < than->idle_since_ns
                : c->phase_since_ns < than->phase_since_ns;
}

/*
 * Full: one has to go.  A peer that says half a request, or does not read its answer, could else
 * hold all places and shut the health probe out; a request that is honest takes milliseconds.
 * False: all are on their way out already.
 */
static bool make_room(struct nj_monitor *mon)
{
    struct nj_mon_client *first = NULL;
    for (struct nj_mon_client *c = mon->clients; c != NULL; c = c->next) {
        if (!c->closing && (first == NULL || goes_before(c, first))) {
            first = c;
        }
    }
    if (first != NULL) {
        nj_mon_client_close(first);
    }
    return first != NULL;
}

static struct nj_mon_client *new_client(struct nj_monitor *mon)
{
    struct nj_mon_client *c = nj_zalloc(sizeof(*c));
    c->mon = mon;
    c->next = mon->clients;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    mon->clients = c;
    mon->clients_n++;
    nj_http_init(&c->http, mon->config.body_limit + 4096);
    nj_buf_init(&c->sending, SIZE_MAX);
    nj_buf_init(&c->sealing, SIZE_MAX);
    if (mon->config.tls != NULL) {
        c->tls = nj_mon_tls_new(mon->config.tls);
    }
    c->idle_since_ns = nj_mono_ns();
    c->phase_since_ns = c->idle_since_ns;
    /* Both calls only fill in the struct: no descriptor is made yet, so they do not fail. */
    (void) uv_tcp_init(mon->loop, &c->tcp);
    (void) uv_timer_init(mon->loop, &c->timer);
    c->tcp.data = c;
    c->timer.data = c;
    c->handles = 2;
    return c;
}

void nj_mon_client_accept(struct nj_monitor *mon, int fd)
{
    if (mon->clients_n >= mon->config.max_connections && !make_room(mon)) {
        (void) close(fd);
        return;
    }
    struct nj_mon_client *c = new_client(mon);
    if (uv_tcp_open(&c->tcp, fd) < 0) {
        (void) close(fd);
        nj_mon_client_close(c);
        return;
    }
    (void) uv_tcp_nodelay(&c->tcp, 1);
    int peer_len = (int) sizeof(c->peer);
    (void) uv_tcp_getpeername(&c->tcp, (struct sockaddr *) &c->peer, &peer_len);
    start_first_clock(c);
    set_reading(c, true);
}
