"""Who a certificate is: odd certificates, verify_and_map, and what connz tells about them."""
import signal
import ssl

import pytest

import names
import wire
from test_auth import BCRYPT

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])

# What some version of a library refuses although the reference takes it.
LIBRARY_REFUSES = {
    "gnutls": {"empty-sans", "empty-subject-empty-sans"} | {
        "deep-%02d" % n for n in (17, 31, 32, 33, 40)},
    "wolfssl": {                                                            # 5.5 and 5.9
        "empty-rdn"} | {"deep-%02d" % n for n in (10, 11, 16, 17, 31, 32, 33, 40)} | {
        "empty-cn", "empty-last-cn", "empty-o", "empty-sans", "multi-three", "multi", "numeric",    # 5.9
        "same-in-rdn", "two-cns-one-rdn", "uri-path", "uri-relative"},
}
WE_REFUSE = {"ous-300"}     # over 256 attributes


def may_be_refused(s, cert):
    return cert in LIBRARY_REFUSES.get(s.kind.provider, ())


# -- every certificate of the corpus

def show(s, cert, version):
    """What the server makes of it: the subject in connz, or None and the words in the log."""
    mark = s.log_size()
    try:
        client = names.hello(s, cert, version)
        client.connect().ping()
        peers = s.conn(client.cid, extra="&auth=1")["tls_peer_certs"]
        client.close()
        return peers[0].get("subject", ""), ""
    except (wire.TlsRefused, OSError):
        return None, s.wait_log(r"TLS handshake error: (?:tls: )?(.*)$", mark).group(1)


@VERSIONS
def test_each_certificate_of_the_corpus(server, version):
    s = server(["-D"], conf=names.conf(), monitor=True)
    wrong = []
    for cert, verdict, subject, sent in names.rows("certs.tsv"):
        if sent == "no":
            continue
        want = names.unescape(subject) if verdict == "accept" else None
        if not s.is_ref and cert in WE_REFUSE:
            want = None
        got, said = show(s, cert, version)
        if got != want and not (got is None and may_be_refused(s, cert)):
            wrong.append((cert, got, said, want))
    assert not wrong, "\n".join(str(w) for w in wrong)


# -- every row of the mapping table

def mapping_rows():
    rows = [row for row in names.rows("mapping.tsv")]
    return [pytest.param(*row, id=row[0], marks=[quick] if row[0] in QUICK else []) for row in rows]


QUICK = ("email", "dns", "uri", "dn-reversed", "dc-left-out", "multi", "dup-string", "inject-o", "idn-cn")
DIFFERENCES = {row[0]: row for row in names.rows("differences.tsv")}


@pytest.mark.parametrize("row,cert,users,answer,said", mapping_rows())
def test_mapping(server, row, cert, users, answer, said):
    if "\\x00" in users:
        pytest.skip("skipped: no user name of ours has a NUL in it")
    s = server(["-D"], monitor=True, conf=names.conf("verify_and_map: true",
                                                     names.unescape_list(users)))
    if not s.is_ref and row in DIFFERENCES:
        answer, said = DIFFERENCES[row][1:3]

    for version in (V12, V13):
        got = names.login(s, cert, version)

        assert got == (names.unescape(answer), said) or (got[0] == "!" and may_be_refused(s, cert))


# -- what mapping does to a login

CAROL = ["CN=carol"]
NKEY = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"


@pytest.fixture
def mapping(server):
    """mapping(users, more="no_auth_user: x"): a server with verify_and_map and these users."""
    def start(users, more="", **kw):
        return server(["-D"], conf=names.conf("verify_and_map: true", users, more), monitor=True,
                      **kw)
    return start


def denied(s, cert, **options):
    assert names.login(s, cert, **options)[0] == "-"


@quick
@VERSIONS
def test_connz_and_labels_have_the_mapped_name(mapping, version):
    s = mapping(CAROL)
    client = names.hello(s, "carol", version).connect(name="me").ping()

    entry = s.conn(client.cid, extra="&auth=1")

    assert entry["authorized_user"] == "CN=carol"
    assert [sorted(c) for c in entry["tls_peer_certs"]] == [
        ["cert_sha256", "spki_sha256", "subject"]]
    assert s.get("/connz?user=CN%3Dcarol&auth=1")["num_connections"] == 1
    client.close()
    s.wait_log(r'"\$G/user:CN=carol" - Client connection closed')


@quick
@pytest.mark.parametrize("name", ["x", "CN=carol", 'a"b'])
def test_a_name_in_connect_is_overwritten_with_a_warning(mapping, name):
    s = mapping(CAROL)

    assert names.login(s, "carol", user=name)[0] == "CN=carol"

    quoted = name.replace('"', r'\\"')
    s.wait_log(r'\[WRN\] User "%s" found in connect proto, but user required from cert$' % quoted)


