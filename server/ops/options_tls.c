/* options_tls.c: a `tls` block, wherever it stands.  Reading stops at its first error. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"
#include "natterjack/tls.h"
#include "ops/option_reader.h"
#include "tls/names.h"

#define DEFAULT_TIMEOUT_NS INT64_C(2000000000)
#define AUTO_FIRST_NS INT64_C(50000000)

/* One block being read. */
struct tls_reader {
    struct nj_option_reader *r;
    struct nj_tls_block *b;
    enum nj_tls_place place;
};

typedef bool (*tls_field_fn)(struct tls_reader *t, const struct nj_conf_member *m);

void nj_tls_block_init(struct nj_tls_block *b)
{
    *b = (struct nj_tls_block){ .min_version = NJ_TLS_1_2, .timeout_ns = DEFAULT_TIMEOUT_NS };
}

void nj_tls_block_drop_certs(struct nj_tls_block *b)
{
    for (size_t i = 0; i < b->certs_n; i++) {
        nj_dealloc(b->certs[i].cert_file);
        nj_dealloc(b->certs[i].key_file);
    }
    nj_dealloc(b->certs);
    b->certs = NULL;
    b->certs_n = 0;
}

void nj_tls_block_free(struct nj_tls_block *b)
{
    nj_tls_block_drop_certs(b);
    nj_dealloc(b->provider);
    nj_dealloc(b->cert_file);
    nj_dealloc(b->key_file);
    nj_dealloc(b->ca_file);
    nj_dealloc(b->suites);
    nj_dealloc(b->groups);
    nj_dealloc(b->pinned);
    nj_dealloc(b->file);
    nj_tls_block_init(b);
}

/* Report and stop. */
#define FAIL(t, v, ...) (nj_reader_fail((t)->r, (v), __VA_ARGS__), false)

/* ---- files ---------------------------------------------------------------------------------- */

static bool read_file(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_STRING) {
        return FAIL(t, &m->value, "error parsing tls config, expected '%s' to be filename", m->key);
    }
    char **where = nj_key_is(m, "cert_file")  ? &t->b->cert_file
                   : nj_key_is(m, "key_file") ? &t->b->key_file
                                              : &t->b->ca_file;
    return nj_reader_string(t->r, &m->value, where);
}

/* One member of an entry of `certs`; names are matched exactly. */
static bool read_cert_member(struct tls_reader *t, const struct nj_conf_member *m,
                             struct nj_cert_files *files)
{
    bool cert = strcmp(m->key, "cert_file") == 0;
    if (m->value.type != NJ_CONF_STRING) {
        return FAIL(t, &m->value, "error parsing certificates config: unsupported type %s",
                    nj_conf_type_name(m->value.type));
    }
    if (!cert && strcmp(m->key, "key_file") != 0) {
        char *name = nj_quoted(m->key, m->key_len);
        nj_reader_fail(t->r, &m->value, "error parsing tls certs config, unknown field %s", name);
        nj_dealloc(name);
        return false;
    }
    nj_text_set(cert ? &files->cert_file : &files->key_file, m->value.as.str.ptr);
    return true;
}

static bool read_cert_entry(struct tls_reader *t, const struct nj_conf_value *v)
{
    struct nj_tls_block *b = t->b;
    if (v->type != NJ_CONF_MAP) {
        return FAIL(t, v, "error parsing certificates config: unsupported type %s",
                    nj_conf_type_name(v->type));
    }
    b->certs = nj_realloc(b->certs, (b->certs_n + 1) * sizeof(*b->certs));
    struct nj_cert_files *files = &b->certs[b->certs_n++];
    *files = (struct nj_cert_files){ NULL, NULL };
    const struct nj_conf_map *map = v->as.map;
    for (size_t i = 0; i < map->count; i++) {
        if (!read_cert_member(t, &map->members[i], files)) {
            return false;
        }
    }
    if (files->cert_file == NULL || files->key_file == NULL) {
        const struct nj_conf_value *at = map->count > 0 ? &map->members[map->count - 1].value : v;
        return FAIL(t, at,
                    "error parsing certificates config: both 'cert_file' and 'cert_key' "
                    "options are required");
    }
    return true;
}

