"""TLS on the client port: who speaks when, what INFO says, who is refused, with which alert."""
import os
import ssl
import subprocess
import time

import pytest

import wire
from wire import TlsRefused, tls_context

pytestmark = [pytest.mark.tls]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])
KEY_TYPES = pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])

# Suites of TLS 1.2 as OpenSSL and as NATS call them, by key type.
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-SHA": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "ECDHE-ECDSA-AES256-SHA": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
}


def block(certs, key_type="ecdsa", more="", after=""):
    pair = certs.server(key_type)
    return 'tls {\n cert_file: "%s"\n key_file: "%s"\n %s\n}\n%s\n' % (pair.cert, pair.key, more, after)


@pytest.fixture
def tls_server(server, certs):
    """tls_server(more="verify: true", after="allow_non_tls: true", key_type="rsa")"""
    def start(more="", after="", key_type="ecdsa", args=(), **kw):
        return server(["-D"] + list(args), conf=block(certs, key_type, more, after), **kw)
    return start


def upgrade(s, ctx=None, **options):
    """INFO in clear, handshake, CONNECT, PING, PONG."""
    w = s.raw()
    w.read_info()
    w.start_tls(ctx or tls_context())
    w.connect(**options)
    return w.ping()


def alert_for(s, ctx, first=False):
    """The alert that ends this client's handshake, None for a bare end."""
    w = s.raw()
    if not first:
        w.read_info()
    try:
        w.start_tls(ctx)
    except TlsRefused as exc:
        return exc.alert
    return w.refused_later()


def handshake_error(s, level, text=".*", since=0):
    """The log line of a failed handshake; the words behind it are the library's own."""
    if not s.is_ref:
        text = ".*"
    s.wait_log(r"\[%s\] 127.0.0.1:\d+ - cid:\d+ - TLS handshake error: %s" % (level, text), since)
    s.wait_log("Client connection closed: TLS Handshake Failure", since)


def timed_out(s):
    """Either line may come first, and the first one may take the place of the other."""
    s.wait_log(r"\[DBG\].* - TLS handshake (timeout|error: .*)$")
    s.wait_log("Client connection closed: TLS Handshake Failure")
    assert not wire.re_search(r"\[ERR\].*TLS handshake", s.log())


# -- the normal upgrade

@quick
@VERSIONS
@KEY_TYPES
def test_upgrade(tls_server, certs, version, key_type):
    s = tls_server(key_type=key_type, monitor=True)
    w = s.raw()
    info = w.read_info()
    assert info["tls_required"] is True
    assert "tls_available" not in info and "tls_verify" not in info

    w.start_tls(tls_context(version, ca=certs.ca.cert), server_hostname="localhost")
    w.connect().ping()          # and no second INFO before the PONG

    entry = s.conn(w.cid)
    assert entry["tls_version"] == ("1.2" if version == V12 else "1.3")
    openssl_name = w.tls.cipher()[0]
    assert entry["tls_cipher_suite"] == SUITES.get(openssl_name, openssl_name)
    assert "tls_first" not in entry
    mine = r" 127.0.0.1:\d+ - cid:%d - " % w.cid
    s.wait_log(mine + "TLS version")
    log = s.log()
    places = [wire.re_search(x, log).start() for x in (
        r"\[DBG\]" + mine + "Client connection created",
        r"\[DBG\]" + mine + "Starting TLS client connection handshake",
        r"\[DBG\]" + mine + "TLS handshake complete",
        r"\[DBG\]" + mine + "TLS version %s, cipher suite %s$" % (entry["tls_version"],
                                                                  entry["tls_cipher_suite"]))]
    assert places == sorted(places)


def test_start_lines_and_ports_file(tls_server):
    s = tls_server()

    s.wait_log(r"\[INF\] TLS required for client connections$")
    assert s.urls["nats"][0].startswith("tls://127.0.0.1:")


@quick
def test_second_info_after_the_first_ping(tls_server):
    s = tls_server()
    w = s.raw()
    w.read_info()
    w.start_tls(tls_context()).connect(protocol=1).ping()

    info = w.read_info()

    assert info["connect_info"] is True and info["tls_required"] is True
    w.ping()


