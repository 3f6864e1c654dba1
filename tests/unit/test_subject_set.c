/* test_subject_set.c: sets of patterns, and what permissions do with them. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "auth/perms.h"
#include "broker/subject.h"
#include "broker/subject_set.h"
#include "broker/verdict_cache.h"
#include "natterjack/plugin.h"
#include "subjects.h"

static struct nj_subject_set *set_of(const char *const *patterns, size_t n)
{
    struct nj_subject_set *s = nj_subject_set_new();
    for (size_t i = 0; i < n; i++) {
        nj_subject_set_add(s, patterns[i], strlen(patterns[i]), "", 0);
    }
    return s;
}

static unsigned match(const struct nj_subject_set *s, const char *subject)
{
    return nj_subject_set_match(s, subject, strlen(subject));
}

/* ---- one pattern ----------------------------------------------------------------------------- */

static int rows_seen;

/* A set of one pattern, and the pattern among others, must say what the pattern alone says. */
static void check_row(const struct subject_row *r, void *arg)
{
    (void) arg;
    if (!r->valid) {
        return;
    }
    const char *patterns[] = { "zz.zz", r->pattern, "zz.*.zz", "zz.zz.>", r->pattern };
    struct nj_subject_set *alone = set_of(&r->pattern, 1);
    struct nj_subject_set *among = set_of(patterns, 5);
    unsigned want = r->match ? NJ_SET_PLAIN : 0;
    ck_assert_msg(match(alone, r->subject) == want, "'%s' against '%s'", r->pattern, r->subject);
    ck_assert_msg(match(among, r->subject) == want, "'%s' against '%s'", r->pattern, r->subject);
    nj_subject_set_unref(&alone);
    nj_subject_set_unref(&among);
    rows_seen++;
}

START_TEST(the_corpus_agrees)
{
    each_subject_row(check_row, NULL);

    ck_assert_int_gt(rows_seen, 500);
}
END_TEST

START_TEST(an_empty_set_has_nothing)
{
    struct nj_subject_set *s = nj_subject_set_new();
    ck_assert_uint_eq(match(s, "a"), 0);
    ck_assert_uint_eq(match(s, ""), 0);
    ck_assert(!nj_subject_set_overlaps(s, ">", 1));
    nj_subject_set_unref(&s);
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(numbers_are_never_used_twice)
{
    struct nj_subject_set *a = nj_subject_set_new();
    uint64_t id = nj_subject_set_id(a);
    nj_subject_set_unref(&a);
    struct nj_subject_set *b = nj_subject_set_new();
    ck_assert_uint_ne(nj_subject_set_id(b), id);
    ck_assert_uint_ne(nj_subject_set_id(b), 0);
    nj_subject_set_unref(&b);
}
END_TEST

START_TEST(thousands_of_patterns_are_told_apart)
{
    struct nj_subject_set *s = nj_subject_set_new();
    char text[32];
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(text, sizeof(text), i % 2 != 0 ? "t.%d.*" : "t.%d.x", i * 7919 % 5000);
        nj_subject_set_add(s, text, (size_t) n, "", 0);
    }
    for (int i = 0; i < 5000; i++) {
        (void) snprintf(text, sizeof(text), "t.%d.y", i * 7919 % 5000);
        ck_assert_uint_eq(match(s, text), i % 2 != 0 ? NJ_SET_PLAIN : 0);
    }
    ck_assert_uint_eq(match(s, "t.5000.x"), 0);
    nj_subject_set_unref(&s);
}
END_TEST

/* A hundred thousand tokens must not be a hundred thousand frames of the stack when it is freed. */
START_TEST(a_deep_pattern_is_freed_without_recursion)
{
    enum { TOKENS = 100000 };
    static char text[TOKENS * 2];
    struct nj_subject_set *s = nj_subject_set_new();
    for (int i = 0; i < TOKENS; i++) {
        text[i * 2] = 'a';
        text[i * 2 + 1] = '.';
    }
    nj_subject_set_add(s, text, sizeof(text) - 1, "", 0);
    ck_assert_uint_eq(nj_subject_set_match(s, text, sizeof(text) - 1), NJ_SET_PLAIN);
    ck_assert_uint_eq(nj_subject_set_match(s, text, sizeof(text) - 3), 0);
    nj_subject_set_unref(&s);
}
END_TEST

