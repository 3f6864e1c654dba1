/*
 * ticket.c: session tickets.
 *
 * GnuTLS makes the keys of a ticket from a master key and the time: a new set every three times the
 * lifetime, each named by its first 16 bytes, which stand in front of the ticket in clear.  A
 * session has one master key, given before its handshake begins, and there is no way to change it
 * afterwards.  So the server's former secret is used when the ClientHello has a ticket with one of
 * its names.  What such a session is given for the next time is under the former secret, too: a
 * ticket never outlives the secret that its session began with.
 */
#include "internal.h"

#include <string.h>

#include <gnutls/crypto.h>

#define NAME_LEN 16
#define STEPS_PER_SET 3           /* lifetimes that a set of keys lasts */
#define LIFETIME_DEFAULT_S 21600U /* GnuTLS's own */

static uint64_t set_number(uint32_t lifetime_s)
{
    return (uint64_t) nj_gt_host->now_s() / ((uint64_t) lifetime_s * STEPS_PER_SET);
}

/* The name of the set of keys with this number. */
static bool set_name(const uint8_t *secret, uint64_t number, uint8_t name_out[NAME_LEN])
{
    uint8_t text[8 + NJ_TLS_TICKET_SECRET_LEN];
    uint8_t keys[64];
    for (size_t i = 0; i < 8; i++) {
        text[i] = (uint8_t) (number >> (56 - 8 * i));
    }
    memcpy(text + 8, secret, NJ_TLS_TICKET_SECRET_LEN);
    int rc = gnutls_hash_fast(GNUTLS_DIG_SHA3_512, text, sizeof(text), keys);
    memcpy(name_out, keys, NAME_LEN);
    nj_gt_host->wipe(keys, sizeof(keys));
    nj_gt_host->wipe(text, sizeof(text));
    return rc == 0;
}

/* A name is as good as random: where it stands in a hello, there is a ticket. */
static bool is_of_former(const struct nj_tls_ctx *ctx, const struct nj_tls_in *hello)
{
    uint8_t name[NAME_LEN];
    uint64_t now = set_number(ctx->ticket_lifetime_s);
    for (uint64_t number = now; number + 2 > now && number > 0; number--) {
        if (set_name(ctx->ticket_former.data, number, name) &&
            memmem(hello->ptr + hello->used, hello->len - hello->used, name, NAME_LEN) != NULL) {
            return true;
        }
    }
    return false;
}

int nj_gt_ticket_start(struct nj_tls_session *s, const struct nj_tls_in *hello)
{
    const struct nj_tls_ctx *ctx = s->ctx;
    if (s->dialled || s->tickets_set || ctx->ticket_key.size == 0) {
        return 0;
    }
    s->tickets_set = true;
    bool former = ctx->ticket_former.size > 0 && is_of_former(ctx, hello);
    gnutls_db_set_cache_expiration(s->tls, (int) ctx->ticket_lifetime_s);
    return gnutls_session_ticket_enable_server(s->tls,
                                               former ? &ctx->ticket_former : &ctx->ticket_key);
}

static void keep_secret(gnutls_datum_t *to, const uint8_t *secret)
{
    to->data = nj_gt_host->alloc(NJ_TLS_TICKET_SECRET_LEN);
    to->size = NJ_TLS_TICKET_SECRET_LEN;
    memcpy(to->data, secret, NJ_TLS_TICKET_SECRET_LEN);
}

void nj_gt_ticket_settings(struct nj_tls_ctx *ctx, const struct nj_tls_settings *set)
{
    if (set->ticket_secret == NULL) {
        return;
    }
    keep_secret(&ctx->ticket_key, set->ticket_secret);
    ctx->ticket_lifetime_s =
        set->ticket_lifetime_s > 0 ? set->ticket_lifetime_s : LIFETIME_DEFAULT_S;
    if (NJ_FIELD(struct nj_tls_settings, set, ticket_secret_previous) &&
        set->ticket_secret_previous != NULL) {
        keep_secret(&ctx->ticket_former, set->ticket_secret_previous);
    }
}

void nj_gt_ticket_forget(struct nj_tls_ctx *ctx)
{
    nj_gt_host->wipe(ctx->ticket_key.data, ctx->ticket_key.size);
    nj_gt_host->wipe(ctx->ticket_former.data, ctx->ticket_former.size);
    nj_gt_host->dealloc(ctx->ticket_key.data);
    nj_gt_host->dealloc(ctx->ticket_former.data);
}
