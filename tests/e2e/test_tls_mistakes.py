"""What people get wrong with TLS, and what the server says of it."""
import re
import subprocess

import pytest

import wire
from certs import openssl

pytestmark = [pytest.mark.tls, pytest.mark.quick]

BLOCK = 'tls { cert_file: "%s", key_file: "%s" %s }\n'


def warnings(s):
    return re.findall(r"\[WRN\] (\S+): ((?:the|this) .*)", s.log())


@pytest.mark.own
@pytest.mark.parametrize("pair, said", [
    ("client_expired", "the certificate expired at 2020-02-01T00:00:00Z: clients will refuse it"),
    ("client", "the certificate is not for servers: its extended key usage has no serverAuth"),
    ("client_no_eku", "the certificate names no server: clients need its DNS name or address as a subject "
                      "alternative name"),
    ("ca", "this is the certificate of an authority, not of a server: its key usage has no digitalSignature"),
])
def test_a_certificate_that_clients_refuse_is_warned_of(server, certs, pair, said):
    files = getattr(certs, pair)

    s = server(conf=BLOCK % (files.cert, files.key, ""))

    assert (files.cert, said) in warnings(s)


@pytest.mark.own
def test_a_good_certificate_is_not_warned_of(server, certs):
    files = certs.server_middle # a chain in order

    s = server(conf=BLOCK % (files.cert, files.key, ""))

    assert warnings(s) == []


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_verify_without_a_ca_file_names_no_authorities(server, certs, flag):
    """Else clients would leave out a certificate whose authority is not among the system's."""
    files = certs.server_ecdsa
    s = server(conf=BLOCK % (files.cert, files.key, ", verify: true, handshake_first: true"))

    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, flag],
                       input="", capture_output=True, text=True, timeout=20 * wire.PATIENCE)

    assert "No client certificate CA names sent" in p.stdout and "Requested Signature Algorithms" in p.stdout


def test_verify_with_a_ca_file_names_its_authorities(server, certs, kind):
    if kind.provider == "wolfssl":
        pytest.skip("wolfSSL 5.5 names no authorities: docs/differences.md")
    files = certs.server_ecdsa
    s = server(conf=BLOCK % (files.cert, files.key, ", verify: true, handshake_first: true, ca_file: '%s'"
                             % certs.ca.cert))

    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port],
                       input="", capture_output=True, text=True, timeout=20 * wire.PATIENCE)

    assert re.search("Acceptable client certificate CA names\n.*CN = Test CA", p.stdout)


@pytest.mark.parametrize("kind_of_key, said", [
    ("X25519", "found unknown private key type in PKCS#8 wrapping"), ("X448", "failed to parse private key"),
    ("ED448", "failed to parse private key"),
])
def test_a_key_that_no_certificate_has_is_named(run, prog, certs, tmp_path, kind_of_key, said):
    key, conf = tmp_path / "odd.pem", tmp_path / "odd.conf"
    openssl("genpkey", "-algorithm", kind_of_key, "-out", str(key))
    conf.write_text(BLOCK % (certs.server_ecdsa.cert, key, ""))

    p = run(["-t", "-c", str(conf)])

    assert p.returncode == 1
    assert p.stderr.startswith("%s: %s:1:0: error parsing X509 certificate/key pair: tls: %s\n" % (prog, conf, said))
