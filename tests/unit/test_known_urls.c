/* verify_cert_and_check_known_urls: every row of tests/corpus/names/urls.tsv. */
#include "tls/known_urls.h"

#include <string.h>

#include "tests/unit/names.h"
#include "tls/cert.h"

enum { MOST = 4 };

static struct names_table rows;

/* Cut a list at its blanks. */
static size_t split(char *list, char *out[MOST])
{
    size_t n = 0;
    for (char *at = strtok(list, " "); at != NULL && n < MOST; at = strtok(NULL, " ")) {
        out[n++] = at;
    }
    return n;
}

static char *without_brackets(char *host)
{
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        return host + 1;
    }
    return host;
}

static bool match(char *san_list, char *host_list)
{
    char *sans[MOST], *hosts[MOST];
    struct nj_san list[MOST];
    struct nj_cert cert = { .sans = list, .sans_n = split(san_list, sans) };
    size_t hosts_n = split(host_list, hosts);
    for (size_t i = 0; i < cert.sans_n; i++) {
        list[i] = (struct nj_san){ NJ_SAN_DNS, { (const uint8_t *) sans[i], strlen(sans[i]) } };
    }
    for (size_t i = 0; i < hosts_n; i++) {
        hosts[i] = without_brackets(hosts[i]);
    }
    return nj_known_urls_match(&cert, (const char *const *) hosts, hosts_n);
}

START_TEST(a_row_of_the_table_is_decided_as_the_reference_decides)
{
    char **fields = rows.rows[_i].fields;
    bool expected = strcmp(fields[3], "accept") == 0;
    if (strcmp(fields[0], "ip-wildcard") == 0) {
        expected = false; /* the reference takes an address for labels */
    }

    ck_assert_msg(match(fields[1], fields[2]) == expected, "%s", fields[0]);
}
END_TEST

START_TEST(the_table_is_there)
{
    ck_assert_int_gt(rows.n, 25);
}
END_TEST

START_TEST(only_dns_sans_count)
{
    struct nj_san san = { NJ_SAN_EMAIL, { (const uint8_t *) "a.test", 6 } };
    const struct nj_cert cert = { .sans = &san, .sans_n = 1 };
    const char *const hosts[] = { "a.test" };
    ck_assert(!nj_known_urls_match(&cert, hosts, 1));

    san.kind = NJ_SAN_URI;
    ck_assert(!nj_known_urls_match(&cert, hosts, 1));

    san.kind = NJ_SAN_DNS;
    ck_assert(nj_known_urls_match(&cert, hosts, 1));
}
END_TEST

START_TEST(a_nul_does_not_end_a_san)
{
    struct nj_san san = { NJ_SAN_DNS, { (const uint8_t *) "a.test\0.evil", 12 } };
    const struct nj_cert cert = { .sans = &san, .sans_n = 1 };
    const char *const hosts[] = { "a.test" };

    ck_assert(!nj_known_urls_match(&cert, hosts, 1));
}
END_TEST

START_TEST(nothing_matches_nothing)
{
    struct nj_san san = { NJ_SAN_DNS, { (const uint8_t *) "", 0 } };
    const struct nj_cert empty_name = { .sans = &san, .sans_n = 1 };
    const struct nj_cert no_names = { .sans_n = 0 };
    const char *const hosts[] = { "", "a.test" };

    ck_assert(!nj_known_urls_match(&empty_name, hosts, 2));
    ck_assert(!nj_known_urls_match(&no_names, hosts, 2));
    ck_assert(!nj_known_urls_match(&no_names, NULL, 0));
}
END_TEST

int main(void)
{
    names_read(&rows, "urls.tsv");
    TCase *tc = tcase_create("known_urls");
    tcase_add_test(tc, the_table_is_there);
    tcase_add_loop_test(tc, a_row_of_the_table_is_decided_as_the_reference_decides, 0, rows.n);
    tcase_add_test(tc, only_dns_sans_count);
    tcase_add_test(tc, a_nul_does_not_end_a_san);
    tcase_add_test(tc, nothing_matches_nothing);
    int failed = run_cases("known_urls", tc);
    free(rows.rows);
    return failed;
}
