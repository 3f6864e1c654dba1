#include "tls/ocsp_staple.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "natterjack/tls.h"
#include "tls/block.h"
#include "tls/cert.h"
#include "tls/cert_ext.h"
#include "tls/material.h"
#include "tls/ocsp_ask.h"

#define FETCH_MS 30000
#define RESPONDERS_MAX 8
#define NS_A_SECOND INT64_C(1000000000)
#define DAY_NS (24 * 60 * 60 * NS_A_SECOND)
#define AGAIN_NS (120 * NS_A_SECOND)
#define SOONEST_NS NS_A_SECOND

struct nj_staple {
    /* immutable after nj_staple_new() */
    enum nj_ocsp_mode mode;
    struct nj_tls_setup *setup;
    struct nj_tls_setup *also; /* NULL: no second one */
    struct nj_cert cert; /* spans into the setup's material */
    struct nj_cert issuer;
    const char *file; /* the certificate's, in the setup's material */
    const char *kind;
    char *urls[RESPONDERS_MAX];
    size_t urls_n;
    char *cache; /* file of the last answer; NULL: none is kept */
    void (*revoked)(void *user);
    void *user;
    int cancel_fd;
    /* of the start, then of the thread */
    struct nj_ocsp_answer answer;
    struct nj_buf raw; /* the response that is in place; of `former` too: under mu */
    pthread_t thread;
    bool started;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool stopping; /* under mu */
};

/* ---- schedule -------------------------------------------------------------------------------- */

int64_t nj_staple_delay_ns(int64_t next_update_s, int64_t now_ns)
{
    if (next_update_s == 0) {
        return DAY_NS;
    }
    if (next_update_s > now_ns / NS_A_SECOND + 10 * 365 * (DAY_NS / NS_A_SECOND)) {
        return DAY_NS; /* a date so far away would overflow below, and cannot be meant */
    }
    int64_t left_ns = next_update_s * NS_A_SECOND - now_ns;
    if (left_ns <= 0) {
        return AGAIN_NS;
    }
    return left_ns / 2 > SOONEST_NS ? left_ns / 2 : SOONEST_NS;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int64_t now_s(void)
{
    return (int64_t) time(NULL);
}

static void read_file(const struct nj_staple *s, struct nj_buf *raw)
{
    char bytes[4096];
    FILE *f = s->cache != NULL ? fopen(s->cache, "re") : NULL;
    size_t n = 0;
    while (f != NULL && (n = fread(bytes, 1, sizeof(bytes), f)) > 0) {
        if (nj_buf_append(raw, bytes, n) != NJ_OK) {
            nj_buf_clear(raw);
            break;
        }
    }
    if (f != NULL) {
        (void) fclose(f);
    }
}

static int write_whole(const char *path, const struct nj_buf *raw)
{
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        return errno;
    }
    bool ok = fwrite(raw->ptr, 1, raw->len, f) == raw->len;
    int e = errno;
    ok = fclose(f) == 0 && ok;
    return ok ? 0 : e;
}

/* Beside the file, then in its place: a reader finds the old one or the new one. */
static void write_file(const struct nj_staple *s, const struct nj_buf *raw)
{
    struct nj_buf beside;
    if (s->cache == NULL) {
        return;
    }
    nj_buf_init(&beside, SIZE_MAX);
    (void) nj_buf_printf(&beside, "%s.new", s->cache);
    int e = write_whole(beside.ptr, raw);
    if (e == 0 && rename(beside.ptr, s->cache) != 0) {
        e = errno;
    }
    if (e != 0) {
        nj_log_warn("the OCSP response is not kept: %s: %s", s->cache, strerror(e));
    }
    nj_buf_free(&beside);
}

