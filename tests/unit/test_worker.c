/* test_worker.c: workers, their inboxes, and the batches and credit between them. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "io/batch.h"
#include "io/conn.h"
#include "io/inbox.h"
#include "io/worker.h"

#define PATIENCE_US INT64_C(20000000)

/* ---- the inbox alone ----------------------------------------------------------------------------------- */

enum { PRODUCERS = 4, EACH = 20000 };

struct note {
    struct nj_item item; /* first */
    unsigned producer, number;
    uint64_t ticket; /* taken before the push: what had a ticket and was in is earlier */
};

static struct nj_inbox inbox;
static _Atomic uint64_t pushed; /* tickets of pushes that are over */

static void *produce(void *arg)
{
    struct note *notes = arg;
    for (unsigned i = 0; i < EACH; i++) {
        notes[i].ticket = atomic_load(&pushed);
        nj_inbox_push(&inbox, &notes[i].item);
        (void) atomic_fetch_add(&pushed, 1);
    }
    return NULL;
}

static void wait_for_bell(void)
{
    if (nj_inbox_sleep(&inbox)) {
        struct pollfd p = { .fd = inbox.event_fd, .events = POLLIN };
        ck_assert_int_eq(poll(&p, 1, 20000), 1); /* a lost wake-up ends here */
        nj_inbox_quiet(&inbox);
    }
    nj_inbox_awake(&inbox);
}

/* For each taken note: all pushes that were over when it began came out before it. */
START_TEST(items_come_out_in_the_order_of_pushing)
{
    struct note *notes = nj_calloc((size_t) PRODUCERS * EACH, sizeof(*notes));
    pthread_t threads[PRODUCERS];
    unsigned next[PRODUCERS] = { 0 };
    uint64_t seen = 0;
    ck_assert_int_eq(nj_inbox_init(&inbox), 0);
    for (unsigned i = 0; i < PRODUCERS * EACH; i++) {
        notes[i].producer = i / EACH;
        notes[i].number = i % EACH;
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, notes + i * EACH), 0);
    }

    while (seen < (uint64_t) PRODUCERS * EACH) {
        const struct nj_item *it = nj_inbox_take(&inbox);
        if (it == NULL) {
            wait_for_bell();
        }
        for (; it != NULL; it = it->next) {
            const struct note *n = (const struct note *) (const void *) it;
            ck_assert_uint_eq(n->number, next[n->producer]++);
            ck_assert_uint_ge(seen, n->ticket);
            seen++;
        }
    }

    for (unsigned i = 0; i < PRODUCERS; i++) {
        (void) pthread_join(threads[i], NULL);
    }
    ck_assert(nj_inbox_empty(&inbox));
    nj_inbox_fini(&inbox);
    nj_dealloc(notes);
}
END_TEST

START_TEST(sleeping_is_refused_while_something_lies_there)
{
    struct nj_item it = { 0 };
    ck_assert_int_eq(nj_inbox_init(&inbox), 0);
    ck_assert(nj_inbox_sleep(&inbox));
    nj_inbox_awake(&inbox);

    nj_inbox_push(&inbox, &it);

    ck_assert(!nj_inbox_sleep(&inbox));
    nj_inbox_awake(&inbox);
    ck_assert_ptr_eq(nj_inbox_take(&inbox), &it);
    ck_assert(nj_inbox_sleep(&inbox));
    nj_inbox_fini(&inbox);
}
END_TEST

/* ---- workers -------------------------------------------------------------------------------------------- */

static _Atomic int started, stopped;

static void on_start(struct nj_worker *w, void *user)
{
    ck_assert_ptr_eq(user, &started);
    ck_assert(pthread_equal(pthread_self(), w->thread) || w->thread == 0);
    (void) atomic_fetch_add(&started, 1);
}

static void on_stop(struct nj_worker *w, void *user)
{
    (void) w;
    (void) user;
    (void) atomic_fetch_add(&stopped, 1);
}

static const struct nj_worker_ops ops = { .start = on_start, .stop = on_stop };
static struct nj_workers *set;

static void setup(void)
{
    struct nj_error err = NJ_ERROR_INIT;
    nj_rcu_start();
    ck_assert_int_eq(nj_workers_start(&set, 4, &ops, &started, &err), NJ_OK);
}

