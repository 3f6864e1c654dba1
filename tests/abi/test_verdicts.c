/*
 * test_verdicts.c: the reference's decisions (tests/corpus/certs/verdicts.tsv), row by row, with
 * real libraries: every provider judges what every provider presents, as a server and as a client,
 * in TLS 1.3 and 1.2, through the core's verify hook.  Decision, alert and words must be those of
 * the table, and the alert must reach the peer.
 *
 * There are no exceptions: each provider presents every row.  CK_VERBOSITY=verbose prints the table.
 */
#include "tls/verify.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/pair.h"
#include "tests/unit/verdicts.h"

static struct nj_kit_provider providers[NJ_KIT_PROVIDERS_MAX];
static size_t providers_n;

/* What is run: loop number = ((judge * n + presenter) * 2 + role) * 2 + version. */
struct scene {
    const struct nj_kit_provider *judge;
    const struct nj_kit_provider *presenter;
    uint32_t role; /* NJ_TLS_JUDGE_*: who is judged */
    uint16_t version;
    size_t number;
};

static const uint32_t roles[] = { NJ_TLS_JUDGE_SERVER, NJ_TLS_JUDGE_CLIENT };
static const uint16_t versions[] = { NJ_TLS_1_3, NJ_TLS_1_2 };

#define SCENES_MAX (NJ_KIT_PROVIDERS_MAX * NJ_KIT_PROVIDERS_MAX * 4)

static size_t scenes_n(void)
{
    return providers_n * providers_n * 4;
}

static struct scene scene_at(size_t number)
{
    return (struct scene){
        .judge = &providers[number / 4 / providers_n],
        .presenter = &providers[number / 4 % providers_n],
        .role = roles[number / 2 % 2],
        .version = versions[number % 2],
        .number = number,
    };
}

/* ---- results ---------------------------------------------------------------------------------- */

enum cell { CELL_NOT_RUN = 0, CELL_NOT_APPLICABLE, CELL_AS_REFERENCE };

static enum cell cells[SCENES_MAX][VERDICT_ROWS_MAX];

/* ---- one handshake ---------------------------------------------------------------------------- */

/* The presented chain as settings want it. */
struct identity {
    struct certs chain;
    struct nj_pem key_pem;
    struct nj_tls_key key;
    struct nj_tls_identity identity;
    const struct nj_tls_identity *list[1];
};

static int64_t fixed_clock(void)
{
    return CHECKED_AT;
}

static void identity_load(struct identity *id, const struct verdict_row *r)
{
    char file[128];
    struct nj_error err = NJ_ERROR_INIT;
    const struct nj_pem_block *key = NULL;
    memset(id, 0, sizeof(*id));
    certs_load(&id->chain, r->chain);
    (void) snprintf(file, sizeof(file), "%s.key", r->key);
    int rc = nj_pem_load_file(&id->key_pem, certs_path(file), NJ_PEM_MAX_FILE, &err);
    ck_assert_msg(rc == NJ_OK, "%s", err.text);
    ck_assert_int_eq(nj_pem_find_key(&id->key_pem, &key, &err), NJ_OK);
    id->key = (struct nj_tls_key){
        .size = sizeof(id->key),
        .kind = NJ_TLS_KEY_DER,
        .bytes = nj_pem_der(key),
    };
    id->identity = (struct nj_tls_identity){
        .size = sizeof(id->identity),
        .certs = id->chain.certs,
        .certs_n = (uint32_t) id->chain.n,
        .key = &id->key,
        .label = r->chain,
    };
    id->list[0] = &id->identity;
}

static void identity_free(struct identity *id)
{
    certs_free(&id->chain);
    nj_pem_fini(&id->key_pem);
}

struct play {
    const struct scene *scene;
    const struct verdict_row *row;
    struct certs anchors;
    struct nj_tls_policy policy;
    struct identity presented;
    struct nj_kit_cred server_cred; /* of a server that judges */
    struct nj_kit_pair pair;
    struct nj_kit_end *judge;
    struct nj_kit_end *peer;
    int open_rc;
    struct nj_error open_err;
};

static void settle_judge(struct play *p, struct nj_tls_settings *set)
{
    set->anchors = p->anchors.certs;
    set->anchors_n = p->anchors.n;
    set->anchors_label = p->row->anchors;
    set->verify_hook = nj_tls_verify;
    set->verify_user = &p->policy;
    if (p->scene->role == NJ_TLS_JUDGE_CLIENT) {
        set->verify = NJ_TLS_VERIFY_REQUIRE;
    }
}

