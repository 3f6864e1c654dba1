/*
 * recheck.h: what a reload asks of the connections that are already there.
 *
 * Called by the control thread after nj_hub_serve(); each worker looks at its own clients on its
 * own thread, and the call returns when all have done so.
 */
#ifndef NJ_PEER_RECHECK_H
#define NJ_PEER_RECHECK_H
#include <stdint.h>

struct nj_hub;

/*
 * Close clients chosen at random until no more than `most` are left (below 0: none), each with
 * -ERR 'maximum connections exceeded'.  Returns how many were closed.
 */
int64_t nj_hub_close_excess(struct nj_hub *hub, int64_t most);

/*
 * Ask of everybody whether it is still welcome (nj_auth_recheck): one whose user is no more is
 * closed without a word, one whose credentials are no longer good gets -ERR 'Authorization
 * Violation', the others have the permissions of now.  Whoever has not said CONNECT is judged by
 * it, unless it was told that nobody would ask.
 */
void nj_hub_recheck_credentials(struct nj_hub *hub);

/*
 * pinned_certs have changed: close whoever shows no certificate of the new set, as "TLS Handshake
 * Failure".  Returns how many were closed; an empty set closes nobody.
 */
int64_t nj_hub_recheck_pins(struct nj_hub *hub);

#endif
