"""TLS that ends at a proxy, and TLS before INFO: real proxies in front, real clients behind them."""
import asyncio
import os
import shutil
import socket
import subprocess

import pytest

import nats
import nats.errors

import sandbox
import wire
from wire import Wire, tls_context

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]
LONG = 10

BEHIND_A_PROXY = "tls {}\nallow_non_tls: true\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


STUNNEL = """
foreground = yes
pid =
[nats]
accept = 127.0.0.1:%(port)d
connect = 127.0.0.1:%(to)d
cert = %(cert)s
key = %(key)s
"""

HAPROXY = """
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen nats
    bind 127.0.0.1:%(port)d ssl crt %(both)s
    server one 127.0.0.1:%(to)d %(more)s
"""


class Proxy:
    def __init__(self, name, directory, pair, to, more=""):
        self.port = free_port()
        both = os.path.join(directory, "both.pem")
        with open(both, "w") as out:
            for part in (pair.cert, pair.key):
                with open(part) as f:
                    out.write(f.read())
        facts = {"port": self.port, "to": to, "cert": pair.cert, "key": pair.key, "both": both, "more": more}
        path = os.path.join(directory, name + ".conf")
        with open(path, "w") as f:
            f.write((STUNNEL if name == "stunnel4" else HAPROXY) % facts)
        argv = ["stunnel4", path] if name == "stunnel4" else ["haproxy", "-db", "-f", path]
        with open(os.path.join(directory, name + ".log"), "wb") as log:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wire.until("the proxy listens", self.listens, 20 * wire.PATIENCE)

    def listens(self):
        assert self.proc.poll() is None, "the proxy has ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


@pytest.fixture
def proxy(certs, tmp_path):
    """proxy(name, server): a proxy that ends TLS in front of the server; needs the program."""
    made = []

    def start(name, s, more=""):
        if shutil.which(name) is None:
            pytest.skip(name)
        made.append(Proxy(name, str(tmp_path), certs.server_ecdsa, s.port, more))
        return made[-1]
    yield start
    for p in made:
        p.stop()


PROXIES = pytest.mark.parametrize("name", ["stunnel4", "haproxy"])


def cli(args):
    sandbox.need("nats")
    p = subprocess.run([sandbox.nats_cli()] + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=60 * wire.PATIENCE)
    return p.returncode, p.stdout


def url(port):
    return "tls://localhost:%d" % port


def py_connect(certs, port, first=False, **kw):
    ctx = tls_context(ca=certs.ca.cert)
    ctx.check_hostname = True
    return nats.connect(url(port), tls=ctx, tls_hostname="localhost", tls_handshake_first=first,
                        allow_reconnect=False, max_reconnect_attempts=1, connect_timeout=LONG, **kw)


def exchange(certs, port, first):
    """nats.py publishes to itself, small and large."""
    async def scene():
        nc = await py_connect(certs, port, first)
        sub = await nc.subscribe("px")
        for body in (b"hello", b"x" * 500000):
            await nc.publish("px", body)
            assert (await sub.next_msg(LONG)).data == body
        await nc.close()
    asyncio.run(asyncio.wait_for(scene(), 60 * wire.PATIENCE))


# -- TLS ends at the proxy

@pytest.mark.quick
@PROXIES
def test_tls_ends_at_the_proxy(server, certs, proxy, name):
    s = server(conf=BEHIND_A_PROXY, monitor=True)
    p = proxy(name, s)

    w = Wire(p.port).start_tls(tls_context(ca=certs.ca.cert))
    info = w.read_info()
    assert info["tls_available"] is True and "tls_required" not in info
    w.connect(tls_required=True).ping()
    entry = s.conn(w.cid)
    assert "tls_version" not in entry and "tls_first" not in entry
    exchange(certs, p.port, first=True)
    status, out = cli(["-s", url(p.port), "--tlsca", certs.ca.cert, "--tlsfirst", "pub", "px", "hello"])
    assert status == 0, out
    w.ping()


