/* Numbers and names of TLS. */
#include "tls/names.h"

#include <string.h>

#include "certs.h"

START_TEST(every_suite_is_found_by_name_and_number)
{
    size_t n = 0;
    size_t secure = 0;
    const struct nj_tls_suite *suites = nj_tls_suites(&n);

    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_eq(nj_tls_suite_by_name(suites[i].name), &suites[i]);
        ck_assert_ptr_eq(nj_tls_suite_by_id(suites[i].id), &suites[i]);
        ck_assert(suites[i].tls13 == (suites[i].id >> 8 == 0x13));
        secure += suites[i].secure ? 1 : 0;
    }
    ck_assert_uint_eq(n, 25);
    ck_assert_uint_eq(secure, 13);
    ck_assert_str_eq(suites[0].name, "TLS_AES_128_GCM_SHA256");
}
END_TEST

START_TEST(insecure_suites_come_last)
{
    size_t n = 0;
    const struct nj_tls_suite *suites = nj_tls_suites(&n);

    for (size_t i = 1; i < n; i++) {
        ck_assert(suites[i - 1].secure || !suites[i].secure);
    }
}
END_TEST

START_TEST(some_numbers_are_the_right_ones)
{
    ck_assert_uint_eq(nj_tls_suite_by_name("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")->id,
                      0xcca8);
    ck_assert_uint_eq(nj_tls_suite_by_name("TLS_RSA_WITH_AES_256_GCM_SHA384")->id, 0x009d);
    ck_assert_uint_eq(nj_tls_group_by_name("X25519")->id, 29);
    ck_assert_uint_eq(nj_tls_group_by_name("CurveP384")->id, 24);
    ck_assert_uint_eq(nj_tls_group_by_name("X25519MLKEM768")->id, 4588);
}
END_TEST

START_TEST(names_are_matched_exactly)
{
    ck_assert_ptr_null(nj_tls_suite_by_name("tls_aes_128_gcm_sha256"));
    ck_assert_ptr_null(nj_tls_suite_by_name("TLS_AES_128_CCM_SHA256"));
    ck_assert_ptr_null(nj_tls_group_by_name("x25519"));
    ck_assert_ptr_null(nj_tls_group_by_id(1));
}
END_TEST

START_TEST(unknown_numbers_are_written_as_numbers)
{
    char spare[24];

    ck_assert_str_eq(nj_tls_suite_name(0x1305, spare), "0x1305");
    ck_assert_str_eq(nj_tls_suite_name(0x1301, spare), "TLS_AES_128_GCM_SHA256");
    ck_assert_str_eq(nj_tls_group_name(9999, spare), "9999");
    ck_assert_str_eq(nj_tls_group_name(29, spare), "X25519");
    ck_assert_str_eq(nj_tls_version_text(0x0304, spare), "1.3");
    ck_assert_str_eq(nj_tls_version_text(0x0303, spare), "1.2");
    ck_assert_str_eq(nj_tls_version_text(0x7f17, spare), "Unknown [0x7f17]");
    ck_assert_str_eq(nj_tls_alert_text(42, spare), "bad certificate");
    ck_assert_str_eq(nj_tls_alert_text(48, spare), "unknown certificate authority");
    ck_assert_str_eq(nj_tls_alert_text(200, spare), "alert(200)");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("names");
    tcase_add_test(tc, every_suite_is_found_by_name_and_number);
    tcase_add_test(tc, insecure_suites_come_last);
    tcase_add_test(tc, some_numbers_are_the_right_ones);
    tcase_add_test(tc, names_are_matched_exactly);
    tcase_add_test(tc, unknown_numbers_are_written_as_numbers);
    return run_cases("names", tc);
}
