/*
 * options.h: every option the server runs with, after file and flags.
 *
 * A plain value: built once by nj_options_load(), read by the start, immutable afterwards.  All
 * strings and arrays belong to the struct (nj_options_free).  Durations are nanoseconds, sizes
 * bytes, times that the protocol gives in seconds carry _s.
 */
#ifndef NJ_OPS_OPTIONS_H
#define NJ_OPS_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "tls/tls_block.h"

struct nj_authmap_report;
struct nj_authmap_value;
struct nj_buf;
struct nj_perms;
struct nj_user;

/* References to users, in the order of the file. */
struct nj_user_list {
    struct nj_user **at;
    size_t n;
};

/* One of authorization { mappers: [...] }. */
struct nj_mapper_entry {
    char *plugin;
    int64_t timeout_ns; /* 0: what is left of the time for authentication */
    struct nj_authmap_value *options;
};

struct nj_options {
    char *config_file;      /* as given to -c; NULL */
    char config_digest[72]; /* "sha256:<hex>", "" without a file */

    /* identity and listener */
    char *host; /* default "0.0.0.0" */
    int port;   /* default 4222; -1 random */
    char *server_name;
    char *client_advertise;
    char **server_tags;
    size_t server_tags_n;
    char **server_metadata;   /* key, value, key, value ... */
    size_t server_metadata_n; /* strings in it: twice the pairs */
    bool no_header_support;
    char *pid_file;
    char *ports_file_dir;
    int64_t lame_duck_duration_ns; /* 2 m */
    int64_t lame_duck_grace_ns;    /* 10 s */
    bool no_sublist_cache;

    /* logging */
    bool debug, trace, trace_verbose, trace_headers;
    int64_t max_traced_msg_len; /* 0 = all */
    bool logtime, logtime_utc;  /* logtime defaults to true */
    char *log_file;

    /* limits */
    int64_t max_connections;    /* 65536; -1 none allowed (0 in the file) */
    int64_t max_subs;           /* 0 = unlimited */
    int max_sub_tokens;         /* 0 = off */
    int32_t max_control_line;   /* 4096 */
    int32_t max_payload;        /* 1 MiB */
    int64_t max_pending;        /* 64 MiB */
    int64_t ping_interval_ns;   /* 2 m */
    int ping_max;               /* 2 */
    int64_t write_deadline_ns;  /* 10 s */
    int write_timeout_retry;    /* 0 close (default), 1 retry */
    int64_t max_closed_clients; /* 10000 */
    bool no_fast_producer_stall;

    /* monitoring */
    char *http_host;
    int http_port;        /* 0 off, -1 random */
    int https_port;       /* likewise; not both */
    char *http_base_path; /* as written; default "" */

    /* authorization */
    char *user, *pass, *token; /* NULL when absent or empty */
    double auth_timeout_s;     /* 0: default (2, or TLS timeout + 1) */
    struct nj_user_list users; /* default permissions are filled in */
    char *no_auth_user;        /* name or nkey; NULL */
    struct nj_mapper_entry *mappers; /* in the order in which they are asked */
    size_t mappers_n;

    /* tls */
    struct nj_tls_block tls;
    bool allow_non_tls;
    int ocsp_mode;      /* enum nj_ocsp_mode */
    char **ocsp_urls;   /* responders, in place of the certificate's own */
    size_t ocsp_urls_n;
    bool ocsp_no_cache; /* what responders said of peers is forgotten at once */
    char *store_dir; /* NULL: nothing is kept on disk */
    char *tls_provider; /* "gnutls", else "wolfssl", when NULL */
    char **plugin_dirs; /* in order, the built-in directory not included */
    size_t plugin_dirs_n;

    /* known without effect: only a reload looks at them, to name what changed */
    int prof_port;
    int prof_block_rate;
    int connect_error_reports;   /* 3600 */
    int reconnect_error_reports; /* 1 */
    int64_t log_size_limit;      /* refused at start until it is served */
    int log_max_num;
    bool no_system_account;
    bool auth_proxy_required; /* refused at start until it is served */
    bool auth_asks;           /* a user, token or users stood there, though they may be empty */
    bool proxy_protocol;  /* refused at start until it is served */
    char **feature_flags; /* name, "true" or "false", name ...; sorted by name */
    size_t feature_flags_n; /* strings in it: twice the flags */

