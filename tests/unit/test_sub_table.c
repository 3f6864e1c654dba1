/* test_sub_table.c: subscriptions by sid: found at every size, and no step moves many. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "broker/sub.h"
#include "peer/sub_table.h"

enum { MANY = 100000 };

static struct nj_sub_table table;
static struct nj_sub **subs;

static void setup(void)
{
    table = (struct nj_sub_table){ 0 };
    subs = nj_calloc(MANY, sizeof(struct nj_sub *));
}

static void teardown(void)
{
    nj_sub_table_fini(&table);
    ck_assert_uint_eq(table.cap, 0);
    for (int i = 0; i < MANY; i++) {
        nj_dealloc(subs[i]);
    }
    nj_dealloc(subs);
}

static struct nj_sub *sub(int i)
{
    char sid[16];
    int len = snprintf(sid, sizeof(sid), "%d", i);
    subs[i] = nj_sub_new("a", 1, NULL, 0, sid, (size_t) len);
    return subs[i];
}

static struct nj_sub *find(int i)
{
    char sid[16];
    int len = snprintf(sid, sizeof(sid), "%d", i);
    uint32_t at = nj_sub_table_find(&table, sid, (size_t) len);
    return at == NJ_SUB_NONE ? NULL : nj_sub_table_at(&table, at)->sub;
}

START_TEST(no_step_moves_many_however_many_there_are)
{
    uint32_t most = 0;
    for (int i = 0; i < MANY; i++) {
        uint32_t moved = nj_sub_table_add(&table, sub(i));
        most = moved > most ? moved : most;
    }

    ck_assert_uint_gt(most, 100); /* it does count */
    ck_assert_uint_le(most, NJ_SUB_CHUNK);
    for (int i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(find(i), subs[i]);
        ck_assert_ptr_eq(nj_sub_table_at(&table, subs[i]->sub_idx)->sub, subs[i]);
    }
}
END_TEST

START_TEST(every_one_is_found_at_every_size)
{
    for (int i = 0; i < 5000; i++) {
        ck_assert_ptr_null(find(i));
        (void) nj_sub_table_add(&table, sub(i));
        for (int j = 0; j <= i; j += 1 + i / 16) {
            ck_assert_ptr_eq(find(j), subs[j]);
        }
        ck_assert_uint_eq(table.count, (unsigned) i + 1);
    }
}
END_TEST

START_TEST(a_place_that_is_used_again_has_another_generation)
{
    uint64_t random = 99;
    for (int i = 0; i < 3000; i++) {
        (void) nj_sub_table_add(&table, sub(i));
    }
    for (int round = 0; round < 20000; round++) {
        int i = (int) (nj_fast_random(&random) % 3000);
        struct nj_sub *s = subs[i];
        uint32_t at = s->sub_idx;
        uint32_t gen = s->sub_gen;

        nj_sub_table_remove(&table, at);
        ck_assert_ptr_null(find(i));
        ck_assert_ptr_null(nj_sub_table_at(&table, at)->sub);
        (void) nj_sub_table_add(&table, s);

        ck_assert_uint_eq(s->sub_idx, at);
        ck_assert_uint_eq(s->sub_gen, gen + 1);
        ck_assert_ptr_eq(find(i), s);
    }
    ck_assert_uint_eq(table.count, 3000);
}
END_TEST

START_TEST(begun_anew_it_has_few_places_and_no_generation_twice)
{
    uint32_t greatest = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3000; i++) {
            (void) nj_sub_table_add(&table, sub(i));
            ck_assert(round == 0 || subs[i]->sub_gen >= greatest);
            ck_assert_ptr_eq(find(i), subs[i]);
        }
        for (int i = 0; i < 3000; i++) {
            greatest = subs[i]->sub_gen + 1 > greatest ? subs[i]->sub_gen + 1 : greatest;
            nj_sub_table_remove(&table, subs[i]->sub_idx);
            nj_dealloc(subs[i]);
            subs[i] = NULL;
        }

        nj_sub_table_begin_anew(&table);

        ck_assert_uint_eq(table.used, 0);
        ck_assert_ptr_null(find(1));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sub_table");
    TCase *tc = tcase_create("sub_table");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, no_step_moves_many_however_many_there_are);
    tcase_add_test(tc, every_one_is_found_at_every_size);
    tcase_add_test(tc, a_place_that_is_used_again_has_another_generation);
    tcase_add_test(tc, begun_anew_it_has_few_places_and_no_generation_twice);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
