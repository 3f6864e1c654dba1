"""What a user may publish and subscribe to, to the byte."""
import threading

import pytest

import wire
from test_nats_cli import nats_cli  # noqa: F401  (a fixture)
from test_nats_py import connect, flush, play

CONF = """authorization {
  default_permissions: { publish: "def.>", subscribe: { deny: "secret.>" } }
  users: [
    { user: all, password: x, permissions: {} }
    { user: def, password: x }
    { user: pub, password: x, permissions: {
        publish: { allow: ["a", "w.*", "t.>"], deny: ["w.no", "t.*.x"] } } }
    { user: deny, password: x, permissions: { publish: { deny: ["*.secret", "z.>"] } } }
    { user: sub, password: x, permissions: {
        subscribe: { allow: ["a", "w.*", "t.>", "q.* qg", "m.1", "m.1 v1.*", "m.2 *.prod", "n >"],
                     deny: ["w.no", "t.no.>", "a dq"] } } }
    { user: broad, password: x, permissions: {
        subscribe: { deny: ["s.no", "s.d.>", "*.hidden", "f q1", "f q2"] } } }
    { user: one, password: x, permissions: { subscribe: "service", allow_responses: true } }
    { user: two, password: x, permissions: {
        subscribe: "service", publish: "logs", allow_responses: { max: 2, expires: "300ms" } } }
    { user: ever, password: x, permissions: {
        subscribe: "service", allow_responses: { max: -1, ttl: "-1s" } } }
    { user: late, password: x, permissions: {
        subscribe: "service", allow_responses: { max: -1, ttl: "100ms" } } }
  ]
}
"""


@pytest.fixture
def house(server):
    return server(["-DV"], conf=CONF, monitor=True)


def come(s, user, **kw):
    return s.client(user=user, **{"pass": "x"}, **kw)


def no_pub(subject):
    return b"-ERR 'Permissions Violation for Publish to \"%s\"'\r\n" % subject.encode()


def no_sub(subject, queue=None):
    tail = b' using queue "%s"' % queue.encode() if queue else b""
    return b"-ERR 'Permissions Violation for Subscription to \"%s\"%s'\r\n" % (subject.encode(), tail)


# ---- publishing

PUBLISH = {
    "pub": (["a", "w.1", "w.*", "t.1", "t.1.y", "t.1.x.y", "w.>"],
            ["b", "A", "a.b", "w", "w.no", "w.1.2", "t", "t.1.x", "t.2.x", ">", "w..1", "t."]),
    "deny": (["a", "a.b", "secret", "a.secret.b", "z", "x.>"],
             ["a.secret", "secret.secret", "z.a", "z.a.b"]),
    "def": (["def.a", "def.a.b"], ["def", "a", "secret.a"]),
    "all": (["def.a", "a", "secret.a", ">"], []),
}


@pytest.mark.quick
@pytest.mark.parametrize("user", sorted(PUBLISH))
def test_publish(house, user):
    good, bad = PUBLISH[user]
    watcher = come(house, "all")
    watcher.sub(">", 1).ping()
    w = come(house, user)
    for _ in range(2):          # the second time from memory
        for subject in good:
            w.pub(subject).ping()
            watcher.expect("MSG %s 1 0\r\n\r\n" % subject)
        for subject in bad:
            w.pub(subject, b"no")
            w.expect(no_pub(subject))
            w.ping()
    watcher.ping()


@pytest.mark.quick
def test_a_refused_publish_is_logged_and_gets_no_ok(house):
    w = come(house, "pub")
    w.send(b'CONNECT {"user":"pub","pass":"x","verbose":true,"pedantic":false}\r\n')
    w.expect(b"+OK\r\n")

    w.pub("b", b"hello").pub("a", b"hello")

    w.expect(no_pub("b") + b"+OK\r\n")
    house.wait_log(r'\[ERR\] .* - "\$G/user:pub" - Publish Violation - Subject "b"$')


def test_headers_change_nothing(house):
    w = come(house, "pub", headers=True)

    w.send(b"HPUB b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")

    w.expect(no_pub("b"))
    w.ping()


def test_a_subject_is_quoted_in_the_answer_and_in_the_log(house):
    w = come(house, "pub")

    w.send(b'PUB q"\\\x01 0\r\n\r\nSUB a b"c 1\r\n')

    w.expect(b"-ERR 'Permissions Violation for Publish to \"q\\\"\\\\\\x01\"'\r\n")
    house.wait_log(r'Publish Violation - Subject "q\\"\\\\\\x01"$')
    w.ping()


