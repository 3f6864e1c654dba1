#!/bin/bash
# sandbox.sh COMMAND [ARGUMENT...]: runs it where nothing it does to trust stores, ports or the home
# folder is seen outside.
#
# It gets its own mounts, in which /etc/ssl, /usr/local/share/ca-certificates and what Java's packages
# note down about certificates are copies, its own
# network with loopback alone (so any port is free), its own processes, which end with it, and an
# empty HOME.  No privilege is needed where users may make namespaces.  Ends with 77 and
# "skipped: ..." where they may not.
set -e
umask 022

roots=(/etc/ssl /usr/local/share/ca-certificates)
[ ! -d /var/lib/ca-certificates-java ] || roots+=(/var/lib/ca-certificates-java)

if [ "${NJ_SANDBOX_DIR:-}" = "" ]; then
    flags=(--mount --net --pid --fork --kill-child --mount-proc)
    [ "$(id -u)" = 0 ] || flags+=(--user --map-root-user)
    for tool in unshare ip; do
        command -v $tool >/dev/null || { echo "skipped: needs $tool (util-linux, iproute2)"; exit 77; }
    done
    if ! unshare "${flags[@]}" true 2>/dev/null; then
        echo "skipped: namespaces are not allowed here"
        exit 77
    fi
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    rc=0
    NJ_SANDBOX_DIR=$dir unshare "${flags[@]}" "$0" "$@" || rc=$?
    exit $rc
fi

mount --make-rprivate /
mkdir "$NJ_SANDBOX_DIR/home"
for root in "${roots[@]}"; do
    mkdir -p "$root" "$NJ_SANDBOX_DIR/copy$root" 2>/dev/null || true
    cp -a "$root/." "$NJ_SANDBOX_DIR/copy$root/" 2>/dev/null || true # what may not be read is left out
    mount --bind "$NJ_SANDBOX_DIR/copy$root" "$root"
done
ip link set lo up
export HOME=$NJ_SANDBOX_DIR/home
unset XDG_CONFIG_HOME XDG_DATA_HOME CAROOT JAVA_HOME NJ_SANDBOX_DIR
"$@"
