/* test_options.c: from a configuration file to struct nj_options. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "natterjack/plugin.h"
#include "ops/option_table.h"
#include "ops/options.h"
#include "tls/fips.h"
#include "tls/ocsp_staple.h"

#define SECOND INT64_C(1000000000)

/* ---- loading a text ------------------------------------------------------------------------- */

static struct nj_options o;
static struct nj_buf messages;
static char folder[64];

static void enter(void)
{
    (void) snprintf(folder, sizeof(folder), "/tmp/nj-options-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    nj_options_init(&o);
    nj_buf_init(&messages, SIZE_MAX);
}

static void leave(void)
{
    nj_options_free(&o);
    nj_buf_free(&messages);
    (void) unlink("a.conf");
    (void) rmdir(folder);
}

/* Not a hash: 32 times the first byte. */
static int fake_hash(void *user, const void *data, size_t len, uint8_t *out)
{
    (void) user;
    memset(out, len > 0 ? *(const uint8_t *) data : 0, 32);
    return NJ_OK;
}

static int load_with(const char *text, const struct nj_options_hooks *hooks)
{
    FILE *f = fopen("a.conf", "w");
    ck_assert_ptr_nonnull(f);
    (void) fputs(text, f);
    (void) fclose(f);
    nj_options_free(&o);
    nj_options_init(&o);
    nj_buf_clear(&messages);
    return nj_options_load("a.conf", hooks, &o, &messages);
}

static void load_good(const char *text)
{
    int rc = load_with(text, NULL);
    ck_assert_msg(rc == NJ_OK && messages.len == 0, "%s: %s", text,
                  messages.ptr == NULL ? "" : messages.ptr);
}

static void load_bad(const char *text, const char *want)
{
    int rc = load_with(text, NULL);
    ck_assert_str_eq(messages.ptr == NULL ? "" : messages.ptr, want);
    ck_assert_int_lt(rc, 0);
}

/* ---- FIPS ----------------------------------------------------------------------------------- */

START_TEST(under_require_fips_each_refusal_has_a_name_and_a_place)
{
    static const struct {
        const char *text;
        const char *want;
    } table[] = {
        { "tls { cipher_suites: [TLS_AES_128_GCM_SHA256,\n  TLS_CHACHA20_POLY1305_SHA256] }",
          "a.conf:2:3: cipher suite TLS_CHACHA20_POLY1305_SHA256 is not allowed under require_fips: "
          "ChaCha20-Poly1305 is not an approved cipher\n" },
        { "tls { allow_insecure_cipher_suites: true\n"
          "cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256] }",
          "a.conf:2:17: cipher suite TLS_RSA_WITH_AES_128_GCM_SHA256 is not allowed under "
          "require_fips: RSA key transport is no longer approved\n" },
        { "tls { curve_preferences: [CurveP256, X25519] }",
          "a.conf:1:37: curve preference X25519 is not allowed under require_fips: X25519 is not "
          "approved\n" },
        { "authorization { user: a, password: \"$2a$10$abcdefghijklmnopqrstuv\" }",
          "a.conf:1:25: a bcrypt hash is not allowed under require_fips: bcrypt is not an approved "
          "function; use client certificates, or a long random token\n" },
        { "authorization { token: \"$2y$10$abcdefghijklmnopqrstuv\" }",
          "a.conf:1:16: a bcrypt hash is not allowed under require_fips: bcrypt is not an approved "
          "function; use client certificates, or a long random token\n" },
        { "authorization { users: [ { user: a, pass: \"$2b$10$abcdefghijklmnopqrstuv\" } ] }",
          "a.conf:1:36: a bcrypt hash is not allowed under require_fips: bcrypt is not an approved "
          "function; use client certificates, or a long random token\n" },
        { "authorization { users: [\n"
          "{ nkey: UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK } ] }",
          "a.conf:2:3: \"nkey\" is not allowed under require_fips: it needs Ed25519\n" },
        { "trusted_keys: [ODSKBNDIT3LTZWFSRAWOBXSBZ7VZCDQVU6TBJX3TQGYXUWRU46ANJJS4]",
          "a.conf:1:0: \"trusted_keys\" is not allowed under require_fips: it needs Ed25519 "
          "signatures\n" },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[400];
        /* The switch may stand after what it is about. */
        (void) snprintf(text, sizeof(text), "%s\nrequire_fips: true\n", table[i].text);
        load_bad(text, table[i].want);
        if (!nj_fips_built_in()) {
            load_good(table[i].text);
        }
    }
}
END_TEST

START_TEST(under_require_fips_what_is_approved_may_be_named)
{
    load_good("require_fips: true\n"
              "tls { cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
              "      curve_preferences: [CurveP521, CurveP384] }\n"
              "authorization { user: a, password: plain }\n");

    ck_assert(o.require_fips);
    ck_assert_str_eq(o.require_fips_at, "a.conf:1:0");
}
END_TEST

START_TEST(require_fips_is_taken_back_by_no_build_that_has_it_built_in)
{
    if (nj_fips_built_in()) {
        load_bad("require_fips: false\n", "a.conf:1:0: require_fips cannot be false: this server "
                                          "was built with --enable-fips\n");
    } else {
        load_good("require_fips: false\n");
        ck_assert(!o.require_fips);
        ck_assert_ptr_null(o.require_fips_at);
    }
}
END_TEST

static int note_provider(void *user, const struct nj_tls_block *block, const char *tls_provider,
                         struct nj_error *err)
{
    (void) block;
    (void) err;
    (void) snprintf(user, 32, "%s", tls_provider);
    return NJ_OK;
}

START_TEST(the_provider_is_known_to_a_block_that_stands_before_it)
{
    char seen[32] = "";
    struct nj_options_hooks hooks = { .user = seen, .check_tls = note_provider };

    ck_assert_int_eq(load_with("tls { }\ntls_provider: mine\n", &hooks), NJ_OK);

    ck_assert_str_eq(seen, "mine");
}
END_TEST

/* ---- the table ------------------------------------------------------------------------------ */

START_TEST(no_name_is_given_twice)
{
    for (size_t i = 0; i < nj_option_count(); i++) {
        const struct nj_option *opt = nj_option_at(i);
        ck_assert_ptr_eq(nj_option_find(opt->name), opt);
        for (size_t k = 0; k < NJ_OPTION_ALIASES && opt->alias[k] != NULL; k++) {
            ck_assert_msg(nj_option_find(opt->alias[k]) == opt, "%s", opt->alias[k]);
        }
    }
}
END_TEST

START_TEST(names_are_found_in_any_case)
{
    ck_assert_str_eq(nj_option_find("Max_Payload")->name, "max_payload");
    ck_assert_str_eq(nj_option_find("MAX_CONN")->name, "max_connections");
    ck_assert_ptr_null(nj_option_find("max_payloads"));
    ck_assert_ptr_null(nj_option_find(""));
}
END_TEST

START_TEST(every_option_can_be_explained)
{
    for (size_t i = 0; i < nj_option_count(); i++) {
        const struct nj_option *opt = nj_option_at(i);
        ck_assert_msg(opt->help != NULL && opt->help[0] != '\0', "%s", opt->name);
        ck_assert_msg(opt->set != NULL || opt->offset != NJ_OPTION_NOWHERE, "%s", opt->name);
        ck_assert_msg(opt->type != NJ_OPTION_OTHER || opt->set != NULL, "%s", opt->name);
    }
}
END_TEST

static bool same_member(const struct nj_option *opt, const struct nj_options *a,
                        const struct nj_options *b)
{
    const char *x = (const char *) a + opt->offset;
    const char *y = (const char *) b + opt->offset;
    if (opt->type == NJ_OPTION_STRING) {
        const char *s = *(char *const *) (const void *) x;
        const char *t = *(char *const *) (const void *) y;
        return s != NULL && t != NULL ? strcmp(s, t) == 0 : s == t;
    }
    return memcmp(x, y, opt->width) == 0;
}

/* tls_provider's preset is in words, and 0, which is max_sub_tokens' preset, may not be written. */
START_TEST(presets_of_the_table_are_what_runs_without_a_file)
{
    struct nj_options preset;
    char text[128];
    nj_options_init(&preset);
    for (size_t i = 0; i < nj_option_count(); i++) {
        const struct nj_option *opt = nj_option_at(i);
        if (opt->preset == NULL || opt->offset == NJ_OPTION_NOWHERE ||
            strcmp(opt->name, "tls_provider") == 0 || strcmp(opt->name, "max_sub_tokens") == 0) {
            continue;
        }
        bool quote = opt->type == NJ_OPTION_DURATION || opt->type == NJ_OPTION_OTHER;
        (void) snprintf(text, sizeof(text), "%s: %s%s%s\n", opt->name, quote ? "\"" : "",
                        opt->preset, quote ? "\"" : "");

        load_good(text);

        ck_assert_msg(same_member(opt, &o, &preset), "%s", opt->name);
    }
    nj_options_free(&preset);
}
END_TEST

START_TEST(aliases_set_the_same_member)
{
    load_good("net: h\nmonitor_port: 1\nmax_conn: 2\nmax_subs: 3\nmax_subscription_tokens: 4\n"
              "pidfile: p\nlogfile: l\nno_sublist_cache: true\n");

    ck_assert_str_eq(o.host, "h");
    ck_assert_int_eq(o.http_port, 1);
    ck_assert_int_eq(o.max_connections, 2);
    ck_assert_int_eq(o.max_subs, 3);
    ck_assert_int_eq(o.max_sub_tokens, 4);
    ck_assert_str_eq(o.pid_file, "p");
    ck_assert_str_eq(o.log_file, "l");
    ck_assert(o.no_sublist_cache);
}
END_TEST

/* ---- values --------------------------------------------------------------------------------- */

START_TEST(numbers_and_durations_arrive_in_their_units)
{
    load_good("max_payload: 64kb\nmax_pending: 1g\nping_interval: \"90s\"\nping_max: 5\n"
              "write_deadline: \"1m30s\"\nwrite_timeout: retry\nlame_duck_duration: \"1m\"\n"
              "lame_duck_grace_period: \"0s\"\nmax_connections: 0\nworkers: 3\n");

    ck_assert_int_eq(o.max_payload, 65536);
    ck_assert_int_eq(o.max_pending, 1000000000);
    ck_assert_int_eq(o.ping_interval_ns, 90 * SECOND);
    ck_assert_int_eq(o.ping_max, 5);
    ck_assert_int_eq(o.write_deadline_ns, 90 * SECOND);
    ck_assert_int_eq(o.write_timeout_retry, 1);
    ck_assert_int_eq(o.lame_duck_duration_ns, 60 * SECOND);
    ck_assert_int_eq(o.lame_duck_grace_ns, 10 * SECOND); /* 0 keeps the preset */
    ck_assert_int_eq(o.max_connections, -1);
    ck_assert_int_eq(o.workers, 3);
}
END_TEST

static const struct {
    const char *text;
    const char *host;
    int port;
} listens[] = {
    { "listen: 5555", "0.0.0.0", 5555 },
    { "listen: \"127.0.0.1:-1\"", "127.0.0.1", -1 },
    { "listen: \":4000\"", "0.0.0.0", 4000 },
    { "listen: \"[::1]:4001\"", "::1", 4001 },
    { "listen: localhost:+4002", "localhost", 4002 },
    { "port: 0", "0.0.0.0", 4222 },
};

START_TEST(listen_sets_host_and_port)
{
    load_good(listens[_i].text);

    ck_assert_str_eq(o.host, listens[_i].host);
    ck_assert_int_eq(o.port, listens[_i].port);
}
END_TEST

START_TEST(the_later_spelling_of_a_key_wins)
{
    load_good("Port: 1\nport: 2\nPORT: 3\n");

    ck_assert_int_eq(o.port, 3);
}
END_TEST

START_TEST(a_tls_block_is_taken_as_written)
{
    load_good("tls {\n cert_file: c.pem\n key_file: k.pem\n ca_file: ca.pem\n verify: true\n"
              " provider: wolfssl\n timeout: 1.5\n min_version: \"1.3\"\n"
              " cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
              " curve_preferences: [CurveP384, X25519]\n handshake_first: \"300ms\"\n"
              " pinned_certs: "
              "[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]\n}\n");

    ck_assert(o.tls.present);
    ck_assert_str_eq(o.tls.cert_file, "c.pem");
    ck_assert_str_eq(o.tls.key_file, "k.pem");
    ck_assert_str_eq(o.tls.ca_file, "ca.pem");
    ck_assert_str_eq(o.tls.provider, "wolfssl");
    ck_assert(o.tls.verify);
    ck_assert_int_eq(o.tls.timeout_ns, 1500000000);
    ck_assert_uint_eq(o.tls.min_version, 0x0304);
    ck_assert_uint_eq(o.tls.suites_n, 2);
    ck_assert_uint_eq(o.tls.suites[0], 0x1301);
    ck_assert_uint_eq(o.tls.suites[1], 0xC030);
    ck_assert_uint_eq(o.tls.groups_n, 2);
    ck_assert_uint_eq(o.tls.groups[0], 24);
    ck_assert_uint_eq(o.tls.groups[1], 29);
    ck_assert_int_eq(o.tls.first, NJ_TLS_FIRST_AUTO);
    ck_assert_int_eq(o.tls.first_delay_ns, 300000000);
    ck_assert_uint_eq(o.tls.pinned_n, 1);
    ck_assert_uint_eq(strspn(o.tls.pinned[0], "a"), 64);
    ck_assert_str_eq(o.tls.file, "a.conf");
    ck_assert_uint_eq(o.unserved_n, 0);
}
END_TEST

START_TEST(an_empty_tls_block_is_present_with_presets)
{
    load_good("tls {}\n");

    ck_assert(o.tls.present);
    ck_assert_ptr_null(o.tls.cert_file);
    ck_assert_uint_eq(o.tls.min_version, 0x0303);
    ck_assert_int_eq(o.tls.timeout_ns, 2 * SECOND);
    ck_assert_int_eq(o.tls.first, NJ_TLS_FIRST_OFF);
}
END_TEST

START_TEST(authorization_is_one_user_or_a_token)
{
    load_good("authorization { user: u, pass: p, timeout: \"1500ms\" }\n");
    ck_assert_str_eq(o.user, "u");
    ck_assert_str_eq(o.pass, "p");
    ck_assert_ptr_null(o.token);
    ck_assert_double_eq(o.auth_timeout_s, 1.5);

    load_good("authorization { token: t }\n");
    ck_assert_ptr_null(o.user);
    ck_assert_str_eq(o.token, "t");
}
END_TEST

START_TEST(empty_text_is_as_good_as_absent)
{
    load_good("authorization { user: \"\", token: \"\" }\nhost: \"\"\nlog_file: \"\"\n"
              "tls { cert_file: \"\" }\n");

    ck_assert_ptr_null(o.user);
    ck_assert_ptr_null(o.token);
    ck_assert_str_eq(o.host, "0.0.0.0");
    ck_assert_ptr_null(o.log_file);
    ck_assert_ptr_null(o.tls.cert_file);
}
END_TEST

START_TEST(lists_of_text_are_kept)
{
    load_good("server_tags: [a, b]\nplugin_dirs: one\nserver_metadata: {k: v}\n");

    ck_assert_uint_eq(o.server_tags_n, 2);
    ck_assert_str_eq(o.server_tags[1], "b");
    ck_assert_uint_eq(o.plugin_dirs_n, 1);
    ck_assert_str_eq(o.plugin_dirs[0], "one");
    ck_assert_uint_eq(o.server_metadata_n, 2);
    ck_assert_str_eq(o.server_metadata[0], "k");
    ck_assert_str_eq(o.server_metadata[1], "v");
}
END_TEST

START_TEST(trace_verbose_sets_trace_too)
{
    load_good("trace_verbose: true\n");

    ck_assert(o.trace_verbose);
    ck_assert(o.trace);
    ck_assert(!o.debug);
}
END_TEST

/* ---- messages ------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *want;
} errors[] = {
    { "foo: 1", "a.conf:1:0: unknown field \"foo\"\n" },
    { "\n  port: \"x\"", "a.conf:2:3: interface conversion: interface {} is string, not int64\n" },
    { "host: 1.5", "a.conf:1:0: interface conversion: interface {} is float64, not string\n" },
    { "listen: \"a:b:c\"", "a.conf:1:0: could not parse address string \"a:b:c\"\n" },
    { "listen: \"a:b\"", "a.conf:1:0: could not parse port \"b\"\n" },
    { "server_name: \"a b\"", "a.conf:1:0: server name cannot contain spaces\n" },
    { "max_payload: 2147483648", "a.conf:1:0: max_payload value is too big\n" },
    { "MAX_control_LINE: 4g", "a.conf:1:0: MAX_control_LINE value is too big\n" },
    { "max_sub_tokens: 256", "a.conf:1:0: max_sub_tokens value is too big\n" },
    { "max_sub_tokens: 0", "a.conf:1:0: max_sub_tokens value can not be negative\n" },
    { "ping_interval: \"x\"",
      "a.conf:1:0: error parsing ping_interval: time: invalid duration \"x\"\n" },
    { "lame_duck_duration: \"29s\"",
      "a.conf:1:0: invalid lame_duck_duration of 29s, minimum is 30 seconds\n" },
    { "write_timeout: Retry", "a.conf:1:0: write_timeout must be 'default', 'close' or 'retry'\n" },
    { "workers: 0", "a.conf:1:0: workers must be 1 to 256, not 0\n" },
    { "tls_provider: \"../x\"",
      "a.conf:1:0: tls_provider \"../x\" is no provider name: lower-case letters, digits, _ and "
      "-\n" },
    { "plugin_dirs: 5", "a.conf:1:0: plugin_dirs must be a string or a list of strings\n" },
    { "tls { bogus: 1 }", "a.conf:1:6: error parsing tls config, unknown field \"bogus\"\n" },
    { "tls { cert_file: c }", "a.conf:1:0: missing 'key_file' in TLS configuration\n" },
    { "tls { min_version: 1.3 }",
      "a.conf:1:6: error parsing tls config: 'min_version' wrong type: 1.3\n" },
    { "tls { verify: 1, nope: 2 }", /* stops at the first */
      "a.conf:1:6: error parsing tls config, expected 'verify' to be a boolean\n" },
    { "authorization { user: a, token: b }", "a.conf:1:0: Cannot have a user/pass and token\n" },
    { "authorization { bogus: 1 }", "a.conf:1:16: unknown field \"bogus\"\n" },
    { "cluster { bogus: 1 }", "a.conf:1:10: unknown field \"bogus\"\n" },
    { "cluster { routes: [\"nats://u:secret@h:x\"] }",
      "a.conf:1:20: error parsing route url [\"nats://[REDACTED]@h:x\"]\n" },
    { "authorization { users: {user: a, password: secret} }",
      "a.conf:1:16: Expected users field to be an array, got map[...]\n" },
    { "trusted: abc",
      "a.conf:1:0: trust key \"abc\" required to be a valid public operator nkey\n" },
    { "a: [", "Parse error on line 1: 'Expected an array value terminator \",\" or an array "
              "terminator \"]\", but got '" },
};

