/*
 * The verify hook (tls/verify.h) with chains of strangers: it answers with a class and words, and
 * what the library refused stays refused.
 *
 * Input: one byte of choices, the class that the library found, the length of a host name, the
 * name, then DER elements one after the other: the chain, leaf first, and the anchor at the end.
 */
#include "tls/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"
#include "tls/der.h"

enum { ELEMENTS_MOST = NJ_CHAIN_MAX + 8, TEXT_MOST = 1 << 20 };

enum choice { DIAL = 1, PATH = 2, INSECURE = 4, NO_ANCHOR = 8 };

static int64_t fixed_now(void)
{
    return 1800000000;
}

/* Not a hash: 32 times the first byte. */
static int fake_hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    (void) alg;
    memset(out, len > 0 ? *(const uint8_t *) data : 0, 32);
    return NJ_OK;
}

static size_t split(struct nj_span der, struct nj_span *out)
{
    size_t n = 0;
    while (n < ELEMENTS_MOST && der.len > 0) {
        uint8_t tag;
        struct nj_span body;
        if (nj_der_next(&der, &tag, &body, &out[n]) != NJ_OK) {
            out[n] = der; /* what cannot be read is an element too */
            return n + 1;
        }
        n++;
    }
    return n;
}

static void check_verdict(const struct nj_tls_findings *found, const struct nj_tls_verdict *v)
{
    FUZZ_CHECK(v->accept == 0 || v->accept == 1, "accept is %d", v->accept);
    FUZZ_CHECK(memchr(v->text, '\0', sizeof(v->text)) != NULL, "words without an end");
    if (v->accept == 0) {
        FUZZ_CHECK(v->cls != NJ_CLASS_NONE && v->text[0] != '\0', "refused: class %u, \"%s\"",
                   v->cls, v->text);
    } else {
        FUZZ_CHECK(found->cls == NJ_CLASS_NONE, "accepted what the library refused (%u)",
                   found->cls);
    }
}

static void judge(struct nj_tls_findings *found, uint8_t choices, const struct nj_span *anchor)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_tls_policy policy = { 0 };
    struct nj_tls_verdict verdict = { .size = sizeof(verdict) };
    size_t anchors_n = (choices & NO_ANCHOR) != 0 ? 0 : 1;
    if (nj_tls_policy_init(&policy, anchor, anchors_n, fixed_now, &err) != NJ_OK) {
        FUZZ_CHECK(err.text[0] != '\0', "no policy and no words");
        return;
    }
    policy.insecure = (choices & DIAL) != 0 && (choices & INSECURE) != 0;
    nj_tls_verify(&policy, found, &verdict);
    if (!policy.insecure) {
        check_verdict(found, &verdict);
    }
    nj_tls_policy_fini(&policy);
}

static void put_detail(const struct nj_span *chain, size_t n)
{
    struct nj_buf out;
    nj_buf_init(&out, TEXT_MOST);
    (void) nj_tls_chain_detail(chain, n, fake_hash, &out);
    nj_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    struct nj_span all[ELEMENTS_MOST];
    uint8_t choices = fuzz_byte(&in);
    uint8_t cls = fuzz_byte(&in);
    size_t host_len = fuzz_byte(&in);
    host_len = host_len < in.len ? host_len : in.len;
    char *host = calloc(1, host_len + 1);
    FUZZ_CHECK(host != NULL, "out of memory");
    memcpy(host, in.ptr, host_len);
    uint8_t *der = fuzz_copy(in.ptr + host_len, in.len - host_len);
    size_t n = split((struct nj_span){ der, in.len - host_len }, all);
    struct nj_tls_findings found = {
        .size = sizeof(found),
        .judge = (choices & DIAL) != 0 ? NJ_TLS_JUDGE_SERVER : NJ_TLS_JUDGE_CLIENT,
        .chain = all,
        .chain_n = n > 1 ? n - 1 : n,
        .path = (choices & PATH) != 0 ? all : NULL,
        .path_n = (choices & PATH) != 0 ? n : 0,
        .cls = cls <= NJ_CLASS_UNSUPPORTED ? cls : NJ_CLASS_NONE,
        .version = NJ_TLS_1_3,
        .name = (choices & DIAL) != 0 ? host : NULL,
        .depth = -1,
    };
    if (n > 0) {
        judge(&found, choices, &all[n - 1]);
        put_detail(found.chain, found.chain_n);
    }
    free(der);
    free(host);
    return 0;
}
