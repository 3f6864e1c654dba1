#include "ops/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>

#include "auth/auth.h"
#include "auth/bcrypt.h"
#include "auth/mappers.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/open_file.h"
#include "base/rcu.h"
#include "base/trim.h"
#include "base/version.h"
#include "broker/account.h"
#include "io/listener.h"
#include "io/worker.h"
#include "ops/auth_setup.h"
#include "ops/control.h"
#include "ops/facts.h"
#include "ops/monitor.h"
#include "ops/options.h"
#include "ops/procfiles.h"
#include "ops/reload.h"
#include "ops/server_id.h"
#include "ops/server_mappers.h"
#include "ops/stapling.h"
#include "ops/startlog.h"
#include "peer/client.h"
#include "peer/client_tls.h"
#include "peer/closed.h"
#include "plugin/registry.h"
#include "tls/block.h"
#include "tls/ocsp_peer.h"
#include "tls/fips.h"

#define DESCRIPTORS_MIN 32 /* and two for each worker */
#define FIRST_CID 5 /* the reference's internal clients have the first four */

struct server {
    const struct nj_options *o;
    const struct nj_options_source *again;
    struct nj_registry *reg;
    const char *program;
    struct nj_hub hub;
    struct nj_listener *listener;
    struct nj_monitor *monitor;
    struct nj_facts *facts;
    struct nj_control *control;
    struct nj_reload *reload;
    struct nj_ports ports;
    struct nj_stapling *stapling;
    uv_loop_t loop;
    int64_t start_ns;
};

/* ---- the process ------------------------------------------------------------------------------------- */

static void raise_descriptor_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &r);
    }
}

static unsigned workers_wanted(const struct nj_options *o)
{
    unsigned n = o->workers > 0 ? (unsigned) o->workers : nj_cpus_allowed();
    return n > 256 ? 256 : n;
}

/* What follows has no words for it: the event loop aborts, and a server without a listener is none. */
static int check_descriptor_limit(const struct nj_options *o)
{
    struct rlimit r;
    unsigned needed = DESCRIPTORS_MIN + 2 * workers_wanted(o);
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= needed) {
        return 0;
    }
    nj_log(NJ_LVL_FTL, "%llu open files are allowed (ulimit -n), and the server needs at least %u",
           (unsigned long long) r.rlim_cur, needed);
    return 1;
}

/* Keys lie in the memory of a library: no core file, no debugger of another user. */
static void keep_memory_private(const struct nj_options *o)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(NJ_DEBUG)
    if (!o->core_dumps) {
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
#else
    (void) o; /* a sanitizer must look into the process */
#endif
}

static int fatal(const char *what, const struct nj_error *err)
{
    nj_log(NJ_LVL_FTL, "%s%s", what, err->text);
    return 1;
}

/* ---- TLS ----------------------------------------------------------------------------------------------- */

static int64_t now_s(void)
{
    return (int64_t) time(NULL);
}

static void note(uint32_t level, const char *text)
{
    nj_log(level == NJ_LOG_WARN ? NJ_LVL_WRN : NJ_LVL_DBG, "%s", text);
}

enum staples { NO_STAPLES, MAY_STAPLE };

static int make_setup(const struct nj_tls_block *block, const char *tls_provider,
                      struct nj_registry *reg, nj_tls_note_fn note_fn, enum staples staples,
                      struct nj_tls_setup **setup_out, struct nj_error *err)
{
    struct nj_tls_setup_args args = { .block = block,
                                      .role = NJ_TLS_ROLE_ACCEPT,
                                      .label = "client tls block",
                                      .now_s = now_s,
                                      .note = note_fn,
                                      .staples = staples == MAY_STAPLE };
    const char *name = block->provider != NULL ? block->provider : tls_provider;
    int rc = nj_registry_tls(reg, name, &args.provider, err);
    if (rc != NJ_OK) {
        return rc;
    }
    args.provider_name = nj_registry_tls_name(reg, args.provider);
    return nj_tls_setup_new(&args, setup_out, err);
}

static enum nj_first first_of(const struct nj_tls_block *b)
{
    if (b->first == NJ_TLS_FIRST_OFF) {
        return NJ_FIRST_OFF;
    }
    return b->first == NJ_TLS_FIRST_AUTO && b->first_delay_ns > 0 ? NJ_FIRST_DELAY
                                                                  : NJ_FIRST_ALWAYS;
}

