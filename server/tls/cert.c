#include "tls/cert.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "tls/der.h"
#include "tls/dn.h"
#include "tls/uri.h"

#define SPAN(bytes) ((struct nj_span){ (bytes), sizeof(bytes) })

/* Extensions 2.5.29.n, by n. */
enum {
    EXT_SUBJECT_KEY_ID = 14,
    EXT_KEY_USAGE = 15,
    EXT_SAN = 17,
    EXT_BASIC_CONSTRAINTS = 19,
    EXT_NAME_CONSTRAINTS = 30,
    EXT_CRL_POINTS = 31,
    EXT_POLICIES = 32,
    EXT_POLICY_MAPPINGS = 33,
    EXT_AUTHORITY_KEY_ID = 35,
    EXT_POLICY_CONSTRAINTS = 36,
    EXT_EKU = 37,
    EXT_INHIBIT_ANY_POLICY = 54
};

static int bad(struct nj_error *err, const char *what)
{
    (void) nj_error_set(err, NJ_E_INVALID, "x509: %s", what);
    if (err != NULL) {
        err->cls = NJ_CLASS_BAD_CERT;
    }
    return NJ_E_INVALID;
}

/* ---- extensions ------------------------------------------------------------------------------ */

static bool all_ascii(struct nj_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static void keep_san(struct nj_cert *cert, enum nj_san_kind kind, struct nj_span value)
{
    /* Grow by doubling: the capacity is the next power of two of the count. */
    size_t n = cert->sans_n;
    if ((n & (n - 1)) == 0) {
        cert->sans = nj_realloc(cert->sans, (n == 0 ? 1 : n * 2) * sizeof(*cert->sans));
    }
    cert->sans[cert->sans_n++] = (struct nj_san){ kind, value };
}

static int check_uri(struct nj_span value, struct nj_error *err)
{
    const char *why = "";
    struct nj_buf text;
    if (nj_uri_text(value, NULL, &why) == NJ_OK) {
        return NJ_OK;
    }
    nj_buf_init(&text, SIZE_MAX);
    (void) nj_buf_puts(&text, "cannot parse URI ");
    (void) nj_quote(&text, (const char *) value.ptr, value.len);
    (void) nj_buf_printf(&text, ": %s", why);
    int rc = bad(err, text.ptr);
    nj_buf_free(&text);
    return rc;
}

static int read_san(struct nj_cert *cert, uint8_t tag, struct nj_span value, struct nj_error *err)
{
    switch (tag) {
    case NJ_DER_CONTEXT(NJ_SAN_EMAIL):
        if (!all_ascii(value)) {
            return bad(err, "SAN rfc822Name is malformed");
        }
        break;
    case NJ_DER_CONTEXT(NJ_SAN_DNS):
        if (!all_ascii(value)) {
            return bad(err, "SAN dNSName is malformed");
        }
        break;
    case NJ_DER_CONTEXT(NJ_SAN_URI):
        if (!all_ascii(value)) {
            return bad(err, "SAN uniformResourceIdentifier is malformed");
        }
        if (check_uri(value, err) < 0) {
            return NJ_E_INVALID;
        }
        break;
    case NJ_DER_CONTEXT(NJ_SAN_IP):
        if (value.len != 4 && value.len != 16) {
            return bad(err, "cannot parse IP address in SAN");
        }
        break;
    default:
        return NJ_OK; /* otherName, directoryName, registeredID: nobody asks for them */
    }
    keep_san(cert, (enum nj_san_kind)(tag & 0x1f), value);
    return NJ_OK;
}

static int read_sans(struct nj_cert *cert, struct nj_span value, bool critical,
                     struct nj_error *err)
{
    struct nj_span list;
    if (nj_der_take(&value, NJ_DER_SEQUENCE, &list) < 0) {
        return bad(err, "invalid subject alternative names");
    }
    cert->has_san_extension = true;
    for (size_t n = 0; list.len > 0; n++) {
        uint8_t tag = 0;
        struct nj_span body;
        if (n >= NJ_CERT_MAX_SANS || nj_der_next(&list, &tag, &body, NULL) < 0) {
            return bad(err, "invalid subject alternative name");
        }
        if (read_san(cert, tag, body, err) < 0) {
            return NJ_E_INVALID;
        }
    }
    if (cert->sans_n == 0 && critical) {
        cert->unknown_critical = true; /* it names the subject in a way we cannot read */
    }
    return NJ_OK;
}

static uint32_t eku_bit(struct nj_span oid)
{
    static const uint8_t any[] = { 0x55, 0x1d, 0x25, 0x00 };
    static const uint8_t server[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01 };
    static const uint8_t client[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02 };
    if (nj_span_equal(oid, SPAN(any))) {
        return NJ_EKU_ANY;
    }
    if (nj_span_equal(oid, SPAN(server))) {
        return NJ_EKU_SERVER;
    }
    return nj_span_equal(oid, SPAN(client)) ? NJ_EKU_CLIENT : NJ_EKU_OTHER;
}

static int read_eku(struct nj_cert *cert, struct nj_span value, struct nj_error *err)
{
    struct nj_span list;
    if (nj_der_take(&value, NJ_DER_SEQUENCE, &list) < 0) {
        return bad(err, "invalid extended key usages");
    }
    while (list.len > 0) {
        struct nj_span oid;
        if (nj_der_take(&list, NJ_DER_OID, &oid) < 0) {
            return bad(err, "invalid extended key usages");
        }
        cert->eku |= eku_bit(oid);
    }
    return NJ_OK;
}

static int read_basic(struct nj_cert *cert, struct nj_span value, struct nj_error *err)
{
    struct nj_span body;
    if (nj_der_take(&value, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take_flag(&body, &cert->is_ca) < 0) {
        return bad(err, "invalid basic constraints");
    }
    if (nj_der_is(&body, NJ_DER_INTEGER) && nj_der_take_small(&body, &cert->path_len) < 0) {
        return bad(err, "invalid basic constraints");
    }
    cert->has_basic = true;
    return NJ_OK;
}

/* Bit n of the extension counts from the high end of the first byte. */
static int read_key_usage(struct nj_cert *cert, struct nj_span value, struct nj_error *err)
{
    struct nj_span body;
    if (nj_der_take(&value, NJ_DER_BIT_STRING, &body) < 0 || body.len == 0 || body.ptr[0] > 7 ||
        (body.len == 1 && body.ptr[0] != 0)) {
        return bad(err, "invalid key usage");
    }
    for (size_t n = 0; n < 9 && n / 8 + 1 < body.len; n++) {
        if ((body.ptr[1 + n / 8] & (0x80U >> (n % 8))) != 0) {
            cert->key_usage |= 1U << n;
        }
    }
    return NJ_OK;
}

static int read_extension(struct nj_cert *cert, uint8_t number, bool critical, struct nj_span value,
                          struct nj_error *err)
{
    switch (number) {
    case EXT_SAN:
        return read_sans(cert, value, critical, err);
    case EXT_EKU:
        return read_eku(cert, value, err);
    case EXT_BASIC_CONSTRAINTS:
        return read_basic(cert, value, err);
    case EXT_KEY_USAGE:
        return read_key_usage(cert, value, err);
    case EXT_SUBJECT_KEY_ID:
        return critical ? bad(err, "subject key identifier incorrectly marked critical") : NJ_OK;
    case EXT_AUTHORITY_KEY_ID:
        return critical ? bad(err, "authority key identifier incorrectly marked critical") : NJ_OK;
    case EXT_NAME_CONSTRAINTS: /* the library's path check knows these */
    case EXT_CRL_POINTS:
    case EXT_POLICIES:
    case EXT_POLICY_MAPPINGS:
    case EXT_POLICY_CONSTRAINTS:
    case EXT_INHIBIT_ANY_POLICY:
        return NJ_OK;
    default:
        cert->unknown_critical |= critical;
        return NJ_OK;
    }
}

static bool already_seen(const struct nj_span *seen, size_t n, struct nj_span oid)
{
    for (size_t i = 0; i < n; i++) {
        if (nj_span_equal(seen[i], oid)) {
            return true;
        }
    }
    return false;
}

static int read_extensions(struct nj_cert *cert, struct nj_span list, struct nj_error *err)
{
    struct nj_span seen[NJ_CERT_MAX_EXTENSIONS];
    for (size_t n = 0; list.len > 0; n++) {
        struct nj_span ext, oid, value;
        bool critical = false;
        if (n == NJ_CERT_MAX_EXTENSIONS || nj_der_take(&list, NJ_DER_SEQUENCE, &ext) < 0 ||
            nj_der_take(&ext, NJ_DER_OID, &oid) < 0 || nj_der_take_flag(&ext, &critical) < 0 ||
            nj_der_take(&ext, NJ_DER_OCTET_STRING, &value) < 0) {
            return bad(err, "malformed extension");
        }
        if (already_seen(seen, n, oid)) {
            return bad(err, "certificate contains duplicate extension");
        }
        seen[n] = oid;
        bool standard = oid.len == 3 && oid.ptr[0] == 0x55 && oid.ptr[1] == 0x1d; /* 2.5.29 */
        if (!standard) {
            cert->unknown_critical |= critical;
        } else if (read_extension(cert, oid.ptr[2], critical, value, err) < 0) {
            return NJ_E_INVALID;
        }
    }
    return NJ_OK;
}

/* ---- the fixed part -------------------------------------------------------------------------- */

static int read_version(struct nj_cert *cert, struct nj_span *tbs, struct nj_error *err)
{
    struct nj_span body;
    int32_t version = 0;
    cert->version = 1;
    if (!nj_der_is(tbs, NJ_DER_CONTEXT_CONSTRUCTED(0))) {
        return NJ_OK;
    }
    if (nj_der_take(tbs, NJ_DER_CONTEXT_CONSTRUCTED(0), &body) < 0 ||
        nj_der_take_small(&body, &version) < 0) {
        return bad(err, "malformed version");
    }
    if (version > 2) {
        return bad(err, "invalid version");
    }
    cert->version = (int) version + 1;
    return NJ_OK;
}

static int read_serial(struct nj_cert *cert, struct nj_span *tbs, struct nj_error *err)
{
    struct nj_span s;
    if (nj_der_take(tbs, NJ_DER_INTEGER, &s) < 0 || s.len == 0 ||
        (s.len > 1 && s.ptr[0] == 0 && (s.ptr[1] & 0x80) == 0) ||
        (s.len > 1 && s.ptr[0] == 0xff && (s.ptr[1] & 0x80) != 0)) {
        return bad(err, "malformed serial number");
    }
    if ((s.ptr[0] & 0x80) != 0) {
        return bad(err, "negative serial number");
    }
    cert->serial = s;
    return NJ_OK;
}

static int read_validity(struct nj_cert *cert, struct nj_span *tbs, struct nj_error *err)
{
    struct nj_span body;
    if (nj_der_take(tbs, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take_time(&body, &cert->not_before_s) < 0 ||
        nj_der_take_time(&body, &cert->not_after_s) < 0) {
        return bad(err, "malformed validity");
    }
    return NJ_OK;
}

enum nj_key_type nj_key_type_of_oid(struct nj_span oid)
{
    static const uint8_t rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
    static const uint8_t ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
    static const uint8_t ed25519[] = { 0x2b, 0x65, 0x70 };
    if (nj_span_equal(oid, SPAN(rsa))) {
        return NJ_KEY_RSA;
    }
    if (nj_span_equal(oid, SPAN(ec))) {
        return NJ_KEY_EC;
    }
    return nj_span_equal(oid, SPAN(ed25519)) ? NJ_KEY_ED25519 : NJ_KEY_OTHER;
}

static int read_spki(struct nj_cert *cert, struct nj_span *tbs, struct nj_error *err)
{
    struct nj_span whole, body, alg, oid, bits;
    if (nj_der_take_whole(tbs, NJ_DER_SEQUENCE, &whole) < 0) {
        return bad(err, "malformed spki");
    }
    cert->spki = whole;
    if (nj_der_take(&whole, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take(&body, NJ_DER_SEQUENCE, &alg) < 0 || nj_der_take(&alg, NJ_DER_OID, &oid) < 0) {
        return bad(err, "malformed public key algorithm identifier");
    }
    if (nj_der_take_bits(&body, &bits) < 0) {
        return bad(err, "malformed subjectPublicKey");
    }
    cert->key_type = nj_key_type_of_oid(oid);
    return NJ_OK;
}

/* Skip the unique identifiers [1] and [2], then read the extensions [3]. */
static int read_tail(struct nj_cert *cert, struct nj_span *tbs, struct nj_error *err)
{
    struct nj_span skipped, outer, list;
    for (uint8_t n = 1; n <= 2 && cert->version > 1; n++) {
        if (nj_der_is(tbs, NJ_DER_CONTEXT(n)) &&
            nj_der_take(tbs, NJ_DER_CONTEXT(n), &skipped) < 0) {
            return bad(err, "malformed tbs certificate");
        }
    }
    if (cert->version < 3 || !nj_der_is(tbs, NJ_DER_CONTEXT_CONSTRUCTED(3))) {
        return NJ_OK;
    }
    if (nj_der_take(tbs, NJ_DER_CONTEXT_CONSTRUCTED(3), &outer) < 0 ||
        nj_der_take(&outer, NJ_DER_SEQUENCE, &list) < 0) {
        return bad(err, "malformed extensions");
    }
    return read_extensions(cert, list, err);
}

static int read_names_and_dates(struct nj_cert *cert, struct nj_span *tbs, struct nj_error *err)
{
    if (nj_der_take_whole(tbs, NJ_DER_SEQUENCE, &cert->issuer) < 0) {
        return bad(err, "malformed issuer");
    }
    if (nj_dn_check(cert->issuer) < 0) {
        return bad(err, "invalid RDNSequence");
    }
    if (read_validity(cert, tbs, err) < 0) {
        return NJ_E_INVALID;
    }
    if (nj_der_take_whole(tbs, NJ_DER_SEQUENCE, &cert->subject) < 0) {
        return bad(err, "malformed subject");
    }
    return nj_dn_check(cert->subject) < 0 ? bad(err, "invalid RDNSequence") : NJ_OK;
}

static int read_certificate(struct nj_cert *cert, struct nj_span in, struct nj_error *err)
{
    struct nj_span body, tbs, inner_alg, outer_alg, signature;
    if (in.len > NJ_CERT_MAX_LEN || nj_der_take(&in, NJ_DER_SEQUENCE, &body) < 0) {
        return bad(err, "malformed certificate");
    }
    if (in.len > 0) {
        return bad(err, "trailing data");
    }
    if (nj_der_take_whole(&body, NJ_DER_SEQUENCE, &cert->tbs) < 0 ||
        nj_der_take(&(struct nj_span){ cert->tbs.ptr, cert->tbs.len }, NJ_DER_SEQUENCE, &tbs) < 0) {
        return bad(err, "malformed tbs certificate");
    }
    if (nj_der_take(&body, NJ_DER_SEQUENCE, &outer_alg) < 0) {
        return bad(err, "malformed algorithm identifier");
    }
    if (nj_der_take_bits(&body, &signature) < 0) {
        return bad(err, "malformed signature");
    }
    if (read_version(cert, &tbs, err) < 0 || read_serial(cert, &tbs, err) < 0) {
        return NJ_E_INVALID;
    }
    if (nj_der_take(&tbs, NJ_DER_SEQUENCE, &inner_alg) < 0) {
        return bad(err, "malformed signature algorithm identifier");
    }
    if (!nj_span_equal(inner_alg, outer_alg)) {
        return bad(err, "inner and outer signature algorithm identifiers don't match");
    }
    if (read_names_and_dates(cert, &tbs, err) < 0 || read_spki(cert, &tbs, err) < 0) {
        return NJ_E_INVALID;
    }
    return read_tail(cert, &tbs, err);
}

int nj_cert_init(struct nj_cert *cert, struct nj_span der, struct nj_error *err)
{
    *cert = (struct nj_cert){ .der = der, .path_len = -1 };
    int rc = read_certificate(cert, der, err);
    if (rc < 0) {
        nj_cert_fini(cert);
    }
    return rc;
}

void nj_cert_fini(struct nj_cert *cert)
{
    nj_dealloc(cert->sans);
    *cert = (struct nj_cert){ 0 };
}

/* ---- questions ------------------------------------------------------------------------------- */

size_t nj_cert_count_sans(const struct nj_cert *cert, enum nj_san_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < cert->sans_n; i++) {
        n += cert->sans[i].kind == kind ? 1 : 0;
    }
    return n;
}

bool nj_cert_may_issue(const struct nj_cert *cert)
{
    if (cert->has_basic ? !cert->is_ca : cert->version == 3) {
        return false;
    }
    return cert->key_usage == 0 || (cert->key_usage & NJ_KEY_USAGE_CERT_SIGN) != 0;
}

int nj_cert_serial_text(const struct nj_cert *cert, struct nj_buf *out)
{
    uint8_t number[64]; /* big-endian; RFC 5280 allows 20 octets */
    char digits[160];
    size_t at = sizeof(digits);
    size_t len = cert->serial.len;
    if (len > sizeof(number)) {
        return nj_buf_puts(out, "too long");
    }
    memcpy(number, cert->serial.ptr, len);
    for (bool more = true; more;) {
        unsigned rest = 0;
        more = false;
        for (size_t i = 0; i < len; i++) { /* number /= 10 */
            unsigned value = rest << 8 | number[i];
            number[i] = (uint8_t) (value / 10);
            rest = value % 10;
            more |= number[i] != 0;
        }
        digits[--at] = (char) ('0' + rest);
    }
    return nj_buf_append(out, digits + at, sizeof(digits) - at);
}
