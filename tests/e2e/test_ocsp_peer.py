"""ocsp_peer: clients whose certificates their authority does not stand by any more."""
import re
import signal
import ssl
import threading
import time

import pytest

import ocsp
import wire
from wire import TlsRefused

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
quick = pytest.mark.quick
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])
BAD_CERTIFICATE = 42


@pytest.fixture(scope="session")
def authority(tmp_path_factory, certs):
    a = ocsp.Authority(str(tmp_path_factory.mktemp("ocsp-peer")))
    a.server = a.leaf("server")
    return a


@pytest.fixture
def responder(authority):
    r = ocsp.Responder(lambda q: authority.answer(q, "-ndays", "2"))
    yield r
    r.close()


def client_of(authority, responder, name, *lines, status="V"):
    aia = ["authorityInfoAccess=OCSP;URI:" + responder.url] if responder else []
    pair = authority.leaf(name, *aia, *lines, eku="clientAuth")
    authority.set(pair[2], status)
    return pair


def conf(authority, rules="true", more="", block="timeout: 5"):
    return ('tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: true, ocsp_peer: %s, %s }\n%s\n'
            % (authority.server[0], authority.server[1], authority.cert, rules, block, more))


def context(pair, version=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    ctx.load_cert_chain(pair[0], pair[1])
    if version is not None:
        ctx.minimum_version = ctx.maximum_version = version
    return ctx


def comes_in(s, pair, version=None):
    w = s.raw()
    w.read_info()
    w.start_tls(context(pair, version))
    w.connect().ping()
    return w


def is_refused(s, pair, version=None):
    mark = s.log_size()
    w = s.raw()
    w.read_info()
    try:
        w.start_tls(context(pair, version))
        alert = w.refused_later()
    except TlsRefused as exc:
        alert = exc.alert
    # some builds of wolfSSL offer no way to seal an alert of our choice: they end in order
    assert alert == BAD_CERTIFICATE or (s.kind.provider == "wolfssl" and alert is None)
    s.wait_log(r"\[ERR\] 127.0.0.1:\d+ - cid:\d+ - TLS handshake error: client not OCSP valid$", mark)
    s.wait_log("Client connection closed: TLS Handshake Failure", mark)
    return s.log_since(mark)


def subject(name):
    return re.escape("[CN=%s,O=Natterjack Tests]" % name)


def cache_of(s):
    varz = s.get("/varz")
    assert varz["tls_ocsp_peer_verify"] is True
    return varz.get("ocsp_peer_cache")


# -- what is asked, and what comes of it

@quick
@VERSIONS
def test_good_is_let_in_and_remembered(server, authority, responder, version):
    s = server(["-D"], conf=conf(authority), monitor=True)
    assert cache_of(s) == {"cache_type": "local"}
    pair = client_of(authority, responder, "good")
    comes_in(s, pair, version)
    comes_in(s, pair, version)
    assert [a[0] for a in responder.asked] == ["GET"]
    assert cache_of(s) == {"cache_type": "local", "cache_hits": 1, "cache_misses": 1,
                           "cached_responses": 1, "cached_good_responses": 1}
    s.wait_log(r"\[DBG\] OCSP verify pass for " + subject("good"))


@quick
@VERSIONS
def test_revoked_is_refused(server, authority, responder, version):
    s = server(["-D"], conf=conf(authority), monitor=True)
    pair = client_of(authority, responder, "revoked", status="R")
    for _ in range(2):
        said = is_refused(s, pair, version)
        assert re.search(r"\[WRN\] OCSP verify fail for %s with CA status \[revoked\]"
                         % subject("revoked"), said)
    assert len(responder.asked) == 1
    assert cache_of(s)["cached_revoked_responses"] == 1
    comes_in(s, client_of(authority, responder, "innocent"), version)


@pytest.mark.parametrize("rules, status, good", [
    ("true", None, False),
    ("{verify: true, unknown_is_good: true}", None, True),
    ("{verify: true, unknown_is_good: true}", "R", False),
    ("{verify: true, warn_only: true}", "R", True),
    ("{verify: true, warn_only: true}", None, True),
    ("{verify: false}", "R", True),
    ("{}", "R", True),
    ("false", "R", True),
], ids=["unknown", "unknown-is-good", "revoked-is-not", "warn-revoked", "warn-unknown", "off", "empty",
        "false"])
def test_rules(server, authority, responder, rules, status, good):
    s = server(["-D"], conf=conf(authority, rules))
    pair = client_of(authority, responder, "ruled", status=status)
    if good:
        comes_in(s, pair)
    else:
        is_refused(s, pair)
    if "warn_only" in rules:
        s.wait_log(r"\[WRN\] OCSP verify fail for %s but WarnOnly is true so allowing"
                   % subject("ruled"))


def answers(kind):
    def behave(authority, q):
        return {"404": lambda: (404, b"no"), "eof": lambda: (0, b""), "garbage": lambda: b"hello",
                "expired": lambda: authority.dated(q, -7200, -3600),
                "skewed": lambda: authority.dated(q, -7200, -20)}[kind]()
    return behave


@pytest.mark.parametrize("kind_of_answer, plain, allowing, warning", [
    ("404", False, True, True),
    ("eof", False, True, True),
    ("expired", False, False, True),
    ("skewed", True, True, True),
], ids=["404", "eof", "expired", "skewed"])
def test_without_a_good_answer(server, authority, responder, kind_of_answer, plain, allowing, warning):
    responder.behave = lambda q: answers(kind_of_answer)(authority, q)
    for rules, good in (("true", plain), ("{verify: true, allow_when_ca_unreachable: true}", allowing),
                        ("{verify: true, warn_only: true}", warning)):
        s = server(["-D"], conf=conf(authority, rules))
        pair = client_of(authority, responder, "unanswered")
        (comes_in if good else is_refused)(s, pair)


@pytest.mark.own
def test_answers_of_others_do_not_count(server, authority, responder):
    s = server(["-D"], conf=conf(authority))
    pair = client_of(authority, responder, "borrowed")
    other = ocsp.Authority(authority.dir, "peer-rogue")
    responder.behave = lambda q: authority.answer(q, "-ndays", "2", signer=(other.cert, other.key))
    is_refused(s, pair)
    responder.behave = lambda q: authority.answer(q, "-ndays", "2", signer=pair[:2])
    is_refused(s, pair)
    responder.behave = lambda q: b"hello"
    is_refused(s, pair)


def test_certificate_without_a_responder_passes(server, authority, responder):
    s = server(["-D"], conf=conf(authority))
    comes_in(s, client_of(authority, None, "silent", status="R"))
    assert responder.asked == []


def test_revoked_once_is_not_forgiven_when_the_responder_is_gone(server, authority, responder):
    """allow_when_ca_unreachable does not let in who was revoked when last asked."""
    s = server(["-D"], conf=conf(authority, "{verify: true, allow_when_ca_unreachable: true, "
                                            "allowed_clockskew: 1s}"))
    pair = client_of(authority, responder, "once", status="R")
    responder.behave = lambda q: authority.dated(q, -10, 1, "R")
    is_refused(s, pair)
    responder.behave = lambda q: (500, b"")
    deadline = time.monotonic() + 8 * wire.PATIENCE
    while len(responder.asked) < 2 and time.monotonic() < deadline:
        is_refused(s, pair)
    assert len(responder.asked) > 1


@pytest.mark.parametrize("cache", ["ocsp_cache: false", "ocsp_cache { type: none }"])
def test_nothing_is_remembered(server, authority, responder, cache):
    s = server(["-D"], conf=conf(authority, more=cache), monitor=True)
    pair = client_of(authority, responder, "forgotten")
    comes_in(s, pair)
    comes_in(s, pair)
    assert len(responder.asked) == 2
    assert cache_of(s) is None


PSS = ["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]


@pytest.mark.parametrize("key, how", [("EC", []), ("RSA", ["-sha256"]), ("RSA", PSS)],
                         ids=["ec", "rsa", "pss"])
def test_intermediate_is_asked_about(server, authority, responder, tmp_path, key, how):
    """A revoked issuer takes its clients along, however it signs and although they name nobody."""
    r = responder
    name = str(tmp_path / "middle")
    if key == "EC":
        authority._key(name + ".key")
    else:
        ocsp.openssl("genrsa", "-out", name + ".key", "2048")
    authority.serial += 1
    serial = authority.serial
    ocsp.openssl("req", "-new", "-key", name + ".key", "-subj", "/CN=middle", "-out", name + ".csr")
    with open(name + ".ext", "w") as f:
        f.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
                "authorityInfoAccess=OCSP;URI:%s\n" % r.url)
    ocsp.openssl("x509", "-req", "-in", name + ".csr", "-CA", authority.cert, "-CAkey", authority.key,
                 "-set_serial", str(serial), "-days", "20", "-extfile", name + ".ext", "-out",
                 name + ".pem")
    authority._key(name + "-leaf.key")
    ocsp.openssl("req", "-new", "-key", name + "-leaf.key", "-subj", "/CN=below", "-out",
                 name + "-leaf.csr")
    with open(name + "-leaf.ext", "w") as f:
        f.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                "extendedKeyUsage=clientAuth\n")
    ocsp.openssl("x509", "-req", "-in", name + "-leaf.csr", "-CA", name + ".pem", "-CAkey",
                 name + ".key", "-set_serial", "77", "-days", "20", "-extfile", name + "-leaf.ext",
                 "-out", name + "-leaf.pem", *how)
    with open(name + "-leaf.pem", "a") as f, open(name + ".pem") as middle:
        f.write(middle.read())
    pair = (name + "-leaf.pem", name + "-leaf.key")
    s = server(["-D"], conf=conf(authority, more="ocsp_cache: false"))
    authority.set(serial, "V")
    comes_in(s, pair)
    authority.set(serial, "R")
    is_refused(s, pair)


