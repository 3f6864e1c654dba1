#!/bin/sh
# embed.sh DIR: the DER files of DIR as C, for a program that finds its certificates inside.
set -eu

cat <<END
/* Made by tests/abi/embed.sh. */
#include "tests/abi/abi_check_files.h"

END
list=
n=0
for f in "$1"/*.crt "$1"/*.key; do
    n=$((n + 1))
    printf 'static const uint8_t file_%d[] = {\n' "$n"
    od -An -v -tx1 "$f" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    printf '};\n'
    list="$list    { \"${f##*/}\", { file_$n, sizeof(file_$n) } },
"
done
cat <<END

const struct nj_kit_embedded nj_kit_abi_check_files[] = {
$list    { NULL, { NULL, 0 } },
};
END