static void teardown(void)
{
    nj_workers_join(&set);
    ck_assert_ptr_null(set);
    ck_assert_int_eq(atomic_load(&started), 4);
    ck_assert_int_eq(atomic_load(&stopped), 4);
}

struct visit {
    _Atomic int done;
    pthread_t thread;
    struct nj_worker *w;
};

static void visit(struct nj_worker *w, void *arg)
{
    struct visit *v = arg;
    v->thread = pthread_self();
    v->w = w;
    atomic_store(&v->done, 1);
}

static void note_place(struct nj_worker *w, void *arg)
{
    int *seen = arg;
    seen[w->id] = w->id + 1;
}

static void wait_until(_Atomic int *flag, int value)
{
    int64_t until = nj_mono_us() + PATIENCE_US;
    while (atomic_load(flag) != value) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
}

START_TEST(a_call_runs_on_the_thread_of_its_worker)
{
    for (int i = 0; i < 4; i++) {
        struct visit v = { 0 };
        nj_worker_call(set->at[i], visit, &v);
        wait_until(&v.done, 1);
        ck_assert_ptr_eq(v.w, set->at[i]);
        ck_assert(pthread_equal(v.thread, set->at[i]->thread));
    }
}
END_TEST

START_TEST(a_call_to_all_has_run_everywhere_when_it_returns)
{
    for (int round = 0; round < 200; round++) {
        int seen[4] = { 0 }; /* each worker writes its own, plainly: the return is what orders them */
        nj_workers_call_all(set, note_place, seen);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(seen[i], i + 1);
        }
    }
}
END_TEST

static _Atomic int calls;

static void count_call(struct nj_worker *w, void *arg)
{
    (void) w;
    (void) arg;
    (void) atomic_fetch_add(&calls, 1);
}

START_TEST(joining_runs_what_was_asked_before)
{
    for (int i = 0; i < 4000; i++) {
        nj_worker_call(set->at[i % 4], count_call, NULL);
    }

    nj_workers_join(&set);

    ck_assert_int_eq(atomic_load(&calls), 4000);
}
END_TEST

/* Who took the sleep away rings late: the owner has been woken by something else meanwhile. */
START_TEST(a_late_bell_is_quieted)
{
    struct nj_worker *w = set->at[0];
    struct pollfd p = { .fd = w->inbox.event_fd, .events = POLLIN };
    uint64_t one = 1;
    int64_t until = nj_mono_us() + PATIENCE_US;

    ck_assert_int_eq(write(w->inbox.event_fd, &one, sizeof(one)), sizeof(one));

    while (poll(&p, 1, 0) != 0) {
        ck_assert_int_lt(nj_mono_us(), until);
        (void) sched_yield();
    }
}
END_TEST

/* ---- batches and credit ------------------------------------------------------------------------------------ */

struct credit {
    _Atomic int step;
    bool before, over, after;
    uint64_t on_the_way;
    _Atomic int ran;
    _Atomic int go_on;
};

static struct credit credit;

/* Runs on worker 1, which holds the batches until it is told to go on. */
static void run_batch(struct nj_worker *w, struct nj_item *item)
{
    ck_assert_uint_eq(w->id, 1);
    wait_until(&credit.go_on, 1);
    (void) atomic_fetch_add(&credit.ran, 1);
    nj_batch_send_home(w, (struct nj_batch *) (void *) item);
}

static void fill_up(struct nj_worker *w, void *arg)
{
    (void) arg;
    credit.before = nj_batch_over_credit(w);
    for (int i = 0; i < 200; i++) {
        struct nj_batch *b = nj_batch_open(w, 1);
        b->item.run = run_batch;
        uint8_t *at = nj_batch_reserve(b, 60001);
        ck_assert_uint_eq((uintptr_t) at % 8, 0);
        at[60000] = 1;
        if (nj_batch_seal(b, 1000)) {
            nj_batch_hand_over(w);
        }
    }
    nj_batch_hand_over(w);
    ck_assert_ptr_null(w->open[1]);
    credit.over = nj_batch_over_credit(w);
    credit.on_the_way = w->on_the_way[1];
    atomic_store(&credit.step, 1);
}

