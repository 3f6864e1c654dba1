/* stress.h: what makes a server's life hard, and the good clients that must not feel it. */
#ifndef NJ_TESTS_STRESS_STRESS_H
#define NJ_TESTS_STRESS_STRESS_H
#include <stdbool.h>
#include <stdint.h>

#include "../bench/load.h"

struct stress_options {
    uint16_t port;
    bool tls;
    int count; /* at a time, or subscriptions */
    int size;  /* of a payload */
    int rate;  /* a second */
};

/* What came of it; every mode counts in it and main prints it at the end. */
struct stress_tally {
    uint64_t done;   /* visits, messages or subscriptions */
    uint64_t failed; /* visits that the server ended early */
};

uint64_t stress_now_ns(void);

/* Say that the load is on. */
void stress_ready(void);
/* Standard input, a pipe, has ended: so shall the load. */
bool stress_is_over(void);

/* Short visits: connections that come, do one thing and go, `count` of them at a time. */
void stress_visits(const char *manner, const struct stress_options *o, struct stress_tally *tally);

/* Connections that stay. */
void stress_readers(const struct stress_options *o, struct stress_tally *tally);
void stress_stopped(const struct stress_options *o, struct stress_tally *tally);
void stress_churn(const struct stress_options *o, struct stress_tally *tally);
void stress_idle(const struct stress_options *o, struct stress_tally *tally);

/* Good clients: PING and publish at a steady rate; each line on standard input ends an interval,
 * whose latencies are printed. */
void stress_probe(const struct stress_options *o);

/* A loop for connections of the bench, and n of them ready. */
struct load_loop *stress_loop_new(const struct stress_options *o);
void stress_loop_free(struct load_loop **loopp);
struct load_conn *stress_open(struct load_loop *loop, int n);

#endif
