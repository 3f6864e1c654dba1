#include "peer/client_mapper.h"

#include <string.h>

#include "auth/mappers.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "peer/client.h"
#include "peer/client_facts.h"

/* The wait of one client. */
struct nj_client_mapping {
    struct nj_mappers *set;  /* a reference */
    size_t at;               /* mapper that is asked */
    uint64_t handle;         /* 0: none is open */
    uint64_t ask;            /* raised with every question: an answer knows which one it is for */
    struct arrival *arrival; /* for the answer of the question that is open */
    bool peer_ended;         /* it said all it had to say */
    nj_client_mapped_fn mapped;
};

/* An answer on its way home: by worker, slot and generation, for the client may be gone by then. */
struct arrival {
    struct nj_item item;
    struct nj_worker *w;
    uint32_t slot, gen;
    uint64_t ask;
    struct nj_mapper_answer *answer;
};

static void ask(struct nj_client *c);

static void end_wait(struct nj_client *c)
{
    struct nj_client_mapping *m = c->mapping;
    c->mapping = NULL;
    nj_client_stop_wait(c);
    nj_mappers_unref(&m->set);
    nj_dealloc(m);
}

/* False: its answer is on the way already. */
static bool take_back_question(struct nj_client_mapping *m, enum nj_mapper_end why)
{
    if (m->handle == 0 || !nj_mappers_cancel(m->handle, why)) {
        return false;
    }
    nj_dealloc(m->arrival);
    m->handle = 0;
    return true;
}

void nj_client_mapper_stop(struct nj_client *c)
{
    if (c->mapping != NULL) {
        (void) take_back_question(c->mapping, NJ_MAPPER_PEER_LEFT);
        end_wait(c);
    }
}

void nj_client_mapper_timeout(struct nj_client *c)
{
    struct nj_client_mapping *m = c->mapping;
    if (m == NULL || !take_back_question(m, NJ_MAPPER_TIMED_OUT)) {
        return;
    }
    nj_client_log(c, NJ_LVL_ERR, "auth mapper \"%s\" did not answer in time",
                  nj_mappers_name(m->set, m->at));
    nj_client_debug(c, "Authentication Timeout");
    nj_client_close(c, NJ_CLOSE_AUTH_TIMEOUT);
}

