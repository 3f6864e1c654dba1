/*
 * trust.c: whom a context trusts does not grow with what its peers have sent.
 *
 * A library may keep an intermediate that it once found good.  Then the next peer could leave it
 * out, and the server's hook would judge a chain without the certificate that carries the limits.
 * Contexts are kept over several handshakes here, which is what the suites of the kit do not do.
 */
#include "tests/abi/suites.h"

static const uint16_t versions[] = { NJ_TLS_1_2, NJ_TLS_1_3 };

static struct nj_tls_ctx *ctx_from(const struct nj_tls_provider *tls,
                                   const struct nj_tls_settings *set)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_tls_ctx *ctx = NULL;
    ck_assert_msg(tls->ctx_new(set, &ctx, &err) == NJ_OK, "no context: %s", err.text);
    return ctx;
}

static struct nj_tls_ctx *accepting(const struct nj_tls_provider *tls,
                                    const struct nj_kit_cred *cred, uint32_t verify,
                                    uint16_t version)
{
    struct nj_tls_settings set;
    nj_kit_settings_accept(&set, cred);
    nj_kit_settings_version(&set, version);
    set.verify = verify;
    return ctx_from(tls, &set);
}

static struct nj_tls_ctx *dialling(const struct nj_tls_provider *tls,
                                   const struct nj_kit_cred *cred, uint16_t version)
{
    struct nj_tls_settings set;
    nj_kit_settings_dial(&set, cred);
    nj_kit_settings_version(&set, version);
    return ctx_from(tls, &set);
}

/* One handshake; the class that the hook of the judging end was told. */
static int shake(const struct nj_tls_provider *tls, struct nj_tls_ctx *server,
                 struct nj_tls_ctx *client, int server_judges, uint32_t *cls_out)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_kit_pair pair;
    int rc = nj_kit_pair_open_ctx(&pair, tls, server, tls, client, "localhost", 0, &err);
    ck_assert_msg(rc == NJ_OK, "no pair: %s", err.text);
    rc = nj_kit_pair_handshake(&pair);
    const struct nj_kit_end *judging = server_judges ? &pair.server : &pair.client;
    ck_assert_int_eq(judging->judge.calls, 1);
    *cls_out = judging->judge.cls;
    nj_kit_pair_free(&pair);
    return rc;
}

static void server_leaves_out(const struct nj_tls_provider *tls, uint16_t version)
{
    struct nj_kit_cred whole;
    struct nj_kit_cred alone;
    uint32_t cls = 0;
    nj_kit_cred_load(&whole, "chained", "inter");
    nj_kit_cred_load(&alone, "chained", NULL);
    struct nj_tls_ctx *good = accepting(tls, &whole, NJ_TLS_VERIFY_NONE, version);
    struct nj_tls_ctx *bad = accepting(tls, &alone, NJ_TLS_VERIFY_NONE, version);
    struct nj_tls_ctx *client = dialling(tls, NULL, version);

    ck_assert_int_eq(shake(tls, good, client, 0, &cls), NJ_OK);
    ck_assert_int_eq(shake(tls, bad, client, 0, &cls), NJ_E_FAILED);
    ck_assert_uint_eq(cls, NJ_CLASS_UNKNOWN_CA);
    ck_assert_int_eq(shake(tls, good, client, 0, &cls), NJ_OK);

    tls->ctx_unref(good);
    tls->ctx_unref(bad);
    tls->ctx_unref(client);
}

START_TEST(server_that_leaves_out_its_issuer_is_refused_after_a_good_one)
{
    for (size_t v = 0; v < 2; v++) {
        server_leaves_out(nj_kit_list[_i].tls, versions[v]);
    }
}
END_TEST

