/*
 * parse.c: structure of a configuration text: entries, maps, lists, variables, includes.
 *
 * The grammar is written as the functions below, one for each kind of container.  Two corners come
 * from the reference being a state machine with a stack of keys, and files rely on them:
 *   - a key whose value never came stays on the stack, and the container that closes next is
 *     stored under it: `m { a: }` is the tree {"a": {}};
 *   - in the whole-file braces of JSON style a different set of terminators holds (parse_braces).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/goconv.h"
#include "conf/lex.h"
#include "conf/tree.h"
#include "natterjack/plugin.h"

#define DONE 1   /* the text has ended, well formed */
#define CLOSED 2 /* the container that was being read has ended */

#define ENV_KEY "pk" /* the text of $NAME is read as "pk=TEXT" */

struct key {
    const char *text;
    size_t len;
    uint32_t line;
    uint32_t col;
};

/* A container that is open here; exactly one of map and list is set. */
struct level {
    struct nj_tree_map *map;
    struct nj_tree_list *list;
    struct level *up;
};

/* A variable of the environment that is being read, for finding cycles. */
struct env_ref {
    const char *name;
    const struct env_ref *up;
};

struct parser {
    struct nj_conf *conf;
    struct nj_lex lx;
    const char *file; /* NULL: a text of the environment, without positions */
    char *dir;        /* includes are relative to it */
    const struct env_ref *env;
    unsigned nesting;  /* containers open here, and around the include that led here */
    unsigned includes; /* files open around this one */
    struct key *keys;  /* keys that wait for their value */
    size_t keys_n;
    size_t keys_cap;
    bool after_key; /* the last token was a key, and not a lone "}" */
};

static int parse_value(struct parser *p, struct level *at);
static int parse_buffer(struct parser *p, const char *text, size_t len, struct nj_buf *why);
static int parse_named(const char *path, const struct parser *from, struct nj_conf **conf_out,
                       struct nj_buf *why);

/* ---- storing -------------------------------------------------------------------------------- */

static void push_key(struct parser *p, const struct nj_token *tok)
{
    if (p->keys_n == p->keys_cap) {
        p->keys_cap = p->keys_cap == 0 ? 16 : p->keys_cap * 2;
        p->keys = nj_realloc(p->keys, p->keys_cap * sizeof(*p->keys));
    }
    p->keys[p->keys_n++] = (struct key){
        .text = nj_tree_text(p->conf, tok->text, tok->len),
        .len = tok->len,
        .line = tok->line,
        .col = tok->col,
    };
    p->after_key = tok->len != 1 || tok->text[0] != '}';
}

static int too_deep(struct parser *p)
{
    char text[80];
    (void) snprintf(text, sizeof(text), "Maps and arrays are nested more than %d levels deep",
                    NJ_CONF_MAX_NESTING);
    (void) nj_lex_fail_text(&p->lx, text);
    return NJ_E_LIMIT;
}

/* Put a value where the text stands now; in a map it gets the position of its key. */
static int store(struct parser *p, struct level *at, uint32_t line, uint32_t col,
                 struct nj_conf_value v)
{
    p->after_key = false;
    if (p->nesting + nj_tree_height(&v) > NJ_CONF_MAX_NESTING) {
        return too_deep(p);
    }
    v.file = p->file;
    v.line = p->file == NULL ? 0 : line;
    v.col = p->file == NULL ? 0 : col;
    v.from_env = v.from_env || p->file == NULL;
    v.used_as_variable = false;
    if (at->map == NULL) {
        nj_tree_list_add(at->list, &v);
        return NJ_OK;
    }
    if (p->keys_n == 0) {
        return NJ_OK;
    }
    const struct key *k = &p->keys[--p->keys_n];
    if (p->file != NULL) {
        v.line = k->line;
        v.col = k->col;
    }
    nj_tree_map_put(at->map, k->text, k->len, &v);
    return NJ_OK;
}

static int store_token(struct parser *p, struct level *at, const struct nj_token *tok,
                       struct nj_conf_value v)
{
    return store(p, at, tok->line, tok->col, v);
}

/* ---- scalars -------------------------------------------------------------------------------- */

