/*
 * flags.h: the command line, in the reference's grammar.
 *
 * One or two dashes are alike, a value is the next argument or follows `=`, booleans take a value
 * only after `=`, nothing is abbreviated or combined, and the first plain word or `--` ends the
 * flags.  Parsing and applying are two steps: the file is read between them and the flags are laid
 * over what it said.
 */
#ifndef NJ_OPS_FLAGS_H
#define NJ_OPS_FLAGS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_error;
struct nj_options;

enum nj_flag {
    NJ_FLAG_HOST,
    NJ_FLAG_PORT,
    NJ_FLAG_NAME,
    NJ_FLAG_PID_FILE,
    NJ_FLAG_HTTP_PORT,
    NJ_FLAG_HTTPS_PORT,
    NJ_FLAG_CONFIG,
    NJ_FLAG_CHECK,
    NJ_FLAG_SIGNAL,
    NJ_FLAG_CLIENT_ADVERTISE,
    NJ_FLAG_PORTS_FILE_DIR,
    NJ_FLAG_LOG_FILE,
    NJ_FLAG_LOGTIME,
    NJ_FLAG_LOGTIME_UTC,
    NJ_FLAG_SYSLOG,
    NJ_FLAG_REMOTE_SYSLOG,
    NJ_FLAG_DEBUG,
    NJ_FLAG_TRACE,
    NJ_FLAG_DV,
    NJ_FLAG_DVV,
    NJ_FLAG_VV,
    NJ_FLAG_LOG_SIZE_LIMIT,
    NJ_FLAG_MAX_TRACED_MSG_LEN,
    NJ_FLAG_JETSTREAM,
    NJ_FLAG_STORE_DIR,
    NJ_FLAG_USER,
    NJ_FLAG_PASS,
    NJ_FLAG_AUTH,
    NJ_FLAG_TLS,
    NJ_FLAG_TLS_VERIFY,
    NJ_FLAG_TLS_CERT,
    NJ_FLAG_TLS_KEY,
    NJ_FLAG_TLS_CA,
    NJ_FLAG_ROUTES,
    NJ_FLAG_CLUSTER,
    NJ_FLAG_CLUSTER_NAME,
    NJ_FLAG_CLUSTER_ADVERTISE,
    NJ_FLAG_NO_ADVERTISE,
    NJ_FLAG_CONNECT_RETRIES,
    NJ_FLAG_PROFILE,
    NJ_FLAG_HELP,
    NJ_FLAG_VERSION,
    NJ_FLAG_HELP_TLS,
    /* natterjack's own */
    NJ_FLAG_TLS_PROVIDER,
    NJ_FLAG_PLUGIN_DIR,
    NJ_FLAG_WORKERS,
    NJ_FLAG_LIST_PLUGINS,
    NJ_FLAG_LATER, /* --tls-check and its kin: known, refused */
    NJ_FLAG_COUNT
};

/* The last value given; `on`, `number` or `text` by the flag's type. */
struct nj_flag_value {
    bool given;
    bool on;
    int64_t number;
    char *text;
};

struct nj_flags {
    struct nj_flag_value v[NJ_FLAG_COUNT];
    char **plugin_dirs; /* every --plugin_dir, in order */
    size_t plugin_dirs_n;
    const char *later; /* the first known flag that is not available yet, as in the table; NULL */
    char *word;        /* the first plain word; NULL when there is none */

    /* All arguments with secrets as "[REDACTED]", for /debug/vars. */
    char **public_args;
    size_t public_args_n;
};

/*
 * Read argv[1..].  The values of --pass and --auth are copied and then overwritten in argv, so
 * that they do not stay visible in the process list.
 * NJ_OK, or NJ_E_INVALID with the reference's sentence ("flag provided but not defined: -nope").
 * `f` needs nj_flags_free() in either case.
 */
int nj_flags_parse(int argc, char **argv, struct nj_flags *f, struct nj_error *err);
void nj_flags_free(struct nj_flags *f);

/* Was a boolean flag given and is it on? */
bool nj_flags_on(const struct nj_flags *f, enum nj_flag id);

/* The text of a string flag, NULL when it was not given or is empty. */
const char *nj_flags_text(const struct nj_flags *f, enum nj_flag id);

/*
 * Lay the flags that were given over `o`.  Flags that are known but not served are added to
 * o->unserved.  NJ_E_INVALID when flags contradict each other (TLS without a certificate).
 */
int nj_flags_apply(const struct nj_flags *f, struct nj_options *o, struct nj_error *err);

/*
 * The part of it that a check of the file needs too: provider, plug-in directories, workers.
 * NJ_E_INVALID when a value is out of range.
 */
int nj_flags_apply_own(const struct nj_flags *f, struct nj_options *o, struct nj_error *err);

#endif
