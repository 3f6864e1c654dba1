#include "tls/dn.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tls/cert.h"
#include "tls/der.h"

/* Types 2.5.4.n that have a name, in the order of the text. */
static const struct known {
    uint8_t number;
    bool last_only;
    const char *name;
} knowns[] = {
    { 5, true, "SERIALNUMBER" }, { 3, true, "CN" },           { 11, false, "OU" },
    { 10, false, "O" },          { 17, false, "POSTALCODE" }, { 9, false, "STREET" },
    { 7, false, "L" },           { 8, false, "ST" },          { 6, false, "C" },
};
#define KNOWNS_N (sizeof(knowns) / sizeof(knowns[0]))

enum { ARC_CN = 3, ARC_O = 10 };

static int number_of(const struct nj_dn_attribute *a)
{
    return a->type.len == 3 && a->type.ptr[0] == 0x55 && a->type.ptr[1] == 0x04 ? a->type.ptr[2]
                                                                                : -1;
}

static int take_attribute(struct nj_span *set, struct nj_dn_attribute *out)
{
    struct nj_span body;
    if (nj_der_take(set, NJ_DER_SEQUENCE, &body) < 0 ||
        nj_der_take(&body, NJ_DER_OID, &out->type) < 0 ||
        nj_der_next(&body, &out->tag, &out->value, NULL) < 0) {
        return NJ_E_INVALID;
    }
    return NJ_OK;
}

int nj_dn_attributes(struct nj_span sequence, struct nj_dn_attribute *out, size_t *n_out)
{
    struct nj_span rdns, set;
    size_t n = 0;
    if (nj_der_take(&sequence, NJ_DER_SEQUENCE, &rdns) < 0) {
        return NJ_E_INVALID;
    }
    for (uint32_t rdn = 0; rdns.len > 0; rdn++) {
        if (nj_der_take(&rdns, NJ_DER_SET, &set) < 0) {
            return NJ_E_INVALID;
        }
        while (set.len > 0) {
            if (n == NJ_DN_MAX_ATTRIBUTES || take_attribute(&set, &out[n]) < 0) {
                return NJ_E_INVALID;
            }
            out[n++].rdn = rdn;
        }
    }
    *n_out = n;
    return NJ_OK;
}

int nj_dn_check(struct nj_span rdn_sequence)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    struct nj_buf text;
    int rc = nj_dn_attributes(rdn_sequence, attrs, &n);
    nj_buf_init(&text, SIZE_MAX);
    for (size_t i = 0; rc == NJ_OK && i < n; i++) {
        nj_buf_clear(&text);
        rc = nj_der_oid_text(attrs[i].type, &text);
        if (rc == NJ_OK) {
            rc = nj_der_string_text(attrs[i].tag, attrs[i].value, &text);
        }
    }
    nj_buf_free(&text);
    return rc;
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool needs_escape(const struct nj_buf *value, size_t i)
{
    switch (value->ptr[i]) {
    case ',':
    case '+':
    case '"':
    case '\\':
    case '<':
    case '>':
    case ';':
        return true;
    case ' ':
        return i == 0 || i + 1 == value->len;
    case '#':
        return i == 0;
    default:
        return false;
    }
}

static int put_escaped(const struct nj_buf *value, struct nj_buf *out)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < value->len; i++) {
        if (needs_escape(value, i)) {
            rc = nj_buf_putc(out, '\\');
        }
        if (rc == NJ_OK) {
            rc = nj_buf_putc(out, value->ptr[i]);
        }
    }
    return rc;
}

static int put_named(const char *name, const struct nj_dn_attribute *a, struct nj_buf *out)
{
    struct nj_buf value;
    nj_buf_init(&value, out->limit);
    int rc = nj_der_string_text(a->tag, a->value, &value);
    if (rc == NJ_OK) {
        rc = nj_buf_printf(out, "%s=", name);
    }
    if (rc == NJ_OK) {
        rc = put_escaped(&value, out);
    }
    nj_buf_free(&value);
    return rc;
}

static bool strictly_printable(const struct nj_buf *value)
{
    for (size_t i = 0; i < value->len; i++) {
        char c = value->ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == ' ' || (c >= '\'' && c <= ')') || (c >= '+' && c <= '/') || c == ':' ||
                    c == '=' || c == '?';
        if (!fine) {
            return false;
        }
    }
    return true;
}

static int put_hex(const void *bytes, size_t len, struct nj_buf *out)
{
    const uint8_t *p = bytes;
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < len; i++) {
        rc = nj_buf_printf(out, "%02x", p[i]);
    }
    return rc;
}

/* Tag and length of a string, in the shortest form. */
static int put_header_hex(uint8_t tag, size_t len, struct nj_buf *out)
{
    if (len < 0x80) {
        return nj_buf_printf(out, "%02x%02zx", tag, len);
    }
    int octets = len > 0xffff ? 3 : len > 0xff ? 2 : 1; /* a certificate has at most 1 MiB */
    return nj_buf_printf(out, "%02x%02x%0*zx", tag, 0x80U | (unsigned) octets, 2 * octets, len);
}

/* The reference decodes the string and encodes it again: PrintableString when that can hold it,
 * else UTF8String.  So the hex is not always the certificate's own bytes. */
