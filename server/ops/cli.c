#include "ops/cli.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/quote.h"
#include "natterjack/plugin.h"
#include "ops/control.h"
#include "ops/flags.h"
#include "ops/help.h"
#include "ops/options.h"
#include "ops/signal_cmd.h"
#include "ops/startlog.h"

/* A step either ends the run with an exit status or lets the next one have its turn. */
#define GO_ON (-1)

struct cli {
    const char *program;
    const struct nj_cli_hooks *hooks;
    struct nj_flags flags;
    struct nj_options options;
};

static int fail(const struct cli *c, const char *text)
{
    (void) fprintf(stderr, "%s: %s\n", c->program, text);
    return 1;
}

/* --- what needs no configuration --- */

static int print_version(struct cli *c)
{
    struct nj_error err = NJ_ERROR_INIT;
    const char *label = NULL;
    if (c->hooks->fips_label != NULL && nj_flags_apply_own(&c->flags, &c->options, &err) == NJ_OK) {
        label = c->hooks->fips_label(&c->options);
    }
    nj_version_print(stdout, c->program, label);
    return 0;
}

static int print_help(const struct cli *c)
{
    nj_help_print(stdout, c->program);
    return 0;
}

static int do_word(struct cli *c)
{
    char text[256];
    const char *word = c->flags.word;
    if (word == NULL) {
        return GO_ON;
    }
    if (strcasecmp(word, "version") == 0) {
        return print_version(c);
    }
    if (strcasecmp(word, "help") == 0) {
        return print_help(c);
    }
    char quoted[200];
    (void) snprintf(text, sizeof(text), "unrecognized command: %s",
                    nj_quote_text(word, quoted, sizeof(quoted)));
    return fail(c, text);
}

/* The flags that print something, or talk to another process, and end. */
static int do_simple(struct cli *c)
{
    if (nj_flags_on(&c->flags, NJ_FLAG_VERSION)) {
        return print_version(c);
    }
    if (nj_flags_on(&c->flags, NJ_FLAG_HELP)) {
        return print_help(c);
    }
    if (nj_flags_on(&c->flags, NJ_FLAG_HELP_TLS)) {
        nj_help_tls_print(stdout);
        return 0;
    }
    int status = do_word(c);
    if (status != GO_ON) {
        return status;
    }
    if (c->flags.later != NULL) {
        char text[96];
        (void) snprintf(text, sizeof(text), "flag --%s is not served yet", c->flags.later);
        return fail(c, text);
    }
    const char *command = nj_flags_text(&c->flags, NJ_FLAG_SIGNAL);
    if (command != NULL) {
        struct nj_error err = NJ_ERROR_INIT;
        return nj_signal_command(c->program, command, &err) == NJ_OK ? 0 : fail(c, err.text);
    }
    return GO_ON;
}

/* --- the configuration --- */

/* A complaint may quote any byte of the file, NUL included. */
static void put_bytes(const struct nj_buf *b)
{
    if (b->len > 0) {
        (void) fwrite(b->ptr, 1, b->len, stderr);
    }
}

static void print_complaints(const struct cli *c, const struct nj_buf *warnings,
                             const struct nj_buf *errors)
{
    (void) fprintf(stderr, "%s: ", c->program);
    put_bytes(warnings);
    put_bytes(errors);
    (void) fputc('\n', stderr);
}

/* Warnings alone stop a check and not a start. */
static int load_file(struct cli *c, const char *path, bool checking)
{
    struct nj_buf warnings, errors;
    int status = GO_ON;
    nj_buf_init(&warnings, SIZE_MAX);
    nj_buf_init(&errors, SIZE_MAX);
    int rc = c->hooks->load_options(path, &c->options, &warnings, &errors);
    if (rc < 0 || (checking && warnings.len > 0)) {
        print_complaints(c, &warnings, &errors);
        status = 1;
    } else if (warnings.len > 0) {
        (void) fputs(warnings.ptr, stderr);
    }
    if (c->options.config_file == NULL) {
        c->options.config_file = nj_strdup(path);
    }
    nj_buf_free(&warnings);
    nj_buf_free(&errors);
    return status;
}

static int check_tls(const struct cli *c)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (c->hooks->check_tls == NULL || c->hooks->check_tls(&c->options, &err) >= 0) {
        return GO_ON;
    }
    return fail(c, err.text);
}

/* -t: the file is looked at as it stands, only provider and plug-in directories come from flags. */
static int check_file(struct cli *c, const char *path)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (path == NULL) {
        return fail(c, "must specify [-c, --config] option to check configuration file syntax");
    }
    int status = load_file(c, path, true);
    if (status != GO_ON) {
        return status;
    }
    if (nj_flags_apply_own(&c->flags, &c->options, &err) < 0) {
        return fail(c, err.text);
    }
    status = check_tls(c);
    if (status != GO_ON) {
        return status;
    }
    (void) fprintf(stderr, "%s: configuration file %s is valid (%s)\n", c->program, path,
                   c->options.config_digest);
    return 0;
}

