#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#ifndef NJ_VERSION
#define NJ_VERSION "0.1.0"
#endif

#define OLDEST_LIBRARY "3.7.2" /* tls-exporter channel binding */

const struct nj_host *nj_gt_host;

void nj_gt_log(uint32_t level, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    nj_gt_host->log(level, text);
}

/* GnuTLS's clock: the server's, or the moment that verify_chain() was asked about. */
static time_t host_time(time_t *t)
{
    int64_t now_s = nj_gt_judge_time_s != 0 ? nj_gt_judge_time_s : nj_gt_host->now_s();
    if (t != NULL) {
        *t = (time_t) now_s;
    }
    return (time_t) now_s;
}

static int init(const struct nj_host *host, struct nj_error *err)
{
    if (!NJ_FIELD(struct nj_host, host, now_s)) {
        return nj_error_set(err, NJ_E_ABI, "gnutls: host table of %u bytes, %zu are needed",
                            host->size, sizeof(*host));
    }
    if (gnutls_check_version(OLDEST_LIBRARY) == NULL) {
        return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                                  "gnutls: version %s is loaded, %s or later is needed",
                                  gnutls_check_version(NULL), OLDEST_LIBRARY);
    }
    nj_gt_host = host;
    int rc = gnutls_global_init();
    if (rc < 0) {
        return nj_gt_error_lib(err, rc);
    }
    gnutls_global_set_time_function(host_time);
    nj_gt_suites_probe();
    return NJ_OK;
}

static void fini(void)
{
    gnutls_global_set_time_function(time);
    gnutls_global_deinit();
}

static void about(struct nj_tls_about *out)
{
    struct nj_tls_about a = { .size = out->size < sizeof(a) ? out->size : (uint32_t) sizeof(a) };
    a.lib_name = "GnuTLS";
    a.lib_version = gnutls_check_version(NULL);
    a.lib_compiled = GNUTLS_VERSION;
    a.fips =
        gnutls_fips140_mode_enabled() ? "fips-build, mode on (certificate not asserted)" : "none";
    a.suites = nj_gt_suites_list(&a.suites_n);
    a.groups = nj_gt_groups_list(&a.groups_n);
    memcpy(out, &a, a.size); /* refuse_alerts: none listed = all can be sent */
}

static bool has_aes_instructions(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & (1UL << 3)) != 0; /* HWCAP_AES */
#else
    return false;
#endif
}

static uint64_t caps(void)
{
    uint64_t bits = NJ_TLS_CAP_STAPLE | NJ_TLS_CAP_TICKETS | NJ_TLS_CAP_RESUME_KEEPS_CERT |
                    NJ_TLS_CAP_SERVER_PREFERENCE | NJ_TLS_CAP_GROUP_ORDER | NJ_TLS_CAP_GROUPS_1_2 |
                    NJ_TLS_CAP_ALPN;
    size_t n = 0;
    const uint16_t *suites = nj_gt_suites_list(&n);
    for (size_t i = 0; i < n; i++) {
        bits |= nj_gt_suite_is_1_3(suites[i]) ? NJ_TLS_CAP_TLS13 | NJ_TLS_CAP_KEY_UPDATE
                                              : NJ_TLS_CAP_TLS12;
    }
    if (gnutls_fips140_mode_enabled()) {
        bits |= NJ_TLS_CAP_FIPS_ACTIVE;
    }
    if (has_aes_instructions()) {
        bits |= NJ_TLS_CAP_AES_ASM;
    }
    return bits;
}

static const struct nj_tls_provider provider = {
    .size = sizeof(struct nj_tls_provider),
    .init = init,
    .fini = fini,
    .about = about,
    .caps = caps,
    .ctx_new = nj_gt_ctx_new,
    .ctx_ref = nj_gt_ctx_ref,
    .ctx_unref = nj_gt_ctx_unref,
    .accept = nj_gt_accept,
    .dial = nj_gt_dial,
    .handshake = nj_gt_handshake,
    .open = nj_gt_open,
    .has_plain = nj_gt_has_plain,
    .seal = nj_gt_seal,
    .close_notify = nj_gt_close_notify,
    .abort = nj_gt_abort,
    .in_eof = nj_gt_in_eof,
    .info = nj_gt_info,
    .peer_chain = nj_gt_peer_chain,
    .drop_peer = nj_gt_drop_peer,
    .error = nj_gt_error,
    .free = nj_gt_free,
    .verify_chain = nj_gt_verify_chain,
    .crypto = &nj_gt_crypto,
    .key_update = nj_gt_key_update,
    .peer_staple = nj_gt_peer_staple,
};

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(struct nj_plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = "gnutls",
    .version = NJ_VERSION,
    .iface = &provider,
};

const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}
