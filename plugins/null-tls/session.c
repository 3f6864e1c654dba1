/* session.c: sessions but for their handshake, and the table. */
#include "null.h"

/* ---- making and ending ------------------------------------------------------------------------ */

static struct nj_tls_session *session_new(struct nj_tls_ctx *ctx, uint32_t judge, void *user)
{
    struct nj_tls_session *s = null_host->alloc(sizeof(*s));
    null_ctx_ref(ctx);
    s->ctx = ctx;
    s->judge = judge;
    s->user = user;
    s->info.alert_sent = NJ_ALERT_NONE;
    s->info.alert_received = NJ_ALERT_NONE;
    s->err = (struct nj_error) NJ_ERROR_INIT;
    return s;
}

static int accept_one(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **out,
                      struct nj_error *err)
{
    (void) err;
    *out = session_new(ctx, NJ_TLS_JUDGE_CLIENT, user);
    return NJ_OK;
}

static int dial(struct nj_tls_ctx *ctx, const char *name, struct nj_span resume, void *user,
                struct nj_tls_session **out, struct nj_error *err)
{
    (void) err;
    struct nj_tls_session *s = session_new(ctx, NJ_TLS_JUDGE_SERVER, user);
    (void) snprintf(s->name, sizeof(s->name), "%s", name == NULL ? "" : name);
    (void) snprintf(s->info.server_name, sizeof(s->info.server_name), "%.*s",
                    (int) nj_tls_sni_len(s->name), s->name);
    if (resume.len == TICKET_LEN) {
        memcpy(s->ticket, resume.ptr, TICKET_LEN);
        s->has_ticket = 1;
    }
    *out = s;
    return NJ_OK;
}

static void drop_peer(struct nj_tls_session *s)
{
    null_host->dealloc(s->peer_bytes);
    s->peer_bytes = NULL;
    s->peer_n = 0;
}

static void session_free(struct nj_tls_session *s)
{
    if (s != NULL) {
        drop_peer(s);
        null_ctx_unref(s->ctx);
        null_host->dealloc(s->in);
        null_host->dealloc(s);
    }
}

/* ---- data ------------------------------------------------------------------------------------- */

static size_t has_plain(struct nj_tls_session *s)
{
    return s->plain_left;
}

/* Move what is left of the record in hand to dst. */
static size_t give_plain(struct nj_tls_session *s, uint8_t *dst, size_t cap)
{
    size_t n = s->plain_left < cap ? s->plain_left : cap;
    if (n > 0) {
        memcpy(dst, s->in + s->plain_at, n);
        s->plain_at += n;
        s->plain_left -= n;
        if (s->plain_left == 0) {
            null_record_drop(s);
        }
    }
    return n;
}

static int take_record(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    int rc = null_record_take(s, in, out);
    if (rc != NJ_OK) {
        return rc;
    }
    if (s->in[0] == TYPE_ALERT) {
        return null_alert_read(s);
    }
    s->plain_at = HEADER_LEN;
    s->plain_left = s->in[0] == TYPE_DATA ? s->in_len - HEADER_LEN : 0;
    if (s->plain_left == 0) {
        null_record_drop(s); /* nothing in it, or a key update: there are no keys */
    }
    return NJ_OK;
}

static int open_records(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                        size_t *n_out, struct nj_sink *out)
{
    *n_out = 0;
    int rc = s->failed ? NJ_E_FAILED : s->closed_in ? NJ_E_CLOSED : NJ_OK;
    while (rc == NJ_OK) {
        *n_out += give_plain(s, dst + *n_out, cap - *n_out);
        if (*n_out == cap) {
            return NJ_OK;
        }
        rc = take_record(s, in, out);
    }
    return rc == NJ_NEED_IN && *n_out > 0 ? NJ_OK : rc;
}

static int seal(struct nj_tls_session *s, const uint8_t *src, size_t len, struct nj_sink *out)
{
    if (s->failed || s->closed_out || !s->done) {
        return NJ_E_FAILED;
    }
    while (len > 0) {
        size_t n = len < NJ_TLS_RECORD_MAX ? len : NJ_TLS_RECORD_MAX;
        null_record_put(out, TYPE_DATA, src, n);
        src += n;
        len -= n;
    }
    return NJ_OK;
}

