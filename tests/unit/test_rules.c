/* test_rules.c: the mapper "rules": patterns, templates, options with places, decisions. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "ops/options_mappers.h"
#include "plugin/host.h"
#include "plugins/authmap-rules/rules.h"

/* The door of the plug-in: its files are linked into this test. */
static const struct nj_authmap *map;

/* What was answered last. */
static struct {
    int n;
    uint32_t verdict;
    char user[300];
    char account[300];
    char reason[300];
    char publish[300];
    size_t publish_n;
    int has_permissions;
} answer;

static int take_answer(const char *plugin, uint64_t handle, const struct nj_authmap_answer *a)
{
    (void) plugin;
    (void) handle;
    int n = answer.n;
    memset(&answer, 0, sizeof(answer));
    answer.n = n + 1;
    answer.verdict = a->verdict;
    (void) snprintf(answer.user, sizeof(answer.user), "%s", a->user != NULL ? a->user : "");
    (void) snprintf(answer.account, sizeof(answer.account), "%s",
                    a->account != NULL ? a->account : "");
    (void) snprintf(answer.reason, sizeof(answer.reason), "%s", a->reason != NULL ? a->reason : "");
    if (a->permissions != NULL) {
        answer.has_permissions = 1;
        answer.publish_n = a->permissions->publish_allow_n;
        if (answer.publish_n > 0) {
            (void) snprintf(answer.publish, sizeof(answer.publish), "%s",
                            a->permissions->publish_allow[0]);
        }
    }
    return NJ_OK;
}

static void setup(void)
{
    struct nj_error err = NJ_ERROR_INIT;
    map = nj_plugin_v1()->iface;
    ck_assert_int_eq(map->init(nj_host_authmap_table(0, "rules"), &err), NJ_OK);
    nj_host_take_answers(take_answer);
    memset(&answer, 0, sizeof(answer));
}

/* ---- patterns --------------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *value;
    const char *captures; /* joined by "|"; NULL: no match */
} globs[] = {
    { "", "", "" },
    { "", "a", NULL },
    { "abc", "abc", "" },
    { "abc", "abcd", NULL },
    { "abc", "ab", NULL },
    { "abc", "ABC", NULL },
    { "*", "", "" },
    { "*", "anything at all", "anything at all" },
    { "a*", "a", "" },
    { "a*", "ba", NULL },
    { "*a", "ba", "b" },
    { "*a", "bab", NULL },
    { "a*a", "a", NULL }, /* one a is not two */
    { "a*a", "aa", "" },
    { "*.example.org", "www.example.org", "www" },
    { "*.example.org", "example.org", NULL },
    { "*.example.org", ".example.org", "" },
    { "*.example.org", "a.b.example.org", "a.b" },
    { "*.*.org", "a.b.c.org", "a|b.c" }, /* the left one is as short as can be */
    { "**", "abc", "|abc" },
    { "a**b", "axyb", "|xy" },
    { "*ab*ab*", "xabyabz", "x|y|z" },
    { "*ab*ab*", "xabz", NULL },
    { "*aba*", "ababa", "|ba" },
    { "\\*", "*", "" },
    { "\\*", "a", NULL },
    { "a\\\\b", "a\\b", "" },
    { "\\a", "a", "" },
    { "spiffe://*/ns/*/sa/*", "spiffe://td/ns/prod/sa/web/x", "td|prod|web/x" },
};

START_TEST(a_pattern_matches_the_whole_value_and_captures_its_stars)
{
    struct glob g;
    struct nj_span captures[CAPTURES_MOST];
    struct nj_buf got;
    const char *value = globs[_i].value;
    nj_buf_init(&got, SIZE_MAX);
    ck_assert_ptr_null(glob_init(&g, globs[_i].pattern, strlen(globs[_i].pattern), 0));

    int matches = glob_match(&g, value, strlen(value), captures);

    ck_assert_msg(matches == (globs[_i].captures != NULL), "\"%s\" and \"%s\"", globs[_i].pattern,
                  value);
    for (size_t i = 0; matches && i < g.stars; i++) {
        (void) nj_buf_printf(&got, "%s%.*s", i == 0 ? "" : "|", (int) captures[i].len,
                             (const char *) captures[i].ptr);
    }
    if (matches && g.stars > 0) {
        ck_assert_str_eq(got.ptr, globs[_i].captures);
    }
    nj_buf_free(&got);
    glob_fini(&g);
}
END_TEST

