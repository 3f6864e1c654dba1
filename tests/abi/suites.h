/* suites.h: the suites of the conformance kit and what they share. */
#ifndef NJ_TESTS_ABI_SUITES_H
#define NJ_TESTS_ABI_SUITES_H

#include <check.h>

#include "tests/abi/mapper.h"
#include "tests/abi/pair.h"

extern struct nj_kit_provider nj_kit_list[NJ_KIT_PROVIDERS_MAX];
extern size_t nj_kit_list_n;

/* ---- tests ---------------------------------------------------------------------------------- */

/* How a test is run; one of ALONE, PAIR and MAPPER. */
#define NJ_KIT_ALONE UINT32_C(1) /* its loop number is a provider's */
#define NJ_KIT_PAIR UINT32_C(2)  /* its loop number is that of an ordered pair */
#define NJ_KIT_LONG UINT32_C(4)  /* takes minutes: only when asked for */
#define NJ_KIT_SHAPE UINT32_C(8) /* asks for no cryptography: NJ_TLS_CAP_TEST_ONLY passes it too */
#define NJ_KIT_MAPPER UINT32_C(16)  /* of an auth mapper: its loop number is that of one */
#define NJ_KIT_OPTIONS UINT32_C(32) /* a mapper that wants options is not tested without */

#define NJ_KIT_TIMEOUT_S 600

struct nj_kit_test {
    const char *group;
    const TTest *test;
    uint32_t flags;
};

void nj_kit_add(const char *group, const TTest *test, uint32_t flags);
/* All tests of the kit, those of a group side by side; returns how many. */
size_t nj_kit_tests(const struct nj_kit_test **list_out);
/* Over how many loop numbers, and does this one make sense for the providers that it names? */
int nj_kit_test_rounds(const struct nj_kit_test *test);
int nj_kit_test_fits(const struct nj_kit_test *test, int round);

/* Each file adds its own. */
void nj_kit_alone(void);    /* the table, contexts, primitives */
void nj_kit_trust(void);    /* what a context must forget */
void nj_kit_pairs(void);    /* when nothing is wrong */
void nj_kit_input(void);    /* cut, short, foreign */
void nj_kit_life(void);     /* closing in every state, threads, tickets, large numbers */
void nj_kit_refusals(void); /* with which alert and in which words */
void nj_kit_mapper_tests(void); /* auth mappers */

/* NJ_ABI_LONG is set and not empty: tests that take samples take all. */
int nj_kit_is_long(void);

/* ---- stages --------------------------------------------------------------------------------- */

/* Both settings, credentials and a pair, with the providers of pair number i. */
struct nj_kit_stage {
    const struct nj_tls_provider *server;
    const struct nj_tls_provider *client;
    struct nj_kit_cred server_cred;
    struct nj_kit_cred client_cred;
    struct nj_tls_settings server_set;
    struct nj_tls_settings client_set;
    struct nj_kit_pair pair;
    const char *name; /* dialled; "localhost" */
};

/* Server certificate `cred` (NULL: none); the client has none. */
void nj_kit_stage_init(struct nj_kit_stage *st, int i, const char *cred);
/* The server wants a certificate, the client has `cred` (NULL: none). */
void nj_kit_stage_mutual(struct nj_kit_stage *st, const char *cred);
void nj_kit_stage_version(struct nj_kit_stage *st, uint16_t version);
/* Open with pieces of `chunk` bytes and handshake; returns its result. */
int nj_kit_stage_run(struct nj_kit_stage *st, size_t chunk);
void nj_kit_stage_free(struct nj_kit_stage *st);

/* Both directions, small and whole. */
void nj_kit_assert_echo(struct nj_kit_pair *pair);
/* `end` failed and sent `alert`; `peer` received it. */
void nj_kit_assert_alert(struct nj_kit_end *end, struct nj_kit_end *peer, int32_t alert);

#endif
