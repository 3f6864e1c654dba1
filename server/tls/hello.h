/*
 * hello.h: reads a ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2) from bytes that were peeked,
 * before any TLS session exists.
 *
 * The bytes stay where they are: the provider gets them all afterwards.  What is read is copied
 * into the struct.  Any bytes are safe.
 */
#ifndef NJ_TLS_HELLO_H
#define NJ_TLS_HELLO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/tls.h"

struct nj_buf;

#define NJ_HELLO_MAX 32768 /* bytes of the message; a post-quantum one has some 1,500 */
#define NJ_HELLO_BUFFER_MAX                                                                        \
    (2 * NJ_HELLO_MAX) /* what a caller need keep at most, records included */

/* Lists of 16-bit numbers are kept as they came, big-endian: nj_hello_count(), nj_hello_at(). */
struct nj_hello {
    uint8_t *body; /* owned; the spans point into it */
    size_t body_len;
    uint16_t legacy_version;
    struct nj_span server_name; /* SNI host_name, empty when none; bytes as sent */
    struct nj_span suites;
    struct nj_span versions; /* supported_versions, empty when absent */
    struct nj_span groups;
    struct nj_span signatures; /* signature_algorithms */
    struct nj_span alpn;       /* names, each with its length in front: nj_hello_next_alpn() */
};

/*
 * Look at the first `len` bytes of a connection.
 *   NJ_OK         the whole hello is there and `hello` is filled (nj_hello_fini).
 *   NJ_NEED_IN    so far it may become one: call again with more, the old bytes included.
 *   NJ_E_INVALID  it is none; class NJ_CLASS_NOT_TLS ("tls: first record does not look like a TLS
 *                 handshake", no alert), NJ_CLASS_PEER_ALERT, or NJ_CLASS_BAD_RECORD.
 *   NJ_E_LIMIT    it says that it is longer than NJ_HELLO_MAX, or its records are absurdly small.
 * Except with NOT_TLS and PEER_ALERT, err->alert is what the reference sends.
 */
int nj_hello_read(struct nj_hello *hello, const uint8_t *bytes, size_t len, struct nj_error *err);
void nj_hello_fini(struct nj_hello *hello); /* fine on a zeroed one */

/*
 * What nj_hello_read() refused goes to the provider, who answers with an alert of its own.  True
 * when it will not, for it waits for the rest: of another message, or of one that says to be longer
 * than any hello.  No key was agreed upon then: the alert goes in clear (RFC 8446 6).
 */
bool nj_hello_is_hopeless(int rc, const struct nj_error *err);
void nj_hello_put_alert(const struct nj_error *err, struct nj_buf *out);

static inline size_t nj_hello_count(struct nj_span list)
{
    return list.len / 2;
}

static inline uint16_t nj_hello_at(struct nj_span list, size_t i)
{
    return (uint16_t) (list.ptr[2 * i] << 8 | list.ptr[2 * i + 1]);
}

bool nj_hello_has(struct nj_span list, uint16_t number);

/* Does the client offer this protocol version, by the extension or by the old field? */
bool nj_hello_offers_version(const struct nj_hello *hello, uint16_t version);

/* The version that both can, the higher one when there are two; 0 when there is none. */
uint16_t nj_hello_common_version(const struct nj_hello *hello,
                                 const struct nj_tls_settings *settings);

/* Take the next protocol name from a copy of hello->alpn; false when there is none left. */
bool nj_hello_next_alpn(struct nj_span *rest, struct nj_span *name_out);

/*
 * Can the handshake go on with these settings?  NJ_OK, or NJ_E_DENIED with class, alert and words:
 *   "tls: client offered only unsupported versions: [302 301]"                            (70)
 *   "tls: no cipher suite supported by both client and server; client offered: [c02b ff]" (40)
 *   "tls: no key exchanges supported by both client and server"                           (40)
 * The suite is looked for among those of the version that will be chosen; groups only in TLS 1.3.
 */
int nj_hello_judge(const struct nj_hello *hello, const struct nj_tls_settings *settings,
                   struct nj_error *err);

#endif
