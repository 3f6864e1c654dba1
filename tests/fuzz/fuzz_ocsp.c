/*
 * OCSP answers and their transport (tls/ocsp.h, ocsp_fetch.h, cert_ext.h): any bytes are refused
 * or read, and nothing counts that was not signed.
 *
 * Input: a byte, then a certificate's length in two bytes, the certificate, an answer.  The bits of
 * the byte: 0 signatures are good, 1 the answer is HTTP as well, 2 the hashes are those that stand
 * in the answer.
 */
#include "tls/ocsp.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "natterjack/tls.h"
#include "tests/fuzz/fuzz.h"
#include "tls/cert.h"
#include "tls/cert_ext.h"
#include "tls/ocsp_http.h"

enum { SIGNED = 1, HTTP = 2, HASHED = 4, NOW_S = 1800000000 };

static bool signatures_are_good;

/* The first two digests in the answer, of the issuer's name and key, and whose turn it is. */
static struct nj_span digests[2];
static size_t turn;

static void find_digests(struct nj_span answer)
{
    size_t n = 0;
    memset(digests, 0, sizeof(digests));
    turn = 0;
    for (size_t at = 0; at + 2 < answer.len && n < 2; at++) {
        size_t len = answer.ptr[at + 1];
        if (answer.ptr[at] == 4 && (len == 20 || len == 32) && answer.len - at - 2 >= len) {
            digests[n++] = (struct nj_span){ answer.ptr + at + 2, len };
            at += 1 + len;
        }
    }
}

/* Any function will do that is the same each time; better one that makes the answer fit. */
static int hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    const uint8_t *p = data;
    size_t n = alg == NJ_HASH_SHA1 ? 20 : 32;
    struct nj_span digest = digests[turn++ % 2];
    if (digest.len == n) {
        memcpy(out, digest.ptr, n);
        return NJ_OK;
    }
    uint32_t x = 2166136261U;
    for (size_t i = 0; i < len; i++) {
        x = (x ^ p[i]) * 16777619U;
    }
    memset(out, (int) (x & 3), n);
    return NJ_OK;
}

static int verify_signature(struct nj_span spki, struct nj_span algorithm, struct nj_span tbs,
                            struct nj_span signature)
{
    (void) spki;
    (void) algorithm;
    (void) tbs;
    (void) signature;
    return signatures_are_good ? NJ_OK : NJ_E_FAILED;
}

static const struct nj_tls_crypto crypto = {
    .size = sizeof(crypto),
    .hash = hash,
    .verify_signature = verify_signature,
};

static void ask_certificate(const struct nj_cert *cert)
{
    struct nj_span urls[4];
    struct nj_span algorithm, signature;
    struct nj_buf out;
    nj_buf_init(&out, 1024);
    size_t n = nj_cert_responders(cert, urls, 4);
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(urls[i].ptr >= cert->der.ptr &&
                       urls[i].ptr + urls[i].len <= cert->der.ptr + cert->der.len,
                   "a responder lies outside the certificate");
    }
    (void) nj_cert_must_staple(cert);
    (void) nj_cert_may_sign_ocsp(cert);
    (void) nj_cert_signature(cert, &algorithm, &signature);
    (void) nj_ocsp_request_write(cert, cert, &crypto, &out, NULL);
    nj_buf_free(&out);
}

static void read_answer(struct nj_span der, const struct nj_cert *cert)
{
    struct nj_ocsp_answer a = { .status = NJ_OCSP_UNKNOWN };
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_ocsp_response_read(der, cert, cert, &crypto, NOW_S, &a, &err);
    FUZZ_CHECK(rc == NJ_OK || err.text[0] != '\0', "refused without words");
    FUZZ_CHECK(rc != NJ_OK || signatures_are_good, "an unsigned answer counts");
    if (rc == NJ_OK) {
        (void) nj_ocsp_check_time(&a, NOW_S, 30, &err);
        FUZZ_CHECK(nj_ocsp_status_text(a.status) != NULL, "no words for a status");
    }
}

static void read_http(struct nj_span bytes)
{
    struct nj_buf body;
    struct nj_ocsp_url url;
    int status = 0;
    nj_buf_init(&body, NJ_OCSP_MAX_LEN);
    enum nj_ocsp_http rc = nj_ocsp_http_read(bytes, false, &status, &body);
    FUZZ_CHECK(rc == NJ_OCSP_HTTP_DONE || body.len == 0, "a part of a body is left");
    nj_buf_clear(&body);
    rc = nj_ocsp_http_read(bytes, true, &status, &body);
    FUZZ_CHECK(rc != NJ_OCSP_HTTP_MORE, "more is wanted after the end");
    FUZZ_CHECK(body.len <= bytes.len, "more came out than went in");
    nj_buf_free(&body);
    char *text = calloc(1, bytes.len + 1);
    FUZZ_CHECK(text != NULL, "out of memory");
    memcpy(text, bytes.ptr, bytes.len);
    if (nj_ocsp_url_read(text, &url, NULL) == NJ_OK) {
        FUZZ_CHECK(url.host[0] != '\0' && strpbrk(url.path, "\r\n ") == NULL, "a bad address");
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    struct nj_cert cert;
    uint8_t flags = fuzz_byte(&in);
    size_t cert_len = (size_t) fuzz_byte(&in) << 8;
    cert_len |= fuzz_byte(&in);
    cert_len = cert_len < in.len ? cert_len : in.len;
    memset(digests, 0, sizeof(digests));
    uint8_t *der = fuzz_copy(in.ptr, cert_len);
    uint8_t *rest = fuzz_copy(in.ptr + cert_len, in.len - cert_len);
    struct nj_span answer = { rest, in.len - cert_len };
    signatures_are_good = (flags & SIGNED) != 0;
    if (nj_cert_init(&cert, (struct nj_span){ der, cert_len }, NULL) == NJ_OK) {
        ask_certificate(&cert);
        find_digests((flags & HASHED) != 0 ? answer : (struct nj_span){ NULL, 0 });
        read_answer(answer, &cert);
        nj_cert_fini(&cert);
    }
    if ((flags & HTTP) != 0) {
        read_http(answer);
    }
    free(der);
    free(rest);
    return 0;
}
