#include "tls/fips.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "tls/der.h"

#define RSA_LEAST_BITS 2048 /* SP 800-131A */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the switch ------------------------------------------------------------------------------ */

static struct {
    bool on; /* immutable after start, like the other */
    char *where;
} required;

bool nj_fips_built_in(void)
{
#ifdef NJ_FIPS_BUILD
    return true;
#else
    return false;
#endif
}

void nj_fips_require(const char *where)
{
    required.on = true;
    if (where != NULL && required.where == NULL) {
        required.where = nj_strdup(where);
    }
}

bool nj_fips_required(void)
{
    return required.on || nj_fips_built_in();
}

void nj_fips_forget(void)
{
    nj_dealloc(required.where);
    required.where = NULL;
    required.on = false;
}

/* ---- numbers --------------------------------------------------------------------------------- */

struct fault {
    uint16_t id;
    const char *why; /* NULL: allowed */
};

#define NO_CHACHA "ChaCha20-Poly1305 is not an approved cipher"
#define NO_SHA1 "it needs HMAC with SHA-1, which is on its way out"
#define NO_CBC "CBC with a MAC is left out, AES-GCM does the same"
#define NO_RSA_KX "RSA key transport is no longer approved"
#define NO_3DES "3DES is no longer approved"
#define NO_RC4 "RC4 was never approved"
#define NO_MLKEM "no FIPS module known to this server contains ML-KEM"

static const struct fault suites[] = {
    { 0x1301, NULL },      { 0x1302, NULL },      { 0x1303, NO_CHACHA }, { 0xc02b, NULL },
    { 0xc02f, NULL },      { 0xc02c, NULL },      { 0xc030, NULL },      { 0xcca9, NO_CHACHA },
    { 0xcca8, NO_CHACHA }, { 0xc009, NO_SHA1 },   { 0xc013, NO_SHA1 },   { 0xc00a, NO_SHA1 },
    { 0xc014, NO_SHA1 },   { 0xc023, NO_CBC },    { 0xc027, NO_CBC },    { 0x009c, NO_RSA_KX },
    { 0x009d, NO_RSA_KX }, { 0x002f, NO_RSA_KX }, { 0x0035, NO_RSA_KX }, { 0x003c, NO_RSA_KX },
    { 0xc012, NO_3DES },   { 0x000a, NO_3DES },   { 0xc007, NO_RC4 },    { 0xc011, NO_RC4 },
    { 0x0005, NO_RC4 },
};

static const struct fault groups[] = {
    { 23, NULL },       { 24, NULL },       { 25, NULL },       { 29, "X25519 is not approved" },
    { 4587, NO_MLKEM }, { 4588, NO_MLKEM }, { 4589, NO_MLKEM },
};

/* What is not in the list is not allowed. */
static const char *find_fault(const struct fault *list, size_t n, uint16_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].id == id) {
            return list[i].why;
        }
    }
    return "it is not on the list of what is approved";
}

const char *nj_fips_suite_fault(uint16_t id)
{
    return find_fault(suites, COUNT(suites), id);
}

const char *nj_fips_group_fault(uint16_t id)
{
    return find_fault(groups, COUNT(groups), id);
}

/* ---- keys ------------------------------------------------------------------------------------ */

#define OID(name, ...) static const uint8_t name[] = { __VA_ARGS__ }
OID(oid_p256, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07);
OID(oid_p384, 0x2b, 0x81, 0x04, 0x00, 0x22);
OID(oid_p521, 0x2b, 0x81, 0x04, 0x00, 0x23);

static bool is_oid(struct nj_span oid, const uint8_t *known, size_t known_len)
{
    return oid.len == known_len && memcmp(oid.ptr, known, known_len) == 0;
}

static int refuse(struct nj_error *err, const char *what)
{
    return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_POLICY,
                              "%s is not allowed under require_fips", what);
}

/* The parts of a SubjectPublicKeyInfo: what stands after the algorithm's OID, and the key. */
static bool open_spki(const struct nj_cert *cert, struct nj_span *parameters_out,
                      struct nj_span *key_out)
{
    struct nj_span in = cert->spki;
    struct nj_span body, algorithm, oid;
    if (nj_der_take(&in, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take(&body, NJ_DER_SEQUENCE, &algorithm) < 0 ||
        nj_der_take(&algorithm, NJ_DER_OID, &oid) < 0 || nj_der_take_bits(&body, key_out) < 0) {
        return false;
    }
    *parameters_out = algorithm;
    return true;
}

/* Of the modulus; 0 when it cannot be read. */
static size_t rsa_bits(struct nj_span key)
{
    struct nj_span numbers, modulus;
    if (nj_der_take(&key, NJ_DER_SEQUENCE, &numbers) < 0 ||
        nj_der_take(&numbers, NJ_DER_INTEGER, &modulus) < 0) {
        return 0;
    }
    while (modulus.len > 0 && modulus.ptr[0] == 0) {
        modulus.ptr++;
        modulus.len--;
    }
    size_t bits = modulus.len * 8;
    for (uint8_t top = modulus.len > 0 ? modulus.ptr[0] : 0; top != 0 && top < 0x80;
         top = (uint8_t) (top << 1)) {
        bits--;
    }
    return bits;
}

static int check_rsa(struct nj_span key, struct nj_error *err)
{
    size_t bits = rsa_bits(key);
    if (bits >= RSA_LEAST_BITS) {
        return NJ_OK;
    }
    return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_POLICY,
                              "an RSA key of %zu bits is too short under require_fips: %d is the "
                              "least",
                              bits, RSA_LEAST_BITS);
}

