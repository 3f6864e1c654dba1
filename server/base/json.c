#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "natterjack/plugin.h"

/*
 * Length of the UTF-8 sequence at s, 0 when there is none: no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 */
static size_t utf8_len(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    unsigned char lo = 0x80;
    unsigned char hi = 0xbf;
    size_t n = 0;
    if (c < 0x80) {
        return 1;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        n = 2;
    } else if (c >= 0xe0 && c <= 0xef) {
        n = 3;
        lo = c == 0xe0 ? 0xa0 : lo;
        hi = c == 0xed ? 0x9f : hi;
    } else if (c >= 0xf0 && c <= 0xf4) {
        n = 4;
        lo = c == 0xf0 ? 0x90 : lo;
        hi = c == 0xf4 ? 0x8f : hi;
    }
    if (n == 0 || n > len || s[1] < lo || s[1] > hi) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf) {
            return 0;
        }
    }
    return n;
}

/* The escape for an ASCII character, NULL when it stands for itself.  May use `tmp`. */
static const char *ascii_escape(unsigned char c, char tmp[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        break;
    }
    if (c >= 0x20 && c != '<' && c != '>' && c != '&') {
        return NULL;
    }
    (void) snprintf(tmp, 8, "\\u%04x", c);
    return tmp;
}

/* The escape for the sequence of n bytes (0: no UTF-8) at s, NULL when it stands for itself. */
static const char *sequence_escape(const unsigned char *s, size_t n, char tmp[8])
{
    if (n == 0) {
        return "\\ufffd";
    }
    if (n == 1) {
        return ascii_escape(s[0], tmp);
    }
    if (n == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9)) {
        return s[2] == 0xa8 ? "\\u2028" : "\\u2029";
    }
    return NULL;
}

int nj_json_quote(struct nj_buf *out, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *) s;
    size_t plain = 0; /* start of the run that needs no escape */
    size_t i = 0;
    int rc = nj_buf_putc(out, '"');
    while (i < len && rc == NJ_OK) {
        char tmp[8];
        size_t n = utf8_len(p + i, len - i);
        const char *esc = sequence_escape(p + i, n, tmp);
        size_t next = i + (n == 0 ? 1 : n);
        if (esc != NULL) {
            rc = nj_buf_append(out, s + plain, i - plain);
            rc = rc == NJ_OK ? nj_buf_puts(out, esc) : rc;
            plain = next;
        }
        i = next;
    }
    if (rc == NJ_OK && plain < len) {
        rc = nj_buf_append(out, s + plain, len - plain);
    }
    return rc == NJ_OK ? nj_buf_putc(out, '"') : rc;
}

/* The fewest digits that read back as v: "-d.ddde±xx". */
static void shortest_digits(double v, char *buf, size_t cap)
{
    for (int digits = 0; digits <= 17; digits++) {
        (void) snprintf(buf, cap, "%.*e", digits, v);
        if (memcmp(&(double){ strtod(buf, NULL) }, &v, sizeof(v)) == 0) {
            return;
        }
    }
}

/* Plain notation of 0.digits * 10^point, without a sign. */
static size_t plain_notation(const char *digits, int n, int point, char *buf, size_t cap)
{
    size_t at = 0;
    int first = point < 1 ? point - 1 : 0;
    int last = point > n ? point : n;
    for (int i = first < 0 ? first : 0; i < last && at + 2 < cap; i++) {
        if (i == point && at > 0) {
            buf[at++] = '.';
        }
        buf[at++] = i >= 0 && i < n ? digits[i] : '0';
    }
    buf[at] = '\0';
    return at;
}

char *nj_json_float_text(double v, char *buf, size_t cap)
{
    char e[40];
    char digits[24];
    int n = 0;
    size_t at = 0;
    assert(isfinite(v) && cap >= 32);
    shortest_digits(v, e, sizeof(e));
    char *exponent = strchr(e, 'e');
    int exp10 = (int) strtol(exponent + 1, NULL, 10);
    for (const char *c = e; c < exponent; c++) {
        if (*c >= '0' && *c <= '9') {
            digits[n++] = *c;
        }
    }
    if (signbit(v)) {
        buf[at++] = '-';
    }
    double magnitude = fabs(v);
    if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) {
        (void) plain_notation(digits, n, exp10 + 1, buf + at, cap - at);
        return buf;
    }
    /* Go drops the leading zero of a one-digit exponent only when it is negative; positive ones
     * have two digits here anyway (at least 21). */
    (void) snprintf(buf + at, cap - at, "%c%s%.*se%c%d", digits[0], n > 1 ? "." : "", n - 1,
                    digits + 1, exp10 < 0 ? '-' : '+', abs(exp10));
    return buf;
}

void nj_json_init(struct nj_json *j, struct nj_buf *out, unsigned indent)
{
    *j = (struct nj_json){ .out = out, .indent = indent };
}

int nj_json_finish(struct nj_json *j)
{
    assert(j->depth == 0);
    return j->rc;
}

