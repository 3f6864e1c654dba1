/* json.c: options for a mapper under test, from JSON with the place of each value. */
#include <stdlib.h>

#include "tests/abi/mapper.h"

#define DEPTH_MOST 64

struct reader {
    const char *file;
    const char *at;
    const char *line_start;
    uint32_t line;
    int depth;
    const char *wrong;
};

/* All that was ever read, within reach of whoever looks for leaks. */
struct kept {
    struct kept *next;
    max_align_t bytes[];
};
static struct kept *all_kept;

static void *keep(size_t len)
{
    struct kept *k = calloc(1, sizeof(*k) + len);
    if (k == NULL) {
        abort();
    }
    k->next = all_kept;
    all_kept = k;
    return k->bytes;
}

static struct nj_authmap_value *read_value(struct reader *r, const char *key);

static void skip_blanks(struct reader *r)
{
    while (*r->at != '\0' && strchr(" \t\r\n", *r->at) != NULL) {
        if (*r->at == '\n') {
            r->line++;
            r->line_start = r->at + 1;
        }
        r->at++;
    }
}

static int take(struct reader *r, char c)
{
    skip_blanks(r);
    if (*r->at != c) {
        return 0;
    }
    r->at++;
    return 1;
}

/* Escapes but \u. */
static char *read_text(struct reader *r, size_t *len_out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char *text = keep(strlen(r->at) + 1);
    size_t n = 0;
    while (*r->at != '"' && *r->at != '\0') {
        char c = *r->at++;
        const char *known = c == '\\' && *r->at != '\0' ? strchr(from, *r->at) : NULL;
        if (c == '\\' && known == NULL) {
            r->wrong = "an escape that the kit does not know";
            break;
        }
        if (known != NULL) {
            c = to[known - from];
            r->at++;
        }
        text[n++] = c;
    }
    if (*r->at != '"' && r->wrong == NULL) {
        r->wrong = "a text without an end";
    }
    r->at += *r->at == '"';
    *len_out = n;
    return text;
}

static void add_item(struct nj_authmap_value *v, struct nj_authmap_value *item)
{
    size_t n = v->items_n;
    const struct nj_authmap_value **items = keep((n + 2) * sizeof(items[0]));
    if (n > 0) {
        memcpy(items, v->items, n * sizeof(items[0]));
    }
    items[n] = item;
    v->items = items;
    v->items_n = n + 1;
}

static void read_items(struct reader *r, struct nj_authmap_value *v, char end)
{
    if (take(r, end)) {
        return;
    }
    do {
        char *key = NULL;
        size_t len = 0;
        if (v->type == NJ_VALUE_MAP) {
            key = take(r, '"') ? read_text(r, &len) : NULL;
            if (key == NULL || !take(r, ':')) {
                r->wrong = "a key in quotes and a colon belong here";
                return;
            }
        }
        add_item(v, read_value(r, key));
    } while (r->wrong == NULL && take(r, ','));
    if (r->wrong == NULL && !take(r, end)) {
        r->wrong = "a comma or the end of the list or map belongs here";
    }
}

static void read_number(struct reader *r, struct nj_authmap_value *v)
{
    char *end = NULL;
    v->type = NJ_VALUE_INT;
    v->integer = strtoll(r->at, &end, 10);
    if (end != NULL && strchr(".eE", *end) != NULL && *end != '\0') {
        v->type = NJ_VALUE_FLOAT;
        v->real = strtod(r->at, &end);
    }
    if (end == r->at) {
        r->wrong = "no value begins like this";
    }
    r->at = end;
}

static int read_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0) {
        return 0;
    }
    r->at += n;
    return 1;
}

static struct nj_authmap_value *read_value(struct reader *r, const char *key)
{
    struct nj_authmap_value *v = keep(sizeof(*v));
    skip_blanks(r);
    if (++r->depth > DEPTH_MOST) {
        r->wrong = "too deep";
        return v;
    }
    v->size = sizeof(*v);
    v->file = r->file;
    v->line = r->line;
    v->col = (uint32_t) (r->at - r->line_start) + 1;
    v->key = key;
    if (take(r, '{')) {
        v->type = NJ_VALUE_MAP;
        read_items(r, v, '}');
    } else if (take(r, '[')) {
        v->type = NJ_VALUE_LIST;
        read_items(r, v, ']');
    } else if (take(r, '"')) {
        v->type = NJ_VALUE_STRING;
        v->text = read_text(r, &v->text_len);
    } else if (read_word(r, "true")) {
        v->type = NJ_VALUE_BOOL;
        v->integer = 1;
    } else if (read_word(r, "false")) {
        v->type = NJ_VALUE_BOOL;
    } else {
        read_number(r, v);
    }
    r->depth--;
    return v;
}

struct nj_authmap_value *nj_kit_json(const char *file, const char *text, struct nj_error *err)
{
    struct reader r = { .file = file, .at = text, .line_start = text, .line = 1 };
    struct nj_authmap_value *v = read_value(&r, NULL);
    skip_blanks(&r);
    if (r.wrong == NULL && (v->type != NJ_VALUE_MAP || *r.at != '\0')) {
        r.wrong = "options are one map";
    }
    if (r.wrong != NULL) {
        (void) nj_error_set(err, NJ_E_INVALID, "%s:%u:%u: %s", file, r.line,
                            (unsigned) (r.at - r.line_start) + 1, r.wrong);
        return NULL;
    }
    return v;
}
