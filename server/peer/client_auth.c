#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/nul_text.h"
#include "auth/auth.h"
#include "auth/bcrypt.h"
#include "auth/mapper_user.h"
#include "auth/mappers.h"
#include "auth/user.h"
#include "broker/account.h"
#include "peer/client.h"
#include "peer/client_mapper.h"

/* A bcrypt comparison under way.  The client's while the job waits, then the bcrypt thread's; the
 * answer comes home by worker, slot and generation, so the client may be gone by then. */
struct nj_hash_wait {
    struct nj_item item;
    struct nj_bcrypt_job job;
    struct nj_worker *w;
    uint32_t slot, gen;
    uint64_t auth_gen; /* of the credentials that were compared */
    struct nj_auth *auth; /* references: what it is let in with when the secret is right */
    struct nj_user *user;
    bool match;
    bool peer_ended; /* worker: it said all it had to say */
};

static void free_wait(struct nj_hash_wait *a)
{
    nj_auth_unref(&a->auth);
    nj_user_unref(&a->user);
    nj_dealloc(a);
}

/* What the client calls itself, as the log can show it. */
static void log_named_failure(struct nj_client *c, const char *kind, const char *name)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_nul_text_quote(&b, name);
    nj_client_log(c, NJ_LVL_ERR, "authentication error - %s %s", kind, b.ptr);
    nj_buf_free(&b);
}

static void log_failure(struct nj_client *c)
{
    if (c->nkey != NULL) {
        log_named_failure(c, "Nkey", c->nkey);
    } else if (c->user != NULL) {
        log_named_failure(c, "User", c->user);
    } else if (c->by_token) {
        nj_client_log(c, NJ_LVL_ERR, "authentication error - Token \"[REDACTED]\"");
    } else {
        nj_client_log(c, NJ_LVL_ERR, "authentication error");
    }
}

void nj_client_denied(struct nj_client *c)
{
    log_failure(c);
    nj_client_close(c, NJ_CLOSE_AUTH_VIOLATION);
}

static void allowed(struct nj_client *c)
{
    c->must_auth = false;
    nj_client_make_label(c);
    if (c->bad_protocol) {
        nj_client_close(c, NJ_CLOSE_BAD_PROTOCOL);
        nj_client_log(c, NJ_LVL_ERR, "invalid client protocol");
    } else if (c->no_responders && !c->headers) {
        nj_client_close(c, NJ_CLOSE_NO_RESPONDERS_HEADERS);
        nj_client_log(c, NJ_LVL_ERR, "no responders requires headers support");
    } else {
        nj_client_send_ok(c);
    }
}

static void finish(struct nj_client *c, bool ok)
{
    nj_client_forget_secrets(c);
    if (ok) {
        allowed(c);
    } else {
        nj_client_denied(c);
    }
}

/* One that named nobody goes by the name of whom it became. */
static void become(struct nj_client *c, struct nj_auth *auth, struct nj_user *user)
{
    nj_client_set_user(c, auth, user);
    if (user != NULL && user->name != NULL && c->user == NULL) {
        c->user = nj_strdup(user->name);
        c->has_given_no_name = true;
    } else if (user != NULL && user->name == NULL && c->nkey == NULL) {
        c->nkey = nj_strdup(user->nkey);
        c->has_given_no_name = true;
    }
}

/* ---- waiting for a hash ----------------------------------------------------------------------- */

static bool is_waiting(const struct nj_client *c)
{
    return c->hash != NULL || c->mapping != NULL;
}

static void take_answer(struct nj_client *c, const struct nj_hash_wait *a)
{
    c->hash = NULL;
    nj_client_stop_wait(c);
    if (a->auth_gen != nj_client_serving(c)->auth_gen) {
        nj_client_authenticate(c); /* a reload came in between: ask again */
    } else {
        if (a->match) {
            become(c, a->auth, a->user);
        }
        finish(c, a->match);
    }
    if (nj_client_is_open(c) && !is_waiting(c)) {
        nj_conn_resume(&c->conn);
    }
    if (a->peer_ended) {
        nj_conn_peer_ended(&c->conn);
    }
}

