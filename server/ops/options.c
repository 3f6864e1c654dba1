#include "ops/options.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "ops/auth_setup.h"
#include "ops/option_reader.h"
#include "ops/options_mappers.h"
#include "ops/option_table.h"
#include "tls/fips.h"

#define SECOND INT64_C(1000000000)
#define CLOSED_CLIENTS_DEFAULT 10000

/* ---- life ----------------------------------------------------------------------------------- */

void nj_options_init(struct nj_options *o)
{
    *o = (struct nj_options){
        .host = nj_strdup("0.0.0.0"),
        .port = 4222,
        .lame_duck_duration_ns = 120 * SECOND,
        .lame_duck_grace_ns = 10 * SECOND,
        .logtime = true,
        .max_connections = 65536,
        .max_control_line = 4096,
        .max_payload = 1024 * 1024,
        .max_pending = INT64_C(64) * 1024 * 1024,
        .ping_interval_ns = 120 * SECOND,
        .ping_max = 2,
        .write_deadline_ns = 10 * SECOND,
        .max_closed_clients = CLOSED_CLIENTS_DEFAULT,
        .connect_error_reports = 3600,
        .reconnect_error_reports = 1,
        .http_base_path = nj_strdup(""),
    };
    nj_tls_block_init(&o->tls);
    o->require_fips = nj_fips_built_in();
}

static void drop_secret(char **s)
{
    if (*s != NULL) {
        nj_wipe(*s, strlen(*s));
        nj_dealloc(*s);
        *s = NULL;
    }
}

void nj_options_free(struct nj_options *o)
{
    drop_secret(&o->pass);
    drop_secret(&o->token);
    nj_dealloc(o->user);
    nj_user_list_clear(&o->users);
    nj_dealloc(o->no_auth_user);
    nj_options_free_mappers(o);
    nj_dealloc(o->config_file);
    nj_dealloc(o->host);
    nj_dealloc(o->server_name);
    nj_dealloc(o->client_advertise);
    nj_texts_free(&o->server_tags, &o->server_tags_n);
    nj_texts_free(&o->server_metadata, &o->server_metadata_n);
    nj_dealloc(o->pid_file);
    nj_dealloc(o->ports_file_dir);
    nj_dealloc(o->log_file);
    nj_dealloc(o->http_host);
    nj_dealloc(o->http_base_path);
    nj_texts_free(&o->ocsp_urls, &o->ocsp_urls_n);
    nj_dealloc(o->store_dir);
    nj_tls_block_free(&o->tls);
    nj_dealloc(o->tls_provider);
    nj_dealloc(o->require_fips_at);
    nj_texts_free(&o->plugin_dirs, &o->plugin_dirs_n);
    nj_texts_free(&o->feature_flags, &o->feature_flags_n);
    nj_texts_free(&o->unserved, &o->unserved_n);
    nj_texts_free(&o->ignored, &o->ignored_n);
    *o = (struct nj_options){ 0 };
}

void nj_options_add_unserved(struct nj_options *o, const char *sentence)
{
    nj_texts_add(&o->unserved, &o->unserved_n, sentence);
}

void nj_options_add_ignored(struct nj_options *o, const char *sentence)
{
    nj_texts_add(&o->ignored, &o->ignored_n, sentence);
}

/* ---- values of one type --------------------------------------------------------------------- */

static void *member_of(struct nj_option_reader *r, const struct nj_option *opt)
{
    return (char *) r->o + opt->offset;
}

/* Into an int or an int64_t; an int keeps the nearest it can hold. */
static void set_int(struct nj_option_reader *r, const struct nj_option *opt,
                    const struct nj_conf_member *m)
{
    int64_t n = 0;
    if (!nj_reader_int(r, &m->value, &n)) {
        return;
    }
    if (opt->width == sizeof(int64_t)) {
        *(int64_t *) member_of(r, opt) = n;
    } else {
        *(int *) member_of(r, opt) = n > INT_MAX ? INT_MAX : n < INT_MIN ? INT_MIN : (int) n;
    }
}

