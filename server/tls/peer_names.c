#include "tls/peer_names.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tls/cert.h"
#include "tls/der.h"
#include "tls/dn.h"

/* Short names of attribute types (RFC 4519, RFC 5280 4.1.2.4 and A.1). */
static const struct {
    const char *oid;
    const char *name;
} types[] = {
    { "2.5.4.3", "CN" },
    { "2.5.4.11", "OU" },
    { "2.5.4.10", "O" },
    { "2.5.4.6", "C" },
    { "2.5.4.7", "L" },
    { "2.5.4.8", "ST" },
    { "2.5.4.9", "STREET" },
    { "2.5.4.17", "POSTALCODE" },
    { "2.5.4.5", "SERIALNUMBER" },
    { "0.9.2342.19200300.100.1.25", "DC" },
    { "0.9.2342.19200300.100.1.1", "UID" },
    { "1.2.840.113549.1.9.1", "emailAddress" },
};

static const char *short_name(const char *oid)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].oid, oid) == 0) {
            return types[i].name;
        }
    }
    return oid;
}

static void give_value(struct nj_authmap_name *name, struct nj_buf *value)
{
    name->value.len = value->len;
    name->value.ptr = (const uint8_t *) (value->ptr != NULL ? nj_buf_take(value) : nj_strdup(""));
}

static struct nj_authmap_name *next_name(struct nj_peer_names *names, uint32_t kind)
{
    struct nj_authmap_name *name = &names->each[names->n++];
    name->size = sizeof(*name);
    name->kind = kind;
    return name;
}

/* ---- the subject ------------------------------------------------------------------------------ */

static int take_attribute(struct nj_span *set, struct nj_peer_names *names)
{
    struct nj_span body, type, value;
    struct nj_buf oid, text;
    uint8_t tag;
    nj_buf_init(&oid, SIZE_MAX);
    nj_buf_init(&text, SIZE_MAX);
    int rc = NJ_E_INVALID;
    if (names->n < NJ_DN_MAX_ATTRIBUTES && nj_der_take(set, NJ_DER_SEQUENCE, &body) == NJ_OK &&
        nj_der_take(&body, NJ_DER_OID, &type) == NJ_OK &&
        nj_der_next(&body, &tag, &value, NULL) == NJ_OK && nj_der_oid_text(type, &oid) == NJ_OK &&
        nj_der_string_text(tag, value, &text) == NJ_OK) {
        struct nj_authmap_name *name = next_name(names, NJ_AUTHMAP_NAME_ATTRIBUTE);
        name->oid = nj_buf_take(&oid);
        name->type = short_name(name->oid);
        give_value(name, &text);
        rc = NJ_OK;
    }
    nj_buf_free(&oid);
    nj_buf_free(&text);
    return rc;
}

static int take_subject(struct nj_span sequence, struct nj_peer_names *names)
{
    struct nj_span rdns, set;
    int rc = nj_der_take(&sequence, NJ_DER_SEQUENCE, &rdns);
    while (rc == NJ_OK && rdns.len > 0) {
        rc = nj_der_take(&rdns, NJ_DER_SET, &set);
        while (rc == NJ_OK && set.len > 0) {
            rc = take_attribute(&set, names);
        }
    }
    return rc;
}

/* ---- subject alternative names ---------------------------------------------------------------- */

static void take_san(const struct nj_san *san, struct nj_peer_names *names)
{
    static const struct {
        enum nj_san_kind from;
        uint32_t kind;
        const char *type;
    } kinds[] = {
        { NJ_SAN_EMAIL, NJ_AUTHMAP_NAME_EMAIL, "email" },
        { NJ_SAN_DNS, NJ_AUTHMAP_NAME_DNS, "dns" },
        { NJ_SAN_URI, NJ_AUTHMAP_NAME_URI, "uri" },
        { NJ_SAN_IP, NJ_AUTHMAP_NAME_IP, "ip" },
    };
    struct nj_buf text;
    char ip[INET6_ADDRSTRLEN] = "";
    nj_buf_init(&text, SIZE_MAX);
    if (san->kind == NJ_SAN_IP) {
        (void) inet_ntop(san->value.len == 4 ? AF_INET : AF_INET6, san->value.ptr, ip, sizeof(ip));
        (void) nj_buf_puts(&text, ip);
    } else {
        (void) nj_buf_append(&text, san->value.ptr, san->value.len);
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].from == san->kind) {
            struct nj_authmap_name *name = next_name(names, kinds[i].kind);
            name->type = kinds[i].type;
            give_value(name, &text);
        }
    }
    nj_buf_free(&text);
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* The text up to the end, or nothing when a NUL would make it end too early. */
static char *whole_text(struct nj_buf *b)
{
    bool whole = b->ptr != NULL && memchr(b->ptr, '\0', b->len) == NULL;
    char *text = whole ? nj_buf_take(b) : nj_strdup("");
    nj_buf_free(b);
    return text;
}

static void set_texts(struct nj_peer_names *names, const struct nj_cert *cert)
{
    struct nj_buf b;
    nj_buf_init(&b, 64 * 1024);
    (void) nj_cert_common_name(cert, &b);
    names->common_name = whole_text(&b);
    struct nj_buf raw;
    nj_buf_init(&raw, 64 * 1024);
    nj_buf_init(&b, 256 * 1024);
    (void) nj_cert_subject_text(cert, &raw);
    (void) nj_put_visible((struct nj_span){ (const uint8_t *) raw.ptr, raw.len }, &b);
    names->subject = whole_text(&b);
    nj_buf_free(&raw);
}

int nj_peer_names_init(struct nj_peer_names *names, const struct nj_cert *cert)
{
    memset(names, 0, sizeof(*names));
    size_t cap = NJ_DN_MAX_ATTRIBUTES + cert->sans_n;
    names->each = nj_calloc(cap, sizeof(names->each[0]));
    int rc = take_subject(cert->subject, names);
    if (rc != NJ_OK) {
        nj_peer_names_fini(names);
        return NJ_E_INVALID;
    }
    for (size_t i = 0; i < cert->sans_n; i++) {
        take_san(&cert->sans[i], names);
    }
    names->list = nj_calloc(names->n + 1, sizeof(names->list[0]));
    for (size_t i = 0; i < names->n; i++) {
        names->list[i] = &names->each[i];
    }
    set_texts(names, cert);
    return NJ_OK;
}

void nj_peer_names_fini(struct nj_peer_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        /* Ours, const for those who read only. */
        nj_dealloc((char *) (uintptr_t) names->each[i].oid);
        nj_dealloc((uint8_t *) (uintptr_t) names->each[i].value.ptr);
    }
    nj_dealloc(names->each);
    nj_dealloc(names->list);
    nj_dealloc(names->common_name);
    nj_dealloc(names->subject);
    memset(names, 0, sizeof(*names));
}
