/*
 * match_cache.h: literal subject -> who gets it, misses included.
 *
 * Belongs to one worker.  A hit costs a hash and a compare.  Bounded: a fixed number of places,
 * and a limit on the bytes of all results; what does not fit is matched anew each time.
 * An entry is good while the account's index has the generation it was made from.
 */
#ifndef NJ_BROKER_MATCH_CACHE_H
#define NJ_BROKER_MATCH_CACHE_H
#include <stddef.h>
#include <stdint.h>

#include "broker/index.h"

struct nj_account;
struct nj_match_cache;

/* places: rounded up to a power of two; 0 turns the cache off. */
struct nj_match_cache *nj_match_cache_new(size_t places, size_t max_bytes);
void nj_match_cache_free(struct nj_match_cache **cp);

/* The match, from the cache or made now.  Valid until the next call or the end of the turn. */
const struct nj_match *nj_match_cache_get(struct nj_match_cache *c, const struct nj_account *account,
                                          const char *subject, size_t len);

struct nj_match_cache_stats {
    uint64_t lookups;
    uint64_t hits;
    uint64_t entries;
    size_t bytes;
};
void nj_match_cache_stats(const struct nj_match_cache *c, struct nj_match_cache_stats *out);

#endif
