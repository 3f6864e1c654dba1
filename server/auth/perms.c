#include "auth/perms.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "broker/subject_set.h"
#include "natterjack/plugin.h"

#define RESPONSES_MAX 1
#define RESPONSES_TTL_US (INT64_C(120) * 1000000)

bool nj_perms_subject_valid(const char *s, size_t len)
{
    size_t start = 0;
    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i <= len; i++) {
        if (i < len && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r' && s[i] != '\v'))) {
            return false;
        }
        if (i == len || s[i] == '.') {
            bool tail = i - start == 1 && s[start] == '>';
            if (i == start || (tail && i < len)) {
                return false;
            }
            start = i + 1;
        }
    }
    return true;
}

/* ---- building ------------------------------------------------------------------------------------ */

static int refuse(const char *what, const char *s, size_t len, struct nj_error *err)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_quote(&b, s, len);
    int rc = nj_error_set(err, NJ_E_INVALID, "%s %s is not a valid %s", what, b.ptr, what);
    nj_buf_free(&b);
    return rc;
}

/* "subject", and for subscriptions also "subject queue". */
static int add_entry(struct nj_subject_set *set, const char *entry, bool may_name_queue,
                     struct nj_error *err)
{
    const char *blank = may_name_queue ? strchr(entry, ' ') : NULL;
    bool pair = blank != NULL && strchr(blank + 1, ' ') == NULL;
    size_t len = pair ? (size_t) (blank - entry) : strlen(entry);
    const char *queue = pair ? blank + 1 : "";
    if (!nj_perms_subject_valid(entry, len)) {
        return refuse("subject", entry, len, err);
    }
    if (pair && !nj_perms_subject_valid(queue, strlen(queue))) {
        return refuse("queue", queue, strlen(queue), err);
    }
    nj_subject_set_add(set, entry, len, queue, strlen(queue));
    return NJ_OK;
}

static int make_set(const struct nj_subject_list *list, bool may_name_queue,
                    struct nj_subject_set **set_out, struct nj_error *err)
{
    int rc = NJ_OK;
    if (list->n == 0) {
        return NJ_OK;
    }
    *set_out = nj_subject_set_new();
    for (size_t i = 0; rc == NJ_OK && i < list->n; i++) {
        rc = add_entry(*set_out, list->at[i], may_name_queue, err);
    }
    return rc;
}

static void set_responses(struct nj_perms *p, const struct nj_perms_rules *rules)
{
    int64_t us = rules->responses_ttl_ns / 1000;
    p->responses = rules->responses;
    p->responses_max = rules->responses_max == 0 ? RESPONSES_MAX : rules->responses_max;
    if (rules->responses_ttl_ns > 0) {
        us = us > 0 ? us : 1;
    }
    p->responses_ttl_us = rules->responses_ttl_ns == 0  ? RESPONSES_TTL_US
                          : rules->responses_ttl_ns < 0 ? -1
                                                        : us;
    if (p->responses && p->pub_allow == NULL) {
        p->pub_allow = nj_subject_set_new(); /* nothing but responses */
    }
}

/* FNV-1a, with the lengths, so that lists cannot be cut differently and look alike. */
static void mix(uint64_t *h, const void *p, size_t len)
{
    const uint8_t *at = p;
    for (size_t i = 0; i < len; i++) {
        *h = (*h ^ at[i]) * UINT64_C(0x100000001b3);
    }
}

static void mix_list(uint64_t *h, const struct nj_subject_list *list)
{
    mix(h, &list->n, sizeof(list->n));
    for (size_t i = 0; i < list->n; i++) {
        mix(h, list->at[i], strlen(list->at[i]) + 1);
    }
}

static uint64_t print_of(const struct nj_perms_rules *rules)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    mix_list(&h, &rules->pub_allow);
    mix_list(&h, &rules->pub_deny);
    mix_list(&h, &rules->sub_allow);
    mix_list(&h, &rules->sub_deny);
    mix(&h, &rules->responses, sizeof(rules->responses));
    mix(&h, &rules->responses_max, sizeof(rules->responses_max));
    mix(&h, &rules->responses_ttl_ns, sizeof(rules->responses_ttl_ns));
    return h;
}

