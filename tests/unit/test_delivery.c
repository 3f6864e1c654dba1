/*
 * test_delivery.c: the promises of delivery (docs/architecture.md), with four workers in this
 * process, every connection on the worker that the test wants it on, and seeded yields where
 * workers meet (base/yield.h; set before the first worker starts, a seed for each loop).
 *
 *  promise                          here                                        e2e/test_delivery.py
 *  P1 hand over before writing      flush_then_flush_finds_every_message        test_publisher_flush_…
 *  P2 PONG after what lay there     flush_then_flush_finds_every_message        test_burst_then_flush_…
 *  P3 SUB, UNSUB seen before PONG   sub_and_unsub_are_seen_everywhere_…         test_sub_is_visible_…
 *  P4 order, causality              what_is_published_after_a_pong_…,           test_order_…,
 *                                   order_of_each_publisher_…                   test_causality_…
 *  P5 nothing after UNSUB           nothing_comes_after_unsub_…, a_new_…,
 *                                   a_message_under_way_misses_…                test_nothing_after_unsub_…
 *  P6 members that go               no_message_is_lost_…, every_request_…,
 *                                   a_…_under_way_to_…                          test_queue_members_going_…
 *  P7 exact maximum                 a_maximum_is_exact_…, exhausted_members_…   test_max_is_exact_…
 *  P8 fairness                      members_share_whatever_worker_…             test_members_share_…
 *  P9 slow consumers                (sockets and sizes)                         test_fast_publisher_…
 *  P10 draining, credit             test_worker.c: credit_goes_up_…             test_latency_of_others_…
 *  P11 stopping                     test_worker.c: joining_…; every teardown    test_nothing_accepted_…
 *  no lock on the way               test_lock.c; sanitizer builds run all this with the check on
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "broker/index.h"
#include "broker/match_cache.h"
#include "broker/route.h"
#include "hub.h"
#include "peer/delivery.h"
#include "peer/leaving.h"

enum { SEEDS = 4 };

static void start(void)
{
    hub_start();
}

static void stop(void)
{
    hub_stop();
}

static void seed(int i)
{
    char text[16];
    (void) snprintf(text, sizeof(text), "%d", i * 7919 + 1);
    (void) setenv("NJ_YIELD_SEED", text, 1);
}

/* In fork mode each test of a loop is a process of its own: the seed is read once in it. */
static void start_seeded(int i)
{
    seed(i);
    start();
}

/* Keeps all workers turning, so that what is pushed meets them anywhere in a turn. */
struct noise {
    pthread_t thread;
    _Atomic int stop;
};

static void *make_noise(void *arg)
{
    struct noise *n = arg;
    struct peer p[HUB_WORKERS];
    for (int i = 0; i < HUB_WORKERS; i++) {
        p[i] = enter(i);
    }
    while (atomic_load(&n->stop) == 0) {
        for (int i = 0; i < HUB_WORKERS; i++) {
            say(&p[i], "PING\r\n");
        }
        for (int i = 0; i < HUB_WORKERS; i++) {
            ck_assert_int_eq(hear(&p[i]).what, 'P');
        }
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        leave(&p[i]);
    }
    return NULL;
}

static void begin_noise(struct noise *n)
{
    atomic_store(&n->stop, 0);
    ck_assert_int_eq(pthread_create(&n->thread, NULL, make_noise, n), 0);
}

static void end_noise(struct noise *n)
{
    atomic_store(&n->stop, 1);
    (void) pthread_join(n->thread, NULL);
}

/* ---- P1, P2 ------------------------------------------------------------------------------------------------ */

