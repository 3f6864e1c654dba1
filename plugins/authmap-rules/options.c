#include "plugins/authmap-rules/rules.h"

#include <stdlib.h>
#include <strings.h>

static const char *const types[] = { "CN",           "OU",           "O",      "C",   "L",
                                     "ST",           "STREET",       "DC",     "UID", "POSTALCODE",
                                     "SERIALNUMBER", "emailAddress", "email",  "dns", "uri",
                                     "ip",           TYPE_ADDRESS,   TYPE_SPKI };

/* The rules being read. */
struct reader {
    const struct nj_authmap_report *report;
    int faults;
};

const char *rules_type(const char *key)
{
    size_t dots = 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(types[i], key) == 0) {
            return types[i];
        }
    }
    if (strspn(key, "0123456789.") != strlen(key) || strstr(key, "..") != NULL) {
        return NULL;
    }
    for (const char *p = key; *p != '\0'; p++) {
        dots += *p == '.';
    }
    return dots > 0 && key[0] != '.' && key[strlen(key) - 1] != '.' ? key : NULL;
}

static void fail(struct reader *r, const struct nj_authmap_value *at, const char *text)
{
    r->faults++;
    if (r->report != NULL) {
        r->report->error(r->report, at, text);
    }
}

static void fail_key(struct reader *r, const struct nj_authmap_value *at, const char *what)
{
    char text[200];
    if (at->used_as_variable == 0) {
        (void) snprintf(text, sizeof(text), "%s \"%.64s\"", what, at->key);
        fail(r, at, text);
    }
}

static char *copy(const char *s)
{
    char *to = rules_host->base->alloc(strlen(s) + 1);
    memcpy(to, s, strlen(s));
    return to;
}

/* A text without NULs; NULL was reported. */
static const char *text_of(struct reader *r, const struct nj_authmap_value *v, const char *what)
{
    if (v->type != NJ_VALUE_STRING || strlen(v->text) != v->text_len || v->text_len == 0) {
        fail(r, v, what);
        return NULL;
    }
    return v->text;
}

/* One value or a list of them: how many, and the i-th. */
static size_t count_of(const struct nj_authmap_value *v)
{
    return v->type == NJ_VALUE_LIST ? v->items_n : 1;
}

static const struct nj_authmap_value *item_of(const struct nj_authmap_value *v, size_t i)
{
    return v->type == NJ_VALUE_LIST ? v->items[i] : v;
}

/* ---- match ------------------------------------------------------------------------------------- */

static void read_condition(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    const char *type = rules_type(v->key);
    size_t n = count_of(v);
    size_t stars = 0;
    if (type == NULL) {
        fail_key(r, v, "no name or attribute is called");
        return;
    }
    if (n == 0 || n > PATTERNS_MOST) {
        fail(r, v, "between 1 and 64 patterns can stand here");
        return;
    }
    struct condition *c = &rule->conditions[rule->conditions_n++];
    c->type = copy(type);
    c->fold = strcmp(type, "dns") == 0 || strcmp(type, TYPE_SPKI) == 0;
    c->first_capture = rule->captures;
    c->globs = rules_host->base->alloc(n * sizeof(c->globs[0]));
    for (size_t i = 0; i < n; i++) {
        const struct nj_authmap_value *at = item_of(v, i);
        const char *text = text_of(r, at, "a pattern is a text: \"*.example.org\"");
        if (text != NULL) {
            struct glob *g = &c->globs[c->globs_n++];
            const char *wrong = glob_init(g, text, at->text_len, c->fold);
            if (wrong != NULL) {
                fail(r, at, wrong);
            }
            stars = g->stars > stars ? g->stars : stars;
        }
    }
    rule->captures += stars;
    if (rule->captures > CAPTURES_MOST) {
        fail(r, v, "the patterns of the rule have more than 9 stars");
    }
}

static void read_match(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    if (v->type != NJ_VALUE_MAP || v->items_n == 0) {
        fail(r, v, "match is a map of patterns: { cn: \"*.example.org\" }");
        return;
    }
    if (v->items_n > CONDITIONS_MOST) {
        fail(r, v, "more than 16 patterns in one rule");
        return;
    }
    rule->conditions = rules_host->base->alloc(v->items_n * sizeof(rule->conditions[0]));
    for (size_t i = 0; i < v->items_n; i++) {
        read_condition(r, v->items[i], rule);
    }
}

/* ---- permissions ------------------------------------------------------------------------------- */

enum { PUBLISH_ALLOW, PUBLISH_DENY, SUBSCRIBE_ALLOW, SUBSCRIBE_DENY };

static void read_template(struct reader *r, const struct nj_authmap_value *v, const char *what,
                          const struct rule *rule, struct template *t)
{
    const char *text = text_of(r, v, what);
    template_fini(t);
    memset(t, 0, sizeof(*t));
    const char *wrong = text != NULL ? template_init(t, text, v->text_len, rule->captures) : NULL;
    if (wrong != NULL) {
        fail(r, v, wrong);
    }
}

/*
 * What the server would find wrong with the subject when a client comes: values that are put in have no
 * dots and are never empty, so the tokens are those that are written.  A queue may stand behind a blank.
 */
