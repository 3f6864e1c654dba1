/*
 * wolf.h: what the files of the wolfSSL provider share.  Nothing here leaves the shared object.
 *
 *   entry.c    the door, suites, capabilities     session.c  one connection
 *   context.c  settings into WOLFSSL_CTX          verify.c   the peer's chain and the hook
 *   fips.c     the FIPS module: asked at start and watched
 *   crypto.c   primitives outside TLS             errors.c   numbers into words; alerts
 *   signature.c  signatures of certificates       staple.c   the OCSP response that is sent
 */
#ifndef NJ_WOLFSSL_WOLF_H
#define NJ_WOLFSSL_WOLF_H

#include <wolfssl/options.h>
/* options.h decides what the others declare: it must stay first. */
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "natterjack/tls_provider.h"

/*
 * The verify callback is where the server's policy is asked.  A library that calls it for failures
 * only would let every valid chain pass unasked.
 */
#if !defined(WOLFSSL_ALWAYS_VERIFY_CB) && !defined(OPENSSL_EXTRA)
#error                                                                                             \
    "this wolfSSL calls the verify callback for failures only: WOLFSSL_ALWAYS_VERIFY_CB is needed"
#endif
#if !defined(WOLFSSL_TLS13) || defined(WOLFSSL_NO_TLS12) || !defined(HAVE_SUPPORTED_CURVES)
#error "this wolfSSL lacks TLS 1.2, TLS 1.3 or supported groups"
#endif
#if defined(NO_CERTS) || defined(NO_WOLFSSL_SERVER) || defined(NO_WOLFSSL_CLIENT)
#error "this wolfSSL lacks certificates or one of the two roles"
#endif
#if LIBWOLFSSL_VERSION_HEX < 0x05005000
#error "wolfSSL 5.5 or later is needed"
#endif

/* Tickets are sealed by us, since several contexts share the key (ticket.c). */
#if defined(HAVE_SESSION_TICKET) && defined(HAVE_AESGCM) && !defined(WC_NO_RNG)
#define NJ_WOLF_TICKETS 1
#else
#define NJ_WOLF_TICKETS 0
#endif

/* See staple.c. */
#if defined(HAVE_OCSP) && defined(HAVE_CERTIFICATE_STATUS_REQUEST) &&                              \
    defined(WOLFSSL_OCSP_STATUS_CB_OK) && LIBWOLFSSL_VERSION_HEX >= 0x05009004
#define NJ_WOLF_STAPLE 1
#else
#define NJ_WOLF_STAPLE 0
#endif

#if defined(HAVE_ED25519) && defined(HAVE_ED25519_SIGN) && defined(HAVE_ED25519_VERIFY) &&         \
    defined(HAVE_ED25519_KEY_IMPORT)
#define NJ_WOLF_ED25519 1
#else
#define NJ_WOLF_ED25519 0
#endif

/* The calls of the FIPS module: the library's own, or those of the stand-in for tests. */
#if defined(NJ_FIPS_MOCK)
#include "tests/fips/mock.h"
#define NJ_WOLF_FIPS 1
#elif defined(HAVE_FIPS)
#include <wolfssl/wolfcrypt/fips_test.h>
#define NJ_WOLF_FIPS 1
#else
#define NJ_WOLF_FIPS 0
#endif

extern const struct nj_host *nj_wolf_host; /* immutable after init */
extern const struct nj_tls_crypto nj_wolf_crypto;

/* Digests by which an anchor is recognised (verify.c). */
struct nj_wolf_anchor {
    uint8_t subject[32]; /* SHA-256 of the subject's DER */
    uint8_t whole[32];   /* SHA-256 of the certificate's DER */
};

/*
 * Each role has a WOLFSSL_CTX of its own: the library keeps intermediates that it has verified
 * beside the anchors, and those that a client sent must not help to judge a server, and back.
 */
enum nj_wolf_side { NJ_WOLF_ACCEPT = 0, NJ_WOLF_DIAL = 1, NJ_WOLF_SIDES = 2 };

