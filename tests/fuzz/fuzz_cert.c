/*
 * Certificates (tls/cert.h, dn.h, name.h, path.h, key.h): any DER is read or refused with words,
 * and all that is asked about what was read has an answer.
 *
 * Input: the length of a host name in one byte, the name, DER.
 */
#include "tls/cert.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "natterjack/plugin.h"
#include "tests/fuzz/fuzz.h"
#include "tls/der.h"
#include "tls/dn.h"
#include "tls/key.h"
#include "tls/name.h"
#include "tls/path.h"

enum { TEXT_MOST = 1 << 20, NOW_S = 1800000000 };

static void check_inside(const struct nj_cert *cert, struct nj_span s, const char *what)
{
    FUZZ_CHECK(s.ptr >= cert->der.ptr && s.ptr + s.len <= cert->der.ptr + cert->der.len,
               "%s lies outside the certificate", what);
}

static void check_spans(const struct nj_cert *cert)
{
    check_inside(cert, cert->tbs, "tbs");
    check_inside(cert, cert->serial, "serial");
    check_inside(cert, cert->issuer, "issuer");
    check_inside(cert, cert->subject, "subject");
    check_inside(cert, cert->spki, "spki");
    FUZZ_CHECK(cert->sans_n <= NJ_CERT_MAX_SANS, "%zu SANs", cert->sans_n);
    size_t counted = 0;
    static const enum nj_san_kind kinds[] = { NJ_SAN_EMAIL, NJ_SAN_DNS, NJ_SAN_URI, NJ_SAN_IP };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        counted += nj_cert_count_sans(cert, kinds[i]);
    }
    FUZZ_CHECK(counted == cert->sans_n, "%zu of %zu SANs have a kind", counted, cert->sans_n);
    for (size_t i = 0; i < cert->sans_n; i++) {
        check_inside(cert, cert->sans[i].value, "a SAN");
    }
}

/* The names were judged when the certificate was read: their texts exist. */
static void check_texts(const struct nj_cert *cert)
{
    struct nj_buf out, tight;
    nj_buf_init(&out, TEXT_MOST);
    nj_buf_init(&tight, 16);
    FUZZ_CHECK(nj_cert_subject_text(cert, &out) == NJ_OK, "no text for the subject");
    FUZZ_CHECK(nj_dn_text(cert->issuer, &out) == NJ_OK, "no text for the issuer");
    FUZZ_CHECK(nj_cert_common_name(cert, &out) == NJ_OK, "no common name");
    FUZZ_CHECK(nj_cert_short_name(cert, &out) == NJ_OK, "no short name");
    (void) nj_cert_serial_text(cert, &out);
    (void) nj_cert_subject_text(cert, &tight);
    (void) nj_cert_short_name(cert, &tight);
    nj_buf_clear(&tight);
    (void) nj_cert_serial_text(cert, &tight);
    FUZZ_CHECK(nj_put_visible(cert->subject, &out) == NJ_OK || out.len > TEXT_MOST / 2,
               "not visible");
    nj_buf_free(&out);
    nj_buf_free(&tight);
}

static void check_name(const struct nj_cert *cert, const char *host)
{
    struct nj_buf why;
    nj_buf_init(&why, TEXT_MOST);
    bool matches = nj_name_matches(cert, host);
    FUZZ_CHECK(!matches || cert->sans_n > 0, "a certificate without names is for \"%s\"", host);
    FUZZ_CHECK(nj_name_mismatch_text(cert, host, &why) == NJ_E_LIMIT || why.len > 0,
               "no words for the mismatch");
    for (size_t i = 0; i < cert->sans_n; i++) {
        const struct nj_san *san = &cert->sans[i];
        if (san->kind == NJ_SAN_DNS && memchr(san->value.ptr, 0, san->value.len) == NULL) {
            char *own = (char *) fuzz_copy(san->value.ptr, san->value.len + 1);
            own[san->value.len] = '\0';
            (void) nj_name_matches(cert, own);
            free(own);
        }
    }
    nj_buf_free(&why);
}

static void check_path(const struct nj_cert *cert)
{
    struct nj_path_query query = { .certs = cert,
                                   .certs_n = 1,
                                   .anchors = cert,
                                   .anchors_n = 1,
                                   .path = &cert->der,
                                   .path_n = 1,
                                   .eku = NJ_EKU_CLIENT,
                                   .now_s = NOW_S };
    for (int i = 0; i < 2; i++) {
        struct nj_path_answer answer = { 0 };
        nj_path_judge(&query, &answer);
        nj_path_answer_fini(&answer);
        query.path_n = 0;
    }
}

static void read_cert(struct nj_span der, const char *host)
{
    struct nj_cert cert = { 0 };
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_cert_init(&cert, der, &err);
    if (rc == NJ_OK) {
        check_spans(&cert);
        check_texts(&cert);
        check_name(&cert, host);
        check_path(&cert);
        (void) nj_cert_may_issue(&cert);
    } else {
        FUZZ_CHECK(rc == NJ_E_INVALID && err.text[0] != '\0', "refused with %d \"%s\"", rc,
                   err.text);
    }
    nj_cert_fini(&cert);
}

/* The same bytes as other things that come in DER. */
static void read_others(struct nj_span der)
{
    struct nj_error err = NJ_ERROR_INIT;
    enum nj_key_type type;
    struct nj_buf out;
    int64_t time_s;
    int32_t small;
    struct nj_span bits;
    struct nj_span copy = der;
    nj_buf_init(&out, TEXT_MOST);
    FUZZ_CHECK(nj_key_type(der, &type, &err) == NJ_OK || err.text[0] != '\0', "no words");
    int checked = nj_dn_check(der);
    int text = nj_dn_text(der, &out);
    FUZZ_CHECK(checked != NJ_OK || text == NJ_OK || text == NJ_E_LIMIT,
               "a good name without text: %d", text);
    (void) nj_der_take_time(&copy, &time_s);
    (void) nj_der_take_small(&copy, &small);
    (void) nj_der_take_bits(&copy, &bits);
    (void) nj_der_oid_text(der, &out);
    nj_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    uint8_t ip[16];
    size_t host_len = fuzz_byte(&in);
    host_len = host_len < in.len ? host_len : in.len;
    char *host = calloc(1, host_len + 1);
    FUZZ_CHECK(host != NULL, "out of memory");
    memcpy(host, in.ptr, host_len);
    uint8_t *der = fuzz_copy(in.ptr + host_len, in.len - host_len);
    struct nj_span span = { der, in.len - host_len };
    size_t ip_len = nj_name_ip(host, ip);
    FUZZ_CHECK(ip_len == 0 || ip_len == 4 || ip_len == 16, "an address of %zu bytes", ip_len);
    read_cert(span, host);
    read_others(span);
    free(der);
    free(host);
    return 0;
}