static char *cache_path(const struct nj_staple_config *config, struct nj_span der)
{
    uint8_t digest[32];
    struct nj_buf path;
    if (config->store_dir == NULL ||
        config->setup->provider->crypto->hash(NJ_HASH_SHA256, der.ptr, der.len, digest) != NJ_OK) {
        return NULL;
    }
    nj_buf_init(&path, SIZE_MAX);
    (void) nj_buf_puts(&path, config->store_dir);
    (void) mkdir(path.ptr, 0755); /* what cannot be made shows when the file is written */
    (void) nj_buf_puts(&path, "/ocsp");
    (void) mkdir(path.ptr, 0755);
    (void) nj_buf_puts(&path, "/");
    for (size_t i = 0; i < sizeof(digest); i++) {
        (void) nj_buf_printf(&path, "%02x", digest[i]);
    }
    return nj_buf_take(&path);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct nj_ocsp_ask question(const struct nj_staple *s)
{
    return (struct nj_ocsp_ask){ .cert = &s->cert,
                                 .issuer = &s->issuer,
                                 .crypto = s->setup->provider->crypto,
                                 .urls = (const char *const *) s->urls,
                                 .urls_n = s->urls_n,
                                 .timeout_ms = FETCH_MS,
                                 .endless_s = -1,
                                 .now_s = now_s,
                                 .cancel_fd = s->cancel_fd };
}

static int put_in_place(struct nj_staple *s, const struct nj_buf *raw, struct nj_buf *why)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_span response = { (const uint8_t *) raw->ptr, raw->len };
    int rc = nj_tls_setup_staple(s->setup, response, &err);
    if (rc == NJ_OK && s->also != NULL) {
        rc = nj_tls_setup_staple(s->also, response, &err);
    }
    if (rc != NJ_OK) {
        (void) nj_buf_puts(why, err.text);
        return rc;
    }
    nj_lock(&s->mu);
    nj_buf_clear(&s->raw);
    rc = nj_buf_append(&s->raw, raw->ptr, raw->len);
    nj_unlock(&s->mu);
    return rc;
}

/* Ask the responders; a good answer is kept and put in place. */
static int refresh(struct nj_staple *s, struct nj_buf *why)
{
    struct nj_ocsp_ask ask = question(s);
    struct nj_ocsp_answer answer;
    struct nj_buf raw;
    nj_buf_init(&raw, NJ_OCSP_MAX_LEN);
    int rc = nj_ocsp_ask(&ask, &raw, &answer, why);
    if (rc == NJ_OK) {
        write_file(s, &raw);
        rc = put_in_place(s, &raw, why);
    }
    if (rc == NJ_OK) {
        s->answer = answer;
    }
    nj_buf_free(&raw);
    return rc;
}

/* Bytes of an earlier question, when they are still of now. */
static int reuse(struct nj_staple *s, const struct nj_buf *raw)
{
    struct nj_ocsp_ask ask = question(s);
    struct nj_ocsp_answer answer;
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    struct nj_span bytes = { (const uint8_t *) raw->ptr, raw->len };
    int rc = raw->len > 0 ? nj_ocsp_judge(&ask, bytes, &answer, NULL) : NJ_E_NOT_FOUND;
    if (rc == NJ_OK) {
        rc = put_in_place(s, raw, &why);
    }
    if (rc == NJ_OK) {
        s->answer = answer;
    }
    nj_buf_free(&why);
    return rc;
}

/* The answer of an earlier run. */
static int recall(struct nj_staple *s)
{
    struct nj_buf raw;
    nj_buf_init(&raw, NJ_OCSP_MAX_LEN);
    read_file(s, &raw);
    int rc = reuse(s, &raw);
    nj_buf_free(&raw);
    return rc;
}

void nj_staple_follow(struct nj_staple *s, struct nj_staple *former)
{
    struct nj_buf raw;
    nj_buf_init(&raw, NJ_OCSP_MAX_LEN);
    if (former != NULL) {
        nj_lock(&former->mu);
        (void) nj_buf_append(&raw, former->raw.ptr, former->raw.len);
        nj_unlock(&former->mu);
    }
    if (reuse(s, &raw) != NJ_OK) { /* it may be about another certificate */
        (void) recall(s);
    }
    nj_buf_free(&raw);
}

int nj_staple_also(struct nj_staple *s, struct nj_tls_setup *setup, struct nj_error *err)
{
    s->also = nj_tls_setup_ref(setup);
    if (s->raw.len == 0) {
        return NJ_OK;
    }
    return nj_tls_setup_staple(setup, (struct nj_span){ (const uint8_t *) s->raw.ptr, s->raw.len },
                               err);
}

static bool is_strict(const struct nj_staple *s)
{
    return s->mode == NJ_OCSP_MUST || s->mode == NJ_OCSP_ALWAYS;
}

