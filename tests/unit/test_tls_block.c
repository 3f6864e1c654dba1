/* From a tls block to a context, with a provider that only notes what it is given. */
#include "tls/block.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "certs.h"
#include "tls/contexts.h"
#include "tls/fips.h"
#include "tls/names.h"
#include "tls/tls_block.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- the provider ---------------------------------------------------------------------------- */

struct nj_tls_ctx {
    int refs;
};

static struct nj_tls_ctx the_ctx; /* all that were made: they are only counted */
static int built;

/* What ctx_new saw. */
static struct {
    struct nj_tls_settings settings;
    uint16_t suites[64];
    uint16_t groups[16];
    uint32_t certs_n;
    uint8_t first_cert[4096];
    size_t first_cert_len;
    size_t key_len;
    char label[256];
    char anchors_label[512];
    bool had_secret, had_previous;
    uint8_t secret[NJ_TLS_TICKET_SECRET_LEN], previous[NJ_TLS_TICKET_SECRET_LEN];
    uint8_t first_secret_byte;
} seen;

static uint64_t mock_caps;
static struct nj_tls_about mock_about;
static struct nj_error refusal; /* code 0: none */

static void mock_about_fn(struct nj_tls_about *out)
{
    *out = mock_about;
}

static uint64_t mock_caps_fn(void)
{
    return mock_caps;
}

static void note_identity(const struct nj_tls_identity *identity)
{
    seen.certs_n = identity->certs_n;
    seen.first_cert_len = identity->certs[0].len;
    memcpy(seen.first_cert, identity->certs[0].ptr, identity->certs[0].len);
    seen.key_len = identity->key->bytes.len;
    (void) snprintf(seen.label, sizeof(seen.label), "%s", identity->label);
}

static int mock_ctx_new(const struct nj_tls_settings *settings, struct nj_tls_ctx **ctx_out,
                        struct nj_error *err)
{
    if (refusal.code != 0) {
        *err = refusal;
        return refusal.code;
    }
    memset(&seen, 0, sizeof(seen));
    seen.settings = *settings;
    memcpy(seen.suites, settings->suites, settings->suites_n * sizeof(uint16_t));
    memcpy(seen.groups, settings->groups, settings->groups_n * sizeof(uint16_t));
    seen.had_secret = settings->ticket_secret != NULL;
    seen.had_previous = settings->ticket_secret_previous != NULL;
    if (seen.had_secret) {
        memcpy(seen.secret, settings->ticket_secret, sizeof(seen.secret));
    }
    if (seen.had_previous) {
        memcpy(seen.previous, settings->ticket_secret_previous, sizeof(seen.previous));
    }
    if (settings->anchors_label != NULL) {
        (void) snprintf(seen.anchors_label, sizeof(seen.anchors_label), "%s",
                        settings->anchors_label);
    }
    seen.first_secret_byte = seen.had_secret ? settings->ticket_secret[0] : 0;
    if (settings->identities_n > 0) {
        note_identity(settings->identities[0]);
    }
    the_ctx.refs++;
    built++;
    *ctx_out = &the_ctx;
    return NJ_OK;
}

static void mock_ctx_ref(struct nj_tls_ctx *ctx)
{
    ctx->refs++;
}

static void mock_ctx_unref(struct nj_tls_ctx *ctx)
{
    ctx->refs--;
}

/* Filled with `random_byte`. */
static uint8_t random_byte;
static int random_rc;

static int mock_random(uint8_t *out, size_t len)
{
    memset(out, random_byte, len);
    return random_rc;
}

/* No SHA-256, but other bytes give another value. */
static int mock_hash(uint32_t alg, const void *data, size_t len, uint8_t *out)
{
    const uint8_t *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325) + alg;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    for (size_t i = 0; i < 32; i += sizeof(h)) {
        memcpy(out + i, &h, sizeof(h));
    }
    return NJ_OK;
}

static const struct nj_tls_crypto mock_crypto = { .size = sizeof(mock_crypto),
                                                  .hash = mock_hash,
                                                  .random = mock_random };

static const struct nj_tls_provider mock = {
    .size = sizeof(mock),
    .about = mock_about_fn,
    .caps = mock_caps_fn,
    .ctx_new = mock_ctx_new,
    .ctx_ref = mock_ctx_ref,
    .ctx_unref = mock_ctx_unref,
    .crypto = &mock_crypto,
};

/* ---- a setup --------------------------------------------------------------------------------- */

static uint16_t all_suites[64];
static uint16_t classic_groups[] = { 23, 24, 25, 29 };
static struct nj_tls_block block;
static struct nj_tls_setup *made;
static struct nj_error err;
static struct nj_buf notes;
static uint32_t role;

static int64_t fixed_clock(void)
{
    return CHECKED_AT;
}

static void keep_note(uint32_t level, const char *text)
{
    (void) nj_buf_printf(&notes, "[%u] %s\n", level, text);
}

