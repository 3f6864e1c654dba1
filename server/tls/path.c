#include "tls/path.h"

#include "base/alloc.h"
#include "tls/der.h"
#include "tls/verify.h"

/*
 * The certificates that can lie between the leaf and an anchor, leaf and anchors included.
 * Certificates as sent come first in the numbering, then the anchors.
 */
struct graph {
    const struct nj_path_query *q;
    bool *on_path; /* [certs_n + anchors_n] */
};

bool nj_cert_in_date(const struct nj_cert *cert, int64_t now_s)
{
    return now_s >= cert->not_before_s && now_s <= cert->not_after_s;
}

static bool same_cert(const struct nj_cert *a, const struct nj_cert *b)
{
    return nj_span_equal(a->der, b->der);
}

static bool issued_by(const struct nj_cert *child, const struct nj_cert *issuer)
{
    return nj_span_equal(child->issuer, issuer->subject);
}

static bool allows(const struct nj_cert *cert, uint32_t eku)
{
    return cert->eku == 0 || (cert->eku & (NJ_EKU_ANY | eku)) != 0;
}

static const struct nj_cert *find_anchor(const struct nj_path_query *q, const struct nj_cert *cert)
{
    for (size_t i = 0; i < q->anchors_n; i++) {
        if (same_cert(&q->anchors[i], cert)) {
            return &q->anchors[i];
        }
    }
    return NULL;
}

static void answer_with(struct nj_path_answer *answer, uint32_t cls, const struct nj_cert *culprit)
{
    answer->cls = cls;
    answer->culprit = culprit;
}

/* ---- what a certificate above the leaf must say ---------------------------------------------- */

/* An anchor of version 1 may issue: old roots have no extensions.  Nobody else of version 1 may. */
static bool may_issue(const struct nj_cert *cert, bool anchor)
{
    return nj_cert_may_issue(cert) && (anchor || cert->has_basic);
}

/* ---- the library's path ---------------------------------------------------------------------- */

static bool parse_path(const struct nj_path_query *q, struct nj_path_answer *answer)
{
    if (q->path_n > NJ_CHAIN_MAX + 1) {
        return false;
    }
    answer->parsed = nj_calloc(q->path_n, sizeof(*answer->parsed));
    for (size_t i = 0; i < q->path_n; i++) {
        if (nj_cert_init(&answer->parsed[i], q->path[i], NULL) < 0) {
            return false;
        }
        answer->parsed_n++;
    }
    return true;
}

/* Does it begin with the leaf, go from name to name, and end at an anchor of ours? */
static bool is_connected(const struct nj_path_query *q, const struct nj_cert *path, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (!issued_by(&path[i], &path[i + 1])) {
            return false;
        }
    }
    return same_cert(&path[0], &q->certs[0]) &&
           (q->anchors_n == 0 || find_anchor(q, &path[n - 1]) != NULL);
}

static void judge_known_path(const struct nj_path_query *q, struct nj_path_answer *answer)
{
    const struct nj_cert *path = answer->parsed;
    size_t n = answer->parsed_n;
    for (size_t i = 1; i < n; i++) {
        if (!may_issue(&path[i], i + 1 == n)) {
            answer_with(answer, NJ_CLASS_NOT_CA, &path[i]);
            return;
        }
        if (path[i].unknown_critical) {
            answer_with(answer, NJ_CLASS_BAD_CERT, &path[i]);
            return;
        }
        if (!nj_cert_in_date(&path[i], q->now_s)) {
            answer_with(answer, NJ_CLASS_EXPIRED, &path[i]);
            return;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!allows(&path[i], q->eku)) {
            answer_with(answer, NJ_CLASS_BAD_EKU, &path[i]);
            return;
        }
    }
}

/* ---- every path that the names allow --------------------------------------------------------- */

static size_t graph_size(const struct nj_path_query *q)
{
    return q->certs_n + q->anchors_n;
}

static const struct nj_cert *node(const struct nj_path_query *q, size_t i)
{
    return i < q->certs_n ? &q->certs[i] : &q->anchors[i - q->certs_n];
}

/* Sent, and not also an anchor: an anchor ends the path. */
static bool is_between(const struct nj_path_query *q, size_t i)
{
    return i > 0 && i < q->certs_n && find_anchor(q, &q->certs[i]) == NULL;
}

/* Can `i` be an issuer on a path at all? */
static bool is_issuer(const struct nj_path_query *q, size_t i, bool in_date_only)
{
    return (i >= q->certs_n || is_between(q, i)) &&
           (!in_date_only || nj_cert_in_date(node(q, i), q->now_s));
}

/* Mark what can be reached upwards from the leaf. */
static void mark_reached(const struct nj_path_query *q, bool in_date_only, bool *reached)
{
    bool more = true;
    reached[0] = true;
    while (more) {
        more = false;
        for (size_t child = 0; child < q->certs_n; child++) {
            for (size_t i = 1; reached[child] && i < graph_size(q); i++) {
                if (!reached[i] && issued_by(node(q, child), node(q, i)) &&
                    is_issuer(q, i, in_date_only)) {
                    reached[i] = true;
                    more = true;
                }
            }
        }
    }
}

