/* quote.h: text in the double quotes and escapes of the reference's messages, and errno's words. */
#ifndef NJ_BASE_QUOTE_H
#define NJ_BASE_QUOTE_H
#include <stddef.h>

struct nj_buf;

/*
 * Append `s` in double quotes: \a \b \f \n \r \t \v \" \\ for what has such a form, \x.. for other
 * control bytes and for bytes that are no UTF-8; all else as it is.  NJ_OK or NJ_E_LIMIT.
 */
int nj_quote(struct nj_buf *b, const char *s, size_t len);

/* The same into a fixed place, cut to fit.  Returns `out`. */
char *nj_quote_text(const char *s, char *out, size_t cap);

/* "no such file or directory": errno's words as the reference writes them.  Returns `out`. */
char *nj_errno_text(int errnum, char *out, size_t cap);

#endif
