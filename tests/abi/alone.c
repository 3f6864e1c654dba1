/* alone.c: what each provider must do by itself: its table, contexts, primitives, odd input. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/suites.h"

#define SESSIONS_N 1000

static const struct nj_tls_provider *provider(int i)
{
    return nj_kit_list[i].tls;
}

/* The pair of a provider with itself. */
static int with_itself(int i)
{
    return i * (int) nj_kit_list_n + i;
}

static int make_ctx(int i, const struct nj_tls_settings *set, struct nj_error *err)
{
    struct nj_tls_ctx *ctx = NULL;
    int rc = provider(i)->ctx_new(set, &ctx, err);
    if (rc == NJ_OK) {
        provider(i)->ctx_unref(ctx);
    } else {
        ck_assert_ptr_null(ctx);
    }
    return rc;
}

START_TEST(required_slots_are_there)
{
    const struct nj_tls_provider *p = provider(_i);

    ck_assert_uint_ge(p->size, offsetof(struct nj_tls_provider, key_update));
    ck_assert_uint_le(p->size, 65536); /* the server believes no more */
    ck_assert(p->init != NULL && p->fini != NULL && p->about != NULL && p->caps != NULL);
    ck_assert(p->ctx_new != NULL && p->ctx_ref != NULL && p->ctx_unref != NULL);
    ck_assert(p->accept != NULL && p->dial != NULL && p->handshake != NULL && p->open != NULL);
    ck_assert(p->has_plain != NULL && p->seal != NULL && p->close_notify != NULL);
    ck_assert(p->abort != NULL && p->in_eof != NULL && p->info != NULL && p->error != NULL);
    ck_assert(p->peer_chain != NULL && p->drop_peer != NULL && p->free != NULL);
    ck_assert(p->verify_chain != NULL && p->crypto != NULL);
    p->free(NULL);
}
END_TEST

START_TEST(about_names_library_suites_and_groups)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    provider(_i)->about(&about);

    ck_assert_str_ne(about.lib_name, "");
    ck_assert_str_ne(about.lib_version, "");
    ck_assert_str_ne(about.fips, "");
    ck_assert_uint_gt(about.suites_n, 2);
    ck_assert_uint_gt(about.groups_n, 1);
    ck_assert(provider(_i)->caps() & NJ_TLS_CAP_TLS12);
    ck_assert(provider(_i)->caps() & NJ_TLS_CAP_TLS13);
}
END_TEST

/* A server of an older minor has a shorter struct: nothing may be written past it. */
START_TEST(short_result_struct_is_not_overrun)
{
    struct nj_tls_about about;
    memset(&about, 0xa5, sizeof(about));
    about.size = offsetof(struct nj_tls_about, suites);
    provider(_i)->about(&about);

    const uint8_t *bytes = (const uint8_t *) &about;
    for (size_t i = offsetof(struct nj_tls_about, suites); i < sizeof(about); i++) {
        ck_assert_uint_eq(bytes[i], 0xa5);
    }
}
END_TEST

START_TEST(foreign_key_is_refused_for_every_key_type)
{
    static const char *const names[] = { "server-ecdsa", "server-rsa", "server-ed25519" };
    static const char *const keys[] = { "client-ecdsa.key", "client-rsa.key",
                                        "client-ed25519.key" };
    for (size_t c = 0; c < 3; c++) {
        for (size_t k = 0; k < 3; k++) {
            struct nj_kit_cred cred;
            struct nj_tls_settings set;
            struct nj_error err = NJ_ERROR_INIT;
            nj_kit_cred_load(&cred, names[c], NULL);
            cred.key.bytes = nj_kit_file(keys[k]);
            nj_kit_settings_accept(&set, &cred);

            ck_assert_int_lt(make_ctx(_i, &set, &err), 0);
            ck_assert_str_eq(err.text, "tls: private key does not match public key");
            ck_assert_uint_eq(err.cls, NJ_CLASS_KEY_MISMATCH);
        }
    }
}
END_TEST

