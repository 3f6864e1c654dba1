/* What require_fips allows, and by which words it refuses. */
#include "tls/fips.h"

#include <string.h>

#include "base/random.h"
#include "certs.h"
#include "tls/names.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SPAN(bytes)                                                                                \
    (struct nj_span)                                                                               \
    {                                                                                              \
        bytes, sizeof(bytes)                                                                       \
    }

static struct nj_error err;

static void setup(void)
{
    err = (struct nj_error) NJ_ERROR_INIT;
}

/* ---- suites and groups ----------------------------------------------------------------------- */

START_TEST(of_all_suites_only_aes_gcm_with_ephemeral_keys_is_allowed)
{
    static const char *const allowed[] = {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    };
    size_t n = 0;
    size_t found = 0;
    const struct nj_tls_suite *all = nj_tls_suites(&n);

    for (size_t i = 0; i < n; i++) {
        bool expected = false;
        for (size_t k = 0; k < COUNT(allowed); k++) {
            expected = expected || strcmp(all[i].name, allowed[k]) == 0;
        }
        ck_assert_msg((nj_fips_suite_fault(all[i].id) == NULL) == expected, "%s", all[i].name);
        found += expected ? 1 : 0;
    }

    ck_assert_uint_eq(found, COUNT(allowed));
}
END_TEST

START_TEST(of_all_groups_only_the_nist_curves_are_allowed)
{
    size_t n = 0;
    const struct nj_tls_group *all = nj_tls_groups(&n);

    for (size_t i = 0; i < n; i++) {
        bool expected = all[i].id >= 23 && all[i].id <= 25;
        ck_assert_msg((nj_fips_group_fault(all[i].id) == NULL) == expected, "%s", all[i].name);
    }
}
END_TEST

START_TEST(every_known_number_is_refused_with_a_reason_of_its_own)
{
    size_t n = 0;
    const char *unknown = nj_fips_suite_fault(0x1399);
    const struct nj_tls_suite *suites = nj_tls_suites(&n);
    for (size_t i = 0; i < n; i++) {
        const char *why = nj_fips_suite_fault(suites[i].id);
        ck_assert_msg(why == NULL || strcmp(why, unknown) != 0, "%s", suites[i].name);
    }
    const struct nj_tls_group *groups = nj_tls_groups(&n);
    for (size_t i = 0; i < n; i++) {
        const char *why = nj_fips_group_fault(groups[i].id);
        ck_assert_msg(why == NULL || strcmp(why, unknown) != 0, "%s", groups[i].name);
    }
}
END_TEST

START_TEST(a_number_that_nobody_knows_is_refused)
{
    ck_assert_ptr_nonnull(nj_fips_suite_fault(0x1399));
    ck_assert_ptr_nonnull(nj_fips_group_fault(0));
}
END_TEST

START_TEST(a_reason_says_what_is_wrong)
{
    ck_assert_str_eq(nj_fips_suite_fault(0x1303), "ChaCha20-Poly1305 is not an approved cipher");
    ck_assert_str_eq(nj_fips_suite_fault(0x009c), "RSA key transport is no longer approved");
    ck_assert_str_eq(nj_fips_suite_fault(0xc013),
                     "it needs HMAC with SHA-1, which is on its way out");
    ck_assert_str_eq(nj_fips_group_fault(29), "X25519 is not approved");
}
END_TEST

/* ---- keys ------------------------------------------------------------------------------------ */

/* Put tag and length in front of what is in the buffer; returns the new length. */
static size_t wrap(uint8_t *buf, size_t len, uint8_t tag)
{
    uint8_t head[4] = { tag, (uint8_t) len };
    size_t n = 2;
    if (len > 255) {
        head[1] = 0x82;
        head[n++] = (uint8_t) (len >> 8);
        head[n++] = (uint8_t) len;
    } else if (len > 127) {
        head[1] = 0x81;
        head[n++] = (uint8_t) len;
    }
    memmove(buf + n, buf, len);
    memcpy(buf, head, n);
    return len + n;
}

