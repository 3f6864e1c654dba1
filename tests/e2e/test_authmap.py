"""Auth mappers: who comes in as whom when a plug-in decides, at once or later, and what a faulty one
can do (refuse its own clients, and nothing else).  Natterjack alone: the reference has none."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

import certs as certs_module
import wire
from certs import openssl
from nkey import UserKey
from wire import tls_context

pytestmark = [pytest.mark.own]
quick = pytest.mark.quick

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VIOLATION = b"-ERR 'Authorization Violation'\r\n"
USERS = 'users: [ {user: anna, password: a, permissions: {publish: "a.>", subscribe: ">"}} ]'


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A directory with the mapper that does as its options say (tests/unit/shelf/mapper.c)."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    d = tmp_path_factory.mktemp("mappers")
    os.chmod(d, 0o755)
    out = d / "nj_authmap_shelf.so"
    subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread",
                    "-I", os.path.join(ROOT, "api"), os.path.join(ROOT, "tests/unit/shelf/mapper.c"),
                    "-o", str(out)], check=True)
    for name in ("second", "slot", "old"):
        shutil.copy(out, d / ("nj_authmap_%s.so" % name))
    for f in d.iterdir():
        f.chmod(0o644)
    return str(d)


@pytest.fixture
def mapped(server, shelf):
    """mapped("answer: own", "fault: twice", users="...", timeout="1s"): one mapper for each text."""
    def start(*mappers, users="", more="", args=(), **kw):
        entries = "\n".join(m if m.startswith("{") else "{ plugin: shelf, options { %s } }" % m for m in mappers)
        conf = "%s\nauthorization {\n %s\n mappers: [\n %s\n ]\n}\n" % (more, users, entries)
        return server(["-DV", "--plugin_dir", shelf] + list(args), conf=conf, **kw)
    return start


def connect_line(**options):
    options.setdefault("verbose", False)
    options.setdefault("pedantic", False)
    return b"CONNECT " + json.dumps(options).encode() + b"\r\n"


def refused(s, text=VIOLATION, timeout=None, **options):
    w = s.client(connect=False)
    w.send(connect_line(**options) + b"PING\r\n")
    w.expect_eof(text, timeout)
    return w


# -- answers

@quick
@pytest.mark.parametrize("delay", [0, 30])
def test_own_user_with_permissions(mapped, delay):
    s = mapped('answer: own, user: "$user", publish: "mine.>", delay_ms: %d' % delay, monitor=True)
    w = s.client(connect=False)
    assert w.info["auth_required"] is True

    w.send(connect_line(user="joe", verbose=True) + b"SUB > 1\r\nPUB mine.a 2\r\nhi\r\nPUB other 0\r\n\r\n")

    w.expect(b"+OK\r\n+OK\r\n")
    w.expect(b"+OK\r\nMSG mine.a 1 2\r\nhi\r\n")
    w.expect(b"-ERR 'Permissions Violation for Publish to \"other\"'\r\n")
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "joe"
    s.wait_log(r'auth mapper "shelf" says: user "joe" tags: shelf, test$')


@quick
def test_user_of_the_configuration(mapped):
    s = mapped("answer: allow, user: anna", users=USERS)

    w = s.client(user="somebody", name="frog")

    w.send(b"PUB b 0\r\n\r\n")

    w.expect(b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n")
    s.wait_log(r'"frog" - "\$G/user:anna"')


def test_the_one_user_of_the_configuration(mapped):
    s = mapped("answer: allow, user: anna", users="user: anna, password: a")

    s.client(user="somebody").ping()


@quick
def test_denial_tells_the_log_why_and_the_peer_nothing(mapped):
    s = mapped('answer: deny, reason: "ex-colleague"', users=USERS)

    w = refused(s, user="anna", **{"pass": "a"})

    s.wait_log(r'\[ERR\].* cid:%d - auth mapper "shelf" refused the client: ex-colleague$' % w.cid)
    s.wait_log("Client connection closed: Authentication Failure")


def test_denial_because_it_has_expired(mapped):
    s = mapped("answer: deny, say: expired")

    refused(s, b"-ERR 'User Authentication Expired'\r\n")

    s.wait_log("Client connection closed: Authentication Expired")


@quick
@pytest.mark.parametrize("delay", [0, 20])
def test_all_defer_and_the_users_decide(mapped, delay):
    defer = "answer: defer, delay_ms: %d" % delay
    s = mapped(defer, "{ plugin: second, options { %s } }" % defer, defer, users=USERS)

    s.client(user="anna", **{"pass": "a"})
    refused(s, user="anna", **{"pass": "b"})
    refused(s)


def test_all_defer_and_bcrypt_decides(mapped):
    hash = "$2a$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG"
    s = mapped("answer: defer, delay_ms: 10", users='user: anna, password: "%s"' % hash)

    w = s.client(connect=False)
    w.send(connect_line(user="anna", **{"pass": "s3cret"}) + b"SUB a 1\r\nPUB a 0\r\n\r\nPING\r\n")
    w.expect(b"MSG a 1 0\r\n\r\nPONG\r\n")
    refused(s, user="anna", **{"pass": "wrong"})


@pytest.mark.parametrize("key", ["user", "pass", "auth_token", "nkey", "sig", "jwt"])
def test_no_mapper_is_shown_a_credential_with_a_nul(mapped, key):
    s = mapped('answer: own, user: joe')

    refused(s, **{key: "a\0b"})

    s.client(**{key: "ab"}).ping()


@quick
def test_all_defer_without_users_is_a_refusal(mapped):
    s = mapped("answer: defer")

    refused(s, user="anna", **{"pass": "a"})

    s.wait_log(r"\[ERR\].*no auth mapper knows the client, and the configuration has no users$")


def test_the_first_that_does_not_defer_decides(mapped):
    s = mapped("answer: defer", "answer: deny, reason: second", "answer: own, user: x")
    refused(s)
    s.wait_log("refused the client: second")

    t = mapped("answer: defer, delay_ms: 10", "answer: own, user: x", "answer: deny")
    t.client().ping()


@quick
def test_what_was_pipelined_waits_and_then_counts(mapped):
    s = mapped('answer: own, user: "$user", delay_ms: 100')
    w = s.client(connect=False)

    w.send(connect_line(user="joe"))
    for n in range(100):
        w.send(b"SUB a.%d %d\r\nPUB a.%d 1\r\nx\r\n" % (n, n + 1, n))
    w.send(b"PING\r\n")

    for n in range(100):
        w.expect(b"MSG a.%d %d 1\r\nx\r\n" % (n, n + 1))
    w.expect(b"PONG\r\n")


def test_more_than_is_kept_waits_in_the_socket(mapped):
    s = mapped('answer: own, user: "$user", delay_ms: 300')
    w = s.client(connect=False)
    body = b"x" * 60000

    w.send(connect_line(user="joe") + b"SUB a 1\r\n")
    for _ in range(20):
        w.send(b"PUB a 60000\r\n" + body + b"\r\n", timeout=10 * wire.PATIENCE)
    w.send(b"PING\r\n")

    for _ in range(20):
        w.expect(b"MSG a 1 60000\r\n" + body + b"\r\n")
    w.expect(b"PONG\r\n")


def test_a_client_that_says_all_and_ends_is_still_heard(mapped):
    s = mapped('answer: own, user: "$user", delay_ms: 100')
    watcher = s.client(user="w")
    watcher.sub("a", 1).ping()
    w = s.client(connect=False)

    w.send(connect_line(user="joe") + b"PUB a 2\r\nhi\r\n")
    w.half_close()

    watcher.expect(b"MSG a 1 2\r\nhi\r\n")
    w.expect_eof()


@quick
@pytest.mark.parametrize("defer", [True, False], ids=["the second answers", "the first answers"])
def test_a_client_that_ends_meanwhile_gets_its_answers(mapped, defer):
    slow = 'answer: own, user: "$user", delay_ms: 100'
    first = ["answer: defer, delay_ms: 50"] if defer else []
    s = mapped(*first + ["{ plugin: second, options { %s } }" % slow])
    w = s.client(connect=False)

    w.send(connect_line(user="joe") + b"SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n")
    w.half_close()

    w.expect_eof(b"MSG a 1 2\r\nhi\r\nPONG\r\n")


def test_a_client_that_ends_behind_a_second_connect_gets_its_answers(mapped):
    s = mapped('answer: own, user: "$user", delay_ms: 50')
    w = s.client(connect=False)

    w.send(connect_line(user="joe") + b"PING\r\n" + connect_line(user="jim") + b"PING\r\n")
    w.half_close()

    w.expect_eof(b"PONG\r\nPONG\r\n")


def test_nothing_of_a_refused_client_counts(mapped):
    s = mapped("answer: deny, delay_ms: 50", users=USERS)
    mark = s.log_size()

    refused(s)

    assert "[PING" not in s.log_since(mark)


def test_first_word_must_be_connect_also_with_a_silent_user(mapped):
    s = mapped("answer: defer", users=USERS, more="no_auth_user: anna")
    w = s.client(connect=False)
    assert w.info["auth_required"] is True

    w.send(b"PING\r\n")

    w.expect_eof(VIOLATION)
    s.client().ping()           # asked, deferred, and then nobody in particular


def test_connect_again_asks_again(mapped):
    s = mapped('answer: own, user: "$user"', monitor=True)
    w = s.client(user="one")
    w.connect(user="two").ping()
    assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == "two"


@pytest.mark.slow
def test_what_was_allowed_for_a_time_ends(mapped):
    s = mapped('answer: own, user: "$user", expires_in_s: 2')
    w = s.client(user="joe")
    began = time.monotonic()

    w.expect_eof(b"-ERR 'User Authentication Expired'\r\n")

    assert 0.5 < time.monotonic() - began
    s.wait_log(r'user:joe" - Client connection closed: Authentication Expired')


def test_what_is_allowed_until_yesterday_is_refused(mapped):
    s = mapped('answer: own, user: "$user", expires_in_s: -86400')

    refused(s, b"-ERR 'User Authentication Expired'\r\n", user="joe")


# -- time

@quick
def test_no_answer_in_its_own_time(mapped):
    s = mapped('{ plugin: shelf, timeout: "200ms", options { fault: never } }', users="timeout: 30")
    began = time.monotonic()

    w = refused(s, b"-ERR 'Authentication Timeout'\r\n")

    assert 0.15 < time.monotonic() - began
    s.wait_log(r'\[ERR\].* cid:%d - auth mapper "shelf" did not answer in time$' % w.cid)
    s.wait_log("shelf: cancelled")


def test_no_answer_in_what_is_left_of_the_time_for_authentication(mapped):
    s = mapped("fault: never", users="timeout: 0.4")

    refused(s, b"-ERR 'Authentication Timeout'\r\n")


def test_the_second_has_what_the_first_left(mapped):
    s = mapped("answer: defer, delay_ms: 300", "fault: never", users="timeout: 0.6")
    began = time.monotonic()

    refused(s, b"-ERR 'Authentication Timeout'\r\n")

    assert 0.5 < time.monotonic() - began < 0.6 + 0.5 * wire.PATIENCE


# -- the peer leaves

@quick
def test_the_mapper_hears_that_the_peer_has_left(mapped):
    s = mapped("fault: never", users="timeout: 60")
    w = s.client(connect=False)
    w.send(connect_line())
    s.wait_log(r"<<- \[CONNECT")

    w.close()

    s.wait_log("shelf: cancelled")
    s.wait_log("Client connection closed: Client Closed")


def test_many_leave_while_they_are_asked_about(mapped):
    s = mapped('answer: own, user: "$user", delay_ms: 30')
    gone = [s.client(connect=False) for _ in range(50)]
    for n, w in enumerate(gone):
        w.send(connect_line(user="u%d" % n) + b"PING\r\n")
        if n % 2:
            w.abort()

    for n, w in enumerate(gone):
        if n % 2 == 0:
            w.expect(b"PONG\r\n")
    s.client(user="x").ping()


def test_stopping_while_somebody_waits(mapped):
    s = mapped("fault: never", users="timeout: 60")
    waiting = [s.client(connect=False) for _ in range(8)]
    for w in waiting:
        w.send(connect_line())
    s.wait_log(r"<<- \[CONNECT")

    s.stop()

    assert s.log().count("shelf: instance freed") == 1
    assert s.log().rstrip().endswith("shelf: bye")


# -- faults: each has its message, refuses its own client and disturbs nobody else

@quick
def test_answer_twice(mapped):
    s = mapped('fault: twice, answer: own, user: "$user", delay_ms: 5')
    for n in range(5):
        s.client(user="u%d" % n).ping()

    s.wait_log(r'\[WRN\] auth mapper "shelf" answered a question twice; the first answer counts \(said once\)$')
    assert s.log().count("answered a question twice") == 1


def test_answer_after_the_peer_has_left(mapped):
    s = mapped('fault: late, answer: own, user: "$user"', users="timeout: 60")
    w = s.client(connect=False)
    w.send(connect_line())
    s.wait_log(r"<<- \[CONNECT")
    w.close()

    s.wait_log(r'\[WRN\] auth mapper "shelf" answered after the peer had left \(said once\)$')


def test_answer_after_its_time(mapped):
    s = mapped('{ plugin: shelf, timeout: "100ms", options { fault: late, answer: own, user: x } }')

    refused(s, b"-ERR 'Authentication Timeout'\r\n")

    s.wait_log(r'\[WRN\] auth mapper "shelf" answered after its time was up \(said once\)$')


def test_answer_to_nothing(mapped):
    s = mapped('fault: foreign, answer: own, user: "$user"')

    s.client(user="joe").ping()

    s.wait_log(r'\[WRN\] auth mapper "shelf" answered a question that it was not asked \(said once\)$')


@quick
@pytest.mark.parametrize("fault, why", [
    ("fault: rubbish", "its answer cannot be understood: it has no verdict that this server knows"),
    ("fault: cut, answer: own, user: x", "its answer cannot be understood: it allows somebody without a name"),
    ("answer: own", "its answer cannot be understood: it allows somebody without a name"),
    ("fault: fails", "the directory is on fire"),
    ("fault: mute", "it failed and gives no reason"),
    ("answer: allow, user: nobody", 'the configuration has no user "nobody"'),
    ("answer: own, user: x, account: NONE", 'there is no account "NONE"'),
    ('answer: own, user: x, publish: "a..b"', '.*"a..b".*'),
])
def test_what_cannot_be_is_a_refusal(mapped, fault, why):
    s = mapped(fault, users=USERS)

    w = refused(s, user="anna", **{"pass": "a"})

    s.wait_log(r'\[ERR\].* cid:%d - auth mapper "shelf" is at fault, the client is refused: %s$' % (w.cid, why))
    assert s.alive()


@quick
def test_one_that_keeps_the_worker_is_named(mapped):
    s = mapped('fault: blocks, answer: own, user: "$user"')

    s.client(user="joe").ping()

    s.wait_log(r'\[WRN\] auth mapper "shelf" kept a worker for 1\d\d+ ms inside decide\(\)')


@pytest.mark.slow
@pytest.mark.one_worker
def test_one_that_does_not_come_back_is_named_meanwhile(mapped):
    s = mapped('fault: blocks, block_ms: 6000, answer: own, user: "$user"', users="timeout: 30")
    w = s.client(connect=False)

    w.send(connect_line(user="joe") + b"PING\r\n")

    s.wait_log(r'\[WRN\] auth mapper "shelf" has not come back from decide\(\) for \d+ ms', timeout=8)
    assert "kept a worker" not in s.log()
    w.expect(b"PONG\r\n", timeout=10 * wire.PATIENCE)


@pytest.mark.tls        # the provider checks the signature
def test_an_nkey_is_proven_by_its_signature_and_else_it_is_a_word(mapped):
    key, other = UserKey(bytes(range(32))), UserKey(bytes(range(1, 33)))
    s = mapped('answer: own, user: "$nkey"', monitor=True)

    for sig, want in ((key, key.public), (other, "unproven"), (None, "unproven")):
        w = s.client(connect=False)
        more = {"sig": sig.sig(w.info["nonce"])} if sig else {}
        w.connect(nkey=key.public, **more).ping()
        assert s.conn(w.cid, extra="&auth=1")["authorized_user"] == want


def test_the_others_are_served_meanwhile(mapped):
    s = mapped('answer: own, user: "$user", delay_ms: 1', '{ plugin: shelf, options { answer: deny } }')
    good = s.client(user="good").sub("a", 1)
    t = mapped("fault: never", users="timeout: 60")
    stuck = [t.client(connect=False) for _ in range(20)]
    for w in stuck:
        w.send(connect_line())

    for _ in range(100):
        good.pub("a", b"x")
        good.expect(b"MSG a 1 1\r\nx\r\n")


# -- configuration

BAD = [
    ('{ plugin: shelf, options { check: "not like this" } }', '%s:4:29: not like this'),
    ('{ plugin: shelf, options { check: "" } }', '%s:4:4: auth mapper "shelf" refuses its options and gives no reason'),
    ('{ plugin: nope }', '%s:4:4: auth mapper "nope" not found in '),
    ('{ plugin: slot }', '%s:4:4: auth mapper "slot" cannot be used: '),
    ('{ plugin: shelf, timeout: -1 }', "%s:4:19: the 'timeout' of a mapper must be more than nothing"),
    ('{ plugin: shelf, timeout: soon }', "%s:4:19: error parsing the 'timeout' of a mapper: "),
    ('{ plugin: shelf, when: 1 }', '%s:4:19: unknown field "when"'),
    ('{ plugin: shelf, options: 1 }', "%s:4:19: Expected the options of a mapper to be a map, got 1"),
    ('{ options {} }', "%s:4:4: a mapper needs a 'plugin': its name"),
    ('7', "%s:4:2: Expected a mapper to be a map, got 7"),
]


@quick
@pytest.mark.one_worker
@pytest.mark.parametrize("entry, message", BAD)
def test_bad_options_are_found_under_t_and_at_start(run, tmp_path, shelf, entry, message):
    conf = tmp_path / "c.conf"
    conf.write_text("port: -1\nauthorization {\n mappers: [\n %s\n ]\n}\n" % entry)

    for more in (["-t"], []):
        p = run(["--plugin_dir", shelf, "-c", conf] + more)
        assert p.returncode == 1
        assert message % conf in p.stderr


@pytest.mark.one_worker
def test_an_instance_that_cannot_be_made_ends_the_start(run, tmp_path, shelf):
    conf = tmp_path / "c.conf"
    conf.write_text("port: -1\nauthorization { mappers: [ { plugin: shelf, options { new: \"no disk\" } } ] }\n")

    assert run(["--plugin_dir", shelf, "-c", conf, "-t"]).returncode == 0
    p = run(["--plugin_dir", shelf, "-c", conf])

    assert p.returncode == 1
    assert '[FTL] auth mapper "shelf": no instance could be made: no disk' in p.stderr


@pytest.mark.one_worker
def test_mappers_are_listed_and_named_at_start(run, mapped, shelf):
    p = run(["--plugin_dir", shelf, "--list-plugins"])
    wire.re_search(r"^authmap +shelf +0\.0\.2 +0\.\d+ +- +%s/nj_authmap_shelf\.so$" % shelf, p.stdout)
    assert "    does as it is told\n" in p.stdout
    assert 'nj_authmap_slot.so: the required slot "check" is empty' in p.stdout

    s = mapped("answer: defer", "{ plugin: second }")
    s.wait_log(r"\[INF\] Auth mapper 1: shelf 0\.0\.2 \(%s/nj_authmap_shelf\.so\)$" % shelf)
    s.wait_log(r"\[INF\] Auth mapper 2: second 0\.0\.2 \(%s/nj_authmap_second\.so\)$" % shelf)

# -- reload

def reload_with(s, conf):
    with open(s.conf_path, "w") as f:
        f.write(conf)
    mark = s.log_size()
    s.signal(signal.SIGHUP)
    s.wait_log("Reloaded server configuration|Failed to reload", mark)
    return mark


def conf_of(*mappers, users=""):
    return "authorization {\n %s\n mappers: [\n %s\n ]\n}\n" % (
        users, "\n".join("{ plugin: shelf, options { %s } }" % m for m in mappers))


@quick
def test_a_reload_makes_new_instances_and_lets_the_old_ones_finish(mapped):
    s = mapped('answer: own, user: old, delay_ms: 400')
    early = s.client(connect=False)
    early.send(connect_line(name="early") + b"PING\r\n")
    s.wait_log(r"<<- \[CONNECT")

    mark = reload_with(s, conf_of('answer: own, user: new'))

    assert "shelf: instance made" in s.log_since(mark)
    early.expect(b"PONG\r\n")       # asked again: what the old instance says does not count
    s.wait_log('"early" - "\\$G/user:new"|"early".*user:new', mark)
    s.wait_log("shelf: instance freed", mark, timeout=5 * wire.PATIENCE)
    s.client().ping()
    s.wait_log(r"\[INF\] Auth mapper 1: shelf", mark)


def test_a_reload_with_bad_options_changes_nothing(mapped):
    s = mapped('answer: own, user: old')

    mark = reload_with(s, conf_of('check: "no good"'))

    s.wait_log(r"\[ERR\] Failed to reload server configuration: .*no good", mark)
    s.client().ping()


def test_a_reload_that_brings_mappers_asks_of_whom_nobody_was_asked(server, shelf):
    s = server(["-D", "--plugin_dir", shelf], conf="\n")
    w = s.client()
    late = s.client(connect=False)

    reload_with(s, conf_of('answer: own, user: x'))

    w.expect_eof(VIOLATION)
    late.expect_eof(VIOLATION)      # it was told that nobody would ask
    assert s.client(connect=False).info["auth_required"] is True


def test_a_reload_keeps_whom_a_mapper_let_in(mapped):
    s = mapped('answer: own, user: x')
    w = s.client()
    waiting = s.client(connect=False)

    reload_with(s, conf_of('answer: own, user: y'))

    w.ping()
    waiting.connect().ping()


# -- the mapper "rules", over certificates

class Issued:
    """Client certificates with names of a test's choice."""

    def __init__(self, certs):
        self.certs = certs
        self.n = 0

    def __call__(self, subject, san=None, ca=None):
        ca = ca or self.certs.ca
        self.n += 1
        base = os.path.join(self.certs.dir, "mapped-%d" % self.n)
        pair = certs_module.Pair(base)
        self.certs._key(pair.key, "ec")
        openssl("req", "-new", "-utf8", "-key", pair.key, "-subj", subject, "-out", base + ".csr")
        with open(base + ".ext", "w") as f:
            f.write("extendedKeyUsage=clientAuth\n" + ("subjectAltName=%s\n" % san if san else ""))
        openssl("x509", "-req", "-in", base + ".csr", "-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial",
                "-days", "3", "-extfile", base + ".ext", "-out", pair.cert)
        return pair


