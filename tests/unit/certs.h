/* certs.h: the certificates of tests/corpus/certs, for unit tests. */
#ifndef NJ_TEST_CERTS_H
#define NJ_TEST_CERTS_H
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "natterjack/plugin.h"
#include "tls/pem.h"

#define CERTS_MAX 48
#define CHECKED_AT INT64_C(1795599634) /* 2026-11-25T09:40:34Z */

/* The path of a corpus file.  Static buffer: one at a time. */
static inline const char *certs_path(const char *name)
{
    static char path[512];
    const char *top = getenv("NJ_TEST_SRCDIR");
    (void) snprintf(path, sizeof(path), "%s/tests/corpus/certs/%s", top != NULL ? top : ".", name);
    return path;
}

struct certs {
    struct nj_pem pem;
    struct nj_span certs[CERTS_MAX];
    size_t n;
};

/* All certificates of NAME.pem. */
static inline void certs_load(struct certs *c, const char *name)
{
    char file[128];
    struct nj_error err = NJ_ERROR_INIT;
    (void) snprintf(file, sizeof(file), "%s.pem", name);
    int rc = nj_pem_load_file(&c->pem, certs_path(file), NJ_PEM_MAX_FILE, &err);
    ck_assert_msg(rc == NJ_OK, "%s", err.text);
    c->n = 0;
    for (size_t i = 0; i < c->pem.n; i++) {
        if (nj_pem_is_cert(&c->pem.blocks[i])) {
            ck_assert_uint_lt(c->n, CERTS_MAX);
            c->certs[c->n++] = nj_pem_der(&c->pem.blocks[i]);
        }
    }
}

static inline void certs_free(struct certs *c)
{
    nj_pem_fini(&c->pem);
    c->n = 0;
}

/* `more` may be NULL. */
static inline int run_two_cases(const char *name, TCase *tc, TCase *more)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tc);
    if (more != NULL) {
        suite_add_tcase(suite, more);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int run_cases(const char *name, TCase *tc)
{
    return run_two_cases(name, tc, NULL);
}

#endif
