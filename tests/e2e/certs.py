"""certs.py: the certificates of a test session, made with the openssl program."""
import hashlib
import os
import subprocess


class Pair:
    """A certificate and its key, by file name."""

    def __init__(self, base):
        self.cert = base + ".pem"
        self.key = base + "-key.pem"

    def spki_sha256(self):
        der = subprocess.run(
            "openssl x509 -noout -pubkey -in '%s' | openssl pkey -pubin -outform DER" % self.cert,
            shell=True, capture_output=True, check=True).stdout
        return hashlib.sha256(der).hexdigest()

    def cert_sha256(self):
        der = subprocess.run(["openssl", "x509", "-in", self.cert, "-outform", "DER"],
                             capture_output=True, check=True).stdout
        return hashlib.sha256(der).hexdigest()


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, capture_output=True)


class Certs:
    SAN = "subjectAltName=DNS:localhost,IP:127.0.0.1"

    def __init__(self, directory):
        self.dir = directory
        self.ca = self._ca("ca", "Test CA")
        self.foreign_ca = self._ca("foreign-ca", "Foreign CA")
        self.middle_ca = self._ca("middle-ca", "Middle CA", issuer=self.ca)
        self.server_ecdsa = self._leaf("server-ecdsa", "ec", "serverAuth", san=True)
        self.server_rsa = self._leaf("server-rsa", "rsa", "serverAuth", san=True)
        self.client = self._leaf("client", "ec", "clientAuth")
        self.client_rsa = self._leaf("client-rsa", "rsa", "clientAuth")
        self.client_foreign = self._leaf("client-foreign", "ec", "clientAuth", ca=self.foreign_ca)
        self.client_wrong_eku = self._leaf("client-wrong-eku", "ec", "serverAuth")
        self.client_no_eku = self._leaf("client-no-eku", "ec", None)
        self.client_middle = self._leaf("client-middle", "ec", "clientAuth", ca=self.middle_ca)
        self.server_middle = self._leaf("server-middle", "ec", "serverAuth", ca=self.middle_ca, san=True)
        for pair in (self.client_middle, self.server_middle):
            self._append(pair, self.middle_ca)
        self.client_expired = self._leaf("client-expired", "ec", "clientAuth", expired=True)

    def server(self, key_type):
        return self.server_ecdsa if key_type == "ecdsa" else self.server_rsa

    def _key(self, path, kind):
        if kind == "ec":
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        else:
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path)

    def _append(self, pair, issuer):
        """Make the leaf's file a chain, leaf first."""
        with open(pair.cert, "a") as out, open(issuer.cert) as more:
            out.write(more.read())

    def _ca(self, name, cn, issuer=None):
        pair = Pair(os.path.join(self.dir, name))
        self._key(pair.key, "ec")
        if issuer is not None:
            with open(os.path.join(self.dir, name + ".ext"), "w") as f:
                f.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
            openssl("req", "-new", "-key", pair.key, "-subj", "/O=Natterjack Tests/CN=" + cn,
                    "-out", os.path.join(self.dir, name + ".csr"))
            openssl("x509", "-req", "-in", os.path.join(self.dir, name + ".csr"), "-CA", issuer.cert,
                    "-CAkey", issuer.key, "-CAcreateserial", "-sha256", "-days", "30",
                    "-extfile", os.path.join(self.dir, name + ".ext"), "-out", pair.cert)
            return pair
        openssl("req", "-x509", "-new", "-key", pair.key, "-sha256", "-days", "30",
                "-subj", "/O=Natterjack Tests/CN=" + cn, "-out", pair.cert,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return pair

    def _leaf(self, name, kind, eku, ca=None, san=False, expired=False):
        ca = ca or self.ca
        base = os.path.join(self.dir, name)
        pair = Pair(base)
        self._key(pair.key, kind)
        openssl("req", "-new", "-key", pair.key, "-subj", "/O=Natterjack Tests/CN=" + name,
                "-out", base + ".csr")
        lines = ["basicConstraints=critical,CA:FALSE",
                 "keyUsage=critical,digitalSignature" + (",keyEncipherment" if kind == "rsa" else "")]
        if eku:
            lines.append("extendedKeyUsage=" + eku)
        if san:
            lines.append(self.SAN)
        with open(base + ".ext", "w") as f:
            f.write("\n".join(lines) + "\n")
        if expired:
            self._expired(base, pair, ca)
        else:
            openssl("x509", "-req", "-in", base + ".csr", "-CA", ca.cert, "-CAkey", ca.key,
                    "-CAcreateserial", "-sha256", "-days", "30", "-extfile", base + ".ext",
                    "-out", pair.cert)
        return pair

    def _expired(self, base, pair, ca):
        """`openssl x509` of version 3.0 cannot date backwards; `openssl ca` can."""
        with open(base + ".cnf", "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.index\nrand_serial=yes\n"
                    "new_certs_dir=%s\ndefault_md=sha256\npolicy=p\n"
                    "[p]\norganizationName=optional\ncommonName=supplied\n" % (base, self.dir))
        open(base + ".index", "w").close()
        openssl("ca", "-batch", "-notext", "-config", base + ".cnf", "-cert", ca.cert,
                "-keyfile", ca.key, "-in", base + ".csr", "-extfile", base + ".ext",
                "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-out", pair.cert)
