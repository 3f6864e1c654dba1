#include "tls/offer.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tls/block.h"
#include "tls/fips.h"
#include "tls/names.h"
#include "tls/tls_block.h"

/* An offer under construction. */
struct choice {
    const struct nj_tls_setup_args *args;
    struct nj_tls_settings *offer;
    struct nj_tls_about about;
    uint64_t caps;
    uint16_t *suites; /* of the offer, while they grow */
    uint16_t *groups;
    struct nj_error *err;
};

static void note(const struct choice *c, uint32_t level, const char *fmt, ...) NJ_PRINTF(3, 4);
static void note(const struct choice *c, uint32_t level, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (c->args->note == NULL) {
        return;
    }
    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    c->args->note(level, text);
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

static bool accepts(const struct choice *c)
{
    return (c->args->role & NJ_TLS_ROLE_ACCEPT) != 0;
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

static int choose_versions(struct choice *c)
{
    const struct nj_tls_block *block = c->args->block;
    struct nj_tls_settings *offer = c->offer;
    bool can = (c->caps & NJ_TLS_CAP_TLS13) != 0;
    bool shut = block->strict_ciphers && block->suites != NULL && !names_tls13(block);
    offer->min_version = block->min_version != 0 ? block->min_version : NJ_TLS_1_2;
    offer->max_version = can && !shut ? NJ_TLS_1_3 : NJ_TLS_1_2;
    if (offer->min_version <= offer->max_version) {
        return NJ_OK;
    }
    if (can) {
        return nj_error_set(c->err, NJ_E_INVALID, "%s", NJ_TLS_STRICT_CONFLICT);
    }
    return nj_error_set(c->err, NJ_E_UNSUPPORTED, "tls provider \"%s\" cannot do TLS 1.3",
                        c->args->provider_name);
}

/* ---- suites ---------------------------------------------------------------------------------- */

static bool version_is_on(const struct choice *c, const struct nj_tls_suite *suite)
{
    const struct nj_tls_settings *offer = c->offer;
    return suite->tls13 ? offer->max_version >= NJ_TLS_1_3 : offer->min_version <= NJ_TLS_1_2;
}

/* Append a suite, if the provider has it: one that was named must be there. */
static int add_suite(struct choice *c, const struct nj_tls_suite *suite, bool named)
{
    struct nj_tls_settings *offer = c->offer;
    if (!version_is_on(c, suite) || contains(c->suites, offer->suites_n, suite->id) ||
        (nj_fips_required() && nj_fips_suite_fault(suite->id) != NULL)) {
        return NJ_OK; /* named ones that FIPS forbids were refused when the option was read */
    }
    if (contains(c->about.suites, c->about.suites_n, suite->id)) {
        c->suites[offer->suites_n++] = suite->id;
        return NJ_OK;
    }
    if (named) {
        return nj_error_set(c->err, NJ_E_UNSUPPORTED,
                            "cipher suite %s is not supported by tls provider \"%s\"", suite->name,
                            c->args->provider_name);
    }
    note(c, NJ_LOG_DEBUG, "tls provider \"%s\" has no %s", c->args->provider_name, suite->name);
    return NJ_OK;
}

/* The secure ones of one version, in our order. */
static void add_default_suites(struct choice *c, bool tls13)
{
    size_t n = 0;
    const struct nj_tls_suite *all = nj_tls_suites(&n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].tls13 == tls13 && all[i].secure) {
            (void) add_suite(c, &all[i], false);
        }
    }
}

static int add_named_suites(struct choice *c)
{
    const struct nj_tls_block *block = c->args->block;
    for (size_t i = 0; i < block->suites_n; i++) {
        const struct nj_tls_suite *suite = nj_tls_suite_by_id(block->suites[i]);
        int rc = suite != NULL ? add_suite(c, suite, true) : NJ_OK;
        if (rc < 0) {
            return rc;
        }
    }
    return NJ_OK;
}

static void note_suites(const struct choice *c, bool tls13_by_default)
{
    const struct nj_tls_settings *offer = c->offer;
    if (tls13_by_default && offer->max_version >= NJ_TLS_1_3) {
        note(c, NJ_LOG_WARN,
             "cipher_suites names no suite of TLS 1.3, so all of them stay on: name those to "
             "allow, or set strict_ciphers to allow none");
    }
    if (accepts(c) && offer->suites_n > 1 && (c->caps & NJ_TLS_CAP_SERVER_PREFERENCE) == 0) {
        note(c, NJ_LOG_WARN,
             "the order of cipher_suites is not kept: with tls provider \"%s\" the client's order "
             "decides",
             c->args->provider_name);
    }
}

