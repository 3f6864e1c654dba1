#include "tls/verify.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tls/cert.h"
#include "tls/der.h"
#include "tls/dn.h"
#include "tls/fips.h"
#include "tls/name.h"
#include "tls/path.h"

#define ALERT_DECODE_ERROR INT32_C(50)
#define CHECK_FAILED "tls: failed to verify certificate: "
#define SHA256_LEN 32

/* One judgement under way. */
struct judgement {
    const struct nj_tls_policy *policy;
    const struct nj_tls_findings *found;
    struct nj_tls_verdict *verdict;
    int64_t now_s;
    struct nj_cert certs[NJ_CHAIN_MAX];
    size_t certs_n;
};

/* ---- the policy ------------------------------------------------------------------------------ */

static void drop_anchor(struct nj_cert *anchor)
{
    uint8_t *der = (uint8_t *) (uintptr_t) anchor->der.ptr; /* ours: copied in keep_anchor() */
    nj_cert_fini(anchor);
    nj_dealloc(der);
}

static void keep_anchor(struct nj_tls_policy *policy, struct nj_span der)
{
    uint8_t *copy = nj_memdup(der.ptr, der.len);
    struct nj_cert *anchor = &policy->anchors[policy->anchors_n];
    if (nj_cert_init(anchor, (struct nj_span){ copy, der.len }, NULL) < 0) {
        nj_dealloc(copy);
        return;
    }
    policy->anchors_n++;
}

int nj_tls_policy_init(struct nj_tls_policy *policy, const struct nj_span *anchors,
                       size_t anchors_n, int64_t (*now_s)(void), struct nj_error *err)
{
    *policy = (struct nj_tls_policy){ .now_s = now_s };
    policy->anchors = nj_calloc(anchors_n, sizeof(*policy->anchors));
    for (size_t i = 0; i < anchors_n; i++) {
        keep_anchor(policy, anchors[i]);
    }
    if (anchors_n > 0 && policy->anchors_n == 0) {
        nj_tls_policy_fini(policy);
        return nj_error_set(err, NJ_E_INVALID, "failed to parse root ca certificate");
    }
    return NJ_OK;
}

void nj_tls_policy_fini(struct nj_tls_policy *policy)
{
    for (size_t i = 0; i < policy->anchors_n; i++) {
        drop_anchor(&policy->anchors[i]);
    }
    nj_dealloc(policy->anchors);
    *policy = (struct nj_tls_policy){ 0 };
}

/* ---- refusing -------------------------------------------------------------------------------- */

/* The reference's rule.  A dialling end always says 42; an accepting one tells the client more. */
static int32_t alert_for(const struct nj_tls_findings *found, uint32_t cls)
{
    if (found->judge == NJ_TLS_JUDGE_SERVER) {
        return NJ_ALERT_BAD_CERTIFICATE;
    }
    switch (cls) {
    case NJ_CLASS_NO_CERT:
        return found->version >= NJ_TLS_1_3 ? NJ_ALERT_CERTIFICATE_REQUIRED
                                            : NJ_ALERT_HANDSHAKE_FAILURE;
    case NJ_CLASS_UNKNOWN_CA:
    case NJ_CLASS_NOT_CA:
        return NJ_ALERT_UNKNOWN_CA;
    case NJ_CLASS_EXPIRED:
    case NJ_CLASS_NOT_YET:
        return NJ_ALERT_CERTIFICATE_EXPIRED;
    default:
        return NJ_ALERT_BAD_CERTIFICATE;
    }
}

/* Always false, so that a check can `return refuse(…)`. */
static bool refuse(struct judgement *j, uint32_t cls, const char *text)
{
    j->verdict->accept = 0;
    j->verdict->cls = cls;
    j->verdict->alert = alert_for(j->found, cls);
    (void) snprintf(j->verdict->text, sizeof(j->verdict->text), "%s", text);
    return false;
}

static bool refuse_cert(struct judgement *j, uint32_t cls, const char *why)
{
    char text[sizeof(j->verdict->text)];
    int room = (int) (sizeof(text) - sizeof(CHECK_FAILED));
    (void) snprintf(text, sizeof(text), CHECK_FAILED "%.*s", room, why);
    return refuse(j, cls, text);
}

static bool refuse_malformed(struct judgement *j, const struct nj_error *err)
{
    char text[sizeof(j->verdict->text)];
    (void) snprintf(text, sizeof(text), "tls: failed to parse %s: %.200s",
                    j->found->judge == NJ_TLS_JUDGE_SERVER ? "certificate from server"
                                                           : "client certificate",
                    err->text);
    (void) refuse(j, NJ_CLASS_BAD_CERT, text);
    j->verdict->alert = ALERT_DECODE_ERROR;
    return false;
}

/* "2021-01-01T00:00:00Z" */
static void put_moment(int64_t time_s, char out[32])
{
    struct tm tm;
    time_t t = (time_t) time_s;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        (void) snprintf(out, 32, "%lld", (long long) time_s);
    }
}

