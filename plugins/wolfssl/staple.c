/*
 * staple.c: the OCSP response that is sent along with our certificate.
 *
 * The server has judged it; all that the library shall do is send it.  Releases before 5.9.4 do
 * more: they judge it again, against the anchors of our peers, and in TLS 1.3 they lose 5 kB of
 * memory for each client that asks (seen with 5.5.4).  There the capability is off.
 */
#include "wolf.h"

#if NJ_WOLF_STAPLE

/* The library takes what it is given, by its own allocator, and asks for it once a handshake. */
static int give_staple(WOLFSSL *ssl, void *arg)
{
    const struct nj_tls_ctx *ctx = arg;
    uint8_t *copy = XMALLOC(ctx->staple_len, NULL, DYNAMIC_TYPE_OPENSSL);
    if (copy == NULL) {
        return WOLFSSL_OCSP_STATUS_CB_NOACK;
    }
    memcpy(copy, ctx->staple, ctx->staple_len);
    if (wolfSSL_set_tlsext_status_ocsp_resp(ssl, copy, (int) ctx->staple_len) != WOLFSSL_SUCCESS) {
        XFREE(copy, NULL, DYNAMIC_TYPE_OPENSSL);
        return WOLFSSL_OCSP_STATUS_CB_NOACK;
    }
    return WOLFSSL_OCSP_STATUS_CB_OK;
}

int nj_wolf_staple_set(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, struct nj_span staple)
{
    if (staple.len == 0) {
        return WOLFSSL_SUCCESS;
    }
    ctx->staple = nj_wolf_host->alloc(staple.len);
    ctx->staple_len = staple.len;
    memcpy(ctx->staple, staple.ptr, staple.len);
    int rc = wolfSSL_CTX_set_tlsext_status_cb(c, give_staple);
    return rc != WOLFSSL_SUCCESS ? rc : (int) wolfSSL_CTX_set_tlsext_status_arg(c, ctx);
}

#else

int nj_wolf_staple_set(struct nj_tls_ctx *ctx, WOLFSSL_CTX *c, struct nj_span staple)
{
    (void) ctx;
    (void) c;
    return staple.len == 0 ? WOLFSSL_SUCCESS : WOLFSSL_FAILURE; /* refused before */
}

#endif
