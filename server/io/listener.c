#include "io/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/quote.h"

#define ACCEPT_US 40 /* of one turn; another one is accepted while less is spent */
#define BACKLOG 4096
#define PAUSE_US 100000 /* without a descriptor to accept with */

struct nj_listener {
    struct nj_source source; /* first */
    struct nj_worker *w;
    nj_accepted_fn fn;
    void *user;
    int fd;
    int spare_fd; /* given up for a moment when descriptors run out; -1: somebody else got it */
    struct nj_timer pause;
    int port;
    unsigned next; /* whose turn it is */
};

/* ---- opening ------------------------------------------------------------------------------------ */

static int fail(struct nj_error *err, const char *host, int port)
{
    char text[128];
    char address[300];
    bool v6 = strchr(host, ':') != NULL;
    int why = errno;
    (void) snprintf(address, sizeof(address), v6 ? "[%s]:%d" : "%s:%d", host, port < 0 ? 0 : port);
    return nj_error_set(err, NJ_E_IO, "listen tcp %s: %s: %s", address,
                        why == EMFILE || why == ENFILE ? "socket" : "bind",
                        nj_errno_text(why, text, sizeof(text)));
}

static int fail_lookup(struct nj_error *err, const char *host, int why)
{
    bool unknown = why == EAI_NONAME || why == EAI_NODATA;
    return nj_error_set(err, NJ_E_IO, "listen tcp: lookup %s: %s", host,
                        unknown ? "no such host" : gai_strerror(why));
}

static int open_socket(const struct addrinfo *ai, bool dual)
{
    int one = 1;
    int zero = 0;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (ai->ai_family == AF_INET6) {
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? &zero : &one, sizeof(one));
    }
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int e = errno;
        (void) close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static bool is_wildcard(const char *host)
{
    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static int bound_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *) &sa, &len) < 0) {
        return -1;
    }
    return sa.ss_family == AF_INET6
               ? ntohs(((struct sockaddr_in6 *) (void *) &sa)->sin6_port)
               : ntohs(((struct sockaddr_in *) (void *) &sa)->sin_port);
}

/* The first address of this family that can be bound; `fd` when there was one before. */
static int bind_family(const struct addrinfo *list, int family, bool dual, int fd)
{
    for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
        if (ai->ai_family == family) {
            fd = open_socket(ai, dual);
        }
    }
    return fd;
}

/* errno says why not; *lookup_out is not 0 when the name is to blame. */
static int bind_host(const char *host, int port, bool dual, int *lookup_out)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                              .ai_family = dual ? AF_INET6 : AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    char service[16];
    (void) snprintf(service, sizeof(service), "%d", port < 0 ? 0 : port);
    *lookup_out = getaddrinfo(dual ? "::" : host, service, &hints, &list);
    if (*lookup_out != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = bind_family(list, AF_INET, dual, -1);
    fd = bind_family(list, AF_INET6, dual, fd);
    int e = errno;
    freeaddrinfo(list);
    errno = e;
    return fd;
}

int nj_listen_socket(const char *host, int port, int *fd_out, int *port_out, struct nj_error *err)
{
    int lookup = 0;
    if (port > 65535 || port < -1) {
        return nj_error_set(err, NJ_E_INVALID, "listen tcp: address %d: invalid port", port);
    }
    int fd = bind_host(host, port, is_wildcard(host), &lookup);
    if (fd < 0 && is_wildcard(host) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        fd = bind_host("0.0.0.0", port, false, &lookup); /* a kernel without IPv6 */
    }
    if (fd < 0) {
        return lookup != 0 ? fail_lookup(err, host, lookup) : fail(err, host, port);
    }
    *fd_out = fd;
    *port_out = bound_port(fd);
    return NJ_OK;
}

static void end_pause(struct nj_timer *t, void *arg)
{
    struct nj_listener *l = arg;
    (void) t;
    nj_worker_rewatch(l->w, l->fd, &l->source, EPOLLIN);
}

int nj_listener_open(const char *host, int port, struct nj_listener **l_out, struct nj_error *err)
{
    int fd = -1;
    int bound = 0;
    int rc = nj_listen_socket(host, port, &fd, &bound, err);
    if (rc != NJ_OK) {
        return rc;
    }
    struct nj_listener *l = nj_zalloc(sizeof(*l));
    l->fd = fd;
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->port = bound;
    l->pause.fn = end_pause;
    l->pause.arg = l;
    *l_out = l;
    return NJ_OK;
}

int nj_listener_port(const struct nj_listener *l)
{
    return l->port;
}

/* ---- accepting ------------------------------------------------------------------------------------ */

static void tune(int fd)
{
    int one = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

/*
 * No descriptor is left: accept with the spare one and close, so that the peer learns of it.  The
 * spare one may be gone: another thread was faster than our accept.  What waits then keeps the
 * socket readable, so we look away until there may be a descriptor again.
 */
static void refuse_one(struct nj_listener *l)
{
    nj_log_once_per_second(NJ_LVL_ERR, "Client accept: too many open files; a new client was refused");
    if (l->spare_fd >= 0) {
        (void) close(l->spare_fd);
    }
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    bool stuck = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (fd >= 0) {
        (void) close(fd);
    }
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (stuck) {
        nj_worker_rewatch(l->w, l->fd, &l->source, 0);
        nj_timer_start(&l->w->timers, &l->pause, nj_mono_us() + PAUSE_US);
    }
}

static void accept_some(struct nj_worker *w, struct nj_source *src, uint32_t events)
{
    struct nj_listener *l = (struct nj_listener *) (void *) src;
    (void) events;
    int64_t until = nj_mono_us() + ACCEPT_US;
    while (l->fd >= 0 && nj_mono_us() < until) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                refuse_one(l);
            }
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            return;
        }
        tune(fd);
        l->fn(l->user, w, w->set->at[l->next++ % w->set->n], fd);
    }
}

static void start_here(struct nj_worker *w, void *arg)
{
    struct nj_listener *l = arg;
    if (l->fd >= 0) {
        (void) nj_worker_watch(w, l->fd, &l->source, EPOLLIN);
    }
}

void nj_listener_start(struct nj_listener *l, struct nj_worker *w, nj_accepted_fn fn, void *user)
{
    l->source.ready = accept_some;
    l->w = w;
    l->fn = fn;
    l->user = user;
    nj_worker_call(w, start_here, l);
}

void nj_listener_stop(struct nj_listener *l)
{
    if (l->fd >= 0) {
        if (l->w != NULL) {
            nj_timer_stop(&l->w->timers, &l->pause);
            nj_worker_unwatch(l->w, l->fd);
        }
        (void) close(l->fd);
        l->fd = -1;
    }
}

void nj_listener_free(struct nj_listener **lp)
{
    struct nj_listener *l = *lp;
    if (l == NULL) {
        return;
    }
    *lp = NULL;
    if (l->fd >= 0) {
        (void) close(l->fd);
    }
    if (l->spare_fd >= 0) {
        (void) close(l->spare_fd);
    }
    nj_dealloc(l);
}