START_TEST(flush_then_flush_finds_every_message)
{
    struct noise noise;
    start_seeded(_i);
    begin_noise(&noise);
    struct peer pub[HUB_WORKERS];
    struct peer sub[HUB_WORKERS];
    for (int i = 0; i < HUB_WORKERS; i++) {
        pub[i] = enter(i);
        sub[i] = enter(i);
        say(&sub[i], "SUB a.* 1\r\n");
        flush(&sub[i]);
    }
    for (int round = 0; round < 300; round++) {
        struct peer *from = &pub[round % HUB_WORKERS];

        say(from, "PUB a.b 2\r\nhi\r\nPUB a.c 2\r\nho\r\n");
        flush(from);

        for (int i = 0; i < HUB_WORKERS; i++) {
            ck_assert_uint_eq(drain(&sub[(round + i) % HUB_WORKERS], NULL, NULL), 2);
        }
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        leave(&pub[i]);
        leave(&sub[i]);
    }
    end_noise(&noise);
    stop();
}
END_TEST

/* ---- P3 ----------------------------------------------------------------------------------------------------- */

START_TEST(sub_and_unsub_are_seen_everywhere_before_their_pong)
{
    struct noise noise;
    start_seeded(_i);
    begin_noise(&noise);
    struct peer pub = enter(_i % HUB_WORKERS);
    struct peer sub[HUB_WORKERS];
    say(&pub, "SUB reply 9\r\n");
    for (int i = 0; i < HUB_WORKERS; i++) {
        sub[i] = enter(i);
    }
    for (int round = 0; round < 300; round++) {
        struct peer *s = &sub[round % HUB_WORKERS];

        say(&pub, "PUB a reply 1\r\nx\r\n"); /* the miss is cached now */
        ck_assert_int_eq(hear(&pub).what, '5');
        say(s, "SUB a %d\r\n", round);
        flush(s);
        say(&pub, "PUB a reply 1\r\nx\r\n");
        flush(&pub);
        ck_assert_uint_eq(drain(s, NULL, NULL), 1);
        say(s, "UNSUB %d\r\n", round);
        flush(s);
    }
    leave(&pub);
    for (int i = 0; i < HUB_WORKERS; i++) {
        leave(&sub[i]);
    }
    end_noise(&noise);
    stop();
}
END_TEST

/* ---- P4 ------------------------------------------------------------------------------------------------------ */

struct order {
    char text[64];
};

static void write_down(const struct said *s, void *arg)
{
    struct order *o = arg;
    ck_assert_uint_lt(strlen(o->text) + strlen(s->payload), sizeof(o->text));
    (void) strcat(o->text, s->payload);
}

START_TEST(what_is_published_after_a_pong_arrives_after_everywhere)
{
    struct noise noise;
    start_seeded(_i);
    begin_noise(&noise);
    struct peer pub[HUB_WORKERS];
    struct peer sub[HUB_WORKERS];
    for (int i = 0; i < HUB_WORKERS; i++) {
        pub[i] = enter(i);
        sub[i] = enter(i);
        say(&sub[i], "SUB a 1\r\n");
        flush(&sub[i]);
    }
    for (int round = 0; round < 200; round++) {
        struct peer *first = &pub[round % HUB_WORKERS];
        struct peer *second = &pub[(round + 1 + round / 4) % HUB_WORKERS];

        say(first, "PUB a 1\r\n1\r\nPUB a 1\r\n2\r\n");
        flush(first);
        say(second, "PUB a 1\r\n3\r\n");
        flush(second);

        for (int i = 0; i < HUB_WORKERS; i++) {
            struct order o = { "" };
            ck_assert_uint_eq(drain(&sub[i], write_down, &o), 3);
            ck_assert_str_eq(o.text, "123");
        }
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        leave(&pub[i]);
        leave(&sub[i]);
    }
    end_noise(&noise);
    stop();
}
END_TEST

enum { FLOOD = 3000 };

struct flood {
    pthread_t thread;
    int worker;
    const char *subject, *reply;
    int n;           /* messages; < 0: until `stop` */
    _Atomic int *stop;
    unsigned expect; /* stay until so many were accounted for (0: go at once) */
    unsigned no_one; /* 503 that came back */
    unsigned sent;
};

/* Messages that members got and 503 that publishers got: a message that is handed on takes its
 * time, so who waits for its end counts. */
static _Atomic unsigned accounted;

