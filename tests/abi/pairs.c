/* pairs.c: what every ordered pair of providers must do together when nothing is wrong. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/suites.h"

#define MIB ((size_t) 1 << 20)

static const uint16_t versions[] = { NJ_TLS_1_3, NJ_TLS_1_2 };
static const char *const key_types[] = { "ecdsa", "rsa", "ed25519" };
static const size_t chunks[] = { 0, 1, 700 };

#define EACH(var, list)                                                                            \
    size_t var = 0;                                                                                \
    var < sizeof(list) / sizeof((list)[0]);                                                        \
    var++

static const char *cred_name(const char *role, const char *type)
{
    static char name[2][32];
    static int turn;
    char *out = name[turn++ % 2];
    (void) snprintf(out, sizeof(name[0]), "%s-%s", role, type);
    return out;
}

static void get_info(struct nj_kit_end *end, struct nj_tls_info *info)
{
    memset(info, 0xff, sizeof(*info));
    info->size = sizeof(*info);
    end->tls->info(end->sess, info);
}

static void assert_same_info(struct nj_kit_pair *pair, uint16_t version)
{
    struct nj_tls_info s;
    struct nj_tls_info c;
    get_info(&pair->server, &s);
    get_info(&pair->client, &c);
    ck_assert_uint_eq(s.version, version);
    ck_assert_uint_eq(c.version, version);
    ck_assert_uint_eq(s.suite, c.suite);
    ck_assert_uint_ne(s.suite, 0);
    ck_assert_uint_eq(s.group, c.group);
    ck_assert_uint_eq(s.group, 29);
    ck_assert_uint_eq(s.resumed, 0);
    ck_assert_int_eq(s.alert_sent, NJ_ALERT_NONE);
    ck_assert_int_eq(c.alert_received, NJ_ALERT_NONE);
    ck_assert_str_eq(s.server_name, "localhost");
    ck_assert_str_eq(c.server_name, "localhost");
    ck_assert_str_eq(s.alpn, "");
    if (version == NJ_TLS_1_3) {
        ck_assert_uint_eq(s.exporter_valid, 1);
        ck_assert_uint_eq(c.exporter_valid, 1);
    }
    if (s.exporter_valid && c.exporter_valid) {
        ck_assert_msg(memcmp(s.exporter, c.exporter, sizeof(s.exporter)) == 0,
                      "the exporters differ (%04x, suite %04x)", version, s.suite);
    }
}

static void assert_judged_server(struct nj_kit_end *client, struct nj_span leaf)
{
    struct nj_span chain[4];
    ck_assert_int_eq(client->judge.calls, 1);
    ck_assert_uint_eq(client->judge.judge, NJ_TLS_JUDGE_SERVER);
    ck_assert_uint_eq(client->judge.cls, NJ_CLASS_NONE);
    ck_assert_str_eq(client->judge.name, "localhost");
    ck_assert_uint_eq(client->judge.leaf.len, leaf.len);
    ck_assert_mem_eq(client->judge.leaf_copy, leaf.ptr, leaf.len);
    ck_assert_uint_eq(client->tls->peer_chain(client->sess, chain, 4), client->judge.chain_n);
    ck_assert_uint_eq(chain[0].len, leaf.len);
    ck_assert_mem_eq(chain[0].ptr, leaf.ptr, leaf.len);
    client->tls->drop_peer(client->sess);
}

START_TEST(both_versions_all_keys_any_chunks)
{
    for (EACH(v, versions)) {
        for (EACH(k, key_types)) {
            for (EACH(c, chunks)) {
                struct nj_kit_stage st;
                nj_kit_stage_init(&st, _i, cred_name("server", key_types[k]));
                nj_kit_stage_version(&st, versions[v]);

                int rc = nj_kit_stage_run(&st, chunks[c]);

                ck_assert_msg(rc == NJ_OK, "%04x %s %zu: server \"%s\" client \"%s\"", versions[v],
                              key_types[k], chunks[c], st.pair.server.err.text,
                              st.pair.client.err.text);
                assert_same_info(&st.pair, versions[v]);
                assert_judged_server(&st.pair.client, st.server_cred.certs[0]);
                ck_assert_int_eq(st.pair.server.judge.calls, 0);
                nj_kit_assert_echo(&st.pair);
                nj_kit_stage_free(&st);
            }
        }
    }
}
END_TEST

START_TEST(client_certificates_of_all_keys_are_judged)
{
    for (EACH(v, versions)) {
        for (EACH(k, key_types)) {
            struct nj_kit_stage st;
            nj_kit_stage_init(&st, _i, "server-ecdsa");
            nj_kit_stage_version(&st, versions[v]);
            nj_kit_stage_mutual(&st, cred_name("client", key_types[k]));

            int rc = nj_kit_stage_run(&st, 0);

            ck_assert_msg(rc == NJ_OK, "%04x %s: server \"%s\" client \"%s\"", versions[v],
                          key_types[k], st.pair.server.err.text, st.pair.client.err.text);
            ck_assert_int_eq(st.pair.server.judge.calls, 1);
            ck_assert_uint_eq(st.pair.server.judge.judge, NJ_TLS_JUDGE_CLIENT);
            ck_assert_uint_eq(st.pair.server.judge.cls, NJ_CLASS_NONE);
            ck_assert_uint_eq(st.pair.server.judge.version, versions[v]);
            ck_assert_mem_eq(st.pair.server.judge.leaf_copy, st.client_cred.certs[0].ptr,
                             st.client_cred.certs[0].len);
            nj_kit_assert_echo(&st.pair);
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

START_TEST(requested_certificate_may_be_missing)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        struct nj_span chain[1];
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        st.server_set.verify = NJ_TLS_VERIFY_REQUEST;

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        ck_assert_int_eq(st.pair.server.judge.calls, 0);
        ck_assert_uint_eq(st.server->peer_chain(st.pair.server.sess, chain, 1), 0);
        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(intermediate_leads_to_the_anchor)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "chained");

    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

    ck_assert_uint_eq(st.pair.client.judge.chain_n, 2);
    ck_assert(st.pair.client.judge.path_n == 0 || st.pair.client.judge.path_n == 3);
    nj_kit_stage_free(&st);
}
END_TEST

static void assert_mib(struct nj_kit_end *from, struct nj_kit_end *to, size_t chunk)
{
    uint8_t *bytes = malloc(MIB);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < MIB; i++) {
        bytes[i] = (uint8_t) (i * 31 + (i >> 8));
    }
    size_t before = from->out.total;
    ck_assert_int_eq(nj_kit_end_send(from, bytes, MIB), NJ_OK);
    /* full records: no more than 64 of them, each with a header and at most 40 bytes on top */
    ck_assert_uint_le(from->out.total - before, MIB + 64 * 45);
    ck_assert_int_ge(nj_kit_end_receive(to, from, chunk), 0);
    ck_assert(nj_kit_end_take(to, bytes, MIB));
    ck_assert_uint_eq(to->plain_len, 0);
    free(bytes);
}

