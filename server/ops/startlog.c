#include "ops/startlog.h"

#include <ctype.h>
#include <string.h>

#include "auth/user.h"
#include "base/log.h"
#include "base/version.h"
#include "ops/options.h"

#define BIG_PAYLOAD (8 * 1024 * 1024)

/* "$2a$11$": the start of a bcrypt hash, as the reference recognises one. */
bool nj_password_is_plain(const char *v)
{
    bool hash = strlen(v) >= 7 && v[0] == '$' && v[1] == '2' && strchr("abxy", v[2]) != NULL &&
                v[3] == '$' && isdigit((unsigned char) v[4]) && isdigit((unsigned char) v[5]) &&
                v[6] == '$';
    return !hash;
}

/* For the start of a server that has nothing to do with FIPS it is no news. */
static void log_module(const struct nj_options *o, const struct nj_startlog *s)
{
    const char *label = s->fips != NULL ? s->fips : "none";
    if (!o->require_fips && strcmp(label, "none") == 0) {
        nj_log_debug("  FIPS:     none");
    } else {
        nj_log_info("  FIPS:     %s; %s%s", label, s->library != NULL ? s->library : "no library",
                    o->require_fips ? "; required" : "");
    }
}

static void log_names(const struct nj_options *o, const struct nj_startlog *s)
{
    nj_log_info("Starting nats-server");
    nj_log_info("  Version:  %s", NJ_REFERENCE_VERSION);
    nj_log_info("  Natterjack: %s", NJ_VERSION);
    nj_log_info("  Git:      %s", s->git_commit != NULL ? s->git_commit : "[not set]");
    nj_log_debug("  Compiler: %s", NJ_COMPILER);
    log_module(o, s);
    if (s->cluster_name != NULL) {
        nj_log_info("  Cluster:  %s", s->cluster_name);
    }
    nj_log_info("  Name:     %s", o->server_name != NULL ? o->server_name : s->server_id);
    nj_log_info("  ID:       %s", s->server_id);
}

/* An nkey user has none, and one that only a certificate can choose needs none. */
static bool needs_password(const struct nj_options *o, const struct nj_user *u)
{
    bool by_certificate =
        o->tls.verify_and_map && u->pass == NULL && nj_user_type_allowed(u, NJ_TYPE_STANDARD);
    return u->name != NULL && !by_certificate;
}

static bool has_plain_password(const struct nj_options *o)
{
    bool found = o->pass != NULL && nj_password_is_plain(o->pass); /* a token is none */
    for (size_t i = 0; !found && i < o->users.n; i++) {
        const struct nj_user *u = o->users.at[i];
        found = needs_password(o, u) && nj_password_is_plain(u->pass != NULL ? u->pass : "");
    }
    return found;
}

void nj_startlog_begin(const struct nj_options *o, const struct nj_startlog *s)
{
    log_names(o, s);
    if (has_plain_password(o)) {
        nj_log_warn("Plaintext passwords detected, use nkeys or bcrypt");
    }
    if (o->config_file != NULL) {
        nj_log_info("Using configuration file: %s (%s)", o->config_file, o->config_digest);
    }
    if (o->max_payload > BIG_PAYLOAD) {
        nj_log_warn("Maximum payloads over 8.00 MB are generally discouraged and could lead to "
                    "poor performance");
    }
    nj_log_debug("Created system account: \"$SYS\"");
}

void nj_startlog_listening(const struct nj_options *o, const char *host, int port)
{
    bool v6 = strchr(host, ':') != NULL;
    nj_log_info("Listening for client connections on %s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "",
                port);
    if (!o->tls.present) {
        return;
    }
    bool only_first = o->tls.first == NJ_TLS_FIRST_ALWAYS;
    if (o->allow_non_tls && !only_first) {
        nj_log_info("TLS available for client connections");
    } else {
        nj_log_info("TLS required for client connections");
    }
    if (only_first) {
        nj_log_warn("Clients that are not using \"TLS Handshake First\" option will fail to "
                    "connect");
    }
}

void nj_startlog_ready(void)
{
    nj_log_info("Server is ready");
}
