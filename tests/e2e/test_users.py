"""The table of users: who comes in, as whom, and what is said about it."""
import re

import pytest

import reloading

from test_auth import BCRYPT, VIOLATION, connect_line

CONF = """authorization {
  users: [
    { user: anna, password: s3cret }
    { username: bert, pass: "%s" }
    { user: carl }
    { user: dora, password: "", allowed_connection_types: [standard, mqtt] }
    { user: emil, password: x, connection_types: WEBSOCKET }
    { user: "jo \\"x\\"", password: "p w" }
  ]
}
""" % BCRYPT


def cred(user, password=None):
    out = {"user": user}
    if password is not None:
        out["pass"] = password
    return out


@pytest.fixture
def crowd(server):
    return server(["-DV"], conf=CONF, monitor=True)


def refused(s, **options):
    w = s.client(connect=False)
    w.send(connect_line(**options) + b"PUB a 0\r\n\r\n")
    w.expect_eof(VIOLATION)


GOOD = [("anna", "s3cret"), ("bert", "s3cret"), ("carl", None), ("carl", ""), ("dora", None),
        ('jo "x"', "p w")]
BAD = [("anna", "s3cre"), ("anna", "s3crets"), ("anna", ""), ("anna", None), ("Anna", "s3cret"),
       ("anna ", "s3cret"), ("bert", BCRYPT), ("bert", ""), ("carl", "x"), ("emil", "x"),
       ("nobody", None), ("", "s3cret"), (None, None), ("anna\0", "s3cret"), ("anna", "s3cret\0x")]


@pytest.mark.quick
def test_each_user_comes_in_with_his_own_password(crowd):
    for user, password in GOOD:
        w = crowd.client(connect=False)
        assert w.info["auth_required"] is True
        w.send(connect_line(**cred(user, password)) + b"SUB a 1\r\nPUB a 0\r\n\r\n")
        w.expect(b"MSG a 1 0\r\n\r\n")
        assert crowd.conn(w.cid, extra="&auth=1")["authorized_user"] == user
        w.close()


@pytest.mark.quick
def test_nobody_else_does(crowd):
    for user, password in BAD:
        refused(crowd, **({} if user is None else cred(user, password)))
    refused(crowd, auth_token="s3cret")
    crowd.client(**cred("anna", "s3cret")).ping()


def test_the_log_says_who(crowd):
    w = crowd.client(name="frog", **cred("anna", "s3cret"))
    w.close()
    crowd.wait_log(r'cid:%d - "frog" - "\$G/user:anna" - Client connection closed: Client Closed$'
                   % w.cid)
    refused(crowd, **cred("emil", "x"))
    crowd.wait_log(r'\[ERR\] 127\.0\.0\.1:\d+ - cid:\d+ - authentication error - User "emil"$')


def test_connz_finds_a_user(crowd):
    a, b = crowd.client(**cred("anna", "s3cret")), crowd.client(**cred("carl"))

    got = crowd.get("/connz?auth=1&user=carl")["connections"]

    assert [c["cid"] for c in got] == [b.cid] and a.cid != b.cid


def test_a_second_connect_is_another_user(crowd):
    w = crowd.client(**cred("anna", "s3cret"))
    w.sub("a", 1)

    w.connect(**cred("carl", "")).ping()
    w.pub("a").ping()           # its subscriptions went with the user before

    assert crowd.conn(w.cid, extra="&auth=1")["authorized_user"] == "carl"
    w.send(connect_line(**cred("anna", "no")))
    w.expect_eof(VIOLATION)


# ---- no_auth_user

@pytest.mark.quick
def test_who_says_nothing_is_the_no_auth_user(server):
    s = server(["-D"], conf=CONF + "no_auth_user: anna\n", monitor=True)
    w = s.client(connect=False)
    assert "auth_required" not in w.info
    w.connect(name="shy").ping()
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "anna"
    w.close()
    s.wait_log(r'cid:%d - "shy" - "\$G/user:anna" - Client connection closed' % w.cid)

    s.client(**cred("carl")).ping()
    refused(s, **cred("anna"))
    refused(s, **cred("", "x"))
    refused(s, auth_token="x")