int nj_staple_first(struct nj_staple *s, struct nj_buf *why)
{
    struct nj_buf reason;
    nj_buf_init(&reason, SIZE_MAX);
    int rc = recall(s);
    if (rc != NJ_OK) {
        rc = refresh(s, &reason);
    }
    if (rc != NJ_OK) {
        (void) nj_buf_printf(why, "bad OCSP status update for certificate at '%s': %s", s->file,
                             reason.ptr != NULL ? reason.ptr : "");
    } else if (is_strict(s) && s->answer.status != NJ_OCSP_GOOD) {
        (void) nj_buf_printf(why, "found existing OCSP status for certificate at '%s': %s", s->file,
                             nj_ocsp_status_text(s->answer.status));
        rc = NJ_E_DENIED;
    }
    nj_buf_free(&reason);
    return rc;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static const char *date_text(int64_t at_s, char *buf, size_t cap)
{
    if (at_s == 0) {
        return "0001-01-01T00:00:00Z"; /* the reference's way of saying never */
    }
    return nj_time_text(at_s * NS_A_SECOND, buf, cap);
}

/* Log what is known; returns when to ask again, negative when there is nobody left to tell. */
static int64_t report(struct nj_staple *s, const char *found, const char *at)
{
    char date[64], again[64];
    int64_t delay_ns = nj_staple_delay_ns(s->answer.next_update_s, nj_wall_ns());
    if (s->answer.status == NJ_OCSP_GOOD) {
        nj_log_info("%s OCSP status for %s certificate %s'%s': good, next update %s, checking again "
                    "in %s",
                    found, s->kind, at, s->file,
                    date_text(s->answer.next_update_s, date, sizeof(date)),
                    nj_duration_text(delay_ns, again, sizeof(again)));
        return delay_ns;
    }
    nj_log_error("Received OCSP status for %s certificate '%s': %s", s->kind, s->file,
                 nj_ocsp_status_text(s->answer.status));
    if (is_strict(s)) {
        s->revoked(s->user);
        return -1;
    }
    return delay_ns;
}

static int64_t ask_again(struct nj_staple *s)
{
    char again[64];
    struct nj_buf why;
    nj_buf_init(&why, SIZE_MAX);
    int rc = refresh(s, &why);
    int64_t delay_ns = s->raw.len > 0
                           ? nj_staple_delay_ns(s->answer.next_update_s, nj_wall_ns())
                           : AGAIN_NS;
    if (rc == NJ_OK) {
        delay_ns = report(s, "Received", "");
    } else {
        nj_lock(&s->mu);
        bool stopping = s->stopping;
        nj_unlock(&s->mu);
        if (!stopping) {
            nj_log_error("Bad OCSP status update for certificate '%s': %s, trying again in %s",
                         s->file, why.ptr != NULL ? why.ptr : "",
                         nj_duration_text(delay_ns, again, sizeof(again)));
        }
    }
    nj_buf_free(&why);
    return delay_ns;
}

/* False: it is time to leave. */
static bool sleep_for(struct nj_staple *s, int64_t delay_ns)
{
    struct timespec until;
    int rc = 0;
    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += delay_ns / NS_A_SECOND;
    until.tv_nsec += delay_ns % NS_A_SECOND;
    if (until.tv_nsec >= NS_A_SECOND) {
        until.tv_sec++;
        until.tv_nsec -= NS_A_SECOND;
    }
    nj_lock(&s->mu);
    while (!s->stopping && rc == 0) {
        rc = pthread_cond_timedwait(&s->wake, &s->mu, &until);
    }
    bool go_on = !s->stopping;
    nj_unlock(&s->mu);
    return go_on;
}

static void *run(void *arg)
{
    struct nj_staple *s = arg;
    const struct nj_tls_provider *p = s->setup->provider;
    (void) pthread_setname_np(pthread_self(), "nj-ocsp");
    if (NJ_TLS_HAS(p, thread_attach)) {
        p->thread_attach();
    }
    int64_t delay_ns = s->raw.len > 0 ? report(s, "Found", "at ") : ask_again(s);
    while (delay_ns >= 0 && sleep_for(s, delay_ns)) {
        delay_ns = ask_again(s);
    }
    if (NJ_TLS_HAS(p, thread_detach)) {
        p->thread_detach();
    }
    return NULL;
}

void nj_staple_start(struct nj_staple *s)
{
    sigset_t all, old;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);
    s->started = pthread_create(&s->thread, NULL, run, s) == 0;
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!s->started) {
        nj_log_error("OCSP responses will not be renewed: no thread could be started");
    }
}

static void free_staple(struct nj_staple *s)
{
    nj_cert_fini(&s->cert);
    nj_cert_fini(&s->issuer);
    nj_tls_setup_unref(&s->setup);
    nj_tls_setup_unref(&s->also);
    nj_buf_free(&s->raw);
    for (size_t i = 0; i < s->urls_n; i++) {
        nj_dealloc(s->urls[i]);
    }
    nj_dealloc(s->cache);
    if (s->cancel_fd >= 0) {
        (void) close(s->cancel_fd);
    }
    (void) pthread_cond_destroy(&s->wake);
    (void) pthread_mutex_destroy(&s->mu);
    nj_dealloc(s);
}

