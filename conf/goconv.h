/*
 * goconv.h: numbers, durations and quoting in Go's words.
 *
 * Messages and digests are compared byte for byte with the reference server, which is written in
 * Go; what its standard library prints and reads is part of the contract.  Any thread, no state.
 */
#ifndef NJ_CONF_GOCONV_H
#define NJ_CONF_GOCONV_H
#include <stddef.h>
#include <stdint.h>

struct nj_buf;

#define NJ_RUNE_INVALID 0xFFFD /* what an invalid byte reads as */

/*
 * The rune at `s` (len > 0).  An invalid byte gives NJ_RUNE_INVALID with a width of 1; a real
 * U+FFFD has a width of 3.
 */
uint32_t nj_rune_decode(const char *s, size_t len, size_t *width_out);

/* Unicode white space (tab to carriage return, space, U+0085, U+00A0, U+1680, U+2000 ...). */
int nj_rune_is_space(uint32_t rune);

/*
 * A duration such as "1h30m", "-1.5s" or "0" to nanoseconds.  On failure NJ_E_INVALID and one
 * sentence is appended to `why`: `time: invalid duration "x"`.
 */
int nj_go_duration(const char *s, size_t len, int64_t *ns_out, struct nj_buf *why);

/* A float as encoding/json prints it: shortest digits that read back to the same value. */
void nj_go_float_json(struct nj_buf *out, double x);

/* A float as %v prints it. */
void nj_go_float_text(struct nj_buf *out, double x);

/* filepath.Clean, and filepath.Join of two parts.  The caller owns the result. */
char *nj_go_path_clean(const char *path);
char *nj_go_path_join(const char *dir, const char *name);
/* filepath.Dir: all but the last element, cleaned; "." when there is none. */
char *nj_go_path_dir(const char *path);

#endif
