"""matrix.py: which combinations of peer, version, key, suite, curve and verification are visited.

A case is what one client does with one server.  The server is as open as its defaults; the client
restricts itself to one version, suite and curve, so that what must come out is known.
"""
import collections
import itertools

# Names as IANA has them, which are the reference's too.
SUITES = {
    "1.3": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
    "1.2": ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256",
            "AES_128_CBC_SHA", "AES_256_CBC_SHA"],
}
KEYS = ["rsa", "p256", "p384", "ed25519"]
CURVES = ["X25519", "P-256", "P-384", "P-521"]
VERIFY = ["off", "verify", "map"]
PEERS = ["python", "openssl", "gnutls", "wolfssl", "nats", "node", "java"]

Case = collections.namedtuple("Case", "peer version key suite curve verify")


def name_of(case):
    return "-".join(case)


def suite_12(case):
    """The whole name of a TLS 1.2 suite: the certificate's kind is in it."""
    kind = "RSA" if case.key == "rsa" else "ECDSA"
    return "TLS_ECDHE_%s_WITH_%s" % (kind, case.suite)


def suite_name(case):
    return case.suite if case.version == "1.3" else suite_12(case)


def can(case):
    """What a peer's own options let it ask for; nothing here is about the server."""
    if case.peer == "nats":     # the command line tool has no options for these
        return case.version == "1.3" and case.suite == "any" and case.curve == "any"
    if case.suite == "any" or case.curve == "any":
        return False
    if case.peer == "python":   # its module takes neither X25519 alone nor a suite of TLS 1.3
        return case.version == "1.2" and case.curve != "X25519"
    if case.peer == "wolfssl" and case.key == "ed25519":
        return False            # Debian's wolfSSL does not name Ed25519 in its ClientHello
    if case.peer == "java" and case.key == "ed25519" and case.version == "1.2":
        return False            # JSSE knows Ed25519 in TLS 1.3 alone
    return True


def everything():
    """All cases."""
    cases = []
    for version in ("1.3", "1.2"):
        for values in itertools.product(PEERS, [version], KEYS, SUITES[version] + ["any"],
                                        CURVES + ["any"], VERIFY):
            case = Case(*values)
            if can(case):
                cases.append(case)
    return cases


def pairs_of(case):
    return {((i, case[i]), (j, case[j]))
            for i, j in itertools.combinations(range(len(case)), 2)}


def pairwise(cases):
    """A small part of `cases` in which every two values that can meet do meet.  Greedy, and the
    same each time: the first of the cases that add most."""
    left = set().union(*(pairs_of(c) for c in cases))
    pool = [(c, pairs_of(c)) for c in cases]
    chosen = []
    while left:
        best, best_pairs = max(pool, key=lambda cp: len(cp[1] & left))
        chosen.append(best)
        left -= best_pairs
    return chosen
