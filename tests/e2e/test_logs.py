"""Log lines: their form, their prefixes, their order, and what a trace shows."""
import os
import re
import signal
import stat
import time

import pytest

pytestmark = [pytest.mark.one_worker]
quick = pytest.mark.quick

STAMP = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}"


def connect_all(s, **kw):
    w = s.client(**kw)
    return w, r"127\.0\.0\.1:%d - cid:%d" % (w.sock.getsockname()[1], w.cid)


@quick
def test_form_of_every_line(server):
    s = server(["-DV"])
    s.client().ping()

    for line in s.log().splitlines():
        assert re.match(r"\[%d\] %s \[(INF|DBG|WRN|ERR|TRC)\] " % (s.pid, STAMP), line), line


@quick
def test_start_lines_in_order(server):
    s = server(["-D"], monitor=True, conf="max_payload: 1MB\n")
    s.wait_log("Server is ready")
    want = [
        r"\[INF\] Starting (nats-server|natterjack)$",
        r"\[INF\]   Version:  2\.15\.2$",
        r"\[INF\]   Git:      (\[not set\]|[0-9a-f]{7,})$",
        r"\[INF\]   Name:     N[A-Z2-7]{55}$",
        r"\[INF\]   ID:       N[A-Z2-7]{55}$",
        r"\[INF\] Using configuration file: %s \(sha256:[0-9a-f]{64}\)$" % re.escape(s.conf_path),
        r"\[INF\] Starting http monitor on 127\.0\.0\.1:%d$" % s.http_port,
        r"\[INF\] Listening for client connections on 127\.0\.0\.1:%d$" % s.port,
        r"\[INF\] Server is ready$",
    ]
    if not s.is_ref:
        want.insert(2, r"\[INF\]   Natterjack: \S+$")

    at = 0
    for pattern in want:
        m = re.compile(pattern, re.M).search(s.log(), at)
        assert m, (pattern, s.log())
        at = m.end()


def test_no_debug_lines_by_default(server):
    s = server()
    w = s.client()
    w.send(b"NONSENSE\r\n")
    w.expect_eof(b"-ERR 'Unknown Protocol Operation'\r\n")
    s.wait_log("Client parser ERROR")

    assert "[DBG]" not in s.log() and "[TRC]" not in s.log()


def test_without_time(server):
    s = server(["-T=false"])

    assert re.match(r"\[%d\] \[INF\] Starting (nats-server|natterjack)\n" % s.pid, s.log())


@pytest.mark.parametrize("utc", [False, True])
def test_local_time_and_utc(server, utc):
    s = server(["--logtime_utc"] if utc else [], env={"TZ": "Asia/Tokyo"})

    hour = int(re.match(r"\[\d+\] \S+ (\d\d):", s.log()).group(1))
    now = time.gmtime(time.time() + (0 if utc else 9 * 3600)).tm_hour
    assert hour in (now, (now - 1) % 24)


@quick
def test_log_file(server, tmp_path):
    path = tmp_path / "own.log"
    path.write_text("before\n")
    s = server(["-l", path])

    text = path.read_text()
    assert text.startswith("before\n[%d] " % s.pid)
    assert "Server is ready" in text
    assert s.log() == ""


def test_log_file_is_made_with_mode_0640(server, tmp_path):
    path = tmp_path / "own.log"
    umask = os.umask(0o022)
    try:
        server(conf='log_file: "%s"\n' % path)
    finally:
        os.umask(umask)

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_reopen(server, tmp_path):
    path, old = tmp_path / "own.log", tmp_path / "old.log"
    s = server(["-l", path])
    os.rename(path, old)

    s.signal(signal.SIGUSR1)

    from wire import until
    until("a new log file", lambda: path.exists() and "File log re-opened" in path.read_text())
    assert re.match(r"\[%d\] %s \[INF\] File log re-opened\n" % (s.pid, STAMP), path.read_text())
    assert 'Trapped "user defined signal 1" signal' in old.read_text()


@quick
def test_reopen_without_file(server):
    s = server()

    s.signal(signal.SIGUSR1)

    s.wait_log(r"\[INF\] File log re-open ignored, not a file logger")
    s.serves()


# -- one connection

@quick
def test_life_of_a_connection(server):
    s = server(["-D"])
    w, who = connect_all(s)
    w.close()

    s.wait_log(r"\[DBG\] %s - Client connection created$" % who)
    s.wait_log(r"\[DBG\] %s - Client connection closed: Client Closed$" % who)


@pytest.mark.parametrize("options,tail", [
    ({}, ""),
    ({"name": "frog"}, ' - "frog"'),
    ({"lang": "c", "name": "frog"}, ' - "c:frog"'),
    ({"version": "1.0", "lang": "c"}, ' - "v1.0:c"'),
    ({"version": "1.0", "lang": "c", "name": "frog"}, ' - "v1.0:c:frog"'),
    ({"version": "1.0"}, ' - "v1.0"'),
])
def test_prefix_after_connect(server, options, tail):
    s = server(["-D"])
    w, who = connect_all(s, **options)
    w.close()

    s.wait_log(r"%s%s - Client connection closed: Client Closed$" % (who, re.escape(tail)))


