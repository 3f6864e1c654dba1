/*
 * test_races.c: planted races that ThreadSanitizer must find, each beside the right way of doing
 * the same, which it must pass.  They use what the delivery of messages is built of (published
 * pointers, reclamation, the inbox), so an annotation that hid such a race would fail here.
 *
 * Each runs in a process of its own: this program again, with the name as its argument.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rcu.h"
#include "io/inbox.h"
#include "natterjack/plugin.h"

#define ROUNDS 500
#define FOUND "66" /* exit status of a process in which a race was found */

struct thing {
    struct nj_rcu_head rcu;
    struct nj_item item;
    long value; /* plain: whoever touches it must be in order with everybody else */
};

static struct thing *_Atomic shown;
static struct nj_inbox inbox;
static _Atomic int stop;
static _Atomic long sum;   /* what was read goes here, so that it is read */
static _Atomic long reads; /* relaxed: it puts nothing in order */

/* ---- two threads ----------------------------------------------------------------------------- */

static void *read_what_is_shown(void *arg)
{
    (void) arg;
    nj_rcu_register();
    nj_rcu_online();
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct thing *t = atomic_load_explicit(&shown, memory_order_acquire);
        (void) atomic_fetch_add_explicit(&sum, t->value, memory_order_relaxed);
        (void) atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
        nj_rcu_quiescent();
    }
    nj_rcu_offline();
    nj_rcu_unregister();
    return NULL;
}

static void *take_from_the_inbox(void *arg)
{
    int left = ROUNDS;
    (void) arg;
    while (left > 0) {
        struct nj_item *it = nj_inbox_take(&inbox);
        while (it != NULL) {
            struct nj_item *next = it->next;
            struct thing *t = (struct thing *) (void *) ((char *) it - offsetof(struct thing, item));
            (void) atomic_fetch_add_explicit(&sum, t->value, memory_order_relaxed);
            it = next;
            left--;
        }
    }
    return NULL;
}

static struct thing *thing_new(long value)
{
    struct thing *t = nj_zalloc(sizeof(*t));
    t->value = value;
    return t;
}

static void overwrite_and_free(struct rcu_head *head)
{
    struct thing *t = nj_rcu_reclaim(head);
    t->value = -1;
    nj_dealloc(t);
}

/* ---- what is done right and wrong ------------------------------------------------------------ */

/* Until the reader has come round once more: it has seen what is shown. */
static void let_it_read(void)
{
    long before = atomic_load_explicit(&reads, memory_order_relaxed);
    while (atomic_load_explicit(&reads, memory_order_relaxed) < before + 2) {
        (void) sched_yield();
    }
}

static void exchange(memory_order order, int wait_for_readers)
{
    pthread_t reader;
    nj_rcu_start();
    nj_rcu_register();
    atomic_store(&shown, thing_new(0));
    (void) pthread_create(&reader, NULL, read_what_is_shown, NULL);
    for (long i = 1; i <= ROUNDS; i++) {
        let_it_read();
        struct thing *old = atomic_load_explicit(&shown, memory_order_relaxed);
        atomic_store_explicit(&shown, thing_new(i), order);
        if (wait_for_readers) {
            nj_rcu_defer(&old->rcu, overwrite_and_free);
        } else {
            old->value = -1; /* a reader may be in there; left allocated, to end here and alive */
        }
        nj_rcu_quiescent();
    }
    nj_rcu_offline();
    atomic_store(&stop, 1);
    (void) pthread_join(reader, NULL);
    nj_rcu_barrier();
    nj_rcu_unregister();
}

static void hand_over(int touch_afterwards)
{
    static struct thing things[ROUNDS];
    pthread_t owner;
    if (nj_inbox_init(&inbox) != NJ_OK) {
        _exit(3);
    }
    (void) pthread_create(&owner, NULL, take_from_the_inbox, NULL);
    for (long i = 0; i < ROUNDS; i++) {
        things[i].value = i;
        nj_inbox_put(&inbox, &things[i].item);
        if (touch_afterwards) {
            things[i].value++;
        }
    }
    (void) pthread_join(owner, NULL);
    nj_inbox_fini(&inbox);
}

static void run(const char *name)
{
    if (strcmp(name, "exchange") == 0) {
        exchange(memory_order_release, 1);
    } else if (strcmp(name, "no-grace") == 0) {
        exchange(memory_order_release, 0);
    } else if (strcmp(name, "no-release") == 0) {
        exchange(memory_order_relaxed, 1);
    } else if (strcmp(name, "hand-over") == 0) {
        hand_over(0);
    } else if (strcmp(name, "touched-after-hand-over") == 0) {
        hand_over(1);
    }
}

/* ---- the tests ------------------------------------------------------------------------------- */

/* Exit status of the case in a process of its own, quiet. */
static int status_of(const char *name)
{
    int st = 0;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void) dup2(null, STDERR_FILENO);
        (void) setenv("TSAN_OPTIONS", "exitcode=" FOUND ":halt_on_error=0", 1);
        (void) execl("/proc/self/exe", "test_races", name, (char *) NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &st, 0), pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

START_TEST(what_is_published_and_reclaimed_as_it_should_be_is_no_race)
{
    ck_assert_int_eq(status_of("exchange"), 0);
}
END_TEST

START_TEST(memory_that_is_reused_before_its_readers_have_left_is_found)
{
    ck_assert_int_eq(status_of("no-grace"), atoi(FOUND));
}
END_TEST

START_TEST(a_pointer_published_without_release_is_found)
{
    ck_assert_int_eq(status_of("no-release"), atoi(FOUND));
}
END_TEST

START_TEST(what_goes_through_an_inbox_is_no_race)
{
    ck_assert_int_eq(status_of("hand-over"), 0);
}
END_TEST

START_TEST(an_item_that_is_touched_after_its_hand_over_is_found)
{
    ck_assert_int_eq(status_of("touched-after-hand-over"), atoi(FOUND));
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2) {
        run(argv[1]);
        return 0;
    }
#ifndef NJ_TSAN
    (void) puts("skipped: planted races: needs a build with ThreadSanitizer");
    return 77; /* automake's SKIP */
#endif
    TCase *tc = tcase_create("races");
    tcase_add_test(tc, what_is_published_and_reclaimed_as_it_should_be_is_no_race);
    tcase_add_test(tc, memory_that_is_reused_before_its_readers_have_left_is_found);
    tcase_add_test(tc, a_pointer_published_without_release_is_found);
    tcase_add_test(tc, what_goes_through_an_inbox_is_no_race);
    tcase_add_test(tc, an_item_that_is_touched_after_its_hand_over_is_found);
    tcase_set_timeout(tc, 60);
    Suite *s = suite_create("races");
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
