/*
 * session.c: one connection: the handshake, the records and their transport in memory.
 */
#include "wolf.h"

#include <limits.h>

#define RECORD_HEAD 5
#define TYPE_CHANGE_CIPHER 20
#define TYPE_ALERT 21
#define TYPE_HANDSHAKE 22
#define TYPE_DATA 23
#define HELLO_SERVER 2
#define EXT_KEY_SHARE 51
#define SEALED_ALERT_LEN 24 /* TLS 1.3: header, two bytes, type, tag */

/* ---- transport ------------------------------------------------------------------------------ */

int nj_wolf_on_recv(WOLFSSL *ssl, char *buf, int cap, void *user)
{
    struct nj_tls_session *s = user;
    (void) ssl;
    if (s->in == NULL || s->in->used >= s->in->len || cap <= 0) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    size_t n = s->in->len - s->in->used;
    n = n < (size_t) cap ? n : (size_t) cap;
    memcpy(buf, s->in->ptr + s->in->used, n);
    s->in->used += n;
    return (int) n;
}

static const uint8_t retry_random[] = { 0xcf, 0x21, 0xad, 0x74 }; /* RFC 8446 4.1.3, its start */

/*
 * A HelloRetryRequest that names no group: 5.5 sends one when no group is shared, and fails only
 * at the next hello, when the client has already complained.
 */
static bool is_empty_retry(const uint8_t *rec, size_t len)
{
    const size_t random_at = RECORD_HEAD + 4 + 2;
    const size_t id_at = random_at + 32;

    if (rec[0] != TYPE_HANDSHAKE || len <= id_at || rec[RECORD_HEAD] != HELLO_SERVER ||
        memcmp(rec + random_at, retry_random, sizeof(retry_random)) != 0) {
        return false;
    }
    size_t at = id_at + 1 + rec[id_at] + 2 + 1 + 2;
    while (at + 4 <= len) {
        if (rec[at] == 0 && rec[at + 1] == EXT_KEY_SHARE) {
            return false;
        }
        at += 4 + ((size_t) rec[at + 2] << 8 | rec[at + 3]);
    }
    return true;
}

/* One record of the library's goes out; the alert of a refusal is exchanged for the one wished. */
static void send_record(struct nj_tls_session *s, const uint8_t *rec, size_t len)
{
    uint8_t mine[NJ_WOLF_ALERT_RECORD_MAX];
    bool sealed = s->ciphered || rec[0] == TYPE_DATA;

    if (s->no_group || is_empty_retry(rec, len)) {
        s->no_group = true; /* said by look_at_flight() */
        return;
    }
    s->ciphered = sealed || rec[0] == TYPE_CHANGE_CIPHER;
    if (s->wish != NJ_ALERT_NONE &&
        (rec[0] == TYPE_ALERT || (rec[0] == TYPE_DATA && len == SEALED_ALERT_LEN))) {
        size_t n = nj_wolf_alert_record(s, s->wish, sealed ? 1 : 0, mine);
        if (n > 0) {
            nj_sink_put(s->out, mine, n);
            s->out_n += n;
            s->sent = s->wish;
            s->wish = NJ_ALERT_NONE;
            return;
        }
    }
    nj_sink_put(s->out, rec, len);
    s->out_n += len;
}

int nj_wolf_on_send(WOLFSSL *ssl, char *buf, int len, void *user)
{
    struct nj_tls_session *s = user;
    const uint8_t *rec = (const uint8_t *) buf;
    size_t left = (size_t) len;
    (void) ssl;
    /* All is taken each time, so the bytes begin with a record and hold whole ones. */
    while (s->out != NULL && left > 0) {
        size_t n = left;
        if (left >= RECORD_HEAD) {
            size_t whole = RECORD_HEAD + ((size_t) rec[3] << 8 | rec[4]);
            n = whole < left ? whole : left;
        }
        send_record(s, rec, n);
        rec += n;
        left -= n;
    }
    return len;
}

static void enter(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    s->in = in;
    s->out = out;
    nj_wolf_clear_queue();
}

static int leave(struct nj_tls_session *s, int rc)
{
    s->in = NULL;
    s->out = NULL;
    nj_wolf_clear_queue();
    return rc;
}

static size_t in_left(const struct nj_tls_in *in)
{
    return in == NULL ? 0 : in->len - in->used;
}

/*
 * A failed module has no say any more: no handshake goes on, and no record is sealed or opened.
 * The refusal is written in clear while that is possible; later the session just ends.
 */
