#include "ops/help.h"

#include <string.h>

#include "base/version.h"

static const struct nj_help_row help[] = {
    { "Server Options:", NULL },
    { "-a, --addr, --net <host>", "Address to listen on (default: 0.0.0.0)" },
    { "-p, --port <port>", "Port for clients, -1 for any free one (default: 4222)" },
    { "-n, --name", "" },
    { "    --server_name <server_name>", "Name of this server (default: its id)" },
    { "-P, --pid <file>", "Write the process id to this file" },
    { "-m, --http_port <port>", "Port for monitoring over http" },
    { "-ms,--https_port <port>", "Port for monitoring over https" },
    { "-c, --config <file>", "Read this configuration file" },
    { "-t", "Check the configuration file and exit" },
    { "-sl,--signal <signal>[=<pid>]",
      "Signal a running server (ldm, stop, quit, term, reopen, reload)" },
    { "", "<pid> is a process id (12), the start of some (12*), or the path of a pid file" },
    { "    --client_advertise <string>", "host[:port] that clients are told" },
    { "    --ports_file_dir <dir>", "Write the ports in use to <dir>/<program>_<pid>.ports" },
    { "", NULL },
    { "Logging Options:", NULL },
    { "-l, --log <file>", "Append log lines to this file" },
    { "-T, --logtime", "Put the time on log lines (default: true)" },
    { "    --logtime_utc", "Use UTC, not local time (default: false)" },
    { "-s, --syslog", "Log to the local syslog (not served yet)" },
    { "-r, --remote_syslog <addr>", "Log to a syslog server, udp://localhost:514 (not served yet)" },
    { "-D, --debug", "Log what helps to find a fault" },
    { "-V, --trace", "Log the protocol as it passes" },
    { "-VV", "Trace, the system account included" },
    { "-DV", "Debug and trace" },
    { "-DVV", "Debug and trace, the system account included" },
    { "    --log_size_limit <limit>", "Rotate the log file at this many bytes (not served yet)" },
    { "    --max_traced_msg_len <len>", "Cut traced messages to this length (default: never)" },
    { "", NULL },
    { "JetStream Options:", NULL },
    { "-js, --jetstream", "Ask for JetStream (refused: there is none in this server)" },
    { "-sd, --store_dir <dir>", "Keep OCSP responses in <dir>/ocsp" },
    { "", NULL },
    { "Authorization Options:", NULL },
    { "    --user <user>", "User name that clients must give" },
    { "    --pass <password>", "Password that clients must give" },
    { "    --auth <token>", "Token that clients must give" },
    { "", NULL },
    { "TLS Options:", NULL },
    { "    --tls", "Use TLS, ask clients for no certificate (default: false)" },
    { "    --tlscert <file>", "Certificate of the server, with its chain" },
    { "    --tlskey <file>", "Private key of that certificate" },
    { "    --tlsverify", "Use TLS and require a certificate of clients" },
    { "    --tlscacert <file>", "CA certificates that clients are verified with" },
    { "", NULL },
    { "Cluster Options (not served yet):", NULL },
    { "    --routes <rurl-1, rurl-2>", "Servers to connect routes to" },
    { "    --cluster <cluster-url>", "URL to listen on for routes" },
    { "    --cluster_name <string>", "Name of the cluster (default: a random one)" },
    { "    --no_advertise <bool>", "Do not tell clients about the other servers" },
    { "    --cluster_advertise <string>", "host[:port] that other servers are told" },
    { "    --connect_retries <number>", "How often to try a route that another server told of" },
    { "    --cluster_listen <url>", "Same as --cluster" },
    { "", NULL },
    { "Profiling Options:", NULL },
    { "    --profile <port>", "Accepted and ignored" },
    { "", NULL },
    { "Natterjack Options:", NULL },
    { "    --tls_provider <name>",
      "TLS plug-in to use, gnutls or wolfssl (default: gnutls if found)" },
    { "    --plugin_dir <dir>", "Look for plug-ins here first; may be given more than once" },
    { "    --workers <number>", "Worker threads, 1 to 256 (default: one per CPU allowed)" },
    { "    --list-plugins", "List the plug-ins found and exit" },
    { "", NULL },
    { "Common Options:", NULL },
    { "-h, --help", "Show this text" },
    { "-v, --version", "Show the version" },
    { "    --help_tls", "Show help on TLS" },
};