static void run_answer(struct nj_worker *w, struct nj_item *item)
{
    struct nj_hash_wait *a = (struct nj_hash_wait *) (void *) item;
    struct nj_conn *conn = nj_slot_conn(w, a->slot, a->gen);
    if (conn != NULL && conn->state == NJ_CONN_OPEN) {
        take_answer((struct nj_client *) (void *) conn, a);
    }
    free_wait(a);
}

/* On the bcrypt thread. */
static void hashed(void *arg, bool match)
{
    struct nj_hash_wait *a = arg;
    a->match = match;
    nj_inbox_push(&a->w->inbox, &a->item);
}

static void wait_for_hash(struct nj_client *c, struct nj_auth *auth,
                          const struct nj_auth_result *result)
{
    const struct nj_serving *s = nj_client_serving(c);
    struct nj_hash_wait *a = nj_zalloc(sizeof(*a));
    a->item.run = run_answer;
    a->w = c->conn.worker;
    a->slot = c->conn.slot;
    a->gen = c->conn.gen;
    a->auth_gen = s->auth_gen;
    a->auth = nj_auth_ref(auth);
    a->user = nj_user_ref(result->user);
    if (s->bcrypt == NULL ||
        !nj_bcrypt_submit(s->bcrypt, &a->job, result->hash, result->secret, hashed, a)) {
        nj_client_log(c, NJ_LVL_WRN, "too many logins at once: password not looked at");
        free_wait(a);
        finish(c, false);
        return;
    }
    c->hash = a;
    if (!c->must_auth) { /* it was let in before and asks to be somebody else */
        c->auth_until_us = c->conn.worker->now_us + s->limits.auth_timeout_us;
    }
    int64_t left_us = c->auth_until_us - c->conn.worker->now_us;
    nj_client_wait(c, NJ_WAIT_HASH, left_us > 0 ? left_us : 0);
}

/* A hash that is begun comes to its end, and its answer finds nobody. */
void nj_client_hash_stop(struct nj_client *c)
{
    struct nj_hash_wait *a = c->hash;
    c->hash = NULL;
    if (a != NULL && nj_bcrypt_take_back(&a->job)) {
        free_wait(a);
    }
}

/* Whose hash is begun has done its waiting: the answer is near, and the reference waits for it. */
void nj_client_hash_timeout(struct nj_client *c)
{
    struct nj_hash_wait *a = c->hash;
    if (a == NULL || !nj_bcrypt_take_back(&a->job)) {
        return;
    }
    c->hash = NULL;
    free_wait(a);
    nj_client_debug(c, "Authentication Timeout");
    nj_client_close(c, NJ_CLOSE_AUTH_TIMEOUT);
}

/* It may have sent messages and closed: they count.  But those who stay come first. */
bool nj_client_hash_ended(struct nj_client *c)
{
    if (c->hash == NULL || c->conn.rest_len == 0 || !nj_bcrypt_put_off(&c->hash->job)) {
        return false;
    }
    c->hash->peer_ended = true;
    nj_conn_pause(&c->conn, NJ_PAUSE_FOR_EVER);
    return true;
}

/* ---- who it is -------------------------------------------------------------------------------- */

/* `mapped`: its certificate's user, NULL when the certificate does not choose. */
static void decide(struct nj_client *c, struct nj_auth *auth, struct nj_user *mapped)
{
    const struct nj_credentials cred = { .user = c->user,
                                         .pass = c->pass,
                                         .token = c->token,
                                         .nkey = c->nkey,
                                         .sig = c->sig,
                                         .nonce = c->nonce[0] != '\0' ? c->nonce : NULL,
                                         .type = NJ_TYPE_STANDARD,
                                         .mapped = mapped };
    struct nj_auth_result result = { 0 };
    switch (nj_auth_check(auth, &cred, &result)) {
    case NJ_AUTH_OK:
        become(c, auth, result.user);
        finish(c, true);
        break;
    case NJ_AUTH_SLOW:
        wait_for_hash(c, auth, &result);
        break;
    default:
        if (result.why != NULL) {
            nj_client_debug(c, "%s", result.why);
        }
        finish(c, false);
        break;
    }
}

