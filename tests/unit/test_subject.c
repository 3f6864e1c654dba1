/* test_subject.c: the grammar of subjects, row by row of tests/corpus/subjects.tsv. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/subject.h"
#include "subjects.h"

static int rows_seen;

static void check_row(const struct subject_row *r, void *arg)
{
    (void) arg;
    rows_seen++;
    if (r->valid) {
        ck_assert_msg(nj_subject_matches(r->pattern, strlen(r->pattern), r->subject,
                                         strlen(r->subject)) == r->match,
                      "'%s' against '%s'", r->pattern, r->subject);
    }
    ck_assert_msg(nj_subject_valid_pattern(r->pattern, strlen(r->pattern)) == r->valid,
                  "pattern '%s'", r->pattern);
    ck_assert_msg(nj_subject_valid_literal(r->subject, strlen(r->subject)) == r->subject_ok,
                  "subject '%s'", r->subject);
}

START_TEST(the_corpus_agrees)
{
    each_subject_row(check_row, NULL);

    ck_assert_int_gt(rows_seen, 600);
}
END_TEST

START_TEST(tokens_are_counted_by_dots)
{
    static const struct {
        const char *text;
        size_t n;
    } table[] = { { "", 1 }, { "a", 1 }, { "a.b", 2 }, { ".", 2 }, { "a..b", 3 }, { "a.b.c.>", 4 } };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_uint_eq(nj_subject_tokens(table[i].text, strlen(table[i].text)), table[i].n);
    }
}
END_TEST

START_TEST(bytes_behind_the_length_do_not_count)
{
    ck_assert(nj_subject_valid_pattern("a.b..", 3));
    ck_assert(nj_subject_valid_literal("a.b.>", 3));
    ck_assert(nj_subject_matches("a.*.c", 3, "a.b.x", 3));
    ck_assert(!nj_subject_matches("a.b", 3, "a.b.c", 5));
}
END_TEST

START_TEST(nul_and_high_bytes_are_letters)
{
    ck_assert(nj_subject_valid_pattern("a\0.\xff", 4));
    ck_assert(nj_subject_matches("a\0.*", 4, "a\0.\xfe", 4));
    ck_assert(!nj_subject_matches("a\0", 2, "a\1", 2));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("subject");
    TCase *tc = tcase_create("subject");
    tcase_add_test(tc, the_corpus_agrees);
    tcase_add_test(tc, tokens_are_counted_by_dots);
    tcase_add_test(tc, bytes_behind_the_length_do_not_count);
    tcase_add_test(tc, nul_and_high_bytes_are_letters);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
