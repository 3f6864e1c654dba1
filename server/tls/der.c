#include "tls/der.h"

#include <string.h>

#include "base/buf.h"

#define OID_ARC_MAX UINT32_C(0x7fffffff)

bool nj_span_equal(struct nj_span a, struct nj_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int nj_span_compare(struct nj_span a, struct nj_span b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least > 0 ? memcmp(a.ptr, b.ptr, least) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct nj_span span_from(struct nj_span s, size_t at)
{
    return (struct nj_span){ s.ptr + at, s.len - at };
}

/* Length octets at in[1]: how long the header is, and the body. */
static int read_length(struct nj_span in, size_t *header_out, size_t *body_out)
{
    uint8_t first = in.ptr[1];
    if (first < 0x80) {
        *header_out = 2;
        *body_out = first;
        return NJ_OK;
    }
    size_t octets = first & 0x7f;
    if (octets == 0 || octets > 4 || in.len < 2 + octets) {
        return NJ_E_INVALID; /* indefinite, absurd, or cut off */
    }
    size_t len = 0;
    for (size_t i = 0; i < octets; i++) {
        len = len << 8 | in.ptr[2 + i];
    }
    if (len < 0x80 || len >> (8 * (octets - 1)) == 0) {
        return NJ_E_INVALID; /* not the shortest form */
    }
    *header_out = 2 + octets;
    *body_out = len;
    return NJ_OK;
}

int nj_der_next(struct nj_span *in, uint8_t *tag_out, struct nj_span *body_out,
                struct nj_span *whole_out)
{
    size_t header = 0;
    size_t len = 0;
    if (in->len < 2 || (in->ptr[0] & 0x1f) == 0x1f || read_length(*in, &header, &len) < 0 ||
        in->len - header < len) {
        return NJ_E_INVALID;
    }
    *tag_out = in->ptr[0];
    *body_out = (struct nj_span){ in->ptr + header, len };
    if (whole_out != NULL) {
        *whole_out = (struct nj_span){ in->ptr, header + len };
    }
    *in = span_from(*in, header + len);
    return NJ_OK;
}

bool nj_der_is(const struct nj_span *in, uint8_t tag)
{
    return in->len > 0 && in->ptr[0] == tag;
}

int nj_der_take(struct nj_span *in, uint8_t tag, struct nj_span *body_out)
{
    uint8_t seen = 0;
    return nj_der_is(in, tag) ? nj_der_next(in, &seen, body_out, NULL) : NJ_E_INVALID;
}

int nj_der_take_whole(struct nj_span *in, uint8_t tag, struct nj_span *whole_out)
{
    uint8_t seen = 0;
    struct nj_span body;
    return nj_der_is(in, tag) ? nj_der_next(in, &seen, &body, whole_out) : NJ_E_INVALID;
}

int nj_der_take_flag(struct nj_span *in, bool *value_out)
{
    struct nj_span body;
    struct nj_span at = *in;
    if (!nj_der_is(in, NJ_DER_BOOLEAN)) {
        *value_out = false;
        return NJ_OK;
    }
    if (nj_der_take(&at, NJ_DER_BOOLEAN, &body) < 0 || body.len != 1 ||
        (body.ptr[0] != 0x00 && body.ptr[0] != 0xff)) {
        return NJ_E_INVALID;
    }
    *in = at;
    *value_out = body.ptr[0] != 0;
    return NJ_OK;
}

int nj_der_take_small(struct nj_span *in, int32_t *value_out)
{
    struct nj_span body;
    struct nj_span at = *in;
    if (nj_der_take(&at, NJ_DER_INTEGER, &body) < 0 || body.len == 0 || body.len > 4 ||
        (body.ptr[0] & 0x80) != 0 ||
        (body.len > 1 && body.ptr[0] == 0 && (body.ptr[1] & 0x80) == 0)) {
        return NJ_E_INVALID;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < body.len; i++) {
        value = value << 8 | body.ptr[i];
    }
    *in = at;
    *value_out = (int32_t) value;
    return NJ_OK;
}

int nj_der_take_bits(struct nj_span *in, struct nj_span *bytes_out)
{
    struct nj_span body;
    struct nj_span at = *in;
    if (nj_der_take(&at, NJ_DER_BIT_STRING, &body) < 0 || body.len == 0 || body.ptr[0] != 0) {
        return NJ_E_INVALID;
    }
    *in = at;
    *bytes_out = span_from(body, 1);
    return NJ_OK;
}

/* ---- times ----------------------------------------------------------------------------------- */

static bool two_digits(const uint8_t *p, int *value_out)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') {
        return false;
    }
    *value_out = (p[0] - '0') * 10 + (p[1] - '0');
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Days since 1970-01-01 in the Gregorian calendar; years 0 to 9999. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = year;
    int64_t before = y == 0 ? 0 : 365 * y + (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400 + 1;
    for (int m = 1; m < month; m++) {
        before += days_in_month(year, m);
    }
    return before + day - 1 - INT64_C(719528); /* days from year 0 to 1970 */
}

/* MMDDHHMMSSZ */
static int read_moment(int year, const uint8_t *p, int64_t *time_s_out)
{
    int month, day, hour, minute, second;
    if (!two_digits(p, &month) || !two_digits(p + 2, &day) || !two_digits(p + 4, &hour) ||
        !two_digits(p + 6, &minute) || !two_digits(p + 8, &second) || p[10] != 'Z') {
        return NJ_E_INVALID;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59) {
        return NJ_E_INVALID;
    }
    *time_s_out = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return NJ_OK;
}

int nj_der_take_time(struct nj_span *in, int64_t *time_s_out)
{
    uint8_t tag = 0;
    struct nj_span body;
    struct nj_span at = *in;
    int high = 0;
    int low = 0;
    int rc = NJ_E_INVALID;
    if (nj_der_next(&at, &tag, &body, NULL) < 0) {
        return NJ_E_INVALID;
    }
    if (tag == NJ_DER_UTC_TIME && body.len == 13 && two_digits(body.ptr, &low)) {
        /* RFC 5280 4.1.2.5.1: 50..99 are 19xx */
        rc = read_moment(low < 50 ? 2000 + low : 1900 + low, body.ptr + 2, time_s_out);
    } else if (tag == NJ_DER_GENERALIZED_TIME && body.len == 15 && two_digits(body.ptr, &high) &&
               two_digits(body.ptr + 2, &low)) {
        rc = read_moment(high * 100 + low, body.ptr + 4, time_s_out);
    }
    if (rc == NJ_OK) {
        *in = at;
    }
    return rc;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* One base-128 number of an OID. */
static int take_arc(struct nj_span *in, uint32_t *arc_out)
{
    uint32_t arc = 0;
    for (size_t i = 0; i < in->len && i < 5; i++) {
        uint8_t b = in->ptr[i];
        if ((i == 0 && b == 0x80) || arc > OID_ARC_MAX >> 7) {
            return NJ_E_INVALID;
        }
        arc = arc << 7 | (b & 0x7f);
        if ((b & 0x80) == 0) {
            *arc_out = arc;
            *in = span_from(*in, i + 1);
            return NJ_OK;
        }
    }
    return NJ_E_INVALID;
}

int nj_der_oid_text(struct nj_span body, struct nj_buf *out)
{
    uint32_t arc = 0;
    if (take_arc(&body, &arc) < 0) {
        return NJ_E_INVALID;
    }
    uint32_t top = arc < 80 ? arc / 40 : 2;
    int rc = nj_buf_printf(out, "%u.%u", top, arc - top * 40);
    while (rc == NJ_OK && body.len > 0) {
        if (take_arc(&body, &arc) < 0) {
            return NJ_E_INVALID;
        }
        rc = nj_buf_printf(out, ".%u", arc);
    }
    return rc;
}

/* How long the UTF-8 character at p is; 0 when it is none (RFC 3629: shortest, no surrogates). */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (p[0] < 0x80) {
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) {
        return 0;
    }
    uint32_t c = p[0] & (0xffU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static bool is_utf8(struct nj_span s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_len(s.ptr + i, s.len - i);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

static bool is_numeric(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == ' ';
}

/* '*' and '&' are not in the standard's set, yet common and let through by everybody. */
static bool is_printable(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_numeric(c) ||
           (c != '\0' && strchr("'()+,-./:=?*&", c) != NULL);
}

static bool is_ascii(uint8_t c)
{
    return c < 0x80;
}

static bool all_bytes(struct nj_span s, bool (*fits)(uint8_t))
{
    for (size_t i = 0; i < s.len; i++) {
        if (!fits(s.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* A character below 0x10000. */
static int put_char(struct nj_buf *out, uint32_t c)
{
    char b[3];
    size_t n = 0;
    if (c < 0x80) {
        b[n++] = (char) c;
    } else if (c < 0x800) {
        b[n++] = (char) (0xc0 | c >> 6);
        b[n++] = (char) (0x80 | (c & 0x3f));
    } else {
        b[n++] = (char) (0xe0 | c >> 12);
        b[n++] = (char) (0x80 | (c >> 6 & 0x3f));
        b[n++] = (char) (0x80 | (c & 0x3f));
    }
    return nj_buf_append(out, b, n);
}

static int put_bmp(struct nj_span s, struct nj_buf *out)
{
    if (s.len % 2 != 0) {
        return NJ_E_INVALID;
    }
    if (s.len >= 2 && s.ptr[s.len - 1] == 0 && s.ptr[s.len - 2] == 0) {
        s.len -= 2; /* some encoders count a terminator */
    }
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < s.len; i += 2) {
        uint32_t c = (uint32_t) s.ptr[i] << 8 | s.ptr[i + 1];
        if (c >= 0xfffe || (c >= 0xfdd0 && c <= 0xfdef) || (c >= 0xd800 && c <= 0xdfff)) {
            return NJ_E_INVALID;
        }
        rc = put_char(out, c);
    }
    return rc;
}

/* T.61 is read as Latin-1, as everybody does. */
static int put_latin1(struct nj_span s, struct nj_buf *out)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < s.len; i++) {
        rc = put_char(out, s.ptr[i]);
    }
    return rc;
}

int nj_der_string_text(uint8_t tag, struct nj_span body, struct nj_buf *out)
{
    bool fits = false;
    switch (tag) {
    case NJ_DER_UTF8:
        fits = is_utf8(body);
        break;
    case NJ_DER_PRINTABLE:
        fits = all_bytes(body, is_printable);
        break;
    case NJ_DER_NUMERIC:
        fits = all_bytes(body, is_numeric);
        break;
    case NJ_DER_IA5:
        fits = all_bytes(body, is_ascii);
        break;
    case NJ_DER_T61:
        return put_latin1(body, out);
    case NJ_DER_BMP:
        return put_bmp(body, out);
    default:
        break;
    }
    return fits ? nj_buf_append(out, body.ptr, body.len) : NJ_E_INVALID;
}
