/*
 * ocsp_staple.h: keeps a fresh OCSP response with the first certificate of a `tls` block.
 *
 *   mode     staples when           no response at start   revoked or unknown   found later
 *   auto     the cert. must staple  refuse                 start anyway         go on, log
 *   must     the cert. must staple  refuse                 refuse               stop the server
 *   always   always                 refuse                 refuse               stop the server
 *   never    never
 *
 * A response comes from <store_dir>/ocsp/<SHA-256 of the certificate> when one of now lies there,
 * else from the responders, each in turn.  It is asked for again after half of the time that the
 * last one is good for; after a day when it does not say; two minutes later once it is over.
 * Whatever its status, the last good answer is what peers get, until another one comes.
 *
 * The first answer is waited for by the start; after it a thread of its own asks, judges and puts
 * the new one in place, so neither workers nor the control thread ever wait for a responder.
 */
#ifndef NJ_TLS_OCSP_STAPLE_H
#define NJ_TLS_OCSP_STAPLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_buf;
struct nj_staple;
struct nj_tls_block;
struct nj_tls_setup;

enum nj_ocsp_mode { NJ_OCSP_UNSET = 0, /* as AUTO */ NJ_OCSP_AUTO, NJ_OCSP_ALWAYS, NJ_OCSP_MUST, NJ_OCSP_NEVER };

struct nj_staple_config {
    enum nj_ocsp_mode mode;
    const char *const *urls; /* in place of the certificate's own; copied */
    size_t urls_n;
    const char *store_dir;      /* NULL: kept in memory only; copied */
    struct nj_tls_setup *setup; /* made with `staples`; the object takes a reference */
    const char *provider_name;  /* for messages */
    const char *kind;           /* "Client", for log lines; static */
    void (*revoked)(void *user); /* any thread, once: stop the server (must, always) */
    void *user;
};

/*
 * Decide whether to staple at all: *staple_out is NULL when not.  NJ_OK, or negative when it is
 * wanted and cannot be: the provider lacks it, no issuer is known ("no issuers found").  When not,
 * the setup forgets its keys.
 */
int nj_staple_new(const struct nj_staple_config *config, struct nj_staple **staple_out,
                  struct nj_error *err);

/*
 * Get the first response and put it in place; blocks, 30 s for each try.  Negative when the mode
 * refuses to start without a good one; the whole reason is appended to `why` (it may have lines):
 *   bad OCSP status update for certificate at 's.pem': exhausted ocsp servers: …
 *   found existing OCSP status for certificate at 's.pem': revoked
 */
int nj_staple_first(struct nj_staple *s, struct nj_buf *why);

/*
 * In place of nj_staple_first() when there is no time to wait: take over what `former` (NULL: none)
 * sends for the same certificate and issuer, else what lies in store_dir.  Without either, the
 * thread asks at once.
 */
void nj_staple_follow(struct nj_staple *s, struct nj_staple *former);

/* Let another setup send the same responses: made with `staples` of the same block.  Before
 * nj_staple_start(); takes a reference. */
int nj_staple_also(struct nj_staple *s, struct nj_tls_setup *setup, struct nj_error *err);

/* Log what there is and start the thread. */
void nj_staple_start(struct nj_staple *s);

/* Stop asking and free; what is in place stays in place.  May have to wait for the look-up of a
 * responder's name. */
void nj_staple_stop(struct nj_staple **sp);

/* When to ask again, in ns from now; the rule above, given `next_update_s` (0: none). */
int64_t nj_staple_delay_ns(int64_t next_update_s, int64_t now_ns);

#endif
