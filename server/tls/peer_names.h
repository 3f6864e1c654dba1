/*
 * peer_names.h: the names of a certificate as auth mappers are told them (struct nj_authmap_name):
 * decoded from DER, one by one, never taken out of a printed name.
 */
#ifndef NJ_TLS_PEER_NAMES_H
#define NJ_TLS_PEER_NAMES_H
#include <stddef.h>

#include "natterjack/authmap.h"

struct nj_cert;

struct nj_peer_names {
    struct nj_authmap_name *each;        /* owned, as all of this */
    const struct nj_authmap_name **list; /* into each: subject in certificate order, then SANs */
    size_t n;
    char *common_name; /* the last CN; "" when none or with a NUL inside */
    char *subject;     /* as logs have it */
};

/* NJ_OK, or NJ_E_INVALID when the subject cannot be read; then nothing is kept. */
int nj_peer_names_init(struct nj_peer_names *names, const struct nj_cert *cert);
void nj_peer_names_fini(struct nj_peer_names *names); /* fine on a zeroed one */

#endif
