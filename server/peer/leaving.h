/*
 * leaving.h: subscriptions whose client has gone, taken out of the index a slice at a time.
 *
 * A hundred thousand of them are 40 ms of work.  Nobody delivers to them meanwhile: the slot of their
 * connection has another generation.  Belongs to the worker.
 */
#ifndef NJ_PEER_LEAVING_H
#define NJ_PEER_LEAVING_H
#include <stdbool.h>

struct nj_client;
struct nj_worker;

/* All subscriptions of a client that is closed: few at once, many from the ends of turns. */
void nj_leaving_take(struct nj_client *c);

/* The end of a turn.  True: more is there. */
bool nj_leaving_some(struct nj_worker *w);

/* The worker ends. */
void nj_leaving_all(struct nj_worker *w);

#endif
