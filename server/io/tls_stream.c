#include "io/tls_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/trim.h"
#include "io/conn.h"
#include "tls/hello.h"

#define SEAL_MOST (4u * NJ_TLS_RECORD_MAX) /* plain bytes sealed before the socket is asked */
#define SESSION_LEN 32768                  /* what a session takes, 12 to 56 KiB */
#define DIRECT_MIN 8192                    /* a piece from this size on is a record of its own */
#define ANSWERS_MOST 65536 /* sealed bytes that reading may leave unsent: some thousand answers */

enum stage { STAGE_HELLO, STAGE_HANDSHAKE, STAGE_OPEN, STAGE_FAILED };

struct nj_tls_stream {
    struct nj_tls_accept accept;
    struct nj_tls_session *session; /* NULL until a ClientHello is here */
    enum stage stage;
    bool notified; /* close_notify was written */
    struct nj_buf hello;
    uint8_t *unsent; /* sealed, not taken by the socket */
    size_t unsent_len, unsent_at;
    size_t answers; /* bytes that reading has caused since all was sent, while some are unsent */
    struct nj_error err;
    struct nj_error unfit; /* code NJ_OK: the hello fits the settings */
};

/* ---- the sink: one buffer of the worker, empty between connections ------------------------------- */

struct sink {
    struct nj_sink s; /* first */
    struct nj_buf *to;
};

static uint8_t *sink_reserve(struct nj_sink *s, size_t n)
{
    return (uint8_t *) nj_buf_reserve(((struct sink *) (void *) s)->to, n);
}

static void sink_commit(struct nj_sink *s, size_t n)
{
    ((struct sink *) (void *) s)->to->len += n;
}

static struct sink sink_of(struct nj_conn *c)
{
    return (struct sink){ .s = { .size = sizeof(struct nj_sink),
                                 .reserve = sink_reserve,
                                 .commit = sink_commit },
                          .to = c->worker->cipher };
}

/* ---- to the socket ----------------------------------------------------------------------------------- */