static void client_leaves_out(const struct nj_tls_provider *tls, uint16_t version)
{
    struct nj_kit_cred own;
    struct nj_kit_cred whole;
    struct nj_kit_cred alone;
    struct nj_error err = NJ_ERROR_INIT;
    uint32_t cls = 0;
    nj_kit_cred_load(&own, "server-ecdsa", NULL);
    nj_kit_cred_load(&whole, "chained", "inter");
    nj_kit_cred_load(&alone, "chained", NULL);
    struct nj_tls_ctx *server = accepting(tls, &own, NJ_TLS_VERIFY_REQUIRE, version);
    struct nj_tls_ctx *good = dialling(tls, &whole, version);
    struct nj_tls_ctx *bad = dialling(tls, &alone, version);

    ck_assert_int_eq(shake(tls, server, good, 1, &cls), NJ_OK);
    ck_assert_int_eq(shake(tls, server, bad, 1, &cls), NJ_E_FAILED);
    ck_assert_uint_eq(cls, NJ_CLASS_UNKNOWN_CA);
    ck_assert_int_lt(
        tls->verify_chain(server, alone.certs, 1, NJ_TLS_USAGE_CLIENT, NULL, 1780000000, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_UNKNOWN_CA);

    tls->ctx_unref(server);
    tls->ctx_unref(good);
    tls->ctx_unref(bad);
}

START_TEST(client_that_leaves_out_its_issuer_is_refused_after_a_good_one)
{
    for (size_t v = 0; v < 2; v++) {
        client_leaves_out(nj_kit_list[_i].tls, versions[v]);
    }
}
END_TEST

static void foreign_intermediate(const struct nj_tls_provider *tls, uint16_t version)
{
    struct nj_span other = nj_kit_file("other-ca.crt");
    struct nj_tls_settings set;
    struct nj_kit_cred whole;
    struct nj_kit_cred alone;
    uint32_t cls = 0;
    nj_kit_cred_load(&whole, "chained", "inter");
    nj_kit_cred_load(&alone, "chained", NULL);
    struct nj_tls_ctx *first = accepting(tls, &whole, NJ_TLS_VERIFY_NONE, version);
    struct nj_tls_ctx *second = accepting(tls, &alone, NJ_TLS_VERIFY_NONE, version);
    nj_kit_settings_dial(&set, NULL);
    nj_kit_settings_version(&set, version);
    set.anchors = &other;
    set.anchors_n = 1;
    struct nj_tls_ctx *client = ctx_from(tls, &set);

    ck_assert_int_eq(shake(tls, first, client, 0, &cls), NJ_E_FAILED);
    ck_assert_int_eq(shake(tls, first, client, 0, &cls), NJ_E_FAILED);
    ck_assert_int_eq(shake(tls, second, client, 0, &cls), NJ_E_FAILED);
    ck_assert_uint_eq(cls, NJ_CLASS_UNKNOWN_CA);

    tls->ctx_unref(first);
    tls->ctx_unref(second);
    tls->ctx_unref(client);
}

START_TEST(foreign_intermediate_is_not_remembered)
{
    for (size_t v = 0; v < 2; v++) {
        foreign_intermediate(nj_kit_list[_i].tls, versions[v]);
    }
}
END_TEST

static void nobody_is_a_ca_by_signing(const struct nj_tls_provider *tls, uint16_t version)
{
    struct nj_kit_cred own;
    struct nj_kit_cred forged;
    struct nj_error err = NJ_ERROR_INIT;
    uint32_t cls = 0;
    nj_kit_cred_load(&own, "server-ecdsa", NULL);
    nj_kit_cred_load(&forged, "impostor", "client-ecdsa");
    struct nj_tls_ctx *server = accepting(tls, &own, NJ_TLS_VERIFY_REQUIRE, version);
    struct nj_tls_ctx *client = dialling(tls, &forged, version);

    ck_assert_int_eq(shake(tls, server, client, 1, &cls), NJ_E_FAILED);
    ck_assert_uint_ne(cls, NJ_CLASS_NONE);
    ck_assert_int_lt(tls->verify_chain(server, forged.certs, 2, NJ_TLS_USAGE_CLIENT, NULL,
                                       1780000000, &err),
                     0);

    tls->ctx_unref(server);
    tls->ctx_unref(client);
}

START_TEST(certificate_that_is_no_ca_issues_nothing)
{
    for (size_t v = 0; v < 2; v++) {
        nobody_is_a_ca_by_signing(nj_kit_list[_i].tls, versions[v]);
    }
}
END_TEST

/* The hook of the kit accepts it: what the library found out goes first. */
START_TEST(certificate_for_clients_makes_no_server)
{
    const struct nj_tls_provider *tls = nj_kit_list[_i].tls;
    struct nj_kit_cred cred;
    uint32_t cls = 0;
    nj_kit_cred_load(&cred, "client-ecdsa", NULL);
    for (size_t v = 0; v < 2; v++) {
        struct nj_tls_ctx *server = accepting(tls, &cred, NJ_TLS_VERIFY_NONE, versions[v]);
        struct nj_tls_ctx *client = dialling(tls, NULL, versions[v]);
        ck_assert_int_eq(shake(tls, server, client, 0, &cls), NJ_E_FAILED);
        tls->ctx_unref(server);
        tls->ctx_unref(client);
    }
}
END_TEST

void nj_kit_trust(void)
{
    nj_kit_add("trust", server_that_leaves_out_its_issuer_is_refused_after_a_good_one,
               NJ_KIT_ALONE);
    nj_kit_add("trust", client_that_leaves_out_its_issuer_is_refused_after_a_good_one,
               NJ_KIT_ALONE);
    nj_kit_add("trust", foreign_intermediate_is_not_remembered, NJ_KIT_ALONE);
    nj_kit_add("trust", certificate_that_is_no_ca_issues_nothing, NJ_KIT_ALONE);
    nj_kit_add("trust", certificate_for_clients_makes_no_server, NJ_KIT_ALONE);
}
