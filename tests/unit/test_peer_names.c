/* test_peer_names.c: the names of a certificate as auth mappers are told them. */
#include <check.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit/certs.h"
#include "tls/cert.h"
#include "tls/peer_names.h"

static const struct {
    const char *file;
    const char *names; /* "TYPE=VALUE" joined by "|" */
    const char *common_name;
} rows[] = {
    { "leaf-odd-all-sans",
      "O=Example|OU=Eng|CN=bob|email=bob@example.com|dns=host.example.com|uri=spiffe://ex/bob|"
      "ip=192.0.2.7|dns=second.example.com|ip=2001:db8::1",
      "bob" },
    { "leaf-odd-full",
      "SERIALNUMBER=7|C=CZ|ST=Morava|L=Brno|STREET=Hlavni 1|POSTALCODE=60200|O=Acme|OU=Ops|"
      "CN=first|CN=last|dns=server.test",
      "last" },
    { "leaf-odd-escapes",
      "O= lead#|OU=#hash|L=a\"b<c>d;e\\f|ST=trail |CN=\xc5\xbd\xc3\xa1"
      "ba, s.r.o.|dns=server.test",
      "\xc5\xbd\xc3\xa1"
      "ba, s.r.o." },
    { "leaf-odd-dc", "DC=com|DC=example|OU=Users|CN=www.example.com|dns=server.test",
      "www.example.com" },
    { "leaf-odd-empty-subject", "dns=server.test", "" },
};

START_TEST(names_are_those_of_the_certificate_in_its_order)
{
    struct certs c;
    struct nj_cert cert;
    struct nj_peer_names names;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_buf got;
    nj_buf_init(&got, SIZE_MAX);
    certs_load(&c, rows[_i].file);
    ck_assert_int_eq(nj_cert_init(&cert, c.certs[0], &err), NJ_OK);

    ck_assert_int_eq(nj_peer_names_init(&names, &cert), NJ_OK);

    for (size_t i = 0; i < names.n; i++) {
        const struct nj_authmap_name *n = names.list[i];
        (void) nj_buf_printf(&got, "%s%s=%.*s", i == 0 ? "" : "|", n->type, (int) n->value.len,
                             (const char *) n->value.ptr);
        ck_assert_uint_eq(n->value.ptr[n->value.len], 0);
        ck_assert_int_eq(n->oid != NULL, n->kind == NJ_AUTHMAP_NAME_ATTRIBUTE);
    }
    ck_assert_str_eq(got.ptr, rows[_i].names);
    ck_assert_str_eq(names.common_name, rows[_i].common_name);
    nj_peer_names_fini(&names);
    nj_buf_free(&got);
    nj_cert_fini(&cert);
    certs_free(&c);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("names");
    tcase_add_loop_test(tc, names_are_those_of_the_certificate_in_its_order, 0,
                        (int) (sizeof(rows) / sizeof(rows[0])));
    return run_two_cases("peer names", tc, NULL);
}
