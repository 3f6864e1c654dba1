#include "plugin/host.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"

static const char *names[NJ_PLUGINS_MAX]; /* immutable after start */

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

/* The border has no "who am I" for log(), so each place has a function of its own. */
#define LOG_FN(slot)                                                                               \
    static void log_##slot(uint32_t level, const char *text)                                       \
    {                                                                                              \
        log_as(slot, level, text);                                                                 \
    }

LOG_FN(0)
LOG_FN(1)
LOG_FN(2)
LOG_FN(3)
LOG_FN(4)
LOG_FN(5)
LOG_FN(6)
LOG_FN(7)

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
    {                                                                                              \
        .size = sizeof(struct nj_host), .abi_major = NJ_ABI_MAJOR, .abi_minor = NJ_ABI_MINOR,      \
        .server_version = NJ_VERSION, .log = log_##slot, .alloc = nj_zalloc, .resize = resize,     \
        .dealloc = nj_dealloc, .wipe = nj_wipe, .now_s = now_s                                     \
    }

static const struct nj_host hosts[NJ_PLUGINS_MAX] = {
    HOST(0), HOST(1), HOST(2), HOST(3), HOST(4), HOST(5), HOST(6), HOST(7),
};

const struct nj_host *nj_host_table(size_t slot, const char *name)
{
    assert(slot < NJ_PLUGINS_MAX);
    names[slot] = name;
    return &hosts[slot];
}
