/*
 * test_conf.c: the configuration language, on the corpus and on small texts.
 *
 * The corpus is found below NJ_TEST_SRCDIR (set by make check), else below the working directory.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "conf/goconv.h"
#include "natterjack/plugin.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/* ---- the corpus ----------------------------------------------------------------------------- */

static void enter_corpus(void)
{
    char path[4096];
    const char *top = getenv("NJ_TEST_SRCDIR");
    (void) snprintf(path, sizeof(path), "%s/tests/corpus/config", top == NULL ? "." : top);
    ck_assert_msg(chdir(path) == 0, "no corpus at %s", path);
}

/* The variables of env.list, whose lines are NAME=VALUE. */
static void enter_environment(void)
{
    char line[1024];
    FILE *f = fopen("env.list", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, '=');
        if (value != NULL) {
            *value = '\0';
            ck_assert_int_eq(setenv(line, value + 1, 1), 0);
        }
    }
    (void) fclose(f);
}

/* A table of the corpus: its rows, cut at tabs by next_row(). */
static char *read_table(const char *path)
{
    struct nj_buf b;
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    nj_buf_init(&b, SIZE_MAX);
    while ((n = fread(part, 1, sizeof(part), f)) > 0) {
        (void) nj_buf_append(&b, part, n);
    }
    (void) fclose(f);
    return nj_buf_take(&b);
}

/* Fields of the next row that is no comment; absent ones are "".  False at the end. */
static bool next_row(char **at, const char *field[4])
{
    while (**at == '#') {
        *at += strcspn(*at, "\n") + 1;
    }
    if (**at == '\0') {
        return false;
    }
    char *row = *at;
    size_t len = strcspn(row, "\n");
    *at = row + len + (row[len] == '\n' ? 1 : 0);
    row[len] = '\0';
    for (int i = 0; i < 4; i++) {
        field[i] = row == NULL ? "" : strsep(&row, "\t");
    }
    return true;
}

/* The corpus' normalisation of one message: see its README. */
static void normalise(const struct nj_buf *why, const char *path, struct nj_buf *out)
{
    for (size_t i = 0; i < why->len; i++) {
        char c = why->ptr[i];
        if (why->len - i >= strlen(path) && memcmp(why->ptr + i, path, strlen(path)) == 0) {
            (void) nj_buf_puts(out, "FILE");
            i += strlen(path) - 1;
        } else if (c == '\\') {
            (void) nj_buf_puts(out, "\\\\");
        } else if (c == '\0') {
            (void) nj_buf_puts(out, "\\x00");
        } else {
            (void) nj_buf_putc(out, c);
        }
    }
}

static bool has_row(const char *table, const char *name)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_printf(&b, "\n%s\t", name);
    bool found = strstr(table, b.ptr) != NULL;
    nj_buf_free(&b);
    return found;
}

static bool tree_agrees(const char *name, const char *want)
{
    char path[512];
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    struct nj_buf json;
    (void) snprintf(path, sizeof(path), "cases/%s", name);
    nj_buf_init(&why, SIZE_MAX);
    nj_buf_init(&json, SIZE_MAX);

    bool ok = nj_conf_parse_file(path, &conf, &why) == NJ_OK &&
              nj_conf_json(nj_conf_root(conf), &json) == NJ_OK && strcmp(json.ptr, want) == 0;
    if (!ok) {
        (void) printf("%s\n  want %s\n  got  %s%s\n", name, want, why.len > 0 ? why.ptr : "",
                      json.len > 0 ? json.ptr : "");
    }

    nj_conf_free(&conf);
    nj_buf_free(&json);
    nj_buf_free(&why);
    return ok;
}

START_TEST(every_tree_of_the_corpus_is_read_alike)
{
    const char *field[4];
    int rows = 0;
    int failed = 0;
    enter_corpus();
    enter_environment();
    char *table = read_table("parsed.tsv");

    for (char *at = table; next_row(&at, field); rows++) {
        failed += tree_agrees(field[0], field[1]) ? 0 : 1;
    }

    ck_assert_int_eq(failed, 0);
    ck_assert_int_gt(rows, 1000);
    nj_dealloc(table);
}
END_TEST

