/*
 * names.h: IANA numbers of TLS and the names that people write and read for them.
 *
 * Everything is static; any thread.
 */
#ifndef NJ_TLS_NAMES_H
#define NJ_TLS_NAMES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_tls_suite {
    uint16_t id;
    const char *name; /* IANA's */
    bool secure;      /* without allow_insecure_cipher_suites */
    bool tls13;       /* TLS 1.3 only; else TLS 1.2 only */
};

/* The suites that the configuration knows, most wanted first; insecure ones last. */
const struct nj_tls_suite *nj_tls_suites(size_t *n_out);

/* NULL when unknown.  Names are matched exactly. */
const struct nj_tls_suite *nj_tls_suite_by_name(const char *name);
const struct nj_tls_suite *nj_tls_suite_by_id(uint16_t id);

/* "TLS_AES_128_GCM_SHA256"; of an unknown one "0x1305" (written to `spare`). */
const char *nj_tls_suite_name(uint16_t id, char spare[8]);

struct nj_tls_group {
    uint16_t id;
    const char *name; /* as in curve_preferences */
};

/* Most wanted first: the default of curve_preferences. */
const struct nj_tls_group *nj_tls_groups(size_t *n_out);
const struct nj_tls_group *nj_tls_group_by_name(const char *name);
const struct nj_tls_group *nj_tls_group_by_id(uint16_t id);
const char *nj_tls_group_name(uint16_t id, char spare[8]);

/* "1.2", "1.3"; of others "1.1", "1.0", "Unknown [hex]" (written to `spare`). */
const char *nj_tls_version_text(uint16_t version, char spare[24]);

/* "bad certificate"; of an unknown one "alert(200)" (written to `spare`).  A peer's alert reads
 * "remote error: tls: bad certificate" in the log. */
const char *nj_tls_alert_text(int32_t alert, char spare[24]);

#endif
