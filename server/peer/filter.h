/*
 * filter.h: messages that are not for a client although it has a subscription that matches them: it
 * may subscribe to "a.*" and must not see "a.secret".
 *
 * The owner shows the filter in its connection's slot, where every worker that is about to deliver
 * to the connection looks: so a denied member of a queue group is passed over like one that has
 * gone, wherever it is.  No filter: one pointer test for each delivery.
 */
#ifndef NJ_PEER_FILTER_H
#define NJ_PEER_FILTER_H
#include <stdbool.h>

#include "proto/parse.h"

struct nj_filter;
struct nj_slot;
struct nj_sub;
struct nj_subject_set;
struct nj_worker;

/*
 * Owner: show a filter of what `deny` has (a reference is taken) instead of *fp; NULL: none.  At no
 * time is there nothing to be seen between the two.  With NULL the slot may belong to somebody else
 * by now.
 */
void nj_filter_set(struct nj_slot *slot, struct nj_filter **fp, struct nj_subject_set *deny);

/* Any worker, during its turn.  f: what the slot shows, not NULL. */
bool nj_filter_denies(const struct nj_filter *f, struct nj_worker *w, const struct nj_sub *sub,
                      struct nj_text subject);

#endif
