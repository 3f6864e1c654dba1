/* test_nkey.c: public nkeys as text, signatures as text, nonces. */
#include <check.h>
#include <string.h>

#include "auth/nkey.h"

#define PUBLIC "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
#define SIG "bnxg5G8aOV2LQdSE_lcM9clxm_fbTTZxsqQ1EpTNgJXmH6z5ezesd49kXfuNhoAqw_DmEtsGcNsJdug9wMuRDQ"
#define SIG_PLAIN                                                                                  \
    "bnxg5G8aOV2LQdSE/lcM9clxm/fbTTZxsqQ1EpTNgJXmH6z5ezesd49kXfuNhoAqw/DmEtsGcNsJdug9wMuRDQ"

/* The Ed25519 public key of the seed 00 01 .. 1f. */
static const uint8_t key_bytes[32] = { 0x03, 0xa1, 0x07, 0xbf, 0xf3, 0xce, 0x10, 0xbe,
                                       0x1d, 0x70, 0xdd, 0x18, 0xe7, 0x4b, 0xc0, 0x99,
                                       0x67, 0xe4, 0xd6, 0x30, 0x9b, 0xa5, 0x0d, 0x5f,
                                       0x1d, 0xdc, 0x86, 0x64, 0x12, 0x55, 0x31, 0xb8 };

START_TEST(a_public_key_is_its_bytes)
{
    uint8_t key[NJ_NKEY_BYTES] = { 0 };

    ck_assert(nj_nkey_decode(PUBLIC, 'U', key));

    ck_assert_mem_eq(key, key_bytes, 32);
    ck_assert(nj_nkey_is_public(PUBLIC, '*'));
}
END_TEST

START_TEST(what_is_no_public_user_key_is_refused)
{
    static const char *const table[] = {
        "",
        "U",
        PUBLIC "A",
        "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLK",
        "uab2cb576phbbpq5odorrz2lycmwpzgwgcn2kdk7dxoimzaskuy3rlkk", /* lower case */
        "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKA", /* checksum */
        "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLK1", /* alphabet */
        "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y",
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(!nj_nkey_is_public(table[i], 'U'), "%s", table[i]);
    }
    ck_assert(!nj_nkey_is_public(PUBLIC, 'A'));
    ck_assert(nj_nkey_is_public("XAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QAJY", 'X'));
}
END_TEST

START_TEST(both_forms_of_base64_are_the_same_signature)
{
    uint8_t url[64] = { 0 };
    uint8_t plain[64] = { 1 };

    ck_assert_int_eq(nj_nkey_decode_sig(SIG, url), NJ_SIG_OK);
    ck_assert_int_eq(nj_nkey_decode_sig(SIG_PLAIN "==", plain), NJ_SIG_OK);

    ck_assert_mem_eq(url, plain, 64);
    ck_assert_uint_eq(url[0], 0x6e);
    ck_assert_uint_eq(url[63], 0x0d);
    ck_assert_int_eq(nj_nkey_decode_sig("\r\n" SIG "\n", url), NJ_SIG_OK);
}
END_TEST

START_TEST(what_is_no_signature_says_why)
{
    static const struct {
        const char *text;
        enum nj_sig answer;
    } table[] = {
        { SIG "==", NJ_SIG_NO_BASE64 },
        { SIG_PLAIN, NJ_SIG_NO_BASE64 },
        { SIG_PLAIN "=", NJ_SIG_NO_BASE64 },
        { SIG_PLAIN "===", NJ_SIG_NO_BASE64 },
        { SIG_PLAIN "=A=", NJ_SIG_NO_BASE64 },
        { "@@", NJ_SIG_NO_BASE64 },
        { "A", NJ_SIG_NO_BASE64 },
        { "AAAAA", NJ_SIG_NO_BASE64 },
        { "", NJ_SIG_NO_SIGNATURE },
        { "AAAA", NJ_SIG_NO_SIGNATURE },
        { SIG "AA", NJ_SIG_NO_SIGNATURE },
        { SIG SIG, NJ_SIG_NO_SIGNATURE },
    };
    uint8_t sig[64];
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(nj_nkey_decode_sig(table[i].text, sig) == table[i].answer, "row %zu", i);
    }
}
END_TEST

START_TEST(a_nonce_is_fifteen_letters_and_never_the_same)
{
    char a[NJ_NONCE_LEN + 1], b[NJ_NONCE_LEN + 1];
    bool seen_last[64] = { false };
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    nj_nonce_make(b);
    for (int i = 0; i < 2000; i++) {
        nj_nonce_make(a);
        ck_assert_uint_eq(strlen(a), NJ_NONCE_LEN);
        ck_assert_uint_eq(strspn(a, letters), NJ_NONCE_LEN);
        ck_assert_str_ne(a, b);
        seen_last[strchr(letters, a[14]) - letters] = true;
        memcpy(b, a, sizeof(b));
    }
    for (int i = 0; i < 64; i++) {
        ck_assert_int_eq(seen_last[i], i % 4 == 0); /* 88 bits are 14 letters and four bits */
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nkey");
    TCase *tc = tcase_create("nkey");
    tcase_add_test(tc, a_public_key_is_its_bytes);
    tcase_add_test(tc, what_is_no_public_user_key_is_refused);
    tcase_add_test(tc, both_forms_of_base64_are_the_same_signature);
    tcase_add_test(tc, what_is_no_signature_says_why);
    tcase_add_test(tc, a_nonce_is_fifteen_letters_and_never_the_same);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
