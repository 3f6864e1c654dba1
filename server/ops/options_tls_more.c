/* options_tls_more.c: members of a `tls` block that are checked and not served, and our own. */
#include <string.h>
#include <strings.h>

#include "natterjack/plugin.h"
#include "ops/option_reader.h"

/* Report and stop. */
#define FAIL(r, v, ...) (nj_reader_fail((r), (v), __VA_ARGS__), false)

/* ---- OCSP of peers -------------------------------------------------------------------------- */

#define SECOND INT64_C(1000000000)

static bool ocsp_unknown(struct nj_option_reader *r, const struct nj_conf_member *block,
                         const struct nj_conf_member *m)
{
    const struct nj_conf_value *at = m->value.file == NULL ? &block->value : &m->value;
    nj_reader_fail(r, &block->value,
                   "%s:%u:%u: error parsing tls peer config, unknown field [\"%s\"]", at->file,
                   (unsigned) at->line, (unsigned) at->col, m->key);
    return false;
}

/* Zero and less leave the default. */
static bool ocsp_seconds(struct nj_option_reader *r, const struct nj_conf_member *block,
                         const struct nj_conf_member *m, int64_t *ns_out)
{
    struct nj_buf why;
    int64_t ns = 0;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &ns, &why);
    if (rc == NJ_OK && ns > 0) {
        *ns_out = ns;
    }
    if (rc == NJ_E_INVALID) {
        const struct nj_conf_value *at = m->value.file == NULL ? &block->value : &m->value;
        nj_reader_fail(r, &block->value,
                       "%s:%u:%u: error parsing tls peer config, conversion error: %s", at->file,
                       (unsigned) at->line, (unsigned) at->col, why.ptr);
    } else if (rc != NJ_OK) {
        (void) ocsp_unknown(r, block, m);
    }
    nj_buf_free(&why);
    return rc == NJ_OK;
}

static bool ocsp_member(struct nj_option_reader *r, const struct nj_conf_member *block,
                        const struct nj_conf_member *m, struct nj_tls_block *b)
{
    struct nj_ocsp_rules *rules = &b->ocsp_rules;
    const struct {
        const char *name;
        int64_t *ns;
    } times[] = { { "ca_timeout", &rules->ca_timeout_ns },
                  { "allowed_clockskew", &rules->clockskew_ns },
                  { "cache_ttl_when_next_update_unset", &rules->ttl_unset_ns } };
    const struct {
        const char *name;
        bool *on;
    } switches[] = { { "verify", &b->ocsp_peer },
                     { "warn_only", &rules->warn_only },
                     { "unknown_is_good", &rules->unknown_is_good },
                     { "allow_when_ca_unreachable", &rules->allow_when_ca_unreachable } };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (nj_key_is(m, times[i].name)) {
            return ocsp_seconds(r, block, m, times[i].ns);
        }
    }
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (nj_key_is(m, switches[i].name) && m->value.type == NJ_CONF_BOOL) {
            *switches[i].on = m->value.as.boolean;
            return true;
        }
    }
    return ocsp_unknown(r, block, m);
}

bool nj_reader_ocsp_peer(struct nj_option_reader *r, const struct nj_conf_member *m,
                         struct nj_tls_block *b)
{
    b->ocsp_peer = false;
    b->ocsp_rules = (struct nj_ocsp_rules){ .ca_timeout_ns = 2 * SECOND,
                                            .clockskew_ns = 30 * SECOND,
                                            .ttl_unset_ns = 3600 * SECOND };
    if (m->value.type == NJ_CONF_BOOL) {
        b->ocsp_peer = m->value.as.boolean;
        return true;
    }
    if (m->value.type != NJ_CONF_MAP) {
        return FAIL(r, &m->value,
                    "error parsing ocsp peer config: unsupported type map[string]interface {}");
    }
    const struct nj_conf_map *map = m->value.as.map;
    for (size_t i = 0; i < map->count; i++) {
        if (!ocsp_member(r, m, &map->members[i], b)) {
            return false;
        }
    }
    return true;
}

/* ---- our own -------------------------------------------------------------------------------- */

#define ROTATION_MIN_NS INT64_C(1000000000)
#define ROTATION_MAX_NS (INT64_C(84) * 3600 * 1000000000) /* tickets live twice as long: a week */

bool nj_reader_ticket_rotation(struct nj_option_reader *r, const struct nj_conf_member *m,
                               int64_t *ns_out)
{
    struct nj_buf why;
    int64_t ns = 0;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &ns, &why);
    if (rc == NJ_E_UNSUPPORTED) {
        nj_reader_fail(r, &m->value, "error parsing tls config, 'ticket_rotation' wrong type");
    } else if (rc != NJ_OK) {
        nj_reader_fail(r, &m->value, "error parsing tls config, 'ticket_rotation' %s", why.ptr);
    } else if (ns < ROTATION_MIN_NS || ns > ROTATION_MAX_NS) {
        nj_reader_fail(r, &m->value,
                       "error parsing tls config, 'ticket_rotation' must be from 1s to 84h");
        rc = NJ_E_INVALID;
    } else {
        *ns_out = ns;
    }
    nj_buf_free(&why);
    return rc == NJ_OK;
}

/* ---- the certificate store of another system ------------------------------------------------ */

static bool store_text(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_STRING || m->value.as.str.len == 0) {
        return FAIL(r, &m->value, "expected '%s' to be a valid non-empty string", m->key);
    }
    return true;
}

static bool read_cert_store(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (!store_text(r, m)) {
        return false;
    }
    const char *s = m->value.as.str.ptr;
    if (strcasecmp(s, "windowscurrentuser") == 0 || strcasecmp(s, "windowslocalmachine") == 0) {
        return FAIL(r, &m->value, "cert_store not compatible with current operating system");
    }
    return FAIL(r, &m->value, "cert store type not implemented");
}

static bool read_cert_match_by(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (!store_text(r, m)) {
        return false;
    }
    const char *s = m->value.as.str.ptr;
    if (strcasecmp(s, "issuer") != 0 && strcasecmp(s, "subject") != 0 &&
        strcasecmp(s, "thumbprint") != 0) {
        return FAIL(r, &m->value, "cert match by type not implemented");
    }
    return true;
}

static bool read_skip_invalid(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_BOOL) {
        return FAIL(r, &m->value, "expected 'cert_match_skip_invalid' to be a boolean");
    }
    return true;
}

static bool read_ca_match(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    const struct nj_conf_list *l = m->value.type == NJ_CONF_LIST ? m->value.as.list : NULL;
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        if (l->items[i].type != NJ_CONF_STRING) {
            return FAIL(r, &m->value,
                        "error parsing ca_cert_match: unsupported type *conf.token where string "
                        "is expected");
        }
    }
    return true;
}

bool nj_reader_cert_store(struct nj_option_reader *r, const struct nj_conf_member *m)
{
    if (nj_key_is(m, "cert_store")) {
        return read_cert_store(r, m);
    }
    if (nj_key_is(m, "cert_match_by")) {
        return read_cert_match_by(r, m);
    }
    if (nj_key_is(m, "cert_match_skip_invalid")) {
        return read_skip_invalid(r, m);
    }
    return nj_key_is(m, "ca_certs_match") ? read_ca_match(r, m) : store_text(r, m);
}
