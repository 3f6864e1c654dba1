/* options_users.c: lists of users. */
#include <stdlib.h>
#include <string.h>

#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/quote.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"

void nj_user_list_clear(struct nj_user_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        nj_user_unref(&list->at[i]);
    }
    nj_dealloc(list->at);
    *list = (struct nj_user_list){ 0 };
}

static void list_add(struct nj_user_list *list, struct nj_user *u)
{
    list->at = nj_realloc(list->at, (list->n + 1) * sizeof(list->at[0]));
    list->at[list->n++] = u;
}

static const char *const user_names[] = { "user", "username", NULL };
static const char *const pass_names[] = { "pass", "password", NULL };
static const char *const permission_names[] = { "permissions", "permission", "authorization",
                                                NULL };
static const char *const type_names[] = { "allowed_connection_types", "connection_types", "clients",
                                          NULL };

/* What is no connection type is gathered in upper case and quoted. */
static void gather_type(struct nj_buf *bad, const char *s, uint32_t *types)
{
    uint32_t type = nj_user_type(s);
    *types |= type;
    if (type != 0) {
        return;
    }
    char *upper = nj_strdup(s);
    for (char *p = upper; *p != '\0'; p++) {
        *p = (char) (*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    }
    (void) nj_buf_puts(bad, bad->len > 0 ? " " : "");
    (void) nj_quote(bad, upper, strlen(upper));
    nj_dealloc(upper);
}

static void read_types(struct nj_option_reader *r, const struct nj_conf_value *v,
                       uint32_t *types_out)
{
    *types_out = 0;
    struct nj_buf bad;
    nj_buf_init(&bad, SIZE_MAX);
    if (v->type == NJ_CONF_STRING) {
        gather_type(&bad, v->as.str.ptr, types_out);
    } else if (v->type != NJ_CONF_LIST) {
        nj_reader_fail(r, v, "error parsing allowed connection types: unsupported type %s",
                       nj_conf_type_name(v->type));
    }
    for (size_t i = 0; v->type == NJ_CONF_LIST && i < v->as.list->count; i++) {
        const struct nj_conf_value *item = &v->as.list->items[i];
        if (item->type == NJ_CONF_STRING) {
            gather_type(&bad, item->as.str.ptr, types_out);
        } else {
            nj_reader_fail(r, item,
                           "error parsing allowed connection types: unsupported type in array %s",
                           nj_conf_type_name(item->type));
        }
    }
    if (bad.len > 0) {
        nj_reader_fail(r, v, "invalid connection types [%s]", bad.ptr);
    }
    nj_buf_free(&bad);
}

/* A list of users being read. */
struct users {
    struct nj_option_reader *r;
    struct nj_user_list *list;
};

/* One entry being read; texts lie in the tree. */
struct entry {
    const char *name;
    const char *pass;
    const char *nkey;
    struct nj_perms *perms; /* a reference */
    uint32_t types;
    bool proxy_required;
};

/* A text that ends at a NUL would be a weaker secret than the one in the file. */
static bool read_text(struct nj_option_reader *r, const struct nj_conf_value *v,
                      const char **text_out)
{
    if (!nj_reader_is(r, v, NJ_CONF_STRING)) {
        return false;
    }
    if (strlen(v->as.str.ptr) != v->as.str.len) {
        nj_reader_fail(r, v, "a name or password must not hold a NUL byte");
        return false;
    }
    *text_out = v->as.str.ptr;
    return true;
}

/* One member of an entry.  Types are wrong one by one; false ends the list. */
static bool read_user_member(struct nj_option_reader *r, const struct nj_conf_member *m,
                             struct entry *e)
{
    const char **where = nj_key_among(m, user_names)   ? &e->name
                         : nj_key_among(m, pass_names) ? &e->pass
                         : nj_key_is(m, "nkey")        ? &e->nkey
                                                       : NULL;
    if (where != NULL) {
        return read_text(r, &m->value, where) &&
               (where != &e->nkey ||
                nj_reader_fips_feature(r, &m->value, m->key, "needs Ed25519")) &&
               (where != &e->pass || nj_reader_fips_password(r, &m->value, e->pass));
    }
    if (nj_key_among(m, permission_names)) {
        nj_reader_permissions(r, &m->value, &e->perms);
    } else if (nj_key_among(m, type_names)) {
        read_types(r, &m->value, &e->types);
    } else if (nj_key_is(m, "proxy_required")) {
        if (nj_reader_bool(r, &m->value, &e->proxy_required) && e->proxy_required) {
            nj_reader_unserved(r, m, "is not served yet; remove it");
        }
        return m->value.type == NJ_CONF_BOOL;
    } else {
        nj_reader_unknown(r, m);
    }
    return true;
}

static bool judge_user(struct users *us, const struct nj_conf_value *last, const struct entry *e)
{
    if (e->nkey != NULL) {
        if (!nj_nkey_is_public(e->nkey, 'U')) {
            nj_reader_fail(us->r, last, "Not a valid public nkey for a user");
            return false;
        }
        if (e->name != NULL || e->pass != NULL) {
            nj_reader_fail(us->r, last, "Nkey users do not take usernames or passwords");
            return false;
        }
    } else if (e->name == NULL || e->name[0] == '\0') {
        nj_reader_fail(us->r, last, "User entry requires a user");
        return false;
    }
    return true;
}

static void add_user(struct users *us, const struct entry *e)
{
    struct nj_user *u = nj_user_new(e->nkey != NULL ? NULL : e->name, e->nkey, e->pass, e->perms);
    u->types = e->types;
    u->flags = e->proxy_required ? NJ_USER_PROXY_REQUIRED : 0;
    list_add(us->list, u);
}

static bool read_user(struct users *us, const struct nj_conf_value *v)
{
    struct entry e = { 0 };
    const struct nj_conf_value *last = v; /* what the reference has looked at last */
    bool go_on = true;
    if (v->type != NJ_CONF_MAP) {
        nj_reader_expected(us->r, v, "user entry to be a map/struct");
        return true;
    }
    for (size_t i = 0; i < v->as.map->count && go_on; i++) {
        last = &v->as.map->members[i].value;
        go_on = read_user_member(us->r, &v->as.map->members[i], &e);
    }
    go_on = go_on && judge_user(us, last, &e);
    if (go_on) {
        add_user(us, &e);
    }
    nj_perms_unref(&e.perms);
    return go_on;
}

/* ---- twins ---------------------------------------------------------------------------------- */

struct name {
    const char *text;
    size_t at;
};

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;
    int c = strcmp(x->text, y->text);
    return c != 0 ? c : x->at < y->at ? -1 : 1;
}

