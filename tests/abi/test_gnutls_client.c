/*
 * test_gnutls_client.c: what providers answer to things that no provider's dialling end does:
 * tickets (all of them), renegotiation and empty records (GnuTLS).  The client is GnuTLS itself,
 * over the kit's wires.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <gnutls/gnutls.h>

#include "tests/abi/pair.h"

static struct nj_kit_provider provider;
static const uint8_t secret_a[NJ_TLS_TICKET_SECRET_LEN] = { 1, 2, 3 };
static const uint8_t secret_b[NJ_TLS_TICKET_SECRET_LEN] = { 4, 5, 6 };
static const uint8_t secret_c[NJ_TLS_TICKET_SECRET_LEN] = { 7, 8, 9 };

/* A server of the provider and a plain GnuTLS client. */
struct talk {
    struct nj_kit_end server;
    struct nj_kit_wire to_server;
    gnutls_session_t client;
    gnutls_certificate_credentials_t cred;
};

static ssize_t client_pull(gnutls_transport_ptr_t ptr, void *dst, size_t len)
{
    struct talk *t = ptr;
    struct nj_kit_wire *w = &t->server.out;
    size_t n = nj_kit_wire_left(w) < len ? nj_kit_wire_left(w) : len;
    if (n == 0) {
        gnutls_transport_set_errno(t->client, EAGAIN);
        return -1;
    }
    memcpy(dst, w->buf + w->taken, n);
    w->taken += n;
    return (ssize_t) n;
}

static ssize_t client_push(gnutls_transport_ptr_t ptr, const void *src, size_t len)
{
    struct talk *t = ptr;
    nj_sink_put(&t->to_server.sink, src, len);
    return (ssize_t) len;
}

static void client_start(struct talk *t, const char *version, int with_cert,
                         const gnutls_datum_t *ticket)
{
    char prio[64];
    gnutls_certificate_allocate_credentials(&t->cred);
    if (with_cert) {
        struct nj_span crt = nj_kit_file("client-ecdsa.crt");
        struct nj_span key = nj_kit_file("client-ecdsa.key");
        gnutls_datum_t crt_d = { (void *) (uintptr_t) crt.ptr, (unsigned) crt.len };
        gnutls_datum_t key_d = { (void *) (uintptr_t) key.ptr, (unsigned) key.len };
        ck_assert_int_ge(
            gnutls_certificate_set_x509_key_mem(t->cred, &crt_d, &key_d, GNUTLS_X509_FMT_DER), 0);
    }
    gnutls_init(&t->client, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_FORCE_CLIENT_CERT);
    (void) snprintf(prio, sizeof(prio), "NORMAL:-VERS-ALL:+VERS-TLS%s", version);
    ck_assert_int_eq(gnutls_priority_set_direct(t->client, prio, NULL), 0);
    gnutls_credentials_set(t->client, GNUTLS_CRD_CERTIFICATE, t->cred);
    gnutls_transport_set_ptr(t->client, t);
    gnutls_transport_set_pull_function(t->client, client_pull);
    gnutls_transport_set_push_function(t->client, client_push);
    if (ticket != NULL) {
        ck_assert_int_eq(gnutls_session_set_data(t->client, ticket->data, ticket->size), 0);
    }
}

static void talk_start(struct talk *t, const struct nj_tls_settings *set, const char *version,
                       int with_cert, const gnutls_datum_t *ticket)
{
    struct nj_error err = NJ_ERROR_INIT;
    memset(t, 0, sizeof(*t));
    t->server.tls = provider.tls;
    t->server.rc = NJ_NEED_IN;
    nj_kit_wire_init(&t->server.out);
    nj_kit_wire_init(&t->to_server);
    ck_assert_int_eq(provider.tls->ctx_new(set, &t->server.ctx, &err), NJ_OK);
    ck_assert_int_eq(provider.tls->accept(t->server.ctx, &t->server, &t->server.sess, &err), NJ_OK);
    client_start(t, version, with_cert, ticket);
}