static void look_again(struct nj_worker *w, void *arg)
{
    (void) arg;
    if (nj_batch_over_credit(w) || w->on_the_way[1] > 0) {
        nj_worker_call(w, look_again, NULL);
        return;
    }
    ck_assert_uint_gt(w->spare_n, 0);
    atomic_store(&credit.step, 2);
}

START_TEST(credit_goes_up_with_what_is_sent_and_comes_home)
{
    nj_worker_call(set->at[0], fill_up, NULL);
    wait_until(&credit.step, 1);
    ck_assert(!credit.before);
    ck_assert(credit.over);
    ck_assert_uint_eq(credit.on_the_way, 200 * (60008 + 1000));

    atomic_store(&credit.go_on, 1);
    nj_worker_call(set->at[0], look_again, NULL);
    wait_until(&credit.step, 2);

    ck_assert_int_eq(atomic_load(&credit.ran), 100); /* two to a batch */
}
END_TEST

/* Ends while batches are on their way in all directions: nothing leaks, nothing is touched late. */
static void send_on(struct nj_worker *w, struct nj_item *item);

static void send_some(struct nj_worker *w, void *arg)
{
    uintptr_t left = (uintptr_t) arg;
    struct nj_batch *b = nj_batch_open(w, (uint16_t) ((w->id + 1) % w->set->n));
    b->item.run = send_on;
    *(uint64_t *) (void *) nj_batch_reserve(b, 8) = left;
    if (nj_batch_seal(b, 0)) {
        nj_batch_hand_over(w);
    }
}

static void send_on(struct nj_worker *w, struct nj_item *item)
{
    struct nj_batch *b = (struct nj_batch *) (void *) item;
    uint64_t left = *(uint64_t *) (void *) b->bytes;
    (void) atomic_fetch_add(&calls, 1);
    nj_batch_send_home(w, b);
    if (left > 0) {
        send_some(w, (void *) (uintptr_t) (left - 1));
    }
}

START_TEST(joining_ends_batches_that_make_batches)
{
    for (int i = 0; i < 4; i++) {
        nj_worker_call(set->at[i], send_some, (void *) (uintptr_t) 500);
    }

    nj_workers_join(&set);

    ck_assert_int_gt(atomic_load(&calls), 0);
}
END_TEST

/* ---- a connection that is paused --------------------------------------------------------------------------- */

struct fed {
    struct nj_conn conn; /* first */
    char got[64];
    size_t got_len;
};

static size_t take_unless_paused(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    struct fed *f = (struct fed *) (void *) c;
    size_t n = c->is_paused ? 0 : len;
    for (size_t i = 0; i < n; i++) {
        f->got[f->got_len++] = (char) ptr[i];
        if (ptr[i] == '!') {
            nj_conn_pause(c, NJ_PAUSE_FOR_EVER);
            return i + 1;
        }
    }
    return n;
}

static void ended(struct nj_conn *c, enum nj_conn_end why)
{
    (void) why;
    nj_conn_close(c);
}

static void gone(struct nj_conn *c)
{
    nj_dealloc(c);
}

static const struct nj_conn_ops fed_ops = { .bytes = take_unless_paused, .ended = ended,
                                            .gone = gone };

static void feed_paused(struct nj_worker *w, void *arg)
{
    struct visit *v = arg;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct fed *f = nj_zalloc(sizeof(*f));
    nj_conn_init(&f->conn, w, fds[0], &fed_ops);

    nj_conn_feed(&f->conn, (const uint8_t *) "ab!cd", 5); /* as TLS does: record by record */
    nj_conn_feed(&f->conn, (const uint8_t *) "ef!", 3);
    nj_conn_feed(&f->conn, (const uint8_t *) "gh", 2);
    ck_assert_str_eq(f->got, "ab!");
    nj_conn_resume(&f->conn);
    ck_assert_str_eq(f->got, "ab!cdef!");
    nj_conn_resume(&f->conn);
    ck_assert_str_eq(f->got, "ab!cdef!gh");

    nj_conn_close(&f->conn);
    (void) close(fds[1]);
    atomic_store(&v->done, 1);
}

