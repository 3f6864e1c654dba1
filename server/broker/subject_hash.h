/*
 * subject_hash.h: a quick hash of subjects for caches with one place for each hash, where two that
 * fall on one place cost each other a miss and no more.  Subjects can be made to collide whatever
 * the seed is: tables that search take nj_keyed_hash().
 */
#ifndef NJ_BROKER_SUBJECT_HASH_H
#define NJ_BROKER_SUBJECT_HASH_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t nj_subject_hash(uint64_t seed, const char *s, size_t len)
{
    uint64_t h = seed ^ (len * UINT64_C(0x9e3779b97f4a7c15));
    while (len > 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
        s += 8;
        len -= 8;
    }
    uint64_t w = 0;
    memcpy(&w, s, len);
    h = (h ^ w) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 31);
}

#endif
