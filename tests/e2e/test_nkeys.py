"""nkey users: they sign the nonce of INFO."""
import base64
import json

import pytest

from nkey import UserKey
from test_auth import VIOLATION, connect_line
from test_nats_cli import nats_cli  # noqa: F401  (a fixture)

KEY = UserKey(bytes(range(32)))
OTHER = UserKey(bytes(range(1, 33)))
USERS = "{nkey: %s}, {user: anna, password: s3cret}" % KEY.public
CONF = "authorization { users: [ %s ] }\n" % USERS

pytestmark = [pytest.mark.tls]      # the provider checks the signatures


@pytest.fixture
def keyed(server):
    return server(["-DV"], conf=CONF, monitor=True)


def standard(raw):
    return base64.b64encode(raw).decode()


@pytest.mark.quick
def test_the_nonce_is_signed_and_the_client_is_in(keyed):
    w = keyed.client(connect=False)
    assert len(w.info["nonce"]) == 15 and w.info["auth_required"] is True

    w.connect(nkey=KEY.public, sig=KEY.sig(w.info["nonce"]), name="frog").ping()

    entry = keyed.conn(w.cid, extra="&auth=1")
    assert (entry["authorized_user"], entry["issuer_key"]) == (KEY.public, "$G")
    w.close()
    keyed.wait_log(r'cid:%d - "frog" - "\$G/nkey:%s" - Client connection closed' % (w.cid, KEY.public))


def test_every_connection_has_its_own_nonce(keyed):
    assert keyed.client(connect=False).info["nonce"] != keyed.client(connect=False).info["nonce"]


@pytest.mark.quick
@pytest.mark.parametrize("how", ["url", "standard"])
def test_both_forms_of_base64_are_read(keyed, how):
    for n in range(3):      # a signature without + and / says nothing; three rarely are
        w = keyed.client(connect=False)
        raw = KEY.sign(w.info["nonce"].encode())
        sig = KEY.sig(w.info["nonce"]) if how == "url" else standard(raw)
        w.connect(nkey=KEY.public, sig=sig).ping()


def bad(what, nonce):
    raw = KEY.sign(nonce.encode())
    return {
        "none": {"nkey": KEY.public},
        "empty": {"nkey": KEY.public, "sig": ""},
        "no base64": {"nkey": KEY.public, "sig": "@" * 86},
        "short": {"nkey": KEY.public, "sig": KEY.sig(nonce)[:84]},
        "long": {"nkey": KEY.public, "sig": KEY.sig(nonce) + "AAAA"},
        "standard unpadded": {"nkey": KEY.public, "sig": standard(raw).rstrip("=") + "+"},
        "of another nonce": {"nkey": KEY.public, "sig": KEY.sig("x" + nonce[1:])},
        "of another key": {"nkey": KEY.public, "sig": OTHER.sig(nonce)},
        "of an unknown key": {"nkey": OTHER.public, "sig": OTHER.sig(nonce)},
        "a bit": {"nkey": KEY.public, "sig": standard(raw[:63] + bytes([raw[63] ^ 1]))},
        "no key": {"nkey": "UXX", "sig": KEY.sig(nonce)},
        "a name for a key": {"nkey": "anna", "pass": "s3cret"},
        "a key for a name": {"user": KEY.public, "pass": ""},
        "key and right password": {"nkey": OTHER.public, "user": "anna", "pass": "s3cret"},
        "nul": {"nkey": KEY.public, "sig": KEY.sig(nonce) + "\0"},
    }[what]


@pytest.mark.quick
@pytest.mark.parametrize("what", [
    "none", "empty", "no base64", "short", "long", "standard unpadded", "of another nonce",
    "of another key", "of an unknown key", "a bit", "no key", "a name for a key",
    "a key for a name", "key and right password", "nul"])
def test_what_is_not_signed_well_is_refused(keyed, what):
    w = keyed.client(connect=False)

    w.send(connect_line(**bad(what, w.info["nonce"])) + b"PUB a 0\r\n\r\n")

    w.expect_eof(VIOLATION)


