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

/* How many bytes the text stands for, -1 when it is no base64.  The first 64 are stored; the bits
 * that are left over at the end do not count. */
static int64_t decode64(const char *alphabet, bool padded, const char *text,
                        uint8_t out[NJ_NKEY_SIG_LEN])
{
    uint32_t bits = 0;
    size_t letters = 0;
    size_t pads = 0;
    size_t n = 0;
    for (; *text != '\0'; text++) {
        const char *at = strchr(alphabet, *text);
        if (*text == '\r' || *text == '\n') {
            continue;
        }
        if (*text == '=' && padded) {
            pads++;
            continue;
        }
        if (at == NULL || pads > 0) {
            return -1;
        }
        bits = (bits << 6 | (uint32_t) (at - alphabet)) & 0xFFFF;
        letters++;
        if (letters % 4 != 1) {
            unsigned left = (unsigned) (letters * 6 % 8);
            if (n < NJ_NKEY_SIG_LEN) {
                out[n] = (uint8_t) (bits >> left);
            }
            n++;
        }
    }
    size_t want = padded ? (4 - letters % 4) % 4 : 0;
    return letters % 4 == 1 || pads != want ? -1 : (int64_t) n;
}

enum nj_sig nj_nkey_decode_sig(const char *text, uint8_t sig_out[NJ_NKEY_SIG_LEN])
{
    int64_t n = decode64(url64, false, text, sig_out);
    if (n < 0) {
        n = decode64(plain64, true, text, sig_out);
    }
    return n < 0 ? NJ_SIG_NO_BASE64 : n == NJ_NKEY_SIG_LEN ? NJ_SIG_OK : NJ_SIG_NO_SIGNATURE;
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
