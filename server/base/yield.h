/*
 * yield.h: a place where threads may be made to meet.
 *
 * NJ_YIELD() stands where one worker's work becomes visible to another: pushing into an inbox,
 * handing batches over, draining.  In debug builds it sometimes gives the processor away or spins
 * for a moment, by a generator that NJ_YIELD_SEED=<number> in the environment seeds (0 or absent:
 * never), so that tests see more interleavings than chance brings.  Otherwise it is nothing.
 */
#ifndef NJ_BASE_YIELD_H
#define NJ_BASE_YIELD_H

#ifdef NJ_DEBUG
void nj_yield(void); /* any thread */
#define NJ_YIELD() nj_yield()
#else
#define NJ_YIELD() ((void) 0)
#endif

#endif
