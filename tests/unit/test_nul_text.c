/* test_nul_text.c: a NUL ends no text, and comes back out of it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/nul_text.h"

static const struct {
    const char *bytes;
    size_t len;
    const char *quoted;
} texts[] = {
    { "", 0, "\"\"" },
    { "secret", 6, "\"secret\"" },
    { "secret\0x", 8, "\"secret\\x00x\"" },
    { "\0secret", 7, "\"\\x00secret\"" },
    { "secret\0", 7, "\"secret\\x00\"" },
    { "\0\0", 2, "\"\\x00\\x00\"" },
    { "\xc3\xa9\0\xe2\x82\xac", 6, "\"\xc3\xa9\\x00\xe2\x82\xac\"" },
};

START_TEST(every_text_comes_back_as_it_was)
{
    struct nj_buf out, quoted;
    char *text = nj_nul_text_new(texts[_i].bytes, texts[_i].len);
    nj_buf_init(&out, SIZE_MAX);
    nj_buf_init(&quoted, SIZE_MAX);

    ck_assert_int_eq(nj_nul_text_append(&out, text), 0);
    ck_assert_int_eq(nj_nul_text_quote(&quoted, text), 0);

    ck_assert_uint_eq(out.len, texts[_i].len);
    ck_assert(out.len == 0 || memcmp(out.ptr, texts[_i].bytes, out.len) == 0);
    ck_assert_str_eq(quoted.ptr, texts[_i].quoted);
    nj_buf_free(&out);
    nj_buf_free(&quoted);
    nj_dealloc(text);
}
END_TEST

START_TEST(no_two_are_the_same)
{
    enum { N = sizeof(texts) / sizeof(texts[0]) };
    for (size_t i = 0; i < N; i++) {
        for (size_t n = i + 1; n < N; n++) {
            char *a = nj_nul_text_new(texts[i].bytes, texts[i].len);
            char *b = nj_nul_text_new(texts[n].bytes, texts[n].len);
            ck_assert_str_ne(a, b);
            nj_dealloc(a);
            nj_dealloc(b);
        }
    }
}
END_TEST

static Suite *nul_text_suite(void)
{
    Suite *s = suite_create("nul_text");
    TCase *tc = tcase_create("nul_text");
    tcase_add_loop_test(tc, every_text_comes_back_as_it_was, 0,
                        (int) (sizeof(texts) / sizeof(texts[0])));
    tcase_add_test(tc, no_two_are_the_same);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(nul_text_suite());
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
