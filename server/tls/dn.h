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
#include "natterjack/plugin.h"

struct nj_buf;
struct nj_cert;

#define NJ_DN_MAX_ATTRIBUTES 256

/* Is it an RDN sequence whose values are all readable strings?  NJ_OK or NJ_E_INVALID. */
int nj_dn_check(struct nj_span rdn_sequence);

/* The text of a whole RDN sequence, appended.  NJ_OK, NJ_E_INVALID or NJ_E_LIMIT. */
int nj_dn_text(struct nj_span rdn_sequence, struct nj_buf *out);

/* The subject: connz `subject`, and the detail of a failed handshake. */
int nj_cert_subject_text(const struct nj_cert *cert, struct nj_buf *out);

/* The last CN of the subject, appended; nothing when there is none. */
int nj_cert_common_name(const struct nj_cert *cert, struct nj_buf *out);

/* What to call it in a message: CN, else the first O, else "serial:<decimal>". */
int nj_cert_short_name(const struct nj_cert *cert, struct nj_buf *out);

/* Text from a peer for a log line: control characters become \xNN, all else stays. */
int nj_put_visible(struct nj_span text, struct nj_buf *out);

#endif
