/* test_route.c: who gets a message, how fairly, and never more than was asked for. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "broker.h"
#include "broker/index.h"
#include "broker/route.h"

static struct nj_index *ix;
static struct nj_matcher *matcher;
static uint64_t random_state;

static void setup(void)
{
    rcu_setup();
    ix = nj_index_new();
    matcher = nj_matcher_new();
    random_state = 20260101;
}

static void teardown(void)
{
    nj_matcher_free(&matcher);
    nj_index_free(&ix);
    rcu_teardown();
}

static struct nj_sub *add(const char *subject, const char *queue, uint64_t cid)
{
    struct nj_sub *s = make_sub(subject, queue, "1");
    s->cid = cid;
    nj_index_insert(ix, s);
    return s;
}

static void drop(struct nj_sub *s)
{
    nj_index_remove(ix, s);
    nj_sub_retire(s);
}

/* Takes every copy, except for the subscriptions of connection `refuses`. */
struct sink {
    uint64_t refuses;
    unsigned plain, queued;
};

static bool take(void *user, struct nj_sub *sub, bool in_queue)
{
    struct sink *k = user;
    if (sub->cid == k->refuses) {
        return false;
    }
    k->plain += !in_queue;
    k->queued += in_queue;
    ck_assert_int_eq(in_queue, sub->queue_len > 0);
    sub->delivered++;
    return true;
}

static size_t publish_from(uint64_t cid, bool echo, struct sink *k, const char *subject)
{
    struct nj_route_from from = { cid, echo, &random_state };
    struct nj_route_sink out = { take, k };
    return nj_route(nj_index_match(ix, matcher, subject, strlen(subject)), &from, &out);
}

START_TEST(each_plain_one_and_one_of_each_group)
{
    struct nj_sub *s[6] = { add("a", NULL, 1), add("*", NULL, 2), add("a", "g", 3),
                            add("*", "g", 4),  add(">", "h", 5),  add("b", NULL, 6) };
    struct sink k = { 0 };

    ck_assert_uint_eq(publish_from(9, true, &k, "a"), 4);

    ck_assert_uint_eq(k.plain, 2);
    ck_assert_uint_eq(k.queued, 2);
    ck_assert_uint_eq(s[2]->delivered + s[3]->delivered, 1);
    ck_assert_uint_eq(s[5]->delivered, 0);
    for (int i = 0; i < 6; i++) {
        drop(s[i]);
    }
}
END_TEST

START_TEST(without_echo_the_publisher_gets_nothing_also_as_a_member)
{
    struct nj_sub *s[3] = { add("a", NULL, 1), add("a", "g", 1), add("a", "g", 2) };
    struct sink k = { 0 };

    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(publish_from(1, false, &k, "a"), 1);
    }

    ck_assert_uint_eq(s[0]->delivered, 0);
    ck_assert_uint_eq(s[1]->delivered, 0);
    ck_assert_uint_eq(s[2]->delivered, 100);
    ck_assert_uint_eq(publish_from(1, true, &k, "a"), 2);
    for (int i = 0; i < 3; i++) {
        drop(s[i]);
    }
}
END_TEST

START_TEST(members_share_fairly)
{
    enum { MEMBERS = 7, N = 70000 };
    struct nj_sub *s[MEMBERS];
    struct sink k = { 0 };
    for (int i = 0; i < MEMBERS; i++) {
        s[i] = add(i % 2 == 0 ? "a" : "*", "g", (uint64_t) i + 1);
    }

    for (int i = 0; i < N; i++) {
        (void) publish_from(99, true, &k, "a");
    }

    /* N / MEMBERS = 10000; the standard deviation is 93 */
    for (int i = 0; i < MEMBERS; i++) {
        ck_assert_uint_gt(s[i]->delivered, 10000 - 500);
        ck_assert_uint_lt(s[i]->delivered, 10000 + 500);
        drop(s[i]);
    }
}
END_TEST

START_TEST(a_member_that_cannot_take_it_is_passed_over)
{
    struct nj_sub *s[3] = { add("a", "g", 1), add("a", "g", 2), add("a", "g", 3) };
    struct sink k = { .refuses = 2 };

    for (int i = 0; i < 300; i++) {
        ck_assert_uint_eq(publish_from(9, true, &k, "a"), 1);
    }

    ck_assert_uint_eq(s[1]->delivered, 0);
    ck_assert_uint_eq(s[0]->delivered + s[2]->delivered, 300);
    ck_assert_uint_eq(s[1]->claimed, 0);
    for (int i = 0; i < 3; i++) {
        drop(s[i]);
    }
}
END_TEST

START_TEST(an_exhausted_one_is_as_if_it_were_not_there)
{
    struct nj_sub *plain = add("a", NULL, 1);
    struct nj_sub *member[2] = { add("a", "g", 2), add("a", "g", 3) };
    struct sink k = { 0 };
    atomic_store(&plain->max, 2);
    atomic_store(&member[0]->max, 1);
    atomic_store(&member[1]->max, 4);

    size_t got = 0;
    for (int i = 0; i < 20; i++) {
        got += publish_from(9, true, &k, "a");
    }

    ck_assert_uint_eq(plain->delivered, 2);
    ck_assert_uint_eq(member[0]->delivered, 1);
    ck_assert_uint_eq(member[1]->delivered, 4);
    ck_assert_uint_eq(got, 7);
    ck_assert_uint_eq(publish_from(9, true, &k, "a"), 0);
    drop(plain);
    drop(member[0]);
    drop(member[1]);
}
END_TEST

