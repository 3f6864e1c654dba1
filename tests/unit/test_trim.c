/* test_trim.c: when freed memory goes back to the system. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/trim.h"

enum { MIB = 1 << 20 };

/* What others noted before is done with. */
static void setup(void)
{
    (void) nj_trim_when_calm();
    (void) nj_trim_when_calm();
}

START_TEST(much_is_given_back_once_and_when_the_storm_is_over)
{
    nj_trim_note(20 * MIB);

    ck_assert(!nj_trim_when_calm()); /* more may come */
    ck_assert(nj_trim_when_calm());
    ck_assert(!nj_trim_when_calm());
}
END_TEST

START_TEST(a_storm_that_goes_on_is_not_disturbed)
{
    for (int i = 0; i < 20; i++) {
        nj_trim_note(2 * MIB);
        ck_assert(!nj_trim_when_calm());
    }

    ck_assert(nj_trim_when_calm());
}
END_TEST

START_TEST(little_is_kept_until_it_is_much)
{
    for (int i = 0; i < 15; i++) {
        nj_trim_note(MIB / 2);
        ck_assert(!nj_trim_when_calm());
    }

    nj_trim_note(MIB / 2);

    ck_assert(nj_trim_when_calm());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trim");
    TCase *tc = tcase_create("trim");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, much_is_given_back_once_and_when_the_storm_is_over);
    tcase_add_test(tc, a_storm_that_goes_on_is_not_disturbed);
    tcase_add_test(tc, little_is_kept_until_it_is_much);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
