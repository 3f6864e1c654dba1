/*
 * bcrypt.h: comparing bcrypt hashes, which takes tens of milliseconds, on a thread of its own.
 *
 * libxcrypt's crypt_r does the work.  The queue is bounded: what does not fit is denied, so that a
 * flood of logins costs its authors, not the others.
 */
#ifndef NJ_AUTH_BCRYPT_H
#define NJ_AUTH_BCRYPT_H
#include <stdbool.h>

struct nj_bcrypt;

/* Called on the bcrypt thread; hands the answer to whom it belongs. */
typedef void (*nj_bcrypt_done_fn)(void *arg, bool match);

struct nj_bcrypt *nj_bcrypt_start(void);
void nj_bcrypt_stop(struct nj_bcrypt **bp); /* what waits is denied */

/* Any thread.  Copies both strings.  False when the queue is full: done is not called. */
bool nj_bcrypt_submit(struct nj_bcrypt *b, const char *hash, const char *secret,
                      nj_bcrypt_done_fn done, void *arg);

/* The comparison itself. */
bool nj_bcrypt_match(const char *hash, const char *secret);

#endif