START_TEST(errors_name_place_and_reason)
{
    load_bad(errors[_i].text, errors[_i].want);
}
END_TEST

START_TEST(errors_come_in_the_order_of_the_file_after_the_warnings)
{
    load_bad("zeta: 1\nping_interval: 5\nalpha: 2\nport: true\n",
             "a.conf:2:1: invalid use of field \"ping_interval\": ping_interval should be "
             "converted to a duration\n"
             "a.conf:1:0: unknown field \"zeta\"\n"
             "a.conf:3:1: unknown field \"alpha\"\n"
             "a.conf:4:1: interface conversion: interface {} is bool, not int64\n");
}
END_TEST

START_TEST(a_warning_alone_is_no_failure)
{
    ck_assert_int_eq(load_with("ping_interval: 5\n", NULL), NJ_OK);

    ck_assert_str_eq(messages.ptr, "a.conf:1:0: invalid use of field \"ping_interval\": "
                                   "ping_interval should be converted to a duration\n");
    ck_assert_int_eq(o.ping_interval_ns, 5 * SECOND);
}
END_TEST

START_TEST(an_empty_file_is_a_warning)
{
    ck_assert_int_eq(load_with("# nothing\n", NULL), NJ_OK);

    ck_assert_str_eq(messages.ptr, "a.conf: config has no values or is empty\n");
}
END_TEST

