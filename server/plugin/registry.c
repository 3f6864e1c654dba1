#include "plugin/registry.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "plugin/host.h"
#include "plugin/loader.h"

#define SUFFIX ".so"
#define NAME_MAX_LEN 64

/* What files are called, and what messages call them. */
static const struct kind {
    uint32_t kind;
    const char *prefix;
    const char *what;
} kinds[] = {
    { NJ_PLUGIN_TLS, "nj_tls_", "tls provider" },
    { NJ_PLUGIN_AUTHMAP, "nj_authmap_", "auth mapper" },
};
#define KINDS_N (sizeof(kinds) / sizeof(kinds[0]))

struct nj_registry {
    char **dirs;  /* immutable after start: as the user wrote them, for messages */
    char **reals; /* immutable after start: resolved; NULL where that failed */
    size_t dirs_n;
    struct nj_plugin_entry **entries; /* main thread: one is loaded when it is asked for */
    size_t entries_n;
    size_t loads_n; /* how many are in use */
    size_t inits_n; /* how often a host table was given away */
    bool test_only; /* take providers that protect nothing */
    nj_registry_gate_fn gate; /* main thread; NULL: none */
};

static const struct nj_tls_provider *tls_table(const struct nj_plugin_entry *e)
{
    /* The kind first: a worker that starts must not look at what a reload may load. */
    return e->kind == NJ_PLUGIN_TLS && e->plugin != NULL ? e->plugin->iface : NULL;
}

static const struct nj_authmap *authmap_table(const struct nj_plugin_entry *e)
{
    return e->kind == NJ_PLUGIN_AUTHMAP && e->plugin != NULL ? e->plugin->iface : NULL;
}

static const char *what_is(uint32_t kind)
{
    for (size_t i = 0; i < KINDS_N; i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].what;
        }
    }
    return "plug-in";
}

static struct nj_plugin_entry *find_entry(const struct nj_registry *reg, uint32_t kind,
                                          const char *name)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        struct nj_plugin_entry *e = reg->entries[i];
        if (e->kind == kind && e->name != NULL && strcmp(e->name, name) == 0) {
            return e;
        }
    }
    return NULL;
}

static struct nj_plugin_entry *add_entry(struct nj_registry *reg, uint32_t kind, char *name,
                                         char *path)
{
    struct nj_plugin_entry *e = nj_zalloc(sizeof(*e));
    e->kind = kind;
    e->name = name;
    e->path = path;
    reg->entries =
        nj_realloc(reg->entries, (reg->entries_n + 1) * sizeof(struct nj_plugin_entry *));
    reg->entries[reg->entries_n++] = e;
    return e;
}

static void free_entry(struct nj_plugin_entry *e)
{
    nj_dealloc(e->name);
    nj_dealloc(e->path);
    nj_dealloc(e->refused);
    nj_dealloc(e);
}

/* ---- loading ---------------------------------------------------------------------------------- */

static int init_plugin(struct nj_registry *reg, const struct nj_plugin *plugin,
                       struct nj_error *err)
{
    struct nj_error why = NJ_ERROR_INIT;
    int rc;

    if (reg->inits_n == NJ_PLUGINS_MAX) {
        return nj_error_set(err, NJ_E_LIMIT, "more than %d plug-ins", NJ_PLUGINS_MAX);
    }
    /* plugin->name is static in the plug-in, which is never unloaded. */
    size_t place = reg->inits_n++;
    if (plugin->kind == NJ_PLUGIN_TLS) {
        const struct nj_tls_provider *p = plugin->iface;
        rc = p->init(nj_host_table(place, plugin->name), &why);
    } else {
        const struct nj_authmap *m = plugin->iface;
        rc = m->init(nj_host_authmap_table(place, plugin->name), &why);
    }
    if (rc < 0) {
        return nj_error_set(err, rc, "its init failed: %s",
                            why.text[0] != '\0' ? why.text : "no reason given");
    }
    return NJ_OK;
}

/* Is there a suite of TLS 1.3 (0x13..), or one of TLS 1.2? */
static bool lists_suite(const struct nj_tls_about *about, bool of_1_3)
{
    for (size_t i = 0; about->suites != NULL && i < about->suites_n; i++) {
        if ((about->suites[i] >> 8 == 0x13) == of_1_3) {
            return true;
        }
    }
    return false;
}

