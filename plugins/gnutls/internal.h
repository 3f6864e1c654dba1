/*
 * internal.h: what the files of the GnuTLS provider share.  Nothing here leaves the shared object.
 *
 *   entry.c    the door, init and fini; hashes, random bytes, Ed25519
 *   suites.c   what the library can; IANA numbers to GnuTLS names, priority strings
 *   context.c  settings to credentials, priorities, tickets
 *   session.c  handshake, records, closing; the table of operations
 *   ticket.c   session tickets and their secrets
 *   verify.c   the chain check and the server's verify hook
 *   signature.c  signatures of certificates and of what speaks about them
 *   errors.c   GnuTLS numbers to classes, alerts and words
 */
#ifndef NJ_GNUTLS_INTERNAL_H
#define NJ_GNUTLS_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "natterjack/tls_provider.h"

#if GNUTLS_VERSION_NUMBER < 0x030702
#error "GnuTLS 3.7.2 or later is needed (tls-exporter channel binding)"
#endif

/* ---- shared state ---------------------------------------------------------------------------- */

extern const struct nj_host *nj_gt_host; /* set by init(), immutable afterwards */

/* While verify_chain() judges for another moment: that moment; 0 = the host's clock.  Per thread,
 * because GnuTLS asks one process-wide function for the time. */
extern _Thread_local int64_t nj_gt_judge_time_s;

/* GnuTLS takes no const in a datum, and does not write. */
static inline gnutls_datum_t nj_gt_datum(const void *bytes, size_t len)
{
    union {
        const void *in;
        unsigned char *out;
    } alias = { bytes };
    return (gnutls_datum_t){ alias.out, (unsigned) len };
}

/* ---- entry.c --------------------------------------------------------------------------------- */

int nj_gt_init(const struct nj_host *host, struct nj_error *err);
void nj_gt_fini(void);
extern const struct nj_tls_crypto nj_gt_crypto;
void nj_gt_log(uint32_t level, const char *fmt, ...) NJ_PRINTF(2, 3);

/* ---- suites.c -------------------------------------------------------------------------------- */

/* Ask the loaded library what it has.  Called by init(). */
void nj_gt_suites_probe(void);
void nj_gt_about(struct nj_tls_about *out);
uint64_t nj_gt_caps(void);
bool nj_gt_suite_is_1_3(uint16_t id);
/* The negotiated ones, as IANA numbers; 0 when there is none. */
uint16_t nj_gt_suite_of(gnutls_session_t tls);
uint16_t nj_gt_group_of(gnutls_session_t tls);

#define NJ_GT_1_2 1U
#define NJ_GT_1_3 2U
/*
 * The context's suites and groups of these versions.  `key` is the server's own key, whose TLS 1.2
 * suites alone are taken; GNUTLS_PK_UNKNOWN: all.
 */
int nj_gt_priority_new(const struct nj_tls_ctx *ctx, unsigned versions, gnutls_pk_algorithm_t key,
                       gnutls_priority_t *prio_out, struct nj_error *err);

/* ---- context.c ------------------------------------------------------------------------------- */

struct nj_tls_ctx {
    atomic_uint refs;
    /* immutable from here on */
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t prio;    /* the first one of every session */
    gnutls_priority_t prio_12; /* accepting: taken once the version is known, so that the cross */
    gnutls_priority_t prio_13; /* product of GnuTLS names is that of one version only */
    uint32_t role;
    uint32_t verify;
    bool insecure;
    bool system_trust;
    uint16_t *suites;
    size_t suites_n;
    uint16_t *groups;
    size_t groups_n;
    gnutls_datum_t *alpn;
    unsigned alpn_n;
    gnutls_pcert_st *certs; /* own chain */
    unsigned certs_n;
    gnutls_privkey_t key;
    gnutls_ocsp_data_st staple;
    gnutls_datum_t ticket_key;    /* size 0: no tickets */
    gnutls_datum_t ticket_former; /* the secret before; size 0: none */
    uint32_t ticket_lifetime_s;
    nj_tls_verify_fn verify_hook;
    void *verify_user;
};

int nj_gt_ctx_new(const struct nj_tls_settings *settings, struct nj_tls_ctx **ctx_out,
                  struct nj_error *err);
void nj_gt_ctx_ref(struct nj_tls_ctx *ctx);
void nj_gt_ctx_unref(struct nj_tls_ctx *ctx);

/* ---- session.c ------------------------------------------------------------------------------- */

enum nj_gt_phase {
    NJ_GT_HANDSHAKE,
    NJ_GT_OPEN,
    NJ_GT_FAILED, /* no call does anything any more */
};

struct nj_tls_session {
    gnutls_session_t tls;
    struct nj_tls_ctx *ctx;
    void *user;
    char *name;            /* dialling: as given; else NULL */
    struct nj_tls_in *in;  /* during a call only */
    struct nj_sink *out;   /* likewise */
    struct nj_error *fail; /* NULL until something fails */
    int16_t alert_sent;    /* NJ_ALERT_NONE when none */
    int16_t alert_received;
    uint8_t phase; /* enum nj_gt_phase */
    uint8_t seen;  /* bytes of the first record that were looked at, 0..2 */
    bool dialled;
    bool close_sent;
    bool close_seen;
    bool peer_dropped;
    bool tickets_set; /* accepting: the secret was chosen */
};

extern const struct nj_tls_provider nj_gt_provider;

/* ---- ticket.c -------------------------------------------------------------------------------- */

/* Copy the secrets; wipe and free them. */
void nj_gt_ticket_settings(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set);
void nj_gt_ticket_forget(struct nj_tls_ctx *ctx);
/* Before the first step of a handshake: choose the secret by the hello.  0 or a GnuTLS number. */
int nj_gt_ticket_start(struct nj_tls_session *s, const struct nj_tls_in *hello);

/* ---- verify.c -------------------------------------------------------------------------------- */

/* For gnutls_certificate_set_verify_function(). */
int nj_gt_verify_cb(gnutls_session_t tls);
/*
 * A resumed session: the peer's chain came out of the ticket and the callback was not run.
 * NJ_OK, or NJ_E_FAILED with s->fail set.
 */
int nj_gt_judge_resumed(struct nj_tls_session *s);
int nj_gt_verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                       uint32_t usage, const char *name, int64_t time_s, struct nj_error *err);

/* ---- signature.c ----------------------------------------------------------------------------- */

/* struct nj_tls_crypto.verify_signature. */
int nj_gt_verify_signature(struct nj_span spki, struct nj_span algorithm, struct nj_span tbs,
                           struct nj_span signature);

/* ---- errors.c -------------------------------------------------------------------------------- */

uint16_t nj_gt_version_of(gnutls_session_t tls);
/* Fill `err` with GnuTLS's own words; returns NJ_E_FAILED. */
int nj_gt_error_lib(struct nj_error *err, int lib_code);
/* Note why a session fails; `alert` is the one to send, or NJ_ALERT_NONE. */
void nj_gt_fail(struct nj_tls_session *s, uint32_t cls, int32_t alert, const char *fmt, ...)
    NJ_PRINTF(4, 5);
/* The same for what a GnuTLS call returned. */
void nj_gt_fail_lib(struct nj_tls_session *s, int lib_code);

#endif
