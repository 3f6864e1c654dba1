/*
 * null.h: a whole TLS provider without cryptography, for tests and to read.
 *
 * It keeps every promise of natterjack/tls.h that asks for no secret: two objects, memory
 * transport, records in pieces, alerts, the verify hook, words for failures.  What it sends looks
 * like TLS records and is plain; it says so with NJ_TLS_CAP_TEST_ONLY, and the server refuses it.
 *
 * One flight each way, then the dialling end's last word:
 *     HELLO    versions, suites, groups, name, ticket
 *     ANSWER   version, suite, group, is a certificate wanted, resumed, ticket, chain
 *     FINISH   chain
 */
#ifndef NULL_TLS_H
#define NULL_TLS_H

#include <stdatomic.h>

#include <natterjack/tls_provider.h>

#define LIST_MAX 64
#define CERTS_MAX 8
#define CHAIN_LEN_MAX 12000 /* so that every message fits one record */
#define HEADER_LEN 5
#define RECORD_CAP (HEADER_LEN + NJ_TLS_RECORD_MAX)
#define TICKET_LEN 8

/* Content types (RFC 8446 5.1). */
#define TYPE_ALERT 21
#define TYPE_HANDSHAKE 22
#define TYPE_DATA 23

extern const struct nj_host *null_host; /* immutable after init */

struct nj_tls_ctx {
    atomic_int refs; /* atomic */
    /* The rest is immutable once built. */
    uint16_t min_version;
    uint16_t max_version;
    uint32_t verify;
    uint16_t suites[LIST_MAX];
    size_t suites_n;
    uint16_t groups[LIST_MAX];
    size_t groups_n;
    uint8_t *chain_bytes;
    struct nj_span chain[CERTS_MAX];
    size_t chain_n;
    nj_tls_verify_fn hook;
    void *hook_user;
    uint8_t ticket[TICKET_LEN];
    uint8_t former_ticket[TICKET_LEN]; /* accepted too; the same one when there is no other */
    uint32_t ticket_lifetime_s;        /* 0: no tickets */
};

/* context.c */
void null_about(struct nj_tls_about *out);
int null_ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **out, struct nj_error *err);
void null_ctx_ref(struct nj_tls_ctx *ctx);
void null_ctx_unref(struct nj_tls_ctx *ctx);
int null_verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                      uint32_t usage, const char *name, int64_t time_s, struct nj_error *err);

/* Shared by session.c, handshake.c and record.c. */
struct nj_tls_session {
    struct nj_tls_ctx *ctx; /* a reference */
    void *user;
    uint32_t judge; /* NJ_TLS_JUDGE_*: whom this end judges */
    int started;    /* the dialling end has said hello */
    int done;
    int failed;
    int closed_in;
    int closed_out;
    uint8_t *in; /* one record, whole or in part */
    size_t in_len;
    size_t plain_at; /* data of that record which open() has not given yet: from here … */
    size_t plain_left;
    uint8_t *peer_bytes;
    struct nj_span peer[CERTS_MAX];
    size_t peer_n;
    uint8_t ticket[TICKET_LEN]; /* dialling: to show, then what was given */
    uint32_t has_ticket;
    char name[256];
    struct nj_tls_info info;
    struct nj_error err;
};

/* record.c */
/* Take from `in` until one record is whole: NJ_OK, NJ_NEED_IN or NJ_E_FAILED. */
int null_record_take(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out);
void null_record_drop(struct nj_tls_session *s);
void null_record_put(struct nj_sink *out, uint8_t type, const uint8_t *body, size_t len);
/* Remember the words, send the alert (unless NJ_ALERT_NONE); returns NJ_E_FAILED. */
int null_fail(struct nj_tls_session *s, struct nj_sink *out, int32_t alert, uint32_t cls,
              const char *text);
/* The record that was taken is an alert: NJ_E_CLOSED or NJ_E_FAILED. */
int null_alert_read(struct nj_tls_session *s);

/* handshake.c */
int null_handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out);

#endif