static void setup(void)
{
    size_t n = 0;
    const struct nj_tls_suite *suites = nj_tls_suites(&n);
    for (size_t i = 0; i < n; i++) {
        all_suites[i] = suites[i].id;
    }
    mock_about = (struct nj_tls_about){
        .size = sizeof(mock_about),
        .suites = all_suites,
        .suites_n = n,
        .groups = classic_groups,
        .groups_n = COUNT(classic_groups),
    };
    mock_caps = NJ_TLS_CAP_TLS12 | NJ_TLS_CAP_TLS13;
    the_ctx.refs = built = 0;
    role = NJ_TLS_ROLE_ACCEPT;
    refusal = (struct nj_error) NJ_ERROR_INIT;
    err = (struct nj_error) NJ_ERROR_INIT;
    block = (struct nj_tls_block){ .present = true, .min_version = NJ_TLS_1_2 };
    nj_buf_init(&notes, 65536);
    (void) nj_buf_puts(&notes, "");
}

static void teardown(void)
{
    nj_tls_setup_unref(&made);
    nj_dealloc(block.cert_file);
    nj_dealloc(block.key_file);
    nj_dealloc(block.ca_file);
    nj_buf_free(&notes);
}

static void with_pair(const char *cert, const char *key)
{
    nj_dealloc(block.cert_file);
    nj_dealloc(block.key_file);
    block.cert_file = nj_strdup(certs_path(cert));
    block.key_file = nj_strdup(certs_path(key));
}

static void with_ca(const char *ca)
{
    nj_dealloc(block.ca_file);
    block.ca_file = nj_strdup(certs_path(ca));
}

static int make(void)
{
    struct nj_tls_setup_args args = {
        .block = &block,
        .provider = &mock,
        .provider_name = "mock",
        .role = role,
        .label = "client tls block",
        .now_s = fixed_clock,
        .note = keep_note,
    };
    nj_tls_setup_unref(&made);
    return nj_tls_setup_new(&args, &made, &err);
}

static void make_well(void)
{
    ck_assert_msg(make() == NJ_OK, "%s", err.text);
}

static void assert_refused(const char *text)
{
    ck_assert_int_lt(make(), 0);
    ck_assert_str_eq(err.text, text);
    ck_assert_ptr_null(made);
}

static bool saw_suite(uint16_t id)
{
    for (size_t i = 0; i < seen.settings.suites_n; i++) {
        if (seen.suites[i] == id) {
            return true;
        }
    }
    return false;
}

/* ---- files ----------------------------------------------------------------------------------- */

START_TEST(an_empty_block_has_no_identity)
{
    make_well();

    ck_assert_uint_eq(seen.settings.identities_n, 0);
    ck_assert(!made->has_cert);
    ck_assert_int_eq(made->not_after_s, 0);
    ck_assert_uint_eq(seen.settings.verify, NJ_TLS_VERIFY_NONE);
    ck_assert_uint_eq(seen.settings.system_trust, 0);
}
END_TEST

START_TEST(chain_key_and_date_reach_the_provider)
{
    struct certs expected;
    with_pair("chain-inter.pem", "leaf-p256.key");

    make_well();

    certs_load(&expected, "chain-inter");
    ck_assert_uint_eq(seen.settings.identities_n, 1);
    ck_assert_uint_eq(seen.certs_n, 2);
    ck_assert_uint_eq(seen.first_cert_len, expected.certs[0].len);
    ck_assert_mem_eq(seen.first_cert, expected.certs[0].ptr, seen.first_cert_len);
    ck_assert_uint_eq(seen.key_len, 138);
    ck_assert_str_eq(seen.label, block.cert_file);
    ck_assert(made->has_cert);
    ck_assert_int_eq(made->not_after_s, INT64_C(2524607999));
    certs_free(&expected);
}
END_TEST

START_TEST(every_kind_of_key_is_loaded)
{
    static const char *const pairs[][2] = {
        { "leaf-rsa2048.pem", "leaf-rsa2048.key" },
        { "leaf-rsa2048.pem", "form-pkcs1.key" },
        { "leaf-p384.pem", "leaf-p384.key" },
        { "leaf-ed25519.pem", "leaf-ed25519.key" },
        { "leaf-dns.pem", "form-sec1.key" },
        { "leaf-dns.pem", "form-ecparam.key" },
        { "leaf-dns.pem", "form-crlf.key" },
        { "leaf-dns.pem", "form-text-around.key" },
        { "form-text-around.key", "form-text-around.key" }, /* both in one file */
        { "leaf-expired.pem", "leaf-p256.key" },            /* expired is not our business here */
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        with_pair(pairs[i][0], pairs[i][1]);
        make_well();
    }
}
END_TEST

#define PAIR "error parsing X509 certificate/key pair: "

