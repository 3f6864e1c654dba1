"""Whatever anybody sends, the server lives and goes on serving the others."""
import random
import resource
import select
import socket

import pytest

import wire

quick = pytest.mark.quick
CONNECT = b'CONNECT {"verbose":false,"headers":true}\r\n'


def throw(s, data, first=b""):
    """Send it all, read what comes until the end or until the server wants more; then close."""
    w = s.raw()
    w.read_info()
    try:
        w.send(first + data, timeout=2)
    except OSError:
        pass
    w.fill(0.02)
    w.close()


@quick
@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(plain, seed):
    rnd = random.Random(seed)
    good = plain.client()

    for n in range(60):
        throw(plain, rnd.randbytes(rnd.randrange(1, 3000)), CONNECT if n % 2 else b"")

    good.ping()
    plain.serves()


@quick
@pytest.mark.parametrize("seed", range(4))
def test_random_protocol_pieces(plain, seed):
    """Right words in a wrong order go deeper than noise does."""
    rnd = random.Random(100 + seed)
    words = [b"SUB ", b"PUB ", b"HPUB ", b"UNSUB ", b"PING", b"PONG", b"CONNECT ", b"INFO ", b"+OK", b"-ERR ",
             b"a", b"foo.bar", b"*", b">", b"..", b" ", b"\t", b"\r\n", b"\r", b"\n", b"0", b"1", b"2", b"12",
             b"999999999", b"4294967296", b"-1", b"{}", b'{"verbose":false}', b"{", b"NATS/1.0\r\n\r\n", b"\x00",
             b"\xff\xfe", b"x" * 300]
    good = plain.client()

    for _ in range(120):
        throw(plain, b"".join(rnd.choice(words) for _ in range(rnd.randrange(1, 60))), CONNECT)

    good.ping()
    plain.serves()


NUMBERS = [b"4294967295", b"4294967296", b"9223372036854775807", b"18446744073709551616", b"99999999999999999999",
           b"2147483647", b"2147483648", b"999999999", b"-2147483648", b"00000000000", b"1e3", b"0x10", b"+1",
           b" ", b"", b"1 1", b"\xd9\xa1"]


@quick
@pytest.mark.parametrize("number", NUMBERS)
def test_huge_and_strange_numbers(plain, number):
    good = plain.client()
    for line in (b"PUB a %s\r\n", b"HPUB a %s 10\r\n", b"HPUB a 10 %s\r\n", b"HPUB a %s %s\r\n",
                 b"SUB a 1\r\nUNSUB 1 %s\r\n", b"PUB a r %s\r\n"):
        throw(plain, line.replace(b"%s", number), CONNECT)
    good.ping()


