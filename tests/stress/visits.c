/* visits.c: connections that come, do one thing and go. */
#include "stress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#define DRIP_NS UINT64_C(1000000000)
#define SOURCE_PORTS 16000u /* connections from one address before the next: closed ones keep theirs */
#define SOURCES 200u

enum stage { STAGE_OUT, STAGE_DIALLING, STAGE_INFO, STAGE_WAITING, STAGE_TALKING };

struct visit {
    int fd;
    enum stage stage;
    SSL *ssl;
    uint64_t due_ns; /* of the next byte of a drip */
};

struct visits;

struct manner {
    const char *name;
    void (*arrived)(struct visits *all, struct visit *v);  /* connected; NULL: waits for INFO */
    void (*informed)(struct visits *all, struct visit *v); /* INFO has come */
    void (*readable)(struct visits *all, struct visit *v); /* later */
    bool in_rounds; /* all wait until each has INFO, and all begin anew when each has gone */
    bool drips;
};

struct visits {
    const struct manner *manner;
    const struct stress_options *o;
    struct stress_tally *tally;
    SSL_CTX *tls;
    struct visit *at;
    int epoll_fd;
    int out;     /* in STAGE_OUT */
    int waiting; /* in STAGE_WAITING */
    uint32_t source;
    uint64_t random;
};

static void watch(struct visits *all, struct visit *v, int op, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = v };
    if (epoll_ctl(all->epoll_fd, op, v->fd, &ev) != 0) {
        load_die("epoll_ctl: %s", strerror(errno));
    }
}

static void leave(struct visits *all, struct visit *v)
{
    SSL_free(v->ssl);
    v->ssl = NULL;
    (void) close(v->fd);
    all->waiting -= v->stage == STAGE_WAITING;
    v->stage = STAGE_OUT;
    all->out++;
}

static void fail(struct visits *all, struct visit *v)
{
    all->tally->failed++;
    leave(all, v);
}

static void come(struct visits *all, struct visit *v)
{
    int on = 1;
    struct sockaddr_in from = { .sin_family = AF_INET };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(all->o->port) };
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + all->source++ / SOURCE_PORTS % SOURCES);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd < 0) {
        load_die("socket: %s", strerror(errno));
    }
    (void) setsockopt(v->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void) bind(v->fd, (const struct sockaddr *) &from, sizeof(from));
    if (connect(v->fd, (const struct sockaddr *) &to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        load_die("connect: %s", strerror(errno));
    }
    v->stage = STAGE_DIALLING;
    all->out--;
    watch(all, v, EPOLL_CTL_ADD, EPOLLOUT);
}

