#!/usr/bin/env bash
# configure.sh WORKDIR: what `configure --enable-fips` wants of a wolfSSL, and that the provider's
# code for a real module compiles and links.  The system's wolfSSL stands in for all but the module's
# own calls; what is built here is thrown away and never run.
set -euo pipefail
umask 022

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$1
rm -rf "$work"
mkdir -p "$work/run"
cd "$work"
failed=0

result() {
    if [ "$1" = 0 ]; then
        echo "ok      $2"
    else
        failed=1
        echo "NOT OK  $2"
        tail -n 20 "$work/run/out" | sed 's/^/        /'
    fi
}

# configured ARGUMENT...: output to run/out, exit status back.
configured() {
    (cd "$work/run" && "$top/configure" -q --cache-file="$work/cache" --enable-fips "$@") >"$work/run/out" 2>&1
}

# refused NAME WORDS ARGUMENT...
refused() {
    local name=$1 words=$2 rc=0
    shift 2
    ! configured "$@" && grep -qF -- "$words" "$work/run/out" || rc=1
    result $rc "$name"
}

# module FUNCTION...: a wolfSSL that has these calls of a module beside its own.
module() {
    local f dir=$work/wolfssl
    rm -rf "$dir"
    mkdir -p "$dir/include/wolfssl/wolfcrypt" "$dir/lib"
    cat >"$dir/include/wolfssl/options.h" <<END
#include_next <wolfssl/options.h>
#define HAVE_FIPS
#define HAVE_FIPS_VERSION 5
#define HAVE_FIPS_VERSION_MINOR 2
END
    cat >"$dir/include/wolfssl/wolfcrypt/fips.h" <<END
#define WC_KEYTYPE_ALL 1
extern int wolfCrypt_SetPrivateKeyReadEnable_fips(int enable, int type);
END
    for f in wolfCrypt_SetPrivateKeyReadEnable_fips "$@"; do
        case $f in
        *Version*) echo "const char *$f(void) { return \"none\"; }" ;;
        *) echo "int $f(void) { return 0; }" ;;
        esac
    done >"$dir/calls.c"
    ${CC:-cc} -shared -fPIC -o "$dir/lib/libcalls.so" "$dir/calls.c"
    echo "INPUT ( $dir/lib/libcalls.so $(${CC:-cc} -print-file-name=libwolfssl.so) )" >"$dir/lib/libwolfssl.so"
}

if grep -rq 'define HAVE_FIPS$' "$(pkg-config --variable=includedir wolfssl)/wolfssl/options.h"; then
    echo "skipped: the system's wolfSSL has a module"
else
    refused "a wolfSSL without a module is refused, and it is said how to get one" \
        "does not define HAVE_FIPS" 
    grep -qF -- "--enable-fips --with-wolfssl=DIRECTORY" run/out || result 1 "the way out is named"
fi
refused "another provider beside it is refused" "take back --with-gnutls" --with-gnutls
refused "a build without wolfSSL is refused" "take back --without-wolfssl" --without-wolfssl

calls=(wolfCrypt_GetStatus_fips wolfCrypt_SetCb_fips wolfCrypt_GetVersion_fips)
for lacking in "${calls[@]}"; do
    module $(printf '%s\n' "${calls[@]}" | grep -vx "$lacking")
    refused "a module without $lacking is refused" "it has no $lacking" --with-wolfssl="$work/wolfssl"
done

module "${calls[@]}" wc_RunAllCast_fips
rc=0
configured --enable-werror --with-wolfssl="$work/wolfssl" || rc=1
result $rc "a wolfSSL with all of them is taken"
rc=0
grep -q '^NJ_FIPS_CPPFLAGS = -DNJ_FIPS_BUILD -DNJ_FIPS_ALL_CASTS$' run/Makefile &&
    grep -q '^CRYPT_LIBS = *$' run/Makefile || rc=1
result $rc "the build is for FIPS and links no libcrypt"
rc=0
make -C run -s nj_tls_wolfssl.la >run/out 2>&1 || rc=1
result $rc "the provider's code for a module compiles and links"
rc=0
LC_ALL=C grep -qa 'fips-build, status ok (certificate not asserted)' run/.libs/nj_tls_wolfssl.so &&
    ! LC_ALL=C grep -qa fips-mock run/.libs/nj_tls_wolfssl.so || rc=1
result $rc "it has the labels of a module and none of the stand-in"
rm -rf "$work"
exit $failed
