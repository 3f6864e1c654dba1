#include "internal.h"

#include <stdio.h>
#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

struct suite {
    uint16_t id;              /* IANA */
    gnutls_kx_algorithm_t kx; /* GNUTLS_KX_UNKNOWN: TLS 1.3 */
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t mac;
};

/*
 * Every suite that the server has a name for.  GnuTLS names suites by their parts, and in TLS 1.3
 * by the cipher alone.
 */
static const struct suite all_suites[] = {
    /* TLS 1.3 */
    { 0x1301, GNUTLS_KX_UNKNOWN, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_AEAD },
    { 0x1302, GNUTLS_KX_UNKNOWN, GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_AEAD },
    { 0x1303, GNUTLS_KX_UNKNOWN, GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_MAC_AEAD },
    /* TLS 1.2 */
    { 0xc02b, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_AEAD },
    { 0xc02f, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_AEAD },
    { 0xc02c, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_AEAD },
    { 0xc030, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_AEAD },
    { 0xcca9, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_MAC_AEAD },
    { 0xcca8, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_MAC_AEAD },
    { 0xc009, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_AES_128_CBC, GNUTLS_MAC_SHA1 },
    { 0xc013, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_AES_128_CBC, GNUTLS_MAC_SHA1 },
    { 0xc00a, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_AES_256_CBC, GNUTLS_MAC_SHA1 },
    { 0xc014, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_AES_256_CBC, GNUTLS_MAC_SHA1 },
    { 0xc023, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_AES_128_CBC, GNUTLS_MAC_SHA256 },
    { 0xc027, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_AES_128_CBC, GNUTLS_MAC_SHA256 },
    { 0x009c, GNUTLS_KX_RSA, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_AEAD },
    { 0x009d, GNUTLS_KX_RSA, GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_AEAD },
    { 0x002f, GNUTLS_KX_RSA, GNUTLS_CIPHER_AES_128_CBC, GNUTLS_MAC_SHA1 },
    { 0x0035, GNUTLS_KX_RSA, GNUTLS_CIPHER_AES_256_CBC, GNUTLS_MAC_SHA1 },
    { 0x003c, GNUTLS_KX_RSA, GNUTLS_CIPHER_AES_128_CBC, GNUTLS_MAC_SHA256 },
    { 0xc012, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_3DES_CBC, GNUTLS_MAC_SHA1 },
    { 0x000a, GNUTLS_KX_RSA, GNUTLS_CIPHER_3DES_CBC, GNUTLS_MAC_SHA1 },
    { 0xc007, GNUTLS_KX_ECDHE_ECDSA, GNUTLS_CIPHER_ARCFOUR_128, GNUTLS_MAC_SHA1 },
    { 0xc011, GNUTLS_KX_ECDHE_RSA, GNUTLS_CIPHER_ARCFOUR_128, GNUTLS_MAC_SHA1 },
    { 0x0005, GNUTLS_KX_RSA, GNUTLS_CIPHER_ARCFOUR_128, GNUTLS_MAC_SHA1 },
};
#define SUITES_N (sizeof(all_suites) / sizeof(all_suites[0]))

/* Groups go by name, so that hybrids of a newer library are found without its header. */
static const struct {
    uint16_t id; /* IANA */
    const char *name;
} all_groups[] = {
    { 29, "X25519" },
    { 23, "SECP256R1" },
    { 24, "SECP384R1" },
    { 25, "SECP521R1" },
    { 30, "X448" },
    { 4588, "X25519-MLKEM768" },
    { 4587, "SECP256R1-MLKEM768" },
    { 4589, "SECP384R1-MLKEM1024" },
};
#define GROUPS_N (sizeof(all_groups) / sizeof(all_groups[0]))

static uint16_t have_suites[SUITES_N];
static size_t have_suites_n;
static uint16_t have_groups[GROUPS_N];
static size_t have_groups_n;

/* ---- priority strings ------------------------------------------------------------------------ */

struct words {
    char text[3072];
    size_t len;
    bool full;
};

/* Append a word; GnuTLS takes a word that comes again for nothing new. */
static void words_add(struct words *w, const char *prefix, const char *name)
{
    char word[64];
    int n = snprintf(word, sizeof(word), "%s%s", prefix, name);
    if (n < 0 || (size_t) n >= sizeof(word) || w->len + (size_t) n + 1 > sizeof(w->text)) {
        w->full = true;
        return;
    }
    memcpy(w->text + w->len, word, (size_t) n + 1);
    w->len += (size_t) n;
}

