#include "tls/ocsp_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tls/lookup.h"
#include "tls/ocsp.h"
#include "tls/ocsp_http.h"

#define ANSWER_MAX (2 * NJ_OCSP_MAX_LEN) /* chunk sizes cost a little */
#define READ_LEN 16384

/* ---- one exchange ---------------------------------------------------------------------------- */

/* One try under way. */
struct exchange {
    const struct nj_ocsp_fetch *f;
    int fd;
    int64_t deadline_us;
    char where[80]; /* address and port, for words */
    char why[160];
};

static int give_up(struct exchange *x, const char *what, const char *reason)
{
    (void) snprintf(x->why, sizeof(x->why), "%.100s%.58s", what, reason);
    return NJ_E_IO;
}

static const char *reason_of(int e)
{
    switch (e) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
        return "connection reset by peer";
    case EHOSTUNREACH:
        return "no route to host";
    case ENETUNREACH:
        return "network is unreachable";
    default:
        return strerror(e);
    }
}

/* Wait until the socket is ready, time is up, or somebody wants us to leave. */
static int wait_ready(struct exchange *x, short events)
{
    struct pollfd p[2] = { { .fd = x->fd, .events = events },
                           { .fd = x->f->cancel_fd, .events = POLLIN } };
    for (;;) {
        int64_t left_us = x->deadline_us - nj_mono_us();
        if (left_us <= 0) {
            return give_up(x, "", "context deadline exceeded (Client.Timeout exceeded)");
        }
        int n = poll(p, x->f->cancel_fd >= 0 ? 2 : 1, (int) (left_us / 1000 + 1));
        if (n < 0 && errno != EINTR) {
            return give_up(x, "poll: ", reason_of(errno));
        }
        if (n > 0 && x->f->cancel_fd >= 0 && p[1].revents != 0) {
            return give_up(x, "", "given up");
        }
        if (n > 0 && p[0].revents != 0) {
            return NJ_OK;
        }
    }
}

static int open_socket(struct exchange *x, const struct addrinfo *a)
{
    char host[64] = "?";
    char port[8] = "?";
    int e = 0;
    socklen_t len = sizeof(e);
    (void) getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
                       NI_NUMERICHOST | NI_NUMERICSERV);
    (void) snprintf(x->where, sizeof(x->where),
                    a->ai_family == AF_INET6 ? "dial tcp [%s]:%s: " : "dial tcp %s:%s: ", host,
                    port);
    x->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (x->fd < 0) {
        return give_up(x, x->where, reason_of(errno));
    }
    if (connect(x->fd, a->ai_addr, a->ai_addrlen) == 0) {
        return NJ_OK;
    }
    e = errno;
    if (e == EINPROGRESS) {
        int rc = wait_ready(x, POLLOUT);
        if (rc != NJ_OK) {
            return rc;
        }
        (void) getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &e, &len);
    }
    if (e == 0) {
        return NJ_OK;
    }
    (void) strncat(x->where, "connect: ", sizeof(x->where) - strlen(x->where) - 1);
    return give_up(x, x->where, reason_of(e));
}

static void close_socket(struct exchange *x)
{
    if (x->fd >= 0) {
        (void) close(x->fd);
        x->fd = -1;
    }
}

/* Like all of the exchange, within its time and until cancelled. */
static int wait_for_lookup(struct exchange *x, const struct nj_lookup *l,
                           const struct addrinfo **list_out, const char *what)
{
    x->fd = nj_lookup_fd(l);
    int rc = wait_ready(x, POLLIN);
    x->fd = -1;
    int e = rc == NJ_OK ? nj_lookup_result(l, list_out) : 0;
    return e == 0 ? rc : give_up(x, what, e == EAI_NONAME ? "no such host" : gai_strerror(e));
}