def test_more_subjects_than_any_memory_holds(house):
    w = come(house, "pub")
    for n in range(5000):
        w.pub("w.%d" % n)
    w.ping()
    w.send(b"".join(b"PUB x.%d 0\r\n\r\n" % n for n in range(5000)))
    w.expect(b"".join(no_pub("x.%d" % n) for n in range(5000)))
    long = "w." + "n" * 300
    w.pub(long).pub(long).ping()
    w.pub("x" + long)
    w.expect(no_pub("x" + long))


@pytest.mark.quick
def test_reserved_replies_and_subjects(house):
    w = come(house, "all")
    for reply in ("_R_.a.b", "$JS.ACK.a", "_GR_.a.b.c"):
        w.pub("a", b"", reply=reply)
        w.expect("-ERR 'Permissions Violation for Publish with Reply of \"%s\"'\r\n" % reply)
        house.wait_log(r'Publish Violation - Reply "%s"' % reply.replace("$", r"\$"))
    w.pub("_GR_.a.b.c")
    w.expect(no_pub("_GR_.a.b.c"))
    w.ping()


# ---- subscribing

ALLOWED = [("a",), ("w.1",), ("w.*",), ("t.1",), ("t.>",), ("t.*",), ("t.*.a",), ("a", "any"),
           ("w.*", "any"), ("q.1", "qg"), ("q.*", "qg"), ("m.1",), ("m.1", "v1.a"), ("m.1", "v1.*"),
           ("m.2", "x.prod"), ("n", "any"), ("n", "a.b")]
REFUSED = [("b",), (">",), ("*",), ("a.b",), ("w.no",), ("w.1.2",), ("w",), ("t.no.1",), ("t.no.*",),
           ("a", "dq"), ("q.1",), ("q.1", "qh"), ("q.1", "QG"), ("m.1", "v2.a"), ("m.1", "v1"),
           ("m.1", "v1.a.b"), ("m.1", "v1.>"), ("m.2",), ("m.2", "x.y.prod"), ("m.2", "prod"),
           ("n",), ("a", "_sys_"), ("t..a",), ("x.>", "q")]


@pytest.mark.quick
def test_subscribe(house):
    w = come(house, "sub")
    for n, what in enumerate(ALLOWED):
        w.sub(what[0], n, *what[1:]).ping()
    for n, what in enumerate(REFUSED):
        w.sub(what[0], n + 100, *what[1:])
        w.expect(no_sub(*what))
        w.ping()
    assert house.conn(w.cid)["subscriptions"] == len(ALLOWED)


@pytest.mark.own        # the reference takes ">" for a token that "*" matches, and delivers t.no.x
def test_a_tail_is_more_than_one_token(server):
    s = server(conf='authorization { users: [ {user: u, password: x, permissions: '
                    '{ subscribe: "w.*" }} ] }\n')
    w = come(s, "u")

    w.sub("w.>", 1)

    w.expect(no_sub("w.>"))


@pytest.mark.quick
def test_a_refused_subscription_is_logged_and_gets_no_ok(house):
    w = come(house, "sub")
    w.send(b'CONNECT {"user":"sub","pass":"x","verbose":true,"pedantic":false}\r\n')
    w.expect(b"+OK\r\n")

    w.sub("nope", 3).sub("nope", 8, "g1").sub("a", 9)

    w.expect(no_sub("nope") + no_sub("nope", "g1") + b"+OK\r\n")
    house.wait_log(r'\[ERR\] .* - "\$G/user:sub" - Subscription Violation - Subject "nope", SID 3$')
    house.wait_log(r'Subscription Violation - Subject "nope", Queue: "g1", SID 8$')


def test_a_taken_sid_stays_with_what_has_it(house):
    w = come(house, "sub")
    w.sub("a", 1).ping()
    w.sub("nope", 1)
    w.expect(no_sub("nope"))
    come(house, "all").pub("a").ping()

    w.expect(b"MSG a 1 0\r\n\r\n")


def test_permissions_come_before_limits(server):
    s = server(conf=CONF + "max_subscriptions: 1\nmax_sub_tokens: 2\n")
    w = come(s, "sub")
    w.sub("x.y.z", 1)
    w.expect(no_sub("x.y.z"))
    w.sub("t.y.z", 1)
    w.expect(b"-ERR 'Permissions Violation for Subscription to \"t.y.z\", too many tokens'\r\n")
    w.sub("a", 1).ping()
    w.sub("nope", 2)
    w.expect(no_sub("nope"))
    w.sub("w.1", 2)
    w.expect(b"-ERR 'maximum subscriptions exceeded'\r\n")


