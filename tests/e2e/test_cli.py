"""The command line: flags, exit status, and which stream says what."""
import glob
import json
import os
import re
import signal
import socket
import stat

import pytest

import wire

pytestmark = [pytest.mark.one_worker]
quick = pytest.mark.quick


def one_line(p, text, prog):
    """stderr is `<program>: <text>`, exit status 1, nothing on stdout."""
    assert p.returncode == 1, p
    assert p.stderr == "%s: %s\n" % (prog, text), p.stderr
    assert p.stdout == ""


@quick
@pytest.mark.parametrize("word", ["-v", "--v", "--version", "-version", "version", "VERSION"])
def test_version(run, kind, word):
    p = run([word])

    assert p.returncode == 0 and p.stderr == ""
    if kind.is_ref:
        assert p.stdout == "nats-server: v2.15.2\n"
    else:
        assert p.stdout.startswith("natterjack: v")


def test_version_under_the_name_of_the_reference(kind, tmp_path):
    """Harnesses call the program nats-server and match its first line to the end."""
    import subprocess
    link = tmp_path / "nats-server"
    link.symlink_to(os.path.abspath(kind.path))

    p = subprocess.run([str(link), "-v"], capture_output=True, text=True, timeout=20)

    assert p.stdout.splitlines()[0] == "nats-server: v2.15.2"
    if not kind.is_ref:
        assert p.stdout.splitlines()[1].startswith("natterjack: v")


def test_version_comes_before_a_broken_file(run, tmp_path):
    assert run(["-v", "-c", tmp_path / "nope.conf"]).returncode == 0


@quick
@pytest.mark.parametrize("word", ["-h", "--help", "help", "HELP"])
def test_help(run, prog, word):
    p = run([word])

    assert p.returncode == 0 and p.stderr == ""
    lines = p.stdout.split("\n")
    assert lines[0] == "" and lines[1] == "Usage: %s [options]" % prog and lines[2] == ""
    for group in ("Server Options:", "Logging Options:", "Authorization Options:", "TLS Options:",
                  "Common Options:"):
        assert group in lines
    assert any(re.match(r"    -a, --addr, --net <host>? *", x) for x in lines), p.stdout[:600]


def test_help_tls(run):
    p = run(["--help_tls"])

    assert p.returncode == 0
    assert "    TLS_AES_128_GCM_SHA256" in p.stdout.split("\n")
    assert "    CurveP256" in p.stdout.split("\n")


@quick
@pytest.mark.parametrize("args,text", [
    (["--nope"], "flag provided but not defined: -nope"),
    (["-tlsc", "f"], "flag provided but not defined: -tlsc"),
    (["-serv", "x"], "flag provided but not defined: -serv"),
    (["-p", "abc"], 'invalid value "abc" for flag -p: parse error'),
    (["-p"], "flag needs an argument: -p"),
    (["-D=maybe"], 'invalid boolean value "maybe" for -D: parse error'),
])
def test_bad_flag_prints_the_help_and_succeeds(run, prog, args, text):
    p = run(args)

    assert p.returncode == 0
    assert p.stderr.split("\n")[0] == text
    assert "Usage: %s [options]" % prog in p.stdout


@quick
def test_unknown_command(run, prog):
    one_line(run(["foo"]), 'unrecognized command: "foo"', prog)


@quick
def test_check_without_file(run, prog):
    one_line(run(["-t"]), "must specify [-c, --config] option to check configuration file syntax", prog)


def test_missing_file(run, prog):
    one_line(run(["-c", "nope.conf"]), "open nope.conf: no such file or directory", prog)


def test_name_with_blank(run, prog):
    one_line(run(["-n", "a b"]), "server name cannot contain spaces", prog)


def test_tls_without_certificate(run, prog, certs):
    one_line(run(["--tls"]), "TLS Server certificate must be present and valid", prog)
    one_line(run(["--tls", "--tlscert", certs.server_ecdsa.cert]),
             "TLS Server private key must be present and valid", prog)


