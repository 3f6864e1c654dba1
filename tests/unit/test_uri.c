/* A certificate's URI as the reference writes it, and which it takes for none. */
#include "tls/uri.h"

#include <string.h>

#include "base/buf.h"
#include "certs.h"

/* text NULL: refused. */
static const struct {
    const char *uri, *text;
} cases[] = {
    { "", "" },
    { "spiffe://example.test/ns/a", "spiffe://example.test/ns/a" },
    { "SPIFFE://Ex.Test/Bob", "spiffe://Ex.Test/Bob" },
    { "urn:x#", "urn:x" },
    { "urn:x?", "urn:x?" },
    { "urn:a b", "urn:a b" },
    { "http://x.test/a?b=c d", "http://x.test/a?b=c d" },
    { "http://x.test/a b", "http://x.test/a%20b" },
    { "http://x.test/a#f%41 g", "http://x.test/a#fA%20g" },
    { "http://x.test/%41%2fb", "http://x.test/%41%2fb" },
    { "http://x.test/%41 b", "http://x.test/A%20b" },
    { "http://x.test:80/", "http://x.test:80/" },
    { "http://u:p%40@x.test/", "http://u:p%40@x.test/" },
    { "http://u%41:@x.test/", "http://uA:@x.test/" },
    { "http://[::1]:80/", "http://[::1]:80/" },
    { "file:///etc", "file:///etc" },
    { "http:/a", "http:/a" },
    { "http://", "http:" },
    { "*", "*" },
    { "bob", "bob" },
    { "a%3Ab", "a%3Ab" },
    { "a%3A b", "./a:%20b" },
    { "//x.test/a", "//x.test/a" },
    { "///a", "///a" },
    { "spiffe://a:b:1/", "spiffe://a:b:1/" },
    { "http://a%25b/", "http://a%25b/" },
    { "http://a%41b/", NULL },
    { "http://x.test/%zz", NULL },
    { "http://x.test/%4", NULL },
    { "http://x.test/#%4", NULL },
    { "http://x.test:8a/", NULL },
    { "http://x:1:2/", NULL },
    { "http://[::1/", NULL },
    { "http://[1.2.3.4]/", NULL },
    { "http://x y.test/", NULL },
    { "http://u v@x.test/", NULL },
    { "http://.x.test/", NULL },
    { "http://x..test/", NULL },
    { "http://x.test./", NULL },
    { "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test/", NULL },
    { "://x", NULL },
    { "1a:b", NULL },
    { "urn:a\n", NULL },
};
#define CASES_N ((int) (sizeof(cases) / sizeof(cases[0])))

START_TEST(a_uri_has_one_text)
{
    const struct nj_span uri = { (const uint8_t *) cases[_i].uri, strlen(cases[_i].uri) };
    const char *why = NULL;
    struct nj_buf out;
    nj_buf_init(&out, 4096);

    int rc = nj_uri_text(uri, &out, &why);

    if (cases[_i].text == NULL) {
        ck_assert_msg(rc == NJ_E_INVALID, "%s was taken", cases[_i].uri);
        ck_assert_ptr_nonnull(why);
    } else {
        ck_assert_msg(rc == NJ_OK, "%s: %s", cases[_i].uri, why);
        ck_assert_str_eq(out.len > 0 ? out.ptr : "", cases[_i].text);
    }
    ck_assert_int_eq(nj_uri_text(uri, NULL, NULL), rc);
    nj_buf_free(&out);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    const char *text = "urn:abcdefgh";
    struct nj_buf out;
    nj_buf_init(&out, 8);

    ck_assert_int_eq(nj_uri_text((struct nj_span){ (const uint8_t *) text, 12 }, &out, NULL),
                     NJ_E_LIMIT);
    nj_buf_free(&out);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("uri");
    tcase_add_loop_test(tc, a_uri_has_one_text, 0, CASES_N);
    tcase_add_test(tc, a_full_buffer_is_told);
    return run_cases("uri", tc);
}
