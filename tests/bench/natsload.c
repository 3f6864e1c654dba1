/* natsload: loads a NATS server and says what came through and what it cost the server. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* ---- measuring ------------------------------------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts = { 0 };
    if (clock_gettime(clock, &ts) != 0) {
        load_die("the server's CPU clock cannot be read: %s", strerror(errno));
    }
    return (uint64_t) ts.tv_sec * UINT64_C(1000000000) + (uint64_t) ts.tv_nsec;
}

uint64_t load_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* A process's CPU clock is the utime and stime of its /proc entry, without their 10 ms steps. */
struct load_sample load_sample_take(const struct load_options *o, uint64_t count)
{
    clockid_t clock = 0;
    struct load_sample s = { .count = count };
    if (o->pid != 0) {
        if (clock_getcpuclockid(o->pid, &clock) != 0) {
            load_die("there is no process %d", (int) o->pid);
        }
        s.server_ns = clock_ns(clock);
    }
    s.own_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    s.wall_ns = load_now_ns();
    return s;
}

void load_report(const struct load_options *o, const struct load_sample *from,
                 const struct load_sample *to, const char *more)
{
    double wall_s = (double) (to->wall_ns - from->wall_ns) / 1e9;
    double count = (double) (to->count - from->count);
    printf("{\"count\":%.0f,\"wall_s\":%.4f,\"rate\":%.1f,\"own_cpu_s\":%.4f", count, wall_s,
           count / wall_s, (double) (to->own_ns - from->own_ns) / 1e9);
    if (o->pid != 0) {
        double cpu_s = (double) (to->server_ns - from->server_ns) / 1e9;
        printf(",\"cpu_s\":%.4f,\"cpu_us_each\":%.5f", cpu_s, count > 0 ? cpu_s * 1e6 / count : 0);
    }
    printf("%s%s}\n", more == NULL ? "" : ",", more == NULL ? "" : more);
    (void) fflush(stdout);
}

/* ---- connections ---------------------------------------------------------------------------- */

