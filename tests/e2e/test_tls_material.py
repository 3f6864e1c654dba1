"""Which certificate a client gets, and how many handshakes a second."""
import os
import re
import shutil
import ssl
import subprocess

import pytest

import wire
from certs import Pair, openssl
from wire import TlsRefused, tls_context

pytestmark = [pytest.mark.tls]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Many:
    """Self-signed certificates by name and key type: a.test, b.test and *.w.test."""

    NAMES = ["a-ec", "a-rsa", "b-rsa", "w-rsa", "b-ec"]

    def __init__(self, directory):
        self.dir = directory
        for name in self.NAMES:
            host = {"a": "a.test", "b": "b.test", "w": "*.w.test"}[name[0]]
            self.make(name, host, name.split("-")[1])

    def pair(self, name):
        return Pair(os.path.join(self.dir, name))

    def make(self, name, host, kind):
        pair = self.pair(name)
        key = (["-newkey", "rsa:2048"] if kind == "rsa"
               else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        openssl("req", "-x509", "-nodes", *key, "-keyout", pair.key, "-out", pair.cert,
                "-subj", "/CN=" + name, "-days", "30", "-addext", "subjectAltName=DNS:" + host)

    def conf(self, names=None, more=""):
        entries = ["{ cert_file: '%s', key_file: '%s' }" % (self.pair(n).cert, self.pair(n).key)
                   for n in names or self.NAMES]
        return "tls {\n certs: [\n  %s\n ]\n %s\n}\n" % ("\n  ".join(entries), more)


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return Many(str(tmp_path_factory.mktemp("many")))


def subject(port, *args):
    """The common name of the server's certificate as `openssl s_client` is shown it, None without."""
    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port] + list(args),
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * wire.PATIENCE)
    found = re.search(r"^subject=CN ?= ?(\S+)$", p.stdout, re.M)
    return found.group(1) if found else None


EC_SUITE, RSA_SUITE = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
PSS, ECDSA = "RSA-PSS+SHA256", "ECDSA+SHA256"
CHOICES = [
    # by name
    ("first_of_the_name", ["-servername", "a.test"], "a-ec"),
    ("first_of_the_other_name", ["-servername", "b.test"], "b-rsa"),
    ("no_name", ["-noservername"], "a-ec"),
    ("unknown_name", ["-servername", "zzz.test"], "a-ec"),
    ("wildcard", ["-servername", "x.w.test"], "w-rsa"),
    ("wildcard_is_one_label", ["-servername", "x.y.w.test"], "a-ec"),
    ("wildcard_is_no_empty_label", ["-servername", "w.test"], "a-ec"),
    ("case_does_not_matter", ["-servername", "B.Test"], "b-rsa"),
    # by key, as the signatures say that the client knows
    ("rsa_signatures", ["-servername", "a.test", "-sigalgs", PSS + ":RSA+SHA256"], "a-rsa"),
    ("ecdsa_signatures", ["-servername", "b.test", "-sigalgs", ECDSA], "b-ec"),
    ("rsa_without_name", ["-noservername", "-sigalgs", PSS], "a-rsa"),
    ("signature_of_no_certificate", ["-servername", "zzz.test", "-sigalgs", PSS], None),
    ("hash_of_another_curve", ["-servername", "a.test", "-sigalgs", "ECDSA+SHA384"], None),
    ("tls12_hash_is_free", ["-servername", "a.test", "-tls1_2", "-sigalgs", "ECDSA+SHA384"], "a-ec"),
    # by suite and group: TLS 1.2 alone
    ("tls12_rsa_suite", ["-servername", "a.test", "-tls1_2", "-cipher", RSA_SUITE], "a-rsa"),
    ("tls12_ec_suite", ["-servername", "b.test", "-tls1_2", "-cipher", EC_SUITE], "b-ec"),
    ("tls12_no_name", ["-noservername", "-tls1_2", "-cipher", RSA_SUITE], "a-rsa"),
    ("tls12_name_is_not_there", ["-servername", "zzz.test", "-tls1_2", "-cipher", RSA_SUITE], None),
    ("tls12_group_of_the_key", ["-servername", "a.test", "-tls1_2", "-curves", "P-384"], "a-rsa"),
    ("tls13_group_is_free", ["-servername", "a.test", "-curves", "P-384"], "a-ec"),
]


@pytest.fixture(scope="module")
def many_servers(many, tmp_path_factory):
    import conftest
    made = {}

    def get(kind):
        if kind.name not in made:
            made[kind.name] = conftest.Server(kind, tmp_path_factory.mktemp("many-server"),
                                              conf=many.conf(more="handshake_first: true"))
        return made[kind.name]

    yield get
    for s in made.values():
        s.stop()