static int put_unnamed(const struct nj_dn_attribute *a, struct nj_buf *out)
{
    struct nj_buf value;
    nj_buf_init(&value, SIZE_MAX);
    int rc = nj_der_string_text(a->tag, a->value, &value);
    if (rc == NJ_OK) {
        rc = nj_der_oid_text(a->type, out);
    }
    if (rc == NJ_OK) {
        rc = nj_buf_puts(out, "=#");
    }
    if (rc == NJ_OK) {
        uint8_t tag = strictly_printable(&value) ? NJ_DER_PRINTABLE : NJ_DER_UTF8;
        rc = put_header_hex(tag, value.len, out);
    }
    if (rc == NJ_OK) {
        rc = put_hex(value.ptr, value.len, out);
    }
    nj_buf_free(&value);
    return rc;
}

const char *nj_dn_type_name(struct nj_span type)
{
    static const uint8_t dc[] = { 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19 };
    const struct nj_dn_attribute a = { .type = type };
    int number = number_of(&a);
    for (size_t k = 0; k < KNOWNS_N; k++) {
        if (number == knowns[k].number) {
            return knowns[k].name;
        }
    }
    return nj_span_equal(type, (struct nj_span){ dc, sizeof(dc) }) ? "DC" : NULL;
}

static bool is_named(const struct nj_dn_attribute *a)
{
    int number = number_of(a);
    for (size_t k = 0; k < KNOWNS_N; k++) {
        if (number == knowns[k].number) {
            return true;
        }
    }
    return false;
}

/* An empty CN or SERIALNUMBER is as good as none. */
static const struct nj_dn_attribute *last_of(const struct nj_dn_attribute *attrs, size_t n,
                                             int number)
{
    const struct nj_dn_attribute *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (number_of(&attrs[i]) == number) {
            found = &attrs[i];
        }
    }
    return found != NULL && found->value.len > 0 ? found : NULL;
}

static int put_known(const struct known *k, const struct nj_dn_attribute *attrs, size_t n,
                     struct nj_buf *out, const char **separator)
{
    const char *before = *separator;
    const struct nj_dn_attribute *last = k->last_only ? last_of(attrs, n, k->number) : NULL;
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < n; i++) {
        if (number_of(&attrs[i]) != k->number || (k->last_only && &attrs[i] != last)) {
            continue;
        }
        rc = nj_buf_puts(out, before);
        if (rc == NJ_OK) {
            rc = put_named(k->name, &attrs[i], out);
        }
        before = "+";
        *separator = ",";
    }
    return rc;
}

static int put_knowns(const struct nj_dn_attribute *attrs, size_t n, struct nj_buf *out,
                      const char **separator)
{
    int rc = NJ_OK;
    for (size_t k = 0; rc == NJ_OK && k < KNOWNS_N; k++) {
        rc = put_known(&knowns[k], attrs, n, out, separator);
    }
    return rc;
}

int nj_dn_named_text(struct nj_span rdn_sequence, struct nj_buf *out)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    const char *separator = "";
    int rc = nj_dn_attributes(rdn_sequence, attrs, &n);
    return rc == NJ_OK ? put_knowns(attrs, n, out, &separator) : rc;
}

int nj_dn_text(struct nj_span rdn_sequence, struct nj_buf *out)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    const char *separator = "";
    int rc = nj_dn_attributes(rdn_sequence, attrs, &n);
    if (rc == NJ_OK) {
        rc = put_knowns(attrs, n, out, &separator);
    }
    for (size_t i = n; rc == NJ_OK && i-- > 0;) {
        if (is_named(&attrs[i])) {
            continue;
        }
        rc = nj_buf_puts(out, separator);
        if (rc == NJ_OK) {
            rc = put_unnamed(&attrs[i], out);
        }
        separator = ",";
    }
    return rc;
}

int nj_cert_subject_text(const struct nj_cert *cert, struct nj_buf *out)
{
    return nj_dn_text(cert->subject, out);
}

int nj_cert_common_name(const struct nj_cert *cert, struct nj_buf *out)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    int rc = nj_dn_attributes(cert->subject, attrs, &n);
    const struct nj_dn_attribute *cn = rc == NJ_OK ? last_of(attrs, n, ARC_CN) : NULL;
    return cn != NULL ? nj_der_string_text(cn->tag, cn->value, out) : rc;
}

int nj_cert_short_name(const struct nj_cert *cert, struct nj_buf *out)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    if (nj_dn_attributes(cert->subject, attrs, &n) < 0) {
        return NJ_E_INVALID;
    }
    const struct nj_dn_attribute *found = last_of(attrs, n, ARC_CN);
    for (size_t i = 0; found == NULL && i < n; i++) {
        found = number_of(&attrs[i]) == ARC_O ? &attrs[i] : NULL;
    }
    if (found != NULL) {
        return nj_der_string_text(found->tag, found->value, out);
    }
    int rc = nj_buf_puts(out, "serial:");
    return rc == NJ_OK ? nj_cert_serial_text(cert, out) : rc;
}

int nj_put_visible(struct nj_span text, struct nj_buf *out)
{
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < text.len; i++) {
        rc = text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? nj_buf_printf(out, "\\x%02x", text.ptr[i])
                                                       : nj_buf_putc(out, (char) text.ptr[i]);
    }
    return rc;
}
