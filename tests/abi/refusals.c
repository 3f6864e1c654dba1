/* refusals.c: what every ordered pair must refuse, with which alert and in which words. */
#include <stdlib.h>
#include <string.h>

#include "tests/abi/suites.h"

static const uint16_t versions[] = { NJ_TLS_1_3, NJ_TLS_1_2 };

#define EACH(var, list)                                                                            \
    size_t var = 0;                                                                                \
    var < sizeof(list) / sizeof((list)[0]);                                                        \
    var++

/* What the library can send when the hook wishes for `alert`. */
static int32_t possible_alert(const struct nj_tls_provider *tls, int32_t alert)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    tls->about(&about);
    for (size_t i = 0; i < about.refuse_alerts_n; i++) {
        if (about.refuse_alerts[i] == alert) {
            return alert;
        }
    }
    return about.refuse_alerts_n == 0 ? alert : about.refuse_alerts[0];
}

static void set_refusal(struct nj_kit_end *end, int32_t alert)
{
    end->judge.refuse = 1;
    end->judge.refuse_alert = alert;
    end->judge.refuse_text = "x509: the kit will not have it";
}

/* As nj_kit_stage_run(), with an answer of one end's hook set before it starts. */
static void run_refused(struct nj_kit_stage *st, int by_server, int32_t alert)
{
    struct nj_error err = NJ_ERROR_INIT;
    ck_assert_int_eq(nj_kit_pair_open(&st->pair, st->server, &st->server_set, st->client,
                                      &st->client_set, st->name, 0, &err),
                     NJ_OK);
    set_refusal(by_server ? &st->pair.server : &st->pair.client, alert);
    ck_assert_int_eq(nj_kit_pair_handshake(&st->pair), NJ_E_FAILED);
}

START_TEST(client_refuses_a_good_certificate)
{
    static const int32_t alerts[] = { 40, 42, 43, 44, 45, 46, 48, 49, 80, 112, 116 };
    for (EACH(v, versions)) {
        for (EACH(a, alerts)) {
            struct nj_kit_stage st;
            nj_kit_stage_init(&st, _i, "server-ecdsa");
            nj_kit_stage_version(&st, versions[v]);

            run_refused(&st, 0, alerts[a]);

            nj_kit_assert_alert(&st.pair.client, &st.pair.server,
                                possible_alert(st.client, alerts[a]));
            ck_assert_uint_eq(st.pair.client.err.cls, NJ_CLASS_POLICY);
            ck_assert_str_eq(st.pair.client.err.text, "x509: the kit will not have it");
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

START_TEST(server_refuses_a_good_certificate)
{
    static const int32_t alerts[] = { 40, 42, 43, 44, 45, 46, 48, 49, 80, 112, 116 };
    for (EACH(v, versions)) {
        for (EACH(a, alerts)) {
            struct nj_kit_stage st;
            nj_kit_stage_init(&st, _i, "server-ecdsa");
            nj_kit_stage_version(&st, versions[v]);
            nj_kit_stage_mutual(&st, "client-ecdsa");

            run_refused(&st, 1, alerts[a]);

            nj_kit_assert_alert(&st.pair.server, &st.pair.client,
                                possible_alert(st.server, alerts[a]));
            ck_assert_str_eq(st.pair.server.err.text, "x509: the kit will not have it");
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

START_TEST(missing_client_certificate_has_an_alert_of_its_own)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        nj_kit_stage_mutual(&st, NULL);

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

        nj_kit_assert_alert(&st.pair.server, &st.pair.client, versions[v] == NJ_TLS_1_3 ? 116 : 40);
        ck_assert_uint_eq(st.pair.server.err.cls, NJ_CLASS_NO_CERT);
        ck_assert_str_eq(st.pair.server.err.text, "tls: client didn't provide a certificate");
        ck_assert_int_eq(st.pair.server.judge.calls, 0);
        nj_kit_stage_free(&st);
    }
}
END_TEST

/* The hook says yes to everything: the provider must not follow it. */
START_TEST(hook_cannot_loosen_the_librarys_verdict)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        nj_kit_stage_mutual(&st, "stranger");

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

        ck_assert_int_eq(st.pair.server.judge.calls, 1);
        ck_assert_uint_eq(st.pair.server.judge.cls, NJ_CLASS_UNKNOWN_CA);
        ck_assert_uint_eq(st.pair.server.err.cls, NJ_CLASS_UNKNOWN_CA);
        nj_kit_assert_alert(&st.pair.server, &st.pair.client, 48);
        ck_assert_ptr_nonnull(strstr(st.pair.server.err.text, "unknown authority"));
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(expired_server_certificate_is_found)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "expired");
        nj_kit_stage_version(&st, versions[v]);

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

        ck_assert_uint_eq(st.pair.client.judge.cls, NJ_CLASS_EXPIRED);
        ck_assert_uint_eq(st.pair.client.err.cls, NJ_CLASS_EXPIRED);
        nj_kit_assert_alert(&st.pair.client, &st.pair.server,
                            st.pair.client.err.alert == 45 ? 45 : 42);
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(insecure_dial_asks_the_hook_and_checks_no_chain)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "expired");
        nj_kit_stage_version(&st, versions[v]);
        st.client_set.insecure = 1;
        st.client_set.anchors_n = 0;

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);

        ck_assert_int_eq(st.pair.client.judge.calls, 1);
        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(client_that_is_too_old_gets_alert_70)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    nj_kit_settings_version(&st.server_set, NJ_TLS_1_3);
    nj_kit_settings_version(&st.client_set, NJ_TLS_1_2);

    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

    nj_kit_assert_alert(&st.pair.server, &st.pair.client, 70);
    ck_assert_uint_eq(st.pair.server.err.cls, NJ_CLASS_VERSION);
    nj_kit_stage_free(&st);
}
END_TEST

