"""wire.py: a raw client.  It says exactly what a test tells it to and reads exact bytes back.

Every read has a deadline.  Nothing sleeps: a test waits for bytes, for the end of the stream, for
a log line or for a monitoring fact.
"""
import json
import os
import re
import select
import socket
import ssl
import struct
import time

PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))   # a sanitizer run is slower: 5
DEADLINE = 5 * PATIENCE

# The alert that the peer sent, by the name that OpenSSL gives it.
ALERTS = {
    "UNEXPECTED_MESSAGE": 10, "BAD_RECORD_MAC": 20, "RECORD_OVERFLOW": 22,
    "HANDSHAKE_FAILURE": 40, "NO_CERTIFICATE": 41, "BAD_CERTIFICATE": 42,
    "UNSUPPORTED_CERTIFICATE": 43, "CERTIFICATE_REVOKED": 44, "CERTIFICATE_EXPIRED": 45,
    "CERTIFICATE_UNKNOWN": 46, "ILLEGAL_PARAMETER": 47, "UNKNOWN_CA": 48, "ACCESS_DENIED": 49,
    "DECODE_ERROR": 50, "DECRYPT_ERROR": 51, "PROTOCOL_VERSION": 70,
    "INSUFFICIENT_SECURITY": 71, "INTERNAL_ERROR": 80, "UNRECOGNIZED_NAME": 112,
    "CERTIFICATE_REQUIRED": 116, "NO_APPLICATION_PROTOCOL": 120,
}

OPEN = []   # every Wire of the running test; conftest closes them


class TlsRefused(Exception):
    """The handshake failed.  alert is the peer's number, or None when it just closed."""

    def __init__(self, text, alert=None):
        super().__init__("%s (alert %s)" % (text, alert))
        self.alert = alert


def alert_of(exc):
    """The alert number in an ssl.SSLError, None when it carries none."""
    reason = getattr(exc, "reason", None) or ""
    for name, number in ALERTS.items():
        if reason.endswith("ALERT_" + name) or reason == "TLSV1_" + name:
            return number
    return None


def until(what, check, timeout=None, every=0.01):
    """Poll check() until it gives something true.  The deadline is the failure, not the wait."""
    end = time.monotonic() + (DEADLINE if timeout is None else timeout)
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("did not come in time: %s" % what)
        time.sleep(every)


def readable(sock, timeout):
    """poll, because select ends at descriptor 1024."""
    p = select.poll()
    p.register(sock, select.POLLIN)
    return bool(p.poll(timeout * 1000))


