/*
 * route.h: from one publish to the subscriptions that get it.
 *
 * Every plain subscription gets a copy; of each queue group one member does: a random start, then
 * around until one takes it.  Echo and auto-unsubscribe are decided here, permissions and bytes by
 * the caller's vtable.  On the way of a message: no lock, no allocation.
 */
#ifndef NJ_BROKER_ROUTE_H
#define NJ_BROKER_ROUTE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_match;
struct nj_sub;

struct nj_route_sink {
    /* Take one copy.  False: this one cannot (a queue walk then goes on).  `in_queue`: it was
     * chosen as a member of its group. */
    bool (*deliver)(void *user, struct nj_sub *sub, bool in_queue);
    void *user;
};

struct nj_route_from {
    uint64_t cid; /* the publisher */
    bool echo;    /* false: its own subscriptions are passed over */
    uint64_t *random;
};

/* Number of deliveries. */
size_t nj_route(const struct nj_match *match, const struct nj_route_from *from,
                const struct nj_route_sink *sink);

/*
 * Only the group called `queue`: for a message whose chosen member has gone meanwhile.
 * True when a member took it.
 */
bool nj_route_group(const struct nj_match *match, const char *queue, size_t queue_len,
                    const struct nj_route_from *from, const struct nj_route_sink *sink);

#endif