/* A SubjectPublicKeyInfo with a modulus of `len` bytes, the first of which is `top`. */
static struct nj_span rsa_spki(uint8_t *buf, size_t len, uint8_t top)
{
    static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
    static const uint8_t exponent[] = { 0x02, 0x03, 0x01, 0x00, 0x01 };
    size_t sign = top >= 0x80 ? 1 : 0; /* or the number would be negative */
    memset(buf, 0xab, sign + len);
    buf[0] = 0;
    buf[sign] = top;
    size_t n = wrap(buf, sign + len, 0x02);
    memcpy(buf + n, exponent, sizeof(exponent));
    n = wrap(buf, n + sizeof(exponent), 0x30);
    memmove(buf + 1, buf, n);
    buf[0] = 0; /* unused bits */
    n = wrap(buf, n + 1, 0x03);
    memmove(buf + sizeof(algorithm), buf, n);
    memcpy(buf, algorithm, sizeof(algorithm));
    return (struct nj_span){ buf, wrap(buf, n + sizeof(algorithm), 0x30) };
}

START_TEST(an_rsa_key_needs_2048_bits)
{
    static const struct {
        size_t len;
        uint8_t top;
        size_t bits;
    } table[] = {
        { 64, 0x80, 512 },   { 128, 0xff, 1024 }, { 255, 0x80, 2040 },
        { 256, 0x7f, 2047 }, { 256, 0x01, 2041 }, { 256, 0x80, 2048 },
        { 256, 0xff, 2048 }, { 257, 0x01, 2049 }, { 384, 0x80, 3072 },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        uint8_t buf[512];
        char words[64];
        struct nj_cert cert = { .key_type = NJ_KEY_RSA };
        cert.spki = rsa_spki(buf, table[i].len, table[i].top);

        int rc = nj_fips_check_key(&cert, &err);

        if (table[i].bits >= 2048) {
            ck_assert_msg(rc == NJ_OK, "%zu bits: %s", table[i].bits, err.text);
        } else {
            (void) snprintf(words, sizeof(words), "an RSA key of %zu bits is too short",
                            table[i].bits);
            ck_assert_int_eq(rc, NJ_E_UNSUPPORTED);
            ck_assert_msg(strstr(err.text, words) == err.text, "%s", err.text);
        }
    }
}
END_TEST

START_TEST(an_rsa_key_that_cannot_be_read_counts_no_bits)
{
    static const uint8_t spki[] = { 0x30, 0x11, 0x30, 0x09, 0x06, 0x07, 0x2a, 0x86, 0x48, 0x86,
                                    0xf7, 0x0d, 0x01, 0x03, 0x04, 0x00, 0x30, 0x05, 0x02 };
    struct nj_cert cert = { .key_type = NJ_KEY_RSA, .spki = SPAN(spki) };

    ck_assert_int_eq(nj_fips_check_key(&cert, &err), NJ_E_UNSUPPORTED);
}
END_TEST

