/* test_index.c: what is inserted is matched, what is removed is not, whoever reads meanwhile. */
#include <check.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "broker.h"
#include "broker/account.h"
#include "broker/index.h"
#include "broker/match_cache.h"
#include "broker/subject.h"
#include "subjects.h"

/* ---- helpers --------------------------------------------------------------------------------------- */

static struct nj_index *ix;
static struct nj_matcher *matcher;

static void setup(void)
{
    rcu_setup();
    ix = nj_index_new();
    matcher = nj_matcher_new();
}

static void teardown(void)
{
    ck_assert_uint_eq(nj_index_count(ix), 0);
    nj_matcher_free(&matcher);
    nj_index_free(&ix);
    rcu_teardown();
}

static const struct nj_match *match(const char *subject)
{
    return nj_index_match(ix, matcher, subject, strlen(subject));
}

static struct nj_sub *add(const char *subject, const char *queue, const char *sid)
{
    struct nj_sub *s = make_sub(subject, queue, sid);
    nj_index_insert(ix, s);
    return s;
}

static void drop(struct nj_sub *s)
{
    nj_index_remove(ix, s);
    nj_sub_retire(s);
}

/* How often s is among the n subscriptions at `at`. */
static unsigned times(struct nj_sub *const *at, uint32_t n, const struct nj_sub *s)
{
    unsigned found = 0;
    for (uint32_t i = 0; i < n; i++) {
        found += at[i] == s;
    }
    return found;
}

/* The members of one queue name; NULL when the name is not in the match. */
static const struct nj_match_group *group(const struct nj_match *m, const char *queue)
{
    const struct nj_match_group *found = NULL;
    for (uint32_t i = 0; i < m->groups_n; i++) {
        ck_assert_uint_gt(m->groups[i].n, 0);
        if (strcmp(nj_sub_queue(m->subs[m->groups[i].start]), queue) == 0) {
            ck_assert_msg(found == NULL, "queue %s is there twice", queue);
            found = &m->groups[i];
        }
    }
    return found;
}

static void check_shape(const struct nj_match *m)
{
    uint32_t at = m->plain_n;
    for (uint32_t i = 0; i < m->plain_n; i++) {
        ck_assert_uint_eq(m->subs[i]->queue_len, 0);
    }
    for (uint32_t i = 0; i < m->groups_n; i++) {
        ck_assert_uint_eq(m->groups[i].start, at);
        for (uint32_t j = 0; j < m->groups[i].n; j++) {
            ck_assert_str_eq(nj_sub_queue(m->subs[at + j]), nj_sub_queue(m->subs[at]));
        }
        at += m->groups[i].n;
    }
    ck_assert_uint_eq(at, m->total_n);
}

/* ---- the corpus ---------------------------------------------------------------------------------------- */

struct corpus_run {
    struct nj_account *account;
    struct nj_match_cache *on, *off;
};

static void corpus_row(const struct subject_row *r, void *arg)
{
    struct corpus_run *run = arg;
    if (!r->valid) {
        return;
    }
    struct nj_sub *s = make_sub(r->pattern, NULL, "1");
    for (int i = 0; i < 2; i++) {
        nj_index_insert(run->account->index, s);
        for (int twice = 0; twice < 2; twice++) {
            uint32_t want = r->match ? 1 : 0;
            size_t len = strlen(r->subject);
            ck_assert_uint_eq(nj_match_cache_get(run->on, run->account, r->subject, len)->plain_n,
                              want);
            ck_assert_uint_eq(nj_match_cache_get(run->off, run->account, r->subject, len)->plain_n,
                              want);
        }
        nj_index_remove(run->account->index, s);
        ck_assert_uint_eq(
            nj_match_cache_get(run->on, run->account, r->subject, strlen(r->subject))->total_n, 0);
    }
    nj_sub_retire(s);
}

START_TEST(the_corpus_agrees_with_and_without_cache)
{
    struct corpus_run run = { nj_account_new("A"), nj_match_cache_new(64, 1 << 16),
                              nj_match_cache_new(0, 0) };

    each_subject_row(corpus_row, &run);

    nj_match_cache_free(&run.on);
    nj_match_cache_free(&run.off);
    nj_account_free(&run.account);
}
END_TEST

/* ---- one subscription and several ------------------------------------------------------------------------ */

START_TEST(a_subject_with_an_empty_token_matches_nothing)
{
    struct nj_sub *s = add(">", NULL, "1");
    static const char *const bad[] = { "", ".", "a.", ".a", "a..b" };

    for (size_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(match(bad[i])->total_n, 0);
    }
    ck_assert_uint_eq(match("a")->total_n, 1);

    drop(s);
}
END_TEST

