/* handshake.c: three messages, each in one record. */
#include "null.h"

enum { MSG_HELLO = 1, MSG_ANSWER = 2, MSG_FINISH = 3 };

/* ---- writing and reading ---------------------------------------------------------------------- */

/* A message in the making; what it may hold fits (CHAIN_LEN_MAX, LIST_MAX). */
struct writer {
    uint8_t bytes[NJ_TLS_RECORD_MAX];
    size_t len;
};

static void put(struct writer *w, size_t width, size_t value)
{
    for (size_t i = width; i-- > 0;) {
        w->bytes[w->len++] = (uint8_t) (value >> 8 * i);
    }
}

static void put_bytes(struct writer *w, size_t width, const void *bytes, size_t len)
{
    put(w, width, len);
    if (len > 0) {
        memcpy(w->bytes + w->len, bytes, len);
        w->len += len;
    }
}

static void put_list(struct writer *w, const uint16_t *list, size_t n)
{
    put(w, 1, n);
    for (size_t i = 0; i < n; i++) {
        put(w, 2, list[i]);
    }
}

static void put_chain(struct writer *w, const struct nj_tls_ctx *ctx)
{
    put(w, 1, ctx->chain_n);
    for (size_t i = 0; i < ctx->chain_n; i++) {
        put_bytes(w, 2, ctx->chain[i].ptr, ctx->chain[i].len);
    }
}

static void send_message(struct nj_sink *out, const struct writer *w)
{
    null_record_put(out, TYPE_HANDSHAKE, w->bytes, w->len);
}

/* What is left of a message.  Past its end everything is 0, and `bad` remembers. */
struct reader {
    const uint8_t *ptr;
    size_t left;
    int bad;
};

static size_t get(struct reader *r, size_t width)
{
    size_t value = 0;
    if (r->left < width) {
        r->bad = 1;
        r->left = 0;
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | r->ptr[i];
    }
    r->ptr += width;
    r->left -= width;
    return value;
}

static struct nj_span get_bytes(struct reader *r, size_t width)
{
    size_t len = get(r, width);
    if (len > r->left) {
        r->bad = 1;
        len = 0;
    }
    struct nj_span span = { r->ptr, len };
    r->ptr += len;
    r->left -= len;
    return span;
}

/* The first of ours that is in the peer's list; 0: none. */
static uint16_t get_choice(struct reader *r, const uint16_t *ours, size_t ours_n)
{
    uint16_t theirs[256];
    size_t n = get(r, 1);
    for (size_t i = 0; i < n; i++) {
        theirs[i] = (uint16_t) get(r, 2);
    }
    for (size_t i = 0; i < ours_n; i++) {
        if (nj_tls_listed(theirs, n, ours[i])) {
            return ours[i];
        }
    }
    return 0;
}

/* The peer's chain, copied. */
static void get_chain(struct reader *r, struct nj_tls_session *s)
{
    size_t n = get(r, 1);
    if (n == 0 || n > CERTS_MAX) {
        r->bad |= n > CERTS_MAX;
        return;
    }
    s->peer_bytes = null_host->alloc(r->left);
    size_t used = 0;
    for (size_t i = 0; i < n && !r->bad; i++) {
        struct nj_span cert = get_bytes(r, 2);
        memcpy(s->peer_bytes + used, cert.ptr, cert.len);
        s->peer[i] = (struct nj_span){ s->peer_bytes + used, cert.len };
        used += cert.len;
    }
    s->peer_n = n;
}

/* ---- judging ---------------------------------------------------------------------------------- */

/* No signature is looked at: the library's own check always passes. */
static int ask_hook(struct nj_tls_session *s, struct nj_sink *out)
{
    struct nj_tls_findings found = {
        .size = sizeof(found),
        .judge = s->judge,
        .chain = s->peer,
        .chain_n = s->peer_n,
        .version = s->info.version,
        .name = s->judge == NJ_TLS_JUDGE_SERVER ? s->name : NULL,
        .session_user = s->user,
        .depth = -1,
        .resumed = s->info.resumed,
    };
    struct nj_tls_verdict verdict = { .size = sizeof(verdict) };
    s->ctx->hook(s->ctx->hook_user, &found, &verdict);
    if (verdict.accept) {
        return NJ_OK;
    }
    return null_fail(s, out, verdict.alert, verdict.cls, verdict.text);
}

/* ---- the accepting end ------------------------------------------------------------------------ */

static int choose(struct nj_tls_session *s, struct reader *r, struct nj_sink *out)
{
    const struct nj_tls_ctx *ctx = s->ctx;
    uint16_t min = (uint16_t) get(r, 2);
    uint16_t max = (uint16_t) get(r, 2);
    uint16_t suite = get_choice(r, ctx->suites, ctx->suites_n);
    uint16_t group = get_choice(r, ctx->groups, ctx->groups_n);
    uint16_t version = max < ctx->max_version ? max : ctx->max_version;
    if (version < min || version < ctx->min_version) {
        return null_fail(s, out, 70, NJ_CLASS_VERSION,
                         "tls: client offered only unsupported versions");
    }
    if (suite == 0) {
        return null_fail(s, out, 40, NJ_CLASS_NO_SUITE,
                         "tls: no cipher suite supported by both client and server");
    }
    if (group == 0) {
        return null_fail(s, out, 40, NJ_CLASS_NO_GROUP,
                         "tls: no key exchanges supported by both client and server");
    }
    s->info.version = version;
    s->info.suite = suite;
    s->info.group = group;
    return NJ_OK;
}

