/* test_auth.c: who may connect, and bcrypt on its own thread. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/bcrypt.h"
#include "auth/perms.h"
#include "auth/user.h"
#include "natterjack/plugin.h"

#define HASH_2A "$2a$04$abcdefghijklmnopqrstuuzJHr/TLUQlZd9UKszgAEXrHFHFu4eSy"

static enum nj_auth_answer ask(const struct nj_auth *a, const char *user, const char *pass,
                               const char *token)
{
    const struct nj_credentials cred = { .user = user, .pass = pass, .token = token };
    struct nj_auth_result result;
    enum nj_auth_answer answer = nj_auth_check(a, &cred, &result);
    if (answer != NJ_AUTH_SLOW) {
        ck_assert_ptr_null(result.hash);
    }
    return answer;
}

START_TEST(without_configuration_everybody_may_enter)
{
    struct nj_auth *a[3] = { nj_auth_new(NULL, NULL, NULL), nj_auth_new("", "x", ""),
                             nj_auth_new(NULL, "x", NULL) };
    for (int i = 0; i < 3; i++) {
        ck_assert(!nj_auth_required(a[i]));
        ck_assert(!nj_auth_has_plain_secret(a[i]));
        ck_assert_int_eq(ask(a[i], NULL, NULL, NULL), NJ_AUTH_OK);
        ck_assert_int_eq(ask(a[i], "any", "thing", "else"), NJ_AUTH_OK);
        nj_auth_unref(&a[i]);
        ck_assert_ptr_null(a[i]);
    }
}
END_TEST

START_TEST(user_and_password_must_both_be_right)
{
    static const struct {
        const char *user, *pass;
        enum nj_auth_answer answer;
    } table[] = {
        { "ann", "secret", NJ_AUTH_OK },      { "ann", "secre", NJ_AUTH_DENIED },
        { "ann", "secrett", NJ_AUTH_DENIED }, { "ann", "secretsecret", NJ_AUTH_DENIED },
        { "ann", "Secret", NJ_AUTH_DENIED },  { "ann", "", NJ_AUTH_DENIED },
        { "ann", NULL, NJ_AUTH_DENIED },      { "an", "secret", NJ_AUTH_DENIED },
        { "anna", "secret", NJ_AUTH_DENIED }, { "", "secret", NJ_AUTH_DENIED },
        { NULL, "secret", NJ_AUTH_DENIED },   { NULL, NULL, NJ_AUTH_DENIED },
    };
    struct nj_auth *a = nj_auth_new("ann", "secret", NULL);
    ck_assert(nj_auth_required(a));
    ck_assert(nj_auth_has_plain_secret(a));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_int_eq(ask(a, table[i].user, table[i].pass, NULL), table[i].answer);
        ck_assert_int_eq(ask(a, table[i].user, table[i].pass, "secret"), table[i].answer);
    }
    nj_auth_unref(&a);
}
END_TEST

START_TEST(a_user_without_password_has_the_empty_one)
{
    static const char *const configured[] = { NULL, "" };
    for (int i = 0; i < 2; i++) {
        struct nj_auth *a = nj_auth_new("ann", configured[i], NULL);
        ck_assert_int_eq(ask(a, "ann", NULL, NULL), NJ_AUTH_OK);
        ck_assert_int_eq(ask(a, "ann", "", NULL), NJ_AUTH_OK);
        ck_assert_int_eq(ask(a, "ann", "x", NULL), NJ_AUTH_DENIED);
        nj_auth_unref(&a);
    }
}
END_TEST

START_TEST(a_token_is_compared_to_its_last_byte)
{
    struct nj_auth *a = nj_auth_new(NULL, NULL, "t0ken");
    ck_assert(nj_auth_required(a));
    ck_assert_int_eq(ask(a, NULL, NULL, "t0ken"), NJ_AUTH_OK);
    ck_assert_int_eq(ask(a, "t0ken", "t0ken", NULL), NJ_AUTH_DENIED);
    ck_assert_int_eq(ask(a, NULL, NULL, NULL), NJ_AUTH_DENIED);
    ck_assert_int_eq(ask(a, NULL, NULL, ""), NJ_AUTH_DENIED);
    ck_assert_int_eq(ask(a, NULL, NULL, "t0kem"), NJ_AUTH_DENIED);
    ck_assert_int_eq(ask(a, NULL, NULL, "t0kent0ken"), NJ_AUTH_DENIED);
    ck_assert_int_eq(ask(a, NULL, NULL, "t"), NJ_AUTH_DENIED);
    nj_auth_unref(&a);
}
END_TEST

START_TEST(a_length_that_differs_by_256_is_another_secret)
{
    char longer[6 + 256 + 1];
    for (size_t i = 0; i + 1 < sizeof(longer); i++) {
        longer[i] = "secret"[i % 6];
    }
    longer[sizeof(longer) - 1] = '\0';
    struct nj_auth *a = nj_auth_new("ann", "secret", NULL);
    ck_assert_int_eq(ask(a, "ann", longer, NULL), NJ_AUTH_DENIED);
    nj_auth_unref(&a);
}
END_TEST

START_TEST(bcrypt_is_known_by_its_head)
{
    static const char *const yes[] = { "$2a$04$", "$2b$10$x", "$2x$31$", "$2y$99$" };
    static const char *const no[] = { "",       "$",       "$2",      "$2$04$", "$2c$04$", "$2a04$",
                                      "$2a$4$", "$2a$xx$", "$2a$04",  "2a$04$", "$1$04$",  " $2a$04$" };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        ck_assert_msg(nj_is_bcrypt(yes[i]), "%s", yes[i]);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        ck_assert_msg(!nj_is_bcrypt(no[i]), "%s", no[i]);
    }
    ck_assert(!nj_is_bcrypt(NULL));
}
END_TEST

START_TEST(a_hash_is_left_to_the_bcrypt_thread)
{
    struct nj_auth *a = nj_auth_new("ann", HASH_2A, NULL);
    const struct nj_credentials cred = { .user = "ann", .pass = "secret" };
    const struct nj_credentials none = { .user = "ann" };
    struct nj_auth_result result;
    ck_assert(!nj_auth_has_plain_secret(a));
    ck_assert_int_eq(nj_auth_check(a, &cred, &result), NJ_AUTH_SLOW);
    ck_assert_str_eq(result.hash, HASH_2A);
    ck_assert_str_eq(result.secret, "secret");
    ck_assert_int_eq(nj_auth_check(a, &none, &result), NJ_AUTH_SLOW);
    ck_assert_str_eq(result.secret, "");
    ck_assert_int_eq(ask(a, "bob", "secret", NULL), NJ_AUTH_DENIED);
    nj_auth_unref(&a);
}
END_TEST

/* ---- a table ----------------------------------------------------------------------------------------- */

