/*
 * client.h: one client connection: what it does with the operations it gets.
 *
 * Belongs to its worker.  The files: client.c (life, bytes, closing), client_connect.c (CONNECT),
 * client_auth.c (the answer of authentication), client_map.c (users by certificate),
 * client_mapper.c (auth mappers), client_perms.c (what it may do), client_pub.c (PUB and delivery),
 * client_subs.c (SUB, UNSUB), client_timers.c (ping, time-outs), client_tls.c (how TLS begins),
 * client_log.c.
 */
#ifndef NJ_PEER_CLIENT_H
#define NJ_PEER_CLIENT_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/nkey.h"
#include "base/log.h"
#include "io/conn.h"
#include "peer/close_reason.h"
#include "peer/hub.h"
#include "peer/sub_table.h"
#include "proto/parse.h"

struct nj_account;
struct nj_ocsp_answer_due;
struct nj_client_mapping;
struct nj_filter;
struct nj_hash_wait;
struct nj_perms;
struct nj_replies;
struct nj_sub;
struct nj_tls_door;
struct nj_user;

/* How far the stream is. */
enum nj_client_phase {
    NJ_PHASE_SNIFF, /* first bytes decide between plain and TLS */
    NJ_PHASE_TLS,   /* handshake under way */
    NJ_PHASE_READY  /* operations */
};

struct nj_client {
    struct nj_conn conn; /* first */
    struct nj_hub *hub;
    struct nj_account *account;
    uint64_t cid;
    enum nj_close_reason reason;
    enum nj_client_phase phase;
    struct nj_parser parser;

    /* CONNECT options */
    bool verbose, pedantic, echo, headers, no_responders;
    bool got_connect, must_auth, first_pong_sent;
    struct nj_hash_wait *hash; /* a bcrypt answer is to come; NULL: none is */
    struct nj_client_mapping *mapping; /* an auth mapper is asked; NULL: none is */
    int64_t auth_until_us;     /* when the time for authentication is up */
    bool bad_protocol, wants_account; /* of the CONNECT that is being answered */
    bool odd_secret;                  /* of it, too: a credential has a NUL in it */
    uint8_t protocol;
    char *name, *lang, *version; /* NULL: absent; all of them may hold NULs, see nul_text.h */
    char *user, *pass, *token;   /* pass and token are wiped once they were checked */
    char *nkey, *sig;
    char *jwt; /* for auth mappers; wiped like the secrets */
    bool by_token;
    bool has_given_no_name; /* user or nkey is the no_auth_user's */
    bool has_cert_name; /* user is the name that its certificate stands for */
    char nonce[NJ_NONCE_LEN + 1]; /* "": it was told to sign nothing */

    /* What it was let in with.  References of its own; NULL before, and where there is none. */
    struct nj_auth *auth;
    struct nj_user *admitted;
    struct nj_perms *perms; /* NULL: it may do everything */
    struct nj_filter *filter;   /* shown in its slot; NULL: it gets whatever matches */
    struct nj_replies *replies; /* subjects it may answer to; NULL: without allow_responses */

    /* TLS */
    bool tls_first;  /* INFO went out inside TLS */
    bool info_sent;
    bool tls_resumed;
    struct nj_ocsp_answer_due *ocsp; /* an answer is to come; ends by itself */
    uint16_t tls_version, tls_suite; /* 0: plain */
    struct nj_tls_door *door; /* a reference: what it came in by, which a reload may replace */
    uint8_t sniff_len, sniff_want;
    uint8_t sniff[8];

    struct nj_sub_table subs;
    uint32_t subs_at_close;           /* how many there were */
    struct nj_sub *done_subs;         /* their maximum was reached; removed after the messages */
    struct nj_client *next_with_done; /* worker's list of clients that have some */

    /* statistics */
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
    int64_t start_ns;      /* wall clock */
    int64_t last_us;       /* monotonic: last activity either way */
    int64_t last_in_us;    /* monotonic: message, subscription or PING of the client */
    int64_t start_us;
    int64_t rtt_ns;        /* 0: unknown */
    int64_t rtt_at_us;
    int64_t slow_since_us; /* write_timeout retry: since when it is behind; 0: it is not */
    int64_t ping_sent_us;
    int pings_out;

