#include "plugin/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <ltdl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "natterjack/authmap.h"
#include "natterjack/tls.h"

/* ---- names ---------------------------------------------------------------------------------- */

bool nj_plugin_name_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

const char *nj_plugin_kind_name(uint32_t kind)
{
    switch (kind) {
    case NJ_PLUGIN_TLS:
        return "tls";
    case NJ_PLUGIN_AUTHMAP:
        return "authmap";
    default:
        return "unknown";
    }
}

/* ---- who may have put the file there ---------------------------------------------------------- */

static int check_owner(const struct stat *st, const char *what, struct nj_error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return nj_error_set(err, NJ_E_DENIED, "%s is owned by uid %lu, not by root or uid %lu",
                            what, (unsigned long) st->st_uid, (unsigned long) geteuid());
    }
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return nj_error_set(err, NJ_E_DENIED, "%s is writable by group or others (mode %04o): chmod go-w", what,
                            (unsigned) (st->st_mode & 07777));
    }
    return NJ_OK;
}

int nj_plugin_dir_resolve(const char *dir, char **real_out, struct nj_error *err)
{
    struct stat st;
    int rc = NJ_OK;
    char *real = realpath(dir, NULL);
    if (real == NULL || stat(real, &st) != 0) {
        rc = nj_error_set(err, errno == ENOENT ? NJ_E_NOT_FOUND : NJ_E_IO, "%s", strerror(errno));
        goto out;
    }
    if (!S_ISDIR(st.st_mode)) {
        rc = nj_error_set(err, NJ_E_INVALID, "not a directory");
        goto out;
    }
    rc = check_owner(&st, "the directory", err);
    if (rc < 0) {
        goto out;
    }
    *real_out = nj_strdup(real);
out:
    free(real);
    if (rc < 0) {
        nj_error_prefix(err, dir);
    }
    return rc;
}

static int check_file(const char *path, struct nj_error *err)
{
    struct stat st;
    int rc = NJ_OK;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = nj_error_set(err, NJ_E_IO, "%s", strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = nj_error_set(err, NJ_E_INVALID, "not a regular file");
        goto out;
    }
    rc = check_owner(&st, "the file", err);
out:
    if (fd >= 0) {
        (void) close(fd);
    }
    return rc;
}

/* The path with links followed, which must still lie directly in real_dir. */
static int resolve_inside(const char *real_dir, const char *path, char **real_out,
                          struct nj_error *err)
{
    char *real = realpath(path, NULL);
    if (real == NULL) {
        int why = errno;
        struct stat st;
        if (why == ENOENT && lstat(path, &st) == 0) {
            return nj_error_set(err, NJ_E_NOT_FOUND, "a symbolic link that leads nowhere");
        }
        return nj_error_set(err, NJ_E_IO, "%s", strerror(why));
    }
    size_t dir_len = strlen(real_dir);
    bool inside = strncmp(real, real_dir, dir_len) == 0 && real[dir_len] == '/' &&
                  strchr(real + dir_len + 1, '/') == NULL;
    int rc = NJ_OK;
    if (inside) {
        *real_out = nj_strdup(real);
    } else {
        rc = nj_error_set(err, NJ_E_DENIED, "a symbolic link leads out of the directory, to %s",
                          real);
    }
    free(real);
    return rc;
}

/* ---- opening ---------------------------------------------------------------------------------- */

int nj_loader_init(struct nj_error *err)
{
    if (lt_dlinit() != 0) {
        const char *why = lt_dlerror();
        return nj_error_set(err, NJ_E_FAILED, "libltdl: %s", why != NULL ? why : "unknown reason");
    }
    return NJ_OK;
}

/*
 * libltdl binds lazily, so a symbol that no library has would end the process at its first call,
 * and it hides most of the dynamic linker's reasons behind "file not found".  Bind everything
 * first and take the reason from there.  The handle is kept: never unloaded.
 */
static int bind_now(const char *path, struct nj_error *err)
{
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) != NULL) {
        return NJ_OK;
    }
    const char *why = dlerror();
    size_t len = strlen(path);
    /* It says "PATH: reason", and our caller puts the path in front again. */
    if (why != NULL && strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0) {
        why += len + 2;
    }
    return nj_error_set(err, NJ_E_IO, "cannot be loaded: %s", why != NULL ? why : "unknown reason");
}

static int open_module(const char *path, lt_dlhandle *handle_out, struct nj_error *err)
{
    lt_dladvise advice;
    int rc = bind_now(path, err);
    if (rc < 0) {
        return rc;
    }
    if (lt_dladvise_init(&advice) != 0) {
        return nj_error_set(err, NJ_E_FAILED, "libltdl: %s", lt_dlerror());
    }
    (void) lt_dladvise_local(&advice);
    (void) lt_dladvise_resident(&advice);
    lt_dlhandle handle = lt_dlopenadvise(path, advice);
    if (handle == NULL) {
        const char *why = lt_dlerror();
        rc = nj_error_set(err, NJ_E_IO, "cannot be loaded: %s",
                          why != NULL ? why : "unknown reason");
    } else {
        *handle_out = handle;
    }
    (void) lt_dladvise_destroy(&advice);
    return rc;
}

