#include "plugin/host.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"

static const char *names[NJ_PLUGINS_MAX];  /* immutable after start */
static _Atomic(nj_host_answer_fn) answers; /* atomic: mappers have threads of their own */

static void log_as(size_t slot, uint32_t level, const char *text)
{
    static const enum nj_log_level levels[] = {
        [NJ_LOG_TRACE] = NJ_LVL_TRC, [NJ_LOG_DEBUG] = NJ_LVL_DBG, [NJ_LOG_INFO] = NJ_LVL_INF,
        [NJ_LOG_WARN] = NJ_LVL_WRN,  [NJ_LOG_ERROR] = NJ_LVL_ERR,
    };

    enum nj_log_level to = level <= NJ_LOG_ERROR ? levels[level] : NJ_LVL_ERR;
    if (nj_log_on(to)) {
        nj_log(to, "%s: %s", names[slot], text);
    }
}

static int answer_as(size_t slot, uint64_t handle, const struct nj_authmap_answer *answer)
{
    nj_host_answer_fn fn = atomic_load_explicit(&answers, memory_order_acquire);
    return fn != NULL ? fn(names[slot], handle, answer) : NJ_E_NOT_FOUND;
}

/* The border has no "who am I" for log() and answer(), so each place has functions of its own. */
#define OWN_FNS(slot)                                                                              \
    static void log_##slot(uint32_t level, const char *text)                                       \
    {                                                                                              \
        log_as(slot, level, text);                                                                 \
    }                                                                                              \
    static int answer_##slot(uint64_t handle, const struct nj_authmap_answer *answer)              \
    {                                                                                              \
        return answer_as(slot, handle, answer);                                                    \
    }

#define EACH_SLOT(what)                                                                            \
    what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10)       \
        what(11) what(12) what(13) what(14) what(15)

EACH_SLOT(OWN_FNS)

/* New bytes are zero, as with alloc(); the old block is wiped, since it may have held a key. */
static void *resize(void *ptr, size_t old_len, size_t new_len)
{
    char *bigger = nj_zalloc(new_len);
    if (ptr != NULL) {
        memcpy(bigger, ptr, old_len < new_len ? old_len : new_len);
        nj_wipe(ptr, old_len);
        nj_dealloc(ptr);
    }
    return bigger;
}

static int64_t now_s(void)
{
    return nj_wall_ns() / INT64_C(1000000000);
}

#define HOST(slot)                                                                                 \
    { .size = sizeof(struct nj_host),                                                              \
      .abi_major = NJ_ABI_MAJOR,                                                                   \
      .abi_minor = NJ_ABI_MINOR,                                                                   \
      .server_version = NJ_VERSION,                                                                \
      .log = log_##slot,                                                                           \
      .alloc = nj_zalloc,                                                                          \
      .resize = resize,                                                                            \
      .dealloc = nj_dealloc,                                                                       \
      .wipe = nj_wipe,                                                                             \
      .now_s = now_s },

static const struct nj_host hosts[NJ_PLUGINS_MAX] = { EACH_SLOT(HOST) };

#define AUTHMAP_HOST(slot)                                                                         \
    { .size = sizeof(struct nj_authmap_host), .base = &hosts[slot], .answer = answer_##slot },

static const struct nj_authmap_host authmap_hosts[NJ_PLUGINS_MAX] = { EACH_SLOT(AUTHMAP_HOST) };

const struct nj_host *nj_host_table(size_t slot, const char *name)
{
    assert(slot < NJ_PLUGINS_MAX);
    names[slot] = name;
    return &hosts[slot];
}

const struct nj_authmap_host *nj_host_authmap_table(size_t slot, const char *name)
{
    (void) nj_host_table(slot, name);
    return &authmap_hosts[slot];
}

void nj_host_take_answers(nj_host_answer_fn fn)
{
    atomic_store_explicit(&answers, fn, memory_order_release);
}
