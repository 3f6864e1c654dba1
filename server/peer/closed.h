/*
 * closed.h: the last connections that ended, for /connz?state=closed.  A ring of bounded size;
 * any thread, under a mutex of its own (connections end outside the way of a message).
 */
#ifndef NJ_PEER_CLOSED_H
#define NJ_PEER_CLOSED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_client;
struct nj_closed_ring;

/* What is remembered.  Strings belong to the ring; NULL where absent. */
struct nj_closed {
    uint64_t cid;
    const char *ip, *name, *lang, *version, *user, *account;
    uint16_t port;
    int64_t start_ns, last_ns, stop_ns, rtt_ns;
    const char *reason;
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
    uint32_t subs, stalls;
    uint64_t pending;
    uint16_t tls_version, tls_suite; /* 0: plain */
    int tls_first;
    bool by_nkey;
};

struct nj_closed_ring *nj_closed_ring_new(size_t most);
void nj_closed_ring_free(struct nj_closed_ring **rp);
void nj_closed_ring_add(struct nj_closed_ring *r, struct nj_client *c);

/* Oldest first; fn must not call back. Returns how many there are. */
size_t nj_closed_ring_each(struct nj_closed_ring *r,
                           void (*fn)(void *arg, const struct nj_closed *e), void *arg);

#endif