/* ---- wildcards on both sides ------------------------------------------------------------------ */

static const struct {
    const char *pattern, *other;
    bool covers;   /* whatever other matches, pattern does */
    bool overlaps; /* some subject is matched by both */
} pairs[] = {
    { "a", "a", true, true },
    { "a", "b", false, false },
    { "*", "a", true, true },
    { "a", "*", false, true },
    { "*", "*", true, true },
    { ">", "*", true, true },
    { "*", ">", false, true },
    { ">", ">", true, true },
    { "a.>", "a.>", true, true },
    { "a.*", "a.>", false, true },
    { "a.>", "a.*", true, true },
    { "a.>", "a", false, false },
    { "a", "a.>", false, false },
    { "a.b", "*.b", false, true },
    { "*.b", "a.*", false, true },
    { "*.b", "a.*.c", false, false },
    { "*.*", "a.>", false, true },
    { "a.*.c", "a.b.>", false, true },
    { "a.*.c", "b.>", false, false },
    { "a.b.c", "a.b", false, false },
    { "a.b", "a.b.c", false, false },
    { "*.hidden", "zz.*", false, true },
    { "a.>", ">", false, true },
    { "a.b.c.>", "*.*", false, false },
    { "a.b.c.>", "*.*.*", false, false },
    { "a.b.c.>", "*.*.*.*", false, true },
};

START_TEST(wildcards_on_both_sides)
{
    const char *p = pairs[_i].pattern;
    const char *o = pairs[_i].other;
    const char *many[] = { "q.q.q.q.q.q", p, "q.*.r.q.q.q" };
    struct nj_subject_set *s = set_of(&p, 1);
    struct nj_subject_set *m = set_of(many, 3);
    size_t n = strlen(o);

    ck_assert_msg(nj_subject_covers(p, strlen(p), o, n) == pairs[_i].covers, "%s %s", p, o);
    ck_assert_int_eq(nj_subject_set_cover(s, o, n, "", 0) != 0, pairs[_i].covers);
    ck_assert_msg(nj_subject_set_overlaps(s, o, n) == pairs[_i].overlaps, "%s %s", p, o);
    ck_assert_msg(nj_subject_set_overlaps(m, o, n) == pairs[_i].overlaps, "%s %s", p, o);
    struct nj_subject_set *swapped = set_of(&o, 1);
    ck_assert_msg(nj_subject_set_overlaps(swapped, p, strlen(p)) == pairs[_i].overlaps, "%s %s", o,
                  p);
    nj_subject_set_unref(&swapped);
    nj_subject_set_unref(&s);
    nj_subject_set_unref(&m);
}
END_TEST

START_TEST(wildcards_are_seen_where_they_are_tokens)
{
    static const char *const yes[] = { "*", ">", "a.*", "a.>", "*.a", "a.*.b" };
    static const char *const no[] = { "", "a", "a*", "*a", "a.b>", "a.**", "a.b" };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        ck_assert(nj_subject_has_wildcard(yes[i], strlen(yes[i])));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        ck_assert(!nj_subject_has_wildcard(no[i], strlen(no[i])));
    }
}
END_TEST

/* ---- permissions ------------------------------------------------------------------------------ */

#define LIST(...)                                                                                  \
    {                                                                                              \
        .at = (const char *const[]){ __VA_ARGS__ },                                                \
        .n = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)                         \
    }

static struct nj_perms *perms_of(const struct nj_perms_rules *rules)
{
    struct nj_perms *p = NULL;
    ck_assert_int_eq(nj_perms_new(rules, &p, NULL), NJ_OK);
    return p;
}

static bool pub(const struct nj_perms *p, const char *s)
{
    return nj_perms_may_publish(p, s, strlen(s));
}