START_TEST(a_bad_pair_is_refused_in_the_words_of_the_reference)
{
    static const char *const cases[][3] = {
        { "leaf-p256.key", "leaf-p256.key",
          PAIR "tls: failed to find certificate PEM data in certificate input, but did find a "
               "private key; PEM inputs may have been switched" },
        { "leaf-dns.pem", "leaf-dns.pem",
          PAIR "tls: found a certificate rather than a key in the PEM for the private key" },
        { "make.sh", "leaf-p256.key",
          PAIR "tls: failed to find any PEM data in certificate input" },
        { "leaf-dns.pem", "make.sh", PAIR "tls: failed to find any PEM data in key input" },
        { "leaf-dns.pem", "form-encrypted-pkcs8.key", PAIR "tls: failed to parse private key" },
        { "leaf-rsa2048.pem", "form-encrypted-pkcs1.key", PAIR "tls: failed to parse private key" },
        { "leaf-dns.pem", "leaf-rsa2048.key",
          PAIR "tls: private key type does not match public key type" },
        { "leaf-ed25519.pem", "leaf-p256.key",
          PAIR "tls: private key type does not match public key type" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        with_pair(cases[i][0], cases[i][1]);
        assert_refused(cases[i][2]);
    }
}
END_TEST

START_TEST(missing_files_are_refused_in_the_words_of_the_reference)
{
    with_pair("leaf-dns.pem", "leaf-p256.key");
    nj_dealloc(block.key_file);
    block.key_file = nj_strdup("nope.pem");
    assert_refused(PAIR "open nope.pem: no such file or directory");

    nj_dealloc(block.key_file);
    block.key_file = NULL;
    assert_refused("missing 'key_file' in TLS configuration");

    nj_dealloc(block.cert_file);
    block.cert_file = NULL;
    block.key_file = nj_strdup("nope.pem");
    assert_refused("missing 'cert_file' in TLS configuration");
}
END_TEST

START_TEST(what_the_provider_says_about_a_pair_gets_its_context)
{
    with_pair("leaf-dns.pem", "leaf-p256.key");
    (void) nj_error_set(&refusal, NJ_E_INVALID, "tls: private key does not match public key");
    refusal.cls = NJ_CLASS_KEY_MISMATCH;
    assert_refused(PAIR "tls: private key does not match public key");

    refusal.cls = NJ_CLASS_UNSUPPORTED;
    assert_refused("tls: private key does not match public key");
}
END_TEST

START_TEST(what_clients_will_not_like_about_a_certificate_is_said)
{
    static const char *const cases[][2] = {
        { "leaf-expired.pem", "the certificate expired at 20" },
        { "leaf-not-yet.pem", "the certificate is not valid before 20" },
        { "leaf-cn-only.pem", "the certificate names no server: " },
        { "leaf-eku-client.pem", "the certificate is not for servers: " },
        { "root.pem", "this is the certificate of an authority, not of a server: " },
        { "anchors-two.pem", "the second certificate did not issue the first: " },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[768];
        nj_buf_clear(&notes);
        with_pair(cases[i][0], "leaf-p256.key");
        (void) snprintf(text, sizeof(text), "[3] %s: %s", block.cert_file, cases[i][1]);

        make_well();

        ck_assert_msg(strstr(notes.ptr, text) != NULL, "%s: %s", text, notes.ptr);
    }
}
END_TEST

START_TEST(nothing_is_said_about_a_good_certificate)
{
    static const char *const good[] = { "leaf-dns.pem",     "leaf-ip.pem",  "leaf-eku-any.pem",
                                        "leaf-eku-none.pem", "chain-inter.pem" };
    for (size_t i = 0; i < COUNT(good); i++) {
        with_pair(good[i], "leaf-p256.key");
        make_well();
        ck_assert_msg(strstr(notes.ptr, "[3]") == NULL, "%s", notes.ptr);
    }

    role = NJ_TLS_ROLE_DIAL; /* whoever dials shows another kind of certificate */
    with_pair("leaf-eku-client.pem", "leaf-p256.key");
    make_well();
    ck_assert_msg(strstr(notes.ptr, "[3]") == NULL, "%s", notes.ptr);
}
END_TEST

/* ---- several pairs --------------------------------------------------------------------------- */

static struct nj_cert_files listed_pairs[3];

static void with_pairs(const char *const (*names)[2], size_t n)
{
    for (size_t i = 0; i < block.certs_n; i++) {
        nj_dealloc(listed_pairs[i].cert_file);
        nj_dealloc(listed_pairs[i].key_file);
    }
    for (size_t i = 0; i < n; i++) {
        listed_pairs[i].cert_file = nj_strdup(certs_path(names[i][0]));
        listed_pairs[i].key_file = nj_strdup(certs_path(names[i][1]));
    }
    block.certs = listed_pairs;
    block.certs_n = n;
}

START_TEST(each_pair_of_certs_gets_a_context)
{
    static const char *const pairs[][2] = { { "leaf-dns.pem", "leaf-p256.key" },
                                            { "leaf-rsa2048.pem", "leaf-rsa2048.key" } };
    with_pairs(pairs, 2);

    make_well();

    ck_assert_int_eq(built, 2);
    ck_assert_int_eq(the_ctx.refs, 2);
    ck_assert_str_eq(seen.label, listed_pairs[1].cert_file);
    ck_assert_int_eq(made->not_after_s, INT64_C(2524607999)); /* of the first one */
    struct nj_tls_ctx *ctx = nj_tls_setup_pick(made, NULL);
    ck_assert_int_eq(the_ctx.refs, 3);
    mock_ctx_unref(ctx);
    nj_tls_setup_unref(&made);
    ck_assert_int_eq(the_ctx.refs, 0);
    with_pairs(pairs, 0);
}
END_TEST

START_TEST(a_bad_pair_of_certs_is_named_by_its_place)
{
    static const char *const pairs[][2] = { { "leaf-dns.pem", "leaf-p256.key" },
                                            { "leaf-rsa2048.pem", "leaf-p256.key" },
                                            { "leaf-p384.pem", "leaf-p384.key" } };
    with_pairs(pairs, 3);
    assert_refused("error parsing X509 certificate/key pair 2/3: tls: private key type does not "
                   "match public key type");
    ck_assert_int_eq(built, 0);

    with_pairs(pairs, 1);
    (void) nj_error_set(&refusal, NJ_E_INVALID, "tls: private key does not match public key");
    refusal.cls = NJ_CLASS_KEY_MISMATCH;
    assert_refused("error parsing X509 certificate/key pair 1/1: tls: private key does not match "
                   "public key");
    with_pairs(pairs, 0);
}
END_TEST

START_TEST(anchors_come_from_the_ca_file_alone)
{
    with_ca("anchors-mixed.pem");

    make_well();

    ck_assert_uint_eq(seen.settings.anchors_n, 4); /* the unreadable one is left out */
    ck_assert_uint_eq(made->policy.anchors_n, 4);
    ck_assert_uint_eq(seen.settings.system_trust, 0);
    ck_assert_str_eq(seen.anchors_label, block.ca_file);
}
END_TEST

START_TEST(a_ca_file_without_certificates_is_refused)
{
    with_ca("leaf-p256.key");
    assert_refused("failed to parse root ca certificate");

    nj_dealloc(block.ca_file);
    block.ca_file = nj_strdup("nope.pem");
    assert_refused("open nope.pem: no such file or directory");
}
END_TEST

START_TEST(without_a_ca_file_verification_uses_the_systems_store)
{
    block.verify = true;

    make_well();

    ck_assert_uint_eq(seen.settings.system_trust, 1);
    ck_assert_uint_eq(seen.settings.verify, NJ_TLS_VERIFY_REQUIRE);
    ck_assert(seen.settings.verify_hook == nj_tls_verify);
    ck_assert_ptr_eq(seen.settings.verify_user, &made->policy);
}
END_TEST

START_TEST(insecure_is_for_dialling_alone)
{
    block.insecure = true;
    make_well();
    ck_assert(!made->policy.insecure);
    ck_assert_uint_eq(seen.settings.insecure, 0);

    role = NJ_TLS_ROLE_DIAL;
    make_well();
    ck_assert(made->policy.insecure);
    ck_assert_uint_eq(seen.settings.insecure, 1);
    ck_assert_uint_eq(seen.settings.role, NJ_TLS_ROLE_DIAL);
    ck_assert_uint_eq(seen.settings.system_trust, 1);
}
END_TEST

/* ---- suites ---------------------------------------------------------------------------------- */

START_TEST(by_default_all_secure_suites_are_on)
{
    make_well();

    ck_assert_uint_eq(seen.settings.suites_n, 13);
    ck_assert_uint_eq(seen.suites[0], 0x1301);
    ck_assert(saw_suite(0x1302) && saw_suite(0x1303) && saw_suite(0xc02b) && saw_suite(0xc014));
    ck_assert(!saw_suite(0x002f));
    ck_assert_uint_eq(seen.settings.min_version, NJ_TLS_1_2);
    ck_assert_uint_eq(seen.settings.max_version, NJ_TLS_1_3);
}
END_TEST

START_TEST(a_list_without_tls_1_3_keeps_its_order_and_leaves_all_of_tls_1_3_on)
{
    uint16_t listed[] = { 0xcca9, 0x002f, 0xc02b };
    block.suites = listed;
    block.suites_n = COUNT(listed);

    make_well();

    static const uint16_t expected[] = { 0x1301, 0x1302, 0x1303, 0xcca9, 0x002f, 0xc02b };
    ck_assert_uint_eq(seen.settings.suites_n, COUNT(expected));
    ck_assert_mem_eq(seen.suites, expected, sizeof(expected));
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[3] cipher_suites names no suite of TLS 1.3, so all "
                                            "of them stay on"));
}
END_TEST

