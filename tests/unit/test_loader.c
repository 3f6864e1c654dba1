/* Loader, registry, host services and listing of plug-ins, with a shelf of faulty ones. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "ops/auth_setup.h"
#include "ops/options.h"
#include "plugin/host.h"
#include "plugin/list.h"
#include "plugin/loader.h"
#include "plugin/registry.h"

/* ---- the log is looked at, not written -------------------------------------------------------- */

static struct nj_buf logged = { .limit = 64 * 1024 };

bool nj_log_on(enum nj_log_level level)
{
    return level >= NJ_LVL_INF;
}

void nj_logv(enum nj_log_level level, const char *fmt, va_list ap)
{
    (void) nj_buf_printf(&logged, "[%d] ", (int) level);
    (void) nj_buf_vprintf(&logged, fmt, ap);
    (void) nj_buf_putc(&logged, '\n');
}

void nj_log(enum nj_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nj_logv(level, fmt, ap);
    va_end(ap);
}

static void assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" does not have \"%s\"", text, part);
}

static void assert_logged(const char *part)
{
    assert_has(logged.ptr != NULL ? logged.ptr : "", part);
}

/* ---- directories to load from ----------------------------------------------------------------- */

static char *root; /* of this test */
static char *one;
static char *two;

static char *make_dir(const char *name)
{
    char *dir = nj_strprintf("%s/%s", root, name);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    return dir;
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    char *pattern = nj_strprintf("%s/nj-loader-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(pattern));
    root = realpath(pattern, NULL);
    ck_assert_ptr_nonnull(root);
    nj_dealloc(pattern);
    one = make_dir("one");
    two = make_dir("two");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    return remove(path);
}

static void teardown(void)
{
    ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(root);
    nj_dealloc(one);
    nj_dealloc(two);
    nj_buf_free(&logged);
}

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    size_t n;

    ck_assert_msg(in != NULL, "%s: %s", from, strerror(errno));
    ck_assert_msg(out != NULL, "%s: %s", to, strerror(errno));
    while ((n = fread(block, 1, sizeof(block), in)) > 0) {
        ck_assert_uint_eq(fwrite(block, 1, n, out), n);
    }
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(fclose(in), 0);
    ck_assert_int_eq(chmod(to, 0644), 0);
}

static const char *built(const char *variable, const char *otherwise)
{
    const char *dir = getenv(variable);
    return dir != NULL ? dir : otherwise;
}

/* Put a plug-in of the shelf into dir as nj_tls_NAME.so. */
static void place_as(const char *module, const char *dir, const char *name)
{
    char *from =
        nj_strprintf("%s/tests/unit/shelf/.libs/%s.so", built("NJ_TEST_BUILDDIR", "."), module);
    char *to = nj_strprintf("%s/nj_tls_%s.so", dir, name);
    copy_file(from, to);
    nj_dealloc(from);
    nj_dealloc(to);
}

static void place(const char *dir, const char *name)
{
    place_as("shelf", dir, name);
}

/* The mapper of the shelf as nj_authmap_NAME.so. */
static void place_mapper(const char *dir, const char *name)
{
    char *from =
        nj_strprintf("%s/tests/unit/shelf/.libs/mapper.so", built("NJ_TEST_BUILDDIR", "."));
    char *to = nj_strprintf("%s/nj_authmap_%s.so", dir, name);
    copy_file(from, to);
    nj_dealloc(from);
    nj_dealloc(to);
}

static struct nj_registry *open_dirs(const char *first, const char *second)
{
    const char *dirs[] = { first, second };
    struct nj_registry *reg = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_registry_open_only(dirs, second != NULL ? 2 : 1, &reg, &err);
    if (rc == NJ_OK) {
        nj_registry_load_all(reg);
    }
    ck_assert_msg(rc == NJ_OK, "%s", err.text);
    return reg;
}

/* ---- tests ------------------------------------------------------------------------------------ */

START_TEST(a_name_is_made_of_lower_case_letters_digits_and_two_signs)
{
    static const char *const bad[] = { "", "A", "a.b", "a/b", "..", "a b", "\xc3\xa4" };

    ck_assert(nj_plugin_name_valid("gnutls"));
    ck_assert(nj_plugin_name_valid("my-tls_2"));

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!nj_plugin_name_valid(bad[i]), "\"%s\" was taken", bad[i]);
    }
}
END_TEST

