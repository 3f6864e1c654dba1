/* options_top.c: top-level options that are more than one value of one type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"

void nj_set_listen(struct nj_option_reader *r, const struct nj_option *opt,
                   const struct nj_conf_member *m)
{
    (void) opt;
    (void) nj_reader_listen(r, &m->value, &r->o->host, &r->o->port);
}

void nj_set_http(struct nj_option_reader *r, const struct nj_option *opt,
                 const struct nj_conf_member *m)
{
    (void) opt;
    (void) nj_reader_listen(r, &m->value, &r->o->http_host, &r->o->http_port);
}

void nj_set_https(struct nj_option_reader *r, const struct nj_option *opt,
                  const struct nj_conf_member *m)
{
    (void) opt;
    (void) nj_reader_listen(r, &m->value, &r->o->http_host, &r->o->https_port);
}

void nj_set_server_name(struct nj_option_reader *r, const struct nj_option *opt,
                        const struct nj_conf_member *m)
{
    (void) opt;
    if (nj_reader_is(r, &m->value, NJ_CONF_STRING)) {
        if (strchr(m->value.as.str.ptr, ' ') != NULL) {
            nj_reader_fail(r, &m->value, "server name cannot contain spaces");
        } else {
            nj_text_set(&r->o->server_name, m->value.as.str.ptr);
        }
    }
}

static bool all_strings(const struct nj_conf_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].type != NJ_CONF_STRING) {
            return false;
        }
    }
    return true;
}

/* A string or a list of strings, appended; false when it is neither. */
static bool add_texts(const struct nj_conf_value *v, char ***list, size_t *n)
{
    if (v->type == NJ_CONF_STRING) {
        nj_texts_add(list, n, v->as.str.ptr);
        return true;
    }
    if (v->type != NJ_CONF_LIST || !all_strings(v->as.list)) {
        return false;
    }
    for (size_t i = 0; i < v->as.list->count; i++) {
        nj_texts_add(list, n, v->as.list->items[i].as.str.ptr);
    }
    return true;
}

void nj_set_tags(struct nj_option_reader *r, const struct nj_option *opt,
                 const struct nj_conf_member *m)
{
    struct nj_options *o = r->o;
    (void) opt;
    nj_texts_free(&o->server_tags, &o->server_tags_n);
    if (add_texts(&m->value, &o->server_tags, &o->server_tags_n)) {
        return;
    }
    if (m->value.type == NJ_CONF_LIST) {
        /* the reference names the type of its own wrapper */
        nj_reader_fail(r, &m->value,
                       "error parsing tags: unsupported type *conf.token where "
                       "string is expected");
    } else {
        nj_reader_fail(r, &m->value, "error parsing tags: unsupported type %s",
                       nj_conf_type_name(m->value.type));
    }
}

void nj_set_metadata(struct nj_option_reader *r, const struct nj_option *opt,
                     const struct nj_conf_member *m)
{
    struct nj_options *o = r->o;
    (void) opt;
    if (m->value.type != NJ_CONF_MAP) {
        nj_reader_fail(r, &m->value, "error parsing metadata: unsupported type %s",
                       nj_conf_type_name(m->value.type));
        return;
    }
    nj_texts_free(&o->server_metadata, &o->server_metadata_n);
    const struct nj_conf_map *map = m->value.as.map;
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *pair = &map->members[i];
        if (nj_reader_is(r, &pair->value, NJ_CONF_STRING)) {
            nj_texts_add(&o->server_metadata, &o->server_metadata_n, pair->key);
            nj_texts_add(&o->server_metadata, &o->server_metadata_n, pair->value.as.str.ptr);
        }
    }
}

/* Of pairs: each begins with its name. */
static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

void nj_set_feature_flags(struct nj_option_reader *r, const struct nj_option *opt,
                          const struct nj_conf_member *m)
{
    (void) opt;
    if (m->value.type != NJ_CONF_MAP) {
        nj_reader_fail(r, &m->value, "error parsing feature flags: unsupported type %s",
                       nj_conf_type_name(m->value.type));
        return;
    }
    nj_texts_free(&r->o->feature_flags, &r->o->feature_flags_n);
    const struct nj_conf_map *map = m->value.as.map;
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *flag = &map->members[i];
        if (flag->value.type != NJ_CONF_BOOL) {
            char *name = nj_quoted(flag->key, flag->key_len);
            nj_reader_fail(r, &flag->value, "error parsing feature flag %s: expected bool, got %s",
                           name, nj_conf_type_name(flag->value.type));
            nj_dealloc(name);
        } else if (nj_key_is(flag, "ignore_unsupported")) {
            r->o->ignore_unsupported = flag->value.as.boolean;
        } else {
            nj_texts_add(&r->o->feature_flags, &r->o->feature_flags_n, flag->key);
            nj_texts_add(&r->o->feature_flags, &r->o->feature_flags_n,
                         flag->value.as.boolean ? "true" : "false");
        }
    }
    if (r->o->feature_flags_n > 0) {
        qsort(r->o->feature_flags, r->o->feature_flags_n / 2, 2 * sizeof(char *), by_name);
    }
}

