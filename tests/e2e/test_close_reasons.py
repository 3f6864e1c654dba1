"""One table: what the client does, how monitoring names the end, and that the log says the same."""
import pytest

pytestmark = [pytest.mark.quick]


def say(data):
    def act(w):
        w.send(data)
        while not w.eof:
            assert w.fill() or w.eof
    return act


CONNECT = b'CONNECT {"verbose":false}\r\n'

TABLE = [
    ("fin", lambda w: w.half_close(), "Client Closed"),
    ("rst", lambda w: w.abort(), "Read Error"),
    ("close_with_unread_data", lambda w: (w.send(b"SUB a 1\r\n" + b"PUB a 1\r\nx\r\n" * 100),
                                          w.skip_to(b"MSG"), w.abort()), ("Read Error", "Write Error")),
    ("unknown_verb", say(CONNECT + b"NO\r\n"), "Protocol Violation"),
    ("bad_arguments", say(CONNECT + b"SUB\t1\r\n"), "Protocol Violation"),
    ("bad_json", say(b"CONNECT {]\r\n"), "Protocol Violation"),
    ("err", say(CONNECT + b"-ERR no\r\n"), "Parse Error"),
    ("control_line", say(CONNECT + b"SUB " + b"x" * 5000 + b" 1\r\n"), "Maximum Control Line Exceeded"),
    ("payload", say(CONNECT + b"PUB a 99999999\r\n"), "Maximum Message Payload Exceeded"),
    ("protocol", say(b'CONNECT {"protocol":7}\r\n'), "Bad Client Protocol Version"),
    ("no_responders", say(b'CONNECT {"no_responders":true}\r\n'), "No Responders Requires Headers"),
    ("account", say(b'CONNECT {"account":"X"}\r\n'), "Authentication Failure"),
]


@pytest.mark.parametrize("act,reason", [pytest.param(*r[1:], id=r[0]) for r in TABLE])
def test_reason(monitored, act, reason):
    w = monitored.client(connect=False)
    cid = w.cid

    act(w)

    got = monitored.closed_reason(cid)
    assert got in ([reason] if isinstance(reason, str) else reason)
    monitored.wait_log(r"\[DBG\].*cid:%d - .*Client connection closed: %s$" % (cid, got), monitored.mark)


OWN = [
    ("auth_timeout", "authorization { token: t, timeout: 0.2 }", lambda w: w.expect_eof(
        b"-ERR 'Authentication Timeout'\r\n"), "Authentication Timeout"),
    ("auth_failure", "authorization { token: t }", say(b"PING\r\n"), "Authentication Failure"),
    ("stale", 'ping_interval: "100ms"\nping_max: 1', lambda w: w.expect_eof(
        b"PING\r\n-ERR 'Stale Connection'\r\n"), "Stale Connection"),
    ("max_connections", "max_connections: 0", lambda w: w.expect_eof(
        b"-ERR 'maximum connections exceeded'\r\n"), "Maximum Connections Exceeded"),
]


@pytest.mark.parametrize("conf,act,reason", [pytest.param(*r[1:], id=r[0]) for r in OWN])
def test_reason_that_needs_an_option(server, conf, act, reason):
    s = server(["-D"], conf=conf + "\n", monitor=True)
    w = s.client(connect=False)
    w.keep_pings = True

    act(w)

    assert s.closed_reason(w.cid) == reason
    s.wait_log(r"\[DBG\].*cid:%d - .*Client connection closed: %s$" % (w.cid, reason))


def test_closed_entry_keeps_the_numbers(monitored):
    w = monitored.client(name="counted", lang="x", version="9")
    w.send(b"SUB a 1\r\nPUB a 3\r\nabc\r\n")
    w.expect(b"MSG a 1 3\r\nabc\r\n")
    w.ping()
    cid = w.cid
    w.half_close()

    monitored.closed_reason(cid)
    entry = monitored.conn(cid, "closed")

    assert (entry["in_msgs"], entry["out_msgs"], entry["in_bytes"], entry["out_bytes"]) == (1, 1, 3, 3)
    assert entry["name"] == "counted" and entry["lang"] == "x" and entry["version"] == "9"
    assert entry["stop"] >= entry["start"]
    assert monitored.conn(cid) is None
