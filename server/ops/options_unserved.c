/*
 * options_unserved.c: what the reference knows and this server does not serve.
 *
 * Such options pass `-t`, where what is cheap to check is checked; each leaves a sentence with
 * which the start is refused, because a server that silently lacks routes or accounts does harm.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"

/* ---- single values -------------------------------------------------------------------------- */

void nj_set_unserved(struct nj_option_reader *r, const struct nj_option *opt,
                     const struct nj_conf_member *m)
{
    nj_reader_unserved(r, m, opt->unserved);
}

/* `false` asks for nothing. */
void nj_set_unserved_bool(struct nj_option_reader *r, const struct nj_option *opt,
                          const struct nj_conf_member *m)
{
    bool on = false;
    if (!nj_reader_bool(r, &m->value, &on)) {
        return;
    }
    if (opt->offset != NJ_OPTION_NOWHERE) {
        *(bool *) (void *) ((char *) r->o + opt->offset) = on;
    }
    if (on) {
        nj_reader_unserved(r, m, opt->unserved);
    }
}

/* 0 asks for nothing. */
void nj_set_unserved_int(struct nj_option_reader *r, const struct nj_option *opt,
                         const struct nj_conf_member *m)
{
    int64_t n = 0;
    if (!nj_reader_int(r, &m->value, &n)) {
        return;
    }
    if (opt->offset != NJ_OPTION_NOWHERE && opt->width == sizeof(int64_t)) {
        *(int64_t *) (void *) ((char *) r->o + opt->offset) = n;
    } else if (opt->offset != NJ_OPTION_NOWHERE) {
        *(int *) (void *) ((char *) r->o + opt->offset) = n < -1 || n > 65535 ? -1 : (int) n;
    }
    if (n != 0) {
        nj_reader_unserved(r, m, opt->unserved);
    }
}

void nj_set_unserved_string(struct nj_option_reader *r, const struct nj_option *opt,
                            const struct nj_conf_member *m)
{
    if (nj_reader_is(r, &m->value, NJ_CONF_STRING) && m->value.as.str.len > 0) {
        nj_reader_unserved(r, m, opt->unserved);
    }
}

void nj_set_known(struct nj_option_reader *r, const struct nj_option *opt,
                  const struct nj_conf_member *m)
{
    (void) r;
    (void) opt;
    (void) m;
}

void nj_set_known_string(struct nj_option_reader *r, const struct nj_option *opt,
                         const struct nj_conf_member *m)
{
    (void) opt;
    (void) nj_reader_is(r, &m->value, NJ_CONF_STRING);
}

void nj_set_system_account(struct nj_option_reader *r, const struct nj_option *opt,
                           const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_STRING) {
        nj_reader_fail(r, &m->value, "system account name must be a string");
    } else if (strcmp(m->value.as.str.ptr, "$SYS") != 0) {
        nj_reader_unserved(r, m, opt->unserved);
    }
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void check_trusted(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    if (nj_nkey_is_public(v->as.str.ptr, 'O')) {
        return;
    }
    char *text = nj_quoted(v->as.str.ptr, v->as.str.len);
    nj_reader_fail(r, v, "trust key %s required to be a valid public operator nkey", text);
    nj_dealloc(text);
}

void nj_set_trusted(struct nj_option_reader *r, const struct nj_option *opt,
                    const struct nj_conf_member *m)
{
    const struct nj_conf_value *v = &m->value;
    if (v->type == NJ_CONF_STRING) {
        check_trusted(r, v);
    } else if (v->type != NJ_CONF_LIST) {
        nj_reader_fail(r, v, "error parsing trusted: unsupported type %s",
                       nj_conf_type_name(v->type));
    }
    for (size_t i = 0; v->type == NJ_CONF_LIST && i < v->as.list->count; i++) {
        const struct nj_conf_value *item = &v->as.list->items[i];
        if (item->type != NJ_CONF_STRING) {
            nj_reader_fail(r, item, "error parsing trusted: unsupported type in array %s",
                           nj_conf_type_name(item->type));
        } else {
            check_trusted(r, item);
        }
    }
    nj_reader_unserved(r, m, opt->unserved);
}

static void check_proxy(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    static const char *const names[] = { "key", "public_key", NULL };
    if (v->type != NJ_CONF_MAP) {
        nj_reader_fail(r, v, "expected proxies' trusted entry to be a map/struct, got %s",
                       nj_conf_type_name(v->type));
        return;
    }
    for (size_t i = 0; i < v->as.map->count; i++) {
        const struct nj_conf_member *m = &v->as.map->members[i];
        if (!nj_key_among(m, names)) {
            nj_reader_unknown(r, m);
        } else if (nj_reader_is(r, &m->value, NJ_CONF_STRING) &&
                   !nj_nkey_is_public(m->value.as.str.ptr, '*')) {
            nj_reader_fail(r, &m->value, "invalid proxy key \"%s\"", m->value.as.str.ptr);
        }
    }
}