static int key_update(struct nj_tls_session *s, struct nj_sink *out)
{
    static const uint8_t body[] = { 24 }; /* RFC 8446 4.6.3 */
    if (s->failed || s->closed_out || !s->done) {
        return NJ_E_FAILED;
    }
    null_record_put(out, TYPE_HANDSHAKE, body, sizeof(body));
    return NJ_OK;
}

/* ---- closing ---------------------------------------------------------------------------------- */

static int close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    static const uint8_t body[] = { 1, 0 };
    if (!s->closed_out && !s->failed) {
        s->closed_out = 1;
        null_record_put(out, TYPE_ALERT, body, sizeof(body));
    }
    return NJ_OK;
}

static int abort_one(struct nj_tls_session *s, int32_t alert, struct nj_sink *out)
{
    if (!s->closed_out && !s->failed) {
        (void) null_fail(s, out, alert, NJ_CLASS_POLICY, "the server gave up");
    }
    return NJ_OK;
}

static int in_eof(struct nj_tls_session *s)
{
    if (s->closed_in) {
        return NJ_E_CLOSED;
    }
    if (!s->failed) {
        (void) null_fail(s, NULL, NJ_ALERT_NONE, NJ_CLASS_NONE, "EOF");
    }
    return NJ_E_TRUNCATED;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static void info(struct nj_tls_session *s, struct nj_tls_info *out)
{
    uint32_t size = out->size;
    memcpy(out, &s->info, size < sizeof(s->info) ? size : sizeof(s->info));
    out->size = size;
}

static size_t peer_chain(struct nj_tls_session *s, struct nj_span *out, size_t max)
{
    for (size_t i = 0; i < s->peer_n && i < max; i++) {
        out[i] = s->peer[i];
    }
    return s->peer_n;
}

static void error(struct nj_tls_session *s, struct nj_error *out)
{
    uint32_t size = out->size;
    memcpy(out, &s->err, size < sizeof(s->err) ? size : sizeof(s->err));
    out->size = size;
}

static int session_export(struct nj_tls_session *s, uint8_t *buf, size_t cap, size_t *len_out,
                          uint32_t *lifetime_s)
{
    if (!s->has_ticket) {
        return NJ_E_NOT_FOUND;
    }
    *len_out = TICKET_LEN;
    if (cap < TICKET_LEN) {
        return NJ_E_LIMIT;
    }
    memcpy(buf, s->ticket, TICKET_LEN);
    *lifetime_s = 3600;
    return NJ_OK;
}

/* ---- the door --------------------------------------------------------------------------------- */

const struct nj_host *null_host;

static int init(const struct nj_host *host, struct nj_error *err)
{
    if (!NJ_FIELD(struct nj_host, host, now_s)) {
        return nj_error_set(err, NJ_E_ABI, "host table of %u bytes, %zu are needed",
                            (unsigned) host->size, sizeof(*host));
    }
    null_host = host;
    return NJ_OK;
}

static void fini(void)
{
    null_host = NULL;
}

static uint64_t caps(void)
{
    return NJ_TLS_CAP_TLS12 | NJ_TLS_CAP_TLS13 | NJ_TLS_CAP_TICKETS | NJ_TLS_CAP_KEY_UPDATE |
           NJ_TLS_CAP_SERVER_PREFERENCE | NJ_TLS_CAP_GROUP_ORDER | NJ_TLS_CAP_TEST_ONLY;
}

static const struct nj_tls_crypto crypto = { .size = sizeof(struct nj_tls_crypto) };

static const struct nj_tls_provider provider = {
    .size = sizeof(struct nj_tls_provider),
    .init = init,
    .fini = fini,
    .about = null_about,
    .caps = caps,
    .ctx_new = null_ctx_new,
    .ctx_ref = null_ctx_ref,
    .ctx_unref = null_ctx_unref,
    .accept = accept_one,
    .dial = dial,
    .handshake = null_handshake,
    .open = open_records,
    .has_plain = has_plain,
    .seal = seal,
    .close_notify = close_notify,
    .abort = abort_one,
    .in_eof = in_eof,
    .info = info,
    .peer_chain = peer_chain,
    .drop_peer = drop_peer,
    .error = error,
    .free = session_free,
    .verify_chain = null_verify_chain,
    .crypto = &crypto,
    .key_update = key_update,
    .session_export = session_export,
};

#ifndef PLUGIN_NAME
#define PLUGIN_NAME "null" /* as the file is called: nj_tls_null.so */
#endif

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(struct nj_plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = PLUGIN_NAME,
    .version = "1.0",
    .iface = &provider,
};

NJ_EXPORT const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}
