#include "tls/uri.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

enum { HOST_MOST = 253, LABEL_MOST = 63 };

/* Which characters stand for themselves depends on where they stand. */
enum place { IN_USER, IN_HOST, IN_PATH, IN_FRAGMENT };

/* A URI taken apart.  Everything points into it; ptr NULL: that part is not there. */
struct uri {
    struct nj_span scheme;
    struct nj_span opaque; /* behind the scheme, when no slash follows */
    struct nj_span user;   /* without the '@' */
    struct nj_span host;   /* with the port */
    struct nj_span path;
    struct nj_span query;
    struct nj_span fragment;
    bool has_authority;
    const char *why;
};

static struct nj_span part(struct nj_span s, size_t from, size_t to)
{
    return (struct nj_span){ s.ptr + from, to - from };
}

static size_t find(struct nj_span s, char c)
{
    const uint8_t *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return at != NULL ? (size_t) (at - s.ptr) : s.len;
}

/* The last `c`, or s.len. */
static size_t find_last(struct nj_span s, char c)
{
    for (size_t i = s.len; i > 0; i--) {
        if (s.ptr[i - 1] == (uint8_t) c) {
            return i - 1;
        }
    }
    return s.len;
}

static bool starts_with(struct nj_span s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && memcmp(s.ptr, text, len) == 0;
}

static int bad(struct uri *u, const char *why)
{
    u->why = why;
    return NJ_E_INVALID;
}

/* ---- characters ------------------------------------------------------------------------------ */

