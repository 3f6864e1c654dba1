"""cipher_suites, curve_preferences and strict_ciphers: what is on, and in which order."""
import re
import ssl
import subprocess

import pytest

import wire
from wire import TlsRefused, tls_context

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
C128, C256, CHACHA = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"
E128, E256 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
ECHACHA = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
# as openssl calls those of TLS 1.2
OPENSSL = {E128: "ECDHE-ECDSA-AES128-GCM-SHA256", E256: "ECDHE-ECDSA-AES256-GCM-SHA384",
           ECHACHA: "ECDHE-ECDSA-CHACHA20-POLY1305"}


@pytest.fixture
def listed(server, certs):
    """A TLS first server with these members in its block."""
    def start(more, key_type="ecdsa", **kw):
        pair = certs.server(key_type)
        return server(["-D"], conf="tls {\n cert_file: '%s'\n key_file: '%s'\n handshake_first: true\n"
                      " %s\n}\n" % (pair.cert, pair.key, more), **kw)
    return start


def s_client(s, *args):
    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port] + list(args),
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * wire.PATIENCE)
    return p.stdout


def done(s, *args):
    """Does the handshake end well?"""
    return subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port] + list(args),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=20 * wire.PATIENCE).returncode == 0


def suite(s, *args):
    """What was negotiated, as openssl calls it; None when nothing was."""
    found = re.search(r"^ *New, TLSv1\.[23], Cipher is (\S+)$", s_client(s, *args), re.M)
    return found.group(1) if found else None


def group(s, *args):
    found = re.search(r"^Server Temp Key: ([^,]+), ([^,]+)", s_client(s, *args), re.M)
    if found is None:
        return None
    return found.group(2) if found.group(1) == "ECDH" else found.group(1)


def suites(*names):
    return "cipher_suites: [ %s ]" % ", ".join("'%s'" % n for n in names)


# ---- what is on ------------------------------------------------------------------------------------------


@quick
@pytest.mark.own
def test_named_suite_of_tls_1_3_is_the_only_one(listed):
    s = listed(suites(C256))

    assert suite(s, "-tls1_3") == C256
    assert suite(s, "-tls1_3", "-ciphersuites", C128) is None
    s.wait_log("TLS handshake error: tls: no cipher suite supported by both client and server; "
               r"client offered: \[1301 ff\]")
    assert suite(s, "-tls1_2") is None      # none of TLS 1.2 is named


@quick
@pytest.mark.own
def test_list_of_both_versions(listed):
    s = listed(suites(CHACHA, E256))

    assert suite(s, "-tls1_3") == CHACHA
    assert suite(s, "-tls1_2") == OPENSSL[E256]
    assert suite(s, "-tls1_3", "-ciphersuites", C128 + ":" + C256) is None
    assert suite(s, "-tls1_2", "-cipher", OPENSSL[E128]) is None


@quick
def test_list_without_tls_1_3_leaves_it_on(listed, kind):
    s = listed(suites(E256))

    assert suite(s, "-tls1_2") == OPENSSL[E256]
    assert suite(s, "-tls1_3") is not None
    if not kind.is_ref:
        s.wait_log(r"\[WRN\] cipher_suites names no suite of TLS 1\.3, so all of them stay on: name those "
                   "to allow, or set strict_ciphers to allow none")


@quick
@pytest.mark.own
def test_strict_ciphers_makes_it_final(listed):
    s = listed(suites(E256) + "\n strict_ciphers: true")

    assert suite(s) == OPENSSL[E256]
    assert suite(s, "-tls1_3") is None
    s.wait_log(r"TLS handshake error: tls: client offered only unsupported versions: \[304\]")
    assert "stay on" not in s.log()


BAD = [
    ("not_a_bool", "strict_ciphers: 1", "2:2", "error parsing tls config, expected 'strict_ciphers' to be a boolean"),
    ("no_list", "strict_ciphers: true", "1:1", "error parsing tls config, 'strict_ciphers' needs 'cipher_suites'"),
    ("nothing_left", "min_version: '1.3'\n strict_ciphers: true\n " + suites(E256), "1:1",
     "error parsing tls config, 'strict_ciphers' without a TLS 1.3 suite in 'cipher_suites' leaves nothing "
     "for 'min_version' 1.3"),
]


