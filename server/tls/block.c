#include "tls/block.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tls/contexts.h"
#include "tls/fips.h"
#include "tls/material.h"
#include "tls/names.h"
#include "tls/print.h"
#include "tls/tls_block.h"

/* A setup under construction. */
struct build {
    const struct nj_tls_setup_args *args;
    struct nj_tls_setup *setup;
    struct nj_tls_material material;
    struct nj_tls_about about;
    uint64_t caps;
    uint16_t *suites; /* of setup->offer, while they grow */
    uint16_t *groups;
    struct nj_error *err;
};

static void note(const struct build *b, uint32_t level, const char *fmt, ...) NJ_PRINTF(3, 4);
static void note(const struct build *b, uint32_t level, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (b->args->note == NULL) {
        return;
    }
    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    b->args->note(level, text);
}

static bool contains(const uint16_t *list, size_t n, uint16_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == number) {
            return true;
        }
    }
    return false;
}

/* ---- versions -------------------------------------------------------------------------------- */

static bool accepts(const struct build *b)
{
    return (b->args->role & NJ_TLS_ROLE_ACCEPT) != 0;
}

static bool names_tls13(const struct nj_tls_block *block)
{
    for (size_t i = 0; i < block->suites_n; i++) {
        const struct nj_tls_suite *suite = nj_tls_suite_by_id(block->suites[i]);
        if (suite != NULL && suite->tls13) {
            return true;
        }
    }
    return false;
}

static int choose_versions(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    struct nj_tls_settings *offer = &b->setup->offer;
    bool can = (b->caps & NJ_TLS_CAP_TLS13) != 0;
    bool shut = block->strict_ciphers && block->suites != NULL && !names_tls13(block);
    offer->min_version = block->min_version != 0 ? block->min_version : NJ_TLS_1_2;
    offer->max_version = can && !shut ? NJ_TLS_1_3 : NJ_TLS_1_2;
    if (offer->min_version <= offer->max_version) {
        return NJ_OK;
    }
    if (can) {
        return nj_error_set(b->err, NJ_E_INVALID, "%s", NJ_TLS_STRICT_CONFLICT);
    }
    return nj_error_set(b->err, NJ_E_UNSUPPORTED, "tls provider \"%s\" cannot do TLS 1.3",
                        b->args->provider_name);
}

/* ---- suites ---------------------------------------------------------------------------------- */

static bool version_is_on(const struct build *b, const struct nj_tls_suite *suite)
{
    const struct nj_tls_settings *offer = &b->setup->offer;
    return suite->tls13 ? offer->max_version >= NJ_TLS_1_3 : offer->min_version <= NJ_TLS_1_2;
}

/* Append a suite, if the provider has it: one that was named must be there. */
static int add_suite(struct build *b, const struct nj_tls_suite *suite, bool named)
{
    struct nj_tls_settings *offer = &b->setup->offer;
    if (!version_is_on(b, suite) || contains(b->suites, offer->suites_n, suite->id) ||
        (nj_fips_required() && nj_fips_suite_fault(suite->id) != NULL)) {
        return NJ_OK; /* named ones that FIPS forbids were refused when the option was read */
    }
    if (contains(b->about.suites, b->about.suites_n, suite->id)) {
        b->suites[offer->suites_n++] = suite->id;
        return NJ_OK;
    }
    if (named) {
        return nj_error_set(b->err, NJ_E_UNSUPPORTED,
                            "cipher suite %s is not supported by tls provider \"%s\"", suite->name,
                            b->args->provider_name);
    }
    note(b, NJ_LOG_DEBUG, "tls provider \"%s\" has no %s", b->args->provider_name, suite->name);
    return NJ_OK;
}

/* The secure ones of one version, in our order. */
static void add_default_suites(struct build *b, bool tls13)
{
    size_t n = 0;
    const struct nj_tls_suite *all = nj_tls_suites(&n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].tls13 == tls13 && all[i].secure) {
            (void) add_suite(b, &all[i], false);
        }
    }
}

static int add_named_suites(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    for (size_t i = 0; i < block->suites_n; i++) {
        const struct nj_tls_suite *suite = nj_tls_suite_by_id(block->suites[i]);
        int rc = suite != NULL ? add_suite(b, suite, true) : NJ_OK;
        if (rc < 0) {
            return rc;
        }
    }
    return NJ_OK;
}

static void note_suites(const struct build *b, bool tls13_by_default)
{
    const struct nj_tls_settings *offer = &b->setup->offer;
    if (tls13_by_default && offer->max_version >= NJ_TLS_1_3) {
        note(b, NJ_LOG_WARN,
             "cipher_suites names no suite of TLS 1.3, so all of them stay on: name those to "
             "allow, or set strict_ciphers to allow none");
    }
    if (accepts(b) && offer->suites_n > 1 && (b->caps & NJ_TLS_CAP_SERVER_PREFERENCE) == 0) {
        note(b, NJ_LOG_WARN,
             "the order of cipher_suites is not kept: with tls provider \"%s\" the client's order "
             "decides",
             b->args->provider_name);
    }
}

