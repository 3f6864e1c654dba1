"""Who may come in: user and password, token, bcrypt, by flags and by file, and in time."""
import json
import threading
import time

import pytest

import wire

VIOLATION = b"-ERR 'Authorization Violation'\r\n"

# bcrypt of "s3cret", cost 4, made once: the hash is data, not a secret.
BCRYPT = "$2a$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG"

USER = {"user": "anna", "pass": "s3cret"}
TOKEN = {"auth_token": "t0k3n"}

WAYS = {
    "user_flags": (["--user", "anna", "--pass", "s3cret"], None, USER),
    "token_flag": (["--auth", "t0k3n"], None, TOKEN),
    "user_file": ([], 'authorization { user: anna, password: s3cret }\n', USER),
    "user_file_other_names": ([], 'authorization { username: anna, pass: s3cret }\n', USER),
    "token_file": ([], 'authorization { token: "t0k3n" }\n', TOKEN),
    "bcrypt_file": ([], 'authorization { user: anna, password: "%s" }\n' % BCRYPT, USER),
    "bcrypt_flag": (["--user", "anna", "--pass", BCRYPT], None, USER),
    "bcrypt_token": ([], 'authorization { token: "%s" }\n' % BCRYPT, {"auth_token": "s3cret"}),
}


@pytest.fixture(params=sorted(WAYS))
def way(request, server):
    args, conf, good = WAYS[request.param]
    s = server(["-D"] + args, conf=conf)
    s.good = good
    s.way = request.param
    return s


def connect_line(**options):
    options.setdefault("verbose", False)
    return b"CONNECT " + json.dumps(options).encode() + b"\r\n"


def refused(s, line):
    w = s.client(connect=False)
    w.send(line)
    w.expect_eof(VIOLATION)
    return w


@pytest.mark.quick
def test_right_and_wrong_credentials(way):
    s = way
    w = s.client(connect=False)
    assert w.info["auth_required"] is True
    w.send(connect_line(**s.good) + b"SUB a 1\r\nPUB a 0\r\n\r\n")
    w.expect(b"MSG a 1 0\r\n\r\n")

    refused(s, connect_line())
    for key in s.good:
        bad = dict(s.good)
        bad[key] += "x"
        refused(s, connect_line(**bad))
        bad[key] = s.good[key] + "\0x"          # a text does not end at a NUL
        refused(s, connect_line(**bad))
        bad[key] = ""
        refused(s, connect_line(**bad))
    refused(s, connect_line(user="nobody", **{"pass": "s3cret"}))
    s.wait_log(r"\[ERR\].*authentication error")
    s.wait_log("closed: Authentication Failure")
    w.ping()


NO_AUTH = """authorization { users: [ {user: anna, password: s3cret} ] }
no_auth_user: anna
"""


@pytest.mark.quick
@pytest.mark.parametrize("conf, options, is_in", [
    # A text does not end at a NUL: what has one is not what a configuration has.
    ("user", {"user": "anna\0x"}, False), ("user", {"user": "anna\0"}, False), ("user", {"user": "\0anna"}, False),
    ("user", {"pass": "s3cret\0x"}, False), ("user", {"pass": "s3cret\0"}, False), ("user", {"pass": "\0"}, False),
    ("token", {"auth_token": "t0k3n\0"}, False), ("token", {"auth_token": "\0t0k3n"}, False),
    ("users", {"user": "anna\0"}, False), ("users", {"pass": "s3cret\0x"}, False),
    ("bcrypt", {"pass": "s3cret\0"}, False), ("bcrypt", {"pass": "s3cret\0x"}, False),
    ("no_auth", {"user": "\0", "pass": ""}, False),
    ("no_auth", {"user": "", "pass": "", "nkey": "\0"}, True), ("no_auth", {"user": "", "pass": "", "sig": "\0"}, True),
    # What is not asked for costs nothing.
    ("user", {"auth_token": "t\0"}, True), ("user", {"sig": "s\0"}, True), ("user", {"nkey": "\0N"}, True),
    ("user", {"jwt": "j\0"}, True), ("user", {"name": "n\0", "lang": "\0", "version": "1\0"}, True),
    # An account is one also when it begins with a NUL, and there is none to choose.
    ("user", {"account": "\0A"}, False), ("open", {"account": "\0A"}, False), ("open", {"account": ""}, True),
])
def test_a_nul_ends_no_text(server, conf, options, is_in):
    s = server(conf={"open": "", "user": 'authorization { user: anna, password: s3cret }',
                     "token": 'authorization { token: t0k3n }', "no_auth": NO_AUTH,
                     "users": 'authorization { users: [ {user: anna, password: s3cret} ] }',
                     "bcrypt": 'authorization { user: anna, password: "%s" }' % BCRYPT}[conf])
    right = {"auth_token": "t0k3n"} if conf == "token" else {"user": "anna", "pass": "s3cret"}

    if is_in:
        w = s.client(connect=False)
        w.send(connect_line(**{**right, **options}) + b"PING\r\n")
        w.expect(b"PONG\r\n")
    else:
        refused(s, connect_line(**{**right, **options}))


