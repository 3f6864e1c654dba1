/*
 * monitor_tls.h: TLS on one connection of the monitoring port, bytes in and bytes out, without a
 * socket.
 *
 * Ciphertext goes in, plain bytes come out of the call; what has to be sent gathers in `out`, and
 * the owner of the socket takes it from there: handshake flights, sealed answers, alerts, the
 * sentence in clear for a peer that forgot the s of https.  A session of the provider is made only
 * when a whole ClientHello is here.  Control thread, except where the setup's functions say any.
 */
#ifndef NJ_OPS_MONITOR_TLS_H
#define NJ_OPS_MONITOR_TLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct nj_tls_setup;
struct nj_mon_tls;

/* What one call of nj_mon_tls_input() may be given, and the room its plain bytes need. */
#define NJ_MON_TLS_INPUT_MAX (32u << 10)
#define NJ_MON_TLS_PLAIN_MAX (64u << 10)

/* Takes a reference of `setup`, which must be one that accepts and asks for no certificate. */
struct nj_mon_tls *nj_mon_tls_new(struct nj_tls_setup *setup);
void nj_mon_tls_free(struct nj_mon_tls **tp); /* NULL is fine; sets NULL */

/*
 * Up to NJ_MON_TLS_INPUT_MAX bytes came.  Plain bytes go to `plain`, which has room for
 * NJ_MON_TLS_PLAIN_MAX; *len_out says how many, also with a failure.
 *   NJ_OK        go on
 *   NJ_E_CLOSED  the peer has said goodbye and sends no more
 *   NJ_E_FAILED  over: send what `out` holds and close; nj_mon_tls_why() says why
 */
int nj_mon_tls_input(struct nj_mon_tls *t, const uint8_t *ptr, size_t len, uint8_t *plain,
                     size_t *len_out);

/* The handshake is complete. */
bool nj_mon_tls_is_open(const struct nj_mon_tls *t);

/* What waits to be sent; the caller may take the buffer away and leave an empty one. */
struct nj_buf *nj_mon_tls_out(struct nj_mon_tls *t);

/* Seal `len` bytes into `out`.  Only when open.  NJ_OK or NJ_E_FAILED. */
int nj_mon_tls_seal(struct nj_mon_tls *t, const void *ptr, size_t len);

/* close_notify into `out`, once; nothing when the handshake is not complete. */
void nj_mon_tls_goodbye(struct nj_mon_tls *t);

/* Words for a handshake that failed. */
const char *nj_mon_tls_why(const struct nj_mon_tls *t);

/* Words for a peer that left during the handshake: "EOF" before its first byte, else
 * "unexpected EOF". */
const char *nj_mon_tls_why_eof(const struct nj_mon_tls *t);

#endif
