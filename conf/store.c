/* store.c: values into the tree: keys, scalars, variables. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/parser.h"
#include "natterjack/plugin.h"

#define ENV_KEY "pk" /* the text of $NAME is read as "pk=TEXT" */

/* ---- storing -------------------------------------------------------------------------------- */

void nj_parser_push_key(struct nj_parser *p, const struct nj_token *tok)
{
    if (p->keys_n == p->keys_cap) {
        p->keys_cap = p->keys_cap == 0 ? 16 : p->keys_cap * 2;
        p->keys = nj_realloc(p->keys, p->keys_cap * sizeof(*p->keys));
    }
    p->keys[p->keys_n++] = (struct nj_parser_key){
        .text = nj_tree_text(p->conf, tok->text, tok->len),
        .len = tok->len,
        .line = tok->line,
        .col = tok->col,
    };
    p->after_key = tok->len != 1 || tok->text[0] != '}';
}

int nj_parser_too_deep(struct nj_parser *p)
{
    char text[80];
    (void) snprintf(text, sizeof(text), "Maps and arrays are nested more than %d levels deep",
                    NJ_CONF_MAX_NESTING);
    (void) nj_lex_fail_text(&p->lx, text);
    return NJ_E_LIMIT;
}

int nj_parser_store(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok,
                    struct nj_conf_value v)
{
    p->after_key = false;
    if (p->nesting + nj_tree_height(&v) > NJ_CONF_MAX_NESTING) {
        return nj_parser_too_deep(p);
    }
    v.file = p->file;
    v.line = p->file == NULL ? 0 : tok->line;
    v.col = p->file == NULL ? 0 : tok->col;
    v.from_env = v.from_env || p->file == NULL;
    v.used_as_variable = false;
    if (at->map == NULL) {
        nj_tree_list_add(at->list, &v);
        return NJ_OK;
    }
    if (p->keys_n == 0) {
        return NJ_OK;
    }
    const struct nj_parser_key *k = &p->keys[--p->keys_n];
    if (p->file != NULL) {
        v.line = k->line;
        v.col = k->col;
    }
    nj_tree_map_put(at->map, k->text, k->len, &v);
    return NJ_OK;
}

/* ---- scalars -------------------------------------------------------------------------------- */

static int out_of_range(struct nj_parser *p, const char *what, const struct nj_token *tok)
{
    (void) nj_buf_printf(p->lx.why, "%s '%.*s' is out of the range", what, (int) tok->len,
                         tok->text);
    return NJ_E_INVALID;
}

/*
 * The factor of a size suffix: powers of 1000, with b, i or ib powers of 1024.
 * 0 when it is spelled in another way.
 */
static uint64_t size_factor(const char *s, size_t len)
{
    const char *letters = "kmgtpe";
    if (len == 0) {
        return 1;
    }
    char low = (char) (s[0] | 0x20);
    const char *at = strchr(letters, low);
    bool binary =
        (len == 2 && (strncasecmp(s + 1, "b", 1) == 0 || strncasecmp(s + 1, "i", 1) == 0)) ||
        (len == 3 && strncasecmp(s + 1, "ib", 2) == 0);
    if (at == NULL || (len > 1 && !binary)) {
        return 0;
    }
    uint64_t factor = 1;
    for (const char *l = letters; l <= at; l++) {
        factor *= binary ? 1024 : 1000;
    }
    return factor;
}

/* The digits and signs at the front.  The text may end with the token, without a NUL. */
static size_t number_len(const struct nj_token *tok)
{
    size_t n = 0;
    while (n < tok->len && (tok->text[n] == '-' || (tok->text[n] >= '0' && tok->text[n] <= '9'))) {
        n++;
    }
    return n;
}

static int store_int(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    size_t digits = number_len(tok);
    char *number = nj_strndup(tok->text, digits);
    errno = 0;
    long long v = strtoll(number, NULL, 10);
    int failed = errno;
    nj_dealloc(number);
    if (failed == ERANGE) {
        return out_of_range(p, "integer", tok);
    }
    uint64_t factor = size_factor(tok->text + digits, tok->len - digits);
    p->after_key = false;
    if (factor == 0) {
        return NJ_OK; /* "3kbb": the reference drops the value and leaves the key waiting */
    }
    /* Wraps, as in the reference. */
    int64_t product = (int64_t) ((uint64_t) v * factor);
    return nj_parser_store(p, at, tok,
                           (struct nj_conf_value){ .type = NJ_CONF_INT, .as.integer = product });
}

static int store_float(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    char *number = nj_strndup(tok->text, tok->len);
    double x = strtod(number, NULL);
    nj_dealloc(number);
    if (x > 1.7976931348623157e308 || x < -1.7976931348623157e308) {
        return out_of_range(p, "float", tok);
    }
    return nj_parser_store(p, at, tok,
                           (struct nj_conf_value){ .type = NJ_CONF_FLOAT, .as.real = x });
}

static int two(const char *s)
{
    return (s[0] - '0') * 10 + (s[1] - '0');
}

static int store_date(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const char *s = tok->text;
    int year = two(s) * 100 + two(s + 2);
    struct tm tm = {
        .tm_year = year - 1900,
        .tm_mon = two(s + 5) - 1,
        .tm_mday = two(s + 8),
        .tm_hour = two(s + 11),
        .tm_min = two(s + 14),
        .tm_sec = two(s + 17),
    };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    bool month = tm.tm_mon >= 0 && tm.tm_mon < 12;
    int days = month ? month_days[tm.tm_mon] + (tm.tm_mon == 1 && leap ? 1 : 0) : 0;
    if (tm.tm_mday < 1 || tm.tm_mday > days || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 59) {
        (void) nj_buf_printf(p->lx.why, "expected Zulu formatted DateTime, but got '%.*s'",
                             (int) tok->len, s);
        return NJ_E_INVALID;
    }
    return nj_parser_store(
        p, at, tok,
        (struct nj_conf_value){ .type = NJ_CONF_DATE, .as.date_s = (int64_t) timegm(&tm) });
}