#define NKEY "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
#define SIG                                                                                        \
    "bnxg5G8aOV2LQdSE_lcM9clxm_fbTTZxsqQ1EpTNgJXmH6z5ezesd49kXfuNhoAqw_DmEtsGcNsJdug9wMuRDQ"

static const uint8_t *verified_key;
static char verified_text[32];

/* Believes signatures that begin as SIG does. */
static int believe(const uint8_t pub[32], const void *msg, size_t len, const uint8_t sig[64])
{
    verified_key = pub;
    memcpy(verified_text, msg, len);
    verified_text[len] = '\0';
    return sig[0] == 0x6e ? NJ_OK : NJ_E_DENIED;
}

/* The users ann (plain), bob (bcrypt), web (of another type), nil (no password), and one nkey. */
static struct nj_auth *table_of(const char *no_auth_user, const char *token)
{
    struct nj_user *users[] = { nj_user_new("ann", NULL, "secret", NULL),
                                nj_user_new("bob", NULL, HASH_2A, NULL),
                                nj_user_new("web", NULL, "x", NULL),
                                nj_user_new("nil", NULL, NULL, NULL),
                                nj_user_new(NULL, NKEY, NULL, NULL) };
    users[2]->types = NJ_TYPE_WEBSOCKET;
    const struct nj_auth_config config = { .users = users,
                                           .users_n = 5,
                                           .token = token,
                                           .no_auth_user = no_auth_user,
                                           .verify = believe };
    struct nj_auth *a = nj_auth_build(&config);
    for (int i = 0; i < 5; i++) {
        nj_user_unref(&users[i]); /* the table keeps its own */
    }
    return a;
}

