/*
 * options_users.c: lists of users and their permissions.  They are checked as the reference checks
 * them and not kept: serving them is not done yet.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"

/* ---- subjects ------------------------------------------------------------------------------- */

/* No blanks, no empty token, ">" alone and last. */
static bool is_subject(const char *s, size_t len)
{
    size_t start = 0;
    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i <= len; i++) {
        if (i < len && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r' && s[i] != '\v'))) {
            return false;
        }
        if (i == len || s[i] == '.') {
            bool tail = i - start == 1 && s[start] == '>';
            if (i == start || (tail && i < len)) {
                return false;
            }
            start = i + 1;
        }
    }
    return true;
}

enum direction { PUBLISH, SUBSCRIBE };

/* Report with a place, or without where the reference gives none. */
static void refuse(struct nj_option_reader *r, const struct nj_conf_value *at, const char *what,
                   const char *s, size_t len)
{
    char *text = nj_quoted(s, len);
    if (at == NULL) {
        nj_reader_fail_plain(r, "%s %s is not a valid %s", what, text, what);
    } else {
        nj_reader_fail(r, at, "%s %s is not a valid %s", what, text, what);
    }
    nj_dealloc(text);
}

/* "SUBJECT", or for subscriptions also "SUBJECT QUEUE". */
static bool check_subject(struct nj_option_reader *r, const struct nj_conf_value *at,
                          const struct nj_conf_value *v, enum direction way)
{
    const char *s = v->as.str.ptr;
    size_t len = v->as.str.len;
    const char *blank = strchr(s, ' ');
    bool pair = way == SUBSCRIBE && blank != NULL && strchr(blank + 1, ' ') == NULL;
    size_t subject_len = pair ? (size_t) (blank - s) : len;

    if (!is_subject(s, subject_len)) {
        refuse(r, at, "subject", s, subject_len);
        return false;
    }
    if (pair && !is_subject(blank + 1, strlen(blank + 1))) {
        refuse(r, at, "queue", blank + 1, strlen(blank + 1));
        return false;
    }
    return true;
}

static void check_subjects(struct nj_option_reader *r, const struct nj_conf_value *at,
                           const struct nj_conf_value *v, enum direction way)
{
    if (v->type == NJ_CONF_STRING) {
        (void) check_subject(r, at, v, way);
        return;
    }
    if (v->type != NJ_CONF_LIST) {
        const char *type = nj_conf_type_name(v->type);
        const char *text = "Expected subject permissions to be a subject, or array of subjects, "
                           "got";
        if (at == NULL) {
            nj_reader_fail_plain(r, "%s %s", text, type);
        } else {
            nj_reader_fail(r, at, "%s %s", text, type);
        }
        return;
    }
    for (size_t i = 0; i < v->as.list->count; i++) {
        const struct nj_conf_value *item = &v->as.list->items[i];
        if (item->type != NJ_CONF_STRING) {
            nj_reader_fail(r, item, "Subject in permissions array cannot be cast to string");
            return;
        }
        if (!check_subject(r, at, item, way)) {
            return;
        }
    }
}

/* { allow, deny } */
static void check_allow_deny(struct nj_option_reader *r, const struct nj_conf_map *map,
                             enum direction way)
{
    static const char *const names[] = { "allow", "deny", NULL };
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *m = &map->members[i];
        if (nj_key_among(m, names)) {
            check_subjects(r, &m->value, &m->value, way);
        } else if (!m->value.used_as_variable) {
            nj_reader_fail(r, &m->value,
                           "Unknown field name \"%s\" parsing subject permissions, only 'allow' "
                           "or 'deny' are permitted",
                           m->key);
        }
    }
}

static void check_direction(struct nj_option_reader *r, const struct nj_conf_value *v,
                            enum direction way)
{
    if (v->type == NJ_CONF_MAP) {
        check_allow_deny(r, v->as.map, way);
    } else {
        check_subjects(r, NULL, v, way);
    }
}

/* ---- permissions ---------------------------------------------------------------------------- */

