/*
 * The auth mapper "rules" (plugins/authmap-rules): options that are refused have words with a place,
 * others give one answer about any certificate, no name of it brings more into the answer than one
 * word, and a rule that refuses goes on refusing when a control character is put into a name.
 *
 * Input: options in the language of the configuration, a NUL, then names as lines "TYPE=VALUE".
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "ops/options_mappers.h"
#include "plugin/host.h"
#include "plugins/authmap-rules/rules.h"
#include "tests/fuzz/fuzz.h"

#define NAMES_MOST 64

static const struct nj_authmap *map;
static int answers;
static int reports;

/* Without line ends or other control characters. */
static void look_at_text(const char *text, const char *what)
{
    for (size_t i = 0; text != NULL && text[i] != '\0'; i++) {
        FUZZ_CHECK((unsigned char) text[i] >= 0x20 && text[i] != 0x7f, "%s has byte %d", what,
                   text[i]);
    }
}

static void look_at_list(const char *const *at, size_t n)
{
    FUZZ_CHECK(at != NULL || n == 0, "%zu subjects out of nowhere", n);
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(at[i] != NULL && strlen(at[i]) <= SUBJECT_LEN_MOST, "subject %zu", i);
    }
}

static int take_answer(const char *plugin, uint64_t handle, const struct nj_authmap_answer *a)
{
    (void) plugin;
    FUZZ_CHECK(handle == 42, "handle %llu", (unsigned long long) handle);
    answers++;
    FUZZ_CHECK(a->verdict >= NJ_AUTHMAP_DEFER && a->verdict <= NJ_AUTHMAP_ALLOW_OWN, "verdict %u",
               a->verdict);
    if (a->verdict >= NJ_AUTHMAP_ALLOW_CONFIGURED) {
        FUZZ_CHECK(a->user != NULL && strlen(a->user) <= RESULT_LEN_MOST, "no user, or a long one");
        look_at_text(a->user, "the user");
        look_at_text(a->account, "the account");
    }
    if (a->permissions != NULL) {
        look_at_list(a->permissions->publish_allow, a->permissions->publish_allow_n);
        look_at_list(a->permissions->subscribe_deny, a->permissions->subscribe_deny_n);
    }
    return NJ_OK;
}

static void note(const struct nj_authmap_report *report, const struct nj_authmap_value *at,
                 const char *text)
{
    (void) report;
    FUZZ_CHECK(at != NULL && text != NULL && text[0] != '\0', "a report without place or words");
    reports++;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct nj_error err = NJ_ERROR_INIT;
    (void) argc;
    (void) argv;
    (void) clearenv();
    map = nj_plugin_v1()->iface;
    (void) map->init(nj_host_authmap_table(0, "rules"), &err);
    nj_host_take_answers(take_answer);
    return 0;
}

/* "TYPE=VALUE", the type cut out in place. */
static size_t read_names(char *text, size_t len, struct nj_authmap_name *names,
                         const struct nj_authmap_name **list)
{
    size_t n = 0;
    while (len > 0 && n < NAMES_MOST) {
        char *end = memchr(text, '\n', len);
        size_t line = end != NULL ? (size_t) (end - text) : len;
        char *eq = memchr(text, '=', line);
        if (eq != NULL) {
            *eq = '\0';
            names[n] = (struct nj_authmap_name){ .size = sizeof(names[n]),
                                                 .type = text,
                                                 .value = { (const uint8_t *) eq + 1,
                                                            line - (size_t) (eq + 1 - text) } };
            list[n] = &names[n];
            n++;
        }
        text += end != NULL ? line + 1 : line;
        len -= end != NULL ? line + 1 : line;
    }
    return n;
}

static int matches(const struct rule *r, const struct nj_authmap_facts *facts)
{
    struct found found;
    size_t work = WORK_MOST;
    int yes = rule_match(r, facts, &work, &found) || work == 0;
    found_fini(&found);
    return yes;
}

/* The n-th name gets a control character at its end, and is itself again afterwards. */
static void look_at_refusals(const struct rules *rules, const struct nj_authmap_facts *facts,
                             struct nj_authmap_name *names, size_t n)
{
    struct nj_span was = names[n].value;
    uint8_t *odd = malloc(was.len + 1);
    memcpy(odd, was.ptr, was.len);
    odd[was.len] = (uint8_t) (n % 0x20);
    for (size_t i = 0; i < rules->n; i++) {
        if (!rules->at[i].denies || !matches(&rules->at[i], facts)) {
            continue;
        }
        names[n].value = (struct nj_span){ odd, was.len + 1 };
        FUZZ_CHECK(matches(&rules->at[i], facts), "rule %zu does not refuse name %zu any more", i,
                   n);
        names[n].value = was;
    }
    free(odd);
}

static void decide(const struct nj_authmap_value *options, char *text, size_t len)
{
    struct nj_authmap_name names[NAMES_MOST];
    const struct nj_authmap_name *list[NAMES_MOST];
    struct nj_authmap_facts facts = { .size = sizeof(facts),
                                      .address = "192.0.2.7",
                                      .names = list };
    struct nj_authmap_instance *inst = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    FUZZ_CHECK(map->instance_new(options, &inst, &err) == NJ_OK, "no instance of good options");
    facts.names_n = read_names(text, len, names, list);
    for (facts.tls_verified = 0; facts.tls_verified < 2; facts.tls_verified++) {
        int before = answers;
        FUZZ_CHECK(map->decide(inst, &facts, 42, &err) == NJ_OK, "decide() fails");
        FUZZ_CHECK(answers == before + 1, "%d answers", answers - before);
    }
    facts.tls_verified = 1;
    for (size_t i = 0; i < facts.names_n; i++) {
        look_at_refusals((const struct rules *) (const void *) inst, &facts, names, i);
    }
    map->instance_free(inst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct nj_authmap_report report = { .size = sizeof(report), .error = note };
    char *text = (char *) fuzz_copy(data, len);
    char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
    size_t options_len = nul != NULL ? (size_t) (nul - text) : len;
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    if (nj_conf_parse_text("rules", text, options_len, &conf, &why) == NJ_OK) {
        struct nj_authmap_value *v = nj_value_from_conf(nj_conf_root(conf), NULL);
        reports = 0;
        int rc = map->check(v, &report);
        FUZZ_CHECK((rc == NJ_OK) == (reports == 0), "result %d, %d reports", rc, reports);
        if (rc == NJ_OK && nul != NULL) {
            decide(v, nul + 1, len - options_len - 1);
        }
        nj_value_free(&v);
    }
    nj_conf_free(&conf);
    nj_buf_free(&why);
    free(text);
    return 0;
}
