"""The monitoring port over TLS: https_port, https and -ms with the root tls block."""
import json
import re
import ssl
import subprocess
import time

import pytest

import wire
from wire import TlsRefused, Wire, tls_context

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])

PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ERROR = r"\[ERR\] monitoring: TLS handshake error from 127\.0\.0\.1:\d+: "


def block(pair, more=""):
    return "tls {\n cert_file: '%s'\n key_file: '%s'\n %s\n}\n" % (pair.cert, pair.key, more)


@pytest.fixture
def https(server, certs):
    """https(more="verify: true", after="..."): a server with https_port: -1."""
    def start(more="", after="", key_type="ecdsa", port="https_port: -1", **kw):
        return server(["-D"], conf=block(certs.server(key_type), more) + port + "\n" + after, **kw)
    return start


def mon(s, ctx=None, **kw):
    """A TLS connection to the monitoring port."""
    return Wire(s.http_port, **kw).start_tls(ctx or tls_context())


def chunks(w):
    """The reference sends a large body so."""
    body = b""
    while True:
        n = int(w.line(), 16)
        body += w.exactly(n + 2)[:n]
        if n == 0:
            return body


def answer(w, head_only=False):
    """(status line, header, body) of one answer."""
    head = w.skip_to(b"\r\n\r\n").decode()
    status, _, fields = head.partition("\r\n")
    if head_only:
        return status, fields, b""
    if "Transfer-Encoding: chunked" in fields:
        return status, fields, chunks(w)
    return status, fields, w.exactly(int(re.search(r"Content-Length: (\d+)", fields).group(1)))


def serves_https(s):
    assert s.get("/healthz") == {"status": "ok"}


def handshake_error(s, text, own=None, since=0):
    """The line in the log; the words of a library stand in for the reference's where `own` says."""
    s.wait_log(ERROR + (text if s.is_ref or own is None else own) + "$", since)


def begin_handshake(w):
    """ClientHello, and the server's first bytes have come."""
    bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        tls_context().wrap_bio(bio_in, bio_out).do_handshake()
    w.send(bio_out.read())
    assert w.fill()
    w.buf = b""


# -- how it is asked for

@quick
def test_flags_as_in_the_manual(server, certs):
    pair = certs.server_ecdsa
    s = server(["--tls", "--tlscert=" + pair.cert, "--tlskey=" + pair.key, "-ms", "-1"])

    assert s.urls["monitoring"] == ["https://127.0.0.1:%d" % s.http_port]
    assert s.urls["nats"] == ["tls://127.0.0.1:%d" % s.port]
    s.wait_log(r"\[INF\] Starting https monitor on 127\.0\.0\.1:%d$" % s.http_port)
    log = s.log()
    assert log.index("Starting https monitor") < log.index("Listening for client connections")
    v = s.get("/varz")
    assert (v["http_port"], v["https_port"], v["http_host"]) == (0, -1, "127.0.0.1")
    assert v["tls_required"] is True
    assert s.get("/connz")["connections"] == []
    serves_https(s)


@quick
@pytest.mark.parametrize("port", ["https_port: -1", 'https: "127.0.0.1:-1"', "https: -1"])
def test_options(https, port):
    s = https(port=port)

    serves_https(s)


def test_long_flag_and_block_of_the_file(server, certs):
    s = server(["--https_port", "-1"], conf=block(certs.server_rsa))

    serves_https(s)


def test_base_path(https):
    s = https(after='http_base_path: "/mon"\n')

    assert s.get("/mon/varz")["http_base_path"] == "/mon"
    assert s.http("/varz")[0] == 404


def fatal(run, args, text):
    p = run(["-a", "127.0.0.1", "-p", "-1"] + args)
    assert p.returncode == 1
    assert re.search(r"\[FTL\] Can't start monitoring: " + text + "$", p.stdout + p.stderr, re.M)


@quick
def test_without_tls_the_start_ends(run):
    fatal(run, ["-ms", "8299"], "TLS cert and key required for HTTPS")


@quick
@pytest.mark.parametrize("with_tls", [False, True])
def test_both_ports_end_the_start(run, certs, with_tls):
    pair = certs.server_ecdsa
    tls = ["--tlscert", pair.cert, "--tlskey", pair.key] if with_tls else []

    fatal(run, tls + ["-m", "8298", "-ms", "8299"], r"can't specify both HTTP \(8298\) and HTTPs \(8299\) ports")


def test_t_takes_what_only_a_start_refuses(run, tmp_path):
    (tmp_path / "c.conf").write_text("http: 8298\nhttps: 8299\n")

    assert run(["-t", "-c", "c.conf"]).returncode == 0


