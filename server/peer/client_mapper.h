/*
 * client_mapper.h: a client that waits for auth mappers.
 *
 * They are asked one after the other.  Meanwhile what it sends behind CONNECT is kept, up to
 * NJ_REST_MOST bytes, and looked at when it is known who it is.  The wait ends with an answer, when time
 * is up, or when the client leaves.  Belongs to the client's worker.
 */
#ifndef NJ_PEER_CLIENT_MAPPER_H
#define NJ_PEER_CLIENT_MAPPER_H
#include <stdbool.h>

struct nj_client;
struct nj_mapper_answer;

/* How it ended.  NULL: all have deferred, the ordinary checks decide.  ALLOW or DENY: the answer,
 * borrowed; a DENY is logged already. */
typedef void (*nj_client_mapped_fn)(struct nj_client *c, const struct nj_mapper_answer *answer);

/* Ask the mappers of the hub (there are some).  `mapped` is called later, unless the client is
 * closed before. */
void nj_client_ask_mappers(struct nj_client *c, nj_client_mapped_fn mapped);

/* NJ_WAIT_MAPPER is over. */
void nj_client_mapper_timeout(struct nj_client *c);

/* The peer has ended its stream.  True: what it has sent before is still to be looked at. */
bool nj_client_mapper_ended(struct nj_client *c);

/* The client closes: nobody waits any more.  Fine when it did not. */
void nj_client_mapper_stop(struct nj_client *c);

#endif
