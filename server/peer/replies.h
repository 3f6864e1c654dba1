/*
 * replies.h: subjects that a client may publish to because a message that was delivered to it asks
 * for an answer there (allow_responses).
 *
 * Belongs to the client's worker.  Bounded: the oldest makes room for the newest, so that a client
 * which never answers costs a fixed amount.
 */
#ifndef NJ_PEER_REPLIES_H
#define NJ_PEER_REPLIES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_replies;

/* max: answers to each (negative: no limit).  ttl_us: how long (negative: no limit). */
struct nj_replies *nj_replies_new(int64_t max, int64_t ttl_us);
void nj_replies_free(struct nj_replies **rp);

/* A message with this reply subject was delivered; its count begins anew. */
void nj_replies_add(struct nj_replies *r, const char *subject, size_t len, int64_t now_us);

/* The client publishes to it: true when it may, and that is counted. */
bool nj_replies_use(struct nj_replies *r, const char *subject, size_t len, int64_t now_us);

size_t nj_replies_count(const struct nj_replies *r);

#define NJ_REPLIES_MOST 65536u
#define NJ_REPLIES_BYTES_MOST ((size_t) 8 << 20) /* of their subjects: others choose how long */

#endif
