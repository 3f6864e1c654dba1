/* test_log.c: the line format, the destination, the ring and its drops. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/log_ring.h"

static char dir[64];
static char path[96];

static void make_dir(void)
{
    (void) strcpy(dir, "/tmp/nj-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void) snprintf(path, sizeof(path), "%s/x.log", dir);
}

static void remove_dir(void)
{
    char old[128];
    (void) snprintf(old, sizeof(old), "%s.1", path);
    nj_log_close();
    (void) unlink(path);
    (void) unlink(old);
    (void) rmdir(dir);
}

static char *content_of(const char *name)
{
    FILE *f = fopen(name, "re");
    ck_assert_ptr_nonnull(f);
    char *text = nj_zalloc(8u << 20);
    size_t n = fread(text, 1, (8u << 20) - 1, f);
    ck_assert_uint_lt(n, (8u << 20) - 1);
    (void) fclose(f);
    return text;
}

static void open_log(struct nj_log_config config)
{
    struct nj_error err = NJ_ERROR_INIT;
    config.file = path;
    ck_assert_msg(nj_log_open(&config, &err) == NJ_OK, "%s", err.text);
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t re;
    ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int rc = regexec(&re, text, 0, NULL, 0);
    regfree(&re);
    ck_assert_msg(rc == 0, "\"%s\" does not match %s", text, pattern);
}

START_TEST(a_line_has_pid_time_level_and_text)
{
    char want[200];
    open_log((struct nj_log_config){ .logtime = true });

    nj_log_info("Starting %s", "nats-server");
    nj_log_close();

    char *text = content_of(path);
    (void) snprintf(want, sizeof(want),
                    "^\\[%d\\] [0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} "
                    "\\[INF\\] Starting nats-server\n$",
                    (int) getpid());
    assert_matches(text, want);
    nj_dealloc(text);
}
END_TEST

START_TEST(without_logtime_only_pid_and_level_come_first)
{
    char want[64];
    open_log((struct nj_log_config){ 0 });

    nj_log_warn("hello");
    nj_log_close();

    char *text = content_of(path);
    (void) snprintf(want, sizeof(want), "[%d] [WRN] hello\n", (int) getpid());
    ck_assert_str_eq(text, want);
    nj_dealloc(text);
}
END_TEST

START_TEST(utc_is_used_when_asked_for)
{
    (void) setenv("TZ", "XYZ-14", 1); /* 14 hours ahead: the hour always differs */
    char want[32], have[32];
    time_t now = time(NULL);
    struct tm tm;

    open_log((struct nj_log_config){ .logtime = true, .logtime_utc = true });
    nj_log_info("utc");
    nj_log_flush();
    open_log((struct nj_log_config){ .logtime = true });
    nj_log_info("local");
    nj_log_close();

    char *text = content_of(path);
    long hours[2];
    char *line = text;
    for (int i = 0; i < 2; i++) {
        (void) snprintf(have, sizeof(have), "%.2s", strchr(strchr(line, ' ') + 1, ' ') + 1);
        hours[i] = strtol(have, NULL, 10);
        line = strchr(line, '\n') + 1;
    }
    (void) gmtime_r(&now, &tm);
    (void) strftime(want, sizeof(want), "%H", &tm);
    long utc = strtol(want, NULL, 10);
    ck_assert(hours[0] == utc || hours[0] == (utc + 1) % 24); /* the hour may have turned */
    ck_assert(hours[1] == (hours[0] + 14) % 24 || hours[1] == (hours[0] + 15) % 24);
    nj_dealloc(text);
}
END_TEST

START_TEST(debug_and_trace_are_off_unless_configured)
{
    open_log((struct nj_log_config){ 0 });
    ck_assert(!nj_log_on(NJ_LVL_DBG));
    ck_assert(!nj_log_on(NJ_LVL_TRC));
    nj_log(NJ_LVL_DBG, "not this");
    open_log((struct nj_log_config){ .debug = true });
    ck_assert(nj_log_on(NJ_LVL_DBG));
    ck_assert(!nj_log_on(NJ_LVL_TRC));
    nj_log_debug("a debug line");
    nj_log_trace("not this either");
    open_log((struct nj_log_config){ .trace = true });
    nj_log_trace("a trace line");
    nj_log_close();

    char *text = content_of(path);
    ck_assert_ptr_nonnull(strstr(text, "[DBG] a debug line\n"));
    ck_assert_ptr_nonnull(strstr(text, "[TRC] a trace line\n"));
    ck_assert_ptr_null(strstr(text, "not this"));
    nj_dealloc(text);
}
END_TEST

START_TEST(a_text_that_ends_in_a_newline_gets_no_second_one)
{
    open_log((struct nj_log_config){ 0 });
    nj_log_info("one\n");
    nj_log_info("two");
    nj_log_close();

    char *text = content_of(path);
    ck_assert_ptr_null(strstr(text, "\n\n"));
    ck_assert_ptr_nonnull(strstr(text, "one\n["));
    nj_dealloc(text);
}
END_TEST

