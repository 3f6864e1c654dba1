"""The C client, libnats, when its development files are there: nats_c/scene.c plays the scene."""
import os
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.quick]
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    cc = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        pytest.skip("needs a C compiler")
    out = tmp_path_factory.mktemp("nats_c")
    probe = out / "probe.c"
    probe.write_text("#include <nats/nats.h>\nint main(void) { nats_GetVersion(); return 0; }\n")
    if subprocess.run([cc, str(probe), "-o", str(out / "probe"), "-lnats"], capture_output=True).returncode:
        pytest.skip("needs libnats-dev")
    program = str(out / "scene")
    subprocess.run([cc, "-std=c17", "-Wall", "-Wextra", "-Werror", os.path.join(HERE, "nats_c/scene.c"),
                    "-o", program, "-lnats"], check=True)
    return program


def play(*argv):
    p = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr


def test_plain(plain, scene):
    play(scene, "nats://127.0.0.1:%d" % plain.port)


@pytest.mark.tls
@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
@pytest.mark.parametrize("minimum", ["1.2", "1.3"])
def test_tls(server, scene, certs, key_type, minimum):
    pair = certs.server(key_type)
    s = server(conf='tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: true, min_version: "%s" }\n'
               % (pair.cert, pair.key, certs.ca.cert, minimum))

    play(scene, "tls://127.0.0.1:%d" % s.port, certs.ca.cert, certs.client.cert, certs.client.key, "localhost")