static int refuse_module(struct nj_tls_session *s, struct nj_sink *out)
{
    enter(s, NULL, out);
    return leave(s, nj_wolf_refuse(s, NJ_CLASS_INTERNAL,
                                   s->ciphered ? NJ_ALERT_NONE : NJ_ALERT_INTERNAL_ERROR,
                                   "the FIPS module has failed"));
}

/* ---- making and freeing --------------------------------------------------------------------- */

static struct nj_tls_session *session_make(struct nj_tls_ctx *ctx, void *user, const char *name)
{
    struct nj_tls_session *s = nj_wolf_host->alloc(sizeof(*s));
    s->err = (struct nj_error) NJ_ERROR_INIT;
    s->wish = NJ_ALERT_NONE;
    s->sent = NJ_ALERT_NONE;
    s->user = user;
    s->ctx = ctx;
    nj_wolf_ctx_ref(ctx);
    if (name != NULL) {
        s->name = nj_wolf_host->alloc(strlen(name) + 1);
        memcpy(s->name, name, strlen(name) + 1);
        s->dialling = true;
    }
    return s;
}

static void session_free(struct nj_tls_session *s)
{
    if (s == NULL) {
        return;
    }
    wolfSSL_free(s->ssl);
    nj_wolf_drop_peer(s);
    nj_wolf_host->dealloc(s->name);
    nj_wolf_ctx_unref(s->ctx);
    nj_wolf_host->dealloc(s);
}

static bool session_equip(struct nj_tls_session *s, WOLFSSL_CTX *side)
{
    s->ssl = wolfSSL_new(side);
    if (s->ssl == NULL) {
        return false;
    }
    wolfSSL_SetIOReadCtx(s->ssl, s);
    wolfSSL_SetIOWriteCtx(s->ssl, s);
    wolfSSL_SetCertCbCtx(s->ssl, s);
#if defined(HAVE_SNI) && !defined(WOLFSSL_ALWAYS_KEEP_SNI)
    if (!s->dialling) {
        /* This build forgets the name that a client asks for, unless any answer is fine. */
        (void) wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, "-", 1);
        wolfSSL_SNI_SetOptions(s->ssl, WOLFSSL_SNI_HOST_NAME, WOLFSSL_SNI_ANSWER_ON_MISMATCH);
    }
#endif
    wolfSSL_KeepArrays(s->ssl); /* the exporter needs them; given back after the handshake */
#ifdef HAVE_ALPN
    if (s->ctx->alpn != NULL &&
        wolfSSL_UseALPN(s->ssl, s->ctx->alpn, (unsigned int) strlen(s->ctx->alpn),
                        WOLFSSL_ALPN_CONTINUE_ON_MISMATCH) != WOLFSSL_SUCCESS) {
        return false;
    }
#endif
    return true;
}

static int session_accept(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **sess_out,
                          struct nj_error *err)
{
    if (ctx->side[NJ_WOLF_ACCEPT] == NULL) {
        return nj_error_set(err, NJ_E_INVALID, "this TLS context does not accept");
    }
    struct nj_tls_session *s = session_make(ctx, user, NULL);
    if (ctx->has_identity && !session_equip(s, ctx->side[NJ_WOLF_ACCEPT])) {
        session_free(s);
        return nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "tls: no session was made");
    }
    *sess_out = s;
    return NJ_OK;
}

static bool set_server_name(struct nj_tls_session *s)
{
    size_t len = nj_tls_sni_len(s->name);
    if (len == 0 || len > UINT16_MAX) {
        return true;
    }
#ifdef HAVE_SNI
    return wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, s->name, (unsigned short) len) ==
           WOLFSSL_SUCCESS;
#else
    return true;
#endif
}

static int session_dial(struct nj_tls_ctx *ctx, const char *name, struct nj_span resume, void *user,
                        struct nj_tls_session **sess_out, struct nj_error *err)
{
    if (ctx->side[NJ_WOLF_DIAL] == NULL) {
        return nj_error_set(err, NJ_E_INVALID, "this TLS context does not dial");
    }
    if (resume.len > 0) {
        return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                                  "resuming a dialled session is not supported");
    }
    struct nj_tls_session *s = session_make(ctx, user, name != NULL ? name : "");
    if (!session_equip(s, ctx->side[NJ_WOLF_DIAL]) || !set_server_name(s)) {
        session_free(s);
        return nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "tls: no session was made");
    }
    *sess_out = s;
    return NJ_OK;
}

/* ---- the handshake -------------------------------------------------------------------------- */

