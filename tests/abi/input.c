/* input.c: ciphertext that comes in pieces, ends too early, is not what it says, or is too much. */
#include <stdlib.h>
#include <string.h>

#include "tests/abi/suites.h"

static const uint16_t versions[] = { NJ_TLS_1_3, NJ_TLS_1_2 };

#define EACH(var, list)                                                                            \
    size_t var = 0;                                                                                \
    var < sizeof(list) / sizeof((list)[0]);                                                        \
    var++

/* Contexts that many pairs share: making them is the slow part. */
struct kept {
    struct nj_kit_stage st;
    struct nj_tls_ctx *sc;
    struct nj_tls_ctx *cc;
};

static void kept_open(struct kept *k, int i, uint16_t version)
{
    struct nj_error err = NJ_ERROR_INIT;
    memset(k, 0, sizeof(*k));
    nj_kit_stage_init(&k->st, i, "server-ecdsa");
    nj_kit_stage_version(&k->st, version);
    ck_assert_int_eq(k->st.server->ctx_new(&k->st.server_set, &k->sc, &err), NJ_OK);
    ck_assert_int_eq(k->st.client->ctx_new(&k->st.client_set, &k->cc, &err), NJ_OK);
}

static void kept_pair(struct kept *k, struct nj_kit_pair *pair)
{
    struct nj_error err = NJ_ERROR_INIT;
    int rc =
        nj_kit_pair_open_ctx(pair, k->st.server, k->sc, k->st.client, k->cc, k->st.name, 0, &err);
    ck_assert_msg(rc == NJ_OK, "the pair cannot be made: %s", err.text);
}

static void kept_close(struct kept *k)
{
    k->st.server->ctx_unref(k->sc);
    k->st.client->ctx_unref(k->cc);
}

static struct nj_kit_end *end_of(struct nj_kit_pair *pair, int server)
{
    return server ? &pair->server : &pair->client;
}

static size_t delivered(const struct nj_kit_end *from)
{
    return from->out.total - nj_kit_wire_left(&from->out);
}

/* Record headers byte by byte, the rest in samples unless all were asked for. */
static size_t next_place(size_t at)
{
    return at < 6 || nj_kit_is_long() ? at + 1 : at + 37;
}

/* ---- in pieces ------------------------------------------------------------------------------- */

static int step_cut(struct nj_kit_end *end, struct nj_kit_end *peer, const struct nj_kit_end *cut,
                    size_t at)
{
    size_t so_far = delivered(peer);
    return nj_kit_end_step(end, peer, peer == cut && so_far < at ? at - so_far : 0);
}

/* A handshake in which a piece ends before byte `at` of what one end writes. */
static void assert_cut(struct kept *k, int by_server, size_t at, size_t *total_out)
{
    struct nj_kit_pair pair;
    kept_pair(k, &pair);
    struct nj_kit_end *cut = end_of(&pair, by_server);
    int moved = 1;
    while (moved) {
        moved = step_cut(&pair.client, &pair.server, cut, at);
        moved |= step_cut(&pair.server, &pair.client, cut, at);
    }
    ck_assert_msg(pair.server.rc == NJ_OK && pair.client.rc == NJ_OK,
                  "cut before byte %zu of the %s: server \"%s\" client \"%s\"", at,
                  by_server ? "server" : "client", pair.server.err.text, pair.client.err.text);
    *total_out = cut->out.total;
    nj_kit_assert_echo(&pair);
    nj_kit_pair_free(&pair);
}

START_TEST(handshake_may_be_cut_before_any_byte)
{
    for (EACH(v, versions)) {
        struct kept k;
        kept_open(&k, _i, versions[v]);
        for (int by_server = 0; by_server < 2; by_server++) {
            size_t total = 2;
            for (size_t at = 1; at < total; at = next_place(at)) {
                assert_cut(&k, by_server, at, &total);
            }
            ck_assert_uint_gt(total, 2);
        }
        kept_close(&k);
    }
}
END_TEST

START_TEST(records_may_be_cut_before_any_byte)
{
    static const char text[] = "one record of some length";
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
        struct nj_kit_end *c = &st.pair.client;
        struct nj_kit_end *s = &st.pair.server;
        size_t len = 2;
        for (size_t at = 1; at < len; at++) {
            ck_assert_int_eq(nj_kit_end_send(c, text, sizeof(text)), NJ_OK);
            ck_assert_int_eq(nj_kit_end_send(c, text, sizeof(text)), NJ_OK);
            len = nj_kit_wire_left(&c->out);
            (void) nj_kit_end_step(s, c, at);
            ck_assert_int_ge(nj_kit_end_receive(s, c, 0), 0);
            ck_assert(nj_kit_end_take(s, text, sizeof(text)));
            ck_assert(nj_kit_end_take(s, text, sizeof(text)));
            ck_assert_uint_eq(s->plain_len, 0);
        }
        nj_kit_stage_free(&st);
    }
}
END_TEST

