#include "tls/ocsp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "natterjack/tls.h"
#include "tls/cert.h"
#include "tls/cert_ext.h"
#include "tls/der.h"
#include "tls/fips.h"

#define SPAN(bytes) ((struct nj_span){ (bytes), sizeof(bytes) })
#define DER_ENUMERATED 0x0a
#define HASH_MAX 32
#define SERIAL_MAX 64     /* bytes; RFC 5280 allows 20 */
#define ANSWERS_MAX 256   /* certificates in one response */
#define SIGNERS_MAX 4     /* certificates sent along that are tried */
#define EXTENSIONS_MAX 32

static const uint8_t oid_sha1[] = { 0x2b, 0x0e, 0x03, 0x02, 0x1a };
static const uint8_t oid_sha256[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01 };
static const uint8_t oid_basic[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 1 };

static int bad(struct nj_error *err, const char *what)
{
    (void) nj_error_set(err, NJ_E_INVALID, "%s", what);
    if (err != NULL) {
        err->cls = NJ_CLASS_OCSP;
    }
    return NJ_E_INVALID;
}

const char *nj_ocsp_status_text(enum nj_ocsp_status status)
{
    static const char *const texts[] = { "good", "revoked", "unknown" };
    return texts[status];
}

/* ---- hashes ---------------------------------------------------------------------------------- */

struct hash {
    uint32_t alg; /* NJ_HASH_* */
    size_t len;
    struct nj_span oid;
};

static bool hash_by_oid(struct nj_span oid, struct hash *out)
{
    if (nj_span_equal(oid, SPAN(oid_sha1))) {
        *out = (struct hash){ NJ_HASH_SHA1, 20, SPAN(oid_sha1) };
        return true;
    }
    if (nj_span_equal(oid, SPAN(oid_sha256))) {
        *out = (struct hash){ NJ_HASH_SHA256, 32, SPAN(oid_sha256) };
        return true;
    }
    return false;
}

static int hash_issuer(const struct hash *h, const struct nj_cert *issuer,
                       const struct nj_tls_crypto *crypto, uint8_t name_out[HASH_MAX],
                       uint8_t key_out[HASH_MAX])
{
    struct nj_span bits;
    int rc = nj_cert_key_bits(issuer, &bits);
    if (rc == NJ_OK) {
        rc = crypto->hash(h->alg, issuer->subject.ptr, issuer->subject.len, name_out);
    }
    return rc == NJ_OK ? crypto->hash(h->alg, bits.ptr, bits.len, key_out) : rc;
}

bool nj_ocsp_is_possible(const struct nj_tls_crypto *crypto)
{
    return crypto != NULL && crypto->hash != NULL &&
           NJ_FIELD(struct nj_tls_crypto, crypto, verify_signature) &&
           crypto->verify_signature != NULL;
}

bool nj_ocsp_is_issuer(const struct nj_cert *issuer, const struct nj_cert *cert,
                       const struct nj_tls_crypto *crypto)
{
    struct nj_span algorithm, signature;
    return nj_span_equal(cert->issuer, issuer->subject) &&
           nj_cert_signature(cert, &algorithm, &signature) == NJ_OK &&
           crypto->verify_signature(issuer->spki, algorithm, cert->tbs, signature) == NJ_OK;
}

/* ---- the request ----------------------------------------------------------------------------- */

/* DER written from its end to its start: a length is known when its header is put. */
struct writer {
    uint8_t bytes[256];
    size_t at; /* the first byte written so far */
};

static void put(struct writer *w, struct nj_span s)
{
    w->at -= s.len;
    memcpy(w->bytes + w->at, s.ptr, s.len);
}

/* Put a header around all that was written since `end`. */
static void wrap(struct writer *w, uint8_t tag, size_t end)
{
    size_t len = end - w->at;
    w->bytes[--w->at] = (uint8_t) len;
    if (len >= 0x80) {
        w->bytes[--w->at] = 0x81;
    }
    w->bytes[--w->at] = tag;
}

