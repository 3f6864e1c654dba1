"""The promises of delivery.

Several connections each, so that with four workers they lie on different ones.  E2E_ROUNDS
multiplies the rounds.
"""
import os
import threading
import time

import pytest

import wire

ROUNDS = float(os.environ.get("E2E_ROUNDS", "1"))
quick = pytest.mark.quick
LONG = 60 * wire.PATIENCE


def sids(data):
    return [line.split()[2] for line in data.split(b"\r\n") if line.startswith(b"MSG ")]


def numbers(data):
    """The payloads, which are decimal numbers, in order of arrival."""
    lines = data.split(b"\r\n")
    return [int(lines[i + 1]) for i in range(0, len(lines) - 1, 2)]


# P1, P2: flush here, flush there, nothing is missing

@quick
@pytest.mark.parametrize("subscribers", [1, 4])
def test_publisher_flush_then_subscriber_flush_misses_nothing(plain, subscribers):
    subs = [plain.client() for _ in range(subscribers)]
    for s in subs:
        s.sub("p2", 1).ping()
    pub = plain.client()
    missed = 0

    for n in range(int(2000 / subscribers * ROUNDS)):
        body = b"%d" % n
        pub.send(b"PUB p2 %d\r\n%s\r\nPING\r\n" % (len(body), body))
        pub.expect(b"PONG\r\n")
        for s in subs:
            if s.flush() != b"MSG p2 1 %d\r\n%s\r\n" % (len(body), body):
                missed += 1
    assert missed == 0


@quick
def test_burst_then_flush_then_flush(plain):
    sub, pub = plain.client(), plain.client()
    sub.sub("burst", 1).ping()
    for n in range(int(100 * ROUNDS)):
        count = 1 + n * 7 % 90
        pub.send(b"PUB burst 3\r\nabc\r\n" * count)
        pub.ping()
        assert sub.flush() == b"MSG burst 1 3\r\nabc\r\n" * count, n


# P3: a subscription is everywhere before its PONG

@quick
def test_sub_is_visible_before_its_pong(plain):
    sub, pub = plain.client(), plain.client()
    for n in range(int(1000 * ROUNDS)):
        sub.send(b"SUB p3.%d %d\r\nPING\r\n" % (n, n))
        sub.expect(b"PONG\r\n")
        pub.send(b"PUB p3.%d 0\r\n\r\nPING\r\n" % n)
        pub.expect(b"PONG\r\n")
        assert sub.flush() == b"MSG p3.%d %d 0\r\n\r\n" % (n, n)


@quick
def test_sub_is_visible_before_its_ok(plain):
    sub, pub = plain.client(verbose=False), plain.client()
    sub.send(b'CONNECT {"verbose":true}\r\n')
    sub.expect(b"+OK\r\n")
    for n in range(int(300 * ROUNDS)):
        sub.send(b"SUB p3ok.%d %d\r\n" % (n, n))
        sub.expect(b"+OK\r\n")
        pub.send(b"PUB p3ok.%d 0\r\n\r\n" % n)
        pub.ping()
        sub.expect(b"MSG p3ok.%d %d 0\r\n\r\n" % (n, n))


# P4: order

@quick
def test_order_of_each_publisher(plain):
    """Four publishers write without pause; each one's messages come in order at each of three readers."""
    count = int(5000 * ROUNDS)
    readers = [plain.client() for _ in range(3)]
    for r in readers:
        r.sub("p4.*", 1).ping()
    pubs = [plain.client() for _ in range(4)]

    def write(k, w):
        for base in range(0, count, 100):
            w.send(b"".join(b"PUB p4.%d 7\r\n%07d\r\n" % (k, i) for i in range(base, base + 100)), timeout=LONG)

    threads = [threading.Thread(target=write, args=(k, w)) for k, w in enumerate(pubs)]
    for t in threads:
        t.start()
    for r in readers:
        next_of = [0] * 4
        for _ in range(4 * count):
            subject, _, _, _, body = r.msg(LONG)
            k = int(subject[3:])
            assert int(body) == next_of[k]
            next_of[k] += 1
        assert next_of == [count] * 4
    for t in threads:
        t.join()


@quick
def test_order_over_plain_and_wildcard_and_sizes(plain):
    r, pub = plain.client(), plain.client()
    r.sub("mix", 1).ping()
    sizes = [0, 5000, 1, 100000, 3, 2048, 70000, 10, 2047, 40000] * 20

    def write():
        for n, size in enumerate(sizes):
            pub.pub("mix", b"%06d" % n + b"." * size)
    t = threading.Thread(target=write)
    t.start()

    for n, size in enumerate(sizes):
        body = r.msg(LONG)[4]
        assert int(body[:6]) == n and len(body) == 6 + size
    t.join()


