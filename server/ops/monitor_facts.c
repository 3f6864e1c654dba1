#include "ops/monitor_facts.h"

#include <string.h>

#include "base/alloc.h"

/* One more zeroed entry at the end of an array that doubles. */
static void *grow(void *array, size_t *n, size_t *cap, size_t item)
{
    if (*n == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        array = nj_realloc(array, *cap * item);
    }
    memset((char *) array + *n * item, 0, item);
    (*n)++;
    return array;
}

struct nj_conn_fact *nj_connz_facts_add(struct nj_connz_facts *f)
{
    f->conns = grow(f->conns, &f->n, &f->cap, sizeof(*f->conns));
    return &f->conns[f->n - 1];
}

void nj_connz_facts_merge(struct nj_connz_facts *f, struct nj_connz_facts *part)
{
    for (size_t i = 0; i < part->n; i++) {
        *nj_connz_facts_add(f) = part->conns[i];
    }
    f->open_total += part->open_total;
    f->closed_total += part->closed_total;
    f->account_unknown = f->account_unknown || part->account_unknown;
    nj_dealloc(part->conns);
    *part = (struct nj_connz_facts){ 0 };
}

/* The capacity of these small arrays is the next power of two from 16 on, so it needs no member. */
static size_t cap_of(size_t n)
{
    size_t cap = n == 0 ? 0 : 16;
    while (cap < n) {
        cap *= 2;
    }
    return cap;
}

struct nj_sub_fact *nj_conn_fact_add_sub(struct nj_conn_fact *c)
{
    size_t cap = cap_of(c->subs_n);
    c->subs = grow(c->subs, &c->subs_n, &cap, sizeof(*c->subs));
    return &c->subs[c->subs_n - 1];
}

struct nj_peer_cert_fact *nj_conn_fact_add_cert(struct nj_conn_fact *c)
{
    size_t cap = cap_of(c->tls_peer_certs_n);
    c->tls_peer_certs =
        grow(c->tls_peer_certs, &c->tls_peer_certs_n, &cap, sizeof(*c->tls_peer_certs));
    return &c->tls_peer_certs[c->tls_peer_certs_n - 1];
}

static void free_conn(struct nj_conn_fact *c)
{
    for (size_t i = 0; i < c->subs_n; i++) {
        nj_dealloc(c->subs[i].subject);
        nj_dealloc(c->subs[i].queue);
        nj_dealloc(c->subs[i].sid);
    }
    for (size_t i = 0; i < c->tls_peer_certs_n; i++) {
        nj_dealloc(c->tls_peer_certs[i].subject);
        nj_dealloc(c->tls_peer_certs[i].spki_sha256);
        nj_dealloc(c->tls_peer_certs[i].cert_sha256);
    }
    nj_dealloc(c->subs);
    nj_dealloc(c->tls_peer_certs);
    nj_dealloc(c->ip);
    nj_dealloc(c->name);
    nj_dealloc(c->lang);
    nj_dealloc(c->version);
    nj_dealloc(c->tls_cipher_suite);
    nj_dealloc(c->authorized_user);
    nj_dealloc(c->account);
    nj_dealloc(c->name_tag);
}

void nj_connz_facts_free(struct nj_connz_facts *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free_conn(&f->conns[i]);
    }
    nj_dealloc(f->conns);
    *f = (struct nj_connz_facts){ 0 };
}