static bool read_certs(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_LIST) {
        /* the reference names the type of the tls block, not of the value */
        return FAIL(t, &m->value, "error parsing certificates config: unsupported type %s",
                    nj_conf_type_name(NJ_CONF_MAP));
    }
    const struct nj_conf_list *l = m->value.as.list;
    for (size_t i = 0; i < l->count; i++) {
        if (!read_cert_entry(t, &l->items[i])) {
            return false;
        }
    }
    return true;
}

/* ---- switches ------------------------------------------------------------------------------- */

static bool read_switch(struct tls_reader *t, const struct nj_conf_member *m, bool *on_out)
{
    if (m->value.type != NJ_CONF_BOOL) {
        return FAIL(t, &m->value, "error parsing tls config, expected '%s' to be a boolean",
                    m->key);
    }
    *on_out = m->value.as.boolean;
    return true;
}

static bool read_verify(struct tls_reader *t, const struct nj_conf_member *m)
{
    bool on = false;
    if (!read_switch(t, m, &on)) {
        return false;
    }
    t->b->verify = on || t->b->verify_and_map || t->b->verify_known_urls;
    return true;
}

static bool read_verify_and_map(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (!read_switch(t, m, &t->b->verify_and_map)) {
        return false;
    }
    t->b->verify = t->b->verify || t->b->verify_and_map;
    return true;
}

static bool read_known_urls(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (!read_switch(t, m, &t->b->verify_known_urls)) {
        return false;
    }
    if (t->b->verify_known_urls && t->place != NJ_TLS_ROUTES) {
        return FAIL(t, &m->value, "verify_cert_and_check_known_urls not supported in this context");
    }
    t->b->verify = t->b->verify || t->b->verify_known_urls;
    return true;
}

static bool read_insecure(struct tls_reader *t, const struct nj_conf_member *m)
{
    return read_switch(t, m, &t->b->insecure);
}

static bool read_allow_insecure(struct tls_reader *t, const struct nj_conf_member *m)
{
    return read_switch(t, m, &t->b->allow_insecure_suites);
}

/* ---- versions, suites, groups --------------------------------------------------------------- */

static bool wrong_version_type(struct tls_reader *t, const struct nj_conf_member *m)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    nj_reader_show(&m->value, &b);
    nj_reader_fail(t->r, &m->value, "error parsing tls config: 'min_version' wrong type: %s",
                   b.ptr == NULL ? "" : b.ptr);
    nj_buf_free(&b);
    return false;
}

static bool read_min_version(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_STRING) {
        return wrong_version_type(t, m);
    }
    const char *s = m->value.as.str.ptr;
    if (strcmp(s, "1.2") == 0) {
        t->b->min_version = NJ_TLS_1_2;
    } else if (strcmp(s, "1.3") == 0) {
        t->b->min_version = NJ_TLS_1_3;
    } else if (strcmp(s, "1.0") == 0 || strcmp(s, "1.1") == 0) {
        return FAIL(t, &m->value, "error parsing tls config: unsupported TLS version: TLS %s", s);
    } else {
        return FAIL(t, &m->value, "error parsing tls config: unknown version: %s", s);
    }
    return true;
}

static bool read_suites(struct tls_reader *t, const struct nj_conf_member *m)
{
    struct nj_tls_block *b = t->b;
    if (!nj_reader_is(t->r, &m->value, NJ_CONF_LIST)) {
        return false;
    }
    const struct nj_conf_list *l = m->value.as.list;
    if (l->count == 0) {
        return FAIL(t, &m->value, "error parsing tls config, 'cipher_suites' cannot be empty");
    }
    nj_dealloc(b->suites);
    b->suites = nj_calloc(l->count, sizeof(*b->suites));
    b->suites_n = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct nj_conf_value *v = &l->items[i];
        if (!nj_reader_is(t->r, v, NJ_CONF_STRING)) {
            return false;
        }
        const struct nj_tls_suite *suite = nj_tls_suite_by_name(v->as.str.ptr);
        if (suite == NULL) {
            return FAIL(t, v, "unrecognized cipher %s", v->as.str.ptr);
        }
        if (!nj_reader_fips_suite(t->r, v, suite->id)) {
            return false;
        }
        b->suites[b->suites_n++] = suite->id;
    }
    return true;
}

