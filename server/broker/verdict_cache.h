/*
 * verdict_cache.h: what permissions said about a subject the last time.
 *
 * Belongs to one worker and serves all its clients.  A key is the number of what was asked (never
 * used twice in a process, so nothing has to be dropped when permissions go) and the subject.
 * Bounded: a fixed number of places of fixed size, made when the first verdict is kept; a long
 * subject is asked about anew each time, a newcomer takes the place of whoever is there.
 */
#ifndef NJ_BROKER_VERDICT_CACHE_H
#define NJ_BROKER_VERDICT_CACHE_H
#include <stddef.h>
#include <stdint.h>

struct nj_verdict_cache;

struct nj_verdict_cache *nj_verdict_cache_new(void);
void nj_verdict_cache_free(struct nj_verdict_cache **cp);

/* 0 to 255, or -1 when it is not known.  id is not 0. */
int nj_verdict_cache_get(struct nj_verdict_cache *c, uint64_t id, const char *subject, size_t len);
/* After a get() that did not know, with nothing in between. */
void nj_verdict_cache_put(struct nj_verdict_cache *c, uint64_t id, const char *subject, size_t len,
                          uint8_t verdict);

#endif
