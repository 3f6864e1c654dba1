/* test_lookup.c: a resolver that does not answer holds nobody beyond his time. */
#include <check.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "natterjack/plugin.h"
#include "tls/lookup.h"
#include "tls/ocsp_fetch.h"

#define LONG_MS 60000

static sem_t asked;  /* once for each question */
static sem_t answer; /* one more may have its answer */

/* A name server that is dead until it is told to answer. */
static int dead_resolver(const char *host, const char *port, const struct addrinfo *hints,
                         struct addrinfo **list_out)
{
    const struct addrinfo digits = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    (void) hints;
    (void) sem_post(&asked);
    while (sem_wait(&answer) != 0) {
    }
    return strcmp(host, "nobody.invalid") == 0 ? EAI_NONAME
                                               : getaddrinfo("127.0.0.1", port, &digits, list_out);
}

static void setup(void)
{
    (void) sem_init(&asked, 0, 0);
    (void) sem_init(&answer, 0, 0);
    nj_lookup_ask_instead(dead_resolver);
}

/* The late ones drop their answers before the test ends, or the sanitizer has a word to say. */
static void let_all_answer(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        (void) sem_post(&answer);
    }
    while (nj_lookup_threads() > 0) {
        (void) poll(NULL, 0, 1);
    }
}

static struct nj_lookup *start(const char *host)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_lookup *l = NULL;
    ck_assert_msg(nj_lookup_start(host, "80", &l, &err) == NJ_OK, "%s", err.text);
    return l;
}

static int wait_for(const struct nj_lookup *l, int timeout_ms)
{
    struct pollfd p = { .fd = nj_lookup_fd(l), .events = POLLIN };
    return poll(&p, 1, timeout_ms);
}

START_TEST(a_name_has_its_addresses)
{
    const struct addrinfo *list = NULL;
    struct nj_lookup *l = start("responder.example");
    ck_assert_int_eq(wait_for(l, 0), 0);
    ck_assert_int_eq(nj_lookup_result(l, &list), EAI_AGAIN); /* nothing yet */

    (void) sem_post(&answer);

    ck_assert_int_eq(wait_for(l, LONG_MS), 1);
    ck_assert_int_eq(nj_lookup_result(l, &list), 0);
    ck_assert_int_eq(list->ai_family, AF_INET);
    nj_lookup_leave(&l);
    ck_assert_ptr_null(l);
    let_all_answer(0);
}
END_TEST

START_TEST(a_name_that_is_not_there_has_none)
{
    const struct addrinfo *list = NULL;
    struct nj_lookup *l = start("nobody.invalid");

    (void) sem_post(&answer);

    ck_assert_int_eq(wait_for(l, LONG_MS), 1);
    ck_assert_int_eq(nj_lookup_result(l, &list), EAI_NONAME);
    nj_lookup_leave(&l);
    let_all_answer(0);
}
END_TEST

START_TEST(an_address_in_digits_needs_no_thread)
{
    const struct addrinfo *list = NULL;
    nj_lookup_ask_instead(getaddrinfo);
    struct nj_lookup *l = start("::1");

    ck_assert_uint_eq(nj_lookup_threads(), 0);
    ck_assert_int_eq(wait_for(l, 0), 1);
    ck_assert_int_eq(nj_lookup_result(l, &list), 0);
    ck_assert_int_eq(list->ai_family, AF_INET6);
    nj_lookup_leave(&l);
}
END_TEST

START_TEST(who_leaves_first_is_not_looked_for_by_the_answer)
{
    struct nj_lookup *l = start("responder.example");
    ck_assert_int_eq(sem_wait(&asked), 0);

    nj_lookup_leave(&l);
    ck_assert_uint_eq(nj_lookup_threads(), 1);

    let_all_answer(1);
    nj_lookup_leave(&l); /* again: nothing */
}
END_TEST