START_TEST(a_pattern_that_cannot_be_is_refused)
{
    struct glob g;
    char long_one[PATTERN_LEN_MOST + 2];
    memset(long_one, 'a', sizeof(long_one));

    ck_assert_str_eq(glob_init(&g, "**********", 10, 0), "the pattern has more than 9 stars");
    glob_fini(&g);
    ck_assert_str_eq(glob_init(&g, "a\\", 2, 0), "the pattern ends with a backslash");
    glob_fini(&g);
    ck_assert_str_eq(glob_init(&g, "a\nb", 3, 0), "the pattern has a control character");
    glob_fini(&g);
    ck_assert_ptr_nonnull(glob_init(&g, long_one, PATTERN_LEN_MOST + 1, 0));
    ck_assert_ptr_null(glob_init(&g, long_one, PATTERN_LEN_MOST, 0));
    glob_fini(&g);
}
END_TEST

/* The textbook's way, which may take for ever: for short texts. */
static int slow_match(const char *p, const char *v)
{
    if (*p == '\0') {
        return *v == '\0';
    }
    if (*p == '*') {
        return slow_match(p + 1, v) || (*v != '\0' && slow_match(p, v + 1));
    }
    return *p == *v && slow_match(p + 1, v + 1);
}

START_TEST(patterns_match_as_the_textbook_says)
{
    unsigned seed = 7;
    for (int n = 0; n < 200000; n++) {
        char p[8] = { 0 };
        char v[10] = { 0 };
        struct glob g;
        for (int i = 0; i < rand_r(&seed) % 8; i++) {
            p[i] = "ab*"[rand_r(&seed) % 3];
        }
        for (int i = 0; i < rand_r(&seed) % 10; i++) {
            v[i] = "ab"[rand_r(&seed) % 2];
        }
        ck_assert_ptr_null(glob_init(&g, p, strlen(p), 0));
        ck_assert_msg(glob_match(&g, v, strlen(v), NULL) == slow_match(p, v), "\"%s\" and \"%s\"",
                      p, v);
        glob_fini(&g);
    }
}
END_TEST

static double seconds_for(size_t len)
{
    struct glob g;
    char *value = nj_zalloc(len + 1);
    memset(value, 'a', len);
    ck_assert_ptr_null(glob_init(&g, "*a*a*a*a*aab*a", 14, 0));
    clock_t began = clock();
    for (int n = 0; n < 200; n++) {
        ck_assert(!glob_match(&g, value, len, NULL));
    }
    double s = (double) (clock() - began) / CLOCKS_PER_SEC;
    glob_fini(&g);
    nj_dealloc(value);
    return s;
}

START_TEST(a_nasty_pattern_takes_linear_time)
{
    double small = seconds_for(10000);
    double large = seconds_for(160000);

    /* 16 times the length; squared it would be 256 times. */
    ck_assert_msg(large < 64 * (small + 0.005), "%f s and %f s", small, large);
}
END_TEST

/* ---- options ---------------------------------------------------------------------------------- */

static struct nj_authmap_value *options_of(const char *text)
{
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_conf_parse_text("t", text, strlen(text), &conf, &why);
    ck_assert_msg(rc == NJ_OK, "%s", why.ptr);
    struct nj_authmap_value *v = nj_value_from_conf(nj_conf_root(conf), NULL);
    nj_conf_free(&conf);
    nj_buf_free(&why);
    return v;
}

static struct nj_buf reported;

static void note(const struct nj_authmap_report *report, const struct nj_authmap_value *at,
                 const char *text)
{
    (void) report;
    (void) nj_buf_printf(&reported, "%u: %s\n", at->line, text);
}

static const struct nj_authmap_report report = { .size = sizeof(report), .error = note };

