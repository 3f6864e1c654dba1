"""Every member of a tls block with a value of every type, in every block that has one: `-t` says of
it what the reference says, with the same position.  (A leaf node's way through a proxy is not read yet.)"""
import os
import re
import subprocess

import pytest

import conftest
import wire

# %s is where the members stand.
CONTEXTS = {
    "root": "port: -1\ntls {\n %s\n}\n",
    "cluster": "port: -1\ncluster { port: -1\n tls {\n %s\n}\n}\n",
    "gateway": "port: -1\ngateway { name: a, port: -1\n tls {\n %s\n}\n}\n",
    "gateway_remote": "port: -1\ngateway { name: a, port: -1, gateways: [ { name: b, urls: ['nats://h:1'], "
                      "tls {\n %s\n} } ] }\n",
    "leafnodes": "port: -1\nleafnodes { port: -1\n tls {\n %s\n}\n}\n",
    "leafnode_remote": "port: -1\nleafnodes { remotes: [ { url: 'tls://h:1', tls {\n %s\n} } ] }\n",
    "websocket": "port: -1\nwebsocket { port: -1\n tls {\n %s\n}\n}\n",
    "mqtt": "port: -1\nserver_name: x\nmqtt { port: -1\n tls {\n %s\n}\n}\n",
    "resolver": "port: -1\nresolver_tls {\n %s\n}\n",
}
KEYS = ["cert_file", "key_file", "ca_file", "certs", "certificates", "verify", "verify_and_map",
        "verify_cert_and_check_known_urls", "insecure", "timeout", "min_version", "cipher_suites",
        "allow_insecure_cipher_suites", "curve_preferences", "pinned_certs", "connection_rate_limit",
        "handshake_first", "first", "immediate", "ocsp_peer", "cert_store", "cert_match_by", "cert_match",
        "cert_match_skip_invalid", "ca_certs_match", "Verify", "CERT_FILE", "zork"]
VALUES = ["7", "0", "-3", "1.5", "true", "false", "'x'", "''", "[]", "[ 1 ]", "[ 'a', 'b' ]", "[ true ]",
          "[ [] ]", "[ { a: 1 } ]", "[ { a: 'x' } ]", "{ a: 1 }", "{}", "2020-01-02T03:04:05Z", "'2s'", "'1.2'"]
BLOCKS = ["7", "1.5", "true", "'x'", "[]", "2020-01-02T03:04:05Z"]


def answer(path, tmp_path):
    p = subprocess.run([path, "-t", "-c", "m.conf"], capture_output=True, text=True, cwd=tmp_path,
                       timeout=20 * wire.PATIENCE, stdin=subprocess.DEVNULL)
    text = (p.stderr + p.stdout).replace("%s: " % os.path.basename(path), "")
    # the reference prints addresses for what is inside a list or a map
    text = re.sub(r"wrong type: (map)?\[.+\]$", r"wrong type: \1[...]", text, flags=re.M)
    return p.returncode, text


def compare(tmp_path, natterjack, reference, text):
    (tmp_path / "m.conf").write_text(text)
    ours, theirs = answer(natterjack, tmp_path), answer(reference, tmp_path)
    return None if ours == theirs else "%s\n   ours: %r\n theirs: %r" % (text, ours, theirs)


@pytest.fixture
def both():
    natterjack, reference = conftest.natterjack_path(), conftest.reference_path()
    if natterjack is None:
        pytest.skip("needs natterjack")
    if reference is None or os.environ.get("E2E_NO_REFERENCE"):
        pytest.skip(conftest.NEEDS_REFERENCE)
    return natterjack, reference


@pytest.mark.timeout(300)
@pytest.mark.parametrize("context", [pytest.param(c, marks=[pytest.mark.quick] if c == "root" else [])
                                     for c in CONTEXTS])
def test_wrong_types(both, certs, tmp_path, context):
    pair = certs.server_ecdsa
    wrong = []
    for key in KEYS:
        # a pair first, so that what is wrong with the member is all that is wrong
        own = key.lower() in ("cert_file", "key_file", "certs", "certificates")
        first = "" if own else "cert_file: '%s', key_file: '%s'\n " % (pair.cert, pair.key)
        for value in VALUES:
            wrong.append(compare(tmp_path, *both, CONTEXTS[context] % (first + key + ": " + value)))

    wrong = [w for w in wrong if w is not None]

    assert not wrong, "%d of %d differ:\n%s" % (len(wrong), len(KEYS) * len(VALUES), "\n".join(wrong[:20]))


@pytest.mark.quick
def test_blocks_that_are_no_map(both, tmp_path):
    """The words are the library's of the reference; the place and the verdict are the same."""
    for name, text in CONTEXTS.items():
        for value in BLOCKS:
            changed = re.sub(r"(tls) \{\n %s\n\}", lambda m: "%s: %s" % (m.group(1), value), text)
            (tmp_path / "m.conf").write_text(changed)

            ours, theirs = (answer(path, tmp_path) for path in both)

            place = re.compile(r"^m\.conf:\d+:\d+: ")
            assert ours[0] == theirs[0], (name, value, ours, theirs)
            assert place.match(ours[1]).group(0) == place.match(theirs[1]).group(0), (name, value, ours, theirs)
