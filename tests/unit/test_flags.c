/* test_flags.c: the grammar of the command line, and which of file and flags wins. */
#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/flags.h"
#include "ops/options.h"

#define ARGS_MAX 32

static struct nj_flags flags;
static struct nj_options options;
static struct nj_error err;
static char *args[ARGS_MAX + 1];
static int args_n;

static void setup(void)
{
    err = (struct nj_error) NJ_ERROR_INIT;
    flags = (struct nj_flags){ 0 };
    args_n = 0;
    nj_options_init(&options);
}

static void teardown(void)
{
    nj_flags_free(&flags);
    nj_options_free(&options);
    for (int i = 0; i < args_n; i++) {
        nj_dealloc(args[i]);
    }
}

/* Parse `line`, cut at blanks; a lone '' is the empty argument. */
static int parse(const char *line)
{
    char *copy = nj_strdup(line);
    nj_flags_free(&flags);
    for (int i = 0; i < args_n; i++) {
        nj_dealloc(args[i]);
    }
    args_n = 0;
    args[args_n++] = nj_strdup("natterjack");
    for (char *save = NULL, *w = strtok_r(copy, " ", &save); w != NULL && args_n < ARGS_MAX;
         w = strtok_r(NULL, " ", &save)) {
        args[args_n++] = nj_strdup(strcmp(w, "''") == 0 ? "" : w);
    }
    args[args_n] = NULL;
    nj_dealloc(copy);
    return nj_flags_parse(args_n, args, &flags, &err);
}

static void apply(const char *line)
{
    ck_assert_msg(parse(line) == NJ_OK, "%s: %s", line, err.text);
    ck_assert_msg(nj_flags_apply(&flags, &options, &err) == NJ_OK, "%s: %s", line, err.text);
}

START_TEST(a_wrong_line_is_refused_in_the_words_of_the_reference)
{
    static const struct {
        const char *line;
        const char *text;
    } table[] = {
        { "--nope", "flag provided but not defined: -nope" },
        { "-tlsc f", "flag provided but not defined: -tlsc" },
        { "-serv x", "flag provided but not defined: -serv" },
        { "-Dt", "flag provided but not defined: -Dt" },
        { "-list", "flag provided but not defined: -list" },
        { "-nope=3", "flag provided but not defined: -nope" },
        { "-p abc", "invalid value \"abc\" for flag -p: parse error" },
        { "--port=abc", "invalid value \"abc\" for flag -port: parse error" },
        { "-p=", "invalid value \"\" for flag -p: parse error" },
        { "-p ''", "invalid value \"\" for flag -p: parse error" },
        { "-p 1_", "invalid value \"1_\" for flag -p: parse error" },
        { "-p _1", "invalid value \"_1\" for flag -p: parse error" },
        { "-p 1__0", "invalid value \"1__0\" for flag -p: parse error" },
        { "-p 08", "invalid value \"08\" for flag -p: parse error" },
        { "-p 0x", "invalid value \"0x\" for flag -p: parse error" },
        { "-p -", "invalid value \"-\" for flag -p: parse error" },
        { "-p a\"b", "invalid value \"a\\\"b\" for flag -p: parse error" },
        { "-p a\xff", "invalid value \"a\\xff\" for flag -p: parse error" },
        { "-p 99999999999999999999",
          "invalid value \"99999999999999999999\" for flag -p: value out of range" },
        { "-p 9223372036854775808",
          "invalid value \"9223372036854775808\" for flag -p: value out of range" },
        { "-p", "flag needs an argument: -p" },
        { "-a", "flag needs an argument: -a" },
        { "-D=maybe", "invalid boolean value \"maybe\" for -D: parse error" },
        { "-D=", "invalid boolean value \"\" for -D: parse error" },
        { "--tls=yes", "invalid boolean value \"yes\" for -tls: parse error" },
        { "---x", "bad flag syntax: ---x" },
        { "-=3", "bad flag syntax: -=3" },
        { "--=3", "bad flag syntax: --=3" },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(parse(table[i].line) == NJ_E_INVALID, "%s was taken", table[i].line);
        ck_assert_str_eq(err.text, table[i].text);
    }
}
END_TEST

START_TEST(one_and_two_dashes_and_both_forms_of_value_are_alike)
{
    static const char *const lines[] = { "-p 1234",     "--p 1234",        "-port 1234",
                                         "--port 1234", "-p=1234",         "--port=1234",
                                         "-p 0x4d2",    "-p 1_234",        "-p +1234",
                                         "-p 02322",    "-p 0b10011010010" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_msg(parse(lines[i]) == NJ_OK, "%s: %s", lines[i], err.text);
        ck_assert_int_eq(flags.v[NJ_FLAG_PORT].number, 1234);
    }
}
END_TEST

