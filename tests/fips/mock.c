#include "tests/fips/mock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The numbers that wolfSSL has for them. */
#define INTEGRITY_FAILED (-203)
#define AES_TEST_FAILED (-204)

static _Atomic int status;
static wolfCrypt_fips_cb callback; /* set before other threads start */

static bool told(const char *what)
{
    const char *state = getenv("NJ_FIPS_MOCK");
    return state != NULL && strcmp(state, what) == 0;
}

static void fail(int code)
{
    int fine = 0;
    if (atomic_compare_exchange_strong(&status, &fine, code) && callback != NULL) {
        callback(0, code, "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF");
    }
}

int wolfCrypt_SetCb_fips(wolfCrypt_fips_cb cb)
{
    callback = cb;
    return 0;
}

int wolfCrypt_GetStatus_fips(void)
{
    const char *file = getenv("NJ_FIPS_MOCK_FAIL");
    if (told("status")) {
        fail(INTEGRITY_FAILED);
    }
    if (file != NULL && access(file, F_OK) == 0) {
        fail(INTEGRITY_FAILED);
    }
    return atomic_load(&status);
}

const char *wolfCrypt_GetVersion_fips(void)
{
    return "mock";
}

int wc_RunAllCast_fips(void)
{
    if (told("cast")) {
        fail(AES_TEST_FAILED);
        return 1;
    }
    return 0;
}
