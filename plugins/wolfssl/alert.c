/*
 * alert.c: fatal alerts that the library has no call for.
 *
 * wolfSSL sends alerts of its own choice, none at all in some states, and offers no way to send a
 * given one.  Before encryption an alert is seven plain bytes.  After it the record is made here
 * from the write key that the library hands out for "atomic user" record layers, where the build
 * has them and the suite is an AEAD.  Such a record is always the last one of its direction.
 */
#include "wolf.h"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

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
