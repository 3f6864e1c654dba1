"""Readers that do not read: the limit, the deadline, the stall, and that nobody else suffers."""
import socket
import threading
import time

import pytest

import wire
from wire import until


def sleeper(s, subject, rcvbuf=4096):
    """A subscriber with a small window that will not read."""
    w = s.client(rcvbuf=rcvbuf)
    w.sub(subject, 1).ping()
    return w


def pump(s, subject, total, size=32768):
    """Publish total bytes from an own connection."""
    w = s.client()
    body = b"x" * size
    line = b"PUB %s %d\r\n%s\r\n" % (subject.encode(), size, body)
    for _ in range(total // size):
        w.send(line, timeout=30 * wire.PATIENCE)
    w.ping(timeout=30 * wire.PATIENCE)
    return w


@pytest.mark.quick
def test_pending_bytes(server):
    s = server(["-D"], conf="max_pending: 2MB\n", monitor=True)
    bad = sleeper(s, "flood")
    good = s.client()
    good.sub("other", 1).ping()

    pump(s, "flood", 24 << 20)

    s.wait_log(r"\[INF\].*cid:%d - .*Slow Consumer Detected: MaxPending of 2097152 Exceeded" % bad.cid)
    assert s.closed_reason(bad.cid) == "Slow Consumer (Pending Bytes)"
    v = s.get("/varz")
    assert v["slow_consumers"] == 1
    assert v["slow_consumer_stats"]["clients"] == 1
    s.client().pub("other", b"x")
    good.expect(b"MSG other 1 1\r\nx\r\n")


def test_pending_bytes_end_has_no_err(server):
    s = server(conf="max_pending: 2MB\n", monitor=True)
    bad = sleeper(s, "flood")
    pump(s, "flood", 24 << 20)
    s.closed_reason(bad.cid)

    while not bad.eof:
        bad.fill()

    assert b"-ERR" not in bad.buf


@pytest.mark.quick
def test_write_deadline(server):
    s = server(["-D"], conf='write_deadline: "300ms"\nmax_pending: 256MB\n', monitor=True)
    bad = sleeper(s, "flood")

    pump(s, "flood", 24 << 20)

    s.wait_log(r"\[INF\].*cid:%d - .*Slow Consumer Detected: WriteDeadline of 300ms exceeded with "
               r"\d+ chunks of \d+ total bytes\." % bad.cid)
    assert s.closed_reason(bad.cid) == "Slow Consumer (Write Deadline)"
    assert s.get("/varz")["slow_consumers"] == 1


def test_write_timeout_retry_keeps_the_connection(server):
    s = server(["-D"], conf='write_deadline: "300ms"\nwrite_timeout: retry\nmax_pending: 256MB\n',
               monitor=True)
    w = sleeper(s, "flood", rcvbuf=262144)
    n = (24 << 20) // 32768
    pump(s, "flood", 24 << 20)
    s.wait_log("Slow Consumer State: WriteDeadline of 300ms exceeded with")

    for _ in range(n):
        assert len(w.msg()[4]) == 32768

    s.wait_log(r"Slow Consumer Recovered: Flush took \d+\.\d{3}s with \d+ chunks of \d+ total bytes\.")
    w.ping()


@pytest.mark.quick
def test_fast_publisher_is_stalled_and_reader_keeps_all(server):
    """A reader that is slower than the publisher costs the publisher time, not the reader its life."""
    s = server(["-D"], conf="max_pending: 4MB\n", monitor=True)
    w = s.client(rcvbuf=65536)
    w.sub("rush", 1).ping()
    size, n = 16384, 3000
    stop = threading.Event()
    got = [0]

    def read_slowly():
        """About 60 MB/s: a chunk, then a pause that the socket makes visible to nobody."""
        w.sock.settimeout(wire.DEADLINE)
        want = n * (size + len(b"MSG rush 1 16384\r\n") + 2)
        while got[0] < want and not stop.is_set():
            try:
                data = w.sock.recv(65536)
            except (socket.timeout, OSError):
                break
            if not data:
                break
            got[0] += len(data)
            time.sleep(0.001)

    t = threading.Thread(target=read_slowly)
    t.start()
    try:
        pub = pump(s, "rush", size * n, size)
        t.join(30 * wire.PATIENCE)
    finally:
        stop.set()
        t.join()

    assert got[0] - n * (size + 18 + 2) in (0, len(b"PING\r\n"))
    v = s.get("/varz")
    assert v["slow_consumers"] == 0
    assert v["stalled_clients"] > 0
    assert s.conn(w.cid)["stalls"] > 0          # counted at the reader who caused them
    assert "stalls" not in s.conn(pub.cid)
    s.wait_log(r"\[WRN\].*cid:%d - .*Producer was stalled for a total of" % pub.cid)


def test_no_fast_producer_stall_drops_instead(server):
    s = server(["-D"], conf="max_pending: 2MB\nno_fast_producer_stall: true\n", monitor=True)
    bad = sleeper(s, "flood")

    pub = pump(s, "flood", 24 << 20)

    assert s.get("/varz")["stalled_clients"] == 0
    pub.ping()
    bad.close()


@pytest.mark.quick
def test_one_sleeper_does_not_hold_up_the_others(server):
    s = server(conf="max_pending: 64MB\n")
    sleeper(s, "all")
    good = [s.client() for _ in range(4)]
    for g in good:
        g.sub("all", 1).ping()
    pub = s.client()

    for i in range(200):
        pub.send(b"PUB all 8192\r\n" + b"y" * 8192 + b"\r\n")
        for g in good:
            assert len(g.msg()[4]) == 8192

    pub.ping()


def test_pending_bytes_in_connz(server):
    s = server(monitor=True)
    bad = sleeper(s, "flood")
    pump(s, "flood", 8 << 20)

    until("pending bytes", lambda: s.conn(bad.cid)["pending_bytes"] > 1 << 20)


def test_client_that_sends_and_never_reads(server):
    """Its own answers fill up: it must be closed, the server must live."""
    s = server(conf='max_pending: 1MB\nwrite_deadline: "300ms"\nmax_payload: 65536\n', monitor=True)
    w = s.client(rcvbuf=4096)
    w.sock.settimeout(0.2)
    w.sub("me", 1)

    def closed():
        try:
            w.sock.send(b"PUB me 32768\r\n" + b"z" * 32768 + b"\r\n")
        except (socket.timeout, BlockingIOError):
            pass
        except OSError:
            return True
        return s.conn(w.cid, "closed") is not None
    # A short write would break the protocol, which closes too: either way it ends.
    until("the end of a client that does not read", closed, 20)
    s.serves()
