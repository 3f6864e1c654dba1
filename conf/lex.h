/*
 * lex.h: reading position and scalar tokens.  For the parser (parse.c).
 *
 * The cursor keeps the reference's own bookkeeping of lines and columns, since positions are
 * compared byte for byte: a line is counted when its newline is *read*, and the column of a token
 * counts from the newline that was last read when the token before it ended.
 */
#ifndef NJ_CONF_LEX_H
#define NJ_CONF_LEX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define NJ_LEX_EOF 0 /* the end, or a NUL byte, which means the same */

enum nj_token_type {
    NJ_TOKEN_STRING = 1,
    NJ_TOKEN_BOOL,
    NJ_TOKEN_INT, /* with suffix */
    NJ_TOKEN_FLOAT,
    NJ_TOKEN_DATE,
    NJ_TOKEN_VARIABLE, /* text without "$" */
    NJ_TOKEN_KEY,
    NJ_TOKEN_INCLUDE, /* text is the path */
    NJ_TOKEN_END      /* a map or list was closed; or the end of the text */
};

struct nj_token {
    enum nj_token_type type;
    uint32_t line;
    uint32_t col;
    const char *text; /* inside the lexer; valid until the next token */
    size_t len;
};

struct nj_lex {
    const char *text;
    size_t len;
    size_t pos;
    size_t start;      /* where the present token begins */
    size_t width;      /* of the rune read last */
    uint32_t line;     /* of pos, from 1 */
    size_t newline;    /* offset of the newline read last, 0 before the first */
    size_t start_line; /* what `newline` was when the present token began */
    bool escaped;      /* the present token had an escape: `value` holds its beginning */
    struct nj_buf value;
    struct nj_buf *why; /* takes the sentence of a failure */
};

void nj_lex_init(struct nj_lex *lx, const char *text, size_t len, struct nj_buf *why);
void nj_lex_fini(struct nj_lex *lx);

/* Read one rune; step back over the rune just read (once); look without reading. */
uint32_t nj_lex_next(struct nj_lex *lx);
void nj_lex_back(struct nj_lex *lx);
uint32_t nj_lex_peek(struct nj_lex *lx);

/* The present token begins here. */
void nj_lex_skip(struct nj_lex *lx);

/* The text from start to here is a token of this type; the next one begins here. */
void nj_lex_emit(struct nj_lex *lx, enum nj_token_type type, struct nj_token *tok_out);

/*
 * A value that is no map and no list, at its first rune.  Returns NJ_OK, NJ_E_INVALID with a
 * sentence in `why`, or NJ_E_CLOSED when the text ended where a quote had just been opened.
 */
int nj_lex_scalar(struct nj_lex *lx, struct nj_token *tok_out);

/* The path after the word "include".  NJ_OK or NJ_E_INVALID. */
int nj_lex_include(struct nj_lex *lx, struct nj_token *tok_out);

/* After "#" or "//": up to the end of the line. */
void nj_lex_comment(struct nj_lex *lx);

/*
 * Put "Parse error on line L: '...'" into `why`; `fmt` holds one %s for the offending rune (a
 * newline is shown as \n).  Returns NJ_E_INVALID.
 */
int nj_lex_fail(struct nj_lex *lx, const char *before, uint32_t rune, const char *after);

/* The same for a sentence without a rune. */
int nj_lex_fail_text(struct nj_lex *lx, const char *text);

static inline bool nj_is_newline(uint32_t r)
{
    return r == '\n' || r == '\r';
}

static inline bool nj_is_blank(uint32_t r)
{
    return r == ' ' || r == '\t';
}

#endif