static bool is_letter(uint8_t c)
{
    c |= 0x20;
    return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* May it stand there as it is when the text is made anew? */
static bool is_plain(uint8_t c, enum place where)
{
    if (is_letter(c) || is_digit(c) || is_one_of(c, "-_.~")) {
        return true;
    }
    switch (where) {
    case IN_USER:
        return is_one_of(c, "$&+,;=");
    case IN_HOST:
        return is_one_of(c, "!$&'()*+,;=:[]<>\"");
    case IN_PATH:
        return is_one_of(c, "$&+,/:;=@");
    default:
        return is_one_of(c, "$&+,/:;=?@!()*");
    }
}

/* May it stand there as it is when it was written so? */
static bool is_kept(uint8_t c, enum place where)
{
    return is_one_of(c, "!$&'()*+,;=:@[]%") || is_plain(c, where);
}

static int hex_value(uint8_t c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at *i, escaped or not; *i moves behind it.  -1: the escape is broken. */
static int next_byte(struct nj_span s, size_t *i)
{
    uint8_t c = s.ptr[(*i)++];
    if (c != '%') {
        return c;
    }
    if (s.len - *i < 2 || hex_value(s.ptr[*i]) < 0 || hex_value(s.ptr[*i + 1]) < 0) {
        return -1;
    }
    int byte = hex_value(s.ptr[*i]) << 4 | hex_value(s.ptr[*i + 1]);
    *i += 2;
    return byte;
}

static bool escapes_are_whole(struct nj_span s)
{
    for (size_t i = 0; i < s.len;) {
        if (next_byte(s, &i) < 0) {
            return false;
        }
    }
    return true;
}

/* ---- taking apart ---------------------------------------------------------------------------- */

/* "a+b-c.9:" */
static int take_scheme(struct uri *u, struct nj_span *rest)
{
    for (size_t i = 0; i < rest->len; i++) {
        uint8_t c = rest->ptr[i];
        if (c == ':') {
            if (i == 0) {
                return bad(u, "missing protocol scheme");
            }
            u->scheme = part(*rest, 0, i);
            *rest = part(*rest, i + 1, rest->len);
            return NJ_OK;
        }
        if (!is_letter(c) && (i == 0 || !(is_digit(c) || is_one_of(c, "+-.")))) {
            break;
        }
    }
    return NJ_OK;
}

static bool is_port(struct nj_span s)
{
    if (s.len > 0 && s.ptr[0] != ':') {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        if (!is_digit(s.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool is_ip6(struct nj_span s)
{
    char text[INET6_ADDRSTRLEN + 1];
    uint8_t ip[16];
    size_t len = find(s, '%'); /* a zone stands behind "%25" */
    if (len >= sizeof(text) ||
        (len < s.len && (!starts_with(part(s, len, s.len), "%25") || s.len - len < 4))) {
        return false;
    }
    memcpy(text, s.ptr, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, ip) == 1;
}

/* Labels of printable characters, none empty, no dot at the end. */
static bool is_domain(struct nj_span host)
{
    size_t label = 0;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] < 0x21 || host.ptr[i] > 0x7e) {
            return false;
        }
        label = host.ptr[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MOST || (label == 0 && (i == 0 || host.ptr[i - 1] == '.'))) {
            return false;
        }
    }
    return host.len <= HOST_MOST && label > 0;
}

/* http and https */
static bool is_web(struct nj_span scheme)
{
    return (scheme.len == 4 || (scheme.len == 5 && (scheme.ptr[4] | 0x20) == 's')) &&
           strncasecmp((const char *) scheme.ptr, "http", 4) == 0;
}

static int check_host(struct uri *u)
{
    struct nj_span host = u->host;
    size_t open = find_last(host, '[');
    size_t colon = find_last(host, ':');
    if (open < host.len) {
        size_t close = find_last(host, ']');
        if (open != 0 || close == host.len || !is_port(part(host, close + 1, host.len)) ||
            close < open || !is_ip6(part(host, open + 1, close))) {
            return bad(u, "invalid host");
        }
        return NJ_OK;
    }
    if (colon < host.len && !is_port(part(host, colon, host.len))) {
        return bad(u, "invalid port after host");
    }
    if (find(host, ':') != colon && is_web(u->scheme)) {
        return bad(u, "too many colons in host");
    }
    for (size_t i = 0; i < host.len; i++) {
        bool percent = starts_with(part(host, i, host.len), "%25"); /* the only escape allowed */
        if (!percent && !is_plain(host.ptr[i], IN_HOST)) {
            return bad(u, "invalid character in host name");
        }
    }
    return host.len == 0 || is_domain(host) ? NJ_OK : bad(u, "invalid domain");
}

static int check_user(struct uri *u)
{
    for (size_t i = 0; i < u->user.len; i++) {
        uint8_t c = u->user.ptr[i];
        if (!is_letter(c) && !is_digit(c) && !is_one_of(c, "-._:~!$&'()*+,;=%@")) {
            return bad(u, "invalid userinfo");
        }
    }
    return escapes_are_whole(u->user) ? NJ_OK : bad(u, "invalid URL escape");
}

/* "//user@host:80", then the path */
static int take_authority(struct uri *u, struct nj_span *rest)
{
    struct nj_span all = part(*rest, 2, rest->len);
    size_t len = find(all, '/');
    *rest = part(all, len, all.len);
    all.len = len;
    size_t at = find_last(all, '@');
    u->has_authority = true;
    u->host = at < all.len ? part(all, at + 1, all.len) : all;
    if (at < all.len) {
        u->user = part(all, 0, at);
    }
    return check_user(u) == NJ_OK ? check_host(u) : NJ_E_INVALID;
}

static int take_path(struct uri *u, struct nj_span rest)
{
    bool slash = starts_with(rest, "/");
    if (!slash && u->scheme.len > 0) {
        u->opaque = rest;
        return NJ_OK;
    }
    if (!slash && find(rest, ':') < find(rest, '/')) {
        return bad(u, "first path segment in URL cannot contain colon");
    }
    if (starts_with(rest, "//") && (u->scheme.len > 0 || !starts_with(rest, "///")) &&
        take_authority(u, &rest) < 0) {
        return NJ_E_INVALID;
    }
    u->path = rest;
    return escapes_are_whole(rest) ? NJ_OK : bad(u, "invalid URL escape");
}

static int take_apart(struct uri *u, struct nj_span text)
{
    size_t len = find(text, '#');
    if (len < text.len) {
        u->fragment = part(text, len + 1, text.len);
    }
    struct nj_span rest = part(text, 0, len);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] < 0x20 || rest.ptr[i] == 0x7f) {
            return bad(u, "invalid control character in URL");
        }
    }
    if (take_scheme(u, &rest) < 0) {
        return NJ_E_INVALID;
    }
    len = find(rest, '?');
    if (len < rest.len) {
        u->query = part(rest, len + 1, rest.len);
    }
    rest.len = len;
    if (take_path(u, rest) < 0) {
        return NJ_E_INVALID;
    }
    return escapes_are_whole(u->fragment) ? NJ_OK : bad(u, "invalid URL escape");
}

