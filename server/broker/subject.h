/* subject.h: the grammar of subjects (docs.nats.io, "Subject-Based Messaging").  Bytes, no state. */
#ifndef NJ_BROKER_SUBJECT_H
#define NJ_BROKER_SUBJECT_H
#include <stdbool.h>
#include <stddef.h>

/* Accepted by SUB: no empty token, nothing after a `>` token. */
bool nj_subject_valid_pattern(const char *s, size_t len);

/* Accepted by a pedantic PUB: no empty token, no token that is `*` or `>`. */
bool nj_subject_valid_literal(const char *s, size_t len);

/* Number of tokens; "" has one (empty) token. */
size_t nj_subject_tokens(const char *s, size_t len);

/* Does the literal match the pattern?  Linear; for a single pair, not for delivery. */
bool nj_subject_matches(const char *pattern, size_t pattern_len, const char *literal,
                        size_t literal_len);

/* Does every subject that `other` matches match the pattern too?  Wildcards of both count. */
bool nj_subject_covers(const char *pattern, size_t pattern_len, const char *other,
                       size_t other_len);

/* Has it a token that is a wildcard? */
bool nj_subject_has_wildcard(const char *s, size_t len);

#endif