@pytest.mark.quick
def test_the_no_auth_user_may_begin_with_anything(server):
    s = server(["-D"], conf=CONF + "no_auth_user: anna\n", monitor=True)
    w = s.client(connect=False)

    w.send(b"SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n")

    w.expect(b"+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\nPONG\r\n")
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "anna"


@pytest.mark.quick
@pytest.mark.parametrize("first", [b"PING\r\n", connect_line() + b"PING\r\n"])
def test_who_is_the_no_auth_user_may_say_connect_again(server, first):
    s = server(conf=CONF + "no_auth_user: anna\n", monitor=True)
    w = s.client(connect=False)
    w.send(first)
    w.expect(b"PONG\r\n")

    w.connect(name="late").ping()
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "anna"
    w.connect(**cred("carl", "")).ping()
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "carl"
    w.send(connect_line(**cred("anna", "no")))
    w.expect_eof(VIOLATION)


def test_the_no_auth_user_must_be_of_the_right_type(server):
    s = server(conf=CONF + "no_auth_user: emil\n")
    refused(s)


def test_also_without_connect(server):
    s = server(conf=CONF + "no_auth_user: emil\n")
    w = s.client(connect=False)
    w.send(b"PING\r\n")
    w.expect_eof(VIOLATION)


@pytest.mark.own        # the reference compares the hash with itself as if it were the password
def test_the_password_of_the_no_auth_user_may_be_a_hash(server):
    s = server(conf=CONF + "no_auth_user: bert\n")
    s.client().ping()
    refused(s, **cred("bert"))


def test_a_silent_no_auth_user_is_timed_out(server):
    conf = CONF.replace("users:", "timeout: 0.2, users:") + "no_auth_user: anna\n"
    w = server(conf=conf).client(connect=False)

    w.expect_eof(b"-ERR 'Authentication Timeout'\r\n")


MISSING = 'no_auth_user: "zoe" not present as user or nkey in authorization block or account configuration'
UNDEFINED = 'no_auth_user: "zoe" present, but users/nkeys are not defined'


@pytest.mark.quick
@pytest.mark.one_worker
@pytest.mark.parametrize("conf, error", [
    (CONF, MISSING),
    ("", UNDEFINED),
    ("authorization { user: zoe, password: x }\n", UNDEFINED),
    ("authorization { token: t }\n", UNDEFINED),
])
def test_a_missing_no_auth_user_stops_the_start_and_not_the_check(run, prog, tmp_path, conf, error):
    (tmp_path / "c.conf").write_text(conf + "no_auth_user: zoe\n")

    assert run(["-t", "-c", "c.conf"]).returncode == 0
    p = run(["-c", "c.conf", "-a", "127.0.0.1", "-p", "-1"])

    assert p.returncode == 1
    assert p.stderr == "%s: %s\n" % (prog, error)


# ---- beside other ways

def test_flags_beside_a_table(server):
    s = server(["--user", "flag", "--pass", "f"], conf=CONF)

    s.client(**cred("anna", "s3cret")).ping()
    refused(s, **cred("flag", "f"))


def test_a_token_flag_beside_a_table(server):
    s = server(["--auth", "t0k3n"], conf=CONF)

    s.client(auth_token="t0k3n").ping()
    s.client(**cred("anna", "s3cret")).ping()
    refused(s, auth_token="t0k3")


def test_an_empty_table_asks_for_nothing(server):
    s = server(conf="authorization { users: [] }\n")

    assert "auth_required" not in s.client(connect=False).info
    s.client().ping()


OPEN = r"\[WRN\] Everybody may connect: authorization has a user, token or users, and they are empty"