@pytest.fixture(scope="session")
def issue(certs):
    return Issued(certs)


RULES = """
 { plugin: rules, options {
    rules: [
      { match: { o: "Former Partner" }, deny: "the contract has ended" }
      { match: { uri: "spiffe://example.org/*", ou: "eng*" }, user: "$OU" }
      { match: { dns: "*.dev.example.org" }, user: "dev-$1",
        permissions: { publish: "dev.$1.>", subscribe: { allow: ["dev.>", "_INBOX.>"] } } }
      { match: { email: ["*@example.org", "*@example.com"] }, user: "mail $1", account: "$$G" }
    ]
 } }
"""


@pytest.fixture
def ruled(server, certs):
    def start(rules=RULES, users="", verify="true"):
        conf = """
tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: %s }
authorization { %s
 mappers: [ %s ]
}
""" % (certs.server_ecdsa.cert, certs.server_ecdsa.key, certs.ca.cert, verify, users, rules)
        return server(["-DV"], conf=conf, monitor=True)
    return start


def secure(s, pair=None, session=None, **options):
    w = s.raw()
    w.read_info()
    w.start_tls(tls_context(cert=pair.cert if pair else None, key=pair.key if pair else None), session=session)
    w.connect(**options)
    return w


def name_of(s, w):
    return s.conn(w.cid, extra="&auth=1")["authorized_user"]