static bool sub(const struct nj_perms *p, const char *s, const char *queue)
{
    return nj_perms_may_subscribe(p, s, strlen(s), queue, strlen(queue));
}

START_TEST(deny_is_stronger_than_allow_and_no_list_allows_all)
{
    const struct nj_perms_rules both = { .pub_allow = LIST("a.>"),
                                         .pub_deny = LIST("a.no", "*.x") };
    const struct nj_perms_rules deny = { .sub_deny = LIST("a.no") };
    struct nj_perms *p = perms_of(&both);
    ck_assert(nj_perms_restrict(p));
    ck_assert(pub(p, "a.b") && pub(p, "a.no.c") && !pub(p, "a.no") && !pub(p, "a.x") &&
              !pub(p, "b"));
    ck_assert(sub(p, ">", "") && sub(p, "x", "q"));
    nj_perms_unref(&p);
    p = perms_of(&deny);
    ck_assert(pub(p, "a.no") && sub(p, ">", "") && !sub(p, "a.no", "") && !sub(p, "a.no", "q"));
    ck_assert_uint_eq(p->pub_id, 0);
    nj_perms_unref(&p);
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(without_lists_nothing_is_restricted)
{
    const struct nj_perms_rules none = { 0 };
    struct nj_perms *p = perms_of(&none);
    ck_assert(!nj_perms_restrict(p));
    ck_assert(pub(p, "a") && sub(p, ">", ""));
    nj_perms_unref(&p);
}
END_TEST

START_TEST(responses_alone_allow_nothing_else)
{
    const struct nj_perms_rules rules = { .responses = true };
    const struct nj_perms_rules own = {
        .responses = true, .responses_max = -1, .responses_ttl_ns = 500, .pub_allow = LIST("logs")
    };
    struct nj_perms *p = perms_of(&rules);
    ck_assert(nj_perms_restrict(p) && p->responses && !pub(p, "a"));
    ck_assert_int_eq(p->responses_max, 1);
    ck_assert_int_eq(p->responses_ttl_us, INT64_C(120000000));
    ck_assert_uint_ne(p->pub_id, 0);
    nj_perms_unref(&p);
    p = perms_of(&own);
    ck_assert(pub(p, "logs") && !pub(p, "a"));
    ck_assert_int_eq(p->responses_max, -1);
    ck_assert_int_eq(p->responses_ttl_us, 1);
    nj_perms_unref(&p);
}
END_TEST

static const struct {
    const char *subject, *queue;
    bool may;
} queues[] = {
    { "w.1", "", true },       { "w.1", "v1.a", true },   { "w.1", "v1.*", true },
    { "w.1", "v2", false },    { "w.1", "v1", false },    { "w.1", "v1.a.b", false },
    { "w.1", "v1.>", false },  { "w.2", "any", true },    { "only", "", false },
    { "only", "g", true },     { "only", "h", false },    { "wide", "x.y.z", true },
    { "wide", "", false },     { "end", "a.prod", true }, { "end", "prod", false },
    { "end", "a.dev", false }, { "dq", "", true },        { "dq", "no", false },
    { "dq", "yes", true },     { "da", "yes", false },    { "da", "", false },
};

START_TEST(queues_named_for_a_subject_decide_about_queues)
{
    const struct nj_perms_rules rules = { .sub_allow = LIST("w.*", "w.1 v1.*", "only g", "wide >",
                                                            "end *.prod", "dq", "da"),
                                          .sub_deny = LIST("dq no", "da", "da other") };
    struct nj_perms *p = perms_of(&rules);

    ck_assert_msg(sub(p, queues[_i].subject, queues[_i].queue) == queues[_i].may, "%s %s",
                  queues[_i].subject, queues[_i].queue);

    nj_perms_unref(&p);
}
END_TEST

START_TEST(what_is_no_subject_is_refused_by_name)
{
    const struct {
        struct nj_perms_rules rules;
        const char *words;
    } table[] = {
        { { .pub_allow = LIST("ok", "a..b") }, "subject \"a..b\" is not a valid subject" },
        { { .pub_deny = LIST("a q") }, "subject \"a q\" is not a valid subject" },
        { { .sub_allow = LIST("") }, "subject \"\" is not a valid subject" },
        { { .sub_allow = LIST(">.a") }, "subject \">.a\" is not a valid subject" },
        { { .sub_deny = LIST("a b..c") }, "queue \"b..c\" is not a valid queue" },
        { { .sub_deny = LIST("a b c") }, "subject \"a b c\" is not a valid subject" },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct nj_error err = NJ_ERROR_INIT;
        struct nj_perms *p = NULL;
        ck_assert_int_eq(nj_perms_new(&table[i].rules, &p, &err), NJ_E_INVALID);
        ck_assert_str_eq(err.text, table[i].words);
        ck_assert_ptr_null(p);
    }
}
END_TEST

/* ---- remembering ------------------------------------------------------------------------------ */

START_TEST(a_verdict_is_known_under_its_number_and_subject_alone)
{
    struct nj_verdict_cache *c = nj_verdict_cache_new();
    ck_assert_int_eq(nj_verdict_cache_get(c, 1, "a", 1), -1);
    nj_verdict_cache_put(c, 1, "a", 1, 0);
    ck_assert_int_eq(nj_verdict_cache_get(c, 1, "a", 1), 0);
    ck_assert_int_eq(nj_verdict_cache_get(c, 2, "a", 1), -1);
    nj_verdict_cache_put(c, 2, "a", 1, 3);
    ck_assert_int_eq(nj_verdict_cache_get(c, 1, "b", 1), -1);
    ck_assert_int_eq(nj_verdict_cache_get(c, 1, "a.", 2), -1);
    ck_assert_int_eq(nj_verdict_cache_get(c, 2, "a", 1), 3);
    nj_verdict_cache_free(&c);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(many_subjects_push_each_other_out_and_never_lie)
{
    struct nj_verdict_cache *c = nj_verdict_cache_new();
    char text[400];
    unsigned known = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            size_t n = (size_t) snprintf(text, sizeof(text), "s.%d%*s", i, i % 200, "x");
            int got = nj_verdict_cache_get(c, (uint64_t) (i % 3 + 1), text, n);
            ck_assert_msg(got < 0 || got == i % 251, "%s", text);
            known += got >= 0;
            if (got < 0) {
                nj_verdict_cache_put(c, (uint64_t) (i % 3 + 1), text, n, (uint8_t) (i % 251));
            }
        }
    }
    ck_assert_uint_lt(known, 5000); /* it is bounded */
    nj_verdict_cache_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("subject_set");
    TCase *tc = tcase_create("set");
    tcase_add_test(tc, the_corpus_agrees);
    tcase_add_test(tc, an_empty_set_has_nothing);
    tcase_add_test(tc, numbers_are_never_used_twice);
    tcase_add_test(tc, thousands_of_patterns_are_told_apart);
    tcase_add_test(tc, a_deep_pattern_is_freed_without_recursion);
    tcase_add_loop_test(tc, wildcards_on_both_sides, 0, sizeof(pairs) / sizeof(pairs[0]));
    tcase_add_test(tc, wildcards_are_seen_where_they_are_tokens);
    suite_add_tcase(s, tc);
    tc = tcase_create("permissions");
    tcase_add_test(tc, deny_is_stronger_than_allow_and_no_list_allows_all);
    tcase_add_test(tc, without_lists_nothing_is_restricted);
    tcase_add_test(tc, responses_alone_allow_nothing_else);
    tcase_add_loop_test(tc, queues_named_for_a_subject_decide_about_queues, 0,
                        sizeof(queues) / sizeof(queues[0]));
    tcase_add_test(tc, what_is_no_subject_is_refused_by_name);
    suite_add_tcase(s, tc);
    tc = tcase_create("remembering");
    tcase_add_test(tc, a_verdict_is_known_under_its_number_and_subject_alone);
    tcase_add_test(tc, many_subjects_push_each_other_out_and_never_lie);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
