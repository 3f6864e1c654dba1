#include "ops/option_reader.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"

/* ---- saying what is wrong ------------------------------------------------------------------- */

static void put_place(struct nj_option_reader *r, const struct nj_conf_value *at, struct nj_buf *to)
{
    if (at == NULL || at->file == NULL) {
        at = r->option;
    }
    (void) nj_buf_printf(to, "%s:%u:%u: ", at->file, (unsigned) at->line, (unsigned) at->col);
}

void nj_reader_fail(struct nj_option_reader *r, const struct nj_conf_value *at, const char *fmt,
                    ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_place(r, at, &r->errors);
    (void) nj_buf_vprintf(&r->errors, fmt, ap);
    (void) nj_buf_putc(&r->errors, '\n');
    va_end(ap);
}

void nj_reader_warn(struct nj_option_reader *r, const struct nj_conf_value *at, const char *fmt,
                    ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_place(r, at, &r->warnings);
    (void) nj_buf_vprintf(&r->warnings, fmt, ap);
    (void) nj_buf_putc(&r->warnings, '\n');
    va_end(ap);
}

void nj_reader_misuse(struct nj_option_reader *r, const struct nj_conf_member *m, const char *fmt,
                      ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_place(r, &m->value, &r->warnings);
    (void) nj_buf_puts(&r->warnings, "invalid use of field ");
    (void) nj_quote(&r->warnings, m->key, m->key_len);
    (void) nj_buf_puts(&r->warnings, ": ");
    (void) nj_buf_vprintf(&r->warnings, fmt, ap);
    (void) nj_buf_putc(&r->warnings, '\n');
    va_end(ap);
}

void nj_reader_fail_plain(struct nj_option_reader *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void) nj_buf_vprintf(&r->errors, fmt, ap);
    (void) nj_buf_putc(&r->errors, '\n');
    va_end(ap);
}

void nj_reader_show(const struct nj_conf_value *v, struct nj_buf *out)
{
    if (v->type == NJ_CONF_LIST || v->type == NJ_CONF_MAP) {
        /* may hold passwords; the reference prints addresses of its own memory */
        /* of what is inside the reference prints addresses */
        (void) nj_buf_puts(out, v->type == NJ_CONF_LIST ? v->as.list->count > 0 ? "[...]" : "[]"
                                : v->as.map->count > 0  ? "map[...]"
                                                        : "map[]");
    } else {
        nj_conf_print(v, out);
    }
}

void nj_reader_expected(struct nj_option_reader *r, const struct nj_conf_value *v, const char *what)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    nj_reader_show(v, &b);
    nj_reader_fail(r, v, "Expected %s, got %s", what, b.ptr == NULL ? "" : b.ptr);
    nj_buf_wipe(&b);
}

void nj_reader_unknown(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (!m->value.used_as_variable) {
        char *name = nj_quoted(m->key, m->key_len);
        nj_reader_fail(r, &m->value, "unknown field %s", name);
        nj_dealloc(name);
    }
}

void nj_reader_unserved(struct nj_option_reader *r, const struct nj_conf_member *m,
                        const char *text)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    put_place(r, &m->value, &b);
    (void) nj_quote(&b, m->key, m->key_len);
    (void) nj_buf_printf(&b, " %s", text);
    nj_options_add_unserved(r->o, b.ptr);
    nj_buf_free(&b);
}

/* ---- typed values --------------------------------------------------------------------------- */

bool nj_reader_is(struct nj_option_reader *r, const struct nj_conf_value *v, enum nj_conf_type want)
{
    if (v->type == want) {
        return true;
    }
    nj_reader_fail(r, v, "interface conversion: interface {} is %s, not %s",
                   nj_conf_type_name(v->type), nj_conf_type_name(want));
    return false;
}

bool nj_reader_string(struct nj_option_reader *r, const struct nj_conf_value *v, char **s_out)
{
    if (!nj_reader_is(r, v, NJ_CONF_STRING)) {
        return false;
    }
    if (v->as.str.len > 0) {
        nj_text_set(s_out, v->as.str.ptr);
    } else {
        nj_dealloc(*s_out); /* empty is the same as absent */
        *s_out = NULL;
    }
    return true;
}

bool nj_reader_bool(struct nj_option_reader *r, const struct nj_conf_value *v, bool *on_out)
{
    if (!nj_reader_is(r, v, NJ_CONF_BOOL)) {
        return false;
    }
    *on_out = v->as.boolean;
    return true;
}

bool nj_reader_int(struct nj_option_reader *r, const struct nj_conf_value *v, int64_t *n_out)
{
    if (!nj_reader_is(r, v, NJ_CONF_INT)) {
        return false;
    }
    *n_out = v->as.integer;
    return true;
}

bool nj_reader_duration_text(struct nj_option_reader *r, const struct nj_conf_value *v,
                             const char *what, int64_t *ns_out)
{
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_go_duration(v->as.str.ptr, v->as.str.len, ns_out, &why);
    if (rc != NJ_OK) {
        nj_reader_fail(r, v, "error parsing %s: %s", what, why.ptr);
    }
    nj_buf_free(&why);
    return rc == NJ_OK;
}

static int64_t seconds_ns(double s)
{
    double ns = s * 1e9;
    return ns >= 9.2e18 ? INT64_MAX : ns <= -9.2e18 ? INT64_MIN : (int64_t) ns;
}