# ---- what a broad subscription does not show

@pytest.mark.quick
@pytest.mark.parametrize("wide", [">", "s.>", "s.*"])
def test_denied_subjects_are_kept_from_a_broad_subscription(house, wide):
    w = come(house, "broad")
    w.sub(wide, 1).ping()
    p = come(house, "all")
    for _ in range(2):
        for subject in ("s.no", "s.yes", "s.d.x", "s.d.x.y", "s.hidden", "s.d", "s.no.x"):
            p.pub(subject)
        p.ping()
        want = ["s.yes", "s.d", "s.no.x"] if wide != "s.*" else ["s.yes", "s.d"]
        w.expect("".join("MSG %s 1 0\r\n\r\n" % s for s in want))
    w.ping()


@pytest.mark.quick
def test_a_denied_queue_is_passed_over(house):
    ws = [come(house, "broad") for _ in range(4)]
    plain = come(house, "broad")
    plain.sub("*", 7).ping()
    for w in ws:
        w.sub("*", 1, "q1").sub("*", 2, "q3").ping()
    p = come(house, "all")

    for n in range(20):
        p.pub("f", b"%02d" % n).pub("g", b"%02d" % n)
    p.ping()

    got = [w.flush() for w in ws]
    assert sum(g.count(b"MSG f 1 ") for g in got) == 0
    assert sum(g.count(b"MSG g 1 ") for g in got) == 20
    assert sum(g.count(b"MSG f 2 ") for g in got) == 20
    assert plain.flush().count(b"MSG f 7 ") == 20


@pytest.mark.quick
def test_the_message_goes_to_the_member_that_may_have_it(house):
    blind = [come(house, "broad") for _ in range(4)]
    for w in blind:
        w.sub("s.*", 1, "g").ping()
    sees = come(house, "all")
    sees.sub("s.*", 1, "g").ping()
    p = come(house, "all")

    for n in range(50):
        p.pub("s.no")
    p.ping()

    assert sees.flush().count(b"MSG s.no 1 0\r\n") == 50
    for w in blind:
        w.ping()


@pytest.mark.quick
def test_a_request_that_nobody_may_see_has_no_responders(house):
    w = come(house, "broad")
    w.sub("s.*", 1).sub("s.*", 2, "g").ping()
    p = come(house, "all", headers=True, no_responders=True)
    p.sub("me", 9)

    p.pub("s.no", b"", reply="me")

    p.expect(b"HMSG me 9 36 36\r\nNATS/1.0 503\r\nNats-Subject: s.no\r\n\r\n\r\n")
    w.ping()


def test_a_narrow_subscription_needs_no_filter(house):
    w = come(house, "broad")
    w.sub("s.yes", 1).sub("f", 2).sub("f", 3, "q3").ping()
    come(house, "all").pub("s.yes").pub("f").ping()

    got = w.flush()
    assert (got.count(b"MSG s.yes 1 "), got.count(b"MSG f 2 "), got.count(b"MSG f 3 ")) == (1, 1, 1)


def test_the_filter_goes_with_the_connection(house):
    for n in range(20):     # slots are used again
        w = come(house, "broad" if n % 2 else "all")
        w.sub("s.*", 1).ping()
        come(house, "all").pub("s.no").ping()
        if not n % 2:
            w.expect(b"MSG s.no 1 0\r\n\r\n")
        w.ping()
        w.close()
    w = come(house, "broad")
    w.sub("s.*", 1).ping()
    w.connect(user="all", **{"pass": "x"})
    w.sub("s.*", 1).ping()
    come(house, "all").pub("s.no").ping()
    w.expect(b"MSG s.no 1 0\r\n\r\n")


# ---- responses

def ask(house, service, reply):
    p = come(house, "all")
    p.sub("answer.>", 1).ping()
    p.pub("service", b"", reply=reply).ping()
    service.expect("MSG service 1 %s 0\r\n\r\n" % reply)
    return p


def serve(house, user):
    w = come(house, user)
    w.sub("service", 1).ping()
    return w


@pytest.mark.quick
def test_one_answer_to_a_request(house):
    w = serve(house, "one")
    w.pub("answer.1")
    w.expect(no_pub("answer.1"))
    p = ask(house, w, "answer.1")

    w.pub("answer.1", b"first").ping()
    w.pub("answer.1", b"second")

    w.expect(no_pub("answer.1"))
    w.pub("answer.2")
    w.expect(no_pub("answer.2"))
    p.expect(b"MSG answer.1 1 5\r\nfirst\r\n")
    p.ping()


