/*
 * test_ocsp.c: requests and answers of tests/corpus/ocsp, which openssl made, with the hashes and
 * signatures of every provider; the reading of HTTP answers; when to ask again.
 */
#include "tls/ocsp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "tests/abi/pair.h"
#include "tls/cert.h"
#include "tls/cert_ext.h"
#include "tls/ocsp_cache.h"
#include "tls/ocsp_http.h"
#include "tls/ocsp_staple.h"

static struct nj_kit_provider providers[NJ_KIT_PROVIDERS_MAX];
static size_t providers_n;

static const struct nj_tls_crypto *crypto(int i)
{
    return providers[i].tls->crypto;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The caller frees .ptr. */
static struct nj_span load(const char *name)
{
    char path[512];
    const char *top = getenv("NJ_TEST_SRCDIR");
    (void) snprintf(path, sizeof(path), "%s/tests/corpus/ocsp/%s", top != NULL ? top : ".", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    uint8_t *bytes = malloc(8192);
    ck_assert_ptr_nonnull(bytes);
    size_t len = fread(bytes, 1, 8192, f);
    (void) fclose(f);
    return (struct nj_span){ bytes, len };
}

static void unload(struct nj_span s)
{
    free((void *) (uintptr_t) s.ptr);
}

/* The issuer and the certificate that is asked about. */
struct scene {
    struct nj_span ca_der, leaf_der;
    struct nj_cert ca, leaf;
};

static void scene_init(struct scene *s, const char *ca, const char *leaf)
{
    s->ca_der = load(ca);
    s->leaf_der = load(leaf);
    ck_assert_int_eq(nj_cert_init(&s->ca, s->ca_der, NULL), NJ_OK);
    ck_assert_int_eq(nj_cert_init(&s->leaf, s->leaf_der, NULL), NJ_OK);
}

static void scene_fini(struct scene *s)
{
    nj_cert_fini(&s->ca);
    nj_cert_fini(&s->leaf);
    unload(s->ca_der);
    unload(s->leaf_der);
}

static int read_answer(const struct scene *s, int i, const char *name, struct nj_ocsp_answer *a,
                       struct nj_error *err)
{
    struct nj_span der = load(name);
    int rc = nj_ocsp_response_read(der, &s->leaf, &s->ca, crypto(i), (int64_t) time(NULL), a, err);
    unload(der);
    return rc;
}

/* ---- the certificate ------------------------------------------------------------------------- */

START_TEST(certificate_says_staple_responders_and_usage)
{
    struct scene s;
    struct nj_span urls[4];
    scene_init(&s, "signer.crt", "leaf.crt");

    ck_assert(nj_cert_must_staple(&s.leaf));
    ck_assert(!nj_cert_must_staple(&s.ca));
    ck_assert(nj_cert_may_sign_ocsp(&s.ca));
    ck_assert(!nj_cert_may_sign_ocsp(&s.leaf));
    ck_assert_uint_eq(nj_cert_responders(&s.ca, urls, 4), 0);
    ck_assert_uint_eq(nj_cert_responders(&s.leaf, urls, 4), 2);
    ck_assert_uint_eq(urls[0].len, strlen("http://a.example/ocsp"));
    ck_assert_mem_eq(urls[0].ptr, "http://a.example/ocsp", urls[0].len);
    ck_assert_mem_eq(urls[1].ptr, "http://b.example:81", urls[1].len);
    ck_assert_uint_eq(nj_cert_responders(&s.leaf, urls, 1), 1);
    scene_fini(&s);
}
END_TEST

START_TEST(issuer_is_known_by_name_and_signature)
{
    struct scene s;
    scene_init(&s, "ca.crt", "leaf.crt");
    struct nj_span other = load("other-ca.crt");
    struct nj_cert foreign;
    ck_assert_int_eq(nj_cert_init(&foreign, other, NULL), NJ_OK);

    ck_assert(nj_ocsp_is_issuer(&s.ca, &s.leaf, crypto(_i)));
    ck_assert(!nj_ocsp_is_issuer(&foreign, &s.leaf, crypto(_i)));
    ck_assert(!nj_ocsp_is_issuer(&s.leaf, &s.ca, crypto(_i)));
    foreign.subject = s.ca.subject; /* the same name and another key */
    ck_assert(!nj_ocsp_is_issuer(&foreign, &s.leaf, crypto(_i)));
    nj_cert_fini(&foreign);
    unload(other);
    scene_fini(&s);
}
END_TEST

START_TEST(request_is_what_openssl_writes)
{
    struct scene s;
    struct nj_buf out;
    scene_init(&s, "ca.crt", "leaf.crt");
    struct nj_span want = load("request.der");
    nj_buf_init(&out, SIZE_MAX);

    ck_assert_int_eq(nj_ocsp_request_write(&s.leaf, &s.ca, crypto(_i), &out, NULL), NJ_OK);
    ck_assert_uint_eq(out.len, want.len);
    ck_assert_mem_eq(out.ptr, want.ptr, want.len);
    nj_buf_free(&out);
    unload(want);
    scene_fini(&s);
}
END_TEST

START_TEST(longest_serial_number_fits_a_request)
{
    static uint8_t serial[65];
    struct scene s;
    struct nj_buf out;
    scene_init(&s, "ca.crt", "leaf.crt");
    nj_buf_init(&out, SIZE_MAX);
    memset(serial, 0x11, sizeof(serial));

    s.leaf.serial = (struct nj_span){ serial, 64 };
    ck_assert_int_eq(nj_ocsp_request_write(&s.leaf, &s.ca, crypto(_i), &out, NULL), NJ_OK);
    ck_assert_uint_eq((uint8_t) out.ptr[1], 0x81);
    ck_assert_uint_eq((uint8_t) out.ptr[2], out.len - 3);
    s.leaf.serial.len = 65;
    ck_assert_int_lt(nj_ocsp_request_write(&s.leaf, &s.ca, crypto(_i), &out, NULL), 0);
    nj_buf_free(&out);
    scene_fini(&s);
}
END_TEST

/* ---- answers --------------------------------------------------------------------------------- */

START_TEST(answers_are_read_and_their_signers_judged)
{
    static const struct {
        const char *name;
        enum nj_ocsp_status status;
        const char *refusal; /* NULL: it counts */
    } rows[] = {
        { "good.der", NJ_OCSP_GOOD, NULL },
        { "dated.der", NJ_OCSP_GOOD, NULL },
        { "revoked.der", NJ_OCSP_REVOKED, NULL },
        { "unknown.der", NJ_OCSP_UNKNOWN, NULL },
        { "delegated.der", NJ_OCSP_GOOD, NULL },
        { "delegated-rsa.der", NJ_OCSP_GOOD, NULL },
        { "both.der", NJ_OCSP_GOOD, NULL },
        { "sha256.der", NJ_OCSP_GOOD, NULL },
        { "nonce.der", NJ_OCSP_GOOD, NULL },
        { "no-usage.der", NJ_OCSP_GOOD,
          "OCSP response signer missing authorization by CA to act as OCSP signer" },
        { "foreign.der", NJ_OCSP_GOOD,
          "bad OCSP signature: its signer is not of the certificate's issuer" },
        { "request.der", NJ_OCSP_GOOD, "ocsp: malformed response" },
        { "leaf.crt", NJ_OCSP_GOOD, "ocsp: malformed response" },
    };
    struct scene s;
    scene_init(&s, "ca.crt", "leaf.crt");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nj_ocsp_answer a = { .status = NJ_OCSP_UNKNOWN };
        struct nj_error err = NJ_ERROR_INIT;
        int rc = read_answer(&s, _i, rows[i].name, &a, &err);
        ck_assert_msg((rc == NJ_OK) == (rows[i].refusal == NULL), "%s: %s", rows[i].name, err.text);
        if (rows[i].refusal != NULL) {
            ck_assert_str_eq(err.text, rows[i].refusal);
        } else {
            ck_assert_msg(a.status == rows[i].status, "%s", rows[i].name);
            bool dated = strcmp(rows[i].name, "dated.der") == 0;
            ck_assert_int_eq(a.next_update_s - a.this_update_s == 2 * 24 * 60 * 60, dated);
        }
    }
    scene_fini(&s);
}
END_TEST

START_TEST(answer_about_another_certificate_does_not_count)
{
    struct scene s;
    struct nj_ocsp_answer a;
    struct nj_error err = NJ_ERROR_INIT;
    scene_init(&s, "ca.crt", "signer.crt");
    ck_assert_int_lt(read_answer(&s, _i, "good.der", &a, &err), 0);
    ck_assert_str_eq(err.text, "no response matching the supplied certificate");
    scene_fini(&s);
    scene_init(&s, "other-ca.crt", "leaf.crt"); /* the same serial number of another issuer */
    ck_assert_int_lt(read_answer(&s, _i, "good.der", &a, &err), 0);
    ck_assert_str_eq(err.text, "no response matching the supplied certificate");
    scene_fini(&s);
}
END_TEST

START_TEST(expired_delegate_does_not_count)
{
    struct scene s;
    struct nj_ocsp_answer a;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_span der = load("delegated.der");
    scene_init(&s, "ca.crt", "leaf.crt");
    ck_assert_int_lt(
        nj_ocsp_response_read(der, &s.leaf, &s.ca, crypto(_i), INT64_C(9000000000), &a, &err), 0);
    ck_assert_str_eq(err.text, "OCSP response signer's certificate is not valid now");
    unload(der);
    scene_fini(&s);
}
END_TEST

/* Every single bit of a short answer is there for a reason. */
START_TEST(no_changed_bit_passes)
{
    struct scene s;
    struct nj_span der = load("good.der");
    uint8_t *bytes = malloc(der.len);
    ck_assert_ptr_nonnull(bytes);
    scene_init(&s, "ca.crt", "leaf.crt");
    for (size_t at = 0; at < der.len; at++) {
        struct nj_ocsp_answer a;
        memcpy(bytes, der.ptr, der.len);
        bytes[at] ^= (uint8_t) (1U << (at % 8));
        struct nj_span changed = { bytes, der.len };
        ck_assert_msg(nj_ocsp_response_read(changed, &s.leaf, &s.ca, crypto(_i),
                                            (int64_t) time(NULL), &a, NULL) < 0,
                      "byte %zu", at);
    }
    for (size_t len = 0; len < der.len; len++) {
        struct nj_ocsp_answer a;
        struct nj_span cut = { der.ptr, len };
        ck_assert_int_lt(nj_ocsp_response_read(cut, &s.leaf, &s.ca, crypto(_i),
                                               (int64_t) time(NULL), &a, NULL),
                         0);
    }
    free(bytes);
    unload(der);
    scene_fini(&s);
}
END_TEST

START_TEST(servers_refusals_have_words)
{
    static const struct {
        uint8_t code;
        const char *text;
    } rows[] = { { 1, "ocsp: error from server: malformed" },
                 { 2, "ocsp: error from server: internal error" },
                 { 3, "ocsp: error from server: try later" },
                 { 4, "ocsp: error from server: unknown OCSP status" },
                 { 5, "ocsp: error from server: signature required" },
                 { 6, "ocsp: error from server: unauthorized" },
                 { 200, "ocsp: error from server: unknown OCSP status" } };
    struct scene s;
    scene_init(&s, "ca.crt", "leaf.crt");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint8_t der[] = { 0x30, 0x03, 0x0a, 0x01, rows[i].code };
        struct nj_ocsp_answer a;
        struct nj_error err = NJ_ERROR_INIT;
        ck_assert_int_lt(nj_ocsp_response_read((struct nj_span){ der, sizeof(der) }, &s.leaf, &s.ca,
                                               crypto(_i), 0, &a, &err),
                         0);
        ck_assert_str_eq(err.text, rows[i].text);
    }
    scene_fini(&s);
}
END_TEST

