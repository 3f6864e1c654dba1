#include "tls/dn_key.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tls/der.h"
#include "tls/dn.h"

/* An attribute on its way into a key: where its type and its value lie in `text`. */
struct part {
    size_t type_at, type_len;
    size_t value_at, value_len;
    uint32_t rdn;
};

struct draft {
    struct nj_buf text; /* types and values, one behind the other */
    struct part parts[NJ_DN_MAX_ATTRIBUTES];
    size_t n;
};

static void draft_init(struct draft *d)
{
    nj_buf_init(&d->text, SIZE_MAX);
    d->n = 0;
}

static void draft_fini(struct draft *d)
{
    nj_buf_free(&d->text);
}

/* ---- from parts to a key --------------------------------------------------------------------- */

static int compare_spans(const void *pa, const void *pb)
{
    const struct nj_span *a = pa;
    const struct nj_span *b = pb;
    return nj_span_compare(*a, *b);
}

static uint8_t *put_len(uint8_t *at, size_t len)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        *at++ = (uint8_t) (len >> shift);
    }
    return at;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t len)
{
    at = put_len(at, len);
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

static uint8_t *put_type(uint8_t *at, const char *type, size_t len)
{
    uint8_t *end = put_bytes(at, type, len);
    for (uint8_t *p = at + 4; p < end; p++) {
        *p = *p >= 'a' && *p <= 'z' ? (uint8_t) (*p - 'a' + 'A') : *p;
    }
    return end;
}

/* The RDN that begins with part `first`: its attributes encoded into `scratch`, sorted, and put to
 * `at` behind their number.  `*end_out`: the first part of the next RDN. */
static uint8_t *put_rdn(const struct draft *d, size_t first, uint8_t *scratch, uint8_t *at,
                        size_t *end_out)
{
    struct nj_span spans[NJ_DN_MAX_ATTRIBUTES];
    size_t n = 0;
    for (size_t i = first; i < d->n && d->parts[i].rdn == d->parts[first].rdn; i++) {
        const struct part *p = &d->parts[i];
        uint8_t *end = put_type(scratch, d->text.ptr + p->type_at, p->type_len);
        end = put_bytes(end, d->text.ptr + p->value_at, p->value_len);
        spans[n++] = (struct nj_span){ scratch, (size_t) (end - scratch) };
        scratch = end;
    }
    qsort(spans, n, sizeof(spans[0]), compare_spans);
    at = put_len(at, n);
    for (size_t i = 0; i < n; i++) {
        memcpy(at, spans[i].ptr, spans[i].len);
        at += spans[i].len;
    }
    *end_out = first + n;
    return at;
}

/* NJ_OK, or NJ_E_INVALID when there is nothing in it: an empty name is nobody's. */
static int finish(const struct draft *d, struct nj_dn_key *key)
{
    struct nj_span rdns[NJ_DN_MAX_ATTRIBUTES];
    size_t rdns_n = 0;
    if (d->n == 0) {
        return NJ_E_INVALID;
    }
    size_t most = d->text.len + d->n * 12; /* two lengths for a part, and one for its RDN */
    uint8_t *whole = nj_alloc(most * 2);
    uint8_t *scratch = nj_alloc(most);
    uint8_t *at = whole;
    for (size_t i = 0; i < d->n;) {
        uint8_t *end = put_rdn(d, i, scratch, at, &i);
        rdns[rdns_n++] = (struct nj_span){ at, (size_t) (end - at) };
        at = end;
    }
    key->ordered = (struct nj_span){ whole, (size_t) (at - whole) };
    key->sorted = (struct nj_span){ at, key->ordered.len };
    qsort(rdns, rdns_n, sizeof(rdns[0]), compare_spans);
    for (size_t i = 0; i < rdns_n; i++) {
        memcpy(at, rdns[i].ptr, rdns[i].len);
        at += rdns[i].len;
    }
    nj_dealloc(scratch);
    return NJ_OK;
}

void nj_dn_key_fini(struct nj_dn_key *key)
{
    nj_dealloc((void *) (uintptr_t) key->ordered.ptr); /* owned, though a span is const */
    *key = (struct nj_dn_key){ 0 };
}

/* ---- from text ------------------------------------------------------------------------------- */

struct reader {
    struct draft draft;
    struct part part; /* the one that is being read; type_len 0: its `=` is yet to come */
    size_t at;        /* where in draft.text the piece begins that is being read */
    size_t blanks;    /* blanks at its end that were not escaped */
    uint32_t rdn;
};

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The piece that was read, without the blanks at its end. */
static size_t end_piece(struct reader *r)
{
    r->draft.text.len -= r->blanks;
    r->blanks = 0;
    return r->draft.text.len - r->at;
}

static void end_type(struct reader *r)
{
    r->part.type_at = r->at;
    r->part.type_len = end_piece(r);
    r->at = r->draft.text.len;
}

static int end_value(struct reader *r)
{
    if (r->part.type_len == 0 || r->draft.n == NJ_DN_MAX_ATTRIBUTES) {
        return NJ_E_INVALID;
    }
    r->part.value_at = r->at;
    r->part.value_len = end_piece(r);
    r->part.rdn = r->rdn;
    r->draft.parts[r->draft.n++] = r->part;
    r->part = (struct part){ 0 };
    r->at = r->draft.text.len;
    return NJ_OK;
}

static void put(struct reader *r, uint8_t c)
{
    (void) nj_buf_putc(&r->draft.text, (char) c); /* no limit, so it does not fail */
}

/* What stands behind a `\`.  How many bytes were used; 0: it is no escape. */
static size_t read_escape(struct reader *r, struct nj_span rest)
{
    if (rest.ptr[0] != '\0' && strchr(" \"#+,;<=>\\", rest.ptr[0]) != NULL) {
        put(r, rest.ptr[0]);
        return 1;
    }
    int high = hex_value(rest.ptr[0]);
    int low = rest.len > 1 ? hex_value(rest.ptr[1]) : -1;
    if (high < 0 || low < 0) {
        return 0;
    }
    put(r, (uint8_t) (high << 4 | low));
    return 2;
}

static int read_char(struct reader *r, struct nj_span rest)
{
    uint8_t c = rest.ptr[0];
    switch (c) {
    case '=':
        end_type(r);
        /* `#` begins BER in hex, which nobody writes into a user name. */
        return rest.len > 1 && rest.ptr[1] == '#' ? NJ_E_INVALID : NJ_OK;
    case '+':
        return end_value(r);
    case ',':
        if (end_value(r) < 0) {
            return NJ_E_INVALID;
        }
        r->rdn++;
        return NJ_OK;
    case ' ':
        if (r->draft.text.len == r->at) {
            return NJ_OK; /* before the piece */
        }
        r->blanks++;
        break;
    default:
        r->blanks = 0;
        break;
    }
    put(r, c);
    return NJ_OK;
}

static int read_text(struct reader *r, struct nj_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct nj_span rest = { text.ptr + i, text.len - i };
        if (rest.ptr[0] != '\\') {
            if (read_char(r, rest) < 0) {
                return NJ_E_INVALID;
            }
            continue;
        }
        r->blanks = 0;
        if (rest.len == 1) {
            break; /* a lone one at the end stands for nothing */
        }
        size_t used = read_escape(r, (struct nj_span){ rest.ptr + 1, rest.len - 1 });
        if (used == 0) {
            return NJ_E_INVALID;
        }
        i += used;
    }
    return NJ_OK;
}

