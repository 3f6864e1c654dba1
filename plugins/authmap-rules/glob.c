#include "plugins/authmap-rules/rules.h"

static char lower(char c)
{
    return (char) (c >= 'A' && c <= 'Z' ? c + 32 : c);
}

const char *glob_init(struct glob *g, const char *pattern, size_t len, int fold)
{
    const char *wrong = NULL;
    memset(g, 0, sizeof(*g));
    if (len > PATTERN_LEN_MOST) {
        return "the pattern is too long (512 bytes at most)";
    }
    g->bytes = rules_host->base->alloc(len + 1);
    g->piece = rules_host->base->alloc((CAPTURES_MOST + 1) * sizeof(g->piece[0]));
    size_t n = 0;
    for (size_t i = 0; i < len && wrong == NULL; i++) {
        if ((unsigned char) pattern[i] < 0x20 || pattern[i] == 0x7f) {
            wrong = "the pattern has a control character";
        } else if (pattern[i] == '*' && g->stars == CAPTURES_MOST) {
            wrong = "the pattern has more than 9 stars";
        } else if (pattern[i] == '*') {
            g->stars++;
        } else if (pattern[i] == '\\' && i + 1 == len) {
            wrong = "the pattern ends with a backslash";
        } else {
            i += pattern[i] == '\\';
            g->bytes[n++] = fold ? lower(pattern[i]) : pattern[i];
            g->piece[g->stars]++;
        }
    }
    return wrong;
}

void glob_fini(struct glob *g)
{
    rules_host->base->dealloc(g->bytes);
    rules_host->base->dealloc(g->piece);
}

/* Pieces between the stars: each at the first place where it stands.  memmem() is linear, and no
 * byte of the value is looked at for two pieces. */
int glob_match(const struct glob *g, const char *value, size_t len, struct nj_span *captures)
{
    const char *piece = g->bytes;
    const char *at = value;
    const char *end = value + len;
    if (len < g->piece[0] || memcmp(at, piece, g->piece[0]) != 0) {
        return 0;
    }
    at += g->piece[0];
    piece += g->piece[0];
    for (size_t i = 1; i <= g->stars; i++) {
        size_t want = g->piece[i];
        const char *found = NULL;
        if (i < g->stars) {
            found = want == 0 ? at : memmem(at, (size_t) (end - at), piece, want);
        } else if ((size_t) (end - at) >= want && memcmp(end - want, piece, want) == 0) {
            found = end - want;
        }
        if (found == NULL) {
            return 0;
        }
        if (captures != NULL) {
            captures[i - 1].ptr = (const uint8_t *) at;
            captures[i - 1].len = (size_t) (found - at);
        }
        at = found + want;
        piece += want;
    }
    return at == end;
}