static const struct {
    const char *no_auth_user;
    struct nj_credentials cred;
    enum nj_auth_answer answer;
    const char *label; /* of the user */
} tries[] = {
    { NULL, { .user = "ann", .pass = "secret" }, NJ_AUTH_OK, "ann" },
    { NULL, { .user = "ann", .pass = "secre" }, NJ_AUTH_DENIED, "ann" },
    { NULL, { .user = "bob", .pass = "any" }, NJ_AUTH_SLOW, "bob" },
    { NULL, { .user = "nil" }, NJ_AUTH_OK, "nil" },
    { NULL, { .user = "nil", .pass = "x" }, NJ_AUTH_DENIED, "nil" },
    { NULL, { .user = "web", .pass = "x" }, NJ_AUTH_DENIED, NULL },
    { NULL, { .user = "web", .pass = "x", .type = NJ_TYPE_WEBSOCKET }, NJ_AUTH_OK, "web" },
    { NULL, { .user = "eve", .pass = "secret" }, NJ_AUTH_DENIED, NULL },
    { NULL, { .user = NKEY }, NJ_AUTH_DENIED, NULL },
    { NULL, { .pass = "secret" }, NJ_AUTH_DENIED, NULL },
    { NULL, { .user = NULL }, NJ_AUTH_DENIED, NULL },
    { NULL, { .nkey = NKEY, .sig = SIG, .nonce = "abc" }, NJ_AUTH_OK, NKEY },
    { NULL, { .nkey = NKEY, .sig = SIG }, NJ_AUTH_DENIED, NKEY },
    { NULL, { .nkey = NKEY, .sig = "A" SIG, .nonce = "abc" }, NJ_AUTH_DENIED, NKEY },
    { NULL, { .nkey = NKEY, .nonce = "abc" }, NJ_AUTH_DENIED, NKEY },
    { NULL, { .nkey = "ann", .pass = "secret" }, NJ_AUTH_DENIED, NULL },
    { NULL, { .nkey = "", .user = "ann", .pass = "secret" }, NJ_AUTH_OK, "ann" },
    { NULL, { .nkey = "UX", .user = "ann", .pass = "secret" }, NJ_AUTH_DENIED, NULL },
    { "ann", { .user = NULL }, NJ_AUTH_OK, "ann" },
    { "ann", { .user = "", .pass = "", .token = "" }, NJ_AUTH_OK, "ann" },
    { "ann", { .user = "ann" }, NJ_AUTH_DENIED, "ann" },
    { "ann", { .pass = "x" }, NJ_AUTH_DENIED, NULL },
    { "ann", { .token = "x" }, NJ_AUTH_DENIED, NULL },
    { "bob", { .user = NULL }, NJ_AUTH_OK, "bob" },
    { "web", { .user = NULL }, NJ_AUTH_DENIED, NULL },
    { NKEY, { .user = NULL }, NJ_AUTH_OK, NKEY },
    { NKEY, { .nkey = NKEY }, NJ_AUTH_OK, NKEY },
    { "eve", { .user = NULL }, NJ_AUTH_DENIED, NULL },
};

START_TEST(who_comes_in_as_whom)
{
    struct nj_auth *a = table_of(tries[_i].no_auth_user, NULL);
    struct nj_auth_result r;

    ck_assert_int_eq(nj_auth_check(a, &tries[_i].cred, &r), tries[_i].answer);

    if (tries[_i].label != NULL) {
        ck_assert_str_eq(nj_user_label(r.user), tries[_i].label);
    } else {
        ck_assert_ptr_null(r.user);
    }
    nj_auth_unref(&a);
}
END_TEST

START_TEST(a_signature_is_checked_with_the_users_key_over_the_nonce)
{
    struct nj_auth *a = table_of(NULL, NULL);
    const struct nj_credentials cred = { .nkey = NKEY, .sig = SIG, .nonce = "PXoWU7zWAMt75FY" };
    struct nj_auth_result r;

    ck_assert_int_eq(nj_auth_check(a, &cred, &r), NJ_AUTH_OK);

    ck_assert_ptr_eq(verified_key, r.user->key);
    ck_assert_uint_eq(verified_key[0], 0x03);
    ck_assert_str_eq(verified_text, "PXoWU7zWAMt75FY");
    ck_assert(nj_auth_has_nkeys(a) && nj_auth_has_hashes(a) && nj_auth_has_plain_secret(a));
    nj_auth_unref(&a);
}
END_TEST

