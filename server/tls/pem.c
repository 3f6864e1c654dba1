#include "tls/pem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/open_file.h"
#include "base/quote.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LABEL_MAX 64

/* ---- lines ----------------------------------------------------------------------------------- */

struct line {
    const char *ptr;
    size_t len; /* without the line's end and blanks before it */
};

static bool next_line(const char **at, const char *end, struct line *out)
{
    if (*at == end) {
        return false;
    }
    const char *newline = memchr(*at, '\n', (size_t) (end - *at));
    const char *stop = newline != NULL ? newline : end;
    *out = (struct line){ *at, (size_t) (stop - *at) };
    *at = newline != NULL ? newline + 1 : end;
    while (out->len > 0 && strchr(" \t\r", out->ptr[out->len - 1]) != NULL) {
        out->len--; /* a NUL byte ends it too: it cannot be part of a block */
    }
    return true;
}

/* "-----BEGIN X-----": the X. */
static bool take_label(struct line line, const char *start, struct line *label_out)
{
    size_t before = strlen(start);
    size_t after = strlen(DASHES);
    if (line.len < before + after || memcmp(line.ptr, start, before) != 0 ||
        memcmp(line.ptr + line.len - after, DASHES, after) != 0) {
        return false;
    }
    *label_out = (struct line){ line.ptr + before, line.len - before - after };
    return label_out->len <= LABEL_MAX;
}