static bool refusal_agrees(const char *name, const char *want)
{
    char path[512];
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    struct nj_buf got;
    (void) snprintf(path, sizeof(path), "cases/%s", name);
    nj_buf_init(&why, SIZE_MAX);
    nj_buf_init(&got, SIZE_MAX);

    bool refused = nj_conf_parse_file(path, &conf, &why) != NJ_OK;
    normalise(&why, path, &got);
    bool ok = refused && got.len > 0 && strcmp(got.ptr, want) == 0;
    if (!ok) {
        (void) printf("%s\n  want %s\n  got  %s\n", name, want, got.len > 0 ? got.ptr : "(ok)");
    }

    nj_conf_free(&conf);
    nj_buf_free(&got);
    nj_buf_free(&why);
    return ok;
}

START_TEST(every_faulty_text_of_the_corpus_is_refused_in_the_same_words)
{
    const char *field[4];
    int rows = 0;
    int failed = 0;
    enter_corpus();
    enter_environment();
    char *trees = read_table("parsed.tsv");
    char *table = read_table("expected.tsv");

    for (char *at = table; next_row(&at, field);) {
        if (!has_row(trees, field[0])) { /* a file without a tree fails in the language */
            rows++;
            failed += refusal_agrees(field[0], field[2]) ? 0 : 1;
        }
    }

    ck_assert_int_eq(failed, 0);
    ck_assert_int_gt(rows, 100);
    nj_dealloc(table);
    nj_dealloc(trees);
}
END_TEST

/* ---- small texts ---------------------------------------------------------------------------- */

static struct nj_conf *parse(const char *text)
{
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    int rc = nj_conf_parse_text("a.conf", text, strlen(text), &conf, &why);
    ck_assert_msg(rc == NJ_OK, "%s", why.ptr);
    nj_buf_free(&why);
    return conf;
}

/* Fails under the address sanitizer when a byte behind the text is looked at. */
START_TEST(a_number_may_be_the_last_byte_of_the_memory)
{
    struct nj_buf why;
    struct nj_conf *conf = NULL;
    static const char text[] = { 'p', ':', ' ', '4', '3' };
    char *alone = malloc(sizeof(text));
    nj_buf_init(&why, SIZE_MAX);
    memcpy(alone, text, sizeof(text));

    int rc = nj_conf_parse_text("a.conf", alone, sizeof(text), &conf, &why);

    free(alone);
    ck_assert_int_eq(rc, NJ_OK);
    ck_assert_int_eq(nj_conf_get(nj_conf_root(conf)->as.map, "p")->as.integer, 43);
    nj_conf_free(&conf);
    nj_buf_free(&why);
}
END_TEST

static void assert_refused(const char *text, int rc, const char *want)
{
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);

    ck_assert_int_eq(nj_conf_parse_text("a.conf", text, strlen(text), &conf, &why), rc);

    ck_assert_str_eq(why.ptr, want);
    ck_assert_ptr_null(conf);
    nj_buf_free(&why);
}

static const struct nj_conf_value *member(const struct nj_conf_value *v, const char *key)
{
    ck_assert_int_eq(v->type, NJ_CONF_MAP);
    const struct nj_conf_value *found = nj_conf_get(v->as.map, key);
    ck_assert_msg(found != NULL, "no member %s", key);
    return found;
}

static void assert_at(const struct nj_conf_value *v, uint32_t line, uint32_t col)
{
    ck_assert_str_eq(v->file, "a.conf");
    ck_assert_uint_eq(v->line, line);
    ck_assert_uint_eq(v->col, col);
}

START_TEST(a_member_stands_where_its_key_stands)
{
    struct nj_conf *conf = parse("port: 1\n  \"host\"  :  b\n\tm {\n x: [ 1, {y: 2} ]\n}\n");
    const struct nj_conf_value *root = nj_conf_root(conf);

    assert_at(member(root, "port"), 1, 0); /* line 1 counts from the beginning of the file */
    assert_at(member(root, "host"), 2, 4);
    assert_at(member(root, "m"), 3, 2);
    assert_at(member(member(root, "m"), "x"), 4, 2);

    nj_conf_free(&conf);
}
END_TEST