def test_port_in_use(https, run, certs, tmp_path):
    s = https()
    (tmp_path / "c.conf").write_text(block(certs.server_ecdsa) + "https_port: %d\n" % s.http_port)

    fatal(run, ["-c", "c.conf"], "can't listen to the monitor port: listen tcp 127.0.0.1:%d: bind: "
          "address already in use" % s.http_port)


# -- the handshake

@quick
@VERSIONS
@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
def test_certificate_of_the_block(https, certs, version, key_type):
    s = https(key_type=key_type)
    ctx = tls_context(version, ca=certs.ca.cert)
    ctx.check_hostname = True

    w = Wire(s.http_port).start_tls(ctx, server_hostname="localhost")
    w.send(HEALTHZ)

    assert answer(w)[0] == "HTTP/1.1 200 OK"


@quick
@VERSIONS
def test_no_client_certificate_is_asked_for(https, certs, version):
    s = https("verify: true, ca_file: '%s'" % certs.ca.cert)

    w = mon(s, tls_context(version))
    w.send(HEALTHZ)
    assert answer(w)[0] == "HTTP/1.1 200 OK"
    foreign = tls_context(version, cert=certs.client_foreign.cert, key=certs.client_foreign.key)
    w = mon(s, foreign)
    w.send(HEALTHZ)
    assert answer(w)[0] == "HTTP/1.1 200 OK"
    flag = "-tls1_2" if version == V12 else "-tls1_3"
    seen = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.http_port, flag],
                          input="", capture_output=True, text=True, timeout=20 * wire.PATIENCE).stdout
    assert "No client certificate CA names sent" in seen and "Client Certificate Types" not in seen


def test_mapping_is_for_clients_alone(https, certs):
    s = https("verify_and_map: true, ca_file: '%s'" % certs.ca.cert,
              after='authorization { users: [ { user: "CN=client,O=Natterjack Tests" } ] }\n')

    serves_https(s)
    w = s.raw()
    w.read_info()
    w.start_tls(tls_context(cert=certs.client.cert, key=certs.client.key)).connect().ping()


def test_pins_are_for_clients_alone(https, certs):
    s = https("verify: true, ca_file: '%s', pinned_certs: ['%s']" % (certs.ca.cert, certs.client.spki_sha256()))

    serves_https(s)


@quick
def test_versions_of_the_block(https):
    s = https('min_version: "1.3"')

    with pytest.raises(TlsRefused) as old:
        mon(s, tls_context(V12))
    assert old.value.alert == 70
    handshake_error(s, r"tls: client offered only unsupported versions: \[303.*\]")
    mon(s, tls_context(V13))


def test_no_common_suite(https):
    s = https()

    with pytest.raises(TlsRefused) as exc:
        mon(s, tls_context(V12, ciphers="AES128-SHA:@SECLEVEL=0"))
    assert exc.value.alert == 40
    handshake_error(s, r"tls: no cipher suite supported by both client and server; client offered: \[2f ff\]")


def test_several_certificates(server, certs):
    a, b = certs.server_ecdsa, certs.server_rsa
    s = server(conf="tls { certs: [ { cert_file: '%s', key_file: '%s' }, { cert_file: '%s', key_file: '%s' } ] }\n"
               "https_port: -1\n" % (a.cert, a.key, b.cert, b.key))

    for ciphers, pair in (("ECDHE-ECDSA-AES128-GCM-SHA256", a), ("ECDHE-RSA-AES128-GCM-SHA256", b)):
        w = mon(s, tls_context(V12, ciphers=ciphers))
        assert ssl.DER_cert_to_PEM_cert(w.tls.getpeercert(True)) in open(pair.cert).read()


def test_alpn_gets_no_answer(https):
    s = https()
    ctx = tls_context()
    ctx.set_alpn_protocols(["h2", "http/1.1"])

    w = mon(s, ctx)
    w.send(HEALTHZ)

    assert w.tls.selected_alpn_protocol() is None
    assert answer(w)[0] == "HTTP/1.1 200 OK"


@quick
@VERSIONS
def test_session_is_resumed(https, version):
    s = https()
    ctx = tls_context(version)
    w = mon(s, ctx)
    w.send(HEALTHZ)
    answer(w)

    again = Wire(s.http_port).start_tls(ctx, session=w.tls.session)
    again.send(HEALTHZ)

    assert answer(again)[0] == "HTTP/1.1 200 OK"
    assert again.tls.session_reused


def test_empty_block_has_no_certificate(server):
    s = server(conf="tls {}\nallow_non_tls: true\nhttps_port: -1\n")

    with pytest.raises(TlsRefused) as exc:
        mon(s)
    assert exc.value.alert == 112
    handshake_error(s, "tls: no certificates configured")