START_TEST(a_long_text_is_written_whole)
{
    size_t len = 300000;
    char *big = nj_zalloc(len + 1);
    memset(big, 'x', len);
    open_log((struct nj_log_config){ 0 });
    nj_log_info("%s|", big);
    nj_log_close();

    char *text = content_of(path);
    ck_assert_uint_gt(strlen(text), len);
    ck_assert_ptr_nonnull(strstr(text, "x|\n"));
    nj_dealloc(text);
    nj_dealloc(big);
}
END_TEST

START_TEST(the_file_is_appended_to_and_has_mode_0640)
{
    struct stat st;
    (void) umask(0);
    open_log((struct nj_log_config){ 0 });
    nj_log_info("first");
    nj_log_close();
    open_log((struct nj_log_config){ 0 });
    nj_log_info("second");
    nj_log_close();

    char *text = content_of(path);
    ck_assert_ptr_nonnull(strstr(text, "first"));
    ck_assert_ptr_nonnull(strstr(text, "second"));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq((int) (st.st_mode & 07777), 0640);
    nj_dealloc(text);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_says_why_and_changes_nothing)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_log_config config = { .file = "/nonexistent/x.log" };
    open_log((struct nj_log_config){ 0 });

    ck_assert_int_eq(nj_log_open(&config, &err), NJ_E_IO);
    ck_assert_str_eq(err.text, "open /nonexistent/x.log: no such file or directory");
    nj_log_info("still here");
    nj_log_close();

    char *text = content_of(path);
    ck_assert_ptr_nonnull(strstr(text, "still here"));
    nj_dealloc(text);
}
END_TEST

START_TEST(reopen_ends_the_old_file_and_begins_a_new_one)
{
    struct nj_error err = NJ_ERROR_INIT;
    char old[128];
    (void) snprintf(old, sizeof(old), "%s.1", path);
    open_log((struct nj_log_config){ 0 });

    nj_log_info("before");
    ck_assert_int_eq(rename(path, old), 0);
    ck_assert_int_eq(nj_log_reopen(&err), NJ_OK);
    nj_log_info("after");
    nj_log_close();

    char *was = content_of(old);
    char *is = content_of(path);
    ck_assert_ptr_nonnull(strstr(was, "before"));
    ck_assert_ptr_null(strstr(was, "after"));
    ck_assert_ptr_nonnull(strstr(is, "after"));
    ck_assert_ptr_null(strstr(is, "before"));
    nj_dealloc(was);
    nj_dealloc(is);
}
END_TEST

START_TEST(reopen_without_a_file_is_unsupported)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_log_config config = { 0 };
    ck_assert_int_eq(nj_log_open(&config, &err), NJ_OK);
    ck_assert_int_eq(nj_log_reopen(&err), NJ_E_UNSUPPORTED);
}
END_TEST

START_TEST(flush_returns_when_the_line_is_in_the_file)
{
    open_log((struct nj_log_config){ 0 });
    for (int i = 0; i < 100; i++) {
        char want[32];
        nj_log_info("line %d.", i);
        nj_log_flush();
        char *text = content_of(path);
        (void) snprintf(want, sizeof(want), "line %d.\n", i);
        ck_assert_ptr_nonnull(strstr(text, want));
        nj_dealloc(text);
    }
}
END_TEST

START_TEST(after_close_a_line_is_written_at_once)
{
    open_log((struct nj_log_config){ 0 });
    nj_log_close();
    nj_log_info("late");

    char *text = content_of(path);
    ck_assert_ptr_nonnull(strstr(text, "late"));
    nj_dealloc(text);
}
END_TEST

#define THREADS 4
#define LINES_EACH 5000

static void *log_many(void *arg)
{
    const int *id = arg;
    for (int i = 0; i < LINES_EACH; i++) {
        nj_log_info("thread %d line %d", *id, i);
    }
    return NULL;
}

/* Lines of one thread keep their order, and every line is either there or counted as dropped. */
START_TEST(many_threads_lose_no_line_uncounted)
{
    pthread_t t[THREADS];
    int ids[THREADS];
    int next[THREADS] = { 0 };
    unsigned long seen = 0, dropped = 0;
    open_log((struct nj_log_config){ .logtime = true });

    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&t[i], NULL, log_many, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
    }
    nj_log_close();

    char *text = content_of(path);
    for (char *save = NULL, *l = strtok_r(text, "\n", &save); l != NULL;
         l = strtok_r(NULL, "\n", &save)) {
        const char *body = strchr(strchr(l, ']') + 1, ']') + 2;
        if (strstr(body, "log lines dropped") != NULL) {
            dropped += strtoul(body, NULL, 10);
            continue;
        }
        int id = -1, n = -1;
        ck_assert_msg(sscanf(body, "thread %d line %d", &id, &n) == 2, "torn line \"%s\"", l);
        ck_assert_int_lt(id, THREADS);
        ck_assert_int_ge(n, next[id]);
        next[id] = n + 1;
        seen++;
    }
    ck_assert_uint_eq(seen + dropped, (unsigned long) THREADS * LINES_EACH);
    nj_dealloc(text);
}
END_TEST