static int out_of_range(struct parser *p, const char *what, const struct nj_token *tok)
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

static int store_int(struct parser *p, struct level *at, const struct nj_token *tok)
{
    size_t digits = strspn(tok->text, "-0123456789");
    digits = digits > tok->len ? tok->len : digits;
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
    return store_token(p, at, tok,
                       (struct nj_conf_value){ .type = NJ_CONF_INT, .as.integer = product });
}

static int store_float(struct parser *p, struct level *at, const struct nj_token *tok)
{
    char *number = nj_strndup(tok->text, tok->len);
    double x = strtod(number, NULL);
    nj_dealloc(number);
    if (x > 1.7976931348623157e308 || x < -1.7976931348623157e308) {
        return out_of_range(p, "float", tok);
    }
    return store_token(p, at, tok, (struct nj_conf_value){ .type = NJ_CONF_FLOAT, .as.real = x });
}

static int two(const char *s)
{
    return (s[0] - '0') * 10 + (s[1] - '0');
}

static int store_date(struct parser *p, struct level *at, const struct nj_token *tok)
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
    return store_token(
        p, at, tok,
        (struct nj_conf_value){ .type = NJ_CONF_DATE, .as.date_s = (int64_t) timegm(&tm) });
}

static int store_bool(struct parser *p, struct level *at, const struct nj_token *tok)
{
    bool on = strncasecmp(tok->text, "true", tok->len) == 0 ||
              strncasecmp(tok->text, "yes", tok->len) == 0 ||
              strncasecmp(tok->text, "on", tok->len) == 0;
    return store_token(p, at, tok,
                       (struct nj_conf_value){ .type = NJ_CONF_BOOL, .as.boolean = on });
}

static struct nj_conf_value string_value(struct parser *p, const char *s, size_t len)
{
    struct nj_conf_value v = { .type = NJ_CONF_STRING };
    v.as.str.ptr = nj_tree_text(p->conf, s, len);
    v.as.str.len = len;
    return v;
}

/* ---- variables ------------------------------------------------------------------------------ */

static struct nj_conf_value *find_in_scope(struct level *at, const char *name, size_t len)
{
    for (; at != NULL; at = at->up) {
        struct nj_conf_value *v = at->map == NULL ? NULL : nj_tree_map_get(at->map, name, len);
        if (v != NULL) {
            return v;
        }
    }
    return NULL;
}

static int variable_missing(struct parser *p, const struct nj_token *tok)
{
    (void) nj_buf_printf(p->lx.why, "variable reference for '%.*s' on line %u can not be found",
                         (int) tok->len, tok->text, (unsigned) tok->line);
    return NJ_E_INVALID;
}