static void send_answer(struct nj_tls_session *s, struct nj_sink *out)
{
    struct writer w;
    w.len = 0;
    put(&w, 1, MSG_ANSWER);
    put(&w, 2, s->info.version);
    put(&w, 2, s->info.suite);
    put(&w, 2, s->info.group);
    put(&w, 1, s->ctx->verify != NJ_TLS_VERIFY_NONE);
    put(&w, 1, s->info.resumed);
    put_bytes(&w, 1, s->ctx->ticket, s->ctx->ticket_lifetime_s > 0 ? TICKET_LEN : 0);
    put_chain(&w, s->ctx);
    send_message(out, &w);
}

static int read_hello(struct nj_tls_session *s, struct reader *r, struct nj_sink *out)
{
    if (s->ctx->chain_n == 0) {
        return null_fail(s, out, NJ_ALERT_UNRECOGNIZED_NAME, NJ_CLASS_NO_CERT,
                         "tls: no certificates configured");
    }
    int rc = choose(s, r, out);
    if (rc != NJ_OK) {
        return rc;
    }
    struct nj_span name = get_bytes(r, 1);
    struct nj_span ticket = get_bytes(r, 1);
    (void) snprintf(s->info.server_name, sizeof(s->info.server_name), "%.*s", (int) name.len,
                    (const char *) name.ptr);
    s->info.resumed = s->ctx->ticket_lifetime_s > 0 && ticket.len == TICKET_LEN &&
                      (memcmp(ticket.ptr, s->ctx->ticket, TICKET_LEN) == 0 ||
                       memcmp(ticket.ptr, s->ctx->former_ticket, TICKET_LEN) == 0);
    send_answer(s, out);
    return NJ_NEED_IN;
}

static int read_finish(struct nj_tls_session *s, struct reader *r, struct nj_sink *out)
{
    get_chain(r, s);
    if (r->bad || s->ctx->verify == NJ_TLS_VERIFY_NONE) {
        return NJ_OK;
    }
    if (s->peer_n == 0 && s->ctx->verify == NJ_TLS_VERIFY_REQUIRE) {
        return null_fail(s, out, s->info.version == NJ_TLS_1_3 ? NJ_ALERT_CERTIFICATE_REQUIRED : 40,
                         NJ_CLASS_NO_CERT, "tls: client didn't provide a certificate");
    }
    return s->peer_n == 0 ? NJ_OK : ask_hook(s, out);
}

/* ---- the dialling end ------------------------------------------------------------------------- */

static void send_hello(struct nj_tls_session *s, struct nj_sink *out)
{
    struct writer w;
    w.len = 0;
    put(&w, 1, MSG_HELLO);
    put(&w, 2, s->ctx->min_version);
    put(&w, 2, s->ctx->max_version);
    put_list(&w, s->ctx->suites, s->ctx->suites_n);
    put_list(&w, s->ctx->groups, s->ctx->groups_n);
    put_bytes(&w, 1, s->info.server_name, strlen(s->info.server_name));
    put_bytes(&w, 1, s->ticket, s->has_ticket ? TICKET_LEN : 0);
    send_message(out, &w);
}

static int read_answer(struct nj_tls_session *s, struct reader *r, struct nj_sink *out)
{
    struct writer w;
    s->info.version = (uint16_t) get(r, 2);
    s->info.suite = (uint16_t) get(r, 2);
    s->info.group = (uint16_t) get(r, 2);
    size_t wanted = get(r, 1);
    s->info.resumed = (uint16_t) get(r, 1);
    struct nj_span ticket = get_bytes(r, 1);
    s->has_ticket = ticket.len == TICKET_LEN;
    if (s->has_ticket) {
        memcpy(s->ticket, ticket.ptr, TICKET_LEN);
    }
    get_chain(r, s);
    if (r->bad) {
        return NJ_OK;
    }
    int rc = ask_hook(s, out);
    if (rc == NJ_OK) {
        w.len = 0;
        put(&w, 1, MSG_FINISH);
        if (wanted) {
            put_chain(&w, s->ctx);
        } else {
            put(&w, 1, 0);
        }
        send_message(out, &w);
    }
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------- */

static int read_message(struct nj_tls_session *s, struct nj_sink *out)
{
    struct reader r = { s->in + HEADER_LEN, s->in_len - HEADER_LEN, 0 };
    int accepting = s->judge == NJ_TLS_JUDGE_CLIENT;
    size_t kind = get(&r, 1);
    int rc = NJ_E_FAILED;
    if (accepting && !s->started && kind == MSG_HELLO) {
        s->started = 1;
        rc = read_hello(s, &r, out);
    } else if (accepting && s->started && kind == MSG_FINISH) {
        rc = read_finish(s, &r, out);
    } else if (!accepting && kind == MSG_ANSWER) {
        rc = read_answer(s, &r, out);
    } else {
        rc = null_fail(s, out, 10, NJ_CLASS_BAD_RECORD, "local error: tls: unexpected message");
    }
    if (r.bad && !s->failed) {
        rc = null_fail(s, out, 50, NJ_CLASS_BAD_RECORD, "local error: tls: error decoding message");
    }
    null_record_drop(s);
    return rc;
}

int null_handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    if (s->failed) {
        return NJ_E_FAILED;
    }
    if (s->judge == NJ_TLS_JUDGE_SERVER && !s->started) {
        s->started = 1;
        send_hello(s, out);
    }
    int rc = NJ_NEED_IN;
    while (rc == NJ_NEED_IN) {
        rc = null_record_take(s, in, out);
        if (rc != NJ_OK) {
            return rc;
        }
        if (s->in[0] == TYPE_ALERT) {
            rc = null_alert_read(s);
            return rc == NJ_E_CLOSED ? null_fail(s, out, NJ_ALERT_NONE, NJ_CLASS_PEER_ALERT, "EOF")
                                     : rc;
        }
        rc = read_message(s, out);
    }
    s->done = rc == NJ_OK;
    return rc;
}
