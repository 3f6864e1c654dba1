/* options_mappers.h: the `mappers` of the authorization block.  Inside server/ops/ only. */
#ifndef NJ_OPS_OPTIONS_MAPPERS_H
#define NJ_OPS_OPTIONS_MAPPERS_H
#include "natterjack/authmap.h"

struct nj_conf_value;
struct nj_conf_member;
struct nj_option_reader;
struct nj_options;

/* A copy of a value as plug-ins are shown it; all in it is owned.  `key` may be NULL. */
struct nj_authmap_value *nj_value_from_conf(const struct nj_conf_value *v, const char *key);
void nj_value_free(struct nj_authmap_value **vp); /* overwritten first: it may hold a secret */

/* Reads the list and has each mapper look at its options. */
void nj_reader_mappers(struct nj_option_reader *r, const struct nj_conf_member *m);

void nj_options_free_mappers(struct nj_options *o);

#endif
