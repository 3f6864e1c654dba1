/*
 * known_urls.h: verify_cert_and_check_known_urls: is a peer one of those that we know?
 *
 * It is when one of its DNS SANs stands for the host of one of the configured URLs: label by
 * label without regard to case, as many labels on either side.  `*` counts only as the whole
 * left-most label of the SAN and stands for exactly one label of a name, never for a part of an
 * address.  Nothing is looked up, and IP SANs do not count.
 *
 * For the ports of routes and gateways; pure, any thread.
 */
#ifndef NJ_TLS_KNOWN_URLS_H
#define NJ_TLS_KNOWN_URLS_H
#include <stdbool.h>
#include <stddef.h>

struct nj_cert;

/* `hosts`: of the URLs, without port and without the brackets of an IPv6 address. */
bool nj_known_urls_match(const struct nj_cert *cert, const char *const *hosts, size_t hosts_n);

#endif
