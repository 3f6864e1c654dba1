/* test_tls_stream.c: TLS on a connection, over a socket pair, with a provider of few words. */
#include <check.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "io/conn.h"
#include "io/tls_stream.h"
#include "io/worker.h"

#define PATIENCE_US INT64_C(20000000)
#define ANSWER 1000    /* bytes that the provider writes for each call of open() */
#define ROUNDS 4000
#define BOUND 1000000u /* far less than all answers, far more than one of them */

/* ---- a provider: no handshake to speak of, no plain bytes, an answer to everything ------------ */

struct nj_tls_ctx {
    int unused;
};

struct nj_tls_session {
    int unused;
};

static struct nj_tls_ctx the_ctx;
static struct nj_tls_session the_session;

static void p_unref(struct nj_tls_ctx *ctx)
{
    ck_assert_ptr_eq(ctx, &the_ctx);
}

static int p_accept(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **sess_out,
                    struct nj_error *err)
{
    (void) ctx;
    (void) user;
    (void) err;
    *sess_out = &the_session;
    return NJ_OK;
}

static int p_handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    (void) s;
    (void) out;
    in->used = in->len;
    return NJ_OK;
}

static int p_open(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                  size_t *n_out, struct nj_sink *out)
{
    static const uint8_t answer[ANSWER];
    (void) s;
    (void) dst;
    (void) cap;
    *n_out = 0;
    if (in->used < in->len) {
        nj_sink_put(out, answer, sizeof(answer));
    }
    in->used = in->len;
    return NJ_NEED_IN;
}

static const uint8_t goodbye[] = { 'b', 'y', 'e' };

static int p_seal(struct nj_tls_session *s, const uint8_t *src, size_t len, struct nj_sink *out)
{
    (void) s;
    nj_sink_put(out, src, len);
    return NJ_OK;
}

static int p_close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    (void) s;
    nj_sink_put(out, goodbye, sizeof(goodbye));
    return NJ_OK;
}

static void p_free(struct nj_tls_session *s)
{
    (void) s;
}

static const struct nj_tls_provider provider = {
    .size = sizeof(provider),
    .ctx_unref = p_unref,
    .accept = p_accept,
    .handshake = p_handshake,
    .open = p_open,
    .seal = p_seal,
    .close_notify = p_close_notify,
    .free = p_free,
};

static struct nj_tls_ctx *pick(void *user, const struct nj_hello *hello)
{
    (void) user;
    (void) hello;
    return &the_ctx;
}

static const struct nj_tls_settings offer;
static const struct nj_tls_accept with = { &provider, pick, NULL, &offer };

/* ---- a connection ------------------------------------------------------------------------------ */

/* A handshake record that holds no ClientHello: it is the provider's to judge. */
static const uint8_t first[] = { 22, 3, 1, 0, 4, 2, 0, 0, 0 };

struct scene {
    struct nj_conn conn; /* first */
    int peer;            /* the other end of the socket */
    bool peer_reads;
    uint8_t last[sizeof(goodbye)]; /* bytes that the peer has read */
    int ended_n;
    enum nj_conn_end why;
    size_t most_unsent;
    _Atomic int done;
};

static void on_secured(struct nj_conn *c)
{
    (void) c;
}

static void on_ended(struct nj_conn *c, enum nj_conn_end why)
{
    struct scene *sc = (struct scene *) (void *) c;
    sc->ended_n++;
    sc->why = why;
    nj_conn_close(c);
}

static void on_gone(struct nj_conn *c)
{
    atomic_store(&((struct scene *) (void *) c)->done, 1);
}

static const struct nj_conn_ops conn_ops = { .secured = on_secured,
                                             .ended = on_ended,
                                             .gone = on_gone };

