#include "tls/ocsp_ask.h"

#include <string.h>

#include "base/buf.h"
#include "tls/ocsp_fetch.h"

/* Nobody says until when it is good: then it must be young, for anybody can send it again. */
static int check_age(const struct nj_ocsp_ask *ask, const struct nj_ocsp_answer *a, int64_t now_s,
                     struct nj_error *err)
{
    bool endless = a->next_update_s == 0 && ask->endless_s >= 0;
    if (!endless || now_s - a->this_update_s <= ask->endless_s + ask->skew_s) {
        return NJ_OK;
    }
    return nj_error_set_class(err, NJ_E_INVALID, NJ_CLASS_OCSP,
                              "an ocsp response without NextUpdate is too old");
}

int nj_ocsp_judge(const struct nj_ocsp_ask *ask, struct nj_span raw,
                  struct nj_ocsp_answer *answer_out, struct nj_error *err)
{
    int64_t now_s = ask->now_s();
    struct nj_ocsp_answer a;
    int rc = nj_ocsp_response_read(raw, ask->cert, ask->issuer, ask->crypto, now_s, &a, err);
    if (rc == NJ_OK) {
        rc = nj_ocsp_check_time(&a, now_s, ask->skew_s, err);
    }
    if (rc == NJ_OK) {
        rc = check_age(ask, &a, now_s, err);
    }
    if (rc == NJ_OK) {
        *answer_out = a;
    }
    return rc;
}

static int url_len(const char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    return (int) len;
}

static int ask_one(const struct nj_ocsp_ask *ask, const char *url, struct nj_span request,
                   struct nj_buf *raw, struct nj_ocsp_answer *answer_out, struct nj_buf *why)
{
    struct nj_ocsp_fetch f = { .url = url,
                               .request = request,
                               .timeout_ms = ask->timeout_ms,
                               .get_only = ask->get_only,
                               .cancel_fd = ask->cancel_fd };
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_buf body;
    nj_buf_init(&body, NJ_OCSP_MAX_LEN);
    int rc = nj_ocsp_fetch(&f, &body, why);
    if (rc == NJ_OK) {
        rc = nj_ocsp_judge(ask, (struct nj_span){ (const uint8_t *) body.ptr, body.len },
                           answer_out, &err);
        if (rc != NJ_OK) {
            (void) nj_buf_printf(why, "%sfailed to get remote status from %.*s: %s",
                                 why->len > 0 ? "\n" : "", url_len(url), url, err.text);
        }
    }
    if (rc == NJ_OK) {
        rc = nj_buf_append(raw, body.ptr, body.len);
    }
    nj_buf_free(&body);
    return rc;
}

int nj_ocsp_ask(const struct nj_ocsp_ask *ask, struct nj_buf *raw, struct nj_ocsp_answer *answer_out,
                struct nj_buf *why)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_buf request, reasons;
    if (ask->urls_n == 0) {
        (void) nj_buf_puts(why, "no available ocsp servers");
        return NJ_E_NOT_FOUND;
    }
    nj_buf_init(&request, SIZE_MAX);
    nj_buf_init(&reasons, 64 * 1024);
    int rc = nj_ocsp_request_write(ask->cert, ask->issuer, ask->crypto, &request, &err);
    if (rc != NJ_OK) {
        (void) nj_buf_puts(&reasons, err.text);
    }
    struct nj_span der = { (const uint8_t *) request.ptr, request.len };
    bool asked = false;
    for (size_t i = 0; (rc == NJ_OK || asked) && i < ask->urls_n; i++) {
        asked = true;
        rc = ask_one(ask, ask->urls[i], der, raw, answer_out, &reasons);
        if (rc == NJ_OK) {
            break;
        }
    }
    if (rc != NJ_OK) {
        (void) nj_buf_printf(why, "exhausted %s: %s",
                             ask->get_only ? "OCSP responders" : "ocsp servers",
                             reasons.ptr != NULL ? reasons.ptr : "");
    }
    nj_buf_free(&request);
    nj_buf_free(&reasons);
    return rc;
}