static int store_bool(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    bool on = strncasecmp(tok->text, "true", tok->len) == 0 ||
              strncasecmp(tok->text, "yes", tok->len) == 0 ||
              strncasecmp(tok->text, "on", tok->len) == 0;
    return nj_parser_store(p, at, tok,
                           (struct nj_conf_value){ .type = NJ_CONF_BOOL, .as.boolean = on });
}

static struct nj_conf_value string_value(struct nj_parser *p, const char *s, size_t len)
{
    struct nj_conf_value v = { .type = NJ_CONF_STRING };
    v.as.str.ptr = nj_tree_text(p->conf, s, len);
    v.as.str.len = len;
    return v;
}

/* ---- variables ------------------------------------------------------------------------------ */

static struct nj_conf_value *find_in_scope(struct nj_level *at, const char *name, size_t len)
{
    for (; at != NULL; at = at->up) {
        struct nj_conf_value *v = at->map == NULL ? NULL : nj_tree_map_get(at->map, name, len);
        if (v != NULL) {
            return v;
        }
    }
    return NULL;
}

static int variable_missing(struct nj_parser *p, const struct nj_token *tok)
{
    (void) nj_buf_printf(p->lx.why, "variable reference for '%.*s' on line %u can not be found",
                         (int) tok->len, tok->text, (unsigned) tok->line);
    return NJ_E_INVALID;
}

/* Text of the environment is read as the value of a one-entry document, so that it has a type. */
static int parse_env_text(struct nj_parser *p, const struct nj_env_ref *ref, const char *text,
                          struct nj_conf_value *v_out, struct nj_buf *why)
{
    struct nj_conf *conf = nj_tree_new();
    struct nj_parser env = {
        .conf = conf,
        .dir = nj_strdup("."),
        .env = ref,
        .nesting = p->nesting + 1,
        .includes = p->includes,
    };
    struct nj_buf document;
    nj_buf_init(&document, SIZE_MAX);
    (void) nj_buf_printf(&document, "%s=%s", ENV_KEY, text);
    int rc = env.nesting > NJ_CONF_MAX_NESTING
                 ? NJ_E_LIMIT
                 : nj_parser_run(&env, document.ptr, document.len, why);
    const struct nj_conf_value *found =
        rc == NJ_OK ? nj_conf_get(nj_conf_root(conf)->as.map, ENV_KEY) : NULL;
    if (found != NULL) {
        *v_out = *found;
        nj_tree_absorb(p->conf, &conf);
    } else if (rc == NJ_OK) {
        rc = NJ_E_NOT_FOUND;
    } else if (rc == NJ_E_LIMIT && why->len == 0) {
        (void) nj_buf_puts(why, "variables refer to each other too deeply");
    }
    nj_buf_wipe(&document);
    nj_conf_free(&conf);
    return rc;
}

static int store_env(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    char *name = nj_strndup(tok->text, tok->len);
    struct nj_env_ref ref = { .name = name, .up = p->env };
    struct nj_conf_value v = { .type = NJ_CONF_STRING };
    struct nj_buf inner;
    int rc = NJ_E_NOT_FOUND;

    nj_buf_init(&inner, SIZE_MAX);
    const struct nj_env_ref *r = p->env;
    while (r != NULL && strcmp(r->name, name) != 0) {
        r = r->up;
    }
    const char *text = getenv(name);
    if (r != NULL) {
        (void) nj_buf_printf(&inner, "variable reference cycle for '%s'", name);
        rc = NJ_E_INVALID;
    } else if (text != NULL) {
        rc = parse_env_text(p, &ref, text, &v, &inner);
    }
    if (rc == NJ_OK) {
        v.from_env = true;
        rc = nj_parser_store(p, at, tok, v);
    } else if (rc == NJ_E_NOT_FOUND) {
        rc = variable_missing(p, tok);
    } else {
        (void) nj_buf_printf(p->lx.why,
                             "variable reference for '%s' on line %u could not be parsed: ", name,
                             (unsigned) tok->line);
        (void) nj_buf_append(p->lx.why, inner.ptr, inner.len);
    }
    nj_buf_free(&inner);
    nj_dealloc(name);
    return rc;
}

static int store_variable(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    if (tok->len >= 3 && memcmp(tok->text, "2a$", 3) == 0) {
        /* a bcrypt hash: the token left its "$" out, the text still has it in front */
        return nj_parser_store(p, at, tok, string_value(p, tok->text - 1, tok->len + 1));
    }
    struct nj_conf_value *v = find_in_scope(at, tok->text, tok->len);
    if (v == NULL) {
        return store_env(p, at, tok);
    }
    v->used_as_variable = true;
    return nj_parser_store(p, at, tok, *v);
}

int nj_parser_store_scalar(struct nj_parser *p, struct nj_level *at, const struct nj_token *tok)
{
    switch (tok->type) {
    case NJ_TOKEN_INT:
        return store_int(p, at, tok);
    case NJ_TOKEN_FLOAT:
        return store_float(p, at, tok);
    case NJ_TOKEN_DATE:
        return store_date(p, at, tok);
    case NJ_TOKEN_BOOL:
        return store_bool(p, at, tok);
    case NJ_TOKEN_VARIABLE:
        return store_variable(p, at, tok);
    default:
        return nj_parser_store(p, at, tok, string_value(p, tok->text, tok->len));
    }
}
