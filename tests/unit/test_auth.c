/* test_auth.c: who may connect, and bcrypt on its own thread. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/bcrypt.h"

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

static void wait_at_gate(void *arg, bool match)
{
    (void) pthread_mutex_lock(&gate);
    count(arg, match);
    (void) pthread_mutex_unlock(&gate);
}

#define U_HASH "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

START_TEST(what_does_not_fit_into_the_queue_is_refused_and_what_waits_at_the_end_is_denied)
{
    struct nj_bcrypt *b = nj_bcrypt_start();
    unsigned taken = 0;
    (void) pthread_mutex_lock(&gate);
    ck_assert(nj_bcrypt_submit(b, U_HASH, "U*U", wait_at_gate, NULL));

    while (taken < 5000 && nj_bcrypt_submit(b, U_HASH, "U*U", count, NULL)) {
        taken++;
    }

    ck_assert_uint_ge(taken, 1023); /* the first may be out of the queue already or not yet */
    ck_assert_uint_le(taken, 1024);
    ck_assert(!nj_bcrypt_submit(b, U_HASH, "U*U", count, NULL) || taken == 1023);
    (void) pthread_mutex_unlock(&gate);
    nj_bcrypt_stop(&b);
    ck_assert_ptr_null(b);
    unsigned answered = atomic_load(&matches) + atomic_load(&denials);
    ck_assert_uint_ge(answered, taken + 1);
    ck_assert_uint_le(answered, taken + 2);
    ck_assert_uint_gt(atomic_load(&denials), 0);
}
END_TEST

START_TEST(each_gets_its_own_answer)
{
    struct nj_bcrypt *b = nj_bcrypt_start();
    char secret[] = "U*U";
    ck_assert(nj_bcrypt_submit(b, U_HASH, secret, count, NULL));
    memset(secret, 'x', 3); /* it was copied */
    ck_assert(nj_bcrypt_submit(b, U_HASH, secret, count, NULL));
    ck_assert(nj_bcrypt_submit(b, U_HASH, "U*U", count, NULL));
    while (atomic_load(&matches) + atomic_load(&denials) < 3) {
        (void) sched_yield();
    }
    nj_bcrypt_stop(&b);

    ck_assert_uint_eq(atomic_load(&matches), 2);
    ck_assert_uint_eq(atomic_load(&denials), 1);
    nj_bcrypt_stop(&b);
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
    tc = tcase_create("bcrypt");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bcrypt_vectors);
    tcase_add_test(tc, what_does_not_fit_into_the_queue_is_refused_and_what_waits_at_the_end_is_denied);
    tcase_add_test(tc, each_gets_its_own_answer);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