def test_a_nul_is_shown(server):
    s = server(monitor=True)
    w = s.client(connect=False)

    w.send(connect_line(user="u\0x", name="n\0m", lang="\0", version="1\0") + b"PING\r\n")
    w.expect(b"PONG\r\n")

    conn = s.conn(w.cid, extra="&auth=1")
    assert [conn[k] for k in ("authorized_user", "name", "lang", "version")] == ["u\0x", "n\0m", "\0", "1\0"]

    t = server(["--user", "anna", "--pass", "s3cret"])
    refused(t, connect_line(user="u\0x"))
    t.wait_log(r'authentication error - User "u\\x00x"')


@pytest.mark.quick
def test_the_hash_is_not_a_password(server):
    s = server(conf='authorization { user: anna, password: "%s" }\n' % BCRYPT)

    refused(s, connect_line(user="anna", **{"pass": BCRYPT}))


@pytest.mark.parametrize("first", [b"PING\r\n", b"SUB a 1\r\n", b"INFO {}\r\n", b"GET / HTTP/1.0\r\n",
                                   b"\r\n", b"+OK\r\n"])
@pytest.mark.quick
def test_first_word_must_be_connect(server, first):
    s = server(["--auth", "t0k3n", "-D"])

    refused(s, first)

    s.wait_log("closed: Authentication Failure")


def test_connect_verb_in_lower_case(server):
    s = server(["--auth", "t0k3n"])
    w = s.client(connect=False)

    w.send(b'connect {"verbose":false,"auth_token":"t0k3n"}\r\nPING\r\n')

    w.expect(b"PONG\r\n")


def test_verbose_connect_gets_ok(server):
    s = server(["--auth", "t0k3n"])
    w = s.client(connect=False)

    w.send(connect_line(verbose=True, **TOKEN))

    w.expect(b"+OK\r\n")


def test_what_follows_a_failed_connect_is_not_served(server):
    s = server(["--auth", "t0k3n"])
    watcher = s.client(auth_token="t0k3n")
    watcher.sub("a", 1).ping()      # not ">": the refusal itself is an advisory on $SYS

    refused(s, connect_line(auth_token="no") + b"PUB a 0\r\n\r\nPING\r\n")

    watcher.ping()


def test_connect_again_with_wrong_token_closes(server):
    s = server(["--auth", "t0k3n"])
    w = s.client(auth_token="t0k3n")

    w.send(connect_line(auth_token="no"))

    w.expect_eof(VIOLATION)


def test_log_names_the_user_and_hides_the_token(server, tmp_path):
    s = server(["-DV", "--user", "anna", "--pass", "s3cret"])
    refused(s, connect_line(user="berta", **{"pass": "guess-me"}))
    s.wait_log(r'\[ERR\].*authentication error - User "berta"')
    s.wait_log(r'<<- \[CONNECT \{.*\[REDACTED\].*\}\]')
    assert "guess-me" not in s.log()

    t = server(["-DV", "--auth", "t0k3n"])
    refused(t, connect_line(auth_token="guess-me"))
    t.wait_log(r'\[ERR\].*authentication error - Token "\[REDACTED\]"')
    assert "guess-me" not in t.log()