static bool all_accounted(unsigned expect)
{
    static _Atomic int64_t until;
    int64_t zero = 0;
    (void) atomic_compare_exchange_strong(&until, &zero, nj_mono_us() + INT64_C(30000000));
    return atomic_load(&accounted) >= expect || nj_mono_us() > atomic_load(&until);
}

static void count_503(const struct said *s, void *arg)
{
    struct flood *f = arg;
    f->no_one += s->what == '5';
    (void) atomic_fetch_add(&accounted, s->what == '5');
}

/* A publisher with a thread of its own: numbered messages, then a flush. */
static void *publish(void *arg)
{
    struct flood *f = arg;
    struct peer p = enter(f->worker);
    say(&p, "SUB %s 1\r\n", f->reply != NULL ? f->reply : "nothing");
    for (f->sent = 0; f->n < 0 ? atomic_load(f->stop) == 0 : f->sent < (unsigned) f->n; f->sent++) {
        char number[32];
        int len = snprintf(number, sizeof(number), "%d %u", f->worker, f->sent);
        say(&p, "PUB %s %s %d\r\n%s\r\n", f->subject, f->reply != NULL ? f->reply : "", len,
            number);
        if (f->sent % 64 == 63) {
            (void) drain(&p, count_503, f); /* bounded by the server, not by buffers */
        }
    }
    (void) drain(&p, count_503, f);
    while (!all_accounted(f->expect)) {
        (void) drain(&p, count_503, f);
        (void) sched_yield();
    }
    leave(&p);
    return NULL;
}

static void begin(struct flood *f)
{
    ck_assert_int_eq(pthread_create(&f->thread, NULL, publish, f), 0);
}

static void check_next(const struct said *s, void *arg)
{
    unsigned *next = arg;
    int worker;
    unsigned number;
    ck_assert_int_eq(sscanf(s->payload, "%d %u", &worker, &number), 2);
    ck_assert_uint_eq(number, next[worker]++);
}

START_TEST(order_of_each_publisher_is_kept_and_nothing_is_lost)
{
    start_seeded(_i);
    struct peer sub[HUB_WORKERS];
    struct flood f[HUB_WORKERS];
    for (int i = 0; i < HUB_WORKERS; i++) {
        sub[i] = enter(i);
        say(&sub[i], "SUB a 1\r\n");
        flush(&sub[i]);
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        f[i] = (struct flood){ .worker = i, .subject = "a", .n = FLOOD };
        begin(&f[i]);
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        (void) pthread_join(f[i].thread, NULL);
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        unsigned next[HUB_WORKERS] = { 0 };
        ck_assert_uint_eq(drain(&sub[i], check_next, next), HUB_WORKERS * FLOOD);
        leave(&sub[i]);
    }
    stop();
}
END_TEST

/* ---- P5 ------------------------------------------------------------------------------------------------------- */

static void never(const struct said *s, void *arg)
{
    (void) arg;
    ck_abort_msg("%s came for sid %s", s->subject, s->sid);
}

static void only_b(const struct said *s, void *arg)
{
    (void) arg;
    ck_assert_str_eq(s->subject, "b");
}

START_TEST(nothing_comes_after_unsub_and_pong_also_not_for_a_reused_sid)
{
    start_seeded(_i);
    _Atomic int halt = 0;
    struct flood f = { .worker = 0, .subject = "a", .n = -1, .stop = &halt };
    struct peer sub = enter(1 + _i % 3);
    struct peer other = enter(3);
    begin(&f);
    for (int round = 0; round < 150; round++) {
        say(&sub, "SUB a 1\r\n");
        (void) drain(&sub, NULL, NULL);
        say(&sub, "UNSUB 1\r\nPING\r\n");
        while (hear(&sub).what != 'P') {
        }
        (void) drain(&sub, never, NULL);
        say(&sub, "SUB a 2\r\n");
        (void) drain(&sub, NULL, NULL);
        say(&sub, "UNSUB 2\r\nSUB b 2\r\nPING\r\n");
        while (hear(&sub).what != 'P') {
        }
        say(&other, "PUB b 1\r\nx\r\n");
        flush(&other);
        ck_assert_uint_eq(drain(&sub, only_b, NULL), 1);
        say(&sub, "UNSUB 2\r\n");
    }
    atomic_store(&halt, 1);
    (void) pthread_join(f.thread, NULL);
    leave(&sub);
    leave(&other);
    stop();
}
END_TEST

