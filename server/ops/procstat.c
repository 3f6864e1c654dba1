#include "ops/procstat.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CPU_INTERVAL_NS = 1000000000 };

static int read_text(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = read(fd, buf, cap - 1);
    (void) close(fd);
    if (n <= 0) {
        return -1;
    }
    buf[n] = '\0';
    return 0;
}

int64_t nj_procstat_parse_ticks(const char *line)
{
    unsigned long long utime = 0;
    unsigned long long stime = 0;
    /* The second field is the program's name in brackets and may hold anything, brackets too. */
    const char *after = strrchr(line, ')');
    if (after == NULL || sscanf(after + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu",
                                &utime, &stime) != 2) {
        return -1;
    }
    return (int64_t) (utime + stime);
}

static int count_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        return CPU_COUNT(&set);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int) n : 1;
}

void nj_procstat_init(struct nj_procstat *p)
{
    *p = (struct nj_procstat){ .cores = count_cores() };
}

static void update_rss(struct nj_procstat *p)
{
    char text[256];
    long long pages = 0;
    if (read_text("/proc/self/statm", text, sizeof(text)) == 0 &&
        sscanf(text, "%*s %lld", &pages) == 1) {
        p->rss_bytes = (int64_t) pages * sysconf(_SC_PAGESIZE);
    }
}

static void update_cpu(struct nj_procstat *p, int64_t mono_ns)
{
    char text[1024];
    double hz = (double) sysconf(_SC_CLK_TCK);
    if (p->sampled_ns != 0 && mono_ns - p->sampled_ns < CPU_INTERVAL_NS) {
        return;
    }
    int64_t ticks =
        read_text("/proc/self/stat", text, sizeof(text)) == 0 ? nj_procstat_parse_ticks(text) : -1;
    if (ticks < 0) {
        return;
    }
    if (p->sampled_ns != 0) {
        double seconds = (double) (mono_ns - p->sampled_ns) / 1e9;
        double used = (double) ((uint64_t) ticks - p->ticks) / hz;
        p->cpu_percent = round(used / seconds * 1000) / 10;
    }
    p->ticks = (uint64_t) ticks;
    p->sampled_ns = mono_ns;
}

void nj_procstat_update(struct nj_procstat *p, int64_t mono_ns)
{
    update_rss(p);
    update_cpu(p, mono_ns);
}