START_TEST(a_lone_wildcard_in_a_subject_is_text)
{
    struct nj_sub *star = add("foo.*", NULL, "1");
    struct nj_sub *lit = add("foo.bar", NULL, "2");

    const struct nj_match *m = match("foo.*");

    ck_assert_uint_eq(m->total_n, 1);
    ck_assert_ptr_eq(m->subs[0], star);
    ck_assert_uint_eq(match("foo.>")->total_n, 1);
    ck_assert_uint_eq(match("*.bar")->total_n, 0);
    drop(star);
    drop(lit);
}
END_TEST

START_TEST(the_same_pattern_twice_is_delivered_twice)
{
    struct nj_sub *a = add("x.>", NULL, "1");
    struct nj_sub *b = add("x.>", NULL, "2");
    struct nj_sub *c = add("x.*", NULL, "3");

    const struct nj_match *m = match("x.y");

    ck_assert_uint_eq(m->plain_n, 3);
    ck_assert_uint_eq(times(m->subs, 3, a), 1);
    ck_assert_uint_eq(times(m->subs, 3, b), 1);
    ck_assert_uint_eq(times(m->subs, 3, c), 1);
    drop(a);
    drop(b);
    drop(c);
}
END_TEST

START_TEST(members_of_all_patterns_are_one_group)
{
    struct nj_sub *a = add("foo.*", "g", "1");
    struct nj_sub *b = add("foo.bar", "g", "2");
    struct nj_sub *c = add(">", "g", "3");
    struct nj_sub *d = add("foo.bar", "h", "4");
    struct nj_sub *e = add("foo.bar", NULL, "5");

    const struct nj_match *m = match("foo.bar");

    check_shape(m);
    ck_assert_uint_eq(m->plain_n, 1);
    ck_assert_uint_eq(m->groups_n, 2);
    const struct nj_match_group *g = group(m, "g");
    ck_assert_uint_eq(g->n, 3);
    ck_assert_uint_eq(times(m->subs + g->start, 3, a), 1);
    ck_assert_uint_eq(times(m->subs + g->start, 3, b), 1);
    ck_assert_uint_eq(times(m->subs + g->start, 3, c), 1);
    ck_assert_uint_eq(group(m, "h")->n, 1);
    drop(a);
    drop(b);
    m = match("foo.bar");
    ck_assert_uint_eq(group(m, "g")->n, 1);
    drop(c);
    ck_assert_ptr_null(group(match("foo.bar"), "g"));
    drop(d);
    drop(e);
}
END_TEST

START_TEST(many_names_on_several_patterns_are_each_one_group)
{
    enum { NAMES = 1000 };
    static const char *const patterns[] = { "foo.*", ">", "foo.bar" };
    static struct nj_sub *subs[3][NAMES];
    char name[16];
    for (int i = 0; i < NAMES; i++) { /* the third pattern has every other name */
        (void) snprintf(name, sizeof(name), "%x", i);
        for (int n = 0; n < 2 + i % 2; n++) {
            subs[n][i] = add(patterns[n], name, "1");
        }
    }

    const struct nj_match *m = match("foo.bar");

    ck_assert_uint_eq(m->groups_n, NAMES);
    check_shape(m);
    for (int i = 0; i < NAMES; i++) {
        (void) snprintf(name, sizeof(name), "%x", i);
        const struct nj_match_group *g = group(m, name);
        ck_assert_ptr_nonnull(g);
        ck_assert_int_eq(g->n, 2 + i % 2);
        for (int n = 0; n < 2 + i % 2; n++) {
            ck_assert_uint_eq(times(m->subs + g->start, g->n, subs[n][i]), 1);
        }
    }
    for (int i = 0; i < NAMES; i++) {
        for (int n = 0; n < 2 + i % 2; n++) {
            drop(subs[n][i]);
        }
    }
}
END_TEST

START_TEST(many_at_one_place_all_get_it_in_any_order_of_leaving)
{
    enum { N = 5000 };
    struct nj_sub **s = nj_calloc(N, sizeof(struct nj_sub *));
    uint64_t random = 77;
    for (int i = 0; i < N; i++) {
        s[i] = add("busy", i % 3 == 0 ? "q" : NULL, "1");
    }

    for (int left = N; left > 0; left--) {
        if (left % 997 == 0 || left < 20) {
            const struct nj_match *m = match("busy");
            ck_assert_uint_eq(m->total_n, (uint32_t) left);
            check_shape(m);
        }
        int i = (int) (nj_fast_random(&random) % (uint32_t) left);
        drop(s[i]);
        s[i] = s[left - 1];
    }

    ck_assert_uint_eq(match("busy")->total_n, 0);
    nj_dealloc(s);
}
END_TEST

