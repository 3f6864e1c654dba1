/*
 * json.h: writes JSON the way the NATS tools know it, straight into a buffer.
 *
 * The rules are those of Go's encoding/json: strings are escaped for HTML (< > & as \u003c \u003e
 * \u0026), U+2028 and U+2029 are escaped, every byte that is no UTF-8 becomes \ufffd, floats come
 * in the shortest form that reads back, an empty array is [].  Keys stand in the order of the
 * calls.  Belongs to one thread, like the buffer.
 *
 *     struct nj_json j;
 *     nj_json_init(&j, &out, 2);
 *     nj_json_object(&j, NULL);
 *     nj_json_str(&j, "status", "ok");
 *     nj_json_end(&j);
 *     rc = nj_json_finish(&j);
 *
 * `key` is NULL for the outermost value and for the elements of an array.  The first failure (the
 * buffer's limit) makes all later calls do nothing and is what nj_json_finish() returns, so only
 * that one needs a test.  Unbalanced calls are our own bug and stop at an assert.
 */
#ifndef NJ_BASE_JSON_H
#define NJ_BASE_JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_buf;

enum { NJ_JSON_MAX_DEPTH = 64 };

struct nj_json {
    struct nj_buf *out; /* borrowed */
    unsigned indent;    /* blanks per level; 0 = compact */
    unsigned depth;
    uint64_t arrays; /* bit n: the container at depth n+1 is an array */
    bool filled;     /* the current container has a member */
    int rc;
};

void nj_json_init(struct nj_json *j, struct nj_buf *out, unsigned indent);
/* NJ_OK or NJ_E_LIMIT. */
int nj_json_finish(struct nj_json *j);

void nj_json_object(struct nj_json *j, const char *key);
void nj_json_array(struct nj_json *j, const char *key);
void nj_json_end(struct nj_json *j); /* of the innermost object or array */

void nj_json_str(struct nj_json *j, const char *key, const char *s); /* NULL prints "" */
void nj_json_strn(struct nj_json *j, const char *key, const char *s, size_t len);
void nj_json_int(struct nj_json *j, const char *key, int64_t v);
void nj_json_uint(struct nj_json *j, const char *key, uint64_t v);
void nj_json_float(struct nj_json *j, const char *key, double v); /* not finite prints null */
void nj_json_bool(struct nj_json *j, const char *key, bool v);
void nj_json_null(struct nj_json *j, const char *key);
void nj_json_time(struct nj_json *j, const char *key, int64_t wall_ns); /* RFC 3339, UTC */

/* "omitempty": nothing is written for NULL, "", 0, false. */
void nj_json_opt_str(struct nj_json *j, const char *key, const char *s);
void nj_json_opt_int(struct nj_json *j, const char *key, int64_t v);
void nj_json_opt_uint(struct nj_json *j, const char *key, uint64_t v);
void nj_json_opt_float(struct nj_json *j, const char *key, double v);
void nj_json_opt_bool(struct nj_json *j, const char *key, bool v);
void nj_json_opt_time(struct nj_json *j, const char *key, int64_t wall_ns);
void nj_json_opt_strs(struct nj_json *j, const char *key, char *const *list, size_t n);

/* The bare tokens, for writers with an own idea of structure.  NJ_OK or NJ_E_LIMIT. */
int nj_json_quote(struct nj_buf *out, const char *s, size_t len);
/* `buf` takes up to 32 bytes with the NUL.  Returns buf.  Finite numbers only. */
char *nj_json_float_text(double v, char *buf, size_t cap);

#endif
