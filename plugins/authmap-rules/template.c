#include "plugins/authmap-rules/rules.h"

static int is_name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9');
}

static struct part *add_part(struct template *t)
{
    t->parts = rules_host->base->resize(t->parts, t->parts_n * sizeof(t->parts[0]),
                                        (t->parts_n + 1) * sizeof(t->parts[0]));
    return &t->parts[t->parts_n++];
}

static char *copy(const char *s, size_t len)
{
    char *to = rules_host->base->alloc(len + 1);
    memcpy(to, s, len);
    return to;
}

static void add_text(struct template *t, const char *s, size_t len)
{
    if (len > 0) {
        add_part(t)->text = copy(s, len);
    }
}

/* What stands behind "$": a digit, a name, or either in braces.  *used: its bytes. */
static const char *add_variable(struct template *t, const char *s, size_t len, size_t captures,
                                size_t *used)
{
    char key[64];
    int braces = len > 0 && s[0] == '{';
    size_t from = braces ? 1 : 0;
    size_t to = from;
    if (!braces && len > 0 && s[0] >= '0' && s[0] <= '9') {
        to = 1; /* $12 is the first capture and a 2 */
    } else {
        while (to < len && (braces ? s[to] != '}' : is_name_byte(s[to]))) {
            to++;
        }
    }
    if ((braces && to == len) || to == from || to - from >= sizeof(key)) {
        return "a \"$\" needs a name or a digit behind it, maybe in braces; \"$$\" is a dollar";
    }
    *used = to + (braces ? 1 : 0);
    memcpy(key, s + from, to - from);
    key[to - from] = '\0';
    if (key[1] == '\0' && key[0] >= '0' && key[0] <= '9') {
        size_t n = (size_t) (key[0] - '0');
        if (n == 0 || n > captures) {
            return "the patterns of the rule have not so many stars";
        }
        add_part(t)->capture = n;
        return NULL;
    }
    const char *type = rules_type(key);
    if (type == NULL || strcmp(type, TYPE_SPKI) == 0) {
        return "the name behind a \"$\" is none of CN, OU, O, email, dns, uri, ip ... nor an OID";
    }
    add_part(t)->type = copy(type, strlen(type));
    return NULL;
}

const char *template_init(struct template *t, const char *text, size_t len, size_t captures)
{
    const char *wrong = NULL;
    size_t start = 0;
    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i < len && wrong == NULL; i++) {
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f) {
            wrong = "the text has a control character";
        } else if (text[i] == '$') {
            size_t used = 0;
            add_text(t, text + start, i - start);
            if (i + 1 < len && text[i + 1] == '$') {
                used = 1;
                add_text(t, "$", 1);
            } else {
                wrong = add_variable(t, text + i + 1, len - i - 1, captures, &used);
            }
            i += used;
            start = i + 1;
        }
    }
    if (wrong == NULL && start < len) {
        add_text(t, text + start, len - start);
    }
    return wrong == NULL && t->parts_n == 0 ? "the text is empty" : wrong;
}

void template_fini(struct template *t)
{
    for (size_t i = 0; i < t->parts_n; i++) {
        rules_host->base->dealloc(t->parts[i].text);
        rules_host->base->dealloc(t->parts[i].type);
    }
    rules_host->base->dealloc(t->parts);
}

static int may_go_in(struct nj_span v, int into)
{
    if (v.ptr == NULL || v.len == 0) {
        return 0;
    }
    for (size_t i = 0; into == INTO_SUBJECT && i < v.len; i++) {
        if (v.ptr[i] <= 0x20 || strchr(".*>", v.ptr[i]) != NULL) {
            return 0;
        }
    }
    return 1;
}

char *template_expand(const struct template *t, const struct found *found, int into, size_t most)
{
    char *to = rules_host->base->alloc(most + 1);
    size_t len = 0;
    for (size_t i = 0; i < t->parts_n; i++) {
        const struct part *p = &t->parts[i];
        struct nj_span v = { (const uint8_t *) p->text, p->text != NULL ? strlen(p->text) : 0 };
        if (p->text == NULL) {
            v = p->type != NULL ? found_value(found, p->type) : found->captures[p->capture - 1];
            if (!may_go_in(v, into)) {
                goto unfit;
            }
        }
        if (v.len > most - len) {
            goto unfit;
        }
        memcpy(to + len, v.ptr, v.len);
        len += v.len;
    }
    return to;
unfit:
    rules_host->base->dealloc(to);
    return NULL;
}
