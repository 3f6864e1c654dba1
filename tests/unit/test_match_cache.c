/* test_match_cache.c: a cached result is as good as a new one, and the cache stays in its bounds. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "broker/account.h"
#include "broker/match_cache.h"

static struct nj_account *account;

static void setup(void)
{
    rcu_setup();
    account = nj_account_new("A");
}

static void teardown(void)
{
    nj_account_free(&account);
    rcu_teardown();
}

static uint32_t total(struct nj_match_cache *c, const char *subject)
{
    return nj_match_cache_get(c, account, subject, strlen(subject))->total_n;
}

static struct nj_match_cache_stats stats(const struct nj_match_cache *c)
{
    struct nj_match_cache_stats st;
    nj_match_cache_stats(c, &st);
    return st;
}

static struct nj_sub *add(const char *subject, const char *queue)
{
    struct nj_sub *s = make_sub(subject, queue, "1");
    nj_index_insert(account->index, s);
    return s;
}

static void drop(struct nj_sub *s)
{
    nj_index_remove(account->index, s);
    nj_sub_retire(s);
}

START_TEST(the_second_look_is_a_hit_also_for_a_miss)
{
    struct nj_match_cache *c = nj_match_cache_new(64, 1 << 16);
    struct nj_sub *s = add("a.*", NULL);

    /* One subject at a time: two may share a place, which the random seed decides. */
    ck_assert_uint_eq(total(c, "a.b"), 1);
    ck_assert_uint_eq(stats(c).hits, 0);
    ck_assert_uint_eq(total(c, "a.b"), 1);
    ck_assert_uint_eq(stats(c).hits, 1);
    ck_assert_uint_eq(total(c, "zzz"), 0);
    ck_assert_uint_eq(stats(c).hits, 1);
    ck_assert_uint_eq(total(c, "zzz"), 0);

    ck_assert_uint_eq(stats(c).hits, 2);
    ck_assert_uint_eq(stats(c).lookups, 4);
    nj_match_cache_free(&c);
    drop(s);
}
END_TEST

START_TEST(a_change_makes_old_entries_useless)
{
    struct nj_match_cache *c = nj_match_cache_new(64, 1 << 16);
    ck_assert_uint_eq(total(c, "a"), 0);

    struct nj_sub *s = add("a", NULL);
    ck_assert_uint_eq(total(c, "a"), 1);
    ck_assert_uint_eq(total(c, "a"), 1);
    drop(s);

    ck_assert_uint_eq(total(c, "a"), 0);
    nj_match_cache_free(&c);
}
END_TEST

START_TEST(a_cached_result_has_its_groups)
{
    struct nj_match_cache *c = nj_match_cache_new(64, 1 << 16);
    struct nj_sub *s[3] = { add("a", NULL), add("a", "q"), add("*", "q") };

    for (int i = 0; i < 2; i++) {
        const struct nj_match *m = nj_match_cache_get(c, account, "a", 1);
        ck_assert_uint_eq(m->plain_n, 1);
        ck_assert_ptr_eq(m->subs[0], s[0]);
        ck_assert_uint_eq(m->groups_n, 1);
        ck_assert_uint_eq(m->groups[0].start, 1);
        ck_assert_uint_eq(m->groups[0].n, 2);
    }

    ck_assert_uint_eq(stats(c).hits, 1);
    nj_match_cache_free(&c);
    for (int i = 0; i < 3; i++) {
        drop(s[i]);
    }
}
END_TEST

START_TEST(accounts_do_not_share_results)
{
    struct nj_match_cache *c = nj_match_cache_new(1, 1 << 16);
    struct nj_account *other = nj_account_new("B");
    struct nj_sub *s = add("a", NULL);

    ck_assert_uint_eq(total(c, "a"), 1);
    ck_assert_uint_eq(nj_match_cache_get(c, other, "a", 1)->total_n, 0);
    ck_assert_uint_eq(total(c, "a"), 1);

    nj_match_cache_free(&c);
    nj_account_free(&other);
    drop(s);
}
END_TEST

START_TEST(subjects_of_one_place_push_each_other_out_but_are_not_mixed_up)
{
    struct nj_match_cache *c = nj_match_cache_new(1, 1 << 16);
    struct nj_sub *s = add("a", NULL);

    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq(total(c, "a"), 1);
        ck_assert_uint_eq(total(c, "b"), 0);
        ck_assert_uint_eq(total(c, "aaaaaaaaaaaaaaaaaaaaaaaaa"), 0);
    }

    ck_assert_uint_eq(stats(c).entries, 1);
    nj_match_cache_free(&c);
    drop(s);
}
END_TEST

START_TEST(the_bytes_stay_in_their_limit)
{
    enum { LIMIT = 4096 };
    struct nj_match_cache *c = nj_match_cache_new(1024, LIMIT);
    struct nj_sub *s[200];
    char subject[16];
    for (int i = 0; i < 200; i++) {
        s[i] = add("big", NULL); /* a result over a quarter of the limit is not kept */
    }
    struct nj_sub *any = add("x.*", NULL);

    for (int i = 0; i < 2000; i++) {
        (void) snprintf(subject, sizeof(subject), "x.%d", i % 100);
        ck_assert_uint_eq(total(c, subject), 1);
        ck_assert_uint_eq(total(c, "big"), 200);
        ck_assert_uint_le(stats(c).bytes, LIMIT);
    }

    nj_match_cache_free(&c);
    for (int i = 0; i < 200; i++) {
        drop(s[i]);
    }
    drop(any);
}
END_TEST

START_TEST(without_places_nothing_is_kept)
{
    struct nj_match_cache *c = nj_match_cache_new(0, 1 << 16);
    struct nj_sub *s = add("a", NULL);

    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(total(c, "a"), 1);
    }

    ck_assert_uint_eq(stats(c).hits, 0);
    ck_assert_uint_eq(stats(c).entries, 0);
    nj_match_cache_free(&c);
    ck_assert_ptr_null(c);
    drop(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("match_cache");
    TCase *tc = tcase_create("match_cache");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_second_look_is_a_hit_also_for_a_miss);
    tcase_add_test(tc, a_change_makes_old_entries_useless);
    tcase_add_test(tc, a_cached_result_has_its_groups);
    tcase_add_test(tc, accounts_do_not_share_results);
    tcase_add_test(tc, subjects_of_one_place_push_each_other_out_but_are_not_mixed_up);
    tcase_add_test(tc, the_bytes_stay_in_their_limit);
    tcase_add_test(tc, without_places_nothing_is_kept);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