static void words_add_suite(struct words *w, const struct suite *suite)
{
    const char *mac = suite->mac == GNUTLS_MAC_AEAD ? "AEAD" : gnutls_mac_get_name(suite->mac);
    words_add(w, ":+", gnutls_cipher_get_name(suite->cipher));
    words_add(w, ":+", mac);
    if (suite->kx != GNUTLS_KX_UNKNOWN) {
        words_add(w, ":+", gnutls_kx_get_name(suite->kx));
    }
}

/* Can a server with this key use the TLS 1.2 suite? */
static bool key_fits(gnutls_pk_algorithm_t key, gnutls_kx_algorithm_t kx)
{
    if (key == GNUTLS_PK_UNKNOWN) {
        return true;
    }
    return key == GNUTLS_PK_RSA || key == GNUTLS_PK_RSA_PSS
               ? kx == GNUTLS_KX_RSA || kx == GNUTLS_KX_ECDHE_RSA
               : kx == GNUTLS_KX_ECDHE_ECDSA;
}

/* `id` is one of those that about() tells: the settings were checked against them. */
static const struct suite *find_suite(uint16_t id)
{
    size_t i = 0;
    while (i + 1 < SUITES_N && all_suites[i].id != id) {
        i++;
    }
    return &all_suites[i];
}

static void words_build(struct words *w, const struct nj_tls_ctx *ctx, unsigned versions,
                        gnutls_pk_algorithm_t key)
{
    w->len = (size_t) snprintf(w->text, sizeof(w->text), "NONE");
    w->full = false;
    if ((versions & NJ_GT_1_3) != 0) {
        words_add(w, ":+", "VERS-TLS1.3");
    }
    if ((versions & NJ_GT_1_2) != 0) {
        words_add(w, ":+", "VERS-TLS1.2");
    }
    for (size_t i = 0; i < ctx->suites_n; i++) {
        const struct suite *suite = find_suite(ctx->suites[i]);
        bool is_1_3 = suite->kx == GNUTLS_KX_UNKNOWN;
        if ((versions & (is_1_3 ? NJ_GT_1_3 : NJ_GT_1_2)) != 0 &&
            (is_1_3 || key_fits(key, suite->kx))) {
            words_add_suite(w, suite);
        }
    }
    for (size_t i = 0; i < ctx->groups_n; i++) {
        for (size_t g = 0; g < GROUPS_N; g++) {
            if (all_groups[g].id == ctx->groups[i]) {
                words_add(w, ":+GROUP-", all_groups[g].name);
            }
        }
    }
    words_add(w, ":+", "SIGN-ALL");
    /* TLS 1.2 would still sign with SHA-1 for who asks for it, and take such a signature. */
    words_add(w, ":-", "SIGN-RSA-SHA1");
    words_add(w, ":-", "SIGN-ECDSA-SHA1");
    words_add(w, ":+", "COMP-NULL");
    words_add(w, ":+", "CTYPE-X509");
    if ((ctx->role & NJ_TLS_ROLE_ACCEPT) != 0) {
        words_add(w, ":", "%SERVER_PRECEDENCE");
    }
}

int nj_gt_priority_new(const struct nj_tls_ctx *ctx, unsigned versions, gnutls_pk_algorithm_t key,
                       gnutls_priority_t *prio_out, struct nj_error *err)
{
    struct words w;
    words_build(&w, ctx, versions, key);
    int rc = w.full ? GNUTLS_E_SHORT_MEMORY_BUFFER : gnutls_priority_init(prio_out, w.text, NULL);
    if (rc < 0) {
        return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                                  "gnutls: cipher suites and groups are refused by the library: %s"
                                  " (%s)",
                                  gnutls_strerror(rc), w.text);
    }
    return NJ_OK;
}

/* ---- what the loaded library has ------------------------------------------------------------- */