/* What tickets are sealed with. */
struct nj_wolf_ticket_key {
    uint8_t name[16]; /* in front of the ticket, in clear */
    uint8_t key[32];
};

struct nj_tls_ctx { /* immutable after start, but for refs */
    atomic_uint refs;
    WOLFSSL_CTX *side[NJ_WOLF_SIDES]; /* NULL: the role is off */
    uint32_t verify;
    bool insecure;
    bool has_identity;
    uint16_t *suites;
    size_t suites_n;
    uint16_t *groups;
    size_t groups_n;
    struct nj_wolf_anchor *anchors;
    size_t anchors_n;
    char *alpn; /* "a,b"; NULL when none */
    struct nj_wolf_ticket_key ticket[2]; /* the new one, the one before */
    size_t tickets_n;
    uint8_t *staple; /* NULL when none */
    size_t staple_len;
    nj_tls_verify_fn hook;
    void *hook_user;
};

struct nj_tls_session { /* owned by the thread that has the session */
    struct nj_tls_ctx *ctx;
    WOLFSSL *ssl; /* NULL: accepting without a certificate */
    void *user;
    char *name;
    bool dialling;
    bool up;         /* the handshake is done */
    bool failed;     /* err has the words */
    bool ciphered;   /* our records are encrypted now, or about to be */
    bool peer_ended; /* close_notify came */
    bool ended;      /* ours was sent */
    bool no_group;   /* the library was about to ask for a group without naming one */
    bool judged;     /* the hook was asked */
    bool accepted;   /* and it and the library agreed */
    int32_t wish;    /* the alert to put in the place of the library's; NJ_ALERT_NONE: leave it */
    int32_t sent;    /* alert that we wrote ourselves */
    uint8_t turns;   /* how often the session was resumed from one ticket to the next */
    size_t out_n;    /* bytes written so far */
    uint8_t head[5]; /* the first record's header, as far as it has come */
    size_t head_n;
    size_t hello_n; /* bytes of the first record seen; kept without an identity only */

    struct nj_tls_in *in; /* set during a call */
    struct nj_sink *out;

    struct nj_span *chain; /* the peer's certificates, one block with their bytes */
    size_t chain_n;
    uint8_t exporter[32];
    bool exporter_valid;
    struct nj_error err;
};

/* ---- context.c ---- */
int nj_wolf_ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **ctx_out,
                    struct nj_error *err);
void nj_wolf_ctx_ref(struct nj_tls_ctx *ctx);
void nj_wolf_ctx_unref(struct nj_tls_ctx *ctx);

/* ---- entry.c ---- */
int nj_wolf_init(const struct nj_host *host, struct nj_error *err);
void nj_wolf_fini(void);
void nj_wolf_thread_detach(void);
uint64_t nj_wolf_caps(void);
void nj_wolf_about(struct nj_tls_about *out);
const char *nj_wolf_suite_name(uint16_t id);
/* The IANA number of the group with the library's name; 0 when unknown or NULL. */
uint16_t nj_wolf_group_id(const char *name);

/* ---- session.c ---- */
extern const struct nj_tls_provider nj_wolf_provider;
/* Transport callbacks, for context.c. */
int nj_wolf_on_recv(WOLFSSL *ssl, char *buf, int cap, void *user);
int nj_wolf_on_send(WOLFSSL *ssl, char *buf, int len, void *user);

/* ---- ticket.c ---- */
/* Seal and open tickets of an accepting context with the secrets of the settings.  Returns
 * WOLFSSL_SUCCESS or the library's number. */
int nj_wolf_tickets_on(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, const struct nj_tls_settings *set);

