#include "broker/subject_set.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "broker/subject.h"

/* Patterns that end at one place of the tree. */
struct ends {
    bool plain;
    char **queues;
    size_t queues_n;
};

/* One token, reached by the tokens before it. */
struct node {
    struct node *all;   /* the set's list of all nodes: deep patterns are freed without recursion */
    struct node **kids; /* literal tokens, sorted */
    size_t kids_n, kids_cap;
    struct node *star;
    struct ends here; /* patterns whose last token this is */
    struct ends tail; /* patterns that go on with ">" */
    size_t len;
    char token[];
};

struct nj_subject_set {
    _Atomic uint32_t refs; /* atomic */
    uint64_t id;
    size_t count;
    struct node *root;
    struct node *all;
};

static _Atomic uint64_t next_id = 1;

static struct node *node_new(struct nj_subject_set *s, const char *token, size_t len)
{
    struct node *n = nj_zalloc(sizeof(*n) + len);
    n->len = len;
    if (len > 0) {
        memcpy(n->token, token, len);
    }
    n->all = s->all;
    s->all = n;
    return n;
}

/* ---- life ---------------------------------------------------------------------------------------- */

struct nj_subject_set *nj_subject_set_new(void)
{
    struct nj_subject_set *s = nj_zalloc(sizeof(*s));
    atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    s->id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
    s->root = node_new(s, "", 0);
    return s;
}

void nj_subject_set_ref(struct nj_subject_set *s)
{
    (void) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void ends_free(struct ends *e)
{
    for (size_t i = 0; i < e->queues_n; i++) {
        nj_dealloc(e->queues[i]);
    }
    nj_dealloc(e->queues);
}

void nj_subject_set_unref(struct nj_subject_set **sp)
{
    struct nj_subject_set *s = *sp;
    *sp = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    while (s->all != NULL) {
        struct node *n = s->all;
        s->all = n->all;
        ends_free(&n->here);
        ends_free(&n->tail);
        nj_dealloc(n->kids);
        nj_dealloc(n);
    }
    nj_dealloc(s);
}

uint64_t nj_subject_set_id(const struct nj_subject_set *s)
{
    return s->id;
}

size_t nj_subject_set_count(const struct nj_subject_set *s)
{
    return s->count;
}

/* ---- tokens -------------------------------------------------------------------------------------- */

/* What is left of a subject: `more` tells an end from a token that is empty. */
struct rest {
    const char *at;
    size_t len;
    bool more;
};

struct token {
    const char *at;
    size_t len;
};

static struct token next_token(struct rest *r)
{
    const char *dot = r->len > 0 ? memchr(r->at, '.', r->len) : NULL;
    struct token t = { r->at, dot != NULL ? (size_t) (dot - r->at) : r->len };
    r->more = dot != NULL;
    r->at += t.len + (dot != NULL);
    r->len -= t.len + (dot != NULL);
    return t;
}

static bool is_one(struct token t, char c)
{
    return t.len == 1 && t.at[0] == c;
}

static int compare(const struct node *n, struct token t)
{
    size_t least = n->len < t.len ? n->len : t.len;
    int c = least > 0 ? memcmp(n->token, t.at, least) : 0;
    return c != 0 ? c : n->len < t.len ? -1 : n->len > t.len;
}

/* Where the token is among the sorted kids, or where it belongs. */
static size_t place_of(const struct node *n, struct token t, bool *found_out)
{
    size_t low = 0;
    size_t high = n->kids_n;
    *found_out = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = compare(n->kids[mid], t);
        if (c == 0) {
            *found_out = true;
            return mid;
        }
        *(c < 0 ? &low : &high) = c < 0 ? mid + 1 : mid;
    }
    return low;
}

static const struct node *kid_of(const struct node *n, struct token t)
{
    bool found;
    size_t i = place_of(n, t, &found);
    return found ? n->kids[i] : NULL;
}

/* ---- building ------------------------------------------------------------------------------------ */

static struct node *kid_for(struct nj_subject_set *s, struct node *n, struct token t)
{
    bool found;
    size_t i = place_of(n, t, &found);
    if (found) {
        return n->kids[i];
    }
    if (n->kids_n == n->kids_cap) {
        n->kids_cap = n->kids_cap == 0 ? 2 : n->kids_cap * 2;
        n->kids = nj_realloc(n->kids, n->kids_cap * sizeof(struct node *));
    }
    memmove(n->kids + i + 1, n->kids + i, (n->kids_n - i) * sizeof(struct node *));
    n->kids_n++;
    n->kids[i] = node_new(s, t.at, t.len);
    return n->kids[i];
}