static void check_expires(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    int64_t ns = 0;
    if (v->type != NJ_CONF_STRING) {
        nj_reader_fail(r, v, "error parsing expires, not a duration string");
    } else {
        (void) nj_reader_duration_text(r, v, "expires", &ns);
    }
}

static void check_responses(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    static const char *const counts[] = { "max", "max_msgs", "max_messages", "max_responses",
                                          NULL };
    static const char *const times[] = { "expires", "expiration", "ttl", NULL };
    if (v->type == NJ_CONF_BOOL) {
        return;
    }
    if (v->type != NJ_CONF_MAP) {
        nj_reader_fail(r, v, "error parsing response permissions, expected a boolean or a map");
        return;
    }
    for (size_t i = 0; i < v->as.map->count; i++) {
        const struct nj_conf_member *m = &v->as.map->members[i];
        if (nj_key_among(m, counts)) {
            (void) nj_reader_is(r, &m->value, NJ_CONF_INT);
        } else if (nj_key_among(m, times)) {
            check_expires(r, &m->value);
        } else if (!m->value.used_as_variable) {
            nj_reader_fail(r, &m->value, "Unknown field \"%s\" parsing permissions", m->key);
        }
    }
}

void nj_reader_permissions(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    static const char *const publish[] = { "publish", "pub", "import", NULL };
    static const char *const subscribe[] = { "subscribe", "sub", "export", NULL };
    static const char *const responses[] = { "allow_responses", "publish_allow_responses", NULL };
    if (v->type != NJ_CONF_MAP) {
        nj_reader_expected(r, v, "permissions to be a map/struct");
        return;
    }
    for (size_t i = 0; i < v->as.map->count; i++) {
        const struct nj_conf_member *m = &v->as.map->members[i];
        if (nj_key_among(m, publish)) {
            check_direction(r, &m->value, PUBLISH);
        } else if (nj_key_among(m, subscribe)) {
            check_direction(r, &m->value, SUBSCRIBE);
        } else if (nj_key_among(m, responses)) {
            check_responses(r, &m->value);
        } else if (!m->value.used_as_variable) {
            nj_reader_fail(r, &m->value, "Unknown field \"%s\" parsing permissions", m->key);
        }
    }
}

/* ---- users ---------------------------------------------------------------------------------- */

static const char *const user_names[] = { "user", "username", NULL };
static const char *const pass_names[] = { "pass", "password", NULL };
static const char *const permission_names[] = { "permissions", "permission", "authorization",
                                                NULL };
static const char *const type_names[] = { "allowed_connection_types", "connection_types", "clients",
                                          NULL };

static bool is_connection_type(const char *s)
{
    static const char *const known[] = { "STANDARD", "WEBSOCKET", "LEAFNODE",  "LEAFNODE_WS",
                                         "MQTT",     "MQTT_WS",   "IN_PROCESS" };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(known[i], s) == 0) {
            return true;
        }
    }
    return false;
}

