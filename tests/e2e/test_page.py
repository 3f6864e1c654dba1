"""The NATS documentation page "Enabling TLS", followed line by line with its own commands."""
import shutil

import pytest

import sandbox

pytestmark = [pytest.mark.tls, pytest.mark.one_worker]

# The page's certificates, as it makes them; its later examples use them.
CERTS = """
mkcert -install
mkcert -cert-file server-cert.pem -key-file server-key.pem localhost ::1
mkcert -client -cert-file client-cert.pem -key-file client-key.pem localhost ::1 email@localhost
cp "$(mkcert -CAROOT)/rootCA.pem" .
"""


@pytest.fixture
def play(kind, tmp_path):
    """play(script): with the page's certificates in the folder; gives the output."""
    sandbox.need("mkcert", "nats", "openssl", "curl", "update-ca-certificates")

    def call(script, certs=CERTS):
        return sandbox.play(kind, tmp_path, certs + script)
    return call


# What the page starts with its tls maps, as configuration files.
SIMPLEST = """
cat >simplest.conf <<END
tls: {
  cert_file: "./server-cert.pem"
  key_file: "./server-key.pem"
}
END
"""


@pytest.mark.quick
def test_making_certificates_and_the_monitoring_port(play):
    play("""
mkcert -install
mkcert -cert-file server-cert.pem -key-file server-key.pem localhost ::1
start nats-server --tls --tlscert=server-cert.pem --tlskey=server-key.pem -ms 8222
logged 'INF. Starting https monitor on 0\\.0\\.0\\.0:8222$'
logged 'INF. TLS required for client connections$'
[ "$(curl -sS https://localhost:8222/healthz)" = '{"status":"ok"}' ]
[ "$(curl -sS 'https://[::1]:8222/healthz')" = '{"status":"ok"}' ]
refused "matches target host name '127.0.0.1'" curl -sS https://127.0.0.1:8222/
nats -s tls://localhost:4222 pub check hello
nats -s 'tls://[::1]:4222' pub check hello
refused 'certificate is valid for ::1, not 127.0.0.1' nats -s tls://127.0.0.1:4222 pub check hello

mkcert -client -cert-file client-cert.pem -key-file client-key.pem localhost ::1 email@localhost
[ -f "$(mkcert -CAROOT)/rootCA.pem" ]
openssl x509 -noout -text -in server-cert.pem | grep 'DNS:localhost, IP Address:0:0:0:0:0:0:0:1'
openssl x509 -noout -text -in server-cert.pem | grep 'TLS Web Server Authentication'
openssl x509 -noout -text -in client-cert.pem | grep 'email:email@localhost'
openssl x509 -noout -text -in client-cert.pem | grep 'TLS Web Client Authentication, TLS Web Server Authentication'
openssl x509 -noout -text -in client-cert.pem | grep 'Digital Signature, Key Encipherment'

mkcert -uninstall
refused 'unable to get local issuer certificate' curl -sS https://localhost:8222/healthz
curl -sS --cacert "$(mkcert -CAROOT)/rootCA.pem" https://localhost:8222/healthz
refused 'signed by unknown authority' nats -s tls://localhost:4222 pub check hello
nats -s tls://localhost:4222 --tlsca "$(mkcert -CAROOT)/rootCA.pem" pub check hello
stop
""", certs="")


def test_simplest_configuration_flags_and_debug_lines(play):
    play(SIMPLEST + """
start nats-server -c simplest.conf
nats -s tls://localhost:4222 pub check hello
nats -s nats://localhost:4222 pub check hello       # INFO says that TLS is wanted
stop

start nats-server --tls --tlscert=./server-cert.pem --tlskey=./server-key.pem -D
nats -s tls://localhost:4222 pub check hello
logged 'DBG. 127.0.0.1:[0-9]+ - cid:[0-9]+ - Client connection created$'
logged 'DBG. 127.0.0.1:[0-9]+ - cid:[0-9]+ - Starting TLS client connection handshake$'
logged 'DBG. 127.0.0.1:[0-9]+ - cid:[0-9]+ - TLS handshake complete$'
logged 'DBG. 127.0.0.1:[0-9]+ - cid:[0-9]+ - TLS version 1.3, cipher suite TLS_[A-Z0-9_]+$'
stop

start nats-server -c simplest.conf -DV
nats -s tls://localhost:4222 pub check hello
logged 'DBG. 127.0.0.1:[0-9]+ - cid:[0-9]+ - TLS version 1.3, cipher suite TLS_[A-Z0-9_]+$'
stop

cat simplest.conf >https.conf
echo 'https_port: 8222' >>https.conf
start nats-server -c https.conf
curl -sSf https://localhost:8222/varz | grep '"https_port": 8222'
stop
""")


