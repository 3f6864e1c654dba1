#include "io/worker.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/rcu.h"
#include "base/reclaim.h"
#include "base/yield.h"
#include "io/batch.h"
#include "io/conn.h"

#define EVENTS_PER_TURN 256
#define PAUSED_POLL_MS 1
#define RECLAIM_MOST 256 /* in a turn: some 20 microseconds */

/* ---- slots ----------------------------------------------------------------------------------- */

static uint32_t new_slot(struct nj_worker *w)
{
    uint32_t slot = w->slots_n++;
    uint32_t chunk = slot / NJ_SLOTS_PER_CHUNK;
    if (atomic_load_explicit(&w->slot_chunks[chunk], memory_order_relaxed) == NULL) {
        struct nj_slot *s = nj_calloc(NJ_SLOTS_PER_CHUNK, sizeof(*s));
        for (uint32_t i = 0; i < NJ_SLOTS_PER_CHUNK; i++) {
            atomic_init(&s[i].gen, 1);
        }
        atomic_store_explicit(&w->slot_chunks[chunk], s, memory_order_release);
    }
    return slot;
}

uint32_t nj_slot_take(struct nj_worker *w, struct nj_conn *c, uint32_t *gen_out)
{
    uint32_t slot;
    if (w->free_slot != 0) {
        slot = w->free_slot - 1;
        w->free_slot = nj_slot_at(w, slot)->next_free;
    } else {
        slot = new_slot(w);
    }
    struct nj_slot *s = nj_slot_at(w, slot);
    s->conn = c;
    atomic_store_explicit(&s->stalls, 0, memory_order_relaxed);
    atomic_store_explicit(&s->queued, 0, memory_order_relaxed);
    *gen_out = nj_slot_gen(s);
    w->conns_n++;
    return slot;
}

void nj_slot_disown(struct nj_worker *w, uint32_t slot)
{
    struct nj_slot *s = nj_slot_at(w, slot);
    atomic_store_explicit(&s->gen, nj_slot_gen(s) + 1, memory_order_relaxed);
}

void nj_slot_leave(struct nj_worker *w, uint32_t slot)
{
    struct nj_slot *s = nj_slot_at(w, slot);
    s->conn = NULL;
    nj_slot_disown(w, slot);
    atomic_store_explicit(&s->queued, 0, memory_order_relaxed);
    atomic_store_explicit(&s->shown, NULL, memory_order_relaxed);
    s->next_free = w->free_slot;
    w->free_slot = slot + 1;
    w->conns_n--;
}

/* ---- descriptors ------------------------------------------------------------------------------ */

int nj_worker_watch(struct nj_worker *w, int fd, struct nj_source *src, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data = { .ptr = src } };
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? NJ_E_IO : NJ_OK;
}

void nj_worker_rewatch(struct nj_worker *w, int fd, struct nj_source *src, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data = { .ptr = src } };
    (void) epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
}