START_TEST(a_good_provider_is_found_by_name)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_tls_about about = { .size = sizeof(about) };
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "alpha");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &p, &err), NJ_OK);

    p->about(&about);
    ck_assert_str_eq(about.lib_name, "Shelf");
    ck_assert_str_eq(nj_registry_tls_name(reg, p), "alpha");
    nj_registry_close(&reg);
    ck_assert_ptr_null(reg);
}
END_TEST

static int gate_answer;

static int gate(const struct nj_tls_provider *provider, const char *name, struct nj_error *err)
{
    ck_assert_ptr_nonnull(provider);
    return gate_answer == NJ_OK
               ? NJ_OK
               : nj_error_set(err, NJ_E_UNSUPPORTED, "%s may not serve", name);
}

START_TEST(a_gate_is_asked_each_time_a_provider_is_named)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "alpha");
    place(one, "wolfssl");
    struct nj_registry *reg = open_dirs(one, NULL);
    nj_registry_set_gate(reg, gate);

    gate_answer = NJ_OK;
    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &p, &err), NJ_OK);
    p = NULL;
    gate_answer = NJ_E_UNSUPPORTED;
    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &p, &err), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text, "alpha may not serve");
    ck_assert_int_eq(nj_registry_tls(reg, NULL, &p, &err), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text, "wolfssl may not serve");
    ck_assert_ptr_null(p);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(nkey_users_need_a_provider_with_ed25519)
{
    struct nj_user *users[] = {
        nj_user_new("ann", NULL, "x", NULL),
        nj_user_new(NULL, "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK", NULL, NULL)
    };
    char alpha[] = "alpha";
    char beta[] = "beta";
    struct nj_options o = { .tls_provider = alpha, .users = { users, 1 } };
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_auth *auth = NULL;
    place(one, "alpha");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_auth_setup_provider(&o, reg, &err), NJ_OK);
    o.users.n = 2;
    ck_assert_int_eq(nj_auth_setup_provider(&o, reg, &err), NJ_E_UNSUPPORTED);
    ck_assert_str_eq(err.text, "nkey users need Ed25519, which tls provider \"alpha\" does not "
                               "have; choose another one with tls_provider, or give these users "
                               "passwords");
    ck_assert_int_eq(nj_auth_setup(&o, reg, &auth, &err), NJ_E_UNSUPPORTED);
    ck_assert_ptr_null(auth);
    o.tls_provider = beta;
    ck_assert_int_ne(nj_auth_setup(&o, reg, &auth, &err), NJ_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "nkey users need Ed25519 of a TLS provider: "));
    nj_user_unref(&users[0]);
    nj_user_unref(&users[1]);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(the_default_is_gnutls_and_else_wolfssl)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "alpha");
    place(one, "wolfssl");
    place(two, "gnutls");

    struct nj_registry *reg = open_dirs(one, NULL);
    ck_assert_int_eq(nj_registry_tls(reg, NULL, &p, &err), NJ_OK);
    ck_assert_str_eq(nj_registry_tls_name(reg, p), "wolfssl");
    nj_registry_close(&reg);

    reg = open_dirs(one, two);
    ck_assert_int_eq(nj_registry_tls(reg, NULL, &p, &err), NJ_OK);
    ck_assert_str_eq(nj_registry_tls_name(reg, p), "gnutls");
    nj_registry_close(&reg);
}
END_TEST

struct fault {
    const char *module;
    const char *name; /* what is wrong with it */
    const char *text; /* how the refusal says so, with theirs and ours */
};

