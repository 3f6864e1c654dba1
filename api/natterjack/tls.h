/*
 * tls.h: what a TLS provider does for natterjack (struct nj_plugin.kind == NJ_PLUGIN_TLS).
 *
 * The server owns sockets, buffers, files, PEM, time-outs, names, pins, mapping and every
 * decision; the provider owns the handshake, the records, the check of signatures, dates and path,
 * and the alerts.  There are two objects:
 *
 *   context   immutable once built, counted, shared by all threads.  A reload builds a new one and
 *             old sessions keep theirs.  Several contexts of several providers live side by side.
 *   session   one connection.  Used by one thread at a time; may move to another thread between
 *             calls.  Holds a reference to its context.
 *
 * Transport is memory: ciphertext comes in as a span (struct nj_tls_in) and goes out into a sink
 * (struct nj_sink) that never refuses, so there is no "want write" state.  The server flushes the
 * sink after every result, failures included (the alert is in it).  No call blocks, loops on want
 * or logs on want.
 *
 * Numbers are the IANA ones: protocol versions 0x0303 (TLS 1.2) and 0x0304 (TLS 1.3), cipher
 * suites (RFC 8446 B.4 and the TLS registry), supported groups (RFC 8446 4.2.7), alerts
 * (RFC 8446 6).
 *
 * Each slot says which thread may call it: "main" = once, before threads start; "any" = any
 * thread, at any time, even at once; "session" = the thread that has the session now.
 */
#ifndef NATTERJACK_TLS_H
#define NATTERJACK_TLS_H

#include "natterjack/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nj_tls_ctx;     /* the provider's own; opaque here */
struct nj_tls_session; /* likewise */

#define NJ_TLS_1_2 UINT16_C(0x0303)
#define NJ_TLS_1_3 UINT16_C(0x0304)
#define NJ_TLS_RECORD_MAX 16384 /* plaintext bytes in one record (RFC 8446 5.1) */

/* Alerts that the server names (RFC 8446 6.2). */
#define NJ_ALERT_CLOSE_NOTIFY INT32_C(0)
#define NJ_ALERT_HANDSHAKE_FAILURE INT32_C(40)
#define NJ_ALERT_BAD_CERTIFICATE INT32_C(42)
#define NJ_ALERT_CERTIFICATE_EXPIRED INT32_C(45)
#define NJ_ALERT_UNKNOWN_CA INT32_C(48)
#define NJ_ALERT_PROTOCOL_VERSION INT32_C(70)
#define NJ_ALERT_INTERNAL_ERROR INT32_C(80)
#define NJ_ALERT_UNRECOGNIZED_NAME INT32_C(112)
#define NJ_ALERT_CERTIFICATE_REQUIRED INT32_C(116)

/* ---- transport ------------------------------------------------------------------------------ */

/*
 * Ciphertext that has arrived.  The callee advances `used`; bytes past it are offered again.
 * handshake() and open() consume all of it unless they say otherwise: a partial record is kept
 * inside the session.
 */
struct nj_tls_in {
    const uint8_t *ptr;
    size_t len;
    size_t used;
};

/*
 * Where ciphertext goes.  reserve() returns room for at least n bytes (never NULL), valid until
 * the next call on the sink; commit() says how many of them were written (0..n).
 */
struct nj_sink {
    uint32_t size;
    uint32_t reserved;
    uint8_t *(*reserve)(struct nj_sink *sink, size_t n);
    void (*commit)(struct nj_sink *sink, size_t n);
};

static inline void nj_sink_put(struct nj_sink *sink, const void *bytes, size_t n)
{
    if (n > 0) {
        memcpy(sink->reserve(sink, n), bytes, n);
        sink->commit(sink, n);
    }
}

/* ---- verification --------------------------------------------------------------------------- */

/* Which side is being judged. */
#define NJ_TLS_JUDGE_CLIENT UINT32_C(1) /* we accepted; the peer's certificate needs clientAuth */
#define NJ_TLS_JUDGE_SERVER UINT32_C(2) /* we dialled; it needs serverAuth and the name */

/*
 * What the provider found out about the peer.  All pointers are borrowed for the call.
 */
