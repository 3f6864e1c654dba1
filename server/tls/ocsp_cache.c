#include "tls/ocsp_cache.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lock.h"

#define WAYS 8
#define SETS (NJ_OCSP_CACHE_MAX / WAYS)

struct entry {
    uint8_t key[NJ_OCSP_KEY_LEN];
    int64_t until_s;
    enum nj_ocsp_status status;
    bool used;
};

struct nj_ocsp_cache {
    pthread_mutex_t mu;
    struct entry sets[SETS][WAYS]; /* under mu, as all of it */
    struct nj_ocsp_cache_facts facts;
};

struct nj_ocsp_cache *nj_ocsp_cache_new(void)
{
    struct nj_ocsp_cache *c = nj_zalloc(sizeof(*c));
    (void) pthread_mutex_init(&c->mu, NULL);
    return c;
}

void nj_ocsp_cache_free(struct nj_ocsp_cache **cp)
{
    if (*cp != NULL) {
        (void) pthread_mutex_destroy(&(*cp)->mu);
        nj_dealloc(*cp);
        *cp = NULL;
    }
}

/* The keys are hashes: any two bytes of them are as good as a hash. */
static struct entry *set_of(struct nj_ocsp_cache *c, const uint8_t *key)
{
    return c->sets[((size_t) key[0] << 8 | key[1]) % SETS];
}

static struct entry *find(struct entry *set, const uint8_t *key)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used && memcmp(set[i].key, key, NJ_OCSP_KEY_LEN) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

int nj_ocsp_cache_get(struct nj_ocsp_cache *c, const uint8_t key[NJ_OCSP_KEY_LEN], int64_t now_s,
                      enum nj_ocsp_status *status_out)
{
    int rc = NJ_E_NOT_FOUND;
    nj_lock(&c->mu);
    const struct entry *e = find(set_of(c, key), key);
    if (e != NULL) {
        *status_out = e->status;
        rc = now_s <= e->until_s ? 1 : 0;
    }
    c->facts.hits += rc == 1 ? 1 : 0;
    c->facts.misses += rc == 1 ? 0 : 1;
    nj_unlock(&c->mu);
    return rc;
}

void nj_ocsp_cache_put(struct nj_ocsp_cache *c, const uint8_t key[NJ_OCSP_KEY_LEN],
                       enum nj_ocsp_status status, int64_t until_s)
{
    nj_lock(&c->mu);
    struct entry *set = set_of(c, key);
    struct entry *e = find(set, key);
    for (size_t i = 0; e == NULL && i < WAYS; i++) {
        e = set[i].used ? NULL : &set[i];
    }
    if (e == NULL) {
        e = &set[0];
        for (size_t i = 1; i < WAYS; i++) {
            e = set[i].until_s < e->until_s ? &set[i] : e;
        }
    }
    if (e->used) {
        c->facts.responses[e->status]--;
    }
    memcpy(e->key, key, NJ_OCSP_KEY_LEN);
    e->until_s = until_s;
    e->status = status;
    e->used = true;
    c->facts.responses[status]++;
    nj_unlock(&c->mu);
}

void nj_ocsp_cache_facts(struct nj_ocsp_cache *c, struct nj_ocsp_cache_facts *out)
{
    nj_lock(&c->mu);
    *out = c->facts;
    nj_unlock(&c->mu);
}
