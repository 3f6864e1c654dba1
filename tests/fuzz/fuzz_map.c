/*
 * verify_and_map (tls/map.h) with names and certificates of strangers: whoever is found has a name
 * that stands in the certificate, asking again finds the same, and no debug line breaks the log.
 *
 * Input: the length of the user names in two bytes, the names with a byte 0x0a between them, then
 * one certificate.
 */
#include "tls/map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/map_users.h"
#include "tls/cert.h"
#include "tls/der.h"
#include "tls/dn.h"
#include "tls/dn_key.h"
#include "tls/uri.h"

enum { TEXT_MOST = 1 << 20 };

static void hear(void *arg, const char *text)
{
    size_t *lines = arg;
    (*lines)++;
    for (const char *p = text; *p != '\0'; p++) {
        FUZZ_CHECK((unsigned char) *p >= 0x20 && *p != 0x7f, "a control character in a line");
    }
}

/* ---- who may have been found ------------------------------------------------------------------ */

static bool is_text(struct nj_span name, const struct nj_buf *text)
{
    return text->len > 0 &&
           nj_span_equal(name, (struct nj_span){ (const uint8_t *) text->ptr, text->len });
}

static bool is_san(const struct nj_cert *cert, struct nj_span name)
{
    bool found = false;
    for (size_t i = 0; !found && i < cert->sans_n; i++) {
        struct nj_buf text;
        nj_buf_init(&text, TEXT_MOST);
        if (cert->sans[i].kind == NJ_SAN_URI) {
            FUZZ_CHECK(nj_uri_text(cert->sans[i].value, &text, NULL) == NJ_OK, "a bad URI inside");
            found = is_text(name, &text);
        } else {
            found = cert->sans[i].kind != NJ_SAN_IP && nj_span_equal(cert->sans[i].value, name);
        }
        nj_buf_free(&text);
    }
    return found;
}

static bool is_subject_name(const struct nj_cert *cert, struct nj_span name)
{
    struct nj_dn_key ours = { 0 };
    struct nj_dn_key theirs = { 0 };
    bool found = nj_dn_key_parse(&ours, name) == NJ_OK &&
                 nj_dn_key_read(&theirs, cert->subject) == NJ_OK &&
                 nj_span_equal(ours.sorted, theirs.sorted);
    nj_dn_key_fini(&ours);
    nj_dn_key_fini(&theirs);
    return found;
}

/* The subject's text, maybe with its DCs behind it. */
static bool is_subject_text(const struct nj_cert *cert, struct nj_span name)
{
    struct nj_buf text;
    nj_buf_init(&text, TEXT_MOST);
    bool found = nj_dn_named_text(cert->subject, &text) == NJ_OK && name.len >= text.len &&
                 (text.len == 0 || memcmp(name.ptr, text.ptr, text.len) == 0) &&
                 (name.len == text.len ||
                  (name.len > text.len + 4 && memcmp(name.ptr + text.len, ",DC=", 4) == 0));
    nj_buf_free(&text);
    return found;
}

static void check_found(struct nj_span der, const struct map_user *user)
{
    struct nj_cert cert = { 0 };
    FUZZ_CHECK(user->may, "found one who may not come");
    FUZZ_CHECK(nj_cert_init(&cert, der, NULL) == NJ_OK, "found by an unreadable certificate");
    FUZZ_CHECK(is_san(&cert, user->name) || is_subject_name(&cert, user->name) ||
                   is_subject_text(&cert, user->name),
               "\"%.*s\" does not stand in the certificate", (int) user->name.len,
               (const char *) user->name.ptr);
    nj_cert_fini(&cert);
}

/* ---- asking ----------------------------------------------------------------------------------- */

/* Its text need not be its own text: "http:/%2fa b" becomes "http://a%20b", in the reference too. */
static void check_uri(struct nj_span name)
{
    struct nj_buf text;
    const char *why = NULL;
    nj_buf_init(&text, TEXT_MOST);
    int rc = nj_uri_text(name, &text, &why);
    FUZZ_CHECK(rc == NJ_OK || (why != NULL && why[0] != '\0'), "refused without a word");
    FUZZ_CHECK(nj_uri_text(name, NULL, NULL) == rc, "judged otherwise than written");
    nj_buf_free(&text);
}

static void check_key(struct nj_span name)
{
    struct nj_dn_key key = { 0 };
    if (nj_dn_key_parse(&key, name) == NJ_OK) {
        FUZZ_CHECK(key.ordered.len > 0 && key.ordered.len == key.sorted.len, "a lame key");
    }
    nj_dn_key_fini(&key);
}

static void take_users(struct nj_span names, struct nj_map_names *out)
{
    map_users_n = 0;
    while (map_users_n < MAP_USERS_MOST && names.len > 0) {
        const uint8_t *end = memchr(names.ptr, '\n', names.len);
        size_t len = end != NULL ? (size_t) (end - names.ptr) : names.len;
        size_t step = end != NULL ? len + 1 : len;
        struct map_user *u = &map_users[map_users_n];
        *u = (struct map_user){ { names.ptr, len }, map_users_n % 4 != 3 };
        names = (struct nj_span){ names.ptr + step, names.len - step };
        check_uri(u->name);
        check_key(u->name);
        if (len > 0) {
            nj_map_names_add(out, u->name, u);
            map_users_n++;
        }
    }
    nj_map_names_seal(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    size_t names_len = (size_t) fuzz_byte(&in) << 8;
    names_len |= fuzz_byte(&in);
    names_len = names_len < in.len ? names_len : in.len;
    uint8_t *names = fuzz_copy(in.ptr, names_len);
    uint8_t *der = fuzz_copy(in.ptr + names_len, in.len - names_len);
    struct nj_span chain = { der, in.len - names_len };
    struct nj_map_names *known = nj_map_names_new();
    size_t lines = 0;
    take_users((struct nj_span){ names, names_len }, known);
    struct nj_map_ask ask = { .chain = &chain,
                              .chain_n = 1,
                              .names = known,
                              .arg = &lines,
                              .find = map_find_user,
                              .may = map_user_may,
                              .name = map_user_name,
                              .say = hear };
    const void *user = nj_map_user(&ask);
    if (user != NULL) {
        FUZZ_CHECK(lines > 0, "found without a word");
        check_found(chain, user);
    }
    ask.say = NULL;
    FUZZ_CHECK(nj_map_user(&ask) == user, "asked again, another one");
    nj_map_names_free(&known);
    free(der);
    free(names);
    return 0;
}