void nj_worker_unwatch(struct nj_worker *w, int fd)
{
    (void) epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- the turn -------------------------------------------------------------------------------- */

bool nj_worker_drain(struct nj_worker *w)
{
    if (nj_inbox_empty(&w->inbox)) {
        return false;
    }
    NJ_YIELD();
    struct nj_item *item = nj_inbox_take(&w->inbox);
    while (item != NULL) {
        struct nj_item *next = item->next;
        nj_worker_next_cause(w);
        item->run(w, item);
        item = next;
    }
    return true;
}

/* Somebody waits for this worker's next turn.  Who owes, and batches that are held, wait for the backlog;
 * also when those in it have left since it was written from, and nothing else would happen. */
static bool has_work(const struct nj_worker *w)
{
    return w->last != NULL || w->dirty != NULL || w->backlog != NULL || w->owing != NULL ||
           w->held != NULL || w->has_more;
}

static int poll_timeout_ms(struct nj_worker *w)
{
    if (has_work(w)) {
        return 0;
    }
    int64_t next = nj_timers_next(&w->timers);
    int64_t ms = INT_MAX;
    if (next != INT64_MAX) {
        int64_t us = next - nj_mono_us();
        ms = us <= 0 ? 0 : (us + 999) / 1000;
    }
    if (w->paused != NULL && ms > PAUSED_POLL_MS) {
        ms = PAUSED_POLL_MS;
    }
    return ms >= INT_MAX ? -1 : (int) ms;
}

/* Offline only around the wait itself. */
static int poll_events(struct nj_worker *w, struct epoll_event *events)
{
    int timeout = poll_timeout_ms(w);
    if (!nj_inbox_sleep(&w->inbox)) {
        timeout = 0;
    }
    int n;
    if (timeout == 0) {
        n = epoll_wait(w->epoll_fd, events, EVENTS_PER_TURN, 0);
        nj_rcu_quiescent();
    } else {
        nj_rcu_offline();
        n = epoll_wait(w->epoll_fd, events, EVENTS_PER_TURN, timeout);
        nj_rcu_online();
    }
    nj_inbox_awake(&w->inbox);
    return n < 0 ? 0 : n;
}

static void turn(struct nj_worker *w)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = poll_events(w, events);
    w->now_us = nj_mono_us();
    (void) nj_worker_drain(w);
    nj_worker_next_cause(w);
    nj_timers_run(&w->timers, w->now_us);
    nj_conn_resume_due(w);
    for (int i = 0; i < n; i++) {
        struct nj_source *src = events[i].data.ptr;
        if (src != NULL) {
            src->ready(w, src, events[i].events);
        }
    }
    nj_batch_hand_over(w); /* before anything is written: promise P1 */
    nj_conn_write_some(w);
    if (nj_conn_serve_last(w)) {
        nj_batch_hand_over(w);
        nj_conn_flush_dirty(w);
    }
    nj_conn_free_dead(w);
    nj_batch_hand_over(w);
    bool later = w->set->ops->later != NULL && w->set->ops->later(w);
    w->has_more = nj_reclaim_turn(RECLAIM_MOST) || later;
}

/* No connection is left.  What lies here is run, as its payloads and batches have owners; a queue
 * message may be handed on to others, whose connections may still be there. */
static bool empty_inbox(struct nj_worker *w)
{
    bool any = false;
    while (nj_worker_drain(w)) {
        any = true;
        nj_conn_free_dead(w);
        nj_batch_hand_over(w);
    }
    return any;
}

static void wake(struct nj_worker *w, void *arg)
{
    (void) w;
    (void) arg;
}

/* The library's thread: something is to be freed. */
static void has_come_back(void *arg)
{
    nj_worker_call(arg, wake, NULL);
}

static void *run(void *arg)
{
    struct nj_worker *w = arg;
    char name[16];
    (void) snprintf(name, sizeof(name), "nj-worker-%u", w->id);
    (void) pthread_setname_np(pthread_self(), name);
    nj_rcu_register();
    nj_reclaim_begin(has_come_back, w);
    w->now_us = nj_mono_us();
    w->set->ops->start(w, w->set->user);
    while (!w->stopping || w->conns_n > 0) {
        turn(w);
    }
    (void) empty_inbox(w);
    nj_batch_send_all(w);
    w->set->ops->stop(w, w->set->user);
    nj_reclaim_end();
    nj_rcu_unregister();
    return NULL;
}

/* ---- start and stop --------------------------------------------------------------------------- */

