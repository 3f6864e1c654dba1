#include "ops/server_mappers.h"

#include "auth/mappers.h"
#include "base/alloc.h"
#include "ops/options.h"
#include "plugin/registry.h"

static int find_plugin(const struct nj_mapper_entry *from, struct nj_registry *reg,
                       struct nj_mapper_config *to, struct nj_error *err)
{
    const struct nj_plugin_entry *e = NULL;
    int rc = nj_registry_authmap(reg, from->plugin, &e, err);
    if (rc == NJ_OK) {
        *to = (struct nj_mapper_config){ .name = e->plugin->name,
                                         .version = e->plugin->version,
                                         .path = e->path,
                                         .table = e->plugin->iface,
                                         .options = from->options,
                                         .timeout_us = from->timeout_ns / 1000 };
    }
    return rc;
}

int nj_server_make_mappers(const struct nj_options *o, struct nj_registry *reg,
                           struct nj_mappers **set_out, struct nj_error *err)
{
    int rc = NJ_OK;
    size_t n = o->mappers_n;
    *set_out = NULL;
    if (n == 0) {
        return NJ_OK;
    }
    struct nj_mapper_config *configs = nj_calloc(n, sizeof(configs[0]));
    for (size_t i = 0; rc == NJ_OK && i < n; i++) {
        rc = find_plugin(&o->mappers[i], reg, &configs[i], err);
    }
    if (rc == NJ_OK) {
        rc = nj_mappers_new(configs, n, set_out, err);
    }
    nj_dealloc(configs);
    return rc;
}
