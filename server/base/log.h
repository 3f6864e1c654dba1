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
#include <stdint.h>

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
 * reason ("open /x: no such file or directory").  Main thread.  When the log is open already, what
 * was logged before goes to the old destination and the new configuration takes its place.
 */
int nj_log_open(const struct nj_log_config *config, struct nj_error *err);

/*
 * Close and open the file again (SIGUSR1); lines logged before are in the old file.  Main thread.
 * NJ_E_UNSUPPORTED when logging to standard error; on any failure the old file stays in use.
 */
int nj_log_reopen(struct nj_error *err);

/* Write what is in the ring; returns when it is written. */
void nj_log_flush(void);

/*
 * Flush and end the writer.  Main thread, when the other threads that log have ended.  The
 * destination stays: a later line is written to it at once.
 */
void nj_log_close(void);

/* Is the level on?  One relaxed load: ask before building an expensive line. */
bool nj_log_on(enum nj_log_level level);

void nj_log(enum nj_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nj_logv(enum nj_log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/*
 * As nj_log(), but an equal text is left out when it was logged less than a second ago.  For lines
 * that a crowd of peers can cause ("maximum connections exceeded").  Any thread, no lock.
 */
void nj_log_once_per_second(enum nj_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The rule behind it, with the time given: may `text` be logged at now_ms?  Remembers it if so. */
bool nj_log_once_allowed(const char *text, int64_t now_ms);

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
