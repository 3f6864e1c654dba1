/* record.c: records and alerts. */
#include "null.h"

static size_t body_len(const struct nj_tls_session *s)
{
    return (size_t) s->in[3] << 8 | s->in[4];
}

static void take_up_to(struct nj_tls_session *s, struct nj_tls_in *in, size_t want)
{
    size_t n = in->len - in->used;
    n = s->in_len + n > want ? want - s->in_len : n;
    if (n > 0) {
        memcpy(s->in + s->in_len, in->ptr + in->used, n);
        s->in_len += n;
        in->used += n;
    }
}

static int check_header(struct nj_tls_session *s, struct nj_sink *out)
{
    if (!s->done && s->in[0] != TYPE_HANDSHAKE && s->in[0] != TYPE_ALERT) {
        return null_fail(s, out, NJ_ALERT_NONE, NJ_CLASS_NOT_TLS,
                         "tls: first record does not look like a TLS handshake");
    }
    if (s->in[0] < TYPE_ALERT || s->in[0] > TYPE_DATA || (s->in_len > 1 && s->in[1] != 3)) {
        return null_fail(s, out, 10, NJ_CLASS_BAD_RECORD, "local error: tls: unexpected message");
    }
    if (s->in_len == HEADER_LEN && body_len(s) > NJ_TLS_RECORD_MAX) {
        return null_fail(s, out, 22, NJ_CLASS_BAD_RECORD, "local error: tls: record overflow");
    }
    return NJ_OK;
}

int null_record_take(struct nj_tls_session *s, struct nj_tls_in *in, struct nj_sink *out)
{
    if (s->in == NULL) {
        s->in = null_host->alloc(RECORD_CAP);
    }
    take_up_to(s, in, s->in_len > HEADER_LEN ? s->in_len : HEADER_LEN);
    if (s->in_len > 0 && check_header(s, out) != NJ_OK) {
        return NJ_E_FAILED;
    }
    if (s->in_len < HEADER_LEN) {
        return NJ_NEED_IN;
    }
    size_t want = HEADER_LEN + body_len(s);
    take_up_to(s, in, want);
    return s->in_len == want ? NJ_OK : NJ_NEED_IN;
}

void null_record_drop(struct nj_tls_session *s)
{
    s->in_len = 0;
}

void null_record_put(struct nj_sink *out, uint8_t type, const uint8_t *body, size_t len)
{
    uint8_t *p = out->reserve(out, HEADER_LEN + len);
    p[0] = type;
    p[1] = 3;
    p[2] = 3;
    p[3] = (uint8_t) (len >> 8);
    p[4] = (uint8_t) len;
    if (len > 0) {
        memcpy(p + HEADER_LEN, body, len);
    }
    out->commit(out, HEADER_LEN + len);
}

int null_fail(struct nj_tls_session *s, struct nj_sink *out, int32_t alert, uint32_t cls,
              const char *text)
{
    s->failed = 1;
    s->err = (struct nj_error) NJ_ERROR_INIT;
    (void) nj_error_set_class(&s->err, NJ_E_FAILED, cls, "%s", text);
    s->err.alert = alert;
    if (alert != NJ_ALERT_NONE) {
        uint8_t body[2] = { 2, (uint8_t) alert };
        null_record_put(out, TYPE_ALERT, body, sizeof(body));
        s->info.alert_sent = alert;
    }
    return NJ_E_FAILED;
}

int null_alert_read(struct nj_tls_session *s)
{
    char text[80];
    int32_t alert = body_len(s) == 2 ? s->in[HEADER_LEN + 1] : 50;
    null_record_drop(s);
    s->info.alert_received = alert;
    if (alert == NJ_ALERT_CLOSE_NOTIFY) {
        s->closed_in = 1;
        return NJ_E_CLOSED;
    }
    (void) null_fail(s, NULL, NJ_ALERT_NONE, NJ_CLASS_PEER_ALERT,
                     nj_tls_alert_text(alert, text, sizeof(text)));
    s->err.alert = alert;
    return NJ_E_FAILED;
}