@quick
@VERSIONS
def test_traffic_both_ways(tls_server, version):
    s = tls_server()
    a, b = upgrade(s, tls_context(version)), upgrade(s, tls_context(version))
    a.sub("t", 1).ping()
    sizes = [0, 1, 100, 1000, 16383, 16384, 16385, 40000, 65536, 300000, 1048576]

    for n in sizes:
        b.pub("t", b"%d" % (n % 10) * n)

    for n in sizes:
        assert a.msg()[4] == b"%d" % (n % 10) * n
    b.ping()


@quick
@VERSIONS
def test_many_small_messages(tls_server, version):
    s = tls_server()
    a, b = upgrade(s, tls_context(version)), upgrade(s, tls_context(version))
    a.sub("t", 1).ping()

    for i in range(0, 5000, 500):
        b.send(b"".join(b"PUB t 6\r\n%06d\r\n" % n for n in range(i, i + 500)))

    for n in range(5000):
        assert a.msg()[4] == b"%06d" % n


def test_protocol_byte_by_byte_in_records(tls_server):
    s = tls_server()
    w = upgrade(s)

    w.send_bytewise(b"SUB a 1\r\nPUB a 2\r\nhi\r\n")

    w.expect(b"MSG a 1 2\r\nhi\r\n")


@pytest.mark.parametrize("chunk", [1, 7])
@VERSIONS
@quick
def test_handshake_in_small_pieces(tls_server, version, chunk):
    """Each record of the client comes in many segments."""
    s = tls_server()
    w = s.raw()
    w.read_info()
    real = w.sock

    class Chopped:
        def sendall(self, data):
            for i in range(0, len(data), chunk):
                real.sendall(data[i:i + chunk])

        def __getattr__(self, name):
            return getattr(real, name)
    w.sock = Chopped()

    w.start_tls(tls_context(version))

    w.connect().ping()


@quick
@VERSIONS
def test_connect_in_the_same_flight_as_finished(tls_server, version):
    s = tls_server()
    w = s.raw()
    w.read_info()
    w.start_tls(tls_context(version))

    w.send(b'CONNECT {"verbose":false}\r\nPING\r\nSUB a 1\r\nPUB a 1\r\nx\r\n')

    w.expect(b"PONG\r\nMSG a 1 1\r\nx\r\n")


def test_close_notify_ends_the_connection(tls_server):
    s = tls_server(monitor=True)
    w = upgrade(s)

    w.tls_close_notify()
    w.half_close()

    assert s.closed_reason(w.cid) == "Client Closed"


