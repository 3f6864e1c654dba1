#include "tls/ocsp_peer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/lock.h"
#include "base/log.h"
#include "natterjack/tls.h"
#include "tls/block.h"
#include "tls/cert.h"
#include "tls/cert_ext.h"
#include "tls/der.h"
#include "tls/dn.h"
#include "tls/ocsp_ask.h"
#include "tls/ocsp_cache.h"

#define THREADS_MOST 128 /* a responder that is slow holds up one of them */
#define STACK_LEN (256 * 1024)
#define QUEUE_MOST 1024
#define LINKS_MOST 8
#define RESPONDERS_MOST 4
#define URL_MOST 1024
#define NS_A_SECOND INT64_C(1000000000)
#define NS_A_MS INT64_C(1000000)

struct job {
    struct job *next;
    struct nj_tls_setup *setup; /* a reference */
    struct nj_span chain[NJ_CHAIN_MAX]; /* in `bytes` */
    size_t chain_n;
    bool (*wanted)(void *arg);
    void (*done)(void *arg, bool good);
    void *arg;
    uint8_t bytes[];
};

struct nj_ocsp_peers {
    int cancel_fd;
    struct nj_ocsp_cache *cache;
    atomic_bool remember;
    pthread_mutex_t mu;
    pthread_cond_t more;
    struct job *first, *last; /* under mu */
    unsigned waiting;         /* under mu */
    unsigned idle;            /* under mu: threads without work */
    unsigned threads_n;       /* under mu */
    pthread_t threads[THREADS_MOST]; /* under mu */
    bool stopping;            /* under mu */
    bool joined;              /* of who stops it */
};

static int64_t now_s(void)
{
    return (int64_t) time(NULL);
}

/* ---- one certificate ------------------------------------------------------------------------- */

/* A certificate, its issuer, and whom to ask. */
struct link {
    struct nj_ocsp_peers *p;
    const struct nj_tls_setup *setup;
    const struct nj_ocsp_rules *rules;
    const struct nj_cert *cert;
    const struct nj_cert *issuer; /* NULL: not known */
    const char *name;             /* for log lines */
    bool was_revoked;             /* by an answer that is out of date */
    uint8_t key[NJ_OCSP_KEY_LEN];
};

static bool allowed_by_warning(const struct link *l)
{
    if (l->rules->warn_only) {
        nj_log_warn("OCSP verify fail for [%s] but WarnOnly is true so allowing", l->name);
    }
    return l->rules->warn_only;
}

static bool judge_status(const struct link *l, enum nj_ocsp_status status)
{
    if (status == NJ_OCSP_GOOD || (status == NJ_OCSP_UNKNOWN && l->rules->unknown_is_good)) {
        nj_log_debug("OCSP verify pass for [%s]", l->name);
        return true;
    }
    nj_log_warn("OCSP verify fail for [%s] with CA status [%s]", l->name,
                nj_ocsp_status_text(status));
    return allowed_by_warning(l);
}

enum failure { UNREACHABLE, NO_ANSWER_COUNTS };

static bool without_answer(const struct link *l, enum failure failure, const char *why)
{
    nj_log_warn("Attempt to obtain OCSP response from CA responder for [%s] failed: %s", l->name,
                why);
    if (failure == UNREACHABLE && l->rules->allow_when_ca_unreachable && !l->was_revoked) {
        nj_log_warn("Failed to obtain OCSP CA response for [%s] but AllowWhenCAUnreachable set; no "
                    "cached revocation so allowing",
                    l->name);
        return true;
    }
    return allowed_by_warning(l);
}

