#include "peer/handshakes.h"

#include "natterjack/plugin.h"

static const char *const names[NJ_HS_ENDS] = {
    [NJ_HS_FULL] = "full",
    [NJ_HS_RESUMED] = "resumed",
    [NJ_HS_CLOSED] = "closed",
    [NJ_HS_TIMEOUT] = "timeout",
    [NJ_HS_NOT_TLS] = "not_tls",
    [NJ_HS_VERSION] = "version",
    [NJ_HS_SUITE] = "cipher_suite",
    [NJ_HS_GROUP] = "curve",
    [NJ_HS_NO_CERTIFICATE] = "no_certificate",
    [NJ_HS_CERTIFICATE] = "certificate",
    [NJ_HS_NOT_PINNED] = "not_pinned",
    [NJ_HS_PEER_ALERT] = "peer_alert",
    [NJ_HS_BAD_RECORD] = "bad_record",
    [NJ_HS_OTHER] = "other",
    [NJ_HS_THROTTLED] = "throttled",
};

const char *nj_handshake_end_name(enum nj_handshake_end end)
{
    return names[end];
}

enum nj_handshake_end nj_handshake_end_of(const struct nj_error *err)
{
    switch (err->cls) {
    case NJ_CLASS_NO_CERT:
        return NJ_HS_NO_CERTIFICATE;
    case NJ_CLASS_NO_SUITE:
        return NJ_HS_SUITE;
    case NJ_CLASS_NO_GROUP:
        return NJ_HS_GROUP;
    case NJ_CLASS_VERSION:
        return NJ_HS_VERSION;
    case NJ_CLASS_NOT_TLS:
        return NJ_HS_NOT_TLS;
    case NJ_CLASS_PEER_ALERT:
        return NJ_HS_PEER_ALERT;
    case NJ_CLASS_BAD_RECORD:
        return NJ_HS_BAD_RECORD;
    case NJ_CLASS_POLICY:
        return NJ_HS_CERTIFICATE;
    default:
        return err->cls >= NJ_CLASS_UNKNOWN_CA && err->cls <= NJ_CLASS_OCSP ? NJ_HS_CERTIFICATE
                                                                            : NJ_HS_OTHER;
    }
}
