"""ocsp.py: certificates whose status can be asked for, and a responder that answers by openssl.

The responder is an HTTP server inside the test: it is bound when it exists, keeps what it was
asked, and can be told to be slow, wrong or silent.  The answers themselves are made by
`openssl ocsp`, or, where that program cannot date them, put together here and signed by openssl.
"""
import base64
import datetime
import hashlib
import http.server
import os
import re
import subprocess
import threading
import urllib.parse


def openssl(*args, data=None):
    return subprocess.run(("openssl",) + args, check=True, capture_output=True, input=data).stdout


# -- DER

def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 0x80:
        head = bytes([n])
    elif n < 0x100:
        head = bytes([0x81, n])
    else:
        head = bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + head + body


def stamp(seconds_from_now):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


class Authority:
    """A CA, certificates of it, and the list of what is revoked."""

    def __init__(self, directory, name="ca"):
        self.dir = directory
        self.name = name
        os.makedirs(directory, exist_ok=True)
        self.cert = os.path.join(directory, name + ".pem")
        self.key = os.path.join(directory, name + ".key")
        self.index = os.path.join(directory, name + ".index")
        self.status = {}
        self.serial = 0x1000
        self._key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", "/O=Natterjack Tests/CN=OCSP " + name,
                "-days", "30", "-out", self.cert, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        with open(self.index + ".attr", "w") as f:
            f.write("unique_subject = no\n")
        self._write()

    def _key(self, path):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)

    def _write(self):
        with open(self.index, "w") as f:
            for serial, status in self.status.items():
                revoked = "261101000000Z" if status == "R" else ""
                f.write("%s\t491231235959Z\t%s\t%X\tunknown\t/CN=x\n" % (status, revoked, serial))

    def leaf(self, name, *lines, eku="serverAuth", known=True):
        """(certificate, key, serial)"""
        base = os.path.join(self.dir, name)
        self.serial += 1
        self._key(base + ".key")
        openssl("req", "-new", "-key", base + ".key", "-subj", "/O=Natterjack Tests/CN=" + name, "-out",
                base + ".csr")
        with open(base + ".ext", "w") as f:
            f.write("\n".join(["basicConstraints=critical,CA:FALSE",
                               "keyUsage=critical,digitalSignature", "extendedKeyUsage=" + eku,
                               "subjectAltName=DNS:localhost,IP:127.0.0.1"] + list(lines)) + "\n")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.key,
                "-set_serial", str(self.serial), "-days", "20", "-extfile", base + ".ext", "-out",
                base + ".pem")
        if known:
            self.status[self.serial] = "V"
            self._write()
        return base + ".pem", base + ".key", self.serial

    def set(self, serial, status):
        """V good, R revoked, None unknown"""
        if status is None:
            self.status.pop(serial, None)
        else:
            self.status[serial] = status
        self._write()

    # -- answers

    def answer(self, request, *args, signer=None):
        """By `openssl ocsp`."""
        cert, key = signer or (self.cert, self.key)
        path = os.path.join(self.dir, "q%d" % threading.get_ident())
        with open(path, "wb") as f:
            f.write(request)
        subprocess.run(["openssl", "ocsp", "-index", self.index, "-CA", self.cert, "-rsigner", cert,
                        "-rkey", key, "-reqin", path, "-respout", path + ".der"] + list(args),
                       check=True, capture_output=True)
        with open(path + ".der", "rb") as f:
            return f.read()

    def dated(self, request, this_s, next_s, status="V"):
        """Signed by the CA itself, with dates in seconds from now."""
        cert_id = request[self._cert_id_at(request):]
        good = {"V": tlv(0x80), "R": tlv(0xa1, stamp(-3600)), None: tlv(0x82)}[status]
        parts = [cert_id, good, stamp(this_s)]
        if next_s is not None:
            parts.append(tlv(0xa0, stamp(next_s)))
        key_hash = hashlib.sha1(self._key_bits()).digest()
        data = tlv(0x30, tlv(0xa2, tlv(0x04, key_hash)), stamp(this_s),
                   tlv(0x30, tlv(0x30, *parts)))
        signature = openssl("dgst", "-sha256", "-sign", self.key, data=data)
        ecdsa_sha256 = tlv(0x30, tlv(0x06, bytes.fromhex("2a8648ce3d040302")))
        basic = tlv(0x30, data, ecdsa_sha256, tlv(0x03, b"\0" + signature))
        return tlv(0x30, tlv(0x0a, b"\0"),
                   tlv(0xa0, tlv(0x30, tlv(0x06, bytes.fromhex("2b0601050507300101")), tlv(0x04, basic))))

    def _key_bits(self):
        der = openssl("x509", "-in", self.cert, "-noout", "-pubkey")
        return openssl("pkey", "-pubin", "-outform", "DER", data=der)[-65:]

    @staticmethod
    def _cert_id_at(request):
        """A request is OCSPRequest { TBSRequest { list { Request { CertID } } } }."""
        at = 0
        for _ in range(4):
            at += 2 if request[at + 1] < 0x80 else 3
        return at


class Responder:
    """behave: a function from the request's DER to the answer's, or to (status, bytes)."""

    def __init__(self, behave):
        self.behave = behave
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.reply(self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self):
                self.reply(base64.b64decode(urllib.parse.unquote(self.path[len("/ocsp/"):])))

            def reply(self, request):
                outer.asked.append((self.command, self.path, dict(self.headers), request))
                got = outer.behave(request)
                status, body = got if isinstance(got, tuple) else (200, got)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass        # the other side has left

        self.http = Server(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = "http://127.0.0.1:%d/ocsp" % self.port
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def staple_of(port, ca, version):
    """What `openssl s_client -status` says of the staple after INFO: its status, None without one."""
    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-status", version,
                        "-CAfile", ca], input=b"", capture_output=True, timeout=30)
    text = p.stdout.decode("utf-8", "replace")
    if "OCSP response: no response sent" in text:
        return None
    found = re.search(r"Cert Status: (\w+)", text)
    assert found, text[-2000:] + p.stderr.decode("utf-8", "replace")[-500:]
    return found.group(1)
