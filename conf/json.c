/* json.c: a tree as text: canonical JSON, Go's %v, type names, the digest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"

const char *nj_conf_type_name(enum nj_conf_type type)
{
    switch (type) {
    case NJ_CONF_STRING:
        return "string";
    case NJ_CONF_BOOL:
        return "bool";
    case NJ_CONF_INT:
        return "int64";
    case NJ_CONF_FLOAT:
        return "float64";
    case NJ_CONF_DATE:
        return "time.Time";
    case NJ_CONF_LIST:
        return "[]interface {}";
    case NJ_CONF_MAP:
        return "map[string]interface {}";
    }
    return "nil";
}

static int by_key(const void *a, const void *b)
{
    const struct nj_conf_member *x = *(const struct nj_conf_member *const *) a;
    const struct nj_conf_member *y = *(const struct nj_conf_member *const *) b;
    size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(x->key, y->key, n);
    if (order == 0 && x->key_len != y->key_len) {
        order = x->key_len < y->key_len ? -1 : 1;
    }
    return order;
}

/* The members by their keys' bytes.  The caller frees the array. */
static const struct nj_conf_member **sorted(const struct nj_conf_map *m)
{
    const struct nj_conf_member **v = nj_calloc(m->count, sizeof(*v));
    for (size_t i = 0; i < m->count; i++) {
        v[i] = &m->members[i];
    }
    qsort(v, m->count, sizeof(*v), by_key);
    return v;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static int put_rune(struct nj_buf *out, uint32_t rune, const char *raw, size_t width)
{
    static const char *const shorts = "b\bf\fn\nr\rt\t\"\"\\\\"; /* letter, character, ... */

    if (rune == NJ_RUNE_INVALID && width == 1) {
        return nj_buf_puts(out, "\\ufffd");
    }
    for (const char *p = shorts; *p != '\0'; p += 2) {
        if ((uint32_t) (unsigned char) p[1] == rune) {
            return nj_buf_printf(out, "\\%c", p[0]);
        }
    }
    if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 ||
        rune == 0x2029) {
        return nj_buf_printf(out, "\\u%04" PRIx32, rune);
    }
    return nj_buf_append(out, raw, width);
}

static int put_string(struct nj_buf *out, const char *s, size_t len)
{
    int rc = nj_buf_putc(out, '"');
    for (size_t i = 0, width; i < len && rc == NJ_OK; i += width) {
        uint32_t rune = nj_rune_decode(s + i, len - i, &width);
        rc = put_rune(out, rune, s + i, width);
    }
    return rc == NJ_OK ? nj_buf_putc(out, '"') : rc;
}

static int put_list(struct nj_buf *out, const struct nj_conf_list *l)
{
    int rc = nj_buf_putc(out, '[');
    for (size_t i = 0; i < l->count && rc == NJ_OK; i++) {
        rc = i > 0 ? nj_buf_putc(out, ',') : NJ_OK;
        rc = rc == NJ_OK ? nj_conf_json(&l->items[i], out) : rc;
    }
    return rc == NJ_OK ? nj_buf_putc(out, ']') : rc;
}

static int put_map(struct nj_buf *out, const struct nj_conf_map *m)
{
    const struct nj_conf_member **v = sorted(m);
    int rc = nj_buf_putc(out, '{');
    for (size_t i = 0; i < m->count && rc == NJ_OK; i++) {
        rc = i > 0 ? nj_buf_putc(out, ',') : NJ_OK;
        rc = rc == NJ_OK ? put_string(out, v[i]->key, v[i]->key_len) : rc;
        rc = rc == NJ_OK ? nj_buf_putc(out, ':') : rc;
        rc = rc == NJ_OK ? nj_conf_json(&v[i]->value, out) : rc;
    }
    nj_dealloc(v);
    return rc == NJ_OK ? nj_buf_putc(out, '}') : rc;
}

static int put_date(struct nj_buf *out, int64_t date_s, char between, const char *end)
{
    struct tm tm;
    time_t t = (time_t) date_s;
    (void) gmtime_r(&t, &tm);
    return nj_buf_printf(out, "%04d-%02d-%02d%c%02d:%02d:%02d%s", tm.tm_year + 1900, tm.tm_mon + 1,
                         tm.tm_mday, between, tm.tm_hour, tm.tm_min, tm.tm_sec, end);
}

