#include "ops/signal_cmd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "base/version.h"
#include "natterjack/plugin.h"

#define PID_FILE_MAX_LEN 4096
#define COMM_LEN 15 /* the kernel cuts a process name to this */

int nj_signal_number(const char *word)
{
    static const struct {
        const char *word;
        int signum;
    } table[] = {
        { "stop", SIGKILL },   { "quit", SIGINT }, { "term", SIGTERM },
        { "reopen", SIGUSR1 }, { "ldm", SIGUSR2 }, { "reload", SIGHUP },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(word, table[i].word) == 0) {
            return table[i].signum;
        }
    }
    return 0;
}

/* A positive decimal number and nothing else; 0 and -1 would reach whole groups of processes. */
static int parse_pid(const char *s, pid_t *pid_out)
{
    char *end;
    if (!isdigit((unsigned char) *s) && *s != '+') {
        return NJ_E_INVALID;
    }
    errno = 0;
    long n = strtol(s, &end, 10);
    if (end == s || *end != '\0' || errno != 0 || n <= 0 || n > INT_MAX) {
        return NJ_E_INVALID;
    }
    *pid_out = (pid_t) n;
    return NJ_OK;
}

/* --- finding servers --- */

/* The start of a file below /proc/<pid>, as a string without the final newline. */
static bool read_start(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, out, cap - 1);
    (void) close(fd);
    if (n < 0) {
        return false;
    }
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static bool runs_our_file(pid_t pid)
{
    char path[64], own[PATH_MAX], its[PATH_MAX];
    (void) snprintf(path, sizeof(path), "/proc/%d/exe", (int) pid);
    ssize_t n = readlink("/proc/self/exe", own, sizeof(own));
    ssize_t m = readlink(path, its, sizeof(its));
    return n > 0 && n == m && memcmp(own, its, (size_t) n) == 0;
}

static bool is_server(pid_t pid, const char *program)
{
    char path[64], comm[64];
    (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
    if (!read_start(path, comm, sizeof(comm))) {
        return false; /* has gone meanwhile */
    }
    if (strncmp(comm, program, COMM_LEN) == 0) {
        return true;
    }
    bool other_name = strcmp(comm, NJ_PROGRAM) == 0 || strcmp(comm, NJ_REFERENCE_PROGRAM) == 0;
    return other_name && runs_our_file(pid);
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *) a;
    pid_t y = *(const pid_t *) b;
    return x < y ? -1 : x > y ? 1 : 0;
}

int nj_signal_find(const char *program, pid_t **pids_out, size_t *n_out, struct nj_error *err)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL) {
        return nj_error_set(err, NJ_E_IO, "unable to resolve pid, try providing one");
    }
    pid_t *pids = NULL;
    size_t n = 0;
    for (struct dirent *e = readdir(proc); e != NULL; e = readdir(proc)) {
        pid_t pid;
        if (parse_pid(e->d_name, &pid) == NJ_OK && pid != getpid() && is_server(pid, program)) {
            pids = nj_realloc(pids, (n + 1) * sizeof(*pids));
            pids[n++] = pid;
        }
    }
    (void) closedir(proc);
    if (n > 0) {
        qsort(pids, n, sizeof(*pids), compare_pids);
    }
    *pids_out = pids;
    *n_out = n;
    return NJ_OK;
}

/* --- the command --- */

/* More text behind what is there, as far as there is room. */
static void add_words(struct nj_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add_words(struct nj_error *err, const char *fmt, ...)
{
    va_list ap;
    size_t len = strlen(err->text);
    va_start(ap, fmt);
    (void) vsnprintf(err->text + len, sizeof(err->text) - len, fmt, ap);
    va_end(ap);
}

/* What the file of that name holds, else the text itself.  The caller owns it. */
static char *pid_expression(const char *text)
{
    char content[PID_FILE_MAX_LEN];
    int fd = open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return nj_strdup(text);
    }
    ssize_t n = read(fd, content, sizeof(content));
    (void) close(fd);
    return n < 0 ? nj_strdup(text) : nj_strndup(content, (size_t) n);
}

