/*
 * tls_provider.h: what every TLS provider would otherwise write again: the reference server's
 * words for alerts and for faults of certificates, and the check of settings.
 *
 * For provider authors only, and optional: all of it is inline and none of it is part of the ABI.
 */
#ifndef NATTERJACK_TLS_PROVIDER_H
#define NATTERJACK_TLS_PROVIDER_H

#include "natterjack/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- words ---------------------------------------------------------------------------------- */

/* A row of the tables below. */
struct nj_tls_words {
    uint32_t number; /* alert, or NJ_CLASS_* */
    int32_t alert;   /* what a client hears of a class */
    const char *text;
};

/* "remote error: tls: bad certificate", for a fatal alert that came; returns buf. */
static inline const char *nj_tls_alert_text(int32_t alert, char *buf, size_t cap)
{
    static const struct nj_tls_words names[] = {
        { 0, 0, "close notify" },
        { 10, 0, "unexpected message" },
        { 20, 0, "bad record MAC" },
        { 21, 0, "decryption failed" },
        { 22, 0, "record overflow" },
        { 30, 0, "decompression failure" },
        { 40, 0, "handshake failure" },
        { 42, 0, "bad certificate" },
        { 43, 0, "unsupported certificate" },
        { 44, 0, "revoked certificate" },
        { 45, 0, "expired certificate" },
        { 46, 0, "unknown certificate" },
        { 47, 0, "illegal parameter" },
        { 48, 0, "unknown certificate authority" },
        { 49, 0, "access denied" },
        { 50, 0, "error decoding message" },
        { 51, 0, "error decrypting message" },
        { 60, 0, "export restriction" },
        { 70, 0, "protocol version not supported" },
        { 71, 0, "insufficient security level" },
        { 80, 0, "internal error" },
        { 86, 0, "inappropriate fallback" },
        { 90, 0, "user canceled" },
        { 100, 0, "no renegotiation" },
        { 109, 0, "missing extension" },
        { 110, 0, "unsupported extension" },
        { 111, 0, "certificate unobtainable" },
        { 112, 0, "unrecognized name" },
        { 113, 0, "bad certificate status response" },
        { 114, 0, "bad certificate hash value" },
        { 115, 0, "unknown PSK identity" },
        { 116, 0, "certificate required" },
        { 120, 0, "no application protocol" },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((int64_t) names[i].number == alert) {
            (void) snprintf(buf, cap, "remote error: tls: %s", names[i].text);
            return buf;
        }
    }
    (void) snprintf(buf, cap, "remote error: tls: alert(%d)", (int) alert);
    return buf;
}

/* Words and alert for a class that the check of a chain found; for want of a better fitting one,
 * those of a certificate that is not valid. */
static inline const struct nj_tls_words *nj_tls_class_words(uint32_t cls)
{
    static const struct nj_tls_words classes[] = {
        { NJ_CLASS_UNKNOWN_CA, 48, "x509: certificate signed by unknown authority" },
        { NJ_CLASS_EXPIRED, 45, "x509: certificate has expired or is not yet valid" },
        { NJ_CLASS_NOT_YET, 45, "x509: certificate has expired or is not yet valid" },
        { NJ_CLASS_BAD_EKU, 42, "x509: certificate specifies an incompatible key usage" },
        { NJ_CLASS_NOT_CA, 42, "x509: parent certificate cannot sign this kind of certificate" },
        { NJ_CLASS_BAD_NAME, 42, "x509: certificate is not valid for this name" },
        { NJ_CLASS_REVOKED, 42, "x509: certificate has been revoked" },
        { NJ_CLASS_NONE, 42, "x509: certificate or a signature in its chain is not valid" },
    };
    const struct nj_tls_words *w = classes;
    while (w->number != cls && w->number != NJ_CLASS_NONE) {
        w++;
    }
    return w;
}

/* The reference's rule: 42 for a server's certificate, by reason for a client's. */
static inline int32_t nj_tls_class_alert(uint32_t cls, uint32_t judge)
{
    return judge == NJ_TLS_JUDGE_SERVER ? NJ_ALERT_BAD_CERTIFICATE : nj_tls_class_words(cls)->alert;
}

/* ---- settings ------------------------------------------------------------------------------- */

static inline int nj_tls_listed(const uint16_t *list, size_t n, uint16_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == number) {
            return 1;
        }
    }
    return 0;
}

/* "an OCSP staple is not supported by wolfSSL 5.5.4"; returns NJ_E_UNSUPPORTED. */
static inline int nj_tls_unsupported(struct nj_error *err, const struct nj_tls_about *about,
                                     const char *what)
{
    return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                              "%s is not supported by %s %s", what, about->lib_name,
                              about->lib_version);
}

/*
 * Are the settings whole and in themselves sound, and has the library all their suites and groups?
 * NJ_OK, NJ_E_ABI, NJ_E_INVALID or NJ_E_UNSUPPORTED.
 */
static inline int nj_tls_settings_check(const struct nj_tls_settings *set,
                                        const struct nj_tls_about *about, struct nj_error *err)
{
    char what[48];
    if (!NJ_FIELD(struct nj_tls_settings, set, label)) {
        return nj_error_set(err, NJ_E_ABI, "the settings of the TLS context are cut short");
    }
    if ((set->role & (NJ_TLS_ROLE_ACCEPT | NJ_TLS_ROLE_DIAL)) == 0 || set->suites_n == 0 ||
        set->groups_n == 0 || set->verify > NJ_TLS_VERIFY_REQUIRE || set->identities_n > 1 ||
        set->min_version < NJ_TLS_1_2 || set->max_version > NJ_TLS_1_3 ||
        set->min_version > set->max_version) {
        return nj_error_set(err, NJ_E_INVALID, "the settings of the TLS context do not fit");
    }
    if (set->identities_n == 1 &&
        (set->identities[0]->certs_n == 0 || set->identities[0]->key == NULL)) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_CERT,
                                  "tls: no certificates configured");
    }
    if (set->verify_hook == NULL &&
        (set->verify != NJ_TLS_VERIFY_NONE || (set->role & NJ_TLS_ROLE_DIAL) != 0)) {
        return nj_error_set(err, NJ_E_INVALID, "certificates are checked, but no hook is set");
    }
    for (size_t i = 0; i < set->suites_n; i++) {
        if (!nj_tls_listed(about->suites, about->suites_n, set->suites[i])) {
            (void) snprintf(what, sizeof(what), "cipher suite 0x%04x", (unsigned) set->suites[i]);
            return nj_tls_unsupported(err, about, what);
        }
    }
    for (size_t i = 0; i < set->groups_n; i++) {
        if (!nj_tls_listed(about->groups, about->groups_n, set->groups[i])) {
            (void) snprintf(what, sizeof(what), "key exchange group %u", (unsigned) set->groups[i]);
            return nj_tls_unsupported(err, about, what);
        }
    }
    return NJ_OK;
}

/* Length of a dialled name as SNI has it (RFC 6066 3): without the final dot; 0 for an address. */
static inline size_t nj_tls_sni_len(const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);
    if (len == 0 || strchr(name, ':') != NULL || strspn(name, "0123456789.") == len) {
        return 0;
    }
    return name[len - 1] == '.' ? len - 1 : len;
}

#ifdef __cplusplus
}
#endif
#endif
