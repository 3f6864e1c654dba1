#include "conf/lex.h"

#include <string.h>
#include <strings.h>

#include "conf/goconv.h"
#include "natterjack/plugin.h"

void nj_lex_init(struct nj_lex *lx, const char *text, size_t len, struct nj_buf *why)
{
    *lx = (struct nj_lex){ .text = text, .len = len, .line = 1, .why = why };
    nj_buf_init(&lx->value, SIZE_MAX);
}

void nj_lex_fini(struct nj_lex *lx)
{
    nj_buf_wipe(&lx->value);
}

/* ---- the cursor ----------------------------------------------------------------------------- */

uint32_t nj_lex_next(struct nj_lex *lx)
{
    if (lx->pos >= lx->len) {
        lx->width = 0;
        return NJ_LEX_EOF;
    }
    if (lx->text[lx->pos] == '\n') {
        lx->line++;
        lx->newline = lx->pos;
    }
    uint32_t rune = nj_rune_decode(lx->text + lx->pos, lx->len - lx->pos, &lx->width);
    lx->pos += lx->width;
    return rune;
}

void nj_lex_back(struct nj_lex *lx)
{
    lx->pos -= lx->width;
    if (lx->width > 0 && lx->text[lx->pos] == '\n') {
        lx->line--; /* `newline` stays: columns are counted from it although it is unread */
    }
}

uint32_t nj_lex_peek(struct nj_lex *lx)
{
    uint32_t rune = nj_lex_next(lx);
    nj_lex_back(lx);
    return rune;
}

void nj_lex_skip(struct nj_lex *lx)
{
    lx->start = lx->pos;
    lx->start_line = lx->newline;
}

