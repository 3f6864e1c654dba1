/*
 * bcrypt.h: comparing bcrypt hashes, which takes tens of milliseconds, on a thread of its own.
 *
 * libxcrypt's crypt_r does the work.  The queue is bounded: what does not fit is denied, so that a
 * flood of logins costs its authors, not the others.  Who waits may leave: its job is taken back and
 * costs nothing, or is put off until nobody else waits.
 */
#ifndef NJ_AUTH_BCRYPT_H
#define NJ_AUTH_BCRYPT_H
#include <stdbool.h>

struct nj_bcrypt;

/* Called on the bcrypt thread; hands the answer to whom it belongs.  The job is not looked at
 * afterwards. */
typedef void (*nj_bcrypt_done_fn)(void *arg, bool match);

/* One comparison.  Belongs to whoever asks, who keeps it until done is called or it is taken back. */
struct nj_bcrypt_job {
    struct nj_bcrypt *at;              /* immutable after submit */
    struct nj_bcrypt_job *next, *prev; /* under at's mu, as what follows */
    int line;                          /* that it waits in; -1: in none */
    char *hash, *secret;
    nj_bcrypt_done_fn done;
    void *arg;
};

struct nj_bcrypt *nj_bcrypt_start(void);
/* What waits is denied, what comes later does not fit, and the thread has ended.  Before those end
 * who submit; repeatable, NULL is fine. */
void nj_bcrypt_stop(struct nj_bcrypt *b);
/* When nobody submits any more; stops it first. */
void nj_bcrypt_free(struct nj_bcrypt **bp);

/* Any thread.  Copies both strings.  False when the queue is full or it was stopped: done is not
 * called. */
bool nj_bcrypt_submit(struct nj_bcrypt *b, struct nj_bcrypt_job *job, const char *hash,
                      const char *secret, nj_bcrypt_done_fn done, void *arg);

/* Any thread, while the job is the caller's.  True: it has not begun, and done is not called.  False:
 * its hash is being computed, or is computed already. */
bool nj_bcrypt_take_back(struct nj_bcrypt_job *job);

/* As above.  Its turn comes when no other job waits.  False: too many have been put off, and it stays
 * where it is. */
bool nj_bcrypt_put_off(struct nj_bcrypt_job *job);

/* The comparison itself. */
bool nj_bcrypt_match(const char *hash, const char *secret);

#endif
