/*
 * listener.h: a listening socket and who gets what it accepts.
 *
 * The socket belongs to one worker (the first), which accepts in batches and hands connections
 * round robin to all workers.  When the process runs out of descriptors, a spare one is given up
 * to accept and close; when that is lost as well it stops looking for a moment, so that the backlog
 * cannot keep the loop spinning.
 */
#ifndef NJ_IO_LISTENER_H
#define NJ_IO_LISTENER_H
#include <stdint.h>

#include "io/worker.h"

struct nj_error;
struct nj_listener;

/* On the accepting worker's thread; `target` is whose turn it is.  Owns fd. */
typedef void (*nj_accepted_fn)(void *user, struct nj_worker *w, struct nj_worker *target, int fd);

/*
 * Bind and listen.  host "0.0.0.0" and "::" are dual-stack, a name is listened on with IPv4 where
 * it can be; port -1 lets the system choose.  The socket does not block and is the caller's;
 * *port_out is where it listens.  Main thread: a name may take the resolver's time.  On failure the
 * text is like "listen tcp 127.0.0.1:4222: bind: address already in use".
 */
int nj_listen_socket(const char *host, int port, int *fd_out, int *port_out, struct nj_error *err);

/* The same, ready for nj_listener_start(). */
int nj_listener_open(const char *host, int port, struct nj_listener **l_out, struct nj_error *err);
int nj_listener_port(const struct nj_listener *l);

/* Start accepting on worker w; any thread. */
void nj_listener_start(struct nj_listener *l, struct nj_worker *w, nj_accepted_fn fn, void *user);

/* Stop accepting and close the socket; on the accepting worker's thread, or before start. */
void nj_listener_stop(struct nj_listener *l);

/* After the workers have ended. */
void nj_listener_free(struct nj_listener **lp);

#endif
