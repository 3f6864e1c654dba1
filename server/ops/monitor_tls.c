#include "ops/monitor_tls.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/trim.h"
#include "natterjack/tls.h"
#include "tls/block.h"
#include "tls/offer.h"
#include "tls/hello.h"

#define SESSION_LEN 32768 /* what a session takes, 12 to 56 KiB */

enum { RECORD_HEAD_LEN = 5 };
enum stage { STAGE_HELLO, STAGE_HANDSHAKE, STAGE_OPEN, STAGE_FAILED };

struct nj_mon_tls {
    struct nj_sink sink; /* first: sink_of() casts back */
    struct nj_tls_setup *setup;
    struct nj_tls_session *session; /* NULL until a ClientHello is here */
    enum stage stage;
    bool said_goodbye;
    bool heard;          /* a byte has come */
    struct nj_buf hello; /* while it is incomplete */
    struct nj_buf out;
    struct nj_error err;
    struct nj_error unfit; /* code NJ_OK: the hello fits the settings */
};

/* ---- the sink ------------------------------------------------------------------------------------------ */

static struct nj_mon_tls *of_sink(struct nj_sink *sink)
{
    return (struct nj_mon_tls *) (void *) sink;
}

static uint8_t *sink_reserve(struct nj_sink *sink, size_t n)
{
    return (uint8_t *) nj_buf_reserve(&of_sink(sink)->out, n);
}

static void sink_commit(struct nj_sink *sink, size_t n)
{
    of_sink(sink)->out.len += n;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

struct nj_mon_tls *nj_mon_tls_new(struct nj_tls_setup *setup)
{
    struct nj_mon_tls *t = nj_zalloc(sizeof(*t));
    t->sink = (struct nj_sink){ .size = sizeof(struct nj_sink),
                                .reserve = sink_reserve,
                                .commit = sink_commit };
    t->setup = nj_tls_setup_ref(setup);
    t->err = (struct nj_error) NJ_ERROR_INIT;
    t->unfit = (struct nj_error) NJ_ERROR_INIT;
    nj_buf_init(&t->hello, NJ_HELLO_BUFFER_MAX + NJ_MON_TLS_INPUT_MAX);
    nj_buf_init(&t->out, SIZE_MAX); /* bounded by what is sealed at once */
    return t;
}

void nj_mon_tls_free(struct nj_mon_tls **tp)
{
    struct nj_mon_tls *t = *tp;
    if (t == NULL) {
        return;
    }
    *tp = NULL;
    if (t->session != NULL) {
        nj_trim_note(SESSION_LEN);
        t->setup->provider->free(t->session);
    }
    nj_tls_setup_unref(&t->setup);
    nj_buf_free(&t->hello);
    nj_buf_free(&t->out);
    nj_dealloc(t);
}

static int fail(struct nj_mon_tls *t)
{
    t->stage = STAGE_FAILED;
    return NJ_E_FAILED;
}

/* ---- records ------------------------------------------------------------------------------------------- */

static int open_records(struct nj_mon_tls *t, struct nj_tls_in *in, uint8_t *plain, size_t *len_out)
{
    const struct nj_tls_provider *p = t->setup->provider;
    while (*len_out < NJ_MON_TLS_PLAIN_MAX) {
        size_t n = 0;
        int rc = p->open(t->session, in, plain + *len_out, NJ_MON_TLS_PLAIN_MAX - *len_out, &n,
                         &t->sink);
        *len_out += n;
        if (rc == NJ_NEED_IN ||
            (rc == NJ_OK && in->used == in->len && p->has_plain(t->session) == 0)) {
            return NJ_OK;
        }
        if (rc == NJ_E_CLOSED) {
            return NJ_E_CLOSED;
        }
        if (rc != NJ_OK) {
            p->error(t->session, &t->err);
            return fail(t);
        }
    }
    /* A record that was incomplete before and all that was given now are not so many bytes. */
    (void) nj_error_set(&t->err, NJ_E_FAILED, "the tls provider gave more bytes than it got");
    return fail(t);
}

/* ---- handshake ----------------------------------------------------------------------------------------- */

static int handshake(struct nj_mon_tls *t, struct nj_tls_in *in, uint8_t *plain, size_t *len_out)
{
    const struct nj_tls_provider *p = t->setup->provider;
    int rc = p->handshake(t->session, in, &t->sink);
    if (rc == NJ_NEED_IN) {
        return NJ_OK;
    }
    if (rc != NJ_OK) {
        p->error(t->session, &t->err);
        if (t->unfit.code != NJ_OK && t->err.cls != NJ_CLASS_PEER_ALERT) {
            t->err = t->unfit; /* says what the client offered */
        }
        return fail(t);
    }
    struct nj_tls_info info = { .size = sizeof(info) };
    p->info(t->session, &info);
    if (nj_tls_offer_allows(&t->setup->offer, &info, &t->err) != NJ_OK) {
        (void) p->abort(t->session, t->err.alert, &t->sink);
        return fail(t);
    }
    t->stage = STAGE_OPEN;
    return open_records(t, in, plain, len_out);
}

/* The provider gets everything from the first byte on. */
static int begin_session(struct nj_mon_tls *t, struct nj_tls_ctx *ctx, struct nj_tls_in *in,
                         uint8_t *plain, size_t *len_out)
{
    const struct nj_tls_provider *p = t->setup->provider;
    int rc = p->accept(ctx, t, &t->session, &t->err);
    p->ctx_unref(ctx); /* the session has its own reference */
    if (rc != NJ_OK) {
        return fail(t);
    }
    t->stage = STAGE_HANDSHAKE;
    return handshake(t, in, plain, len_out);
}

/* Is this how a request in clear begins?  The methods that Go's net/http looks for. */
static bool looks_like_http(const uint8_t *ptr)
{
    static const char *const starts[] = { "GET /", "HEAD ", "POST ", "PUT /", "OPTIO" };
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (memcmp(ptr, starts[i], RECORD_HEAD_LEN) == 0) {
            return true;
        }
    }
    return false;
}

