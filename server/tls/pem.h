/*
 * pem.h: PEM text (RFC 7468) to DER blocks.  Base64 only: nothing is decrypted.
 *
 * Text around the blocks is ignored, and so is a block that cannot be read, as the reference does.
 * All that may have held a key is overwritten before it is given back.
 */
#ifndef NJ_TLS_PEM_H
#define NJ_TLS_PEM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"

#define NJ_PEM_MAX_FILE ((size_t) 1 << 20)    /* certificate and key files */
#define NJ_PEM_MAX_BUNDLE ((size_t) 16 << 20) /* CA files */
#define NJ_PEM_MAX_BLOCKS 20000

struct nj_pem_block {
    char *label; /* "CERTIFICATE" */
    uint8_t *der;
    size_t len;
    bool encrypted; /* by a Proc-Type header, or by its label */
};

struct nj_pem {
    struct nj_pem_block *blocks; /* in file order; owned */
    size_t n;
};

/* NJ_OK (also when there is no block at all) or NJ_E_LIMIT. */
int nj_pem_parse(struct nj_pem *pem, const char *text, size_t len, struct nj_error *err);

/*
 * Read a file of at most `limit` bytes and split it.  NJ_E_IO: "open nope.pem: no such file or
 * directory"; NJ_E_LIMIT.
 */
int nj_pem_load_file(struct nj_pem *pem, const char *path, size_t limit, struct nj_error *err);

void nj_pem_fini(struct nj_pem *pem); /* wipes; fine on a zeroed one */

static inline struct nj_span nj_pem_der(const struct nj_pem_block *block)
{
    return (struct nj_span){ block->der, block->len };
}

bool nj_pem_is_cert(const struct nj_pem_block *block);
bool nj_pem_is_key(const struct nj_pem_block *block);

/* How many certificates there are.  NJ_E_INVALID with the reference's words when there is none. */
int nj_pem_count_certs(const struct nj_pem *pem, size_t *n_out, struct nj_error *err);

/* The first private key; borrowed.  NJ_E_INVALID when there is none. */
int nj_pem_find_key(const struct nj_pem *pem, const struct nj_pem_block **key_out,
                    struct nj_error *err);

#endif
