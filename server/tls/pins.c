#include "tls/pins.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tls/cert.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_pin(const char *hex, uint8_t *out)
{
    if (strnlen(hex, NJ_PIN_HEX_LEN + 1) != NJ_PIN_HEX_LEN) {
        return false;
    }
    for (size_t i = 0; i < NJ_PIN_LEN; i++) {
        int high = hex_value(hex[2 * i]);
        int low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}

static void write_pin(const uint8_t *pin, char *hex_out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < NJ_PIN_LEN; i++) {
        hex_out[2 * i] = digits[pin[i] >> 4];
        hex_out[2 * i + 1] = digits[pin[i] & 15];
    }
    hex_out[NJ_PIN_HEX_LEN] = '\0';
}

static int compare_pins(const void *a, const void *b)
{
    return memcmp(a, b, NJ_PIN_LEN);
}

static void drop_doubles(struct nj_pins *pins)
{
    size_t kept = 0;
    for (size_t i = 0; i < pins->n; i++) {
        if (kept == 0 || memcmp(pins->pins[kept - 1], pins->pins[i], NJ_PIN_LEN) != 0) {
            memmove(pins->pins[kept++], pins->pins[i], NJ_PIN_LEN);
        }
    }
    pins->n = kept;
}

int nj_pins_init(struct nj_pins *pins, const char (*hex)[NJ_PIN_HEX_LEN + 1], size_t n,
                 struct nj_error *err)
{
    *pins = (struct nj_pins){ .pins = nj_calloc(n, NJ_PIN_LEN) };
    for (size_t i = 0; i < n; i++) {
        if (!read_pin(hex[i], pins->pins[i])) {
            nj_pins_fini(pins);
            return nj_error_set(err, NJ_E_INVALID,
                                "error parsing tls config, 'pinned_certs' key %.64s does not "
                                "look like hex-encoded sha256 of DER encoded SubjectPublicKeyInfo",
                                hex[i]);
        }
    }
    pins->n = n;
    if (n > 0) {
        qsort(pins->pins, n, NJ_PIN_LEN, compare_pins);
    }
    drop_doubles(pins);
    return NJ_OK;
}

void nj_pins_fini(struct nj_pins *pins)
{
    nj_dealloc(pins->pins);
    *pins = (struct nj_pins){ 0 };
}

/* All pins are looked at and every byte of each, so that the time tells nothing. */
static bool is_listed(const struct nj_pins *pins, const uint8_t *digest)
{
    unsigned found = 0;
    for (size_t i = 0; i < pins->n; i++) {
        unsigned differs = 0;
        for (size_t b = 0; b < NJ_PIN_LEN; b++) {
            differs |= (unsigned) (pins->pins[i][b] ^ digest[b]);
        }
        found |= (differs - 1U) >> 31; /* 1 when nothing differs */
    }
    return found != 0;
}

static int deny(struct nj_error *err)
{
    (void) nj_error_set(err, NJ_E_DENIED, "certificate not pinned");
    if (err != NULL) {
        err->cls = NJ_CLASS_POLICY;
    }
    return NJ_E_DENIED;
}

int nj_pins_check(const struct nj_pins *pins, struct nj_span leaf,
                  int (*hash)(uint32_t alg, const void *data, size_t len, uint8_t *out),
                  char key_id_out[NJ_PIN_HEX_LEN + 1], struct nj_error *err)
{
    struct nj_cert cert;
    uint8_t digest[NJ_PIN_LEN];
    if (key_id_out != NULL) {
        key_id_out[0] = '\0';
    }
    if (pins->n == 0) {
        return NJ_OK;
    }
    if (leaf.len == 0 || hash == NULL || nj_cert_init(&cert, leaf, NULL) < 0) {
        return deny(err);
    }
    int rc = hash(NJ_HASH_SHA256, cert.spki.ptr, cert.spki.len, digest);
    nj_cert_fini(&cert);
    if (rc < 0) {
        return deny(err);
    }
    if (key_id_out != NULL) {
        write_pin(digest, key_id_out);
    }
    return is_listed(pins, digest) ? NJ_OK : deny(err);
}