/* Text of the environment is read as the value of a one-entry document, so that it has a type. */
static int parse_env_text(struct parser *p, const struct env_ref *ref, const char *text,
                          struct nj_conf_value *v_out, struct nj_buf *why)
{
    struct nj_conf *conf = nj_tree_new();
    struct parser env = {
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
                 : parse_buffer(&env, document.ptr, document.len, why);
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

static int store_env(struct parser *p, struct level *at, const struct nj_token *tok)
{
    char *name = nj_strndup(tok->text, tok->len);
    struct env_ref ref = { .name = name, .up = p->env };
    struct nj_conf_value v = { .type = NJ_CONF_STRING };
    struct nj_buf inner;
    int rc = NJ_E_NOT_FOUND;

    nj_buf_init(&inner, SIZE_MAX);
    const struct env_ref *r = p->env;
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
        rc = store_token(p, at, tok, v);
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

static int store_variable(struct parser *p, struct level *at, const struct nj_token *tok)
{
    if (tok->len >= 3 && memcmp(tok->text, "2a$", 3) == 0) {
        /* a bcrypt hash: the token left its "$" out, the text still has it in front */
        return store_token(p, at, tok, string_value(p, tok->text - 1, tok->len + 1));
    }
    struct nj_conf_value *v = find_in_scope(at, tok->text, tok->len);
    if (v == NULL) {
        return store_env(p, at, tok);
    }
    v->used_as_variable = true;
    return store_token(p, at, tok, *v);
}

static int store_scalar(struct parser *p, struct level *at, const struct nj_token *tok)
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
        return store_token(p, at, tok, string_value(p, tok->text, tok->len));
    }
}

/* ---- includes ------------------------------------------------------------------------------- */

static int include_failed(struct parser *p, const char *path, const char *inner)
{
    (void) nj_buf_printf(p->lx.why, "error parsing include file '%s', %s", path, inner);
    return NJ_E_INVALID;
}

/* Put the members of a file into the map that is open here. */
static void merge(struct parser *p, struct level *at, struct nj_conf **from)
{
    const struct nj_conf_map *m = nj_conf_root(*from)->as.map;
    for (size_t i = 0; i < m->count; i++) {
        nj_tree_map_put(at->map, m->members[i].key, m->members[i].key_len, &m->members[i].value);
    }
    nj_tree_absorb(p->conf, from);
    p->after_key = false;
}

static int parse_include(struct parser *p, struct level *at)
{
    struct nj_token tok;
    nj_lex_skip(&p->lx);
    int rc = nj_lex_include(&p->lx, &tok);
    if (rc != NJ_OK) {
        return rc;
    }
    char *name = nj_strndup(tok.text, tok.len);
    char *path = nj_go_path_join(p->dir, name);
    struct nj_conf *conf = NULL;
    struct nj_buf inner;
    nj_buf_init(&inner, SIZE_MAX);
    if (p->includes + 1 > NJ_CONF_MAX_INCLUDES) {
        rc = include_failed(p, name, "include nesting too deep");
    } else if (parse_named(path, p, &conf, &inner) == NJ_OK) {
        merge(p, at, &conf);
    } else {
        rc = include_failed(p, name, inner.ptr);
    }
    nj_buf_free(&inner);
    nj_dealloc(path);
    nj_dealloc(name);
    return rc;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static bool is_separator(uint32_t r)
{
    return r == ':' || r == '=';
}

/* The text has ended: fine, unless a key still waits for its value. */
static int finish(struct parser *p)
{
    if (!p->after_key) {
        return DONE;
    }
    struct nj_token end;
    p->lx.escaped = false; /* the beginning of an unended string does not count */
    nj_lex_emit(&p->lx, NJ_TOKEN_END, &end);
    (void) nj_buf_printf(p->lx.why, "config is invalid (%s:%u:%u)", p->file == NULL ? "" : p->file,
                         (unsigned) end.line, (unsigned) end.col);
    return NJ_E_INVALID;
}

/* The text ended inside a key. */
static int key_ended(struct parser *p, const struct level *at, const char *in_map)
{
    if (at->up != NULL) {
        return nj_lex_fail_text(&p->lx, in_map);
    }
    return p->lx.pos > p->lx.start ? nj_lex_fail_text(&p->lx, "Unexpected EOF.") : finish(p);
}

/* The opening quote was read.  There are no escapes in keys. */
static int quoted_key(struct parser *p, const struct level *at, uint32_t quote)
{
    struct nj_token tok;
    nj_lex_skip(&p->lx);
    for (;;) {
        uint32_t r = nj_lex_peek(&p->lx);
        if (r == quote) {
            nj_lex_emit(&p->lx, NJ_TOKEN_KEY, &tok);
            push_key(p, &tok);
            (void) nj_lex_next(&p->lx);
            nj_lex_skip(&p->lx);
            return NJ_OK;
        }
        if (r == NJ_LEX_EOF) {
            return key_ended(p, at,
                             quote == '"' ? "Unexpected EOF processing double quoted map key."
                                          : "Unexpected EOF processing quoted map key.");
        }
        (void) nj_lex_next(&p->lx);
    }
}

static bool is_include(const struct nj_lex *lx)
{
    return lx->pos - lx->start == 7 && strncasecmp(lx->text + lx->start, "include", 7) == 0;
}

/*
 * A bare key runs up to a space or separator; its first rune is part of it whatever it is.
 * Sets *include_out when it is the word include and a space follows.
 */
static int bare_key(struct parser *p, const struct level *at, bool *include_out)
{
    struct nj_token tok;
    nj_lex_skip(&p->lx);
    (void) nj_lex_next(&p->lx);
    for (;;) {
        uint32_t r = nj_lex_peek(&p->lx);
        if (nj_rune_is_space(r) && is_include(&p->lx)) {
            *include_out = true;
            return NJ_OK;
        }
        if (r == NJ_LEX_EOF && at->up != NULL) {
            return nj_lex_fail_text(&p->lx, "Unexpected EOF processing map key.");
        }
        if (nj_rune_is_space(r) || is_separator(r) || r == NJ_LEX_EOF) {
            nj_lex_emit(&p->lx, NJ_TOKEN_KEY, &tok);
            push_key(p, &tok);
            return NJ_OK;
        }
        (void) nj_lex_next(&p->lx);
    }
}

static void skip_spaces(struct parser *p)
{
    while (nj_rune_is_space(nj_lex_peek(&p->lx))) {
        (void) nj_lex_next(&p->lx);
    }
    nj_lex_skip(&p->lx);
}

static int parse_key(struct parser *p, const struct level *at, bool *include_out)
{
    uint32_t r = nj_lex_peek(&p->lx);
    *include_out = false;
    if (r == '"' || r == '\'') {
        (void) nj_lex_next(&p->lx);
        return quoted_key(p, at, r);
    }
    return bare_key(p, at, include_out);
}

/* ---- entries -------------------------------------------------------------------------------- */

/* Key, separator and value of the top level and of whole-file braces. */
static int parse_entry(struct parser *p, struct level *at)
{
    bool include;
    uint32_t r = nj_lex_peek(&p->lx);
    if (is_separator(r)) {
        return nj_lex_fail(&p->lx, "Unexpected key separator '", r, "'");
    }
    int rc = parse_key(p, at, &include);
    if (rc != NJ_OK) {
        return rc;
    }
    if (include) {
        return parse_include(p, at);
    }
    skip_spaces(p);
    r = nj_lex_peek(&p->lx);
    if (r == NJ_LEX_EOF) {
        (void) nj_lex_next(&p->lx);
        return finish(p);
    }
    if (is_separator(r)) {
        (void) nj_lex_next(&p->lx);
        nj_lex_skip(&p->lx);
    }
    return parse_value(p, at);
}

/* A slash was read: with a second one it is a comment, which is read. */
static bool slash_comment(struct parser *p)
{
    if (nj_lex_peek(&p->lx) != '/') {
        return false;
    }
    (void) nj_lex_next(&p->lx);
    nj_lex_comment(&p->lx);
    return true;
}

/* What may follow a value of the top level.  A lone slash is passed over, as in the reference. */
static int end_of_top_value(struct parser *p)
{
    for (;;) {
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '#') {
            nj_lex_comment(&p->lx);
            return NJ_OK;
        }
        if (r == '/' && slash_comment(p)) {
            return NJ_OK;
        }
        if (nj_is_newline(r) || r == NJ_LEX_EOF || r == ';' || r == ',' || r == '}') {
            nj_lex_skip(&p->lx);
            return NJ_OK;
        }
        if (!nj_is_blank(r) && r != '/') {
            return nj_lex_fail(&p->lx,
                               "Expected a top-level value to end with a new line, comment or "
                               "EOF, but got '",
                               r, "' instead.");
        }
    }
}

/* The text may end here, or something that is no key was found. */
static int end_or_fail(struct parser *p)
{
    return p->lx.pos > p->lx.start ? nj_lex_fail_text(&p->lx, "Unexpected EOF.") : finish(p);
}

/* After a value inside whole-file braces: NJ_OK (go on), CLOSED ("}") or a failure. */
static int end_of_brace_value(struct parser *p)
{
    for (;;) {
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == '/') {
            (void) slash_comment(p);
        } else if (nj_is_newline(r) || r == ';' || r == ',') {
            nj_lex_skip(&p->lx);
            return NJ_OK;
        } else if (r == '}') {
            nj_lex_skip(&p->lx);
            return CLOSED;
        } else if (!nj_is_blank(r)) {
            return nj_lex_fail(&p->lx,
                               "Expected a block-level value to end with a new line, comment or "
                               "EOF, but got '",
                               r, "' instead.");
        }
    }
}

