/*
 * The verify hook against the reference's decisions (tests/corpus/certs/verdicts.tsv).
 *
 * There is no library here, so there are three pretended ones: a blind one, that finds nothing
 * wrong and cannot tell its path; one that tells the path; and one that finds what is wrong.
 */
#include "tls/verify.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "certs.h"
#include "tls/fips.h"
#include "verdicts.h"

#define PREFIX VERDICT_PREFIX

static int64_t fixed_clock(void)
{
    return CHECKED_AT;
}

/* ---- one judgement --------------------------------------------------------------------------- */

static struct certs chain;
static struct certs anchors;
static struct nj_tls_policy policy;
static struct nj_tls_findings found;
static struct nj_tls_verdict verdict;

static void clear(void)
{
    nj_tls_policy_fini(&policy);
    certs_free(&chain);
    certs_free(&anchors);
}

static void given(const char *chain_name, const char *anchors_name, uint32_t judge,
                  const char *host)
{
    struct nj_error err = NJ_ERROR_INIT;
    clear();
    certs_load(&chain, chain_name);
    certs_load(&anchors, anchors_name);
    ck_assert_int_eq(nj_tls_policy_init(&policy, anchors.certs, anchors.n, fixed_clock, &err),
                     NJ_OK);
    found = (struct nj_tls_findings){
        .size = sizeof(found),
        .judge = judge,
        .chain = chain.certs,
        .chain_n = chain.n,
        .version = NJ_TLS_1_3,
        .name = judge == NJ_TLS_JUDGE_SERVER ? host : NULL,
        .depth = -1,
    };
}

static void judge_it(void)
{
    verdict = (struct nj_tls_verdict){ .size = sizeof(verdict) };
    nj_tls_verify(&policy, &found, &verdict);
}

static void given_row(const struct verdict_row *r, uint32_t judge)
{
    given(r->chain, r->anchors, judge, r->host);
}

static void assert_verdict(const struct verdict_row *r, uint32_t judge, const char *library)
{
    char text[sizeof(verdict.text)];
    const char *expected = verdict_expected(r, judge);
    const char *role = judge == NJ_TLS_JUDGE_SERVER ? "dial" : "accept";
    if (strcmp(expected, "accept") == 0) {
        ck_assert_msg(verdict.accept == 1, "%s (%s, %s): %s", r->name, role, library, verdict.text);
        return;
    }
    verdict_expected_text(r, judge, text, sizeof(text));
    ck_assert_msg(verdict.accept == 0, "%s (%s, %s): accepted", r->name, role, library);
    ck_assert_msg(verdict.alert == atoi(expected), "%s (%s, %s): alert %d: %s", r->name, role,
                  library, verdict.alert, verdict.text);
    ck_assert_uint_ne(verdict.cls, NJ_CLASS_NONE);
    ck_assert_msg(strcmp(verdict.text, text) == 0, "%s (%s, %s):\n%s\n%s", r->name, role, library,
                  verdict.text, text);
}

