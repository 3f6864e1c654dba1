/* measure.h: what a provider costs: memory of idle sessions, allocations and time of records. */
#ifndef NJ_TESTS_ABI_MEASURE_H
#define NJ_TESTS_ABI_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"

/* Bytes in use on the heap; 0 when the C library does not tell (or a sanitizer has replaced it). */
size_t nj_kit_heap_used(void);

/*
 * Allocations so far, the library's included; 0 for ever where nobody counts.  A program that
 * wants them counted links count_malloc.c and gives its function here.
 */
typedef uint64_t (*nj_kit_count_fn)(void);
void nj_kit_measure_count_with(nj_kit_count_fn count);

/* Of one provider with itself, first suite of the kit's settings.  Negative = not known. */
struct nj_kit_cost {
    double accept_bytes; /* an idle accepting session after its handshake, peer dropped */
    double dial_bytes;
    double seal_allocs; /* for each record of 1 KiB */
    double open_allocs;
    double handshakes_per_s; /* both ends, ECDSA certificate */
    double seal_mib_per_s;   /* full records */
    double open_mib_per_s;
};

/* NJ_OK or negative with `err`. */
int nj_kit_measure(const struct nj_tls_provider *tls, uint16_t version, struct nj_kit_cost *out,
                   struct nj_error *err);

#endif