static int check_curve(struct nj_span parameters, struct nj_error *err)
{
    struct nj_span oid;
    if (nj_der_take(&parameters, NJ_DER_OID, &oid) == NJ_OK &&
        (is_oid(oid, oid_p256, sizeof(oid_p256)) || is_oid(oid, oid_p384, sizeof(oid_p384)) ||
         is_oid(oid, oid_p521, sizeof(oid_p521)))) {
        return NJ_OK;
    }
    return refuse(err, "an EC key on another curve than P-256, P-384 and P-521");
}

int nj_fips_check_key(const struct nj_cert *cert, struct nj_error *err)
{
    struct nj_span parameters, key;
    if (cert->key_type == NJ_KEY_ED25519) {
        return refuse(err, "an Ed25519 key");
    }
    if (cert->key_type == NJ_KEY_OTHER || !open_spki(cert, &parameters, &key)) {
        return refuse(err, "a key that is neither RSA nor ECDSA");
    }
    return cert->key_type == NJ_KEY_RSA ? check_rsa(key, err) : check_curve(parameters, err);
}

/* ---- signatures on certificates -------------------------------------------------------------- */

OID(oid_rsa_sha256, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b);
OID(oid_rsa_sha384, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c);
OID(oid_rsa_sha512, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d);
OID(oid_rsa_pss, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a);
OID(oid_ecdsa_sha256, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
OID(oid_ecdsa_sha384, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03);
OID(oid_ecdsa_sha512, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04);
OID(oid_sha256, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01);
OID(oid_sha384, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02);
OID(oid_sha512, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03);
OID(oid_rsa_md5, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04);
OID(oid_rsa_sha1, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05);
OID(oid_ecdsa_sha1, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01);
OID(oid_ed25519, 0x2b, 0x65, 0x70);

struct known_oid {
    const uint8_t *bytes;
    size_t len;
    const char *what; /* why it is refused; NULL: it is allowed */
};

#define KNOWN(name, what)                                                                          \
    {                                                                                              \
        name, sizeof(name), what                                                                   \
    }

static const struct known_oid signatures[] = {
    KNOWN(oid_rsa_sha256, NULL),
    KNOWN(oid_rsa_sha384, NULL),
    KNOWN(oid_rsa_sha512, NULL),
    KNOWN(oid_ecdsa_sha256, NULL),
    KNOWN(oid_ecdsa_sha384, NULL),
    KNOWN(oid_ecdsa_sha512, NULL),
    KNOWN(oid_rsa_md5, "a signature with MD5"),
    KNOWN(oid_rsa_sha1, "a signature with SHA-1"),
    KNOWN(oid_ecdsa_sha1, "a signature with SHA-1"),
    KNOWN(oid_ed25519, "an Ed25519 signature"),
};

static const struct known_oid pss_digests[] = {
    KNOWN(oid_sha256, NULL),
    KNOWN(oid_sha384, NULL),
    KNOWN(oid_sha512, NULL),
};

static const char *judge_oid(const struct known_oid *list, size_t n, struct nj_span oid,
                             const char *unknown)
{
    for (size_t i = 0; i < n; i++) {
        if (is_oid(oid, list[i].bytes, list[i].len)) {
            return list[i].what;
        }
    }
    return unknown;
}

/* RSASSA-PSS-params (RFC 4055 3.1): the digest is in [0] and SHA-1 when that is left out. */
static const char *judge_pss(struct nj_span algorithm)
{
    struct nj_span parameters, field, digest, oid;
    if (nj_der_take(&algorithm, NJ_DER_SEQUENCE, &parameters) < 0 ||
        nj_der_take(&parameters, NJ_DER_CONTEXT_CONSTRUCTED(0), &field) < 0 ||
        nj_der_take(&field, NJ_DER_SEQUENCE, &digest) < 0 ||
        nj_der_take(&digest, NJ_DER_OID, &oid) < 0) {
        return "a signature with SHA-1";
    }
    return judge_oid(pss_digests, COUNT(pss_digests), oid,
                     "an RSA-PSS signature with another digest than SHA-256, 384 and 512");
}

int nj_fips_check_signature(const struct nj_cert *cert, struct nj_error *err)
{
    struct nj_span in = cert->der;
    struct nj_span body, tbs, algorithm, oid;
    const char *what = "a signature of unknown kind";
    if (nj_der_take(&in, NJ_DER_SEQUENCE, &body) == NJ_OK &&
        nj_der_take(&body, NJ_DER_SEQUENCE, &tbs) == NJ_OK &&
        nj_der_take(&body, NJ_DER_SEQUENCE, &algorithm) == NJ_OK &&
        nj_der_take(&algorithm, NJ_DER_OID, &oid) == NJ_OK) {
        what = is_oid(oid, oid_rsa_pss, sizeof(oid_rsa_pss))
                   ? judge_pss(algorithm)
                   : judge_oid(signatures, COUNT(signatures), oid, what);
    }
    return what == NULL ? NJ_OK : refuse(err, what);
}

/* ---- files and chains ------------------------------------------------------------------------ */

/* Nobody looks at the signature that a root puts on itself. */
static bool signs_itself(const struct nj_cert *cert)
{
    return nj_span_equal(cert->issuer, cert->subject);
}

static int check_cert(const struct nj_cert *cert, enum nj_fips_use use, struct nj_error *err)
{
    int rc = nj_fips_check_key(cert, err);
    if (rc == NJ_OK && use == NJ_FIPS_CHAIN && !signs_itself(cert)) {
        rc = nj_fips_check_signature(cert, err);
    }
    return rc;
}

int nj_fips_check_file(const char *file, enum nj_fips_use use, const struct nj_span *certs,
                       size_t certs_n, struct nj_error *err)
{
    for (size_t i = 0; i < certs_n; i++) {
        char where[512];
        struct nj_cert cert;
        if (nj_cert_init(&cert, certs[i], NULL) < 0) {
            continue;
        }
        int rc = check_cert(&cert, use, err);
        nj_cert_fini(&cert);
        if (rc < 0) {
            (void) snprintf(where, sizeof(where), "%s: certificate %zu", file, i + 1);
            nj_error_prefix(err, where);
            return rc;
        }
    }
    return NJ_OK;
}

int nj_fips_check_chain(const struct nj_cert *certs, size_t certs_n, struct nj_error *err)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < certs_n; i++) {
        rc = check_cert(&certs[i], NJ_FIPS_CHAIN, err);
    }
    return rc;
}

