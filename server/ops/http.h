/*
 * http.h: one HTTP/1.x connection of a server, bytes in and bytes out, without a socket.
 *
 * The owner of the socket feeds what arrived, asks for the next step, answers requests one by one
 * and writes what stands in `out`.  Pipelined requests wait in `in` until the one before is
 * answered.  Bodies are read and thrown away up to 256 KiB; a longer one ends the connection.
 * Any bytes are fine as input: what is no request gets an answer and the end.
 *
 *     nj_http_feed(&h, data, n);
 *     while (!stop) {
 *         switch (nj_http_next(&h)) {
 *         case NJ_HTTP_REQUEST: look at h.head; nj_http_answer(&h, &answer); break;
 *         case NJ_HTTP_MORE:    feed when there is more; stop
 *         case NJ_HTTP_END:     write h.out, then close; stop
 *         }
 *     }
 */
#ifndef NJ_OPS_HTTP_H
#define NJ_OPS_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ops/http_head.h"

enum {
    NJ_HTTP_HEAD_MAX = (1 << 20) + 4096, /* what Go grants for 1 MiB of header */
    NJ_HTTP_BODY_MAX = 256 << 10,
    NJ_HTTP_FEED_MAX = 64 << 10 /* most bytes for one nj_http_feed() */
};

enum nj_http_step {
    NJ_HTTP_MORE,    /* input is wanted */
    NJ_HTTP_REQUEST, /* head is complete and good: answer it */
    NJ_HTTP_END      /* nothing more will be read; write `out` and close */
};

enum nj_http_phase {
    NJ_HTTP_IDLE,    /* between requests, no byte of the next one is here */
    NJ_HTTP_IN_HEAD, /* a head has begun */
    NJ_HTTP_IN_BODY,
    NJ_HTTP_ANSWERING,
    NJ_HTTP_ENDED
};

struct nj_http {
    struct nj_buf out;        /* what has to be written; the owner takes it */
    struct nj_http_head head; /* good while ANSWERING */
    enum nj_http_phase phase;
    /* private */
    struct nj_buf in;
    size_t at;         /* first byte of `in` that is not used up */
    size_t scan;       /* from here on no line end was looked for */
    size_t line_start; /* of the line that is incomplete */
    bool has_line;     /* the request line is parsed */
    size_t fields_at;  /* where the header fields begin */
    bool lazy_body;    /* do not read the body, end the connection instead */
    int chunk_state;
    uint64_t body_left;
    size_t body_seen;
};

struct nj_http_answer {
    int status;
    const char *content_type; /* NULL: none */
    const char *location;     /* NULL: none */
    bool cors;                /* Access-Control-Allow-Origin: * */
    bool nosniff;
    const char *body;
    size_t body_len;
};

/* out_limit bounds what one answer may be, header included. */
void nj_http_init(struct nj_http *h, size_t out_limit);
void nj_http_fini(struct nj_http *h);

/*
 * Take up to NJ_HTTP_FEED_MAX bytes.  Only when nj_http_next() asked for more; otherwise stop
 * reading the socket.  After the end the bytes are dropped.
 */
void nj_http_feed(struct nj_http *h, const void *p, size_t len);
enum nj_http_step nj_http_next(struct nj_http *h);

/*
 * Queue the answer to the request that nj_http_next() gave.  An answer over the limit becomes a
 * 500 that says so (NJ_E_LIMIT), else NJ_OK.
 */
int nj_http_answer(struct nj_http *h, const struct nj_http_answer *a);

/* Is the request a HEAD, whose answer has no body? */
bool nj_http_is_head(const struct nj_http *h);

#endif