/* A file that is broken is no reason to hide the plug-ins: it may complain about just those. */
static int list_plugins(struct cli *c, const char *path)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (path != NULL) {
        (void) load_file(c, path, false);
    }
    if (nj_flags_apply_own(&c->flags, &c->options, &err) < 0) {
        return fail(c, err.text);
    }
    return c->hooks->list_plugins(&c->options);
}

/* --- start --- */

static int refuse_unserved(const struct cli *c)
{
    int status = GO_ON;
    for (size_t i = 0; i < c->options.unserved_n; i++) {
        status = fail(c, c->options.unserved[i]);
    }
    return status;
}

/* Those of the file have been judged where they stand. */
static int check_flag_secrets(const struct nj_options *o, struct nj_error *err)
{
    bool pass = o->pass != NULL && !nj_password_is_plain(o->pass);
    bool token = o->token != NULL && !nj_password_is_plain(o->token);
    if (!o->require_fips || (!pass && !token)) {
        return NJ_OK;
    }
    return nj_error_set(err, NJ_E_UNSUPPORTED,
                        "flag %s has a bcrypt hash, which is not allowed under require_fips",
                        pass ? "--pass" : "--auth");
}

int nj_cli_check_start(const struct nj_options *o, struct nj_error *err)
{
    int rc = nj_options_check(o, err);
    return rc == NJ_OK ? check_flag_secrets(o, err) : rc;
}

static int open_log(const struct nj_options *o)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_log_config config = {
        .debug = o->debug,
        .trace = o->trace,
        .logtime = o->logtime,
        .logtime_utc = o->logtime_utc,
        .file = o->log_file,
    };
    if (nj_log_open(&config, &err) == NJ_OK) {
        return GO_ON;
    }
    /* There is no log to say it in: the reference prints this one with the time alone. */
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    (void) localtime_r(&now, &tm);
    (void) strftime(stamp, sizeof(stamp), "%Y/%m/%d %H:%M:%S", &tm);
    (void) fprintf(stderr, "%s error opening file: %s\n", stamp, err.text);
    return 1;
}

/* For a reload: file and flags once more.  Warnings are nobody's business then. */
static int read_again(void *user, struct nj_options *o_out, struct nj_buf *text_out)
{
    const struct cli *c = user;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_buf warnings, errors;
    nj_options_init(o_out);
    nj_buf_init(&warnings, SIZE_MAX);
    nj_buf_init(&errors, SIZE_MAX);
    int rc = nj_flags_apply_own(&c->flags, o_out, &err);
    if (rc >= 0) {
        rc = c->hooks->load_options(c->options.config_file, o_out, &warnings, &errors);
        if (rc < 0) {
            (void) nj_buf_append(text_out, errors.ptr, errors.len);
            goto out;
        }
    }
    if (rc < 0 || (rc = nj_flags_apply(&c->flags, o_out, &err)) < 0 ||
        (rc = nj_cli_check_start(o_out, &err)) < 0) {
        (void) nj_buf_puts(text_out, err.text);
    }
out:
    nj_buf_free(&warnings);
    nj_buf_free(&errors);
    return rc < 0 ? rc : NJ_OK;
}

static int start(struct cli *c, const char *path)
{
    struct nj_error err = NJ_ERROR_INIT;
    nj_control_hold_signals();
    int status = path != NULL ? load_file(c, path, false) : GO_ON;
    if (status != GO_ON) {
        return status;
    }
    if (nj_flags_apply(&c->flags, &c->options, &err) < 0) {
        return fail(c, err.text);
    }
    status = check_tls(c);
    if (status != GO_ON) {
        return status;
    }
    if (nj_cli_check_start(&c->options, &err) < 0) {
        return fail(c, err.text);
    }
    status = refuse_unserved(c);
    if (status != GO_ON) {
        return status;
    }
    status = open_log(&c->options);
    if (status != GO_ON) {
        return status;
    }
    const struct nj_options_source again = { .user = c, .read = read_again };
    status = c->hooks->run_server(&c->options, &again);
    nj_log_close();
    return status;
}

static int run(struct cli *c, int argc, char **argv)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_flags_parse(argc, argv, &c->flags, &err) < 0) {
        (void) fprintf(stderr, "%s\n", err.text);
        return print_help(c); /* status 0, as the reference has it */
    }
    int status = do_simple(c);
    if (status != GO_ON) {
        return status;
    }
    const char *path = nj_flags_text(&c->flags, NJ_FLAG_CONFIG);
    if (nj_flags_apply_own(&c->flags, &c->options, &err) < 0) {
        return fail(c, err.text);
    }
    if (nj_flags_on(&c->flags, NJ_FLAG_LIST_PLUGINS)) {
        return list_plugins(c, path);
    }
    if (nj_flags_on(&c->flags, NJ_FLAG_CHECK)) {
        return check_file(c, path);
    }
    return start(c, path);
}

int nj_cli_run(int argc, char **argv, const struct nj_cli_hooks *hooks)
{
    struct cli c = { .program = nj_program_name(argc > 0 ? argv[0] : NULL), .hooks = hooks };
    nj_options_init(&c.options);
    int status = run(&c, argc, argv);
    nj_options_free(&c.options);
    nj_flags_free(&c.flags);
    (void) fflush(stdout);
    return status;
}
