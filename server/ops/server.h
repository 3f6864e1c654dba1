/*
 * server.h: puts the rooms together: from options to a running server and back.
 */
#ifndef NJ_OPS_SERVER_H
#define NJ_OPS_SERVER_H

struct nj_error;
struct nj_options;
struct nj_registry;
struct nj_tls_block;

/*
 * Serve until told to stop.  The log is open and plug-ins are loaded.  `program` is the name under
 * which the process was started.  Returns the exit status.  Main thread.
 */
int nj_server_run(const struct nj_options *o, struct nj_registry *reg, const char *program);

/* The same for one block alone, whichever port it is for; `tls_provider` may be NULL. */
int nj_server_check_block(const struct nj_tls_block *block, const char *tls_provider,
                          struct nj_registry *reg, struct nj_error *err);

/* Load everything that the `tls` block names, as the start will, and let it go again. */
int nj_server_check_tls(const struct nj_options *o, struct nj_registry *reg,
                        struct nj_error *err);

#endif