@quick
def test_check_of_a_good_file(run, prog, tmp_path):
    (tmp_path / "g.conf").write_text("port: -1\n")

    p = run(["-c", "g.conf", "-t"])

    assert p.returncode == 0 and p.stdout == ""
    assert p.stderr == ("%s: configuration file g.conf is valid (sha256:7ea4cc5c6864139d814ce940a40ee6546"
                        "b7ac5285eec3c390a4ce11e34dc1102)\n" % prog)


@quick
@pytest.mark.parametrize("check", [["-t"], []])
def test_unknown_field(run, prog, tmp_path, check):
    (tmp_path / "bad.conf").write_text("port: -1\nfoo: 1\n")

    p = run(["-c", "bad.conf"] + check)

    assert p.returncode == 1
    assert p.stderr == '%s: bad.conf:2:1: unknown field "foo"\n\n' % prog


def test_warning_fails_the_check(run, prog, tmp_path):
    (tmp_path / "warn.conf").write_text("ping_interval: 5\n")

    p = run(["-c", "warn.conf", "-t"])

    assert p.returncode == 1
    assert p.stderr.rstrip("\n") == (
        '%s: warn.conf:1:0: invalid use of field "ping_interval": ping_interval should be converted to a '
        "duration" % prog)


def test_empty_file(run, prog, tmp_path):
    (tmp_path / "empty.conf").write_text("")

    p = run(["-c", "empty.conf", "-t"])

    assert p.returncode == 1
    assert p.stderr.rstrip("\n") == "%s: empty.conf: config has no values or is empty" % prog


def test_parse_error_has_no_place_in_front(run, prog, tmp_path):
    (tmp_path / "bad.conf").write_text("port: -1\n\nhost: [\n")

    p = run(["-c", "bad.conf", "-t"])

    assert p.returncode == 1
    assert p.stderr.startswith(prog + ": ") and "bad.conf:" not in p.stderr
    assert re.search("line|EOF", p.stderr)


@quick
def test_cross_check_is_left_to_the_start(run, prog, tmp_path):
    (tmp_path / "c.conf").write_text("port: -1\nmax_payload: 100MB\nmax_pending: 1MB\n")

    assert run(["-c", "c.conf", "-t"]).returncode == 0
    one_line(run(["-c", "c.conf"]),
             "max_payload (104857600) cannot be higher than max_pending (1048576)", prog)


def test_lame_duck_duration_minimum(run, tmp_path):
    (tmp_path / "c.conf").write_text('lame_duck_duration: "5s"\n')

    p = run(["-c", "c.conf", "-t"])

    assert p.returncode == 1
    assert "invalid lame_duck_duration of 5s, minimum is 30 seconds" in p.stderr


def test_lame_duck_grace_beyond_duration(run, prog, tmp_path):
    (tmp_path / "c.conf").write_text(
        'port: -1\nlame_duck_duration: "30s"\nlame_duck_grace_period: "40s"\n')

    one_line(run(["-c", "c.conf"]),
             "lame duck grace period (40s) should be strictly lower than lame duck duration (30s)", prog)


def test_port_out_of_range(run):
    p = run(["-p", "65536"])

    assert p.returncode == 1
    assert re.search(r'\[FTL\] Error listening on port: 0\.0\.0\.0:65536, '
                     r'"listen tcp: address 65536: invalid port"', p.stderr + p.stdout)


@quick
def test_port_in_use(run, server):
    s = server()

    p = run(["-a", "127.0.0.1", "-p", s.port])

    assert p.returncode == 1
    assert ('[FTL] Error listening on port: 127.0.0.1:%d, "listen tcp 127.0.0.1:%d: bind: address already '
            'in use"' % (s.port, s.port)) in p.stderr


def test_pid_file_that_cannot_be_written(run):
    p = run(["-a", "127.0.0.1", "-p", "-1", "-P", "/nowhere/x.pid"])

    assert p.returncode == 1
    assert "[FTL] Could not write pidfile: open /nowhere/x.pid: no such file or directory" in p.stderr


def test_log_file_that_cannot_be_opened(run):
    p = run(["-a", "127.0.0.1", "-p", "-1", "-l", "/nowhere/x.log"])

    assert p.returncode == 1
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d error opening file: open /nowhere/x.log: "
                        r"no such file or directory\n", p.stderr), p.stderr