/* Both handshake; afterwards the client reads once, which is when TLS 1.3 tickets come in. */
static void talk_run(struct talk *t)
{
    int client = GNUTLS_E_AGAIN;
    char buf[16];
    for (int i = 0; i < 10; i++) {
        client = client == 0 ? 0 : gnutls_handshake(t->client);
        struct nj_kit_wire *w = &t->to_server;
        struct nj_tls_in in = { w->buf + w->taken, nj_kit_wire_left(w), 0 };
        if (t->server.rc == NJ_NEED_IN) {
            t->server.rc = provider.tls->handshake(t->server.sess, &in, &t->server.out.sink);
            w->taken += in.used;
        }
    }
    for (int i = 0; i < 3 && client == 0; i++) {
        (void) gnutls_record_recv(t->client, buf, sizeof(buf));
    }
}

static void talk_end(struct talk *t)
{
    provider.tls->free(t->server.sess);
    provider.tls->ctx_unref(t->server.ctx);
    nj_kit_wire_free(&t->server.out);
    nj_kit_wire_free(&t->to_server);
    gnutls_deinit(t->client);
    gnutls_certificate_free_credentials(t->cred);
}

static int server_resumed(struct talk *t)
{
    struct nj_tls_info info = { .size = sizeof(info) };
    provider.tls->info(t->server.sess, &info);
    return info.resumed;
}

/* First talk: a full handshake; what the client keeps goes to *ticket. */
static void get_ticket(const struct nj_tls_settings *set, const char *version, int with_cert,
                       gnutls_datum_t *ticket)
{
    struct talk t;
    talk_start(&t, set, version, with_cert, NULL);
    talk_run(&t);
    ck_assert_int_eq(t.server.rc, NJ_OK);
    ck_assert_int_eq(server_resumed(&t), 0);
    ck_assert_int_eq(gnutls_session_get_data2(t.client, ticket), 0);
    talk_end(&t);
}

static const char *const versions[] = { "1.2", "1.3" };

static void accept_settings(struct nj_tls_settings *set, struct nj_kit_cred *cred,
                            const uint8_t *secret)
{
    nj_kit_cred_load(cred, "server-ecdsa", NULL);
    nj_kit_settings_accept(set, cred);
    set->ticket_secret = secret;
    set->ticket_lifetime_s = 3600;
}

START_TEST(ticket_resumes_in_another_context_of_the_same_secret)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    gnutls_datum_t ticket;
    accept_settings(&set, &cred, secret_a);
    get_ticket(&set, versions[_i], 0, &ticket);

    talk_start(&t, &set, versions[_i], 0, &ticket);
    talk_run(&t);

    ck_assert_int_eq(t.server.rc, NJ_OK);
    ck_assert_int_eq(server_resumed(&t), 1);
    talk_end(&t);
    gnutls_free(ticket.data);
}
END_TEST

START_TEST(ticket_of_another_secret_means_a_full_handshake)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    gnutls_datum_t ticket;
    accept_settings(&set, &cred, secret_a);
    get_ticket(&set, versions[_i], 0, &ticket);
    set.ticket_secret = secret_b;

    talk_start(&t, &set, versions[_i], 0, &ticket);
    talk_run(&t);

    ck_assert_int_eq(t.server.rc, NJ_OK);
    ck_assert_int_eq(server_resumed(&t), 0);
    talk_end(&t);
    gnutls_free(ticket.data);
}
END_TEST

/* Resume with a ticket of `from`, at a context of these secrets; the ticket is freed. */
static void resume_after_change(const uint8_t *from, const uint8_t *now, const uint8_t *previous,
                                const char *version, int expected)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    gnutls_datum_t ticket;
    accept_settings(&set, &cred, from);
    get_ticket(&set, version, 0, &ticket);
    set.ticket_secret = now;
    set.ticket_secret_previous = previous;

    talk_start(&t, &set, version, 0, &ticket);
    talk_run(&t);

    ck_assert_int_eq(t.server.rc, NJ_OK);
    ck_assert_int_eq(server_resumed(&t), expected);
    talk_end(&t);
    gnutls_free(ticket.data);
}

START_TEST(ticket_of_the_previous_secret_resumes)
{
    resume_after_change(secret_a, secret_b, secret_a, versions[_i], 1);
}
END_TEST

START_TEST(ticket_of_the_new_secret_resumes_beside_a_previous_one)
{
    resume_after_change(secret_b, secret_b, secret_a, versions[_i], 1);
}
END_TEST

