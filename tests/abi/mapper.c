/* mapper.c: what every auth mapper must keep, whatever it decides. */
#include "tests/abi/mapper.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/abi/suites.h"

#define ANSWER_MS 5000 /* a mapper that asks somebody else should have heard by then */
#define THREADS 4
#define ROUNDS 50
#define INSTANCES 50

/* ---- the table -------------------------------------------------------------------------------- */

START_TEST(mapper_says_who_it_is)
{
    const struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    const char *name = m->plugin->name;

    ck_assert_uint_gt(strlen(name), 0);
    ck_assert_msg(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name),
                  "its name \"%s\" has more than a-z, 0-9, _ and -", name);
    ck_assert_uint_le(m->map->size, 65536);
    if (m->map->about != NULL) {
        ck_assert_msg(strchr(m->map->about, '\n') == NULL, "about has more than one line");
    }
}
END_TEST

START_TEST(mapper_starts_and_ends)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];

    nj_kit_mapper_start(m);
    nj_kit_mapper_fini(m);
}
END_TEST

/* ---- options ---------------------------------------------------------------------------------- */

/* Good or refused with words and a place; good ones make an instance or say why not. */
static void assert_judged(struct nj_kit_mapper *m, const struct nj_authmap_value *options,
                          const char *what)
{
    struct nj_kit_report report;
    struct nj_authmap_instance *inst = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_kit_mapper_check(m, options, &report);
    ck_assert_msg(report.placeless == 0,
                  "%s: an error without a place, without words, or with "
                  "more than one line: \"%s\"",
                  what, report.text);
    ck_assert_msg(rc != NJ_OK || report.errors == 0, "%s: check() reports \"%s\" and returns NJ_OK",
                  what, report.text);
    ck_assert_msg(rc == NJ_OK || report.errors > 0, "%s: check() fails with %d and reports nothing",
                  what, rc);
    if (rc != NJ_OK) {
        return;
    }
    rc = m->map->instance_new(options, &inst, &err);
    ck_assert_msg(rc == NJ_OK || err.text[0] != '\0',
                  "%s: instance_new() fails with %d and says "
                  "nothing",
                  what, rc);
    if (rc == NJ_OK) {
        m->map->instance_free(inst);
    }
}

static const char *const strange[] = {
    "{}",
    "{\"no such option\": 1}",
    "{\"a\": [], \"b\": {}, \"c\": \"\", \"d\": true, \"e\": 1.5}",
    "{\"a\": [[[[[[[[[[{\"x\": []}]]]]]]]]]]}",
    "{\"\": {\"\": {\"\": \"%s%n$1\"}}}",
};

START_TEST(mapper_judges_strange_options_with_a_place)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_error err = NJ_ERROR_INIT;
    nj_kit_mapper_start(m);

    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        struct nj_authmap_value *v = nj_kit_json("strange", strange[i], &err);
        ck_assert_msg(v != NULL, "%s", err.text);
        assert_judged(m, v, strange[i]);
    }
}
END_TEST

/* Each value of the options in turn becomes something else. */
static void judge_with_changes(struct nj_kit_mapper *m, struct nj_authmap_value *v)
{
    static const struct nj_authmap_value others[] = {
        { .type = NJ_VALUE_INT, .integer = INT64_MIN },
        { .type = NJ_VALUE_STRING, .text = "" },
        { .type = NJ_VALUE_BOOL, .integer = 1 },
        { .type = NJ_VALUE_LIST },
        { .type = NJ_VALUE_MAP },
        { .type = NJ_VALUE_FLOAT, .real = 1e300 },
        { .type = NJ_VALUE_STRING, .text = "$1*\\", .text_len = 4 },
        { .type = NJ_VALUE_STRING, .text = "a\0b", .text_len = 3 },
    };
    const struct nj_authmap_value was = *v;
    char what[160];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void) snprintf(what, sizeof(what), "options with another value at %s:%u:%u (kind %u)",
                        was.file != NULL ? was.file : "?", was.line, was.col, others[i].type);
        *v = others[i];
        v->size = was.size;
        v->file = was.file;
        v->line = was.line;
        v->col = was.col;
        v->key = was.key;
        assert_judged(m, nj_kit_mapper_options, what);
        *v = was;
    }
    for (size_t i = 0; i < was.items_n; i++) {
        judge_with_changes(m, (struct nj_authmap_value *) (uintptr_t) was.items[i]);
    }
}