START_TEST(a_new_connection_gets_nothing_of_the_one_before_it_in_its_place)
{
    start_seeded(_i);
    _Atomic int halt = 0;
    struct flood f = { .worker = 0, .subject = "a", .n = -1, .stop = &halt };
    begin(&f);
    for (int round = 0; round < 150; round++) {
        struct peer p = enter(1);
        say(&p, "SUB a 1\r\n");
        (void) drain(&p, NULL, NULL);
        leave(&p);
        struct peer q = enter(1);
        say(&q, "SUB b 1\r\n");
        (void) drain(&q, never, NULL);
        leave(&q);
    }
    atomic_store(&halt, 1);
    (void) pthread_join(f.thread, NULL);
    stop();
}
END_TEST

/* ---- P6 --------------------------------------------------------------------------------------------------------- */

/* A member that comes and goes until told to stop; counts what it got. */
struct member {
    pthread_t thread;
    int worker;
    _Atomic int *stop;
    unsigned got;
};

static void take(struct member *m, struct peer *p)
{
    unsigned n = drain(p, NULL, NULL);
    m->got += n;
    (void) atomic_fetch_add(&accounted, n);
}

static void *come_and_go(void *arg)
{
    struct member *m = arg;
    struct peer p = enter(m->worker);
    for (unsigned i = 0; atomic_load(m->stop) == 0; i++) {
        say(&p, "SUB a g %u\r\n", i);
        take(m, &p);
        take(m, &p);
        say(&p, "UNSUB %u\r\n", i);
        take(m, &p);
    }
    take(m, &p);
    leave(&p);
    return NULL;
}

