/* test_quote.c: Go's quotes and errno's words. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/quote.h"
#include "natterjack/plugin.h"

START_TEST(what_needs_an_escape_gets_the_one_of_go)
{
    static const struct {
        const char *text;
        const char *quoted;
    } table[] = {
        { "", "\"\"" },
        { "plain 'text'", "\"plain 'text'\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\"" },
        { "\x01\x1b\x7f", "\"\\x01\\x1b\\x7f\"" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb8", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb8\"" },
        { "\xc2\x85\xc2\xa0\xc2\xad", "\"\\u0085\\u00a0\\u00ad\"" },
        { "\xff\xc3", "\"\\xff\\xc3\"" },                   /* no UTF-8; cut short */
        { "\xc0\x80", "\"\\xc0\\x80\"" },                   /* overlong */
        { "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },          /* a surrogate */
        { "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"" }, /* past U+10FFFF */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char out[64];
        ck_assert_str_eq(nj_quote_text(table[i].text, out, sizeof(out)), table[i].quoted);
    }
}
END_TEST

START_TEST(a_nul_inside_is_a_byte_like_others)
{
    struct nj_buf b;
    nj_buf_init(&b, 64);
    ck_assert_int_eq(nj_quote(&b, "a\0b", 3), NJ_OK);
    ck_assert_str_eq(b.ptr, "\"a\\x00b\"");
    nj_buf_free(&b);
}
END_TEST

START_TEST(the_limit_of_the_buffer_is_kept)
{
    struct nj_buf b;
    nj_buf_init(&b, 4);
    ck_assert_int_eq(nj_quote(&b, "abcdef", 6), NJ_E_LIMIT);
    ck_assert_uint_le(b.len, 4);
    nj_buf_free(&b);
}
END_TEST

START_TEST(a_fixed_place_is_cut_to_fit)
{
    char out[5];
    ck_assert_str_eq(nj_quote_text("abcdef", out, sizeof(out)), "\"abc");
}
END_TEST

START_TEST(errno_speaks_in_lower_case)
{
    char out[96];
    ck_assert_str_eq(nj_errno_text(ENOENT, out, sizeof(out)), "no such file or directory");
    ck_assert_str_eq(nj_errno_text(EADDRINUSE, out, sizeof(out)), "address already in use");
    ck_assert_str_eq(nj_errno_text(ESRCH, out, sizeof(out)), "no such process");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quote");
    TCase *tc = tcase_create("quote");
    tcase_add_test(tc, what_needs_an_escape_gets_the_one_of_go);
    tcase_add_test(tc, a_nul_inside_is_a_byte_like_others);
    tcase_add_test(tc, the_limit_of_the_buffer_is_kept);
    tcase_add_test(tc, a_fixed_place_is_cut_to_fit);
    tcase_add_test(tc, errno_speaks_in_lower_case);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