static const struct {
    const char *text, *errors;
} bad_options[] = {
    { "rules: [ { match { cn: a }, user: x, account: \"$\" } ]",
      "1: a \"$\" needs a name or a digit behind it, maybe in braces; \"$$\" is a dollar\n" },
    { "rules: [ { match { cn: a }, user: \"${CN\" } ]",
      "1: a \"$\" needs a name or a digit behind it, maybe in braces; \"$$\" is a dollar\n" },
    { "rules: [ { match { cn: a }, user: \"$0\" } ]",
      "1: the patterns of the rule have not so many stars\n" },
    { "rules: [ { match { cn: \"*\" }\n user: \"$1$2\" } ]",
      "2: the patterns of the rule have not so many stars\n" },
    { "rules: [ { match { cn: [] }, user: x } ]", "1: between 1 and 64 patterns can stand here\n" },
    { "rules: [ { match { cn: 5 }, user: x } ]", "1: a pattern is a text: \"*.example.org\"\n" },
    { "rules: [ { match { 1.2.: x }, user: x } ]", "1: no name or attribute is called \"1.2.\"\n" },
    { "rules: [ { match {}, user: x } ]",
      "1: match is a map of patterns: { cn: \"*.example.org\" }\n" },
    { "rules: [ { match { cn: a, ou: b }\n user: \"\"\n tags: 1 } ]",
      "2: user is a text: \"$CN\"\n3: a tag is a text\n" },
    { "rules: [ { match { cn: a }, user: a\n permissions { publish { alow: b } } } ]",
      "2: only allow and deny can stand here, not \"alow\"\n" },
    { "rules: [ { match { cn: a }, user: a, permissions { allow_responses { max: 0 } } } ]",
      "1: max is a number, -1 for no limit\n" },
    { "rules: [ { match { cn: a }, user: a, permissions { allow_responses { expires: 5y } } } ]",
      "1: expires is a number and ms, s, m or h, such as \"2m\"\n" },
    { "rules: [ { match { cn: a }, user: a, permissions: yes } ]",
      "1: permissions are a map of publish, subscribe and allow_responses\n" },
    { "rules: [ { match { cn: a }, user: a\n permissions { publish: a..b } } ]",
      "2: the subject has an empty token, or more behind a \">\"\n" },
    { "rules: [ { match { cn: a }, user: a\n permissions { subscribe: { deny: [\"${1.2.3}.a.\"] } } } ]",
      "2: the subject has an empty token, or more behind a \">\"\n" },
    { "rules: [ { match { cn: a }, user: a\n permissions { publish: [\".a\"\n\"$CN.>.b\"] } } ]",
      "2: the subject has an empty token, or more behind a \">\"\n"
      "3: the subject has an empty token, or more behind a \">\"\n" },
    { "rules: [ 7 ]", "1: a rule is a map of match and user, or deny\n" },
    { "rules: [ { deny: a, users: b } ]", "1: a rule has no member \"users\"\n" },
    { "rules: [ { match { cn: \"*****\", ou: \"*****\" }, user: a } ]",
      "1: the patterns of the rule have more than 9 stars\n" },
};

START_TEST(bad_options_are_reported_with_their_line)
{
    struct nj_authmap_value *v = options_of(bad_options[_i].text);
    nj_buf_init(&reported, SIZE_MAX);

    ck_assert_int_eq(map->check(v, &report), NJ_E_INVALID);

    ck_assert_str_eq(reported.ptr, bad_options[_i].errors);
    nj_buf_free(&reported);
    nj_value_free(&v);
}
END_TEST

START_TEST(subjects_of_every_kind_are_taken)
{
    struct nj_authmap_value *v =
        options_of("rules: [ { match { cn: \"*\" }, user: u, permissions { publish: [ \">\", \"a.>\", \"*.a\", "
                   "\"${1.2.3}.$1.x$CN\", \"a>.b\" ], subscribe: [ \"a.* q.r\", \"> q\" ] } } ]");
    nj_buf_init(&reported, SIZE_MAX);

    ck_assert_int_eq(map->check(v, &report), NJ_OK);
    nj_value_free(&v);
}
END_TEST

START_TEST(a_member_that_serves_as_a_variable_is_not_unknown)
{
    struct nj_authmap_value *v =
        options_of("name: joe\nrules: [ { match { cn: a }, user: $name } ]\n");
    nj_buf_init(&reported, SIZE_MAX);

    ck_assert_int_eq(map->check(v, &report), NJ_OK);
    nj_value_free(&v);
}
END_TEST

/* ---- decisions -------------------------------------------------------------------------------- */

#define NAMES_MOST 64

/* A peer with names, "TYPE=VALUE" each, until NULL. */
struct peer {
    struct nj_authmap_facts facts;
    struct nj_authmap_name names[NAMES_MOST];
    const struct nj_authmap_name *list[NAMES_MOST];
    char types[NAMES_MOST][16];
};

