#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "auth/auth.h"
#include "auth/bcrypt.h"
#include "broker/account.h"
#include "peer/client.h"

/* A bcrypt comparison under way.  Shared by the client and the bcrypt thread; the answer comes
 * home by worker, slot and generation, so the client may be gone by then. */
struct answer {
    struct nj_item item;
    struct nj_worker *w;
    uint32_t slot, gen;
    uint64_t auth_gen; /* of the credentials that were compared */
    bool match;
};

static void log_failure(struct nj_client *c)
{
    if (c->user != NULL) {
        nj_client_log(c, NJ_LVL_ERR, "authentication error - User \"%s\"", c->user);
    } else if (c->by_token) {
        nj_client_log(c, NJ_LVL_ERR, "authentication error - Token \"[REDACTED]\"");
    } else {
        nj_client_log(c, NJ_LVL_ERR, "authentication error");
    }
}

static void forget_secrets(struct nj_client *c)
{
    if (c->pass != NULL) {
        nj_wipe(c->pass, strlen(c->pass));
        nj_dealloc(c->pass);
        c->pass = NULL;
    }
    if (c->token != NULL) {
        nj_wipe(c->token, strlen(c->token));
        nj_dealloc(c->token);
        c->token = NULL;
    }
}

static void denied(struct nj_client *c)
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
    forget_secrets(c);
    if (ok) {
        allowed(c);
    } else {
        denied(c);
    }
}

static void run_answer(struct nj_worker *w, struct nj_item *item)
{
    struct answer *a = (struct answer *) (void *) item;
    struct nj_conn *conn = nj_slot_conn(w, a->slot, a->gen);
    if (conn != NULL && conn->state == NJ_CONN_OPEN) {
        struct nj_client *c = (struct nj_client *) (void *) conn;
        c->auth_waits = false;
        nj_client_stop_wait(c);
        if (a->auth_gen == nj_client_serving(c)->auth_gen) {
            finish(c, a->match);
        } else {
            nj_client_authenticate(c); /* a reload came in between: ask again */
        }
        if (nj_client_is_open(c) && !c->auth_waits) {
            nj_conn_resume(conn);
        }
    }
    nj_dealloc(a);
}

/* On the bcrypt thread. */
static void hashed(void *arg, bool match)
{
    struct answer *a = arg;
    a->match = match;
    nj_inbox_push(&a->w->inbox, &a->item);
}

static void wait_for_hash(struct nj_client *c, const char *hash, const char *secret)
{
    const struct nj_serving *s = nj_client_serving(c);
    struct answer *a = nj_zalloc(sizeof(*a));
    a->item.run = run_answer;
    a->w = c->conn.worker;
    a->slot = c->conn.slot;
    a->gen = c->conn.gen;
    a->auth_gen = s->auth_gen;
    if (s->bcrypt == NULL || !nj_bcrypt_submit(s->bcrypt, hash, secret, hashed, a)) {
        nj_client_log(c, NJ_LVL_WRN, "too many logins at once: password not looked at");
        nj_dealloc(a);
        finish(c, false);
        return;
    }
    c->auth_waits = true;
    nj_conn_pause(&c->conn, NJ_PAUSE_FOR_EVER);
}

void nj_client_authenticate(struct nj_client *c)
{
    struct nj_credentials cred = { c->user, c->pass, c->token };
    const struct nj_auth *auth = nj_client_serving(c)->auth;
    const char *hash = NULL;
    const char *secret = NULL;
    c->by_token = c->token != NULL && c->user == NULL;
    if (c->wants_account || (c->odd_secret && nj_auth_required(auth))) {
        finish(c, false);
        return;
    }
    switch (nj_auth_check(auth, &cred, &hash, &secret)) {
    case NJ_AUTH_OK:
        finish(c, true);
        break;
    case NJ_AUTH_SLOW:
        wait_for_hash(c, hash, secret);
        break;
    default:
        finish(c, false);
        break;
    }
}