/* The linker also looks into the libraries that a plug-in needs, and one may be a plug-in. */
static int check_door(void *symbol, const char *path, struct nj_error *err)
{
    Dl_info at;
    char *real = NULL;
    int rc = NJ_OK;
    if (dladdr(symbol, &at) == 0 || (real = realpath(at.dli_fname, NULL)) == NULL ||
        strcmp(real, path) != 0) {
        rc = nj_error_set(err, NJ_E_ABI,
                          "it has no " NJ_PLUGIN_DOOR " of its own, the one it shows is that of %s",
                          real != NULL ? real : "another file");
    }
    free(real);
    return rc;
}

static int find_door(lt_dlhandle handle, const char *path, nj_plugin_door_fn *door_out,
                     struct nj_error *err)
{
    void *symbol = lt_dlsym(handle, NJ_PLUGIN_DOOR);
    if (symbol == NULL) {
        return nj_error_set(err, NJ_E_ABI, "not a natterjack plug-in: it has no " NJ_PLUGIN_DOOR);
    }
    int rc = check_door(symbol, path, err);
    if (rc < 0) {
        return rc;
    }
    /* POSIX lets an object pointer hold a function; ISO C has no cast for it. */
    memcpy(door_out, &symbol, sizeof(*door_out));
    return NJ_OK;
}

/* ---- what the door shows ---------------------------------------------------------------------- */

/* No table will be so long; one that says so was not filled in, and we would read past its end. */
#define SIZE_SANE_MAX 65536

struct slot {
    const char *name;
    size_t offset;
};

#define TLS_SLOT(slot)                                                                             \
    {                                                                                              \
        .name = #slot, .offset = offsetof(struct nj_tls_provider, slot)                            \
    }
#define AUTHMAP_SLOT(slot)                                                                         \
    {                                                                                              \
        .name = #slot, .offset = offsetof(struct nj_authmap, slot)                                 \
    }

/* What a provider of ABI 1.0 cannot do without.  The rest is asked for with NJ_TLS_HAS(). */
static const struct slot tls_required[] = {
    TLS_SLOT(init),    TLS_SLOT(fini),         TLS_SLOT(about),     TLS_SLOT(caps),
    TLS_SLOT(ctx_new), TLS_SLOT(ctx_ref),      TLS_SLOT(ctx_unref), TLS_SLOT(accept),
    TLS_SLOT(dial),    TLS_SLOT(handshake),    TLS_SLOT(open),      TLS_SLOT(has_plain),
    TLS_SLOT(seal),    TLS_SLOT(close_notify), TLS_SLOT(abort),     TLS_SLOT(in_eof),
    TLS_SLOT(info),    TLS_SLOT(peer_chain),   TLS_SLOT(drop_peer), TLS_SLOT(error),
    TLS_SLOT(free),    TLS_SLOT(verify_chain), TLS_SLOT(crypto),
};

/* Likewise of a mapper. */
static const struct slot authmap_required[] = {
    AUTHMAP_SLOT(init),         AUTHMAP_SLOT(fini),          AUTHMAP_SLOT(check),
    AUTHMAP_SLOT(instance_new), AUTHMAP_SLOT(instance_free), AUTHMAP_SLOT(decide),
};

static int check_table(const void *iface, const struct slot *required, size_t required_n,
                       struct nj_error *err)
{
    uint32_t size;
    memcpy(&size, iface, sizeof(size));
    if (size > SIZE_SANE_MAX) {
        return nj_error_set(err, NJ_E_ABI, "its table claims to have %u bytes, %d is the most",
                            (unsigned) size, SIZE_SANE_MAX);
    }

    for (size_t i = 0; i < required_n; i++) {
        const struct slot *s = &required[i];
        void *value = NULL;
        if (size < s->offset + sizeof(value)) {
            return nj_error_set(err, NJ_E_ABI,
                                "its table of %u bytes ends before the slot \"%s\" (%zu bytes "
                                "needed)",
                                (unsigned) size, s->name, s->offset + sizeof(value));
        }
        memcpy(&value, (const char *) iface + s->offset, sizeof(value));
        if (value == NULL) {
            return nj_error_set(err, NJ_E_ABI, "the required slot \"%s\" is empty", s->name);
        }
    }
    return NJ_OK;
}