def test_huge_unsub_number_is_no_end(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nUNSUB 1 99999999999999999999999\r\nPING\r\n")

    w.skip_to(b"PONG\r\n")


@quick
def test_endless_line(plain):
    good = plain.client()
    w = plain.client()
    sent = 0
    try:
        while sent < 64 << 20:
            sent += w.sock.send(b"S" * 65536)
    except OSError:
        pass
    assert sent < 64 << 20
    good.ping()


def test_endless_ping_line_is_fed_and_forgotten(server):
    """Legal: the rest of a PING has no limit.  It must not be kept."""
    s = server(monitor=True)
    w = s.client()
    before = s.get("/varz")["mem"]

    w.send(b"PING" + b"x" * (32 << 20) + b"\r\n", timeout=30)

    w.expect(b"PONG\r\n", timeout=30)
    assert s.get("/varz")["mem"] - before < 24 << 20


@quick
@pytest.mark.parametrize("json_text", [
    b"[" * 2000, b'{"a":' * 800, b'{"name":"' + b"\\ud800" * 100 + b'"}', b'{"name":"\\u0000"}', b'{"name":1e999}',
    b'{"protocol":99999999999999999999}', b'{"protocol":-1}', b'{"protocol":1.5}', b'{"verbose":null}', b"null",
    b"[]", b'""', b"true", b'{"user":{"a":1}}', b'{"a":"\xff\xfe"}', b'{"verbose":false}garbage', b'{"":""}',
    b'{"name":"a","name":"b"}', b'{"verbose":false,}'])
def test_strange_connects(plain, json_text):
    good = plain.client()

    throw(plain, b"CONNECT " + json_text + b"\r\nPING\r\n")

    good.ping()


CONNECTS = [
    (b'{"verbose":null}', b"+OK\r\nPONG\r\n"),
    (b"null", b"+OK\r\nPONG\r\n"),
    (b'{"name":"a","name":"b","verbose":false}', b"PONG\r\n"),
    (b'{"":"","verbose":false}', b"PONG\r\n"),
    (b'{"verbose":false}garbage', None),
    (b'{"verbose":false,}', None),
    (b"[]", None),
    (b'""', None),
    (b"true", None),
    (b'{"protocol":1.5}', None),
    (b'{"protocol":99999999999999999999}', None),
    (b'{"protocol":-1,"verbose":false}', b"-ERR 'invalid client protocol'\r\n"),
    (b'{"name":"\\u0041","verbose":false}', b"PONG\r\n"),
    (b'  {"verbose":false}  ', b"PONG\r\n"),
]


@quick
@pytest.mark.parametrize("text,want", CONNECTS, ids=[repr(c[0])[2:-1] for c in CONNECTS])
def test_what_a_strange_connect_means(plain, text, want):
    w = plain.client(connect=False)

    w.send(b"CONNECT " + text + b"\r\nPING\r\n")

    if want is None:
        w.expect_eof()
    elif want.startswith(b"-ERR"):
        w.expect_eof(want)
    else:
        w.expect(want)


@quick
def test_nul_and_high_bytes_in_subjects(plain):
    w = plain.client()

    w.send(b"SUB a\x00b\xff 1\r\nPUB a\x00b\xff 1\r\nx\r\n")

    w.expect(b"MSG a\x00b\xff 1 1\r\nx\r\n")


@quick
def test_client_that_stops_reading_its_answers(server):
    """PINGs without end and nobody reads the PONGs."""
    s = server(conf="max_pending: 1MB\nmax_payload: 65536\n", monitor=True)
    w = s.client(rcvbuf=4096)
    w.sock.setblocking(False)
    sent = 0

    def stuck():
        nonlocal sent
        try:
            for _ in range(64):
                sent += w.sock.send(b"PING\r\n" * 4000)
        except BlockingIOError:
            pass
        except OSError:
            return True
        return s.conn(w.cid, "closed") is not None or sent > 64 << 20
    wire.until("the server to have enough of it", stuck, 20)
    s.serves()


@quick
def test_connections_that_come_and_go(plain):
    for n in range(400):
        w = plain.raw()
        if n % 3 == 0:
            w.abort()
        elif n % 3 == 1:
            w.close()
        else:
            w.send(b"CONNECT {")
            w.close()
    plain.serves()


@quick
def test_half_closed_client_gets_its_answers(plain):
    w = plain.client()

    w.send(b"SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n")
    w.half_close()

    w.expect_eof(b"MSG a 1 1\r\nx\r\nPONG\r\n")


@pytest.mark.timeout(240)
def test_ten_thousand_connections_that_never_speak(server):
    n = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < n + 500:
        pytest.skip("needs a hard limit of %d descriptors" % (n + 500))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    s = server(monitor=True)
    before = s.get("/varz")["mem"]
    idle = []
    try:
        for _ in range(n):
            c = socket.socket()
            c.connect(("127.0.0.1", s.port))
            idle.append(c)
        wire.until("all of them counted",
                   lambda: s.get("/varz")["connections"] == n, 60 * wire.PATIENCE, every=0.1)
        s.serves()
        per_idle = (s.get("/varz")["mem"] - before) / n
        print("memory of an idle connection: %d bytes" % per_idle)
        assert idle[0].recv(5) == b"INFO " and idle[-1].recv(5) == b"INFO "
    finally:
        for c in idle:
            c.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wire.until("none of them counted",
               lambda: s.get("/varz")["connections"] == 0, 60 * wire.PATIENCE, every=0.1)
    s.serves()


def test_out_of_descriptors(server):
    """A hard limit of 64: what does not fit waits or is closed, and room comes back."""
    s = server()
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (64, 64))
    good = s.client()
    many = []
    for _ in range(100):
        c = socket.socket()
        c.settimeout(0.5)
        try:
            c.connect(("127.0.0.1", s.port))
        except OSError:
            pass
        many.append(c)
    good.ping()
    for c in many:
        c.close()

    def again():
        c = socket.create_connection(("127.0.0.1", s.port), timeout=2)
        with c:
            return bool(select.select([c], [], [], 1)[0]) and c.recv(5) == b"INFO "
    wire.until("a connection served again", again, 20)
    good.ping()
