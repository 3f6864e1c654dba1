/* file.c: configurations from files and memory; includes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/open_file.h"
#include "base/quote.h"
#include "conf/goconv.h"
#include "conf/parser.h"
#include "natterjack/plugin.h"

static int parse_named(const char *path, const struct nj_parser *from, struct nj_conf **conf_out,
                       struct nj_buf *why);

/* ---- includes ------------------------------------------------------------------------------- */

static int include_failed(struct nj_parser *p, const char *path, const char *inner)
{
    (void) nj_buf_printf(p->lx.why, "error parsing include file '%s', %s", path, inner);
    return NJ_E_INVALID;
}

/* Put the members of a file into the map that is open here. */
static void merge(struct nj_parser *p, struct nj_level *at, struct nj_conf **from)
{
    const struct nj_conf_map *m = nj_conf_root(*from)->as.map;
    for (size_t i = 0; i < m->count; i++) {
        nj_tree_map_put(at->map, m->members[i].key, m->members[i].key_len, &m->members[i].value);
    }
    nj_tree_absorb(p->conf, from);
    p->after_key = false;
}

int nj_parser_include(struct nj_parser *p, struct nj_level *at)
{
    struct nj_token tok;
    nj_lex_skip(&p->lx);
    int rc = nj_lex_include(&p->lx, &tok);
    if (rc != NJ_OK) {
        return rc;
    }
    char *name = nj_strndup(tok.text, tok.len);
    char *path = nj_go_path_join(p->dir, name);
    struct nj_conf *conf = NULL;
    struct nj_buf inner;
    nj_buf_init(&inner, SIZE_MAX);
    if (p->includes + 1 > NJ_CONF_MAX_INCLUDES) {
        rc = include_failed(p, name, "include nesting too deep");
    } else if (parse_named(path, p, &conf, &inner) == NJ_OK) {
        merge(p, at, &conf);
    } else {
        rc = include_failed(p, name, inner.ptr);
    }
    nj_buf_free(&inner);
    nj_dealloc(path);
    nj_dealloc(name);
    return rc;
}

/* ---- texts and files -------------------------------------------------------------------------- */

static int parse_as(const char *name, const char *text, size_t len, const struct nj_parser *from,
                    struct nj_conf **conf_out, struct nj_buf *why)
{
    struct nj_conf *conf = nj_tree_new();
    struct nj_parser p = {
        .conf = conf,
        .file = nj_tree_text(conf, name, strlen(name)),
        .dir = nj_go_path_dir(name),
        .nesting = from == NULL ? 0 : from->nesting,
        .includes = from == NULL ? 0 : from->includes + 1,
    };
    int rc = nj_parser_run(&p, text, len, why);
    if (rc != NJ_OK) {
        nj_conf_free(&conf);
        return rc;
    }
    *conf_out = conf;
    return NJ_OK;
}

int nj_conf_parse_text(const char *name, const char *text, size_t len, struct nj_conf **conf_out,
                       struct nj_buf *why)
{
    return parse_as(name, text, len, NULL, conf_out, why);
}

static int read_failed(struct nj_buf *why, const char *path, int number)
{
    char words[128];
    (void) nj_buf_printf(why, "read %s: %s", path, nj_errno_text(number, words, sizeof(words)));
    return NJ_E_IO;
}

static int read_all(int fd, const char *path, struct nj_buf *out, struct nj_buf *why)
{
    for (;;) {
        char *to = nj_buf_reserve(out, 65536);
        if (to == NULL) {
            (void) nj_buf_printf(why, "%s is larger than %u MiB", path,
                                 (unsigned) (NJ_CONF_MAX_FILE >> 20));
            return NJ_E_LIMIT;
        }
        ssize_t n = read(fd, to, 65536);
        if (n == 0) {
            return NJ_OK;
        }
        if (n > 0) {
            out->len += (size_t) n;
        } else if (errno != EINTR) {
            return read_failed(why, path, errno);
        }
    }
}

static int parse_named(const char *path, const struct nj_parser *from, struct nj_conf **conf_out,
                       struct nj_buf *why)
{
    struct nj_buf text;
    nj_buf_init(&text, NJ_CONF_MAX_FILE + 65536);
    char words[128];
    int fd = nj_open_to_read(path, words, sizeof(words));
    if (fd < 0) {
        (void) nj_buf_printf(why, "open %s: %s", path, words);
        return NJ_E_IO;
    }
    int rc = read_all(fd, path, &text, why);
    (void) close(fd);
    if (rc == NJ_OK) {
        rc = parse_as(path, text.ptr == NULL ? "" : text.ptr, text.len, from, conf_out, why);
    }
    nj_buf_wipe(&text);
    return rc;
}

int nj_conf_parse_file(const char *path, struct nj_conf **conf_out, struct nj_buf *why)
{
    return parse_named(path, NULL, conf_out, why);
}