START_TEST(many_children_come_and_go)
{
    enum { N = 5000 };
    struct nj_sub **s = nj_calloc(N, sizeof(struct nj_sub *));
    char subject[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            (void) snprintf(subject, sizeof(subject), "a.%d.c", i);
            s[i] = add(subject, NULL, "1");
        }
        for (int i = 0; i < N; i++) {
            (void) snprintf(subject, sizeof(subject), "a.%d.c", i);
            const struct nj_match *m = match(subject);
            ck_assert_uint_eq(m->total_n, 1);
            ck_assert_ptr_eq(m->subs[0], s[i]);
        }
        for (int i = 0; i < N; i++) {
            drop(s[i]);
            (void) snprintf(subject, sizeof(subject), "a.%d.c", i);
            ck_assert_uint_eq(match(subject)->total_n, 0);
            if (i + 1 < N) {
                (void) snprintf(subject, sizeof(subject), "a.%d.c", N - 1);
                ck_assert_uint_eq(match(subject)->total_n, 1);
            }
        }
        ck_assert_uint_eq(nj_index_count(ix), 0);
    }
    nj_dealloc(s);
}
END_TEST

START_TEST(a_subject_of_thousands_of_tokens_is_no_danger)
{
    enum { TOKENS = 2000 };
    char deep[2 * TOKENS];
    char stars[2 * TOKENS];
    for (int i = 0; i < TOKENS; i++) {
        deep[2 * i] = 'a';
        stars[2 * i] = '*';
        deep[2 * i + 1] = i + 1 < TOKENS ? '.' : '\0';
        stars[2 * i + 1] = deep[2 * i + 1];
    }
    struct nj_sub *a = add(deep, NULL, "1");
    struct nj_sub *b = add(stars, NULL, "2");

    ck_assert_uint_eq(match(deep)->total_n, 2);

    drop(a);
    ck_assert_uint_eq(match(deep)->total_n, 1);
    drop(b);
}
END_TEST

START_TEST(every_change_raises_the_generation)
{
    uint64_t g = nj_index_generation(ix);
    struct nj_sub *a = add("a", NULL, "1");
    ck_assert_uint_gt(nj_index_generation(ix), g);
    g = nj_index_generation(ix);
    (void) match("a");
    ck_assert_uint_eq(nj_index_generation(ix), g);

    drop(a);

    ck_assert_uint_gt(nj_index_generation(ix), g);
}
END_TEST

/* ---- against a model ------------------------------------------------------------------------------------------ */

#define MODEL_MOST 400

static void random_subject(uint64_t *random, char *out, bool pattern)
{
    static const char *const words[] = { "a", "b", "c", "aa", "*", ">" };
    uint32_t tokens = 1 + nj_fast_random(random) % 4;
    out[0] = '\0';
    for (uint32_t i = 0; i < tokens; i++) {
        uint32_t w = nj_fast_random(random) % (pattern ? 6 : 4);
        (void) strcat(out, i > 0 ? "." : "");
        (void) strcat(out, words[w]);
        if (w == 5) {
            return;
        }
    }
}

static void compare(struct nj_sub *const *live, int n, const char *subject)
{
    const struct nj_match *m = match(subject);
    uint32_t total = 0;
    check_shape(m);
    for (int i = 0; i < n; i++) {
        bool want = nj_subject_matches(nj_sub_subject(live[i]), live[i]->subject_len, subject,
                                       strlen(subject));
        ck_assert_msg(times(m->subs, m->total_n, live[i]) == (want ? 1 : 0), "%s for %s",
                      nj_sub_subject(live[i]), subject);
        total += want;
        if (want && live[i]->queue_len > 0) {
            ck_assert_ptr_nonnull(group(m, nj_sub_queue(live[i])));
        }
    }
    ck_assert_uint_eq(m->total_n, total);
}

