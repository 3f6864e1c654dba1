/*
 * ocsp_peer.h: is a peer's certificate still good, as its authorities see it?  (ocsp_peer)
 *
 * From the leaf on, each certificate of the chain that names a responder is asked about, up to
 * one that is an anchor or names itself; those without a responder pass.  Asking takes time, so it
 * is done by threads of its own, as many as there are slow responders; whoever waits gets the answer by a callback.
 */
#ifndef NJ_TLS_OCSP_PEER_H
#define NJ_TLS_OCSP_PEER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"
#include "tls/tls_block.h"

struct nj_ocsp_cache_facts;
struct nj_ocsp_peers;
struct nj_tls_setup;

struct nj_ocsp_peers *nj_ocsp_peers_start(void);
/* Ends what is being asked; those who wait are told no, and later ones find no room.  Waits for the
 * threads.  Before those end who ask; repeatable, NULL is fine. */
void nj_ocsp_peers_stop(struct nj_ocsp_peers *p);
/* When nobody asks any more; stops it first. */
void nj_ocsp_peers_free(struct nj_ocsp_peers **pp);

/* Control thread.  false: nothing is remembered from now on (ocsp_cache: false). */
void nj_ocsp_peers_remember(struct nj_ocsp_peers *p, bool on);
/* Any thread.  False: nothing is remembered. */
bool nj_ocsp_peers_facts(struct nj_ocsp_peers *p, struct nj_ocsp_cache_facts *out);

struct nj_ocsp_question {
    struct nj_tls_setup *setup;  /* its rules count; kept for so long */
    const struct nj_span *chain; /* DER, leaf first; copied */
    size_t chain_n;
    /* Both on one of the threads.  `wanted` before anybody is asked: false ends it, with "no". */
    bool (*wanted)(void *arg);
    void (*done)(void *arg, bool good); /* exactly once */
    void *arg;
};

/* Any thread.  False when too many wait already, or no thread can be started: nobody will be
 * called. */
bool nj_ocsp_peers_ask(struct nj_ocsp_peers *p, const struct nj_ocsp_question *question);

#endif
