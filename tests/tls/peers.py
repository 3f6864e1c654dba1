"""peers.py: the clients of the matrix.  Each visits a server whose TLS comes first: handshake with
one version, suite and curve, CONNECT with a name, PING, and waits for the PONG.

visit(port, case, name, files) gives (True, "") or (False, what the client said).
"""
import collections
import os
import shutil
import ssl
import subprocess
import threading

import matrix
import wire

HERE = os.path.dirname(os.path.abspath(__file__))
Files = collections.namedtuple("Files", "ca cert key p12")      # cert, key, p12: None without one
SECONDS = 15 * wire.PATIENCE

OPENSSL_12 = {"AES_128_GCM_SHA256": "AES128-GCM-SHA256", "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
              "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305", "AES_128_CBC_SHA": "AES128-SHA",
              "AES_256_CBC_SHA": "AES256-SHA"}
OPENSSL_CURVES = {"X25519": "X25519", "P-256": "prime256v1", "P-384": "secp384r1",
                  "P-521": "secp521r1"}
GNUTLS_CIPHERS = {"AES_128_GCM_SHA256": "+AES-128-GCM:+AEAD", "AES_256_GCM_SHA384": "+AES-256-GCM:+AEAD",
                  "CHACHA20_POLY1305_SHA256": "+CHACHA20-POLY1305:+AEAD",
                  "AES_128_CBC_SHA": "+AES-128-CBC:+SHA1", "AES_256_CBC_SHA": "+AES-256-CBC:+SHA1"}
GNUTLS_CURVES = {"X25519": "X25519", "P-256": "SECP256R1", "P-384": "SECP384R1",
                 "P-521": "SECP521R1"}
WOLFSSL_13 = {"TLS_AES_128_GCM_SHA256": "TLS13-AES128-GCM-SHA256",
              "TLS_AES_256_GCM_SHA384": "TLS13-AES256-GCM-SHA384",
              "TLS_CHACHA20_POLY1305_SHA256": "TLS13-CHACHA20-POLY1305-SHA256"}
JAVA_CURVES = {"X25519": "x25519", "P-256": "secp256r1", "P-384": "secp384r1",
               "P-521": "secp521r1"}


def auth_of(case):
    return "RSA" if case.key == "rsa" else "ECDSA"


def openssl_suite(case):
    if case.version == "1.3":
        return case.suite
    return "ECDHE-%s-%s" % (auth_of(case), OPENSSL_12[case.suite])


def hello(name):
    return b'CONNECT {"name":"%s"}\r\nPING\r\n' % name.encode()


def chat(argv, name):
    """A tool that carries standard input to the server and the server's bytes to its output."""
    tool = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    limit = threading.Timer(SECONDS, tool.kill)
    limit.start()
    got = b""
    try:
        tool.stdin.write(hello(name))
        tool.stdin.flush()
        while b"PONG\r\n" not in got:
            data = tool.stdout.read1(4096)
            if not data:
                break
            got += data
        tool.stdin.close()
    except BrokenPipeError:
        got += tool.stdout.read()
    finally:
        tool.terminate()
        tool.wait()
        limit.cancel()
    return b"PONG\r\n" in got, got[-600:].decode("utf-8", "replace")


