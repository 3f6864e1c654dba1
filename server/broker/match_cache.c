#include "broker/match_cache.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "broker/account.h"
#include "broker/subject_hash.h"

struct entry {
    const struct nj_account *account;
    uint64_t generation;
    uint64_t hash;
    size_t bytes;
    struct nj_match match; /* its arrays lie behind this struct */
    uint32_t subject_len;
    char *subject;
};

struct nj_match_cache {
    struct entry **places;
    size_t mask;
    size_t bytes;
    size_t max_bytes;
    uint64_t seed;
    uint64_t lookups;
    uint64_t hits;
    uint64_t entries;
    struct entry *last; /* of the lookup before, if it is still there */
    struct nj_matcher *matcher;
};

struct nj_match_cache *nj_match_cache_new(size_t places, size_t max_bytes)
{
    struct nj_match_cache *c = nj_zalloc(sizeof(*c));
    size_t n = 1;
    while (n < places) {
        n *= 2;
    }
    c->places = places > 0 ? nj_calloc(n, sizeof(struct entry *)) : NULL;
    c->mask = n - 1;
    c->max_bytes = max_bytes;
    c->matcher = nj_matcher_new();
    nj_seed(&c->seed, sizeof(c->seed));
    return c;
}

static void drop(struct nj_match_cache *c, size_t place)
{
    struct entry *e = c->places[place];
    if (e != NULL) {
        c->bytes -= e->bytes;
        c->entries--;
        c->places[place] = NULL;
        c->last = c->last == e ? NULL : c->last;
        nj_dealloc(e);
    }
}

void nj_match_cache_free(struct nj_match_cache **cp)
{
    struct nj_match_cache *c = *cp;
    if (c == NULL) {
        return;
    }
    *cp = NULL;
    for (size_t i = 0; c->places != NULL && i <= c->mask; i++) {
        drop(c, i);
    }
    nj_dealloc(c->places);
    nj_matcher_free(&c->matcher);
    nj_dealloc(c);
}

static struct entry *entry_new(const struct nj_account *account, uint64_t generation, uint64_t hash,
                               const struct nj_match *m, const char *subject, size_t len)
{
    size_t subs_len = m->total_n * sizeof(struct nj_sub *);
    size_t groups_len = m->groups_n * sizeof(struct nj_match_group);
    size_t bytes = sizeof(struct entry) + subs_len + groups_len + len;
    struct entry *e = nj_alloc(bytes);
    char *p = (char *) (e + 1);
    *e = (struct entry){ .account = account,
                         .generation = generation,
                         .hash = hash,
                         .bytes = bytes,
                         .match = *m,
                         .subject_len = (uint32_t) len };
    e->match.subs = (struct nj_sub **) (void *) p;
    e->match.groups = (struct nj_match_group *) (void *) (p + subs_len);
    e->subject = p + subs_len + groups_len;
    if (subs_len > 0) {
        memcpy(e->match.subs, m->subs, subs_len);
    }
    if (groups_len > 0) {
        memcpy(e->match.groups, m->groups, groups_len);
    }
    memcpy(e->subject, subject, len);
    return e;
}

static const struct nj_match *fill(struct nj_match_cache *c, size_t place,
                                   const struct nj_account *account, uint64_t hash,
                                   const char *subject, size_t len)
{
    uint64_t generation = nj_index_generation(account->index);
    const struct nj_match *m = nj_index_match(account->index, c->matcher, subject, len);
    if (c->places == NULL) {
        return m;
    }
    drop(c, place);
    struct entry *e = entry_new(account, generation, hash, m, subject, len);
    if (e->bytes > c->max_bytes / 4) {
        nj_dealloc(e);
        return m;
    }
    if (c->bytes + e->bytes > c->max_bytes) {
        for (size_t i = 0; i <= c->mask; i++) {
            drop(c, i);
        }
    }
    c->bytes += e->bytes;
    c->entries++;
    c->places[place] = e;
    return &e->match;
}

static bool is_for(const struct entry *e, const struct nj_account *account, const char *subject,
                   size_t len)
{
    return e != NULL && e->account == account && e->subject_len == len &&
           memcmp(e->subject, subject, len) == 0 &&
           e->generation == nj_index_generation(account->index);
}

const struct nj_match *nj_match_cache_get(struct nj_match_cache *c, const struct nj_account *account,
                                          const char *subject, size_t len)
{
    c->lookups++;
    if (is_for(c->last, account, subject, len)) { /* publishers repeat themselves */
        c->hits++;
        return &c->last->match;
    }
    uint64_t hash = nj_subject_hash(c->seed, subject, len);
    size_t place = (size_t) hash & c->mask;
    struct entry *e = c->places != NULL ? c->places[place] : NULL;
    if (e != NULL && e->hash == hash && is_for(e, account, subject, len)) {
        c->hits++;
        c->last = e;
        return &e->match;
    }
    return fill(c, place, account, hash, subject, len);
}

void nj_match_cache_stats(const struct nj_match_cache *c, struct nj_match_cache_stats *out)
{
    *out = (struct nj_match_cache_stats){
        .lookups = c->lookups, .hits = c->hits, .entries = c->entries, .bytes = c->bytes
    };
}
