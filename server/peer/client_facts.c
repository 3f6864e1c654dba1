#include "peer/client_facts.h"

#include <string.h>

#include "auth/auth.h"
#include "io/tls_stream.h"
#include "peer/client.h"
#include "peer/client_tls.h"
#include "tls/block.h"
#include "tls/cert.h"

static int read_leaf(struct nj_client_facts *f, const struct nj_tls_setup *setup)
{
    struct nj_cert cert;
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_cert_init(&cert, f->chain[0], &err);
    if (rc != NJ_OK) {
        return rc;
    }
    rc = nj_peer_names_init(&f->names, &cert);
    if (rc == NJ_OK && setup->provider->crypto->hash != NULL &&
        setup->provider->crypto->hash(NJ_HASH_SHA256, cert.spki.ptr, cert.spki.len,
                                      f->spki_sha256) == NJ_OK) {
        f->facts.spki_sha256 = f->spki_sha256;
    }
    nj_cert_fini(&cert);
    return rc;
}

static int read_chain(struct nj_client_facts *f, struct nj_client *c)
{
    const struct nj_tls_setup *setup = nj_tls_door_setup(c->door);
    size_t n = nj_tls_stream_peer_chain(&c->conn, f->chain, NJ_FACTS_CHAIN_MAX);
    if (n == 0) {
        return NJ_OK;
    }
    int rc = n <= NJ_FACTS_CHAIN_MAX ? read_leaf(f, setup) : NJ_E_INVALID;
    if (rc != NJ_OK) {
        return rc;
    }
    f->facts.chain = f->chain;
    f->facts.chain_n = (uint32_t) n;
    f->facts.subject = f->names.subject;
    f->facts.common_name = f->names.common_name;
    f->facts.names = f->names.list;
    f->facts.names_n = f->names.n;
    /* A provider sends and keeps no chain that it did not check, when checking is on. */
    f->facts.tls_verified = setup->verify != NJ_TLS_VERIFY_NONE;
    return NJ_OK;
}

int nj_client_facts_init(struct nj_client_facts *f, struct nj_client *c)
{
    struct nj_tls_info info = { .size = sizeof(info) };
    memset(f, 0, sizeof(*f));
    f->facts = (struct nj_authmap_facts){ .size = sizeof(f->facts),
                                          .kind = NJ_AUTHMAP_CLIENT,
                                          .client_id = c->cid,
                                          .address = c->ip,
                                          .port = c->port,
                                          .subject = "",
                                          .common_name = "",
                                          .user = c->user,
                                          .pass = c->pass,
                                          .token = c->token,
                                          .nkey = c->nkey,
                                          .jwt = c->jwt,
                                          .name = c->name,
                                          .lang = c->lang,
                                          .version = c->version };
    const struct nj_credentials cred = { .nkey = c->nkey,
                                         .sig = c->sig,
                                         .nonce = c->nonce[0] != '\0' ? c->nonce : NULL };
    f->facts.nkey_proven = nj_auth_nkey_proven(nj_client_serving(c)->auth, &cred);
    if (c->tls_version == 0) {
        return NJ_OK;
    }
    f->facts.tls_version = c->tls_version;
    f->facts.tls_suite = c->tls_suite;
    if (nj_tls_stream_info(&c->conn, &info) == NJ_OK) {
        f->facts.tls_resumed = info.resumed;
    }
    return read_chain(f, c);
}

void nj_client_facts_fini(struct nj_client_facts *f)
{
    nj_peer_names_fini(&f->names);
    memset(f, 0, sizeof(*f));
}
