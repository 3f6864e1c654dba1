#include "tls/material.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "tls/cert.h"
#include "tls/key.h"
#include "tls/tls_block.h"

#define PAIR_ERROR "error parsing X509 certificate/key pair"

/* The DER of every block labelled CERTIFICATE.  The caller owns the array. */
static struct nj_span *collect_certs(const struct nj_pem *pem, size_t *n_out)
{
    struct nj_span *certs = nj_calloc(pem->n, sizeof(*certs));
    size_t n = 0;
    for (size_t i = 0; i < pem->n; i++) {
        if (nj_pem_is_cert(&pem->blocks[i])) {
            certs[n++] = nj_pem_der(&pem->blocks[i]);
        }
    }
    *n_out = n;
    return certs;
}

static int load_certs(struct nj_tls_pair *m, const char *path, struct nj_error *err)
{
    size_t n = 0;
    int rc = nj_pem_load_file(&m->cert_pem, path, NJ_PEM_MAX_FILE, err);
    if (rc == NJ_OK) {
        rc = nj_pem_count_certs(&m->cert_pem, &n, err);
    }
    if (rc == NJ_OK) {
        m->certs = collect_certs(&m->cert_pem, &m->certs_n);
    }
    return rc;
}

/* Only the types are compared here; that key and leaf belong together the provider proves. */
static int check_pair(struct nj_tls_pair *m, struct nj_error *err)
{
    struct nj_cert leaf;
    enum nj_key_type type = NJ_KEY_OTHER;
    if (nj_cert_init(&leaf, m->certs[0], err) < 0) {
        return NJ_E_INVALID;
    }
    enum nj_key_type leaf_type = leaf.key_type;
    m->not_after_s = leaf.not_after_s;
    nj_cert_fini(&leaf);
    if (nj_key_type(m->key, &type, err) < 0) {
        return NJ_E_INVALID;
    }
    const char *text = leaf_type == NJ_KEY_OTHER ? "tls: unknown public key algorithm"
                       : leaf_type != type ? "tls: private key type does not match public key type"
                                           : NULL;
    if (text != NULL && err != NULL) {
        (void) nj_error_set(err, NJ_E_INVALID, "%s", text);
        err->cls = NJ_CLASS_KEY_MISMATCH;
    }
    return text != NULL ? NJ_E_INVALID : NJ_OK;
}

static int load_pair(struct nj_tls_pair *m, const char *cert_file, const char *key_file,
                     struct nj_error *err)
{
    const struct nj_pem_block *key = NULL;
    m->label = nj_strdup(cert_file);
    int rc = load_certs(m, cert_file, err);
    if (rc == NJ_OK) {
        rc = nj_pem_load_file(&m->key_pem, key_file, NJ_PEM_MAX_FILE, err);
    }
    if (rc == NJ_OK) {
        rc = nj_pem_find_key(&m->key_pem, &key, err);
    }
    if (rc == NJ_OK) {
        m->key = nj_pem_der(key);
        rc = check_pair(m, err);
    }
    return rc;
}

void nj_tls_pair_prefix(const struct nj_tls_block *block, size_t index, struct nj_error *err)
{
    char prefix[sizeof(PAIR_ERROR) + 48] = PAIR_ERROR;
    if (block->certs_n > 0) {
        (void) snprintf(prefix, sizeof(prefix), PAIR_ERROR " %zu/%zu", index + 1, block->certs_n);
    }
    nj_error_prefix(err, prefix);
}

static int load_pairs(struct nj_tls_material *m, const struct nj_tls_block *block,
                      struct nj_error *err)
{
    const struct nj_cert_files one = { block->cert_file, block->key_file };
    const struct nj_cert_files *files = block->certs_n > 0 ? block->certs : &one;
    size_t n = block->certs_n > 0 ? block->certs_n : block->cert_file != NULL ? 1 : 0;
    int rc = NJ_OK;
    m->pairs = nj_calloc(n, sizeof(*m->pairs));
    for (size_t i = 0; i < n && rc == NJ_OK; i++) {
        m->pairs_n = i + 1;
        rc = load_pair(&m->pairs[i], files[i].cert_file, files[i].key_file, err);
        if (rc < 0) {
            nj_tls_pair_prefix(block, i, err);
        }
    }
    return rc;
}

/* Blocks that are no readable certificate are left out; one good one is enough. */
static int load_anchors(struct nj_tls_material *m, const char *path, struct nj_error *err)
{
    struct nj_cert cert;
    size_t n = 0;
    m->anchors_label = nj_strdup(path);
    int rc = nj_pem_load_file(&m->ca_pem, path, NJ_PEM_MAX_BUNDLE, err);
    if (rc < 0) {
        return rc;
    }
    m->anchors = collect_certs(&m->ca_pem, &m->anchors_n);
    for (size_t i = 0; i < m->anchors_n; i++) {
        if (nj_cert_init(&cert, m->anchors[i], NULL) == NJ_OK) {
            nj_cert_fini(&cert);
            m->anchors[n++] = m->anchors[i];
        }
    }
    m->anchors_n = n;
    return n > 0 ? NJ_OK : nj_error_set(err, NJ_E_INVALID, "failed to parse root ca certificate");
}

static int load(struct nj_tls_material *m, const struct nj_tls_block *block, struct nj_error *err)
{
    if (block->cert_file != NULL && block->key_file == NULL) {
        return nj_error_set(err, NJ_E_INVALID, "missing 'key_file' in TLS configuration");
    }
    if (block->cert_file == NULL && block->key_file != NULL) {
        return nj_error_set(err, NJ_E_INVALID, "missing 'cert_file' in TLS configuration");
    }
    int rc = load_pairs(m, block, err);
    if (rc == NJ_OK && block->ca_file != NULL) {
        rc = load_anchors(m, block->ca_file, err);
    }
    return rc;
}

int nj_tls_material_load(struct nj_tls_material *material, const struct nj_tls_block *block,
                         struct nj_error *err)
{
    *material = (struct nj_tls_material){ 0 };
    int rc = load(material, block, err);
    if (rc < 0) {
        nj_tls_material_fini(material);
    }
    return rc;
}

static void pair_fini(struct nj_tls_pair *pair)
{
    nj_dealloc(pair->certs);
    nj_dealloc(pair->label);
    nj_pem_fini(&pair->cert_pem); /* may hold the key as well */
    nj_pem_fini(&pair->key_pem);
}

void nj_tls_material_fini(struct nj_tls_material *material)
{
    for (size_t i = 0; i < material->pairs_n; i++) {
        pair_fini(&material->pairs[i]);
    }
    nj_dealloc(material->pairs);
    nj_dealloc(material->anchors);
    nj_dealloc(material->anchors_label);
    nj_pem_fini(&material->ca_pem);
    *material = (struct nj_tls_material){ 0 };
}