def test_client_that_does_not_trust(https, certs):
    s = https()
    w = Wire(s.http_port)
    with pytest.raises(TlsRefused):
        w.start_tls(tls_context(V12, ca=certs.foreign_ca.cert))
    w._flush_tls()              # the alert of the client

    handshake_error(s, "remote error: tls: unknown certificate authority", own="remote error: tls: .*")


@quick
@VERSIONS
@pytest.mark.parametrize("chunk", [1, 7])
def test_handshake_in_small_pieces(https, version, chunk):
    s = https()
    w = Wire(s.http_port)
    bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    obj = tls_context(version).wrap_bio(bio_in, bio_out)
    while True:
        try:
            obj.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
        out = bio_out.read()
        for i in range(0, len(out), chunk):
            w.sock.sendall(out[i:i + chunk])
        bio_in.write(w.sock.recv(1 << 16))
    # Finished, and the request in the same segment
    obj.write(CLOSING)
    w.sock.sendall(bio_out.read())
    w.tls, w.bio_in, w.bio_out = obj, bio_in, bio_out

    assert answer(w)[2] == b'{"status":"ok"}'
    w.expect_eof()


# -- what is no TLS

@quick
@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD /varz HTTP/1.0\r\n",
                                          b"POST /", b"PUT /x", b"OPTIONS * HTTP/1.1\r\n"])
def test_http_on_the_https_port(https, request_line):
    s = https()
    w = Wire(s.http_port)

    w.send(request_line)

    w.expect_eof(PLAIN_HTTP)
    handshake_error(s, "client sent an HTTP request to an HTTPS server")
    serves_https(s)


@quick
@pytest.mark.parametrize("garbage", [b"CONNECT {}\r\nPING\r\n", b"DELETE / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\n",
                                     b"get / http", bytes(4096)])
def test_garbage_gets_nothing(https, garbage):
    s = https()
    w = Wire(s.http_port)

    w.send(garbage)

    w.expect_eof()
    handshake_error(s, "tls: first record does not look like a TLS handshake")
    serves_https(s)


@quick
def test_malformed_hello_gets_an_alert(https):
    s = https()
    w = Wire(s.http_port)

    w.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")

    w.skip_to(b"\x00\x02\x02\x32")     # fatal decode_error
    handshake_error(s, "local error: tls: error decoding message", own=".+")
    serves_https(s)


@quick
def test_ends_during_the_handshake(https):
    s = https()

    Wire(s.http_port).close()
    handshake_error(s, "EOF")
    w = Wire(s.http_port)
    w.send(b"\x16\x03\x01")
    w.close()
    handshake_error(s, "unexpected EOF")
    w = Wire(s.http_port)
    begin_handshake(w)
    w.abort()
    handshake_error(s, r"read tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: read: connection reset by peer")
    serves_https(s)


def test_damaged_record_ends_the_connection(https):
    s = https()
    w = mon(s)
    w.send(HEALTHZ)
    answer(w)

    w.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))

    assert w.refused_later() in (20, None)
    serves_https(s)


# -- time

@pytest.mark.slow
@pytest.mark.parametrize("said", ["nothing", "half a hello", "the handshake", "the handshake in halves"])
def test_silence_ends_after_five_seconds(https, said):
    s = https()
    if said == "the handshake":
        w = mon(s)
    else:
        w = Wire(s.http_port)
    start = time.monotonic()
    if said == "half a hello":
        w.send(b"\x16\x03\x01\x02\x00\x01\x00")
    elif said == "the handshake in halves":
        begin_handshake(w)

    while w.fill(8 * wire.PATIENCE):
        w.buf = b""

    assert w.eof and 4.5 < time.monotonic() - start < 5 + 2 * wire.PATIENCE
    if said != "the handshake":
        handshake_error(s, r"read tcp 127\.0\.0\.1:%d->127\.0\.0\.1:\d+: i/o timeout" % s.http_port)
    assert ("handshake error" in s.log()) == (said != "the handshake")


def test_silent_clients_are_in_nobodys_way(https):
    s = https()
    crowd = [Wire(s.http_port) for _ in range(300)]
    for w in crowd[::2]:
        w.send(b"\x16\x03\x01\x02\x00\x01\x00")
    start = time.monotonic()

    serves_https(s)
    c = s.raw()
    c.read_info()
    c.start_tls(tls_context()).connect().ping()

    assert time.monotonic() - start < 3 * wire.PATIENCE
    for w in crowd:
        w.close()


# -- HTTP inside