void nj_set_proxies(struct nj_option_reader *r, const struct nj_option *opt,
                    const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_MAP) {
        nj_reader_fail(r, &m->value, "expected proxies to be a map/struct, got %s",
                       nj_conf_type_name(m->value.type));
        return;
    }
    const struct nj_conf_map *map = m->value.as.map;
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *in = &map->members[i];
        if (!nj_key_is(in, "trusted")) {
            nj_reader_unknown(r, in);
        } else if (in->value.type != NJ_CONF_LIST) {
            nj_reader_fail(r, &in->value, "expected proxies' trusted field to be an array, got %s",
                           nj_conf_type_name(in->value.type));
        } else {
            for (size_t k = 0; k < in->value.as.list->count; k++) {
                check_proxy(r, &in->value.as.list->items[k]);
            }
        }
    }
    nj_reader_unserved(r, m, opt->unserved);
}

/* ---- JetStream ------------------------------------------------------------------------------ */

static bool jetstream_text(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    static const char *const on[] = { "enabled", "enable", NULL };
    static const char *const off[] = { "disabled", "disable", NULL };
    const struct nj_conf_member word = { .key = v->as.str.ptr, .key_len = v->as.str.len };
    if (!nj_key_among(&word, on) && !nj_key_among(&word, off)) {
        nj_reader_fail(r, v, "Expected 'enabled' or 'disabled' for string value, got '%s'",
                       v->as.str.ptr);
        return false;
    }
    return nj_key_among(&word, on);
}

static bool jetstream_map(struct nj_option_reader *r, const struct nj_conf_map *map)
{
    static const char *const names[] = { "strict",
                                         "store_dir",
                                         "storedir",
                                         "store",
                                         "max_mem",
                                         "max_mem_store",
                                         "max_memory_store",
                                         "max_file",
                                         "max_file_store",
                                         "sync",
                                         "sync_interval",
                                         "domain",
                                         "key",
                                         "ek",
                                         "encryption_key",
                                         "prev_key",
                                         "prev_ek",
                                         "prev_encryption_key",
                                         "cipher",
                                         "extension_hint",
                                         "unique_tag",
                                         "limits",
                                         "tpm",
                                         "max_outstanding_catchup",
                                         "max_buffered_size",
                                         "max_buffered_msgs",
                                         "request_queue_limit",
                                         "info_queue_limit",
                                         "meta_compact",
                                         "meta_compact_size",
                                         "meta_compact_sync",
                                         "max_concurrent_io",
                                         NULL };
    static const char *const enabled[] = { "enabled", "enable", NULL };
    bool on = true;
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *m = &map->members[i];
        if (nj_key_among(m, enabled)) {
            (void) nj_reader_bool(r, &m->value, &on);
        } else if (!nj_key_among(m, names)) {
            nj_reader_unknown(r, m);
        }
    }
    return on;
}

void nj_set_jetstream(struct nj_option_reader *r, const struct nj_option *opt,
                      const struct nj_conf_member *m)
{
    const struct nj_conf_value *v = &m->value;
    (void) opt;
    switch (v->type) {
    case NJ_CONF_BOOL:
        r->jetstream = v->as.boolean;
        break;
    case NJ_CONF_STRING:
        r->jetstream = jetstream_text(r, v);
        break;
    case NJ_CONF_MAP:
        r->jetstream = jetstream_map(r, v->as.map);
        break;
    default:
        nj_reader_fail(r, v, "Expected map, bool or string to define JetStream, got %s",
                       nj_conf_type_name(v->type));
    }
}

void nj_set_js_domain(struct nj_option_reader *r, const struct nj_option *opt,
                      const struct nj_conf_member *m)
{
    (void) opt;
    if (m->value.type != NJ_CONF_MAP) {
        nj_reader_fail(r, &m->value, "error default_js_domain config: unsupported type %s",
                       nj_conf_type_name(m->value.type));
    } else {
        nj_options_add_ignored(r->o, "default_js_domain has no effect: this server has no "
                                     "JetStream");
    }
}

/* ---- TLS towards a resolver -------------------------------------------------------------------- */

void nj_set_resolver_tls(struct nj_option_reader *r, const struct nj_option *opt,
                         const struct nj_conf_member *m)
{
    struct nj_tls_block tls;
    nj_tls_block_init(&tls);
    if (nj_reader_tls(r, m, NJ_TLS_ELSEWHERE, &tls)) {
        nj_reader_unserved(r, m, opt->unserved);
    }
    nj_tls_block_free(&tls);
}