static bool fetch(const struct link *l, const char *const *urls, size_t urls_n)
{
    const struct nj_ocsp_ask ask = { .cert = l->cert,
                                     .issuer = l->issuer,
                                     .crypto = l->setup->provider->crypto,
                                     .urls = urls,
                                     .urls_n = urls_n,
                                     .timeout_ms = l->rules->ca_timeout_ns / NS_A_MS,
                                     .skew_s = l->rules->clockskew_ns / NS_A_SECOND,
                                     .endless_s = l->rules->ttl_unset_ns / NS_A_SECOND,
                                     .now_s = now_s,
                                     .get_only = true,
                                     .cancel_fd = l->p->cancel_fd };
    struct nj_ocsp_answer answer;
    struct nj_buf raw, why;
    nj_buf_init(&raw, NJ_OCSP_MAX_LEN);
    nj_buf_init(&why, SIZE_MAX);
    bool good = false;
    int rc = nj_ocsp_ask(&ask, &raw, &answer, &why);
    if (rc == NJ_OK) {
        int64_t until_s = answer.next_update_s != 0 ? answer.next_update_s
                                                    : answer.this_update_s + ask.endless_s;
        if (atomic_load_explicit(&l->p->remember, memory_order_relaxed)) {
            nj_ocsp_cache_put(l->p->cache, l->key, answer.status, until_s);
        }
        good = judge_status(l, answer.status);
    } else {
        good = without_answer(l, rc == NJ_E_INVALID ? NO_ANSWER_COUNTS : UNREACHABLE,
                              why.ptr != NULL ? why.ptr : "");
    }
    nj_buf_free(&raw);
    nj_buf_free(&why);
    return good;
}

/* Ask the responders that the certificate names. */
static bool ask_responders(const struct link *l, const struct nj_span *urls, size_t urls_n)
{
    char text[RESPONDERS_MOST][URL_MOST];
    const char *list[RESPONDERS_MOST];
    size_t n = 0;
    for (size_t i = 0; i < urls_n; i++) {
        if (urls[i].len < URL_MOST) {
            memcpy(text[n], urls[i].ptr, urls[i].len);
            text[n][urls[i].len] = '\0';
            list[n] = text[n];
            n++;
        }
    }
    return fetch(l, list, n);
}

/* Is it trusted by itself?  Then it needs no issuer. */
static bool is_listed(const struct nj_tls_setup *setup, const struct nj_cert *cert)
{
    const struct nj_tls_policy *policy = &setup->policy;
    bool found = false;
    for (size_t i = 0; i < policy->anchors_n && !found; i++) {
        found = nj_span_equal(policy->anchors[i].der, cert->der);
    }
    return found;
}

static bool check_link(struct link *l)
{
    struct nj_span urls[RESPONDERS_MOST];
    enum nj_ocsp_status status = NJ_OCSP_UNKNOWN;
    size_t n = nj_cert_responders(l->cert, urls, RESPONDERS_MOST);
    const struct nj_tls_crypto *crypto = l->setup->provider->crypto;
    if (l->issuer == NULL && !(n == 0 && is_listed(l->setup, l->cert))) {
        /* also when it names no responder: its issuer may have been revoked */
        return without_answer(l, NO_ANSWER_COUNTS, "its issuer is not known");
    }
    if (n == 0) {
        return true; /* there is nobody to ask */
    }
    if (crypto->hash(NJ_HASH_SHA256, l->cert->der.ptr, l->cert->der.len, l->key) != NJ_OK) {
        return without_answer(l, NO_ANSWER_COUNTS, "the TLS provider has no SHA-256");
    }
    if (atomic_load_explicit(&l->p->remember, memory_order_relaxed)) {
        int known = nj_ocsp_cache_get(l->p->cache, l->key,
                                      now_s() - l->rules->clockskew_ns / NS_A_SECOND, &status);
        if (known == 1) {
            return judge_status(l, status);
        }
        l->was_revoked = known == 0 && status == NJ_OCSP_REVOKED;
    }
    return ask_responders(l, urls, n);
}

/* ---- the chain ------------------------------------------------------------------------------- */

/*
 * A signature that the provider cannot check for us, such as RSA-PSS.  The chain was verified, so the
 * issuer is among these: by its name, if one alone has it.
 */
static const struct nj_cert *find_by_name(const struct nj_tls_policy *policy,
                                          const struct nj_cert *cert, const struct nj_cert *sent,
                                          size_t sent_n)
{
    const struct nj_cert *found = NULL;
    for (size_t i = 0; i < policy->anchors_n + sent_n; i++) {
        const struct nj_cert *c =
            i < policy->anchors_n ? &policy->anchors[i] : &sent[i - policy->anchors_n];
        if (!nj_span_equal(c->subject, cert->issuer) || nj_span_equal(c->der, cert->der) ||
            (found != NULL && nj_span_equal(c->der, found->der))) {
            continue;
        }
        if (found != NULL) {
            return NULL;
        }
        found = c;
    }
    return found;
}