@quick
@pytest.mark.tls
def test_rules_over_names_of_certificates(ruled, issue):
    s = ruled(users="users: [ {user: engine, password: x}, {user: eng-two, password: x} ]")

    w = secure(s, issue("/O=Acme/OU=engine/CN=a", "URI:spiffe://example.org/a")).ping()
    assert name_of(s, w) == "engine"
    w = secure(s, issue("/O=Acme/OU=sales/OU=eng-two/CN=a", "DNS:x,URI:http://x,URI:spiffe://example.org/")).ping()
    assert name_of(s, w) == "eng-two"       # any value may match, and the one that did is taken
    w = secure(s, issue("/CN=b", "DNS:Alpha.DEV.example.org")).ping()
    assert name_of(s, w) == "dev-alpha"
    w.sub("dev.alpha.x", 1).pub("dev.alpha.x").expect(b"MSG dev.alpha.x 1 0\r\n\r\n")
    w.pub("dev.beta.x").expect(b"-ERR 'Permissions Violation for Publish to \"dev.beta.x\"'\r\n")
    w = secure(s, issue("/CN=c", "email:joe@example.com")).ping()
    assert name_of(s, w) == "mail joe"

    secure(s, issue("/O=Former Partner/OU=engine/CN=a", "URI:spiffe://example.org/a")).expect_eof(VIOLATION)
    s.wait_log('auth mapper "rules" refused the client: the contract has ended')