/* EC: 1.2.840.10045.2.1 with a curve; the point is not looked at. */
START_TEST(an_ec_key_needs_one_of_three_curves)
{
    static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
    static const uint8_t p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
    static const uint8_t p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
    static const uint8_t p224[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21 };
    static const uint8_t k256[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a };
    static const uint8_t spelled_out[] = { 0x30, 0x03, 0x02, 0x01, 0x01 };
    static const struct {
        struct nj_span curve;
        bool good;
    } table[] = {
        { { p256, sizeof(p256) }, true },
        { { p384, sizeof(p384) }, true },
        { { p521, sizeof(p521) }, true },
        { { p224, sizeof(p224) }, false },
        { { k256, sizeof(k256) }, false },
        { { spelled_out, sizeof(spelled_out) }, false },
        { { NULL, 0 }, false },
    };
    static const uint8_t ec[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
    static const uint8_t point[] = { 0x03, 0x04, 0x00, 0x04, 0x01, 0x02 };
    for (size_t i = 0; i < COUNT(table); i++) {
        uint8_t spki[64];
        size_t n = table[i].curve.len;
        struct nj_cert cert = { .key_type = NJ_KEY_EC };
        uint8_t *p = spki;
        *p++ = 0x30;
        *p++ = (uint8_t) (2 + sizeof(ec) + n + sizeof(point));
        *p++ = 0x30;
        *p++ = (uint8_t) (sizeof(ec) + n);
        memcpy(p, ec, sizeof(ec));
        p += sizeof(ec);
        if (n > 0) {
            memcpy(p, table[i].curve.ptr, n);
        }
        p += n;
        memcpy(p, point, sizeof(point));
        cert.spki = (struct nj_span){ spki, (size_t) (p - spki) + sizeof(point) };

        ck_assert_msg((nj_fips_check_key(&cert, &err) == NJ_OK) == table[i].good, "row %zu", i);
    }
}
END_TEST

START_TEST(ed25519_and_keys_of_unknown_kind_are_refused)
{
    struct nj_cert cert = { .key_type = NJ_KEY_ED25519 };

    ck_assert_int_eq(nj_fips_check_key(&cert, &err), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text, "an Ed25519 key is not allowed under require_fips");
    ck_assert_uint_eq(err.cls, NJ_CLASS_POLICY);

    cert.key_type = NJ_KEY_OTHER;
    ck_assert_int_eq(nj_fips_check_key(&cert, &err), NJ_E_UNSUPPORTED);
}
END_TEST

/* ---- signatures ------------------------------------------------------------------------------ */

/* As much of a certificate as a look at its signature needs. */
static int check_algorithm(const uint8_t *algorithm, size_t len)
{
    uint8_t der[128];
    struct nj_cert cert = { 0 };
    ck_assert_uint_lt(len, 100);
    der[0] = 0x30;
    der[1] = (uint8_t) (2 + 2 + len);
    der[2] = 0x30; /* the part that is signed */
    der[3] = 0;
    der[4] = 0x30;
    der[5] = (uint8_t) len;
    memcpy(der + 6, algorithm, len);
    cert.der = (struct nj_span){ der, len + 6 };
    return nj_fips_check_signature(&cert, &err);
}

START_TEST(signatures_with_sha2_are_allowed_and_older_ones_named)
{
#define RSA(n)                                                                                     \
    {                                                                                              \
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n                              \
    }
#define ECDSA(n)                                                                                   \
    {                                                                                              \
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n                                    \
    }
    static const struct {
        uint8_t oid[11];
        size_t len;
        const char *words; /* NULL: allowed */
    } table[] = {
        { RSA(0x0b), 11, NULL },
        { RSA(0x0c), 11, NULL },
        { RSA(0x0d), 11, NULL },
        { RSA(0x05), 11, "a signature with SHA-1 is not allowed under require_fips" },
        { RSA(0x04), 11, "a signature with MD5 is not allowed under require_fips" },
        { RSA(0x0e), 11, "a signature of unknown kind is not allowed under require_fips" },
        { ECDSA(2), 10, NULL },
        { ECDSA(3), 10, NULL },
        { ECDSA(4), 10, NULL },
        { ECDSA(1), 10, "a signature of unknown kind is not allowed under require_fips" },
        { { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01 },
          9,
          "a signature with SHA-1 is not allowed under require_fips" },
        { { 0x06, 0x03, 0x2b, 0x65, 0x70 },
          5,
          "an Ed25519 signature is not allowed under require_fips" },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        int rc = check_algorithm(table[i].oid, table[i].len);
        ck_assert_msg((rc == NJ_OK) == (table[i].words == NULL), "row %zu", i);
        if (table[i].words != NULL) {
            ck_assert_str_eq(err.text, table[i].words);
        }
    }
}
END_TEST

START_TEST(the_digest_of_pss_is_looked_at)
{
#define PSS 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a
#define PSS_SHA2(n)                                                                                \
    {                                                                                              \
        PSS, 0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,   \
            0x04, 0x02, n                                                                          \
    }
    static const uint8_t sha256[] = PSS_SHA2(1);
    static const uint8_t sha512[] = PSS_SHA2(3);
    static const uint8_t sha224[] = PSS_SHA2(4);
    static const uint8_t left_out[] = { PSS, 0x30, 0x00 };
    static const uint8_t nothing[] = { PSS };

    ck_assert_int_eq(check_algorithm(sha256, sizeof(sha256)), NJ_OK);
    ck_assert_int_eq(check_algorithm(sha512, sizeof(sha512)), NJ_OK);
    ck_assert_int_eq(check_algorithm(sha224, sizeof(sha224)), NJ_E_UNSUPPORTED);
    ck_assert_int_eq(check_algorithm(left_out, sizeof(left_out)), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text, "a signature with SHA-1 is not allowed under require_fips");
    ck_assert_int_eq(check_algorithm(nothing, sizeof(nothing)), NJ_E_UNSUPPORTED);
}
END_TEST

/* ---- files and chains ------------------------------------------------------------------------ */

START_TEST(files_with_p256_p384_and_rsa2048_are_allowed)
{
    static const char *const names[] = { "leaf-dns", "leaf-p384", "leaf-rsa2048", "chain-inter" };
    for (size_t i = 0; i < COUNT(names); i++) {
        struct certs file;
        certs_load(&file, names[i]);

        ck_assert_msg(nj_fips_check_file(names[i], NJ_FIPS_CHAIN, file.certs, file.n, &err) ==
                          NJ_OK,
                      "%s", err.text);

        certs_free(&file);
    }
}
END_TEST

START_TEST(a_file_is_refused_with_its_name_and_the_number_of_the_certificate)
{
    struct certs good, bad;
    struct nj_span both[2];
    certs_load(&good, "leaf-dns");
    certs_load(&bad, "leaf-ed25519");
    both[0] = good.certs[0];
    both[1] = bad.certs[0];

    ck_assert_int_eq(nj_fips_check_file("own.pem", NJ_FIPS_CHAIN, both, 2, &err), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text,
                     "own.pem: certificate 2: an Ed25519 key is not allowed under require_fips");
    ck_assert_int_eq(nj_fips_check_file("ca.pem", NJ_FIPS_ANCHORS, both, 2, &err),
                     NJ_E_UNSUPPORTED);

    certs_free(&good);
    certs_free(&bad);
}
END_TEST

/* The signature on an anchor is nobody's business, the one on a leaf is. */
START_TEST(an_old_signature_matters_in_a_chain_and_not_on_an_anchor)
{
    static const uint8_t sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
    struct certs file;
    uint8_t old[4096];
    size_t changed = 0;
    certs_load(&file, "leaf-dns");
    struct nj_span der = { old, file.certs[0].len };
    ck_assert_uint_lt(der.len, sizeof(old));
    memcpy(old, file.certs[0].ptr, der.len);
    for (size_t i = 0; i + sizeof(sha256) < der.len; i++) {
        if (memcmp(old + i, sha256, sizeof(sha256)) == 0) {
            old[i + sizeof(sha256) - 1] = 1; /* ecdsa-with-SHA224 */
            changed++;
        }
    }
    ck_assert_uint_eq(changed, 2);

    ck_assert_int_eq(nj_fips_check_file("a", NJ_FIPS_ANCHORS, &der, 1, &err), NJ_OK);
    ck_assert_int_eq(nj_fips_check_file("a", NJ_FIPS_CHAIN, &der, 1, &err), NJ_E_UNSUPPORTED);

    certs_free(&file);
}
END_TEST

START_TEST(the_signature_of_a_root_on_itself_does_not_matter_in_a_chain)
{
    static const uint8_t name[] = { 0x30, 0x00 };
    uint8_t spki[512];
    struct nj_cert root = { .key_type = NJ_KEY_RSA, .issuer = SPAN(name), .subject = SPAN(name) };
    root.spki = rsa_spki(spki, 256, 0x80);

    ck_assert_int_eq(nj_fips_check_chain(&root, 1, &err), NJ_OK); /* it has none at all */
}
END_TEST

/* ---- the module ------------------------------------------------------------------------------ */

static uint64_t caps;
static const char *label;

static uint64_t say_caps(void)
{
    return caps;
}

static void say_about(struct nj_tls_about *out)
{
    out->lib_name = "Lib";
    out->lib_version = "1.2";
    out->fips = label;
}

static const struct nj_tls_provider provider = {
    .size = sizeof(provider),
    .about = say_about,
    .caps = say_caps,
};

START_TEST(without_the_switch_every_provider_may_serve)
{
    caps = 0;
    label = "none";

    ck_assert_int_eq(nj_fips_check_provider(&provider, "x", &err),
                     nj_fips_built_in() ? NJ_E_UNSUPPORTED : NJ_OK);
    ck_assert_int_eq(nj_fips_required(), nj_fips_built_in());
}
END_TEST

START_TEST(with_the_switch_the_module_must_be_active)
{
    nj_fips_require("server.conf:3:1");
    caps = 0;
    label = "none";

    ck_assert(nj_fips_required());
    ck_assert_int_eq(nj_fips_check_provider(&provider, "x", &err), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text,
                     "server.conf:3:1: require_fips is true, but tls provider \"x\" has no FIPS "
                     "module at work: Lib 1.2 says \"none\"; see docs/fips.md");

    caps = NJ_TLS_CAP_FIPS_ACTIVE;
    label = "fips-build, status ok (certificate not asserted)";
    ck_assert_int_eq(nj_fips_check_provider(&provider, "x", &err), NJ_OK);

    nj_fips_forget();
}
END_TEST

START_TEST(a_stand_in_for_tests_is_not_a_module)
{
    nj_fips_require(NULL);
    caps = NJ_TLS_CAP_FIPS_ACTIVE;
    label = NJ_FIPS_MOCK_LABEL;

#ifdef NJ_FIPS_MOCK
    ck_assert_int_eq(nj_fips_check_provider(&provider, "x", &err), NJ_OK);
#else
    ck_assert_int_eq(nj_fips_check_provider(&provider, "x", &err), NJ_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "\"fips-mock\""));
#endif

    nj_fips_forget();
}
END_TEST