START_TEST(a_list_with_a_suite_of_tls_1_3_is_all_there_is)
{
    uint16_t listed[] = { 0xc030, 0x1303, 0xc02f, 0x1302, 0x1303 };
    block.suites = listed;
    block.suites_n = COUNT(listed);
    mock_caps |= NJ_TLS_CAP_SERVER_PREFERENCE;

    make_well();

    static const uint16_t expected[] = { 0xc030, 0x1303, 0xc02f, 0x1302 };
    ck_assert_uint_eq(seen.settings.suites_n, COUNT(expected));
    ck_assert_mem_eq(seen.suites, expected, sizeof(expected));
    ck_assert_ptr_null(strstr(notes.ptr, "[3]"));
}
END_TEST

START_TEST(strict_ciphers_turns_tls_1_3_off_when_none_of_its_suites_is_named)
{
    uint16_t listed[] = { 0xc02f, 0xc02b };
    block.suites = listed;
    block.suites_n = COUNT(listed);
    block.strict_ciphers = true;
    mock_caps |= NJ_TLS_CAP_SERVER_PREFERENCE;

    make_well();

    ck_assert_uint_eq(seen.settings.suites_n, 2);
    ck_assert_uint_eq(seen.settings.max_version, NJ_TLS_1_2);
    ck_assert_uint_eq(made->offer.max_version, NJ_TLS_1_2);
    ck_assert_ptr_null(strstr(notes.ptr, "[3]"));

    block.min_version = NJ_TLS_1_3;
    assert_refused("error parsing tls config, 'strict_ciphers' without a TLS 1.3 suite in "
                   "'cipher_suites' leaves nothing for 'min_version' 1.3");
}
END_TEST

