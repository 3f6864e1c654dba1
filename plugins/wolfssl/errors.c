/*
 * errors.c: the library's numbers into neutral classes and the reference server's words.
 */
#include "wolf.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

struct words {
    int lib;
    uint32_t cls;
    const char *text;
};

static const char no_suite[] = "tls: no cipher suite supported by both client and server";
static const char no_group[] = "tls: no key exchanges supported by both client and server";
static const char no_cert[] = "tls: client didn't provide a certificate";
static const char bad_mac[] = "local error: tls: bad record MAC";

static const struct words handshake_words[] = {
    { MATCH_SUITE_ERROR, NJ_CLASS_NO_SUITE, no_suite },
    { UNSUPPORTED_SUITE, NJ_CLASS_NO_SUITE, no_suite },
    { NO_PEER_CERT, NJ_CLASS_NO_CERT, no_cert },
    { NO_PEER_VERIFY, NJ_CLASS_NO_CERT, "tls: client sent no proof of its certificate" },
    { KEY_SHARE_ERROR, NJ_CLASS_NO_GROUP, no_group },
    { BAD_KEY_SHARE_DATA, NJ_CLASS_NO_GROUP, no_group },
    { ECC_CURVE_ERROR, NJ_CLASS_NO_GROUP, no_group },
    { ECC_CURVETYPE_ERROR, NJ_CLASS_NO_GROUP, no_group },
    { DECRYPT_ERROR, NJ_CLASS_BAD_RECORD, bad_mac },
    { VERIFY_MAC_ERROR, NJ_CLASS_BAD_RECORD, bad_mac },
    { BUFFER_ERROR, NJ_CLASS_BAD_RECORD, "tls: malformed message" },
    { LENGTH_ERROR, NJ_CLASS_BAD_RECORD, "tls: oversized record received" },
    { UNKNOWN_RECORD_TYPE, NJ_CLASS_BAD_RECORD, "tls: received record of unknown type" },
    { UNKNOWN_HANDSHAKE_TYPE, NJ_CLASS_BAD_RECORD, "tls: unexpected handshake message" },
    { OUT_OF_ORDER_E, NJ_CLASS_BAD_RECORD, "tls: unexpected message" },
    { SANITY_MSG_E, NJ_CLASS_BAD_RECORD, "tls: unexpected message" },
    { DUPLICATE_MSG_E, NJ_CLASS_BAD_RECORD, "tls: unexpected message" },
    { VERIFY_FINISHED_ERROR, NJ_CLASS_BAD_RECORD, "tls: finished message does not match" },
    { VERIFY_SIGN_ERROR, NJ_CLASS_BAD_CERT, "tls: invalid signature by the peer's certificate" },
    { ALERT_COUNT_E, NJ_CLASS_BAD_RECORD, "tls: too many alerts" },
    { UNKNOWN_ALPN_PROTOCOL_NAME_E, NJ_CLASS_BAD_RECORD,
      "tls: client requested unsupported application protocols" },
};

/*
 * What a certificate can fail by.  With its OpenSSL layer the library says X509_V_ERR_* numbers in
 * store->error, and not the same ones in each release: 5.5 has 13 and 14 where 5.9 has 9 and 10.
 */
static const struct {
    int lib;
    uint32_t cls;
} cert_classes[] = {
    { ASN_NO_SIGNER_E, NJ_CLASS_UNKNOWN_CA },
    { ASN_SELF_SIGNED_E, NJ_CLASS_UNKNOWN_CA },
    { 2, NJ_CLASS_UNKNOWN_CA },
    { 18, NJ_CLASS_UNKNOWN_CA },
    { 19, NJ_CLASS_UNKNOWN_CA },
    { 20, NJ_CLASS_UNKNOWN_CA },
    { 21, NJ_CLASS_UNKNOWN_CA },
    { ASN_AFTER_DATE_E, NJ_CLASS_EXPIRED },
    { 10, NJ_CLASS_EXPIRED },
    { 14, NJ_CLASS_EXPIRED },
    { ASN_BEFORE_DATE_E, NJ_CLASS_NOT_YET },
    { 9, NJ_CLASS_NOT_YET },
    { 13, NJ_CLASS_NOT_YET },
    { EXTKEYUSE_AUTH_E, NJ_CLASS_BAD_EKU },
    { KEYUSE_SIGNATURE_E, NJ_CLASS_BAD_EKU },
    { KEYUSE_ENCIPHER_E, NJ_CLASS_BAD_EKU },
    { 26, NJ_CLASS_BAD_EKU },
    { NOT_CA_ERROR, NJ_CLASS_NOT_CA },
    { ASN_PATHLEN_INV_E, NJ_CLASS_NOT_CA },
    { ASN_PATHLEN_SIZE_E, NJ_CLASS_NOT_CA },
    { 24, NJ_CLASS_NOT_CA },
    { 25, NJ_CLASS_NOT_CA },
};