/* Gather what is no connection type, in upper case and quoted. */
static void gather_bad_type(struct nj_buf *bad, const char *s)
{
    if (is_connection_type(s)) {
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

static void check_types(struct nj_option_reader *r, const struct nj_conf_value *v)
{
    struct nj_buf bad;
    nj_buf_init(&bad, SIZE_MAX);
    if (v->type == NJ_CONF_STRING) {
        gather_bad_type(&bad, v->as.str.ptr);
    } else if (v->type != NJ_CONF_LIST) {
        nj_reader_fail(r, v, "error parsing allowed connection types: unsupported type %s",
                       nj_conf_type_name(v->type));
    }
    for (size_t i = 0; v->type == NJ_CONF_LIST && i < v->as.list->count; i++) {
        const struct nj_conf_value *item = &v->as.list->items[i];
        if (item->type == NJ_CONF_STRING) {
            gather_bad_type(&bad, item->as.str.ptr);
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
    const char **names; /* in the tree */
    size_t names_n;
    const char **nkeys;
    size_t nkeys_n;
};

struct user {
    const char *name;
    const char *pass;
    const char *nkey;
};

/* One member of an entry.  Types are wrong one by one; false ends the list. */
static bool read_user_member(struct nj_option_reader *r, const struct nj_conf_member *m,
                             struct user *u)
{
    const char **where = nj_key_among(m, user_names)   ? &u->name
                         : nj_key_among(m, pass_names) ? &u->pass
                         : nj_key_is(m, "nkey")        ? &u->nkey
                                                       : NULL;
    if (where != NULL) {
        if (!nj_reader_is(r, &m->value, NJ_CONF_STRING)) {
            return false;
        }
        *where = m->value.as.str.ptr;
        return (where != &u->nkey ||
                nj_reader_fips_feature(r, &m->value, m->key, "needs Ed25519")) &&
               (where != &u->pass || nj_reader_fips_password(r, &m->value, u->pass));
    } else if (nj_key_among(m, permission_names)) {
        nj_reader_permissions(r, &m->value);
    } else if (nj_key_among(m, type_names)) {
        check_types(r, &m->value);
    } else if (nj_key_is(m, "proxy_required")) {
        return nj_reader_is(r, &m->value, NJ_CONF_BOOL);
    } else {
        nj_reader_unknown(r, m);
    }
    return true;
}

static bool judge_user(struct users *us, const struct nj_conf_value *last, const struct user *u)
{
    if (u->nkey != NULL) {
        if (!nj_nkey_is_public(u->nkey, 'U')) {
            nj_reader_fail(us->r, last, "Not a valid public nkey for a user");
            return false;
        }
        if (u->name != NULL || u->pass != NULL) {
            nj_reader_fail(us->r, last, "Nkey users do not take usernames or passwords");
            return false;
        }
        us->nkeys[us->nkeys_n++] = u->nkey;
        return true;
    }
    if (u->name == NULL || u->name[0] == '\0') {
        nj_reader_fail(us->r, last, "User entry requires a user");
        return false;
    }
    us->names[us->names_n++] = u->name;
    return true;
}

static bool read_user(struct users *us, const struct nj_conf_value *v)
{
    struct user u = { NULL, NULL, NULL };
    const struct nj_conf_value *last = v; /* what the reference has looked at last */
    if (v->type != NJ_CONF_MAP) {
        nj_reader_expected(us->r, v, "user entry to be a map/struct");
        return true;
    }
    for (size_t i = 0; i < v->as.map->count; i++) {
        last = &v->as.map->members[i].value;
        if (!read_user_member(us->r, &v->as.map->members[i], &u)) {
            return false;
        }
    }
    return judge_user(us, last, &u);
}

static void report_twins(struct users *us, const struct nj_conf_value *block, const char *what,
                         const char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0) {
                char *text = nj_quoted(names[i], strlen(names[i]));
                nj_reader_fail(us->r, block, "Duplicate %s %s detected", what, text);
                nj_dealloc(text);
                return;
            }
        }
    }
}

void nj_reader_users(struct nj_option_reader *r, const struct nj_conf_member *m,
                     const struct nj_conf_value *block)
{
    struct users us = { .r = r };
    if (m->value.type != NJ_CONF_LIST) {
        nj_reader_expected(r, &m->value, "users field to be an array");
        return;
    }
    const struct nj_conf_list *l = m->value.as.list;
    us.names = nj_calloc(l->count, sizeof(*us.names));
    us.nkeys = nj_calloc(l->count, sizeof(*us.nkeys));
    size_t errors = r->errors.len;
    bool go_on = true;
    for (size_t i = 0; i < l->count && go_on; i++) {
        go_on = read_user(&us, &l->items[i]);
    }
    if (r->errors.len == errors) {
        report_twins(&us, block, "user", us.names, us.names_n);
        report_twins(&us, block, "nkey", us.nkeys, us.nkeys_n);
    }
    nj_dealloc(us.names);
    nj_dealloc(us.nkeys);
}
