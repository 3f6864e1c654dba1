/* nkey.h: public nkeys as text, and the signatures clients send with them.  No state, no
 * cryptography: any thread. */
#ifndef NJ_AUTH_NKEY_H
#define NJ_AUTH_NKEY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_NKEY_BYTES 32
#define NJ_NKEY_SIG_LEN 64

/* What a client signs: 11 random bytes in the base64 of URLs without padding. */
#define NJ_NONCE_LEN 15

/* A public nkey of the kind whose letter is `letter` (U, A, O, X, N, C); '*': of any kind. */
bool nj_nkey_is_public(const char *text, char letter);

/* The key itself; false when it is no public nkey of that kind. */
bool nj_nkey_decode(const char *text, char letter, uint8_t key_out[NJ_NKEY_BYTES]);

enum nj_sig { NJ_SIG_OK, NJ_SIG_NO_BASE64, NJ_SIG_NO_SIGNATURE /* not 64 bytes */ };

/* base64 of URLs without padding, else the ordinary one with it.  Line ends are passed over, as the
 * reference's decoder does. */
enum nj_sig nj_nkey_decode_sig(const char *text, uint8_t sig_out[NJ_NKEY_SIG_LEN]);

/* A new nonce, with its NUL. */
void nj_nonce_make(char nonce_out[NJ_NONCE_LEN + 1]);

#endif
