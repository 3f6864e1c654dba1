/* Pinned keys. */
#include "tls/pins.h"

#include <string.h>

#include "certs.h"
#include "tls/cert.h"

/* No hash, but different for different keys, and it notes what it was given. */
static struct nj_span hashed;
static int hash_result;

static int fake_hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    const uint8_t *bytes = data;
    ck_assert_uint_eq(alg, NJ_HASH_SHA256);
    hashed = (struct nj_span){ bytes, len };
    memset(out, 0, NJ_PIN_LEN);
    for (size_t i = 0; i < len; i++) {
        out[i % NJ_PIN_LEN] = (uint8_t) (out[i % NJ_PIN_LEN] * 31 + bytes[i]);
    }
    return hash_result;
}

static struct certs file;
static char key_id[NJ_PIN_HEX_LEN + 1];
static struct nj_pins pins;
static struct nj_error err;

static void setup(void)
{
    static const char none[1][NJ_PIN_HEX_LEN + 1] = { "00000000000000000000000000000000"
                                                      "00000000000000000000000000000000" };
    err = (struct nj_error) NJ_ERROR_INIT;
    hash_result = NJ_OK;
    certs_load(&file, "leaf-dns");
    ck_assert_int_eq(nj_pins_init(&pins, none, 1, &err), NJ_OK);
    (void) nj_pins_check(&pins, file.certs[0], fake_hash, key_id, NULL); /* fills key_id */
    nj_pins_fini(&pins);
    ck_assert_uint_eq(strlen(key_id), NJ_PIN_HEX_LEN);
}

static void teardown(void)
{
    nj_pins_fini(&pins);
    certs_free(&file);
}

static int check_leaf(void)
{
    return nj_pins_check(&pins, file.certs[0], fake_hash, NULL, &err);
}

/* Pins of which the last is the leaf's. */
static void pin(size_t n, bool upper_case)
{
    char hex[8][NJ_PIN_HEX_LEN + 1];
    for (size_t i = 0; i < n; i++) {
        memset(hex[i], "0f1e2d3c"[i], NJ_PIN_HEX_LEN);
        hex[i][NJ_PIN_HEX_LEN] = '\0';
    }
    memcpy(hex[n - 1], key_id, sizeof(key_id));
    for (size_t i = 0; upper_case && i < NJ_PIN_HEX_LEN; i++) {
        char c = hex[n - 1][i];
        hex[n - 1][i] = c >= 'a' ? (char) (c - 'a' + 'A') : c;
    }
    ck_assert_int_eq(nj_pins_init(&pins, (const char(*)[NJ_PIN_HEX_LEN + 1]) hex, n, &err), NJ_OK);
}

START_TEST(a_listed_key_passes_in_either_case)
{
    pin(1, false);
    ck_assert_int_eq(check_leaf(), NJ_OK);
    nj_pins_fini(&pins);

    pin(8, true);
    ck_assert_int_eq(check_leaf(), NJ_OK);
}
END_TEST

START_TEST(what_is_hashed_is_the_public_key_info)
{
    struct nj_cert cert;
    pin(1, false);
    ck_assert_int_eq(nj_cert_init(&cert, file.certs[0], NULL), NJ_OK);

    (void) check_leaf();

    ck_assert_ptr_eq(hashed.ptr, cert.spki.ptr);
    ck_assert_uint_eq(hashed.len, cert.spki.len);
    nj_cert_fini(&cert);
}
END_TEST

START_TEST(an_unlisted_key_is_refused_and_named)
{
    char id[NJ_PIN_HEX_LEN + 1];
    key_id[63] = key_id[63] == '0' ? '1' : '0';
    pin(3, false);

    ck_assert_int_eq(nj_pins_check(&pins, file.certs[0], fake_hash, id, &err), NJ_E_DENIED);

    ck_assert_str_eq(err.text, "certificate not pinned");
    ck_assert_uint_eq(err.cls, NJ_CLASS_POLICY);
    ck_assert_int_eq(strncmp(id, key_id, 63), 0);
}
END_TEST

START_TEST(without_a_certificate_nobody_passes)
{
    char id[NJ_PIN_HEX_LEN + 1];
    pin(1, false);

    ck_assert_int_eq(nj_pins_check(&pins, (struct nj_span){ 0 }, fake_hash, id, &err), NJ_E_DENIED);

    ck_assert_str_eq(id, "");
}
END_TEST

START_TEST(a_failing_or_missing_hash_lets_nobody_pass)
{
    pin(1, false);

    hash_result = NJ_E_FAILED;
    ck_assert_int_eq(check_leaf(), NJ_E_DENIED);
    ck_assert_int_eq(nj_pins_check(&pins, file.certs[0], NULL, NULL, &err), NJ_E_DENIED);
}
END_TEST

START_TEST(without_pins_everybody_passes)
{
    ck_assert_int_eq(nj_pins_init(&pins, NULL, 0, &err), NJ_OK);

    ck_assert_int_eq(check_leaf(), NJ_OK);
    ck_assert_int_eq(nj_pins_check(&pins, (struct nj_span){ 0 }, NULL, NULL, &err), NJ_OK);
}
END_TEST

START_TEST(the_same_pin_twice_is_kept_once)
{
    char hex[2][NJ_PIN_HEX_LEN + 1];
    memcpy(hex[0], key_id, sizeof(key_id));
    memcpy(hex[1], key_id, sizeof(key_id));

    ck_assert_int_eq(nj_pins_init(&pins, (const char(*)[NJ_PIN_HEX_LEN + 1]) hex, 2, &err), NJ_OK);

    ck_assert_uint_eq(pins.n, 1);
    ck_assert_int_eq(check_leaf(), NJ_OK);
}
END_TEST

START_TEST(what_is_no_digest_is_refused)
{
    char hex[1][NJ_PIN_HEX_LEN + 1];
    memcpy(hex[0], key_id, sizeof(key_id));
    hex[0][10] = 'g';

    ck_assert_int_eq(nj_pins_init(&pins, (const char(*)[NJ_PIN_HEX_LEN + 1]) hex, 1, &err),
                     NJ_E_INVALID);

    ck_assert_ptr_nonnull(strstr(err.text, "does not look like hex-encoded sha256"));
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("pins");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_listed_key_passes_in_either_case);
    tcase_add_test(tc, what_is_hashed_is_the_public_key_info);
    tcase_add_test(tc, an_unlisted_key_is_refused_and_named);
    tcase_add_test(tc, without_a_certificate_nobody_passes);
    tcase_add_test(tc, a_failing_or_missing_hash_lets_nobody_pass);
    tcase_add_test(tc, without_pins_everybody_passes);
    tcase_add_test(tc, the_same_pin_twice_is_kept_once);
    tcase_add_test(tc, what_is_no_digest_is_refused);
    return run_cases("pins", tc);
}
