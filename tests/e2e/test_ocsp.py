"""OCSP staples of the client port: who gets one, when the server starts, what it does later."""
import hashlib
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import ocsp
import wire

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
quick = pytest.mark.quick
VERSIONS = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"], ids=["tls12", "tls13"])


@pytest.fixture(scope="session")
def authority(tmp_path_factory, certs):
    return ocsp.Authority(str(tmp_path_factory.mktemp("ocsp")))


@pytest.fixture
def responder():
    made = []

    def start(behave):
        r = ocsp.Responder(behave)
        made.append(r)
        return r
    yield start
    for r in made:
        r.close()


def can_staple(kind):
    """The wolfSSL of some systems cannot: see the test of its refusal."""
    if kind.is_ref or kind.provider != "wolfssl":
        return True
    out = subprocess.run([kind.path] + kind.args + ["--list-plugins"], capture_output=True,
                         text=True, timeout=20 * wire.PATIENCE).stdout
    return "staple" in re.search(r"^tls +wolfssl .*\n +can: (.*)", out, re.M).group(1).split()


@pytest.fixture
def stapler(kind):
    if not can_staple(kind):
        pytest.skip("this wolfSSL cannot staple")


def conf(pair, ca, mode=None, url=None, more="", block=""):
    text = 'tls {\n cert_file: "%s"\n key_file: "%s"\n handshake_first: true\n %s %s\n}\n' % (
        pair[0], pair[1], 'ca_file: "%s"\n' % ca if ca else "", block)
    if mode is not None:
        text += "ocsp { mode: %s %s }\n" % (mode, ', url: "%s"' % url if url else "")
    return text + more


def refused(run, tmp_path, text, *args):
    """A start that fails; gives what it said."""
    path = tmp_path / "refused.conf"
    path.write_text(text)
    p = run(["-a", "127.0.0.1", "-p", "-1", "-c", path, *args])
    assert p.returncode == 1, p.stdout + p.stderr
    return p.stdout + p.stderr


# -- the staple

@quick
@VERSIONS
@pytest.mark.usefixtures("stapler")
def test_good_staple_is_sent(server, authority, responder, version):
    pair = authority.leaf("good")
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, authority.cert, "always", r.url))

    s.wait_log(r"\[INF\] OCSP Stapling enabled for Client connections")
    s.wait_log(r"\[INF\] Found OCSP status for Client certificate at '%s': good, next update "
               r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, checking again in 23h59m5\d" % re.escape(pair[0]))
    assert ocsp.staple_of(s.port, authority.cert, version) == "good"
    method, path, headers, _ = r.asked[0]
    assert (method, headers["Content-Type"]) == ("POST", "application/ocsp-request")
    assert headers["Accept"] == "application/ocsp-response"
    assert len(r.asked) == 1


@pytest.mark.usefixtures("stapler")
def test_client_that_does_not_ask_gets_none(server, authority, responder):
    pair = authority.leaf("not-asked")
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, authority.cert, "always", r.url))
    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-CAfile",
                        authority.cert], input=b"", capture_output=True, timeout=30)
    assert b"Verify return code: 0" in p.stdout and b"OCSP response" not in p.stdout


@quick
@pytest.mark.usefixtures("stapler")
def test_request_is_the_references(server, authority, responder):
    """SHA-1 of the issuer, no nonce, no extension."""
    pair = authority.leaf("request")
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    server(conf=conf(pair, authority.cert, "always", r.url))
    want = os.path.join(authority.dir, "want")
    subprocess.run(["openssl", "ocsp", "-issuer", authority.cert, "-cert", pair[0], "-no_nonce",
                    "-reqout", want], capture_output=True)
    with open(want, "rb") as f:
        assert r.asked[0][3] == f.read()


@pytest.mark.usefixtures("stapler")
def test_responder_of_the_certificate(server, authority, responder):
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    pair = authority.leaf("aia", "authorityInfoAccess=OCSP;URI:" + r.url)
    s = server(conf=conf(pair, authority.cert, "always"))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


@pytest.mark.usefixtures("stapler")
def test_issuer_from_the_chain(server, authority, responder):
    pair = authority.leaf("chain")
    with open(pair[0], "a") as f, open(authority.cert) as ca:
        f.write(ca.read())
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, None, "always", r.url))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


@pytest.mark.usefixtures("stapler")
def test_delegated_signer(server, authority, responder):
    pair = authority.leaf("delegated")
    signer = authority.leaf("signer", eku="OCSPSigning")
    r = responder(lambda q: authority.answer(q, "-ndays", "2", signer=signer[:2]))
    s = server(conf=conf(pair, authority.cert, "always", r.url))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


