/* nkey_check.c: is a text a public nkey?  Form and checksum only: no cryptography. */
#include <string.h>

#include "ops/option_reader.h"

#define KEY_TEXT_LEN 56 /* base32 of the kind, 32 bytes and a CRC-16 */
#define KEY_LEN 35

/* The first byte of a public key is the number of its first letter in base32, times 8. */
static int base32_value(char c)
{
    const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int) (at - alphabet);
}

static bool decode(const char *text, uint8_t out[KEY_LEN])
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (; *text != '\0'; text++) {
        int v = base32_value(*text);
        if (v < 0) {
            return false;
        }
        bits = (bits << 5 | (uint32_t) v) & 0xFFFFF;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t) (bits >> have);
        }
    }
    return true;
}

/* CRC-16/XMODEM, as nkeys use it. */
static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t) p[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
        }
        crc &= 0xFFFF;
    }
    return (uint16_t) crc;
}

bool nj_nkey_is_public(const char *text, char letter)
{
    uint8_t key[KEY_LEN];
    if (strlen(text) != KEY_TEXT_LEN || strchr("UAONXC", text[0]) == NULL ||
        (letter != '*' && text[0] != letter) || !decode(text, key) || (key[0] & 7) != 0) {
        return false;
    }
    return crc16(key, KEY_LEN - 2) == (uint16_t) (key[33] | key[34] << 8);
}
