/*
 * contexts.h: the contexts of one `tls` block, one for each of its certificates.
 *
 * All of them have the same settings and the same ticket secret, so a session that began with one
 * certificate can be resumed with another.  The set is made as a whole; renewing puts a new one in
 * its place while handshakes go on: a context lives as long as its last session.
 */
#ifndef NJ_TLS_CONTEXTS_H
#define NJ_TLS_CONTEXTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"

struct nj_hello;
struct nj_tls_contexts;
struct nj_tls_material;

struct nj_tls_contexts_args {
    const struct nj_tls_provider *provider;
    /* Everything but identities, anchors and tickets.  The arrays and strings in it must live as
     * long as the contexts. */
    const struct nj_tls_settings *settings;
    struct nj_tls_material *material; /* taken over, also on failure; zeroed */
    int64_t ticket_period_us; /* a new ticket secret so often; 0: no tickets */
    bool staples; /* keep the first pair with its key: nj_tls_contexts_staple() will want it */
};

/*
 * Build them.  On failure *bad_out is the place of the pair that could not be used, in the order
 * of the material.
 */
int nj_tls_contexts_new(const struct nj_tls_contexts_args *args,
                        struct nj_tls_contexts **contexts_out, size_t *bad_out,
                        struct nj_error *err);
void nj_tls_contexts_free(struct nj_tls_contexts **cp);

/*
 * Send this OCSP response (DER) with the first certificate from now on; sessions that are under
 * way keep what they have.  Needs `staples`.  One thread at a time; handshakes may go on.
 */
int nj_tls_contexts_staple(struct nj_tls_contexts *c, struct nj_span response,
                           struct nj_error *err);

/* Nobody will: the key is wiped now, unless tickets need it. */
void nj_tls_contexts_forget(struct nj_tls_contexts *c);

/* What the contexts were made from; with `staples` alone, and as long as the contexts live. */
const struct nj_tls_material *nj_tls_contexts_material(const struct nj_tls_contexts *c);

/*
 * Nobody is told to come by these any more, though connections may still have them: their secret
 * changes no more, and what a change would need, the private keys among it, is wiped.  The caller
 * has a reference to what owns them.
 */
void nj_tls_contexts_retire(struct nj_tls_contexts *c);

/*
 * Any thread.  The context for this hello (NULL: none that could be read came), counted for the
 * caller.
 */
struct nj_tls_ctx *nj_tls_contexts_pick(struct nj_tls_contexts *c, const struct nj_hello *hello);

/*
 * Change the secrets of all contexts in the process whose time has come (`now_us`: the monotonic
 * clock); returns how long until the next is due, INT64_MAX when there is none.  `note` gets a
 * sentence for each set.  One thread; contexts may come and go on others.
 */
int64_t nj_tls_tickets_tick(int64_t now_us, void (*note)(uint32_t level, const char *text));

/* How long a ticket is good when secrets change so often: two periods, and no more than a week
 * (RFC 8446 4.6.1). */
uint32_t nj_tls_ticket_lifetime_s(int64_t period_us);

#endif
