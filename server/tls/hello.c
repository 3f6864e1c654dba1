#include "tls/hello.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tls/names.h"

enum {
    RECORD_HEADER = 5,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_SSL2 = 0x80, /* an SSLv2 hello: a length with the high bit set */
    MESSAGE_HEADER = 4,
    MESSAGE_CLIENT_HELLO = 1,
    RANDOM_LEN = 32
};

enum {
    EXT_SERVER_NAME = 0,
    EXT_GROUPS = 10,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_VERSIONS = 43,
    EXT_MAX = 256 /* how many different ones are looked at */
};

#define CIPHERTEXT_MAX (NJ_TLS_RECORD_MAX + 2048) /* RFC 5246 6.2.3 */

enum { ALERT_UNEXPECTED_MESSAGE = 10, ALERT_RECORD_OVERFLOW = 22, ALERT_DECODE_ERROR = 50 };

static int fail(struct nj_error *err, int code, uint32_t cls, int32_t alert, const char *text)
{
    (void) nj_error_set(err, code, "%s", text);
    if (err != NULL) {
        err->cls = cls;
        err->alert = alert;
    }
    return code;
}

static int malformed(struct nj_error *err)
{
    return fail(err, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, ALERT_DECODE_ERROR,
                "local error: tls: error decoding message");
}

static int unexpected(struct nj_error *err)
{
    return fail(err, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, ALERT_UNEXPECTED_MESSAGE,
                "local error: tls: unexpected message");
}

/* ---- reading fields -------------------------------------------------------------------------- */

static bool take(struct nj_span *in, size_t n, struct nj_span *out)
{
    if (in->len < n) {
        return false;
    }
    *out = (struct nj_span){ in->ptr, n };
    *in = (struct nj_span){ n > 0 ? in->ptr + n : in->ptr, in->len - n };
    return true;
}

/* A big-endian number of 1 or 2 bytes. */
static bool take_number(struct nj_span *in, size_t bytes, size_t *out)
{
    struct nj_span s;
    if (!take(in, bytes, &s)) {
        return false;
    }
    *out = bytes == 1 ? s.ptr[0] : (size_t) s.ptr[0] << 8 | s.ptr[1];
    return true;
}

/* Bytes with their length in front, in 1 or 2 bytes. */
static bool take_vector(struct nj_span *in, size_t length_bytes, struct nj_span *out)
{
    size_t len = 0;
    struct nj_span at = *in;
    if (!take_number(&at, length_bytes, &len) || !take(&at, len, out)) {
        return false;
    }
    *in = at;
    return true;
}

/* ---- records --------------------------------------------------------------------------------- */

static int judge_alert(const uint8_t *record, size_t left, struct nj_error *err)
{
    char text[64];
    char spare[24];
    if (record[3] != 0 || record[4] != 2) {
        return unexpected(err);
    }
    if (left < RECORD_HEADER + 2) {
        return NJ_NEED_IN;
    }
    (void) snprintf(text, sizeof(text), "remote error: tls: %s",
                    nj_tls_alert_text(record[6], spare));
    return fail(err, NJ_E_INVALID, NJ_CLASS_PEER_ALERT, record[6],
                record[6] == NJ_ALERT_CLOSE_NOTIFY ? "EOF" : text);
}

static int too_long(struct nj_error *err, size_t len)
{
    char text[64];
    (void) snprintf(text, sizeof(text), "tls: oversized record received with length %zu", len);
    return fail(err, NJ_E_INVALID, NJ_CLASS_BAD_RECORD, ALERT_RECORD_OVERFLOW,
                len > CIPHERTEXT_MAX ? text : "local error: tls: record overflow");
}

