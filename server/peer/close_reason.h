/*
 * close_reason.h: why a connection ended.  One table: the monitoring string (connz `reason` and
 * the log line "Client connection closed: …"), the -ERR text the peer is sent (or none), and
 * whether what is queued is flushed first.
 */
#ifndef NJ_PEER_CLOSE_REASON_H
#define NJ_PEER_CLOSE_REASON_H
#include <stdbool.h>

enum nj_close_reason {
    NJ_CLOSE_NONE,
    NJ_CLOSE_CLIENT,
    NJ_CLOSE_AUTH_TIMEOUT,
    NJ_CLOSE_AUTH_VIOLATION,
    NJ_CLOSE_AUTH_EXPIRED,
    NJ_CLOSE_TLS_HANDSHAKE,
    NJ_CLOSE_SLOW_PENDING,
    NJ_CLOSE_SLOW_DEADLINE,
    NJ_CLOSE_WRITE,
    NJ_CLOSE_READ,
    NJ_CLOSE_PARSE,
    NJ_CLOSE_STALE,
    NJ_CLOSE_PROTOCOL,
    NJ_CLOSE_UNKNOWN_OP, /* a protocol violation that is answered */
    NJ_CLOSE_BAD_PROTOCOL,
    NJ_CLOSE_MAX_CONNECTIONS,
    NJ_CLOSE_MAX_PAYLOAD,
    NJ_CLOSE_MAX_CONTROL_LINE,
    NJ_CLOSE_MAX_SUBS,
    NJ_CLOSE_SERVER_SHUTDOWN,
    NJ_CLOSE_NO_RESPONDERS_HEADERS,
    NJ_CLOSE_TLS_THROTTLED, /* connection_rate_limit */
    NJ_CLOSE_REASONS /* how many */
};

struct nj_close_words {
    const char *reason; /* connz, log */
    const char *err;    /* -ERR text without quotes; NULL: nothing is said */
    bool flush;         /* queued output goes out first */
};

const struct nj_close_words *nj_close_words(enum nj_close_reason reason);

#endif
