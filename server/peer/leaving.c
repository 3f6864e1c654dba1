#include "peer/leaving.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "broker/account.h"
#include "broker/index.h"
#include "broker/sub.h"
#include "peer/client.h"

#define FEW 64u      /* are not worth the trouble */
#define SLICE_US 50  /* of one turn; as long again for each MANY that wait */
#define MANY 16384u  /* else who comes and goes all the time could leave more than is taken out */
#define SLICE_STEP 16 /* removals between looks at the clock */

struct nj_leaving {
    struct nj_leaving *next;
    struct nj_index *index; /* the account's, which outlives the workers */
    struct nj_sub_table subs;
    uint32_t at;
};

void nj_leaving_take(struct nj_client *c)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(c->conn.worker);
    if (c->subs.count <= FEW || nj_log_on(NJ_LVL_TRC)) { /* each has a line there */
        nj_client_drop_subs(c);
        return;
    }
    struct nj_leaving *l = nj_zalloc(sizeof(*l));
    l->index = c->account->index;
    l->subs = c->subs;
    l->next = hw->leaving;
    hw->leaving = l;
    hw->leaving_n += c->subs.count;
    c->subs = (struct nj_sub_table){ 0 };
    nj_client_drop_subs(c); /* and what else there is to forget */
}

static void remove_one(struct nj_hub_worker *hw, struct nj_leaving *l)
{
    struct nj_sub *s = nj_sub_table_at(&l->subs, l->at++)->sub;
    if (s != NULL) {
        nj_index_remove(l->index, s);
        nj_sub_retire(s);
        hw->leaving_n--;
    }
}

/* True: time is up before it is done. */
static bool remove_some(struct nj_hub_worker *hw, struct nj_leaving *l, int64_t until_us)
{
    while (l->at < l->subs.used) {
        remove_one(hw, l);
        if (l->at % SLICE_STEP == 0 && nj_mono_us() >= until_us) {
            return true;
        }
    }
    return false;
}

static bool remove_until(struct nj_hub_worker *hw, int64_t until_us)
{
    while (hw->leaving != NULL) {
        struct nj_leaving *l = hw->leaving;
        if (remove_some(hw, l, until_us)) {
            return true;
        }
        hw->leaving = l->next;
        nj_sub_table_fini(&l->subs);
        nj_dealloc(l);
    }
    return false;
}

bool nj_leaving_some(struct nj_worker *w)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(w);
    int64_t slice_us = SLICE_US * (1 + hw->leaving_n / MANY);
    return hw->leaving != NULL && remove_until(hw, nj_mono_us() + slice_us);
}

void nj_leaving_all(struct nj_worker *w)
{
    (void) remove_until(nj_hub_worker_of(w), INT64_MAX);
}
