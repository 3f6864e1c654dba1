/*
 * host.h: what the server offers to plug-ins (struct nj_host) and the name it logs them under.
 */
#ifndef NJ_PLUGIN_HOST_H
#define NJ_PLUGIN_HOST_H
#include <stddef.h>

#include "natterjack/authmap.h"
#include "natterjack/plugin.h"

/* Plug-ins that can be in use at once. */
#define NJ_PLUGINS_MAX 16

/*
 * The services for the plug-in in place `slot` (below NJ_PLUGINS_MAX), whose log lines begin with
 * "NAME: ".  `name` must live as long as the process: plug-ins keep the table for ever.  Main
 * thread, before the plug-in's init().
 */
const struct nj_host *nj_host_table(size_t slot, const char *name);

/* The same for a mapper: the services above and answer(). */
const struct nj_authmap_host *nj_host_authmap_table(size_t slot, const char *name);

/* Who takes the answers of mappers (struct nj_authmap_host.answer); `plugin` is the name of the one
 * that answers.  Called on any thread.  Nobody: every answer is NJ_E_NOT_FOUND. */
typedef int (*nj_host_answer_fn)(const char *plugin, uint64_t handle,
                                 const struct nj_authmap_answer *answer);
void nj_host_take_answers(nj_host_answer_fn fn);

#endif