/* Debian's wolfSSL is built without its assembly, and nobody would look there for the reason. */
static void warn_of_slow_aes(const struct nj_options *o, struct nj_registry *reg)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_tls_about about = { .size = sizeof(about) };
    struct nj_error err = NJ_ERROR_INIT;
    const char *name = o->tls.provider != NULL ? o->tls.provider : o->tls_provider;
    if (nj_registry_tls(reg, name, &p, &err) == NJ_OK && (p->caps() & NJ_TLS_CAP_AES_ASM) == 0) {
        p->about(&about);
        nj_log(
            NJ_LVL_WRN,
            "TLS is slow: %s %s as loaded does AES without hardware instructions, about 0.1 GB/s "
            "a core instead of 1 or more; install one built with its assembly or use another "
            "provider",
            about.lib_name, about.lib_version);
    }
}

static int make_door(const struct nj_options *o, struct nj_registry *reg,
                     struct nj_tls_door **door_out, struct nj_error *err)
{
    struct nj_tls_setup *setup = NULL;
    if (!o->tls.present) {
        return NJ_OK;
    }
    int rc = make_setup(&o->tls, o->tls_provider, reg, note, MAY_STAPLE, &setup, err);
    if (rc != NJ_OK) {
        return rc;
    }
    struct nj_tls_door_config config = { .setup = setup,
                                         .first = first_of(&o->tls),
                                         .first_delay_us = o->tls.first_delay_ns / 1000,
                                         .timeout_us = o->tls.timeout_ns / 1000 };
    *door_out = nj_tls_door_new(&config);
    nj_tls_setup_unref(&setup);
    return NJ_OK;
}

int nj_server_check_block(const struct nj_tls_block *block, const char *tls_provider,
                          struct nj_registry *reg, struct nj_error *err)
{
    struct nj_tls_setup *setup = NULL;
    int rc = make_setup(block, tls_provider, reg, NULL, NO_STAPLES, &setup, err);
    nj_tls_setup_unref(&setup);
    return rc;
}

int nj_server_check_tls(const struct nj_options *o, struct nj_registry *reg, struct nj_error *err)
{
    const struct nj_tls_provider *any = NULL;
    int rc = o->tls.present ? nj_server_check_block(&o->tls, o->tls_provider, reg, err)
                            : nj_registry_tls(reg, o->tls_provider, &any, err);
    return rc != NJ_OK ? rc : nj_auth_setup_provider(o, reg, err);
}

/* ---- what connections obey -------------------------------------------------------------------------------------------- */

static void set_limits(struct nj_limits *l, const struct nj_options *o)
{
    *l = (struct nj_limits){ .max_control_line = o->max_control_line,
                             .max_payload = o->max_payload,
                             .max_pending = (uint64_t) o->max_pending,
                             .max_connections = o->max_connections,
                             .max_subs = o->max_subs,
                             .max_sub_tokens = o->max_sub_tokens,
                             .ping_interval_us = o->ping_interval_ns / 1000,
                             .ping_max = o->ping_max,
                             .write_deadline_us = o->write_deadline_ns / 1000,
                             .write_retry = o->write_timeout_retry != 0,
                             .no_producer_stall = o->no_fast_producer_stall,
                             .auth_timeout_us = (int64_t) (nj_options_auth_timeout_s(o) * 1e6),
                             .max_traced_msg_len = o->max_traced_msg_len,
                             .trace_headers = o->trace_headers };
}

int nj_server_read_advertise(const char *text, char **host_out, int *port_out,
                             struct nj_error *err)
{
    if (text == NULL || text[0] == '\0') {
        return NJ_OK;
    }
    const char *colon = strrchr(text, ':');
    size_t host_len = colon != NULL ? (size_t) (colon - text) : strlen(text);
    long port = 0;
    if (colon != NULL) {
        char *end;
        port = strtol(colon + 1, &end, 10);
        if (colon[1] == '\0' || *end != '\0') {
            return nj_error_set(err, NJ_E_INVALID, "strconv.Atoi: parsing \"%s\": invalid syntax",
                                colon + 1);
        }
    }
    *host_out = nj_strndup(text, host_len);
    *port_out = port > 0 ? (int) port : 0;
    return NJ_OK;
}