@pytest.mark.quick
def test_the_log_names_the_key_and_hides_the_signature(keyed):
    w = keyed.client(connect=False)
    sig = OTHER.sig(w.info["nonce"])
    w.send(connect_line(nkey=KEY.public, sig=sig))
    w.expect_eof(VIOLATION)

    keyed.wait_log(r"\[DBG\].* - Signature not verified$")
    keyed.wait_log(r'\[ERR\].* - authentication error - Nkey "%s"$' % KEY.public)
    assert sig not in keyed.log()


def test_a_missing_signature_is_said_in_the_debug_log(keyed):
    w = keyed.client(connect=False)
    w.send(connect_line(nkey=KEY.public))
    w.expect_eof(VIOLATION)

    keyed.wait_log(r"\[DBG\].* - Signature missing$")


@pytest.mark.quick
def test_names_and_nkeys_live_side_by_side(keyed):
    keyed.client(user="anna", **{"pass": "s3cret"})
    w = keyed.client(connect=False)
    w.connect(nkey=KEY.public, sig=KEY.sig(w.info["nonce"])).ping()


def test_without_nkeys_there_is_no_nonce(server):
    s = server(conf="authorization { users: [ {user: anna, password: s3cret} ] }\n")

    assert "nonce" not in s.client(connect=False).info


def test_only_nkeys_need_no_warning(server):
    s = server(conf="authorization { users: [ {nkey: %s} ] }\n" % KEY.public)
    s.wait_log("Server is ready")

    assert "Plaintext passwords" not in s.log()


@pytest.mark.quick
def test_the_key_of_no_auth_user_needs_no_signature(server):
    s = server(conf=CONF + "no_auth_user: %s\n" % KEY.public, monitor=True)
    w = s.client()
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == KEY.public
    assert "auth_required" not in w.info
    s.client(nkey=KEY.public)

    early = s.client(connect=False)         # but who says something else first must be a user
    early.send(b"PING\r\n")
    early.expect_eof(VIOLATION)


def test_a_nonce_is_signed_again_on_a_second_connect(keyed):
    w = keyed.client(connect=False)
    line = connect_line(nkey=KEY.public, sig=KEY.sig(w.info["nonce"]))
    w.send(line)
    w.ping()

    w.send(line)
    w.ping()
    w.send(connect_line(nkey=KEY.public, sig=OTHER.sig(w.info["nonce"])))

    w.expect_eof(VIOLATION)


def test_permissions_of_an_nkey(server):
    s = server(conf='authorization { users: [ {nkey: %s, permissions: {publish: "a"}} ] }\n'
               % KEY.public)
    w = s.client(connect=False)
    w.connect(nkey=KEY.public, sig=KEY.sig(w.info["nonce"]))

    w.pub("a").pub("b")

    w.expect(b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n")
    w.ping()


def test_info_after_connect_has_no_nonce(keyed):
    w = keyed.client(connect=False)
    w.connect(nkey=KEY.public, sig=KEY.sig(w.info["nonce"]), protocol=1).ping()

    assert "nonce" not in w.read_info()


def test_the_command_line_tool(keyed, nats_cli, tmp_path):  # noqa: F811
    (tmp_path / "user.nk").write_text(KEY.seed + "\n")

    out = nats_cli(keyed, "pub", "a", "hello", extra=["--nkey", str(tmp_path / "user.nk")])

    assert "Published 5 bytes" in out


@pytest.mark.own
def test_the_check_looks_for_somebody_who_can_verify(run, tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("tls_provider: nobody\n" + CONF)

    p = run(["-c", conf])

    assert p.returncode == 1 and "nobody" in p.stderr


def test_json_of_info_keeps_the_order(keyed):
    keys = list(json.loads(keyed.client(connect=False).info_line[5:]))

    assert keys.index("client_ip") + 1 == keys.index("nonce")
