#!/usr/bin/env bash
# install-modes.sh BUILD-DIR: whoever installs with a umask of 002 gets plug-ins that the server takes.
set -euo pipefail

into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
(umask 002 && make -s -C "$1" install DESTDIR="$into" >"$into/log" 2>&1) || { cat "$into/log"; exit 1; }
dir=$(dirname "$(find "$into" -name 'nj_authmap_rules.so')")
wrong=$(find "$dir" -perm /022)
if [ -n "$wrong" ]; then
    echo "install: others could write: $wrong"
    exit 1
fi
echo "install: a umask of 002 does no harm"
