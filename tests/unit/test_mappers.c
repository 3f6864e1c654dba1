/* test_mappers.c: sets of auth mappers, open questions, and answers from wherever. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/mapper_user.h"
#include "auth/mappers.h"
#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "plugin/host.h"

/* ---- the log is looked at, not written -------------------------------------------------------- */

static pthread_mutex_t log_mu = PTHREAD_MUTEX_INITIALIZER;
static struct nj_buf logged = { .limit = 1024 * 1024 }; /* under log_mu */

bool nj_log_on(enum nj_log_level level)
{
    return level >= NJ_LVL_INF;
}

void nj_log(enum nj_log_level level, const char *fmt, ...)
{
    va_list ap;
    (void) level;
    va_start(ap, fmt);
    (void) pthread_mutex_lock(&log_mu);
    (void) nj_buf_vprintf(&logged, fmt, ap);
    (void) nj_buf_putc(&logged, '\n');
    (void) pthread_mutex_unlock(&log_mu);
    va_end(ap);
}

static int times_logged(const char *part)
{
    int n = 0;
    for (const char *at = logged.ptr; at != NULL && (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

/* ---- a mapper that the test answers for ------------------------------------------------------- */

static const struct nj_authmap_host *host;
static uint64_t asked[64]; /* handles */
static int asked_n;
static int cancelled_n;
static int instances;
static int at_once; /* answer inside decide() */
static int decide_rc;

static void say(uint64_t handle, uint32_t verdict, const char *user)
{
    const struct nj_authmap_answer a = { .size = sizeof(a), .verdict = verdict, .user = user };
    (void) host->answer(handle, &a);
}

static int make(const struct nj_authmap_value *options, struct nj_authmap_instance **out,
                struct nj_error *err)
{
    (void) out;
    if (options == NULL) {
        return nj_error_set(err, NJ_E_FAILED, "no options");
    }
    instances++;
    return NJ_OK;
}

static void unmake(struct nj_authmap_instance *inst)
{
    (void) inst;
    instances--;
}

static int decide(struct nj_authmap_instance *inst, const struct nj_authmap_facts *facts,
                  uint64_t handle, struct nj_error *err)
{
    (void) inst;
    (void) facts;
    asked[asked_n++ % 64] = handle;
    if (at_once) {
        say(handle, NJ_AUTHMAP_ALLOW_OWN, "now");
    }
    return decide_rc < 0 ? nj_error_set(err, decide_rc, "broken") : NJ_OK;
}

static void cancel(struct nj_authmap_instance *inst, uint64_t handle)
{
    (void) inst;
    (void) handle;
    cancelled_n++;
}

static const struct nj_authmap table = { .size = sizeof(table),
                                         .instance_new = make,
                                         .instance_free = unmake,
                                         .decide = decide,
                                         .cancel = cancel };
static const struct nj_authmap_value options = { .size = sizeof(options), .type = NJ_VALUE_MAP };
static const struct nj_authmap_facts facts = { .size = sizeof(facts) };

static void setup(void)
{
    host = nj_host_authmap_table(0, "fake");
    (void) nj_host_authmap_table(1, "other");
}

static struct nj_mappers *new_set(size_t n)
{
    struct nj_mapper_config configs[4];
    struct nj_mappers *set = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    for (size_t i = 0; i < n; i++) {
        configs[i] = (struct nj_mapper_config){ .name = "fake",
                                                .version = "1",
                                                .path = "/fake.so",
                                                .table = &table,
                                                .options = &options,
                                                .timeout_us = (int64_t) i };
    }
    ck_assert_int_eq(nj_mappers_new(configs, n, &set, &err), NJ_OK);
    return set;
}

/* What came for one question. */
struct got {
    _Atomic int n; /* atomic */
    uint32_t verdict;
    bool faulty;
    char user[64];
    char reason[256];
};

static void done(void *arg, struct nj_mapper_answer *a)
{
    struct got *g = arg;
    g->verdict = a->verdict;
    g->faulty = a->faulty;
    (void) snprintf(g->user, sizeof(g->user), "%s", a->user != NULL ? a->user : "");
    (void) snprintf(g->reason, sizeof(g->reason), "%s", a->reason != NULL ? a->reason : "");
    ck_assert_str_eq(a->mapper, "fake");
    nj_mapper_answer_free(&a);
    atomic_fetch_add(&g->n, 1);
}

static void drop(struct nj_mappers **set)
{
    nj_mappers_unref(set);
    nj_mappers_collect();
    ck_assert_int_eq(instances, 0);
}

/* ---- sets ------------------------------------------------------------------------------------- */

START_TEST(a_set_has_an_instance_for_each_entry_and_gives_them_back)
{
    struct nj_mappers *set = new_set(3);
    ck_assert_uint_eq(nj_mappers_count(set), 3);
    ck_assert_uint_eq(nj_mappers_count(NULL), 0);
    ck_assert_int_eq(nj_mappers_timeout_us(set, 2), 2);
    ck_assert_int_eq(instances, 3);

    drop(&set);
    ck_assert_ptr_null(set);
}
END_TEST

START_TEST(an_instance_that_cannot_be_made_frees_those_before)
{
    struct nj_mapper_config configs[2] = {
        { .name = "fake", .table = &table, .options = &options },
        { .name = "fake", .table = &table, .options = NULL },
    };
    struct nj_mappers *set = NULL;
    struct nj_error err = NJ_ERROR_INIT;

    ck_assert_int_eq(nj_mappers_new(configs, 2, &set, &err), NJ_E_FAILED);

    ck_assert_str_eq(err.text, "auth mapper \"fake\": no instance could be made: no options");
    ck_assert_int_eq(instances, 0);
}
END_TEST

START_TEST(instances_live_as_long_as_a_question_is_open)
{
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    uint64_t handle = 0;
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);

    nj_mappers_unref(&set);
    nj_mappers_collect();
    ck_assert_int_eq(instances, 1);

    say(handle, NJ_AUTHMAP_DEFER, NULL);
    nj_mappers_collect();
    ck_assert_int_eq(g.n, 1);
    ck_assert_int_eq(instances, 0);
}
END_TEST

/* ---- answers ---------------------------------------------------------------------------------- */

START_TEST(an_answer_may_come_inside_decide_or_later)
{
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    uint64_t handle = 0;

    at_once = 1;
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);
    ck_assert_int_eq(g.n, 1);
    ck_assert_uint_eq(g.verdict, NJ_AUTHMAP_ALLOW_OWN);
    ck_assert_str_eq(g.user, "now");

    at_once = 0;
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);
    ck_assert_int_eq(g.n, 1);
    say(handle, NJ_AUTHMAP_ALLOW_CONFIGURED, "later");
    ck_assert_int_eq(g.n, 2);
    ck_assert_str_eq(g.user, "later");
    drop(&set);
}
END_TEST

