/*
 * name.h: is this certificate for the host that was dialled?  (RFC 9525, as the reference does it)
 *
 *   - An IP address, with or without [ ], is compared with IP SANs alone.
 *   - A name is compared with DNS SANs alone, without regard to case, one final dot cut off.  A
 *     SAN may have `*` as its whole left-most label, which stands for exactly one label.
 *   - The common name never counts.
 */
#ifndef NJ_TLS_NAME_H
#define NJ_TLS_NAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_buf;
struct nj_cert;

bool nj_name_matches(const struct nj_cert *cert, const char *host);

/* Why it does not, in the reference's words ("x509: certificate is valid for a, not b"). */
int nj_name_mismatch_text(const struct nj_cert *cert, const char *host, struct nj_buf *out);

/* Is it the text of an IP address?  Fills 4 or 16 bytes and says how many; 0 when it is none. */
size_t nj_name_ip(const char *host, uint8_t ip_out[16]);

#endif