static void make_peer(struct peer *p, const char *const *names)
{
    memset(p, 0, sizeof(*p));
    p->facts.size = sizeof(p->facts);
    p->facts.address = "192.0.2.7";
    p->facts.tls_verified = 1;
    p->facts.names = p->list;
    for (size_t i = 0; names[i] != NULL; i++) {
        const char *eq = strchr(names[i], '=');
        (void) snprintf(p->types[i], sizeof(p->types[i]), "%.*s", (int) (eq - names[i]), names[i]);
        p->names[i].size = sizeof(p->names[i]);
        p->names[i].type = p->types[i];
        p->names[i].oid = strcmp(p->types[i], "CN") == 0 ? "2.5.4.3" : NULL;
        p->names[i].value = (struct nj_span){ (const uint8_t *) eq + 1, strlen(eq + 1) };
        p->list[i] = &p->names[i];
        p->facts.names_n = i + 1;
    }
}

static void decide(const char *options, const struct nj_authmap_facts *facts)
{
    struct nj_authmap_value *v = options_of(options);
    struct nj_authmap_instance *inst = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    int before = answer.n;
    nj_buf_init(&reported, SIZE_MAX);
    ck_assert_msg(map->check(v, &report) == NJ_OK, "%s", reported.ptr);
    ck_assert_int_eq(map->instance_new(v, &inst, &err), NJ_OK);
    nj_value_free(&v); /* the instance keeps nothing of it */

    ck_assert_int_eq(map->decide(inst, facts, 42, &err), NJ_OK);

    ck_assert_int_eq(answer.n, before + 1);
    map->instance_free(inst);
}

static const char *const alice[] = { "C=CZ",
                                     "O=Acme, Inc.",
                                     "OU=sales",
                                     "OU=engine",
                                     "CN=alice",
                                     "email=Alice@example.org",
                                     "dns=Alice.Example.ORG",
                                     "dns=b.example.org",
                                     "uri=spiffe://example.org/ns/prod",
                                     "ip=192.0.2.9",
                                     "1.2.3=x.y",
                                     NULL };

static const struct {
    const char *rule;
    const char *want; /* user, or "defer", or "deny: …" */
} decisions[] = {
    { "match { cn: alice }, user: \"$CN\"", "alice" },
    { "match { CN: alice }, user: \"${CN}x\"", "alicex" },
    { "match { \"2.5.4.3\": alice }, user: \"${2.5.4.3}\"", "alice" },
    { "match { cn: Alice }, user: a", "defer" },
    { "match { ou: \"eng*\" }, user: \"$OU\"", "engine" }, /* the one that matched */
    { "match { cn: \"*\" }, user: \"$OU\"", "sales" },     /* the first */
    { "match { ou: \"*\" }, user: \"$OU\"", "sales" },
    { "match { ou: [\"x*\", \"*gine\"] }, user: \"$1\"", "en" },
    { "match { ou: engine, cn: \"a*\" }, user: \"$1\"", "lice" },
    { "match { ou: \"*es\", o: \"Acme*\", cn: \"*c*\" }, user: \"$1|$2|$3|$4\"",
      "sal|, Inc.|ali|e" },
    { "match { dns: \"*.example.org\" }, user: \"$1\"", "alice" }, /* in lower case */
    { "match { email: \"*@example.org\" }, user: \"$1\"", "Alice" },
    { "match { email: \"alice@*\" }, user: x", "defer" },
    { "match { uri: \"spiffe://*/ns/*\" }, user: \"$2.$1\"", "prod.example.org" },
    { "match { ip: \"192.0.2.*\" }, user: \"$ip\"", "192.0.2.9" },
    { "match { address: \"192.0.2.7\", cn: \"*\" }, user: \"$address\"", "192.0.2.7" },
    { "match { cn: \"*\" }, user: \"$L\"", "defer" },      /* there is none */
    { "match { cn: \"*alice\" }, user: \"$1\"", "defer" }, /* nothing is no name */
    { "match { cn: \"*\" }, user: \"$$1\"", "$1" },
    { "match { cn: bob }, deny: out", "defer" },
    { "match { c: CZ }, deny: out", "deny: out" },
    { "deny: everybody", "deny: everybody" },
    { "match { o: Acme }, user: x", "defer" }, /* not a part of a value */
    { "match { spki_sha256: \"0a*\" }, user: x", "defer" },
};

START_TEST(a_rule_decides_by_the_values_of_its_types)
{
    struct peer p;
    char *options = nj_strprintf("rules: [ { %s } ]", decisions[_i].rule);
    make_peer(&p, alice);

    decide(options, &p.facts);

    char got[640];
    if (answer.verdict == NJ_AUTHMAP_DEFER) {
        (void) snprintf(got, sizeof(got), "defer");
    } else if (answer.verdict == NJ_AUTHMAP_DENY) {
        (void) snprintf(got, sizeof(got), "deny: %s", answer.reason);
    } else {
        (void) snprintf(got, sizeof(got), "%s", answer.user);
    }
    ck_assert_str_eq(got, decisions[_i].want);
    nj_dealloc(options);
}
END_TEST