START_TEST(what_comes_twice_late_or_from_nowhere_is_counted_and_said_once)
{
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    uint64_t h[3];
    uint64_t strays = nj_mappers_strays();
    for (int i = 0; i < 3; i++) {
        nj_mappers_ask(set, 0, &facts, done, &g, &h[i]);
    }

    for (int i = 0; i < 3; i++) {
        say(h[0], NJ_AUTHMAP_DEFER, NULL);
    }
    ck_assert(nj_mappers_cancel(h[1], NJ_MAPPER_PEER_LEFT));
    ck_assert(nj_mappers_cancel(h[2], NJ_MAPPER_TIMED_OUT));
    for (int i = 0; i < 2; i++) {
        say(h[1], NJ_AUTHMAP_DEFER, NULL);
        say(h[2], NJ_AUTHMAP_DEFER, NULL);
        say(0, NJ_AUTHMAP_DEFER, NULL);
        say(UINT64_MAX, NJ_AUTHMAP_DEFER, NULL);
    }

    ck_assert_int_eq(g.n, 1);
    ck_assert_int_eq(cancelled_n, 2);
    ck_assert_uint_eq(nj_mappers_strays() - strays, 10);
    ck_assert_int_eq(times_logged("answered a question twice; the first answer counts"), 1);
    ck_assert_int_eq(times_logged("answered after the peer had left"), 1);
    ck_assert_int_eq(times_logged("answered after its time was up"), 1);
    ck_assert_int_eq(times_logged("answered a question that it was not asked"), 1);
    drop(&set);
}
END_TEST

START_TEST(nobody_answers_for_another_plugin)
{
    const struct nj_authmap_host *other = nj_host_authmap_table(1, "other");
    const struct nj_authmap_answer a = { .size = sizeof(a),
                                         .verdict = NJ_AUTHMAP_ALLOW_OWN,
                                         .user = "root" };
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    uint64_t handle = 0;
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);

    ck_assert_int_eq(other->answer(handle, &a), NJ_E_NOT_FOUND);
    ck_assert_int_eq(g.n, 0);

    ck_assert_int_eq(host->answer(handle, &a), NJ_OK);
    ck_assert_int_eq(g.n, 1);
    drop(&set);
}
END_TEST

START_TEST(a_handle_is_never_given_twice)
{
    enum { N = 3000 };
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    static uint64_t all[N];
    for (int i = 0; i < N; i++) {
        nj_mappers_ask(set, 0, &facts, done, &g, &all[i]);
        if (i % 3 != 0) {
            say(all[i], NJ_AUTHMAP_DEFER, NULL);
        }
    }
    for (int i = 0; i < N; i++) {
        ck_assert_uint_ne(all[i], 0);
        for (int k = 0; k < i; k++) {
            ck_assert_uint_ne(all[i], all[k]);
        }
    }
    for (int i = 0; i < N; i += 3) {
        ck_assert(nj_mappers_cancel(all[i], NJ_MAPPER_PEER_LEFT));
        ck_assert(!nj_mappers_cancel(all[i], NJ_MAPPER_PEER_LEFT));
    }
    drop(&set);
}
END_TEST

