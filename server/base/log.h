/*
 * log.h: log lines in the reference's format, written by a thread of their own.
 *
 *   [<pid>] <YYYY/MM/DD HH:MM:SS.uuuuuu> [INF] <text>
 *
 * nj_log() may be called from any thread and never blocks: lines go through a bounded ring, and
 * when the ring is full the line is counted; the writer says "N log lines dropped" once there is
 * room.  Before nj_log_open() and after nj_log_close() lines are written at once by the caller.
 * FTL does not exit by itself: the caller flushes and ends the process with status 1.
 */
#ifndef NJ_BASE_LOG_H
#define NJ_BASE_LOG_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "natterjack/plugin.h"

enum nj_log_level {
    NJ_LVL_TRC = 0,
    NJ_LVL_DBG = 1,
    NJ_LVL_INF = 2,
    NJ_LVL_WRN = 3,
    NJ_LVL_ERR = 4,
    NJ_LVL_FTL = 5
};

struct nj_log_config {
    bool debug;
    bool trace;
    bool logtime;
    bool logtime_utc;
    const char *file; /* NULL: standard error */
};

/*
 * Open the destination and start the writer.  On failure nothing has changed and err->text is the
 * reason ("open /x: no such file or directory").  Main thread.
 */
int nj_log_open(const struct nj_log_config *config, struct nj_error *err);

/* Close and open the file again (SIGUSR1).  NJ_E_UNSUPPORTED when logging to standard error. */
int nj_log_reopen(struct nj_error *err);

/* Write what is in the ring; returns when it is written. */
void nj_log_flush(void);
void nj_log_close(void);

/* Is the level on?  One relaxed load: ask before building an expensive line. */
bool nj_log_on(enum nj_log_level level);

void nj_log(enum nj_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nj_logv(enum nj_log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

#define nj_log_error(...) nj_log(NJ_LVL_ERR, __VA_ARGS__)
#define nj_log_warn(...) nj_log(NJ_LVL_WRN, __VA_ARGS__)
#define nj_log_info(...) nj_log(NJ_LVL_INF, __VA_ARGS__)
#define nj_log_debug(...)                                                                          \
    do {                                                                                           \
        if (nj_log_on(NJ_LVL_DBG)) {                                                               \
            nj_log(NJ_LVL_DBG, __VA_ARGS__);                                                       \
        }                                                                                          \
    } while (0)
#define nj_log_trace(...)                                                                          \
    do {                                                                                           \
        if (nj_log_on(NJ_LVL_TRC)) {                                                               \
            nj_log(NJ_LVL_TRC, __VA_ARGS__);                                                       \
        }                                                                                          \
    } while (0)

#endif