static void put_element(struct writer *w, uint8_t tag, struct nj_span body)
{
    size_t end = w->at;
    put(w, body);
    wrap(w, tag, end);
}

/* The longest one: 2 hashes of 32 bytes, a serial of 64, 9 headers and an OID; it fits. */
static void write_request(struct writer *w, const struct hash *h, const uint8_t *name,
                          const uint8_t *key, struct nj_span serial)
{
    const size_t end = w->at;
    put_element(w, NJ_DER_INTEGER, serial);
    put_element(w, NJ_DER_OCTET_STRING, (struct nj_span){ key, h->len });
    put_element(w, NJ_DER_OCTET_STRING, (struct nj_span){ name, h->len });
    size_t algorithm_end = w->at;
    put_element(w, NJ_DER_NULL, (struct nj_span){ name, 0 });
    put_element(w, NJ_DER_OID, h->oid);
    wrap(w, NJ_DER_SEQUENCE, algorithm_end);
    wrap(w, NJ_DER_SEQUENCE, end); /* CertID */
    wrap(w, NJ_DER_SEQUENCE, end); /* Request */
    wrap(w, NJ_DER_SEQUENCE, end); /* requestList */
    wrap(w, NJ_DER_SEQUENCE, end); /* TBSRequest */
    wrap(w, NJ_DER_SEQUENCE, end); /* OCSPRequest */
}

int nj_ocsp_request_write(const struct nj_cert *cert, const struct nj_cert *issuer,
                          const struct nj_tls_crypto *crypto, struct nj_buf *out,
                          struct nj_error *err)
{
    uint8_t name[HASH_MAX], key[HASH_MAX];
    struct writer w = { .at = sizeof(w.bytes) };
    struct hash h = { NJ_HASH_SHA1, 20, SPAN(oid_sha1) };
    if (cert->serial.len == 0 || cert->serial.len > SERIAL_MAX) {
        return bad(err, "x509: serial number is too long");
    }
    /* SHA-1 only names the issuer here, and every responder knows it; a module may lack it. */
    if (hash_issuer(&h, issuer, crypto, name, key) != NJ_OK) {
        h = (struct hash){ NJ_HASH_SHA256, 32, SPAN(oid_sha256) };
        if (hash_issuer(&h, issuer, crypto, name, key) != NJ_OK) {
            return bad(err, "the TLS provider has no hash for an OCSP request");
        }
    }
    write_request(&w, &h, name, key, cert->serial);
    return nj_buf_append(out, w.bytes + w.at, sizeof(w.bytes) - w.at);
}

/* ---- the answer: form ------------------------------------------------------------------------ */

/* BasicOCSPResponse, cut into its parts. */
struct basic {
    struct nj_span tbs; /* whole */
    struct nj_span algorithm;
    struct nj_span signature;
    struct nj_span certs;   /* of the responder; empty when none were sent */
    struct nj_span answers; /* SingleResponses, one after the other */
};

static const char *server_error(int32_t code)
{
    static const char *const texts[] = { "success",       "malformed",          "internal error",
                                         "try later",     NULL,                 "signature required",
                                         "unauthorized" };
    const char *text = code >= 0 && code < 7 ? texts[code] : NULL;
    return text != NULL ? text : "unknown OCSP status";
}

static int take_status(struct nj_span *in, int32_t *code_out)
{
    struct nj_span body;
    if (nj_der_take(in, DER_ENUMERATED, &body) < 0 || body.len != 1) {
        return NJ_E_INVALID;
    }
    *code_out = body.ptr[0];
    return NJ_OK;
}

/* Nobody here knows an extension of an answer: those that must be understood end it. */
static int check_extensions(struct nj_span wrapped)
{
    struct nj_span list, ext, oid, value;
    bool critical = false;
    if (nj_der_take(&wrapped, NJ_DER_SEQUENCE, &list) < 0) {
        return NJ_E_INVALID;
    }
    for (int n = 0; list.len > 0; n++) {
        if (n >= EXTENSIONS_MAX || nj_der_take(&list, NJ_DER_SEQUENCE, &ext) < 0 ||
            nj_der_take(&ext, NJ_DER_OID, &oid) < 0 || nj_der_take_flag(&ext, &critical) < 0 ||
            nj_der_take(&ext, NJ_DER_OCTET_STRING, &value) < 0 || critical) {
            return NJ_E_INVALID;
        }
    }
    return NJ_OK;
}