/* A suite is there when a priority made of it alone has it (a site's policy may forbid it). */
static bool suite_works(const struct suite *suite)
{
    gnutls_priority_t prio = NULL;
    struct words w = { .len = 0 };
    unsigned unused = 0;
    (void) snprintf(w.text, sizeof(w.text), "NONE:+VERS-TLS1.%d",
                    suite->kx == GNUTLS_KX_UNKNOWN ? 3 : 2);
    w.len = strlen(w.text);
    words_add_suite(&w, suite);
    words_add(&w, ":+", "GROUP-ALL");
    words_add(&w, ":+", "SIGN-ALL");
    words_add(&w, ":+", "CTYPE-X509");
    if (gnutls_priority_init(&prio, w.text, NULL) < 0) {
        return false;
    }
    /* "unknown" at the first places are signalling values, not suites */
    int rc = GNUTLS_E_UNKNOWN_CIPHER_SUITE;
    for (unsigned i = 0; rc == GNUTLS_E_UNKNOWN_CIPHER_SUITE; i++) {
        rc = gnutls_priority_get_cipher_suite_index(prio, i, &unused);
    }
    gnutls_priority_deinit(prio);
    return rc == 0;
}

void nj_gt_suites_probe(void)
{
    have_suites_n = have_groups_n = 0;
    for (size_t i = 0; i < SUITES_N; i++) {
        if (suite_works(&all_suites[i])) {
            have_suites[have_suites_n++] = all_suites[i].id;
        }
    }
    for (size_t i = 0; i < GROUPS_N; i++) {
        if (gnutls_group_get_id(all_groups[i].name) != GNUTLS_GROUP_INVALID) {
            have_groups[have_groups_n++] = all_groups[i].id;
        }
    }
}

bool nj_gt_suite_is_1_3(uint16_t id)
{
    return id >= 0x1301 && id <= 0x13ff;
}

/* In the lax modes the library has its module and yet does what it must not. */
static bool fips_is_strict(void)
{
    return gnutls_fips140_mode_enabled() == GNUTLS_FIPS140_STRICT;
}

void nj_gt_about(struct nj_tls_about *out)
{
    struct nj_tls_about a = { .size = out->size < sizeof(a) ? out->size : (uint32_t) sizeof(a) };
    a.lib_name = "GnuTLS";
    a.lib_version = gnutls_check_version(NULL);
    a.lib_compiled = GNUTLS_VERSION;
    a.fips = fips_is_strict() ? "fips-build, status ok (certificate not asserted)" : "none";
    a.suites = have_suites;
    a.suites_n = have_suites_n;
    a.groups = have_groups;
    a.groups_n = have_groups_n;
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

uint64_t nj_gt_caps(void)
{
    uint64_t bits = NJ_TLS_CAP_STAPLE | NJ_TLS_CAP_TICKETS | NJ_TLS_CAP_RESUME_KEEPS_CERT |
                    NJ_TLS_CAP_SERVER_PREFERENCE | NJ_TLS_CAP_GROUP_ORDER | NJ_TLS_CAP_GROUPS_1_2 |
                    NJ_TLS_CAP_ALPN;
    for (size_t i = 0; i < have_suites_n; i++) {
        bits |= nj_gt_suite_is_1_3(have_suites[i]) ? NJ_TLS_CAP_TLS13 | NJ_TLS_CAP_KEY_UPDATE
                                                   : NJ_TLS_CAP_TLS12;
    }
    if (fips_is_strict()) {
        bits |= NJ_TLS_CAP_FIPS_ACTIVE;
    }
    if (has_aes_instructions()) {
        bits |= NJ_TLS_CAP_AES_ASM;
    }
    return bits;
}

/* ---- what was negotiated --------------------------------------------------------------------- */

uint16_t nj_gt_suite_of(gnutls_session_t tls)
{
    gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(tls);
    gnutls_mac_algorithm_t mac = gnutls_mac_get(tls);
    gnutls_kx_algorithm_t kx = GNUTLS_KX_UNKNOWN;
    if (gnutls_protocol_get_version(tls) != GNUTLS_TLS1_3) {
        kx = gnutls_kx_get(tls);
    }
    for (size_t i = 0; i < SUITES_N; i++) {
        if (all_suites[i].kx == kx && all_suites[i].cipher == cipher && all_suites[i].mac == mac) {
            return all_suites[i].id;
        }
    }
    return 0;
}

uint16_t nj_gt_group_of(gnutls_session_t tls)
{
    const char *name = gnutls_group_get_name(gnutls_group_get(tls));
    for (size_t i = 0; name != NULL && i < GROUPS_N; i++) {
        if (strcmp(all_groups[i].name, name) == 0) {
            return all_groups[i].id;
        }
    }
    return 0;
}
