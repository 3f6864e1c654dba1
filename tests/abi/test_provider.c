/*
 * test_provider.c: the conformance kit in `make check`.  NJ_ABI_PROVIDERS names the providers
 * (else: those that were built); each runs alone and in all ordered pairs.  Without providers it
 * is skipped (77).  NJ_ABI_LONG=1: also the tests that take minutes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/suites.h"

static void add_tests(Suite *s)
{
    const struct nj_kit_test *tests = NULL;
    size_t n = nj_kit_tests(&tests);
    TCase *tc = NULL;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(tests[i].group, tests[i - 1].group) != 0) {
            tc = tcase_create(tests[i].group);
            tcase_set_timeout(tc, NJ_KIT_TIMEOUT_S);
            suite_add_tcase(s, tc);
        }
        if ((tests[i].flags & NJ_KIT_LONG) != 0 && !nj_kit_is_long()) {
            continue;
        }
        for (int round = 0; round < nj_kit_test_rounds(&tests[i]); round++) {
            if (nj_kit_test_fits(&tests[i], round)) {
                tcase_add_loop_test(tc, tests[i].test, round, round + 1);
            }
        }
    }
}

/* The provider for tests keeps the promises that ask for no secret. */
static void add_null(void)
{
    struct nj_error err = NJ_ERROR_INIT;
    char path[512];
    const char *dir = getenv("NJ_TEST_BUILDDIR");
    (void) snprintf(path, sizeof(path), "%s/plugins/null-tls/.libs/nj_tls_null.so",
                    dir == NULL ? "." : dir);
    if (getenv("NJ_ABI_PROVIDERS") != NULL || nj_kit_list_n == NJ_KIT_PROVIDERS_MAX) {
        return;
    }
    if (nj_kit_provider_load(&nj_kit_list[nj_kit_list_n], NULL, path, &err) < 0) {
        (void) fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    nj_kit_list_n++;
}

int main(void)
{
    nj_kit_list_n = nj_kit_providers_from_env(nj_kit_list, NJ_KIT_PROVIDERS_MAX);
    add_null();
    if (nj_kit_list_n == 0) {
        (void) fputs("NJ_ABI_PROVIDERS names no provider: skipped\n", stderr);
        return 77;
    }
    Suite *s = suite_create("provider");
    add_tests(s);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    for (size_t i = 0; i < nj_kit_list_n; i++) {
        nj_kit_provider_fini(&nj_kit_list[i]);
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
