#include "internal.h"

#include <errno.h>
#include <string.h>

/* Calls in a row that may bring no data though input is left: a peer of empty messages. */
#define CALLS_MAX 4096

/* ---- transport ------------------------------------------------------------------------------- */

static ssize_t pull(gnutls_transport_ptr_t ptr, void *dst, size_t len)
{
    struct nj_tls_session *s = ptr;
    struct nj_tls_in *in = s->in;
    if (in == NULL || in->used == in->len) {
        gnutls_transport_set_errno(s->tls, EAGAIN);
        return -1;
    }
    size_t left = in->len - in->used;
    size_t n = len < left ? len : left;
    memcpy(dst, in->ptr + in->used, n);
    in->used += n;
    return (ssize_t) n;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *vec, int vec_n)
{
    struct nj_tls_session *s = ptr;
    size_t total = 0;
    if (s->out == NULL) {
        gnutls_transport_set_errno(s->tls, EIO);
        return -1;
    }
    for (int i = 0; i < vec_n; i++) {
        total += vec[i].iov_len;
    }
    if (total > 0) {
        uint8_t *room = s->out->reserve(s->out, total);
        for (int i = 0; i < vec_n; i++) {
            memcpy(room, vec[i].iov_base, vec[i].iov_len);
            room += vec[i].iov_len;
        }
        s->out->commit(s->out, total);
    }
    return (ssize_t) total;
}

/* The span and the sink are ours during a call only. */
static void enter(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    s->in = in;
    s->out = out;
}

static int leave(struct nj_tls_session *s, int rc)
{
    s->in = NULL;
    s->out = NULL;
    return rc;
}

static size_t in_left(const struct nj_tls_session *s)
{
    return s->in == NULL ? 0 : s->in->len - s->in->used;
}

/* ---- failing --------------------------------------------------------------------------------- */

/* The sink never refuses, so that "again" cannot come twice; the count is a belt. */
static void send_alert(struct nj_tls_session *s, int32_t alert)
{
    int rc = GNUTLS_E_AGAIN;
    for (int i = 0; i < 3 && (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED); i++) {
        rc = gnutls_alert_send(s->tls, GNUTLS_AL_FATAL, (gnutls_alert_description_t) alert);
    }
    if (rc == 0) {
        s->alert_sent = (int16_t) alert;
    }
}

/* GnuTLS sends no alert by itself: every failure passes here.  s->fail is set. */
static int give_up(struct nj_tls_session *s)
{
    s->phase = NJ_GT_FAILED;
    if (s->fail->alert >= 0 && s->fail->cls != NJ_CLASS_PEER_ALERT) {
        send_alert(s, s->fail->alert);
    }
    if (s->in != NULL) {
        s->in->used = s->in->len;
    }
    return NJ_E_FAILED;
}

static int give_up_lib(struct nj_tls_session *s, int lib_code)
{
    nj_gt_fail_lib(s, lib_code);
    return give_up(s);
}

/* ---- making sessions ------------------------------------------------------------------------- */

/*
 * The version is known, the suite is not yet chosen: go over to the suites of that version.
 * Here is also where a context without certificate says so, as early as the reference does.
 */
static int after_client_hello(gnutls_session_t tls)
{
    struct nj_tls_session *s = gnutls_session_get_ptr(tls);
    bool is_1_3 = gnutls_protocol_get_version(tls) == GNUTLS_TLS1_3;
    gnutls_priority_t prio = is_1_3 ? s->ctx->prio_13 : s->ctx->prio_12;
    if (prio == NULL) {
        /* a hello of TLS 1.2 comes as far as here where only 1.3 is enabled */
        return GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
    }
    if (s->ctx->certs_n == 0) {
        nj_gt_fail(s, NJ_CLASS_INTERNAL, NJ_ALERT_UNRECOGNIZED_NAME,
                   "tls: no certificates configured");
        return GNUTLS_E_UNRECOGNIZED_NAME;
    }
    return gnutls_priority_set(tls, prio);
}

static void session_free(struct nj_tls_session *s)
{
    if (s == NULL) {
        return;
    }
    if (s->tls != NULL) {
        gnutls_deinit(s->tls);
    }
    nj_gt_host->dealloc(s->name);
    nj_gt_host->dealloc(s->fail);
    nj_gt_ctx_unref(s->ctx);
    nj_gt_host->dealloc(s);
}

