/* test_server_id.c: the nkeys encoding. */
#include <check.h>
#include <string.h>

#include "ops/server_id.h"

/* The public key of the Ed25519 seed 00 01 .. 1f, as every nkeys library encodes it. */
START_TEST(a_known_key_has_its_known_encoding)
{
    static const uint8_t key[32] = { 0x03, 0xa1, 0x07, 0xbf, 0xf3, 0xce, 0x10, 0xbe,
                                     0x1d, 0x70, 0xdd, 0x18, 0xe7, 0x4b, 0xc0, 0x99,
                                     0x67, 0xe4, 0xd6, 0x30, 0x9b, 0xa5, 0x0d, 0x5f,
                                     0x1d, 0xdc, 0x86, 0x64, 0x12, 0x55, 0x31, 0xb8 };
    char text[NJ_NKEY_LEN + 1];

    nj_nkey_encode(NJ_NKEY_USER, key, text);

    ck_assert_str_eq(text, "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK");
}
END_TEST

START_TEST(a_server_id_begins_with_n_and_is_base32)
{
    char id[NJ_NKEY_LEN + 1];

    nj_server_id_make(id);

    ck_assert_uint_eq(strlen(id), 56);
    ck_assert_int_eq(id[0], 'N');
    ck_assert_uint_eq(strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 56);
}
END_TEST

START_TEST(two_server_ids_differ)
{
    char a[NJ_NKEY_LEN + 1], b[NJ_NKEY_LEN + 1];

    nj_server_id_make(a);
    nj_server_id_make(b);

    ck_assert_str_ne(a, b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_id");
    TCase *tc = tcase_create("server_id");
    tcase_add_test(tc, a_known_key_has_its_known_encoding);
    tcase_add_test(tc, a_server_id_begins_with_n_and_is_base32);
    tcase_add_test(tc, two_server_ids_differ);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