START_TEST(a_certificates_user_still_needs_its_password)
{
    struct nj_auth *a = table_of("nil", NULL);
    struct nj_auth_result r;
    struct nj_credentials cred = { .user = "bob", .mapped = nj_auth_user(a, "ann", 3) };
    ck_assert_int_eq(nj_auth_check(a, &cred, &r), NJ_AUTH_DENIED);
    cred.pass = "secret";
    ck_assert_int_eq(nj_auth_check(a, &cred, &r), NJ_AUTH_OK);
    ck_assert_str_eq(r.user->name, "ann");
    cred = (struct nj_credentials){ .mapped = nj_auth_user(a, "nil", 3) };
    ck_assert_int_eq(nj_auth_check(a, &cred, &r), NJ_AUTH_OK);
    cred.pass = "x";
    ck_assert_int_eq(nj_auth_check(a, &cred, &r), NJ_AUTH_DENIED);
    nj_auth_unref(&a);
}
END_TEST

START_TEST(a_token_beside_a_table_counts_for_those_without_a_name)
{
    struct nj_auth *a = table_of(NULL, "t0ken");
    ck_assert_int_eq(ask(a, NULL, NULL, "t0ken"), NJ_AUTH_OK);
    ck_assert_int_eq(ask(a, "eve", NULL, "t0ken"), NJ_AUTH_DENIED);
    ck_assert_int_eq(ask(a, "ann", "secret", NULL), NJ_AUTH_OK);
    nj_auth_unref(&a);
}
END_TEST

START_TEST(users_are_found_by_all_of_their_name)
{
    struct nj_auth *a = table_of(NULL, NULL);
    size_t n = 0;
    struct nj_user *const *all = nj_auth_users(a, &n);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(nj_user_label(all[0]), "ann");
    ck_assert_str_eq(nj_user_label(all[4]), NKEY);
    ck_assert_ptr_eq(nj_auth_user(a, "ann", 3), all[0]);
    ck_assert_ptr_eq(nj_auth_user(a, "annette", 3), all[0]);
    ck_assert_ptr_null(nj_auth_user(a, "ann", 2));
    ck_assert_ptr_null(nj_auth_user(a, "ann\0", 4));
    ck_assert_ptr_null(nj_auth_user(a, "", 0));
    ck_assert_ptr_null(nj_auth_user(a, NKEY, strlen(NKEY)));
    ck_assert_ptr_eq(nj_auth_nkey(a, NKEY), all[4]);
    ck_assert_ptr_null(nj_auth_nkey(a, "ann"));
    nj_auth_unref(&a);
}
END_TEST

START_TEST(a_user_outlives_the_table_for_whoever_holds_it)
{
    struct nj_auth *a = table_of(NULL, NULL);
    struct nj_user *ann = nj_user_ref(nj_auth_user(a, "ann", 3));
    struct nj_auth *again = nj_auth_ref(a);
    nj_auth_unref(&a);
    ck_assert_ptr_eq(nj_auth_user(again, "ann", 3), ann);
    nj_auth_unref(&again);
    ck_assert_str_eq(ann->name, "ann");
    nj_user_unref(&ann);
    ck_assert_ptr_null(ann);
}
END_TEST

/* ---- after a reload ------------------------------------------------------------------------------------- */

/* A configuration in short: "u:NAME:PASS", "t:TOKEN", "1:NAME:PASS" (the single user), "n:NAME" (the
 * no_auth_user); NULL ends it. */
struct config {
    const char *at[4];
};

static struct nj_auth *auth_of(const struct config *c)
{
    struct nj_user *users[4];
    struct nj_auth_config config = { .users = users };
    char texts[4][2][20];
    for (int i = 0; i < 4 && c->at[i] != NULL; i++) {
        (void) sscanf(c->at[i] + 2, "%19[^:]:%19s", texts[i][0], texts[i][1]);
        const char *pass = strchr(c->at[i] + 2, ':') != NULL ? texts[i][1] : NULL;
        switch (c->at[i][0]) {
        case 'u':
        case 'w': /* by WebSocket alone */
            users[config.users_n] = nj_user_new(texts[i][0], NULL, pass, NULL);
            users[config.users_n++]->types = c->at[i][0] == 'w' ? NJ_TYPE_WEBSOCKET : 0;
            break;
        case 't':
            config.token = texts[i][0];
            break;
        case 'n':
            config.no_auth_user = texts[i][0];
            break;
        default:
            config.user = texts[i][0];
            config.pass = pass;
            break;
        }
    }
    struct nj_auth *a = nj_auth_build(&config);
    for (size_t i = 0; i < config.users_n; i++) {
        nj_user_unref(&users[i]);
    }
    return a;
}

