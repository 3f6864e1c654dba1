#include "base/quote.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "natterjack/plugin.h"

/* Length of the UTF-8 sequence at s, 0 when there is none. */
static size_t utf8_len(const unsigned char *s, size_t len)
{
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > len) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Overlong forms, surrogates and what lies past U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return n;
}

static int quote_ascii(struct nj_buf *b, unsigned char c)
{
    static const char plain[] = "\a\b\f\n\r\t\v\"\\";
    static const char letter[] = "abfnrtv\"\\";
    const char *at = c == '\0' ? NULL : strchr(plain, c);
    if (at != NULL) {
        int rc = nj_buf_putc(b, '\\');
        return rc < 0 ? rc : nj_buf_putc(b, letter[at - plain]);
    }
    if (c < 0x20 || c >= 0x7f) {
        return nj_buf_printf(b, "\\x%02x", c);
    }
    return nj_buf_putc(b, (char) c);
}

static uint32_t decode(const unsigned char *p, size_t n)
{
    uint32_t r = n == 2 ? p[0] & 0x1fu : n == 3 ? p[0] & 0x0fu : p[0] & 0x07u;
    for (size_t i = 1; i < n; i++) {
        r = r << 6 | (p[i] & 0x3fu);
    }
    return r;
}

/*
 * strconv.IsPrint beyond ASCII, without its table of unassigned characters: controls, separators,
 * format characters, private use and non-characters are what a message must not carry.
 */
static bool is_printable(uint32_t r)
{
    static const struct {
        uint32_t from, to;
    } not[] = { { 0x80, 0xa0 },     { 0xad, 0xad },     { 0x1680, 0x1680 }, { 0x2000, 0x200f },
                { 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xd800, 0xf8ff },
                { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0xe0000, UINT32_MAX } };
    for (size_t i = 0; i < sizeof(not) / sizeof(not[0]); i++) {
        if (r >= not[i].from && r <= not[i].to) {
            return false;
        }
    }
    return (r & 0xfffe) != 0xfffe;
}

static int quote_rune(struct nj_buf *b, const unsigned char *p, size_t n)
{
    uint32_t r = decode(p, n);
    if (is_printable(r)) {
        return nj_buf_append(b, p, n);
    }
    return nj_buf_printf(b, r < 0x10000 ? "\\u%04" PRIx32 : "\\U%08" PRIx32, r);
}

int nj_quote(struct nj_buf *b, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *) s;
    int rc = nj_buf_putc(b, '"');
    for (size_t i = 0; i < len && rc >= 0;) {
        size_t n = p[i] < 0x80 ? 0 : utf8_len(p + i, len - i);
        if (n > 0) {
            rc = quote_rune(b, p + i, n);
            i += n;
        } else {
            rc = quote_ascii(b, p[i]);
            i++;
        }
    }
    return rc < 0 ? rc : nj_buf_putc(b, '"');
}

char *nj_quote_text(const char *s, char *out, size_t cap)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_quote(&b, s, strlen(s));
    (void) snprintf(out, cap, "%s", b.ptr);
    nj_buf_free(&b);
    return out;
}

char *nj_errno_text(int errnum, char *out, size_t cap)
{
    char text[128];
    const char *words = strerror_r(errnum, text, sizeof(text));
    (void) snprintf(out, cap, "%s", words);
    /* glibc writes "No such file", the reference "no such file"; "RFS ..." and the like stay. */
    if (cap > 1 && isupper((unsigned char) out[0]) && !isupper((unsigned char) out[1])) {
        out[0] = (char) tolower((unsigned char) out[0]);
    }
    return out;
}