@pytest.mark.quick
def test_two_answers_and_a_list_besides(house):
    w = serve(house, "two")
    p = ask(house, w, "answer.1")

    w.pub("logs").pub("answer.1", b"1").pub("answer.1", b"2").ping()
    w.pub("answer.1", b"3")

    w.expect(no_pub("answer.1"))
    p.expect(b"MSG answer.1 1 1\r\n1\r\nMSG answer.1 1 1\r\n2\r\n")


@pytest.mark.quick
def test_an_answer_comes_in_time_or_not_at_all(house):
    w = serve(house, "late")
    ask(house, w, "answer.1")
    w.pub("answer.1").ping()

    def refused():
        w.pub("answer.1")
        return b"Violation" in w.flush()
    wire.until("the permission to end", refused)


@pytest.mark.quick
def test_no_limit_is_no_limit(house):
    w = serve(house, "ever")
    p = ask(house, w, "answer.1")
    for n in range(100):
        w.pub("answer.1")
    w.ping()
    assert p.flush().count(b"MSG answer.1 1 0") == 100


def test_the_same_reply_again_counts_anew(house):
    w = serve(house, "one")
    for _ in range(3):
        ask(house, w, "answer.1")
        w.pub("answer.1").ping()
        w.pub("answer.1")
        w.expect(no_pub("answer.1"))


def test_answers_to_many_requests(house):
    w = serve(house, "one")
    p = come(house, "all")
    p.sub("answer.>", 1).ping()
    for n in range(3000):
        p.pub("service", b"", reply="answer.%d" % n)
    p.ping()
    assert w.flush().count(b"MSG service 1 answer.") == 3000

    for n in range(3000):
        w.pub("answer.%d" % n)
    w.ping()

    assert p.flush().count(b"MSG answer.") == 3000


def test_a_request_that_is_not_delivered_gives_no_right(house):
    w = come(house, "one")
    come(house, "all").pub("service", b"", reply="answer.1").ping()

    w.pub("answer.1")

    w.expect(no_pub("answer.1"))


# ---- whose they are

def test_default_permissions_are_for_those_without(house):
    w = come(house, "def")
    w.sub("secret.a", 1)
    w.expect(no_sub("secret.a"))
    w.sub(">", 1).ping()
    come(house, "all").pub("secret.a").pub("open.a").ping()
    w.expect(b"MSG open.a 1 0\r\n\r\n")
    w.ping()


def test_a_single_user_has_none(server):
    s = server(conf='authorization { user: u, password: x, permissions: { publish: "a" } }\n')

    come(s, "u").pub("b").ping()


def test_a_second_connect_brings_other_permissions(house):
    w = come(house, "pub")
    w.pub("b")
    w.expect(no_pub("b"))
    w.connect(user="all", **{"pass": "x"})
    w.pub("b").ping()
    w.connect(user="pub", **{"pass": "x"})
    w.pub("b")
    w.expect(no_pub("b"))


def test_the_no_auth_user_has_its_own(server):
    s = server(conf=CONF + "no_auth_user: pub\n")
    w = s.client(connect=False)
    w.send(b"PUB a 0\r\n\r\nPUB b 0\r\n\r\nPING\r\n")

    w.expect(b"+OK\r\n" + no_pub("b") + b"PONG\r\n")


# ---- real clients

@pytest.mark.quick
def test_nats_py_is_told(house):
    async def scene():
        told = []

        async def complain(exc):
            told.append(str(exc))

        who = {"user": "sub", "password": "x", "error_cb": complain}
        a = await connect(house, **who)
        got = []

        async def take(m):
            got.append(m.subject)
        await a.subscribe("w.*", cb=take)
        await a.subscribe("nope", cb=take)
        await flush(a)
        b = await connect(house, user="pub", password="x", error_cb=complain)
        for subject in ("w.1", "w.no", "t.1"):
            await b.publish(subject, b"")
        await flush(b)
        await flush(a)
        assert got == ["w.1"]
        assert any('for subscription to "nope"' in t.lower() for t in told), told
        assert any('for publish to "w.no"' in t.lower() for t in told), told
        await a.close()
        await b.close()
    play(scene)


def test_the_command_line_tool_answers_with_responses_alone(house, nats_cli):  # noqa: F811
    w = serve(house, "one")
    p = nats_cli.start(house, "request", "service", "hi", extra=["--user", "all", "--password", "x"])
    reply = w.msg(20)[2].decode()

    w.pub(reply, b"answer").ping()

    assert "answer" in p.communicate(timeout=20)[0]