/* ---- time ------------------------------------------------------------------------------------ */

START_TEST(dates_are_tolerated_by_the_skew_and_no_more)
{
    const struct nj_ocsp_answer a = { .this_update_s = 1000, .next_update_s = 2000 };
    const struct nj_ocsp_answer endless = { .this_update_s = 1000 };
    struct nj_error err = NJ_ERROR_INIT;
    ck_assert_int_eq(nj_ocsp_check_time(&a, 1000, 0, &err), NJ_OK);
    ck_assert_int_eq(nj_ocsp_check_time(&a, 2000, 0, &err), NJ_OK);
    ck_assert_int_eq(nj_ocsp_check_time(&a, 2030, 30, &err), NJ_OK);
    ck_assert_int_eq(nj_ocsp_check_time(&a, 970, 30, &err), NJ_OK);
    ck_assert_int_eq(nj_ocsp_check_time(&endless, INT32_MAX, 0, &err), NJ_OK);

    ck_assert_int_lt(nj_ocsp_check_time(&a, 2031, 30, &err), 0);
    ck_assert_str_eq(err.text, "invalid ocsp NextUpdate, is past time: 1970-01-01 00:33:20 +0000 UTC");
    ck_assert_int_lt(nj_ocsp_check_time(&a, 969, 30, &err), 0);
    ck_assert_str_eq(err.text,
                     "invalid ocsp ThisUpdate, is future time: 1970-01-01 00:16:40 +0000 UTC");
}
END_TEST

