/*
 * pair.h: two TLS ends over memory, made from any two providers.
 *
 * The kit is a second host: it loads a provider by path (or takes a table), counts what the
 * provider allocates through the host, keeps its log lines, and moves ciphertext between an
 * accepting and a dialling end in pieces of a chosen size.  It knows no TLS library.
 *
 * Each pair belongs to one thread at a time; providers, files and settings are made by one thread.
 */
#ifndef NJ_TESTS_ABI_PAIR_H
#define NJ_TESTS_ABI_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "natterjack/tls.h"

/* ---- providers ------------------------------------------------------------------------------ */

#define NJ_KIT_PROVIDERS_MAX 8

struct nj_kit_provider {
    char label[32];
    const struct nj_tls_provider *tls;
    const struct nj_plugin *plugin; /* NULL when the table is linked in */
    int loaded;                     /* 1 when fini() is ours to call */
};

/* Open the object at `path`, check its descriptor and run init(); label NULL: its own name. */
int nj_kit_provider_load(struct nj_kit_provider *p, const char *label, const char *path,
                         struct nj_error *err);
/* The same for a table that is linked in. */
int nj_kit_provider_use(struct nj_kit_provider *p, const char *label,
                        const struct nj_tls_provider *tls, struct nj_error *err);
void nj_kit_provider_fini(struct nj_kit_provider *p);
/*
 * Load all of NJ_ABI_PROVIDERS ("gnutls=/a/nj_tls_gnutls.so wolfssl=/b/…"), or, when that is not
 * set, the two shipped ones as far as they lie in NJ_TEST_PLUGIN_DIR; returns how many.
 * Ends the process with a message when one of them cannot be loaded.
 */
size_t nj_kit_providers_from_env(struct nj_kit_provider *list, size_t max);

/* ---- the host ------------------------------------------------------------------------------- */

const struct nj_host *nj_kit_host(void);
/* Blocks that came from host->alloc and are not given back yet; allocations so far. */
long nj_kit_host_live(void);
long nj_kit_host_allocs(void);
/* Was a line with this text logged since the last clear? */
int nj_kit_log_has(const char *part);
size_t nj_kit_log_count(void);
void nj_kit_log_clear(void);
/* What now_s() says: 0 = the real clock. */
void nj_kit_clock_set(int64_t now_s);

/* ---- certificates --------------------------------------------------------------------------- */

/* DER files of tests/corpus/abi: in NJ_ABI_CORPUS, else under NJ_TEST_SRCDIR. */
struct nj_kit_cred {
    struct nj_span certs[2];
    struct nj_tls_key key;
    struct nj_tls_identity identity;
    const struct nj_tls_identity *list[1]; /* for settings.identities */
    char label[64];
};

/* Files that a program carries inside; looked at before the others.  The last has no name. */
struct nj_kit_embedded {
    const char *name;
    struct nj_span bytes;
};
void nj_kit_files_use(const struct nj_kit_embedded *list);

/* Kept until the end of the process.  Ends it when a file is missing. */
struct nj_span nj_kit_file(const char *name);
/* <name>.crt, then <issuer>.crt when not NULL, and <name>.key. */
void nj_kit_cred_load(struct nj_kit_cred *cred, const char *name, const char *issuer);

/* ---- settings ------------------------------------------------------------------------------- */

/*
 * TLS 1.2 to 1.3, the secure suites and the three groups that every provider has, AES-128 and
 * X25519 first, the kit's CA as only anchor, the kit's hook, no client certificates, no tickets.
 * `cred` may be NULL.  Tests change members before nj_kit_pair_open().
 */
void nj_kit_settings_accept(struct nj_tls_settings *set, const struct nj_kit_cred *cred);
void nj_kit_settings_dial(struct nj_tls_settings *set, const struct nj_kit_cred *cred);
void nj_kit_settings_version(struct nj_tls_settings *set, uint16_t version);

/* ---- ends and pairs ------------------------------------------------------------------------- */

/* Ciphertext on its way; a sink that never refuses. */
struct nj_kit_wire {
    struct nj_sink sink; /* first */
    uint8_t *buf;
    size_t len;
    size_t cap;
    size_t taken; /* the reader has had this much */
    size_t total; /* bytes ever committed */
    size_t room;  /* of the last reserve() */
};

