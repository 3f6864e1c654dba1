#include "peer/tls_rate.h"

#define WINDOW_MS 1000

/* The low bits count; a limit that they cannot hold is one that no machine reaches. */
#define COUNT_BITS 20
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)

static uint64_t opened_ms(uint64_t window)
{
    return window >> COUNT_BITS;
}

/* The window after one more handshake. */
static uint64_t advance(uint64_t window, uint64_t now_ms)
{
    if (window == 0 || now_ms > opened_ms(window) + WINDOW_MS) {
        return now_ms << COUNT_BITS | 1;
    }
    return (window & COUNT_MAX) < COUNT_MAX ? window + 1 : window;
}

bool nj_tls_rate_allow(struct nj_tls_rate *rate, int64_t now_us)
{
    uint64_t now_ms = (uint64_t) now_us / 1000;
    if (rate->limit <= 0 || (uint64_t) rate->limit >= COUNT_MAX) {
        return true;
    }
    uint64_t old = atomic_load_explicit(&rate->window, memory_order_relaxed);
    uint64_t next;
    do {
        next = advance(old, now_ms);
    } while (!atomic_compare_exchange_weak_explicit(&rate->window, &old, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    if ((next & COUNT_MAX) <= (uint64_t) rate->limit) {
        return true;
    }
    (void) atomic_fetch_add_explicit(&rate->refused, 1, memory_order_relaxed);
    return false;
}

uint64_t nj_tls_rate_take_refused(struct nj_tls_rate *rate)
{
    return atomic_exchange_explicit(&rate->refused, 0, memory_order_relaxed);
}