/* Only a signature tells that it is forged. */
static bool is_forged(const struct verdict_row *r)
{
    return strcmp(r->name, "forged") == 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

START_TEST(a_blind_library_and_the_hook_decide_as_the_reference)
{
    const struct verdict_row *r = &verdict_rows[_i];
    for (uint32_t judge = NJ_TLS_JUDGE_CLIENT; judge <= NJ_TLS_JUDGE_SERVER; judge++) {
        if (verdict_has_chain(r) && !is_forged(r)) {
            given_row(r, judge);
            judge_it();
            assert_verdict(r, judge, "blind");
        }
    }
    clear();
}
END_TEST

START_TEST(a_library_that_tells_its_path_and_the_hook_decide_as_the_reference)
{
    const struct verdict_row *r = &verdict_rows[_i];
    for (uint32_t judge = NJ_TLS_JUDGE_CLIENT; judge <= NJ_TLS_JUDGE_SERVER; judge++) {
        struct nj_span path[CERTS_MAX + 1];
        if (!verdict_has_chain(r) || is_forged(r)) {
            continue;
        }
        given_row(r, judge);
        memcpy(path, chain.certs, sizeof(chain.certs));
        path[chain.n] = anchors.certs[0];
        found.path = path;
        found.path_n = chain.n + 1;

        judge_it();

        assert_verdict(r, judge, "path");
    }
    clear();
}
END_TEST

static uint32_t class_of(const char *text)
{
    return strstr(text, "unknown authority") != NULL  ? NJ_CLASS_UNKNOWN_CA
           : strstr(text, "is after") != NULL         ? NJ_CLASS_EXPIRED
           : strstr(text, "is before") != NULL        ? NJ_CLASS_NOT_YET
           : strstr(text, "incompatible key") != NULL ? NJ_CLASS_BAD_EKU
                                                      : NJ_CLASS_NONE;
}

START_TEST(a_library_that_finds_the_fault_leaves_words_and_alert_to_the_hook)
{
    const struct verdict_row *r = &verdict_rows[_i];
    for (uint32_t judge = NJ_TLS_JUDGE_CLIENT; judge <= NJ_TLS_JUDGE_SERVER; judge++) {
        if (!verdict_has_chain(r) || is_forged(r)) {
            continue;
        }
        given_row(r, judge);
        found.cls = class_of(judge == NJ_TLS_JUDGE_SERVER ? r->dial_text : r->accept_text);
        found.text = "words of the library";

        judge_it();

        assert_verdict(r, judge, "knowing");
    }
    clear();
}
END_TEST

/* Whatever class: what the library refused is never accepted. */
START_TEST(the_hook_never_loosens)
{
    for (uint32_t cls = NJ_CLASS_INTERNAL; cls <= NJ_CLASS_UNSUPPORTED; cls++) {
        for (uint32_t judge = NJ_TLS_JUDGE_CLIENT; judge <= NJ_TLS_JUDGE_SERVER; judge++) {
            given("leaf-dns", "root", judge, "server.test");
            found.cls = cls;

            judge_it();

            ck_assert_int_eq(verdict.accept, 0);
            ck_assert_int_ge(verdict.alert, 40);
            ck_assert_uint_ne(verdict.cls, NJ_CLASS_NONE);
            ck_assert_uint_gt(strlen(verdict.text), strlen(PREFIX));
        }
    }
    clear();
}
END_TEST

START_TEST(a_forged_certificate_is_of_an_unknown_authority)
{
    given("leaf-forged", "root", NJ_TLS_JUDGE_CLIENT, NULL);
    found.cls = NJ_CLASS_BAD_CERT; /* the signature does not fit */

    judge_it();

    ck_assert_int_eq(verdict.accept, 0);
    ck_assert_int_eq(verdict.alert, NJ_ALERT_UNKNOWN_CA);
    ck_assert_str_eq(verdict.text, PREFIX "x509: certificate signed by unknown authority");
    clear();
}
END_TEST

/* ---- what the table does not say ------------------------------------------------------------- */

START_TEST(without_certificate_the_alert_depends_on_the_version)
{
    given("leaf-dns", "root", NJ_TLS_JUDGE_CLIENT, NULL);
    found.chain_n = 0;

    judge_it();
    ck_assert_int_eq(verdict.accept, 0);
    ck_assert_int_eq(verdict.alert, NJ_ALERT_CERTIFICATE_REQUIRED);
    ck_assert_str_eq(verdict.text, "tls: client didn't provide a certificate");

    found.version = NJ_TLS_1_2;
    judge_it();
    ck_assert_int_eq(verdict.alert, NJ_ALERT_HANDSHAKE_FAILURE);
    clear();
}
END_TEST

START_TEST(a_certificate_that_cannot_be_read_is_refused_wherever_it_is)
{
    given("chain-inter-root", "root", NJ_TLS_JUDGE_SERVER, "server.test");
    for (size_t i = 0; i < chain.n; i++) {
        struct nj_span whole = chain.certs[i];
        chain.certs[i].len--;

        judge_it();

        ck_assert_int_eq(verdict.accept, 0);
        ck_assert_int_eq(verdict.alert, 50);
        ck_assert_str_eq(
            verdict.text,
            "tls: failed to parse certificate from server: x509: malformed certificate");
        chain.certs[i] = whole;
    }
    clear();
}
END_TEST

START_TEST(a_server_is_never_accepted_without_a_name_to_compare)
{
    given("leaf-dns", "root", NJ_TLS_JUDGE_SERVER, NULL);

    judge_it();

    ck_assert_int_eq(verdict.accept, 0);
    clear();
}
END_TEST

START_TEST(insecure_is_for_dialling_alone)
{
    given("leaf-dns", "other", NJ_TLS_JUDGE_SERVER, "elsewhere.test");
    policy.insecure = true;
    judge_it();
    ck_assert_int_eq(verdict.accept, 1);

    given("leaf-dns", "other", NJ_TLS_JUDGE_CLIENT, NULL);
    policy.insecure = true;
    judge_it();
    ck_assert_int_eq(verdict.accept, 0);
    clear();
}
END_TEST

START_TEST(with_the_system_store_a_path_that_the_library_accepted_is_judged_too)
{
    given("chain-inter", "root", NJ_TLS_JUDGE_SERVER, "server.test");
    nj_tls_policy_fini(&policy);
    ck_assert_int_eq(nj_tls_policy_init(&policy, NULL, 0, fixed_clock, NULL), NJ_OK);
    judge_it();
    ck_assert_msg(verdict.accept == 1, "%s", verdict.text);

    given("chain-inter-eku-client", "root", NJ_TLS_JUDGE_SERVER, "server.test");
    nj_tls_policy_fini(&policy);
    ck_assert_int_eq(nj_tls_policy_init(&policy, NULL, 0, fixed_clock, NULL), NJ_OK);
    judge_it();
    ck_assert_int_eq(verdict.accept, 0);
    ck_assert_uint_eq(verdict.cls, NJ_CLASS_BAD_EKU);
    clear();
}
END_TEST

START_TEST(a_told_path_that_ends_elsewhere_is_not_believed)
{
    struct nj_span path[2];
    given("leaf-dns", "other", NJ_TLS_JUDGE_CLIENT, NULL);
    path[0] = chain.certs[0];
    path[1] = chain.certs[0];
    found.path = path;
    found.path_n = 2;

    judge_it();

    ck_assert_int_eq(verdict.accept, 0);
    ck_assert_uint_eq(verdict.cls, NJ_CLASS_UNKNOWN_CA);
    clear();
}
END_TEST

/* A provider that counts and forgets the array is taken for one that cannot tell. */
START_TEST(a_path_that_is_counted_but_not_there_is_no_path)
{
    given("chain-inter", "root", NJ_TLS_JUDGE_CLIENT, NULL);
    found.path_n = 3;

    judge_it();

    ck_assert_msg(verdict.accept == 1, "%s", verdict.text);
    clear();
}
END_TEST

START_TEST(a_told_path_of_another_leaf_is_not_believed)
{
    struct certs other;
    struct nj_span path[2];
    given("leaf-eku-client", "root", NJ_TLS_JUDGE_SERVER, "server.test");
    certs_load(&other, "leaf-dns");
    path[0] = other.certs[0];
    path[1] = anchors.certs[0];
    found.path = path;
    found.path_n = 2;

    judge_it();

    ck_assert_int_eq(verdict.accept, 0);
    ck_assert_uint_eq(verdict.cls, NJ_CLASS_BAD_EKU);
    certs_free(&other);
    clear();
}
END_TEST

START_TEST(more_certificates_than_anybody_needs_are_refused)
{
    struct nj_span many[NJ_CHAIN_MAX + 1];
    given("leaf-dns", "root", NJ_TLS_JUDGE_CLIENT, NULL);
    for (size_t i = 0; i <= NJ_CHAIN_MAX; i++) {
        many[i] = chain.certs[0];
    }
    found.chain = many;

    found.chain_n = NJ_CHAIN_MAX;
    judge_it();
    ck_assert_int_eq(verdict.accept, 1);
    found.chain_n = NJ_CHAIN_MAX + 1;
    judge_it();
    ck_assert_int_eq(verdict.accept, 0);
    clear();
}
END_TEST

/* One path of so many certificates, each sent; a library that tells it adds the anchor. */
static bool accepts_depth(int depth, bool told)
{
    char name[32];
    struct nj_span path[NJ_CHAIN_MAX + 1];
    (void) snprintf(name, sizeof(name), "../names/deep-%02d", depth);
    given(name, "../names/root", NJ_TLS_JUDGE_CLIENT, NULL);
    if (told && chain.n <= NJ_CHAIN_MAX) {
        memcpy(path, chain.certs, chain.n * sizeof(path[0]));
        path[chain.n] = anchors.certs[0];
        found.path = path;
        found.path_n = chain.n + 1;
    }
    judge_it();
    clear();
    return verdict.accept == 1;
}

START_TEST(a_deep_chain_is_followed_up_to_the_limit)
{
    static const int depths[] = { 1, 2, 3, 9, 10, 16, 17, 31, 32, 33, 40 };
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        bool within = depths[i] <= NJ_CHAIN_MAX;
        ck_assert_msg(accepts_depth(depths[i], false) == within, "%d: %s", depths[i],
                      verdict.text);
        ck_assert_msg(accepts_depth(depths[i], true) == within, "%d, told: %s", depths[i],
                      verdict.text);
    }
}
END_TEST