static bool read_groups(struct tls_reader *t, const struct nj_conf_member *m)
{
    struct nj_tls_block *b = t->b;
    if (!nj_reader_is(t->r, &m->value, NJ_CONF_LIST)) {
        return false;
    }
    const struct nj_conf_list *l = m->value.as.list;
    if (l->count == 0) {
        return FAIL(t, &m->value, "error parsing tls config, 'curve_preferences' cannot be empty");
    }
    nj_dealloc(b->groups);
    b->groups = nj_calloc(l->count, sizeof(*b->groups));
    b->groups_n = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct nj_conf_value *v = &l->items[i];
        if (!nj_reader_is(t->r, v, NJ_CONF_STRING)) {
            return false;
        }
        const struct nj_tls_group *group = nj_tls_group_by_name(v->as.str.ptr);
        if (group == NULL) {
            return FAIL(t, v, "unrecognized curve preference %s", v->as.str.ptr);
        }
        if (!nj_reader_fips_group(t->r, v, group->id)) {
            return false;
        }
        b->groups[b->groups_n++] = group->id;
    }
    return true;
}

/* ---- time, pins, first ---------------------------------------------------------------------- */

static bool read_timeout(struct tls_reader *t, const struct nj_conf_member *m)
{
    struct nj_buf why;
    int64_t ns = 0;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_seconds_read(&m->value, &ns, &why);
    if (rc == NJ_E_UNSUPPORTED) {
        nj_reader_fail(t->r, &m->value, "error parsing tls config, 'timeout' wrong type");
    } else if (rc != NJ_OK) {
        nj_reader_fail(t->r, &m->value, "error parsing tls config, 'timeout' %s", why.ptr);
    } else {
        t->b->timeout_ns = ns == 0 ? DEFAULT_TIMEOUT_NS : ns;
    }
    nj_buf_free(&why);
    return rc == NJ_OK;
}

static bool read_pin(struct tls_reader *t, const struct nj_conf_value *v)
{
    struct nj_tls_block *b = t->b;
    if (!nj_reader_is(t->r, v, NJ_CONF_STRING)) {
        return false;
    }
    char *low = nj_strdup(v->as.str.ptr);
    for (char *p = low; *p != '\0'; p++) {
        *p = (char) (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    }
    bool ok = v->as.str.len == 64 && strspn(low, "0123456789abcdef") == 64;
    if (ok) {
        memcpy(b->pinned[b->pinned_n++], low, 65);
    } else {
        nj_reader_fail(t->r, v,
                       "error parsing tls config, 'pinned_certs' key %s does not look like "
                       "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo",
                       low);
    }
    nj_dealloc(low);
    return ok;
}

static bool read_pins(struct tls_reader *t, const struct nj_conf_member *m)
{
    struct nj_tls_block *b = t->b;
    if (m->value.type != NJ_CONF_LIST) {
        return FAIL(t, &m->value,
                    "error parsing tls config, expected 'pinned_certs' to be a list of "
                    "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo");
    }
    const struct nj_conf_list *l = m->value.as.list;
    nj_dealloc(b->pinned);
    b->pinned = nj_calloc(l->count, sizeof(*b->pinned));
    b->pinned_n = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (!read_pin(t, &l->items[i])) {
            return false;
        }
    }
    return true;
}

static bool read_rate(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_INT) {
        return FAIL(t, &m->value, "error parsing tls config, 'connection_rate_limit' wrong type");
    }
    t->b->rate_limit = m->value.as.integer;
    return true;
}

static bool word_is(const char *s, const char *a, const char *b)
{
    return strcasecmp(s, a) == 0 || strcasecmp(s, b) == 0;
}