void load_open_all(struct load_loop *loop, struct load_conn *conns, int n, int at_a_time)
{
    int opened = 0;
    int ready = 0;
    while (ready < n) {
        for (; opened < n && opened - ready < at_a_time; opened++) {
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
}

static struct load_conn *conns_new(int n)
{
    struct load_conn *conns = calloc((size_t) n, sizeof(*conns));
    if (conns == NULL) {
        load_die("out of memory");
    }
    return conns;
}

static uint64_t connects;

static void count_and_close(struct load_conn *c)
{
    connects++;
    load_conn_close(c);
}

static void reconnect_for(struct load_loop *loop, const struct load_options *o,
                          struct load_conn *conns, double seconds)
{
    uint64_t until = load_now_ns() + (uint64_t) (seconds * 1e9);
    while (load_now_ns() < until) {
        for (int i = 0; i < o->concurrency; i++) {
            if (conns[i].state == LOAD_CLOSED) {
                conns[i].loop = loop;
                conns[i].id = (uint32_t) i;
                load_conn_open(&conns[i]);
            }
        }
        (void) load_loop_turn(loop, 20);
    }
}

static void load_connect(struct load_loop *loop, const struct load_options *o)
{
    struct load_conn *conns = conns_new(o->concurrency);
    loop->on.ready = count_and_close;

    reconnect_for(loop, o, conns, o->warmup_s);
    uint64_t resumed = loop->resumed;
    uint64_t handshakes = loop->handshakes;
    struct load_sample from = load_sample_take(o, connects);
    reconnect_for(loop, o, conns, o->measure_s);
    struct load_sample to = load_sample_take(o, connects);

    char more[120];
    (void) snprintf(more, sizeof(more), "\"handshakes\":%llu,\"resumed\":%llu",
                    (unsigned long long) (loop->handshakes - handshakes),
                    (unsigned long long) (loop->resumed - resumed));
    load_report(o, &from, &to, more);
    for (int i = 0; i < o->concurrency; i++) {
        load_conn_close(&conns[i]);
    }
    free(conns);
}

/* Say that all is there and keep it until standard input, a pipe, ends. */
static void hold(struct load_loop *loop, int n)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    char byte = 0;
    printf("{\"ready\":%d}\n", n);
    (void) fflush(stdout);
    while (poll(&in, 1, 20) == 0 || read(STDIN_FILENO, &byte, 1) == 1) {
        (void) load_loop_turn(loop, 0);
    }
}

static void load_idle(struct load_loop *loop, const struct load_options *o)
{
    struct load_conn *conns = conns_new(o->count);
    load_open_all(loop, conns, o->count, o->concurrency);
    hold(loop, o->count);
    for (int i = 0; i < o->count; i++) {
        load_conn_close(&conns[i]);
    }
    free(conns);
}

static void load_subs(struct load_loop *loop, const struct load_options *o)
{
    struct load_conn *c = conns_new(1);
    char text[16 * 1024];
    size_t len = 0;
    load_open_all(loop, c, 1, 1);
    for (int i = 0; i < o->count; i++) {
        len += (size_t) sprintf(text + len, "SUB load.sub.%d %d\r\n", i, i + 1);
        if (len > sizeof(text) - 64) {
            load_conn_send_now(c, text, len);
            len = 0;
        }
    }
    len += (size_t) sprintf(text + len, "PING\r\n");
    load_conn_send_now(c, text, len);
    while (c->pongs < 2) {
        (void) load_loop_turn(loop, 100);
    }
    hold(loop, o->count);
    load_conn_close(c);
    free(c);
}

/* ---- starting a server ---------------------------------------------------------------------- */

static bool info_comes(uint16_t port)
{
    char byte = 0;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool came = connect(fd, (const struct sockaddr *) &to, sizeof(to)) == 0 &&
                recv(fd, &byte, 1, 0) == 1 && byte == 'I';
    (void) close(fd);
    return came;
}

static void load_start(const struct load_options *o)
{
    pid_t pid = 0;
    uint64_t began = load_now_ns();
    if (posix_spawnp(&pid, o->command[0], NULL, NULL, o->command, environ) != 0) {
        load_die("%s does not start", o->command[0]);
    }
    while (!info_comes(o->port)) {
        struct timespec some = { .tv_nsec = 50 * 1000 };
        (void) nanosleep(&some, NULL);
        if (load_now_ns() - began > UINT64_C(10000000000)) {
            (void) kill(pid, SIGKILL);
            load_die("no INFO within 10 s");
        }
    }
    printf("{\"start_ms\":%.3f}\n", (double) (load_now_ns() - began) / 1e6);
    (void) kill(pid, SIGTERM);
    (void) waitpid(pid, NULL, 0);
}

/* ---- the command line ----------------------------------------------------------------------- */

static const char usage[] =
    "usage: natsload MODE --port PORT [OPTION...]\n"
    "\n"
    "modes\n"
    "  flow       --pubs publishers send to each of --subs subscribers (0: to nobody)\n"
    "  connect    connect, CONNECT, PING, PONG, close, again, --concurrency at a time\n"
    "  request    requests at --rate, answered by a second connection\n"
    "  idle       open --count connections and hold them until standard input ends\n"
    "  subs       one connection with --count subscriptions, held in the same way\n"
    "  start      run the command after -- and wait for its first INFO\n"
    "\n"
    "options\n"
    "  --pid PID  the server's process, whose CPU time is taken\n"
    "  --tls, --tls12, --resume          TLS 1.3 or 1.2; with sessions resumed\n"
    "  --subjects N, --size BYTES        of a flow\n"
    "  --warmup SECONDS, --measure SECONDS\n";

enum option_id {
    OPT_PORT = 1,
    OPT_PID,
    OPT_TLS,
    OPT_TLS12,
    OPT_RESUME,
    OPT_PUBS,
    OPT_SUBS,
    OPT_SUBJECTS,
    OPT_SIZE,
    OPT_COUNT,
    OPT_CONCURRENCY,
    OPT_RATE,
    OPT_WARMUP,
    OPT_MEASURE,
};

static const struct option long_options[] = {
    { "port", required_argument, NULL, OPT_PORT },
    { "pid", required_argument, NULL, OPT_PID },
    { "tls", no_argument, NULL, OPT_TLS },
    { "tls12", no_argument, NULL, OPT_TLS12 },
    { "resume", no_argument, NULL, OPT_RESUME },
    { "pubs", required_argument, NULL, OPT_PUBS },
    { "subs", required_argument, NULL, OPT_SUBS },
    { "subjects", required_argument, NULL, OPT_SUBJECTS },
    { "size", required_argument, NULL, OPT_SIZE },
    { "count", required_argument, NULL, OPT_COUNT },
    { "concurrency", required_argument, NULL, OPT_CONCURRENCY },
    { "rate", required_argument, NULL, OPT_RATE },
    { "warmup", required_argument, NULL, OPT_WARMUP },
    { "measure", required_argument, NULL, OPT_MEASURE },
    { NULL, 0, NULL, 0 },
};

static int number(const char *text, int least, int most)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < least || n > most) {
        load_die("%s is not a number from %d to %d", text, least, most);
    }
    return (int) n;
}

