/* probe.c: good clients, and how long the server lets them wait. */
#include "stress.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    PINGERS = 4,
    PAIRS = 2,
    CLIENTS = PINGERS + 2 * PAIRS, /* publishers, then their subscribers */
    WAITING_MAX = 65536,           /* PINGs of one client that have no PONG yet */
};
#define PATIENCE_NS UINT64_C(10000000000)

/* Latencies of one interval. */
struct figures {
    uint64_t sent;
    size_t n, room;
    double *us;
};

struct pinger {
    uint64_t sent, answered;
    uint64_t sent_ns[WAITING_MAX];
};

static struct {
    struct load_conn *clients;
    struct figures ping, delivery;
    struct pinger pingers[PINGERS];
    uint64_t greeted[PINGERS]; /* PONGs before the first PING of ours */
    uint64_t numbers[PAIRS];
    uint64_t ticks;
} now;

static void note(struct figures *f, uint64_t sent_ns)
{
    if (f->n == f->room) {
        f->room = f->room == 0 ? 4096 : 2 * f->room;
        f->us = realloc(f->us, f->room * sizeof(double));
        if (f->us == NULL) {
            load_die("out of memory");
        }
    }
    f->us[f->n++] = (double) (stress_now_ns() - sent_ns) / 1e3;
}

/* ---- sending and hearing ------------------------------------------------------------------------------ */

static void ping(unsigned i)
{
    struct pinger *p = &now.pingers[i];
    if (p->sent - p->answered == WAITING_MAX) {
        load_die("the server owes %d PONGs", WAITING_MAX);
    }
    p->sent_ns[p->sent++ % WAITING_MAX] = stress_now_ns();
    now.ping.sent++;
    load_conn_send_now(&now.clients[i], "PING\r\n", 6);
}

/* PONGs come in the order of the PINGs. */
static void hear_pongs(void)
{
    for (unsigned i = 0; i < PINGERS; i++) {
        struct pinger *p = &now.pingers[i];
        while (p->answered < now.clients[i].pongs - now.greeted[i]) {
            note(&now.ping, p->sent_ns[p->answered++ % WAITING_MAX]);
        }
    }
}

/* A stamp: the time of sending, then the number. */
static void publish(unsigned pair)
{
    char text[128];
    uint64_t stamp[2] = { stress_now_ns(), now.numbers[pair]++ };
    int len = sprintf(text, "PUB probe.%d.%u %zu\r\n", (int) getpid(), pair, sizeof(stamp));
    memcpy(text + len, stamp, sizeof(stamp));
    memcpy(text + len + sizeof(stamp), "\r\n", 2);
    now.delivery.sent++;
    load_conn_send_now(&now.clients[PINGERS + pair], text, (size_t) len + sizeof(stamp) + 2);
}

static void on_message(struct load_conn *c, const char *line, size_t line_len, const char *head)
{
    uint64_t stamp[2];
    (void) line;
    (void) line_len;
    memcpy(stamp, head, sizeof(stamp));
    if (stamp[1] != c->got - 1) {
        load_die("message %llu came in place of %llu", (unsigned long long) stamp[1],
                 (unsigned long long) c->got - 1);
    }
    note(&now.delivery, stamp[0]);
}

static void tick(void)
{
    unsigned i = (unsigned) (now.ticks++ / 2);
    if (now.ticks % 2 == 0) {
        ping(i % PINGERS);
    } else {
        publish(i % PAIRS);
    }
}

/* ---- an interval --------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

static double percentile(const struct figures *f, double p)
{
    size_t i = (size_t) (p * (double) f->n);
    return f->n == 0 ? 0 : f->us[i < f->n ? i : f->n - 1];
}

static void print_figures(const char *name, struct figures *f)
{
    qsort(f->us, f->n, sizeof(double), by_value);
    printf("\"%s\":{\"n\":%zu,\"lost\":%lld,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}", name,
           f->n, (long long) (f->sent - f->n), percentile(f, 0.50), percentile(f, 0.99),
           percentile(f, 1.0));
    f->n = 0;
    f->sent = 0;
}

/* What is still under way belongs to it: without the late ones every figure would be too good. */
static void end_interval(struct load_loop *loop)
{
    uint64_t until = stress_now_ns() + PATIENCE_NS;
    while ((now.ping.n < now.ping.sent || now.delivery.n < now.delivery.sent) &&
           stress_now_ns() < until) {
        (void) load_loop_turn(loop, 20);
        hear_pongs();
    }
    printf("{");
    print_figures("ping", &now.ping);
    printf(",");
    print_figures("delivery", &now.delivery);
    printf("}\n");
    (void) fflush(stdout);
}

/* ---- getting ready -------------------------------------------------------------------------------------- */

static int timer_at(int rate)
{
    long ns = 1000000000L / (2 * rate);
    struct itimerspec every = { .it_interval = { ns / 1000000000L, ns % 1000000000L } };
    every.it_value = every.it_interval;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) != 0) {
        load_die("no timer");
    }
    return fd;
}

static void subscribe(struct load_conn *c, unsigned pair)
{
    char text[128];
    uint64_t before = c->pongs;
    int len = sprintf(text, "SUB probe.%d.%u 1\r\nPING\r\n", (int) getpid(), pair);
    load_conn_send_now(c, text, (size_t) len);
    while (c->pongs == before) {
        (void) load_loop_turn(c->loop, 100);
    }
}

/* The load must not take the processor from the one who looks at the clock.  Only some may ask for
 * this; without it the figures are worse and still true. */
static void come_first(void)
{
    struct sched_param param = { .sched_priority = 1 };
    (void) sched_setscheduler(0, SCHED_FIFO, &param);
}

static void watch(struct load_loop *loop, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* A line: the interval ends.  False at the end of the input. */
static bool take_order(struct load_loop *loop, int timer_fd)
{
    char line[64];
    uint64_t missed = 0;
    if (read(STDIN_FILENO, line, sizeof(line)) <= 0) {
        return false;
    }
    end_interval(loop);
    (void) !read(timer_fd, &missed, sizeof(missed)); /* the ticks of meanwhile are no debt */
    return true;
}

void stress_probe(const struct stress_options *o)
{
    struct load_loop *loop = stress_loop_new(o);
    struct epoll_event in = { .events = EPOLLIN, .data.ptr = NULL };
    now.clients = stress_open(loop, CLIENTS);
    loop->on.message = on_message;
    for (unsigned i = 0; i < PAIRS; i++) {
        subscribe(&now.clients[PINGERS + PAIRS + i], i);
    }
    for (unsigned i = 0; i < PINGERS; i++) {
        now.greeted[i] = now.clients[i].pongs;
    }
    come_first();
    int timer_fd = timer_at(o->rate);
    int orders_fd = epoll_create1(EPOLL_CLOEXEC);
    (void) epoll_ctl(orders_fd, EPOLL_CTL_ADD, STDIN_FILENO, &in);
    watch(loop, timer_fd);
    watch(loop, orders_fd);
    stress_ready();
    for (;;) {
        uint64_t due = 0;
        (void) load_loop_turn(loop, 100);
        hear_pongs();
        if (read(timer_fd, &due, sizeof(due)) == sizeof(due)) {
            for (; due > 0; due--) {
                tick();
            }
        }
        if (epoll_wait(orders_fd, &in, 1, 0) == 1 && !take_order(loop, timer_fd)) {
            break;
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        load_conn_close(&now.clients[i]);
    }
    free(now.clients);
    free(now.ping.us);
    free(now.delivery.us);
    (void) close(orders_fd);
    (void) close(timer_fd);
    stress_loop_free(&loop);
}