START_TEST(booleans_take_the_twelve_words_of_go)
{
    static const char *const yes[] = { "-D",      "-D=1",    "-D=t",        "-D=T",
                                       "-D=true", "-D=TRUE", "--debug=True" };
    static const char *const no[] = { "-D=0",     "-D=f",     "-D=F",
                                      "-D=false", "-D=FALSE", "--debug=False" };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        ck_assert_int_eq(parse(yes[i]), NJ_OK);
        ck_assert(nj_flags_on(&flags, NJ_FLAG_DEBUG));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        ck_assert_int_eq(parse(no[i]), NJ_OK);
        ck_assert(flags.v[NJ_FLAG_DEBUG].given);
        ck_assert(!nj_flags_on(&flags, NJ_FLAG_DEBUG));
    }
}
END_TEST

START_TEST(the_first_plain_word_ends_the_flags)
{
    ck_assert_int_eq(parse("-D false -p 1"), NJ_OK);
    ck_assert_str_eq(flags.word, "false");
    ck_assert(!flags.v[NJ_FLAG_PORT].given);
    ck_assert_int_eq(parse("-- -p"), NJ_OK);
    ck_assert_str_eq(flags.word, "-p");
    ck_assert_int_eq(parse("-"), NJ_OK);
    ck_assert_str_eq(flags.word, "-");
    ck_assert_int_eq(parse("-D --"), NJ_OK);
    ck_assert_ptr_null(flags.word);
}
END_TEST

START_TEST(of_two_equal_flags_the_last_wins)
{
    apply("-p 1 --port 2 -a h1 --net h2 -D -D=false");
    ck_assert_int_eq(options.port, 2);
    ck_assert_str_eq(options.host, "h2");
    ck_assert(!options.debug);
}
END_TEST

START_TEST(our_own_flags_take_dash_and_underscore_alike)
{
    static const char *const lines[] = { "--tls_provider x", "--tls-provider x",
                                         "-tls-provider=x" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(parse(lines[i]), NJ_OK);
        ck_assert_str_eq(nj_flags_text(&flags, NJ_FLAG_TLS_PROVIDER), "x");
    }
    ck_assert_int_eq(parse("--list_plugins"), NJ_OK);
    ck_assert(nj_flags_on(&flags, NJ_FLAG_LIST_PLUGINS));
    ck_assert_int_eq(parse("--http-port 1"), NJ_E_INVALID);
}
END_TEST

START_TEST(flags_of_a_later_version_are_known_by_name)
{
    ck_assert_int_eq(parse("--tls_check"), NJ_OK);
    ck_assert_str_eq(flags.later, "tls-check");
    ck_assert_int_eq(parse("--json --tls-probe=nats://h"), NJ_OK);
    ck_assert_str_eq(flags.later, "json");
    ck_assert_int_eq(parse("-D"), NJ_OK);
    ck_assert_ptr_null(flags.later);
}
END_TEST

START_TEST(what_was_not_given_leaves_the_file_alone)
{
    nj_dealloc(options.host);
    options.host = nj_strdup("10.0.0.1");
    options.port = 5222;
    options.debug = true;
    options.user = nj_strdup("file");

    apply("-n x");

    ck_assert_str_eq(options.host, "10.0.0.1");
    ck_assert_int_eq(options.port, 5222);
    ck_assert(options.debug);
    ck_assert_str_eq(options.user, "file");
    ck_assert_str_eq(options.server_name, "x");
}
END_TEST

START_TEST(what_was_given_beats_the_file)
{
    options.port = 5222;
    options.debug = true;
    options.logtime = true;
    options.user = nj_strdup("file");
    options.plugin_dirs = nj_alloc(sizeof(char *));
    options.plugin_dirs[0] = nj_strdup("old");
    options.plugin_dirs_n = 1;

    apply("-p -1 -D=false -T=false --user cli --pass s3cret --plugin_dir a --plugin-dir=b "
          "--workers 7 -m -1 --max_traced_msg_len 5");

    ck_assert_int_eq(options.port, -1);
    ck_assert_int_eq(options.http_port, -1);
    ck_assert(!options.debug);
    ck_assert(!options.logtime);
    ck_assert_str_eq(options.user, "cli");
    ck_assert_str_eq(options.pass, "s3cret");
    ck_assert_uint_eq(options.plugin_dirs_n, 2);
    ck_assert_str_eq(options.plugin_dirs[0], "a");
    ck_assert_str_eq(options.plugin_dirs[1], "b");
    ck_assert_int_eq(options.workers, 7);
    ck_assert_int_eq(options.max_traced_msg_len, 5);
    ck_assert_uint_eq(options.unserved_n, 0);
}
END_TEST