static int dial(struct exchange *x, const struct nj_ocsp_url *url)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_lookup *l = NULL;
    const struct addrinfo *a = NULL;
    char what[128];
    (void) snprintf(what, sizeof(what), "dial tcp: lookup %.100s: ", url->host);
    if (nj_lookup_start(url->host, url->port, &l, &err) != NJ_OK) {
        return give_up(x, what, err.text);
    }
    int rc = wait_for_lookup(x, l, &a, what);
    bool open = false;
    for (; rc == NJ_OK && a != NULL && !open; a = a->ai_next) {
        close_socket(x);
        open = open_socket(x, a) == NJ_OK;
    }
    nj_lookup_leave(&l);
    return open ? NJ_OK : NJ_E_IO;
}

static int send_all(struct exchange *x, const struct nj_buf *out)
{
    for (size_t at = 0; at < out->len;) {
        ssize_t n = send(x->fd, out->ptr + at, out->len - at, MSG_NOSIGNAL);
        if (n > 0) {
            at += (size_t) n;
        } else if (errno == EAGAIN || errno == EINTR) {
            int rc = wait_ready(x, POLLOUT);
            if (rc != NJ_OK) {
                return rc;
            }
        } else {
            return give_up(x, "write: ", reason_of(errno));
        }
    }
    return NJ_OK;
}

/* NJ_OK: bytes were appended; NJ_E_CLOSED: the end. */
static int read_some(struct exchange *x, struct nj_buf *in)
{
    uint8_t bytes[READ_LEN];
    int rc = wait_ready(x, POLLIN);
    if (rc != NJ_OK) {
        return rc;
    }
    ssize_t n = recv(x->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return NJ_OK;
    }
    if (n < 0) {
        return give_up(x, "read: ", reason_of(errno));
    }
    if (n > 0 && nj_buf_append(in, bytes, (size_t) n) != NJ_OK) {
        return give_up(x, "", "the answer is too long");
    }
    return n == 0 ? NJ_E_CLOSED : NJ_OK;
}

static int read_answer(struct exchange *x, struct nj_buf *in, int *status_out, struct nj_buf *body)
{
    for (;;) {
        int rc = read_some(x, in);
        if (rc != NJ_OK && rc != NJ_E_CLOSED) {
            return rc;
        }
        bool ended = rc == NJ_E_CLOSED;
        if (ended && in->len == 0) {
            return give_up(x, "", "EOF");
        }
        struct nj_span bytes = { (const uint8_t *) in->ptr, in->len };
        switch (nj_ocsp_http_read(bytes, ended, status_out, body)) {
        case NJ_OCSP_HTTP_DONE:
            return NJ_OK;
        case NJ_OCSP_HTTP_BAD:
            return give_up(x, "", ended ? "unexpected EOF" : "malformed HTTP response");
        default:
            break;
        }
    }
}

static int run(struct exchange *x, const struct nj_ocsp_url *url, const struct nj_buf *out,
               int *status_out, struct nj_buf *body)
{
    struct nj_buf in;
    nj_buf_init(&in, ANSWER_MAX);
    x->deadline_us = nj_mono_us() + x->f->timeout_ms * 1000;
    x->fd = -1;
    int rc = dial(x, url);
    if (rc == NJ_OK) {
        rc = send_all(x, out);
    }
    if (rc == NJ_OK) {
        rc = read_answer(x, &in, status_out, body);
    }
    close_socket(x);
    nj_buf_free(&in);
    return rc;
}

/* ---- both methods ---------------------------------------------------------------------------- */

/* base64, with what has a meaning in a path as %xx (RFC 6960 A.1). */
static void put_base64(struct nj_buf *out, struct nj_span s)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t v = (uint32_t) s.ptr[i] << 16 | (left > 1 ? (uint32_t) s.ptr[i + 1] << 8 : 0) |
                     (left > 2 ? s.ptr[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            char c = k > left ? '=' : set[v >> (18 - 6 * k) & 63];
            (void) (c == '+'   ? nj_buf_puts(out, "%2B")
                    : c == '/' ? nj_buf_puts(out, "%2F")
                    : c == '=' ? nj_buf_puts(out, "%3D")
                               : nj_buf_append(out, &c, 1));
        }
    }
}