@quick
def test_what_came_before_close_notify_is_answered(tls_server):
    s = tls_server()
    w = upgrade(s)

    w.tls.write(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n')
    w.tls_close_notify()   # in one segment with the above
    w.half_close()

    w.expect_eof(b"MSG a 1 1\r\nx\r\nPONG\r\n")


@quick
def test_a_long_list_before_close_notify_counts_to_its_end(tls_server):
    s = tls_server()
    watcher = upgrade(s)
    watcher.sub("done", 1).ping()
    w = upgrade(s)

    w.tls.write(b"".join(b"SUB a.%d.b %d\r\n" % (n, n) for n in range(3000)) + b"PUB done 2\r\nhi\r\n")
    w.tls_close_notify()

    watcher.expect(b"MSG done 1 2\r\nhi\r\n")
    w.expect_eof()


def test_bare_tcp_end_is_client_closed(tls_server):
    s = tls_server(monitor=True)
    w = upgrade(s)

    w.half_close()

    assert s.closed_reason(w.cid) in ("Client Closed", "Read Error")
    upgrade(s)


def test_protocol_error_over_tls(tls_server):
    s = tls_server()
    w = upgrade(s)

    w.send(b"NONSENSE\r\n")

    w.expect_eof(b"-ERR 'Unknown Protocol Operation'\r\n")


@quick
def test_plain_and_tls_payload_violation(tls_server):
    s = tls_server()
    w = upgrade(s)

    w.send(b"PUB a 1048577\r\n")

    w.expect_eof(b"-ERR 'Maximum Payload Violation'\r\n")


@VERSIONS
def test_session_is_resumed(tls_server, version):
    s = tls_server()
    ctx = tls_context(version)
    w = upgrade(s, ctx)
    w.pub("x", b"").ping()          # with TLS 1.3 the ticket comes with the first data
    session = w.tls.session
    assert session is not None and session.has_ticket

    again = s.raw()
    again.read_info()
    again.start_tls(ctx, session=session)

    assert again.tls.session_reused
    again.connect().ping()


@VERSIONS
def test_alpn_is_ignored(tls_server, version):
    s = tls_server()
    ctx = tls_context(version)
    ctx.set_alpn_protocols(["h2", "http/1.1"])

    w = upgrade(s, ctx)

    assert w.tls.selected_alpn_protocol() is None


def test_server_name_unknown_to_the_certificate_is_fine(tls_server):
    s = tls_server()
    w = s.raw()
    w.read_info()

    w.start_tls(tls_context(), server_hostname="elsewhere.example")

    w.connect().ping()


def test_certificate_shown_is_the_configured_one(tls_server, certs):
    s = tls_server(key_type="rsa")
    w = upgrade(s)

    der = w.tls.getpeercert(True)

    assert ssl.DER_cert_to_PEM_cert(der).split() == open(certs.server_rsa.cert).read().split()


@quick
def test_credentials_over_tls(tls_server):
    s = tls_server(after="authorization { user: a, password: b }")
    w = s.raw()
    assert w.read_info()["auth_required"] is True
    w.start_tls(tls_context())
    w.connect(user="a", **{"pass": "b"}).ping()

    bad = s.raw()
    bad.read_info()
    bad.start_tls(tls_context())
    bad.connect(user="a", **{"pass": "c"})
    bad.expect_eof(b"-ERR 'Authorization Violation'\r\n")


def test_auth_timeout_counts_from_the_end_of_the_handshake(tls_server):
    s = tls_server(after='authorization { token: t, timeout: "300ms" }')
    w = s.raw()
    w.read_info()
    w.silent_for(0.5)

    w.start_tls(tls_context())

    w.expect_eof(b"-ERR 'Authentication Timeout'\r\n")


# -- clients that do not do it

@quick
def test_plain_client_on_a_tls_port(tls_server):
    s = tls_server()
    w = s.raw()
    w.read_info()

    w.send(b"CONNECT {}\r\nPING\r\n")

    w.expect_eof()
    handshake_error(s, "DBG", "tls: first record does not look like a TLS handshake")


@quick
def test_silence(tls_server):
    s = tls_server(more='timeout: "400ms"')
    w = s.raw()
    w.read_info()
    began = time.monotonic()

    w.expect_eof()

    assert 0.35 < time.monotonic() - began < 3 * wire.PATIENCE
    timed_out(s)


@pytest.mark.slow
@pytest.mark.one_worker
def test_silence_by_default_two_seconds(tls_server):
    s = tls_server()
    w = s.raw()
    w.read_info()
    began = time.monotonic()

    w.expect_eof()

    assert 1.9 < time.monotonic() - began < 4 * wire.PATIENCE


def test_timeout_in_seconds(tls_server):
    s = tls_server(more="timeout: 0.4")
    w = s.raw()
    w.read_info()
    began = time.monotonic()

    w.expect_eof()

    assert 0.35 < time.monotonic() - began < 3 * wire.PATIENCE


def test_timeout_too_short_for_anyone(tls_server):
    s = tls_server(more="timeout: 0.0001")

    assert alert_for(s, tls_context()) is None
    handshake_error(s, "DBG")


@quick
def test_half_a_client_hello_and_silence(tls_server):
    s = tls_server(more='timeout: "400ms"')
    w = s.raw()
    w.read_info()

    w.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 50)

    w.expect_eof()
    timed_out(s)
    upgrade(tls_server())


@quick
def test_half_a_client_hello_and_end(tls_server):
    s = tls_server()
    w = s.raw()
    w.read_info()
    w.send(b"\x16\x03\x01\x02\x00\x01\x00")

    w.half_close()

    w.fill()
    assert w.eof
    handshake_error(s, "ERR", ".*EOF")
    upgrade(s)


@quick
def test_probe_that_closes(tls_server):
    s = tls_server()
    w = s.raw()
    w.read_info()

    w.close()

    handshake_error(s, "ERR", "EOF|.*connection reset")
    upgrade(s)


