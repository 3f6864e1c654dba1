/*
 * pins.h: pinned_certs.  A pin is the SHA-256 of a certificate's DER SubjectPublicKeyInfo.
 *
 * The set is built once and then only read: any thread.
 */
#ifndef NJ_TLS_PINS_H
#define NJ_TLS_PINS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"

#define NJ_PIN_LEN 32
#define NJ_PIN_HEX_LEN 64

struct nj_pins {
    uint8_t (*pins)[NJ_PIN_LEN]; /* sorted, no two alike; owned */
    size_t n;                    /* 0: nothing is pinned, everybody may come */
};

/* From lines of 64 hex digits, any case.  NJ_OK, or NJ_E_INVALID at the first that is none. */
int nj_pins_init(struct nj_pins *pins, const char (*hex)[NJ_PIN_HEX_LEN + 1], size_t n,
                 struct nj_error *err);
void nj_pins_fini(struct nj_pins *pins);

/*
 * Is the leaf's key pinned?  `hash` is nj_tls_crypto.hash of the connection's provider.  An empty
 * `leaf` (the peer sent no certificate) is refused.  NJ_OK, or NJ_E_DENIED with the text
 * "certificate not pinned".  `key_id_out` (may be NULL) gets the leaf's digest in hex, "" without
 * a leaf, for "Failed pinned cert test for key id: <hex>".
 */
int nj_pins_check(const struct nj_pins *pins, struct nj_span leaf,
                  int (*hash)(uint32_t alg, const void *data, size_t len, uint8_t *out),
                  char key_id_out[NJ_PIN_HEX_LEN + 1], struct nj_error *err);

#endif
