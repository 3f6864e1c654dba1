#include "ops/http.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "natterjack/plugin.h"

enum { CHUNK_LINE_MAX = 4096 };

enum chunk_state { CHUNK_SIZE = 0, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER };

/* What the reading of a body came to. */
enum body_step { BODY_MORE, BODY_DONE, BODY_BAD };

static const struct {
    const char *status; /* after "HTTP/1.1 ", and the body too when that is NULL */
    const char *body;
} refusals[] = {
    [NJ_HTTP_FINE] = { "500 Internal Server Error", NULL },
    [NJ_HTTP_BAD_REQUEST] = { "400 Bad Request", NULL },
    [NJ_HTTP_BAD_HEADER_NAME] = { "400 Bad Request: invalid header name", NULL },
    [NJ_HTTP_NO_HOST] = { "400 Bad Request: missing required Host header", NULL },
    [NJ_HTTP_BAD_HOST] = { "400 Bad Request: malformed Host header", NULL },
    [NJ_HTTP_HEAD_TOO_LARGE] = { "431 Request Header Fields Too Large", NULL },
    [NJ_HTTP_BAD_TRANSFER_ENCODING] = { "501 Not Implemented", "Unsupported transfer encoding" },
    [NJ_HTTP_BAD_VERSION] = { "505 HTTP Version Not Supported: unsupported protocol version",
                              NULL },
};

void nj_http_init(struct nj_http *h, size_t out_limit)
{
    *h = (struct nj_http){ 0 };
    nj_buf_init(&h->in, NJ_HTTP_HEAD_MAX + NJ_HTTP_FEED_MAX);
    nj_buf_init(&h->out, out_limit);
    nj_http_head_init(&h->head);
}

void nj_http_fini(struct nj_http *h)
{
    nj_http_head_free(&h->head);
    nj_buf_free(&h->in);
    nj_buf_free(&h->out);
}

bool nj_http_is_head(const struct nj_http *h)
{
    return h->head.method != NULL && strcmp(h->head.method, "HEAD") == 0;
}

static void end(struct nj_http *h)
{
    h->phase = NJ_HTTP_ENDED;
    nj_buf_free(&h->in);
    h->at = 0;
}

static void refuse(struct nj_http *h, enum nj_http_refusal why)
{
    const char *status = refusals[why].status;
    const char *body = refusals[why].body != NULL ? refusals[why].body : status;
    (void) nj_buf_printf(&h->out,
                         "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                         "Connection: close\r\n\r\n%s",
                         status, body);
    end(h);
}

