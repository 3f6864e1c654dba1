"""Stopping: at once by INT and TERM, slowly by USR2."""
import signal
import socket

import pytest

import wire


@pytest.mark.quick
@pytest.mark.parametrize("number,name", [(signal.SIGINT, "interrupt"), (signal.SIGTERM, "terminated")])
def test_stop_gives_a_plain_end(server, number, name):
    s = server(["-D"])
    w = s.client()

    s.signal(number)

    w.expect_eof()
    assert s.ended() == 0
    log = s.log()
    places = [log.index(x) for x in ('[INF] Trapped "%s" signal' % name, "[INF] Initiating Shutdown...",
                                     "Client connection closed: Server Shutdown",
                                     "[INF] Server Exiting..")]
    assert places == sorted(places)


@pytest.mark.quick
def test_what_was_accepted_is_delivered_before_the_end(server):
    s = server()
    a, b = s.client(), s.client()
    a.sub("last", 1).ping()
    b.send(b"PUB last 4\r\nword\r\n" * 100)
    b.ping()

    s.signal(signal.SIGTERM)

    a.expect_eof(b"MSG last 1 4\r\nword\r\n" * 100)
    assert s.ended() == 0


def test_lame_duck_without_clients_ends_at_once(server):
    s = server(["-D"])

    s.signal(signal.SIGUSR2)

    assert s.ended() == 0
    log = s.log()
    places = [log.index(x) for x in ('Trapped "user defined signal 2" signal',
                                     "[INF] Entering lame duck mode, stop accepting new clients",
                                     "[INF] Initiating Shutdown...", "[INF] Server Exiting..")]
    assert places == sorted(places)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


def test_lame_duck_closes_clients_after_the_grace(server):
    s = server(["-D"], conf='lame_duck_duration: "30s"\nlame_duck_grace_period: "600ms"\n')
    told = s.client(protocol=1)
    untold = s.client(protocol=0)
    fresh = s.client(connect=False)

    s.signal(signal.SIGUSR2)

    info = told.read_info()
    assert info["ldm"] is True
    s.wait_log("Entering lame duck mode")
    wire.until("new connections refused", lambda: refused(s.port))
    s.signal(signal.SIGTERM)
    s.wait_log('Trapped "terminated" signal')
    told.ping()
    s.wait_log(r"\[INF\] Closing existing clients")
    untold.expect_eof()
    told.expect_eof()
    fresh.expect_eof()
    assert s.ended(15) == 0
    s.wait_log("Client connection closed: Server Shutdown")


def test_second_usr2_does_nothing_and_int_stops(server):
    s = server(conf='lame_duck_duration: "60s"\nlame_duck_grace_period: "30s"\n')
    w = s.client()
    s.signal(signal.SIGUSR2)
    s.wait_log("Entering lame duck mode")
    s.signal(signal.SIGUSR2)
    w.ping()
    assert s.log().count("Entering lame duck mode") == 1

    s.signal(signal.SIGINT)

    w.expect_eof()
    assert s.ended() == 0


def test_messages_flow_during_the_grace(server):
    s = server(conf='lame_duck_duration: "60s"\nlame_duck_grace_period: "30s"\n')
    a, b = s.client(), s.client()
    s.signal(signal.SIGUSR2)
    s.wait_log("Entering lame duck mode")

    a.sub("grace", 1).ping()
    b.pub("grace", b"x")

    a.expect(b"MSG grace 1 1\r\nx\r\n")
    s.signal(signal.SIGINT)
    assert s.ended() == 0
