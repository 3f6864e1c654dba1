/* random.h: bytes from the operating system, and a fast generator that is no secret. */
#ifndef NJ_BASE_RANDOM_H
#define NJ_BASE_RANDOM_H
#include <stddef.h>
#include <stdint.h>

/*
 * For identities, nonces and keys: getrandom(2), or what nj_random_use() put in its place; any
 * thread.  Ends the process when there is none: a guessable one is worse than no server.
 */
void nj_random(void *out, size_t len);

/*
 * For seeds of hash tables and of nj_fast_random(): getrandom(2), always; any thread.  They keep
 * peers from building collisions and are nobody's secret for long.
 */
void nj_seed(void *out, size_t len);

/* Main thread, before others start.  `source` gives 0 or negative; NULL: getrandom again. */
void nj_random_use(int (*source)(uint8_t *out, size_t len));

/* xorshift for choices that nobody may need to guess (queue members).  `state` belongs to one
 * thread and is never 0. */
static inline uint32_t nj_fast_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return (uint32_t) (x >> 32);
}

#endif
