/*
 * perms.h: what one user may publish and subscribe to.
 *
 * Made once from lists, then immutable and shared by all clients of the user on all workers:
 * counted, any thread.  No permissions at all is a NULL pointer, which costs one test.
 */
#ifndef NJ_AUTH_PERMS_H
#define NJ_AUTH_PERMS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_error;
struct nj_subject_set;

/* Subjects as a configuration has them.  at NULL or n 0: no list. */
struct nj_subject_list {
    const char *const *at;
    size_t n;
};

/*
 * What nj_perms_new() makes a set from.  All of it is borrowed.  No allow list: everything is
 * allowed; what a deny list has is not, whatever allow says.  Entries for subscriptions may name a
 * queue: "subject queue".
 */
struct nj_perms_rules {
    struct nj_subject_list pub_allow, pub_deny;
    struct nj_subject_list sub_allow, sub_deny;
    bool responses;           /* may answer what was delivered to it */
    int64_t responses_max;    /* answers to one message; 0: 1; negative: no limit */
    int64_t responses_ttl_ns; /* how long; 0: two minutes; negative: no limit */
};

struct nj_perms {
    _Atomic uint32_t refs; /* atomic */
    /* immutable; NULL: no such list */
    struct nj_subject_set *pub_allow, *pub_deny;
    struct nj_subject_set *sub_allow, *sub_deny;
    uint64_t print;  /* equal: made from equal rules, in the same order */
    uint64_t pub_id; /* never used by other permissions: a key for cached answers */
    bool responses;
    int64_t responses_max;    /* negative: no limit; never 0 */
    int64_t responses_ttl_us; /* negative: no limit; never 0 */
};

/* NJ_OK with one reference, or NJ_E_INVALID and which entry is no subject. */
int nj_perms_new(const struct nj_perms_rules *rules, struct nj_perms **perms_out,
                 struct nj_error *err);
struct nj_perms *nj_perms_ref(struct nj_perms *p); /* NULL gives NULL */
void nj_perms_unref(struct nj_perms **pp);

/* Does it forbid anything?  If not, a client need not carry it. */
bool nj_perms_restrict(const struct nj_perms *p);

/* Not answered from memory: see the worker's cache.  Responses are not looked at. */
bool nj_perms_may_publish(const struct nj_perms *p, const char *subject, size_t len);

/* queue_len 0: a plain subscription. */
bool nj_perms_may_subscribe(const struct nj_perms *p, const char *subject, size_t len,
                            const char *queue, size_t queue_len);

/* Is this a subject as permissions have them?  The rules of the configuration: no blanks, no empty
 * token, ">" alone and last. */
bool nj_perms_subject_valid(const char *s, size_t len);

#endif
