#include "tests/abi/suites.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TESTS_MAX 128

struct nj_kit_provider nj_kit_list[NJ_KIT_PROVIDERS_MAX];
size_t nj_kit_list_n;

/* ---- the list of tests ------------------------------------------------------------------------ */

static struct nj_kit_test tests[TESTS_MAX];
static size_t tests_n;

void nj_kit_add(const char *group, const TTest *test, uint32_t flags)
{
    assert(tests_n < TESTS_MAX);
    tests[tests_n++] = (struct nj_kit_test){ group, test, flags };
}

size_t nj_kit_tests(const struct nj_kit_test **list_out)
{
    if (tests_n == 0) {
        nj_kit_alone();
        nj_kit_trust();
        nj_kit_pairs();
        nj_kit_input();
        nj_kit_life();
        nj_kit_refusals();
        nj_kit_mapper_tests();
    }
    *list_out = tests;
    return tests_n;
}

int nj_kit_is_long(void)
{
    const char *wish = getenv("NJ_ABI_LONG");
    return wish != NULL && wish[0] != '\0';
}

/* A provider for tests does no cryptography: it can show its shape and no more. */
static int is_shape_only(size_t i)
{
    return (nj_kit_list[i].tls->caps() & NJ_TLS_CAP_TEST_ONLY) != 0;
}

int nj_kit_test_rounds(const struct nj_kit_test *test)
{
    if ((test->flags & NJ_KIT_MAPPER) != 0) {
        return (int) nj_kit_mappers_n;
    }
    return (int) ((test->flags & NJ_KIT_PAIR) != 0 ? nj_kit_list_n * nj_kit_list_n : nj_kit_list_n);
}

int nj_kit_test_fits(const struct nj_kit_test *test, int round)
{
    size_t a = (size_t) round;
    size_t b = a;
    if ((test->flags & NJ_KIT_MAPPER) != 0) {
        return (test->flags & NJ_KIT_OPTIONS) == 0 || !nj_kit_mappers[round].wants_options;
    }
    if ((test->flags & NJ_KIT_PAIR) != 0) {
        a = (size_t) round / nj_kit_list_n;
        b = (size_t) round % nj_kit_list_n;
    }
    if (!is_shape_only(a) && !is_shape_only(b)) {
        return 1;
    }
    return a == b && (test->flags & NJ_KIT_SHAPE) != 0;
}

/* ---- stages ----------------------------------------------------------------------------------- */

void nj_kit_stage_init(struct nj_kit_stage *st, int i, const char *cred)
{
    memset(st, 0, sizeof(*st));
    st->server = nj_kit_list[(size_t) i / nj_kit_list_n].tls;
    st->client = nj_kit_list[(size_t) i % nj_kit_list_n].tls;
    if (cred != NULL) {
        nj_kit_cred_load(&st->server_cred, cred, strcmp(cred, "chained") == 0 ? "inter" : NULL);
    }
    nj_kit_settings_accept(&st->server_set, cred == NULL ? NULL : &st->server_cred);
    nj_kit_settings_dial(&st->client_set, NULL);
    st->name = "localhost";
}

void nj_kit_stage_mutual(struct nj_kit_stage *st, const char *cred)
{
    st->server_set.verify = NJ_TLS_VERIFY_REQUIRE;
    if (cred != NULL) {
        nj_kit_cred_load(&st->client_cred, cred, NULL);
        st->client_set.identities = st->client_cred.list;
        st->client_set.identities_n = 1;
    }
}

void nj_kit_stage_version(struct nj_kit_stage *st, uint16_t version)
{
    nj_kit_settings_version(&st->server_set, version);
    nj_kit_settings_version(&st->client_set, version);
}

int nj_kit_stage_run(struct nj_kit_stage *st, size_t chunk)
{
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_kit_pair_open(&st->pair, st->server, &st->server_set, st->client, &st->client_set,
                              st->name, chunk, &err);
    ck_assert_msg(rc == NJ_OK, "the pair cannot be made: %s", err.text);
    return nj_kit_pair_handshake(&st->pair);
}

void nj_kit_stage_free(struct nj_kit_stage *st)
{
    nj_kit_pair_free(&st->pair);
}

static void assert_reaches(struct nj_kit_end *from, struct nj_kit_end *to, size_t chunk)
{
    static const char text[] = "PING and more";
    ck_assert_int_eq(nj_kit_end_send(from, text, sizeof(text)), NJ_OK);
    int rc = nj_kit_end_receive(to, from, chunk);
    ck_assert_msg(rc == NJ_OK || rc == NJ_NEED_IN, "open() said %d: %s", rc, to->err.text);
    ck_assert(nj_kit_end_take(to, text, sizeof(text)));
    ck_assert_uint_eq(to->plain_len, 0);
}

void nj_kit_assert_echo(struct nj_kit_pair *pair)
{
    assert_reaches(&pair->client, &pair->server, pair->chunk);
    assert_reaches(&pair->server, &pair->client, pair->chunk);
}

void nj_kit_assert_alert(struct nj_kit_end *end, struct nj_kit_end *peer, int32_t alert)
{
    ck_assert(end->rc == NJ_E_FAILED || end->open_rc == NJ_E_FAILED);
    ck_assert_msg(end->err.alert == alert, "sent alert %d (%s), not %d", end->err.alert,
                  end->err.text, alert);
    ck_assert_msg(peer->rc == NJ_E_FAILED || peer->open_rc == NJ_E_FAILED,
                  "the alert did not reach the peer (%d, %d)", peer->rc, peer->open_rc);
    ck_assert_msg(peer->err.cls == NJ_CLASS_PEER_ALERT && peer->err.alert == alert,
                  "the peer saw class %u, alert %d: %s", peer->err.cls, peer->err.alert,
                  peer->err.text);
    ck_assert_ptr_nonnull(strstr(peer->err.text, "remote error: tls: "));
}
