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

static int choose_versions(struct build *b)
{
    struct nj_tls_settings *offer = &b->setup->offer;
    uint16_t min = b->args->block->min_version;
    offer->min_version = min != 0 ? min : NJ_TLS_1_2;
    offer->max_version = (b->caps & NJ_TLS_CAP_TLS13) != 0 ? NJ_TLS_1_3 : NJ_TLS_1_2;
    if (offer->min_version > offer->max_version) {
        return nj_error_set(b->err, NJ_E_UNSUPPORTED, "tls provider \"%s\" cannot do TLS 1.3",
                            b->args->provider_name);
    }
    return NJ_OK;
}

/* ---- suites ---------------------------------------------------------------------------------- */

/* Is the suite wanted: by name, or by default? */
static bool suite_wanted(const struct build *b, const struct nj_tls_suite *suite)
{
    const struct nj_tls_block *block = b->args->block;
    if (nj_fips_required() && nj_fips_suite_fault(suite->id) != NULL) {
        return false; /* named ones were refused when the option was read */
    }
    if (suite->tls13) {
        return b->setup->offer.max_version >= NJ_TLS_1_3;
    }
    if (b->setup->offer.min_version >= NJ_TLS_1_3) {
        return false;
    }
    return block->suites == NULL ? suite->secure
                                 : contains(block->suites, block->suites_n, suite->id);
}

static int choose_suite(struct build *b, const struct nj_tls_suite *suite)
{
    const struct nj_tls_block *block = b->args->block;
    if (!suite_wanted(b, suite)) {
        return NJ_OK;
    }
    if (contains(b->about.suites, b->about.suites_n, suite->id)) {
        b->suites[b->setup->offer.suites_n++] = suite->id;
        return NJ_OK;
    }
    if (block->suites != NULL && contains(block->suites, block->suites_n, suite->id)) {
        return nj_error_set(b->err, NJ_E_UNSUPPORTED,
                            "cipher suite %s is not supported by tls provider \"%s\"", suite->name,
                            b->args->provider_name);
    }
    note(b, NJ_LOG_DEBUG, "tls provider \"%s\" has no %s", b->args->provider_name, suite->name);
    return NJ_OK;
}

/* In our order of preference, whatever the order in the configuration. */
static int choose_suites(struct build *b)
{
    size_t n = 0;
    const struct nj_tls_suite *all = nj_tls_suites(&n);
    b->suites = nj_calloc(n, sizeof(*b->suites));
    b->setup->offer.suites = b->suites;
    for (size_t i = 0; i < n; i++) {
        if (choose_suite(b, &all[i]) < 0) {
            return NJ_E_UNSUPPORTED;
        }
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

struct nj_tls_ctx *nj_tls_setup_pick(const struct nj_tls_setup *setup, const struct nj_hello *hello)
{
    return nj_tls_contexts_pick(setup->contexts, hello);
}
