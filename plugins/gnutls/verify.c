#include "internal.h"

#include <stdio.h>
#include <string.h>

#define CHAIN_MAX 16 /* GnuTLS refuses longer ones by itself */
#define PATH_MAX_N (CHAIN_MAX + 1)

_Thread_local int64_t nj_gt_judge_time_s;

static char usage_client[] = GNUTLS_KP_TLS_WWW_CLIENT;
static char usage_server[] = GNUTLS_KP_TLS_WWW_SERVER;

/* ---- the path the library built -------------------------------------------------------------- */

/* The certificates of the running check as GnuTLS walks them: from the anchor down to the leaf. */
struct trail {
    gnutls_datum_t walked[PATH_MAX_N];
    size_t n;
};

/* GnuTLS hands its output function no user pointer, so the trail of the running check lies here. */
static _Thread_local struct trail *current_trail;

static void trail_add(struct trail *t, gnutls_x509_crt_t crt)
{
    if (t->n < PATH_MAX_N && crt != NULL &&
        gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &t->walked[t->n]) >= 0) {
        t->n++;
    }
}

static int note_step(gnutls_x509_crt_t cert, gnutls_x509_crt_t issuer, gnutls_x509_crl_t crl,
                     unsigned status)
{
    (void) crl;
    (void) status;
    if (current_trail != NULL) {
        if (current_trail->n == 0) {
            trail_add(current_trail, issuer);
        }
        trail_add(current_trail, cert);
    }
    return 0;
}

static void trail_free(struct trail *t)
{
    while (t->n > 0) {
        gnutls_free(t->walked[--t->n].data);
    }
}

/* Leaf first.  0 when the walk did not end at the leaf (it was an anchor itself): no path known. */
static size_t path_build(const struct trail *t, struct nj_span leaf, struct nj_span *path)
{
    for (size_t i = 0; i < t->n; i++) {
        const gnutls_datum_t *d = &t->walked[t->n - 1 - i];
        path[i] = (struct nj_span){ d->data, d->size };
    }
    bool whole =
        t->n > 0 && path[0].len == leaf.len && memcmp(path[0].ptr, leaf.ptr, leaf.len) == 0;
    return whole ? t->n : 0;
}

/* ---- the library's verdict ------------------------------------------------------------------- */

/* Dates before path before usage, as the reference reports them. */
static uint32_t class_of(int rc, unsigned status)
{
    static const struct {
        unsigned bit;
        uint32_t cls;
    } bits[] = {
        { GNUTLS_CERT_REVOKED, NJ_CLASS_REVOKED },
        { GNUTLS_CERT_EXPIRED, NJ_CLASS_EXPIRED },
        { GNUTLS_CERT_NOT_ACTIVATED, NJ_CLASS_NOT_YET },
        { GNUTLS_CERT_SIGNER_NOT_CA, NJ_CLASS_NOT_CA },
        { GNUTLS_CERT_SIGNATURE_FAILURE, NJ_CLASS_BAD_CERT },
        { GNUTLS_CERT_INSECURE_ALGORITHM, NJ_CLASS_BAD_CERT },
        { GNUTLS_CERT_SIGNER_NOT_FOUND, NJ_CLASS_UNKNOWN_CA },
        { GNUTLS_CERT_PURPOSE_MISMATCH, NJ_CLASS_BAD_EKU },
    };
    if (rc < 0) {
        return NJ_CLASS_BAD_CERT;
    }
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if ((status & bits[i].bit) != 0) {
            return bits[i].cls;
        }
    }
    return status == 0 ? NJ_CLASS_NONE : NJ_CLASS_BAD_CERT;
}

static gnutls_typed_vdata_st purpose(bool of_server)
{
    char *oid = of_server ? usage_server : usage_client;
    return (gnutls_typed_vdata_st){ .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                    .data = (unsigned char *) oid };
}

static uint32_t check_peer(struct nj_tls_session *s, struct trail *trail)
{
    gnutls_typed_vdata_st data = purpose(s->dialled);
    unsigned status = 0;
    current_trail = trail;
    gnutls_session_set_verify_output_function(s->tls, note_step);
    int rc = gnutls_certificate_verify_peers(s->tls, &data, 1, &status);
    current_trail = NULL;
    return class_of(rc, status);
}

/* ---- the server's verdict -------------------------------------------------------------------- */

static int refuse(struct nj_tls_session *s, const struct nj_tls_verdict *v,
                  const struct nj_tls_findings *found)
{
    uint32_t cls = v->accept || v->cls == NJ_CLASS_NONE ? found->cls : v->cls;
    int32_t alert = v->accept || v->alert <= 0 ? nj_tls_class_alert(cls, found->judge) : v->alert;
    cls = cls == NJ_CLASS_NONE ? NJ_CLASS_POLICY : cls;
    if (v->accept || v->text[0] == '\0') {
        nj_gt_fail(s, cls, alert, "tls: failed to verify certificate: %s",
                   nj_tls_class_words(cls)->text);
    } else {
        nj_gt_fail(s, cls, alert, "%s", v->text);
    }
    return NJ_E_FAILED;
}