START_TEST(unreadable_key_or_certificate_is_refused)
{
    static const uint8_t junk[] = { 0x30, 0x03, 0x02, 0x01, 0x07 };
    struct nj_kit_cred cred;
    struct nj_tls_settings set;
    struct nj_error err = NJ_ERROR_INIT;

    nj_kit_cred_load(&cred, "server-ecdsa", NULL);
    cred.key.bytes = (struct nj_span){ junk, sizeof(junk) };
    nj_kit_settings_accept(&set, &cred);
    ck_assert_int_lt(make_ctx(_i, &set, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_KEY);

    nj_kit_cred_load(&cred, "server-ecdsa", NULL);
    cred.certs[0] = (struct nj_span){ junk, sizeof(junk) };
    ck_assert_int_lt(make_ctx(_i, &set, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_CERT);
}
END_TEST

START_TEST(bad_anchor_is_left_out_with_a_warning)
{
    static const uint8_t junk[] = { 0x30, 0x03, 0x02, 0x01, 0x07 };
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");
    struct nj_span two[] = { { junk, sizeof(junk) }, nj_kit_file("ca.crt") };
    st.client_set.anchors = two;
    st.client_set.anchors_n = 2;
    nj_kit_log_clear();

    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
    ck_assert(nj_kit_log_has("ca.crt"));
    nj_kit_stage_free(&st);
}
END_TEST

START_TEST(no_good_anchor_is_an_error)
{
    static const uint8_t junk[] = { 0x30, 0x03, 0x02, 0x01, 0x07 };
    struct nj_tls_settings set;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_span one[] = { { junk, sizeof(junk) } };
    nj_kit_settings_dial(&set, NULL);
    set.anchors = one;

    ck_assert_int_lt(make_ctx(_i, &set, &err), 0);
    ck_assert_str_eq(err.text, "failed to parse root ca certificate");
}
END_TEST

START_TEST(what_cannot_be_honoured_is_refused)
{
    static const uint16_t unknown_suite[] = { 0x1301, 0xeeee };
    static const uint16_t unknown_group[] = { 29, 0xeeee };
    struct nj_tls_settings set;
    struct nj_error err = NJ_ERROR_INIT;

    nj_kit_settings_dial(&set, NULL);
    set.suites = unknown_suite;
    set.suites_n = 2;
    ck_assert_int_eq(make_ctx(_i, &set, &err), NJ_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "eeee"));

    nj_kit_settings_dial(&set, NULL);
    set.groups = unknown_group;
    set.groups_n = 2;
    ck_assert_int_eq(make_ctx(_i, &set, &err), NJ_E_UNSUPPORTED);

    nj_kit_settings_dial(&set, NULL);
    set.size = 16;
    ck_assert_int_eq(make_ctx(_i, &set, &err), NJ_E_ABI);
}
END_TEST

START_TEST(system_trust_can_be_asked_for)
{
    struct nj_tls_settings set;
    struct nj_error err = NJ_ERROR_INIT;
    nj_kit_settings_dial(&set, NULL);
    set.anchors_n = 0;
    set.system_trust = 1;

    ck_assert_msg(make_ctx(_i, &set, &err) == NJ_OK, "%s", err.text);
}
END_TEST

START_TEST(one_context_accepts_and_dials)
{
    struct nj_kit_stage st;
    struct nj_tls_ctx *ctx = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");
    st.server_set.role = NJ_TLS_ROLE_ACCEPT | NJ_TLS_ROLE_DIAL;
    st.server_set.verify = NJ_TLS_VERIFY_REQUIRE;
    ck_assert_int_eq(st.server->ctx_new(&st.server_set, &ctx, &err), NJ_OK);

    ck_assert_int_eq(
        nj_kit_pair_open_ctx(&st.pair, st.server, ctx, st.client, ctx, st.name, 0, &err), NJ_OK);
    st.server->ctx_unref(ctx); /* the sessions hold it now */

    ck_assert_int_eq(nj_kit_pair_handshake(&st.pair), NJ_OK);
    ck_assert_int_eq(st.pair.server.judge.calls, 1);
    ck_assert_int_eq(st.pair.client.judge.calls, 1);
    nj_kit_assert_echo(&st.pair);
    nj_kit_stage_free(&st);
}
END_TEST

START_TEST(a_thousand_sessions_leave_nothing)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");
    struct nj_tls_ctx *sc = NULL;
    struct nj_tls_ctx *cc = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    long at_start = nj_kit_host_live();
    ck_assert_int_eq(st.server->ctx_new(&st.server_set, &sc, &err), NJ_OK);
    ck_assert_int_eq(st.client->ctx_new(&st.client_set, &cc, &err), NJ_OK);
    long before = nj_kit_host_live();

    for (int i = 0; i < SESSIONS_N; i++) {
        struct nj_kit_pair pair;
        ck_assert_int_eq(
            nj_kit_pair_open_ctx(&pair, st.server, sc, st.client, cc, st.name, 0, &err), NJ_OK);
        if (i % 50 == 0) { /* some of them for real; others are freed half-way or unused */
            ck_assert_int_eq(nj_kit_pair_handshake(&pair), NJ_OK);
        }
        nj_kit_pair_free(&pair);
    }

    ck_assert_int_eq(nj_kit_host_live(), before);
    st.server->ctx_unref(sc);
    st.client->ctx_unref(cc);
    ck_assert_int_eq(nj_kit_host_live(), at_start);
}
END_TEST