GARBAGE = {
    "hello_full_of_noise": b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c" + bytes(range(60)),
    "record_too_long": b"\x16\x03\x03\xff\xff" + b"\x00" * 200,
    "handshake_of_16_megabytes": b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + b"\x00" * 200,
    "application_data_first": b"\x17\x03\x03\x00\x10" + b"x" * 16,
    "alert_first": b"\x15\x03\x01\x00\x02\x02\x28",
    "empty_record": b"\x16\x03\x01\x00\x00" * 50,
    "finished_first": b"\x16\x03\x03\x00\x10\x14\x00\x00\x0c" + b"f" * 12,
    "sslv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01\x00\x80" * 7 + b"c" * 16,
    "zeros": b"\x00" * 300,
    "change_cipher_specs": b"\x14\x03\x03\x00\x01\x01" * 100,
}


@quick
@pytest.mark.parametrize("what", sorted(GARBAGE))
def test_garbage_instead_of_a_client_hello(tls_server, what):
    s = tls_server(more='timeout: "1s"')
    w = s.raw()
    w.read_info()

    w.send(GARBAGE[what])

    while not w.eof:
        assert w.fill() or w.eof, "still open"
    assert w.buf == b"" or w.buf[0] == 0x15, w.buf        # nothing but an alert
    s.wait_log("Client connection closed: TLS Handshake Failure")
    upgrade(s)


@quick
@pytest.mark.own
def test_another_message_is_refused_before_its_end(tls_server):
    """A provider that waits for all of it would keep the connection until the timeout."""
    s = tls_server(more='timeout: "60s"')
    w = s.raw()
    w.read_info()

    w.send(b"\x16\x03\x01\x00\x20\x02\x00\x40\x00" + b"n" * 28)

    while not w.eof:
        assert w.fill() or w.eof, "still open"
    assert w.buf == b"\x15\x03\x01\x00\x02\x02\x0a"     # unexpected_message
    s.wait_log("TLS handshake error: .*unexpected message")
    upgrade(s)


# -- versions, suites, curves

@quick
def test_old_version(tls_server):
    s = tls_server()
    ctx = tls_context(ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0")

    assert alert_for(s, ctx) == 70
    handshake_error(s, "ERR", r"tls: client offered only unsupported versions: \[302 301\]")


@quick
def test_min_version(tls_server):
    s = tls_server(more='min_version: "1.3"')

    assert alert_for(s, tls_context(V12)) == 70
    upgrade(s, tls_context(V13))


@pytest.mark.parametrize("name", sorted(SUITES))
def test_each_suite_of_the_default_list(tls_server, name):
    s = tls_server(key_type="ecdsa" if "ECDSA" in name else "rsa", monitor=True)
    ctx = tls_context(V12, ciphers=name + ":@SECLEVEL=0")

    w = upgrade(s, ctx)

    assert s.conn(w.cid)["tls_cipher_suite"] == SUITES[name]


@quick
@KEY_TYPES
def test_suite_list(tls_server, key_type):
    kind = key_type.upper()
    s = tls_server(key_type=key_type, monitor=True, more='cipher_suites: [ '
                   '"TLS_ECDHE_%s_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_%s_WITH_AES_256_GCM_SHA384" ]'
                   % (kind, kind))

    assert alert_for(s, tls_context(V12, ciphers="ECDHE-%s-AES128-GCM-SHA256" % kind)) == 40
    handshake_error(s, "ERR", "tls: no cipher suite supported by both client and server")
    w = upgrade(s, tls_context(V12))
    assert s.conn(w.cid)["tls_cipher_suite"] in ("TLS_ECDHE_%s_WITH_CHACHA20_POLY1305_SHA256" % kind,
                                                 "TLS_ECDHE_%s_WITH_AES_256_GCM_SHA384" % kind)
    w = upgrade(s, tls_context(V13))        # the list does not bind TLS 1.3
    assert s.conn(w.cid)["tls_version"] == "1.3"


@quick
@VERSIONS
def test_curve_list(tls_server, version):
    """RSA, because in TLS 1.2 the curve of an ECDSA certificate must be one of the client's."""
    s = tls_server(more="curve_preferences: [ CurveP384 ]", key_type="rsa")

    assert alert_for(s, tls_context(version, curve="prime256v1")) == 40
    handshake_error(s, "ERR", "tls: no (key exchanges|cipher suite) supported by both client and server")
    upgrade(s, tls_context(version, curve="secp384r1"))


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
@VERSIONS
def test_each_curve_of_the_default_list(tls_server, version, curve):
    upgrade(tls_server(key_type="rsa"), tls_context(version, curve=curve))


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_x25519(tls_server, flag):
    """Python cannot choose this one; openssl s_client can, and TLS first lets it speak NATS."""
    s = tls_server(more="handshake_first: true", key_type="rsa")

    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, flag,
                        "-curves", "X25519"], input=b"", capture_output=True, timeout=20)

    assert b"Server Temp Key: X25519" in p.stdout, p.stderr + p.stdout


