/*
 * loader.h: open one plug-in file and decide whether it fits.
 *
 * Main thread only.  A plug-in is never unloaded: TLS libraries leave exit handlers and thread
 * callbacks behind that would point into nothing.
 */
#ifndef NJ_PLUGIN_LOADER_H
#define NJ_PLUGIN_LOADER_H
#include <stdbool.h>
#include <stdint.h>

#include "natterjack/plugin.h"

/* Start libltdl.  It has no end: its list of modules lives as long as they do. */
int nj_loader_init(struct nj_error *err);

/* Is it [a-z0-9_-]+ ? */
bool nj_plugin_name_valid(const char *name);

/* "tls", "authmap", or "unknown". */
const char *nj_plugin_kind_name(uint32_t kind);

/*
 * Resolve a directory and prove that only root or the effective user can put files into it.
 * *real_out (absolute, without links) belongs to the caller.
 */
int nj_plugin_dir_resolve(const char *dir, char **real_out, struct nj_error *err);

/*
 * Load `real_dir`/`file` (real_dir as nj_plugin_dir_resolve gave it; file without a slash), call
 * its door and check what comes back against `kind` and `name`.  The file must be owned by root
 * or the effective user, writable by nobody else, and stay in the directory when links are
 * followed.  Every refusal says theirs and ours, and begins with the path.  init() is not called.
 */
int nj_plugin_load(const char *real_dir, const char *file, uint32_t kind, const char *name,
                   const struct nj_plugin **plugin_out, struct nj_error *err);

/* The checks alone, on a descriptor in memory.  The text does not name a file. */
int nj_plugin_check(const struct nj_plugin *plugin, uint32_t kind, const char *name,
                    struct nj_error *err);

#endif
