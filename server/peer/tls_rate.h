/*
 * tls_rate.h: connection_rate_limit: how many TLS handshakes may begin within one second.
 *
 * A window of a second opens with the first handshake after the one before has ended; all beyond
 * the limit within it are refused.  One counter for all workers, without a lock: any thread.
 */
#ifndef NJ_PEER_TLS_RATE_H
#define NJ_PEER_TLS_RATE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct nj_tls_rate {
    int64_t limit;            /* handshakes in a window; 0 and less: no limit; immutable */
    _Atomic uint64_t window;  /* when it opened, in milliseconds, and the count: see tls_rate.c */
    _Atomic uint64_t refused; /* since they were last taken */
};

/* May a handshake begin now?  `now_us`: the monotonic clock.  A refusal is counted. */
bool nj_tls_rate_allow(struct nj_tls_rate *rate, int64_t now_us);

/* How many were refused since the last call. */
uint64_t nj_tls_rate_take_refused(struct nj_tls_rate *rate);

#endif