# -- verify

@pytest.fixture
def verify_server(tls_server, certs):
    def start(more="", **kw):
        return tls_server(more='verify: true\n ca_file: "%s"\n %s' % (certs.ca.cert, more), **kw)
    return start


def with_cert(version, pair):
    return tls_context(version, cert=pair.cert, key=pair.key)


@quick
@VERSIONS
@pytest.mark.parametrize("who", ["client", "client_rsa", "client_no_eku"])
def test_verify_good_certificate(verify_server, certs, version, who):
    s = verify_server(monitor=True)
    pair = getattr(certs, who)
    w = s.raw()
    info = w.read_info()
    assert info["tls_required"] is True and info["tls_verify"] is True

    w.start_tls(with_cert(version, pair))
    w.connect().ping()

    peers = s.conn(w.cid, extra="&auth=1")["tls_peer_certs"]
    assert peers[0]["cert_sha256"] == pair.cert_sha256()
    assert peers[0]["spki_sha256"] == pair.spki_sha256()
    assert peers[0]["subject"] == "CN=%s,O=Natterjack Tests" % who.replace("_", "-")


REFUSED = [
    ("none", V12, 40, "tls: client didn't provide a certificate"),
    ("none", V13, 116, "tls: client didn't provide a certificate"),
    ("client_foreign", V12, 48, "tls: failed to verify certificate: x509: certificate signed by unknown "
     "authority"),
    ("client_foreign", V13, 48, "tls: failed to verify certificate: x509: certificate signed by unknown "
     "authority"),
    ("client_wrong_eku", V12, 42, "tls: failed to verify certificate: x509: certificate specifies an "
     "incompatible key usage"),
    ("client_wrong_eku", V13, 42, "tls: failed to verify certificate: x509: certificate specifies an "
     "incompatible key usage"),
    ("client_expired", V12, 45, "tls: failed to verify certificate: x509: certificate has expired or is not "
     "yet valid: "),
    ("client_expired", V13, 45, "tls: failed to verify certificate: x509: certificate has expired or is not "
     "yet valid: "),
]


@quick
@pytest.mark.parametrize("who,version,alert,text", [
    pytest.param(*r, id="%s-%s" % (r[0], "tls12" if r[1] == V12 else "tls13")) for r in REFUSED])
def test_verify_refuses(verify_server, certs, who, version, alert, text):
    s = verify_server()
    ctx = tls_context(version) if who == "none" else with_cert(version, getattr(certs, who))

    got = alert_for(s, ctx)

    # wolfSSL cannot always be told which alert: then bad_certificate stands for the others.
    assert got == alert or (s.kind.provider == "wolfssl" and who != "none" and got == 42)
    handshake_error(s, "ERR", text)
    if who != "none":
        s.wait_log(r"TLS handshake error: .*\(CN=%s,O=Natterjack Tests SHA-256: %s\)$"
                   % (who.replace("_", "-"), getattr(certs, who).cert_sha256()))
    upgrade(s, with_cert(version, certs.client))


@VERSIONS
def test_client_certificate_not_asked_for_is_not_sent(tls_server, certs, version):
    s = tls_server(monitor=True)

    w = upgrade(s, with_cert(version, certs.client))

    assert "tls_peer_certs" not in s.conn(w.cid, extra="&auth=1")


def test_verify_resumed_session_still_has_its_certificate(verify_server, certs):
    s = verify_server(monitor=True)
    ctx = with_cert(V13, certs.client)
    w = upgrade(s, ctx)
    w.ping()
    session = w.tls.session

    again = s.raw()
    again.read_info()
    again.start_tls(ctx, session=session)
    again.connect().ping()

    peers = s.conn(again.cid, extra="&auth=1")["tls_peer_certs"]
    assert peers[0]["cert_sha256"] == certs.client.cert_sha256()


# -- pinned_certs