START_TEST(a_missing_file_is_said_without_place)
{
    ck_assert_int_eq(nj_options_load("none.conf", NULL, &o, &messages), NJ_E_IO);

    ck_assert_str_eq(messages.ptr, "open none.conf: no such file or directory");
}
END_TEST

START_TEST(a_key_that_served_as_variable_is_not_unknown)
{
    load_good("N: 7\nauthorization { U: me, user: $U }\nport: $N\n");

    ck_assert_int_eq(o.port, 7);
    ck_assert_str_eq(o.user, "me");
}
END_TEST

/* ---- users ---------------------------------------------------------------------------------- */

static bool may_pub(const struct nj_user *u, const char *subject)
{
    return nj_perms_may_publish(u->perms, subject, strlen(subject));
}

START_TEST(users_are_kept_in_order_with_what_they_may)
{
    load_good("authorization { default_permissions: { publish: d }\n"
              " users: [ { user: a, password: p, allowed_connection_types: [mqtt, \"STANDARD\"] }\n"
              "  { nkey: UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK }\n"
              "  { username: c, permissions: { pub: [x, \"y.>\"], sub: { deny: \"s q\" } } }\n"
              "  { user: e, permission: {} } ] }\nno_auth_user: c\n");

    ck_assert_uint_eq(o.unserved_n, 0);
    ck_assert_uint_eq(o.users.n, 4);
    ck_assert_str_eq(o.no_auth_user, "c");
    struct nj_user **u = o.users.at;
    ck_assert_str_eq(u[0]->pass, "p");
    ck_assert_uint_eq(u[0]->types, NJ_TYPE_MQTT | NJ_TYPE_STANDARD);
    ck_assert_str_eq(u[0]->account, "$G");
    ck_assert_ptr_null(u[1]->name);
    ck_assert_uint_eq(u[1]->key[0], 0x03);
    ck_assert_ptr_eq(u[0]->perms, u[1]->perms); /* made once, shared */
    ck_assert(may_pub(u[0], "d") && !may_pub(u[0], "x"));
    ck_assert(may_pub(u[2], "x") && may_pub(u[2], "y.1.2") && !may_pub(u[2], "d"));
    ck_assert(nj_perms_may_subscribe(u[2]->perms, "s", 1, "", 0));
    ck_assert(!nj_perms_may_subscribe(u[2]->perms, "s", 1, "q", 1));
    ck_assert(u[3]->perms != NULL && !nj_perms_restrict(u[3]->perms));
}
END_TEST

