/*
 * The client protocol (proto/parse.h): however the bytes are cut, the operations are the same and
 * so is the failure that ends them.
 *
 * Input: limits, cuts, then what the client sends.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "natterjack/plugin.h"
#include "proto/parse.h"
#include "tests/fuzz/fuzz.h"

enum { EVENTS_MOST = 1 << 20 };

struct limits {
    int32_t control_line;
    int32_t payload;
    bool headers_on;
    bool line_events;
};

static struct limits limits_take(struct fuzz_in *in)
{
    static const int32_t control_lines[] = { 4096, 1, 16, 200 };
    static const int32_t payloads[] = { 65536, 0, 8, 1000 };
    uint8_t b = fuzz_byte(in);
    return (struct limits){ control_lines[b & 3], payloads[b >> 2 & 3], (b & 16) != 0,
                            (b & 32) != 0 };
}

static void put_text(struct nj_buf *out, const char *name, struct nj_text t)
{
    if (t.ptr != NULL) {
        (void) nj_buf_printf(out, " %s=", name);
        (void) nj_buf_append(out, t.ptr, t.len);
    }
}

static void put_event(struct nj_buf *out, const struct nj_event *ev)
{
    (void) nj_buf_printf(out, "op %d", (int) ev->op);
    if (ev->op == NJ_OP_PUB || ev->op == NJ_OP_PUB_LINE) {
        (void) nj_buf_printf(out, " headers=%d hdr=%u size=%u", ev->headers, ev->hdr_len, ev->size);
        put_text(out, "subject", ev->subject);
        put_text(out, "reply", ev->reply);
        put_text(out, "hdr_digits", ev->hdr_digits);
        put_text(out, "size_digits", ev->size_digits);
    }
    if (ev->op == NJ_OP_PUB) {
        FUZZ_CHECK(ev->payload[ev->size] == '\r' && ev->payload[ev->size + 1] == '\n',
                   "no line end behind the payload");
        (void) nj_buf_puts(out, " payload=");
        (void) nj_buf_append(out, ev->payload, ev->size);
    }
    if (ev->op == NJ_OP_SUB) {
        put_text(out, "subject", ev->subject);
        put_text(out, "queue", ev->queue);
        put_text(out, "sid", ev->sid);
    }
    if (ev->op == NJ_OP_UNSUB) {
        put_text(out, "sid", ev->sid);
        put_text(out, "max", ev->max);
    }
    if (ev->op != NJ_OP_PING && ev->op != NJ_OP_PONG && ev->op != NJ_OP_OK) {
        put_text(out, "arg", ev->arg);
    }
    (void) nj_buf_putc(out, '\n');
}

static void put_failure(struct nj_buf *out, const struct nj_event *ev, const uint8_t *piece,
                        size_t at)
{
    FUZZ_CHECK(ev->error != NJ_PARSE_OK, "a failure without a reason");
    (void) nj_buf_printf(out, "error %d state %d", (int) ev->error, ev->state);
    if (ev->error == NJ_PARSE_UNKNOWN_OP) {
        FUZZ_CHECK(ev->at != NULL, "an unknown operation at no byte");
        (void) nj_buf_printf(out, " at %zu", at + (size_t) (ev->at - piece));
    }
    (void) nj_buf_putc(out, '\n');
}

/* All operations of one piece; its result. */
static int parse_piece(struct nj_parser *p, const uint8_t *piece, size_t len, size_t at,
                       struct nj_buf *out)
{
    struct nj_event ev = { 0 };
    size_t used = 0;
    for (int i = 0; i < EVENTS_MOST; i++) {
        size_t n = 0;
        int rc = nj_parse(p, piece + used, len - used, &n, &ev);
        FUZZ_CHECK(n <= len - used, "used %zu of %zu bytes", n, len - used);
        if (rc == NJ_E_INVALID) {
            put_failure(out, &ev, piece, at);
            return rc;
        }
        used += n;
        if (rc == NJ_NEED_IN) {
            FUZZ_CHECK(used == len, "%zu bytes are left over", len - used);
            return rc;
        }
        FUZZ_CHECK(rc == NJ_OK, "result %d", rc);
        put_event(out, &ev);
    }
    fuzz_fail("the same bytes give operations for ever");
}

/* The rest of a payload goes around the read buffer, as far as the parser wants it. */
static size_t put_direct(struct nj_parser *p, struct fuzz_in rest)
{
    uint8_t *to = NULL;
    size_t room = nj_parser_direct(p, &to);
    size_t n = rest.len < room ? rest.len : room;
    for (size_t i = 0; i < n; i++) {
        to[i] = rest.ptr[i];
    }
    nj_parser_direct_done(p, n);
    return n;
}

static int parse_direct(struct nj_parser *p, struct fuzz_in in, size_t *at, struct nj_buf *out)
{
    static const uint8_t nothing[1];
    size_t n = put_direct(p, (struct fuzz_in){ in.ptr + *at, in.len - *at });
    *at += n;
    return n > 0 ? parse_piece(p, nothing, 0, *at, out) : NJ_NEED_IN;
}

static void parse_all(const struct limits *limits, struct fuzz_in in, struct fuzz_cuts *cuts,
                      bool direct, struct nj_buf *out)
{
    struct nj_parser p;
    size_t at = 0;
    int rc = NJ_NEED_IN;
    nj_parser_init(&p);
    p.max_control_line = limits->control_line;
    p.max_payload = limits->payload;
    p.headers_on = limits->headers_on;
    p.line_events = limits->line_events;
    while (rc == NJ_NEED_IN && at < in.len) {
        size_t n = fuzz_cuts_next(cuts, in.len - at);
        uint8_t *piece = fuzz_copy(in.ptr + at, n);
        rc = parse_piece(&p, piece, n, at, out);
        free(piece);
        at += n;
        if (direct && rc == NJ_NEED_IN && at < in.len) {
            rc = parse_direct(&p, in, &at, out);
        }
    }
    if (rc == NJ_NEED_IN) {
        (void) nj_buf_printf(out, "at start: %d\n", nj_parser_at_start(&p));
    }
    nj_parser_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    struct fuzz_cuts cuts;
    struct fuzz_cuts one = { .n = 0 };
    struct nj_buf whole, split;
    struct limits limits = limits_take(&in);
    fuzz_cuts_take(&cuts, &in);
    nj_buf_init(&whole, SIZE_MAX);
    nj_buf_init(&split, SIZE_MAX);
    parse_all(&limits, in, &one, false, &whole);
    for (int direct = 0; direct < 2; direct++) {
        nj_buf_clear(&split);
        cuts.next = 0;
        parse_all(&limits, in, &cuts, direct != 0, &split);
        fuzz_same(&whole, &split, "operations");
    }
    nj_buf_free(&whole);
    nj_buf_free(&split);
    return 0;
}