@pytest.mark.quick
@pytest.mark.parametrize("conf", ["authorization { token: t, timeout: 0.3 }",
                                  'authorization { user: a, password: b, timeout: "300ms" }'])
def test_timeout_by_file(server, conf):
    s = server(["-D"], conf=conf + "\n")
    w = s.client(connect=False)
    began = time.monotonic()

    w.expect_eof(b"-ERR 'Authentication Timeout'\r\n")

    assert time.monotonic() - began > 0.25
    s.wait_log("closed: Authentication Timeout")
    s.wait_log(r"cid:%d - Authentication Timeout" % w.cid)


@pytest.mark.slow
def test_default_timeout_is_two_seconds(server):
    s = server(["--auth", "t"])
    w = s.client(connect=False)
    began = time.monotonic()

    w.expect_eof(b"-ERR 'Authentication Timeout'\r\n", timeout=6)

    assert 1.9 < time.monotonic() - began


def test_no_timeout_after_connect(server):
    s = server(conf="authorization { token: t, timeout: 0.2 }\n")
    w = s.client(auth_token="t")
    late = s.client(connect=False)

    late.expect_eof(b"-ERR 'Authentication Timeout'\r\n")

    w.ping()


def test_half_a_connect_does_not_stop_the_timeout(server):
    s = server(conf="authorization { token: t, timeout: 0.2 }\n")
    w = s.client(connect=False)

    w.send(b"CONNECT {")

    w.expect_eof(b"-ERR 'Authentication Timeout'\r\n")


def test_no_auth_no_timeout(plain):
    w = plain.client(connect=False)
    assert "auth_required" not in w.info


def test_plain_password_warns_and_bcrypt_does_not(server):
    s = server(["--user", "a", "--pass", "b"])
    s.wait_log(r"\[WRN\] Plaintext passwords detected, use nkeys or bcrypt")

    t = server(["--user", "a", "--pass", BCRYPT])
    t.wait_log("Server is ready")
    assert "Plaintext passwords" not in t.log()


def test_a_plain_token_does_not_warn(server):
    s = server(["--auth", "a"])

    s.wait_log("Server is ready")
    assert "Plaintext passwords" not in s.log()


def test_flags_beat_the_file(server):
    s = server(["--user", "flag", "--pass", "flag"], conf="authorization { user: file, password: file }\n")

    s.client(user="flag", **{"pass": "flag"})
    refused(s, connect_line(user="file", **{"pass": "file"}))


def test_user_and_token_in_one_file_is_refused(run, tmp_path):
    (tmp_path / "c.conf").write_text("authorization { user: a, password: b, token: c }\n")

    p = run(["-c", tmp_path / "c.conf", "-t"])

    assert p.returncode == 1
    assert "Cannot have a user/pass and token" in p.stderr


@pytest.mark.quick
def test_many_bcrypt_logins_do_not_stop_the_others(server):
    s = server(conf='authorization { user: anna, password: "%s" }\n' % BCRYPT)
    good = s.client(**USER)
    pending = [s.client(connect=False) for _ in range(20)]
    for n, w in enumerate(pending):
        w.send(connect_line(user="anna", **{"pass": "s3cret" if n % 2 else "wrong"}) + b"PING\r\n")

    good.ping()
    for n, w in enumerate(pending):
        if n % 2:
            w.expect(b"PONG\r\n")
        else:
            w.expect_eof(VIOLATION)


def test_client_that_goes_while_its_password_is_checked(server):
    s = server(conf='authorization { user: anna, password: "%s" }\n' % BCRYPT)
    for _ in range(20):
        w = s.client(connect=False)
        w.send(connect_line(**USER) + b"PING\r\n")
        w.abort()

    s.client(**USER).ping()


COSTLY = "$2a$12$abcdefghijklmnopqrstuuIkD3QUGeSzQARHziTZIsG4D8yrNpG.S"      # the same secret, cost 12
VERY_COSTLY = "$2a$14$abcdefghijklmnopqrstuuMZKx76V3UUCd6wG8PLwzH6qINtghgcC"  # cost 14: about a second


