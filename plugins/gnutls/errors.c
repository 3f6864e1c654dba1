#include "internal.h"

/* What to make of a GnuTLS number.  Anything else: the library's own alert and words. */
static const struct {
    int lib_code;
    uint32_t cls;
    int16_t alert; /* to send */
    const char *text;
} lib_errors[] = {
    { GNUTLS_E_UNSUPPORTED_VERSION_PACKET, NJ_CLASS_VERSION, 70,
      "tls: client offered only unsupported versions" },
    { GNUTLS_E_NO_CIPHER_SUITES, NJ_CLASS_NO_SUITE, 40,
      "tls: no cipher suite supported by both client and server" },
    { GNUTLS_E_INSUFFICIENT_CREDENTIALS, NJ_CLASS_NO_SUITE, 40,
      "tls: no cipher suite supported by both client and server" },
    { GNUTLS_E_UNKNOWN_CIPHER_SUITE, NJ_CLASS_NO_SUITE, 47,
      "tls: server chose an unconfigured cipher suite" },
    { GNUTLS_E_NO_COMMON_KEY_SHARE, NJ_CLASS_NO_GROUP, 40,
      "tls: no key exchanges supported by both client and server" },
    { GNUTLS_E_ECC_UNSUPPORTED_CURVE, NJ_CLASS_NO_GROUP, 47,
      "tls: server selected unsupported curve" },
    { GNUTLS_E_CERTIFICATE_ERROR, NJ_CLASS_BAD_CERT, 42, "tls: bad certificate" },
    { GNUTLS_E_DECRYPTION_FAILED, NJ_CLASS_BAD_RECORD, 20, "local error: tls: bad record MAC" },
    { GNUTLS_E_RECORD_LIMIT_REACHED, NJ_CLASS_BAD_RECORD, 22, "local error: tls: record overflow" },
    { GNUTLS_E_RECORD_OVERFLOW, NJ_CLASS_BAD_RECORD, 22, "local error: tls: record overflow" },
    { GNUTLS_E_UNEXPECTED_PACKET, NJ_CLASS_BAD_RECORD, 10, "local error: tls: unexpected message" },
    { GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET, NJ_CLASS_BAD_RECORD, 10,
      "local error: tls: unexpected message" },
    { GNUTLS_E_UNEXPECTED_PACKET_LENGTH, NJ_CLASS_BAD_RECORD, 50,
      "local error: tls: error decoding message" },
    { GNUTLS_E_REHANDSHAKE, NJ_CLASS_BAD_RECORD, 100, "local error: tls: no renegotiation" },
    { GNUTLS_E_PREMATURE_TERMINATION, NJ_CLASS_NONE, -1, "EOF" },
    { GNUTLS_E_SESSION_EOF, NJ_CLASS_NONE, -1, "EOF" },
};

uint16_t nj_gt_version_of(gnutls_session_t tls)
{
    gnutls_protocol_t version = gnutls_protocol_get_version(tls);
    return version == GNUTLS_TLS1_3 ? NJ_TLS_1_3 : version == GNUTLS_TLS1_2 ? NJ_TLS_1_2 : 0;
}

int nj_gt_error_lib(struct nj_error *err, int lib_code)
{
    (void) nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "gnutls: %s",
                              gnutls_strerror(lib_code));
    if (err != NULL) {
        err->lib_code = lib_code;
    }
    return NJ_E_FAILED;
}

/*
 * In the handshake a callback of ours knows better than the number that follows it; after a
 * failure only consequences come.  In between, a note ("EOF") gives way to what happens next.
 */
static bool is_explained(const struct nj_tls_session *s)
{
    return s->fail != NULL && s->phase != NJ_GT_OPEN;
}

void nj_gt_fail(struct nj_tls_session *s, uint32_t cls, int32_t alert, const char *fmt, ...)
{
    if (is_explained(s)) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    if (s->fail == NULL) {
        s->fail = nj_gt_host->alloc(sizeof(*s->fail));
        s->fail->size = sizeof(*s->fail);
    }
    (void) nj_error_setv(s->fail, NJ_E_FAILED, cls, fmt, ap);
    s->fail->alert = alert;
    va_end(ap);
}

static void fail_peer_alert(struct nj_tls_session *s)
{
    char text[64];
    int alert = (int) gnutls_alert_get(s->tls);
    s->alert_received = (int16_t) alert;
    nj_gt_fail(s, NJ_CLASS_PEER_ALERT, alert, "%s", nj_tls_alert_text(alert, text, sizeof(text)));
}

/* RFC 8446 has an alert of its own for it; TLS 1.2 has handshake_failure (RFC 5246 7.4.6). */
static void fail_no_cert(struct nj_tls_session *s)
{
    int32_t alert = gnutls_protocol_get_version(s->tls) == GNUTLS_TLS1_3
                        ? NJ_ALERT_CERTIFICATE_REQUIRED
                        : NJ_ALERT_HANDSHAKE_FAILURE;
    nj_gt_fail(s, NJ_CLASS_NO_CERT, alert, "tls: %s didn't provide a certificate",
               s->dialled ? "server" : "client");
}

static void fail_other(struct nj_tls_session *s, int lib_code)
{
    int level = 0;
    int alert = gnutls_error_to_alert(lib_code, &level);
    uint32_t cls = alert == NJ_ALERT_INTERNAL_ERROR ? NJ_CLASS_INTERNAL : NJ_CLASS_BAD_RECORD;
    nj_gt_fail(s, cls, alert, "tls: %s", gnutls_strerror(lib_code));
}

static void fail_from_table(struct nj_tls_session *s, int lib_code)
{
    for (size_t i = 0; i < sizeof(lib_errors) / sizeof(lib_errors[0]); i++) {
        if (lib_errors[i].lib_code == lib_code) {
            const char *text = lib_errors[i].text;
            if (s->dialled && lib_errors[i].cls == NJ_CLASS_VERSION) {
                text = "tls: server selected unsupported protocol version";
            }
            nj_gt_fail(s, lib_errors[i].cls, lib_errors[i].alert, "%s", text);
            return;
        }
    }
    fail_other(s, lib_code);
}

void nj_gt_fail_lib(struct nj_tls_session *s, int lib_code)
{
    if (is_explained(s)) {
        return;
    }
    switch (lib_code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
    case GNUTLS_E_WARNING_ALERT_RECEIVED:
        fail_peer_alert(s);
        break;
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        fail_no_cert(s);
        break;
    default:
        fail_from_table(s, lib_code);
        break;
    }
    s->fail->lib_code = lib_code;
}