START_TEST(the_threads_that_wait_for_a_dead_resolver_are_counted)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_lookup *l = NULL;
    for (int i = 0; i < NJ_LOOKUPS_MOST; i++) {
        l = start("responder.example");
        nj_lookup_leave(&l);
    }

    ck_assert_int_eq(nj_lookup_start("responder.example", "80", &l, &err), NJ_E_LIMIT);
    ck_assert_str_eq(err.text, "the resolver has not answered 128 questions yet");
    ck_assert_ptr_null(l);

    let_all_answer(NJ_LOOKUPS_MOST);
    l = start("responder.example");
    nj_lookup_leave(&l);
    let_all_answer(1);
}
END_TEST

/* ---- an OCSP request ------------------------------------------------------------------------ */

static int fetch(int64_t timeout_ms, int cancel_fd, struct nj_buf *why)
{
    const struct nj_ocsp_fetch f = { .url = "http://responder.example:1",
                                     .request = { (const uint8_t *) "x", 1 },
                                     .timeout_ms = timeout_ms,
                                     .get_only = true,
                                     .cancel_fd = cancel_fd };
    struct nj_buf body;
    nj_buf_init(&body, 1000);
    nj_buf_init(why, 1000);
    int rc = nj_ocsp_fetch(&f, &body, why);
    nj_buf_free(&body);
    return rc;
}

START_TEST(a_request_ends_in_its_time_though_the_resolver_is_dead)
{
    struct nj_buf why;
    int64_t begun_us = nj_mono_us();

    ck_assert_int_eq(fetch(50, -1, &why), NJ_E_IO);

    ck_assert_int_ge(nj_mono_us() - begun_us, 50 * 1000);
    ck_assert_str_eq(why.ptr, "Get \"http://responder.example:1/eA%3D%3D\": context deadline "
                              "exceeded (Client.Timeout exceeded)");
    nj_buf_free(&why);
    let_all_answer(1);
}
END_TEST

START_TEST(a_request_is_given_up_though_the_resolver_is_dead)
{
    const uint64_t one = 1;
    struct nj_buf why;
    int cancel = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(write(cancel, &one, sizeof(one)), sizeof(one));

    ck_assert_int_eq(fetch(LONG_MS, cancel, &why), NJ_E_IO);

    ck_assert_ptr_nonnull(strstr(why.ptr, "given up"));
    nj_buf_free(&why);
    (void) close(cancel);
    let_all_answer(1);
}
END_TEST

START_TEST(a_name_that_is_not_there_has_the_words_of_the_reference)
{
    const struct nj_ocsp_fetch f = { .url = "http://nobody.invalid",
                                     .request = { (const uint8_t *) "x", 1 },
                                     .timeout_ms = LONG_MS,
                                     .get_only = true,
                                     .cancel_fd = -1 };
    struct nj_buf body, why;
    nj_buf_init(&body, 1000);
    nj_buf_init(&why, 1000);
    (void) sem_post(&answer);

    ck_assert_int_eq(nj_ocsp_fetch(&f, &body, &why), NJ_E_IO);

    ck_assert_str_eq(why.ptr, "Get \"http://nobody.invalid/eA%3D%3D\": dial tcp: lookup "
                              "nobody.invalid: no such host");
    nj_buf_free(&body);
    nj_buf_free(&why);
    let_all_answer(0);
}
END_TEST

static Suite *lookup_suite(void)
{
    Suite *s = suite_create("lookup");
    TCase *tc = tcase_create("lookup");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_name_has_its_addresses);
    tcase_add_test(tc, a_name_that_is_not_there_has_none);
    tcase_add_test(tc, an_address_in_digits_needs_no_thread);
    tcase_add_test(tc, who_leaves_first_is_not_looked_for_by_the_answer);
    tcase_add_test(tc, the_threads_that_wait_for_a_dead_resolver_are_counted);
    tcase_add_test(tc, a_request_ends_in_its_time_though_the_resolver_is_dead);
    tcase_add_test(tc, a_request_is_given_up_though_the_resolver_is_dead);
    tcase_add_test(tc, a_name_that_is_not_there_has_the_words_of_the_reference);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(lookup_suite());
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
