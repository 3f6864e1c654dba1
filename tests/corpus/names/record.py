#!/usr/bin/env python3
"""Record what nats-server says about the certificates of this folder.

    NATS_SERVER_REF=.../nats-server .venv/bin/python tests/corpus/names/record.py

Writes certs.tsv anew, and the last two columns of mapping.tsv.  README.md says what they mean.
"""
import os
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "e2e"))

import conftest                         # noqa: E402
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


def main():
    kind = conftest.Kind("reference", os.environ["NATS_SERVER_REF"])
    with tempfile.TemporaryDirectory() as tmp:
        directory = pathlib.Path(tmp)
        if "mapping" not in sys.argv:
            record_certs(kind, directory / "certs")
        record_mapping(kind, directory)


if __name__ == "__main__":
    main()
