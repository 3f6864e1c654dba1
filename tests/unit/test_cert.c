/* What a certificate says, and its subject in text. */
#include "tls/cert.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "certs.h"
#include "tests/unit/names.h"
#include "tls/der.h"
#include "tls/dn.h"

static struct certs file;
static struct nj_cert cert;
static struct nj_error err;
static struct nj_buf text;

static void setup(void)
{
    err = (struct nj_error) NJ_ERROR_INIT;
    nj_buf_init(&text, 65536);
}

static void teardown(void)
{
    nj_cert_fini(&cert);
    certs_free(&file);
    nj_buf_free(&text);
}

static void read_cert(const char *name)
{
    nj_cert_fini(&cert);
    certs_free(&file);
    certs_load(&file, name);
    int rc = nj_cert_init(&cert, file.certs[0], &err);
    ck_assert_msg(rc == NJ_OK, "%s: %s", name, err.text);
}

static bool is_text(struct nj_span s, const char *expected)
{
    return s.len == strlen(expected) && memcmp(s.ptr, expected, s.len) == 0;
}

START_TEST(sans_are_read_in_certificate_order)
{
    static const uint8_t ip4[] = { 192, 0, 2, 7 };
    static const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

    read_cert("leaf-odd-all-sans");

    ck_assert_uint_eq(cert.sans_n, 6); /* the registered ID is left out */
    ck_assert_int_eq(cert.sans[0].kind, NJ_SAN_EMAIL);
    ck_assert(is_text(cert.sans[0].value, "bob@example.com"));
    ck_assert_int_eq(cert.sans[1].kind, NJ_SAN_DNS);
    ck_assert(is_text(cert.sans[1].value, "host.example.com"));
    ck_assert_int_eq(cert.sans[2].kind, NJ_SAN_URI);
    ck_assert(is_text(cert.sans[2].value, "spiffe://ex/bob"));
    ck_assert_int_eq(cert.sans[3].kind, NJ_SAN_IP);
    ck_assert_mem_eq(cert.sans[3].value.ptr, ip4, 4);
    ck_assert(is_text(cert.sans[4].value, "second.example.com"));
    ck_assert_uint_eq(cert.sans[5].value.len, 16);
    ck_assert_mem_eq(cert.sans[5].value.ptr, ip6, 16);
    ck_assert_uint_eq(nj_cert_count_sans(&cert, NJ_SAN_DNS), 2);
}
END_TEST

START_TEST(dates_key_and_usages_are_read)
{
    read_cert("leaf-rsa2048");

    ck_assert_int_eq(cert.version, 3);
    ck_assert_int_eq(cert.not_before_s, INT64_C(1704067200));
    ck_assert_int_eq(cert.not_after_s, INT64_C(2524607999));
    ck_assert_int_eq(cert.key_type, NJ_KEY_RSA);
    ck_assert_uint_eq(cert.eku, NJ_EKU_SERVER | NJ_EKU_CLIENT);
    ck_assert(cert.has_basic && !cert.is_ca);
    ck_assert_uint_eq(cert.key_usage, 1U << 0 | 1U << 2);
    ck_assert(!nj_cert_may_issue(&cert));
    ck_assert_uint_eq(cert.spki.ptr[0], 0x30);
    ck_assert_uint_eq(cert.spki.len, 294);
}
END_TEST

START_TEST(a_date_after_2050_is_read)
{
    read_cert("leaf-far");

    ck_assert_int_eq(cert.not_after_s, INT64_C(4102444799));
}
END_TEST

START_TEST(extended_key_usages_are_told_apart)
{
    static const struct {
        const char *name;
        uint32_t eku;
    } cases[] = {
        { "leaf-eku-none", 0 },
        { "leaf-eku-any", NJ_EKU_ANY },
        { "leaf-eku-client", NJ_EKU_CLIENT },
        { "leaf-eku-server", NJ_EKU_SERVER },
        { "leaf-eku-unknown", NJ_EKU_OTHER },
        { "inter-eku-client", NJ_EKU_CLIENT },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        read_cert(cases[i].name);
        ck_assert_uint_eq(cert.eku, cases[i].eku);
    }
}
END_TEST

START_TEST(an_authority_may_issue)
{
    read_cert("root");

    ck_assert(cert.is_ca);
    ck_assert_uint_eq(cert.key_usage, NJ_KEY_USAGE_CERT_SIGN | 1U << 6);
    ck_assert(nj_cert_may_issue(&cert));
    ck_assert(nj_span_equal(cert.issuer, cert.subject));
    ck_assert(!cert.has_san_extension);
}
END_TEST

START_TEST(a_nul_inside_a_san_stays_inside)
{
    read_cert("leaf-odd-nul-san");

    ck_assert_uint_eq(cert.sans_n, 2);
    ck_assert_uint_eq(cert.sans[0].value.len, 20);
    ck_assert_mem_eq(cert.sans[0].value.ptr, "good.test\0.evil.test", 20);
}
END_TEST

