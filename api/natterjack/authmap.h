/*
 * authmap.h: what an auth mapper does for natterjack (struct nj_plugin.kind == NJ_PLUGIN_AUTHMAP).
 *
 * A mapper is told what is known about a peer that has sent CONNECT, and says who that is: a user
 * of the configuration, a user of its own with permissions, nobody, or "ask the next one".  Mappers
 * are named in the configuration and asked in that order, before the users of the configuration are
 * looked at:
 *
 *     authorization { mappers: [ { plugin: rules, timeout: "1s", options: { … } }, … ] }
 *
 * The first ALLOW or DENY decides.  When all have deferred, the ordinary checks of the configuration
 * (token, users, nkeys …) decide; where it has none, the peer is refused.
 *
 * The file of a mapper is nj_authmap_NAME.so; its door is that of plugin.h and its rules for structs
 * hold here: `size` first, members added at the end only, NJ_FIELD() before a look.
 *
 * Each slot says which thread may call it:
 *   main     the thread of start, stop and reload; one call at a time
 *   worker   a thread that serves many connections; several workers may be inside at once, with the
 *            same instance.  A worker that waits stands still with all its connections: the server
 *            measures the time and warns (more than NJ_AUTHMAP_SLOW_MS), but it cannot take its
 *            thread back.  What may take longer is done by a thread of the mapper, which answers
 *            later
 *   any      any thread, also one that the mapper made
 */
#ifndef NATTERJACK_AUTHMAP_H
#define NATTERJACK_AUTHMAP_H

#include "natterjack/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nj_authmap_instance; /* the mapper's own; opaque here */

#define NJ_AUTHMAP_SLOW_MS 20 /* a decide() that takes longer is warned about */

/* ---- options -------------------------------------------------------------------------------- */

#define NJ_VALUE_STRING UINT32_C(1)
#define NJ_VALUE_BOOL UINT32_C(2)
#define NJ_VALUE_INT UINT32_C(3)
#define NJ_VALUE_FLOAT UINT32_C(4)
#define NJ_VALUE_DATE UINT32_C(5)
#define NJ_VALUE_LIST UINT32_C(6)
#define NJ_VALUE_MAP UINT32_C(7)

/* A value of the configuration and where it stands.  Immutable; any thread. */
struct nj_authmap_value {
    uint32_t size;
    uint32_t type;    /* NJ_VALUE_* */
    const char *file; /* NULL: it came from the environment and has no place */
    uint32_t line;
    uint32_t col;
    const char *key;  /* as written, when it is the member of a map; else NULL */
    const char *text; /* STRING: NUL-terminated, and may hold NULs before; else NULL */
    size_t text_len;
    int64_t integer; /* INT; BOOL: 0 or 1; DATE: seconds since 1970 UTC */
    double real;     /* FLOAT */
    const struct nj_authmap_value *const *items; /* LIST, MAP: in the order of the file */
    size_t items_n;
    uint32_t used_as_variable; /* 1: a later $NAME took it; such a member is never "unknown" */
    uint32_t reserved;
};

/* Where check() says what is wrong.  The server puts "FILE:LINE:COL: " in front of the text. */
struct nj_authmap_report {
    uint32_t size;
    uint32_t reserved;
    void *user;
    /* `at` is the value that is wrong.  May be called many times: a person wants all errors. */
    void (*error)(const struct nj_authmap_report *report, const struct nj_authmap_value *at,
                  const char *text);
};

/* ---- what is known about a peer ------------------------------------------------------------- */

#define NJ_AUTHMAP_CLIENT UINT32_C(1) /* kinds of connection; other numbers may come */

#define NJ_AUTHMAP_NAME_ATTRIBUTE UINT32_C(1) /* of the leaf's subject */
#define NJ_AUTHMAP_NAME_EMAIL UINT32_C(2)     /* subject alternative names (RFC 5280 4.2.1.6) */
#define NJ_AUTHMAP_NAME_DNS UINT32_C(3)
#define NJ_AUTHMAP_NAME_URI UINT32_C(4)
#define NJ_AUTHMAP_NAME_IP UINT32_C(5)

/*
 * One name of the leaf certificate, decoded from DER by the server.  `value` is UTF-8 for attributes
 * and ASCII for the others, has a NUL behind it that is not counted, and may hold NULs inside: compare
 * with its length.  IP addresses are in text ("192.0.2.7", "2001:db8::1").
 */
struct nj_authmap_name {
    uint32_t size;
    uint32_t kind;    /* NJ_AUTHMAP_NAME_* */
    const char *type; /* "CN" "OU" "O" "C" "L" "ST" "STREET" "POSTALCODE" "SERIALNUMBER" "DC" "UID"
                         "emailAddress", or the OID in digits; of the others "email" "dns" "uri" "ip" */
    const char *oid;  /* of an attribute: "2.5.4.3"; else NULL */
    struct nj_span value;
};

