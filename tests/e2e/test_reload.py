"""SIGHUP: what is put in force, what is refused, and what connections notice of it."""
import os
import signal

import pytest

import wire
from reloading import refused, reload, reloaded, write

pytestmark = [pytest.mark.one_worker]
quick = pytest.mark.quick

ALWAYS = ["[INF] Reloaded: authorization users", "[INF] Reloaded: accounts"]


def lines_between(lines):
    """Without the signal, the kicks and the end."""
    return [x for x in lines if x.startswith("[INF] Reload") and "server configuration" not in x]


# ---- the procedure ------------------------------------------------------------------------------


@quick
def test_every_changed_option_is_named_in_order(server):
    s = server(conf="max_connections: 10")
    lines = reloaded(s, """
        server_tags: [a]; server_metadata: {a: b}; max_traced_msg_len: 10; write_deadline: 3s
        no_fast_producer_stall: true; max_payload: 2000; max_control_line: 5000; ping_max: 5
        ping_interval: "30s"; max_connections: 20; logtime_utc: true; trace_verbose: true
        client_advertise: "h:1"; connect_error_reports: 5; reconnect_error_reports: 6
        authorization { user: u, password: p, timeout: 7 }""")
    assert lines_between(lines) == [
        "[INF] Reload: client_advertise = h:1",
        "[INF] Reloaded: trace = true",
        "[INF] Reloaded: trace_verbose = true",
        "[INF] Reloaded: logtime_utc = true",
        "[INF] Reloaded: max_connections = 20"] + ALWAYS + [
        "[INF] Reloaded: authorization username",
        "[INF] Reloaded: authorization password",
        "[INF] Reloaded: ping_interval = 30s",
        "[INF] Reloaded: ping_max = 5",
        "[INF] Reloaded: authorization timeout = 7",
        "[INF] Reloaded: max_control_line = 5000",
        "[INF] Reloaded: max_payload = 2000",
        "[INF] Reloaded: fast producers will not be stalled",
        "[INF] Reloaded: write_deadline = 3s",
        "[INF] Reloaded: max_traced_msg_len = 10",
        "[INF] Reloaded: connect_error_reports = 5",
        "[INF] Reloaded: reconnect_error_reports = 6",
        "[INF] Reloaded: tags",
        "[INF] Reloaded: metadata"]
    assert lines[0] == '[INF] Trapped "hangup" signal'


@quick
def test_the_first_that_cannot_change_refuses_all(server):
    s = server(conf="max_payload: 1000", monitor=True)
    before = s.get("/varz")
    w = s.client()

    assert refused(s, "max_pending: 99999999\nmax_payload: 10\nserver_name: z") == (
        "config reload not supported for ServerName: old=, new=z")

    w.sub("a", 1).pub("a", b"longer than ten bytes")
    w.expect(b"MSG a 1 21\r\nlonger than ten bytes\r\n")
    assert s.client().info["max_payload"] == 1000
    after = s.get("/varz")
    assert after["config_load_time"] == before["config_load_time"]
    assert after["config_digest"] == before["config_digest"]


@pytest.mark.parametrize("old, new, text", [
    ("", "server_name: z", "ServerName: old=, new=z"),
    ("server_name: y", "", "ServerName: old=y, new="),
    ("", "max_subscriptions: 5", "MaxSubs: old=0, new=5"),
    ("", "lame_duck_duration: 30s", "LameDuckDuration: old=2m0s, new=30s"),
    ("", "lame_duck_grace_period: 5s", "LameDuckGracePeriod: old=10s, new=5s"),
    ("", "allow_non_tls: true", "AllowNonTLS: old=false, new=true"),
    ("", "write_timeout: retry", "WriteTimeout: old=, new=retry"),
    ("", "http_base_path: /x", "HTTPBasePath: old=, new=/x"),
    ("", "https_port: -1", "HTTPSPort: old=0, new=-1"),
    ("", "feature_flags {b: true, a: false}", "FeatureFlags: old=map[], new=map[a:false b:true]"),
])
def test_what_cannot_change_is_refused_by_name(server, old, new, text):
    s = server(conf=old + "\n")
    got = refused(s, new + "\n")
    if not s.is_ref:
        got = got.replace("HTTPBasePath: old=/,", "HTTPBasePath: old=,")
    assert got == "config reload not supported for " + text