START_TEST(ticket_from_before_the_previous_secret_means_a_full_handshake)
{
    resume_after_change(secret_a, secret_c, secret_b, versions[_i], 0);
}
END_TEST

/* Settings of a server that was built before the member was added. */
START_TEST(settings_that_end_before_the_previous_secret_are_fine)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    gnutls_datum_t ticket;
    accept_settings(&set, &cred, secret_a);
    set.size = offsetof(struct nj_tls_settings, ticket_secret_previous);
    set.ticket_secret_previous = (const uint8_t *) (uintptr_t) 1; /* beyond the end: not read */

    get_ticket(&set, versions[_i], 0, &ticket);
    talk_start(&t, &set, versions[_i], 0, &ticket);
    talk_run(&t);

    ck_assert_int_eq(server_resumed(&t), 1);
    talk_end(&t);
    gnutls_free(ticket.data);
}
END_TEST

START_TEST(resumed_client_is_judged_by_the_certificate_in_its_ticket)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    gnutls_datum_t ticket;
    struct nj_span leaf = nj_kit_file("client-ecdsa.crt");
    accept_settings(&set, &cred, secret_a);
    set.verify = NJ_TLS_VERIFY_REQUIRE;
    get_ticket(&set, versions[_i], 1, &ticket);

    talk_start(&t, &set, versions[_i], 1, &ticket);
    talk_run(&t);

    ck_assert_int_eq(t.server.rc, NJ_OK);
    ck_assert_int_eq(server_resumed(&t), 1);
    ck_assert_int_eq(t.server.judge.calls, 1);
    ck_assert_uint_eq(t.server.judge.resumed, 1);
    ck_assert_mem_eq(t.server.judge.leaf_copy, leaf.ptr, leaf.len);
    talk_end(&t);

    talk_start(&t, &set, versions[_i], 1, &ticket);
    t.server.judge.refuse = 1;
    t.server.judge.refuse_alert = 42;
    talk_run(&t);
    ck_assert_int_eq(t.server.rc, NJ_E_FAILED);
    talk_end(&t);
    gnutls_free(ticket.data);
}
END_TEST

/* The same secret may serve a block that asks for no certificate and one that does. */
START_TEST(ticket_without_certificate_does_not_open_a_verifying_context)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    struct nj_error err = NJ_ERROR_INIT;
    gnutls_datum_t ticket;
    accept_settings(&set, &cred, secret_a);
    get_ticket(&set, versions[_i], 0, &ticket);
    set.verify = NJ_TLS_VERIFY_REQUIRE;

    talk_start(&t, &set, versions[_i], 0, &ticket);
    talk_run(&t);

    ck_assert_int_eq(t.server.rc, NJ_E_FAILED);
    provider.tls->error(t.server.sess, &err);
    ck_assert_uint_eq(err.cls, NJ_CLASS_NO_CERT);
    talk_end(&t);
    gnutls_free(ticket.data);
}
END_TEST

START_TEST(without_a_secret_there_are_no_tickets)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    gnutls_datum_t ticket;
    accept_settings(&set, &cred, NULL);
    get_ticket(&set, versions[_i], 0, &ticket);

    talk_start(&t, &set, versions[_i], 0, &ticket);
    talk_run(&t);

    ck_assert_int_eq(t.server.rc, NJ_OK);
    ck_assert_int_eq(server_resumed(&t), 0);
    talk_end(&t);
    gnutls_free(ticket.data);
}
END_TEST

/* Give the server what the client has written since the handshake. */
static int server_open(struct talk *t, uint8_t *dst, size_t cap, size_t *n_out)
{
    struct nj_kit_wire *w = &t->to_server;
    struct nj_tls_in in = { w->buf + w->taken, nj_kit_wire_left(w), 0 };
    int rc = provider.tls->open(t->server.sess, &in, dst, cap, n_out, &t->server.out.sink);
    w->taken += in.used;
    return rc;
}

