#include "base/reclaim.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/rcu.h"

#define AT_ONCE 2u /* of what is due, for each that is deferred */

struct mine;

/* What was deferred in one turn: linked through the heads, each with its function. */
struct bunch {
    struct nj_rcu_head rcu; /* first */
    struct mine *mine;      /* a reference */
    struct rcu_head *first, *last;
    struct bunch *next;
};

/* What a thread has deferred. */
struct mine {
    void (*wake)(void *arg);
    void *arg;
    struct bunch *open;           /* its thread: of this turn */
    struct rcu_head *due;         /* its thread: may be run */
    struct bunch *_Atomic back;   /* any thread: the grace period is over; LEFT: run them yourself */
    _Atomic unsigned refs;        /* atomic: the thread and the bunches that are on their way */
};

static struct bunch left;
#define LEFT (&left)

static _Thread_local struct mine *mine;

static struct rcu_head *next_of(const struct rcu_head *head)
{
    return (struct rcu_head *) (void *) head->next.next; /* not in the library's queue */
}

static void set_next(struct rcu_head *head, struct rcu_head *next)
{
    head->next.next = (struct cds_wfcq_node *) (void *) next;
}

/* Returns what is left of the list. */
static struct rcu_head *run_some(struct rcu_head *head, unsigned most)
{
    for (; head != NULL && most > 0; most--) {
        struct rcu_head *next = next_of(head);
        head->func(head);
        head = next;
    }
    return head;
}

static void run_all(struct rcu_head *head)
{
    while (head != NULL) {
        head = run_some(head, ~0u);
    }
}

static void unref(struct mine *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        nj_dealloc(m);
    }
}

/* The library's thread. */
static void come_back(struct rcu_head *head)
{
    struct bunch *b = nj_rcu_reclaim(head); /* first member */
    struct mine *m = b->mine;
    struct bunch *top = atomic_load_explicit(&m->back, memory_order_relaxed);
    do {
        b->next = top;
    } while (top != LEFT && !atomic_compare_exchange_weak_explicit(
                                &m->back, &top, b, memory_order_acq_rel, memory_order_relaxed));
    if (top == LEFT) {
        run_all(b->first);
        nj_dealloc(b);
    } else if (top == NULL) {
        m->wake(m->arg);
    }
    unref(m);
}

static void send_off(struct mine *m)
{
    struct bunch *b = m->open;
    if (b != NULL) {
        m->open = NULL;
        (void) atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
        nj_rcu_hand_over(&b->rcu, come_back);
    }
}

/* What has come back becomes due. */
static void collect(struct mine *m, struct bunch *to_be)
{
    if (atomic_load_explicit(&m->back, memory_order_relaxed) == to_be) {
        return;
    }
    struct bunch *b = atomic_exchange_explicit(&m->back, to_be, memory_order_acq_rel);
    while (b != NULL) {
        struct bunch *next = b->next;
        set_next(b->last, m->due);
        m->due = b->first;
        nj_dealloc(b);
        b = next;
    }
}

void nj_reclaim_begin(void (*wake)(void *arg), void *arg)
{
    mine = nj_zalloc(sizeof(*mine));
    mine->wake = wake;
    mine->arg = arg;
    atomic_store_explicit(&mine->refs, 1, memory_order_relaxed);
}

bool nj_reclaim_take(struct nj_rcu_head *head, void (*fn)(struct rcu_head *))
{
    struct mine *m = mine;
    if (m == NULL) {
        return false;
    }
    if (m->open == NULL) {
        m->open = nj_zalloc(sizeof(*m->open));
        m->open->mine = m;
        m->open->last = &head->head;
    }
    head->head.func = fn;
    set_next(&head->head, m->open->first);
    m->open->first = &head->head;
    m->due = run_some(m->due, AT_ONCE);
    return true;
}

bool nj_reclaim_is_here(void)
{
    return mine != NULL;
}

bool nj_reclaim_turn(unsigned most)
{
    struct mine *m = mine;
    if (m == NULL) {
        return false;
    }
    send_off(m);
    collect(m, NULL);
    m->due = run_some(m->due, most);
    return m->due != NULL;
}

void nj_reclaim_end(void)
{
    struct mine *m = mine;
    mine = NULL;
    send_off(m);
    collect(m, LEFT);
    run_all(m->due);
    unref(m);
}