START_TEST(what_comes_while_paused_is_kept_in_order)
{
    struct visit v = { 0 };
    nj_worker_call(set->at[0], feed_paused, &v);
    wait_until(&v.done, 1);
}
END_TEST

/*
 * Promises P2 and P4: what lies in the inbox when bytes have been read is delivered before these
 * bytes are parsed.  Two connections are readable in one turn; whoever is read first pushes an item
 * (as another worker would between the two reads), and it must run before the other is parsed.
 */
static struct {
    char order[8];
    size_t n;
    _Atomic int done;
    struct nj_item item;
} read_log;

static void note_read(char what)
{
    read_log.order[read_log.n++] = what;
    if (read_log.n == 3) {
        atomic_store(&read_log.done, 1);
    }
}

static void run_between(struct nj_worker *w, struct nj_item *item)
{
    (void) w;
    (void) item;
    note_read('i');
}

static size_t push_when_first(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) ptr;
    bool first = read_log.n == 0;
    note_read('b');
    if (first) {
        read_log.item.run = run_between;
        nj_inbox_push(&c->worker->inbox, &read_log.item);
    }
    return len;
}

static const struct nj_conn_ops first_ops = { .bytes = push_when_first, .ended = ended,
                                              .gone = gone };

/* Both have their byte before the worker polls again. */
static void add_two_readable(struct nj_worker *w, void *arg)
{
    int(*fds)[2] = arg;
    for (int i = 0; i < 2; i++) {
        struct fed *f = nj_zalloc(sizeof(*f));
        nj_conn_init(&f->conn, w, fds[i][0], &first_ops);
        ck_assert_int_eq(write(fds[i][1], "!", 1), 1);
    }
}

START_TEST(what_lies_in_the_inbox_goes_before_what_was_read)
{
    int fds[2][2];
    read_log.n = 0;
    memset(read_log.order, 0, sizeof(read_log.order));
    atomic_store(&read_log.done, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds[i]), 0);
    }

    nj_worker_call(set->at[0], add_two_readable, fds);
    wait_until(&read_log.done, 1);

    ck_assert_str_eq(read_log.order, "bib");
    for (int i = 0; i < 2; i++) {
        (void) close(fds[i][1]);
    }
}
END_TEST

/* It asks for another turn and is closed before that turn comes. */
static _Atomic int leaver_gone;

static size_t yield_and_close(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) ptr;
    nj_conn_yield(c);
    nj_conn_close(c);
    return len;
}

static void leaver_is_gone(struct nj_conn *c)
{
    nj_dealloc(c);
    atomic_store(&leaver_gone, 1);
}

static const struct nj_conn_ops leaver_ops = { .bytes = yield_and_close, .ended = ended,
                                               .gone = leaver_is_gone };

static void add_leaver(struct nj_worker *w, void *arg)
{
    struct fed *f = nj_zalloc(sizeof(*f));
    nj_conn_init(&f->conn, w, *(int *) arg, &leaver_ops);
}

static void look_whether_it_rests(struct nj_worker *w, void *arg)
{
    struct visit *v = arg;
    ck_assert_ptr_null(w->last);
    ck_assert_uint_eq(w->last_n, 0);
    atomic_store(&v->done, 1);
}