static void put(struct nj_json *j, const char *s, size_t len)
{
    if (j->rc == NJ_OK) {
        j->rc = nj_buf_append(j->out, s, len);
    }
}

static void put_line_break(struct nj_json *j)
{
    static const char blanks[] = "                                ";
    if (j->indent == 0) {
        return;
    }
    put(j, "\n", 1);
    size_t left = (size_t) j->indent * j->depth;
    while (left > 0) {
        size_t n = left < sizeof(blanks) - 1 ? left : sizeof(blanks) - 1;
        put(j, blanks, n);
        left -= n;
    }
}

/* All that stands before a value: comma, line break, key. */
static void put_head(struct nj_json *j, const char *key)
{
    if (j->depth > 0) {
        bool in_array = (j->arrays >> (j->depth - 1) & 1) != 0;
        assert(in_array == (key == NULL));
        (void) in_array;
        if (j->filled) {
            put(j, ",", 1);
        }
        put_line_break(j);
    }
    j->filled = true;
    if (key != NULL) {
        if (j->rc == NJ_OK) {
            j->rc = nj_json_quote(j->out, key, strlen(key));
        }
        put(j, ": ", j->indent > 0 ? 2 : 1);
    }
}

static void put_value(struct nj_json *j, const char *key, const char *text)
{
    put_head(j, key);
    put(j, text, strlen(text));
}

static void open_container(struct nj_json *j, const char *key, bool array)
{
    put_value(j, key, array ? "[" : "{");
    assert(j->depth < NJ_JSON_MAX_DEPTH);
    uint64_t bit = (uint64_t) 1 << j->depth;
    j->arrays = array ? j->arrays | bit : j->arrays & ~bit;
    j->depth++;
    j->filled = false;
}

void nj_json_object(struct nj_json *j, const char *key)
{
    open_container(j, key, false);
}

void nj_json_array(struct nj_json *j, const char *key)
{
    open_container(j, key, true);
}

void nj_json_end(struct nj_json *j)
{
    assert(j->depth > 0);
    j->depth--;
    if (j->filled) {
        put_line_break(j);
    }
    put(j, (j->arrays >> j->depth & 1) != 0 ? "]" : "}", 1);
    j->filled = true;
}

void nj_json_strn(struct nj_json *j, const char *key, const char *s, size_t len)
{
    put_head(j, key);
    if (j->rc == NJ_OK) {
        j->rc = nj_json_quote(j->out, s, len);
    }
}

void nj_json_str(struct nj_json *j, const char *key, const char *s)
{
    const char *text = s == NULL ? "" : s;
    nj_json_strn(j, key, text, strlen(text));
}

void nj_json_int(struct nj_json *j, const char *key, int64_t v)
{
    char text[24];
    (void) snprintf(text, sizeof(text), "%" PRId64, v);
    put_value(j, key, text);
}

void nj_json_uint(struct nj_json *j, const char *key, uint64_t v)
{
    char text[24];
    (void) snprintf(text, sizeof(text), "%" PRIu64, v);
    put_value(j, key, text);
}

void nj_json_float(struct nj_json *j, const char *key, double v)
{
    char text[40];
    put_value(j, key, isfinite(v) ? nj_json_float_text(v, text, sizeof(text)) : "null");
}

void nj_json_bool(struct nj_json *j, const char *key, bool v)
{
    put_value(j, key, v ? "true" : "false");
}

void nj_json_null(struct nj_json *j, const char *key)
{
    put_value(j, key, "null");
}

void nj_json_time(struct nj_json *j, const char *key, int64_t wall_ns)
{
    char text[48];
    nj_json_str(j, key, nj_time_text(wall_ns, text, sizeof(text)));
}

void nj_json_opt_str(struct nj_json *j, const char *key, const char *s)
{
    if (s != NULL && s[0] != '\0') {
        nj_json_str(j, key, s);
    }
}

void nj_json_opt_int(struct nj_json *j, const char *key, int64_t v)
{
    if (v != 0) {
        nj_json_int(j, key, v);
    }
}

void nj_json_opt_uint(struct nj_json *j, const char *key, uint64_t v)
{
    if (v != 0) {
        nj_json_uint(j, key, v);
    }
}

void nj_json_opt_float(struct nj_json *j, const char *key, double v)
{
    if (fpclassify(v) != FP_ZERO) {
        nj_json_float(j, key, v);
    }
}

void nj_json_opt_bool(struct nj_json *j, const char *key, bool v)
{
    if (v) {
        nj_json_bool(j, key, v);
    }
}

void nj_json_opt_time(struct nj_json *j, const char *key, int64_t wall_ns)
{
    if (wall_ns != 0) {
        nj_json_time(j, key, wall_ns);
    }
}

void nj_json_opt_strs(struct nj_json *j, const char *key, char *const *list, size_t n)
{
    if (n == 0) {
        return;
    }
    nj_json_array(j, key);
    for (size_t i = 0; i < n; i++) {
        nj_json_str(j, NULL, list[i]);
    }
    nj_json_end(j);
}