/* A `+` promises one more attribute. */
static bool ends_with_plus(const struct reader *r)
{
    return r->draft.n > 0 && r->draft.parts[r->draft.n - 1].rdn == r->rdn;
}

int nj_dn_key_parse(struct nj_dn_key *key, struct nj_span text)
{
    struct reader r = { .rdn = 0 };
    draft_init(&r.draft);
    int rc = read_text(&r, text);
    if (rc == NJ_OK && r.draft.text.len > r.at) {
        rc = end_value(&r);
    } else if (rc == NJ_OK && ends_with_plus(&r)) {
        rc = NJ_E_INVALID;
    }
    if (rc == NJ_OK) {
        rc = finish(&r.draft, key);
    }
    draft_fini(&r.draft);
    return rc;
}

/* ---- from a certificate ---------------------------------------------------------------------- */

static int add_attribute(struct draft *d, const struct nj_dn_attribute *a)
{
    const char *type = nj_dn_type_name(a->type);
    if (type == NULL) {
        return NJ_E_NOT_FOUND;
    }
    struct part p = { .type_at = d->text.len, .type_len = strlen(type), .rdn = a->rdn };
    int rc = nj_buf_puts(&d->text, type);
    p.value_at = d->text.len;
    if (rc == NJ_OK) {
        rc = nj_der_string_text(a->tag, a->value, &d->text);
    }
    p.value_len = d->text.len - p.value_at;
    d->parts[d->n++] = p;
    return rc;
}

int nj_dn_key_read(struct nj_dn_key *key, struct nj_span rdn_sequence)
{
    struct nj_dn_attribute attrs[NJ_DN_MAX_ATTRIBUTES];
    struct draft d;
    size_t n = 0;
    draft_init(&d);
    int rc = nj_dn_attributes(rdn_sequence, attrs, &n);
    for (size_t i = n; rc == NJ_OK && i-- > 0;) {
        rc = add_attribute(&d, &attrs[i]);
    }
    if (rc == NJ_OK) {
        rc = finish(&d, key);
    }
    draft_fini(&d);
    return rc;
}
