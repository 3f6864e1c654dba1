"""The nats command line tool, when it is there."""
import os
import re
import shutil
import subprocess

import pytest

import conftest
import wire

pytestmark = [pytest.mark.quick]


@pytest.fixture
def nats_cli(tmp_path):
    own = os.path.join(conftest.ROOT, ".dev/bin/nats")
    path = own if os.access(own, os.X_OK) else shutil.which("nats")
    if path is None:
        pytest.skip("needs the nats command line tool")
    env = dict(os.environ, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path), NO_COLOR="1")

    def start(s, *args, scheme="nats", extra=()):
        argv = [path, "-s", "%s://127.0.0.1:%d" % (scheme, s.port), "--timeout", "10s"] + list(extra) + list(args)
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env, cwd=tmp_path, text=True)

    def call(s, *args, **kw):
        p = start(s, *args, **kw)
        out = p.communicate(timeout=40)[0]
        assert p.returncode == 0, out
        return out
    call.start = start
    return call


def subscribed(s, subject):
    """Waits until somebody listens: a request without a listener is answered 503."""
    w = s.client(headers=True, no_responders=True)
    w.sub("_wait", 1)

    def look():
        w.pub(subject, b"", reply="_wait")
        return b" 503\r\n" not in w.flush()
    wire.until("a subscription on " + subject, look, 20)
    w.close()


def test_rtt(plain, nats_cli):
    out = nats_cli(plain, "rtt", "3")

    assert "nats://127.0.0.1:%d" % plain.port in out
    assert re.search(r"[0-9.]+(µs|ms)", out), out


def test_pub_and_sub(plain, nats_cli):
    p = nats_cli.start(plain, "sub", "cli.pubsub", "--count", "3")
    subscribed(plain, "cli.pubsub")          # is itself the first message

    out = nats_cli(plain, "pub", "cli.pubsub", "hello from cli", "--count", "2")

    assert "Published" in out
    got = p.communicate(timeout=40)[0]
    assert got.count("hello from cli") == 2, got


def test_pub_with_headers(plain, nats_cli):
    w = plain.client(headers=True)
    w.sub("cli.h", 1).ping()

    nats_cli(plain, "pub", "cli.h", "body", "-H", "Color:green")

    _, _, _, headers, payload = w.msg()
    assert headers == b"NATS/1.0\r\nColor: green\r\n\r\n" and payload == b"body"


def test_request(plain, nats_cli):
    w = plain.client()
    w.sub("cli.req", 1).ping()
    p = nats_cli.start(plain, "request", "cli.req", "question", "--raw")

    reply = w.msg(20)[2]
    w.pub(reply.decode(), b"answer")

    assert "answer" in p.communicate(timeout=40)[0]


def test_reply(plain, nats_cli):
    p = nats_cli.start(plain, "reply", "cli.rep", "the answer", "--count", "2")
    subscribed(plain, "cli.rep")

    out = nats_cli(plain, "request", "cli.rep", "question", "--raw")

    assert "the answer" in out
    p.kill()
    p.communicate(timeout=20)


def test_bench(plain, nats_cli):
    p = nats_cli.start(plain, "bench", "sub", "cli.bench", "--msgs", "20000", "--no-progress")
    subscribed(plain, "cli.bench")

    out = nats_cli(plain, "bench", "pub", "cli.bench", "--msgs", "20000", "--size", "128", "--no-progress")

    assert "msgs/sec" in out, out
    assert "msgs/sec" in p.communicate(timeout=40)[0]


def test_user_and_password(server, nats_cli):
    s = server(["--user", "anna", "--pass", "s3cret"])

    assert "127.0.0.1" in nats_cli(s, "rtt", "1", extra=["--user", "anna", "--password", "s3cret"])


@pytest.mark.tls
@pytest.mark.parametrize("first", [False, True], ids=["info_first", "tls_first"])
def test_tls(server, certs, nats_cli, first):
    pair = certs.server_ecdsa
    s = server(conf='tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: true, handshake_first: %s }\n'
               % (pair.cert, pair.key, certs.ca.cert, "true" if first else "false"))
    extra = ["--tlsca", certs.ca.cert, "--tlscert", certs.client.cert, "--tlskey", certs.client.key]
    if first:
        extra.append("--tlsfirst")

    assert "127.0.0.1" in nats_cli(s, "rtt", "1", scheme="tls", extra=extra)