/* ResponseData: [0] version, [1] or [2] who, when, answers, [1] extensions. */
static int read_data(struct nj_span tbs, struct nj_span *answers_out)
{
    struct nj_span in, skipped;
    uint8_t tag = 0;
    int64_t produced_s = 0;
    if (nj_der_take(&tbs, NJ_DER_SEQUENCE, &in) < 0) {
        return NJ_E_INVALID;
    }
    if (nj_der_is(&in, NJ_DER_CONTEXT_CONSTRUCTED(0)) && nj_der_next(&in, &tag, &skipped, NULL) < 0) {
        return NJ_E_INVALID;
    }
    if (nj_der_next(&in, &tag, &skipped, NULL) < 0 ||
        (tag != NJ_DER_CONTEXT_CONSTRUCTED(1) && tag != NJ_DER_CONTEXT_CONSTRUCTED(2)) ||
        nj_der_take_time(&in, &produced_s) < 0 ||
        nj_der_take(&in, NJ_DER_SEQUENCE, answers_out) < 0) {
        return NJ_E_INVALID;
    }
    if (nj_der_is(&in, NJ_DER_CONTEXT_CONSTRUCTED(1))) {
        return nj_der_take(&in, NJ_DER_CONTEXT_CONSTRUCTED(1), &skipped) < 0
                   ? NJ_E_INVALID
                   : check_extensions(skipped);
    }
    return in.len == 0 ? NJ_OK : NJ_E_INVALID;
}

static int read_basic(struct nj_span der, struct basic *b)
{
    struct nj_span body, wrapped;
    if (nj_der_take(&der, NJ_DER_SEQUENCE, &body) < 0 || der.len > 0 ||
        nj_der_take_whole(&body, NJ_DER_SEQUENCE, &b->tbs) < 0 ||
        nj_der_take_whole(&body, NJ_DER_SEQUENCE, &b->algorithm) < 0 ||
        nj_der_take_bits(&body, &b->signature) < 0) {
        return NJ_E_INVALID;
    }
    b->certs = (struct nj_span){ NULL, 0 };
    if (nj_der_is(&body, NJ_DER_CONTEXT_CONSTRUCTED(0)) &&
        (nj_der_take(&body, NJ_DER_CONTEXT_CONSTRUCTED(0), &wrapped) < 0 ||
         nj_der_take(&wrapped, NJ_DER_SEQUENCE, &b->certs) < 0)) {
        return NJ_E_INVALID;
    }
    return body.len == 0 ? read_data(b->tbs, &b->answers) : NJ_E_INVALID;
}

static int read_outer(struct nj_span der, struct basic *b, struct nj_error *err)
{
    struct nj_span in, wrapped, bytes, oid, octets;
    int32_t code = 0;
    if (der.len > NJ_OCSP_MAX_LEN || nj_der_take(&der, NJ_DER_SEQUENCE, &in) < 0 ||
        take_status(&in, &code) < 0) {
        return bad(err, "ocsp: malformed response");
    }
    if (der.len > 0) {
        return bad(err, "trailing data in OCSP response");
    }
    if (code != 0) {
        (void) nj_error_set(err, NJ_E_INVALID, "ocsp: error from server: %s", server_error(code));
        return NJ_E_INVALID;
    }
    if (nj_der_take(&in, NJ_DER_CONTEXT_CONSTRUCTED(0), &wrapped) < 0 ||
        nj_der_take(&wrapped, NJ_DER_SEQUENCE, &bytes) < 0 ||
        nj_der_take(&bytes, NJ_DER_OID, &oid) < 0 ||
        nj_der_take(&bytes, NJ_DER_OCTET_STRING, &octets) < 0) {
        return bad(err, "ocsp: malformed response");
    }
    if (!nj_span_equal(oid, SPAN(oid_basic))) {
        return bad(err, "bad OCSP response type");
    }
    return read_basic(octets, b) < 0 ? bad(err, "ocsp: malformed response") : NJ_OK;
}

