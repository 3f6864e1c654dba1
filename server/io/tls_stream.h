/*
 * tls_stream.h: TLS on a connection: bytes of the socket to the provider and back.
 *
 * The session is made only when a whole ClientHello has arrived (or what came is no ClientHello),
 * so that a probe that never speaks costs no session.  Owned and touched by the connection's
 * worker.  The provider is reached through its table alone.
 */
#ifndef NJ_IO_TLS_STREAM_H
#define NJ_IO_TLS_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"

struct nj_conn;
struct nj_tls_stream;

struct nj_hello;

/* What to accept with.  Lives as long as any stream that was started with it: counted above. */
struct nj_tls_accept {
    const struct nj_tls_provider *provider;
    /* The context for a ClientHello (NULL: what came was none), counted for the caller. */
    struct nj_tls_ctx *(*pick)(void *user, const struct nj_hello *hello);
    void *user;
    /* Versions, suites and groups that are on: for words when the hello does not fit. */
    const struct nj_tls_settings *offer;
};

/* Turn the connection to TLS.  Bytes already read are given to nj_tls_stream_input afterwards. */
void nj_tls_stream_start(struct nj_conn *c, const struct nj_tls_accept *accept);
void nj_tls_stream_free(struct nj_conn *c);

/* Ciphertext came.  Goes on with handshake or records and hands plain bytes to ops->bytes.
 * False: the connection has failed and ops->ended was called. */
bool nj_tls_stream_input(struct nj_conn *c, const uint8_t *ptr, size_t len);

/* Is the handshake complete? */
bool nj_tls_stream_ready(const struct nj_tls_stream *t);

/* The socket takes bytes: seal and send what is queued.  NJ_OK all sent, NJ_WANT_WRITE, or
 * NJ_E_CLOSED / NJ_E_FAILED. */
int nj_tls_stream_flush(struct nj_conn *c);

/* Sealed bytes that the socket has not taken. */
size_t nj_tls_stream_unsent(const struct nj_tls_stream *t);

/* Say goodbye: close_notify goes out with the next flush. */
void nj_tls_stream_close_notify(struct nj_conn *c);

/* The handshake is complete, and still the peer is refused: send this fatal alert.  What is queued
 * is not sent any more. */
void nj_tls_stream_abort(struct nj_conn *c, int32_t alert);

/* Words for the last failure, "EOF" when the peer left during the handshake. */
const char *nj_tls_stream_error(const struct nj_tls_stream *t, struct nj_error *err_out);

/* What is known once it is ready.  NJ_OK or NJ_E_NOT_FOUND. */
int nj_tls_stream_info(struct nj_conn *c, struct nj_tls_info *out);
size_t nj_tls_stream_peer_chain(struct nj_conn *c, struct nj_span *out, size_t max);

#endif
