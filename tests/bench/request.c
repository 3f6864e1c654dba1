#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct requests {
    uint64_t sent;
    uint64_t answered;
    size_t size;
    char *payload; /* starts with the time of sending */
    bool measuring;
    double *latency_us; /* of those sent while measuring */
    size_t latency_n;
    size_t latency_max;
};

/* Callbacks get a connection only; there is one such load in a process. */
static struct requests now;

static void answer(struct load_conn *c, const char *line, const char *head)
{
    char text[256];
    const char *p = line;
    for (int spaces = 0; spaces < 3; p++) {
        spaces += *p == ' ';
    }
    int reply_len = (int) strcspn(p, " ");
    int len = snprintf(text, sizeof(text), "PUB %.*s %d\r\n", reply_len, p, LOAD_STAMP_LEN);
    memcpy(text + len, head, LOAD_STAMP_LEN);
    memcpy(text + len + LOAD_STAMP_LEN, "\r\n", 2);
    load_conn_send_now(c, text, (size_t) len + LOAD_STAMP_LEN + 2);
}

static void take_answer(const char *head)
{
    uint64_t sent_ns = 0;
    memcpy(&sent_ns, head, sizeof(sent_ns));
    now.answered++;
    if (now.measuring && now.latency_n < now.latency_max) {
        now.latency_us[now.latency_n++] = (double) (load_now_ns() - sent_ns) / 1e3;
    }
}

static void on_message(struct load_conn *c, const char *line, size_t line_len, const char *head)
{
    (void) line_len;
    if (c->id == 0) {
        take_answer(head);
    } else {
        answer(c, line, head);
    }
}

static void request(struct load_conn *c)
{
    char text[128];
    uint64_t ns = load_now_ns();
    int len = snprintf(text, sizeof(text), "PUB load.service _INBOX.load.%llu %zu\r\n",
                       (unsigned long long) now.sent, now.size);
    load_conn_send_now(c, text, (size_t) len);
    memcpy(now.payload, &ns, sizeof(ns));
    load_conn_send_now(c, now.payload, now.size + 2);
    now.sent++;
}

static int timer_at(int rate)
{
    long ns = 1000000000L / rate;
    struct itimerspec every = { .it_interval = { ns / 1000000000L, ns % 1000000000L } };
    every.it_value = every.it_interval;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) != 0) {
        load_die("no timer");
    }
    return fd;
}

static void run_for(struct load_loop *loop, struct load_conn *c, int timer_fd, double seconds)
{
    uint64_t until = load_now_ns() + (uint64_t) (seconds * 1e9);
    while (load_now_ns() < until) {
        uint64_t due = 0;
        (void) load_loop_turn(loop, 20);
        if (read(timer_fd, &due, sizeof(due)) == sizeof(due)) {
            for (; due > 0; due--) {
                request(c);
            }
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

static double percentile(double p)
{
    size_t i = (size_t) (p * (double) now.latency_n);
    return now.latency_n == 0 ? 0 : now.latency_us[i < now.latency_n ? i : now.latency_n - 1];
}

static void subscribe(struct load_loop *loop, struct load_conn *c, const char *text)
{
    load_conn_send_now(c, text, strlen(text));
    while (c->pongs < 2) {
        (void) load_loop_turn(loop, 100);
    }
}

void load_request(struct load_loop *loop, const struct load_options *o)
{
    struct load_conn *conns = calloc(2, sizeof(*conns));
    now.size = (size_t) (o->size < LOAD_STAMP_LEN ? LOAD_STAMP_LEN : o->size);
    now.payload = calloc(1, now.size + 2);
    now.latency_max = (size_t) (o->rate * (o->measure_s + 1));
    now.latency_us = calloc(now.latency_max, sizeof(double));
    if (conns == NULL || now.payload == NULL || now.latency_us == NULL) {
        load_die("out of memory");
    }
    memcpy(now.payload + now.size, "\r\n", 2);
    load_open_all(loop, conns, 2, 2);
    loop->on.message = on_message;
    subscribe(loop, &conns[0], "SUB _INBOX.load.* 1\r\nPING\r\n");
    subscribe(loop, &conns[1], "SUB load.service 1\r\nPING\r\n");

    int timer_fd = timer_at(o->rate);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, timer_fd, &ev);
    run_for(loop, &conns[0], timer_fd, o->warmup_s);
    now.measuring = true;
    struct load_sample from = load_sample_take(o, now.answered);
    run_for(loop, &conns[0], timer_fd, o->measure_s);
    struct load_sample to = load_sample_take(o, now.answered);
    (void) close(timer_fd); /* leaves the loop with it */
    uint64_t until = load_now_ns() + UINT64_C(2000000000);
    while (now.answered < now.sent && load_now_ns() < until) {
        (void) load_loop_turn(loop, 20);
    }

    qsort(now.latency_us, now.latency_n, sizeof(double), by_value);
    char more[200];
    (void) snprintf(more, sizeof(more),
                    "\"lost\":%lld,\"misplaced\":0,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
                    "\"max_us\":%.1f",
                    (long long) (now.sent - now.answered), percentile(0.50), percentile(0.90),
                    percentile(0.99), percentile(1.0));
    load_report(o, &from, &to, more);
    load_conn_close(&conns[0]);
    load_conn_close(&conns[1]);
    free(conns);
    free(now.payload);
    free(now.latency_us);
}