@quick
@VERSIONS
def test_pinned_listed(verify_server, certs, version):
    s = verify_server(more='pinned_certs: [ "%s" ]' % certs.client.spki_sha256().upper())

    upgrade(s, with_cert(version, certs.client))


@quick
@VERSIONS
def test_pinned_unlisted(verify_server, certs, version):
    s = verify_server(more='pinned_certs: [ "%s" ]' % certs.client_rsa.spki_sha256())
    w = s.raw()
    w.read_info()

    alert = None
    try:
        w.start_tls(with_cert(version, certs.client))
        alert = w.refused_later()           # the end, and no protocol data before it
    except TlsRefused as exc:
        alert = exc.alert

    if s.is_ref:
        assert alert is None
    s.wait_log(r"\[DBG\].*Failed pinned cert test for key id: %s" % certs.client.spki_sha256())
    handshake_error(s, "ERR", "certificate not pinned")
    s.wait_log("TLS handshake error: certificate not pinned")


def test_pinned_without_a_certificate(tls_server, certs):
    s = tls_server(more='pinned_certs: [ "%s" ]' % certs.client.spki_sha256())

    alert_for(s, tls_context())

    s.wait_log("Failed pinned cert test as client did not provide a certificate")
    handshake_error(s, "ERR", "certificate not pinned")


# -- allow_non_tls

@quick
@VERSIONS
def test_allow_non_tls_serves_both(tls_server, version):
    s = tls_server(after="allow_non_tls: true", monitor=True)
    s.wait_log(r"\[INF\] TLS available for client connections$")
    w = s.raw()
    info = w.read_info()
    assert info["tls_available"] is True and "tls_required" not in info

    w.connect().ping()
    t = upgrade(s, tls_context(version))

    t.sub("both", 1).ping()
    w.pub("both", b"x")
    t.expect(b"MSG both 1 1\r\nx\r\n")
    assert "tls_version" not in s.conn(w.cid)
    assert s.conn(t.cid)["tls_version"]


def test_allow_non_tls_with_verify(verify_server):
    s = verify_server(after="allow_non_tls: true")

    w = s.raw()

    info = w.read_info()
    assert info["tls_available"] is True and info["tls_verify"] is True
    w.connect().ping()


@quick
def test_allow_non_tls_needs_six_bytes(tls_server):
    s = tls_server(after="allow_non_tls: true")
    w = s.raw()
    w.read_info()

    w.send(b"PING\n")               # five
    w.silent_for(0.3)
    w.send(b"P")                    # the sixth opens the door for all of them

    w.expect(b"PONG\r\n")
    w.send(b"ING\r\n")
    w.expect(b"PONG\r\n")


def test_allow_non_tls_serves_few_bytes_after_the_timeout(tls_server):
    s = tls_server(more='timeout: "500ms"', after="allow_non_tls: true")
    w = s.raw()
    w.read_info()

    w.send(b"PING\n")

    w.expect(b"PONG\r\n")


def test_allow_non_tls_silent_client_lives_on(tls_server):
    s = tls_server(more='timeout: "300ms"', after="allow_non_tls: true", monitor=True)
    w = s.raw()
    w.read_info()

    w.silent_for(0.8)

    w.connect().ping()
    assert s.conn(w.cid) is not None


def test_allow_non_tls_client_hello_in_pieces(tls_server):
    s = tls_server(after="allow_non_tls: true")
    w = s.raw()
    w.read_info()
    real = w.sock

    class Chopped:
        def sendall(self, data):
            for i in range(0, len(data), 3):
                real.sendall(data[i:i + 3])

        def __getattr__(self, name):
            return getattr(real, name)
    w.sock = Chopped()

    w.start_tls(tls_context()).connect().ping()


def test_allow_non_tls_one_hello_byte_then_silence(tls_server):
    """0x16 alone waits for six bytes or the timeout, then is a handshake that fails."""
    s = tls_server(more='timeout: "300ms"', after="allow_non_tls: true")
    w = s.raw()
    w.read_info()

    w.send(b"\x16")

    w.expect_eof()


@quick
def test_empty_block_behind_a_tls_proxy(server):
    s = server(["-D"], conf="tls {}\nallow_non_tls: true\n")
    w = s.raw()
    info = w.read_info()
    assert info["tls_available"] is True and "tls_required" not in info

    w.connect().ping()

    assert alert_for(s, tls_context()) == 112
    handshake_error(s, "ERR", "tls: no certificates configured")