static const struct fault faults[] = {
    { "shelf", "magic", "wrong magic 0x01020304, this server knows 0x4e4a5047" },
    { "shelf", "major", "built for plug-in ABI 8.0, this server has 1.0" },
    { "shelf", "old-major", "built for plug-in ABI 0.0, this server has 1.0" },
    { "shelf", "descriptor", "its descriptor has 32 bytes, this server needs 40" },
    { "shelf", "empty-descriptor", "its descriptor has 0 bytes, this server needs 40" },
    { "shelf", "huge-descriptor", "its descriptor claims to have 4294967295 bytes, 65536 is" },
    { "shelf", "empty-table", "its table of 0 bytes ends before the slot \"init\"" },
    { "shelf", "huge-table", "its table claims to have 4294967295 bytes, 65536 is the most" },
    { "shelf", "table", "ends before the slot \"seal\"" },
    { "shelf", "slot", "the required slot \"handshake\" is empty" },
    { "shelf", "init", "its init failed: self-test 7 failed" },
    { "shelf", "silent-init", "its init failed: no reason given" },
    { "shelf", "last-slot", "the required slot \"crypto\" is empty" },
    { "shelf", "liar13", "says that it can do TLS 1.3 and lists no cipher suite for it" },
    { "shelf", "liar12", "says that it can do TLS 1.2 and lists no cipher suite for it" },
    { "shelf", "suiteless", "says that it can do TLS 1.3 and lists no cipher suite for it" },
    { "shelf", "groupless", "lists no key exchange group" },
    { "shelf", "versionless-tls", "it can do neither TLS 1.2 nor TLS 1.3" },
    { "shelf", "test-only", "for tests only (NJ_TLS_CAP_TEST_ONLY) and protects nothing" },
    { "shelf", "no-kind", "it is of kind 99 (unknown), its file name says 1 (tls)" },
    { "shelf", "kind", "it is of kind 2 (authmap), its file name says 1 (tls)" },
    { "shelf", "slash", "it calls itself \"../slash\"; names are made of" },
    { "shelf", "upper", "it calls itself \"Upper\"; names are made of" },
    { "shelf", "other", "it calls itself \"somebody\", its file name says \"other\"" },
    { "shelf", "nameless", "does not say its name" },
    { "shelf", "versionless", "does not say its name and version" },
    { "shelf", "tableless", "brings no table" },
    { "shelf", "nothing", "nj_plugin_v1 returned nothing" },
    { "borrower", "borrower", "no nj_plugin_v1 of its own, the one it shows is that of /" },
    { "doorless", "doorless", "has no nj_plugin_v1" },
    { "undefined", "undefined", "undefined symbol: nj_nobody_has_this" },
};

START_TEST(a_faulty_plugin_is_refused_with_file_theirs_and_ours)
{
    const struct fault *f = &faults[_i];
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place_as(f->module, one, f->name);
    place(one, "good");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_lt(nj_registry_tls(reg, f->name, &p, &err), 0);

    char *file = nj_strprintf("tls provider \"%s\" cannot be used: %s/nj_tls_%s.so: ", f->name, one,
                              f->name);
    assert_has(err.text, file);
    assert_has(err.text, f->text);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(nj_registry_tls(reg, "good", &p, &err), NJ_OK);
    nj_registry_log_refused(reg);
    assert_logged(f->text);
    nj_dealloc(file);
    nj_registry_close(&reg);
}
END_TEST

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
}

static void assert_refused(const char *name, const char *text)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_lt(nj_registry_tls(reg, name, &p, &err), 0);

    assert_has(err.text, text);
    nj_registry_close(&reg);
}

START_TEST(a_file_that_is_no_elf_object_gives_the_linkers_reason)
{
    char *path = nj_strprintf("%s/nj_tls_text.so", one);
    write_text(
        path,
        "this is not a shared object, and it would not be one either if it were even longer\n");

    assert_refused("text", "nj_tls_text.so: cannot be loaded: invalid ELF header");

    nj_dealloc(path);
}
END_TEST

START_TEST(an_empty_file_gives_the_linkers_reason)
{
    char *path = nj_strprintf("%s/nj_tls_empty.so", one);
    write_text(path, "");

    assert_refused("empty", "nj_tls_empty.so: cannot be loaded: file too short");

    nj_dealloc(path);
}
END_TEST

START_TEST(an_object_that_was_cut_short_gives_the_linkers_reason)
{
    char *path = nj_strprintf("%s/nj_tls_alpha.so", one);
    place(one, "alpha");
    ck_assert_int_eq(truncate(path, 100), 0);

    assert_refused("alpha", "nj_tls_alpha.so: cannot be loaded: ");

    nj_dealloc(path);
}
END_TEST

START_TEST(a_link_to_nowhere_is_refused)
{
    char *from = nj_strprintf("%s/nj_tls_alpha.so", one);
    ck_assert_int_eq(symlink("gone.so", from), 0);

    assert_refused("alpha", "nj_tls_alpha.so: a symbolic link that leads nowhere");

    nj_dealloc(from);
}
END_TEST

/* Opened as it is, it would wait for somebody who writes. */
START_TEST(a_pipe_in_place_of_a_file_is_refused)
{
    char *path = nj_strprintf("%s/nj_tls_pipe.so", one);
    ck_assert_int_eq(mkfifo(path, 0600), 0);

    assert_refused("pipe", "nj_tls_pipe.so: not a regular file");

    nj_dealloc(path);
}
END_TEST

