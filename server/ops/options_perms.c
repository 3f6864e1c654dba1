/* options_perms.c: permissions of a configuration, checked as the reference checks them. */
#include <string.h>

#include "auth/perms.h"
#include "base/alloc.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"
#include "ops/option_reader.h"

/* A growing list of subjects that lie in the tree. */
struct subjects {
    const char **at;
    size_t n;
};

struct rules {
    struct subjects allow[2], deny[2]; /* by direction */
    struct nj_perms_rules perms;
};

/* ---- subjects ------------------------------------------------------------------------------- */

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

    if (!nj_perms_subject_valid(s, subject_len) || strlen(s) != len) {
        refuse(r, at, "subject", s, subject_len);
        return false;
    }
    if (pair && !nj_perms_subject_valid(blank + 1, strlen(blank + 1))) {
        refuse(r, at, "queue", blank + 1, strlen(blank + 1));
        return false;
    }
    return true;
}

static void add(struct subjects *list, const char *subject)
{
    list->at = nj_realloc(list->at, (list->n + 1) * sizeof(list->at[0]));
    list->at[list->n++] = subject;
}

/* The list is replaced: of two spellings of one key the last counts. */
static void read_subjects(struct nj_option_reader *r, const struct nj_conf_value *at,
                          const struct nj_conf_value *v, enum direction way, struct subjects *list)
{
    list->n = 0;
    if (v->type == NJ_CONF_STRING) {
        if (check_subject(r, at, v, way)) {
            add(list, v->as.str.ptr);
        }
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
        add(list, item->as.str.ptr);
    }
}

/* { allow, deny } */
static void read_allow_deny(struct nj_option_reader *r, const struct nj_conf_map *map,
                            enum direction way, struct rules *rules)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *m = &map->members[i];
        if (nj_key_is(m, "allow")) {
            read_subjects(r, &m->value, &m->value, way, &rules->allow[way]);
        } else if (nj_key_is(m, "deny")) {
            read_subjects(r, &m->value, &m->value, way, &rules->deny[way]);
        } else if (!m->value.used_as_variable) {
            nj_reader_fail(r, &m->value,
                           "Unknown field name \"%s\" parsing subject permissions, only 'allow' "
                           "or 'deny' are permitted",
                           m->key);
        }
    }
}

static void read_direction(struct nj_option_reader *r, const struct nj_conf_value *v,
                           enum direction way, struct rules *rules)
{
    rules->allow[way].n = 0;
    rules->deny[way].n = 0;
    if (v->type == NJ_CONF_MAP) {
        read_allow_deny(r, v->as.map, way, rules);
    } else {
        read_subjects(r, NULL, v, way, &rules->allow[way]);
    }
}

/* ---- responses ------------------------------------------------------------------------------ */

static void read_expires(struct nj_option_reader *r, const struct nj_conf_value *v, int64_t *ns_out)
{
    if (v->type != NJ_CONF_STRING) {
        nj_reader_fail(r, v, "error parsing expires, not a duration string");
    } else {
        (void) nj_reader_duration_text(r, v, "expires", ns_out);
    }
}

static void read_responses(struct nj_option_reader *r, const struct nj_conf_value *v,
                           struct nj_perms_rules *rules)
{
    static const char *const counts[] = { "max", "max_msgs", "max_messages", "max_responses",
                                          NULL };
    static const char *const times[] = { "expires", "expiration", "ttl", NULL };
    rules->responses = v->type == NJ_CONF_MAP || (v->type == NJ_CONF_BOOL && v->as.boolean);
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
            (void) nj_reader_int(r, &m->value, &rules->responses_max);
        } else if (nj_key_among(m, times)) {
            read_expires(r, &m->value, &rules->responses_ttl_ns);
        } else if (!m->value.used_as_variable) {
            nj_reader_fail(r, &m->value, "Unknown field \"%s\" parsing permissions", m->key);
        }
    }
}

/* ---- permissions ---------------------------------------------------------------------------- */

static void read_members(struct nj_option_reader *r, const struct nj_conf_map *map,
                         struct rules *rules)
{
    static const char *const publish[] = { "publish", "pub", "import", NULL };
    static const char *const subscribe[] = { "subscribe", "sub", "export", NULL };
    static const char *const responses[] = { "allow_responses", "publish_allow_responses", NULL };
    for (size_t i = 0; i < map->count; i++) {
        const struct nj_conf_member *m = &map->members[i];
        if (nj_key_among(m, publish)) {
            read_direction(r, &m->value, PUBLISH, rules);
        } else if (nj_key_among(m, subscribe)) {
            read_direction(r, &m->value, SUBSCRIBE, rules);
        } else if (nj_key_among(m, responses)) {
            read_responses(r, &m->value, &rules->perms);
        } else if (!m->value.used_as_variable) {
            nj_reader_fail(r, &m->value, "Unknown field \"%s\" parsing permissions", m->key);
        }
    }
}

static struct nj_subject_list list_of(const struct subjects *s)
{
    return (struct nj_subject_list){ .at = s->at, .n = s->n };
}

static void keep(struct nj_option_reader *r, const struct nj_conf_value *v, struct rules *rules,
                 struct nj_perms **perms_out)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_perms *perms = NULL;
    rules->perms.pub_allow = list_of(&rules->allow[PUBLISH]);
    rules->perms.pub_deny = list_of(&rules->deny[PUBLISH]);
    rules->perms.sub_allow = list_of(&rules->allow[SUBSCRIBE]);
    rules->perms.sub_deny = list_of(&rules->deny[SUBSCRIBE]);
    if (nj_perms_new(&rules->perms, &perms, &err) != NJ_OK) {
        nj_reader_fail(r, v, "%s", err.text);
        return;
    }
    nj_perms_unref(perms_out);
    *perms_out = perms;
}

void nj_reader_permissions(struct nj_option_reader *r, const struct nj_conf_value *v,
                           struct nj_perms **perms_out)
{
    struct rules rules = { 0 };
    size_t errors = r->errors.len;
    if (v->type != NJ_CONF_MAP) {
        nj_reader_expected(r, v, "permissions to be a map/struct");
        return;
    }
    read_members(r, v->as.map, &rules);
    if (perms_out != NULL && r->errors.len == errors) {
        keep(r, v, &rules, perms_out);
    }
    for (int way = PUBLISH; way <= SUBSCRIBE; way++) {
        nj_dealloc(rules.allow[way].at);
        nj_dealloc(rules.deny[way].at);
    }
}