int nj_perms_new(const struct nj_perms_rules *rules, struct nj_perms **perms_out,
                 struct nj_error *err)
{
    struct nj_perms *p = nj_zalloc(sizeof(*p));
    atomic_init(&p->refs, 1);
    int rc = make_set(&rules->pub_allow, false, &p->pub_allow, err);
    rc = rc == NJ_OK ? make_set(&rules->pub_deny, false, &p->pub_deny, err) : rc;
    rc = rc == NJ_OK ? make_set(&rules->sub_allow, true, &p->sub_allow, err) : rc;
    rc = rc == NJ_OK ? make_set(&rules->sub_deny, true, &p->sub_deny, err) : rc;
    if (rc != NJ_OK) {
        nj_perms_unref(&p);
        return rc;
    }
    set_responses(p, rules);
    p->print = print_of(rules);
    /* Answers depend on both lists: the one that is there lends its number, and belongs to these
     * permissions alone. */
    p->pub_id = p->pub_allow != NULL  ? nj_subject_set_id(p->pub_allow)
                : p->pub_deny != NULL ? nj_subject_set_id(p->pub_deny)
                                      : 0;
    *perms_out = p;
    return NJ_OK;
}

struct nj_perms *nj_perms_ref(struct nj_perms *p)
{
    if (p != NULL) {
        (void) atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    }
    return p;
}

void nj_perms_unref(struct nj_perms **pp)
{
    struct nj_perms *p = *pp;
    *pp = NULL;
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    nj_subject_set_unref(&p->pub_allow);
    nj_subject_set_unref(&p->pub_deny);
    nj_subject_set_unref(&p->sub_allow);
    nj_subject_set_unref(&p->sub_deny);
    nj_dealloc(p);
}

/* ---- asking -------------------------------------------------------------------------------------- */

bool nj_perms_restrict(const struct nj_perms *p)
{
    return p->pub_allow != NULL || p->pub_deny != NULL || p->sub_allow != NULL ||
           p->sub_deny != NULL;
}

bool nj_perms_may_publish(const struct nj_perms *p, const char *subject, size_t len)
{
    if (p->pub_allow != NULL && nj_subject_set_match(p->pub_allow, subject, len) == 0) {
        return false;
    }
    return p->pub_deny == NULL || nj_subject_set_match(p->pub_deny, subject, len) == 0;
}

/* Entries for queues, where there are any for the subject, decide about a queue alone. */
static bool is_allowed(const struct nj_subject_set *set, const char *subject, size_t len,
                       const char *queue, size_t queue_len)
{
    unsigned kinds = nj_subject_set_cover(set, subject, len, queue, queue_len);
    if (queue_len > 0 && (kinds & NJ_SET_QUEUES) != 0) {
        return (kinds & NJ_SET_QUEUE_FITS) != 0;
    }
    return (kinds & NJ_SET_PLAIN) != 0;
}

/* A queue can be denied by name; what is denied to all is denied to queues. */
static bool is_denied(const struct nj_subject_set *set, const char *subject, size_t len,
                      const char *queue, size_t queue_len)
{
    unsigned kinds = nj_subject_set_match(set, subject, len);
    return (kinds & NJ_SET_PLAIN) != 0 ||
           (queue_len > 0 && (kinds & NJ_SET_QUEUES) != 0 &&
            nj_subject_set_match_queue(set, subject, len, queue, queue_len));
}

bool nj_perms_may_subscribe(const struct nj_perms *p, const char *subject, size_t len,
                            const char *queue, size_t queue_len)
{
    if (p->sub_allow != NULL && !is_allowed(p->sub_allow, subject, len, queue, queue_len)) {
        return false;
    }
    return p->sub_deny == NULL || !is_denied(p->sub_deny, subject, len, queue, queue_len);
}
