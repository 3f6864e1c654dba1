#include "tls/choose.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "tls/der.h"
#include "tls/hello.h"
#include "tls/name.h"
#include "tls/names.h"

#define NAME_MAX_LEN 255 /* of a host name, RFC 1035 2.3.4 */

enum { GROUP_P256 = 23, GROUP_P384 = 24, GROUP_P521 = 25 };

/* ---- what a certificate is like ---------------------------------------------------------------- */

/* RFC 5480 2.1.1: the curve stands beside the algorithm of the key. */
static uint16_t curve_of(const struct nj_cert *cert)
{
    static const struct {
        uint16_t group;
        uint8_t len;
        uint8_t oid[8];
    } curves[] = {
        { GROUP_P256, 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 } },
        { GROUP_P384, 5, { 0x2b, 0x81, 0x04, 0x00, 0x22 } },
        { GROUP_P521, 5, { 0x2b, 0x81, 0x04, 0x00, 0x23 } },
    };
    struct nj_span in = cert->spki;
    struct nj_span body, algorithm, oid, curve;
    if (cert->key_type != NJ_KEY_EC || nj_der_take(&in, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take(&body, NJ_DER_SEQUENCE, &algorithm) < 0 ||
        nj_der_take(&algorithm, NJ_DER_OID, &oid) < 0 ||
        nj_der_take(&algorithm, NJ_DER_OID, &curve) < 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (nj_span_equal(curve, (struct nj_span){ curves[i].oid, curves[i].len })) {
            return curves[i].group;
        }
    }
    return 0;
}

int nj_tls_leaf_init(struct nj_tls_leaf *leaf, struct nj_span der, struct nj_error *err)
{
    *leaf = (struct nj_tls_leaf){ .der = nj_alloc(der.len) };
    memcpy(leaf->der, der.ptr, der.len);
    int rc = nj_cert_init(&leaf->cert, (struct nj_span){ leaf->der, der.len }, err);
    if (rc < 0) {
        nj_tls_leaf_fini(leaf);
        return rc;
    }
    leaf->curve = curve_of(&leaf->cert);
    return NJ_OK;
}

void nj_tls_leaf_fini(struct nj_tls_leaf *leaf)
{
    nj_cert_fini(&leaf->cert);
    nj_dealloc(leaf->der);
    *leaf = (struct nj_tls_leaf){ 0 };
}

/* ---- does it fit? ------------------------------------------------------------------------------ */

struct question {
    const struct nj_hello *hello;
    const struct nj_tls_settings *offer;
    uint16_t version;
    char name[NAME_MAX_LEN + 1]; /* "": none was sent */
    bool name_is_odd;            /* too long, or with a NUL inside: no certificate has it */
};

static bool name_fits(const struct question *q, const struct nj_tls_leaf *leaf)
{
    return !q->name_is_odd && (q->name[0] == '\0' || nj_name_matches(&leaf->cert, q->name));
}

static bool has_any(struct nj_span list, const uint16_t *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (nj_hello_has(list, wanted[i])) {
            return true;
        }
    }
    return false;
}

/* RFC 8446 4.2.3.  TLS 1.3 ties the hash of ECDSA to the curve and leaves PKCS#1 to TLS 1.2. */
static bool signature_fits(const struct question *q, const struct nj_tls_leaf *leaf)
{
    static const uint16_t rsa[] = { 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601 };
    static const uint16_t ecdsa[] = { 0x0403, 0x0503, 0x0603 };
    bool is_1_3 = q->version >= NJ_TLS_1_3;
    struct nj_span list = q->hello->signatures;
    if (list.len == 0 && !is_1_3) {
        return leaf->cert.key_type != NJ_KEY_ED25519;
    }
    switch (leaf->cert.key_type) {
    case NJ_KEY_RSA:
        return list.len == 0 || has_any(list, rsa, is_1_3 ? 3 : 6);
    case NJ_KEY_EC:
        if (is_1_3) {
            return leaf->curve != 0 &&
                   (list.len == 0 || nj_hello_has(list, ecdsa[leaf->curve - GROUP_P256]));
        }
        return has_any(list, ecdsa, 3);
    case NJ_KEY_ED25519:
        return list.len == 0 || nj_hello_has(list, 0x0807);
    default:
        return false;
    }
}

static bool shares_suite(const struct question *q, const char *prefix)
{
    for (size_t i = 0; i < q->offer->suites_n; i++) {
        const struct nj_tls_suite *suite = nj_tls_suite_by_id(q->offer->suites[i]);
        if (suite != NULL && !suite->tls13 && strncmp(suite->name, prefix, strlen(prefix)) == 0 &&
            nj_hello_has(q->hello->suites, suite->id)) {
            return true;
        }
    }
    return false;
}

static bool group_is_on(const struct question *q, uint16_t group)
{
    for (size_t i = 0; i < q->offer->groups_n; i++) {
        if (q->offer->groups[i] == group) {
            return nj_hello_has(q->hello->groups, group);
        }
    }
    return false;
}

/* In TLS 1.2 the key decides about the suites; an EC key needs its own curve, any other some. */
static bool exchange_fits(const struct question *q, const struct nj_tls_leaf *leaf)
{
    bool any_group = false;
    for (size_t i = 0; i < q->offer->groups_n && !any_group; i++) {
        any_group = nj_hello_has(q->hello->groups, q->offer->groups[i]);
    }
    switch (leaf->cert.key_type) {
    case NJ_KEY_RSA:
        return any_group && shares_suite(q, "TLS_ECDHE_RSA_");
    case NJ_KEY_EC:
        return leaf->curve != 0 && group_is_on(q, leaf->curve) &&
               shares_suite(q, "TLS_ECDHE_ECDSA_");
    case NJ_KEY_ED25519:
        return any_group && shares_suite(q, "TLS_ECDHE_ECDSA_");
    default:
        return false;
    }
}

static bool fits(const struct question *q, const struct nj_tls_leaf *leaf)
{
    if (!name_fits(q, leaf)) {
        return false;
    }
    if (q->version >= NJ_TLS_1_3) {
        return signature_fits(q, leaf);
    }
    if (signature_fits(q, leaf) && exchange_fits(q, leaf)) {
        return true;
    }
    /* The old key exchange of RSA signs nothing and needs no group. */
    return leaf->cert.key_type == NJ_KEY_RSA && shares_suite(q, "TLS_RSA_");
}

static void ask(struct question *q, const struct nj_hello *hello,
                const struct nj_tls_settings *offer)
{
    struct nj_span name = hello->server_name;
    *q = (struct question){ .hello = hello, .offer = offer };
    q->version = nj_hello_common_version(hello, offer);
    q->name_is_odd =
        name.len > NAME_MAX_LEN || (name.len > 0 && memchr(name.ptr, '\0', name.len) != NULL);
    if (!q->name_is_odd && name.len > 0) {
        memcpy(q->name, name.ptr, name.len);
    }
}

size_t nj_tls_choose(const struct nj_tls_leaf *leaves, size_t leaves_n,
                     const struct nj_hello *hello, const struct nj_tls_settings *offer)
{
    struct question q;
    if (leaves_n < 2) {
        return 0;
    }
    ask(&q, hello, offer);
    for (size_t i = 0; i < leaves_n && q.version != 0; i++) {
        if (fits(&q, &leaves[i])) {
            return i;
        }
    }
    return 0;
}