static bool same_line(struct line a, struct line b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* ---- base64 ---------------------------------------------------------------------------------- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Blanks and line ends are skipped; padding is required.  `to` has room for len * 3 / 4 bytes. */
static bool decode_base64(const char *text, size_t len, uint8_t *to, size_t *len_out)
{
    uint32_t bits = 0;
    size_t chars = 0;
    size_t padding = 0;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (memchr(" \t\r\n", text[i], 4) != NULL) {
            continue;
        }
        int value = text[i] == '=' ? 0 : base64_value(text[i]);
        if (value < 0 || (padding > 0 && text[i] != '=')) {
            return false;
        }
        padding += text[i] == '=' ? 1 : 0;
        bits = bits << 6 | (uint32_t) value;
        if (++chars % 4 == 0) {
            to[n++] = (uint8_t) (bits >> 16);
            to[n++] = (uint8_t) (bits >> 8);
            to[n++] = (uint8_t) bits;
        }
    }
    if (chars % 4 != 0 || padding > 2 || padding > n) {
        return false;
    }
    *len_out = n - padding;
    return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* "Proc-Type: 4,ENCRYPTED" and the like: header lines before the base64 have a colon in them. */
static const char *skip_headers(const char *at, const char *end, bool *encrypted_out)
{
    struct line line;
    const char *body = at;
    while (next_line(&at, end, &line) && memchr(line.ptr, ':', line.len) != NULL) {
        if (memmem(line.ptr, line.len, "ENCRYPTED", 9) != NULL) {
            *encrypted_out = true;
        }
        body = at;
    }
    return body;
}

static void keep_block(struct nj_pem *pem, struct nj_pem_block block)
{
    /* Grow by doubling: the capacity is the next power of two of the count. */
    size_t n = pem->n;
    if ((n & (n - 1)) == 0) {
        pem->blocks = nj_realloc(pem->blocks, (n == 0 ? 1 : n * 2) * sizeof(*pem->blocks));
    }
    pem->blocks[pem->n++] = block;
}

static void read_block(struct nj_pem *pem, struct line label, const char *body, const char *end)
{
    struct nj_pem_block block = { 0 };
    body = skip_headers(body, end, &block.encrypted);
    size_t text_len = (size_t) (end - body);
    size_t cap = text_len / 4 * 3 + 3;
    block.der = nj_alloc(cap);
    if (!decode_base64(body, text_len, block.der, &block.len)) {
        nj_wipe(block.der, cap);
        nj_dealloc(block.der);
        return;
    }
    block.label = nj_strndup(label.ptr, label.len);
    block.encrypted |= strncmp(block.label, "ENCRYPTED ", 10) == 0;
    keep_block(pem, block);
}

int nj_pem_parse(struct nj_pem *pem, const char *text, size_t len, struct nj_error *err)
{
    const char *at = text;
    const char *end = text + len;
    const char *body = NULL; /* of the block that is open */
    struct line open = { 0 };
    struct line line, label;
    *pem = (struct nj_pem){ 0 };
    while (next_line(&at, end, &line)) {
        if (take_label(line, BEGIN, &label)) {
            open = label; /* one that was open before had no end: forget it */
            body = at;
        } else if (body != NULL && take_label(line, END, &label)) {
            if (same_line(open, label)) {
                read_block(pem, open, body, line.ptr);
            }
            body = NULL;
        }
        if (pem->n > NJ_PEM_MAX_BLOCKS) {
            nj_pem_fini(pem);
            return nj_error_set(err, NJ_E_LIMIT, "more than %d PEM blocks", NJ_PEM_MAX_BLOCKS);
        }
    }
    return NJ_OK;
}

void nj_pem_fini(struct nj_pem *pem)
{
    for (size_t i = 0; i < pem->n; i++) {
        nj_wipe(pem->blocks[i].der, pem->blocks[i].len);
        nj_dealloc(pem->blocks[i].der);
        nj_dealloc(pem->blocks[i].label);
    }
    nj_dealloc(pem->blocks);
    *pem = (struct nj_pem){ 0 };
}

/* ---- files ----------------------------------------------------------------------------------- */

static int read_error(struct nj_error *err, const char *path, int number)
{
    char words[128];
    return nj_error_set(err, NJ_E_IO, "read %s: %s", path,
                        nj_errno_text(number, words, sizeof(words)));
}

/* A buffer that may have held a key must not be left behind when it grows. */
static char *grow_wiped(char *old, size_t used, size_t cap)
{
    char *bigger = nj_alloc(cap);
    if (used > 0) {
        memcpy(bigger, old, used);
        nj_wipe(old, used);
    }
    nj_dealloc(old);
    return bigger;
}

/* Also from a pipe, so the size is not asked for.  On success the caller owns *text_out. */
static int read_all(int fd, const char *path, size_t limit, char **text_out, size_t *len_out,
                    struct nj_error *err)
{
    size_t cap = 16384;
    size_t len = 0;
    int rc = NJ_OK;
    char *text = nj_alloc(cap);
    for (;;) {
        ssize_t n = read(fd, text + len, cap - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rc = read_error(err, path, errno);
        }
        if (n <= 0) {
            break;
        }
        len += (size_t) n;
        if (len > limit) {
            rc = nj_error_set(err, NJ_E_LIMIT, "read %s: larger than %zu bytes", path, limit);
            break;
        }
        if (len == cap) {
            cap *= 2;
            text = grow_wiped(text, len, cap);
        }
    }
    if (rc < 0) {
        nj_wipe(text, len);
        nj_dealloc(text);
        return rc;
    }
    *text_out = text;
    *len_out = len;
    return NJ_OK;
}

int nj_pem_load_file(struct nj_pem *pem, const char *path, size_t limit, struct nj_error *err)
{
    char *text = NULL;
    size_t len = 0;
    *pem = (struct nj_pem){ 0 };
    char words[128];
    int fd = nj_open_to_read(path, words, sizeof(words));
    if (fd < 0) {
        return nj_error_set(err, NJ_E_IO, "open %s: %s", path, words);
    }
    int rc = read_all(fd, path, limit, &text, &len, err);
    if (rc == NJ_OK) {
        rc = nj_pem_parse(pem, text, len, err);
        if (rc < 0) {
            nj_error_prefix(err, path);
        }
        nj_wipe(text, len);
        nj_dealloc(text);
    }
    (void) close(fd);
    return rc;
}

/* ---- what is in it --------------------------------------------------------------------------- */

bool nj_pem_is_cert(const struct nj_pem_block *block)
{
    return strcmp(block->label, "CERTIFICATE") == 0;
}

bool nj_pem_is_key(const struct nj_pem_block *block)
{
    static const char tail[] = " PRIVATE KEY";
    size_t len = strlen(block->label);
    size_t tail_len = sizeof(tail) - 1;
    return strcmp(block->label, tail + 1) == 0 ||
           (len > tail_len && strcmp(block->label + len - tail_len, tail) == 0);
}

/* "[EC PARAMETERS FOO]": the labels that were passed over. */
static void put_labels(const struct nj_pem *pem, struct nj_buf *out)
{
    (void) nj_buf_putc(out, '[');
    for (size_t i = 0; i < pem->n; i++) {
        (void) nj_buf_printf(out, "%s%s", i > 0 ? " " : "", pem->blocks[i].label);
    }
    (void) nj_buf_putc(out, ']');
}

static int none_found(const struct nj_pem *pem, const char *text, struct nj_error *err)
{
    struct nj_buf labels;
    nj_buf_init(&labels, sizeof(err->text)); /* past the limit: cut off */
    put_labels(pem, &labels);
    int rc = nj_error_set(err, NJ_E_INVALID,
                          "%s after skipping PEM blocks of the following "
                          "types: %s",
                          text, labels.ptr);
    nj_buf_free(&labels);
    return rc;
}

int nj_pem_count_certs(const struct nj_pem *pem, size_t *n_out, struct nj_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < pem->n; i++) {
        n += nj_pem_is_cert(&pem->blocks[i]) ? 1 : 0;
    }
    if (n > 0) {
        *n_out = n;
        return NJ_OK;
    }
    if (pem->n == 0) {
        return nj_error_set(err, NJ_E_INVALID,
                            "tls: failed to find any PEM data in certificate input");
    }
    if (pem->n == 1 && nj_pem_is_key(&pem->blocks[0])) {
        return nj_error_set(err, NJ_E_INVALID,
                            "tls: failed to find certificate PEM data in certificate input, but "
                            "did find a private key; PEM inputs may have been switched");
    }
    return none_found(pem, "tls: failed to find \"CERTIFICATE\" PEM block in certificate input",
                      err);
}

int nj_pem_find_key(const struct nj_pem *pem, const struct nj_pem_block **key_out,
                    struct nj_error *err)
{
    for (size_t i = 0; i < pem->n; i++) {
        if (nj_pem_is_key(&pem->blocks[i])) {
            *key_out = &pem->blocks[i];
            return NJ_OK;
        }
    }
    if (pem->n == 0) {
        return nj_error_set(err, NJ_E_INVALID, "tls: failed to find any PEM data in key input");
    }
    if (pem->n == 1 && nj_pem_is_cert(&pem->blocks[0])) {
        return nj_error_set(err, NJ_E_INVALID,
                            "tls: found a certificate rather than a key in the "
                            "PEM for the private key");
    }
    return none_found(
        pem, "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input", err);
}
