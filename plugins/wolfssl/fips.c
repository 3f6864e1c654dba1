/*
 * fips.c: the FIPS module inside wolfSSL, where there is one: asked at start, watched afterwards.
 *
 * The library runs the module's integrity test when it is loaded and refuses all work once that or
 * another test has failed.  Here is the part that the application owes: the callback, the
 * conditional tests (CASTs) before the first use instead of in the middle of a handshake, and the
 * word about the state.  A failure is final: nothing but a new process makes the module well.
 */
#include "wolf.h"

#include <wolfssl/wolfcrypt/error-crypt.h>

#if NJ_WOLF_FIPS

#ifdef NJ_FIPS_MOCK
#define LABEL_FINE "fips-mock"
#define LABEL_FAILED "fips-mock, FAILED"
#else
#define LABEL_FINE "fips-build, status ok (certificate not asserted)"
#define LABEL_FAILED "fips-build, FAILED"
/* Not every release declares all of them. */
extern const char *wolfCrypt_GetVersion_fips(void);
extern int wc_RunAllCast_fips(void);
#endif

static atomic_int failure; /* the first one's number; 0: none */
static char version[96];   /* immutable after init */

static void note_failure(int code, const char *hash)
{
    int none = 0;
    char line[400];
    if (code == 0 || !atomic_compare_exchange_strong(&failure, &none, code)) {
        return; /* the first failure is the one that counts */
    }
    (void) snprintf(line, sizeof(line),
                    "the FIPS module has failed: %s (%d)%s%s; no TLS session is served any more, "
                    "restart the server",
                    nj_wolf_reason(code), code, hash != NULL ? ", in-core hash " : "",
                    hash != NULL ? hash : "");
    nj_wolf_host->log(NJ_LOG_ERROR, line);
}

/* Called by the module, on any thread, from inside the call in which a test failed. */
static void on_event(int ok, int code, const char *hash)
{
    if (ok == 0 || code != 0) {
        note_failure(code != 0 ? code : FIPS_NOT_ALLOWED_E, hash);
    }
}

void nj_wolf_fips_watch(void)
{
    (void) wolfCrypt_SetCb_fips(on_event);
}

static int refuse(struct nj_error *err, const char *what, int code)
{
    return nj_error_set_class(err, NJ_E_FAILED, NJ_CLASS_INTERNAL,
                              "the FIPS module of wolfSSL %s %s: %s (%d)", wolfSSL_lib_version(),
                              what, nj_wolf_reason(code), code);
}

int nj_wolf_fips_begin(struct nj_error *err)
{
    const char *module = wolfCrypt_GetVersion_fips();
    (void) snprintf(version, sizeof(version), "%s, module %s", wolfSSL_lib_version(),
                    module != NULL ? module : "unknown");
    int code = wolfCrypt_GetStatus_fips();
    if (code != 0) {
        note_failure(code, NULL);
        return refuse(err, "failed its power-on test", code);
    }
#if defined(NJ_FIPS_ALL_CASTS)
    int failed = wc_RunAllCast_fips();
    code = wolfCrypt_GetStatus_fips();
    if (failed != 0 || code != 0) {
        note_failure(code != 0 ? code : FIPS_NOT_ALLOWED_E, NULL);
        return refuse(err, "failed a conditional self-test", atomic_load(&failure));
    }
#endif
    return NJ_OK;
}

bool nj_wolf_fips_failed(void)
{
    return atomic_load_explicit(&failure, memory_order_relaxed) != 0;
}

bool nj_wolf_fips_ask(void)
{
    int code = wolfCrypt_GetStatus_fips();
    note_failure(code, NULL);
    return !nj_wolf_fips_failed();
}

const char *nj_wolf_fips_label(void)
{
    return nj_wolf_fips_ask() ? LABEL_FINE : LABEL_FAILED;
}

const char *nj_wolf_fips_version(void)
{
    return version[0] != '\0' ? version : wolfSSL_lib_version();
}

#endif
