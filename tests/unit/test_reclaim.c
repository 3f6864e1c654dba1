/* test_reclaim.c: what a worker defers is run by itself, a little at a time, and nothing is lost. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "base/reclaim.h"

#define PATIENCE_US INT64_C(20000000)

enum { MANY = 10000 };

struct thing {
    struct nj_rcu_head rcu; /* first */
};

static _Atomic unsigned ran, ran_here, woken;
static pthread_t here;

static void run_thing(struct rcu_head *head)
{
    nj_dealloc(nj_rcu_reclaim(head));
    (void) atomic_fetch_add(&ran, 1);
    (void) atomic_fetch_add(&ran_here, pthread_equal(pthread_self(), here) ? 1u : 0u);
}

static void wake(void *arg)
{
    ck_assert_ptr_eq(arg, &woken);
    (void) atomic_fetch_add(&woken, 1);
}

static void defer(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct thing *t = nj_zalloc(sizeof(*t));
        nj_rcu_defer(&t->rcu, run_thing);
    }
}

static void setup(void)
{
    here = pthread_self();
    nj_rcu_start();
    nj_rcu_register();
    nj_reclaim_begin(wake, &woken);
}

static void teardown(void)
{
    nj_rcu_offline();
    nj_rcu_barrier();
    nj_rcu_online();
    nj_rcu_unregister();
}

/* Turns that run nothing, until what was deferred has come back. */
static void wait_until_woken(void)
{
    int64_t until = nj_mono_us() + PATIENCE_US;
    while (atomic_load(&woken) == 0) {
        (void) nj_reclaim_turn(0);
        nj_rcu_quiescent();
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
}

START_TEST(a_turn_runs_so_many_and_says_whether_more_is_there)
{
    defer(MANY);
    ck_assert_uint_eq(atomic_load(&ran), 0);
    wait_until_woken();
    ck_assert_uint_eq(atomic_load(&ran), 0);

    ck_assert(nj_reclaim_turn(100));
    ck_assert_uint_eq(atomic_load(&ran), 100);
    ck_assert(!nj_reclaim_turn(MANY));

    ck_assert_uint_eq(atomic_load(&ran), MANY);
    ck_assert_uint_eq(atomic_load(&ran_here), MANY);
    nj_reclaim_end();
}
END_TEST

START_TEST(who_defers_runs_what_is_due)
{
    defer(MANY);
    wait_until_woken();
    ck_assert(nj_reclaim_turn(0));

    defer(MANY / 2);

    ck_assert_uint_eq(atomic_load(&ran), MANY); /* two for each */
    ck_assert(!nj_reclaim_turn(0));
    nj_reclaim_end();
}
END_TEST

START_TEST(what_comes_back_after_the_end_is_run_all_the_same)
{
    defer(MANY);
    nj_reclaim_end();
    ck_assert_uint_eq(atomic_load(&ran), 0);

    nj_rcu_offline();
    nj_rcu_barrier();
    nj_rcu_online();

    ck_assert_uint_eq(atomic_load(&ran), MANY);
    ck_assert_uint_eq(atomic_load(&ran_here), 0);
    ck_assert_uint_eq(atomic_load(&woken), 0);
}
END_TEST

START_TEST(what_has_come_back_is_run_at_the_end)
{
    defer(MANY);
    wait_until_woken();

    nj_reclaim_end();

    ck_assert_uint_eq(atomic_load(&ran_here), MANY);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reclaim");
    TCase *tc = tcase_create("reclaim");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_turn_runs_so_many_and_says_whether_more_is_there);
    tcase_add_test(tc, who_defers_runs_what_is_due);
    tcase_add_test(tc, what_comes_back_after_the_end_is_run_all_the_same);
    tcase_add_test(tc, what_has_come_back_is_run_at_the_end);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
