/* One connection of the monitoring port: the socket, its timer, and the turns between them. */
#include "ops/monitor_priv.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "natterjack/plugin.h"

enum { LINGER_MS = 500 };

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
    mon->output_bytes -= c->sending.len;
    nj_http_fini(&c->http);
    count_input(c);
    nj_buf_free(&c->sending);
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

void nj_mon_client_close(struct nj_mon_client *c)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    nj_mon_question_drop(c);
    uv_close((uv_handle_t *) &c->tcp, on_handle_closed);
    uv_close((uv_handle_t *) &c->timer, on_handle_closed);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
    nj_mon_client_close(timer->data);
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
    (void) uv_timer_start(&c->timer, on_timer, phase_timeout_ms(c, phase), 0);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct nj_mon_client *c = handle->data;
    (void) suggested;
    *buf = uv_buf_init(c->mon->read_buf, sizeof(c->mon->read_buf));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct nj_mon_client *c = stream->data;
    if (c->closing || n == 0) {
        return;
    }
    if (n < 0) {
        c->peer_done = true;
        if (n != UV_EOF || c->lingering) {
            nj_mon_client_close(c);
            return;
        }
        (void) uv_read_stop(stream);
        c->reading = false;
    } else if (!c->lingering) {
        nj_http_feed(&c->http, buf->base, (size_t) n);
        count_input(c);
        if (c->mon->input_bytes > c->mon->config.input_limit) {
            nj_mon_client_close(c);
            return;
        }
    }
    if (!c->lingering) {
        run(c);
    }
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
    c->timer_on = false;
    c->idle_since_ns = nj_mono_ns();
    run(c);
}

static void start_write(struct nj_mon_client *c)
{
    size_t limit = c->http.out.limit;
    c->sending = c->http.out;
    nj_buf_init(&c->http.out, limit);
    c->mon->output_bytes += c->sending.len;
    uv_buf_t buf = { .base = c->sending.ptr, .len = c->sending.len };
    c->write.data = c;
    set_reading(c, false);
    c->timer_on = false;
    watch_phase(c, NJ_HTTP_ENDED);
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
    watch_phase(c, c->http.phase);
    set_reading(c, true);
}

/* Go as far as possible: one write or one question at a time. */
static void run(struct nj_mon_client *c)
{
    while (!c->closing && c->sending.ptr == NULL && c->question == NULL) {
        if (c->http.out.len > 0) {
            start_write(c);
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

/* Full: close the connection that has been idle for longest.  False: none is idle. */
static bool make_room(struct nj_monitor *mon)
{
    struct nj_mon_client *oldest = NULL;
    for (struct nj_mon_client *c = mon->clients; c != NULL; c = c->next) {
        bool idle = !c->closing && c->http.phase == NJ_HTTP_IDLE && c->sending.ptr == NULL;
        if (idle && (oldest == NULL || c->idle_since_ns < oldest->idle_since_ns)) {
            oldest = c;
        }
    }
    if (oldest != NULL) {
        nj_mon_client_close(oldest);
    }
    return oldest != NULL;
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
    c->idle_since_ns = nj_mono_ns();
    /* Both calls only fill in the struct: no descriptor is made yet, so they do not fail. */
    (void) uv_tcp_init(mon->loop, &c->tcp);
    (void) uv_timer_init(mon->loop, &c->timer);
    c->tcp.data = c;
    c->timer.data = c;
    c->handles = 2;
    return c;
}

void nj_mon_client_accept(struct nj_monitor *mon)
{
    bool full = mon->clients_n >= mon->config.max_connections && !make_room(mon);
    struct nj_mon_client *c = new_client(mon);
    if (uv_accept((uv_stream_t *) &mon->listener, (uv_stream_t *) &c->tcp) < 0 || full) {
        nj_mon_client_close(c);
        return;
    }
    (void) uv_tcp_nodelay(&c->tcp, 1);
    /* A fresh connection has the time of a head to say something, not that of an idle one. */
    c->timer_phase = NJ_HTTP_IN_HEAD;
    c->timer_on = true;
    (void) uv_timer_start(&c->timer, on_timer, mon->config.head_timeout_ms, 0);
    set_reading(c, true);
}
