"""require_fips: a server that runs on a FIPS module or not at all.

No module is at hand, so an ordinary build shows that it is refused without one; what comes after
that is shown by a build with `--enable-fips=mock`, where a stand-in answers for the module
(tests/fips). Which of the two NATTERJACK is, its --version says.
"""
import os
import re
import signal
import subprocess

import pytest

import conftest
import wire

pytestmark = [pytest.mark.own, pytest.mark.quick, pytest.mark.one_worker]

LABELS = ("none", "fips-build, status ok (certificate not asserted)", "fips-build, FAILED")


def label_of(path):
    out = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20).stdout
    found = re.search(r"^fips: (.*)$", out, re.M)
    return found.group(1) if found else None


def is_mock():
    path = conftest.natterjack_path()
    return path is not None and (label_of(path) or "").startswith("fips-mock")


MOCK = is_mock()
ordinary = pytest.mark.skipif(MOCK, reason="this build has a FIPS module")
mocked = pytest.mark.skipif(not MOCK, reason="needs a build with --enable-fips=mock")


# -- an ordinary build

@ordinary
def test_version_tells_the_label_in_its_last_line(run):
    lines = run(["--version"]).stdout.splitlines()

    assert len(lines) == 3
    assert lines[2].startswith("fips: ") and lines[2][6:] in LABELS


@ordinary
@pytest.mark.tls
def test_without_a_module_the_start_is_refused_by_option_file_and_line(run, tmp_path, kind):
    (tmp_path / "c.conf").write_text("port: -1\n\nrequire_fips: true\n")

    for args in (["-t"], []):
        p = run(["-a", "127.0.0.1", "-c", "c.conf"] + args)

        assert p.returncode == 1 and p.stdout == ""
        assert re.search(r'c\.conf:3:\d+: require_fips is true, but tls provider "%s" has no FIPS module at work: '
                         r'\w+ [\d.]+ says "none"; see docs/fips.md' % kind.provider, p.stderr), p.stderr


@ordinary
@pytest.mark.tls
def test_a_forced_mode_without_a_module_does_not_help(run, tmp_path):
    """The variable makes a GnuTLS without a module say nothing else than before."""
    (tmp_path / "c.conf").write_text("port: -1\nrequire_fips: true\n")

    p = run(["-c", "c.conf", "-t"], env=dict(os.environ, GNUTLS_FORCE_FIPS_MODE="1"))

    assert p.returncode == 1 and "no FIPS module" in p.stderr


@ordinary
def test_false_asks_for_nothing(server):
    s = server(conf="require_fips: false\n", monitor=True)

    s.serves()
    own = s.get("/varz")["natterjack"]
    assert own["fips"] == "none" and own["require_fips"] is False
    assert re.fullmatch(r"\d+\.\d+\.\d+", own["version"])


@ordinary
def test_the_log_tells_the_label_to_who_asks_for_more(server):
    s = server(["-D"])

    s.wait_log(r"\[DBG\]   FIPS:     none$")


# -- a build for FIPS, with a stand-in for the module

NIST = "P-256:P-384:P-521"
CRYPTO = re.compile(r"/lib(gnutls|nettle|hogweed|gcrypt|crypto|ssl|crypt|sodium|mbedtls|mbedcrypto|nss3|freebl\w*|"
                    r"softokn\w*|tomcrypt|botan)[-.][^/]*$")


def mapped_crypto(pid):
    """File names of what looks like a cryptographic library in a process, wolfSSL left out."""
    with open("/proc/%d/maps" % pid) as f:
        files = {line.split(None, 5)[5].strip() for line in f if len(line.split(None, 5)) == 6}
    assert any("/libc.so" in name for name in files)
    return sorted(name for name in files if CRYPTO.search(name)), files


def pair_of(tmp_path, name, *key, sign=("-sha256",)):
    """A self-made certificate that another one has signed, and its key."""
    def openssl(*args):
        subprocess.run(("openssl",) + args, check=True, capture_output=True, cwd=tmp_path)
    if not (tmp_path / "issuer.pem").exists():
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=issuer", "-days", "5",
                "-keyout", "issuer.key", "-out", "issuer.pem")
    openssl("req", "-newkey", *key, "-nodes", "-subj", "/CN=localhost", "-keyout", name + ".key", "-out", name + ".csr")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", "issuer.pem", "-CAkey", "issuer.key", "-CAcreateserial",
            "-days", "5", "-out", name + ".pem", *sign)
    return name + ".pem", name + ".key"


def dial(s, *flags):
    """What openssl's client says about a handshake."""
    p = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port] + list(flags),
                       input="", capture_output=True, text=True, timeout=20)
    done = re.search(r"^New, (TLSv1\.[23]), Cipher is (\S+)$", p.stdout, re.M)
    return (done.group(1), done.group(2)) if done else None


