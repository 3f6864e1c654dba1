/* tree.h: building a configuration tree.  For the parser; readers use conf.h. */
#ifndef NJ_CONF_TREE_H
#define NJ_CONF_TREE_H
#include "conf/conf.h"

struct nj_conf *nj_tree_new(void);
struct nj_conf_value *nj_tree_root(struct nj_conf *conf);

/* A copy that lives as long as the tree, NUL-terminated. */
const char *nj_tree_text(struct nj_conf *conf, const char *s, size_t len);

/* A container that still grows. */
struct nj_tree_map;
struct nj_tree_list;

struct nj_tree_map *nj_tree_map_new(struct nj_conf *conf);
struct nj_tree_list *nj_tree_list_new(struct nj_conf *conf);

/* Put a member in; an equal key is replaced where it stands. */
void nj_tree_map_put(struct nj_tree_map *m, const char *key, size_t key_len,
                     const struct nj_conf_value *v);
struct nj_conf_value *nj_tree_map_get(struct nj_tree_map *m, const char *key, size_t key_len);
void nj_tree_list_add(struct nj_tree_list *l, const struct nj_conf_value *v);

/* What the container is as a value (type, map or list set; no position). */
struct nj_conf_value nj_tree_map_value(struct nj_tree_map *m);
struct nj_conf_value nj_tree_list_value(struct nj_tree_list *l);

/* How many containers stand inside each other below and with `v`; 0 for a scalar. */
unsigned nj_tree_height(const struct nj_conf_value *v);

/* Move everything that `from` holds into `to`, so that its values may be used there. */
void nj_tree_absorb(struct nj_conf *to, struct nj_conf **from);

#endif