START_TEST(strict_ciphers_changes_nothing_where_a_suite_of_tls_1_3_is_named)
{
    uint16_t listed[] = { 0xc02f, 0x1302 };
    block.suites = listed;
    block.suites_n = COUNT(listed);
    block.strict_ciphers = true;

    make_well();

    ck_assert_uint_eq(seen.settings.suites_n, 2);
    ck_assert_uint_eq(seen.settings.max_version, NJ_TLS_1_3);
}
END_TEST

START_TEST(an_order_that_the_library_does_not_keep_is_warned_of)
{
    uint16_t suites[] = { 0x1302, 0x1301 };
    uint16_t groups[] = { 23, 29 };
    block.suites = suites;
    block.suites_n = COUNT(suites);
    block.groups = groups;
    block.groups_n = COUNT(groups);
    make_well();
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[3] the order of cipher_suites is not kept: with tls "
                                            "provider \"mock\" the client's order decides\n"));
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[3] the order of curve_preferences is not kept: with "
                                            "tls provider \"mock\" the client's order decides\n"));
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[3] curve_preferences in TLS 1.2: tls provider "
                                            "\"mock\" takes the client's first group"));
    nj_buf_clear(&notes);

    mock_caps |=
        NJ_TLS_CAP_SERVER_PREFERENCE | NJ_TLS_CAP_GROUP_ORDER | NJ_TLS_CAP_GROUPS_1_2;
    make_well();
    ck_assert_uint_eq(notes.len, 0);
}
END_TEST

START_TEST(what_was_chosen_beside_the_lists_is_refused)
{
    struct nj_tls_info info = { .size = sizeof(info), .version = NJ_TLS_1_3, .suite = 0x1302 };
    uint16_t suites[] = { 0x1302 };
    uint16_t groups[] = { 23 };
    block.suites = suites;
    block.suites_n = 1;
    block.groups = groups;
    block.groups_n = 1;
    make_well();
    ck_assert_int_eq(nj_tls_setup_allows(made, &info, &err), NJ_OK); /* a group that is not known */
    info.group = 23;
    ck_assert_int_eq(nj_tls_setup_allows(made, &info, &err), NJ_OK);

    info.group = 29;
    ck_assert_int_eq(nj_tls_setup_allows(made, &info, &err), NJ_E_DENIED);
    ck_assert_str_eq(err.text, "tls: the library chose X25519, which is not allowed");
    ck_assert_int_eq(err.alert, NJ_ALERT_HANDSHAKE_FAILURE);

    info.suite = 0x1301;
    ck_assert_int_eq(nj_tls_setup_allows(made, &info, &err), NJ_E_DENIED);
    ck_assert_str_eq(err.text,
                     "tls: the library chose TLS_AES_128_GCM_SHA256, which is not allowed");
    ck_assert_uint_eq(err.cls, NJ_CLASS_NO_SUITE);

    info.version = 0x0302;
    ck_assert_int_eq(nj_tls_setup_allows(made, &info, &err), NJ_E_DENIED);
    ck_assert_int_eq(err.alert, NJ_ALERT_PROTOCOL_VERSION);
}
END_TEST

START_TEST(a_list_of_tls_1_3_suites_leaves_nothing_for_tls_1_2)
{
    uint16_t listed[] = { 0x1302 };
    block.suites = listed;
    block.suites_n = 1;

    make_well();

    ck_assert_uint_eq(seen.settings.suites_n, 1);
    ck_assert_uint_eq(seen.settings.min_version, NJ_TLS_1_3);
    ck_assert_uint_eq(made->offer.min_version, NJ_TLS_1_2); /* for the words to the client */
}
END_TEST

START_TEST(min_version_1_3_leaves_out_older_suites)
{
    block.min_version = NJ_TLS_1_3;

    make_well();

    ck_assert_uint_eq(seen.settings.suites_n, 3);
    ck_assert_uint_eq(seen.settings.min_version, NJ_TLS_1_3);
}
END_TEST

START_TEST(a_named_suite_that_the_provider_lacks_is_refused)
{
    uint16_t few[] = { 0x1301, 0xc02b };
    uint16_t listed[] = { 0xc02b, 0xcca9 };
    mock_about.suites = few;
    mock_about.suites_n = COUNT(few);
    make_well();
    ck_assert_uint_eq(seen.settings.suites_n, 2);
    ck_assert_ptr_nonnull(
        strstr(notes.ptr, "[1] tls provider \"mock\" has no TLS_AES_256_GCM_SHA384"));

    block.suites = listed;
    block.suites_n = COUNT(listed);
    assert_refused("cipher suite TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 is not supported "
                   "by tls provider \"mock\"");
}
END_TEST

