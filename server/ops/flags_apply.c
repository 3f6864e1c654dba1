/* flags_apply.c: laying the flags over the options that the file gave. */
#include "ops/flags.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"
#include "ops/options.h"

#define WORKERS_MAX 256

static void set_text(char **to, const char *value)
{
    if (*to != NULL) {
        nj_wipe(*to, strlen(*to)); /* may be a password */
        nj_dealloc(*to);
    }
    *to = value != NULL && *value != '\0' ? nj_strdup(value) : NULL;
}

static void apply_text(const struct nj_flags *f, enum nj_flag id, char **to)
{
    if (f->v[id].given) {
        set_text(to, f->v[id].text);
    }
}

static void apply_bool(const struct nj_flags *f, enum nj_flag id, bool *to)
{
    if (f->v[id].given) {
        *to = f->v[id].on;
    }
}

/* Ports out of range are refused when listening, so a number too big only has to stay too big. */
static void apply_port(const struct nj_flags *f, enum nj_flag id, int *to)
{
    int64_t n = f->v[id].number;
    if (f->v[id].given) {
        *to = n > INT_MAX ? INT_MAX : n < INT_MIN ? INT_MIN : (int) n;
    }
}

static void apply_listener(const struct nj_flags *f, struct nj_options *o)
{
    apply_text(f, NJ_FLAG_HOST, &o->host);
    if (o->host == NULL) {
        o->host = nj_strdup("0.0.0.0");
    }
    apply_port(f, NJ_FLAG_PORT, &o->port);
    if (o->port == 0) {
        o->port = 4222;
    }
    apply_text(f, NJ_FLAG_NAME, &o->server_name);
    apply_text(f, NJ_FLAG_CLIENT_ADVERTISE, &o->client_advertise);
    apply_text(f, NJ_FLAG_PID_FILE, &o->pid_file);
    apply_text(f, NJ_FLAG_PORTS_FILE_DIR, &o->ports_file_dir);
    apply_text(f, NJ_FLAG_STORE_DIR, &o->store_dir);
    apply_port(f, NJ_FLAG_HTTP_PORT, &o->http_port);
    apply_port(f, NJ_FLAG_HTTPS_PORT, &o->https_port);
    apply_text(f, NJ_FLAG_USER, &o->user);
    apply_text(f, NJ_FLAG_PASS, &o->pass);
    apply_text(f, NJ_FLAG_AUTH, &o->token);
}

static void apply_logging(const struct nj_flags *f, struct nj_options *o)
{
    apply_text(f, NJ_FLAG_LOG_FILE, &o->log_file);
    apply_bool(f, NJ_FLAG_LOGTIME, &o->logtime);
    apply_bool(f, NJ_FLAG_LOGTIME_UTC, &o->logtime_utc);
    apply_bool(f, NJ_FLAG_DEBUG, &o->debug);
    apply_bool(f, NJ_FLAG_TRACE, &o->trace);
    /* The combined ones come after the plain ones wherever they stand, as in the reference. */
    apply_bool(f, NJ_FLAG_DV, &o->debug);
    apply_bool(f, NJ_FLAG_DV, &o->trace);
    apply_bool(f, NJ_FLAG_DVV, &o->debug);
    apply_bool(f, NJ_FLAG_DVV, &o->trace);
    apply_bool(f, NJ_FLAG_DVV, &o->trace_verbose);
    apply_bool(f, NJ_FLAG_VV, &o->trace);
    apply_bool(f, NJ_FLAG_VV, &o->trace_verbose);
    if (f->v[NJ_FLAG_MAX_TRACED_MSG_LEN].given) {
        o->max_traced_msg_len = f->v[NJ_FLAG_MAX_TRACED_MSG_LEN].number;
    }
}

/* --- TLS --- */

/* Certificate, trust and what is negotiated come from the flags alone; the file keeps the rest:
 * timeout, handshake_first, pins, mapping, rate limit. */
static int replace_tls(const struct nj_flags *f, struct nj_tls_block *b, struct nj_error *err)
{
    const char *cert = nj_flags_text(f, NJ_FLAG_TLS_CERT);
    const char *key = nj_flags_text(f, NJ_FLAG_TLS_KEY);
    if (cert == NULL) {
        return nj_error_set(err, NJ_E_INVALID, "TLS Server certificate must be present and valid");
    }
    if (key == NULL) {
        return nj_error_set(err, NJ_E_INVALID, "TLS Server private key must be present and valid");
    }
    if (!b->present) {
        nj_tls_block_free(b);
    }
    b->present = true;
    nj_tls_block_drop_certs(b);
    set_text(&b->cert_file, cert);
    set_text(&b->key_file, key);
    set_text(&b->ca_file, nj_flags_text(f, NJ_FLAG_TLS_CA));
    b->verify = nj_flags_on(f, NJ_FLAG_TLS_VERIFY);
    b->min_version = 0x0303;
    nj_dealloc(b->suites);
    nj_dealloc(b->groups);
    b->suites = NULL;
    b->groups = NULL;
    b->suites_n = 0;
    b->groups_n = 0;
    b->strict_ciphers = false;
    set_text(&b->file, NULL);
    b->line = 0;
    b->col = 0;
    return NJ_OK;
}

