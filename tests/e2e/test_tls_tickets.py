"""Session tickets: how long they are good, and what happens when their secret changes."""
import signal
import ssl

import pytest

import wire
from wire import tls_context

pytestmark = [pytest.mark.tls]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])
CHANGED = "the secret of session tickets was changed"


@pytest.fixture
def ticket_server(server, certs):
    def start(more="", key_type="ecdsa", **kw):
        pair = certs.server(key_type)
        return server(["-D"], conf="tls {\n cert_file: '%s'\n key_file: '%s'\n %s\n}\n"
                      % (pair.cert, pair.key, more), **kw)
    return start


def talk(s, ctx, session=None, name=None):
    """A connection that got its ticket."""
    w = s.raw()
    w.read_info()
    w.start_tls(ctx, session=session, server_hostname=name)
    w.connect().ping()      # with TLS 1.3 the ticket comes with the first data
    return w


@quick
@VERSIONS
def test_ticket_is_good_for_a_day(ticket_server, kind, version):
    w = talk(ticket_server(), tls_context(version))

    assert w.tls.session.has_ticket
    if not kind.is_ref:     # the reference says a week
        assert w.tls.session.ticket_lifetime_hint == 86400


@pytest.mark.own
@VERSIONS
def test_ticket_outlives_one_change_of_the_secret_and_no_second(ticket_server, version):
    s = ticket_server("ticket_rotation: 2s")
    ctx = tls_context(version)
    mark = s.log_size()
    old = talk(s, ctx).tls.session
    assert talk(s, ctx, old).tls.session_reused

    change = s.wait_log(CHANGED, mark, 4 * wire.PATIENCE)
    kept = talk(s, ctx, old)
    assert kept.tls.session_reused
    new = talk(s, ctx).tls.session

    mark = mark + s.log_since(mark).index(CHANGED) + len(CHANGED)
    s.wait_log(CHANGED, mark, 4 * wire.PATIENCE)
    assert not talk(s, ctx, old).tls.session_reused
    assert talk(s, ctx, new).tls.session_reused
    assert change
    kept.ping()             # who is in stays in


@pytest.mark.own
@pytest.mark.one_worker
@VERSIONS
def test_sessions_of_all_certificates_of_a_block_have_one_secret(server, certs, version):
    """A ticket that came with one certificate opens the door at the other."""
    s = server(conf="tls {\n certs: [ { cert_file: '%s', key_file: '%s' }, { cert_file: '%s', "
               "key_file: '%s' } ]\n}\n" % (certs.server_ecdsa.cert, certs.server_ecdsa.key,
                                           certs.server_rsa.cert, certs.server_rsa.key))
    ctx = tls_context(version)
    session = talk(s, ctx, name="localhost").tls.session

    again = talk(s, ctx, session, name="localhost")

    assert again.tls.session_reused


@VERSIONS
def test_ticket_opens_nothing_at_another_start(ticket_server, kind, version):
    ctx = tls_context(version)
    session = talk(ticket_server(), ctx).tls.session
    other = ticket_server()

    again = talk(other, ctx, session)

    assert not again.tls.session_reused
    if kind.provider == "wolfssl" and version == V12:   # 5.5 gives one to who comes without only
        again = talk(other, ctx)
    assert again.tls.session.has_ticket
    assert talk(other, ctx, again.tls.session).tls.session_reused


BAD = [
    ("bool", "true", "error parsing tls config, 'ticket_rotation' wrong type"),
    ("word", "'x'", 'error parsing tls config, \'ticket_rotation\' time: invalid duration "x"'),
    ("too_short", "'900ms'", "error parsing tls config, 'ticket_rotation' must be from 1s to 84h"),
    ("too_long", "'85h'", "error parsing tls config, 'ticket_rotation' must be from 1s to 84h"),
    ("zero", "0", "error parsing tls config, 'ticket_rotation' must be from 1s to 84h"),
]


@quick
@pytest.mark.own
@pytest.mark.one_worker
@pytest.mark.parametrize("value,text", [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_bad_rotation_is_refused(run, tmp_path, value, text):
    (tmp_path / "t.conf").write_text("tls {\n ticket_rotation: %s\n}\n" % value)

    p = run(["-c", "t.conf", "-t"])

    assert p.returncode == 1
    assert "t.conf:2:2: " + text + "\n" in p.stderr


@quick
@pytest.mark.one_worker
def test_reload_means_a_new_secret(ticket_server):
    """Even one that changes nothing; who is in stays in."""
    s = ticket_server()
    ctx = tls_context(V13)
    w = talk(s, ctx)
    session = w.tls.session
    mark = s.log_size()

    s.signal(signal.SIGHUP)
    s.wait_log("Reloaded server configuration", mark)

    assert not talk(s, ctx, session).tls.session_reused
    w.ping()


@quick
@VERSIONS
def test_resumed_client_is_judged_again(server, certs, kind, version):
    """Its certificate is pinned: a ticket opens the door as long as the pin is there."""
    pair = certs.server_ecdsa
    conf = ("tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true, pinned_certs: [ '%s' ] }\n"
            % (pair.cert, pair.key, certs.ca.cert, certs.client.spki_sha256()))
    s = server(conf=conf, monitor=True)
    ctx = tls_context(version, cert=certs.client.cert, key=certs.client.key)
    session = talk(s, ctx).tls.session

    again = talk(s, ctx, session)

    assert again.tls.session_reused == (kind.provider != "wolfssl")     # there it would be forgotten
    chain = s.conn(again.cid, extra="&auth=true")["tls_peer_certs"]
    assert chain[0]["cert_sha256"] == certs.client.cert_sha256()


TIMES = [
    ("default", "", "", 2, 3),
    ("seconds", "timeout: 5", "", 5, 6),
    ("fraction", "timeout: 0.25", "", 0.25, 1.25),
    ("duration", "timeout: '1500ms'", "", 1.5, 2.5),
    ("own_auth_timeout", "timeout: 5", "authorization { timeout: 1 }", 5, 1),
    ("not_required", "timeout: 5", "allow_non_tls: true", 5, 6),
]


@quick
@pytest.mark.one_worker
@pytest.mark.parametrize("more,after,tls,auth", [pytest.param(*t[1:], id=t[0]) for t in TIMES])
def test_auth_timeout_is_a_second_more_than_that_of_tls(server, certs, more, after, tls, auth):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', %s }\n%s\n"
               % (pair.cert, pair.key, more, after), monitor=True)

    varz = s.get("/varz")

    assert (varz["tls_timeout"], varz["auth_timeout"]) == (tls, auth)


@VERSIONS
def test_client_that_resumes_from_ticket_to_ticket_is_never_refused(ticket_server, kind, version):
    """More often in a row than a byte can count; now and then it may be a full handshake."""
    s = ticket_server()
    ctx = tls_context(version)
    session, resumed = None, 0
    for _ in range(300):
        w = talk(s, ctx, session)
        session = w.tls.session
        resumed += w.tls.session_reused
        w.close()

    assert resumed > 250
    if kind.provider == "wolfssl" and version == ssl.TLSVersion.TLSv1_3:
        assert resumed == 298       # the first, and one before the library's count is full
