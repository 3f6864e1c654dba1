/* natsstress: one kind of stress for a NATS server, or the good clients beside it. */
#include "stress.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { AT_A_TIME = 16 };

uint64_t stress_now_ns(void)
{
    struct timespec ts = { 0 };
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * UINT64_C(1000000000) + (uint64_t) ts.tv_nsec;
}

void stress_ready(void)
{
    (void) puts("{\"ready\":true}");
    (void) fflush(stdout);
}

bool stress_is_over(void)
{
    char byte = 0;
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* ---- connections of the bench ------------------------------------------------------------------- */

struct load_loop *stress_loop_new(const struct stress_options *o)
{
    struct load_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        load_die("out of memory");
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->port = o->port;
    loop->tls = o->tls ? load_tls_new(loop, false) : NULL;
    return loop;
}

void stress_loop_free(struct load_loop **loopp)
{
    struct load_loop *loop = *loopp;
    *loopp = NULL;
    SSL_CTX_free(loop->tls);
    (void) close(loop->epoll_fd);
    free(loop);
}

struct load_conn *stress_open(struct load_loop *loop, int n)
{
    struct load_conn *conns = calloc((size_t) n, sizeof(*conns));
    int opened = 0;
    int ready = 0;
    if (conns == NULL) {
        load_die("out of memory");
    }
    while (ready < n) {
        for (; opened < n && opened - ready < AT_A_TIME; opened++) {
            conns[opened].loop = loop;
            conns[opened].id = (uint32_t) opened;
            load_conn_open(&conns[opened]);
        }
        if (load_loop_turn(loop, 10000) == 0) {
            load_die("only %d of %d connections in 10 s", ready, n);
        }
        for (; ready < opened && conns[ready].state == LOAD_READY; ready++) {
        }
    }
    return conns;
}

/* ---- the command line --------------------------------------------------------------------------- */

static const char usage[] =
    "usage: natsstress MODE --port PORT [--tls] [--count N] [--size BYTES] [--rate N]\n"
    "\n"
    "  handshakes  rounds of --count full TLS handshakes that all begin at once\n"
    "  drip        --count handshakes of one byte a second\n"
    "  garbage     ClientHellos that are none, --count at a time\n"
    "  drop        connect and go, --count at a time\n"
    "  readers     --count subscribers that read slowly, --rate messages of --size a second for all\n"
    "  stopped     a subscriber that stops to read while a publisher does not, again and again\n"
    "  churn       --count subscriptions made and given up, again and again\n"
    "  idle        --count connections that do nothing\n"
    "              each goes on until standard input ends\n"
    "  probe       good clients: --rate PINGs and as many messages a second; a line on standard\n"
    "              input ends an interval and prints its latencies\n";

static const struct option long_options[] = {
    { "port", required_argument, NULL, 'p' },  { "tls", no_argument, NULL, 't' },
    { "count", required_argument, NULL, 'c' }, { "size", required_argument, NULL, 's' },
    { "rate", required_argument, NULL, 'r' },  { NULL, 0, NULL, 0 },
};

static int number(const char *text, int most)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < 1 || n > most) {
        load_die("%s is not a number from 1 to %d", text, most);
    }
    return (int) n;
}

static void read_options(int argc, char **argv, struct stress_options *o)
{
    int id = 0;
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (id) {
        case 'p':
            o->port = (uint16_t) number(optarg, 65535);
            break;
        case 't':
            o->tls = true;
            break;
        case 'c':
            o->count = number(optarg, 1000000);
            break;
        case 's':
            o->size = number(optarg, 1024 * 1024);
            break;
        case 'r':
            o->rate = number(optarg, 100000);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
}

static void run_mode(const char *mode, const struct stress_options *o)
{
    static const struct {
        const char *name;
        void (*run)(const struct stress_options *o, struct stress_tally *tally);
    } modes[] = {
        { "readers", stress_readers },
        { "stopped", stress_stopped },
        { "churn", stress_churn },
        { "idle", stress_idle },
    };
    struct stress_tally tally = { 0 };
    if (strcmp(mode, "probe") == 0) {
        stress_probe(o);
        return;
    }
    size_t i = 0;
    while (i < sizeof(modes) / sizeof(modes[0]) && strcmp(mode, modes[i].name) != 0) {
        i++;
    }
    if (i < sizeof(modes) / sizeof(modes[0])) {
        modes[i].run(o, &tally);
    } else {
        stress_visits(mode, o, &tally);
    }
    printf("{\"done\":%llu,\"failed\":%llu}\n", (unsigned long long) tally.done,
           (unsigned long long) tally.failed);
}

static void raise_limit(void)
{
    struct rlimit limit = { 0 };
    (void) getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct stress_options o = { .count = 100, .size = 128, .rate = 400 };
    read_options(argc, argv, &o);
    if (optind >= argc || o.port == 0) {
        fputs(usage, stderr);
        return 2;
    }
    (void) signal(SIGPIPE, SIG_IGN);
    raise_limit();
    run_mode(argv[optind], &o);
    return 0;
}