int nj_server_build_serving(const struct nj_options *o, struct nj_registry *reg,
                            struct nj_serving **serving_out, struct nj_error *err)
{
    struct nj_serving *s = nj_serving_new();
    set_limits(&s->limits, o);
    s->allow_non_tls = o->allow_non_tls;
    (void) nj_server_read_advertise(o->client_advertise, &s->advertise_host, &s->advertise_port,
                                    NULL); /* whoever may refuse it has looked at it */
    int rc = nj_auth_setup(o, reg, &s->auth, err);
    if (rc == NJ_OK && o->tls.verify_and_map) {
        s->map_names = nj_auth_setup_map(s->auth);
    }
    rc = rc == NJ_OK ? make_door(o, reg, &s->tls, err) : rc;
    rc = rc == NJ_OK ? nj_server_make_mappers(o, reg, &s->mappers, err) : rc;
    if (rc != NJ_OK) {
        nj_serving_unref(&s);
        return rc;
    }
    *serving_out = s;
    return NJ_OK;
}

void nj_server_lend_bcrypt(struct nj_hub *hub, struct nj_serving *serving)
{
    if (hub->bcrypt == NULL && nj_auth_has_hashes(serving->auth)) {
        hub->bcrypt = nj_bcrypt_start();
    }
    serving->bcrypt = hub->bcrypt;
}

void nj_server_lend_ocsp(struct nj_hub *hub, const struct nj_options *o, struct nj_serving *serving)
{
    bool wanted = serving->tls != NULL && nj_tls_door_setup(serving->tls)->ocsp_peer;
    if (hub->ocsp == NULL && wanted) {
        hub->ocsp = nj_ocsp_peers_start();
        nj_log_info("OCSP peer cache online, type [%s]", o->ocsp_no_cache ? "none" : "local");
    }
    if (hub->ocsp != NULL) {
        nj_ocsp_peers_remember(hub->ocsp, !o->ocsp_no_cache);
    }
    serving->ocsp = hub->ocsp;
}

/* ---- the hub -------------------------------------------------------------------------------------------- */

