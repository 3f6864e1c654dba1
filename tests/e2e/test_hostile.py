"""Clients that choose their bytes so that others have to wait."""
import multiprocessing
import os
import socket
import time

import pytest

SIDS = 1 << 14


def cpu_s(pid):
    """What the process has computed so far, in seconds: other processes do not count."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(server, wire, data):
    """Seconds of the server's own time until it has done what data says."""
    before = cpu_s(server.pid)
    for at in range(0, len(data), 1 << 16):
        wire.send(data[at:at + (1 << 16)], timeout=60)
    wire.flush(timeout=60)
    return cpu_s(server.pid) - before


# Of each pair, either leads FNV-1a with 32 bits from where the pair before ended to one and the same
# next state: every choice of fourteen is a sid of the same hash.
PAIRS = """
    1d18d/d7038 4a0f5/bec20 198eb/52938 19f8a/89aa0 0789b/489c8 289db/67828 19f8a/89aa0
    0789b/489c8 289db/67828 19f8a/89aa0 0789b/489c8 289db/67828 19f8a/89aa0 0789b/489c8
"""


def colliding_sids():
    pairs = [pair.split("/") for pair in PAIRS.split()]
    for n in range(SIDS):
        yield "".join(pair[n >> i & 1] for i, pair in enumerate(pairs)).encode()


@pytest.mark.one_worker
def test_sids_made_to_collide_cost_no_more_than_others(plain):
    odd = b"".join(b"SUB a %s\r\n" % sid for sid in colliding_sids())
    usual = b"".join(b"SUB a %070d\r\n" % n for n in range(SIDS))

    usual_s = cost(plain, plain.client(), usual)
    odd_s = cost(plain, plain.client(), odd)

    assert odd_s < 5 * usual_s + 0.25


@pytest.mark.own
@pytest.mark.one_worker
def test_a_connect_costs_nothing_for_subscriptions_that_are_gone(plain):
    again = b'SUB a 1\r\nCONNECT {"verbose":false,"pedantic":false}\r\n' * 4000
    many = 200000
    w = plain.client()
    cost(plain, w, b"".join(b"SUB a.%d %d\r\n" % (n, n) for n in range(many)))
    cost(plain, w, b"".join(b"UNSUB %d\r\n" % n for n in range(many)))

    usual_s = cost(plain, plain.client(), again)
    odd_s = cost(plain, w, again)

    assert odd_s < 5 * usual_s + 0.25


@pytest.mark.one_worker
def test_who_publishes_to_thousands_lets_others_come_in_between(server):
    s = server(conf="max_pending: 2GB\nmax_control_line: 4096\n")
    crowd, loud, quiet = (s.client(connect=False).connect().ping() for _ in range(3))
    crowd.send(b"".join(b"SUB a %d\r\n" % n for n in range(2000)))
    crowd.ping()

    loud.send(b"PUB a 0\r\n\r\n" * 4000 + b"PING\r\n")
    begin = time.monotonic()
    quiet.ping(timeout=30)
    waited_s = time.monotonic() - begin
    loud.skip_to(b"PONG\r\n", timeout=60)
    took_s = time.monotonic() - begin

    assert waited_s < took_s / 2


@pytest.mark.own   # the reference takes 15 s for it
@pytest.mark.one_worker
def test_who_publishes_to_nobody_past_thousands_lets_others_come_in_between(server):
    s = server()
    loud, quiet = s.client(connect=False).connect(echo=False).ping(), s.client()
    for at in range(0, 100000, 1000):
        loud.send(b"".join(b"SUB a %d\r\n" % n for n in range(at, at + 1000)))
    loud.ping(timeout=30)

    loud.send(b"PUB a 0\r\n\r\n" * 4000 + b"PING\r\n")
    begin, longest_s = time.monotonic(), 0
    while b"PONG" not in loud.buf:
        asked = time.monotonic()
        quiet.ping(timeout=30)
        longest_s = max(longest_s, time.monotonic() - asked)
        loud.fill(0)
    took_s = time.monotonic() - begin

    assert longest_s < took_s / 2


@pytest.mark.one_worker
@pytest.mark.quick
def test_queue_names_without_number_on_one_subject(plain):
    w = plain.client()
    usual = b"".join(b"SUB a.%d %d\r\n" % (n, n) for n in range(20000))
    odd = b"".join(b"SUB a q%d %d\r\n" % (n, n) for n in range(20000))

    usual_s = cost(plain, w, usual)
    w.close()
    odd_s = cost(plain, plain.client(), odd)

    assert odd_s < 5 * usual_s + 0.25


def come_and_go(port, until_s):
    data = b"CONNECT {}\r\n" + b"".join(b"SUB a.b%d %d\r\n" % (n, n) for n in range(120))
    while time.monotonic() < until_s:
        crowd = []
        for _ in range(50):
            crowd.append(socket.create_connection(("127.0.0.1", port)))
            crowd[-1].sendall(data)
        time.sleep(0.001)   # they are read before they go
        for sock in crowd:
            sock.close()


@pytest.mark.own
@pytest.mark.one_worker
def test_who_comes_and_goes_leaves_nothing_behind(server):
    """Two of them for seconds: else the server is done with one before the next is there."""
    s = server(monitor=True)
    end = time.monotonic() + 4
    guests = [multiprocessing.Process(target=come_and_go, args=(s.port, end)) for _ in range(2)]
    most = 0

    for guest in guests:
        guest.start()
    while time.monotonic() < end:
        most = max(most, s.get("/varz")["subscriptions"])
        time.sleep(0.1)
    for guest in guests:
        guest.join()

    assert most < 30000