/* A TLS 1.2 server need not know supported_versions: then it misses a suite instead. */
START_TEST(client_that_is_too_new_gets_alert_70_or_40)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    nj_kit_settings_version(&st.server_set, NJ_TLS_1_2);
    nj_kit_settings_version(&st.client_set, NJ_TLS_1_3);

    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

    nj_kit_assert_alert(&st.pair.server, &st.pair.client,
                        st.pair.server.err.cls == NJ_CLASS_NO_SUITE ? 40 : 70);
    nj_kit_stage_free(&st);
}
END_TEST

START_TEST(suites_that_do_not_meet_end_with_alert_40)
{
    static const uint16_t of_server[] = { 0x1301, 0xc02b };
    static const uint16_t of_client[] = { 0x1302, 0xc02c };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        st.server_set.suites = of_server;
        st.server_set.suites_n = 2;
        st.client_set.suites = of_client;
        st.client_set.suites_n = 2;

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

        nj_kit_assert_alert(&st.pair.server, &st.pair.client, 40);
        ck_assert_uint_eq(st.pair.server.err.cls, NJ_CLASS_NO_SUITE);
        nj_kit_stage_free(&st);
    }
}
END_TEST

/* In TLS 1.2 some libraries find no suite, because the suite has no group. */
START_TEST(groups_that_do_not_meet_end_with_alert_40)
{
    static const uint16_t of_server[] = { 23 };
    static const uint16_t of_client[] = { 24 };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        st.server_set.groups = of_server;
        st.server_set.groups_n = 1;
        st.client_set.groups = of_client;
        st.client_set.groups_n = 1;

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

        nj_kit_assert_alert(&st.pair.server, &st.pair.client, 40);
        ck_assert(st.pair.server.err.cls == NJ_CLASS_NO_GROUP ||
                  (versions[v] == NJ_TLS_1_2 && st.pair.server.err.cls == NJ_CLASS_NO_SUITE));
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(server_without_certificate_sends_112)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, NULL);
        nj_kit_stage_version(&st, versions[v]);

        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);

        nj_kit_assert_alert(&st.pair.server, &st.pair.client, 112);
        ck_assert_str_eq(st.pair.server.err.text, "tls: no certificates configured");
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(abort_after_the_handshake_reaches_the_peer)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
        struct nj_kit_end *s = &st.pair.server;

        ck_assert_int_eq(s->tls->abort(s->sess, 42, &s->out.sink), NJ_OK);

        ck_assert_int_eq(nj_kit_end_receive(&st.pair.client, s, 0), NJ_E_FAILED);
        ck_assert_uint_eq(st.pair.client.err.cls, NJ_CLASS_PEER_ALERT);
        ck_assert_int_eq(st.pair.client.err.alert, 42);
        ck_assert_str_eq(st.pair.client.err.text, "remote error: tls: bad certificate");
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(changed_record_is_refused_with_alert_20)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
        struct nj_kit_end *c = &st.pair.client;
        ck_assert_int_eq(nj_kit_end_send(c, "hello", 5), NJ_OK);

        c->out.buf[c->out.len - 1] ^= 1;

        ck_assert_int_eq(nj_kit_end_receive(&st.pair.server, c, 0), NJ_E_FAILED);
        ck_assert_uint_eq(st.pair.server.err.cls, NJ_CLASS_BAD_RECORD);
        ck_assert_int_eq(st.pair.server.err.alert, 20);
        ck_assert_uint_eq(st.pair.server.plain_len, 0);
        ck_assert_int_eq(nj_kit_end_receive(c, &st.pair.server, 0), NJ_E_FAILED);
        ck_assert_int_eq(c->err.alert, 20);
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(failed_session_stays_failed)
{
    struct nj_kit_stage st;
    nj_kit_stage_init(&st, _i, NULL);
    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_E_FAILED);
    struct nj_kit_end *s = &st.pair.server;
    struct nj_tls_in in = { (const uint8_t *) "x", 1, 0 };
    uint8_t dst[16];
    size_t n = 1;

    ck_assert_int_eq(s->tls->handshake(s->sess, &in, &s->out.sink), NJ_E_FAILED);
    in.used = 0;
    ck_assert_int_eq(s->tls->open(s->sess, &in, dst, sizeof(dst), &n, &s->out.sink), NJ_E_FAILED);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(s->tls->seal(s->sess, dst, 1, &s->out.sink), NJ_E_FAILED);
    ck_assert_uint_eq(nj_kit_wire_left(&s->out), 0);
    nj_kit_stage_free(&st);
}
END_TEST

