#!/usr/bin/env bash
# no-crypto-in-core.sh [PREFIX]: the core holds no cryptography.  Its sources include no header of
# a TLS or crypto library, the natterjack installed under PREFIX is linked with none, and one that
# runs without a provider maps none.  (What a server with TLS maps: tests/e2e/test_own.py.)
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
prefix=${1:-}
libraries='gnutls|wolfssl|openssl|crypto|ssl|nettle|hogweed|gcrypt|sodium|mbedtls|mbedcrypto|nss3'
headers='gnutls|wolfssl|openssl|nettle|gcrypt|sodium|mbedtls|nss|keyutils'

passed=0
failed=0

# none NAME TEXT: nothing was found; else what it was.
none() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
        echo "ok      $1"
    else
        failed=$((failed + 1))
        echo "NOT OK  $1"
        sed 's/^/        /' <<<"$2"
    fi
}

includes() {
    grep -rniE "#[[:space:]]*include[[:space:]]*[<\"]($headers)" "$top"/api "$top"/conf "$top"/server
}

# Of everything the program needs, directly or through another library.
needed() { readelf -d "$1" | grep -E "NEEDED.*lib($libraries)[.-]"; }
needed_in_the_end() { ldd "$1" | grep -E "lib($libraries)[.-]"; }

none "api, conf and server include no header of a TLS or crypto library" "$(includes || true)"
if [ -n "$prefix" ]; then
    program=$prefix/sbin/natterjack
    [ -x "$program" ] || { echo "$program is not there" >&2; exit 1; }
    none "the program has no NEEDED entry of one" "$(needed "$program" || true)"
    none "nor does what it needs" "$(needed_in_the_end "$program" || true)"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
