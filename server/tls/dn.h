/*
 * dn.h: distinguished names in the reference's text form.
 *
 * The order is not the certificate's: SERIALNUMBER, CN, OU, O, POSTALCODE, STREET, L, ST, C come
 * first, values of one type joined by '+' in certificate order (of CN and SERIALNUMBER the last
 * one alone), then every other attribute, last one first, as "1.2.3=#<hex of its DER>".  Escapes
 * are those of RFC 2253.
 */
#ifndef NJ_TLS_DN_H
#define NJ_TLS_DN_H
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_buf;
struct nj_cert;

#define NJ_DN_MAX_ATTRIBUTES 256

/* One AttributeTypeAndValue, as it stands in the certificate. */
struct nj_dn_attribute {
    struct nj_span type; /* body of the OID */
    struct nj_span value;
    uint32_t rdn; /* in the how many-th set it is, from 0 */
    uint8_t tag;  /* of the value */
};

/* All attributes in certificate order, at most NJ_DN_MAX_ATTRIBUTES.  NJ_OK or NJ_E_INVALID. */
int nj_dn_attributes(struct nj_span rdn_sequence, struct nj_dn_attribute *out, size_t *n_out);

/* "CN" for the body of its OID: one of the nine above, or "DC".  NULL for any other. */
const char *nj_dn_type_name(struct nj_span type);

/* Is it an RDN sequence whose values are all readable strings?  NJ_OK or NJ_E_INVALID. */
int nj_dn_check(struct nj_span rdn_sequence);

/* The text of a whole RDN sequence, appended.  NJ_OK, NJ_E_INVALID or NJ_E_LIMIT. */
int nj_dn_text(struct nj_span rdn_sequence, struct nj_buf *out);

/* The nine types with a name alone: what verify_and_map compares with user names. */
int nj_dn_named_text(struct nj_span rdn_sequence, struct nj_buf *out);

/* The subject: connz `subject`, and the detail of a failed handshake. */
int nj_cert_subject_text(const struct nj_cert *cert, struct nj_buf *out);

/* The last CN of the subject, appended; nothing when there is none. */
int nj_cert_common_name(const struct nj_cert *cert, struct nj_buf *out);

/* What to call it in a message: CN, else the first O, else "serial:<decimal>". */
int nj_cert_short_name(const struct nj_cert *cert, struct nj_buf *out);

/* Text from a peer for a log line: control characters become \xNN, all else stays. */
int nj_put_visible(struct nj_span text, struct nj_buf *out);

#endif