TRACE = [
    (b"SUB a 1\r\n", r"<<- \[SUB a 1\]"),
    (b"SUB a q 2\r\n", r"<<- \[SUB a q 2\]"),
    (b"PUB a 2\r\nhi\r\n", r"<<- \[PUB a 2\]"),
    (b"PUB a 2\r\nhi\r\n", r'<<- MSG_PAYLOAD: \["hi"\]'),
    (b"PUB a r 2\r\nhi\r\n", r"<<- \[PUB a r 2\]"),
    (b"UNSUB 1\r\n", r"<<- \[UNSUB 1\]"),
    (b"SUB z 9\r\nUNSUB 9\r\n", r"<-> \[DELSUB 9\]"),
    (b"PING\r\n", r"<<- \[PING\]"),
    (b"PING\r\n", r"->> \[PONG\]"),
    (b"PONG\r\n", r"<<- \[PONG\]"),
    (b"SUB m 7\r\nPUB m 2\r\nhi\r\n", r"->> \[MSG m 7 2\]"),
    (b"HPUB h 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", r"<<- \[HPUB h 12 14\]"),
    (b"SUB h 8\r\nHPUB h 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", r"->> \[HMSG h 8 12 14\]"),
    (b"SUB a..b 3\r\n", r"->> \[-ERR Invalid Subject\]"),
    (b"SUB  a   1 \r\n", r"<<- \[SUB a   1 ?\]"),
]


@quick
def test_trace_lines(server):
    s = server(["-V"])
    for send, pattern in TRACE:
        mark = s.log_size()
        w, who = connect_all(s, headers=True)

        w.send(send)
        w.flush()

        s.wait_log(r"\[TRC\] %s - %s" % (who, pattern), mark)
        w.close()


def test_empty_payload_makes_no_line(server):
    s = server(["-V"])
    w = s.client()

    w.pub("a", b"").ping()

    s.wait_log(r"<<- \[PUB a 0\]")
    assert "MSG_PAYLOAD" not in s.log()


def test_verbose_answer_traces_as_ok(server):
    s = server(["-V"])
    w = s.client(connect=False)
    w.send(b"CONNECT {}\r\n")
    w.expect(b"+OK\r\n")

    s.wait_log(r"->> \[OK\]")


def test_max_traced_msg_len(server):
    s = server(["-V", "--max_traced_msg_len", "5"])
    w = s.client()

    w.pub("a", b"0123456789").ping()

    s.wait_log(r'<<- MSG_PAYLOAD: \["01234\.\.\."\]')


def test_payload_is_quoted(server):
    s = server(["-V"])
    w = s.client()

    w.pub("a", b'a"b\r\n\tc').ping()

    s.wait_log(r'<<- MSG_PAYLOAD: \["a\\"b\\r\\n\\tc"\]')


@pytest.mark.parametrize("payload,shown", [
    (b"\xff\x00\x7f", r"\xff\x00\x7f"),
    ("é 日本".encode(), "é 日本"),
    (b"back\\slash", r"back\\slash"),
    (b"\x07\x08\x0b\x0c\x1b", r"\a\b\v\f\x1b"),
    ("\u2028\u00a0\ufeff".encode(), r"\u2028\u00a0\ufeff"),
])
def test_quoting_of_odd_bytes(server, payload, shown):
    s = server(["-V"])
    w = s.client()

    w.pub("a", payload).ping()

    s.wait_log(re.escape('<<- MSG_PAYLOAD: ["%s"]' % shown))


@pytest.mark.parametrize("flags,debug", [(["-DV"], True), (["-DVV"], True), (["-VV"], False), (["-V"], False),
                                         (["-D", "-V"], True), (["--debug", "--trace"], True)])
def test_trace_flags(server, flags, debug):
    s = server(flags)
    s.client().ping()

    s.wait_log(r"\[TRC\].*<<- \[PING\]")
    assert ("[DBG]" in s.log()) == debug


def test_ipv6_address_in_brackets(server):
    s = server(["-D"], address=("-a", "::1", "-p", "-1"))
    w = s.raw(host="::1")
    w.read_info()
    w.close()

    s.wait_log(r"\[DBG\] \[::1\]:\d+ - cid:\d+ - Client connection created")


def test_equal_lines_come_once_a_second(server):
    s = server(conf="max_connections: 0\n")
    for _ in range(10):
        w = s.raw()
        w.read_info()
        w.expect_eof(b"-ERR 'maximum connections exceeded'\r\n")

    s.wait_log("maximum connections exceeded")
    assert s.log().count("maximum connections exceeded") < 5


def test_ports_file_that_cannot_be_written(server):
    s = server(["--ports_file_dir", "/nowhere"], ports=False)

    s.wait_log(r"\[ERR\] Error writing ports file \(/nowhere/.*_%d\.ports\): open /nowhere/" % s.pid)
    s.port = int(s.wait_log(r"Listening for client connections on 127\.0\.0\.1:(\d+)").group(1))
    s.serves()


