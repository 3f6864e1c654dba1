/* cli.h: from argv to a running server, in the reference's order of evaluation. */
#ifndef NJ_OPS_CLI_H
#define NJ_OPS_CLI_H

struct nj_buf;
struct nj_error;
struct nj_options;
struct nj_options_source;

/* What the command line asks others for.  All on the main thread; no other thread exists yet. */
struct nj_cli_hooks {
    /*
     * Read the file into `o`, which has its defaults and our own flags.  Complaints go to
     * `warnings` and `errors`: those with a position as "<file>:<line>:<col>: <text>" and a
     * newline each, one without a position (no such file, parse error) bare and without newline.
     * NJ_OK when `errors` stayed empty.
     */
    int (*load_options)(const char *path, struct nj_options *o, struct nj_buf *warnings,
                        struct nj_buf *errors);

    /*
     * Load the providers and certificates that `o` names, to find faults before anything starts;
     * also under -t, where `o` is the file alone.  NULL: nothing to do.
     */
    int (*check_tls)(const struct nj_options *o, struct nj_error *err);

    /* The label of the default provider's FIPS module, for --version.  Static; NULL: not asked. */
    const char *(*fips_label)(const struct nj_options *o);

    /* Print the listing to standard output; returns the exit status. */
    int (*list_plugins)(const struct nj_options *o);

    /* Serve until told to stop; the log is open.  `again` reads the file and lays the flags over it
     * as at start, for a reload.  Returns the exit status. */
    int (*run_server)(const struct nj_options *o, const struct nj_options_source *again);
};

/* Returns the exit status.  Secrets in argv are overwritten. */
int nj_cli_run(int argc, char **argv, const struct nj_cli_hooks *hooks);

/* Options that contradict each other: what a start looks at and -t does not. */
int nj_cli_check_start(const struct nj_options *o, struct nj_error *err);

#endif
