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

/* The second line moves while nobody stands in the first. */
enum { LINE_FIRST, LINE_PUT_OFF, LINES };

struct line {
    struct nj_bcrypt_job *first, *last;
    unsigned n;
};

struct nj_bcrypt {
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t more;
    struct line lines[LINES]; /* under mu */
    bool stopping;            /* under mu */
    bool joined;              /* of who stops it */
};

static void forget_texts(struct nj_bcrypt_job *j)
{
    nj_wipe(j->secret, strlen(j->secret));
    nj_dealloc(j->secret);
    nj_dealloc(j->hash);
    j->secret = NULL;
    j->hash = NULL;
}

/* Under mu.  False: the line is full. */
static bool enqueue(struct nj_bcrypt *b, struct nj_bcrypt_job *j, int line)
{
    struct line *l = &b->lines[line];
    if (l->n == QUEUE_MOST) {
        return false;
    }
    j->line = line;
    j->next = NULL;
    j->prev = l->last;
    *(l->last != NULL ? &l->last->next : &l->first) = j;
    l->last = j;
    l->n++;
    return true;
}

/* Under mu; it stands in a line. */
static void dequeue(struct nj_bcrypt *b, struct nj_bcrypt_job *j)
{
    struct line *l = &b->lines[j->line];
    *(j->prev != NULL ? &j->prev->next : &l->first) = j->next;
    *(j->next != NULL ? &j->next->prev : &l->last) = j->prev;
    l->n--;
    j->line = -1;
}

/* Under mu. */
static struct nj_bcrypt_job *head(const struct nj_bcrypt *b)
{
    struct nj_bcrypt_job *j = b->lines[LINE_FIRST].first;
    return j != NULL ? j : b->lines[LINE_PUT_OFF].first;
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

static struct nj_bcrypt_job *next_job(struct nj_bcrypt *b)
{
    nj_lock(&b->mu);
    while (head(b) == NULL && !b->stopping) {
        (void) pthread_cond_wait(&b->more, &b->mu);
    }
    struct nj_bcrypt_job *j = head(b);
    if (j != NULL) {
        dequeue(b, j);
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
    struct nj_bcrypt_job *j;
    (void) pthread_setname_np(pthread_self(), "nj-bcrypt");
    while ((j = next_job(b)) != NULL) {
        bool match = !is_stopping(b) && nj_bcrypt_match(j->hash, j->secret);
        forget_texts(j);
        j->done(j->arg, match);
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

void nj_bcrypt_stop(struct nj_bcrypt *b)
{
    if (b == NULL || b->joined) {
        return;
    }
    nj_lock(&b->mu);
    b->stopping = true;
    (void) pthread_cond_signal(&b->more);
    nj_unlock(&b->mu);
    (void) pthread_join(b->thread, NULL);
    b->joined = true;
}

void nj_bcrypt_free(struct nj_bcrypt **bp)
{
    struct nj_bcrypt *b = *bp;
    if (b == NULL) {
        return;
    }
    *bp = NULL;
    nj_bcrypt_stop(b);
    (void) pthread_cond_destroy(&b->more);
    (void) pthread_mutex_destroy(&b->mu);
    nj_dealloc(b);
}

bool nj_bcrypt_submit(struct nj_bcrypt *b, struct nj_bcrypt_job *j, const char *hash,
                      const char *secret, nj_bcrypt_done_fn done, void *arg)
{
    *j = (struct nj_bcrypt_job){ .at = b,
                                 .line = -1,
                                 .hash = nj_strdup(hash),
                                 .secret = nj_strdup(secret),
                                 .done = done,
                                 .arg = arg };
    nj_lock(&b->mu);
    bool room = !b->stopping && enqueue(b, j, LINE_FIRST);
    if (room) {
        (void) pthread_cond_signal(&b->more);
    }
    nj_unlock(&b->mu);
    if (!room) {
        forget_texts(j);
    }
    return room;
}

bool nj_bcrypt_take_back(struct nj_bcrypt_job *j)
{
    struct nj_bcrypt *b = j->at;
    nj_lock(&b->mu);
    bool waits = j->line >= 0;
    if (waits) {
        dequeue(b, j);
    }
    nj_unlock(&b->mu);
    if (waits) {
        forget_texts(j);
    }
    return waits;
}

bool nj_bcrypt_put_off(struct nj_bcrypt_job *j)
{
    struct nj_bcrypt *b = j->at;
    nj_lock(&b->mu);
    bool was_first = j->line == LINE_FIRST;
    bool room = was_first && b->lines[LINE_PUT_OFF].n < QUEUE_MOST;
    if (room) {
        dequeue(b, j);
        (void) enqueue(b, j, LINE_PUT_OFF);
    }
    nj_unlock(&b->mu);
    return room || !was_first;
}