static void make_hub(struct server *s)
{
    struct nj_hub *hub = &s->hub;
    const struct nj_options *o = s->o;
    char go[64];
    nj_server_id_make(hub->server_id);
    hub->server_name = nj_strdup(o->server_name != NULL ? o->server_name : hub->server_id);
    hub->version = NJ_REFERENCE_VERSION;
    hub->own_version = NJ_VERSION;
#ifdef __clang__
    (void) snprintf(go, sizeof(go), "clang%d.%d.%d", __clang_major__, __clang_minor__,
                    __clang_patchlevel__);
#else
    (void) snprintf(go, sizeof(go), "gcc%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    hub->toolchain = nj_strdup(go);
    hub->host = nj_strdup(o->host);
    hub->headers = !o->no_header_support;
    hub->global = nj_account_new("$G");
    hub->tls_rate.limit = o->tls.rate_limit;
    hub->no_cache = o->no_sublist_cache;
    hub->closed = nj_closed_ring_new((size_t) o->max_closed_clients);
    hub->registry = s->reg;
    atomic_store(&hub->next_cid, FIRST_CID);
}

static void free_hub(struct nj_hub *hub)
{
    nj_bcrypt_free(&hub->bcrypt);
    nj_ocsp_peers_free(&hub->ocsp);
    nj_serving_unref(&hub->serving);
    nj_mappers_collect();
    nj_account_free(&hub->global);
    nj_closed_ring_free(&hub->closed);
    nj_dealloc(hub->per_worker);
    nj_dealloc(hub->server_name);
    nj_dealloc(hub->toolchain);
    nj_dealloc(hub->host);
}

static const struct nj_worker_ops worker_ops = {
    .start = nj_hub_worker_start,
    .stop = nj_hub_worker_stop,
    .later = nj_hub_worker_later,
};

static int start_workers(struct server *s, struct nj_error *err)
{
    unsigned n = workers_wanted(s->o);
    s->hub.per_worker = nj_calloc(n, sizeof(struct nj_hub_worker));
    return nj_workers_start(&s->hub.workers, (uint16_t) n, &worker_ops, &s->hub, err);
}

/* ---- listening -------------------------------------------------------------------------------------------- */

static void accepted(void *user, struct nj_worker *w, struct nj_worker *target, int fd)
{
    struct nj_hub *hub = user;
    if (w == target) {
        (void) nj_client_new(hub, w, fd);
    } else {
        nj_hub_adopt(hub, target, fd);
    }
}

/*
 * The root block as the monitoring port uses it: a browser has no certificate to show, so none is
 * asked for, whatever the block wants of clients.
 */
static int make_monitor_setup(const struct server *s, const struct nj_options *o,
                              struct nj_tls_setup **setup_out, struct nj_error *err)
{
    struct nj_tls_block block = o->tls;
    if (!block.present) {
        return nj_error_set(err, NJ_E_INVALID, "TLS cert and key required for HTTPS");
    }
    block.verify = false;
    block.verify_and_map = false;
    block.ocsp_peer = false;
    block.pinned_n = 0;
    int rc = make_setup(&block, o->tls_provider, s->reg, NULL,
                        nj_stapling_is_on(s->stapling) ? MAY_STAPLE : NO_STAPLES, setup_out, err);
    return rc == NJ_OK ? nj_stapling_also(s->stapling, *setup_out, err) : rc;
}

static int open_monitor_port(struct server *s, struct nj_monitor_config *config,
                             struct nj_error *err)
{
    const struct nj_options *o = s->o;
    int rc = NJ_OK;
    if (o->http_port != 0 && o->https_port != 0) {
        return nj_error_set(err, NJ_E_INVALID, "can't specify both HTTP (%d) and HTTPs (%d) ports",
                            o->http_port, o->https_port);
    }
    if (o->https_port != 0) {
        rc = make_monitor_setup(s, o, &config->tls, err);
    }
    if (rc == NJ_OK) {
        rc = nj_monitor_open(&s->loop, config, &nj_facts_source, s->facts, &s->monitor, err);
    }
    nj_tls_setup_unref(&config->tls);
    return rc;
}

static int open_monitor(struct server *s)
{
    struct nj_error err = NJ_ERROR_INIT;
    const struct nj_options *o = s->o;
    if (o->http_port == 0 && o->https_port == 0) {
        return 0;
    }
    bool https = o->https_port != 0;
    struct nj_monitor_config config = { .host = o->http_host != NULL ? o->http_host : o->host,
                                        .port = https ? o->https_port : o->http_port,
                                        .base_path = o->http_base_path,
                                        .server_id = s->hub.server_id,
                                        .version = NJ_REFERENCE_VERSION };
    if (open_monitor_port(s, &config, &err) != NJ_OK) {
        return fatal("Can't start monitoring: ", &err);
    }
    return 0;
}

static int check_advertise(const char *text, struct nj_error *err)
{
    char *host = NULL;
    int port = 0;
    int rc = nj_server_read_advertise(text, &host, &port, err);
    nj_dealloc(host);
    return rc;
}

static int open_clients(struct server *s)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_error why = NJ_ERROR_INIT;
    const struct nj_options *o = s->o;
    if (nj_listener_open(o->host, o->port, &s->listener, &err) != NJ_OK) {
        bool v6 = strchr(o->host, ':') != NULL;
        (void) nj_error_set(&why, NJ_E_IO, "Error listening on port: %s%s%s:%d, \"%s\"",
                            v6 ? "[" : "", o->host, v6 ? "]" : "", o->port == -1 ? 0 : o->port,
                            err.text);
        return fatal("", &why);
    }
    s->hub.port = nj_listener_port(s->listener);
    if (check_advertise(o->client_advertise, &err) != NJ_OK) {
        (void) nj_error_set(&why, NJ_E_INVALID,
                            "Error setting server INFO with ClientAdvertise value of %s, err=%s",
                            o->client_advertise, err.text);
        return fatal("", &why);
    }
    nj_startlog_listening(o, o->host, s->hub.port);
    return 0;
}

static void list_ports(struct server *s)
{
    const struct nj_options *o = s->o;
    bool tls = o->tls.present && (!o->allow_non_tls || first_of(&o->tls) == NJ_FIRST_ALWAYS);
    nj_ports_add(&s->ports, NJ_PORTS_NATS, tls ? "tls" : "nats", o->host, s->hub.port);
    if (s->monitor != NULL) {
        nj_ports_add(&s->ports, NJ_PORTS_MONITORING, o->https_port != 0 ? "https" : "http",
                     o->http_host != NULL ? o->http_host : o->host, nj_monitor_port(s->monitor));
    }
}