bool nj_reader_duration(struct nj_option_reader *r, const struct nj_conf_member *m, int64_t *ns_out)
{
    char lower[64];
    size_t n = 0;
    for (; n < m->key_len && n + 1 < sizeof(lower); n++) {
        lower[n] = (char) (m->key[n] >= 'A' && m->key[n] <= 'Z' ? m->key[n] + 32 : m->key[n]);
    }
    lower[n] = '\0';
    if (m->value.type == NJ_CONF_STRING) {
        return nj_reader_duration_text(r, &m->value, lower, ns_out);
    }
    nj_reader_misuse(r, m, "%s should be converted to a duration", lower);
    if (!nj_reader_is(r, &m->value, NJ_CONF_INT)) {
        return false;
    }
    *ns_out = seconds_ns((double) m->value.as.integer);
    return true;
}

int nj_seconds_read(const struct nj_conf_value *v, int64_t *ns_out, struct nj_buf *why)
{
    switch (v->type) {
    case NJ_CONF_INT:
        *ns_out = seconds_ns((double) v->as.integer);
        return NJ_OK;
    case NJ_CONF_FLOAT:
        *ns_out = seconds_ns(v->as.real);
        return NJ_OK;
    case NJ_CONF_STRING:
        return nj_go_duration(v->as.str.ptr, v->as.str.len, ns_out, why);
    default:
        return NJ_E_UNSUPPORTED;
    }
}

void nj_reader_high_timeout(struct nj_option_reader *r, const struct nj_conf_member *m, int64_t ns)
{
    const struct nj_conf_value *v = &m->value;
    double seconds = v->type == NJ_CONF_INT ? (double) v->as.integer : (double) ns / 1e9;
    struct nj_buf text;
    nj_buf_init(&text, SIZE_MAX);
    nj_conf_print(v, &text);
    nj_reader_misuse(r, m,
                     "timeout of %s (%f seconds) is high, consider keeping it under 60 seconds. "
                     "possibly caused by unquoted duration; use '1m' instead of 1m, for example",
                     text.ptr, seconds);
    nj_buf_free(&text);
}

/* ---- addresses ------------------------------------------------------------------------------ */

/*
 * Cut "host:port" as Go's net.SplitHostPort does: brackets around a host with colons, and only
 * there.  Returns the offset of the port, or 0 when the text is no such thing.
 */
static size_t split_address(const char *s, size_t len, size_t *host_at, size_t *host_len)
{
    const char *colon = memrchr(s, ':', len);
    if (colon == NULL) {
        return 0;
    }
    size_t at = (size_t) (colon - s);
    if (len > 0 && s[0] == '[') {
        const char *end = memchr(s, ']', len);
        if (end == NULL || end + 1 != colon) {
            return 0;
        }
        *host_at = 1;
        *host_len = (size_t) (end - s) - 1;
        return memchr(s + 1, '[', len - 1) != NULL || memchr(colon, ']', len - at) != NULL ? 0
                                                                                           : at + 1;
    }
    *host_at = 0;
    *host_len = at;
    if (memchr(s, ':', at) != NULL || memchr(s, '[', len) != NULL || memchr(s, ']', len) != NULL) {
        return 0;
    }
    return at + 1;
}

static int clamp_int(long long n)
{
    return n > INT_MAX ? INT_MAX : n < INT_MIN ? INT_MIN : (int) n;
}

/* A decimal integer with an optional sign, and nothing else. */
static bool read_port(const char *s, int *port_out)
{
    const char *digits = s[0] == '-' || s[0] == '+' ? s + 1 : s;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return false;
    }
    *port_out = clamp_int(strtoll(s, NULL, 10));
    return true;
}

static bool listen_text(struct nj_option_reader *r, const struct nj_conf_value *v, char **host_out,
                        int *port_out)
{
    const char *s = v->as.str.ptr;
    size_t host_at = 0;
    size_t host_len = 0;
    size_t port_at = split_address(s, v->as.str.len, &host_at, &host_len);
    if (port_at == 0) {
        char *text = nj_quoted(s, v->as.str.len);
        nj_reader_fail(r, v, "could not parse address string %s", text);
        nj_dealloc(text);
        return false;
    }
    if (!read_port(s + port_at, port_out)) {
        char *text = nj_quoted(s + port_at, v->as.str.len - port_at);
        nj_reader_fail(r, v, "could not parse port %s", text);
        nj_dealloc(text);
        return false;
    }
    nj_dealloc(*host_out);
    *host_out = host_len > 0 ? nj_strndup(s + host_at, host_len) : NULL;
    return true;
}

bool nj_reader_listen(struct nj_option_reader *r, const struct nj_conf_value *v, char **host_out,
                      int *port_out)
{
    if (v->type == NJ_CONF_INT) {
        *port_out = clamp_int(v->as.integer);
        return true;
    }
    if (v->type == NJ_CONF_STRING) {
        return listen_text(r, v, host_out, port_out);
    }
    nj_reader_fail(r, v, "expected port or host:port, got %s", nj_conf_type_name(v->type));
    return false;
}

/* ---- names and strings ---------------------------------------------------------------------- */

bool nj_key_is(const struct nj_conf_member *m, const char *name)
{
    return strlen(name) == m->key_len && strncasecmp(m->key, name, m->key_len) == 0;
}

bool nj_key_among(const struct nj_conf_member *m, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (nj_key_is(m, *names)) {
            return true;
        }
    }
    return false;
}

char *nj_quoted(const char *s, size_t len)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_quote(&b, s, len);
    return nj_buf_take(&b);
}

void nj_text_set(char **where, const char *s)
{
    char *copy = nj_strdup(s);
    nj_dealloc(*where);
    *where = copy;
}

void nj_texts_add(char ***list, size_t *n, const char *s)
{
    *list = nj_realloc(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = nj_strdup(s);
}

void nj_texts_free(char ***list, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        nj_dealloc((*list)[i]);
    }
    nj_dealloc(*list);
    *list = NULL;
    *n = 0;
}
