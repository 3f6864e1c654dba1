#!/usr/bin/env bash
# abi-diff.sh [--record]: compare what crosses the plug-in border with tests/abi/abi-MAJOR.MINOR.xml,
# the record of the ABI that plugin.h names; --record writes it.  Needs abigail-tools.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
header=$top/api/natterjack/plugin.h
number() { sed -n "s/^#define NJ_ABI_$1 //p" "$header"; }
version=$(number MAJOR).$(number MINOR)
record=$top/tests/abi/abi-$version.xml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The path of the source is in the record: a relative one.
cd "$top"
"${CC:-gcc}" -std=c17 -g -O0 -fPIC -shared -fvisibility=hidden -I api tests/abi/abi_types.c \
    -o "$work/border.so"

if [ "${1:-}" = --record ]; then
    (cd "$work" && abidw --no-corpus-path --no-comp-dir-path --no-show-locs border.so) >"$record"
    echo "abi: $version is recorded in ${record#"$top"/}"
    exit 0
fi
if [ ! -f "$record" ]; then
    echo "abi: there is no ${record#"$top"/}; record it with tests/tools/abi-diff.sh --record"
    exit 1
fi
if ! abidiff --no-show-locs "$record" "$work/border.so"; then
    echo "abi: what crosses the border is no longer ABI $version.  When something was added at an end,"
    echo "raise NJ_ABI_MINOR and record it anew; anything else breaks plug-ins that exist: take it back."
    exit 1
fi
echo "abi: the border is that of $version"
