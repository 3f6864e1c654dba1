/*
 * verify.c: the peer's chain: copied, checked for a path to an anchor, shown to the server's hook.
 *
 * The library checks signatures, dates and CA bits.  It does so against a store that grows: an
 * intermediate that once passed stays beside the anchors, so a later peer could leave out the one
 * whose limits the server would refuse.  Hence link_chain(): names must lead from the leaf to an
 * anchor over certificates that were really sent.
 */
#include "wolf.h"

#include <limits.h>

#include <wolfssl/wolfcrypt/error-crypt.h>
#ifdef OPENSSL_EXTRA
#include <wolfssl/openssl/x509v3.h>
#endif

/* ---- slices of a certificate ---------------------------------------------------------------- */

#define TAG_BOOLEAN 0x01
#define TAG_INTEGER 0x02
#define TAG_BITS 0x03
#define TAG_OCTETS 0x04
#define TAG_OID 0x06
#define TAG_SEQUENCE 0x30
#define TAG_VERSION 0xa0
#define TAG_EXTENSIONS 0xa3

/* Take one TLV with `tag` off the front of `from`. */
static bool take(struct nj_span *from, uint8_t tag, struct nj_span *whole, struct nj_span *body)
{
    if (from->len < 2 || from->ptr[0] != tag) {
        return false;
    }
    size_t head = 2;
    size_t len = from->ptr[1];
    if (len > 0x80) {
        size_t bytes = len & 0x7f;
        if (bytes > 3 || from->len < head + bytes) {
            return false;
        }
        len = 0;
        for (size_t i = 0; i < bytes; i++) {
            len = (len << 8) | from->ptr[head++];
        }
    } else if (len == 0x80) {
        return false;
    }
    if (len > from->len - head) {
        return false;
    }
    *whole = (struct nj_span){ from->ptr, head + len };
    *body = (struct nj_span){ from->ptr + head, len };
    from->ptr += head + len;
    from->len -= head + len;
    return true;
}

bool nj_wolf_cert_slice(struct nj_span der, struct nj_wolf_cert *out)
{
    struct nj_span w;
    struct nj_span cert;
    struct nj_span tbs;
    struct nj_span spki;
    struct nj_span skip;

    if (!take(&der, TAG_SEQUENCE, &w, &cert) || !take(&cert, TAG_SEQUENCE, &w, &tbs)) {
        return false;
    }
    (void) take(&tbs, TAG_VERSION, &w, &skip);
    if (!take(&tbs, TAG_INTEGER, &w, &skip) || !take(&tbs, TAG_SEQUENCE, &w, &skip) ||
        !take(&tbs, TAG_SEQUENCE, &out->issuer, &skip) || !take(&tbs, TAG_SEQUENCE, &w, &skip) ||
        !take(&tbs, TAG_SEQUENCE, &out->subject, &skip) || !take(&tbs, TAG_SEQUENCE, &w, &spki) ||
        !take(&spki, TAG_SEQUENCE, &w, &skip) || !take(&spki, TAG_BITS, &w, &out->key) ||
        out->key.len < 2) {
        return false;
    }
    out->key.ptr += 1;
    out->key.len -= 1;
    out->tail = tbs;
    return true;
}

/* The value of the extension 2.5.29.`number`. */
static bool find_extension(const struct nj_wolf_cert *cert, uint8_t number, struct nj_span *value)
{
    struct nj_span rest = cert->tail;
    struct nj_span w;
    struct nj_span body;
    struct nj_span list;
    struct nj_span ext;
    struct nj_span oid;

    while (rest.len > 0 && rest.ptr[0] != TAG_EXTENSIONS) { /* unique identifiers */
        if (!take(&rest, rest.ptr[0], &w, &body)) {
            return false;
        }
    }
    if (!take(&rest, TAG_EXTENSIONS, &w, &body) || !take(&body, TAG_SEQUENCE, &w, &list)) {
        return false;
    }
    while (take(&list, TAG_SEQUENCE, &w, &ext) && take(&ext, TAG_OID, &w, &oid)) {
        (void) take(&ext, TAG_BOOLEAN, &w, &body);
        if (oid.len == 3 && oid.ptr[0] == 0x55 && oid.ptr[1] == 0x1d && oid.ptr[2] == number) {
            return take(&ext, TAG_OCTETS, &w, value);
        }
    }
    return false;
}

#define EXT_KEY_USAGE 15
#define EXT_BASIC_CONSTRAINTS 19
#define USAGE_CERT_SIGN 0x04 /* in the first byte of the bits */