START_TEST(empty_input_needs_more)
{
    struct nj_kit_stage st;
    struct nj_tls_in none = { NULL, 0, 0 };
    uint8_t dst[16];
    size_t n = 7;
    nj_kit_stage_init(&st, _i, "server-ecdsa");
    ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
    struct nj_kit_end *s = &st.pair.server;

    ck_assert_int_eq(s->tls->open(s->sess, &none, dst, sizeof(dst), &n, &s->out.sink), NJ_NEED_IN);

    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(s->tls->has_plain(s->sess), 0);
    nj_kit_assert_echo(&st.pair);
    nj_kit_stage_free(&st);
}
END_TEST

/* ---- too early an end ------------------------------------------------------------------------- */

/* One end sees the first `at` bytes of the other, then the transport ends.  1 while it had not
 * finished its handshake. */
static int end_after(struct kept *k, int by_server, size_t at)
{
    struct nj_kit_pair pair;
    kept_pair(k, &pair);
    struct nj_kit_end *from = end_of(&pair, by_server);
    struct nj_kit_end *to = end_of(&pair, !by_server);
    int moved = 1;
    while (moved) {
        size_t so_far = delivered(from);
        moved = nj_kit_end_step(from, to, 0);
        if (to->rc == NJ_NEED_IN && so_far < at) {
            moved |= nj_kit_end_step(to, from, at - so_far);
        }
    }
    int open = to->rc == NJ_NEED_IN;
    if (open) {
        ck_assert_msg(to->tls->in_eof(to->sess) == NJ_E_TRUNCATED,
                      "the end after %zu bytes of the handshake is no truncation", at);
    }
    nj_kit_pair_free(&pair);
    return open;
}

START_TEST(handshake_that_ends_anywhere_is_truncated)
{
    for (EACH(v, versions)) {
        struct kept k;
        kept_open(&k, _i, versions[v]);
        for (int by_server = 0; by_server < 2; by_server++) {
            size_t at = 1;
            while (end_after(&k, by_server, at)) {
                at = next_place(at);
                ck_assert_uint_lt(at, 100000);
            }
        }
        kept_close(&k);
    }
}
END_TEST

START_TEST(record_that_ends_early_gives_nothing)
{
    static const char text[] = "this must not be seen in parts";
    for (EACH(v, versions)) {
        struct kept k;
        kept_open(&k, _i, versions[v]);
        size_t len = 2;
        for (size_t at = 1; at < len; at = next_place(at)) {
            struct nj_kit_pair pair;
            kept_pair(&k, &pair);
            ck_assert_int_eq(nj_kit_pair_handshake(&pair), NJ_OK);
            struct nj_kit_end *c = &pair.client;
            ck_assert_int_eq(nj_kit_end_send(c, text, sizeof(text)), NJ_OK);
            len = nj_kit_wire_left(&c->out);
            c->out.len = c->out.taken + at;

            ck_assert_int_eq(nj_kit_end_receive(&pair.server, c, 0), NJ_NEED_IN);

            ck_assert_uint_eq(pair.server.plain_len, 0);
            ck_assert_int_eq(k.st.server->in_eof(pair.server.sess), NJ_E_TRUNCATED);
            nj_kit_pair_free(&pair);
        }
        kept_close(&k);
    }
}
END_TEST

/* ---- foreign bytes ---------------------------------------------------------------------------- */

#define GARBAGE_LEN 70000 /* more than any record may have */

/* RFC 8446 6.2: whoever gives up says so.  Asked of those only that can send each alert. */
static void assert_peer_is_told(struct nj_kit_end *end, struct nj_kit_end *peer,
                                const uint8_t *head)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    end->tls->about(&about);
    if (about.refuse_alerts_n == 0) {
        int rc = nj_kit_end_receive(peer, end, 0);
        ck_assert_msg(rc == NJ_E_FAILED && peer->err.cls == NJ_CLASS_PEER_ALERT,
                      "a record that begins %02x%02x%02x: the peer saw %d, %s", head[0], head[1],
                      head[2], rc, peer->err.text);
        ck_assert_msg(peer->err.alert != NJ_ALERT_BAD_CERTIFICATE,
                      "a record that begins %02x%02x%02x has no certificate in it", head[0],
                      head[1], head[2]);
    }
}

