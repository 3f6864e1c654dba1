/*
 * entry.c: the door of the wolfSSL provider, and what the loaded library can do.
 */
#include "wolf.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#ifdef HAVE_FIPS
#include <wolfssl/wolfcrypt/fips_test.h>
#endif

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

const struct nj_host *nj_wolf_host;
static bool aes_asm; /* immutable after init */

static int init(const struct nj_host *host, struct nj_error *err)
{
    nj_wolf_host = host;
    int rc = wolfSSL_Init();
    if (rc != WOLFSSL_SUCCESS) {
        nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "wolfSSL %s did not start: %s",
                           wolfSSL_lib_version(), nj_wolf_reason(rc));
        return NJ_E_FAILED;
    }
#ifdef HAVE_FIPS
    rc = wolfCrypt_GetStatus_fips();
    if (rc != 0) {
        (void) wolfSSL_Cleanup();
        return nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL,
                                  "the FIPS module of wolfSSL failed its tests: %s",
                                  nj_wolf_reason(rc));
    }
#endif
    if (wc_SetTimeCb(nj_wolf_clock) != 0) {
        (void) wolfSSL_Cleanup();
        return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                                  "wolfSSL does not take the server's clock");
    }
    nj_wolf_names_load();
    aes_asm = nj_wolf_aes_measure();
    return NJ_OK;
}

static void fini(void)
{
    (void) wc_SetTimeCb(NULL);
    (void) wolfSSL_Cleanup();
}

static void about(struct nj_tls_about *out)
{
    /* Where the library picks, it says "bad certificate" whatever was wished. */
    static const int32_t refuse_alerts[] = { NJ_ALERT_BAD_CERTIFICATE };
    struct nj_tls_about facts = {
        .lib_name = "wolfSSL",
        .lib_version = wolfSSL_lib_version(),
        .lib_compiled = LIBWOLFSSL_VERSION_STRING,
#ifdef HAVE_FIPS
        .fips = "fips-build, status ok (certificate not asserted)",
#else
        .fips = "none",
#endif
        .refuse_alerts = refuse_alerts,
        .refuse_alerts_n = nj_wolf_alert_any() ? 0 : 1,
    };
    uint32_t size = out->size;

    facts.suites = nj_wolf_suites(&facts.suites_n);
    facts.groups = nj_wolf_groups(&facts.groups_n);
    memcpy(out, &facts, size < sizeof(facts) ? size : sizeof(facts));
    out->size = size;
}

static uint64_t caps(void)
{
    uint64_t bits =
        NJ_TLS_CAP_TLS12 | NJ_TLS_CAP_TLS13 | NJ_TLS_CAP_SERVER_PREFERENCE | NJ_TLS_CAP_KEY_UPDATE;
#if NJ_WOLF_TICKETS
    bits |= NJ_TLS_CAP_TICKETS;
#endif
#ifdef HAVE_ALPN
    bits |= NJ_TLS_CAP_ALPN;
#endif
#ifdef HAVE_FIPS
    bits |= NJ_TLS_CAP_FIPS_ACTIVE;
#endif
    return aes_asm ? bits | NJ_TLS_CAP_AES_ASM : bits;
}

/* Each thread grows caches of its own, of the curve points up to 12 MB, and would leave them. */
static void thread_detach(void)
{
#if defined(FP_ECC) && defined(HAVE_ECC)
    wc_ecc_fp_free();
#endif
#ifdef OPENSSL_EXTRA
    wolfSSL_ERR_remove_state(0);
#endif
}

static const struct nj_tls_provider provider = {
    .size = sizeof(provider),
    .init = init,
    .fini = fini,
    .about = about,
    .caps = caps,
    .thread_detach = thread_detach,
    .ctx_new = nj_wolf_ctx_new,
    .ctx_ref = nj_wolf_ctx_ref,
    .ctx_unref = nj_wolf_ctx_unref,
    .accept = nj_wolf_accept,
    .dial = nj_wolf_dial,
    .handshake = nj_wolf_handshake,
    .open = nj_wolf_open,
    .has_plain = nj_wolf_has_plain,
    .seal = nj_wolf_seal,
    .close_notify = nj_wolf_close_notify,
    .abort = nj_wolf_abort,
    .in_eof = nj_wolf_in_eof,
    .info = nj_wolf_info,
    .peer_chain = nj_wolf_peer_chain,
    .drop_peer = nj_wolf_drop_peer,
    .error = nj_wolf_error,
    .free = nj_wolf_session_free,
    .verify_chain = nj_wolf_verify_chain,
    .crypto = &nj_wolf_crypto,
    .key_update = nj_wolf_key_update,
};

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = "wolfssl",
    .version = PACKAGE_VERSION,
    .iface = &provider,
};

const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}
