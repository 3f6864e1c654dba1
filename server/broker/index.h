/*
 * index.h: the subject index of one account.
 *
 * A trie over tokens.  Read without a lock by workers inside an RCU turn; written under one mutex,
 * which no worker holds on the way of a message.  Every change raises the generation, so that
 * cached results can tell that they are old.  A match is a bag: one entry for each plain
 * subscription and, for each queue name, the members of all matching patterns together.
 */
#ifndef NJ_BROKER_INDEX_H
#define NJ_BROKER_INDEX_H
#include <stddef.h>
#include <stdint.h>

struct nj_index;
struct nj_sub;

struct nj_index *nj_index_new(void);
void nj_index_free(struct nj_index **ip); /* no reader may be left; subscriptions are not freed */

/*
 * Insert and remove.  The subject must be a valid pattern.  Any thread that is registered with
 * RCU, not inside the message scope.  After remove() returned, no later turn can find the
 * subscription: the caller hands it to nj_sub_retire().
 */
void nj_index_insert(struct nj_index *ix, struct nj_sub *sub);
void nj_index_remove(struct nj_index *ix, struct nj_sub *sub);

/* Acquire load.  Take it before matching: a result is good while the generation stands. */
uint64_t nj_index_generation(const struct nj_index *ix);

/* Subscriptions in the index now (relaxed). */
uint64_t nj_index_count(const struct nj_index *ix);

struct nj_match_group {
    uint32_t start; /* first member in nj_match.subs */
    uint32_t n;
};

/* What matched.  Valid during the RCU turn in which the generation was loaded. */
struct nj_match {
    uint32_t plain_n;  /* subs[0 .. plain_n) */
    uint32_t total_n;  /* plain and members */
    uint32_t groups_n;
    struct nj_sub **subs;
    struct nj_match_group *groups;
};

/* Scratch of one thread, reused from match to match. */
struct nj_matcher;
struct nj_matcher *nj_matcher_new(void);
void nj_matcher_free(struct nj_matcher **mp);

/*
 * Match a literal subject (lone wildcard tokens are taken as text).  The result lies in the
 * matcher until the next call.  Never fails; a subject with an empty token matches nothing.
 */
const struct nj_match *nj_index_match(const struct nj_index *ix, struct nj_matcher *m,
                                      const char *subject, size_t len);

#endif
