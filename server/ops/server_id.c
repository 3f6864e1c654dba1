#include "ops/server_id.h"

#include <string.h>

#include "base/random.h"

#define RAW_LEN 35 /* prefix, key, CRC: 280 bits, exactly 56 characters of 5 */

static uint16_t crc16_xmodem(const uint8_t *p, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t) p[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
        }
        crc &= 0xffff;
    }
    return (uint16_t) crc;
}

/* RFC 4648, `len` a multiple of 5. */
static void base32(const uint8_t *p, size_t len, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for (size_t i = 0; i < len; i += 5) {
        uint64_t group = 0;
        for (size_t j = 0; j < 5; j++) {
            group = group << 8 | p[i + j];
        }
        for (int shift = 35; shift >= 0; shift -= 5) {
            *out++ = alphabet[group >> shift & 31];
        }
    }
    *out = '\0';
}

void nj_nkey_encode(uint8_t prefix, const uint8_t key[32], char out[NJ_NKEY_LEN + 1])
{
    uint8_t raw[RAW_LEN];
    raw[0] = prefix;
    memcpy(raw + 1, key, 32);
    uint16_t crc = crc16_xmodem(raw, 33);
    raw[33] = (uint8_t) (crc & 0xff);
    raw[34] = (uint8_t) (crc >> 8);
    base32(raw, sizeof(raw), out);
}

void nj_server_id_make(char out[NJ_NKEY_LEN + 1])
{
    uint8_t key[32];
    nj_random(key, sizeof(key));
    nj_nkey_encode(NJ_NKEY_SERVER, key, out);
}