/* Look at the first record's header before the library does: it answers anything with an alert. */
static int look_at_start(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    for (size_t i = in->used; s->head_n < RECORD_HEAD && i < in->len; i++) {
        s->head[s->head_n++] = in->ptr[i];
    }
    bool odd_type = s->head_n > 0 && s->head[0] != TYPE_HANDSHAKE && s->head[0] != TYPE_ALERT;
    bool odd_version = s->head_n > 1 && s->head[1] != 3;
    if (odd_type || odd_version) {
        return nj_wolf_refuse(s, NJ_CLASS_NOT_TLS, NJ_ALERT_NONE,
                              "tls: first record does not look like a TLS handshake");
    }
    if (s->ssl != NULL) {
        return NJ_OK;
    }
    /* No certificate: the ClientHello is read, then answered with the alert. */
    s->hello_n += in->len - in->used;
    in->used = in->len;
    size_t whole = RECORD_HEAD + ((size_t) s->head[3] << 8 | s->head[4]);
    if (s->head_n < RECORD_HEAD || s->hello_n < whole) {
        return NJ_NEED_IN;
    }
    s->out = out;
    return leave(s, nj_wolf_refuse(s, NJ_CLASS_INTERNAL, NJ_ALERT_UNRECOGNIZED_NAME,
                                   "tls: no certificates configured"));
}

static uint16_t group_of(struct nj_tls_session *s)
{
    return nj_wolf_group_id(wolfSSL_get_curve_name(s->ssl));
}

static bool group_refused(struct nj_tls_session *s)
{
    const char *name = wolfSSL_get_curve_name(s->ssl);
    /* A group without a name here is none that the settings could list. */
    return name != NULL && !nj_tls_listed(s->ctx->groups, s->ctx->groups_n, group_of(s));
}

static int refuse_group(struct nj_tls_session *s)
{
    return nj_wolf_refuse(s, NJ_CLASS_NO_GROUP, NJ_ALERT_HANDSHAKE_FAILURE,
                          "tls: no key exchanges supported by both client and server");
}

/*
 * Accepting: groups that do not meet.  In TLS 1.2 the library takes the client's group from all it
 * knows; the choice shows once our first flight is out, while alerts are still plain.
 */
static int look_at_flight(struct nj_tls_session *s)
{
    bool chosen = !s->dialling && s->out_n > 0 && wolfSSL_version(s->ssl) == NJ_TLS_1_2;
    if (s->no_group || (chosen && group_refused(s))) {
        return refuse_group(s);
    }
    return NJ_NEED_IN;
}

static void keep_exporter(struct nj_tls_session *s)
{
#ifdef HAVE_KEYING_MATERIAL
    /* RFC 9266: with a context, and that is empty, which makes a difference in TLS 1.2. */
    static const char label[] = "EXPORTER-Channel-Binding";
    s->exporter_valid = wolfSSL_export_keying_material(
                            s->ssl, s->exporter, sizeof(s->exporter), label, sizeof(label) - 1,
                            (const unsigned char *) "", 0, 1) == WOLFSSL_SUCCESS;
#endif
    wolfSSL_FreeArrays(s->ssl);
}

/* The library is done: is the result one that the settings allow? */
static int settle(struct nj_tls_session *s)
{
    uint16_t suite = (uint16_t) wolfSSL_get_current_cipher_suite(s->ssl);
    bool must_judge = s->dialling || s->ctx->verify == NJ_TLS_VERIFY_REQUIRE;

    s->up = true;
    if (!nj_tls_listed(s->ctx->suites, s->ctx->suites_n, suite)) {
        return nj_wolf_refuse(s, NJ_CLASS_NO_SUITE, NJ_ALERT_HANDSHAKE_FAILURE,
                              "tls: no cipher suite supported by both client and server");
    }
    if (group_refused(s)) {
        return refuse_group(s);
    }
    /* Whatever way the library went, nobody passes whom the hook has not seen. */
    if (s->judged ? !s->accepted : must_judge) {
        return nj_wolf_refuse(s, NJ_CLASS_POLICY, NJ_ALERT_BAD_CERTIFICATE,
                              "tls: the peer's certificate was not judged");
    }
    keep_exporter(s);
    return NJ_OK;
}

