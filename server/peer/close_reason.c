#include "peer/close_reason.h"

#include <stddef.h>

static const struct nj_close_words table[NJ_CLOSE_REASONS] = {
    [NJ_CLOSE_NONE] = { "Unknown State", NULL, true },
    [NJ_CLOSE_CLIENT] = { "Client Closed", NULL, false },
    [NJ_CLOSE_AUTH_TIMEOUT] = { "Authentication Timeout", "Authentication Timeout", true },
    [NJ_CLOSE_AUTH_VIOLATION] = { "Authentication Failure", "Authorization Violation", true },
    [NJ_CLOSE_AUTH_EXPIRED] = { "Authentication Expired", "User Authentication Expired", true },
    [NJ_CLOSE_TLS_HANDSHAKE] = { "TLS Handshake Failure", NULL, true },
    [NJ_CLOSE_SLOW_PENDING] = { "Slow Consumer (Pending Bytes)", NULL, false },
    [NJ_CLOSE_SLOW_DEADLINE] = { "Slow Consumer (Write Deadline)", NULL, false },
    [NJ_CLOSE_WRITE] = { "Write Error", NULL, false },
    [NJ_CLOSE_READ] = { "Read Error", NULL, false },
    [NJ_CLOSE_PARSE] = { "Parse Error", NULL, true },
    [NJ_CLOSE_STALE] = { "Stale Connection", "Stale Connection", true },
    [NJ_CLOSE_PROTOCOL] = { "Protocol Violation", NULL, true },
    [NJ_CLOSE_UNKNOWN_OP] = { "Protocol Violation", "Unknown Protocol Operation", true },
    [NJ_CLOSE_BAD_PROTOCOL] = { "Bad Client Protocol Version", "invalid client protocol", true },
    [NJ_CLOSE_MAX_CONNECTIONS] = { "Maximum Connections Exceeded", "maximum connections exceeded",
                                   true },
    [NJ_CLOSE_MAX_PAYLOAD] = { "Maximum Message Payload Exceeded", "Maximum Payload Violation",
                               true },
    [NJ_CLOSE_MAX_CONTROL_LINE] = { "Maximum Control Line Exceeded",
                                    "maximum control line exceeded", true },
    [NJ_CLOSE_MAX_SUBS] = { "Maximum Subscriptions Exceeded", "maximum subscriptions exceeded",
                            true },
    [NJ_CLOSE_SERVER_SHUTDOWN] = { "Server Shutdown", NULL, true },
    [NJ_CLOSE_NO_RESPONDERS_HEADERS] = { "No Responders Requires Headers",
                                         "no responders requires headers support", true },
    [NJ_CLOSE_TLS_THROTTLED] = { "Maximum Connections Exceeded",
                                 "Connection throttling is active. Please try again later.", true },
};

const struct nj_close_words *nj_close_words(enum nj_close_reason reason)
{
    return &table[reason < NJ_CLOSE_REASONS ? reason : NJ_CLOSE_NONE];
}
