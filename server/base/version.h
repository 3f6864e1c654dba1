/* version.h: who we are and whom we stand in for. */
#ifndef NJ_BASE_VERSION_H
#define NJ_BASE_VERSION_H

/* Natterjack's own version comes from configure (PACKAGE_VERSION) by way of the compiler's flags. */
#ifndef NJ_VERSION
#define NJ_VERSION "0.0.0-unconfigured"
#endif

/* The version of nats-server whose behaviour is followed; INFO `version` and `--version`. */
#define NJ_REFERENCE_VERSION "2.15.2"

#define NJ_PROGRAM "natterjack"
#define NJ_REFERENCE_PROGRAM "nats-server"

#if defined(__clang__)
#define NJ_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define NJ_COMPILER "gcc " __VERSION__
#else
#define NJ_COMPILER "unknown compiler"
#endif

#endif
