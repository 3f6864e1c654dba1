# nj-flags.m4: compiler and linker flags.  They go to NJ_*, so that CFLAGS and LDFLAGS stay the
# builder's.

# NJ_TRY_CFLAGS(VARIABLE, FLAGS): add each of FLAGS that the compiler knows.
AC_DEFUN([NJ_TRY_CFLAGS], [
  for nj_flag in $2; do
    AC_MSG_CHECKING([whether $CC takes $nj_flag])
    nj_save_CFLAGS=$CFLAGS
    dnl -Werror: Clang only warns about flags it does not know.
    CFLAGS="$CFLAGS -Werror $nj_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
      [$1="$$1 $nj_flag"; AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])])
    CFLAGS=$nj_save_CFLAGS
  done
])

# NJ_TRY_LDFLAGS(VARIABLE, FLAGS): add each of FLAGS that a program can be linked with.
AC_DEFUN([NJ_TRY_LDFLAGS], [
  for nj_flag in $2; do
    AC_MSG_CHECKING([whether $CC links with $nj_flag])
    nj_save_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS $nj_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()],
      [$1="$$1 $nj_flag"; AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])])
    LDFLAGS=$nj_save_LDFLAGS
  done
])

AC_DEFUN([NJ_COMPILER_FLAGS], [
  NJ_WARN_CFLAGS=
  NJ_HARDEN_CFLAGS=
  NJ_HARDEN_CPPFLAGS=
  NJ_HARDEN_LDFLAGS=
  NJ_SAN_CFLAGS=

  NJ_TRY_CFLAGS([NJ_WARN_CFLAGS], [-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion \
    -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
    -Wundef -Wformat=2 -Wvla -Wimplicit-fallthrough])

  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [warnings are errors (continuous integration)])],
    [], [enable_werror=no])
  AS_IF([test "$enable_werror" = yes], [NJ_WARN_CFLAGS="$NJ_WARN_CFLAGS -Werror"])

  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
      [build with sanitizers: "address,undefined" (default) or "thread"])],
    [], [enable_sanitizers=no])
  AC_ARG_ENABLE([fuzzers],
    [AS_HELP_STRING([--enable-fuzzers],
      [build the fuzz targets and watch everything for them (Clang only)])],
    [], [enable_fuzzers=no])
  AM_CONDITIONAL([FUZZERS], [test "$enable_fuzzers" != no])
  dnl A fuzzer without the sanitizers overlooks most of what it meets.
  AS_IF([test "$enable_fuzzers$enable_sanitizers" = yesno], [enable_sanitizers=yes])
  nj_sanitizers=no
  AS_CASE([$enable_sanitizers],
    [no], [],
    [yes], [nj_sanitizers=address,undefined],
    [nj_sanitizers=$enable_sanitizers])
  AS_IF([test "$nj_sanitizers" != no], [
    NJ_SAN_CFLAGS="-fsanitize=$nj_sanitizers -fno-omit-frame-pointer -DNJ_DEBUG"
    AS_CASE([,$nj_sanitizers,],
      [*,undefined,*], [NJ_SAN_CFLAGS="$NJ_SAN_CFLAGS -fno-sanitize-recover=undefined"])
    AC_MSG_CHECKING([whether $CC links with $NJ_SAN_CFLAGS])
    nj_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $NJ_SAN_CFLAGS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([$CC has no run-time library for these sanitizers (Debian: libclang-rt-14-dev for clang, libgcc-12-dev for gcc)])])
    CFLAGS=$nj_save_CFLAGS
  ])
  AS_IF([test "$enable_fuzzers" != no], [
    AC_MSG_CHECKING([whether $CC has a fuzzer])
    nj_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $NJ_SAN_CFLAGS -fsanitize=fuzzer"
    AC_LINK_IFELSE(
      [AC_LANG_SOURCE([[int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n);
        int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n)
        { (void) p; (void) n; return 0; }]])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([--enable-fuzzers needs Clang with libFuzzer: run configure with CC=clang (Debian: clang, libclang-rt-14-dev)])])
    CFLAGS=$nj_save_CFLAGS
    NJ_SAN_CFLAGS="$NJ_SAN_CFLAGS -fsanitize=fuzzer-no-link"
  ])

  NJ_TRY_CFLAGS([NJ_HARDEN_CFLAGS], [-fstack-protector-strong -fvisibility=hidden])
  NJ_TRY_LDFLAGS([NJ_HARDEN_LDFLAGS], [-Wl,-z,relro -Wl,-z,now])

  dnl What libtool compiles is position independent already; the program itself is not.
  NJ_PIE_CFLAGS=
  NJ_PIE_LDFLAGS=
  NJ_TRY_CFLAGS([NJ_PIE_CFLAGS], [-fPIE])
  NJ_TRY_LDFLAGS([NJ_PIE_LDFLAGS], [-pie])

  dnl The server is optimised as a whole; its objects stay usable for programs that are linked
  dnl without (-fno-lto: tests, which would take long).  GCC only: Clang's objects are not both.
  AC_ARG_ENABLE([lto],
    [AS_HELP_STRING([--disable-lto], [do not optimise the server across its source files])],
    [], [enable_lto=auto])
  NJ_LTO_CFLAGS=
  NJ_LTO_LDFLAGS=
  NJ_NO_LTO_LDFLAGS=
  nj_lto=no
  AS_IF([test "$enable_lto" != no && test "$GCC" = yes && test "$nj_sanitizers" = no], [
    AC_MSG_CHECKING([whether $CC optimises across files])
    nj_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror -flto=auto -ffat-lto-objects"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
      #if defined(__clang__) || !defined(__OPTIMIZE__)
      #error no
      #endif]])],
      [nj_lto=yes
       NJ_LTO_CFLAGS="-flto=auto -ffat-lto-objects"
       NJ_LTO_LDFLAGS=-flto=auto
       NJ_NO_LTO_LDFLAGS=-fno-lto])
    CFLAGS=$nj_save_CFLAGS
    AC_MSG_RESULT([$nj_lto])
  ])

  dnl _FORTIFY_SOURCE does nothing without optimisation and hides errors from sanitizers.
  AC_MSG_CHECKING([whether to fortify])
  nj_fortify=no
  AS_IF([test "$nj_sanitizers" = no], [
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
      #if !defined(__OPTIMIZE__) || defined(_FORTIFY_SOURCE)
      #error no
      #endif]])],
      [nj_fortify=yes
       NJ_HARDEN_CPPFLAGS="-D_FORTIFY_SOURCE=2"])])
  AC_MSG_RESULT([$nj_fortify])

  dnl A plug-in must find all it needs in its own libraries.  Clang leaves the sanitizers'
  dnl symbols for the program to bring.
  nj_z_defs="-Wl,-z,defs"
  AS_IF([test "$nj_sanitizers" != no && $CC --version 2>/dev/null | grep clang >/dev/null],
    [nj_z_defs=])
  NJ_PLUGIN_LDFLAGS="$nj_z_defs -Wl,-z,now"

  AC_SUBST([NJ_WARN_CFLAGS])
  AC_SUBST([NJ_HARDEN_CFLAGS])
  AC_SUBST([NJ_HARDEN_CPPFLAGS])
  AC_SUBST([NJ_HARDEN_LDFLAGS])
  AC_SUBST([NJ_PIE_CFLAGS])
  AC_SUBST([NJ_PIE_LDFLAGS])
  AC_SUBST([NJ_SAN_CFLAGS])
  AC_SUBST([NJ_LTO_CFLAGS])
  AC_SUBST([NJ_LTO_LDFLAGS])
  AC_SUBST([NJ_NO_LTO_LDFLAGS])
  AC_SUBST([NJ_PLUGIN_LDFLAGS])
])
