"""The TLS matrix.  Servers, patience and paths are those of the end-to-end tests; see README.md."""
import importlib.util
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
E2E = os.path.join(HERE, "..", "e2e")
sys.path.insert(0, E2E)
sys.path.insert(0, HERE)

_spec = importlib.util.spec_from_file_location("e2e_conftest", os.path.join(E2E, "conftest.py"))
e2e = importlib.util.module_from_spec(_spec)
sys.modules["e2e_conftest"] = e2e
_spec.loader.exec_module(e2e)

import matrix  # noqa: E402
import peers as peers_module  # noqa: E402
import pki as pki_module  # noqa: E402

# Closing of wires and the server's log after a failure are the same there.
close_wires = e2e.close_wires
pytest_runtest_makereport = e2e.pytest_runtest_makereport
pytest_collection_modifyitems = e2e.pytest_collection_modifyitems
pytest_report_header = e2e.pytest_report_header


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true",
                     help="every case of the matrix, not only enough for all pairs")
    parser.addoption("--record", action="store_true",
                     help="write expected.tsv and failures.tsv anew from the reference")


def kinds(config):
    """The reference and Natterjack with each provider."""
    chosen = [k for k in e2e.kinds_for(True) if not k.name.endswith("4")]
    return [k for k in chosen if k.is_ref] if config.getoption("--record") else chosen


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", [
            pytest.param(k, id=k.name, marks=[pytest.mark.skip(reason=k.reason)] if k.reason else [])
            for k in kinds(metafunc.config)], scope="session")
    if "case" in metafunc.fixturenames:
        cases = matrix.everything()
        if not metafunc.config.getoption("--full"):
            cases = matrix.pairwise(cases)
        metafunc.parametrize("case", cases, ids=matrix.name_of)


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return pki_module.Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def peers(tmp_path_factory):
    return peers_module.all_peers(str(tmp_path_factory.mktemp("peers")))


@pytest.fixture(scope="session")
def servers(tmp_path_factory, pki):
    """servers(kind, key, verify): one for each, whose TLS comes first."""
    made = {}

    def get(kind, key, verify):
        what = (kind.name, key, verify)
        if what not in made:
            directory = tmp_path_factory.mktemp("-".join(what))
            made[what] = e2e.Server(kind, directory, args=["-D"], monitor=True,
                                    conf=configuration(pki, key, verify))
        made[what].mark = made[what].log_size()
        e2e._running.append(made[what])
        return made[what]

    yield get
    for server in made.values():
        server.stop()


def configuration(pki, key, verify):
    pair = pki.server(key)
    lines = ["cert_file: '%s'" % pair.cert, "key_file: '%s'" % pair.key, "handshake_first: true",
             "timeout: 60"]
    if verify != "off":
        lines += ["ca_file: '%s'" % pki.ca.cert,
                  "verify_and_map: true" if verify == "map" else "verify: true"]
    users = "authorization { users: [ { user: 'client@localhost' } ] }\n" if verify == "map" else ""
    return "tls {\n  %s\n}\n%s" % ("\n  ".join(lines), users)
