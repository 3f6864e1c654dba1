/*
 * map.h: verify_and_map: which user a peer's certificate stands for.
 *
 * The first certificate of the chain is asked, in this order, and the first hit wins: its e-mail
 * SANs, its DNS SANs, its URI SANs, its subject as a distinguished name (in order, then in any
 * order), its subject's text followed by its DCs, its subject's text.  Names are made from the DER
 * here, once for every provider, and are compared byte for byte.
 *
 * The users themselves are the caller's: the map knows them as pointers that it hands back.
 */
#ifndef NJ_TLS_MAP_H
#define NJ_TLS_MAP_H
#include <stdbool.h>
#include <stddef.h>

#include "natterjack/plugin.h"

/*
 * Users whose names are distinguished names.  Filled and sealed once, then only read: any thread.
 * The names are not kept; the user pointers must stay.
 */
struct nj_map_names;
struct nj_map_names *nj_map_names_new(void);
void nj_map_names_add(struct nj_map_names *names, struct nj_span name, const void *user);
void nj_map_names_seal(struct nj_map_names *names);
void nj_map_names_free(struct nj_map_names **np);
size_t nj_map_names_count(const struct nj_map_names *names);

struct nj_map_ask {
    const struct nj_span *chain; /* DER as sent, leaf first */
    size_t chain_n;
    const struct nj_map_names *names; /* sealed; NULL: no name is a distinguished name */
    void *arg;                        /* of the functions below */
    /* The user of exactly this name, NULL when there is none. */
    const void *(*find)(void *arg, struct nj_span name);
    /* May this user come on this kind of connection?  If not, it is as if it were not there. */
    bool (*may)(void *arg, const void *user);
    /* The user's name as configured, for the debug lines. */
    struct nj_span (*name)(void *arg, const void *user);
    /* A debug line.  NULL: nobody listens, and none is made. */
    void (*say)(void *arg, const char *text);
};

/* The user, or NULL when the certificate stands for nobody.  Belongs to the calling thread. */
const void *nj_map_user(const struct nj_map_ask *ask);

#endif