struct nj_tls_findings {
    uint32_t size;
    uint32_t judge;              /* NJ_TLS_JUDGE_* */
    const struct nj_span *chain; /* DER in wire order, leaf first */
    size_t chain_n;
    const struct nj_span *path; /* the path the library built, leaf first, anchor last; NULL when */
    size_t path_n;              /* it cannot tell */
    uint32_t cls;               /* NJ_CLASS_NONE: the library's check passed */
    uint32_t version;           /* NJ_TLS_1_2 or NJ_TLS_1_3, as negotiated */
    const char *text;           /* the library's words when cls is not NONE; may be NULL */
    const char *name;           /* dialling: the name given to dial(); else NULL */
    void *session_user;         /* as given to accept() or dial() */
    int32_t depth;              /* certificate that `cls` is about, leaf = 0; -1 unknown */
    uint32_t resumed;           /* 1: no certificates were sent in this handshake */
};

struct nj_tls_verdict {
    uint32_t size;
    int32_t accept; /* 1 go on, 0 refuse */
    uint32_t cls;   /* when refusing */
    int32_t alert;  /* the alert the server wishes; `about` tells which the library can send */
    char text[256]; /* when refusing: why, for the log */
};

/*
 * The server's judgement.  Called inside handshake(), on the session's thread, once per handshake
 * in which the peer sent certificates (and, for NJ_TLS_JUDGE_CLIENT with `require`, not at all
 * when it sent none: the provider refuses that itself with NJ_CLASS_NO_CERT).  It is called even
 * when the library's own check failed, so that the server chooses alert and text; it can only
 * tighten: a provider refuses when `cls` is not NONE, whatever the answer, unless the context is
 * `insecure`.  Must not block and must not call the provider.
 */
typedef void (*nj_tls_verify_fn)(void *user, const struct nj_tls_findings *found,
                                 struct nj_tls_verdict *verdict);

/* ---- settings of a context ------------------------------------------------------------------ */

#define NJ_TLS_KEY_DER UINT32_C(1) /* PKCS#8, PKCS#1 or SEC1, unencrypted */
#define NJ_TLS_KEY_URI UINT32_C(2) /* RFC 7512 pkcs11: URI; needs NJ_TLS_CAP_PKCS11 */

struct nj_tls_key {
    uint32_t size;
    uint32_t kind; /* NJ_TLS_KEY_* */
    struct nj_span bytes;
    /* NJ_TLS_KEY_URI: put the PIN, NUL-terminated, into `pin`; NJ_OK or negative.  May be NULL. */
    int (*pin)(void *user, char *pin, size_t pin_cap);
    void *pin_user;
};

/* One certificate chain with its key. */
struct nj_tls_identity {
    uint32_t size;
    uint32_t certs_n;
    const struct nj_span *certs; /* DER, leaf first */
    const struct nj_tls_key *key;
    const char *label; /* for messages: the file name */
};

#define NJ_TLS_ROLE_ACCEPT UINT32_C(1)
#define NJ_TLS_ROLE_DIAL UINT32_C(2)

/* Accepting: what to do about the client's certificate. */
#define NJ_TLS_VERIFY_NONE UINT32_C(0)    /* do not ask */
#define NJ_TLS_VERIFY_REQUEST UINT32_C(1) /* ask; none is fine, a bad one is not */
#define NJ_TLS_VERIFY_REQUIRE UINT32_C(2) /* ask; none is refused */

#define NJ_TLS_TICKET_SECRET_LEN 64

/*
 * Everything a context is made from.  Borrowed for the call.  What a provider cannot honour it
 * refuses (NJ_E_UNSUPPORTED, naming the option): silence would be a downgrade.
 */
struct nj_tls_settings {
    uint32_t size;
    uint32_t role;        /* NJ_TLS_ROLE_*, one or both */
    uint16_t min_version; /* NJ_TLS_1_2 .. */
    uint16_t max_version;
    uint32_t verify; /* NJ_TLS_VERIFY_* (accepting) */

    /* Enabled cipher suites, TLS 1.2 and 1.3 together, most wanted first.  Never empty.  When
     * accepting, this order decides, not the client's, where the library can. */
    const uint16_t *suites;
    size_t suites_n;
    /* Enabled groups, most wanted first.  Never empty. */
    const uint16_t *groups;
    size_t groups_n;

