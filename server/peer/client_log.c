#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/nul_text.h"
#include "base/quote.h"
#include "broker/account.h"
#include "peer/client.h"

#define LABEL_MAX_LEN 32768

static void put_address(const struct nj_client *c, struct nj_buf *b)
{
    bool v6 = strchr(c->ip, ':') != NULL;
    (void) nj_buf_printf(b, v6 ? "[%s]:%u - cid:%" PRIu64 : "%s:%u - cid:%" PRIu64, c->ip,
                         c->port, c->cid);
    (void) nj_buf_puts(b, c->label != NULL ? c->label : "");
    (void) nj_buf_puts(b, " - ");
}

/* What a peer sent must not begin a log line of its own. */
static void hide_controls(struct nj_buf *b)
{
    for (size_t i = 0; i < b->len; i++) {
        unsigned char ch = (unsigned char) b->ptr[i];
        b->ptr[i] = ch < 0x20 || ch == 0x7f ? '?' : b->ptr[i];
    }
}

void nj_client_log(const struct nj_client *c, enum nj_log_level level, const char *fmt, ...)
{
    struct nj_buf b;
    va_list ap;
    nj_buf_init(&b, 64 * 1024);
    put_address(c, &b);
    va_start(ap, fmt);
    (void) nj_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    hide_controls(&b);
    nj_log(level, "%s", b.ptr);
    nj_buf_free(&b);
}

/* A log line from bytes of the peer, which may hold anything but a format. */
static void log_bytes(const struct nj_client *c, struct nj_buf *line)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    put_address(c, &b);
    (void) nj_buf_append(&b, line->ptr, line->len);
    nj_log(NJ_LVL_TRC, "%s", b.ptr);
    nj_buf_free(&b);
}

/* " - " and the text in quotes; a peer chose it, and may have chosen quotes and line ends. */
static void put_quoted(struct nj_buf *label, struct nj_buf *text)
{
    (void) nj_buf_puts(label, " - ");
    (void) nj_nul_text_quote(label, text->ptr != NULL ? text->ptr : "");
    nj_buf_free(text);
}

/* "v1.2:c:name", as far as it was said. */
static void put_names(const struct nj_client *c, struct nj_buf *b)
{
    const char *sep = "";
    if (c->version != NULL) {
        (void) nj_buf_printf(b, "v%s", c->version);
        sep = ":";
    }
    if (c->lang != NULL) {
        (void) nj_buf_printf(b, "%s%s", sep, c->lang);
        sep = ":";
    }
    if (c->name != NULL) {
        (void) nj_buf_printf(b, "%s%s", sep, c->name);
    }
}

static void put_user(const struct nj_client *c, struct nj_buf *b)
{
    if (c->nkey != NULL) {
        (void) nj_buf_printf(b, "%s/nkey:%s", c->account->name, c->nkey);
    } else if (c->user != NULL) {
        (void) nj_buf_printf(b, "%s/user:%s", c->account->name, c->user);
    } else if (c->by_token) {
        (void) nj_buf_printf(b, "%s/token", c->account->name);
    }
}

void nj_client_make_label(struct nj_client *c)
{
    struct nj_buf b;
    struct nj_buf text;
    nj_buf_init(&b, LABEL_MAX_LEN);
    nj_buf_init(&text, LABEL_MAX_LEN);
    if (c->version != NULL || c->lang != NULL || c->name != NULL) {
        put_names(c, &text);
        put_quoted(&b, &text);
    }
    if (c->nkey != NULL || c->user != NULL || c->by_token) {
        put_user(c, &text);
        put_quoted(&b, &text);
    }
    nj_dealloc(c->label);
    c->label = b.len > 0 ? nj_buf_take(&b) : NULL;
    nj_buf_free(&b);
}

const char *nj_client_authorized_user(const struct nj_client *c)
{
    const char *name = c->nkey != NULL ? c->nkey : c->user;
    return name == NULL && c->by_token ? "[REDACTED]" : name;
}

void nj_client_trace_in(const struct nj_client *c, const char *op, const char *arg, size_t len)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_printf(&b, "<<- [%s%s", op, len > 0 ? " " : "");
    (void) nj_buf_append(&b, arg, len);
    (void) nj_buf_putc(&b, ']');
    log_bytes(c, &b);
    nj_buf_free(&b);
}

void nj_client_trace_out(const struct nj_client *c, const char *text, size_t len)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_puts(&b, "->> [");
    (void) nj_buf_append(&b, text, len);
    (void) nj_buf_putc(&b, ']');
    log_bytes(c, &b);
    nj_buf_free(&b);
}