/* What an initialised provider says it can, and what it then lists, must be one. */
static int check_claims(const struct nj_registry *reg, const struct nj_tls_provider *p,
                        struct nj_error *err)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    uint64_t caps = p->caps();
    p->about(&about);
    if ((caps & NJ_TLS_CAP_TEST_ONLY) != 0 && !reg->test_only) {
        return nj_error_set(err, NJ_E_DENIED,
                            "it is for tests only (NJ_TLS_CAP_TEST_ONLY) and protects nothing");
    }
    if ((caps & (NJ_TLS_CAP_TLS12 | NJ_TLS_CAP_TLS13)) == 0) {
        return nj_error_set(err, NJ_E_UNSUPPORTED, "it can do neither TLS 1.2 nor TLS 1.3");
    }
    if ((caps & NJ_TLS_CAP_TLS13) != 0 && !lists_suite(&about, true)) {
        return nj_error_set(err, NJ_E_ABI,
                            "it says that it can do TLS 1.3 and lists no cipher suite for it");
    }
    if ((caps & NJ_TLS_CAP_TLS12) != 0 && !lists_suite(&about, false)) {
        return nj_error_set(err, NJ_E_ABI,
                            "it says that it can do TLS 1.2 and lists no cipher suite for it");
    }
    if (about.groups == NULL || about.groups_n == 0) {
        return nj_error_set(err, NJ_E_ABI, "it lists no key exchange group");
    }
    return NJ_OK;
}

static int start_plugin(struct nj_registry *reg, const struct nj_plugin *plugin,
                        struct nj_error *err)
{
    int rc = init_plugin(reg, plugin, err);
    if (rc < 0 || plugin->kind != NJ_PLUGIN_TLS) {
        return rc;
    }
    const struct nj_tls_provider *p = plugin->iface;
    rc = check_claims(reg, p, err);
    if (rc < 0) {
        p->fini();
    }
    return rc;
}

/* Once: afterwards it is in use or refused. */
static void load_entry(struct nj_registry *reg, struct nj_plugin_entry *e)
{
    struct nj_error err = NJ_ERROR_INIT;
    const struct nj_plugin *plugin = NULL;
    if (e->plugin != NULL || e->refused != NULL) {
        return;
    }
    char *slash = strrchr(e->path, '/');
    char *real_dir = nj_strndup(e->path, (size_t) (slash - e->path));
    int rc = nj_plugin_load(real_dir, slash + 1, e->kind, e->name, &plugin, &err);
    nj_dealloc(real_dir);
    if (rc == NJ_OK) {
        rc = start_plugin(reg, plugin, &err);
        if (rc < 0) {
            nj_error_prefix(&err, e->path);
        }
    }
    if (rc < 0) {
        e->refused = nj_strdup(err.text);
    } else {
        e->plugin = plugin;
        e->load_no = ++reg->loads_n;
    }
}

/* The NAME of nj_tls_NAME.so and its kin, or NULL when the file is not called so. */
static char *name_of_file(const char *file, uint32_t *kind_out)
{
    size_t len = strlen(file);
    for (size_t i = 0; i < KINDS_N; i++) {
        size_t before = strlen(kinds[i].prefix);
        size_t fixed = before + strlen(SUFFIX);
        if (len > fixed && strncmp(file, kinds[i].prefix, before) == 0 &&
            strcmp(file + len - strlen(SUFFIX), SUFFIX) == 0) {
            *kind_out = kinds[i].kind;
            return nj_strndup(file + before, len - fixed);
        }
    }
    return NULL;
}

static void take_file(struct nj_registry *reg, const char *real_dir, const char *file)
{
    uint32_t kind = 0;
    char *name = name_of_file(file, &kind);
    if (name == NULL) {
        return;
    }
    const struct nj_plugin_entry *first = find_entry(reg, kind, name);
    struct nj_plugin_entry *e =
        add_entry(reg, kind, name, nj_strprintf("%s/%s", real_dir, file));
    if (!nj_plugin_name_valid(name) || strlen(name) > NAME_MAX_LEN) {
        e->refused = nj_strprintf("%s: names are made of a-z, 0-9, _ and -, %d at most", e->path,
                                  NAME_MAX_LEN);
    } else if (first != NULL) {
        e->refused = nj_strprintf("%s: not used, %s comes first", e->path, first->path);
    }
}

/* ---- looking ---------------------------------------------------------------------------------- */

static void refuse_dir(struct nj_registry *reg, const char *dir, const char *why)
{
    add_entry(reg, 0, NULL, nj_strdup(dir))->refused = nj_strdup(why);
}

static void scan_dir(struct nj_registry *reg, const char *real_dir)
{
    struct dirent **files = NULL;
    int n = scandir(real_dir, &files, NULL, alphasort);
    if (n < 0) {
        char *why = nj_strprintf("%s: %s", real_dir, strerror(errno));
        refuse_dir(reg, real_dir, why);
        nj_dealloc(why);
        return;
    }
    for (int i = 0; i < n; i++) {
        take_file(reg, real_dir, files[i]->d_name);
        free(files[i]);
    }
    free(files);
}