START_TEST(nothing_of_a_certificate_that_was_not_verified_matches)
{
    struct peer p;
    make_peer(&p, alice);
    p.facts.tls_verified = 0;

    decide("rules: [ { match { cn: \"*\" }, user: x } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DEFER);

    decide("rules: [ { match { address: \"*\" }, user: \"$CN\" } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DEFER);
}
END_TEST

START_TEST(otherwise_can_be_a_denial)
{
    struct peer p;
    make_peer(&p, alice);

    decide("rules: [ { match { cn: bob }, user: x } ], otherwise: deny", &p.facts);

    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DENY);
    ck_assert_str_eq(answer.reason, "no rule fits");
}
END_TEST

START_TEST(a_user_with_account_or_permissions_is_its_own)
{
    struct peer p;
    make_peer(&p, alice);

    decide("rules: [ { match { cn: \"*\" }, user: \"$CN\" } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_ALLOW_CONFIGURED);

    decide("rules: [ { match { cn: \"*\" }, user: \"$CN\", account: \"$C\" } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_ALLOW_OWN);
    ck_assert_str_eq(answer.account, "CZ");
    ck_assert_int_eq(answer.has_permissions, 0);

    decide("rules: [ { match { cn: \"*\" }, user: a, permissions { publish: [] } } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_ALLOW_OWN);
    ck_assert_int_eq(answer.has_permissions, 1);
    ck_assert_uint_eq(answer.publish_n, 0);
}
END_TEST

START_TEST(a_value_in_a_subject_is_one_token)
{
    static const char *const odd[] = { "CN=a.b", "OU=*", "O=>", "L=a b", "ST=fine", NULL };
    static const struct {
        const char *subject, *want;
    } subjects[] = { { "x.$ST.>", "x.fine.>" },
                     { "x.$CN", NULL },
                     { "x.$OU", NULL },
                     { "x.$O", NULL },
                     { "x.$L", NULL } };
    struct peer p;
    make_peer(&p, odd);
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        char *options = nj_strprintf(
            "rules: [ { match { st: fine }, user: u, permissions { publish: \"%s\" } } ]",
            subjects[i].subject);

        decide(options, &p.facts);

        ck_assert_uint_eq(answer.verdict,
                          subjects[i].want != NULL ? NJ_AUTHMAP_ALLOW_OWN : NJ_AUTHMAP_DEFER);
        ck_assert_str_eq(answer.publish, subjects[i].want != NULL ? subjects[i].want : "");
        nj_dealloc(options);
    }
}
END_TEST

START_TEST(a_value_with_a_nul_or_a_line_end_lets_nobody_in)
{
    static const char *const names[] = { "CN=x", "OU=a\nb", NULL };
    struct peer p;
    make_peer(&p, names);
    p.names[0].value = (struct nj_span){ (const uint8_t *) "admin\0.x", 8 };

    decide("rules: [ { match { cn: \"*\" }, user: x } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DEFER);
    decide("rules: [ { match { ou: \"*\" }, user: x } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DEFER);
}
END_TEST

/* The value of O, against a rule that refuses "Former Partner". */
static const struct {
    const char *value;
    size_t len;
} odd_values[] = {
    { "Former Partner\0", 15 },  { "\0Former Partner", 15 },  { "Former\0Partner", 14 },
    { "Former Partner\n", 15 },  { "Former\1 Partner", 15 },  { "Former Partner\177", 15 },
    { "Former Partner\0x", 16 }, { "Former\b\b Partner", 16 }, { "\0", 1 },
};

#define REFUSAL                                                                                    \
    "rules: [ { match { o: \"Former Partner\" }, deny: out }, { match { cn: \"*\" }, user: x } ]"

START_TEST(a_refusal_is_not_escaped_by_an_odd_character)
{
    static const char *const names[] = { "CN=alice", "O=Acme", "O=", NULL };
    struct peer p;
    make_peer(&p, names);
    decide(REFUSAL, &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_ALLOW_CONFIGURED);
    p.names[2].value =
        (struct nj_span){ (const uint8_t *) odd_values[_i].value, odd_values[_i].len };

    decide(REFUSAL, &p.facts);

    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DENY);
    ck_assert_str_eq(answer.reason, "its O has a control character or is too long, and a rule "
                                    "refuses by O: out");
}
END_TEST

START_TEST(a_refusal_by_two_names_needs_both_though_one_is_odd)
{
    static const char *const names[] = { "CN=alice", "O=Former\1 Partner", "OU=sales", NULL };
    struct peer p;
    make_peer(&p, names);

    decide("rules: [ { match { o: x, ou: engine }, deny: out } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DEFER);

    decide("rules: [ { match { o: x, ou: sales }, deny: out } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DENY);
}
END_TEST

START_TEST(a_refusal_is_not_escaped_by_a_long_value)
{
    static const char *const names[] = { "CN=alice", "uri=", NULL };
    static char text[VALUE_LEN_MOST + 1];
    struct peer p;
    memset(text, 'a', sizeof(text));
    make_peer(&p, names);

    p.names[1].value = (struct nj_span){ (const uint8_t *) text, VALUE_LEN_MOST };
    decide("rules: [ { match { uri: \"b*\" }, deny: out } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DEFER);

    p.names[1].value.len = VALUE_LEN_MOST + 1;
    decide("rules: [ { match { uri: \"b*\" }, deny: out } ]", &p.facts);
    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DENY);
}
END_TEST

START_TEST(an_odd_value_that_no_refusal_asks_for_costs_nothing)
{
    static const char *const names[] = { "CN=alice", "STREET=a\nb", NULL };
    struct peer p;
    make_peer(&p, names);

    decide(REFUSAL, &p.facts);

    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_ALLOW_CONFIGURED);
    ck_assert_str_eq(answer.user, "x");
}
END_TEST

START_TEST(more_names_than_can_be_tried_are_refused_not_passed_over)
{
    enum { N = 10000 };
    static struct nj_authmap_name names[N];
    static const struct nj_authmap_name *list[N];
    static char text[1000];
    struct nj_authmap_facts facts = { .size = sizeof(facts), .address = "", .tls_verified = 1 };
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < N; i++) {
        names[i] = (struct nj_authmap_name){ .size = sizeof(names[i]),
                                             .type = "uri",
                                             .value = { (const uint8_t *) text, sizeof(text) } };
        list[i] = &names[i];
    }
    facts.names = list;
    facts.names_n = N;

    decide("rules: [ { match { uri: \"*b\" }, deny: x } ]", &facts);

    ck_assert_uint_eq(answer.verdict, NJ_AUTHMAP_DENY);
    ck_assert_str_eq(answer.reason, "the certificate has more names than these rules can be "
                                    "tried on");
}
END_TEST

static Suite *rules_suite(void)
{
    Suite *s = suite_create("rules");
    TCase *tc = tcase_create("rules");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_pattern_matches_the_whole_value_and_captures_its_stars, 0,
                        (int) (sizeof(globs) / sizeof(globs[0])));
    tcase_add_test(tc, a_pattern_that_cannot_be_is_refused);
    tcase_add_test(tc, patterns_match_as_the_textbook_says);
    tcase_add_test(tc, a_nasty_pattern_takes_linear_time);
    tcase_add_loop_test(tc, bad_options_are_reported_with_their_line, 0,
                        (int) (sizeof(bad_options) / sizeof(bad_options[0])));
    tcase_add_test(tc, subjects_of_every_kind_are_taken);
    tcase_add_test(tc, a_member_that_serves_as_a_variable_is_not_unknown);
    tcase_add_loop_test(tc, a_rule_decides_by_the_values_of_its_types, 0,
                        (int) (sizeof(decisions) / sizeof(decisions[0])));
    tcase_add_test(tc, nothing_of_a_certificate_that_was_not_verified_matches);
    tcase_add_test(tc, otherwise_can_be_a_denial);
    tcase_add_test(tc, a_user_with_account_or_permissions_is_its_own);
    tcase_add_test(tc, a_value_in_a_subject_is_one_token);
    tcase_add_test(tc, a_value_with_a_nul_or_a_line_end_lets_nobody_in);
    tcase_add_loop_test(tc, a_refusal_is_not_escaped_by_an_odd_character, 0,
                        (int) (sizeof(odd_values) / sizeof(odd_values[0])));
    tcase_add_test(tc, a_refusal_by_two_names_needs_both_though_one_is_odd);
    tcase_add_test(tc, a_refusal_is_not_escaped_by_a_long_value);
    tcase_add_test(tc, an_odd_value_that_no_refusal_asks_for_costs_nothing);
    tcase_add_test(tc, more_names_than_can_be_tried_are_refused_not_passed_over);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(rules_suite());
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
