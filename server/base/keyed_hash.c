#include "base/keyed_hash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    v[0] ^= word;
}

uint64_t nj_keyed_hash(const struct nj_hash_key *key, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t v[4] = { key->words[0] ^ UINT64_C(0x736f6d6570736575),
                      key->words[1] ^ UINT64_C(0x646f72616e646f6d),
                      key->words[0] ^ UINT64_C(0x6c7967656e657261),
                      key->words[1] ^ UINT64_C(0x7465646279746573) };
    uint64_t last = (uint64_t) len << 56;
    for (; len >= 8; len -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        take(v, le64toh(word));
    }
    for (size_t i = 0; i < len; i++) {
        last |= (uint64_t) at[i] << (8 * i);
    }
    take(v, last);
    v[2] ^= 0xff;
    mix(v);
    mix(v);
    mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
