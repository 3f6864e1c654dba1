/* crowd.c: connections that stay and are a burden. */
#include "stress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SLOW_READ_LEN 1024                   /* at a time */
#define SLOW_TICK_NS UINT64_C(100000000)     /* each reader reads ten times a second */
#define STOPPED_FOR (UINT64_C(96) << 20)     /* published until the next takes its place */
#define STOPPED_SIZE 32768
#define SMALL_WINDOW 8192

static void close_all(struct load_conn **connsp, int n)
{
    for (int i = 0; i < n; i++) {
        load_conn_close(&(*connsp)[i]);
    }
    free(*connsp);
    *connsp = NULL;
}

/* From now on nothing of it is read. */
static void take_out(struct load_conn *c)
{
    int small = SMALL_WINDOW;
    (void) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    (void) epoll_ctl(c->loop->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
}

static void subscribe(struct load_conn *c, const char *subject)
{
    char text[128];
    uint64_t before = c->pongs;
    int len = snprintf(text, sizeof(text), "SUB %s 1\r\nPING\r\n", subject);
    load_conn_send_now(c, text, (size_t) len);
    while (c->pongs == before) {
        (void) load_loop_turn(c->loop, 100);
    }
}

static char *message_new(const char *subject, int size, size_t *len_out)
{
    char *text = malloc((size_t) size + 64);
    if (text == NULL) {
        load_die("out of memory");
    }
    int head = sprintf(text, "PUB %s %d\r\n", subject, size);
    memset(text + head, 'x', (size_t) size);
    memcpy(text + head + size, "\r\n", 2);
    *len_out = (size_t) head + (size_t) size + 2;
    return text;
}

/* ---- slow readers ----------------------------------------------------------------------------------- */

static void read_a_little(struct load_conn *conns, int n)
{
    char buf[SLOW_READ_LEN];
    for (int i = 0; i < n; i++) {
        (void) recv(conns[i].fd, buf, sizeof(buf), MSG_DONTWAIT);
    }
}

void stress_readers(const struct stress_options *o, struct stress_tally *tally)
{
    struct load_loop *loop = stress_loop_new(o);
    struct load_conn *readers = stress_open(loop, o->count);
    struct load_conn *publisher = stress_open(loop, 1);
    size_t len = 0;
    char *message = message_new("stress.slow", o->size, &len);
    for (int i = 0; i < o->count; i++) {
        subscribe(&readers[i], "stress.slow");
        take_out(&readers[i]);
    }
    stress_ready();
    uint64_t next_read = stress_now_ns();
    uint64_t next_message = next_read;
    while (!stress_is_over()) {
        uint64_t now = stress_now_ns();
        if (now >= next_read) {
            read_a_little(readers, o->count);
            next_read = now + SLOW_TICK_NS;
        }
        if (now >= next_message) {
            load_conn_send_now(publisher, message, len);
            tally->done++;
            next_message = now + UINT64_C(1000000000) / (uint64_t) o->rate;
        }
        (void) load_loop_turn(loop, 1);
    }
    close_all(&readers, o->count);
    close_all(&publisher, 1);
    free(message);
    stress_loop_free(&loop);
}

/* ---- one that stops ----------------------------------------------------------------------------------- */

static struct {
    char *message;
    size_t len;
    uint64_t sent;
} flood;

static void send_more(struct load_conn *c)
{
    flood.sent += flood.len;
    load_conn_send(c, flood.message, flood.len);
}

void stress_stopped(const struct stress_options *o, struct stress_tally *tally)
{
    struct load_loop *loop = stress_loop_new(o);
    struct load_conn *publisher = stress_open(loop, 1);
    struct load_conn *stopped = NULL;
    flood.message = message_new("stress.stopped", STOPPED_SIZE, &flood.len);
    uint64_t since = 0;
    stress_ready();
    while (!stress_is_over()) {
        if (stopped == NULL || flood.sent - since > STOPPED_FOR) {
            if (stopped != NULL) {
                close_all(&stopped, 1);
            }
            stopped = stress_open(loop, 1);
            subscribe(stopped, "stress.stopped");
            take_out(stopped);
            since = flood.sent;
            tally->done++;
        }
        if (publisher->out_len == 0) {
            send_more(publisher);
        } else {
            (void) load_loop_turn(loop, 10);
        }
    }
    close_all(&stopped, 1);
    close_all(&publisher, 1);
    free(flood.message);
    stress_loop_free(&loop);
}

/* ---- subscriptions come and go ------------------------------------------------------------------------ */

/* All of them in one text; returns its length. */
static size_t churn_text(char *text, int count, bool subscribe_them)
{
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        len += (size_t) (subscribe_them
                             ? sprintf(text + len, "SUB stress.churn.%d.*.x %d\r\n", i, i + 1)
                             : sprintf(text + len, "UNSUB %d\r\n", i + 1));
    }
    return len + (size_t) sprintf(text + len, "PING\r\n");
}

void stress_churn(const struct stress_options *o, struct stress_tally *tally)
{
    struct load_loop *loop = stress_loop_new(o);
    struct load_conn *c = stress_open(loop, 1);
    char *texts[2] = { malloc((size_t) o->count * 48 + 64), malloc((size_t) o->count * 24 + 64) };
    if (texts[0] == NULL || texts[1] == NULL) {
        load_die("out of memory");
    }
    size_t len[2] = { churn_text(texts[0], o->count, true), churn_text(texts[1], o->count, false) };
    stress_ready();
    for (int which = 0; !stress_is_over(); which = 1 - which) {
        uint64_t before = c->pongs;
        load_conn_send(c, texts[which], len[which]);
        while (c->pongs == before && !stress_is_over()) {
            (void) load_loop_turn(loop, 20);
        }
        tally->done += c->pongs > before ? (uint64_t) o->count : 0;
    }
    close_all(&c, 1);
    free(texts[0]);
    free(texts[1]);
    stress_loop_free(&loop);
}

/* ---- those who do nothing -------------------------------------------------------------------------------- */

void stress_idle(const struct stress_options *o, struct stress_tally *tally)
{
    struct load_loop *loop = stress_loop_new(o);
    struct load_conn *conns = stress_open(loop, o->count);
    tally->done = (uint64_t) o->count;
    stress_ready();
    while (!stress_is_over()) {
        (void) load_loop_turn(loop, 20);
    }
    close_all(&conns, o->count);
    stress_loop_free(&loop);
}