static void worker_free(struct nj_worker *w)
{
    for (struct nj_item *it = atomic_exchange(&w->home, NULL); it != NULL;) {
        struct nj_batch *b = (struct nj_batch *) (void *) it;
        it = it->next;
        nj_dealloc(b->bytes);
        nj_dealloc(b);
    }
    while (w->spare != NULL) {
        struct nj_batch *b = w->spare;
        w->spare = (struct nj_batch *) (void *) b->item.next;
        nj_dealloc(b->bytes);
        nj_dealloc(b);
    }
    for (uint32_t i = 0; i < NJ_SLOT_CHUNKS; i++) {
        nj_dealloc(atomic_load_explicit(&w->slot_chunks[i], memory_order_relaxed));
    }
    nj_timers_fini(&w->timers);
    nj_pool_fini(&w->pool);
    nj_inbox_fini(&w->inbox);
    if (w->cipher != NULL) {
        nj_buf_free(w->cipher);
        nj_dealloc(w->cipher);
    }
    nj_dealloc(w->read_buf);
    nj_dealloc(w->plain_buf);
    nj_dealloc(w->record_buf);
    nj_dealloc(w->open);
    nj_dealloc(w->on_the_way);
    if (w->epoll_fd >= 0) {
        (void) close(w->epoll_fd);
    }
    nj_dealloc(w);
}

static void quiet_bell(struct nj_worker *w, struct nj_source *src, uint32_t events)
{
    (void) src;
    (void) events;
    nj_inbox_quiet(&w->inbox);
}

static struct nj_source bell = { .ready = quiet_bell };

static int worker_new(struct nj_workers *set, uint16_t id, struct nj_worker **w_out,
                      struct nj_error *err)
{
    struct nj_worker *w = nj_zalloc(sizeof(*w));
    w->set = set;
    w->id = id;
    w->inbox.event_fd = -1;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->last_end = &w->last;
    w->dirty_end = &w->dirty;
    w->backlog_end = &w->backlog;
    w->held_end = &w->held;
    nj_timers_init(&w->timers);
    nj_pool_init(&w->pool);
    nj_seed(&w->random, sizeof(w->random));
    w->random |= 1;
    w->read_buf = nj_alloc(NJ_READ_LEN);
    w->plain_buf = nj_alloc(NJ_READ_LEN);
    w->record_buf = nj_alloc(NJ_PIECE_BIG);
    w->cipher = nj_zalloc(sizeof(*w->cipher));
    nj_buf_init(w->cipher, SIZE_MAX);
    w->open = nj_calloc(set->n, sizeof(struct nj_batch *));
    w->on_the_way = nj_calloc(set->n, sizeof(uint64_t));
    if (w->epoll_fd < 0 || nj_inbox_init(&w->inbox) < 0 ||
        nj_worker_watch(w, w->inbox.event_fd, &bell, EPOLLIN) < 0) {
        int rc = nj_error_set(err, NJ_E_IO, "cannot make a worker: %s", strerror(errno));
        worker_free(w);
        return rc;
    }
    *w_out = w;
    return NJ_OK;
}

static int start_thread(struct nj_worker *w)
{
    sigset_t all;
    sigset_t old;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the control thread's */
    int e = pthread_create(&w->thread, NULL, run, w);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    return e;
}

static void has_begun(struct nj_worker *w, void *arg)
{
    (void) w;
    (void) arg;
}

int nj_workers_start(struct nj_workers **set_out, uint16_t n, const struct nj_worker_ops *ops,
                     void *user, struct nj_error *err)
{
    struct nj_workers *set = nj_zalloc(sizeof(*set));
    set->at = nj_calloc(n, sizeof(struct nj_worker *));
    set->n = n;
    set->ops = ops;
    set->user = user;
    int rc = NJ_OK;
    for (uint16_t i = 0; i < n && rc == NJ_OK; i++) {
        rc = worker_new(set, i, &set->at[i], err);
    }
    uint16_t started = 0;
    for (; rc == NJ_OK && started < n; started++) {
        int e = start_thread(set->at[started]);
        if (e != 0) {
            rc = nj_error_set(err, NJ_E_IO, "cannot start worker %u: %s", started, strerror(e));
            break;
        }
    }
    if (rc != NJ_OK) {
        for (uint16_t i = started; i < n; i++) {
            if (set->at[i] != NULL) {
                worker_free(set->at[i]);
            }
        }
        set->n = started;
        nj_workers_join(&set);
        return rc;
    }
    nj_workers_call_all(set, has_begun, NULL);
    *set_out = set;
    return NJ_OK;
}

