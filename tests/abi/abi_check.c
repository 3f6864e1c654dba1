/*
 * abi_check.c: natterjack-abi-check, the conformance kit as a program for the author of a
 * provider.  docs/abi-check.md is its manual.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/abi_check_files.h"
#include "tests/abi/count_malloc.h"
#include "tests/abi/measure.h"
#include "tests/abi/suites.h"

#define EXIT_FAULTY 1 /* a test failed */
#define EXIT_USAGE 2
#define EXIT_UNFIT 3 /* a file cannot be loaded as a provider */

static const char usage[] =
    "usage: natterjack-abi-check [OPTION...] FILE...\n"
    "\n"
    "Run natterjack's conformance kit on each plug-in FILE: TLS providers alone, in pairs with\n"
    "themselves, and with two or more in all ordered pairs; auth mappers alone.\n"
    "\n"
    "  --options F   the options of the mappers, a JSON map in the file F\n"
    "  --only NAME   only tests whose name contains NAME (may be given again)\n"
    "  --long        also tests that take minutes, and every sample instead of some\n"
    "  --no-fork     all tests in one process, for debuggers and valgrind\n"
    "  --no-measure  leave out the measurements at the end\n"
    "  --list        print the names of the tests and end\n"
    "  --version     print the version and the plug-in ABI and end\n"
    "  --help        print this and end\n"
    "\n"
    "Ends with 0 when all tests passed, 1 when one failed, 2 when the command line is wrong,\n"
    "3 when a FILE cannot be loaded as a plug-in.\n";

#define ONLY_MAX 16

struct options {
    const char *only[ONLY_MAX];
    size_t only_n;
    int list;
    int no_fork;
    int no_measure;
};

struct tally {
    int passed;
    int failed;
};

/* ---- the command line ------------------------------------------------------------------------- */

enum { OPT_ONLY = 1, OPT_OPTIONS, OPT_LONG, OPT_NO_FORK, OPT_NO_MEASURE, OPT_LIST, OPT_VERSION, OPT_HELP };

static const struct option long_options[] = {
    { "only", required_argument, NULL, OPT_ONLY },
    { "options", required_argument, NULL, OPT_OPTIONS },
    { "long", no_argument, NULL, OPT_LONG },
    { "no-fork", no_argument, NULL, OPT_NO_FORK },
    { "no-measure", no_argument, NULL, OPT_NO_MEASURE },
    { "list", no_argument, NULL, OPT_LIST },
    { "version", no_argument, NULL, OPT_VERSION },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static _Noreturn void end_with(FILE *to, int status, const char *text)
{
    (void) fputs(text, to);
    exit(status);
}

static void take_only(struct options *o, const char *name)
{
    if (o->only_n == ONLY_MAX) {
        end_with(stderr, EXIT_USAGE, "natterjack-abi-check: too many --only\n");
    }
    o->only[o->only_n++] = name;
}

static void take_options(const char *file)
{
    static char text[1 << 20];
    struct nj_error err = NJ_ERROR_INIT;
    FILE *f = fopen(file, "re");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f == NULL || n == sizeof(text) - 1) {
        (void) fprintf(stderr, "natterjack-abi-check: %s: cannot be read, or is too large\n", file);
        exit(EXIT_USAGE);
    }
    (void) fclose(f);
    nj_kit_mapper_options = nj_kit_json(file, text, &err);
    if (nj_kit_mapper_options == NULL) {
        (void) fprintf(stderr, "natterjack-abi-check: %s\n", err.text);
        exit(EXIT_USAGE);
    }
}

static void read_options(int argc, char **argv, struct options *o)
{
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_ONLY:
            take_only(o, optarg);
            break;
        case OPT_OPTIONS:
            take_options(optarg);
            break;
        case OPT_LONG:
            (void) setenv("NJ_ABI_LONG", "1", 1);
            break;
        case OPT_NO_FORK:
            o->no_fork = 1;
            break;
        case OPT_NO_MEASURE:
            o->no_measure = 1;
            break;
        case OPT_LIST:
            o->list = 1;
            break;
        case OPT_VERSION:
            (void) printf("natterjack-abi-check %s, plug-in ABI %d.%d\n", NJ_VERSION, NJ_ABI_MAJOR,
                          NJ_ABI_MINOR);
            exit(EXIT_SUCCESS);
        case OPT_HELP:
            end_with(stdout, EXIT_SUCCESS, usage);
        default:
            end_with(stderr, EXIT_USAGE, "see natterjack-abi-check --help\n");
        }
    }
}

