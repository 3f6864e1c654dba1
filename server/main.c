/* main.c: start and stop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"
#include "ops/cli.h"
#include "ops/help.h"
#include "ops/options.h"
#include "ops/server.h"
#include "plugin/list.h"
#include "plugin/registry.h"
#include "tls/fips.h"

/* Plug-ins are loaded once, with the first options that are known. */
static struct nj_registry *registry;
static const char *program;
static bool is_running;

static int open_registry(const struct nj_options *o, struct nj_error *err)
{
    if (o->require_fips && !is_running) { /* a reload that asks for it is refused later */
        nj_fips_require(o->require_fips_at);
    }
    if (registry != NULL) {
        return NJ_OK;
    }
    int rc =
        nj_registry_open((const char *const *) o->plugin_dirs, o->plugin_dirs_n, &registry, err);
    if (rc == NJ_OK) {
        nj_registry_set_gate(registry, nj_fips_check_provider);
    }
    return rc;
}

/* Why the digest could not be taken: it names the plug-in that is missing or has no hash. */
static struct nj_error no_provider = NJ_ERROR_INIT;

/* The digest of the configuration: hashed by the provider, since the core has no cryptography. */
static int sha256(void *user, const void *data, size_t len, uint8_t *out)
{
    const struct nj_options *o = user;
    const struct nj_tls_provider *p;
    if (open_registry(o, &no_provider) != NJ_OK ||
        nj_registry_tls(registry, o->tls_provider, &p, &no_provider) != NJ_OK) {
        return NJ_E_NOT_FOUND;
    }
    if (p->crypto->hash == NULL) {
        return nj_error_set(&no_provider, NJ_E_UNSUPPORTED,
                            "tls_provider \"%s\" has no SHA-256 (slot \"hash\"), which the digest "
                            "of a configuration needs; set tls_provider to another one",
                            nj_registry_tls_name(registry, p));
    }
    return p->crypto->hash(NJ_HASH_SHA256, data, len, out);
}

/* A `tls` block of the file, of whatever kind: do its files hold what they should? */
static int check_block(void *user, const struct nj_tls_block *block, const char *tls_provider,
                       struct nj_error *err)
{
    const struct nj_options *o = user;
    int rc = open_registry(o, err);
    return rc != NJ_OK ? rc : nj_server_check_block(block, tls_provider, registry, err);
}

/* An auth mapper of the file: does it take its options? */
static int check_mapper(void *user, const char *plugin, const struct nj_authmap_value *options,
                        const struct nj_authmap_report *report, struct nj_error *err)
{
    const struct nj_options *o = user;
    const struct nj_plugin_entry *e = NULL;
    int rc = open_registry(o, err);
    if (rc == NJ_OK) {
        rc = nj_registry_authmap(registry, plugin, &e, err);
    }
    if (rc != NJ_OK) {
        return rc;
    }
    const struct nj_authmap *mapper = e->plugin->iface;
    return mapper->check(options, report);
}

static int load_options(const char *path, struct nj_options *o, struct nj_buf *warnings,
                        struct nj_buf *errors)
{
    const struct nj_options_hooks hooks = {
        .user = o, .sha256 = sha256, .check_tls = check_block, .check_mapper = check_mapper
    };
    struct nj_buf messages;
    no_provider = (struct nj_error) NJ_ERROR_INIT;
    nj_buf_init(&messages, SIZE_MAX);
    int rc = nj_options_load(path, &hooks, o, &messages);
    if (rc != NJ_OK && no_provider.text[0] != '\0') {
        (void) nj_buf_puts(errors, no_provider.text);
    } else {
        (void) nj_buf_append(rc == NJ_OK ? warnings : errors, messages.ptr, messages.len);
    }
    nj_buf_free(&messages);
    return rc;
}

/* What flags and file make together. */
static int check_tls(const struct nj_options *o, struct nj_error *err)
{
    int rc = open_registry(o, err);
    return rc != NJ_OK ? rc : nj_server_check_tls(o, registry, err);
}

/* A plug-in that does not come up has no module to speak of; in a FIPS build that is a failure. */
static const char *fips_label(const struct nj_options *o)
{
    const struct nj_tls_provider *p = NULL;
    if (registry == NULL && nj_registry_open((const char *const *) o->plugin_dirs, o->plugin_dirs_n,
                                             &registry, NULL) < 0) {
        registry = NULL;
    }
    if (registry == NULL || nj_registry_tls(registry, o->tls_provider, &p, NULL) != NJ_OK) {
        return nj_fips_failed_label();
    }
    return nj_fips_label(p);
}

static int list_plugins(const struct nj_options *o)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (open_registry(o, &err) != NJ_OK) {
        (void) fprintf(stderr, "%s: %s\n", program, err.text);
        return 1;
    }
    nj_registry_load_all(registry);
    nj_plugins_print(stdout, registry);
    return 0;
}

/* Under require_fips identities and seeds come from the module, like the keys of sessions. */
static int choose_random(const struct nj_options *o, struct nj_error *err)
{
    const struct nj_tls_provider *p = NULL;
    int rc = open_registry(o, err);
    if (rc != NJ_OK || !nj_fips_required()) {
        return rc;
    }
    rc = nj_registry_tls(registry, o->tls_provider, &p, err);
    if (rc == NJ_OK && p->crypto->random == NULL) {
        rc = nj_error_set(err, NJ_E_UNSUPPORTED, "tls provider \"%s\" has no random bytes to give",
                          nj_registry_tls_name(registry, p));
    }
    if (rc == NJ_OK) {
        nj_random_use(p->crypto->random);
    }
    return rc;
}

static int run_server(const struct nj_options *o, const struct nj_options_source *again)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (choose_random(o, &err) != NJ_OK) {
        (void) fprintf(stderr, "%s: %s\n", program, err.text);
        return 1;
    }
    is_running = true;
    return nj_server_run(o, again, registry, program);
}

int main(int argc, char **argv)
{
    static const struct nj_cli_hooks hooks = { .load_options = load_options,
                                               .check_tls = check_tls,
                                               .fips_label = fips_label,
                                               .list_plugins = list_plugins,
                                               .run_server = run_server };
    program = nj_program_name(argv[0]);
    int rc = nj_cli_run(argc, argv, &hooks);
    nj_registry_close(&registry);
    return rc;
}