bool nj_client_mapper_ended(struct nj_client *c)
{
    if (c->mapping == NULL || c->conn.rest_len == 0) {
        return false;
    }
    c->mapping->peer_ended = true;
    nj_conn_pause(&c->conn, NJ_PAUSE_FOR_EVER);
    return true;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void log_denial(struct nj_client *c, const struct nj_mapper_answer *a)
{
    const char *reason = a->reason != NULL ? a->reason : "no reason given";
    if (a->faulty) {
        nj_client_log(c, NJ_LVL_ERR, "auth mapper \"%s\" is at fault, the client is refused: %s",
                      a->mapper, reason);
    } else {
        nj_client_log(c, NJ_LVL_ERR, "auth mapper \"%s\" refused the client: %s", a->mapper,
                      reason);
    }
}

static void log_user(struct nj_client *c, const struct nj_mapper_answer *a)
{
    struct nj_buf tags;
    if (!nj_log_on(NJ_LVL_DBG)) {
        return;
    }
    nj_buf_init(&tags, 64 * 1024);
    for (size_t i = 0; i < a->tags_n; i++) {
        (void) nj_buf_printf(&tags, "%s%s", i == 0 ? " tags: " : ", ", a->tags[i]);
    }
    nj_client_debug(c, "auth mapper \"%s\" says: user \"%s\"%s", a->mapper, a->user,
                    tags.ptr != NULL ? tags.ptr : "");
    nj_buf_free(&tags);
}

/* What came behind CONNECT counts now, and then that the peer has ended. */
static void go_on(struct nj_client *c, bool peer_ended)
{
    if (nj_client_is_open(c) && c->hash == NULL) {
        nj_conn_resume(&c->conn);
    }
    if (peer_ended) {
        nj_conn_peer_ended(&c->conn);
    }
}

static void finish(struct nj_client *c, const struct nj_mapper_answer *a)
{
    nj_client_mapped_fn mapped = c->mapping->mapped;
    bool peer_ended = c->mapping->peer_ended;
    end_wait(c);
    mapped(c, a);
    go_on(c, peer_ended);
}

/* A reload came in between: what the old ones say does not count. */
static void ask_again(struct nj_client *c)
{
    bool peer_ended = c->mapping->peer_ended;
    end_wait(c);
    nj_client_authenticate(c);
    if (c->mapping != NULL) {
        c->mapping->peer_ended = peer_ended;
    } else {
        go_on(c, peer_ended);
    }
}

static void take_answer(struct nj_client *c, const struct nj_mapper_answer *a)
{
    struct nj_client_mapping *m = c->mapping;
    m->handle = 0;
    if (m->set != nj_client_serving(c)->mappers) {
        ask_again(c);
        return;
    }
    if (a->verdict == NJ_AUTHMAP_DEFER) {
        m->at++;
        if (m->at < nj_mappers_count(m->set)) {
            ask(c);
        } else {
            finish(c, NULL);
        }
        return;
    }
    if (a->verdict == NJ_AUTHMAP_DENY) {
        log_denial(c, a);
    } else {
        log_user(c, a);
    }
    finish(c, a);
}

static void run_arrival(struct nj_worker *w, struct nj_item *item)
{
    struct arrival *a = (struct arrival *) (void *) item;
    struct nj_conn *conn = nj_slot_conn(w, a->slot, a->gen);
    if (conn != NULL && conn->state == NJ_CONN_OPEN) {
        struct nj_client *c = (struct nj_client *) (void *) conn;
        if (c->mapping != NULL && c->mapping->ask == a->ask) {
            take_answer(c, a->answer);
        }
    }
    nj_mapper_answer_free(&a->answer);
    nj_dealloc(a);
}

/* Any thread. */
static void answered(void *arg, struct nj_mapper_answer *answer)
{
    struct arrival *a = arg;
    a->answer = answer;
    nj_inbox_push(&a->w->inbox, &a->item);
}

/* ---- questions -------------------------------------------------------------------------------- */

/* The mapper's own time, or what is left of that for authentication. */
static int64_t time_for(const struct nj_client *c, const struct nj_client_mapping *m)
{
    int64_t us = nj_mappers_timeout_us(m->set, m->at);
    if (us == 0) {
        us = c->auth_until_us - c->conn.worker->now_us;
    }
    return us > 0 ? us : 0;
}

static void refuse(struct nj_client *c, const char *why)
{
    const struct nj_mapper_answer deny = { .verdict = NJ_AUTHMAP_DENY };
    nj_client_log(c, NJ_LVL_ERR, "%s", why);
    finish(c, &deny);
}

static void ask(struct nj_client *c)
{
    struct nj_client_mapping *m = c->mapping;
    struct nj_client_facts facts;
    struct arrival *a;
    if (nj_client_facts_init(&facts, c) != NJ_OK) {
        refuse(c, "no auth mapper was asked: the certificate of the client cannot be read");
        return;
    }
    m->ask++;
    a = nj_zalloc(sizeof(*a));
    *a = (struct arrival){ .item = { .run = run_arrival },
                           .w = c->conn.worker,
                           .slot = c->conn.slot,
                           .gen = c->conn.gen,
                           .ask = m->ask };
    nj_client_wait(c, NJ_WAIT_MAPPER, time_for(c, m));
    m->arrival = a;
    nj_mappers_ask(m->set, m->at, &facts.facts, answered, a, &m->handle);
    nj_client_facts_fini(&facts);
}

void nj_client_ask_mappers(struct nj_client *c, nj_client_mapped_fn mapped)
{
    struct nj_client_mapping *m = nj_zalloc(sizeof(*m));
    m->set = nj_mappers_ref(nj_client_serving(c)->mappers);
    m->mapped = mapped;
    c->mapping = m;
    if (!c->must_auth) { /* it was let in before and asks to be somebody else */
        c->auth_until_us = c->conn.worker->now_us + nj_client_serving(c)->limits.auth_timeout_us;
    }
    ask(c);
}
