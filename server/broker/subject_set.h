/*
 * subject_set.h: a set of subject patterns, asked "is this subject among them?".
 *
 * Built by one thread (new, add), then immutable and shared: counted, any thread.  An entry is a
 * pattern alone or a pattern for one queue; the queue's name may be a pattern too ("v1.*").  What
 * is asked about is a text: its own wildcards count as the letters they are, except where a comment
 * says otherwise.  So a subscription to "a.*" is in the set { a.* } and in { a.> }, not in { a.b }.
 */
#ifndef NJ_BROKER_SUBJECT_SET_H
#define NJ_BROKER_SUBJECT_SET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_subject_set;

struct nj_subject_set *nj_subject_set_new(void); /* one reference, the caller's */
void nj_subject_set_ref(struct nj_subject_set *s);
void nj_subject_set_unref(struct nj_subject_set **sp);

/* Before it is shared.  The pattern must be valid (nj_subject_valid_pattern); queue_len 0: for
 * everybody.  Both texts are copied. */
void nj_subject_set_add(struct nj_subject_set *s, const char *pattern, size_t len,
                        const char *queue, size_t queue_len);

/* Never used by another set of this process: a key for what was found out about this one. */
uint64_t nj_subject_set_id(const struct nj_subject_set *s);
size_t nj_subject_set_count(const struct nj_subject_set *s);

/* Which kinds of entries match; a bit mask. */
#define NJ_SET_PLAIN 1U      /* a pattern alone */
#define NJ_SET_QUEUES 2U     /* patterns for a queue, whichever */
#define NJ_SET_QUEUE_FITS 4U /* one of them for the queue that was asked about */

/* A subject with an empty token is in no set. */
unsigned nj_subject_set_match(const struct nj_subject_set *s, const char *subject, size_t len);

/* Is there a matching pattern for this queue?  "v1.a" fits an entry for "v1.*". */
bool nj_subject_set_match_queue(const struct nj_subject_set *s, const char *subject, size_t len,
                                const char *queue, size_t queue_len);

/* As match, and one step stricter: what the pattern matches, an entry matches.  "a.>" is not covered
 * by "a.*", though as a text it has the same shape. */
unsigned nj_subject_set_cover(const struct nj_subject_set *s, const char *pattern, size_t len,
                              const char *queue, size_t queue_len);

/* Is there a subject that this pattern and one of the set's both match? */
bool nj_subject_set_overlaps(const struct nj_subject_set *s, const char *pattern, size_t len);

#endif
