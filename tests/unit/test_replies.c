/* test_replies.c: subjects that may be answered: how often, how long, how many. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "peer/replies.h"

static void add(struct nj_replies *r, const char *subject, int64_t now_us)
{
    nj_replies_add(r, subject, strlen(subject), now_us);
}

static bool use(struct nj_replies *r, const char *subject, int64_t now_us)
{
    return nj_replies_use(r, subject, strlen(subject), now_us);
}

START_TEST(what_was_not_asked_may_not_be_answered)
{
    struct nj_replies *r = nj_replies_new(1, 1000);
    ck_assert(!use(r, "a", 0));
    add(r, "a", 0);
    ck_assert(!use(r, "b", 0));
    ck_assert(!use(r, "a.", 0));
    ck_assert(use(r, "a", 0));
    nj_replies_free(&r);
    ck_assert_ptr_null(r);
}
END_TEST

START_TEST(an_answer_is_used_up)
{
    struct nj_replies *r = nj_replies_new(2, -1);
    add(r, "a", 0);
    ck_assert(use(r, "a", 1));
    ck_assert(use(r, "a", INT64_MAX));
    ck_assert(!use(r, "a", 2));
    ck_assert_uint_eq(nj_replies_count(r), 0);
    nj_replies_free(&r);
}
END_TEST

START_TEST(an_answer_comes_in_time)
{
    struct nj_replies *r = nj_replies_new(-1, 1000);
    add(r, "a", 5000);
    ck_assert(use(r, "a", 5000));
    ck_assert(use(r, "a", 6000));
    ck_assert(!use(r, "a", 6001));
    ck_assert(!use(r, "a", 5000)); /* forgotten */
    nj_replies_free(&r);
}
END_TEST

START_TEST(asked_again_it_counts_anew)
{
    struct nj_replies *r = nj_replies_new(2, 1000);
    add(r, "a", 0);
    ck_assert(use(r, "a", 0));
    add(r, "b", 500);
    add(r, "a", 900);
    ck_assert_uint_eq(nj_replies_count(r), 2);
    add(r, "c", 1600); /* b is too old now, a is not */
    ck_assert_uint_eq(nj_replies_count(r), 2);
    ck_assert(use(r, "a", 1900));
    ck_assert(use(r, "a", 1900));
    ck_assert(!use(r, "a", 1900));
    ck_assert(!use(r, "b", 1400));
    nj_replies_free(&r);
}
END_TEST

START_TEST(the_oldest_makes_room_for_the_newest)
{
    struct nj_replies *r = nj_replies_new(1, -1);
    char text[32];
    for (unsigned i = 0; i < NJ_REPLIES_MOST + 10; i++) {
        (void) snprintf(text, sizeof(text), "_INBOX.%u", i);
        add(r, text, i);
    }
    ck_assert_uint_eq(nj_replies_count(r), NJ_REPLIES_MOST);
    for (unsigned i = 0; i < NJ_REPLIES_MOST + 10; i++) {
        (void) snprintf(text, sizeof(text), "_INBOX.%u", i);
        ck_assert_msg(use(r, text, 0) == (i >= 10), "%s", text);
    }
    ck_assert_uint_eq(nj_replies_count(r), 0);
    add(r, "last", 0);
    nj_replies_free(&r);
}
END_TEST

START_TEST(long_subjects_do_not_add_up)
{
    struct nj_replies *r = nj_replies_new(1, -1);
    const size_t len = 4000;
    char *text = nj_alloc(len + 1);
    size_t fit = NJ_REPLIES_BYTES_MOST / len;
    memset(text, 'x', len);
    text[len] = '\0';
    for (unsigned i = 0; i < fit + 100; i++) {
        text[(size_t) snprintf(text, 12, "%010u", i)] = 'x';
        add(r, text, i);
    }
    ck_assert_uint_eq(nj_replies_count(r), fit);
    (void) memcpy(text, "0000000099", 10);
    ck_assert(!use(r, text, 0));
    (void) memcpy(text, "0000000100", 10);
    ck_assert(use(r, text, 0));
    add(r, "short", 0); /* there is room for it again */
    ck_assert_uint_eq(nj_replies_count(r), fit);
    nj_dealloc(text);
    nj_replies_free(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replies");
    TCase *tc = tcase_create("replies");
    tcase_add_test(tc, what_was_not_asked_may_not_be_answered);
    tcase_add_test(tc, an_answer_is_used_up);
    tcase_add_test(tc, an_answer_comes_in_time);
    tcase_add_test(tc, asked_again_it_counts_anew);
    tcase_add_test(tc, the_oldest_makes_room_for_the_newest);
    tcase_add_test(tc, long_subjects_do_not_add_up);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
