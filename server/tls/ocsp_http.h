/* ocsp_http.h: the little HTTP that responders speak: their addresses and their answers.  Pure. */
#ifndef NJ_TLS_OCSP_HTTP_H
#define NJ_TLS_OCSP_HTTP_H
#include <stdbool.h>
#include <stddef.h>

#include "natterjack/plugin.h"

struct nj_buf;

#define NJ_OCSP_URL_MAX 1024

/* A responder's address, taken apart. */
struct nj_ocsp_url {
    char host[256]; /* without brackets */
    char port[8];
    char authority[272]; /* for the Host field: as written */
    char path[NJ_OCSP_URL_MAX]; /* begins with / and does not end with one, or is empty */
};

/* "http://host:port/path".  NJ_OK, or NJ_E_INVALID / NJ_E_UNSUPPORTED with words. */
int nj_ocsp_url_read(const char *url, struct nj_ocsp_url *out, struct nj_error *err);

/* How far an answer has come. */
enum nj_ocsp_http { NJ_OCSP_HTTP_MORE, NJ_OCSP_HTTP_DONE, NJ_OCSP_HTTP_BAD };

/*
 * Read what has come of an HTTP/1.x answer; `ended`: nothing more will.  With DONE *status_out is
 * its number and the body is appended to `body`.  Any bytes are safe.
 */
enum nj_ocsp_http nj_ocsp_http_read(struct nj_span bytes, bool ended, int *status_out,
                                    struct nj_buf *body);

#endif
