/* startlog.h: the lines a start writes, in the reference's order and words. */
#ifndef NJ_OPS_STARTLOG_H
#define NJ_OPS_STARTLOG_H
#include <stdbool.h>
#include <stdint.h>

struct nj_options;

/* What the options do not know.  Borrowed for the call. */
struct nj_startlog {
    const char *server_id;    /* 56 characters */
    const char *cluster_name; /* NULL: not clustered */
    const char *git_commit;   /* 7 hex digits; NULL: "[not set]" */
    const char *fips;         /* the provider's label of its module; NULL: "none" */
    const char *library;      /* "wolfSSL 5.5.4"; NULL: no provider */
};

/*
 * "Starting nats-server" down to the warnings about the configuration; comes before anything
 * listens.  The name "nats-server" stays: tools look for these lines.
 */
void nj_startlog_begin(const struct nj_options *o, const struct nj_startlog *s);

/* "Listening for client connections on h:p" and what TLS does there; `port` is the real one. */
void nj_startlog_listening(const struct nj_options *o, const char *host, int port);

/* "Server is ready". */
void nj_startlog_ready(void);

/* False for a bcrypt hash, which may be shown. */
bool nj_password_is_plain(const char *value);

#endif