def say(argv, **more):
    """A client that prints "pong" or why not."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, **more)
    out = (done.stdout + done.stderr).strip()
    return done.returncode == 0, out[-600:]


class Python:
    def missing(self):
        return None

    def visit(self, port, case, name, files):
        version = ssl.TLSVersion.TLSv1_3 if case.version == "1.3" else ssl.TLSVersion.TLSv1_2
        ciphers = None if case.version == "1.3" else openssl_suite(case)
        ctx = wire.tls_context(version, files.ca, files.cert, files.key, ciphers,
                               OPENSSL_CURVES[case.curve])
        w = wire.Wire(port)
        try:
            w.start_tls(ctx, server_hostname="localhost")
            w.read_info()
            w.connect(name=name)
            w.ping()
            return True, ""
        except (wire.TlsRefused, AssertionError) as exc:
            return False, str(exc)
        finally:
            w.close()


class OpenSsl:
    def missing(self):
        return None if shutil.which("openssl") else "openssl"

    def visit(self, port, case, name, files):
        argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-servername", "localhost",
                "-CAfile", files.ca, "-verify_return_error", "-quiet", "-no_ign_eof",
                "-curves", OPENSSL_CURVES[case.curve]]
        if case.version == "1.3":
            argv += ["-tls1_3", "-ciphersuites", case.suite]
        else:
            argv += ["-tls1_2", "-cipher", openssl_suite(case)]
        if files.cert:
            argv += ["-cert", files.cert, "-key", files.key]
        return chat(argv, name)


class GnuTls:
    def missing(self):
        return None if shutil.which("gnutls-cli") else "gnutls-cli (Debian: gnutls-bin)"

    def visit(self, port, case, name, files):
        cipher = case.suite[4:] if case.version == "1.3" else case.suite
        priority = ["NORMAL", "-VERS-ALL", "+VERS-TLS" + case.version, "-CIPHER-ALL", "-MAC-ALL",
                    GNUTLS_CIPHERS[cipher], "-GROUP-ALL", "+GROUP-" + GNUTLS_CURVES[case.curve]]
        if case.version == "1.2":
            priority += ["-KX-ALL", "+ECDHE-" + auth_of(case)]
        argv = ["gnutls-cli", "--port", str(port), "--sni-hostname", "localhost",
                "--verify-hostname", "localhost", "--x509cafile", files.ca,
                "--priority", ":".join(priority)]
        if files.cert:
            argv += ["--x509certfile", files.cert, "--x509keyfile", files.key]
        return chat(argv + ["127.0.0.1"], name)


class WolfSsl:
    """Our own small program on Debian's library."""

    def __init__(self, directory):
        self.program = os.path.join(directory, "wolf")
        self.reason = None
        try:
            subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-O1", "-o",
                            self.program, os.path.join(HERE, "peers", "wolf.c"), "-lwolfssl"],
                           check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            self.reason = "wolfSSL's header or a compiler (Debian: libwolfssl-dev, gcc)"

    def missing(self):
        return self.reason

    def visit(self, port, case, name, files):
        suite = WOLFSSL_13[case.suite] if case.version == "1.3" else openssl_suite(case)
        argv = [self.program, str(port), case.version, suite, case.curve, name, files.ca]
        return say(argv + ([files.cert, files.key] if files.cert else []))


class NatsCli:
    def __init__(self):
        self.program = os.environ.get("NATS_CLI") or wire_root(".dev/bin/nats")

    def missing(self):
        return None if os.access(self.program, os.X_OK) else "the nats command line tool"

    def visit(self, port, case, name, files):
        argv = [self.program, "--server", "nats://localhost:%d" % port, "--tlsfirst", "--tlsca",
                files.ca, "--connection-name", name, "--timeout", "%ds" % SECONDS]
        argv += ["--tlscert", files.cert, "--tlskey", files.key] if files.cert else []
        return say(argv + ["rtt", "1"], env=dict(os.environ, HOME=os.path.dirname(files.ca)))


class Node:
    def missing(self):
        return None if shutil.which("node") else "node"

    def visit(self, port, case, name, files):
        argv = ["node", os.path.join(HERE, "peers", "visit.js"), str(port), case.version,
                openssl_suite(case), OPENSSL_CURVES[case.curve], name, files.ca]
        return say(argv + ([files.cert, files.key] if files.cert else []))


class Java:
    def __init__(self, directory):
        self.directory = directory
        self.reason = None
        try:
            subprocess.run(["javac", "-d", directory, os.path.join(HERE, "peers", "Visit.java")],
                           check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            self.reason = "a Java compiler (%s)" % type(exc).__name__

    def missing(self):
        return self.reason

    def visit(self, port, case, name, files):
        argv = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", self.directory,
                "-Djdk.tls.namedGroups=" + JAVA_CURVES[case.curve], "Visit", str(port),
                case.version, matrix.suite_name(case), name, files.ca]
        return say(argv + ([files.p12] if files.p12 else []))


def wire_root(path):
    return os.path.join(HERE, "..", "..", path)


def all_peers(directory):
    return {"python": Python(), "openssl": OpenSsl(), "gnutls": GnuTls(),
            "wolfssl": WolfSsl(directory), "nats": NatsCli(), "node": Node(),
            "java": Java(directory)}
