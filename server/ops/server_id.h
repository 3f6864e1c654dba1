/* server_id.h: the server's public name on the wire. */
#ifndef NJ_OPS_SERVER_ID_H
#define NJ_OPS_SERVER_ID_H
#include <stddef.h>
#include <stdint.h>

#define NJ_NKEY_LEN 56 /* characters of an encoded 32-byte key, without the NUL */

/* Prefix bytes: they make the first character. */
#define NJ_NKEY_SERVER 0x68 /* N */
#define NJ_NKEY_USER 0xa0   /* U */

/*
 * The nkeys encoding: base32 without padding over prefix, 32 bytes and their CRC-16 (XMODEM,
 * little endian).
 */
void nj_nkey_encode(uint8_t prefix, const uint8_t key[32], char out[NJ_NKEY_LEN + 1]);

/*
 * A fresh server id, "N" and 55 more.  The 32 bytes are random and nobody holds a private key to
 * them; nothing asks the server to prove its id.
 */
void nj_server_id_make(char out[NJ_NKEY_LEN + 1]);

#endif
