#include "base/payload.h"

#include "base/alloc.h"

struct nj_payload *nj_payload_new(size_t len)
{
    struct nj_payload *p = nj_alloc(sizeof(*p) + len);
    atomic_init(&p->refs, 1);
    p->len = (uint32_t) len;
    return p;
}

void nj_payload_ref(struct nj_payload *p)
{
    (void) atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void nj_payload_unref(struct nj_payload *p)
{
    if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        nj_dealloc(p);
    }
}