void nj_http_feed(struct nj_http *h, const void *p, size_t len)
{
    assert(len <= NJ_HTTP_FEED_MAX);
    if (h->phase == NJ_HTTP_ENDED) {
        return;
    }
    if (h->at > 0) { /* keep what is unused, so that the buffer stays within its limit */
        size_t rest = h->in.len - h->at;
        memmove(h->in.ptr, h->in.ptr + h->at, rest);
        h->in.len = rest;
        h->scan -= h->at;
        h->line_start -= h->at;
        h->fields_at -= h->at;
        h->at = 0;
    }
    if (nj_buf_append(&h->in, p, len) != NJ_OK) {
        refuse(h, NJ_HTTP_HEAD_TOO_LARGE);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static const char *status_words(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 307:
        return "Temporary Redirect";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 417:
        return "Expectation Failed";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

static const char *date_text(char *buf, size_t cap)
{
    struct tm tm;
    time_t now = time(NULL);
    (void) gmtime_r(&now, &tm);
    (void) strftime(buf, cap, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return buf;
}

static bool is_http_1_0(const struct nj_http_head *head)
{
    return head->major == 1 && head->minor == 0;
}

static const char *connection_line(const struct nj_http_head *head)
{
    if (head->says_keep_alive) {
        return "Connection: keep-alive\r\n";
    }
    return head->close && !is_http_1_0(head) ? "Connection: close\r\n" : "";
}

static int put_answer(struct nj_http *h, const struct nj_http_answer *a)
{
    char date[64];
    struct nj_buf *out = &h->out;
    int rc = nj_buf_printf(out, "HTTP/1.%d %d %s\r\n", is_http_1_0(&h->head) ? 0 : 1, a->status,
                           status_words(a->status));
    if (rc == NJ_OK && a->cors) {
        rc = nj_buf_puts(out, "Access-Control-Allow-Origin: *\r\n");
    }
    if (rc == NJ_OK && a->content_type != NULL) {
        rc = nj_buf_printf(out, "Content-Type: %s\r\n", a->content_type);
    }
    if (rc == NJ_OK && a->location != NULL) {
        rc = nj_buf_printf(out, "Location: %s\r\n", a->location);
    }
    if (rc == NJ_OK && a->nosniff) {
        rc = nj_buf_puts(out, "X-Content-Type-Options: nosniff\r\n");
    }
    if (rc == NJ_OK) {
        rc = nj_buf_printf(out, "Date: %s\r\nContent-Length: %zu\r\n%s\r\n",
                           date_text(date, sizeof(date)), a->body_len, connection_line(&h->head));
    }
    if (rc == NJ_OK && !nj_http_is_head(h)) {
        rc = nj_buf_append(out, a->body, a->body_len);
    }
    return rc;
}

/* Get ready for the next request. */
static void begin(struct nj_http *h)
{
    nj_http_head_free(&h->head);
    h->phase = NJ_HTTP_IDLE;
    h->has_line = false;
    if (h->at == h->in.len) { /* an idle connection owns no buffer */
        nj_buf_free(&h->in);
        h->at = 0;
    }
    h->scan = h->at;
    h->line_start = h->at;
    h->lazy_body = false;
    h->chunk_state = CHUNK_SIZE;
    h->body_left = 0;
    h->body_seen = 0;
}

int nj_http_answer(struct nj_http *h, const struct nj_http_answer *a)
{
    static const char too_big[] = "the answer is larger than this port may send";
    static const struct nj_http_answer instead = { .status = 500,
                                                   .content_type = "text/plain; charset=utf-8",
                                                   .body = too_big,
                                                   .body_len = sizeof(too_big) - 1 };
    assert(h->phase == NJ_HTTP_ANSWERING);
    size_t before = h->out.len;
    h->head.close = h->head.close || h->lazy_body;
    h->head.says_keep_alive = h->head.says_keep_alive && !h->head.close;
    int rc = put_answer(h, a);
    if (rc != NJ_OK) {
        h->out.len = before;
        h->head.close = true;
        if (put_answer(h, &instead) != NJ_OK) {
            h->out.len = before; /* not even that fits: the peer sees the end alone */
        }
    }
    if (h->head.close) {
        end(h);
    } else {
        begin(h);
    }
    return rc;
}

/* ---- bodies, read to be thrown away ---------------------------------------------------------- */

/* The next line of the body without its line end; NULL: not here yet, or too long (*bad_out). */
static const char *body_line(struct nj_http *h, size_t *len_out, bool *bad_out)
{
    size_t have = h->in.len - h->at;
    if (have == 0) {
        return NULL;
    }
    const char *p = h->in.ptr + h->at;
    const char *nl = memchr(p, '\n', have);
    if (nl == NULL) {
        *bad_out = have > CHUNK_LINE_MAX;
        return NULL;
    }
    size_t len = (size_t) (nl - p);
    h->at += len + 1;
    *len_out = len > 0 && p[len - 1] == '\r' ? len - 1 : len;
    return p;
}

static bool parse_chunk_size(const char *s, size_t len, uint64_t *size_out)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < len && memchr(" \t;", s[i], 3) == NULL; i++) {
        const char *hex = "0123456789abcdef";
        char lower = (char) (s[i] >= 'A' && s[i] <= 'F' ? s[i] | 0x20 : s[i]);
        const char *digit = memchr(hex, lower, 16);
        if (digit == NULL || i >= 15) {
            return false;
        }
        v = v * 16 + (uint64_t) (digit - hex);
    }
    *size_out = v;
    return i > 0;
}

/* Throw away up to body_left bytes. */
static void skip_bytes(struct nj_http *h)
{
    size_t have = h->in.len - h->at;
    size_t n = h->body_left < have ? (size_t) h->body_left : have;
    h->at += n;
    h->body_left -= n;
}

/* One line of the chunk grammar; BODY_MORE: go on. */
static enum body_step take_chunk_line(struct nj_http *h, const char *line, size_t len)
{
    switch ((enum chunk_state) h->chunk_state) {
    case CHUNK_SIZE:
        if (!parse_chunk_size(line, len, &h->body_left)) {
            return BODY_BAD;
        }
        h->chunk_state = h->body_left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
        h->body_seen +=
            h->body_left < NJ_HTTP_BODY_MAX ? (size_t) h->body_left : (size_t) NJ_HTTP_BODY_MAX + 1;
        break;
    case CHUNK_END:
        if (len != 0) {
            return BODY_BAD;
        }
        h->chunk_state = CHUNK_SIZE;
        break;
    case CHUNK_TRAILER:
        if (len == 0) {
            return BODY_DONE;
        }
        break;
    case CHUNK_DATA:
        break;
    }
    /* A chunk of one byte costs a line too: count it, so that tiny chunks are bounded as well. */
    h->body_seen += len + 1;
    return h->body_seen > NJ_HTTP_BODY_MAX ? BODY_BAD : BODY_MORE;
}

static enum body_step skip_chunks(struct nj_http *h)
{
    for (;;) {
        if (h->chunk_state == CHUNK_DATA) {
            skip_bytes(h);
            if (h->body_left > 0) {
                return BODY_MORE;
            }
            h->chunk_state = CHUNK_END;
        }
        size_t len = 0;
        bool bad = false;
        const char *line = body_line(h, &len, &bad);
        if (line == NULL) {
            return bad ? BODY_BAD : BODY_MORE;
        }
        enum body_step step = take_chunk_line(h, line, len);
        if (step != BODY_MORE) {
            return step;
        }
    }
}

static enum body_step skip_body(struct nj_http *h)
{
    if (h->head.chunked) {
        return skip_chunks(h);
    }
    skip_bytes(h);
    return h->body_left == 0 ? BODY_DONE : BODY_MORE;
}

/* ---- the next step --------------------------------------------------------------------------- */

/*
 * Look at the lines that are here.  True when the head is complete; false when more is needed or
 * the request was refused (then the phase says so).
 */
static bool read_head(struct nj_http *h)
{
    while (h->scan < h->in.len) {
        char *nl = memchr(h->in.ptr + h->scan, '\n', h->in.len - h->scan);
        if (nl == NULL) {
            h->scan = h->in.len;
            break;
        }
        size_t start = h->line_start;
        size_t next = (size_t) (nl - h->in.ptr) + 1;
        size_t len = next - 1 - start;
        len -= len > 0 && h->in.ptr[start + len - 1] == '\r' ? 1 : 0;
        h->scan = next;
        h->line_start = next;
        if (next - h->at > NJ_HTTP_HEAD_MAX) {
            break;
        }
        enum nj_http_refusal bad = NJ_HTTP_FINE;
        if (!h->has_line) {
            bad = nj_http_parse_line(&h->head, h->in.ptr + start, len);
            h->has_line = true;
            h->fields_at = next;
        } else if (len == 0) {
            bad = nj_http_parse_fields(&h->head, h->in.ptr + h->fields_at, start - h->fields_at);
            h->at = next;
            if (bad == NJ_HTTP_FINE) {
                return true;
            }
        }
        if (bad != NJ_HTTP_FINE) {
            refuse(h, bad);
            return false;
        }
    }
    if (h->scan - h->at > NJ_HTTP_HEAD_MAX) {
        refuse(h, NJ_HTTP_HEAD_TOO_LARGE);
    }
    return false;
}

/* Decide what to do with the body once the head is known. */
static void enter_body(struct nj_http *h)
{
    bool has_body = h->head.chunked || h->head.body_len > 0;
    h->body_left = h->head.body_len;
    /* A peer that waits for "100 Continue" is answered at once; it may send the body or not, so
     * the connection cannot be used again. */
    bool unsent = h->head.expects_other || (h->head.expects_continue && h->head.minor >= 1);
    h->lazy_body = has_body && (unsent || h->head.body_len > NJ_HTTP_BODY_MAX);
    h->phase = has_body && !h->lazy_body ? NJ_HTTP_IN_BODY : NJ_HTTP_ANSWERING;
}

/* Requests that concern the protocol and no resource.  True when answered. */
static bool answer_by_itself(struct nj_http *h)
{
    struct nj_http_answer a = { .status = 200, .body = "" };
    bool is_star = strcmp(h->head.raw_path, "*") == 0;
    if (h->head.expects_other) {
        a.status = 417;
    } else if (is_star && strcmp(h->head.method, "OPTIONS") != 0) {
        a.status = 400;
    } else if (!is_star) {
        return false;
    }
    h->head.close = h->head.close || a.status != 200;
    (void) nj_http_answer(h, &a);
    return true;
}

enum nj_http_step nj_http_next(struct nj_http *h)
{
    for (;;) {
        switch (h->phase) {
        case NJ_HTTP_IDLE:
            if (h->in.len == h->at) {
                return NJ_HTTP_MORE;
            }
            h->phase = NJ_HTTP_IN_HEAD;
            break;
        case NJ_HTTP_IN_HEAD:
            if (read_head(h)) {
                enter_body(h);
            } else if (h->phase == NJ_HTTP_IN_HEAD) {
                return NJ_HTTP_MORE;
            }
            break;
        case NJ_HTTP_IN_BODY: {
            enum body_step step = skip_body(h);
            if (step == BODY_MORE) {
                return NJ_HTTP_MORE;
            }
            h->lazy_body = step == BODY_BAD;
            h->phase = NJ_HTTP_ANSWERING;
            break;
        }
        case NJ_HTTP_ANSWERING:
            if (!answer_by_itself(h)) {
                return NJ_HTTP_REQUEST;
            }
            break;
        case NJ_HTTP_ENDED:
            return NJ_HTTP_END;
        }
    }
}
