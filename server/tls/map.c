#include "tls/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "tls/cert.h"
#include "tls/der.h"
#include "tls/dn.h"
#include "tls/dn_key.h"
#include "tls/uri.h"

/* ---- users whose names are distinguished names ----------------------------------------------- */

struct entry {
    struct nj_dn_key key; /* owned */
    const void *user;
    size_t place; /* in the order of the configuration */
};

struct nj_map_names {
    struct entry *entries; /* owned; by sorted key, then by place */
    size_t n, cap;
};

struct nj_map_names *nj_map_names_new(void)
{
    return nj_zalloc(sizeof(struct nj_map_names));
}

void nj_map_names_free(struct nj_map_names **np)
{
    struct nj_map_names *names = *np;
    if (names == NULL) {
        return;
    }
    *np = NULL;
    for (size_t i = 0; i < names->n; i++) {
        nj_dn_key_fini(&names->entries[i].key);
    }
    nj_dealloc(names->entries);
    nj_dealloc(names);
}

void nj_map_names_add(struct nj_map_names *names, struct nj_span name, const void *user)
{
    struct nj_dn_key key;
    if (nj_dn_key_parse(&key, name) < 0) {
        return; /* no distinguished name: found by nj_map_ask.find alone */
    }
    if (names->n == names->cap) {
        names->cap = names->cap == 0 ? 8 : names->cap * 2;
        names->entries = nj_realloc(names->entries, names->cap * sizeof(*names->entries));
    }
    names->entries[names->n] = (struct entry){ key, user, names->n };
    names->n++;
}