@pytest.mark.usefixtures("stapler")
def test_get_when_post_fails(server, authority, responder):
    pair = authority.leaf("get")
    r = responder(None)
    r.behave = lambda q: (405, b"no") if r.asked[-1][0] == "POST" else authority.answer(q, "-ndays", "2")
    s = server(conf=conf(pair, authority.cert, "always", r.url))
    assert [a[0] for a in r.asked] == ["POST", "GET"]
    assert r.asked[0][3] == r.asked[1][3]
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


@pytest.mark.own
@pytest.mark.usefixtures("stapler")
def test_urls_are_asked_in_turn(server, authority, responder):
    pair = authority.leaf("urls")
    dead = responder(lambda q: (500, b""))
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, authority.cert) + 'ocsp { mode: always, urls: ["%s", "%s"] }\n'
               % (dead.url, r.url))
    assert len(dead.asked) == 2
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


# -- who staples

@pytest.mark.usefixtures("stapler")
@pytest.mark.parametrize("mode", [None, "auto", "must"])
def test_must_staple_is_looked_at(server, authority, responder, mode):
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    aia = "authorityInfoAccess=OCSP;URI:" + r.url
    plain = authority.leaf("plain", aia)
    must = authority.leaf("must", aia, "tlsfeature=status_request")

    s = server(conf=conf(plain, authority.cert, mode))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") is None
    assert r.asked == []

    s = server(conf=conf(must, authority.cert, mode))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


def test_never(server, authority, responder, kind):
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    must = authority.leaf("never", "authorityInfoAccess=OCSP;URI:" + r.url,
                          "tlsfeature=status_request")
    s = server(conf=conf(must, authority.cert, "never"))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") is None
    if not kind.is_ref:     # which says it before it has a log
        s.wait_log(r"\[WRN\] Certificate at '%s' has MustStaple but OCSP is disabled"
                   % re.escape(must[0]))


# -- refusing to start

def flip_last(der):
    return der[:-1] + bytes([der[-1] ^ 1])


@pytest.mark.usefixtures("stapler")
@pytest.mark.parametrize("behave, words", [
    (lambda a, q: (404, b"no"), "non-ok http status on POST request (reqlen=69): 404"),
    (lambda a, q: (0, b""), "EOF"),
    (lambda a, q: b"hello", "failed to get remote status from "),
    (lambda a, q: b"", "failed to get remote status from "),
    (lambda a, q: bytes([0x30, 3, 10, 1, 6]), "ocsp: error from server: unauthorized"),
    (lambda a, q: bytes([0x30, 3, 10, 1, 3]), "ocsp: error from server: try later"),
    (lambda a, q: flip_last(a.dated(q, -60, 3600)), "bad OCSP signature"),
    (lambda a, q: a.dated(q, -7200, -3600), "invalid ocsp NextUpdate, is past time: "),
    (lambda a, q: a.dated(q, 3600, 7200), "invalid ocsp ThisUpdate, is future time: "),
], ids=["404", "eof", "garbage", "empty", "unauthorized", "try-later", "bad-signature", "expired",
        "future"])
def test_no_start_without_an_answer(run, tmp_path, authority, responder, behave, words):
    pair = authority.leaf("refused")
    r = responder(lambda q: behave(authority, q))
    said = refused(run, tmp_path, conf(pair, authority.cert, "always", r.url))
    assert "bad OCSP status update for certificate at '%s': exhausted ocsp servers: " % pair[0] in said
    assert words in said


@quick
@pytest.mark.usefixtures("stapler")
def test_no_start_when_the_responder_is_dead(run, tmp_path, authority, responder):
    pair = authority.leaf("dead")
    r = ocsp.Responder(None)
    r.close()
    said = refused(run, tmp_path, conf(pair, authority.cert, "always", r.url))
    assert ("bad OCSP status update for certificate at '%s': exhausted ocsp servers: Post \"%s\": "
            "dial tcp 127.0.0.1:%d: connect: connection refused\nGet \"%s/M"
            % (pair[0], r.url, r.port, r.url)) in said


@pytest.mark.usefixtures("stapler")
def test_answers_of_others_do_not_count(run, tmp_path, authority, responder):
    pair = authority.leaf("wrong")
    other = authority.leaf("other")
    rogue = ocsp.Authority(authority.dir, "rogue")
    request = os.path.join(authority.dir, "other-request")
    subprocess.run(["openssl", "ocsp", "-issuer", authority.cert, "-cert", other[0], "-no_nonce",
                    "-reqout", request], capture_output=True)
    with open(request, "rb") as f:
        of_other = f.read()
    for behave, words in (
            (lambda q: authority.answer(of_other, "-ndays", "2"),
             "no response matching the supplied certificate"),
            (lambda q: authority.answer(q, "-ndays", "2", signer=(rogue.cert, rogue.key)),
             "bad OCSP signature"),
            (lambda q: authority.answer(q, "-ndays", "2", signer=pair[:2]),
             "OCSP response signer missing authorization by CA to act as OCSP signer")):
        r = responder(behave)
        said = refused(run, tmp_path, conf(pair, authority.cert, "always", r.url))
        assert words in said


