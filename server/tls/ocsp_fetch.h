/*
 * ocsp_fetch.h: an OCSP request to a responder over plain HTTP (RFC 6960 appendix A), and back.
 *
 * Blocks, within a limit of time: for helper threads and the start, never for a worker.  Answers
 * are signed, so http is all that is spoken; a responder behind https is refused.  The answer is
 * taken as bytes: who judges it is ocsp.h; the reading of HTTP is in ocsp_http.h.
 */
#ifndef NJ_TLS_OCSP_FETCH_H
#define NJ_TLS_OCSP_FETCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "natterjack/plugin.h"

struct nj_buf;

struct nj_ocsp_fetch {
    const char *url;        /* of the responder; a / at its end does not count */
    struct nj_span request; /* DER */
    int64_t timeout_ms;     /* for each of the two tries, looking up the name included */
    bool get_only;          /* no POST first */
    int cancel_fd;          /* readable: give up; -1: never */
};

/*
 * By POST, unless get_only; when that brings no answer with status 200, by GET.  NJ_OK with the body appended to
 * `answer`, else NJ_E_IO (or what nj_ocsp_url_read() gave) and both reasons appended to `why`, one
 * a line, in the reference's words:
 *   Post "http://127.0.0.1:9": dial tcp 127.0.0.1:9: connect: connection refused
 *   non-ok http status on POST request (reqlen=69): 404
 */
int nj_ocsp_fetch(const struct nj_ocsp_fetch *f, struct nj_buf *answer, struct nj_buf *why);

#endif