int nj_conf_json(const struct nj_conf_value *v, struct nj_buf *out)
{
    switch (v->type) {
    case NJ_CONF_STRING:
        return put_string(out, v->as.str.ptr, v->as.str.len);
    case NJ_CONF_BOOL:
        return nj_buf_puts(out, v->as.boolean ? "true" : "false");
    case NJ_CONF_INT:
        return nj_buf_printf(out, "%" PRId64, v->as.integer);
    case NJ_CONF_FLOAT:
        nj_go_float_json(out, v->as.real);
        return NJ_OK;
    case NJ_CONF_DATE:
        return nj_buf_putc(out, '"') == NJ_OK ? put_date(out, v->as.date_s, 'T', "Z\"")
                                              : NJ_E_LIMIT;
    case NJ_CONF_LIST:
        return put_list(out, v->as.list);
    case NJ_CONF_MAP:
        return put_map(out, v->as.map);
    }
    return NJ_E_INVALID;
}

/* ---- %v ------------------------------------------------------------------------------------- */

static void print_list(const struct nj_conf_list *l, struct nj_buf *out)
{
    (void) nj_buf_putc(out, '[');
    for (size_t i = 0; i < l->count; i++) {
        (void) nj_buf_puts(out, i > 0 ? " " : "");
        nj_conf_print(&l->items[i], out);
    }
    (void) nj_buf_putc(out, ']');
}

static void print_map(const struct nj_conf_map *m, struct nj_buf *out)
{
    const struct nj_conf_member **v = sorted(m);
    (void) nj_buf_puts(out, "map[");
    for (size_t i = 0; i < m->count; i++) {
        (void) nj_buf_puts(out, i > 0 ? " " : "");
        (void) nj_buf_append(out, v[i]->key, v[i]->key_len);
        (void) nj_buf_putc(out, ':');
        nj_conf_print(&v[i]->value, out);
    }
    (void) nj_buf_putc(out, ']');
    nj_dealloc(v);
}

void nj_conf_print(const struct nj_conf_value *v, struct nj_buf *out)
{
    switch (v->type) {
    case NJ_CONF_STRING:
        (void) nj_buf_append(out, v->as.str.ptr, v->as.str.len);
        break;
    case NJ_CONF_BOOL:
        (void) nj_buf_puts(out, v->as.boolean ? "true" : "false");
        break;
    case NJ_CONF_INT:
        (void) nj_buf_printf(out, "%" PRId64, v->as.integer);
        break;
    case NJ_CONF_FLOAT:
        nj_go_float_text(out, v->as.real);
        break;
    case NJ_CONF_DATE:
        (void) put_date(out, v->as.date_s, ' ', " +0000 UTC");
        break;
    case NJ_CONF_LIST:
        print_list(v->as.list, out);
        break;
    case NJ_CONF_MAP:
        print_map(v->as.map, out);
        break;
    }
}

/* ---- the digest ----------------------------------------------------------------------------- */

int nj_conf_digest(const struct nj_conf *conf, nj_conf_sha256_fn sha256, void *user,
                   char digest_out[NJ_CONF_DIGEST_LEN])
{
    uint8_t hash[32];
    char text[NJ_CONF_DIGEST_LEN] = "sha256:";
    struct nj_buf json;

    nj_buf_init(&json, NJ_CONF_MAX_JSON);
    int rc = nj_conf_json(nj_conf_root(conf), &json);
    rc = rc == NJ_OK ? nj_buf_putc(&json, '\n') : rc;
    rc = rc == NJ_OK ? sha256(user, json.ptr, json.len, hash) : rc;
    nj_buf_wipe(&json);
    if (rc != NJ_OK) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(hash); i++) {
        (void) snprintf(text + 7 + 2 * i, 3, "%02x", (unsigned) hash[i]);
    }
    memcpy(digest_out, text, sizeof(text));
    return NJ_OK;
}