def test_trace_headers(server):
    s = server(conf="trace_headers: true\n")
    w = s.client(headers=True)

    w.send(b"PUB plain 2\r\nhi\r\nHPUB a 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n")
    w.ping()

    s.wait_log(r'<<- MSG_PAYLOAD: \["NATS/1\.0\\r\\nFoo: bar"\]')
    assert '["hi"]' not in s.log()


def test_connect_trace_hides_secrets(server):
    s = server(["-V"])
    w = s.client(connect=False)

    w.send(b'CONNECT {"verbose":false,"user":"u","pass":"p-secret","auth_token":"t-secret","sig":"s-secret"}'
           b"\r\nPING\r\n")
    w.expect(b"PONG\r\n")

    s.wait_log(r'<<- \[CONNECT \{.*"user":"u".*\[REDACTED\]')
    assert "-secret" not in s.log()


# -- mistakes of the client: what the log says

SAYS = [
    (b"PUB a\r\n", r'processPub Parse Error: "a"'),
    (b"PUB a b c 1\r\n", r'processPub Parse Error: "a b c 1"'),
    (b"PUB a 0000000002\r\n", r'processPub Bad or Missing Size: "a 0000000002"'),
    (b"PUB a x\r\n", r'processPub Bad or Missing Size: "a x"'),
    (b"HPUB a 2\r\n", r'processHeaderPub Parse Error: "a 2"'),
    (b"HPUB a x 2\r\n", r'processHeaderPub Bad or Missing Header Size: "a x 2"'),
    (b"HPUB a 2 x\r\n", r'processHeaderPub Bad or Missing Total Size: "a 2 x"'),
    (b"HPUB a 4 2\r\n", r'processHeaderPub Header Size larger then TotalSize: "a 4 2"'),
    (b"SUB a\r\n", r'processSub Parse Error: "a"'),
    (b"SUB a b c d\r\n", r'processSub Parse Error: "a b c d"'),
    (b"UNSUB 1 2 3\r\n", r'processUnsub Parse Error: "1 2 3"'),
    (b"-ERR what\r\n", r"Client Error what"),
    # From the byte that was wrong, at most 32 bytes; the reference leaves out the last one read.
    (b"HELLO\r\n", r"Client parser ERROR, state=\d+, i=\d+: proto='\"ELLO\\r(\\n)?\"\.\.\.'"),
    (b"ZZZ" + b"z" * 60 + b"\r\n", r"Client parser ERROR, state=\d+, i=\d+: proto='\"ZZZz{29}\"\.\.\.'"),
    (b"PUB a 2\r\nhiXX\r\n", r"Client parser ERROR, state=\d+, i=\d+: proto='\".*\"\.\.\.'"),
    (b"PUB a 1048577\r\n", r"maximum payload exceeded: 1048577 vs 1048576"),
]


@quick
@pytest.mark.parametrize("send,text", SAYS, ids=[repr(x[0]) for x in SAYS])
def test_mistake_in_the_log(plain, send, text):
    w = plain.client(headers=True)

    w.send(send)

    while not w.eof:
        assert w.fill() or w.eof
    plain.wait_log(r"\[ERR\].*cid:%d.* - %s" % (w.cid, text), plain.mark)


def test_headers_not_asked_for_in_the_log(plain):
    w = plain.client()

    w.send(b"HPUB a 2 4\r\nxxyy\r\n")

    w.expect_eof()
    plain.wait_log(r"\[ERR\].*cid:%d.*message headers not supported" % w.cid, plain.mark)


@pytest.mark.parametrize("send,text", [
    (b"CONNECT {\r\n", r"unexpected end of JSON input|.*JSON|.*json"),
    (b'CONNECT {"verbose":"x"}\r\n', r"json: cannot unmarshal string into Go struct field "
                                     r"ClientOpts\.verbose of type bool"),
    (b'CONNECT {"protocol":"x"}\r\n', r"json: cannot unmarshal string into Go struct field "
                                      r"ClientOpts\.protocol of type int"),
])
def test_bad_connect_in_the_log(plain, send, text):
    w = plain.client(connect=False)

    w.send(send)

    w.expect_eof()
    plain.wait_log(r"\[ERR\].*cid:%d - (%s)" % (w.cid, text), plain.mark)


def test_refused_subscription_in_the_log(plain):
    w = plain.client()

    w.send(b"SUB foo _sys_ 1\r\n")
    w.flush()

    plain.wait_log(r'\[ERR\].*Subscription Violation - Subject "foo", Queue: "_sys_", SID 1', plain.mark)


def test_refused_publish_in_the_log(plain):
    w = plain.client()

    w.send(b"PUB $GR.log 0\r\n\r\nPUB a _R_.log 0\r\n\r\n")
    w.flush()

    plain.wait_log(r'\[ERR\].*Publish Violation - Subject "\$GR\.log"', plain.mark)
    plain.wait_log(r'\[ERR\].*Publish Violation - Reply "_R_\.log"', plain.mark)