@quick
def test_what_comes_after_the_pong_comes_after_everywhere(plain):
    """A publishes, gets its PONG, tells B (here: the test); B publishes: every reader sees A first."""
    readers = [plain.client() for _ in range(4)]
    for r in readers:
        r.sub("cause", 1).ping()
    a, b = plain.client(), plain.client()
    for n in range(int(400 * ROUNDS)):
        a.send(b"PUB cause 1\r\na\r\nPING\r\n")
        a.expect(b"PONG\r\n")
        b.send(b"PUB cause 1\r\nb\r\nPING\r\n")
        b.expect(b"PONG\r\n")
        for r in readers:
            r.expect(b"MSG cause 1 1\r\na\r\nMSG cause 1 1\r\nb\r\n")


@quick
def test_causality_through_a_message(plain):
    """B answers when it has A's message; a third one hears A first."""
    third, a, b = plain.client(), plain.client(), plain.client()
    third.sub("talk.>", 1).ping()
    b.sub("talk.a", 1).ping()
    for n in range(int(600 * ROUNDS)):
        a.send(b"PUB talk.a 0\r\n\r\n")
        b.expect(b"MSG talk.a 1 0\r\n\r\n")
        b.send(b"PUB talk.b 0\r\n\r\n")
        third.expect(b"MSG talk.a 1 0\r\n\r\nMSG talk.b 1 0\r\n\r\n")


# P5: after UNSUB and PONG nothing comes

@quick
def test_nothing_after_unsub_and_pong(plain):
    sub, pub = plain.client(), plain.client()
    stop = threading.Event()

    def write():
        while not stop.is_set():
            pub.send(b"PUB p5 1\r\nx\r\n" * 20, timeout=LONG)
            pub.ping(LONG)
    t = threading.Thread(target=write)
    t.start()
    try:
        for n in range(int(200 * ROUNDS)):
            sub.send(b"SUB p5 %d\r\n" % n)
            sub.skip_to(b"MSG p5 %d " % n)
            sub.send(b"UNSUB %d\r\n" % n)
            sub.flush()
            assert sub.buf == b""
            sub.ping()              # whatever still came would stand before this PONG
    finally:
        stop.set()
        t.join()


@quick
def test_reused_sid_gets_nothing_of_its_predecessor(plain):
    sub, pub = plain.client(), plain.client()
    stop = threading.Event()

    def write():
        while not stop.is_set():
            pub.send(b"PUB old 3\r\nold\r\n" * 20, timeout=LONG)
            pub.ping(LONG)
    t = threading.Thread(target=write)
    t.start()
    other = plain.client()
    try:
        for n in range(int(200 * ROUNDS)):
            sub.send(b"SUB old 7\r\n")
            sub.skip_to(b"MSG old 7 ")
            sub.send(b"UNSUB 7\r\nSUB new 7\r\n")
            sub.flush()
            other.send(b"PUB new 3\r\nnew\r\n")
            sub.expect(b"MSG new 7 3\r\nnew\r\n")
            sub.send(b"UNSUB 7\r\n")
            sub.ping()
    finally:
        stop.set()
        t.join()


@quick
def test_reused_connection_slot_gets_nothing_of_its_predecessor(plain):
    pub = plain.client()
    for n in range(int(150 * ROUNDS)):
        a = plain.client()
        a.sub("slot.a", 1).ping()
        pub.send(b"PUB slot.a 1\r\na\r\n" * 50)
        a.abort()
        b = plain.client()
        b.sub("slot.b", 1).ping()
        pub.send(b"PUB slot.b 1\r\nb\r\n")
        b.expect(b"MSG slot.b 1 1\r\nb\r\n")
        b.close()


# P6: members that go under load lose nothing