class Wire:
    def __init__(self, port, host="127.0.0.1", rcvbuf=None):
        self.buf = b""
        self.tls = None
        self.info = None
        self.info_line = None
        self.eof = False
        self.reset = False
        self.born = time.monotonic()
        self.keep_pings = False   # True: the server's PINGs are the subject of the test
        self.raw_in = b""         # what came in below TLS since start_tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(DEADLINE)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        OPEN.append(self)

    # -- ends

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def abort(self):
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    @property
    def local(self):
        return "%s:%d" % self.sock.getsockname()[:2]

    # -- bytes

    def send(self, data, timeout=None):
        if isinstance(data, str):
            data = data.encode()
        if self.tls is None:
            self.sock.settimeout(DEADLINE if timeout is None else timeout)
            self.sock.sendall(data)
            return
        while data:
            n = self.tls.write(data)
            data = data[n:]
            self._flush_tls()

    def send_bytewise(self, data):
        """One TCP segment for each byte, as far as a sender can make it so."""
        for i in range(len(data)):
            self.send(data[i:i + 1])

    def _flush_tls(self):
        out = self.bio_out.read()
        if out:
            self.sock.settimeout(DEADLINE)
            self.sock.sendall(out)

    def fill(self, timeout=None):
        """Read something more into buf.  False at the end of the stream or at the deadline."""
        if self.eof:
            return False
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while True:
            if self.tls is not None and self._open_tls():
                self._answer_ping()
                return True
            left = end - time.monotonic()
            if left < 0:
                left = 0
            if not readable(self.sock, left):
                return False
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionResetError:
                self.reset = True
                data = b""
            if not data:
                self.eof = True
                return False
            if self.tls is None:
                self.buf += data
                self._answer_ping()
                return True
            self.raw_in += data
            self.bio_in.write(data)

    def _answer_ping(self):
        """
        Two seconds after CONNECT the server measures the round trip.  On a slow machine a test may
        still be running then: answer, and take the PING out of what the test sees.
        """
        if self.keep_pings or time.monotonic() - self.born < 1.5:
            return
        if self.buf.startswith(b"PING\r\n"):
            self.buf = self.buf[6:]
        elif b"\r\nPING\r\n" in self.buf:
            self.buf = self.buf.replace(b"\r\nPING\r\n", b"\r\n", 1)
        else:
            return
        try:
            self.send(b"PONG\r\n")
        except OSError:
            pass

    def _open_tls(self):
        got = False
        try:
            while True:
                data = self.tls.read(1 << 18)
                if not data:
                    self.eof = True
                    return got
                self.buf += data
                got = True
        except ssl.SSLWantReadError:
            self._flush_tls()
            return got
        except ssl.SSLZeroReturnError:
            self.eof = True
            return got
        except ssl.SSLError as exc:
            if got:
                return got
            self.eof = True
            raise TlsRefused(str(exc), alert_of(exc)) from exc

    def line(self, timeout=None):
        """One line with its line end; fails at the deadline."""
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while b"\n" not in self.buf:
            if not self.fill(max(0, end - time.monotonic())):
                raise AssertionError("no whole line; got %r, eof=%s" % (self.buf, self.eof))
        line, _, self.buf = self.buf.partition(b"\n")
        return line + b"\n"

    def exactly(self, n, timeout=None):
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while len(self.buf) < n:
            if not self.fill(max(0, end - time.monotonic())):
                raise AssertionError("wanted %d bytes, got %d: %r, eof=%s"
                                     % (n, len(self.buf), self.buf[:300], self.eof))
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def expect(self, want, timeout=None):
        """The next bytes are these, to the byte."""
        if isinstance(want, str):
            want = want.encode()
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while len(self.buf) < len(want):
            if not want.startswith(self.buf) or not self.fill(max(0, end - time.monotonic())):
                break
        if not self.buf.startswith(want):
            raise AssertionError("wanted %r\n   got %r eof=%s" % (want[:600], self.buf[:600], self.eof))
        self.buf = self.buf[len(want):]

    def expect_eof(self, data=b"", timeout=None):
        """These bytes, then the end of the stream and nothing else."""
        if isinstance(data, str):
            data = data.encode()
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while not self.eof:
            self.fill(max(0, end - time.monotonic()))
            if not self.eof and time.monotonic() > end:
                raise AssertionError("still open; wanted %r and the end, got %r" % (data, self.buf))
        if self.buf != data:
            raise AssertionError("before the end wanted %r\n   got %r" % (data, self.buf))
        self.buf = b""

    def silent_for(self, seconds):
        """Nothing comes and nothing ends for so long.  Only where the silence is the fact."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.fill(end - time.monotonic()) or self.eof:
                raise AssertionError("wanted silence, got %r eof=%s" % (self.buf, self.eof))

    # -- the protocol

    def read_info(self, timeout=None):
        self.info_line = self.line(timeout)
        assert self.info_line.startswith(b"INFO "), self.info_line
        self.info = json.loads(self.info_line[5:])
        return self.info

    @property
    def cid(self):
        return self.info["client_id"]

    def connect(self, **options):
        """CONNECT that gets no answer (verbose off unless asked for)."""
        options.setdefault("verbose", False)
        options.setdefault("pedantic", False)
        self.send(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        return self

    def ping(self, timeout=None):
        """PING, and the very next thing is its PONG: also says that nothing else had come."""
        self.send(b"PING\r\n")
        self.expect(b"PONG\r\n", timeout)
        return self

    def flush(self, timeout=None):
        """PING, skip everything up to its PONG; returns what was skipped."""
        self.send(b"PING\r\n")
        return self.skip_to(b"PONG\r\n", timeout)

    def skip_to(self, mark, timeout=None):
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while mark not in self.buf:
            if not self.fill(max(0, end - time.monotonic())):
                raise AssertionError("no %r; got %r eof=%s" % (mark, self.buf[-300:], self.eof))
        before, _, self.buf = self.buf.partition(mark)
        return before

    def msg(self, timeout=None):
        """One MSG or HMSG: (subject, sid, reply, headers, payload), all bytes."""
        line = self.line(timeout)
        part = line.split()
        if part[0] == b"MSG":
            reply = part[3] if len(part) == 5 else b""
            head, total = 0, int(part[-1])
        elif part[0] == b"HMSG":
            reply = part[3] if len(part) == 6 else b""
            head, total = int(part[-2]), int(part[-1])
        else:
            raise AssertionError("wanted a message, got %r" % line)
        data = self.exactly(total + 2, timeout)
        assert data.endswith(b"\r\n"), data[-20:]
        return part[1], part[2], reply, data[:head], data[head:total]

    def sub(self, subject, sid, queue=None):
        middle = " " + queue if queue else ""
        self.send("SUB %s%s %s\r\n" % (subject, middle, sid))
        return self

    def pub(self, subject, payload=b"", reply=None):
        if isinstance(payload, str):
            payload = payload.encode()
        middle = " " + reply if reply else ""
        self.send(("PUB %s%s %d\r\n" % (subject, middle, len(payload))).encode() + payload + b"\r\n")
        return self

    # -- TLS

    def start_tls(self, ctx, server_hostname=None, timeout=None, session=None):
        """Be the TLS client from here on.  TlsRefused carries the server's alert."""
        assert not self.buf, "bytes before the handshake: %r" % self.buf
        self.bio_in, self.bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        obj = ctx.wrap_bio(self.bio_in, self.bio_out, server_hostname=server_hostname,
                           session=session)
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        while True:
            try:
                obj.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as exc:
                raise TlsRefused(str(exc), alert_of(exc)) from exc
            try:
                out = self.bio_out.read()
                if out:
                    self.sock.sendall(out)
                left = max(0, end - time.monotonic())
                if not readable(self.sock, left):
                    raise AssertionError("the handshake did not end in time")
                data = self.sock.recv(1 << 16)
            except (ConnectionResetError, BrokenPipeError):
                data = b""
            if not data:
                self.eof = True
                raise TlsRefused("closed in the handshake")
            self.raw_in += data
            self.bio_in.write(data)
        self.tls = obj
        self._flush_tls()
        return self

    def tls_close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self._flush_tls()

    def refused_later(self, timeout=None):
        """TLS 1.3 tells a refused certificate on the first read: returns the alert, None = bare end."""
        end = time.monotonic() + (DEADLINE if timeout is None else timeout)
        try:
            while not self.eof:
                if not self.fill(max(0, end - time.monotonic())) and not self.eof:
                    raise AssertionError("the connection was not refused")
        except TlsRefused as exc:
            return exc.alert
        assert self.buf == b"", self.buf
        return None


def tls_context(version=None, ca=None, cert=None, key=None, ciphers=None, curve=None):
    """A client context.  Without ca the server's certificate is not checked."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if ca:
        ctx.verify_mode = ssl.CERT_REQUIRED
        ctx.load_verify_locations(ca)
    if version is not None:
        ctx.minimum_version = ctx.maximum_version = version
    if ciphers:
        ctx.set_ciphers(ciphers)
    if curve:
        ctx.set_ecdh_curve(curve)
    if cert:
        ctx.load_cert_chain(cert, key)
    return ctx


def re_search(pattern, text):
    return re.search(pattern, text, re.M)