@pytest.mark.own
@pytest.mark.one_worker
@pytest.mark.parametrize("auth, warns", [
    ("users: []", True), ('user: ""', True), ('user: "", password: ""', True), ("password: s3cret", True),
    ('token: ""', True), ("users: [], permissions: { publish: a }", True),
    ("timeout: 1", False), ("", False), ("token: x", False), ("user: a", False), ("users: [ {user: a} ]", False),
])
def test_a_block_that_leaves_everybody_in_is_warned_about(server, auth, warns):
    s = server(conf="authorization { %s }\n" % auth)

    is_open = "auth_required" not in s.client(connect=False).info
    assert is_open == (warns or auth in ("timeout: 1", ""))
    assert bool(re.search(OPEN, s.log())) == warns


@pytest.mark.own
@pytest.mark.one_worker
def test_a_reload_that_leaves_everybody_in_is_warned_about(server):
    s = server(conf="authorization { users: [ {user: a, password: b} ] }\n")
    assert not re.search(OPEN, s.log())

    reloading.reloaded(s, "authorization { users: [] }\n")

    s.wait_log(OPEN)


@pytest.mark.parametrize("users, warns", [
    ("{user: a, password: b}", True), ("{user: a}", True), ("{user: a, password: '%s'}" % BCRYPT, False),
    ("{user: a, password: '%s'}, {user: b, password: c}" % BCRYPT, True),
])
@pytest.mark.one_worker
def test_one_plain_password_is_enough_for_the_warning(server, users, warns):
    s = server(conf="authorization { users: [ %s ] }\n" % users)
    s.wait_log("Server is ready")

    assert ("[WRN] Plaintext passwords detected, use nkeys or bcrypt" in s.log()) == warns


def test_a_thousand_users(server):
    users = "\n".join("{user: u%d, password: p%d}" % (n, n) for n in range(1000))
    s = server(conf="authorization { users: [\n%s\n] }\n" % users)

    for n in (0, 1, 499, 999):
        s.client(**cred("u%d" % n, "p%d" % n)).ping()
        refused(s, **cred("u%d" % n, "p%d" % (n + 1)))
    refused(s, **cred("u1000", "p1000"))


# ---- a reload

def reload(s, conf):
    with open(s.conf_path, "w") as f:
        f.write(conf)
    mark = s.log_size()
    s.signal(1)
    s.wait_log("Reloaded server configuration", since=mark)


@pytest.mark.quick
def test_a_reload_closes_whom_it_must_and_nobody_else(server):
    def conf(users):
        return "authorization { users: [ %s ] }\n" % ", ".join(users)
    s = server(["-D"], conf=conf(["{user: stay, password: x}", "{user: new, password: x}",
                                  "{user: gone, password: x}", "{user: type, password: x}"]))
    stay, new, gone, kind = [s.client(**cred(u, "x")) for u in ("stay", "new", "gone", "type")]
    stay.sub("a", 1).ping()

    reload(s, conf(["{user: late, password: x}", "{user: stay, password: x}",
                    "{user: new, password: y}",
                    "{user: type, password: x, connection_types: [MQTT]}"]))

    new.expect_eof(VIOLATION)
    kind.expect_eof(VIOLATION)
    gone.expect_eof(b"")
    s.wait_log(r'- "\$G/user:new" - authentication error - User "new"$')
    w = s.client(**cred("late", "x"))
    w.pub("a").ping()
    stay.expect(b"MSG a 1 0\r\n\r\n")
    refused(s, **cred("gone", "x"))
    s.client(**cred("new", "y")).ping()


def test_a_reload_from_nothing_to_a_table_and_back(server):
    s = server(conf="port: -1\n")
    nobody = s.client()

    reload(s, "port: -1\n" + CONF)

    nobody.expect_eof(VIOLATION)
    anna = s.client(**cred("anna", "s3cret"))
    assert anna.info["auth_required"] is True
    reload(s, "port: -1\n")
    anna.expect_eof(b"")
    assert "auth_required" not in s.client(connect=False).info


def test_an_nkey_that_a_reload_brings(server):
    key = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
    s = server(conf=CONF)
    early = s.client(connect=False)
    assert "nonce" not in early.info

    reload(s, CONF.replace("users: [", "users: [ {nkey: %s}" % key))

    assert len(s.client(connect=False).info["nonce"]) == 15
    early.send(connect_line(nkey=key, sig="A" * 86))
    early.expect_eof(VIOLATION)
