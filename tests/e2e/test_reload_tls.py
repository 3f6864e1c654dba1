"""SIGHUP and TLS: certificates, pins and the block itself change under living connections."""
import hashlib
import os
import shutil
import signal
import ssl
import threading

import pytest

from reloading import refused, reloaded, write
from wire import TlsRefused, tls_context

pytestmark = [pytest.mark.tls]
quick = pytest.mark.quick
one = pytest.mark.one_worker

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def block(pair, more="", after=""):
    return 'tls {\n cert_file: "%s"\n key_file: "%s"\n %s\n}\n%s\n' % (pair.cert, pair.key, more, after)


def upgrade(s, ctx=None, session=None, **options):
    w = s.raw()
    w.read_info()
    w.start_tls(ctx or tls_context(), session=session)
    w.connect(**options)
    return w.ping()


def presented(w):
    return hashlib.sha256(w.tls.getpeercert(True)).hexdigest()


def echo(w):
    """It is alive and gets what it publishes."""
    w.sub("echo", 9).pub("echo", b"there").send(b"UNSUB 9\r\n")
    w.expect(b"MSG echo 9 5\r\nthere\r\n")
    return w.ping()


@quick
@one
def test_tls_is_added_under_plain_clients(server, certs):
    s = server(conf="")
    old = s.client()
    lines = reloaded(s, block(certs.server_ecdsa))
    assert "[INF] Reloaded: tls = enabled" in lines
    assert "[INF] Reloaded: authorization timeout = 3" in lines
    echo(old)
    w = s.raw()
    assert w.read_info()["tls_required"] is True
    w.start_tls(tls_context()).connect()
    echo(w)


@quick
@one
def test_tls_is_removed_under_tls_clients(server, certs):
    s = server(conf=block(certs.server_ecdsa))
    old = upgrade(s)
    lines = reloaded(s, "")
    assert "[INF] Reloaded: tls = disabled" in lines
    echo(old)
    w = s.client()
    assert "tls_required" not in w.info
    echo(w)


@quick
@one
@pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])
def test_a_certificate_is_renewed_under_its_name(server, certs, tmp_path, version):
    pair = type(certs.server_ecdsa)(str(tmp_path / "server"))

    def put(source):
        shutil.copyfile(source.cert, pair.cert)
        shutil.copyfile(source.key, pair.key)
    put(certs.server_ecdsa)
    s = server(conf=block(pair))
    old = upgrade(s, tls_context(version))
    assert presented(old) == certs.server_ecdsa.cert_sha256()
    put(certs.server_rsa)
    lines = reloaded(s)
    assert "[INF] Reloaded: tls = enabled" in lines
    echo(old)
    new = upgrade(s, tls_context(version))
    assert presented(new) == certs.server_rsa.cert_sha256()
    echo(new)
    echo(old)
    if not s.is_ref:            # which takes an RSA key for another one once it was used
        assert "[INF] Reloaded: tls = enabled" not in reloaded(s)


@quick
@one
def test_a_certificate_that_cannot_be_used_changes_nothing(server, certs):
    s = server(conf=block(certs.server_ecdsa, after="max_payload: 1000"))
    old = upgrade(s)
    text = refused(s, 'max_payload: 10\ntls { cert_file: "%s", key_file: "/nowhere.pem" }'
                   % certs.server_rsa.cert)
    assert text.endswith("error parsing X509 certificate/key pair: open /nowhere.pem: "
                         "no such file or directory")
    mixed = type(certs.server_ecdsa)("x")
    mixed.cert, mixed.key = certs.server_rsa.cert, certs.server_ecdsa.key
    assert "error parsing X509 certificate/key pair: " in refused(
        s, block(mixed, after="max_payload: 10"))
    echo(old)
    w = upgrade(s)
    assert presented(w) == certs.server_ecdsa.cert_sha256() and w.info["max_payload"] == 1000


@one
def test_verify_is_asked_of_newcomers_alone(server, certs):
    s = server(conf=block(certs.server_ecdsa))
    old = upgrade(s)
    reloaded(s, block(certs.server_ecdsa, 'ca_file: "%s"\n verify: true' % certs.ca.cert))
    echo(old)
    w = s.raw()
    assert w.read_info()["tls_verify"] is True
    with pytest.raises(TlsRefused):
        w.start_tls(tls_context(V12))
    pair = certs.client
    echo(upgrade(s, tls_context(cert=pair.cert, key=pair.key)))


@one
def test_min_version_and_suites_are_for_newcomers(server, certs):
    s = server(conf=block(certs.server_ecdsa))
    old = upgrade(s, tls_context(V12))
    reloaded(s, block(certs.server_ecdsa, 'min_version: "1.3"'))
    echo(old)
    w = s.raw()
    w.read_info()
    with pytest.raises(TlsRefused):
        w.start_tls(tls_context(V12))
    echo(upgrade(s, tls_context(V13)))


