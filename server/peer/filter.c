#include "peer/filter.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/rcu.h"
#include "broker/sub.h"
#include "broker/subject_set.h"
#include "broker/verdict_cache.h"
#include "io/worker.h"
#include "peer/hub.h"

struct nj_filter {
    struct nj_rcu_head rcu; /* first */
    struct nj_subject_set *deny;
};

static void reclaim(struct rcu_head *head)
{
    struct nj_filter *f = nj_rcu_reclaim(head);
    nj_subject_set_unref(&f->deny);
    nj_dealloc(f);
}

static struct nj_filter *filter_new(struct nj_subject_set *deny)
{
    struct nj_filter *f = nj_zalloc(sizeof(*f));
    nj_subject_set_ref(deny);
    f->deny = deny;
    return f;
}

void nj_filter_set(struct nj_slot *slot, struct nj_filter **fp, struct nj_subject_set *deny)
{
    struct nj_filter *old = *fp;
    *fp = deny != NULL ? filter_new(deny) : NULL;
    if (deny != NULL || atomic_load_explicit(&slot->shown, memory_order_relaxed) == old) {
        atomic_store_explicit(&slot->shown, *fp, memory_order_release);
    }
    if (old != NULL) {
        nj_rcu_defer(&old->rcu, reclaim);
    }
}

static unsigned kinds_of(const struct nj_filter *f, struct nj_worker *w, struct nj_text subject)
{
    struct nj_verdict_cache *cache = nj_hub_worker_of(w)->verdicts;
    uint64_t id = nj_subject_set_id(f->deny);
    int known = nj_verdict_cache_get(cache, id, subject.ptr, subject.len);
    if (known >= 0) {
        return (unsigned) known;
    }
    unsigned kinds = nj_subject_set_match(f->deny, subject.ptr, subject.len);
    nj_verdict_cache_put(cache, id, subject.ptr, subject.len, (uint8_t) kinds);
    return kinds;
}

bool nj_filter_denies(const struct nj_filter *f, struct nj_worker *w, const struct nj_sub *sub,
                      struct nj_text subject)
{
    unsigned kinds = kinds_of(f, w, subject);
    if (kinds == 0) {
        return false;
    }
    return (kinds & NJ_SET_PLAIN) != 0 ||
           (sub->queue_len > 0 && nj_subject_set_match_queue(f->deny, subject.ptr, subject.len,
                                                             nj_sub_queue(sub), sub->queue_len));
}