/* The issuer of `cert`: among the anchors, else among the certificates sent; NULL: neither. */
static const struct nj_cert *find_issuer(const struct nj_tls_setup *setup,
                                         const struct nj_cert *cert, const struct nj_cert *sent,
                                         size_t sent_n)
{
    const struct nj_tls_crypto *crypto = setup->provider->crypto;
    const struct nj_tls_policy *policy = &setup->policy;
    for (size_t i = 0; i < policy->anchors_n; i++) {
        if (nj_ocsp_is_issuer(&policy->anchors[i], cert, crypto)) {
            return &policy->anchors[i];
        }
    }
    for (size_t i = 0; i < sent_n; i++) {
        if (&sent[i] != cert && nj_cert_may_issue(&sent[i]) &&
            nj_ocsp_is_issuer(&sent[i], cert, crypto)) {
            return &sent[i];
        }
    }
    return find_by_name(policy, cert, sent, sent_n);
}

static bool is_anchor(const struct nj_tls_setup *setup, const struct nj_cert *cert)
{
    const struct nj_tls_policy *policy = &setup->policy;
    return cert >= policy->anchors && cert < policy->anchors + policy->anchors_n;
}

static bool check_one(struct nj_ocsp_peers *p, const struct nj_tls_setup *setup,
                      const struct nj_cert *cert, const struct nj_cert *issuer)
{
    struct nj_buf raw, name;
    nj_buf_init(&raw, 4096);
    nj_buf_init(&name, 16384);
    (void) nj_cert_subject_text(cert, &raw);
    (void) nj_put_visible((struct nj_span){ (const uint8_t *) raw.ptr, raw.len }, &name);
    struct link l = { .p = p,
                      .setup = setup,
                      .rules = &setup->ocsp_rules,
                      .cert = cert,
                      .issuer = issuer,
                      .name = name.ptr != NULL ? name.ptr : "" };
    bool good = check_link(&l);
    nj_buf_free(&raw);
    nj_buf_free(&name);
    return good;
}

static bool walk(struct nj_ocsp_peers *p, const struct nj_tls_setup *setup,
                 const struct nj_cert *certs, size_t n)
{
    const struct nj_cert *at = &certs[0];
    for (int links = 0; links < LINKS_MOST; links++) {
        if (nj_ocsp_is_issuer(at, at, setup->provider->crypto)) {
            return true; /* a root, not one that has its name: nobody vouches for it */
        }
        const struct nj_cert *issuer = find_issuer(setup, at, certs, n);
        if (!check_one(p, setup, at, issuer)) {
            return false;
        }
        if (issuer == NULL || is_anchor(setup, issuer)) {
            return true;
        }
        at = issuer;
    }
    return false;
}

static bool judge(struct nj_ocsp_peers *p, const struct job *j)
{
    struct nj_cert certs[NJ_CHAIN_MAX];
    size_t n = 0;
    for (; n < j->chain_n && nj_cert_init(&certs[n], j->chain[n], NULL) == NJ_OK; n++) {
    }
    bool good = n > 0 && n == j->chain_n && walk(p, j->setup, certs, n);
    nj_log_debug("%s", good ? "Chain is OCSP valid for all eligible links, thus peer is valid"
                            : "No OCSP valid chains, thus peer is invalid");
    for (size_t i = 0; i < n; i++) {
        nj_cert_fini(&certs[i]);
    }
    return good;
}

/* ---- threads --------------------------------------------------------------------------------- */

static struct job *next_job(struct nj_ocsp_peers *p, bool *stopping_out)
{
    nj_lock(&p->mu);
    p->idle++;
    while (p->first == NULL && !p->stopping) {
        (void) pthread_cond_wait(&p->more, &p->mu);
    }
    p->idle--;
    struct job *j = p->first;
    if (j != NULL) {
        p->first = j->next;
        p->last = p->first == NULL ? NULL : p->last;
        p->waiting--;
    }
    *stopping_out = p->stopping;
    nj_unlock(&p->mu);
    return j;
}

static void free_job(struct job *j)
{
    nj_tls_setup_unref(&j->setup);
    nj_dealloc(j);
}