START_TEST(of_two_spellings_of_a_block_the_last_counts)
{
    load_good("authorization { users: [ { user: a } ] }\nAuthorization { users: [ { user: b } ] }\n");

    ck_assert_uint_eq(o.users.n, 1);
    ck_assert_str_eq(o.users.at[0]->name, "b");
}
END_TEST

START_TEST(a_nul_in_a_credential_or_a_subject_is_an_error)
{
    load_bad("authorization { users: [ { user: \"a\\x00b\" } ] }\n",
             "a.conf:1:27: a name or password must not hold a NUL byte\n");
    load_bad("authorization { token: \"a\\x00b\" }\n",
             "a.conf:1:16: a name or password must not hold a NUL byte\n");
    load_bad("authorization { users: [ { user: a, password: \"a\\x00b\" } ] }\n",
             "a.conf:1:36: a name or password must not hold a NUL byte\n");
    load_bad("authorization { users: [ { user: a, permissions: { pub: { allow: \"a\\x00b\" } } } ] }\n",
             "a.conf:1:58: subject \"a\\x00b\" is not a valid subject\n");
}
END_TEST

/* ---- not served ----------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *begins;
} unserved[] = {
    { "\ncluster { port: -1 }", "a.conf:2:1: \"cluster\" " },
    { "gateway { name: a }", "a.conf:1:0: \"gateway\" " },
    { "leaf { port: -1 }", "a.conf:1:0: \"leaf\" " },
    { "leafnodes { remotes: [] }", "a.conf:1:0: \"leafnodes\" " },
    { "websocket { listen: \"h:80\" }", "a.conf:1:0: \"websocket\" " },
    { "accounts { A {} }", "a.conf:1:0: \"accounts\" " },
    { "authorization { users: [ {user: a, proxy_required: true} ] }",
      "a.conf:1:35: \"proxy_required\" " },
    { "syslog: true", "a.conf:1:0: \"syslog\" " },
    { "proxy_protocol: true", "a.conf:1:0: \"proxy_protocol\" " },
    { "log_size_limit: 1k", "a.conf:1:0: \"log_size_limit\" " },
    { "max_memory: 1g", "a.conf:1:0: \"max_memory\" " },
    { "jetstream: enabled", "JetStream is configured but not supported by this server; remove it, or " },
    { "mqtt { port: 1883 }", "MQTT is configured but not supported by this server; remove it, or " },
};

START_TEST(what_is_not_served_passes_the_check_and_is_named_for_the_start)
{
    load_good(unserved[_i].text);

    ck_assert_uint_eq(o.unserved_n, 1);
    ck_assert_msg(strncmp(o.unserved[0], unserved[_i].begins, strlen(unserved[_i].begins)) == 0,
                  "%s", o.unserved[0]);
}
END_TEST

static const char *const harmless[] = {
    "jetstream: false",
    "jetstream: disabled",
    "jetstream { enabled: false }",
    "store_dir: x",
    "ocsp { mode: always, urls: [\"http://a\"] }",
    "mqtt { host: h }",
    "websocket {}",
    "leafnodes { port: 0 }",
    "syslog: false",
    "proxy_protocol: false",
    "log_size_limit: 0",
    "feature_flags { some: true }",
    "tls { verify_and_map: false, certs: [], ocsp_peer: false }",
    "system_account: \"$SYS\"",
};

START_TEST(what_asks_for_nothing_is_served)
{
    load_good(harmless[_i]);

    ck_assert_uint_eq(o.unserved_n, 0);
}
END_TEST

START_TEST(ignore_unsupported_turns_refusals_into_warnings)
{
    load_good("jetstream: true\nmqtt { port: 1 }\nignore_unsupported: true\n");

    ck_assert_uint_eq(o.unserved_n, 0);
    ck_assert_uint_eq(o.ignored_n, 2);

    load_good("jetstream: true\nfeature_flags { ignore_unsupported: true }\n");

    ck_assert_uint_eq(o.unserved_n, 0);
    ck_assert_uint_eq(o.ignored_n, 1);
}
END_TEST

/* ---- ocsp ----------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    enum nj_ocsp_mode mode;
    size_t urls_n;
} ocsp_rows[] = {
    { "debug: true", NJ_OCSP_UNSET, 0 },
    { "ocsp: true", NJ_OCSP_AUTO, 0 },
    { "ocsp: false", NJ_OCSP_NEVER, 0 },
    { "ocsp { mode: Always, url: \"http://a/\" }", NJ_OCSP_ALWAYS, 1 },
    { "ocsp { mode: must, urls: [\"http://a/\", \"http://b/\"] }", NJ_OCSP_MUST, 2 },
    { "ocsp { mode: never }", NJ_OCSP_NEVER, 0 },
    { "ocsp { mode: always, url: \"http://a/\" }\nocsp: true", NJ_OCSP_AUTO, 0 },
};

START_TEST(ocsp_says_mode_and_responders)
{
    load_good(ocsp_rows[_i].text);

    ck_assert_int_eq(o.ocsp_mode, ocsp_rows[_i].mode);
    ck_assert_uint_eq(o.ocsp_urls_n, ocsp_rows[_i].urls_n);
    ck_assert(o.ocsp_urls_n == 0 || strcmp(o.ocsp_urls[0], "http://a/") == 0);
}
END_TEST

/* ---- hooks ---------------------------------------------------------------------------------- */