static bool searched(const struct nj_registry *reg, const char *real_dir)
{
    for (size_t i = 0; i < reg->dirs_n; i++) {
        if (reg->reals[i] != NULL && strcmp(reg->reals[i], real_dir) == 0) {
            return true;
        }
    }
    return false;
}

static void note_dir(struct nj_registry *reg, const char *dir, char *real)
{
    size_t n = reg->dirs_n + 1;
    reg->dirs = nj_realloc(reg->dirs, n * sizeof(char *));
    reg->reals = nj_realloc(reg->reals, n * sizeof(char *));
    reg->dirs[reg->dirs_n] = nj_strdup(dir);
    reg->reals[reg->dirs_n] = real;
    reg->dirs_n = n;
}

static void take_dir(struct nj_registry *reg, const char *dir, bool must_exist)
{
    struct nj_error err = NJ_ERROR_INIT;
    char *real = NULL;
    int rc = nj_plugin_dir_resolve(dir, &real, &err);
    if (rc < 0) {
        note_dir(reg, dir, NULL);
        if (rc != NJ_E_NOT_FOUND || must_exist) {
            refuse_dir(reg, dir, err.text);
        }
    } else if (searched(reg, real)) {
        nj_dealloc(real);
    } else {
        note_dir(reg, dir, real);
        scan_dir(reg, real);
    }
}

static int open_registry(const char *const *dirs, size_t dirs_n, const char *built_in,
                         struct nj_registry **reg_out, struct nj_error *err)
{
    int rc = nj_loader_init(err);
    if (rc < 0) {
        return rc;
    }
    struct nj_registry *reg = nj_zalloc(sizeof(*reg));
    for (size_t i = 0; i < dirs_n; i++) {
        take_dir(reg, dirs[i], true);
    }
    if (built_in != NULL) {
        take_dir(reg, built_in, false);
    }
    *reg_out = reg;
    return NJ_OK;
}

int nj_registry_open(const char *const *dirs, size_t dirs_n, struct nj_registry **reg_out,
                     struct nj_error *err)
{
    return open_registry(dirs, dirs_n, NJ_PLUGIN_DIR, reg_out, err);
}

int nj_registry_open_only(const char *const *dirs, size_t dirs_n, struct nj_registry **reg_out,
                          struct nj_error *err)
{
    return open_registry(dirs, dirs_n, NULL, reg_out, err);
}

void nj_registry_take_test_only(struct nj_registry *reg)
{
    reg->test_only = true;
}

void nj_registry_close(struct nj_registry **regp)
{
    struct nj_registry *reg = *regp;
    if (reg == NULL) {
        return;
    }
    *regp = NULL;
    for (size_t i = 0; i < reg->entries_n; i++) {
        const struct nj_tls_provider *p = tls_table(reg->entries[i]);
        const struct nj_authmap *m = authmap_table(reg->entries[i]);
        if (p != NULL) {
            p->fini();
        } else if (m != NULL) {
            m->fini();
        }
        free_entry(reg->entries[i]);
    }
    for (size_t i = 0; i < reg->dirs_n; i++) {
        nj_dealloc(reg->dirs[i]);
        nj_dealloc(reg->reals[i]);
    }
    nj_dealloc(reg->entries);
    nj_dealloc(reg->dirs);
    nj_dealloc(reg->reals);
    nj_dealloc(reg);
}

void nj_registry_load_all(struct nj_registry *reg)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        if (reg->entries[i]->name != NULL) {
            load_entry(reg, reg->entries[i]);
        }
    }
}

void nj_registry_log_refused(const struct nj_registry *reg)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        if (reg->entries[i]->refused != NULL) {
            nj_log_warn("plug-in refused: %s", reg->entries[i]->refused);
        }
    }
}

void nj_registry_set_gate(struct nj_registry *reg, nj_registry_gate_fn gate)
{
    reg->gate = gate;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static void put_dirs(const struct nj_registry *reg, struct nj_buf *b)
{
    for (size_t i = 0; i < reg->dirs_n; i++) {
        (void) nj_buf_printf(b, "%s%s", i == 0 ? "" : ", ", reg->dirs[i]);
    }
    /* A file may be there and yet not seen. */
    for (size_t i = 0; i < reg->entries_n; i++) {
        if (reg->entries[i]->name == NULL) {
            (void) nj_buf_printf(b, "; not searched: %s", reg->entries[i]->refused);
        }
    }
}

static void put_found(const struct nj_registry *reg, uint32_t kind, struct nj_buf *b)
{
    const char *before = "; found: ";
    for (size_t i = 0; i < reg->entries_n; i++) {
        const struct nj_plugin_entry *e = reg->entries[i];
        if (e->kind == kind && e->name != NULL && e->refused == NULL) {
            (void) nj_buf_printf(b, "%s%s", before, e->name);
            before = ", ";
        }
    }
}

static int say_not_found(const struct nj_registry *reg, uint32_t kind, const char *name,
                         struct nj_error *err)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX - 1);
    if (name == NULL) {
        (void) nj_buf_printf(&b, "no %s found in ", what_is(kind));
    } else {
        (void) nj_buf_printf(&b, "%s \"%.64s\" not found in ", what_is(kind), name);
    }
    put_dirs(reg, &b);
    put_found(reg, kind, &b);
    int rc = nj_error_set(err, NJ_E_NOT_FOUND, "%s", b.ptr);
    nj_buf_free(&b);
    return rc;
}

