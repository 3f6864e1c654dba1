/* Which of several certificates a ClientHello gets. */
#include "tls/choose.h"

#include <string.h>

#include "certs.h"
#include "tls/hello.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NUMBERS_MAX 8

enum { EC, RSA, P384, ED, WILD, LEAVES };
static const char *const files[LEAVES] = { "leaf-dns", "leaf-rsa2048", "leaf-p384", "leaf-ed25519",
                                           "leaf-wildcard" };
static struct nj_tls_leaf leaves[LEAVES];

static const uint16_t suites[] = { 0x1301, 0xc02b, 0xc02f, 0x009c };
static const uint16_t groups[] = { 29, 23, 24 };
static const struct nj_tls_settings offer = { .size = sizeof(offer),
                                              .min_version = NJ_TLS_1_2,
                                              .max_version = NJ_TLS_1_3,
                                              .suites = suites,
                                              .suites_n = COUNT(suites),
                                              .groups = groups,
                                              .groups_n = COUNT(groups) };

static void setup(void)
{
    struct certs c;
    for (size_t i = 0; i < LEAVES; i++) {
        certs_load(&c, files[i]);
        ck_assert_int_eq(nj_tls_leaf_init(&leaves[i], c.certs[0], NULL), NJ_OK);
        certs_free(&c);
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < LEAVES; i++) {
        nj_tls_leaf_fini(&leaves[i]);
    }
}

/* A hello as far as the choice looks at it; numbers end with 0. */
struct offered {
    const char *what;
    const char *name;
    size_t name_len; /* 0: strlen */
    uint16_t versions[NUMBERS_MAX], suites[NUMBERS_MAX], groups[NUMBERS_MAX],
        signatures[NUMBERS_MAX];
    size_t expected;
};

static struct nj_span numbers(const uint16_t *from, uint8_t *to)
{
    size_t n = 0;
    while (n < NUMBERS_MAX && from[n] != 0) {
        to[2 * n] = (uint8_t) (from[n] >> 8);
        to[2 * n + 1] = (uint8_t) from[n];
        n++;
    }
    return (struct nj_span){ to, 2 * n };
}

static size_t choose(const struct nj_tls_leaf *from, size_t n, const struct offered *o)
{
    uint8_t bytes[4][2 * NUMBERS_MAX];
    struct nj_hello hello = { .legacy_version = NJ_TLS_1_2 };
    size_t len = o->name_len > 0 ? o->name_len : strlen(o->name);
    hello.server_name = (struct nj_span){ (const uint8_t *) o->name, len };
    hello.versions = numbers(o->versions, bytes[0]);
    hello.suites = numbers(o->suites, bytes[1]);
    hello.groups = numbers(o->groups, bytes[2]);
    hello.signatures = numbers(o->signatures, bytes[3]);
    return nj_tls_choose(from, n, &hello, &offer);
}

#define V13                                                                                        \
    {                                                                                              \
        NJ_TLS_1_3                                                                                 \
    }
#define V12                                                                                        \
    {                                                                                              \
        NJ_TLS_1_2                                                                                 \
    }

static const struct offered table[] = {
    { "TLS 1.3, all kinds", "server.test", 0, V13, { 0x1301 }, { 29 }, { 0x0403, 0x0804 }, EC },
    { "no name", "", 0, V13, { 0x1301 }, { 29 }, { 0x0804 }, RSA },
    { "a name in capitals", "SERVER.TEST", 0, V13, { 0x1301 }, { 29 }, { 0x0503 }, P384 },
    { "a wildcard", "x.wild.test", 0, V13, { 0x1301 }, { 29 }, { 0x0403, 0x0804 }, WILD },
    { "an unknown name", "other.test", 0, V13, { 0x1301 }, { 29 }, { 0x0804 }, EC },
    { "a name with a NUL", "server.test\0x", 13, V13, { 0x1301 }, { 29 }, { 0x0804 }, EC },
    { "Ed25519 alone", "server.test", 0, V13, { 0x1301 }, { 29 }, { 0x0807 }, ED },
    { "PKCS#1 is for TLS 1.2", "server.test", 0, V13, { 0x1301 }, { 29 }, { 0x0401 }, EC },
    { "PKCS#1 in TLS 1.2", "server.test", 0, V12, { 0xc02f }, { 29 }, { 0x0401 }, RSA },
    { "SHA-1 is no signature", "server.test", 0, V12, { 0xc02f }, { 29 }, { 0x0201 }, EC },
    { "any hash in TLS 1.2", "server.test", 0, V12, { 0xc02b }, { 23 }, { 0x0603 }, EC },
    { "the group of the key", "server.test", 0, V12, { 0xc02b }, { 24 }, { 0x0403 }, P384 },
    { "not the group of a key", "server.test", 0, V12, { 0xc02b }, { 29 }, { 0x0403, 0x0807 }, ED },
    { "no signatures in TLS 1.2", "server.test", 0, V12, { 0xc02f }, { 29 }, { 0 }, RSA },
    { "Ed25519 must be named", "server.test", 0, V12, { 0xc02b }, { 29 }, { 0 }, EC },
    { "RSA without a group", "server.test", 0, V12, { 0x009c }, { 0 }, { 0x0403 }, RSA },
    { "no common version", "server.test", 0, { 0x0302 }, { 0xc02f }, { 29 }, { 0x0804 }, EC },
};

START_TEST(the_first_that_fits_is_chosen)
{
    const struct offered *o = &table[_i];
    size_t got = choose(leaves, LEAVES, o);

    ck_assert_msg(got == o->expected, "%s: %zu instead of %zu", o->what, got, o->expected);
}
END_TEST

START_TEST(order_decides_among_those_that_fit)
{
    struct nj_tls_leaf turned[] = { leaves[WILD], leaves[RSA], leaves[EC] };

    ck_assert_uint_eq(choose(turned, COUNT(turned), &table[0]), 1);
}
END_TEST

START_TEST(one_certificate_is_never_weighed)
{
    ck_assert_uint_eq(choose(&leaves[WILD], 1, &table[0]), 0);
}
END_TEST

START_TEST(a_certificate_that_cannot_be_read_is_refused)
{
    struct nj_tls_leaf leaf;
    struct nj_error err = NJ_ERROR_INIT;

    ck_assert_int_eq(nj_tls_leaf_init(&leaf, (struct nj_span){ (const uint8_t *) "0", 1 }, &err),
                     NJ_E_INVALID);
    ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_CERT);
    nj_tls_leaf_fini(&leaf);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("choose");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_first_that_fits_is_chosen, 0, COUNT(table));
    tcase_add_test(tc, order_decides_among_those_that_fit);
    tcase_add_test(tc, one_certificate_is_never_weighed);
    tcase_add_test(tc, a_certificate_that_cannot_be_read_is_refused);
    return run_cases("choose", tc);
}
