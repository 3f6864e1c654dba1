#!/bin/sh
# make.sh: makes the certificates of the conformance kit anew, in DER, next to this script.
# The keys are public and worth nothing: never use them outside of the tests.
#
#   ca, other-ca           roots; every leaf but `stranger` hangs from ca
#   inter                  an intermediate of ca; `chained` hangs from it
#   server-{ecdsa,rsa,ed25519}   for localhost, 127.0.0.1 and ::1; good for both ends of a link
#   client-{ecdsa,rsa,ed25519}   client authentication only
#   expired                ended in 2021
#   stranger               a client of other-ca
#   impostor               hangs from client-ecdsa, which is no CA
#   self-{rsa,ed25519}     roots, for their signatures
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
start=20200101000000Z
end=20991231235959Z

cat > "$tmp/ca.cnf" <<CNF
[ca]
default_ca = one
[one]
database = $tmp/index
serial = $tmp/serial
new_certs_dir = $tmp
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[ext_ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ext_server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[ext_server_ed]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[ext_client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = email:client@example.com, DNS:client.example.com
CNF
: > "$tmp/index"
echo 1001 > "$tmp/serial"

new_key() { # name type
    case $2 in
    ecdsa) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$tmp/$1.key" ;;
    rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$tmp/$1.key" ;;
    ed25519) openssl genpkey -algorithm ED25519 -out "$tmp/$1.key" ;;
    esac
}

issue() { # name type issuer extensions start end
    new_key "$1" "$2"
    openssl req -new -config "$tmp/ca.cnf" -key "$tmp/$1.key" -subj "/CN=natterjack kit $1" \
        -out "$tmp/$1.csr"
    if [ "$3" = self ]; then
        set -- "$1" "$2" "$1" "$4" "$5" "$6" -selfsign
    else
        set -- "$1" "$2" "$3" "$4" "$5" "$6" -cert "$tmp/$3.pem"
    fi
    name=$1 issuer=$3 ext=$4 from=$5 to=$6
    shift 6
    openssl ca -batch -notext -config "$tmp/ca.cnf" -in "$tmp/$name.csr" "$@" \
        -keyfile "$tmp/$issuer.key" -extensions "$ext" -startdate "$from" -enddate "$to" \
        -out "$tmp/$name.pem" 2> "$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
    openssl x509 -in "$tmp/$name.pem" -outform DER -out "$name.crt"
    # PKCS#8, unencrypted
    openssl pkcs8 -topk8 -nocrypt -in "$tmp/$name.key" -outform DER -out "$name.key"
}

issue ca ecdsa self ext_ca $start $end
issue other-ca ecdsa self ext_ca $start $end
issue inter ecdsa ca ext_ca $start $end
issue server-ecdsa ecdsa ca ext_server $start $end
issue server-rsa rsa ca ext_server $start $end
issue server-ed25519 ed25519 ca ext_server_ed $start $end
issue client-ecdsa ecdsa ca ext_client $start $end
issue client-rsa rsa ca ext_client $start $end
issue client-ed25519 ed25519 ca ext_client $start $end
issue chained ecdsa inter ext_server $start $end
issue expired ecdsa ca ext_server $start 20211231235959Z
issue stranger ecdsa other-ca ext_client $start $end
issue impostor ecdsa client-ecdsa ext_server $start $end
issue self-rsa rsa self ext_ca $start $end
issue self-ed25519 ed25519 self ext_ca $start $end
rm -f ca.key other-ca.key inter.key self-rsa.key self-ed25519.key