/* Named ones in the order of the list, else in our order of preference. */
static int choose_suites(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    bool tls13_by_default = !block->strict_ciphers && !names_tls13(block);
    size_t n = 0;
    (void) nj_tls_suites(&n);
    b->suites = nj_calloc(n, sizeof(*b->suites));
    b->setup->offer.suites = b->suites;
    if (block->suites == NULL || tls13_by_default) {
        add_default_suites(b, true);
    }
    if (block->suites == NULL) {
        add_default_suites(b, false);
    } else {
        int rc = add_named_suites(b);
        if (rc < 0) {
            return rc;
        }
        note_suites(b, tls13_by_default);
    }
    if (b->setup->offer.suites_n == 0) {
        return nj_error_set(b->err, NJ_E_UNSUPPORTED,
                            "tls provider \"%s\" supports none of the cipher suites",
                            b->args->provider_name);
    }
    return NJ_OK;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static bool keep_group(struct build *b, uint16_t id)
{
    struct nj_tls_settings *offer = &b->setup->offer;
    if (!contains(b->about.groups, b->about.groups_n, id) ||
        (nj_fips_required() && nj_fips_group_fault(id) != NULL)) {
        return false;
    }
    if (!contains(b->groups, offer->groups_n, id)) {
        b->groups[offer->groups_n++] = id;
    }
    return true;
}

static void choose_default_groups(struct build *b)
{
    size_t n = 0;
    const struct nj_tls_group *all = nj_tls_groups(&n);
    b->groups = nj_calloc(n, sizeof(*b->groups));
    for (size_t i = 0; i < n; i++) {
        if (!keep_group(b, all[i].id) && !contains(b->about.groups, b->about.groups_n, all[i].id)) {
            note(b, NJ_LOG_DEBUG, "tls provider \"%s\" has no %s", b->args->provider_name,
                 all[i].name);
        }
    }
}

static int refuse_groups(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    struct nj_buf names;
    char spare[8];
    nj_buf_init(&names, sizeof(b->err->text)); /* past the limit: cut off */
    for (size_t i = 0; i < block->groups_n; i++) {
        (void) nj_buf_printf(&names, "%s%s", i > 0 ? ", " : "",
                             nj_tls_group_name(block->groups[i], spare));
    }
    int rc = nj_error_set(b->err, NJ_E_UNSUPPORTED,
                          "'curve_preferences': tls provider \"%s\" supports none of %s",
                          b->args->provider_name, names.len > 0 ? names.ptr : "the default list");
    nj_buf_free(&names);
    return rc;
}

/* Named ones are warned of only once it is clear that something remains. */
static void warn_of_missing_groups(const struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    char spare[8];
    for (size_t i = 0; i < block->groups_n; i++) {
        if (!contains(b->groups, b->setup->offer.groups_n, block->groups[i])) {
            note(b, NJ_LOG_WARN, "curve preference %s is left out: tls provider \"%s\" lacks it",
                 nj_tls_group_name(block->groups[i], spare), b->args->provider_name);
        }
    }
}

static void warn_of_group_order(const struct build *b)
{
    const struct nj_tls_settings *offer = &b->setup->offer;
    if (!accepts(b)) {
        return;
    }
    if (offer->groups_n > 1 && (b->caps & NJ_TLS_CAP_GROUP_ORDER) == 0) {
        note(b, NJ_LOG_WARN,
             "the order of curve_preferences is not kept: with tls provider \"%s\" the client's "
             "order decides",
             b->args->provider_name);
    }
    if (offer->min_version <= NJ_TLS_1_2 && (b->caps & NJ_TLS_CAP_GROUPS_1_2) == 0) {
        note(b, NJ_LOG_WARN,
             "curve_preferences in TLS 1.2: tls provider \"%s\" takes the client's first group, "
             "and the client is refused when that is not listed",
             b->args->provider_name);
    }
}

static int choose_groups(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    if (block->groups == NULL) {
        choose_default_groups(b);
    } else {
        b->groups = nj_calloc(block->groups_n, sizeof(*b->groups));
        for (size_t i = 0; i < block->groups_n; i++) {
            (void) keep_group(b, block->groups[i]);
        }
    }
    b->setup->offer.groups = b->groups;
    if (b->setup->offer.groups_n == 0) {
        return refuse_groups(b);
    }
    if (block->groups != NULL) {
        warn_of_missing_groups(b);
        warn_of_group_order(b);
    }
    return NJ_OK;
}

/* ---- the context ----------------------------------------------------------------------------- */

static bool dials(const struct build *b)
{
    return (b->args->role & NJ_TLS_ROLE_DIAL) != 0;
}

/* Where the library forgets the client's certificate on resumption, pins and verification would
 * see nobody: no tickets then. */
static bool tickets_are_safe(const struct build *b)
{
    bool asks = b->setup->verify != NJ_TLS_VERIFY_NONE || b->setup->pins.n > 0;
    return (b->caps & NJ_TLS_CAP_TICKETS) != 0 &&
           (!asks || (b->caps & NJ_TLS_CAP_RESUME_KEEPS_CERT) != 0) &&
           (b->args->role & NJ_TLS_ROLE_ACCEPT) != 0;
}

/* Without a suite of TLS 1.2 a library could trip over that version: it is not even offered. */
static uint16_t lowest_usable_version(const struct nj_tls_settings *offer)
{
    for (size_t i = 0; i < offer->suites_n; i++) {
        const struct nj_tls_suite *suite = nj_tls_suite_by_id(offer->suites[i]);
        if (suite != NULL && !suite->tls13) {
            return offer->min_version;
        }
    }
    return NJ_TLS_1_3;
}

static void fill_settings(struct build *b, struct nj_tls_settings *settings)
{
    *settings = b->setup->offer;
    settings->size = sizeof(*settings);
    settings->role = b->args->role;
    settings->min_version = lowest_usable_version(&b->setup->offer);
    settings->verify = b->setup->verify;
    settings->system_trust =
        b->material.anchors_n == 0 && (dials(b) || b->setup->verify != NJ_TLS_VERIFY_NONE);
    settings->insecure = b->setup->policy.insecure;
    settings->verify_hook = nj_tls_verify;
    settings->verify_user = &b->setup->policy;
    settings->label = b->args->label;
}

static bool is_about_the_pair(const struct nj_error *err)
{
    return err->cls == NJ_CLASS_KEY_MISMATCH || err->cls == NJ_CLASS_BAD_KEY ||
           err->cls == NJ_CLASS_BAD_CERT;
}

static int64_t ticket_period_us(const struct nj_tls_block *block)
{
    int64_t ns = block->ticket_rotation_ns;
    return ns > 0 ? ns / 1000 : NJ_TLS_TICKET_ROTATION_NS / 1000;
}

static int build_contexts(struct build *b)
{
    struct nj_tls_settings settings;
    size_t bad = 0;
    fill_settings(b, &settings);
    b->setup->tickets = tickets_are_safe(b);
    const struct nj_tls_contexts_args args = {
        .provider = b->args->provider,
        .settings = &settings,
        .material = &b->material,
        .ticket_period_us = b->setup->tickets ? ticket_period_us(b->args->block) : 0,
        .staples = b->args->staples,
    };
    int rc = nj_tls_contexts_new(&args, &b->setup->contexts, &bad, b->err);
    if (rc < 0 && is_about_the_pair(b->err)) {
        nj_tls_pair_prefix(b->args->block, bad, b->err);
    }
    return rc;
}

/* ---- together -------------------------------------------------------------------------------- */

static void ask_provider(struct build *b)
{
    b->about = (struct nj_tls_about){ .size = sizeof(b->about) };
    b->args->provider->about(&b->about);
    b->caps = b->args->provider->caps();
}

static int check_fips(const struct build *b)
{
    const struct nj_tls_material *m = &b->material;
    for (size_t i = 0; i < m->pairs_n; i++) {
        int rc = nj_fips_check_file(m->pairs[i].label, NJ_FIPS_CHAIN, m->pairs[i].certs,
                                    m->pairs[i].certs_n, b->err);
        if (rc < 0) {
            return rc;
        }
    }
    return nj_fips_check_file(m->anchors_label, NJ_FIPS_ANCHORS, m->anchors, m->anchors_n, b->err);
}

static int load_files(struct build *b)
{
    int rc = nj_tls_material_load(&b->material, b->args->block, b->err);
    if (rc < 0) {
        return rc;
    }
    rc = nj_fips_required() ? check_fips(b) : NJ_OK;
    if (rc < 0) {
        return rc;
    }
    b->setup->has_cert = b->material.pairs_n > 0;
    b->setup->not_after_s = b->material.pairs_n > 0 ? b->material.pairs[0].not_after_s : 0;
    rc = nj_tls_policy_init(&b->setup->policy, b->material.anchors, b->material.anchors_n,
                            b->args->now_s, b->err);
    b->setup->policy.insecure = dials(b) && b->args->block->insecure;
    return rc;
}

static int build(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    int rc = load_files(b);
    if (rc < 0) {
        return rc;
    }
    rc = nj_pins_init(&b->setup->pins, (const char(*)[NJ_PIN_HEX_LEN + 1]) block->pinned,
                      block->pinned_n, b->err);
    if (rc < 0) {
        return rc;
    }
    b->setup->verify =
        block->verify || block->verify_and_map ? NJ_TLS_VERIFY_REQUIRE : NJ_TLS_VERIFY_NONE;
    ask_provider(b);
    if ((rc = choose_versions(b)) < 0 || (rc = choose_suites(b)) < 0 ||
        (rc = choose_groups(b)) < 0) {
        return rc;
    }
    nj_tls_print(b->args->provider, b->args->provider_name, &b->setup->offer, b->setup->verify,
                 &b->material, b->setup->print);
    return build_contexts(b);
}

int nj_tls_setup_new(const struct nj_tls_setup_args *args, struct nj_tls_setup **setup_out,
                     struct nj_error *err)
{
    struct nj_error own = NJ_ERROR_INIT;
    struct build b = { .args = args, .err = err != NULL ? err : &own };
    b.setup = nj_zalloc(sizeof(*b.setup));
    b.setup->provider = args->provider;
    b.setup->offer.size = sizeof(b.setup->offer);
    atomic_init(&b.setup->refs, 1);
    int rc = build(&b);
    nj_tls_material_fini(&b.material); /* of a failure: the keys are wiped here */
    if (rc < 0) {
        nj_tls_setup_unref(&b.setup);
        return rc;
    }
    *setup_out = b.setup;
    return NJ_OK;
}

struct nj_tls_setup *nj_tls_setup_ref(struct nj_tls_setup *setup)
{
    atomic_fetch_add_explicit(&setup->refs, 1, memory_order_relaxed);
    return setup;
}

void nj_tls_setup_unref(struct nj_tls_setup **setupp)
{
    struct nj_tls_setup *setup = *setupp;
    if (setup == NULL) {
        return;
    }
    *setupp = NULL;
    if (atomic_fetch_sub_explicit(&setup->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    nj_tls_contexts_free(&setup->contexts);
    nj_tls_policy_fini(&setup->policy);
    nj_pins_fini(&setup->pins);
    uint16_t *suites = (uint16_t *) (uintptr_t) setup->offer.suites; /* ours: choose_suites() */
    uint16_t *groups = (uint16_t *) (uintptr_t) setup->offer.groups;
    nj_dealloc(suites);
    nj_dealloc(groups);
    nj_dealloc(setup);
}

void nj_tls_setup_retire(const struct nj_tls_setup *setup)
{
    nj_tls_contexts_retire(setup->contexts);
}

struct nj_tls_ctx *nj_tls_setup_pick(const struct nj_tls_setup *setup, const struct nj_hello *hello)
{
    return nj_tls_contexts_pick(setup->contexts, hello);
}

static int refuse_choice(struct nj_error *err, uint32_t cls, int32_t alert, const char *text)
{
    (void) nj_error_set_class(err, NJ_E_DENIED, cls, "%s", text);
    if (err != NULL) {
        err->alert = alert;
    }
    return NJ_E_DENIED;
}

int nj_tls_setup_allows(const struct nj_tls_setup *setup, const struct nj_tls_info *info,
                        struct nj_error *err)
{
    const struct nj_tls_settings *offer = &setup->offer;
    char spare[8];
    if (info->version < offer->min_version || info->version > offer->max_version) {
        return refuse_choice(err, NJ_CLASS_VERSION, NJ_ALERT_PROTOCOL_VERSION,
                             "tls: the library chose a TLS version that is off");
    }
    if (!contains(offer->suites, offer->suites_n, info->suite)) {
        char text[96];
        (void) snprintf(text, sizeof(text), "tls: the library chose %s, which is not allowed",
                        nj_tls_suite_name(info->suite, spare));
        return refuse_choice(err, NJ_CLASS_NO_SUITE, NJ_ALERT_HANDSHAKE_FAILURE, text);
    }
    if (info->group != 0 && !contains(offer->groups, offer->groups_n, info->group)) {
        char text[96];
        (void) snprintf(text, sizeof(text), "tls: the library chose %s, which is not allowed",
                        nj_tls_group_name(info->group, spare));
        return refuse_choice(err, NJ_CLASS_NO_GROUP, NJ_ALERT_HANDSHAKE_FAILURE, text);
    }
    return NJ_OK;
}

int nj_tls_setup_staple(struct nj_tls_setup *setup, struct nj_span response, struct nj_error *err)
{
    return nj_tls_contexts_staple(setup->contexts, response, err);
}

const struct nj_tls_material *nj_tls_setup_material(const struct nj_tls_setup *setup)
{
    return nj_tls_contexts_material(setup->contexts);
}

void nj_tls_setup_forget(struct nj_tls_setup *setup)
{
    nj_tls_contexts_forget(setup->contexts);
}
