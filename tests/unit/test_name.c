/* Is a certificate for the name that was dialled? */
#include "tls/name.h"

#include <string.h>

#include "base/buf.h"
#include "certs.h"
#include "tls/cert.h"

/* A certificate that has these SANs and nothing else. */
static struct nj_cert with_sans(struct nj_san *sans, size_t n)
{
    return (struct nj_cert){ .has_san_extension = true, .sans = sans, .sans_n = n };
}

static struct nj_san dns(const char *name)
{
    return (struct nj_san){ NJ_SAN_DNS, { (const uint8_t *) name, strlen(name) } };
}

static bool dns_matches(const char *san, const char *host)
{
    struct nj_san sans[] = { dns(san) };
    struct nj_cert cert = with_sans(sans, 1);
    return nj_name_matches(&cert, host);
}

static bool ip_matches(const uint8_t *ip, size_t len, const char *host)
{
    struct nj_san sans[] = { { NJ_SAN_IP, { ip, len } } };
    struct nj_cert cert = with_sans(sans, 1);
    return nj_name_matches(&cert, host);
}

START_TEST(names_are_compared_label_by_label_without_case)
{
    static const struct {
        const char *san;
        const char *host;
        bool match;
    } cases[] = {
        { "server.test", "server.test", true },
        { "Server.TEST", "sERVER.test", true },
        { "server.test", "server.test.", true },
        { "server.test.", "server.test", false }, /* not a valid SAN */
        { "server.test.", "server.test.", true }, /* odd, but equal */
        { "server.test", "server.test..", false },
        { "server.test", "xserver.test", false },
        { "server.test", "a.server.test", false },
        { "server.test", "server", false },
        { "server.test", "server.test.more", false },
        { "server.test", "", false },
        { "server.test", ".", false },
        { "", "", false },
        { ".", ".", false },
        { "_nats._tcp.test", "_nats._tcp.test", true },
        { "-a.test", "-a.test", true }, /* odd, but equal */
        { "-a.test", "-a.test.", false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(dns_matches(cases[i].san, cases[i].host) == cases[i].match, "%s and %s",
                      cases[i].san, cases[i].host);
    }
}
END_TEST

START_TEST(a_star_is_one_whole_left_most_label)
{
    static const struct {
        const char *san;
        const char *host;
        bool match;
    } cases[] = {
        { "*.wild.test", "a.wild.test", true },
        { "*.wild.test", "a.wild.test.", true },
        { "*.WILD.test", "A.wild.TEST", true },
        { "*.wild.test", "wild.test", false },
        { "*.wild.test", ".wild.test", false },
        { "*.wild.test", "a.b.wild.test", false },
        { "*.*.wild.test", "a.b.wild.test", false },
        { "a.*.test", "a.b.test", false },
        { "a*.wild.test", "ab.wild.test", false },
        { "*", "test", false },
        { "*", "*", true }, /* odd, but equal */
        { "*.test", "server.test", true },
        { "*.", "server.", false },
        { "*.wild.test", "*.wild.test", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(dns_matches(cases[i].san, cases[i].host) == cases[i].match, "%s and %s",
                      cases[i].san, cases[i].host);
    }
}
END_TEST

START_TEST(a_nul_in_a_san_hides_nothing)
{
    struct nj_san sans[] = { { NJ_SAN_DNS, { (const uint8_t *) "good.test\0.evil.test", 20 } } };
    struct nj_cert cert = with_sans(sans, 1);

    ck_assert(!nj_name_matches(&cert, "good.test"));
}
END_TEST

START_TEST(an_address_counts_only_in_its_own_kind_of_san)
{
    static const uint8_t v4[] = { 127, 0, 0, 1 };
    static const uint8_t v6[16] = { [15] = 1 };
    static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };

    ck_assert(ip_matches(v4, 4, "127.0.0.1"));
    ck_assert(ip_matches(v4, 4, "::ffff:127.0.0.1"));
    ck_assert(ip_matches(mapped, 16, "127.0.0.1"));
    ck_assert(ip_matches(v6, 16, "::1"));
    ck_assert(ip_matches(v6, 16, "[::1]"));
    ck_assert(ip_matches(v6, 16, "0:0:0:0:0:0:0:1"));
    ck_assert(!ip_matches(v4, 4, "127.0.0.2"));
    ck_assert(!ip_matches(v4, 4, "127.0.0.1."));
    ck_assert(!ip_matches(v6, 16, "::2"));
    ck_assert(!ip_matches(v6, 16, "0.0.0.1"));
    ck_assert(!dns_matches("127.0.0.1", "127.0.0.1"));
    ck_assert(!dns_matches("*.0.0.1", "127.0.0.1"));
    ck_assert(!dns_matches("::1", "::1"));
}
END_TEST

START_TEST(the_common_name_never_counts)
{
    struct certs file;
    struct nj_cert cert;
    certs_load(&file, "leaf-cn-only");
    ck_assert_int_eq(nj_cert_init(&cert, file.certs[0], NULL), NJ_OK);

    ck_assert(!nj_name_matches(&cert, "server.test"));

    nj_cert_fini(&cert);
    certs_free(&file);
}
END_TEST

START_TEST(an_absurdly_long_name_matches_nothing)
{
    char host[4096];
    memset(host, 'a', sizeof(host));
    host[sizeof(host) - 1] = '\0';

    ck_assert(!dns_matches(host, host));
}
END_TEST

static void assert_mismatch(const struct nj_cert *cert, const char *host, const char *expected)
{
    struct nj_buf text;
    nj_buf_init(&text, 65536);
    ck_assert_int_eq(nj_name_mismatch_text(cert, host, &text), NJ_OK);
    ck_assert_str_eq(text.ptr, expected);
    nj_buf_free(&text);
}

START_TEST(a_mismatch_tells_what_there_is)
{
    static const uint8_t v4[] = { 127, 0, 0, 1 };
    struct nj_san both[] = { dns("a.test"), dns("b.test"), { NJ_SAN_IP, { v4, 4 } } };
    struct nj_san many[150];
    for (size_t i = 0; i < 150; i++) {
        many[i] = dns("a.test");
    }
    struct nj_cert two = with_sans(both, 3);
    struct nj_cert crowd = with_sans(many, 150);
    struct nj_cert none = with_sans(NULL, 0);

    assert_mismatch(&two, "c.test", "x509: certificate is valid for a.test, b.test, not c.test");
    assert_mismatch(&two, "::1", "x509: certificate is valid for 127.0.0.1, not ::1");
    assert_mismatch(&crowd, "c.test",
                    "x509: certificate is valid for 150 names, but none matched c.test");
    assert_mismatch(&none, "c.test",
                    "x509: certificate is not valid for any names, but wanted to match c.test");
    assert_mismatch(&none, "1.2.3.4",
                    "x509: cannot validate certificate for 1.2.3.4 because it doesn't contain any "
                    "IP SANs");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("name");
    tcase_add_test(tc, names_are_compared_label_by_label_without_case);
    tcase_add_test(tc, a_star_is_one_whole_left_most_label);
    tcase_add_test(tc, a_nul_in_a_san_hides_nothing);
    tcase_add_test(tc, an_address_counts_only_in_its_own_kind_of_san);
    tcase_add_test(tc, the_common_name_never_counts);
    tcase_add_test(tc, an_absurdly_long_name_matches_nothing);
    tcase_add_test(tc, a_mismatch_tells_what_there_is);
    return run_cases("name", tc);
}