START_TEST(a_worker_rests_when_who_went_on_has_left)
{
    int fds[2];
    struct visit v = { 0 };
    atomic_store(&leaver_gone, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    nj_worker_call(set->at[0], add_leaver, &fds[0]);

    ck_assert_int_eq(write(fds[1], "!", 1), 1);
    wait_until(&leaver_gone, 1);
    nj_worker_call(set->at[0], look_whether_it_rests, &v);

    wait_until(&v.done, 1);
    (void) close(fds[1]);
}
END_TEST

/* ---- newcomers and those who go on --------------------------------------------------------------------------- */

enum { NEWCOMERS = 6, LEAVES = 4, LONG_US = 1000 };

struct guest {
    struct nj_conn conn; /* first */
    char name;
    int peer_fd;
};

/* Whose bytes were read, in order. */
static struct {
    struct guest *newcomers[NEWCOMERS];
    struct guest *old;
    char order[64];
    size_t n;
    _Atomic int gone;
    _Atomic int done;
} party;

static void party_begin(void)
{
    memset(party.order, 0, sizeof(party.order));
    party.n = 0;
    atomic_store(&party.gone, 0);
    atomic_store(&party.done, 0);
}

static void note_guest(char name)
{
    party.order[party.n++] = name;
}

static void wake_old(void)
{
    ck_assert_int_eq(write(party.old->peer_fd, "!", 1), 1);
}

/* Whether the old client's answer is on its socket. */
static void look_for_answer(void)
{
    char byte;
    if (recv(party.old->peer_fd, &byte, 1, MSG_DONTWAIT) == 1) {
        note_guest(byte);
    }
}

/* The first one takes long; meanwhile an old client writes and another newcomer leaves. */
static size_t greet(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    const struct guest *g = (struct guest *) (void *) c;
    (void) ptr;
    note_guest(g->name);
    look_for_answer();
    if (g->name == '0') {
        wake_old();
        nj_conn_close(&party.newcomers[LEAVES]->conn);
    }
    int64_t until = nj_mono_us() + LONG_US;
    while (nj_mono_us() < until) {
    }
    if (g->name == '0' + NEWCOMERS - 1) {
        atomic_store(&party.done, 1);
    }
    return len;
}

static size_t hear(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) ptr;
    note_guest('o');
    nj_outbox_append(&c->out, &c->worker->pool, ".", 1);
    nj_conn_dirty(c);
    return len;
}

/* One byte of a read, then it is the turn of others. */
static size_t hear_one(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) len;
    note_guest((char) *ptr);
    if (*ptr == 'a') {
        wake_old();
    }
    if (*ptr == 'h') {
        atomic_store(&party.done, 1);
    }
    nj_conn_yield(c);
    return 1;
}

static void guest_gone(struct nj_conn *c)
{
    (void) close(((struct guest *) (void *) c)->peer_fd);
    nj_dealloc(c);
    (void) atomic_fetch_add(&party.gone, 1);
}

static const struct nj_conn_ops greeted_ops = { .bytes = greet, .ended = ended, .gone = guest_gone };
static const struct nj_conn_ops heard_ops = { .bytes = hear, .ended = ended, .gone = guest_gone };
static const struct nj_conn_ops slow_ops = { .bytes = hear_one, .ended = ended, .gone = guest_gone };

static struct guest *guest_new(struct nj_worker *w, char name, const struct nj_conn_ops *guest_ops)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct guest *g = nj_zalloc(sizeof(*g));
    g->name = name;
    g->peer_fd = fds[1];
    nj_conn_init(&g->conn, w, fds[0], guest_ops);
    return g;
}

static void open_party(struct nj_worker *w, void *arg)
{
    (void) arg;
    party.old = guest_new(w, 'o', &heard_ops);
    for (int i = 0; i < NEWCOMERS; i++) {
        struct guest *g = guest_new(w, (char) ('0' + i), &greeted_ops);
        g->conn.is_new = true;
        party.newcomers[i] = g;
        ck_assert_int_eq(write(g->peer_fd, "!", 1), 1);
    }
}

static void close_party(struct nj_worker *w, void *arg)
{
    (void) w;
    (void) arg;
    nj_conn_close(&party.old->conn);
    for (int i = 0; i < NEWCOMERS; i++) {
        if (i != LEAVES) {
            nj_conn_close(&party.newcomers[i]->conn);
        }
    }
}

START_TEST(newcomers_wait_in_their_order_and_others_do_not)
{
    party_begin();
    nj_worker_call(set->at[0], open_party, NULL);
    wait_until(&party.done, 1);
    nj_worker_call(set->at[0], close_party, NULL);
    wait_until(&party.gone, NEWCOMERS + 1);

    ck_assert_str_eq(party.order, "0o1.235"); /* 4 left while it waited */
}
END_TEST

static void open_long_read(struct nj_worker *w, void *arg)
{
    (void) arg;
    party.old = guest_new(w, 'o', &heard_ops);
    party.newcomers[0] = guest_new(w, 's', &slow_ops);
    ck_assert_int_eq(write(party.newcomers[0]->peer_fd, "abcdefgh", 8), 8);
}

static void close_long_read(struct nj_worker *w, void *arg)
{
    (void) w;
    (void) arg;
    nj_conn_close(&party.old->conn);
    nj_conn_close(&party.newcomers[0]->conn);
}

