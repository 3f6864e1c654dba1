/* options_ocsp.c: `ocsp` (staples of our own certificate) and `ocsp_cache`. */
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"
#include "tls/ocsp_staple.h"

/* ---- ocsp ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum nj_ocsp_mode mode;
} modes[] = {
    { "auto", NJ_OCSP_AUTO },
    { "always", NJ_OCSP_ALWAYS },
    { "must", NJ_OCSP_MUST },
    { "never", NJ_OCSP_NEVER },
};

static bool read_mode(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    if (v->type != NJ_CONF_STRING) {
        nj_reader_fail(r, r->option, "interface conversion: interface {} is %s, not string",
                       nj_conf_type_name(v->type));
        return false;
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcasecmp(v->as.str.ptr, modes[i].name) == 0) {
            r->o->ocsp_mode = (int) modes[i].mode;
            return true;
        }
    }
    /* the reference prints the type for the value */
    nj_reader_fail(r, v, "error parsing ocsp config: unsupported ocsp mode string");
    return false;
}

static bool add_url(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    if (!nj_reader_is(r, v, NJ_CONF_STRING)) {
        return false;
    }
    if (v->as.str.len > 0) {
        nj_texts_add(&r->o->ocsp_urls, &r->o->ocsp_urls_n, v->as.str.ptr);
    }
    return true;
}

/* One address, or a list of them: the reference documents `urls` and cannot read it. */
static bool read_urls(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    nj_texts_free(&r->o->ocsp_urls, &r->o->ocsp_urls_n);
    if (v->type != NJ_CONF_LIST) {
        return add_url(r, v);
    }
    for (size_t i = 0; i < v->as.list->count; i++) {
        if (!add_url(r, &v->as.list->items[i])) {
            return false;
        }
    }
    return true;
}

/* True when the block may go on; its member names are matched exactly. */
static bool ocsp_member(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (strcmp(m->key, "mode") == 0) {
        return read_mode(r, &m->value);
    }
    if (strcmp(m->key, "url") == 0 || strcmp(m->key, "urls") == 0) {
        return read_urls(r, &m->value);
    }
    nj_reader_fail(r, &m->value, "error parsing ocsp config: unsupported field string");
    return false;
}

void nj_set_ocsp(struct nj_option_reader *r, const struct nj_option *opt,
                 const struct nj_conf_member *m)
{
    const struct nj_conf_value *v = &m->value;
    (void) opt;
    r->o->ocsp_mode = NJ_OCSP_AUTO;
    nj_texts_free(&r->o->ocsp_urls, &r->o->ocsp_urls_n);
    if (v->type == NJ_CONF_BOOL) {
        r->o->ocsp_mode = v->as.boolean ? NJ_OCSP_AUTO : NJ_OCSP_NEVER;
    } else if (v->type != NJ_CONF_MAP) {
        nj_reader_fail(r, v, "error parsing ocsp config: unsupported type %s",
                       nj_conf_type_name(v->type));
    }
    for (size_t i = 0; v->type == NJ_CONF_MAP && i < v->as.map->count; i++) {
        if (!ocsp_member(r, &v->as.map->members[i])) {
            return;
        }
    }
}

/* ---- ocsp_cache ----------------------------------------------------------------------------- */

static void cache_unknown(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    nj_reader_fail(r, &m->value, "error parsing OCSP peer cache config, unknown field [\"%s\"]",
                   m->key);
}

static void cache_interval(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    struct nj_buf why;
    int64_t ns = 0;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &ns, &why);
    if (rc == NJ_E_INVALID) {
        nj_reader_fail(r, &m->value, "error parsing tls peer config, conversion error: %s",
                       why.ptr);
    } else if (rc != NJ_OK) {
        cache_unknown(r, m);
    }
    nj_buf_free(&why);
}

static void cache_member(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    const struct nj_conf_value *v = &m->value;
    if (nj_key_is(m, "type") && v->type == NJ_CONF_STRING) {
        if (strcasecmp(v->as.str.ptr, "local") != 0 && strcasecmp(v->as.str.ptr, "none") != 0) {
            nj_reader_fail(r, v, "error parsing OCSP peer cache config, unknown type [%s]",
                           v->as.str.ptr);
        }
        r->o->ocsp_no_cache = strcasecmp(v->as.str.ptr, "none") == 0;
    } else if (nj_key_is(m, "save_interval")) {
        cache_interval(r, m);
    } else if (!(nj_key_is(m, "local_store") && v->type == NJ_CONF_STRING) &&
               !(nj_key_is(m, "preserve_revoked") && v->type == NJ_CONF_BOOL)) {
        cache_unknown(r, m);
    }
}

/* Answers about peers are kept in memory: there is no file of them. */
void nj_set_ocsp_cache(struct nj_option_reader *r, const struct nj_option *opt,
                       const struct nj_conf_member *m)
{
    const struct nj_conf_value *v = &m->value;
    (void) opt;
    r->o->ocsp_no_cache = v->type == NJ_CONF_BOOL && !v->as.boolean;
    if (v->type == NJ_CONF_MAP) {
        for (size_t i = 0; i < v->as.map->count; i++) {
            cache_member(r, &v->as.map->members[i]);
        }
    } else if (v->type != NJ_CONF_BOOL) {
        nj_reader_fail(r, v, "error parsing tags: unsupported type %s", nj_conf_type_name(v->type));
    }
}