@quick
def test_a_broken_file_is_told_line_by_line(server):
    s = server(conf="max_payload: 1000")
    lines = reload(s, "max_payload: 10\nping_max: x\ntrace: 3\n")
    assert sorted(x.split("server.conf:")[1] for x in lines[1:] if "server.conf" in x) == [
        "2:1: interface conversion: interface {} is string, not int64",
        "3:1: interface conversion: interface {} is int64, not bool"]
    assert s.client().info["max_payload"] == 1000


def test_warnings_are_passed_over_in_silence(server):
    s = server(conf="")
    lines = reloaded(s, "ping_interval: 30")
    assert lines_between(lines) == ALWAYS + ["[INF] Reloaded: ping_interval = 30s"]
    assert not [x for x in lines if "[WRN]" in x]


def test_flags_stay_above_the_file(server):
    s = server(["-D"], conf="debug: true\nmax_payload: 1000")
    lines = reloaded(s, "debug: false\nport: 1\nmax_payload: 2000")
    assert lines_between(lines) == ALWAYS + ["[INF] Reloaded: max_payload = 2000"]
    mark = s.log_size()
    s.client()
    s.wait_log("Client connection created", mark)


@pytest.mark.own
def test_a_name_by_flag_stays_above_the_file(server):
    """The reference forgets this flag and refuses."""
    s = server(["--name", "flag"], conf="server_name: file")
    reloaded(s, "server_name: other")
    assert s.client().info["server_name"] == "flag"


def test_a_file_that_is_gone_changes_nothing(server):
    s = server(conf="max_payload: 1000")
    os.remove(s.conf_path)
    assert "no such file or directory" in refused(s)
    s.serves()


@pytest.mark.own
def test_a_pipe_is_not_read_again(server):
    """Nobody may ever write into it: the server must not wait for that."""
    s = server(conf="max_payload: 1000")
    os.remove(s.conf_path)
    os.mkfifo(s.conf_path)
    assert refused(s) == s.conf_path + " is not a file that can be read again"
    os.remove(s.conf_path)
    reloaded(s, "max_payload: 2000")


def test_signals_that_come_during_a_reload_wait(server):
    s = server(conf="max_payload: 1000")
    for i in range(20):
        s.signal(signal.SIGHUP)
    s.serves()
    reloaded(s, "max_payload: 2000")
    assert s.client().info["max_payload"] == 2000


@quick
def test_varz_tells_of_the_reload(server):
    s = server(conf="", monitor=True)
    before = s.get("/varz")
    reloaded(s, "server_tags: [a, b]\nmax_payload: 2000\nmax_connections: 7\nping_interval: 30s\n"
                "ping_max: 3\nmax_control_line: 999\nwrite_deadline: 3s")
    after = s.get("/varz")
    assert after["tags"] == ["a", "b"]
    assert (after["max_payload"], after["max_connections"]) == (2000, 7)
    assert (after["ping_interval"], after["ping_max"]) == (30 * 10**9, 3)
    assert (after["max_control_line"], after["write_deadline"]) == (999, 3 * 10**9)
    assert after["config_load_time"] > before["config_load_time"]
    assert after["config_digest"] != before["config_digest"]
    assert after["start"] == before["start"]


def test_the_command_line_asks_for_a_reload(server, run):
    s = server(conf="max_payload: 1000")
    write(s, "max_payload: 2000")
    mark = s.log_size()
    done = run(["--signal", "reload=%d" % s.pid])
    assert done.returncode == 0 and not done.stderr, done
    s.wait_log("Reloaded server configuration", mark)
    assert s.client().info["max_payload"] == 2000


@pytest.mark.own
def test_what_is_not_served_is_refused_by_name(server):
    s = server(conf="")
    assert "cluster" in refused(s, "cluster { port: -1 }")
    assert "not served yet" in refused(s, "cluster { port: -1 }")
    s.serves()


