#include "tls/name.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "tls/cert.h"
#include "tls/dn.h"

#define HOST_MAX 1024 /* longer ones match nothing; a DNS name has at most 253 */
#define NAMES_IN_TEXT 100

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static struct nj_span span_of(const char *s)
{
    return (struct nj_span){ (const uint8_t *) s, strlen(s) };
}

static bool same_text(struct nj_span a, struct nj_span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower((char) a.ptr[i]) != lower((char) b.ptr[i])) {
            return false;
        }
    }
    return true;
}

static struct nj_span without_final_dot(struct nj_span s)
{
    if (s.len > 0 && s.ptr[s.len - 1] == '.') {
        s.len--;
    }
    return s;
}

/* ---- addresses ------------------------------------------------------------------------------- */

size_t nj_name_ip(const char *host, uint8_t ip_out[16])
{
    char plain[INET6_ADDRSTRLEN + 16];
    size_t len = strlen(host);
    if (len >= 3 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof(plain)) {
        return 0;
    }
    memcpy(plain, host, len);
    plain[len] = '\0';
    if (inet_pton(AF_INET, plain, ip_out) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, plain, ip_out) == 1 ? 16 : 0;
}

/* An IPv4 address and its ::ffff: form are the same. */
static struct nj_span shortest_ip(struct nj_span ip)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (ip.len == 16 && memcmp(ip.ptr, mapped, sizeof(mapped)) == 0) {
        return (struct nj_span){ ip.ptr + 12, 4 };
    }
    return ip;
}

