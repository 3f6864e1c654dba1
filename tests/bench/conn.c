#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/* What a client says first. */
static const char greeting[] =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"name\":\"load\","
    "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1,\"echo\":true}\r\nPING\r\n";

void load_die(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void) fprintf(stderr, "natsload: ");
    (void) vfprintf(stderr, format, ap);
    (void) fprintf(stderr, "\n");
    va_end(ap);
    exit(1);
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct load_loop *loop = ((struct load_conn *) SSL_get_app_data(ssl))->loop;
    unsigned char *to = loop->session;
    if (i2d_SSL_SESSION(session, NULL) <= LOAD_SESSION_LEN) {
        loop->session_len = i2d_SSL_SESSION(session, &to);
    }
    return 0; /* no reference was kept */
}

static void use_session(struct load_conn *c)
{
    const unsigned char *from = c->loop->session;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &from, c->loop->session_len);
    if (session != NULL) {
        (void) SSL_set_session(c->ssl, session);
        SSL_SESSION_free(session);
    }
}

SSL_CTX *load_tls_new(struct load_loop *loop, bool tls12)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    /* Before 1.3 the list is about certificates too, and the one here has a P-256 key. */
    char groups[] = "X25519:P-256";
    if (!tls12) {
        groups[6] = '\0';
    }
    int version = tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") != 1 ||
        SSL_CTX_set1_groups_list(ctx, groups) != 1) {
        load_die("OpenSSL refuses the suite or the group");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, 64 * 1024);
    if (loop->resume) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_session);
    }
    return ctx;
}

static _Noreturn void die_of_tls(const struct load_conn *c, const char *what)
{
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    load_die("connection %u: %s: %s", c->id, what, text);
}

/* ---- bytes in and out ----------------------------------------------------------------------- */

static void watch(struct load_conn *c, int op, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = c };
    if (epoll_ctl(c->loop->epoll_fd, op, c->fd, &ev) != 0) {
        load_die("epoll_ctl: %s", strerror(errno));
    }
}

static void want_write(struct load_conn *c, bool want)
{
    if (c->want_write != want) {
        c->want_write = want;
        watch(c, EPOLL_CTL_MOD, want ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

/* How many bytes the socket took; 0 when it takes none now. */
static size_t write_some(struct load_conn *c)
{
    if (c->ssl != NULL) {
        ERR_clear_error();
        size_t n = 0;
        if (SSL_write_ex(c->ssl, c->out, c->out_len, &n) == 1) {
            return n;
        }
        int why = SSL_get_error(c->ssl, 0);
        if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) {
            die_of_tls(c, "write");
        }
        return 0;
    }
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        load_die("connection %u: write: %s", c->id, strerror(errno));
    }
    return n < 0 ? 0 : (size_t) n;
}

/* How many bytes have come; 0 when there are none now. */
static size_t read_some(struct load_conn *c, char *buf, size_t len)
{
    if (c->ssl != NULL) {
        ERR_clear_error();
        size_t n = 0;
        if (SSL_read_ex(c->ssl, buf, len, &n) == 1) {
            return n;
        }
        int why = SSL_get_error(c->ssl, 0);
        if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) {
            die_of_tls(c, "read");
        }
        return 0;
    }
    ssize_t n = recv(c->fd, buf, len, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        load_die("connection %u: %s", c->id, n == 0 ? "the server hung up" : strerror(errno));
    }
    return n < 0 ? 0 : (size_t) n;
}

/* A publisher may write for ever: after some rounds the others get their turn. */
static void flush(struct load_conn *c)
{
    for (int rounds = 0; rounds < 64 && c->out_len > 0; rounds++) {
        size_t n = write_some(c);
        if (n == 0) {
            break;
        }
        c->out += n;
        c->out_len -= n;
    }
    want_write(c, c->out_len > 0);
}

void load_conn_send(struct load_conn *c, const char *bytes, size_t len)
{
    if (c->out_len > 0) {
        load_die("connection %u: two things to send at once", c->id);
    }
    c->out = bytes;
    c->out_len = len;
    flush(c);
}

