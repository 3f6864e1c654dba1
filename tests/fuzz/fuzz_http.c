/*
 * The monitoring port's reader (ops/http.h, http_query.h): however the bytes are cut, the requests
 * and the answers are the same.
 *
 * Input: one byte of choices, cuts, then what the peer sends.
 */
#include "ops/http.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "natterjack/plugin.h"
#include "ops/http_query.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS_MOST = 1 << 20, TEXT_MOST = 1 << 20 };

enum choice { TIGHT = 1, WITH_BODY = 2 };

time_t __wrap_time(time_t *now_out);

/* The Date of an answer must not depend on when the fuzzer asks. */
time_t __wrap_time(time_t *now_out)
{
    if (now_out != NULL) {
        *now_out = 1800000000;
    }
    return 1800000000;
}

static void put_query(struct nj_buf *seen, const char *query)
{
    struct nj_buf why;
    bool flag = false;
    int64_t i = 0;
    uint64_t u = 0;
    nj_buf_init(&why, TEXT_MOST);
    char *sort = nj_query_get(query, "sort");
    FUZZ_CHECK(sort != NULL, "no value at all");
    (void) nj_buf_printf(seen, " sort=%s", sort);
    free(sort);
    int rc = nj_query_bool(query, "subs", &flag, &why);
    rc |= nj_query_int(query, "limit", &i, &why);
    rc |= nj_query_uint(query, "cid", &u, &why);
    FUZZ_CHECK((rc == NJ_OK) == (why.len == 0), "result %d, words \"%s\"", rc,
               why.ptr == NULL ? "" : why.ptr);
    (void) nj_buf_printf(seen, " subs=%d limit=%lld cid=%llu", flag, (long long) i,
                         (unsigned long long) u);
    nj_buf_free(&why);
}

static void put_request(struct nj_buf *seen, const struct nj_http_head *head)
{
    FUZZ_CHECK(head->method != NULL && head->path != NULL && head->query != NULL &&
                   head->raw_path != NULL,
               "a part of the request is missing");
    FUZZ_CHECK(head->path[head->path_len] == '\0', "a path without NUL");
    (void) nj_buf_printf(seen, "%s %s ? %s %d.%d", head->method, head->raw_path, head->query,
                         head->major, head->minor);
    char *clean = nj_http_clean_path(head->path);
    FUZZ_CHECK(clean != NULL && clean[0] == '/' && strstr(clean, "//") == NULL &&
                   strstr(clean, "/../") == NULL && strstr(clean, "/./") == NULL,
               "not clean: %s", clean == NULL ? "NULL" : clean);
    (void) nj_buf_printf(seen, " clean %s", clean);
    free(clean);
    put_query(seen, head->query);
    (void) nj_buf_putc(seen, '\n');
}

static void answer(struct nj_http *h, bool with_body)
{
    struct nj_http_answer a = { .status = 200,
                                .content_type = "application/json",
                                .cors = true,
                                .body = with_body ? "{\n  \"a\": 1\n}" : "",
                                .body_len = with_body ? 12 : 0 };
    int rc = nj_http_answer(h, &a);
    FUZZ_CHECK(rc == NJ_OK || rc == NJ_E_LIMIT, "answered with %d", rc);
}

/* All steps until more is wanted; false at the end. */
static bool take_steps(struct nj_http *h, struct nj_buf *seen, struct nj_buf *out, bool with_body)
{
    for (int i = 0; i < STEPS_MOST; i++) {
        enum nj_http_step step = nj_http_next(h);
        if (step == NJ_HTTP_REQUEST) {
            put_request(seen, &h->head);
            answer(h, with_body);
        }
        (void) nj_buf_append(out, h->out.ptr, h->out.len);
        nj_buf_clear(&h->out);
        if (step != NJ_HTTP_REQUEST) {
            return step == NJ_HTTP_MORE;
        }
    }
    fuzz_fail("the same bytes give requests for ever");
}

static void serve(struct fuzz_in in, struct fuzz_cuts *cuts, uint8_t choices, struct nj_buf *seen,
                  struct nj_buf *out)
{
    struct nj_http h;
    size_t at = 0;
    bool more = true;
    nj_http_init(&h, (choices & TIGHT) != 0 ? 150 : TEXT_MOST);
    while (more && at < in.len) {
        size_t n = fuzz_cuts_next(cuts, in.len - at);
        n = n < NJ_HTTP_FEED_MAX ? n : NJ_HTTP_FEED_MAX;
        uint8_t *piece = fuzz_copy(in.ptr + at, n);
        nj_http_feed(&h, piece, n);
        free(piece);
        at += n;
        more = take_steps(&h, seen, out, (choices & WITH_BODY) != 0);
    }
    (void) nj_buf_printf(seen, "phase %d\n", more ? (int) h.phase : -1);
    nj_http_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    struct fuzz_cuts cuts;
    struct fuzz_cuts one = { .n = 0 };
    struct nj_buf seen[2], out[2];
    uint8_t choices = fuzz_byte(&in);
    fuzz_cuts_take(&cuts, &in);
    for (int i = 0; i < 2; i++) {
        nj_buf_init(&seen[i], SIZE_MAX);
        nj_buf_init(&out[i], SIZE_MAX);
        serve(in, i == 0 ? &one : &cuts, choices, &seen[i], &out[i]);
    }
    if ((choices & TIGHT) == 0) { /* a limit is for what waits to be written, which cuts change */
        fuzz_same(&seen[0], &seen[1], "requests");
        fuzz_same(&out[0], &out[1], "answers");
    }
    for (int i = 0; i < 2; i++) {
        nj_buf_free(&seen[i]);
        nj_buf_free(&out[i]);
    }
    return 0;
}