START_TEST(a_provider_for_tests_is_taken_when_a_test_asks)
{
    const char *dirs[] = { one };
    const struct nj_tls_provider *p = NULL;
    struct nj_registry *reg = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "test-only");
    ck_assert_int_eq(nj_registry_open_only(dirs, 1, &reg, &err), NJ_OK);

    nj_registry_take_test_only(reg);

    ck_assert_int_eq(nj_registry_tls(reg, "test-only", &p, &err), NJ_OK);
    nj_registry_close(&reg);
}
END_TEST

/* Its library has started by then, and has to be ended. */
START_TEST(a_provider_that_lies_is_finished_at_once)
{
    place(one, "liar13");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_str_eq(logged.ptr, "[2] liar13: hello\n[3] liar13: bye\n");
    nj_buf_clear(&logged);
    nj_registry_close(&reg);
    ck_assert_uint_eq(logged.len, 0);
}
END_TEST

START_TEST(a_door_of_a_later_abi_beside_ours_is_no_fault)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    char *path = nj_strprintf("%s/nj_tls_alpha.so", one);
    place(one, "alpha");
    void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_ptr_nonnull(dl);
    ck_assert_ptr_nonnull(dlsym(dl, "nj_plugin_v2"));
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &p, &err), NJ_OK);

    nj_registry_close(&reg);
    nj_dealloc(path);
}
END_TEST

START_TEST(a_plugin_of_a_later_minor_is_taken)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "later-minor");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_tls(reg, "later-minor", &p, &err), NJ_OK);

    nj_registry_close(&reg);
}
END_TEST

START_TEST(the_null_provider_is_refused_by_the_server)
{
    char *from =
        nj_strprintf("%s/plugins/null-tls/.libs/nj_tls_null.so", built("NJ_TEST_BUILDDIR", "."));
    char *to = nj_strprintf("%s/nj_tls_null.so", one);
    copy_file(from, to);

    assert_refused("null", "for tests only (NJ_TLS_CAP_TEST_ONLY) and protects nothing");

    nj_dealloc(from);
    nj_dealloc(to);
}
END_TEST

START_TEST(a_directory_in_place_of_a_file_is_refused)
{
    nj_dealloc(make_dir("one/nj_tls_dir.so"));

    assert_refused("dir", "nj_tls_dir.so: not a regular file");
}
END_TEST

START_TEST(a_file_that_others_can_write_is_refused)
{
    char *path = nj_strprintf("%s/nj_tls_alpha.so", one);
    place(one, "alpha");
    ck_assert_int_eq(chmod(path, 0666), 0);

    assert_refused("alpha", "nj_tls_alpha.so: the file is writable by group or others (mode 0666): chmod go-w");

    nj_dealloc(path);
}
END_TEST

START_TEST(a_directory_that_the_group_can_write_is_not_searched)
{
    place(one, "alpha");
    ck_assert_int_eq(chmod(one, 0775), 0);

    assert_refused("alpha", "one; not searched: ");
    assert_refused("alpha", "one: the directory is writable by group or others (mode 0775): chmod go-w");
}
END_TEST

START_TEST(a_file_of_somebody_else_is_refused)
{
    char *path = nj_strprintf("%s/nj_tls_alpha.so", one);
    place(one, "alpha");
    ck_assert_int_eq(chown(path, 12345, (gid_t) -1), 0);

    assert_refused("alpha", "the file is owned by uid 12345, not by root or uid ");

    nj_dealloc(path);
}
END_TEST

START_TEST(a_link_out_of_the_directory_is_refused)
{
    char *from = nj_strprintf("%s/nj_tls_alpha.so", one);
    place(two, "alpha");
    ck_assert_int_eq(symlink("../two/nj_tls_alpha.so", from), 0);

    assert_refused("alpha", "a symbolic link leads out of the directory, to ");

    nj_dealloc(from);
}
END_TEST

START_TEST(a_link_within_the_directory_is_followed)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    char *link = nj_strprintf("%s/nj_tls_alpha.so", one);
    char *to = nj_strprintf("%s/v1", one);
    char *from = nj_strprintf("%s/nj_tls_alpha.so", two);
    place(two, "alpha");
    copy_file(from, to);
    ck_assert_int_eq(symlink("v1", link), 0);
    struct nj_registry *reg = open_dirs(one, NULL);

    /* It reads its name off the file, so it is looked at and found to be somebody else. */
    ck_assert_int_lt(nj_registry_tls(reg, "alpha", &p, &err), 0);

    assert_has(err.text, "it calls itself \"\"");
    nj_registry_close(&reg);
    nj_dealloc(link);
    nj_dealloc(to);
    nj_dealloc(from);
}
END_TEST