/* RFC 5280 6.1.4 (k) and (n): what a certificate below an anchor must say to issue others. */
static bool may_issue(struct nj_span der)
{
    struct nj_wolf_cert cert;
    struct nj_span value;
    struct nj_span w;
    struct nj_span body;
    struct nj_span flag;

    if (!nj_wolf_cert_slice(der, &cert) || !find_extension(&cert, EXT_BASIC_CONSTRAINTS, &value) ||
        !take(&value, TAG_SEQUENCE, &w, &body) || !take(&body, TAG_BOOLEAN, &w, &flag) ||
        flag.len != 1 || flag.ptr[0] == 0) {
        return false;
    }
    return !find_extension(&cert, EXT_KEY_USAGE, &value) ||
           (take(&value, TAG_BITS, &w, &body) && body.len >= 2 &&
            (body.ptr[1] & USAGE_CERT_SIGN) != 0);
}

bool nj_wolf_span_equal(struct nj_span a, struct nj_span b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool nj_wolf_anchor_make(struct nj_span der, struct nj_wolf_anchor *out)
{
    struct nj_wolf_cert cert;
    return nj_wolf_cert_slice(der, &cert) && nj_wolf_sha256(cert.subject, out->subject) &&
           nj_wolf_sha256(der, out->whole);
}

/* ---- the path by names ---------------------------------------------------------------------- */

static bool anchor_has_subject(const struct nj_tls_ctx *ctx, struct nj_span name)
{
    uint8_t digest[32];
    if (!nj_wolf_sha256(name, digest)) {
        return false;
    }
    for (size_t i = 0; i < ctx->anchors_n; i++) {
        if (memcmp(ctx->anchors[i].subject, digest, sizeof(digest)) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_anchor(const struct nj_tls_ctx *ctx, struct nj_span der)
{
    uint8_t digest[32];
    if (!nj_wolf_sha256(der, digest)) {
        return false;
    }
    for (size_t i = 0; i < ctx->anchors_n; i++) {
        if (memcmp(ctx->anchors[i].whole, digest, sizeof(digest)) == 0) {
            return true;
        }
    }
    return false;
}

#define LINKS_MAX 32

/* Can the leaf's issuers be followed, inside the chain, to the name of an anchor? */
static bool link_chain(const struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t n)
{
    struct nj_wolf_cert certs[LINKS_MAX];
    bool reached[LINKS_MAX] = { true };
    size_t todo[LINKS_MAX] = { 0 };
    size_t todo_n = 1;

    if (n == 0 || n > LINKS_MAX) {
        return false;
    }
    if (is_anchor(ctx, chain[0])) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (!nj_wolf_cert_slice(chain[i], &certs[i])) {
            return false;
        }
    }
    for (size_t at = 0; at < todo_n; at++) {
        struct nj_span issuer = certs[todo[at]].issuer;
        if (anchor_has_subject(ctx, issuer)) {
            return true;
        }
        for (size_t i = 0; i < n; i++) {
            if (!reached[i] && nj_wolf_span_equal(certs[i].subject, issuer)) {
                reached[i] = true;
                todo[todo_n++] = i;
            }
        }
    }
    return false;
}

/* ---- the peer's chain ----------------------------------------------------------------------- */

static void keep_chain(struct nj_tls_session *s, const WOLFSSL_X509_STORE_CTX *store)
{
    size_t n = store->totalCerts > 0 && store->certs != NULL ? (size_t) store->totalCerts : 0;
    size_t bytes = 0;

    nj_wolf_drop_peer(s);
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bytes += store->certs[i].length;
    }
    s->chain = nj_wolf_host->alloc(n * sizeof(*s->chain) + bytes);
    s->chain_n = n;
    uint8_t *to = (uint8_t *) (s->chain + n);
    for (size_t i = 0; i < n; i++) {
        memcpy(to, store->certs[i].buffer, store->certs[i].length);
        s->chain[i] = (struct nj_span){ to, store->certs[i].length };
        to += store->certs[i].length;
    }
}

size_t nj_wolf_peer_chain(struct nj_tls_session *s, struct nj_span *out, size_t max)
{
    for (size_t i = 0; i < s->chain_n && i < max; i++) {
        out[i] = s->chain[i];
    }
    return s->chain_n;
}

void nj_wolf_drop_peer(struct nj_tls_session *s)
{
    nj_wolf_host->dealloc(s->chain);
    s->chain = NULL;
    s->chain_n = 0;
}

/* ---- the hook ------------------------------------------------------------------------------- */

/* Ask the server.  It can only tighten, but where the context checks no chain at all. */
static bool judge(struct nj_tls_session *s, uint32_t cls, int32_t depth, const char *lib_text)
{
    struct nj_tls_findings found = {
        .size = sizeof(found),
        .judge = s->dialling ? NJ_TLS_JUDGE_SERVER : NJ_TLS_JUDGE_CLIENT,
        .chain = s->chain,
        .chain_n = s->chain_n,
        .cls = cls,
        .version = (uint32_t) wolfSSL_version(s->ssl),
        .text = lib_text,
        .name = s->name,
        .session_user = s->user,
        .depth = depth,
    };
    struct nj_tls_verdict verdict = { .size = sizeof(verdict), .alert = NJ_ALERT_NONE };
    bool lenient = s->dialling && s->ctx->insecure;

    s->judged = true;
    s->ctx->hook(s->ctx->hook_user, &found, &verdict);
    s->accepted = verdict.accept == 1 && (cls == NJ_CLASS_NONE || lenient);
    if (s->accepted) {
        return true;
    }
    bool by_hook = verdict.accept != 1;
    uint32_t why = by_hook && verdict.cls != NJ_CLASS_NONE ? verdict.cls : cls;
    if (why == NJ_CLASS_NONE) {
        why = NJ_CLASS_POLICY;
    }
    verdict.text[sizeof(verdict.text) - 1] = '\0';
    if (by_hook && verdict.text[0] != '\0') {
        nj_error_set_class(&s->err, NJ_E_FAILED, why, "%s", verdict.text);
    } else {
        nj_error_set_class(&s->err, NJ_E_FAILED, why, "tls: failed to verify certificate: %s",
                           nj_tls_class_words(why)->text);
    }
    s->err.depth = depth;
    s->wish = nj_tls_class_alert(why, found.judge);
    if (by_hook && !nj_wolf_alert_any()) {
        s->wish = NJ_ALERT_BAD_CERTIFICATE; /* as about() says, in all versions alike */
    } else if (by_hook && verdict.alert > 0) {
        s->wish = verdict.alert;
    }
    return false;
}

/*
 * Called for each certificate, the leaf last, and for each failure.  Returning 1 for a failed
 * intermediate would make the library keep it as an issuer for all later sessions: a failure is
 * refused on the spot, and only a context that checks no chain goes on.
 */
int nj_wolf_on_verify(int ok, WOLFSSL_X509_STORE_CTX *store)
{
    struct nj_tls_session *s = store->userCtx;
    uint32_t cls = NJ_CLASS_NONE;
    int32_t depth = -1;
    const char *text = NULL;

    if (s == NULL || s->ctx->hook == NULL) {
        return 0;
    }
    bool lenient = s->dialling && s->ctx->insecure;
    if (s->judged) {
        /* Once accepted, what fails afterwards stays a failure. */
        return s->accepted && (ok == 1 || lenient) ? 1 : 0;
    }
    if (store->totalCerts == 0) {
        /* A client without a certificate: whether it needs one is the library's to say. */
        return ok == 1 && !s->dialling ? 1 : 0;
    }
    if (store->error_depth > 0 && (ok == 1 || lenient)) {
        return 1;
    }
    keep_chain(s, store);
    if (ok != 1) {
        cls = nj_wolf_cert_class(store->error);
        cls = cls == NJ_CLASS_NONE ? NJ_CLASS_BAD_CERT : cls;
        depth = store->error_depth;
        text = nj_wolf_reason(store->error);
    } else if (!lenient && !link_chain(s->ctx, s->chain, s->chain_n)) {
        cls = NJ_CLASS_UNKNOWN_CA;
        depth = 0;
        text = "the chain that was sent does not reach an anchor";
    }
    return judge(s, cls, depth, text) ? 1 : 0;
}

/* ---- without a session ---------------------------------------------------------------------- */

static _Thread_local int64_t judged_at; /* 0: now */

time_t nj_wolf_clock(time_t *out)
{
    int64_t now = judged_at != 0 ? judged_at : nj_wolf_host->now_s();
    if (out != NULL) {
        *out = (time_t) now;
    }
    return (time_t) now;
}

static int verify_one(WOLFSSL_CERT_MANAGER *cm, struct nj_span der)
{
    return wolfSSL_CertManagerVerifyBuffer(cm, der.ptr, (long) der.len, WOLFSSL_FILETYPE_ASN1);
}

/*
 * From the far end down, each certificate must be signed by an anchor or by one that was found
 * good before; those go into a store of this call alone, as far as they may issue, which the library
 * does not ask of what is loaded.  A far end that does not verify is skipped: it may be a
 * cross-signed extra.  `sound` gets the certificates that are good, leaf first.
 */
static int walk_chain(WOLFSSL_CERT_MANAGER *trust, WOLFSSL_CERT_MANAGER *mid,
                      const struct nj_span *chain, size_t n, struct nj_span *sound, size_t *sound_n)
{
    int rc = ASN_NO_SIGNER_E;
    int first = 0; /* what an issuer failed by says more than that the leaf lacks one */
    size_t at = LINKS_MAX;
    for (size_t i = n; i-- > 0;) {
        rc = verify_one(trust, chain[i]);
        if (rc == ASN_NO_SIGNER_E || rc == ASN_SELF_SIGNED_E) {
            int second = verify_one(mid, chain[i]);
            rc = second == ASN_NO_SIGNER_E ? rc : second;
        }
        if (rc == WOLFSSL_SUCCESS && i > 0 && !may_issue(chain[i])) {
            rc = NOT_CA_ERROR;
        }
        if (rc == WOLFSSL_SUCCESS) {
            sound[--at] = chain[i];
        }
        if (rc == WOLFSSL_SUCCESS && i > 0) {
            (void) wolfSSL_CertManagerLoadCABuffer(mid, chain[i].ptr, (long) chain[i].len,
                                                   WOLFSSL_FILETYPE_ASN1);
        } else if (rc != WOLFSSL_SUCCESS && rc != ASN_NO_SIGNER_E && first == 0) {
            first = rc;
        }
    }
    *sound_n = LINKS_MAX - at;
    memmove(sound, sound + at, *sound_n * sizeof(*sound));
    return rc == ASN_NO_SIGNER_E && first != 0 ? first : rc;
}

/* Does the certificate allow the usage?  Without the extension all is allowed (RFC 5280 4.2.1.12). */
static bool usage_fits(struct nj_span der, uint32_t usage)
{
    bool fits = true;
#ifdef OPENSSL_EXTRA
    WOLFSSL_X509 *cert = wolfSSL_X509_d2i(NULL, der.ptr, (int) der.len);
    if (cert == NULL) {
        return false;
    }
    unsigned int has = wolfSSL_X509_get_extended_key_usage(cert);
    unsigned int wants = usage == NJ_TLS_USAGE_CLIENT ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
    fits = has == 0 || has == UINT_MAX || (has & (wants | XKU_ANYEKU)) != 0;
    wolfSSL_X509_free(cert);
#else
    (void) der;
    (void) usage;
#endif
    return fits;
}

/* Names are the server's own to judge: it reads them from the same DER. */
int nj_wolf_verify_chain(struct nj_tls_ctx *ctx, const struct nj_span *chain, size_t chain_n,
                         uint32_t usage, const char *name, int64_t time_s, struct nj_error *err)
{
    WOLFSSL_CTX *side =
        ctx->side[NJ_WOLF_DIAL] != NULL ? ctx->side[NJ_WOLF_DIAL] : ctx->side[NJ_WOLF_ACCEPT];
    struct nj_span sound[LINKS_MAX];
    size_t sound_n = 0;
    (void) name;
    if (chain_n == 0) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_NO_CERT, "no certificate given");
    }
    if (chain_n > LINKS_MAX) {
        return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_BAD_CERT,
                                  "x509: too many certificates in the chain");
    }
    WOLFSSL_CERT_MANAGER *mid = wolfSSL_CertManagerNew();
    if (mid == NULL) {
        return nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "tls: out of memory");
    }
    nj_wolf_clear_queue();
    judged_at = time_s;
    int rc = walk_chain(wolfSSL_CTX_GetCertManager(side), mid, chain, chain_n, sound, &sound_n);
    judged_at = 0;
    wolfSSL_CertManagerFree(mid);
    uint32_t cls = rc == WOLFSSL_SUCCESS ? NJ_CLASS_NONE : nj_wolf_cert_class(rc);
    if (cls == NJ_CLASS_NONE && !link_chain(ctx, sound, sound_n)) {
        cls = NJ_CLASS_UNKNOWN_CA;
    } else if (cls == NJ_CLASS_NONE && !usage_fits(chain[0], usage)) {
        cls = NJ_CLASS_BAD_EKU;
    }
    nj_wolf_clear_queue();
    if (cls == NJ_CLASS_NONE) {
        return NJ_OK;
    }
    nj_error_set_class(err, NJ_E_FAILED, cls, "tls: failed to verify certificate: %s",
                       nj_tls_class_words(cls)->text);
    if (err != NULL) {
        err->lib_code = rc == WOLFSSL_SUCCESS ? 0 : rc;
    }
    return NJ_E_FAILED;
}