static void ends_add(struct ends *e, const char *queue, size_t len)
{
    if (len == 0) {
        e->plain = true;
        return;
    }
    e->queues = nj_realloc(e->queues, (e->queues_n + 1) * sizeof(char *));
    e->queues[e->queues_n++] = nj_strndup(queue, len);
}

void nj_subject_set_add(struct nj_subject_set *s, const char *pattern, size_t len,
                        const char *queue, size_t queue_len)
{
    struct rest r = { pattern, len, true };
    struct node *n = s->root;
    s->count++;
    while (r.more) {
        struct token t = next_token(&r);
        if (is_one(t, '>')) {
            ends_add(&n->tail, queue, queue_len);
            return;
        }
        if (is_one(t, '*')) {
            n->star = n->star != NULL ? n->star : node_new(s, "*", 1);
            n = n->star;
        } else {
            n = kid_for(s, n, t);
        }
    }
    ends_add(&n->here, queue, queue_len);
}

/* ---- asking -------------------------------------------------------------------------------------- */

struct question {
    const char *queue; /* NULL: no queue in particular */
    size_t queue_len;
    bool covers; /* a ">" of the subject is more than a "*" of a pattern */
    unsigned kinds;
    bool queue_fits;
};

static bool queue_fits(const struct question *q, const char *pattern)
{
    size_t len = strlen(pattern);
    bool same = len == q->queue_len && memcmp(pattern, q->queue, len) == 0;
    return same || nj_subject_covers(pattern, len, q->queue, q->queue_len);
}

static void answer(struct question *q, const struct ends *e)
{
    q->kinds |= e->plain ? NJ_SET_PLAIN : 0;
    q->kinds |= e->queues_n > 0 ? NJ_SET_QUEUES : 0;
    for (size_t i = 0; q->queue != NULL && !q->queue_fits && i < e->queues_n; i++) {
        q->queue_fits = queue_fits(q, e->queues[i]);
    }
}

/* As deep as the shorter of pattern and subject.  No node is visited twice. */
static void ask(const struct node *n, struct rest r, struct question *q)
{
    while (n != NULL) {
        if (!r.more) {
            answer(q, &n->here);
            return;
        }
        answer(q, &n->tail);
        struct token t = next_token(&r);
        if (n->star != NULL && !(q->covers && is_one(t, '>'))) {
            ask(n->star, r, q);
        }
        n = kid_of(n, t);
    }
}

static bool has_empty_token(const char *s, size_t len)
{
    return len == 0 || s[0] == '.' || s[len - 1] == '.' || memmem(s, len, "..", 2) != NULL;
}

static void begin(const struct nj_subject_set *s, const char *subject, size_t len,
                  struct question *q)
{
    if (!has_empty_token(subject, len)) {
        ask(s->root, (struct rest){ subject, len, true }, q);
    }
}

unsigned nj_subject_set_match(const struct nj_subject_set *s, const char *subject, size_t len)
{
    struct question q = { 0 };
    begin(s, subject, len, &q);
    return q.kinds;
}

bool nj_subject_set_match_queue(const struct nj_subject_set *s, const char *subject, size_t len,
                                const char *queue, size_t queue_len)
{
    struct question q = { .queue = queue, .queue_len = queue_len };
    begin(s, subject, len, &q);
    return q.queue_fits;
}

unsigned nj_subject_set_cover(const struct nj_subject_set *s, const char *pattern, size_t len,
                              const char *queue, size_t queue_len)
{
    struct question q = { .covers = true,
                          .queue = queue_len > 0 ? queue : NULL,
                          .queue_len = queue_len };
    begin(s, pattern, len, &q);
    return q.kinds | (q.queue_fits ? NJ_SET_QUEUE_FITS : 0);
}

static bool is_end(const struct ends *e)
{
    return e->plain || e->queues_n > 0;
}

/* Every node but an empty root leads to the end of some pattern. */
static bool meets(const struct node *n, struct rest r)
{
    for (;;) {
        if (!r.more) {
            return is_end(&n->here);
        }
        struct token t = next_token(&r);
        if (is_end(&n->tail)) {
            return true;
        }
        if (is_one(t, '>')) {
            return n->kids_n > 0 || n->star != NULL;
        }
        for (size_t i = 0; is_one(t, '*') && i < n->kids_n; i++) {
            if (meets(n->kids[i], r)) {
                return true;
            }
        }
        const struct node *kid = kid_of(n, t);
        if (kid != NULL && n->star != NULL && meets(kid, r)) {
            return true;
        }
        n = n->star != NULL ? n->star : kid;
        if (n == NULL) {
            return false;
        }
    }
}

bool nj_subject_set_overlaps(const struct nj_subject_set *s, const char *pattern, size_t len)
{
    return meets(s->root, (struct rest){ pattern, len, true });
}
