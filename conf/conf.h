/*
 * conf.h: the configuration language: text to a tree of maps, lists and scalars.
 *
 * The language is the one of the reference server, its odd corners included, because existing
 * files (and the digest printed of them) must mean the same here.  In short:
 *
 *     port: 4222                       # key, ":" or "=" or a blank, value; one entry per line
 *     authorization { user: a, pass: $PASS }
 *     include "more.conf"              # relative to the including file
 *     size: 64mb                       # 64 * 1024 * 1024; "64m" is 64 * 1000 * 1000
 *     text: (                          # a block, as it stands
 *     line
 *     )
 *
 * Variables ($NAME) are looked up among the keys read before in the maps that are open, innermost
 * first, and then in the environment.  Durations are strings for this layer.
 *
 * Every value knows its file, line and column, so that what is wrong with it can be said where a
 * person finds it.  The column is the byte offset from the line break before (so the first byte of
 * a line is 1), except on line 1, where the offset is from the beginning of the file (0).  A map
 * member stands where its key stands.
 *
 * A tree is immutable once parsed and may then be read by any thread.  Everything in it lives as
 * long as the `struct nj_conf` it came from; nj_conf_free() overwrites it before giving it back,
 * since configurations hold passwords.
 */
#ifndef NJ_CONF_CONF_H
#define NJ_CONF_CONF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_buf;
struct nj_conf; /* one parsed file with all that it included */

/* Bounds that the reference does not have. */
#define NJ_CONF_MAX_FILE (UINT64_C(64) << 20) /* bytes of one file */
#define NJ_CONF_MAX_NESTING 512               /* maps and lists inside each other */
#define NJ_CONF_MAX_INCLUDES 64               /* files including each other */
#define NJ_CONF_MAX_JSON ((size_t) 512 << 20) /* bytes of canonical JSON */

enum nj_conf_type {
    NJ_CONF_STRING = 1,
    NJ_CONF_BOOL,
    NJ_CONF_INT,
    NJ_CONF_FLOAT,
    NJ_CONF_DATE,
    NJ_CONF_LIST,
    NJ_CONF_MAP
};

struct nj_conf_list;
struct nj_conf_map;

struct nj_conf_value {
    enum nj_conf_type type;
    bool used_as_variable; /* a later $NAME took this value: such a key is never "unknown" */
    bool from_env;         /* came, itself or around it, from the environment */
    const char *file;      /* NULL inside a value of the environment: it has no position */
    uint32_t line;
    uint32_t col;
    union {
        struct {
            const char *ptr; /* NUL-terminated; may hold NUL bytes (\x00) before that */
            size_t len;
        } str;
        bool boolean;
        int64_t integer;
        double real;
        int64_t date_s; /* seconds since 1970 UTC */
        const struct nj_conf_list *list;
        const struct nj_conf_map *map;
    } as;
};

struct nj_conf_member {
    const char *key; /* as spelled; NUL-terminated */
    size_t key_len;
    struct nj_conf_value value;
};

struct nj_conf_list {
    struct nj_conf_value *items; /* in source order */
    size_t count;
};

struct nj_conf_map {
    struct nj_conf_member *members; /* in source order; a key given again keeps its first place */
    size_t count;
};

/*
 * Read and parse a file.  On failure nothing is kept and `why` (appended to) holds the sentence
 * without a prefix or newline: "Parse error on line 3: 'Unexpected EOF.'",
 * "open x.conf: no such file or directory".
 * Returns NJ_OK, NJ_E_IO (cannot be read), NJ_E_INVALID (wrong content) or NJ_E_LIMIT.
 */
int nj_conf_parse_file(const char *path, struct nj_conf **conf_out, struct nj_buf *why);

/* The same for bytes in memory; `name` stands in positions, includes are relative to its folder. */
int nj_conf_parse_text(const char *name, const char *text, size_t len, struct nj_conf **conf_out,
                       struct nj_buf *why);

void nj_conf_free(struct nj_conf **conf);

/* The top level: always a map, maybe empty.  Its own line is 0. */
const struct nj_conf_value *nj_conf_root(const struct nj_conf *conf);

/* A member by its spelling (case matters), NULL when there is none. */
const struct nj_conf_value *nj_conf_get(const struct nj_conf_map *map, const char *key);

/*
 * Append canonical JSON: keys sorted by their bytes, no blanks, as Go's encoding/json prints it.
 * The digest of a configuration is SHA-256 over this and one "\n".
 * NJ_OK, or NJ_E_LIMIT when the buffer's limit was reached (the buffer is then incomplete).
 */
int nj_conf_json(const struct nj_conf_value *v, struct nj_buf *out);

/* "sha256:" and 64 hex digits and NUL. */
#define NJ_CONF_DIGEST_LEN (7 + 64 + 1)

/*
 * Hash `len` bytes into out[32].  This room knows no cryptography: the caller brings it (the
 * `hash` of a TLS provider).  Returns NJ_OK or a negative result.
 */
typedef int (*nj_conf_sha256_fn)(void *user, const void *data, size_t len, uint8_t *out);

int nj_conf_digest(const struct nj_conf *conf, nj_conf_sha256_fn sha256, void *user,
                   char digest_out[NJ_CONF_DIGEST_LEN]);

/* Go's name of the type, as messages use it: "int64", "[]interface {}". */
const char *nj_conf_type_name(enum nj_conf_type type);

/* Append the value as Go's %v prints it: `abc`, `[a b]`, `map[k:v]` with sorted keys. */
void nj_conf_print(const struct nj_conf_value *v, struct nj_buf *out);

#endif