static const struct {
    struct config before;
    const char *user; /* of the table, whom it was let in as */
    const char *name; /* that it gave */
    struct config now;
    enum nj_recheck verdict;
    const char *is; /* whom it is then */
} rechecks[] = {
    { { { "u:a:x" } }, "a", "a", { { "u:a:x" } }, NJ_RECHECK_STAYS, "a" },
    { { { "u:a:x" } }, "a", "a", { { "u:b:y", "u:a:x" } }, NJ_RECHECK_STAYS, "a" },
    { { { "u:a:x" } }, "a", "a", { { "u:a:y" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "u:a" } }, "a", "a", { { "u:a:y" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "u:a:x" } }, "a", "a", { { "u:b:x" } }, NJ_RECHECK_GONE, NULL },
    { { { "u:a:x" } }, "a", "a", { { NULL } }, NJ_RECHECK_GONE, NULL },
    { { { "u:a:x" } }, "a", "a", { { "1:a:x" } }, NJ_RECHECK_GONE, NULL },
    { { { "u:a:x", "n:a" } }, "a", NULL, { { "u:a:x", "n:a" } }, NJ_RECHECK_STAYS, "a" },
    { { { "u:a:x", "n:a" } }, "a", NULL, { { "u:a:x" } }, NJ_RECHECK_STAYS, "a" },
    { { { NULL } }, NULL, NULL, { { NULL } }, NJ_RECHECK_STAYS, NULL },
    { { { NULL } }, NULL, "a", { { NULL } }, NJ_RECHECK_STAYS, NULL },
    { { { NULL } }, NULL, NULL, { { "u:a:x" } }, NJ_RECHECK_REFUSED, NULL },
    { { { NULL } }, NULL, NULL, { { "u:a:x", "n:a" } }, NJ_RECHECK_STAYS, "a" },
    { { { NULL } }, NULL, NULL, { { "t:t" } }, NJ_RECHECK_REFUSED, NULL },
    { { { NULL } }, NULL, NULL, { { "1:a:x" } }, NJ_RECHECK_REFUSED, NULL },
    { { { NULL } }, NULL, "a", { { "u:a:x" } }, NJ_RECHECK_REFUSED, NULL },
    { { { NULL } }, NULL, "a", { { "u:b:x" } }, NJ_RECHECK_GONE, NULL },
    { { { NULL } }, NULL, "a", { { "1:a:x" } }, NJ_RECHECK_GONE, NULL },
    { { { "1:a:x" } }, NULL, "a", { { "1:a:x" } }, NJ_RECHECK_STAYS, NULL },
    { { { "1:a:x" } }, NULL, "a", { { "1:a:y" } }, NJ_RECHECK_GONE, NULL },
    { { { "1:a:x" } }, NULL, "a", { { "1:b:x" } }, NJ_RECHECK_GONE, NULL },
    { { { "1:a:x" } }, NULL, "a", { { NULL } }, NJ_RECHECK_GONE, NULL },
    { { { "1:a:x" } }, NULL, "a", { { "t:t" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "1:a:x" } }, NULL, "a", { { "u:a:x" } }, NJ_RECHECK_STAYS, "a" },
    { { { "1:a:x" } }, NULL, "a", { { "u:a:y" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "1:a:x" } }, NULL, "a", { { "w:a:x" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "u:a:x" } }, "a", "a", { { "w:a:x" } }, NJ_RECHECK_REFUSED, NULL },
    { { { NULL } }, NULL, NULL, { { "w:a:x", "n:a" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "t:t" } }, NULL, NULL, { { "t:t" } }, NJ_RECHECK_STAYS, NULL },
    { { { "t:t" } }, NULL, NULL, { { "t:s" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "t:t" } }, NULL, NULL, { { "u:a:x", "n:a" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "t:t" } }, NULL, NULL, { { NULL } }, NJ_RECHECK_STAYS, NULL },
    { { { "t:t" } }, NULL, "a", { { "t:t" } }, NJ_RECHECK_STAYS, NULL },
    { { { "t:t" } }, NULL, "a", { { "t:s" } }, NJ_RECHECK_REFUSED, NULL },
    { { { "t:t" } }, NULL, "a", { { "u:a:t" } }, NJ_RECHECK_REFUSED, NULL },
};