@pytest.mark.usefixtures("stapler")
@pytest.mark.parametrize("status", ["R", None], ids=["revoked", "unknown"])
def test_bad_status_at_start(run, server, tmp_path, authority, responder, status):
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    must = authority.leaf("bad-start", "authorityInfoAccess=OCSP;URI:" + r.url,
                          "tlsfeature=status_request")
    authority.set(must[2], status)
    word = "revoked" if status else "unknown"
    for mode in ("must", "always"):
        said = refused(run, tmp_path, conf(must, authority.cert, mode))
        assert "found existing OCSP status for certificate at '%s': %s" % (must[0], word) in said

    s = server(conf=conf(must, authority.cert, "auto"))
    s.wait_log(r"\[ERR\] Received OCSP status for Client certificate '%s': %s"
               % (re.escape(must[0]), word))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == word


@pytest.mark.usefixtures("stapler")
def test_no_issuer(run, tmp_path, authority, certs):
    pair = authority.leaf("orphan")
    assert "no issuers found" in refused(run, tmp_path, conf(pair, None, "always"))
    assert "no issuers found" in refused(run, tmp_path, conf(pair, certs.ca.cert, "always"))


@pytest.mark.own
@pytest.mark.usefixtures("stapler")
def test_https_responder_is_refused(run, tmp_path, authority):
    pair = authority.leaf("https")
    said = refused(run, tmp_path, conf(pair, authority.cert, "always", "https://127.0.0.1:1/"))
    assert "https is not spoken to responders" in said


@pytest.mark.own
def test_provider_that_cannot_is_named(run, tmp_path, authority, kind):
    if can_staple(kind):
        pytest.skip("this provider can staple")
    pair = authority.leaf("cannot")
    said = refused(run, tmp_path, conf(pair, authority.cert, "always", "http://127.0.0.1:1/"))
    assert re.search(r'OCSP stapling is asked for, which tls provider "wolfssl" \(wolfSSL [\d.]+\) '
                     r'cannot do', said)


# -- later

@quick
@VERSIONS
@pytest.mark.usefixtures("stapler")
def test_new_staple_takes_its_place(server, authority, responder, version):
    """Half of the time to NextUpdate later it is asked for again; without an answer, again and again."""
    pair = authority.leaf("renewed")
    good = {"answer": lambda q: authority.dated(q, -1, 3)}
    r = responder(lambda q: good["answer"](q))
    s = server(conf=conf(pair, authority.cert, "always", r.url))
    good["answer"] = lambda q: (500, b"")
    s.wait_log(r"\[ERR\] Bad OCSP status update for certificate '%s': exhausted ocsp servers: "
               r"non-ok http status on POST request \(reqlen=69\): 500\n"
               r"non-ok http status on GET request \(reqlen=\d+\): 500, trying again in "
               % re.escape(pair[0]))
    good["answer"] = lambda q: authority.dated(q, -1, 3600)
    s.wait_log(r"\[INF\] Received OCSP status for Client certificate '%s': good, next update .*, "
               r"checking again in (30m0|29m5\d)" % re.escape(pair[0]), timeout=15 * wire.PATIENCE)
    assert ocsp.staple_of(s.port, authority.cert, version) == "good"


@pytest.mark.usefixtures("stapler")
@pytest.mark.parametrize("mode", ["must", "always"])
def test_revoked_later_stops_the_server(server, authority, responder, mode):
    must = authority.leaf("revoked-later", "tlsfeature=status_request")
    status = {"now": "V"}
    r = responder(lambda q: authority.dated(q, -1, 4, status["now"]))
    s = server(conf=conf(must, authority.cert, mode, r.url))
    status["now"] = "R"
    s.wait_log(r"\[ERR\] Received OCSP status for Client certificate '%s': revoked"
               % re.escape(must[0]), timeout=15 * wire.PATIENCE)
    assert s.ended(15 * wire.PATIENCE) == 0
    assert re.search(r"revoked\n.*Initiating Shutdown\.\.\.\n.*Server Exiting\.\.", s.log())


@pytest.mark.usefixtures("stapler")
def test_revoked_later_is_sent_in_auto(server, authority, responder):
    must = authority.leaf("revoked-auto", "tlsfeature=status_request")
    status = {"now": "V"}
    r = responder(lambda q: authority.dated(q, -1, 4, status["now"]))
    s = server(conf=conf(must, authority.cert, "auto", r.url))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"
    status["now"] = "R"
    s.wait_log(r"\[ERR\] Received OCSP status for Client certificate '%s': revoked"
               % re.escape(must[0]), timeout=15 * wire.PATIENCE)
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "revoked"
    assert s.alive()