/* The system's store is not known here: whatever has no issuer among the certificates sent, or is
 * its own issuer, may have been found there by the library. */
static bool ends_in_system_store(const struct nj_path_query *q, size_t i)
{
    const struct nj_cert *cert = &q->certs[i];
    if (q->anchors_n > 0) {
        return false;
    }
    for (size_t other = 1; other < q->certs_n; other++) {
        if (other != i && issued_by(cert, &q->certs[other])) {
            return issued_by(cert, cert);
        }
    }
    return true;
}

/* Mark what leads to an anchor, from the anchors downwards. */
static void mark_anchored(const struct nj_path_query *q, bool in_date_only, bool *anchored)
{
    bool more = true;
    for (size_t i = 0; i < graph_size(q); i++) {
        anchored[i] = i >= q->certs_n || ends_in_system_store(q, i);
    }
    while (more) {
        more = false;
        for (size_t child = 0; child < q->certs_n; child++) {
            for (size_t i = 1; !anchored[child] && i < graph_size(q); i++) {
                if (anchored[i] && issued_by(node(q, child), node(q, i)) &&
                    is_issuer(q, i, in_date_only)) {
                    anchored[child] = true;
                    more = true;
                }
            }
        }
    }
}

/* Fill on_path; false when no path reaches an anchor. */
static bool find_paths(struct graph *g, bool in_date_only)
{
    size_t n = graph_size(g->q);
    bool *reached = nj_calloc(n, sizeof(bool));
    bool *anchored = nj_calloc(n, sizeof(bool));
    mark_reached(g->q, in_date_only, reached);
    mark_anchored(g->q, in_date_only, anchored);
    for (size_t i = 0; i < n; i++) {
        g->on_path[i] = reached[i] && anchored[i];
    }
    nj_dealloc(reached);
    nj_dealloc(anchored);
    return g->on_path[0];
}

static bool judge_issuers(const struct graph *g, struct nj_path_answer *answer)
{
    for (size_t i = 1; i < graph_size(g->q); i++) {
        const struct nj_cert *cert = node(g->q, i);
        if (!g->on_path[i]) {
            continue;
        }
        if (!may_issue(cert, i >= g->q->certs_n || ends_in_system_store(g->q, i))) {
            answer_with(answer, NJ_CLASS_NOT_CA, cert);
            return false;
        }
        if (cert->unknown_critical) {
            answer_with(answer, NJ_CLASS_BAD_CERT, cert);
            return false;
        }
    }
    return true;
}

static void judge_usages(const struct graph *g, struct nj_path_answer *answer)
{
    for (size_t i = 0; i < graph_size(g->q); i++) {
        if (g->on_path[i] && !allows(node(g->q, i), g->q->eku)) {
            answer_with(answer, NJ_CLASS_BAD_EKU, node(g->q, i));
            return;
        }
    }
}

static const struct nj_cert *first_out_of_date(const struct graph *g)
{
    for (size_t i = 1; i < graph_size(g->q); i++) {
        if (g->on_path[i] && !nj_cert_in_date(node(g->q, i), g->q->now_s)) {
            return node(g->q, i);
        }
    }
    return node(g->q, 0);
}

static bool one_path_is_in_date(struct graph *g, struct nj_path_answer *answer)
{
    const struct nj_cert *culprit = first_out_of_date(g);
    struct graph current = { .q = g->q, .on_path = nj_calloc(graph_size(g->q), sizeof(bool)) };
    bool found = find_paths(&current, true);
    nj_dealloc(current.on_path);
    if (!found) {
        answer_with(answer, NJ_CLASS_EXPIRED, culprit);
    }
    return found;
}

static void judge_all_paths(const struct nj_path_query *q, struct nj_path_answer *answer)
{
    struct graph g = { .q = q, .on_path = nj_calloc(graph_size(q), sizeof(bool)) };
    if (!find_paths(&g, false)) {
        answer_with(answer, NJ_CLASS_UNKNOWN_CA, NULL);
    } else if (judge_issuers(&g, answer) && one_path_is_in_date(&g, answer)) {
        judge_usages(&g, answer);
    }
    nj_dealloc(g.on_path);
}

/* ---- both ------------------------------------------------------------------------------------ */

void nj_path_judge(const struct nj_path_query *query, struct nj_path_answer *answer)
{
    *answer = (struct nj_path_answer){ .cls = NJ_CLASS_NONE };
    if (find_anchor(query, &query->certs[0]) != NULL) {
        /* the leaf itself is trusted: nobody above it matters */
        if (!allows(&query->certs[0], query->eku)) {
            answer_with(answer, NJ_CLASS_BAD_EKU, &query->certs[0]);
        }
        return;
    }
    if (query->path_n > 0 && parse_path(query, answer) &&
        is_connected(query, answer->parsed, answer->parsed_n)) {
        judge_known_path(query, answer);
        return;
    }
    judge_all_paths(query, answer);
}

void nj_path_answer_fini(struct nj_path_answer *answer)
{
    for (size_t i = 0; i < answer->parsed_n; i++) {
        nj_cert_fini(&answer->parsed[i]);
    }
    nj_dealloc(answer->parsed);
    *answer = (struct nj_path_answer){ 0 };
}
