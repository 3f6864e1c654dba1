/*
 * nul_text.h: texts that may hold a NUL, as C strings that are not cut short there.
 *
 * A NUL is written as the two bytes C0 80, which are no UTF-8 and so in no text of a peer's JSON:
 * "secret\0x" stays different from "secret" and from everything else.  Who prints such a text takes
 * the NUL back out of it.
 */
#ifndef NJ_BASE_NUL_TEXT_H
#define NJ_BASE_NUL_TEXT_H
#include <stddef.h>

struct nj_buf;

/* UTF-8 with NULs; nj_dealloc() it. */
char *nj_nul_text_new(const char *s, size_t len);

/* The bytes that it was made of, appended. */
int nj_nul_text_append(struct nj_buf *out, const char *text);

/* The same, quoted as nj_quote() does it. */
int nj_nul_text_quote(struct nj_buf *out, const char *text);

#endif
