/* test_cli.c: the order in which the command line is looked at, and what each end looks like. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/version.h"
#include "natterjack/plugin.h"
#include "ops/cli.h"
#include "ops/options.h"

#define ARGS_MAX 24

static char out_text[16384];
static char err_text[16384];

/* What the hooks were asked, told by the child over its standard output. */
static int load_options(const char *path, struct nj_options *o, struct nj_buf *warnings,
                        struct nj_buf *errors)
{
    if (strstr(path, "nope") != NULL) {
        (void) nj_buf_printf(errors, "open %s: no such file or directory", path);
        return NJ_E_INVALID;
    }
    if (strstr(path, "warn") != NULL) {
        (void) nj_buf_puts(warnings, "warn.conf:1:0: a warning\n");
    }
    if (strstr(path, "bad") != NULL) {
        (void) nj_buf_puts(errors, "bad.conf:2:1: unknown field \"foo\"\n");
        return NJ_E_INVALID;
    }
    if (strstr(path, "pending") != NULL) {
        o->max_payload = 104857600;
        o->max_pending = 1048576;
    }
    if (strstr(path, "grace") != NULL) {
        o->lame_duck_duration_ns = INT64_C(30000000000);
        o->lame_duck_grace_ns = INT64_C(40000000000);
    }
    if (strstr(path, "unserved") != NULL) {
        o->unserved = nj_calloc(2, sizeof(char *));
        o->unserved[0] = nj_strdup("gateway is not served yet");
        o->unserved[1] = nj_strdup("leafnodes is not served yet");
        o->unserved_n = 2;
    }
    o->port = 5222;
    (void) strcpy(o->config_digest, "sha256:00");
    return NJ_OK;
}

static int check_tls(const struct nj_options *o, struct nj_error *err)
{
    if (o->tls_provider != NULL && strcmp(o->tls_provider, "none") == 0) {
        return nj_error_set(err, NJ_E_NOT_FOUND, "no tls provider found");
    }
    return NJ_OK;
}

static int list_plugins(const struct nj_options *o)
{
    (void) printf("plugins of %s\n", o->plugin_dirs_n > 0 ? o->plugin_dirs[0] : "nowhere");
    return 0;
}

static int run_server(const struct nj_options *o, const struct nj_options_source *again)
{
    (void) again;
    (void) printf("serving on %d, %s\n", o->port,
                  o->config_file != NULL ? o->config_file : "no file");
    return 3;
}

static const struct nj_cli_hooks hooks = {
    .load_options = load_options,
    .check_tls = check_tls,
    .list_plugins = list_plugins,
    .run_server = run_server,
};

static int start_capture(int fd, const char *name)
{
    int saved = dup(fd);
    int to = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(to, 0);
    ck_assert_int_eq(dup2(to, fd), fd);
    (void) close(to);
    return saved;
}

static void end_capture(int fd, int saved, const char *name, char *text, size_t cap)
{
    (void) fflush(NULL);
    ck_assert_int_eq(dup2(saved, fd), fd);
    (void) close(saved);
    FILE *f = fopen(name, "re");
    size_t n = fread(text, 1, cap - 1, f);
    text[n] = '\0';
    (void) fclose(f);
    (void) unlink(name);
}

/* Run `line` (cut at blanks, the first word is the program) and keep what it prints. */
static int run(const char *line)
{
    char dir[] = "/tmp/nj-cli-XXXXXX";
    char out[64], errs[64];
    char *copy = nj_strdup(line);
    char *args[ARGS_MAX + 1];
    int n = 0;
    for (char *save = NULL, *w = strtok_r(copy, " ", &save); w != NULL && n < ARGS_MAX;
         w = strtok_r(NULL, " ", &save)) {
        args[n++] = w;
    }
    args[n] = NULL;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void) snprintf(out, sizeof(out), "%s/out", dir);
    (void) snprintf(errs, sizeof(errs), "%s/err", dir);
    (void) fflush(NULL);
    int saved_out = start_capture(STDOUT_FILENO, out);
    int saved_err = start_capture(STDERR_FILENO, errs);
    int status = nj_cli_run(n, args, &hooks);
    end_capture(STDOUT_FILENO, saved_out, out, out_text, sizeof(out_text));
    end_capture(STDERR_FILENO, saved_err, errs, err_text, sizeof(err_text));
    (void) rmdir(dir);
    nj_dealloc(copy);
    return status;
}