static bool same_ip(struct nj_span a, struct nj_span b)
{
    a = shortest_ip(a);
    b = shortest_ip(b);
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static bool matches_ip(const struct nj_cert *cert, struct nj_span ip)
{
    for (size_t i = 0; i < cert->sans_n; i++) {
        if (cert->sans[i].kind == NJ_SAN_IP && same_ip(cert->sans[i].value, ip)) {
            return true;
        }
    }
    return false;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Take the label up to the next dot; false when there is none left. */
static bool take_label(struct nj_span *rest, bool *more, struct nj_span *label_out)
{
    if (!*more) {
        return false;
    }
    const uint8_t *dot = rest->len > 0 ? memchr(rest->ptr, '.', rest->len) : NULL;
    size_t len = dot != NULL ? (size_t) (dot - rest->ptr) : rest->len;
    size_t step = dot != NULL ? len + 1 : len;
    *label_out = (struct nj_span){ rest->ptr, len };
    *rest = (struct nj_span){ step > 0 ? rest->ptr + step : rest->ptr, rest->len - step };
    *more = dot != NULL;
    return true;
}

static bool is_star(struct nj_span label)
{
    return label.len == 1 && label.ptr[0] == '*';
}

static bool valid_label(struct nj_span label)
{
    for (size_t i = 0; i < label.len; i++) {
        char c = lower((char) label.ptr[i]);
        bool fine =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c == '-' && i > 0);
        if (!fine) {
            return false;
        }
    }
    return label.len > 0;
}

/* `stars`: 1 when the left-most label may be `*`. */
static bool valid_name(struct nj_span name, int stars)
{
    struct nj_span label;
    bool more = true;
    for (int i = 0; take_label(&name, &more, &label); i++) {
        bool star = i < stars && more && is_star(label);
        if (!star && !valid_label(label)) {
            return false;
        }
    }
    return true;
}

/* Label by label; `*` as first label of the pattern stands for one label. */
static bool matches_pattern(struct nj_span pattern, struct nj_span host)
{
    struct nj_span theirs, ours;
    bool more_theirs = true;
    bool more_ours = true;
    for (int i = 0; take_label(&pattern, &more_theirs, &theirs); i++) {
        if (!take_label(&host, &more_ours, &ours) ||
            (!(i == 0 && is_star(theirs)) && !same_text(theirs, ours))) {
            return false;
        }
    }
    return !more_ours;
}

static bool matches_exactly(struct nj_span san, struct nj_span host)
{
    bool nothing = host.len == 0 || (host.len == 1 && host.ptr[0] == '.');
    return !nothing && same_text(san, host);
}

static bool matches_dns(const struct nj_cert *cert, struct nj_span host)
{
    struct nj_span bare = without_final_dot(host);
    bool host_valid = valid_name(bare, 0);
    for (size_t i = 0; i < cert->sans_n; i++) {
        struct nj_span san = cert->sans[i].value;
        if (cert->sans[i].kind != NJ_SAN_DNS) {
            continue;
        }
        /* Odd names (not of letters, digits, '-', '_') count when they are equal, no more. */
        bool found = host_valid && valid_name(san, 1) ? matches_pattern(san, bare)
                                                      : matches_exactly(san, host);
        if (found) {
            return true;
        }
    }
    return false;
}

bool nj_name_matches(const struct nj_cert *cert, const char *host)
{
    uint8_t ip[16];
    size_t ip_len = nj_name_ip(host, ip);
    if (ip_len > 0) {
        return matches_ip(cert, (struct nj_span){ ip, ip_len });
    }
    struct nj_span name = span_of(host);
    return name.len <= HOST_MAX && matches_dns(cert, name);
}

/* ---- words ----------------------------------------------------------------------------------- */

static int put_san(const struct nj_san *san, struct nj_buf *out)
{
    char text[INET6_ADDRSTRLEN];
    if (san->kind != NJ_SAN_IP) {
        return nj_put_visible(san->value, out);
    }
    struct nj_span ip = shortest_ip(san->value);
    const char *s = inet_ntop(ip.len == 4 ? AF_INET : AF_INET6, ip.ptr, text, sizeof(text));
    return nj_buf_puts(out, s != NULL ? s : "?");
}

static int put_list(const struct nj_cert *cert, enum nj_san_kind kind, struct nj_buf *out)
{
    const char *separator = "";
    int rc = NJ_OK;
    for (size_t i = 0; rc == NJ_OK && i < cert->sans_n; i++) {
        if (cert->sans[i].kind == kind) {
            rc = nj_buf_puts(out, separator);
            if (rc == NJ_OK) {
                rc = put_san(&cert->sans[i], out);
            }
            separator = ", ";
        }
    }
    return rc;
}

static bool common_name_would_match(const struct nj_cert *cert, const char *host)
{
    struct nj_buf cn;
    nj_buf_init(&cn, HOST_MAX);
    bool found = !cert->has_san_extension && nj_cert_common_name(cert, &cn) == NJ_OK &&
                 cn.len > 0 &&
                 matches_pattern((struct nj_span){ (const uint8_t *) cn.ptr, cn.len },
                                 without_final_dot(span_of(host)));
    nj_buf_free(&cn);
    return found;
}

int nj_name_mismatch_text(const struct nj_cert *cert, const char *host, struct nj_buf *out)
{
    uint8_t ip[16];
    bool is_ip = nj_name_ip(host, ip) > 0;
    enum nj_san_kind kind = is_ip ? NJ_SAN_IP : NJ_SAN_DNS;
    size_t n = nj_cert_count_sans(cert, kind);
    if (common_name_would_match(cert, host)) {
        return nj_buf_puts(out, "x509: certificate relies on legacy Common Name field, use SANs "
                                "instead");
    }
    if (n == 0 && is_ip) {
        return nj_buf_printf(out,
                             "x509: cannot validate certificate for %s because it doesn't contain "
                             "any IP SANs",
                             host);
    }
    if (n == 0) {
        return nj_buf_printf(
            out, "x509: certificate is not valid for any names, but wanted to match %s", host);
    }
    if (n >= NAMES_IN_TEXT) {
        return nj_buf_printf(out, "x509: certificate is valid for %zu %s, but none matched %s", n,
                             is_ip ? "IP SANs" : "names", host);
    }
    int rc = nj_buf_puts(out, "x509: certificate is valid for ");
    if (rc == NJ_OK) {
        rc = put_list(cert, kind, out);
    }
    return rc == NJ_OK ? nj_buf_printf(out, ", not %s", host) : rc;
}
