"""One factory of servers for Natterjack and for the reference alike.

Environment:
  NATTERJACK        path of the server under test; default .dev/stage/usr/local/sbin/natterjack
  NATTERJACK_ARGS   flags for each start of it, e.g. --plugin_dir DIR
  NATS_SERVER_REF   path of nats-server 2.15.2; default .dev/bin/nats-server
  E2E_PATIENCE      factor for all deadlines (sanitizer builds: 5)
  E2E_NO_REFERENCE  set: leave the reference out
"""
import glob
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess

import pytest

import certs as certs_module
import wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE_VERSION = "2.15.2"
NEEDS_REFERENCE = "needs nats-server " + REFERENCE_VERSION


def reference_path():
    path = os.environ.get("NATS_SERVER_REF", os.path.join(ROOT, ".dev/bin/nats-server"))
    try:
        out = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20).stdout
    except OSError:
        return None
    return path if out.startswith("nats-server: v" + REFERENCE_VERSION) else None


def natterjack_path():
    path = os.environ.get("NATTERJACK")
    if path is not None:
        if not os.access(path, os.X_OK):
            pytest.exit("NATTERJACK=%s cannot be run" % path, returncode=4)
        return path
    path = os.path.join(ROOT, ".dev/stage/usr/local/sbin/natterjack")
    return path if os.access(path, os.X_OK) else None


class Kind:
    """One way to run a server: which program, which provider, how many workers."""

    def __init__(self, name, path, args=(), reason=None):
        self.name = name
        self.path = path
        self.args = list(args)
        self.reason = reason        # why it cannot run here
        self.is_ref = name == "reference"
        self.provider = None

    def __repr__(self):
        return self.name


def make_kinds(tls):
    kinds = []
    if not os.environ.get("E2E_NO_REFERENCE"):
        ref = reference_path()
        kinds.append(Kind("reference", ref, reason=None if ref else NEEDS_REFERENCE))
    nj = natterjack_path()
    if nj is None:
        return kinds        # test_setup.py says so with one skipped test
    extra = shlex.split(os.environ.get("NATTERJACK_ARGS", ""))
    for provider in ("gnutls", "wolfssl") if tls else (None,):
        for workers in (1, 4):
            name = "nj-%s%d" % (provider + "-" if provider else "", workers)
            args = extra + ["--workers", str(workers)]
            if provider:
                args += ["--tls_provider", provider]
            kind = Kind(name, nj, args)
            kind.provider = provider
            kinds.append(kind)
    return kinds


_kinds = {}


def kinds_for(tls):
    if tls not in _kinds:
        _kinds[tls] = make_kinds(tls)
    return _kinds[tls]


def pytest_generate_tests(metafunc):
    if "kind" not in metafunc.fixturenames:
        return
    tls = metafunc.definition.get_closest_marker("tls") is not None
    once = metafunc.definition.get_closest_marker("one_worker") is not None
    own = metafunc.definition.get_closest_marker("own") is not None
    params = []
    for kind in kinds_for(tls):
        if (once and kind.name.endswith("4")) or (own and kind.is_ref):
            continue
        marks = [pytest.mark.skip(reason=kind.reason)] if kind.reason else []
        params.append(pytest.param(kind, id=kind.name, marks=marks))
    metafunc.parametrize("kind", params, scope="session")


def pytest_collection_modifyitems(config, items):
    """The time limit of a test grows with the patience for the server."""
    for item in items:
        mark = item.get_closest_marker("timeout")
        seconds = mark.args[0] if mark else 120
        item.add_marker(pytest.mark.timeout(seconds * max(1, wire.PATIENCE)), append=False)


def pytest_report_header(config):
    lines = ["server %s: %s" % (k.name, k.reason or k.path) for k in kinds_for(True)]
    return lines if natterjack_path() else lines + ["server natterjack: not built"]


