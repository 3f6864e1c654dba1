#include "base/json.h"
#include "broker/account.h"
#include "auth/auth.h"
#include "peer/client.h"
#include "peer/client_tls.h"

/* The first INFO tells what is about to happen on this connection, later ones what others find. */
static void put_tls(struct nj_json *j, const struct nj_serving *s, const struct nj_client *c,
                    enum nj_info_kind kind)
{
    const struct nj_tls_door *door = kind == NJ_INFO_FIRST ? c->door : s->tls;
    if (door == NULL) {
        return;
    }
    bool inside = c->tls_first || nj_tls_door_first(door) == NJ_FIRST_ALWAYS;
    nj_json_opt_bool(j, "tls_required", !s->allow_non_tls || inside);
    nj_json_opt_bool(j, "tls_verify", nj_tls_door_verifies(door));
    nj_json_opt_bool(j, "tls_available", s->allow_non_tls);
}

static void put_address(struct nj_json *j, const struct nj_hub *hub, const struct nj_serving *s)
{
    bool told = s->advertise_host != NULL;
    nj_json_str(j, "host", told ? s->advertise_host : hub->host);
    nj_json_int(j, "port", told && s->advertise_port > 0 ? s->advertise_port : hub->port);
}

void nj_info_append(const struct nj_hub *hub, const struct nj_client *c, enum nj_info_kind kind,
                    struct nj_buf *out)
{
    const struct nj_serving *s = nj_client_serving(c);
    struct nj_json j;
    (void) nj_buf_puts(out, "INFO ");
    nj_json_init(&j, out, 0);
    nj_json_object(&j, NULL);
    nj_json_str(&j, "server_id", hub->server_id);
    nj_json_str(&j, "server_name", hub->server_name);
    nj_json_str(&j, "version", hub->version);
    nj_json_int(&j, "proto", 1);
    nj_json_str(&j, "go", hub->toolchain);
    put_address(&j, hub, s);
    nj_json_bool(&j, "headers", hub->headers);
    nj_json_opt_bool(&j, "auth_required",
                     s->mappers != NULL || (nj_auth_required(s->auth) &&
                                            nj_auth_no_auth_user(s->auth) == NULL));
    put_tls(&j, s, c, kind);
    nj_json_int(&j, "max_payload", s->limits.max_payload);
    nj_json_uint(&j, "client_id", c->cid);
    nj_json_str(&j, "client_ip", c->ip);
    if (kind == NJ_INFO_FIRST) {
        nj_json_opt_str(&j, "nonce", c->nonce);
    }
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