static const char tls_block[] =
    "\nTLS is configured in a tls block of the configuration file, for example:\n"
    "\n"
    "    tls {\n"
    "        cert_file:      \"./certs/server-cert.pem\"\n"
    "        key_file:       \"./certs/server-key.pem\"\n"
    "        ca_file:        \"./certs/ca.pem\"\n"
    "        verify:         true\n"
    "\n"
    "        # natterjack: the plug-in of this block; tls_provider when left out\n"
    "        provider:       \"gnutls\"\n"
    "\n"
    "        cipher_suites: [\n"
    "            \"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\",\n"
    "            \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"\n"
    "        ]\n"
    "        curve_preferences: [\n"
    "            \"X25519\",\n"
    "            \"CurveP256\"\n"
    "        ]\n"
    "    }\n";

static const char *const suites[] = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    /* only with allow_insecure_cipher_suites */
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
};

static const char *const curves[] = {
    "X25519MLKEM768", "SecP384r1MLKEM1024", "SecP256r1MLKEM768", "X25519",
    "CurveP256",      "CurveP384",          "CurveP521",
};

static const char tls_tail[] =
    "\nWhat is on offer depends on the plug-in and the library it finds: what that lacks is left\n"
    "out with a warning. cipher_suites limits TLS 1.2 only; the suites of TLS 1.3 are all on.\n"
    "\n"
    "A certificate that says must-staple comes with an OCSP response, others with ocsp { mode:\n"
    "always }. With verify, ocsp_peer: true asks about the certificates of clients.\n"
    "\n";

const char *nj_program_name(const char *argv0)
{
    const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;
    const char *base = slash != NULL ? slash + 1 : argv0;
    if (base != NULL && strcmp(base, NJ_REFERENCE_PROGRAM) == 0) {
        return NJ_REFERENCE_PROGRAM;
    }
    return NJ_PROGRAM;
}

const struct nj_help_row *nj_help_row(size_t i)
{
    return i < sizeof(help) / sizeof(help[0]) ? &help[i] : NULL;
}

void nj_help_print(FILE *out, const char *program)
{
    (void) fprintf(out, "\nUsage: %s [options]\n\n", program);
    for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
        const struct nj_help_row *r = &help[i];
        if (r->text == NULL) {
            (void) fprintf(out, "%s\n", r->flags);
        } else if (r->text[0] == '\0') {
            (void) fprintf(out, "    %s\n", r->flags);
        } else {
            (void) fprintf(out, "    %-32s %s\n", r->flags, r->text);
        }
    }
    (void) fprintf(out, "\n");
}

void nj_help_tls_print(FILE *out)
{
    (void) fputs(tls_block, out);
    (void) fputs("\nAvailable cipher suites include:\n", out);
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        (void) fprintf(out, "    %s\n", suites[i]);
    }
    (void) fputs("\nAvailable curve preferences include:\n", out);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        (void) fprintf(out, "    %s\n", curves[i]);
    }
    (void) fputs(tls_tail, out);
}

void nj_version_print(FILE *out, const char *program, const char *fips)
{
    if (strcmp(program, NJ_REFERENCE_PROGRAM) == 0) {
        (void) fprintf(out, "%s: v%s\n%s: v%s\n", NJ_REFERENCE_PROGRAM, NJ_REFERENCE_VERSION,
                       NJ_PROGRAM, NJ_VERSION);
    } else {
        (void) fprintf(out, "%s: v%s\n%s: v%s\n", NJ_PROGRAM, NJ_VERSION, NJ_REFERENCE_PROGRAM,
                       NJ_REFERENCE_VERSION);
    }
    if (fips != NULL) {
        (void) fprintf(out, "fips: %s\n", fips);
    }
}