/* True when the peer has gone. */
static bool read_away(struct visit *v)
{
    char buf[4096];
    ssize_t n = recv(v->fd, buf, sizeof(buf), 0);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static uint64_t next_random(struct visits *all)
{
    all->random ^= all->random << 13;
    all->random ^= all->random >> 7;
    all->random ^= all->random << 17;
    return all->random;
}

/* ---- handshakes ----------------------------------------------------------------------------------- */

static void shake_hands(struct visits *all, struct visit *v)
{
    ERR_clear_error();
    int rc = SSL_connect(v->ssl);
    if (rc == 1) {
        all->tally->done++;
        leave(all, v);
        return;
    }
    /* What a handshake writes always fits an empty socket. */
    if (SSL_get_error(v->ssl, rc) != SSL_ERROR_WANT_READ) {
        fail(all, v);
    }
}

static void begin_handshake(struct visits *all, struct visit *v)
{
    v->ssl = SSL_new(all->tls);
    if (v->ssl == NULL || SSL_set_fd(v->ssl, v->fd) != 1) {
        load_die("OpenSSL gives no session");
    }
    v->stage = STAGE_TALKING;
    shake_hands(all, v);
}

static void wait_for_the_others(struct visits *all, struct visit *v)
{
    v->stage = STAGE_WAITING;
    all->waiting++;
}

/* ---- others --------------------------------------------------------------------------------------- */

static void drop(struct visits *all, struct visit *v)
{
    if (all->tally->done++ % 2 == 0) { /* half of them with a reset */
        struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
        (void) setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    leave(all, v);
}

/* A whole record that begins like a ClientHello's and goes on with chance: with its lengths it is
 * complete, without them it is none.  None of them waits for more. */
static void send_garbage(struct visits *all, struct visit *v)
{
    static const unsigned char head[] = { 0x16, 3, 1, 1, 0xfb, 1, 0, 1, 0xf7, 3, 3 };
    unsigned char hello[512];
    for (size_t i = 0; i < sizeof(hello); i++) {
        hello[i] = (unsigned char) (next_random(all) | 2); /* no type of message is 1 by chance */
    }
    memcpy(hello, head, next_random(all) % 2 == 0 ? sizeof(head) : 5);
    v->stage = STAGE_TALKING;
    if (send(v->fd, hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t) sizeof(hello)) {
        fail(all, v);
    }
}

static void wait_for_the_end(struct visits *all, struct visit *v)
{
    if (read_away(v)) {
        all->tally->done++;
        leave(all, v);
    }
}

static void drip_byte(struct visits *all, struct visit *v)
{
    static const unsigned char byte[] = { 0x16 };
    static const unsigned char more[] = { 3 };
    bool first = v->stage != STAGE_TALKING;
    v->stage = STAGE_TALKING;
    v->due_ns = stress_now_ns() + DRIP_NS;
    all->tally->done++;
    if (send(v->fd, first ? byte : more, 1, MSG_NOSIGNAL) != 1) {
        leave(all, v); /* its time was up */
    }
}

static void leave_when_told(struct visits *all, struct visit *v)
{
    if (read_away(v)) {
        leave(all, v);
    }
}

static const struct manner manners[] = {
    { .name = "handshakes",
      .informed = wait_for_the_others,
      .readable = shake_hands,
      .in_rounds = true },
    { .name = "drip", .informed = drip_byte, .readable = leave_when_told, .drips = true },
    { .name = "garbage", .informed = send_garbage, .readable = wait_for_the_end },
    { .name = "drop", .arrived = drop },
};

/* ---- the loop --------------------------------------------------------------------------------------- */

static void arrive(struct visits *all, struct visit *v)
{
    int error = 0;
    socklen_t len = sizeof(error);
    (void) getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        fail(all, v);
    } else if (all->manner->arrived != NULL) {
        all->manner->arrived(all, v);
    } else {
        v->stage = STAGE_INFO;
        watch(all, v, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void handle(struct visits *all, struct visit *v)
{
    switch (v->stage) {
    case STAGE_DIALLING:
        arrive(all, v);
        break;
    case STAGE_INFO: /* one short line: it comes in one piece */
        if (read_away(v)) {
            fail(all, v);
        } else {
            all->manner->informed(all, v);
        }
        break;
    case STAGE_WAITING:
        if (read_away(v)) {
            fail(all, v);
        }
        break;
    case STAGE_TALKING:
        all->manner->readable(all, v);
        break;
    case STAGE_OUT:
        break;
    }
}

static void invite(struct visits *all)
{
    if (all->manner->in_rounds && all->out < all->o->count) {
        return;
    }
    for (int i = 0; i < all->o->count && all->out > 0; i++) {
        if (all->at[i].stage == STAGE_OUT) {
            come(all, &all->at[i]);
        }
    }
}

static void begin_round(struct visits *all)
{
    if (all->waiting == 0 || all->waiting + all->out < all->o->count) {
        return;
    }
    all->waiting = 0;
    for (int i = 0; i < all->o->count; i++) {
        if (all->at[i].stage == STAGE_WAITING) {
            begin_handshake(all, &all->at[i]);
        }
    }
}

static void drip_on(struct visits *all)
{
    uint64_t now = stress_now_ns();
    for (int i = 0; i < all->o->count; i++) {
        struct visit *v = &all->at[i];
        if (v->stage == STAGE_TALKING && v->due_ns <= now) {
            drip_byte(all, v);
        }
    }
}

static void turn(struct visits *all)
{
    struct epoll_event events[128];
    int n = epoll_wait(all->epoll_fd, events, 128, 10);
    for (int i = 0; i < n; i++) {
        handle(all, events[i].data.ptr);
    }
    if (all->manner->in_rounds) {
        begin_round(all);
    }
    if (all->manner->drips) {
        drip_on(all);
    }
}

static const struct manner *find_manner(const char *name)
{
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        if (strcmp(manners[i].name, name) == 0) {
            return &manners[i];
        }
    }
    load_die("there is no mode %s", name);
}

void stress_visits(const char *manner, const struct stress_options *o, struct stress_tally *tally)
{
    struct load_loop *loop = stress_loop_new(o);
    struct visits all = { .o = o, .tally = tally, .out = o->count, .random = 88172645463325252u };
    all.manner = find_manner(manner);
    all.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    all.at = calloc((size_t) o->count, sizeof(*all.at));
    all.tls = load_tls_new(loop, false);
    if (all.at == NULL) {
        load_die("out of memory");
    }
    stress_ready();
    while (!stress_is_over()) {
        invite(&all);
        turn(&all);
    }
    for (int i = 0; i < o->count; i++) {
        if (all.at[i].stage != STAGE_OUT) {
            leave(&all, &all.at[i]);
        }
    }
    free(all.at);
    (void) close(all.epoll_fd);
    SSL_CTX_free(all.tls);
    stress_loop_free(&loop);
}