void nj_kit_wire_init(struct nj_kit_wire *w);
void nj_kit_wire_free(struct nj_kit_wire *w);
size_t nj_kit_wire_left(const struct nj_kit_wire *w);

/* What the hook was told, and what it shall answer. */
struct nj_kit_judge {
    int calls;
    uint32_t judge;
    uint32_t cls;
    uint32_t version;
    uint32_t resumed;
    size_t chain_n;
    size_t path_n;
    char name[64];
    struct nj_span leaf; /* compared inside the call only: a copy */
    uint8_t leaf_copy[2048];
    /* the answer */
    int refuse; /* 0: accept whatever was found; 1: refuse as below; 2: accept when cls is 0 */
    uint32_t refuse_cls;
    int32_t refuse_alert;
    const char *refuse_text;
};

struct nj_kit_end {
    const struct nj_tls_provider *tls;
    struct nj_tls_ctx *ctx;
    struct nj_tls_session *sess;
    struct nj_kit_wire out; /* what this end has written */
    struct nj_kit_judge judge;
    int rc;              /* of the last handshake(): NJ_NEED_IN at first */
    int open_rc;         /* of the last open() */
    struct nj_error err; /* filled when rc or open_rc is NJ_E_FAILED */
    uint8_t *plain;      /* what open() gave */
    size_t plain_len;
    size_t plain_cap;
};

struct nj_kit_pair {
    struct nj_kit_end server;
    struct nj_kit_end client;
    size_t chunk; /* ciphertext bytes a call gets at most; 0 = all there is */
};

/* Contexts and sessions of both ends.  NJ_OK, or negative with `err`. */
int nj_kit_pair_open(struct nj_kit_pair *pair, const struct nj_tls_provider *server,
                     const struct nj_tls_settings *server_set, const struct nj_tls_provider *client,
                     const struct nj_tls_settings *client_set, const char *name, size_t chunk,
                     struct nj_error *err);
/* Sessions only, from contexts that the caller keeps. */
int nj_kit_pair_open_ctx(struct nj_kit_pair *pair, const struct nj_tls_provider *server,
                         struct nj_tls_ctx *server_ctx, const struct nj_tls_provider *client,
                         struct nj_tls_ctx *client_ctx, const char *name, size_t chunk,
                         struct nj_error *err);
void nj_kit_pair_free(struct nj_kit_pair *pair);

/*
 * Give `end` the next piece of what `peer` has written, at most `chunk` bytes (0: all): through
 * handshake() until that is done, then through open().  1 when something moved.
 */
int nj_kit_end_step(struct nj_kit_end *end, struct nj_kit_end *peer, size_t chunk);
/*
 * Handshake until both are done or nothing moves; alerts are carried to the other end, and what
 * follows the handshake (tickets, an alert after it) goes through open().
 * NJ_OK when both ends finished and none failed afterwards, else NJ_E_FAILED.
 */
int nj_kit_pair_handshake(struct nj_kit_pair *pair);
/* One side seals; returns what seal() said. */
int nj_kit_end_send(struct nj_kit_end *end, const void *bytes, size_t len);
/*
 * Give `end` all that `peer` has written, in pieces; plaintext is appended to end->plain.
 * The last result: NJ_NEED_IN (or NJ_OK), NJ_E_CLOSED or NJ_E_FAILED.
 */
int nj_kit_end_receive(struct nj_kit_end *end, struct nj_kit_end *peer, size_t chunk);
/* Take `len` bytes of plaintext out of end->plain and compare; 1 when equal. */
int nj_kit_end_take(struct nj_kit_end *end, const void *expect, size_t len);
/* Raw bytes into a handshake or a running session, as if the peer had written them. */
void nj_kit_end_inject(struct nj_kit_end *from, const void *bytes, size_t len);

/* The alert in a plain (unencrypted) alert record at the start of what is left: -1 when none. */
int32_t nj_kit_wire_plain_alert(const struct nj_kit_wire *w);

#endif
