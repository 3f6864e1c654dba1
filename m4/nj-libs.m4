# nj-libs.m4: libraries of the server.  What is missing is collected in nj_missing, so that one
# run of configure names everything there is to install.

# NJ_MISSING(WHAT, DEBIAN-PACKAGE)
AC_DEFUN([NJ_MISSING], [nj_missing="$nj_missing  $1 (Debian: $2)
"])

# NJ_NEED_PKG(PREFIX, MODULE, DEBIAN-PACKAGE)
AC_DEFUN([NJ_NEED_PKG], [
  PKG_CHECK_MODULES([$1], [$2], [], [NJ_MISSING([$2], [$3])])
])

# NJ_NEED_LTDL: libltdl has no pkg-config file.
AC_DEFUN([NJ_NEED_LTDL], [
  LTDL_LIBS=
  nj_have_ltdl=no
  AC_CHECK_HEADER([ltdl.h],
    [AC_CHECK_LIB([ltdl], [lt_dladvise_local], [nj_have_ltdl=yes; LTDL_LIBS=-lltdl])])
  AS_IF([test "$nj_have_ltdl" = no], [NJ_MISSING([libltdl], [libltdl-dev])])
  AC_SUBST([LTDL_LIBS])
])

# NJ_CHECK_STATIC: CHECK_STATIC_LIBS is CHECK_LIBS for a program that is installed.  Debian's check
# is a static library that wants a shared libsubunit: take that one's archive too where it is.
AC_DEFUN([NJ_CHECK_STATIC], [
  CHECK_STATIC_LIBS=`echo "$CHECK_LIBS" | $SED 's/-lsubunit/-l:libsubunit.a/'`
  AS_IF([test "$nj_have_check" = yes && test "$CHECK_STATIC_LIBS" != "$CHECK_LIBS"], [
    AC_MSG_CHECKING([whether a program can be linked with $CHECK_STATIC_LIBS])
    nj_save_LIBS=$LIBS
    LIBS="$CHECK_STATIC_LIBS $LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <check.h>]], [[srunner_free(srunner_create(0));]])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       CHECK_STATIC_LIBS=$CHECK_LIBS])
    LIBS=$nj_save_LIBS
  ])
  AC_SUBST([CHECK_STATIC_LIBS])
])
