/* TLS of the monitoring port, with a provider that hides nothing: each byte stands for itself. */
#include "ops/monitor_tls.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "natterjack/tls.h"
#include "tls/block.h"
#include "tls/hello.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- the provider ---------------------------------------------------------------------------- */

/*
 * The handshake ends with the byte 'F' after the hello; another one fails it.  After it '.' is the peer's goodbye, '!' a damaged record,
 * '+' grows without end, and all else is itself.
 */
struct nj_tls_ctx {
    int refs;
};
struct nj_tls_session {
    bool done;
};

static struct nj_tls_ctx the_ctx;
static struct nj_tls_session the_session;
static int accepted, freed, goodbyes;
static size_t first_len; /* what the first handshake() got */

static int fake_accept(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **sess_out,
                       struct nj_error *err)
{
    (void) user;
    (void) err;
    ck_assert_ptr_eq(ctx, &the_ctx);
    accepted++;
    the_session.done = false;
    *sess_out = &the_session;
    return NJ_OK;
}

static int fake_handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    if (first_len == 0) {
        first_len = in->len;
        nj_sink_put(out, "flight", 6);
        in->used = in->len; /* the hello */
        return NJ_NEED_IN;
    }
    uint8_t byte = in->ptr[in->used++];
    if (byte == 'F') {
        s->done = true;
        return NJ_OK;
    }
    nj_sink_put(out, "alert", 5);
    return NJ_E_FAILED;
}

static int fake_open(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                     size_t *n_out, struct nj_sink *out)
{
    (void) s;
    (void) out;
    *n_out = 0;
    while (in->used < in->len) {
        uint8_t byte = in->ptr[in->used++];
        if (byte == '.' || byte == '!') {
            return byte == '.' ? NJ_E_CLOSED : NJ_E_FAILED;
        }
        if (byte == '+') {
            in->used--;
            memset(dst, '+', cap);
            *n_out = cap;
            return NJ_OK;
        }
        dst[(*n_out)++] = byte;
    }
    return NJ_NEED_IN;
}

static uint16_t chosen_suite;

static void fake_info(struct nj_tls_session *s, struct nj_tls_info *out)
{
    (void) s;
    out->version = NJ_TLS_1_3;
    out->suite = chosen_suite;
    out->group = 29;
}

static int fake_abort(struct nj_tls_session *s, int32_t alert, struct nj_sink *out)
{
    uint8_t byte = (uint8_t) alert;
    (void) s;
    nj_sink_put(out, &byte, 1);
    return NJ_OK;
}

static size_t fake_has_plain(struct nj_tls_session *s)
{
    (void) s;
    return 0;
}

static int fake_seal(struct nj_tls_session *s, const uint8_t *src, size_t len, struct nj_sink *out)
{
    (void) s;
    nj_sink_put(out, "<", 1);
    nj_sink_put(out, src, len);
    nj_sink_put(out, ">", 1);
    return NJ_OK;
}

static int fake_close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    (void) s;
    goodbyes++;
    nj_sink_put(out, "bye", 3);
    return NJ_OK;
}

static void fake_error(struct nj_tls_session *s, struct nj_error *out)
{
    (void) s;
    (void) nj_error_set(out, NJ_E_FAILED, "the provider's words");
}

static void fake_free(struct nj_tls_session *s)
{
    ck_assert_ptr_eq(s, &the_session);
    freed++;
}

static void fake_unref(struct nj_tls_ctx *ctx)
{
    ctx->refs--;
}

static const struct nj_tls_provider fake = {
    .size = sizeof(fake),
    .accept = fake_accept,
    .ctx_unref = fake_unref,
    .handshake = fake_handshake,
    .open = fake_open,
    .has_plain = fake_has_plain,
    .seal = fake_seal,
    .close_notify = fake_close_notify,
    .abort = fake_abort,
    .info = fake_info,
    .error = fake_error,
    .free = fake_free,
};

/* ---- the setup, in place of tls/block.c ------------------------------------------------------ */

static const uint16_t suites[] = { 0x1301, 0x1302, 0xc02b, 0xc02f };
static const uint16_t groups[] = { 29, 23, 24 };
static struct nj_tls_setup the_setup;
static int setup_refs;
static bool picked_for_none;

struct nj_tls_setup *nj_tls_setup_ref(struct nj_tls_setup *setup)
{
    setup_refs++;
    return setup;
}

void nj_tls_setup_unref(struct nj_tls_setup **setupp)
{
    setup_refs -= *setupp != NULL ? 1 : 0;
    *setupp = NULL;
}