@quick
@pytest.mark.one_worker
@pytest.mark.parametrize("args,expected", [pytest.param(*c[1:], id=c[0]) for c in CHOICES])
def test_certificate_for_the_hello(many_servers, kind, args, expected):
    assert subject(many_servers(kind).port, *args) == expected


def test_the_hello_chooses_whether_info_comes_first_or_not(server, many):
    """Also when the hello had to be peeked at, and came in pieces."""
    for more, after in (("", ""), ("handshake_first: auto", ""), ("", "allow_non_tls: true")):
        s = server(conf=many.conf(more=more) + after)
        w = s.raw()
        if not more:
            w.read_info()
        w.start_tls(tls_context(ca=many.pair("b-rsa").cert), server_hostname="b.test")
        if more:
            w.read_info()
        w.connect().ping()


def test_bytewise_hello_chooses_too(server, many):
    s = server(conf=many.conf())
    w = s.raw()
    w.read_info()
    bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    obj = tls_context().wrap_bio(bio_in, bio_out, server_hostname="x.w.test")
    while True:
        try:
            obj.do_handshake()
            break
        except ssl.SSLWantReadError:
            w.send_bytewise(bio_out.read())
            bio_in.write(w.sock.recv(65536))

    names = subprocess.run(["openssl", "x509", "-noout", "-subject", "-inform", "DER"],
                           input=obj.getpeercert(True), capture_output=True).stdout

    assert b"w-rsa" in names


@quick
def test_verify_and_pins_hold_for_each_certificate(server, many, certs):
    s = server(conf=many.conf(["a-ec", "b-rsa"], "ca_file: '%s', verify: true, pinned_certs: ['%s']"
                              % (certs.ca.cert, certs.client.spki_sha256())))
    for name in ("a-ec", "b-rsa"):
        host = name[0] + ".test"
        for version in (V12, V13):
            w = s.raw()
            w.read_info()
            w.start_tls(tls_context(version, ca=many.pair(name).cert, cert=certs.client.cert,
                                    key=certs.client.key), server_hostname=host)
            w.connect().ping()

            w = s.raw()     # verified, but not pinned
            w.read_info()
            w.start_tls(tls_context(version, cert=certs.client_rsa.cert, key=certs.client_rsa.key),
                        server_hostname=host)
            assert w.refused_later() is None

            w = s.raw()     # without a certificate
            w.read_info()
            with pytest.raises(TlsRefused):
                w.start_tls(tls_context(version), server_hostname=host)
                raise TlsRefused("", w.refused_later())


BAD_CERTS = [
    ("second_key_is_another", "{ cert_file: 'a-ec.pem', key_file: 'a-ec-key.pem' }, "
     "{ cert_file: 'b-ec.pem', key_file: 'a-ec-key.pem' }",
     "error parsing X509 certificate/key pair 2/2: tls: private key does not match public key"),
    ("first_is_not_there", "{ cert_file: 'nope.pem', key_file: 'a-ec-key.pem' }, "
     "{ cert_file: 'b-ec.pem', key_file: 'b-ec-key.pem' }",
     "error parsing X509 certificate/key pair 1/2: open nope.pem: no such file or directory"),
    ("only_one", "{ cert_file: 'nope.pem', key_file: 'a-ec-key.pem' }",
     "error parsing X509 certificate/key pair 1/1: open nope.pem: no such file or directory"),
    ("unlike_kinds", "{ cert_file: 'a-rsa.pem', key_file: 'a-ec-key.pem' }",
     "error parsing X509 certificate/key pair 1/1: tls: private key type does not match public key type"),
]


@quick
@pytest.mark.one_worker
@pytest.mark.parametrize("entries,text", [pytest.param(*b[1:], id=b[0]) for b in BAD_CERTS])
def test_bad_pair_is_named_by_its_place(run, prog, many, tmp_path, entries, text):
    for name in ("a-ec", "a-rsa", "b-ec"):
        shutil.copy(many.pair(name).cert, tmp_path)
        shutil.copy(many.pair(name).key, tmp_path)
    (tmp_path / "t.conf").write_text("port: -1\ntls {\n certs: [ %s ]\n}\n" % entries)

    p = run(["-c", "t.conf", "-t"])

    assert p.returncode == 1
    assert p.stderr == "%s: t.conf:2:1: %s\n\n" % (prog, text)


# ---- trust -------------------------------------------------------------------------------------------------


