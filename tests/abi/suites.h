/* suites.h: the suites of the conformance kit and what they share. */
#ifndef NJ_TESTS_ABI_SUITES_H
#define NJ_TESTS_ABI_SUITES_H

#include <check.h>

#include "tests/abi/pair.h"

extern struct nj_kit_provider nj_kit_list[NJ_KIT_PROVIDERS_MAX];
extern size_t nj_kit_list_n;

/* One provider at a time: loop tests over nj_kit_list. */
Suite *nj_kit_suite_alone(void);
/* Every ordered pair: loop tests over nj_kit_list_n * nj_kit_list_n. */
Suite *nj_kit_suite_pairs(void);
Suite *nj_kit_suite_refusals(void);

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
