#include "tests/abi/mapper.h"

#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/abi/pair.h"

struct nj_kit_mapper nj_kit_mappers[NJ_KIT_MAPPERS_MAX];
size_t nj_kit_mappers_n;

static struct nj_authmap_value no_options = {
    .size = sizeof(no_options), .type = NJ_VALUE_MAP, .file = "options", .line = 1, .col = 1
};
struct nj_authmap_value *nj_kit_mapper_options = &no_options;

/* ---- the host --------------------------------------------------------------------------------- */

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered;                             /* its clock is the monotonic one */
static struct nj_kit_question *questions;                   /* under mu */
static uint64_t last_handle = UINT64_C(0x4e4a000000000000); /* under mu */
static int strays;                                          /* under mu */

static const char *fault_of(const struct nj_authmap_answer *a)
{
    if (a == NULL || !NJ_FIELD(struct nj_authmap_answer, a, verdict)) {
        return "the answer is cut short";
    }
    if (a->verdict < NJ_AUTHMAP_DEFER || a->verdict > NJ_AUTHMAP_ALLOW_OWN) {
        return "the answer has no verdict that a server knows";
    }
    int allows = a->verdict >= NJ_AUTHMAP_ALLOW_CONFIGURED;
    if (allows &&
        (!NJ_FIELD(struct nj_authmap_answer, a, user) || a->user == NULL || a->user[0] == '\0')) {
        return "the answer allows somebody without a name";
    }
    return NULL;
}

static struct nj_kit_question *find_question(uint64_t handle)
{
    struct nj_kit_question *q = questions;
    while (q != NULL && q->handle != handle) {
        q = q->next;
    }
    return q;
}

static int answer(uint64_t handle, const struct nj_authmap_answer *a)
{
    const char *wrong = fault_of(a);
    (void) pthread_mutex_lock(&mu);
    struct nj_kit_question *q = find_question(handle);
    int taken = q != NULL && q->answers == 0 && !q->closed;
    if (taken) {
        q->answers = 1;
        q->verdict = wrong == NULL ? a->verdict : NJ_AUTHMAP_DENY;
        (void) snprintf(q->wrong, sizeof(q->wrong), "%s", wrong == NULL ? "" : wrong);
        (void) pthread_cond_broadcast(&answered);
    } else {
        strays++;
    }
    (void) pthread_mutex_unlock(&mu);
    return !taken ? NJ_E_NOT_FOUND : wrong != NULL ? NJ_E_INVALID : NJ_OK;
}

/* The kit's host expects one thread at a time here; mappers have threads of their own. */
static void log_line(uint32_t level, const char *text)
{
    (void) pthread_mutex_lock(&mu);
    nj_kit_host()->log(level, text);
    (void) pthread_mutex_unlock(&mu);
}

static struct nj_host base;
static struct nj_authmap_host host = { .size = sizeof(host), .answer = answer };

/* ---- loading ---------------------------------------------------------------------------------- */

static int check_slots(const struct nj_authmap *m, const char *path, struct nj_error *err)
{
    if (!NJ_FIELD(struct nj_authmap, m, decide)) {
        return nj_error_set(err, NJ_E_ABI, "%s: its table has %u bytes, at least %zu are needed",
                            path, m->size, offsetof(struct nj_authmap, cancel));
    }
    if (m->init == NULL || m->fini == NULL || m->check == NULL || m->instance_new == NULL ||
        m->instance_free == NULL || m->decide == NULL) {
        return nj_error_set(err, NJ_E_ABI, "%s: a required slot is empty", path);
    }
    return NJ_OK;
}

/* Does it refuse to be without options?  Asked in a process of its own: each test starts it in its
 * own.  One that crashes here does so in the tests, too, where it is named. */
static int refuses_no_options(struct nj_kit_mapper *m)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct nj_kit_report report;
        struct nj_error err = NJ_ERROR_INIT;
        host.base = nj_kit_host();
        int rc = m->map->init(&host, &err);
        _exit(rc == NJ_OK && nj_kit_mapper_check(m, &no_options, &report) != NJ_OK ? 9 : 0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 9;
}

int nj_kit_mapper_load(const char *path, struct nj_error *err)
{
    void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *symbol = dl != NULL ? dlsym(dl, NJ_PLUGIN_DOOR) : NULL;
    nj_plugin_door_fn door = NULL;
    if (symbol == NULL) {
        return NJ_E_NOT_FOUND;
    }
    memcpy(&door, &symbol, sizeof(door)); /* ISO C has no cast from object to function pointer */
    const struct nj_plugin *d = door();
    if (d == NULL || d->magic != NJ_PLUGIN_MAGIC || !NJ_FIELD(struct nj_plugin, d, iface) ||
        d->kind != NJ_PLUGIN_AUTHMAP) {
        return NJ_E_NOT_FOUND;
    }
    if (d->abi_major != NJ_ABI_MAJOR || d->abi_minor != NJ_ABI_MINOR || d->iface == NULL ||
        d->name == NULL || d->version == NULL) {
        return nj_error_set(err, NJ_E_ABI, "%s: ABI %u.%u, the kit has %d.%d; name %s, table %s",
                            path, d->abi_major, d->abi_minor, NJ_ABI_MAJOR, NJ_ABI_MINOR,
                            d->name == NULL ? "missing" : d->name,
                            d->iface == NULL ? "missing" : "there");
    }
    int rc = check_slots(d->iface, path, err);
    if (rc == NJ_OK) {
        struct nj_kit_mapper *m = &nj_kit_mappers[nj_kit_mappers_n++];
        m->plugin = d;
        m->map = d->iface;
        (void) snprintf(m->label, sizeof(m->label), "%s", d->name);
        m->wants_options = nj_kit_mapper_options == &no_options && refuses_no_options(m);
    }
    return rc;
}