START_TEST(next_question_comes_after_half_of_the_time)
{
    const int64_t second = 1000000000;
    ck_assert_int_eq(nj_staple_delay_ns(3600, 0), 1800 * second);
    ck_assert_int_eq(nj_staple_delay_ns(0, 5 * second), 24 * 60 * 60 * second);
    ck_assert_int_eq(nj_staple_delay_ns(10, 10 * second), 120 * second);
    ck_assert_int_eq(nj_staple_delay_ns(10, 500 * second), 120 * second);
    ck_assert_int_eq(nj_staple_delay_ns(11, 10 * second), second); /* no storm near the end */
    ck_assert_int_eq(nj_staple_delay_ns(INT64_MAX / 4, 0), 24 * 60 * 60 * second);
}
END_TEST

/* ---- what is remembered ---------------------------------------------------------------------- */

static void key_of(uint8_t key[NJ_OCSP_KEY_LEN], uint8_t set, uint8_t number)
{
    memset(key, 0, NJ_OCSP_KEY_LEN);
    key[1] = set;
    key[5] = number;
}

START_TEST(what_is_remembered_counts_until_its_end)
{
    struct nj_ocsp_cache *c = nj_ocsp_cache_new();
    struct nj_ocsp_cache_facts facts;
    enum nj_ocsp_status status = NJ_OCSP_UNKNOWN;
    uint8_t key[NJ_OCSP_KEY_LEN], other[NJ_OCSP_KEY_LEN];
    key_of(key, 1, 1);
    key_of(other, 1, 2);
    nj_ocsp_cache_put(c, key, NJ_OCSP_GOOD, 100);

    ck_assert_int_eq(nj_ocsp_cache_get(c, key, 100, &status), 1);
    ck_assert_int_eq(status, NJ_OCSP_GOOD);
    ck_assert_int_eq(nj_ocsp_cache_get(c, key, 101, &status), 0);
    ck_assert_int_lt(nj_ocsp_cache_get(c, other, 100, &status), 0);
    nj_ocsp_cache_put(c, key, NJ_OCSP_REVOKED, 200);
    ck_assert_int_eq(nj_ocsp_cache_get(c, key, 101, &status), 1);
    ck_assert_int_eq(status, NJ_OCSP_REVOKED);

    nj_ocsp_cache_facts(c, &facts);
    ck_assert_uint_eq(facts.hits, 2);
    ck_assert_uint_eq(facts.misses, 2);
    ck_assert_uint_eq(facts.responses[NJ_OCSP_GOOD], 0);
    ck_assert_uint_eq(facts.responses[NJ_OCSP_REVOKED], 1);
    nj_ocsp_cache_free(&c);
}
END_TEST