    /* Own identity.  0 or 1 entry per context: the server chooses among several certificates by
     * reading the ClientHello, one context each.  0 when accepting: every handshake fails with
     * alert unrecognized_name (112) and "tls: no certificates configured". */
    const struct nj_tls_identity *const *identities;
    size_t identities_n;

    /* Trust: `anchors` (DER) when anchors_n > 0, else the system's store when `system_trust`. */
    const struct nj_span *anchors;
    size_t anchors_n;
    const char *anchors_label; /* for messages: the CA file's name; may be NULL */
    uint32_t system_trust;     /* 0 or 1 */
    uint32_t insecure;         /* dialling: 1 = no chain check; the hook is still asked */

    nj_tls_verify_fn verify_hook; /* never NULL when verify is not NONE or the role can dial */
    void *verify_user;

    const struct nj_span *alpn; /* protocol names, most wanted first; none = extension ignored */
    size_t alpn_n;

    /* Session tickets (accepting).  Secret of NJ_TLS_TICKET_SECRET_LEN bytes from which the
     * provider derives its keys; NULL = no tickets and no session cache. */
    const uint8_t *ticket_secret;
    uint32_t ticket_lifetime_s;

    uint32_t crl_mode; /* reserved: 0 = CRLs are not used */
    const struct nj_span *crls;
    size_t crls_n;
    struct nj_span staple; /* OCSP response to send (RFC 6066 8); empty = none */
    const char *label;     /* for messages: "client tls block"; may be NULL */

    /* The secret before ticket_secret, as long as that one: tickets sealed with it are still
     * accepted, none is made with it for a session that began with the new one.  NULL = none. */
    const uint8_t *ticket_secret_previous;
};

/* ---- what is known about a session ---------------------------------------------------------- */

struct nj_tls_info {
    uint32_t size;
    uint16_t version; /* 0x0303, 0x0304 */
    uint16_t suite;
    uint16_t group;          /* 0 when the library cannot tell (TLS 1.2 RSA key exchange) */
    uint16_t resumed;        /* 0 or 1 */
    int32_t alert_sent;      /* NJ_ALERT_NONE when none */
    int32_t alert_received;  /* likewise */
    char alpn[64];           /* NUL-terminated; "" when none was chosen */
    char server_name[256];   /* SNI seen or sent; "" when none */
    uint8_t exporter[32];    /* tls-exporter channel binding (RFC 9266); its context is empty, not
                                absent: the two differ in TLS 1.2 */
    uint32_t exporter_valid; /* 0 or 1 */
};

/* Capabilities: asked of the library that is really loaded, after init(). */
#define NJ_TLS_CAP_TLS12 (UINT64_C(1) << 0)
#define NJ_TLS_CAP_TLS13 (UINT64_C(1) << 1)
#define NJ_TLS_CAP_CRL (UINT64_C(1) << 2)
#define NJ_TLS_CAP_STAPLE (UINT64_C(1) << 3)
#define NJ_TLS_CAP_PKCS11 (UINT64_C(1) << 4)
#define NJ_TLS_CAP_KTLS (UINT64_C(1) << 5)
#define NJ_TLS_CAP_FIPS_ACTIVE (UINT64_C(1) << 6)
#define NJ_TLS_CAP_TICKETS (UINT64_C(1) << 7)
#define NJ_TLS_CAP_RESUME_KEEPS_CERT (UINT64_C(1) << 8) /* peer chain survives resumption */
#define NJ_TLS_CAP_SERVER_PREFERENCE (UINT64_C(1) << 9) /* suite order of settings decides */
#define NJ_TLS_CAP_GROUP_ORDER (UINT64_C(1) << 10)      /* group order of settings decides */
#define NJ_TLS_CAP_GROUPS_1_2 (UINT64_C(1) << 11)       /* group list is enforced in TLS 1.2 */
#define NJ_TLS_CAP_KEY_UPDATE (UINT64_C(1) << 12)
#define NJ_TLS_CAP_BLOCKING_KEY (UINT64_C(1) << 13) /* a key may make handshake() slow */
#define NJ_TLS_CAP_AES_ASM (UINT64_C(1) << 14)      /* AES-GCM runs on hardware instructions */
#define NJ_TLS_CAP_ALPN (UINT64_C(1) << 15)
#define NJ_TLS_CAP_TEST_ONLY (UINT64_C(1) << 16) /* protects nothing: the server refuses it */

