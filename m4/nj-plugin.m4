# nj-plugin.m4: TLS providers.

# NJ_TLS_PLUGIN(NAME, PREFIX, FIND, DEBIAN-PACKAGE)
#
# --with-NAME[=PREFIX]: yes = must be there, no = not built, not given = built when found.
# FIND is a macro that sets nj_found to yes, or nj_found to no and nj_reason to a sentence; it
# sets PREFIX_CFLAGS and PREFIX_LIBS and may look at nj_prefix.  Sets the conditional
# BUILD_PREFIX and nj_with_NAME for the summary.
AC_DEFUN([NJ_TLS_PLUGIN], [
  AC_ARG_WITH([$1],
    [AS_HELP_STRING([--with-$1@<:@=PREFIX@:>@], [the TLS provider "$1" (auto)])],
    [], [with_$1=auto])
  nj_prefix=
  AS_CASE([$with_$1], [yes|no|auto], [], [nj_prefix=$with_$1])
  nj_with_$1=no
  AS_IF([test "$with_$1" != no], [
    nj_found=no
    nj_reason=
    $3
    AS_IF([test "$nj_found" = yes], [nj_with_$1=yes],
      [test "$with_$1" = auto],
      [AC_MSG_WARN([the TLS provider "$1" will not be built: $nj_reason (Debian: $4)])],
      [NJ_MISSING([the TLS provider "$1": $nj_reason], [$4])])
  ])
  AC_SUBST([$2_CFLAGS])
  AC_SUBST([$2_LIBS])
  AM_CONDITIONAL([BUILD_$2], [test "$nj_with_$1" = yes])
])

# NJ_PREFIX_LIBS(PREFIX, LIBRARY, HEADER): flags for a library below $nj_prefix; found at run time
# too.
AC_DEFUN([NJ_PREFIX_LIBS], [
  AS_IF([test -f "$nj_prefix/include/$3"], [nj_found=yes],
    [nj_reason="$nj_prefix/include/$3 does not exist"])
  $1_CFLAGS="-I$nj_prefix/include"
  $1_LIBS="-L$nj_prefix/lib -Wl,-rpath,$nj_prefix/lib -l$2"
])

AC_DEFUN([NJ_FIND_GNUTLS], [
  AS_IF([test -n "$nj_prefix"], [
    NJ_PREFIX_LIBS([GNUTLS], [gnutls], [gnutls/gnutls.h])
  ], [
    PKG_CHECK_MODULES([GNUTLS], [gnutls >= 3.7], [nj_found=yes],
      [nj_reason="gnutls 3.7 or newer was not found"])
  ])
])

AC_DEFUN([NJ_FIND_WOLFSSL], [
  AS_IF([test -n "$nj_prefix"], [
    NJ_PREFIX_LIBS([WOLFSSL], [wolfssl], [wolfssl/options.h])
  ], [
    PKG_CHECK_MODULES([WOLFSSL], [wolfssl >= 5.5], [nj_found=yes],
      [nj_reason="wolfssl 5.5 or newer was not found"])
  ])
  AS_IF([test "$nj_found" = yes], [NJ_WOLFSSL_SUITS])
])

# The server judges every chain, good ones too.  A wolfSSL built without one of these options asks
# its callback only when its own check has failed, and our policy would be skipped in silence.
AC_DEFUN([NJ_WOLFSSL_SUITS], [
  nj_save_CPPFLAGS=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS $WOLFSSL_CFLAGS"
  AC_MSG_CHECKING([whether wolfssl/options.h can be read])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <wolfssl/options.h>]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     nj_found=no
     nj_reason="wolfssl/options.h was not found"])
  AS_IF([test "$nj_found" = yes], [
    AC_MSG_CHECKING([whether wolfSSL asks about certificates that it accepts])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
      #include <wolfssl/options.h>
      #if !defined(WOLFSSL_ALWAYS_VERIFY_CB) && !defined(OPENSSL_EXTRA) && !defined(OPENSSL_ALL)
      #error no
      #endif]])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       nj_found=no
       nj_reason="this wolfSSL calls its verify callback for failures only, so the server could not judge certificates that it accepts; build it with --enable-opensslextra or -DWOLFSSL_ALWAYS_VERIFY_CB"])
  ])
  CPPFLAGS=$nj_save_CPPFLAGS
])
