/* test_signal_cmd.c: --signal, against children of the test that bear a name of their own. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "natterjack/plugin.h"
#include "ops/signal_cmd.h"

#define CHILDREN_MAX 4

static pid_t children[CHILDREN_MAX];
static size_t children_n;
static char name[16]; /* no server of this machine has it */
static struct nj_error err;

static void setup(void)
{
    children_n = 0;
    err = (struct nj_error) NJ_ERROR_INIT;
    (void) snprintf(name, sizeof(name), "njt%d", (int) getpid() % 100000);
}

static void teardown(void)
{
    for (size_t i = 0; i < children_n; i++) {
        (void) kill(children[i], SIGKILL);
        (void) waitpid(children[i], NULL, 0);
    }
}

/*
 * A process named `name` that runs a file other than ours: cat reads a pipe that never ends.
 * Returns when it runs under that name.
 */
static pid_t start_named(void)
{
    int hold[2], ran[2];
    char byte;
    char link_dir[] = "/tmp/nj-sig-XXXXXX";
    char link[64];
    ck_assert_int_eq(pipe(hold), 0);
    ck_assert_int_eq(pipe2(ran, O_CLOEXEC), 0);
    ck_assert_ptr_nonnull(mkdtemp(link_dir));
    (void) snprintf(link, sizeof(link), "%s/%s", link_dir, name);
    ck_assert_int_eq(symlink("/bin/cat", link), 0);

    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void) dup2(hold[0], STDIN_FILENO); /* we hold the writing end too: it never ends */
        (void) execl(link, name, (char *) NULL);
        _exit(write(ran[1], "", 1) == 1 ? 127 : 126);
    }
    children[children_n++] = pid;
    (void) close(hold[0]);
    (void) close(ran[1]);
    ck_assert_int_eq((int) read(ran[0], &byte, 1), 0); /* closed by execl: the name is set */
    (void) close(ran[0]);
    (void) unlink(link);
    (void) rmdir(link_dir);
    return pid;
}

static void assert_ended_by(pid_t pid, int signum)
{
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    for (size_t i = 0; i < children_n; i++) {
        if (children[i] == pid) {
            children[i] = children[--children_n];
        }
    }
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), signum);
}

static bool runs(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void assert_refused(const char *command, const char *text)
{
    ck_assert_msg(nj_signal_command(name, command, &err) < 0, "%s was taken", command);
    ck_assert_str_eq(err.text, text);
}

START_TEST(words_stand_for_signals)
{
    ck_assert_int_eq(nj_signal_number("stop"), SIGKILL);
    ck_assert_int_eq(nj_signal_number("quit"), SIGINT);
    ck_assert_int_eq(nj_signal_number("term"), SIGTERM);
    ck_assert_int_eq(nj_signal_number("reopen"), SIGUSR1);
    ck_assert_int_eq(nj_signal_number("ldm"), SIGUSR2);
    ck_assert_int_eq(nj_signal_number("reload"), SIGHUP);
    ck_assert_int_eq(nj_signal_number("QUIT"), 0);
}
END_TEST

START_TEST(wrong_commands_are_refused_in_the_words_of_the_reference)
{
    char want[64];
    assert_refused("quit=abc", "invalid pid: abc");
    assert_refused("bad=abc", "invalid pid: abc");
    assert_refused("bad=1", "unknown signal \"bad\"");
    assert_refused("=1", "unknown signal \"\"");
    assert_refused("quit=1=2", "invalid signal parameters: [2]");
    assert_refused("quit=1=2=3", "invalid signal parameters: [2 3]");
    assert_refused("quit=1=", "invalid signal parameters: []");
    assert_refused("quit=999999999", "\nsignal \"quit\" 999999999: no such process");
    (void) snprintf(want, sizeof(want), "no %s processes running", name);
    assert_refused("quit", want);
    assert_refused("bad", want);
}
END_TEST

/* kill(2) takes 0 and negative numbers for whole groups of processes, the sender among them. */
START_TEST(a_pid_that_is_not_positive_is_refused)
{
    assert_refused("term=0", "invalid pid: 0");
    assert_refused("term=-1", "invalid pid: -1");
    assert_refused("term=00", "invalid pid: 00");
    assert_refused("term=4294967297", "invalid pid: 4294967297");
}
END_TEST

START_TEST(a_pid_is_signalled)
{
    char command[32];
    pid_t pid = start_named();
    (void) snprintf(command, sizeof(command), "term=%d", (int) pid);

    ck_assert_int_eq(nj_signal_command(name, command, &err), NJ_OK);

    assert_ended_by(pid, SIGTERM);
}
END_TEST

START_TEST(the_pid_may_come_from_a_file)
{
    char file[] = "/tmp/nj-pid-XXXXXX";
    char command[64], want[64];
    pid_t pid = start_named();
    int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd, "%d", (int) pid), 0);
    (void) snprintf(command, sizeof(command), "quit=%s", file);

    ck_assert_int_eq(nj_signal_command(name, command, &err), NJ_OK);
    assert_ended_by(pid, SIGINT);

    /* digits only: a newline makes it invalid */
    ck_assert_int_gt(dprintf(fd, "\n"), 0);
    (void) snprintf(want, sizeof(want), "invalid pid: %d\n", (int) pid);
    assert_refused(command, want);
    (void) close(fd);
    (void) unlink(file);
}
END_TEST