    /* own */
    int workers;        /* 0: CPUs allowed */
    int64_t max_memory; /* 0 off; refused at start until it is served */
    bool core_dumps;
    bool ignore_unsupported;
    bool require_fips;      /* always in a build with --enable-fips */
    char *require_fips_at;  /* "FILE:L:C" of the option; NULL without it */

    /* Blocks and options that are known but not served yet and were found in the file or among
     * the flags: each is a whole sentence for the start to refuse with, in order. */
    char **unserved;
    size_t unserved_n;
    /* What the start goes on without: each is a whole sentence for a warning. */
    char **ignored;
    size_t ignored_n;
};

/* Defaults filled in. */
void nj_options_init(struct nj_options *o);
void nj_options_free(struct nj_options *o);

/* Append a sentence; the struct keeps a copy. */
void nj_options_add_unserved(struct nj_options *o, const char *sentence);
void nj_options_add_ignored(struct nj_options *o, const char *sentence);

/* ---- from a file ---------------------------------------------------------------------------- */

/* What reading a file needs from the rest of the house.  Every function may be NULL. */
struct nj_options_hooks {
    void *user;
    /* SHA-256 of the bytes into out[32] (struct nj_tls_crypto has it); without it there is no
     * digest. */
    int (*sha256)(void *user, const void *data, size_t len, uint8_t *out);
    /*
     * Load what a complete `tls` block names, so that `-t` finds what is wrong with the files:
     * "error parsing X509 certificate/key pair: open x.pem: no such file or directory".  Asked at
     * the end of every block, those that are not served included.  `tls_provider` is what the
     * file said before the block, maybe NULL.
     */
    int (*check_tls)(void *user, const struct nj_tls_block *block, const char *tls_provider,
                     struct nj_error *err);
    /*
     * Have an auth mapper look at its options.  Negative: wrong.  `report` was told what, or `err`
     * says why the plug-in cannot be used, or nobody says anything.
     */
    int (*check_mapper)(void *user, const char *plugin, const struct nj_authmap_value *options,
                        const struct nj_authmap_report *report, struct nj_error *err);
};

/*
 * Read a configuration file into *o_out, which nj_options_init() made (flags that name options may
 * be laid over it afterwards).  `messages_out` is appended to:
 *
 *   - nothing: the file is good;
 *   - warnings alone, "FILE:L:C: text\n" each, and NJ_OK: a start prints them and goes on, `-t`
 *     fails;
 *   - warnings, then errors, in the order of the file, and a negative result;
 *   - one sentence without position and newline when the file cannot be read or parsed at all.
 *
 * The program's name in front and a last newline are the caller's.  On failure *o_out is as far as
 * it went and only good for nj_options_free().  Main thread; touches no global state.
 */
int nj_options_load(const char *path, const struct nj_options_hooks *hooks,
                    struct nj_options *o_out, struct nj_buf *messages_out);

/*
 * The same file again, with the same flags laid over it and the checks of a start: what a reload
 * reads.  Main thread.
 */
struct nj_options_source {
    void *user;
    /*
     * Into *o_out, which nj_options_init() has not seen.  NJ_OK, or negative with the complaints in
     * `text_out` as the start would print them, without the program's name; *o_out is then only
     * good for nj_options_free().  Warnings alone are no failure and are not told.
     */
    int (*read)(void *user, struct nj_options *o_out, struct nj_buf *text_out);
};

/* How long a client may take to authenticate: as set, or what follows from the TLS time-out. */
double nj_options_auth_timeout_s(const struct nj_options *o);

/*
 * What can only be judged when file and flags have been put together ("max_payload (2) cannot be
 * higher than max_pending (1)").  The first failure wins; no position.  Options that are not
 * served (`unserved`) are the caller's to refuse, after this.
 */
int nj_options_check(const struct nj_options *o, struct nj_error *err);

#endif