/* What both ends have in common.  0 or a GnuTLS number. */
static int session_setup(struct nj_tls_session *s, unsigned flags)
{
    int rc = gnutls_init(&s->tls, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (rc < 0) {
        s->tls = NULL;
        return rc;
    }
    gnutls_session_set_ptr(s->tls, s);
    gnutls_transport_set_ptr(s->tls, s);
    gnutls_transport_set_pull_function(s->tls, pull);
    gnutls_transport_set_vec_push_function(s->tls, push);
    gnutls_handshake_set_timeout(s->tls, GNUTLS_INDEFINITE_TIMEOUT); /* the server has clocks */
    rc = gnutls_priority_set(s->tls, s->ctx->prio);
    if (rc >= 0) {
        rc = gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, s->ctx->cred);
    }
    if (rc >= 0 && s->ctx->alpn_n > 0) {
        unsigned ours_first = s->dialled ? 0U : (unsigned) GNUTLS_ALPN_SERVER_PRECEDENCE;
        rc = gnutls_alpn_set_protocols(s->tls, s->ctx->alpn, s->ctx->alpn_n, ours_first);
    }
    return rc;
}

static struct nj_tls_session *session_new(struct nj_tls_ctx *ctx, void *user)
{
    struct nj_tls_session *s = nj_gt_host->alloc(sizeof(*s));
    nj_gt_ctx_ref(ctx);
    s->ctx = ctx;
    s->user = user;
    s->alert_sent = s->alert_received = NJ_ALERT_NONE;
    return s;
}

/* Hand out the session, or free it when setting it up went wrong. */
static int session_done(struct nj_tls_session *s, int lib_code, struct nj_tls_session **sess_out,
                        struct nj_error *err)
{
    if (lib_code < 0) {
        session_free(s);
        return nj_gt_error_lib(err, lib_code);
    }
    *sess_out = s;
    return NJ_OK;
}

static int session_accept(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **sess_out,
                          struct nj_error *err)
{
    static const gnutls_certificate_request_t requests[] = {
        [NJ_TLS_VERIFY_NONE] = GNUTLS_CERT_IGNORE,
        [NJ_TLS_VERIFY_REQUEST] = GNUTLS_CERT_REQUEST,
        [NJ_TLS_VERIFY_REQUIRE] = GNUTLS_CERT_REQUIRE,
    };
    if ((ctx->role & NJ_TLS_ROLE_ACCEPT) == 0) {
        return nj_error_set(err, NJ_E_INVALID, "the context is not made for accepting");
    }
    struct nj_tls_session *s = session_new(ctx, user);
    bool tickets = ctx->ticket_key.size > 0;
    int lib = session_setup(s, GNUTLS_SERVER | (tickets ? 0U : (unsigned) GNUTLS_NO_TICKETS));
    if (lib >= 0) {
        gnutls_certificate_server_set_request(s->tls, requests[ctx->verify]);
        if (ctx->system_trust) {
            /* Hundreds of names would be sent, and clients leave theirs out when it is not among them. */
            gnutls_certificate_send_x509_rdn_sequence(s->tls, 1);
        }
        gnutls_handshake_set_post_client_hello_function(s->tls, after_client_hello);
    }
    return session_done(s, lib, sess_out, err);
}

static int session_dial(struct nj_tls_ctx *ctx, const char *name, struct nj_span resume, void *user,
                        struct nj_tls_session **sess_out, struct nj_error *err)
{
    (void) resume; /* session_export() is not offered, so there is nothing to resume from */
    if ((ctx->role & NJ_TLS_ROLE_DIAL) == 0) {
        return nj_error_set(err, NJ_E_INVALID, "the context is not made for dialling");
    }
    struct nj_tls_session *s = session_new(ctx, user);
    s->dialled = true;
    if (name != NULL && name[0] != '\0') {
        s->name = nj_gt_host->alloc(strlen(name) + 1);
        memcpy(s->name, name, strlen(name) + 1);
    }
    int lib = session_setup(s, GNUTLS_CLIENT | GNUTLS_NO_TICKETS | GNUTLS_KEY_SHARE_TOP);
    size_t len = nj_tls_sni_len(s->name);
    if (lib >= 0 && len > 0) {
        lib = gnutls_server_name_set(s->tls, GNUTLS_NAME_DNS, s->name, len);
    }
    return session_done(s, lib, sess_out, err);
}