/* ---- the answer: about whom ------------------------------------------------------------------ */

/* 1: this CertID names the certificate; 0: another; negative: malformed. */
static int names(struct nj_span id, const struct nj_cert *cert, const struct nj_cert *issuer,
                 const struct nj_tls_crypto *crypto)
{
    struct nj_span algorithm, oid, name, key, serial;
    uint8_t own_name[HASH_MAX], own_key[HASH_MAX];
    struct hash h;
    if (nj_der_take(&id, NJ_DER_SEQUENCE, &algorithm) < 0 ||
        nj_der_take(&algorithm, NJ_DER_OID, &oid) < 0 ||
        nj_der_take(&id, NJ_DER_OCTET_STRING, &name) < 0 ||
        nj_der_take(&id, NJ_DER_OCTET_STRING, &key) < 0 ||
        nj_der_take(&id, NJ_DER_INTEGER, &serial) < 0) {
        return NJ_E_INVALID;
    }
    if (!nj_span_equal(serial, cert->serial) || !hash_by_oid(oid, &h) ||
        hash_issuer(&h, issuer, crypto, own_name, own_key) != NJ_OK) {
        return 0;
    }
    return nj_span_equal(name, (struct nj_span){ own_name, h.len }) &&
                   nj_span_equal(key, (struct nj_span){ own_key, h.len })
               ? 1
               : 0;
}

/* What stands behind the CertID: status, dates, extensions. */
static int read_answer(struct nj_span in, struct nj_ocsp_answer *a)
{
    struct nj_span body;
    uint8_t tag = 0;
    if (nj_der_next(&in, &tag, &body, NULL) < 0) {
        return NJ_E_INVALID;
    }
    if (tag == NJ_DER_CONTEXT(0) && body.len == 0) {
        a->status = NJ_OCSP_GOOD;
    } else if (tag == NJ_DER_CONTEXT_CONSTRUCTED(1)) {
        a->status = NJ_OCSP_REVOKED;
    } else if (tag == NJ_DER_CONTEXT(2) && body.len == 0) {
        a->status = NJ_OCSP_UNKNOWN;
    } else {
        return NJ_E_INVALID;
    }
    a->next_update_s = 0;
    if (nj_der_take_time(&in, &a->this_update_s) < 0 ||
        (nj_der_is(&in, NJ_DER_CONTEXT_CONSTRUCTED(0)) &&
         (nj_der_take(&in, NJ_DER_CONTEXT_CONSTRUCTED(0), &body) < 0 ||
          nj_der_take_time(&body, &a->next_update_s) < 0))) {
        return NJ_E_INVALID;
    }
    if (nj_der_is(&in, NJ_DER_CONTEXT_CONSTRUCTED(1))) {
        return nj_der_take(&in, NJ_DER_CONTEXT_CONSTRUCTED(1), &body) < 0 ? NJ_E_INVALID
                                                                           : check_extensions(body);
    }
    return in.len == 0 ? NJ_OK : NJ_E_INVALID;
}

static int find_answer(struct nj_span list, const struct nj_cert *cert,
                       const struct nj_cert *issuer, const struct nj_tls_crypto *crypto,
                       struct nj_ocsp_answer *a, struct nj_error *err)
{
    struct nj_span single, id;
    for (int n = 0; list.len > 0; n++) {
        if (n >= ANSWERS_MAX || nj_der_take(&list, NJ_DER_SEQUENCE, &single) < 0 ||
            nj_der_take(&single, NJ_DER_SEQUENCE, &id) < 0) {
            return bad(err, "ocsp: malformed response");
        }
        int fits = names(id, cert, issuer, crypto);
        if (fits < 0 || (fits == 1 && read_answer(single, a) < 0)) {
            return bad(err, "ocsp: malformed response");
        }
        if (fits == 1) {
            return NJ_OK;
        }
    }
    return bad(err, "no response matching the supplied certificate");
}