START_TEST(of_two_files_with_one_name_the_first_directory_wins)
{
    struct nj_registry *reg;
    place(one, "alpha");
    place(two, "alpha");

    reg = open_dirs(two, one);

    ck_assert_uint_eq(nj_registry_count(reg), 2);
    ck_assert_ptr_nonnull(nj_registry_entry(reg, 0)->plugin);
    assert_has(nj_registry_entry(reg, 0)->path, two);
    ck_assert_ptr_null(nj_registry_entry(reg, 1)->plugin);
    assert_has(nj_registry_entry(reg, 1)->refused, "one/nj_tls_alpha.so: not used, ");
    assert_has(nj_registry_entry(reg, 1)->refused, "two/nj_tls_alpha.so comes first");
    nj_registry_close(&reg);
}
END_TEST

START_TEST(a_later_directory_never_steps_in_for_a_refused_file)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    char *path = nj_strprintf("%s/nj_tls_alpha.so", one);
    write_text(path, "not me\n");
    place(two, "alpha");
    struct nj_registry *reg = open_dirs(one, two);

    ck_assert_int_lt(nj_registry_tls(reg, "alpha", &p, &err), 0);

    assert_has(err.text, "one/nj_tls_alpha.so: cannot be loaded");
    nj_registry_close(&reg);
    nj_dealloc(path);
}
END_TEST

START_TEST(a_directory_named_twice_is_searched_once)
{
    struct nj_registry *reg;
    char *again = nj_strprintf("%s/../one/.", two);
    place(one, "alpha");

    reg = open_dirs(one, again);

    ck_assert_uint_eq(nj_registry_count(reg), 1);
    nj_registry_close(&reg);
    nj_dealloc(again);
}
END_TEST

START_TEST(an_unknown_name_is_answered_with_where_and_what_there_is)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "wolfssl");
    place(two, "gnutls");
    struct nj_registry *reg = open_dirs(one, two);

    ck_assert_int_eq(nj_registry_tls(reg, "x", &p, &err), NJ_E_NOT_FOUND);

    char *want =
        nj_strprintf("tls provider \"x\" not found in %s, %s; found: wolfssl, gnutls", one, two);
    ck_assert_str_eq(err.text, want);
    nj_dealloc(want);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(no_provider_at_all_is_said_with_the_directories)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_registry *reg = open_dirs(one, two);

    ck_assert_int_eq(nj_registry_tls(reg, NULL, &p, &err), NJ_E_NOT_FOUND);

    char *want = nj_strprintf("no tls provider found in %s, %s", one, two);
    ck_assert_str_eq(err.text, want);
    nj_dealloc(want);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(a_missing_directory_is_named)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    char *gone = nj_strprintf("%s/gone", root);
    struct nj_registry *reg = open_dirs(gone, NULL);

    ck_assert_int_eq(nj_registry_tls(reg, NULL, &p, &err), NJ_E_NOT_FOUND);

    assert_has(err.text, "gone: No such file or directory");
    nj_dealloc(gone);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(a_name_with_a_slash_never_reaches_the_file_system)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "alpha");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_tls(reg, "../one/alpha", &p, &err), NJ_E_INVALID);

    ck_assert_str_eq(err.text,
                     "tls provider \"../one/alpha\": names are made of a-z, 0-9, _ and -");
    nj_registry_close(&reg);
}
END_TEST

START_TEST(the_search_path_of_the_environment_changes_nothing)
{
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(two, "alpha");
    ck_assert_int_eq(setenv("LTDL_LIBRARY_PATH", two, 1), 0);
    ck_assert_int_eq(setenv("LD_LIBRARY_PATH", two, 1), 0);
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &p, &err), NJ_E_NOT_FOUND);

    nj_registry_close(&reg);
}
END_TEST

START_TEST(a_plugin_logs_under_its_name_and_is_finished_at_the_end)
{
    place(one, "alpha");
    place(one, "beta");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_str_eq(logged.ptr, "[2] alpha: hello\n[2] beta: hello\n");
    nj_buf_clear(&logged);
    nj_registry_close(&reg);

    ck_assert_str_eq(logged.ptr, "[3] alpha: bye\n[3] beta: bye\n");
}
END_TEST

