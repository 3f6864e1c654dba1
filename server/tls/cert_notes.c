#include "tls/cert_notes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "natterjack/plugin.h"
#include "tls/cert.h"

#define KEY_USAGE_SIGN 1U /* digitalSignature is bit 0 */

struct writer {
    const char *file;
    nj_tls_note_fn note;
};

static void say(const struct writer *w, const char *what)
{
    char text[512];
    (void) snprintf(text, sizeof(text), "%.200s: %s", w->file, what);
    w->note(NJ_LOG_WARN, text);
}

static void say_of_time(const struct writer *w, const char *what, int64_t at_s)
{
    char moment[32];
    char text[160];
    struct tm tm;
    time_t t = (time_t) at_s;
    if (gmtime_r(&t, &tm) == NULL || strftime(moment, sizeof(moment), "%FT%TZ", &tm) == 0) {
        (void) snprintf(moment, sizeof(moment), "%lld", (long long) at_s);
    }
    (void) snprintf(text, sizeof(text), "%s %s: clients will refuse it", what, moment);
    say(w, text);
}

static void look_at_time(const struct writer *w, const struct nj_cert *leaf, int64_t now_s)
{
    if (now_s > leaf->not_after_s) {
        say_of_time(w, "the certificate expired at", leaf->not_after_s);
    } else if (now_s < leaf->not_before_s) {
        say_of_time(w, "the certificate is not valid before", leaf->not_before_s);
    }
}

/* Names in the subject alone count for no client of today (RFC 9525). */
static void look_at_names(const struct writer *w, const struct nj_cert *leaf)
{
    if (nj_cert_count_sans(leaf, NJ_SAN_DNS) + nj_cert_count_sans(leaf, NJ_SAN_IP) == 0) {
        say(w, "the certificate names no server: clients need its DNS name or address as a subject "
               "alternative name");
    }
}

static void look_at_usage(const struct writer *w, const struct nj_cert *leaf)
{
    if (leaf->key_usage != 0 && (leaf->key_usage & KEY_USAGE_SIGN) == 0) {
        say(w, leaf->is_ca ? "this is the certificate of an authority, not of a server: its key usage has "
                             "no digitalSignature"
                           : "the key usage of the certificate has no digitalSignature, without which "
                             "hardly a client can use it");
    }
    if (leaf->eku != 0 && (leaf->eku & (NJ_EKU_ANY | NJ_EKU_SERVER)) == 0) {
        say(w, "the certificate is not for servers: its extended key usage has no serverAuth");
    }
}

static void look_at_order(const struct writer *w, const struct nj_cert *leaf, struct nj_span next_der)
{
    struct nj_cert next;
    if (nj_cert_init(&next, next_der, NULL) != NJ_OK) {
        return;
    }
    if (next.subject.len != leaf->issuer.len ||
        memcmp(next.subject.ptr, leaf->issuer.ptr, leaf->issuer.len) != 0) {
        say(w, "the second certificate did not issue the first: the order is the server's own, then who "
               "issued it, and so on");
    }
    nj_cert_fini(&next);
}

void nj_tls_cert_notes(const struct nj_tls_material *material, int64_t now_s, nj_tls_note_fn note)
{
    for (size_t i = 0; i < material->pairs_n; i++) {
        const struct nj_tls_pair *pair = &material->pairs[i];
        const struct writer w = { .file = pair->label, .note = note };
        struct nj_cert leaf;
        if (nj_cert_init(&leaf, pair->certs[0], NULL) != NJ_OK) {
            continue;
        }
        look_at_time(&w, &leaf, now_s);
        look_at_names(&w, &leaf);
        look_at_usage(&w, &leaf);
        if (pair->certs_n > 1) {
            look_at_order(&w, &leaf, pair->certs[1]);
        }
        nj_cert_fini(&leaf);
    }
}