/* "true", "off", "auto", or how long to wait for a ClientHello. */
static bool first_text(struct tls_reader *t, const struct nj_conf_member *m)
{
    const char *s = m->value.as.str.ptr;
    struct nj_tls_block *b = t->b;
    int64_t ns = 0;
    if (word_is(s, "true", "on") || word_is(s, "false", "off")) {
        b->first = word_is(s, "true", "on") ? NJ_TLS_FIRST_ALWAYS : NJ_TLS_FIRST_OFF;
        return true;
    }
    if (word_is(s, "auto", "auto_fallback")) {
        b->first = NJ_TLS_FIRST_AUTO;
        b->first_delay_ns = AUTO_FIRST_NS;
        return true;
    }
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_go_duration(s, m->value.as.str.len, &ns, &why);
    nj_buf_free(&why);
    if (rc != NJ_OK) {
        char *value = nj_quoted(s, m->value.as.str.len);
        nj_reader_fail(t->r, &m->value, "field \"%s\"'s value %s is invalid", m->key, value);
        nj_dealloc(value);
        return false;
    }
    b->first = ns > 0 ? NJ_TLS_FIRST_AUTO : NJ_TLS_FIRST_ALWAYS;
    b->first_delay_ns = ns > 0 ? ns : 0;
    return true;
}

static bool read_first(struct tls_reader *t, const struct nj_conf_member *m)
{
    t->b->first_delay_ns = 0;
    if (m->value.type == NJ_CONF_BOOL) {
        t->b->first = m->value.as.boolean ? NJ_TLS_FIRST_ALWAYS : NJ_TLS_FIRST_OFF;
        return true;
    }
    if (m->value.type == NJ_CONF_STRING) {
        return first_text(t, m);
    }
    return FAIL(t, &m->value, "field \"%s\" should be a boolean or a string, got %s", m->key,
                nj_conf_type_name(m->value.type));
}

/* ---- provider ------------------------------------------------------------------------------- */

static bool read_provider(struct tls_reader *t, const struct nj_conf_member *m)
{
    if (m->value.type != NJ_CONF_STRING) {
        return FAIL(t, &m->value, "error parsing tls config, expected 'provider' to be a string");
    }
    const char *s = m->value.as.str.ptr;
    if (s[0] == '\0' || s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0') {
        char *name = nj_quoted(s, m->value.as.str.len);
        nj_reader_fail(t->r, &m->value,
                       "error parsing tls config, 'provider' %s is no provider name: lower-case "
                       "letters, digits, _ and -",
                       name);
        nj_dealloc(name);
        return false;
    }
    nj_text_set(&t->b->provider, s);
    return true;
}

static bool read_strict(struct tls_reader *t, const struct nj_conf_member *m)
{
    return read_switch(t, m, &t->b->strict_ciphers);
}

static bool read_ticket_rotation(struct tls_reader *t, const struct nj_conf_member *m)
{
    return nj_reader_ticket_rotation(t->r, m, &t->b->ticket_rotation_ns);
}

/* ---- known, not served ---------------------------------------------------------------------- */

static bool read_ocsp_peer(struct tls_reader *t, const struct nj_conf_member *m)
{
    return nj_reader_ocsp_peer(t->r, m, t->b);
}

static bool read_cert_store(struct tls_reader *t, const struct nj_conf_member *m)
{
    return nj_reader_cert_store(t->r, m);
}

/* ---- the block ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    tls_field_fn read;
} fields[] = {
    { "cert_file", read_file },
    { "key_file", read_file },
    { "ca_file", read_file },
    { "certs", read_certs },
    { "certificates", read_certs },
    { "verify", read_verify },
    { "verify_and_map", read_verify_and_map },
    { "verify_cert_and_check_known_urls", read_known_urls },
    { "insecure", read_insecure },
    { "timeout", read_timeout },
    { "min_version", read_min_version },
    { "cipher_suites", read_suites },
    { "allow_insecure_cipher_suites", read_allow_insecure },
    { "curve_preferences", read_groups },
    { "pinned_certs", read_pins },
    { "connection_rate_limit", read_rate },
    { "handshake_first", read_first },
    { "first", read_first },
    { "immediate", read_first },
    { "ocsp_peer", read_ocsp_peer },
    { "cert_store", read_cert_store },
    { "cert_match_by", read_cert_store },
    { "cert_match", read_cert_store },
    { "cert_match_skip_invalid", read_cert_store },
    { "ca_certs_match", read_cert_store },
    { "provider", read_provider },
    { "strict_ciphers", read_strict },
    { "ticket_rotation", read_ticket_rotation },
};

static bool read_field(struct tls_reader *t, const struct nj_conf_member *m)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (nj_key_is(m, fields[i].name)) {
            /* messages have the name in lower case, however it was spelled */
            const struct nj_conf_member low = { .key = fields[i].name,
                                                .key_len = m->key_len,
                                                .value = m->value };
            return fields[i].read(t, &low);
        }
    }
    char *name = nj_quoted(m->key, m->key_len);
    nj_reader_fail(t->r, &m->value, "error parsing tls config, unknown field %s", name);
    nj_dealloc(name);
    return false;
}