void load_conn_send_now(struct load_conn *c, const char *bytes, size_t len)
{
    load_conn_send(c, bytes, len);
    while (c->out_len > 0) {
        struct pollfd p = { .fd = c->fd, .events = POLLOUT };
        (void) poll(&p, 1, 1000);
        flush(c);
    }
}

/* ---- what the server says ------------------------------------------------------------------- */

static void greet(struct load_conn *c)
{
    c->state = LOAD_GREETING;
    load_conn_send_now(c, greeting, sizeof(greeting) - 1);
}

static void pong(struct load_conn *c)
{
    c->pongs++;
    if (c->state == LOAD_GREETING) {
        c->state = LOAD_READY;
        if (c->loop->on.ready != NULL) {
            c->loop->on.ready(c);
        }
    }
}

/* The number at the end of a MSG line; len is at least 4. */
static size_t payload_len(const char *line, size_t len)
{
    size_t n = 0;
    size_t scale = 1;
    for (size_t i = len; i > 0 && line[i - 1] >= '0' && line[i - 1] <= '9'; i--) {
        n += scale * (size_t) (line[i - 1] - '0');
        scale *= 10;
    }
    return n;
}

static void check_number(struct load_conn *c, const char *head)
{
    uint64_t from = 0;
    uint64_t number = 0;
    memcpy(&from, head, sizeof(from));
    memcpy(&number, head + sizeof(from), sizeof(number));
    if (c->expected[from & 0xffff] != number) {
        c->loop->misplaced++;
    }
    c->expected[from & 0xffff] = number + 1;
}

/*
 * One MSG at `p`, whose line ends at `eol` (the \n).  Returns the bytes that are done with, 0 when
 * the head of the payload is not there yet.
 */
static size_t take_message(struct load_conn *c, const char *p, const char *eol, const char *end)
{
    size_t line_len = (size_t) (eol - p) - 1;
    size_t len = payload_len(p, line_len);
    size_t head_len = len < LOAD_STAMP_LEN ? len : LOAD_STAMP_LEN;
    size_t have = (size_t) (end - eol) - 1;
    if (have < head_len) {
        return 0;
    }
    c->got++;
    if (c->expected != NULL && len >= LOAD_STAMP_LEN) {
        check_number(c, eol + 1);
    }
    if (c->loop->on.message != NULL) {
        c->loop->on.message(c, p, line_len, eol + 1);
    }
    size_t body = len + 2 < have ? len + 2 : have;
    c->skip = len + 2 - body;
    return line_len + 2 + body;
}

static void take_line(struct load_conn *c, const char *p, size_t len)
{
    if (len >= 4 && memcmp(p, "PING", 4) == 0) {
        if (c->out_len == 0) { /* else the publisher's own bytes show that it lives */
            load_conn_send_now(c, "PONG\r\n", 6);
        }
    } else if (len >= 4 && memcmp(p, "PONG", 4) == 0) {
        pong(c);
    } else if (len >= 4 && memcmp(p, "-ERR", 4) == 0) {
        load_die("connection %u: %.*s", c->id, (int) len, p);
    } /* INFO may come again */
}

/* Returns the bytes done with.  The mode may close the connection meanwhile. */
static size_t take(struct load_conn *c, const char *p, size_t len)
{
    const char *start = p;
    const char *end = p + len;
    while (p < end && c->state != LOAD_CLOSED) {
        if (c->skip > 0) {
            size_t n = c->skip < (size_t) (end - p) ? c->skip : (size_t) (end - p);
            c->skip -= n;
            p += n;
            continue;
        }
        const char *eol = memchr(p, '\n', (size_t) (end - p));
        if (eol == NULL) {
            break;
        }
        if (p[0] == 'M') {
            size_t n = take_message(c, p, eol, end);
            if (n == 0) {
                break;
            }
            p += n;
        } else {
            take_line(c, p, (size_t) (eol - p));
            p = eol + 1;
        }
    }
    return (size_t) (p - start);
}