START_TEST(without_a_pid_the_only_server_is_found_by_name)
{
    pid_t pid = start_named();

    ck_assert_int_eq(nj_signal_command(name, "term", &err), NJ_OK);

    assert_ended_by(pid, SIGTERM);
}
END_TEST

START_TEST(without_a_pid_two_servers_are_too_many)
{
    char want[96];
    pid_t a = start_named();
    pid_t b = start_named();
    (void) snprintf(want, sizeof(want), "multiple %s processes running:\n%d\n%d", name,
                    (int) (a < b ? a : b), (int) (a < b ? b : a));

    assert_refused("term", want);

    ck_assert(runs(a));
    ck_assert(runs(b));
}
END_TEST

START_TEST(a_star_reaches_all_servers_whose_pid_begins_so)
{
    char command[32];
    pid_t a = start_named();
    pid_t b = start_named();

    (void) snprintf(command, sizeof(command), "term=%d*", (int) a);
    ck_assert_int_eq(nj_signal_command(name, command, &err), NJ_OK);
    assert_ended_by(a, SIGTERM);
    ck_assert(runs(b));

    ck_assert_int_eq(nj_signal_command(name, "term=*", &err), NJ_OK);
    assert_ended_by(b, SIGTERM);
}
END_TEST

/* A child of ours, which runs the test's own file, under the name `comm`; is it found? */
static bool own_child_is_found(const char *comm)
{
    int hold[2], ready[2];
    char byte = 0;
    pid_t *pids = NULL;
    size_t n = 0;
    bool found = false;
    ck_assert_int_eq(pipe(hold), 0);
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void) close(hold[1]);
        (void) prctl(PR_SET_NAME, comm, 0, 0, 0);
        bool told = write(ready[1], "", 1) == 1;
        _exit(told && read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    children[children_n++] = pid;
    ck_assert_int_eq((int) read(ready[0], &byte, 1), 1);

    ck_assert_int_eq(nj_signal_find(name, &pids, &n, &err), NJ_OK);

    for (size_t i = 0; i < n; i++) {
        found = found || pids[i] == pid;
        ck_assert_int_ne(pids[i], getpid());
    }
    nj_dealloc(pids);
    (void) close(hold[0]);
    (void) close(hold[1]);
    (void) close(ready[0]);
    (void) close(ready[1]);
    return found;
}

START_TEST(our_own_file_is_found_under_both_of_its_names_and_no_other)
{
    ck_assert(own_child_is_found("natterjack"));
    ck_assert(own_child_is_found("nats-server"));
    ck_assert(own_child_is_found(name));
    ck_assert(!own_child_is_found("something-else"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("signal_cmd");
    TCase *tc = tcase_create("signal_cmd");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, words_stand_for_signals);
    tcase_add_test(tc, wrong_commands_are_refused_in_the_words_of_the_reference);
    tcase_add_test(tc, a_pid_that_is_not_positive_is_refused);
    tcase_add_test(tc, a_pid_is_signalled);
    tcase_add_test(tc, the_pid_may_come_from_a_file);
    tcase_add_test(tc, without_a_pid_the_only_server_is_found_by_name);
    tcase_add_test(tc, without_a_pid_two_servers_are_too_many);
    tcase_add_test(tc, a_star_reaches_all_servers_whose_pid_begins_so);
    tcase_add_test(tc, our_own_file_is_found_under_both_of_its_names_and_no_other);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