static int has_bad_tokens(const char *s)
{
    size_t token = 0; /* bytes of this token so far */
    int ended = 0;    /* the token before was ">" */
    for (; *s != '\0' && *s != ' '; s++) {
        const char *brace = s[0] == '$' && s[1] == '{' ? strchr(s, '}') : NULL;
        s = brace != NULL ? brace : s;
        if (ended || (*s == '.' && token == 0)) {
            return 1;
        }
        ended = *s == '.' && token == 1 && s[-1] == '>';
        token = *s == '.' ? 0 : token + 1;
    }
    return ended || token == 0;
}

static void read_subjects(struct reader *r, const struct nj_authmap_value *v, struct rule *rule,
                          int list)
{
    size_t n = count_of(v);
    if (rule->given[list]) {
        return; /* a key that was given twice: the first one stands */
    }
    rule->given[list] = 1;
    rule->lists[list] = rules_host->base->alloc((n + 1) * sizeof(struct template));
    for (size_t i = 0; i < n; i++) {
        int faults = r->faults;
        read_template(r, item_of(v, i), "a subject is a text", rule,
                      &rule->lists[list][rule->lists_n[list]++]);
        if (r->faults == faults && has_bad_tokens(item_of(v, i)->text)) {
            fail(r, item_of(v, i), "the subject has an empty token, or more behind a \">\"");
        }
    }
}

static void read_direction(struct reader *r, const struct nj_authmap_value *v, struct rule *rule,
                           int allow)
{
    if (v->type != NJ_VALUE_MAP) {
        read_subjects(r, v, rule, allow);
        return;
    }
    for (size_t i = 0; i < v->items_n; i++) {
        const struct nj_authmap_value *m = v->items[i];
        if (strcasecmp(m->key, "allow") == 0) {
            read_subjects(r, m, rule, allow);
        } else if (strcasecmp(m->key, "deny") == 0) {
            read_subjects(r, m, rule, allow + 1);
        } else {
            fail_key(r, m, "only allow and deny can stand here, not");
        }
    }
}

/* "2m", "500ms"; or seconds. */
static void read_expires(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    char *end = NULL;
    if (v->type == NJ_VALUE_INT && v->integer > 0 && v->integer < INT32_MAX) {
        rule->responses_ms = v->integer * 1000;
        return;
    }
    long n = v->type == NJ_VALUE_STRING ? strtol(v->text, &end, 10) : 0;
    for (size_t i = 0; n > 0 && n < INT32_MAX && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            rule->responses_ms = n * units[i].ms;
            return;
        }
    }
    fail(r, v, "expires is a number and ms, s, m or h, such as \"2m\"");
}

static void read_responses(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    rule->allow_responses = v->type != NJ_VALUE_BOOL || v->integer != 0;
    if (v->type != NJ_VALUE_BOOL && v->type != NJ_VALUE_MAP) {
        fail(r, v, "allow_responses is true, false or a map of max and expires");
        return;
    }
    for (size_t i = 0; i < v->items_n; i++) {
        const struct nj_authmap_value *m = v->items[i];
        if (strcasecmp(m->key, "expires") == 0) {
            read_expires(r, m, rule);
        } else if (strcasecmp(m->key, "max") != 0) {
            fail_key(r, m, "only max and expires can stand here, not");
        } else if (m->type != NJ_VALUE_INT || m->integer < -1 || m->integer == 0 ||
                   m->integer > INT32_MAX) {
            fail(r, m, "max is a number, -1 for no limit");
        } else {
            rule->responses_max = (int32_t) m->integer;
        }
    }
}

static void read_permissions(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    if (v->type != NJ_VALUE_MAP) {
        fail(r, v, "permissions are a map of publish, subscribe and allow_responses");
        return;
    }
    rule->has_permissions = 1;
    for (size_t i = 0; i < v->items_n; i++) {
        const struct nj_authmap_value *m = v->items[i];
        if (strcasecmp(m->key, "publish") == 0) {
            read_direction(r, m, rule, PUBLISH_ALLOW);
        } else if (strcasecmp(m->key, "subscribe") == 0) {
            read_direction(r, m, rule, SUBSCRIBE_ALLOW);
        } else if (strcasecmp(m->key, "allow_responses") == 0) {
            read_responses(r, m, rule);
        } else {
            fail_key(r, m, "only publish, subscribe and allow_responses can stand here, not");
        }
    }
}

/* ---- a rule ------------------------------------------------------------------------------------ */

static void read_tags(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    size_t n = count_of(v);
    rule->tags = rules_host->base->alloc((n + 1) * sizeof(rule->tags[0]));
    for (size_t i = 0; i < n; i++) {
        const char *text = text_of(r, item_of(v, i), "a tag is a text");
        if (text != NULL) {
            rule->tags[rule->tags_n++] = copy(text);
        }
    }
}

