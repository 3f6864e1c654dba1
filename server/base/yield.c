#include "base/yield.h"

#ifdef NJ_DEBUG
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/random.h"

#define SPIN_MOST 2000

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t seed;                /* immutable after once; 0: never yield */
static _Atomic uint64_t threads;     /* each thread walks a sequence of its own */
static _Thread_local uint64_t state; /* 0: not begun */

static void read_seed(void)
{
    const char *text = getenv("NJ_YIELD_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : 0;
}

static void spin(uint32_t rounds)
{
    volatile uint32_t i = 0;
    while (i < rounds) {
        i++;
    }
}

void nj_yield(void)
{
    (void) pthread_once(&once, read_seed);
    if (seed == 0) {
        return;
    }
    if (state == 0) {
        state = (seed + atomic_fetch_add(&threads, 1)) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    }
    uint32_t r = nj_fast_random(&state);
    if (r % 4 == 0) {
        (void) sched_yield();
    } else if (r % 4 == 1) {
        spin((r >> 8) % SPIN_MOST);
    }
}
#else
typedef int nj_yield_unit_is_not_empty;
#endif
