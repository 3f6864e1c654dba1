/*
 * names.c: cipher suites and groups: IANA numbers here, names in the library.
 */
#include "wolf.h"

#include <strings.h>

#include <wolfssl/wolfcrypt/ecc.h>

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

void nj_wolf_names_load(void)
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

const uint16_t *nj_wolf_suites(size_t *n_out)
{
    *n_out = suites_n;
    return suites;
}

const uint16_t *nj_wolf_groups(size_t *n_out)
{
    *n_out = groups_n;
    return groups;
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

bool nj_wolf_listed(const uint16_t *list, size_t n, uint16_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == id) {
            return true;
        }
    }
    return false;
}