/* After inner braces: NJ_OK (go on), CLOSED or a failure. */
static int end_of_inner_braces(struct parser *p)
{
    for (;;) {
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '#') {
            nj_lex_comment(&p->lx);
            return NJ_OK;
        }
        if (r == '/' && slash_comment(p)) {
            return NJ_OK;
        }
        if (r == ';' || r == ',' || r == '}') {
            nj_lex_skip(&p->lx);
            return r == '}' ? CLOSED : NJ_OK;
        }
        if (!nj_is_newline(r) && !nj_is_blank(r) && r != '/') {
            return nj_lex_fail(&p->lx, "Expected a block-level to end with a '}', but got '", r,
                               "' instead.");
        }
    }
}

/* "{" was read where a key may start: braces around (a part of) the file.  NJ_OK when closed. */
static int parse_braces(struct parser *p, struct level *at)
{
    int rc = NJ_OK;
    if (++p->nesting > NJ_CONF_MAX_NESTING) {
        return too_deep(p);
    }
    while (rc == NJ_OK) {
        skip_spaces(p);
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '{') {
            nj_lex_skip(&p->lx);
            rc = parse_braces(p, at);
            rc = rc == NJ_OK ? end_of_inner_braces(p) : rc;
        } else if (r == '}') {
            nj_lex_skip(&p->lx);
            rc = CLOSED;
        } else if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == NJ_LEX_EOF || r == '/') {
            rc = r == '/' && slash_comment(p) ? NJ_OK : end_or_fail(p);
        } else {
            nj_lex_back(&p->lx);
            rc = parse_entry(p, at);
            rc = rc == NJ_OK ? end_of_brace_value(p) : rc;
        }
    }
    p->nesting--;
    return rc == CLOSED ? NJ_OK : rc;
}

