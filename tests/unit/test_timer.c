/* test_timer.c: a heap of deadlines against a plain list. */
#include <check.h>
#include <stdbool.h>

#include "base/random.h"
#include "io/timer.h"

enum { N = 300 };

struct model {
    struct nj_timer timer;
    int64_t at_us;
    bool running;
};

static struct nj_timers ts;
static struct model all[N];
static int64_t last_us;
static unsigned fired;

static void setup(void)
{
    nj_timers_init(&ts);
    fired = 0;
    last_us = 0;
}

static void teardown(void)
{
    nj_timers_fini(&ts);
}

static void on_time(struct nj_timer *t, void *arg)
{
    struct model *m = arg;
    ck_assert_ptr_eq(t, &m->timer);
    ck_assert(m->running);
    ck_assert_uint_eq(t->place, 0);
    ck_assert_int_le(last_us, t->at_us);
    ck_assert_int_eq(m->at_us, t->at_us);
    last_us = t->at_us;
    m->running = false;
    fired++;
}

static int64_t earliest(void)
{
    int64_t at = INT64_MAX;
    for (int i = 0; i < N; i++) {
        at = all[i].running && all[i].at_us < at ? all[i].at_us : at;
    }
    return at;
}

START_TEST(random_starts_moves_and_stops_agree_with_a_list)
{
    uint64_t random = 99 + (uint64_t) _i;
    int64_t now_us = 0;
    for (int i = 0; i < N; i++) {
        all[i] = (struct model){ .timer = { .fn = on_time, .arg = &all[i] } };
    }
    for (int step = 0; step < 20000; step++) {
        struct model *m = &all[nj_fast_random(&random) % N];
        switch (nj_fast_random(&random) % 4) {
        case 0:
            nj_timer_stop(&ts, &m->timer);
            m->running = false;
            break;
        case 1:
            now_us += nj_fast_random(&random) % 50;
            last_us = 0;
            nj_timers_run(&ts, now_us);
            ck_assert_int_gt(earliest(), now_us);
            break;
        default:
            m->at_us = now_us + nj_fast_random(&random) % 2000;
            m->running = true;
            nj_timer_start(&ts, &m->timer, m->at_us);
            break;
        }
        ck_assert_int_eq(nj_timers_next(&ts), earliest());
    }
    ck_assert_uint_gt(fired, 1000);
}
END_TEST

static void again(struct nj_timer *t, void *arg)
{
    unsigned *left = arg;
    fired++;
    if (*left > 0) {
        (*left)--;
        nj_timer_start(&ts, t, t->at_us + 10);
    }
}

START_TEST(a_timer_may_start_itself_again)
{
    unsigned left = 3;
    struct nj_timer t = { .fn = again, .arg = &left };
    nj_timer_start(&ts, &t, 10);

    nj_timers_run(&ts, 25);
    ck_assert_uint_eq(fired, 2);
    nj_timers_run(&ts, 1000);

    ck_assert_uint_eq(fired, 4);
    ck_assert_int_eq(nj_timers_next(&ts), INT64_MAX);
}
END_TEST

static struct nj_timer other;

static void stop_other(struct nj_timer *t, void *arg)
{
    (void) t;
    (void) arg;
    fired++;
    nj_timer_stop(&ts, &other);
}

START_TEST(a_timer_may_stop_another_that_is_due)
{
    struct nj_timer t = { .fn = stop_other };
    other = (struct nj_timer){ .fn = stop_other };
    nj_timer_start(&ts, &t, 5);
    nj_timer_start(&ts, &other, 6);

    nj_timers_run(&ts, 100);

    ck_assert_uint_eq(fired, 1);
}
END_TEST

START_TEST(stopping_what_does_not_run_is_nothing)
{
    struct nj_timer t = { .fn = stop_other };
    nj_timer_stop(&ts, &t);
    nj_timer_start(&ts, &t, 5);
    nj_timer_stop(&ts, &t);
    nj_timer_stop(&ts, &t);

    nj_timers_run(&ts, 100);

    ck_assert_uint_eq(fired, 0);
}
END_TEST

START_TEST(fini_forgets_what_runs)
{
    struct nj_timer t = { .fn = stop_other };
    nj_timer_start(&ts, &t, 5);

    nj_timers_fini(&ts);

    ck_assert_uint_eq(t.place, 0);
    nj_timer_stop(&ts, &t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("timer");
    TCase *tc = tcase_create("timer");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, random_starts_moves_and_stops_agree_with_a_list, 0, 3);
    tcase_add_test(tc, a_timer_may_start_itself_again);
    tcase_add_test(tc, a_timer_may_stop_another_that_is_due);
    tcase_add_test(tc, stopping_what_does_not_run_is_nothing);
    tcase_add_test(tc, fini_forgets_what_runs);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
