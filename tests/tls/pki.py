"""pki.py: certificates of every key type for the matrix, made with the openssl program."""
import datetime
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import certs as e2e_certs  # noqa: E402

KEY_OPTIONS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ed25519": ["-algorithm", "Ed25519"],
}
SAN = "DNS:localhost,IP:127.0.0.1"


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, capture_output=True)


class Pki:
    """Files below `directory`: ca, foreign-ca, and leaves by name."""

    def __init__(self, directory):
        self.dir = str(directory)
        self.made = {}
        self.ca = self._ca("ca")
        self.foreign = self._ca("foreign-ca")

    def _base(self, name):
        return os.path.join(self.dir, name)

    def _key(self, path, kind):
        openssl("genpkey", *KEY_OPTIONS[kind], "-out", path)

    def _ca(self, name):
        pair = e2e_certs.Pair(self._base(name))
        self._key(pair.key, "p256")
        openssl("req", "-x509", "-new", "-key", pair.key, "-sha256", "-days", "30", "-subj",
                "/O=Natterjack Tests/CN=" + name, "-out", pair.cert,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return pair

    def leaf(self, name, kind, eku, *, ca=None, san=SAN, days=(-1, 30)):
        """A certificate for CN=name, valid from days[0] to days[1] from now."""
        if name in self.made:
            return self.made[name]
        ca = ca or self.ca
        base = self._base(name)
        pair = e2e_certs.Pair(base)
        self._key(pair.key, kind)
        openssl("req", "-new", "-key", pair.key, "-subj", "/CN=" + name, "-out", base + ".csr")
        usage = "digitalSignature" + (",keyEncipherment" if kind == "rsa" else "")
        with open(base + ".ext", "w") as f:
            f.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,%s\n" % usage)
            f.write("extendedKeyUsage=%s\n" % eku if eku else "")
            f.write("subjectAltName=%s\n" % san if san else "")
        self._sign(base, pair, ca, days)
        self.made[name] = pair
        return pair

    def _sign(self, base, pair, ca, days):
        """`openssl ca` is the one that can date."""
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = ((now + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in days)
        with open(base + ".cnf", "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.index\nrand_serial=yes\nnew_certs_dir=%s\n"
                    "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n" % (base, self.dir))
        open(base + ".index", "w").close()
        openssl("ca", "-batch", "-notext", "-config", base + ".cnf", "-cert", ca.cert, "-keyfile",
                ca.key, "-in", base + ".csr", "-extfile", base + ".ext", "-startdate", start,
                "-enddate", end, "-out", pair.cert)

    def server(self, kind):
        return self.leaf("server-" + kind, kind, "serverAuth")

    def client(self, kind):
        return self.leaf("client-" + kind, kind, "clientAuth", san="email:client@localhost")

    def pkcs12(self, pair):
        """The same pair as Java wants it; the password is "visit"."""
        path = pair.cert + ".p12"
        if not os.path.exists(path):
            openssl("pkcs12", "-export", "-inkey", pair.key, "-in", pair.cert, "-out", path,
                    "-passout", "pass:visit", "-name", "client")
        return path