uint32_t nj_wolf_cert_class(int lib)
{
    if (lib == 0) {
        return NJ_CLASS_NONE;
    }
    for (size_t i = 0; i < sizeof(cert_classes) / sizeof(cert_classes[0]); i++) {
        if (cert_classes[i].lib == lib) {
            return cert_classes[i].cls;
        }
    }
    return NJ_CLASS_BAD_CERT;
}

const char *nj_wolf_cert_text(uint32_t cls)
{
    switch (cls) {
    case NJ_CLASS_UNKNOWN_CA:
        return "x509: certificate signed by unknown authority";
    case NJ_CLASS_EXPIRED:
    case NJ_CLASS_NOT_YET:
        return "x509: certificate has expired or is not yet valid";
    case NJ_CLASS_BAD_EKU:
        return "x509: certificate specifies an incompatible key usage";
    case NJ_CLASS_NOT_CA:
        return "x509: certificate is not authorized to sign other certificates";
    case NJ_CLASS_BAD_NAME:
        return "x509: certificate is not valid for the name";
    default:
        return "x509: certificate is malformed or its signature is wrong";
    }
}

static const char *const alert_words[] = {
    [0] = "close notify",
    [10] = "unexpected message",
    [20] = "bad record MAC",
    [21] = "decryption failed",
    [22] = "record overflow",
    [30] = "decompression failure",
    [40] = "handshake failure",
    [42] = "bad certificate",
    [43] = "unsupported certificate",
    [44] = "revoked certificate",
    [45] = "expired certificate",
    [46] = "unknown certificate",
    [47] = "illegal parameter",
    [48] = "unknown certificate authority",
    [49] = "access denied",
    [50] = "error decoding message",
    [51] = "error decrypting message",
    [60] = "export restriction",
    [70] = "protocol version not supported",
    [71] = "insufficient security level",
    [80] = "internal error",
    [86] = "inappropriate fallback",
    [90] = "user canceled",
    [100] = "no renegotiation",
    [109] = "missing extension",
    [110] = "unsupported extension",
    [111] = "certificate unobtainable",
    [112] = "unrecognized name",
    [113] = "bad certificate status response",
    [114] = "bad certificate hash value",
    [115] = "unknown PSK identity",
    [116] = "certificate required",
    [120] = "no application protocol",
};

const char *nj_wolf_reason(int lib)
{
    const char *text = wolfSSL_ERR_reason_error_string((unsigned long) lib);
    return text != NULL && text[0] != '\0' ? text : "unknown error";
}

/*
 * The queue keeps failures of earlier calls, of other sessions too, and wolfSSL_get_error() looks
 * into it: empty it before each call.
 */
void nj_wolf_clear_queue(void)
{
#if defined(OPENSSL_EXTRA) || defined(DEBUG_WOLFSSL_VERBOSE)
    wolfSSL_ERR_clear_error();
#endif
}

static void explain_alert(struct nj_error *err, int32_t alert)
{
    const char *text = NULL;
    if (alert >= 0 && (size_t) alert < sizeof(alert_words) / sizeof(alert_words[0])) {
        text = alert_words[alert];
    }
    if (text != NULL) {
        nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_PEER_ALERT, "remote error: tls: %s", text);
    } else {
        nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_PEER_ALERT, "remote error: tls: alert(%d)",
                           (int) alert);
    }
    err->alert = alert;
}