/* The destination is a pipe that nobody reads: the ring must fill, and nobody may block. */
START_TEST(a_stuck_destination_drops_lines_and_reports_their_number)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_log_config config = { .file = path };
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    ck_assert_int_eq(nj_log_open(&config, &err), NJ_OK);
    ck_assert_int_eq(fcntl(reader, F_SETFL, 0), 0);

    unsigned long n = 4 * NJ_LOG_RING_SLOTS;
    for (unsigned long i = 0; i < n; i++) {
        nj_log_info("%0200d", 7);
    }

    unsigned long lines = 0, dropped = 0;
    FILE *f = fdopen(reader, "r");
    char text[512];
    while (lines + dropped < n && fgets(text, sizeof(text), f) != NULL) {
        if (strstr(text, "log lines dropped") != NULL) {
            ck_assert_ptr_nonnull(strstr(text, "[WRN] "));
            dropped += strtoul(strchr(strchr(text, ']') + 1, ']') + 2, NULL, 10);
        } else {
            lines++;
        }
    }
    nj_log_close();
    (void) fclose(f);

    ck_assert_uint_gt(dropped, 0);
    ck_assert_uint_eq(lines + dropped, n);
}
END_TEST

START_TEST(an_equal_text_is_allowed_once_per_second)
{
    ck_assert(nj_log_once_allowed("maximum connections exceeded", 5000));
    ck_assert(!nj_log_once_allowed("maximum connections exceeded", 5000));
    ck_assert(!nj_log_once_allowed("maximum connections exceeded", 5999));
    ck_assert(nj_log_once_allowed("something else", 5000));
    ck_assert(nj_log_once_allowed("maximum connections exceeded", 6000));
}
END_TEST

START_TEST(once_per_second_writes_one_of_many)
{
    open_log((struct nj_log_config){ 0 });
    int64_t before = time(NULL);
    for (int i = 0; i < 50; i++) {
        nj_log_once_per_second(NJ_LVL_ERR, "crowd %d", 1);
    }
    int64_t after = time(NULL);
    nj_log_close();

    char *text = content_of(path);
    int64_t n = 0;
    for (char *at = text; (at = strstr(at, "[ERR] crowd 1\n")) != NULL; at++) {
        n++;
    }
    ck_assert_int_ge(n, 1);
    ck_assert_int_le(n, 1 + after - before);
    nj_dealloc(text);
}
END_TEST

START_TEST(a_full_ring_refuses_and_an_emptied_one_takes_again)
{
    static struct nj_log_ring r;
    static int lines[NJ_LOG_RING_SLOTS];
    nj_log_ring_init(&r);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NJ_LOG_RING_SLOTS; i++) {
            ck_assert(nj_log_ring_push(&r, &lines[i]));
        }
        ck_assert(!nj_log_ring_push(&r, &lines[0]));
        for (unsigned i = 0; i < NJ_LOG_RING_SLOTS; i++) {
            ck_assert_ptr_eq(nj_log_ring_pop(&r), &lines[i]);
        }
        ck_assert_ptr_null(nj_log_ring_pop(&r));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, a_line_has_pid_time_level_and_text);
    tcase_add_test(tc, without_logtime_only_pid_and_level_come_first);
    tcase_add_test(tc, utc_is_used_when_asked_for);
    tcase_add_test(tc, debug_and_trace_are_off_unless_configured);
    tcase_add_test(tc, a_text_that_ends_in_a_newline_gets_no_second_one);
    tcase_add_test(tc, a_long_text_is_written_whole);
    tcase_add_test(tc, the_file_is_appended_to_and_has_mode_0640);
    tcase_add_test(tc, a_file_that_cannot_be_opened_says_why_and_changes_nothing);
    tcase_add_test(tc, reopen_ends_the_old_file_and_begins_a_new_one);
    tcase_add_test(tc, reopen_without_a_file_is_unsupported);
    tcase_add_test(tc, flush_returns_when_the_line_is_in_the_file);
    tcase_add_test(tc, after_close_a_line_is_written_at_once);
    tcase_add_test(tc, many_threads_lose_no_line_uncounted);
    tcase_add_test(tc, a_stuck_destination_drops_lines_and_reports_their_number);
    tcase_add_test(tc, an_equal_text_is_allowed_once_per_second);
    tcase_add_test(tc, once_per_second_writes_one_of_many);
    tcase_add_test(tc, a_full_ring_refuses_and_an_emptied_one_takes_again);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