/* ---- handshake ------------------------------------------------------------------------------- */

/* A first record is a handshake message or an alert, of a version below 16. */
static bool looks_like_tls(struct nj_tls_session *s, const struct nj_tls_in *in)
{
    for (size_t i = in->used; i < in->len && s->seen < 2; i++, s->seen++) {
        uint8_t b = in->ptr[i];
        if (s->seen == 0 ? b != 22 && b != 21 : b >= 0x10) {
            return false;
        }
    }
    return true;
}

/* Call until it is done, fails, or has had all of the input. */
static int drive_handshake(struct nj_tls_session *s)
{
    int rc = GNUTLS_E_AGAIN;
    for (int calls = 0; calls < CALLS_MAX; calls++) {
        rc = gnutls_handshake(s->tls);
        if (rc == 0 || gnutls_error_is_fatal(rc) != 0) {
            return rc;
        }
        if (in_left(s) == 0) {
            return GNUTLS_E_AGAIN;
        }
    }
    return GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS;
}

/* GnuTLS picks from a cross product of names: what came out must be on the lists. */
static int check_choice(struct nj_tls_session *s)
{
    uint16_t suite = nj_gt_suite_of(s->tls);
    uint16_t group = nj_gt_group_of(s->tls);
    if (!nj_tls_listed(s->ctx->suites, s->ctx->suites_n, suite)) {
        nj_gt_fail(s, NJ_CLASS_NO_SUITE, NJ_ALERT_HANDSHAKE_FAILURE,
                   "tls: no cipher suite supported by both client and server");
        return NJ_E_FAILED;
    }
    if (group != 0 && !nj_tls_listed(s->ctx->groups, s->ctx->groups_n, group)) {
        nj_gt_fail(s, NJ_CLASS_NO_GROUP, NJ_ALERT_HANDSHAKE_FAILURE,
                   "tls: no key exchanges supported by both client and server");
        return NJ_E_FAILED;
    }
    return NJ_OK;
}

static int finish_handshake(struct nj_tls_session *s)
{
    int rc = check_choice(s);
    if (rc == NJ_OK && gnutls_session_is_resumed(s->tls)) {
        rc = nj_gt_judge_resumed(s);
    }
    if (rc < 0) {
        return give_up(s);
    }
    s->phase = NJ_GT_OPEN;
    return NJ_OK;
}

static int session_handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    if (s->phase != NJ_GT_HANDSHAKE) {
        return s->phase == NJ_GT_OPEN ? NJ_OK : NJ_E_FAILED;
    }
    if (!looks_like_tls(s, in)) {
        /* No alert: the peer does not speak TLS, and the reference sends none either. */
        nj_gt_fail(s, NJ_CLASS_NOT_TLS, NJ_ALERT_NONE,
                   "tls: first record does not look like a TLS handshake");
        in->used = in->len;
        return give_up(s);
    }
    enter(s, in, out);
    int lib = nj_gt_ticket_start(s, in);
    if (lib == 0) {
        lib = drive_handshake(s);
    }
    int rc = NJ_NEED_IN;
    if (lib == 0) {
        rc = finish_handshake(s);
    } else if (lib != GNUTLS_E_AGAIN) {
        rc = give_up_lib(s, lib);
    }
    return leave(s, rc);
}

/* ---- records --------------------------------------------------------------------------------- */

/*
 * GnuTLS says "again" after each ticket and key update although more input lies ready, so only an
 * empty span ends the loop.
 */
