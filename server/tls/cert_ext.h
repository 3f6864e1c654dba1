/*
 * cert_ext.h: what a certificate says beside what everybody needs (cert.h): where its status can
 * be asked for, whether it must come with a staple, whether it may sign such answers.
 *
 * Nothing is allocated; spans point into the certificate.  Any bytes are safe.
 */
#ifndef NJ_TLS_CERT_EXT_H
#define NJ_TLS_CERT_EXT_H
#include <stdbool.h>
#include <stddef.h>

#include "natterjack/plugin.h"

struct nj_cert;

/* TLS feature status_request (RFC 7633): "must-staple". */
bool nj_cert_must_staple(const struct nj_cert *cert);

/* Extended key usage OCSPSigning (RFC 6960 4.2.2.2), named and not by anyExtendedKeyUsage. */
bool nj_cert_may_sign_ocsp(const struct nj_cert *cert);

/* Responders of the authority information access (RFC 5280 4.2.2.1), in order.  Fills at most
 * `max` spans, returns how many it filled.  They are ASCII without a NUL. */
size_t nj_cert_responders(const struct nj_cert *cert, struct nj_span *out, size_t max);

/* Signature algorithm (whole AlgorithmIdentifier) and signature of the certificate itself. */
int nj_cert_signature(const struct nj_cert *cert, struct nj_span *algorithm_out,
                      struct nj_span *signature_out);

/* The bits of the public key: what a key hash of RFC 6960 is made over. */
int nj_cert_key_bits(const struct nj_cert *cert, struct nj_span *bits_out);

#endif