@pytest.mark.own
def test_no_secret_is_ever_logged(server):
    s = server(["-DV"], conf="authorization { user: u, password: hush1 }")
    reloaded(s, "authorization { user: u, password: hush2 }")
    refused(s, "authorization { user: u, password: hush3 }\nserver_name: z")
    reloaded(s, "authorization { token: hush4 }")
    assert "hush" not in s.log()


@pytest.mark.own
@pytest.mark.parametrize("option, old, new", [
    ("core_dumps", "false", "true"), ("require_fips", "false", "true"),
    ("ignore_unsupported", "false", "true"), ("plugin_dirs", "[]", "[x]")])
def test_our_own_that_cannot_change_are_refused(server, option, old, new):
    s = server(conf="")
    assert refused(s, "%s: %s" % (option, new)) == (
        "config reload not supported for %s: old=%s, new=%s" % (option, old, new))


# ---- limits and times ------------------------------------------------------------------------------


@quick
def test_max_payload_holds_for_those_who_are_there(server):
    s = server(conf="")
    w = s.client()
    reloaded(s, "max_payload: 10")
    w.ping()                                    # no INFO was pushed
    w.send(b"PUB a 11\r\n12345678901\r\n")
    w.expect_eof(b"-ERR 'Maximum Payload Violation'\r\n")
    assert s.client().info["max_payload"] == 10


def test_a_payload_that_is_half_here_is_let_in(server):
    s = server(conf="")
    w = s.client().sub("a", 1).ping()
    w.send(b"PUB a 20\r\n0123456789")
    s.client().ping()
    reloaded(s, "max_payload: 10")
    w.send(b"0123456789\r\n")
    w.expect(b"MSG a 1 20\r\n01234567890123456789\r\n")


def test_max_control_line_holds_at_once(server):
    s = server(conf="")
    w = s.client()
    reloaded(s, "max_control_line: 100")
    w.send(b"SUB " + b"a" * 200 + b" 1\r\n")
    w.expect_eof(b"-ERR 'maximum control line exceeded'\r\n")


@quick
def test_too_many_are_sent_away(server):
    s = server(conf="max_connections: 50")
    clients = [s.client() for _ in range(20)]
    lines = reloaded(s, "max_connections: 5")
    said = [x for x in lines if "Closed " in x or "max_connections" in x]
    assert said == ["[INF] Closed 15 connections to fall within max_connections",
                    "[INF] Reloaded: max_connections = 5"]
    # One line a second, however many go.
    assert len([x for x in lines if x.endswith("maximum connections exceeded - Account:$G")]) == 1
    stay = 0
    for w in clients:
        w.send(b"PING\r\n")
        first = w.line()
        if first == b"PONG\r\n":
            stay += 1
        else:
            assert first == b"-ERR 'maximum connections exceeded'\r\n"
            w.expect_eof()
    assert stay == 5
    w = s.raw()
    w.read_info()
    w.expect_eof(b"-ERR 'maximum connections exceeded'\r\n")


def test_the_next_ping_comes_by_the_new_interval(server):
    s = server(conf="ping_interval: 1h")
    reloaded(s, "ping_interval: \"200ms\"\nping_max: 1")
    w = s.client()
    w.keep_pings = True
    w.expect(b"PING\r\n")
    w.expect_eof(b"-ERR 'Stale Connection'\r\n")


@pytest.mark.own
def test_write_deadline_holds_for_those_who_are_there(server):
    """In the reference a connection keeps the deadline it came with."""
    s = server(conf="write_deadline: 1h", monitor=True)
    slow = s.client(rcvbuf=4096).sub("flood", 1).ping()
    reloaded(s, 'write_deadline: "300ms"')
    p = s.client()
    line = b"PUB flood 32768\r\n" + b"x" * 32768 + b"\r\n"
    for _ in range(512):
        p.send(line, timeout=30 * wire.PATIENCE)
    s.wait_log(r"cid:%d - .*Slow Consumer Detected: WriteDeadline of 300ms exceeded" % slow.cid)
    p.ping()


