/* procstat.h: what this process costs, as /proc tells it.  Control thread. */
#ifndef NJ_OPS_PROCSTAT_H
#define NJ_OPS_PROCSTAT_H
#include <stdint.h>

struct nj_procstat {
    int64_t rss_bytes;
    double cpu_percent; /* of one CPU, one decimal; over the time since the sample before */
    int cores;          /* CPUs this process may run on */
    /* private: the sample before */
    uint64_t ticks;
    int64_t sampled_ns;
};

/* Counts the CPUs; the first CPU figure is there after the second update. */
void nj_procstat_init(struct nj_procstat *p);

/*
 * Take a new sample.  The CPU figure is renewed at most once a second, so that two requests in a
 * row do not divide by almost nothing.  A file that cannot be read leaves its figure unchanged.
 */
void nj_procstat_update(struct nj_procstat *p, int64_t mono_ns);

/* The CPU ticks (user and system) in a line of /proc/self/stat; -1 when it is no such line. */
int64_t nj_procstat_parse_ticks(const char *line);

#endif
