/*
 * dn_key.h: distinguished names made comparable (RFC 4514 text and DER alike).
 *
 * A key is the whole name as bytes without ambiguity: every type in capitals and every value with
 * its length, the attributes of one RDN sorted, since they are a set.  `ordered` keeps the RDNs as
 * they stand, most specific first; `sorted` does not, so that two names are the same RDNs in any
 * order exactly when their sorted keys are equal.  A value compares byte for byte, as UTF-8.
 */
#ifndef NJ_TLS_DN_KEY_H
#define NJ_TLS_DN_KEY_H
#include "natterjack/plugin.h"

struct nj_dn_key {
    struct nj_span ordered; /* both owned, in one piece that starts at ordered.ptr */
    struct nj_span sorted;
};

/*
 * From a name as people write it: `CN=bob, OU=Eng+L=Brno`.  Blanks around types and values do not
 * count unless they are escaped; `\` stands before a special character or two hex digits.  NJ_OK;
 * NJ_E_INVALID: it is no distinguished name, or an empty one, or has over NJ_DN_MAX_ATTRIBUTES.
 * As the reference reads it, and so more generous than RFC 4514: the last `=` of a part ends its
 * type, and a last part without a value is as good as not there.
 */
int nj_dn_key_parse(struct nj_dn_key *key, struct nj_span text);

/*
 * From a whole RDN sequence of a certificate, read backwards.  NJ_E_INVALID when it is broken or
 * empty, NJ_E_NOT_FOUND when it has an attribute other than the nine of dn.h and DC.
 */
int nj_dn_key_read(struct nj_dn_key *key, struct nj_span rdn_sequence);

void nj_dn_key_fini(struct nj_dn_key *key); /* fine on a zeroed one */

#endif