static bool check_suites(struct tls_reader *t, const struct nj_conf_value *at)
{
    struct nj_buf names;
    nj_buf_init(&names, SIZE_MAX);
    for (size_t i = 0; i < t->b->suites_n && !t->b->allow_insecure_suites; i++) {
        const struct nj_tls_suite *suite = nj_tls_suite_by_id(t->b->suites[i]);
        if (!suite->secure) {
            (void) nj_buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", suite->name);
        }
    }
    bool ok = names.len == 0;
    if (!ok) {
        nj_reader_fail(t->r, at,
                       "insecure cipher suites configured without "
                       "'allow_insecure_cipher_suites' option set: %s",
                       names.ptr);
    }
    nj_buf_free(&names);
    return ok;
}

static bool check_strict(struct tls_reader *t, const struct nj_conf_value *at)
{
    const struct nj_tls_block *b = t->b;
    bool tls13 = false;
    if (!b->strict_ciphers) {
        return true;
    }
    if (b->suites == NULL) {
        return FAIL(t, at, "error parsing tls config, 'strict_ciphers' needs 'cipher_suites'");
    }
    for (size_t i = 0; i < b->suites_n; i++) {
        tls13 = tls13 || nj_tls_suite_by_id(b->suites[i])->tls13;
    }
    if (!tls13 && b->min_version >= NJ_TLS_1_3) {
        return FAIL(t, at, "%s", NJ_TLS_STRICT_CONFLICT);
    }
    return true;
}

/* What the block says as a whole. */
static bool check_block(struct tls_reader *t, const struct nj_conf_value *at)
{
    const struct nj_tls_block *b = t->b;
    if (b->certs_n > 0 && b->cert_file != NULL) {
        return FAIL(t, at,
                    "error parsing tls config, cannot combine 'cert_file' option with "
                    "'certs' option");
    }
    if (!check_suites(t, at) || !check_strict(t, at)) {
        return false;
    }
    if (b->cert_file != NULL && b->key_file == NULL) {
        return FAIL(t, at, "missing 'key_file' in TLS configuration");
    }
    if (b->cert_file == NULL && b->key_file != NULL) {
        return FAIL(t, at, "missing 'cert_file' in TLS configuration");
    }
    return true;
}

static bool check_files(struct tls_reader *t, const struct nj_conf_value *at)
{
    const struct nj_options_hooks *hooks = t->r->hooks;
    struct nj_error err = NJ_ERROR_INIT;
    if (hooks->check_tls == NULL ||
        hooks->check_tls(hooks->user, t->b, t->r->o->tls_provider, &err) == NJ_OK) {
        return true;
    }
    return FAIL(t, at, "%s", err.text);
}

bool nj_reader_tls(struct nj_option_reader *r, const struct nj_conf_member *m,
                   enum nj_tls_place place, struct nj_tls_block *block)
{
    struct tls_reader t = { .r = r, .b = block, .place = place };
    const struct nj_conf_value *v = &m->value;
    const struct nj_conf_value *at = v->file == NULL ? r->option : v;

    if (!nj_reader_is(r, v, NJ_CONF_MAP)) {
        return false;
    }
    block->present = true;
    nj_text_set(&block->file, at->file);
    block->line = at->line;
    block->col = at->col;
    for (size_t i = 0; i < v->as.map->count; i++) {
        if (!read_field(&t, &v->as.map->members[i])) {
            return false;
        }
    }
    return check_block(&t, v) && check_files(&t, v);
}

void nj_set_tls(struct nj_option_reader *r, const struct nj_option *opt,
                const struct nj_conf_member *m)
{
    struct nj_tls_block *b = &r->o->tls;
    (void) opt;
    nj_tls_block_free(b);
    if (!nj_reader_tls(r, m, NJ_TLS_CLIENTS, b)) {
        return;
    }
}
