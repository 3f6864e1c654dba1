/*
 * PEM (tls/pem.h): any text gives blocks or none; what they hold may be handed on.
 *
 * Input: the text.
 */
#include "tls/pem.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tls/cert.h"
#include "tls/key.h"

static void look_at_block(const struct nj_pem_block *block, size_t text_len)
{
    struct nj_error err = NJ_ERROR_INIT;
    enum nj_key_type type;
    FUZZ_CHECK(block->label != NULL && strlen(block->label) <= text_len, "a label out of nothing");
    FUZZ_CHECK(block->len <= text_len, "%zu bytes out of %zu letters", block->len, text_len);
    FUZZ_CHECK(!nj_pem_is_cert(block) || !nj_pem_is_key(block), "certificate and key at once");
    if (nj_pem_is_cert(block)) {
        struct nj_cert cert = { 0 };
        (void) nj_cert_init(&cert, nj_pem_der(block), &err);
        nj_cert_fini(&cert);
    }
    if (nj_pem_is_key(block)) {
        (void) nj_key_type(nj_pem_der(block), &type, &err);
    }
}

static void look_at(const struct nj_pem *pem, size_t text_len)
{
    struct nj_error err = NJ_ERROR_INIT;
    const struct nj_pem_block *key = NULL;
    size_t certs = 0;
    size_t counted = 0;
    for (size_t i = 0; i < pem->n; i++) {
        look_at_block(&pem->blocks[i], text_len);
        certs += nj_pem_is_cert(&pem->blocks[i]) ? 1 : 0;
    }
    int rc = nj_pem_count_certs(pem, &counted, &err);
    FUZZ_CHECK(rc == NJ_OK ? counted == certs && certs > 0 : err.text[0] != '\0',
               "%zu certificates of %zu, result %d", counted, certs, rc);
    rc = nj_pem_find_key(pem, &key, &err);
    FUZZ_CHECK((rc == NJ_OK) == (key != NULL), "key %s, result %d", key == NULL ? "no" : "yes", rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_pem pem = { 0 };
    char *text = (char *) fuzz_copy(data, len);
    int rc = nj_pem_parse(&pem, text, len, &err);
    free(text);
    FUZZ_CHECK(rc == NJ_OK || rc == NJ_E_LIMIT, "result %d", rc);
    if (rc == NJ_OK) {
        look_at(&pem, len);
    }
    nj_pem_fini(&pem);
    return 0;
}
