/*
 * minimal.c: the least that is a TLS provider, written as somebody outside the tree would: from
 * the installed headers alone.  It fills every required slot, makes no context and says so.
 *
 * MINIMAL_NAME is its name, MINIMAL_MAJOR.MINIMAL_MINOR the ABI it claims; all have defaults.  It is
 * C11 and, included by minimal.cc, C++.
 */
#include <natterjack/tls.h>

#ifndef MINIMAL_NAME
#define MINIMAL_NAME "minimal"
#endif
#ifndef MINIMAL_MAJOR
#define MINIMAL_MAJOR NJ_ABI_MAJOR
#endif
#ifndef MINIMAL_MINOR
#define MINIMAL_MINOR NJ_ABI_MINOR
#endif

static const struct nj_host *host;

static int init(const struct nj_host *given, struct nj_error *err)
{
    if (!NJ_FIELD(struct nj_host, given, now_s)) {
        return nj_error_set(err, NJ_E_ABI, "the host table is too short");
    }
    host = given;
    host->log(NJ_LOG_DEBUG, "the minimal provider is there");
    return NJ_OK;
}

static void fini(void)
{
    host = NULL;
}

/* Claimed, so that the server comes as far as asking for a context. */
static const uint16_t suites[] = { 0x1301 };
static const uint16_t groups[] = { 29 };

static void about(struct nj_tls_about *out)
{
    out->lib_name = "Nothing";
    out->lib_version = "1.2.3";
    out->suites = suites;
    out->suites_n = 1;
    out->groups = groups;
    out->groups_n = 1;
}

static uint64_t caps(void)
{
    return NJ_TLS_CAP_TLS13;
}

static int refuse(struct nj_error *err)
{
    return nj_error_set(err, NJ_E_UNSUPPORTED, "the minimal provider cannot do TLS");
}

/* ---- contexts: there are none ----------------------------------------------------------------- */

static int ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **out, struct nj_error *err)
{
    (void) set;
    (void) out;
    return refuse(err);
}

static void ctx_count(struct nj_tls_ctx *ctx)
{
    (void) ctx;
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
    return refuse(err);
}

/* ---- so there are no sessions either ---------------------------------------------------------- */

static int accept_one(struct nj_tls_ctx *ctx, void *user, struct nj_tls_session **out,
                      struct nj_error *err)
{
    (void) ctx;
    (void) user;
    (void) out;
    return refuse(err);
}

static int dial(struct nj_tls_ctx *ctx, const char *name, struct nj_span resume, void *user,
                struct nj_tls_session **out, struct nj_error *err)
{
    (void) name;
    (void) resume;
    return accept_one(ctx, user, out, err);
}

static int handshake(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    (void) s;
    (void) in;
    (void) out;
    return NJ_E_FAILED;
}

static int open_records(struct nj_tls_session *s, struct nj_tls_in *in, uint8_t *dst, size_t cap,
                        size_t *n_out, struct nj_sink *out)
{
    (void) dst;
    (void) cap;
    *n_out = 0;
    return handshake(s, in, out);
}

static int seal(struct nj_tls_session *s, const uint8_t *src, size_t len, struct nj_sink *out)
{
    (void) src;
    (void) len;
    return handshake(s, NULL, out);
}

static int close_notify(struct nj_tls_session *s, struct nj_sink *out)
{
    return handshake(s, NULL, out);
}

static int abort_one(struct nj_tls_session *s, int32_t alert, struct nj_sink *out)
{
    (void) alert;
    return handshake(s, NULL, out);
}

static size_t has_plain(struct nj_tls_session *s)
{
    (void) s;
    return 0;
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
    (void) s;
    (void) out;
    (void) max;
    return 0;
}

static void nothing(struct nj_tls_session *s)
{
    (void) s;
}

static void error(struct nj_tls_session *s, struct nj_error *out)
{
    (void) s;
    (void) refuse(out);
}

/* ---- the door --------------------------------------------------------------------------------- */

static const struct nj_tls_crypto crypto = { .size = sizeof(struct nj_tls_crypto) };

static const struct nj_tls_provider provider = {
    .size = sizeof(struct nj_tls_provider),
    .init = init,
    .fini = fini,
    .about = about,
    .caps = caps,
    .ctx_new = ctx_new,
    .ctx_ref = ctx_count,
    .ctx_unref = ctx_count,
    .accept = accept_one,
    .dial = dial,
    .handshake = handshake,
    .open = open_records,
    .has_plain = has_plain,
    .seal = seal,
    .close_notify = close_notify,
    .abort = abort_one,
    .in_eof = in_eof,
    .info = info,
    .peer_chain = peer_chain,
    .drop_peer = nothing,
    .error = error,
    .free = nothing,
    .verify_chain = verify_chain,
    .crypto = &crypto,
};

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(struct nj_plugin),
    .abi_major = MINIMAL_MAJOR,
    .abi_minor = MINIMAL_MINOR,
    .kind = NJ_PLUGIN_TLS,
    .name = MINIMAL_NAME,
    .version = "1.0",
    .iface = &provider,
};

NJ_EXPORT const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}
