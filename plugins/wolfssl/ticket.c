/*
 * ticket.c: session tickets, sealed with AES-256-GCM under keys made from the server's secrets.
 *
 * The library's own sealing knows one secret, replaces it by random ones of its own when it finds
 * it old, and newer releases send no ticket that is good for half an hour or more.  With ours every
 * context of a block opens the tickets of all others, those under the former secret too.
 */
#include "wolf.h"

#if NJ_WOLF_TICKETS
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/random.h>

#define TAG_LEN 16
#define NONCE_LEN 12 /* the first bytes of the ticket's IV */
/* Behind them: how many tickets in a row led to this one.  The library numbers the tickets of a
 * session in a byte, goes on counting in those that resume it, and fails the handshake when it is
 * full (RFC 8446 4.6.1 asks for distinct nonces); before that comes a full handshake. */
#define IV_TURNS NONCE_LEN
#define TURNS_MOST 200
#define KEY_LEN 32
#define LIFETIME_DEFAULT_S 21600

/*
 * One of the key's two parts, by the KDF of SP 800-108r1 4.1 (counter mode) with HMAC-SHA-256: one
 * round gives all that is needed.
 */
static bool derive(const uint8_t *secret, uint8_t part, uint8_t *out, size_t len)
{
    static const char label[] = "natterjack ticket"; /* its NUL is the one that the KDF wants */
    const uint8_t counter[4] = { 0, 0, 0, 1 };
    const uint8_t context[3] = { part, (uint8_t) (len * 8 >> 8), (uint8_t) (len * 8) };
    uint8_t mac[32];
    Hmac h;
    if (wc_HmacInit(&h, NULL, INVALID_DEVID) != 0) {
        return false;
    }
    bool fine = wc_HmacSetKey(&h, WC_SHA256, secret, NJ_TLS_TICKET_SECRET_LEN) == 0 &&
                wc_HmacUpdate(&h, counter, sizeof(counter)) == 0 &&
                wc_HmacUpdate(&h, (const uint8_t *) label, sizeof(label)) == 0 &&
                wc_HmacUpdate(&h, context, sizeof(context)) == 0 && wc_HmacFinal(&h, mac) == 0;
    wc_HmacFree(&h);
    if (fine) {
        memcpy(out, mac, len);
    }
    nj_wolf_host->wipe(mac, sizeof(mac));
    return fine;
}

static bool key_make(const uint8_t *secret, struct nj_wolf_ticket_key *key)
{
    return derive(secret, 0, key->name, sizeof(key->name)) &&
           derive(secret, 1, key->key, sizeof(key->key));
}

/* What is bound to the ticket beside its content: its name, IV and length. */
struct bound {
    uint8_t name[WOLFSSL_TICKET_NAME_SZ];
    uint8_t iv[WOLFSSL_TICKET_IV_SZ];
    uint8_t len[2];
};

static void bound_fill(struct bound *b, const uint8_t *name, const uint8_t *iv, int len)
{
    memcpy(b->name, name, sizeof(b->name));
    memcpy(b->iv, iv, sizeof(b->iv));
    b->len[0] = (uint8_t) (len >> 8);
    b->len[1] = (uint8_t) len;
}

static struct nj_tls_session *session_of(WOLFSSL *ssl)
{
    return wolfSSL_GetIOReadCtx(ssl);
}

static int seal(WOLFSSL *ssl, const struct nj_wolf_ticket_key *key, uint8_t *name, uint8_t *iv,
                uint8_t *mac, uint8_t *ticket, int len)
{
    Aes aes;
    struct bound b;
    memcpy(name, key->name, sizeof(key->name));
    memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
    if (wc_RNG_GenerateBlock(wolfSSL_GetRNG(ssl), iv, WOLFSSL_TICKET_IV_SZ) != 0) {
        return WOLFSSL_TICKET_RET_REJECT;
    }
    iv[IV_TURNS] = session_of(ssl)->turns;
    bound_fill(&b, name, iv, len);
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0) {
        return WOLFSSL_TICKET_RET_REJECT;
    }
    int rc = wc_AesGcmSetKey(&aes, key->key, KEY_LEN);
    if (rc == 0) {
        rc = wc_AesGcmEncrypt(&aes, ticket, ticket, (word32) len, iv, NONCE_LEN, mac, TAG_LEN,
                              (const uint8_t *) &b, sizeof(b));
    }
    wc_AesFree(&aes);
    return rc == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