# ---- a reload

BEFORE = """authorization { users: [
  { user: u, password: x, permissions: { publish: "a", subscribe: ["foo", "bar", "w.*", "q.* g"] } }
  { user: same, password: x, permissions: { subscribe: "service", allow_responses: true } }
  { user: free, password: x }
] }
"""
AFTER = """authorization { users: [
  { user: u, password: x, permissions: { publish: "b", subscribe: { allow: ["bar", "w.*"], deny: "w.no" } } }
  { user: same, password: x, permissions: { subscribe: "service", allow_responses: true } }
  { user: free, password: x, permissions: { subscribe: { deny: ["s.no", "lit"] } } }
] }
"""


def reload(s, conf):
    with open(s.conf_path, "w") as f:
        f.write(conf)
    mark = s.log_size()
    s.signal(1)
    s.wait_log("Reloaded server configuration", since=mark)


@pytest.mark.quick
def test_a_reload_brings_other_permissions(server):
    s = server(["-D"], conf=BEFORE)
    w, free = come(s, "u"), come(s, "free")
    w.sub("foo", 1).sub("bar", 2).sub("q.1", 3, "g").sub("w.*", 4).ping()
    free.sub("s.*", 1).sub("lit", 2).ping()
    w.pub("a").ping()

    reload(s, AFTER)

    gone = [b"-ERR 'Permissions Violation for Subscription to \"foo\" (sid \"1\")'\r\n",
            b"-ERR 'Permissions Violation for Subscription to \"q.1\" using queue \"g\" (sid \"3\")'\r\n"]
    assert sorted(w.flush().splitlines(True)) == sorted(gone)
    assert free.flush() == b"-ERR 'Permissions Violation for Subscription to \"lit\" (sid \"2\")'\r\n"
    s.wait_log(r'\[INF\] Removed sub "foo" \(sid "1"\) for User "u" - not authorized$')
    s.wait_log(r'\[INF\] Removed sub "q.1" using queue "g" \(sid "3"\) for User "u" - not authorized$')
    w.pub("a")
    w.expect(no_pub("a"))
    w.pub("b").ping()
    late = s.client(user="free", **{"pass": "x"})
    for subject in ("foo", "bar", "q.1", "w.no", "w.yes", "s.no", "s.yes", "lit"):
        late.pub(subject)
    late.ping()
    w.expect(b"MSG bar 2 0\r\n\r\nMSG w.yes 4 0\r\n\r\n")
    w.ping()
    free.expect(b"MSG s.yes 1 0\r\n\r\n")
    free.ping()

    reload(s, BEFORE)
    late.pub("s.no").ping()
    free.expect(b"MSG s.no 1 0\r\n\r\n")
    w.sub("foo", 1).ping()


@pytest.mark.own    # the reference forgets what may be answered at each reload
def test_a_reload_without_a_change_keeps_what_may_be_answered(server):
    s = server(conf=BEFORE)
    w = come(s, "same")
    w.sub("service", 1).ping()
    p = come(s, "free")
    p.pub("service", b"", reply="answer.1").ping()
    w.expect(b"MSG service 1 answer.1 0\r\n\r\n")

    reload(s, AFTER)

    w.pub("answer.1").ping()


def test_filters_come_and_go_while_messages_flow(server):
    conf = """authorization { users: [
      { user: all, password: x }
      { user: broad, password: x, permissions: { subscribe: { deny: [%s] } } }
    ] }
    """
    s = server(conf=conf % "s.no")
    stop = threading.Event()
    pubs = [come(s, "all") for _ in range(2)]

    def hammer(p):
        while not stop.is_set():
            p.send(b"PUB s.no 0\r\n\r\nPUB s.yes 0\r\n\r\n" * 200)
            p.ping(30)
    threads = [threading.Thread(target=hammer, args=(p,)) for p in pubs]
    for t in threads:
        t.start()
    try:
        for n in range(24):
            w = come(s, "broad")
            w.sub("s.*", 1).sub("*.*", 2, "g")
            seen = b""
            while b"s.yes 1 " not in seen or b"s.yes 2 " not in seen:
                seen += w.flush(30)
            assert b"s.no" not in seen
            if n % 6 == 0:
                reload(s, conf % ("s.no, t.%d" % n))
            assert b"s.no" not in w.flush(30)
            w.close()
    finally:
        stop.set()
        for t in threads:
            t.join()
