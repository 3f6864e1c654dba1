#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log_ring.h"
#include "base/quote.h"

#define QUEUED_MAX_LEN (64u << 20) /* texts waiting in the ring; past it lines are dropped */
#define BATCH_MAX_LEN (256u << 10) /* the writer hands this much to one write(2) */

struct line {
    int64_t wall_ns;
    enum nj_log_level level;
    size_t len;
    char text[];
};

/* Bits of `style`. */
enum { STYLE_TIME = 1, STYLE_UTC = 2, STYLE_COLOUR = 4 };

static struct {
    _Atomic uint32_t levels_on; /* atomic, relaxed: a bit per level */
    _Atomic uint32_t style;     /* atomic, relaxed */
    _Atomic int fd;             /* atomic; changed by the main thread under mu */
    char *file;                 /* main thread; NULL: standard error */

    struct nj_log_ring ring;
    _Atomic bool running;      /* atomic: a writer serves the ring */
    _Atomic bool asleep;       /* atomic: the writer waits for wake_fd */
    _Atomic bool stop;         /* atomic: the writer ends once the ring is empty */
    _Atomic uint64_t dropped;  /* atomic, relaxed: lines that found no room */
    _Atomic size_t queued_len; /* atomic, relaxed: bytes of text in the ring */
    int wake_fd;               /* immutable while running */
    pthread_t thread;          /* main thread */

    pthread_mutex_t mu; /* never taken by nj_log(): writer, flush, open, reopen */
    pthread_cond_t written_cv;
    uint64_t written; /* under mu: ring positions below are in the file */
} lg = {
    .levels_on = 1u << NJ_LVL_INF | 1u << NJ_LVL_WRN | 1u << NJ_LVL_ERR | 1u << NJ_LVL_FTL,
    .style = STYLE_TIME,
    .fd = STDERR_FILENO,
    .wake_fd = -1,
    .mu = PTHREAD_MUTEX_INITIALIZER,
    .written_cv = PTHREAD_COND_INITIALIZER,
};

/* --- one line as text --- */

static void put_time(struct nj_buf *out, int64_t wall_ns, uint32_t style)
{
    time_t s = (time_t) (wall_ns / 1000000000);
    struct tm tm;
    char text[40];
    if ((style & STYLE_UTC) != 0) {
        (void) gmtime_r(&s, &tm);
    } else {
        (void) localtime_r(&s, &tm);
    }
    (void) strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S", &tm);
    (void) nj_buf_printf(out, "%s.%06d ", text, (int) (wall_ns % 1000000000 / 1000));
}

static void put_label(struct nj_buf *out, enum nj_log_level level, uint32_t style)
{
    static const struct {
        const char *label;
        const char *colour;
    } labels[] = {
        [NJ_LVL_TRC] = { "TRC", "33" }, [NJ_LVL_DBG] = { "DBG", "36" },
        [NJ_LVL_INF] = { "INF", "32" }, [NJ_LVL_WRN] = { "WRN", "0;93" },
        [NJ_LVL_ERR] = { "ERR", "31" }, [NJ_LVL_FTL] = { "FTL", "31" },
    };
    if ((style & STYLE_COLOUR) != 0) {
        (void) nj_buf_printf(out, "[\x1b[%sm%s\x1b[0m] ", labels[level].colour,
                             labels[level].label);
    } else {
        (void) nj_buf_printf(out, "[%s] ", labels[level].label);
    }
}

static void put_line(struct nj_buf *out, const struct line *l)
{
    uint32_t style = atomic_load_explicit(&lg.style, memory_order_relaxed);
    (void) nj_buf_printf(out, "[%d] ", (int) getpid());
    if ((style & STYLE_TIME) != 0) {
        put_time(out, l->wall_ns, style);
    }
    put_label(out, l->level, style);
    (void) nj_buf_append(out, l->text, l->len);
    if (l->len == 0 || l->text[l->len - 1] != '\n') {
        (void) nj_buf_putc(out, '\n');
    }
}

/* All of it, or as much as the destination takes: a full disk must not stop the server. */
static void write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n > 0) {
            p += n;
            len -= (size_t) n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = { .fd = fd, .events = POLLOUT };
            if (poll(&wait, 1, 1000) <= 0) {
                return;
            }
        } else if (n == 0 || errno != EINTR) {
            return;
        }
    }
}