static int unseal(const struct nj_wolf_ticket_key *key, const uint8_t *iv, const uint8_t *mac,
                  uint8_t *ticket, int len)
{
    Aes aes;
    struct bound b;
    bound_fill(&b, key->name, iv, len);
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0) {
        return WOLFSSL_TICKET_RET_REJECT;
    }
    int rc = wc_AesGcmSetKey(&aes, key->key, KEY_LEN);
    if (rc == 0) {
        rc = wc_AesGcmDecrypt(&aes, ticket, ticket, (word32) len, iv, NONCE_LEN, mac, TAG_LEN,
                              (const uint8_t *) &b, sizeof(b));
    }
    wc_AesFree(&aes);
    return rc == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

/* For wolfSSL_CTX_set_TicketEncCb(): any number of threads at once. */
static int on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                     unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int enc, unsigned char *ticket,
                     int len, int *len_out, void *user)
{
    const struct nj_tls_ctx *ctx = user;
    *len_out = len;
    if (enc) {
        return seal(ssl, &ctx->ticket[0], name, iv, mac, ticket, len);
    }
    for (size_t i = 0; i < ctx->tickets_n; i++) {
        if (memcmp(name, ctx->ticket[i].name, WOLFSSL_TICKET_NAME_SZ) == 0) {
            int rc = unseal(&ctx->ticket[i], iv, mac, ticket, len);
            if (rc == WOLFSSL_TICKET_RET_OK && iv[IV_TURNS] >= TURNS_MOST) {
                return WOLFSSL_TICKET_RET_REJECT;
            }
            session_of(ssl)->turns = (uint8_t) (rc == WOLFSSL_TICKET_RET_OK ? iv[IV_TURNS] + 1 : 0);
            /* One under the former secret is exchanged for a new one; TLS 1.3 gives one anyway, and
             * newer releases take this answer for a refusal there. */
            bool exchange =
                rc == WOLFSSL_TICKET_RET_OK && i > 0 && wolfSSL_version(ssl) == NJ_TLS_1_2;
            return exchange ? WOLFSSL_TICKET_RET_CREATE : rc;
        }
    }
    return WOLFSSL_TICKET_RET_REJECT;
}

int nj_wolf_tickets_on(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, const struct nj_tls_settings *set)
{
    uint32_t life_s = set->ticket_lifetime_s > 0 ? set->ticket_lifetime_s : LIFETIME_DEFAULT_S;
    if (!key_make(set->ticket_secret, &ctx->ticket[0])) {
        return BAD_STATE_E;
    }
    ctx->tickets_n = 1;
    if (NJ_FIELD(struct nj_tls_settings, set, ticket_secret_previous) &&
        set->ticket_secret_previous != NULL) {
        if (!key_make(set->ticket_secret_previous, &ctx->ticket[1])) {
            return BAD_STATE_E;
        }
        ctx->tickets_n = 2;
    }
    int rc = wolfSSL_CTX_set_TicketEncCb(c, on_ticket);
    if (rc == WOLFSSL_SUCCESS) {
        rc = wolfSSL_CTX_set_TicketEncCtx(c, ctx);
    }
    if (rc == WOLFSSL_SUCCESS) {
        rc = wolfSSL_CTX_set_TicketHint(c, (int) life_s);
    }
    (void) wolfSSL_CTX_set_timeout(c, life_s);
    /* Newer releases give a new ticket of TLS 1.2 for one that they refuse, but only then. */
    (void) wolfSSL_CTX_UseSessionTicket(c);
    return rc;
}
#endif
