/*
 * payload.h: bytes shared by reference between connections and workers.  Immutable once shared;
 * the count is atomic.
 */
#ifndef NJ_BASE_PAYLOAD_H
#define NJ_BASE_PAYLOAD_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct nj_payload {
    _Atomic uint32_t refs;
    uint32_t len;
    uint8_t bytes[];
};

struct nj_payload *nj_payload_new(size_t len); /* one reference, bytes not set */
void nj_payload_ref(struct nj_payload *p);
void nj_payload_unref(struct nj_payload *p); /* NULL is fine */

#endif