START_TEST(a_provider_that_says_nothing_has_no_module)
{
    label = NULL;
    ck_assert_str_eq(nj_fips_label(&provider), "none");
    label = "";
    ck_assert_str_eq(nj_fips_label(&provider), "none");
}
END_TEST

/* ---- random bytes ---------------------------------------------------------------------------- */

static size_t asked;

static int all_sevens(uint8_t *out, size_t len)
{
    memset(out, 7, len);
    asked += len;
    return 0;
}

static int no_bytes(uint8_t *out, size_t len)
{
    (void) out;
    (void) len;
    return -1;
}

START_TEST(random_bytes_come_from_the_module_when_it_was_named)
{
    uint8_t out[5] = { 0 };

    nj_random_use(all_sevens);
    nj_random(out, sizeof(out));
    nj_random_use(NULL);

    ck_assert_mem_eq(out, "\7\7\7\7\7", 5);
    ck_assert_uint_eq(asked, 5);
}
END_TEST

/* Tables are made for clients that come when the module has failed. */
START_TEST(seeds_of_tables_ask_no_module)
{
    uint64_t seed = 0;

    nj_random_use(no_bytes);
    nj_seed(&seed, sizeof(seed));
    nj_random_use(NULL);

    ck_assert_uint_ne(seed, 0);
}
END_TEST

