/*
 * client_ocsp.c: after the handshake, are the client's certificates still good?
 *
 * The client stays in NJ_PHASE_TLS: what it sends is kept and nothing is answered, its leaving is
 * noticed, and the handshake's time-out goes on.  The answer comes home by worker, slot and
 * generation, so the client may be gone by then.
 */
#include <stdatomic.h>

#include "base/alloc.h"
#include "io/tls_stream.h"
#include "peer/client.h"
#include "peer/client_tls.h"
#include "tls/block.h"
#include "tls/ocsp_peer.h"

/* Shared by the client and the thread that asks; ends in run_answer(). */
struct nj_ocsp_answer_due {
    struct nj_item item;
    struct nj_worker *w;
    uint32_t slot, gen;
    bool good;
    atomic_bool gone; /* atomic, relaxed: the client has left, nobody need be asked */
};

void nj_client_forget_ocsp(struct nj_client *c)
{
    if (c->ocsp != NULL) {
        atomic_store_explicit(&c->ocsp->gone, true, memory_order_relaxed);
        c->ocsp = NULL;
    }
}

static void run_answer(struct nj_worker *w, struct nj_item *item)
{
    struct nj_ocsp_answer_due *a = (struct nj_ocsp_answer_due *) (void *) item;
    struct nj_conn *conn = nj_slot_conn(w, a->slot, a->gen);
    if (conn != NULL && conn->state == NJ_CONN_OPEN) {
        struct nj_client *c = (struct nj_client *) (void *) conn;
        nj_client_stop_wait(c);
        c->ocsp = NULL;
        if (a->good) {
            nj_client_ocsp_valid(c);
        } else {
            nj_client_not_ocsp_valid(c);
        }
        if (nj_client_is_open(c)) {
            nj_conn_resume(conn);
        }
    }
    nj_dealloc(a);
}

/* On a thread of those that ask. */
static void answered(void *arg, bool good)
{
    struct nj_ocsp_answer_due *a = arg;
    a->good = good;
    nj_inbox_push(&a->w->inbox, &a->item);
}

static bool wanted(void *arg)
{
    const struct nj_ocsp_answer_due *a = arg;
    return !atomic_load_explicit(&a->gone, memory_order_relaxed);
}

void nj_client_ask_ocsp(struct nj_client *c)
{
    struct nj_ocsp_peers *peers = nj_client_serving(c)->ocsp;
    struct nj_span chain[NJ_CHAIN_MAX];
    size_t n = nj_tls_stream_peer_chain(&c->conn, chain, NJ_CHAIN_MAX);
    struct nj_ocsp_answer_due *a = nj_zalloc(sizeof(*a));
    a->item.run = run_answer;
    a->w = c->conn.worker;
    a->slot = c->conn.slot;
    a->gen = c->conn.gen;
    atomic_init(&a->gone, false);
    const struct nj_ocsp_question question = { .setup = nj_tls_door_setup(c->door),
                                               .chain = chain,
                                               .chain_n = n,
                                               .wanted = wanted,
                                               .done = answered,
                                               .arg = a };
    if (peers == NULL || n == 0 || n > NJ_CHAIN_MAX || !nj_ocsp_peers_ask(peers, &question)) {
        nj_client_log(c, NJ_LVL_WRN, "too many clients at once: OCSP was not asked");
        nj_dealloc(a);
        nj_client_not_ocsp_valid(c);
        return;
    }
    c->ocsp = a;
    nj_client_wait(c, NJ_WAIT_TLS, nj_tls_door_timeout_us(c->door));
}
