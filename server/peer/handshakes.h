/*
 * handshakes.h: how the TLS handshakes of clients ended, counted by each worker.
 *
 * A worker alone writes its own, anybody may read: relaxed, statistics.
 */
#ifndef NJ_PEER_HANDSHAKES_H
#define NJ_PEER_HANDSHAKES_H
#include <stdatomic.h>
#include <stdint.h>

struct nj_error;

enum nj_handshake_end {
    NJ_HS_FULL,
    NJ_HS_RESUMED, /* with a ticket */
    /* failed */
    NJ_HS_CLOSED, /* the client left */
    NJ_HS_TIMEOUT,
    NJ_HS_NOT_TLS,        /* plain text, or garbage */
    NJ_HS_VERSION,        /* no version in common */
    NJ_HS_SUITE,          /* no cipher suite in common */
    NJ_HS_GROUP,          /* no key exchange group in common */
    NJ_HS_NO_CERTIFICATE, /* one was asked for, none came */
    NJ_HS_CERTIFICATE,    /* refused, whatever was wrong with it */
    NJ_HS_NOT_PINNED,
    NJ_HS_PEER_ALERT, /* the client refused us */
    NJ_HS_BAD_RECORD,
    NJ_HS_OTHER,
    NJ_HS_THROTTLED, /* connection_rate_limit: none was begun */
    NJ_HS_ENDS       /* how many */
};

struct nj_handshakes {
    _Atomic uint64_t n[NJ_HS_ENDS];
};

/* As the monitoring calls it: "full", "resumed", "not_tls". */
const char *nj_handshake_end_name(enum nj_handshake_end end);

/* The end that a failure with these words is. */
enum nj_handshake_end nj_handshake_end_of(const struct nj_error *err);

static inline void nj_handshakes_count(struct nj_handshakes *h, enum nj_handshake_end end)
{
    uint64_t n = atomic_load_explicit(&h->n[end], memory_order_relaxed);
    atomic_store_explicit(&h->n[end], n + 1, memory_order_relaxed);
}

#endif