static ssize_t send_some(int fd, const uint8_t *ptr, size_t len)
{
    ssize_t n;
    do {
        n = send(fd, ptr, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : n;
}

static void keep_unsent(struct nj_tls_stream *t, const uint8_t *ptr, size_t len)
{
    size_t have = t->unsent_len - t->unsent_at;
    uint8_t *all = nj_alloc(have + len);
    if (have > 0) {
        memcpy(all, t->unsent + t->unsent_at, have);
    }
    memcpy(all + have, ptr, len);
    nj_dealloc(t->unsent);
    t->unsent = all;
    t->unsent_len = have + len;
    t->unsent_at = 0;
}

/* What older sealing left.  NJ_OK, NJ_WANT_WRITE or negative. */
static int send_unsent(struct nj_conn *c)
{
    struct nj_tls_stream *t = c->tls;
    while (t->unsent_at < t->unsent_len) {
        ssize_t n = send_some(c->fd, t->unsent + t->unsent_at, t->unsent_len - t->unsent_at);
        if (n < 0) {
            return NJ_E_IO;
        }
        if (n == 0) {
            return NJ_WANT_WRITE;
        }
        t->unsent_at += (size_t) n;
    }
    nj_dealloc(t->unsent);
    t->unsent = NULL;
    t->unsent_len = 0;
    t->unsent_at = 0;
    return NJ_OK;
}

/* The worker's buffer goes out, after what is unsent; what the socket does not take is kept. */
static int send_cipher(struct nj_conn *c)
{
    struct nj_buf *b = c->worker->cipher;
    int rc = send_unsent(c);
    size_t sent = 0;
    while (rc == NJ_OK && sent < b->len) {
        ssize_t n = send_some(c->fd, (uint8_t *) b->ptr + sent, b->len - sent);
        if (n < 0) {
            rc = NJ_E_IO;
        } else if (n == 0) {
            rc = NJ_WANT_WRITE;
        } else {
            sent += (size_t) n;
        }
    }
    if (rc == NJ_WANT_WRITE && sent < b->len) {
        keep_unsent(c->tls, (uint8_t *) b->ptr + sent, b->len - sent);
    }
    b->len = 0;
    return rc;
}

/* After a call of the provider that may have written.  The socket is asked at once; what stays is
 * flushed with the outbox. */
static void push_out(struct nj_conn *c)
{
    if (c->worker->cipher->len > 0 && send_cipher(c) != NJ_OK) {
        nj_conn_dirty(c);
    }
}

/* ---- life --------------------------------------------------------------------------------------------- */

void nj_tls_stream_start(struct nj_conn *c, const struct nj_tls_accept *accept)
{
    struct nj_tls_stream *t = nj_zalloc(sizeof(*t));
    t->accept = *accept;
    t->err = (struct nj_error) NJ_ERROR_INIT;
    t->unfit = (struct nj_error) NJ_ERROR_INIT;
    nj_buf_init(&t->hello, NJ_HELLO_BUFFER_MAX + NJ_READ_LEN);
    c->tls = t;
}

void nj_tls_stream_free(struct nj_conn *c)
{
    struct nj_tls_stream *t = c->tls;
    if (t == NULL) {
        return;
    }
    c->tls = NULL;
    if (t->session != NULL) {
        nj_trim_note(SESSION_LEN);
        t->accept.provider->free(t->session);
    }
    nj_buf_free(&t->hello);
    nj_dealloc(t->unsent);
    nj_dealloc(t);
}

static bool failed(struct nj_conn *c)
{
    c->tls->stage = STAGE_FAILED;
    push_out(c);
    c->ops->ended(c, NJ_END_TLS);
    return false;
}

/* ---- handshake ------------------------------------------------------------------------------------------ */

static bool open_records(struct nj_conn *c, struct nj_tls_in *in);

static bool handshake(struct nj_conn *c, struct nj_tls_in *in)
{
    struct nj_tls_stream *t = c->tls;
    struct sink out = sink_of(c);
    int rc = t->accept.provider->handshake(t->session, in, &out.s);
    if (rc == NJ_NEED_IN) {
        push_out(c);
        return true;
    }
    if (rc != NJ_OK) {
        t->accept.provider->error(t->session, &t->err);
        if (t->unfit.code != NJ_OK && t->err.cls != NJ_CLASS_PEER_ALERT) {
            t->err = t->unfit; /* says what the client offered */
        }
        return failed(c);
    }
    t->stage = STAGE_OPEN;
    push_out(c);
    c->ops->secured(c);
    return c->state != NJ_CONN_OPEN || open_records(c, in);
}

static bool refuse(struct nj_conn *c, const struct nj_error *why)
{
    c->tls->err = *why;
    nj_hello_put_alert(why, c->worker->cipher);
    return failed(c);
}

/* The provider gets everything from the first byte on. */
static bool begin_session(struct nj_conn *c, struct nj_tls_ctx *ctx, const uint8_t *ptr, size_t len)
{
    struct nj_tls_stream *t = c->tls;
    struct nj_tls_in in = { ptr, len, 0 };
    int rc = t->accept.provider->accept(ctx, c, &t->session, &t->err);
    t->accept.provider->ctx_unref(ctx); /* the session has its own reference */
    if (rc != NJ_OK) {
        return failed(c);
    }
    t->stage = STAGE_HANDSHAKE;
    return handshake(c, &in);
}

static bool wait_for_hello(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    struct nj_tls_stream *t = c->tls;
    struct nj_hello hello = { 0 };
    const uint8_t *all = ptr;
    size_t all_len = len;
    if (t->hello.len > 0) {
        (void) nj_buf_append(&t->hello, ptr, len);
        all = (const uint8_t *) t->hello.ptr;
        all_len = t->hello.len;
    }
    int rc = nj_hello_read(&hello, all, all_len, &t->err);
    if (rc == NJ_NEED_IN) {
        if (t->hello.len == 0) {
            (void) nj_buf_append(&t->hello, ptr, len);
        }
        return true;
    }
    if (rc != NJ_OK && t->err.cls == NJ_CLASS_NOT_TLS) {
        return failed(c); /* plain text or garbage: no session, no alert */
    }
    if (rc == NJ_OK) {
        (void) nj_hello_judge(&hello, t->accept.offer, &t->unfit);
    }
    /* A malformed hello is the provider's to refuse, with its alert. */
    struct nj_tls_ctx *ctx = t->accept.pick(t->accept.user, rc == NJ_OK ? &hello : NULL);
    nj_hello_fini(&hello);
    struct nj_buf kept = t->hello;
    nj_buf_init(&t->hello, t->hello.limit);
    struct nj_error why = t->err;
    bool ok = begin_session(c, ctx, all, all_len);
    nj_buf_free(&kept);
    if (ok && t->stage == STAGE_HANDSHAKE && nj_hello_is_hopeless(rc, &why)) {
        return refuse(c, &why);
    }
    return ok;
}

/* ---- records --------------------------------------------------------------------------------------------- */

/* What a record made the library answer, a key update for example, goes out.  False: the peer asks
 * for more and more and reads nothing, which no limit of the outbox sees. */
static bool push_answers(struct nj_conn *c)
{
    struct nj_tls_stream *t = c->tls;
    size_t n = c->worker->cipher->len;
    push_out(c);
    t->answers = nj_tls_stream_unsent(t) > 0 ? t->answers + n : 0;
    if (t->answers <= ANSWERS_MOST) {
        return true;
    }
    (void) nj_error_set_class(&t->err, NJ_E_LIMIT, NJ_CLASS_BAD_RECORD,
                              "tls: the peer does not read what it asks for");
    return false;
}

static bool open_records(struct nj_conn *c, struct nj_tls_in *in)
{
    struct nj_tls_stream *t = c->tls;
    struct sink out = sink_of(c);
    for (;;) {
        size_t n = 0;
        int rc = t->accept.provider->open(t->session, in, c->worker->plain_buf, NJ_READ_LEN, &n,
                                          &out.s);
        if (!push_answers(c)) {
            return failed(c);
        }
        if (n > 0) {
            nj_conn_feed(c, c->worker->plain_buf, n);
        }
        if (c->state != NJ_CONN_OPEN) {
            return false;
        }
        if (rc == NJ_NEED_IN || (rc == NJ_OK && in->used == in->len &&
                                 t->accept.provider->has_plain(t->session) == 0)) {
            return true;
        }
        if (rc == NJ_E_CLOSED || rc == NJ_E_TRUNCATED) {
            nj_conn_peer_ended(c);
            return false;
        }
        if (rc != NJ_OK) {
            t->accept.provider->error(t->session, &t->err);
            return failed(c);
        }
    }
}

bool nj_tls_stream_input(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    struct nj_tls_in in = { ptr, len, 0 };
    switch (c->tls->stage) {
    case STAGE_HELLO:
        return wait_for_hello(c, ptr, len);
    case STAGE_HANDSHAKE:
        return handshake(c, &in);
    case STAGE_OPEN:
        return open_records(c, &in);
    default:
        return false;
    }
}

/* ---- sealing ----------------------------------------------------------------------------------------------- */

/* Small pieces from `from` on, gathered for one record; returns how many were taken. */
static int gather(const struct iovec *iov, int from, int pieces, uint8_t *to, size_t *len_out)
{
    size_t n = 0;
    int i = from;
    while (i < pieces && iov[i].iov_len < DIRECT_MIN && n + iov[i].iov_len <= NJ_TLS_RECORD_MAX) {
        memcpy(to + n, iov[i].iov_base, iov[i].iov_len);
        n += iov[i].iov_len;
        i++;
    }
    *len_out = n;
    return i - from;
}

/* About SEAL_MOST plain bytes of the outbox.  Large pieces are sealed where they lie. */
static int seal_some(struct nj_conn *c)
{
    struct nj_tls_stream *t = c->tls;
    struct sink out = sink_of(c);
    struct iovec iov[64];
    size_t bytes = 0;
    size_t done = 0;
    int pieces = nj_outbox_iov(&c->out, iov, 64, &bytes);
    int rc = NJ_OK;
    for (int i = 0; i < pieces && done < SEAL_MOST && rc == NJ_OK;) {
        const uint8_t *from = iov[i].iov_base;
        size_t len = iov[i].iov_len;
        if (len < DIRECT_MIN) {
            /* not plain_buf: a read may still be parsed there while this is written */
            i += gather(iov, i, pieces, c->worker->record_buf, &len);
            from = c->worker->record_buf;
        } else {
            i++;
        }
        rc = t->accept.provider->seal(t->session, from, len, &out.s);
        done += len;
    }
    if (rc == NJ_OK) {
        nj_outbox_consume(&c->out, &c->worker->pool, done);
    }
    return rc;
}

int nj_tls_stream_flush(struct nj_conn *c)
{
    struct nj_tls_stream *t = c->tls;
    int rc = send_unsent(c);
    /* Before the handshake began, what is queued goes in clear: INFO. */
    if (rc == NJ_OK && t->stage == STAGE_HELLO && c->out.len > 0) {
        return nj_conn_flush_clear(c);
    }
    while (rc == NJ_OK && t->stage == STAGE_OPEN && c->out.len > 0) {
        rc = seal_some(c);
        if (rc == NJ_OK) {
            rc = send_cipher(c);
        }
    }
    return rc;
}

size_t nj_tls_stream_unsent(const struct nj_tls_stream *t)
{
    return t->unsent_len - t->unsent_at;
}

void nj_tls_stream_close_notify(struct nj_conn *c)
{
    struct nj_tls_stream *t = c->tls;
    if (t->stage != STAGE_OPEN || t->notified) {
        return;
    }
    /* After the last plain byte: flush first, as far as it goes. */
    if (nj_tls_stream_flush(c) == NJ_OK) {
        struct sink out = sink_of(c);
        t->notified = true;
        (void) t->accept.provider->close_notify(t->session, &out.s);
        (void) send_cipher(c);
    }
}

void nj_tls_stream_abort(struct nj_conn *c, int32_t alert)
{
    struct nj_tls_stream *t = c->tls;
    struct sink out = sink_of(c);
    if (t->stage == STAGE_OPEN) {
        (void) t->accept.provider->abort(t->session, alert, &out.s);
        t->stage = STAGE_FAILED;
        push_out(c);
    }
}

/* ---- facts ------------------------------------------------------------------------------------------------------ */

bool nj_tls_stream_ready(const struct nj_tls_stream *t)
{
    return t->stage == STAGE_OPEN;
}

const char *nj_tls_stream_error(const struct nj_tls_stream *t, struct nj_error *err_out)
{
    *err_out = t->err;
    return err_out->text;
}

int nj_tls_stream_info(struct nj_conn *c, struct nj_tls_info *out)
{
    if (c->tls == NULL || c->tls->stage != STAGE_OPEN) {
        return NJ_E_NOT_FOUND;
    }
    c->tls->accept.provider->info(c->tls->session, out);
    return NJ_OK;
}

size_t nj_tls_stream_peer_chain(struct nj_conn *c, struct nj_span *out, size_t max)
{
    if (c->tls == NULL || c->tls->session == NULL) {
        return 0;
    }
    return c->tls->accept.provider->peer_chain(c->tls->session, out, max);
}
