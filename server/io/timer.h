/*
 * timer.h: deadlines of one worker.  A binary heap with the place kept in the timer: starting,
 * moving and stopping cost log n; an idle timer costs its 32 bytes.
 */
#ifndef NJ_IO_TIMER_H
#define NJ_IO_TIMER_H
#include <stddef.h>
#include <stdint.h>

struct nj_timer {
    int64_t at_us; /* monotonic */
    size_t place;  /* 0: not running; else index + 1 */
    void (*fn)(struct nj_timer *t, void *arg);
    void *arg;
};

struct nj_timers {
    struct nj_timer **heap;
    size_t n;
    size_t cap;
};

void nj_timers_init(struct nj_timers *ts);
void nj_timers_fini(struct nj_timers *ts); /* timers that run are forgotten */

/* (Re)start.  fn and arg must be set. */
void nj_timer_start(struct nj_timers *ts, struct nj_timer *t, int64_t at_us);
void nj_timer_stop(struct nj_timers *ts, struct nj_timer *t);

/* Call what is due.  A timer is stopped before its fn runs and may be started again by it. */
void nj_timers_run(struct nj_timers *ts, int64_t now_us);

/* When the next one is due; INT64_MAX when none. */
int64_t nj_timers_next(const struct nj_timers *ts);

#endif