static void write_ports(struct server *s)
{
    struct nj_error err = NJ_ERROR_INIT;
    list_ports(s);
    if (s->o->ports_file_dir != NULL &&
        nj_ports_write(&s->ports, s->o->ports_file_dir, s->program, &err) != NJ_OK) {
        nj_log_error("%s", err.text);
    }
}

static void remove_ports(struct server *s)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_ports_remove(&s->ports, &err) != NJ_OK) {
        nj_log_error("%s", err.text);
    }
    nj_ports_free(&s->ports);
}

/* ---- start, run, stop ----------------------------------------------------------------------------------------- */

/* That of clients, or the default one; NULL when there is none. */
static const struct nj_tls_provider *main_provider(const struct server *s)
{
    const struct nj_tls_provider *p = NULL;
    const char *name = s->o->tls.provider != NULL ? s->o->tls.provider : s->o->tls_provider;
    return nj_registry_tls(s->reg, name, &p, NULL) == NJ_OK ? p : NULL;
}

static void log_begin(const struct server *s)
{
    struct nj_startlog lines = { .server_id = s->hub.server_id };
    struct nj_tls_about about = { .size = sizeof(about) };
    char library[96];
    const struct nj_tls_provider *p = main_provider(s);
    if (p != NULL) {
        p->about(&about);
        (void) snprintf(library, sizeof(library), "%s %s", about.lib_name, about.lib_version);
        lines.library = library;
        lines.fips = nj_fips_label(p);
    }
    nj_startlog_begin(s->o, &lines);
}

/* On the thread that renews OCSP responses. */
static void certificate_revoked(void *user)
{
    struct server *s = user;
    nj_control_stop(s->control);
}

static int begin_stapling(struct server *s)
{
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    s->stapling = nj_stapling_new(s->reg, certificate_revoked, s);
    int rc = nj_stapling_begin(s->stapling, s->o, s->hub.serving, &why);
    if (rc != NJ_OK) {
        nj_log(NJ_LVL_FTL, "%s", why.ptr);
    }
    nj_buf_free(&why);
    return rc == NJ_OK ? 0 : 1;
}

static int prepare(struct server *s)
{
    struct nj_error err = NJ_ERROR_INIT;
    log_begin(s);
    for (size_t i = 0; i < s->o->ignored_n; i++) {
        nj_log_warn("%s", s->o->ignored[i]);
    }
    nj_registry_log_refused(s->reg);
    if (s->o->pid_file != NULL && nj_pid_file_write(s->o->pid_file, &err) != NJ_OK) {
        return fatal("", &err);
    }
    if (nj_server_build_serving(s->o, s->reg, &s->hub.serving, &err) != NJ_OK) {
        return fatal("", &err);
    }
    if (begin_stapling(s) != 0) {
        return 1;
    }
    if (s->o->tls.present) {
        warn_of_slow_aes(s->o, s->reg);
    }
    nj_auth_setup_warn(s->o, s->hub.serving->auth);
    nj_mappers_log(s->hub.serving->mappers);
    nj_server_lend_bcrypt(&s->hub, s->hub.serving);
    nj_server_lend_ocsp(&s->hub, s->o, s->hub.serving);
    if (start_workers(s, &err) != NJ_OK) {
        return fatal("", &err);
    }
    nj_registry_thread_attach(s->reg); /* this thread has the sessions of the monitoring port */
    struct nj_facts_config facts = { .hub = &s->hub,
                                     .options = s->o,
                                     .provider = main_provider(s),
                                     .start_ns = s->start_ns,
                                     .http_port = s->o->http_port,
                                     .https_port = s->o->https_port,
                                     .loop = &s->loop };
    s->facts = nj_facts_new(&facts);
    int rc = open_monitor(s);
    return rc != 0 ? rc : open_clients(s);
}

/* ---- a reload -------------------------------------------------------------------------------------- */

static void reloaded(void *user, const struct nj_options *o, int64_t at_ns)
{
    struct server *s = user;
    s->o = o;
    nj_auth_setup_warn(o, s->hub.serving->auth);
    nj_facts_set_options(s->facts, o, at_ns);
}

static void move_ports(void *user)
{
    struct server *s = user;
    remove_ports(s);
    write_ports(s);
}