/* All strings and arrays are static or live until fini(). */
struct nj_tls_about {
    uint32_t size;
    uint32_t reserved;
    const char *lib_name;         /* "GnuTLS" */
    const char *lib_version;      /* as loaded, not as compiled */
    const char *lib_compiled;     /* as compiled */
    const char *fips;             /* "none", or the label of the loaded module */
    const uint16_t *suites;       /* all that the library can do */
    size_t suites_n;
    const uint16_t *groups;
    size_t groups_n;
    const int32_t *refuse_alerts; /* alerts that a refusal of the verify hook can send; */
    size_t refuse_alerts_n;       /* anything else becomes refuse_alerts[0]; 0 entries = all */
};

/* Usage for verify_chain. */
#define NJ_TLS_USAGE_CLIENT UINT32_C(1)
#define NJ_TLS_USAGE_SERVER UINT32_C(2)

/* ---- primitives ------------------------------------------------------------------------------ */

#define NJ_HASH_SHA1 UINT32_C(1)
#define NJ_HASH_SHA256 UINT32_C(2)
#define NJ_HASH_SHA512_256 UINT32_C(3)

/*
 * Cryptography the server needs outside TLS.  Every slot may be NULL: a configuration that needs
 * it is then refused by name.  Stateless; any thread.  All return NJ_OK or negative.
 */
struct nj_tls_crypto {
    uint32_t size;
    uint32_t reserved;
    /* out: 20 bytes for SHA-1, 32 for the others. */
    int (*hash)(uint32_t alg, const void *data, size_t len, uint8_t *out);
    int (*random)(uint8_t *out, size_t len);
    int (*ed25519_verify)(const uint8_t pub[32], const void *msg, size_t len,
                          const uint8_t sig[64]);
    /* seed: the 32 bytes of RFC 8032 5.1.5. */
    int (*ed25519_sign)(const uint8_t seed[32], const void *msg, size_t len, uint8_t sig_out[64]);
    int (*ed25519_public)(const uint8_t seed[32], uint8_t pub_out[32]);
    int (*x25519)(const uint8_t scalar[32], const uint8_t point[32], uint8_t out[32]);
    /* NaCl crypto_box (X25519, XSalsa20, Poly1305); out has 16 bytes more than in, and back. */
    int (*box_seal)(const uint8_t their_pub[32], const uint8_t my_secret[32],
                    const uint8_t nonce[24], const void *in, size_t len, uint8_t *out);
    int (*box_open)(const uint8_t their_pub[32], const uint8_t my_secret[32],
                    const uint8_t nonce[24], const void *in, size_t len, uint8_t *out);
    /* algorithm: DER AlgorithmIdentifier; for CRLs and OCSP responses judged in the server. */
    int (*verify_signature)(struct nj_span spki, struct nj_span algorithm, struct nj_span tbs,
                            struct nj_span signature);
};

/* ---- the provider ---------------------------------------------------------------------------- */

struct nj_tls_provider {
    uint32_t size; /* sizeof(struct nj_tls_provider), as compiled */
    uint32_t reserved;

    /* main.  Prepare the library.  `host` stays valid for ever.  NJ_OK, or negative with `err`. */
    int (*init)(const struct nj_host *host, struct nj_error *err);
    /* main, at exit, after every context and session is gone and all threads have ended. */
    void (*fini)(void);
    /* any. */
    void (*about)(struct nj_tls_about *out);
    uint64_t (*caps)(void); /* NJ_TLS_CAP_* */
    /* Each thread that uses sessions calls these at its start and end.  Optional. */
    void (*thread_attach)(void);
    void (*thread_detach)(void);

    /* any.  Build a context.  May be slow (reads the system's trust store, proves key pairs).
     * On success *ctx_out has one reference. */
    int (*ctx_new)(const struct nj_tls_settings *settings, struct nj_tls_ctx **ctx_out,
                   struct nj_error *err);
    /* any; atomic. */
    void (*ctx_ref)(struct nj_tls_ctx *ctx);
    void (*ctx_unref)(struct nj_tls_ctx *ctx);