struct call {
    struct nj_item item;
    void (*fn)(struct nj_worker *w, void *arg);
    void *arg;
};

static void run_call(struct nj_worker *w, struct nj_item *item)
{
    struct call *c = (struct call *) (void *) item;
    c->fn(w, c->arg);
    nj_dealloc(c);
}

void nj_worker_call(struct nj_worker *w, void (*fn)(struct nj_worker *w, void *arg), void *arg)
{
    struct call *c = nj_zalloc(sizeof(*c));
    c->item.run = run_call;
    c->fn = fn;
    c->arg = arg;
    nj_inbox_push(&w->inbox, &c->item);
}

/* A call to all, on the stack of whoever waits for it. */
struct call_all {
    void (*fn)(struct nj_worker *w, void *arg);
    void *arg;
    pthread_mutex_t mu;
    pthread_cond_t done;
    unsigned left; /* under mu */
};

static void run_one_of_all(struct nj_worker *w, void *arg)
{
    struct call_all *all = arg;
    all->fn(w, all->arg);
    (void) pthread_mutex_lock(&all->mu);
    all->left--;
    (void) pthread_cond_signal(&all->done);
    (void) pthread_mutex_unlock(&all->mu);
}

void nj_workers_call_all(struct nj_workers *set, void (*fn)(struct nj_worker *w, void *arg),
                         void *arg)
{
    struct call_all all = { .fn = fn,
                            .arg = arg,
                            .mu = PTHREAD_MUTEX_INITIALIZER,
                            .done = PTHREAD_COND_INITIALIZER,
                            .left = set->n };
    for (uint16_t i = 0; i < set->n; i++) {
        nj_worker_call(set->at[i], run_one_of_all, &all);
    }
    (void) pthread_mutex_lock(&all.mu);
    while (all.left > 0) {
        (void) pthread_cond_wait(&all.done, &all.mu);
    }
    (void) pthread_mutex_unlock(&all.mu);
    (void) pthread_mutex_destroy(&all.mu);
    (void) pthread_cond_destroy(&all.done);
}

static void set_stopping(struct nj_worker *w, void *arg)
{
    (void) arg;
    w->stopping = true;
}

void nj_workers_join(struct nj_workers **setp)
{
    struct nj_workers *set = *setp;
    if (set == NULL) {
        return;
    }
    *setp = NULL;
    for (uint16_t i = 0; i < set->n; i++) {
        nj_worker_call(set->at[i], set_stopping, NULL);
    }
    for (uint16_t i = 0; i < set->n; i++) {
        (void) pthread_join(set->at[i]->thread, NULL);
    }
    nj_rcu_barrier(); /* and nobody is woken any more */
    for (bool any = true; any;) { /* pushed while the others ended */
        any = false;
        for (uint16_t i = 0; i < set->n; i++) {
            any = empty_inbox(set->at[i]) || any;
        }
    }
    for (uint16_t i = 0; i < set->n; i++) {
        worker_free(set->at[i]);
    }
    nj_dealloc(set->at);
    nj_dealloc(set);
}

/* ---- how many ---------------------------------------------------------------------------------- */

/* cgroup v2: "max 100000" or "150000 100000" (quota and period in microseconds). */
static unsigned cgroup_cpus(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    unsigned long quota = 0;
    unsigned long period = 0;
    int n = f != NULL ? fscanf(f, "%lu %lu", &quota, &period) : 0;
    if (f != NULL) {
        (void) fclose(f);
    }
    if (n != 2 || period == 0 || quota == 0) {
        return UINT_MAX;
    }
    return (unsigned) ((quota + period - 1) / period);
}

unsigned nj_cpus_allowed(void)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned) CPU_COUNT(&set) : 1;
    unsigned quota = cgroup_cpus();
    n = quota < n ? quota : n;
    return n == 0 ? 1 : n;
}