static int compare_entries(const void *pa, const void *pb)
{
    const struct entry *a = pa;
    const struct entry *b = pb;
    int order = nj_span_compare(a->key.sorted, b->key.sorted);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

void nj_map_names_seal(struct nj_map_names *names)
{
    if (names->n > 0) {
        qsort(names->entries, names->n, sizeof(*names->entries), compare_entries);
    }
}

size_t nj_map_names_count(const struct nj_map_names *names)
{
    return names->n;
}

/* The first entry whose sorted key is not less. */
static size_t lower_bound(const struct nj_map_names *names, struct nj_span sorted)
{
    size_t low = 0;
    size_t high = names->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (nj_span_compare(names->entries[middle].key.sorted, sorted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* "<before>["<text>"]<after>" */
static void say_quoted(const struct nj_map_ask *ask, const char *before, struct nj_span text,
                       const char *after)
{
    struct nj_buf line;
    if (ask->say == NULL) {
        return;
    }
    nj_buf_init(&line, SIZE_MAX);
    (void) nj_buf_printf(&line, "%s [", before);
    (void) nj_quote(&line, text.len > 0 ? (const char *) text.ptr : "", text.len);
    (void) nj_buf_printf(&line, "]%s", after);
    ask->say(ask->arg, line.ptr);
    nj_buf_free(&line);
}

static void say(const struct nj_map_ask *ask, const char *text)
{
    if (ask->say != NULL) {
        ask->say(ask->arg, text);
    }
}

static const void *find(const struct nj_map_ask *ask, struct nj_span name)
{
    const void *user = name.len > 0 ? ask->find(ask->arg, name) : NULL;
    return user != NULL && ask->may(ask->arg, user) ? user : NULL;
}

static struct nj_span span_of(const struct nj_buf *b)
{
    return (struct nj_span){ (const uint8_t *) b->ptr, b->len };
}

static const void *find_uri(const struct nj_map_ask *ask, struct nj_span written)
{
    struct nj_buf text;
    const void *user = NULL;
    nj_buf_init(&text, SIZE_MAX);
    if (nj_uri_text(written, &text, NULL) == NJ_OK) {
        user = find(ask, span_of(&text));
    }
    nj_buf_free(&text);
    return user;
}

/* All SANs of one kind, in certificate order. */
static const void *by_sans(const struct nj_map_ask *ask, const struct nj_cert *cert,
                           enum nj_san_kind kind, const char *words)
{
    for (size_t i = 0; i < cert->sans_n; i++) {
        const struct nj_san *san = &cert->sans[i];
        if (san->kind != kind) {
            continue;
        }
        const void *user = kind == NJ_SAN_URI ? find_uri(ask, san->value) : find(ask, san->value);
        if (user != NULL) {
            say_quoted(ask, words, ask->name(ask->arg, user), "");
            return user;
        }
    }
    return NULL;
}

/* Of the users with the same RDNs: one that has them in the same order, else the first. */
static const void *find_key(const struct nj_map_ask *ask, const struct nj_dn_key *key)
{
    const void *reordered = NULL;
    if (ask->names == NULL) {
        return NULL;
    }
    for (size_t i = lower_bound(ask->names, key->sorted); i < ask->names->n; i++) {
        const struct entry *e = &ask->names->entries[i];
        if (!nj_span_equal(e->key.sorted, key->sorted)) {
            break;
        }
        if (!ask->may(ask->arg, e->user)) {
            continue;
        }
        if (nj_span_equal(e->key.ordered, key->ordered)) {
            return e->user;
        }
        reordered = reordered != NULL ? reordered : e->user;
    }
    return reordered;
}

/* A subject with an attribute that has no name here is not tried. */
static const void *by_name(const struct nj_map_ask *ask, const struct nj_cert *cert,
                           struct nj_span subject)
{
    struct nj_dn_key key = { 0 };
    int rc = nj_dn_key_read(&key, cert->subject);
    if (rc == NJ_E_NOT_FOUND) {
        return NULL;
    }
    const void *user = rc == NJ_OK ? find_key(ask, &key) : NULL;
    nj_dn_key_fini(&key);
    if (user != NULL) {
        say_quoted(ask, "Using DistinguishedNameMatch for auth", ask->name(ask->arg, user), "");
    } else {
        say_quoted(ask, "DistinguishedNameMatch could not be used for auth", subject, "");
    }
    return user;
}

/* ",DC=com,DC=example", in certificate order and without escapes; nothing when there are none. */
static int put_dcs(const struct nj_cert *cert, struct nj_buf *out)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    int rc = nj_dn_attributes(cert->subject, attrs, &n);
    for (size_t i = 0; rc == NJ_OK && i < n; i++) {
        const char *type = nj_dn_type_name(attrs[i].type);
        if (type == NULL || strcmp(type, "DC") != 0) {
            continue;
        }
        rc = nj_buf_puts(out, ",DC=");
        if (rc == NJ_OK) {
            rc = nj_der_string_text(attrs[i].tag, attrs[i].value, out);
        }
    }
    return rc;
}

static const void *by_sequence(const struct nj_map_ask *ask, const struct nj_cert *cert,
                               struct nj_span subject)
{
    struct nj_buf text;
    const void *user = NULL;
    nj_buf_init(&text, SIZE_MAX);
    (void) nj_buf_append(&text, subject.ptr, subject.len);
    if (put_dcs(cert, &text) == NJ_OK && text.len > subject.len) {
        user = find(ask, span_of(&text));
        say_quoted(ask,
                   user != NULL ? "Using RDNSequence for auth"
                                : "RDNSequence could not be used for auth",
                   user != NULL ? ask->name(ask->arg, user) : span_of(&text), "");
    }
    nj_buf_free(&text);
    return user;
}

static const void *by_text(const struct nj_map_ask *ask, struct nj_span subject)
{
    const void *user = find(ask, subject);
    if (user != NULL) {
        say_quoted(ask, "Using certificate subject for auth", ask->name(ask->arg, user), "");
    } else {
        say_quoted(ask, "User in cert", subject, ", not found");
    }
    return user;
}

static const void *by_subject(const struct nj_map_ask *ask, const struct nj_cert *cert)
{
    struct nj_buf text;
    const void *user = NULL;
    nj_buf_init(&text, SIZE_MAX);
    if (nj_dn_named_text(cert->subject, &text) == NJ_OK) {
        struct nj_span subject = span_of(&text);
        user = by_name(ask, cert, subject);
        user = user != NULL ? user : by_sequence(ask, cert, subject);
        user = user != NULL ? user : by_text(ask, subject);
    }
    nj_buf_free(&text);
    return user;
}

/* Is there anything in it that can name a user? */
static bool names_somebody(const struct nj_cert *cert)
{
    struct nj_buf subject;
    size_t ips = nj_cert_count_sans(cert, NJ_SAN_IP);
    nj_buf_init(&subject, SIZE_MAX);
    bool found =
        cert->sans_n > ips || (nj_cert_subject_text(cert, &subject) == NJ_OK && subject.len > 0);
    nj_buf_free(&subject);
    return found;
}

static const void *by_certificate(const struct nj_map_ask *ask, const struct nj_cert *cert)
{
    static const struct {
        enum nj_san_kind kind;
        const char *words;
    } steps[] = {
        { NJ_SAN_EMAIL, "Using email found in cert for auth" },
        { NJ_SAN_DNS, "Using SAN found in cert for auth" },
        { NJ_SAN_URI, "Using URI found in cert for auth" },
    };
    if (!names_somebody(cert)) {
        say(ask, "User required in cert, none found");
        return NULL;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const void *user = by_sans(ask, cert, steps[i].kind, steps[i].words);
        if (user != NULL) {
            return user;
        }
    }
    return by_subject(ask, cert);
}

const void *nj_map_user(const struct nj_map_ask *ask)
{
    struct nj_cert cert = { 0 };
    const void *user = NULL;
    if (ask->chain_n == 0) {
        say(ask, "User required in cert, no peer certificates found");
        return NULL;
    }
    if (ask->chain_n > 1) {
        say(ask, "Multiple peer certificates found, selecting first");
    }
    if (nj_cert_init(&cert, ask->chain[0], NULL) == NJ_OK) {
        user = by_certificate(ask, &cert);
    }
    nj_cert_fini(&cert);
    return user;
}