static void put_head(struct nj_buf *out, const struct nj_ocsp_url *url)
{
    (void) nj_buf_printf(out,
                         " HTTP/1.1\r\nHost: %s\r\nUser-Agent: natterjack\r\n"
                         "Accept: application/ocsp-response\r\nConnection: close\r\n",
                         url->authority);
}

static void write_post(struct nj_buf *out, const struct nj_ocsp_url *url, struct nj_span request)
{
    (void) nj_buf_printf(out, "POST %s%s", url->path[0] == '/' ? "" : "/", url->path);
    put_head(out, url);
    (void) nj_buf_printf(out,
                         "Content-Type: application/ocsp-request\r\nContent-Length: %zu\r\n\r\n",
                         request.len);
    (void) nj_buf_append(out, request.ptr, request.len);
}

static void write_get(struct nj_buf *out, const struct nj_ocsp_url *url, const struct nj_buf *name)
{
    (void) nj_buf_printf(out, "GET %s/%.*s", url->path, (int) name->len, name->ptr);
    put_head(out, url);
    (void) nj_buf_puts(out, "\r\n");
}

/* The words of a try that brought nothing. */
static void note_failure(struct nj_buf *why, const struct exchange *x, const char *method,
                         const char *url, int status, size_t request_len)
{
    if (why->len > 0 && why->ptr[why->len - 1] != '\n') {
        (void) nj_buf_puts(why, "\n");
    }
    if (status != 0) {
        (void) nj_buf_printf(why, "non-ok http status on %s request (reqlen=%zu): %d",
                             method[0] == 'P' ? "POST" : "GET", request_len, status);
    } else {
        (void) nj_buf_printf(why, "%s \"%s\": %s", method, url, x->why);
    }
}

static int get(struct exchange *x, const struct nj_ocsp_url *url, const char *base,
               struct nj_buf *answer, struct nj_buf *why)
{
    struct nj_buf name, out;
    int status = 0;
    nj_buf_init(&name, SIZE_MAX);
    nj_buf_init(&out, SIZE_MAX);
    put_base64(&name, x->f->request);
    write_get(&out, url, &name);
    int rc = run(x, url, &out, &status, answer);
    if (rc != NJ_OK || status != 200) {
        struct nj_buf whole;
        nj_buf_init(&whole, SIZE_MAX);
        (void) nj_buf_printf(&whole, "%s/%s", base, name.ptr);
        note_failure(why, x, "Get", whole.ptr, rc == NJ_OK ? status : 0, name.len);
        nj_buf_free(&whole);
        rc = NJ_E_IO;
    }
    nj_buf_free(&name);
    nj_buf_free(&out);
    return rc;
}

int nj_ocsp_fetch(const struct nj_ocsp_fetch *f, struct nj_buf *answer, struct nj_buf *why)
{
    struct exchange x = { .f = f, .fd = -1 };
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_ocsp_url url;
    struct nj_buf out;
    char base[sizeof(url.authority) + sizeof(url.path) + 8];
    int status = 0;
    int rc = nj_ocsp_url_read(f->url, &url, &err);
    if (rc != NJ_OK) {
        (void) nj_buf_printf(why, "%s%s", why->len > 0 ? "\n" : "", err.text);
        return rc;
    }
    (void) snprintf(base, sizeof(base), "http://%s%s", url.authority, url.path);
    if (f->get_only) {
        return get(&x, &url, base, answer, why);
    }
    nj_buf_init(&out, SIZE_MAX);
    write_post(&out, &url, f->request);
    rc = run(&x, &url, &out, &status, answer);
    nj_buf_free(&out);
    if (rc == NJ_OK && status == 200) {
        return NJ_OK;
    }
    note_failure(why, &x, "Post", base, rc == NJ_OK ? status : 0, f->request.len);
    return get(&x, &url, base, answer, why);
}
