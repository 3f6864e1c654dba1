/*
 * errors.c: the library's numbers into neutral classes and the reference server's words, and the
 * fatal alerts that it has no call for.
 */
#include "wolf.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

/* ---- alerts --------------------------------------------------------------------------------- */

/*
 * wolfSSL sends alerts of its own choice, none at all in some states, and offers no way to send a
 * given one.  Before encryption an alert is seven plain bytes.  After it the record is made here
 * from the write key that the library hands out for "atomic user" record layers, where the build
 * has them and the suite is an AEAD.  Such a record is always the last one of its direction.
 */
#define TYPE_ALERT 21
#define TYPE_DATA 23
#define HEADER_LEN 5
#define TAG_LEN 16
#define NONCE_LEN 12

static size_t plain_record(int32_t alert, uint8_t *out)
{
    const uint8_t record[] = { TYPE_ALERT, 3, 3, 0, 2, 2, (uint8_t) alert };
    memcpy(out, record, sizeof(record));
    return sizeof(record);
}

#if defined(ATOMIC_USER) && defined(HAVE_AESGCM) && defined(HAVE_CHACHA) && defined(HAVE_POLY1305)

/* What seals one record. */
struct seal {
    bool chacha;
    const uint8_t *key;
    uint32_t key_len;
    uint8_t nonce[NONCE_LEN];
    const uint8_t *aad;
    uint32_t aad_len;
};

static bool seal_bytes(const struct seal *how, const uint8_t *in, uint32_t len, uint8_t *out)
{
    if (how->chacha) {
        return wc_ChaCha20Poly1305_Encrypt(how->key, how->nonce, how->aad, how->aad_len, in, len,
                                           out, out + len) == 0;
    }
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0) {
        return false;
    }
    int rc = wc_AesGcmSetKey(&aes, how->key, how->key_len);
    if (rc == 0) {
        rc = wc_AesGcmEncrypt(&aes, out, in, len, how->nonce, NONCE_LEN, out + len, TAG_LEN,
                              how->aad, how->aad_len);
    }
    wc_AesFree(&aes);
    return rc == 0;
}

/* Key length of an AEAD suite, 0 for others; *chacha_out says which of the two ciphers. */
static uint32_t suite_key_len(int suite, bool *chacha_out)
{
    *chacha_out = false;
    switch (suite) {
    case 0x1301:
    case 0x009c:
    case 0xc02b:
    case 0xc02f:
        return 16;
    case 0x1302:
    case 0x009d:
    case 0xc02c:
    case 0xc030:
        return 32;
    case 0x1303:
    case 0xcca8:
    case 0xcca9:
        *chacha_out = true;
        return 32;
    default:
        return 0;
    }
}

static void put_u64(uint8_t *to, uint64_t n)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t) (n >> (56 - 8 * i));
    }
}

/* RFC 8446 5.2: type and length are the additional data, the real type is inside. */
static size_t record_1_3(struct seal *how, int32_t alert, uint8_t *out)
{
    const uint8_t inner[] = { 2, (uint8_t) alert, TYPE_ALERT };
    const uint8_t head[HEADER_LEN] = { TYPE_DATA, 3, 3, 0, sizeof(inner) + TAG_LEN };
    memcpy(out, head, sizeof(head));
    how->aad = out;
    how->aad_len = HEADER_LEN;
    return seal_bytes(how, inner, sizeof(inner), out + HEADER_LEN)
               ? HEADER_LEN + sizeof(inner) + TAG_LEN
               : 0;
}

/* RFC 5246 6.2.3.3, RFC 5288, RFC 7905: AES-GCM carries eight bytes of its nonce in the record. */
static size_t record_1_2(struct seal *how, uint64_t seq, int32_t alert, uint8_t *out)
{
    const uint8_t inner[] = { 2, (uint8_t) alert };
    size_t explicit_len = how->chacha ? 0 : 8;
    uint8_t aad[13];

    put_u64(aad, seq);
    const uint8_t tail[] = { TYPE_ALERT, 3, 3, 0, sizeof(inner) };
    memcpy(aad + 8, tail, sizeof(tail));
    how->aad = aad;
    how->aad_len = sizeof(aad);
    size_t body = explicit_len + sizeof(inner) + TAG_LEN;
    const uint8_t head[HEADER_LEN] = { TYPE_ALERT, 3, 3, 0, (uint8_t) body };
    memcpy(out, head, sizeof(head));
    if (explicit_len > 0) {
        /* The library counts its own nonces upwards: from the far end none is used twice. */
        put_u64(how->nonce + 4, ~seq);
        memcpy(out + HEADER_LEN, how->nonce + 4, explicit_len);
    }
    return seal_bytes(how, inner, sizeof(inner), out + HEADER_LEN + explicit_len)
               ? HEADER_LEN + body
               : 0;
}