@pytest.mark.usefixtures("stapler")
def test_answer_is_kept_in_the_store(server, run, tmp_path, authority, responder, kind):
    pair = authority.leaf("kept")
    store = tmp_path / "store"
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    text = conf(pair, authority.cert, "always", r.url, 'store_dir: "%s"\n' % store)
    s = server(conf=text)
    der = subprocess.run(["openssl", "x509", "-in", pair[0], "-outform", "DER"], capture_output=True,
                         check=True).stdout
    kept = store / "ocsp" / hashlib.sha256(der).hexdigest()
    wire.until("kept answer", kept.exists)
    s.stop()
    asked = len(r.asked)

    r.behave = lambda q: (500, b"")
    s = server(conf=text)
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"
    assert len(r.asked) == asked

    s.stop()
    s = server(["-sd", store], conf=conf(pair, authority.cert, "always", r.url))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"
    assert len(r.asked) == asked

    s.stop()
    kept.write_bytes(b"damaged")
    assert "bad OCSP status update" in refused(run, tmp_path, text)


# -- reload

def reload(s, text):
    with open(s.conf_path, "w") as f:
        f.write(text)
    mark = s.log_size()
    s.signal(signal.SIGHUP)
    s.wait_log(r"(Reloaded server configuration|Failed to reload)", mark)
    return s.log_since(mark)


@pytest.mark.usefixtures("stapler")
def test_reload_keeps_and_changes_the_staple(server, authority, responder, kind):
    pair = authority.leaf("reloaded")
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    text = conf(pair, authority.cert, "always", r.url)
    s = server(conf=text)
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"

    assert "Reloaded: OCSP" not in reload(s, text + "debug: true\n")
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"
    if not kind.is_ref:
        assert len(r.asked) == 1        # what is known is handed over

    assert "[INF] Reloaded: OCSP\n" in reload(s, conf(pair, authority.cert, "never"))
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") is None

    assert "[INF] Reloaded: OCSP\n" in reload(s, text)
    wire.until("staple after reload",
               lambda: ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good")


@pytest.mark.own
@pytest.mark.usefixtures("stapler")
def test_reload_does_not_wait_for_a_responder(server, authority, responder):
    pair = authority.leaf("reload-slow")
    done = threading.Event()
    r = responder(lambda q: done.wait(30) and authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, authority.cert, "never"))
    reload(s, conf(pair, authority.cert, "always", r.url))
    wire.until("question", lambda: r.asked)
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") is None
    done.set()
    s.wait_log(r"\[INF\] Received OCSP status for Client certificate '.*': good")
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


@pytest.mark.own
@pytest.mark.usefixtures("stapler")
def test_reload_that_cannot_staple_is_refused(server, authority, responder):
    pair = authority.leaf("reload-orphan")
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, authority.cert, "always", r.url))
    said = reload(s, conf(pair, None, "always", r.url))
    assert "Failed to reload server configuration: ocsp: no issuers found" in said
    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"


@pytest.mark.usefixtures("stapler")
def test_monitoring_port_staples(server, authority, responder, kind):
    pair = authority.leaf("https")
    r = responder(lambda q: authority.answer(q, "-ndays", "2"))
    s = server(conf=conf(pair, authority.cert, "always", r.url, 'https: "127.0.0.1:-1"\n'))
    assert ocsp.staple_of(s.http_port, authority.cert, "-tls1_3") == "good"
    if not kind.is_ref:
        reload(s, conf(pair, authority.cert, "always", r.url, 'https: "127.0.0.1:-1"\ndebug: true\n'))
        assert ocsp.staple_of(s.http_port, authority.cert, "-tls1_3") == "good"


# -- a responder that takes its time disturbs nobody

@pytest.mark.own
@pytest.mark.usefixtures("stapler")
def test_slow_responder_disturbs_nobody(server, authority, responder):
    pair = authority.leaf("slow")
    slow = {"now": False}
    held = threading.Event()

    def behave(q):
        if slow["now"]:
            held.wait(20)
        return authority.dated(q, -1, 4)
    r = responder(behave)
    s = server(conf=conf(pair, authority.cert, "always", r.url), monitor=True)
    slow["now"] = True
    wire.until("a slow request", lambda: len(r.asked) > 1, 15 * wire.PATIENCE)

    assert ocsp.staple_of(s.port, authority.cert, "-tls1_3") == "good"
    assert s.get("/varz")["port"] == s.port
    start = time.monotonic()
    s.stop()
    assert time.monotonic() - start < 5 * wire.PATIENCE
    held.set()
