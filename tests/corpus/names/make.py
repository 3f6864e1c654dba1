#!/usr/bin/env python3
"""Make the certificates of this folder again.  Needs Python 3 and the openssl program.

OpenSSL makes keys and signatures; everything else is written here as DER, because most of these
certificates are ones that no tool would make.  Keys and signatures come out new, all else as
before.  The keys of the authorities are thrown away.
"""
import base64
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TMP = pathlib.Path(tempfile.mkdtemp())

UTF8, NUMERIC, PRINTABLE, T61, IA5, VISIBLE, GENERAL, UNIVERSAL, BMP = (
    0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E)
TYPES = {"CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6",
         "L": "2.5.4.7", "ST": "2.5.4.8", "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11",
         "POSTALCODE": "2.5.4.17", "DC": "0.9.2342.19200300.100.1.25",
         "UID": "0.9.2342.19200300.100.1.1", "E": "1.2.840.113549.1.9.1", "ODD": "1.2.3.4.5"}


# ---- DER ---------------------------------------------------------------------------------------

def tlv(tag, body):
    n = len(body)
    if n < 0x80:
        return bytes([tag, n]) + body
    length = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*parts):
    return tlv(0x30, b"".join(parts))


def oid(text):
    arcs = [int(a) for a in text.split(".")]
    out = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        piece = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            piece.insert(0, 0x80 | arc & 0x7F)
        out += bytes(piece)
    return tlv(6, out)


def small(n):
    return tlv(2, bytes([n]))


def attribute(kind, value, tag=UTF8):
    """value: text (UTF-8, or UTF-16BE for a BMPString) or the very bytes."""
    if isinstance(value, str):
        value = value.encode("utf-16-be" if tag == BMP else "utf-8")
    return seq(oid(TYPES[kind]), tlv(tag, value))


def rdn(*attributes):
    return tlv(0x31, b"".join(sorted(attributes)))


def name(*parts):
    """Each part is (type, value) or (type, value, tag), or an RDN that was made with rdn()."""
    return seq(*(p if isinstance(p, bytes) else rdn(attribute(*p)) for p in parts))


def extension(number, value, critical=False):
    return seq(oid("2.5.29.%d" % number), tlv(1, b"\xff") if critical else b"", tlv(4, value))


def san(kind, value):
    if isinstance(value, str):
        value = value.encode("ascii")
    return tlv(0x80 | kind, value)


def email(value):
    return san(1, value)


def dns(value):
    return san(2, value)


def uri(value):
    return san(6, value)


def ip(value):
    return san(7, value)


# ---- certificates ------------------------------------------------------------------------------

ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"))
DATES = seq(tlv(0x17, b"240101000000Z"), tlv(0x17, b"491231235959Z"))
serials = iter(range(0x4000, 0x8000))


def openssl(*args, stdin=None):
    return subprocess.run(("openssl",) + args, input=stdin, check=True, capture_output=True).stdout


def key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path))
    return path


def spki(path):
    return openssl("pkey", "-in", str(path), "-pubout", "-outform", "DER")


def certificate(subject, subject_key, issuer, issuer_key, extensions):
    tbs = seq(tlv(0xA0, small(2)), tlv(2, next(serials).to_bytes(2, "big")), ECDSA_SHA256,
              issuer, DATES, subject, spki(subject_key), tlv(0xA3, seq(*extensions)))
    signature = openssl("dgst", "-sha256", "-sign", str(issuer_key), stdin=tbs)
    return seq(tbs, ECDSA_SHA256, tlv(3, b"\0" + signature))


def save(file, *ders):
    text = ""
    for der in ders:
        body = base64.encodebytes(der).decode().replace("\n", "")
        lines = [body[i:i + 64] for i in range(0, len(body), 64)]
        text += "\n".join(["-----BEGIN CERTIFICATE-----"] + lines + ["-----END CERTIFICATE-----", ""])
    (HERE / (file + ".pem")).write_text(text)