/*
 * All pointers are borrowed for the call of decide(): a mapper that answers later copies what it
 * needs.  `pass`, `token` and `jwt` are secrets: no log, and wiped after use (host->wipe).
 *
 * Only what the server has checked is proof: names count when `tls_verified` is 1, `nkey` when
 * `nkey_proven` is 1.  All other fields of CONNECT are what the peer says about itself.
 */
struct nj_authmap_facts {
    uint32_t size;
    uint32_t kind;         /* NJ_AUTHMAP_CLIENT */
    uint64_t client_id;    /* "cid" of log and monitoring */
    const char *address;   /* of the peer, "192.0.2.7" or "2001:db8::1" */
    uint16_t port;         /* of the peer */
    uint16_t tls_version;  /* 0x0303, 0x0304; 0: no TLS */
    uint16_t tls_suite;    /* IANA's number */
    uint16_t tls_resumed;  /* 1: the handshake continued an earlier session */
    uint32_t tls_verified; /* 1: the chain was checked against the trust anchors and is good */

    /* The peer's certificates, DER, in wire order, leaf first.  None: all of this is empty. */
    uint32_t chain_n;
    const struct nj_span *chain;
    const uint8_t *spki_sha256; /* 32 bytes, of the leaf's SubjectPublicKeyInfo; NULL: none */
    const char *subject;        /* the leaf's subject for people ("CN=a,O=b"), "" when none: two
                                   different names may read alike, so nothing is decided by it */
    const char *common_name;    /* the last CN, "" when none or when it has a NUL inside */
    const struct nj_authmap_name *const *names; /* attributes, then SANs, in certificate order */
    size_t names_n;

    /* CONNECT; NULL: the peer did not send it. */
    const char *user;
    const char *pass;
    const char *token; /* auth_token */
    const char *nkey;
    const char *jwt;
    const char *name;
    const char *lang;
    const char *version;
    uint32_t nkey_proven; /* 1: the signature over the server's nonce fits `nkey` */
    uint32_t reserved;
};

/* ---- the answer ----------------------------------------------------------------------------- */

/* 0 is no verdict, so that an answer that was not filled in lets nobody in. */
#define NJ_AUTHMAP_DEFER UINT32_C(1)
#define NJ_AUTHMAP_DENY UINT32_C(2)
#define NJ_AUTHMAP_ALLOW_CONFIGURED UINT32_C(3) /* as the user `user` of the configuration */
#define NJ_AUTHMAP_ALLOW_OWN UINT32_C(4)        /* as `user`, which the mapper describes */

/* What the peer hears after DENY.  The reason itself is for the log alone. */
#define NJ_AUTHMAP_SAY_VIOLATION UINT32_C(0) /* -ERR 'Authorization Violation' */
#define NJ_AUTHMAP_SAY_EXPIRED UINT32_C(1)   /* -ERR 'User Authentication Expired' */

/* Subjects may have wildcards; in subscribe lists "SUBJECT QUEUE" too.  A list that is NULL is not
 * there (allow: everything; deny: nothing); one that is not NULL and has no entries is empty (allow:
 * nothing). */
struct nj_authmap_permissions {
    uint32_t size;
    uint32_t allow_responses; /* 1: may answer requests whatever the publish lists say */
    int32_t responses_max;    /* answers to each request; 0: the default (1), -1: no limit */
    uint32_t reserved;
    int64_t responses_ms; /* how long they may take; 0: the default (2 minutes), -1: for ever */
    const char *const *publish_allow;
    size_t publish_allow_n;
    const char *const *publish_deny;
    size_t publish_deny_n;
    const char *const *subscribe_allow;
    size_t subscribe_allow_n;
    const char *const *subscribe_deny;
    size_t subscribe_deny_n;
};

/* Everything is copied by answer(): the strings may lie on the stack. */
struct nj_authmap_answer {
    uint32_t size;
    uint32_t verdict; /* NJ_AUTHMAP_* */
    /* Both ALLOWs.  CONFIGURED: a user that is not in the configuration is refused, with an error
     * in the log that names the mapper. */
    const char *user;
    /* ALLOW_OWN. */
    const char *account;                              /* NULL: the global one, $G */
    const struct nj_authmap_permissions *permissions; /* NULL: everything */
    /* Both.  The tags are written to the log beside the user's name. */
    const char *const *tags;
    size_t tags_n;
    int64_t expires_s; /* seconds since 1970: the connection is closed then; 0: never */
    /* DENY. */
    const char *reason; /* one sentence for the log; NULL: none given */
    uint32_t say;       /* NJ_AUTHMAP_SAY_* */
    uint32_t reserved;
};

