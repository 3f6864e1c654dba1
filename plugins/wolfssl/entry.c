/*
 * entry.c: the door of the wolfSSL provider, and what the loaded library can: suites and groups by
 * IANA number and by the library's name, capabilities.
 */
#include "wolf.h"

#include <strings.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

const struct nj_host *nj_wolf_host;
static bool aes_asm; /* immutable after init */

/* ---- suites and groups: IANA numbers here, names in the library ------------------------------ */

/* A row of the tables: the IANA number and the library's name. */
struct name {
    uint16_t id;
    const char *text;
};

static const struct name suite_names[] = {
    { 0x1301, "TLS13-AES128-GCM-SHA256" },
    { 0x1302, "TLS13-AES256-GCM-SHA384" },
    { 0x1303, "TLS13-CHACHA20-POLY1305-SHA256" },
    { 0xc009, "ECDHE-ECDSA-AES128-SHA" },
    { 0xc00a, "ECDHE-ECDSA-AES256-SHA" },
    { 0xc013, "ECDHE-RSA-AES128-SHA" },
    { 0xc014, "ECDHE-RSA-AES256-SHA" },
    { 0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256" },
    { 0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384" },
    { 0xc02f, "ECDHE-RSA-AES128-GCM-SHA256" },
    { 0xc030, "ECDHE-RSA-AES256-GCM-SHA384" },
    { 0xcca8, "ECDHE-RSA-CHACHA20-POLY1305" },
    { 0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305" },
    { 0x0005, "RC4-SHA" },
    { 0x000a, "DES-CBC3-SHA" },
    { 0x002f, "AES128-SHA" },
    { 0x0035, "AES256-SHA" },
    { 0x003c, "AES128-SHA256" },
    { 0x009c, "AES128-GCM-SHA256" },
    { 0x009d, "AES256-GCM-SHA384" },
    { 0xc007, "ECDHE-ECDSA-RC4-SHA" },
    { 0xc011, "ECDHE-RSA-RC4-SHA" },
    { 0xc012, "ECDHE-RSA-DES-CBC3-SHA" },
    { 0xc023, "ECDHE-ECDSA-AES128-SHA256" },
    { 0xc027, "ECDHE-RSA-AES128-SHA256" },
};

static const struct name group_names[] = {
    { 29, "X25519" },
    { 23, "SECP256R1" },
    { 24, "SECP384R1" },
    { 25, "SECP521R1" },
    { 4588, "X25519MLKEM768" },
    { 4587, "SecP256r1MLKEM768" },
    { 4589, "SecP384r1MLKEM1024" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint16_t suites[COUNT(suite_names)]; /* immutable after init, like the other three */
static size_t suites_n;
static uint16_t groups[COUNT(group_names)];
static size_t groups_n;

static bool group_present(uint16_t id)
{
    switch (id) {
#ifdef HAVE_CURVE25519
    case 29:
        return true;
#endif
    case 23:
        return wc_ecc_get_curve_idx(ECC_SECP256R1) >= 0;
    case 24:
        return wc_ecc_get_curve_idx(ECC_SECP384R1) >= 0;
    case 25:
        return wc_ecc_get_curve_idx(ECC_SECP521R1) >= 0;
#if defined(WOLFSSL_HAVE_MLKEM) && LIBWOLFSSL_VERSION_HEX >= 0x05008004
    case WOLFSSL_X25519MLKEM768:
        return true;
#ifdef WOLFSSL_EXTRA_PQC_HYBRIDS
    case WOLFSSL_SECP256R1MLKEM768:
    case WOLFSSL_SECP384R1MLKEM1024:
        return true;
#endif
#endif
    default:
        return false;
    }
}

/* Ask the loaded library which suites and groups it has. */
static void names_load(void)
{
    suites_n = 0;
    for (size_t i = 0; i < COUNT(suite_names); i++) {
        unsigned char hi = 0;
        unsigned char lo = 0;
        int flags = 0;
        if (wolfSSL_get_cipher_suite_from_name(suite_names[i].text, &hi, &lo, &flags) == 0 &&
            ((hi << 8) | lo) == suite_names[i].id) {
            suites[suites_n++] = suite_names[i].id;
        }
    }
    groups_n = 0;
    for (size_t i = 0; i < COUNT(group_names); i++) {
        if (group_present(group_names[i].id)) {
            groups[groups_n++] = group_names[i].id;
        }
    }
}

const char *nj_wolf_suite_name(uint16_t id)
{
    for (size_t i = 0; i < COUNT(suite_names); i++) {
        if (suite_names[i].id == id) {
            return suite_names[i].text;
        }
    }
    return "";
}

uint16_t nj_wolf_group_id(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT(group_names); i++) {
        if (strcasecmp(group_names[i].text, name) == 0) {
            return group_names[i].id;
        }
    }
    return 0;
}

/* ---- the library ---------------------------------------------------------------------------- */

int nj_wolf_init(const struct nj_host *host, struct nj_error *err)
{
    nj_wolf_host = host;
    nj_wolf_fips_watch();
    int rc = wolfSSL_Init();
    if (rc != WOLFSSL_SUCCESS) {
        nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "wolfSSL %s did not start: %s",
                           wolfSSL_lib_version(), nj_wolf_reason(rc));
        return NJ_E_FAILED;
    }
    rc = nj_wolf_fips_begin(err);
    if (rc != NJ_OK) {
        (void) wolfSSL_Cleanup();
        return rc;
    }
    if (wc_SetTimeCb(nj_wolf_clock) != 0) {
        (void) wolfSSL_Cleanup();
        return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                                  "wolfSSL does not take the server's clock");
    }
    names_load();
    aes_asm = nj_wolf_aes_measure();
    return NJ_OK;
}

void nj_wolf_fini(void)
{
    (void) wc_SetTimeCb(NULL);
    (void) wolfSSL_Cleanup();
}

void nj_wolf_about(struct nj_tls_about *out)
{
    /* Where the library picks, it says "bad certificate" whatever was wished. */
    static const int32_t refuse_alerts[] = { NJ_ALERT_BAD_CERTIFICATE };
    struct nj_tls_about facts = {
        .lib_name = "wolfSSL",
        .lib_version = nj_wolf_fips_version(),
        .lib_compiled = LIBWOLFSSL_VERSION_STRING,
        .fips = nj_wolf_fips_label(),
        .suites = suites,
        .suites_n = suites_n,
        .groups = groups,
        .groups_n = groups_n,
        .refuse_alerts = refuse_alerts,
        .refuse_alerts_n = nj_wolf_alert_any() ? 0 : 1,
    };
    uint32_t size = out->size;

    memcpy(out, &facts, size < sizeof(facts) ? size : sizeof(facts));
    out->size = size;
}

uint64_t nj_wolf_caps(void)
{
    uint64_t bits =
        NJ_TLS_CAP_TLS12 | NJ_TLS_CAP_TLS13 | NJ_TLS_CAP_SERVER_PREFERENCE | NJ_TLS_CAP_KEY_UPDATE;
#if NJ_WOLF_TICKETS
    bits |= NJ_TLS_CAP_TICKETS;
#endif
#if NJ_WOLF_STAPLE
    bits |= NJ_TLS_CAP_STAPLE;
#endif
#ifdef HAVE_ALPN
    bits |= NJ_TLS_CAP_ALPN;
#endif
#if NJ_WOLF_FIPS
    bits |= nj_wolf_fips_ask() ? NJ_TLS_CAP_FIPS_ACTIVE : 0;
#endif
    return aes_asm ? bits | NJ_TLS_CAP_AES_ASM : bits;
}

/* Each thread grows caches of its own, of the curve points up to 12 MB, and would leave them.
 * Without thread-local storage there is one for all, whose lock the library would take away. */
void nj_wolf_thread_detach(void)
{
#if defined(FP_ECC) && defined(HAVE_ECC) && defined(HAVE_THREAD_LS)
    wc_ecc_fp_free();
#endif
#ifdef OPENSSL_EXTRA
    wolfSSL_ERR_remove_state(0);
#endif
}

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = "wolfssl",
    .version = PACKAGE_VERSION,
    .iface = &nj_wolf_provider,
};

const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}
