/* life.c: how sessions end, move and come back, and what is left of very many. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/measure.h"
#include "tests/abi/suites.h"

#define CONTEXTS_N 1000
#define SESSIONS_N 10000
#define GROWTH_MAX (256 * 1024)

static const uint16_t versions[] = { NJ_TLS_1_3, NJ_TLS_1_2 };

#define EACH(var, list)                                                                            \
    size_t var = 0;                                                                                \
    var < sizeof(list) / sizeof((list)[0]);                                                        \
    var++

/* ---- closing in every state ------------------------------------------------------------------- */

enum state {
    STATE_UNUSED,    /* made, never called */
    STATE_STARTED,   /* the dialling end has written its hello, the accepting end waits */
    STATE_HALF_WAY,  /* the accepting end has answered */
    STATE_DONE,      /* both have finished */
    STATE_PART,      /* and a part of a record has come */
    STATE_CLOSED,    /* this end has sent close_notify */
    STATE_PEER_GONE, /* the peer has */
    STATE_BROKEN,    /* this end has failed */
    STATES_N
};

static void call_handshake(struct nj_kit_end *end)
{
    struct nj_tls_in none = { NULL, 0, 0 };
    end->rc = end->tls->handshake(end->sess, &none, &end->out.sink);
    ck_assert_int_eq(end->rc, NJ_NEED_IN);
}

/* Bring `end` of a new pair into a state. */
static void reach(struct nj_kit_pair *pair, struct nj_kit_end *end, enum state state)
{
    struct nj_kit_end *peer = end == &pair->server ? &pair->client : &pair->server;
    if (state >= STATE_STARTED) {
        call_handshake(&pair->client);
        call_handshake(&pair->server);
    }
    if (state == STATE_HALF_WAY) {
        (void) nj_kit_end_step(&pair->server, &pair->client, 0);
        (void) nj_kit_end_step(&pair->client, &pair->server, 50);
    }
    if (state >= STATE_DONE) {
        ck_assert_int_eq(nj_kit_pair_handshake(pair), NJ_OK);
    }
    if (state == STATE_PART) {
        ck_assert_int_eq(nj_kit_end_send(peer, "hello", 5), NJ_OK);
        (void) nj_kit_end_step(end, peer, 7);
    } else if (state == STATE_CLOSED) {
        ck_assert_int_eq(end->tls->close_notify(end->sess, &end->out.sink), NJ_OK);
    } else if (state == STATE_PEER_GONE) {
        ck_assert_int_eq(peer->tls->close_notify(peer->sess, &peer->out.sink), NJ_OK);
        ck_assert_int_eq(nj_kit_end_receive(end, peer, 0), NJ_E_CLOSED);
    } else if (state == STATE_BROKEN) {
        nj_kit_end_inject(peer, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
        ck_assert_int_eq(nj_kit_end_receive(end, peer, 0), NJ_E_FAILED);
    }
}

/* What was written is records, whole ones (RFC 8446 5.1). */
static void assert_records(const struct nj_kit_wire *w)
{
    size_t at = 0; /* what was taken is still there until all of it was */
    while (at < w->len) {
        ck_assert_uint_ge(w->len - at, 5);
        ck_assert(w->buf[at] >= 20 && w->buf[at] <= 23 && w->buf[at + 1] == 3);
        at += 5 + ((size_t) w->buf[at + 3] << 8 | w->buf[at + 4]);
        ck_assert_uint_le(at, w->len);
    }
}

static int act(struct nj_kit_end *end, int action)
{
    switch (action) {
    case 0:
        return end->tls->close_notify(end->sess, &end->out.sink);
    case 1:
        return end->tls->abort(end->sess, NJ_ALERT_INTERNAL_ERROR, &end->out.sink);
    case 2:
        return end->tls->in_eof(end->sess);
    default:
        return NJ_OK; /* only free() */
    }
}

static void assert_ends_well(int i, uint16_t version, int server, enum state state, int action)
{
    struct nj_kit_stage st;
    struct nj_error err = NJ_ERROR_INIT;
    nj_kit_stage_init(&st, i, "server-ecdsa");
    nj_kit_stage_version(&st, version);
    ck_assert_int_eq(nj_kit_pair_open(&st.pair, st.server, &st.server_set, st.client,
                                      &st.client_set, st.name, 0, &err),
                     NJ_OK);
    struct nj_kit_end *end = server ? &st.pair.server : &st.pair.client;
    reach(&st.pair, end, state);

    int rc = act(end, action);

    ck_assert_msg(rc == NJ_OK || rc == NJ_E_FAILED || (action == 2 && rc < 0),
                  "state %d, action %d: %d", (int) state, action, rc);
    if (action == 2 && state != STATE_BROKEN) {
        ck_assert_msg(rc == (state == STATE_PEER_GONE ? NJ_E_CLOSED : NJ_E_TRUNCATED),
                      "in_eof() in state %d said %d", (int) state, rc);
    }
    assert_records(&end->out);
    (void) act(end, (action + 1) % 3); /* and another on top */
    assert_records(&end->out);
    nj_kit_stage_free(&st);
}

START_TEST(closing_is_right_in_every_state)
{
    for (EACH(v, versions)) {
        for (int state = 0; state < STATES_N; state++) {
            for (int action = 0; action < 4; action++) {
                assert_ends_well(_i, versions[v], 0, (enum state) state, action);
                assert_ends_well(_i, versions[v], 1, (enum state) state, action);
            }
        }
    }
}
END_TEST

/* The peer hears why, also when it had not finished. */
START_TEST(abort_after_the_handshake_names_its_alert)
{
    static const int32_t alerts[] = { 40, 42, 45, 48, 49, 80, 112 };
    for (EACH(v, versions)) {
        for (EACH(a, alerts)) {
            struct nj_kit_stage st;
            nj_kit_stage_init(&st, _i, "server-ecdsa");
            nj_kit_stage_version(&st, versions[v]);
            ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
            struct nj_kit_end *s = &st.pair.server;

            ck_assert_int_eq(s->tls->abort(s->sess, alerts[a], &s->out.sink), NJ_OK);

            ck_assert_int_eq(nj_kit_end_receive(&st.pair.client, s, 0), NJ_E_FAILED);
            ck_assert_uint_eq(st.pair.client.err.cls, NJ_CLASS_PEER_ALERT);
            ck_assert_int_eq(st.pair.client.err.alert, alerts[a]);
            nj_kit_stage_free(&st);
        }
    }
}
END_TEST

/* ---- threads ---------------------------------------------------------------------------------- */

struct turn {
    struct nj_kit_end *end;
    struct nj_kit_end *peer;
    size_t chunk;
    int moved;
};

static void *take_turn(void *arg)
{
    struct turn *t = arg;
    const struct nj_tls_provider *tls = t->end->tls;
    if (NJ_TLS_HAS(tls, thread_attach)) {
        tls->thread_attach();
    }
    t->moved = nj_kit_end_step(t->end, t->peer, t->chunk);
    if (NJ_TLS_HAS(tls, thread_detach)) {
        tls->thread_detach();
    }
    return NULL;
}

static int turn_elsewhere(struct nj_kit_end *end, struct nj_kit_end *peer, size_t chunk)
{
    struct turn t = { end, peer, chunk, 0 };
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, take_turn, &t), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return t.moved;
}