static void explain(struct nj_tls_session *s, int lib)
{
    const size_t n = sizeof(handshake_words) / sizeof(handshake_words[0]);

    if (lib == VERSION_ERROR || lib == UNSUPPORTED_PROTO_VERSION) {
        nj_error_set_class(&s->err, NJ_E_FAILED, NJ_CLASS_VERSION, "%s",
                           s->dialling ? "tls: server selected unsupported protocol version"
                                       : "tls: client offered only unsupported versions");
        return;
    }
    /* What the library means by them: the transport here never fails, and groups may not meet. */
    if (lib == WOLFSSL_ERROR_SYSCALL && !s->up) {
        lib = MATCH_SUITE_ERROR;
    } else if (lib == BAD_FUNC_ARG && !s->dialling && !s->up && !s->ciphered) {
        lib = KEY_SHARE_ERROR;
    }
    for (size_t i = 0; i < n; i++) {
        if (handshake_words[i].lib == lib) {
            nj_error_set_class(&s->err, NJ_E_FAILED, handshake_words[i].cls, "%s",
                               handshake_words[i].text);
            return;
        }
    }
    uint32_t cls = nj_wolf_cert_class(lib);
    if (!s->up && cls != NJ_CLASS_BAD_CERT) {
        nj_error_set_class(&s->err, NJ_E_FAILED, cls, "tls: failed to verify certificate: %s",
                           nj_wolf_cert_text(cls));
        return;
    }
    nj_error_set_class(&s->err, NJ_E_FAILED, s->up ? NJ_CLASS_BAD_RECORD : NJ_CLASS_INTERNAL,
                       "tls: %s", nj_wolf_reason(lib));
}

/* The alert that goes with a class when the library has sent none. */
static int32_t missing_alert(uint32_t cls)
{
    switch (cls) {
    case NJ_CLASS_NO_CERT:
    case NJ_CLASS_NO_SUITE:
    case NJ_CLASS_NO_GROUP:
        return NJ_ALERT_HANDSHAKE_FAILURE;
    case NJ_CLASS_VERSION:
        return NJ_ALERT_PROTOCOL_VERSION;
    case NJ_CLASS_INTERNAL:
        return NJ_ALERT_INTERNAL_ERROR;
    default:
        return NJ_ALERT_BAD_CERTIFICATE;
    }
}

int nj_wolf_fail(struct nj_tls_session *s, int lib)
{
    WOLFSSL_ALERT_HISTORY past = { { -1, -1 }, { -1, -1 } };
    bool refused = s->err.code != NJ_OK; /* the verify callback has written the words */

    (void) wolfSSL_get_alert_history(s->ssl, &past);
    s->failed = true;
    if (lib == FATAL_ERROR && past.last_rx.code > 0 && !refused) {
        explain_alert(&s->err, past.last_rx.code);
    } else if (!refused) {
        explain(s, lib);
    }
    s->err.lib_code = lib;
    if (s->err.cls == NJ_CLASS_PEER_ALERT) {
        return NJ_E_FAILED;
    }
    /*
     * Without an alert the peer sees a bare end of stream: wolfSSL sends none for a missing
     * client certificate in TLS 1.2, nor for groups that do not meet in TLS 1.3.  A TLS 1.3
     * client is left alone: from outside one cannot tell which keys it has.
     */
    bool keys_unknown = s->dialling && wolfSSL_version(s->ssl) == NJ_TLS_1_3;
    if (s->sent == NJ_ALERT_NONE && past.last_tx.code < 0 && !s->up && !keys_unknown) {
        (void) nj_wolf_alert_put(s, missing_alert(s->err.cls));
    }
    s->err.alert = s->sent != NJ_ALERT_NONE ? s->sent : past.last_tx.code;
    return NJ_E_FAILED;
}

int nj_wolf_refuse(struct nj_tls_session *s, uint32_t cls, int32_t alert, const char *text)
{
    s->failed = true;
    nj_error_set_class(&s->err, NJ_E_FAILED, cls, "%s", text);
    if (alert != NJ_ALERT_NONE && nj_wolf_alert_put(s, alert)) {
        s->err.alert = alert;
    }
    return NJ_E_FAILED;
}

void nj_wolf_error(struct nj_tls_session *s, struct nj_error *out)
{
    uint32_t size = out->size;
    if (s->err.code != NJ_OK) {
        memcpy(out, &s->err, size < sizeof(s->err) ? size : sizeof(s->err));
        out->size = size;
    }
}
