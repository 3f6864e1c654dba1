#include "auth/mappers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "auth/mapper_answer.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "plugin/host.h"

#define STUCK_US INT64_C(1000000)      /* inside decide() until the log says so */
#define SLOW_EVERY_US INT64_C(1000000) /* between warnings about one mapper */

struct mapper {
    const char *name; /* of the plug-in, static, as the two below */
    const char *version;
    const char *path;
    const struct nj_authmap *table;
    struct nj_authmap_instance *inst;
    int64_t timeout_us;
    _Atomic int64_t slow_at_us; /* atomic: when it was last said to be slow */
};

struct nj_mappers {
    _Atomic uint32_t refs;   /* atomic */
    struct nj_mappers *next; /* under mu: among the retired */
    size_t n;                /* immutable, as the mappers */
    struct mapper at[];
};

/* ---- sets ------------------------------------------------------------------------------------- */

/* Main thread. */
static void free_set(struct nj_mappers *set)
{
    for (size_t i = 0; i < set->n; i++) {
        set->at[i].table->instance_free(set->at[i].inst);
    }
    nj_dealloc(set);
}

static int make_instance(struct mapper *m, const struct nj_mapper_config *c, struct nj_error *err)
{
    struct nj_error why = NJ_ERROR_INIT;
    m->table = c->table;
    m->timeout_us = c->timeout_us;
    int rc = c->table->instance_new(c->options, &m->inst, &why);
    if (rc < 0) {
        return nj_error_set(err, rc, "auth mapper \"%s\": no instance could be made: %s", c->name,
                            why.text[0] != '\0' ? why.text : "no reason given");
    }
    m->name = c->name;
    m->version = c->version;
    m->path = c->path;
    return NJ_OK;
}

static int take_answer(const char *plugin, uint64_t handle, const struct nj_authmap_answer *answer);

int nj_mappers_new(const struct nj_mapper_config *configs, size_t n, struct nj_mappers **set_out,
                   struct nj_error *err)
{
    struct nj_mappers *set = nj_zalloc(sizeof(*set) + n * sizeof(set->at[0]));
    atomic_init(&set->refs, 1);
    for (; set->n < n; set->n++) {
        int rc = make_instance(&set->at[set->n], &configs[set->n], err);
        if (rc < 0) {
            free_set(set);
            return rc;
        }
    }
    nj_host_take_answers(take_answer);
    *set_out = set;
    return NJ_OK;
}

struct nj_mappers *nj_mappers_ref(struct nj_mappers *set)
{
    if (set != NULL) {
        (void) atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    }
    return set;
}

void nj_mappers_log(const struct nj_mappers *set)
{
    for (size_t i = 0; set != NULL && i < set->n; i++) {
        nj_log_info("Auth mapper %zu: %s %s (%s)", i + 1, set->at[i].name, set->at[i].version,
                    set->at[i].path);
    }
}

size_t nj_mappers_count(const struct nj_mappers *set)
{
    return set != NULL ? set->n : 0;
}

const char *nj_mappers_name(const struct nj_mappers *set, size_t i)
{
    return set->at[i].name;
}

int64_t nj_mappers_timeout_us(const struct nj_mappers *set, size_t i)
{
    return set->at[i].timeout_us;
}

/* ---- the table of questions ------------------------------------------------------------------- */

/* A handle is the generation of a place and its number. */
#define PLACE_BITS 24
#define PLACES_MOST (UINT32_C(1) << PLACE_BITS)

struct question {
    struct nj_mappers *set; /* a reference */
    size_t i;
    nj_mapper_done_fn done;
    void *arg;
};

/* A worker that is inside decide(). */
struct visit {
    struct visit *next;
    const char *name;
    int64_t since_us;
    bool logged;
};

struct place {
    uint64_t gen;           /* of the question that is or will be here next; the first is 1 */
    struct question *q;     /* NULL: free */
    enum nj_mapper_end end; /* of the question before */
    uint32_t next_free;     /* number + 1; 0: none */
};

/* Causes of an answer that finds nobody. */
enum stray { STRAY_TWICE, STRAY_LEFT, STRAY_LATE, STRAY_UNKNOWN, STRAYS };

static const char *const stray_texts[STRAYS] = {
    [STRAY_TWICE] = "answered a question twice; the first answer counts",
    [STRAY_LEFT] = "answered after the peer had left",
    [STRAY_LATE] = "answered after its time was up",
    [STRAY_UNKNOWN] = "answered a question that it was not asked",
};

static struct {
    pthread_mutex_t mu;
    struct place *places; /* under mu, as all of this */
    uint32_t n;
    uint32_t cap;
    uint32_t free;              /* number + 1; 0: none */
    struct nj_mappers *retired; /* nobody holds them; to be freed on the main thread */
    struct visit *visits;
    uint64_t strays;
    struct {
        const char *plugin;
        bool logged[STRAYS];
    } seen[NJ_PLUGINS_MAX];
} table = { .mu = PTHREAD_MUTEX_INITIALIZER };

