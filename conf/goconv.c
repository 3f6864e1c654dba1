#include "conf/goconv.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "natterjack/plugin.h"

/* ---- runes ---------------------------------------------------------------------------------- */

static bool is_tail(char c)
{
    return ((unsigned char) c & 0xC0U) == 0x80U;
}

uint32_t nj_rune_decode(const char *s, size_t len, size_t *width_out)
{
    unsigned char c = (unsigned char) s[0];
    size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    *width_out = 1;
    if (n == 1) {
        return c;
    }
    if (c < 0xC2 || c > 0xF4 || n > len) {
        return NJ_RUNE_INVALID;
    }
    uint32_t rune = c & (0xFFU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (!is_tail(s[i])) {
            return NJ_RUNE_INVALID;
        }
        rune = rune << 6 | ((unsigned char) s[i] & 0x3FU);
    }
    if (rune < least[n] || rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) {
        return NJ_RUNE_INVALID;
    }
    *width_out = n;
    return rune;
}

int nj_rune_is_space(uint32_t r)
{
    return (r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 || r == 0xA0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200A) || r == 0x2028 || r == 0x2029 || r == 0x202F ||
           r == 0x205F || r == 0x3000;
}

/* ---- durations ------------------------------------------------------------------------------ */

/* Go's time package has a quote of its own: all but printable ASCII as bytes. */
static void quote_bytes(struct nj_buf *out, const char *s, size_t len)
{
    (void) nj_buf_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) s[i];
        if (c < ' ' || c >= 0x80) {
            (void) nj_buf_printf(out, "\\x%02x", (unsigned) c);
        } else {
            (void) nj_buf_printf(out, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
        }
    }
    (void) nj_buf_putc(out, '"');
}

static int bad_duration(struct nj_buf *why, const char *s, size_t len)
{
    (void) nj_buf_puts(why, "time: invalid duration ");
    quote_bytes(why, s, len);
    return NJ_E_INVALID;
}

/* Nanoseconds of a unit; 0: no such unit. */
static uint64_t unit_ns(const char *s, size_t len)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "\xC2\xB5s", 1000 }, /* U+00B5 micro sign */
        { "\xCE\xBCs", 1000 }, /* U+03BC Greek letter mu */
        { "ms", 1000000 },
        { "s", 1000000000 },
        { "m", UINT64_C(60000000000) },
        { "h", UINT64_C(3600000000000) },
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, s, len) == 0) {
            return units[i].ns;
        }
    }
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits to a number; false when it passes 2^63. */
static bool read_whole(const char *s, size_t len, size_t *at, uint64_t *v_out)
{
    uint64_t v = 0;
    for (; *at < len && is_digit(s[*at]); (*at)++) {
        if (v > UINT64_C(922337203685477580)) {
            return false;
        }
        v = v * 10 + (uint64_t) (s[*at] - '0');
        if (v > UINT64_C(1) << 63) {
            return false;
        }
    }
    *v_out = v;
    return true;
}

/* Digits after the point as value / scale; digits that do not fit are dropped. */
static uint64_t read_fraction(const char *s, size_t len, size_t *at, double *scale_out)
{
    uint64_t v = 0;
    bool full = false;
    *scale_out = 1;
    for (; *at < len && is_digit(s[*at]); (*at)++) {
        uint64_t y =
            v > UINT64_C(922337203685477580) ? UINT64_MAX : v * 10 + (uint64_t) (s[*at] - '0');
        full = full || y > UINT64_C(1) << 63;
        if (!full) {
            v = y;
            *scale_out *= 10;
        }
    }
    return v;
}

/* One "1.5h".  Returns NJ_OK and adds to *sum, or puts the sentence into `why`. */
static int add_term(const char *s, size_t len, size_t *at, uint64_t *sum, struct nj_buf *why)
{
    size_t start = *at;
    uint64_t v = 0;
    uint64_t f = 0;
    double scale = 1;

    if (!read_whole(s, len, at, &v)) {
        return bad_duration(why, s, len);
    }
    bool digits = *at > start;
    if (*at < len && s[*at] == '.') {
        size_t point = ++*at;
        f = read_fraction(s, len, at, &scale);
        digits = digits || *at > point;
    }
    if (!digits) {
        return bad_duration(why, s, len);
    }
    size_t unit = *at;
    while (*at < len && s[*at] != '.' && !is_digit(s[*at])) {
        (*at)++;
    }
    if (*at == unit) {
        (void) nj_buf_puts(why, "time: missing unit in duration ");
        quote_bytes(why, s, len);
        return NJ_E_INVALID;
    }
    uint64_t ns = unit_ns(s + unit, *at - unit);
    if (ns == 0) {
        (void) nj_buf_puts(why, "time: unknown unit ");
        quote_bytes(why, s + unit, *at - unit);
        (void) nj_buf_puts(why, " in duration ");
        quote_bytes(why, s, len);
        return NJ_E_INVALID;
    }
    if (v > (UINT64_C(1) << 63) / ns) {
        return bad_duration(why, s, len);
    }
    v = v * ns + (uint64_t) ((double) f * ((double) ns / scale));
    if (v > UINT64_C(1) << 63 || *sum + v > UINT64_C(1) << 63) {
        return bad_duration(why, s, len);
    }
    *sum += v;
    return NJ_OK;
}