START_TEST(memory_is_bounded_and_the_oldest_makes_room)
{
    struct nj_ocsp_cache *c = nj_ocsp_cache_new();
    struct nj_ocsp_cache_facts facts;
    enum nj_ocsp_status status;
    uint8_t key[NJ_OCSP_KEY_LEN];
    for (int i = 0; i < 200; i++) { /* all of them want the same few places */
        key_of(key, 7, (uint8_t) i);
        nj_ocsp_cache_put(c, key, NJ_OCSP_GOOD, 1000 + i);
    }
    ck_assert_int_eq(nj_ocsp_cache_get(c, key, 0, &status), 1);
    key_of(key, 7, 0);
    ck_assert_int_lt(nj_ocsp_cache_get(c, key, 0, &status), 0);
    nj_ocsp_cache_facts(c, &facts);
    ck_assert_uint_gt(facts.responses[NJ_OCSP_GOOD], 0);
    ck_assert_uint_lt(facts.responses[NJ_OCSP_GOOD], 32);
    nj_ocsp_cache_free(&c);
}
END_TEST

/* ---- HTTP ------------------------------------------------------------------------------------ */

START_TEST(addresses_of_responders_are_taken_apart)
{
    static const struct {
        const char *url, *host, *port, *path;
    } good[] = { { "http://a.example", "a.example", "80", "" },
                 { "HTTP://a.example/", "a.example", "80", "" },
                 { "http://a.example:81/x/y/", "a.example", "81", "/x/y" },
                 { "http://[::1]:81", "::1", "81", "" },
                 { "http://[::1]/a?b#c", "::1", "80", "/a?b" } };
    static const char *const bad[] = { "",
                                       "nonsense",
                                       "ldap://a/",
                                       "http://",
                                       "http:///x",
                                       "http://u@a/",
                                       "http://a:x/",
                                       "http://a:123456/",
                                       "http://[::1/",
                                       "http://[::1]x/",
                                       "http://a b/",
                                       "http://a/\r\nHost: b" };
    struct nj_ocsp_url u;
    struct nj_error err = NJ_ERROR_INIT;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(nj_ocsp_url_read(good[i].url, &u, &err) == NJ_OK, "%s", good[i].url);
        ck_assert_str_eq(u.host, good[i].host);
        ck_assert_str_eq(u.port, good[i].port);
        ck_assert_str_eq(u.path, good[i].path);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(nj_ocsp_url_read(bad[i], &u, &err) < 0, "%s", bad[i]);
    }
    ck_assert_int_eq(nj_ocsp_url_read("https://a.example/", &u, &err), NJ_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "use http"));
}
END_TEST