@pytest.mark.own
@pytest.mark.quick
@pytest.mark.parametrize("behind", [b"", b"PING\r\n"], ids=["connect", "connect_and_ping"])
def test_those_who_log_in_and_leave_delay_nobody(server, behind):
    s = server(["-D"], conf='authorization { user: anna, password: "%s", timeout: 60 }\n' % COSTLY)
    for _ in range(25):
        w = s.client(connect=False)
        w.send(connect_line(user="anna", **{"pass": "wrong"}) + behind)
        w.close()
    good = s.client(connect=False)
    before = s.log().count("authentication error")

    good.send(connect_line(**USER) + b"PING\r\n")
    good.expect(b"PONG\r\n", timeout=30)

    assert s.log().count("authentication error") - before <= 2


@pytest.mark.own
@pytest.mark.quick
def test_who_waits_too_long_for_its_turn_is_timed_out(server):
    s = server(["-D"], conf='authorization { user: anna, password: "%s", timeout: 1 }\n' % COSTLY)
    waiting = [s.client(connect=False) for _ in range(20)]
    for w in waiting:
        w.send(connect_line(user="anna", **{"pass": "wrong"}) + b"PING\r\n")

    waiting[-1].expect_eof(b"-ERR 'Authentication Timeout'\r\n", timeout=10)

    assert s.log().count("authentication error") < 19
    s.wait_log(r"cid:%d - Client connection closed: Authentication Timeout" % waiting[-1].cid)
    for w in waiting[:-1]:
        w.close()


def test_a_hash_may_take_longer_than_the_timeout(server):
    s = server(conf='authorization { user: anna, password: "%s", timeout: 0.3 }\n' % VERY_COSTLY)
    w = s.client(connect=False)

    w.send(connect_line(**USER) + b"PING\r\n")

    w.expect(b"PONG\r\n", timeout=20)


@pytest.mark.quick
def test_what_was_sent_before_the_end_is_looked_at_when_the_hash_is_known(server):
    s = server(conf='authorization { user: anna, password: "%s" }\n' % COSTLY)
    good = s.client(**USER)
    good.sub("a", 1)
    good.ping()
    w = s.client(connect=False)

    w.send(connect_line(**USER) + b"PUB a 2\r\nhi\r\nPING\r\n")
    w.half_close()

    w.expect_eof(b"PONG\r\n", timeout=20)
    good.expect(b"MSG a 1 2\r\nhi\r\n")


def memory_with(pid, secret):
    """Of the process's writable memory: where the secret lies, with what stands around it."""
    found = []
    try:
        mem = open("/proc/%d/mem" % pid, "rb", 0)
    except PermissionError:
        pytest.skip("skipped: the memory of the server cannot be read")
    with mem, open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            span, access = line.split()[:2]
            if access[:2] != "rw":
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start > 1 << 30:
                pytest.skip("skipped: a sanitizer's shadow, and registers that it makes libc save")
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            at = data.find(secret)
            while at >= 0:
                found.append((line.split()[-1], data[max(0, at - 60):at + 40]))
                at = data.find(secret, at + 1)
    return found


@pytest.mark.own
@pytest.mark.one_worker
@pytest.mark.quick
@pytest.mark.parametrize("key", ["pass", "auth_token", "jwt", "sig", "PASS", "no JSON"])
@pytest.mark.parametrize("cuts", [False, True], ids=["one read", "two reads"])
def test_nothing_of_a_secret_stays_in_memory(server, key, cuts):
    s = server(conf='core_dumps: true\nauthorization { user: anna, password: "%s" }\n' % BCRYPT)
    secret = "wYlYnQ4dLr7kXcB2" * 2          # in no other memory than that of this connection
    line = connect_line(**{"name": "n" * 40, "user": "anna", key: secret})
    if key == "no JSON":
        line = line.replace(b"}", b"")
    other = s.client(**USER)
    w = s.client(connect=False)
    at = line.index(secret.encode()) + 20

    w.send(line[:at] if cuts else line)
    other.ping()      # by then the worker has read what came before
    w.send((line[at:] if cuts else b"") + b"PING\r\n")
    while w.fill():
        pass

    assert w.eof
    assert memory_with(s.pid, secret[:20].encode()) == []