/* Bytes instead of a record, to one end of a finished handshake: it fails and gives nothing. */
static void assert_garbage_fails(struct kept *k, int to_server, const uint8_t *head,
                                 size_t head_len, uint32_t seed)
{
    struct nj_kit_pair pair;
    kept_pair(k, &pair);
    ck_assert_int_eq(nj_kit_pair_handshake(&pair), NJ_OK);
    struct nj_kit_end *from = end_of(&pair, !to_server);
    struct nj_kit_end *to = end_of(&pair, to_server);
    uint8_t *bytes = malloc(GARBAGE_LEN);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < GARBAGE_LEN; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t) (seed >> 24);
    }
    memcpy(bytes, head, head_len);
    nj_kit_end_inject(from, bytes, GARBAGE_LEN);
    free(bytes);

    int rc = nj_kit_end_receive(to, from, 0);

    ck_assert_msg(rc == NJ_E_FAILED, "a record that begins %02x%02x%02x: open() said %d", head[0],
                  head[1], head[2], rc);
    ck_assert_str_ne(to->err.text, "");
    ck_assert_uint_eq(to->plain_len, 0);
    assert_peer_is_told(to, from, head);
    nj_kit_pair_free(&pair);
}

START_TEST(garbage_in_place_of_a_record_fails)
{
    static const uint8_t heads[][5] = {
        { 0x17, 0x03, 0x03, 0x00, 0x40 }, /* looks like data */
        { 0x17, 0x03, 0x03, 0xff, 0xff }, /* longer than a record can be */
        { 0x16, 0x03, 0x03, 0x00, 0x40 }, /* a handshake message */
        { 0x15, 0x03, 0x03, 0x00, 0x20 }, /* an alert */
        { 0xff, 0x03, 0x03, 0x00, 0x40 }, /* no content type */
        { 0x17, 0x09, 0x09, 0x00, 0x40 }, /* no version */
    };
    for (EACH(v, versions)) {
        struct kept k;
        kept_open(&k, _i, versions[v]);
        for (EACH(h, heads)) {
            for (uint32_t round = 0; round < 4; round++) {
                assert_garbage_fails(&k, (int) (round % 2), heads[h], sizeof(heads[h]),
                                     round * 77 + 1);
            }
        }
        kept_close(&k);
    }
}
END_TEST

/* ---- as much as the buffer takes -------------------------------------------------------------- */

#define MUCH 40005 /* three records, the last one short */

static void assert_through_cap(struct nj_kit_end *from, struct nj_kit_end *to, size_t cap)
{
    uint8_t *want = malloc(MUCH);
    uint8_t *got = malloc(MUCH + cap);
    ck_assert(want != NULL && got != NULL);
    for (size_t i = 0; i < MUCH; i++) {
        want[i] = (uint8_t) (i * 13 + (i >> 7));
    }
    ck_assert_int_eq(nj_kit_end_send(from, want, MUCH), NJ_OK);
    struct nj_tls_in in = { from->out.buf + from->out.taken, nj_kit_wire_left(&from->out), 0 };
    size_t got_len = 0;
    size_t n = 0;
    int rc = NJ_OK;
    while (rc == NJ_OK) {
        rc = to->tls->open(to->sess, &in, got + got_len, cap, &n, &to->out.sink);
        ck_assert(n <= cap && got_len + n <= MUCH);
        got_len += n;
        if (rc == NJ_OK && n < cap) { /* not full: then nothing is left */
            ck_assert_uint_eq(in.used, in.len);
            ck_assert_uint_eq(to->tls->has_plain(to->sess), 0);
        }
    }
    ck_assert_int_eq(rc, NJ_NEED_IN);
    ck_assert_uint_eq(got_len, MUCH);
    ck_assert_mem_eq(got, want, MUCH);
    from->out.taken = from->out.len = 0;
    free(want);
    free(got);
}

START_TEST(full_buffer_stops_open_and_nothing_is_lost)
{
    static const size_t caps[] = { 1, 7, 1000, 16384, 16385, 50000 };
    for (EACH(v, versions)) {
        struct nj_kit_stage st;
        nj_kit_stage_init(&st, _i, "server-ecdsa");
        nj_kit_stage_version(&st, versions[v]);
        ck_assert_int_eq(nj_kit_stage_run(&st, 0), NJ_OK);
        for (EACH(c, caps)) {
            assert_through_cap(&st.pair.client, &st.pair.server, caps[c]);
            assert_through_cap(&st.pair.server, &st.pair.client, caps[c]);
        }
        nj_kit_stage_free(&st);
    }
}
END_TEST

void nj_kit_input(void)
{
    nj_kit_add("input", handshake_may_be_cut_before_any_byte, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("input", records_may_be_cut_before_any_byte, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("input", empty_input_needs_more, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("input", handshake_that_ends_anywhere_is_truncated, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("input", record_that_ends_early_gives_nothing, NJ_KIT_PAIR | NJ_KIT_SHAPE);
    nj_kit_add("input", garbage_in_place_of_a_record_fails, NJ_KIT_PAIR);
    nj_kit_add("input", full_buffer_stops_open_and_nothing_is_lost, NJ_KIT_PAIR | NJ_KIT_SHAPE);
}
