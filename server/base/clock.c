#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    (void) clock_gettime(id, &ts);
    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t nj_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t nj_mono_us(void)
{
    return nj_mono_ns() / 1000;
}

int64_t nj_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* `whole` and a fraction of `digits` decimal digits, trailing zeros cut, then the unit. */
static int put_fraction(char *buf, size_t cap, uint64_t whole, uint64_t frac, int digits,
                        const char *unit)
{
    char f[16];
    (void) snprintf(f, sizeof(f), "%0*" PRIu64, digits, frac);
    size_t n = digits > 0 ? strlen(f) : 0;
    while (n > 0 && f[n - 1] == '0') {
        n--;
    }
    return snprintf(buf, cap, "%" PRIu64 "%s%.*s%s", whole, n > 0 ? "." : "", (int) n, f, unit);
}

char *nj_duration_text(int64_t ns, char *buf, size_t cap)
{
    size_t at = 0;
    uint64_t v = ns < 0 ? (uint64_t) 0 - (uint64_t) ns : (uint64_t) ns;
    if (ns < 0 && cap > 1) {
        buf[at++] = '-';
    }
    if (v == 0) {
        (void) snprintf(buf, cap, "0s");
    } else if (v < 1000) {
        (void) snprintf(buf + at, cap - at, "%" PRIu64 "ns", v);
    } else if (v < 1000000) {
        (void) put_fraction(buf + at, cap - at, v / 1000, v % 1000, 3, "µs");
    } else if (v < 1000000000) {
        (void) put_fraction(buf + at, cap - at, v / 1000000, v % 1000000, 6, "ms");
    } else {
        uint64_t s = v / 1000000000;
        char head[48] = "";
        if (s >= 3600) {
            (void) snprintf(head, sizeof(head), "%" PRIu64 "h%" PRIu64 "m", s / 3600,
                            s / 60 % 60);
        } else if (s >= 60) {
            (void) snprintf(head, sizeof(head), "%" PRIu64 "m", s / 60);
        }
        int n = snprintf(buf + at, cap - at, "%s", head);
        at += (size_t) n < cap - at ? (size_t) n : cap - at;
        (void) put_fraction(buf + at, cap - at, s % 60, v % 1000000000, 9, "s");
    }
    return buf;
}

char *nj_time_text(int64_t wall_ns, char *buf, size_t cap)
{
    time_t sec = (time_t) (wall_ns / 1000000000);
    struct tm tm;
    char date[40];
    (void) gmtime_r(&sec, &tm);
    (void) strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    char frac[16];
    (void) snprintf(frac, sizeof(frac), ".%09d", (int) (wall_ns % 1000000000));
    size_t n = strlen(frac);
    while (n > 1 && frac[n - 1] == '0') {
        n--;
    }
    (void) snprintf(buf, cap, "%s%.*sZ", date, n > 1 ? (int) n : 0, frac);
    return buf;
}