START_TEST(a_provider_without_tls_1_3_is_used_with_tls_1_2)
{
    mock_caps = NJ_TLS_CAP_TLS12;
    make_well();
    ck_assert_uint_eq(seen.settings.max_version, NJ_TLS_1_2);
    ck_assert(!saw_suite(0x1301));

    block.min_version = NJ_TLS_1_3;
    assert_refused("tls provider \"mock\" cannot do TLS 1.3");
}
END_TEST

/* ---- groups ---------------------------------------------------------------------------------- */

START_TEST(default_groups_that_the_provider_lacks_are_dropped_quietly)
{
    static const uint16_t expected[] = { 29, 23, 24, 25 };

    make_well();

    ck_assert_uint_eq(seen.settings.groups_n, COUNT(expected));
    ck_assert_mem_eq(seen.groups, expected, sizeof(expected));
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[1] tls provider \"mock\" has no X25519MLKEM768"));
    ck_assert_ptr_null(strstr(notes.ptr, "[3]"));
}
END_TEST

START_TEST(named_groups_keep_their_order_and_missing_ones_are_warned_of)
{
    static const uint16_t expected[] = { 25, 29 };
    uint16_t listed[] = { 25, 4588, 29, 25 };
    block.groups = listed;
    block.groups_n = COUNT(listed);

    make_well();

    ck_assert_uint_eq(seen.settings.groups_n, COUNT(expected));
    ck_assert_mem_eq(seen.groups, expected, sizeof(expected));
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[3] curve preference X25519MLKEM768 is left out: tls "
                                            "provider \"mock\" lacks it"));
}
END_TEST

START_TEST(when_no_named_group_remains_it_is_refused)
{
    uint16_t listed[] = { 4588, 4587 };
    block.groups = listed;
    block.groups_n = COUNT(listed);

    assert_refused("'curve_preferences': tls provider \"mock\" supports none of X25519MLKEM768, "
                   "SecP256r1MLKEM768");
    ck_assert_ptr_null(strstr(notes.ptr, "[3]"));
}
END_TEST

/* ---- tickets, pins, lifetime ----------------------------------------------------------------- */

START_TEST(tickets_are_off_where_they_would_hide_the_certificate)
{
    mock_caps |= NJ_TLS_CAP_TICKETS;
    make_well();
    ck_assert(made->tickets && seen.had_secret);

    block.verify = true;
    make_well();
    ck_assert(!made->tickets && !seen.had_secret);

    mock_caps |= NJ_TLS_CAP_RESUME_KEEPS_CERT;
    make_well();
    ck_assert(made->tickets && seen.had_secret);
}
END_TEST

#define SECOND_US INT64_C(1000000)

START_TEST(ticket_secrets_change_by_the_clock)
{
    uint8_t first[NJ_TLS_TICKET_SECRET_LEN];
    mock_caps |= NJ_TLS_CAP_TICKETS;
    block.ticket_rotation_ns = INT64_C(10000000000);
    with_pair("leaf-dns.pem", "leaf-p256.key");
    make_well();
    int64_t now_us = nj_mono_us();
    memcpy(first, seen.secret, sizeof(first));
    ck_assert(!seen.had_previous);
    ck_assert_uint_eq(seen.settings.ticket_lifetime_s, 20);

    int64_t wait_us = nj_tls_tickets_tick(now_us, keep_note);
    ck_assert(wait_us > 9 * SECOND_US && wait_us <= 10 * SECOND_US);
    ck_assert_int_eq(built, 1);

    ck_assert_int_eq(nj_tls_tickets_tick(now_us + 11 * SECOND_US, keep_note), 10 * SECOND_US);
    ck_assert_int_eq(built, 2);
    ck_assert_int_eq(the_ctx.refs, 1); /* the old one is gone */
    ck_assert_uint_eq(seen.certs_n, 1);
    ck_assert_mem_eq(seen.previous, first, sizeof(first));
    ck_assert_mem_ne(seen.secret, first, sizeof(first));
    ck_assert_ptr_nonnull(
        strstr(notes.ptr, "[1] client tls block: the secret of session tickets was changed\n"));
}
END_TEST

START_TEST(a_secret_that_cannot_be_changed_stays)
{
    uint8_t first[NJ_TLS_TICKET_SECRET_LEN];
    mock_caps |= NJ_TLS_CAP_TICKETS;
    block.ticket_rotation_ns = INT64_C(10000000000);
    make_well();
    int64_t now_us = nj_mono_us() + 11 * SECOND_US;
    memcpy(first, seen.secret, sizeof(first));
    (void) nj_error_set(&refusal, NJ_E_FAILED, "no luck");

    ck_assert_int_eq(nj_tls_tickets_tick(now_us, keep_note), 60 * SECOND_US);
    ck_assert_int_eq(the_ctx.refs, 1);
    ck_assert_ptr_nonnull(strstr(notes.ptr, "[3] client tls block: the secret of session tickets "
                                            "could not be changed: no luck\n"));

    refusal = (struct nj_error) NJ_ERROR_INIT;
    (void) nj_tls_tickets_tick(now_us + 61 * SECOND_US, keep_note);
    ck_assert_mem_eq(seen.previous, first, sizeof(first)); /* none came between */
}
END_TEST

