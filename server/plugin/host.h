/*
 * host.h: what the server offers to plug-ins (struct nj_host) and the name it logs them under.
 */
#ifndef NJ_PLUGIN_HOST_H
#define NJ_PLUGIN_HOST_H
#include <stddef.h>

#include "natterjack/plugin.h"

/* Plug-ins that can be in use at once. */
#define NJ_PLUGINS_MAX 8

/*
 * The services for the plug-in in place `slot` (below NJ_PLUGINS_MAX), whose log lines begin with
 * "NAME: ".  `name` must live as long as the process: plug-ins keep the table for ever.  Main
 * thread, before the plug-in's init().
 */
const struct nj_host *nj_host_table(size_t slot, const char *name);

#endif
