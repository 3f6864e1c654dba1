#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_LEN = 64 * 1024,               /* what a publisher writes at once, about */
    WINDOW_LEN = 4 * 1024 * 1024,        /* on its way to one subscriber */
    WINDOW_ALL_LEN = 16 * 1024 * 1024,   /* on its way to all */
    SUBJECT_LEN = 24,
    PATIENCE_S = 5, /* without any news when the rest is awaited */
};

/* The same bytes again and again, only the numbers change. */
struct publisher {
    struct load_conn *conn;
    char *batch;
    size_t batch_len;
    size_t *stamps; /* where in the batch the payloads start */
    uint64_t next;  /* number */
    bool asked;     /* PING is out after the last batch */
};

struct flow {
    struct load_loop *loop;
    const struct load_options *o;
    struct load_conn *conns; /* publishers, then subscribers */
    struct publisher *pubs;
    struct load_conn *subs;
    uint64_t batch_n; /* messages of a batch */
    uint64_t window;  /* messages that may be on their way */
    uint64_t published;
};

static void *alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (p == NULL) {
        load_die("out of memory");
    }
    return p;
}

static size_t write_subject(char *at, int i)
{
    return (size_t) snprintf(at, SUBJECT_LEN, "load.flow.%d", i);
}

/* A batch holds each subject equally often. */
static void make_batch(struct flow *f, struct publisher *p, uint64_t id)
{
    size_t size = (size_t) f->o->size;
    p->batch = alloc(f->batch_n, size + SUBJECT_LEN + 32);
    p->stamps = alloc(f->batch_n, sizeof(*p->stamps));
    for (uint64_t i = 0; i < f->batch_n; i++) {
        char subject[SUBJECT_LEN];
        (void) write_subject(subject, (int) (i % (uint64_t) f->o->subjects));
        p->batch_len += (size_t) sprintf(p->batch + p->batch_len, "PUB %s %zu\r\n", subject, size);
        p->stamps[i] = p->batch_len;
        memset(p->batch + p->batch_len, 'x', size);
        if (size >= LOAD_STAMP_LEN) {
            memcpy(p->batch + p->batch_len, &id, sizeof(id));
        }
        memcpy(p->batch + p->batch_len + size, "\r\n", 2);
        p->batch_len += size + 2;
    }
}

static void stamp_batch(struct flow *f, struct publisher *p)
{
    if (f->o->size < LOAD_STAMP_LEN) {
        p->next += f->batch_n;
        return;
    }
    for (uint64_t i = 0; i < f->batch_n; i++) {
        memcpy(p->batch + p->stamps[i] + sizeof(uint64_t), &p->next, sizeof(p->next));
        p->next++;
    }
}

static uint64_t slowest(const struct flow *f)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < f->o->subscribers; i++) {
        least = f->subs[i].got < least ? f->subs[i].got : least;
    }
    return least;
}

static uint64_t delivered(const struct flow *f)
{
    uint64_t sum = 0;
    for (int i = 0; i < f->o->subscribers; i++) {
        sum += f->subs[i].got;
    }
    return f->o->subscribers == 0 ? f->published : sum;
}

/* Returns whether a publisher could send more at once. */
static bool publish(struct flow *f)
{
    bool more = false;
    for (int i = 0; i < f->o->publishers; i++) {
        struct publisher *p = &f->pubs[i];
        if (p->conn->out_len > 0) {
            continue;
        }
        if (f->o->subscribers > 0 && f->published + f->batch_n - slowest(f) > f->window) {
            return false;
        }
        stamp_batch(f, p);
        f->published += f->batch_n;
        load_conn_send(p->conn, p->batch, p->batch_len);
        more = more || p->conn->out_len == 0;
    }
    return more;
}

static void run_for(struct flow *f, double seconds)
{
    uint64_t until = load_now_ns() + (uint64_t) (seconds * 1e9);
    while (load_now_ns() < until) {
        (void) load_loop_turn(f->loop, publish(f) ? 0 : 20);
    }
}

/* Ask each publisher's side, once it has written all, whether the server has read it.  Returns how
 * many have the answer. */
static int ask_publishers(struct flow *f)
{
    int answered = 0;
    for (int i = 0; i < f->o->publishers; i++) {
        struct publisher *p = &f->pubs[i];
        if (!p->asked && p->conn->out_len == 0) {
            p->asked = true;
            load_conn_send_now(p->conn, "PING\r\n", 6);
        }
        answered += p->conn->pongs > 1;
    }
    return answered;
}