START_TEST(http_answers_come_in_pieces)
{
    static const struct {
        const char *text;
        const char *body; /* NULL: nothing is taken */
        int status;
        enum nj_ocsp_http whole; /* what the whole text means, with no end behind it */
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", 200, NJ_OCSP_HTTP_DONE },
        { "HTTP/1.0 200 OK\ncontent-length:3\n\nabcd", "abc", 200, NJ_OCSP_HTTP_DONE },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
          "abc", 200, NJ_OCSP_HTTP_DONE },
        { "HTTP/1.1 200 OK\r\n\r\nabc", "abc", 200, NJ_OCSP_HTTP_MORE },
        { "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nx", "", 404, NJ_OCSP_HTTP_DONE },
        { "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", NULL, 0, NJ_OCSP_HTTP_BAD },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", NULL, 0, NJ_OCSP_HTTP_BAD },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", NULL, 0,
          NJ_OCSP_HTTP_BAD },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", NULL, 0, NJ_OCSP_HTTP_BAD },
        { "SSH-2.0-x\r\n\r\n", NULL, 0, NJ_OCSP_HTTP_BAD },
        { "\r\n", NULL, 0, NJ_OCSP_HTTP_BAD },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nj_span all = { (const uint8_t *) rows[i].text, strlen(rows[i].text) };
        struct nj_buf body;
        int status = 0;
        nj_buf_init(&body, NJ_OCSP_MAX_LEN);
        ck_assert_msg(nj_ocsp_http_read(all, false, &status, &body) == rows[i].whole, "row %zu", i);
        nj_buf_clear(&body);
        enum nj_ocsp_http ended = nj_ocsp_http_read(all, true, &status, &body);
        ck_assert_int_eq(ended, rows[i].body != NULL ? NJ_OCSP_HTTP_DONE : NJ_OCSP_HTTP_BAD);
        if (rows[i].body != NULL) {
            ck_assert_int_eq(status, rows[i].status);
            ck_assert_uint_eq(body.len, strlen(rows[i].body));
            ck_assert_mem_eq(body.ptr == NULL ? "" : body.ptr, rows[i].body, body.len);
        }
        nj_buf_free(&body);
    }
}
END_TEST