/* ---- putting together ------------------------------------------------------------------------ */

static int put_span(struct nj_span s, struct nj_buf *out)
{
    return nj_buf_append(out, s.len > 0 ? (const char *) s.ptr : "", s.len);
}

static int put_lower(struct nj_span s, struct nj_buf *out)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < s.len; i++) {
        uint8_t c = s.ptr[i];
        rc = nj_buf_putc(out, (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    return rc;
}

/* Unescaped, and escaped anew where it must be. */
static int put_anew(struct nj_span s, enum place where, struct nj_buf *out)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < s.len;) {
        int c = next_byte(s, &i);
        rc = is_plain((uint8_t) c, where) ? nj_buf_putc(out, (char) c)
                                          : nj_buf_printf(out, "%%%02X", (unsigned) c);
    }
    return rc;
}

/* As it was written, if that could stand. */
static int put_kept(struct nj_span s, enum place where, struct nj_buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_kept(s.ptr[i], where)) {
            return put_anew(s, where, out);
        }
    }
    return put_span(s, out);
}

static int put_user(struct nj_span user, struct nj_buf *out)
{
    size_t colon = find(user, ':');
    int rc = put_anew(part(user, 0, colon), IN_USER, out);
    if (rc == NJ_OK && colon < user.len) {
        rc = nj_buf_putc(out, ':');
        if (rc == NJ_OK) {
            rc = put_anew(part(user, colon + 1, user.len), IN_USER, out);
        }
    }
    return rc == NJ_OK ? nj_buf_putc(out, '@') : rc;
}

static int put_authority(const struct uri *u, struct nj_buf *out)
{
    if (!u->has_authority || (u->host.len == 0 && u->path.len == 0 && u->user.ptr == NULL)) {
        return NJ_OK;
    }
    int rc = nj_buf_puts(out, "//");
    if (rc == NJ_OK && u->user.ptr != NULL) {
        rc = put_user(u->user, out);
    }
    return rc == NJ_OK ? put_span(u->host, out) : rc;
}

/* A path that begins the text must not look like a scheme (RFC 3986 4.2). */
static int put_path(const struct uri *u, bool first, struct nj_buf *out)
{
    struct nj_buf path;
    nj_buf_init(&path, out->limit);
    int rc = put_kept(u->path, IN_PATH, &path);
    struct nj_span text = { (const uint8_t *) path.ptr, path.len };
    if (rc == NJ_OK && first && find(text, ':') < find(text, '/')) {
        rc = nj_buf_puts(out, "./");
    }
    rc = rc == NJ_OK ? put_span(text, out) : rc;
    nj_buf_free(&path);
    return rc;
}

static int put_together(const struct uri *u, struct nj_buf *out)
{
    size_t begin = out->len;
    int rc = put_lower(u->scheme, out);
    if (rc == NJ_OK && u->scheme.len > 0) {
        rc = nj_buf_putc(out, ':');
    }
    rc = rc == NJ_OK ? put_span(u->opaque, out) : rc;
    rc = rc == NJ_OK ? put_authority(u, out) : rc;
    rc = rc == NJ_OK ? put_path(u, out->len == begin, out) : rc;
    if (rc == NJ_OK && u->query.ptr != NULL) {
        rc = nj_buf_putc(out, '?');
        rc = rc == NJ_OK ? put_span(u->query, out) : rc;
    }
    if (rc == NJ_OK && u->fragment.len > 0) {
        rc = nj_buf_putc(out, '#');
        rc = rc == NJ_OK ? put_kept(u->fragment, IN_FRAGMENT, out) : rc;
    }
    return rc;
}

int nj_uri_text(struct nj_span uri, struct nj_buf *out, const char **why_out)
{
    struct uri u = { .why = "" };
    int rc = take_apart(&u, uri);
    if (rc < 0 && why_out != NULL) {
        *why_out = u.why;
    }
    return rc == NJ_OK && out != NULL ? put_together(&u, out) : rc;
}