START_TEST(a_mapper_that_fails_is_a_refusal)
{
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    uint64_t handle = 0;

    decide_rc = NJ_E_IO;
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);
    ck_assert_int_eq(g.n, 1);
    ck_assert_uint_eq(g.verdict, NJ_AUTHMAP_DENY);
    ck_assert(g.faulty);
    ck_assert_str_eq(g.reason, "broken");

    at_once = 1; /* it had answered before it failed: that counts */
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);
    ck_assert_int_eq(g.n, 2);
    ck_assert_uint_eq(g.verdict, NJ_AUTHMAP_ALLOW_OWN);
    drop(&set);
}
END_TEST

static const char *const one_null[] = { "a", NULL };

static const struct {
    struct nj_authmap_answer answer;
    const char *reason; /* NULL: it is sound */
} answers[] = {
    { { .size = sizeof(struct nj_authmap_answer), .verdict = NJ_AUTHMAP_DENY }, NULL },
    { { .size = sizeof(struct nj_authmap_answer), .verdict = 0 }, "no verdict" },
    { { .size = sizeof(struct nj_authmap_answer), .verdict = 5 }, "no verdict" },
    { { .size = 4, .verdict = NJ_AUTHMAP_DEFER }, "cut short" },
    { { .size = 8, .verdict = NJ_AUTHMAP_DEFER }, NULL },
    { { .size = 8, .verdict = NJ_AUTHMAP_ALLOW_OWN, .user = "a" }, "without a name" },
    { { .size = 16, .verdict = NJ_AUTHMAP_ALLOW_OWN, .user = "a" }, NULL },
    { { .size = sizeof(struct nj_authmap_answer),
        .verdict = NJ_AUTHMAP_ALLOW_CONFIGURED,
        .user = "" },
      "without a name" },
    { { .size = sizeof(struct nj_authmap_answer),
        .verdict = NJ_AUTHMAP_ALLOW_OWN,
        .user = "a",
        .tags = one_null,
        .tags_n = 2 },
      "an entry that is not there" },
    { { .size = sizeof(struct nj_authmap_answer),
        .verdict = NJ_AUTHMAP_ALLOW_OWN,
        .user = "a",
        .tags_n = 2 },
      "a list without entries" },
    { { .size = sizeof(struct nj_authmap_answer),
        .verdict = NJ_AUTHMAP_ALLOW_OWN,
        .user = "a",
        .tags = one_null,
        .tags_n = 1u << 20 },
      "too many" },
};

START_TEST(an_answer_that_cannot_be_understood_is_a_refusal)
{
    struct nj_mappers *set = new_set(1);
    struct got g = { 0 };
    uint64_t handle = 0;
    nj_mappers_ask(set, 0, &facts, done, &g, &handle);

    int rc = host->answer(handle, &answers[_i].answer);

    ck_assert_int_eq(g.n, 1);
    if (answers[_i].reason == NULL) {
        ck_assert_int_eq(rc, NJ_OK);
        ck_assert(!g.faulty);
    } else {
        ck_assert_int_eq(rc, NJ_E_INVALID);
        ck_assert_uint_eq(g.verdict, NJ_AUTHMAP_DENY);
        ck_assert(g.faulty);
        ck_assert_msg(strstr(g.reason, answers[_i].reason) != NULL, "%s", g.reason);
    }
    drop(&set);
}
END_TEST

/* ---- threads ---------------------------------------------------------------------------------- */

struct race {
    _Atomic uint64_t handle; /* atomic; 0: wait, UINT64_MAX: end */
};

static void *answer_in_a_race(void *arg)
{
    struct race *r = arg;
    for (;;) {
        uint64_t h = atomic_load(&r->handle);
        if (h == UINT64_MAX) {
            return NULL;
        }
        if (h != 0) {
            say(h, NJ_AUTHMAP_DEFER, NULL);
            atomic_store(&r->handle, 0);
        }
        (void) sched_yield();
    }
}

START_TEST(of_an_answer_and_a_cancelling_one_wins)
{
    struct nj_mappers *set = new_set(1);
    struct race r = { 0 };
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, answer_in_a_race, &r), 0);
    for (int i = 0; i < 2000; i++) {
        struct got g = { 0 };
        uint64_t handle = 0;
        nj_mappers_ask(set, 0, &facts, done, &g, &handle);

        atomic_store(&r.handle, handle);
        bool was_open = nj_mappers_cancel(handle, NJ_MAPPER_PEER_LEFT);
        while (atomic_load(&r.handle) != 0) {
            (void) sched_yield();
        }

        ck_assert_int_eq(atomic_load(&g.n), was_open ? 0 : 1);
    }
    atomic_store(&r.handle, UINT64_MAX);
    (void) pthread_join(t, NULL);
    drop(&set);
}
END_TEST

