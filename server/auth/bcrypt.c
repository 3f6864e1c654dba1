#include "auth/bcrypt.h"

#ifndef NJ_FIPS_BUILD
#include <crypt.h>
#endif
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lock.h"

#define QUEUE_MOST 1024

struct job {
    struct job *next;
    char *hash;
    char *secret;
    nj_bcrypt_done_fn done;
    void *arg;
};

struct nj_bcrypt {
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t more;
    struct job *first, *last; /* under mu */
    unsigned n;               /* under mu */
    bool stopping;            /* under mu */
};

static void free_job(struct job *j)
{
    nj_wipe(j->secret, strlen(j->secret));
    nj_dealloc(j->secret);
    nj_dealloc(j->hash);
    nj_dealloc(j);
}

#ifdef NJ_FIPS_BUILD
/* No function that is not approved is linked in; the configuration refuses such hashes. */
bool nj_bcrypt_match(const char *hash, const char *secret)
{
    (void) hash;
    (void) secret;
    return false;
}
#else
bool nj_bcrypt_match(const char *hash, const char *secret)
{
    struct crypt_data *data = nj_zalloc(sizeof(*data));
    const char *out = crypt_r(secret, hash, data);
    bool same = out != NULL && out[0] != '*' && strlen(out) == strlen(hash);
    unsigned char diff = same ? 0 : 1;
    for (size_t i = 0; same && out[i] != '\0'; i++) {
        diff |= (unsigned char) (out[i] ^ hash[i]);
    }
    nj_wipe(data, sizeof(*data));
    nj_dealloc(data);
    return diff == 0;
}
#endif

static struct job *next_job(struct nj_bcrypt *b)
{
    nj_lock(&b->mu);
    while (b->first == NULL && !b->stopping) {
        (void) pthread_cond_wait(&b->more, &b->mu);
    }
    struct job *j = b->first;
    if (j != NULL) {
        b->first = j->next;
        b->last = b->first == NULL ? NULL : b->last;
        b->n--;
    }
    nj_unlock(&b->mu);
    return j;
}

static bool is_stopping(struct nj_bcrypt *b)
{
    nj_lock(&b->mu);
    bool s = b->stopping;
    nj_unlock(&b->mu);
    return s;
}

static void *run(void *arg)
{
    struct nj_bcrypt *b = arg;
    struct job *j;
    (void) pthread_setname_np(pthread_self(), "nj-bcrypt");
    while ((j = next_job(b)) != NULL) {
        j->done(j->arg, !is_stopping(b) && nj_bcrypt_match(j->hash, j->secret));
        free_job(j);
    }
    return NULL;
}

struct nj_bcrypt *nj_bcrypt_start(void)
{
    struct nj_bcrypt *b = nj_zalloc(sizeof(*b));
    sigset_t all;
    sigset_t old;
    (void) pthread_mutex_init(&b->mu, NULL);
    (void) pthread_cond_init(&b->more, NULL);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&b->thread, NULL, run, b);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e != 0) {
        nj_dealloc(b);
        return NULL;
    }
    return b;
}

void nj_bcrypt_stop(struct nj_bcrypt **bp)
{
    struct nj_bcrypt *b = *bp;
    if (b == NULL) {
        return;
    }
    *bp = NULL;
    nj_lock(&b->mu);
    b->stopping = true;
    (void) pthread_cond_signal(&b->more);
    nj_unlock(&b->mu);
    (void) pthread_join(b->thread, NULL);
    (void) pthread_cond_destroy(&b->more);
    (void) pthread_mutex_destroy(&b->mu);
    nj_dealloc(b);
}

bool nj_bcrypt_submit(struct nj_bcrypt *b, const char *hash, const char *secret,
                      nj_bcrypt_done_fn done, void *arg)
{
    struct job *j = nj_zalloc(sizeof(*j));
    j->hash = nj_strdup(hash);
    j->secret = nj_strdup(secret);
    j->done = done;
    j->arg = arg;
    nj_lock(&b->mu);
    bool room = b->n < QUEUE_MOST && !b->stopping;
    if (room) {
        *(b->last != NULL ? &b->last->next : &b->first) = j;
        b->last = j;
        b->n++;
        (void) pthread_cond_signal(&b->more);
    }
    nj_unlock(&b->mu);
    if (!room) {
        free_job(j);
    }
    return room;
}