static int open_records(struct nj_tls_session *s, uint8_t *dst, size_t cap, size_t *n_out)
{
    int idle = 0; /* calls in a row that gave no data */
    while (*n_out < cap) {
        ssize_t got = gnutls_record_recv(s->tls, dst + *n_out, cap - *n_out);
        if (got > 0) {
            *n_out += (size_t) got;
            idle = 0;
            continue;
        }
        if (got == 0) {
            s->close_seen = true;
            return NJ_E_CLOSED;
        }
        if (got == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal((int) got) != 0) {
            return give_up_lib(s, (int) got);
        }
        if (in_left(s) == 0) {
            break;
        }
        if (++idle > CALLS_MAX) {
            return give_up_lib(s, GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS);
        }
    }
    return *n_out > 0 ? NJ_OK : NJ_NEED_IN;
}

static int session_open(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                        size_t *n_out, struct nj_sink *out)
{
    *n_out = 0;
    if (s->phase != NJ_GT_OPEN || s->close_seen) {
        in->used = in->len;
        return s->phase == NJ_GT_OPEN ? NJ_E_CLOSED : NJ_E_FAILED;
    }
    enter(s, in, out);
    return leave(s, open_records(s, dst, cap, n_out));
}

static size_t session_has_plain(struct nj_tls_session *s)
{
    return s->phase == NJ_GT_OPEN ? gnutls_record_check_pending(s->tls) : 0;
}

/* gnutls_record_send() takes one full record's worth at a time. */
static int seal_records(struct nj_tls_session *s, const uint8_t *src, size_t len)
{
    while (len > 0) {
        ssize_t n = gnutls_record_send(s->tls, src, len);
        if (n <= 0) {
            /* "again" cannot be: push never refuses */
            return give_up_lib(s, n == 0 ? GNUTLS_E_INTERNAL_ERROR : (int) n);
        }
        src += (size_t) n;
        len -= (size_t) n;
    }
    return NJ_OK;
}

static int session_seal(struct nj_tls_session *s, const uint8_t *src, size_t len,
                        struct nj_sink *out)
{
    if (s->phase != NJ_GT_OPEN || s->close_sent) {
        nj_gt_fail(s, NJ_CLASS_INTERNAL, NJ_ALERT_NONE, "tls: protocol is shutdown");
        return NJ_E_FAILED;
    }
    enter(s, NULL, out);
    return leave(s, seal_records(s, src, len));
}

static int session_key_update(struct nj_tls_session *s, struct nj_sink *out)
{
    if (s->phase != NJ_GT_OPEN) {
        return NJ_E_FAILED;
    }
    if (gnutls_protocol_get_version(s->tls) != GNUTLS_TLS1_3) {
        return NJ_E_UNSUPPORTED;
    }
    enter(s, NULL, out);
    int lib = gnutls_session_key_update(s->tls, GNUTLS_KU_PEER);
    return leave(s, lib < 0 ? give_up_lib(s, lib) : NJ_OK);
}

/* ---- the end --------------------------------------------------------------------------------- */

static int session_close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    if (s->phase != NJ_GT_OPEN || s->close_sent) {
        /* before the end of the handshake there is nothing to close */
        return s->phase == NJ_GT_FAILED ? NJ_E_FAILED : NJ_OK;
    }
    enter(s, NULL, out);
    int lib = gnutls_bye(s->tls, GNUTLS_SHUT_WR);
    int rc = lib < 0 ? give_up_lib(s, lib) : NJ_OK;
    s->close_sent = true;
    return leave(s, rc);
}

static int session_abort(struct nj_tls_session *s, int32_t alert, struct nj_sink *out)
{
    if (s->phase == NJ_GT_FAILED) {
        return NJ_E_FAILED;
    }
    enter(s, NULL, out);
    send_alert(s, alert);
    (void) leave(s, NJ_OK);
    nj_gt_fail(s, NJ_CLASS_POLICY, alert, "tls: refused by the server");
    s->phase = NJ_GT_FAILED;
    return NJ_OK;
}

static int session_in_eof(struct nj_tls_session *s)
{
    if (s->close_seen) {
        return NJ_E_CLOSED;
    }
    nj_gt_fail(s, NJ_CLASS_NONE, NJ_ALERT_NONE, "EOF");
    return NJ_E_TRUNCATED;
}

/* ---- what is known --------------------------------------------------------------------------- */

