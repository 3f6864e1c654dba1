/* test_hostile_names.c: names that were chosen to be dear cost no more than others. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/keyed_hash.h"
#include "broker.h"
#include "broker/index.h"
#include "peer/replies.h"

#define NAMES 16384u
#define BLOCKS 14u /* a bit of the name's number in each */
#define NAME_LEN (BLOCKS * 16u)
#define DEARER 12 /* times; what is quadratic is hundreds of times as dear */

/* ---- names ----------------------------------------------------------------------------------------- */

/* Two words for each bit of n.  The top bit goes through any multiplication by an odd number as the
 * top bit, and the fold by 32 puts it into bit 31 as well: the second word takes both back. */
static void alike(char name[NAME_LEN + 1], unsigned n)
{
    memset(name, 'a', NAME_LEN);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if ((n >> i & 1) != 0) {
            name[16 * i + 7] ^= (char) 0x80;
            name[16 * i + 11] ^= (char) 0x80;
            name[16 * i + 15] ^= (char) 0x80;
        }
    }
    name[NAME_LEN] = '\0';
}

static void unlike(char name[NAME_LEN + 1], unsigned n)
{
    memset(name, 'a', NAME_LEN);
    (void) snprintf(name + NAME_LEN - 8, 9, "%08u", n);
}

typedef void (*naming)(char name[NAME_LEN + 1], unsigned n);

/* ---- what it costs --------------------------------------------------------------------------------- */

/* Of this thread: others may be busy. */
static double now_s(void)
{
    struct timespec ts;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void setup(void)
{
    rcu_setup();
}

static void teardown(void)
{
    rcu_teardown();
}

static double insert_and_remove(naming subject, naming queue)
{
    static struct nj_sub *subs[NAMES];
    struct nj_index *ix = nj_index_new();
    char name[NAME_LEN + 1];
    double begin = now_s();
    for (unsigned i = 0; i < NAMES; i++) {
        (subject != NULL ? subject : queue)(name, i);
        subs[i] = make_sub(subject != NULL ? name : "a", queue != NULL ? name : NULL, "1");
        nj_index_insert(ix, subs[i]);
    }
    ck_assert_uint_eq(nj_index_count(ix), NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        nj_index_remove(ix, subs[i]);
    }
    double took = now_s() - begin;
    for (unsigned i = 0; i < NAMES; i++) {
        nj_sub_retire(subs[i]);
    }
    nj_index_free(&ix);
    return took;
}

static void check_not_dearer(double odd_s, double plain_s)
{
    ck_assert_msg(odd_s < DEARER * plain_s, "%.3f s, others take %.3f s", odd_s, plain_s);
}

START_TEST(tokens_made_to_collide_do_not)
{
    check_not_dearer(insert_and_remove(alike, NULL), insert_and_remove(unlike, NULL));
}
END_TEST

START_TEST(many_queue_names_on_one_subject_cost_no_more_than_many_subjects)
{
    check_not_dearer(insert_and_remove(NULL, unlike), insert_and_remove(unlike, NULL));
}
END_TEST

START_TEST(queue_names_made_to_collide_do_not)
{
    check_not_dearer(insert_and_remove(NULL, alike), insert_and_remove(unlike, NULL));
}
END_TEST

static double note_replies(naming subject)
{
    struct nj_replies *r = nj_replies_new(1, -1);
    char name[NAME_LEN + 1];
    double begin = now_s();
    for (unsigned i = 0; i < NAMES; i++) {
        subject(name, i);
        nj_replies_add(r, name, NAME_LEN, 0);
    }
    double took = now_s() - begin;
    ck_assert_uint_eq(nj_replies_count(r), NAMES);
    nj_replies_free(&r);
    return took;
}

START_TEST(replies_made_to_collide_do_not)
{
    check_not_dearer(note_replies(alike), note_replies(unlike));
}
END_TEST

/* ---- the hash itself ------------------------------------------------------------------------------- */

START_TEST(every_byte_length_and_key_counts)
{
    const struct nj_hash_key key = { { 1, 2 } };
    const struct nj_hash_key other = { { 1, 3 } };
    const char text[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t len = 0; len < sizeof(text); len++) {
        uint64_t h = nj_keyed_hash(&key, text, len);
        ck_assert(h == nj_keyed_hash(&key, text, len));
        ck_assert(h != nj_keyed_hash(&other, text, len));
        ck_assert(len == 0 || h != nj_keyed_hash(&key, text, len - 1));
        for (size_t i = 0; i < len; i++) {
            char changed[sizeof(text)];
            memcpy(changed, text, sizeof(text));
            changed[i] ^= (char) 0x80;
            ck_assert(h != nj_keyed_hash(&key, changed, len));
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hostile_names");
    TCase *tc = tcase_create("hostile_names");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, tokens_made_to_collide_do_not);
    tcase_add_test(tc, many_queue_names_on_one_subject_cost_no_more_than_many_subjects);
    tcase_add_test(tc, queue_names_made_to_collide_do_not);
    tcase_add_test(tc, replies_made_to_collide_do_not);
    tcase_add_test(tc, every_byte_length_and_key_counts);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
