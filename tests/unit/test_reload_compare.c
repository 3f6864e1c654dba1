/* What a reload would change, what it refuses, and in which order. */
#include "ops/reload_compare.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "auth/user.h"
#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"
#include "ops/option_table.h"
#include "ops/options.h"

#define PORT 40123

static struct nj_options now, next;
static struct nj_reload_facts facts;
static struct nj_reload_plan plan;
static struct nj_error err;

static void setup(void)
{
    nj_options_init(&now);
    nj_options_init(&next);
    facts = (struct nj_reload_facts){ .port = PORT };
    now.port = -1;
    next.port = -1;
    plan = (struct nj_reload_plan){ 0 };
    err = (struct nj_error) NJ_ERROR_INIT;
}

static void teardown(void)
{
    nj_reload_plan_fini(&plan);
    nj_options_free(&now);
    nj_options_free(&next);
}

static int compare(void)
{
    nj_reload_plan_fini(&plan);
    return nj_reload_compare(&now, &next, &facts, &plan, &err);
}

static void text(char **at, const char *s)
{
    nj_text_set(at, s);
}

/* All lines, each with a newline. */
static const char *lines(void)
{
    static char all[4096];
    all[0] = '\0';
    for (size_t i = 0; i < plan.lines_n; i++) {
        (void) strncat(all, plan.lines[i].text, sizeof(all) - strlen(all) - 1);
        (void) strncat(all, "\n", sizeof(all) - strlen(all) - 1);
    }
    return all;
}

static void assert_lines(const char *want)
{
    ck_assert_msg(compare() == NJ_OK, "%s", err.text);
    ck_assert_str_eq(lines(), want);
}

static void assert_refused(const char *want)
{
    ck_assert_int_lt(compare(), 0);
    ck_assert_str_eq(err.text, want);
}

#define ALWAYS "Reloaded: authorization users\nReloaded: accounts\n"

START_TEST(equal_options_have_the_two_lines_that_always_come)
{
    assert_lines(ALWAYS);
    ck_assert(!plan.logging && !plan.pins);
}
END_TEST

START_TEST(lines_come_in_the_order_of_the_table_not_of_the_file)
{
    next.max_payload = 2000;
    next.debug = true;
    next.ping_interval_ns = INT64_C(30000000000);
    next.max_connections = 5;

    assert_lines("Reloaded: debug = true\nReloaded: max_connections = 5\n" ALWAYS
                 "Reloaded: ping_interval = 30s\nReloaded: max_payload = 2000\n");

    ck_assert(plan.logging);
    ck_assert_int_eq(plan.lines[1].action, NJ_RELOAD_MAX_CONNECTIONS);
}
END_TEST

START_TEST(of_two_refusals_the_first_of_the_table_is_named)
{
    next.max_pending = 1;
    text(&next.server_name, "z");
    assert_refused("config reload not supported for ServerName: old=, new=z");
}
END_TEST