START_TEST(a_thousand_sans_are_fine)
{
    read_cert("leaf-sans-1000");

    ck_assert_uint_eq(cert.sans_n, 1000);
    ck_assert(is_text(cert.sans[999].value, "n999.many.test"));
}
END_TEST

START_TEST(a_serial_number_is_written_in_decimal)
{
    static const uint8_t big[] = { 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };
    static const uint8_t zero[] = { 0x00 };

    ck_assert_int_eq(
        nj_cert_serial_text(&(struct nj_cert){ .serial = { big, sizeof(big) } }, &text), NJ_OK);
    ck_assert_str_eq(text.ptr, "18446744073709551616");
    nj_buf_clear(&text);
    ck_assert_int_eq(nj_cert_serial_text(&(struct nj_cert){ .serial = { zero, 1 } }, &text), NJ_OK);
    ck_assert_str_eq(text.ptr, "0");
}
END_TEST

START_TEST(subjects_read_as_in_the_reference)
{
    char line[1024];
    int rows = 0;
    FILE *table = fopen(certs_path("subjects.tsv"), "r");
    ck_assert_ptr_nonnull(table);
    while (fgets(line, sizeof(line), table) != NULL) {
        char *tab = strchr(line, '\t');
        char *dot = strstr(line, ".pem\t");
        if (line[0] == '#' || tab == NULL || dot == NULL) {
            continue;
        }
        *dot = '\0';
        tab[1 + strcspn(tab + 1, "\n")] = '\0';

        read_cert(line);
        nj_buf_clear(&text);
        ck_assert_int_eq(nj_cert_subject_text(&cert, &text), NJ_OK);

        ck_assert_str_eq(text.ptr != NULL ? text.ptr : "", tab + 1);
        rows++;
    }
    (void) fclose(table);
    ck_assert_int_gt(rows, 30);
}
END_TEST

/* More attributes than we look at; the reference has no limit. */
static const char *const beyond_limits = "ous-300";

START_TEST(odd_certificates_are_read_or_refused_as_in_the_reference)
{
    struct names_table table;
    names_read(&table, "certs.tsv");
    ck_assert_int_gt(table.n, 100);
    for (int i = 0; i < table.n; i++) {
        char **fields = table.rows[i].fields;
        if (strncmp(fields[0], "deep-", 5) == 0) {
            continue; /* chains: for the verify hook */
        }
        certs_free(&file);
        nj_cert_fini(&cert);
        names_load(&file, fields[0]);
        bool refused = nj_cert_init(&cert, file.certs[0], &err) < 0;
        bool expected = strcmp(fields[1], "accept") != 0 || strcmp(fields[0], beyond_limits) == 0;
        ck_assert_msg(refused == expected, "%s: %s", fields[0], refused ? err.text : "taken");
        if (!refused) {
            nj_buf_clear(&text);
            ck_assert_int_eq(nj_cert_subject_text(&cert, &text), NJ_OK);
            size_t len = names_unescape(fields[2]);
            ck_assert_msg(text.len == len && memcmp(text.ptr, fields[2], len) == 0, "%s: %s",
                          fields[0], text.ptr);
        }
    }
    free(table.rows);
}
END_TEST

START_TEST(the_short_name_is_the_last_common_name_or_the_serial_number)
{
    read_cert("leaf-odd-full");
    ck_assert_int_eq(nj_cert_short_name(&cert, &text), NJ_OK);
    ck_assert_str_eq(text.ptr, "last");

    nj_buf_clear(&text);
    read_cert("leaf-odd-empty-subject");
    ck_assert_int_eq(nj_cert_short_name(&cert, &text), NJ_OK);
    ck_assert_int_eq(strncmp(text.ptr, "serial:", 7), 0);
}
END_TEST

START_TEST(a_text_over_the_limit_is_refused_and_not_overrun)
{
    nj_buf_free(&text);
    nj_buf_init(&text, 10);
    read_cert("leaf-odd-full");

    ck_assert_int_eq(nj_cert_subject_text(&cert, &text), NJ_E_LIMIT);
    ck_assert_uint_le(text.len, 10);
}
END_TEST

START_TEST(control_characters_become_visible)
{
    ck_assert_int_eq(
        nj_put_visible((struct nj_span){ (const uint8_t *) "a\n\x7f\xc5\xbd", 5 }, &text), NJ_OK);

    ck_assert_str_eq(text.ptr, "a\\x0a\\x7f\xc5\xbd");
}
END_TEST