/* Which processes are meant: `prefix` NULL for exactly one, "" or digits for all that begin so. */
static int choose_running(const char *program, const char *prefix, pid_t **pids_out, size_t *n_out,
                          struct nj_error *err)
{
    pid_t *pids = NULL;
    size_t n = 0;
    int rc = nj_signal_find(program, &pids, &n, err);
    if (rc < 0) {
        return rc;
    }
    if (n == 0) {
        rc = nj_error_set(err, NJ_E_NOT_FOUND, "no %s processes running", program);
    } else if (n > 1 && prefix == NULL) {
        rc = nj_error_set(err, NJ_E_INVALID, "multiple %s processes running:", program);
        for (size_t i = 0; i < n; i++) {
            add_words(err, "\n%d", (int) pids[i]);
        }
    }
    if (rc < 0) {
        nj_dealloc(pids);
        return rc;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        char digits[16];
        (void) snprintf(digits, sizeof(digits), "%d", (int) pids[i]);
        if (prefix == NULL || strncmp(digits, prefix, strlen(prefix)) == 0) {
            pids[kept++] = pids[i];
        }
    }
    *pids_out = pids;
    *n_out = kept;
    return NJ_OK;
}

/* `expr` as pid, pid prefix with `*`, or "" for the one server; cuts the `*` off. */
static int choose(const char *program, char *expr, pid_t **pids_out, size_t *n_out,
                  struct nj_error *err)
{
    size_t len = strlen(expr);
    bool all = len > 0 && expr[len - 1] == '*';
    pid_t pid = 0;
    if (all) {
        expr[--len] = '\0';
    }
    if (len > 0 && parse_pid(expr, &pid) < 0) {
        return nj_error_set(err, NJ_E_INVALID, "invalid pid: %s", expr);
    }
    if (all || len == 0) {
        return choose_running(program, all ? expr : NULL, pids_out, n_out, err);
    }
    *pids_out = nj_memdup(&pid, sizeof(pid));
    *n_out = 1;
    return NJ_OK;
}

static int send_signal(const char *word, const pid_t *pids, size_t n, struct nj_error *err)
{
    char words[96], quoted[128];
    int signum = nj_signal_number(word);
    (void) nj_quote_text(word, quoted, sizeof(quoted));
    if (signum == 0) {
        return nj_error_set(err, NJ_E_INVALID, "unknown signal %s", quoted);
    }
    int rc = NJ_OK;
    for (size_t i = 0; i < n; i++) {
        if (kill(pids[i], signum) == 0) {
            continue;
        }
        int errnum = errno;
        if (rc == NJ_OK) {
            rc = nj_error_set(err, NJ_E_IO, "%s", "");
        }
        add_words(err, "\nsignal %s %d: %s", quoted, (int) pids[i],
                  nj_errno_text(errnum, words, sizeof(words)));
    }
    return rc;
}

/* "invalid signal parameters: [2 3]" for "quit=1=2=3". */
static int too_many_parts(const char *rest, struct nj_error *err)
{
    char *list = nj_strdup(rest);
    for (char *p = list; *p != '\0'; p++) {
        *p = *p == '=' ? ' ' : *p;
    }
    int rc = nj_error_set(err, NJ_E_INVALID, "invalid signal parameters: [%s]", list);
    nj_dealloc(list);
    return rc;
}

int nj_signal_command(const char *program, const char *command, struct nj_error *err)
{
    const char *eq = strchr(command, '=');
    const char *second = eq != NULL ? strchr(eq + 1, '=') : NULL;
    if (second != NULL) {
        return too_many_parts(second + 1, err);
    }
    char *word = nj_strndup(command, strcspn(command, "="));
    char *expr = eq != NULL ? pid_expression(eq + 1) : nj_strdup("");
    pid_t *pids = NULL;
    size_t n = 0;
    int rc = choose(program, expr, &pids, &n, err);
    if (rc == NJ_OK) {
        rc = send_signal(word, pids, n, err);
    }
    nj_dealloc(pids);
    nj_dealloc(expr);
    nj_dealloc(word);
    return rc;
}