START_TEST(zero_and_empty_mean_the_default)
{
    apply("-p 0 -a '' -n '' --user ''");
    ck_assert_int_eq(options.port, 4222);
    ck_assert_str_eq(options.host, "0.0.0.0");
    ck_assert_ptr_null(options.server_name);
    ck_assert_ptr_null(options.user);
}
END_TEST

START_TEST(a_port_too_big_for_an_int_stays_too_big)
{
    apply("-p 4294971518"); /* 2^32 + 4222 */
    ck_assert_int_gt(options.port, 65535);
}
END_TEST

START_TEST(the_combined_log_flags_set_what_they_say)
{
    apply("-DV");
    ck_assert(options.debug && options.trace && !options.trace_verbose);
    teardown();
    setup();
    apply("-VV");
    ck_assert(!options.debug && options.trace && options.trace_verbose);
    teardown();
    setup();
    apply("-DVV");
    ck_assert(options.debug && options.trace && options.trace_verbose);
    apply("-DV=false -D");
    ck_assert(!options.debug && !options.trace);
}
END_TEST

START_TEST(a_tls_flag_needs_certificate_and_key)
{
    static const struct {
        const char *line;
        const char *text;
    } table[] = {
        { "--tls", "TLS Server certificate must be present and valid" },
        { "--tlsverify", "TLS Server certificate must be present and valid" },
        { "--tlskey k", "TLS Server certificate must be present and valid" },
        { "--tls --tlscert c", "TLS Server private key must be present and valid" },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_int_eq(parse(table[i].line), NJ_OK);
        ck_assert_int_eq(nj_flags_apply(&flags, &options, &err), NJ_E_INVALID);
        ck_assert_str_eq(err.text, table[i].text);
    }
}
END_TEST

START_TEST(tls_flags_replace_certificates_and_keep_the_rest_of_the_block)
{
    options.tls.present = true;
    options.tls.cert_file = nj_strdup("file.pem");
    options.tls.ca_file = nj_strdup("file-ca.pem");
    options.tls.verify = true;
    options.tls.min_version = 0x0304;
    options.tls.timeout_ns = 77;
    options.tls.first = NJ_TLS_FIRST_ALWAYS;
    options.tls.file = nj_strdup("x.conf");
    options.tls.suites = nj_zalloc(sizeof(uint16_t));
    options.tls.suites_n = 1;

    apply("--tlscert c.pem --tlskey k.pem");

    ck_assert_str_eq(options.tls.cert_file, "c.pem");
    ck_assert_str_eq(options.tls.key_file, "k.pem");
    ck_assert_ptr_null(options.tls.ca_file);
    ck_assert(!options.tls.verify);
    ck_assert_uint_eq(options.tls.min_version, 0x0303);
    ck_assert_uint_eq(options.tls.suites_n, 0);
    ck_assert_int_eq(options.tls.timeout_ns, 77);
    ck_assert_int_eq(options.tls.first, NJ_TLS_FIRST_ALWAYS);
    ck_assert_ptr_null(options.tls.file);
}
END_TEST

START_TEST(tls_flags_alone_make_a_block_with_defaults)
{
    apply("--tlscert c.pem --tlskey k.pem --tlsverify --tlscacert ca.pem");
    ck_assert(options.tls.present);
    ck_assert(options.tls.verify);
    ck_assert_str_eq(options.tls.ca_file, "ca.pem");
    ck_assert_uint_eq(options.tls.min_version, 0x0303);
    ck_assert_int_eq(options.tls.timeout_ns, INT64_C(2000000000));
}
END_TEST

START_TEST(tls_false_switches_the_block_of_the_file_off)
{
    options.tls.present = true;
    options.tls.cert_file = nj_strdup("file.pem");

    apply("--tls=false --tlscert c.pem");

    ck_assert(!options.tls.present);
    ck_assert_ptr_null(options.tls.cert_file);
}
END_TEST

START_TEST(flags_that_are_not_served_are_collected_by_name)
{
    static const char *const lines[] = { "-s",
                                         "-r udp://h:1",
                                         "--log_size_limit 9",
                                         "--routes nats://h:1",
                                         "--cluster nats://h:1",
                                         "--cluster_listen nats://h:1",
                                         "--cluster_name c",
                                         "--cluster_advertise h:1",
                                         "--no_advertise",
                                         "--connect_retries 3",
                                         "-js" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        teardown();
        setup();
        apply(lines[i]);
        ck_assert_msg(options.unserved_n == 1, "%s: %zu sentences", lines[i], options.unserved_n);
        const char *said = options.unserved[0]; /* which flag, why, and what to do */
        ck_assert_msg(strncmp(said, "flag --", 7) == 0 && strstr(said, "; l") != NULL, "%s", said);
    }
}
END_TEST

