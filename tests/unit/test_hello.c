/* The ClientHello reader, on hellos of real clients and on damaged ones. */
#include "tls/hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "certs.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t bytes[NJ_HELLO_BUFFER_MAX + 1024];
static size_t len;
static struct nj_hello hello;
static struct nj_error err;

static void setup(void)
{
    err = (struct nj_error) NJ_ERROR_INIT;
    len = 0;
}

static void teardown(void)
{
    nj_hello_fini(&hello);
}

static void load(const char *name)
{
    char path[512];
    const char *top = getenv("NJ_TEST_SRCDIR");
    (void) snprintf(path, sizeof(path), "%s/tests/corpus/hellos/%s", top != NULL ? top : ".", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    len = fread(bytes, 1, sizeof(bytes), f);
    (void) fclose(f);
    ck_assert_uint_gt(len, 100);
}

static int read_hello(void)
{
    nj_hello_fini(&hello);
    return nj_hello_read(&hello, bytes, len, &err);
}

static void read_file(const char *name)
{
    load(name);
    ck_assert_msg(read_hello() == NJ_OK, "%s: %s", name, err.text);
}

static bool is_text(struct nj_span s, const char *expected)
{
    return s.len == strlen(expected) && memcmp(s.ptr, expected, s.len) == 0;
}

static void put(const void *p, size_t n)
{
    ck_assert_uint_le(len + n, sizeof(bytes));
    memcpy(bytes + len, p, n);
    len += n;
}

static void put_record(uint8_t type, const uint8_t *body, size_t n)
{
    uint8_t header[] = { type, 3, 1, (uint8_t) (n >> 8), (uint8_t) n };
    put(header, sizeof(header));
    put(body, n);
}

/* The same message again, `fragment` bytes in each record. */
static void cut_into_records(size_t fragment)
{
    uint8_t message[4096];
    size_t message_len = len - 5;
    ck_assert_uint_le(message_len, sizeof(message));
    memcpy(message, bytes + 5, message_len);
    len = 0;
    for (size_t at = 0; at < message_len; at += fragment) {
        size_t left = message_len - at;
        put_record(22, message + at, left < fragment ? left : fragment);
    }
}

/* ---- real ones ------------------------------------------------------------------------------- */

START_TEST(the_hello_of_go_is_read)
{
    struct nj_span rest, name;

    read_file("go.bin");

    ck_assert(is_text(hello.server_name, "server.test"));
    ck_assert_uint_eq(hello.legacy_version, NJ_TLS_1_2);
    ck_assert(nj_hello_offers_version(&hello, NJ_TLS_1_3));
    ck_assert(nj_hello_offers_version(&hello, NJ_TLS_1_2));
    ck_assert(!nj_hello_offers_version(&hello, 0x0302));
    ck_assert(nj_hello_has(hello.suites, 0x1301));
    ck_assert(nj_hello_has(hello.groups, 4588));
    ck_assert(nj_hello_has(hello.groups, 29));
    ck_assert(nj_hello_has(hello.signatures, 0x0804));
    rest = hello.alpn;
    ck_assert(nj_hello_next_alpn(&rest, &name));
    ck_assert(is_text(name, "nats"));
    ck_assert(!nj_hello_next_alpn(&rest, &name));
}
END_TEST

START_TEST(the_hello_of_openssl_is_read)
{
    struct nj_span rest, name;

    read_file("openssl.bin");

    ck_assert(is_text(hello.server_name, "server.test"));
    rest = hello.alpn;
    ck_assert(nj_hello_next_alpn(&rest, &name));
    ck_assert(nj_hello_next_alpn(&rest, &name));
    ck_assert(is_text(name, "h2"));
}
END_TEST

START_TEST(a_hello_of_tls_1_2_alone_is_read)
{
    read_file("openssl-tls12.bin");

    ck_assert_uint_eq(hello.server_name.len, 0);
    ck_assert_uint_eq(hello.versions.len, 0);
    ck_assert_uint_eq(nj_hello_count(hello.suites), 2);
    ck_assert_uint_eq(nj_hello_at(hello.suites, 0), 0xc02b);
    ck_assert(nj_hello_offers_version(&hello, NJ_TLS_1_2));
    ck_assert(!nj_hello_offers_version(&hello, NJ_TLS_1_3));
    ck_assert_uint_eq(hello.alpn.len, 0);
}
END_TEST

static const char *const files[] = { "go.bin", "openssl.bin", "openssl-tls12.bin",
                                     "openssl-tls11.bin", "gnutls.bin" };

START_TEST(it_is_complete_at_its_last_byte_and_not_before)
{
    load(files[_i]);
    size_t whole = len;
    for (len = 0; len < whole; len++) {
        uint8_t *copy = nj_memdup(bytes, len);
        ck_assert_int_eq(nj_hello_read(&hello, copy, len, &err), NJ_NEED_IN);
        nj_dealloc(copy);
    }

    ck_assert_int_eq(read_hello(), NJ_OK);
    put("and more", 8);
    ck_assert_int_eq(read_hello(), NJ_OK);
}
END_TEST

START_TEST(it_may_lie_in_several_records)
{
    static const size_t fragments[] = { 1, 3, 4, 5, 64, 1000 };
    for (size_t i = 0; i < COUNT(fragments); i++) {
        load(files[_i]);
        cut_into_records(fragments[i]);
        size_t whole = len;

        len = whole - 1;
        ck_assert_int_eq(read_hello(), NJ_NEED_IN);
        len = whole;
        ck_assert_msg(read_hello() == NJ_OK, "%s in %zu: %s", files[_i], fragments[i], err.text);
        if (strcmp(files[_i], "openssl-tls12.bin") != 0) {
            ck_assert(is_text(hello.server_name, "server.test"));
        }
    }
}
END_TEST

START_TEST(every_changed_byte_is_safe)
{
    static const uint8_t changes[] = { 0x01, 0x80, 0xff, 0x40 };
    load(files[_i]);
    for (size_t at = 0; at < len; at++) {
        for (size_t i = 0; i < sizeof(changes); i++) {
            uint8_t *copy = nj_memdup(bytes, len);
            copy[at] ^= changes[i];
            struct nj_tls_settings all = { .min_version = 0x0301, .max_version = NJ_TLS_1_3 };
            if (nj_hello_read(&hello, copy, len, &err) == NJ_OK) {
                (void) nj_hello_judge(&hello, &all, &err);
                nj_hello_fini(&hello);
            }
            nj_dealloc(copy);
        }
    }
}
END_TEST

/* ---- what is none ---------------------------------------------------------------------------- */

START_TEST(what_is_no_hello_is_refused_in_the_words_of_the_reference)
{
    static const struct {
        const char *bytes;
        size_t len;
        int rc;
        uint32_t cls;
        int32_t alert;
        const char *text;
    } cases[] = {
        { "CONNECT {}\r\n", 12, NJ_E_INVALID, NJ_CLASS_NOT_TLS, NJ_ALERT_NONE,
          "tls: first record does not look like a TLS handshake" },
        { "\x17\x03\x01\x00\x02", 5, NJ_E_INVALID, NJ_CLASS_NOT_TLS, NJ_ALERT_NONE,
          "tls: first record does not look like a TLS handshake" },
        { "\x16\x10\x00\x00\x04", 5, NJ_E_INVALID, NJ_CLASS_NOT_TLS, NJ_ALERT_NONE,
          "tls: first record does not look like a TLS handshake" },
        { "\x80\x2e\x01\x03\x01", 5, NJ_E_INVALID, NJ_CLASS_VERSION, 70,
          "tls: unsupported SSLv2 handshake received" },
        { "\x15\x03\x01\x00\x02\x02\x28", 7, NJ_E_INVALID, NJ_CLASS_PEER_ALERT, 40,
          "remote error: tls: handshake failure" },
        { "\x15\x03\x01\x00\x02\x01\x00", 7, NJ_E_INVALID, NJ_CLASS_PEER_ALERT, 0, "EOF" },
        { "\x15\x03\x01\x00\x02\x01", 6, NJ_NEED_IN, 0, NJ_ALERT_NONE, "" },
        { "\x16\x03\x01\x00\x00", 5, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, 10,
          "local error: tls: unexpected message" },
        { "\x16\x03\x01\x00\x01\x02", 6, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, 10,
          "local error: tls: unexpected message" },
        { "\x16\x03\x01\x00\x01\x02\x99\x99\x99\x99\x99", 11, NJ_E_INVALID,
          NJ_CLASS_BAD_RECORD, 10, "local error: tls: unexpected message" },
        { "\x16\x03\x01\xff\xff", 5, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, 22,
          "tls: oversized record received with length 65535" },
        { "\x16\x03\x01\x40\x01", 5, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, 22,
          "local error: tls: record overflow" },
        { "\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 11, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, 50,
          "local error: tls: error decoding message" },
        { "\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9, NJ_E_LIMIT, NJ_CLASS_BAD_RECORD, 80,
          "tls: handshake message of length 16777215 bytes exceeds maximum of 32768 bytes" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        put(cases[i].bytes, cases[i].len);

        ck_assert_msg(read_hello() == cases[i].rc, "%zu: %s", i, err.text);

        ck_assert_str_eq(err.text, cases[i].text);
        ck_assert_uint_eq(err.cls, cases[i].cls);
        ck_assert_int_eq(err.alert, cases[i].alert);
    }
}
END_TEST

START_TEST(a_server_name_with_a_final_dot_is_refused)
{
    load("go.bin");
    uint8_t *name = memmem(bytes, len, "server.test", 11);
    ck_assert_ptr_nonnull(name);
    name[10] = '.';

    ck_assert_int_eq(read_hello(), NJ_E_INVALID);

    ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_RECORD);
}
END_TEST

START_TEST(an_extension_that_comes_twice_is_refused)
{
    static const uint8_t versions[] = { 0x00, 0x2b, 0x00, 0x05, 0x04 };
    load("go.bin");
    uint8_t *at = memmem(bytes, len, versions, sizeof(versions));
    ck_assert_ptr_nonnull(at);
    at[1] = 0x17; /* extended_master_secret again */

    ck_assert_int_eq(read_hello(), NJ_E_INVALID);
}
END_TEST

START_TEST(fewer_bytes_than_a_record_header_may_become_anything)
{
    put("CONN", 4);

    ck_assert_int_eq(read_hello(), NJ_NEED_IN);
}
END_TEST

START_TEST(endless_small_records_are_refused_at_the_buffers_limit)
{
    static const uint8_t first[] = { 1, 0, 0x80, 0 }; /* a hello of 32768 bytes */
    put_record(22, first, sizeof(first));
    while (len + 6 <= NJ_HELLO_BUFFER_MAX) {
        put_record(22, first, 1);
    }
    ck_assert_int_eq(read_hello(), NJ_NEED_IN);

    put_record(22, first, 1);
    ck_assert_int_eq(read_hello(), NJ_E_LIMIT);
}
END_TEST

/* ---- can it go on ---------------------------------------------------------------------------- */

static int judge(const char *name, uint16_t min, const uint16_t *suites, size_t suites_n,
                 uint16_t group)
{
    struct nj_tls_settings settings = {
        .min_version = min,
        .max_version = NJ_TLS_1_3,
        .suites = suites,
        .suites_n = suites_n,
        .groups = &group,
        .groups_n = 1,
    };
    setup();
    read_file(name);
    return nj_hello_judge(&hello, &settings, &err);
}

START_TEST(an_old_client_is_told_so)
{
    static const uint16_t suites[] = { 0x1301, 0xc02b };

    ck_assert_int_eq(judge("openssl-tls11.bin", NJ_TLS_1_2, suites, 2, 29), NJ_E_DENIED);
    ck_assert_str_eq(err.text, "tls: client offered only unsupported versions: [302 301]");
    ck_assert_uint_eq(err.cls, NJ_CLASS_VERSION);
    ck_assert_int_eq(err.alert, NJ_ALERT_PROTOCOL_VERSION);

    ck_assert_int_eq(judge("openssl-tls12.bin", NJ_TLS_1_3, suites, 2, 29), NJ_E_DENIED);
    ck_assert_str_eq(err.text, "tls: client offered only unsupported versions: [303 302 301]");
}
END_TEST

START_TEST(a_suite_must_be_shared_in_the_version_that_is_chosen)
{
    static const uint16_t other[] = { 0x1301, 0xcca9 };
    static const uint16_t same[] = { 0x1301, 0xc02b };
    static const uint16_t only_1_2[] = { 0xc02b };

    ck_assert_int_eq(judge("openssl-tls12.bin", NJ_TLS_1_2, same, 2, 29), NJ_OK);
    ck_assert_int_eq(judge("openssl-tls12.bin", NJ_TLS_1_2, other, 2, 29), NJ_E_DENIED);
    ck_assert_str_eq(err.text, "tls: no cipher suite supported by both client and server; client "
                               "offered: [c02b ff]");
    ck_assert_uint_eq(err.cls, NJ_CLASS_NO_SUITE);
    ck_assert_int_eq(err.alert, NJ_ALERT_HANDSHAKE_FAILURE);

    ck_assert_int_eq(judge("go.bin", NJ_TLS_1_2, same, 2, 29), NJ_OK);
    ck_assert_int_eq(judge("go.bin", NJ_TLS_1_2, only_1_2, 1, 29), NJ_E_DENIED);
}
END_TEST

START_TEST(a_group_must_be_shared_in_tls_1_3)
{
    static const uint16_t suites[] = { 0x1301, 0xc02b };

    ck_assert_int_eq(judge("go.bin", NJ_TLS_1_2, suites, 2, 25), NJ_OK);
    ck_assert_int_eq(judge("go.bin", NJ_TLS_1_2, suites, 2, 30), NJ_E_DENIED);
    ck_assert_str_eq(err.text, "tls: no key exchanges supported by both client and server");
    ck_assert_uint_eq(err.cls, NJ_CLASS_NO_GROUP);
    ck_assert_int_eq(judge("openssl-tls12.bin", NJ_TLS_1_2, suites, 2, 30), NJ_OK);
}
END_TEST

START_TEST(reserved_numbers_are_written_like_any_other)
{
    /* GREASE (RFC 8701) as suite and as extension, and a suite with leading zeros */
    static const uint8_t tail[] = { 0, 6, 0x0a, 0x0a, 0x00, 0x2f, 0x13, 0x05, 1,
                                    0, 0, 5,    0xda, 0xda, 0,    1,    0 };
    uint8_t message[4 + 2 + 32 + 1 + sizeof(tail)] = { 1, 0, 0, sizeof(message) - 4, 3, 3 };
    struct nj_tls_settings none = { .min_version = NJ_TLS_1_2, .max_version = NJ_TLS_1_3 };
    memcpy(message + 39, tail, sizeof(tail));
    put_record(22, message, sizeof(message));
    ck_assert_msg(read_hello() == NJ_OK, "%s", err.text);

    ck_assert_int_eq(nj_hello_judge(&hello, &none, &err), NJ_E_DENIED);

    ck_assert_str_eq(err.text, "tls: no cipher suite supported by both client and server; client "
                               "offered: [a0a 2f 1305]");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("hello");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_hello_of_go_is_read);
    tcase_add_test(tc, the_hello_of_openssl_is_read);
    tcase_add_test(tc, a_hello_of_tls_1_2_alone_is_read);
    tcase_add_loop_test(tc, it_is_complete_at_its_last_byte_and_not_before, 0, (int) COUNT(files));
    tcase_add_loop_test(tc, it_may_lie_in_several_records, 0, (int) COUNT(files));
    tcase_add_loop_test(tc, every_changed_byte_is_safe, 0, (int) COUNT(files));
    tcase_add_test(tc, what_is_no_hello_is_refused_in_the_words_of_the_reference);
    tcase_add_test(tc, a_server_name_with_a_final_dot_is_refused);
    tcase_add_test(tc, an_extension_that_comes_twice_is_refused);
    tcase_add_test(tc, fewer_bytes_than_a_record_header_may_become_anything);
    tcase_add_test(tc, endless_small_records_are_refused_at_the_buffers_limit);
    tcase_add_test(tc, an_old_client_is_told_so);
    tcase_add_test(tc, a_suite_must_be_shared_in_the_version_that_is_chosen);
    tcase_add_test(tc, a_group_must_be_shared_in_tls_1_3);
    tcase_add_test(tc, reserved_numbers_are_written_like_any_other);
    tcase_set_timeout(tc, 30);
    return run_cases("hello", tc);
}
