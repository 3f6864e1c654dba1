#include "tls/ocsp_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "tls/ocsp.h"

#define HEAD_MAX 16384
#define LINES_MAX 100

/* ---- the address ----------------------------------------------------------------------------- */

static int bad_url(struct nj_error *err, const char *url, const char *what)
{
    return nj_error_set(err, NJ_E_INVALID, "OCSP responder \"%s\": %s", url, what);
}

/* "host", "host:port", "[addr]:port" */
static int read_authority(const char *url, const char *at, size_t len, struct nj_ocsp_url *out,
                          struct nj_error *err)
{
    const char *end = at + len;
    const char *host = at;
    const char *host_end = memchr(at, ':', len);
    if (len >= sizeof(out->authority) || memchr(at, '@', len) != NULL) {
        return bad_url(err, url, "its host cannot be used");
    }
    if (len > 0 && at[0] == '[') {
        host = at + 1;
        host_end = memchr(at, ']', len);
        if (host_end == NULL) {
            return bad_url(err, url, "missing ']' in host");
        }
    }
    host_end = host_end == NULL ? end : host_end;
    const char *colon = *at == '[' ? host_end + 1 : host_end;
    size_t host_len = (size_t) (host_end - host);
    size_t port_len = colon < end ? (size_t) (end - colon - 1) : 0;
    if (host_len == 0 || host_len >= sizeof(out->host) || port_len >= 6 ||
        (colon < end && *colon != ':')) {
        return bad_url(err, url, "its host cannot be used");
    }
    (void) snprintf(out->host, sizeof(out->host), "%.*s", (int) host_len, host);
    (void) snprintf(out->authority, sizeof(out->authority), "%.*s", (int) len, at);
    (void) snprintf(out->port, sizeof(out->port), "%.*s", (int) port_len, colon + 1);
    if (port_len == 0) {
        memcpy(out->port, "80", 3);
    }
    return strspn(out->port, "0123456789") == strlen(out->port)
               ? NJ_OK
               : bad_url(err, url, "its port is no number");
}

int nj_ocsp_url_read(const char *url, struct nj_ocsp_url *out, struct nj_error *err)
{
    size_t len = strlen(url);
    if (len >= NJ_OCSP_URL_MAX) {
        return nj_error_set(err, NJ_E_LIMIT, "an OCSP responder's address is too long");
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char) url[i] <= 0x20 || (unsigned char) url[i] >= 0x7f) {
            return bad_url(err, "?", "a character in it is none of an address");
        }
    }
    if (strncasecmp(url, "https://", 8) == 0) {
        return nj_error_set(err, NJ_E_UNSUPPORTED,
                            "OCSP responder \"%s\": https is not spoken to responders; their "
                            "answers are signed, use http",
                            url);
    }
    if (strncasecmp(url, "http://", 7) != 0) {
        return bad_url(err, url, "unsupported protocol scheme");
    }
    const char *at = url + 7;
    size_t authority_len = strcspn(at, "/?#");
    const char *path = at + authority_len;
    size_t path_len = strcspn(path, "#");
    while (path_len > 0 && path[path_len - 1] == '/') {
        path_len--;
    }
    (void) snprintf(out->path, sizeof(out->path), "%.*s", (int) path_len, path);
    return read_authority(url, at, authority_len, out, err);
}

/* ---- the answer ------------------------------------------------------------------------------ */

struct http_head {
    int status;
    size_t len; /* of the head, its empty line included */
    int64_t content_len; /* -1: not said */
    bool chunked;
};

/* The value of the field in this line, or NULL. */
static const char *field(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || line[len] != ':') {
        return NULL;
    }
    return line + len + 1 + strspn(line + len + 1, " \t");
}

/* One line of the head, without its end. */
static enum nj_ocsp_http read_line(struct http_head *h, const char *line)
{
    const char *value = field(line, "Content-Length");
    if (value != NULL) {
        size_t digits = strspn(value, "0123456789");
        if (digits == 0 || digits > 9 || value[digits] != '\0') {
            return NJ_OCSP_HTTP_BAD;
        }
        h->content_len = strtol(value, NULL, 10);
    }
    value = field(line, "Transfer-Encoding");
    if (value != NULL) {
        if (strcasecmp(value, "chunked") != 0) {
            return NJ_OCSP_HTTP_BAD;
        }
        h->chunked = true;
    }
    return NJ_OCSP_HTTP_MORE;
}

static enum nj_ocsp_http read_status(struct http_head *h, const char *line)
{
    if (strncmp(line, "HTTP/1.", 7) != 0 || line[7] == '\0' || line[8] != ' ' ||
        strspn(line + 9, "0123456789") != 3) {
        return NJ_OCSP_HTTP_BAD;
    }
    h->status = (int) strtol(line + 9, NULL, 10);
    return NJ_OCSP_HTTP_MORE;
}

