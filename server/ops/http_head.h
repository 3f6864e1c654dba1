/*
 * http_head.h: the head of an HTTP/1.x request: request line and header fields, judged with the
 * strictness of Go's net/http, so that a client sees the same answers as from the reference.
 */
#ifndef NJ_OPS_HTTP_HEAD_H
#define NJ_OPS_HTTP_HEAD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a request is not served.  The connection ends after the answer. */
enum nj_http_refusal {
    NJ_HTTP_FINE = 0,
    NJ_HTTP_BAD_REQUEST,
    NJ_HTTP_BAD_HEADER_NAME,
    NJ_HTTP_NO_HOST,
    NJ_HTTP_BAD_HOST,
    NJ_HTTP_HEAD_TOO_LARGE,
    NJ_HTTP_BAD_TRANSFER_ENCODING,
    NJ_HTTP_BAD_VERSION
};

struct nj_http_head {
    char *method;
    char *raw_path; /* as sent, without query; "" for the authority form and "a:b" */
    char *path;     /* percent-decoded; may hold NUL bytes, which no known path has */
    size_t path_len;
    char *query; /* as sent, without '?'; "" when absent */
    int major;
    int minor;
    bool close;            /* the connection ends after the answer */
    bool says_keep_alive;  /* HTTP/1.0 and kept */
    bool expects_continue; /* a body waits for "100 Continue" */
    bool expects_other;    /* an Expect that nobody knows */
    bool chunked;
    uint64_t body_len; /* when not chunked */
};

void nj_http_head_init(struct nj_http_head *h);
void nj_http_head_free(struct nj_http_head *h); /* empty afterwards */

/* `line` without its line end.  The line is only read. */
enum nj_http_refusal nj_http_parse_line(struct nj_http_head *h, const char *line, size_t len);

/* All header lines with their line ends, without the empty one.  Overwrites the bytes. */
enum nj_http_refusal nj_http_parse_fields(struct nj_http_head *h, char *fields, size_t len);

/*
 * Percent-decode: a fresh string (caller owns) with its length, or NULL when an escape is
 * malformed.  `plus` says whether '+' is a blank, as in queries.
 */
char *nj_http_unescape(const char *s, size_t len, bool plus, size_t *len_out);

/*
 * The path as a router wants it: a slash in front, no empty, "." or ".." parts; a slash at the end
 * stays.  The caller owns it.
 */
char *nj_http_clean_path(const char *path);

#endif