class Server:
    """A running server, its log and its ports."""

    def __init__(self, kind, directory, args=(), conf=None, monitor=False, ports=True, env=None,
                 address=("-a", "127.0.0.1", "-p", "-1"), stderr_log=True):
        self.kind = kind
        self.is_ref = kind.is_ref
        self.dir = str(directory)
        os.makedirs(self.dir, exist_ok=True)
        self.log_path = os.path.join(self.dir, "server.log")
        self.prog = os.path.basename(kind.path)
        self.stopped = False
        self.urls = None
        argv = [kind.path] + kind.args + list(address)
        if ports:
            argv += ["--ports_file_dir", self.dir]
        if monitor:
            argv += ["-m", "-1"]
        if conf is not None:
            self.conf_path = os.path.join(self.dir, "server.conf")
            with open(self.conf_path, "w") as f:
                f.write(conf)
            argv += ["-c", self.conf_path]
        argv += [str(a) for a in args]
        self.argv = argv
        environ = dict(os.environ)
        environ.update(env or {})
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         cwd=self.dir, env=environ)
        self.pid = self.proc.pid
        if ports:
            self.wait_ports()

    # -- ports

    def ports_file(self):
        found = glob.glob(os.path.join(self.dir, "*_%d.ports" % self.pid))
        return found[0] if found else None

    def wait_ports(self):
        def look():
            if self.proc.poll() is not None:
                raise AssertionError("the server ended at start with %d: %s\n%s"
                                     % (self.proc.returncode, self.argv, self.log()))
            path = self.ports_file()
            if path is None:
                return None
            try:
                with open(path) as f:
                    return json.loads(f.read())
            except ValueError:
                return None
        self.urls = wire.until("ports file", look, 10 * wire.PATIENCE)
        self.port = int(self.urls["nats"][0].rsplit(":", 1)[1])
        self.http_port = None
        self.https = self.urls.get("monitoring", [""])[0].startswith("https:")
        if "monitoring" in self.urls:
            self.http_port = int(self.urls["monitoring"][0].rsplit(":", 1)[1])

    # -- log

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def log_size(self):
        return os.path.getsize(self.log_path)

    def log_since(self, mark):
        with open(self.log_path, "rb") as f:
            f.seek(mark)
            return f.read().decode("utf-8", "replace")

    def wait_log(self, pattern, since=0, timeout=None):
        """The match of a regular expression in the log, waited for."""
        try:
            return wire.until("log line /%s/" % pattern,
                              lambda: re.search(pattern, self.log_since(since), re.M), timeout)
        except AssertionError as exc:
            raise AssertionError("%s; the log since then:\n%s"
                                 % (exc, self.log_since(since)[-3000:])) from None

    # -- life

    def alive(self):
        return self.proc.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=None):
        return self.proc.wait(10 * wire.PATIENCE if timeout is None else timeout)

    def stop(self):
        """Ends the process by pid; a server that died of itself is a failure of the test."""
        if self.stopped:
            return
        self.stopped = True
        died = self.proc.poll()
        if died is None:
            self.signal(signal.SIGINT)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError("the server did not stop on SIGINT:\n" + self.log()[-3000:])
        text = self.log()
        if "Sanitizer" in text or "runtime error:" in text:
            raise AssertionError("sanitizer report:\n" + text[-8000:])
        if died is not None:
            raise AssertionError("the server ended by itself with %d:\n%s" % (died, text[-3000:]))
        if self.proc.returncode != 0:
            raise AssertionError("exit status %d:\n%s" % (self.proc.returncode, text[-3000:]))

    def ended(self, timeout=None):
        """For tests that make the server end: waits, returns the exit status."""
        status = self.wait(timeout)
        self.stopped = True
        return status

    # -- clients

    def raw(self, **kw):
        """A TCP connection; nothing read yet."""
        return wire.Wire(self.port, **kw)

    def client(self, connect=True, rcvbuf=None, **options):
        """A client after INFO; with connect a CONNECT was sent and a PING answered."""
        w = wire.Wire(self.port, rcvbuf=rcvbuf)
        w.read_info()
        if connect:
            w.connect(**options)
            w.ping()
            if options.get("protocol", 0) >= 1:
                w.read_info()
        return w

    # -- monitoring

    def http(self, path, method="GET"):
        """(status, headers, body)"""
        if self.https:
            c = http.client.HTTPSConnection("127.0.0.1", self.http_port, timeout=wire.DEADLINE,
                                            context=wire.tls_context())
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=wire.DEADLINE)
        try:
            c.request(method, path)
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def get(self, path):
        status, _, body = self.http(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def conn(self, cid, state="open", extra=""):
        """One connection's entry in connz, None when it is not there."""
        got = self.get("/connz?cid=%d&state=%s%s" % (cid, state, extra))["connections"]
        return got[0] if got else None

    def closed_reason(self, cid):
        entry = wire.until("closed connection %d in connz" % cid, lambda: self.conn(cid, "closed"))
        return entry["reason"]

    def serves(self):
        """A good client still gets everything."""
        w = self.client()
        w.sub("serves.you", 1).pub("serves.you", b"well")
        w.expect(b"MSG serves.you 1 4\r\nwell\r\n")
        w.ping()
        w.close()


_running = []       # servers of the test that runs now, for the log on failure


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory):
    """Default servers used by many tests: one for each kind and set of flags."""
    servers = {}
    yield servers
    for s in servers.values():
        s.stop()


