#include "base/nul_text.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "natterjack/plugin.h"

static const char mark[] = "\xc0\x80";

char *nj_nul_text_new(const char *s, size_t len)
{
    size_t nuls = 0;
    for (size_t i = 0; i < len; i++) {
        nuls += s[i] == '\0';
    }
    char *text = nj_alloc(len + nuls + 1);
    char *to = text;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\0') {
            *to++ = mark[0];
            *to++ = mark[1];
        } else {
            *to++ = s[i];
        }
    }
    *to = '\0';
    return text;
}

int nj_nul_text_append(struct nj_buf *out, const char *text)
{
    int rc = NJ_OK;
    const char *at;
    while (rc == NJ_OK && (at = strstr(text, mark)) != NULL) {
        rc = nj_buf_append(out, text, (size_t) (at - text));
        rc = rc == NJ_OK ? nj_buf_putc(out, '\0') : rc;
        text = at + 2;
    }
    return rc == NJ_OK ? nj_buf_puts(out, text) : rc;
}

int nj_nul_text_quote(struct nj_buf *out, const char *text)
{
    struct nj_buf bytes;
    nj_buf_init(&bytes, SIZE_MAX);
    (void) nj_nul_text_append(&bytes, text);
    int rc = nj_quote(out, bytes.ptr != NULL ? bytes.ptr : "", bytes.len);
    nj_buf_free(&bytes);
    return rc;
}