START_TEST(an_element_stands_at_its_first_byte_and_a_container_past_its_end)
{
    struct nj_conf *conf = parse("a: [\n \"x\"\n {y: 2}\n]\n");
    const struct nj_conf_list *l = member(nj_conf_root(conf), "a")->as.list;

    ck_assert_uint_eq(l->count, 2);
    assert_at(&l->items[0], 2, 3);
    assert_at(&l->items[1], 3, 8);
    assert_at(member(&l->items[1], "y"), 3, 3);

    nj_conf_free(&conf);
}
END_TEST

START_TEST(a_variable_marks_what_it_took_and_stands_at_its_own_key)
{
    struct nj_conf *conf = parse("a: {b: 1}\nc: $a\nd: 2\n");
    const struct nj_conf_value *root = nj_conf_root(conf);

    ck_assert(member(root, "a")->used_as_variable);
    ck_assert(!member(root, "c")->used_as_variable);
    ck_assert(!member(root, "d")->used_as_variable);
    assert_at(member(root, "c"), 2, 1);
    assert_at(member(member(root, "c"), "b"), 1, 4);

    nj_conf_free(&conf);
}
END_TEST

START_TEST(a_value_of_the_environment_says_so_and_has_no_positions_inside)
{
    ck_assert_int_eq(setenv("NJ_TEST_MAP", "{x: [7 ]}", 1), 0);
    struct nj_conf *conf = parse("a: $NJ_TEST_MAP\n");
    const struct nj_conf_value *a = member(nj_conf_root(conf), "a");
    const struct nj_conf_value *x = member(a, "x");

    assert_at(a, 1, 0);
    ck_assert(a->from_env);
    ck_assert(x->from_env);
    ck_assert_ptr_null(x->file);
    ck_assert_int_eq(x->as.list->items[0].as.integer, 7);

    nj_conf_free(&conf);
}
END_TEST

START_TEST(members_keep_the_order_of_the_file)
{
    struct nj_conf *conf = parse("zeta: 1\nalpha: 2\nmid: 3\nzeta: 4\n");
    const struct nj_conf_map *m = nj_conf_root(conf)->as.map;

    ck_assert_uint_eq(m->count, 3);
    ck_assert_str_eq(m->members[0].key, "zeta");
    ck_assert_int_eq(m->members[0].value.as.integer, 4);
    ck_assert_str_eq(m->members[1].key, "alpha");
    ck_assert_str_eq(m->members[2].key, "mid");

    nj_conf_free(&conf);
}
END_TEST

START_TEST(a_map_of_many_members_finds_each)
{
    struct nj_buf text;
    char key[16];
    nj_buf_init(&text, SIZE_MAX);
    for (int i = 0; i < 3000; i++) {
        (void) nj_buf_printf(&text, "k%d: %d\n", i, i);
    }
    struct nj_conf *conf = parse(text.ptr);

    ck_assert_uint_eq(nj_conf_root(conf)->as.map->count, 3000);
    for (int i = 0; i < 3000; i++) {
        (void) snprintf(key, sizeof(key), "k%d", i);
        ck_assert_int_eq(member(nj_conf_root(conf), key)->as.integer, i);
    }
    ck_assert_ptr_null(nj_conf_get(nj_conf_root(conf)->as.map, "k3000"));

    nj_conf_free(&conf);
    nj_buf_free(&text);
}
END_TEST

static void append_nest(struct nj_buf *b, const char *open, const char *close, int depth)
{
    (void) nj_buf_puts(b, "a: ");
    for (int i = 0; i < depth; i++) {
        (void) nj_buf_puts(b, open);
    }
    for (int i = 0; i < depth; i++) {
        (void) nj_buf_puts(b, close);
    }
    (void) nj_buf_puts(b, "\n");
}

