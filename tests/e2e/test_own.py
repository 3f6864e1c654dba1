"""What Natterjack has of its own: workers, providers, and what it refuses because it does not serve it."""
import os
import re

import pytest

import wire

pytestmark = [pytest.mark.own, pytest.mark.quick]


def test_version_names_both(run, prog):
    lines = run(["--version"]).stdout.split("\n")

    assert re.fullmatch(r"natterjack: v\S+", lines[0])
    assert lines[1] == "nats-server: v2.15.2"


@pytest.mark.one_worker
@pytest.mark.parametrize("flag", ["--workers", "-workers"])
def test_workers_are_threads(server, flag):
    def threads(n):
        s = server([flag, str(n)])
        s.serves()
        return len(os.listdir("/proc/%d/task" % s.pid))

    assert threads(7) - threads(1) >= 5          # others may come and go


@pytest.mark.one_worker
@pytest.mark.parametrize("value", ["0", "-1", "257", "x"])
def test_workers_out_of_range(run, value):
    p = run(["-a", "127.0.0.1", "-p", "-1", "--workers", value])

    assert "workers" in p.stderr


def test_workers_in_the_file(server):
    server(conf="workers: 2\n").serves()


@pytest.mark.one_worker
def test_underscore_and_dash_are_alike_in_own_flags(run):
    for flag in ("--tls_provider", "--tls-provider"):
        p = run([flag, "nope", "-a", "127.0.0.1", "-p", "-1"])

        assert p.returncode == 1 and "nope" in p.stderr


@pytest.mark.tls
@pytest.mark.one_worker
def test_process_maps_the_chosen_library(server, certs, kind):
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s' }\n" % (pair.cert, pair.key))
    with open("/proc/%d/maps" % s.pid) as f:
        maps = f.read()

    assert "lib" + kind.provider in maps
    for foreign in ("libssl.so", "libcrypto.so"):
        assert foreign not in maps


@pytest.mark.tls
@pytest.mark.one_worker
def test_slow_library_is_said_once(server, certs, kind, run):
    """At start, and only when the loaded library does AES without hardware instructions."""
    listed = re.split(r"^tls +" + kind.provider, run(["--list-plugins"]).stdout, flags=re.M)[1].split("\n")[1]
    pair = certs.server_ecdsa
    s = server(conf="tls { cert_file: '%s', key_file: '%s' }\n" % (pair.cert, pair.key))
    s.wait_log("Server is ready")

    said = re.findall(r"\[WRN\] TLS is slow: (\w+) [\d.]+ as loaded does AES without hardware instructions", s.log())

    if "aes-hardware" in listed:
        assert said == []
    else:
        assert [name.lower() for name in said] == [kind.provider]


@pytest.mark.tls
@pytest.mark.one_worker
def test_provider_by_block(server, certs, kind):
    """The block's own provider beats the default one."""
    pair = certs.server_ecdsa
    other = {"gnutls": "wolfssl", "wolfssl": "gnutls"}[kind.provider]
    s = server(conf="tls { provider: %s, cert_file: '%s', key_file: '%s' }\n" % (other, pair.cert, pair.key))
    with open("/proc/%d/maps" % s.pid) as f:
        assert "lib" + other in f.read()
    w = s.raw()
    w.read_info()

    w.start_tls(wire.tls_context())

    w.connect().ping()


@pytest.mark.tls
@pytest.mark.one_worker
def test_unknown_provider_of_a_block(run, certs, tmp_path):
    pair = certs.server_ecdsa
    (tmp_path / "c.conf").write_text("port: -1\ntls { provider: nope, cert_file: '%s', key_file: '%s' }\n"
                                     % (pair.cert, pair.key))

    p = run(["-c", "c.conf"])

    assert p.returncode == 1
    assert 'tls provider "nope" not found' in p.stderr


@pytest.mark.one_worker
@pytest.mark.parametrize("args,name", [(["--cluster", "nats://127.0.0.1:-1"], "cluster"), (["-s"], "syslog"),
                                       (["-js"], "JetStream")])
def test_flags_not_served_yet_are_refused_by_name(run, args, name):
    p = run(["-a", "127.0.0.1", "-p", "-1"] + args)

    assert p.returncode == 1
    assert name.lower() in p.stderr.lower()


@pytest.mark.one_worker
@pytest.mark.parametrize("conf", ["cluster { port: -1 }", "leafnodes { port: -1 }", "gateway { name: A, port: -1 }",
                                  "websocket { port: -1, no_tls: true }", "jetstream: enabled"])
def test_blocks_not_served_yet_are_refused_at_start_only(run, tmp_path, conf):
    (tmp_path / "c.conf").write_text("port: -1\n%s\n" % conf)

    assert run(["-c", "c.conf", "-t"]).returncode == 0
    p = run(["-a", "127.0.0.1", "-c", "c.conf"])

    assert p.returncode == 1
    assert conf.split()[0].strip(":").lower().rstrip("s") in p.stderr.lower()