def test_handshake_first(play):
    play("""
cat >first.conf <<END
tls: {
  cert_file: "./server-cert.pem"
  key_file: "./server-key.pem"
  handshake_first: true
}
https_port: 8222
END
sed 's/first: true/first: auto/' first.conf >auto.conf
sed 's/first: true/first: "300ms"/' first.conf >delay.conf
# A subscriber stays, and connz can tell how it began.
seen_first() {
    nats -s tls://localhost:4222 --tlsfirst sub x >sub.out 2>&1 &
    until curl -sSf https://localhost:8222/connz | grep '"tls_first": true'; do sleep 0.05; done
    kill $!
    wait $! || true
}

start nats-server -c first.conf
logged 'WRN. Clients that are not using "TLS Handshake First" option will fail to connect$'
nats -s tls://localhost:4222 --tlsfirst pub check hello
refused . nats -s tls://localhost:4222 --timeout 3s pub check hello
seen_first
stop

for conf in auto.conf delay.conf; do
    start nats-server -c $conf
    nats -s tls://localhost:4222 --tlsfirst pub check hello
    nats -s tls://localhost:4222 pub check hello
    seen_first
    stop
done
""")


def test_timeout_that_is_too_low(play):
    play("""
cat >timeout.conf <<END
tls: {
  cert_file: "./server-cert.pem"
  key_file: "./server-key.pem"
  # clients will fail to connect (value is too low)
  timeout: 0.0001
}
END
start nats-server -c timeout.conf -D
refused . nats -s tls://localhost:4222 --timeout 3s pub check hello
logged 'TLS handshake (timeout|error)'
stop
""")


def test_client_certificates(play):
    """verify with ca_file, with the system's trust store, and the pin of the page's commands."""
    play(SIMPLEST + """
with() { nats -s tls://localhost:4222 --tlscert client-cert.pem --tlskey client-key.pem "$@"; }
sed 's/^}/  verify: true\\n  ca_file: ".\\/rootCA.pem"\\n}/' simplest.conf >verify.conf
echo 'https_port: 8222' >>verify.conf
sed '/ca_file/d' verify.conf >system.conf

start nats-server -c verify.conf
with pub check hello
refused . nats -s tls://localhost:4222 pub check hello
logged "ERR.* - TLS handshake error: tls: client didn't provide a certificate$"
curl -sSf https://localhost:8222/varz | grep '"tls_verify": true'
stop

start nats-server -c system.conf
with pub check hello
stop

# not in the system's store: only the ca_file knows it
mkcert -uninstall
mv rootCA.pem trusted.pem
sed 's/rootCA/trusted/' verify.conf >known.conf
start nats-server -c known.conf
with --tlsca trusted.pem pub check hello
stop
start nats-server -c system.conf
refused . nats -s tls://localhost:4222 --tlsca trusted.pem --tlscert client-cert.pem --tlskey client-key.pem pub check hello
logged 'ERR.* - TLS handshake error: .*(unknown authority|provide a certificate)'
stop

pin=$(openssl x509 -noout -pubkey -in client-cert.pem | openssl pkey -pubin -outform DER | openssl dgst -sha256)
pin=${pin##* }
sed "s/  verify: true/  verify: true\\n  pinned_certs: [ \\"$pin\\" ]/" known.conf >pinned.conf
start nats-server -c pinned.conf
with --tlsca trusted.pem pub check hello
stop
openssl req -x509 -newkey rsa:2048 -nodes -keyout other-key.pem -out other.pem -subj /CN=other -days 2
pin=$(openssl x509 -noout -pubkey -in other.pem | openssl pkey -pubin -outform DER | openssl dgst -sha256)
pin=${pin##* }
sed "s/  verify: true/  verify: true\\n  pinned_certs: [ \\"$pin\\" ]/" known.conf >unpinned.conf
start nats-server -c unpinned.conf -D
refused . nats -s tls://localhost:4222 --tlsca trusted.pem --tlscert client-cert.pem --tlskey client-key.pem pub check hello
logged 'ERR.* - TLS handshake error: certificate not pinned$'
logged 'Failed pinned cert test for key id: [0-9a-f]{64}$'
stop
""")


