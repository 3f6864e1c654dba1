/* tls_block.h: a `tls` block as written.  A plain value; its owner is whoever has it. */
#ifndef NJ_TLS_TLS_BLOCK_H
#define NJ_TLS_TLS_BLOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_TLS_TICKET_ROTATION_NS (INT64_C(12) * 3600 * 1000000000) /* default */

#define NJ_TLS_STRICT_CONFLICT                                                                     \
    "error parsing tls config, 'strict_ciphers' without a TLS 1.3 suite in 'cipher_suites' "       \
    "leaves nothing for 'min_version' 1.3"

/* handshake_first */
enum nj_tls_first {
    NJ_TLS_FIRST_OFF = 0,
    NJ_TLS_FIRST_ALWAYS = 1, /* true */
    NJ_TLS_FIRST_AUTO = 2    /* wait first_delay_ns for a ClientHello, then speak in clear */
};

/* One entry of `certs`. */
struct nj_cert_files {
    char *cert_file;
    char *key_file;
};

/* How `ocsp_peer` judges. */
struct nj_ocsp_rules {
    int64_t ca_timeout_ns; /* of each question; default 2 s */
    int64_t clockskew_ns;  /* tolerance of dates; default 30 s */
    int64_t ttl_unset_ns;  /* how old an answer without nextUpdate may be; default 1 h */
    bool warn_only;        /* log, and let the peer in */
    bool unknown_is_good;
    bool allow_when_ca_unreachable; /* unless it was revoked when last asked */
};

/* A `tls` block as written: file names and numbers, nothing loaded. */
struct nj_tls_block {
    bool present;     /* the block (or a --tls flag) is there, maybe empty */
    char *provider;   /* NULL: tls_provider */
    char *cert_file;  /* NULL with key_file NULL: no certificate */
    char *key_file;
    char *ca_file;    /* NULL: system trust */
    struct nj_cert_files *certs; /* `certs`, instead of cert_file */
    size_t certs_n;
    bool verify;                 /* verify_and_map and verify_known_urls imply it */
    bool verify_known_urls;      /* verify_cert_and_check_known_urls: routes and gateways only */
    bool verify_and_map;         /* the certificate chooses the user: map.h */
    bool insecure;               /* dialling only */
    bool ocsp_peer;              /* ask about certificates of peers */
    struct nj_ocsp_rules ocsp_rules;
    uint16_t min_version;        /* 0x0303 or 0x0304; default 0x0303 */
    uint16_t *suites;            /* IANA, as listed, TLS 1.2 and 1.3; NULL = default list */
    size_t suites_n;
    uint16_t *groups;            /* IANA, as listed; NULL = default list */
    size_t groups_n;
    bool allow_insecure_suites;
    int64_t timeout_ns;          /* handshake; default 2 s */
    char (*pinned)[65];          /* lower-case hex SHA-256 of SPKI; pinned_n = 0: no pinning */
    size_t pinned_n;
    enum nj_tls_first first;
    int64_t first_delay_ns;
    int64_t rate_limit;          /* connection_rate_limit; 0 and less: off */
    int64_t ticket_rotation_ns;  /* own: how often session tickets get a new secret; 0 = default */
    bool strict_ciphers;         /* own: cipher_suites is final, for TLS 1.3 too */
    /* where the block stands, for start-phase messages; file NULL when from flags */
    char *file;
    uint32_t line, col;
};

#endif
