/*
 * cert.h: what a certificate says (RFC 5280).  No signature is looked at here.
 *
 * The reading is as strict as the reference's where strictness decides who is let in, and its
 * words are the reference's ("x509: malformed certificate").  Any bytes are safe; sizes and
 * counts are capped.
 */
#ifndef NJ_TLS_CERT_H
#define NJ_TLS_CERT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_buf;

#define NJ_CERT_MAX_LEN ((size_t) 1 << 20) /* bytes of DER */
#define NJ_CERT_MAX_SANS 10000
#define NJ_CERT_MAX_EXTENSIONS 200

enum nj_san_kind { /* numbers of GeneralName, RFC 5280 4.2.1.6 */
                   NJ_SAN_EMAIL = 1,
                   NJ_SAN_DNS = 2,
                   NJ_SAN_URI = 6,
                   NJ_SAN_IP = 7 /* 4 or 16 bytes */
};

/* ASCII for the first three kinds, but a NUL byte may be in it: compare with the length. */
struct nj_san {
    enum nj_san_kind kind;
    struct nj_span value;
};

/* Extended key usages (bits of nj_cert.eku). */
#define NJ_EKU_ANY 1U
#define NJ_EKU_SERVER 2U
#define NJ_EKU_CLIENT 4U
#define NJ_EKU_OTHER 8U

#define NJ_KEY_USAGE_CERT_SIGN 0x0020U /* keyCertSign is bit 5 */

enum nj_key_type { NJ_KEY_OTHER = 0, NJ_KEY_RSA, NJ_KEY_EC, NJ_KEY_ED25519 };

struct nj_cert {
    struct nj_span der; /* borrowed, as all spans of this struct */
    struct nj_span tbs;
    struct nj_span serial; /* body of the INTEGER, not negative */
    struct nj_span issuer; /* whole RDN sequences: two names are the same when the bytes are */
    struct nj_span subject;
    struct nj_span spki; /* whole SubjectPublicKeyInfo */
    enum nj_key_type key_type;
    int version; /* 1 to 3 */
    int64_t not_before_s;
    int64_t not_after_s;

    bool has_san_extension;
    struct nj_san *sans; /* in certificate order; owned */
    size_t sans_n;

    bool has_basic; /* basicConstraints is there */
    bool is_ca;
    int32_t path_len;   /* -1: no limit */
    uint32_t key_usage; /* bit n of the extension is 1 << n; 0: absent */
    uint32_t eku;       /* NJ_EKU_*; 0: no restriction */
    bool unknown_critical;
};

/*
 * Read a certificate.  `der` must stay while the result is used.  NJ_OK, or NJ_E_INVALID with
 * class NJ_CLASS_BAD_CERT and the reference's words.  Bytes after the certificate are refused.
 */
int nj_cert_init(struct nj_cert *cert, struct nj_span der, struct nj_error *err);
void nj_cert_fini(struct nj_cert *cert); /* fine on a zeroed one */

/* How many SANs of that kind there are. */
size_t nj_cert_count_sans(const struct nj_cert *cert, enum nj_san_kind kind);

/* May this certificate issue others?  Version 1 ones may (old roots have no extensions). */
bool nj_cert_may_issue(const struct nj_cert *cert);

/* By the body of an algorithm's OID (RFC 3279, 5480, 8410). */
enum nj_key_type nj_key_type_of_oid(struct nj_span oid);

/* The serial number in decimal, appended. */
int nj_cert_serial_text(const struct nj_cert *cert, struct nj_buf *out);

#endif