    /* any, then session.  Make the accepting end.  `user` comes back in the verify hook. */
    int (*accept)(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **sess_out,
                  struct nj_error *err);
    /* any, then session.  Make the dialling end.  `name`: DNS name (sent as SNI) or IP address in
     * text (not sent); both are for the verify hook to judge.  `resume`: bytes of an earlier
     * session_export(), or an empty span. */
    int (*dial)(struct nj_tls_ctx *ctx, const char *name, struct nj_span resume, void *user,
                struct nj_tls_session **sess_out, struct nj_error *err);

    /* session.  Go on with the handshake.
     *   NJ_OK       done; `in` may hold application data: hand the rest to open().
     *   NJ_NEED_IN  all of `in` was consumed.
     *   NJ_E_FAILED see error(); the alert, if any, is in `out`. */
    int (*handshake)(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out);

    /* session.  Decrypt into dst (cap > 0).  *n_out: bytes written, also with NEED_IN and failures.
     *   NJ_OK          dst is full, or nothing more is inside and `in` is used up with n > 0
     *   NJ_NEED_IN     `in` is used up and nothing more can be decrypted
     *   NJ_E_CLOSED    close_notify came;   NJ_E_FAILED see error()
     * Goes on over tickets and key updates until `in` is used up or dst is full; the answer to a
     * key update is in `out`. */
    int (*open)(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                size_t *n_out, struct nj_sink *out);
    /* session.  Decrypted bytes held inside that the next open() would give without input. */
    size_t (*has_plain)(struct nj_tls_session *s);

    /* session.  Encrypt all of src, in records of at most NJ_TLS_RECORD_MAX.  NJ_OK or FAILED. */
    int (*seal)(struct nj_tls_session *s, const uint8_t *src, size_t len, struct nj_sink *out);

    /* session.  Write close_notify; repeatable; no answer is waited for. */
    int (*close_notify)(struct nj_tls_session *s, struct nj_sink *out);
    /* session.  The server refuses after the handshake: write this fatal alert. */
    int (*abort)(struct nj_tls_session *s, int32_t alert, struct nj_sink *out);
    /* session.  The transport has ended.  NJ_E_CLOSED after a close_notify, else NJ_E_TRUNCATED. */
    int (*in_eof)(struct nj_tls_session *s);

    /* session.  Valid once handshake() gave NJ_OK.  The caller sets out->size. */
    void (*info)(struct nj_tls_session *s, struct nj_tls_info *out);
    /* session.  The peer's chain, DER, wire order.  Fills at most `max` spans, returns how many
     * certificates there are.  Borrowed until drop_peer() or free(). */
    size_t (*peer_chain)(struct nj_tls_session *s, struct nj_span *out, size_t max);
    /* session.  Give back the memory of the peer's chain. */
    void (*drop_peer)(struct nj_tls_session *s);
    /* session.  Words for the last NJ_E_FAILED.  The caller sets out->size (NJ_ERROR_INIT). */
    void (*error)(struct nj_tls_session *s, struct nj_error *out);
    /* session.  Never fails, never sends; NULL is fine. */
    void (*free)(struct nj_tls_session *s);

    /* any.  The check of a chain without a session (doctor, --tls-verify). */
    int (*verify_chain)(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                        uint32_t usage, const char *name, int64_t time_s, struct nj_error *err);

    const struct nj_tls_crypto *crypto;

    /* ---- optional from here on: NULL when the library cannot ---------------------------------- */

    /* session.  Ask for new traffic keys in both directions (RFC 8446 4.6.3). */
    int (*key_update)(struct nj_tls_session *s, struct nj_sink *out);
    /* session.  Bytes to give to a later dial(); *lifetime_s how long they are good.  The caller
     * owns the buffer; returns NJ_E_LIMIT with *len_out when cap is too small. */
    int (*session_export)(struct nj_tls_session *s, uint8_t *buf, size_t cap, size_t *len_out,
                          uint32_t *lifetime_s);
    /* session.  The OCSP response that the peer stapled; borrowed.  Empty when none. */
    int (*peer_staple)(struct nj_tls_session *s, struct nj_span *out);
    /* session.  Keys for kernel TLS; layout defined when it is built. */
    int (*export_traffic_keys)(struct nj_tls_session *s, void *out, size_t cap, size_t *len_out);
};

/* Is a slot there?  `p` is a provider's table. */
#define NJ_TLS_HAS(p, slot) (NJ_FIELD(struct nj_tls_provider, (p), slot) && (p)->slot != NULL)

#ifdef __cplusplus
}
#endif
#endif
