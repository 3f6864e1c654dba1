/* client_perms.c: whom a client was let in as, and what that lets it do. */
#include <string.h>

#include "auth/auth.h"
#include "auth/perms.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/nul_text.h"
#include "base/quote.h"
#include "broker/sub.h"
#include "broker/subject.h"
#include "broker/subject_set.h"
#include "broker/verdict_cache.h"
#include "peer/client.h"
#include "peer/filter.h"
#include "peer/replies.h"

/* ---- its slot ------------------------------------------------------------------------------------ */

static struct nj_slot *slot_of(struct nj_client *c)
{
    return nj_slot_at(c->conn.worker, c->conn.slot);
}

bool nj_client_is_nkey_user(const struct nj_client *c)
{
    return c->admitted != NULL && c->admitted->nkey != NULL;
}

void nj_client_hide_filter(struct nj_client *c)
{
    nj_filter_set(slot_of(c), &c->filter, NULL);
}

/* ---- publishing ---------------------------------------------------------------------------------- */

static bool is_listed(struct nj_client *c, struct nj_text subject)
{
    const struct nj_perms *p = c->perms;
    struct nj_verdict_cache *cache = nj_hub_worker_of(c->conn.worker)->verdicts;
    if (p->pub_id == 0) {
        return true;
    }
    int known = nj_verdict_cache_get(cache, p->pub_id, subject.ptr, subject.len);
    if (known < 0) {
        known = nj_perms_may_publish(p, subject.ptr, subject.len);
        nj_verdict_cache_put(cache, p->pub_id, subject.ptr, subject.len, (uint8_t) known);
    }
    return known != 0;
}

bool nj_client_may_publish(struct nj_client *c, struct nj_text subject)
{
    return is_listed(c, subject) ||
           (c->replies != NULL &&
            nj_replies_use(c->replies, subject.ptr, subject.len, c->conn.worker->now_us));
}

void nj_client_note_reply(struct nj_client *c, struct nj_text reply)
{
    if (!is_listed(c, reply)) {
        nj_replies_add(c->replies, reply.ptr, reply.len, c->conn.worker->now_us);
    }
}

void nj_client_publish_violation(struct nj_client *c, const char *err, const char *log,
                                 struct nj_text what)
{
    struct nj_buf b;
    struct nj_buf quoted;
    nj_buf_init(&b, SIZE_MAX);
    nj_buf_init(&quoted, SIZE_MAX);
    (void) nj_quote(&quoted, what.ptr, what.len);
    (void) nj_buf_printf(&b, "Permissions Violation for %s %s", err, quoted.ptr);
    nj_client_send_err(c, b.ptr);
    nj_client_log(c, NJ_LVL_ERR, "Publish Violation - %s %s", log, quoted.ptr);
    nj_buf_free(&quoted);
    nj_buf_free(&b);
}

/* ---- subscribing --------------------------------------------------------------------------------- */

static void put_quoted(struct nj_buf *b, const char *before, const char *s, size_t len,
                       const char *after)
{
    (void) nj_buf_puts(b, before);
    (void) nj_quote(b, s, len);
    (void) nj_buf_puts(b, after);
}

void nj_client_subscribe_violation(struct nj_client *c, struct nj_text subject,
                                   struct nj_text queue, struct nj_text sid)
{
    struct nj_buf err;
    struct nj_buf log;
    nj_buf_init(&err, SIZE_MAX);
    nj_buf_init(&log, SIZE_MAX);
    put_quoted(&err, "Permissions Violation for Subscription to ", subject.ptr, subject.len, "");
    put_quoted(&log, "Subscription Violation - Subject ", subject.ptr, subject.len, "");
    if (queue.len > 0) {
        put_quoted(&err, " using queue ", queue.ptr, queue.len, "");
        put_quoted(&log, ", Queue: ", queue.ptr, queue.len, "");
    }
    nj_client_send_err(c, err.ptr);
    nj_client_log(c, NJ_LVL_ERR, "%s, SID %.*s", log.ptr, (int) sid.len, sid.ptr);
    nj_buf_free(&err);
    nj_buf_free(&log);
}

/* What it asks for is more than it may see: then each message has to be looked at. */
static bool needs_filter(const struct nj_perms *p, const char *subject, size_t len)
{
    return p->sub_deny != NULL && nj_subject_has_wildcard(subject, len) &&
           nj_subject_set_overlaps(p->sub_deny, subject, len);
}