START_TEST(each_line_ends_as_the_reference_ends_it)
{
    static const struct {
        const char *line;
        int status;
        const char *out; /* NULL: the help */
        const char *err;
    } table[] = {
        { "/x/nats-server foo", 1, "", "nats-server: unrecognized command: \"foo\"\n" },
        { "natterjack foo", 1, "", "natterjack: unrecognized command: \"foo\"\n" },
        { "nats-server --nope", 0, NULL, "flag provided but not defined: -nope\n" },
        { "nats-server -v --nope", 0, NULL, "flag provided but not defined: -nope\n" },
        { "nats-server -p abc", 0, NULL, "invalid value \"abc\" for flag -p: parse error\n" },
        { "nats-server -h", 0, NULL, "" },
        { "nats-server HELP", 0, NULL, "" },
        { "nats-server -t", 1, "",
          "nats-server: must specify [-c, --config] option to check configuration file "
          "syntax\n" },
        { "nats-server -t -c good.conf", 0, "",
          "nats-server: configuration file good.conf is valid (sha256:00)\n" },
        { "nats-server -t -c bad.conf", 1, "",
          "nats-server: bad.conf:2:1: unknown field \"foo\"\n\n" },
        { "nats-server -c bad.conf", 1, "",
          "nats-server: bad.conf:2:1: unknown field \"foo\"\n\n" },
        { "nats-server -c warn-bad.conf", 1, "",
          "nats-server: warn.conf:1:0: a warning\nbad.conf:2:1: unknown field \"foo\"\n\n" },
        { "nats-server -t -c warn.conf", 1, "", "nats-server: warn.conf:1:0: a warning\n\n" },
        { "nats-server -c warn.conf", 3, "serving on 5222, warn.conf\n",
          "warn.conf:1:0: a warning\n" },
        { "nats-server -c nope.conf", 1, "",
          "nats-server: open nope.conf: no such file or directory\n" },
        { "nats-server -t -c pending.conf", 0, "",
          "nats-server: configuration file pending.conf is valid (sha256:00)\n" },
        { "nats-server -c pending.conf", 1, "",
          "nats-server: max_payload (104857600) cannot be higher than max_pending "
          "(1048576)\n" },
        { "nats-server -c grace.conf", 1, "",
          "nats-server: lame duck grace period (40s) should be strictly lower than lame duck "
          "duration (30s)\n" },
        { "nats-server --tls", 1, "",
          "nats-server: TLS Server certificate must be present and valid\n" },
        { "nats-server --signal bad=1", 1, "", "nats-server: unknown signal \"bad\"\n" },
        { "nats-server --signal quit=abc", 1, "", "nats-server: invalid pid: abc\n" },
        { "nats-server --signal quit=1=2", 1, "", "nats-server: invalid signal parameters: [2]\n" },
        { "nats-server --signal quit=999999999 -c nope.conf", 1, "",
          "nats-server: \nsignal \"quit\" 999999999: no such process\n" },
        { "nats-server", 3, "serving on 4222, no file\n", "" },
        { "nats-server -c good.conf -p 7", 3, "serving on 7, good.conf\n", "" },
        { "nats-server -c unserved.conf -t", 0, "",
          "nats-server: configuration file unserved.conf is valid (sha256:00)\n" },
        { "natterjack -c unserved.conf", 1, "",
          "natterjack: gateway is not served yet\nnatterjack: leafnodes is not served yet\n" },
        { "natterjack -t -c good.conf -js --tls -n x", 0, "",
          "natterjack: configuration file good.conf is valid (sha256:00)\n" },
        { "natterjack -t -c good.conf --tls_provider none", 1, "",
          "natterjack: no tls provider found\n" },
        { "natterjack -c good.conf --tls_provider none", 1, "",
          "natterjack: no tls provider found\n" },
        { "natterjack -js", 1, "",
          "natterjack: flag --jetstream: JetStream is not supported by this server; leave it out\n" },
        { "natterjack --tls-check -c nope.conf", 1, "",
          "natterjack: flag --tls-check is not served yet\n" },
        { "natterjack --list-plugins --plugin_dir d", 0, "plugins of d\n", "" },
        { "natterjack --list-plugins --plugin_dir d -c nope.conf", 0, "plugins of d\n",
          "natterjack: open nope.conf: no such file or directory\n" },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(run(table[i].line) == table[i].status, "%s: another status, %s",
                      table[i].line, err_text);
        ck_assert_msg(strcmp(err_text, table[i].err) == 0, "%s: \"%s\" is not \"%s\"",
                      table[i].line, err_text, table[i].err);
        if (table[i].out != NULL) {
            ck_assert_str_eq(out_text, table[i].out);
        } else {
            ck_assert_ptr_nonnull(strstr(out_text, "\nUsage: nats-server [options]\n"));
        }
    }
}
END_TEST

