#include "tls/print.h"

#include <string.h>

#include "base/buf.h"
#include "base/random.h"
#include "tls/material.h"

static void put_number(struct nj_buf *b, uint64_t n)
{
    (void) nj_buf_append(b, &n, sizeof(n));
}

/* With its length, so that two lists cannot be cut differently and look alike. */
static void put_bytes(struct nj_buf *b, const void *p, size_t len)
{
    put_number(b, len);
    if (len > 0) {
        (void) nj_buf_append(b, p, len);
    }
}

static void put_spans(struct nj_buf *b, const struct nj_span *spans, size_t n)
{
    put_number(b, n);
    for (size_t i = 0; i < n; i++) {
        put_bytes(b, spans[i].ptr, spans[i].len);
    }
}

void nj_tls_print(const struct nj_tls_provider *provider, const char *provider_name,
                  const struct nj_tls_settings *offer, uint32_t verify,
                  const struct nj_tls_material *material, uint8_t print_out[NJ_TLS_PRINT_LEN])
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    if (provider_name != NULL) {
        put_bytes(&b, provider_name, strlen(provider_name));
    }
    put_number(&b, offer->min_version);
    put_number(&b, offer->max_version);
    put_bytes(&b, offer->suites, offer->suites_n * sizeof(offer->suites[0]));
    put_bytes(&b, offer->groups, offer->groups_n * sizeof(offer->groups[0]));
    put_number(&b, verify);
    for (size_t i = 0; i < material->pairs_n; i++) {
        put_spans(&b, material->pairs[i].certs, material->pairs[i].certs_n);
    }
    put_spans(&b, material->anchors, material->anchors_n);
    if (provider->crypto->hash == NULL ||
        provider->crypto->hash(NJ_HASH_SHA256, b.ptr, b.len, print_out) != NJ_OK) {
        nj_seed(print_out, NJ_TLS_PRINT_LEN); /* unlike any other */
    }
    nj_buf_free(&b);
}
