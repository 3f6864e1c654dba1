/* verify_and_map: every row of tests/corpus/names/mapping.tsv, and who may come. */
#include "tls/map.h"

#include <string.h>

#include "base/buf.h"
#include "tests/unit/map_users.h"
#include "tests/unit/names.h"
#include "tls/der.h"

static struct names_table rows, differences;
static struct nj_map_names *names;
static struct certs file;
static struct nj_buf said;

static void setup(void)
{
    map_users_n = 0;
    names = nj_map_names_new();
    nj_buf_init(&said, 65536);
}

static void teardown(void)
{
    nj_map_names_free(&names);
    nj_buf_free(&said);
    certs_free(&file);
}

static void hear(void *arg, const char *text)
{
    (void) arg;
    (void) nj_buf_printf(&said, "%s%s", said.len > 0 ? " | " : "", text);
}

static struct map_user *add_user(const char *name, size_t len)
{
    ck_assert_uint_lt(map_users_n, MAP_USERS_MOST);
    struct map_user *u = &map_users[map_users_n++];
    *u = (struct map_user){ { (const uint8_t *) name, len }, true };
    nj_map_names_add(names, u->name, u);
    return u;
}

static struct map_user *add(const char *name)
{
    return add_user(name, strlen(name));
}

static const void *ask(const char *cert)
{
    nj_map_names_seal(names);
    names_load(&file, cert);
    const struct nj_map_ask question = { .chain = file.certs,
                                         .chain_n = file.n,
                                         .names = names,
                                         .find = map_find_user,
                                         .may = map_user_may,
                                         .name = map_user_name,
                                         .say = hear };
    return nj_map_user(&question);
}

/* " | " between the names. */
static void add_list(char *list)
{
    while (list != NULL) {
        char *next = strstr(list, " | ");
        if (next != NULL) {
            *next = '\0';
            next += 3;
        }
        add_user(list, names_unescape(list));
        list = next;
    }
}

START_TEST(a_row_of_the_table_is_decided_as_the_reference_decides)
{
    const struct names_row *row = &rows.rows[_i];
    const struct names_row *ours = names_find(&differences, row->fields[0]);
    char *mapped = ours != NULL ? ours->fields[1] : row->fields[3];
    const char *lines = ours != NULL ? ours->fields[2] : row->fields[4];
    add_list(row->fields[2]);

    const struct map_user *user = ask(row->fields[1]);

    ck_assert_msg(said.ptr != NULL && strcmp(said.ptr, lines) == 0, "%s: said\n%s\nnot\n%s",
                  row->fields[0], said.ptr, lines);
    if (strcmp(mapped, "-") == 0) {
        ck_assert_msg(user == NULL, "%s: mapped", row->fields[0]);
        return;
    }
    size_t len = names_unescape(mapped);
    ck_assert_msg(user != NULL, "%s: not mapped", row->fields[0]);
    ck_assert_msg(nj_span_equal(user->name, (struct nj_span){ (const uint8_t *) mapped, len }),
                  "%s: mapped to %.*s", row->fields[0], (int) user->name.len, user->name.ptr);
}
END_TEST

START_TEST(the_table_is_there)
{
    ck_assert_int_gt(rows.n, 150);
    ck_assert_int_gt(differences.n, 0);
    for (int i = 0; i < differences.n; i++) {
        ck_assert_msg(names_find(&rows, differences.rows[i].fields[0]) != NULL, "no row %s",
                      differences.rows[i].fields[0]);
    }
}
END_TEST

START_TEST(a_user_who_may_not_come_is_passed_over_for_a_later_step)
{
    add("bob@example.com")->may = false;
    const struct map_user *second = add("host.example.com");

    ck_assert_ptr_eq(ask("bob"), second);
    ck_assert_str_eq(said.ptr, "Using SAN found in cert for auth [\"host.example.com\"]");
}
END_TEST

START_TEST(a_user_who_may_not_come_is_passed_over_for_a_name_in_other_order)
{
    add("CN=carol")->may = false;
    const struct map_user *second = add("CN = carol");

    ck_assert_ptr_eq(ask("carol"), second);
}
END_TEST

START_TEST(a_user_who_may_not_come_is_nobody_by_subject_text)
{
    add("CN=multi,OU=u1,O=Acme")->may = false;

    ck_assert_ptr_null(ask("multi"));
}
END_TEST

START_TEST(of_several_reordered_names_the_first_configured_is_taken)
{
    const struct map_user *first = add("O=Example,OU=Eng,CN=bob");
    add("OU=Eng,O=Example,CN=bob");

    ck_assert_ptr_eq(ask("bob"), first);
}
END_TEST

START_TEST(without_a_certificate_nobody_is_found)
{
    const struct nj_map_ask question = {
        .names = names,
        .find = map_find_user,
        .may = map_user_may,
        .name = map_user_name,
        .say = hear
    };

    ck_assert_ptr_null(nj_map_user(&question));
    ck_assert_str_eq(said.ptr, "User required in cert, no peer certificates found");
}
END_TEST

START_TEST(without_distinguished_names_the_texts_still_count)
{
    names_load(&file, "dup");
    const struct map_user *user = add("CN=dup,OU=x\\, y,O=B+O=A,C=US");
    add("CN=dup,OU=x\\, y,O=A,O=B,C=US");
    const struct nj_map_ask question = {
        .chain = file.certs,
        .chain_n = 1,
        .find = map_find_user,
        .may = map_user_may,
        .name = map_user_name
    };

    ck_assert_ptr_eq(nj_map_user(&question), user);
}
END_TEST

START_TEST(an_unreadable_certificate_is_nobody)
{
    static const uint8_t junk[] = { 0x30, 0x03, 0x02, 0x01, 0x00 };
    const struct nj_span chain = { junk, sizeof(junk) };
    add("CN=carol");
    const struct nj_map_ask question = { .chain = &chain,
                                         .chain_n = 1,
                                         .names = names,
                                         .find = map_find_user,
                                         .may = map_user_may,
                                         .name = map_user_name };

    ck_assert_ptr_null(nj_map_user(&question));
}
END_TEST

START_TEST(only_names_that_are_distinguished_names_are_kept)
{
    add("carol");
    add("bob@example.com");
    add("spiffe://ex/bob");
    add("CN=");
    ck_assert_uint_eq(nj_map_names_count(names), 0);

    add("CN=carol");
    ck_assert_uint_eq(nj_map_names_count(names), 1);
}
END_TEST

int main(void)
{
    names_read(&rows, "mapping.tsv");
    names_read(&differences, "differences.tsv");
    TCase *tc = tcase_create("map");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_table_is_there);
    tcase_add_loop_test(tc, a_row_of_the_table_is_decided_as_the_reference_decides, 0, rows.n);
    tcase_add_test(tc, a_user_who_may_not_come_is_passed_over_for_a_later_step);
    tcase_add_test(tc, a_user_who_may_not_come_is_passed_over_for_a_name_in_other_order);
    tcase_add_test(tc, a_user_who_may_not_come_is_nobody_by_subject_text);
    tcase_add_test(tc, of_several_reordered_names_the_first_configured_is_taken);
    tcase_add_test(tc, without_a_certificate_nobody_is_found);
    tcase_add_test(tc, without_distinguished_names_the_texts_still_count);
    tcase_add_test(tc, an_unreadable_certificate_is_nobody);
    tcase_add_test(tc, only_names_that_are_distinguished_names_are_kept);
    int failed = run_cases("map", tc);
    free(rows.rows);
    free(differences.rows);
    return failed;
}
