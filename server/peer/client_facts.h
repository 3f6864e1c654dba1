/*
 * client_facts.h: what auth mappers are told about a client.  The client's worker.
 */
#ifndef NJ_PEER_CLIENT_FACTS_H
#define NJ_PEER_CLIENT_FACTS_H
#include "natterjack/authmap.h"
#include "tls/peer_names.h"

struct nj_client;

/* As many as a peer may send: a longer chain was refused in the handshake. */
#define NJ_FACTS_CHAIN_MAX 32

struct nj_client_facts {
    struct nj_authmap_facts facts;
    struct nj_span chain[NJ_FACTS_CHAIN_MAX]; /* borrowed from the TLS session */
    uint8_t spki_sha256[32];
    struct nj_peer_names names;
};

/* Borrows from the client until fini.  NJ_OK, or NJ_E_INVALID when its certificate cannot be read. */
int nj_client_facts_init(struct nj_client_facts *f, struct nj_client *c);
void nj_client_facts_fini(struct nj_client_facts *f);

#endif