/* One record header.  *len_out: bytes of its fragment, all of them perhaps not there yet. */
static int judge_record(const uint8_t *record, size_t left, bool first, size_t *len_out,
                        struct nj_error *err)
{
    size_t len = (size_t) record[3] << 8 | record[4];
    bool known = record[0] == RECORD_HANDSHAKE || record[0] == RECORD_ALERT;
    if (record[0] == RECORD_SSL2 && first) {
        return fail(err, NJ_E_INVALID, NJ_CLASS_VERSION, NJ_ALERT_PROTOCOL_VERSION,
                    "tls: unsupported SSLv2 handshake received");
    }
    /* The second bytes: versions go up to 0x0304, so 0x10.. is something else. */
    if (!known || record[1] >= 0x10) {
        return fail(err, NJ_E_INVALID, NJ_CLASS_NOT_TLS, NJ_ALERT_NONE,
                    "tls: first record does not look like a TLS handshake");
    }
    if (record[0] == RECORD_ALERT) {
        return judge_alert(record, left, err);
    }
    if (len > NJ_TLS_RECORD_MAX) {
        return too_long(err, len);
    }
    if (len == 0) {
        return unexpected(err);
    }
    *len_out = len;
    return NJ_OK;
}

/* Put the fragments together until `want` bytes are there (`to` may be NULL: only count).
 * *got_out: how many of them there are, also when a later record is bad. */
static int gather(const uint8_t *bytes, size_t len, size_t want, uint8_t *to, size_t *got_out,
                  struct nj_error *err)
{
    size_t got = 0;
    size_t at = 0;
    *got_out = 0;
    while (got < want && len - at >= RECORD_HEADER) {
        size_t fragment = 0;
        int rc = judge_record(bytes + at, len - at, at == 0, &fragment, err);
        if (rc != NJ_OK) {
            return rc;
        }
        size_t here = len - at - RECORD_HEADER;
        size_t n = fragment < here ? fragment : here;
        n = n < want - got ? n : want - got;
        if (to != NULL && n > 0) {
            memcpy(to + got, bytes + at + RECORD_HEADER, n);
        }
        got += n;
        *got_out = got;
        if (here < fragment) {
            break;
        }
        at += RECORD_HEADER + fragment;
    }
    return got == want ? NJ_OK : NJ_NEED_IN;
}

/* The length of the message, once its header is there. */
static int message_len(const uint8_t *bytes, size_t len, size_t *len_out, struct nj_error *err)
{
    uint8_t header[MESSAGE_HEADER];
    char text[96];
    size_t got = 0;
    int rc = gather(bytes, len, sizeof(header), header, &got, err);
    /* Even when a record behind it is bad: the answer must not depend on how much has arrived. */
    if (got > 0 && header[0] != MESSAGE_CLIENT_HELLO) {
        return unexpected(err);
    }
    if (rc != NJ_OK) {
        return rc;
    }
    size_t body = (size_t) header[1] << 16 | (size_t) header[2] << 8 | header[3];
    if (body > NJ_HELLO_MAX) {
        (void) snprintf(text, sizeof(text),
                        "tls: handshake message of length %zu bytes exceeds maximum of %d bytes",
                        body, NJ_HELLO_MAX);
        return fail(err, NJ_E_LIMIT, NJ_CLASS_BAD_RECORD, NJ_ALERT_INTERNAL_ERROR, text);
    }
    *len_out = MESSAGE_HEADER + body;
    return NJ_OK;
}

/* ---- extensions ------------------------------------------------------------------------------ */

static bool read_server_name(struct nj_hello *hello, struct nj_span ext)
{
    struct nj_span list, name;
    size_t type = 0;
    if (!take_vector(&ext, 2, &list) || list.len == 0 || ext.len > 0) {
        return false;
    }
    while (list.len > 0) {
        if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name) || name.len == 0) {
            return false;
        }
        if (type != 0) {
            continue;
        }
        if (hello->server_name.len > 0 || name.ptr[name.len - 1] == '.') {
            return false; /* RFC 6066 3: one name, without a final dot */
        }
        hello->server_name = name;
    }
    return true;
}

static bool read_numbers(struct nj_span *list_out, size_t length_bytes, struct nj_span ext)
{
    return take_vector(&ext, length_bytes, list_out) && list_out->len > 0 &&
           list_out->len % 2 == 0 && ext.len == 0;
}