int nj_go_duration(const char *s, size_t len, int64_t *ns_out, struct nj_buf *why)
{
    size_t at = len > 0 && (s[0] == '-' || s[0] == '+') ? 1 : 0;
    bool negative = len > 0 && s[0] == '-';
    uint64_t sum = 0;

    if (len - at == 1 && s[at] == '0') {
        *ns_out = 0;
        return NJ_OK;
    }
    if (at == len) {
        return bad_duration(why, s, len);
    }
    while (at < len) {
        if (s[at] != '.' && !is_digit(s[at])) {
            return bad_duration(why, s, len);
        }
        int rc = add_term(s, len, &at, &sum, why);
        if (rc != NJ_OK) {
            return rc;
        }
    }
    if (!negative && sum > (uint64_t) INT64_MAX) {
        return bad_duration(why, s, len);
    }
    *ns_out = negative ? (int64_t) (UINT64_C(0) - sum) : (int64_t) sum;
    return NJ_OK;
}

/* ---- floats --------------------------------------------------------------------------------- */

struct digits {
    char text[20]; /* without point, no trailing zeros */
    int count;
    int exponent; /* value = 0.text * 10^exponent */
    bool negative;
};

/* The fewest digits that read back to the same value. */
static void shortest_digits(double x, struct digits *d)
{
    char form[40];
    for (int precision = 0; precision <= 16; precision++) {
        (void) snprintf(form, sizeof(form), "%.*e", precision, x);
        if (strtod(form, NULL) == x) {
            break;
        }
    }
    d->negative = form[0] == '-';
    d->count = 0;
    const char *p = form + (d->negative ? 1 : 0);
    for (; *p != 'e' && *p != '\0'; p++) {
        if (is_digit(*p)) {
            d->text[d->count++] = *p;
        }
    }
    d->exponent = *p == 'e' ? (int) strtol(p + 1, NULL, 10) + 1 : 1;
    while (d->count > 1 && d->text[d->count - 1] == '0') {
        d->count--;
    }
}

static void put_plain(struct nj_buf *out, const struct digits *d)
{
    int point = d->exponent;
    if (point <= 0) {
        (void) nj_buf_puts(out, "0.");
        for (int i = point; i < 0; i++) {
            (void) nj_buf_putc(out, '0');
        }
    }
    for (int i = 0; i < d->count || i < point; i++) {
        if (i == point && point > 0) {
            (void) nj_buf_putc(out, '.');
        }
        (void) nj_buf_putc(out, i < d->count ? d->text[i] : '0');
    }
}

static void put_exponent(struct nj_buf *out, const struct digits *d, int least_digits)
{
    int e = d->exponent - 1;
    (void) nj_buf_putc(out, d->text[0]);
    if (d->count > 1) {
        (void) nj_buf_printf(out, ".%.*s", d->count - 1, d->text + 1);
    }
    (void) nj_buf_printf(out, "e%c%0*d", e < 0 ? '-' : '+', least_digits, e < 0 ? -e : e);
}

void nj_go_float_json(struct nj_buf *out, double x)
{
    struct digits d;
    double magnitude = x < 0 ? -x : x;

    shortest_digits(x, &d);
    if (d.negative) {
        (void) nj_buf_putc(out, '-');
    }
    if (!(magnitude > 0) || (magnitude >= 1e-6 && magnitude < 1e21)) {
        put_plain(out, &d);
    } else {
        put_exponent(out, &d, magnitude < 1 ? 1 : 2);
    }
}

void nj_go_float_text(struct nj_buf *out, double x)
{
    struct digits d;

    shortest_digits(x, &d);
    if (d.negative) {
        (void) nj_buf_putc(out, '-');
    }
    if (d.exponent - 1 < -4 || d.exponent - 1 >= 21) {
        put_exponent(out, &d, 2);
    } else {
        put_plain(out, &d);
    }
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* Drop the last element of what was built; false when there is none to drop. */
static bool drop_last(struct nj_buf *b, size_t root)
{
    if (b->len <= root || (b->len - root >= 2 && strcmp(b->ptr + b->len - 2, "..") == 0 &&
                           (b->len - root == 2 || b->ptr[b->len - 3] == '/'))) {
        return false;
    }
    while (b->len > root && b->ptr[b->len - 1] != '/') {
        b->len--;
    }
    if (b->len > root) {
        b->len--; /* the slash */
    }
    b->ptr[b->len] = '\0';
    return true;
}

static void add_element(struct nj_buf *b, size_t root, const char *s, size_t n)
{
    bool up = n == 2 && s[0] == '.' && s[1] == '.';
    if (n == 0 || (n == 1 && s[0] == '.') || (up && (drop_last(b, root) || root > 0))) {
        return;
    }
    if (b->len > root) {
        (void) nj_buf_putc(b, '/');
    }
    (void) nj_buf_append(b, s, n);
}

char *nj_go_path_clean(const char *path)
{
    struct nj_buf b;
    size_t root = path[0] == '/' ? 1 : 0;

    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_append(&b, "/", root);
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p, "/");
        add_element(&b, root, p, n);
        p += n;
        p += *p == '/' ? 1 : 0;
    }
    if (b.len == 0) {
        (void) nj_buf_putc(&b, '.');
    }
    return nj_buf_take(&b);
}

char *nj_go_path_join(const char *dir, const char *name)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_printf(&b, "%s%s%s", dir, dir[0] != '\0' && name[0] != '\0' ? "/" : "", name);
    char *clean = b.len > 0 ? nj_go_path_clean(b.ptr) : nj_strdup("");
    nj_buf_free(&b);
    return clean;
}

char *nj_go_path_dir(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *head = nj_strndup(path, slash == NULL ? 0 : (size_t) (slash - path) + 1);
    char *dir = nj_go_path_clean(head);
    nj_dealloc(head);
    return dir;
}