static int parse_top(struct parser *p, struct level *at)
{
    int rc = NJ_OK;
    while (rc == NJ_OK) {
        skip_spaces(p);
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '{') {
            nj_lex_skip(&p->lx);
            rc = parse_braces(p, at);
        } else if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == NJ_LEX_EOF || r == '/') {
            rc = r == '/' && slash_comment(p) ? NJ_OK : end_or_fail(p);
        } else {
            nj_lex_back(&p->lx);
            rc = parse_entry(p, at);
            rc = rc == NJ_OK ? end_of_top_value(p) : rc;
        }
    }
    return rc == DONE ? NJ_OK : rc;
}

/* ---- maps ----------------------------------------------------------------------------------- */

/* After a value in a map: NJ_OK (go on), CLOSED or a failure. */
static int end_of_map_value(struct parser *p)
{
    for (;;) {
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == '/' && slash_comment(p)) {
            continue;
        } else if (nj_is_newline(r) || r == ';' || r == ',' || r == '/') {
            nj_lex_skip(&p->lx);
            return NJ_OK;
        } else if (r == '}') {
            nj_lex_skip(&p->lx);
            return CLOSED;
        } else if (!nj_is_blank(r)) {
            return nj_lex_fail(&p->lx,
                               "Expected a map value terminator \",\" or a map terminator \"}\", "
                               "but got '",
                               r, "' instead.");
        }
    }
}

/* Separator and value after a key of a map: as end_of_map_value(). */
static int parse_map_value(struct parser *p, struct level *at)
{
    skip_spaces(p);
    if (is_separator(nj_lex_peek(&p->lx))) {
        (void) nj_lex_next(&p->lx);
        nj_lex_skip(&p->lx);
    }
    skip_spaces(p);
    uint32_t r = nj_lex_peek(&p->lx);
    if (r == ',') {
        (void) nj_lex_next(&p->lx);
        return nj_lex_fail_text(&p->lx, "Unexpected map value terminator \",\".");
    }
    if (r == '}') {
        (void) nj_lex_next(&p->lx);
        nj_lex_skip(&p->lx);
        return CLOSED; /* the key waits for ever: see the top of this file */
    }
    int rc = parse_value(p, at);
    return rc == NJ_OK ? end_of_map_value(p) : rc;
}

static int parse_map_entry(struct parser *p, struct level *at)
{
    bool include;
    int rc = parse_key(p, at, &include);
    if (rc != NJ_OK) {
        return rc;
    }
    if (include) {
        rc = parse_include(p, at);
        return rc == NJ_OK ? end_of_map_value(p) : rc;
    }
    return parse_map_value(p, at);
}

