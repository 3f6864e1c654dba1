/* How many handshakes may begin in a second, whoever asks. */
#include "peer/tls_rate.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000)
#define START (INT64_C(77) * SECOND) /* some moment of the clock */

static unsigned allowed(struct nj_tls_rate *r, unsigned asked, int64_t now_us)
{
    unsigned n = 0;
    for (unsigned i = 0; i < asked; i++) {
        n += nj_tls_rate_allow(r, now_us) ? 1 : 0;
    }
    return n;
}

START_TEST(so_many_and_no_more_begin_within_a_window)
{
    struct nj_tls_rate r = { .limit = 3 };

    ck_assert_uint_eq(allowed(&r, 5, START), 3);
    ck_assert_uint_eq(allowed(&r, 1, START + SECOND), 0);
    ck_assert_uint_eq(nj_tls_rate_take_refused(&r), 3);
    ck_assert_uint_eq(nj_tls_rate_take_refused(&r), 0);
}
END_TEST

START_TEST(a_window_opens_with_the_first_one_after_the_last_has_ended)
{
    struct nj_tls_rate r = { .limit = 2 };
    ck_assert_uint_eq(allowed(&r, 3, START), 2);

    ck_assert_uint_eq(allowed(&r, 3, START + 5 * SECOND), 2);

    /* from then on it counts again, not from a whole second of the clock */
    ck_assert_uint_eq(allowed(&r, 1, START + 6 * SECOND), 0);
    ck_assert_uint_eq(allowed(&r, 1, START + 6 * SECOND + 1000), 1);
}
END_TEST

START_TEST(without_a_limit_nobody_is_refused)
{
    static const int64_t limits[] = { 0, -1, INT64_MAX };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct nj_tls_rate r = { .limit = limits[i] };

        ck_assert_uint_eq(allowed(&r, 1000, START), 1000);
        ck_assert_uint_eq(nj_tls_rate_take_refused(&r), 0);
    }
}
END_TEST

static struct nj_tls_rate shared = { .limit = 1000 };
static _Atomic unsigned in;

static void *crowd(void *arg)
{
    (void) arg;
    (void) atomic_fetch_add(&in, allowed(&shared, 5000, START));
    return NULL;
}

START_TEST(threads_together_get_the_limit_exactly)
{
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&t[i], NULL, crowd, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void) pthread_join(t[i], NULL);
    }

    ck_assert_uint_eq(atomic_load(&in), 1000);
    ck_assert_uint_eq(nj_tls_rate_take_refused(&shared), 4 * 5000 - 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_rate");
    TCase *tc = tcase_create("tls_rate");
    tcase_add_test(tc, so_many_and_no_more_begin_within_a_window);
    tcase_add_test(tc, a_window_opens_with_the_first_one_after_the_last_has_ended);
    tcase_add_test(tc, without_a_limit_nobody_is_refused);
    tcase_add_test(tc, threads_together_get_the_limit_exactly);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