static int apply_tls(const struct nj_flags *f, struct nj_tls_block *b, struct nj_error *err)
{
    if (f->v[NJ_FLAG_TLS].given && !f->v[NJ_FLAG_TLS].on) {
        nj_tls_block_free(b);
        return NJ_OK;
    }
    if (f->v[NJ_FLAG_TLS].given || f->v[NJ_FLAG_TLS_VERIFY].given || f->v[NJ_FLAG_TLS_CERT].given ||
        f->v[NJ_FLAG_TLS_KEY].given || f->v[NJ_FLAG_TLS_CA].given) {
        return replace_tls(f, b, err);
    }
    return NJ_OK;
}

/* --- our own --- */

int nj_flags_apply_own(const struct nj_flags *f, struct nj_options *o, struct nj_error *err)
{
    apply_text(f, NJ_FLAG_TLS_PROVIDER, &o->tls_provider);
    if (f->plugin_dirs_n > 0) {
        for (size_t i = 0; i < o->plugin_dirs_n; i++) {
            nj_dealloc(o->plugin_dirs[i]);
        }
        o->plugin_dirs_n = f->plugin_dirs_n;
        o->plugin_dirs = nj_realloc(o->plugin_dirs, o->plugin_dirs_n * sizeof(*o->plugin_dirs));
        for (size_t i = 0; i < f->plugin_dirs_n; i++) {
            o->plugin_dirs[i] = nj_strdup(f->plugin_dirs[i]);
        }
    }
    if (f->v[NJ_FLAG_WORKERS].given) {
        int64_t n = f->v[NJ_FLAG_WORKERS].number;
        if (n < 1 || n > WORKERS_MAX) {
            return nj_error_set(err, NJ_E_INVALID, "workers must be 1 to %d, not %lld", WORKERS_MAX,
                                (long long) n);
        }
        o->workers = (int) n;
    }
    return NJ_OK;
}

/* --- known, not served --- */

static void add_unserved(struct nj_options *o, const char *sentence)
{
    o->unserved = nj_realloc(o->unserved, (o->unserved_n + 1) * sizeof(*o->unserved));
    o->unserved[o->unserved_n++] = nj_strdup(sentence);
}

/* Does the flag ask for something?  False, 0 and "" do not. */
static bool asks(const struct nj_flag_value *v)
{
    return v->given && (v->on || v->number != 0 || (v->text != NULL && *v->text != '\0'));
}

#define LOG_ELSEWHERE "log to standard error, or to a file with --log"
#define NO_ROUTES "clustering is not served yet; leave it out to run a single server"

static void collect_unserved(const struct nj_flags *f, struct nj_options *o)
{
    static const struct {
        enum nj_flag id;
        const char *sentence;
    } table[] = {
        { NJ_FLAG_SYSLOG, "flag --syslog: syslog is not served yet; " LOG_ELSEWHERE },
        { NJ_FLAG_REMOTE_SYSLOG, "flag --remote_syslog: syslog is not served yet; " LOG_ELSEWHERE },
        { NJ_FLAG_LOG_SIZE_LIMIT, "flag --log_size_limit: log rotation is not served yet; leave it out "
                                  "and let logrotate send SIGUSR1" },
        { NJ_FLAG_ROUTES, "flag --routes: " NO_ROUTES },
        { NJ_FLAG_CLUSTER, "flag --cluster: " NO_ROUTES },
        { NJ_FLAG_CLUSTER_NAME, "flag --cluster_name: " NO_ROUTES },
        { NJ_FLAG_CLUSTER_ADVERTISE, "flag --cluster_advertise: " NO_ROUTES },
        { NJ_FLAG_NO_ADVERTISE, "flag --no_advertise: " NO_ROUTES },
        { NJ_FLAG_CONNECT_RETRIES, "flag --connect_retries: " NO_ROUTES },
    };
    static const char js[] = "flag --jetstream: JetStream is not supported by this server; leave it out";
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (asks(&f->v[table[i].id])) {
            add_unserved(o, table[i].sentence);
        }
    }
    if (asks(&f->v[NJ_FLAG_JETSTREAM])) {
        if (o->ignore_unsupported) {
            nj_log_warn("flag --jetstream is ignored: JetStream is not supported by this server");
        } else {
            add_unserved(o, js);
        }
    }
    if (asks(&f->v[NJ_FLAG_PROFILE])) {
        nj_log_warn("flag --profile is ignored: there is no profiling port");
    }
}

int nj_flags_apply(const struct nj_flags *f, struct nj_options *o, struct nj_error *err)
{
    apply_listener(f, o);
    apply_logging(f, o);
    int rc = apply_tls(f, &o->tls, err);
    if (rc < 0) {
        return rc;
    }
    rc = nj_flags_apply_own(f, o, err);
    if (rc < 0) {
        return rc;
    }
    collect_unserved(f, o);
    return NJ_OK;
}