START_TEST(a_refused_copy_does_not_use_up_the_maximum)
{
    struct nj_sub *s = add("a", NULL, 1);
    struct sink k = { .refuses = 1 };
    atomic_store(&s->max, 3);
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq(publish_from(9, true, &k, "a"), 0);
    }

    k.refuses = 0;
    size_t got = 0;
    for (int i = 0; i < 10; i++) {
        got += publish_from(9, true, &k, "a");
    }

    ck_assert_uint_eq(got, 3);
    drop(s);
}
END_TEST

START_TEST(a_maximum_that_is_raised_counts_what_was_delivered_only)
{
    struct nj_sub *s = add("a", NULL, 1);
    struct sink k = { 0 };
    atomic_store(&s->max, 2);
    for (int i = 0; i < 10; i++) {
        (void) publish_from(9, true, &k, "a");
    }

    atomic_store(&s->max, 5);
    for (int i = 0; i < 10; i++) {
        (void) publish_from(9, true, &k, "a");
    }

    ck_assert_uint_eq(s->delivered, 5);
    drop(s);
}
END_TEST

START_TEST(a_group_can_be_asked_alone)
{
    struct nj_sub *s[4] = { add("a", NULL, 1), add("a", "g", 2), add("*", "g", 3),
                            add("a", "gg", 4) };
    struct sink k = { 0 };
    struct nj_route_from from = { 9, true, &random_state };
    struct nj_route_sink out = { take, &k };

    const struct nj_match *m = nj_index_match(ix, matcher, "a", 1);

    for (int i = 0; i < 50; i++) {
        ck_assert(nj_route_group(m, "g", 1, &from, &out));
    }
    ck_assert_uint_eq(s[1]->delivered + s[2]->delivered, 50);
    ck_assert_uint_gt(s[1]->delivered, 0);
    ck_assert_uint_gt(s[2]->delivered, 0);
    ck_assert(!nj_route_group(m, "none", 4, &from, &out));
    ck_assert_uint_eq(k.plain, 0);
    ck_assert_uint_eq(s[3]->delivered, 0);
    for (int i = 0; i < 4; i++) {
        drop(s[i]);
    }
}
END_TEST

/* ---- several publishers at once ------------------------------------------------------------------------- */

enum { PUBLISHERS = 4, EACH = 20000, MEMBERS_N = 5, MAX = 1000 };

struct publisher {
    pthread_t thread;
    uint64_t random;
    _Atomic uint64_t *got; /* by cid */
    uint64_t delivered, refused;
};

/* Refuses one copy in eight, as a full consumer does. */
static bool take_or_refuse(void *user, struct nj_sub *sub, bool in_queue)
{
    struct publisher *p = user;
    (void) in_queue;
    if (nj_fast_random(&p->random) % 8 == 0) {
        p->refused++;
        return false;
    }
    (void) atomic_fetch_add(&p->got[sub->cid], 1);
    return true;
}

static void *publish_many(void *arg)
{
    struct publisher *p = arg;
    struct nj_matcher *m = nj_matcher_new();
    nj_rcu_register();
    struct nj_route_from from = { 99, true, &p->random };
    struct nj_route_sink out = { take_or_refuse, p };
    for (int i = 0; i < EACH; i++) {
        p->delivered += nj_route(nj_index_match(ix, m, "a", 1), &from, &out);
    }
    nj_rcu_unregister();
    nj_matcher_free(&m);
    return NULL;
}

START_TEST(a_maximum_is_exact_with_many_publishers)
{
    struct publisher p[PUBLISHERS];
    struct nj_sub *s[MEMBERS_N + 1];
    _Atomic uint64_t got[MEMBERS_N + 1];
    for (int i = 0; i <= MEMBERS_N; i++) {
        s[i] = add("a", i == 0 ? NULL : "g", (uint64_t) i);
        atomic_store(&s[i]->max, MAX);
        atomic_init(&got[i], 0);
    }

    for (int i = 0; i < PUBLISHERS; i++) {
        p[i] = (struct publisher){ .random = 5 + (uint64_t) i, .got = got };
        ck_assert_int_eq(pthread_create(&p[i].thread, NULL, publish_many, &p[i]), 0);
    }
    nj_rcu_offline();
    uint64_t delivered = 0;
    uint64_t refused = 0;
    for (int i = 0; i < PUBLISHERS; i++) {
        (void) pthread_join(p[i].thread, NULL);
        delivered += p[i].delivered;
        refused += p[i].refused;
    }
    nj_rcu_online();
    ck_assert_uint_gt(refused, 0);

    for (int i = 0; i <= MEMBERS_N; i++) {
        ck_assert_uint_eq(atomic_load(&got[i]), MAX);
        drop(s[i]);
    }
    ck_assert_uint_eq(delivered, (MEMBERS_N + 1) * MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("route");
    TCase *tc = tcase_create("route");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, each_plain_one_and_one_of_each_group);
    tcase_add_test(tc, without_echo_the_publisher_gets_nothing_also_as_a_member);
    tcase_add_test(tc, members_share_fairly);
    tcase_add_test(tc, a_member_that_cannot_take_it_is_passed_over);
    tcase_add_test(tc, an_exhausted_one_is_as_if_it_were_not_there);
    tcase_add_test(tc, a_refused_copy_does_not_use_up_the_maximum);
    tcase_add_test(tc, a_maximum_that_is_raised_counts_what_was_delivered_only);
    tcase_add_test(tc, a_group_can_be_asked_alone);
    tcase_add_test(tc, a_maximum_is_exact_with_many_publishers);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