/* MORE: the head is not complete. */
static enum nj_ocsp_http read_head(struct nj_span in, struct http_head *h)
{
    char line[1024];
    size_t at = 0;
    int n = 0;
    *h = (struct http_head){ .content_len = -1 };
    for (; n < LINES_MAX && at < in.len; n++) {
        const uint8_t *start = in.ptr + at;
        const uint8_t *nl = memchr(start, '\n', in.len - at);
        if (nl == NULL) {
            break;
        }
        size_t len = (size_t) (nl - start);
        at += len + 1;
        len -= len > 0 && start[len - 1] == '\r' ? 1 : 0;
        if (len >= sizeof(line) || memchr(start, '\0', len) != NULL) {
            return NJ_OCSP_HTTP_BAD;
        }
        if (len == 0) {
            h->len = at;
            return n == 0 ? NJ_OCSP_HTTP_BAD : NJ_OCSP_HTTP_DONE;
        }
        memcpy(line, start, len);
        line[len] = '\0';
        if ((n == 0 ? read_status(h, line) : read_line(h, line)) == NJ_OCSP_HTTP_BAD) {
            return NJ_OCSP_HTTP_BAD;
        }
    }
    return in.len > HEAD_MAX || n == LINES_MAX ? NJ_OCSP_HTTP_BAD : NJ_OCSP_HTTP_MORE;
}

/* Chunks (RFC 9112 7.1); what follows the last one does not matter. */
static enum nj_ocsp_http read_chunks(struct nj_span in, struct nj_buf *body)
{
    size_t at = 0;
    while (at < in.len) {
        size_t size = 0;
        int digits = 0;
        for (; at < in.len && digits < 8; at++, digits++) {
            int c = in.ptr[at] | 0x20;
            int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (value < 0) {
                break;
            }
            size = size * 16 + (size_t) value;
        }
        const uint8_t *nl = at < in.len ? memchr(in.ptr + at, '\n', in.len - at) : NULL;
        if (nl == NULL) {
            return in.len - at > 256 ? NJ_OCSP_HTTP_BAD : NJ_OCSP_HTTP_MORE;
        }
        at = (size_t) (nl - in.ptr) + 1;
        if (digits == 0 || digits == 8 || size > NJ_OCSP_MAX_LEN) {
            return NJ_OCSP_HTTP_BAD;
        }
        if (size == 0) {
            return NJ_OCSP_HTTP_DONE;
        }
        if (in.len - at < size + 2) {
            return NJ_OCSP_HTTP_MORE;
        }
        if (nj_buf_append(body, in.ptr + at, size) != NJ_OK || in.ptr[at + size] != '\r' ||
            in.ptr[at + size + 1] != '\n') {
            return NJ_OCSP_HTTP_BAD;
        }
        at += size + 2;
    }
    return NJ_OCSP_HTTP_MORE;
}

static enum nj_ocsp_http read_body(struct nj_span in, const struct http_head *h, bool ended,
                                   struct nj_buf *body)
{
    if (h->chunked) {
        return read_chunks(in, body);
    }
    if (h->content_len < 0) { /* until the end */
        return !ended ? NJ_OCSP_HTTP_MORE
               : nj_buf_append(body, in.ptr, in.len) == NJ_OK ? NJ_OCSP_HTTP_DONE
                                                              : NJ_OCSP_HTTP_BAD;
    }
    if (in.len < (size_t) h->content_len) {
        return NJ_OCSP_HTTP_MORE;
    }
    return nj_buf_append(body, in.ptr, (size_t) h->content_len) == NJ_OK ? NJ_OCSP_HTTP_DONE
                                                                         : NJ_OCSP_HTTP_BAD;
}

enum nj_ocsp_http nj_ocsp_http_read(struct nj_span bytes, bool ended, int *status_out,
                                    struct nj_buf *body)
{
    struct http_head h;
    size_t before = body->len;
    enum nj_ocsp_http rc = read_head(bytes, &h);
    if (rc == NJ_OCSP_HTTP_DONE) {
        struct nj_span rest = { bytes.ptr + h.len, bytes.len - h.len };
        /* what an error says does not matter, nor what came before the final answer would */
        rc = h.status != 200 ? NJ_OCSP_HTTP_DONE : read_body(rest, &h, ended, body);
    }
    if (rc != NJ_OCSP_HTTP_DONE) {
        body->len = before; /* chunks of a body that is not whole */
        return ended ? NJ_OCSP_HTTP_BAD : rc;
    }
    *status_out = h.status;
    return NJ_OCSP_HTTP_DONE;
}