def test_client_advertise_is_told_to_newcomers(server):
    s = server(conf="")
    w = s.client()
    reloaded(s, 'client_advertise: "elsewhere:77"')
    w.ping()
    info = s.client().info
    assert (info["host"], info["port"]) == ("elsewhere", 77)
    assert refused(s, 'client_advertise: "h:p"') == (
        'invalid ClientAdvertise value of h:p, err=strconv.Atoi: parsing "p": invalid syntax')
    reloaded(s, "")
    assert s.client().info["port"] == s.port


# ---- files and the log -------------------------------------------------------------------------------


@quick
def test_the_log_moves(server, tmp_path):
    s = server(conf="")
    new = str(tmp_path / "new.log")
    s.signal(signal.SIGHUP)
    s.wait_log("Reloaded server configuration")
    with open(s.conf_path, "w") as f:
        f.write('log_file: "%s"\ndebug: true\n' % new)
    mark = s.log_size()
    s.signal(signal.SIGHUP)
    wire.until("the new log", lambda: os.path.exists(new) and
               "Reloaded server configuration" in open(new).read())
    assert "Reloaded: log_file = " + new in s.log_since(mark)
    assert "Reloaded server configuration" not in s.log_since(mark)
    s.client()
    wire.until("debug lines", lambda: "Client connection created" in open(new).read())

    back = s.log_size()
    with open(s.conf_path, "w") as f:
        f.write("")
    s.signal(signal.SIGHUP)
    s.wait_log("Reloaded server configuration", back)
    assert "[INF] Reloaded: log_file = \n" in open(new).read()
    s.client()
    assert "Client connection created" not in s.log_since(back)


@pytest.mark.own
def test_a_log_that_cannot_be_opened_refuses_the_reload(server):
    s = server(conf="max_payload: 1000")
    assert refused(s, 'max_payload: 10\nlog_file: "/nowhere/x.log"') == (
        "error opening file: open /nowhere/x.log: no such file or directory")
    assert s.client().info["max_payload"] == 1000


def test_trace_is_switched_for_those_who_are_there(server):
    s = server(conf="")
    w = s.client()
    reloaded(s, "trace: true")
    w.pub("seen.now", b"x").ping()
    s.wait_log(r"\[TRC\].*<<- \[PUB seen.now 1\]")
    reloaded(s, "")
    mark = s.log_size()
    w.pub("seen.never", b"x").ping()
    s.client().ping()
    assert "seen.never" not in s.log_since(mark)


def test_pid_file_and_ports_file_move(server, tmp_path):
    s = server(conf="", ports=True)
    ports = tmp_path / "ports"
    ports.mkdir()
    pid = str(tmp_path / "pid")
    # The flag --ports_file_dir stays above the file, so only the pid file is new here.
    reloaded(s, 'pid_file: "%s"\nports_file_dir: "%s"' % (pid, ports))
    assert open(pid).read() == str(s.pid)
    assert s.ports_file() is not None
    lines = reloaded(s, "")
    assert lines_between(lines) == ALWAYS
    assert os.path.exists(pid)


def test_the_ports_file_moves(server, tmp_path):
    dirs = [tmp_path / "one", tmp_path / "two"]
    for d in dirs:
        d.mkdir()
    s = server(conf='ports_file_dir: "%s"' % dirs[0], ports=False)
    wire.until("ports file", lambda: list(dirs[0].iterdir()))
    lines = reloaded(s, 'ports_file_dir: "%s"' % dirs[1])
    assert "[INF] Reloaded: ports_file_dir = %s" % dirs[1] in lines
    assert not list(dirs[0].iterdir()) and len(list(dirs[1].iterdir())) == 1


# ---- who may connect -----------------------------------------------------------------------------------

ONE = "authorization { user: a, password: b }\n"
VIOLATION = b"-ERR 'Authorization Violation'\r\n"


@quick
def test_authorization_is_added(server):
    s = server(conf="")
    nobody, named, quiet = s.client(), s.client(user="a", **{"pass": "b"}), s.raw()
    quiet.read_info()
    reloaded(s, ONE)
    nobody.expect_eof(VIOLATION)
    named.expect_eof()
    quiet.expect_eof(VIOLATION)
    w = s.raw()
    assert w.read_info()["auth_required"] is True
    w.connect(user="a", **{"pass": "b"}).ping()