static void set_by_type(struct nj_option_reader *r, const struct nj_option *opt,
                        const struct nj_conf_member *m)
{
    switch (opt->type) {
    case NJ_OPTION_BOOL:
        (void) nj_reader_bool(r, &m->value, member_of(r, opt));
        break;
    case NJ_OPTION_INT:
        set_int(r, opt, m);
        break;
    case NJ_OPTION_STRING:
        (void) nj_reader_string(r, &m->value, member_of(r, opt));
        break;
    case NJ_OPTION_DURATION:
        (void) nj_reader_duration(r, m, member_of(r, opt));
        break;
    case NJ_OPTION_OTHER:
        break;
    }
}

/* ---- a file --------------------------------------------------------------------------------- */

/* Read before all others: they decide where the digest comes from, and what others may say. */
static bool comes_first(const struct nj_option *opt)
{
    static const char *const names[] = { "require_fips", "tls_provider", "plugin_dirs" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (opt != NULL && strcmp(opt->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void read_member(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    const struct nj_option *opt = nj_option_find(m->key);
    r->option = &m->value;
    if (opt == NULL) {
        nj_reader_unknown(r, m);
    } else if (!nj_reader_fips_option(r, opt, m)) {
        return;
    } else if (opt->set != NULL) {
        opt->set(r, opt, m);
    } else {
        set_by_type(r, opt, m);
    }
}

/* The file may say ignore_unsupported after what it is about. */
static void judge_unsupported(struct nj_option_reader *r)
{
    static const char *const ignored[] = { "JetStream is configured but not supported by this server",
                                           "MQTT is configured but not supported by this server" };
    static const char *const refused[] = {
        "JetStream is configured but not supported by this server; remove it, or start without it by "
        "ignore_unsupported: true",
        "MQTT is configured but not supported by this server; remove it, or start without it by "
        "ignore_unsupported: true"
    };
    bool ignore = r->o->ignore_unsupported;
    void (*add)(struct nj_options *, const char *) =
        ignore ? nj_options_add_ignored : nj_options_add_unserved;
    if (r->jetstream) {
        add(r->o, ignore ? ignored[0] : refused[0]);
    }
    if (r->mqtt) {
        add(r->o, ignore ? ignored[1] : refused[1]);
    }
}

static void read_first(struct nj_option_reader *r, const struct nj_conf_value *root)
{
    const struct nj_conf_map *map = root->as.map;
    for (size_t i = 0; i < map->count; i++) {
        if (comes_first(nj_option_find(map->members[i].key))) {
            read_member(r, &map->members[i]);
        }
    }
}

static void read_tree(struct nj_option_reader *r, const char *path,
                      const struct nj_conf_value *root)
{
    const struct nj_conf_map *map = root->as.map;
    if (map->count == 0) {
        (void) nj_buf_printf(&r->warnings, "%s: config has no values or is empty\n", path);
    }
    for (size_t i = 0; i < map->count; i++) {
        if (!comes_first(nj_option_find(map->members[i].key))) {
            read_member(r, &map->members[i]);
        }
    }
    judge_unsupported(r);
    if (r->o->port == 0) {
        r->o->port = 4222;
    }
    if (r->o->max_closed_clients == 0) {
        r->o->max_closed_clients = CLOSED_CLIENTS_DEFAULT;
    }
    if (r->o->host == NULL) {
        r->o->host = nj_strdup("0.0.0.0");
    }
    if (r->o->http_base_path == NULL) {
        r->o->http_base_path = nj_strdup("");
    }
}

static int take_digest(const struct nj_options_hooks *hooks, const struct nj_conf *conf,
                       struct nj_options *o, struct nj_buf *messages_out)
{
    _Static_assert(sizeof(o->config_digest) >= NJ_CONF_DIGEST_LEN, "the digest fits");
    if (hooks->sha256 == NULL) {
        return NJ_OK;
    }
    int rc = nj_conf_digest(conf, hooks->sha256, hooks->user, o->config_digest);
    if (rc == NJ_E_LIMIT) {
        (void) nj_buf_puts(messages_out, "the configuration is too large once variables are "
                                         "put in");
    } else if (rc != NJ_OK) {
        (void) nj_buf_puts(messages_out, "the digest of the configuration could not be taken");
    }
    return rc;
}

/* 0 is "as if it were not there", not "none at all", which would let nobody say anything. */
static void replace_zeros(struct nj_options *o)
{
    struct nj_options usual;
    nj_options_init(&usual);
    o->max_control_line = o->max_control_line != 0 ? o->max_control_line : usual.max_control_line;
    o->max_payload = o->max_payload != 0 ? o->max_payload : usual.max_payload;
    o->max_pending = o->max_pending != 0 ? o->max_pending : usual.max_pending;
    o->ping_interval_ns = o->ping_interval_ns != 0 ? o->ping_interval_ns : usual.ping_interval_ns;
    o->ping_max = o->ping_max != 0 ? o->ping_max : usual.ping_max;
    o->write_deadline_ns =
        o->write_deadline_ns != 0 ? o->write_deadline_ns : usual.write_deadline_ns;
    nj_options_free(&usual);
}

int nj_options_load(const char *path, const struct nj_options_hooks *hooks,
                    struct nj_options *o_out, struct nj_buf *messages_out)
{
    static const struct nj_options_hooks none = { 0 };
    struct nj_option_reader r = { .o = o_out, .hooks = hooks == NULL ? &none : hooks };
    struct nj_conf *conf = NULL;

    nj_buf_init(&r.warnings, SIZE_MAX);
    nj_buf_init(&r.errors, SIZE_MAX);
    nj_text_set(&o_out->config_file, path);
    int rc = nj_conf_parse_file(path, &conf, messages_out);
    if (rc == NJ_OK) {
        read_first(&r, nj_conf_root(conf));
        rc = take_digest(r.hooks, conf, o_out, messages_out);
    }
    if (rc == NJ_OK) {
        read_tree(&r, path, nj_conf_root(conf));
        (void) nj_buf_append(messages_out, r.warnings.ptr, r.warnings.len);
        (void) nj_buf_append(messages_out, r.errors.ptr, r.errors.len);
        rc = r.errors.len > 0 ? NJ_E_INVALID : NJ_OK;
        replace_zeros(o_out);
    }
    nj_buf_free(&r.warnings);
    nj_buf_free(&r.errors);
    nj_conf_free(&conf);
    return rc;
}

double nj_options_auth_timeout_s(const struct nj_options *o)
{
    if (o->auth_timeout_s > 0) {
        return o->auth_timeout_s;
    }
    return o->tls.present ? (double) o->tls.timeout_ns / 1e9 + 1 : 2;
}

/* ---- start ---------------------------------------------------------------------------------- */

/* Numbers that become unlimited, or a panic of the reference, when they are below zero. */
static int check_signs(const struct nj_options *o, struct nj_error *err)
{
    if (o->max_closed_clients < 0) {
        return nj_error_set(err, NJ_E_INVALID, "max_closed_clients cannot be negative (%" PRId64 ")",
                            o->max_closed_clients);
    }
    if (o->max_control_line < 0) {
        return nj_error_set(err, NJ_E_INVALID, "max_control_line cannot be negative (%lld)",
                            (long long) o->max_control_line);
    }
    return NJ_OK;
}

int nj_options_check(const struct nj_options *o, struct nj_error *err)
{
    char grace[64];
    char duration[64];
    if (o->lame_duck_grace_ns >= o->lame_duck_duration_ns) {
        return nj_error_set(err, NJ_E_INVALID,
                            "lame duck grace period (%s) should be strictly lower than lame duck "
                            "duration (%s)",
                            nj_duration_text(o->lame_duck_grace_ns, grace, sizeof(grace)),
                            nj_duration_text(o->lame_duck_duration_ns, duration, sizeof(duration)));
    }
    if (o->max_payload > o->max_pending) {
        return nj_error_set(err, NJ_E_INVALID,
                            "max_payload (%" PRId32 ") cannot be higher than max_pending "
                            "(%" PRId64 ")",
                            o->max_payload, o->max_pending);
    }
    if (o->server_name != NULL && strchr(o->server_name, ' ') != NULL) {
        return nj_error_set(err, NJ_E_INVALID, "server name cannot contain spaces");
    }
    if (o->tls.ocsp_peer && !o->tls.verify) {
        return nj_error_set(err, NJ_E_INVALID,
                            "OCSP peer verification for client connections requires TLS verify "
                            "(mTLS) to be enabled");
    }
    int rc = check_signs(o, err);
    return rc == NJ_OK ? nj_auth_setup_check(o, err) : rc;
}