/* By what the configuration says. */
static void check(struct nj_client *c)
{
    struct nj_user *by_cert = NULL;
    if (nj_client_is_mapped(c)) {
        by_cert = nj_client_map(c);
        if (by_cert == NULL) {
            finish(c, false);
            return;
        }
    }
    decide(c, nj_client_serving(c)->auth, by_cert);
}

/* As the user that an auth mapper named or made. */
static void let_in(struct nj_client *c, const struct nj_mapper_answer *a)
{
    struct nj_auth *auth = nj_client_serving(c)->auth;
    struct nj_user *user = NULL;
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_mapper_user(a, auth, NJ_TYPE_STANDARD, &user, &err) != NJ_OK) {
        nj_client_log(c, NJ_LVL_ERR, "auth mapper \"%s\" is at fault, the client is refused: %s",
                      a->mapper, err.text);
        nj_client_forget_secrets(c);
        nj_client_close(c, NJ_CLOSE_AUTH_VIOLATION);
        return;
    }
    nj_client_set_user(c, auth, user);
    nj_user_unref(&user);
    nj_dealloc(c->user);
    nj_dealloc(c->nkey);
    c->has_cert_name = false;
    c->user = nj_strdup(a->user);
    c->nkey = NULL;
    c->by_token = false;
    finish(c, true);
    nj_client_expire_at(c, a->expires_s);
}

/* Allowed until a time that has passed. */
static bool is_over(const struct nj_mapper_answer *a)
{
    return a->expires_s != 0 && a->expires_s <= nj_wall_ns() / 1000000000;
}

/* What the auth mappers say. */
static void mapped(struct nj_client *c, const struct nj_mapper_answer *a)
{
    struct nj_auth *auth = nj_client_serving(c)->auth;
    if (a == NULL && (nj_auth_required(auth) || nj_client_is_mapped(c))) {
        check(c);
    } else if (a == NULL) {
        nj_client_log(c, NJ_LVL_ERR,
                      "no auth mapper knows the client, and the configuration has no users");
        finish(c, false);
    } else if (a->verdict == NJ_AUTHMAP_DENY || is_over(a)) {
        nj_client_forget_secrets(c);
        nj_client_close(c, a->say == NJ_AUTHMAP_SAY_EXPIRED || is_over(a)
                               ? NJ_CLOSE_AUTH_EXPIRED
                               : NJ_CLOSE_AUTH_VIOLATION);
    } else {
        let_in(c, a);
    }
}

void nj_client_authenticate(struct nj_client *c)
{
    const struct nj_serving *s = nj_client_serving(c);
    c->by_token = c->token != NULL && c->user == NULL && c->nkey == NULL;
    nj_client_expire_at(c, 0);
    if (c->wants_account || (c->odd_secret && s->mappers != NULL)) {
        finish(c, false); /* a mapper is given C strings, and must not take one for another */
    } else if (s->mappers != NULL) {
        nj_client_ask_mappers(c, mapped);
    } else {
        check(c);
    }
}

/* Whom it becomes without a word; NULL: nobody.  Users with names alone, as in the reference: an nkey
 * is for clients that speak first.  A certificate that chooses the user chooses this one, too. */
static struct nj_user *silent_user(struct nj_client *c)
{
    struct nj_auth *auth = nj_client_serving(c)->auth;
    struct nj_credentials cred = { .type = NJ_TYPE_STANDARD };
    struct nj_auth_result result = { 0 };
    struct nj_user *user = nj_auth_no_auth_user(auth);
    if (nj_client_serving(c)->mappers != NULL) {
        return NULL; /* they are asked about what CONNECT says */
    }
    if (user == NULL || user->name == NULL) {
        return NULL;
    }
    if (nj_client_is_mapped(c) && (cred.mapped = nj_client_map(c)) == NULL) {
        return NULL;
    }
    return nj_auth_check(auth, &cred, &result) == NJ_AUTH_OK ? result.user : NULL;
}

bool nj_client_admit_silently(struct nj_client *c)
{
    struct nj_user *user = silent_user(c);
    if (user == NULL || (user->flags & NJ_USER_PROXY_REQUIRED) != 0) {
        return false;
    }
    nj_client_stop_wait(c);
    become(c, nj_client_serving(c)->auth, user);
    c->must_auth = false;
    return true;
}