START_TEST(nesting_ends_at_512_levels)
{
    struct nj_buf text;
    nj_buf_init(&text, SIZE_MAX);

    append_nest(&text, "[", "]", 512);
    struct nj_conf *conf = parse(text.ptr);
    nj_conf_free(&conf);

    nj_buf_clear(&text);
    append_nest(&text, "[", "]", 513);
    assert_refused(text.ptr, NJ_E_LIMIT,
                   "Parse error on line 1: 'Maps and arrays are nested more than 512 levels deep'");
    nj_buf_free(&text);
}
END_TEST

START_TEST(variables_cannot_nest_deeper_than_braces_can)
{
    struct nj_buf text;
    nj_buf_init(&text, SIZE_MAX);
    (void) nj_buf_puts(&text, "v0: [a]\n");
    for (int i = 1; i < 600; i++) {
        (void) nj_buf_printf(&text, "v%d: [$v%d]\n", i, i - 1);
    }

    assert_refused(
        text.ptr, NJ_E_LIMIT,
        "Parse error on line 513: 'Maps and arrays are nested more than 512 levels deep'");
    nj_buf_free(&text);
}
END_TEST

START_TEST(a_file_that_includes_itself_is_refused)
{
    char dir[] = "/tmp/nj-conf-XXXXXX";
    struct nj_conf *conf = NULL;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
    FILE *f = fopen("self.conf", "w");
    ck_assert_ptr_nonnull(f);
    (void) fputs("include self.conf\n", f);
    (void) fclose(f);

    int rc = nj_conf_parse_file("self.conf", &conf, &why);

    ck_assert_int_eq(rc, NJ_E_INVALID);
    ck_assert_ptr_nonnull(
        strstr(why.ptr, "error parsing include file 'self.conf', include nesting too deep"));
    nj_buf_free(&why);
    (void) unlink("self.conf");
    (void) rmdir(dir);
}
END_TEST

START_TEST(escapes_move_the_column_back_from_the_end_of_the_text)
{
    struct nj_conf *conf = parse("a: [\n \"b\\x41\nc\\t\"\n]\n");
    const struct nj_conf_list *l = member(nj_conf_root(conf), "a")->as.list;

    /* the quote closes 12 bytes after the first newline; "bA", newline, "c", tab are 5 */
    assert_at(&l->items[0], 3, 7);
    nj_conf_free(&conf);

    assert_refused("a: \"x\\t", NJ_E_INVALID, "config is invalid (a.conf:1:5)");
}
END_TEST

START_TEST(a_text_after_nul_in_quotes_keeps_its_length)
{
    struct nj_conf *conf = parse("a: \"x\\x00y\"\n");
    const struct nj_conf_value *a = member(nj_conf_root(conf), "a");

    ck_assert_uint_eq(a->as.str.len, 3);
    ck_assert_mem_eq(a->as.str.ptr, "x\0y", 4);

    nj_conf_free(&conf);
}
END_TEST

/* Not a hash: says how long the text was and how it began. */
static int fake_hash(void *user, const void *data, size_t len, uint8_t *out)
{
    ck_assert_ptr_null(user);
    memset(out, 0, 32);
    out[0] = (uint8_t) len;
    memcpy(out + 1, data, len < 31 ? len : 31);
    return NJ_OK;
}

START_TEST(the_digest_is_taken_of_the_json_and_a_newline)
{
    char digest[NJ_CONF_DIGEST_LEN];
    struct nj_conf *conf = parse("port: 4222\n");

    ck_assert_int_eq(nj_conf_digest(conf, fake_hash, NULL, digest), NJ_OK);

    ck_assert_str_eq(digest, "sha256:0e"
                             "7b22706f7274223a343232327d0a" /* {"port":4222}\n */
                             "0000000000000000000000000000000000");
    nj_conf_free(&conf);
}
END_TEST