# -- time

@quick
def test_slow_responder_ends_at_ca_timeout(server, authority, responder):
    done = threading.Event()
    responder.behave = lambda q: done.wait(20) and authority.answer(q, "-ndays", "2")
    s = server(["-D"], conf=conf(authority, "{verify: true, ca_timeout: 1}", block="timeout: 10"))
    start = time.monotonic()
    is_refused(s, client_of(authority, responder, "slow"))
    assert time.monotonic() - start < 8 * wire.PATIENCE
    done.set()


@pytest.mark.own
def test_slow_responder_disturbs_nobody_else(server, authority, responder):
    """Asking is done elsewhere: others talk, come and go; who waits may leave; stopping is quick."""
    done = threading.Event()
    slow = client_of(authority, responder, "patient")
    quickly = client_of(authority, None, "quick")
    responder.behave = lambda q: done.wait(20) and authority.answer(q, "-ndays", "2")
    s = server(["-D"], conf=conf(authority, "{verify: true, ca_timeout: 15}", block="timeout: 15"),
               monitor=True)
    waiting = [s.raw() for _ in range(20)]
    for w in waiting:
        w.read_info()
        w.start_tls(context(slow, V13))
        w.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
    wire.until("questions", lambda: len(responder.asked) >= 4)

    comes_in(s, quickly)
    assert s.get("/varz")["connections"] >= 1
    for w in waiting[1:]:
        w.close()
    wire.until("those who left", lambda: s.get("/connz?state=closed")["num_connections"] >= 19)
    assert s.log().count("TLS handshake complete") == 1

    done.set()
    waiting[0].expect(b"PONG\r\n")          # what was sent meanwhile was kept
    held = threading.Event()
    responder.behave = lambda q: (held.wait(20), b"")[1]
    late = client_of(authority, responder, "late")
    w = s.raw()
    w.read_info()
    w.start_tls(context(late, V13))
    start = time.monotonic()
    s.stop()
    assert time.monotonic() - start < 6 * wire.PATIENCE
    held.set()