@pytest.mark.parametrize("arg,text", [
    ("bad=1", 'unknown signal "bad"'),
    ("quit=abc", "invalid pid: abc"),
    ("quit=1=2", "invalid signal parameters: [2]"),
    ("quit=999999", '\nsignal "quit" 999999: no such process'),
])
def test_signal_errors(run, prog, arg, text):
    one_line(run(["--signal", arg]), text, prog)


def test_signal_with_a_pid_file(run, prog, tmp_path):
    (tmp_path / "f.pid").write_text("999999")
    one_line(run(["--signal", "quit=f.pid"]), '\nsignal "quit" 999999: no such process', prog)

    (tmp_path / "f.pid").write_text("999999\n")
    one_line(run(["--signal", "quit=f.pid"]), "invalid pid: 999999\n", prog)


@pytest.mark.parametrize("word", ["quit", "term"])
def test_signal_stops_the_server(run, server, word):
    s = server()

    p = run(["--signal", "%s=%d" % (word, s.pid)])

    assert (p.returncode, p.stdout, p.stderr) == (0, "", "")
    assert s.ended() == 0


def test_signal_by_pid_file_of_the_server(run, server, tmp_path):
    pid_file = tmp_path / "server.pid"
    s = server(["-P", pid_file])

    assert run(["-sl", "ldm=%s" % pid_file]).returncode == 0

    assert s.ended() == 0
    s.wait_log("Entering lame duck mode")


@quick
def test_pid_and_ports_file(server, tmp_path, prog):
    pid_file = tmp_path / "server.pid"
    s = server(["-P", pid_file], monitor=True)

    assert pid_file.read_text() == str(s.pid)
    assert stat.S_IMODE(os.stat(pid_file).st_mode) == 0o600
    assert os.path.basename(s.ports_file()) == "%s_%d.ports" % (prog, s.pid)
    with open(s.ports_file()) as f:
        text = f.read()
    assert not text.endswith("\n")
    assert json.loads(text) == {"nats": ["nats://127.0.0.1:%d" % s.port],
                                "monitoring": ["http://127.0.0.1:%d" % s.http_port]}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat(s.ports_file()).st_mode) == 0o666 & ~umask

    s.signal(signal.SIGINT)

    assert s.ended() == 0
    assert pid_file.exists()
    assert glob.glob(os.path.join(s.dir, "*.ports")) == []


def test_ports_file_of_a_wildcard_host_names_loopback(server):
    s = server(address=("-a", "0.0.0.0", "-p", "-1"))

    assert "nats://127.0.0.1:%d" % s.port in s.urls["nats"]


@pytest.mark.parametrize("args", [["-addr", "127.0.0.1", "-port", "-1"],
                                  ["--net=127.0.0.1", "--port=-1"],
                                  ["--a", "127.0.0.1", "--p", "-1"]])
def test_names_of_flags(server, args):
    s = server(address=args)

    s.serves()


@quick
def test_flags_beat_the_file(server):
    s = server(["-n", "fromcli", "-D=false"], conf="debug: true\nserver_name: fromfile\n")

    assert s.client().info["server_name"] == "fromcli"
    assert "[DBG]" not in s.log()


def test_arguments_stop_at_double_dash(run, prog):
    one_line(run(["--", "foo"]), 'unrecognized command: "foo"', prog)


@quick
def test_sighup_without_file(server):
    s = server()

    s.signal(signal.SIGHUP)

    s.wait_log(r'\[INF\] Trapped "hangup" signal' if s.is_ref else "hangup|reload")
    if s.is_ref:
        s.wait_log(r"\[ERR\] Failed to reload server configuration: can only reload config when a file is "
                   "provided using -c or --config")
    else:
        s.wait_log(r"\[ERR\]")
    s.serves()


def test_monitoring_port_in_use(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        p = run(["-a", "127.0.0.1", "-p", "-1", "-m", taken.getsockname()[1]])

    assert p.returncode == 1
    assert "[FTL] Can't start monitoring: can't listen to the monitor port: " in p.stderr


def test_descriptor_limit_is_raised(server):
    """Soft limit 64 at start, a hard limit above it: 200 clients are served."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        s = server()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    clients = [s.client() for _ in range(200)]

    clients[0].ping()
    assert wire.until("alive", s.alive)