struct crew {
    struct nj_kit_stage *st;
    struct nj_tls_ctx *sc;
    struct nj_tls_ctx *cc;
    int good; /* handshakes that worked */
};

static void *crew_work(void *arg)
{
    struct crew *c = arg;
    if (NJ_TLS_HAS(c->st->server, thread_attach)) {
        c->st->server->thread_attach();
    }
    for (int i = 0; i < 20; i++) {
        struct nj_kit_pair pair;
        struct nj_error err = NJ_ERROR_INIT;
        if (nj_kit_pair_open_ctx(&pair, c->st->server, c->sc, c->st->client, c->cc, c->st->name, 0,
                                 &err) == NJ_OK &&
            nj_kit_pair_handshake(&pair) == NJ_OK &&
            nj_kit_end_send(&pair.client, "hello", 5) == NJ_OK &&
            nj_kit_end_receive(&pair.server, &pair.client, 0) >= 0 &&
            nj_kit_end_take(&pair.server, "hello", 5)) {
            c->good++;
        }
        nj_kit_pair_free(&pair);
    }
    if (NJ_TLS_HAS(c->st->server, thread_detach)) {
        c->st->server->thread_detach();
    }
    return NULL;
}

START_TEST(threads_share_a_context)
{
    struct nj_kit_stage st;
    struct nj_error err = NJ_ERROR_INIT;
    struct crew crew[4] = { { 0 } };
    pthread_t threads[4];
    struct nj_tls_ctx *sc = NULL;
    struct nj_tls_ctx *cc = NULL;
    nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");
    nj_kit_stage_mutual(&st, "client-rsa");
    ck_assert_int_eq(st.server->ctx_new(&st.server_set, &sc, &err), NJ_OK);
    ck_assert_int_eq(st.client->ctx_new(&st.client_set, &cc, &err), NJ_OK);

    for (int i = 0; i < 4; i++) {
        crew[i] = (struct crew){ &st, sc, cc, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, crew_work, &crew[i]), 0);
    }

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(crew[i].good, 20);
    }
    st.server->ctx_unref(sc);
    st.client->ctx_unref(cc);
}
END_TEST

/* ---- odd input ------------------------------------------------------------------------------- */

