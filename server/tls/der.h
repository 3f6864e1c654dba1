/*
 * der.h: a cursor over DER (X.690), for certificates and keys.
 *
 * A cursor is a struct nj_span: what is left to read.  Every function either moves it past one
 * whole element or leaves it as it was and returns NJ_E_INVALID.  Nothing is copied and nothing
 * is allocated; results point into the input.  Any bytes are safe.
 *
 * Only what certificates use is read: tags of one byte, definite and shortest lengths.
 */
#ifndef NJ_TLS_DER_H
#define NJ_TLS_DER_H
#include <stdbool.h>
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_buf;

enum nj_der_tag {
    NJ_DER_BOOLEAN = 0x01,
    NJ_DER_INTEGER = 0x02,
    NJ_DER_BIT_STRING = 0x03,
    NJ_DER_OCTET_STRING = 0x04,
    NJ_DER_NULL = 0x05,
    NJ_DER_OID = 0x06,
    NJ_DER_UTF8 = 0x0c,
    NJ_DER_NUMERIC = 0x12,
    NJ_DER_PRINTABLE = 0x13,
    NJ_DER_T61 = 0x14,
    NJ_DER_IA5 = 0x16,
    NJ_DER_UTC_TIME = 0x17,
    NJ_DER_GENERALIZED_TIME = 0x18,
    NJ_DER_BMP = 0x1e,
    NJ_DER_SEQUENCE = 0x30,
    NJ_DER_SET = 0x31
};

#define NJ_DER_CONTEXT(n) ((uint8_t) (0x80 | (n)))             /* [n], primitive */
#define NJ_DER_CONTEXT_CONSTRUCTED(n) ((uint8_t) (0xa0 | (n))) /* [n], constructed */

/* One element of any tag.  `whole_out` (may be NULL): tag and length included. */
int nj_der_next(struct nj_span *in, uint8_t *tag_out, struct nj_span *body_out,
                struct nj_span *whole_out);

/* The next element, which must have this tag. */
int nj_der_take(struct nj_span *in, uint8_t tag, struct nj_span *body_out);
int nj_der_take_whole(struct nj_span *in, uint8_t tag, struct nj_span *whole_out);

/* Is there a next element with this tag?  Looks at the tag only. */
bool nj_der_is(const struct nj_span *in, uint8_t tag);

/* BOOLEAN that may be absent (then `value_out` is false). */
int nj_der_take_flag(struct nj_span *in, bool *value_out);

/* INTEGER from 0 to INT32_MAX. */
int nj_der_take_small(struct nj_span *in, int32_t *value_out);

/* BIT STRING of whole bytes: its bytes. */
int nj_der_take_bits(struct nj_span *in, struct nj_span *bytes_out);

/* UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 has them (Zulu, seconds): seconds since 1970. */
int nj_der_take_time(struct nj_span *in, int64_t *time_s_out);

/* The body of an OBJECT IDENTIFIER in dotted numbers, appended.  NJ_E_INVALID or NJ_E_LIMIT. */
int nj_der_oid_text(struct nj_span body, struct nj_buf *out);

/* The body of a character string of the given tag, appended as UTF-8.  NJ_E_INVALID when the bytes
 * are not what the tag promises; NJ_E_LIMIT. */
int nj_der_string_text(uint8_t tag, struct nj_span body, struct nj_buf *out);

bool nj_span_equal(struct nj_span a, struct nj_span b);

/* <0, 0, >0: by bytes; of two that begin alike the shorter one comes first. */
int nj_span_compare(struct nj_span a, struct nj_span b);

#endif
