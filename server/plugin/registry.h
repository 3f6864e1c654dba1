/*
 * registry.h: the plug-ins of this process.
 *
 * The search path is looked through once; a plug-in is loaded and initialised when somebody asks
 * for it by name, on the main thread, so that a process maps the libraries that it uses and no
 * others.  What does not fit is kept with its reason and does no harm.
 *
 * The names of files: nj_tls_NAME.so, nj_authmap_NAME.so.  Of two files with one name the first
 * directory's is used, also when it does not fit: a later one never steps in for it.
 */
#ifndef NJ_PLUGIN_REGISTRY_H
#define NJ_PLUGIN_REGISTRY_H
#include <stddef.h>
#include <stdint.h>

#include "natterjack/authmap.h"
#include "natterjack/plugin.h"
#include "natterjack/tls.h"

struct nj_registry;

/* One file, or one directory that could not be used (then name is NULL). */
struct nj_plugin_entry {
    uint32_t kind;                  /* NJ_PLUGIN_*; 0 for a directory */
    char *name;                     /* as the file name says */
    char *path;                     /* absolute where it exists */
    char *refused;                  /* why it is not in use; NULL when it is */
    const struct nj_plugin *plugin; /* NULL when refused, or not asked for yet */
    size_t load_no;                 /* the first that was loaded has 1 */
};

/*
 * Look through `dirs` in order and then the built-in directory.  Succeeds with whatever was
 * found, nothing included; fails only when libltdl cannot be started.  Main thread, before others
 * are started.
 */
int nj_registry_open(const char *const *dirs, size_t dirs_n, struct nj_registry **reg_out,
                     struct nj_error *err);

/* The same without the built-in directory. */
int nj_registry_open_only(const char *const *dirs, size_t dirs_n, struct nj_registry **reg_out,
                          struct nj_error *err);

/* For tests: take providers that say NJ_TLS_CAP_TEST_ONLY too.  Before anything is loaded. */
void nj_registry_take_test_only(struct nj_registry *reg);

/*
 * What a provider must have besides the ABI, asked each time that one is named by
 * nj_registry_tls(): NJ_OK, or negative with a whole sentence.  It may change its mind while the
 * process runs.  Main thread.
 */
typedef int (*nj_registry_gate_fn)(const struct nj_tls_provider *provider, const char *name,
                                   struct nj_error *err);
void nj_registry_set_gate(struct nj_registry *reg, nj_registry_gate_fn gate);

/* The plug-ins' fini, after all other threads have ended.  The code stays loaded.  Sets NULL. */
void nj_registry_close(struct nj_registry **regp);

/* Load whatever was found: for the listing. */
void nj_registry_load_all(struct nj_registry *reg);

/* One warning for each file and directory that was refused. */
void nj_registry_log_refused(const struct nj_registry *reg);

/*
 * The provider called `name`; NULL asks for the default, gnutls, else wolfssl.  Borrowed until
 * nj_registry_close().  Main thread; loads it the first time.  On failure:
 *   tls provider "x" not found in DIR, DIR; found: gnutls, wolfssl
 *   tls provider "gnutls" cannot be used: FILE: reason
 *   no tls provider found in DIR, DIR
 */
int nj_registry_tls(struct nj_registry *reg, const char *name,
                    const struct nj_tls_provider **provider_out, struct nj_error *err);

/* The name under which a provider was found; NULL when it is none of ours. */
const char *nj_registry_tls_name(const struct nj_registry *reg,
                                 const struct nj_tls_provider *provider);

/*
 * The auth mapper `name`, loaded the first time it is asked for; main thread.  Borrowed until
 * nj_registry_close().  Fails in the same words: auth mapper "x" not found in DIR; found: rules
 */
int nj_registry_authmap(struct nj_registry *reg, const char *name,
                        const struct nj_plugin_entry **entry_out, struct nj_error *err);

/* Each thread that uses sessions, at its start and its end: walks all providers. */
void nj_registry_thread_attach(const struct nj_registry *reg);
void nj_registry_thread_detach(const struct nj_registry *reg);

/*
 * A provider that is loaded while such threads run: how many were loaded so far (main thread), and
 * on each of the threads, while the main thread waits, attach to those that came after `since`.
 */
size_t nj_registry_loads(const struct nj_registry *reg);
void nj_registry_thread_attach_since(const struct nj_registry *reg, size_t since);

/* What there is, in search order. */
size_t nj_registry_count(const struct nj_registry *reg);
const struct nj_plugin_entry *nj_registry_entry(const struct nj_registry *reg, size_t i);

#endif