START_TEST(http_answer_that_ends_early_is_bad)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        struct nj_span cut = { (const uint8_t *) text, len };
        struct nj_buf body;
        int status = 0;
        nj_buf_init(&body, NJ_OCSP_MAX_LEN);
        ck_assert_int_eq(nj_ocsp_http_read(cut, false, &status, &body), NJ_OCSP_HTTP_MORE);
        ck_assert_int_eq(nj_ocsp_http_read(cut, true, &status, &body), NJ_OCSP_HTTP_BAD);
        ck_assert_uint_eq(body.len, 0);
        nj_buf_free(&body);
    }
}
END_TEST

/* ---- all ------------------------------------------------------------------------------------- */

int main(void)
{
    providers_n = nj_kit_providers_from_env(providers, NJ_KIT_PROVIDERS_MAX);
    if (providers_n == 0) {
        (void) fprintf(stderr, "skipped: no provider was built\n");
        return 77;
    }
    const TTest *const with_crypto[] = {
        issuer_is_known_by_name_and_signature,
        request_is_what_openssl_writes,
        longest_serial_number_fits_a_request,
        answers_are_read_and_their_signers_judged,
        answer_about_another_certificate_does_not_count,
        expired_delegate_does_not_count,
        no_changed_bit_passes,
        servers_refusals_have_words,
    };
    Suite *suite = suite_create("ocsp");
    TCase *tc = tcase_create("ocsp");
    for (size_t i = 0; i < sizeof(with_crypto) / sizeof(with_crypto[0]); i++) {
        tcase_add_loop_test(tc, with_crypto[i], 0, (int) providers_n);
    }
    tcase_add_test(tc, certificate_says_staple_responders_and_usage);
    tcase_add_test(tc, dates_are_tolerated_by_the_skew_and_no_more);
    tcase_add_test(tc, next_question_comes_after_half_of_the_time);
    tcase_add_test(tc, what_is_remembered_counts_until_its_end);
    tcase_add_test(tc, memory_is_bounded_and_the_oldest_makes_room);
    tcase_add_test(tc, addresses_of_responders_are_taken_apart);
    tcase_add_test(tc, http_answers_come_in_pieces);
    tcase_add_test(tc, http_answer_that_ends_early_is_bad);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (size_t i = 0; i < providers_n; i++) {
        nj_kit_provider_fini(&providers[i]);
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
