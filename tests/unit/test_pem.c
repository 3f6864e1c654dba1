/* PEM text and the kinds of private key. */
#include "tls/pem.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "certs.h"
#include "tls/key.h"

#define CERT_BEGIN "-----BEGIN CERTIFICATE-----\n"
#define CERT_END "-----END CERTIFICATE-----\n"

static struct nj_pem pem;
static struct nj_error err;

static void setup(void)
{
    err = (struct nj_error) NJ_ERROR_INIT;
}

static void teardown(void)
{
    nj_pem_fini(&pem);
}

static void parse(const char *text)
{
    ck_assert_int_eq(nj_pem_parse(&pem, text, strlen(text), &err), NJ_OK);
}

static void load(const char *name)
{
    int rc = nj_pem_load_file(&pem, certs_path(name), NJ_PEM_MAX_FILE, &err);
    ck_assert_msg(rc == NJ_OK, "%s", err.text);
}

START_TEST(a_block_becomes_its_bytes)
{
    parse(CERT_BEGIN "AAEC\nAwQ=\n" CERT_END);

    ck_assert_uint_eq(pem.n, 1);
    ck_assert_str_eq(pem.blocks[0].label, "CERTIFICATE");
    ck_assert_uint_eq(pem.blocks[0].len, 5);
    ck_assert_mem_eq(pem.blocks[0].der, "\0\1\2\3\4", 5);
}
END_TEST

START_TEST(line_ends_blanks_and_text_around_do_not_matter)
{
    parse("a comment\r\n-----BEGIN X-----  \r\n AA EC\t\r\n-----END X-----\r\nmore\n"
          "-----BEGIN Y-----\nAAEC\n-----END Y-----");

    ck_assert_uint_eq(pem.n, 2);
    ck_assert_uint_eq(pem.blocks[0].len, 3);
    ck_assert_str_eq(pem.blocks[1].label, "Y");
}
END_TEST

START_TEST(blocks_that_cannot_be_read_are_passed_over)
{
    parse(CERT_BEGIN
          "AA*C\n" CERT_END                                        /* no base64 */
              CERT_BEGIN "AAE\n" CERT_END                          /* padding is missing */
                  CERT_BEGIN "AA==AAEC\n" CERT_END                 /* padding inside */
                      CERT_BEGIN "A===\n" CERT_END                 /* too much of it */
                          CERT_BEGIN "AAEC\n-----END OTHER-----\n" /* ends as something else */
          " -----BEGIN CERTIFICATE-----\nAAEC\n" CERT_END          /* not at the start of a line */
              CERT_BEGIN CERT_BEGIN "AAED\n" CERT_END              /* the last start counts */
                  CERT_BEGIN "AAEC\n");                            /* no end */

    ck_assert_uint_eq(pem.n, 1);
    ck_assert_uint_eq(pem.blocks[0].der[2], 3);
}
END_TEST

START_TEST(no_block_at_all_is_no_error_yet)
{
    parse("hello\n");

    ck_assert_uint_eq(pem.n, 0);
}
END_TEST

START_TEST(what_is_missing_is_said_in_the_words_of_the_reference)
{
    static const struct {
        const char *text;
        const char *as_cert;
        const char *as_key;
    } cases[] = {
        { "", "tls: failed to find any PEM data in certificate input",
          "tls: failed to find any PEM data in key input" },
        { "-----BEGIN EC PARAMETERS-----\nAAEC\n-----END EC PARAMETERS-----\n",
          "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM "
          "blocks of the following types: [EC PARAMETERS]",
          "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after "
          "skipping PEM blocks of the following types: [EC PARAMETERS]" },
        { "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n",
          "tls: failed to find certificate PEM data in certificate input, but did find a private "
          "key; PEM inputs may have been switched",
          "" },
        { CERT_BEGIN "AAEC\n" CERT_END, "",
          "tls: found a certificate rather than a key in the PEM for the private key" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct nj_pem_block *key = NULL;
        size_t n = 0;
        setup();
        parse(cases[i].text);

        (void) nj_pem_count_certs(&pem, &n, &err);
        ck_assert_str_eq(err.text, cases[i].as_cert);
        setup();
        (void) nj_pem_find_key(&pem, &key, &err);
        ck_assert_str_eq(err.text, cases[i].as_key);
        nj_pem_fini(&pem);
    }
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named_with_the_reason)
{
    ck_assert_int_eq(nj_pem_load_file(&pem, "nope.pem", NJ_PEM_MAX_FILE, &err), NJ_E_IO);
    ck_assert_str_eq(err.text, "open nope.pem: no such file or directory");

    ck_assert_int_eq(nj_pem_load_file(&pem, "/", NJ_PEM_MAX_FILE, &err), NJ_E_IO);
    ck_assert_str_eq(err.text, "read /: is a directory");
}
END_TEST

START_TEST(a_file_larger_than_the_limit_is_refused)
{
    ck_assert_int_eq(nj_pem_load_file(&pem, certs_path("leaf-sans-1000.pem"), 20000, &err),
                     NJ_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "larger than 20000 bytes"));
}
END_TEST