/* ---- the module ------------------------------------------------------------------------------ */

const char *nj_fips_label(const struct nj_tls_provider *provider)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    provider->about(&about);
    return about.fips != NULL && about.fips[0] != '\0' ? about.fips : "none";
}

const char *nj_fips_failed_label(void)
{
#if defined(NJ_FIPS_MOCK)
    return NJ_FIPS_MOCK_LABEL ", FAILED";
#elif defined(NJ_FIPS_BUILD)
    return "fips-build, FAILED";
#else
    return "none";
#endif
}

/* A provider that was built for tests says so in its label. */
static bool is_stand_in(const char *label)
{
#ifdef NJ_FIPS_MOCK
    (void) label;
    return false;
#else
    return strncmp(label, NJ_FIPS_MOCK_LABEL, strlen(NJ_FIPS_MOCK_LABEL)) == 0;
#endif
}

static int refuse_provider(const struct nj_tls_provider *provider, const char *name,
                           struct nj_error *err)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    char who[400] = "this server was built with --enable-fips";
    provider->about(&about);
    if (required.where != NULL) {
        (void) snprintf(who, sizeof(who), "%s: require_fips is true", required.where);
    }
    return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                              "%s, but tls provider \"%s\" has no FIPS module at work: %s %s says "
                              "\"%s\"; see docs/fips.md",
                              who, name, about.lib_name, about.lib_version,
                              nj_fips_label(provider));
}

int nj_fips_check_provider(const struct nj_tls_provider *provider, const char *name,
                           struct nj_error *err)
{
    if (!nj_fips_required() || ((provider->caps() & NJ_TLS_CAP_FIPS_ACTIVE) != 0 &&
                                !is_stand_in(nj_fips_label(provider)))) {
        return NJ_OK;
    }
    return refuse_provider(provider, name, err);
}

int nj_fips_random(const struct nj_tls_provider *provider, void *out, size_t len,
                   struct nj_error *err)
{
    if (!nj_fips_required()) {
        nj_random(out, len);
        return NJ_OK;
    }
    if (provider->crypto == NULL || provider->crypto->random == NULL ||
        provider->crypto->random(out, len) != NJ_OK) {
        return nj_error_set(err, NJ_E_FAILED, "the FIPS module gave no random bytes");
    }
    return NJ_OK;
}
