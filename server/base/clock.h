/* clock.h: time.  Any thread. */
#ifndef NJ_BASE_CLOCK_H
#define NJ_BASE_CLOCK_H
#include <stddef.h>
#include <stdint.h>

int64_t nj_mono_ns(void);   /* monotonic, for timers */
int64_t nj_mono_us(void);   /* monotonic; a coarse caller should keep one value per turn */
int64_t nj_wall_ns(void);   /* nanoseconds since 1970 UTC */

/* A duration in Go's words: "1h2m3.5s", "250ms", "1.5µs", "0s".  Returns buf. */
char *nj_duration_text(int64_t ns, char *buf, size_t cap);

/* RFC 3339 UTC with nanoseconds, trailing zeros cut: "2026-11-25T09:26:32.5Z".  Returns buf. */
char *nj_time_text(int64_t wall_ns, char *buf, size_t cap);

#endif
