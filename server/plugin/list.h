/* list.h: the table that --list-plugins prints. */
#ifndef NJ_PLUGIN_LIST_H
#define NJ_PLUGIN_LIST_H
#include <stdio.h>

struct nj_registry;

/*
 * Kind, name, plug-in version, ABI, library as loaded, capabilities and file of every plug-in in
 * use, then what was refused and why.
 */
void nj_plugins_print(FILE *to, const struct nj_registry *reg);

#endif
