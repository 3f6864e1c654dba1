/*
 * offer.h: which versions, suites and groups of a `tls` block are on with a given provider.
 *
 *   cipher_suites is the list of what is allowed, most wanted first; but when it names no suite of
 *   TLS 1.3, all of those stay on, with a warning, unless strict_ciphers says that TLS 1.3 is off
 *   then.  Where the library lets the client's order decide, a warning says so.
 *   A suite that was named and that the provider lacks is refused.
 *   A group that the provider lacks is dropped, with a debug note from the default list and a
 *   warning when it was named; refused when none of those named remains.
 *   Under require_fips the defaults are narrowed to what is approved.
 *
 * An offer is a struct nj_tls_settings in which these alone are filled.
 */
#ifndef NJ_TLS_OFFER_H
#define NJ_TLS_OFFER_H
#include "natterjack/tls.h"

struct nj_tls_setup_args;

/* Fill it; it owns its arrays (nj_tls_offer_fini, on failure too). */
int nj_tls_offer_make(const struct nj_tls_setup_args *args, struct nj_tls_settings *offer,
                      struct nj_error *err);
void nj_tls_offer_fini(struct nj_tls_settings *offer);

/*
 * Any thread.  After a handshake: are the version, suite and group that the library chose among
 * those that are on?  NJ_OK, or NJ_E_DENIED with class, alert and words.
 */
int nj_tls_offer_allows(const struct nj_tls_settings *offer, const struct nj_tls_info *info,
                        struct nj_error *err);

#endif