/* Under mu. */
static void release(struct nj_mappers *set)
{
    if (atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1) {
        set->next = table.retired;
        table.retired = set;
    }
}

void nj_mappers_unref(struct nj_mappers **setp)
{
    struct nj_mappers *set = *setp;
    if (set == NULL) {
        return;
    }
    *setp = NULL;
    nj_lock(&table.mu);
    release(set);
    nj_unlock(&table.mu);
}

static struct place *take_place(uint32_t *number_out)
{
    if (table.free != 0) {
        *number_out = table.free - 1;
        table.free = table.places[*number_out].next_free;
        return &table.places[*number_out];
    }
    if (table.n == PLACES_MOST) {
        return NULL;
    }
    if (table.n == table.cap) {
        table.cap = table.cap == 0 ? 64 : table.cap * 2;
        table.places = nj_realloc(table.places, table.cap * sizeof(struct place));
    }
    *number_out = table.n++;
    table.places[*number_out] = (struct place){ .gen = 1 };
    return &table.places[*number_out];
}

/* NULL: there is no such question, or no more. */
static struct place *find_place(uint64_t handle)
{
    uint32_t number = (uint32_t) (handle & (PLACES_MOST - 1));
    if (number >= table.n || table.places[number].gen != handle >> PLACE_BITS) {
        return NULL;
    }
    return table.places[number].q != NULL ? &table.places[number] : NULL;
}

static struct question *end_question(struct place *p, enum nj_mapper_end why)
{
    struct question *q = p->q;
    p->q = NULL;
    p->gen++;
    p->end = why;
    p->next_free = table.free;
    table.free = (uint32_t) (p - table.places) + 1;
    return q;
}

static enum stray cause_of(uint64_t handle)
{
    uint32_t number = (uint32_t) (handle & (PLACES_MOST - 1));
    uint64_t gen = handle >> PLACE_BITS;
    if (number >= table.n || gen == 0 || gen >= table.places[number].gen) {
        return STRAY_UNKNOWN;
    }
    if (gen + 1 < table.places[number].gen) {
        return STRAY_LATE; /* long ago: nobody remembers how it ended */
    }
    return table.places[number].end == NJ_MAPPER_ANSWERED    ? STRAY_TWICE
           : table.places[number].end == NJ_MAPPER_PEER_LEFT ? STRAY_LEFT
                                                             : STRAY_LATE;
}

/* Is this the first one of its kind from this plug-in? */
static bool is_news(const char *plugin, enum stray cause)
{
    size_t i = 0;
    while (i + 1 < NJ_PLUGINS_MAX && table.seen[i].plugin != NULL &&
           strcmp(table.seen[i].plugin, plugin) != 0) {
        i++;
    }
    bool news = table.seen[i].plugin == NULL || !table.seen[i].logged[cause];
    table.seen[i].plugin = plugin; /* static in the plug-in */
    table.seen[i].logged[cause] = true;
    return news;
}

/* ---- asking and answering --------------------------------------------------------------------- */

/* Under mu: the answer goes to whoever asked. */
static void deliver(struct place *p, struct nj_mapper_answer *answer)
{
    struct question *q = end_question(p, NJ_MAPPER_ANSWERED);
    answer->mapper = q->set->at[q->i].name;
    q->done(q->arg, answer);
    release(q->set);
    nj_dealloc(q);
}

/* Under mu.  NULL when nobody waits for an answer of this plug-in to this handle. */
static struct place *place_of_answer(const char *plugin, uint64_t handle)
{
    struct place *p = find_place(handle);
    return p != NULL && strcmp(p->q->set->at[p->q->i].name, plugin) == 0 ? p : NULL;
}

/* struct nj_authmap_host.answer, by whatever thread. */
static int take_answer(const char *plugin, uint64_t handle, const struct nj_authmap_answer *answer)
{
    struct nj_mapper_answer *copy = nj_mapper_answer_copy(answer);
    int rc = copy->faulty ? NJ_E_INVALID : NJ_OK;
    enum stray cause = STRAY_UNKNOWN;
    bool news = false;

    nj_lock(&table.mu);
    struct place *p = place_of_answer(plugin, handle);
    if (p != NULL) {
        deliver(p, copy);
        copy = NULL;
    } else {
        rc = NJ_E_NOT_FOUND;
        cause = find_place(handle) != NULL ? STRAY_UNKNOWN : cause_of(handle);
        news = is_news(plugin, cause);
        table.strays++;
    }
    nj_unlock(&table.mu);

    if (news) {
        nj_log_warn("auth mapper \"%s\" %s (said once)", plugin, stray_texts[cause]);
    }
    nj_mapper_answer_free(&copy);
    return rc;
}

static bool open_question(struct nj_mappers *set, size_t i, nj_mapper_done_fn done, void *arg,
                          uint64_t *handle_out)
{
    uint32_t number;
    struct question *q = nj_zalloc(sizeof(*q));
    *q = (struct question){ .i = i, .done = done, .arg = arg };
    nj_lock(&table.mu);
    struct place *p = take_place(&number);
    if (p != NULL) {
        q->set = nj_mappers_ref(set);
        p->q = q;
        *handle_out = p->gen << PLACE_BITS | number;
    }
    nj_unlock(&table.mu);
    if (p == NULL) {
        nj_dealloc(q);
    }
    return p != NULL;
}