static int is_wanted(const struct options *o, const struct nj_kit_test *t)
{
    int wanted = o->only_n == 0;
    for (size_t i = 0; i < o->only_n; i++) {
        wanted |= strstr(t->test->name, o->only[i]) != NULL;
    }
    return wanted;
}

static void list_tests(const struct options *o)
{
    const struct nj_kit_test *tests = NULL;
    size_t n = nj_kit_tests(&tests);
    for (size_t i = 0; i < n; i++) {
        if (is_wanted(o, &tests[i])) {
            (void) printf("%-10s %s%s\n", tests[i].group, tests[i].test->name,
                          (tests[i].flags & NJ_KIT_LONG) != 0 ? " (--long)" : "");
        }
    }
}

/* ---- mappers ---------------------------------------------------------------------------------- */

static void print_mapper(const struct nj_kit_mapper *m)
{
    (void) printf("%s %s, ABI %u.%u, auth mapper%s%s%s\n", m->label, m->plugin->version,
                  m->plugin->abi_major, m->plugin->abi_minor, m->map->about == NULL ? "" : ": ",
                  m->map->about == NULL ? "" : m->map->about,
                  m->wants_options ? "; it wants options (--options FILE), and what needs an "
                                     "instance is left out"
                                   : "");
}

/* 1: it is a mapper, and taken. */
static int load_mapper(const char *path)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_kit_mappers_n == NJ_KIT_MAPPERS_MAX) {
        end_with(stderr, EXIT_USAGE, "natterjack-abi-check: too many files\n");
    }
    int rc = nj_kit_mapper_load(path, &err);
    if (rc == NJ_E_NOT_FOUND) {
        return 0;
    }
    if (rc < 0) {
        (void) fprintf(stderr, "natterjack-abi-check: %s\n", err.text);
        exit(EXIT_UNFIT);
    }
    print_mapper(&nj_kit_mappers[nj_kit_mappers_n - 1]);
    return 1;
}

/* ---- providers -------------------------------------------------------------------------------- */

static void print_provider(const struct nj_kit_provider *p)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    p->tls->about(&about);
    (void) printf("%s %s, ABI %u.%u, %s %s%s\n", p->label, p->plugin->version, p->plugin->abi_major,
                  p->plugin->abi_minor, about.lib_name == NULL ? "?" : about.lib_name,
                  about.lib_version == NULL ? "?" : about.lib_version,
                  (p->tls->caps() & NJ_TLS_CAP_TEST_ONLY) != 0
                      ? ", for tests only: what asks for cryptography is left out"
                      : "");
}

/* dlopen() looks for a name without a slash elsewhere. */
static void load(const char *file)
{
    struct nj_error err = NJ_ERROR_INIT;
    char path[PATH_MAX];
    if (realpath(file, path) == NULL) {
        perror(file);
        exit(EXIT_UNFIT);
    }
    if (load_mapper(path)) {
        return;
    }
    if (nj_kit_list_n == NJ_KIT_PROVIDERS_MAX) {
        end_with(stderr, EXIT_USAGE, "natterjack-abi-check: too many files\n");
    }
    if (nj_kit_provider_load(&nj_kit_list[nj_kit_list_n], NULL, path, &err) < 0) {
        (void) fprintf(stderr, "natterjack-abi-check: %s\n", err.text);
        exit(EXIT_UNFIT);
    }
    print_provider(&nj_kit_list[nj_kit_list_n++]);
}

/* ---- tests ------------------------------------------------------------------------------------ */

static void print_who(const struct nj_kit_test *t, int round)
{
    size_t i = (size_t) round;
    if ((t->flags & NJ_KIT_MAPPER) != 0) {
        (void) printf("%s\n", nj_kit_mappers[i].label);
        return;
    }
    if ((t->flags & NJ_KIT_PAIR) == 0) {
        (void) printf("%s\n", nj_kit_list[i].label);
        return;
    }
    (void) printf("%s accepts, %s dials\n", nj_kit_list[i / nj_kit_list_n].label,
                  nj_kit_list[i % nj_kit_list_n].label);
}

/* The place as somebody with a source archive knows it, wherever the program was built. */
static const char *place_of(TestResult *r)
{
    const char *file = tr_lfile(r);
    const char *inside = file == NULL ? NULL : strstr(file, "tests/abi/");
    if (file == NULL) {
        return "?";
    }
    return inside == NULL ? file : inside;
}

