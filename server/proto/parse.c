#include "proto/parse.h"

#include <string.h>

#include "base/alloc.h"
#include "base/payload.h"
#include "natterjack/plugin.h"

enum stage {
    STAGE_START,
    STAGE_VERB,    /* part of a verb is in p->verb */
    STAGE_blanks,  /* verb known, blanks before the argument */
    STAGE_ARG,     /* argument incomplete, in p->line */
    STAGE_SKIP,    /* PING, PONG, +OK: what follows the verb is ignored up to LF */
    STAGE_PAYLOAD
};

/* What the reference counts as states: the first letter's number, then one for each letter. */
struct verb {
    const char *text; /* upper case */
    uint8_t len;
    uint8_t state; /* number after the first letter */
    enum nj_op op;
    bool blank_needed;
    bool headers;
};

static const struct verb verbs[] = {
    { "PUB", 3, 29, NJ_OP_PUB, true, false },   { "HPUB", 4, 18, NJ_OP_PUB, true, true },
    { "SUB", 3, 43, NJ_OP_SUB, true, false },   { "UNSUB", 5, 59, NJ_OP_UNSUB, true, false },
    { "PING", 4, 33, NJ_OP_PING, false, false }, { "PONG", 4, 36, NJ_OP_PONG, false, false },
    { "CONNECT", 7, 10, NJ_OP_CONNECT, false, false },
    { "INFO", 4, 71, NJ_OP_INFO, false, false }, { "+OK", 3, 1, NJ_OP_OK, false, false },
    { "-ERR", 4, 4, NJ_OP_ERR, true, false },
};

#define STATE_PAYLOAD_CR 41
#define STATE_PAYLOAD_LF 42
#define DIGITS_MOST 9