START_TEST(renegotiation_is_refused_with_alert_100)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    struct nj_error err = NJ_ERROR_INIT;
    uint8_t dst[16];
    size_t n = 0;
    accept_settings(&set, &cred, NULL);
    talk_start(&t, &set, "1.2", 0, NULL);
    talk_run(&t);
    ck_assert_int_eq(t.server.rc, NJ_OK);

    ck_assert_int_eq(gnutls_handshake(t.client), GNUTLS_E_AGAIN);

    ck_assert_int_eq(server_open(&t, dst, sizeof(dst), &n), NJ_E_FAILED);
    provider.tls->error(t.server.sess, &err);
    ck_assert_int_eq(err.alert, 100);
    ck_assert_int_lt(gnutls_handshake(t.client), 0);
    ck_assert_int_eq(gnutls_alert_get(t.client), GNUTLS_A_NO_RENEGOTIATION);
    talk_end(&t);
}
END_TEST

/* RFC 8446 5.4: a record may hold padding and nothing else.  It is not the end of the stream. */
START_TEST(record_of_padding_alone_is_no_end)
{
    struct nj_tls_settings set;
    struct nj_kit_cred cred;
    struct talk t;
    uint8_t dst[16];
    size_t n = 0;
    accept_settings(&set, &cred, NULL);
    talk_start(&t, &set, "1.3", 0, NULL);
    talk_run(&t);
    ck_assert_int_eq(t.server.rc, NJ_OK);
    size_t before = t.to_server.total;

    ck_assert_int_eq(gnutls_record_send2(t.client, "", 0, 20, 0), 0);
    ck_assert_uint_gt(t.to_server.total, before);
    ck_assert_int_eq(gnutls_record_send(t.client, "data", 4), 4);

    ck_assert_int_eq(server_open(&t, dst, sizeof(dst), &n), NJ_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_mem_eq(dst, "data", 4);
    talk_end(&t);
}
END_TEST

/* Of any provider with tickets; the others are about the GnuTLS one. */
static TCase *ticket_case(void)
{
    TCase *tc = tcase_create("tickets");
    tcase_add_loop_test(tc, ticket_resumes_in_another_context_of_the_same_secret, 0, 2);
    tcase_add_loop_test(tc, ticket_of_another_secret_means_a_full_handshake, 0, 2);
    tcase_add_loop_test(tc, ticket_of_the_previous_secret_resumes, 0, 2);
    tcase_add_loop_test(tc, ticket_of_the_new_secret_resumes_beside_a_previous_one, 0, 2);
    tcase_add_loop_test(tc, ticket_from_before_the_previous_secret_means_a_full_handshake, 0, 2);
    tcase_add_loop_test(tc, settings_that_end_before_the_previous_secret_are_fine, 0, 2);
    tcase_add_loop_test(tc, without_a_secret_there_are_no_tickets, 0, 2);
    return tc;
}

static TCase *client_case(void)
{
    TCase *tc = tcase_create("client");
    tcase_add_loop_test(tc, resumed_client_is_judged_by_the_certificate_in_its_ticket, 0, 2);
    tcase_add_loop_test(tc, ticket_without_certificate_does_not_open_a_verifying_context, 0, 2);
    tcase_add_test(tc, renegotiation_is_refused_with_alert_100);
    tcase_add_test(tc, record_of_padding_alone_is_no_end);
    return tc;
}

static int run(struct nj_kit_provider *p)
{
    char name[64];
    (void) snprintf(name, sizeof(name), "gnutls as client of %.31s", p->label);
    Suite *s = suite_create(name);
    provider = *p;
    if ((p->tls->caps() & NJ_TLS_CAP_TICKETS) != 0) {
        suite_add_tcase(s, ticket_case());
    }
    if (strcmp(p->label, "gnutls") == 0) {
        suite_add_tcase(s, client_case());
    }
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}

int main(void)
{
    struct nj_kit_provider list[NJ_KIT_PROVIDERS_MAX];
    size_t n = nj_kit_providers_from_env(list, NJ_KIT_PROVIDERS_MAX);
    int failed = 0;
    if (n == 0) {
        (void) fputs("no provider was built: skipped\n", stderr);
        return 77;
    }
    for (size_t i = 0; i < n; i++) {
        failed += run(&list[i]);
    }
    for (size_t i = 0; i < n; i++) {
        nj_kit_provider_fini(&list[i]);
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