START_TEST(the_version_begins_with_the_name_we_run_under)
{
    static const char *const lines[] = { "nats-server -v", "nats-server --version",
                                         "nats-server version", "/b/nats-server VERSION",
                                         "nats-server -v -c nope.conf -h" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(run(lines[i]), 0);
        ck_assert_str_eq(out_text, "nats-server: v" NJ_REFERENCE_VERSION "\n"
                                   "natterjack: v" NJ_VERSION "\n");
        ck_assert_str_eq(err_text, "");
    }
    ck_assert_int_eq(run("natterjack -v"), 0);
    ck_assert_str_eq(out_text, "natterjack: v" NJ_VERSION "\n"
                               "nats-server: v" NJ_REFERENCE_VERSION "\n");
}
END_TEST

START_TEST(help_has_its_groups_in_order_and_its_columns)
{
    static const char *const groups[] = {
        "\nServer Options:\n",        "\nLogging Options:\n",    "\nJetStream Options:\n",
        "\nAuthorization Options:\n", "\nTLS Options:\n",        "\nCluster Options (not served yet):\n",
        "\nProfiling Options:\n",     "\nNatterjack Options:\n", "\nCommon Options:\n",
    };
    ck_assert_int_eq(run("natterjack --help"), 0);
    const char *at = out_text;
    ck_assert_int_eq(strncmp(at, "\nUsage: natterjack [options]\n\n", 30), 0);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        at = strstr(at, groups[i]);
        ck_assert_msg(at != NULL, "no%s", groups[i]);
    }
    ck_assert_ptr_nonnull(
        strstr(out_text, "\n    -p, --port <port>                Port for clients"));
    for (char *save = NULL, *l = strtok_r(out_text, "\n", &save); l != NULL;
         l = strtok_r(NULL, "\n", &save)) {
        ck_assert_msg(strlen(l) <= 120, "long line: %s", l);
        ck_assert(strncmp(l, "    ", 4) != 0 || strlen(l) < 38 || l[36] == ' ');
    }
}
END_TEST

START_TEST(help_on_tls_names_suites_and_curves)
{
    ck_assert_int_eq(run("natterjack --help_tls"), 0);
    ck_assert_ptr_nonnull(strstr(out_text, "\nAvailable cipher suites include:\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "\n    TLS_AES_128_GCM_SHA256\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "\nAvailable curve preferences include:\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "\n    CurveP256\n"));
}
END_TEST

START_TEST(a_log_file_that_cannot_be_opened_ends_the_start)
{
    ck_assert_int_eq(run("natterjack -l /nonexistent/x"), 1);
    ck_assert_ptr_nonnull(strstr(err_text, " error opening file: open /nonexistent/x: "
                                           "no such file or directory\n"));
    ck_assert_int_eq(err_text[4], '/'); /* the time comes first, no pid */
    ck_assert_str_eq(out_text, "");
}
END_TEST

/* A server name with a blank cannot come through run(), which cuts at blanks. */
START_TEST(a_server_name_with_a_blank_is_refused_at_start)
{
    struct nj_options o;
    struct nj_error err = NJ_ERROR_INIT;
    nj_options_init(&o);
    ck_assert_int_eq(nj_cli_check_start(&o, &err), NJ_OK);
    o.server_name = nj_strdup("a b");

    ck_assert_int_eq(nj_cli_check_start(&o, &err), NJ_E_INVALID);

    ck_assert_str_eq(err.text, "server name cannot contain spaces");
    nj_options_free(&o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *tc = tcase_create("cli");
    tcase_add_test(tc, each_line_ends_as_the_reference_ends_it);
    tcase_add_test(tc, the_version_begins_with_the_name_we_run_under);
    tcase_add_test(tc, help_has_its_groups_in_order_and_its_columns);
    tcase_add_test(tc, help_on_tls_names_suites_and_curves);
    tcase_add_test(tc, a_log_file_that_cannot_be_opened_ends_the_start);
    tcase_add_test(tc, a_server_name_with_a_blank_is_refused_at_start);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