@pytest.fixture
def tls_conf(certs):
    def make(more="", pair=None):
        pair = pair or certs.server_ecdsa
        return "tls { cert_file: '%s', key_file: '%s'\nhandshake_first: true\n%s }\n" % (pair.cert, pair.key, more)
    return make


@mocked
def test_it_says_everywhere_that_it_is_a_stand_in(server, run, tls_conf):
    assert run(["--version"]).stdout.splitlines()[2] == "fips: fips-mock"
    s = server(conf=tls_conf(), monitor=True)

    s.wait_log(r"\[INF\]   FIPS:     fips-mock; wolfSSL [\d.]+, module mock; required$")
    own = s.get("/varz")["natterjack"]
    assert own["fips"] == "fips-mock" and own["require_fips"] is True
    assert "wolfSSL" in run(["--list-plugins"]).stdout and "module mock" in run(["--list-plugins"]).stdout


@mocked
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_the_process_maps_one_cryptographic_library(server, tls_conf, tls):
    s = server(conf=tls_conf() if tls else "")
    if tls:
        assert dial(s, "-groups", NIST) is not None
    else:
        s.serves()

    others, files = mapped_crypto(s.pid)

    assert others == []
    assert any("/libwolfssl.so" in name for name in files)


@ordinary
def test_the_look_at_a_process_sees_what_is_there(server):
    """An ordinary build links libcrypt for bcrypt, and its provider brings a library along."""
    s = server()

    others, _ = mapped_crypto(s.pid)

    assert any("/libcrypt." in name for name in others)