@one
@pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])
def test_sessions_of_before_are_not_resumed(server, certs, version):
    s = server(conf=block(certs.server_ecdsa))
    ctx = tls_context(version)
    first = upgrade(s, ctx)
    again = upgrade(s, ctx, session=first.tls.session)
    if not again.tls.session_reused:
        pytest.skip("needs a provider with session tickets")
    reloaded(s)
    fresh = upgrade(s, ctx, session=again.tls.session)
    assert not fresh.tls.session_reused
    fresh = upgrade(s, ctx)
    assert upgrade(s, ctx, session=fresh.tls.session).tls.session_reused


@quick
@one
def test_who_is_not_pinned_leaves(server, certs):
    more = 'ca_file: "%s"\n verify: true' % certs.ca.cert
    pins = '\n pinned_certs: ["%s"]' % certs.client.spki_sha256()
    s = server(conf=block(certs.server_ecdsa, more), monitor=True)

    def come(pair):
        return upgrade(s, tls_context(cert=pair.cert, key=pair.key))
    listed, other = come(certs.client), come(certs.client_rsa)
    mark = s.log_size()
    lines = reloaded(s, block(certs.server_ecdsa, more + pins))
    assert "[INF] Reloaded: 1 pinned_certs" in lines
    s.wait_log("Disconnect 1 clients due to pinned certs reload", mark)
    assert s.log_since(mark).index("Reloaded server config") < s.log_since(mark).index("Disconnect")
    other.expect_eof()
    echo(listed)
    assert s.closed_reason(other.cid) == "TLS Handshake Failure"

    reloaded(s, block(certs.server_ecdsa, more))
    echo(listed)
    echo(come(certs.client_rsa))
    assert s.log().count("Disconnect ") == 1


@one
def test_who_showed_no_certificate_is_not_pinned(server, certs):
    s = server(conf="")
    plain = s.client()
    more = 'ca_file: "%s"\n verify: true\n pinned_certs: ["%s"]' % (
        certs.ca.cert, certs.client.spki_sha256())
    reloaded(s, block(certs.server_ecdsa, more))
    plain.expect_eof()


@one
def test_a_handshake_under_way_is_judged_by_the_new_pins(server, certs):
    s = server(conf=block(certs.server_ecdsa, 'ca_file: "%s"\n verify: true' % certs.ca.cert))
    if s.is_ref:
        pytest.skip("the reference closes it at once")
    pair = certs.client_rsa
    w = s.raw()
    w.read_info()
    mark = s.log_size()
    reloaded(s, block(certs.server_ecdsa, 'ca_file: "%s"\n verify: true\n pinned_certs: ["%s"]'
                      % (certs.ca.cert, certs.client.spki_sha256())))
    try:
        w.start_tls(tls_context(cert=pair.cert, key=pair.key))
        w.refused_later()
    except TlsRefused:
        pass
    s.wait_log("TLS handshake error: certificate not pinned", mark)


@one
def test_handshake_first_is_switched(server, certs):
    s = server(conf=block(certs.server_ecdsa))
    old = upgrade(s)
    lines = reloaded(s, block(certs.server_ecdsa, "handshake_first: true"))
    assert "[INF] Reloaded: Client TLS handshake first: true" in lines
    echo(old)
    w = s.raw()
    w.start_tls(tls_context())
    w.read_info()
    echo(w.connect())
    lines = reloaded(s, block(certs.server_ecdsa, 'handshake_first: "20ms"'))
    assert "[INF] Reloaded: Client TLS handshake first fallback delay: 20ms" in lines
    echo(upgrade(s))
    reloaded(s, block(certs.server_ecdsa))
    echo(upgrade(s))


@one
def test_what_of_the_block_cannot_change_is_refused(server, certs):
    s = server(conf=block(certs.server_ecdsa))
    assert refused(s, block(certs.server_ecdsa, "connection_rate_limit: 5")) == (
        "config reload not supported for TLSRateLimit: old=0, new=5")
    echo(upgrade(s))


@one
def test_varz_follows(server, certs):
    s = server(conf="", monitor=True)
    assert "tls_required" not in s.get("/varz")
    reloaded(s, block(certs.server_ecdsa, 'timeout: 5\n ca_file: "%s"\n verify: true'
                      % certs.ca.cert))
    v = s.get("/varz")
    assert v["tls_required"] is True and v["tls_verify"] is True
    assert v["tls_timeout"] == 5 and v["auth_timeout"] == 6
    assert "tls_cert_not_after" in v