void nj_client_trace_payload(const struct nj_client *c, const char *arrow, const uint8_t *payload,
                             uint32_t hdr_len, uint32_t size)
{
    const struct nj_limits *l = &nj_client_serving(c)->limits;
    size_t len = size;
    if (l->trace_headers) {
        len = hdr_len >= 4 ? hdr_len - 4 : 0; /* without the empty line at the end */
    }
    if (len == 0) {
        return;
    }
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_printf(&b, "%s MSG_PAYLOAD: [", arrow);
    if (l->max_traced_msg_len > 0 && len > (size_t) l->max_traced_msg_len) {
        struct nj_buf cut;
        nj_buf_init(&cut, SIZE_MAX);
        (void) nj_quote(&cut, (const char *) payload, (size_t) l->max_traced_msg_len);
        (void) nj_buf_append(&b, cut.ptr, cut.len - 1);
        (void) nj_buf_puts(&b, "...\"");
        nj_buf_free(&cut);
    } else {
        (void) nj_quote(&b, (const char *) payload, len);
    }
    (void) nj_buf_putc(&b, ']');
    log_bytes(c, &b);
    nj_buf_free(&b);
}

/* ---- CONNECT without its secrets ------------------------------------------------------------ */

static bool is_secret_key(const char *key, size_t len)
{
    static const struct {
        const char *text;
        bool prefix;
    } secret[] = { { "auth_token", true }, { "pass", true }, { "sig", false },
                   { "proxy_sig", false }, { "nkey", false },
                   { "jwt", false } };
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        size_t n = strlen(secret[i].text);
        if (len >= n && strncasecmp(key, secret[i].text, n) == 0 &&
            (secret[i].prefix || len == n)) {
            return true;
        }
    }
    return false;
}

/* End of the string that starts after the quote at `at`. */
static size_t string_end(const char *s, size_t len, size_t at)
{
    while (at < len && s[at] != '"') {
        at += s[at] == '\\' ? 2 : 1;
    }
    return at < len ? at : len;
}

static size_t skip_space(const char *s, size_t len, size_t at)
{
    while (at < len && (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n')) {
        at++;
    }
    return at;
}

/* End of a value that may not be a string: a number by mistake is a secret too. */
static size_t bare_end(const char *s, size_t len, size_t at)
{
    while (at < len && s[at] != ',' && s[at] != '}' && s[at] != ' ') {
        at++;
    }
    return at;
}

/* Behind the value that starts at `at`. */
static size_t value_end(const char *s, size_t len, size_t at)
{
    if (at >= len || s[at] != '"') {
        return bare_end(s, len, at);
    }
    size_t stop = string_end(s, len, at + 1);
    return stop < len ? stop + 1 : len;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Written by hand, a key may lack its quotes: that is no JSON, but a password all the same.  Where
 * the value of such a key begins; 0: there is none at `at`. */
static size_t bare_secret(const char *s, size_t len, size_t at)
{
    size_t end = at;
    while (end < len && is_word(s[end])) {
        end++;
    }
    if ((at > 0 && is_word(s[at - 1])) || !is_secret_key(s + at, end - at)) {
        return 0;
    }
    end += end < len && s[end] == '\'' ? 1 : 0;
    end = skip_space(s, len, end);
    return end < len && (s[end] == ':' || s[end] == '=') ? skip_space(s, len, end + 1) : 0;
}

static void redact(const char *s, size_t len, struct nj_buf *out)
{
    size_t at = 0;
    while (at < len) {
        size_t bare = s[at] != '"' ? bare_secret(s, len, at) : 0;
        if (bare > 0) {
            (void) nj_buf_append(out, s + at, bare - at);
            (void) nj_buf_puts(out, "[REDACTED]");
            at = value_end(s, len, bare);
            continue;
        }
        if (s[at] != '"') {
            (void) nj_buf_putc(out, s[at++]);
            continue;
        }
        size_t key = at + 1;
        size_t end = string_end(s, len, key);
        size_t next = skip_space(s, len, end + 1);
        size_t copied = end < len ? end + 1 : len;
        (void) nj_buf_append(out, s + at, copied - at);
        at = copied;
        if (next >= len || s[next] != ':' || !is_secret_key(s + key, end - key)) {
            continue;
        }
        size_t value = skip_space(s, len, next + 1);
        (void) nj_buf_append(out, s + at, value - at);
        (void) nj_buf_puts(out, "\"[REDACTED]\"");
        at = value_end(s, len, value);
    }
}

void nj_client_trace_connect(const struct nj_client *c, const char *arg, size_t len)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    redact(arg, len, &b);
    nj_client_trace_in(c, "CONNECT", b.ptr != NULL ? b.ptr : "", b.len);
    nj_buf_free(&b);
}
