#include "ops/http_query.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "natterjack/plugin.h"
#include "ops/http_head.h"

/*
 * Is this piece of the query, decoded, the key?  A query may be a megabyte of pieces: most of them
 * are told apart by what stands there.
 */
static bool is_key(const char *s, size_t len, const char *key)
{
    size_t n = strlen(key);
    if (memchr(s, '%', len) == NULL && memchr(s, '+', len) == NULL) {
        return len == n && memcmp(s, key, n) == 0;
    }
    char *name = nj_http_unescape(s, len, true, &len);
    bool same = name != NULL && len == n && memcmp(name, key, n) == 0;
    nj_dealloc(name);
    return same;
}

char *nj_query_get(const char *query, const char *key)
{
    const char *at = query;
    while (*at != '\0') {
        size_t len = strcspn(at, "&");
        const char *eq = memchr(at, '=', len);
        size_t key_len = eq == NULL ? len : (size_t) (eq - at);
        if (memchr(at, ';', len) == NULL && is_key(at, key_len, key)) {
            size_t n = 0;
            size_t skip = eq == NULL ? len : key_len + 1;
            char *value = nj_http_unescape(at + skip, len - skip, true, &n);
            if (value != NULL) {
                return value;
            }
        }
        at += len + (at[len] == '&' ? 1 : 0);
    }
    return nj_strdup("");
}

/* `what` and `call` as the reference names them; takes the value over. */
static int refuse(struct nj_buf *why, const char *what, const char *key, const char *call,
                  char *value, const char *fault)
{
    (void) nj_buf_printf(why, "Error decoding %s for '%s': strconv.%s: parsing ", what, key, call);
    (void) nj_quote(why, value, strlen(value));
    (void) nj_buf_printf(why, ": %s", fault);
    nj_dealloc(value);
    return NJ_E_INVALID;
}

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(s, *words) == 0) {
            return true;
        }
    }
    return false;
}

int nj_query_bool(const char *query, const char *key, bool *v_out, struct nj_buf *why)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True", NULL };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False", NULL };
    char *value = nj_query_get(query, key);
    bool is_yes = is_one_of(value, yes);
    if (value[0] != '\0' && !is_yes && !is_one_of(value, no)) {
        return refuse(why, "boolean", key, "ParseBool", value, "invalid syntax");
    }
    if (value[0] != '\0') {
        *v_out = is_yes;
    }
    nj_dealloc(value);
    return NJ_OK;
}

/* Digits alone; NULL when fine, else the fault. */
static const char *parse_digits(const char *s, uint64_t *v_out)
{
    uint64_t v = 0;
    bool over = false;
    if (*s == '\0') {
        return "invalid syntax";
    }
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9') {
            return "invalid syntax";
        }
        uint64_t digit = (uint64_t) (*s - '0');
        over = over || v > (UINT64_MAX - digit) / 10;
        v = v * 10 + digit;
    }
    *v_out = v;
    return over ? "value out of range" : NULL;
}

int nj_query_int(const char *query, const char *key, int64_t *v_out, struct nj_buf *why)
{
    char *value = nj_query_get(query, key);
    bool negative = value[0] == '-';
    uint64_t v = 0;
    if (value[0] == '\0') {
        nj_dealloc(value);
        return NJ_OK;
    }
    const char *fault = parse_digits(value + (negative || value[0] == '+' ? 1 : 0), &v);
    if (fault == NULL && v > (uint64_t) INT64_MAX + (negative ? 1 : 0)) {
        fault = "value out of range";
    }
    if (fault != NULL) {
        return refuse(why, "int", key, "Atoi", value, fault);
    }
    *v_out = negative ? (int64_t) (0 - v) : (int64_t) v;
    nj_dealloc(value);
    return NJ_OK;
}

int nj_query_uint(const char *query, const char *key, uint64_t *v_out, struct nj_buf *why)
{
    char *value = nj_query_get(query, key);
    uint64_t v = 0;
    const char *fault = value[0] == '\0' ? NULL : parse_digits(value, &v);
    if (fault != NULL) {
        return refuse(why, "uint64", key, "ParseUint", value, fault);
    }
    if (value[0] != '\0') {
        *v_out = v;
    }
    nj_dealloc(value);
    return NJ_OK;
}