void nj_kit_mapper_start(struct nj_kit_mapper *m)
{
    struct nj_error err = NJ_ERROR_INIT;
    pthread_condattr_t attr;
    if (m->started) {
        return;
    }
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&answered, &attr);
    base = *nj_kit_host();
    base.log = log_line;
    host.base = &base;
    int rc = m->map->init(&host, &err);
    ck_assert_msg(rc == NJ_OK, "init failed: %s", err.text);
    m->started = 1;
}

void nj_kit_mapper_fini(struct nj_kit_mapper *m)
{
    if (m->started) {
        m->map->fini();
        m->started = 0;
    }
}

/* ---- options ---------------------------------------------------------------------------------- */

static void note_error(const struct nj_authmap_report *report, const struct nj_authmap_value *at,
                       const char *text)
{
    struct nj_kit_report *r = report->user;
    r->errors++;
    if (at == NULL || text == NULL || text[0] == '\0' || strchr(text, '\n') != NULL) {
        r->placeless++;
    }
    (void) snprintf(r->text, sizeof(r->text), "%s", text != NULL ? text : "");
}

int nj_kit_mapper_check(const struct nj_kit_mapper *m, const struct nj_authmap_value *options,
                        struct nj_kit_report *report)
{
    memset(report, 0, sizeof(*report));
    report->report.size = sizeof(report->report);
    report->report.user = report;
    report->report.error = note_error;
    return m->map->check(options, &report->report);
}

struct nj_authmap_instance *nj_kit_instance(struct nj_kit_mapper *m)
{
    struct nj_kit_report report;
    struct nj_authmap_instance *inst = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    nj_kit_mapper_start(m);
    int rc = nj_kit_mapper_check(m, nj_kit_mapper_options, &report);
    ck_assert_msg(rc == NJ_OK && report.errors == 0, "check() refuses the options: %s",
                  report.text);
    rc = m->map->instance_new(nj_kit_mapper_options, &inst, &err);
    ck_assert_msg(rc == NJ_OK, "no instance of options that check() took: %s", err.text);
    return inst;
}

/* ---- questions -------------------------------------------------------------------------------- */

static int64_t now_us(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void nj_kit_ask(const struct nj_kit_mapper *m, struct nj_authmap_instance *inst,
                const struct nj_authmap_facts *facts, struct nj_kit_question *q)
{
    struct nj_error err = NJ_ERROR_INIT;
    memset(q, 0, sizeof(*q));
    (void) pthread_mutex_lock(&mu);
    q->handle = last_handle += 7919;
    q->next = questions;
    questions = q;
    (void) pthread_mutex_unlock(&mu);
    int64_t began = now_us();
    int rc = m->map->decide(inst, facts, q->handle, &err);
    int64_t took = now_us() - began;
    (void) pthread_mutex_lock(&mu);
    q->rc = rc;
    q->took_us = took;
    (void) pthread_mutex_unlock(&mu);
}

int nj_kit_wait(struct nj_kit_question *q, int ms)
{
    struct timespec until;
    int rc = 0;
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void) pthread_mutex_lock(&mu);
    while (q->answers == 0 && rc == 0) {
        rc = pthread_cond_timedwait(&answered, &mu, &until);
    }
    int came = q->answers;
    (void) pthread_mutex_unlock(&mu);
    return came;
}

int nj_kit_cancel(const struct nj_kit_mapper *m, struct nj_authmap_instance *inst,
                  struct nj_kit_question *q)
{
    (void) pthread_mutex_lock(&mu);
    int open = q->answers == 0 && !q->closed;
    q->closed = 1;
    (void) pthread_mutex_unlock(&mu);
    if (open && NJ_AUTHMAP_HAS(m->map, cancel)) {
        m->map->cancel(inst, q->handle);
    }
    return open;
}

void nj_kit_forget(struct nj_kit_question *q)
{
    (void) pthread_mutex_lock(&mu);
    struct nj_kit_question **at = &questions;
    while (*at != NULL && *at != q) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = q->next;
    }
    (void) pthread_mutex_unlock(&mu);
}

int nj_kit_strays(void)
{
    (void) pthread_mutex_lock(&mu);
    int n = strays;
    (void) pthread_mutex_unlock(&mu);
    return n;
}
