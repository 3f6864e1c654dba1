/* Distinguished names made comparable: which texts are the same name. */
#include "tls/dn_key.h"

#include <string.h>

#include "base/buf.h"
#include "certs.h"
#include "tls/cert.h"
#include "tls/der.h"
#include "tls/dn.h"

static struct nj_dn_key a, b;

static void setup(void)
{
    a = (struct nj_dn_key){ 0 };
    b = (struct nj_dn_key){ 0 };
}

static void teardown(void)
{
    nj_dn_key_fini(&a);
    nj_dn_key_fini(&b);
}

static int parse(struct nj_dn_key *key, const char *text)
{
    return nj_dn_key_parse(key, (struct nj_span){ (const uint8_t *) text, strlen(text) });
}

enum likeness { OTHER, REORDERED, SAME };

static const struct {
    const char *one, *two;
    enum likeness likeness;
} pairs[] = {
    { "CN=bob,O=Acme", "CN=bob,O=Acme", SAME },
    { "CN=bob,O=Acme", "cn = bob ,  o=Acme ", SAME },
    { "CN=bob,O=Acme", "O=Acme,CN=bob", REORDERED },
    { "CN=bob,O=Acme", "CN=bob+O=Acme", OTHER },
    { "CN=bob+O=Acme", "O=Acme+CN=bob", SAME },
    { "CN=bob", "CN=Bob", OTHER },
    { "CN=bob", "CN=bob,CN=bob", OTHER },
    { "CN=a,CN=b", "CN=b,CN=a", REORDERED },
    { "CN=a,CN=a,CN=b", "CN=b,CN=a,CN=b", OTHER },
    { "CN=x\\, y", "CN=x\\2c y", SAME },
    { "CN=x\\, y", "CN=x\\2C y", SAME },
    { "CN=x\\, O=y", "CN=x, O=y", OTHER },
    { "CN=\\ x\\ ", "CN=\\20x\\20", SAME },
    { "CN=x", "CN=x\\ ", OTHER },
    { "CN=a b", "CN=a  b", OTHER },
    { "CN=ab,O=c", "CN=a,O=bc", OTHER }, /* lengths keep pieces apart */
    { "C=Na", "CN=a", OTHER },
    { "A+B=c", "B=c", OTHER },
    { "CN=a,O=", "CN=a", SAME },
};
#define PAIRS_N ((int) (sizeof(pairs) / sizeof(pairs[0])))

START_TEST(two_texts_are_the_same_name_or_not)
{
    int rc = parse(&a, pairs[_i].one);
    int other = parse(&b, pairs[_i].two);

    bool same = rc == NJ_OK && other == NJ_OK && nj_span_equal(a.ordered, b.ordered);
    bool reordered = rc == NJ_OK && other == NJ_OK && nj_span_equal(a.sorted, b.sorted);

    ck_assert_int_eq(same, pairs[_i].likeness == SAME);
    ck_assert_int_eq(reordered, pairs[_i].likeness != OTHER);
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
    static const char *const texts[] = { "",          " ",       "bob",       "CN",
                                         "CN=",       "=bob",    ",CN=a",     "CN=a,b",
                                         "+CN=a",     "CN=a+",   "O=x,CN=a+", "CN=#05",
                                         "CN=a,,O=b", "CN=\\zz", "CN=a\\4",   "CN==a" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(parse(&a, texts[i]) == NJ_E_INVALID, "\"%s\" was taken", texts[i]);
    }
}
END_TEST

START_TEST(a_name_has_at_most_as_many_attributes_as_a_subject)
{
    struct nj_buf text;
    nj_buf_init(&text, SIZE_MAX);
    for (int i = 0; i < NJ_DN_MAX_ATTRIBUTES; i++) {
        (void) nj_buf_puts(&text, i == 0 ? "OU=x" : ",OU=x");
    }
    ck_assert_int_eq(parse(&a, text.ptr), NJ_OK);

    (void) nj_buf_puts(&text, ",OU=x");

    ck_assert_int_eq(parse(&b, text.ptr), NJ_E_INVALID);
    nj_buf_free(&text);
}
END_TEST

static int read_subject(const char *name)
{
    struct certs file;
    struct nj_cert cert;
    certs_load(&file, name);
    ck_assert_int_eq(nj_cert_init(&cert, file.certs[0], NULL), NJ_OK);
    int rc = nj_dn_key_read(&a, cert.subject);
    nj_cert_fini(&cert);
    certs_free(&file);
    return rc;
}

START_TEST(a_subject_is_read_most_specific_first)
{
    ck_assert_int_eq(read_subject("../names/bob"), NJ_OK);
    ck_assert_int_eq(parse(&b, "CN=bob,OU=Eng,O=Example"), NJ_OK);

    ck_assert(nj_span_equal(a.ordered, b.ordered));
}
END_TEST

START_TEST(a_subject_with_an_unknown_attribute_is_not_compared)
{
    ck_assert_int_eq(read_subject("../names/unknown-uid"), NJ_E_NOT_FOUND);
}
END_TEST

START_TEST(an_empty_subject_is_no_name)
{
    ck_assert_int_eq(read_subject("../names/empty-subject"), NJ_E_INVALID);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("dn_key");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, two_texts_are_the_same_name_or_not, 0, PAIRS_N);
    tcase_add_test(tc, what_is_no_name_is_refused);
    tcase_add_test(tc, a_name_has_at_most_as_many_attributes_as_a_subject);
    tcase_add_test(tc, a_subject_is_read_most_specific_first);
    tcase_add_test(tc, a_subject_with_an_unknown_attribute_is_not_compared);
    tcase_add_test(tc, an_empty_subject_is_no_name);
    return run_cases("dn_key", tc);
}
