/* test_lock.c: the planted proof that the check for locks on the way of a message works. */
#include <check.h>
#include <pthread.h>
#include <signal.h>

#include "base/lock.h"

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

START_TEST(outside_the_message_scope_a_lock_is_a_lock)
{
    nj_lock(&mu);
    ck_assert_int_ne(pthread_mutex_trylock(&mu), 0);
    nj_unlock(&mu);
    nj_message_scope_enter();
    nj_message_scope_leave();

    nj_lock(&mu);
    nj_unlock(&mu);
}
END_TEST

#ifdef NJ_DEBUG
START_TEST(a_lock_on_the_way_of_a_message_aborts)
{
    nj_message_scope_enter();
    nj_lock(&mu);
}
END_TEST

START_TEST(leaving_an_inner_scope_does_not_end_the_outer_one)
{
    nj_message_scope_enter();
    nj_message_scope_enter();
    nj_message_scope_leave();
    nj_lock(&mu);
}
END_TEST

static void *lock_there(void *arg)
{
    (void) arg;
    nj_lock(&mu);
    nj_unlock(&mu);
    return NULL;
}

START_TEST(the_scope_is_that_of_the_thread)
{
    pthread_t t;
    nj_message_scope_enter();
    ck_assert_int_eq(pthread_create(&t, NULL, lock_there, NULL), 0);
    (void) pthread_join(t, NULL);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("lock");
    TCase *tc = tcase_create("lock");
    tcase_add_test(tc, outside_the_message_scope_a_lock_is_a_lock);
    SRunner *sr = srunner_create(s);
#ifdef NJ_DEBUG
    if (srunner_fork_status(sr) == CK_FORK) {
        tcase_add_test_raise_signal(tc, a_lock_on_the_way_of_a_message_aborts, SIGABRT);
        tcase_add_test_raise_signal(tc, leaving_an_inner_scope_does_not_end_the_outer_one,
                                    SIGABRT);
    }
    tcase_add_test(tc, the_scope_is_that_of_the_thread);
#endif
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