START_TEST(mapper_judges_every_change_of_its_options)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    nj_kit_mapper_start(m);

    for (size_t i = 0; i < nj_kit_mapper_options->items_n; i++) {
        judge_with_changes(m,
                           (struct nj_authmap_value *) (uintptr_t) nj_kit_mapper_options->items[i]);
    }
}
END_TEST

/* ---- answers ---------------------------------------------------------------------------------- */

static void assert_answered(struct nj_kit_question *q, const char *what)
{
    if (q->rc < 0) {
        return; /* it failed and said so: the server refuses the peer */
    }
    ck_assert_msg(nj_kit_wait(q, ANSWER_MS), "%s: no answer within %d ms", what, ANSWER_MS);
    ck_assert_msg(q->wrong[0] == '\0', "%s: %s", what, q->wrong);
}

START_TEST(mapper_answers_once_about_every_peer)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *inst = nj_kit_instance(m);
    const struct nj_authmap_facts *facts;
    const char *what = NULL;

    for (size_t i = 0; (facts = nj_kit_peer(i, &what)) != NULL; i++) {
        struct nj_kit_question q;
        nj_kit_ask(m, inst, facts, &q);
        assert_answered(&q, what);
        nj_kit_forget(&q);
    }

    m->map->instance_free(inst);
    ck_assert_msg(nj_kit_strays() == 0, "%d answers to questions that were answered or never asked",
                  nj_kit_strays());
}
END_TEST

static uint32_t verdict_on(const struct nj_kit_mapper *m, struct nj_authmap_instance *inst,
                           const struct nj_authmap_facts *facts)
{
    struct nj_kit_question q;
    nj_kit_ask(m, inst, facts, &q);
    uint32_t verdict = q.rc >= 0 && nj_kit_wait(&q, ANSWER_MS) ? q.verdict : NJ_AUTHMAP_DENY;
    (void) nj_kit_cancel(m, inst, &q);
    nj_kit_forget(&q);
    return verdict;
}

START_TEST(mapper_lets_nobody_in_by_names_that_nobody_checked)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *inst = nj_kit_instance(m);

    uint32_t unchecked = verdict_on(m, inst, nj_kit_peer_named(0, 1));
    uint32_t nameless = verdict_on(m, inst, nj_kit_peer_named(0, 0));

    ck_assert_msg(unchecked < NJ_AUTHMAP_ALLOW_CONFIGURED ||
                      nameless >= NJ_AUTHMAP_ALLOW_CONFIGURED,
                  "it lets in with a certificate that was not verified, and not without one");
    m->map->instance_free(inst);
}
END_TEST

START_TEST(mapper_logs_no_secret)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *inst = nj_kit_instance(m);
    const char *what = NULL;

    (void) verdict_on(m, inst, nj_kit_peer(1, &what));

    ck_assert_msg(!nj_kit_log_has(NJ_KIT_SECRET), "a password, token or JWT is in the log");
    m->map->instance_free(inst);
}
END_TEST

START_TEST(mapper_does_not_keep_the_worker)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *inst = nj_kit_instance(m);
    const char *what = NULL;
    int64_t best_us = INT64_MAX;

    for (int n = 0; n < 3; n++) { /* the machine may be busy */
        struct nj_kit_question q;
        nj_kit_ask(m, inst, nj_kit_peer(2, &what), &q);
        best_us = q.took_us < best_us ? q.took_us : best_us;
        (void) nj_kit_cancel(m, inst, &q);
        nj_kit_forget(&q);
    }

    m->map->instance_free(inst);
    ck_assert_msg(best_us < NJ_AUTHMAP_SLOW_MS * 1000, "decide() takes %ld ms, more than %d",
                  (long) (best_us / 1000), NJ_AUTHMAP_SLOW_MS);
}
END_TEST