START_TEST(a_mebibyte_goes_each_way)
{
    for (EACH(v, versions)) {
        for (EACH(c, chunks)) {
            struct nj_kit_stage st;
            nj_kit_stage_init(&st, _i, "server-ecdsa");
            nj_kit_stage_version(&st, versions[v]);
            ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

            /* by single bytes it would take a minute under a checker: 1,000 at a time instead */
            size_t chunk = chunks[c] == 1 ? 1000 : chunks[c];
            assert_mib(&st.pair.client, &st.pair.server, chunk);
            assert_mib(&st.pair.server, &st.pair.client, chunk);
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

/* A small dst leaves the rest of a record inside, and has_plain() tells. */
START_TEST(a_small_buffer_gets_a_record_in_parts)
{
    static const char text[] = "0123456789";
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
    struct nj_kit_end *s = &st.pair.server;
    struct nj_kit_end *c = &st.pair.client;
    ck_assert_int_eq(nj_kit_end_send(c, text, 10), NJ_OK);
    struct nj_tls_in in = { c->out.buf + c->out.taken, nj_kit_wire_left(&c->out), 0 };
    uint8_t dst[4];
    size_t n = 0;

    ck_assert_int_eq(s->tls->open(s->sess, &in, dst, 4, &n, &s->out.sink), NJ_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_eq(s->tls->has_plain(s->sess), 6);
    ck_assert_int_eq(s->tls->open(s->sess, &in, dst, 4, &n, &s->out.sink), NJ_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(s->tls->open(s->sess, &in, dst, 4, &n, &s->out.sink), NJ_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_mem_eq(dst, "89", 2);
    ck_assert_uint_eq(s->tls->has_plain(s->sess), 0);
    ck_assert_int_eq(s->tls->open(s->sess, &in, dst, 4, &n, &s->out.sink), NJ_NEED_IN);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(in.used, in.len);
    nj_kit_stage_free(&st);
}
END_TEST

static void assert_key_update(struct nj_kit_end *from, struct nj_kit_end *to, size_t chunk)
{
    ck_assert_int_eq(from->tls->key_update(from->sess, &from->out.sink), NJ_OK);
    ck_assert_int_eq(nj_kit_end_send(from, "after", 5), NJ_OK);
    ck_assert_int_ge(nj_kit_end_receive(to, from, chunk), 0);
    ck_assert(nj_kit_end_take(to, "after", 5));
    ck_assert_int_eq(nj_kit_end_send(to, "reply", 5), NJ_OK);
    ck_assert_int_ge(nj_kit_end_receive(from, to, chunk), 0);
    ck_assert(nj_kit_end_take(from, "reply", 5));
}

START_TEST(key_updates_hide_no_data)
{
    for (EACH(c, chunks)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, NJ_TLS_1_3);
        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        if (NJ_TLS_HAS(st.client, key_update)) {
            assert_key_update(&st.pair.client, &st.pair.server, chunks[c]);
        }
        if (NJ_TLS_HAS(st.server, key_update)) {
            assert_key_update(&st.pair.server, &st.pair.client, chunks[c]);
        }
        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

static void assert_close(struct nj_kit_end *from, struct nj_kit_end *to)
{
    ck_assert_int_eq(nj_kit_end_send(from, "last", 4), NJ_OK);
    ck_assert_int_eq(from->tls->close_notify(from->sess, &from->out.sink), NJ_OK);
    size_t once = from->out.total;
    ck_assert_int_eq(from->tls->close_notify(from->sess, &from->out.sink), NJ_OK);
    ck_assert_uint_eq(from->out.total, once);
    ck_assert_int_eq(nj_kit_end_receive(to, from, 0), NJ_E_CLOSED);
    ck_assert(nj_kit_end_take(to, "last", 4));
    ck_assert_int_eq(to->tls->in_eof(to->sess), NJ_E_CLOSED);
}

START_TEST(close_notify_works_both_ways_and_repeats)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        assert_close(&st.pair.client, &st.pair.server);
        assert_close(&st.pair.server, &st.pair.client);
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(an_end_without_close_notify_is_truncation)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

    ck_assert_int_eq(st.server->in_eof(st.pair.server.sess), NJ_E_TRUNCATED);
    ck_assert_int_eq(st.client->in_eof(st.pair.client.sess), NJ_E_TRUNCATED);
    nj_kit_stage_free(&st);
}
END_TEST

START_TEST(server_order_decides_suite_and_group)
{
    static const uint16_t server_suites[] = { 0x1303, 0x1301, 0xcca9, 0xc02b };
    static const uint16_t client_suites[] = { 0x1301, 0x1303, 0xc02b, 0xcca9 };
    static const uint16_t server_groups[] = { 24, 29 };
    static const uint16_t client_groups[] = { 29, 24 };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        struct nj_tls_info info;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        st.server_set.suites = server_suites;
        st.server_set.suites_n = 4;
        st.server_set.groups = server_groups;
        st.server_set.groups_n = 2;
        st.client_set.suites = client_suites;
        st.client_set.suites_n = 4;
        st.client_set.groups = client_groups;
        st.client_set.groups_n = 2;

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        get_info(&st.pair.server, &info);
        if (st.server->caps() & NJ_TLS_CAP_SERVER_PREFERENCE) {
            ck_assert_uint_eq(info.suite, versions[v] == NJ_TLS_1_3 ? 0x1303 : 0xcca9);
        }
        if (st.server->caps() & NJ_TLS_CAP_GROUP_ORDER) {
            ck_assert_uint_eq(info.group, 24);
        }
        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

static int provider_has(const struct nj_tls_provider *tls, uint16_t suite)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    tls->about(&about);
    for (size_t i = 0; i < about.suites_n; i++) {
        if (about.suites[i] == suite) {
            return 1;
        }
    }
    return 0;
}

struct suite_case {
    uint16_t suite;
    const char *cred;
};

static void try_suite(int pair_i, const struct suite_case *sc)
{
    struct nj_kit_stage st;
    struct nj_tls_info info;
    nj_kit_stage_init(&st, pair_i, sc->cred);
    if (!provider_has(st.server, sc->suite) || !provider_has(st.client, sc->suite)) {
        return;
    }
    nj_kit_stage_version(&st, sc->suite < 0x1400 ? NJ_TLS_1_3 : NJ_TLS_1_2);
    st.server_set.suites = &sc->suite;
    st.server_set.suites_n = 1;
    if ((sc->suite & 0xffe0) == 0xc000) { /* CBC: not in the kit's default list */
        st.client_set.suites = &sc->suite;
        st.client_set.suites_n = 1;
    }

    int rc = nj_kit_stage_run(&st, 0);

    ck_assert_msg(rc == NJ_OK, "%04x: server \"%s\" client \"%s\"", sc->suite,
                  st.pair.server.err.text, st.pair.client.err.text);
    get_info(&st.pair.client, &info);
    ck_assert_uint_eq(info.suite, sc->suite);
    nj_kit_assert_echo(&st.pair);
    nj_kit_stage_free(&st);
}

/* Each suite alone, so that a name that stands for another suite is found out. */
START_TEST(each_secure_suite_is_what_it_is_called)
{
    static const struct suite_case cases[] = {
        { 0x1301, "server-ecdsa" }, { 0x1302, "server-ecdsa" }, { 0x1303, "server-ecdsa" },
        { 0xc02b, "server-ecdsa" }, { 0xc02c, "server-ecdsa" }, { 0xcca9, "server-ecdsa" },
        { 0xc009, "server-ecdsa" }, { 0xc00a, "server-ecdsa" }, { 0xc02f, "server-rsa" },
        { 0xc030, "server-rsa" },   { 0xcca8, "server-rsa" },   { 0xc013, "server-rsa" },
        { 0xc014, "server-rsa" },
    };
    for (EACH(i, cases)) {
        try_suite(_i, &cases[i]);
    }
}
END_TEST

/* Of { ECDSA with AES-128, RSA with AES-256 } a server with an RSA key has one suite, not two. */
START_TEST(suite_list_is_no_cross_product)
{
    static const uint16_t list[] = { 0xc02b, 0xc030 };
    struct nj_kit_stage st;
    struct nj_tls_info info;
    nj_kit_stage_init(&st, _i, "server-rsa");
    nj_kit_stage_version(&st, NJ_TLS_1_2);
    st.server_set.suites = list;
    st.server_set.suites_n = 2;

    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

    get_info(&st.pair.server, &info);
    ck_assert_uint_eq(info.suite, 0xc030);
    nj_kit_stage_free(&st);
}
END_TEST

START_TEST(each_group_works)
{
    static const uint16_t groups[] = { 29, 23, 24 };
    for (EACH(v, versions)) {
        for (EACH(g, groups)) {
            struct nj_kit_stage st;
            struct nj_tls_info info;
            nj_kit_stage_init(&st, _i, "server-ecdsa");
            nj_kit_stage_version(&st, versions[v]);
            st.client_set.groups = &groups[g];
            st.client_set.groups_n = 1;

            ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

            get_info(&st.pair.server, &info);
            ck_assert_uint_eq(info.group, groups[g]);
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

START_TEST(alpn_is_chosen_from_both_lists)
{
    static const struct nj_span server_alpn[] = { { (const uint8_t *) "nats", 4 },
                                                  { (const uint8_t *) "http/1.1", 8 } };
    static const struct nj_span client_alpn[] = { { (const uint8_t *) "http/1.1", 8 } };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        struct nj_tls_info info;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        if ((st.server->caps() & st.client->caps() & NJ_TLS_CAP_ALPN) == 0) {
            continue;
        }
        st.server_set.alpn = server_alpn;
        st.server_set.alpn_n = 2;
        st.client_set.alpn = client_alpn;
        st.client_set.alpn_n = 1;

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        get_info(&st.pair.server, &info);
        ck_assert_str_eq(info.alpn, "http/1.1");
        get_info(&st.pair.client, &info);
        ck_assert_str_eq(info.alpn, "http/1.1");
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(an_address_is_no_server_name)
{
    static const char *const names[] = { "127.0.0.1", "::1" };
    for (EACH(i, names)) {
        struct nj_kit_stage st;
        struct nj_tls_info info;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        st.name = names[i];

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        get_info(&st.pair.server, &info);
        ck_assert_str_eq(info.server_name, "");
        ck_assert_str_eq(st.pair.client.judge.name, names[i]);
        nj_kit_stage_free(&st);
    }
}
END_TEST

/* The server's OCSP response goes through as it is; the peer's core judges it. */
START_TEST(staple_reaches_the_peer)
{
    static const uint8_t response[] = { 0x30, 0x03, 0x0a, 0x01, 0x06 }; /* "unauthorized" */
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        struct nj_span got = { NULL, 0 };
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        if ((st.server->caps() & NJ_TLS_CAP_STAPLE) == 0 ||
            !NJ_TLS_HAS(st.client, peer_staple)) {
            continue;
        }
        st.server_set.staple = (struct nj_span){ response, sizeof(response) };

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        ck_assert_int_eq(st.client->peer_staple(st.pair.client.sess, &got), NJ_OK);
        ck_assert_uint_eq(got.len, sizeof(response));
        ck_assert_mem_eq(got.ptr, response, sizeof(response));
        nj_kit_stage_free(&st);
    }
}
END_TEST

static void *run_elsewhere(void *arg)
{
    struct nj_kit_stage *st = arg;
    if (NJ_TLS_HAS(st->server, thread_attach)) {
        st->server->thread_attach();
    }
    nj_kit_assert_echo(&st->pair);
    if (NJ_TLS_HAS(st->server, thread_detach)) {
        st->server->thread_detach();
    }
    return NULL;
}

START_TEST(a_session_moves_between_threads)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, run_elsewhere, &st), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        nj_kit_assert_echo(&st.pair);
    }
    nj_kit_stage_free(&st);
}
END_TEST

START_TEST(ticket_secrets_do_not_disturb_a_handshake)
{
    static const uint8_t secrets[2][NJ_TLS_TICKET_SECRET_LEN] = { { 1, 2, 3 }, { 4, 5, 6 } };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        st.server_set.ticket_secret = secrets[0];
        st.server_set.ticket_secret_previous = secrets[1];
        st.server_set.ticket_lifetime_s = 3600;

        ck_assert_int_eq(nj_kit_stage_run(&st, 1), NJ_OK);

        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(records_cost_no_allocation_of_the_provider)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
    nj_kit_assert_echo(&st.pair);
    long before = nj_kit_host_allocs();

    for (int i = 0; i < 100; i++) {
        nj_kit_assert_echo(&st.pair);
    }

    ck_assert_int_eq(nj_kit_host_allocs(), before);
    nj_kit_stage_free(&st);
}
END_TEST

void nj_kit_pairs(void)
{
    nj_kit_add("pairs", both_versions_all_keys_any_chunks, NJ_KIT_PAIR);
    nj_kit_add("pairs", client_certificates_of_all_keys_are_judged, NJ_KIT_PAIR);
    nj_kit_add("pairs", requested_certificate_may_be_missing, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("pairs", intermediate_leads_to_the_anchor, NJ_KIT_PAIR);
    nj_kit_add("pairs", a_mebibyte_goes_each_way, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("pairs", a_small_buffer_gets_a_record_in_parts, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("pairs", key_updates_hide_no_data, NJ_KIT_PAIR);
    nj_kit_add("pairs", close_notify_works_both_ways_and_repeats, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("pairs", an_end_without_close_notify_is_truncation, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("pairs", server_order_decides_suite_and_group, NJ_KIT_PAIR);
    nj_kit_add("pairs", each_secure_suite_is_what_it_is_called, NJ_KIT_PAIR);
    nj_kit_add("pairs", suite_list_is_no_cross_product, NJ_KIT_PAIR);
    nj_kit_add("pairs", each_group_works, NJ_KIT_PAIR);
    nj_kit_add("pairs", alpn_is_chosen_from_both_lists, NJ_KIT_PAIR);
    nj_kit_add("pairs", staple_reaches_the_peer, NJ_KIT_PAIR);
    nj_kit_add("pairs", an_address_is_no_server_name, NJ_KIT_PAIR);
    nj_kit_add("pairs", a_session_moves_between_threads, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("pairs", ticket_secrets_do_not_disturb_a_handshake, NJ_KIT_PAIR);
    nj_kit_add("pairs", records_cost_no_allocation_of_the_provider, NJ_KIT_PAIR | NJ_KIT_SHAPE);
}