@quick
@pytest.mark.parametrize("how", ["unsub", "unsub_max", "close"])
def test_queue_members_going_away_lose_nothing(plain, how):
    """
    One member stays; others come and go while a publisher writes.  With UNSUB each message must
    come to somebody.  A member that just closes may take with it what was already on its way.
    """
    total = int(8000 * ROUNDS)
    stayer = plain.client()
    subject = b"p6." + how.encode()
    stayer.send(b"SUB %s g 1\r\n" % subject)
    stayer.ping()
    pub = plain.client()
    done = threading.Event()

    def write():
        for base in range(0, total, 50):
            pub.send(b"".join(b"PUB %s 7\r\n%07d\r\n" % (subject, i) for i in range(base, base + 50)),
                     timeout=LONG)
            pub.ping(LONG)
        done.set()
    t = threading.Thread(target=write)
    t.start()

    seen = []
    try:
        goer = plain.client()
        n = 0
        while not done.is_set():
            n += 1
            if how == "close":
                goer = plain.client()
            goer.send(b"SUB %s g %d\r\n" % (subject, n))
            if how == "unsub_max":
                goer.send(b"UNSUB %d 3\r\n" % n)
            seen.append(goer.flush(LONG))
            if how == "unsub":
                goer.send(b"UNSUB %d\r\n" % n)
                seen.append(goer.flush(LONG))
            if how == "close":
                goer.half_close()
                while not goer.eof:
                    goer.fill()
                seen.append(goer.buf)
                goer.close()
    finally:
        t.join()
    if how != "close":
        seen.append(goer.flush(LONG))
    seen.append(stayer.flush(LONG))

    got = sorted(x for part in seen for x in numbers(part.replace(b"PONG\r\n", b"")))
    if how == "close":
        assert len(got) == len(set(got)) and len(got) > total * 0.5
    else:
        assert len(got) == total and got == list(range(total))


# P7: auto-unsubscribe is exact

@quick
def test_exhausted_members_and_503(plain):
    for n in range(int(30 * ROUNDS)):
        a, b, w = plain.client(), plain.client(), plain.client(headers=True, no_responders=True)
        s = b"p7.%d" % n
        for c, k in ((a, 2), (b, 3)):
            c.send(b"SUB %s g 1\r\nUNSUB 1 %d\r\n" % (s, k))
            c.ping()
        size = 32 + len(s)
        none = b"HMSG r 9 %d %d\r\nNATS/1.0 503\r\nNats-Subject: %s\r\n\r\n\r\n" % (size, size, s)

        w.send(b"SUB r 9\r\n" + b"PUB %s r 0\r\n\r\n" % s * 8)

        assert w.flush() == none * 3
        assert (len(sids(a.flush())), len(sids(b.flush()))) == (2, 3)
        for c in (a, b, w):
            c.close()


@quick
def test_max_is_exact_with_publishers_on_all_workers(plain):
    pubs = [plain.client() for _ in range(8)]
    for n in range(int(30 * ROUNDS)):
        sub = plain.client()
        sub.send(b"SUB p7max 1\r\nUNSUB 1 37\r\n")
        sub.ping()
        for p in pubs:
            p.send(b"PUB p7max 0\r\n\r\n" * 20)
        for p in pubs:
            p.ping()
        assert len(sids(sub.flush())) == 37
        sub.close()


@quick
def test_queue_max_is_exact_with_publishers_on_all_workers(plain):
    """Three members with 10 each and 8 publishers with 5 requests each: 30 served, 10 answered 503."""
    pubs = [plain.client(headers=True, no_responders=True) for _ in range(8)]
    for i, p in enumerate(pubs):
        p.send(b"SUB inbox.%d r\r\n" % i)
        p.ping()
    for n in range(int(20 * ROUNDS)):
        members = [plain.client() for _ in range(3)]
        for m in members:
            m.send(b"SUB p7q g 1\r\nUNSUB 1 10\r\n")
            m.ping()
        for i, p in enumerate(pubs):
            p.send(b"PUB p7q inbox.%d 0\r\n\r\n" % i * 5)
        none = sum(p.flush().count(b"NATS/1.0 503") for p in pubs)
        served = [len(sids(m.flush())) for m in members]
        assert served == [10, 10, 10] and none == 10
        for m in members:
            m.close()


# P8: fairness

@quick
def test_members_share_whatever_worker_they_are_on(plain):
    members = [plain.client() for _ in range(8)]
    for m in members:
        m.sub("p8", 1, "g").ping()
    pubs = [plain.client() for _ in range(4)]
    for p in pubs:
        p.send(b"PUB p8 0\r\n\r\n" * 2000)
        p.ping()

    got = [len(sids(m.flush())) for m in members]

    assert sum(got) == 8000
    for g in got:
        assert abs(g - 1000) < 6 * (8000 * (1 / 8) * (7 / 8)) ** 0.5, got


# P9, P10: one slow, the others not