void nj_staple_stop(struct nj_staple **sp)
{
    struct nj_staple *s = *sp;
    const uint64_t one = 1;
    if (s == NULL) {
        return;
    }
    *sp = NULL;
    nj_lock(&s->mu);
    s->stopping = true;
    (void) pthread_cond_signal(&s->wake);
    nj_unlock(&s->mu);
    if (s->cancel_fd >= 0) {
        (void) !write(s->cancel_fd, &one, sizeof(one));
    }
    if (s->started) {
        (void) pthread_join(s->thread, NULL);
    }
    free_staple(s);
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool is_wanted(const struct nj_staple_config *config, const struct nj_cert *cert,
                      const char *file)
{
    bool must = nj_cert_must_staple(cert);
    if (config->mode == NJ_OCSP_NEVER && must) {
        nj_log_warn("Certificate at '%s' has MustStaple but OCSP is disabled", file);
    }
    return config->mode == NJ_OCSP_ALWAYS || (must && config->mode != NJ_OCSP_NEVER);
}

static int check_provider(const struct nj_staple_config *config, struct nj_error *err)
{
    const struct nj_tls_provider *p = config->setup->provider;
    struct nj_tls_about about = { .size = sizeof(about) };
    if ((p->caps() & NJ_TLS_CAP_STAPLE) != 0 && nj_ocsp_is_possible(p->crypto)) {
        return NJ_OK;
    }
    p->about(&about);
    return nj_error_set(err, NJ_E_UNSUPPORTED,
                        "OCSP stapling is asked for, which tls provider \"%s\" (%s %s) cannot do; "
                        "use another provider, or set ocsp to false",
                        config->provider_name, about.lib_name, about.lib_version);
}

static bool take_issuer(struct nj_staple *s, struct nj_span der)
{
    struct nj_cert candidate;
    if (nj_cert_init(&candidate, der, NULL) < 0) {
        return false;
    }
    if (nj_cert_may_issue(&candidate) &&
        nj_ocsp_is_issuer(&candidate, &s->cert, s->setup->provider->crypto)) {
        s->issuer = candidate;
        return true;
    }
    nj_cert_fini(&candidate);
    return false;
}

/* In the chain behind the certificate, else in ca_file. */
static int find_issuer(struct nj_staple *s, const struct nj_tls_material *m, struct nj_error *err)
{
    for (size_t i = 1; i < m->pairs[0].certs_n; i++) {
        if (take_issuer(s, m->pairs[0].certs[i])) {
            return NJ_OK;
        }
    }
    for (size_t i = 0; i < m->anchors_n; i++) {
        if (take_issuer(s, m->anchors[i])) {
            return NJ_OK;
        }
    }
    return nj_error_set(err, NJ_E_INVALID, "no issuers found");
}

static void set_urls(struct nj_staple *s, const struct nj_staple_config *config)
{
    struct nj_span own[RESPONDERS_MAX];
    for (size_t i = 0; i < config->urls_n && i < RESPONDERS_MAX; i++) {
        s->urls[s->urls_n++] = nj_strdup(config->urls[i]);
    }
    size_t n = config->urls_n == 0 ? nj_cert_responders(&s->cert, own, RESPONDERS_MAX) : 0;
    for (size_t i = 0; i < n; i++) {
        s->urls[s->urls_n++] = nj_strndup((const char *) own[i].ptr, own[i].len);
    }
}

int nj_staple_new(const struct nj_staple_config *config, struct nj_staple **staple_out,
                  struct nj_error *err)
{
    const struct nj_tls_material *m = nj_tls_setup_material(config->setup);
    *staple_out = NULL;
    if (m->pairs_n == 0) {
        return NJ_OK;
    }
    struct nj_staple *s = nj_zalloc(sizeof(*s));
    (void) pthread_mutex_init(&s->mu, NULL);
    (void) pthread_cond_init(&s->wake, NULL);
    s->cancel_fd = -1;
    nj_buf_init(&s->raw, NJ_OCSP_MAX_LEN);
    s->mode = config->mode;
    s->kind = config->kind;
    s->revoked = config->revoked;
    s->user = config->user;
    s->setup = nj_tls_setup_ref(config->setup);
    s->file = m->pairs[0].label;
    int rc = nj_cert_init(&s->cert, m->pairs[0].certs[0], err);
    bool wanted = rc == NJ_OK && is_wanted(config, &s->cert, s->file);
    if (rc == NJ_OK && wanted && (rc = check_provider(config, err)) == NJ_OK) {
        rc = find_issuer(s, m, err);
    }
    if (rc != NJ_OK || !wanted) {
        free_staple(s);
        nj_tls_setup_forget(config->setup);
        return rc;
    }
    set_urls(s, config);
    s->cache = cache_path(config, m->pairs[0].certs[0]);
    s->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *staple_out = s;
    return NJ_OK;
}