static int find_default(struct nj_registry *reg, const struct nj_plugin_entry **entry_out,
                        struct nj_error *err)
{
    static const char *const wanted[] = { "gnutls", "wolfssl" };
    const struct nj_plugin_entry *refused = NULL;

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct nj_plugin_entry *e = find_entry(reg, NJ_PLUGIN_TLS, wanted[i]);
        if (e != NULL) {
            load_entry(reg, e);
        }
        if (e != NULL && e->plugin != NULL) {
            *entry_out = e;
            return NJ_OK;
        }
        if (e != NULL && refused == NULL) {
            refused = e;
        }
    }
    if (refused != NULL) {
        return nj_error_set(err, NJ_E_ABI, "no tls provider can be used: %s", refused->refused);
    }
    return say_not_found(reg, NJ_PLUGIN_TLS, NULL, err);
}

static int find_named(struct nj_registry *reg, uint32_t kind, const char *name,
                      const struct nj_plugin_entry **entry_out, struct nj_error *err)
{
    if (!nj_plugin_name_valid(name)) {
        return nj_error_set(err, NJ_E_INVALID,
                            "%s \"%.64s\": names are made of a-z, 0-9, _ and -", what_is(kind),
                            name);
    }
    struct nj_plugin_entry *e = find_entry(reg, kind, name);
    if (e == NULL) {
        return say_not_found(reg, kind, name, err);
    }
    load_entry(reg, e);
    if (e->plugin == NULL) {
        return nj_error_set(err, NJ_E_ABI, "%s \"%s\" cannot be used: %s", what_is(kind), e->name,
                            e->refused);
    }
    *entry_out = e;
    return NJ_OK;
}

int nj_registry_tls(struct nj_registry *reg, const char *name,
                    const struct nj_tls_provider **provider_out, struct nj_error *err)
{
    const struct nj_plugin_entry *e = NULL;
    int rc = name == NULL ? find_default(reg, &e, err)
                          : find_named(reg, NJ_PLUGIN_TLS, name, &e, err);
    if (rc == NJ_OK && reg->gate != NULL) {
        rc = reg->gate(tls_table(e), e->name, err);
    }
    if (rc == NJ_OK) {
        *provider_out = tls_table(e);
    }
    return rc;
}

int nj_registry_authmap(struct nj_registry *reg, const char *name,
                        const struct nj_plugin_entry **entry_out, struct nj_error *err)
{
    return find_named(reg, NJ_PLUGIN_AUTHMAP, name, entry_out, err);
}

const char *nj_registry_tls_name(const struct nj_registry *reg,
                                 const struct nj_tls_provider *provider)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        if (provider != NULL && tls_table(reg->entries[i]) == provider) {
            return reg->entries[i]->name;
        }
    }
    return NULL;
}

void nj_registry_thread_attach(const struct nj_registry *reg)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        const struct nj_tls_provider *p = tls_table(reg->entries[i]);
        if (p != NULL && NJ_TLS_HAS(p, thread_attach)) {
            p->thread_attach();
        }
    }
}

size_t nj_registry_loads(const struct nj_registry *reg)
{
    return reg->loads_n;
}

void nj_registry_thread_attach_since(const struct nj_registry *reg, size_t since)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        const struct nj_tls_provider *p = tls_table(reg->entries[i]);
        if (p != NULL && reg->entries[i]->load_no > since && NJ_TLS_HAS(p, thread_attach)) {
            p->thread_attach();
        }
    }
}

void nj_registry_thread_detach(const struct nj_registry *reg)
{
    for (size_t i = 0; i < reg->entries_n; i++) {
        const struct nj_tls_provider *p = tls_table(reg->entries[i]);
        if (p != NULL && NJ_TLS_HAS(p, thread_detach)) {
            p->thread_detach();
        }
    }
}

size_t nj_registry_count(const struct nj_registry *reg)
{
    return reg->entries_n;
}

const struct nj_plugin_entry *nj_registry_entry(const struct nj_registry *reg, size_t i)
{
    return reg->entries[i];
}
