#include "io/timer.h"

#include "base/alloc.h"

void nj_timers_init(struct nj_timers *ts)
{
    *ts = (struct nj_timers){ 0 };
}

void nj_timers_fini(struct nj_timers *ts)
{
    for (size_t i = 0; i < ts->n; i++) {
        ts->heap[i]->place = 0;
    }
    nj_dealloc(ts->heap);
    nj_timers_init(ts);
}

static void put(struct nj_timers *ts, size_t i, struct nj_timer *t)
{
    ts->heap[i] = t;
    t->place = i + 1;
}

static void sift_up(struct nj_timers *ts, size_t i, struct nj_timer *t)
{
    while (i > 0) {
        size_t up = (i - 1) / 2;
        if (ts->heap[up]->at_us <= t->at_us) {
            break;
        }
        put(ts, i, ts->heap[up]);
        i = up;
    }
    put(ts, i, t);
}

static void sift_down(struct nj_timers *ts, size_t i, struct nj_timer *t)
{
    for (;;) {
        size_t kid = i * 2 + 1;
        if (kid >= ts->n) {
            break;
        }
        if (kid + 1 < ts->n && ts->heap[kid + 1]->at_us < ts->heap[kid]->at_us) {
            kid++;
        }
        if (t->at_us <= ts->heap[kid]->at_us) {
            break;
        }
        put(ts, i, ts->heap[kid]);
        i = kid;
    }
    put(ts, i, t);
}

void nj_timer_stop(struct nj_timers *ts, struct nj_timer *t)
{
    if (t->place == 0) {
        return;
    }
    size_t i = t->place - 1;
    struct nj_timer *last = ts->heap[--ts->n];
    t->place = 0;
    if (last != t) {
        if (i > 0 && last->at_us < ts->heap[(i - 1) / 2]->at_us) {
            sift_up(ts, i, last);
        } else {
            sift_down(ts, i, last);
        }
    }
}

void nj_timer_start(struct nj_timers *ts, struct nj_timer *t, int64_t at_us)
{
    nj_timer_stop(ts, t);
    if (ts->n == ts->cap) {
        ts->cap = ts->cap == 0 ? 64 : ts->cap * 2;
        ts->heap = nj_realloc(ts->heap, ts->cap * sizeof(struct nj_timer *));
    }
    t->at_us = at_us;
    sift_up(ts, ts->n++, t);
}

void nj_timers_run(struct nj_timers *ts, int64_t now_us)
{
    while (ts->n > 0 && ts->heap[0]->at_us <= now_us) {
        struct nj_timer *t = ts->heap[0];
        nj_timer_stop(ts, t);
        t->fn(t, t->arg);
    }
}

int64_t nj_timers_next(const struct nj_timers *ts)
{
    return ts->n > 0 ? ts->heap[0]->at_us : INT64_MAX;
}