static char upper(uint8_t c)
{
    return (char) (c >= 'a' && c <= 'z' ? c - 32 : c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void nj_parser_init(struct nj_parser *p)
{
    memset(p, 0, sizeof(*p));
}

/* Of all lines CONNECT alone has secrets. */
static void free_line(struct nj_parser *p)
{
    if (p->op == NJ_OP_CONNECT) {
        nj_wipe(p->line, p->line_len);
    }
    nj_dealloc(p->line);
}

static void drop_line(struct nj_parser *p)
{
    free_line(p);
    p->line = NULL;
    p->line_len = 0;
    p->line_cap = 0;
}

static void drop_payload(struct nj_parser *p)
{
    nj_payload_unref(p->payload);
    p->payload = NULL;
    p->payload_have = 0;
}

void nj_parser_fini(struct nj_parser *p)
{
    drop_line(p);
    drop_payload(p);
}

bool nj_parser_at_start(const struct nj_parser *p)
{
    return p->stage == STAGE_START;
}

bool nj_parser_in_connect(const struct nj_parser *p)
{
    return p->stage == STAGE_ARG && p->op == NJ_OP_CONNECT;
}

/* ---- verbs ------------------------------------------------------------------------------------ */

/* The longest prefix that any verb shares with s; *v_out is a verb that has it. */
static size_t match_verb(const char *s, size_t len, const struct verb **v_out)
{
    size_t best = 0;
    *v_out = NULL;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *v = &verbs[i];
        size_t n = 0;
        while (n < len && n < v->len && upper((uint8_t) s[n]) == v->text[n]) {
            n++;
        }
        if (n > best) {
            best = n;
            *v_out = v;
        }
    }
    return best;
}

/* The number of the state after `n` letters of v were read. */
static int state_after(const struct verb *v, size_t n)
{
    if (v == NULL || n == 0) {
        return 0;
    }
    if (n == 1 && v->text[0] == 'P') {
        return 29;
    }
    return v->state + (int) n - 1;
}

static int fail(struct nj_event *ev, enum nj_parse_error error, int state, const uint8_t *at)
{
    ev->error = error;
    ev->state = state;
    ev->at = at;
    return NJ_E_INVALID;
}

/* ---- arguments -------------------------------------------------------------------------------- */

/* SUB and UNSUB are divided at stray CR and LF too, PUB and HPUB are not: the reference's way. */
static const bool blanks[256] = { [' '] = true, ['\t'] = true };
static const bool blanks_and_ends[256] = {
    [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true
};

/* Split at dividers.  Returns how many there are; at most `max` are stored. */
static size_t split(const char *s, size_t len, const bool *dividers, struct nj_text *out,
                    size_t max)
{
    size_t n = 0;
    size_t at = 0;
    while (at < len) {
        while (at < len && dividers[(uint8_t) s[at]]) {
            at++;
        }
        size_t start = at;
        while (at < len && !dividers[(uint8_t) s[at]]) {
            at++;
        }
        if (at > start) {
            if (n < max) {
                out[n] = (struct nj_text){ s + start, (uint32_t) (at - start) };
            }
            n++;
        }
    }
    return n;
}

/* 1 to 9 decimal digits; -1 otherwise. */
static int64_t parse_size(struct nj_text t)
{
    int64_t n = 0;
    if (t.len == 0 || t.len > DIGITS_MOST) {
        return -1;
    }
    for (uint32_t i = 0; i < t.len; i++) {
        if (t.ptr[i] < '0' || t.ptr[i] > '9') {
            return -1;
        }
        n = n * 10 + (t.ptr[i] - '0');
    }
    return n;
}

static int check_payload_size(struct nj_parser *p, struct nj_event *ev, int64_t size)
{
    ev->size = (uint32_t) size;
    if (p->max_payload >= 0 && size > p->max_payload) {
        return fail(ev, NJ_PARSE_MAX_PAYLOAD, 0, NULL);
    }
    return NJ_OK;
}

static int parse_pub(struct nj_parser *p, struct nj_event *ev)
{
    struct nj_text a[3];
    size_t n = split(ev->arg.ptr, ev->arg.len, blanks, a, 3);
    if (n < 2 || n > 3) {
        return fail(ev, NJ_PARSE_PUB_ARGS, 0, NULL);
    }
    ev->subject = a[0];
    ev->reply = n == 3 ? a[1] : (struct nj_text){ NULL, 0 };
    ev->hdr_digits = (struct nj_text){ NULL, 0 };
    ev->size_digits = a[n - 1];
    ev->hdr_len = 0;
    int64_t size = parse_size(ev->size_digits);
    if (size < 0) {
        return fail(ev, NJ_PARSE_PUB_SIZE, 0, NULL);
    }
    return check_payload_size(p, ev, size);
}

static int parse_hpub(struct nj_parser *p, struct nj_event *ev)
{
    struct nj_text a[4];
    if (!p->headers_on) {
        return fail(ev, NJ_PARSE_HEADERS_OFF, 0, NULL);
    }
    size_t n = split(ev->arg.ptr, ev->arg.len, blanks, a, 4);
    if (n < 3 || n > 4) {
        return fail(ev, NJ_PARSE_HPUB_ARGS, 0, NULL);
    }
    ev->subject = a[0];
    if (n == 4) {
        ev->reply = a[1];
    }
    ev->hdr_digits = a[n - 2];
    ev->size_digits = a[n - 1];
    int64_t hdr = parse_size(ev->hdr_digits);
    int64_t size = parse_size(ev->size_digits);
    if (hdr < 0) {
        return fail(ev, NJ_PARSE_HPUB_HEADER_SIZE, 0, NULL);
    }
    if (size < 0) {
        return fail(ev, NJ_PARSE_HPUB_TOTAL_SIZE, 0, NULL);
    }
    if (hdr > size) {
        return fail(ev, NJ_PARSE_HPUB_HEADER_LARGER, 0, NULL);
    }
    ev->hdr_len = (uint32_t) hdr;
    return check_payload_size(p, ev, size);
}

static int parse_sub(struct nj_event *ev)
{
    struct nj_text a[3];
    size_t n = split(ev->arg.ptr, ev->arg.len, blanks_and_ends, a, 3);
    if (n < 2 || n > 3) {
        return fail(ev, NJ_PARSE_SUB_ARGS, 0, NULL);
    }
    ev->subject = a[0];
    if (n == 3) {
        ev->queue = a[1];
    }
    ev->sid = a[n - 1];
    return NJ_OK;
}

static int parse_unsub(struct nj_event *ev)
{
    struct nj_text a[2];
    size_t n = split(ev->arg.ptr, ev->arg.len, blanks_and_ends, a, 2);
    if (n < 1 || n > 2) {
        return fail(ev, NJ_PARSE_UNSUB_ARGS, 0, NULL);
    }
    ev->sid = a[0];
    if (n == 2) {
        ev->max = a[1];
    }
    return NJ_OK;
}

/* A whole argument is here. */
static int finish_arg(struct nj_parser *p, const char *arg, size_t len, struct nj_event *ev)
{
    if (len > (size_t) p->max_control_line) {
        return fail(ev, NJ_PARSE_CONTROL_LINE, 0, NULL);
    }
    ev->op = p->op;
    ev->headers = p->op_headers;
    ev->arg = (struct nj_text){ arg, (uint32_t) len };
    ev->reply = ev->queue = ev->max = ev->hdr_digits = (struct nj_text){ NULL, 0 };
    ev->payload = NULL;
    ev->shared = NULL;
    p->stage = STAGE_START;
    switch (p->op) {
    case NJ_OP_PUB: {
        int rc = p->op_headers ? parse_hpub(p, ev) : parse_pub(p, ev);
        p->stage = STAGE_PAYLOAD;
        return rc;
    }
    case NJ_OP_SUB:
        return parse_sub(ev);
    case NJ_OP_UNSUB:
        return parse_unsub(ev);
    default:
        return NJ_OK;
    }
}

/* ---- payloads --------------------------------------------------------------------------------- */

/* Move the texts of `ev`, which point into `from`, into the copy of the argument in p->line. */
static void rebase(struct nj_text *t, const char *from, const char *to)
{
    if (t->ptr != NULL) {
        t->ptr = to + (t->ptr - from);
    }
}

/* The payload is not all here: keep the control line and what there is of it. */
static void keep_pub(struct nj_parser *p, struct nj_event *ev, const uint8_t *in, size_t len)
{
    const char *from = ev->arg.ptr;
    if (p->line == NULL) {
        p->line = nj_strndup(from, ev->arg.len);
        p->line_len = ev->arg.len;
    }
    rebase(&ev->subject, from, p->line);
    rebase(&ev->reply, from, p->line);
    rebase(&ev->hdr_digits, from, p->line);
    rebase(&ev->size_digits, from, p->line);
    ev->arg.ptr = p->line;
    p->pub = *ev;
    p->payload = nj_payload_new((size_t) ev->size + 2);
    memcpy(p->payload->bytes, in, len);
    p->payload_have = (uint32_t) len;
}

static int check_trailer(const uint8_t *payload, uint32_t size, size_t have, const uint8_t *in_end,
                         struct nj_event *ev)
{
    if (have > size && payload[size] != '\r') {
        return fail(ev, NJ_PARSE_UNKNOWN_OP, STATE_PAYLOAD_CR, in_end - (have - size));
    }
    if (have > (size_t) size + 1 && payload[size + 1] != '\n') {
        return fail(ev, NJ_PARSE_UNKNOWN_OP, STATE_PAYLOAD_LF, in_end - 1);
    }
    return NJ_OK;
}

/* Stage PAYLOAD with the control line in `ev` and nothing of the payload kept yet. */
static int begin_payload(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used,
                         struct nj_event *ev)
{
    size_t want = (size_t) ev->size + 2;
    size_t have = len < want ? len : want;
    int rc = check_trailer(in, ev->size, have, in + have, ev);
    if (rc != NJ_OK) {
        return rc;
    }
    *used += have;
    if (have < want) {
        keep_pub(p, ev, in, have);
        return NJ_NEED_IN;
    }
    ev->payload = in;
    p->stage = STAGE_START;
    return NJ_OK;
}

static int go_on_with_payload(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used,
                              struct nj_event *ev)
{
    size_t want = (size_t) p->pub.size + 2 - p->payload_have;
    size_t n = len < want ? len : want;
    if (n > 0) {
        memcpy(p->payload->bytes + p->payload_have, in, n);
    }
    p->payload_have += (uint32_t) n;
    *used += n;
    *ev = p->pub;
    int rc = check_trailer(p->payload->bytes, p->pub.size, p->payload_have, in + n, ev);
    if (rc != NJ_OK) {
        return rc;
    }
    if (n < want) {
        return NJ_NEED_IN;
    }
    ev->payload = p->payload->bytes;
    ev->shared = p->payload;
    p->stage = STAGE_START;
    return NJ_OK;
}

size_t nj_parser_direct(struct nj_parser *p, uint8_t **to_out)
{
    if (p->stage != STAGE_PAYLOAD || p->payload == NULL || p->payload_have >= p->pub.size) {
        return 0;
    }
    *to_out = p->payload->bytes + p->payload_have;
    return (size_t) p->pub.size - p->payload_have;
}

void nj_parser_direct_done(struct nj_parser *p, size_t n)
{
    p->payload_have += (uint32_t) n;
}

/* ---- lines ------------------------------------------------------------------------------------- */

static void keep_arg(struct nj_parser *p, const uint8_t *in, size_t len)
{
    if (p->line_len + len > p->line_cap) {
        uint32_t cap = p->line_cap == 0 ? 128 : p->line_cap;
        while (cap < p->line_len + len) {
            cap *= 2;
        }
        char *line = nj_alloc(cap);
        if (p->line_len > 0) {
            memcpy(line, p->line, p->line_len);
        }
        free_line(p); /* not realloc(3): it may leave a copy */
        p->line = line;
        p->line_cap = cap;
    }
    memcpy(p->line + p->line_len, in, len);
    p->line_len += (uint32_t) len;
}

/* One CR before LF goes, unless it is the whole argument. */
static size_t without_cr(const char *s, size_t len)
{
    return len > 1 && s[len - 1] == '\r' ? len - 1 : len;
}

static int read_arg(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used,
                    struct nj_event *ev)
{
    /* The first byte belongs to the argument whatever it is; LF ends it only after that. */
    size_t skip = p->line == NULL ? 1 : 0;
    const uint8_t *lf = len > skip ? memchr(in + skip, '\n', len - skip) : NULL;
    size_t n = lf != NULL ? (size_t) (lf - in) : len;
    const char *arg = (const char *) in;
    size_t arg_len = n;
    if (p->line != NULL || lf == NULL) {
        if (p->line_len + n > (size_t) p->max_control_line + 1) {
            return fail(ev, NJ_PARSE_CONTROL_LINE, 0, NULL);
        }
        keep_arg(p, in, n);
        arg = p->line;
        arg_len = p->line_len;
    }
    *used += lf != NULL ? n + 1 : n;
    if (lf == NULL) {
        p->stage = STAGE_ARG;
        if (without_cr(arg, arg_len) > (size_t) p->max_control_line) {
            return fail(ev, NJ_PARSE_CONTROL_LINE, 0, NULL);
        }
        return NJ_NEED_IN;
    }
    return finish_arg(p, arg, without_cr(arg, arg_len), ev);
}

static int skip_line(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used,
                     struct nj_event *ev)
{
    const uint8_t *lf = memchr(in, '\n', len);
    *used += lf != NULL ? (size_t) (lf - in) + 1 : len;
    if (lf == NULL) {
        return NJ_NEED_IN;
    }
    p->stage = STAGE_START;
    ev->op = p->op;
    return NJ_OK;
}

static void verb_done(struct nj_parser *p, const struct verb *v)
{
    p->op = v->op;
    p->op_headers = v->headers;
    p->verb_len = 0;
    bool skips = v->op == NJ_OP_PING || v->op == NJ_OP_PONG || v->op == NJ_OP_OK;
    p->stage = skips ? STAGE_SKIP : STAGE_blanks;
}

/*
 * The verb, from p->verb and the input.  NJ_OK when it is known and its blank, where one is
 * needed, is there.
 */
static int read_verb(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used,
                     struct nj_event *ev)
{
    char s[2 * sizeof(p->verb)];
    size_t had = p->verb_len;
    size_t take = len < sizeof(p->verb) ? len : sizeof(p->verb);
    const struct verb *v;
    memcpy(s, p->verb, had);
    memcpy(s + had, in, take);
    size_t n = match_verb(s, had + take, &v);
    bool whole = v != NULL && n == v->len;
    if (whole && (!v->blank_needed || (n < had + take && is_blank(s[n])))) {
        *used += n + (v->blank_needed ? 1 : 0) - had;
        verb_done(p, v);
        return NJ_OK;
    }
    if (n < had + take) {
        return fail(ev, NJ_PARSE_UNKNOWN_OP, state_after(v, n), in + (n > had ? n - had : 0));
    }
    memcpy(p->verb, s, n);
    p->verb_len = (uint8_t) n;
    p->stage = STAGE_VERB;
    *used += take;
    return NJ_NEED_IN;
}

static size_t count_blanks(const uint8_t *in, size_t len)
{
    size_t n = 0;
    while (n < len && is_blank((char) in[n])) {
        n++;
    }
    return n;
}

/* Stages before the payload, one step. */
static int step_line(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used,
                     struct nj_event *ev)
{
    size_t n = 0;
    int rc;
    switch (p->stage) {
    case STAGE_START:
    case STAGE_VERB:
        rc = read_verb(p, in, len, &n, ev);
        *used += n;
        return rc;
    case STAGE_blanks:
        n = count_blanks(in, len);
        *used += n;
        if (n < len) {
            p->stage = STAGE_ARG;
        }
        return n < len ? NJ_OK : NJ_NEED_IN;
    case STAGE_SKIP:
        return skip_line(p, in, len, used, ev);
    default:
        return read_arg(p, in, len, used, ev);
    }
}

/* Bytes of one argument: ends at a blank, a line end, or another control byte. */
static const uint8_t *word_end(const uint8_t *s, const uint8_t *end)
{
    while (s < end && *s > ' ') {
        s++;
    }
    return s;
}

static struct nj_text text_of(const uint8_t *from, const uint8_t *to)
{
    return (struct nj_text){ (const char *) from, (uint32_t) (to - from) };
}

/*
 * The commonest operation, all of it in the input and nothing unusual about it:
 * "PUB subject [reply] size\r\n" and its payload.  False: read it step by step.
 */
static bool quick_pub(const struct nj_parser *p, const uint8_t *in, size_t len, size_t *used_out,
                      struct nj_event *ev)
{
    if (len < 8 || (in[0] | 32) != 'p' || (in[1] | 32) != 'u' || (in[2] | 32) != 'b' ||
        in[3] != ' ') {
        return false;
    }
    size_t most = 4 + (size_t) p->max_control_line;
    const uint8_t *end = in + (len < most ? len : most);
    const uint8_t *subject_end = word_end(in + 4, end);
    if (subject_end == in + 4 || subject_end == end || *subject_end != ' ') {
        return false;
    }
    ev->subject = text_of(in + 4, subject_end);
    ev->reply = (struct nj_text){ NULL, 0 };
    const uint8_t *at = subject_end + 1;
    const uint8_t *stop = word_end(at, end);
    if (stop < end && *stop == ' ') {
        ev->reply = text_of(at, stop);
        at = stop + 1;
        stop = word_end(at, end);
    }
    ev->size_digits = text_of(at, stop);
    int64_t size = parse_size(ev->size_digits);
    size_t line_len = (size_t) (stop - in) + 2;
    if (size < 0 || (stop > at && ev->reply.ptr != NULL && ev->reply.len == 0) ||
        len < line_len + (size_t) size + 2 || stop[0] != '\r' || stop[1] != '\n' ||
        (p->max_payload >= 0 && size > p->max_payload)) {
        return false;
    }
    const uint8_t *payload = in + line_len;
    if (payload[size] != '\r' || payload[size + 1] != '\n') {
        return false;
    }
    ev->op = NJ_OP_PUB;
    ev->headers = false;
    ev->arg = text_of(in + 4, stop);
    ev->hdr_digits = ev->queue = ev->sid = ev->max = (struct nj_text){ NULL, 0 };
    ev->hdr_len = 0;
    ev->size = (uint32_t) size;
    ev->payload = payload;
    ev->shared = NULL;
    *used_out = line_len + (size_t) size + 2;
    return true;
}

int nj_parse(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used_out,
             struct nj_event *ev)
{
    size_t used = 0;
    int rc = NJ_OK;
    *used_out = 0;
    ev->op = NJ_OP_NONE;
    ev->error = NJ_PARSE_OK;
    if (p->stage == STAGE_START) {
        if (p->line != NULL || p->payload != NULL) { /* of the operation before */
            drop_line(p);
            drop_payload(p);
        }
        if (!p->line_events && quick_pub(p, in, len, used_out, ev)) {
            return NJ_OK;
        }
    } else if (p->stage == STAGE_PAYLOAD) {
        rc = p->payload != NULL ? go_on_with_payload(p, in, len, &used, ev)
                                : (*ev = p->pub, begin_payload(p, in, len, &used, ev));
        *used_out = used;
        return rc;
    }
    while (rc == NJ_OK && ev->op == NJ_OP_NONE) {
        if (used == len) {
            *used_out = used;
            return NJ_NEED_IN;
        }
        rc = step_line(p, in + used, len - used, &used, ev);
    }
    if (rc == NJ_OK && ev->op == NJ_OP_PUB) {
        if (p->line_events) {
            p->pub = *ev;
            ev->op = NJ_OP_PUB_LINE;
        } else {
            rc = begin_payload(p, in + used, len - used, &used, ev);
        }
    }
    *used_out = used;
    return rc;
}