START_TEST(who_stays_after_a_reload)
{
    struct nj_auth *before = auth_of(&rechecks[_i].before);
    struct nj_auth *now = auth_of(&rechecks[_i].now);
    const char *user = rechecks[_i].user;
    struct nj_user *is = NULL;
    struct nj_admission was = { .auth = before, .name = rechecks[_i].name };
    was.user = user != NULL ? nj_auth_user(before, user, strlen(user)) : NULL;

    ck_assert_int_eq(nj_auth_recheck(&was, now, &is), rechecks[_i].verdict);

    if (rechecks[_i].verdict == NJ_RECHECK_STAYS) {
        const char *want = rechecks[_i].is;
        ck_assert_ptr_eq(is, want != NULL ? nj_auth_user(now, want, strlen(want)) : NULL);
        ck_assert_int_eq(nj_auth_recheck(&was, before, &is), NJ_RECHECK_STAYS);
    }
    nj_auth_unref(&before);
    nj_auth_unref(&now);
}
END_TEST

START_TEST(a_reload_looks_at_the_account_the_type_and_who_was_made)
{
    struct nj_auth *a = table_of(NULL, NULL);
    struct nj_auth *b = table_of(NULL, NULL);
    struct nj_user *made = nj_user_new("eve", NULL, NULL, NULL);
    struct nj_user *is = NULL;
    struct nj_admission was = { .auth = a, .user = nj_auth_user(a, "ann", 3), .name = "ann" };
    made->flags = NJ_USER_MADE;

    nj_auth_user(b, "ann", 3)->types = NJ_TYPE_MQTT;
    ck_assert_int_eq(nj_auth_recheck(&was, b, &is), NJ_RECHECK_REFUSED);
    was.type = NJ_TYPE_MQTT;
    ck_assert_int_eq(nj_auth_recheck(&was, b, &is), NJ_RECHECK_STAYS);
    nj_auth_user(b, "ann", 3)->account[1] = 'H';
    ck_assert_int_eq(nj_auth_recheck(&was, b, &is), NJ_RECHECK_GONE);
    was = (struct nj_admission){ .auth = a, .user = made, .name = "eve" };
    ck_assert_int_eq(nj_auth_recheck(&was, b, &is), NJ_RECHECK_STAYS);
    ck_assert_ptr_eq(is, made);
    was = (struct nj_admission){ .auth = a, .user = nj_auth_nkey(a, NKEY) };
    ck_assert_int_eq(nj_auth_recheck(&was, b, &is), NJ_RECHECK_STAYS);
    ck_assert_ptr_eq(is, nj_auth_nkey(b, NKEY));
    nj_user_unref(&made);
    nj_auth_unref(&a);
    nj_auth_unref(&b);
}
END_TEST

START_TEST(types_have_names)
{
    ck_assert_uint_eq(nj_user_type("STANDARD"), NJ_TYPE_STANDARD);
    ck_assert_uint_eq(nj_user_type("leafnode_ws"), NJ_TYPE_LEAFNODE_WS);
    ck_assert_uint_eq(nj_user_type("IN_PROCESS"), NJ_TYPE_IN_PROCESS);
    ck_assert_uint_eq(nj_user_type("CARRIER_PIGEON"), 0);
    ck_assert_uint_eq(nj_user_type(""), 0);
}
END_TEST

