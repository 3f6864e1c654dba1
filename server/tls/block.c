#include "tls/block.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "tls/cert_notes.h"
#include "tls/contexts.h"
#include "tls/fips.h"
#include "tls/material.h"
#include "tls/names.h"
#include "tls/ocsp.h"
#include "tls/offer.h"
#include "tls/print.h"
#include "tls/tls_block.h"

/* A setup under construction. */
struct build {
    const struct nj_tls_setup_args *args;
    struct nj_tls_setup *setup;
    struct nj_tls_material material;
    uint64_t caps;
    struct nj_error *err;
};

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

static int take_ocsp_rules(struct build *b)
{
    const struct nj_tls_block *block = b->args->block;
    struct nj_tls_setup *setup = b->setup;
    setup->ocsp_peer = block->ocsp_peer;
    setup->ocsp_rules = block->ocsp_rules;
    if (!block->ocsp_peer || setup->verify == NJ_TLS_VERIFY_NONE) {
        return NJ_OK;
    }
    if (setup->policy.anchors_n == 0) {
        return nj_error_set(b->err, NJ_E_INVALID,
                            "ocsp_peer needs ca_file: who issued a certificate must be known");
    }
    return nj_ocsp_is_possible(setup->provider->crypto)
               ? NJ_OK
               : nj_error_set(b->err, NJ_E_UNSUPPORTED,
                              "tls provider \"%s\" cannot do ocsp_peer: it verifies no signatures",
                              b->args->provider_name);
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
    if ((rc = take_ocsp_rules(b)) < 0) {
        return rc;
    }
    b->caps = b->args->provider->caps();
    rc = nj_tls_offer_make(b->args, &b->setup->offer, b->err);
    if (rc < 0) {
        return rc;
    }
    if (b->args->note != NULL && (b->args->role & NJ_TLS_ROLE_ACCEPT) != 0) {
        nj_tls_cert_notes(&b->material, b->args->now_s(), b->args->note);
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
    nj_tls_offer_fini(&setup->offer);
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

int nj_tls_setup_allows(const struct nj_tls_setup *setup, const struct nj_tls_info *info,
                        struct nj_error *err)
{
    return nj_tls_offer_allows(&setup->offer, info, err);
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
