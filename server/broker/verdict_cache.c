#include "broker/verdict_cache.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "broker/subject_hash.h"

#define PLACES 4096u /* half a MiB */
#define SUBJECT_MOST 118u

struct place {
    uint64_t id; /* 0: free */
    uint8_t verdict;
    uint8_t len;
    char subject[SUBJECT_MOST];
};

_Static_assert(sizeof(struct place) == 128, "two cache lines");

struct nj_verdict_cache {
    struct place *places;     /* NULL until there is something to keep */
    const struct place *last; /* publishers repeat themselves */
    uint64_t seed;
    size_t missed; /* the place where get() looked last */
};

struct nj_verdict_cache *nj_verdict_cache_new(void)
{
    struct nj_verdict_cache *c = nj_zalloc(sizeof(*c));
    nj_seed(&c->seed, sizeof(c->seed));
    return c;
}

void nj_verdict_cache_free(struct nj_verdict_cache **cp)
{
    struct nj_verdict_cache *c = *cp;
    if (c == NULL) {
        return;
    }
    *cp = NULL;
    nj_dealloc(c->places);
    nj_dealloc(c);
}

static bool is_about(const struct place *p, uint64_t id, const char *subject, size_t len)
{
    return p != NULL && p->id == id && p->len == len && memcmp(p->subject, subject, len) == 0;
}

int nj_verdict_cache_get(struct nj_verdict_cache *c, uint64_t id, const char *subject, size_t len)
{
    if (is_about(c->last, id, subject, len)) {
        return c->last->verdict;
    }
    if (len > SUBJECT_MOST) {
        return -1;
    }
    c->missed =
        (size_t) nj_subject_hash(c->seed ^ (id * UINT64_C(0x9e3779b97f4a7c15)), subject, len) %
        PLACES;
    const struct place *p = c->places != NULL ? &c->places[c->missed] : NULL;
    if (is_about(p, id, subject, len)) {
        c->last = p;
        return p->verdict;
    }
    return -1;
}

void nj_verdict_cache_put(struct nj_verdict_cache *c, uint64_t id, const char *subject, size_t len,
                          uint8_t verdict)
{
    if (len > SUBJECT_MOST) {
        return;
    }
    if (c->places == NULL) {
        c->places = nj_calloc(PLACES, sizeof(struct place));
    }
    struct place *p = &c->places[c->missed];
    p->id = id;
    p->verdict = verdict;
    p->len = (uint8_t) len;
    memcpy(p->subject, subject, len);
    c->last = p;
}