/* No TLS at all.  A browser or curl that forgot the s is told so. */
static int refuse_clear(struct nj_mon_tls *t, const uint8_t *ptr)
{
    if (looks_like_http(ptr)) {
        (void) nj_buf_puts(&t->out, "HTTP/1.0 400 Bad Request\r\n\r\n"
                                    "Client sent an HTTP request to an HTTPS server.\n");
        (void) nj_error_set(&t->err, NJ_E_INVALID,
                            "client sent an HTTP request to an HTTPS server");
    }
    return fail(t);
}

static int refuse_hopeless(struct nj_mon_tls *t, const struct nj_error *why)
{
    t->err = *why;
    nj_hello_put_alert(why, &t->out);
    return fail(t);
}

/* A hello is here, whole or malformed.  A malformed one is the provider's to refuse, with its
 * alert. */
static int answer_hello(struct nj_mon_tls *t, int rc, const struct nj_hello *hello,
                        struct nj_tls_in *in, uint8_t *plain, size_t *len_out)
{
    struct nj_error why = t->err;
    if (rc == NJ_OK) {
        (void) nj_hello_judge(hello, &t->setup->offer, &t->unfit);
    }
    struct nj_tls_ctx *ctx = nj_tls_setup_pick(t->setup, rc == NJ_OK ? hello : NULL);
    int began = begin_session(t, ctx, in, plain, len_out);
    if (began == NJ_OK && t->stage == STAGE_HANDSHAKE && nj_hello_is_hopeless(rc, &why)) {
        return refuse_hopeless(t, &why);
    }
    return began;
}

/* `in` holds all bytes so far.  NJ_NEED_IN: no whole hello yet. */
static int take_hello(struct nj_mon_tls *t, struct nj_tls_in *in, uint8_t *plain, size_t *len_out)
{
    struct nj_hello hello = { 0 };
    if (in->len < RECORD_HEAD_LEN) {
        return NJ_NEED_IN;
    }
    int rc = nj_hello_read(&hello, in->ptr, in->len, &t->err);
    if (rc != NJ_OK && rc != NJ_NEED_IN && t->err.cls == NJ_CLASS_NOT_TLS) {
        rc = refuse_clear(t, in->ptr);
    } else if (rc != NJ_NEED_IN) {
        rc = answer_hello(t, rc, &hello, in, plain, len_out);
    }
    nj_hello_fini(&hello);
    return rc;
}

static int wait_for_hello(struct nj_mon_tls *t, const uint8_t *ptr, size_t len, uint8_t *plain,
                          size_t *len_out)
{
    struct nj_tls_in all = { ptr, len, 0 };
    bool kept = t->hello.len > 0;
    if (kept) {
        (void) nj_buf_append(&t->hello, ptr, len);
        all.ptr = (const uint8_t *) t->hello.ptr;
        all.len = t->hello.len;
    }
    int rc = take_hello(t, &all, plain, len_out);
    if (rc != NJ_NEED_IN) {
        nj_buf_free(&t->hello);
        return rc;
    }
    if (!kept) {
        (void) nj_buf_append(&t->hello, ptr, len);
    }
    return NJ_OK;
}

/* ---- for the owner of the socket ----------------------------------------------------------------------- */

int nj_mon_tls_input(struct nj_mon_tls *t, const uint8_t *ptr, size_t len, uint8_t *plain,
                     size_t *len_out)
{
    struct nj_tls_in in = { ptr, len, 0 };
    assert(len > 0 && len <= NJ_MON_TLS_INPUT_MAX);
    *len_out = 0;
    t->heard = true;
    switch (t->stage) {
    case STAGE_HELLO:
        return wait_for_hello(t, ptr, len, plain, len_out);
    case STAGE_HANDSHAKE:
        return handshake(t, &in, plain, len_out);
    case STAGE_OPEN:
        return open_records(t, &in, plain, len_out);
    case STAGE_FAILED:
        break;
    }
    return NJ_E_FAILED;
}

bool nj_mon_tls_is_open(const struct nj_mon_tls *t)
{
    return t->stage == STAGE_OPEN;
}

struct nj_buf *nj_mon_tls_out(struct nj_mon_tls *t)
{
    return &t->out;
}

int nj_mon_tls_seal(struct nj_mon_tls *t, const void *ptr, size_t len)
{
    assert(t->stage == STAGE_OPEN);
    if (t->setup->provider->seal(t->session, ptr, len, &t->sink) != NJ_OK) {
        t->setup->provider->error(t->session, &t->err);
        return fail(t);
    }
    return NJ_OK;
}

void nj_mon_tls_goodbye(struct nj_mon_tls *t)
{
    if (t->stage == STAGE_OPEN && !t->said_goodbye) {
        t->said_goodbye = true;
        (void) t->setup->provider->close_notify(t->session, &t->sink);
    }
}

const char *nj_mon_tls_why(const struct nj_mon_tls *t)
{
    return t->err.text;
}

const char *nj_mon_tls_why_eof(const struct nj_mon_tls *t)
{
    return t->heard ? "unexpected EOF" : "EOF";
}