/* ---- users ------------------------------------------------------------------------------------ */

static struct nj_auth *table_of(struct nj_user *a, struct nj_user *b)
{
    struct nj_user *users[] = { a, b };
    const struct nj_auth_config config = { .users = users, .users_n = 2 };
    return nj_auth_build(&config);
}

START_TEST(an_answer_names_a_user_of_the_configuration)
{
    struct nj_mapper_answer a = { .verdict = NJ_AUTHMAP_ALLOW_CONFIGURED };
    struct nj_user *anna = nj_user_new("anna", NULL, "x", NULL);
    struct nj_user *ws = nj_user_new("ws", NULL, "x", NULL);
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_user *got = NULL;
    ws->types = NJ_TYPE_WEBSOCKET;
    struct nj_auth *auth = table_of(anna, ws);

    a.user = (char *) (uintptr_t) "anna";
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_OK);
    ck_assert_ptr_eq(got, anna);
    nj_user_unref(&got);

    a.user = (char *) (uintptr_t) "ws";
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_E_DENIED);
    a.user = (char *) (uintptr_t) "nobody";
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_E_NOT_FOUND);
    ck_assert_str_eq(err.text, "the configuration has no user \"nobody\"");

    nj_user_unref(&anna);
    nj_user_unref(&ws);
    nj_auth_unref(&auth);
}
END_TEST

static bool may_publish(const struct nj_user *u, const char *subject)
{
    return u->perms == NULL || nj_perms_may_publish(u->perms, subject, strlen(subject));
}

START_TEST(an_answer_makes_a_user_of_its_own)
{
    char *subjects[] = { (char *) (uintptr_t) "a.*" };
    struct nj_mapper_answer a = { .verdict = NJ_AUTHMAP_ALLOW_OWN,
                                  .user = (char *) (uintptr_t) "own" };
    struct nj_auth *auth = nj_auth_new(NULL, NULL, NULL);
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_user *got = NULL;

    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_OK);
    ck_assert_str_eq(got->name, "own");
    ck_assert_uint_ne(got->flags & NJ_USER_MADE, 0);
    ck_assert(may_publish(got, "x"));
    nj_user_unref(&got);

    a.has_permissions = true;
    a.pub_allow = (struct nj_mapper_list){ subjects, 1, true };
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_OK);
    ck_assert(may_publish(got, "a.b"));
    ck_assert(!may_publish(got, "x"));
    nj_user_unref(&got);

    a.pub_allow = (struct nj_mapper_list){ NULL, 0, true }; /* a list, and nothing in it */
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_OK);
    ck_assert(!may_publish(got, "a.b"));
    nj_user_unref(&got);

    subjects[0] = (char *) (uintptr_t) "a..b";
    a.pub_allow = (struct nj_mapper_list){ subjects, 1, true };
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_E_INVALID);

    a.has_permissions = false;
    a.account = (char *) (uintptr_t) "A";
    ck_assert_int_eq(nj_mapper_user(&a, auth, NJ_TYPE_STANDARD, &got, &err), NJ_E_NOT_FOUND);
    ck_assert_str_eq(err.text, "there is no account \"A\"");
    nj_auth_unref(&auth);
}
END_TEST

static Suite *mappers_suite(void)
{
    Suite *s = suite_create("mappers");
    TCase *tc = tcase_create("mappers");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_set_has_an_instance_for_each_entry_and_gives_them_back);
    tcase_add_test(tc, an_instance_that_cannot_be_made_frees_those_before);
    tcase_add_test(tc, instances_live_as_long_as_a_question_is_open);
    tcase_add_test(tc, an_answer_may_come_inside_decide_or_later);
    tcase_add_test(tc, what_comes_twice_late_or_from_nowhere_is_counted_and_said_once);
    tcase_add_test(tc, nobody_answers_for_another_plugin);
    tcase_add_test(tc, a_handle_is_never_given_twice);
    tcase_add_test(tc, a_mapper_that_fails_is_a_refusal);
    tcase_add_loop_test(tc, an_answer_that_cannot_be_understood_is_a_refusal, 0,
                        (int) (sizeof(answers) / sizeof(answers[0])));
    tcase_add_test(tc, of_an_answer_and_a_cancelling_one_wins);
    tcase_add_test(tc, an_answer_names_a_user_of_the_configuration);
    tcase_add_test(tc, an_answer_makes_a_user_of_its_own);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(mappers_suite());
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