def test_an_empty_name_in_connect_is_no_name(mapping):
    s = mapping(CAROL)

    assert names.login(s, "carol", user="")[0] == "CN=carol"

    assert "found in connect proto" not in s.log()


def test_a_name_in_connect_that_exists_does_not_help(mapping):
    s = mapping(["CN=dave", "dave"])

    denied(s, "carol", user="dave")

    s.wait_log(r"\[ERR\].* - authentication error - User \"dave\"$")


@quick
def test_the_password_is_checked_all_the_same(mapping):
    s = mapping(['{user: "CN=carol", password: right}', "CN=Bob,O=ACME"])

    assert names.login(s, "carol", **{"pass": "right"})[0] == "CN=carol"
    denied(s, "carol", **{"pass": "wrong"})
    denied(s, "carol")
    s.wait_log(r'\[ERR\].* - authentication error - User "CN=carol"$')
    assert names.login(s, "case")[0] == "CN=Bob,O=ACME"
    assert names.login(s, "case", **{"pass": ""})[0] == "CN=Bob,O=ACME"
    denied(s, "case", **{"pass": "y"})


def test_a_bcrypt_password_of_a_mapped_user(mapping):
    s = mapping(['{user: "CN=carol", password: "%s"}' % BCRYPT])

    assert names.login(s, "carol", **{"pass": "s3cret"})[0] == "CN=carol"
    denied(s, "carol", **{"pass": "wrong"})
    denied(s, "carol", user="CN=carol")


def test_a_token_does_not_matter(mapping):
    s = mapping(CAROL)

    assert names.login(s, "carol", auth_token="t")[0] == "CN=carol"


def test_a_user_of_other_connections_is_passed_over(mapping):
    s = mapping(['{user: "bob@example.com", allowed_connection_types: [WEBSOCKET]}',
                 "host.example.com",
                 '{user: "CN=carol", allowed_connection_types: [MQTT]}'])

    assert names.login(s, "bob")[0] == "host.example.com"
    denied(s, "carol")