static int refuse_tls(void *user, const struct nj_tls_block *b, const char *tls_provider,
                      struct nj_error *err)
{
    int *calls = user;
    (*calls)++;
    return nj_error_set(err, NJ_E_IO, "open %s: no (%s)",
                        b->ca_file == NULL ? "nothing" : b->ca_file, tls_provider);
}

START_TEST(what_loading_says_stands_at_the_block)
{
    int calls = 0;
    struct nj_options_hooks hooks = { .user = &calls, .check_tls = refuse_tls };

    ck_assert_int_eq(
        load_with("tls_provider: x\ntls {\n ca_file: f\n}\ncluster {\n tls {}\n}\n", &hooks),
        NJ_E_INVALID);

    ck_assert_int_eq(calls, 2);
    ck_assert_str_eq(messages.ptr, "a.conf:2:1: open f: no (x)\n"
                                   "a.conf:6:2: open nothing: no (x)\n");
}
END_TEST

START_TEST(the_digest_comes_from_the_hook)
{
    struct nj_options_hooks hooks = { .sha256 = fake_hash };

    ck_assert_int_eq(load_with("port: 1\n", &hooks), NJ_OK);
    ck_assert_str_eq(o.config_digest, "sha256:7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b"
                                      "7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b"); /* "{" */

    load_good("port: 1\n");
    ck_assert_str_eq(o.config_digest, "");
}
END_TEST

