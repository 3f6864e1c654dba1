#!/usr/bin/env bash
# outside-plugin.sh PREFIX: plug-ins built outside the tree against an installed natterjack, with
# what pkg-config says and nothing else, and loaded by the natterjack installed there.
set -euo pipefail
umask 022 # a plug-in directory that the group can write is not searched

prefix=$(cd "${1:?usage: outside-plugin.sh PREFIX}" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../abi/outside" && pwd)
natterjack=$prefix/sbin/natterjack
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Copied and built there, so that no header of the tree is found by chance.
cp "$here"/minimal.c "$here"/minimal.cc "$work"
cd "$work"
chmod 755 .
mkdir good wrong

passed=0
failed=0

# check NAME COMMAND...: one line for each; the output of what failed.
check() {
    local name=$1 rc=0
    shift
    "$@" >out 2>&1 || rc=$?
    if [ "$rc" = 0 ]; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "NOT OK  $name"
        sed 's/^/        /' out
    fi
}

pc=$(find "$prefix" -name natterjack.pc -print -quit)
[ -n "$pc" ] || { echo "no natterjack.pc under $prefix" >&2; exit 1; }
export PKG_CONFIG_PATH=${pc%/*}
export PATH=$prefix/bin:$prefix/sbin:$PATH
# Kept also when PREFIX is a directory that the compiler searches by itself.
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
read -ra cflags <<<"$(pkg-config --cflags natterjack)"
plugindir=$(pkg-config --variable=plugindir natterjack)
abi=$(pkg-config --variable=abi_version natterjack)
warn=(-Wall -Wextra -Werror -pedantic)
shared=(-fPIC -shared -fvisibility=hidden -Wl,-z,defs)

# The template of a mapper, from where it is installed, by its own Makefile; $1: its name.
builds_template() {
    local name=$1
    shift
    mkdir -p "t-$name"
    cp -r "$(pkg-config --variable=examplesdir natterjack)/authmap-template/." "t-$name"
    make -C "t-$name" NAME="$name" CFLAGS="${warn[*]} -Wno-missing-field-initializers" "$@" &&
        cp "t-$name/nj_authmap_$name.so" good
}

# By configure, as a package would, and into the directory that pkg-config names.
builds_template_with_autotools() {
    cp -r "$(pkg-config --variable=examplesdir natterjack)/authmap-template" t-auto
    (cd t-auto/autotools && autoreconf -i && ./configure && make &&
        make DESTDIR="$work/package" install && cp .libs/nj_authmap_template.so "$work/good")
    ls "$work/package$plugindir"
    [ "$(ls "$work/package$plugindir")" = nj_authmap_template.so ]
}

# A server with the mapper: its options are looked at, and a peer without a certificate is deferred.
mapper_answers() {
    printf 'port: -1\nhost: 127.0.0.1\nauthorization { mappers: [ { plugin: %s, options { user: x } } ] }\n' \
        "$1" >c.conf
    ! "$natterjack" --plugin_dir "$work/good" -c c.conf -t >log 2>&1
    has_line log 'c\.conf:3:[0-9]+: this mapper needs two texts: domain and user$'
    sed -i 's/user: x/user: x, domain: ".example.org"/' c.conf
    "$natterjack" --plugin_dir "$work/good" -c c.conf -t
}

has_line() {
    cat "$1"
    grep -qE -- "$2" "$1"
}

lists_shipped() {
    ls "$plugindir"/nj_tls_*.so
    "$natterjack" --list-plugins | tee list
    grep -qF "$plugindir/nj_tls_" list
}

exports_the_door_only() {
    nm -D --defined-only "$1" | tee symbols
    [ "$(awk '{ print $NF }' symbols)" = nj_plugin_v1 ]
}

# A server told to use a plug-in that can be loaded and cannot do TLS says the plug-in's sentence.
is_called() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x \
        -keyout key.pem -out cert.pem 2>/dev/null
    printf 'port: -1\nhost: 127.0.0.1\ntls { provider: %s, cert_file: cert.pem, key_file: key.pem }\n' \
        "$1" >c.conf
    ! timeout 20 "$natterjack" --plugin_dir "$work/good" -c c.conf >log 2>&1
    has_line log 'the minimal provider cannot do TLS'
}

lacks_hash() {
    printf 'port: -1\ntls_provider: minimal\n' >c.conf
    ! "$natterjack" --plugin_dir "$work/good" -c c.conf -t >log 2>&1
    has_line log 'tls_provider "minimal" has no SHA-256'
}

check "pkg-config knows version and ABI" \
    test "$(pkg-config --modversion natterjack) $abi" != " " -a -n "$abi"
check "the shipped plug-ins lie in plugindir and are listed from there" lists_shipped
check "a provider in C builds from the installed headers" \
    gcc -std=c11 "${warn[@]}" "${cflags[@]}" "${shared[@]}" minimal.c -o good/nj_tls_minimal.so
check "the same builds as C++" \
    g++ -std=c++20 "${warn[@]}" -Wno-missing-field-initializers "${cflags[@]}" "${shared[@]}" minimal.cc \
    -o good/nj_tls_minimal-cxx.so
check "it exports the door and nothing else" exports_the_door_only good/nj_tls_minimal.so
check "one of a later ABI minor builds too" \
    gcc -std=c11 "${warn[@]}" "${cflags[@]}" "${shared[@]}" -DMINIMAL_NAME='"later"' \
    -DMINIMAL_MINOR='(NJ_ABI_MINOR + 1)' minimal.c -o good/nj_tls_later.so
check "and one of another major" \
    gcc -std=c11 "${warn[@]}" "${cflags[@]}" "${shared[@]}" -DMINIMAL_NAME='"next"' \
    -DMINIMAL_MAJOR='(NJ_ABI_MAJOR + 1)' minimal.c -o wrong/nj_tls_next.so

"$natterjack" --plugin_dir "$work/good" --plugin_dir "$work/wrong" --list-plugins >list 2>&1 ||
    echo "--list-plugins ended with $?" >>list
minor=${abi#*.}
check "the one in C is listed with its library" \
    has_line list "^tls +minimal +1\.0 +$abi +Nothing 1\.2\.3 +$work/good/nj_tls_minimal\.so\$"
check "the one in C++ is listed" has_line list "^tls +minimal-cxx +1\.0 +$abi +Nothing 1\.2\.3 "
check "the one of a later minor is taken" has_line list \
    "^tls +later +1\.0 +${abi%.*}\.$((minor + 1)) +Nothing 1\.2\.3 "
check "the one of another major is refused with theirs and ours" has_line list \
    "$work/wrong/nj_tls_next\.so: built for plug-in ABI $((${abi%.*} + 1))\.$minor, this server has $abi"
check "the listing ends well" bash -c '! grep -n "^--list-plugins ended" list'
check "a tls block that names the one in C hears what it says" is_called minimal
check "without a hash it cannot be the one for digests, and the refusal says so" lacks_hash
check "a tls block that names the one in C++ hears what it says" is_called minimal-cxx

check "the template of a mapper builds with its Makefile" builds_template template-c
check "and as C++" builds_template template-cxx CC=g++ CSTD='-std=c++20 -x c++'
if command -v autoreconf >/dev/null && command -v libtoolize >/dev/null; then
    check "and with autotools" builds_template_with_autotools
else
    echo "skipped: the template with autotools: needs autoconf, automake and libtool"
fi
check "it exports the door and nothing else" exports_the_door_only good/nj_authmap_template-c.so
"$natterjack" --plugin_dir "$work/good" --list-plugins >list 2>&1 || echo "--list-plugins ended with $?" >>list
for name in template-c template-cxx; do
    check "$name is listed" has_line list "^authmap +$name +0\.1 +$abi +- +$work/good/nj_authmap_$name\.so\$"
    check "$name takes its options and refuses others" mapper_answers "$name"
    check "$name passes the kit" natterjack-abi-check "good/nj_authmap_$name.so"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
