/*
 * The configuration language (conf/conf.h): what parses prints as JSON that another reader takes,
 * the same each time, whether it came from memory or from a file.
 *
 * Input: see FUZZ_FILE in fuzz.h.
 */
#include "conf/conf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "natterjack/plugin.h"
#include "tests/fuzz/fuzz.h"

enum { JSON_MOST = 8 << 20, PRINT_MOST = 1 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;
    (void) clearenv();
    (void) setenv("NUMBER", "17", 1);
    (void) setenv("WORD", "a word", 1);
    (void) setenv("MAP", "{ a: 1, b: [ x, $NUMBER ] }", 1);
    (void) setenv("SELF", "$SELF", 1);
    (void) setenv("BROKEN", "{ a: ", 1);
    return 0;
}

static void check_position(const struct nj_conf_value *v)
{
    FUZZ_CHECK(v->file == NULL || v->line < 1U << 30, "line %u", v->line);
    FUZZ_CHECK(nj_conf_type_name(v->type) != NULL, "type %d has no name", (int) v->type);
}

static void walk(const struct nj_conf_value *v)
{
    check_position(v);
    if (v->type == NJ_CONF_STRING) {
        FUZZ_CHECK(v->as.str.ptr[v->as.str.len] == '\0', "a string without NUL");
    }
    for (size_t i = 0; v->type == NJ_CONF_LIST && i < v->as.list->count; i++) {
        check_position(&v->as.list->items[i]);
    }
    for (size_t i = 0; v->type == NJ_CONF_MAP && i < v->as.map->count; i++) {
        const struct nj_conf_member *m = &v->as.map->members[i];
        FUZZ_CHECK(m->key[m->key_len] == '\0', "a key without NUL");
        if (strlen(m->key) == m->key_len) {
            FUZZ_CHECK(nj_conf_get(v->as.map, m->key) == &m->value, "key %s is not found", m->key);
        }
        check_position(&m->value);
    }
}

static void check_json(const struct nj_buf *json)
{
    /* As in Go, a large float has no point, and keys may become alike when they are no UTF-8. */
    size_t flags = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_error_t err;
    json_t *tree = json_loadb(json->ptr, json->len, flags, &err);
    /* A NUL in a key is good JSON, but not for jansson. */
    FUZZ_CHECK(tree != NULL || json_error_code(&err) == json_error_null_byte_in_key,
               "no JSON: %s at %d in %.*s", err.text, err.position, (int) json->len, json->ptr);
    json_decref(tree);
}

static void look_at(const struct nj_conf *conf, struct nj_buf *json)
{
    const struct nj_conf_value *root = nj_conf_root(conf);
    struct nj_buf again, print;
    nj_buf_init(&again, JSON_MOST);
    nj_buf_init(&print, PRINT_MOST);
    walk(root);
    nj_conf_print(root, &print);
    if (nj_conf_json(root, json) == NJ_OK) {
        FUZZ_CHECK(nj_conf_json(root, &again) == NJ_OK, "the second JSON fails");
        fuzz_same(json, &again, "two digests");
        check_json(json);
    }
    nj_buf_free(&again);
    nj_buf_free(&print);
}

static int parse(bool from_file, const uint8_t *text, size_t len, struct nj_buf *json,
                 struct nj_buf *why)
{
    struct nj_conf *conf = NULL;
    fuzz_files_set(text, len);
    int rc;
    if (from_file) {
        rc = nj_conf_parse_file(FUZZ_FILE, &conf, why);
    } else {
        struct fuzz_in first = fuzz_files_first();
        char *copy = (char *) fuzz_copy(first.ptr, first.len);
        rc = nj_conf_parse_text(FUZZ_FILE, copy, first.len, &conf, why);
        free(copy); /* the tree keeps nothing of it */
    }
    FUZZ_CHECK((rc == NJ_OK) == (conf != NULL), "result %d with%s a tree", rc,
               conf == NULL ? "out" : "");
    FUZZ_CHECK((rc == NJ_OK) == (why->len == 0), "result %d with the words \"%s\"", rc,
               why->ptr == NULL ? "" : why->ptr);
    if (conf != NULL) {
        look_at(conf, json);
    }
    nj_conf_free(&conf);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct nj_buf a, b, why_a, why_b;
    nj_buf_init(&a, JSON_MOST);
    nj_buf_init(&b, JSON_MOST);
    nj_buf_init(&why_a, SIZE_MAX);
    nj_buf_init(&why_b, SIZE_MAX);
    int rc_a = parse(true, data, len, &a, &why_a);
    int rc_b = parse(false, data, len, &b, &why_b);
    FUZZ_CHECK(rc_a == rc_b, "a file gives %d, the same text %d", rc_a, rc_b);
    fuzz_same(&a, &b, "file and text");
    fuzz_same(&why_a, &why_b, "the words for file and text");
    nj_buf_free(&a);
    nj_buf_free(&b);
    nj_buf_free(&why_a);
    nj_buf_free(&why_b);
    return 0;
}
