#include "ops/options_mappers.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/conf.h"
#include "ops/option_reader.h"

#define MAPPERS_MOST 16

/* ---- values of the configuration as plug-ins see them ------------------------------------------ */

/* Members that the header shows as const are ours. */
static void *own(const void *p)
{
    return (void *) (uintptr_t) p;
}

static const struct nj_authmap_value **new_items(struct nj_authmap_value *to, size_t n)
{
    const struct nj_authmap_value **items = nj_calloc(n + 1, sizeof(items[0]));
    to->items = items;
    to->items_n = n;
    return items;
}

static void copy_list(struct nj_authmap_value *to, const struct nj_conf_list *l)
{
    const struct nj_authmap_value **items = new_items(to, l->count);
    to->type = NJ_VALUE_LIST;
    for (size_t i = 0; i < l->count; i++) {
        items[i] = nj_value_from_conf(&l->items[i], NULL);
    }
}

static void copy_map(struct nj_authmap_value *to, const struct nj_conf_map *m)
{
    const struct nj_authmap_value **items = new_items(to, m->count);
    to->type = NJ_VALUE_MAP;
    for (size_t i = 0; i < m->count; i++) {
        items[i] = nj_value_from_conf(&m->members[i].value, m->members[i].key);
    }
}

static void copy_content(struct nj_authmap_value *to, const struct nj_conf_value *v)
{
    switch (v->type) {
    case NJ_CONF_STRING:
        to->type = NJ_VALUE_STRING;
        to->text = nj_strndup(v->as.str.ptr, v->as.str.len);
        to->text_len = v->as.str.len;
        break;
    case NJ_CONF_BOOL:
        to->type = NJ_VALUE_BOOL;
        to->integer = v->as.boolean;
        break;
    case NJ_CONF_INT:
        to->type = NJ_VALUE_INT;
        to->integer = v->as.integer;
        break;
    case NJ_CONF_FLOAT:
        to->type = NJ_VALUE_FLOAT;
        to->real = v->as.real;
        break;
    case NJ_CONF_DATE:
        to->type = NJ_VALUE_DATE;
        to->integer = v->as.date_s;
        break;
    case NJ_CONF_LIST:
        copy_list(to, v->as.list);
        break;
    default:
        copy_map(to, v->as.map);
        break;
    }
}

struct nj_authmap_value *nj_value_from_conf(const struct nj_conf_value *v, const char *key)
{
    struct nj_authmap_value *to = nj_zalloc(sizeof(*to));
    to->size = sizeof(*to);
    to->file = v->file != NULL ? nj_strdup(v->file) : NULL;
    to->line = v->line;
    to->col = v->col;
    to->key = key != NULL ? nj_strdup(key) : NULL;
    to->used_as_variable = v->used_as_variable;
    copy_content(to, v);
    return to;
}

void nj_value_free(struct nj_authmap_value **vp)
{
    struct nj_authmap_value *v = *vp;
    if (v == NULL) {
        return;
    }
    *vp = NULL;
    for (size_t i = 0; i < v->items_n; i++) {
        struct nj_authmap_value *item = own(v->items[i]);
        nj_value_free(&item);
    }
    if (v->text != NULL) {
        nj_wipe(own(v->text), v->text_len);
    }
    nj_dealloc(own(v->text));
    nj_dealloc(own(v->file));
    nj_dealloc(own(v->key));
    nj_dealloc(own(v->items));
    nj_dealloc(v);
}

/* ---- what plug-ins say about them -------------------------------------------------------------- */

/* One look of a mapper at its options. */
struct look {
    struct nj_option_reader *r;
    const struct nj_authmap_value *options;
    bool said; /* what is wrong */
};

static void fail_at(struct nj_option_reader *r, const struct nj_authmap_value *at, const char *text)
{
    const struct nj_conf_value place = {
        .type = NJ_CONF_MAP, .file = at->file, .line = at->line, .col = at->col
    };
    char *clean = nj_strdup(text);
    for (char *p = clean; *p != '\0'; p++) {
        *p = (unsigned char) *p < 0x20 || *p == 0x7f ? '?' : *p; /* one error, one line */
    }
    nj_reader_fail(r, &place, "%s", clean);
    nj_dealloc(clean);
}

static void report_error(const struct nj_authmap_report *report, const struct nj_authmap_value *at,
                         const char *text)
{
    struct look *l = report->user;
    l->said = true;
    fail_at(l->r, at != NULL ? at : l->options, text != NULL ? text : "wrong, and no reason given");
}

