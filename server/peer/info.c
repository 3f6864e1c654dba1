#include "base/json.h"
#include "broker/account.h"
#include "auth/auth.h"
#include "peer/client.h"
#include "peer/client_tls.h"

static void put_tls(struct nj_json *j, const struct nj_hub *hub, const struct nj_client *c)
{
    if (hub->tls == NULL) {
        return;
    }
    bool inside = c->tls_first || nj_tls_door_first(hub->tls) == NJ_FIRST_ALWAYS;
    nj_json_opt_bool(j, "tls_required", !hub->allow_non_tls || inside);
    nj_json_opt_bool(j, "tls_verify", nj_tls_door_verifies(hub->tls));
    nj_json_opt_bool(j, "tls_available", hub->allow_non_tls);
}

void nj_info_append(const struct nj_hub *hub, const struct nj_client *c, enum nj_info_kind kind,
                    struct nj_buf *out)
{
    struct nj_json j;
    (void) nj_buf_puts(out, "INFO ");
    nj_json_init(&j, out, 0);
    nj_json_object(&j, NULL);
    nj_json_str(&j, "server_id", hub->server_id);
    nj_json_str(&j, "server_name", hub->server_name);
    nj_json_str(&j, "version", hub->version);
    nj_json_int(&j, "proto", 1);
    nj_json_str(&j, "go", hub->toolchain);
    nj_json_str(&j, "host", hub->advertise_host != NULL ? hub->advertise_host : hub->host);
    nj_json_int(&j, "port", hub->advertise_host != NULL ? hub->advertise_port : hub->port);
    nj_json_bool(&j, "headers", hub->headers);
    nj_json_opt_bool(&j, "auth_required", nj_auth_required(hub->auth));
    put_tls(&j, hub, c);
    nj_json_int(&j, "max_payload", hub->limits.max_payload);
    nj_json_uint(&j, "client_id", c->cid);
    nj_json_str(&j, "client_ip", c->ip);
    nj_json_opt_bool(&j, "ldm", atomic_load_explicit(&hub->lame_duck, memory_order_relaxed) &&
                                    kind == NJ_INFO_LAME_DUCK);
    if (kind == NJ_INFO_CONNECTED) {
        nj_json_bool(&j, "connect_info", true);
        nj_json_str(&j, "remote_account", c->account->name);
    }
    nj_json_int(&j, "api_lvl", 5);
    nj_json_str(&j, "natterjack", hub->own_version);
    nj_json_end(&j);
    (void) nj_json_finish(&j);
    (void) nj_buf_puts(out, " \r\n");
}
