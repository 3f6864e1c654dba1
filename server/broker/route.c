#include "broker/route.h"

#include <string.h>

#include "base/random.h"
#include "broker/index.h"
#include "broker/sub.h"

static bool offer(struct nj_sub *sub, bool in_queue, const struct nj_route_from *from,
                  const struct nj_route_sink *sink)
{
    if (!from->echo && sub->cid == from->cid) {
        return false;
    }
    if (!nj_sub_claim(sub)) {
        return false;
    }
    if (!sink->deliver(sink->user, sub, in_queue)) {
        nj_sub_unclaim(sub);
        return false;
    }
    return true;
}

static bool offer_group(const struct nj_match *match, const struct nj_match_group *g,
                        const struct nj_route_from *from, const struct nj_route_sink *sink)
{
    uint32_t start = (uint32_t) (((uint64_t) nj_fast_random(from->random) * g->n) >> 32);
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t at = start + i < g->n ? start + i : start + i - g->n;
        if (offer(match->subs[g->start + at], true, from, sink)) {
            return true;
        }
    }
    return false;
}

size_t nj_route(const struct nj_match *match, const struct nj_route_from *from,
                const struct nj_route_sink *sink)
{
    size_t n = 0;
    for (uint32_t i = 0; i < match->plain_n; i++) {
        n += offer(match->subs[i], false, from, sink);
    }
    for (uint32_t i = 0; i < match->groups_n; i++) {
        n += offer_group(match, &match->groups[i], from, sink);
    }
    return n;
}

bool nj_route_group(const struct nj_match *match, const char *queue, size_t queue_len,
                    const struct nj_route_from *from, const struct nj_route_sink *sink)
{
    for (uint32_t i = 0; i < match->groups_n; i++) {
        const struct nj_sub *first = match->subs[match->groups[i].start];
        if (first->queue_len == queue_len &&
            memcmp(nj_sub_queue(first), queue, queue_len) == 0) {
            return offer_group(match, &match->groups[i], from, sink);
        }
    }
    return false;
}
