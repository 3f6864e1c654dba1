#include "broker/sub.h"

#include <string.h>

#include "base/alloc.h"
#include "base/trim.h"

#define TRIM_NOTE 200 /* what a subscription takes, its places in the index included */

struct nj_sub *nj_sub_new(const char *subject, size_t subject_len, const char *queue,
                          size_t queue_len, const char *sid, size_t sid_len)
{
    struct nj_sub *s = nj_alloc(sizeof(*s) + subject_len + queue_len + sid_len + 3);
    memset(s, 0, sizeof(*s));
    s->subject_len = (uint16_t) subject_len;
    s->queue_len = (uint16_t) queue_len;
    s->sid_len = (uint16_t) sid_len;
    char *p = s->bytes;
    memcpy(p, subject, subject_len);
    p[subject_len] = '\0';
    p += subject_len + 1;
    if (queue_len > 0) {
        memcpy(p, queue, queue_len);
    }
    p[queue_len] = '\0';
    p += queue_len + 1;
    memcpy(p, sid, sid_len);
    p[sid_len] = '\0';
    return s;
}

static void free_sub(struct rcu_head *head)
{
    nj_trim_note(TRIM_NOTE);
    nj_dealloc(nj_rcu_reclaim(head)); /* first member */
}

void nj_sub_retire(struct nj_sub *sub)
{
    nj_rcu_defer(&sub->rcu, free_sub);
}