static void read_member(struct reader *r, const struct nj_authmap_value *m, struct rule *rule)
{
    if (strcasecmp(m->key, "user") == 0) {
        read_template(r, m, "user is a text: \"$CN\"", rule, &rule->user);
    } else if (strcasecmp(m->key, "account") == 0) {
        rule->has_account = 1;
        read_template(r, m, "account is a text", rule, &rule->account);
    } else if (strcasecmp(m->key, "permissions") == 0) {
        read_permissions(r, m, rule);
    } else if (strcasecmp(m->key, "tags") == 0 && rule->tags == NULL) {
        read_tags(r, m, rule);
    } else if (strcasecmp(m->key, "deny") == 0 && !rule->denies) {
        const char *text = text_of(r, m, "deny is a reason for the log: a text");
        rule->denies = 1;
        rule->reason = text != NULL ? copy(text) : NULL;
    } else if (strcasecmp(m->key, "match") != 0) {
        fail_key(r, m, "a rule has no member");
    }
}

static void judge(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    v = v->items_n > 0 ? v->items[0] : v; /* a map in a list stands where it ends */
    int allows = rule->user.parts_n > 0 || rule->has_account || rule->has_permissions;
    rule->own = rule->has_account || rule->has_permissions;
    if (rule->denies && (allows || rule->tags_n > 0)) {
        fail(r, v, "a rule says who somebody is, or deny, not both");
    } else if (!rule->denies && rule->user.parts_n == 0) {
        fail(r, v, "a rule needs a user, or deny");
    } else if (!rule->denies && rule->conditions_n == 0) {
        fail(r, v, "a rule that lets somebody in needs a match");
    }
}

static void read_rule(struct reader *r, const struct nj_authmap_value *v, struct rule *rule)
{
    int faults = r->faults;
    if (v->type != NJ_VALUE_MAP) {
        fail(r, v, "a rule is a map of match and user, or deny");
        return;
    }
    for (size_t i = 0; i < v->items_n; i++) { /* first: the others count its stars */
        if (strcasecmp(v->items[i]->key, "match") == 0 && rule->conditions == NULL) {
            read_match(r, v->items[i], rule);
        }
    }
    for (size_t i = 0; i < v->items_n; i++) {
        read_member(r, v->items[i], rule);
    }
    if (r->faults == faults) {
        judge(r, v, rule);
    }
}

static void free_rule(struct rule *rule)
{
    const struct nj_host *h = rules_host->base;
    for (size_t i = 0; i < rule->conditions_n; i++) {
        struct condition *c = &rule->conditions[i];
        for (size_t n = 0; n < c->globs_n; n++) {
            glob_fini(&c->globs[n]);
        }
        h->dealloc(c->globs);
        h->dealloc(c->type);
    }
    h->dealloc(rule->conditions);
    for (size_t i = 0; i < 4; i++) {
        for (size_t n = 0; n < rule->lists_n[i]; n++) {
            template_fini(&rule->lists[i][n]);
        }
        h->dealloc(rule->lists[i]);
    }
    for (size_t i = 0; i < rule->tags_n; i++) {
        h->dealloc(rule->tags[i]);
    }
    h->dealloc(rule->tags);
    h->dealloc(rule->reason);
    template_fini(&rule->user);
    template_fini(&rule->account);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void read_rules(struct reader *r, const struct nj_authmap_value *v, struct rules *rules)
{
    if (v->type != NJ_VALUE_LIST || v->items_n == 0 || v->items_n > RULES_MOST) {
        fail(r, v, "rules is a list of 1 to 1000 rules");
        return;
    }
    rules->at = rules_host->base->alloc(v->items_n * sizeof(rules->at[0]));
    for (size_t i = 0; i < v->items_n; i++) {
        read_rule(r, v->items[i], &rules->at[rules->n++]);
    }
}

static void read_otherwise(struct reader *r, const struct nj_authmap_value *v, struct rules *rules)
{
    int is_text = v->type == NJ_VALUE_STRING;
    rules->otherwise_deny = is_text && strcasecmp(v->text, "deny") == 0;
    if (!is_text || (!rules->otherwise_deny && strcasecmp(v->text, "defer") != 0)) {
        fail(r, v, "otherwise is deny or defer");
    }
}

struct rules *rules_read(const struct nj_authmap_value *options,
                         const struct nj_authmap_report *report)
{
    struct reader r = { .report = report };
    struct rules *rules = rules_host->base->alloc(sizeof(*rules));
    for (size_t i = 0; i < options->items_n; i++) {
        const struct nj_authmap_value *m = options->items[i];
        if (strcasecmp(m->key, "rules") == 0 && rules->at == NULL) {
            read_rules(&r, m, rules);
        } else if (strcasecmp(m->key, "otherwise") == 0) {
            read_otherwise(&r, m, rules);
        } else {
            fail_key(&r, m, "this mapper has rules and otherwise, and no option");
        }
    }
    if (r.faults == 0 && rules->n == 0) {
        fail(&r, options, "this mapper needs rules");
    }
    if (r.faults > 0) {
        rules_free(rules);
        return NULL;
    }
    return rules;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL) {
        return;
    }
    for (size_t i = 0; i < rules->n; i++) {
        free_rule(&rules->at[i]);
    }
    rules_host->base->dealloc(rules->at);
    rules_host->base->dealloc(rules);
}