def test_fast_publisher_and_slow_reader(server):
    """About 60 MB/s: the publisher is stalled, nobody is a slow consumer, nothing is lost."""
    s = server(conf="max_pending: 8MB\n", monitor=True)
    slow, pub = s.client(rcvbuf=65536), s.client()
    slow.sub("p9", 1).ping()
    size, count = 8192, int(6000 * ROUNDS)
    one = len(b"MSG p9 1 8192\r\n") + size + 2
    got = [0]

    def read():
        slow.sock.settimeout(LONG)
        while got[0] < count * one:
            data = slow.sock.recv(65536)
            if not data:
                return
            got[0] += len(data)
            time.sleep(0.001)
    t = threading.Thread(target=read)
    t.start()
    for _ in range(count // 20):
        pub.send((b"PUB p9 8192\r\n" + b"x" * size + b"\r\n") * 20, timeout=LONG)
    pub.ping(LONG)
    t.join(LONG)

    assert got[0] - count // 20 * 20 * one in (0, len(b"PING\r\n"))
    v = s.get("/varz")
    assert v["slow_consumers"] == 0 and v["stalled_clients"] > 0


@quick
def test_latency_of_others_beside_a_slow_consumer(server):
    """While one reader sleeps and its publisher is stalled, a pair beside them talks on."""
    s = server(conf='max_pending: 64MB\nwrite_deadline: "10s"\n')
    sleeping = s.client(rcvbuf=4096)
    sleeping.sub("p10", 1).ping()
    a, b, pub = s.client(), s.client(), s.client()
    a.sub("side", 1).ping()
    stop = threading.Event()

    def write():
        try:
            while not stop.is_set():
                pub.send(b"PUB p10 16384\r\n" + b"x" * 16384 + b"\r\n", timeout=1)
        except OSError:
            pass
    t = threading.Thread(target=write)
    t.start()
    try:
        for n in range(300):
            b.send(b"PUB side 0\r\n\r\n")
            a.expect(b"MSG side 1 0\r\n\r\n")
    finally:
        stop.set()
        t.join()


@quick
def test_fan_out_to_many(plain):
    subs = [plain.client() for _ in range(100)]
    for s in subs:
        s.sub("fan", 1).ping()
    pub = plain.client()

    pub.send(b"".join(b"PUB fan 4\r\n%04d\r\n" % n for n in range(200)))
    pub.ping()

    want = b"".join(b"MSG fan 1 4\r\n%04d\r\n" % n for n in range(200))
    for s in subs:
        s.expect(want)


@quick
def test_all_to_all(plain):
    """Sixteen connections all write to all: each one gets all of it, echo included."""
    all_of = [plain.client() for _ in range(16)]
    for w in all_of:
        w.sub("mesh", 1).ping()

    for k, w in enumerate(all_of):
        w.send(b"".join(b"PUB mesh 6\r\n%02d%04d\r\n" % (k, n) for n in range(50)))
    for w in all_of:
        w.send(b"PING\r\n")

    for w in all_of:
        next_of = [0] * 16
        pong = False
        for _ in range(16 * 50 + 1):
            line = w.line()
            if line == b"PONG\r\n":
                pong = True
                continue
            body = w.exactly(8)
            assert int(body[2:6]) == next_of[int(body[:2])]
            next_of[int(body[:2])] += 1
        assert pong and next_of == [50] * 16


@quick
def test_request_and_reply_across_connections(plain):
    server_side, client_side = plain.client(), plain.client(headers=True, no_responders=True)
    server_side.sub("svc.add", 1).ping()
    client_side.sub("_INBOX.c.*", 2)
    for n in range(int(500 * ROUNDS)):
        client_side.send(b"PUB svc.add _INBOX.c.%d 2\r\nhi\r\n" % n)
        server_side.expect(b"MSG svc.add 1 _INBOX.c.%d 2\r\nhi\r\n" % n)
        server_side.send(b"PUB _INBOX.c.%d 2\r\nok\r\n" % n)
        client_side.expect(b"MSG _INBOX.c.%d 2 2\r\nok\r\n" % n)


# P11: the end

def test_nothing_accepted_is_thrown_away_at_the_end(server):
    import signal
    for _ in range(int(3 * ROUNDS)):
        s = server()
        readers = [s.client() for _ in range(4)]
        for r in readers:
            r.sub("end", 1).ping()
        pub = s.client()
        pub.send((b"PUB end 1000\r\n" + b"e" * 1000 + b"\r\n") * 1000)
        pub.ping()

        s.signal(signal.SIGTERM)

        for r in readers:
            r.expect_eof((b"MSG end 1 1000\r\n" + b"e" * 1000 + b"\r\n") * 1000)
        assert s.ended() == 0
