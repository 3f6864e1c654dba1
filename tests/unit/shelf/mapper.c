/*
 * mapper.c: an auth mapper that does what its options say, faults included.
 *
 * The tests copy it to nj_authmap_NAME.so.  Some names are faults of the table (spoil_table); any
 * other is a sound mapper that answers with `answer` and its companions after `delay_ms`:
 *
 *     { answer: allow, user: anna }             a user of the configuration
 *     { answer: own, user: $user, account: A }  one of its own; "$user" is CONNECT's, "$nkey" the nkey
 *                                               when it is proven
 *     { answer: deny, reason: "because" }       { answer: defer }
 *     { fault: blocks, block_ms: 500 }
 *     { fault: never | twice | late | blocks | rubbish | cut | foreign | fails | mute }
 *     { check: "text" }                         is refused at `check` itself; { check: "" } mutely
 *     { new: "text" }                           instance_new fails
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "natterjack/authmap.h"

#define BLOCK_MS 120

struct nj_authmap_instance {
    char answer[16];
    char fault[16];
    char user[64];
    char account[64];
    char reason[64];
    char publish[64];
    int64_t delay_ms;
    int64_t block_ms;
    int64_t expires_in_s;
    int expired;
    pthread_mutex_t mu;
    pthread_cond_t idle;
    int threads; /* under mu */
};

/* A question that a thread answers. */
struct job {
    struct nj_authmap_instance *inst;
    uint64_t handle;
    char user[64];
};

static const struct nj_authmap_host *host;

/* ---- options ---------------------------------------------------------------------------------- */

static const char *text_of(const struct nj_authmap_value *options, const char *key)
{
    const struct nj_authmap_value *v = nj_authmap_get(options, key);
    return v != NULL && v->type == NJ_VALUE_STRING ? v->text : NULL;
}

static int64_t number_of(const struct nj_authmap_value *options, const char *key)
{
    const struct nj_authmap_value *v = nj_authmap_get(options, key);
    return v != NULL && v->type == NJ_VALUE_INT ? v->integer : 0;
}

static void copy(char *to, size_t cap, const char *from)
{
    (void) snprintf(to, cap, "%s", from != NULL ? from : "");
}

static int check(const struct nj_authmap_value *options, const struct nj_authmap_report *report)
{
    const char *wrong = text_of(options, "check");
    if (wrong == NULL) {
        return NJ_OK;
    }
    if (wrong[0] != '\0') {
        report->error(report, nj_authmap_get(options, "check"), wrong);
    }
    return NJ_E_INVALID;
}

static int instance_new(const struct nj_authmap_value *options, struct nj_authmap_instance **out,
                        struct nj_error *err)
{
    if (text_of(options, "new") != NULL) {
        return nj_error_set(err, NJ_E_FAILED, "%s", text_of(options, "new"));
    }
    struct nj_authmap_instance *in = host->base->alloc(sizeof(*in));
    copy(in->answer, sizeof(in->answer), text_of(options, "answer"));
    copy(in->fault, sizeof(in->fault), text_of(options, "fault"));
    copy(in->user, sizeof(in->user), text_of(options, "user"));
    copy(in->account, sizeof(in->account), text_of(options, "account"));
    copy(in->reason, sizeof(in->reason), text_of(options, "reason"));
    copy(in->publish, sizeof(in->publish), text_of(options, "publish"));
    in->delay_ms = number_of(options, "delay_ms");
    in->block_ms = number_of(options, "block_ms");
    in->expires_in_s = number_of(options, "expires_in_s");
    in->expired = text_of(options, "say") != NULL;
    (void) pthread_mutex_init(&in->mu, NULL);
    (void) pthread_cond_init(&in->idle, NULL);
    host->base->log(NJ_LOG_INFO, "instance made");
    *out = in;
    return NJ_OK;
}

static void instance_free(struct nj_authmap_instance *in)
{
    (void) pthread_mutex_lock(&in->mu);
    while (in->threads > 0) {
        (void) pthread_cond_wait(&in->idle, &in->mu);
    }
    (void) pthread_mutex_unlock(&in->mu);
    (void) pthread_cond_destroy(&in->idle);
    (void) pthread_mutex_destroy(&in->mu);
    host->base->dealloc(in);
    host->base->log(NJ_LOG_INFO, "instance freed");
}

/* ---- answers ---------------------------------------------------------------------------------- */

static int is(const char *have, const char *want)
{
    return strcmp(have, want) == 0;
}

static void answer(const struct nj_authmap_instance *in, uint64_t handle, const char *user)
{
    const char *const subjects[] = { in->publish };
    static const char *const tags[] = { "shelf", "test" };
    struct nj_authmap_permissions perms = { .size = sizeof(perms),
                                            .publish_allow = subjects,
                                            .publish_allow_n = 1 };
    struct nj_authmap_answer a = { .size = sizeof(a),
                                   .verdict = NJ_AUTHMAP_DEFER,
                                   .reason = in->reason[0] != '\0' ? in->reason : NULL,
                                   .say = in->expired ? NJ_AUTHMAP_SAY_EXPIRED
                                                      : NJ_AUTHMAP_SAY_VIOLATION };
    a.user = in->user[0] == '$' ? user : in->user;
    a.expires_s = in->expires_in_s != 0 ? host->base->now_s() + in->expires_in_s : 0;
    if (is(in->answer, "allow")) {
        a.verdict = NJ_AUTHMAP_ALLOW_CONFIGURED;
    } else if (is(in->answer, "own")) {
        a.verdict = NJ_AUTHMAP_ALLOW_OWN;
        a.account = in->account[0] != '\0' ? in->account : NULL;
        a.permissions = in->publish[0] != '\0' ? &perms : NULL;
        a.tags = tags;
        a.tags_n = 2;
    } else if (is(in->answer, "deny")) {
        a.verdict = NJ_AUTHMAP_DENY;
    }
    if (is(in->fault, "rubbish")) {
        a.verdict = 99;
    } else if (is(in->fault, "cut")) {
        a.size = offsetof(struct nj_authmap_answer, user);
    }
    (void) host->answer(handle, &a);
    if (is(in->fault, "twice")) {
        (void) host->answer(handle, &a);
    }
}