static void feed(struct nj_kit_stage *st, int to_server, const void *bytes, size_t len)
{
    struct nj_error err = NJ_ERROR_INIT;
    ck_assert_int_eq(nj_kit_pair_open(&st->pair, st->server, &st->server_set, st->client,
                                      &st->client_set, st->name, st->pair.chunk, &err),
                     NJ_OK);
    struct nj_kit_end *end = to_server ? &st->pair.server : &st->pair.client;
    struct nj_tls_in none = { NULL, 0, 0 };
    end->rc = end->tls->handshake(end->sess, &none, &end->out.sink);
    ck_assert_int_eq(end->rc, NJ_NEED_IN);
    uint8_t *copy = malloc(len);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    struct nj_tls_in in = { copy, len, 0 };
    end->rc = end->tls->handshake(end->sess, &in, &end->out.sink);
    free(copy);
    if (end->rc == NJ_E_FAILED) {
        end->err = (struct nj_error) NJ_ERROR_INIT;
        end->tls->error(end->sess, &end->err);
    }
}

START_TEST(plain_text_is_no_tls)
{
    static const char *const texts[] = { "CONNECT {}\r\nPING\r\n", "GET / HTTP/1.1\r\n\r\n", "P" };
    for (size_t i = 0; i < 3; i++) {
        for (int to_server = 0; to_server < 2; to_server++) {
            struct nj_kit_stage st;
            nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");

            feed(&st, to_server, texts[i], strlen(texts[i]));

            struct nj_kit_end *end = to_server ? &st.pair.server : &st.pair.client;
            ck_assert_int_eq(end->rc, NJ_E_FAILED);
            ck_assert_uint_eq(end->err.cls, NJ_CLASS_NOT_TLS);
            ck_assert_str_eq(end->err.text, "tls: first record does not look like a TLS handshake");
            if (to_server) {
                ck_assert_uint_eq(end->out.total, 0);
            }
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

START_TEST(garbage_instead_of_a_client_hello_fails)
{
    uint32_t x = 12345;
    for (int round = 0; round < 200; round++) {
        uint8_t bytes[300] = { 0x16, 0x03, 0x01, 0x01, 0x27, 0x01, 0x00, 0x01, 0x23 };
        for (size_t i = 9; i < sizeof(bytes); i++) { /* the headers stay */
            x = x * 1664525 + 1013904223;
            bytes[i] = (uint8_t) (x >> 24);
        }
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");

        feed(&st, 1, bytes, sizeof(bytes));

        struct nj_kit_end *s = &st.pair.server;
        ck_assert_int_eq(s->rc, NJ_E_FAILED);
        ck_assert_str_ne(s->err.text, "");
        ck_assert_int_ge(nj_kit_wire_plain_alert(&s->out), 0);
        nj_kit_stage_free(&st);
    }
}
END_TEST

/* One byte of a running handshake is changed, at many places: it fails, or it did not matter. */
START_TEST(changed_handshake_bytes_do_no_harm)
{
    for (size_t at = 0; at < 1200; at += 7) {
        for (int by_server = 0; by_server < 2; by_server++) {
            struct nj_kit_stage st;
            struct nj_error err = NJ_ERROR_INIT;
            struct nj_tls_in none = { NULL, 0, 0 };
            nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");
            ck_assert_int_eq(nj_kit_pair_open(&st.pair, st.server, &st.server_set, st.client,
                                              &st.client_set, st.name, 0, &err),
                             NJ_OK);
            struct nj_kit_end *c = &st.pair.client;
            struct nj_kit_end *s = &st.pair.server;
            (void) c->tls->handshake(c->sess, &none, &c->out.sink);
            if (by_server) {
                struct nj_tls_in in = { c->out.buf, c->out.len, 0 };
                s->rc = s->tls->handshake(s->sess, &in, &s->out.sink);
                c->out.taken = c->out.len = 0;
            }
            struct nj_kit_wire *w = by_server ? &s->out : &c->out;
            if (at < w->len) {
                w->buf[at] ^= (uint8_t) (1U << (at % 8));
            }
            (void) nj_kit_pair_handshake(&st.pair);
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

START_TEST(transport_that_ends_in_the_handshake_is_eof)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, with_itself(_i), "server-ecdsa");
    feed(&st, 1, "\x16\x03\x01", 3);
    struct nj_kit_end *s = &st.pair.server;
    ck_assert_int_eq(s->rc, NJ_NEED_IN);

    ck_assert_int_eq(s->tls->in_eof(s->sess), NJ_E_TRUNCATED);
    s->err = (struct nj_error) NJ_ERROR_INIT;
    s->tls->error(s->sess, &s->err);
    ck_assert_str_eq(s->err.text, "EOF");
    nj_kit_stage_free(&st);
}
END_TEST

/* ---- chains without a session ---------------------------------------------------------------- */

static int chain_rc(int i, const char *leaf, uint32_t usage, const char *name, int64_t time_s,
                    struct nj_error *err)
{
    struct nj_tls_settings set;
    struct nj_tls_ctx *ctx = NULL;
    struct nj_span chain[2] = { nj_kit_file(leaf), nj_kit_file("inter.crt") };
    nj_kit_settings_dial(&set, NULL);
    ck_assert_int_eq(provider(i)->ctx_new(&set, &ctx, err), NJ_OK);
    size_t n = strcmp(leaf, "chained.crt") == 0 ? 2 : 1;
    int rc = provider(i)->verify_chain(ctx, chain, n, usage, name, time_s, err);
    provider(i)->ctx_unref(ctx);
    return rc;
}

START_TEST(chains_are_checked_without_a_session)
{
    const int64_t now_s = 1780000000;    /* 2026 */
    const int64_t then_s = 1600000000;   /* 2020 */
    const int64_t before_s = 1500000000; /* 2017 */
    struct nj_error err = NJ_ERROR_INIT;
    const uint32_t server = NJ_TLS_USAGE_SERVER;
    const uint32_t client = NJ_TLS_USAGE_CLIENT;

    ck_assert_int_eq(chain_rc(_i, "server-ecdsa.crt", server, "localhost", now_s, &err), NJ_OK);
    ck_assert_int_eq(chain_rc(_i, "chained.crt", client, NULL, now_s, &err), NJ_OK);
    ck_assert_int_eq(chain_rc(_i, "expired.crt", server, "localhost", then_s, &err), NJ_OK);
    ck_assert_int_lt(chain_rc(_i, "expired.crt", server, "localhost", now_s, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_EXPIRED);
    ck_assert_int_lt(chain_rc(_i, "server-rsa.crt", server, "localhost", before_s, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_NOT_YET);
    ck_assert_int_lt(chain_rc(_i, "stranger.crt", client, NULL, now_s, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_UNKNOWN_CA);
    ck_assert_int_lt(chain_rc(_i, "client-rsa.crt", server, NULL, now_s, &err), 0);
    ck_assert_uint_eq(err.cls, NJ_CLASS_BAD_EKU);
}
END_TEST

START_TEST(certificates_are_judged_by_the_hosts_clock)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, with_itself(_i), "expired");
    nj_kit_clock_set(1600000000); /* 2020: it was good then */

    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
    nj_kit_clock_set(0);
    nj_kit_stage_free(&st);
}
END_TEST

/* ---- primitives ------------------------------------------------------------------------------ */

START_TEST(hashes_give_the_known_answers)
{
    static const uint8_t sha1_abc[] = {
        0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
        0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d
    };
    static const uint8_t sha256_abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                          0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                          0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                          0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    const struct nj_tls_crypto *c = provider(_i)->crypto;
    uint8_t out[32];

    ck_assert_int_eq(c->hash(NJ_HASH_SHA1, "abc", 3, out), NJ_OK);
    ck_assert_mem_eq(out, sha1_abc, 20);
    ck_assert_int_eq(c->hash(NJ_HASH_SHA256, "abc", 3, out), NJ_OK);
    ck_assert_mem_eq(out, sha256_abc, 32);
    ck_assert_int_lt(c->hash(99, "abc", 3, out), 0);
}
END_TEST

/* RFC 8032 7.1, test 2. */
START_TEST(ed25519_gives_the_known_answers)
{
    static const uint8_t seed[] = { 0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda,
                                    0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f,
                                    0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24,
                                    0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb };
    static const uint8_t want_pub[] = { 0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a,
                                        0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
                                        0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c,
                                        0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c };
    const struct nj_tls_crypto *c = provider(_i)->crypto;
    const uint8_t msg[] = { 0x72 };
    uint8_t pub[32];
    uint8_t sig[64];
    if (c->ed25519_public == NULL || c->ed25519_sign == NULL || c->ed25519_verify == NULL) {
        return; /* every primitive may be missing */
    }

    ck_assert_int_eq(c->ed25519_public(seed, pub), NJ_OK);
    ck_assert_mem_eq(pub, want_pub, 32);
    ck_assert_int_eq(c->ed25519_sign(seed, msg, 1, sig), NJ_OK);
    ck_assert_uint_eq(sig[0], 0x92);
    ck_assert_uint_eq(sig[1], 0xa0);
    ck_assert_uint_eq(sig[63], 0x00);
    ck_assert_int_eq(c->ed25519_verify(pub, msg, 1, sig), NJ_OK);
    sig[5] ^= 1;
    ck_assert_int_lt(c->ed25519_verify(pub, msg, 1, sig), 0);
}
END_TEST

START_TEST(random_bytes_differ)
{
    uint8_t a[32] = { 0 };
    uint8_t b[32] = { 0 };

    ck_assert_int_eq(provider(_i)->crypto->random(a, sizeof(a)), NJ_OK);
    ck_assert_int_eq(provider(_i)->crypto->random(b, sizeof(b)), NJ_OK);
    ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

/* A server that thinks it staples and does not is refused by strict clients, much later. */
START_TEST(a_staple_is_taken_or_refused_as_the_capability_says)
{
    static const uint8_t response[] = { 0x30, 0x03, 0x0a, 0x01, 0x06 };
    struct nj_kit_cred cred;
    struct nj_tls_settings set;
    struct nj_error err = NJ_ERROR_INIT;
    int can = (provider(_i)->caps() & NJ_TLS_CAP_STAPLE) != 0;
    nj_kit_cred_load(&cred, "server-ecdsa", NULL);
    nj_kit_settings_accept(&set, &cred);
    set.staple = (struct nj_span){ response, sizeof(response) };

    int rc = make_ctx(_i, &set, &err);

    ck_assert_int_eq(rc, can ? NJ_OK : NJ_E_UNSUPPORTED);
    ck_assert(can || strstr(err.text, "OCSP staple") != NULL);
}
END_TEST

/* Take one element of DER, lengths below 64 KiB. */
static struct nj_span take(struct nj_span *in, struct nj_span *body)
{
    const uint8_t *p = in->ptr;
    size_t head = p[1] < 0x80 ? 2 : p[1] == 0x81 ? 3 : 4;
    size_t len = head == 2 ? p[1] : head == 3 ? p[2] : (size_t) p[2] << 8 | p[3];
    struct nj_span whole = { p, head + len };
    *body = (struct nj_span){ p + head, len };
    *in = (struct nj_span){ p + head + len, in->len - head - len };
    return whole;
}

/* What a certificate has for the check of its own signature, when it signed itself. */
struct signed_cert {
    struct nj_span tbs, algorithm, signature, spki;
};

static struct signed_cert slice(struct nj_span der)
{
    struct signed_cert c;
    struct nj_span cert, in, skipped;
    (void) take(&der, &cert);
    c.tbs = take(&cert, &in);
    c.algorithm = take(&cert, &skipped);
    (void) take(&cert, &c.signature);
    c.signature = (struct nj_span){ c.signature.ptr + 1, c.signature.len - 1 };
    for (int i = 0; i < 6; i++) { /* version, serial, algorithm, issuer, validity, subject */
        (void) take(&in, &skipped);
    }
    c.spki = take(&in, &skipped);
    return c;
}

START_TEST(signatures_are_verified_for_every_key_type)
{
    static const char *const names[] = { "ca.crt", "self-rsa.crt", "self-ed25519.crt" };
    const struct nj_tls_crypto *crypto = provider(_i)->crypto;
    if (!NJ_FIELD(struct nj_tls_crypto, crypto, verify_signature) ||
        crypto->verify_signature == NULL) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        struct signed_cert c = slice(nj_kit_file(names[i]));
        struct signed_cert other = slice(nj_kit_file("other-ca.crt"));
        struct nj_span cut = { c.tbs.ptr, c.tbs.len - 1 };
        struct nj_span none = { NULL, 0 };

        ck_assert_int_eq(crypto->verify_signature(c.spki, c.algorithm, c.tbs, c.signature), NJ_OK);
        ck_assert_int_lt(crypto->verify_signature(c.spki, c.algorithm, cut, c.signature), 0);
        ck_assert_int_lt(crypto->verify_signature(other.spki, c.algorithm, c.tbs, c.signature), 0);
        ck_assert_int_lt(crypto->verify_signature(c.spki, c.algorithm, c.tbs, other.signature), 0);
        ck_assert_int_lt(crypto->verify_signature(c.spki, c.spki, c.tbs, c.signature), 0);
        ck_assert_int_lt(crypto->verify_signature(none, c.algorithm, c.tbs, c.signature), 0);
        ck_assert_int_lt(crypto->verify_signature(c.spki, none, c.tbs, c.signature), 0);
        ck_assert_int_lt(crypto->verify_signature(c.spki, c.algorithm, c.tbs, none), 0);
    }
}
END_TEST

void nj_kit_alone(void)
{
    nj_kit_add("alone", required_slots_are_there, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", about_names_library_suites_and_groups, NJ_KIT_ALONE);
    nj_kit_add("alone", short_result_struct_is_not_overrun, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", foreign_key_is_refused_for_every_key_type, NJ_KIT_ALONE);
    nj_kit_add("alone", unreadable_key_or_certificate_is_refused, NJ_KIT_ALONE);
    nj_kit_add("alone", bad_anchor_is_left_out_with_a_warning, NJ_KIT_ALONE);
    nj_kit_add("alone", no_good_anchor_is_an_error, NJ_KIT_ALONE);
    nj_kit_add("alone", what_cannot_be_honoured_is_refused, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", system_trust_can_be_asked_for, NJ_KIT_ALONE);
    nj_kit_add("alone", one_context_accepts_and_dials, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", a_thousand_sessions_leave_nothing, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", threads_share_a_context, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", plain_text_is_no_tls, NJ_KIT_ALONE);
    nj_kit_add("alone", garbage_instead_of_a_client_hello_fails, NJ_KIT_ALONE);
    nj_kit_add("alone", changed_handshake_bytes_do_no_harm, NJ_KIT_ALONE);
    nj_kit_add("alone", transport_that_ends_in_the_handshake_is_eof, NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", chains_are_checked_without_a_session, NJ_KIT_ALONE);
    nj_kit_add("alone", certificates_are_judged_by_the_hosts_clock, NJ_KIT_ALONE);
    nj_kit_add("alone", hashes_give_the_known_answers, NJ_KIT_ALONE);
    nj_kit_add("alone", ed25519_gives_the_known_answers, NJ_KIT_ALONE);
    nj_kit_add("alone", signatures_are_verified_for_every_key_type, NJ_KIT_ALONE);
    nj_kit_add("alone", a_staple_is_taken_or_refused_as_the_capability_says,
               NJ_KIT_ALONE | NJ_KIT_SHAPE);
    nj_kit_add("alone", random_bytes_differ, NJ_KIT_ALONE);
}