/* RFC 9266 4.2: in TLS 1.2 the exporter binds only together with the extended master secret. */
static void fill_exporter(struct nj_tls_session *s, struct nj_tls_info *info)
{
    gnutls_datum_t cb = { NULL, 0 };
    if (info->version != NJ_TLS_1_3 && gnutls_session_ext_master_secret_status(s->tls) == 0) {
        return;
    }
    if (gnutls_session_channel_binding(s->tls, GNUTLS_CB_TLS_EXPORTER, &cb) == 0) {
        if (cb.size == sizeof(info->exporter)) {
            memcpy(info->exporter, cb.data, cb.size);
            info->exporter_valid = 1;
        }
        gnutls_memset(cb.data, 0, cb.size);
        gnutls_free(cb.data);
    }
}

static void fill_names(struct nj_tls_session *s, struct nj_tls_info *info)
{
    gnutls_datum_t alpn = { NULL, 0 };
    size_t len = sizeof(info->server_name) - 1;
    unsigned type = GNUTLS_NAME_DNS;
    if (gnutls_alpn_get_selected_protocol(s->tls, &alpn) == 0 && alpn.size < sizeof(info->alpn)) {
        memcpy(info->alpn, alpn.data, alpn.size);
    }
    if (s->dialled) {
        len = nj_tls_sni_len(s->name);
        if (len > 0 && len < sizeof(info->server_name)) {
            memcpy(info->server_name, s->name, len);
        }
    } else if (gnutls_server_name_get(s->tls, info->server_name, &len, &type, 0) != 0) {
        info->server_name[0] = '\0';
    }
}

static void session_info(struct nj_tls_session *s, struct nj_tls_info *out)
{
    struct nj_tls_info info = { .size = out->size < sizeof(info) ? out->size : sizeof(info) };
    info.version = nj_gt_version_of(s->tls);
    info.suite = nj_gt_suite_of(s->tls);
    info.group = nj_gt_group_of(s->tls);
    info.resumed = gnutls_session_is_resumed(s->tls) ? 1 : 0;
    info.alert_sent = s->alert_sent;
    info.alert_received = s->alert_received;
    fill_names(s, &info);
    fill_exporter(s, &info);
    memcpy(out, &info, info.size);
}

static size_t session_peer_chain(struct nj_tls_session *s, struct nj_span *out, size_t max)
{
    unsigned n = 0;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(s->tls, &n);
    if (peers == NULL || s->peer_dropped) {
        return 0;
    }
    for (size_t i = 0; i < n && i < max; i++) {
        out[i] = (struct nj_span){ peers[i].data, peers[i].size };
    }
    return n;
}

/* GnuTLS offers no way to free the chain alone; it goes with the session. */
static void session_drop_peer(struct nj_tls_session *s)
{
    s->peer_dropped = true;
}

static int session_peer_staple(struct nj_tls_session *s, struct nj_span *out)
{
    gnutls_datum_t staple = { NULL, 0 };
    *out = (struct nj_span){ NULL, 0 };
    if (gnutls_ocsp_status_request_get(s->tls, &staple) == 0) {
        *out = (struct nj_span){ staple.data, staple.size };
    }
    return NJ_OK;
}

static void session_error(struct nj_tls_session *s, struct nj_error *out)
{
    struct nj_error none = NJ_ERROR_INIT;
    const struct nj_error *from = s->fail != NULL ? s->fail : &none;
    uint32_t size = out->size < sizeof(*from) ? out->size : (uint32_t) sizeof(*from);
    memcpy(out, from, size);
    out->size = size;
}

/* ---- the table ------------------------------------------------------------------------------- */

const struct nj_tls_provider nj_gt_provider = {
    .size = sizeof(struct nj_tls_provider),
    .init = nj_gt_init,
    .fini = nj_gt_fini,
    .about = nj_gt_about,
    .caps = nj_gt_caps,
    .ctx_new = nj_gt_ctx_new,
    .ctx_ref = nj_gt_ctx_ref,
    .ctx_unref = nj_gt_ctx_unref,
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
    .peer_chain = session_peer_chain,
    .drop_peer = session_drop_peer,
    .error = session_error,
    .free = session_free,
    .verify_chain = nj_gt_verify_chain,
    .crypto = &nj_gt_crypto,
    .key_update = session_key_update,
    .peer_staple = session_peer_staple,
};