START_TEST(without_tickets_there_is_nothing_to_change)
{
    make_well();

    ck_assert_int_eq(nj_tls_tickets_tick(INT64_MAX / 2, keep_note), INT64_MAX);
    ck_assert_int_eq(built, 1);
}
END_TEST

START_TEST(tickets_live_two_periods_and_a_week_at_most)
{
    ck_assert_uint_eq(nj_tls_ticket_lifetime_s(12 * 3600 * SECOND_US), 86400);
    ck_assert_uint_eq(nj_tls_ticket_lifetime_s(1000 * 3600 * SECOND_US), 604800);
    ck_assert_uint_eq(nj_tls_ticket_lifetime_s(SECOND_US / 2), 1);
}
END_TEST

START_TEST(pins_are_kept)
{
    static char pinned[][NJ_PIN_HEX_LEN + 1] = { "00112233445566778899aabbccddeeff"
                                                 "00112233445566778899aabbccddeeff" };
    block.pinned = pinned;
    block.pinned_n = 1;

    make_well();

    ck_assert_uint_eq(made->pins.n, 1);
    ck_assert_uint_eq(made->pins.pins[0][1], 0x11);
}
END_TEST

START_TEST(a_retired_setup_goes_on_and_changes_no_secrets)
{
    mock_caps |= NJ_TLS_CAP_TICKETS;
    with_pair("leaf-dns.pem", "leaf-p256.key");
    make_well();
    int before = built;

    nj_tls_setup_retire(made);

    ck_assert_int_eq(nj_tls_tickets_tick(INT64_MAX / 2, keep_note), INT64_MAX);
    ck_assert_int_eq(built, before);
    struct nj_tls_ctx *ctx = nj_tls_setup_pick(made, NULL);
    ck_assert_ptr_nonnull(ctx);
    mock.ctx_unref(ctx);
}
END_TEST

/* Of the setup as the block stands now. */
static void take_print(uint8_t to[NJ_TLS_PRINT_LEN])
{
    make_well();
    memcpy(to, made->print, NJ_TLS_PRINT_LEN);
}

START_TEST(the_print_tells_what_a_setup_does_and_not_how_long_it_waits)
{
    uint8_t first[NJ_TLS_PRINT_LEN], other[NJ_TLS_PRINT_LEN];
    static char pinned[][NJ_PIN_HEX_LEN + 1] = { "00112233445566778899aabbccddeeff"
                                                 "00112233445566778899aabbccddeeff" };
    with_pair("leaf-dns.pem", "leaf-p256.key");
    take_print(first);

    block.timeout_ns = 5;
    block.pinned = pinned;
    block.pinned_n = 1;
    take_print(other);
    ck_assert_mem_eq(first, other, sizeof(first));

    block.verify = true;
    take_print(other);
    ck_assert_mem_ne(first, other, sizeof(first));

    block.verify = false;
    block.min_version = NJ_TLS_1_3;
    take_print(other);
    ck_assert_mem_ne(first, other, sizeof(first));

    block.min_version = NJ_TLS_1_2;
    with_ca("root.pem");
    take_print(other);
    ck_assert_mem_ne(first, other, sizeof(first));
}
END_TEST

START_TEST(another_certificate_has_another_print)
{
    uint8_t first[NJ_TLS_PRINT_LEN], other[NJ_TLS_PRINT_LEN];
    with_pair("leaf-dns.pem", "leaf-p256.key");
    take_print(first);

    with_pair("leaf-p384.pem", "leaf-p384.key");
    take_print(other);

    ck_assert_mem_ne(first, other, sizeof(first));
}
END_TEST

START_TEST(the_context_ends_with_the_last_reference)
{
    make_well();
    struct nj_tls_setup *second = nj_tls_setup_ref(made);

    nj_tls_setup_unref(&made);
    ck_assert_int_eq(the_ctx.refs, 1);
    nj_tls_setup_unref(&second);
    ck_assert_int_eq(the_ctx.refs, 0);
    ck_assert_ptr_null(second);
}
END_TEST

/* ---- FIPS ------------------------------------------------------------------------------------ */

static void fips_setup(void)
{
    setup();
    random_byte = 0x5a;
    random_rc = NJ_OK;
    nj_fips_require("a.conf:1:1");
}

static void fips_teardown(void)
{
    nj_fips_forget();
    teardown();
}

START_TEST(under_require_fips_the_defaults_are_what_is_approved)
{
    make_well();

    ck_assert_uint_eq(seen.settings.suites_n, 6);
    for (size_t i = 0; i < seen.settings.suites_n; i++) {
        ck_assert_ptr_null(nj_fips_suite_fault(seen.suites[i]));
    }
    ck_assert_uint_eq(seen.settings.groups_n, 3);
    ck_assert_uint_eq(seen.groups[0], 23);
    ck_assert_ptr_null(strstr(notes.ptr, "X25519 "));
    ck_assert_ptr_null(strstr(notes.ptr, "CHACHA20"));
}
END_TEST

