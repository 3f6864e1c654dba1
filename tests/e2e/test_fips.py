"""require_fips: a server that runs on a FIPS module or not at all.

No module is at hand, so an ordinary build shows that it is refused without one; what comes after
that is shown by a build with `--enable-fips=mock`, where a stand-in answers for the module
(tests/fips). Which of the two NATTERJACK is, its --version says.
"""
import os
import re
import subprocess

import pytest

import conftest

pytestmark = [pytest.mark.own, pytest.mark.quick, pytest.mark.one_worker]

LABELS = ("none", "fips-build, status ok (certificate not asserted)", "fips-build, FAILED")


def label_of(path):
    out = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20).stdout
    found = re.search(r"^fips: (.*)$", out, re.M)
    return found.group(1) if found else None


def is_mock():
    path = conftest.natterjack_path()
    return path is not None and (label_of(path) or "").startswith("fips-mock")


MOCK = is_mock()
ordinary = pytest.mark.skipif(MOCK, reason="this build has a FIPS module")
mocked = pytest.mark.skipif(not MOCK, reason="needs a build with --enable-fips=mock")


# -- an ordinary build

@ordinary
def test_version_tells_the_label_in_its_last_line(run):
    lines = run(["--version"]).stdout.splitlines()

    assert len(lines) == 3
    assert lines[2].startswith("fips: ") and lines[2][6:] in LABELS


@ordinary
@pytest.mark.tls
def test_without_a_module_the_start_is_refused_by_option_file_and_line(run, tmp_path, kind):
    (tmp_path / "c.conf").write_text("port: -1\n\nrequire_fips: true\n")

    for args in (["-t"], []):
        p = run(["-a", "127.0.0.1", "-c", "c.conf"] + args)

        assert p.returncode == 1 and p.stdout == ""
        assert re.search(r'c\.conf:3:\d+: require_fips is true, but tls provider "%s" has no FIPS module at work: '
                         r'\w+ [\d.]+ says "none"; see docs/fips.md' % kind.provider, p.stderr), p.stderr


@ordinary
@pytest.mark.tls
def test_a_forced_mode_without_a_module_does_not_help(run, tmp_path):
    """The variable makes a GnuTLS without a module say nothing else than before."""
    (tmp_path / "c.conf").write_text("port: -1\nrequire_fips: true\n")

    p = run(["-c", "c.conf", "-t"], env=dict(os.environ, GNUTLS_FORCE_FIPS_MODE="1"))

    assert p.returncode == 1 and "no FIPS module" in p.stderr


@ordinary
def test_false_asks_for_nothing(server):
    s = server(conf="require_fips: false\n", monitor=True)

    s.serves()
    own = s.get("/varz")["natterjack"]
    assert own["fips"] == "none" and own["require_fips"] is False
    assert re.fullmatch(r"\d+\.\d+\.\d+", own["version"])


@ordinary
def test_the_log_tells_the_label_to_who_asks_for_more(server):
    s = server(["-D"])

    s.wait_log(r"\[DBG\]   FIPS:     none$")