static void have_checked(struct nj_option_reader *r, const struct nj_conf_value *plugin_at,
                         const struct nj_mapper_entry *e)
{
    struct look look = { .r = r, .options = e->options };
    const struct nj_authmap_report report = { .size = sizeof(report),
                                              .user = &look,
                                              .error = report_error };
    struct nj_error err = NJ_ERROR_INIT;
    if (r->hooks == NULL || r->hooks->check_mapper == NULL) {
        return;
    }
    int rc = r->hooks->check_mapper(r->hooks->user, e->plugin, e->options, &report, &err);
    if (rc >= 0 || look.said) {
        return;
    }
    if (err.text[0] != '\0') {
        nj_reader_fail(r, plugin_at, "%s", err.text);
    } else {
        nj_reader_fail(r, plugin_at, "auth mapper \"%s\" refuses its options and gives no reason",
                       e->plugin);
    }
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void read_timeout(struct nj_option_reader *r, const struct nj_conf_member *m,
                         struct nj_mapper_entry *e)
{
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &e->timeout_ns, &why);
    if (rc == NJ_E_UNSUPPORTED) {
        nj_reader_fail(r, &m->value,
                       "the 'timeout' of a mapper is a duration (\"500ms\") or "
                       "seconds");
    } else if (rc != NJ_OK) {
        nj_reader_fail(r, &m->value, "error parsing the 'timeout' of a mapper: %s", why.ptr);
    } else if (e->timeout_ns <= 0) {
        nj_reader_fail(r, &m->value, "the 'timeout' of a mapper must be more than nothing");
    }
    nj_buf_free(&why);
}

static void read_entry(struct nj_option_reader *r, const struct nj_conf_value *v,
                       struct nj_mapper_entry *e)
{
    const struct nj_conf_value *plugin_at = v;
    size_t errors = r->errors.len;
    for (size_t i = 0; i < v->as.map->count; i++) {
        const struct nj_conf_member *m = &v->as.map->members[i];
        if (nj_key_is(m, "plugin")) {
            plugin_at = &m->value;
            (void) nj_reader_string(r, &m->value, &e->plugin);
        } else if (nj_key_is(m, "timeout")) {
            read_timeout(r, m, e);
        } else if (!nj_key_is(m, "options")) {
            nj_reader_unknown(r, m);
        } else if (m->value.type != NJ_CONF_MAP) {
            nj_reader_expected(r, &m->value, "the options of a mapper to be a map");
        } else {
            nj_value_free(&e->options);
            e->options = nj_value_from_conf(&m->value, m->key);
        }
    }
    if (r->errors.len != errors) {
        return;
    }
    if (e->plugin == NULL) {
        /* A map in a list stands where it ends. */
        nj_reader_fail(r, v->as.map->count > 0 ? &v->as.map->members[0].value : v,
                       "a mapper needs a 'plugin': its name");
        return;
    }
    if (e->options == NULL) {
        const struct nj_conf_map none = { NULL, 0 };
        const struct nj_conf_value empty = {
            .type = NJ_CONF_MAP, .file = v->file, .line = v->line, .col = v->col, .as.map = &none
        };
        e->options = nj_value_from_conf(&empty, "options");
    }
    have_checked(r, plugin_at, e);
}

void nj_reader_mappers(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    struct nj_options *o = r->o;
    if (m->value.type != NJ_CONF_LIST) {
        nj_reader_expected(r, &m->value, "mappers to be an array of maps");
        return;
    }
    const struct nj_conf_list *l = m->value.as.list;
    nj_options_free_mappers(o);
    if (l->count > MAPPERS_MOST) {
        nj_reader_fail(r, &m->value, "more than %d mappers", MAPPERS_MOST);
        return;
    }
    o->mappers = nj_calloc(l->count + 1, sizeof(o->mappers[0]));
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].type != NJ_CONF_MAP) {
            nj_reader_expected(r, &l->items[i], "a mapper to be a map");
            continue;
        }
        read_entry(r, &l->items[i], &o->mappers[o->mappers_n++]);
    }
}

void nj_options_free_mappers(struct nj_options *o)
{
    for (size_t i = 0; i < o->mappers_n; i++) {
        nj_dealloc(o->mappers[i].plugin);
        nj_value_free(&o->mappers[i].options);
    }
    nj_dealloc(o->mappers);
    o->mappers = NULL;
    o->mappers_n = 0;
}