START_TEST(values_print_as_in_go)
{
    struct nj_buf out;
    struct nj_conf *conf =
        parse("a: {l: [x, 1.5, true ], b: -3, c: 2021-05-17T10:20:30Z, d: 0.00001}\n");
    nj_buf_init(&out, SIZE_MAX);

    nj_conf_print(member(nj_conf_root(conf), "a"), &out);

    ck_assert_str_eq(out.ptr, "map[b:-3 c:2021-05-17 10:20:30 +0000 UTC d:1e-05 l:[x 1.5 true]]");
    ck_assert_str_eq(nj_conf_type_name(NJ_CONF_LIST), "[]interface {}");
    nj_buf_free(&out);
    nj_conf_free(&conf);
}
END_TEST

/* ---- Go's words ----------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t ns;
} durations[] = {
    { "0", 0 },
    { "-0", 0 },
    { "2m", 120 * SECOND },
    { "1h2m3.5s", 3723 * SECOND + 500 * MS },
    { "250ms", 250 * MS },
    { ".5s", 500 * MS },
    { "1.s", SECOND },
    { "-1.5h", -5400 * SECOND },
    { "+5us", 5000 },
    { "1\xC2\xB5s", 1000 },
    { "1\xCE\xBCs", 1000 },
    { "7ns", 7 },
    { "9223372036854775807ns", INT64_MAX },
    { "-9223372036854775808ns", INT64_MIN },
};

START_TEST(durations_are_read)
{
    int64_t ns = -1;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);

    int rc = nj_go_duration(durations[_i].text, strlen(durations[_i].text), &ns, &why);

    ck_assert_msg(rc == NJ_OK, "%s", why.ptr);
    ck_assert_int_eq(ns, durations[_i].ns);
}
END_TEST

static const struct {
    const char *text;
    const char *why;
} bad_durations[] = {
    { "", "time: invalid duration \"\"" },
    { "abc", "time: invalid duration \"abc\"" },
    { "-", "time: invalid duration \"-\"" },
    { ".s", "time: invalid duration \".s\"" },
    { "30", "time: missing unit in duration \"30\"" },
    { "1d", "time: unknown unit \"d\" in duration \"1d\"" },
    { "5 s", "time: unknown unit \" s\" in duration \"5 s\"" },
    { "\xC3\xA9\n", "time: invalid duration \"\\xc3\\xa9\\x0a\"" },
    { "1h-2m", "time: unknown unit \"h-\" in duration \"1h-2m\"" },
    { "9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\"" },
    { "3000000h", "time: invalid duration \"3000000h\"" },
};

START_TEST(faulty_durations_are_refused_with_the_reason)
{
    int64_t ns = -1;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    const char *text = bad_durations[_i].text;

    ck_assert_int_eq(nj_go_duration(text, strlen(text), &ns, &why), NJ_E_INVALID);

    ck_assert_str_eq(why.ptr, bad_durations[_i].why);
    ck_assert_int_eq(ns, -1);
    nj_buf_free(&why);
}
END_TEST

static const struct {
    const char *text;
    const char *quoted;
} quotes[] = {
    { "plain", "\"plain\"" },
    { "a\"b\\c", "\"a\\\"b\\\\c\"" },
    { "\n\t\x01\x7F", "\"\\n\\t\\x01\\x7f\"" },
    { "caf\xC3\xA9 \xF0\x9F\x98\x80", "\"caf\xC3\xA9 \xF0\x9F\x98\x80\"" },
    { "\xEF\xBB\xBF\xE2\x80\xA8", "\"\\ufeff\\u2028\"" },
    { "\xFF\xC3", "\"\\xff\\xc3\"" },
    { "\xF3\xA0\x80\x81", "\"\\U000e0001\"" },
};

START_TEST(text_is_quoted)
{
    struct nj_buf out;
    nj_buf_init(&out, SIZE_MAX);

    (void) nj_quote(&out, quotes[_i].text, strlen(quotes[_i].text));

    ck_assert_str_eq(out.ptr, quotes[_i].quoted);
    nj_buf_free(&out);
}
END_TEST

static const struct {
    double x;
    const char *json;
    const char *text;
} floats[] = {
    { 0, "0", "0" },
    { 1, "1", "1" },
    { -1.25, "-1.25", "-1.25" },
    { 1e-6, "0.000001", "1e-06" },
    { 1e-7, "1e-7", "1e-07" },
    { 1e20, "100000000000000000000", "100000000000000000000" },
    { 1e21, "1e+21", "1e+21" },
    { 123456789012345678901234.5, "1.2345678901234569e+23", "1.2345678901234569e+23" },
    { 3.14159265358979, "3.14159265358979", "3.14159265358979" },
    { 0.1, "0.1", "0.1" },
};

START_TEST(floats_are_printed_in_their_shortest_form)
{
    struct nj_buf out;
    nj_buf_init(&out, SIZE_MAX);

    nj_go_float_json(&out, floats[_i].x);
    ck_assert_str_eq(out.ptr, floats[_i].json);

    nj_buf_clear(&out);
    nj_go_float_text(&out, floats[_i].x);
    ck_assert_str_eq(out.ptr, floats[_i].text);
    nj_buf_free(&out);
}
END_TEST

static const struct {
    const char *dir;
    const char *name;
    const char *joined;
} joins[] = {
    { "cases", "inc/a.conf", "cases/inc/a.conf" },
    { "cases", "./inc//a.conf", "cases/inc/a.conf" },
    { "cases/inc", "../b", "cases/b" },
    { ".", "a", "a" },
    { ".", "../../a", "../../a" },
    { "/etc", "../../a", "/a" },
    { "x", "/etc/y", "x/etc/y" },
    { "x", "..", "." },
};

START_TEST(paths_are_joined_and_cleaned)
{
    char *got = nj_go_path_join(joins[_i].dir, joins[_i].name);

    ck_assert_str_eq(got, joins[_i].joined);
    nj_dealloc(got);
}
END_TEST

#define COUNT(a) ((int) (sizeof(a) / sizeof((a)[0])))

int main(void)
{
    Suite *s = suite_create("conf");
    TCase *tc = tcase_create("corpus");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_tree_of_the_corpus_is_read_alike);
    tcase_add_test(tc, every_faulty_text_of_the_corpus_is_refused_in_the_same_words);
    suite_add_tcase(s, tc);

    tc = tcase_create("tree");
    tcase_add_test(tc, a_member_stands_where_its_key_stands);
    tcase_add_test(tc, an_element_stands_at_its_first_byte_and_a_container_past_its_end);
    tcase_add_test(tc, a_variable_marks_what_it_took_and_stands_at_its_own_key);
    tcase_add_test(tc, a_value_of_the_environment_says_so_and_has_no_positions_inside);
    tcase_add_test(tc, members_keep_the_order_of_the_file);
    tcase_add_test(tc, a_map_of_many_members_finds_each);
    tcase_add_test(tc, nesting_ends_at_512_levels);
    tcase_add_test(tc, variables_cannot_nest_deeper_than_braces_can);
    tcase_add_test(tc, a_file_that_includes_itself_is_refused);
    tcase_add_test(tc, escapes_move_the_column_back_from_the_end_of_the_text);
    tcase_add_test(tc, a_text_after_nul_in_quotes_keeps_its_length);
    tcase_add_test(tc, the_digest_is_taken_of_the_json_and_a_newline);
    tcase_add_test(tc, values_print_as_in_go);
    tcase_add_test(tc, a_number_may_be_the_last_byte_of_the_memory);
    suite_add_tcase(s, tc);

    tc = tcase_create("go");
    tcase_add_loop_test(tc, durations_are_read, 0, COUNT(durations));
    tcase_add_loop_test(tc, faulty_durations_are_refused_with_the_reason, 0, COUNT(bad_durations));
    tcase_add_loop_test(tc, text_is_quoted, 0, COUNT(quotes));
    tcase_add_loop_test(tc, floats_are_printed_in_their_shortest_form, 0, COUNT(floats));
    tcase_add_loop_test(tc, paths_are_joined_and_cleaned, 0, COUNT(joins));
    suite_add_tcase(s, tc);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