@quick
@VERSIONS
def test_keep_alive_pipelining_and_goodbye(https, version):
    s = https()
    w = mon(s, tls_context(version))

    for _ in range(3):
        w.send(HEALTHZ)
        assert answer(w)[2] == b'{"status":"ok"}'
    w.send(HEALTHZ * 20 + CLOSING)

    for _ in range(21):
        assert answer(w)[2] == b'{"status":"ok"}'
    w.expect_eof()              # close_notify: a bare end would raise with TLS 1.2 and 1.3 alike


@quick
def test_requests_are_read_as_on_the_plain_port(https):
    s = https()
    w = mon(s)
    w.send(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    status, fields, _ = answer(w, head_only=True)
    assert status == "HTTP/1.1 200 OK" and "Content-Length: 15" in fields
    w.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert answer(w)[2] == b'{"status":"ok"}'
    w.send_bytewise(HEALTHZ)
    assert answer(w)[2] == b'{"status":"ok"}'
    w.send(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer(w)[0] == "HTTP/1.1 404 Not Found"
    w.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer(w)[0] == "HTTP/1.0 200 OK"
    w.expect_eof()
    w = mon(s)
    w.send(b"garbage\r\n\r\n")
    w.expect_eof(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 b"Connection: close\r\n\r\n400 Bad Request")


def test_a_request_and_a_goodbye_is_answered(https):
    s = https()
    w = mon(s)
    w.send(HEALTHZ)
    w.tls_close_notify()

    # The reference answers too; an end after it, or a reset for the unread goodbye, is both fine.
    w.tls = None
    while w.fill():
        pass
    assert len(w.buf) > 100


def tall_server(https):
    """A server whose /connz?subs=1 is large, and a client that keeps it so."""
    s = https()
    c = s.raw()
    c.read_info()
    c.start_tls(tls_context()).connect()
    c.send(b"".join(b"SUB %s.%d %d\r\n" % (b"a" * 200, i, i) for i in range(20000)))
    c.ping()
    return s, c


@VERSIONS
def test_large_answer(https, version):
    s, c = tall_server(https)
    w = mon(s, tls_context(version))

    w.send(b"GET /connz?subs=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    status, _, body = answer(w)

    assert status == "HTTP/1.1 200 OK" and len(body) > 4 << 20
    assert len(json.loads(body)["connections"][0]["subscriptions_list"]) == 20000
    w.send(CLOSING)
    assert answer(w)[2] == b'{"status":"ok"}'
    w.expect_eof()
    c.ping()


def test_slow_reader_delays_nobody(https):
    s, c = tall_server(https)
    slow = mon(s, rcvbuf=4096)
    slow.send(b"GET /connz?subs=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    slow.fill()                 # it has begun
    start = time.monotonic()

    for _ in range(5):
        serves_https(s)

    assert time.monotonic() - start < 3 * wire.PATIENCE
    assert len(json.loads(answer(slow)[2])["connections"][0]["subscriptions_list"]) == 20000
    c.ping()


def test_handshakes_without_end_leave_the_clients_alone(https):
    s = https()
    c = s.raw()
    c.read_info()
    c.start_tls(tls_context()).connect()
    c.sub("t", 1)
    for i in range(60):
        mon(s).close()
        c.pub("t", b"x")
        c.expect(b"MSG t 1 1\r\nx\r\n")
    serves_https(s)


@pytest.mark.own
def test_a_crowd_of_handshakes_comes_after_those_who_are_in(server, tmp_path):
    """Who is in gets the answer before the crowd has had its turn."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=slow",
                    "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem"], check=True, capture_output=True)
    s = server(conf="tls { cert_file: '%s/c.pem', key_file: '%s/k.pem' }\nhttps_port: -1\n" % (tmp_path, tmp_path))
    w = mon(s)
    crowd = [Wire(s.http_port) for _ in range(100)]
    for one in crowd:
        bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            tls_context().wrap_bio(bio_in, bio_out).do_handshake()
        one.hello = bio_out.read()

    for one in crowd:
        one.send(one.hello)
    w.send(HEALTHZ)
    assert answer(w)[2] == b'{"status":"ok"}'
    waiting = [one for one in crowd if not wire.readable(one.sock, 0)]

    assert len(waiting) > 20
    for one in crowd:
        assert one.fill()       # and the crowd is served as well
    serves_https(s)


def test_stop_with_connections_in_every_state(https):
    s = https()
    held = [Wire(s.http_port), mon(s), mon(s)]
    held[2].send(b"GET /heal")
    w = Wire(s.http_port)
    w.send(b"\x16\x03\x01")

    s.stop()

    for one in held + [w]:
        one.close()
