#include "ops/http_head.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"

/* A stretch of the header block. */
struct span {
    const char *ptr;
    size_t len;
};

/* What the header fields say, before it is judged as a whole. */
struct fields {
    size_t hosts;
    struct span host;
    size_t encodings;
    struct span encoding;
    bool has_length;
    struct span length;
    bool says_close;
    bool says_keep_alive;
    bool expects;
    bool expects_continue;
};

void nj_http_head_init(struct nj_http_head *h)
{
    *h = (struct nj_http_head){ 0 };
}

void nj_http_head_free(struct nj_http_head *h)
{
    nj_dealloc(h->method);
    nj_dealloc(h->raw_path);
    nj_dealloc(h->path);
    nj_dealloc(h->query);
    nj_http_head_init(h);
}

/* The character tests are our own: those of <ctype.h> follow the locale. */
static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_token_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_host_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!$%&'()*+,-.:;=[]_~", c) != NULL);
}

static bool is_control(char c)
{
    return (unsigned char) c < 0x20 || c == 0x7f;
}

static bool all(struct span s, bool (*test)(char))
{
    for (size_t i = 0; i < s.len; i++) {
        if (!test(s.ptr[i])) {
            return false;
        }
    }
    return true;
}

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

static bool same_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* Is `word` one of the comma-separated tokens? */
static bool has_token(struct span s, const char *word)
{
    while (s.len > 0) {
        const char *comma = memchr(s.ptr, ',', s.len);
        size_t n = comma == NULL ? s.len : (size_t) (comma - s.ptr);
        if (same_word(trim((struct span){ s.ptr, n }), word)) {
            return true;
        }
        n += comma == NULL ? 0 : 1;
        s.ptr += n;
        s.len -= n;
    }
    return false;
}

