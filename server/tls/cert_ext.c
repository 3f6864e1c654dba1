#include "tls/cert_ext.h"

#include "tls/cert.h"
#include "tls/der.h"

#define SPAN(bytes) ((struct nj_span){ (bytes), sizeof(bytes) })
#define FEATURE_STATUS_REQUEST 5

/* ---- finding --------------------------------------------------------------------------------- */

/* The list of extensions of a tbsCertificate. */
static int take_extensions(const struct nj_cert *cert, struct nj_span *list_out)
{
    struct nj_span in = cert->tbs;
    struct nj_span tbs, body;
    uint8_t tag = 0;
    if (nj_der_take(&in, NJ_DER_SEQUENCE, &tbs) < 0) {
        return NJ_E_INVALID;
    }
    while (tbs.len > 0) {
        if (nj_der_next(&tbs, &tag, &body, NULL) < 0) {
            return NJ_E_INVALID;
        }
        /* [0] in front is the version; [3] is always the last. */
        if (tag == NJ_DER_CONTEXT_CONSTRUCTED(3)) {
            return nj_der_take(&body, NJ_DER_SEQUENCE, list_out);
        }
    }
    return NJ_E_NOT_FOUND;
}

/* The value of the extension with that OID. */
static int find(const struct nj_cert *cert, struct nj_span oid, struct nj_span *value_out)
{
    struct nj_span list, ext, name, octets;
    bool critical = false;
    int rc = take_extensions(cert, &list);
    for (size_t n = 0; rc == NJ_OK && list.len > 0; n++) {
        if (n >= NJ_CERT_MAX_EXTENSIONS || nj_der_take(&list, NJ_DER_SEQUENCE, &ext) < 0 ||
            nj_der_take(&ext, NJ_DER_OID, &name) < 0 || nj_der_take_flag(&ext, &critical) < 0 ||
            nj_der_take(&ext, NJ_DER_OCTET_STRING, &octets) < 0) {
            return NJ_E_INVALID;
        }
        if (nj_span_equal(name, oid)) {
            *value_out = octets;
            return NJ_OK;
        }
    }
    return rc < 0 ? rc : NJ_E_NOT_FOUND;
}

/* ---- questions ------------------------------------------------------------------------------- */

bool nj_cert_must_staple(const struct nj_cert *cert)
{
    static const uint8_t tls_feature[] = { 0x2b, 6, 1, 5, 5, 7, 1, 24 };
    struct nj_span value, list;
    int32_t feature = 0;
    if (find(cert, SPAN(tls_feature), &value) < 0 ||
        nj_der_take(&value, NJ_DER_SEQUENCE, &list) < 0) {
        return false;
    }
    while (list.len > 0 && nj_der_take_small(&list, &feature) == NJ_OK) {
        if (feature == FEATURE_STATUS_REQUEST) {
            return true;
        }
    }
    return false;
}

bool nj_cert_may_sign_ocsp(const struct nj_cert *cert)
{
    static const uint8_t ext_key_usage[] = { 0x55, 0x1d, 37 };
    static const uint8_t ocsp_signing[] = { 0x2b, 6, 1, 5, 5, 7, 3, 9 };
    struct nj_span value, list, oid;
    if (find(cert, SPAN(ext_key_usage), &value) < 0 ||
        nj_der_take(&value, NJ_DER_SEQUENCE, &list) < 0) {
        return false;
    }
    while (list.len > 0 && nj_der_take(&list, NJ_DER_OID, &oid) == NJ_OK) {
        if (nj_span_equal(oid, SPAN(ocsp_signing))) {
            return true;
        }
    }
    return false;
}

static bool is_printable(struct nj_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return s.len > 0;
}

size_t nj_cert_responders(const struct nj_cert *cert, struct nj_span *out, size_t max)
{
    static const uint8_t info_access[] = { 0x2b, 6, 1, 5, 5, 7, 1, 1 };
    static const uint8_t ocsp[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1 };
    struct nj_span value, list, entry, method, uri;
    size_t n = 0;
    if (find(cert, SPAN(info_access), &value) < 0 ||
        nj_der_take(&value, NJ_DER_SEQUENCE, &list) < 0) {
        return 0;
    }
    while (n < max && nj_der_take(&list, NJ_DER_SEQUENCE, &entry) == NJ_OK) {
        if (nj_der_take(&entry, NJ_DER_OID, &method) == NJ_OK &&
            nj_span_equal(method, SPAN(ocsp)) &&
            nj_der_take(&entry, NJ_DER_CONTEXT(NJ_SAN_URI), &uri) == NJ_OK && is_printable(uri)) {
            out[n++] = uri;
        }
    }
    return n;
}

int nj_cert_signature(const struct nj_cert *cert, struct nj_span *algorithm_out,
                      struct nj_span *signature_out)
{
    struct nj_span in = cert->der;
    struct nj_span body, tbs, algorithm;
    if (nj_der_take(&in, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take(&body, NJ_DER_SEQUENCE, &tbs) < 0 ||
        nj_der_take_whole(&body, NJ_DER_SEQUENCE, &algorithm) < 0 ||
        nj_der_take_bits(&body, signature_out) < 0) {
        return NJ_E_INVALID;
    }
    *algorithm_out = algorithm;
    return NJ_OK;
}

int nj_cert_key_bits(const struct nj_cert *cert, struct nj_span *bits_out)
{
    struct nj_span in = cert->spki;
    struct nj_span body, algorithm;
    if (nj_der_take(&in, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take(&body, NJ_DER_SEQUENCE, &algorithm) < 0) {
        return NJ_E_INVALID;
    }
    return nj_der_take_bits(&body, bits_out);
}
