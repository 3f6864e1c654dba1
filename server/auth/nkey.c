#include "auth/nkey.h"

#include <string.h>

#include "base/random.h"

#define KEY_TEXT_LEN 56 /* base32 of the kind, 32 bytes and a CRC-16 */
#define KEY_LEN 35

/* ---- keys ---------------------------------------------------------------------------------------- */

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

bool nj_nkey_decode(const char *text, char letter, uint8_t key_out[NJ_NKEY_BYTES])
{
    uint8_t key[KEY_LEN];
    if (strlen(text) != KEY_TEXT_LEN || strchr("UAONXC", text[0]) == NULL ||
        (letter != '*' && text[0] != letter) || !decode(text, key) || (key[0] & 7) != 0 ||
        crc16(key, KEY_LEN - 2) != (uint16_t) (key[33] | key[34] << 8)) {
        return false;
    }
    memcpy(key_out, key + 1, NJ_NKEY_BYTES);
    return true;
}

bool nj_nkey_is_public(const char *text, char letter)
{
    uint8_t key[NJ_NKEY_BYTES];
    return nj_nkey_decode(text, letter, key);
}

/* ---- base64 -------------------------------------------------------------------------------------- */

static const char plain64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The letters without line ends; false when there are more than a signature has. */
static bool gather(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        if (*text == '\r' || *text == '\n') {
            continue;
        }
        if (n + 1 >= cap) {
            return false;
        }
        out[n++] = *text;
    }
    out[n] = '\0';
    return true;
}

/* 86 letters; what the last one has below the 64 bytes does not count. */
static bool decode64(const char *alphabet, const char *letters, uint8_t out[NJ_NKEY_SIG_LEN])
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < 86; i++) {
        const char *at = strchr(alphabet, letters[i]);
        if (at == NULL) {
            return false;
        }
        bits = (bits << 6 | (uint32_t) (at - alphabet)) & 0xFFFF;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t) (bits >> have);
        }
    }
    return n == NJ_NKEY_SIG_LEN;
}

bool nj_nkey_decode_sig(const char *text, uint8_t sig_out[NJ_NKEY_SIG_LEN])
{
    char letters[90];
    if (!gather(text, letters, sizeof(letters))) {
        return false;
    }
    size_t len = strlen(letters);
    if (len == 86) {
        return decode64(url64, letters, sig_out);
    }
    return len == 88 && strcmp(letters + 86, "==") == 0 && decode64(plain64, letters, sig_out);
}

void nj_nonce_make(char nonce_out[NJ_NONCE_LEN + 1])
{
    uint8_t random[12]; /* 15 letters take 11 bytes and two bits of the twelfth, which are 0 */
    nj_random(random, 11);
    random[11] = 0;
    for (size_t i = 0; i < NJ_NONCE_LEN; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned) random[bit / 8] << 8 | random[bit / 8 + 1];
        nonce_out[i] = url64[pair >> (10 - bit % 8) & 63];
    }
    nonce_out[NJ_NONCE_LEN] = '\0';
}