def test_empty_block_alone(server):
    s = server(["-D"], conf="tls {}\n")
    w = s.raw()
    assert w.read_info()["tls_required"] is True

    assert alert_for(s, tls_context()) == 112
    handshake_error(s, "ERR", "tls: no certificates configured")


# -- TLS first

def first_client(s, ctx=None, **options):
    w = s.raw()
    w.start_tls(ctx or tls_context())
    w.read_info()
    w.connect(**options)
    return w.ping()


@quick
@VERSIONS
@pytest.mark.parametrize("key", ["handshake_first", "first", "immediate"])
def test_first_always(tls_server, version, key):
    s = tls_server(more=key + ": true", monitor=True)
    s.wait_log(r"\[INF\] TLS required for client connections$")
    s.wait_log(r'\[WRN\] Clients that are not using "TLS Handshake First" option will fail to connect')

    w = first_client(s, tls_context(version))

    assert w.info["tls_required"] is True
    assert s.conn(w.cid)["tls_first"] is True


@quick
def test_first_always_idle_client(tls_server):
    s = tls_server(more='handshake_first: true\n timeout: "400ms"')
    w = s.raw()
    began = time.monotonic()

    w.expect_eof()

    assert time.monotonic() - began > 0.35
    timed_out(s)


@quick
def test_first_always_plain_client(tls_server):
    s = tls_server(more="handshake_first: true")
    w = s.raw()

    w.send(b"CONNECT {}\r\nPING\r\n")

    w.expect_eof()
    handshake_error(s, "DBG", "tls: first record does not look like a TLS handshake")


def test_first_always_overrides_allow_non_tls(tls_server):
    s = tls_server(more='handshake_first: true\n timeout: "400ms"', after="allow_non_tls: true")
    w = s.raw()
    w.expect_eof()

    t = first_client(s)

    assert t.info["tls_required"] is True and t.info["tls_available"] is True


@quick
@pytest.mark.parametrize("value", ["auto", "auto_fallback", '"50ms"'])
def test_first_auto_serves_both(tls_server, value):
    s = tls_server(more="handshake_first: " + value, monitor=True)
    assert "will fail to connect" not in s.log()

    direct = first_client(s)
    waiting = s.raw()
    waiting.read_info()
    waiting.start_tls(tls_context()).connect().ping()

    assert direct.info["tls_required"] is True
    assert s.conn(direct.cid)["tls_first"] is True
    assert "tls_first" not in s.conn(waiting.cid)


@quick
def test_first_duration_is_waited_for(tls_server):
    s = tls_server(more='handshake_first: "300ms"', after="allow_non_tls: true")
    w = s.raw()
    began = time.monotonic()

    info = w.read_info()

    assert 0.28 < time.monotonic() - began < 2 * wire.PATIENCE
    assert info["tls_available"] is True and "tls_required" not in info
    w.connect().ping()
    assert first_client(s).info["tls_required"] is True


@pytest.mark.parametrize("value", ["false", "off"])
def test_first_off(tls_server, value):
    s = tls_server(more="handshake_first: " + value)

    upgrade(s)


def test_first_duration_of_zero_is_always(tls_server):
    s = tls_server(more='handshake_first: "0s"\n timeout: "400ms"')

    s.raw().expect_eof()
    first_client(s)


def test_first_auto_garbage_in_the_window(tls_server):
    s = tls_server(more='handshake_first: "300ms"\n timeout: "500ms"')
    w = s.raw()

    w.send(b"P")

    w.expect_eof()


@VERSIONS
def test_first_with_verify(verify_server, certs, version):
    s = verify_server(more="handshake_first: true")

    first_client(s, with_cert(version, certs.client))

    assert alert_for(s, tls_context(version), first=True) == (40 if version == V12 else 116)


def test_first_second_info(tls_server):
    s = tls_server(more="handshake_first: true")
    w = first_client(s, protocol=1)

    assert w.read_info()["connect_info"] is True


# -- flags

@quick
def test_flags(server, certs):
    pair = certs.server_ecdsa
    s = server(["--tls", "--tlscert", pair.cert, "--tlskey", pair.key])

    upgrade(s)