START_TEST(who_yields_goes_on_after_the_others)
{
    party_begin();
    nj_worker_call(set->at[0], open_long_read, NULL);
    wait_until(&party.done, 1);
    nj_worker_call(set->at[0], close_long_read, NULL);
    wait_until(&party.gone, 2);

    ck_assert_str_eq(party.order, "abocdefgh");
}
END_TEST

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* ---- writing to many ----------------------------------------------------------------------------------------- */

enum { CROWD = 400, GIFT_LEN = 32768 }; /* takes some milliseconds to write: many turns */

/* A publisher whose first byte is a gift to the whole crowd, and an old client that is answered.  arg of
 * lay_table(): not NULL when the publisher says nothing. */
static struct {
    struct guest *publisher, *old, *crowd[CROWD];
    uint8_t gift[GIFT_LEN];
    int answers_beside; /* answers to the old client while some of the crowd waited */
    int reads, reads_too_early;
    bool in_order;
    bool leaves_at_once; /* when the gift is there */
    bool leaves_last;    /* at the end of a turn, when that has written */
    bool has_left;
    int adds;            /* gifts that the old client has for the last of the crowd, once */
    bool added, read_early;
    _Atomic int read_again;
    _Atomic int home, home_too_early;
    _Atomic int gone, done;
} feast;

static int waiting_in_crowd(void)
{
    int n = 0;
    for (int i = 0; i < CROWD && !feast.has_left; i++) {
        n += feast.crowd[i]->conn.out.len > 0 && !feast.crowd[i]->conn.wants_write;
    }
    return n;
}

static void give_to_all(struct nj_worker *w)
{
    for (int i = 0; i < CROWD; i++) {
        struct nj_conn *c = &feast.crowd[i]->conn;
        nj_outbox_append(&c->out, &w->pool, feast.gift, GIFT_LEN);
        nj_conn_dirty(c);
    }
}

static void ask_again(void)
{
    ck_assert_int_eq(write(feast.old->peer_fd, "?", 1), 1);
}

/* A newcomer: newcomers are read when the turn has written.  The crowd leaves, and so does it. */
static size_t send_away(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) ptr;
    ck_assert_int_gt(waiting_in_crowd(), 0);
    feast.has_left = true;
    for (int i = 0; i < CROWD; i++) {
        nj_conn_close(&feast.crowd[i]->conn);
    }
    nj_conn_close(c);
    return len;
}

static void feaster_gone(struct nj_conn *c)
{
    (void) close(((struct guest *) (void *) c)->peer_fd);
    nj_dealloc(c);
    (void) atomic_fetch_add(&feast.gone, 1);
}

static const struct nj_conn_ops away_ops = { .bytes = send_away, .ended = ended,
                                             .gone = feaster_gone };

/* When there is something for all, the old client asks beside it, or all leave. */
static void go_on_beside(struct nj_worker *w)
{
    if (!feast.leaves_last) {
        ask_again();
        return;
    }
    struct guest *g = guest_new(w, 'a', &away_ops);
    g->conn.is_new = true;
    ck_assert_int_eq(write(g->peer_fd, "!", 1), 1);
}

static size_t publish(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) ptr;
    ck_assert_uint_eq(len, 1);
    feast.reads++;
    feast.reads_too_early += waiting_in_crowd() > 0;
    if (feast.reads == 1) {
        give_to_all(c->worker);
        go_on_beside(c->worker);
        ck_assert_int_eq(write(feast.publisher->peer_fd, "2", 1), 1);
    } else {
        atomic_store(&feast.done, 1);
    }
    return len;
}

/* Those who have theirs are the first of the crowd. */
static bool is_served_in_order(void)
{
    bool waits = false;
    for (int i = 0; i < CROWD; i++) {
        const struct nj_conn *c = &feast.crowd[i]->conn;
        bool has_it = c->out.len == 0 || c->wants_write;
        if (has_it && waits) {
            return false;
        }
        waits = waits || !has_it;
    }
    return true;
}