/* The monitoring port's certificate follows the tls block. */
static int build_monitor_tls(void *user, const struct nj_reload_offer *offer, void **built_out,
                             struct nj_error *err)
{
    struct server *s = user;
    struct nj_tls_setup *setup = NULL;
    int rc = make_monitor_setup(s, offer->next, &setup, err);
    *built_out = setup;
    return rc;
}

static void install_monitor_tls(void *user, void *built)
{
    struct server *s = user;
    struct nj_tls_setup *setup = built;
    nj_monitor_set_tls(s->monitor, setup);
    nj_tls_setup_unref(&setup);
}

static void discard_monitor_tls(void *user, void *built)
{
    struct nj_tls_setup *setup = built;
    (void) user;
    nj_tls_setup_unref(&setup);
}

static void make_reload(struct server *s)
{
    const struct nj_reload_hook monitor = { .name = "https",
                                            .user = s,
                                            .build = build_monitor_tls,
                                            .install = install_monitor_tls,
                                            .discard = discard_monitor_tls };
    struct nj_reload_config config = { .hub = &s->hub,
                                       .registry = s->reg,
                                       .options = s->o,
                                       .source = s->again,
                                       .user = s,
                                       .installed = reloaded,
                                       .move_ports_file = move_ports };
    s->reload = nj_reload_new(&config);
    nj_stapling_add_hook(s->stapling, s->reload);
    if (s->monitor != NULL && s->o->https_port != 0) {
        nj_reload_add_hook(s->reload, &monitor);
    }
}

static void serve(struct server *s)
{
    nj_open_files_only();
    make_reload(s);
    struct nj_control_config config = { .loop = &s->loop,
                                        .hub = &s->hub,
                                        .listener = s->listener,
                                        .monitor = s->monitor,
                                        .facts = s->facts,
                                        .options = s->o,
                                        .reload = s->reload };
    s->control = nj_control_new(&config);
    nj_listener_start(s->listener, s->hub.workers->at[0], accepted, &s->hub);
    nj_facts_set_listening(s->facts, s->hub.port, 1);
    nj_startlog_ready();
    write_ports(s);
    nj_stapling_start(s->stapling);
    nj_control_run(s->control);
    nj_stapling_free(&s->stapling);
    nj_control_free(&s->control);
}

/* A start that failed half way. */
static void give_up(struct server *s)
{
    if (s->monitor != NULL) {
        nj_monitor_close(&s->monitor, NULL, NULL);
    }
    if (s->facts != NULL) {
        nj_facts_close(s->facts);
    }
    (void) uv_run(&s->loop, UV_RUN_DEFAULT);
}

int nj_server_run(const struct nj_options *o, const struct nj_options_source *again,
                  struct nj_registry *reg, const char *program)
{
    raise_descriptor_limit();
    if (check_descriptor_limit(o) != 0) {
        return 1;
    }
    struct server *s = nj_zalloc(sizeof(*s));
    s->o = o;
    s->again = again;
    s->reg = reg;
    s->program = program;
    s->start_ns = nj_wall_ns();
    keep_memory_private(o);
    nj_trim_init();
    (void) signal(SIGPIPE, SIG_IGN);
    (void) uv_loop_init(&s->loop);
    nj_rcu_start();
    nj_rcu_register();
    nj_rcu_offline();
    nj_client_wipe_json();
    make_hub(s);
    int rc = prepare(s);
    if (rc == 0) {
        serve(s);
    } else {
        give_up(s);
    }
    nj_stapling_free(&s->stapling);
    /* They answer to workers, and a worker may ask until it has ended. */
    nj_bcrypt_stop(s->hub.bcrypt);
    nj_ocsp_peers_stop(s->hub.ocsp);
    nj_workers_join(&s->hub.workers);
    nj_reload_free(&s->reload);
    nj_rcu_barrier();
    nj_facts_free(&s->facts);
    nj_listener_free(&s->listener);
    remove_ports(s);
    (void) uv_loop_close(&s->loop);
    free_hub(&s->hub);
    nj_registry_thread_detach(reg);
    if (rc == 0) {
        nj_log_debug("SYSTEM - System connection closed: Client Closed");
        nj_log_info("Server Exiting..");
    }
    nj_rcu_online();
    nj_rcu_unregister();
    nj_dealloc(s);
    return rc;
}
