#include "broker/subject.h"

#include <string.h>

/* Has the text a token that is empty? */
static bool has_empty_token(const char *s, size_t len)
{
    return len == 0 || s[0] == '.' || s[len - 1] == '.' || memmem(s, len, "..", 2) != NULL;
}

/* Length of the token that starts at `at`. */
static size_t token_len(const char *s, size_t len, size_t at)
{
    const char *dot = memchr(s + at, '.', len - at);
    return dot != NULL ? (size_t) (dot - (s + at)) : len - at;
}

bool nj_subject_valid_pattern(const char *s, size_t len)
{
    bool open_end = false;
    for (size_t at = 0; at <= len;) {
        size_t n = token_len(s, len, at);
        if (n == 0 || open_end) {
            return false;
        }
        open_end = n == 1 && s[at] == '>';
        at += n + 1;
    }
    return true;
}

bool nj_subject_valid_literal(const char *s, size_t len)
{
    for (size_t at = 0; at <= len;) {
        size_t n = token_len(s, len, at);
        if (n == 0 || (n == 1 && (s[at] == '*' || s[at] == '>'))) {
            return false;
        }
        at += n + 1;
    }
    return true;
}

size_t nj_subject_tokens(const char *s, size_t len)
{
    size_t n = 1;
    for (size_t i = 0; i < len; i++) {
        n += s[i] == '.';
    }
    return n;
}

bool nj_subject_matches(const char *pattern, size_t pattern_len, const char *literal,
                        size_t literal_len)
{
    size_t p = 0;
    size_t l = 0;
    if (has_empty_token(literal, literal_len)) {
        return false;
    }
    while (p <= pattern_len && l <= literal_len) {
        size_t pn = token_len(pattern, pattern_len, p);
        size_t ln = token_len(literal, literal_len, l);
        if (pn == 1 && pattern[p] == '>') {
            return p + pn == pattern_len;
        }
        bool star = pn == 1 && pattern[p] == '*';
        if (!star && (pn != ln || memcmp(pattern + p, literal + l, pn) != 0)) {
            return false;
        }
        p += pn + 1;
        l += ln + 1;
    }
    return p > pattern_len && l > literal_len;
}

bool nj_subject_covers(const char *pattern, size_t pattern_len, const char *other, size_t other_len)
{
    size_t p = 0;
    size_t o = 0;
    while (p <= pattern_len && o <= other_len) {
        size_t pn = token_len(pattern, pattern_len, p);
        size_t on = token_len(other, other_len, o);
        if (pn == 1 && pattern[p] == '>') {
            return true;
        }
        if (on == 1 && other[o] == '>') {
            return false;
        }
        bool star = pn == 1 && pattern[p] == '*';
        if (!star && (pn != on || memcmp(pattern + p, other + o, pn) != 0)) {
            return false;
        }
        p += pn + 1;
        o += on + 1;
    }
    return p > pattern_len && o > other_len;
}

bool nj_subject_has_wildcard(const char *s, size_t len)
{
    for (size_t at = 0; at <= len;) {
        size_t n = token_len(s, len, at);
        if (n == 1 && (s[at] == '*' || s[at] == '>')) {
            return true;
        }
        at += n + 1;
    }
    return false;
}
