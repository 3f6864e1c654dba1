/*
 * block.h: a `tls` block and a provider make a setup: contexts ready for sessions, and all that the
 * server itself must know about them.
 *
 * A setup is immutable and counted.  Every connection holds a reference, so a reload makes a new
 * one and the old one ends with its last connection.
 */
#ifndef NJ_TLS_BLOCK_H
#define NJ_TLS_BLOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"
#include "tls/pins.h"
#include "tls/tls_block.h"
#include "tls/print.h"
#include "tls/verify.h"

struct nj_hello;
struct nj_tls_contexts;
struct nj_tls_material;

/* Something a person should know although it works.  `level` is NJ_LOG_DEBUG or NJ_LOG_WARN. */
typedef void (*nj_tls_note_fn)(uint32_t level, const char *text);

struct nj_tls_setup {
    _Atomic uint32_t refs; /* atomic */
    /* all else: immutable */
    const struct nj_tls_provider *provider;
    struct nj_tls_contexts *contexts; /* one for each certificate: nj_tls_setup_pick() */
    struct nj_tls_policy policy;      /* verify_user of the contexts */
    struct nj_pins pins;
    uint32_t verify; /* NJ_TLS_VERIFY_* */
    bool has_cert;
    int64_t not_after_s; /* of the first certificate; 0 without one */
    bool tickets;
    bool ocsp_peer; /* ask about certificates of peers, by ocsp_rules */
    struct nj_ocsp_rules ocsp_rules;
    uint8_t print[NJ_TLS_PRINT_LEN]; /* equal: it does the same (print.h) */
    /* Versions, suites and groups that are on, for nj_hello_judge().  The rest is empty. */
    struct nj_tls_settings offer;
};

struct nj_tls_setup_args {
    const struct nj_tls_block *block;
    const struct nj_tls_provider *provider;
    const char *provider_name; /* for messages */
    uint32_t role;             /* NJ_TLS_ROLE_*, one or both */
    const char *label;         /* for messages: "client tls block"; may be NULL */
    int64_t (*now_s)(void);    /* the clock that certificates are judged with */
    nj_tls_note_fn note;       /* NULL (under -t): nobody listens */
    bool staples; /* OCSP responses may come: the first certificate's key stays in memory */
};

/*
 * Load the files, choose suites and groups, build a context for each certificate, wipe the keys.
 * offer.h says which suites and groups are on.
 * On failure err->text has the reference's words where it has them (see material.h).
 */
int nj_tls_setup_new(const struct nj_tls_setup_args *args, struct nj_tls_setup **setup_out,
                     struct nj_error *err);
struct nj_tls_setup *nj_tls_setup_ref(struct nj_tls_setup *setup); /* any thread */
void nj_tls_setup_unref(struct nj_tls_setup **setupp);             /* any thread; sets NULL */

/*
 * Any thread.  After a handshake: are the version, suite and group that the library chose among
 * those that are on?  Whatever a provider promises, nothing else passes.  NJ_OK, or NJ_E_DENIED
 * with class, alert and words.
 */
int nj_tls_setup_allows(const struct nj_tls_setup *setup, const struct nj_tls_info *info,
                        struct nj_error *err);

/* With `staples`: send this OCSP response with the first certificate from now on.  One thread at a
 * time; handshakes may go on. */
int nj_tls_setup_staple(struct nj_tls_setup *setup, struct nj_span response, struct nj_error *err);
/* With `staples`: there will be none, wipe the keys. */
void nj_tls_setup_forget(struct nj_tls_setup *setup);
/* With `staples`: what the block's files hold. */
const struct nj_tls_material *nj_tls_setup_material(const struct nj_tls_setup *setup);

/* Another setup took its place: keys and secrets that only new contexts would need are wiped.  Once,
 * by whoever has a reference; handshakes and sessions that began with it go on. */
void nj_tls_setup_retire(const struct nj_tls_setup *setup);

/* Any thread.  The context for a ClientHello (NULL: what came was none), counted for the caller:
 * the certificate is chosen by name and key (choose.h). */
struct nj_tls_ctx *nj_tls_setup_pick(const struct nj_tls_setup *setup, const struct nj_hello *hello);

#endif
