/* test_level.c: the names of one level of the index: all are found, and no step moves many. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "broker.h"
#include "broker/level.h"

enum { MANY = 200000 };

static struct nj_level level;
static struct nj_index_node **nodes;
static uint64_t state;

static void setup(void)
{
    rcu_setup();
    level = (struct nj_level){ 0 };
    nodes = nj_calloc(MANY, sizeof(struct nj_index_node *));
    state = 4711;
}

static void teardown(void)
{
    for (int i = 0; i < MANY; i++) {
        nj_dealloc(nodes[i]);
    }
    nj_dealloc(nodes);
    rcu_teardown();
}

/* Node i is named by its number, with a hash of its own. */
static struct nj_index_node *node(int i, uint32_t hash)
{
    char name[16];
    int len = snprintf(name, sizeof(name), "%d", i);
    nodes[i] = nj_zalloc(sizeof(*nodes[i]) + (size_t) len);
    nodes[i]->hash = hash;
    nodes[i]->token_len = (uint16_t) len;
    memcpy(nodes[i]->token, name, (size_t) len);
    return nodes[i];
}

static struct nj_index_node *find(int i)
{
    return nj_level_find(&level, nodes[i]->hash, nodes[i]->token, nodes[i]->token_len);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Returns the most that one step moved. */
static uint32_t insert_all(int n)
{
    uint32_t most = 0;
    for (int i = 0; i < n; i++) {
        most = larger(most, nj_level_insert(&level, node(i, nj_fast_random(&state))));
    }
    return most;
}

START_TEST(no_step_moves_many_names_however_many_there_are)
{
    uint32_t coming = insert_all(MANY);
    uint32_t going = 0;
    for (int i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(find(i), nodes[i]);
    }

    for (int i = 0; i < MANY; i++) {
        going = larger(going, nj_level_remove(&level, nodes[i]));
        ck_assert_ptr_null(find(i));
    }

    ck_assert_uint_gt(coming, 100); /* it does count */
    ck_assert_uint_le(coming, NJ_LEVEL_MOST);
    ck_assert_uint_gt(going, 100);
    ck_assert_uint_le(going, NJ_LEVEL_MOST);
    ck_assert(nj_level_is_empty(&level));
}
END_TEST

START_TEST(what_is_left_is_found_at_every_size)
{
    enum { N = 20000 };
    (void) insert_all(N);
    for (int left = N; left > 0; left--) {
        uint32_t i = nj_fast_random(&state) % (uint32_t) left;
        (void) nj_level_remove(&level, nodes[i]);
        ck_assert_ptr_null(find((int) i));
        struct nj_index_node *last = nodes[left - 1];
        nodes[left - 1] = nodes[i];
        nodes[i] = last;

        for (int j = 0; j < left - 1; j += 1 + left / 8) {
            ck_assert_ptr_eq(find(j), nodes[j]);
        }
    }
    ck_assert(nj_level_is_empty(&level));
}
END_TEST

START_TEST(names_of_one_hash_are_told_apart)
{
    enum { N = 3000 };
    for (int i = 0; i < N; i++) {
        (void) nj_level_insert(&level, node(i, 0xfffffff0));
    }
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_eq(find(i), nodes[i]);
    }
    for (int i = 0; i < N; i++) {
        (void) nj_level_remove(&level, nodes[i]);
    }
    ck_assert(nj_level_is_empty(&level));
}
END_TEST

static unsigned freed;

static void count_freed(struct nj_index_node *n)
{
    (void) n;
    freed++;
}

START_TEST(freeing_a_level_shows_each_node_once)
{
    (void) insert_all(30000);

    nj_level_free(&level, count_freed);

    ck_assert_uint_eq(freed, 30000);
    ck_assert(nj_level_is_empty(&level));
}
END_TEST

/* ---- readers beside a writer ---------------------------------------------------------------------- */

enum { STAY = 300, COME_AND_GO = 6000 };

static _Atomic int stop;

/* Those that stay are found in whatever shape the level is. */
static void *look(void *arg)
{
    uint64_t mine = (uint64_t) (uintptr_t) &arg | 1;
    nj_rcu_register();
    while (atomic_load(&stop) == 0) {
        for (int i = 0; i < 100; i++) {
            uint32_t which = nj_fast_random(&mine) % STAY;
            ck_assert_ptr_eq(find((int) which), nodes[which]);
        }
        nj_rcu_quiescent();
    }
    nj_rcu_unregister();
    return NULL;
}

START_TEST(who_stays_is_found_while_tables_are_split_and_merged)
{
    pthread_t readers[2];
    (void) insert_all(STAY);
    for (int i = STAY; i < COME_AND_GO; i++) {
        (void) node(i, nj_fast_random(&state));
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&readers[i], NULL, look, NULL), 0);
    }

    for (int round = 0; round < 20; round++) {
        for (int i = STAY; i < COME_AND_GO; i++) {
            (void) nj_level_insert(&level, nodes[i]);
        }
        for (int i = STAY; i < COME_AND_GO; i++) {
            (void) nj_level_remove(&level, nodes[i]);
            nj_rcu_quiescent();
        }
    }

    atomic_store(&stop, 1);
    nj_rcu_offline();
    for (int i = 0; i < 2; i++) {
        (void) pthread_join(readers[i], NULL);
    }
    nj_rcu_online();
    for (int i = 0; i < STAY; i++) {
        (void) nj_level_remove(&level, nodes[i]);
    }
    ck_assert(nj_level_is_empty(&level));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("level");
    TCase *tc = tcase_create("level");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, no_step_moves_many_names_however_many_there_are);
    tcase_add_test(tc, what_is_left_is_found_at_every_size);
    tcase_add_test(tc, names_of_one_hash_are_told_apart);
    tcase_add_test(tc, freeing_a_level_shows_each_node_once);
    tcase_add_test(tc, who_stays_is_found_while_tables_are_split_and_merged);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