/* The mapper did not answer and will not: it failed. */
static void fail_question(uint64_t handle, const struct nj_error *why)
{
    struct nj_mapper_answer *a =
        nj_mapper_answer_fault(why->text[0] != '\0' ? why->text : "it failed and gives no reason");
    nj_lock(&table.mu);
    struct place *p = find_place(handle);
    if (p != NULL) {
        deliver(p, a);
        a = NULL;
    }
    nj_unlock(&table.mu);
    nj_mapper_answer_free(&a); /* it had answered before it failed */
}

static void begin_visit(struct visit *v, const char *name)
{
    *v = (struct visit){ .name = name, .since_us = nj_mono_us() };
    nj_lock(&table.mu);
    v->next = table.visits;
    table.visits = v;
    nj_unlock(&table.mu);
}

static void end_visit(struct visit *v, struct mapper *m)
{
    int64_t now_us = nj_mono_us();
    nj_lock(&table.mu);
    struct visit **at = &table.visits;
    while (*at != v) {
        at = &(*at)->next;
    }
    *at = v->next;
    nj_unlock(&table.mu);

    int64_t took_us = now_us - v->since_us;
    int64_t last = atomic_load_explicit(&m->slow_at_us, memory_order_relaxed);
    if (took_us > NJ_AUTHMAP_SLOW_MS * INT64_C(1000) &&
        (last == 0 || now_us - last > SLOW_EVERY_US) &&
        atomic_compare_exchange_strong(&m->slow_at_us, &last, now_us)) {
        nj_log_warn("auth mapper \"%s\" kept a worker for %" PRId64
                    " ms inside decide(), with all its connections; it should answer later, from "
                    "a thread of its own",
                    m->name, took_us / 1000);
    }
}

void nj_mappers_ask(struct nj_mappers *set, size_t i, const struct nj_authmap_facts *facts,
                    nj_mapper_done_fn done, void *arg, uint64_t *handle_out)
{
    struct mapper *m = &set->at[i];
    struct nj_error why = NJ_ERROR_INIT;
    struct visit visit;
    *handle_out = 0;
    if (!open_question(set, i, done, arg, handle_out)) {
        struct nj_mapper_answer *a = nj_mapper_answer_fault("too many peers wait for an answer");
        a->mapper = m->name;
        done(arg, a);
        return;
    }
    uint64_t handle = *handle_out;
    /* Once it is answered the question holds no reference; decide() may still be inside. */
    struct nj_mappers *hold = nj_mappers_ref(set);
    begin_visit(&visit, m->name);
    int rc = m->table->decide(m->inst, facts, handle, &why);
    end_visit(&visit, m);
    if (rc < 0) {
        fail_question(handle, &why);
    }
    nj_mappers_unref(&hold);
}

bool nj_mappers_cancel(uint64_t handle, enum nj_mapper_end why)
{
    struct question *q = NULL;
    nj_lock(&table.mu);
    struct place *p = find_place(handle);
    if (p != NULL) {
        q = end_question(p, why);
    }
    nj_unlock(&table.mu);
    if (q == NULL) {
        return false;
    }
    const struct mapper *m = &q->set->at[q->i];
    if (NJ_AUTHMAP_HAS(m->table, cancel)) {
        m->table->cancel(m->inst, handle);
    }
    nj_mappers_unref(&q->set);
    nj_dealloc(q);
    return true;
}

uint64_t nj_mappers_strays(void)
{
    nj_lock(&table.mu);
    uint64_t n = table.strays;
    nj_unlock(&table.mu);
    return n;
}

/* ---- upkeep ----------------------------------------------------------------------------------- */

/* The first visit that takes too long and of which nothing was said yet: false when none. */
static bool find_stuck(char *name, size_t cap, int64_t *took_us_out)
{
    int64_t now_us = nj_mono_us();
    bool found = false;
    nj_lock(&table.mu);
    for (struct visit *v = table.visits; v != NULL && !found; v = v->next) {
        if (!v->logged && now_us - v->since_us > STUCK_US) {
            v->logged = true;
            found = true;
            (void) snprintf(name, cap, "%s", v->name);
            *took_us_out = now_us - v->since_us;
        }
    }
    nj_unlock(&table.mu);
    return found;
}

void nj_mappers_collect(void)
{
    char name[128];
    int64_t took_us = 0;
    nj_lock(&table.mu);
    struct nj_mappers *set = table.retired;
    table.retired = NULL;
    nj_unlock(&table.mu);
    while (set != NULL) {
        struct nj_mappers *next = set->next;
        free_set(set);
        set = next;
    }
    while (find_stuck(name, sizeof(name), &took_us)) {
        nj_log_warn("auth mapper \"%s\" has not come back from decide() for %" PRId64
                    " ms: a worker stands still with all its connections",
                    name, took_us / 1000);
    }
}