/* Members up to and with "}".  CLOSED, DONE or a failure. */
static int parse_members(struct parser *p, struct level *at)
{
    int rc = NJ_OK;
    while (rc == NJ_OK) {
        skip_spaces(p);
        uint32_t r = nj_lex_peek(&p->lx);
        if (is_separator(r)) {
            rc = nj_lex_fail(&p->lx, "Unexpected key separator '", r, "'.");
        } else if (r == ']') {
            rc = nj_lex_fail(&p->lx, "Unexpected array end '", r, "' processing map.");
        } else if (r == NJ_LEX_EOF) {
            rc = nj_lex_fail_text(&p->lx, "Unexpected EOF processing map.");
        } else if (r == '}') {
            (void) nj_lex_next(&p->lx);
            nj_lex_skip(&p->lx);
            rc = CLOSED;
        } else if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == '/') {
            (void) nj_lex_next(&p->lx);
            if (!slash_comment(p)) {
                rc = parse_map_entry(p, at); /* the slash is passed over */
            }
        } else {
            rc = parse_map_entry(p, at);
        }
    }
    return rc;
}

/* The container has just been closed: store it where `at` is. */
static int store_closed(struct parser *p, struct level *at, struct nj_conf_value v)
{
    struct nj_token end;
    nj_lex_emit(&p->lx, NJ_TOKEN_END, &end);
    return store_token(p, at, &end, v);
}

/* "{" was read. */
static int parse_map(struct parser *p, struct level *at)
{
    struct level inner = { .map = nj_tree_map_new(p->conf), .up = at };
    p->after_key = false;
    nj_lex_skip(&p->lx);
    if (++p->nesting > NJ_CONF_MAX_NESTING) {
        return too_deep(p);
    }
    int rc = parse_members(p, &inner);
    p->nesting--;
    return rc == CLOSED ? store_closed(p, at, nj_tree_map_value(inner.map)) : rc;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* After an element: NJ_OK (go on), CLOSED or a failure. */
static int end_of_element(struct parser *p)
{
    for (;;) {
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == '/' && slash_comment(p)) {
            continue;
        } else if (nj_is_newline(r) || r == ',' || r == '/') {
            nj_lex_skip(&p->lx);
            return NJ_OK;
        } else if (r == ']') {
            nj_lex_skip(&p->lx);
            return CLOSED;
        } else if (!nj_is_blank(r)) {
            return nj_lex_fail(&p->lx,
                               "Expected an array value terminator \",\" or an array terminator "
                               "\"]\", but got '",
                               r, "' instead.");
        }
    }
}

/* Elements up to and with "]".  CLOSED, DONE or a failure. */
static int parse_elements(struct parser *p, struct level *at)
{
    int rc = NJ_OK;
    while (rc == NJ_OK) {
        skip_spaces(p);
        uint32_t r = nj_lex_next(&p->lx);
        if (r == '#') {
            nj_lex_comment(&p->lx);
        } else if (r == '/' && slash_comment(p)) {
            continue;
        } else if (r == ',' || r == '/') {
            rc = nj_lex_fail_text(&p->lx, "Unexpected array value terminator ','.");
        } else if (r == ']') {
            nj_lex_skip(&p->lx);
            rc = CLOSED;
        } else {
            nj_lex_back(&p->lx);
            rc = parse_value(p, at);
            rc = rc == NJ_OK ? end_of_element(p) : rc;
        }
    }
    return rc;
}

/* "[" was read. */
static int parse_list(struct parser *p, struct level *at)
{
    struct level inner = { .list = nj_tree_list_new(p->conf), .up = at };
    p->after_key = false;
    nj_lex_skip(&p->lx);
    if (++p->nesting > NJ_CONF_MAX_NESTING) {
        return too_deep(p);
    }
    int rc = parse_elements(p, &inner);
    p->nesting--;
    return rc == CLOSED ? store_closed(p, at, nj_tree_list_value(inner.list)) : rc;
}

/* ---- a value, a text, a file ---------------------------------------------------------------- */