/* ---- the answer: by whom --------------------------------------------------------------------- */

static bool signed_by(const struct basic *b, const struct nj_cert *who,
                      const struct nj_tls_crypto *crypto)
{
    return (!nj_fips_required() || nj_fips_check_key(who, NULL) == NJ_OK) &&
           crypto->verify_signature(who->spki, b->algorithm, b->tbs, b->signature) == NJ_OK;
}

/* Somebody to whom the issuer gave the right to answer.  NULL: he may, and he signed. */
static const char *judge_delegate(const struct basic *b, struct nj_span der,
                                  const struct nj_cert *issuer, const struct nj_tls_crypto *crypto,
                                  int64_t now_s)
{
    struct nj_cert cert;
    const char *why = NULL;
    if (nj_cert_init(&cert, der, NULL) < 0) {
        return "bad certificate in OCSP response";
    }
    if (!signed_by(b, &cert, crypto)) {
        why = "bad OCSP signature";
    } else if (!nj_ocsp_is_issuer(issuer, &cert, crypto)) {
        why = "bad OCSP signature: its signer is not of the certificate's issuer";
    } else if (!nj_cert_may_sign_ocsp(&cert)) {
        why = "OCSP response signer missing authorization by CA to act as OCSP signer";
    } else if (now_s < cert.not_before_s || now_s > cert.not_after_s) {
        why = "OCSP response signer's certificate is not valid now";
    }
    nj_cert_fini(&cert);
    return why;
}

static int check_signature(const struct basic *b, const struct nj_cert *issuer,
                           const struct nj_tls_crypto *crypto, int64_t now_s, struct nj_error *err)
{
    const char *why = "bad OCSP signature";
    struct nj_span certs = b->certs;
    struct nj_span der;
    if (signed_by(b, issuer, crypto)) {
        return NJ_OK;
    }
    for (int n = 0; n < SIGNERS_MAX && certs.len > 0; n++) {
        if (nj_der_take_whole(&certs, NJ_DER_SEQUENCE, &der) < 0) {
            return bad(err, "ocsp: malformed response");
        }
        const char *again = judge_delegate(b, der, issuer, crypto, now_s);
        if (again == NULL) {
            return NJ_OK;
        }
        why = n == 0 ? again : why;
    }
    return bad(err, why);
}

int nj_ocsp_response_read(struct nj_span der, const struct nj_cert *cert,
                          const struct nj_cert *issuer, const struct nj_tls_crypto *crypto,
                          int64_t now_s, struct nj_ocsp_answer *answer_out, struct nj_error *err)
{
    struct basic b;
    struct nj_ocsp_answer a = { .status = NJ_OCSP_UNKNOWN };
    int rc = read_outer(der, &b, err);
    if (rc == NJ_OK) {
        rc = find_answer(b.answers, cert, issuer, crypto, &a, err);
    }
    if (rc == NJ_OK) {
        rc = check_signature(&b, issuer, crypto, now_s, err);
    }
    if (rc == NJ_OK) {
        *answer_out = a;
    }
    return rc;
}

/* ---- the answer: of when --------------------------------------------------------------------- */

static int out_of_time(struct nj_error *err, const char *what, int64_t at_s)
{
    struct tm tm;
    char text[64];
    char words[160];
    time_t t = (time_t) at_s;
    (void) gmtime_r(&t, &tm);
    (void) strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S +0000 UTC", &tm);
    (void) snprintf(words, sizeof(words), "%s time: %s", what, text);
    return bad(err, words);
}

int nj_ocsp_check_time(const struct nj_ocsp_answer *answer, int64_t now_s, int64_t skew_s,
                       struct nj_error *err)
{
    if (answer->next_update_s != 0 && answer->next_update_s < now_s - skew_s) {
        return out_of_time(err, "invalid ocsp NextUpdate, is past", answer->next_update_s);
    }
    if (answer->this_update_s > now_s + skew_s) {
        return out_of_time(err, "invalid ocsp ThisUpdate, is future", answer->this_update_s);
    }
    return NJ_OK;
}
