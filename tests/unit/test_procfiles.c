/* test_procfiles.c: the pid file and the ports file. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "natterjack/plugin.h"
#include "ops/procfiles.h"

static char dir[64];
static char path[128];
static char text[8192];
static struct nj_ports ports;
static struct nj_error err;

static void setup(void)
{
    (void) strcpy(dir, "/tmp/nj-proc-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void) umask(022);
    ports = (struct nj_ports){ 0 };
    err = (struct nj_error) NJ_ERROR_INIT;
}

static void teardown(void)
{
    nj_ports_free(&ports);
    (void) unlink(path);
    (void) rmdir(dir);
}

static const char *content_of(const char *name)
{
    FILE *f = fopen(name, "re");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void) fclose(f);
    text[n] = '\0';
    return text;
}

static int mode_of(const char *name)
{
    struct stat st;
    ck_assert_int_eq(stat(name, &st), 0);
    return (int) (st.st_mode & 07777);
}

START_TEST(the_pid_file_holds_the_pid_without_a_newline)
{
    char want[16];
    (void) snprintf(want, sizeof(want), "%d", (int) getpid());
    (void) snprintf(path, sizeof(path), "%s/x.pid", dir);

    ck_assert_int_eq(nj_pid_file_write(path, &err), NJ_OK);

    ck_assert_str_eq(content_of(path), want);
    ck_assert_int_eq(mode_of(path), 0600);
}
END_TEST

START_TEST(an_old_pid_file_is_overwritten)
{
    (void) snprintf(path, sizeof(path), "%s/x.pid", dir);
    FILE *f = fopen(path, "we");
    (void) fputs("123456789012345678901234567890", f);
    (void) fclose(f);

    ck_assert_int_eq(nj_pid_file_write(path, &err), NJ_OK);

    ck_assert_int_eq(atoi(content_of(path)), (int) getpid());
    ck_assert_uint_lt(strlen(text), 16);
}
END_TEST

START_TEST(a_pid_file_that_cannot_be_written_says_why)
{
    ck_assert_int_eq(nj_pid_file_write("/nonexistent/x.pid", &err), NJ_E_IO);
    ck_assert_str_eq(err.text, "Could not write pidfile: open /nonexistent/x.pid: "
                               "no such file or directory");
}
END_TEST

START_TEST(the_ports_file_is_one_line_of_json_in_a_fixed_order)
{
    (void) snprintf(path, sizeof(path), "%s/nats-server_%d.ports", dir, (int) getpid());
    nj_ports_add(&ports, NJ_PORTS_CLUSTER, "nats", "127.0.0.1", 3);
    nj_ports_add(&ports, NJ_PORTS_NATS, "tls", "127.0.0.1", 1);
    nj_ports_add(&ports, NJ_PORTS_NATS, "tls", "::1", 1);
    nj_ports_add(&ports, NJ_PORTS_MONITORING, "http", "localhost", 2);

    ck_assert_int_eq(nj_ports_write(&ports, dir, "nats-server", &err), NJ_OK);

    ck_assert_str_eq(content_of(path), "{\"nats\":[\"tls://127.0.0.1:1\",\"tls://[::1]:1\"],"
                                       "\"monitoring\":[\"http://localhost:2\"],"
                                       "\"cluster\":[\"nats://127.0.0.1:3\"]}");
    ck_assert_int_eq(mode_of(path), 0644);
}
END_TEST

START_TEST(a_wildcard_host_lists_loopback_and_nothing_unspecified)
{
    static const char *const hosts[] = { "0.0.0.0", "::", "" };
    for (size_t i = 0; i < 3; i++) {
        nj_ports_free(&ports);
        nj_ports_add(&ports, NJ_PORTS_NATS, "nats", hosts[i], 7);
        int loopback = 0;
        for (size_t j = 0; j < ports.urls_n[NJ_PORTS_NATS]; j++) {
            loopback += strcmp(ports.urls[NJ_PORTS_NATS][j], "nats://127.0.0.1:7") == 0;
            ck_assert_str_ne(ports.urls[NJ_PORTS_NATS][j], "nats://0.0.0.0:7");
            ck_assert_str_ne(ports.urls[NJ_PORTS_NATS][j], "nats://[::]:7");
        }
        ck_assert_int_eq(loopback, 1);
    }
}
END_TEST

START_TEST(the_ports_file_is_removed_once)
{
    (void) snprintf(path, sizeof(path), "%s/p_%d.ports", dir, (int) getpid());
    nj_ports_add(&ports, NJ_PORTS_NATS, "nats", "127.0.0.1", 1);
    ck_assert_int_eq(nj_ports_write(&ports, dir, "p", &err), NJ_OK);

    ck_assert_int_eq(nj_ports_remove(&ports, &err), NJ_OK);

    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(nj_ports_remove(&ports, &err), NJ_OK);
}
END_TEST

START_TEST(failures_of_the_ports_file_name_it)
{
    char want[400];
    ck_assert_int_eq(nj_ports_write(&ports, "/nonexistent", "p", &err), NJ_E_IO);
    (void) snprintf(want, sizeof(want),
                    "Error writing ports file (/nonexistent/p_%d.ports): open "
                    "/nonexistent/p_%d.ports: no such file or directory",
                    (int) getpid(), (int) getpid());
    ck_assert_str_eq(err.text, want);

    (void) snprintf(path, sizeof(path), "%s/p_%d.ports", dir, (int) getpid());
    ck_assert_int_eq(nj_ports_write(&ports, dir, "p", &err), NJ_OK);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(nj_ports_remove(&ports, &err), NJ_E_IO);
    (void) snprintf(want, sizeof(want), "Error cleaning up ports file %s: ", path);
    ck_assert_int_eq(strncmp(err.text, want, strlen(want)), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("procfiles");
    TCase *tc = tcase_create("procfiles");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_pid_file_holds_the_pid_without_a_newline);
    tcase_add_test(tc, an_old_pid_file_is_overwritten);
    tcase_add_test(tc, a_pid_file_that_cannot_be_written_says_why);
    tcase_add_test(tc, the_ports_file_is_one_line_of_json_in_a_fixed_order);
    tcase_add_test(tc, a_wildcard_host_lists_loopback_and_nothing_unspecified);
    tcase_add_test(tc, the_ports_file_is_removed_once);
    tcase_add_test(tc, failures_of_the_ports_file_name_it);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