START_TEST(a_flag_that_asks_for_nothing_is_no_reason_to_refuse)
{
    apply("-ms 0 -s=false -r '' --log_size_limit 0 --cluster '' -js=false -sd dir "
          "--no_advertise=false");
    ck_assert_uint_eq(options.unserved_n, 0);
}
END_TEST

START_TEST(jetstream_may_be_ignored_by_option)
{
    options.ignore_unsupported = true;
    apply("-js");
    ck_assert_uint_eq(options.unserved_n, 0);
}
END_TEST

START_TEST(workers_are_1_to_256)
{
    static const char *const lines[] = { "--workers 0", "--workers -1", "--workers 257" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(parse(lines[i]), NJ_OK);
        ck_assert_int_eq(nj_flags_apply(&flags, &options, &err), NJ_E_INVALID);
        ck_assert_ptr_nonnull(strstr(err.text, "1 to 256"));
    }
}
END_TEST

START_TEST(secrets_leave_argv_and_stay_in_the_flags)
{
    ck_assert_int_eq(parse("--pass hunter2 --auth=a-rather-long-token-it-is --pass2"),
                     NJ_E_INVALID); /* even when what follows is wrong */
    ck_assert_str_eq(args[2], "[REDACT");
    ck_assert_str_eq(args[3], "--auth=[REDACTED]");
    ck_assert_int_eq(parse("--pass hunter2 -auth t"), NJ_OK);
    ck_assert_str_eq(flags.v[NJ_FLAG_PASS].text, "hunter2");
    ck_assert_str_eq(flags.v[NJ_FLAG_AUTH].text, "t");
}
END_TEST

START_TEST(public_args_hide_secrets_as_the_reference_does)
{
    static const char *const want[] = {
        "natterjack",
        "-a",
        "h",
        "--user",
        "[REDACTED]",
        "--pass=[REDACTED]",
        "-auth",
        "[REDACTED]",
        "--cluster=nats://[REDACTED]@127.0.0.1:-1",
        "--routes",
        "nats://[REDACTED]@h:1,nats://[REDACTED]@h:2,nats://h:3",
        "word",
    };
    ck_assert_int_eq(parse("-a h --user u --pass=sec -auth t --cluster=nats://cu:cp@127.0.0.1:-1 "
                           "--routes nats://ru:rp@h:1,nats://rx@h:2,nats://h:3 word"),
                     NJ_OK);
    ck_assert_uint_eq(flags.public_args_n, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < flags.public_args_n; i++) {
        ck_assert_str_eq(flags.public_args[i], want[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flags");
    TCase *tc = tcase_create("flags");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_wrong_line_is_refused_in_the_words_of_the_reference);
    tcase_add_test(tc, one_and_two_dashes_and_both_forms_of_value_are_alike);
    tcase_add_test(tc, booleans_take_the_twelve_words_of_go);
    tcase_add_test(tc, the_first_plain_word_ends_the_flags);
    tcase_add_test(tc, of_two_equal_flags_the_last_wins);
    tcase_add_test(tc, our_own_flags_take_dash_and_underscore_alike);
    tcase_add_test(tc, flags_of_a_later_version_are_known_by_name);
    tcase_add_test(tc, what_was_not_given_leaves_the_file_alone);
    tcase_add_test(tc, what_was_given_beats_the_file);
    tcase_add_test(tc, zero_and_empty_mean_the_default);
    tcase_add_test(tc, a_port_too_big_for_an_int_stays_too_big);
    tcase_add_test(tc, the_combined_log_flags_set_what_they_say);
    tcase_add_test(tc, a_tls_flag_needs_certificate_and_key);
    tcase_add_test(tc, tls_flags_replace_certificates_and_keep_the_rest_of_the_block);
    tcase_add_test(tc, tls_flags_alone_make_a_block_with_defaults);
    tcase_add_test(tc, tls_false_switches_the_block_of_the_file_off);
    tcase_add_test(tc, flags_that_are_not_served_are_collected_by_name);
    tcase_add_test(tc, a_flag_that_asks_for_nothing_is_no_reason_to_refuse);
    tcase_add_test(tc, jetstream_may_be_ignored_by_option);
    tcase_add_test(tc, workers_are_1_to_256);
    tcase_add_test(tc, secrets_leave_argv_and_stay_in_the_flags);
    tcase_add_test(tc, public_args_hide_secrets_as_the_reference_does);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