/* ---- verify.c ---- */
/* The slices of a certificate that the provider needs itself; they point into the DER. */
struct nj_wolf_cert {
    struct nj_span issuer;  /* the name, whole TLV */
    struct nj_span subject; /* likewise */
    struct nj_span key;     /* subjectPublicKey: the bits, without the count of unused ones */
    struct nj_span tail;    /* what follows the key: unique identifiers, extensions */
};
bool nj_wolf_cert_slice(struct nj_span der, struct nj_wolf_cert *out);
bool nj_wolf_span_equal(struct nj_span a, struct nj_span b);
bool nj_wolf_anchor_make(struct nj_span der, struct nj_wolf_anchor *out);
int nj_wolf_on_verify(int ok, WOLFSSL_X509_STORE_CTX *store);
int nj_wolf_verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                         uint32_t usage, const char *name, int64_t time_s, struct nj_error *err);
size_t nj_wolf_peer_chain(struct nj_tls_session *s, struct nj_span *out, size_t max);
void nj_wolf_drop_peer(struct nj_tls_session *s);
/* The clock that the library judges certificates with. */
time_t nj_wolf_clock(time_t *out);

/* ---- errors.c ---- */
/* Fill s->err for the library's number and mark the session as failed.  Returns NJ_E_FAILED. */
int nj_wolf_fail(struct nj_tls_session *s, int lib);
/* The same for a refusal of our own: `alert` is sent if the library allows. */
int nj_wolf_refuse(struct nj_tls_session *s, uint32_t cls, int32_t alert, const char *text);
uint32_t nj_wolf_cert_class(int lib);
const char *nj_wolf_reason(int lib);
void nj_wolf_clear_queue(void);
void nj_wolf_error(struct nj_tls_session *s, struct nj_error *out);

#define NJ_WOLF_ALERT_RECORD_MAX 64
/*
 * Make the record of a fatal alert as our next one, whose sequence number is what the library
 * says now less `back`.  Returns its length, 0 when this library or suite offers no way.
 */
size_t nj_wolf_alert_record(struct nj_tls_session *s, int32_t alert, unsigned back,
                            uint8_t out[NJ_WOLF_ALERT_RECORD_MAX]);
/* Write a fatal alert into s->out, when one can be written. */
bool nj_wolf_alert_put(struct nj_tls_session *s, int32_t alert);
/* Are all alerts possible, whatever the state? */
bool nj_wolf_alert_any(void);

/* ---- staple.c ---- */
/* Let the accepting side send it; WOLFSSL_SUCCESS or the library's number. */
int nj_wolf_staple_set(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, struct nj_span staple);

/* ---- signature.c ---- */
/* struct nj_tls_crypto.verify_signature. */
int nj_wolf_verify_signature(struct nj_span spki, struct nj_span algorithm, struct nj_span tbs,
                             struct nj_span signature);

/* ---- fips.c ---- */
#if NJ_WOLF_FIPS
/* Before the library is initialised: hear of failures. */
void nj_wolf_fips_watch(void);
/* After it: is the module well?  Runs all conditional tests. */
int nj_wolf_fips_begin(struct nj_error *err);
/* Has a failure been noted?  One atomic load. */
bool nj_wolf_fips_failed(void);
/* Ask the module itself; notes and logs what it says.  True: it is well. */
bool nj_wolf_fips_ask(void);
const char *nj_wolf_fips_label(void);
const char *nj_wolf_fips_version(void); /* the library's, and the module's */
#else
static inline void nj_wolf_fips_watch(void)
{
}
static inline int nj_wolf_fips_begin(struct nj_error *err)
{
    (void) err;
    return NJ_OK;
}
static inline bool nj_wolf_fips_failed(void)
{
    return false;
}
static inline bool nj_wolf_fips_ask(void)
{
    return true;
}
static inline const char *nj_wolf_fips_label(void)
{
    return "none";
}
static inline const char *nj_wolf_fips_version(void)
{
    return wolfSSL_lib_version();
}
#endif

/* ---- crypto.c ---- */
/* Does AES-GCM run on hardware instructions?  Measured; some milliseconds. */
bool nj_wolf_aes_measure(void);
bool nj_wolf_sha256(struct nj_span data, uint8_t out[32]);

#endif
