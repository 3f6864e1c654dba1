"""TLS under way: every way in with every kind of key and version, order, back-pressure, key updates."""
import os
import ssl
import subprocess
import threading
import time

import pytest

import wire
from wire import TlsRefused, tls_context

pytestmark = [pytest.mark.tls]
quick = pytest.mark.quick

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["tls12", "tls13"])
KEY_TYPES = pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
LONG = 60 * wire.PATIENCE


def conf(certs, key_type="ecdsa", more="", after=""):
    pair = certs.server(key_type)
    return "tls {\n cert_file: '%s'\n key_file: '%s'\n %s\n}\n%s\n" % (pair.cert, pair.key, more, after)


def enter(s, ctx, first=False, hostname=None, **options):
    w = s.raw()
    if not first:
        w.read_info()
    w.start_tls(ctx, server_hostname=hostname)
    if first:
        w.read_info()
    return w.connect(**options).ping()


# -- every way in

WAYS = {
    "plain_info_first": ("", "", False),
    "allow_non_tls": ("", "allow_non_tls: true", False),
    "tls_first": ("handshake_first: true", "", True),
    "auto_direct": ("handshake_first: auto", "", True),
    "auto_waiting": ("handshake_first: auto", "", False),
    "auto_allow_non_tls": ("handshake_first: auto", "allow_non_tls: true", False),
    "verify": ("verify: true\n ca_file: '{ca}'", "", False),
    "verify_first": ("verify: true\n handshake_first: true\n ca_file: '{ca}'", "", True),
}


@quick
@VERSIONS
@KEY_TYPES
@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_way_in(server, certs, way, key_type, version):
    more, after, first = WAYS[way]
    s = server(conf=conf(certs, key_type, more.replace("{ca}", certs.ca.cert), after))
    ctx = tls_context(version, ca=certs.ca.cert, cert=certs.client.cert, key=certs.client.key)

    a, b = (enter(s, ctx, first, "localhost", protocol=1) for _ in range(2))
    for w in (a, b):
        assert w.read_info()["connect_info"] is True
    a.sub("way", 1).ping()
    b.pub("way", b"x" * 70000)

    assert a.msg()[4] == b"x" * 70000
    b.ping()


# -- certificates with an issuer between

@quick
@VERSIONS
def test_chain_with_a_middle_ca_both_ways(server, certs, version):
    pair = certs.server_middle
    s = server(conf="tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true }\n"
               % (pair.cert, pair.key, certs.ca.cert), monitor=True)
    mine = certs.client_middle
    ctx = tls_context(version, ca=certs.ca.cert, cert=mine.cert, key=mine.key)

    w = enter(s, ctx, hostname="localhost")

    peers = s.conn(w.cid, extra="&auth=1")["tls_peer_certs"]
    assert [p["subject"] for p in peers] == ["CN=client-middle,O=Natterjack Tests",
                                             "CN=Middle CA,O=Natterjack Tests"]
    assert peers[0]["cert_sha256"] == mine.cert_sha256()
    assert peers[1]["cert_sha256"] == certs.middle_ca.cert_sha256()