def shared(shared_servers, tmp_path_factory, kind, what, **kw):
    key = (kind.name, what)
    s = shared_servers.get(key)
    if s is None or not s.alive():
        s = Server(kind, tmp_path_factory.mktemp("shared-" + what), **kw)
        shared_servers[key] = s
    s.mark = s.log_size()
    _running.append(s)
    return s


@pytest.fixture
def plain(shared_servers, tmp_path_factory, kind):
    """A server with defaults and -D, shared by many tests: leave it as you found it."""
    return shared(shared_servers, tmp_path_factory, kind, "plain", args=["-D"])


@pytest.fixture
def monitored(shared_servers, tmp_path_factory, kind):
    """As plain, with the monitoring port and trace."""
    return shared(shared_servers, tmp_path_factory, kind, "monitored", args=["-DV"], monitor=True)


@pytest.fixture
def server(kind, tmp_path):
    """server(args=[...], conf="...", monitor=False): starts a server for this test alone."""
    made = []

    def start(args=(), conf=None, **kw):
        s = Server(kind, tmp_path / ("s%d" % len(made)), args=args, conf=conf, **kw)
        s.mark = 0
        made.append(s)
        _running.append(s)
        return s

    yield start
    for w in wire.OPEN:
        w.close()
    for s in made:
        s.stop()


@pytest.fixture
def run(kind, tmp_path):
    """run(args): a start that ends by itself; gives the finished process."""
    def call(args, timeout=20, **kw):
        return subprocess.run([kind.path] + kind.args + [str(a) for a in args], capture_output=True,
                              text=True, timeout=timeout * wire.PATIENCE, stdin=subprocess.DEVNULL,
                              cwd=tmp_path, **kw)
    return call


@pytest.fixture
def prog(kind):
    """The program's name, as its messages begin with it."""
    return os.path.basename(kind.path)


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return certs_module.Certs(str(tmp_path_factory.mktemp("certs")))


@pytest.fixture(autouse=True)
def close_wires():
    yield
    for w in wire.OPEN:
        w.close()
    wire.OPEN.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "setup":
        item.server_start = len(_running)
    if report.failed:
        for s in _running:
            tail = s.log_since(s.mark)[-4000:]
            report.sections.append(("log of %s" % " ".join(s.argv), tail))
    if call.when == "teardown":
        _running.clear()
    return report
