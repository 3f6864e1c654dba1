#include "ops/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/mappers.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/quote.h"
#include "ops/options.h"
#include "ops/procfiles.h"
#include "ops/reload_compare.h"
#include "ops/server.h"
#include "peer/client_tls.h"
#include "peer/hub.h"
#include "peer/recheck.h"
#include "plugin/registry.h"
#include "tls/block.h"

struct nj_reload {
    struct nj_reload_config c;
    const struct nj_options *now; /* in force */
    struct nj_options *own;       /* the same, unless they are those of the start */
    struct nj_reload_hook *hooks;
    size_t hooks_n;
};

/* All that one reload builds before anything changes. */
struct attempt {
    struct nj_reload *r;
    struct nj_options *next;
    struct nj_serving *serving;
    struct nj_reload_plan plan;
    void **built; /* by hook */
    size_t built_n;
    struct nj_buf text; /* why it failed */
};

/* ---- building ---------------------------------------------------------------------------------- */

static int read_options(struct attempt *a)
{
    const struct nj_options_source *source = a->r->c.source;
    const char *path = a->r->now->config_file;
    struct stat st;
    if (path == NULL) {
        (void) nj_buf_puts(&a->text, "can only reload config when a file is provided using -c or "
                                     "--config");
        return NJ_E_UNSUPPORTED;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* waiting for it would stop the thread */
        (void) nj_buf_printf(&a->text, "%s is not a file that can be read again", path);
        return NJ_E_UNSUPPORTED;
    }
    return source->read(source->user, a->next, &a->text);
}

static bool tls_differs(const struct nj_serving *now, const struct nj_serving *next)
{
    if (now->tls == NULL || next->tls == NULL) {
        return now->tls != next->tls;
    }
    return memcmp(nj_tls_door_setup(now->tls)->print, nj_tls_door_setup(next->tls)->print,
                  NJ_TLS_PRINT_LEN) != 0;
}

static int compare(struct attempt *a, struct nj_error *err)
{
    const struct nj_hub *hub = a->r->c.hub;
    struct nj_reload_facts facts = { .port = hub->port,
                                     .tls_differs = tls_differs(hub->serving, a->serving) };
    int rc = nj_reload_compare(a->r->now, a->next, &facts, &a->plan, err);
    if (rc == NJ_OK && a->next->unserved_n > 0) {
        rc = nj_error_set(err, NJ_E_UNSUPPORTED, "%s", a->next->unserved[0]);
    }
    return rc;
}

/* The log is moved when the rest is in force: whether it can be is asked now. */
static int try_log_file(const struct attempt *a, struct nj_error *err)
{
    char words[96];
    const char *path = a->next->log_file;
    if (path == NULL || !a->plan.logging) {
        return NJ_OK;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        return nj_error_set(err, NJ_E_IO, "error opening file: open %s: %s", path,
                            nj_errno_text(errno, words, sizeof(words)));
    }
    (void) close(fd);
    return NJ_OK;
}

static int build_hooks(struct attempt *a, struct nj_error *err)
{
    struct nj_reload *r = a->r;
    const struct nj_reload_offer offer = { r->now, a->next, a->serving };
    a->built = nj_calloc(r->hooks_n, sizeof(a->built[0]));
    for (; a->built_n < r->hooks_n; a->built_n++) {
        const struct nj_reload_hook *hook = &r->hooks[a->built_n];
        int rc = hook->build(hook->user, &offer, &a->built[a->built_n], err);
        if (rc < 0) {
            nj_error_prefix(err, hook->name);
            return rc;
        }
    }
    return NJ_OK;
}

static int build(struct attempt *a)
{
    struct nj_error err = NJ_ERROR_INIT;
    int rc = read_options(a);
    if (rc < 0) {
        return rc;
    }
    rc = nj_server_build_serving(a->next, a->r->c.registry, &a->serving, &err);
    if (rc < 0 || (rc = compare(a, &err)) < 0 || (rc = try_log_file(a, &err)) < 0 ||
        (rc = build_hooks(a, &err)) < 0) {
        (void) nj_buf_puts(&a->text, err.text);
    }
    return rc;
}

static void discard(struct attempt *a)
{
    for (size_t i = 0; i < a->built_n; i++) {
        a->r->hooks[i].discard(a->r->hooks[i].user, a->built[i]);
    }
    nj_serving_unref(&a->serving);
    nj_options_free(a->next);
    nj_dealloc(a->next);
}

/* ---- installing ---------------------------------------------------------------------------------- */

static void install(struct attempt *a)
{
    struct nj_reload *r = a->r;
    struct nj_hub *hub = r->c.hub;
    struct nj_options *old = r->own;
    nj_server_lend_bcrypt(hub, a->serving);
    nj_server_lend_ocsp(hub, a->next, a->serving);
    a->serving->auth_gen = hub->serving->auth_gen + 1;
    struct nj_tls_door *door =
        hub->serving->tls != NULL ? nj_tls_door_ref(hub->serving->tls) : NULL;
    nj_hub_serve(hub, a->serving);
    for (size_t i = 0; i < a->built_n; i++) {
        r->hooks[i].install(r->hooks[i].user, a->built[i]);
    }
    if (door != NULL) { /* after the hooks: one of them may renew what it sends */
        nj_tls_setup_retire(nj_tls_door_setup(door));
        nj_tls_door_unref(&door);
    }
    r->own = a->next;
    r->now = a->next;
    r->c.installed(r->c.user, r->now, nj_wall_ns());
    if (old != NULL) {
        nj_options_free(old);
        nj_dealloc(old);
    }
}