START_TEST(random_changes_agree_with_a_list)
{
    static const char *const queues[] = { NULL, NULL, "q", "r", "longer name" };
    struct nj_sub *live[MODEL_MOST];
    int n = 0;
    uint64_t random = UINT64_C(0x1234567) + (uint64_t) _i;
    char subject[64];
    for (int step = 0; step < 4000; step++) {
        uint32_t what = nj_fast_random(&random) % 10;
        bool growing = step / 500 % 2 == 0;
        if (n < MODEL_MOST && what < (growing ? 6u : 3u)) {
            random_subject(&random, subject, true);
            live[n++] = add(subject, queues[nj_fast_random(&random) % 5], "1");
        } else if (n > 0 && what < 8) {
            uint32_t i = nj_fast_random(&random) % (uint32_t) n;
            drop(live[i]);
            live[i] = live[--n];
        } else {
            random_subject(&random, subject, false);
            compare(live, n, subject);
        }
        ck_assert_uint_eq(nj_index_count(ix), (uint64_t) n);
    }
    while (n > 0) {
        drop(live[--n]);
    }
    ck_assert_uint_eq(match("a")->total_n, 0);
}
END_TEST

/* ---- readers beside a writer ------------------------------------------------------------------------------------ */

enum { READERS = 3, CHURN = 64 };

struct shared {
    struct nj_account *account;
    struct nj_sub *always; /* never removed */
    _Atomic bool stop;
    _Atomic uint64_t turns;
};

/* A worker's turns: online, match through the cache, look at everything that came, quiescent. */
static void *reader(void *arg)
{
    struct shared *sh = arg;
    struct nj_match_cache *cache = nj_match_cache_new(16, 1 << 16);
    uint64_t random = (uint64_t) (uintptr_t) &cache | 1;
    nj_rcu_register();
    while (!atomic_load(&sh->stop)) {
        for (int i = 0; i < 50; i++) {
            char subject[32];
            int n = snprintf(subject, sizeof(subject), "c.%u.x", nj_fast_random(&random) % 8);
            const struct nj_match *m =
                nj_match_cache_get(cache, sh->account, subject, (size_t) n);
            ck_assert_uint_eq(times(m->subs, m->plain_n, sh->always), 1);
            for (uint32_t j = 0; j < m->total_n; j++) {
                const struct nj_sub *s = m->subs[j];
                ck_assert_uint_eq(s->cid, 42);
                ck_assert(nj_subject_matches(nj_sub_subject(s), s->subject_len, subject,
                                             (size_t) n));
            }
            check_shape(m);
        }
        (void) atomic_fetch_add(&sh->turns, 1);
        nj_rcu_quiescent();
    }
    nj_match_cache_free(&cache);
    nj_rcu_unregister();
    return NULL;
}

static struct nj_sub *churn_sub(struct shared *sh, uint64_t *random)
{
    static const char *const forms[] = { "c.%u.x", "c.%u.*", "c.*.x", "c.>", "*.%u.>" };
    char subject[32];
    uint32_t r = nj_fast_random(random);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void) snprintf(subject, sizeof(subject), forms[r % 5], r / 8 % 8);
#pragma GCC diagnostic pop
    struct nj_sub *s = make_sub(subject, r % 3 == 0 ? "q" : NULL, "9");
    s->cid = 42;
    nj_index_insert(sh->account->index, s);
    return s;
}

START_TEST(readers_see_whole_subscriptions_while_a_writer_churns)
{
    struct shared sh = { .account = nj_account_new("A") };
    pthread_t threads[READERS];
    struct nj_sub *subs[CHURN] = { NULL };
    uint64_t random = 4711;
    sh.always = make_sub("c.*.x", NULL, "1");
    sh.always->cid = 42;
    nj_index_insert(sh.account->index, sh.always);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, reader, &sh), 0);
    }

    for (int step = 0; step < 4000 || atomic_load(&sh.turns) < 60; step++) {
        uint32_t i = nj_fast_random(&random) % CHURN;
        if (subs[i] != NULL) {
            nj_index_remove(sh.account->index, subs[i]);
            nj_sub_retire(subs[i]);
            subs[i] = NULL;
        } else {
            subs[i] = churn_sub(&sh, &random);
        }
        nj_rcu_quiescent();
    }

    atomic_store(&sh.stop, true);
    nj_rcu_offline();
    for (int i = 0; i < READERS; i++) {
        (void) pthread_join(threads[i], NULL);
    }
    nj_rcu_online();
    for (int i = 0; i < CHURN; i++) {
        if (subs[i] != NULL) {
            nj_index_remove(sh.account->index, subs[i]);
            nj_sub_retire(subs[i]);
        }
    }
    nj_index_remove(sh.account->index, sh.always);
    nj_sub_retire(sh.always);
    ck_assert_uint_eq(nj_index_count(sh.account->index), 0);
    nj_account_free(&sh.account);
}
END_TEST

/* Publishing a generation and looking at it: what was inserted before is found. */
struct baton {
    struct nj_account *account;
    _Atomic int stage;
};

