/* options_fips.c: what a configuration may not say under require_fips. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ops/option_reader.h"
#include "ops/startlog.h"
#include "tls/fips.h"
#include "tls/names.h"

void nj_set_require_fips(struct nj_option_reader *r, const struct nj_option *opt,
                         const struct nj_conf_member *m)
{
    struct nj_options *o = r->o;
    const struct nj_conf_value *at = m->value.file == NULL ? r->option : &m->value;
    bool on = false;
    (void) opt;
    if (!nj_reader_bool(r, &m->value, &on)) {
        return;
    }
    if (!on && nj_fips_built_in()) {
        nj_reader_fail(r, &m->value,
                       "require_fips cannot be false: this server was built with --enable-fips");
        return;
    }
    o->require_fips = on;
    nj_dealloc(o->require_fips_at);
    o->require_fips_at =
        on ? nj_strprintf("%s:%u:%u", at->file, (unsigned) at->line, (unsigned) at->col) : NULL;
}

/* ---- features -------------------------------------------------------------------------------- */

bool nj_reader_fips_feature(struct nj_option_reader *r, const struct nj_conf_value *at,
                            const char *name, const char *why)
{
    if (!r->o->require_fips) {
        return true;
    }
    nj_reader_fail(r, at, "\"%s\" is not allowed under require_fips: it %s", name, why);
    return false;
}

bool nj_reader_fips_option(struct nj_option_reader *r, const struct nj_option *opt,
                           const struct nj_conf_member *m)
{
    static const char *const signed_ones[] = { "operator", "trusted", "resolver",
                                               "resolver_preload", "proxies" };
    for (size_t i = 0; i < sizeof(signed_ones) / sizeof(signed_ones[0]); i++) {
        if (strcmp(opt->name, signed_ones[i]) == 0) {
            return nj_reader_fips_feature(r, &m->value, m->key, "needs Ed25519 signatures");
        }
    }
    return true;
}

bool nj_reader_fips_password(struct nj_option_reader *r, const struct nj_conf_value *at,
                             const char *secret)
{
    if (!r->o->require_fips || secret == NULL || nj_password_is_plain(secret)) {
        return true;
    }
    nj_reader_fail(r, at,
                   "a bcrypt hash is not allowed under require_fips: bcrypt is not an approved "
                   "function; use client certificates, or a long random token");
    return false;
}

/* ---- suites and groups ----------------------------------------------------------------------- */

bool nj_reader_fips_suite(struct nj_option_reader *r, const struct nj_conf_value *at, uint16_t id)
{
    char spare[8];
    const char *why = r->o->require_fips ? nj_fips_suite_fault(id) : NULL;
    if (why != NULL) {
        nj_reader_fail(r, at, "cipher suite %s is not allowed under require_fips: %s",
                       nj_tls_suite_name(id, spare), why);
    }
    return why == NULL;
}

bool nj_reader_fips_group(struct nj_option_reader *r, const struct nj_conf_value *at, uint16_t id)
{
    char spare[8];
    const char *why = r->o->require_fips ? nj_fips_group_fault(id) : NULL;
    if (why != NULL) {
        nj_reader_fail(r, at, "curve preference %s is not allowed under require_fips: %s",
                       nj_tls_group_name(id, spare), why);
    }
    return why == NULL;
}
