"""Each way in which a handshake fails: the alert that the client gets, the line in the server's log,
the reason in connz, and that a client who does nothing wrong notices nothing.

failures.tsv has what the reference did; `--record` writes it anew."""
import os
import re
import ssl

import pytest

import conftest
import test_matrix
import wire

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "failures.tsv")
HEAD = "# failure\tversion\talert\tlevel\tlog line\treason; made by --record\n"
EXPECTED = test_matrix.read(TABLE, 4) if os.path.exists(TABLE) else {}
# Only in these may the text behind the prefix be the library's own: no certificate is judged.
OWN_WORDS = {"no shared suite", "no shared curve", "version too low", "wrong name"}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_recorded = {}


def verify(pki, more=()):
    return ["ca_file: '%s'" % pki.ca.cert, "verify: true", *more]


def with_client(name, **how):
    def prepare(pki):
        how_now = {k: (getattr(pki, v) if k == "ca" else v) for k, v in how.items()}
        pair = pki.leaf("fails-" + name, "p256", how_now.pop("eku", "clientAuth"), **how_now)
        return verify(pki), {"cert": pair.cert, "key": pair.key}
    return prepare


def not_pinned(pki):
    pair = pki.client("p256")
    return (verify(pki, ["pinned_certs: ['%s']" % pki.client("p384").spki_sha256()]),
            {"cert": pair.cert, "key": pair.key})


# name: (pki -> lines of the tls block, arguments of wire.tls_context)
FAILURES = {
    "expired": with_client("expired", days=(-30, -10)),
    "not yet valid": with_client("early", days=(10, 30)),
    "unknown CA": with_client("foreign", ca="foreign"),
    "wrong EKU": with_client("eku", eku="serverAuth"),
    "no certificate": lambda pki: (verify(pki), {}),
    "not pinned": not_pinned,
    "wrong name": lambda pki: ([], {"ca": pki.ca.cert}),
    "version too low": lambda pki: (["min_version: '1.3'"], {}),
    "no shared suite": lambda pki: (["cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"],
                                    {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}),
    "no shared curve": lambda pki: (["curve_preferences: [CurveP384]"], {"curve": "prime256v1"}),
    "time-out": lambda pki: (["timeout: 1"], {}),
}
ONLY_12 = {"version too low", "no shared suite"}
CASES = [(f, v) for f in FAILURES for v in VERSIONS if v == "1.2" or f not in ONLY_12]


def without_what_varies(line):
    line = re.sub(r"current time \S+ is (after|before) \S+", r"current time T is \1 T", line)
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    return re.sub(r"SHA-256: [0-9a-f]{64}", "SHA-256: HASH", line)


def fail(failure, w, ctx):
    """The alert that came, "-" for a bare end."""
    if failure == "time-out":
        w.expect_eof()
        return "-"
    try:
        w.start_tls(ctx, server_hostname="example.com" if failure == "wrong name" else None)
    except wire.TlsRefused as exc:
        if failure == "wrong name":     # it is the client that refuses: let the server hear it
            w.sock.sendall(w.bio_out.read())
        w.close()
        return "-" if exc.alert is None else str(exc.alert)
    except ssl.SSLError:
        return "-"
    alert = w.refused_later()
    return "-" if alert is None else str(alert)


def context(failure, version, pki, options):
    ctx = wire.tls_context(VERSIONS[version], **options)
    if failure == "wrong name":
        ctx.check_hostname = True
    return ctx


def good_client(pki, server):
    pair = pki.client("p384") if "pinned" in open(server.conf_path).read() else pki.client("p256")
    ctx = wire.tls_context(cert=pair.cert, key=pair.key)
    w = server.raw()
    w.read_info()
    w.start_tls(ctx)
    w.connect()
    w.ping()
    return w


def see(failure, version, server, pki, options):
    since = server.log_size()
    w = server.raw()
    w.read_info()
    cid = w.cid
    alert = fail(failure, w, context(failure, version, pki, options))
    found = server.wait_log(r"\[(ERR|DBG)\] \S+ - cid:%d - (TLS handshake error: .*)$" % cid, since)
    reason = server.closed_reason(cid)
    return [alert, found.group(1), without_what_varies(found.group(2)), reason]


@pytest.mark.parametrize("failure,version", CASES, ids=["%s-%s" % c for c in CASES])
def test_failure(kind, tmp_path, pki, request, failure, version):
    lines, options = FAILURES[failure](pki)
    pair = pki.server("p256")
    conf = ("tls {\n  cert_file: '%s'\n  key_file: '%s'\n  %s\n}\n"
            % (pair.cert, pair.key, "\n  ".join(lines)))
    server = conftest.e2e.Server(kind, tmp_path, args=["-D"], monitor=True, conf=conf)
    server.mark = 0
    conftest.e2e._running.append(server)
    try:
        good = good_client(pki, server)
        got = see(failure, version, server, pki, options)
        good.ping()
        good.close()
    finally:
        server.stop()
    if request.config.getoption("--record"):
        _recorded[(failure, version)] = got
        with open(TABLE, "w") as f:
            f.write(HEAD + "".join("\t".join([*k, *v]) + "\n" for k, v in _recorded.items()))
        return
    want = list(EXPECTED[(failure, version)])
    if not kind.is_ref and failure in OWN_WORDS:
        want[2] = got[2] = "TLS handshake error: …"
    assert got == want
