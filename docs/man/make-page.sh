#!/bin/sh
# make-page.sh VERSION ABI SOURCE.md TABLES.md PAGE: one man page.  A line @NAME@ of the source is
# replaced by what follows the line @NAME@ in TABLES.md, up to the next of its kind.
set -eu
version=$1 abi=$2 source=$3 tables=$4 page=$5
if [ -z "$LOWDOWN" ]; then
    echo "make: $page is older than what it is made of, and lowdown is missing (Debian: lowdown)" >&2
    exit 1
fi
mkdir -p "$(dirname "$page")"
awk -v tables="$tables" '
    /^@[A-Z]+@$/ {
        wanted = $0
        on = 0
        while ((getline line < tables) > 0) {
            if (line ~ /^@[A-Z]+@$/) { on = line == wanted; continue }
            if (on) { print line }
        }
        close(tables)
        next
    }
    { print }' "$source" | sed -e "s/@VERSION@/$version/; s/@ABI@/$abi/" >"$page.new.md"
"$LOWDOWN" -s -Tman --out-no-smarty -o "$page.new" "$page.new.md"
rm -f "$page.new.md"
mv "$page.new" "$page"