static bool refuse_dates(struct judgement *j, const struct nj_cert *cert)
{
    char text[160];
    char now[32];
    char limit[32];
    bool early = j->now_s < cert->not_before_s;
    put_moment(j->now_s, now);
    put_moment(early ? cert->not_before_s : cert->not_after_s, limit);
    (void) snprintf(text, sizeof(text),
                    "x509: certificate has expired or is not yet valid: current time %s is %s %s",
                    now, early ? "before" : "after", limit);
    return refuse_cert(j, early ? NJ_CLASS_NOT_YET : NJ_CLASS_EXPIRED, text);
}

static bool refuse_unknown(struct judgement *j)
{
    return refuse_cert(j, NJ_CLASS_UNKNOWN_CA, "x509: certificate signed by unknown authority");
}

/* An issuer that may not issue counts as no issuer at all. */
static bool refuse_issuer(struct judgement *j, const struct nj_cert *issuer)
{
    struct nj_buf name, text;
    nj_buf_init(&name, 4096);
    nj_buf_init(&text, 4096);
    (void) nj_cert_short_name(issuer, &name);
    (void) nj_buf_puts(&text, "x509: certificate signed by unknown authority (possibly because of "
                              "\"x509: invalid signature: parent certificate cannot sign this kind "
                              "of certificate\" while trying to verify candidate authority "
                              "certificate \"");
    (void) nj_put_visible((struct nj_span){ (const uint8_t *) name.ptr, name.len }, &text);
    (void) nj_buf_puts(&text, "\")");
    (void) refuse_cert(j, NJ_CLASS_NOT_CA, text.ptr);
    nj_buf_free(&name);
    nj_buf_free(&text);
    return false;
}

/* ---- the leaf -------------------------------------------------------------------------------- */

static bool chain_is_there(struct judgement *j)
{
    if (j->found->chain_n == 0 && j->found->judge == NJ_TLS_JUDGE_CLIENT) {
        return refuse(j, NJ_CLASS_NO_CERT, "tls: client didn't provide a certificate");
    }
    if (j->found->chain_n == 0) {
        return refuse(j, NJ_CLASS_NO_CERT, "tls: received empty certificates message");
    }
    if (j->found->chain_n > NJ_CHAIN_MAX) {
        return refuse_cert(j, NJ_CLASS_BAD_CERT, "x509: too many certificates in the chain");
    }
    return true;
}

static bool chain_is_readable(struct judgement *j)
{
    struct nj_error err = NJ_ERROR_INIT;
    for (size_t i = 0; i < j->found->chain_n; i++) {
        if (nj_cert_init(&j->certs[i], j->found->chain[i], &err) < 0) {
            return refuse_malformed(j, &err);
        }
        j->certs_n++;
    }
    return true;
}

/* Algorithms that the module does not stand for prove nothing under require_fips. */
static bool is_approved(struct judgement *j)
{
    struct nj_error err = NJ_ERROR_INIT;
    return !nj_fips_required() || nj_fips_check_chain(j->certs, j->certs_n, &err) == NJ_OK ||
           refuse_cert(j, NJ_CLASS_POLICY, err.text);
}

static bool leaf_is_current(struct judgement *j)
{
    if (j->certs[0].unknown_critical) {
        return refuse_cert(j, NJ_CLASS_BAD_CERT, "x509: unhandled critical extension");
    }
    return nj_cert_in_date(&j->certs[0], j->now_s) || refuse_dates(j, &j->certs[0]);
}

static bool name_fits(struct judgement *j)
{
    struct nj_buf text;
    if (j->found->judge != NJ_TLS_JUDGE_SERVER) {
        return true;
    }
    if (j->found->name == NULL || j->found->name[0] == '\0') {
        return refuse(j, NJ_CLASS_BAD_NAME, "tls: no name to compare the certificate with");
    }
    if (nj_name_matches(&j->certs[0], j->found->name)) {
        return true;
    }
    nj_buf_init(&text, 65536);
    (void) nj_name_mismatch_text(&j->certs[0], j->found->name, &text); /* cut off at the limit */
    (void) refuse_cert(j, NJ_CLASS_BAD_NAME, text.ptr);
    nj_buf_free(&text);
    return false;
}

/* ---- the path -------------------------------------------------------------------------------- */

static uint32_t wanted_eku(const struct nj_tls_findings *found)
{
    return found->judge == NJ_TLS_JUDGE_SERVER ? NJ_EKU_SERVER : NJ_EKU_CLIENT;
}

/* What the library found wrong about signatures and path. */
static bool library_found_a_path(struct judgement *j)
{
    switch (j->found->cls) {
    case NJ_CLASS_UNKNOWN_CA:
    case NJ_CLASS_NOT_CA:
    case NJ_CLASS_BAD_CERT:
        return refuse_unknown(j);
    default:
        return true;
    }
}

