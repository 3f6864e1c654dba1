#include "tls/names.h"

#include <stdio.h>
#include <string.h>

#include "natterjack/tls.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct nj_tls_suite suites[] = {
    /* TLS 1.3, RFC 8446 B.4 */
    { 0x1301, "TLS_AES_128_GCM_SHA256", true, true },
    { 0x1302, "TLS_AES_256_GCM_SHA384", true, true },
    { 0x1303, "TLS_CHACHA20_POLY1305_SHA256", true, true },
    /* TLS 1.2: AEAD before CBC, 128 before 256 bits */
    { 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true, false },
    { 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true, false },
    { 0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", true, false },
    { 0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", true, false },
    { 0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", true, false },
    { 0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", true, false },
    { 0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", true, false },
    { 0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", true, false },
    { 0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", true, false },
    { 0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", true, false },
    /* only with allow_insecure_cipher_suites */
    { 0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", false, false },
    { 0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", false, false },
    { 0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256", false, false },
    { 0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384", false, false },
    { 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA", false, false },
    { 0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", false, false },
    { 0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256", false, false },
    { 0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", false, false },
    { 0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", false, false },
    { 0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", false, false },
    { 0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA", false, false },
    { 0x0005, "TLS_RSA_WITH_RC4_128_SHA", false, false },
};

static const struct nj_tls_group groups[] = {
    { 4588, "X25519MLKEM768" },    { 4589, "SecP384r1MLKEM1024" },
    { 4587, "SecP256r1MLKEM768" }, { 29, "X25519" },
    { 23, "CurveP256" },           { 24, "CurveP384" },
    { 25, "CurveP521" },
};

static const struct alert {
    int32_t number;
    const char *text;
} alerts[] = {
    { 0, "close notify" },
    { 10, "unexpected message" },
    { 20, "bad record MAC" },
    { 21, "decryption failed" },
    { 22, "record overflow" },
    { 30, "decompression failure" },
    { 40, "handshake failure" },
    { 42, "bad certificate" },
    { 43, "unsupported certificate" },
    { 44, "revoked certificate" },
    { 45, "expired certificate" },
    { 46, "unknown certificate" },
    { 47, "illegal parameter" },
    { 48, "unknown certificate authority" },
    { 49, "access denied" },
    { 50, "error decoding message" },
    { 51, "error decrypting message" },
    { 60, "export restriction" },
    { 70, "protocol version not supported" },
    { 71, "insufficient security level" },
    { 80, "internal error" },
    { 86, "inappropriate fallback" },
    { 90, "user canceled" },
    { 100, "no renegotiation" },
    { 109, "missing extension" },
    { 110, "unsupported extension" },
    { 111, "certificate unobtainable" },
    { 112, "unrecognized name" },
    { 113, "bad certificate status response" },
    { 114, "bad certificate hash value" },
    { 115, "unknown PSK identity" },
    { 116, "certificate required" },
    { 120, "no application protocol" },
    { 121, "encrypted client hello required" },
};

const struct nj_tls_suite *nj_tls_suites(size_t *n_out)
{
    *n_out = COUNT(suites);
    return suites;
}

const struct nj_tls_suite *nj_tls_suite_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT(suites); i++) {
        if (strcmp(suites[i].name, name) == 0) {
            return &suites[i];
        }
    }
    return NULL;
}

const struct nj_tls_suite *nj_tls_suite_by_id(uint16_t id)
{
    for (size_t i = 0; i < COUNT(suites); i++) {
        if (suites[i].id == id) {
            return &suites[i];
        }
    }
    return NULL;
}

const char *nj_tls_suite_name(uint16_t id, char spare[8])
{
    const struct nj_tls_suite *suite = nj_tls_suite_by_id(id);
    if (suite != NULL) {
        return suite->name;
    }
    (void) snprintf(spare, 8, "0x%04X", id);
    return spare;
}

const struct nj_tls_group *nj_tls_groups(size_t *n_out)
{
    *n_out = COUNT(groups);
    return groups;
}

const struct nj_tls_group *nj_tls_group_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (strcmp(groups[i].name, name) == 0) {
            return &groups[i];
        }
    }
    return NULL;
}

const struct nj_tls_group *nj_tls_group_by_id(uint16_t id)
{
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (groups[i].id == id) {
            return &groups[i];
        }
    }
    return NULL;
}

const char *nj_tls_group_name(uint16_t id, char spare[8])
{
    const struct nj_tls_group *group = nj_tls_group_by_id(id);
    if (group != NULL) {
        return group->name;
    }
    (void) snprintf(spare, 8, "%u", id);
    return spare;
}

const char *nj_tls_version_text(uint16_t version, char spare[24])
{
    switch (version) {
    case 0x0301:
        return "1.0";
    case 0x0302:
        return "1.1";
    case NJ_TLS_1_2:
        return "1.2";
    case NJ_TLS_1_3:
        return "1.3";
    default:
        (void) snprintf(spare, 24, "Unknown [0x%x]", version);
        return spare;
    }
}

const char *nj_tls_alert_text(int32_t alert, char spare[24])
{
    for (size_t i = 0; i < COUNT(alerts); i++) {
        if (alerts[i].number == alert) {
            return alerts[i].text;
        }
    }
    (void) snprintf(spare, 24, "alert(%d)", (int) alert);
    return spare;
}
