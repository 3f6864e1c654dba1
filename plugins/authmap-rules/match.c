#include "plugins/authmap-rules/rules.h"

/* Others could end a name too early or begin a log line of their own: they let nobody in. */
static int is_plain(struct nj_span v)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < 0x20 || v.ptr[i] == 0x7f) {
            return 0;
        }
    }
    return v.len <= VALUE_LEN_MOST;
}

static char *fold(struct nj_span from)
{
    char *to = rules_host->base->alloc(from.len + 1);
    for (size_t i = 0; i < from.len; i++) {
        char c = (char) from.ptr[i];
        to[i] = (char) (c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return to;
}

/* Is there something left to be looked at? */
static int spend(size_t *work, size_t bytes)
{
    *work = *work > bytes ? *work - bytes : 0;
    return *work > 0;
}

static int try_globs(const struct condition *c, struct nj_span v, size_t *work,
                     struct nj_span *captures)
{
    for (size_t i = 0; i < c->globs_n; i++) {
        if (!spend(work, v.len + 64)) {
            return 0;
        }
        if (glob_match(&c->globs[i], (const char *) v.ptr, v.len, captures)) {
            return 1;
        }
    }
    return 0;
}

/*
 * One value against one condition; what matched is kept as the i-th of `found`.  Nobody can say of
 * "Former Partner\1" which organisation was meant, so a rule that refuses takes it for its own.
 */
static int try_value(const struct condition *c, size_t i, struct nj_span v, size_t *work,
                     struct found *found)
{
    struct nj_span captures[CAPTURES_MOST] = { { NULL, 0 } };
    char *folded = NULL;
    if (!is_plain(v)) {
        found->odd_type = found->rule->denies ? c->type : NULL;
        return found->rule->denies;
    }
    if (c->fold) {
        folded = fold(v);
        v.ptr = (const uint8_t *) folded;
    }
    if (!try_globs(c, v, work, captures)) {
        rules_host->base->dealloc(folded);
        return 0;
    }
    found->values[i] = v;
    found->folded[i] = folded;
    for (size_t n = 0; n + c->first_capture < CAPTURES_MOST; n++) {
        found->captures[n + c->first_capture] = captures[n];
    }
    return 1;
}

static struct nj_span span_of(const char *text)
{
    const struct nj_span v = { (const uint8_t *) text, strlen(text) };
    return v;
}

static int try_condition(const struct condition *c, size_t i, size_t *work, struct found *found)
{
    const struct nj_authmap_facts *facts = found->facts;
    if (strcmp(c->type, TYPE_ADDRESS) == 0) {
        return try_value(c, i, span_of(facts->address), work, found);
    }
    if (facts->tls_verified == 0) {
        return 0; /* what nobody has checked says nothing */
    }
    if (strcmp(c->type, TYPE_SPKI) == 0) {
        return found->spki[0] != '\0' && try_value(c, i, span_of(found->spki), work, found);
    }
    for (size_t n = 0; n < facts->names_n; n++) {
        const struct nj_authmap_name *name = facts->names[n];
        if (nj_authmap_name_is(name, c->type) && try_value(c, i, name->value, work, found)) {
            return 1;
        }
        if (!spend(work, 8)) {
            return 0;
        }
    }
    return 0;
}

static void print_spki(const struct nj_authmap_facts *facts, char *out)
{
    for (size_t i = 0; facts->spki_sha256 != NULL && i < 32; i++) {
        (void) snprintf(out + 2 * i, 3, "%02x", facts->spki_sha256[i]);
    }
}

int rule_match(const struct rule *r, const struct nj_authmap_facts *facts, size_t *work,
               struct found *found)
{
    memset(found, 0, sizeof(*found));
    found->facts = facts;
    found->rule = r;
    print_spki(facts, found->spki);
    for (size_t i = 0; i < r->conditions_n; i++) {
        if (!try_condition(&r->conditions[i], i, work, found)) {
            return 0;
        }
    }
    return *work > 0;
}

void found_fini(struct found *found)
{
    for (size_t i = 0; i < CONDITIONS_MOST; i++) {
        rules_host->base->dealloc(found->folded[i]);
        found->folded[i] = NULL;
    }
}

struct nj_span found_value(const struct found *found, const char *type)
{
    const struct nj_authmap_facts *facts = found->facts;
    const struct nj_span none = { NULL, 0 };
    for (size_t i = 0; i < found->rule->conditions_n; i++) {
        if (strcmp(found->rule->conditions[i].type, type) == 0) {
            return found->values[i];
        }
    }
    if (strcmp(type, TYPE_ADDRESS) == 0) {
        return span_of(facts->address);
    }
    if (facts->tls_verified == 0) {
        return none;
    }
    const struct nj_authmap_name *name = nj_authmap_name_of(facts, type);
    return name != NULL && is_plain(name->value) ? name->value : none;
}