static void rest(int64_t ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    (void) nanosleep(&t, NULL);
}

static void thread_ends(struct nj_authmap_instance *in)
{
    (void) pthread_mutex_lock(&in->mu);
    in->threads--;
    (void) pthread_cond_signal(&in->idle);
    (void) pthread_mutex_unlock(&in->mu);
}

static void *answer_later(void *arg)
{
    struct job *j = arg;
    struct nj_authmap_instance *in = j->inst;
    rest(in->delay_ms);
    answer(in, j->handle, j->user);
    host->base->dealloc(j);
    thread_ends(in);
    return NULL;
}

static void start_thread(struct nj_authmap_instance *in, uint64_t handle, const char *user)
{
    pthread_t t;
    struct job *j = host->base->alloc(sizeof(*j));
    j->inst = in;
    j->handle = handle;
    copy(j->user, sizeof(j->user), user);
    (void) pthread_mutex_lock(&in->mu);
    in->threads++;
    (void) pthread_mutex_unlock(&in->mu);
    if (pthread_create(&t, NULL, answer_later, j) == 0) {
        (void) pthread_detach(t);
    } else {
        host->base->dealloc(j);
        thread_ends(in);
    }
}

static const char *proven_nkey(const struct nj_authmap_facts *facts)
{
    return facts->nkey_proven ? facts->nkey : "unproven";
}

static int decide(struct nj_authmap_instance *in, const struct nj_authmap_facts *facts,
                  uint64_t handle, struct nj_error *err)
{
    if (is(in->fault, "fails")) {
        return nj_error_set(err, NJ_E_IO, "the directory is on fire");
    }
    if (is(in->fault, "mute")) {
        return NJ_E_FAILED;
    }
    if (is(in->fault, "never") || is(in->fault, "late")) {
        return NJ_OK;
    }
    if (is(in->fault, "blocks")) {
        rest(in->block_ms > 0 ? in->block_ms : BLOCK_MS);
    }
    if (is(in->fault, "foreign")) {
        struct nj_authmap_answer a = { .size = sizeof(a),
                                       .verdict = NJ_AUTHMAP_ALLOW_OWN,
                                       .user = "root" };
        (void) host->answer(handle + 1000003, &a);
        (void) host->answer(0, &a);
    }
    const char *who = is(in->user, "$nkey") ? proven_nkey(facts) : facts->user;
    if (in->delay_ms > 0) {
        start_thread(in, handle, who);
    } else {
        answer(in, handle, who);
    }
    return NJ_OK;
}

static void cancel(struct nj_authmap_instance *in, uint64_t handle)
{
    host->base->log(NJ_LOG_INFO, "cancelled");
    if (is(in->fault, "late")) {
        answer(in, handle, NULL);
    }
}

/* ---- the table -------------------------------------------------------------------------------- */

static int init(const struct nj_authmap_host *h, struct nj_error *err)
{
    (void) err;
    host = h;
    host->base->log(NJ_LOG_INFO, "hello");
    return NJ_OK;
}

static int init_fails(const struct nj_authmap_host *h, struct nj_error *err)
{
    (void) h;
    return nj_error_set(err, NJ_E_FAILED, "self-test 7 failed");
}

static void fini(void)
{
    host->base->log(NJ_LOG_WARN, "bye");
}

static struct nj_authmap mapper = {
    .size = sizeof(mapper),
    .about = "does as it is told",
    .init = init,
    .fini = fini,
    .check = check,
    .instance_new = instance_new,
    .instance_free = instance_free,
    .decide = decide,
    .cancel = cancel,
};

static char name[64];

static struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_AUTHMAP,
    .name = name,
    .version = "0.0.2",
    .iface = &mapper,
};

/* "/dir/nj_authmap_NAME.so" */
static void read_own_name(void)
{
    static const char prefix[] = "/nj_authmap_";
    Dl_info file;

    if (dladdr(&plugin, &file) != 0) {
        const char *at = strstr(file.dli_fname, prefix);
        if (at != NULL) {
            copy(name, sizeof(name), at + strlen(prefix));
            name[strcspn(name, ".")] = '\0';
        }
    }
}

static void spoil_table(void)
{
    if (is(name, "table")) {
        mapper.size = offsetof(struct nj_authmap, decide);
    } else if (is(name, "huge-table")) {
        mapper.size = UINT32_MAX;
    } else if (is(name, "slot")) {
        mapper.check = NULL;
    } else if (is(name, "last-slot")) {
        mapper.decide = NULL;
    } else if (is(name, "init")) {
        mapper.init = init_fails;
    } else if (is(name, "kind")) {
        plugin.kind = NJ_PLUGIN_TLS;
    } else if (is(name, "no-cancel")) {
        mapper.cancel = NULL;
    } else if (is(name, "old")) {
        mapper.size = offsetof(struct nj_authmap, cancel);
    }
}

const struct nj_plugin *nj_plugin_v1(void)
{
    read_own_name();
    spoil_table();
    return &plugin;
}