START_TEST(threads_are_made_known_to_every_provider)
{
    const struct nj_tls_provider *a = NULL;
    const struct nj_tls_provider *b = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "alpha");
    place(one, "beta");
    struct nj_registry *reg = open_dirs(one, NULL);
    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &a, &err), NJ_OK);
    ck_assert_int_eq(nj_registry_tls(reg, "beta", &b, &err), NJ_OK);

    nj_registry_thread_attach(reg);
    nj_registry_thread_attach(reg);
    nj_registry_thread_detach(reg);

    ck_assert_uint_eq(a->caps() >> 32, 1);
    ck_assert_uint_eq(b->caps() >> 32, 1);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(resized_memory_keeps_its_bytes_and_grows_by_zeros)
{
    const struct nj_host *host = nj_host_table(0, "alpha");
    char *p = host->alloc(4);
    memcpy(p, "abcd", 4);

    p = host->resize(p, 4, 8);

    ck_assert_int_eq(memcmp(p, "abcd\0\0\0\0", 8), 0);
    p = host->resize(p, 8, 2);
    ck_assert_int_eq(memcmp(p, "ab", 2), 0);
    host->dealloc(p);
    ck_assert_uint_eq(host->size, sizeof(struct nj_host));
    ck_assert_int_gt(host->now_s(), 1600000000);
}
END_TEST

START_TEST(the_listing_shows_what_is_used_and_why_the_rest_is_not)
{
    char *text = NULL;
    size_t len = 0;
    place(one, "alpha");
    place(one, "magic");
    struct nj_registry *reg = open_dirs(one, NULL);
    FILE *to = open_memstream(&text, &len);

    nj_plugins_print(to, reg);

    ck_assert_int_eq(fclose(to), 0);
    assert_has(text, "KIND  NAME   VERSION  ABI  LIBRARY      FILE\n"
                     "tls   alpha  0.0.1    1.0  Shelf 9.8.7  ");
    assert_has(text, "one/nj_tls_alpha.so\n    can: tls1.3 alpn\n");
    assert_has(text, "\nrefused:\n  ");
    assert_has(text, "one/nj_tls_magic.so: wrong magic");
    free(text);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(the_listing_of_nothing_says_so)
{
    char *text = NULL;
    size_t len = 0;
    struct nj_registry *reg = open_dirs(one, NULL);
    FILE *to = open_memstream(&text, &len);

    nj_plugins_print(to, reg);

    ck_assert_int_eq(fclose(to), 0);
    ck_assert_str_eq(text, "no plug-ins in use\n");
    free(text);
    nj_registry_close(&reg);
}
END_TEST

static void place_real(const char *name)
{
    char *from = nj_strprintf("%s/nj_tls_%s.so", built("NJ_TEST_PLUGIN_DIR", ".libs"), name);
    char *to = nj_strprintf("%s/nj_tls_%s.so", one, name);
    copy_file(from, to);
    nj_dealloc(from);
    nj_dealloc(to);
}

START_TEST(both_providers_live_in_one_process)
{
    const struct nj_tls_provider *gnutls = NULL;
    const struct nj_tls_provider *wolfssl = NULL;
    struct nj_tls_about about = { .size = sizeof(about) };
    struct nj_error err = NJ_ERROR_INIT;
    place_real("gnutls");
    place_real("wolfssl");
    struct nj_registry *reg = open_dirs(one, NULL);

    int rc = nj_registry_tls(reg, "gnutls", &gnutls, &err);
    ck_assert_msg(rc == NJ_OK, "%s", err.text);
    rc = nj_registry_tls(reg, "wolfssl", &wolfssl, &err);
    ck_assert_msg(rc == NJ_OK, "%s", err.text);

    gnutls->about(&about);
    ck_assert_str_eq(about.lib_name, "GnuTLS");
    wolfssl->about(&about);
    ck_assert_str_eq(about.lib_name, "wolfSSL");
    ck_assert_uint_ne(gnutls->caps() & NJ_TLS_CAP_TLS13, 0);
    ck_assert_uint_ne(wolfssl->caps() & NJ_TLS_CAP_TLS13, 0);
    nj_registry_thread_attach(reg);
    nj_registry_thread_detach(reg);
    nj_registry_close(&reg);
}
END_TEST

/* ---- auth mappers ----------------------------------------------------------------------------- */

START_TEST(a_mapper_and_a_provider_of_one_name_are_two_plugins)
{
    const struct nj_plugin_entry *e = NULL;
    const struct nj_tls_provider *p = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "alpha");
    place_mapper(one, "alpha");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_authmap(reg, "alpha", &e, &err), NJ_OK);
    ck_assert_int_eq(nj_registry_tls(reg, "alpha", &p, &err), NJ_OK);

    ck_assert_uint_eq(e->kind, NJ_PLUGIN_AUTHMAP);
    ck_assert_str_eq(((const struct nj_authmap *) e->plugin->iface)->about, "does as it is told");
    nj_registry_close(&reg);
    assert_logged("alpha: hello");
    assert_logged("alpha: bye");
}
END_TEST