bool nj_client_may_subscribe(struct nj_client *c, struct nj_text subject, struct nj_text queue)
{
    if (!nj_perms_may_subscribe(c->perms, subject.ptr, subject.len, queue.ptr, queue.len)) {
        return false;
    }
    if (c->filter == NULL && needs_filter(c->perms, subject.ptr, subject.len)) {
        nj_filter_set(slot_of(c), &c->filter, c->perms->sub_deny);
    }
    return true;
}

/* ---- other permissions --------------------------------------------------------------------------- */

static void put_label(const struct nj_client *c, struct nj_buf *b)
{
    if (c->nkey != NULL || c->user != NULL) {
        (void) nj_buf_puts(b, c->nkey != NULL ? "Nkey " : "User ");
        (void) nj_nul_text_quote(b, c->nkey != NULL ? c->nkey : c->user);
    } else {
        (void) nj_buf_puts(b, c->by_token ? "Token \"[REDACTED]\"" : "User \"N/A\"");
    }
}

static void say_removed(struct nj_client *c, const struct nj_sub *s)
{
    struct nj_buf err;
    struct nj_buf log;
    const char *subject = nj_sub_subject(s);
    nj_buf_init(&err, SIZE_MAX);
    nj_buf_init(&log, SIZE_MAX);
    put_quoted(&err, "Permissions Violation for Subscription to ", subject, s->subject_len, "");
    put_quoted(&log, "Removed sub ", subject, s->subject_len, "");
    if (s->queue_len > 0) {
        put_quoted(&err, " using queue ", nj_sub_queue(s), s->queue_len, "");
        put_quoted(&log, " using queue ", nj_sub_queue(s), s->queue_len, "");
    }
    put_quoted(&err, " (sid ", nj_sub_sid(s), s->sid_len, ")");
    put_quoted(&log, " (sid ", nj_sub_sid(s), s->sid_len, ") for ");
    put_label(c, &log);
    nj_client_send_err(c, err.ptr);
    nj_log_info("%s - not authorized", log.ptr);
    nj_buf_free(&err);
    nj_buf_free(&log);
}

static bool may_keep(const struct nj_client *c, const struct nj_sub *s)
{
    return nj_perms_may_subscribe(c->perms, nj_sub_subject(s), s->subject_len, nj_sub_queue(s),
                                  s->queue_len);
}

/* The filter of before is shown until the one of now is. */
static void judge_subs(struct nj_client *c)
{
    bool filter = false;
    for (uint32_t i = 0; c->perms != NULL && i < c->subs.used; i++) {
        struct nj_sub *s = nj_sub_table_at(&c->subs, i)->sub;
        if (s != NULL && may_keep(c, s)) {
            filter = filter || needs_filter(c->perms, nj_sub_subject(s), s->subject_len);
        } else if (s != NULL) {
            say_removed(c, s);
            nj_client_remove_sub(c, s);
        }
    }
    nj_filter_set(slot_of(c), &c->filter, filter ? c->perms->sub_deny : NULL);
}

void nj_client_set_perms(struct nj_client *c, struct nj_perms *perms)
{
    struct nj_perms *old = c->perms;
    bool any = perms != NULL && nj_perms_restrict(perms);
    c->perms = any ? nj_perms_ref(perms) : NULL; /* else not even a test finds anything */
    nj_replies_free(&c->replies);
    if (any && perms->responses) {
        c->replies = nj_replies_new(perms->responses_max, perms->responses_ttl_us);
    }
    judge_subs(c);
    nj_perms_unref(&old);
}

/* ---- whom ---------------------------------------------------------------------------------------- */

static void become(struct nj_client *c, struct nj_auth *auth, struct nj_user *user)
{
    struct nj_auth *old_auth = c->auth;
    struct nj_user *old_user = c->admitted;
    c->auth = auth != NULL ? nj_auth_ref(auth) : NULL;
    c->admitted = nj_user_ref(user);
    nj_auth_unref(&old_auth);
    nj_user_unref(&old_user);
}

void nj_client_set_user(struct nj_client *c, struct nj_auth *auth, struct nj_user *user)
{
    become(c, auth, user);
    nj_client_set_perms(c, user != NULL ? user->perms : NULL);
}

/* The same rules as before: then nothing of what follows from them changes. */
static bool has_such_perms(const struct nj_client *c, const struct nj_user *user)
{
    const struct nj_perms *perms = user != NULL ? user->perms : NULL;
    return c->perms != NULL && perms != NULL && c->perms->print == perms->print;
}

void nj_client_renew_user(struct nj_client *c, struct nj_auth *auth, struct nj_user *user)
{
    bool same = has_such_perms(c, user);
    become(c, auth, user);
    if (!same) {
        nj_client_set_perms(c, user != NULL ? user->perms : NULL);
    }
}