void nj_set_lame_duck(struct nj_option_reader *r, const struct nj_option *opt,
                      const struct nj_conf_member *m)
{
    char text[64];
    int64_t ns = 0;
    if (!nj_reader_is(r, &m->value, NJ_CONF_STRING) ||
        !nj_reader_duration_text(r, &m->value, opt->name, &ns)) {
        return;
    }
    if (strcmp(opt->name, "lame_duck_duration") == 0) {
        if (ns < INT64_C(30000000000)) {
            nj_reader_fail(r, &m->value, "invalid lame_duck_duration of %s, minimum is 30 seconds",
                           nj_duration_text(ns, text, sizeof(text)));
        } else {
            r->o->lame_duck_duration_ns = ns;
        }
    } else if (ns < 0) {
        nj_reader_fail(r, &m->value, "invalid lame_duck_grace_period, needs to be positive");
    } else if (ns > 0) {
        r->o->lame_duck_grace_ns = ns;
    }
}

/* trace_verbose and trace_headers set `trace` to the same. */
void nj_set_trace_kind(struct nj_option_reader *r, const struct nj_option *opt,
                       const struct nj_conf_member *m)
{
    bool on = false;
    if (nj_reader_bool(r, &m->value, &on)) {
        *(bool *) (void *) ((char *) r->o + opt->offset) = on;
        r->o->trace = on;
    }
}

/* 0 in the file means that nobody may connect; without the option the preset holds. */
void nj_set_max_connections(struct nj_option_reader *r, const struct nj_option *opt,
                            const struct nj_conf_member *m)
{
    int64_t n = 0;
    (void) opt;
    if (nj_reader_int(r, &m->value, &n)) {
        r->o->max_connections = n == 0 ? -1 : n;
    }
}

void nj_set_max_sub_tokens(struct nj_option_reader *r, const struct nj_option *opt,
                           const struct nj_conf_member *m)
{
    int64_t n = 0;
    (void) opt;
    if (!nj_reader_int(r, &m->value, &n)) {
        return;
    }
    if (n > 255) {
        nj_reader_fail(r, &m->value, "%s value is too big", m->key);
    } else if (n <= 0) {
        nj_reader_fail(r, &m->value, "%s value can not be negative", m->key);
    } else {
        r->o->max_sub_tokens = (int) n;
    }
}

void nj_set_int32(struct nj_option_reader *r, const struct nj_option *opt,
                  const struct nj_conf_member *m)
{
    int64_t n = 0;
    if (!nj_reader_int(r, &m->value, &n)) {
        return;
    }
    if (n > INT32_MAX) {
        nj_reader_fail(r, &m->value, "%s value is too big", m->key);
        return;
    }
    int32_t kept = n < INT32_MIN ? INT32_MIN : (int32_t) n;
    memcpy((char *) r->o + opt->offset, &kept, sizeof(kept));
}

void nj_set_write_timeout(struct nj_option_reader *r, const struct nj_option *opt,
                          const struct nj_conf_member *m)
{
    (void) opt;
    if (!nj_reader_is(r, &m->value, NJ_CONF_STRING)) {
        return;
    }
    const char *s = m->value.as.str.ptr;
    bool retry = strcmp(s, "retry") == 0;
    if (!retry && strcmp(s, "default") != 0 && strcmp(s, "close") != 0) {
        nj_reader_fail(r, &m->value, "write_timeout must be 'default', 'close' or 'retry'");
    } else {
        r->o->write_timeout_retry = retry ? 1 : 0;
    }
}

/* ---- natterjack's own ----------------------------------------------------------------------- */

void nj_set_tls_provider(struct nj_option_reader *r, const struct nj_option *opt,
                         const struct nj_conf_member *m)
{
    (void) opt;
    if (!nj_reader_is(r, &m->value, NJ_CONF_STRING)) {
        return;
    }
    const char *s = m->value.as.str.ptr;
    if (s[0] == '\0' || s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0') {
        char *name = nj_quoted(s, m->value.as.str.len);
        nj_reader_fail(r, &m->value,
                       "tls_provider %s is no provider name: lower-case letters, digits, _ and -",
                       name);
        nj_dealloc(name);
    } else {
        nj_text_set(&r->o->tls_provider, s);
    }
}

void nj_set_plugin_dirs(struct nj_option_reader *r, const struct nj_option *opt,
                        const struct nj_conf_member *m)
{
    struct nj_options *o = r->o;
    (void) opt;
    nj_texts_free(&o->plugin_dirs, &o->plugin_dirs_n);
    if (!add_texts(&m->value, &o->plugin_dirs, &o->plugin_dirs_n)) {
        nj_reader_fail(r, &m->value, "plugin_dirs must be a string or a list of strings");
    }
}

void nj_set_workers(struct nj_option_reader *r, const struct nj_option *opt,
                    const struct nj_conf_member *m)
{
    int64_t n = 0;
    (void) opt;
    if (!nj_reader_int(r, &m->value, &n)) {
        return;
    }
    if (n < 1 || n > 256) {
        nj_reader_fail(r, &m->value, "workers must be 1 to 256, not %lld", (long long) n);
    } else {
        r->o->workers = (int) n;
    }
}
