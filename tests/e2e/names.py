"""names.py: the certificates of tests/corpus/names and what is expected of them."""
import os
import re
import ssl

import wire

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(os.path.dirname(HERE), "corpus", "names")


class Unsendable(Exception):
    """OpenSSL, which is this side's library, cannot read the certificate."""


# -- text in the tables: control characters and DEL as \xNN, all else as it is

def escape(text):
    return "".join("\\x%02x" % ord(c) if ord(c) < 0x20 or ord(c) == 0x7F else c for c in text)


def unescape(text):
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), text)


def unescape_list(text):
    return [unescape(part) for part in text.split(" | ")] if text else []


def rows(table):
    with open(os.path.join(CORPUS, table)) as f:
        for line in f.read().split("\n"):
            if line and not line.startswith("#"):
                yield line.split("\t")


# -- servers and clients

def quoted(text):
    """A string of the configuration language."""
    out = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"%s"' % "".join("\\x%02x" % ord(c) if ord(c) < 0x20 or ord(c) == 0x7F else c
                            for c in out)


def file(name):
    return os.path.join(CORPUS, name)


def conf(mode="verify: true", users=None, more=""):
    """users: names, or whole entries in the language of the configuration (with a '{')."""
    text = 'tls {\n cert_file: "%s"\n key_file: "%s"\n ca_file: "%s"\n %s\n}\n%s\n' % (
        file("server.pem"), file("leaf.key"), file("root.pem"), mode, more)
    if users is not None:
        entries = [u if u.startswith("{") else "{ user: %s }" % quoted(u) for u in users]
        text += "authorization { users: [\n  %s\n] }\n" % "\n  ".join(entries)
    return text


def context(cert, version=None):
    try:
        return wire.tls_context(version, cert=file(cert + ".pem"), key=file("leaf.key"))
    except ssl.SSLError as exc:
        raise Unsendable(str(exc)) from exc


def hello(server, cert, version=None, session=None, ctx=None):
    """INFO, handshake; in TLS 1.3 a refusal shows only later."""
    client = server.raw()
    client.read_info()
    client.start_tls(ctx or context(cert, version), session=session)
    return client


def login(server, cert, version=None, **options):
    """(answer, lines): the mapped user, "-" when denied, "!" when the handshake failed; and what
    the debug log said about it, joined by " | "."""
    mark = server.log_size()
    try:
        client = hello(server, cert, version)
        client.connect(**options)
        client.send(b"PING\r\n")
        got = client.line()
    except (wire.TlsRefused, OSError):
        return "!", ""
    if got == b"PONG\r\n":
        answer = server.conn(client.cid, extra="&auth=1").get("authorized_user", "")
        client.close()
    else:
        assert got == b"-ERR 'Authorization Violation'\r\n", got
        answer = "-"
        client.expect_eof()
    # A '%' in the user's name makes the reference spoil the rest of this line.
    server.wait_log("cid:%d - .*connection closed" % client.cid, mark)
    return answer, lines_about(server, client, mark)


def lines_about(server, client, mark):
    """What the debug log says about the mapping of a client that has gone."""
    said = re.findall(r"\[DBG\] \S+ - cid:%d - (.*)$" % client.cid, server.log_since(mark), re.M)
    return " | ".join(s for s in said if re.search(MAPPING_LINES, s))


MAPPING_LINES = (r"^(Using |User in cert|User required|Multiple peer|DistinguishedName|RDNSequence)")