/* ---- what the server offers to a mapper ----------------------------------------------------- */

struct nj_authmap_host {
    uint32_t size;
    uint32_t reserved;
    const struct nj_host *base; /* log, memory, clock */

    /*
     * any; never blocks.  The answer to the decide() that was given `handle`; may be called inside
     * decide(), or later.  The first answer counts.  NJ_OK: it was taken.  NJ_E_NOT_FOUND: nobody
     * waits for it (answered before, the peer has left, time is up, or no such handle); harmless,
     * counted, and logged once for each plug-in and cause.  NJ_E_INVALID: the answer cannot be
     * understood; the peer is refused.
     */
    int (*answer)(uint64_t handle, const struct nj_authmap_answer *answer);
};

/* ---- the mapper ----------------------------------------------------------------------------- */

struct nj_authmap {
    uint32_t size; /* sizeof(struct nj_authmap), as compiled */
    uint32_t reserved;
    const char *about; /* a few words for the listing; may be NULL */

    /* main, once, before any other slot.  `host` stays valid for ever.  NJ_OK, or negative with
     * `err`. */
    int (*init)(const struct nj_authmap_host *host, struct nj_error *err);
    /* main, at exit, when every instance is gone.  Threads of the mapper must have ended when it
     * returns. */
    void (*fini)(void);

    /* main.  Are these options good?  Called by a start, a reload and `-t`: reaches for nothing
     * outside (network, files that change).  `options` is a map, empty when the configuration gives
     * none, and borrowed for the call.  NJ_OK; or NJ_E_INVALID after at least one report->error(). */
    int (*check)(const struct nj_authmap_value *options, const struct nj_authmap_report *report);

    /* main.  Make an instance of options that check() found good; borrowed for the call.  A reload
     * makes a new instance while the old one finishes what it was asked: both live for a while, and
     * a plug-in that stands twice in the list has two.  *inst_out may be NULL when there is nothing
     * to keep.  NJ_OK, or negative with `err`. */
    int (*instance_new)(const struct nj_authmap_value *options,
                        struct nj_authmap_instance **inst_out, struct nj_error *err);
    /* main.  No handle of the instance is open: all were answered or cancelled, and decide() will
     * not be called with it again.  A thread that still works for it must be waited for here. */
    void (*instance_free)(struct nj_authmap_instance *inst);

    /*
     * worker.  Who is this?  NJ_OK: answer() was or will be called with `handle`; nothing is held
     * back meanwhile but this one peer, until its time is up.  Negative: the mapper failed; the peer
     * is refused, and `err` is logged.  A handle is a number that means nothing but this question,
     * never 0, and never given again.
     */
    int (*decide)(struct nj_authmap_instance *inst, const struct nj_authmap_facts *facts,
                  uint64_t handle, struct nj_error *err);
    /* worker.  The peer has left, or time is up: nobody waits for `handle` any more.  Never called
     * for one that was answered, nor from inside decide().  An answer may be on its way while this
     * is called; it is dropped.  Optional: NULL when a mapper always answers inside decide(). */
    void (*cancel)(struct nj_authmap_instance *inst, uint64_t handle);
};

/* Is a slot there?  `p` is a mapper's table. */
#define NJ_AUTHMAP_HAS(p, slot) (NJ_FIELD(struct nj_authmap, (p), slot) && (p)->slot != NULL)

/* ---- for mappers, inline ---------------------------------------------------------------------- */

/* The member `key` of a map, NULL when there is none. */
static inline const struct nj_authmap_value *nj_authmap_get(const struct nj_authmap_value *map,
                                                            const char *key)
{
    for (size_t i = 0; map->type == NJ_VALUE_MAP && i < map->items_n; i++) {
        if (map->items[i]->key != NULL && strcmp(map->items[i]->key, key) == 0) {
            return map->items[i];
        }
    }
    return NULL;
}

/* Is it of that type: "CN", "dns", or "2.5.4.3"? */
static inline int nj_authmap_name_is(const struct nj_authmap_name *name, const char *type)
{
    return strcmp(name->type, type) == 0 || (name->oid != NULL && strcmp(name->oid, type) == 0);
}

/* The first name of that type, NULL when there is none. */
static inline const struct nj_authmap_name *nj_authmap_name_of(const struct nj_authmap_facts *facts,
                                                               const char *type)
{
    for (size_t i = 0; i < facts->names_n; i++) {
        if (nj_authmap_name_is(facts->names[i], type)) {
            return facts->names[i];
        }
    }
    return NULL;
}

#ifdef __cplusplus
}
#endif
#endif
