"""Limits: the largest value that passes, the first that does not, and what happens then."""
import pytest

from wire import until

CONTROL_LINE = b"-ERR 'maximum control line exceeded'\r\n"


@pytest.mark.quick
def test_control_line_of_4096_passes(plain):
    w = plain.client()

    w.send(b"SUB " + b"a" * 4094 + b" 1\r\n")

    w.ping()


@pytest.mark.quick
def test_control_line_of_4097_closes(plain):
    w = plain.client()

    w.send(b"SUB " + b"a" * 4095 + b" 1\r\n")

    w.expect_eof(CONTROL_LINE)
    plain.wait_log("cid:%d.*closed: Maximum Control Line Exceeded" % w.cid, plain.mark)


@pytest.mark.quick
def test_unfinished_line_is_found_at_once(plain):
    w = plain.client()

    w.send(b"SUB " + b"a" * 4200)

    w.expect_eof(CONTROL_LINE)


def test_blanks_after_the_verb_do_not_count(plain):
    w = plain.client()

    w.send(b"SUB   " + b"a" * 4094 + b" 1\r\n")

    w.ping()


def test_connect_counts_too(plain):
    w = plain.client(connect=False)

    w.send(b'CONNECT {"name":"' + b"x" * 5000 + b'"}\r\n')

    w.expect_eof(CONTROL_LINE)


def test_own_control_line_limit(server):
    s = server(conf="max_control_line: 64\n")
    w = s.client(connect=False).connect().ping()

    w.send(b"SUB " + b"a" * 62 + b" 1\r\n")
    w.ping()
    w.send(b"SUB " + b"a" * 63 + b" 2\r\n")

    w.expect_eof(CONTROL_LINE)


@pytest.mark.quick
def test_payload_over_the_default_limit(plain):
    w = plain.client()

    w.send(b"PUB a 1048577\r\n")

    w.expect_eof(b"-ERR 'Maximum Payload Violation'\r\n")
    plain.wait_log("maximum payload exceeded: 1048577 vs 1048576", plain.mark)


@pytest.mark.quick
def test_payload_at_the_default_limit(plain):
    w = plain.client()
    w.sub("m", 1)

    w.pub("m", b"p" * 1048576)

    assert len(w.msg()[4]) == 1048576


def test_own_payload_limit(server):
    s = server(["-D"], conf="max_payload: 10\n")
    w = s.client(headers=True)
    assert w.info["max_payload"] == 10
    w.send(b"SUB a 1\r\nPUB a 10\r\n0123456789\r\n")
    w.expect(b"MSG a 1 10\r\n0123456789\r\n")

    w.send(b"HPUB a 5 11\r\n")

    w.expect_eof(b"-ERR 'Maximum Payload Violation'\r\n")
    s.wait_log("closed: Maximum Message Payload Exceeded")


def test_payload_limit_above_max_pending_is_refused_at_start(run, tmp_path):
    (tmp_path / "c.conf").write_text("max_payload: 100MB\nmax_pending: 1MB\n")

    p = run(["-a", "127.0.0.1", "-p", "-1", "-c", tmp_path / "c.conf"])

    assert p.returncode == 1
    assert "max_payload (104857600) cannot be higher than max_pending (1048576)" in p.stderr


def test_large_payload_limit_warns(server):
    s = server(conf="max_payload: 9MB\n")

    s.wait_log(r"\[WRN\] Maximum payloads over 8.00 MB are generally discouraged "
               "and could lead to poor performance")


def test_max_subscriptions(server):
    s = server(conf="max_subscriptions: 2\n")
    w = s.client()

    w.send(b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPUB c 0\r\n\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"-ERR 'maximum subscriptions exceeded'\r\nMSG a 1 0\r\n\r\nPONG\r\n")
    s.wait_log(r"\[ERR\].*maximum subscriptions exceeded")


def test_max_subscriptions_freed_by_unsub(server):
    s = server(conf="max_subs: 1\n")
    w = s.client()

    w.send(b"SUB a 1\r\nUNSUB 1\r\nSUB b 2\r\nPUB b 0\r\n\r\nPING\r\n")

    w.expect(b"MSG b 2 0\r\n\r\nPONG\r\n")


def test_max_sub_tokens(server):
    s = server(conf="max_sub_tokens: 3\n")
    w = s.client()

    w.send(b"SUB a.b.c 1\r\nSUB a.b.c.d 2\r\nPUB a.b.c.d.e 0\r\n\r\nPING\r\n")

    w.expect(b"-ERR 'Permissions Violation for Subscription to \"a.b.c.d\", too many tokens'\r\nPONG\r\n")


def test_max_connections(server):
    s = server(["-D"], conf="max_connections: 2\n")
    a, b = s.client(), s.client()

    c = s.raw()
    c.read_info()
    c.expect_eof(b"-ERR 'maximum connections exceeded'\r\n")

    s.wait_log("closed: Maximum Connections Exceeded")
    s.wait_log(r"\[ERR\].*maximum connections exceeded")
    a.ping()
    b.ping()


def test_connection_slot_is_free_again(server):
    s = server(conf="max_connections: 1\n")
    a = s.client()
    a.close()

    def again():
        w = s.raw()
        w.read_info()
        w.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        try:
            return w.line() == b"PONG\r\n"
        except AssertionError:
            return False
    until("a free slot", again)


def test_max_connections_zero_allows_none(server):
    s = server(conf="max_connections: 0\n")

    w = s.raw()

    w.read_info()
    w.expect_eof(b"-ERR 'maximum connections exceeded'\r\n")


@pytest.mark.quick
@pytest.mark.one_worker
@pytest.mark.parametrize("option", ["max_payload", "max_control_line", "max_pending",
                                    "ping_interval", "ping_max"])
def test_zero_is_as_if_it_were_not_there(server, option):
    s = server(conf="%s: 0\n" % option, monitor=True)
    usual = {"max_payload": 1 << 20, "max_control_line": 4096, "max_pending": 64 << 20,
             "ping_interval": 120 * 10 ** 9, "ping_max": 2}

    w = s.client()
    w.sub("a", 1).pub("a", b"x")

    w.expect(b"MSG a 1 1\r\nx\r\n")
    w.ping()
    assert s.get("/varz")[option] == usual[option]


def test_long_subjects_and_many_tokens(plain):
    w = plain.client()
    subject = ".".join("t%d" % i for i in range(400))

    w.sub(subject, 1).pub(subject, b"x")

    assert w.msg()[0] == subject.encode()


def test_many_subscriptions_of_one_client(plain):
    w = plain.client()
    w.send(b"".join(b"SUB many.%d %d\r\n" % (i, i) for i in range(5000)))
    w.ping()

    w.send(b"".join(b"PUB many.%d 0\r\n\r\n" % i for i in range(5000)))

    for i in range(5000):
        w.expect(b"MSG many.%d %d 0\r\n\r\n" % (i, i))
