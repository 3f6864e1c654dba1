/*
 * http_query.h: parameters of a query string, with the decoding rules and error texts of the
 * reference's monitoring port.
 */
#ifndef NJ_OPS_HTTP_QUERY_H
#define NJ_OPS_HTTP_QUERY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_buf;

/*
 * The first value of `key`, decoded; "" when absent.  The caller owns it.  A pair with a
 * malformed escape or a ';' does not exist.  A decoded NUL ends the value.
 */
char *nj_query_get(const char *query, const char *key);

/*
 * Decode an optional parameter.  Absent or empty leaves *v_out alone.  NJ_E_INVALID puts the text
 * for the 400 answer into `why`.
 */
int nj_query_bool(const char *query, const char *key, bool *v_out, struct nj_buf *why);
int nj_query_int(const char *query, const char *key, int64_t *v_out, struct nj_buf *why);
int nj_query_uint(const char *query, const char *key, uint64_t *v_out, struct nj_buf *why);

#endif