static bool read_alpn(struct nj_hello *hello, struct nj_span ext)
{
    struct nj_span rest, name;
    if (!take_vector(&ext, 2, &hello->alpn) || hello->alpn.len == 0 || ext.len > 0) {
        return false;
    }
    rest = hello->alpn;
    while (rest.len > 0) {
        if (!take_vector(&rest, 1, &name) || name.len == 0) {
            return false;
        }
    }
    return true;
}

static bool read_extension(struct nj_hello *hello, size_t type, struct nj_span ext)
{
    switch (type) {
    case EXT_SERVER_NAME:
        return read_server_name(hello, ext);
    case EXT_GROUPS:
        return read_numbers(&hello->groups, 2, ext);
    case EXT_SIGNATURES:
        return read_numbers(&hello->signatures, 2, ext);
    case EXT_VERSIONS:
        return read_numbers(&hello->versions, 1, ext);
    case EXT_ALPN:
        return read_alpn(hello, ext);
    default:
        return true;
    }
}

static bool read_extensions(struct nj_hello *hello, struct nj_span list)
{
    uint16_t seen[EXT_MAX];
    for (size_t n = 0; list.len > 0; n++) {
        size_t type = 0;
        struct nj_span ext;
        if (n == EXT_MAX || !take_number(&list, 2, &type) || !take_vector(&list, 2, &ext)) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            if (seen[i] == type) {
                return false;
            }
        }
        seen[n] = (uint16_t) type;
        if (!read_extension(hello, type, ext)) {
            return false;
        }
    }
    return true;
}

static bool read_body(struct nj_hello *hello, struct nj_span in)
{
    struct nj_span skipped, list;
    size_t version = 0;
    if (!take(&in, MESSAGE_HEADER, &skipped) || !take_number(&in, 2, &version) ||
        !take(&in, RANDOM_LEN, &skipped) || !take_vector(&in, 1, &skipped) || /* session id */
        !take_vector(&in, 2, &hello->suites) || hello->suites.len % 2 != 0 ||
        !take_vector(&in, 1, &skipped)) { /* compression methods */
        return false;
    }
    hello->legacy_version = (uint16_t) version;
    if (in.len == 0) {
        return true; /* TLS 1.2 without extensions */
    }
    return take_vector(&in, 2, &list) && in.len == 0 && read_extensions(hello, list);
}

int nj_hello_read(struct nj_hello *hello, const uint8_t *bytes, size_t len, struct nj_error *err)
{
    size_t want = 0;
    size_t got = 0;
    *hello = (struct nj_hello){ 0 };
    int rc = message_len(bytes, len, &want, err);
    if (rc == NJ_OK) {
        rc = gather(bytes, len, want, NULL, &got, err);
    }
    if (rc == NJ_NEED_IN && len >= NJ_HELLO_BUFFER_MAX) {
        return fail(err, NJ_E_LIMIT, NJ_CLASS_BAD_RECORD, NJ_ALERT_INTERNAL_ERROR,
                    "tls: too many records for one handshake message");
    }
    if (rc != NJ_OK) {
        return rc;
    }
    hello->body = nj_alloc(want);
    hello->body_len = want;
    (void) gather(bytes, len, want, hello->body, &got, NULL);
    if (!read_body(hello, (struct nj_span){ hello->body, want })) {
        nj_hello_fini(hello);
        return malformed(err);
    }
    return NJ_OK;
}

void nj_hello_fini(struct nj_hello *hello)
{
    nj_dealloc(hello->body);
    *hello = (struct nj_hello){ 0 };
}

/* ---- questions ------------------------------------------------------------------------------- */

bool nj_hello_is_hopeless(int rc, const struct nj_error *err)
{
    return rc == NJ_E_LIMIT || (rc == NJ_E_INVALID && err->alert == ALERT_UNEXPECTED_MESSAGE);
}

void nj_hello_put_alert(const struct nj_error *err, struct nj_buf *out)
{
    const uint8_t record[] = { RECORD_ALERT, 3, 1, 0, 2, 2, (uint8_t) err->alert };
    (void) nj_buf_append(out, record, sizeof(record));
}

bool nj_hello_has(struct nj_span list, uint16_t number)
{
    for (size_t i = 0; i < nj_hello_count(list); i++) {
        if (nj_hello_at(list, i) == number) {
            return true;
        }
    }
    return false;
}