void nj_kit_refusals(void)
{
    nj_kit_add("refusals", client_refuses_a_good_certificate, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("refusals", server_refuses_a_good_certificate, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("refusals", missing_client_certificate_has_an_alert_of_its_own,
               NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("refusals", hook_cannot_loosen_the_librarys_verdict, NJ_KIT_PAIR);
    nj_kit_add("refusals", expired_server_certificate_is_found, NJ_KIT_PAIR);
    nj_kit_add("refusals", insecure_dial_asks_the_hook_and_checks_no_chain, NJ_KIT_PAIR);
    nj_kit_add("refusals", client_that_is_too_old_gets_alert_70, NJ_KIT_PAIR);
    nj_kit_add("refusals", client_that_is_too_new_gets_alert_70_or_40, NJ_KIT_PAIR);
    nj_kit_add("refusals", suites_that_do_not_meet_end_with_alert_40, NJ_KIT_PAIR);
    nj_kit_add("refusals", groups_that_do_not_meet_end_with_alert_40, NJ_KIT_PAIR);
    nj_kit_add("refusals", server_without_certificate_sends_112, NJ_KIT_PAIR);
    nj_kit_add("refusals", abort_after_the_handshake_reaches_the_peer, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("refusals", changed_record_is_refused_with_alert_20, NJ_KIT_PAIR);
    nj_kit_add("refusals", failed_session_stays_failed, NJ_KIT_PAIR | NJ_KIT_SHAPE);
}
