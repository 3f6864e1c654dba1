#include "peer/replies.h"

#include <string.h>

#include "base/alloc.h"
#include "base/keyed_hash.h"
#include "base/random.h"

struct reply {
    struct reply *next; /* in its chain */
    struct reply *older, *newer;
    int64_t at_us;
    int64_t used;
    uint64_t hash;
    size_t len;
    char subject[];
};

struct nj_replies {
    int64_t max, ttl_us;
    struct reply **heads;
    size_t mask;
    size_t n;
    size_t bytes; /* of all subjects */
    struct reply *oldest, *newest;
    struct nj_hash_key key; /* subjects come from whoever asks */
};

struct nj_replies *nj_replies_new(int64_t max, int64_t ttl_us)
{
    struct nj_replies *r = nj_zalloc(sizeof(*r));
    r->max = max;
    r->ttl_us = ttl_us;
    r->heads = nj_calloc(16, sizeof(struct reply *));
    r->mask = 15;
    nj_seed(&r->key, sizeof(r->key));
    return r;
}

static struct reply **find(struct nj_replies *r, uint64_t hash, const char *subject, size_t len)
{
    struct reply **at = &r->heads[hash & r->mask];
    while (*at != NULL && ((*at)->hash != hash || (*at)->len != len ||
                           memcmp((*at)->subject, subject, len) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void take_out_of_age(struct nj_replies *r, struct reply *e)
{
    *(e->older != NULL ? &e->older->newer : &r->oldest) = e->newer;
    *(e->newer != NULL ? &e->newer->older : &r->newest) = e->older;
}

static void put_as_newest(struct nj_replies *r, struct reply *e)
{
    e->older = r->newest;
    e->newer = NULL;
    *(r->newest != NULL ? &r->newest->newer : &r->oldest) = e;
    r->newest = e;
}

static void drop(struct nj_replies *r, struct reply **at)
{
    struct reply *e = *at;
    *at = e->next;
    take_out_of_age(r, e);
    r->n--;
    r->bytes -= e->len;
    nj_dealloc(e);
}

static void drop_oldest(struct nj_replies *r)
{
    struct reply *e = r->oldest;
    drop(r, find(r, e->hash, e->subject, e->len));
}

void nj_replies_free(struct nj_replies **rp)
{
    struct nj_replies *r = *rp;
    if (r == NULL) {
        return;
    }
    *rp = NULL;
    while (r->oldest != NULL) {
        struct reply *e = r->oldest;
        r->oldest = e->newer;
        nj_dealloc(e);
    }
    nj_dealloc(r->heads);
    nj_dealloc(r);
}

static void grow(struct nj_replies *r)
{
    size_t places = (r->mask + 1) * 2;
    nj_dealloc(r->heads);
    r->heads = nj_calloc(places, sizeof(struct reply *));
    r->mask = places - 1;
    for (struct reply *e = r->oldest; e != NULL; e = e->newer) {
        e->next = r->heads[e->hash & r->mask];
        r->heads[e->hash & r->mask] = e;
    }
}

static bool is_old(const struct nj_replies *r, const struct reply *e, int64_t now_us)
{
    return r->ttl_us >= 0 && now_us - e->at_us > r->ttl_us;
}

static void make_room(struct nj_replies *r, size_t len, int64_t now_us)
{
    while (r->oldest != NULL && (is_old(r, r->oldest, now_us) || r->n >= NJ_REPLIES_MOST ||
                                 r->bytes + len > NJ_REPLIES_BYTES_MOST)) {
        drop_oldest(r);
    }
    if (r->n > r->mask) {
        grow(r);
    }
}

void nj_replies_add(struct nj_replies *r, const char *subject, size_t len, int64_t now_us)
{
    uint64_t hash = nj_keyed_hash(&r->key, subject, len);
    make_room(r, len, now_us);
    struct reply **at = find(r, hash, subject, len);
    struct reply *e = *at;
    if (e != NULL) {
        take_out_of_age(r, e);
    } else {
        e = nj_alloc(sizeof(*e) + len);
        e->next = NULL;
        e->hash = hash;
        e->len = len;
        memcpy(e->subject, subject, len);
        *at = e;
        r->n++;
        r->bytes += len;
    }
    e->at_us = now_us;
    e->used = 0;
    put_as_newest(r, e);
}

bool nj_replies_use(struct nj_replies *r, const char *subject, size_t len, int64_t now_us)
{
    struct reply **at = find(r, nj_keyed_hash(&r->key, subject, len), subject, len);
    struct reply *e = *at;
    if (e == NULL) {
        return false;
    }
    bool allowed = !is_old(r, e, now_us) && (r->max < 0 || e->used < r->max);
    e->used++;
    if (!allowed || (r->max >= 0 && e->used >= r->max)) {
        drop(r, at);
    }
    return allowed;
}

size_t nj_replies_count(const struct nj_replies *r)
{
    return r->n;
}