@quick
@pytest.mark.tls
def test_rules_are_not_fooled_by_names(ruled, issue):
    s = ruled(users="users: [ {user: engine, password: x} ]")
    for subject, san in [
        ("/O=Acme/CN=engine", "URI:spiffe://example.org/a"),            # not that attribute
        ("/O=x, OU=engine/CN=a", "URI:spiffe://example.org/a"),         # reads like one in a printed name
        ("/OU=engine/CN=a", "URI:http://spiffe://example.org/a"),       # not at the beginning
        ("/OU=engine/CN=a", "DNS:spiffe://example.org/a"),              # not that kind
        ("/OU=eng/CN=a", "URI:spiffe://example.org/a"),                 # no such user
        ("/CN=b", "DNS:dev.example.org"),                               # nothing in place of "*."
        ("/CN=c", "email:joe@example.org.evil.net"),
    ]:
        secure(s, issue(subject, san)).expect_eof(VIOLATION)
    # A value that would be more than one token of a subject does not go in there.
    secure(s, issue("/CN=b", "DNS:a.b.dev.example.org")).expect_eof(VIOLATION)
    secure(s, issue("/CN=b", "DNS:*.dev.example.org")).expect_eof(VIOLATION)


@pytest.mark.tls
def test_rules_see_no_certificate_that_nobody_checked(ruled, issue):
    rules = '{ plugin: rules, options { rules: [ { match: { cn: "*" }, user: "$CN", account: "$$G" } ] } }'
    s = ruled(rules, verify="false")
    secure(s, issue("/CN=a")).expect_eof(VIOLATION)

    t = ruled(rules, verify="true")
    assert name_of(t, secure(t, issue("/CN=a")).ping()) == "a"


