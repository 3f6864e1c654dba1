/*
 * shelf.c: a plug-in that misbehaves as its file name says.
 *
 * The tests copy it to nj_tls_FAULT.so.  Any name without a fault of its own is a good provider
 * that does nothing, counts attached threads in its capabilities and logs when it is finished.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

#include "natterjack/tls.h"

static const struct nj_host *host;
static _Atomic uint64_t attached; /* atomic */

static int init(const struct nj_host *h, struct nj_error *err)
{
    (void) err;
    host = h;
    host->log(NJ_LOG_INFO, "hello");
    return NJ_OK;
}

static int init_is_silent(const struct nj_host *h, struct nj_error *err)
{
    (void) h;
    (void) err;
    return NJ_E_IO;
}

static int init_fails(const struct nj_host *h, struct nj_error *err)
{
    (void) h;
    return nj_error_set(err, NJ_E_FAILED, "self-test 7 failed");
}

static void fini(void)
{
    host->log(NJ_LOG_WARN, "bye");
}

/* What it says that it can, and what it lists; spoilt below. */
static const uint16_t suites[] = { 0x1301, 0xc02b };
static const uint16_t groups[] = { 29 };
static const uint16_t *first_suite = suites;
static size_t suites_n = 1;
static size_t groups_n = 1;
static uint64_t claims = NJ_TLS_CAP_TLS13 | NJ_TLS_CAP_ALPN;

static void about(struct nj_tls_about *out)
{
    out->lib_name = "Shelf";
    out->lib_version = "9.8.7";
    out->suites = first_suite;
    out->suites_n = suites_n;
    out->groups = groups_n > 0 ? groups : NULL;
    out->groups_n = groups_n;
}

static uint64_t caps(void)
{
    return claims | attached << 32;
}

static void attach(void)
{
    attached++;
}

static void detach(void)
{
    attached--;
}

static int ctx_new(const struct nj_tls_settings *s, struct nj_tls_ctx **out, struct nj_error *err)
{
    (void) s;
    (void) out;
    return nj_error_set(err, NJ_E_UNSUPPORTED, "nothing to see here");
}

static void ctx_count(struct nj_tls_ctx *ctx)
{
    (void) ctx;
}

static int accept_session(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **out,
                          struct nj_error *err)
{
    (void) ctx;
    (void) user;
    (void) out;
    return nj_error_set(err, NJ_E_UNSUPPORTED, "nothing to see here");
}

static int dial(struct nj_tls_ctx *ctx, const char *name, struct nj_span resume, void *user,
                struct nj_tls_session **out, struct nj_error *err)
{
    (void) name;
    (void) resume;
    return accept_session(ctx, user, out, err);
}

static int handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    (void) s;
    (void) in;
    (void) out;
    return NJ_E_FAILED;
}

static int open_record(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                       size_t *n_out, struct nj_sink *out)
{
    (void) dst;
    (void) cap;
    (void) n_out;
    return handshake(s, in, out);
}

static size_t has_plain(struct nj_tls_session *s)
{
    (void) s;
    return 0;
}

static int seal(struct nj_tls_session *s, const uint8_t *src, size_t len, struct nj_sink *out)
{
    (void) s;
    (void) src;
    (void) len;
    (void) out;
    return NJ_E_FAILED;
}

static int close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    return seal(s, NULL, 0, out);
}

static int abort_session(struct nj_tls_session *s, int32_t alert, struct nj_sink *out)
{
    (void) alert;
    return seal(s, NULL, 0, out);
}

static int in_eof(struct nj_tls_session *s)
{
    (void) s;
    return NJ_E_TRUNCATED;
}

static void info(struct nj_tls_session *s, struct nj_tls_info *out)
{
    (void) s;
    (void) out;
}

static size_t peer_chain(struct nj_tls_session *s, struct nj_span *out, size_t max)
{
    (void) out;
    (void) max;
    return has_plain(s);
}

static void session_void(struct nj_tls_session *s)
{
    (void) s;
}

static void error(struct nj_tls_session *s, struct nj_error *out)
{
    (void) s;
    (void) out;
}

static int verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                        uint32_t usage, const char *name, int64_t time_s, struct nj_error *err)
{
    (void) ctx;
    (void) chain;
    (void) chain_n;
    (void) usage;
    (void) name;
    (void) time_s;
    return nj_error_set(err, NJ_E_UNSUPPORTED, "nothing to see here");
}

