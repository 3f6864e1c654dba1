/*
 * fips.h: what `require_fips` allows.
 *
 * A FIPS 140-3 module answers for the algorithms inside it; which of them a server uses is the
 * server's business, and this is the list.  It is the part of NIST SP 800-52r2 that every module
 * of today can do:
 *
 *   suites        AES-GCM with an ephemeral ECDH key (TLS 1.2) and the two AES-GCM suites of
 *                 TLS 1.3.  Not ChaCha20-Poly1305, RSA key transport, 3DES, RC4, nor any CBC suite:
 *                 those need SHA-1, or a MAC around the padding that AES-GCM does without.
 *   groups        P-256, P-384, P-521.  Not X25519 (SP 800-56A has no place for it) and not the
 *                 hybrids with ML-KEM, which no module known to us contains.
 *   keys          RSA of 2048 bits or more, ECDSA on those three curves.  Not Ed25519: FIPS 186-5
 *                 has it, most modules do not.
 *   signatures    of certificates: RSA (PKCS#1 v1.5, PSS) and ECDSA with SHA-256, 384 or 512.
 *
 * What is refused is refused by name, with a reason.  Whether the switch is on is a fact of the
 * process: set once, before other threads start, and never taken back.  Functions without another
 * word: any thread.
 */
#ifndef NJ_TLS_FIPS_H
#define NJ_TLS_FIPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"
#include "tls/cert.h"

/* The label of a provider whose module is a stand-in for tests; it may go on after this. */
#define NJ_FIPS_MOCK_LABEL "fips-mock"

/* ---- the switch ----------------------------------------------------------------------------- */

/* Built with --enable-fips: the switch is on and cannot be turned off. */
bool nj_fips_built_in(void);

/* Main thread, before other threads start.  `where`: who asked, "FILE:L:C" or NULL; copied. */
void nj_fips_require(const char *where);
bool nj_fips_required(void);

/* For tests: as it was at the start of the process. */
void nj_fips_forget(void);

/* ---- numbers -------------------------------------------------------------------------------- */

/* NULL when allowed, else why not: "ChaCha20-Poly1305 is not an approved cipher".  Static. */
const char *nj_fips_suite_fault(uint16_t id);
const char *nj_fips_group_fault(uint16_t id);

/* ---- certificates and keys ------------------------------------------------------------------ */

/*
 * The key of a certificate, and the signature on it unless it is an anchor, which is trusted for
 * itself.  NJ_OK, or NJ_E_UNSUPPORTED with class NJ_CLASS_POLICY:
 * "an RSA key of 1024 bits is too short under require_fips: 2048 is the least".
 */
int nj_fips_check_key(const struct nj_cert *cert, struct nj_error *err);
int nj_fips_check_signature(const struct nj_cert *cert, struct nj_error *err);

/* What a file holds, in DER: our own chain, or anchors.  "server.pem: certificate 1: …".  What
 * cannot be read as a certificate is left to whoever loads it. */
enum nj_fips_use { NJ_FIPS_CHAIN, NJ_FIPS_ANCHORS };
int nj_fips_check_file(const char *file, enum nj_fips_use use, const struct nj_span *certs,
                       size_t certs_n, struct nj_error *err);

/* A chain that a peer sent, leaf first. */
int nj_fips_check_chain(const struct nj_cert *certs, size_t certs_n, struct nj_error *err);

/* ---- the module ----------------------------------------------------------------------------- */

/*
 * May this provider serve?  Always when the switch is off; else its module must be active, and a
 * stand-in counts only in a build that is made for it.  The words name who asked.  Main thread.
 */
int nj_fips_check_provider(const struct nj_tls_provider *provider, const char *name,
                           struct nj_error *err);

/* The label of a provider that did not come up: its module's failure in a FIPS build. */
const char *nj_fips_failed_label(void);

/* Secret bytes for this provider: the system's, or under the switch its module's and no others.
 * NJ_OK or NJ_E_FAILED. */
int nj_fips_random(const struct nj_tls_provider *provider, void *out, size_t len,
                   struct nj_error *err);

/* The provider's word about its module, "none" when it says nothing.  Lives as long as it does. */
const char *nj_fips_label(const struct nj_tls_provider *provider);

#endif
