#include "base/trim.h"

#include <stdatomic.h>
#include <stdint.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define WORTH_IT (UINT64_C(8) << 20)
#define CALM (UINT64_C(1) << 20) /* freed between two looks */

static _Atomic uint64_t noted; /* atomic, relaxed: a hint */
static uint64_t trimmed_at, seen;

void nj_trim_init(void)
{
#ifdef __GLIBC__
    (void) mallopt(M_MXFAST, 0);
#endif
}

void nj_trim_note(size_t bytes)
{
    (void) atomic_fetch_add_explicit(&noted, bytes, memory_order_relaxed);
}

bool nj_trim_when_calm(void)
{
    uint64_t now = atomic_load_explicit(&noted, memory_order_relaxed);
    bool calm = now - seen < CALM;
    seen = now;
    if (!calm || now - trimmed_at < WORTH_IT) {
        return false;
    }
    trimmed_at = now;
#ifdef __GLIBC__
    (void) malloc_trim(0);
#endif
    return true;
}