static int parse_value(struct parser *p, struct level *at)
{
    struct nj_token tok;
    while (nj_is_blank(nj_lex_peek(&p->lx))) {
        (void) nj_lex_next(&p->lx);
    }
    nj_lex_skip(&p->lx);
    uint32_t r = nj_lex_peek(&p->lx);
    if (r == '{' || r == '[') {
        (void) nj_lex_next(&p->lx);
        return r == '{' ? parse_map(p, at) : parse_list(p, at);
    }
    int rc = nj_lex_scalar(&p->lx, &tok);
    if (rc == NJ_E_CLOSED) {
        return finish(p); /* a quote was the last byte */
    }
    return rc == NJ_OK ? store_scalar(p, at, &tok) : rc;
}

/* Parse a text into p->conf; frees what the parser itself holds. */
static int parse_buffer(struct parser *p, const char *text, size_t len, struct nj_buf *why)
{
    /* Every tree's root was made by nj_tree_map_new(); its public half comes first. */
    struct nj_tree_map *root = nj_tree_map_new(p->conf);
    struct level top = { .map = root };

    *nj_tree_root(p->conf) = nj_tree_map_value(root);
    nj_lex_init(&p->lx, text, len, why);
    int rc = parse_top(p, &top);
    nj_lex_fini(&p->lx);
    nj_dealloc(p->keys);
    nj_dealloc(p->dir);
    return rc;
}

static int parse_as(const char *name, const char *text, size_t len, const struct parser *from,
                    struct nj_conf **conf_out, struct nj_buf *why)
{
    struct nj_conf *conf = nj_tree_new();
    struct parser p = {
        .conf = conf,
        .file = nj_tree_text(conf, name, strlen(name)),
        .dir = nj_go_path_dir(name),
        .nesting = from == NULL ? 0 : from->nesting,
        .includes = from == NULL ? 0 : from->includes + 1,
    };
    int rc = parse_buffer(&p, text, len, why);
    if (rc != NJ_OK) {
        nj_conf_free(&conf);
        return rc;
    }
    *conf_out = conf;
    return NJ_OK;
}

int nj_conf_parse_text(const char *name, const char *text, size_t len, struct nj_conf **conf_out,
                       struct nj_buf *why)
{
    return parse_as(name, text, len, NULL, conf_out, why);
}

/* "open x.conf: no such file or directory": the system's words, in lower case. */
static int io_failed(struct nj_buf *why, const char *doing, const char *path, int number)
{
    char reason[128];
    const char *text = strerror_r(number, reason, sizeof(reason));
    (void) nj_buf_printf(why, "%s %s: ", doing, path);
    for (; *text != '\0'; text++) {
        (void) nj_buf_putc(why, *text >= 'A' && *text <= 'Z' ? (char) (*text + 32) : *text);
    }
    return NJ_E_IO;
}

static int read_all(int fd, const char *path, struct nj_buf *out, struct nj_buf *why)
{
    for (;;) {
        char *to = nj_buf_reserve(out, 65536);
        if (to == NULL) {
            (void) nj_buf_printf(why, "%s is larger than %u MiB", path,
                                 (unsigned) (NJ_CONF_MAX_FILE >> 20));
            return NJ_E_LIMIT;
        }
        ssize_t n = read(fd, to, 65536);
        if (n == 0) {
            return NJ_OK;
        }
        if (n > 0) {
            out->len += (size_t) n;
        } else if (errno != EINTR) {
            return io_failed(why, "read", path, errno);
        }
    }
}

static int parse_named(const char *path, const struct parser *from, struct nj_conf **conf_out,
                       struct nj_buf *why)
{
    struct nj_buf text;
    nj_buf_init(&text, NJ_CONF_MAX_FILE + 65536);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_failed(why, "open", path, errno);
    }
    int rc = read_all(fd, path, &text, why);
    (void) close(fd);
    if (rc == NJ_OK) {
        rc = parse_as(path, text.ptr == NULL ? "" : text.ptr, text.len, from, conf_out, why);
    }
    nj_buf_wipe(&text);
    return rc;
}

int nj_conf_parse_file(const char *path, struct nj_conf **conf_out, struct nj_buf *why)
{
    return parse_named(path, NULL, conf_out, why);
}