/* Named ones in the order of the list, else in our order of preference. */
static int choose_suites(struct choice *c)
{
    const struct nj_tls_block *block = c->args->block;
    bool tls13_by_default = !block->strict_ciphers && !names_tls13(block);
    size_t n = 0;
    (void) nj_tls_suites(&n);
    c->suites = nj_calloc(n, sizeof(*c->suites));
    c->offer->suites = c->suites;
    if (block->suites == NULL || tls13_by_default) {
        add_default_suites(c, true);
    }
    if (block->suites == NULL) {
        add_default_suites(c, false);
    } else {
        int rc = add_named_suites(c);
        if (rc < 0) {
            return rc;
        }
        note_suites(c, tls13_by_default);
    }
    if (c->offer->suites_n == 0) {
        return nj_error_set(c->err, NJ_E_UNSUPPORTED,
                            "tls provider \"%s\" supports none of the cipher suites",
                            c->args->provider_name);
    }
    return NJ_OK;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static bool keep_group(struct choice *c, uint16_t id)
{
    struct nj_tls_settings *offer = c->offer;
    if (!contains(c->about.groups, c->about.groups_n, id) ||
        (nj_fips_required() && nj_fips_group_fault(id) != NULL)) {
        return false;
    }
    if (!contains(c->groups, offer->groups_n, id)) {
        c->groups[offer->groups_n++] = id;
    }
    return true;
}

static void choose_default_groups(struct choice *c)
{
    size_t n = 0;
    const struct nj_tls_group *all = nj_tls_groups(&n);
    c->groups = nj_calloc(n, sizeof(*c->groups));
    for (size_t i = 0; i < n; i++) {
        if (!keep_group(c, all[i].id) && !contains(c->about.groups, c->about.groups_n, all[i].id)) {
            note(c, NJ_LOG_DEBUG, "tls provider \"%s\" has no %s", c->args->provider_name,
                 all[i].name);
        }
    }
}

static int refuse_groups(struct choice *c)
{
    const struct nj_tls_block *block = c->args->block;
    struct nj_buf names;
    char spare[8];
    nj_buf_init(&names, sizeof(c->err->text)); /* past the limit: cut off */
    for (size_t i = 0; i < block->groups_n; i++) {
        (void) nj_buf_printf(&names, "%s%s", i > 0 ? ", " : "",
                             nj_tls_group_name(block->groups[i], spare));
    }
    int rc = nj_error_set(c->err, NJ_E_UNSUPPORTED,
                          "'curve_preferences': tls provider \"%s\" supports none of %s",
                          c->args->provider_name, names.len > 0 ? names.ptr : "the default list");
    nj_buf_free(&names);
    return rc;
}

/* Named ones are warned of only once it is clear that something remains. */
static void warn_of_missing_groups(const struct choice *c)
{
    const struct nj_tls_block *block = c->args->block;
    char spare[8];
    for (size_t i = 0; i < block->groups_n; i++) {
        if (!contains(c->groups, c->offer->groups_n, block->groups[i])) {
            note(c, NJ_LOG_WARN, "curve preference %s is left out: tls provider \"%s\" lacks it",
                 nj_tls_group_name(block->groups[i], spare), c->args->provider_name);
        }
    }
}

static void warn_of_group_order(const struct choice *c)
{
    const struct nj_tls_settings *offer = c->offer;
    if (!accepts(c)) {
        return;
    }
    if (offer->groups_n > 1 && (c->caps & NJ_TLS_CAP_GROUP_ORDER) == 0) {
        note(c, NJ_LOG_WARN,
             "the order of curve_preferences is not kept: with tls provider \"%s\" the client's "
             "order decides",
             c->args->provider_name);
    }
    if (offer->min_version <= NJ_TLS_1_2 && (c->caps & NJ_TLS_CAP_GROUPS_1_2) == 0) {
        note(c, NJ_LOG_WARN,
             "curve_preferences in TLS 1.2: tls provider \"%s\" takes the client's first group, "
             "and the client is refused when that is not listed",
             c->args->provider_name);
    }
}

static int choose_groups(struct choice *c)
{
    const struct nj_tls_block *block = c->args->block;
    if (block->groups == NULL) {
        choose_default_groups(c);
    } else {
        c->groups = nj_calloc(block->groups_n, sizeof(*c->groups));
        for (size_t i = 0; i < block->groups_n; i++) {
            (void) keep_group(c, block->groups[i]);
        }
    }
    c->offer->groups = c->groups;
    if (c->offer->groups_n == 0) {
        return refuse_groups(c);
    }
    if (block->groups != NULL) {
        warn_of_missing_groups(c);
        warn_of_group_order(c);
    }
    return NJ_OK;
}

/* ---- together -------------------------------------------------------------------------------- */

int nj_tls_offer_make(const struct nj_tls_setup_args *args, struct nj_tls_settings *offer,
                      struct nj_error *err)
{
    struct choice c = { .args = args, .offer = offer, .err = err };
    *offer = (struct nj_tls_settings){ .size = sizeof(*offer) };
    c.about.size = sizeof(c.about);
    args->provider->about(&c.about);
    c.caps = args->provider->caps();
    int rc = choose_versions(&c);
    if (rc == NJ_OK) {
        rc = choose_suites(&c);
    }
    if (rc == NJ_OK) {
        rc = choose_groups(&c);
    }
    return rc;
}

void nj_tls_offer_fini(struct nj_tls_settings *offer)
{
    uint16_t *suites = (uint16_t *) (uintptr_t) offer->suites; /* ours: choose_suites() */
    uint16_t *groups = (uint16_t *) (uintptr_t) offer->groups;
    nj_dealloc(suites);
    nj_dealloc(groups);
    *offer = (struct nj_tls_settings){ .size = sizeof(*offer) };
}

/* ---- afterwards ------------------------------------------------------------------------------ */

static int refuse_choice(struct nj_error *err, uint32_t cls, int32_t alert, const char *text)
{
    (void) nj_error_set_class(err, NJ_E_DENIED, cls, "%s", text);
    if (err != NULL) {
        err->alert = alert;
    }
    return NJ_E_DENIED;
}

int nj_tls_offer_allows(const struct nj_tls_settings *offer, const struct nj_tls_info *info,
                        struct nj_error *err)
{
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
