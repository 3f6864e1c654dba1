#include "tests/abi/measure.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/abi/pair.h"

#define SESSIONS_N 100
#define RECORDS_N 200
#define RECORD_LEN 1024
#define MIB ((size_t) 1 << 20)
#define MIBS_N 64

#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
#define KNOWS_HEAP 1
#endif
#endif

static nj_kit_count_fn count_fn;

size_t nj_kit_heap_used(void)
{
#ifdef KNOWS_HEAP
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
#else
    return 0;
#endif
}

void nj_kit_measure_count_with(nj_kit_count_fn count)
{
    count_fn = count;
}

static uint64_t allocs(void)
{
    return count_fn == NULL ? 0 : count_fn();
}

static double seconds(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* Contexts of both ends, and what they are made from. */
struct bench {
    const struct nj_tls_provider *tls;
    struct nj_kit_cred cred;
    struct nj_tls_ctx *sc;
    struct nj_tls_ctx *cc;
};

static int bench_open(struct bench *b, const struct nj_tls_provider *tls, uint16_t version,
                      struct nj_error *err)
{
    struct nj_tls_settings set;
    memset(b, 0, sizeof(*b));
    b->tls = tls;
    nj_kit_cred_load(&b->cred, "server-ecdsa", NULL);
    nj_kit_settings_accept(&set, &b->cred);
    nj_kit_settings_version(&set, version);
    int rc = tls->ctx_new(&set, &b->sc, err);
    if (rc == NJ_OK) {
        nj_kit_settings_dial(&set, NULL);
        nj_kit_settings_version(&set, version);
        rc = tls->ctx_new(&set, &b->cc, err);
    }
    return rc;
}

static void bench_close(struct bench *b)
{
    if (b->cc != NULL) {
        b->tls->ctx_unref(b->cc);
    }
    if (b->sc != NULL) {
        b->tls->ctx_unref(b->sc);
    }
}

static int bench_pair(struct bench *b, struct nj_kit_pair *pair, struct nj_error *err)
{
    int rc = nj_kit_pair_open_ctx(pair, b->tls, b->sc, b->tls, b->cc, "localhost", 0, err);
    if (rc == NJ_OK && nj_kit_pair_handshake(pair) != NJ_OK) {
        rc = nj_error_set(err, NJ_E_FAILED, "the handshake failed: %s%s", pair->server.err.text,
                          pair->client.err.text);
    }
    return rc;
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* Keep one end of each pair: the heap that they hold, for one. */
static int measure_idle(struct bench *b, int keep_server, double *bytes_out, struct nj_error *err)
{
    struct nj_tls_session *kept[SESSIONS_N] = { NULL };
    size_t before = nj_kit_heap_used();
    int rc = NJ_OK;
    for (int i = 0; i < SESSIONS_N && rc == NJ_OK; i++) {
        struct nj_kit_pair pair;
        rc = bench_pair(b, &pair, err);
        if (rc == NJ_OK) {
            struct nj_kit_end *end = keep_server ? &pair.server : &pair.client;
            end->tls->drop_peer(end->sess);
            kept[i] = end->sess;
            end->sess = NULL;
        }
        nj_kit_pair_free(&pair);
    }
    size_t after = nj_kit_heap_used();
    for (int i = 0; i < SESSIONS_N; i++) {
        b->tls->free(kept[i]);
    }
    *bytes_out = before == 0 || after < before ? -1 : (double) (after - before) / SESSIONS_N;
    return rc;
}

/* ---- records ---------------------------------------------------------------------------------- */

static int open_all(struct nj_kit_pair *pair, uint8_t *dst, size_t cap)
{
    struct nj_kit_end *s = &pair->server;
    struct nj_kit_wire *w = &pair->client.out;
    struct nj_tls_in in = { w->buf, w->len, 0 };
    int rc = NJ_OK;
    while (rc == NJ_OK) {
        size_t n = 0;
        rc = s->tls->open(s->sess, &in, dst, cap, &n, &s->out.sink);
    }
    w->taken = w->len = 0;
    return rc == NJ_NEED_IN ? NJ_OK : rc;
}

static int measure_allocs(struct nj_kit_pair *pair, struct nj_kit_cost *out)
{
    uint8_t record[RECORD_LEN] = { 1 };
    uint8_t dst[NJ_TLS_RECORD_MAX];
    uint64_t sealed = 0;
    uint64_t opened = 0;
    int rc = NJ_OK;
    for (int i = -8; i < RECORDS_N && rc == NJ_OK; i++) { /* the first ones make room */
        uint64_t a = allocs();
        rc = nj_kit_end_send(&pair->client, record, sizeof(record));
        uint64_t b = allocs();
        rc = rc == NJ_OK ? open_all(pair, dst, sizeof(dst)) : rc;
        sealed += i < 0 ? 0 : b - a;
        opened += i < 0 ? 0 : allocs() - b;
    }
    out->seal_allocs = allocs() == 0 ? -1 : (double) sealed / RECORDS_N;
    out->open_allocs = allocs() == 0 ? -1 : (double) opened / RECORDS_N;
    return rc;
}

static int measure_speed(struct nj_kit_pair *pair, struct nj_kit_cost *out)
{
    uint8_t *plain = calloc(1, MIB);
    uint8_t *dst = calloc(1, MIB);
    double sealing = 0;
    double opening = 0;
    int rc = plain == NULL || dst == NULL ? NJ_E_FAILED : NJ_OK;
    for (int i = 0; i < MIBS_N && rc == NJ_OK; i++) {
        double a = seconds();
        rc = nj_kit_end_send(&pair->client, plain, MIB);
        double b = seconds();
        rc = rc == NJ_OK ? open_all(pair, dst, MIB) : rc;
        sealing += b - a;
        opening += seconds() - b;
    }
    out->seal_mib_per_s = MIBS_N / sealing;
    out->open_mib_per_s = MIBS_N / opening;
    free(plain);
    free(dst);
    return rc;
}

static int measure_records(struct bench *b, struct nj_kit_cost *out, struct nj_error *err)
{
    struct nj_kit_pair pair;
    int rc = bench_pair(b, &pair, err);
    if (rc == NJ_OK) {
        rc = measure_allocs(&pair, out);
        rc = rc == NJ_OK ? measure_speed(&pair, out) : rc;
        if (rc != NJ_OK) {
            (void) nj_error_set(err, rc, "records could not be sealed and opened");
        }
    }
    nj_kit_pair_free(&pair);
    return rc;
}

int nj_kit_measure(const struct nj_tls_provider *tls, uint16_t version, struct nj_kit_cost *out,
                   struct nj_error *err)
{
    struct bench b;
    int rc = bench_open(&b, tls, version, err);
    if (rc != NJ_OK) {
        goto out;
    }
    double began = seconds();
    rc = measure_idle(&b, 1, &out->accept_bytes, err); /* also fills the library's caches */
    if (rc != NJ_OK) {
        goto out;
    }
    out->handshakes_per_s = SESSIONS_N / (seconds() - began);
    rc = measure_idle(&b, 1, &out->accept_bytes, err);
    rc = rc == NJ_OK ? measure_idle(&b, 0, &out->dial_bytes, err) : rc;
    rc = rc == NJ_OK ? measure_records(&b, out, err) : rc;
out:
    bench_close(&b);
    return rc;
}
