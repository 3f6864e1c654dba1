/*
 * print.h: the fingerprint of what a TLS setup does, so that a reload can tell whether it changed.
 */
#ifndef NJ_TLS_PRINT_H
#define NJ_TLS_PRINT_H
#include <stdint.h>

#include "natterjack/tls.h"

#define NJ_TLS_PRINT_LEN 32

struct nj_tls_material;

/*
 * SHA-256 over the provider's name, versions, suites, groups, verification, the certificates and
 * the CAs.  Keys are left out: each belongs to its certificate.  Pins and times are not part of it.
 */
void nj_tls_print(const struct nj_tls_provider *provider, const char *provider_name,
                  const struct nj_tls_settings *offer, uint32_t verify,
                  const struct nj_tls_material *material, uint8_t print_out[NJ_TLS_PRINT_LEN]);

#endif