/* ---- leaving, threads, instances --------------------------------------------------------------- */

START_TEST(mapper_survives_peers_that_leave)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *inst = nj_kit_instance(m);
    struct nj_kit_question qs[100];
    const char *what = NULL;

    for (size_t i = 0; i < 100; i++) {
        nj_kit_ask(m, inst, nj_kit_peer(2, &what), &qs[i]);
        (void) nj_kit_cancel(m, inst, &qs[i]);
    }

    m->map->instance_free(inst);
    for (size_t i = 0; i < 100; i++) {
        nj_kit_forget(&qs[i]);
    }
}
END_TEST

struct asker {
    const struct nj_kit_mapper *m;
    struct nj_authmap_instance *inst;
    const struct nj_authmap_facts *facts;
    int unanswered;
};

static void *ask_often(void *arg)
{
    struct asker *a = arg;
    for (int n = 0; n < ROUNDS; n++) {
        struct nj_kit_question q;
        nj_kit_ask(a->m, a->inst, a->facts, &q);
        if (n % 5 == 4) {
            (void) nj_kit_cancel(a->m, a->inst, &q);
        } else if (q.rc >= 0 && !nj_kit_wait(&q, ANSWER_MS)) {
            a->unanswered++;
        }
        nj_kit_forget(&q);
    }
    return NULL;
}

START_TEST(mapper_is_asked_by_many_threads_at_once)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *inst = nj_kit_instance(m);
    struct asker askers[THREADS];
    pthread_t threads[THREADS];
    const struct nj_authmap_facts *facts = nj_kit_peer_named(1, 1);

    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){ .m = m, .inst = inst, .facts = facts };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void) pthread_join(threads[i], NULL);
        ck_assert_int_eq(askers[i].unanswered, 0);
    }

    m->map->instance_free(inst);
}
END_TEST

START_TEST(mapper_has_many_instances_and_gives_all_back)
{
    struct nj_kit_mapper *m = &nj_kit_mappers[_i];
    struct nj_authmap_instance *insts[INSTANCES];
    const char *what = NULL;
    nj_kit_mapper_start(m);
    m->map->instance_free(nj_kit_instance(m)); /* what is made once may stay */
    long before = nj_kit_host_live();

    for (size_t i = 0; i < INSTANCES; i++) {
        struct nj_kit_question q;
        insts[i] = nj_kit_instance(m);
        nj_kit_ask(m, insts[i], nj_kit_peer(i % 2 + 1, &what), &q);
        assert_answered(&q, what);
        nj_kit_forget(&q);
    }
    for (size_t i = 0; i < INSTANCES; i++) { /* not in the order of their making */
        m->map->instance_free(insts[(i * 7) % INSTANCES]);
    }

    ck_assert_msg(nj_kit_host_live() == before, "%ld pieces of memory were not given back",
                  nj_kit_host_live() - before);
}
END_TEST

void nj_kit_mapper_tests(void)
{
    nj_kit_add("mapper", mapper_says_who_it_is, NJ_KIT_MAPPER);
    nj_kit_add("mapper", mapper_starts_and_ends, NJ_KIT_MAPPER);
    nj_kit_add("mapper", mapper_judges_strange_options_with_a_place, NJ_KIT_MAPPER);
    nj_kit_add("mapper", mapper_judges_every_change_of_its_options, NJ_KIT_MAPPER);
    nj_kit_add("mapper", mapper_answers_once_about_every_peer, NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
    nj_kit_add("mapper", mapper_lets_nobody_in_by_names_that_nobody_checked,
               NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
    nj_kit_add("mapper", mapper_logs_no_secret, NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
    nj_kit_add("mapper", mapper_does_not_keep_the_worker, NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
    nj_kit_add("mapper", mapper_survives_peers_that_leave, NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
    nj_kit_add("mapper", mapper_is_asked_by_many_threads_at_once, NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
    nj_kit_add("mapper", mapper_has_many_instances_and_gives_all_back,
               NJ_KIT_MAPPER | NJ_KIT_OPTIONS);
}
