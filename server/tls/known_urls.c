#include "tls/known_urls.h"

#include <stdint.h>
#include <string.h>

#include "tls/cert.h"
#include "tls/name.h"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c - 'A' + 'a') : c;
}

static bool same_text(struct nj_span a, struct nj_span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* From the first dot on; nothing when there is none. */
static struct nj_span behind_first_label(struct nj_span name)
{
    const uint8_t *dot = name.len > 0 ? memchr(name.ptr, '.', name.len) : NULL;
    size_t len = dot != NULL ? (size_t) (dot - name.ptr) : name.len;
    return (struct nj_span){ name.ptr + len, name.len - len };
}

static bool stands_for(struct nj_span san, struct nj_span host, bool is_address)
{
    bool star = san.len > 0 && san.ptr[0] == '*' && (san.len == 1 || san.ptr[1] == '.');
    if (!star || is_address) {
        return same_text(san, host);
    }
    return same_text(behind_first_label(san), behind_first_label(host));
}

static bool knows(const struct nj_cert *cert, const char *host)
{
    uint8_t ip[16];
    bool is_address = nj_name_ip(host, ip) > 0;
    const struct nj_span name = { (const uint8_t *) host, strlen(host) };
    for (size_t i = 0; i < cert->sans_n; i++) {
        if (cert->sans[i].kind == NJ_SAN_DNS && stands_for(cert->sans[i].value, name, is_address)) {
            return true;
        }
    }
    return false;
}

bool nj_known_urls_match(const struct nj_cert *cert, const char *const *hosts, size_t hosts_n)
{
    for (size_t i = 0; i < hosts_n; i++) {
        if (hosts[i][0] != '\0' && knows(cert, hosts[i])) {
            return true;
        }
    }
    return false;
}