static const struct nj_tls_crypto crypto = { .size = sizeof(crypto) };

static struct nj_tls_provider provider = {
    .size = sizeof(provider),
    .init = init,
    .fini = fini,
    .about = about,
    .caps = caps,
    .thread_attach = attach,
    .thread_detach = detach,
    .ctx_new = ctx_new,
    .ctx_ref = ctx_count,
    .ctx_unref = ctx_count,
    .accept = accept_session,
    .dial = dial,
    .handshake = handshake,
    .open = open_record,
    .has_plain = has_plain,
    .seal = seal,
    .close_notify = close_notify,
    .abort = abort_session,
    .in_eof = in_eof,
    .info = info,
    .peer_chain = peer_chain,
    .drop_peer = session_void,
    .error = error,
    .free = session_void,
    .verify_chain = verify_chain,
    .crypto = &crypto,
};

static char name[64];

static struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = name,
    .version = "0.0.1",
    .iface = &provider,
};

/* "/dir/nj_tls_NAME.so" */
static void read_own_name(void)
{
    static const char prefix[] = "/nj_tls_";
    Dl_info file;

    if (dladdr(&plugin, &file) != 0) {
        const char *at = strstr(file.dli_fname, prefix);
        if (at != NULL) {
            (void) snprintf(name, sizeof(name), "%s", at + strlen(prefix));
            name[strcspn(name, ".")] = '\0';
        }
    }
}

static int is(const char *fault)
{
    return strcmp(name, fault) == 0;
}

/* Faults of the descriptor; 1 when the name is one. */
static int spoil_descriptor(void)
{
    if (is("magic")) {
        plugin.magic = 0x01020304;
    } else if (is("major")) {
        plugin.abi_major = NJ_ABI_MAJOR + 7;
    } else if (is("old-major")) {
        plugin.abi_major = NJ_ABI_MAJOR - 1;
    } else if (is("later-minor")) { /* no fault: it has more than we ask for */
        plugin.abi_minor = NJ_ABI_MINOR + 9;
    } else if (is("descriptor")) {
        plugin.size = offsetof(struct nj_plugin, iface);
    } else if (is("empty-descriptor")) {
        plugin.size = 0;
    } else if (is("huge-descriptor")) {
        plugin.size = UINT32_MAX;
    } else if (is("kind")) {
        plugin.kind = NJ_PLUGIN_AUTHMAP;
    } else if (is("no-kind")) {
        plugin.kind = 99;
    } else if (is("slash")) {
        plugin.name = "../slash";
    } else if (is("upper")) {
        plugin.name = "Upper";
    } else if (is("other")) {
        plugin.name = "somebody";
    } else if (is("nameless")) {
        plugin.name = NULL;
    } else if (is("versionless")) {
        plugin.version = NULL;
    } else if (is("tableless")) {
        plugin.iface = NULL;
    } else {
        return 0;
    }
    return 1;
}

/* Faults of the table, and of what its functions say. */
static void spoil_table(void)
{
    if (is("empty-table")) {
        provider.size = 0;
    } else if (is("table")) {
        provider.size = offsetof(struct nj_tls_provider, seal);
    } else if (is("huge-table")) {
        provider.size = UINT32_MAX;
    } else if (is("slot")) {
        provider.handshake = NULL;
    } else if (is("last-slot")) {
        provider.crypto = NULL;
    } else if (is("init")) {
        provider.init = init_fails;
    } else if (is("silent-init")) {
        provider.init = init_is_silent;
    } else if (is("liar13")) {
        first_suite = suites + 1;
    } else if (is("liar12")) {
        claims |= NJ_TLS_CAP_TLS12;
    } else if (is("suiteless")) {
        first_suite = NULL;
    } else if (is("groupless")) {
        groups_n = 0;
    } else if (is("versionless-tls")) {
        claims = NJ_TLS_CAP_ALPN;
    } else if (is("test-only")) {
        claims |= NJ_TLS_CAP_TEST_ONLY;
    }
}

const struct nj_plugin *nj_plugin_v1(void)
{
    read_own_name();
    if (is("nothing")) {
        return NULL;
    }
    if (!spoil_descriptor()) {
        spoil_table();
    }
    return &plugin;
}

/* A door of a later ABI beside it is no fault: a plug-in may serve both. */
NJ_EXPORT const void *nj_plugin_v2(void);

const void *nj_plugin_v2(void)
{
    return NULL;
}