    /* producer stall, within one read */
    int64_t stall_us;
    uint16_t stall_worker;
    uint32_t stall_slot;

    struct nj_timer ping_timer;
    struct nj_timer expire_timer; /* what a mapper let in for a time */
    struct nj_timer wait_timer; /* handshake, sniffing, authentication */
    int waits_for; /* NJ_WAIT_* */

    char ip[INET6_ADDRSTRLEN];
    uint16_t port;
    char *label; /* after CONNECT: ` - "v1:go:nm" - "$G/user:us"`; NULL before */
};

enum { NJ_WAIT_NONE, NJ_WAIT_SNIFF, NJ_WAIT_TLS, NJ_WAIT_AUTH, NJ_WAIT_HASH, NJ_WAIT_MAPPER };

extern const struct nj_conn_ops nj_client_ops;

/* What this client obeys now.  Not to be kept: a reload may come with the next operation. */
static inline const struct nj_serving *nj_client_serving(const struct nj_client *c)
{
    return nj_hub_worker_of(c->conn.worker)->serving;
}

/* client.c */
struct nj_client *nj_client_new(struct nj_hub *hub, struct nj_worker *w, int fd);
void nj_client_close(struct nj_client *c, enum nj_close_reason reason);
void nj_client_close_silently(struct nj_client *c, enum nj_close_reason reason); /* no -ERR */
void nj_client_send(struct nj_client *c, const char *text);                /* a whole line */
void nj_client_send_err(struct nj_client *c, const char *text);            /* -ERR '<text>' */
void nj_client_send_ok(struct nj_client *c);                               /* when verbose */
void nj_client_send_info(struct nj_client *c, enum nj_info_kind kind);
void nj_client_ready(struct nj_client *c);  /* the stream is plain or secured: operations begin */
void nj_client_feed_again(struct nj_client *c);
bool nj_client_is_open(const struct nj_client *c);

/* client_connect.c: NJ_OK to go on, else the client was closed. */
int nj_client_connect(struct nj_client *c, const struct nj_event *ev);
int nj_client_check_json(struct nj_client *c, const struct nj_event *ev); /* INFO of a client */
void nj_client_forget_options(struct nj_client *c);
void nj_client_forget_secrets(struct nj_client *c);
/* Once, before any client: what the JSON library held of a CONNECT is wiped. */
void nj_client_wipe_json(void);
/* Bytes of a CONNECT where they were read, in a buffer of ours: a worker keeps it for long. */
void nj_client_wipe_input(const char *ptr, size_t len);

/* client_auth.c */
void nj_client_authenticate(struct nj_client *c);
void nj_client_denied(struct nj_client *c); /* log it, say it, close */
/* The first word is not CONNECT: is there a user for those who say nothing?  True: it is that one. */
bool nj_client_admit_silently(struct nj_client *c);
void nj_client_hash_stop(struct nj_client *c);    /* it closes: nobody waits; fine when nobody did */
void nj_client_hash_timeout(struct nj_client *c); /* NJ_WAIT_HASH is over */
/* The peer has ended its stream.  True: what it has sent before is still to be looked at. */
bool nj_client_hash_ended(struct nj_client *c);

/* client_perms.c */
bool nj_client_is_nkey_user(const struct nj_client *c); /* it was let in as one */
/* It is this user now, with that user's permissions; NULL: nobody in particular.  References are
 * taken; what it was before is let go. */
void nj_client_set_user(struct nj_client *c, struct nj_auth *auth, struct nj_user *user);
/* Other permissions for the same user (a reference is taken; NULL: none).  Subscriptions that they
 * do not allow are taken away, and it is told.  Between two operations. */
void nj_client_set_perms(struct nj_client *c, struct nj_perms *perms);
/* After a reload it stays and is this user of `auth`: other permissions replace those it has, and
 * subscriptions that they do not allow are taken away.  Between two operations. */
void nj_client_renew_user(struct nj_client *c, struct nj_auth *auth, struct nj_user *user);
/* For clients with permissions only (c->perms is not NULL). */
bool nj_client_may_publish(struct nj_client *c, struct nj_text subject);
bool nj_client_may_subscribe(struct nj_client *c, struct nj_text subject, struct nj_text queue);
/* A message with this reply was delivered to a client with c->replies. */
void nj_client_note_reply(struct nj_client *c, struct nj_text reply);
void nj_client_hide_filter(struct nj_client *c);
/* `-ERR 'Permissions Violation for <err> "<what>"'`, logged as `Publish Violation - <log> "<what>"`. */
void nj_client_publish_violation(struct nj_client *c, const char *err, const char *log,
                                 struct nj_text what);