START_TEST(values_are_told_as_the_reference_prints_them)
{
    static const struct {
        size_t at;
        int64_t value;
        const char *want;
    } cases[] = {
        { offsetof(struct nj_options, lame_duck_duration_ns), INT64_C(60000000000),
          "LameDuckDuration: old=2m0s, new=1m0s" },
        { offsetof(struct nj_options, max_pending), 8, "MaxPending: old=67108864, new=8" },
        { offsetof(struct nj_options, max_subs), 7, "MaxSubs: old=0, new=7" },
        { offsetof(struct nj_options, max_closed_clients), 5,
          "MaxClosedClients: old=10000, new=5" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char want[128];
        int64_t *at = (int64_t *) (void *) ((char *) &next + cases[i].at);
        int64_t preset = *at;
        *at = cases[i].value;
        (void) snprintf(want, sizeof(want), "config reload not supported for %s", cases[i].want);
        assert_refused(want);
        *at = preset;
    }
}
END_TEST

START_TEST(a_port_of_minus_one_keeps_the_one_that_was_chosen)
{
    next.port = PORT;
    assert_lines(ALWAYS);

    now.port = PORT;
    next.port = -1;
    assert_lines(ALWAYS);

    next.port = PORT + 1;
    assert_refused("config reload not supported for Port: old=40123, new=40124");
}
END_TEST

START_TEST(secrets_are_in_no_line)
{
    text(&now.user, "u");
    text(&now.pass, "old-secret");
    text(&next.token, "new-secret");

    assert_lines(ALWAYS "Reloaded: authorization username\nReloaded: authorization password\n"
                        "Reloaded: authorization token\n");

    ck_assert_ptr_null(strstr(lines(), "secret"));
}
END_TEST

START_TEST(what_is_wrong_with_client_advertise_is_told)
{
    text(&next.client_advertise, "h:p");
    assert_refused("invalid ClientAdvertise value of h:p, err=strconv.Atoi: parsing \"p\": invalid "
                   "syntax");
}
END_TEST

START_TEST(switching_tls_moves_the_authorization_timeout)
{
    next.tls.present = true;
    next.tls.timeout_ns = INT64_C(4500000000);
    assert_lines(ALWAYS "Reloaded: authorization timeout = 5.5\nReloaded: tls timeout = 4.5\n"
                        "Reloaded: tls = enabled\n");
}
END_TEST

START_TEST(of_tls_what_was_loaded_counts_and_a_ca_file_always)
{
    now.tls.present = next.tls.present = true;
    assert_lines(ALWAYS);

    facts.tls_differs = true;
    assert_lines(ALWAYS "Reloaded: tls = enabled\n");

    facts.tls_differs = false;
    text(&next.tls.ca_file, "ca.pem");
    assert_lines(ALWAYS "Reloaded: tls = enabled\n");
}
END_TEST

/* Two pins of 64 digits that differ in the last one. */
static void pin(struct nj_tls_block *b, char first, char second)
{
    b->present = true;
    b->pinned = nj_calloc(2, sizeof(b->pinned[0]));
    b->pinned_n = 2;
    memset(b->pinned[0], '0', 63);
    memset(b->pinned[1], '0', 63);
    b->pinned[0][63] = first;
    b->pinned[1][63] = second;
}

START_TEST(pins_are_a_set)
{
    pin(&now.tls, 'a', 'b');
    pin(&next.tls, 'b', 'a');
    assert_lines(ALWAYS);
    ck_assert(!plan.pins);

    next.tls.pinned[0][63] = 'c';
    assert_lines(ALWAYS "Reloaded: 2 pinned_certs\n");
    ck_assert(plan.pins);
}
END_TEST

static void add_user(struct nj_options *o, const char *name)
{
    o->users.at = nj_realloc(o->users.at, (o->users.n + 1) * sizeof(o->users.at[0]));
    o->users.at[o->users.n++] = nj_user_new(name, NULL, "pass", NULL);
}

START_TEST(no_auth_user_may_only_go_with_its_user)
{
    add_user(&now, "a");
    add_user(&next, "a");
    text(&now.no_auth_user, "a");
    assert_refused("config reload not supported for NoAuthUser: old=a, new=");

    nj_user_unref(&next.users.at[0]);
    next.users.n = 0;
    assert_lines(ALWAYS);

    text(&now.no_auth_user, "");
    text(&next.no_auth_user, "a");
    assert_refused("config reload not supported for NoAuthUser: old=, new=a");
}
END_TEST

START_TEST(lists_and_maps_are_told_with_their_members)
{
    nj_texts_add(&next.feature_flags, &next.feature_flags_n, "a");
    nj_texts_add(&next.feature_flags, &next.feature_flags_n, "true");
    nj_texts_add(&next.feature_flags, &next.feature_flags_n, "b");
    nj_texts_add(&next.feature_flags, &next.feature_flags_n, "false");
    assert_refused("config reload not supported for FeatureFlags: old=map[], new=map[a:true "
                   "b:false]");
    nj_texts_free(&next.feature_flags, &next.feature_flags_n);

    nj_texts_add(&now.plugin_dirs, &now.plugin_dirs_n, "x");
    nj_texts_add(&now.plugin_dirs, &now.plugin_dirs_n, "y");
    assert_refused("config reload not supported for plugin_dirs: old=[x y], new=[]");
}
END_TEST

START_TEST(taking_the_pid_file_away_says_nothing)
{
    text(&now.pid_file, "/x");
    assert_lines(ALWAYS);

    text(&next.pid_file, "/y");
    assert_lines(ALWAYS "Reloaded: pid_file = /y\n");
    ck_assert_int_eq(plan.lines[2].action, NJ_RELOAD_PID_FILE);
}
END_TEST

/* ---- every option is somebody's business ------------------------------------------------------ */

enum outcome { REFUSED, TOLD, SILENT };

/* What comes of a change of these bytes?  They are put back. */
static enum outcome try(void *at, const void *other, size_t width)
{
    char preset[8];
    memcpy(preset, at, width);
    memcpy(at, other, width);
    int rc = compare();
    memcpy(at, preset, width);
    return rc != NJ_OK ? REFUSED : plan.lines_n > 2 ? TOLD : SILENT;
}

static enum outcome change(const struct nj_option *opt)
{
    void *at = (char *) &next + opt->offset;
    int64_t wide = 77;
    int narrow = 77;
    char on = (char) (*(const char *) at ^ 1); /* of a bool, which any other member is not */
    char *word = nj_strdup("changed");
    enum outcome o = opt->type == NJ_OPTION_STRING   ? try(at, &word, sizeof(word))
                     : opt->type == NJ_OPTION_BOOL   ? try(at, &on, sizeof(on))
                     : opt->width == sizeof(int64_t) ? try(at, &wide, sizeof(wide))
                     : opt->width == sizeof(int)     ? try(at, &narrow, sizeof(narrow))
                                                     : try(at, &on, sizeof(on));
    nj_dealloc(word);
    return o;
}

/* Refused by name while it is not served; taken without a word, as by the reference. */
static bool is_excused(const struct nj_option *opt)
{
    return strcmp(opt->name, "max_memory") == 0 || strcmp(opt->name, "store_dir") == 0;
}

/* A new option needs a row in reload_compare.c, or a reload would take it without a word. */
START_TEST(a_change_of_any_option_is_refused_or_told_as_the_option_table_says)
{
    for (size_t i = 0; i < nj_option_count(); i++) {
        const struct nj_option *opt = nj_option_at(i);
        if (opt->offset != NJ_OPTION_NOWHERE && !is_excused(opt)) {
            enum outcome o = change(opt);
            ck_assert_msg(o != SILENT, "%s may change without a word", opt->name);
            ck_assert_msg((o == REFUSED) == (opt->reload == NJ_RELOAD_NO),
                          "%s is %s, and the table says otherwise", opt->name,
                          o == REFUSED ? "refused" : "taken");
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reload_compare");
    TCase *tc = tcase_create("compare");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, equal_options_have_the_two_lines_that_always_come);
    tcase_add_test(tc, lines_come_in_the_order_of_the_table_not_of_the_file);
    tcase_add_test(tc, of_two_refusals_the_first_of_the_table_is_named);
    tcase_add_test(tc, values_are_told_as_the_reference_prints_them);
    tcase_add_test(tc, a_port_of_minus_one_keeps_the_one_that_was_chosen);
    tcase_add_test(tc, secrets_are_in_no_line);
    tcase_add_test(tc, what_is_wrong_with_client_advertise_is_told);
    tcase_add_test(tc, switching_tls_moves_the_authorization_timeout);
    tcase_add_test(tc, of_tls_what_was_loaded_counts_and_a_ca_file_always);
    tcase_add_test(tc, pins_are_a_set);
    tcase_add_test(tc, no_auth_user_may_only_go_with_its_user);
    tcase_add_test(tc, lists_and_maps_are_told_with_their_members);
    tcase_add_test(tc, taking_the_pid_file_away_says_nothing);
    tcase_add_test(tc, a_change_of_any_option_is_refused_or_told_as_the_option_table_says);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