/* Openwall's and others' published vectors. */
START_TEST(bcrypt_vectors)
{
    static const struct {
        const char *hash, *secret;
        bool match;
    } table[] = {
        { "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", true },
        { "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*", true },
        { "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U", true },
        { "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", "", true },
        { "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3", true },
        { "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3", true },
        { "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*u", false },
        { "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "", false },
        { "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe", "U*U", false },
        { "$2a$05$CCCC", "U*U", false },
        { "$2a$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", false },
        { "*0", "U*U", false },
        { "*1", "U*U", false },
        { "", "U*U", false },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        bool got = nj_bcrypt_match(table[i].hash, table[i].secret);
        ck_assert_msg(got == table[i].match, "row %zu", i);
    }
}
END_TEST

/* ---- the thread ------------------------------------------------------------------------------------------ */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned matches, denials;

static void count(void *arg, bool match)
{
    (void) arg;
    (void) atomic_fetch_add(match ? &matches : &denials, 1);
}

static atomic_bool at_gate;

static void wait_at_gate(void *arg, bool match)
{
    atomic_store(&at_gate, true);
    (void) pthread_mutex_lock(&gate);
    count(arg, match);
    (void) pthread_mutex_unlock(&gate);
}

#define U_HASH "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

START_TEST(what_does_not_fit_into_the_queue_is_refused_and_what_waits_at_the_end_is_denied)
{
    static struct nj_bcrypt_job jobs[5000], first, late;
    struct nj_bcrypt *b = nj_bcrypt_start();
    unsigned taken = 0;
    (void) pthread_mutex_lock(&gate);
    ck_assert(nj_bcrypt_submit(b, &first, U_HASH, "U*U", wait_at_gate, NULL));

    while (taken < 5000 && nj_bcrypt_submit(b, &jobs[taken], U_HASH, "U*U", count, NULL)) {
        taken++;
    }

    ck_assert_uint_ge(taken, 1023); /* the first may be out of the queue already or not yet */
    ck_assert_uint_le(taken, 1024);
    ck_assert(!nj_bcrypt_submit(b, &late, U_HASH, "U*U", count, NULL) || taken == 1023);
    (void) pthread_mutex_unlock(&gate);
    nj_bcrypt_free(&b);
    ck_assert_ptr_null(b);
    unsigned answered = atomic_load(&matches) + atomic_load(&denials);
    ck_assert_uint_ge(answered, taken + 1);
    ck_assert_uint_le(answered, taken + 2);
    ck_assert_uint_gt(atomic_load(&denials), 0);
}
END_TEST

START_TEST(who_comes_after_the_end_finds_no_room)
{
    static struct nj_bcrypt_job before, after;
    struct nj_bcrypt *b = nj_bcrypt_start();
    ck_assert(nj_bcrypt_submit(b, &before, U_HASH, "U*U", count, NULL));

    nj_bcrypt_stop(b);

    ck_assert_uint_eq(atomic_load(&matches) + atomic_load(&denials), 1);
    ck_assert(!nj_bcrypt_submit(b, &after, U_HASH, "U*U", count, NULL));
    ck_assert(!nj_bcrypt_take_back(&after));
    nj_bcrypt_stop(b);
    nj_bcrypt_free(&b);
    ck_assert_uint_eq(atomic_load(&matches) + atomic_load(&denials), 1);
}
END_TEST

START_TEST(each_gets_its_own_answer)
{
    struct nj_bcrypt *b = nj_bcrypt_start();
    struct nj_bcrypt_job jobs[3];
    char secret[] = "U*U";
    ck_assert(nj_bcrypt_submit(b, &jobs[0], U_HASH, secret, count, NULL));
    memset(secret, 'x', 3); /* it was copied */
    ck_assert(nj_bcrypt_submit(b, &jobs[1], U_HASH, secret, count, NULL));
    ck_assert(nj_bcrypt_submit(b, &jobs[2], U_HASH, "U*U", count, NULL));
    while (atomic_load(&matches) + atomic_load(&denials) < 3) {
        (void) sched_yield();
    }
    nj_bcrypt_free(&b);

    ck_assert_uint_eq(atomic_load(&matches), 2);
    ck_assert_uint_eq(atomic_load(&denials), 1);
    nj_bcrypt_free(&b);
}
END_TEST

/* The thread stands at the gate, and what is submitted now waits. */
static struct nj_bcrypt *start_busy(struct nj_bcrypt_job *busy)
{
    struct nj_bcrypt *b = nj_bcrypt_start();
    (void) pthread_mutex_lock(&gate);
    ck_assert(nj_bcrypt_submit(b, busy, U_HASH, "U*U", wait_at_gate, NULL));
    while (!atomic_load(&at_gate)) {
        (void) sched_yield();
    }
    return b;
}

static char name_x[] = "x";
static char name_g[] = "g";
static char order[16];
static _Atomic unsigned order_n;

static void note(void *arg, bool match)
{
    order[atomic_load(&order_n)] = match ? *(const char *) arg : '-';
    (void) atomic_fetch_add(&order_n, 1);
}

static void let_run(struct nj_bcrypt **bp, unsigned n)
{
    (void) pthread_mutex_unlock(&gate);
    while (atomic_load(&order_n) < n) {
        (void) sched_yield();
    }
    nj_bcrypt_free(bp);
}

START_TEST(a_job_that_is_taken_back_is_not_hashed_and_makes_room)
{
    static struct nj_bcrypt_job busy, jobs[1024], good;
    struct nj_bcrypt *b = start_busy(&busy);
    for (size_t i = 0; i < 1024; i++) {
        ck_assert(nj_bcrypt_submit(b, &jobs[i], U_HASH, "U*U", note, name_x));
    }
    ck_assert(!nj_bcrypt_submit(b, &good, U_HASH, "U*U", note, name_g));

    for (size_t i = 0; i < 1024; i++) {
        bool stays = i == 500 || i == 1023;
        ck_assert(stays || nj_bcrypt_take_back(&jobs[i]));
        ck_assert(stays || !nj_bcrypt_take_back(&jobs[i]));
    }

    ck_assert(nj_bcrypt_submit(b, &good, U_HASH, "U*U", note, name_g));
    let_run(&b, 3);
    ck_assert_str_eq(order, "xxg");
    ck_assert_uint_eq(atomic_load(&order_n), 3);
}
END_TEST

START_TEST(a_job_that_has_begun_is_not_taken_back)
{
    static struct nj_bcrypt_job busy;
    struct nj_bcrypt *b = start_busy(&busy);

    ck_assert(!nj_bcrypt_take_back(&busy));

    let_run(&b, 0);
    ck_assert_uint_eq(atomic_load(&matches), 1);
}
END_TEST

START_TEST(what_is_put_off_comes_after_all_others)
{
    static struct nj_bcrypt_job busy, jobs[5];
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    struct nj_bcrypt *b = start_busy(&busy);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(nj_bcrypt_submit(b, &jobs[i], U_HASH, "U*U", note, (void *) (uintptr_t) names[i]));
    }

    ck_assert(nj_bcrypt_put_off(&jobs[1]));
    ck_assert(nj_bcrypt_put_off(&jobs[0]));
    ck_assert(nj_bcrypt_put_off(&jobs[3]));
    ck_assert(nj_bcrypt_put_off(&jobs[1])); /* once is enough */
    ck_assert(nj_bcrypt_take_back(&jobs[0]));

    ck_assert(nj_bcrypt_submit(b, &jobs[4], U_HASH, "U*U", note, (void *) (uintptr_t) names[4]));
    let_run(&b, 4);
    ck_assert_str_eq(order, "cebd");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("auth");
    TCase *tc = tcase_create("auth");
    tcase_add_test(tc, without_configuration_everybody_may_enter);
    tcase_add_test(tc, user_and_password_must_both_be_right);
    tcase_add_test(tc, a_user_without_password_has_the_empty_one);
    tcase_add_test(tc, a_token_is_compared_to_its_last_byte);
    tcase_add_test(tc, a_length_that_differs_by_256_is_another_secret);
    tcase_add_test(tc, bcrypt_is_known_by_its_head);
    tcase_add_test(tc, a_hash_is_left_to_the_bcrypt_thread);
    suite_add_tcase(s, tc);
    tc = tcase_create("table");
    tcase_add_loop_test(tc, who_comes_in_as_whom, 0, sizeof(tries) / sizeof(tries[0]));
    tcase_add_test(tc, a_signature_is_checked_with_the_users_key_over_the_nonce);
    tcase_add_test(tc, a_certificates_user_still_needs_its_password);
    tcase_add_test(tc, a_token_beside_a_table_counts_for_those_without_a_name);
    tcase_add_test(tc, users_are_found_by_all_of_their_name);
    tcase_add_test(tc, a_user_outlives_the_table_for_whoever_holds_it);
    tcase_add_test(tc, types_have_names);
    suite_add_tcase(s, tc);
    tc = tcase_create("reload");
    tcase_add_loop_test(tc, who_stays_after_a_reload, 0, sizeof(rechecks) / sizeof(rechecks[0]));
    tcase_add_test(tc, a_reload_looks_at_the_account_the_type_and_who_was_made);
    suite_add_tcase(s, tc);
    tc = tcase_create("bcrypt");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bcrypt_vectors);
    tcase_add_test(tc, what_does_not_fit_into_the_queue_is_refused_and_what_waits_at_the_end_is_denied);
    tcase_add_test(tc, who_comes_after_the_end_finds_no_room);
    tcase_add_test(tc, each_gets_its_own_answer);
    tcase_add_test(tc, a_job_that_is_taken_back_is_not_hashed_and_makes_room);
    tcase_add_test(tc, a_job_that_has_begun_is_not_taken_back);
    tcase_add_test(tc, what_is_put_off_comes_after_all_others);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