START_TEST(under_require_fips_an_ed25519_pair_is_refused_by_its_file)
{
    char text[600];
    with_pair("leaf-ed25519.pem", "leaf-ed25519.key");
    (void) snprintf(text, sizeof(text),
                    "%s: certificate 1: an Ed25519 key is not allowed under require_fips",
                    block.cert_file);

    assert_refused(text);

    with_pair("leaf-rsa2048.pem", "leaf-rsa2048.key");
    make_well();
}
END_TEST

START_TEST(under_require_fips_an_anchor_is_refused_by_its_file)
{
    char text[600];
    with_ca("leaf-ed25519.pem");
    (void) snprintf(text, sizeof(text),
                    "%s: certificate 1: an Ed25519 key is not allowed under require_fips",
                    block.ca_file);

    assert_refused(text);
}
END_TEST

START_TEST(under_require_fips_ticket_secrets_come_from_the_provider)
{
    mock_caps |= NJ_TLS_CAP_TICKETS;

    make_well();

    ck_assert_uint_eq(seen.first_secret_byte, 0x5a);
    random_rc = NJ_E_FAILED;
    assert_refused("the FIPS module gave no random bytes");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("tls_block");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_empty_block_has_no_identity);
    tcase_add_test(tc, chain_key_and_date_reach_the_provider);
    tcase_add_test(tc, every_kind_of_key_is_loaded);
    tcase_add_test(tc, a_bad_pair_is_refused_in_the_words_of_the_reference);
    tcase_add_test(tc, missing_files_are_refused_in_the_words_of_the_reference);
    tcase_add_test(tc, what_the_provider_says_about_a_pair_gets_its_context);
    tcase_add_test(tc, what_clients_will_not_like_about_a_certificate_is_said);
    tcase_add_test(tc, nothing_is_said_about_a_good_certificate);
    tcase_add_test(tc, each_pair_of_certs_gets_a_context);
    tcase_add_test(tc, a_bad_pair_of_certs_is_named_by_its_place);
    tcase_add_test(tc, anchors_come_from_the_ca_file_alone);
    tcase_add_test(tc, a_ca_file_without_certificates_is_refused);
    tcase_add_test(tc, without_a_ca_file_verification_uses_the_systems_store);
    tcase_add_test(tc, insecure_is_for_dialling_alone);
    tcase_add_test(tc, by_default_all_secure_suites_are_on);
    tcase_add_test(tc, a_list_without_tls_1_3_keeps_its_order_and_leaves_all_of_tls_1_3_on);
    tcase_add_test(tc, a_list_with_a_suite_of_tls_1_3_is_all_there_is);
    tcase_add_test(tc, strict_ciphers_turns_tls_1_3_off_when_none_of_its_suites_is_named);
    tcase_add_test(tc, strict_ciphers_changes_nothing_where_a_suite_of_tls_1_3_is_named);
    tcase_add_test(tc, an_order_that_the_library_does_not_keep_is_warned_of);
    tcase_add_test(tc, what_was_chosen_beside_the_lists_is_refused);
    tcase_add_test(tc, a_list_of_tls_1_3_suites_leaves_nothing_for_tls_1_2);
    tcase_add_test(tc, min_version_1_3_leaves_out_older_suites);
    tcase_add_test(tc, a_named_suite_that_the_provider_lacks_is_refused);
    tcase_add_test(tc, a_provider_without_tls_1_3_is_used_with_tls_1_2);
    tcase_add_test(tc, default_groups_that_the_provider_lacks_are_dropped_quietly);
    tcase_add_test(tc, named_groups_keep_their_order_and_missing_ones_are_warned_of);
    tcase_add_test(tc, when_no_named_group_remains_it_is_refused);
    tcase_add_test(tc, tickets_are_off_where_they_would_hide_the_certificate);
    tcase_add_test(tc, ticket_secrets_change_by_the_clock);
    tcase_add_test(tc, a_secret_that_cannot_be_changed_stays);
    tcase_add_test(tc, without_tickets_there_is_nothing_to_change);
    tcase_add_test(tc, tickets_live_two_periods_and_a_week_at_most);
    tcase_add_test(tc, pins_are_kept);
    tcase_add_test(tc, the_print_tells_what_a_setup_does_and_not_how_long_it_waits);
    tcase_add_test(tc, another_certificate_has_another_print);
    tcase_add_test(tc, a_retired_setup_goes_on_and_changes_no_secrets);
    tcase_add_test(tc, the_context_ends_with_the_last_reference);
    TCase *fips = tcase_create("fips");
    tcase_add_checked_fixture(fips, fips_setup, fips_teardown);
    tcase_add_test(fips, under_require_fips_the_defaults_are_what_is_approved);
    tcase_add_test(fips, under_require_fips_an_ed25519_pair_is_refused_by_its_file);
    tcase_add_test(fips, under_require_fips_an_anchor_is_refused_by_its_file);
    tcase_add_test(fips, under_require_fips_ticket_secrets_come_from_the_provider);
    return run_two_cases("tls_block", tc, fips);
}
