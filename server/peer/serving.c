#include "peer/serving.h"

#include <stdatomic.h>
#include <stddef.h>

#include "auth/auth.h"
#include "auth/mappers.h"
#include "base/alloc.h"
#include "peer/client_tls.h"
#include "tls/map.h"

struct nj_serving *nj_serving_new(void)
{
    struct nj_serving *s = nj_zalloc(sizeof(*s));
    atomic_init(&s->refs, 1);
    return s;
}

struct nj_serving *nj_serving_ref(struct nj_serving *s)
{
    (void) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void nj_serving_unref(struct nj_serving **sp)
{
    struct nj_serving *s = *sp;
    if (s == NULL) {
        return;
    }
    *sp = NULL;
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    nj_map_names_free(&s->map_names); /* points into auth */
    nj_auth_unref(&s->auth);
    nj_mappers_unref(&s->mappers);
    nj_tls_door_unref(&s->tls);
    nj_dealloc(s->advertise_host);
    nj_dealloc(s);
}

bool nj_serving_auth_required(const struct nj_serving *s)
{
    return s->mappers != NULL || nj_auth_required(s->auth);
}
