"""What an operator meets on bad days: no descriptors, wrong ports, names that nobody knows."""
import os
import resource
import shutil
import signal
import socket

import pytest

import wire
from reloading import refused

quick = pytest.mark.quick


def without_descriptors(s):
    """Not one more descriptor for a server that runs."""
    hard = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (3, hard))
    return lambda: resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (hard, hard))


def cpu_ticks(s):
    with open("/proc/%d/stat" % s.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@quick
@pytest.mark.parametrize("port", ["port", "http_port"])
def test_without_descriptors_the_server_waits_and_ends_when_told(server, port):
    s = server(monitor=True)
    restore = without_descriptors(s)

    with socket.create_connection(("127.0.0.1", getattr(s, port))):
        s.wait_log("too many open files")
        with socket.create_connection(("127.0.0.1", getattr(s, port))):
            s.signal(signal.SIGTERM)
            s.wait_log("Initiating Shutdown")
            restore()  # a sanitizer looks for leaks at the end
            assert s.ended() == 0
    assert s.log_size() < 100000


def test_without_descriptors_nobody_spins(server):
    s = server(monitor=True)
    restore = without_descriptors(s)

    with socket.create_connection(("127.0.0.1", s.port)), \
            socket.create_connection(("127.0.0.1", s.port)), \
            socket.create_connection(("127.0.0.1", s.http_port)):
        s.wait_log("too many open files")
        before = cpu_ticks(s)
        with pytest.raises(AssertionError):  # the time passes, in which nothing may happen
            s.wait_log("there is no such line", timeout=1)
        assert cpu_ticks(s) - before < 30 * wire.PATIENCE
    restore()
    s.signal(signal.SIGTERM)
    assert s.ended() == 0


@quick
def test_with_descriptors_again_who_waited_is_served(server):
    s = server(monitor=True)
    restore = without_descriptors(s)

    with socket.create_connection(("127.0.0.1", s.http_port)) as waiting:
        waiting.settimeout(wire.DEADLINE)
        waiting.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        s.wait_log("monitoring: .*too many open files")
        restore()
        assert waiting.recv(4096).startswith(b"HTTP/1.0 200 OK")
    s.serves()


@quick
@pytest.mark.parametrize("port", ["65536", "99999", "-5"])
def test_a_monitoring_port_that_is_none_is_refused(run, port):
    p = run(["-a", "127.0.0.1", "-p", "-1", "-m", port])

    assert p.returncode == 1
    assert ("[FTL] Can't start monitoring: can't listen to the monitor port: listen tcp: address %s: "
            "invalid port" % port) in p.stderr


@quick
def test_a_negative_port_is_refused(run):
    p = run(["-a", "127.0.0.1", "-p", "-5"])

    assert p.returncode == 1
    assert '[FTL] Error listening on port: 127.0.0.1:-5, "listen tcp: address -5: invalid port"' in p.stderr


@quick
def test_a_host_that_nobody_knows_is_called_so(run):
    p = run(["-a", "no-such-host.invalid", "-p", "-1"])

    assert p.returncode == 1
    assert '[FTL] Error listening on port: no-such-host.invalid:0, "listen tcp: lookup ' in p.stderr


@quick
def test_an_ipv6_address_stands_in_brackets(run):
    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError:
            pytest.skip("needs IPv6")
        taken.listen()
        port = taken.getsockname()[1]

        p = run(["-a", "::1", "-p", port])

    assert p.returncode == 1
    assert '[FTL] Error listening on port: [::1]:%d, "listen tcp [::1]:%d: bind: ' % (port, port) in p.stderr


@quick
def test_half_requests_do_not_shut_the_health_probe_out(server):
    s = server(monitor=True)
    slow = []
    try:
        for _ in range(200):
            c = socket.create_connection(("127.0.0.1", s.http_port))
            slow.append(c)
            c.sendall(b"POST /varz HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            assert s.http("/healthz")[0] == 200
    finally:
        for c in slow:
            c.close()


@quick
def test_a_name_cannot_pretend_to_be_a_user(server):
    """What a client says of itself stands in quotes, and its own quotes and line ends do not end them."""
    s = server(["-DV"])

    s.client(name='x" - "$G/user:admin\u2028\x1b[1m\n\0', lang="c")

    s.wait_log(r' - "c:x\\" - \\"\$G/user:admin\\u2028\\x1b\[1m\\n\\x00" - <<- \[PING\]')


@quick
def test_varz_shows_metadata_in_order_and_what_is_advertised(server):
    s = server(conf='server_metadata { z: 1st, a: "<b>" }\nclient_advertise: "toad.example:4333"\n',
               monitor=True)

    _, _, body = s.http("/varz")
    varz = s.get("/varz")

    assert b'"metadata": {\n    "a": "\\u003cb\\u003e",\n    "z": "1st"\n  },\n  "feature_flags"' in body
    assert (varz["host"], varz["port"]) == ("toad.example", 4333)
    assert varz["http_base_path"] == ""


def test_connz_counts_what_it_could_decode(server):
    s = server(monitor=True)

    for query, status in (("", 200), ("?sort=foo", 400), ("?sort=stop", 400), ("?limit=x", 400),
                          ("?state=x", 400), ("?auth=x", 400), ("?subs=x", 400), ("?cid=x", 400)):
        assert s.http("/connz" + query)[0] == status

    assert s.get("/varz")["http_req_stats"]["/connz"] == 3


@pytest.mark.own
@quick
@pytest.mark.parametrize("what", ["inc.conf", "cert.pem"])
def test_a_reload_waits_for_no_pipe(server, certs, tmp_path, what):
    """Else no health probe is answered and no signal heard until somebody writes into it."""
    path = tmp_path / "s0" / what
    path.parent.mkdir()
    pair = certs.server_ecdsa
    if what == "inc.conf":
        path.write_text("max_payload: 1000\n")
        conf = "include inc.conf\n"
    else:
        shutil.copy(pair.cert, path)
        conf = 'tls { cert_file: "cert.pem", key_file: "%s" }\n' % pair.key
    s = server(conf=conf, monitor=True)
    path.unlink()
    os.mkfifo(path)

    why = refused(s)

    assert why.endswith("%s: not a file that can be read again" % what), why
    assert s.http("/healthz")[0] == 200


@pytest.mark.own
@quick
@pytest.mark.parametrize("most", [8, 16, 24])
def test_a_start_with_few_descriptors_says_so(run, most):
    p = run(["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "--workers", "4"],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))

    assert p.returncode == 1
    assert ("[FTL] %d open files are allowed (ulimit -n), and the server needs at least 40" % most) in p.stderr


@pytest.mark.own
@pytest.mark.one_worker
@quick
@pytest.mark.parametrize("sig, words", [
    (signal.SIGHUP, "Failed to reload server configuration: .* is not a file that can be read again"),
    (signal.SIGUSR1, "File log re-open ignored, not a file logger"),
    (signal.SIGUSR2, "Entering lame duck mode")])
def test_a_signal_during_the_start_is_heard_after_it(server, tmp_path, sig, words):
    """A log rotation must not end a server that is still reading its configuration."""
    path = tmp_path / "pipe.conf"
    os.mkfifo(path)
    s = server(["-c", str(path)], ports=False)
    with open(path, "w") as conf:  # opens when the server does
        s.signal(sig)
        conf.write("max_payload: 1000\n")

    s.wait_log(words)
    s.signal(signal.SIGTERM)
    assert s.ended() == 0


@pytest.mark.own
@pytest.mark.one_worker
@pytest.mark.parametrize("option", ["max_closed_clients", "max_control_line"])
def test_a_limit_below_zero_is_refused(run, tmp_path, option):
    """Taken as a number without a sign it would be no limit at all."""
    (tmp_path / "c.conf").write_text("%s: -1\n" % option)

    p = run(["-a", "127.0.0.1", "-p", "-1", "-c", "c.conf"])

    assert p.returncode == 1
    assert "%s cannot be negative (-1)" % option in p.stderr


def test_zero_closed_clients_is_the_default(server):
    s = server(conf="max_closed_clients: 0\n", monitor=True)
    w = s.client()
    w.close()

    assert s.closed_reason(5) == "Client Closed"