@quick
def test_authorization_is_removed(server):
    s = server(conf=ONE)
    named, quiet = s.client(user="a", **{"pass": "b"}), s.raw()
    quiet.read_info()
    reloaded(s, "")
    named.expect_eof()
    quiet.connect().ping()
    assert "auth_required" not in s.client().info


def test_the_password_of_the_one_user_changes(server):
    s = server(conf=ONE)
    w = s.client(user="a", **{"pass": "b"})
    reloaded(s, "authorization { user: a, password: c }")
    w.expect_eof()
    s.client(user="a", **{"pass": "c"})
    w = s.client(connect=False)
    w.connect(user="a", **{"pass": "b"}).send(b"PING\r\n")
    w.expect_eof(VIOLATION)


def test_the_token_changes(server):
    s = server(conf="authorization { token: one }")
    w = s.client(auth_token="one")
    reloaded(s, "authorization { token: one }\nmax_payload: 1000")
    w.ping()
    lines = reloaded(s, "authorization { token: two }")
    w.expect_eof(VIOLATION)
    assert [x for x in lines if x.endswith('- authentication error - Token "[REDACTED]"')]
    s.client(auth_token="two")


@pytest.mark.own
@pytest.mark.parametrize("conf", [ONE, ""], ids=["one user", "nobody asks"])
def test_credentials_that_stay_close_nobody(server, conf):
    """The reference closes here whoever gave a user name."""
    s = server(conf=conf)
    named, quiet = s.client(user="a", **{"pass": "b"}), s.raw()
    quiet.read_info()
    reloaded(s, conf + "max_payload: 1000\n")
    named.ping()
    quiet.connect(user="a", **{"pass": "b"}).ping()


USERS = "authorization { users: [ {user: a, password: %s}, {user: %s, password: y} ] }\n"


@quick
def test_a_table_of_users_changes(server):
    s = server(conf=USERS % ("x", "b"))
    a, b = s.client(user="a", **{"pass": "x"}), s.client(user="b", **{"pass": "y"})
    reloaded(s, USERS % ("x", "b") + "max_payload: 1000\n")
    a.ping()
    b.ping()
    lines = reloaded(s, USERS % ("z", "b"))
    a.expect_eof(VIOLATION)
    assert [x for x in lines if x.endswith('- "$G/user:a" - authentication error - User "a"')], lines
    b.ping()
    reloaded(s, USERS % ("z", "c"))
    b.expect_eof()
    s.client(user="c", **{"pass": "y"})


def test_no_auth_user_goes_with_its_user_alone(server):
    s = server(conf=USERS % ("x", "b") + "no_auth_user: b")
    w = s.client()
    assert refused(s, USERS % ("x", "b")) == (
        "config reload not supported for NoAuthUser: old=b, new=")
    w.ping()
    reloaded(s, USERS % ("x", "c"))
    w.expect_eof()


@pytest.mark.timeout(60)
def test_a_login_under_way_is_judged_by_the_new_password(server):
    """The hash of "b", then the hash of "c": whoever came with "c" during the reload is let in."""
    import crypt
    hashes = {p: crypt.crypt(p, "$2b$10$" + "abcdefghijklmnopqrstuu") for p in "bc"}
    if not hashes["b"] or not hashes["b"].startswith("$2b$"):
        pytest.skip("needs bcrypt in libcrypt")
    conf = 'authorization { user: a, password: "%s" }'
    s = server(conf=conf % hashes["b"])
    reloaded(s, conf % hashes["c"])
    s.client(user="a", **{"pass": "c"})
    w = s.client(connect=False)
    w.connect(user="a", **{"pass": "b"}).send(b"PING\r\n")
    w.expect_eof(VIOLATION)


# ---- what a reload costs -----------------------------------------------------------------------------


@pytest.mark.own
def test_three_hundred_reloads_leave_nothing_behind(server):
    s = server(conf="")
    w = s.client()

    def rss():
        with open("/proc/%d/statm" % s.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def many(n):
        for i in range(n):
            reloaded(s, "max_payload: %d\nserver_tags: [%s]" % (1000 + i % 2, "x" * 20000))
    many(100)
    before = rss()
    many(200)
    assert rss() - before < 2 << 20
    w.ping()
