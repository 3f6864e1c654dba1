"""What a tls block may hold, and the sentence for each thing it may not."""
import re

import pytest

from wire import tls_context

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
quick = pytest.mark.quick

# The keys of the block, the text.  {cert} and {key} fit together, {other} is the key of another.
PAIR = "cert_file: '{cert}', key_file: '{key}', "
BAD = [
    ("unknown_key", PAIR + "zork: 1", 'error parsing tls config, unknown field "zork"'),
    ("cert_is_a_number", "cert_file: 1", "error parsing tls config, expected 'cert_file' to be filename"),
    ("key_is_a_number", "key_file: 1", "error parsing tls config, expected 'key_file' to be filename"),
    ("ca_is_a_number", "ca_file: 1", "error parsing tls config, expected 'ca_file' to be filename"),
    ("no_key", "cert_file: '{cert}'", "missing 'key_file' in TLS configuration"),
    ("no_cert", "key_file: '{key}'", "missing 'cert_file' in TLS configuration"),
    ("cert_not_there", "cert_file: 'nope.pem', key_file: '{key}'",
     "error parsing X509 certificate/key pair: open nope.pem: no such file or directory"),
    ("key_of_another", "cert_file: '{cert}', key_file: '{other}'", "error parsing X509 certificate/key pair: "),
    ("ca_not_there", PAIR + "ca_file: 'x.pem'", "open x.pem: no such file or directory"),
    ("ca_without_certificate", PAIR + "ca_file: '{key}'", "failed to parse root ca certificate"),
    ("suites_empty", PAIR + "cipher_suites: []", "error parsing tls config, 'cipher_suites' cannot be empty"),
    ("suite_unknown", PAIR + "cipher_suites: [ 'NOPE' ]", "unrecognized cipher NOPE"),
    ("suite_insecure", PAIR + "cipher_suites: [ 'TLS_RSA_WITH_AES_128_CBC_SHA' ]",
     "insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: "
     "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("curves_empty", PAIR + "curve_preferences: []",
     "error parsing tls config, 'curve_preferences' cannot be empty"),
    ("curve_unknown", PAIR + "curve_preferences: [ Curve9 ]", "unrecognized curve preference Curve9"),
    ("version_1_1", PAIR + "min_version: '1.1'", "error parsing tls config: unsupported TLS version: TLS 1.1"),
    ("version_1_0", PAIR + "min_version: '1.0'", "error parsing tls config: unsupported TLS version: TLS 1.0"),
    ("version_1_4", PAIR + "min_version: '1.4'", "error parsing tls config: unknown version: 1.4"),
    ("version_number", PAIR + "min_version: 1.3", "error parsing tls config: 'min_version' wrong type: 1.3"),
    ("timeout_text", PAIR + "timeout: 'x'", "error parsing tls config, 'timeout' time: invalid duration \"x\""),
    ("timeout_bool", PAIR + "timeout: true", "error parsing tls config, 'timeout' wrong type"),
    ("verify_text", PAIR + "verify: 'x'", "error parsing tls config, expected 'verify' to be a boolean"),
    ("insecure_text", PAIR + "insecure: 'x'", "error parsing tls config, expected 'insecure' to be a boolean"),
    ("known_urls", PAIR + "verify_cert_and_check_known_urls: true",
     "verify_cert_and_check_known_urls not supported in this context"),
    ("pins_text", PAIR + "pinned_certs: 'x'", "error parsing tls config, expected 'pinned_certs' to be a list of "
     "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo"),
    ("pin_short", PAIR + "pinned_certs: [ 'ABC' ]", "error parsing tls config, 'pinned_certs' key abc does not "
     "look like hex-encoded sha256 of DER encoded SubjectPublicKeyInfo"),
    ("rate_text", PAIR + "connection_rate_limit: 'x'",
     "error parsing tls config, 'connection_rate_limit' wrong type"),
    ("first_maybe", PAIR + "handshake_first: 'maybe'", 'field "handshake_first"\'s value "maybe" is invalid'),
    ("first_number", PAIR + "handshake_first: 1", 'field "handshake_first" should be a boolean or a string, got '
     "int64"),
    ("store", "cert_store: 'WindowsCurrentUser'", "cert_store not compatible with current operating system"),
    ("store_unknown", "cert_store: 'x'", "cert store type not implemented"),
]


@quick
@pytest.mark.parametrize("body,text", [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_refused(run, prog, certs, tmp_path, body, text):
    pair = certs.server_ecdsa
    body = (body.replace("{cert}", pair.cert).replace("{key}", pair.key)
            .replace("{other}", certs.server_rsa.key))
    (tmp_path / "t.conf").write_text("port: -1\ntls {\n " + body.replace(", ", "\n ", 2) + "\n}\n")

    p = run(["-c", "t.conf", "-t"])

    assert p.returncode == 1 and p.stdout == ""
    assert re.match(r"%s: t\.conf:\d+:\d+: " % prog, p.stderr), p.stderr
    assert text in p.stderr


GOOD = [
    ("empty_pins", "pinned_certs: []"),
    ("timeout_zero", "timeout: 0"),
    ("timeout_float", "timeout: 1.5"),
    ("timeout_duration", "timeout: '1500ms'"),
    ("known_urls_false", "verify_cert_and_check_known_urls: false"),
    ("keys_in_any_case", "Verify: false"),
    ("first_on", "handshake_first: on"),
    ("first_upper_case", "handshake_first: 'AUTO'"),
    ("insecure_suite_allowed", "allow_insecure_cipher_suites: true\n cipher_suites: [ "
     "'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256' ]"),
    ("two_curves", "curve_preferences: [ CurveP256, X25519 ]"),
    ("min_version", "min_version: '1.2'"),
]


@quick
@pytest.mark.parametrize("body", [pytest.param(b[1], id=b[0]) for b in GOOD])
def test_accepted(run, certs, tmp_path, body):
    pair = certs.server_ecdsa
    (tmp_path / "t.conf").write_text("tls {\n cert_file: '%s'\n key_file: '%s'\n %s\n}\n"
                                     % (pair.cert, pair.key, body))

    p = run(["-c", "t.conf", "-t"])

    assert p.returncode == 0, p.stderr


def test_block_is_no_map(run, tmp_path):
    (tmp_path / "t.conf").write_text("tls: 1\n")

    p = run(["-c", "t.conf", "-t"])

    assert p.returncode == 1
    assert "t.conf:1:" in p.stderr


def test_chain_in_one_file_leaf_first(server, certs, tmp_path):
    """The file may hold more than the leaf; all of it is sent."""
    pair = certs.server_ecdsa
    chain = tmp_path / "chain.pem"
    chain.write_text(open(pair.cert).read() + open(certs.ca.cert).read())
    s = server(conf="tls { cert_file: '%s', key_file: '%s' }\n" % (chain, pair.key))
    w = s.raw()
    w.read_info()

    w.start_tls(tls_context(ca=certs.ca.cert), server_hostname="localhost")

    w.connect().ping()


def test_ca_bundle_of_two(server, certs, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text(open(certs.ca.cert).read() + open(certs.foreign_ca.cert).read())
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true }\n"
               % (pair.cert, pair.key, both))

    for client in (certs.client, certs.client_foreign):
        w = s.raw()
        w.read_info()
        w.start_tls(tls_context(cert=client.cert, key=client.key))
        w.connect().ping()