START_TEST(keys_are_found_in_every_form)
{
    static const struct {
        const char *file;
        enum nj_key_type type;
    } cases[] = {
        { "leaf-p256.key", NJ_KEY_EC },        { "leaf-p384.key", NJ_KEY_EC },
        { "leaf-rsa2048.key", NJ_KEY_RSA },    { "leaf-ed25519.key", NJ_KEY_ED25519 },
        { "form-pkcs1.key", NJ_KEY_RSA },      { "form-sec1.key", NJ_KEY_EC },
        { "form-ecparam.key", NJ_KEY_EC },     { "form-crlf.key", NJ_KEY_EC },
        { "form-text-around.key", NJ_KEY_EC }, { "anchors-mixed.pem", NJ_KEY_EC },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct nj_pem_block *key = NULL;
        enum nj_key_type type = NJ_KEY_OTHER;
        load(cases[i].file);

        ck_assert_int_eq(nj_pem_find_key(&pem, &key, &err), NJ_OK);
        ck_assert_msg(nj_key_type(nj_pem_der(key), &type, &err) == NJ_OK, "%s: %s", cases[i].file,
                      err.text);
        ck_assert_int_eq(type, cases[i].type);
        ck_assert(!key->encrypted);
        nj_pem_fini(&pem);
    }
}
END_TEST

START_TEST(encrypted_keys_are_refused)
{
    static const char *const files[] = { "form-encrypted-pkcs8.key", "form-encrypted-pkcs1.key" };
    for (size_t i = 0; i < 2; i++) {
        const struct nj_pem_block *key = NULL;
        enum nj_key_type type = NJ_KEY_OTHER;
        load(files[i]);

        ck_assert_int_eq(nj_pem_find_key(&pem, &key, &err), NJ_OK);
        ck_assert(key->encrypted);
        ck_assert_int_eq(nj_key_type(nj_pem_der(key), &type, &err), NJ_E_INVALID);
        ck_assert_str_eq(err.text, "tls: failed to parse private key");
        ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_KEY);
        nj_pem_fini(&pem);
    }
}
END_TEST

START_TEST(a_certificate_is_no_key)
{
    enum nj_key_type type = NJ_KEY_OTHER;
    load("leaf-dns.pem");

    ck_assert_int_eq(nj_key_type(nj_pem_der(&pem.blocks[0]), &type, &err), NJ_E_INVALID);
}
END_TEST

/* The text of a file, to be damaged. */
static char *slurp(const char *name, size_t *len_out)
{
    FILE *f = fopen(certs_path(name), "rb");
    ck_assert_ptr_nonnull(f);
    char *text = nj_alloc(65536);
    *len_out = fread(text, 1, 65536, f);
    (void) fclose(f);
    return text;
}

START_TEST(any_cut_and_any_changed_byte_is_safe)
{
    static const uint8_t changes[] = { 0x00, '\n', '-', '=', ':', 0xff };
    size_t len = 0;
    char *text = slurp("form-text-around.key", &len);
    for (size_t at = 0; at < len; at++) {
        char *cut = nj_memdup(text, at);
        ck_assert_int_eq(nj_pem_parse(&pem, cut, at, &err), NJ_OK);
        nj_pem_fini(&pem);
        nj_dealloc(cut);
        for (size_t i = 0; i < sizeof(changes); i++) {
            char was = text[at];
            text[at] = (char) changes[i];
            ck_assert_int_eq(nj_pem_parse(&pem, text, len, &err), NJ_OK);
            nj_pem_fini(&pem);
            text[at] = was;
        }
    }
    nj_dealloc(text);
}
END_TEST

START_TEST(any_damaged_key_is_safe)
{
    static const char *const files[] = { "form-pkcs1.key", "form-sec1.key", "leaf-ed25519.key" };
    for (size_t f = 0; f < 3; f++) {
        enum nj_key_type type = NJ_KEY_OTHER;
        load(files[f]);
        struct nj_span der = nj_pem_der(&pem.blocks[0]);
        for (size_t at = 0; at < der.len; at++) {
            uint8_t *cut = nj_memdup(der.ptr, at);
            ck_assert_int_eq(nj_key_type((struct nj_span){ cut, at }, &type, &err), NJ_E_INVALID);
            nj_dealloc(cut);
            uint8_t *changed = nj_memdup(der.ptr, der.len);
            changed[at] ^= 0x81;
            (void) nj_key_type((struct nj_span){ changed, der.len }, &type, &err);
            nj_dealloc(changed);
        }
        nj_pem_fini(&pem);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("pem");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_block_becomes_its_bytes);
    tcase_add_test(tc, line_ends_blanks_and_text_around_do_not_matter);
    tcase_add_test(tc, blocks_that_cannot_be_read_are_passed_over);
    tcase_add_test(tc, no_block_at_all_is_no_error_yet);
    tcase_add_test(tc, what_is_missing_is_said_in_the_words_of_the_reference);
    tcase_add_test(tc, a_file_that_cannot_be_read_is_named_with_the_reason);
    tcase_add_test(tc, a_file_larger_than_the_limit_is_refused);
    tcase_add_test(tc, keys_are_found_in_every_form);
    tcase_add_test(tc, encrypted_keys_are_refused);
    tcase_add_test(tc, a_certificate_is_no_key);
    tcase_add_test(tc, any_cut_and_any_changed_byte_is_safe);
    tcase_add_test(tc, any_damaged_key_is_safe);
    tcase_set_timeout(tc, 30);
    return run_cases("pem", tc);
}