@PROXIES
def test_plain_clients_beside_the_proxy(server, certs, proxy, name):
    """The port behind the proxy still serves those who come straight to it."""
    s = server(conf=BEHIND_A_PROXY)
    p = proxy(name, s)

    status, out = cli(["-s", "nats://127.0.0.1:%d" % s.port, "pub", "px", "hello"])
    assert status == 0, out
    a = Wire(p.port).start_tls(tls_context())
    a.read_info()
    a.connect().sub("both", 1).ping()
    b = s.client()
    b.pub("both", b"hi").ping()
    a.expect(b"MSG both 1 2\r\nhi\r\n")


@PROXIES
def test_without_the_empty_block_secure_clients_leave(server, certs, proxy, name):
    """What the block is for: a client that wants TLS is not told that it has it."""
    s = server()
    p = proxy(name, s)

    status, out = cli(["-s", url(p.port), "--tlsca", certs.ca.cert, "--tlsfirst", "pub", "px", "hello"])

    assert status != 0
    assert "secure connection not available" in out


def test_many_clients_through_the_proxy(server, certs, proxy):
    s = server(conf=BEHIND_A_PROXY)
    p = proxy("stunnel4", s)
    ctx = tls_context()

    crowd = []
    for _ in range(40):
        w = Wire(p.port).start_tls(ctx)
        w.read_info()
        crowd.append(w.connect().sub("all", 1).ping())
    crowd[0].pub("all", b"x" * 10000)

    for w in crowd:
        assert w.msg()[4] == b"x" * 10000
    s.serves()


# -- the proxy speaks TLS to the server, too

@pytest.mark.parametrize("first", ["true", "auto", '"300ms"'])
def test_proxy_that_speaks_tls_first(server, certs, proxy, first):
    """HAProxy opens TLS of its own to the server: a client in the manner of handshake_first."""
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', handshake_first: %s }\n" % (pair.cert, pair.key, first),
               monitor=True)
    p = proxy("haproxy", s, "ssl verify required verifyhost localhost ca-file " + certs.ca.cert)

    w = Wire(p.port).start_tls(tls_context())
    assert w.read_info()["tls_required"] is True
    w.connect().ping()

    assert s.conn(w.cid)["tls_first"] is True
    exchange(certs, p.port, first=True)


def test_proxy_with_a_client_certificate(server, certs, proxy, tmp_path):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', ca_file: '%s', verify: true, handshake_first: true }\n"
               % (pair.cert, pair.key, certs.ca.cert))
    both = tmp_path / "client-both.pem"
    both.write_text(open(certs.client.cert).read() + open(certs.client.key).read())
    p = proxy("haproxy", s, "ssl verify required verifyhost localhost ca-file %s crt %s" % (certs.ca.cert, both))

    w = Wire(p.port).start_tls(tls_context())

    assert w.read_info()["tls_verify"] is True
    w.connect().ping()


# -- TLS first without a proxy, real clients

FORMS = ["true", "auto", '"300ms"', "on", "auto_fallback"]


@pytest.mark.parametrize("form", FORMS)
def test_handshake_first_with_real_clients(server, certs, form):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', handshake_first: %s }\n" % (pair.cert, pair.key, form))

    exchange(certs, s.port, first=True)
    status, out = cli(["-s", url(s.port), "--tlsca", certs.ca.cert, "--tlsfirst", "pub", "px", "hello"])
    assert status == 0, out
    if form in ("true", "on"):
        status, out = cli(["-s", url(s.port), "--tlsca", certs.ca.cert, "--timeout", "3s", "pub", "px", "hello"])
        assert status != 0
    else:
        exchange(certs, s.port, first=False)
        status, out = cli(["-s", url(s.port), "--tlsca", certs.ca.cert, "pub", "px", "hello"])
        assert status == 0, out


def test_duration_and_allow_non_tls(server, certs):
    """After the wait INFO says that TLS may be had; plain, upgrading and TLS-first clients are served."""
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s', handshake_first: '300ms' }\nallow_non_tls: true\n"
               % (pair.cert, pair.key))

    w = s.raw()
    info = w.read_info()
    waited = wire.time.monotonic() - w.born
    assert info["tls_available"] is True and "tls_required" not in info
    assert 0.25 < waited < 0.3 + 1 * wire.PATIENCE
    exchange(certs, s.port, first=True)
    exchange(certs, s.port, first=False)
    status, out = cli(["-s", "nats://127.0.0.1:%d" % s.port, "pub", "px", "hello"])
    assert status == 0, out
