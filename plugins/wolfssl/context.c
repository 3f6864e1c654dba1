/*
 * context.c: the server's neutral settings into one WOLFSSL_CTX for each role.
 */
#include "wolf.h"

#include <wolfssl/wolfcrypt/error-crypt.h>

#define SUITE_NAMES_MAX 1024
/* Newer releases send no ticket that is good for half an hour or more: half the life of a key. */
#define TICKET_LIFE_MAX_S 1799

/* ---- settings that are refused -------------------------------------------------------------- */

static int unsupported(struct nj_error *err, const char *what)
{
    return nj_error_set_class(err, NJ_E_UNSUPPORTED, NJ_CLASS_UNSUPPORTED,
                              "%s is not supported by wolfSSL %s", what, wolfSSL_lib_version());
}

static int check_numbers(const struct nj_tls_settings *set, struct nj_error *err)
{
    char what[40];
    size_t suites_n = 0;
    size_t groups_n = 0;
    const uint16_t *suites = nj_wolf_suites(&suites_n);
    const uint16_t *groups = nj_wolf_groups(&groups_n);

    for (size_t i = 0; i < set->suites_n; i++) {
        if (!nj_wolf_listed(suites, suites_n, set->suites[i])) {
            (void) snprintf(what, sizeof(what), "cipher suite 0x%04x", set->suites[i]);
            return unsupported(err, what);
        }
    }
    for (size_t i = 0; i < set->groups_n; i++) {
        if (!nj_wolf_listed(groups, groups_n, set->groups[i])) {
            (void) snprintf(what, sizeof(what), "key exchange group %u", set->groups[i]);
            return unsupported(err, what);
        }
    }
    return NJ_OK;
}

static int check_settings(const struct nj_tls_settings *set, struct nj_error *err)
{
    if (set->size < offsetof(struct nj_tls_settings, label)) {
        return nj_error_set(err, NJ_E_ABI, "the settings of the TLS context are cut short");
    }
    if (set->suites_n == 0 || set->groups_n == 0 || set->groups_n > WOLFSSL_MAX_GROUP_COUNT ||
        set->identities_n > 1 || set->min_version < NJ_TLS_1_2 || set->max_version > NJ_TLS_1_3 ||
        set->min_version > set->max_version ||
        (set->role & (NJ_TLS_ROLE_ACCEPT | NJ_TLS_ROLE_DIAL)) == 0) {
        return nj_error_set(err, NJ_E_INVALID, "the settings of the TLS context do not fit");
    }
    if (set->verify_hook == NULL &&
        (set->verify != NJ_TLS_VERIFY_NONE || (set->role & NJ_TLS_ROLE_DIAL) != 0)) {
        return nj_error_set(err, NJ_E_INVALID, "certificates are checked, but no hook is set");
    }
    if (set->crl_mode != 0 || set->crls_n > 0) {
        return unsupported(err, "a revocation list");
    }
    if (set->staple.len > 0) {
        return unsupported(err, "an OCSP staple");
    }
    if (set->identities_n == 1 && set->identities[0]->key->kind != NJ_TLS_KEY_DER) {
        return unsupported(err, "a key behind a URI");
    }
    if (set->ticket_secret != NULL && set->verify != NJ_TLS_VERIFY_NONE) {
        /* A resumed session would pass as verified with no certificate at all. */
        return unsupported(err, "a session ticket together with client certificates");
    }
    return check_numbers(set, err);
}

/* ---- one role ------------------------------------------------------------------------------- */

static WOLFSSL_METHOD *pick_method(enum nj_wolf_side side, uint16_t min, uint16_t max)
{
    bool accept = side == NJ_WOLF_ACCEPT;
    if (max == NJ_TLS_1_2) {
        return accept ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
    }
    if (min == NJ_TLS_1_3) {
        return accept ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
    }
    return accept ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
}

int nj_wolf_ctx_failed(struct nj_error *err, const char *what, int lib)
{
    nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL, "wolfSSL refused %s: %s", what,
                       nj_wolf_reason(lib));
    if (err != NULL) {
        err->lib_code = lib;
    }
    return NJ_E_FAILED;
}

static bool is_1_3_suite(uint16_t id)
{
    return id >> 8 == 0x13;
}

/* Append the names of the suites of one version to the colon list. */
static void add_suites(char *list, size_t cap, const struct nj_tls_settings *set, bool of_1_3)
{
    for (size_t i = 0; i < set->suites_n; i++) {
        size_t used = strlen(list);
        if (is_1_3_suite(set->suites[i]) == of_1_3) {
            (void) snprintf(list + used, cap - used, "%s%s", used > 0 ? ":" : "",
                            nj_wolf_suite_name(set->suites[i]));
        }
    }
}

static bool has_1_3_suite(const struct nj_tls_settings *set)
{
    for (size_t i = 0; i < set->suites_n; i++) {
        if (is_1_3_suite(set->suites[i])) {
            return true;
        }
    }
    return false;
}