CA = [extension(19, seq(tlv(1, b"\xff")), True), extension(15, tlv(3, b"\x01\x06"), True)]
USES = [extension(19, seq(), True), extension(15, tlv(3, b"\x07\x80"), True),
        extension(37, seq(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")))]
ROOT = name(("O", "Natterjack"), ("CN", "Names Root"))


def leaf(file, subject, *sans, critical=False):
    more = [extension(17, seq(*sans), critical)] if sans else []
    save(file, certificate(subject, LEAF_KEY, ROOT, ROOT_KEY, USES + more))


def floors():
    """Authorities, each issued by the one before it, with a key of its own: (name, key, DER)."""
    made, issuer, issuer_key = [], ROOT, ROOT_KEY
    for i in range(DEEPEST):
        subject, own = name(("O", "Natterjack"), ("CN", "Floor %d" % i)), key(TMP / ("%d.key" % i))
        made.append((subject, own, certificate(subject, own, issuer, issuer_key, CA)))
        issuer, issuer_key = subject, own
    return made


def deep(length, made):
    """So many certificates sent, leaf first; the root is not among them."""
    issuer, issuer_key = made[length - 2][:2] if length > 1 else (ROOT, ROOT_KEY)
    chain = [certificate(name(("CN", "deep")), LEAF_KEY, issuer, issuer_key, USES)]
    save("deep-%02d" % length, *chain, *(m[2] for m in reversed(made[:length - 1])))


def examples():
    leaf("bob", name(("O", "Example"), ("OU", "Eng"), ("CN", "bob")), email("bob@example.com"),
         dns("host.example.com"), uri("spiffe://ex/bob"))
    leaf("carol", name(("CN", "carol")))
    leaf("dc", name(("DC", "com", IA5), ("DC", "example", IA5), ("OU", "Users"),
                    ("CN", "www.example.com")))
    leaf("dc-only", name(("DC", "com", IA5), ("DC", "example", IA5)))
    leaf("dc-odd", name(("DC", "a,b+c", IA5), ("CN", "x")))
    leaf("multi", name(("O", "Acme"), rdn(attribute("CN", "multi"), attribute("OU", "u1"))))
    leaf("multi-three", name(("O", "Acme"), rdn(attribute("CN", "m"), attribute("OU", "u1"),
                                                attribute("OU", "u2"))))
    leaf("dup", name(("C", "US", PRINTABLE), ("O", "B"), ("O", "A"), ("OU", "x, y"), ("CN", "dup")))
    leaf("full", name(("SERIALNUMBER", "7", PRINTABLE), ("C", "CZ", PRINTABLE), ("ST", "Morava"),
                      ("L", "Brno"), ("STREET", "Hlavni 1"), ("POSTALCODE", "60200"),
                      ("O", "Acme"), ("OU", "Ops"), ("CN", "full")))


def orders():
    leaf("two-emails", name(("CN", "two")), email("first@x.test"), email("second@x.test"))
    leaf("uri-then-email", name(("CN", "two")), uri("urn:two"), dns("two.test"),
         email("two@x.test"))
    leaf("dns-only", name(("CN", "two")), dns("one.test"), dns("two.test"))
    leaf("uri-only", name(("CN", "two")), uri("urn:one"), uri("urn:two"))
    many = [dns("n%d.many.test" % i) for i in range(1000)]
    leaf("sans-1000", name(("CN", "many")), *many)
    leaf("wild", name(("CN", "wild")), dns("*.wild.test"), dns("a.*.test"), dns("*"),
         dns("b*.test"))
    leaf("dns-case", name(("CN", "case")), dns("Host.Test"), dns("dot.test."))
    leaf("ips", name(("CN", "ips")), ip(bytes([192, 0, 2, 7])), ip(bytes(15) + b"\1"))
    leaf("empty-subject-ip", name(), ip(bytes([192, 0, 2, 7])), critical=True)
    leaf("empty-subject-empty-sans", name(), email(""), critical=True)
    leaf("ip-five", name(("CN", "ips")), ip(bytes(5)))
    leaf("empty-sans", name(("CN", "void")), email(""), dns(""), uri(""))


def nuls():
    leaf("nul-cn", name(("CN", "admin\0.evil")))
    leaf("nul-email", name(("CN", "nul")), email(b"admin\0@evil.test"))
    leaf("nul-dns", name(("CN", "nul")), dns(b"admin\0.evil.test"))
    leaf("nul-uri", name(("CN", "nul")), uri(b"urn:admin\0evil"))
    leaf("newline-cn", name(("CN", "a\n[ERR] b")))


def scripts():
    leaf("idn", name(("CN", "Žába, s.r.o.")), dns("xn--aba-jqa9c.test"))
    leaf("high-email", name(("CN", "high")), email("žába@x.test".encode()))
    leaf("high-dns", name(("CN", "high")), dns("žába.test".encode()))
    leaf("high-uri", name(("CN", "high")), uri("urn:žába".encode()))
    leaf("high-ia5", name(("CN", b"\xc5\xbeaba", IA5)))
    leaf("bad-utf8", name(("CN", b"a\xff\xfe", UTF8)))
    leaf("bmp", name(("CN", "Žbmp", BMP)))
    leaf("bmp-odd", name(("CN", b"\0a\0", BMP)))
    leaf("bmp-pair", name(("CN", b"\xd8\x3d\xde\x00", BMP)))
    leaf("bmp-nul", name(("CN", b"\0a\0\0", BMP)))
    leaf("t61", name(("CN", b"t\xe9t\xe9", T61)))
    leaf("universal", name(("CN", b"\0\0\0a", UNIVERSAL)))
    leaf("visible", name(("CN", b"abc", VISIBLE)))
    leaf("general", name(("CN", b"abc", GENERAL)))
    leaf("numeric", name(("CN", b"12 34", NUMERIC)))
    leaf("numeric-bad", name(("CN", b"12a", NUMERIC)))
    leaf("printable-at", name(("CN", b"a@b", PRINTABLE)))
    leaf("printable-star", name(("CN", b"*&", PRINTABLE)))
    leaf("ia5-cn", name(("CN", b"a@b", IA5)))
    leaf("integer-cn", name(("CN", b"\1", 2)))


def subjects():
    leaf("inject-o", name(("O", "x, CN=admin"), ("CN", "user")))
    leaf("inject-cn", name(("CN", "user,OU=admin")))
    leaf("inject-plus", name(("CN", "a+OU=admin")))
    leaf("inject-quote", name(("CN", "a\"],x")))
    leaf("two-cns", name(("CN", "first"), ("CN", "last")))
    leaf("two-cns-one-rdn", name(rdn(attribute("CN", "first"), attribute("CN", "last"))))
    leaf("two-serials", name(("SERIALNUMBER", "1"), ("SERIALNUMBER", "2"), ("CN", "s")))
    leaf("same-twice", name(("O", "X"), ("CN", "evil")))
    leaf("same-thrice", name(("OU", "a"), ("OU", "a"), ("CN", "b")))
    leaf("same-in-rdn", name(rdn(attribute("OU", "a"), attribute("OU", "a"), attribute("CN", "b"))))
    leaf("blank-end", name(("CN", "carol ")))
    leaf("blank-start", name(("CN", " carol")))
    leaf("tab", name(("CN", "\tcarol")))
    leaf("trailing-backslash", name(("CN", "carol\\")))
    leaf("empty-cn", name(("O", "Void"), ("CN", "")))
    leaf("empty-o", name(("O", ""), ("CN", "void")))
    leaf("empty-last-cn", name(("CN", "first"), ("CN", "")))
    leaf("empty-subject", name())
    leaf("empty-subject-dns", name(), dns("nobody.test"), critical=True)
    leaf("empty-subject-email", name(), email("nobody@x.test"), critical=True)
    leaf("empty-subject-uri", name(), uri("urn:nobody"), critical=True)
    leaf("empty-rdn", name(rdn(), ("CN", "holes")))
    leaf("unknown-uid", name(("O", "Acme"), ("UID", "bob"), ("CN", "odd")))
    leaf("unknown-email", name(("O", "Acme"), ("CN", "odd"), ("E", "a@b.test", IA5)))
    leaf("unknown-sn", name(("O", "Acme"), ("SN", "Surname"), ("CN", "odd")))
    leaf("unknown-odd", name(("O", "Acme"), ("ODD", "žz"), ("CN", "odd"), ("DC", "test", IA5)))
    leaf("only-unknown", name(("UID", "bob")))
    leaf("blanks", name(("O", " both "), ("OU", "  two  "), ("CN", "in ner")))
    leaf("hash", name(("O", "#1"), ("CN", "a#b")))
    leaf("specials", name(("O", "a\"b<c>d;e\\f=g"), ("CN", "x,y+z")))
    leaf("case", name(("O", "ACME"), ("CN", "Bob")))
    leaf("long-cn", name(("CN", "l" * 600)))
    leaf("ous-300", name(*[("OU", "u")] * 300, ("CN", "o")))


def uris():
    leaf("uri-case", name(("CN", "u")), uri("SPIFFE://Ex.Test/Bob"))
    leaf("uri-hash", name(("CN", "u")), uri("urn:x#"))
    leaf("uri-query", name(("CN", "u")), uri("http://x.test/a?"))
    leaf("uri-query-value", name(("CN", "u")), uri("http://x.test/a?b=c%20d&e"))
    leaf("uri-fragment", name(("CN", "u")), uri("http://x.test/a#f%41 g"))
    leaf("uri-space", name(("CN", "u")), uri("http://x.test/a b"))
    leaf("uri-space-host", name(("CN", "u")), uri("http://x y.test/"))
    leaf("uri-escape", name(("CN", "u")), uri("http://x.test/%41%2fb"))
    leaf("uri-escape-low", name(("CN", "u")), uri("http://x.test/%c5%bd"))
    leaf("uri-bad-escape", name(("CN", "u")), uri("http://x.test/%zz"))
    leaf("uri-quote", name(("CN", "u")), uri("http://x.test/a\"b<c>"))
    leaf("uri-opaque", name(("CN", "u")), uri("mailto:bob@x.test"))
    leaf("uri-opaque-space", name(("CN", "u")), uri("urn:a b"))
    leaf("uri-opaque-case", name(("CN", "u")), uri("URN:Abc"))
    leaf("uri-relative", name(("CN", "u")), uri("bob"))
    leaf("uri-path", name(("CN", "u")), uri("/bob"))
    leaf("uri-dots", name(("CN", "u")), uri("http://x.test/a/../b/./c"))
    leaf("uri-user", name(("CN", "u")), uri("http://u:p%40@x.test/"))
    leaf("uri-user-empty", name(("CN", "u")), uri("http://u:@x.test/"))
    leaf("uri-port", name(("CN", "u")), uri("http://x.test:80/"))
    leaf("uri-port-empty", name(("CN", "u")), uri("http://x.test:/"))
    leaf("uri-port-bad", name(("CN", "u")), uri("http://x.test:eight/"))
    leaf("uri-ip6", name(("CN", "u")), uri("http://[::1]:8080/a"))
    leaf("uri-ip4", name(("CN", "u")), uri("http://192.0.2.1/a"))
    leaf("uri-no-scheme", name(("CN", "u")), uri("://x"))
    leaf("uri-host-bad", name(("CN", "u")), uri("http://.x.test/"))
    leaf("uri-host-dot", name(("CN", "u")), uri("http://x.test./"))
    leaf("uri-host-under", name(("CN", "u")), uri("spiffe://trust_domain/x"))
    leaf("uri-colon-first", name(("CN", "u")), uri("a:b:c"))
    leaf("uri-double-slash", name(("CN", "u")), uri("file:///etc//x"))
    leaf("uri-scheme-only", name(("CN", "u")), uri("urn:"))
    leaf("uri-number", name(("CN", "u")), uri("1a:b"))


def keys(leaf_key):
    global ROOT_KEY, LEAF_KEY
    ROOT_KEY, LEAF_KEY = key(TMP / "root.key"), key(leaf_key)


def main():
    keys(HERE / "leaf.key")
    for old in HERE.glob("*.pem"):
        old.unlink()
    save("root", certificate(ROOT, ROOT_KEY, ROOT, ROOT_KEY, CA))
    save("server", certificate(name(("CN", "localhost")), LEAF_KEY, ROOT, ROOT_KEY,
                               USES + [extension(17, seq(dns("localhost")))]))
    for group in (examples, orders, nuls, scripts, subjects, uris):
        group()
    made = floors()
    for length in DEPTHS:
        deep(length, made)


DEPTHS = (1, 2, 3, 8, 9, 10, 11, 16, 17, 31, 32, 33, 40)
DEEPEST = 39
ROOT_KEY = LEAF_KEY = None      # made by keys()

if __name__ == "__main__":
    main()