START_TEST(certificates_that_issue_each_other_end)
{
    struct nj_span ring[3];
    given("leaf-self-signed", "other", NJ_TLS_JUDGE_CLIENT, NULL);
    struct certs roots;
    certs_load(&roots, "root");
    ring[0] = chain.certs[0];
    ring[1] = roots.certs[0];
    ring[2] = roots.certs[0];
    found.chain = ring;
    found.chain_n = 3;

    judge_it();

    ck_assert_int_eq(verdict.accept, 0);
    certs_free(&roots);
    clear();
}
END_TEST

START_TEST(anchors_that_cannot_be_read_are_left_out)
{
    struct nj_error err = NJ_ERROR_INIT;
    given("leaf-dns", "anchors-mixed", NJ_TLS_JUDGE_CLIENT, NULL);
    ck_assert_uint_eq(anchors.n, 5);
    ck_assert_uint_eq(policy.anchors_n, 4);

    struct nj_tls_policy none;
    struct nj_span junk = { (const uint8_t *) "junk", 4 };
    ck_assert_int_eq(nj_tls_policy_init(&none, &junk, 1, fixed_clock, &err), NJ_E_INVALID);
    ck_assert_str_eq(err.text, "failed to parse root ca certificate");
    clear();
}
END_TEST

/* ---- the detail ------------------------------------------------------------------------------ */

