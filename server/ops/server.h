/*
 * server.h: puts the rooms together: from options to a running server and back.
 */
#ifndef NJ_OPS_SERVER_H
#define NJ_OPS_SERVER_H

struct nj_error;
struct nj_hub;
struct nj_options;
struct nj_options_source;
struct nj_registry;
struct nj_serving;
struct nj_tls_block;

/*
 * Serve until told to stop.  The log is open and plug-ins are loaded.  `again` is what a reload
 * reads; `program` is the name under which the process was started.  Returns the exit status.  Main
 * thread.
 */
int nj_server_run(const struct nj_options *o, const struct nj_options_source *again,
                  struct nj_registry *reg, const char *program);

/* The same for one block alone, whichever port it is for; `tls_provider` may be NULL. */
int nj_server_check_block(const struct nj_tls_block *block, const char *tls_provider,
                          struct nj_registry *reg, struct nj_error *err);

/* Load everything that the `tls` block names, as the start will, and let it go again. */
int nj_server_check_tls(const struct nj_options *o, struct nj_registry *reg,
                        struct nj_error *err);

/*
 * Build what connections obey: limits, credentials, the TLS door.  Changes nothing else, so that a
 * reload can try it.  NJ_OK, or the sentence to refuse with.
 */
int nj_server_build_serving(const struct nj_options *o, struct nj_registry *reg,
                            struct nj_serving **serving_out, struct nj_error *err);

/* Start the hub's bcrypt thread when the options have a hash for the first time. */
void nj_server_lend_bcrypt(struct nj_hub *hub, struct nj_serving *serving);
/* Likewise for the threads that ask about certificates of peers. */
void nj_server_lend_ocsp(struct nj_hub *hub, const struct nj_options *o,
                         struct nj_serving *serving);

/* "host" or "host:port", as client_advertise has it.  *port_out 0: as listened.  Nothing is written
 * for an empty text.  The caller frees *host_out (nj_dealloc). */
int nj_server_read_advertise(const char *text, char **host_out, int *port_out,
                             struct nj_error *err);

#endif
