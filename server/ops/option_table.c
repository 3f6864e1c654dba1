#include "ops/option_table.h"

#include <strings.h>

#include "ops/option_reader.h"

#define AT(member) offsetof(struct nj_options, member), sizeof(((struct nj_options *) 0)->member)
#define NOWHERE NJ_OPTION_NOWHERE, 0
#define NO_ALIAS                                                                                   \
    {                                                                                              \
        NULL                                                                                       \
    }

/* A table is read by its columns. */
/* clang-format off */
static const struct nj_option table[] = {
    /* name, aliases, type, reload, preset, range, help, member, reader, unserved */

    /* ---- identity and client listener ---- */
    { "listen", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "port or host:port",
      "address for clients; sets host and port", NOWHERE, nj_set_listen, NULL },
    { "host", { "net" }, NJ_OPTION_STRING, NJ_RELOAD_NO, "0.0.0.0", NULL,
      "address to listen on for clients", AT(host), NULL, NULL },
    { "port", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_NO, "4222", "-1: chosen by the system",
      "port for clients", AT(port), NULL, NULL },
    { "server_name", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_NO, NULL, "no spaces",
      "name of this server; without one its identity key", AT(server_name), nj_set_server_name,
      NULL },
    { "client_advertise", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, "host or host:port",
      "address that clients are told to use", AT(client_advertise), NULL, NULL },
    { "server_tags", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "string or list of strings",
      "tags of this server, shown by monitoring", NOWHERE, nj_set_tags, NULL },
    { "server_metadata", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map of strings",
      "facts about this server, shown by monitoring", NOWHERE, nj_set_metadata, NULL },
    { "feature_flags", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "map of booleans",
      "switches of the reference; ignore_unsupported counts here too", NOWHERE,
      nj_set_feature_flags, NULL },
    { "no_header_support", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "refuse messages with headers", AT(no_header_support), NULL, NULL },
    { "disable_sublist_cache", { "no_sublist_cache" }, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "look every subject up anew", AT(no_sublist_cache), NULL, NULL },
    { "pid_file", { "pidfile" }, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, "path",
      "file that takes the process id", AT(pid_file), NULL, NULL },
    { "ports_file_dir", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, "path",
      "folder for the file that lists the open ports", AT(ports_file_dir), NULL, NULL },
    { "lame_duck_duration", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, "2m",
      "duration, 30 seconds or more", "how long clients are sent away before the server stops",
      AT(lame_duck_duration_ns), nj_set_lame_duck, NULL },
    { "lame_duck_grace_period", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, "10s",
      "duration, positive", "how long clients may leave by themselves", AT(lame_duck_grace_ns),
      nj_set_lame_duck, NULL },
    { "prof_port", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_NO, "0", NULL, "accepted without effect",
      AT(prof_port), NULL, NULL },
    { "prof_block_rate", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "0", NULL,
      "accepted without effect", AT(prof_block_rate), NULL, NULL },
    { "connect_error_reports", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "3600", NULL,
      "every how many failed first dials one is logged", AT(connect_error_reports), NULL, NULL },
    { "reconnect_error_reports", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "1", NULL,
      "every how many failed later dials one is logged", AT(reconnect_error_reports), NULL, NULL },
    { "default_sentinel", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, NULL,
      "JWT of clients without one", NOWHERE, nj_set_unserved_string,
      "needs operator mode, which is not served yet; remove it" },
    { "proxy_protocol", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "expect a PROXY header from every client", AT(proxy_protocol), nj_set_unserved_bool,
      "is not served yet; remove it, and let the proxy send no PROXY header" },
    { "proxies", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map", "trusted proxies", NOWHERE,
      nj_set_proxies, "is not served yet; remove it" },

    /* ---- logging ---- */
    { "debug", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL, "log debugging lines",
      AT(debug), NULL, NULL },
    { "trace", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL, "log protocol lines",
      AT(trace), NULL, NULL },
    { "trace_verbose", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL,
      "as trace, the system account included", AT(trace_verbose), nj_set_trace_kind, NULL },
    { "trace_headers", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL,
      "as trace, of messages only the headers", AT(trace_headers), nj_set_trace_kind, NULL },
    { "max_traced_msg_len", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "0", "bytes; 0: all",
      "how much of a payload is logged", AT(max_traced_msg_len), NULL, NULL },
    { "logtime", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "true", NULL, "log lines carry the time",
      AT(logtime), NULL, NULL },
    { "logtime_utc", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL, "in UTC",
      AT(logtime_utc), NULL, NULL },
    { "log_file", { "logfile" }, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, "path",
      "file to log to instead of standard error", AT(log_file), NULL, NULL },
    { "log_size_limit", { "logfile_size_limit" }, NJ_OPTION_INT, NJ_RELOAD_NO, "0",
      "bytes; 0: none", "size at which the log file is put away", AT(log_size_limit),
      nj_set_unserved_int,
      "is not served yet; remove it and let logrotate send SIGUSR1" },
    { "log_max_num", { "logfile_max_num" }, NJ_OPTION_INT, NJ_RELOAD_NO, "0", "0: all",
      "how many log files are kept", AT(log_max_num), NULL, NULL },
    { "syslog", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL, "log to the local syslog",
      NOWHERE, nj_set_unserved_bool, "is not served yet; log to standard error or log_file" },
    { "remote_syslog", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, "udp://host:514",
      "log to a syslog elsewhere", NOWHERE, nj_set_unserved_string,
      "is not served yet; log to standard error or log_file" },

    /* ---- limits ---- */
    { "max_connections", { "max_conn" }, NJ_OPTION_INT, NJ_RELOAD_YES, "65536", "0: none allowed",
      "clients at a time", AT(max_connections), nj_set_max_connections, NULL },
    { "max_subscriptions", { "max_subs" }, NJ_OPTION_INT, NJ_RELOAD_NO, "0", "0: no limit",
      "subscriptions of one client", AT(max_subs), NULL, NULL },
    { "max_sub_tokens", { "max_subscription_tokens" }, NJ_OPTION_INT, NJ_RELOAD_NO, "0",
      "1 to 255; absent: no limit", "tokens in the subject of a subscription", AT(max_sub_tokens),
      nj_set_max_sub_tokens, NULL },
    { "max_control_line", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "4096", "bytes, below 2 GiB",
      "length of a protocol line", AT(max_control_line), nj_set_int32, NULL },
    { "max_payload", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "1mb", "bytes, below 2 GiB",
      "size of a message", AT(max_payload), nj_set_int32, NULL },
    { "max_pending", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_NO, "64mb", "bytes, max_payload or more",
      "what may wait for a slow client", AT(max_pending), NULL, NULL },
    { "ping_interval", NO_ALIAS, NJ_OPTION_DURATION, NJ_RELOAD_YES, "2m", NULL,
      "silence after which a client is pinged", AT(ping_interval_ns), NULL, NULL },
    { "ping_max", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "2", NULL,
      "unanswered pings before a client is stale", AT(ping_max), NULL, NULL },
    { "write_deadline", NO_ALIAS, NJ_OPTION_DURATION, NJ_RELOAD_YES, "10s", NULL,
      "how long one write may take", AT(write_deadline_ns), NULL, NULL },
    { "write_timeout", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, "default", "default, close, retry",
      "what follows a missed write_deadline", AT(write_timeout_retry), nj_set_write_timeout, NULL },
    { "max_closed_clients", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_NO, "10000", NULL,
      "closed connections that monitoring remembers", AT(max_closed_clients), NULL, NULL },
    { "no_fast_producer_stall", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_YES, "false", NULL,
      "never slow a publisher down for slow subscribers", AT(no_fast_producer_stall), NULL, NULL },

    /* ---- monitoring ---- */
    { "http", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "port or host:port",
      "address of monitoring", NOWHERE, nj_set_http, NULL },
    { "https", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "port or host:port",
      "address of monitoring over TLS", NOWHERE, nj_set_https, NULL },
    { "http_port", { "monitor_port" }, NJ_OPTION_INT, NJ_RELOAD_NO, "0",
      "0: off, -1: chosen by the system", "port of monitoring", AT(http_port), NULL, NULL },
    { "https_port", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_NO, "0", "0: off, -1: chosen by the system",
      "port of monitoring over TLS", AT(https_port), NULL, NULL },
    { "http_base_path", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_NO, NULL, "path",
      "what monitoring's addresses begin with", AT(http_base_path), NULL, NULL },

    /* ---- TLS and who may connect ---- */
    { "tls", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map", "TLS for clients", NOWHERE,
      nj_set_tls, NULL },
    { "allow_non_tls", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "serve clients without TLS beside those with it", AT(allow_non_tls), NULL, NULL },
    { "authorization", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map", "who may connect",
      NOWHERE, nj_set_authorization, NULL },
    { "no_auth_user", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_NO, NULL, NULL,
      "user of clients that name none", AT(no_auth_user), NULL, NULL },
    { "trusted", { "trusted_keys" }, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "operator keys",
      "keys that sign accounts", NOWHERE, nj_set_trusted,
      "is not served yet; use authorization with a user or a token" },
    { "ocsp", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "boolean or map",
      "OCSP responses sent with the certificate", NOWHERE, nj_set_ocsp, NULL },
    { "ocsp_cache", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "boolean or map",
      "OCSP answers about peers: kept in memory, or not", NOWHERE, nj_set_ocsp_cache, NULL },

    /* ---- accounts and operators ---- */
    { "accounts", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map or list", "accounts",
      NOWHERE, nj_set_unserved, "are not served yet; use authorization with a user or a token" },
    { "mappings", { "maps" }, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map", "subject mappings",
      NOWHERE, nj_set_unserved, "is not served yet; remove it" },
    { "system_account", { "system" }, NJ_OPTION_STRING, NJ_RELOAD_NO, NULL, NULL,
      "account of the server's own messages", NOWHERE, nj_set_system_account,
      "needs accounts, which are not served yet; remove it" },
    { "no_system_account", { "no_system", "no_sys_acc" }, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false",
      NULL, "have no system account; without effect", AT(no_system_account), NULL, NULL },
    { "operator", { "operators", "root", "roots", "root_operator", "root_operators" },
      NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "JWT or path, or list", "operators", NOWHERE,
      nj_set_unserved, "is not served yet; use authorization with a user or a token" },
    { "resolver", { "account_resolver", "accounts_resolver" }, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL,
      NULL, "where account JWTs come from", NOWHERE, nj_set_unserved,
      "needs operator mode, which is not served yet; remove it" },
    { "resolver_tls", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map",
      "TLS towards the resolver", NOWHERE, nj_set_resolver_tls,
      "needs operator mode, which is not served yet; remove it" },
    { "resolver_preload", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map",
      "account JWTs known from the start", NOWHERE, nj_set_unserved,
      "needs operator mode, which is not served yet; remove it" },
    { "resolver_pinned_accounts", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "list",
      "accounts that users may be of", NOWHERE, nj_set_unserved,
      "needs operator mode, which is not served yet; remove it" },

    /* ---- other listeners ---- */
    { "cluster", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_YES, NULL, "map", "routes", NOWHERE,
      nj_set_block, "is not served yet; remove the block to run a single server" },
    { "gateway", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "map", "gateways", NOWHERE,
      nj_set_block, "is not served yet; remove the block" },
    { "leafnodes", { "leaf" }, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "map", "leaf nodes", NOWHERE,
      nj_set_block, "are not served yet; remove the block" },
    { "websocket", { "ws" }, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "map", "clients over websocket",
      NOWHERE, nj_set_block, "is not served yet; remove the block" },
    { "mqtt", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "map", "clients that speak MQTT",
      NOWHERE, nj_set_block, NULL },

    /* ---- persistence ---- */
    { "jetstream", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "boolean, string or map",
      "persistence; not part of this server", NOWHERE, nj_set_jetstream, NULL },
    { "store_dir", { "storedir" }, NJ_OPTION_STRING, NJ_RELOAD_YES, NULL, "path",
      "where OCSP responses are kept; there is no other persistence", AT(store_dir), NULL, NULL },
    { "default_js_domain", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "map",
      "domains of accounts; without effect", NOWHERE, nj_set_js_domain, NULL },

    /* ---- natterjack's own ---- */
    { "workers", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_NO, NULL, "1 to 256",
      "threads that serve clients; without it as many as CPUs may be used", AT(workers),
      nj_set_workers, NULL },
    { "tls_provider", NO_ALIAS, NJ_OPTION_STRING, NJ_RELOAD_NEW, "gnutls, else wolfssl",
      "a name of [a-z0-9_-]", "provider of tls blocks that name none", AT(tls_provider),
      nj_set_tls_provider, NULL },
    { "plugin_dirs", NO_ALIAS, NJ_OPTION_OTHER, NJ_RELOAD_NO, NULL, "string or list of strings",
      "folders searched for plug-ins before the built-in one", NOWHERE, nj_set_plugin_dirs, NULL },
    { "max_memory", NO_ALIAS, NJ_OPTION_INT, NJ_RELOAD_YES, "0", "bytes; 0: off",
      "memory above which the worst slow client is closed", AT(max_memory), nj_set_unserved_int,
      "is not served yet; remove it" },
    { "core_dumps", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "allow core dumps, which hold keys", AT(core_dumps), NULL, NULL },
    { "require_fips", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "run on a FIPS module only and refuse what it does not stand for; always in a build with "
      "--enable-fips", AT(require_fips), nj_set_require_fips, NULL },
    { "ignore_unsupported", NO_ALIAS, NJ_OPTION_BOOL, NJ_RELOAD_NO, "false", NULL,
      "JetStream and MQTT blocks become a warning", AT(ignore_unsupported), NULL, NULL },
};
/* clang-format on */

size_t nj_option_count(void)
{
    return sizeof(table) / sizeof(table[0]);
}

const struct nj_option *nj_option_at(size_t i)
{
    return &table[i];
}

static int goes_by(const struct nj_option *opt, const char *name)
{
    if (strcasecmp(opt->name, name) == 0) {
        return 1;
    }
    for (size_t i = 0; i < NJ_OPTION_ALIASES && opt->alias[i] != NULL; i++) {
        if (strcasecmp(opt->alias[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

const struct nj_option *nj_option_find(const char *name)
{
    for (size_t i = 0; i < nj_option_count(); i++) {
        if (goes_by(&table[i], name)) {
            return &table[i];
        }
    }
    return NULL;
}