static void *run(void *arg)
{
    struct nj_ocsp_peers *p = arg;
    bool stopping = false;
    struct job *j;
    (void) pthread_setname_np(pthread_self(), "nj-ocsp-peer");
    while ((j = next_job(p, &stopping)) != NULL) {
        const struct nj_tls_provider *provider = j->setup->provider;
        if (NJ_TLS_HAS(provider, thread_attach)) {
            provider->thread_attach();
        }
        bool good = !stopping && j->wanted(j->arg) && judge(p, j);
        if (NJ_TLS_HAS(provider, thread_detach)) {
            provider->thread_detach();
        }
        j->done(j->arg, good);
        free_job(j);
    }
    return NULL;
}

/* Under mu.  Those that there are may all be waiting for a responder. */
static void add_thread(struct nj_ocsp_peers *p)
{
    pthread_attr_t attr;
    sigset_t all, old;
    if (p->threads_n == THREADS_MOST || pthread_attr_init(&attr) != 0) {
        return;
    }
    (void) pthread_attr_setstacksize(&attr, STACK_LEN);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);
    p->threads_n += pthread_create(&p->threads[p->threads_n], &attr, run, p) == 0 ? 1 : 0;
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void) pthread_attr_destroy(&attr);
}

struct nj_ocsp_peers *nj_ocsp_peers_start(void)
{
    struct nj_ocsp_peers *p = nj_zalloc(sizeof(*p));
    (void) pthread_mutex_init(&p->mu, NULL);
    (void) pthread_cond_init(&p->more, NULL);
    p->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->cache = nj_ocsp_cache_new();
    atomic_init(&p->remember, true);
    return p;
}

void nj_ocsp_peers_stop(struct nj_ocsp_peers *p)
{
    const uint64_t one = 1;
    if (p == NULL || p->joined) {
        return;
    }
    nj_lock(&p->mu);
    p->stopping = true;
    (void) pthread_cond_broadcast(&p->more);
    nj_unlock(&p->mu);
    if (p->cancel_fd >= 0) {
        (void) !write(p->cancel_fd, &one, sizeof(one));
    }
    for (unsigned i = 0; i < p->threads_n; i++) {
        (void) pthread_join(p->threads[i], NULL);
    }
    p->joined = true;
}

void nj_ocsp_peers_free(struct nj_ocsp_peers **pp)
{
    struct nj_ocsp_peers *p = *pp;
    if (p == NULL) {
        return;
    }
    *pp = NULL;
    nj_ocsp_peers_stop(p);
    if (p->cancel_fd >= 0) {
        (void) close(p->cancel_fd);
    }
    nj_ocsp_cache_free(&p->cache);
    (void) pthread_cond_destroy(&p->more);
    (void) pthread_mutex_destroy(&p->mu);
    nj_dealloc(p);
}

void nj_ocsp_peers_remember(struct nj_ocsp_peers *p, bool on)
{
    atomic_store_explicit(&p->remember, on, memory_order_relaxed);
}

bool nj_ocsp_peers_facts(struct nj_ocsp_peers *p, struct nj_ocsp_cache_facts *out)
{
    nj_ocsp_cache_facts(p->cache, out);
    return atomic_load_explicit(&p->remember, memory_order_relaxed);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct job *make_job(const struct nj_ocsp_question *q)
{
    size_t n = q->chain_n < NJ_CHAIN_MAX ? q->chain_n : NJ_CHAIN_MAX;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        len += q->chain[i].len;
    }
    struct job *j = nj_zalloc(sizeof(*j) + len);
    uint8_t *to = j->bytes;
    for (size_t i = 0; i < n; i++) {
        memcpy(to, q->chain[i].ptr, q->chain[i].len);
        j->chain[i] = (struct nj_span){ to, q->chain[i].len };
        to += q->chain[i].len;
    }
    j->chain_n = n;
    j->setup = nj_tls_setup_ref(q->setup);
    j->wanted = q->wanted;
    j->done = q->done;
    j->arg = q->arg;
    return j;
}

bool nj_ocsp_peers_ask(struct nj_ocsp_peers *p, const struct nj_ocsp_question *question)
{
    struct job *j = make_job(question);
    nj_lock(&p->mu);
    if (p->idle <= p->waiting && !p->stopping) {
        add_thread(p);
    }
    bool room = p->waiting < QUEUE_MOST && p->threads_n > 0 && !p->stopping;
    if (room) {
        *(p->last != NULL ? &p->last->next : &p->first) = j;
        p->last = j;
        p->waiting++;
        (void) pthread_cond_signal(&p->more);
    }
    nj_unlock(&p->mu);
    if (!room) {
        free_job(j);
    }
    return room;
}