/* ---- start ---------------------------------------------------------------------------------- */

START_TEST(the_start_compares_options_with_each_other)
{
    struct nj_error err = NJ_ERROR_INIT;

    load_good("max_payload: 2mb\nmax_pending: 1mb\n");
    ck_assert_int_eq(nj_options_check(&o, &err), NJ_E_INVALID);
    ck_assert_str_eq(err.text, "max_payload (2097152) cannot be higher than max_pending (1048576)");

    load_good("lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"40s\"\n");
    ck_assert_int_eq(nj_options_check(&o, &err), NJ_E_INVALID);
    ck_assert_str_eq(err.text, "lame duck grace period (40s) should be strictly lower than lame "
                               "duck duration (30s)");

    load_good("max_payload: 1mb\nmax_pending: 1mb\n");
    ck_assert_int_eq(nj_options_check(&o, &err), NJ_OK);
}
END_TEST

#define COUNT(a) ((int) (sizeof(a) / sizeof((a)[0])))

static TCase *case_new(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, enter, leave);
    suite_add_tcase(s, tc);
    return tc;
}

int main(void)
{
    Suite *s = suite_create("options");
    TCase *tc = case_new(s, "table");
    tcase_add_test(tc, under_require_fips_each_refusal_has_a_name_and_a_place);
    tcase_add_test(tc, under_require_fips_what_is_approved_may_be_named);
    tcase_add_test(tc, require_fips_is_taken_back_by_no_build_that_has_it_built_in);
    tcase_add_test(tc, the_provider_is_known_to_a_block_that_stands_before_it);
    tcase_add_test(tc, no_name_is_given_twice);
    tcase_add_test(tc, names_are_found_in_any_case);
    tcase_add_test(tc, every_option_can_be_explained);
    tcase_add_test(tc, presets_of_the_table_are_what_runs_without_a_file);
    tcase_add_test(tc, aliases_set_the_same_member);

    tc = case_new(s, "values");
    tcase_add_test(tc, numbers_and_durations_arrive_in_their_units);
    tcase_add_loop_test(tc, listen_sets_host_and_port, 0, COUNT(listens));
    tcase_add_test(tc, the_later_spelling_of_a_key_wins);
    tcase_add_test(tc, a_tls_block_is_taken_as_written);
    tcase_add_test(tc, an_empty_tls_block_is_present_with_presets);
    tcase_add_test(tc, authorization_is_one_user_or_a_token);
    tcase_add_test(tc, empty_text_is_as_good_as_absent);
    tcase_add_test(tc, lists_of_text_are_kept);
    tcase_add_test(tc, trace_verbose_sets_trace_too);

    tc = case_new(s, "messages");
    tcase_add_loop_test(tc, errors_name_place_and_reason, 0, COUNT(errors));
    tcase_add_test(tc, errors_come_in_the_order_of_the_file_after_the_warnings);
    tcase_add_test(tc, a_warning_alone_is_no_failure);
    tcase_add_test(tc, an_empty_file_is_a_warning);
    tcase_add_test(tc, a_missing_file_is_said_without_place);
    tcase_add_test(tc, a_key_that_served_as_variable_is_not_unknown);

    tc = case_new(s, "users");
    tcase_add_test(tc, users_are_kept_in_order_with_what_they_may);
    tcase_add_test(tc, of_two_spellings_of_a_block_the_last_counts);
    tcase_add_test(tc, a_nul_in_a_credential_or_a_subject_is_an_error);
    tc = case_new(s, "unserved");
    tcase_add_loop_test(tc, what_is_not_served_passes_the_check_and_is_named_for_the_start, 0,
                        COUNT(unserved));
    tcase_add_loop_test(tc, what_asks_for_nothing_is_served, 0, COUNT(harmless));
    tcase_add_test(tc, ignore_unsupported_turns_refusals_into_warnings);

    tc = case_new(s, "ocsp");
    tcase_add_loop_test(tc, ocsp_says_mode_and_responders, 0, COUNT(ocsp_rows));

    tc = case_new(s, "hooks");
    tcase_add_test(tc, what_loading_says_stands_at_the_block);
    tcase_add_test(tc, the_digest_comes_from_the_hook);
    tcase_add_test(tc, the_start_compares_options_with_each_other);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