static int set_numbers(WOLFSSL_CTX *c, enum nj_wolf_side side, const struct nj_tls_settings *set,
                       uint16_t max, struct nj_error *err)
{
    char list[SUITE_NAMES_MAX] = "";
    int ids[WOLFSSL_MAX_GROUP_COUNT];

    /* With TLS 1.3 on, a list that begins with older suites breaks every handshake. */
    if (max == NJ_TLS_1_3) {
        add_suites(list, sizeof(list), set, true);
    }
    if (set->min_version == NJ_TLS_1_2) {
        add_suites(list, sizeof(list), set, false);
    }
    if (list[0] == '\0' || wolfSSL_CTX_set_cipher_list(c, list) != WOLFSSL_SUCCESS) {
        return nj_error_set(err, NJ_E_INVALID, "no cipher suite is left for the TLS versions set");
    }
    for (size_t i = 0; i < set->groups_n; i++) {
        ids[i] = set->groups[i];
        if (side == NJ_WOLF_DIAL &&
            wolfSSL_CTX_UseSupportedCurve(c, set->groups[i]) != WOLFSSL_SUCCESS) {
            return nj_wolf_ctx_failed(err, "a key exchange group", BAD_FUNC_ARG);
        }
    }
    /* Not for TLS 1.2 alone: there the group is looked at when it was chosen (session.c). */
    if (max == NJ_TLS_1_3) {
        int rc = wolfSSL_CTX_set_groups(c, ids, (int) set->groups_n);
        if (rc != WOLFSSL_SUCCESS) {
            return nj_wolf_ctx_failed(err, "the key exchange groups", rc);
        }
    }
    return NJ_OK;
}

#if NJ_WOLF_TICKETS
/* The layout is the library's: a name, two keys, two dates in big endian after which it rolls. */
static int share_tickets(WOLFSSL_CTX *c, const struct nj_tls_settings *set, struct nj_error *err)
{
    uint8_t keys[WOLFSSL_TICKET_KEYS_SZ];
    uint8_t seed[NJ_TLS_TICKET_SECRET_LEN + 1];
    uint8_t digest[32];

    memcpy(seed, set->ticket_secret, NJ_TLS_TICKET_SECRET_LEN);
    for (size_t at = 0, i = 0; at < sizeof(keys); at += sizeof(digest), i++) {
        seed[NJ_TLS_TICKET_SECRET_LEN] = (uint8_t) i;
        (void) nj_wolf_sha256((struct nj_span){ seed, sizeof(seed) }, digest);
        size_t left = sizeof(keys) - at;
        memcpy(keys + at, digest, left < sizeof(digest) ? left : sizeof(digest));
    }
    keys[WOLFSSL_TICKET_NAME_SZ - 1] &= 0xfe; /* the library tells its two keys by that bit */
    /* The year 2097: the server rolls its secret, and a date gone by fails full handshakes. */
    memcpy(keys + sizeof(keys) - 8, "\xf0\0\0\0\xf0\0\0\0", 8);
    long rc = wolfSSL_CTX_set_tlsext_ticket_keys(c, keys, (int) sizeof(keys));
    nj_wolf_host->wipe(keys, sizeof(keys));
    nj_wolf_host->wipe(seed, sizeof(seed));
    nj_wolf_host->wipe(digest, sizeof(digest));
    if (rc != WOLFSSL_SUCCESS) {
        return nj_wolf_ctx_failed(err, "the ticket keys", (int) rc);
    }
    uint32_t life_s =
        set->ticket_lifetime_s < TICKET_LIFE_MAX_S ? set->ticket_lifetime_s : TICKET_LIFE_MAX_S;
    if (life_s > 0) {
        (void) wolfSSL_CTX_set_TicketHint(c, (int) life_s);
        (void) wolfSSL_CTX_set_timeout(c, life_s);
    }
    return NJ_OK;
}
#endif

static int set_resumption(WOLFSSL_CTX *c, enum nj_wolf_side side, const struct nj_tls_settings *set,
                          struct nj_error *err)
{
#ifndef NO_SESSION_CACHE
    (void) wolfSSL_CTX_set_session_cache_mode(c, WOLFSSL_SESS_CACHE_OFF);
#endif
    if (side == NJ_WOLF_ACCEPT && set->ticket_secret != NULL) {
#if NJ_WOLF_TICKETS
        return share_tickets(c, set, err);
#else
        return unsupported(err, "a shared ticket secret");
#endif
    }
#ifdef HAVE_SESSION_TICKET
    if (side == NJ_WOLF_ACCEPT) {
        (void) wolfSSL_CTX_no_ticket_TLSv13(c);
        (void) wolfSSL_CTX_NoTicketTLSv12(c);
    }
#endif
    return NJ_OK;
}

/* ---- building ------------------------------------------------------------------------------- */

static int verify_mode(enum nj_wolf_side side, uint32_t verify)
{
    if (side == NJ_WOLF_DIAL || verify == NJ_TLS_VERIFY_REQUEST) {
        return WOLFSSL_VERIFY_PEER;
    }
    return verify == NJ_TLS_VERIFY_REQUIRE
               ? WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT
               : WOLFSSL_VERIFY_NONE;
}

