"""sandbox.py: commands that a person types, in a place of their own (tests/tools/sandbox.sh): trust
stores that are copies, a network of loopback alone where every port is free, an empty HOME.

The commands find the server under test as `nats-server`, as a manual calls it.  `start` and `stop`
are the script's own words for "in another terminal".
"""
import os
import shlex
import shutil
import signal
import subprocess

import pytest

import conftest
import wire

TOOL = os.path.join(conftest.ROOT, "tests/tools/sandbox.sh")

PRELUDE = r"""
set -e -o pipefail
mkdir -p "$HOME/work" && cd "$HOME/work"

# start COMMAND...: in the background, until it is ready; its log is in ./log
start() {
    : >log
    "$@" >log 2>&1 &
    server=$!
    local i
    for i in $(seq 600); do
        if grep -q "Server is ready" log; then return; fi
        if ! kill -0 $server 2>/dev/null; then break; fi
        sleep 0.05
    done
    cat log
    exit 1
}

stop() {
    kill -INT $server
    wait $server
}

# refused WORDS COMMAND...: it fails, and says these words
refused() {
    local words=$1
    shift
    if "$@" >refused.out 2>&1; then
        echo "was not refused: $*"
        exit 1
    fi
    if ! grep -qE -- "$words" refused.out; then
        echo "no /$words/ from $*:"
        cat refused.out
        exit 1
    fi
}

# logged PATTERN: the line comes
logged() {
    local i
    for i in $(seq 200); do
        if grep -qE -- "$1" log; then return; fi
        sleep 0.05
    done
    echo "no line /$1/:"
    cat log
    exit 1
}
"""


def nats_cli():
    own = os.path.join(conftest.ROOT, ".dev/bin/nats")
    return own if os.access(own, os.X_OK) else shutil.which("nats")


def need(*tools):
    for tool in tools:
        found = nats_cli() if tool == "nats" else shutil.which(tool)
        if found is None:
            pytest.skip("needs " + tool)


def play(kind, tmp_path, script, timeout=60):
    """Runs the script to its end; what it printed.  Fails when it fails."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir(exist_ok=True)
    server = bin_dir / "nats-server"
    server.write_text("#!/bin/sh\nexec %s \"$@\"\n"
                      % " ".join(shlex.quote(a) for a in [kind.path] + kind.args))
    server.chmod(0o755)
    if nats_cli() is not None and not (bin_dir / "nats").exists():
        (bin_dir / "nats").symlink_to(nats_cli())
    env = dict(os.environ, PATH="%s:%s" % (bin_dir, os.environ["PATH"]), NO_COLOR="1", LC_ALL="C.UTF-8")
    p = subprocess.Popen([TOOL, "bash", "-c", PRELUDE + script], env=env, cwd=tmp_path, text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         start_new_session=True)
    try:
        out = p.communicate(timeout=timeout * wire.PATIENCE)[0]
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        out = p.communicate()[0]
        raise AssertionError("did not end in time:\n" + out[-6000:]) from None
    if p.returncode == 77 and "skipped:" in out:
        pytest.skip(out.strip().partition("skipped: ")[2])
    if "Sanitizer" in out or "runtime error:" in out:
        raise AssertionError("sanitizer report:\n" + out[-8000:])
    assert p.returncode == 0, out[-6000:]
    return out