/* Wait until the server has read everything and every subscriber has everything, or until nothing
 * comes any more. */
static void drain(struct flow *f)
{
    uint64_t all = f->published * (uint64_t) f->o->subscribers;
    uint64_t before = 0;
    uint64_t last_news_ns = load_now_ns();
    while (load_now_ns() - last_news_ns < PATIENCE_S * UINT64_C(1000000000)) {
        int answered = ask_publishers(f);
        uint64_t got = f->o->subscribers == 0 ? 0 : delivered(f);
        if (answered == f->o->publishers && got == all) {
            return;
        }
        if (got + (uint64_t) answered != before) {
            before = got + (uint64_t) answered;
            last_news_ns = load_now_ns();
        }
        (void) load_loop_turn(f->loop, 20);
    }
}

static void subscribe(struct flow *f, struct load_conn *c)
{
    char *text = alloc((size_t) f->o->subjects, SUBJECT_LEN + 32);
    size_t len = 0;
    for (int i = 0; i < f->o->subjects; i++) {
        char subject[SUBJECT_LEN];
        (void) write_subject(subject, i);
        len += (size_t) sprintf(text + len, "SUB %s %d\r\n", subject, i + 1);
    }
    len += (size_t) sprintf(text + len, "PING\r\n");
    load_conn_send_now(c, text, len);
    while (c->pongs < 2) {
        (void) load_loop_turn(f->loop, 100);
    }
    free(text);
}

static void set_up(struct flow *f)
{
    const struct load_options *o = f->o;
    uint64_t message_len = (uint64_t) o->size + SUBJECT_LEN;
    uint64_t subjects = (uint64_t) o->subjects;
    uint64_t lanes = (uint64_t) (o->subscribers > 0 ? o->subscribers : 1);

    f->conns = alloc((size_t) (o->publishers + o->subscribers), sizeof(*f->conns));
    f->pubs = alloc((size_t) o->publishers, sizeof(*f->pubs));
    f->subs = f->conns + o->publishers;
    load_open_all(f->loop, f->conns, o->publishers + o->subscribers, 8);

    f->batch_n = (BATCH_LEN / message_len / subjects + 1) * subjects;
    f->window = WINDOW_LEN / message_len;
    if (f->window > WINDOW_ALL_LEN / message_len / lanes) {
        f->window = WINDOW_ALL_LEN / message_len / lanes;
    }
    if (f->window < 2 * f->batch_n * (uint64_t) o->publishers) {
        f->window = 2 * f->batch_n * (uint64_t) o->publishers;
    }
    for (int i = 0; i < o->publishers; i++) {
        f->pubs[i].conn = &f->conns[i];
        make_batch(f, &f->pubs[i], (uint64_t) i);
    }
    for (int i = 0; i < o->subscribers; i++) {
        f->subs[i].expected = alloc((size_t) o->publishers, sizeof(uint64_t));
        subscribe(f, &f->subs[i]);
    }
}

static void tear_down(struct flow *f)
{
    for (int i = 0; i < f->o->publishers + f->o->subscribers; i++) {
        load_conn_close(&f->conns[i]);
        free(f->conns[i].expected);
    }
    for (int i = 0; i < f->o->publishers; i++) {
        free(f->pubs[i].batch);
        free(f->pubs[i].stamps);
    }
    free(f->pubs);
    free(f->conns);
}

void load_flow(struct load_loop *loop, const struct load_options *o)
{
    struct flow f = { .loop = loop, .o = o };
    set_up(&f);

    run_for(&f, o->warmup_s);
    struct load_sample from = load_sample_take(o, delivered(&f));
    run_for(&f, o->measure_s);
    struct load_sample to = load_sample_take(o, delivered(&f));
    drain(&f);

    uint64_t all = f.published * (uint64_t) o->subscribers;
    char more[160];
    (void) snprintf(more, sizeof(more), "\"published\":%llu,\"lost\":%lld,\"misplaced\":%llu",
                    (unsigned long long) f.published,
                    (long long) (o->subscribers == 0 ? 0 : (int64_t) (all - delivered(&f))),
                    (unsigned long long) loop->misplaced);
    load_report(o, &from, &to, more);
    tear_down(&f);
}