static int session_handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    struct nj_tls_in none = { 0 };
    in = in != NULL ? in : &none;
    if (s->failed || s->up) {
        return s->failed ? NJ_E_FAILED : NJ_OK;
    }
    if (!nj_wolf_fips_ask()) {
        return refuse_module(s, out);
    }
    if (s->head_n < RECORD_HEAD || s->ssl == NULL) {
        int rc = look_at_start(s, in, out);
        if (rc != NJ_OK) {
            return rc;
        }
    }
    enter(s, in, out);
    for (;;) {
        size_t before = in_left(in);
        int ret = s->dialling ? wolfSSL_connect(s->ssl) : wolfSSL_accept(s->ssl);
        if (ret == WOLFSSL_SUCCESS) {
            return leave(s, settle(s));
        }
        int lib = wolfSSL_get_error(s->ssl, ret);
        if (lib != WOLFSSL_ERROR_WANT_READ) {
            return leave(s, nj_wolf_fail(s, lib));
        }
        int rc = look_at_flight(s);
        if (rc != NJ_NEED_IN || in_left(in) == 0 || in_left(in) == before) {
            return leave(s, rc);
        }
        nj_wolf_clear_queue();
    }
}

/* ---- records -------------------------------------------------------------------------------- */

static int read_ended(struct nj_tls_session *s, int ret, size_t got, bool moved)
{
    int lib = wolfSSL_get_error(s->ssl, ret);
    if (lib == WOLFSSL_ERROR_WANT_READ) {
        if (in_left(s->in) > 0 && moved) {
            return NJ_WANT_READ; /* a ticket or a key update: more is there */
        }
        return got > 0 ? NJ_OK : NJ_NEED_IN;
    }
    if (lib == WOLFSSL_ERROR_ZERO_RETURN) {
        s->peer_ended = true;
        return NJ_E_CLOSED;
    }
    return nj_wolf_fail(s, lib);
}

static int session_open(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                        size_t *n_out, struct nj_sink *out)
{
    struct nj_tls_in none = { 0 };
    in = in != NULL ? in : &none;
    *n_out = 0;
    if (s->failed || !s->up) {
        return NJ_E_FAILED;
    }
    if (s->peer_ended) {
        return NJ_E_CLOSED;
    }
    if (nj_wolf_fips_failed()) {
        return refuse_module(s, out);
    }
    enter(s, in, out);
    int rc = NJ_WANT_READ;
    while (rc == NJ_WANT_READ && *n_out < cap) {
        size_t before = in_left(in);
        size_t room = cap - *n_out;
        int ret = wolfSSL_read(s->ssl, dst + *n_out, room < INT_MAX ? (int) room : INT_MAX);
        if (ret > 0) {
            *n_out += (size_t) ret;
        } else {
            rc = read_ended(s, ret, *n_out, in_left(in) != before);
            nj_wolf_clear_queue();
        }
    }
    return leave(s, rc == NJ_WANT_READ ? NJ_OK : rc);
}

static size_t session_has_plain(struct nj_tls_session *s)
{
    int n = s->up && !s->failed ? wolfSSL_pending(s->ssl) : 0;
    return n > 0 ? (size_t) n : 0;
}

static int session_seal(struct nj_tls_session *s, const uint8_t *src, size_t len,
                        struct nj_sink *out)
{
    if (s->failed || !s->up) {
        return NJ_E_FAILED;
    }
    if (nj_wolf_fips_failed()) {
        return refuse_module(s, out);
    }
    enter(s, NULL, out);
    while (len > 0) {
        int n = len < INT_MAX / 2 ? (int) len : INT_MAX / 2;
        int ret = wolfSSL_write(s->ssl, src, n);
        if (ret <= 0) {
            return leave(s, nj_wolf_fail(s, wolfSSL_get_error(s->ssl, ret)));
        }
        src += ret;
        len -= (size_t) ret;
    }
    return leave(s, NJ_OK);
}

static int session_key_update(struct nj_tls_session *s, struct nj_sink *out)
{
    if (s->failed || !s->up) {
        return NJ_E_FAILED;
    }
    if (wolfSSL_version(s->ssl) != NJ_TLS_1_3) {
        return NJ_E_UNSUPPORTED;
    }
    enter(s, NULL, out);
    int ret = wolfSSL_update_keys(s->ssl);
    if (ret != WOLFSSL_SUCCESS) {
        return leave(s, nj_wolf_fail(s, wolfSSL_get_error(s->ssl, ret)));
    }
    return leave(s, NJ_OK);
}

/* ---- endings -------------------------------------------------------------------------------- */

static int session_close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    /* A second call would wait for the peer's; after a failure the alert was the last word. */
    if (s->ended || s->failed || s->ssl == NULL || nj_wolf_fips_failed()) {
        return NJ_OK;
    }
    s->ended = true;
    enter(s, NULL, out);
    (void) wolfSSL_shutdown(s->ssl);
    return leave(s, NJ_OK);
}