/* One test with one provider or pair, in a runner of its own: a crash is a failure of this one. */
static void run_one(const struct options *o, const struct nj_kit_test *t, int round,
                    struct tally *tally)
{
    Suite *s = suite_create("kit");
    TCase *tc = tcase_create(t->group);
    tcase_set_timeout(tc, NJ_KIT_TIMEOUT_S);
    tcase_add_loop_test(tc, t->test, round, round + 1);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_set_fork_status(sr, o->no_fork ? CK_NOFORK : CK_FORK);
    (void) fflush(NULL);
    srunner_run_all(sr, CK_SILENT);
    int failed = srunner_ntests_failed(sr) > 0;
    (void) printf("%s %-10s %s: ", failed ? "NOT OK" : "ok    ", t->group, t->test->name);
    print_who(t, round);
    if (failed) {
        TestResult **results = srunner_failures(sr);
        (void) printf("       %s:%d: %s\n", place_of(results[0]), tr_lno(results[0]),
                      tr_msg(results[0]));
        free(results);
    }
    tally->passed += !failed;
    tally->failed += failed;
    srunner_free(sr);
}

static void run_tests(const struct options *o, struct tally *tally)
{
    const struct nj_kit_test *tests = NULL;
    size_t n = nj_kit_tests(&tests);
    for (size_t i = 0; i < n; i++) {
        if (!is_wanted(o, &tests[i]) ||
            ((tests[i].flags & NJ_KIT_LONG) != 0 && !nj_kit_is_long())) {
            continue;
        }
        for (int round = 0; round < nj_kit_test_rounds(&tests[i]); round++) {
            if (nj_kit_test_fits(&tests[i], round)) {
                run_one(o, &tests[i], round, tally);
            }
        }
    }
}

/* ---- measurements ----------------------------------------------------------------------------- */

static void print_number(const char *what, double value, const char *unit)
{
    if (value < 0) {
        (void) printf("  %-32s not known here\n", what);
    } else {
        (void) printf("  %-32s %.1f %s\n", what, value, unit);
    }
}

static void measure(const struct nj_kit_provider *p, uint16_t version, struct tally *tally)
{
    struct nj_kit_cost cost = { 0 };
    struct nj_error err = NJ_ERROR_INIT;
    (void) printf("\n%s with itself, TLS 1.%d:\n", p->label, version == NJ_TLS_1_3 ? 3 : 2);
    if (nj_kit_measure(p->tls, version, &cost, &err) != NJ_OK) {
        (void) printf("  not measured: %s\n", err.text);
        tally->failed++;
        return;
    }
    print_number("memory, idle accepting session", cost.accept_bytes / 1024, "KiB");
    print_number("memory, idle dialling session", cost.dial_bytes / 1024, "KiB");
    print_number("allocations per record, seal", cost.seal_allocs, "");
    print_number("allocations per record, open", cost.open_allocs, "");
    print_number("handshakes, both ends", cost.handshakes_per_s, "per second");
    print_number("seal", cost.seal_mib_per_s, "MiB/s");
    print_number("open", cost.open_mib_per_s, "MiB/s");
}

static void measure_all(struct tally *tally)
{
    nj_kit_measure_count_with(nj_kit_malloc_count);
    for (size_t i = 0; i < nj_kit_list_n; i++) {
        measure(&nj_kit_list[i], NJ_TLS_1_3, tally);
        measure(&nj_kit_list[i], NJ_TLS_1_2, tally);
    }
}

int main(int argc, char **argv)
{
    struct options o = { .only_n = 0 };
    struct tally tally = { 0, 0 };
    read_options(argc, argv, &o);
    if (o.list) {
        list_tests(&o);
        return EXIT_SUCCESS;
    }
    if (optind == argc) {
        end_with(stderr, EXIT_USAGE, usage);
    }
    nj_kit_files_use(nj_kit_abi_check_files);
    for (int i = optind; i < argc; i++) {
        load(argv[i]);
    }
    run_tests(&o, &tally);
    if (tally.passed + tally.failed == 0) {
        end_with(stderr, EXIT_USAGE, "natterjack-abi-check: no test has such a name; see --list\n");
    }
    if (!o.no_measure && o.only_n == 0) {
        measure_all(&tally);
    }
    for (size_t i = 0; i < nj_kit_list_n; i++) {
        nj_kit_provider_fini(&nj_kit_list[i]);
    }
    for (size_t i = 0; i < nj_kit_mappers_n; i++) {
        nj_kit_mapper_fini(&nj_kit_mappers[i]);
    }
    (void) printf("\n%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed == 0 ? EXIT_SUCCESS : EXIT_FAULTY;
}