@quick
def test_permissions_of_the_mapped_user_hold(mapping):
    s = mapping(['{user: "CN=carol", permissions: {publish: "a"}}'])
    client = names.hello(s, "carol").connect().ping()

    client.pub("b", b"x")

    client.expect(b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n")


def test_no_auth_user_is_not_asked(mapping):
    s = mapping(["guest", "CN=carol"], more="no_auth_user: guest")

    assert names.login(s, "carol")[0] == "CN=carol"
    denied(s, "case")


@quick
def test_the_certificate_chooses_for_those_who_do_not_say_connect(mapping):
    """no_auth_user lets clients begin with anything: that is no way around the certificate."""
    s = mapping(["guest", "CN=carol"], more="no_auth_user: guest")

    carol = names.hello(s, "carol")
    carol.send(b"PING\r\n")
    carol.expect(b"PONG\r\n")
    assert s.get("/connz?auth=1")["connections"][0]["authorized_user"] == "CN=carol"

    other = names.hello(s, "case")
    other.send(b"PING\r\n")
    other.expect_eof(b"-ERR 'Authorization Violation'\r\n")


def test_a_password_of_the_mapped_user_is_not_skipped_by_silence(mapping):
    s = mapping(["guest", '{user: "CN=carol", password: right}'], more="no_auth_user: guest")

    carol = names.hello(s, "carol")
    carol.send(b"PING\r\n")
    carol.expect_eof(b"-ERR 'Authorization Violation'\r\n")


def test_a_client_without_tls_has_no_certificate(mapping):
    s = mapping(CAROL, more="allow_non_tls: true")
    client = s.raw()
    client.read_info()

    client.connect(user="CN=carol").send(b"PING\r\n")

    client.expect_eof(b"-ERR 'Authorization Violation'\r\n")
    s.wait_log(r"\[DBG\].* - User required in cert, no TLS connection state$")
    s.wait_log(r"\[ERR\].* - authentication error - User \"CN=carol\"$")


@pytest.mark.parametrize("more,options", [
    ("", {}),
    ("authorization { user: u, password: p }", {"user": "u", "pass": "p"}),
    ("authorization { token: t }", {"auth_token": "t"})], ids=["none", "user", "token"])
def test_without_a_table_of_users_it_is_plain_verify(mapping, more, options):
    s = mapping(None, more=more)
    assert s.get("/varz")["tls_verify"] is True

    answer, said = names.login(s, "carol", **options)

    assert answer != "-" and said == ""


def test_nkey_users_are_not_mapped(mapping):
    s = mapping(["{nkey: %s}" % NKEY])

    denied(s, "carol")
    answer, said = names.login(s, "carol", nkey=NKEY, sig="x")

    assert (answer, said) == ("-", "")
    s.wait_log(r'authentication error - Nkey "%s"' % NKEY)


def test_nkeys_and_mapped_users_side_by_side(mapping):
    s = mapping(["{nkey: %s}" % NKEY, "CN=carol"])

    assert names.login(s, "carol")[0] == "CN=carol"
    assert names.login(s, "carol", nkey=NKEY, sig="x") == ("-", "")


def test_an_nkey_that_nobody_asked_for_is_not_shown_as_the_user(mapping):
    s = mapping(CAROL)

    # The reference shows what the client claimed.
    assert names.login(s, "carol", nkey=NKEY)[0] == (NKEY if s.is_ref else "CN=carol")


def test_a_password_less_user_is_no_plain_password(mapping, server):
    s = mapping(CAROL)
    t = server(["-D"], conf=names.conf("verify: true", CAROL))

    t.wait_log("Plaintext passwords detected")
    assert "Plaintext passwords detected" not in s.log()


@VERSIONS
def test_a_resumed_session_is_mapped_again(mapping, version):
    s = mapping(CAROL)
    ctx = names.context("carol", version)
    first = names.hello(s, "carol", ctx=ctx).connect().ping()
    session = first.tls.session
    first.close()
    mark = s.log_size()

    again = names.hello(s, "carol", session=session, ctx=ctx).connect().ping()

    entry = s.conn(again.cid, extra="&auth=1")
    assert entry["authorized_user"] == "CN=carol"
    assert entry["tls_peer_certs"][0]["subject"] == "CN=carol"
    assert again.tls.session_reused == (s.kind.provider != "wolfssl")
    s.wait_log(r'cid:%d - Using DistinguishedNameMatch for auth \["CN=carol"\]' % again.cid, mark)


@VERSIONS
def test_a_resumed_session_is_pinned_again(server, version, certs):
    pair = certs.client
    conf = names.conf('verify: true\n pinned_certs: ["%s"]' % pair.spki_sha256())
    s = server(["-D"], conf=conf.replace(names.file("root.pem"), certs.ca.cert), monitor=True)
    ctx = wire.tls_context(version, cert=pair.cert, key=pair.key)
    first = names.hello(s, None, ctx=ctx).connect().ping()
    session = first.tls.session
    first.close()

    again = names.hello(s, None, session=session, ctx=ctx).connect().ping()

    peers = s.conn(again.cid, extra="&auth=1")["tls_peer_certs"]
    assert peers[0]["spki_sha256"] == pair.spki_sha256()
    assert again.tls.session_reused == (s.kind.provider != "wolfssl")


def test_the_whole_chain_is_in_connz(server):
    s = server(["-D"], conf=names.conf(), monitor=True)
    client = names.hello(s, "deep-09").connect().ping()

    peers = s.conn(client.cid, extra="&auth=1")["tls_peer_certs"]

    assert [p["subject"] for p in peers] == ["CN=deep"] + [
        "CN=Floor %d,O=Natterjack" % n for n in range(7, -1, -1)]
    assert "tls_peer_certs" not in s.conn(client.cid)


# -- a reload

def reload(s, users):
    with open(s.conf_path, "w") as f:
        f.write(names.conf("verify_and_map: true", users))
    mark = s.log_size()
    s.signal(signal.SIGHUP)
    s.wait_log("Reloaded server configuration", mark)


@quick
def test_a_reload_maps_again(mapping):
    s = mapping(["host.example.com"])
    client = names.hello(s, "bob").connect().ping()

    reload(s, ["host.example.com", "bob@example.com"])

    wire.until("the other user", lambda: s.conn(client.cid, extra="&auth=1")["authorized_user"]
               == "bob@example.com")
    client.ping()


@pytest.mark.parametrize("users", [
    ["nobody"], ["bob@example.com"], ['{user: "host.example.com", password: x}'],
    ['{user: "host.example.com", allowed_connection_types: [MQTT]}']],
    ids=["gone", "another", "password", "types"])
def test_a_reload_closes_whom_it_no_longer_maps(mapping, users):
    s = mapping(["host.example.com"])
    client = names.hello(s, "bob").connect().ping()

    reload(s, users)

    wire.until("the end", lambda: s.conn(client.cid, "closed"))


def test_a_reload_that_maps_to_a_user_with_a_password_closes(mapping):
    s = mapping(["host.example.com"])
    client = names.hello(s, "bob").connect().ping()

    reload(s, ["host.example.com", '{user: "bob@example.com", password: x}'])

    client.expect_eof(b"-ERR 'Authorization Violation'\r\n")