@mocked
@pytest.mark.parametrize("flags,expected", [
    (["-tls1_3", "-groups", NIST], ("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
    (["-tls1_2", "-groups", NIST], ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")),
    (["-tls1_3", "-groups", "P-384", "-ciphersuites", "TLS_AES_256_GCM_SHA384"], ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    (["-tls1_3", "-groups", "P-256", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], None),
    (["-tls1_3", "-groups", "X25519"], None),
    (["-tls1_2", "-groups", NIST, "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], None),
    (["-tls1_2", "-groups", NIST, "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], None),
    (["-tls1_2", "-groups", "X25519"], None),
    (["-tls1_2", "-groups", NIST, "-sigalgs", "ECDSA+SHA1", "-cipher", "DEFAULT:@SECLEVEL=0"], None),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_handshakes_take_what_is_approved_and_nothing_else(server, tls_conf, flags, expected):
    s = server(conf=tls_conf())

    assert dial(s, *flags) == expected


@mocked
@pytest.mark.parametrize("key,sign,words", [
    (("ed25519",), (), "an Ed25519 key is not allowed under require_fips"),
    (("rsa:1024",), ("-sha256",), "an RSA key of 1024 bits is too short under require_fips: 2048 is the least"),
    (("rsa:2048",), ("-sha1",), "a signature with SHA-1 is not allowed under require_fips"),
    (("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), ("-sha256",),
     "an EC key on another curve than P-256, P-384 and P-521 is not allowed under require_fips"),
], ids=["ed25519", "rsa1024", "sha1", "secp256k1"])
def test_a_certificate_is_refused_by_its_file(run, tmp_path, key, sign, words):
    cert, key_file = pair_of(tmp_path, "own", *key, sign=sign)
    (tmp_path / "c.conf").write_text("port: -1\n\ntls { cert_file: %s, key_file: %s }\n" % (cert, key_file))

    for args in (["-t"], []):
        p = run(["-a", "127.0.0.1", "-c", "c.conf"] + args)

        assert p.returncode == 1
        assert re.search(r"c\.conf:3:\d+: own\.pem: certificate 1: " + re.escape(words), p.stderr), p.stderr


@mocked
def test_good_certificates_are_taken(run, tmp_path):
    for name, key in (("rsa", ("rsa:2048",)), ("p521", ("ec", "-pkeyopt", "ec_paramgen_curve:P-521"))):
        cert, key_file = pair_of(tmp_path, name, *key)
        (tmp_path / "c.conf").write_text("tls { cert_file: %s, key_file: %s, ca_file: issuer.pem, verify: true }\n"
                                         % (cert, key_file))

        assert run(["-c", "c.conf", "-t"]).returncode == 0


@mocked
@pytest.mark.parametrize("conf,words", [
    ("tls { cipher_suites: [ TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA ] }", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is not allowed"),
    ("tls { curve_preferences: [ X25519, CurveP256 ] }", "curve preference X25519 is not allowed"),
    ("authorization { token: '$2a$10$abcdefghijklmnopqrstuv' }", "a bcrypt hash is not allowed"),
    ("authorization { users: [ { nkey: UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK } ] }",
     '"nkey" is not allowed'),
    ("require_fips: false", "require_fips cannot be false: this server was built with --enable-fips"),
])
def test_an_option_is_refused_by_name_file_and_line(run, tmp_path, conf, words):
    (tmp_path / "c.conf").write_text("port: -1\n\n" + conf + "\n")

    for args in (["-t"], []):
        p = run(["-a", "127.0.0.1", "-c", "c.conf"] + args)

        assert p.returncode == 1
        assert re.search(r"c\.conf:3:\d+: .*" + re.escape(words), p.stderr), p.stderr


@mocked
def test_a_bcrypt_hash_in_a_flag_is_refused(run):
    p = run(["-a", "127.0.0.1", "-p", "-1", "--user", "a", "--pass", "$2a$10$abcdefghijklmnopqrstuv"])

    assert p.returncode == 1
    assert "flag --pass has a bcrypt hash, which is not allowed under require_fips" in p.stderr


@mocked
def test_a_client_with_an_ed25519_certificate_is_refused(server, tls_conf, tmp_path):
    bad = pair_of(tmp_path, "bad", "ed25519", sign=())
    good = pair_of(tmp_path, "good", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    s = server(conf=tls_conf("ca_file: '%s', verify: true" % (tmp_path / "issuer.pem")))

    def with_pair(pair):
        return dial(s, "-tls1_2", "-groups", NIST, "-cert", str(tmp_path / pair[0]), "-key", str(tmp_path / pair[1]))

    assert with_pair(good) is not None
    mark = s.log_size()
    with_pair(bad)
    s.wait_log(r"TLS handshake error: ", since=mark)


@mocked
@pytest.mark.parametrize("state,words", [
    ("status", r"the FIPS module of wolfSSL [\d.]+ failed its power-on test: .* \(-203\)"),
    ("cast", r"the FIPS module of wolfSSL [\d.]+ failed a conditional self-test: .* \(-204\)"),
])
def test_a_module_that_fails_its_tests_lets_no_server_start(run, state, words):
    env = dict(os.environ, NJ_FIPS_MOCK=state)

    p = run(["-a", "127.0.0.1", "-p", "-1"], env=env)

    assert p.returncode == 1
    assert re.search(words, p.stderr), p.stderr
    assert run(["--version"], env=env).stdout.splitlines()[2] == "fips: fips-mock, FAILED"


@mocked
def test_a_module_that_fails_later_ends_tls_and_says_so(server, tls_conf, tmp_path):
    failed = tmp_path / "failed"
    s = server(conf=tls_conf(), monitor=True, env={"NJ_FIPS_MOCK_FAIL": str(failed)})
    before = wire.Wire(s.port)
    before.start_tls(wire.tls_context(curve="prime256v1"))
    before.read_info()
    before.connect().ping()
    assert s.http("/healthz")[0] == 200

    failed.touch()
    assert dial(s, "-groups", NIST) is None

    s.wait_log(r"\[ERR\] .*the FIPS module has failed: .* \(-203\), in-core hash [0-9A-F]{64}; "
               r"no TLS session is served any more, restart the server$")
    s.wait_log(r"TLS handshake error: the FIPS module has failed$")
    assert s.get("/varz")["natterjack"]["fips"] == "fips-mock, FAILED"
    status, _, body = s.http("/healthz")
    assert status == 500 and b"FIPS module(fips-mock, FAILED)" in body
    before.send(b"PING\r\n")
    before.expect_eof()
    s.signal(signal.SIGHUP)
    s.wait_log(r'\[ERR\] Failed to reload server configuration: .* says "fips-mock, FAILED"')
    assert s.log().count("the FIPS module has failed:") == 1
    assert s.alive()


# -- words

def texts():
    """Every file of ours: sources, documents, tests."""
    for top in ("api", "conf", "server", "plugins", "docs", "m4", "tests", "README.md", "CHANGELOG.md", "CONTRIBUTING.md",
                "BENCHMARKS.md", "configure.ac", "Makefile.am", "dev"):
        path = os.path.join(conftest.ROOT, top)
        if os.path.isfile(path):
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = [n for n in folders if n not in ("__pycache__", ".pytest_cache", "crashes")]
            for name in names:
                yield os.path.join(folder, name)


def test_nothing_of_ours_claims_what_only_a_certificate_can(run):
    """Not in sources and documents, nor in what was built from them."""
    word = b"valid" + b"ated"
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(conftest.natterjack_path())))
    built = [os.path.realpath(conftest.natterjack_path())]
    for folder, _, names in os.walk(os.path.join(prefix, "lib", "natterjack")):
        built += [os.path.join(folder, n) for n in names]
    found = []
    for path in list(texts()) + built:
        with open(path, "rb") as f:
            if re.search(rb"(?i)\b" + word + rb"\b", f.read()):
                found.append(path)

    assert len(built) > 1 and found == []
