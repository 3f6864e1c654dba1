/*
 * uri.h: a URI of a certificate in the text that user names are compared with.
 *
 * The reference takes the URI apart and puts it together again before it compares: the scheme
 * comes out in small letters, an empty fragment goes, and what may not stand in a path is escaped
 * (RFC 3986).  Which URIs are no URIs, and so make a certificate unreadable, is its choice as well.
 */
#ifndef NJ_TLS_URI_H
#define NJ_TLS_URI_H
#include "natterjack/plugin.h"

struct nj_buf;

/*
 * Appended to `out`, which may be NULL: then the URI is only judged.  NJ_OK; NJ_E_LIMIT; or
 * NJ_E_INVALID, and *why_out (may be NULL) is a few static words.
 */
int nj_uri_text(struct nj_span uri, struct nj_buf *out, const char **why_out);

#endif
