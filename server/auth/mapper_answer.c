#include "auth/mapper_answer.h"

#include <string.h>

#include "base/alloc.h"

#define NAME_MOST 1024     /* bytes of a user, an account, a tag */
#define REASON_MOST 1024   /* bytes; what is longer is cut */
#define SUBJECT_MOST 65536 /* bytes */
#define TAGS_MOST 64
#define SUBJECTS_MOST 10000

#define HAS(a, member) NJ_FIELD(struct nj_authmap_answer, (a), member)

static void free_texts(char **at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        nj_dealloc(at[i]);
    }
    nj_dealloc(at);
}

void nj_mapper_answer_free(struct nj_mapper_answer **ap)
{
    struct nj_mapper_answer *a = *ap;
    if (a == NULL) {
        return;
    }
    *ap = NULL;
    nj_dealloc(a->user);
    nj_dealloc(a->account);
    nj_dealloc(a->reason);
    free_texts(a->tags, a->tags_n);
    free_texts(a->pub_allow.at, a->pub_allow.n);
    free_texts(a->pub_deny.at, a->pub_deny.n);
    free_texts(a->sub_allow.at, a->sub_allow.n);
    free_texts(a->sub_deny.at, a->sub_deny.n);
    nj_dealloc(a);
}

struct nj_mapper_answer *nj_mapper_answer_fault(const char *why)
{
    struct nj_mapper_answer *a = nj_zalloc(sizeof(*a));
    a->verdict = NJ_AUTHMAP_DENY;
    a->faulty = true;
    a->reason = nj_strdup(why);
    return a;
}

/* ---- copying ---------------------------------------------------------------------------------- */

/* NULL when all is well, else what is wrong with the entries. */
static const char *copy_texts(const char *const *from, size_t n, size_t most, size_t most_len,
                              char ***to, size_t *n_out)
{
    if (n > most || (n > 0 && from == NULL)) {
        return "it has a list without entries, or one with too many";
    }
    *to = nj_calloc(n + 1, sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        if (from[i] == NULL || strnlen(from[i], most_len + 1) > most_len) {
            return "a list in it has an entry that is not there or too long";
        }
        (*to)[i] = nj_strdup(from[i]);
        *n_out = i + 1;
    }
    return NULL;
}

static const char *copy_list(const char *const *from, size_t n, struct nj_mapper_list *to)
{
    to->given = from != NULL;
    return from == NULL && n == 0
               ? NULL
               : copy_texts(from, n, SUBJECTS_MOST, SUBJECT_MOST, &to->at, &to->n);
}

static const char *copy_permissions(const struct nj_authmap_permissions *p,
                                    struct nj_mapper_answer *a)
{
    if (!NJ_FIELD(struct nj_authmap_permissions, p, subscribe_deny_n)) {
        return "its permissions are cut short";
    }
    a->has_permissions = true;
    a->allow_responses = p->allow_responses != 0;
    a->responses_max = p->responses_max;
    a->responses_ms = p->responses_ms;
    const char *wrong = copy_list(p->publish_allow, p->publish_allow_n, &a->pub_allow);
    if (wrong == NULL) {
        wrong = copy_list(p->publish_deny, p->publish_deny_n, &a->pub_deny);
    }
    if (wrong == NULL) {
        wrong = copy_list(p->subscribe_allow, p->subscribe_allow_n, &a->sub_allow);
    }
    return wrong != NULL ? wrong : copy_list(p->subscribe_deny, p->subscribe_deny_n, &a->sub_deny);
}

static const char *copy_name(const char *from, char **to)
{
    if (strnlen(from, NAME_MOST + 1) > NAME_MOST) {
        return "a name in it is too long";
    }
    *to = nj_strdup(from);
    return NULL;
}

static const char *copy_allow(const struct nj_authmap_answer *from, struct nj_mapper_answer *a)
{
    if (!HAS(from, user) || from->user == NULL || from->user[0] == '\0') {
        return "it allows somebody without a name";
    }
    const char *wrong = copy_name(from->user, &a->user);
    bool own = a->verdict == NJ_AUTHMAP_ALLOW_OWN;
    if (wrong == NULL && own && HAS(from, account) && from->account != NULL) {
        wrong = copy_name(from->account, &a->account);
    }
    if (wrong == NULL && own && HAS(from, permissions) && from->permissions != NULL) {
        wrong = copy_permissions(from->permissions, a);
    }
    if (wrong == NULL && HAS(from, tags_n)) {
        wrong = copy_texts(from->tags, from->tags_n, TAGS_MOST, NAME_MOST, &a->tags, &a->tags_n);
    }
    if (wrong == NULL && HAS(from, expires_s)) {
        a->expires_s = from->expires_s;
    }
    return wrong;
}

static void copy_denial(const struct nj_authmap_answer *from, struct nj_mapper_answer *a)
{
    if (HAS(from, reason) && from->reason != NULL && from->reason[0] != '\0') {
        a->reason = nj_strndup(from->reason, strnlen(from->reason, REASON_MOST));
    }
    if (HAS(from, say)) {
        a->say = from->say == NJ_AUTHMAP_SAY_EXPIRED ? from->say : NJ_AUTHMAP_SAY_VIOLATION;
    }
}

static const char *copy_whole(const struct nj_authmap_answer *from, struct nj_mapper_answer *a)
{
    if (from == NULL || !HAS(from, verdict)) {
        return "it is cut short";
    }
    a->verdict = from->verdict;
    switch (from->verdict) {
    case NJ_AUTHMAP_DEFER:
        return NULL;
    case NJ_AUTHMAP_DENY:
        copy_denial(from, a);
        return NULL;
    case NJ_AUTHMAP_ALLOW_CONFIGURED:
    case NJ_AUTHMAP_ALLOW_OWN:
        return copy_allow(from, a);
    default:
        return "it has no verdict that this server knows";
    }
}

struct nj_mapper_answer *nj_mapper_answer_copy(const struct nj_authmap_answer *from)
{
    struct nj_mapper_answer *a = nj_zalloc(sizeof(*a));
    const char *wrong = copy_whole(from, a);
    if (wrong != NULL) {
        nj_mapper_answer_free(&a);
        char *why = nj_strprintf("its answer cannot be understood: %s", wrong);
        a = nj_mapper_answer_fault(why);
        nj_dealloc(why);
    }
    return a;
}