static void *follower(void *arg)
{
    struct baton *b = arg;
    struct nj_match_cache *cache = nj_match_cache_new(16, 1 << 16);
    nj_rcu_register();
    for (int i = 0; i < 300; i++) {
        while (atomic_load(&b->stage) != 2 * i + 1) {
            nj_rcu_quiescent();
            (void) sched_yield();
        }
        uint32_t want = i % 2 == 0 ? 1 : 0; /* odd rounds come after the removal */
        ck_assert_uint_eq(nj_match_cache_get(cache, b->account, "x", 1)->total_n, want);
        atomic_store(&b->stage, 2 * i + 2);
    }
    nj_match_cache_free(&cache);
    nj_rcu_unregister();
    return NULL;
}

START_TEST(what_was_changed_before_is_seen_by_the_next_match_of_any_thread)
{
    struct baton b = { .account = nj_account_new("A") };
    pthread_t thread;
    struct nj_sub *s = NULL;
    ck_assert_int_eq(pthread_create(&thread, NULL, follower, &b), 0);

    for (int i = 0; i < 300; i++) {
        if (i % 2 == 0) {
            s = make_sub("x", NULL, "1");
            nj_index_insert(b.account->index, s);
        } else {
            nj_index_remove(b.account->index, s);
            nj_sub_retire(s);
        }
        atomic_store(&b.stage, 2 * i + 1);
        while (atomic_load(&b.stage) != 2 * i + 2) {
            nj_rcu_quiescent();
            (void) sched_yield();
        }
    }

    nj_rcu_offline();
    (void) pthread_join(thread, NULL);
    nj_rcu_online();
    nj_account_free(&b.account);
}
END_TEST

/* ---- memory ----------------------------------------------------------------------------------------------------- */

START_TEST(a_hundred_thousand_subjects_fit_into_a_few_hundred_bytes_each)
{
    enum { N = 100000 };
    struct nj_sub **s = nj_calloc(N, sizeof(struct nj_sub *));
    char subject[48];
    size_t before = mallinfo2().uordblks;

    for (int i = 0; i < N; i++) {
        (void) snprintf(subject, sizeof(subject), "device.%d.state", i);
        s[i] = add(subject, NULL, "12345");
    }
    size_t each = (mallinfo2().uordblks - before) / N;
    (void) printf("index: %zu bytes for each of %d subscriptions, each on a subject of its own\n",
                  each, N);

    ck_assert_uint_lt(each, 700); /* 0 where the allocator is a sanitizer's */
    for (int i = 0; i < N; i++) {
        drop(s[i]);
    }
    nj_dealloc(s);
}
END_TEST

START_TEST(freeing_an_index_frees_its_tree)
{
    struct nj_index *other = nj_index_new();
    struct nj_sub *s[4] = { make_sub("a.b", NULL, "1"), make_sub("a.*", "q", "2"),
                            make_sub("a.>", "q", "3"), make_sub("*.*.c", NULL, "4") };
    for (int i = 0; i < 4; i++) {
        nj_index_insert(other, s[i]);
    }

    nj_index_free(&other);

    ck_assert_ptr_null(other);
    nj_index_free(&other);
    for (int i = 0; i < 4; i++) {
        nj_sub_retire(s[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("index");
    TCase *tc = tcase_create("index");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_corpus_agrees_with_and_without_cache);
    tcase_add_test(tc, a_subject_with_an_empty_token_matches_nothing);
    tcase_add_test(tc, a_lone_wildcard_in_a_subject_is_text);
    tcase_add_test(tc, the_same_pattern_twice_is_delivered_twice);
    tcase_add_test(tc, members_of_all_patterns_are_one_group);
    tcase_add_test(tc, many_names_on_several_patterns_are_each_one_group);
    tcase_add_test(tc, many_at_one_place_all_get_it_in_any_order_of_leaving);
    tcase_add_test(tc, many_children_come_and_go);
    tcase_add_test(tc, a_subject_of_thousands_of_tokens_is_no_danger);
    tcase_add_test(tc, every_change_raises_the_generation);
    tcase_add_loop_test(tc, random_changes_agree_with_a_list, 0, 8);
    tcase_add_test(tc, readers_see_whole_subscriptions_while_a_writer_churns);
    tcase_add_test(tc, what_was_changed_before_is_seen_by_the_next_match_of_any_thread);
    tcase_add_test(tc, a_hundred_thousand_subjects_fit_into_a_few_hundred_bytes_each);
    tcase_add_test(tc, freeing_an_index_frees_its_tree);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