@pytest.mark.own
def test_pins_of_a_reload_count_for_who_waits_for_an_answer(server, authority, responder):
    done = threading.Event()
    responder.behave = lambda q: done.wait(20) and authority.answer(q, "-ndays", "2")
    rules = "{verify: true, ca_timeout: 15}"
    s = server(["-D"], conf=conf(authority, rules, block="timeout: 15"))
    w = s.raw()
    w.read_info()
    w.start_tls(context(client_of(authority, responder, "unpinned"), V13))
    wire.until("question", lambda: len(responder.asked) == 1)
    with open(s.conf_path, "w") as f:
        f.write(conf(authority, rules, block='timeout: 15, pinned_certs: ["%s"]' % ("ab" * 32)))
    mark = s.log_size()
    s.signal(signal.SIGHUP)
    s.wait_log("Reloaded server configuration", mark)
    done.set()
    s.wait_log("TLS handshake error: certificate not pinned", mark)
    assert "TLS handshake complete" not in s.log()


@VERSIONS
def test_the_name_of_the_authority_does_not_make_a_root(server, authority, responder, version):
    s = server(["-D"], conf=conf(authority))
    is_refused(s, client_of(authority, responder, "OCSP ca", status="R"), version)


@quick
@pytest.mark.parametrize("ttl, good", [("", False), (", cache_ttl_when_next_update_unset: 10800", True)],
                         ids=["an-hour", "three-hours"])
