"""PING from the server: when, how often, and what a silent client gets."""
import time

import pytest

import wire


def quiet_client(s, **options):
    """A connected client that has answered nothing yet."""
    w = pinged_client(s)
    w.connect(**options)
    return w


def pinged_client(s):
    w = s.client(connect=False)
    w.keep_pings = True
    return w


@pytest.mark.quick
def test_two_pings_then_stale(server):
    s = server(["-D"], conf='ping_interval: "250ms"\n')
    w = quiet_client(s)
    began = time.monotonic()

    w.expect_eof(b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n")

    assert 0.6 < time.monotonic() - began < 3 * wire.PATIENCE
    s.wait_log("Stale Client Connection - Closing")
    s.wait_log("closed: Stale Connection")


def test_ping_max(server):
    s = server(conf='ping_interval: "150ms"\nping_max: 4\n')
    w = quiet_client(s)

    w.expect_eof(b"PING\r\n" * 4 + b"-ERR 'Stale Connection'\r\n")


@pytest.mark.quick
def test_pong_keeps_the_connection(server):
    s = server(["-D"], conf='ping_interval: "150ms"\nping_max: 1\n')
    w = quiet_client(s)

    for _ in range(4):
        w.expect(b"PING\r\n", timeout=3)
        w.send(b"PONG\r\n")
    w.send(b"PING\r\n")

    assert w.skip_to(b"PONG\r\n") in (b"", b"PING\r\n")


def test_pong_gives_an_rtt(server):
    s = server(conf='ping_interval: "150ms"\n', monitor=True)
    w = quiet_client(s)
    w.expect(b"PING\r\n")
    w.send(b"PONG\r\n")
    w.ping()

    assert s.conn(w.cid)["rtt"] != "0s"


def test_a_client_that_publishes_is_not_pinged(server):
    """Activity within the interval delays the PING, once the RTT is known."""
    s = server(["-D"], conf='ping_interval: "300ms"\n')
    w = quiet_client(s)
    w.expect(b"PING\r\n", timeout=3)
    w.send(b"PONG\r\n")

    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        w.send(b"PUB busy 0\r\n\r\n")
        w.silent_for(0.05)

    s.wait_log("Delaying PING due to remote client data or ping")


def test_silent_client_before_connect_is_pinged_too(server):
    s = server(conf='ping_interval: "200ms"\n')
    w = pinged_client(s)

    w.expect_eof(b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n")


@pytest.mark.slow
def test_first_ping_comes_after_two_seconds(server):
    """With the default interval of two minutes the first one still comes early, for the RTT."""
    s = server()
    w = quiet_client(s)
    began = time.monotonic()

    w.expect(b"PING\r\n", timeout=6)

    assert 1.9 < time.monotonic() - began < 3.5 * wire.PATIENCE


def test_stale_is_counted(server):
    s = server(conf='ping_interval: "100ms"\nping_max: 1\n', monitor=True)
    w = quiet_client(s)
    w.expect_eof(b"PING\r\n-ERR 'Stale Connection'\r\n")

    assert s.closed_reason(w.cid) == "Stale Connection"
    v = s.get("/varz")
    assert v["stale_connections"] == 1
    assert v["stale_connection_stats"]["clients"] == 1
    assert v["ping_interval"] == 100000000 and v["ping_max"] == 1


def test_integer_interval_is_seconds_with_a_warning(server):
    s = server(conf="ping_interval: 120\n", monitor=True)

    assert s.get("/varz")["ping_interval"] == 120 * 10**9
    assert "ping_interval should be converted to a duration" in s.log()


def test_verbose_client_gets_no_ok_for_pong(server):
    s = server(conf='ping_interval: "150ms"\n')
    w = pinged_client(s)
    w.send(b"CONNECT {}\r\n")
    w.expect(b"+OK\r\nPING\r\n")

    w.send(b"PONG\r\nPING\r\n")

    w.expect(b"PONG\r\n")