static unsigned run_members(struct member *m, struct flood *f, int members)
{
    _Atomic int halt = 0;
    unsigned got = 0;
    for (int i = 0; i < members; i++) {
        m[i] = (struct member){ .worker = i % HUB_WORKERS, .stop = &halt };
        ck_assert_int_eq(pthread_create(&m[i].thread, NULL, come_and_go, &m[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        begin(&f[i]);
    }
    for (int i = 0; i < 2; i++) {
        (void) pthread_join(f[i].thread, NULL);
    }
    atomic_store(&halt, 1);
    for (int i = 0; i < members; i++) {
        (void) pthread_join(m[i].thread, NULL);
        got += m[i].got;
    }
    return got;
}

START_TEST(no_message_is_lost_while_members_come_and_go)
{
    start_seeded(_i);
    struct member m[3];
    struct flood f[2];
    struct peer stable = enter(2);
    say(&stable, "SUB a g 1\r\n");
    flush(&stable);
    for (int i = 0; i < 2; i++) {
        f[i] = (struct flood){ .worker = i * 3, .subject = "a", .n = FLOOD };
    }

    unsigned got = run_members(m, f, 3);

    unsigned rest = 0;
    while (!all_accounted(2 * FLOOD - rest)) {
        rest += drain(&stable, NULL, NULL);
    }
    got += rest;
    ck_assert_uint_eq(got, 2 * FLOOD);
    leave(&stable);
    stop();
}
END_TEST

START_TEST(every_request_reaches_a_member_or_is_answered_503)
{
    start_seeded(_i);
    struct member m[3];
    struct flood f[2];
    for (int i = 0; i < 2; i++) {
        f[i] = (struct flood){ .worker = i * 3, .subject = "a", .n = FLOOD,
                               .reply = i == 0 ? "r0" : "r1", .expect = 2 * FLOOD };
    }

    unsigned got = run_members(m, f, 3);

    ck_assert_uint_eq(got + f[0].no_one + f[1].no_one, 2 * FLOOD);
    stop();
}
END_TEST

/* ---- P5, P6: what lies in a batch while the one it is for goes -------------------------------------------------- */

struct held {
    _Atomic int step;
    bool wants_503;
    unsigned hops;      /* how often the message was handed on before */
    uint32_t slot, gen; /* of the publisher */
    size_t chosen;
};

static void wait_for_step(_Atomic int *step, int n)
{
    int64_t until = nj_mono_us() + INT64_C(20000000);
    while (atomic_load(step) < n) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
}

/* Worker 0 chooses who gets a message on "a" and keeps its batch back until the test goes on. */
static void choose_and_hold(struct nj_worker *w, void *arg)
{
    struct held *h = arg;
    struct nj_delivery d;
    struct nj_message m = { .subject = { "a", 1 },
                            .size_digits = { "1", 1 },
                            .size = 1,
                            .payload = (const uint8_t *) "x\r\n",
                            .hops = h->hops,
                            .from = { .cid = 1, .worker = 0, .echo = true } };
    if (h->wants_503) {
        m.reply = (struct nj_text){ "r", 1 };
        m.from.slot = h->slot;
        m.from.slot_gen = h->gen;
        m.from.wants_503 = true;
    }
    struct nj_route_from from = { 1, true, &w->random };
    struct nj_route_sink sink = { nj_delivery_to, &d };
    nj_delivery_begin(&d, w, &m, NULL);
    h->chosen = nj_route(nj_match_cache_get(nj_hub_worker_of(w)->cache, hub.global, "a", 1), &from,
                         &sink);
    nj_delivery_end(&d);
    atomic_store(&h->step, 1);
    wait_for_step(&h->step, 2);
}

static void hold(struct held *h)
{
    nj_worker_call(hub.workers->at[0], choose_and_hold, h);
    wait_for_step(&h->step, 1);
    ck_assert_uint_eq(h->chosen, 1);
}

static void pass_by(struct nj_worker *w, void *arg)
{
    (void) w;
    (void) atomic_fetch_add((_Atomic int *) arg, 1);
}

/* The batch goes on its way; then all that follows from it has happened. */
static void let_go(struct held *h)
{
    _Atomic int passed = 0;
    atomic_store(&h->step, 2);
    for (int i = 0; i < 4 * HUB_WORKERS; i++) {
        nj_worker_call(hub.workers->at[i % HUB_WORKERS], pass_by, &passed);
        wait_for_step(&passed, i + 1);
    }
}

static void wait_until_alone(int64_t n)
{
    int64_t until = nj_mono_us() + INT64_C(20000000);
    while (atomic_load(&hub.connections) > n) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
}

START_TEST(a_message_under_way_misses_the_next_connection_in_the_place)
{
    struct held h = { 0 };
    start_seeded(_i);
    struct peer p = enter(1);
    say(&p, "SUB a 1\r\n");
    flush(&p);
    hold(&h);
    leave(&p);
    wait_until_alone(0);
    p = enter(1);
    say(&p, "SUB b 1\r\n");
    flush(&p);

    let_go(&h);

    ck_assert_uint_eq(drain(&p, never, NULL), 0);
    leave(&p);
    stop();
}
END_TEST

START_TEST(a_message_under_way_misses_the_next_subscription_of_the_sid)
{
    struct held h = { 0 };
    start_seeded(_i);
    struct peer p = enter(1);
    say(&p, "SUB a 1\r\n");
    flush(&p);
    hold(&h);
    say(&p, "UNSUB 1\r\nSUB b 1\r\n");
    flush(&p);

    let_go(&h);

    ck_assert_uint_eq(drain(&p, never, NULL), 0);
    leave(&p);
    stop();
}
END_TEST

/* However often that happened to it before. */
START_TEST(a_message_under_way_to_a_member_that_went_is_given_to_another)
{
    struct held h = { .hops = _i % 3 == 0 ? 8 : 0 };
    start_seeded(_i);
    struct peer p = enter(1);
    struct peer q = enter(2 + _i % 2);
    say(&p, "SUB a g 1\r\n");
    flush(&p);
    hold(&h);
    say(&q, "SUB a g 7\r\n");
    flush(&q);
    if (_i % 2 == 0) {
        say(&p, "UNSUB 1\r\n");
        flush(&p);
    } else {
        leave(&p);
        wait_until_alone(1);
    }

    let_go(&h);

    ck_assert_uint_eq(drain(&q, NULL, NULL), 1);
    if (_i % 2 == 0) {
        ck_assert_uint_eq(drain(&p, never, NULL), 0);
        leave(&p);
    }
    leave(&q);
    stop();
}
END_TEST

static void find_publisher(struct nj_worker *w, void *arg)
{
    struct held *h = arg;
    for (uint32_t i = 0; i < w->slots_n; i++) {
        if (nj_slot_at(w, i)->conn != NULL) {
            h->slot = i;
            h->gen = nj_slot_at(w, i)->gen;
        }
    }
    atomic_store(&h->step, 1);
}

START_TEST(a_request_under_way_to_the_last_member_is_answered_503)
{
    struct held h = { .wants_503 = true };
    start_seeded(_i);
    struct peer pub = enter(0);
    struct peer p = enter(1 + _i % 3);
    say(&pub, "SUB r 9\r\n");
    flush(&pub);
    nj_worker_call(hub.workers->at[0], find_publisher, &h);
    wait_for_step(&h.step, 1);
    atomic_store(&h.step, 0);
    say(&p, "SUB a g 1\r\n");
    flush(&p);
    hold(&h);
    say(&p, "UNSUB 1\r\n");
    flush(&p);

    let_go(&h);

    struct said s = hear(&pub);
    ck_assert_int_eq(s.what, '5');
    ck_assert_str_eq(s.subject, "r");
    ck_assert_str_eq(s.sid, "9");
    ck_assert_uint_eq(drain(&p, never, NULL), 0);
    leave(&p);
    leave(&pub);
    stop();
}
END_TEST

/* ---- who leaves with many subscriptions ---------------------------------------------------------------------------- */

enum { BURDEN = 30000 };

static uint64_t subscriptions(void)
{
    return nj_index_count(hub.global->index);
}

/* On worker 1, with BURDEN subscriptions, on one subject or on one each. */
static struct peer enter_burdened(bool each_its_own)
{
    struct peer p = enter(1);
    for (int i = 0; i < BURDEN; i++) {
        if (each_its_own) {
            say(&p, "SUB a.%d %d\r\n", i, i);
        } else {
            say(&p, "SUB a %d\r\n", i);
        }
    }
    flush(&p);
    ck_assert_uint_eq(subscriptions(), BURDEN);
    return p;
}

static void wait_until_it_goes(uint64_t others)
{
    int64_t until = nj_mono_us() + INT64_C(20000000);
    while (subscriptions() == BURDEN + others) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
}

/* PONGs that came while some of them, but not all, were out. */
static unsigned served_beside(struct peer *other)
{
    unsigned served = 0;
    struct peer p = enter_burdened(true);
    leave(&p);
    wait_until_it_goes(0);
    while (subscriptions() > 0) {
        flush(other);
        served += subscriptions() > 0;
    }
    return served;
}

START_TEST(others_go_on_while_many_subscriptions_leave)
{
    start_seeded(_i);
    struct peer other = enter(1);
    unsigned served = 0;

    for (int tries = 0; tries < 10 && served == 0; tries++) { /* this thread may be put aside */
        served = served_beside(&other);
    }

    ck_assert_uint_gt(served, 0);
    leave(&other);
    stop();
}
END_TEST

enum { SLICES = 5, MANY_WAIT = 100 * 16384, MORE = 4 };

/* How many go in one slice, if so many wait. */
static uint64_t one_slice(struct nj_worker *w, int64_t waiting)
{
    struct nj_hub_worker *hw = nj_hub_worker_of(w);
    int64_t really = hw->leaving_n;
    uint64_t before = subscriptions();
    hw->leaving_n = waiting;
    (void) nj_leaving_some(w);
    uint64_t gone = before - subscriptions();
    hw->leaving_n = really - (int64_t) gone;
    return gone;
}

static _Atomic int slices_compared; /* 1: more go when more wait, -1: not */

static void compare_slices(struct nj_worker *w, void *arg)
{
    uint64_t few = 0;
    hub_close_clients(w, arg); /* nothing has left before the first slice */
    for (int i = 0; i < SLICES; i++) { /* this thread may be put aside */
        uint64_t n = one_slice(w, 0);
        few = n > few ? n : few;
    }
    bool more = one_slice(w, MANY_WAIT) > MORE * few || one_slice(w, MANY_WAIT) > MORE * few;
    atomic_store(&slices_compared, more ? 1 : -1);
}

START_TEST(more_subscriptions_leave_at_once_when_more_wait)
{
    start_seeded(_i);
    struct peer p = enter_burdened(true);

    nj_worker_call(hub.workers->at[1], compare_slices, NULL);

    int64_t until = nj_mono_us() + INT64_C(20000000);
    while (atomic_load(&slices_compared) == 0) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
    ck_assert_int_eq(atomic_load(&slices_compared), 1);
    leave(&p);
    stop();
}
END_TEST

START_TEST(nobody_counts_on_subscriptions_that_are_about_to_leave)
{
    start_seeded(_i);
    struct peer p = enter_burdened(false);
    struct peer pub = enter(_i % 2);
    say(&pub, "SUB r 9\r\n");
    flush(&pub);
    leave(&p);
    wait_until_it_goes(1);

    say(&pub, "PUB a r 1\r\nx\r\n");

    ck_assert_int_eq(hear(&pub).what, '5');
    leave(&pub);
    stop();
}
END_TEST

/* ---- P7, P8 ------------------------------------------------------------------------------------------------------- */

static void run_floods(const char *subject, const char *const *replies, struct flood *f)
{
    for (int i = 0; i < HUB_WORKERS; i++) {
        f[i] = (struct flood){ .worker = i, .subject = subject, .n = FLOOD,
                               .reply = replies != NULL ? replies[i] : NULL,
                               .expect = replies != NULL ? HUB_WORKERS * FLOOD - 1000 : 0 };
        begin(&f[i]);
    }
    for (int i = 0; i < HUB_WORKERS; i++) {
        (void) pthread_join(f[i].thread, NULL);
    }
}

START_TEST(a_maximum_is_exact_with_publishers_on_all_workers)
{
    start_seeded(_i);
    struct flood f[HUB_WORKERS];
    struct peer sub = enter(_i % HUB_WORKERS);
    say(&sub, "SUB a 1\r\nUNSUB 1 1000\r\nSUB a 2\r\n");
    flush(&sub);

    run_floods("a", NULL, f);

    unsigned first = 0;
    unsigned second = 0;
    say(&sub, "PING\r\n");
    for (struct said s = hear(&sub); s.what != 'P'; s = hear(&sub)) {
        first += s.sid[0] == '1';
        second += s.sid[0] == '2';
    }
    ck_assert_uint_eq(first, 1000);
    ck_assert_uint_eq(second, HUB_WORKERS * FLOOD);
    leave(&sub);
    stop();
}
END_TEST

START_TEST(exhausted_members_leave_the_rest_to_503)
{
    static const char *const replies[] = { "r0", "r1", "r2", "r3" };
    start_seeded(_i);
    struct flood f[HUB_WORKERS];
    struct peer m[2] = { enter(1), enter(_i % HUB_WORKERS) };
    for (int i = 0; i < 2; i++) {
        say(&m[i], "SUB a g 1\r\nUNSUB 1 500\r\n");
        flush(&m[i]);
    }

    run_floods("a", replies, f);

    unsigned no_one = 0;
    for (int i = 0; i < HUB_WORKERS; i++) {
        no_one += f[i].no_one;
    }
    ck_assert_uint_eq(drain(&m[0], NULL, NULL), 500);
    ck_assert_uint_eq(drain(&m[1], NULL, NULL), 500);
    ck_assert_uint_eq(no_one, HUB_WORKERS * FLOOD - 1000);
    leave(&m[0]);
    leave(&m[1]);
    stop();
}
END_TEST

START_TEST(members_share_whatever_worker_they_are_on)
{
    start_seeded(_i);
    struct flood f = { .worker = _i % HUB_WORKERS, .subject = "a", .n = 8000 };
    struct peer m[HUB_WORKERS];
    for (int i = 0; i < HUB_WORKERS; i++) {
        m[i] = enter(i);
        say(&m[i], "SUB a g 1\r\n");
        flush(&m[i]);
    }

    begin(&f);
    (void) pthread_join(f.thread, NULL);

    unsigned all = 0;
    for (int i = 0; i < HUB_WORKERS; i++) {
        unsigned got = drain(&m[i], NULL, NULL);
        all += got;
        ck_assert_uint_gt(got, 2000 - 250); /* the standard deviation is 39 */
        ck_assert_uint_lt(got, 2000 + 250);
        leave(&m[i]);
    }
    ck_assert_uint_eq(all, 8000);
    stop();
}
END_TEST

/* ---- P11: the end comes at any time ----------------------------------------------------------------------------------- */

START_TEST(stopping_under_load_leaves_nothing_behind)
{
    start_seeded(_i);
    struct peer p[8];
    for (int i = 0; i < 8; i++) {
        p[i] = enter(i % HUB_WORKERS);
        say(&p[i], "SUB a g 1\r\nSUB a 2\r\nSUB r 3\r\n");
        flush(&p[i]);
    }
    for (int n = 0; n < 300; n++) {
        say(&p[n % 8], "PUB a r 1\r\nx\r\nPUB a r 1\r\ny\r\n");
    }

    stop();

    for (int i = 0; i < 8; i++) {
        leave(&p[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("delivery");
    TCase *tc = tcase_create("delivery");
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, flush_then_flush_finds_every_message, 0, SEEDS);
    tcase_add_loop_test(tc, sub_and_unsub_are_seen_everywhere_before_their_pong, 0, SEEDS);
    tcase_add_loop_test(tc, what_is_published_after_a_pong_arrives_after_everywhere, 0, SEEDS);
    tcase_add_loop_test(tc, order_of_each_publisher_is_kept_and_nothing_is_lost, 0, SEEDS);
    tcase_add_loop_test(tc, nothing_comes_after_unsub_and_pong_also_not_for_a_reused_sid, 0,
                        SEEDS);
    tcase_add_loop_test(tc, a_new_connection_gets_nothing_of_the_one_before_it_in_its_place, 0,
                        SEEDS);
    tcase_add_loop_test(tc, a_message_under_way_misses_the_next_connection_in_the_place, 0, SEEDS);
    tcase_add_loop_test(tc, a_message_under_way_misses_the_next_subscription_of_the_sid, 0, SEEDS);
    tcase_add_loop_test(tc, a_message_under_way_to_a_member_that_went_is_given_to_another, 0,
                        SEEDS);
    tcase_add_loop_test(tc, a_request_under_way_to_the_last_member_is_answered_503, 0, SEEDS);
    tcase_add_loop_test(tc, no_message_is_lost_while_members_come_and_go, 0, SEEDS);
    tcase_add_loop_test(tc, every_request_reaches_a_member_or_is_answered_503, 0, SEEDS);
    tcase_add_loop_test(tc, others_go_on_while_many_subscriptions_leave, 0, SEEDS);
    tcase_add_test(tc, more_subscriptions_leave_at_once_when_more_wait);
    tcase_add_loop_test(tc, nobody_counts_on_subscriptions_that_are_about_to_leave, 0, SEEDS);
    tcase_add_loop_test(tc, a_maximum_is_exact_with_publishers_on_all_workers, 0, SEEDS);
    tcase_add_loop_test(tc, exhausted_members_leave_the_rest_to_503, 0, SEEDS);
    tcase_add_loop_test(tc, members_share_whatever_worker_they_are_on, 0, SEEDS);
    tcase_add_loop_test(tc, stopping_under_load_leaves_nothing_behind, 0, 2 * SEEDS);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