/* The old client publishes, too: to one who waits for its gift. */
static void add_to_last(struct nj_worker *w)
{
    struct nj_conn *last = &feast.crowd[CROWD - 1]->conn;
    bool waits = last->out.len > 0 && !last->wants_write;
    if (feast.added) {
        feast.read_early = feast.read_early || waits;
        atomic_store(&feast.read_again, 1);
    } else if (feast.adds > 0 && waits) {
        feast.added = true;
        for (int i = 0; i < feast.adds; i++) {
            nj_outbox_append(&last->out, &w->pool, feast.gift, GIFT_LEN);
        }
        nj_conn_dirty(last);
    }
}

static size_t answer(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) ptr;
    add_to_last(c->worker);
    if (waiting_in_crowd() > 0) {
        feast.answers_beside++;
        feast.in_order = feast.in_order && is_served_in_order();
        feast.home_too_early = atomic_load(&feast.home);
        ask_again();
    }
    nj_outbox_append(&c->out, &c->worker->pool, "!", 1);
    nj_conn_dirty(c);
    return len;
}

static size_t ignore(struct nj_conn *c, const uint8_t *ptr, size_t len)
{
    (void) c;
    (void) ptr;
    return len;
}

static const struct nj_conn_ops publisher_ops = { .bytes = publish, .ended = ended,
                                                  .gone = feaster_gone };
static const struct nj_conn_ops old_ops = { .bytes = answer, .ended = ended,
                                            .gone = feaster_gone };
static const struct nj_conn_ops crowd_ops = { .bytes = ignore, .ended = ended,
                                              .gone = feaster_gone };

static void lay_table(struct nj_worker *w, void *arg)
{
    feast.publisher = guest_new(w, 'p', &publisher_ops);
    feast.old = guest_new(w, 'o', &old_ops);
    feast.in_order = true;
    for (int i = 0; i < CROWD; i++) {
        feast.crowd[i] = guest_new(w, 'c', &crowd_ops);
        feast.crowd[i]->conn.max_pending = 1 << 20;
    }
    if (arg == NULL) {
        ck_assert_int_eq(write(feast.publisher->peer_fd, "1", 1), 1);
    }
    atomic_store(&feast.done, arg != NULL);
}

static void clear_table(struct nj_worker *w, void *arg)
{
    (void) arg;
    ck_assert_ptr_null(w->owing);
    nj_conn_close(&feast.publisher->conn);
    nj_conn_close(&feast.old->conn);
    for (int i = 0; i < CROWD && !feast.has_left; i++) {
        nj_conn_close(&feast.crowd[i]->conn);
    }
}

static void end_feast(void)
{
    nj_worker_call(set->at[1], clear_table, NULL);
    wait_until(&feast.gone, CROWD + 2);
}

START_TEST(an_answer_does_not_wait_for_what_one_has_for_many)
{
    raise_descriptor_limit();
    nj_worker_call(set->at[1], lay_table, NULL);
    wait_until(&feast.done, 1); /* the publisher was read a second time */

    ck_assert_int_gt(feast.answers_beside, 1);
    ck_assert(feast.in_order);
    ck_assert_int_eq(feast.reads_too_early, 0);
    end_feast();
}
END_TEST

START_TEST(who_adds_much_to_what_waits_is_not_read_until_it_is_written)
{
    raise_descriptor_limit();
    feast.adds = _i == 0 ? 2 : 1; /* beside the first: more than 64 KiB, or not */
    nj_worker_call(set->at[1], lay_table, NULL);
    wait_until(&feast.read_again, 1);
    wait_until(&feast.done, 1);

    ck_assert_int_eq(feast.read_early, _i == 1); /* who adds little goes on */
    end_feast();
}
END_TEST

/* Worker 0 has something for the crowd on worker 1. */
static void run_gift(struct nj_worker *w, struct nj_item *item)
{
    give_to_all(w);
    go_on_beside(w);
    if (feast.leaves_at_once) {
        nj_worker_call(w, clear_table, NULL);
    }
    nj_batch_send_home(w, (struct nj_batch *) (void *) item);
}

static void send_gift(struct nj_worker *w, void *arg)
{
    (void) arg;
    struct nj_batch *b = nj_batch_open(w, 1);
    b->item.run = run_gift;
    (void) nj_batch_reserve(b, 8);
    (void) nj_batch_seal(b, 0);
    nj_batch_hand_over(w);
}

