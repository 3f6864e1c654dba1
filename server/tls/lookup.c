#include "tls/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"

#define STACK_LEN (256 * 1024) /* modules of the name service run on it */

struct nj_lookup {
    _Atomic unsigned refs; /* who asks, and the thread */
    int done_fd;           /* readable when `result` and `list` are set */
    _Atomic bool done;
    int result;
    struct addrinfo *list; /* libc's */
    int flags;             /* AI_* */
    char *host;
    char *port;
};

static nj_lookup_fn resolver = getaddrinfo;
static _Atomic unsigned threads;

void nj_lookup_ask_instead(nj_lookup_fn fn)
{
    resolver = fn;
}

unsigned nj_lookup_threads(void)
{
    return atomic_load(&threads);
}

static void unref(struct nj_lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) > 1) {
        return;
    }
    if (l->list != NULL) {
        freeaddrinfo(l->list);
    }
    (void) close(l->done_fd);
    nj_dealloc(l->host);
    nj_dealloc(l->port);
    nj_dealloc(l);
}

static void resolve(struct nj_lookup *l)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = l->flags };
    const uint64_t one = 1;
    l->result = resolver(l->host, l->port, &hints, &l->list);
    atomic_store(&l->done, true);
    (void) !write(l->done_fd, &one, sizeof(one));
}

static void *run(void *arg)
{
    struct nj_lookup *l = arg;
    (void) pthread_setname_np(pthread_self(), "nj-lookup");
    resolve(l);
    unref(l);
    (void) atomic_fetch_sub(&threads, 1);
    return NULL;
}

static bool is_numeric(const char *host)
{
    return strspn(host, "0123456789.") == strlen(host) || strchr(host, ':') != NULL;
}

/* 0 or the system's error. */
static int start_thread(struct nj_lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int e = pthread_attr_init(&attr);
    if (e != 0) {
        return e;
    }
    (void) pthread_attr_setstacksize(&attr, STACK_LEN);
    (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);
    (void) atomic_fetch_add(&l->refs, 1);
    e = pthread_create(&thread, &attr, run, l);
    if (e != 0) {
        (void) atomic_fetch_sub(&l->refs, 1);
    }
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void) pthread_attr_destroy(&attr);
    return e;
}

static int begin(struct nj_lookup *l, struct nj_error *err)
{
    if (is_numeric(l->host)) {
        l->flags = AI_NUMERICHOST;
        resolve(l);
        return NJ_OK;
    }
    if (atomic_fetch_add(&threads, 1) >= NJ_LOOKUPS_MOST) {
        (void) atomic_fetch_sub(&threads, 1);
        return nj_error_set(err, NJ_E_LIMIT, "the resolver has not answered %d questions yet",
                            NJ_LOOKUPS_MOST);
    }
    int e = start_thread(l);
    if (e != 0) {
        (void) atomic_fetch_sub(&threads, 1);
        return nj_error_set(err, NJ_E_IO, "no thread could be started: %s", strerror(e));
    }
    return NJ_OK;
}

int nj_lookup_start(const char *host, const char *port, struct nj_lookup **lookup_out,
                    struct nj_error *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return nj_error_set(err, NJ_E_IO, "eventfd: %s", strerror(errno));
    }
    struct nj_lookup *l = nj_zalloc(sizeof(*l));
    atomic_init(&l->refs, 1);
    l->done_fd = fd;
    l->flags = AI_ADDRCONFIG;
    l->host = nj_strdup(host);
    l->port = nj_strdup(port);
    int rc = begin(l, err);
    if (rc != NJ_OK) {
        unref(l);
        return rc;
    }
    *lookup_out = l;
    return NJ_OK;
}

int nj_lookup_fd(const struct nj_lookup *l)
{
    return l->done_fd;
}

int nj_lookup_result(const struct nj_lookup *l, const struct addrinfo **list_out)
{
    if (!atomic_load(&l->done)) {
        return EAI_AGAIN;
    }
    if (l->result == 0) {
        *list_out = l->list;
    }
    return l->result;
}

void nj_lookup_leave(struct nj_lookup **lp)
{
    if (*lp != NULL) {
        unref(*lp);
        *lp = NULL;
    }
}
