/*
 * client_tls.h: how TLS begins on a client connection.
 *
 *   required         INFO in clear, then the handshake
 *   handshake_first  nothing in clear; INFO is the first thing inside TLS
 *   auto, a delay    wait for a ClientHello so long, then speak first
 *   allow_non_tls    INFO in clear, then six bytes decide: 0x16 is a handshake record
 */
#ifndef NJ_PEER_CLIENT_TLS_H
#define NJ_PEER_CLIENT_TLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nj_first { NJ_FIRST_OFF, NJ_FIRST_ALWAYS, NJ_FIRST_DELAY };

struct nj_tls_setup;

/* The door of the client port's `tls` block.  Immutable and counted: a connection keeps the one it
 * came in by, whatever a reload puts in its place. */
struct nj_tls_door_config {
    struct nj_tls_setup *setup; /* the door takes a reference of its own */
    enum nj_first first;
    int64_t first_delay_us;
    int64_t timeout_us;
};

struct nj_tls_door;
struct nj_tls_door *nj_tls_door_new(const struct nj_tls_door_config *config);
struct nj_tls_door *nj_tls_door_ref(struct nj_tls_door *d); /* any thread */
void nj_tls_door_unref(struct nj_tls_door **dp);            /* any thread; sets NULL */
enum nj_first nj_tls_door_first(const struct nj_tls_door *d);
bool nj_tls_door_verifies(const struct nj_tls_door *d);
int64_t nj_tls_door_timeout_us(const struct nj_tls_door *d);
struct nj_tls_setup *nj_tls_door_setup(const struct nj_tls_door *d);

#endif