/* ---- the request line ------------------------------------------------------------------------ */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *nj_http_unescape(const char *s, size_t len, bool plus, size_t *len_out)
{
    char *to = nj_alloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (c == '%') {
            if (len - i < 3 || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0) {
                nj_dealloc(to);
                return NULL;
            }
            c = (char) (hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[n++] = c;
    }
    to[n] = '\0';
    *len_out = n;
    return to;
}

char *nj_http_clean_path(const char *path)
{
    size_t len = strlen(path);
    char *to = nj_alloc(len + 3);
    size_t n = 0;
    const char *at = path;
    while (*at != '\0') {
        size_t part = strcspn(at, "/");
        if (part == 2 && memcmp(at, "..", 2) == 0) {
            while (n > 0 && to[--n] != '/') {
            }
        } else if (part > 0 && !(part == 1 && at[0] == '.')) {
            to[n++] = '/';
            memcpy(to + n, at, part);
            n += part;
        }
        at += part + (at[part] == '/' ? 1 : 0);
    }
    if (n == 0 || (len > 0 && path[len - 1] == '/')) {
        to[n++] = '/';
    }
    to[n] = '\0';
    return to;
}

/* Length of "scheme:" at the start, 0 when there is none. */
static size_t scheme_len(struct span uri)
{
    for (size_t i = 0; i < uri.len; i++) {
        char c = uri.ptr[i];
        if (c == ':') {
            return i == 0 ? 0 : i + 1;
        }
        if (!is_alnum(c) && (i == 0 || (c != '+' && c != '-' && c != '.'))) {
            return 0;
        }
        if (i == 0 && c >= '0' && c <= '9') {
            return 0;
        }
    }
    return 0;
}

/* Step over "//host"; false when an IPv6 bracket stays open. */
static bool skip_authority(struct span *rest)
{
    if (rest->len < 2 || memcmp(rest->ptr, "//", 2) != 0) {
        return true;
    }
    const char *slash = memchr(rest->ptr + 2, '/', rest->len - 2);
    size_t n = slash == NULL ? rest->len : (size_t) (slash - rest->ptr);
    bool open = memchr(rest->ptr, '[', n) != NULL;
    bool closed = memchr(rest->ptr, ']', n) != NULL;
    rest->ptr += n;
    rest->len -= n;
    return open == closed;
}

/* Sets raw_path, path and query. */
static enum nj_http_refusal parse_target(struct nj_http_head *h, struct span uri)
{
    struct span rest = uri;
    for (size_t i = 0; i < uri.len; i++) {
        if (is_control(uri.ptr[i])) {
            return NJ_HTTP_BAD_REQUEST;
        }
    }
    const char *mark = memchr(rest.ptr, '?', rest.len);
    size_t query_len = mark == NULL ? 0 : rest.len - (size_t) (mark - rest.ptr) - 1;
    if (mark != NULL) {
        rest.len = (size_t) (mark - rest.ptr);
    }
    bool is_star = uri.len == 1 && uri.ptr[0] == '*';
    if (rest.len == 0) {
        return NJ_HTTP_BAD_REQUEST;
    }
    if (rest.ptr[0] != '/' && !is_star) {
        bool authority_form = strcmp(h->method, "CONNECT") == 0;
        size_t n = authority_form ? rest.len : scheme_len(rest);
        if (n == 0) {
            return NJ_HTTP_BAD_REQUEST;
        }
        rest.ptr += n;
        rest.len -= n;
        if (!skip_authority(&rest)) {
            return NJ_HTTP_BAD_REQUEST;
        }
        rest.len = rest.len > 0 && rest.ptr[0] == '/' ? rest.len : 0; /* "a:b" has no path */
    }
    h->path = nj_http_unescape(rest.ptr, rest.len, false, &h->path_len);
    if (h->path == NULL) {
        return NJ_HTTP_BAD_REQUEST;
    }
    h->raw_path = nj_strndup(rest.ptr, rest.len);
    h->query = mark == NULL ? nj_strdup("") : nj_strndup(mark + 1, query_len);
    return NJ_HTTP_FINE;
}

static bool parse_version(struct nj_http_head *h, struct span s)
{
    if (s.len != 8 || memcmp(s.ptr, "HTTP/", 5) != 0 || s.ptr[6] != '.') {
        return false;
    }
    h->major = s.ptr[5] - '0';
    h->minor = s.ptr[7] - '0';
    return h->major >= 0 && h->major <= 9 && h->minor >= 0 && h->minor <= 9;
}

enum nj_http_refusal nj_http_parse_line(struct nj_http_head *h, const char *line, size_t len)
{
    struct span method = { line, len };
    struct span uri = { NULL, 0 };
    const char *blank = memchr(line, ' ', len);
    if (blank == NULL) {
        return NJ_HTTP_BAD_REQUEST;
    }
    method.len = (size_t) (blank - line);
    uri.ptr = blank + 1;
    uri.len = len - method.len - 1;
    blank = memchr(uri.ptr, ' ', uri.len);
    if (blank == NULL || method.len == 0 || !all(method, is_token_char)) {
        return NJ_HTTP_BAD_REQUEST;
    }
    struct span version = { blank + 1, uri.len - (size_t) (blank - uri.ptr) - 1 };
    uri.len = (size_t) (blank - uri.ptr);
    if (!parse_version(h, version)) {
        return NJ_HTTP_BAD_REQUEST;
    }
    h->method = nj_strndup(method.ptr, method.len);
    return parse_target(h, uri);
}

/* ---- the fields ------------------------------------------------------------------------------ */

/* A line that starts with a blank continues the one before: blank the line ends between them. */
static void unfold(char *p, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (p[i] == '\n' && (p[i + 1] == ' ' || p[i + 1] == '\t')) {
            p[i] = ' ';
            if (i > 0 && p[i - 1] == '\r') {
                p[i - 1] = ' ';
            }
        }
    }
}

static enum nj_http_refusal check_name(struct span name)
{
    bool blank = false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ' ') {
            blank = true;
        } else if (!is_token_char(name.ptr[i])) {
            return NJ_HTTP_BAD_REQUEST;
        }
    }
    if (name.len == 0) {
        return NJ_HTTP_BAD_REQUEST;
    }
    return blank ? NJ_HTTP_BAD_HEADER_NAME : NJ_HTTP_FINE;
}

static enum nj_http_refusal note_length(struct fields *f, struct span value)
{
    bool again = f->has_length;
    if (again && (f->length.len != value.len || memcmp(f->length.ptr, value.ptr, value.len) != 0)) {
        return NJ_HTTP_BAD_REQUEST;
    }
    f->has_length = true;
    f->length = value;
    return NJ_HTTP_FINE;
}