static void settle_presenter(struct play *p, struct nj_tls_settings *set)
{
    if (verdict_has_chain(p->row)) {
        set->identities = p->presented.list;
        set->identities_n = 1;
    }
}

static void play_run(struct play *p, const struct scene *sc, const struct verdict_row *r)
{
    bool dials = sc->role == NJ_TLS_JUDGE_SERVER; /* the judge does */
    struct nj_tls_settings accept_set, dial_set;
    struct nj_error err = NJ_ERROR_INIT;
    memset(p, 0, sizeof(*p));
    p->scene = sc;
    p->row = r;
    p->open_err = err;
    certs_load(&p->anchors, r->anchors);
    ck_assert_int_eq(
        nj_tls_policy_init(&p->policy, p->anchors.certs, p->anchors.n, fixed_clock, &err), NJ_OK);
    if (verdict_has_chain(r)) {
        identity_load(&p->presented, r);
    }
    nj_kit_cred_load(&p->server_cred, "server-ecdsa", NULL);
    nj_kit_settings_accept(&accept_set, dials ? NULL : &p->server_cred);
    nj_kit_settings_dial(&dial_set, NULL);
    nj_kit_settings_version(&accept_set, sc->version);
    nj_kit_settings_version(&dial_set, sc->version);
    settle_judge(p, dials ? &dial_set : &accept_set);
    settle_presenter(p, dials ? &accept_set : &dial_set);

    const struct nj_kit_provider *server = dials ? sc->presenter : sc->judge;
    const struct nj_kit_provider *client = dials ? sc->judge : sc->presenter;
    p->open_rc = nj_kit_pair_open(&p->pair, server->tls, &accept_set, client->tls, &dial_set,
                                  dials ? r->host : "localhost", 0, &p->open_err);
    p->judge = dials ? &p->pair.client : &p->pair.server;
    p->peer = dials ? &p->pair.server : &p->pair.client;
    if (p->open_rc == NJ_OK) {
        (void) nj_kit_pair_handshake(&p->pair);
    }
}

static void play_free(struct play *p)
{
    nj_kit_pair_free(&p->pair);
    nj_tls_policy_fini(&p->policy);
    identity_free(&p->presented);
    certs_free(&p->anchors);
}

static bool end_failed(const struct nj_kit_end *end)
{
    return end->rc == NJ_E_FAILED || end->open_rc == NJ_E_FAILED;
}

/* ---- what must come of it --------------------------------------------------------------------- */

static const char *where(const struct play *p)
{
    static char text[160];
    (void) snprintf(text, sizeof(text), "%s: %s judges a %s of %s in TLS 1.%d", p->row->name,
                    p->scene->judge->label,
                    p->scene->role == NJ_TLS_JUDGE_SERVER ? "server" : "client",
                    p->scene->presenter->label, p->scene->version == NJ_TLS_1_3 ? 3 : 2);
    return text;
}

static void assert_accepted(const struct play *p)
{
    ck_assert_msg(!end_failed(p->judge), "%s: refused: %s", where(p), p->judge->err.text);
    ck_assert_msg(!end_failed(p->peer), "%s: the peer failed: %s", where(p), p->peer->err.text);
    ck_assert_int_eq(p->judge->rc, NJ_OK);
    ck_assert_int_eq(p->peer->rc, NJ_OK);
}

/* "116/40" is TLS 1.3 / TLS 1.2. */
static int32_t expected_alert(const struct play *p)
{
    const char *alert = verdict_expected(p->row, p->scene->role);
    const char *slash = strchr(alert, '/');
    return (int32_t) atoi(slash != NULL && p->scene->version == NJ_TLS_1_2 ? slash + 1 : alert);
}

/* A failed signature is told by the library, which does not say the candidate's name. */
static size_t words_that_count(const char *expected)
{
    const char *detail = strstr(expected, " (possibly because of \"x509: ECDSA");
    return detail != NULL ? (size_t) (detail - expected) : strlen(expected);
}