START_TEST(bytes_after_the_certificate_are_refused)
{
    certs_load(&file, "leaf-dns");
    uint8_t *longer = nj_alloc(file.certs[0].len + 1);
    memcpy(longer, file.certs[0].ptr, file.certs[0].len);
    longer[file.certs[0].len] = 0;

    ck_assert_int_eq(nj_cert_init(&cert, (struct nj_span){ longer, file.certs[0].len + 1 }, &err),
                     NJ_E_INVALID);

    ck_assert_str_eq(err.text, "x509: trailing data");
    ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_CERT);
    nj_dealloc(longer);
}
END_TEST

/* The certificate again, with one byte changed: the last of the nth place where `bytes` stand. */
static int read_changed(const uint8_t *bytes, size_t n_bytes, int nth, uint8_t to)
{
    size_t len = file.certs[0].len;
    uint8_t *copy = nj_memdup(file.certs[0].ptr, len);
    uint8_t *at = copy;
    for (int i = 0; i < nth; i++) {
        at = memmem(at, len - (size_t) (at - copy), bytes, n_bytes);
        ck_assert_ptr_nonnull(at);
        at += n_bytes;
    }
    at[-1] = to;
    int rc = nj_cert_init(&cert, (struct nj_span){ copy, len }, &err);
    nj_cert_fini(&cert);
    nj_dealloc(copy);
    return rc;
}

START_TEST(an_extension_that_comes_twice_is_refused)
{
    static const uint8_t eku[] = { 0x55, 0x1d, 0x25 };
    certs_load(&file, "leaf-dns");

    ck_assert_int_eq(read_changed(eku, sizeof(eku), 1, 0x0f), NJ_E_INVALID); /* keyUsage again */

    ck_assert_str_eq(err.text, "x509: certificate contains duplicate extension");
}
END_TEST

START_TEST(the_two_names_of_the_signature_algorithm_must_agree)
{
    static const uint8_t ecdsa_sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
    certs_load(&file, "leaf-dns");

    ck_assert_int_eq(read_changed(ecdsa_sha256, sizeof(ecdsa_sha256), 2, 0x03), NJ_E_INVALID);

    ck_assert_str_eq(err.text, "x509: inner and outer signature algorithm identifiers don't match");
}
END_TEST

START_TEST(every_cut_is_refused)
{
    certs_load(&file, "leaf-odd-all-sans");
    for (size_t len = 0; len < file.certs[0].len; len++) {
        uint8_t *copy = nj_memdup(file.certs[0].ptr, len);
        ck_assert_int_eq(nj_cert_init(&cert, (struct nj_span){ copy, len }, &err), NJ_E_INVALID);
        nj_dealloc(copy);
    }
}
END_TEST

static const char *const damaged[] = { "leaf-odd-all-sans", "leaf-odd-unknown-attr",
                                       "leaf-odd-escapes", "inter-eku-client" };

/* Whatever still passes must be usable. */
START_TEST(every_changed_byte_is_safe)
{
    static const uint8_t changes[] = { 0x01, 0x80, 0xff, 0x20 };
    certs_load(&file, damaged[_i]);
    size_t len = file.certs[0].len;
    for (size_t at = 0; at < len; at++) {
        for (size_t i = 0; i < sizeof(changes); i++) {
            uint8_t *copy = nj_memdup(file.certs[0].ptr, len);
            copy[at] ^= changes[i];
            if (nj_cert_init(&cert, (struct nj_span){ copy, len }, &err) == NJ_OK) {
                nj_buf_clear(&text);
                (void) nj_cert_subject_text(&cert, &text);
                (void) nj_cert_short_name(&cert, &text);
                nj_cert_fini(&cert);
            }
            nj_dealloc(copy);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("cert");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sans_are_read_in_certificate_order);
    tcase_add_test(tc, dates_key_and_usages_are_read);
    tcase_add_test(tc, a_date_after_2050_is_read);
    tcase_add_test(tc, extended_key_usages_are_told_apart);
    tcase_add_test(tc, an_authority_may_issue);
    tcase_add_test(tc, a_nul_inside_a_san_stays_inside);
    tcase_add_test(tc, a_thousand_sans_are_fine);
    tcase_add_test(tc, a_serial_number_is_written_in_decimal);
    tcase_add_test(tc, subjects_read_as_in_the_reference);
    tcase_add_test(tc, odd_certificates_are_read_or_refused_as_in_the_reference);
    tcase_add_test(tc, the_short_name_is_the_last_common_name_or_the_serial_number);
    tcase_add_test(tc, a_text_over_the_limit_is_refused_and_not_overrun);
    tcase_add_test(tc, control_characters_become_visible);
    tcase_add_test(tc, bytes_after_the_certificate_are_refused);
    tcase_add_test(tc, an_extension_that_comes_twice_is_refused);
    tcase_add_test(tc, the_two_names_of_the_signature_algorithm_must_agree);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_loop_test(tc, every_changed_byte_is_safe, 0,
                        (int) (sizeof(damaged) / sizeof(damaged[0])));
    tcase_set_timeout(tc, 30);
    return run_cases("cert", tc);
}