static int fake_hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    (void) alg;
    (void) data;
    (void) len;
    memset(out, 0xab, 32);
    return NJ_OK;
}

START_TEST(the_detail_names_each_certificate_with_its_digest)
{
    struct nj_buf text;
    nj_buf_init(&text, 4096);
    certs_load(&chain, "chain-inter");

    ck_assert_int_eq(nj_tls_chain_detail(chain.certs, 2, fake_hash, &text), NJ_OK);

#define AB8 "abababababababab"
    ck_assert_str_eq(text.ptr, " (CN=inter.test,O=Natterjack SHA-256: " AB8 AB8 AB8 AB8
                               "; CN=Test Intermediate,O=Natterjack SHA-256: " AB8 AB8 AB8 AB8 ")");
    nj_buf_clear(&text);
    ck_assert_int_eq(nj_tls_chain_detail(NULL, 0, fake_hash, &text), NJ_OK);
    ck_assert_uint_eq(text.len, 0);
    /* A provider without a hash. */
    ck_assert_int_eq(nj_tls_chain_detail(chain.certs, 1, NULL, &text), NJ_OK);
    ck_assert_str_eq(text.ptr, " (CN=inter.test,O=Natterjack)");
    nj_buf_free(&text);
    clear();
}
END_TEST

START_TEST(the_table_is_there)
{
    ck_assert_int_gt(verdict_rows_n, 50);
}
END_TEST

/* ---- FIPS ------------------------------------------------------------------------------------ */

START_TEST(under_require_fips_a_peer_with_an_ed25519_key_is_refused)
{
    given("leaf-ed25519", "root", NJ_TLS_JUDGE_CLIENT, NULL);
    judge_it();
    if (!nj_fips_built_in()) {
        ck_assert_msg(verdict.accept == 1, "%s", verdict.text);
    }

    nj_fips_require(NULL);
    judge_it();
    nj_fips_forget();

    ck_assert_int_eq(verdict.accept, 0);
    ck_assert_uint_eq(verdict.cls, NJ_CLASS_POLICY);
    ck_assert_int_eq(verdict.alert, NJ_ALERT_BAD_CERTIFICATE);
    ck_assert_str_eq(verdict.text, "tls: failed to verify certificate: an Ed25519 key is not "
                                   "allowed under require_fips");
    clear();
}
END_TEST

int main(void)
{
    verdict_rows_read();
    TCase *tc = tcase_create("verify");
    tcase_add_test(tc, the_table_is_there);
    tcase_add_test(tc, under_require_fips_a_peer_with_an_ed25519_key_is_refused);
    tcase_add_loop_test(tc, a_blind_library_and_the_hook_decide_as_the_reference, 0,
                        verdict_rows_n);
    tcase_add_loop_test(tc, a_library_that_tells_its_path_and_the_hook_decide_as_the_reference, 0,
                        verdict_rows_n);
    tcase_add_loop_test(tc, a_library_that_finds_the_fault_leaves_words_and_alert_to_the_hook, 0,
                        verdict_rows_n);
    tcase_add_test(tc, the_hook_never_loosens);
    tcase_add_test(tc, a_forged_certificate_is_of_an_unknown_authority);
    tcase_add_test(tc, without_certificate_the_alert_depends_on_the_version);
    tcase_add_test(tc, a_certificate_that_cannot_be_read_is_refused_wherever_it_is);
    tcase_add_test(tc, a_server_is_never_accepted_without_a_name_to_compare);
    tcase_add_test(tc, insecure_is_for_dialling_alone);
    tcase_add_test(tc, with_the_system_store_a_path_that_the_library_accepted_is_judged_too);
    tcase_add_test(tc, a_told_path_that_ends_elsewhere_is_not_believed);
    tcase_add_test(tc, a_path_that_is_counted_but_not_there_is_no_path);
    tcase_add_test(tc, a_told_path_of_another_leaf_is_not_believed);
    tcase_add_test(tc, more_certificates_than_anybody_needs_are_refused);
    tcase_add_test(tc, a_deep_chain_is_followed_up_to_the_limit);
    tcase_add_test(tc, certificates_that_issue_each_other_end);
    tcase_add_test(tc, anchors_that_cannot_be_read_are_left_out);
    tcase_add_test(tc, the_detail_names_each_certificate_with_its_digest);
    return run_cases("verify", tc);
}
