/*
 * facts.h: what the monitoring port is told: counters of the hub, and the connections that the
 * workers have.  Control thread.
 */
#ifndef NJ_OPS_FACTS_H
#define NJ_OPS_FACTS_H
#include <stdint.h>
#include <uv.h>

#include "ops/monitor_facts.h"

struct nj_hub;
struct nj_options;
struct nj_tls_provider;

struct nj_facts; /* `user` of nj_facts_source */

struct nj_facts_config {
    struct nj_hub *hub;
    const struct nj_options *options;
    const struct nj_tls_provider *provider; /* asked for the label of its module; NULL: none */
    int64_t start_ns;
    int client_port;
    int http_port;
    int https_port;
    uv_loop_t *loop;
};

extern const struct nj_monitor_source nj_facts_source;

struct nj_facts *nj_facts_new(const struct nj_facts_config *config);
/* A reload: what is shown from now on, and when it came.  Borrowed until the next call. */
void nj_facts_set_options(struct nj_facts *f, const struct nj_options *options, int64_t load_ns);
void nj_facts_set_listening(struct nj_facts *f, int client_port, int listening);
/* After the monitor has closed and every question was answered; closes its handle on the loop. */
void nj_facts_close(struct nj_facts *f);
/* Once the loop has ended. */
void nj_facts_free(struct nj_facts **fp);

#endif
