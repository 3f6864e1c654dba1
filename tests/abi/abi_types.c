/*
 * abi_types.c: everything that crosses the plug-in border, in reach of one exported function, so
 * that abidw sees it (a plug-in's own door shows its table as a void pointer).
 */
#include "natterjack/authmap.h"
#include "natterjack/tls.h"

struct nj_abi_border {
    const struct nj_plugin *plugin;
    nj_plugin_door_fn door;
    const struct nj_host *host;
    const struct nj_tls_provider *provider;
    const struct nj_tls_crypto *crypto;
    const struct nj_tls_settings *settings;
    const struct nj_tls_identity *identity;
    const struct nj_tls_key *key;
    const struct nj_tls_findings *findings;
    const struct nj_tls_verdict *verdict;
    const struct nj_tls_info *info;
    const struct nj_tls_about *about;
    const struct nj_tls_in *in;
    const struct nj_sink *sink;
    const struct nj_error *error;
    const struct nj_authmap *mapper;
    const struct nj_authmap_host *mapper_host;
    const struct nj_authmap_facts *facts;
    const struct nj_authmap_answer *answer;
    const struct nj_authmap_report *report;
    const struct nj_authmap_value *value;
    enum nj_result result;
    enum nj_error_class error_class;
};

NJ_EXPORT void nj_abi_show(const struct nj_abi_border *border);

void nj_abi_show(const struct nj_abi_border *border)
{
    (void) border;
}
