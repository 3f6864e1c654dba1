/* The DER cursor: what it takes, what it refuses, and that it never reads past its input. */
#include "tls/der.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "certs.h"

#define SPAN(...)                                                                                  \
    ((struct nj_span){ (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })

static bool taken(struct nj_span in)
{
    uint8_t tag = 0;
    struct nj_span body;
    return nj_der_next(&in, &tag, &body, NULL) == NJ_OK;
}

START_TEST(an_element_is_taken_and_the_cursor_moves_past_it)
{
    struct nj_span in = SPAN(0x30, 0x03, 0x02, 0x01, 0x05, 0x05, 0x00);
    struct nj_span body, whole;
    uint8_t tag = 0;

    ck_assert_int_eq(nj_der_next(&in, &tag, &body, &whole), NJ_OK);

    ck_assert_uint_eq(tag, NJ_DER_SEQUENCE);
    ck_assert_uint_eq(body.len, 3);
    ck_assert_uint_eq(whole.len, 5);
    ck_assert_uint_eq(in.len, 2);
    ck_assert(nj_der_is(&in, NJ_DER_NULL));
}
END_TEST

START_TEST(a_wrong_tag_leaves_the_cursor_alone)
{
    struct nj_span in = SPAN(0x02, 0x01, 0x05);
    struct nj_span body;

    ck_assert_int_eq(nj_der_take(&in, NJ_DER_SEQUENCE, &body), NJ_E_INVALID);

    ck_assert_uint_eq(in.len, 3);
}
END_TEST

START_TEST(lengths_that_are_cut_off_indefinite_or_not_the_shortest_are_refused)
{
    ck_assert(taken(SPAN(0x04, 0x00)));
    ck_assert(!taken(SPAN(0x04)));
    ck_assert(!taken(SPAN(0x04, 0x01)));
    ck_assert(!taken(SPAN(0x30, 0x80, 0x00, 0x00)));
    ck_assert(!taken(SPAN(0x04, 0x81, 0x01, 0x00)));
    ck_assert(!taken(SPAN(0x04, 0x82, 0x00, 0x01, 0x00)));
    ck_assert(!taken(SPAN(0x04, 0x84, 0xff, 0xff, 0xff, 0xff)));
    ck_assert(!taken(SPAN(0x04, 0x85, 0, 0, 0, 0, 1, 0)));
    ck_assert(!taken(SPAN(0x1f, 0x01, 0x00))); /* a tag of more bytes */
}
END_TEST

START_TEST(a_long_length_is_taken)
{
    uint8_t bytes[3 + 200] = { 0x04, 0x81, 200 };
    struct nj_span in = { bytes, sizeof(bytes) };
    struct nj_span body;

    ck_assert_int_eq(nj_der_take(&in, NJ_DER_OCTET_STRING, &body), NJ_OK);

    ck_assert_uint_eq(body.len, 200);
    ck_assert_uint_eq(in.len, 0);
}
END_TEST

START_TEST(small_numbers_are_read_and_others_refused)
{
    static const struct {
        uint8_t der[8];
        int rc;
        int32_t value;
    } cases[] = {
        { { 0x02, 1, 0 }, NJ_OK, 0 },
        { { 0x02, 1, 0x7f }, NJ_OK, 127 },
        { { 0x02, 2, 0x00, 0x80 }, NJ_OK, 128 },
        { { 0x02, 4, 0x7f, 0xff, 0xff, 0xff }, NJ_OK, INT32_MAX },
        { { 0x02, 1, 0x80 }, NJ_E_INVALID, 0 },             /* negative */
        { { 0x02, 2, 0x00, 0x01 }, NJ_E_INVALID, 0 },       /* not the shortest */
        { { 0x02, 5, 0, 0x80, 0, 0, 0 }, NJ_E_INVALID, 0 }, /* too large */
        { { 0x02, 0 }, NJ_E_INVALID, 0 },
        { { 0x0a, 1, 1 }, NJ_E_INVALID, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_span in = { cases[i].der, sizeof(cases[i].der) };
        int32_t value = 0;

        ck_assert_int_eq(nj_der_take_small(&in, &value), cases[i].rc);
        ck_assert_int_eq(value, cases[i].value);
    }
}
END_TEST

static int time_of(uint8_t tag, const char *text, int64_t *time_s)
{
    uint8_t der[64] = { tag, (uint8_t) strlen(text) };
    memcpy(der + 2, text, strlen(text));
    struct nj_span in = { der, 2 + strlen(text) };
    return nj_der_take_time(&in, time_s);
}

START_TEST(times_are_seconds_since_1970)
{
    static const struct {
        uint8_t tag;
        const char *text;
        int64_t time_s;
    } cases[] = {
        { NJ_DER_UTC_TIME, "700101000000Z", 0 },
        { NJ_DER_UTC_TIME, "261125094034Z", CHECKED_AT },
        { NJ_DER_UTC_TIME, "491231235959Z", INT64_C(2524607999) },
        { NJ_DER_UTC_TIME, "500101000000Z", INT64_C(-631152000) },
        { NJ_DER_UTC_TIME, "000229120000Z", INT64_C(951825600) },
        { NJ_DER_GENERALIZED_TIME, "19700101000000Z", 0 },
        { NJ_DER_GENERALIZED_TIME, "20991231235959Z", INT64_C(4102444799) },
        { NJ_DER_GENERALIZED_TIME, "99991231235959Z", INT64_C(253402300799) },
        { NJ_DER_GENERALIZED_TIME, "00000101000000Z", INT64_C(-62167219200) },
        { NJ_DER_GENERALIZED_TIME, "00010101000000Z", INT64_C(-62135596800) },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time_s = -1;

        ck_assert_int_eq(time_of(cases[i].tag, cases[i].text, &time_s), NJ_OK);
        ck_assert_int_eq(time_s, cases[i].time_s);
    }
}
END_TEST

START_TEST(times_that_do_not_exist_are_refused)
{
    static const char *const bad[] = { "261325094034Z", "260025094034Z", "261131094034Z",
                                       "260229094034Z", "261125240000Z", "261125096034Z",
                                       "261125094060Z", "261125094034",  "261125094034+",
                                       "2611250940Z",   "26112509403xZ", "261125094034+0100" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t time_s = 0;
        ck_assert_int_eq(time_of(NJ_DER_UTC_TIME, bad[i], &time_s), NJ_E_INVALID);
    }
}
END_TEST

static const char *oid(struct nj_span body)
{
    static char text[128];
    struct nj_buf b;
    nj_buf_init(&b, sizeof(text) - 1);
    int rc = nj_der_oid_text(body, &b);
    (void) snprintf(text, sizeof(text), "%s", rc == NJ_OK ? b.ptr : "refused");
    nj_buf_free(&b);
    return text;
}

START_TEST(oids_are_written_in_dots)
{
    ck_assert_str_eq(oid(SPAN(0x55, 0x04, 0x03)), "2.5.4.3");
    ck_assert_str_eq(oid(SPAN(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01)),
                     "1.2.840.113549.1.9.1");
    ck_assert_str_eq(oid(SPAN(0x88, 0x37)), "2.999");
    ck_assert_str_eq(oid(SPAN(0x2a, 0x86)), "refused");       /* cut off */
    ck_assert_str_eq(oid(SPAN(0x2a, 0x80, 0x01)), "refused"); /* not the shortest */
    ck_assert_str_eq(oid((struct nj_span){ 0 }), "refused");
}
END_TEST

static int text_of(uint8_t tag, struct nj_span body, const char *expected)
{
    struct nj_buf b;
    nj_buf_init(&b, 64);
    int rc = nj_der_string_text(tag, body, &b);
    if (rc == NJ_OK) {
        ck_assert_str_eq(b.ptr, expected);
    }
    nj_buf_free(&b);
    return rc;
}

START_TEST(strings_come_out_as_utf8_or_are_refused)
{
    ck_assert_int_eq(text_of(NJ_DER_UTF8, SPAN(0xc5, 0xbd), "\xc5\xbd"), NJ_OK);
    ck_assert_int_eq(text_of(NJ_DER_BMP, SPAN(0x01, 0x7d), "\xc5\xbd"), NJ_OK);
    ck_assert_int_eq(text_of(NJ_DER_BMP, SPAN(0, 'a', 0, 0), "a"), NJ_OK);
    ck_assert_int_eq(text_of(NJ_DER_BMP, SPAN(0x20, 0xac), "\xe2\x82\xac"), NJ_OK);
    ck_assert_int_eq(text_of(NJ_DER_T61, SPAN(0xe9), "\xc3\xa9"), NJ_OK);
    ck_assert_int_eq(text_of(NJ_DER_PRINTABLE, SPAN('a', '*', '&'), "a*&"), NJ_OK);
    ck_assert_int_eq(text_of(NJ_DER_PRINTABLE, SPAN('@'), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_IA5, SPAN(0x80), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_NUMERIC, SPAN('a'), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_BMP, SPAN(0xd8, 0x00), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_BMP, SPAN(0x00), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_UTF8, SPAN(0xc0, 0x80), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_UTF8, SPAN(0xed, 0xa0, 0x80), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_UTF8, SPAN(0xf4, 0x90, 0x80, 0x80), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_UTF8, SPAN(0xe2, 0x82), ""), NJ_E_INVALID);
    ck_assert_int_eq(text_of(NJ_DER_OCTET_STRING, SPAN('a'), ""), NJ_E_INVALID);
}
END_TEST

/* Walk everything that looks like structure. */
static void walk(struct nj_span in, int depth)
{
    uint8_t tag = 0;
    struct nj_span body;
    while (nj_der_next(&in, &tag, &body, NULL) == NJ_OK) {
        if ((tag & 0x20) != 0 && depth < 20) {
            walk(body, depth + 1);
        }
    }
}

START_TEST(any_cut_is_safe)
{
    struct certs c;
    certs_load(&c, "leaf-odd-all-sans");
    for (size_t len = 0; len <= c.certs[0].len; len++) {
        uint8_t *copy = nj_memdup(c.certs[0].ptr, len); /* its own size: the sanitizer sees more */
        walk((struct nj_span){ copy, len }, 0);
        nj_dealloc(copy);
    }
    certs_free(&c);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("der");
    tcase_add_test(tc, an_element_is_taken_and_the_cursor_moves_past_it);
    tcase_add_test(tc, a_wrong_tag_leaves_the_cursor_alone);
    tcase_add_test(tc, lengths_that_are_cut_off_indefinite_or_not_the_shortest_are_refused);
    tcase_add_test(tc, a_long_length_is_taken);
    tcase_add_test(tc, small_numbers_are_read_and_others_refused);
    tcase_add_test(tc, times_are_seconds_since_1970);
    tcase_add_test(tc, times_that_do_not_exist_are_refused);
    tcase_add_test(tc, oids_are_written_in_dots);
    tcase_add_test(tc, strings_come_out_as_utf8_or_are_refused);
    tcase_add_test(tc, any_cut_is_safe);
    return run_cases("der", tc);
}