START_TEST(handshake_moves_to_a_new_thread_at_each_step)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        struct nj_error err = NJ_ERROR_INIT;
        nj_kit_stage_init(&st, _i, "server-rsa");
        nj_kit_stage_mutual(&st, "client-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        ck_assert_int_eq(nj_kit_pair_open(&st.pair, st.server, &st.server_set, st.client,
                                          &st.client_set, st.name, 0, &err),
                         NJ_OK);
        int moved = 1;
        while (moved) {
            moved = turn_elsewhere(&st.pair.client, &st.pair.server, 300);
            moved |= turn_elsewhere(&st.pair.server, &st.pair.client, 300);
        }

        ck_assert_msg(st.pair.server.rc == NJ_OK && st.pair.client.rc == NJ_OK,
                      "server \"%s\" client \"%s\"", st.pair.server.err.text,
                      st.pair.client.err.text);
        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

/* ---- coming back ------------------------------------------------------------------------------ */

/* The dialling end once more, with what an earlier one left. */
static int dial_again(struct nj_kit_stage *st, struct nj_kit_pair *pair, struct nj_tls_ctx *sc,
                      struct nj_tls_ctx *cc, struct nj_span resume)
{
    struct nj_error err = NJ_ERROR_INIT;
    ck_assert_int_eq(nj_kit_pair_open_ctx(pair, st->server, sc, st->client, cc, st->name, 0, &err),
                     NJ_OK);
    st->client->free(pair->client.sess);
    pair->client.sess = NULL;
    return st->client->dial(cc, st->name, resume, &pair->client, &pair->client.sess, &err);
}