static int session_abort(struct nj_tls_session *s, int32_t alert, struct nj_sink *out)
{
    if (s->failed || s->ended) {
        return NJ_OK;
    }
    s->out = out;
    bool exact = nj_wolf_alert_put(s, alert);
    s->out = NULL;
    if (!exact) {
        /* No way to seal that alert: at least the stream ends in order. */
        (void) session_close_notify(s, out);
    }
    (void) nj_wolf_refuse(s, NJ_CLASS_POLICY, NJ_ALERT_NONE, "tls: the session was ended");
    s->err.alert = s->sent;
    return exact ? NJ_OK : NJ_E_UNSUPPORTED;
}

static int session_in_eof(struct nj_tls_session *s)
{
    /* Not a failed session: what was decrypted before may still be taken. */
    if (!s->peer_ended && s->err.code == NJ_OK) {
        nj_error_set_class(&s->err, NJ_E_TRUNCATED, NJ_CLASS_NONE, "EOF");
    }
    return s->peer_ended ? NJ_E_CLOSED : NJ_E_TRUNCATED;
}

/* ---- facts ---------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t cap, const void *from, size_t len)
{
    len = len < cap ? len : cap - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

static void fill_names(struct nj_tls_session *s, struct nj_tls_info *info)
{
#ifdef HAVE_ALPN
    char *proto = NULL;
    unsigned short len = 0;
    if (wolfSSL_ALPN_GetProtocol(s->ssl, &proto, &len) == WOLFSSL_SUCCESS && proto != NULL) {
        copy_text(info->alpn, sizeof(info->alpn), proto, len);
    }
#endif
    if (s->dialling) {
        copy_text(info->server_name, sizeof(info->server_name), s->name, nj_tls_sni_len(s->name));
        return;
    }
#ifdef HAVE_SNI
    void *name = NULL;
    unsigned short n = wolfSSL_SNI_GetRequest(s->ssl, WOLFSSL_SNI_HOST_NAME, &name);
    if (n > 0 && name != NULL) {
        copy_text(info->server_name, sizeof(info->server_name), name, n);
    }
#endif
}

static void session_info(struct nj_tls_session *s, struct nj_tls_info *out)
{
    struct nj_tls_info info = { .alert_sent = s->sent, .alert_received = NJ_ALERT_NONE };
    WOLFSSL_ALERT_HISTORY past = { { -1, -1 }, { -1, -1 } };
    uint32_t size = out->size;

    if (s->ssl != NULL) {
        info.version = (uint16_t) wolfSSL_version(s->ssl);
        info.suite = (uint16_t) wolfSSL_get_current_cipher_suite(s->ssl);
        info.group = group_of(s);
        info.resumed = wolfSSL_session_reused(s->ssl) == 1;
        (void) wolfSSL_get_alert_history(s->ssl, &past);
        info.alert_received = past.last_rx.code;
        info.alert_sent = s->sent != NJ_ALERT_NONE ? s->sent : past.last_tx.code;
        memcpy(info.exporter, s->exporter, sizeof(info.exporter));
        info.exporter_valid = s->exporter_valid;
        fill_names(s, &info);
    }
    memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
    out->size = size;
}

/* ---- the table ------------------------------------------------------------------------------ */

const struct nj_tls_provider nj_wolf_provider = {
    .size = sizeof(struct nj_tls_provider),
    .init = nj_wolf_init,
    .fini = nj_wolf_fini,
    .about = nj_wolf_about,
    .caps = nj_wolf_caps,
    .thread_detach = nj_wolf_thread_detach,
    .ctx_new = nj_wolf_ctx_new,
    .ctx_ref = nj_wolf_ctx_ref,
    .ctx_unref = nj_wolf_ctx_unref,
    .accept = session_accept,
    .dial = session_dial,
    .handshake = session_handshake,
    .open = session_open,
    .has_plain = session_has_plain,
    .seal = session_seal,
    .close_notify = session_close_notify,
    .abort = session_abort,
    .in_eof = session_in_eof,
    .info = session_info,
    .peer_chain = nj_wolf_peer_chain,
    .drop_peer = nj_wolf_drop_peer,
    .error = nj_wolf_error,
    .free = session_free,
    .verify_chain = nj_wolf_verify_chain,
    .crypto = &nj_wolf_crypto,
    .key_update = session_key_update,
};
