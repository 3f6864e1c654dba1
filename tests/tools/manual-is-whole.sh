#!/usr/bin/env bash
# manual-is-whole.sh BUILD-DIR: the manual names every member of the tls and authorization blocks that
# the server reads, and its pages are sound troff.  (Flags and top-level options come from the
# program's own tables.)
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$1
page=$top/docs/man/natterjack.conf.5.md
bad=0

# Of the tls block: the first column of a table like  { "cert_file", read_file },
# Of the others: lists of names, { "user", "username", NULL }, and single ones, nj_key_is(m, "token").
keys=$(
    sed -n 's/^    { "\([a-z_]*\)", \(nj_\)\{0,1\}read_[a-z_]* },$/\1/p' "$top"/server/ops/options_tls*.c
    cat "$top"/server/ops/options_{auth,users,perms}*.c | tr '\n' ' ' |
        grep -oE 'static const char \*const [a-z_]+\[\] = \{[^}]*NULL *\}|nj_key_is\([a-z]+, "[a-z_]+"\)' |
        grep -oE '"[a-z_]+"' | tr -d '"'
)
keys=$(sort -u <<<"$keys")
[ "$(wc -w <<<"$keys")" -ge 50 ] || { echo "manual: the tables of keys were not found"; exit 1; }
for key in $keys; do
    if ! grep -qF "\`$key\`" "$page"; then
        echo "manual: docs/man/natterjack.conf.5.md says nothing of $key"
        bad=1
    fi
done

# Of providers: what --list-plugins calls their abilities.
for cap in $(sed -n 's/^    { NJ_TLS_CAP_[A-Z0-9_]*, "\([a-z0-9.-]*\)" },$/\1/p' "$top/server/plugin/list.c"); do
    if ! grep -qF "\`$cap\`" "$top/docs/man/natterjack-plugin.7.md"; then
        echo "manual: docs/man/natterjack-plugin.7.md says nothing of $cap"
        bad=1
    fi
done

if [ ! -f "$build/docs/man/natterjack.8" ]; then
    echo "manual: skipped: man pages: needs lowdown"
    exit $bad
fi
# "<dir>" in a text of --help must not be lost as an element of HTML.
page=$(groff -man -Tascii -P-c "$build/docs/man/natterjack.8" | sed 's/.\x08//g')
for count in $("$build/natterjack" --help | grep -oE '<[a-z]+>' | sort | uniq -c | tr -d ' '); do
    word="<${count#*<}"
    if [ "$(grep -oF -- "$word" <<<"$page" | wc -l)" -lt "${count%%<*}" ]; then
        echo "manual: natterjack.8 has $word less often than --help"
        bad=1
    fi
done
for name in natterjack.8 natterjack.conf.5 natterjack-plugin.7; do
    if [ -n "$(groff -man -t -ww -z "$build/docs/man/$name" 2>&1)" ]; then
        groff -man -t -ww -z "$build/docs/man/$name" 2>&1 | head -5
        bad=1
    fi
    if ! grep -q '^\.TH ' "$build/docs/man/$name" || grep -q '@[A-Z]*@' "$build/docs/man/$name"; then
        echo "manual: $name is not whole"
        bad=1
    fi
done
[ $bad = 0 ] && echo "manual: whole"
exit $bad
