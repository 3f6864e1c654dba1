/*
 * keyed_hash.h: a hash for tables whose keys a peer chooses (SipHash with one round for each word
 * and three at the end, by Aumasson and Bernstein).
 *
 * Who does not know the key cannot make texts that fall on one place.  A seed that is mixed into a
 * hash of multiplications is no such key: the top bit of a word goes through a multiplication
 * untouched whatever the seed was, and the next word can cancel it.
 */
#ifndef NJ_BASE_KEYED_HASH_H
#define NJ_BASE_KEYED_HASH_H
#include <stddef.h>
#include <stdint.h>

/* Filled by nj_seed(), once for a table or for the process, and never shown to anybody. */
struct nj_hash_key {
    uint64_t words[2];
};

uint64_t nj_keyed_hash(const struct nj_hash_key *key, const void *bytes, size_t len);

#endif