@quick
@pytest.mark.own
@pytest.mark.parametrize("body,at,text", [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_bad_strict_ciphers(run, prog, tmp_path, body, at, text):
    (tmp_path / "t.conf").write_text("tls {\n %s\n}\n" % body)

    p = run(["-c", "t.conf", "-t"])

    assert p.returncode == 1
    assert p.stderr == "%s: t.conf:%s: %s\n\n" % (prog, at.replace("1:1", "1:0"), text)


# ---- in which order --------------------------------------------------------------------------------------


@quick
def test_default_order_begins_with_aes_128(listed):
    """Ours decides, and a client that likes another suite best gets AES-128-GCM."""
    s = listed("")

    assert suite(s, "-tls1_3", "-ciphersuites", C256 + ":" + C128) == C128
    assert suite(s, "-tls1_2", "-cipher", OPENSSL[E256] + ":" + OPENSSL[E128]) == OPENSSL[E128]


@quick
@pytest.mark.own
@pytest.mark.parametrize("order", [[CHACHA, C128, C256], [C256, CHACHA, C128], [C128, C256, CHACHA]])
def test_order_of_the_list_decides_in_tls_1_3(listed, order):
    s = listed(suites(*order))

    assert suite(s, "-tls1_3", "-ciphersuites", ":".join(reversed(order))) == order[0]
    assert suite(s, "-tls1_3", "-ciphersuites", ":".join([order[2], order[1]])) == order[1]


@quick
@pytest.mark.own
@pytest.mark.parametrize("order", [[ECHACHA, E128, E256], [E256, ECHACHA, E128], [E128, E256, ECHACHA]])
def test_order_of_the_list_decides_in_tls_1_2(listed, order):
    s = listed(suites(*order))
    names = [OPENSSL[n] for n in order]

    assert suite(s, "-tls1_2", "-cipher", ":".join(reversed(names))) == names[0]
    assert suite(s, "-tls1_2", "-cipher", ":".join([names[2], names[1]])) == names[1]


@quick
@pytest.mark.own
def test_order_of_curves_decides_or_a_warning_says_that_it_does_not(listed, kind):
    s = listed("curve_preferences: [ CurveP384, CurveP256 ]", key_type="rsa")
    likes_256 = ["-curves", "P-256:P-384"]

    if kind.provider == "gnutls":
        assert group(s, "-tls1_3", *likes_256) == "secp384r1"
        assert group(s, "-tls1_2", *likes_256) == "secp384r1"
        assert "[WRN] the order" not in s.log()
    else:
        assert group(s, "-tls1_3", *likes_256) == "prime256v1"
        s.wait_log(r'\[WRN\] the order of curve_preferences is not kept: with tls provider "wolfssl" the '
                   "client's order decides")
        s.wait_log(r'\[WRN\] curve_preferences in TLS 1\.2: tls provider "wolfssl" takes the client\'s first '
                   "group, and the client is refused when that is not listed")


@quick
@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_no_other_curve_is_used(listed, flag):
    s = listed("curve_preferences: [ CurveP384 ]", key_type="rsa", monitor=True)

    assert not done(s, flag, "-curves", "X25519:P-256")
    s.wait_log(r"\[ERR\].* TLS handshake error: ")
    s.wait_log("Client connection closed: TLS Handshake Failure")
    assert group(s, flag, "-curves", "P-384") == "secp384r1"


# ---- counters --------------------------------------------------------------------------------------------


def handshakes(s):
    return s.get("/varz")["natterjack"]["tls_handshakes"]


@quick
@pytest.mark.own
def test_refused_suites_and_certificates_are_counted(server, certs):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true, "
               "pinned_certs: [ '%s' ], connection_rate_limit: 5, %s }\n"
               % (pair.cert, pair.key, certs.ca.cert, certs.client.spki_sha256(), suites(E256)),
               monitor=True)
    bad = [tls_context(V12, ciphers=OPENSSL[E128]), tls_context(V12),
           tls_context(V12, cert=certs.client_foreign.cert, key=certs.client_foreign.key),
           tls_context(V12, cert=certs.client_rsa.cert, key=certs.client_rsa.key),
           tls_context(V12, cert=certs.client.cert, key=certs.client.key), tls_context(V12)]
    wires = []
    for ctx in bad:
        w = s.raw()
        w.read_info()
        wires.append(w)
    for w, ctx in zip(wires, bad):
        if w.buf or w.fill(0.1):
            w.expect_eof(b"-ERR 'Connection throttling is active. Please try again later.'\r\n")
            continue
        try:
            w.start_tls(ctx)
        except (TlsRefused, OSError):
            pass

    failed = wire.until("the counters", lambda: (lambda f: f if sum(f.values()) == 5 else None)(
        handshakes(s)["failed"]), 3 * wire.PATIENCE)

    assert {k: n for k, n in failed.items() if n} == {
        "cipher_suite": 1, "no_certificate": 1, "certificate": 1, "not_pinned": 1, "throttled": 1}
    wire.until("the good one", lambda: handshakes(s)["full"] == 1)


@quick
@pytest.mark.own
def test_handshakes_are_counted_by_their_end(server, certs):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', timeout: '300ms', "
               "curve_preferences: [ X25519 ] }\n"
               % (pair.cert, pair.key), monitor=True)
    ctx = tls_context(V13)
    w = s.raw()
    w.read_info()
    w.start_tls(ctx).connect().ping()
    session = w.tls.session
    again = s.raw()
    again.read_info()
    again.start_tls(ctx, session=session).connect().ping()

    plain = s.raw()
    plain.read_info()
    plain.connect()
    plain.expect_eof()
    gone = s.raw()
    gone.read_info()
    gone.close()
    silent = s.raw()
    silent.read_info()
    silent.expect_eof()
    for bad in (tls_context(ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0"),
                tls_context(V13, curve="prime256v1")):
        w = s.raw()
        w.read_info()
        with pytest.raises(TlsRefused):
            w.start_tls(bad)
    picky = s.raw()
    picky.read_info()
    with pytest.raises(TlsRefused):
        picky.start_tls(tls_context(V12, ca=certs.foreign_ca.cert))
    picky.sock.sendall(picky.bio_out.read())    # its alert

    want = {"closed": 1, "timeout": 1, "not_tls": 1, "version": 1, "cipher_suite": 0, "curve": 1,
            "no_certificate": 0, "certificate": 0, "not_pinned": 0, "peer_alert": 1, "bad_record": 0,
            "other": 0, "throttled": 0}
    total = sum(want.values())
    wire.until("the counters", lambda: sum(handshakes(s)["failed"].values()) >= total, 3 * wire.PATIENCE)
    assert handshakes(s)["failed"] == want
    assert handshakes(s)["full"] == 1
    assert handshakes(s)["resumed"] == 1


# -- signatures inside the handshake

LOW = ("-tls1_2", "-cipher", "DEFAULT:@SECLEVEL=0")     # openssl itself lets SHA-1 pass then


@quick
def test_server_signs_nothing_with_sha1(listed):
    """Not even for a client of TLS 1.2 that offers nothing else."""
    s = listed("", "rsa")

    assert suite(s, *LOW, "-sigalgs", "RSA+SHA256") is not None
    assert suite(s, *LOW, "-sigalgs", "RSA+SHA1") is None


@quick
def test_no_client_is_asked_to_sign_with_sha1(listed, certs):
    s = listed("verify: true\n ca_file: '%s'" % certs.ca.cert)

    out = s_client(s, *LOW, "-cert", certs.client.cert, "-key", certs.client.key)

    asked = re.search(r"^Requested Signature Algorithms: (.*)$", out, re.M).group(1)
    assert "ECDSA+SHA256" in asked and "SHA1" not in asked