static void take_option(struct load_options *o, int id)
{
    switch (id) {
    case OPT_PORT:
        o->port = (uint16_t) number(optarg, 1, 65535);
        break;
    case OPT_PID:
        o->pid = number(optarg, 1, 1 << 22);
        break;
    case OPT_TLS12:
        o->tls12 = true;
        o->tls = true;
        break;
    case OPT_TLS:
        o->tls = true;
        break;
    case OPT_RESUME:
        o->resume = true;
        break;
    case OPT_PUBS:
        o->publishers = number(optarg, 1, 1000);
        break;
    case OPT_SUBS:
        o->subscribers = number(optarg, 0, 10000);
        break;
    case OPT_SUBJECTS:
        o->subjects = number(optarg, 1, 100000);
        break;
    case OPT_SIZE:
        o->size = number(optarg, 0, 1024 * 1024);
        break;
    case OPT_COUNT:
        o->count = number(optarg, 1, 1000000);
        break;
    case OPT_CONCURRENCY:
        o->concurrency = number(optarg, 1, 1000);
        break;
    case OPT_RATE:
        o->rate = number(optarg, 1, 1000000);
        break;
    case OPT_WARMUP:
        o->warmup_s = atof(optarg);
        break;
    case OPT_MEASURE:
        o->measure_s = atof(optarg);
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void raise_limit(void)
{
    struct rlimit limit = { 0 };
    (void) getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static void run_mode(const char *mode, const struct load_options *o)
{
    static struct load_loop loop;
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop.port = o->port;
    loop.resume = o->resume;
    loop.tls = o->tls ? load_tls_new(&loop, o->tls12) : NULL;
    if (strcmp(mode, "flow") == 0) {
        load_flow(&loop, o);
    } else if (strcmp(mode, "connect") == 0) {
        load_connect(&loop, o);
    } else if (strcmp(mode, "request") == 0) {
        load_request(&loop, o);
    } else if (strcmp(mode, "idle") == 0) {
        load_idle(&loop, o);
    } else if (strcmp(mode, "subs") == 0) {
        load_subs(&loop, o);
    } else if (strcmp(mode, "start") == 0 && o->command != NULL) {
        load_start(o);
    } else {
        fputs(usage, stderr);
        exit(2);
    }
    SSL_CTX_free(loop.tls);
    (void) close(loop.epoll_fd);
}

int main(int argc, char **argv)
{
    struct load_options o = {
        .publishers = 1,
        .subscribers = 1,
        .subjects = 1,
        .size = 128,
        .count = 1000,
        .concurrency = 8,
        .rate = 1000,
        .warmup_s = 0.3,
        .measure_s = 1.5,
    };
    int id = 0;
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        take_option(&o, id);
    }
    if (optind >= argc || o.port == 0) {
        fputs(usage, stderr);
        return 2;
    }
    o.command = optind + 1 < argc ? argv + optind + 1 : NULL;
    (void) signal(SIGPIPE, SIG_IGN);
    raise_limit();
    run_mode(argv[optind], &o);
    return 0;
}