@pytest.mark.tls
def test_rules_and_a_resumed_session(ruled, issue):
    s = ruled('{ plugin: rules, options { rules: [ { match: { cn: "*" }, user: "$CN", account: "$$G" } ] } }')
    pair = issue("/CN=again")
    ctx = tls_context(cert=pair.cert, key=pair.key)
    session = None
    for _ in range(2):
        w = s.raw()
        w.read_info()
        w.start_tls(ctx, session=session)
        w.connect().ping()
        assert name_of(s, w) == "again"
        session = w.tls.session
        w.close()


@pytest.mark.one_worker
@quick
@pytest.mark.parametrize("rules, place", [
    ("rules: []", '3:51: rules is a list of 1 to 1000 rules'),
    ('rules: [\n { match: { cn: "a" } }\n ]', '4:4: a rule needs a user, or deny'),
    ('rules: [\n { user: "a" }\n ]', '4:4: a rule that lets somebody in needs a match'),
    ('rules: [\n { match: { cn: "*" }, user: "$2" }\n ]', '4:24: the patterns of the rule have not so many stars'),
    ('rules: [\n { match: { cm: "*" }, user: "a" }\n ]', '4:13: no name or attribute is called "cm"'),
    ('rules: [\n { match: { cn: "*" }, user: "$XY" }\n ]', '4:24: the name behind a "$" is none of '),
    ('rules: [\n { match: { cn: "**********" }, user: "a" }\n ]', '4:13: the pattern has more than 9 stars'),
    ('rules: [\n { match: { cn: "*" }, user: "a", deny: "b" }\n ]', '4:4: a rule says who somebody is, or deny, not both'),
    ('rules: [ { deny: "a" } ], otherwise: maybe', '3:77: otherwise is deny or defer'),
    ("rule: []", '3:51: this mapper has rules and otherwise, and no option "rule"'),
    ("", '3:38: this mapper needs rules'),
])
def test_bad_rules_have_their_place(run, tmp_path, rules, place):
    conf = tmp_path / "c.conf"
    conf.write_text("port: -1\nauthorization {\n mappers: [ { plugin: rules,         options {    %s\n } } ]\n}\n" % rules)

    p = run(["-c", conf, "-t"])

    assert p.returncode == 1
    assert "%s:%s" % (conf, place) in p.stderr, p.stderr


@pytest.mark.one_worker
def test_the_example_of_the_page_is_a_good_configuration(run, tmp_path, certs):
    with open(os.path.join(ROOT, "docs/rules.md")) as f:
        text = f.read().split("```")[1]
    for name, path in (("server.pem", certs.server_ecdsa.cert), ("server.key", certs.server_ecdsa.key),
                       ("ca.pem", certs.ca.cert)):
        text = text.replace('"%s"' % name, '"%s"' % path)
    (tmp_path / "c.conf").write_text(text)

    p = run(["-c", tmp_path / "c.conf", "-t"])

    assert p.returncode == 0, p.stderr