void nj_client_subscribe_violation(struct nj_client *c, struct nj_text subject,
                                   struct nj_text queue, struct nj_text sid);

/* client_map.c: does its certificate choose the user?  And whom: NULL for nobody.  The user is
 * borrowed of nj_client_serving()->auth, and the client goes by its name from then on. */
bool nj_client_is_mapped(const struct nj_client *c);
struct nj_user *nj_client_map(struct nj_client *c);

/* client_pub.c */
void nj_client_publish(struct nj_client *c, const struct nj_event *ev);
bool nj_client_may_resume(struct nj_conn *conn);
void nj_client_run_batch(struct nj_worker *w, struct nj_item *item);
/* What the messages of this read left to do: remove exhausted subscriptions, stalls, credit.
 * True: the connection was paused. */
bool nj_client_after_messages(struct nj_client *c);

/* client_subs.c */
void nj_client_subscribe(struct nj_client *c, const struct nj_event *ev);
void nj_client_unsubscribe(struct nj_client *c, const struct nj_event *ev);
void nj_client_drop_subs(struct nj_client *c);
void nj_client_remove_sub(struct nj_client *c, struct nj_sub *s);
struct nj_sub *nj_client_sub_at(struct nj_client *c, uint32_t idx, uint32_t gen);
void nj_client_sub_done(struct nj_client *c, struct nj_sub *sub); /* maximum reached */
void nj_client_remove_finished(struct nj_client *c);

/* client_timers.c */
void nj_client_start_ping_timer(struct nj_client *c);
void nj_client_ping_after_connect(struct nj_client *c);
void nj_client_got_pong(struct nj_client *c);
void nj_client_estimate_rtt(struct nj_client *c);
void nj_client_wait_for_auth(struct nj_client *c);
void nj_client_wait(struct nj_client *c, int what, int64_t us);
void nj_client_stop_wait(struct nj_client *c);
/* Close it at that time, in seconds since 1970; 0: never. */
void nj_client_expire_at(struct nj_client *c, int64_t time_s);

/* client_tls.c */
void nj_client_begin(struct nj_client *c);
size_t nj_client_sniff(struct nj_client *c, const uint8_t *ptr, size_t len);
void nj_client_sniff_timeout(struct nj_client *c);
void nj_client_secured(struct nj_conn *conn);
void nj_client_ocsp_valid(struct nj_client *c); /* the answer of nj_client_ask_ocsp() */
void nj_client_not_ocsp_valid(struct nj_client *c);
bool nj_client_fits_pins(struct nj_client *c); /* those in force now, not those it came in by */
void nj_client_tls_failed(struct nj_client *c, enum nj_conn_end why);
void nj_client_tls_timeout(struct nj_client *c);

/* client_ocsp.c */
void nj_client_ask_ocsp(struct nj_client *c);
void nj_client_forget_ocsp(struct nj_client *c); /* it leaves */

/* client_log.c: lines with the connection's prefix. */
void nj_client_log(const struct nj_client *c, enum nj_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define nj_client_debug(c, ...)                                                                    \
    do {                                                                                           \
        if (nj_log_on(NJ_LVL_DBG)) {                                                               \
            nj_client_log((c), NJ_LVL_DBG, __VA_ARGS__);                                           \
        }                                                                                          \
    } while (0)
void nj_client_make_label(struct nj_client *c);
const char *nj_client_authorized_user(const struct nj_client *c); /* as /connz has it; or NULL */
void nj_client_trace_in(const struct nj_client *c, const char *op, const char *arg, size_t len);
void nj_client_trace_out(const struct nj_client *c, const char *text, size_t len);
void nj_client_trace_payload(const struct nj_client *c, const char *arrow, const uint8_t *payload,
                             uint32_t hdr_len, uint32_t size);
void nj_client_trace_connect(const struct nj_client *c, const char *arg, size_t len);

#endif