static void write_pid_file(const struct nj_options *o)
{
    static const char at_start[] = "Could not write pidfile: ";
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_pid_file_write(o->pid_file, &err) != NJ_OK) {
        const char *why =
            strstr(err.text, at_start) == err.text ? err.text + sizeof(at_start) - 1 : err.text;
        nj_log_error("Failed to write pidfile: %s", why);
    }
}

static void close_excess(struct nj_reload *r)
{
    int64_t n = nj_hub_close_excess(r->c.hub, r->now->max_connections);
    if (n > 0) {
        nj_log_info("Closed %" PRId64 " connections to fall within max_connections", n);
    }
}

static void act(struct nj_reload *r, enum nj_reload_action action)
{
    switch (action) {
    case NJ_RELOAD_MAX_CONNECTIONS:
        close_excess(r);
        break;
    case NJ_RELOAD_PROF_RATE:
        if (r->now->prof_block_rate > 0) {
            nj_log_warn("Block profiling is enabled (rate %d), this may have a performance impact",
                        r->now->prof_block_rate);
        }
        break;
    case NJ_RELOAD_PID_FILE:
        write_pid_file(r->now);
        break;
    case NJ_RELOAD_PORTS_FILE:
        r->c.move_ports_file(r->c.user);
        break;
    default:
        break;
    }
}

/* Lines before this are in the old log. */
static void move_log(const struct nj_options *o)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_log_config config = { .debug = o->debug,
                                    .trace = o->trace,
                                    .logtime = o->logtime,
                                    .logtime_utc = o->logtime_utc,
                                    .file = o->log_file };
    if (nj_log_open(&config, &err) != NJ_OK) {
        nj_log_error("The log stays where it is: %s", err.text);
    }
}

/* The new options are in force: say so, and look at who is connected. */
static void follow_up(struct attempt *a)
{
    struct nj_reload *r = a->r;
    for (size_t i = 0; i < a->plan.lines_n; i++) {
        act(r, a->plan.lines[i].action);
        nj_log_info("%s", a->plan.lines[i].text);
    }
    if (a->plan.logging) {
        move_log(r->now);
    }
    nj_mappers_log(r->c.hub->serving->mappers);
    nj_hub_recheck_credentials(r->c.hub);
    nj_log_info("Reloaded server configuration (%s)", r->now->config_digest);
    int64_t n = a->plan.pins ? nj_hub_recheck_pins(r->c.hub) : 0;
    if (n > 0) {
        nj_log_info("Disconnect %" PRId64 " clients due to pinned certs reload", n);
    }
}

/* ---- running --------------------------------------------------------------------------------------- */

struct newly_loaded {
    const struct nj_registry *reg;
    size_t since;
};

static void attach_newly_loaded(struct nj_worker *w, void *arg)
{
    const struct newly_loaded *l = arg;
    (void) w;
    nj_registry_thread_attach_since(l->reg, l->since);
}

void nj_reload_run(struct nj_reload *r)
{
    struct attempt a = { .r = r, .next = nj_zalloc(sizeof(*a.next)) };
    struct newly_loaded loaded = { r->c.registry, nj_registry_loads(r->c.registry) };
    nj_buf_init(&a.text, SIZE_MAX);
    int rc = build(&a);
    if (nj_registry_loads(loaded.reg) > loaded.since) { /* refused or not: it stays loaded */
        nj_registry_thread_attach_since(loaded.reg, loaded.since);
        nj_workers_call_all(r->c.hub->workers, attach_newly_loaded, &loaded);
    }
    if (rc == NJ_OK) {
        install(&a);
        follow_up(&a);
    } else {
        nj_log_error("Failed to reload server configuration: %s",
                     a.text.len > 0 ? a.text.ptr : "no reason was given");
        discard(&a);
    }
    nj_reload_plan_fini(&a.plan);
    nj_dealloc(a.built);
    nj_buf_free(&a.text);
}

struct nj_reload *nj_reload_new(const struct nj_reload_config *config)
{
    struct nj_reload *r = nj_zalloc(sizeof(*r));
    r->c = *config;
    r->now = config->options;
    return r;
}

void nj_reload_add_hook(struct nj_reload *r, const struct nj_reload_hook *hook)
{
    r->hooks = nj_realloc(r->hooks, (r->hooks_n + 1) * sizeof(r->hooks[0]));
    r->hooks[r->hooks_n++] = *hook;
}

void nj_reload_free(struct nj_reload **rp)
{
    struct nj_reload *r = *rp;
    if (r == NULL) {
        return;
    }
    *rp = NULL;
    if (r->own != NULL) {
        nj_options_free(r->own);
        nj_dealloc(r->own);
    }
    nj_dealloc(r->hooks);
    nj_dealloc(r);
}