static size_t export_session(struct nj_kit_end *c, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    uint32_t lifetime_s = 0;
    ck_assert_int_eq(c->tls->session_export(c->sess, buf, 0, &len, &lifetime_s), NJ_E_LIMIT);
    ck_assert(len > 0 && len <= cap);
    ck_assert_int_eq(c->tls->session_export(c->sess, buf, cap, &len, &lifetime_s), NJ_OK);
    ck_assert_uint_gt(lifetime_s, 0);
    return len;
}

static void assert_resumed(struct nj_kit_stage *st, struct nj_tls_ctx *sc, struct nj_tls_ctx *cc,
                           struct nj_span left)
{
    struct nj_kit_pair pair;
    struct nj_tls_info info = { .size = sizeof(info) };
    ck_assert_int_eq(dial_again(st, &pair, sc, cc, left), NJ_OK);
    ck_assert_int_eq(nj_kit_pair_handshake(&pair), NJ_OK);
    st->server->info(pair.server.sess, &info);
    ck_assert_uint_eq(info.resumed, 1);
    st->client->info(pair.client.sess, &info);
    ck_assert_uint_eq(info.resumed, 1);
    nj_kit_assert_echo(&pair);
    nj_kit_pair_free(&pair);
}

/* The server's secret has changed; the one before is still accepted. */
static void assert_resumed_after_change(struct nj_kit_stage *st, struct nj_tls_ctx *cc,
                                        struct nj_span left)
{
    static const uint8_t next[NJ_TLS_TICKET_SECRET_LEN] = { 6, 5, 4 };
    struct nj_tls_settings set = st->server_set;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_tls_ctx *sc = NULL;
    set.ticket_secret_previous = set.ticket_secret;
    set.ticket_secret = next;
    ck_assert_int_eq(st->server->ctx_new(&set, &sc, &err), NJ_OK);
    assert_resumed(st, sc, cc, left);
    st->server->ctx_unref(sc);
}

/* Bytes that mean nothing are no reason to fail: a full handshake, or dial() says no. */
static void assert_junk_is_harmless(struct nj_kit_stage *st, struct nj_tls_ctx *sc,
                                    struct nj_tls_ctx *cc)
{
    struct nj_kit_pair pair;
    struct nj_span junk = { (const uint8_t *) "no session at all", 17 };
    if (dial_again(st, &pair, sc, cc, junk) == NJ_OK) {
        struct nj_tls_info info = { .size = sizeof(info) };
        ck_assert_int_eq(nj_kit_pair_handshake(&pair), NJ_OK);
        st->server->info(pair.server.sess, &info);
        ck_assert_uint_eq(info.resumed, 0);
    }
    nj_kit_pair_free(&pair);
}

START_TEST(exported_session_is_resumed)
{
    static const uint8_t secret[NJ_TLS_TICKET_SECRET_LEN] = { 9, 8, 7 };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        struct nj_kit_pair pair;
        struct nj_error err = NJ_ERROR_INIT;
        struct nj_tls_ctx *sc = NULL;
        struct nj_tls_ctx *cc = NULL;
        uint8_t left[4096];
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        if (!NJ_TLS_HAS(st.client, session_export) || !(st.server->caps() & NJ_TLS_CAP_TICKETS)) {
            continue;
        }
        st.server_set.ticket_secret = secret;
        st.server_set.ticket_lifetime_s = 3600;
        ck_assert_int_eq(st.server->ctx_new(&st.server_set, &sc, &err), NJ_OK);
        ck_assert_int_eq(st.client->ctx_new(&st.client_set, &cc, &err), NJ_OK);
        ck_assert_int_eq(
            nj_kit_pair_open_ctx(&pair, st.server, sc, st.client, cc, st.name, 0, &err), NJ_OK);
        ck_assert_int_eq(nj_kit_pair_handshake(&pair), NJ_OK);
        nj_kit_assert_echo(&pair);

        size_t len = export_session(&pair.client, left, sizeof(left));
        nj_kit_pair_free(&pair);

        assert_resumed(&st, sc, cc, (struct nj_span){ left, len });
        assert_resumed_after_change(&st, cc, (struct nj_span){ left, len });
        assert_junk_is_harmless(&st, sc, cc);
        st.server->ctx_unref(sc);
        st.client->ctx_unref(cc);
    }
}
END_TEST

