/*
 * lookup.h: the addresses of a host, by somebody who will not wait for ever.
 *
 * The resolver of libc can be neither stopped nor given a time: it runs in a thread of its own,
 * which nobody joins.  Who has waited long enough leaves; the answer that comes later is dropped.
 * A dead name server holds one thread for each question, NJ_LOOKUPS_MOST at most.  Addresses in
 * digits need no resolver and no thread.
 *
 * A lookup belongs to the thread that started it.
 */
#ifndef NJ_TLS_LOOKUP_H
#define NJ_TLS_LOOKUP_H

#define NJ_LOOKUPS_MOST 128 /* under way at once */

struct addrinfo;
struct nj_error;
struct nj_lookup;

/* For TCP.  NJ_E_LIMIT, NJ_E_IO: it could not be begun. */
int nj_lookup_start(const char *host, const char *port, struct nj_lookup **lookup_out,
                    struct nj_error *err);

/* Readable when the answer is here. */
int nj_lookup_fd(const struct nj_lookup *l);

/* When it is: 0 and the addresses, which live as long as the lookup, or one of EAI_*. */
int nj_lookup_result(const struct nj_lookup *l, const struct addrinfo **list_out);

/* With the answer or without.  Any time. */
void nj_lookup_leave(struct nj_lookup **lp);

/* For tests: what is asked instead of getaddrinfo(), and how many threads there are.  The first
 * before any lookup. */
typedef int (*nj_lookup_fn)(const char *host, const char *port, const struct addrinfo *hints,
                            struct addrinfo **list_out);
void nj_lookup_ask_instead(nj_lookup_fn fn);
unsigned nj_lookup_threads(void);

#endif
