/* server_mappers.h: from `mappers` in the options to instances. */
#ifndef NJ_OPS_SERVER_MAPPERS_H
#define NJ_OPS_SERVER_MAPPERS_H
#include "natterjack/plugin.h"

struct nj_mappers;
struct nj_options;
struct nj_registry;

/*
 * Make an instance of every mapper that the options name, in order.  Main thread.  *set_out is NULL when none are configured.  A reload makes a new set in the same way;
 * questions that are open keep the old one until they are answered, and nj_mappers_collect() frees
 * it then.  NJ_OK, or negative: nothing was made.
 */
int nj_server_make_mappers(const struct nj_options *o, struct nj_registry *reg,
                           struct nj_mappers **set_out, struct nj_error *err);

#endif
