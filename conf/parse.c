/*
 * parse.c: structure of a configuration text: entries, maps, lists, variables, includes.
 *
 * The grammar is written as the functions below, one for each kind of container.  Two corners come
 * from the reference being a state machine with a stack of keys, and files rely on them:
 *   - a key whose value never came stays on the stack, and the container that closes next is
 *     stored under it: `m { a: }` is the tree {"a": {}};
 *   - in the whole-file braces of JSON style a different set of terminators holds (parse_braces).
 */
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/goconv.h"
#include "conf/parser.h"
#include "natterjack/plugin.h"

#define DONE 1   /* the text has ended, well formed */
#define CLOSED 2 /* the container that was being read has ended */

static int parse_value(struct nj_parser *p, struct nj_level *at);

/* ---- keys ----------------------------------------------------------------------------------- */

static bool is_separator(uint32_t r)
{
    return r == ':' || r == '=';
}

/* The text has ended: fine, unless a key still waits for its value. */
static int finish(struct nj_parser *p)
{
    if (!p->after_key) {
        return DONE;
    }
    struct nj_token end;
    nj_lex_emit(&p->lx, NJ_TOKEN_END, &end);
    (void) nj_buf_printf(p->lx.why, "config is invalid (%s:%u:%u)", p->file == NULL ? "" : p->file,
                         (unsigned) end.line, (unsigned) end.col);
    return NJ_E_INVALID;
}

/* The text ended inside a key. */
static int key_ended(struct nj_parser *p, const struct nj_level *at, const char *in_map)
{
    if (at->up != NULL) {
        return nj_lex_fail_text(&p->lx, in_map);
    }
    return p->lx.pos > p->lx.start ? nj_lex_fail_text(&p->lx, "Unexpected EOF.") : finish(p);
}

/* The opening quote was read.  There are no escapes in keys. */
static int quoted_key(struct nj_parser *p, const struct nj_level *at, uint32_t quote)
{
    struct nj_token tok;
    nj_lex_skip(&p->lx);
    for (;;) {
        uint32_t r = nj_lex_peek(&p->lx);
        if (r == quote) {
            nj_lex_emit(&p->lx, NJ_TOKEN_KEY, &tok);
            nj_parser_push_key(p, &tok);
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
static int bare_key(struct nj_parser *p, const struct nj_level *at, bool *include_out)
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
            nj_parser_push_key(p, &tok);
            return NJ_OK;
        }
        (void) nj_lex_next(&p->lx);
    }
}

static void skip_spaces(struct nj_parser *p)
{
    while (nj_rune_is_space(nj_lex_peek(&p->lx))) {
        (void) nj_lex_next(&p->lx);
    }
    nj_lex_skip(&p->lx);
}

static int parse_key(struct nj_parser *p, const struct nj_level *at, bool *include_out)
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
static int parse_entry(struct nj_parser *p, struct nj_level *at)
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
        return nj_parser_include(p, at);
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
static bool slash_comment(struct nj_parser *p)
{
    if (nj_lex_peek(&p->lx) != '/') {
        return false;
    }
    (void) nj_lex_next(&p->lx);
    nj_lex_comment(&p->lx);
    return true;
}

/* What may follow a value of the top level.  A lone slash is passed over, as in the reference. */
static int end_of_top_value(struct nj_parser *p)
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
static int end_or_fail(struct nj_parser *p)
{
    return p->lx.pos > p->lx.start ? nj_lex_fail_text(&p->lx, "Unexpected EOF.") : finish(p);
}

/* After a value inside whole-file braces: NJ_OK (go on), CLOSED ("}") or a failure. */
static int end_of_brace_value(struct nj_parser *p)
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
static int end_of_inner_braces(struct nj_parser *p)
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
static int parse_braces(struct nj_parser *p, struct nj_level *at)
{
    int rc = NJ_OK;
    if (++p->nesting > NJ_CONF_MAX_NESTING) {
        return nj_parser_too_deep(p);
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

static int parse_top(struct nj_parser *p, struct nj_level *at)
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
static int end_of_map_value(struct nj_parser *p)
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
static int parse_map_value(struct nj_parser *p, struct nj_level *at)
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

static int parse_map_entry(struct nj_parser *p, struct nj_level *at)
{
    bool include;
    int rc = parse_key(p, at, &include);
    if (rc != NJ_OK) {
        return rc;
    }
    if (include) {
        rc = nj_parser_include(p, at);
        return rc == NJ_OK ? end_of_map_value(p) : rc;
    }
    return parse_map_value(p, at);
}

/* Members up to and with "}".  CLOSED, DONE or a failure. */
static int parse_members(struct nj_parser *p, struct nj_level *at)
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
static int store_closed(struct nj_parser *p, struct nj_level *at, struct nj_conf_value v)
{
    struct nj_token end;
    nj_lex_emit(&p->lx, NJ_TOKEN_END, &end);
    return nj_parser_store(p, at, &end, v);
}

/* "{" was read. */
static int parse_map(struct nj_parser *p, struct nj_level *at)
{
    struct nj_level inner = { .map = nj_tree_map_new(p->conf), .up = at };
    p->after_key = false;
    nj_lex_skip(&p->lx);
    if (++p->nesting > NJ_CONF_MAX_NESTING) {
        return nj_parser_too_deep(p);
    }
    int rc = parse_members(p, &inner);
    p->nesting--;
    return rc == CLOSED ? store_closed(p, at, nj_tree_map_value(inner.map)) : rc;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* After an element: NJ_OK (go on), CLOSED or a failure. */
static int end_of_element(struct nj_parser *p)
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
static int parse_elements(struct nj_parser *p, struct nj_level *at)
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
static int parse_list(struct nj_parser *p, struct nj_level *at)
{
    struct nj_level inner = { .list = nj_tree_list_new(p->conf), .up = at };
    p->after_key = false;
    nj_lex_skip(&p->lx);
    if (++p->nesting > NJ_CONF_MAX_NESTING) {
        return nj_parser_too_deep(p);
    }
    int rc = parse_elements(p, &inner);
    p->nesting--;
    return rc == CLOSED ? store_closed(p, at, nj_tree_list_value(inner.list)) : rc;
}

/* ---- a value, a text ---------------------------------------------------------------------------- */

static int parse_value(struct nj_parser *p, struct nj_level *at)
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
    return rc == NJ_OK ? nj_parser_store_scalar(p, at, &tok) : rc;
}

int nj_parser_run(struct nj_parser *p, const char *text, size_t len, struct nj_buf *why)
{
    /* Every tree's root was made by nj_tree_map_new(); its public half comes first. */
    struct nj_tree_map *root = nj_tree_map_new(p->conf);
    struct nj_level top = { .map = root };

    *nj_tree_root(p->conf) = nj_tree_map_value(root);
    nj_lex_init(&p->lx, text, len, why);
    int rc = parse_top(p, &top);
    nj_lex_fini(&p->lx);
    nj_dealloc(p->keys);
    nj_dealloc(p->dir);
    return rc;
}
