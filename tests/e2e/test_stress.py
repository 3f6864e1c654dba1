"""Under stress nothing of good clients is lost, the server lives and its memory comes back.  How
late things come is what ./dev stress measures."""
import os
import subprocess
import sys

import pytest

import wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, "tests/stress/run")


@pytest.mark.tls
@pytest.mark.own
@pytest.mark.one_worker     # it takes two, whatever the kind says
@pytest.mark.timeout(240)
@pytest.mark.skipif(not os.path.exists("/usr/include/openssl/ssl.h"), reason="needs libssl-dev")
def test_nothing_is_lost_under_stress(kind):
    done = subprocess.run([sys.executable, RUN, kind.path, "--check", "--provider", kind.provider,
                           "--workers", "2"], capture_output=True, text=True,
                          timeout=200 * wire.PATIENCE)

    assert done.returncode == 0, done.stdout + done.stderr
