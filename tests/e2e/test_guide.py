"""docs/tls.md, run as its reader would, with each provider."""
import os
import shlex

import pytest

import conftest
import sandbox

pytestmark = [pytest.mark.tls, pytest.mark.own, pytest.mark.one_worker]


def test_the_tls_guide(kind, tmp_path):
    sandbox.need("mkcert", "nats", "openssl", "curl", "update-ca-certificates", "stunnel4")
    prefix = tmp_path / "prefix"
    for name in ("bin", "sbin"):
        (prefix / name).mkdir(parents=True)
    program = prefix / "sbin/natterjack"
    program.write_text("#!/bin/sh\nexec %s \"$@\"\n" % " ".join(shlex.quote(a) for a in [kind.path] + kind.args))
    program.chmod(0o755)
    runner = os.path.join(conftest.ROOT, "tests/tools/run-blocks.py")

    out = sandbox.play(kind, tmp_path, "%s %s %s" % (
        runner, os.path.join(conftest.ROOT, "docs/tls.md"), prefix), timeout=100)

    assert " 0 failed" in out and "NOT OK" not in out