static enum nj_http_refusal note_field(struct fields *f, struct span name, struct span value)
{
    if (same_word(name, "Host")) {
        f->hosts++;
        f->host = value;
    } else if (same_word(name, "Content-Length")) {
        return note_length(f, value);
    } else if (same_word(name, "Transfer-Encoding")) {
        f->encodings++;
        f->encoding = value;
    } else if (same_word(name, "Connection")) {
        f->says_close = f->says_close || has_token(value, "close");
        f->says_keep_alive = f->says_keep_alive || has_token(value, "keep-alive");
    } else if (same_word(name, "Expect")) {
        f->expects = f->expects || value.len > 0;
        f->expects_continue = f->expects_continue || has_token(value, "100-continue");
    }
    return NJ_HTTP_FINE;
}

static enum nj_http_refusal parse_field(struct fields *f, struct span line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL) {
        return NJ_HTTP_BAD_REQUEST;
    }
    struct span name = { line.ptr, (size_t) (colon - line.ptr) };
    struct span value = trim((struct span){ colon + 1, line.len - name.len - 1 });
    enum nj_http_refusal bad = check_name(name);
    for (size_t i = 0; i < value.len && bad != NJ_HTTP_BAD_REQUEST; i++) {
        if (is_control(value.ptr[i]) && value.ptr[i] != '\t') {
            bad = NJ_HTTP_BAD_REQUEST;
        }
    }
    return bad == NJ_HTTP_FINE ? note_field(f, name, value) : bad;
}

static bool parse_length(struct span s, uint64_t *len_out)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 18) { /* 10^18 fits; a body of that size is not read anyway */
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t) (s.ptr[i] - '0');
    }
    *len_out = v;
    return true;
}

static enum nj_http_refusal judge_body(struct nj_http_head *h, const struct fields *f)
{
    /* HTTP/1.0 knows no chunks; the field is ignored there. */
    if (f->encodings > 0 && h->minor > 0) {
        if (f->encodings > 1 || !same_word(f->encoding, "chunked")) {
            return NJ_HTTP_BAD_TRANSFER_ENCODING;
        }
        h->chunked = true;
    } else if (f->has_length && !parse_length(f->length, &h->body_len)) {
        return NJ_HTTP_BAD_REQUEST;
    }
    return NJ_HTTP_FINE;
}

static enum nj_http_refusal judge(struct nj_http_head *h, const struct fields *f)
{
    bool is_preface = h->major == 2 && h->minor == 0 && strcmp(h->method, "PRI") == 0 &&
                      strcmp(h->raw_path, "*") == 0;
    if (f->hosts > 1) {
        return NJ_HTTP_BAD_REQUEST;
    }
    enum nj_http_refusal bad = judge_body(h, f);
    if (bad != NJ_HTTP_FINE) {
        return bad;
    }
    if (h->major != 1 && !is_preface) {
        return NJ_HTTP_BAD_VERSION;
    }
    if (f->hosts == 0 && h->minor >= 1 && strcmp(h->method, "CONNECT") != 0) {
        return NJ_HTTP_NO_HOST;
    }
    if (f->hosts == 1 && !all(f->host, is_host_char)) {
        return NJ_HTTP_BAD_HOST;
    }
    bool keeps = h->minor >= 1 || f->says_keep_alive;
    h->close = f->says_close || !keeps || is_preface;
    h->says_keep_alive = h->minor == 0 && !h->close;
    h->expects_continue = f->expects_continue;
    h->expects_other = f->expects && !f->expects_continue;
    return NJ_HTTP_FINE;
}

enum nj_http_refusal nj_http_parse_fields(struct nj_http_head *h, char *p, size_t len)
{
    struct fields f = { 0 };
    size_t at = 0;
    if (len > 0 && (p[0] == ' ' || p[0] == '\t')) {
        return NJ_HTTP_BAD_REQUEST;
    }
    unfold(p, len);
    while (at < len) {
        const char *nl = memchr(p + at, '\n', len - at);
        size_t end = nl == NULL ? len : (size_t) (nl - p);
        struct span line = { p + at, end - at };
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        enum nj_http_refusal bad = parse_field(&f, line);
        if (bad != NJ_HTTP_FINE) {
            return bad;
        }
        at = end + 1;
    }
    return judge(h, &f);
}