bool nj_hello_offers_version(const struct nj_hello *hello, uint16_t version)
{
    if (hello->versions.len > 0) {
        return nj_hello_has(hello->versions, version);
    }
    /* RFC 8446 4.2.1: without the extension nothing above TLS 1.2 is meant */
    return version <= NJ_TLS_1_2 && version <= hello->legacy_version;
}

bool nj_hello_next_alpn(struct nj_span *rest, struct nj_span *name_out)
{
    return rest->len > 0 && take_vector(rest, 1, name_out);
}

/* "[c02b ff]": each in hex without leading zeros. */
static void put_numbers(struct nj_span list, struct nj_buf *out)
{
    (void) nj_buf_putc(out, '[');
    for (size_t i = 0; i < nj_hello_count(list); i++) {
        (void) nj_buf_printf(out, "%s%x", i > 0 ? " " : "", nj_hello_at(list, i));
    }
    (void) nj_buf_putc(out, ']');
}

/* Without the extension: all the versions from the client's old field down to TLS 1.0. */
static void put_versions(const struct nj_hello *hello, struct nj_buf *out)
{
    uint8_t list[6];
    size_t n = 0;
    if (hello->versions.len > 0) {
        put_numbers(hello->versions, out);
        return;
    }
    for (uint16_t v = NJ_TLS_1_2; v >= 0x0301; v--) {
        if (v <= hello->legacy_version) {
            list[n++] = (uint8_t) (v >> 8);
            list[n++] = (uint8_t) v;
        }
    }
    put_numbers((struct nj_span){ list, n }, out);
}

static int deny(struct nj_error *err, uint32_t cls, int32_t alert, struct nj_buf *text)
{
    int rc = fail(err, NJ_E_DENIED, cls, alert, text->ptr);
    nj_buf_free(text);
    return rc;
}

static bool shares_suite(const struct nj_hello *hello, const struct nj_tls_settings *settings,
                         bool tls13)
{
    for (size_t i = 0; i < settings->suites_n; i++) {
        uint16_t id = settings->suites[i];
        if ((id >> 8 == 0x13) == tls13 && nj_hello_has(hello->suites, id)) {
            return true;
        }
    }
    return false;
}

static bool shares_group(const struct nj_hello *hello, const struct nj_tls_settings *settings)
{
    for (size_t i = 0; i < settings->groups_n; i++) {
        if (nj_hello_has(hello->groups, settings->groups[i])) {
            return true;
        }
    }
    return false;
}

uint16_t nj_hello_common_version(const struct nj_hello *hello,
                                 const struct nj_tls_settings *settings)
{
    for (uint16_t v = settings->max_version; v >= settings->min_version && v > 0; v--) {
        if (nj_hello_offers_version(hello, v)) {
            return v;
        }
    }
    return 0;
}

int nj_hello_judge(const struct nj_hello *hello, const struct nj_tls_settings *settings,
                   struct nj_error *err)
{
    struct nj_buf text;
    uint16_t version = nj_hello_common_version(hello, settings);
    nj_buf_init(&text, SIZE_MAX);
    if (version == 0) {
        (void) nj_buf_puts(&text, "tls: client offered only unsupported versions: ");
        put_versions(hello, &text);
        return deny(err, NJ_CLASS_VERSION, NJ_ALERT_PROTOCOL_VERSION, &text);
    }
    if (!shares_suite(hello, settings, version >= NJ_TLS_1_3)) {
        (void) nj_buf_puts(&text, "tls: no cipher suite supported by both client and server; "
                                  "client offered: ");
        put_numbers(hello->suites, &text);
        return deny(err, NJ_CLASS_NO_SUITE, NJ_ALERT_HANDSHAKE_FAILURE, &text);
    }
    if (version >= NJ_TLS_1_3 && !shares_group(hello, settings)) {
        (void) nj_buf_puts(&text, "tls: no key exchanges supported by both client and server");
        return deny(err, NJ_CLASS_NO_GROUP, NJ_ALERT_HANDSHAKE_FAILURE, &text);
    }
    return NJ_OK;
}