@one
def test_https_shows_the_new_certificate(server, certs):
    https = "https_port: -1"
    s = server(conf=block(certs.server_ecdsa, after=https))

    def shown():
        pem = ssl.get_server_certificate(("127.0.0.1", s.http_port))
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    assert shown() == certs.server_ecdsa.cert_sha256()
    reloaded(s, block(certs.server_rsa, after=https))
    assert shown() == certs.server_rsa.cert_sha256()


@pytest.mark.own
@one
def test_https_cannot_lose_its_certificate(server, certs):
    s = server(["-ms", "-1"], conf=block(certs.server_ecdsa))
    assert refused(s, "") == "https: TLS cert and key required for HTTPS"
    echo(upgrade(s))


@pytest.mark.own
@one
def test_the_provider_changes(server, certs, kind):
    other = {"gnutls": "wolfssl", "wolfssl": "gnutls"}[kind.provider]
    s = server(conf=block(certs.server_ecdsa))
    old = upgrade(s)
    lines = reloaded(s, block(certs.server_ecdsa, 'provider: "%s"' % other))
    assert "[INF] Reloaded: tls = enabled" in lines
    for _ in range(5):
        echo(upgrade(s))
    echo(old)
    assert "nowhere" in refused(s, block(certs.server_ecdsa, 'provider: "nowhere"'))
    echo(upgrade(s))


# ---- under load ------------------------------------------------------------------------------------


class Publisher(threading.Thread):
    """Publishes numbers until told to stop, then waits for its last PONG."""

    def __init__(self, w, subject):
        super().__init__(daemon=True)
        self.w, self.subject, self.n, self.halt, self.failure = w, subject, 0, False, None

    def run(self):
        try:
            while not self.halt:
                for _ in range(20):
                    self.w.pub(self.subject, b"%d" % self.n)
                    self.n += 1
                self.w.flush(30)
        except Exception as exc:    # the test tells
            self.failure = exc


class Reader(threading.Thread):
    """Reads messages until the one that says END; each subject must count up by ones."""

    def __init__(self, w, ends):
        super().__init__(daemon=True)
        self.w, self.ends, self.next, self.failure = w, ends, {}, None

    def run(self):
        try:
            while self.ends:
                subject, _, _, _, payload = self.w.msg(60)
                if payload == b"END":
                    self.ends -= 1
                    continue
                assert int(payload) == self.next.get(subject, 0), (subject, payload)
                self.next[subject] = int(payload) + 1
        except Exception as exc:
            self.failure = exc


@quick
@pytest.mark.timeout(180)
def test_nothing_is_lost_while_certificates_rotate(server, certs):
    """A hundred rotations under two publishers and two subscribers, with newcomers in between."""
    s = server(conf=block(certs.server_ecdsa))
    pubs = [Publisher(upgrade(s), "load.%d" % i) for i in range(2)]
    subs = [Reader(upgrade(s).sub("load.*", 1).ping(), len(pubs)) for _ in range(2)]
    for t in subs + pubs:
        t.start()
    for i in range(int(os.environ.get("E2E_ROTATIONS", "100"))):
        pair = certs.server_rsa if i % 2 == 0 else certs.server_ecdsa
        reloaded(s, block(pair, "timeout: %d" % (2 + i % 3)))
        if i % 10 == 0:
            w = upgrade(s)
            assert presented(w) == pair.cert_sha256()
            w.close()
    for p in pubs:
        p.halt = True
    for p in pubs:
        p.join(60)
        assert p.failure is None and not p.is_alive(), p.failure
        p.w.pub(p.subject, b"END").flush(30)
    for r in subs:
        r.join(60)
        assert r.failure is None and not r.is_alive(), r.failure
        assert r.next == {p.subject.encode(): p.n for p in pubs}
    assert all(p.n > 0 for p in pubs)


def test_newcomers_and_rotations_at_once(server, certs):
    """Handshakes run while the file changes: each ends with one of the two certificates."""
    s = server(conf=block(certs.server_ecdsa))
    good = {certs.server_ecdsa.cert_sha256(), certs.server_rsa.cert_sha256()}
    failures, seen = [], set()

    def come():
        try:
            for _ in range(15):
                w = upgrade(s)
                seen.add(presented(w))
                w.close()
        except Exception as exc:
            failures.append(exc)
    threads = [threading.Thread(target=come, daemon=True) for _ in range(4)]
    for t in threads:
        t.start()
    i = 0
    while any(t.is_alive() for t in threads):
        write(s, block(certs.server_rsa if i % 2 == 0 else certs.server_ecdsa))
        mark = s.log_size()
        s.signal(signal.SIGHUP)
        s.wait_log("Reloaded server configuration", mark)
        i += 1
    assert not failures, failures
    assert seen <= good
    echo(upgrade(s))