void nj_lex_emit(struct nj_lex *lx, enum nj_token_type type, struct nj_token *tok_out)
{
    const char *text = lx->text + lx->start;
    size_t len = lx->pos - lx->start;

    if (lx->escaped) {
        (void) nj_buf_append(&lx->value, text, len);
        text = lx->value.ptr;
        len = lx->value.len;
        lx->escaped = false;
    }
    *tok_out = (struct nj_token){
        .type = type,
        .line = lx->line,
        .col = (uint32_t) (lx->pos - lx->start_line - len),
        .text = text,
        .len = len,
    };
    nj_lex_skip(lx);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void put_rune(struct nj_buf *b, uint32_t r)
{
    if (r == '\n') {
        (void) nj_buf_puts(b, "\\n");
    } else if (r < 0x80) {
        (void) nj_buf_putc(b, (char) r);
    } else if (r < 0x800) {
        (void) nj_buf_printf(b, "%c%c", (int) (0xC0 | r >> 6), (int) (0x80 | (r & 0x3F)));
    } else if (r < 0x10000) {
        (void) nj_buf_printf(b, "%c%c%c", (int) (0xE0 | r >> 12), (int) (0x80 | (r >> 6 & 0x3F)),
                             (int) (0x80 | (r & 0x3F)));
    } else {
        (void) nj_buf_printf(b, "%c%c%c%c", (int) (0xF0 | r >> 18), (int) (0x80 | (r >> 12 & 0x3F)),
                             (int) (0x80 | (r >> 6 & 0x3F)), (int) (0x80 | (r & 0x3F)));
    }
}

int nj_lex_fail(struct nj_lex *lx, const char *before, uint32_t rune, const char *after)
{
    (void) nj_buf_printf(lx->why, "Parse error on line %u: '%s", (unsigned) lx->line, before);
    put_rune(lx->why, rune);
    (void) nj_buf_printf(lx->why, "%s'", after);
    return NJ_E_INVALID;
}

int nj_lex_fail_text(struct nj_lex *lx, const char *text)
{
    (void) nj_buf_printf(lx->why, "Parse error on line %u: '%s'", (unsigned) lx->line, text);
    return NJ_E_INVALID;
}

/* ---- strings -------------------------------------------------------------------------------- */

static bool is_digit(uint32_t r)
{
    return r >= '0' && r <= '9';
}

/*
 * Keep what was read so far, all but the last byte (the backslash).  `start` moves on and
 * `start_line` does not: the column counts from the line on which the token began.
 */
static void keep_part(struct nj_lex *lx)
{
    if (!lx->escaped) {
        nj_buf_clear(&lx->value);
        lx->escaped = true;
    }
    (void) nj_buf_append(&lx->value, lx->text + lx->start, lx->pos - 1 - lx->start);
    lx->start = lx->pos;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
    return at == NULL ? -1 : (int) (at - digits);
}

/* After "\x": two hex digits are one raw byte. */
static int read_hex(struct nj_lex *lx)
{
    for (int i = 0; i < 2; i++) {
        if (nj_is_newline(nj_lex_next(lx))) {
            return nj_lex_fail_text(lx, "Expected two hexadecimal digits after '\\x', but hit end "
                                        "of line");
        }
    }
    const char *two = lx->text + lx->pos - 2;
    int high = hex_value(two[0]);
    int low = hex_value(two[1]);
    if (high < 0 || low < 0) {
        (void) nj_buf_printf(lx->why,
                             "Parse error on line %u: 'Expected two hexadecimal digits "
                             "after '\\x', but got '",
                             (unsigned) lx->line);
        (void) nj_buf_append(lx->why, two, 2);
        (void) nj_buf_puts(lx->why, "''");
        return NJ_E_INVALID;
    }
    (void) nj_buf_putc(&lx->value, (char) (high << 4 | low));
    lx->start = lx->pos;
    return NJ_OK;
}

/* The backslash was read. */
static int read_escape(struct nj_lex *lx)
{
    keep_part(lx);
    uint32_t r = nj_lex_next(lx);
    switch (r) {
    case 'x':
        return read_hex(lx);
    case 't':
        (void) nj_buf_putc(&lx->value, '\t');
        break;
    case 'n':
        (void) nj_buf_putc(&lx->value, '\n');
        break;
    case 'r':
        (void) nj_buf_putc(&lx->value, '\r');
        break;
    case '"':
    case '\\':
        (void) nj_buf_putc(&lx->value, (char) r);
        break;
    default:
        return nj_lex_fail(lx, "Invalid escape character '", r,
                           "'. Only the following escape characters are allowed: "
                           "\\xXX, \\t, \\n, \\r, \\\", \\\\.");
    }
    lx->start = lx->pos;
    return NJ_OK;
}

/* The text ended inside quotes.  A quote that has nothing after it is taken for the end. */
static int end_in_quotes(struct nj_lex *lx)
{
    return lx->pos > lx->start ? nj_lex_fail_text(lx, "Unexpected EOF.") : NJ_E_CLOSED;
}

/* Emit up to the closing rune just read, which is left out. */
static void emit_before(struct nj_lex *lx, enum nj_token_type type, struct nj_token *tok_out)
{
    nj_lex_back(lx);
    nj_lex_emit(lx, type, tok_out);
    (void) nj_lex_next(lx);
    nj_lex_skip(lx);
}

/* The opening quote was read. */
static int read_quoted(struct nj_lex *lx, uint32_t quote, struct nj_token *tok_out)
{
    nj_lex_skip(lx);
    for (;;) {
        uint32_t r = nj_lex_next(lx);
        if (r == quote) {
            emit_before(lx, NJ_TOKEN_STRING, tok_out);
            return NJ_OK;
        }
        if (r == NJ_LEX_EOF) {
            return end_in_quotes(lx);
        }
        if (r == '\\' && quote == '"') {
            int rc = read_escape(lx);
            if (rc != NJ_OK) {
                return rc;
            }
        }
    }
}

/*
 * "(" was read: everything up to a ")" that stands alone on its line.  When that ")" is the last
 * byte of the file it is part of the text: the reference steps back over the end, which has no
 * width.
 */
static int read_block(struct nj_lex *lx, struct nj_token *tok_out)
{
    nj_lex_skip(lx);
    for (;;) {
        uint32_t r = nj_lex_next(lx);
        if (r == NJ_LEX_EOF) {
            return nj_lex_fail_text(lx, "Unexpected EOF processing block.");
        }
        if (r != ')' || lx->text[lx->pos - 2] != '\n') {
            continue;
        }
        r = nj_lex_next(lx);
        nj_lex_back(lx);
        if (r == '\n' || r == NJ_LEX_EOF) {
            lx->pos -= lx->width; /* over the parenthesis, as wide as the newline */
            nj_lex_emit(lx, NJ_TOKEN_STRING, tok_out);
            (void) nj_lex_next(lx);
            nj_lex_skip(lx);
            return NJ_OK;
        }
    }
}

static bool is_bool(const char *s, size_t len)
{
    static const char *const words[] = { "true", "false", "on", "off", "yes", "no" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) == len && strncasecmp(words[i], s, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The end of a bare word is where `pos` is. */
static void emit_word(struct nj_lex *lx, struct nj_token *tok_out)
{
    enum nj_token_type type = NJ_TOKEN_STRING;
    const char *s = lx->text + lx->start;

    if (!lx->escaped && is_bool(s, lx->pos - lx->start)) {
        type = NJ_TOKEN_BOOL;
    } else if (!lx->escaped && lx->start < lx->pos && s[0] == '$') {
        type = NJ_TOKEN_VARIABLE;
        lx->start++;
    }
    nj_lex_emit(lx, type, tok_out);
}

static bool ends_word(uint32_t r)
{
    return nj_is_newline(r) || nj_is_blank(r) || r == NJ_LEX_EOF || r == ';' || r == ',' ||
           r == ']' || r == '}';
}

/* A bare word, of which any part may have been read. */
static int read_word(struct nj_lex *lx, struct nj_token *tok_out)
{
    for (;;) {
        uint32_t r = nj_lex_next(lx);
        if (ends_word(r)) {
            nj_lex_back(lx);
            emit_word(lx, tok_out);
            return NJ_OK;
        }
        if (r == '\'') {
            emit_before(lx, NJ_TOKEN_STRING, tok_out);
            return NJ_OK;
        }
        if (r == '\\') {
            int rc = read_escape(lx);
            if (rc != NJ_OK) {
                return rc;
            }
        }
    }
}

/* ---- numbers, addresses, dates -------------------------------------------------------------- */

/* The rune that ended a token was read: give it back. */
static int emit_back(struct nj_lex *lx, enum nj_token_type type, struct nj_token *tok_out)
{
    nj_lex_back(lx);
    nj_lex_emit(lx, type, tok_out);
    return NJ_OK;
}

static bool ends_number(uint32_t r)
{
    return nj_is_newline(r) || nj_is_blank(r) || r == NJ_LEX_EOF || r == '}' || r == ';' ||
           r == ',';
}

static bool is_suffix(uint32_t r)
{
    return r != 0 && r < 0x80 && strchr("kKmMgGtTpPeE", (int) r) != NULL;
}

/* "1.2." was read: it is an address. */
static int read_address(struct nj_lex *lx, struct nj_token *tok_out)
{
    uint32_t r = nj_lex_next(lx);
    while (is_digit(r) || r == '.' || r == ':' || r == '-') {
        r = nj_lex_next(lx);
    }
    return emit_back(lx, NJ_TOKEN_STRING, tok_out);
}

/* "1." was read. */
static int read_float(struct nj_lex *lx, struct nj_token *tok_out)
{
    uint32_t r = nj_lex_next(lx);
    if (!is_digit(r)) {
        return nj_lex_fail(lx, "Floats must have a digit after the '.', but got '", r,
                           "' instead.");
    }
    while (is_digit(r)) {
        r = nj_lex_next(lx);
    }
    return r == '.' ? read_address(lx, tok_out) : emit_back(lx, NJ_TOKEN_FLOAT, tok_out);
}

/* "3k" was read: a size, or a word when it goes on ("3km"). */
static int read_size(struct nj_lex *lx, struct nj_token *tok_out)
{
    uint32_t r = nj_lex_next(lx);
    while (r == 'b' || r == 'B' || r == 'i' || r == 'I') {
        r = nj_lex_next(lx);
    }
    if (ends_number(r)) {
        return emit_back(lx, NJ_TOKEN_INT, tok_out);
    }
    nj_lex_back(lx);
    return read_word(lx, tok_out);
}

/* "2021-" was read. */
static int read_date(struct nj_lex *lx, struct nj_token *tok_out)
{
    for (const char *form = "00-00T00:00:00Z"; *form != '\0'; form++) {
        uint32_t r = nj_lex_next(lx);
        if (*form == '0' && !is_digit(r)) {
            return nj_lex_fail(lx, "Expected digit in ISO8601 datetime, but found '", r,
                               "' instead.");
        }
        if (*form != '0' && r != (uint32_t) *form) {
            char before[64] = "Expected '?' in ISO8601 datetime, but found '";
            before[10] = *form;
            return nj_lex_fail(lx, before, r, "' instead.");
        }
    }
    nj_lex_emit(lx, NJ_TOKEN_DATE, tok_out);
    return NJ_OK;
}

/* The first digit was read. */
static int read_number(struct nj_lex *lx, struct nj_token *tok_out)
{
    uint32_t r = nj_lex_next(lx);
    while (is_digit(r)) {
        r = nj_lex_next(lx);
    }
    if (r == '-') {
        if (lx->pos - lx->start != 5) {
            return nj_lex_fail_text(lx, "All ISO8601 dates must be in full Zulu form.");
        }
        return read_date(lx, tok_out);
    }
    if (r == '.') {
        return read_float(lx, tok_out);
    }
    if (is_suffix(r)) {
        return read_size(lx, tok_out);
    }
    if (ends_number(r)) {
        return emit_back(lx, NJ_TOKEN_INT, tok_out);
    }
    return read_word(lx, tok_out); /* the rune is part of the word, whatever it is */
}

/* "-" was read. */
static int read_negative(struct nj_lex *lx, struct nj_token *tok_out)
{
    uint32_t r = nj_lex_next(lx);
    if (r == '.') {
        return nj_lex_fail_text(lx, "Floats must start with a digit, not '.'.");
    }
    if (!is_digit(r)) {
        return nj_lex_fail(lx, "Expected a digit but got '", r, "'.");
    }
    while (is_digit(r)) {
        r = nj_lex_next(lx);
    }
    if (r == '.') {
        return read_float(lx, tok_out);
    }
    if (is_suffix(r)) {
        return read_size(lx, tok_out);
    }
    return emit_back(lx, NJ_TOKEN_INT, tok_out);
}

/* ---- what the parser asks for --------------------------------------------------------------- */

int nj_lex_scalar(struct nj_lex *lx, struct nj_token *tok_out)
{
    uint32_t r = nj_lex_next(lx);
    switch (r) {
    case '"':
    case '\'':
        return read_quoted(lx, r, tok_out);
    case '(':
        return read_block(lx, tok_out);
    case '-':
        return read_negative(lx, tok_out);
    case '.':
        return nj_lex_fail_text(lx, "Floats must start with a digit");
    case '\n':
    case '\r':
        return nj_lex_fail_text(lx, "Expected value but found new line");
    default:
        if (is_digit(r)) {
            return read_number(lx, tok_out);
        }
        nj_lex_back(lx);
        return read_word(lx, tok_out);
    }
}

static int read_quoted_path(struct nj_lex *lx, uint32_t quote, struct nj_token *tok_out)
{
    nj_lex_skip(lx);
    for (;;) {
        uint32_t r = nj_lex_next(lx);
        if (r == quote) {
            emit_before(lx, NJ_TOKEN_INCLUDE, tok_out);
            return NJ_OK;
        }
        if (r == NJ_LEX_EOF) {
            return nj_lex_fail_text(lx, quote == '"' ? "Unexpected EOF in double quoted include"
                                                     : "Unexpected EOF in quoted include");
        }
    }
}

static int read_bare_path(struct nj_lex *lx, struct nj_token *tok_out)
{
    for (;;) {
        uint32_t r = nj_lex_next(lx);
        if (nj_is_newline(r) || nj_is_blank(r) || r == NJ_LEX_EOF || r == ';' || r == '}') {
            return emit_back(lx, NJ_TOKEN_INCLUDE, tok_out);
        }
        if (r == '\'') {
            emit_before(lx, NJ_TOKEN_INCLUDE, tok_out);
            return NJ_OK;
        }
    }
}

int nj_lex_include(struct nj_lex *lx, struct nj_token *tok_out)
{
    while (nj_is_blank(nj_lex_peek(lx))) {
        (void) nj_lex_next(lx);
    }
    nj_lex_skip(lx);
    uint32_t r = nj_lex_next(lx);
    switch (r) {
    case '"':
    case '\'':
        return read_quoted_path(lx, r, tok_out);
    case '[':
        return nj_lex_fail_text(lx, "Expected include value but found start of an array");
    case '{':
        return nj_lex_fail_text(lx, "Expected include value but found start of a map");
    case '(':
        return nj_lex_fail_text(lx, "Expected include value but found start of a block");
    case '\\':
        return nj_lex_fail_text(lx, "Expected include value but found escape sequence");
    case '\n':
    case '\r':
        return nj_lex_fail_text(lx, "Expected include value but found new line");
    default:
        if (is_digit(r) || r == '-') {
            return nj_lex_fail_text(lx, "Expected include value but found start of a number");
        }
        nj_lex_back(lx);
        return read_bare_path(lx, tok_out);
    }
}

void nj_lex_comment(struct nj_lex *lx)
{
    uint32_t r = nj_lex_peek(lx);
    while (!nj_is_newline(r) && r != NJ_LEX_EOF) {
        (void) nj_lex_next(lx);
        r = nj_lex_peek(lx);
    }
    nj_lex_skip(lx);
}
