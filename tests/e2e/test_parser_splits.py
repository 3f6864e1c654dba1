"""However the bytes are cut into reads, the answers are the same."""
import random

import pytest

pytestmark = [pytest.mark.quick]

TALK = (b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'
        b"SUB foo.* 1\r\nsub bar q 2\r\nPUB foo.x 5\r\nhello\r\nPUB bar _IN.x 0\r\n\r\n"
        b"HPUB foo.y 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n"
        b"+OK\r\nPONG\r\nINFO {}\r\nUNSUB 2 1\r\nPUB bar\t3\nabc\r\nSUB a..b 3\r\n"
        b"UNSUB 1\r\nPUB foo.x 4\r\n\r\n\r\n\r\nPING\r\n")
ANSWER = (b"MSG foo.x 1 5\r\nhello\r\nMSG bar 2 _IN.x 0\r\n\r\n"
          b"HMSG foo.y 1 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n"
          b"-ERR 'Invalid Subject'\r\nPONG\r\n")


def test_in_one_piece(plain):
    w = plain.client(connect=False)

    w.send(TALK)

    w.expect(ANSWER)
    w.ping()


def test_byte_by_byte(plain):
    w = plain.client(connect=False)

    w.send_bytewise(TALK)

    w.expect(ANSWER)
    w.ping()


def test_byte_by_byte_each_byte_read(plain):
    """A PING on a second connection after each byte makes sure that the byte was read alone."""
    w, other = plain.client(connect=False), plain.client()

    for i in range(0, 260):
        w.send(TALK[i:i + 1])
        other.ping()
    w.send(TALK[260:])

    w.expect(ANSWER)


@pytest.mark.parametrize("seed", range(6))
def test_random_pieces(plain, seed):
    rnd = random.Random(seed)
    w = plain.client(connect=False)
    rest = TALK
    while rest:
        n = rnd.choice([1, 1, 2, 3, 7, 20, 64])
        w.send(rest[:n])
        rest = rest[n:]

    w.expect(ANSWER)
    w.ping()


@pytest.mark.parametrize("cut", range(1, 18))
def test_each_cut_of_a_publish(plain, cut):
    line = b"PUB cut 3\r\nabc\r\n"
    w, other = plain.client(), plain.client()
    w.sub("cut", 1).ping()

    w.send(line[:cut])
    other.ping()
    w.send(line[cut:])

    w.expect(b"MSG cut 1 3\r\nabc\r\n")
    w.ping()


def test_payload_in_pieces_with_pauses_made_of_other_traffic(plain):
    w, other = plain.client(), plain.client()
    w.sub("slow", 1).ping()
    body = bytes(i % 251 for i in range(5000))

    w.send(b"PUB slow 5000\r\n")
    for i in range(0, 5000, 500):
        w.send(body[i:i + 500])
        other.ping()
    w.send(b"\r\n")

    assert w.msg()[4] == body


def test_many_messages_in_odd_pieces(plain):
    w, other = plain.client(), plain.client()
    other.sub("odd", 1).ping()
    stream = b"".join(b"PUB odd %d\r\n%s\r\n" % (n, b"z" * n) for n in range(300))

    for i in range(0, len(stream), 977):
        w.send(stream[i:i + 977])

    for n in range(300):
        assert other.msg()[4] == b"z" * n


@pytest.mark.parametrize("bad", [b"PUB foo 2\r\nhiho\r\n", b"\r\n", b"SUBX\r\n", b"PUB a 2\r\nhi\rX"])
def test_byte_by_byte_mistake_is_found(plain, bad):
    w = plain.client()

    try:
        w.send_bytewise(bad)
    except (BrokenPipeError, ConnectionResetError):
        pass

    w.expect_eof(b"-ERR 'Unknown Protocol Operation'\r\n")
