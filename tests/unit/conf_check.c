/*
 * conf_check.c: `SERVER -t -c FILE` without a server: the configuration front end alone, for
 * tests/corpus/config/run.py.  Prints and exits as the server does.
 *
 * There is no TLS provider here, so SHA-256 is done by hand (FIPS 180-4) and of certificate files
 * it is only checked that they can be read and have a PEM block of the right kind.
 *
 * usage: conf_check [-v] -t -c FILE      -v also prints what the start would refuse or ignore
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "natterjack/plugin.h"
#include "ops/options.h"

/* ---- SHA-256 -------------------------------------------------------------------------------- */

static const uint32_t round_keys[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void spread(uint32_t w[64], const uint8_t block[64])
{
    for (size_t i = 0; i < 16; i++) {
        const uint8_t *p = block + 4 * i;
        w[i] = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
    }
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
}

static void mix(uint32_t h[8], const uint8_t block[64])
{
    uint32_t w[64];
    uint32_t s[8];
    spread(w, block);
    memcpy(s, h, sizeof(s));
    for (size_t i = 0; i < 64; i++) {
        uint32_t e = ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25);
        uint32_t t = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_keys[i] + w[i];
        uint32_t a = ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22);
        uint32_t u = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t;
        s[0] = t + u;
    }
    for (size_t i = 0; i < 8; i++) {
        h[i] += s[i];
    }
}

static int sha256(void *user, const void *data, size_t len, uint8_t *out)
{
    uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    uint8_t tail[128] = { 0 };
    const uint8_t *p = data;
    size_t left = len;
    (void) user;
    for (; left >= 64; left -= 64, p += 64) {
        mix(h, p);
    }
    size_t tail_len = left < 56 ? 64 : 128;
    memcpy(tail, p, left);
    tail[left] = 0x80;
    for (size_t i = 0; i < 8; i++) {
        tail[tail_len - 1 - i] = (uint8_t) ((uint64_t) len * 8 >> (8 * i));
    }
    for (size_t i = 0; i < tail_len; i += 64) {
        mix(h, tail + i);
    }
    for (size_t i = 0; i < 32; i++) {
        out[i] = (uint8_t) (h[i / 4] >> (24 - 8 * (i % 4)));
    }
    return NJ_OK;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* NULL and the reason in err ("open x: no such file or directory"). */
static char *read_file(const char *path, struct nj_error *err)
{
    struct nj_buf b;
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        (void) nj_error_set(err, NJ_E_IO, "open %s: %s", path,
                            errno == ENOENT ? "no such file or directory" : strerror(errno));
        return NULL;
    }
    nj_buf_init(&b, SIZE_MAX);
    while ((n = fread(part, 1, sizeof(part), f)) > 0) {
        (void) nj_buf_append(&b, part, n);
    }
    (void) fclose(f);
    return nj_buf_take(&b);
}

/* Is there a PEM block whose label ends in `kind`? */
static int check_pem(const char *path, const char *kind, const char *what, struct nj_error *err)
{
    char *text = read_file(path, err);
    if (text == NULL) {
        return NJ_E_IO;
    }
    bool found = strstr(text, "-----BEGIN ") != NULL && strstr(text, kind) != NULL;
    nj_dealloc(text);
    return found ? NJ_OK
                 : nj_error_set(err, NJ_E_INVALID, "tls: failed to find any PEM data in %s input",
                                what);
}

static int check_pair(const char *cert, const char *key, struct nj_error *err)
{
    int rc = check_pem(cert, "CERTIFICATE-----", "certificate", err);
    return rc == NJ_OK ? check_pem(key, "KEY-----", "key", err) : rc;
}

static int check_tls(void *user, const struct nj_tls_block *b, const char *tls_provider,
                     struct nj_error *err)
{
    char prefix[96];
    (void) user;
    (void) tls_provider;
    if (b->cert_file != NULL && check_pair(b->cert_file, b->key_file, err) != NJ_OK) {
        nj_error_prefix(err, "error parsing X509 certificate/key pair");
        return NJ_E_INVALID;
    }
    for (size_t i = 0; i < b->certs_n; i++) {
        if (check_pair(b->certs[i].cert_file, b->certs[i].key_file, err) != NJ_OK) {
            (void) snprintf(prefix, sizeof(prefix),
                            "error parsing X509 certificate/key pair %zu/%zu", i + 1, b->certs_n);
            nj_error_prefix(err, prefix);
            return NJ_E_INVALID;
        }
    }
    if (b->ca_file != NULL) {
        int rc = check_pem(b->ca_file, "CERTIFICATE-----", "certificate", err);
        if (rc == NJ_E_INVALID) {
            return nj_error_set(err, rc, "failed to parse root ca certificate");
        }
        return rc;
    }
    return NJ_OK;
}

/* ---- the program ---------------------------------------------------------------------------- */

static void print_sentences(const char *what, char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void) fprintf(stderr, "%s: %s\n", what, list[i]);
    }
}

static int check(const char *path, bool verbose)
{
    static const struct nj_options_hooks hooks = { .sha256 = sha256, .check_tls = check_tls };
    struct nj_options o;
    struct nj_buf messages;
    nj_options_init(&o);
    nj_buf_init(&messages, SIZE_MAX);

    int rc = nj_options_load(path, &hooks, &o, &messages);
    bool good = rc == NJ_OK && messages.len == 0;
    if (good) {
        (void) fprintf(stderr, "conf_check: configuration file %s is valid (%s)\n", path,
                       o.config_digest);
    } else {
        (void) fprintf(stderr, "conf_check: ");
        (void) fwrite(messages.ptr, 1, messages.len, stderr);
        (void) fputc('\n', stderr);
    }
    if (verbose) {
        print_sentences("refused at start", o.unserved, o.unserved_n);
        print_sentences("ignored", o.ignored, o.ignored_n);
    }
    nj_buf_free(&messages);
    nj_options_free(&o);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            path = argv[++i];
        } else if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        }
    }
    if (path == NULL) {
        (void) fprintf(stderr, "conf_check: must specify [-c, --config] option to check "
                               "configuration file syntax\n");
        return EXIT_FAILURE;
    }
    return check(path, verbose);
}