/* ---- chains ----------------------------------------------------------------------------------- */

static void assert_chain(struct nj_kit_end *end, const struct nj_kit_cred *cred)
{
    struct nj_span chain[4];
    ck_assert_uint_eq(end->judge.chain_n, 2);
    ck_assert_uint_eq(end->tls->peer_chain(end->sess, chain, 4), 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(chain[i].len, cred->certs[i].len);
        ck_assert_mem_eq(chain[i].ptr, cred->certs[i].ptr, chain[i].len);
    }
    chain[1].len = 12345;
    ck_assert_uint_eq(end->tls->peer_chain(end->sess, chain, 1), 2); /* one was asked for */
    ck_assert_uint_eq(chain[1].len, 12345);
    end->tls->drop_peer(end->sess);
}

START_TEST(whole_chain_is_seen_by_both_ends)
{
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "chained");
        nj_kit_stage_mutual(&st, "chained");
        nj_kit_cred_load(&st.client_cred, "chained", "inter");
        nj_kit_stage_version(&st, versions[v]);

        int rc = nj_kit_stage_run(&st, 0);

        ck_assert_msg(rc == NJ_OK, "server \"%s\" client \"%s\"", st.pair.server.err.text,
                      st.pair.client.err.text);
        assert_chain(&st.pair.client, &st.server_cred);
        assert_chain(&st.pair.server, &st.client_cred);
        nj_kit_assert_echo(&st.pair);
        nj_kit_stage_free(&st);
    }
}
END_TEST

/* ---- very many -------------------------------------------------------------------------------- */

/* A session in one of many states, the handshake among them, and away with it. */
static void one_life(struct nj_kit_stage *st, struct nj_tls_ctx *sc, struct nj_tls_ctx *cc, int i)
{
    struct nj_kit_pair pair;
    struct nj_error err = NJ_ERROR_INIT;
    ck_assert_int_eq(nj_kit_pair_open_ctx(&pair, st->server, sc, st->client, cc, st->name, 0, &err),
                     NJ_OK);
    if (i % 50 == 0) {
        reach(&pair, i % 100 == 0 ? &pair.server : &pair.client,
              (enum state)(i / 50 % (int) STATES_N));
    }
    nj_kit_pair_free(&pair);
}

START_TEST(a_thousand_contexts_and_ten_thousand_sessions_leave_nothing)
{
    struct nj_kit_stage st;
    struct nj_error err = NJ_ERROR_INIT;
    size_t heap_early = 0;
    nj_kit_stage_init(&st, _i * (int) nj_kit_list_n + _i, "server-ecdsa");
    long live = nj_kit_host_live();
    for (int c = 0; c < CONTEXTS_N; c++) {
        struct nj_tls_ctx *sc = NULL;
        struct nj_tls_ctx *cc = NULL;
        if (c == CONTEXTS_N / 5) { /* caches are warm */
            heap_early = nj_kit_heap_used();
        }
        ck_assert_int_eq(st.server->ctx_new(&st.server_set, &sc, &err), NJ_OK);
        ck_assert_int_eq(st.client->ctx_new(&st.client_set, &cc, &err), NJ_OK);
        for (int s = 0; s < SESSIONS_N / CONTEXTS_N; s++) {
            one_life(&st, sc, cc, c * (SESSIONS_N / CONTEXTS_N) + s);
        }
        st.server->ctx_unref(sc);
        st.client->ctx_unref(cc);
    }

    ck_assert_int_eq(nj_kit_host_live(), live);
    size_t heap_late = nj_kit_heap_used();
    ck_assert_msg(heap_late <= heap_early + GROWTH_MAX, "the heap grew from %zu to %zu bytes",
                  heap_early, heap_late);
}
END_TEST

void nj_kit_life(void)
{
    nj_kit_add("life", closing_is_right_in_every_state, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("life", abort_after_the_handshake_names_its_alert, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("life", handshake_moves_to_a_new_thread_at_each_step, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("life", exported_session_is_resumed, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("life", whole_chain_is_seen_by_both_ends, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("life", a_thousand_contexts_and_ten_thousand_sessions_leave_nothing,
               NJ_KIT_ALONE | NJ_KIT_SHAPE | NJ_KIT_LONG);
}
