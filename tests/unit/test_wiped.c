/* test_wiped.c: no memory is given back with a secret in it.  Linked with --wrap=nj_dealloc. */
#include <check.h>
#include <jansson.h>
#include <malloc.h>
#include <string.h>

#include "base/alloc.h"
#include "base/wiped.h"
#include "natterjack/plugin.h"
#include "proto/parse.h"

#define SECRET "hunter2-hunter2"

void __real_nj_dealloc(void *ptr);
void __wrap_nj_dealloc(void *ptr);

static unsigned given_back, told;

void __wrap_nj_dealloc(void *ptr)
{
    if (ptr != NULL) {
        given_back++;
        told += memmem(ptr, malloc_usable_size(ptr), SECRET, strlen(SECRET)) != NULL;
    }
    __real_nj_dealloc(ptr);
}

START_TEST(the_watch_sees_a_secret)
{
    nj_dealloc(nj_strdup(SECRET));

    ck_assert_uint_eq(told, 1);
}
END_TEST

START_TEST(json_that_was_read_is_wiped_whatever_its_form)
{
    static const char *const texts[] = { "{\"pass\":\"" SECRET "\"}",
                                         "{\"pass\":[\"" SECRET "\",{\"" SECRET "\":1}]}",
                                         "{\"pass\":\"" SECRET "\\u0041\",", /* broken off */
                                         "\"" SECRET "\"" };
    json_set_alloc_funcs(nj_wiped_alloc, nj_wiped_dealloc);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_decref(json_loads(texts[i], JSON_DECODE_ANY, NULL));
    }

    ck_assert_uint_gt(given_back, 8);
    ck_assert_uint_eq(told, 0);
}
END_TEST

START_TEST(a_connect_that_came_in_pieces_is_wiped_when_it_was_handled)
{
    char text[600];
    struct nj_parser p;
    struct nj_event ev;
    size_t used;
    int rc = NJ_NEED_IN;
    int n = snprintf(text, sizeof(text), "CONNECT {\"pass\":\"" SECRET "\",\"name\":\"%0300d\"}\r\n", 7);
    nj_parser_init(&p);
    p.max_control_line = 4096;

    for (int i = 0; i < n; i++) { /* it grows, and is copied */
        rc = nj_parse(&p, (const uint8_t *) text + i, 1, &used, &ev);
    }
    ck_assert_int_eq(rc, NJ_OK);
    ck_assert_ptr_nonnull(memmem(ev.arg.ptr, ev.arg.len, SECRET, strlen(SECRET)));
    ck_assert_int_eq(nj_parse(&p, (const uint8_t *) text, 0, &used, &ev), NJ_NEED_IN);

    ck_assert_ptr_null(p.line);
    ck_assert_uint_gt(given_back, 1);
    ck_assert_uint_eq(told, 0);
    nj_parser_fini(&p);
}
END_TEST

START_TEST(half_a_connect_is_wiped_when_its_client_goes)
{
    static const char text[] = "CONNECT {\"pass\":\"" SECRET "\"";
    struct nj_parser p;
    struct nj_event ev;
    size_t used;
    nj_parser_init(&p);
    p.max_control_line = 4096;
    ck_assert_int_eq(nj_parse(&p, (const uint8_t *) text, strlen(text), &used, &ev), NJ_NEED_IN);

    nj_parser_fini(&p);

    ck_assert_uint_gt(given_back, 0);
    ck_assert_uint_eq(told, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wiped");
    TCase *tc = tcase_create("wiped");
    tcase_add_test(tc, the_watch_sees_a_secret);
    tcase_add_test(tc, json_that_was_read_is_wiped_whatever_its_form);
    tcase_add_test(tc, a_connect_that_came_in_pieces_is_wiped_when_it_was_handled);
    tcase_add_test(tc, half_a_connect_is_wiped_when_its_client_goes);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
