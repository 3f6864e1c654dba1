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
