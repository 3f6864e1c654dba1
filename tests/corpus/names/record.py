#!/usr/bin/env python3
"""Record what nats-server says about the certificates of this folder.

    NATS_SERVER_REF=.../nats-server .venv/bin/python tests/corpus/names/record.py

Writes certs.tsv anew, the last two columns of mapping.tsv and the last one of urls.tsv.  README.md
says what they mean.
"""
import os
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "e2e"))

import conftest                         # noqa: E402
import make                             # noqa: E402
import names                            # noqa: E402
import wire                             # noqa: E402

REFUSED = re.compile(r"TLS handshake error: (?:tls: )?(.*?)(?: \(.*SHA-256: [0-9a-f]{64}\))?$", re.M)


def record_certs(kind, directory):
    old = {row[0]: row[1] for row in names.rows("certs.tsv")}
    lines = ["# cert\tverdict\tsubject in connz\tsent"]
    server = conftest.Server(kind, directory, ["-D"], conf=names.conf(), monitor=True)
    for path in sorted(HERE.glob("*.pem")):
        if path.stem in ("root", "server"):
            continue
        mark = server.log_size()
        try:
            client = names.hello(server, path.stem)
            client.connect().ping()
            peers = server.conn(client.cid, extra="&auth=1")["tls_peer_certs"]
            subject = names.escape(peers[0].get("subject", ""))
            lines.append("%s\taccept\t%s\tyes" % (path.stem, subject))
            client.close()
        except names.Unsendable:
            lines.append("%s\t%s\t\tno" % (path.stem, old.get(path.stem, "unknown")))
        except (wire.TlsRefused, OSError):
            text = server.wait_log(REFUSED.pattern, mark).group(1)
            lines.append("%s\t%s\t\tyes" % (path.stem, names.escape(text)))
    server.stop()
    (HERE / "certs.tsv").write_text("\n".join(lines) + "\n")


def record_mapping(kind, directory):
    out = []
    for line in (HERE / "mapping.tsv").read_text().splitlines():
        if line.startswith("#") or not line:
            out.append(line)
            continue
        row, cert, users = line.split("\t")[:3]
        server = conftest.Server(kind, directory / row, ["-D"], monitor=True,
                                 conf=names.conf("verify_and_map: true", names.unescape_list(users)))
        answer, said = names.login(server, cert)
        server.stop()
        out.append("\t".join([row, cert, users, names.escape(answer), said]))
    (HERE / "mapping.tsv").write_text("\n".join(out) + "\n")


URLS_CONF = """
cluster {
  name: c
  listen: "127.0.0.1:-1"
  tls { cert_file: "%(dir)s/server.pem", key_file: "%(dir)s/leaf.key", ca_file: "%(dir)s/root.pem"
        verify_cert_and_check_known_urls: true }
  routes: [ %(routes)s ]
  no_advertise: true
}
"""
ROUTE = b'CONNECT {"server_id":"N%s","tls_required":true,"name":"x","cluster":"c"}\r\nPING\r\n'


def url_verdict(kind, directory, sans, hosts):
    """Be a route that shows a certificate with these DNS SANs."""
    make.save("peer", make.certificate(make.name(("CN", "peer")), make.LEAF_KEY, make.ROOT,
                                       make.ROOT_KEY, make.USES + [make.extension(17, make.seq(
                                           *(make.dns(s) for s in sans)))]))
    routes = ", ".join('"nats://%s:1"' % h for h in hosts)
    server = conftest.Server(kind, directory, ["-D"],
                             conf=URLS_CONF % {"dir": make.HERE, "routes": routes})
    port = int(server.urls["cluster"][0].rsplit(":", 1)[1])
    peer = wire.Wire(port)
    peer.start_tls(wire.tls_context(cert=str(make.HERE / "peer.pem"),
                                    key=str(make.HERE / "leaf.key")))
    peer.read_info()
    peer.send(ROUTE % (b"A" * 55))
    line = peer.line()
    peer.close()
    server.stop()
    return "refuse" if b"Authorization Violation" in line else "accept"


def record_urls(kind, directory):
    make.HERE = directory
    make.keys(directory / "leaf.key")
    make.save("root", make.certificate(make.ROOT, make.ROOT_KEY, make.ROOT, make.ROOT_KEY, make.CA))
    make.save("server", make.certificate(make.name(("CN", "s")), make.LEAF_KEY, make.ROOT,
                                         make.ROOT_KEY, make.USES))
    out = []
    for line in (HERE / "urls.tsv").read_text().splitlines():
        if not line.startswith("#"):
            row, sans, hosts = line.split("\t")[:3]
            line = "\t".join([row, sans, hosts, url_verdict(
                kind, directory / row, sans.split(" "), hosts.split(" "))])
        out.append(line)
    (HERE / "urls.tsv").write_text("\n".join(out) + "\n")


def main():
    kind = conftest.Kind("reference", os.environ["NATS_SERVER_REF"])
    with tempfile.TemporaryDirectory() as tmp:
        directory = pathlib.Path(tmp)
        record_certs(kind, directory / "certs")
        record_mapping(kind, directory)
        record_urls(kind, directory)


if __name__ == "__main__":
    main()