static const struct {
    const char *name;
    const char *part;
} mapper_faults[] = {
    { "table", "bytes ends before the slot \"decide\" (" },
    { "huge-table", "its table claims to have 4294967295 bytes, 65536 is the most" },
    { "slot", "the required slot \"check\" is empty" },
    { "last-slot", "the required slot \"decide\" is empty" },
    { "init", "its init failed: self-test 7 failed" },
    { "kind", "it is of kind 1 (tls), its file name says 2 (authmap)" },
};

START_TEST(a_faulty_mapper_is_refused_with_its_file)
{
    const struct nj_plugin_entry *e = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place_mapper(one, "good");
    place_mapper(one, mapper_faults[_i].name);
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_lt(nj_registry_authmap(reg, mapper_faults[_i].name, &e, &err), 0);

    assert_has(err.text, "auth mapper \"");
    assert_has(err.text, mapper_faults[_i].name);
    assert_has(err.text, mapper_faults[_i].part);
    ck_assert_int_eq(nj_registry_authmap(reg, "good", &e, &err), NJ_OK);
    nj_registry_close(&reg);
}
END_TEST

START_TEST(a_mapper_without_the_optional_slot_is_taken)
{
    static const char *const names[] = { "no-cancel", "old" };
    const struct nj_plugin_entry *e = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place_mapper(one, names[_i]);
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_authmap(reg, names[_i], &e, &err), NJ_OK);

    const struct nj_authmap *m = e->plugin->iface;
    ck_assert(!NJ_AUTHMAP_HAS(m, cancel));
    nj_registry_close(&reg);
}
END_TEST

START_TEST(an_unknown_mapper_is_answered_with_the_mappers_there_are)
{
    const struct nj_plugin_entry *e = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    place(one, "gnutls");
    place_mapper(one, "rules");
    struct nj_registry *reg = open_dirs(one, NULL);

    ck_assert_int_eq(nj_registry_authmap(reg, "ruels", &e, &err), NJ_E_NOT_FOUND);

    char *want = nj_strprintf("auth mapper \"ruels\" not found in %s; found: rules", one);
    ck_assert_str_eq(err.text, want);
    nj_dealloc(want);
    ck_assert_int_eq(nj_registry_authmap(reg, "../rules", &e, &err), NJ_E_INVALID);
    nj_registry_close(&reg);
}
END_TEST

static struct {
    const char *plugin;
    uint64_t handle;
} answered;

static int take_answer(const char *plugin, uint64_t handle, const struct nj_authmap_answer *answer)
{
    (void) answer;
    answered.plugin = plugin;
    answered.handle = handle;
    return NJ_OK;
}

START_TEST(an_answer_arrives_with_the_name_of_its_plugin)
{
    struct nj_authmap_answer a = { .size = sizeof(a), .verdict = NJ_AUTHMAP_DEFER };
    const struct nj_authmap_host *h = nj_host_authmap_table(NJ_PLUGINS_MAX - 1, "last");

    ck_assert_int_eq(h->answer(7, &a), NJ_E_NOT_FOUND);
    nj_host_take_answers(take_answer);
    ck_assert_int_eq(h->answer(7, &a), NJ_OK);
    nj_host_take_answers(NULL);

    ck_assert_str_eq(answered.plugin, "last");
    ck_assert_uint_eq(answered.handle, 7);
    h->base->log(NJ_LOG_INFO, "me");
    assert_logged("last: me");
}
END_TEST

START_TEST(the_listing_shows_a_mapper_with_what_it_says_of_itself)
{
    char text[4096] = { 0 };
    FILE *to = fmemopen(text, sizeof(text) - 1, "w");
    place_mapper(one, "alpha");
    struct nj_registry *reg = open_dirs(one, NULL);

    nj_plugins_print(to, reg);
    (void) fclose(to);

    assert_has(text, "authmap  alpha  0.0.2    1.");
    assert_has(text, "\n    does as it is told\n");
    ck_assert_ptr_null(strstr(text, "can:"));
    nj_registry_close(&reg);
}
END_TEST