START_TEST(no_other_source_steps_in_for_a_module_that_fails)
{
    uint8_t out[5];
    nj_random_use(no_bytes);
    nj_random(out, sizeof(out)); /* ends the process */
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("fips");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, of_all_suites_only_aes_gcm_with_ephemeral_keys_is_allowed);
    tcase_add_test(tc, of_all_groups_only_the_nist_curves_are_allowed);
    tcase_add_test(tc, every_known_number_is_refused_with_a_reason_of_its_own);
    tcase_add_test(tc, a_number_that_nobody_knows_is_refused);
    tcase_add_test(tc, a_reason_says_what_is_wrong);
    tcase_add_test(tc, an_rsa_key_needs_2048_bits);
    tcase_add_test(tc, an_rsa_key_that_cannot_be_read_counts_no_bits);
    tcase_add_test(tc, an_ec_key_needs_one_of_three_curves);
    tcase_add_test(tc, ed25519_and_keys_of_unknown_kind_are_refused);
    tcase_add_test(tc, signatures_with_sha2_are_allowed_and_older_ones_named);
    tcase_add_test(tc, the_digest_of_pss_is_looked_at);
    tcase_add_test(tc, files_with_p256_p384_and_rsa2048_are_allowed);
    tcase_add_test(tc, a_file_is_refused_with_its_name_and_the_number_of_the_certificate);
    tcase_add_test(tc, an_old_signature_matters_in_a_chain_and_not_on_an_anchor);
    tcase_add_test(tc, the_signature_of_a_root_on_itself_does_not_matter_in_a_chain);
    tcase_add_test(tc, without_the_switch_every_provider_may_serve);
    tcase_add_test(tc, with_the_switch_the_module_must_be_active);
    tcase_add_test(tc, a_stand_in_for_tests_is_not_a_module);
    tcase_add_test(tc, a_provider_that_says_nothing_has_no_module);
    tcase_add_test(tc, seeds_of_tables_ask_no_module);
    tcase_add_test(tc, random_bytes_come_from_the_module_when_it_was_named);
    const char *fork = getenv("CK_FORK");
    if (fork == NULL || strcmp(fork, "no") != 0) {
        tcase_add_test_raise_signal(tc, no_other_source_steps_in_for_a_module_that_fails, 6);
    }
    return run_cases("fips", tc);
}