def test_chain_without_its_middle_is_refused(server, certs, tmp_path):
    leaf_only = tmp_path / "leaf.pem"
    with open(certs.client_middle.cert) as f:
        leaf_only.write_text(f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    s = server(conf=conf(certs, more="verify: true\n ca_file: '%s'" % certs.ca.cert))
    w = s.raw()
    w.read_info()

    try:
        w.start_tls(tls_context(V13, cert=str(leaf_only), key=certs.client_middle.key))
        alert = w.refused_later()
    except TlsRefused as exc:
        alert = exc.alert

    assert alert == 48


# -- the promises again, behind TLS

@quick
@VERSIONS
def test_flush_flush_misses_nothing(server, certs, version):
    s = server(conf=conf(certs))
    ctx = tls_context(version)
    pub, subs = enter(s, ctx), [enter(s, ctx) for _ in range(4)]
    for w in subs:
        w.sub("p2", 1).ping()

    for n in range(200):
        body = b"%d" % n
        pub.pub("p2", body).ping()
        for w in subs:
            assert w.flush() == b"MSG p2 1 %d\r\n%s\r\n" % (len(body), body)


@quick
@VERSIONS
def test_order_of_several_publishers(server, certs, version):
    """TLS and plain side by side."""
    s = server(conf=conf(certs, after="allow_non_tls: true"))
    ctx = tls_context(version)
    readers = [enter(s, ctx), enter(s, ctx), s.client()]
    for r in readers:
        r.sub("p4.*", 1).ping()
    pubs = [enter(s, ctx), enter(s, ctx), s.client()]
    count = 1000

    def write(k, w):
        for base in range(0, count, 50):
            w.send(b"".join(b"PUB p4.%d 7\r\n%07d\r\n" % (k, i) for i in range(base, base + 50)))
    threads = [threading.Thread(target=write, args=x) for x in enumerate(pubs)]
    for t in threads:
        t.start()

    for r in readers:
        next_of = [0] * 3
        for _ in range(3 * count):
            subject, _, _, _, body = r.msg(LONG)
            assert int(body) == next_of[int(subject[3:])]
            next_of[int(subject[3:])] += 1
    for t in threads:
        t.join()


@quick
@VERSIONS
@KEY_TYPES
def test_slow_reader_gets_every_byte(server, certs, version, key_type):
    """A small window makes partial writes; what is sealed once must go out once and in order."""
    s = server(conf=conf(certs, key_type))
    ctx = tls_context(version)
    slow = wire.Wire(s.port, rcvbuf=8192)
    slow.read_info()
    slow.start_tls(ctx).connect().ping()
    slow.sub("drip", 1).ping()
    pub = enter(s, ctx)
    sizes = [(n * 7919) % 60000 for n in range(300)]

    def write():
        for n, size in enumerate(sizes):
            pub.pub("drip", b"%05d" % n + b"%c" % (65 + n % 26) * size)
    t = threading.Thread(target=write)
    t.start()

    for n, size in enumerate(sizes):
        body = slow.msg(LONG)[4]
        assert body[:5] == b"%05d" % n and body[5:] == b"%c" % (65 + n % 26) * size
    t.join()


@quick
@VERSIONS
def test_reader_and_writer_at_once_on_one_connection(server, certs, version):
    s = server(conf=conf(certs))
    w = enter(s, tls_context(version))
    w.sub("self", 1).ping()
    body = os.urandom(30000).replace(b"\n", b" ")

    for _ in range(100):
        w.pub("self", body)
        assert w.msg(LONG)[4] == body


def test_write_deadline_behind_tls(server, certs):
    s = server(["-D"], conf=conf(certs, after='write_deadline: "300ms"\nmax_pending: 256MB'), monitor=True)
    bad = wire.Wire(s.port, rcvbuf=4096)
    bad.read_info()
    bad.start_tls(tls_context()).connect().ping()
    bad.sub("flood", 1).ping()
    pub = enter(s, tls_context())

    for _ in range(700):
        pub.send(b"PUB flood 32768\r\n" + b"x" * 32768 + b"\r\n", timeout=LONG)

    assert s.closed_reason(bad.cid) == "Slow Consumer (Write Deadline)"


# -- handshakes beside traffic

@quick
@KEY_TYPES
def test_handshakes_do_not_stop_messages(server, certs, key_type):
    s = server(conf=conf(certs, key_type, after="allow_non_tls: true"))
    a, b = s.client(), s.client()
    a.sub("beside", 1).ping()
    stop = threading.Event()
    done = [0]

    def shake():
        while not stop.is_set():
            w = wire.Wire(s.port)
            w.read_info()
            w.start_tls(tls_context(), timeout=LONG)
            w.close()
            done[0] += 1
    threads = [threading.Thread(target=shake) for _ in range(3)]
    for t in threads:
        t.start()
    worst, n = 0, 0
    try:
        while n < 300 or done[0] < 30:
            began = time.monotonic()
            b.send(b"PUB beside 0\r\n\r\n")
            a.expect(b"MSG beside 1 0\r\n\r\n", timeout=LONG)
            worst = max(worst, time.monotonic() - began)
            n += 1
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert worst < 1 * wire.PATIENCE


def test_handshakes_that_stand_still_at_each_step(server, certs):
    """Stop after each flight; the others are served, and the time limit clears them away."""
    s = server(conf=conf(certs, more="timeout: '700ms'", after=""), monitor=True)
    still = []
    for version in (V12, V13):
        for step in (1, 2):
            w = s.raw()
            w.read_info()
            bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
            obj = tls_context(version).wrap_bio(bio_in, bio_out)
            for _ in range(step):
                try:
                    obj.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                if _ == 0:
                    w.send(bio_out.read())
                    assert w.fill()
                    bio_in.write(w.buf)
                    w.buf = b""
                elif version == V12:
                    out = bio_out.read()
                    w.send(out[:len(out) // 2])
            still.append(w)

    enter(s, tls_context())

    for w in still:
        while not w.eof:
            assert w.fill() or w.eof, "still open"


# -- what only another TLS program can ask for

def s_client(s, *args):
    p = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-tls1_3"] + list(args),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    p.seen = b""

    def wait(mark):
        while mark not in p.seen:
            data = os.read(p.stdout.fileno(), 65536)
            assert data, p.seen
            p.seen += data
        p.seen = p.seen.split(mark, 1)[1]
    p.wait_for = wait

    def say(text):
        p.stdin.write(text)
        p.stdin.flush()
    p.say = say
    return p


@quick
@pytest.mark.parametrize("letter", [b"k", b"K"], ids=["update", "update_requested"])
def test_key_update(server, certs, letter):
    """`k` in s_client renews its own keys, `K` asks the server to renew its own too."""
    s = server(conf=conf(certs, more="handshake_first: true"))
    p = s_client(s)
    p.wait_for(b"INFO {")
    p.wait_for(b"\n")
    p.say(b'CONNECT {"verbose":false}\nPING\n')
    p.wait_for(b"PONG\r\n")
    for n in range(3):
        p.say(letter + b"\n")
        p.wait_for(b"KEYUPDATE\n")
        p.say(b"PING\n")
        p.wait_for(b"PONG\r\n")
    p.kill()
    p.communicate()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_resumes(server, certs, tmp_path, version):
    s = server(conf=conf(certs, more="handshake_first: true"))
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, version]
    session = str(tmp_path / "session")
    with subprocess.Popen(argv + ["-sess_out", session], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        seen = b""
        while b"INFO {" not in seen:
            seen += os.read(p.stdout.fileno(), 65536)
        p.communicate(b"Q\n", timeout=20)

    out = subprocess.run(argv + ["-sess_in", session], input=b"", capture_output=True, timeout=20).stdout

    assert b"Reused, TLSv1" in out


# -- one read for many

@quick
@VERSIONS
def test_one_burst_for_many_subscribers(server, certs, version):
    """A read that fills many outboxes is written in between; nothing of it is lost or mixed up."""
    s = server(conf=conf(certs))
    ctx = tls_context(version, ca=certs.ca.cert)
    pub = enter(s, ctx, hostname="localhost")
    subs = [(enter(s, ctx, hostname="localhost"), 50 + 3 * n) for n in range(16)]
    for w, copies in subs:
        w.send(b"".join(b"SUB many %d\r\n" % n for n in range(copies)))
        w.ping()
    payloads = [b"%05d" % n + b"." * 90 for n in range(90)]

    pub.send(b"".join(b"PUB many %d\r\n%s\r\n" % (len(p), p) for p in payloads))
    pub.ping()

    for w, copies in subs:
        got = {}
        for _ in range(copies * len(payloads)):
            m = w.msg()
            got.setdefault(m[1], []).append(m[4])
        assert len(got) == copies
        assert all(v == payloads for v in got.values())