static struct line *line_new(enum nj_log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static struct line *line_new(enum nj_log_level level, const char *fmt, va_list ap)
{
    char small[512];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    size_t len = n < 0 ? 0 : (size_t) n;
    struct line *l = nj_alloc(sizeof(*l) + len + 1);
    l->wall_ns = nj_wall_ns();
    l->level = level;
    l->len = len;
    if (len < sizeof(small)) {
        memcpy(l->text, small, len);
        l->text[len] = '\0';
    } else {
        (void) vsnprintf(l->text, len + 1, fmt, again);
    }
    va_end(again);
    return l;
}

static void write_now(const struct line *l)
{
    struct nj_buf out;
    nj_buf_init(&out, SIZE_MAX);
    put_line(&out, l);
    write_all(atomic_load(&lg.fd), out.ptr, out.len);
    nj_buf_free(&out);
}

/* --- the writer --- */

static void put_dropped(struct nj_buf *out)
{
    uint64_t n = atomic_exchange_explicit(&lg.dropped, 0, memory_order_relaxed);
    if (n == 0) {
        return;
    }
    char room[sizeof(struct line) + 64];
    struct line *l = (struct line *) (void *) room;
    l->wall_ns = nj_wall_ns();
    l->level = NJ_LVL_WRN;
    l->len = (size_t) snprintf(l->text, 64, "%" PRIu64 " log lines dropped", n);
    put_line(out, l);
}

/* Take what is there, up to a batch; true when anything was written. */
static bool write_batch(struct nj_buf *out)
{
    struct line *l;
    nj_buf_clear(out);
    while (out->len < BATCH_MAX_LEN && (l = nj_log_ring_pop(&lg.ring)) != NULL) {
        (void) atomic_fetch_sub_explicit(&lg.queued_len, l->len, memory_order_relaxed);
        put_line(out, l);
        nj_dealloc(l);
    }
    put_dropped(out);
    if (out->len == 0) {
        return false;
    }
    (void) pthread_mutex_lock(&lg.mu);
    write_all(atomic_load(&lg.fd), out->ptr, out->len);
    lg.written = lg.ring.head;
    (void) pthread_cond_broadcast(&lg.written_cv);
    (void) pthread_mutex_unlock(&lg.mu);
    if (out->cap > 4 * BATCH_MAX_LEN) {
        nj_buf_free(out); /* one huge trace line: give the memory back */
    }
    return true;
}

/*
 * Sleep until somebody pushes.  Both sides exchange `asleep`, so one of the two comes second: a
 * producer that does sees true and writes the wake-up, a writer that does sees the line.
 */
static void wait_for_lines(void)
{
    uint64_t count;
    (void) atomic_exchange(&lg.asleep, true);
    if (nj_log_ring_ready(&lg.ring) || atomic_load(&lg.stop)) {
        (void) atomic_exchange(&lg.asleep, false);
        return;
    }
    while (read(lg.wake_fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

static void *run_writer(void *arg)
{
    struct nj_buf out;
    (void) arg;
    (void) pthread_setname_np(pthread_self(), "nj-log");
    nj_buf_init(&out, SIZE_MAX);
    for (;;) {
        if (write_batch(&out)) {
            continue;
        }
        if (atomic_load(&lg.stop) && !nj_log_ring_ready(&lg.ring)) {
            break;
        }
        wait_for_lines();
    }
    nj_buf_free(&out);
    return NULL;
}

static void wake_writer(void)
{
    if (atomic_exchange(&lg.asleep, false)) {
        uint64_t one = 1;
        ssize_t n = write(lg.wake_fd, &one, sizeof(one));
        (void) n; /* a counter that is not 0 wakes as well */
    }
}

static int start_writer(struct nj_error *err)
{
    sigset_t all, old;
    char words[96];
    lg.wake_fd = eventfd(0, EFD_CLOEXEC);
    if (lg.wake_fd < 0) {
        return nj_error_set(err, NJ_E_IO, "eventfd: %s",
                            nj_errno_text(errno, words, sizeof(words)));
    }
    nj_log_ring_init(&lg.ring);
    lg.written = 0;
    atomic_store(&lg.stop, false);
    atomic_store(&lg.asleep, false);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the main thread */
    int rc = pthread_create(&lg.thread, NULL, run_writer, NULL);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        (void) close(lg.wake_fd);
        lg.wake_fd = -1;
        return nj_error_set(err, NJ_E_IO, "log writer: %s",
                            nj_errno_text(rc, words, sizeof(words)));
    }
    atomic_store(&lg.running, true);
    return NJ_OK;
}

/* --- open, reopen, close --- */

static int open_file(const char *path, int *fd_out, struct nj_error *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        char words[96];
        return nj_error_set(err, NJ_E_IO, "open %s: %s", path,
                            nj_errno_text(errno, words, sizeof(words)));
    }
    *fd_out = fd;
    return NJ_OK;
}

/* What was logged so far goes to the old descriptor. */
static void set_destination(int fd)
{
    nj_log_flush();
    (void) pthread_mutex_lock(&lg.mu);
    int old = atomic_exchange(&lg.fd, fd);
    (void) pthread_mutex_unlock(&lg.mu);
    if (old != STDERR_FILENO && old != fd) {
        (void) close(old);
    }
}

static void set_style(const struct nj_log_config *config)
{
    uint32_t levels = 1u << NJ_LVL_INF | 1u << NJ_LVL_WRN | 1u << NJ_LVL_ERR | 1u << NJ_LVL_FTL;
    levels |= config->debug ? 1u << NJ_LVL_DBG : 0;
    levels |= config->trace ? 1u << NJ_LVL_TRC : 0;
    uint32_t style = config->logtime ? STYLE_TIME : 0;
    style |= config->logtime_utc ? STYLE_UTC : 0;
    style |= config->file == NULL && isatty(STDERR_FILENO) == 1 ? STYLE_COLOUR : 0;
    atomic_store_explicit(&lg.levels_on, levels, memory_order_relaxed);
    atomic_store_explicit(&lg.style, style, memory_order_relaxed);
}

int nj_log_open(const struct nj_log_config *config, struct nj_error *err)
{
    int fd = STDERR_FILENO;
    if (config->file != NULL) {
        int rc = open_file(config->file, &fd, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (!atomic_load(&lg.running)) {
        tzset();
        int rc = start_writer(err);
        if (rc < 0) {
            if (fd != STDERR_FILENO) {
                (void) close(fd);
            }
            return rc;
        }
    }
    set_destination(fd);
    set_style(config);
    nj_dealloc(lg.file);
    lg.file = config->file != NULL ? nj_strdup(config->file) : NULL;
    return NJ_OK;
}

int nj_log_reopen(struct nj_error *err)
{
    int fd = -1;
    if (lg.file == NULL) {
        return nj_error_set(err, NJ_E_UNSUPPORTED, "not a file logger");
    }
    int rc = open_file(lg.file, &fd, err);
    if (rc < 0) {
        return rc;
    }
    set_destination(fd);
    return NJ_OK;
}

void nj_log_flush(void)
{
    if (!atomic_load(&lg.running)) {
        return;
    }
    uint64_t upto = atomic_load(&lg.ring.tail);
    wake_writer();
    (void) pthread_mutex_lock(&lg.mu);
    while (lg.written < upto) {
        (void) pthread_cond_wait(&lg.written_cv, &lg.mu);
    }
    (void) pthread_mutex_unlock(&lg.mu);
}

void nj_log_close(void)
{
    if (!atomic_exchange(&lg.running, false)) {
        return;
    }
    uint64_t one = 1;
    atomic_store(&lg.stop, true);
    ssize_t n = write(lg.wake_fd, &one, sizeof(one));
    (void) n;
    (void) pthread_join(lg.thread, NULL);
    (void) close(lg.wake_fd);
    lg.wake_fd = -1;
    nj_dealloc(lg.file);
    lg.file = NULL;
}

/* --- logging --- */

bool nj_log_on(enum nj_log_level level)
{
    return (atomic_load_explicit(&lg.levels_on, memory_order_relaxed) >> level & 1u) != 0;
}

static void hand_over(struct line *l)
{
    size_t before = atomic_fetch_add_explicit(&lg.queued_len, l->len, memory_order_relaxed);
    if (before > QUEUED_MAX_LEN || !nj_log_ring_push(&lg.ring, l)) {
        (void) atomic_fetch_sub_explicit(&lg.queued_len, l->len, memory_order_relaxed);
        (void) atomic_fetch_add_explicit(&lg.dropped, 1, memory_order_relaxed);
        nj_dealloc(l);
    }
    wake_writer();
}

void nj_logv(enum nj_log_level level, const char *fmt, va_list ap)
{
    if (!nj_log_on(level)) {
        return;
    }
    struct line *l = line_new(level, fmt, ap);
    if (atomic_load_explicit(&lg.running, memory_order_acquire)) {
        hand_over(l);
    } else {
        write_now(l);
        nj_dealloc(l);
    }
}

void nj_log(enum nj_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nj_logv(level, fmt, ap);
    va_end(ap);
}

/* --- once per second --- */

/* FNV-1a. */
static uint64_t hash_text(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s != '\0'; s++) {
        h = (h ^ (uint8_t) *s) * UINT64_C(0x100000001b3);
    }
    return h;
}

bool nj_log_once_allowed(const char *text, int64_t now_ms)
{
    /* Hash above, milliseconds below; two texts that share a slot only log more often.  A text
     * that was never logged finds 0, which no hash with its top bit set can be. */
    static _Atomic uint64_t seen[512];
    uint64_t hash = hash_text(text);
    uint64_t mine = (hash | UINT64_C(1) << 63) & UINT64_C(0xffffffff00000000);
    mine |= (uint32_t) now_ms;
    _Atomic uint64_t *slot = &seen[hash % 512];
    uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
    do {
        /* Another thread may be a little ahead: a negative age is "just now" too. */
        int32_t age_ms = (int32_t) ((uint32_t) mine - (uint32_t) old);
        if (old >> 32 == mine >> 32 && age_ms < 1000 && age_ms > -1000) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(slot, &old, mine, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void nj_log_once_per_second(enum nj_log_level level, const char *fmt, ...)
{
    if (!nj_log_on(level)) {
        return;
    }
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (nj_log_once_allowed(text, nj_mono_ns() / 1000000)) {
        nj_log(level, "%s", text);
    }
}