static bool both_are_built(void)
{
    return strstr(NJ_TEST_PLUGINS, "nj_tls_gnutls.la") != NULL &&
           strstr(NJ_TEST_PLUGINS, "nj_tls_wolfssl.la") != NULL;
}

static Suite *loader_suite(void)
{
    Suite *s = suite_create("loader");
    TCase *tc = tcase_create("plug-ins");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_name_is_made_of_lower_case_letters_digits_and_two_signs);
    tcase_add_test(tc, a_good_provider_is_found_by_name);
    tcase_add_test(tc, a_gate_is_asked_each_time_a_provider_is_named);
    tcase_add_test(tc, nkey_users_need_a_provider_with_ed25519);
    tcase_add_test(tc, the_default_is_gnutls_and_else_wolfssl);
    tcase_add_loop_test(tc, a_faulty_plugin_is_refused_with_file_theirs_and_ours, 0,
                        (int) (sizeof(faults) / sizeof(faults[0])));
    tcase_add_test(tc, a_file_that_is_no_elf_object_gives_the_linkers_reason);
    tcase_add_test(tc, an_empty_file_gives_the_linkers_reason);
    tcase_add_test(tc, an_object_that_was_cut_short_gives_the_linkers_reason);
    tcase_add_test(tc, a_link_to_nowhere_is_refused);
    tcase_add_test(tc, a_pipe_in_place_of_a_file_is_refused);
    tcase_add_test(tc, a_provider_for_tests_is_taken_when_a_test_asks);
    tcase_add_test(tc, a_provider_that_lies_is_finished_at_once);
    tcase_add_test(tc, a_door_of_a_later_abi_beside_ours_is_no_fault);
    tcase_add_test(tc, a_plugin_of_a_later_minor_is_taken);
    tcase_add_test(tc, the_null_provider_is_refused_by_the_server);
    tcase_add_test(tc, a_directory_in_place_of_a_file_is_refused);
    tcase_add_test(tc, a_file_that_others_can_write_is_refused);
    tcase_add_test(tc, a_directory_that_the_group_can_write_is_not_searched);
    if (geteuid() == 0) {
        tcase_add_test(tc, a_file_of_somebody_else_is_refused);
    }
    tcase_add_test(tc, a_link_out_of_the_directory_is_refused);
    tcase_add_test(tc, a_link_within_the_directory_is_followed);
    tcase_add_test(tc, of_two_files_with_one_name_the_first_directory_wins);
    tcase_add_test(tc, a_later_directory_never_steps_in_for_a_refused_file);
    tcase_add_test(tc, a_directory_named_twice_is_searched_once);
    tcase_add_test(tc, an_unknown_name_is_answered_with_where_and_what_there_is);
    tcase_add_test(tc, no_provider_at_all_is_said_with_the_directories);
    tcase_add_test(tc, a_missing_directory_is_named);
    tcase_add_test(tc, a_name_with_a_slash_never_reaches_the_file_system);
    tcase_add_test(tc, the_search_path_of_the_environment_changes_nothing);
    tcase_add_test(tc, a_plugin_logs_under_its_name_and_is_finished_at_the_end);
    tcase_add_test(tc, threads_are_made_known_to_every_provider);
    tcase_add_test(tc, resized_memory_keeps_its_bytes_and_grows_by_zeros);
    tcase_add_test(tc, the_listing_shows_what_is_used_and_why_the_rest_is_not);
    tcase_add_test(tc, the_listing_of_nothing_says_so);
    tcase_add_test(tc, a_mapper_and_a_provider_of_one_name_are_two_plugins);
    tcase_add_loop_test(tc, a_faulty_mapper_is_refused_with_its_file, 0,
                        (int) (sizeof(mapper_faults) / sizeof(mapper_faults[0])));
    tcase_add_loop_test(tc, a_mapper_without_the_optional_slot_is_taken, 0, 2);
    tcase_add_test(tc, an_unknown_mapper_is_answered_with_the_mappers_there_are);
    tcase_add_test(tc, an_answer_arrives_with_the_name_of_its_plugin);
    tcase_add_test(tc, the_listing_shows_a_mapper_with_what_it_says_of_itself);
    if (both_are_built()) {
        tcase_add_test(tc, both_providers_live_in_one_process);
    }
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(loader_suite());
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
