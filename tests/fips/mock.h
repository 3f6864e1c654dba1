/*
 * mock.h: a stand-in for the calls of wolfSSL's FIPS module, for tests.
 *
 * An ordinary wolfSSL has no module, and a module cannot be had for a test.  A build configured
 * with --enable-fips=mock takes these calls in place of the module's, so that everything around
 * them can be tried: refusals, labels, and what happens when a module fails.  It protects nothing
 * and says "fips-mock" wherever it shows; a server that was not configured so refuses it.
 *
 * What it does is told by the environment:
 *   NJ_FIPS_MOCK=ok        all is well (also without the variable)
 *   NJ_FIPS_MOCK=status    the module failed its power-on test
 *   NJ_FIPS_MOCK=cast      a conditional self-test (CAST) fails
 *   NJ_FIPS_MOCK_FAIL=FILE the module fails once FILE exists, seen at the next look at its status
 */
#ifndef NJ_TESTS_FIPS_MOCK_H
#define NJ_TESTS_FIPS_MOCK_H

typedef void (*wolfCrypt_fips_cb)(int ok, int err, const char *hash);

int wolfCrypt_SetCb_fips(wolfCrypt_fips_cb cb);
int wolfCrypt_GetStatus_fips(void);
const char *wolfCrypt_GetVersion_fips(void);
int wc_RunAllCast_fips(void);

#endif
