/*
 * stapling.h: OCSP responses for the client port and the monitoring port, as the options want
 * them, through start and reload (tls/ocsp_staple.h does the work).  Main thread.
 */
#ifndef NJ_OPS_STAPLING_H
#define NJ_OPS_STAPLING_H
#include <stdbool.h>

struct nj_buf;
struct nj_error;
struct nj_options;
struct nj_registry;
struct nj_reload;
struct nj_serving;
struct nj_stapling;
struct nj_tls_setup;

/* `revoked` stops the server; it is called on any thread. */
struct nj_stapling *nj_stapling_new(const struct nj_registry *reg, void (*revoked)(void *user),
                                    void *user);

/*
 * At start: decide, get the first response, put it in place.  Waits for responders.  On failure
 * the reason is appended to `why`.
 */
int nj_stapling_begin(struct nj_stapling *st, const struct nj_options *o,
                      const struct nj_serving *serving, struct nj_buf *why);

/* Will the setup of another port have to staple?  Then it is made with `staples`, and joins. */
bool nj_stapling_is_on(const struct nj_stapling *st);
int nj_stapling_also(struct nj_stapling *st, struct nj_tls_setup *setup, struct nj_error *err);

/* The server is ready: responses are renewed from now on. */
void nj_stapling_start(struct nj_stapling *st);

/*
 * Follow the configuration file.  Add this hook before those whose setups join.  A reload does not
 * wait for a responder: the new setup sends what the old one sent when the certificate is the
 * same, else what lies in store_dir, else nothing until an answer comes.
 */
void nj_stapling_add_hook(struct nj_stapling *st, struct nj_reload *reload);

void nj_stapling_free(struct nj_stapling **stp); /* waits for the thread */

#endif