static int ask_hook(struct nj_tls_session *s, struct nj_tls_findings *found)
{
    struct nj_tls_verdict verdict = { .size = sizeof(verdict), .alert = NJ_ALERT_NONE };
    found->size = sizeof(*found);
    found->judge = s->dialled ? NJ_TLS_JUDGE_SERVER : NJ_TLS_JUDGE_CLIENT;
    found->version = nj_gt_version_of(s->tls);
    found->text = found->cls == NJ_CLASS_NONE ? NULL : nj_tls_class_words(found->cls)->text;
    found->name = s->name;
    found->session_user = s->user;
    s->ctx->verify_hook(s->ctx->verify_user, found, &verdict);
    verdict.text[sizeof(verdict.text) - 1] = '\0';
    if (!verdict.accept || found->cls != NJ_CLASS_NONE) {
        return refuse(s, &verdict, found);
    }
    return NJ_OK;
}

static int judge(struct nj_tls_session *s, const gnutls_datum_t *peers, unsigned peers_n,
                 bool resumed)
{
    struct nj_span chain[CHAIN_MAX];
    struct nj_span path[PATH_MAX_N];
    struct trail trail = { .n = 0 };
    struct nj_tls_findings found = { .chain = chain, .depth = -1, .resumed = resumed };
    if (peers_n > CHAIN_MAX) {
        nj_gt_fail(s, NJ_CLASS_BAD_CERT, NJ_ALERT_BAD_CERTIFICATE,
                   "tls: the peer sent %u certificates, %d at most are read", peers_n, CHAIN_MAX);
        return NJ_E_FAILED;
    }
    for (unsigned i = 0; i < peers_n; i++) {
        chain[i] = (struct nj_span){ peers[i].data, peers[i].size };
    }
    found.chain_n = peers_n;
    if (!s->ctx->insecure || !s->dialled) {
        found.cls = check_peer(s, &trail);
        if (found.cls == NJ_CLASS_NONE) {
            found.path_n = path_build(&trail, chain[0], path);
            found.path = found.path_n > 0 ? path : NULL;
        }
    }
    int rc = ask_hook(s, &found);
    trail_free(&trail);
    return rc;
}

/* No chain: fine for an accepting end that only asks, or does not ask. */
static int judge_missing(struct nj_tls_session *s)
{
    if (!s->dialled && s->ctx->verify != NJ_TLS_VERIFY_REQUIRE) {
        return NJ_OK;
    }
    nj_gt_fail_lib(s, GNUTLS_E_NO_CERTIFICATE_FOUND);
    return NJ_E_FAILED;
}

static int judge_session(struct nj_tls_session *s, bool resumed)
{
    unsigned n = 0;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(s->tls, &n);
    return peers == NULL || n == 0 ? judge_missing(s) : judge(s, peers, n, resumed);
}

int nj_gt_verify_cb(gnutls_session_t tls)
{
    struct nj_tls_session *s = gnutls_session_get_ptr(tls);
    return judge_session(s, false) < 0 ? GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR : 0;
}

int nj_gt_judge_resumed(struct nj_tls_session *s)
{
    if (!s->dialled && s->ctx->verify == NJ_TLS_VERIFY_NONE) {
        return NJ_OK;
    }
    return judge_session(s, true);
}

/* ---- without a session ----------------------------------------------------------------------- */

static int check_crts(struct nj_tls_ctx *ctx, gnutls_x509_crt_t *crts, unsigned n, uint32_t usage,
                      struct nj_error *err)
{
    gnutls_x509_trust_list_t trust = NULL;
    gnutls_typed_vdata_st data = purpose(usage == NJ_TLS_USAGE_SERVER);
    unsigned status = 0;
    gnutls_certificate_get_trust_list(ctx->cred, &trust);
    int rc = gnutls_x509_trust_list_verify_crt2(trust, crts, n, &data, 1,
                                                GNUTLS_VERIFY_DISABLE_CRL_CHECKS, &status, NULL);
    uint32_t cls = class_of(rc, status);
    if (cls == NJ_CLASS_NONE) {
        return NJ_OK;
    }
    return nj_error_set_class(err, NJ_E_DENIED, cls, "%s", nj_tls_class_words(cls)->text);
}

int nj_gt_verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                       uint32_t usage, const char *name, int64_t time_s, struct nj_error *err)
{
    gnutls_x509_crt_t crts[CHAIN_MAX] = { NULL };
    int rc = chain_n > 0 && chain_n <= CHAIN_MAX ? 0 : GNUTLS_E_INVALID_REQUEST;
    (void) name; /* names are read from the DER by the server, as in the verify hook */
    for (size_t i = 0; rc >= 0 && i < chain_n; i++) {
        gnutls_datum_t der = nj_gt_datum(chain[i].ptr, chain[i].len);
        rc = gnutls_x509_crt_init(&crts[i]);
        if (rc >= 0) {
            rc = gnutls_x509_crt_import(crts[i], &der, GNUTLS_X509_FMT_DER);
        }
    }
    if (rc < 0) {
        rc = nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_CERT,
                                "x509: the chain cannot be read: %s", gnutls_strerror(rc));
    } else {
        nj_gt_judge_time_s = time_s;
        rc = check_crts(ctx, crts, (unsigned) chain_n, usage, err);
        nj_gt_judge_time_s = 0;
    }
    for (size_t i = 0; i < CHAIN_MAX; i++) {
        gnutls_x509_crt_deinit(crts[i]);
    }
    return rc;
}