static size_t sealed_record(struct nj_tls_session *s, int32_t alert, unsigned back, uint8_t *out)
{
    struct seal how = { .key = s->dialling ? wolfSSL_GetClientWriteKey(s->ssl)
                                           : wolfSSL_GetServerWriteKey(s->ssl) };
    const uint8_t *iv =
        s->dialling ? wolfSSL_GetClientWriteIV(s->ssl) : wolfSSL_GetServerWriteIV(s->ssl);
    bool is_1_3 = wolfSSL_version(s->ssl) == NJ_TLS_1_3;
    word64 seq = 0;

    how.key_len = suite_key_len(wolfSSL_get_current_cipher_suite(s->ssl), &how.chacha);
    if (how.key_len == 0 || how.key == NULL || iv == NULL ||
        wolfSSL_GetSequenceNumber(s->ssl, &seq) < 0 || seq < back) {
        return 0;
    }
    seq -= back;
    if (!is_1_3 && !how.chacha) {
        memcpy(how.nonce, iv, 4);
        return record_1_2(&how, seq, alert, out);
    }
    put_u64(how.nonce + 4, seq);
    for (int i = 0; i < NONCE_LEN; i++) {
        how.nonce[i] ^= iv[i];
    }
    return is_1_3 ? record_1_3(&how, alert, out) : record_1_2(&how, seq, alert, out);
}

bool nj_wolf_alert_any(void)
{
    return true;
}

#else

static size_t sealed_record(struct nj_tls_session *s, int32_t alert, unsigned back, uint8_t *out)
{
    (void) s;
    (void) alert;
    (void) back;
    (void) out;
    return 0;
}

bool nj_wolf_alert_any(void)
{
    return false;
}

#endif

size_t nj_wolf_alert_record(struct nj_tls_session *s, int32_t alert, unsigned back,
                            uint8_t out[NJ_WOLF_ALERT_RECORD_MAX])
{
    return s->ciphered ? sealed_record(s, alert, back, out) : plain_record(alert, out);
}

bool nj_wolf_alert_put(struct nj_tls_session *s, int32_t alert)
{
    uint8_t record[NJ_WOLF_ALERT_RECORD_MAX];
    size_t n = nj_wolf_alert_record(s, alert, 0, record);
    if (n == 0 || s->out == NULL) {
        return false;
    }
    nj_sink_put(s->out, record, n);
    s->out_n += n;
    s->sent = alert;
    return true;
}

/* ---- words ---------------------------------------------------------------------------------- */

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
    char text[64];
    (void) nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_PEER_ALERT, "%s",
                              nj_tls_alert_text(alert, text, sizeof(text)));
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
                           nj_tls_class_words(cls)->text);
        return;
    }
    nj_error_set_class(&s->err, NJ_E_FAILED, s->up ? NJ_CLASS_BAD_RECORD : NJ_CLASS_INTERNAL,
                       "tls: %s", nj_wolf_reason(lib));
}

/* RFC 8446 6.2: of a record or message that cannot be. */
static int32_t record_alert(int lib)
{
    switch (lib) {
    case DECRYPT_ERROR:
    case VERIFY_MAC_ERROR:
        return 20; /* bad_record_mac */
    case LENGTH_ERROR:
        return 22; /* record_overflow */
    case BUFFER_ERROR:
        return 50; /* decode_error */
    default:
        return 10; /* unexpected_message */
    }
}

/* The alert that goes with a class when the library has sent none. */
static int32_t missing_alert(uint32_t cls, int lib)
{
    switch (cls) {
    case NJ_CLASS_BAD_RECORD:
        return record_alert(lib);
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
     * client certificate in TLS 1.2, nor for groups that do not meet in TLS 1.3, nor for records of
     * an unknown kind.  A TLS 1.3 client in its handshake is left alone: from outside one cannot
     * tell which keys it has.
     */
    bool keys_unknown = s->dialling && !s->up && wolfSSL_version(s->ssl) == NJ_TLS_1_3;
    if (s->sent == NJ_ALERT_NONE && past.last_tx.code < 0 && !s->ended && !keys_unknown) {
        (void) nj_wolf_alert_put(s, missing_alert(s->err.cls, lib));
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