static void assert_refused(const struct play *p)
{
    char text[256];
    int32_t alert = expected_alert(p);
    const struct nj_error *judge = &p->judge->err;
    const struct nj_error *peer = &p->peer->err;
    ck_assert_msg(end_failed(p->judge), "%s: accepted", where(p));
    ck_assert_msg(judge->alert == alert, "%s: alert %d (%s), not %d", where(p), judge->alert,
                  judge->text, alert);
    ck_assert_msg(end_failed(p->peer) && peer->cls == NJ_CLASS_PEER_ALERT && peer->alert == alert,
                  "%s: the peer saw class %u, alert %d (%s), not alert %d", where(p), peer->cls,
                  peer->alert, peer->text, alert);
    verdict_expected_text(p->row, p->scene->role, text, sizeof(text));
    size_t n = words_that_count(text);
    ck_assert_msg(strncmp(judge->text, text, n) == 0 && judge->text[n] == '\0', "%s:\n%s\n%s",
                  where(p), judge->text, text);
}

static enum cell judge_row(const struct scene *sc, const struct verdict_row *r)
{
    struct play p;
    const char *expected = verdict_expected(r, sc->role);
    if (strcmp(expected, "-") == 0) {
        return CELL_NOT_APPLICABLE;
    }
    play_run(&p, sc, r);
    ck_assert_msg(p.open_rc == NJ_OK, "%s: %s", where(&p), p.open_err.text);
    if (strcmp(expected, "accept") == 0) {
        assert_accepted(&p);
    } else {
        assert_refused(&p);
    }
    play_free(&p);
    return CELL_AS_REFERENCE;
}

START_TEST(every_row_is_decided_as_by_the_reference)
{
    struct scene sc = scene_at((size_t) _i / (size_t) verdict_rows_n);
    int row = _i % verdict_rows_n;
    nj_kit_clock_set(CHECKED_AT);

    cells[sc.number][row] = judge_row(&sc, &verdict_rows[row]);
}
END_TEST

START_TEST(the_whole_table_was_read)
{
    ck_assert_int_eq(verdict_rows_n, 59);
}
END_TEST

/* ---- what is printed -------------------------------------------------------------------------- */

static const char *cell_text(const struct scene *sc, int row)
{
    switch (cells[sc->number][row]) {
    case CELL_AS_REFERENCE:
        return verdict_expected(&verdict_rows[row], sc->role);
    case CELL_NOT_APPLICABLE:
        return "-";
    default:
        return "WRONG";
    }
}

static void print_pair(size_t first)
{
    struct scene sc = scene_at(first);
    printf("\n%s judges %s\n%-26s %-11s %-11s %-11s %s\n", sc.judge->label, sc.presenter->label,
           "row", "server 1.3", "server 1.2", "client 1.3", "client 1.2");
    for (int row = 0; row < verdict_rows_n; row++) {
        printf("%-26s", verdict_rows[row].name);
        for (size_t i = first; i < first + 4; i++) {
            sc = scene_at(i);
            printf(i < first + 3 ? " %-11s" : " %s\n", cell_text(&sc, row));
        }
    }
}

static void print_results(void)
{
    size_t count[3] = { 0 };
    const char *verbosity = getenv("CK_VERBOSITY");
    for (size_t i = 0; i < scenes_n(); i++) {
        if (i % 4 == 0 && verbosity != NULL && strcmp(verbosity, "verbose") == 0) {
            print_pair(i);
        }
        for (int row = 0; row < verdict_rows_n; row++) {
            count[cells[i][row]]++;
        }
    }
    printf("verdicts: %zu as the reference, %zu wrong or not run\n", count[CELL_AS_REFERENCE],
           count[CELL_NOT_RUN]);
}

int main(void)
{
    providers_n = nj_kit_providers_from_env(providers, NJ_KIT_PROVIDERS_MAX);
    if (providers_n == 0) {
        (void) fputs("NJ_ABI_PROVIDERS names no provider: skipped\n", stderr);
        return 77;
    }
    verdict_rows_read();
    TCase *tc = tcase_create("verdicts");
    tcase_add_loop_test(tc, every_row_is_decided_as_by_the_reference, 0,
                        (int) scenes_n() * verdict_rows_n);
    tcase_add_test(tc, the_whole_table_was_read);
    Suite *suite = suite_create("verdicts");
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the results are kept in memory */
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    print_results();
    for (size_t i = 0; i < providers_n; i++) {
        nj_kit_provider_fini(&providers[i]);
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