static void look_whether_it_is_home(struct nj_worker *w, void *arg)
{
    (void) arg;
    (void) nj_batch_over_credit(w); /* takes home what has come back */
    if (w->on_the_way[1] > 0) {
        nj_worker_call(w, look_whether_it_is_home, NULL);
        return;
    }
    atomic_store(&feast.home, 1);
}

START_TEST(a_batch_goes_home_when_what_it_had_for_many_is_written)
{
    raise_descriptor_limit();
    nj_worker_call(set->at[1], lay_table, &feast);
    wait_until(&feast.done, 1);
    nj_worker_call(set->at[0], send_gift, NULL);
    nj_worker_call(set->at[0], look_whether_it_is_home, NULL);
    wait_until(&feast.home, 1);

    ck_assert_int_gt(feast.answers_beside, 1);
    ck_assert_int_eq(feast.home_too_early, 0);
    end_feast();
}
END_TEST

START_TEST(those_who_wait_to_be_written_may_leave)
{
    raise_descriptor_limit();
    nj_worker_call(set->at[1], lay_table, &feast);
    wait_until(&feast.done, 1);
    feast.leaves_at_once = true;
    nj_worker_call(set->at[0], send_gift, NULL);
    nj_worker_call(set->at[0], look_whether_it_is_home, NULL);

    wait_until(&feast.gone, CROWD + 2);
    wait_until(&feast.home, 1);
}
END_TEST

/* Nothing is left to be written then, and nothing else happens on their worker. */
START_TEST(a_batch_goes_home_when_those_it_was_for_have_left)
{
    raise_descriptor_limit();
    feast.leaves_last = true;
    nj_worker_call(set->at[1], lay_table, &feast);
    wait_until(&feast.done, 1);
    nj_worker_call(set->at[0], send_gift, NULL);
    nj_worker_call(set->at[0], look_whether_it_is_home, NULL);
    wait_until(&feast.home, 1);

    nj_worker_call(set->at[1], clear_table, NULL);
    wait_until(&feast.gone, CROWD + 3);
}
END_TEST

START_TEST(a_publisher_is_read_when_those_it_had_something_for_have_left)
{
    raise_descriptor_limit();
    feast.leaves_last = true;
    nj_worker_call(set->at[1], lay_table, NULL);
    wait_until(&feast.done, 1); /* it was read a second time */

    nj_worker_call(set->at[1], clear_table, NULL);
    wait_until(&feast.gone, CROWD + 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("worker");
    TCase *tc = tcase_create("inbox");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, items_come_out_in_the_order_of_pushing);
    tcase_add_test(tc, sleeping_is_refused_while_something_lies_there);
    suite_add_tcase(s, tc);
    tc = tcase_create("worker");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_call_runs_on_the_thread_of_its_worker);
    tcase_add_test(tc, a_call_to_all_has_run_everywhere_when_it_returns);
    tcase_add_test(tc, joining_runs_what_was_asked_before);
    tcase_add_test(tc, a_late_bell_is_quieted);
    tcase_add_test(tc, credit_goes_up_with_what_is_sent_and_comes_home);
    tcase_add_test(tc, joining_ends_batches_that_make_batches);
    tcase_add_test(tc, what_comes_while_paused_is_kept_in_order);
    tcase_add_test(tc, what_lies_in_the_inbox_goes_before_what_was_read);
    tcase_add_test(tc, a_worker_rests_when_who_went_on_has_left);
    tcase_add_test(tc, newcomers_wait_in_their_order_and_others_do_not);
    tcase_add_test(tc, who_yields_goes_on_after_the_others);
    tcase_add_test(tc, an_answer_does_not_wait_for_what_one_has_for_many);
    tcase_add_loop_test(tc, who_adds_much_to_what_waits_is_not_read_until_it_is_written, 0, 2);
    tcase_add_test(tc, a_batch_goes_home_when_what_it_had_for_many_is_written);
    tcase_add_test(tc, those_who_wait_to_be_written_may_leave);
    tcase_add_test(tc, a_batch_goes_home_when_those_it_was_for_have_left);
    tcase_add_test(tc, a_publisher_is_read_when_those_it_had_something_for_have_left);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