static bool path_holds(struct judgement *j)
{
    struct nj_path_query query = {
        .certs = j->certs,
        .certs_n = j->certs_n,
        .anchors = j->policy->anchors,
        .anchors_n = j->policy->anchors_n,
        .path = j->found->path,
        .path_n = j->found->path != NULL ? j->found->path_n : 0,
        .eku = wanted_eku(j->found),
        .now_s = j->now_s,
    };
    struct nj_path_answer answer;
    nj_path_judge(&query, &answer);
    bool fine = false;
    switch (answer.cls) {
    case NJ_CLASS_NONE:
        fine = library_found_a_path(j);
        break;
    case NJ_CLASS_NOT_CA:
        fine = refuse_issuer(j, answer.culprit);
        break;
    case NJ_CLASS_EXPIRED:
        fine = refuse_dates(j, answer.culprit);
        break;
    case NJ_CLASS_BAD_CERT:
        fine = refuse_cert(j, NJ_CLASS_BAD_CERT, "x509: unhandled critical extension");
        break;
    case NJ_CLASS_BAD_EKU:
        /* no path comes before wrong usage, so the library's word about it goes first */
        fine = library_found_a_path(j) &&
               refuse_cert(j, NJ_CLASS_BAD_EKU,
                           "x509: certificate specifies an incompatible key usage");
        break;
    default:
        fine = refuse_unknown(j);
        break;
    }
    nj_path_answer_fini(&answer);
    return fine;
}

/* All is well as far as we can see, and the library still says no: so do we. */
static bool library_agrees(struct judgement *j)
{
    const char *why = j->found->text != NULL && j->found->text[0] != '\0' ? j->found->text : NULL;
    switch (j->found->cls) {
    case NJ_CLASS_NONE:
        return true;
    case NJ_CLASS_EXPIRED:
    case NJ_CLASS_NOT_YET:
        return refuse_cert(j, j->found->cls,
                           why != NULL ? why : "x509: certificate has expired or is not yet valid");
    case NJ_CLASS_BAD_EKU:
        return refuse_cert(j, NJ_CLASS_BAD_EKU,
                           "x509: certificate specifies an incompatible key usage");
    default:
        return refuse_cert(j, j->found->cls, why != NULL ? why : "refused by the TLS library");
    }
}

void nj_tls_verify(void *user, const struct nj_tls_findings *found, struct nj_tls_verdict *verdict)
{
    struct judgement *j = nj_zalloc(sizeof(*j)); /* some kilobytes: not for the stack */
    j->policy = user;
    j->found = found;
    j->verdict = verdict;
    j->now_s = j->policy->now_s();
    verdict->accept = 0;
    verdict->cls = NJ_CLASS_POLICY;
    verdict->alert = NJ_ALERT_BAD_CERTIFICATE;
    verdict->text[0] = '\0';
    bool insecure = j->policy->insecure && found->judge == NJ_TLS_JUDGE_SERVER;
    if (insecure || (chain_is_there(j) && chain_is_readable(j) && is_approved(j) &&
                     leaf_is_current(j) && name_fits(j) && path_holds(j) && library_agrees(j))) {
        verdict->accept = 1;
        verdict->cls = NJ_CLASS_NONE;
        verdict->alert = NJ_ALERT_NONE;
    }
    for (size_t i = 0; i < j->certs_n; i++) {
        nj_cert_fini(&j->certs[i]);
    }
    nj_dealloc(j);
}

/* ---- for the log ----------------------------------------------------------------------------- */

static int put_cert_detail(struct nj_span der,
                           int (*hash)(uint32_t alg, const void *data, size_t len, uint8_t *out),
                           struct nj_buf *out)
{
    struct nj_cert cert;
    struct nj_buf subject;
    uint8_t digest[SHA256_LEN] = { 0 };
    nj_buf_init(&subject, 65536);
    if (nj_cert_init(&cert, der, NULL) == NJ_OK) {
        (void) nj_cert_subject_text(&cert, &subject); /* cut off at the limit */
        nj_cert_fini(&cert);
    }
    int rc = nj_put_visible((struct nj_span){ (const uint8_t *) subject.ptr, subject.len }, out);
    if (rc == NJ_OK && hash != NULL && hash(NJ_HASH_SHA256, der.ptr, der.len, digest) == NJ_OK) {
        rc = nj_buf_puts(out, " SHA-256: ");
        for (size_t i = 0; rc == NJ_OK && i < sizeof(digest); i++) {
            rc = nj_buf_printf(out, "%02x", digest[i]);
        }
    }
    nj_buf_free(&subject);
    return rc;
}

int nj_tls_chain_detail(const struct nj_span *chain, size_t chain_n,
                        int (*hash)(uint32_t alg, const void *data, size_t len, uint8_t *out),
                        struct nj_buf *out)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < chain_n; i++) {
        rc = nj_buf_puts(out, i == 0 ? " (" : "; ");
        if (rc == NJ_OK) {
            rc = put_cert_detail(chain[i], hash, out);
        }
    }
    return rc == NJ_OK && chain_n > 0 ? nj_buf_putc(out, ')') : rc;
}
