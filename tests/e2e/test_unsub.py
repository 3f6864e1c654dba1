"""UNSUB: at once, after a number of messages, and never one too many."""
import pytest

pytestmark = [pytest.mark.quick]


def test_after_two(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nUNSUB 1 2\r\n" + b"PUB a 1\r\nx\r\n" * 4 + b"PING\r\n")

    w.expect(b"MSG a 1 1\r\nx\r\n" * 2 + b"PONG\r\n")


def test_at_once(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nPUB a 0\r\n\r\nUNSUB 1\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"MSG a 1 0\r\n\r\nPONG\r\n")


def test_max_already_reached_removes_now(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\n" + b"PUB a 0\r\n\r\n" * 3 + b"UNSUB 1 3\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"MSG a 1 0\r\n\r\n" * 3 + b"PONG\r\n")


def test_max_counts_from_the_start_of_the_subscription(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\n" + b"PUB a 0\r\n\r\n" * 3 + b"UNSUB 1 5\r\n" + b"PUB a 0\r\n\r\n" * 5 + b"PING\r\n")

    w.expect(b"MSG a 1 0\r\n\r\n" * 5 + b"PONG\r\n")


@pytest.mark.parametrize("bad", [b"x", b"-1", b"0"])
def test_max_that_is_no_number_removes_now(plain, bad):
    w = plain.client()

    w.send(b"SUB a 1\r\nUNSUB 1 " + bad + b"\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"PONG\r\n")


def test_later_unsub_without_max_removes_now(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nUNSUB 1 5\r\nPUB a 0\r\n\r\nUNSUB 1\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"MSG a 1 0\r\n\r\nPONG\r\n")


def test_max_can_be_raised(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nUNSUB 1 1\r\nUNSUB 1 3\r\n" + b"PUB a 0\r\n\r\n" * 5 + b"PING\r\n")

    w.expect(b"MSG a 1 0\r\n\r\n" * 3 + b"PONG\r\n")


def test_sid_is_free_after_the_last_message(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\nSUB b 1\r\nPUB b 0\r\n\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"MSG a 1 0\r\n\r\nMSG b 1 0\r\n\r\nPONG\r\n")


def test_only_the_named_subscription(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nSUB a 2\r\nUNSUB 1\r\nPUB a 0\r\n\r\nPING\r\n")

    w.expect(b"MSG a 2 0\r\n\r\nPONG\r\n")


def test_from_another_connection(plain):
    w, pub = plain.client(), plain.client()
    w.send(b"SUB u.x 1\r\nUNSUB 1 3\r\n")
    w.ping()

    pub.send(b"PUB u.x 0\r\n\r\n" * 10)
    pub.ping()

    assert w.flush() == b"MSG u.x 1 0\r\n\r\n" * 3


def test_max_from_many_publishers_is_exact(plain):
    w = plain.client()
    w.send(b"SUB u.many 1\r\nUNSUB 1 100\r\n")
    w.ping()
    pubs = [plain.client() for _ in range(6)]

    for p in pubs:
        p.send(b"PUB u.many 0\r\n\r\n" * 50)
    for p in pubs:
        p.ping()

    assert w.flush() == b"MSG u.many 1 0\r\n\r\n" * 100


def test_unsub_is_traced_as_delsub_and_counted(monitored):
    w = monitored.client()
    w.send(b"SUB a 1\r\nSUB b 2\r\nUNSUB 1\r\n")
    w.ping()

    assert monitored.conn(w.cid)["subscriptions"] == 1
    monitored.wait_log(r"cid:%d - <-> \[DELSUB 1\]" % w.cid, monitored.mark)