static int side_new(struct nj_tls_ctx *ctx, enum nj_wolf_side side,
                    const struct nj_tls_settings *set, struct nj_error *err)
{
    uint16_t max = set->max_version;
    if (max == NJ_TLS_1_3 && set->min_version == NJ_TLS_1_2 && !has_1_3_suite(set)) {
        max = NJ_TLS_1_2;
    }
    int mode = verify_mode(side, set->verify);
    WOLFSSL_CTX *c = wolfSSL_CTX_new(pick_method(side, set->min_version, max));
    if (c == NULL) {
        return nj_wolf_ctx_failed(err, "a new context", MEMORY_E);
    }
    ctx->side[side] = c;
    if (wolfSSL_CTX_SetMinVersion(c, set->min_version == NJ_TLS_1_3
                                         ? WOLFSSL_TLSV1_3
                                         : WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS) {
        return nj_wolf_ctx_failed(err, "the lowest version", VERSION_ERROR);
    }
    wolfSSL_CTX_SetIORecv(c, nj_wolf_on_recv);
    wolfSSL_CTX_SetIOSend(c, nj_wolf_on_send);
    int rc = set_numbers(c, side, set, max, err);
    if (rc == NJ_OK) {
        rc = set_resumption(c, side, set, err);
    }
    if (rc == NJ_OK) {
        rc = nj_wolf_trust_set(ctx, c, set, mode != WOLFSSL_VERIFY_NONE && set->insecure == 0, err);
    }
    if (rc == NJ_OK) {
        wolfSSL_CTX_set_verify(c, mode, nj_wolf_on_verify);
        rc = set->identities_n == 1 ? nj_wolf_identity_set(c, set->identities[0], err) : NJ_OK;
    }
    return rc;
}

static uint16_t *copy_numbers(const uint16_t *from, size_t n)
{
    uint16_t *to = nj_wolf_host->alloc(n * sizeof(*to));
    memcpy(to, from, n * sizeof(*to));
    return to;
}

/* The library wants the protocols as one list with commas. */
static char *join_alpn(const struct nj_tls_settings *set)
{
    size_t len = 0;
    for (size_t i = 0; i < set->alpn_n; i++) {
        len += set->alpn[i].len + 1;
    }
    if (len == 0) {
        return NULL;
    }
    char *list = nj_wolf_host->alloc(len);
    char *to = list;
    for (size_t i = 0; i < set->alpn_n; i++) {
        if (i > 0) {
            *to++ = ',';
        }
        memcpy(to, set->alpn[i].ptr, set->alpn[i].len);
        to += set->alpn[i].len;
    }
    return list;
}

int nj_wolf_ctx_new(const struct nj_tls_settings *set, struct nj_tls_ctx **ctx_out,
                    struct nj_error *err)
{
    int rc = check_settings(set, err);
    if (rc == NJ_OK && set->identities_n == 1) {
        rc = nj_wolf_identity_check(set->identities[0], err);
    }
    if (rc != NJ_OK) {
        return rc;
    }
    struct nj_tls_ctx *ctx = nj_wolf_host->alloc(sizeof(*ctx));
    atomic_init(&ctx->refs, 1);
    ctx->verify = set->verify;
    ctx->insecure = set->insecure != 0;
    ctx->has_identity = set->identities_n == 1;
    ctx->suites = copy_numbers(set->suites, set->suites_n);
    ctx->suites_n = set->suites_n;
    ctx->groups = copy_numbers(set->groups, set->groups_n);
    ctx->groups_n = set->groups_n;
    ctx->alpn = join_alpn(set);
    ctx->hook = set->verify_hook;
    ctx->hook_user = set->verify_user;
    nj_wolf_clear_queue();
    if ((set->role & NJ_TLS_ROLE_ACCEPT) != 0) {
        rc = side_new(ctx, NJ_WOLF_ACCEPT, set, err);
    }
    if (rc == NJ_OK && (set->role & NJ_TLS_ROLE_DIAL) != 0) {
        rc = side_new(ctx, NJ_WOLF_DIAL, set, err);
    }
    nj_wolf_clear_queue();
    if (rc != NJ_OK) {
        nj_wolf_ctx_unref(ctx);
        return rc;
    }
    *ctx_out = ctx;
    return NJ_OK;
}

void nj_wolf_ctx_ref(struct nj_tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
}

void nj_wolf_ctx_unref(struct nj_tls_ctx *ctx)
{
    if (ctx == NULL || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (int i = 0; i < NJ_WOLF_SIDES; i++) {
        wolfSSL_CTX_free(ctx->side[i]);
    }
    nj_wolf_host->dealloc(ctx->suites);
    nj_wolf_host->dealloc(ctx->groups);
    nj_wolf_host->dealloc(ctx->anchors);
    nj_wolf_host->dealloc(ctx->alpn);
    nj_wolf_host->dealloc(ctx);
}
