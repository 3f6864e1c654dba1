"""Every peer, version, key, suite, curve and way of verifying, and what came of it."""
import itertools
import os

import pytest

import matrix
import peers as peers_module
import wire

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "expected.tsv")
DIFFERENCES = os.path.join(HERE, "differences.tsv")
HEAD = "# peer\tversion\tkey\tsuite\tcurve\tverify\twhat the server saw; made by --record\n"
_count = itertools.count()
_recorded = {}


def read(path, values):
    """{first columns: the last `values` columns}"""
    table = {}
    with open(path) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                cells = line.rstrip("\n").split("\t")
                table[tuple(cells[:-values])] = cells[-values:]
    return table


EXPECTED = read(TABLE, 1) if os.path.exists(TABLE) else {}
MEANT = read(DIFFERENCES, 2) if os.path.exists(DIFFERENCES) else {}


def expected_for(kind, case):
    key = tuple(case)
    if not kind.is_ref:
        for provider in (kind.provider, "*"):
            if (provider,) + key in MEANT:
                return MEANT[(provider,) + key][0]
    return EXPECTED[key][0] if key in EXPECTED else None


def seen_by(server, name):
    """What connz says of the connection of that name; None when none got that far."""
    closed = server.get("/connz?state=closed&limit=100000")["connections"]
    found = [c for c in closed if c.get("name") == name]
    return "ok %s %s" % (found[0]["tls_version"], found[0]["tls_cipher_suite"]) if found else None


def visit(kind, case, servers, peers, pki):
    server = servers(kind, case.key, case.verify)
    peer = peers[case.peer]
    if peer.missing():
        pytest.skip("needs " + peer.missing())
    own = pki.client(case.key) if case.verify != "off" else None
    files = peers_module.Files(pki.ca.cert, own and own.cert, own and own.key,
                               own and pki.pkcs12(own))
    name = "%s-%d" % (matrix.name_of(case), next(_count))
    good, said = peer.visit(server.port, case, name, files)
    if not good:
        return "refused", said
    return wire.until("the visit in connz", lambda: seen_by(server, name)), said


def test_visit(kind, case, servers, peers, pki, request):
    got, said = visit(kind, case, servers, peers, pki)
    if request.config.getoption("--record"):
        _recorded[tuple(case)] = got
        write_table()
        return
    want = expected_for(kind, case)
    if want is None:        # --full: the reference itself says what is right
        if kind.is_ref:
            return
        reference = [k for k in kinds_of(request) if k.is_ref and not k.reason]
        if not reference:
            pytest.skip("not in expected.tsv; needs the reference to compare with")
        want, _ = visit(reference[0], case, servers, peers, pki)
    assert got == want, said


def kinds_of(request):
    import conftest
    return conftest.kinds(request.config)


def write_table():
    with open(TABLE, "w") as f:
        f.write(HEAD)
        for key, got in _recorded.items():
            f.write("\t".join(key + (got,)) + "\n")


def test_every_pair_of_values_is_visited():
    """The small matrix is what it says it is."""
    cases = matrix.everything()
    wanted = set().union(*(matrix.pairs_of(c) for c in cases))
    assert set().union(*(matrix.pairs_of(c) for c in matrix.pairwise(cases))) == wanted