@pytest.mark.quick
def test_the_server_stops_under_logins(server):
    s = server(conf='authorization { user: anna, password: "%s" }\n' % BCRYPT)
    over = threading.Event()
    tried = [0]

    def knock():
        while not over.is_set():
            try:
                w = wire.Wire(s.port)
                w.send(connect_line(**USER) + b"PING\r\n")
                w.close()
            except OSError:
                pass
            tried[0] += 1

    knocking = [threading.Thread(target=knock) for _ in range(4)]
    for t in knocking:
        t.start()
    wire.until("logins", lambda: tried[0] > 50)
    try:
        s.stop()
    finally:
        over.set()
        for t in knocking:
            t.join()


def test_authorized_user_in_connz(server):
    s = server(["--user", "anna", "--pass", "s3cret"], monitor=True)
    w = s.client(**USER)
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "anna"

    t = server(["--auth", "t0k3n"], monitor=True)
    w = t.client(**TOKEN)
    assert t.conn(w.cid, extra="&auth=1")["authorized_user"] == "[REDACTED]"


def test_log_prefix_after_connect(server):
    s = server(["-D", "--user", "anna", "--pass", "s3cret"])
    w = s.client(name="frog", lang="python", version="1.2.3", **USER)
    w.close()

    s.wait_log(r'127\.0\.0\.1:\d+ - cid:%d - "v1\.2\.3:python:frog" - "\$G/user:anna" - '
               'Client connection closed: Client Closed' % w.cid)


@pytest.mark.quick
@pytest.mark.parametrize("key, what", [("user", "User"), ("nkey", "Nkey")])
def test_a_name_begins_no_log_line_of_its_own(server, key, what):
    """Whoever knocks could write what it likes into the log."""
    s = server(["-D"], conf='authorization { user: anna, password: s3cret }\n')
    refused(s, connect_line(**{key: "x\n[1] [INF] FORGED", "pass": "y"}))
    s.wait_log(r'authentication error - %s "x\\n\[1\] \[INF\] FORGED"$' % what)
    assert not any(line.startswith("[1] ") for line in s.log().splitlines())


@pytest.mark.own
def test_no_field_of_connect_begins_a_log_line(server):
    s = server(["-DV"])
    w = s.client(connect=False)
    w.send(connect_line(name="a\n[1] FORGED", lang="b\r[1] FORGED", version="c\x1b[31m"))
    w.ping()
    w.send(b"CONNECT {\"verbose\":\x01}\r\n")
    w.expect_eof()
    assert not any(line.startswith("[1] ") for line in s.log().splitlines())


@pytest.mark.own
def test_a_jwt_is_not_traced(server):
    s = server(["-DV"])
    w = s.client(connect=False)
    w.send(connect_line(jwt="bearer-of-a-secret"))
    w.ping()
    s.wait_log(r'<<- \[CONNECT \{.*"jwt": ?"\[REDACTED\]"')
    assert "bearer-of-a-secret" not in s.log()


@pytest.mark.quick
@pytest.mark.parametrize("line", [b"CONNECT {pass:hunter2}", b"CONNECT {user:a, password : hunter2}",
                                  b"CONNECT {'auth_token':'hunter2'}", b'CONNECT {"pass":"hunter2"',
                                  b'CONNECT {"pass":hunter2}', b"CONNECT pass=hunter2",
                                  b'CONNECT {auth_token:"hunter2"}', b'CONNECT {"pass":"hunter2\x01"}'])
def test_a_password_written_by_hand_is_not_logged(server, line):
    s = server(["-DV"])
    w = s.client(connect=False)
    w.send(line + b"\r\n")
    w.expect_eof()
    s.wait_log(r"<<- \[CONNECT .*REDACTED")
    assert "hunter" not in s.log()