def test_authorities_side_by_side(play):
    """ca_file may hold several: clients of either are let in, with an intermediate that they send."""
    play(SIMPLEST + """
ca() { # ca NAME [ISSUER]: an authority, by itself or by another one
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1-key.pem -subj "/CN=$1" -out $1.csr
    printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign\\n' >$1.ext
    if [ -n "$2" ]; then by="-CA $2.pem -CAkey $2-key.pem -CAcreateserial"; else by="-signkey $1-key.pem"; fi
    openssl x509 -req -in $1.csr $by -days 2 -extfile $1.ext -out $1.pem
}
leaf() { # leaf NAME ISSUER
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1-key.pem -subj "/CN=$1" -out $1.csr
    printf 'keyUsage=critical,digitalSignature\\nextendedKeyUsage=clientAuth\\n' >$1.ext
    openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2-key.pem -CAcreateserial -days 2 -extfile $1.ext -out $1.pem
}
ca old
ca new
ca middle new
leaf one old
leaf two middle
cat middle.pem >>two.pem
leaf three middle               # does not send the intermediate
cat old.pem new.pem >both.pem
sed 's/^}/  verify: true\\n  ca_file: ".\\/both.pem"\\n}/' simplest.conf >both.conf
start nats-server -c both.conf
for who in one two; do
    nats -s tls://localhost:4222 --tlscert $who.pem --tlskey $who-key.pem pub check hello
done
refused . nats -s tls://localhost:4222 --tlscert three.pem --tlskey three-key.pem pub check hello
logged 'ERR.* - TLS handshake error: .*(unknown authority|provide a certificate)'
stop
""")


def test_advertised_name(play):
    """Clients are told an address that the certificate has."""
    out = play(SIMPLEST + """
sed 's/^}/}\\nclient_advertise: "localhost:4222"/' simplest.conf >advertise.conf
start nats-server -c advertise.conf
nats -s tls://localhost:4222 pub check hello
exec 3<>/dev/tcp/127.0.0.1/4222
head -n 1 <&3
stop
""")
    assert '"host":"localhost"' in out or '"connect_urls":["localhost:4222"' in out


def test_empty_block_behind_a_proxy(play):
    play("""
cat >proxy.conf <<END
tls {}
allow_non_tls: true
END
start nats-server -c proxy.conf
logged 'INF. TLS available for client connections$'
nats -s nats://localhost:4222 pub check hello
stop
""")


# -- the browser

CHROMIUM = """
mkdir -p ~/.pki/nssdb
certutil -d sql:$HOME/.pki/nssdb -N --empty-password
""" + CERTS + """
start nats-server --tls --tlscert=server-cert.pem --tlskey=server-key.pem -ms 8222
browse() { chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --dump-dom "$1" 2>browser.err; }
"""


def test_browser(kind, tmp_path):
    sandbox.need("mkcert", "nats")
    if shutil.which("chromium") is None or shutil.which("certutil") is None:
        pytest.skip("chromium")

    out = sandbox.play(kind, tmp_path, CHROMIUM + """
browse https://localhost:8222/healthz | grep '{"status":"ok"}'
browse https://localhost:8222/ | grep -i 'varz'
browse 'https://[::1]:8222/healthz' | grep '{"status":"ok"}'
browse https://127.0.0.1:8222/healthz >other.out || true
! grep status other.out
grep -o 'ERR_CERT_[A-Z_]*' browser.err
logged 'ERR. monitoring: TLS handshake error from 127.0.0.1:[0-9]+: remote error: '
mkcert -uninstall
browse https://localhost:8222/healthz >untrusted.out || true
! grep status untrusted.out
grep -o 'ERR_CERT_[A-Z_]*' browser.err
stop
""", timeout=110)

    assert "ERR_CERT_COMMON_NAME_INVALID" in out    # 127.0.0.1 is not in the certificate
    assert "ERR_CERT_AUTHORITY_INVALID" in out      # and the authority is trusted no more