static int check_table_of_kind(const void *iface, uint32_t kind, struct nj_error *err)
{
    switch (kind) {
    case NJ_PLUGIN_TLS:
        return check_table(iface, tls_required, sizeof(tls_required) / sizeof(tls_required[0]),
                           err);
    case NJ_PLUGIN_AUTHMAP:
        return check_table(iface, authmap_required,
                           sizeof(authmap_required) / sizeof(authmap_required[0]), err);
    default:
        return NJ_OK;
    }
}

static int check_version(const struct nj_plugin *p, struct nj_error *err)
{
    if (p->abi_major != NJ_ABI_MAJOR) {
        return nj_error_set(err, NJ_E_ABI, "built for plug-in ABI %u.%u, this server has %u.%u",
                            (unsigned) p->abi_major, (unsigned) p->abi_minor,
                            (unsigned) NJ_ABI_MAJOR, (unsigned) NJ_ABI_MINOR);
    }
    return NJ_OK;
}

static int check_name(const struct nj_plugin *p, const char *name, struct nj_error *err)
{
    if (p->name == NULL || p->version == NULL) {
        return nj_error_set(err, NJ_E_ABI, "it does not say its name and version");
    }
    if (!nj_plugin_name_valid(p->name)) {
        return nj_error_set(err, NJ_E_ABI,
                            "it calls itself \"%.64s\"; names are made of a-z, 0-9, _ and -",
                            p->name);
    }
    if (strcmp(p->name, name) != 0) {
        return nj_error_set(err, NJ_E_ABI, "it calls itself \"%.64s\", its file name says \"%s\"",
                            p->name, name);
    }
    return NJ_OK;
}

int nj_plugin_check(const struct nj_plugin *plugin, uint32_t kind, const char *name,
                    struct nj_error *err)
{
    if (plugin == NULL) {
        return nj_error_set(err, NJ_E_ABI, NJ_PLUGIN_DOOR " returned nothing");
    }
    if (plugin->magic != NJ_PLUGIN_MAGIC) {
        return nj_error_set(err, NJ_E_ABI, "wrong magic 0x%08x, this server knows 0x%08x",
                            (unsigned) plugin->magic, (unsigned) NJ_PLUGIN_MAGIC);
    }
    if (!NJ_FIELD(struct nj_plugin, plugin, iface)) {
        return nj_error_set(err, NJ_E_ABI, "its descriptor has %u bytes, this server needs %zu",
                            (unsigned) plugin->size, sizeof(*plugin));
    }
    if (plugin->size > SIZE_SANE_MAX) {
        return nj_error_set(err, NJ_E_ABI, "its descriptor claims to have %u bytes, %d is the most",
                            (unsigned) plugin->size, SIZE_SANE_MAX);
    }
    int rc = check_version(plugin, err);
    if (rc < 0) {
        return rc;
    }
    if (plugin->kind != kind) {
        return nj_error_set(err, NJ_E_ABI, "it is of kind %u (%s), its file name says %u (%s)",
                            (unsigned) plugin->kind, nj_plugin_kind_name(plugin->kind),
                            (unsigned) kind, nj_plugin_kind_name(kind));
    }
    rc = check_name(plugin, name, err);
    if (rc < 0) {
        return rc;
    }
    if (plugin->iface == NULL) {
        return nj_error_set(err, NJ_E_ABI, "it brings no table of functions");
    }
    return check_table_of_kind(plugin->iface, kind, err);
}

static int load(const char *real_dir, const char *path, uint32_t kind, const char *name,
                const struct nj_plugin **plugin_out, struct nj_error *err)
{
    char *real = NULL;
    lt_dlhandle handle = NULL;
    nj_plugin_door_fn door = NULL;
    const struct nj_plugin *plugin = NULL;
    int rc = resolve_inside(real_dir, path, &real, err);
    if (rc < 0) {
        goto out;
    }
    rc = check_file(real, err);
    if (rc < 0) {
        goto out;
    }
    rc = open_module(real, &handle, err);
    if (rc < 0) {
        goto out;
    }
    rc = find_door(handle, real, &door, err);
    if (rc < 0) {
        goto out;
    }
    plugin = door();
    rc = nj_plugin_check(plugin, kind, name, err);
    if (rc < 0) {
        goto out;
    }
    *plugin_out = plugin;
out:
    nj_dealloc(real);
    return rc;
}

int nj_plugin_load(const char *real_dir, const char *file, uint32_t kind, const char *name,
                   const struct nj_plugin **plugin_out, struct nj_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", real_dir, file);
    if (n < 0 || (size_t) n >= sizeof(path)) {
        return nj_error_set(err, NJ_E_LIMIT, "%s: the path is too long", file);
    }
    int rc = load(real_dir, path, kind, name, plugin_out, err);
    if (rc < 0) {
        nj_error_prefix(err, path);
    }
    return rc;
}