def test_flags_verify(server, certs):
    pair = certs.server_ecdsa
    s = server(["--tlsverify", "--tlscert=" + pair.cert, "--tlskey=" + pair.key,
                "--tlscacert=" + certs.ca.cert])

    upgrade(s, with_cert(V13, certs.client))
    assert alert_for(s, tls_context(V13)) == 116


def test_flag_switches_tls_off(tls_server):
    s = tls_server(args=["--tls=false"])

    assert "tls_required" not in s.client().info


# -- the rest of the house

def test_varz_fields(tls_server, certs):
    s = tls_server(more='verify: true\n timeout: 3\n ca_file: "%s"' % certs.ca.cert, monitor=True)

    v = s.get("/varz")

    assert v["tls_required"] is True and v["tls_verify"] is True
    assert v["tls_timeout"] == 3
    assert v["tls_cert_not_after"].endswith("Z")


def test_default_tls_timeout_in_varz(tls_server):
    s = tls_server(monitor=True)

    v = s.get("/varz")

    assert v["tls_timeout"] == 2 and v["auth_timeout"] == 3
    assert "tls_verify" not in v


@quick
@VERSIONS
def test_slow_tls_reader_is_closed(tls_server, version):
    s = tls_server(after="max_pending: 2MB", monitor=True)
    bad = wire.Wire(s.port, rcvbuf=4096)
    bad.read_info()
    bad.start_tls(tls_context(version)).connect().ping()
    bad.sub("flood", 1).ping()
    pub = upgrade(s, tls_context(version))

    for _ in range(400):
        pub.send(b"PUB flood 32768\r\n" + b"x" * 32768 + b"\r\n")
    pub.ping(timeout=30 * wire.PATIENCE)

    assert s.closed_reason(bad.cid) == "Slow Consumer (Pending Bytes)"


@quick
def test_two_hundred_tls_clients(tls_server):
    s = tls_server()
    ctx = tls_context(V13)
    clients = [upgrade(s, ctx) for _ in range(200)]
    for c in clients:
        c.sub("everyone", 1)
    for c in clients:
        c.ping()

    clients[0].pub("everyone", b"hello")

    for c in clients:
        c.expect(b"MSG everyone 1 5\r\nhello\r\n")


def test_storm_of_half_open_handshakes_leaves_room(tls_server):
    s = tls_server()
    good = upgrade(s)
    half = []
    for _ in range(200):
        w = s.raw()
        w.read_info()
        w.send(b"\x16\x03\x01\x02\x00\x01")
        half.append(w)

    good.ping()
    upgrade(s)


def test_abort_in_the_middle_of_handshakes(tls_server):
    s = tls_server()
    for n in range(40):
        w = s.raw()
        w.read_info()
        bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        obj = tls_context().wrap_bio(bio_in, bio_out)
        try:
            obj.do_handshake()
        except ssl.SSLWantReadError:
            pass
        w.send(bio_out.read()[:n * 10] if n < 20 else bio_out.read())
        w.abort()

    upgrade(s)


def test_damaged_record_after_the_handshake(tls_server):
    s = tls_server(monitor=True)
    w = upgrade(s)
    w.tls.write(b"PING\r\n")
    record = bytearray(w.bio_out.read())
    record[-1] ^= 1

    w.sock.sendall(record)

    try:
        while not w.eof:
            assert w.fill() or w.eof
        assert w.buf == b""
    except TlsRefused as exc:
        assert exc.alert in (20, 51)
    assert s.closed_reason(w.cid) in ("Read Error", "Client Closed")
    upgrade(s)


def test_plain_bytes_after_the_handshake(tls_server):
    s = tls_server(monitor=True)
    w = upgrade(s)

    w.sock.sendall(b"PING\r\n" * 10)

    s.closed_reason(w.cid)
    upgrade(s)


def test_renegotiation_attempt_is_refused(tls_server):
    """A second ClientHello in a TLS 1.2 connection: `R` in openssl s_client asks for it."""
    s = tls_server(more="handshake_first: true")
    p = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-tls1_2"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = b""
    while b"INFO {" not in seen:
        data = os.read(p.stdout.fileno(), 65536)
        assert data, seen
        seen += data
    p.stdin.write(b"R\n")
    p.stdin.flush()

    rest = p.communicate(timeout=20)[0]

    assert b"RENEGOTIATING" in rest
    first_client(s)