static void read_all(struct scene *sc)
{
    static uint8_t bytes[65536];
    ssize_t n;
    while ((n = recv(sc->peer, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            memmove(sc->last, sc->last + 1, sizeof(sc->last) - 1);
            sc->last[sizeof(sc->last) - 1] = bytes[i];
        }
    }
}

static void open_conn(struct nj_worker *w, struct scene *sc)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    sc->peer = pair[1];
    nj_conn_init(&sc->conn, w, pair[0], &conn_ops);
    nj_tls_stream_start(&sc->conn, &with);
    ck_assert(nj_tls_stream_input(&sc->conn, first, sizeof(first)));
    ck_assert(nj_tls_stream_ready(sc->conn.tls));
}

/* On the worker: the peer's records come one by one, and each has its answer. */
static void converse(struct nj_worker *w, void *arg)
{
    struct scene *sc = arg;
    open_conn(w, sc);
    for (int i = 0; i < ROUNDS && sc->ended_n == 0; i++) {
        (void) nj_tls_stream_input(&sc->conn, (const uint8_t *) "x", 1);
        size_t unsent = nj_tls_stream_unsent(sc->conn.tls);
        sc->most_unsent = unsent > sc->most_unsent ? unsent : sc->most_unsent;
        if (sc->peer_reads) {
            read_all(sc);
            (void) nj_tls_stream_flush(&sc->conn);
        }
    }
    nj_conn_close(&sc->conn);
}

/* On the worker: more is queued than the socket takes when the connection is to end. */
static void end_with_much_to_say(struct nj_worker *w, void *arg)
{
    static const uint8_t much[1 << 20];
    struct scene *sc = arg;
    open_conn(w, sc);
    sc->conn.write_deadline_us = PATIENCE_US;
    for (int i = 0; i < 4; i++) {
        nj_outbox_append(&sc->conn.out, &w->pool, much, sizeof(much));
    }
    nj_conn_close_flushed(&sc->conn);
    ck_assert_int_eq(sc->conn.state, NJ_CONN_FLUSHING);
    for (int i = 0; i < ROUNDS && sc->conn.state == NJ_CONN_FLUSHING; i++) {
        read_all(sc);
        nj_conn_flush(&sc->conn);
    }
    ck_assert_int_eq(sc->conn.state, NJ_CONN_CLOSED);
    read_all(sc);
}

static void w_start(struct nj_worker *w, void *user)
{
    (void) w;
    (void) user;
}

static const struct nj_worker_ops worker_ops = { .start = w_start, .stop = w_start };

static void play(struct scene *sc, void (*act)(struct nj_worker *w, void *arg))
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_workers *set = NULL;
    int64_t until = nj_mono_us() + PATIENCE_US;
    nj_rcu_start();
    ck_assert_int_eq(nj_workers_start(&set, 1, &worker_ops, NULL, &err), NJ_OK);
    nj_worker_call(set->at[0], act, sc);
    while (atomic_load(&sc->done) == 0) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
    nj_workers_join(&set);
    (void) close(sc->peer);
}

START_TEST(who_reads_no_answers_is_let_go)
{
    struct scene sc = { 0 };

    play(&sc, converse);

    ck_assert_int_eq(sc.ended_n, 1);
    ck_assert_int_eq(sc.why, NJ_END_TLS);
    ck_assert_uint_gt(sc.most_unsent, ANSWER);
    ck_assert_uint_lt(sc.most_unsent, BOUND);
}
END_TEST

START_TEST(who_reads_them_may_go_on)
{
    struct scene sc = { .peer_reads = true };

    play(&sc, converse);

    ck_assert_int_eq(sc.ended_n, 0);
}
END_TEST

START_TEST(goodbye_is_said_after_the_last_byte)
{
    struct scene sc = { 0 };

    play(&sc, end_with_much_to_say);

    ck_assert_mem_eq(sc.last, goodbye, sizeof(goodbye));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_stream");
    TCase *tc = tcase_create("tls_stream");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, who_reads_no_answers_is_let_go);
    tcase_add_test(tc, who_reads_them_may_go_on);
    tcase_add_test(tc, goodbye_is_said_after_the_last_byte);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