def knocks(s, pair):
    """Is a client with this certificate let in?"""
    for version in (V12, V13):
        w = s.raw()
        w.read_info()
        w.start_tls(tls_context(version, cert=pair.cert, key=pair.key))
        w.connect().ping()


def refused(s, pair):
    for version in (V12, V13):
        w = s.raw()
        w.read_info()
        with pytest.raises(TlsRefused):
            w.start_tls(tls_context(version, cert=pair.cert, key=pair.key))
            raise TlsRefused("", w.refused_later())


@pytest.mark.one_worker
def test_intermediate_as_the_only_anchor(server, certs, tmp_path):
    """What it issued is let in, with and without the chain; its own issuer's other clients are not."""
    bare = Pair(str(tmp_path / "bare"))
    with open(certs.client_middle.cert) as f, open(bare.cert, "w") as out:
        out.write(f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    shutil.copy(certs.client_middle.key, bare.key)
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true }\n"
               % (pair.cert, pair.key, certs.middle_ca.cert))

    knocks(s, certs.client_middle)
    knocks(s, bare)
    refused(s, certs.client)


@pytest.mark.one_worker
def test_bundle_of_root_intermediate_and_foreign_root(server, certs, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("".join(open(c.cert).read()
                              for c in (certs.foreign_ca, certs.middle_ca, certs.ca)))
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true }\n"
               % (pair.cert, pair.key, bundle))

    for client in (certs.client, certs.client_rsa, certs.client_middle, certs.client_foreign):
        knocks(s, client)
    refused(s, certs.client_expired)


# ---- connection_rate_limit ---------------------------------------------------------------------------------

THROTTLED = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"


def try_in(s, ctx):
    """One client; True in, False throttled."""
    w = s.raw()
    w.read_info()
    if w.buf:
        return False
    try:
        w.start_tls(ctx)
    except (TlsRefused, OSError):
        return False
    w.connect().ping()
    return True


@quick
def test_rate_limit(server, certs):
    pair = certs.server_ecdsa
    s = server(["-D"], conf="tls { cert_file: '%s', key_file: '%s', connection_rate_limit: 2 }\n"
               % (pair.cert, pair.key), monitor=True)
    ctx = tls_context()
    wires = [s.raw() for _ in range(5)]

    infos = [w.read_info() for w in wires]

    def throttled():
        found = [w for w in wires if w.buf or w.fill(0.01)]
        return found if len(found) == 3 else None

    ends = wire.until("three that are refused", throttled)
    for w in ends:
        w.expect_eof(THROTTLED)
    s.wait_log(r"\[WRN\] Rejected 3 connections due to TLS rate limiting")
    s.wait_log("Client connection closed: Maximum Connections Exceeded")
    assert s.closed_reason(ends[0].cid) == "Maximum Connections Exceeded"
    for w in wires:
        if w not in ends:
            w.start_tls(ctx)
            w.connect().ping()
    assert len(infos) == 5
    wire.until("a handshake in the next second", lambda: try_in(s, ctx))


@pytest.mark.one_worker
def test_rate_limit_of_tls_first_speaks_without_info(server, certs):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', connection_rate_limit: 1, "
               "handshake_first: true }\n" % (pair.cert, pair.key))
    first, second = s.raw(), s.raw()
    # they may have changed places on the way in
    if wire.until("one that is refused", lambda: first.fill(0.01) or second.fill(0.01)) and first.buf:
        first, second = second, first

    second.expect_eof(THROTTLED)

    first.start_tls(tls_context())
    first.read_info()
    first.connect().ping()


@pytest.mark.one_worker
def test_rate_limit_does_not_count_plain_clients(server, certs):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', connection_rate_limit: 1 }\n"
               "allow_non_tls: true\n" % (pair.cert, pair.key))

    for _ in range(5):
        w = s.raw()
        w.read_info()
        w.connect().ping()
    assert try_in(s, tls_context())
    assert not try_in(s, tls_context())


@pytest.mark.one_worker
def test_rate_limit_below_zero_is_none(server, certs):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', connection_rate_limit: -1 }\n"
               % (pair.cert, pair.key))

    for _ in range(5):
        assert try_in(s, tls_context())


@quick
@pytest.mark.one_worker
def test_flags_take_the_place_of_all_certificates(server, many):
    flag = many.pair("b-ec")
    s = server(["--tls", "--tlscert", flag.cert, "--tlskey", flag.key],
               conf=many.conf(["a-ec", "a-rsa"], "handshake_first: true"))

    for host in ("a.test", "b.test"):
        assert subject(s.port, "-servername", host) == "b-ec"