def test_answer_without_an_end_ages(server, authority, responder, ttl, good):
    """Who keeps answers of long ago and sends them again does not make a certificate good."""
    responder.behave = lambda q: authority.dated(q, -7200, None)
    s = server(["-D"], conf=conf(authority, "{verify: true%s}" % ttl))
    pair = client_of(authority, responder, "endless-%d" % good)
    (comes_in if good else is_refused)(s, pair)


@pytest.mark.own
def test_handshake_timeout_goes_on_while_asking(server, authority, responder):
    done = threading.Event()
    responder.behave = lambda q: done.wait(20) and authority.answer(q, "-ndays", "2")
    s = server(["-D"], conf=conf(authority, "{verify: true, ca_timeout: 15}", block="timeout: 1"))
    pair = client_of(authority, responder, "timeout")
    w = s.raw()
    w.read_info()
    w.start_tls(context(pair, V13))
    s.wait_log(r"\[DBG\] .* - TLS handshake timeout$", timeout=8 * wire.PATIENCE)
    s.wait_log("Client connection closed: TLS Handshake Failure")
    done.set()
    comes_in(s, client_of(authority, None, "after"))


# -- start and reload

def refused_start(run, tmp_path, text):
    path = tmp_path / "refused.conf"
    path.write_text(text)
    p = run(["-a", "127.0.0.1", "-p", "-1", "-c", path])
    assert p.returncode == 1
    return p.stdout + p.stderr


@quick
def test_needs_verify(run, tmp_path, authority):
    said = refused_start(run, tmp_path, 'tls { cert_file: "%s", key_file: "%s", ocsp_peer: true }\n'
                         % authority.server[:2])
    assert ("OCSP peer verification for client connections requires TLS verify (mTLS) to be enabled"
            in said)


@pytest.mark.own
def test_needs_ca_file(run, tmp_path, authority):
    said = refused_start(run, tmp_path, 'tls { cert_file: "%s", key_file: "%s", verify: true, '
                                        'ocsp_peer: true }\n' % authority.server[:2])
    assert "ocsp_peer needs ca_file" in said


def test_reload_turns_it_on_and_off(server, authority, responder):
    s = server(["-D"], conf=conf(authority, "false"), monitor=True)
    pair = client_of(authority, responder, "reloaded", status="R")
    comes_in(s, pair)
    for rules, good in (("true", False), ("false", True), ("true", False)):
        with open(s.conf_path, "w") as f:
            f.write(conf(authority, rules))
        mark = s.log_size()
        s.signal(signal.SIGHUP)
        s.wait_log("Reloaded server configuration", mark)
        (comes_in if good else is_refused)(s, pair)