/* The twin that comes first in the list is reported. */
static void report_twins(struct users *us, const struct nj_conf_value *block, const char *what,
                         struct name *names, size_t n)
{
    const struct name *twin = NULL;
    qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i].text, names[i - 1].text) == 0 &&
            (twin == NULL || names[i].at < twin->at)) {
            twin = &names[i];
        }
    }
    if (twin != NULL) {
        char *text = nj_quoted(twin->text, strlen(twin->text));
        nj_reader_fail(us->r, block, "Duplicate %s %s detected", what, text);
        nj_dealloc(text);
    }
}

static void look_for_twins(struct users *us, const struct nj_conf_value *block)
{
    struct name *names = nj_calloc(us->list->n + 1, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < us->list->n; i++) {
        if (us->list->at[i]->name != NULL) {
            names[n++] = (struct name){ us->list->at[i]->name, i };
        }
    }
    report_twins(us, block, "user", names, n);
    n = 0;
    for (size_t i = 0; i < us->list->n; i++) {
        if (us->list->at[i]->name == NULL) {
            names[n++] = (struct name){ us->list->at[i]->nkey, i };
        }
    }
    report_twins(us, block, "nkey", names, n);
    nj_dealloc(names);
}

void nj_reader_users(struct nj_option_reader *r, const struct nj_conf_member *m,
                     const struct nj_conf_value *block, struct nj_user_list *list)
{
    struct users us = { .r = r, .list = list };
    if (m->value.type != NJ_CONF_LIST) {
        nj_reader_expected(r, &m->value, "users field to be an array");
        return;
    }
    const struct nj_conf_list *l = m->value.as.list;
    size_t errors = r->errors.len;
    bool go_on = true;
    for (size_t i = 0; i < l->count && go_on; i++) {
        go_on = read_user(&us, &l->items[i]);
    }
    if (r->errors.len == errors) {
        look_for_twins(&us, block);
    }
}

void nj_user_list_default_perms(struct nj_user_list *list, struct nj_perms *perms)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->at[i]->perms == NULL) {
            list->at[i]->perms = nj_perms_ref(perms);
        }
    }
}