struct nj_tls_ctx *nj_tls_setup_pick(const struct nj_tls_setup *setup, const struct nj_hello *hello)
{
    (void) setup;
    picked_for_none = hello == NULL;
    the_ctx.refs++;
    return &the_ctx;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static struct nj_mon_tls *t;
static uint8_t plain[NJ_MON_TLS_PLAIN_MAX];
static size_t plain_len;
static uint8_t hello[2048];
static size_t hello_len;

static void load_hello(void)
{
    char path[512];
    const char *top = getenv("NJ_TEST_SRCDIR");
    (void) snprintf(path, sizeof(path), "%s/tests/corpus/hellos/openssl.bin",
                    top != NULL ? top : ".");
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    hello_len = fread(hello, 1, sizeof(hello), f);
    (void) fclose(f);
    ck_assert_uint_gt(hello_len, 100);
}

static void setup(void)
{
    accepted = freed = goodbyes = setup_refs = 0;
    first_len = 0;
    chosen_suite = 0x1301;
    the_ctx.refs = 0;
    the_setup = (struct nj_tls_setup){ .provider = &fake };
    the_setup.offer = (struct nj_tls_settings){ .size = sizeof(struct nj_tls_settings),
                                                .min_version = NJ_TLS_1_2,
                                                .max_version = NJ_TLS_1_3,
                                                .suites = suites,
                                                .suites_n = COUNT(suites),
                                                .groups = groups,
                                                .groups_n = COUNT(groups) };
    t = nj_mon_tls_new(&the_setup);
    load_hello();
}

static void teardown(void)
{
    nj_mon_tls_free(&t);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(setup_refs, 0);
    ck_assert_int_eq(the_ctx.refs, 0);
    ck_assert_int_eq(freed, accepted);
}

static int input(const void *p, size_t len)
{
    return nj_mon_tls_input(t, p, len, plain, &plain_len);
}

static bool out_is(const char *text)
{
    const struct nj_buf *out = nj_mon_tls_out(t);
    return out->len == strlen(text) && (out->len == 0 || memcmp(out->ptr, text, out->len) == 0);
}

static void open_it(void)
{
    ck_assert_int_eq(input(hello, hello_len), NJ_OK);
    ck_assert_int_eq(input("F", 1), NJ_OK);
    ck_assert(nj_mon_tls_is_open(t));
    nj_buf_clear(nj_mon_tls_out(t));
}

/* ---- the handshake --------------------------------------------------------------------------- */

START_TEST(a_session_is_made_when_the_whole_hello_is_here)
{
    for (size_t i = 0; i + 1 < hello_len; i++) {
        ck_assert_int_eq(input(hello + i, 1), NJ_OK);
        ck_assert_int_eq(accepted, 0);
    }
    ck_assert_int_eq(input(hello + hello_len - 1, 1), NJ_OK);

    ck_assert_int_eq(accepted, 1);
    ck_assert_uint_eq(first_len, hello_len);
    ck_assert(!picked_for_none);
    ck_assert(out_is("flight"));
    ck_assert(!nj_mon_tls_is_open(t));
}
END_TEST

START_TEST(bytes_behind_the_handshake_come_out_of_the_same_call)
{
    ck_assert_int_eq(input(hello, hello_len), NJ_OK);
    ck_assert_uint_eq(plain_len, 0);
    ck_assert_int_eq(input("FGET /", 6), NJ_OK);

    ck_assert(nj_mon_tls_is_open(t));
    ck_assert_uint_eq(plain_len, 5);
    ck_assert_int_eq(memcmp(plain, "GET /", 5), 0);
}
END_TEST

START_TEST(a_failed_handshake_has_the_providers_words_and_its_alert)
{
    ck_assert_int_eq(input(hello, hello_len), NJ_OK);
    nj_buf_clear(nj_mon_tls_out(t));

    ck_assert_int_eq(input("!", 1), NJ_E_FAILED);

    ck_assert(out_is("alert"));
    ck_assert_str_eq(nj_mon_tls_why(t), "the provider's words");
    ck_assert_int_eq(input("F", 1), NJ_E_FAILED);
}
END_TEST

START_TEST(a_suite_that_is_off_is_refused_though_the_library_chose_it)
{
    chosen_suite = 0x1303;
    ck_assert_int_eq(input(hello, hello_len), NJ_OK);
    nj_buf_clear(nj_mon_tls_out(t));

    ck_assert_int_eq(input("F", 1), NJ_E_FAILED);

    ck_assert(out_is("\x28")); /* 40 */
    ck_assert_str_eq(nj_mon_tls_why(t), "tls: the library chose TLS_CHACHA20_POLY1305_SHA256, "
                                        "which is not allowed");
    ck_assert(!nj_mon_tls_is_open(t));
}
END_TEST

START_TEST(what_does_not_fit_is_said_in_our_words)
{
    static const uint16_t other[] = { 0x1303 };
    the_setup.offer.suites = other;
    the_setup.offer.suites_n = 1;
    the_setup.offer.min_version = NJ_TLS_1_3;
    static const uint16_t no_group[] = { 0x6399 };
    the_setup.offer.groups = no_group;
    the_setup.offer.groups_n = 1;
    ck_assert_int_eq(input(hello, hello_len), NJ_OK);

    ck_assert_int_eq(input("!", 1), NJ_E_FAILED);

    ck_assert_int_eq(strncmp(nj_mon_tls_why(t), "tls: no ", 8), 0);
}
END_TEST

START_TEST(an_endless_hello_is_refused_in_clear)
{
    const uint8_t huge[] = { 22, 3, 1, 0, 6, 1, 0xff, 0xff, 0xff, 3, 3 };

    ck_assert_int_eq(input(huge, sizeof(huge)), NJ_E_FAILED);

    const struct nj_buf *out = nj_mon_tls_out(t);
    ck_assert_uint_gt(out->len, 7);
    ck_assert_int_eq(out->ptr[out->len - 7], 21);
    ck_assert(picked_for_none);
}
END_TEST

/* ---- what is no TLS -------------------------------------------------------------------------- */

static const char *const requests[] = { "GET / HTTP/1.1\r\n\r\n", "HEAD /", "POST /x", "PUT /",
                                        "OPTIONS *" };

START_TEST(a_request_in_clear_gets_the_sentence)
{
    ck_assert_int_eq(input(requests[_i], 4), NJ_OK); /* too few to tell */
    ck_assert(out_is(""));
    ck_assert_int_eq(input(requests[_i] + 4, strlen(requests[_i]) - 4), NJ_E_FAILED);

    ck_assert(out_is("HTTP/1.0 400 Bad Request\r\n\r\n"
                     "Client sent an HTTP request to an HTTPS server.\n"));
    ck_assert_str_eq(nj_mon_tls_why(t), "client sent an HTTP request to an HTTPS server");
    ck_assert_int_eq(accepted, 0);
}
END_TEST

static const char *const garbage[] = { "GET\t/ HTTP/1.1\r\n", "get / HTTP", "CONNECT {}\r\n",
                                       "PUTS /", "DELETE /varz" };

START_TEST(other_text_gets_nothing)
{
    ck_assert_int_eq(input(garbage[_i], strlen(garbage[_i])), NJ_E_FAILED);

    ck_assert(out_is(""));
    ck_assert_str_eq(nj_mon_tls_why(t), "tls: first record does not look like a TLS handshake");
    ck_assert_int_eq(accepted, 0);
}
END_TEST

START_TEST(an_early_end_has_its_word)
{
    ck_assert_str_eq(nj_mon_tls_why_eof(t), "EOF");

    ck_assert_int_eq(input("\x16", 1), NJ_OK);

    ck_assert_str_eq(nj_mon_tls_why_eof(t), "unexpected EOF");
}
END_TEST

/* ---- records --------------------------------------------------------------------------------- */

START_TEST(records_end_with_goodbye_or_damage)
{
    open_it();

    ck_assert_int_eq(input("abc", 3), NJ_OK);
    ck_assert_uint_eq(plain_len, 3);
    ck_assert_int_eq(input(_i == 0 ? "de." : "de!", 3), _i == 0 ? NJ_E_CLOSED : NJ_E_FAILED);
    ck_assert_uint_eq(plain_len, 2);
    ck_assert_int_eq(nj_mon_tls_is_open(t), _i == 0);
}
END_TEST

START_TEST(a_provider_that_gives_more_than_it_got_is_stopped)
{
    open_it();

    ck_assert_int_eq(input("+", 1), NJ_E_FAILED);

    ck_assert_uint_eq(plain_len, NJ_MON_TLS_PLAIN_MAX);
    ck_assert(!nj_mon_tls_is_open(t));
}
END_TEST

START_TEST(answers_are_sealed_and_goodbye_is_said_once)
{
    open_it();

    ck_assert_int_eq(nj_mon_tls_seal(t, "hello", 5), NJ_OK);
    nj_mon_tls_goodbye(t);
    nj_mon_tls_goodbye(t);

    ck_assert(out_is("<hello>bye"));
    ck_assert_int_eq(goodbyes, 1);
}
END_TEST

START_TEST(nobody_is_told_goodbye_before_the_handshake)
{
    nj_mon_tls_goodbye(t);
    ck_assert_int_eq(input(hello, hello_len), NJ_OK);
    nj_mon_tls_goodbye(t);

    ck_assert(out_is("flight"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("monitor_tls");
    TCase *tc = tcase_create("monitor_tls");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_session_is_made_when_the_whole_hello_is_here);
    tcase_add_test(tc, bytes_behind_the_handshake_come_out_of_the_same_call);
    tcase_add_test(tc, a_failed_handshake_has_the_providers_words_and_its_alert);
    tcase_add_test(tc, a_suite_that_is_off_is_refused_though_the_library_chose_it);
    tcase_add_test(tc, what_does_not_fit_is_said_in_our_words);
    tcase_add_test(tc, an_endless_hello_is_refused_in_clear);
    tcase_add_loop_test(tc, a_request_in_clear_gets_the_sentence, 0, (int) COUNT(requests));
    tcase_add_loop_test(tc, other_text_gets_nothing, 0, (int) COUNT(garbage));
    tcase_add_test(tc, an_early_end_has_its_word);
    tcase_add_loop_test(tc, records_end_with_goodbye_or_damage, 0, 2);
    tcase_add_test(tc, a_provider_that_gives_more_than_it_got_is_stopped);
    tcase_add_test(tc, answers_are_sealed_and_goodbye_is_said_once);
    tcase_add_test(tc, nobody_is_told_goodbye_before_the_handshake);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