static void read_messages(struct load_conn *c)
{
    char *buf = c->loop->read_buf;
    while (c->state >= LOAD_GREETING) { /* OpenSSL holds back bytes that epoll does not know of */
        memcpy(buf, c->keep, c->keep_len);
        size_t n = read_some(c, buf + c->keep_len, LOAD_READ_LEN);
        if (n == 0) {
            break;
        }
        size_t len = c->keep_len + n;
        size_t done = take(c, buf, len);
        if (c->state == LOAD_CLOSED) {
            return;
        }
        if (len - done > sizeof(c->keep)) {
            load_die("connection %u: the server sent a line of more than %zu bytes", c->id,
                     sizeof(c->keep));
        }
        c->keep_len = len - done;
        memcpy(c->keep, buf + done, c->keep_len);
        if (c->ssl == NULL) {
            break;
        }
    }
}

/* ---- coming and going ----------------------------------------------------------------------- */

/* Another source address for each 16,000 connections: closed ones occupy their port for a while. */
static void bind_source(struct load_conn *c)
{
    int on = 1;
    struct sockaddr_in from = { .sin_family = AF_INET };
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->loop->source++ / 16000 % 200);
    (void) setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void) bind(c->fd, (const struct sockaddr *) &from, sizeof(from));
}

void load_conn_open(struct load_conn *c)
{
    int on = 1;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(c->loop->port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        load_die("socket: %s", strerror(errno));
    }
    bind_source(c);
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->fd, (const struct sockaddr *) &to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        load_die("connect: %s", strerror(errno));
    }
    c->state = LOAD_DIALLING;
    c->keep_len = c->skip = c->out_len = 0;
    c->want_write = true;
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

void load_conn_close(struct load_conn *c)
{
    if (c->state == LOAD_CLOSED) {
        return;
    }
    if (c->ssl != NULL) {
        (void) SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    (void) close(c->fd);
    c->state = LOAD_CLOSED;
}

static void shake_hands(struct load_conn *c)
{
    ERR_clear_error();
    int rc = SSL_connect(c->ssl);
    if (rc == 1) {
        want_write(c, false);
        c->loop->handshakes++;
        c->loop->resumed += (uint64_t) SSL_session_reused(c->ssl);
        greet(c);
        return;
    }
    int why = SSL_get_error(c->ssl, rc);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        die_of_tls(c, "handshake");
    }
    want_write(c, why == SSL_ERROR_WANT_WRITE);
}

static void start_tls(struct load_conn *c)
{
    c->ssl = SSL_new(c->loop->tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        die_of_tls(c, "session");
    }
    SSL_set_app_data(c->ssl, c);
    if (c->loop->session_len > 0) {
        use_session(c);
    }
    c->state = LOAD_HANDSHAKE;
    shake_hands(c);
}

/* The server is silent after INFO until we speak, so nothing of TLS is read here. */
static void read_info(struct load_conn *c)
{
    ssize_t n = recv(c->fd, c->loop->read_buf, LOAD_READ_LEN, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        load_die("connection %u: no INFO: %s", c->id, n == 0 ? "hung up" : strerror(errno));
    }
    if (c->loop->read_buf[n - 1] != '\n') {
        return; /* INFO comes in one piece or in two; only its end matters */
    }
    if (c->loop->tls != NULL) {
        start_tls(c);
    } else {
        greet(c);
    }
}

static void dialled(struct load_conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    (void) getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        load_die("connection %u: connect: %s", c->id, strerror(error));
    }
    c->state = LOAD_INFO;
    want_write(c, false);
}

static void handle(struct load_conn *c, uint32_t events)
{
    switch (c->state) {
    case LOAD_DIALLING:
        dialled(c);
        break;
    case LOAD_INFO:
        read_info(c);
        break;
    case LOAD_HANDSHAKE:
        shake_hands(c);
        break;
    case LOAD_GREETING:
    case LOAD_READY:
        if ((events & EPOLLOUT) != 0) {
            flush(c);
            if (c->out_len == 0 && c->loop->on.writable != NULL) {
                c->loop->on.writable(c);
            }
        }
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            read_messages(c);
        }
        break;
    case LOAD_CLOSED:
        break;
    }
}

int load_loop_turn(struct load_loop *loop, int timeout_ms)
{
    struct epoll_event events[128];
    int n = epoll_wait(loop->epoll_fd, events, 128, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr != NULL) {
            handle(events[i].data.ptr, events[i].events);
        }
    }
    return n;
}
