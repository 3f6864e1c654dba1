# nj-fips.m4: builds for a FIPS module.

# NJ_FIPS_OPTION: --enable-fips, before anything is looked for.  Sets nj_fips to no, yes or mock,
# and leaves wolfSSL as the only provider.  "mock" is for our own tests and not in the help.
AC_DEFUN([NJ_FIPS_OPTION], [
  AC_ARG_ENABLE([fips],
    [AS_HELP_STRING([--enable-fips],
      [run on the FIPS module of a wolfSSL that has one, and refuse everything else])],
    [], [enable_fips=no])
  AS_CASE([$enable_fips],
    [no|yes|mock], [nj_fips=$enable_fips],
    [AC_MSG_ERROR([--enable-fips takes no value])])
  nj_fips_summary=$nj_fips
  AS_IF([test "$nj_fips" != no], [
    AS_CASE([${with_gnutls-no}], [no], [],
      [AC_MSG_ERROR([a FIPS build has the provider "wolfssl" only: take back --with-gnutls or --enable-fips])])
    AS_IF([test "${with_wolfssl-yes}" = no],
      [AC_MSG_ERROR([a FIPS build needs the provider "wolfssl": take back --without-wolfssl or --enable-fips])])
    with_gnutls=no
    with_wolfssl=${with_wolfssl-yes}
  ])
  AM_CONDITIONAL([FIPS_BUILD], [test "$nj_fips" != no])
  AM_CONDITIONAL([FIPS_MOCK], [test "$nj_fips" = mock])
])

# NJ_FIPS_LACKS(WHAT): say how to get a module, and end.
AC_DEFUN([NJ_FIPS_LACKS], [
  AC_MSG_ERROR([--enable-fips: the wolfSSL that was found has no FIPS module ($1).
  The packages of distributions and the ordinary source archives of wolfSSL do not contain it.
  It comes with a FIPS bundle from wolfSSL Inc.: a commercial one, whose certificate and security
  policy say on which systems it counts, or "FIPS Ready", the same code without a certificate.
  Build and install the bundle below a directory of its own, as its own guide says, with
  --enable-opensslextra besides; then run
      configure --enable-fips --with-wolfssl=DIRECTORY
  docs/fips.md goes through it step by step.])
])

# NJ_FIPS_CALL(FUNCTION, TYPE, ARGUMENTS, IF-THERE, IF-NOT): by name, since not every release
# declares all of them.
AC_DEFUN([NJ_FIPS_CALL], [
  AC_MSG_CHECKING([whether wolfSSL has $1])
  dnl The address is kept: a compiler knows that it is not NULL and would look no further.
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[extern $2 $1($3); void *volatile it;]], [[it = (void *) $1;]])],
    [AC_MSG_RESULT([yes])
     $4],
    [AC_MSG_RESULT([no])
     $5])
])

AC_DEFUN([NJ_FIPS_REAL], [
  nj_save_CPPFLAGS=$CPPFLAGS
  nj_save_LIBS=$LIBS
  CPPFLAGS="$CPPFLAGS $WOLFSSL_CFLAGS"
  LIBS="$WOLFSSL_LIBS $LIBS"
  AC_MSG_CHECKING([whether wolfSSL was built with HAVE_FIPS])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
    #include <wolfssl/options.h>
    #ifndef HAVE_FIPS
    #error no
    #endif]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     NJ_FIPS_LACKS([its wolfssl/options.h does not define HAVE_FIPS])])
  dnl In TLS 1.2 the library takes the first group of the client that it has at all.
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
    #include <wolfssl/options.h>
    #ifndef HAVE_CURVE25519
    #error no
    #endif]])],
    [AC_MSG_WARN([this wolfSSL has X25519, which is not approved: TLS 1.2 clients that offer it first will be refused.  Build it with --disable-curve25519])])
  NJ_FIPS_CALL([wolfCrypt_GetStatus_fips], [int], [void], [],
    [NJ_FIPS_LACKS([it has no wolfCrypt_GetStatus_fips])])
  NJ_FIPS_CALL([wolfCrypt_SetCb_fips], [int], [void *], [],
    [NJ_FIPS_LACKS([it has no wolfCrypt_SetCb_fips])])
  NJ_FIPS_CALL([wolfCrypt_GetVersion_fips], [const char *], [void], [],
    [NJ_FIPS_LACKS([it has no wolfCrypt_GetVersion_fips])])
  dnl Modules of FIPS 140-2 run all their tests at once when they are loaded.
  NJ_FIPS_CALL([wc_RunAllCast_fips], [int], [void],
    [NJ_FIPS_CPPFLAGS="$NJ_FIPS_CPPFLAGS -DNJ_FIPS_ALL_CASTS"])
  CPPFLAGS=$nj_save_CPPFLAGS
  LIBS=$nj_save_LIBS
])

# NJ_FIPS_MODULE: after wolfSSL was found.
AC_DEFUN([NJ_FIPS_MODULE], [
  NJ_FIPS_CPPFLAGS=
  AS_CASE([$nj_fips],
    [yes], [
      NJ_FIPS_CPPFLAGS=-DNJ_FIPS_BUILD
      AS_IF([test "$nj_with_wolfssl" = no], [NJ_FIPS_LACKS([${nj_reason:-none was found}])])
      NJ_FIPS_REAL],
    [mock], [
      NJ_FIPS_CPPFLAGS="-DNJ_FIPS_BUILD -DNJ_FIPS_MOCK -DNJ_FIPS_ALL_CASTS"
      AC_MSG_WARN([--enable-fips=mock: a stand-in takes the place of the FIPS module; good for tests alone])])
  AC_SUBST([NJ_FIPS_CPPFLAGS])
])
