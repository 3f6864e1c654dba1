#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "natterjack/plugin.h"

static struct nj_buf out;

static void setup(void)
{
    nj_buf_init(&out, SIZE_MAX);
}

static void teardown(void)
{
    nj_buf_free(&out);
}

#define S(text) text, sizeof(text) - 1

static const struct {
    const char *in;
    size_t in_len;
    const char *want;
} strings[] = {
    { S(""), "\"\"" },
    { S("plain"), "\"plain\"" },
    { S("a\"b\\c"), "\"a\\\"b\\\\c\"" },
    { S("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
    { S("\0\001\013\037\177"), "\"\\u0000\\u0001\\u000b\\u001f\177\"" },
    { S("<&>"), "\"\\u003c\\u0026\\u003e\"" },
    { S("\342\202\254 \303\251"), "\"\342\202\254 \303\251\"" },
    { S("x\342\200\250y\342\200\251"), "\"x\\u2028y\\u2029\"" },
    { S("\342\200\252"), "\"\342\200\252\"" },
    { S("\377a"), "\"\\ufffda\"" },
    { S("\342\202"), "\"\\ufffd\\ufffd\"" },                       /* cut short */
    { S("\300\200"), "\"\\ufffd\\ufffd\"" },                       /* overlong */
    { S("\340\237\277"), "\"\\ufffd\\ufffd\\ufffd\"" },            /* overlong */
    { S("\355\240\200"), "\"\\ufffd\\ufffd\\ufffd\"" },            /* surrogate */
    { S("\364\220\200\200"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* above U+10FFFF */
    { S("\360\237\230\200"), "\"\360\237\230\200\"" },
};

START_TEST(strings_are_escaped_as_go_does)
{
    int rc = nj_json_quote(&out, strings[_i].in, strings[_i].in_len);

    ck_assert_int_eq(rc, NJ_OK);
    ck_assert_str_eq(out.ptr, strings[_i].want);
}
END_TEST

static const struct {
    double in;
    const char *want;
} floats[] = {
    { 0, "0" },
    { -0.0, "-0" },
    { 1, "1" },
    { 2.5, "2.5" },
    { -12.75, "-12.75" },
    { 0.1, "0.1" },
    { 100, "100" },
    { 1234567, "1234567" },
    { 1e20, "100000000000000000000" },
    { 1e21, "1e+21" },
    { 123456789012345678901234.0, "1.2345678901234569e+23" },
    { 0.000001, "0.000001" },
    { 0.00000123, "0.00000123" },
    { 1e-7, "1e-7" },
    { 1.5e-10, "1.5e-10" },
    { 2e23, "2e+23" },
    { 1e100, "1e+100" },
    { 5e-324, "5e-324" },
    { 1.7976931348623157e308, "1.7976931348623157e+308" },
    { 0.30000000000000004, "0.30000000000000004" },
    { 10.05, "10.05" },
};

START_TEST(floats_take_the_shortest_form)
{
    char text[32];

    nj_json_float_text(floats[_i].in, text, sizeof(text));

    ck_assert_str_eq(text, floats[_i].want);
}
END_TEST

static void write_sample(unsigned indent)
{
    struct nj_json j;
    char *tags[] = { (char[]){ "a" }, (char[]){ "b" } };
    nj_json_init(&j, &out, indent);
    nj_json_object(&j, NULL);
    nj_json_str(&j, "s", NULL);
    nj_json_int(&j, "i", INT64_MIN);
    nj_json_uint(&j, "u", UINT64_MAX);
    nj_json_float(&j, "f", 2);
    nj_json_float(&j, "nan", NAN);
    nj_json_object(&j, "o");
    nj_json_end(&j);
    nj_json_array(&j, "e");
    nj_json_end(&j);
    nj_json_array(&j, "l");
    nj_json_object(&j, NULL);
    nj_json_bool(&j, "b", true);
    nj_json_end(&j);
    nj_json_null(&j, NULL);
    nj_json_end(&j);
    nj_json_opt_strs(&j, "tags", tags, 2);
    nj_json_time(&j, "t", 1500000000);
    nj_json_end(&j);
    ck_assert_int_eq(nj_json_finish(&j), NJ_OK);
}

START_TEST(compact_form_has_no_blanks)
{
    write_sample(0);

    ck_assert_str_eq(out.ptr, "{\"s\":\"\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
                              "\"f\":2,\"nan\":null,\"o\":{},\"e\":[],\"l\":[{\"b\":true},null],"
                              "\"tags\":[\"a\",\"b\"],\"t\":\"1970-01-01T00:00:01.5Z\"}");
}
END_TEST

START_TEST(indented_form_keeps_empty_containers_on_one_line)
{
    write_sample(2);

    ck_assert_str_eq(out.ptr, "{\n  \"s\": \"\",\n  \"i\": -9223372036854775808,\n"
                              "  \"u\": 18446744073709551615,\n  \"f\": 2,\n  \"nan\": null,\n"
                              "  \"o\": {},\n  \"e\": [],\n  \"l\": [\n    {\n"
                              "      \"b\": true\n    },\n    null\n  ],\n  \"tags\": [\n"
                              "    \"a\",\n    \"b\"\n  ],\n"
                              "  \"t\": \"1970-01-01T00:00:01.5Z\"\n}");
}
END_TEST

START_TEST(optional_members_vanish_when_empty)
{
    struct nj_json j;
    nj_json_init(&j, &out, 0);

    nj_json_object(&j, NULL);
    nj_json_opt_str(&j, "a", NULL);
    nj_json_opt_str(&j, "b", "");
    nj_json_opt_int(&j, "c", 0);
    nj_json_opt_uint(&j, "d", 0);
    nj_json_opt_float(&j, "e", 0);
    nj_json_opt_bool(&j, "f", false);
    nj_json_opt_time(&j, "g", 0);
    nj_json_opt_strs(&j, "h", NULL, 0);
    nj_json_opt_int(&j, "i", -1);
    nj_json_end(&j);

    ck_assert_int_eq(nj_json_finish(&j), NJ_OK);
    ck_assert_str_eq(out.ptr, "{\"i\":-1}");
}
END_TEST

START_TEST(the_limit_of_the_buffer_is_reported_at_the_end)
{
    struct nj_json j;
    struct nj_buf small;
    nj_buf_init(&small, 10);
    nj_json_init(&j, &small, 0);

    nj_json_array(&j, NULL);
    for (int i = 0; i < 100; i++) {
        nj_json_int(&j, NULL, i);
    }
    nj_json_end(&j);

    ck_assert_int_eq(nj_json_finish(&j), NJ_E_LIMIT);
    ck_assert_uint_le(small.len, 10);
    nj_buf_free(&small);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, strings_are_escaped_as_go_does, 0,
                        (int) (sizeof(strings) / sizeof(strings[0])));
    tcase_add_loop_test(tc, floats_take_the_shortest_form, 0,
                        (int) (sizeof(floats) / sizeof(floats[0])));
    tcase_add_test(tc, compact_form_has_no_blanks);
    tcase_add_test(tc, indented_form_keeps_empty_containers_on_one_line);
    tcase_add_test(tc, optional_members_vanish_when_empty);
    tcase_add_test(tc, the_limit_of_the_buffer_is_reported_at_the_end);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
